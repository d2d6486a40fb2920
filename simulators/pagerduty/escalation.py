"""The ladder: who is assigned when, and why somebody is not.

The running simulation and the preview ask the same pure functions: which people a level has at an instant, what comes
after a level, and how long to wait. :func:`ladder` plays them through as if nobody ever reacted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from simulators.engine import instants, zones
from simulators.engine.instants import MINUTE
from simulators.engine.resources import Document
from simulators.pagerduty import schedules
from simulators.pagerduty.account import AnyAccount, name
from simulators.pagerduty.model import Urgency

CHANNELS = {
    "email_contact_method": "email",
    "sms_contact_method": "sms",
    "phone_contact_method": "phone",
    "push_notification_contact_method": "push",
}


@dataclass(frozen=True, slots=True)
class Move:
    """Where an incident goes: 1-based ``level``, 0-based ``loop``, its ``people``, and the levels passed over."""

    level: int
    loop: int
    people: tuple[str, ...]
    skipped: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a ladder: ``kind`` is assign, notify, skip, repeat, exhaust, silent or drop."""

    at: int
    kind: str
    level: int
    people: tuple[str, ...]
    reason: str
    channel: str = ""


def rules(policy: Document) -> Sequence[Mapping[str, Any]]:
    """Return a policy's levels in order."""
    return policy.body.get("escalation_rules") or ()


def delay(policy: Document, level: int) -> int:
    """Return how long 1-based ``level`` waits, in microseconds."""
    return int(rules(policy)[level - 1].get("escalation_delay_in_minutes", 30)) * MINUTE


def assignees(account: AnyAccount, policy: Document, level: int, at: int) -> tuple[str, ...]:
    """Return the people of 1-based ``level`` at ``at``, each once, in order of the targets."""
    people: dict[str, None] = {}
    for target in rules(policy)[level - 1].get("targets") or ():
        if str(target.get("type", "")).startswith("schedule"):
            document = account.get("schedules", target["id"])
            if document is not None:
                schedule = schedules.parse(document, account.children("overrides", document.id))
                found = schedules.who(schedule, at)
                if found is not None:
                    people[found] = None
        elif account.get("users", target["id"]) is not None:
            people[target["id"]] = None
    return tuple(people)


def _search(account: AnyAccount, policy: Document, after: int, loop: int, at: int) -> Move | None:
    skipped: list[int] = []
    for level in range(after + 1, len(rules(policy)) + 1):
        people = assignees(account, policy, level, at)
        if people:
            return Move(level, loop, people, tuple(skipped))
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
        side = "during_support_hours" if _supported(service, at) else "outside_support_hours"
        rule = rule.get(side) or {}
    value = rule.get("urgency", "high")
    if value == "severity_based":
        return Urgency.LOW if severity in {"warning", "info"} else Urgency.HIGH
    return Urgency.LOW if value == "low" else Urgency.HIGH


def severity_based(service: Document) -> bool:
    """Return whether the severity of alerts plays a part in the service's urgency."""
    return "severity_based" in str(service.body.get("incident_urgency_rule") or "")


def _supported(service: Document, at: int) -> bool:
    hours = service.body.get("support_hours") or {}
    moment = instants.iso(at, hours.get("time_zone", "UTC"))[11:19]
    day = zones.local(at, hours.get("time_zone", "UTC")).isoweekday()
    inside = hours.get("start_time", "00:00:00") <= moment < hours.get("end_time", "24:00:00")
    return inside and day in (hours.get("days_of_week") or (1, 2, 3, 4, 5, 6, 7))


def ladder(account: AnyAccount, service_id: str, at: int, urgency: Urgency | str | None = None) -> tuple[Step, ...]:
    """Return what would happen to an incident opened on a service at ``at`` if nobody ever reacted, in order of time.

    Each step carries its reason; so does each that does not happen (a level with nobody on call, a low-urgency
    incident, a user without rules).
    """
    service = account.get("services", service_id)
    if service is None:
        return (Step(at, "drop", 0, (), f"there is no service {service_id}"),)
    if service.body.get("status") == "disabled":
        return (Step(at, "drop", 0, (), f"{service.body.get('name')} is disabled"),)
    policy = account.get("escalation_policies", (service.body.get("escalation_policy") or {}).get("id", ""))
    move = None if policy is None else first_level(account, policy, at)
    if policy is None or move is None:
        return (Step(at, "drop", 0, (), "nobody is on call on any level: no alert and no incident"),)
    pressing = service_urgency(service, None, at) if urgency is None else Urgency(urgency)
    steps: list[Step] = []
    moment, loop = at, 0
    while True:
        if move.loop > loop:
            steps.append(Step(moment, "repeat", move.level, (), f"loop {move.loop} of {policy.body.get('num_loops')}"))
            loop = move.loop
        steps += [Step(moment, "skip", level, (), f"nobody is on call on level {level}") for level in move.skipped]
        steps.append(Step(moment, "assign", move.level, move.people, f"on call on level {move.level}"))
        wait = delay(policy, move.level)
        following = next_level(account, policy, move.level, move.loop, moment + wait) if pressing == "high" else None
        for person in move.people:
            steps += _contacts(account, person, pressing, moment, None if following is None else wait, move.level)
        if pressing is Urgency.LOW:
            steps.append(Step(moment, "silent", move.level, (), "a low-urgency incident never escalates by itself"))
            break
        moment += wait
        if following is None:
            steps.append(Step(moment, "exhaust", move.level, (), "end of the last loop: the last people stay assigned"))
            break
        move = following
    return tuple(sorted(steps, key=lambda step: step.at))


def _contacts(account: AnyAccount, person: str, urgency: Urgency, at: int, wait: int | None, level: int) -> list[Step]:
    found = user_rules(account, person, urgency)
    who = name(account, "users", person)
    if not found:
        return [Step(at, "silent", level, (person,), f"{who} has no {urgency}-urgency rules: assigned, not contacted")]
    steps = []
    for after, _, _, method in found:
        channel = CHANNELS[method.body["type"]]
        if wait is not None and after >= wait:
            steps.append(
                Step(at, "silent", level, (person,), f"{who}'s {channel} rule comes after the escalation", channel)
            )
        else:
            steps.append(Step(at + after, "notify", level, (person,), f"{who} by {channel}", channel))
    return steps
