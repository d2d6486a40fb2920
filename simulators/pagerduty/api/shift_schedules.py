"""Shift-based schedules over REST, ``/v3/schedules``: schedules, rotations and their events.

Who is on call when is answered by :mod:`~simulators.pagerduty.shifts`; this module keeps the documents and their rules.
What has begun can only be ended, what is over stays. Refusals of this part of the API list their errors by field
(PagerDuty: shift-based schedules). Escalation policies point at these schedules as ``schedule_v3_reference``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from simulators.engine import instants
from simulators.engine.errors import Refused
from simulators.engine.instants import DAY
from simulators.engine.resources import Document, Field, Kind, Problem, thaw
from simulators.pagerduty import account, shifts
from simulators.pagerduty.account import Account
from simulators.pagerduty.api.call import Call, zone_name
from simulators.pagerduty.api.crud import erase, writable
from simulators.pagerduty.api.errors import Code, not_found, refuse, wording
from simulators.pagerduty.api.lens import SHAPES, Lens, lens
from simulators.pagerduty.api.operations import Extent, Listing, Operation
from simulators.pagerduty.api.people import STAKEHOLDERS, in_teams
from simulators.pagerduty.api.resources import V3_SCHEDULE
from simulators.pagerduty.api.rotas import keep_used, policies_of, span
from simulators.pagerduty.api.setup import read_instant
from simulators.pagerduty.model import DOCUMENTS, SHIFT_ID
from simulators.pagerduty.shifts import BadRecurrence, Duty

#: Events a rotation may have that are not over, and how far ahead one may take effect.
MOST_EVENTS = 5
AHEAD = 366 * DAY
_LIST, _OBJECT = Kind.ARRAY, Kind.OBJECT
MEMBER = (Field("type", required=True, choices=("user_member", "empty_member")), Field("user_id", max_length=100))
_OFFSET = re.compile(r"T.*(Z|[+-]\d\d:?\d\d)$")
_ZONED = (Field("date_time", required=True, max_length=40), Field("time_zone", required=True, max_length=100))
_STRATEGY = (
    Field("type", required=True, choices=(shifts.ROTATING, shifts.EVERY)),
    Field("shifts_per_member", Kind.INTEGER, minimum=1),
    Field("members", _LIST, required=True, max_length=20, fields=MEMBER),
)
EVENT = (
    Field("name", required=True, max_length=255),
    Field("start_time", _OBJECT, required=True, fields=_ZONED),
    Field("end_time", _OBJECT, required=True, fields=_ZONED),
    Field("effective_since", required=True, max_length=40),
    Field("effective_until", max_length=40),
    Field("recurrence", _LIST, required=True, items=Field("recurrence", nullable=False, max_length=1000)),
    Field("assignment_strategy", _OBJECT, required=True, fields=_STRATEGY),
)


def wrong(field: str, *problems: str) -> Refused:
    """Return "Invalid request" (400, 2001) with what is wrong with one field."""
    return refuse(Code.INVALID_INPUT, {field: list(problems)}, message="Invalid request")


def refusal(prefix: str) -> Callable[[Sequence[Problem]], Refused]:
    """Return how an operation refuses a body whose fields are known by ``prefix`` and name."""

    def worded(problems: Sequence[Problem]) -> Refused:
        found: dict[str, list[str]] = {}
        for problem in problems:
            found.setdefault(f"{prefix}{problem.path}", []).append(wording(problem))
        return refuse(Code.INVALID_INPUT, found, message="Invalid request")

    return worded


def moment(field: str, text: str, zone: str = "UTC") -> int:
    """Return a date of a body in microseconds UTC."""
    try:
        return read_instant("date", text, zone_name(zone) or "UTC")
    except Refused:
        raise wrong(field, "is not a valid date and time") from None


# -- schedules ---------------------------------------------------------------------------------------------------------


def show(look: Lens, document: Document) -> dict[str, Any]:
    """Return a shift-based schedule with its rotations and their events; ``final_schedule`` only over a window."""
    body, held = document.body, Account(look.state)
    shown = look.head("v3_schedules", document) | {
        "name": body.get("name"),
        "time_zone": zone_of(document),
        "description": body.get("description"),
        "teams": look.refs("teams", body.get("teams")),
        "escalation_policies": look.refs("escalation_policies", policies_of(look, document.id, "v3_schedules")),
        "rotations": [_rotation(look, document, row) for row in _live(held.children("rotations", document.id))],
    }
    if "users" in look.include:
        shown["users"] = look.refs("users", shifts.people(held, document, look.state.now))
    window: tuple[int, int] | None = look.memo.get("window")
    if "final_schedule" in look.include and window is not None:
        shown["final_schedule"] = _final(look, document, *window)
    return shown


def zone_of(document: Document) -> str:
    """Return a schedule's time zone."""
    return str(document.body.get("time_zone") or "UTC")


def _live(rotations: Iterable[Document]) -> list[Document]:
    """Return the rotations that were not deleted; those that were are kept for the shifts they had."""
    return [row for row in rotations if not row.body.get("deleted_at")]


def _final(look: Lens, document: Document, since: int, until: int) -> dict[str, Any]:
    found = shifts.duties(Account(look.state), document, since, until)
    zone = look.memo.get("zone") or zone_of(document)
    bounds = None if look.memo.get("overflow") else (since, until)
    return {
        "type": "final_schedule",
        "rendered_coverage_percentage": shifts.coverage(found, since, until),
        "computed_shift_assignments": [_computed(duty, zone, bounds) for duty in found],
    }


def _computed(duty: Duty, zone: str, bounds: tuple[int, int] | None) -> dict[str, Any]:
    source, start, end = duty.source, duty.start, duty.end
    if bounds is not None:
        start, end = max(start, bounds[0]), min(end, bounds[1])
    named = "rotation_id" if source.kind.startswith("schedule_rotation") else "shift_id"
    member = {"type": "empty_member"} if duty.member is None else {"type": "user_member", "user_id": duty.member}
    return {
        "type": "computed_shift_assignment",
        "start_time": instants.iso(start, zone),
        "end_time": instants.iso(end, zone),
        "member": member,
        "source": {"type": source.kind, named: source.id}
        | ({"override_id": source.override} if source.override else {}),
    }


def _list(call: Call) -> Listing:
    look, query, teams = lens(call), call.text("query"), call.many("team_ids")
    rows: Iterable[Document] = call.state.all(DOCUMENTS["v3_schedules"])
    if query:
        rows = (row for row in rows if query.casefold() in str(row.body.get("name") or "").casefold())
    if teams:
        rows = (row for row in rows if in_teams(call, row, teams))
    return Listing(rows, lambda row: look.ref("v3_schedules", row.id))


def schedule_of(call: Call) -> Document:
    """Return the schedule the path names."""
    return call.document("v3_schedules", call.ids["id"])


def _settle(call: Call, old: Mapping[str, Any]) -> dict[str, Any]:
    for name in ("rotations", "escalation_policies"):
        if call.body.get(name, []) != []:  # PagerDuty's Go client always sends an empty list of rotations
            raise wrong(f"schedule.{name}", "cannot be set here")
    body = {**old, **writable(V3_SCHEDULE.fields, call.body), "type": "schedule_v3"}
    try:
        zone_name(body["time_zone"])
    except Refused:
        raise wrong("schedule.time_zone", "is not a known time zone") from None
    if any(call.state.get(DOCUMENTS["teams"], entry["id"]) is None for entry in body.get("teams") or ()):
        raise wrong("schedule.teams", "do not exist")
    return body


def _create(call: Call) -> Any:
    row = account.put(call.draft, "v3_schedules", _settle(call, {}))
    call.draft.record("schedule.created", row.id, name=row.body["name"])
    return show(lens(call), row)


def _read(call: Call) -> Any:
    look = lens(call)
    window = span(call) if call.text("since") and call.text("until") else None
    look.memo.update(window=window, overflow=call.flag("overflow"), zone=zone_name(call.text("time_zone")))
    return show(look, schedule_of(call))


def _update(call: Call) -> Any:
    old = schedule_of(call)
    row = account.put(call.draft, "v3_schedules", _settle(call, thaw(old.body)))
    call.draft.record("schedule.updated", row.id, name=row.body["name"])
    return show(lens(call), row)


def _delete(call: Call) -> None:
    row = schedule_of(call)
    keep_used(call, row.id, "v3_schedules")
    for rotation in call.state.find(DOCUMENTS["rotations"], "parent", row.id):
        _forget(call, "schedule_events", rotation.id)
    for kind in ("rotations", "custom_shifts", "override_shifts"):
        _forget(call, kind, row.id)
    erase(call, "v3_schedules", row)
    call.draft.record("schedule.deleted", row.id, name=row.body.get("name"))


def _forget(call: Call, kind: str, parent: str) -> None:
    for row in list(call.state.find(DOCUMENTS[kind], "parent", parent)):
        call.draft.delete(DOCUMENTS[kind], row.id)


# -- rotations and events ----------------------------------------------------------------------------------------------


def addresses(look: Lens, schedule: str, path: str) -> dict[str, Any]:
    """Return the links of a part of a schedule; its page is the schedule's."""
    return {
        "self": f"{look.links.api}/v3/schedules/{schedule}/{path}",
        "html_url": look.page("v3_schedules", schedule),
    }


def _rotation(look: Lens, schedule: Document, row: Document) -> dict[str, Any]:
    """Return a rotation with its events; those that are over are told of on their own paths only."""
    events = _by_start(look.state.find(DOCUMENTS["schedule_events"], "parent", row.id))
    events = [event for event in events if _phase(look.state.now, event) != "past"]
    return {
        "id": row.id,
        "type": "schedule_rotation",
        "schedule": look.ref("v3_schedules", schedule.id),
        "events": [_event(look, schedule.id, event) for event in events],
        **addresses(look, schedule.id, f"rotations/{row.id}"),
    }


def _by_start(events: Iterable[Document]) -> list[Document]:
    return sorted(events, key=lambda row: (instants.parse(row.body["effective_since"]), row.created))


def _event(look: Lens, schedule: str, row: Document) -> dict[str, Any]:
    body = {name: thaw(row.body.get(name)) for name in (field.name for field in EVENT)}
    return {
        "id": row.id,
        "type": "schedule_event",
        **body,
        **addresses(look, schedule, f"rotations/{row.parent}/events/{row.id}"),
    }


def _rotations(call: Call) -> Listing:
    look, schedule = lens(call), schedule_of(call)
    rows = _live(call.state.find(DOCUMENTS["rotations"], "parent", schedule.id))
    return Listing(rows, lambda row: _rotation(look, schedule, row))


def _named_rotation(call: Call) -> Document:
    row = call.document("rotations", call.ids["rotation_id"])
    if row.body.get("deleted_at"):
        raise not_found()
    return row


def _add_rotation(call: Call) -> Any:
    if call.body:
        raise wrong("rotation", "takes no fields; add events to it instead")
    schedule = schedule_of(call)
    body = {"id": call.draft.fresh(SHIFT_ID, "pagerduty.rotation"), "type": "schedule_rotation"}
    row = account.put(call.draft, "rotations", body, schedule.id)
    call.draft.record("schedule.rotation.created", schedule.id, rotation=row.id)
    return _rotation(lens(call), schedule, row)


def _one_rotation(call: Call) -> Any:
    return _rotation(lens(call), schedule_of(call), _named_rotation(call))


def _delete_rotation(call: Call) -> None:
    """End the rotation now: what has been on call by it stays known, what was to come is gone."""
    row = _named_rotation(call)
    for event in list(call.state.find(DOCUMENTS["schedule_events"], "parent", row.id)):
        if _phase(call.now, event) != "past":
            _end_event(call, event)
    account.put(call.draft, "rotations", {**row.body, "deleted_at": instants.iso(call.now)}, row.parent)
    call.draft.record("schedule.rotation.deleted", row.parent, rotation=row.id)


def _phase(now: int, event: Document) -> str:
    """Return whether an event is past, active or future."""
    until = event.body.get("effective_until")
    if until and instants.parse(until) <= now:
        return "past"
    return "active" if instants.parse(event.body["effective_since"]) <= now else "future"


def _end_event(call: Call, event: Document) -> None:
    if _phase(call.now, event) == "future":
        call.draft.delete(DOCUMENTS["schedule_events"], event.id)
        account.rota_edited(call.draft)
    else:
        ended = {**event.body, "effective_until": instants.iso(call.now)}
        account.put(call.draft, "schedule_events", ended, event.parent)


def _events(call: Call) -> Listing:
    look, rotation = lens(call), _named_rotation(call)
    rows = _by_start(call.state.find(DOCUMENTS["schedule_events"], "parent", rotation.id))
    return Listing(rows, lambda row: _event(look, call.ids["id"], row))


def check_members(call: Call, field: str, members: Iterable[Mapping[str, Any]]) -> None:
    """Refuse members that are no users of the account, or users who cannot be on call."""
    for entry in members:
        if entry["type"] == "empty_member":
            continue
        found = call.state.get(DOCUMENTS["users"], str(entry.get("user_id")))
        if found is None:
            raise wrong(field, "must be users of the account")
        if found.body.get("role") in STAKEHOLDERS:
            raise wrong(field, "cannot be stakeholders")


def _zoned(field: str, value: Mapping[str, Any]) -> dict[str, str]:
    """Return a time of an event as it is stored: as it was sent, with its zone's offset if it had none."""
    try:
        zone = zone_name(value["time_zone"]) or "UTC"
    except Refused:
        raise wrong(f"{field}.time_zone", "is not a known time zone") from None
    text, instant = value["date_time"], moment(field, value["date_time"], zone)
    return {"date_time": text if _OFFSET.search(text) else instants.iso(instant, zone), "time_zone": value["time_zone"]}


def _settle_event(call: Call, rotation: Document, body: dict[str, Any], id: str) -> dict[str, Any]:
    """Return the event to store; what cannot be is refused by field."""
    for name in ("start_time", "end_time"):
        body[name] = _zoned(f"event.{name}", body[name])
    since = max(moment("event.effective_since", body["effective_since"]), call.now)
    if since > call.now + AHEAD:
        raise wrong("event.effective_since", "Date cannot be more than 12 months in the future")
    until = body.get("effective_until")
    end = None if until is None else max(moment("event.effective_until", until), call.now)
    if end is not None and end <= since:
        raise wrong("event.effective_until", "must be after effective_since")
    body |= {"effective_since": instants.iso(since), "effective_until": None if end is None else instants.iso(end)}
    strategy = body["assignment_strategy"]
    if strategy["type"] == shifts.ROTATING and not strategy.get("shifts_per_member"):
        raise wrong("event.assignment_strategy.shifts_per_member", "cannot be empty")
    check_members(call, "event.assignment_strategy.members", strategy["members"])
    made = shifts.parse_event(Document(id, "schedule_event", body, call.now, call.now, rotation.id))
    if made.length <= 0:
        raise wrong("event.end_time", "must be after start_time")
    if since - instants.parse(body["start_time"]["date_time"]) > shifts.LONGEST_PAST:
        raise wrong("event.start_time", "is too far in the past")
    try:
        shifts.check_recurrence(made)
    except BadRecurrence as problem:
        raise wrong("event.recurrence", str(problem)) from None
    others = [row for row in call.state.find(DOCUMENTS["schedule_events"], "parent", rotation.id) if row.id != id]
    others = [row for row in others if _phase(call.now, row) != "past"]
    if len(others) >= MOST_EVENTS:
        raise wrong("rotation.events", f"cannot be more than {MOST_EVENTS}")
    if any(_overlaps(since, end, shifts.parse_event(row)) for row in others):
        raise wrong("event.effective_since", "overlaps another event of the rotation")
    return {**body, "id": id, "type": "schedule_event"}


def _overlaps(since: int, until: int | None, other: shifts.Event) -> bool:
    return (other.until is None or since < other.until) and (until is None or other.since < until)


def _add_event(call: Call) -> Any:
    rotation = _named_rotation(call)
    id = call.draft.fresh(SHIFT_ID, "pagerduty.schedule_event")
    body = _settle_event(call, rotation, writable(EVENT, call.body), id)
    row = account.put(call.draft, "schedule_events", body, rotation.id)
    call.draft.record("schedule.event.created", rotation.parent, event=id)
    return _event(lens(call), call.ids["id"], row)


def _named_event(call: Call) -> Document:
    _named_rotation(call)
    return call.document("schedule_events", call.ids["event_id"])


def _one_event(call: Call) -> Any:
    return _event(lens(call), call.ids["id"], _named_event(call))


def _update_event(call: Call) -> Any:
    """Change an event as far as its time allows: one to come entirely, a running one its end, one that is over not."""
    row, sent = _named_event(call), writable(EVENT, call.body)
    phase, old = _phase(call.now, row), thaw(row.body)
    if phase == "past":
        raise wrong("event", "has ended and cannot be changed")
    if phase == "active":
        frozen = [name for name in sent if name != "effective_until" and _differs(name, sent[name], old[name])]
        if frozen:
            raise wrong(f"event.{frozen[0]}", "cannot be changed: the event has started")
        until = sent.get("effective_until", old["effective_until"])
        end = None if until is None else max(moment("event.effective_until", until), call.now)
        others = call.state.find(DOCUMENTS["schedule_events"], "parent", row.parent)
        since = instants.parse(old["effective_since"])
        if any(_overlaps(since, end, shifts.parse_event(other)) for other in others if other.id != row.id):
            raise wrong("event.effective_until", "overlaps another event of the rotation")
        body = old | {"effective_until": None if end is None else instants.iso(end)}
    else:
        body = _settle_event(call, _named_rotation(call), old | sent, row.id)
    changed = account.put(call.draft, "schedule_events", body, row.parent)
    call.draft.record("schedule.event.updated", call.ids["id"], event=row.id)
    return _event(lens(call), call.ids["id"], changed)


def _differs(name: str, sent: Any, held: Any) -> bool:
    if name in {"start_time", "end_time"}:
        new = _zoned(f"event.{name}", sent)
        zone = held["time_zone"]
        return new["time_zone"] != zone or moment(name, new["date_time"], zone) != moment(name, held["date_time"], zone)
    if name == "effective_since":
        sent = instants.iso(moment("event.effective_since", sent))
    return bool(sent != held)


def _delete_event(call: Call) -> None:
    row = _named_event(call)
    if _phase(call.now, row) == "past":
        raise wrong("event", "has ended and cannot be deleted")
    _end_event(call, row)
    call.draft.record("schedule.event.deleted", call.ids["id"], event=row.id)


def _no_records(call: Call) -> Listing:
    return Listing((), lambda row: row)


SHAPES["v3_schedules"] = show
_ROOT = "/v3/schedules"
_ONE, _WINDOW = f"{_ROOT}/{{id}}", ("since", "until", "time_zone", "overflow")
_NEEDS = (("v3_schedules", "id"),)
_ROTATIONS, _EVENTS = f"{_ONE}/rotations", f"{_ONE}/rotations/{{rotation_id}}/events"
_ROTATION = (*_NEEDS, ("rotations", "rotation_id"))
_EVENT = (*_ROTATION, ("schedule_events", "event_id"))
OPERATIONS: tuple[Operation, ...] = (
    Operation("GET", _ROOT, _list, wrapper="schedules", paging="classic", limits=(100, 1000),
              query=("query", "team_ids[]"), summary="List shift-based schedules"),
    Operation("POST", _ROOT, _create, wrapper="schedule", status=201, request="schedule", fields=V3_SCHEDULE.fields,
              refusal=refusal("schedule."), summary="Create a shift-based schedule"),
    Operation("GET", _ONE, _read, wrapper="schedule", needs=_NEEDS, query=_WINDOW, include=("final_schedule", "users"),
              summary="Get a shift-based schedule"),
    Operation("PUT", _ONE, _update, wrapper="schedule", needs=_NEEDS, request="schedule", fields=V3_SCHEDULE.fields,
              partial=True, refusal=refusal("schedule."), summary="Update a shift-based schedule"),
    Operation("DELETE", _ONE, _delete, status=204, needs=_NEEDS, summary="Delete a shift-based schedule"),
    Operation("GET", f"{_ONE}/audit/records", _no_records, wrapper="records", paging="cursor", needs=_NEEDS,
              extent=Extent.EMPTY, summary="List records"),
    Operation("GET", _ROTATIONS, _rotations, wrapper="rotations", paging="classic", needs=_NEEDS,
              summary="List the rotations of a schedule"),
    Operation("POST", _ROTATIONS, _add_rotation, wrapper="rotation", status=201, request="", bodiless=True,
              needs=_NEEDS, summary="Create a rotation"),
    Operation("GET", f"{_ROTATIONS}/{{rotation_id}}", _one_rotation, wrapper="rotation", needs=_ROTATION,
              query=("since", "until"), summary="Get a rotation"),
    Operation("DELETE", f"{_ROTATIONS}/{{rotation_id}}", _delete_rotation, status=204, needs=_ROTATION,
              summary="Delete a rotation"),
    Operation("GET", _EVENTS, _events, wrapper="events", paging="classic", needs=_ROTATION,
              summary="List the events of a rotation"),
    Operation("POST", _EVENTS, _add_event, wrapper="event", status=201, request="event", fields=EVENT, needs=_ROTATION,
              refusal=refusal("event."), summary="Create an event"),
    Operation("GET", f"{_EVENTS}/{{event_id}}", _one_event, wrapper="event", needs=_EVENT, query=("since", "until"),
              summary="Get an event"),
    Operation("PUT", f"{_EVENTS}/{{event_id}}", _update_event, wrapper="event", request="event", fields=EVENT,
              partial=True, needs=_EVENT, refusal=refusal("event."), summary="Update an event"),
    Operation("DELETE", f"{_EVENTS}/{{event_id}}", _delete_event, status=204, needs=_EVENT, summary="Delete an event"),
)  # fmt: skip
