"""Who is on call by a schedule of layers, on the local clock that never goes back.

A local time stands for the first instant at which the zone's clock reads it or later: a repeated hour counts once, a
skipped one ends at the change. That map is monotone, so turns and restrictions tile without overlap or negative length.
Turns of whole days keep their local hand-off hour, others are absolute seconds. Overrides beat layers, the newest
override and the highest layer win. An edit is not retroactive: a document keeps the layers it had before, each with the
instant until which they held, and every span is answered by its own.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from simulators.engine import instants, zones
from simulators.engine.instants import DAY, HOUR, SECOND
from simulators.engine.resources import Document, freeze

_MEMO: dict[int, tuple[Document, Schedule]] = {}
_MEMO_LIMIT = 4096
#: How far ahead a change of the person on call is looked for, in growing steps.
_STEPS = (2 * DAY, 12 * DAY, 78 * DAY)
AHEAD = sum(_STEPS)
#: Field of a schedule's document for what it was: a list of ``until``, ``time_zone`` and ``schedule_layers``.
PAST = "past_layers"
_EPOCH_WEEKDAY = 3  # 1970-01-01 was a Thursday; Monday is 0


@dataclass(frozen=True, slots=True)
class Restriction:
    """A daily (``day`` is ``None``) or weekly span of local time: ``start`` and ``length`` in microseconds."""

    start: int
    length: int
    day: int | None = None


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer; instants in microseconds UTC, ``turn`` the length of a turn in microseconds."""

    name: str
    start: int
    end: int | None
    anchor: int
    turn: int
    users: tuple[str, ...]
    restrictions: tuple[Restriction, ...]
    id: str = ""


@dataclass(frozen=True, slots=True)
class Epoch:
    """The zone and layers a schedule had before an edit at ``until``."""

    until: int
    zone: str
    layers: tuple[Layer, ...]


@dataclass(frozen=True, slots=True)
class Override:
    """A span in which ``user`` is on call whatever the layers say."""

    id: str
    start: int
    end: int
    user: str


@dataclass(frozen=True, slots=True)
class Schedule:
    """A schedule ready to be asked; layers lowest first, overrides and past epochs oldest first."""

    zone: str
    layers: tuple[Layer, ...]
    overrides: tuple[Override, ...] = ()
    past: tuple[Epoch, ...] = ()

    def layer(self, id: str) -> Schedule:
        """Return the schedule of one layer alone, with what it was before edits."""
        past = (Epoch(epoch.until, epoch.zone, _only(epoch.layers, id)) for epoch in self.past)
        return Schedule(self.zone, _only(self.layers, id), (), tuple(past))


def _only(layers: Iterable[Layer], id: str) -> tuple[Layer, ...]:
    return tuple(layer for layer in layers if layer.id == id)


@dataclass(frozen=True, slots=True)
class Segment:
    """Who is on call from ``start`` to ``end`` (microseconds UTC), and what says so."""

    start: int
    end: int
    people: tuple[str, ...]
    source: str


@functools.lru_cache(maxsize=65536)
def _offset(zone: str, instant: int) -> int:
    offset = zones.local(instant, zone).utcoffset() or timedelta()
    return offset // zones.MICROSECOND


@functools.lru_cache(maxsize=65536)
def to_utc(zone: str, wall: int) -> int:
    """Return the first instant at which the clock of ``zone`` reads ``wall`` (microseconds) or later."""
    low, high = wall - 15 * HOUR, wall + 13 * HOUR
    before, after = _offset(zone, low), _offset(zone, high)
    if before == after:
        return wall - before
    while high - low > SECOND:
        middle = (low + high) // 2 // SECOND * SECOND
        if middle <= low:
            break
        if _offset(zone, middle) == before:
            low = middle
        else:
            high = middle
    change = high // SECOND * SECOND
    return wall - before if wall - before < change else max(change, wall - after)


def parse(document: Document, overrides: Iterable[Document] = ()) -> Schedule:
    """Return the schedule a document (and its override documents, oldest first) describes."""
    held = _MEMO.get(id(document))
    if held is None or held[0] is not document:
        if len(_MEMO) >= _MEMO_LIMIT:
            _MEMO.clear()
        held = _MEMO[id(document)] = (document, _parse(document.body))
    schedule = held[1]
    found = tuple(_override(entry, schedule.zone) for entry in overrides)
    return replace(schedule, overrides=found) if found else schedule


def _parse(body: Mapping[str, Any]) -> Schedule:
    past = (Epoch(instants.parse(entry["until"]), *_layers(entry)) for entry in body.get(PAST) or ())
    zone, layers = _layers(body)
    return Schedule(zone, layers, (), tuple(past))


def _layers(body: Mapping[str, Any]) -> tuple[str, tuple[Layer, ...]]:
    zone = str(body.get("time_zone") or "UTC")
    return zone, tuple(
        Layer(
            str(entry.get("name") or f"Layer {place}"),
            instants.parse(entry["start"], zone),
            instants.parse(entry["end"], zone) if entry.get("end") else None,
            instants.parse(entry.get("rotation_virtual_start") or entry["start"], zone),
            max(int(entry.get("rotation_turn_length_seconds") or 604_800), 1) * SECOND,
            tuple((user.get("user") or user)["id"] for user in entry.get("users") or ()),
            tuple(_restriction(rule) for rule in entry.get("restrictions") or ()),
            str(entry.get("id") or f"L{place}"),
        )
        for place, entry in enumerate(body.get("schedule_layers") or (), 1)
    )


def remember(old: Mapping[str, Any], new: Mapping[str, Any], now: int) -> list[dict[str, Any]]:
    """Return what an edited document has to keep under :data:`PAST`: its epochs, and the layers that hold until now."""
    kept = [dict(epoch) for epoch in old.get(PAST) or ()]
    was = {name: old.get(name) for name in ("time_zone", "schedule_layers")}
    same = freeze(was) == freeze({name: new.get(name) for name in was})
    return kept if same else [*kept, {"until": instants.iso_milliseconds(now), **was}]


def _restriction(body: Mapping[str, Any]) -> Restriction:
    hours, minutes, seconds = (int(part) for part in (body["start_time_of_day"] + ":00").split(":")[:3])
    start = ((hours * 60 + minutes) * 60 + seconds) * SECOND
    weekly = body.get("type") == "weekly_restriction"
    return Restriction(
        start, int(body["duration_seconds"]) * SECOND, int(body["start_day_of_week"]) - 1 if weekly else None
    )


def _override(document: Document, zone: str) -> Override:
    body = document.body
    return Override(
        document.id, instants.parse(body["start"], zone), instants.parse(body["end"], zone), body["user"]["id"]
    )


def _boundary(layer: Layer, zone: str, k: int) -> int:
    if layer.turn % DAY:
        return layer.anchor + k * layer.turn
    return to_utc(zone, layer.anchor + _offset(zone, layer.anchor) + k * layer.turn)


def _turn(layer: Layer, zone: str, at: int) -> int:
    k = (at - layer.anchor) // layer.turn
    while _boundary(layer, zone, k) > at:
        k -= 1
    while _boundary(layer, zone, k + 1) <= at:
        k += 1
    return k


def _spans(rule: Restriction, zone: str, since: int, until: int) -> Iterable[tuple[int, int]]:
    """Yield the rule's spans that may touch the window, in order."""
    step = DAY if rule.day is None else 7 * DAY
    first = (since + _offset(zone, since) - rule.length - 2 * DAY) // DAY * DAY
    if rule.day is not None:
        first += (rule.day - (first // DAY + _EPOCH_WEEKDAY)) % 7 * DAY - 7 * DAY
    start = first + rule.start
    while (begin := to_utc(zone, start)) < until:
        end = to_utc(zone, start + rule.length)
        if end > since and begin < end:
            yield begin, end
        start += step


def _covers(layer: Layer, zone: str, at: int) -> bool:
    if at < layer.start or (layer.end is not None and at >= layer.end) or not layer.users:
        return False
    if not layer.restrictions:
        return True
    return any(begin <= at < end for rule in layer.restrictions for begin, end in _spans(rule, zone, at, at + 1))


def _answer(schedule: Schedule, at: int) -> tuple[str, str] | None:
    for override in reversed(schedule.overrides):
        if override.start <= at < override.end:
            return override.user, "override"
    zone, layers = next(
        ((epoch.zone, epoch.layers) for epoch in schedule.past if at < epoch.until), (schedule.zone, schedule.layers)
    )
    for layer in reversed(layers):
        if _covers(layer, zone, at):
            return layer.users[_turn(layer, zone, at) % len(layer.users)], layer.name
    return None


def who(schedule: Schedule, at: int) -> str | None:
    """Return the id of the user on call at ``at`` (microseconds UTC), or ``None``."""
    found = _answer(schedule, at)
    return None if found is None else found[0]


def _cut(epoch: Epoch, since: int, until: int, points: set[int]) -> None:
    """Add every instant in the span at which somebody else may come on call by the epoch's layers."""
    for layer in epoch.layers:
        points.add(max(layer.start, since))
        if layer.end is not None:
            points.add(max(layer.end, since))
        k = _turn(layer, epoch.zone, since) + 1
        while (boundary := _boundary(layer, epoch.zone, k)) < until:
            points.add(boundary)
            k += 1
        for rule in layer.restrictions:
            for span in _spans(rule, epoch.zone, since, until):
                points.update(max(point, since) for point in span)


def on_call(schedule: Schedule, since: int, until: int) -> tuple[Segment, ...]:
    """Return who is on call in ``[since, until)``: sorted, disjoint segments, gaps left out."""
    points = {since}
    for override in schedule.overrides:
        points |= {override.start, override.end}
    begin = since
    for epoch in (*schedule.past, Epoch(until, schedule.zone, schedule.layers)):
        end = min(epoch.until, until)
        if begin < end:
            points.add(begin)
            _cut(epoch, begin, end, points)
            begin = end
    cuts = [*sorted(point for point in points if since <= point < until), until]
    segments: list[Segment] = []
    for start, end in itertools.pairwise(cuts):
        found = _answer(schedule, start)
        if found is None:
            continue
        last = segments[-1] if segments else None
        if last is not None and last.end == start and (last.people, last.source) == ((found[0],), found[1]):
            segments[-1] = Segment(last.start, end, last.people, last.source)
        else:
            segments.append(Segment(start, end, (found[0],), found[1]))
    return tuple(segments)


def next_change(schedule: Schedule, after: int) -> int:
    """Return the next instant at which another person (or nobody) is on call, at most :data:`AHEAD` later."""
    since, present = after, who(schedule, after)
    for step in _STEPS:
        until, reached = since + step, since
        for segment in on_call(schedule, since, until):
            if segment.start > reached and present is not None:
                return reached
            if segment.people != (present,):
                return segment.start
            reached = segment.end
        if reached < until and present is not None:
            return reached
        since = until
    return since


def people(document: Document, now: int) -> dict[str, None]:
    """Return the users of a schedule's layers that have not ended, in order."""
    found: dict[str, None] = {}
    for layer in parse(document).layers:
        if layer.end is None or layer.end > now:
            found |= dict.fromkeys(layer.users)
    return found


def coverage(segments: Iterable[Segment], since: int, until: int) -> float:
    """Return the covered share of the window in percent, rounded to one decimal."""
    covered = sum(segment.end - segment.start for segment in segments)
    return round(100 * covered / (until - since), 1) if until > since else 0.0
