"""An oracle of who is told what when, written from the vendor's documents alone, and plans to try it with.

The oracle knows nothing of agendas, rows or drafts. It walks through time in ticks of five seconds and keeps, of one
incident, its status, its people, and when each rule of each of them is due; whom the rota has on call it reads off the
clock. What people do falls on seconds of its own each and the rota turns between those, so that nothing coincides but
what the documents order: an escalation comes before rules that began with it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from duty_rig import ALICE, BOB, CAROL, START, Duty, user
from hypothesis import strategies as st

from scenarios import accounts
from scenarios.accounts import Human, Reach
from simulators.engine import instants
from simulators.engine.instants import SECOND
from simulators.pagerduty import incidents
from simulators.pagerduty.model import Agent, Urgency

TICK, HORIZON = 5, 150 * 60
IDS = (ALICE.id, BOB.id, CAROL.id)
KINDS = ("email_contact_method", "push_notification_contact_method", "sms_contact_method", "phone_contact_method")
CHANNELS = dict(zip(KINDS, ("email", "push", "sms", "phone"), strict=True))
WHAT = ("acknowledge", "unacknowledge", "resolve", "escalate", "reassign", "lower", "raise", "override")
#: The target that is no person but the rota; its turns begin five seconds off, its overrides last 47 minutes.
ROTA, OFF, OVERRIDE = 3, 5, 47 * 60
FOR = {"both": (True, False), "high": (False,), "low": (True,)}


@dataclass(frozen=True)
class Rota:
    """Who is on call in turn (``turn`` in minutes), and the minutes in which nobody is."""

    order: tuple[int, ...] = (0,)
    turn: int = 60
    gap: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Plan:
    """A policy, the rules of its people (delay in minutes, kind, urgencies) and what people do (second, what, who)."""

    levels: tuple[tuple[int, ...], ...]
    delay: int
    loops: int
    rules: tuple[tuple[tuple[int, str, str], ...], ...]
    timeout: int
    low: bool
    rota: Rota = Rota()
    moves: bool = True
    at_turn: bool = False
    deeds: tuple[tuple[int, str, int], ...] = ()


@dataclass
class Oracle:
    """One incident from its trigger on; ``told`` are (second, person, channel)."""

    plan: Plan
    people: list[int] = field(default_factory=list)
    status: str = "triggered"
    low: bool = False
    level: int | None = None
    exhausted: bool = False
    loop: int = 0
    since: int = 0
    escalates: int | None = None
    runs_out: int | None = None
    due: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)
    overrides: list[tuple[int, int]] = field(default_factory=list)
    told: list[tuple[int, int, str]] = field(default_factory=list)

    def run(self) -> list[tuple[int, int, str]]:
        """Return everything people are told."""
        self.low = self.plan.low
        level = self.manned(0, 0)
        if level is None:
            return []
        self.level = level
        self.assign(0, self.on_call(level, 0))
        deeds = {second: (what, who) for second, what, who in self.plan.deeds}
        for now in range(0, HORIZON, TICK):
            self.tell(now, older=True)
            if self.escalates == now:
                self.escalate(now, by_hand=False)
            if self.runs_out == now:
                self.trigger_again(now)
            self.tell(now, older=False)
            if now in deeds and self.status != "resolved":
                self.do(now, *deeds[now])
                self.tell(now, older=False)
            self.turn(now)
            self.tell(now, older=False)
        return sorted(self.told)

    # -- who is on call ------------------------------------------------------------------------------------------------

    def rota(self, now: int) -> int | None:
        for start, person in reversed(self.overrides):
            if start <= now < start + OVERRIDE:
                return person
        rota = self.plan.rota
        if rota.gap[0] * 60 + OFF <= now < rota.gap[1] * 60 + OFF:
            return None
        return rota.order[(now - OFF) // (rota.turn * 60) % len(rota.order)]

    def on_call(self, level: int, now: int) -> list[int]:
        found = (self.rota(now) if target == ROTA else target for target in self.plan.levels[level])
        return list(dict.fromkeys(person for person in found if person is not None))

    def manned(self, level: int, now: int) -> int | None:
        later = range(level, len(self.plan.levels))
        return next((place for place in later if self.on_call(place, now)), None)

    # -- what happens --------------------------------------------------------------------------------------------------

    def tell(self, now: int, *, older: bool) -> None:
        for (person, rule), (due, began) in list(self.due.items()):
            if due == now and (began < self.since or not older):
                del self.due[person, rule]
                self.told.append((now, person, CHANNELS[self.plan.rules[person][rule][1]]))

    def assign(self, now: int, people: list[int]) -> None:
        """Trigger anew: rules of whoever leaves stop, of whoever comes begin, of whoever stays go on."""
        self.status, self.people, self.since, self.runs_out = "triggered", people, now, None
        self.due = {key: entry for key, entry in self.due.items() if key[0] in people}
        self.begin(now, people)
        goes_on = self.level is not None and not self.exhausted and not self.low
        self.escalates = now + self.plan.delay * 60 if goes_on else None

    def begin(self, now: int, people: list[int]) -> None:
        for person in people:
            for rule, (delay, _, urgencies) in enumerate(self.plan.rules[person]):
                if self.low in FOR[urgencies]:
                    self.due.setdefault((person, rule), (now + delay * 60, now))

    def trigger_again(self, now: int) -> None:
        """At the end of an acknowledgement whoever is on call now is assigned, too."""
        more = self.on_call(self.level, now) if self.level is not None and self.plan.moves else []
        self.assign(now, [*self.people, *(person for person in more if person not in self.people)])

    def turn(self, now: int) -> None:
        """Let the incident follow when other people are on call than five seconds ago."""
        level = self.level
        if not self.plan.at_turn or self.status != "triggered" or level is None or self.exhausted or now == 0:
            return
        people = self.on_call(level, now)
        if people != self.on_call(level, now - TICK) and people and set(people) != set(self.people):
            new = [person for person in people if person not in self.people]
            self.due = {key: entry for key, entry in self.due.items() if key[0] in people}
            self.people = people
            self.begin(now, new)

    def escalate(self, now: int, *, by_hand: bool) -> None:
        assert self.level is not None
        following, loop = self.manned(self.level + 1, now), self.loop
        if following is None and self.loop < self.plan.loops:
            following, loop = self.manned(0, now), self.loop + 1
        if following is not None:
            self.level, self.loop, self.exhausted = following, loop, False
            self.assign(now, self.on_call(following, now))
        elif not by_hand:
            self.exhausted, self.escalates = True, None

    def do(self, now: int, what: str, who: int) -> None:
        if what == "acknowledge":
            if self.status == "triggered":
                self.status, self.due, self.escalates = "acknowledged", {}, None
                self.runs_out = now + self.plan.timeout * 60 if self.plan.timeout else None
            self.people = self.people if who in self.people else [*self.people, who]
        elif what == "unacknowledge" and self.status == "acknowledged":
            self.trigger_again(now)
        elif what == "resolve":
            self.status, self.due, self.escalates, self.runs_out, self.people = "resolved", {}, None, None, []
        elif what == "escalate" and self.level is not None and not self.low:
            self.escalate(now, by_hand=True)
        elif what == "reassign":
            self.level, self.exhausted = None, False
            self.assign(now, [who])
        elif what == "override":
            self.overrides.append((now, who))
        elif what in {"lower", "raise"} and self.low is (what == "raise"):
            self.low = what == "lower"
            if self.status == "triggered":
                self.due = {}
                self.assign(now, self.people)
            elif not self.low:
                self.trigger_again(now)


# -- plans -------------------------------------------------------------------------------------------------------------

_RULES = st.lists(
    st.tuples(st.sampled_from([0, 0, 3, 5, 10, 12, 25]), st.sampled_from(KINDS), st.sampled_from(["both", *FOR])),
    max_size=3,
    unique_by=lambda rule: rule[:2],
).map(tuple)
_LEVEL = st.lists(st.integers(0, ROTA), min_size=1, max_size=2, unique=True).map(tuple)
_GAPS = st.just((0, 0)) | st.tuples(st.integers(0, 100), st.integers(1, 60)).map(lambda gap: (gap[0], sum(gap)))
_ROTAS = st.builds(
    Rota, st.lists(st.integers(0, 2), min_size=1, max_size=3).map(tuple), st.sampled_from([17, 60, 90]), _GAPS
)


@st.composite
def plans(draw: st.DrawFn, *, deeds: int) -> Plan:
    """Return a plan with up to so many deeds."""
    seconds = [draw(st.integers(0, 120)) * 60 + place * 10 for place in range(1, 1 + draw(st.integers(0, deeds)))]
    return Plan(
        tuple(draw(st.lists(_LEVEL, min_size=1, max_size=3))),
        draw(st.sampled_from([5, 10, 20, 30])),
        draw(st.integers(0, 2)),
        tuple(draw(_RULES) for _ in IDS),
        draw(st.sampled_from([0, 15, 30])),
        draw(st.sampled_from([False, False, True])),
        draw(_ROTAS),
        draw(st.booleans()),
        draw(st.booleans()),
        tuple((second, draw(st.sampled_from(WHAT)), draw(st.integers(0, 2))) for second in sorted(set(seconds))),
    )


def account_of(plan: Plan) -> dict[str, Any]:
    """Return the plan's account."""
    humans = [
        Human(
            id, id.lower(), f"{id}@example.com", tuple(Reach(kind, f"555010{place}", after) for after, kind, _ in row)
        )
        for place, (id, row) in enumerate(zip(IDS, plan.rules, strict=True))
    ]
    off = instants.iso(START + OFF * SECOND)
    rota = accounts.layer([IDS[person] for person in plan.rota.order], start="2026-03-01T00:00:00Z")
    layer = rota["schedule_layers"][0]
    layer |= {"rotation_virtual_start": off, "rotation_turn_length_seconds": plan.rota.turn * 60}
    begin, end = (START + minute * 60 * SECOND + OFF * SECOND for minute in plan.rota.gap)
    if begin < end:
        length = 86_400 - (end - begin) // SECOND
        rule = {"type": "daily_restriction", "start_time_of_day": instants.iso(end)[11:19], "duration_seconds": length}
        layer["restrictions"] = [rule]
    reference = {"id": rota["id"], "type": "schedule_reference"}
    levels = [[reference if target == ROTA else user(humans[target]) for target in level] for level in plan.levels]
    made = accounts.account(humans, levels=levels, delay=plan.delay, loops=plan.loops, schedules=(rota,))
    for body, row in zip(made["users"], plan.rules, strict=True):
        held = body["notification_rules"]
        wanted = [urgencies in ("both", urgency) for _, _, urgencies in row for urgency in ("high", "low")]
        body["notification_rules"] = [rule for rule, wants in zip(held, wanted, strict=True) if wants]
    made["services"][0] |= {
        "acknowledgement_timeout": plan.timeout * 60,
        "incident_urgency_rule": {"type": "constant", "urgency": "low" if plan.low else "high"},
    }
    return made


def begun(plan: Plan, **knobs: Any) -> Duty:
    """Return the plan's world, the incident just triggered."""
    duty = Duty(account_of(plan), handoff_moves=plan.moves, handoff_at_turn=plan.at_turn, **knobs)
    duty.send()
    return duty


def carry_out(duty: Duty, second: int, what: str, who: int) -> None:
    """Let time pass to a second after the start, and somebody do something to the incident, if there is one."""
    duty.world.advance_to(START + second * SECOND)
    if not duty.incidents:
        return
    agent, row = Agent("user_reference", IDS[who], "website"), duty.incident
    if what == "override":
        span = {"start": instants.iso(duty.world.now), "end": instants.iso(duty.world.now + OVERRIDE * SECOND)}
        wish = {"overrides": [{**span, "user": {"id": IDS[who], "type": "user_reference"}}]}
        assert duty.rest("POST", f"/schedules/{accounts.SCHEDULE}/overrides", wish).json()[0]["status"] == 201
        duty.world.advance(0)
    elif what == "reassign":
        duty.do(incidents.reassign, row, agent, users=(IDS[who],))
    elif what in {"lower", "raise"}:
        duty.do(incidents.set_urgency, row, agent, Urgency.LOW if what == "lower" else Urgency.HIGH)
    else:
        duty.do(getattr(incidents, what), row, agent)


def told(duty: Duty) -> list[tuple[int, int, str]]:
    """Return who was told when: second, person, channel."""
    return sorted(((row.at - START) // SECOND, IDS.index(row.user), row.channel.value) for row in duty.messages)
