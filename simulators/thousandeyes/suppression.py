"""Alert suppression windows: when a test's rounds are not looked at.

Rounds sampled inside a window neither raise nor end anything and count towards nothing: an alert that is active when it
begins stays so until data after its end clear it. Windows run in UTC and know no daylight saving. A repetition counts
from the first start: every day, week or month, or every so many of them, on some days of the week.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import count, islice, takewhile
from typing import Any

from simulators.engine import instants
from simulators.engine.draft import View
from simulators.engine.instants import DAY, SECOND
from simulators.engine.zones import local, microseconds
from simulators.thousandeyes.model import DOCUMENTS

KIND = "suppression-window"
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Span = tuple[int, int]


def spans(body: Mapping[str, Any], since: int, until: int) -> list[Span]:
    """Return the occurrences [start, end) of a window that overlap [``since``, ``until``), oldest first."""
    if not body.get("isEnabled", True):
        return []
    length = int(body["duration"]) * SECOND
    begun = takewhile(lambda start: start < until, _starts(body, since - length))
    return [(start, start + length) for start in begun if start + length > since]


def quiet_spans(view: View, test_id: str, aid: str, since: int, until: int) -> list[Span]:
    """Return when the rounds of a test are not looked at, within [``since``, ``until``), oldest first."""
    found = [
        span
        for window in view.find(DOCUMENTS, "place", (KIND, aid))
        if test_id in window.body.get("testIds", ())
        for span in spans(window.body, since, until)
    ]
    return sorted(found)


def status(body: Mapping[str, Any], now: int) -> str:
    """Return "active" inside an occurrence, "ended" after the last one, "inactive" otherwise."""
    if spans(body, now, now + 1):
        return "active"
    return "inactive" if any(start > now for start in _until_after(body, now)) else "ended"


def _until_after(body: Mapping[str, Any], now: int) -> Iterator[int]:
    """Yield starts up to the first one after ``now``."""
    for start in _starts(body, now):
        yield start
        if start > now:
            return


def _starts(body: Mapping[str, Any], near: int) -> Iterator[int]:
    """Yield the start of every occurrence, for ever when nothing ends the repetition.

    Where they need not be counted, those long before ``near`` may be passed over.
    """
    first = instants.parse(body["startDate"])
    repeat, end = body.get("repeat"), body.get("endRepeat") or {"type": "never"}
    near = first if end["type"] == "count" else max(near, first)
    starts: Iterator[int] = iter((first,)) if not repeat else _repeated(first, repeat, near)
    if end["type"] == "count":
        return islice(starts, int(end.get("count", 1)))
    if end["type"] == "date" and end.get("date"):
        last = instants.parse(end["date"].strip()[:10]) + DAY
        return takewhile(lambda start: start < last, starts)
    return starts


def _repeated(first: int, repeat: Mapping[str, Any], near: int) -> Iterator[int]:
    every = repeat.get("intervalLength", 1) if repeat["type"] == "custom" else 1
    unit = repeat.get("intervalType", "day") if repeat["type"] == "custom" else repeat["type"]
    if unit == "month":
        return _monthly(first, every)
    if unit == "week" and repeat.get("daysOfWeek"):
        return _weekly(first, every, repeat["daysOfWeek"], near)
    step = every * DAY * (7 if unit == "week" else 1)
    return count(near - (near - first) % step, step)


def _weekly(first: int, every: int, days: Sequence[str], near: int) -> Iterator[int]:
    """Yield the given days of every so-many-th week, not before the first start."""
    monday, step = first - local(first, "UTC").weekday() * DAY, 7 * every * DAY
    for week in count(near - (near - monday) % step, step):
        yield from (start for start in (week + DAYS.index(day) * DAY for day in sorted(days, key=DAYS.index))
                    if start >= first)  # fmt: skip


def _monthly(first: int, every: int) -> Iterator[int]:
    """Yield the same day of every so-many-th month; months that are too short are passed over."""
    begin: datetime = local(first, "UTC")
    rest = first - microseconds(begin.replace(hour=0, minute=0, second=0, microsecond=0))
    for month in count(begin.month - 1, every):
        year, number = begin.year + month // 12, month % 12 + 1
        if year > 9998:
            return
        if begin.day <= calendar.monthrange(year, number)[1]:
            day = begin.replace(year=year, month=number, hour=0, minute=0, second=0, microsecond=0)
            yield microseconds(day) + rest
