"""Who a target of an escalation policy stands for: a user, or whoever a schedule of either kind has on call.

Layers (:mod:`~simulators.pagerduty.schedules`) and shifts (:mod:`~simulators.pagerduty.shifts`) answer behind the same
two questions here, so escalation, on-calls and the preview need not know which kind a policy points at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from simulators.engine.instants import DAY
from simulators.engine.resources import Document
from simulators.pagerduty import schedules, shifts
from simulators.pagerduty.account import AnyAccount
from simulators.pagerduty.schedules import Schedule, Segment

#: How far beyond a window a running turn is followed to its true bounds.
BEYOND = 92 * DAY


def target_kind(target: Mapping[str, Any]) -> str:
    """Return the plural kind an escalation target is of; without a type it is taken for a user."""
    kind = str(target.get("type") or "").removesuffix("_reference")
    return {"schedule": "schedules", "schedule_v3": "v3_schedules"}.get(kind, "users")


def people(account: AnyAccount, target: Mapping[str, Any], at: int) -> tuple[str, ...]:
    """Return the users a target of a level stands for at ``at`` (microseconds UTC); a user always is on call."""
    kind = target_kind(target)
    document = account.get(kind, target["id"])
    if document is None:
        return ()
    if kind == "users":
        return (document.id,)
    if kind == "v3_schedules":
        return shifts.who(account, document, at)
    found = schedules.who(layers(account, document), at)
    return () if found is None else (found,)


def next_change(account: AnyAccount, target: Mapping[str, Any], at: int) -> int | None:
    """Return when other people come on call by a target's schedule, or when to ask again; ``None`` for a user."""
    kind = target_kind(target)
    document = None if kind == "users" else account.get(kind, target["id"])
    if document is None:
        return None
    if kind == "v3_schedules":
        return shifts.next_change(account, document, at)
    return schedules.next_change(layers(account, document), at)


def layers(account: AnyAccount, document: Document) -> Schedule:
    """Return a schedule of layers with its overrides, ready to be asked."""
    return schedules.parse(document, account.children("overrides", document.id))


def turns(account: AnyAccount, kind: str, document: Document, since: int, until: int) -> tuple[Segment, ...]:
    """Return who is on call by a schedule in [since, until): a segment per person, with its true start and end."""
    if kind == "v3_schedules":
        return shifts.on_call(account, document, since, until)
    schedule = layers(account, document)
    return tuple(whole(schedule, segment, since, until) for segment in schedules.on_call(schedule, since, until))


def whole(schedule: Schedule, segment: Segment, since: int, until: int) -> Segment:
    """Return a segment that touches a bound of its window with its true start and end, at most 92 days beyond."""
    if segment.start == since:
        before = schedules.on_call(schedule, max(since - BEYOND, 0), since)
        if before and before[-1].end == since and _same(before[-1], segment):
            segment = replace(segment, start=before[-1].start)
    if segment.end == until:
        after = schedules.on_call(schedule, until, until + BEYOND)
        if after and after[0].start == until and _same(after[0], segment):
            segment = replace(segment, end=after[0].end)
    return segment


def _same(one: Segment, other: Segment) -> bool:
    return (one.people, one.source) == (other.people, other.source)


def scheduled(account: AnyAccount, kind: str, document: Document, now: int) -> dict[str, None]:
    """Return the users of a schedule who are or may yet be on call by it, in order."""
    return shifts.people(account, document, now) if kind == "v3_schedules" else schedules.people(document, now)
