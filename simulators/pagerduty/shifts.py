"""Who is on call by a shift-based schedule: recurring events of rotations, custom shifts, and overrides of either.

An event recurs on its own zone's clock (RFC 5545, expanded by python-dateutil), so local hours stay put when the clock
changes; every occurrence inside its effective range is one shift, and members take turns by the number of the
occurrence since the event's start or are on call all together. Sources add up: several people may be on call at one
instant. An override replaces one member of one rotation or custom shift for a while (PagerDuty: shift-based
schedules).
"""

from __future__ import annotations

import bisect
import functools
import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from dateutil import rrule

from simulators.engine import instants, zones
from simulators.engine.errors import BadInstant, UnknownZone
from simulators.engine.instants import DAY
from simulators.engine.resources import Document
from simulators.pagerduty.account import AnyAccount
from simulators.pagerduty.schedules import AHEAD, Segment, to_utc

#: Strategies of an event by name: its members take turns, or all of them are on call together.
ROTATING, EVERY = "rotating_member_assignment_strategy", "every_member_assignment_strategy"
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - what a clock on the wall reads
_MICROSECOND = timedelta(microseconds=1)
#: Parts of a rule by frequency. What could make a rule that never comes true is taken from slow frequencies only.
_ALWAYS = ("FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST", "BYDAY", "BYMONTH", "BYHOUR", "BYMINUTE")
_SLOW = (*_ALWAYS, "BYMONTHDAY", "BYSETPOS")
PARTS: Mapping[str, tuple[str, ...]] = {
    "HOURLY": _ALWAYS,
    "DAILY": _ALWAYS,
    "WEEKLY": _ALWAYS,
    "MONTHLY": _SLOW,
    "YEARLY": _SLOW,
}
_DATES = re.compile(r"(EXDATE|RDATE)((?:;[A-Z]+=[^:;]+)*):([0-9TZ,]+)")
#: Days of a week, and days such as the second Monday or the last Friday of a month.
_DAY, _ORDINAL_DAY = re.compile("MO|TU|WE|TH|FR|SA|SU"), re.compile("([+-]?[1-5])?(MO|TU|WE|TH|FR|SA|SU)")
_STEP = re.compile(r"[1-9]\d{0,3}", re.ASCII)
_STAMP = re.compile(r"(\d{4})(\d{2})(\d{2})(?:T(\d{2})(\d{2})(\d{2})(Z?))?")
_DAYS = {"MO": 0, "TU": 1, "WE": 2, "TH": 3, "FR": 4, "SA": 5, "SU": 6}
#: An event may begin this long before it takes effect; its turns are counted from there.
LONGEST_PAST = 3660 * DAY


class BadRecurrence(ValueError):
    """A recurrence that cannot be read; its text says why."""


@dataclass(frozen=True, slots=True)
class Event:
    """A recurring shift. ``start`` and ``length`` are of the clock on the wall of ``zone`` in microseconds, ``since``
    and ``until`` instants; a member is a user's id or ``None`` for nobody on purpose."""

    id: str
    zone: str
    start: int
    length: int
    since: int
    until: int | None
    recurrence: tuple[str, ...]
    every: bool
    each: int
    members: tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """What puts somebody on call: a rotation or a custom shift (``kind`` by the vendor's names), or its override."""

    kind: str
    id: str
    override: str = ""


@dataclass(frozen=True, slots=True)
class Duty:
    """A member's time on call; ``member`` is ``None`` where nobody is on call on purpose."""

    start: int
    end: int
    member: str | None
    source: Source


@dataclass(frozen=True, slots=True)
class Replacement:
    """An override: ``new`` stands in for ``old`` on one source."""

    id: str
    source: str
    start: int
    end: int
    old: str | None
    new: str | None


# -- reading -----------------------------------------------------------------------------------------------------------


def member(body: Mapping[str, Any]) -> str | None:
    """Return the user id of a member, ``None`` for an empty one."""
    return str(body["user_id"]) if body.get("type") != "empty_member" else None


def parse_event(document: Document) -> Event:
    """Return the event a document describes."""
    body = document.body
    zone = str(body["start_time"]["time_zone"])
    begin = _wall(instants.parse(body["start_time"]["date_time"], zone), zone)
    end = _wall(instants.parse(body["end_time"]["date_time"], str(body["end_time"]["time_zone"])), zone)
    until = body.get("effective_until")
    strategy = body["assignment_strategy"]
    return Event(
        document.id,
        zone,
        begin,
        end - begin,
        instants.parse(body["effective_since"]),
        instants.parse(until) if until else None,
        tuple(body["recurrence"]),
        strategy["type"] == EVERY,
        int(strategy.get("shifts_per_member") or 1),
        tuple(member(entry) for entry in strategy["members"]),
    )


def _wall(instant: int, zone: str) -> int:
    """Return what the clock of ``zone`` reads at an instant, in microseconds."""
    return (zones.local(instant, zone).replace(tzinfo=None) - _EPOCH) // _MICROSECOND


def check_recurrence(event: Event) -> None:
    """Raise :class:`BadRecurrence` for a recurrence that cannot be read or never occurs."""
    try:
        found = next(iter(_rules(event)), None)
    except (ValueError, OverflowError, IndexError) as problem:
        raise BadRecurrence(str(problem) if isinstance(problem, BadRecurrence) else "RRULE is invalid") from None
    if found is None:
        raise BadRecurrence("has no occurrence")


def _rules(event: Event) -> rrule.rruleset:
    """Return the event's recurrence on the clock of its zone."""
    found = rrule.rruleset()
    begin = _EPOCH + event.start * _MICROSECOND
    main = [text for text in event.recurrence if text.startswith("RRULE:")]
    if len(main) != 1:
        raise BadRecurrence("must contain exactly one RRULE")
    found.rrule(_rule(main[0].removeprefix("RRULE:"), event.zone, begin))
    for text in event.recurrence:
        if text is main[0]:
            continue
        match = _DATES.fullmatch(text)
        if match is None:
            raise BadRecurrence("must contain an RRULE, EXDATE and RDATE entries and nothing else")
        add: Callable[[datetime], None] = found.exdate if match[1] == "EXDATE" else found.rdate
        named = re.search(r";TZID=([^;:]+)", match[2])
        for stamp in match[3].split(","):
            add(_stamp(stamp, event.zone, begin, named[1] if named else event.zone))
    return found


def _rule(text: str, zone: str, begin: datetime) -> rrule.rrule:
    parts: dict[str, str] = {}
    for part in text.split(";"):
        name, _, value = part.partition("=")
        parts[name] = value
    frequency = parts.get("FREQ", "")
    if frequency not in PARTS:
        raise BadRecurrence(f"FREQ must be one of {', '.join(PARTS)}")
    wrong = [name for name in parts if name not in PARTS[frequency]]
    if wrong:
        raise BadRecurrence(f"{wrong[0]} cannot be used with FREQ={frequency}")
    days, listed = _ORDINAL_DAY if frequency in {"MONTHLY", "YEARLY"} else _DAY, parts.get("BYDAY", "")
    if "BYDAY" in parts and not all(days.fullmatch(day) for day in listed.split(",")):
        raise BadRecurrence("BYDAY is invalid")
    if not _STEP.fullmatch(parts.get("INTERVAL", "1")):
        raise BadRecurrence("INTERVAL must be between 1 and 9999")
    if not _comes_true(parts, begin):
        raise BadRecurrence("has no occurrence")
    if "UNTIL" in parts:
        parts["UNTIL"] = _stamp(parts["UNTIL"], zone, begin, zone).strftime("%Y%m%dT%H%M%S")
    try:
        made = rrule.rrulestr(";".join(f"{name}={value}" for name, value in parts.items()), dtstart=begin)
    except (ValueError, TypeError, AttributeError, IndexError, KeyError, OverflowError):
        raise BadRecurrence("RRULE is invalid") from None
    return made  # type: ignore[return-value]


def _comes_true(parts: Mapping[str, str], begin: datetime) -> bool:
    """Return whether steps of hours or days ever fall on the days asked for; the search for the first could be long."""
    step = {"HOURLY": timedelta(hours=1), "DAILY": timedelta(days=1)}.get(parts["FREQ"])
    if step is None or "BYDAY" not in parts:
        return True
    wanted = {_DAYS[day] for day in parts["BYDAY"].split(",")}
    length = int(parts.get("INTERVAL", "1")) * step % timedelta(weeks=1)
    return any((begin + number * length).weekday() in wanted for number in range(168))


def _stamp(text: str, zone: str, begin: datetime, written: str) -> datetime:
    """Return a date of a recurrence as the clock of ``zone`` reads it; a day alone means the event's hour of it."""
    match = _STAMP.fullmatch(text)
    try:
        if match is None:
            raise BadInstant(text)
        day = f"{match[1]}-{match[2]}-{match[3]}"
        if match[4] is None:
            return datetime.combine(datetime.fromisoformat(day), begin.time())
        instant = instants.parse(f"{day}T{match[4]}:{match[5]}:{match[6]}{match[7]}", written)
        return _EPOCH + _wall(instant, zone) * _MICROSECOND
    except UnknownZone:
        raise BadRecurrence(f"{written} is not a known time zone") from None
    except (ValueError, OverflowError):
        raise BadRecurrence(f"{text} is not a date") from None


# -- shifts ------------------------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=128)
def _starts(event: Event, horizon: int) -> tuple[int, ...]:
    """Return when the event's occurrences begin by the clock on the wall, up to ``horizon``, in order."""
    found: list[int] = []
    for moment in _rules(event):
        begin = (moment - _EPOCH) // _MICROSECOND
        if begin > horizon:
            break
        found.append(begin)
    return tuple(found)


def _horizon(event: Event, until: int) -> int:
    """Return the end of a stretch from the event's start that holds ``until``; stretches double, so few are kept."""
    length = 64 * DAY
    while event.start + length <= until + 3 * DAY:
        length *= 2
    return event.start + length


def _shifts(event: Event, since: int, until: int) -> Iterator[tuple[int, int, int]]:
    """Yield (number, start, end) of the event's shifts that touch [since, until), within its effective range."""
    low, high = max(since, event.since), until if event.until is None else min(until, event.until)
    if high <= low or event.length <= 0:
        return
    starts = _starts(event, _horizon(event, high))
    first = bisect.bisect_left(starts, low - event.length - 2 * DAY)
    last = bisect.bisect_right(starts, high + 2 * DAY)
    for number in range(first, last):
        begin = max(to_utc(event.zone, starts[number]), event.since)
        end = to_utc(event.zone, starts[number] + event.length)
        end = end if event.until is None else min(end, event.until)
        if begin < high and end > low and end > begin:
            yield number, begin, end


def _rostered(event: Event, rotation: str, since: int, until: int) -> Iterator[Duty]:
    source = Source("schedule_rotation", rotation)
    for number, begin, end in _shifts(event, since, until):
        people = event.members if event.every else (event.members[number // event.each % len(event.members)],)
        for person in people:
            yield Duty(begin, end, person, source)


def _overridden(duty: Duty, replacements: Sequence[Replacement]) -> Iterator[Duty]:
    """Yield the duty cut into what its member keeps and what others take over; the newest override wins."""
    about = [row for row in replacements if row.source == duty.source.id and row.old == duty.member]
    about = [row for row in about if row.start < duty.end and row.end > duty.start]
    edges = {duty.start, duty.end}
    for row in about:
        edges |= {max(row.start, duty.start), min(row.end, duty.end)}
    made: list[Duty] = []
    for begin, end in itertools.pairwise(sorted(edges)):
        new = next((row for row in reversed(about) if row.start <= begin < row.end), None)
        source = duty.source if new is None else Source(f"{duty.source.kind}_override", duty.source.id, new.id)
        part = Duty(begin, end, duty.member if new is None else new.new, source)
        if made and (made[-1].member, made[-1].source) == (part.member, part.source):
            made[-1] = replace(made[-1], end=end)
        else:
            made.append(part)
    yield from made


def duties(account: AnyAccount, schedule: Document, since: int, until: int) -> list[Duty]:
    """Return every duty that touches [since, until), whole, by start; places left empty on purpose are among them."""
    zone = str(schedule.body.get("time_zone") or "UTC")
    replacements = [_replacement(row, zone) for row in account.children("override_shifts", schedule.id)]
    found: list[Duty] = []
    for rotation in account.children("rotations", schedule.id):
        for document in account.children("schedule_events", rotation.id):
            found += _rostered(parse_event(document), rotation.id, since, until)
    for row in account.children("custom_shifts", schedule.id):
        begin, end = span(row, zone)
        if begin < until and end > since:
            people = [member(entry["member"]) for entry in row.body["assignments"]]
            found += [Duty(begin, end, person, Source("custom_shift", row.id)) for person in people]
    parts = [part for duty in found for part in _overridden(duty, replacements)]
    return sorted((part for part in parts if part.start < until and part.end > since), key=lambda part: part.start)


def span(document: Document, zone: str) -> tuple[int, int]:
    """Return start and end of a custom shift or an override."""
    return instants.parse(document.body["start_time"], zone), instants.parse(document.body["end_time"], zone)


def _replacement(document: Document, zone: str) -> Replacement:
    body = document.body
    source = str(body.get("rotation_id") or body.get("custom_shift_id"))
    old, new = member(body["overridden_member"]), member(body["overriding_member"])
    return Replacement(document.id, source, *span(document, zone), old, new)


def who(account: AnyAccount, schedule: Document, at: int) -> tuple[str, ...]:
    """Return everybody on call at ``at`` (microseconds UTC), each once."""
    found = (duty.member for duty in duties(account, schedule, at, at + 1))
    return tuple(dict.fromkeys(person for person in found if person is not None))


def next_change(account: AnyAccount, schedule: Document, after: int) -> int:
    """Return the next instant at which other people are on call, at most :data:`AHEAD` later."""
    present, until = set(who(account, schedule, after)), after + AHEAD
    edges = {edge for duty in duties(account, schedule, after, until) for edge in (duty.start, duty.end)}
    for edge in sorted(edge for edge in edges if after < edge < until):
        if set(who(account, schedule, edge)) != present:
            return edge
    return until


def on_call(account: AnyAccount, schedule: Document, since: int, until: int) -> tuple[Segment, ...]:
    """Return who is on call in [since, until): one segment per person and shift, whole, by start."""
    held = (duty for duty in duties(account, schedule, since, until) if duty.member is not None)
    return tuple(Segment(duty.start, duty.end, (str(duty.member),), duty.source.kind) for duty in held)


def people(account: AnyAccount, schedule: Document, now: int) -> dict[str, None]:
    """Return everybody who is or may yet be on call by a schedule, in order."""
    zone = str(schedule.body.get("time_zone") or "UTC")
    found: dict[str | None, None] = {}
    for rotation in account.children("rotations", schedule.id):
        for event in map(parse_event, account.children("schedule_events", rotation.id)):
            if event.until is None or event.until > now:
                found |= dict.fromkeys(event.members)
    for row in account.children("custom_shifts", schedule.id):
        if span(row, zone)[1] > now:
            found |= dict.fromkeys(member(entry["member"]) for entry in row.body["assignments"])
    for row in account.children("override_shifts", schedule.id):
        if span(row, zone)[1] > now:
            found[member(row.body["overriding_member"])] = None
    return {person: None for person in found if person is not None}


def coverage(found: Sequence[Duty], since: int, until: int) -> float:
    """Return the share of the window in which anybody is on call, in percent, rounded to one decimal."""
    covered, reached = 0, since
    for duty in found:
        begin, end = max(duty.start, reached), min(duty.end, until)
        if duty.member is not None and end > begin:
            covered, reached = covered + end - begin, end
    return round(100 * covered / (until - since), 1) if until > since else 0.0
