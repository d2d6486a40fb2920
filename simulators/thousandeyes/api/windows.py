"""Alert suppression windows over the API; when they are in force is :mod:`~simulators.thousandeyes.suppression`'s."""

from __future__ import annotations

from simulators.engine import instants
from simulators.engine.draft import View
from simulators.engine.errors import BadInstant
from simulators.engine.resources import Document, thaw
from simulators.thousandeyes import commands, documents, suppression
from simulators.thousandeyes.api import shapes
from simulators.thousandeyes.api.collection import Collection, Expand, Shown
from simulators.thousandeyes.api.resources import SUPPRESSION_WINDOW, readable
from simulators.thousandeyes.api.rest import Caller, FieldError, hal, iso
from simulators.thousandeyes.model import TESTS

VIEW, EDIT = "5", "6"


def _path(window: Document) -> str:
    return f"{SUPPRESSION_WINDOW.path}/{window.id}"


def _brief(view: View, caller: Caller, window: Document, expand: Expand) -> Shown:
    body = readable(SUPPRESSION_WINDOW, thaw(window.body))
    shown = {
        "alertSuppressionWindowId": window.id,
        "status": suppression.status(window.body, view.now),
        **body,
        "startDate": iso(instants.parse(body["startDate"])),
    }
    return hal(shown, _path(window))


def _detail(view: View, caller: Caller, window: Document, expand: Expand) -> Shown:
    shown = _brief(view, caller, window, expand)
    if "test" in expand:
        links = shown.pop("_links")
        tests = [test for name in window.body.get("testIds", ()) if (test := view.get(TESTS, name)) is not None]
        shown |= {"tests": [shapes.simple_test(test) for test in tests], "_links": links}
    return shown


def _problems(view: View, caller: Caller, body: Shown, window: Document | None) -> list[FieldError]:
    found = [
        FieldError(f"testIds[{place}]", f"there is no test {name}")
        for place, name in enumerate(body.get("testIds", ()))
        if (test := view.get(TESTS, name)) is None or not shapes.is_visible(test, caller)
    ]
    repeat, end = body.get("repeat") or {}, body.get("endRepeat") or {}
    dates = {"startDate": body["startDate"]} | ({"endRepeat.date": end["date"]} if end.get("date") else {})
    for name, text in dates.items():
        try:
            instants.parse(text)
        except BadInstant:
            found.append(FieldError(name, "must be an ISO 8601 date"))
    if repeat.get("type") == "custom" and not (repeat.get("intervalType") and repeat.get("intervalLength")):
        found.append(FieldError("repeat.intervalLength", "is required together with intervalType for type custom"))
    weekly = repeat.get("type") == "week" or repeat.get("intervalType") == "week"
    if repeat.get("daysOfWeek") and not weekly:
        found.append(FieldError("repeat.daysOfWeek", "is only for weekly repetition"))
    for kind, name in (("count", "count"), ("date", "date")):
        if end.get("type") == kind and not end.get(name):
            found.append(FieldError(f"endRepeat.{name}", f"is required for type {kind}"))
    return found


WINDOWS: Collection[Document] = Collection(
    resource=SUPPRESSION_WINDOW,
    key="windowId",
    rows=lambda view, caller: documents.all_of(view, suppression.KIND, caller.aid),
    find=lambda view, caller, id: documents.find(view, suppression.KIND, caller.aid, id),
    show=_detail,
    path=_path,
    brief=_brief,
    problems=_problems,
    create=lambda draft, caller, body: commands.create_window(draft, caller.aid, body),
    update=lambda draft, caller, window, body: commands.update_window(draft, window, body),
    delete=lambda draft, caller, window: commands.delete_window(draft, window),
    permissions=(VIEW, EDIT),
)
