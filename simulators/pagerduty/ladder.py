"""The ladder: who would be assigned and told when if nobody reacted any more, and why somebody is not.

It plays through what :mod:`~simulators.pagerduty.escalation` and :mod:`~simulators.pagerduty.hours` say, with the rules
of the people running as they do in the simulation: from the assignment, on through an escalation to the same person,
and cancelled by one to somebody else. Every step carries its reason, and so does every step that does not happen.
:func:`ladder` begins with a trigger and needs an account only, :func:`outlook` goes on from an incident as it is.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from simulators.engine import instants
from simulators.engine.draft import View
from simulators.engine.instants import DAY, SECOND
from simulators.engine.resources import Document
from simulators.pagerduty import carriers, escalation, hours, notify, oncall
from simulators.pagerduty.account import Account, AnyAccount, SupposedAccount, name
from simulators.pagerduty.carriers import Carrier
from simulators.pagerduty.escalation import Move
from simulators.pagerduty.model import INCIDENTS, OWNER, Incident, Knobs, Status, Urgency


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a ladder: ``kind`` is assign, notify, fail, skip, repeat, exhaust, silent, drop, raise or resolve."""

    at: int
    kind: str
    level: int
    people: tuple[str, ...]
    reason: str
    channel: str = ""


@dataclass(frozen=True, slots=True)
class Conditions:
    """What lies outside the account: how lines behave by number, who said STOP, and the knobs in force."""

    lines: Mapping[str, Carrier] = field(default_factory=dict)
    stopped: tuple[str, ...] = ()
    knobs: Knobs = field(default_factory=Knobs)

    @classmethod
    def of(cls, view: View) -> Conditions:
        """Return the conditions of a world as it is."""
        lines = {line.id: line for line in view.all(carriers.CARRIERS)}
        return cls(lines, tuple(row.id for row in view.all(carriers.OPT_OUTS)), view.knobs(Knobs))


_CALM = Conditions()
#: For how long the turns of schedules are foreseen where nothing else ends the wait.
FOLLOWED = 7 * DAY


@dataclass(slots=True)
class _Running:
    """A rule that waits: when it is due, since when it runs, and the contact method it uses."""

    due: int
    since: int
    channel: str
    method: Document


def ladder(
    account: AnyAccount,
    service_id: str,
    at: int,
    urgency: Urgency | str | None = None,
    conditions: Conditions = _CALM,
) -> tuple[Step, ...]:
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
    climb = _Climb(SupposedAccount(account), service, policy, conditions, pressing)
    timeout = service.body.get("auto_resolve_timeout")
    end = at + int(timeout) * SECOND if timeout else None
    return _until(climb.arrive(move, at), end, f"the service resolves open incidents after {timeout} s")


def outlook(view: View, incident_id: str) -> tuple[Step, ...]:
    """Return what will happen to an incident from now on if nobody reacts, in order of time.

    Raises :class:`~simulators.engine.tables.MissingRow` when there is no such incident.
    """
    row, account = view.need(INCIDENTS, incident_id), Account(view)
    if row.status is Status.RESOLVED:
        into = None if row.merged is None else view.get(INCIDENTS, row.merged)
        by = "by itself" if row.resolved_by is None else name(account, "users", row.resolved_by.id)
        how = f"it was resolved by {by}" if into is None else f"it was merged into #{into.number}"
        return (Step(view.now, "drop", row.level, (), f"{how}: nobody is told any more"),)
    service = account.get("services", row.service) or Document(row.service, "service", {}, 0, 0)
    climb = _Climb(SupposedAccount(account), service, row.policy, Conditions.of(view), row.urgency)
    found = climb.wake(view, row) if row.status is Status.ACKNOWLEDGED else climb.resume(view, row)
    end = view.timer(OWNER, "resolve", row.id)
    why = f"the service resolves open incidents after {service.body.get('auto_resolve_timeout')} s"
    return _until(found, None if end is None else end.due, why)


def _until(found: Iterable[Step], end: int | None, why: str) -> tuple[Step, ...]:
    """Return steps in order of time, cut off where the service resolves the incident."""
    steps = sorted(found, key=lambda step: step.at)
    if end is None:
        return tuple(steps)
    late = sum(step.at >= end for step in steps)
    rest = f"; {late} later steps do not happen" if late else ""
    return (*(step for step in steps if step.at < end), Step(end, "resolve", 0, (), why + rest))


@dataclass(slots=True)
class _Climb:
    """An incident on its way up: the rules that wait, by person and rule, and the bundles that gather, by method."""

    account: SupposedAccount
    service: Document
    policy: Document | None
    conditions: Conditions
    urgency: Urgency
    running: dict[tuple[str, str], _Running] = field(default_factory=dict)
    bundles: dict[str, int] = field(default_factory=dict)
    loop: int = 0

    # -- where it begins -----------------------------------------------------------------------------------------------

    def resume(self, view: View, row: Incident) -> Iterator[Step]:
        """Go on from a triggered incident: its pending rules and its escalation are on the agenda."""
        people = tuple(assignment.user for assignment in row.assignments)
        self.loop = row.loop
        for person in people:
            for _, rule, _, method in escalation.user_rules(self.account, person, row.urgency):
                timer = view.timer(OWNER, notify.RULE, f"{row.id}:{person}:{rule}")
                if timer is not None:
                    channel = escalation.CHANNELS[method.body["type"]]
                    self.running[person, rule] = _Running(timer.due, row.changed, channel, method)
        timer = view.timer(OWNER, "escalate", row.id)
        move = Move(row.level, row.loop, people)
        if row.exhausted or self.policy is None or not row.level:
            yield from self._stay(row, move, view.now)
        else:
            yield from self._wait(move, view.now, None if timer is None else timer.due)

    def wake(self, view: View, row: Incident) -> Iterator[Step]:
        """Go on from an acknowledged incident: it keeps silent until the acknowledgement or the snooze ends."""
        who = ", ".join(name(self.account, "users", entry.agent.id) for entry in row.acknowledgements)
        timer = view.timer(OWNER, "unacknowledge", row.id)
        people = tuple(assignment.user for assignment in row.assignments)
        how = "snoozed" if row.snoozed else f"acknowledged by {who}"
        until = "for ever: it has no timeout" if timer is None else f"until {instants.iso(timer.due)}"
        yield Step(view.now, "silent", row.level, people, f"{how}: no escalation and no notification {until}")
        if timer is None:
            return
        self.loop = row.loop
        follows = self.policy is not None and row.level > 0 and self.conditions.knobs.handoff_moves
        if follows and not escalation.in_turn(self._policy, row.level):
            now = escalation.assignees(self.account, self._policy, row.level, timer.due)
            people += tuple(user for user in now if user not in people)
        move = Move(row.level, row.loop, people)
        over = "the snooze ends" if row.snoozed else "the acknowledgement runs out"
        yield Step(timer.due, "assign", row.level, people, f"{over}: triggered again")
        yield from self._start(move, timer.due)
        if row.exhausted or self.policy is None or not row.level:
            yield from self._stay(row, move, timer.due)
        else:
            yield from self._wait(move, timer.due, self._due(move, timer.due))

    def _stay(self, row: Incident, move: Move, at: int) -> Iterator[Step]:
        """Go on where there is nowhere to go: only what is running still happens."""
        why = "the end of the policy was reached" if row.exhausted else "assigned directly, it follows no policy"
        yield Step(at, "silent", move.level, move.people, f"{why}: it does not escalate")
        yield from self._run(move, at, None, ())

    # -- the way up ----------------------------------------------------------------------------------------------------

    def arrive(self, move: Move, at: int) -> Iterator[Step]:
        """Reach a level, and go on from there."""
        policy = self._policy
        if move.loop > self.loop:
            self.loop = move.loop
            yield Step(at, "repeat", move.level, (), f"loop {move.loop} of {policy.body.get('num_loops')}")
        for level in move.skipped:
            yield Step(at, "skip", level, (), f"nobody is on call on level {level}")
        if move.ring is not None:
            self.account.rings[move.ring.id] = move.ring
        how = "next in turn" if move.ring is not None else "on call"
        yield Step(at, "assign", move.level, move.people, f"{how} on level {move.level}")
        for target in escalation.rules(policy)[move.level - 1].get("targets") or ():
            if not oncall.people(self.account, target, at):
                who = name(self.account, oncall.target_kind(target), target["id"])
                yield Step(at, "skip", move.level, (), f"nobody is on call by {who}")
        yield from self._start(move, at)
        yield from self._wait(move, at, self._due(move, at))

    @property
    def _policy(self) -> Document:
        if self.policy is None:
            raise TypeError("an incident that follows no policy does not climb")
        return self.policy

    def _due(self, move: Move, at: int) -> int | None:
        return None if self.urgency is Urgency.LOW else at + escalation.delay(self._policy, move.level)

    def _wait(self, move: Move, at: int, due: int | None) -> Iterator[Step]:
        """Stay on a level until it escalates at ``due``; of low urgency (``None``) until something raises it."""
        policy = self._policy
        if due is None:
            outside = "" if hours.supported(self.service, at) else " outside of support hours"
            yield Step(at, "silent", move.level, (), f"a low-urgency incident never escalates by itself{outside}")
            change = hours.next_change(self.service, self.urgency, at)
            end = None if change is None else change[0]
            move, at = yield from self._turns(move, at, end)
            yield from self._run(move, at, end, move.people)
            if change is None:
                return
            at, self.urgency = change
            self.running.clear()
            yield Step(at, "raise", move.level, move.people, "a scheduled action of the support hours raises it")
            yield from self._start(move, at)
            due = at + escalation.delay(policy, move.level)
        move, at = yield from self._turns(move, at, due)
        following = escalation.next_level(self.account, policy, move.level, move.loop, due)
        yield from self._run(move, at, None if following is None else due, following.people if following else ())
        if following is not None:
            yield from self.arrive(following, due)
            return
        for level in range(move.level + 1, len(escalation.rules(policy)) + 1):
            yield Step(due, "skip", level, (), f"nobody is on call on level {level}")
        yield Step(due, "exhaust", move.level, (), "end of the last loop: the last people stay assigned")

    def _turns(self, move: Move, at: int, end: int | None) -> Generator[Step, None, tuple[Move, int]]:
        """Let the incident follow the schedules of its level before ``end``, where the knob makes it; return where to.

        What never ends is followed for a week.
        """
        begin = at
        while (turn := self._turn(move, at, begin + FOLLOWED if end is None else end)) is not None:
            people = escalation.assignees(self.account, self._policy, move.level, turn)
            yield from self._run(move, at, turn, people)
            moved = Move(move.level, move.loop, people)
            yield Step(turn, "assign", move.level, people, "the schedule turns: whoever is on call now takes over")
            yield from self._start(moved, turn, stayed=move.people)
            move, at = moved, turn
        return move, at

    def _turn(self, move: Move, at: int, end: int) -> int | None:
        """Return when somebody else than the assigned comes on call before ``end``."""
        if not self.conditions.knobs.handoff_at_turn:
            return None
        turn = escalation.next_turn(self.account, self._policy, move.level, at)
        while turn is not None and turn < end:
            people = escalation.assignees(self.account, self._policy, move.level, turn)
            if people and set(people) != set(move.people):
                return turn
            turn = escalation.next_turn(self.account, self._policy, move.level, turn)
        return None

    # -- rules ---------------------------------------------------------------------------------------------------------

    def _start(self, move: Move, at: int, stayed: tuple[str, ...] = ()) -> Iterator[Step]:
        """Stop the rules of whoever is no longer assigned, and start those of the others who have not ``stayed``."""
        for person, rule in [key for key in self.running if key[0] not in move.people]:
            channel = self.running.pop((person, rule)).channel
            reason = f"{self._name(person)}'s {channel} rule comes after the escalation"
            yield Step(at, "silent", move.level, (person,), reason, channel)
        for person in move.people:
            if person not in stayed:
                yield from self._begin(move, person, at)

    def _begin(self, move: Move, person: str, at: int) -> Iterator[Step]:
        found = escalation.user_rules(self.account, person, self.urgency)
        for after, rule, _, method in found:
            channel = escalation.CHANNELS[method.body["type"]]
            self.running.setdefault((person, rule), _Running(at + after, at, channel, method))
        wanted = [
            rule
            for rule in self.account.children("notification_rules", person)
            if rule.body.get("urgency", "high") == self.urgency
        ]
        missing = len(wanted) - len(found)
        if missing:
            reason = f"{self._name(person)} has {missing} {self.urgency}-urgency rules without a contact method"
            yield Step(at, "silent", move.level, (person,), reason)
        if not wanted:
            what = "no contact method" if not self.account.children("contact_methods", person) else ""
            reason = f"{self._name(person)} has {what or f'no {self.urgency}-urgency rules'}: assigned, not contacted"
            yield Step(at, "silent", move.level, (person,), reason)

    def _run(self, move: Move, since: int, until: int | None, then: tuple[str, ...]) -> Iterator[Step]:
        """Yield what is sent before ``until``, when ``then`` are assigned.

        At that very instant a rule that began with this step comes too late.
        """
        window = self.conditions.knobs.bundle_seconds * SECOND
        for (person, rule), entry in sorted(self.running.items(), key=lambda item: item[1].due):
            if until is not None and not (entry.due < until or (entry.due == until and entry.since < since)):
                continue
            del self.running[person, rule]
            at, who = entry.due + window, self._name(person)
            if window and self.bundles.get(entry.method.id, -1) >= entry.due:
                reason = f"{who}'s {entry.channel} is gathered into the one that waits: a bundle tells of it once"
                yield Step(entry.due, "silent", move.level, (person,), reason, entry.channel)
                continue
            self.bundles[entry.method.id] = at
            if window and until is not None and at >= until and person not in then:
                reason = f"{who}'s {entry.channel} was gathered when the incident moved on"
                yield Step(at, "silent", move.level, (person,), reason, entry.channel)
                continue
            kind, reason = self._carried(entry, f"{who} by {entry.channel}")
            yield Step(at, kind, move.level, (person,), reason, entry.channel)

    def _carried(self, entry: _Running, reason: str) -> tuple[str, str]:
        """Return whether a line takes the message, and what it does to it."""
        number, sms = carriers.address(entry.method), entry.channel == "sms"
        line = self.conditions.lines.get(number, Carrier(number)) if sms or entry.channel == "phone" else Carrier("")
        if sms and number in self.conditions.stopped:
            return "fail", f"{reason}: {number} asked for no more of them"
        if line.blocked:
            return "fail", f"{reason}: {number} is blocked"
        if line.landline and sms:
            return "fail", f"{reason}: {number} is a landline"
        if line.delay:
            reason += f", {line.delay // SECOND} s late"
        return "notify", reason if line.receipts else f"{reason}, and again: the carrier gives no receipt"

    def _name(self, person: str) -> str:
        return name(self.account, "users", person)
