"""Escalation policies: which people a level has at an instant, what comes after a level, and how long to wait.

Pure functions, asked by the running simulation and by the preview (:mod:`~simulators.pagerduty.ladder`) alike. A level
assigns everybody on call on it or, in round robin, the next target of its ring; who takes a place in the ring puts the
:class:`~simulators.pagerduty.model.Ring` the move carries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from simulators.engine.instants import MINUTE
from simulators.engine.resources import Document
from simulators.pagerduty import hours, oncall
from simulators.pagerduty.account import AnyAccount
from simulators.pagerduty.model import Ring, Urgency

CHANNELS = {
    "email_contact_method": "email",
    "sms_contact_method": "sms",
    "phone_contact_method": "phone",
    "push_notification_contact_method": "push",
}


@dataclass(frozen=True, slots=True)
class Move:
    """Where an incident goes: 1-based ``level``, 0-based ``loop``, its ``people``, the levels passed over, and the
    level's ring as it is afterwards, if it has one."""

    level: int
    loop: int
    people: tuple[str, ...]
    skipped: tuple[int, ...] = ()
    ring: Ring | None = None


def rules(policy: Document) -> Sequence[Mapping[str, Any]]:
    """Return a policy's levels in order."""
    return policy.body.get("escalation_rules") or ()


def delay(policy: Document, level: int) -> int:
    """Return how long 1-based ``level`` waits, in microseconds."""
    return int(rules(policy)[level - 1].get("escalation_delay_in_minutes", 30)) * MINUTE


def assignees(account: AnyAccount, policy: Document, level: int, at: int) -> tuple[str, ...]:
    """Return everybody on call on 1-based ``level`` at ``at``, each once, in order of the targets."""
    found = (oncall.people(account, target, at) for target in rules(policy)[level - 1].get("targets") or ())
    return tuple(dict.fromkeys(user for people in found for user in people))


def next_turn(account: AnyAccount, policy: Document, level: int, at: int) -> int | None:
    """Return when somebody else comes on call by a schedule of 1-based ``level``, ``None`` for a level without any.

    A schedule that does not change within :data:`schedules.AHEAD` is to be asked again then.
    """
    if in_turn(policy, level):
        return None
    found = (oncall.next_change(account, target, at) for target in rules(policy)[level - 1].get("targets") or ())
    return min((change for change in found if change is not None), default=None)


def in_turn(policy: Document, level: int) -> bool:
    """Return whether 1-based ``level`` hands out incidents in turn (round robin) instead of to everybody."""
    strategy = rules(policy)[level - 1].get("escalation_rule_assignment_strategy") or {}
    return bool(strategy.get("type") == "round_robin")


def move_to(
    account: AnyAccount, policy: Document, level: int, loop: int, at: int, skipped: tuple[int, ...] = ()
) -> Move | None:
    """Return the move to 1-based ``level``, or ``None`` when it has nobody at ``at``.

    In round robin the first target of the ring that has somebody takes the incident and goes to the end; a schedule in
    a gap keeps its place. An edited level begins with its first target again.
    """
    if not in_turn(policy, level):
        people = assignees(account, policy, level, at)
        return Move(level, loop, people, skipped) if people else None
    rule = rules(policy)[level - 1]
    targets = {str(target["id"]): target for target in rule.get("targets") or ()}
    id, known = str(rule.get("id") or f"{policy.id}:{level}"), tuple(targets)
    held = account.ring(id)
    order = held.order if held is not None and held.targets == known else known
    for taken in order:
        people = oncall.people(account, targets[taken], at)
        if people:
            ring = Ring(id, known, (*(target for target in order if target != taken), taken))
            return Move(level, loop, people, skipped, ring)
    return None


def _search(account: AnyAccount, policy: Document, after: int, loop: int, at: int) -> Move | None:
    skipped: list[int] = []
    for level in range(after + 1, len(rules(policy)) + 1):
        move = move_to(account, policy, level, loop, at, tuple(skipped))
        if move is not None:
            return move
        skipped.append(level)
    return None


def first_level(account: AnyAccount, policy: Document, at: int) -> Move | None:
    """Return the first level that has anybody on call, or ``None`` when no level has."""
    return _search(account, policy, 0, 0, at)


def next_level(account: AnyAccount, policy: Document, level: int, loop: int, at: int) -> Move | None:
    """Return where a timeout on ``level`` leads: a later level, the next loop, or ``None`` at the end of the path."""
    found = _search(account, policy, level, loop, at)
    if found is None and loop < int(policy.body.get("num_loops") or 0):
        found = _search(account, policy, 0, loop + 1, at)
    return found


def user_rules(account: AnyAccount, user: str, urgency: Urgency) -> list[tuple[int, str, Document, Document]]:
    """Return (delay in microseconds, rule id, rule, contact method) of a user for an urgency, by delay."""
    found = []
    for rule in account.children("notification_rules", user):
        if rule.body.get("urgency", "high") != urgency:
            continue
        method = account.get("contact_methods", rule.body["contact_method"]["id"])
        if method is not None and method.body.get("type") in CHANNELS:
            found.append((int(rule.body.get("start_delay_in_minutes") or 0) * MINUTE, rule.id, rule, method))
    found.sort(key=lambda entry: entry[0])
    return found


def service_urgency(service: Document, severity: str | None, at: int) -> Urgency:
    """Return an incident's urgency by the service's urgency rule; ``severity`` is the alert's or ``None``."""
    rule = service.body.get("incident_urgency_rule") or {}
    if rule.get("type") == "use_support_hours":
        side = "during_support_hours" if hours.supported(service, at) else "outside_support_hours"
        rule = rule.get(side) or {}
    value = rule.get("urgency", "high")
    if value == "severity_based":
        return Urgency.LOW if severity in {"warning", "info"} else Urgency.HIGH
    return Urgency.LOW if value == "low" else Urgency.HIGH


def severity_based(service: Document) -> bool:
    """Return whether the severity of alerts plays a part in the service's urgency."""
    return "severity_based" in str(service.body.get("incident_urgency_rule") or "")
