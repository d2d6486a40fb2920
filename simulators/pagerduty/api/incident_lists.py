"""Long lists: incidents, log entries, notifications. A page costs what the page holds, not what the account holds.

Rows stand in their tables in order of time, so a range of dates is a range of places, found by bisection; filters by
status and service come from indexes of places. Only the rows of the page are rendered; an unusual order or a total that
no index knows has to walk.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Reversible, Sequence, Sized
from dataclasses import dataclass, replace
from typing import Any, Protocol

from simulators.engine.instants import DAY
from simulators.engine.resources import Field, freeze
from simulators.engine.tables import RowT, Table
from simulators.pagerduty.api.call import Actor, Call
from simulators.pagerduty.api.errors import Code, invalid, refuse
from simulators.pagerduty.api.incident_shapes import incident, log_entry, notification
from simulators.pagerduty.api.lens import lens
from simulators.pagerduty.api.operations import Listing, Operation, Reply
from simulators.pagerduty.model import (
    ALERTS,
    INCIDENTS,
    LOG_ENTRIES,
    MESSAGES,
    Channel,
    Incident,
    LogEntry,
    LogType,
    Message,
    Purpose,
    Status,
    Urgency,
)

#: The default window of ``GET /incidents`` and the longest one it takes.
MONTH, HALF_YEAR = 31 * DAY, 184 * DAY
THREE_MONTHS = 92 * DAY
SORTS = ("incident_number", "created_at", "resolved_at", "urgency")
_OVERVIEW = (
    LogType.TRIGGER, LogType.ASSIGN, LogType.ESCALATE, LogType.DELEGATE, LogType.ACKNOWLEDGE, LogType.UNACKNOWLEDGE,
    LogType.RESOLVE,
)  # fmt: skip


def places(table: Table[RowT], since: int | None, until: int | None, at: Callable[[RowT], int]) -> range:
    """Return the places whose rows fall into [since, until], given that rows stand in order of ``at``."""

    def key(ordinal: int) -> int:
        row = table.at(ordinal)
        return 0 if row is None else at(row)

    every = range(table.places)
    first = 0 if since is None else bisect_left(every, since, key=key)
    last = table.places if until is None else bisect_right(every, until, key=key)
    return range(first, max(first, last))


class Run(Reversible[int], Sized, Protocol):
    """Ascending places that can be counted and walked from either end."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Part of an index, looked at where it lies: to copy it out would cost what the account holds."""

    ordinals: Sequence[int]
    part: range

    def __len__(self) -> int:
        return len(self.part)

    def __iter__(self) -> Iterator[int]:
        return map(self.ordinals.__getitem__, self.part)

    def __reversed__(self) -> Iterator[int]:
        return map(self.ordinals.__getitem__, reversed(self.part))


def _within(ordinals: Sequence[int], span: range) -> Run:
    """Return the part of ascending ``ordinals`` that lies in ``span``."""
    return Stretch(ordinals, range(bisect_left(ordinals, span.start), bisect_left(ordinals, span.stop)))


# -- incidents ---------------------------------------------------------------------------------------------------------


def _created(row: Incident) -> int:
    return row.created


def _span(call: Call, table: Table[Incident]) -> range:
    if (call.text("date_range") or "") == "all":
        return range(table.places)
    until = call.instant("until")
    end = call.now if until is None else until
    since = call.instant("since")
    start = end - MONTH if since is None else since
    if end < start or end - start > HALF_YEAR:
        raise refuse(Code.DATE_RANGE)
    return places(table, start, None if until is None else until, _created)


def _choices(call: Call, name: str, allowed: Iterable[str]) -> list[str]:
    values = call.many(name)
    wrong = next((value for value in values if value not in list(allowed)), None)
    if wrong is not None:
        raise invalid(f"{name.capitalize()} must be in {', '.join(allowed)}")
    return values


def _sources(call: Call, table: Table[Incident], span: range, urgencies: Sequence[Urgency]) -> list[Run]:
    """Return ascending runs of places that together hold the candidates, by the best indexes there are.

    Whoever asks for a user's incidents asks for open ones: what is resolved is assigned to nobody.
    """
    statuses = list(dict.fromkeys(Status(value) for value in _choices(call, "statuses", (*Status,))))
    if not statuses and call.many("user_ids"):
        statuses = [Status.TRIGGERED, Status.ACKNOWLEDGED]
    services = list(dict.fromkeys(call.many("service_ids")))
    if services:
        wanted = [(service, status) for service in services for status in statuses or Status]
        return [_within(table.ordinals("state", value), span) for value in wanted]
    if statuses or urgencies:
        kinds = [(status, urgency) for status in statuses or Status for urgency in urgencies or Urgency]
        return [_within(table.ordinals("status", kind), span) for kind in kinds]
    return [span]


def _conditions(call: Call, urgencies: Sequence[Urgency]) -> list[Callable[[Incident], bool]]:
    found: list[Callable[[Incident], bool]] = []
    users, teams = call.many("user_ids"), call.many("team_ids")
    if urgencies and call.many("service_ids"):  # otherwise the index has seen to it
        found.append(lambda row: row.urgency in urgencies)
    if users:
        found.append(lambda row: any(assignment.user in users for assignment in row.assignments))
    if teams:
        found.append(lambda row: _has_team(row, teams))
    return found


def _has_team(row: Incident, teams: Sequence[str]) -> bool:
    return row.policy is not None and any(entry["id"] in teams for entry in row.policy.body.get("teams") or ())


def _by_key(call: Call, table: Table[Incident], key: str) -> list[int]:
    found = {row.incident for row in call.state.find(ALERTS, "key", key) if row.incident}
    found |= {row.id for row in call.state.find(INCIDENTS, "key", key)}
    return sorted(place for id in found if (place := table.ordinal(id)) is not None)


def _order(call: Call) -> list[tuple[str, bool]]:
    text = call.text("sort_by")
    parts = [part.partition(":") for part in text.split(",")] if text else []
    if len(parts) > 2 or any(name not in SORTS or way not in {"", "asc", "desc"} for name, _, way in parts):
        raise invalid(f"Sort by must be at most two of {', '.join(SORTS)}")
    return [(name, way == "desc") for name, _, way in parts]


def _list(call: Call) -> Listing:
    table = call.state.table(INCIDENTS)
    span = _span(call, table)
    urgencies = list(dict.fromkeys(Urgency(value) for value in _choices(call, "urgencies", (*Urgency,))))
    runs = _sources(call, table, span, urgencies)
    key = call.text("incident_key")
    if key:
        keyed = _by_key(call, table, key)
        members = set(keyed)
        runs = [[place for place in run if place in members] for run in runs]
    conditions, order, look = _conditions(call, urgencies), _order(call), lens(call)
    backwards = bool(order) and order[0][0] in {"incident_number", "created_at"} and order[0][1]
    rows = _rows(table, runs, conditions, backwards=backwards)
    if order and order[0][0] not in {"incident_number", "created_at"}:
        rows = iter(_sorted(list(rows), order))
    count = None if conditions else lambda: sum(map(len, runs))
    return Listing(rows, lambda row: incident(look, row), count)


def _rows(
    table: Table[Incident], runs: Sequence[Run], conditions: list[Callable[[Incident], bool]], *, backwards: bool
) -> Iterator[Incident]:
    ways = [reversed(run) if backwards else iter(run) for run in runs]
    ordinals = ways[0] if len(ways) == 1 else heapq.merge(*ways, reverse=backwards)
    for ordinal in ordinals:
        row = table.at(ordinal)
        if row is not None and all(condition(row) for condition in conditions):
            yield row


_URGENCY_RANK = {Urgency.LOW: 0, Urgency.HIGH: 1}
_KEYS: dict[str, Callable[[Incident], Any]] = {
    "incident_number": lambda row: row.number,
    "created_at": lambda row: row.created,
    "resolved_at": lambda row: (row.resolved is None, row.resolved or 0),
    "urgency": lambda row: _URGENCY_RANK[row.urgency],
}


def _sorted(rows: list[Incident], order: list[tuple[str, bool]]) -> list[Incident]:
    for name, descending in reversed(order):
        rows.sort(key=_KEYS[name], reverse=descending)
    return rows


LIST = Operation(
    "GET", "/incidents", _list, wrapper="incidents", paging="classic", summary="List incidents",
    include=("acknowledgers", "agents", "assignees", "conference_bridge", "escalation_policies",
             "first_trigger_log_entries", "priorities", "services", "teams", "users"),
    query=("date_range", "incident_key", "service_ids[]", "team_ids[]", "user_ids[]", "urgencies[]", "time_zone",
           "statuses[]", "sort_by", "since", "until"),
    also=(402,),
)  # fmt: skip


# -- log entries -------------------------------------------------------------------------------------------------------


def _logged(row: LogEntry) -> int:
    return row.at


def _wanted(call: Call) -> Callable[[LogEntry], bool]:
    overview, teams = call.flag("is_overview"), call.many("team_ids")

    def keep(row: LogEntry) -> bool:
        if overview and row.type not in _OVERVIEW:
            return False
        if not teams:
            return True
        found = call.state.get(INCIDENTS, row.incident)
        return found is not None and _has_team(found, teams)

    return keep


def _range(call: Call) -> tuple[int | None, int | None]:
    since, until = call.instant("since"), call.instant("until")
    if since is not None and until is not None and until < since:
        raise refuse(Code.DATE_RANGE)
    return since, until


def _log(call: Call) -> Listing:
    table, look = call.state.table(LOG_ENTRIES), lens(call)
    span, keep = places(table, *_range(call), _logged), _wanted(call)
    rows = (row for place in reversed(span) if (row := table.at(place)) is not None and keep(row))
    simple = not call.flag("is_overview") and not call.many("team_ids")
    return Listing(rows, lambda row: log_entry(look, row), (lambda: len(span)) if simple else None)


def _incident_log(call: Call) -> Listing:
    look, keep, (since, until) = lens(call), _wanted(call), _range(call)
    found = [
        row
        for row in call.state.find(LOG_ENTRIES, "incident", call.incident(call.ids["id"]).id)
        if keep(row) and (since is None or row.at >= since) and (until is None or row.at <= until)
    ]
    return Listing(found[::-1], lambda row: log_entry(look, row))


def _one_entry(call: Call) -> Any:
    row = call.state.get(LOG_ENTRIES, call.ids["id"])
    if row is None:
        raise refuse(Code.NOT_FOUND)
    return log_entry(lens(call), row)


def _amend_channel(call: Call) -> Reply:
    """Change the details of a trigger a person wrote; any other entry stays as it is (PagerDuty: log entries)."""
    row = call.state.get(LOG_ENTRIES, call.ids["id"])
    if row is None:
        raise refuse(Code.NOT_FOUND)
    found = call.state.need(INCIDENTS, row.incident)
    if row.type is not LogType.TRIGGER or row.agent.type != "user_reference":
        raise invalid("Channel cannot be changed")
    call.draft.put(INCIDENTS, replace(found, body=freeze({"details": call.body["details"]})))
    return Reply(None, 202)


# -- notifications -----------------------------------------------------------------------------------------------------

#: A notification is about an incident; status updates and notices of on-call duty are none.
_ABOUT_INCIDENTS = (Purpose.INCIDENT, Purpose.RESPONDER)
_TYPES = tuple(f"{channel.value}_notification" for channel in Channel)


def _sent(row: Message) -> int:
    return row.at


def _notifications(call: Call) -> Listing:
    since, until = call.instant("since"), call.instant("until")
    if since is None or until is None:
        missing = [f"{name} is required" for name, given in (("since", since), ("until", until)) if given is None]
        raise refuse(Code.MISSING_ARGUMENTS, missing)
    if until < since or until - since > THREE_MONTHS:
        raise refuse(Code.DATE_RANGE)
    kind = call.text("filter")
    if kind is not None and kind not in _TYPES:
        raise invalid(f"Filter must be in {', '.join(_TYPES)}")
    table, look = call.state.table(MESSAGES), lens(call)
    span = places(table, since, until, _sent)
    rows = (row for place in span if (row := table.at(place)) is not None and row.purpose in _ABOUT_INCIDENTS)
    if kind is not None:
        rows = (row for row in rows if f"{row.channel.value}_notification" == kind)
    return Listing(rows, lambda row: notification(look, row))


_LOG_INCLUDE = ("incidents", "services", "channels", "teams")
OPERATIONS: tuple[Operation, ...] = (
    Operation("GET", "/incidents/{id}/log_entries", _incident_log, wrapper="log_entries", paging="classic",
              include=_LOG_INCLUDE, query=("time_zone", "since", "until", "is_overview"),
              needs=(("incidents", "id"),), summary="List the log entries of an incident"),
    Operation("GET", "/log_entries", _log, wrapper="log_entries", paging="classic", include=_LOG_INCLUDE,
              query=("time_zone", "since", "until", "is_overview", "team_ids[]"), summary="List log entries"),
    Operation("GET", "/log_entries/{id}", _one_entry, wrapper="log_entry", include=_LOG_INCLUDE,
              query=("time_zone",), summary="Get a log entry"),
    Operation("PUT", "/log_entries/{id}/channel", _amend_channel, status=202, actor=Actor.REQUIRED, request="channel",
              fields=(Field("type", required=True, choices=("web_trigger", "mobile")), Field("details", required=True)),
              summary="Change the details of a trigger"),
    Operation("GET", "/notifications", _notifications, wrapper="notifications", paging="classic", include=("users",),
              query=("time_zone", "since", "until", "filter"), summary="List notifications"),
)  # fmt: skip
