"""Rounds that are run at once, and snapshots of rounds there were."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response

from simulators.engine import instants
from simulators.engine.draft import Draft, View
from simulators.engine.errors import BadInstant
from simulators.engine.resources import Resource
from simulators.engine.web import answer, transact
from simulators.thousandeyes import saved_events
from simulators.thousandeyes.api import shapes
from simulators.thousandeyes.api.fields import flag, text
from simulators.thousandeyes.api.resources import errors
from simulators.thousandeyes.api.rest import (
    BASE,
    Caller,
    FieldError,
    hal,
    invalid,
    iso,
    not_found,
    object_body,
    problem,
    reply,
    require,
)
from simulators.thousandeyes.api.tests import EDIT
from simulators.thousandeyes.model import APP, TESTS, Test

SNAPSHOT_PERMISSION = "19"
SNAPSHOT = Resource(
    "snapshot",
    "snapshots",
    "/tests/{testId}/snapshot",
    (text("displayName", required=True, most=255), text("startDate", required=True), text("endDate", required=True),
     flag("isPublic")),
    verbs=("create",),
)  # fmt: skip


def _need(view: View, caller: Caller, test_id: str) -> Test:
    test = view.get(TESTS, test_id)
    if test is None or not shapes.is_visible(test, caller):
        raise not_found(f"There is no test {test_id}.")
    return test


def _run(test_id: str) -> Response:
    asking = require(EDIT)

    def verb(draft: Draft) -> None:
        test = _need(draft, asking, test_id)
        if test.type == "bgp" or test.source or test.aid != asking.aid:
            raise not_found(f"Test {test_id} cannot be run at once.")
        saved_events.run(draft, test)

    transact(verb)
    return answer(None, 200)


def _dates(body: dict[str, Any], now: int) -> tuple[int, int]:
    """Return the range a snapshot is to keep; raises the validation problem of one it may not have."""
    found: dict[str, int] = {}
    for name in ("startDate", "endDate"):
        try:
            found[name] = instants.parse(body[name])
        except BadInstant:
            raise invalid(FieldError(name, "must be an ISO 8601 date-time")) from None
    since, until = found["startDate"], found["endDate"]
    if until > now:
        raise invalid(FieldError("endDate", "must not be in the future"))
    if until - since not in saved_events.SNAPSHOT_SPANS:
        raise invalid(FieldError("endDate", "must be 1, 2, 4, 6, 12, 24 or 48 hours after startDate"))
    return since, until


def _take(test_id: str) -> Response:
    asking, body = require(SNAPSHOT_PERMISSION), object_body()
    wrong = errors(SNAPSHOT, body)
    if wrong:
        raise invalid(*wrong)

    def verb(draft: Draft) -> dict[str, Any]:
        test = _need(draft, asking, test_id)
        since, until = _dates(body, draft.now)
        if not saved_events.count_snapshot(draft, asking.group.org_id).allowed:
            raise problem(429, "The organization has taken 5 snapshots within 5 minutes.")
        taken = saved_events.take_snapshot(
            draft, test, name=body["displayName"], since=since, until=until, created_by=asking.signature
        )
        return _show(draft, asking, test, taken)

    return reply(transact(verb), 201)


def _show(view: View, caller: Caller, test: Test, taken: Test) -> dict[str, Any]:
    assert taken.kept is not None
    since, until = (instant // instants.SECOND for instant in taken.kept)
    identity = saved_events.share_id(view, taken)
    document = {
        "id": identity,
        "startRoundId": since,
        "endRoundId": until,
        "roundId": since,
        "shareDate": iso(taken.created),
        "sourceTestId": test.id,
        "testId": taken.id,
        "uid": caller.user.id,
        "displayName": taken.name,
        "test": shapes.simple_test(taken),
    }
    return hal(document, shapes.test_path(taken), appLink=f"{APP}/view/snapshot?id={identity}")


def blueprint() -> Blueprint:
    """Return the routes of rounds that are run at once, and of snapshots."""
    routes = Blueprint("runs", __name__)
    routes.add_url_rule(f"{BASE}/tests/<test_id>/run", "run", _run, methods=["POST"])
    routes.add_url_rule(f"{BASE}/tests/<test_id>/snapshot", "snapshot", _take, methods=["POST"])
    return routes
