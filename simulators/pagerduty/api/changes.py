"""Change events, read back over REST; what arrives goes through :mod:`simulators.pagerduty.intake`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flask import request

from simulators.engine.instants import DAY
from simulators.engine.resources import Field, Kind, freeze, thaw
from simulators.pagerduty import intake
from simulators.pagerduty.api.call import Call
from simulators.pagerduty.api.crud import writable
from simulators.pagerduty.api.errors import Code, not_found, refuse
from simulators.pagerduty.api.lens import Lens, lens
from simulators.pagerduty.api.operations import Listing, Operation, Reply
from simulators.pagerduty.api.shapes import policy_teams
from simulators.pagerduty.model import CHANGES, DOCUMENTS, Change

#: Change events are kept this long (PagerDuty: change events).
KEPT = 90 * DAY


def change(lens: Lens, row: Change) -> dict[str, Any]:
    """Return a change event."""
    payload = row.event.get("payload") or {}
    integration = lens.state.get(DOCUMENTS["integrations"], row.integration)
    return {
        "id": row.id,
        "type": "change_event",
        "summary": payload.get("summary"),
        "self": f"{lens.links.api}/change_events/{row.id}",
        "html_url": f"{lens.links.web}/change_events/{row.id}",
        "timestamp": payload.get("timestamp") or lens.at(row.at),
        "source": payload.get("source"),
        "routing_key": row.event.get("routing_key"),
        "services": [lens.ref("services", row.service)],
        "integration": None if integration is None else lens.ref("integrations", row.integration),
        "links": thaw(row.event.get("links") or ()),
        "images": thaw(row.event.get("images") or ()),
        "custom_details": thaw(payload.get("custom_details") or {}),
    }


def _list(call: Call) -> Listing:
    since, until = call.instant("since"), call.instant("until")
    if since is not None and until is not None and until < since:
        raise refuse(Code.DATE_RANGE)
    oldest = max(call.now - KEPT, since or 0)
    integrations, teams, look = call.many("integration_ids"), call.many("team_ids"), lens(call)
    service = call.ids.get("id")
    found = call.state.find(CHANGES, "service", service) if service else list(call.state.all(CHANGES))
    rows = (
        row
        for row in reversed(found)
        if row.at >= oldest
        and (until is None or row.at <= until)
        and (not integrations or row.integration in integrations)
        and (not teams or _in_teams(look, row, teams))
    )
    return Listing(rows, lambda row: change(look, row))


def _in_teams(look: Lens, row: Change, teams: list[str]) -> bool:
    service = look.state.get(DOCUMENTS["services"], row.service)
    policy = (service.body.get("escalation_policy") or {}).get("id", "") if service else ""
    return any(team in teams for team in policy_teams(look, policy))


def _read(call: Call) -> Any:
    row = call.state.get(CHANGES, call.ids["id"])
    if row is None:
        raise not_found()
    return change(lens(call), row)


def _amend(call: Call) -> Any:
    """Change what a change event says; where it came from and when it was taken in stays."""
    row = call.state.get(CHANGES, call.ids["id"])
    if row is None:
        raise not_found()
    sent = writable(CHANGE, call.body)
    payload = {**thaw(row.event["payload"]), **{name: sent[name] for name in sent if name not in _BESIDE}}
    beside = {name: sent[name] for name in sent if name in _BESIDE}
    changed = replace(row, event=freeze({**thaw(row.event), **beside, "payload": payload}))
    call.draft.put(CHANGES, changed)
    return change(lens(call), changed)


def _submit(call: Call) -> Reply:
    status, body = intake.accept_change(call.draft, request.get_data(cache=True))
    return Reply(body, status)


_BESIDE = ("links", "images")
CHANGE = (
    Field("summary", nullable=False, min_length=1, max_length=1024), Field("source", max_length=1024),
    Field("timestamp", max_length=40), Field("custom_details", Kind.OBJECT),
    Field("links", Kind.ARRAY, fields=(Field("href", required=True), Field("text"))),
    Field("images", Kind.ARRAY, fields=(Field("src", required=True), Field("href"), Field("alt"))),
)  # fmt: skip
_QUERY = ("team_ids[]", "integration_ids[]", "since", "until")
OPERATIONS: tuple[Operation, ...] = (
    Operation("GET", "/change_events", _list, wrapper="change_events", paging="classic", query=_QUERY,
              summary="List change events"),
    Operation("GET", "/services/{id}/change_events", _list, wrapper="change_events", paging="classic", query=_QUERY,
              needs=(("services", "id"),), summary="List the change events of a service"),
    Operation("GET", "/change_events/{id}", _read, wrapper="change_event", summary="Get a change event"),
    Operation("PUT", "/change_events/{id}", _amend, wrapper="change_event", request="change_event", fields=CHANGE,
              partial=True, summary="Update a change event"),
    Operation("POST", "/change_events", _submit, status=202, also=(413, 429), summary="Send a change event"),
)  # fmt: skip
