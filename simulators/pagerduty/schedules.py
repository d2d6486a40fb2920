"""Who is on call by a schedule of layers, on the local clock that never goes back.

A local time stands for the first instant at which the zone's clock reads it or later: a repeated hour counts once, a
skipped one ends at the change. That map is monotone, so turns and restrictions tile without overlap or negative length.
Turns of whole days keep their local hand-off hour, others are absolute seconds. Overrides beat layers, the newest
override and the highest layer win.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from simulators.engine import instants, zones
from simulators.engine.instants import DAY, HOUR, SECOND
from simulators.engine.resources import Document

_MEMO: dict[int, tuple[Document, Schedule]] = {}
_MEMO_LIMIT = 4096
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


@dataclass(frozen=True, slots=True)
class Override:
    """A span in which ``user`` is on call whatever the layers say."""

    id: str
    start: int
    end: int
    user: str


@dataclass(frozen=True, slots=True)
class Schedule:
    """A schedule ready to be asked; layers lowest first, overrides oldest first."""

    zone: str
    layers: tuple[Layer, ...]
    overrides: tuple[Override, ...] = ()


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
    return Schedule(schedule.zone, schedule.layers, found) if found else schedule


def _parse(body: Mapping[str, Any]) -> Schedule:
    zone = str(body.get("time_zone") or "UTC")
    layers = tuple(
        Layer(
            str(entry.get("name") or f"Layer {place}"),
            instants.parse(entry["start"], zone),
            instants.parse(entry["end"], zone) if entry.get("end") else None,
            instants.parse(entry.get("rotation_virtual_start") or entry["start"], zone),
            max(int(entry.get("rotation_turn_length_seconds") or 604_800), 1) * SECOND,
            tuple((user.get("user") or user)["id"] for user in entry.get("users") or ()),
            tuple(_restriction(rule) for rule in entry.get("restrictions") or ()),
        )
        for place, entry in enumerate(body.get("schedule_layers") or (), 1)
    )
    return Schedule(zone, layers)


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
    for layer in reversed(schedule.layers):
        if _covers(layer, schedule.zone, at):
            return layer.users[_turn(layer, schedule.zone, at) % len(layer.users)], layer.name
    return None


def who(schedule: Schedule, at: int) -> str | None:
    """Return the id of the user on call at ``at`` (microseconds UTC), or ``None``."""
    found = _answer(schedule, at)
    return None if found is None else found[0]


def on_call(schedule: Schedule, since: int, until: int) -> tuple[Segment, ...]:
    """Return who is on call in ``[since, until)``: sorted, disjoint segments, gaps left out."""
    zone, points = schedule.zone, {since}
    for override in schedule.overrides:
        points |= {override.start, override.end}
    for layer in schedule.layers:
        points.add(layer.start)
        if layer.end is not None:
            points.add(layer.end)
        k = _turn(layer, zone, since) + 1
        while (boundary := _boundary(layer, zone, k)) < until:
            points.add(boundary)
            k += 1
        for rule in layer.restrictions:
            for span in _spans(rule, zone, since, until):
                points.update(span)
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


def coverage(segments: Iterable[Segment], since: int, until: int) -> float:
    """Return the covered share of the window in percent, rounded to one decimal."""
    covered = sum(segment.end - segment.start for segment in segments)
    return round(100 * covered / (until - since), 1) if until > since else 0.0
