"""Schedules over REST: layers kept and checked, rendered entries, coverage, preview.

Who is on call when is answered by :mod:`simulators.pagerduty.schedules`, the same functions the escalation uses; this
module only dresses the answer. Rendered entries are filled when ``since`` or ``until`` is given (PagerDuty: schedules).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from simulators.engine import instants
from simulators.engine.instants import DAY
from simulators.engine.resources import Document
from simulators.pagerduty import schedules
from simulators.pagerduty.api.call import Call, zone_name
from simulators.pagerduty.api.crud import Behaviour, writable
from simulators.pagerduty.api.errors import Code, invalid, refuse, unknown
from simulators.pagerduty.api.lens import SHAPES, Lens, lens
from simulators.pagerduty.api.operations import Listing, Operation
from simulators.pagerduty.api.people import STAKEHOLDERS, in_teams, open_incidents, targets
from simulators.pagerduty.api.resources import SCHEDULE
from simulators.pagerduty.api.setup import read_instant
from simulators.pagerduty.model import DOCUMENTS, RESOURCE_ID, Knobs
from simulators.pagerduty.oncall import BEYOND, whole
from simulators.pagerduty.schedules import Schedule, Segment

#: Longest span that is rendered, and how far either bound defaults from the other.
LONGEST = 366 * DAY
DEFAULT_SPAN = 14 * DAY
TURN_LIMITS = (3_600, 31_536_000)
_WEEKLY_TOO_LONG = {
    "rotation_layers.weekly_restrictions.duration_seconds": [
        "Please use a shorter duration or just turn the recurrence off."
    ]
}


# -- layers in ---------------------------------------------------------------------------------------------------------


def _prepare(call: Call, body: dict[str, Any], old: Document | None) -> dict[str, Any]:
    zone = zone_name(body["time_zone"]) or "UTC"
    held = {layer.get("id"): layer for layer in (old.body.get("schedule_layers") or () if old else ())}
    layers: list[dict[str, Any]] = []
    sent: dict[str | None, None] = {}
    for place, layer in enumerate(body["schedule_layers"], 1):
        known = held.get(layer.get("id")) if layer.get("id") else None
        sent[layer.get("id")] = None
        layers.append(_layer(call, layer, known, zone, place))
    # A layer cannot be removed, only ended: one that the request leaves out stays as it is.
    kept = [dict(layer) for id, layer in held.items() if id not in sent]
    body["schedule_layers"] = [*kept, *layers]
    body["time_zone"] = zone
    return body if old is None else body | {schedules.PAST: schedules.remember(old.body, body, call.now)}


def _layer(
    call: Call, layer: Mapping[str, Any], known: Mapping[str, Any] | None, zone: str, place: int
) -> dict[str, Any]:
    shortest, longest = TURN_LIMITS
    if not shortest <= layer["rotation_turn_length_seconds"] <= longest:
        problem = f"must be between {shortest} and {longest}"
        raise refuse(Code.INVALID_SCHEDULE, {"rotation_layers.rotation_turn_length_seconds": [problem]})
    start = read_instant("start", layer["start"], zone)
    anchor = read_instant("rotation_virtual_start", layer["rotation_virtual_start"], zone)
    end = read_instant("end", layer["end"], zone) if layer.get("end") else None
    if known is None:
        start = max(start, call.now)
    elif start < call.now:
        start = min(max(start, instants.parse(known["start"], zone)), call.now)
    for entry in layer["users"]:
        found = call.state.get(DOCUMENTS["users"], entry["user"]["id"])
        if found is None:
            raise unknown("users")
        if found.body.get("role") in STAKEHOLDERS:
            raise invalid("Stakeholders cannot be on call")
    return {
        "id": known["id"] if known else call.draft.fresh(RESOURCE_ID, "pagerduty.schedule_layer"),
        "name": layer.get("name") or (known or {}).get("name") or f"Layer {place}",
        "start": instants.iso(start, zone),
        "end": None if end is None else instants.iso(end, zone),
        "rotation_virtual_start": instants.iso(anchor, zone),
        "rotation_turn_length_seconds": layer["rotation_turn_length_seconds"],
        "users": [{"user": {"id": entry["user"]["id"], "type": "user_reference"}} for entry in layer["users"]],
        "restrictions": [_restriction(rule) for rule in layer.get("restrictions") or ()],
    }


def _restriction(rule: Mapping[str, Any]) -> dict[str, Any]:
    weekly = rule["type"] == "weekly_restriction"
    length = rule["duration_seconds"]
    if weekly and rule.get("start_day_of_week") is None:
        raise invalid("Start day of week must be in 1, 2, 3, 4, 5, 6, 7")
    if weekly and length >= 604_800:
        raise refuse(Code.INVALID_SCHEDULE, _WEEKLY_TOO_LONG)
    if length < 1 or (not weekly and length >= 86_400):
        name = "rotation_layers.daily_restrictions.duration_seconds"
        raise refuse(Code.INVALID_SCHEDULE, {name: ["must be between 1 and 86399"]})
    start = _time_of_day(rule["start_time_of_day"])
    shown = {"type": rule["type"], "start_time_of_day": start, "duration_seconds": length}
    return shown | ({"start_day_of_week": rule["start_day_of_week"]} if weekly else {})


def _time_of_day(text: str) -> str:
    parts = text.split(":")
    if 2 <= len(parts) <= 3 and all(part.isascii() and part.isdigit() for part in parts):
        hours, minutes, seconds = (int(part) for part in (*parts, "0")[:3])
        if hours < 24 and minutes < 60 and seconds < 60:
            return f"{hours:02d}:{minutes:02d}:{seconds:02d}"
    raise invalid("Start time of day is invalid")


def _keep_used(call: Call, schedule: Document) -> None:
    keep_used(call, schedule.id, "schedules")


def keep_used(call: Call, id: str, kind: str) -> None:
    """Refuse to delete a schedule of either kind that a policy, or an open incident's copy of one, points at."""
    wanted = (id, kind)
    if any(wanted in targets(policy) for policy in call.state.all(DOCUMENTS["escalation_policies"])):
        raise invalid("Schedule can't be deleted if it's being used by escalation policies")
    if any(row.policy is not None and wanted in targets(row.policy) for row in open_incidents(call)):
        text = "Schedule can't be deleted if it's being used by an escalation policy snapshot with open incidents"
        raise invalid(text)


# -- schedules out -----------------------------------------------------------------------------------------------------


def show(look: Lens, document: Document) -> dict[str, Any]:
    """Return a schedule as a list shows it: layers and subschedules only when they are included."""
    parts = {"schedule_layers", "overrides_subschedule", "final_schedule"} & look.include
    return _show(look, document, parts)


def _show(look: Lens, document: Document, parts: Iterable[str]) -> dict[str, Any]:
    body = document.body
    zone = str(body.get("time_zone") or "UTC")
    shown = look.head("schedules", document) | {
        "name": body.get("name"),
        "description": body.get("description"),
        "time_zone": zone,
        "escalation_policies": look.refs("escalation_policies", policies_of(look, document.id, "schedules")),
        "users": look.refs("users", schedules.people(document, look.state.now)),
        "teams": look.refs("teams", body.get("teams"), "teams"),
    }
    if look.memo.get("next"):
        shown["next_oncall_for_user"] = _next_turn(look, document, look.memo["next"])
    for part in ("schedule_layers", "overrides_subschedule", "final_schedule"):
        if part in parts:
            shown[part] = _PARTS[part](look, document)
    return shown


def policies_of(look: Lens, schedule: str, kind: str) -> Iterable[str]:
    """Return the ids of the policies that point at a schedule of ``kind``; gathered once per answer."""
    found: dict[tuple[str, str], list[str]] | None = look.memo.get("policies")
    if found is None:
        found = look.memo["policies"] = {}
        for policy in look.state.all(DOCUMENTS["escalation_policies"]):
            for target in dict.fromkeys(targets(policy)):
                found.setdefault(target, []).append(policy.id)
    return found.get((schedule, kind), ())


def _parsed(look: Lens, document: Document) -> Schedule:
    return schedules.parse(document, look.state.find(DOCUMENTS["overrides"], "parent", document.id))


def _subschedule(look: Lens, name: str, schedule: Schedule, document: Document) -> dict[str, Any]:
    window: tuple[int, int] | None = look.memo.get("window")
    if window is None:
        return {"name": name, "rendered_schedule_entries": [], "rendered_coverage_percentage": None}
    since, until = window
    segments = schedules.on_call(schedule, since, until)
    share = schedules.coverage(segments, since, until)
    if look.memo.get("overflow"):
        segments = tuple(whole(schedule, segment, since, until) for segment in segments)
    return {
        "name": name,
        "rendered_schedule_entries": [entry(look, segment, document) for segment in segments],
        "rendered_coverage_percentage": share,
    }


def entry(look: Lens, segment: Segment, document: Document) -> dict[str, Any]:
    """Return one rendered entry."""
    zone = look.memo.get("zone") or str(document.body.get("time_zone") or "UTC")
    return {
        "start": instants.iso(segment.start, zone),
        "end": instants.iso(segment.end, zone),
        "user": look.ref("users", segment.people[0]),
    }


def _layers(look: Lens, document: Document) -> list[dict[str, Any]]:
    parsed = _parsed(look, document)
    zone = look.memo.get("zone") or parsed.zone
    shown = []
    bodies = document.body.get("schedule_layers") or ()
    for place, (layer, body) in enumerate(zip(parsed.layers, bodies, strict=True), 1):
        rendered = _subschedule(look, layer.name, parsed.layer(layer.id), document)
        shown.append(
            {
                "id": body.get("id") or f"{document.id}L{place}",
                "name": layer.name,
                "start": instants.iso(layer.start, zone),
                "end": None if layer.end is None else instants.iso(layer.end, zone),
                "rotation_virtual_start": instants.iso(layer.anchor, parsed.zone),
                "rotation_turn_length_seconds": layer.turn // instants.SECOND,
                "users": [{"user": look.ref("users", user)} for user in layer.users],
                "restrictions": [dict(rule) for rule in body.get("restrictions") or ()],
                "rendered_schedule_entries": rendered["rendered_schedule_entries"],
                "rendered_coverage_percentage": rendered["rendered_coverage_percentage"],
            }
        )
    return shown[::-1] if look.state.knobs(Knobs).layers_reversed else shown


def _overrides_part(look: Lens, document: Document) -> dict[str, Any]:
    parsed = _parsed(look, document)
    return _subschedule(look, "Overrides", Schedule(parsed.zone, (), parsed.overrides), document)


def _final_part(look: Lens, document: Document) -> dict[str, Any]:
    return _subschedule(look, "Final Schedule", _parsed(look, document), document)


_PARTS = {"schedule_layers": _layers, "overrides_subschedule": _overrides_part, "final_schedule": _final_part}


def span(call: Call) -> tuple[int, int] | None:
    """Return the ``since`` and ``until`` of a query, each two weeks from the other when alone; ``None`` for neither."""
    since, until = call.instant("since"), call.instant("until")
    if since is None and until is None:
        return None
    if since is None:
        since = (until or 0) - DEFAULT_SPAN
    if until is None:
        until = since + DEFAULT_SPAN
    if until <= since or until - since > LONGEST or since < 0:
        raise refuse(Code.DATE_RANGE)
    return since, until


def _look(call: Call) -> Lens:
    look, user = lens(call), call.text("include_next_oncall_for_user")
    look.memo.update(
        window=span(call), overflow=call.flag("overflow"), zone=zone_name(call.text("time_zone")), next=user
    )
    return look


def _next_turn(look: Lens, document: Document, user: str) -> dict[str, Any] | None:
    """Return a user's present or next turn by a schedule within the next 92 days, ``None`` for none."""
    schedule, now = _parsed(look, document), look.state.now
    for segment in schedules.on_call(schedule, now, now + BEYOND):
        if segment.people == (user,):
            return entry(look, whole(schedule, segment, now, now + BEYOND), document)
    return None


def _read(call: Call) -> Any:
    look = _look(call)
    # In the list, which is documented to answer no 404, a user nobody knows is one who has no turn (assumed).
    if look.memo["next"] is not None and call.state.get(DOCUMENTS["users"], look.memo["next"]) is None:
        raise unknown("users")
    return _show(look, call.document("schedules", call.ids["id"]), _PARTS)


def _list(call: Call) -> Listing:
    look = _look(call)
    rows: Iterable[Document] = call.state.all(DOCUMENTS["schedules"])
    query, teams = call.text("query"), call.many("team_ids")
    if query:
        rows = (row for row in rows if query.casefold() in str(row.body.get("name") or "").casefold())
    if teams:
        rows = (row for row in rows if in_teams(call, row, teams))
    return Listing(rows, lambda row: show(look, row))


def _preview(call: Call) -> Any:
    body = _prepare(call, writable(SCHEDULE.fields, call.body), None)
    document = Document("PREVIEW", "schedule", {**body, "id": "PREVIEW"}, call.now, call.now)
    shown = _show(_look(call), document, _PARTS)
    return shown | {"id": None, "self": None, "html_url": None}


def _users(call: Call) -> Listing:
    look, document = lens(call), call.document("schedules", call.ids["id"])
    window = span(call)
    if window is None:
        people = schedules.people(document, call.now)
    else:
        segments = schedules.on_call(_parsed(look, document), *window)
        people = dict.fromkeys(person for segment in segments for person in segment.people)
    found = [row for user in people if (row := call.state.get(DOCUMENTS["users"], user)) is not None]
    return Listing(found, lambda row: SHAPES["users"](look, row))


SHAPES["schedules"] = show
BEHAVIOURS: Mapping[str, Behaviour] = {
    "schedules": Behaviour(
        prepare=_prepare,
        forbid=_keep_used,
        children=("overrides",),
        list_include=("schedule_layers", "overrides_subschedule", "final_schedule"),
    ),
}
_SCHEDULE = (("schedules", "id"),)
_WINDOW = ("since", "until")
OPERATIONS: tuple[Operation, ...] = (
    Operation("GET", "/schedules", _list, wrapper="schedules", paging="classic", include=SCHEDULE.include,
              query=SCHEDULE.filters, summary="List schedules"),
    Operation("GET", "/schedules/{id}", _read, wrapper="schedule", needs=_SCHEDULE, include=SCHEDULE.include,
              query=SCHEDULE.extra["read_query"], summary="Get a schedule"),
    Operation("POST", "/schedules/preview", _preview, wrapper="schedule", request="schedule", fields=SCHEDULE.fields,
              query=(*_WINDOW, "overflow"), summary="Preview a schedule"),
    Operation("GET", "/schedules/{id}/users", _users, wrapper="users", needs=_SCHEDULE, query=_WINDOW,
              summary="List the users of a schedule"),
)  # fmt: skip
