"""Schedules of layers against a scan, minute by minute, of the local clock that never goes back.

The scan knows no boundaries and no bisection: it keeps the highest reading the local clock has shown so far and asks of
each minute which turn and which restriction that reading falls into. Turns that are not whole days are counted in
seconds. The zones are chosen for what their clocks do: half an hour, two hours, a whole day, at midnight, backwards.
"""

from __future__ import annotations

import functools
import itertools

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from simulators.engine import instants, zones
from simulators.engine.instants import DAY, HOUR, MINUTE
from simulators.pagerduty import schedules
from simulators.pagerduty.schedules import Epoch, Layer, Override, Restriction, Schedule, Segment

#: Zone and date of a change of its clock (the last has none).
CASES = [
    ("Europe/Berlin", "2026-03-29"),
    ("Europe/Berlin", "2026-10-25"),
    ("Europe/Dublin", "2026-03-29"),
    ("America/New_York", "2026-03-08"),
    ("America/New_York", "2026-11-01"),
    ("America/St_Johns", "2026-11-01"),
    ("America/Havana", "2026-03-08"),
    ("America/Santiago", "2026-04-05"),
    ("America/Santiago", "2026-09-06"),
    ("Australia/Lord_Howe", "2026-04-05"),
    ("Australia/Lord_Howe", "2026-10-04"),
    ("Pacific/Apia", "2011-12-30"),
    ("Africa/Casablanca", "2026-02-15"),
    ("Africa/Cairo", "2026-04-24"),
    ("Asia/Beirut", "2026-10-25"),
    ("Antarctica/Troll", "2026-03-29"),
    ("Asia/Kolkata", "2026-03-29"),
]
#: Days before and after the date that are looked at, and the days before them in which rotations may begin.
BEFORE, AFTER, EARLIER = 1, 2, 12
#: Examples per case, and for properties that cost more.
EXPLORING = settings.get_current_profile_name() == "explore"
CLOSE, LOOK = (250, 125) if EXPLORING else (4, 2)
_MONDAY = 4 * DAY  # 1970-01-05


def _wall(zone: str, at: int) -> int:
    return zones.microseconds(zones.local(at, zone).replace(tzinfo=zones.EPOCH.tzinfo))


def _window(date: str) -> tuple[int, int]:
    day = instants.parse(f"{date}T00:00:00Z")
    return day - BEFORE * DAY, day + AFTER * DAY


@functools.cache
def _readings(zone: str, date: str) -> tuple[tuple[int, int], ...]:
    """Return each minute of the window with the highest reading of the local clock up to then."""
    since, until = _window(date)
    highest = max(_wall(zone, at) for at in range(since - 3 * HOUR, since, MINUTE))
    found = []
    for at in range(since, until, MINUTE):
        highest = max(highest, _wall(zone, at))
        found.append((at, highest))
    return tuple(found)


def _allowed(rule: Restriction, reading: int) -> bool:
    """Return whether the reading falls into the rule's span of its day or week, or of the one before."""
    period, origin = (DAY, 0) if rule.day is None else (7 * DAY, _MONDAY + rule.day * DAY)
    return (reading - origin - rule.start) % period < rule.length


def _scan(schedule: Schedule, date: str) -> list[tuple[str, str] | None]:
    """Return who is on call in each minute of the window, and what says so."""
    zone, found = schedule.zone, []
    origins = [_wall(zone, layer.anchor) for layer in schedule.layers]
    for at, reading in _readings(zone, date):
        answer: tuple[str, str] | None = None
        for layer, origin in zip(schedule.layers, origins, strict=True):
            rules = layer.restrictions
            if not layer.start <= at < (at + 1 if layer.end is None else layer.end):
                continue
            if rules and not any(_allowed(rule, reading) for rule in rules):
                continue
            passed = at - layer.anchor if layer.turn % DAY else reading - origin
            answer = layer.users[passed // layer.turn % len(layer.users)], layer.name
        for override in schedule.overrides:
            if override.start <= at < override.end:
                answer = override.user, "override"
        found.append(answer)
    return found


_MINUTES = st.integers(0, 24 * 60 // 5 - 1).map(lambda step: step * 5 * MINUTE)
_DAILY = st.builds(Restriction, _MINUTES, st.integers(1, 287).map(lambda step: step * 5 * MINUTE))
_WEEKLY = st.builds(
    Restriction, _MINUTES, st.integers(1, 7 * 288 - 1).map(lambda step: step * 5 * MINUTE), st.integers(0, 6)
)
_TURN = st.sampled_from([DAY, 2 * DAY, 7 * DAY, HOUR, 8 * HOUR, 12 * HOUR, 36 * HOUR, 90 * MINUTE])


@st.composite
def _layers(draw: st.DrawFn, name: str, since: int) -> Layer:
    anchor = since - draw(st.integers(-2, EARLIER)) * DAY + draw(_MINUTES)
    start = draw(st.just(since - EARLIER * DAY) | st.integers(0, 2).map(lambda days: since + days * DAY + 7 * MINUTE))
    length = draw(st.none() | st.integers(1, 4 * 24).map(lambda hours: hours * HOUR))
    users = tuple(f"{name}{place}" for place in range(draw(st.integers(1, 3))))
    rules = draw(st.lists(_DAILY | _WEEKLY, max_size=3))
    end = None if length is None else max(start, since) + length
    return Layer(name, start, end, anchor, draw(_TURN), users, tuple(rules))


@st.composite
def _schedules(draw: st.DrawFn, zone: str, since: int) -> Schedule:
    layers = [draw(_layers(name, since)) for name in "ABC"[: draw(st.integers(1, 3))]]
    overrides = []
    for place in range(draw(st.integers(0, 2))):
        start = since + draw(st.integers(-60, 4 * 24 * 60)) * MINUTE
        overrides.append(Override(f"O{place}", start, start + draw(st.integers(1, 600)) * MINUTE, f"O{place}"))
    return Schedule(zone, tuple(layers), tuple(overrides))


def _by_minute(segments: tuple[Segment, ...], since: int, until: int) -> list[tuple[str, str] | None]:
    minutes: list[tuple[str, str] | None] = [None] * ((until - since) // MINUTE)
    for segment in segments:
        (person,) = segment.people
        for place in range((segment.start - since) // MINUTE, (segment.end - since) // MINUTE):
            minutes[place] = person, segment.source
    return minutes


@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(case))
@seed(2026)
@settings(max_examples=CLOSE, deadline=None, database=None)
@given(data=st.data())
def test_a_schedule_agrees_with_a_scan_of_the_clock_that_never_goes_back(
    case: tuple[str, str], data: st.DataObject
) -> None:
    """Every minute around a change of the clock has the same person from the same layer or override."""
    zone, date = case
    since, until = _window(date)
    schedule = data.draw(_schedules(zone, since))
    segments, expected = schedules.on_call(schedule, since, until), _scan(schedule, date)
    assert _by_minute(segments, since, until) == expected
    for place in range(0, len(expected), 97):
        answer = expected[place]
        assert schedules.who(schedule, since + place * MINUTE) == (None if answer is None else answer[0])


@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(case))
@seed(2026)
@settings(max_examples=LOOK, deadline=None, database=None)
@given(data=st.data(), first=st.integers(0, 3 * 24 * 60 - 2), length=st.integers(1, 3 * 24 * 60))
def test_segments_are_sorted_disjoint_and_within_the_window(
    case: tuple[str, str], data: st.DataObject, first: int, length: int
) -> None:
    """None is empty, neighbours differ, the coverage is the covered share, and a part of a window says the same."""
    zone, date = case
    whole, _ = _window(date)
    schedule = data.draw(_schedules(zone, whole))
    since, until = whole + first * MINUTE, min(whole + (first + length) * MINUTE, whole + (BEFORE + AFTER) * DAY)
    segments = schedules.on_call(schedule, since, until)
    assert all(since <= segment.start < segment.end <= until for segment in segments)
    for before, after in itertools.pairwise(segments):
        assert before.end <= after.start
        assert before.end < after.start or (before.people, before.source) != (after.people, after.source)
    answers = _scan(schedule, date)[(since - whole) // MINUTE : (until - whole) // MINUTE]
    assert _by_minute(segments, since, until) == answers
    covered = sum(answer is not None for answer in answers)
    assert schedules.coverage(segments, since, until) == round(100 * covered / len(answers), 1)


@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(case))
@seed(2026)
@settings(max_examples=LOOK, deadline=None, database=None)
@given(data=st.data(), edits=st.lists(st.integers(0, (BEFORE + AFTER) * 24 * 60), max_size=2, unique=True).map(sorted))
def test_an_edit_is_not_retroactive(case: tuple[str, str], data: st.DataObject, edits: list[int]) -> None:
    """Every minute is answered by the layers that held then, whatever they were edited to; overrides always hold."""
    zone, date = case
    since, until = _window(date)
    held = [data.draw(_schedules(zone, since)) for _ in range(len(edits) + 1)]
    ends = [since + minute * MINUTE for minute in edits]
    past = tuple(Epoch(end, zone, was.layers) for end, was in zip(ends, held, strict=False))
    schedule = Schedule(zone, held[-1].layers, held[-1].overrides, past)
    scans = [_scan(Schedule(zone, was.layers, schedule.overrides), date) for was in held]
    expected = [scans[sum(end <= at for end in ends)][place] for place, (at, _) in enumerate(_readings(zone, date))]
    assert _by_minute(schedules.on_call(schedule, since, until), since, until) == expected
