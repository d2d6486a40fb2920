"""The ladder: who would be assigned and told when if nobody ever reacted, and why somebody is not.

It plays through what :mod:`~simulators.pagerduty.escalation` and :mod:`~simulators.pagerduty.hours` say, with the rules
of the people running as they do in the simulation: from the assignment, on through an escalation to the same person,
and cancelled by one to somebody else. Every step carries its reason, and so does every step that does not happen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from simulators.engine.instants import SECOND
from simulators.engine.resources import Document
from simulators.pagerduty import escalation, hours, oncall
from simulators.pagerduty.account import AnyAccount, name
from simulators.pagerduty.escalation import Move
from simulators.pagerduty.model import Urgency


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a ladder: ``kind`` is assign, notify, skip, repeat, exhaust, silent, drop, raise or resolve."""

    at: int
    kind: str
    level: int
    people: tuple[str, ...]
    reason: str
    channel: str = ""


@dataclass(frozen=True, slots=True)
class _Running:
    due: int
    since: int
    channel: str


def ladder(account: AnyAccount, service_id: str, at: int, urgency: Urgency | str | None = None) -> tuple[Step, ...]:
    """Return what would happen to an incident opened on a service at ``at``, in order of time.

    ``urgency`` defaults to what the service's rule gives an alert without severity.
    """
    service = account.get("services", service_id)
    if service is None:
        return (Step(at, "drop", 0, (), f"there is no service {service_id}"),)
    title = service.body.get("name")
    if service.body.get("status") == "disabled":
        return (Step(at, "drop", 0, (), f"{title} is disabled: events are accepted and dropped"),)
    if hours.in_maintenance(account, service_id, at):
        return (Step(at, "drop", 0, (), f"{title} is in maintenance: events are accepted and dropped"),)
    policy = account.get("escalation_policies", (service.body.get("escalation_policy") or {}).get("id", ""))
    move = None if policy is None else escalation.first_level(account, policy, at)
    if policy is None or move is None:
        return (Step(at, "drop", 0, (), "nobody is on call on any level: no alert and no incident"),)
    pressing = escalation.service_urgency(service, None, at) if urgency is None else Urgency(urgency)
    steps = sorted(_climb(account, service, policy, move, at, pressing), key=lambda step: step.at)
    timeout = service.body.get("auto_resolve_timeout")
    if timeout:
        end = at + int(timeout) * SECOND
        late = [step for step in steps if step.at >= end]
        steps = [step for step in steps if step.at < end]
        rest = f"; {len(late)} later steps do not happen" if late else ""
        steps.append(Step(end, "resolve", 0, (), f"the service resolves open incidents after {timeout} s{rest}"))
    return tuple(steps)


def _climb(
    account: AnyAccount, service: Document, policy: Document, move: Move, at: int, urgency: Urgency
) -> Iterator[Step]:
    running: dict[tuple[str, str], _Running] = {}
    moment, loop = at, 0
    while True:
        if move.loop > loop:
            loop = move.loop
            yield Step(moment, "repeat", move.level, (), f"loop {loop} of {policy.body.get('num_loops')}")
        for level in move.skipped:
            yield Step(moment, "skip", level, (), f"nobody is on call on level {level}")
        how = "next in turn" if move.ring is not None else "on call"
        yield Step(moment, "assign", move.level, move.people, f"{how} on level {move.level}")
        yield from _absent(account, policy, move, moment)
        yield from _drop_rules(account, running, move, moment)
        yield from _start_rules(account, running, move, moment, urgency)
        if urgency is Urgency.LOW:
            yield Step(moment, "silent", move.level, (), "a low-urgency incident never escalates by itself")
            change = hours.next_change(service, urgency, moment)
            yield from _run_rules(account, running, move.level, moment, None if change is None else change[0])
            if change is None:
                return
            moment, urgency = change
            running.clear()
            yield Step(moment, "raise", move.level, move.people, "a scheduled action of the support hours raises it")
            yield from _start_rules(account, running, move, moment, urgency)
        wait = escalation.delay(policy, move.level)
        following = escalation.next_level(account, policy, move.level, move.loop, moment + wait)
        yield from _run_rules(account, running, move.level, moment, None if following is None else moment + wait)
        moment += wait
        if following is None:
            for level in range(move.level + 1, len(escalation.rules(policy)) + 1):
                yield Step(moment, "skip", level, (), f"nobody is on call on level {level}")
            yield Step(moment, "exhaust", move.level, (), "end of the last loop: the last people stay assigned")
            return
        move = following


def _absent(account: AnyAccount, policy: Document, move: Move, at: int) -> Iterator[Step]:
    """Yield the schedules of a level that nobody is on call by, although the level has somebody."""
    for target in escalation.rules(policy)[move.level - 1].get("targets") or ():
        if not oncall.people(account, target, at):
            kind = oncall.target_kind(target)
            yield Step(at, "skip", move.level, (), f"nobody is on call by {name(account, kind, target['id'])}")


def _drop_rules(account: AnyAccount, running: dict[tuple[str, str], _Running], move: Move, at: int) -> Iterator[Step]:
    for person, rule in [key for key in running if key[0] not in move.people]:
        channel = running.pop((person, rule)).channel
        reason = f"{name(account, 'users', person)}'s {channel} rule comes after the escalation"
        yield Step(at, "silent", move.level, (person,), reason, channel)


def _start_rules(
    account: AnyAccount, running: dict[tuple[str, str], _Running], move: Move, at: int, urgency: Urgency
) -> Iterator[Step]:
    for person in move.people:
        found = escalation.user_rules(account, person, urgency)
        for after, rule, _, method in found:
            channel = escalation.CHANNELS[method.body["type"]]
            running.setdefault((person, rule), _Running(at + after, at, channel))
        if not found:
            reason = f"{name(account, 'users', person)} has no {urgency}-urgency rules: assigned, not contacted"
            yield Step(at, "silent", move.level, (person,), reason)


def _run_rules(
    account: AnyAccount, running: dict[tuple[str, str], _Running], level: int, since: int, until: int | None
) -> Iterator[Step]:
    """Yield what is sent before ``until``; at that very instant a rule that began with this step comes too late."""
    for (person, rule), entry in list(running.items()):
        if until is None or entry.due < until or (entry.due == until and entry.since < since):
            del running[person, rule]
            reason = f"{name(account, 'users', person)} by {entry.channel}"
            yield Step(entry.due, "notify", level, (person,), reason, entry.channel)
