"""The install flow of app.pagerduty.com and the classic connect flow of connect.pagerduty.com.

Both show the account's services and send the browser back with keys; see :mod:`simulators.pagerduty.connect`. What is
made on the way, services and integrations, is made by the same rules as over the REST API.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from werkzeug.datastructures import MultiDict

from simulators.engine.browsers import absolute, address, place
from simulators.engine.draft import Draft, View
from simulators.engine.errors import Refused
from simulators.engine.resources import Document, check
from simulators.engine.web import world
from simulators.pagerduty import connect, oauth
from simulators.pagerduty.api import crud, setup
from simulators.pagerduty.api.call import Call
from simulators.pagerduty.api.errors import invalid, wording
from simulators.pagerduty.api.resources import INTEGRATION, SERVICE
from simulators.pagerduty.api.visits import Flow, Visit
from simulators.pagerduty.connect import CANCELLED, Key
from simulators.pagerduty.model import DOCUMENTS, ApiKey, Knobs
from simulators.pagerduty.oauth import App

INSTALL, CLASSIC = "/install/integration", "/connect"


# -- where a browser may be sent ---------------------------------------------------------------------------------------


def registered(app: App) -> list[str]:
    """Return where an app's browsers may be sent: where this world serves the hosts it registered, and those URLs."""
    served = []
    for url in app.redirects:
        parts = urlsplit(url)
        if parts.hostname in world().addresses:
            base = urlsplit(address(parts.hostname))
            served.append(parts._replace(scheme=base.scheme, netloc=base.netloc).geturl())
    return [*served, *app.redirects]


def may_return(app: App, url: str) -> bool:
    """Return whether the install flow may send a browser to ``url``: to a page the app registered, with any query."""
    parts = absolute(url)
    known = [absolute(each) for each in registered(app)]
    return parts is not None and place(parts) in [place(each) for each in known if each is not None]


# -- making ------------------------------------------------------------------------------------------------------------


def _make(draft: Draft, resource: Any, user: Document, body: Mapping[str, Any], **ids: str) -> dict[str, Any]:
    """Create a document as the REST API does for a user; refuses in its words."""
    problems = check(resource.fields, dict(body))
    if problems:
        raise invalid(*(wording(problem) for problem in problems))
    call = Call(draft, ids, ApiKey("", user=user.id), user, dict(body))
    made: dict[str, Any] = crud.create(resource, setup.BEHAVIOURS[resource.extra["kind"]], call)
    return made


def integrate(draft: Draft, app: App, service: Document, user: Document) -> Key:
    """Add an integration of the app's vendor to a service; a service without alerts gets none."""
    if not connect.makes_both(service):
        return Key("", service)
    body: dict[str, Any] = {"type": "events_api_v2_inbound_integration", "name": app.name}
    vendor = next(iter(draft.find(DOCUMENTS["vendors"], "name", app.vendor)), None)
    if vendor is not None:
        body["vendor"] = {"id": vendor.id, "type": "vendor_reference"}
    made = _make(draft, INTEGRATION, user, body, id=service.id)
    return Key(str(made.get("integration_key") or ""), service)


def pick(
    draft: Draft, app: App, user: Document, picked: Sequence[str], name: str, policy: str, most: int | None
) -> list[Key]:
    """Integrate the picked services and a new one when it is named; refuses what cannot be picked (400)."""
    wrong = connect.problem(draft, picked, bool(name), most)
    if wrong:
        raise Refused(400, wrong)
    services = [draft.need(DOCUMENTS["services"], id) for id in picked]
    if name:
        reference = {"id": policy, "type": "escalation_policy_reference"}
        made = _make(draft, SERVICE, user, {"type": "service", "name": name, "escalation_policy": reference})
        services.append(draft.need(DOCUMENTS["services"], made["id"]))
    keys = [integrate(draft, app, service, user) for service in services]
    names = [str(service.body.get("name")) for service in services]
    draft.record("connect.installed", app.id, app=app.name, user=user.id, services=names)
    return keys


def _picked(form: MultiDict[str, str]) -> tuple[list[str], str, str]:
    picked = [id for id in dict.fromkeys(form.getlist("service")) if id]
    return picked, " ".join(form.get("new_service", "").split()), form.get("policy", "")


# -- the flows ---------------------------------------------------------------------------------------------------------


def _read_install(view: View, query: MultiDict[str, str]) -> Visit:
    app = oauth.find(view, id=query.get("app_id", ""))
    if app is None:
        raise Refused(400, "No app is registered with this app_id.")
    target = query.get("redirect_url") or query.get("redirect_uri") or next(iter(registered(app)), "")
    if not may_return(app, target):
        raise Refused(400, f"This redirect URL is not registered for {app.name}.")
    return Visit(app.name, target, asked={"app": app})


def install(
    draft: Draft, app: App, target: str, user: Document, picked: Sequence[str], name: str = "", policy: str = ""
) -> str:
    """Confirm the install flow and return where the browser goes, with every key."""
    keys = pick(draft, app, user, picked, name, policy, None)
    document = connect.config(draft.knobs(Knobs), keys)
    return connect.with_query(target, {"config": connect.compact(document)})


def _confirm_install(draft: Draft, visit: Visit, user: Document, form: MultiDict[str, str]) -> str:
    return install(draft, visit.asked["app"], visit.target, user, *_picked(form))


def _read_classic(view: View, query: MultiDict[str, str]) -> Visit:
    app = oauth.find(view, connect_key=query.get("vendor", ""))
    if app is None:
        raise Refused(400, "There is no vendor with this key.")
    target = query.get("callback", "")
    parts = absolute(target)
    if parts is None or parts.scheme not in ("http", "https"):
        raise Refused(400, "callback must be a web address.")
    return Visit(app.name, target, asked={"app": app})


def _confirm_classic(draft: Draft, visit: Visit, user: Document, form: MultiDict[str, str]) -> str:
    (made,) = pick(draft, visit.asked["app"], user, *_picked(form), most=1)
    told = {
        "account": draft.knobs(Knobs).subdomain,
        "service_key": made.key,
        "service_name": str(made.service.body.get("name")),
    }
    return connect.with_query(visit.target, told)


def _draw(several: bool, view: View, visit: Visit) -> Mapping[str, Any]:
    return {"several": several, "choices": connect.choices(view), "policies": connect.policies(view)}


INSTALLING = Flow(
    INSTALL, "pick.html", _read_install, functools.partial(_draw, True), _confirm_install, CANCELLED, True
)
CONNECTING = Flow(
    CLASSIC, "pick.html", _read_classic, functools.partial(_draw, False), _confirm_classic, CANCELLED, True
)
