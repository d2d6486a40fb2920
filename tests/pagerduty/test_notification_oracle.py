"""Who is told what when, against an oracle written from the vendor's documents alone.

The oracle knows nothing of agendas, rows or drafts. It walks through time in ticks of ten seconds and keeps, of one
incident, its status, its people, and when each rule of each of them is due. What people do falls on seconds of its own
each, so that nothing coincides but what the documents order: an escalation comes before rules that began with it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from duty_rig import ALICE, BOB, CAROL, START, Duty, user
from hypothesis import given, settings
from hypothesis import strategies as st

from scenarios import accounts
from scenarios.accounts import Human, Reach
from simulators.engine.instants import MINUTE, SECOND
from simulators.pagerduty import account, incidents, ladder
from simulators.pagerduty.model import Agent, Urgency

TICK, HORIZON = 10, 150 * 60
IDS = (ALICE.id, BOB.id, CAROL.id)
KINDS = ("email_contact_method", "push_notification_contact_method", "sms_contact_method", "phone_contact_method")
CHANNELS = dict(zip(KINDS, ("email", "push", "sms", "phone"), strict=True))
WHAT = ("acknowledge", "unacknowledge", "resolve", "escalate", "reassign", "lower", "raise")


@dataclass(frozen=True)
class Plan:
    """A policy, the rules of its people (delay in minutes, kind) and what people do (second, what, who)."""

    levels: tuple[tuple[int, ...], ...]
    delay: int
    loops: int
    rules: tuple[tuple[tuple[int, str], ...], ...]
    timeout: int
    low: bool
    deeds: tuple[tuple[int, str, int], ...] = ()


@dataclass
class Oracle:
    """One incident from its trigger on; ``told`` are (second, person, channel)."""

    plan: Plan
    people: list[int] = field(default_factory=list)
    status: str = "triggered"
    low: bool = False
    level: int | None = 0
    loop: int = 0
    since: int = 0
    escalates: int | None = None
    runs_out: int | None = None
    due: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)
    told: list[tuple[int, int, str]] = field(default_factory=list)

    def run(self) -> list[tuple[int, int, str]]:
        """Return everything people are told."""
        self.low = self.plan.low
        self.assign(0, list(self.plan.levels[0]))
        deeds = {second: (what, who) for second, what, who in self.plan.deeds}
        for now in range(0, HORIZON, TICK):
            self.tell(now, older=True)
            if self.escalates == now:
                self.escalate(now)
            if self.runs_out == now:
                self.assign(now, self.people)
            self.tell(now, older=False)
            if now in deeds and self.status != "resolved":
                self.do(now, *deeds[now])
                self.tell(now, older=False)
        return sorted(self.told)

    def tell(self, now: int, *, older: bool) -> None:
        for (person, rule), (due, began) in list(self.due.items()):
            if due == now and (began < self.since or not older):
                del self.due[person, rule]
                self.told.append((now, person, CHANNELS[self.plan.rules[person][rule][1]]))

    def assign(self, now: int, people: list[int]) -> None:
        """Trigger anew: rules of whoever leaves stop, of whoever comes begin, of whoever stays go on."""
        self.status, self.people, self.since, self.runs_out = "triggered", people, now, None
        self.due = {key: entry for key, entry in self.due.items() if key[0] in people}
        for person in people:
            for rule, (delay, _) in enumerate(self.plan.rules[person]):
                self.due.setdefault((person, rule), (now + delay * 60, now))
        self.wait(now)

    def wait(self, now: int) -> None:
        goes_on = self.level is not None and not self.low
        self.escalates = now + self.plan.delay * 60 if goes_on else None

    def escalate(self, now: int) -> None:
        assert self.level is not None
        if self.level + 1 == len(self.plan.levels) and self.loop == self.plan.loops:
            self.level, self.escalates = None, None
            return
        self.loop += self.level + 1 == len(self.plan.levels)
        self.level = (self.level + 1) % len(self.plan.levels)
        self.assign(now, list(self.plan.levels[self.level]))

    def do(self, now: int, what: str, who: int) -> None:
        if what == "acknowledge":
            if self.status == "triggered":
                self.status, self.due, self.escalates = "acknowledged", {}, None
                self.runs_out = now + self.plan.timeout * 60 if self.plan.timeout else None
            self.people = self.people if who in self.people else [*self.people, who]
        elif what == "unacknowledge" and self.status == "acknowledged":
            self.assign(now, self.people)
        elif what == "resolve":
            self.status, self.due, self.escalates, self.runs_out, self.people = "resolved", {}, None, None, []
        elif what == "escalate" and self.level is not None and not self.low:
            last = self.level + 1 == len(self.plan.levels) and self.loop == self.plan.loops
            if not last:
                self.escalate(now)
        elif what == "reassign":
            self.level = None
            self.assign(now, [who])
        elif what in {"lower", "raise"} and self.low is (what == "raise"):
            self.low = what == "lower"
            if self.status == "triggered":
                self.due = {}
                self.assign(now, self.people)
            elif not self.low:
                self.assign(now, self.people)


_RULES = st.lists(
    st.tuples(st.sampled_from([0, 0, 3, 5, 10, 12, 25]), st.sampled_from(KINDS)),
    max_size=3,
    unique_by=lambda rule: rule,
).map(tuple)
_LEVEL = st.lists(st.integers(0, 2), min_size=1, max_size=2, unique=True).map(tuple)


@st.composite
def _plans(draw: st.DrawFn, *, deeds: int) -> Plan:
    seconds = [draw(st.integers(0, 120)) * 60 + place * TICK for place in range(1, 1 + draw(st.integers(0, deeds)))]
    return Plan(
        tuple(draw(st.lists(_LEVEL, min_size=1, max_size=3))),
        draw(st.sampled_from([5, 10, 20, 30])),
        draw(st.integers(0, 2)),
        tuple(draw(_RULES) for _ in IDS),
        draw(st.sampled_from([0, 15, 30])),
        draw(st.sampled_from([False, False, True])),
        tuple((second, draw(st.sampled_from(WHAT)), draw(st.integers(0, 2))) for second in sorted(set(seconds))),
    )


def _account(plan: Plan) -> dict[str, Any]:
    humans = [
        Human(id, id.lower(), f"{id}@example.com", tuple(Reach(kind, f"555010{place}", delay) for delay, kind in rules))
        for place, (id, rules) in enumerate(zip(IDS, plan.rules, strict=True))
    ]
    levels = [[user(humans[person]) for person in level] for level in plan.levels]
    made = accounts.account(humans, levels=levels, delay=plan.delay, loops=plan.loops)
    made["services"][0] |= {
        "acknowledgement_timeout": plan.timeout * 60,
        "incident_urgency_rule": {"type": "constant", "urgency": "low" if plan.low else "high"},
    }
    return made


def _do(duty: Duty, what: str, who: str) -> None:
    agent, row = Agent("user_reference", who, "website"), duty.incident
    if what == "reassign":
        duty.do(incidents.reassign, row, agent, users=(who,))
    elif what in {"lower", "raise"}:
        duty.do(incidents.set_urgency, row, agent, Urgency.LOW if what == "lower" else Urgency.HIGH)
    else:
        duty.do(getattr(incidents, what), row, agent)


@settings(max_examples=60, deadline=None, database=None, derandomize=True)
@given(plan=_plans(deeds=5))
def test_people_are_told_what_the_oracle_says(plan: Plan) -> None:
    """Every message of an incident: when, to whom, on which channel, and none besides."""
    duty = Duty(_account(plan))
    duty.send()
    for second, what, who in plan.deeds:
        duty.world.advance_to(START + second * SECOND)
        _do(duty, what, IDS[who])
    duty.world.advance_to(START + HORIZON * SECOND - 1)
    told = [((row.at - START) // SECOND, IDS.index(row.user), row.channel.value) for row in duty.messages]
    assert sorted(told) == Oracle(plan).run()


@settings(max_examples=40, deadline=None, database=None, derandomize=True)
@given(plan=_plans(deeds=0))
def test_the_ladder_foretells_what_happens_when_nobody_reacts(plan: Plan) -> None:
    """Its assignments and notices are those of the simulation, in minutes and people."""
    made = _account(plan)
    steps = ladder.ladder(account.Account.from_json(made), accounts.SERVICE, START)
    duty = Duty(made)
    duty.send()
    duty.until(12 * 60)
    foretold = [(step.at, step.people[0], step.channel) for step in steps if step.kind == "notify"]
    assert sorted(foretold) == sorted((row.at, row.user, row.channel.value) for row in duty.messages)
    moves = [((step.at - START) // MINUTE, step.level, step.people) for step in steps if step.kind == "assign"]
    happened = [
        (entry.at, entry.data["level"], tuple(entry.data["people"]))
        for entry in duty.world.journal
        if entry.kind in {"incident.triggered", "incident.escalated"}
    ]
    assert moves == [((at - START) // MINUTE, level, people) for at, level, people in happened]
