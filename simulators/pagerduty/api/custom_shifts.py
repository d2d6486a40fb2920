"""Custom shifts and overrides of shift-based schedules over REST.

A custom shift is coverage outside every rotation; an override puts one member in the place of another, on one rotation
or one custom shift. What has started can only be ended, what is over is refused (PagerDuty: shift-based schedules).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from simulators.engine import instants
from simulators.engine.resources import Document, Field, Kind, thaw
from simulators.pagerduty import account, shifts
from simulators.pagerduty.api.call import Call, zone_name
from simulators.pagerduty.api.crud import writable
from simulators.pagerduty.api.errors import Code, refuse
from simulators.pagerduty.api.lens import Lens, lens
from simulators.pagerduty.api.operations import Listing, Operation
from simulators.pagerduty.api.rotas import span
from simulators.pagerduty.api.shift_schedules import (
    MEMBER,
    addresses,
    check_members,
    moment,
    refusal,
    schedule_of,
    wrong,
    zone_of,
)
from simulators.pagerduty.model import DOCUMENTS, SHIFT_ID

_LIST, _OBJECT = Kind.ARRAY, Kind.OBJECT
_TIMES = (Field("start_time", required=True, max_length=40), Field("end_time", required=True, max_length=40))
_ASSIGNMENTS = Field("assignments", _LIST, required=True, min_length=1, max_length=1, fields=(
    Field("type", required=True, choices=("shift_assignment",)),
    Field("member", _OBJECT, required=True, fields=MEMBER),
))  # fmt: skip
CUSTOM_SHIFT = (Field("type", required=True, choices=("custom_shift",)), *_TIMES, _ASSIGNMENTS)
_OVERRIDING = Field("overriding_member", _OBJECT, required=True, fields=MEMBER)
OVERRIDE = (
    Field("type", required=True, choices=("override_shift",)), Field("rotation_id", max_length=100),
    Field("custom_shift_id", max_length=100), *_TIMES, Field("overridden_member", _OBJECT, required=True,
    fields=MEMBER), _OVERRIDING,
)  # fmt: skip


def _rendered(look: Lens, schedule: Document, row: Document) -> dict[str, str]:
    zone = look.memo.get("zone") or zone_of(schedule)
    start, end = shifts.span(row, zone_of(schedule))
    bounds: tuple[int, int] | None = look.memo.get("bounds")
    if bounds is not None:
        start, end = max(start, bounds[0]), min(end, bounds[1])
    return {"start_time": instants.iso(start, zone), "end_time": instants.iso(end, zone)}


def _custom_shift(look: Lens, schedule: Document, row: Document) -> dict[str, Any]:
    return {
        "id": row.id,
        "type": "custom_shift",
        **_rendered(look, schedule, row),
        "assignments": thaw(row.body["assignments"]),
        **addresses(look, schedule.id, f"custom_shifts/{row.id}"),
    }


def _override(look: Lens, schedule: Document, row: Document) -> dict[str, Any]:
    source = "rotation_id" if row.body.get("rotation_id") else "custom_shift_id"
    return {
        "id": row.id,
        "type": "override_shift",
        source: row.body[source],
        **_rendered(look, schedule, row),
        "overridden_member": thaw(row.body["overridden_member"]),
        "overriding_member": thaw(row.body["overriding_member"]),
        **addresses(look, schedule.id, f"overrides/{row.id}"),
    }


_SHOWN = {"custom_shifts": _custom_shift, "override_shifts": _override}


def _within(kind: str) -> Any:
    """Return the handler that lists what touches the window that has to be given, cut to it unless it may overflow."""

    def listed(call: Call) -> Listing:
        look, schedule = lens(call), schedule_of(call)
        missing = {name: ["is required"] for name in ("since", "until") if not call.text(name)}
        if missing:
            raise refuse(Code.INVALID_INPUT, missing, message="Invalid request")
        since, until = span(call) or (0, 0)
        bounds = None if call.flag("overflow") else (since, until)
        look.memo.update(bounds=bounds, zone=zone_name(call.text("time_zone")))
        spans = [(row, *shifts.span(row, zone_of(schedule))) for row in _of(call, kind)]
        rows = [row for row, start, end in sorted(spans, key=lambda found: found[1]) if start < until and end > since]
        return Listing(rows, lambda row: _SHOWN[kind](look, schedule, row))

    return listed


def _of(call: Call, kind: str) -> list[Document]:
    return call.state.find(DOCUMENTS[kind], "parent", call.ids["id"])


def _one(kind: str, variable: str) -> Any:
    def read(call: Call) -> Any:
        return _SHOWN[kind](lens(call), schedule_of(call), call.document(kind, call.ids[variable]))

    return read


def _span_of(call: Call, name: str, body: Mapping[str, Any]) -> dict[str, str]:
    zone = zone_of(schedule_of(call))
    start = moment(f"{name}.start_time", body["start_time"], zone)
    end = moment(f"{name}.end_time", body["end_time"], zone)
    if end <= start:
        raise wrong(f"{name}.end_time", "must be after start_time")
    if end < call.now:
        raise wrong(f"{name}.end_time", "must be in the future")
    return {"start_time": instants.iso(start, zone), "end_time": instants.iso(end, zone)}


def _assignments(call: Call, entries: Sequence[Mapping[str, Any]], held: Sequence[Mapping[str, Any]] = ()) -> Any:
    """Return the assignments of a custom shift; one that names the same member as before keeps its id."""
    check_members(call, "custom_shift.assignments", (entry["member"] for entry in entries))
    known = {shifts.member(entry["member"]): entry["id"] for entry in held}
    return [
        {
            "id": known.get(shifts.member(entry["member"])) or call.draft.fresh(SHIFT_ID, "pagerduty.shift_assignment"),
            "type": "shift_assignment",
            "member": dict(entry["member"]),
        }
        for entry in entries
    ]


def _add_custom_shifts(call: Call) -> Any:
    schedule, look, made = schedule_of(call), lens(call), []
    for item in call.body["custom_shifts"]:
        sent = writable(CUSTOM_SHIFT, item)
        body = _span_of(call, "custom_shift", sent) | {"assignments": _assignments(call, sent["assignments"])}
        id = call.draft.fresh(SHIFT_ID, "pagerduty.custom_shift")
        row = account.put(call.draft, "custom_shifts", {"id": id, "type": "custom_shift", **body}, schedule.id)
        call.draft.record("schedule.custom_shift.created", schedule.id, shift=id)
        made.append(_custom_shift(look, schedule, row))
    return made


def _ended(call: Call, name: str, row: Document) -> bool:
    """Return whether a custom shift or override has started; refuse one that is over."""
    start, end = shifts.span(row, zone_of(schedule_of(call)))
    if end <= call.now:
        raise wrong(name, "has ended and cannot be changed")
    return start <= call.now


def _update_custom_shift(call: Call) -> Any:
    schedule, row = schedule_of(call), call.document("custom_shifts", call.ids["custom_shift_id"])
    sent, old = writable(CUSTOM_SHIFT, call.body), thaw(row.body)
    started = _ended(call, "custom_shift", row)
    body = {**old, **sent, "type": "custom_shift"}
    body |= _span_of(call, "custom_shift", body)
    if "assignments" in sent:
        body["assignments"] = _assignments(call, sent["assignments"], old["assignments"])
    if started and any(body[name] != old[name] for name in ("start_time", "assignments")):
        raise wrong("custom_shift", "has started: only end_time can be changed")
    changed = account.put(call.draft, "custom_shifts", body, schedule.id)
    call.draft.record("schedule.custom_shift.updated", schedule.id, shift=row.id)
    return _custom_shift(lens(call), schedule, changed)


def _end(kind: str, name: str, variable: str) -> Any:
    """Return the handler of a delete: what has started ends now, what is over is refused, the rest is gone."""

    def ended(call: Call) -> None:
        schedule, row = schedule_of(call), call.document(kind, call.ids[variable])
        if _ended(call, name, row):
            account.put(
                call.draft, kind, {**row.body, "end_time": instants.iso(call.now, zone_of(schedule))}, schedule.id
            )
        else:
            call.draft.delete(DOCUMENTS[kind], row.id)
            account.rota_edited(call.draft)
        call.draft.record(f"schedule.{name}.deleted", schedule.id, shift=row.id)

    return ended


def _source(call: Call, item: Mapping[str, Any]) -> dict[str, str]:
    """Return which rotation or custom shift of this schedule an override is about: exactly one."""
    given = {name: str(item[name]) for name in ("rotation_id", "custom_shift_id") if item.get(name)}
    if len(given) != 1:
        raise wrong("override", "must name either a rotation_id or a custom_shift_id")
    name, id = next(iter(given.items()))
    row = call.state.get(DOCUMENTS["rotations" if name == "rotation_id" else "custom_shifts"], id)
    if row is None or row.parent != call.ids["id"] or row.body.get("deleted_at"):
        raise wrong(f"override.{name}", "does not exist in this schedule")
    return given


def _add_overrides(call: Call) -> Any:
    schedule, look, made = schedule_of(call), lens(call), []
    for item in call.body["overrides"]:
        sent = writable(OVERRIDE, item)
        check_members(call, "override.overriding_member", (sent["overriding_member"],))
        check_members(call, "override.overridden_member", (sent["overridden_member"],))
        members = {name: dict(sent[name]) for name in ("overridden_member", "overriding_member")}
        body = _source(call, sent) | _span_of(call, "override", sent) | members
        id = call.draft.fresh(SHIFT_ID, "pagerduty.override_shift")
        row = account.put(call.draft, "override_shifts", {"id": id, "type": "override_shift", **body}, schedule.id)
        call.draft.record("schedule.override.created", schedule.id, shift=id)
        made.append(_override(look, schedule, row))
    return made


def _update_override(call: Call) -> Any:
    schedule, row = schedule_of(call), call.document("override_shifts", call.ids["override_id"])
    _ended(call, "override", row)
    sent = writable((*_TIMES, _OVERRIDING), call.body)
    body = {**thaw(row.body), **sent}
    check_members(call, "override.overriding_member", (body["overriding_member"],))
    changed = account.put(call.draft, "override_shifts", body | _span_of(call, "override", body), schedule.id)
    call.draft.record("schedule.override.updated", schedule.id, shift=row.id)
    return _override(lens(call), schedule, changed)


_ONE, _WINDOW = "/v3/schedules/{id}", ("since", "until", "time_zone", "overflow")
_NEEDS = (("v3_schedules", "id"),)
_SHIFT = (*_NEEDS, ("custom_shifts", "custom_shift_id"))
_OVER = (*_NEEDS, ("override_shifts", "override_id"))
OPERATIONS: tuple[Operation, ...] = (
    Operation("GET", f"{_ONE}/custom_shifts", _within("custom_shifts"), wrapper="custom_shifts", paging="classic",
              query=_WINDOW, needs=_NEEDS, summary="List custom shifts"),
    Operation("POST", f"{_ONE}/custom_shifts", _add_custom_shifts, wrapper="custom_shifts", status=201, request="",
              needs=_NEEDS, fields=(Field("custom_shifts", _LIST, required=True, fields=CUSTOM_SHIFT),),
              refusal=refusal(""), summary="Create custom shifts"),
    Operation("GET", f"{_ONE}/custom_shifts/{{custom_shift_id}}", _one("custom_shifts", "custom_shift_id"),
              wrapper="custom_shift", needs=_SHIFT, summary="Get a custom shift"),
    Operation("PUT", f"{_ONE}/custom_shifts/{{custom_shift_id}}", _update_custom_shift, wrapper="custom_shift",
              request="custom_shift", fields=CUSTOM_SHIFT, partial=True, needs=_SHIFT,
              refusal=refusal("custom_shift."), summary="Update a custom shift"),
    Operation("DELETE", f"{_ONE}/custom_shifts/{{custom_shift_id}}",
              _end("custom_shifts", "custom_shift", "custom_shift_id"), status=204, needs=_SHIFT,
              summary="Delete or end a custom shift"),
    Operation("GET", f"{_ONE}/overrides", _within("override_shifts"), wrapper="overrides", paging="classic",
              query=_WINDOW, needs=_NEEDS, summary="List the overrides of shifts"),
    Operation("POST", f"{_ONE}/overrides", _add_overrides, wrapper="overrides", status=201, request="", needs=_NEEDS,
              fields=(Field("overrides", _LIST, required=True, fields=OVERRIDE),), refusal=refusal(""),
              summary="Create overrides of shifts"),
    Operation("GET", f"{_ONE}/overrides/{{override_id}}", _one("override_shifts", "override_id"), wrapper="override",
              needs=_OVER, summary="Get an override of a shift"),
    Operation("PUT", f"{_ONE}/overrides/{{override_id}}", _update_override, wrapper="override", request="override",
              fields=(*_TIMES, _OVERRIDING), partial=True, needs=_OVER, refusal=refusal("override."),
              summary="Update an override of a shift"),
    Operation("DELETE", f"{_ONE}/overrides/{{override_id}}", _end("override_shifts", "override", "override_id"),
              status=204, needs=_OVER, summary="Delete or end an override of a shift"),
)  # fmt: skip
