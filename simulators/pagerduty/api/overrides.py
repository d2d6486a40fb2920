"""Overrides of a schedule: somebody takes a span, whatever the layers say.

Several are created in one request and each is answered by itself; one alone in the old form is answered the old way. A
running override is ended rather than deleted, a past one stays (PagerDuty: schedule overrides).
"""

from __future__ import annotations

from typing import Any

from simulators.engine import instants
from simulators.engine.errors import Refused
from simulators.engine.resources import Document, Field, Kind, check
from simulators.pagerduty import account
from simulators.pagerduty.api.call import Call, zone_name
from simulators.pagerduty.api.errors import Code, invalid, not_found, refuse, wording
from simulators.pagerduty.api.lens import Lens, lens
from simulators.pagerduty.api.operations import Listing, Operation, Reply
from simulators.pagerduty.api.resources import REFERENCE
from simulators.pagerduty.api.rotas import span
from simulators.pagerduty.api.setup import read_instant
from simulators.pagerduty.model import DOCUMENTS

OVERRIDE = (
    Field("start", required=True, max_length=40),
    Field("end", required=True, max_length=40),
    Field("user", Kind.OBJECT, required=True, fields=REFERENCE),
    Field("time_zone", max_length=100),
)


def _override(look: Lens, row: Document, zone: str) -> dict[str, Any]:
    return {
        "id": row.id,
        "start": instants.iso(instants.parse(row.body["start"], zone), zone),
        "end": instants.iso(instants.parse(row.body["end"], zone), zone),
        "user": look.ref("users", row.body["user"]["id"]),
    }


def _overrides(call: Call) -> Listing:
    look, schedule = lens(call), call.document("schedules", call.ids["id"])
    zone = zone_name(call.text("time_zone")) or str(schedule.body.get("time_zone") or "UTC")
    missing = [f"{name} is required" for name in ("since", "until") if not call.text(name)]
    if missing:
        raise refuse(Code.MISSING_ARGUMENTS, missing)
    since, until = span(call) or (0, 0)
    found = [
        row
        for row in call.state.find(DOCUMENTS["overrides"], "parent", schedule.id)
        if instants.parse(row.body["start"], zone) < until and instants.parse(row.body["end"], zone) > since
    ]
    if call.flag("editable"):
        return Listing(found, lambda row: {"id": row.id})
    return Listing(found, lambda row: _override(look, row, zone))


def _add_overrides(call: Call) -> Any:
    """Create overrides one by one; each item has its own status. One alone in the old form answers the old way."""
    old_form = call.body.get("override")
    items = [old_form] if old_form is not None else call.body.get("overrides")
    if not isinstance(items, list) or not items:
        raise invalid("Overrides must be an array")
    results = [_add_override(call, item) for item in items]
    if old_form is None:
        return results
    if results[0]["status"] != 201:
        raise refuse(Code.INVALID_OVERRIDE, results[0]["errors"])
    return {"override": results[0]["override"]}


def _add_override(call: Call, item: Any) -> dict[str, Any]:
    schedule = call.document("schedules", call.ids["id"])
    if not isinstance(item, dict):
        return {"status": 400, "errors": ["Override must be an object"], "override": {}}
    problems = [wording(problem) for problem in check(OVERRIDE, item)]
    zone = str(schedule.body.get("time_zone") or "UTC")
    start = end = 0
    if not problems:
        try:
            named = zone_name(item.get("time_zone")) or zone
            start, end = (read_instant(name, item[name], named) for name in ("start", "end"))
        except Refused as refusal:  # each item is answered by itself
            problems = list(refusal.body["error"]["errors"])
    if not problems:
        if end <= start:
            problems.append("Override must end after its start")
        elif end <= call.now:
            problems.append("Override must end in the future")
        if call.state.get(DOCUMENTS["users"], item["user"]["id"]) is None:
            problems.append("User not found")
    if problems:
        return {"status": 400, "errors": problems, "override": item}
    body = {
        "start": instants.iso(start, zone),
        "end": instants.iso(end, zone),
        "user": {"id": item["user"]["id"], "type": "user_reference"},
    }
    row = account.put(call.draft, "overrides", body, schedule.id)
    call.draft.record("override.created", row.id, schedule=schedule.id)
    return {"status": 201, "override": _override(lens(call), row, zone)}


def _delete_override(call: Call) -> Any:
    schedule = call.document("schedules", call.ids["id"])
    row = call.state.get(DOCUMENTS["overrides"], call.ids["override_id"])
    if row is None or row.parent != schedule.id:
        raise not_found()
    zone = str(schedule.body.get("time_zone") or "UTC")
    if instants.parse(row.body["end"], zone) <= call.now:
        raise refuse(Code.INVALID_OVERRIDE, ["Override has already ended"])
    if instants.parse(row.body["start"], zone) > call.now:
        call.draft.delete(DOCUMENTS["overrides"], row.id)
        account.rota_edited(call.draft)
        return None
    cut = account.put(call.draft, "overrides", {**row.body, "end": instants.iso(call.now, zone)}, schedule.id)
    return Reply({"override": _override(lens(call), cut, zone)}, 200)


_SCHEDULE = (("schedules", "id"),)
OPERATIONS: tuple[Operation, ...] = (
    Operation("GET", "/schedules/{id}/overrides", _overrides, wrapper="overrides", needs=_SCHEDULE,
              query=("since", "until", "editable", "overflow", "time_zone"), summary="List overrides"),
    Operation("POST", "/schedules/{id}/overrides", _add_overrides, status=201, request="", needs=_SCHEDULE,
              fields=(Field("overrides", Kind.ARRAY), Field("override", Kind.OBJECT)), summary="Create overrides"),
    Operation("DELETE", "/schedules/{id}/overrides/{override_id}", _delete_override, status=204, needs=_SCHEDULE,
              also=(200,), summary="Delete or end an override"),
)  # fmt: skip
