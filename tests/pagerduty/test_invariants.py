"""What must hold of incidents whatever people, events and time do to them, after every single step.

A machine mixes alert events, the verbs behind the REST routes, replies by SMS and keypad, maintenance and the clock.
Time passes one agenda entry after the other, so that every state in between is looked at; who was assigned when is
noted on the side, independently of the log.
"""

from __future__ import annotations

import re
from typing import Any

from duty_rig import ALICE, BOB, CAROL, Duty, user
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from scenarios import accounts
from scenarios.accounts import Human, Reach
from simulators.engine.instants import MINUTE
from simulators.pagerduty import account, amendments, devices, incidents, intake
from simulators.pagerduty.model import (
    ALERTS,
    DOCUMENTS,
    INCIDENTS,
    LOG_ENTRIES,
    MESSAGES,
    Agent,
    Incident,
    LogType,
    Status,
    Urgency,
)

DAVE = Human(
    "PDAVE01",
    "dave",
    "dave@example.com",
    (
        Reach("push_notification_contact_method", "Dave's phone"),
        Reach("email_contact_method", "dave@example.com", 7),
        Reach("sms_contact_method", "5550103", 25),
    ),
)
PEOPLE = (ALICE, BOB, CAROL, DAVE)
RATED_KEY, RATED = "b" * 32, "PSVC002"
KEYS = (accounts.ROUTING_KEY, RATED_KEY)
ORDER = {"info": 0, "warning": 1, "error": 2, "critical": 3}
AGENTS = {human.id: Agent("user_reference", human.id, "website") for human in PEOPLE}
WHO = st.sampled_from(PEOPLE)
PLACE = st.integers(0, 6)
#: Log entry -> the status it leads to; triggers of an alert are told from the opening and reopening ones below.
LEADS = {
    LogType.ACKNOWLEDGE: Status.ACKNOWLEDGED,
    LogType.UNACKNOWLEDGE: Status.TRIGGERED,
    LogType.ESCALATE: Status.TRIGGERED,
    LogType.ASSIGN: Status.TRIGGERED,
    LogType.DELEGATE: Status.TRIGGERED,
    LogType.RESOLVE: Status.RESOLVED,
}
#: Section 4.1 of the lifecycle: what each status may become.
LEGAL = {
    Status.TRIGGERED: {Status.TRIGGERED, Status.ACKNOWLEDGED, Status.RESOLVED},
    Status.ACKNOWLEDGED: {Status.TRIGGERED, Status.ACKNOWLEDGED, Status.RESOLVED},
    Status.RESOLVED: {Status.TRIGGERED},
}


def made() -> dict[str, Any]:
    """Return two services, one of them rated by severity, over a policy with a schedule, a pair and a repeat."""
    rota = accounts.layer([ALICE.id, BOB.id], start="2026-03-02T00:00:00Z", hours=1)
    first = [{"id": rota["id"], "type": "schedule_reference"}]
    levels = (first, [user(CAROL), user(DAVE)], [user(DAVE)])
    whole = accounts.account(PEOPLE, levels=levels, delay=20, loops=1, schedules=(rota,))
    plain = whole["services"][0]
    plain |= {"acknowledgement_timeout": 1800, "auto_resolve_timeout": 6 * 3600}
    integration = {**plain["integrations"][0], "id": "PINT002", "integration_key": RATED_KEY}
    rated = {
        **plain,
        "id": RATED,
        "name": "Rated",
        "acknowledgement_timeout": None,
        "auto_resolve_timeout": None,
        "incident_urgency_rule": {"type": "constant", "urgency": "severity_based"},
        "integrations": [{**integration, "service": {"id": RATED, "type": "service_reference"}}],
    }
    whole["services"].append(rated)
    return whole


class Incidents(RuleBasedStateMachine):
    """Events, verbs, replies and the clock."""

    @initialize()
    def begin(self) -> None:
        self.duty = Duty(made())
        self.world = self.duty.world
        #: (incident, user) -> spans of assignment, the last one open (its end is ``None``).
        self.spans: dict[tuple[str, str], list[tuple[int, int | None]]] = {}
        self.changed: dict[str, int] = {}
        self.severities: dict[str, int] = {}
        #: Incidents that were reopened, merged away or had alerts moved out: the exclusions of one sentence.
        self.apart: set[str] = set()
        self.lowered: set[str] = set()
        self.looked = 0

    # -- what happens --------------------------------------------------------------------------------------------------

    @rule(
        action=st.sampled_from(["trigger", "trigger", "trigger", "acknowledge", "resolve"]),
        name=st.sampled_from("ab"),
        place=st.integers(0, 1),
        severity=st.sampled_from(list(ORDER)),
    )
    def event(self, action: str, name: str, place: int, severity: str) -> None:
        """An alert event of one of four alerts arrives."""
        sent: dict[str, Any] = {"routing_key": KEYS[place], "event_action": action, "dedup_key": name}
        sent |= {"payload": {"summary": "down", "source": "web", "severity": severity}}
        answer = self.duty.do(intake.accept_event, sent)
        assert answer[0] == 202
        self.look()

    @rule(steps=st.sampled_from([1, 3, 5, 7, 20, 31, 70, 400]))
    def time(self, steps: int) -> None:
        """So many minutes pass, one entry of the agenda after the other."""
        goal = self.world.now + steps * MINUTE
        while (due := self.world.next_due()) is not None and due <= goal:
            self.world.run_next()
            self.look()
        self.world.advance_to(goal)

    def pick(self, place: int) -> Incident | None:
        """Return one of the newest incidents, if there is any."""
        rows = self.duty.incidents
        return rows[-1 - place % len(rows)] if rows else None

    def verb(self, place: int, apply: Any, *args: Any, **kwargs: Any) -> None:
        """Do something to one of the newest incidents as a request would."""
        row = self.pick(place)
        if row is not None:
            self.duty.do(apply, row, *args, **kwargs)
            self.look()

    @rule(place=PLACE, who=WHO)
    def acknowledge(self, place: int, who: Human) -> None:
        """Somebody acknowledges."""
        self.verb(place, incidents.acknowledge, AGENTS[who.id])

    @rule(place=PLACE, who=WHO)
    def unacknowledge(self, place: int, who: Human) -> None:
        """Somebody takes it back."""
        self.verb(place, incidents.unacknowledge, AGENTS[who.id])

    @rule(place=PLACE, who=WHO)
    def resolve(self, place: int, who: Human) -> None:
        """Somebody resolves."""
        self.verb(place, incidents.resolve, AGENTS[who.id])

    @rule(place=PLACE, who=WHO, level=st.none() | st.integers(1, 3))
    def escalate(self, place: int, who: Human, level: int | None) -> None:
        """Somebody escalates, to a level or to the next."""
        self.verb(place, incidents.escalate, AGENTS[who.id], level)

    @rule(place=PLACE, who=WHO, to=st.lists(WHO, min_size=1, max_size=2, unique=True))
    def reassign(self, place: int, who: Human, to: list[Human]) -> None:
        """Somebody gives it to people."""
        self.verb(place, incidents.reassign, AGENTS[who.id], users=tuple(human.id for human in to))

    @rule(place=PLACE, who=WHO)
    def delegate(self, place: int, who: Human) -> None:
        """Somebody gives it to the policy again."""
        policy = self.world.view.need(DOCUMENTS["escalation_policies"], accounts.POLICY)
        self.verb(place, incidents.reassign, AGENTS[who.id], policy=policy)

    @rule(place=PLACE, who=WHO, minutes=st.sampled_from([1, 15, 480]))
    def snooze(self, place: int, who: Human, minutes: int) -> None:
        """Somebody snoozes."""
        self.verb(place, incidents.snooze, AGENTS[who.id], minutes * 60)

    @rule(place=PLACE, who=WHO, urgency=st.sampled_from(list(Urgency)))
    def urgency(self, place: int, who: Human, urgency: Urgency) -> None:
        """Somebody changes the urgency."""
        row = self.pick(place)
        if row is not None:
            self.lowered.add(row.id)
            self.verb(place, incidents.set_urgency, AGENTS[who.id], urgency)

    @rule(place=PLACE, who=WHO)
    def reopen(self, place: int, who: Human) -> None:
        """Somebody opens a resolved incident again, by its policy."""
        policy = self.world.view.need(DOCUMENTS["escalation_policies"], accounts.POLICY)
        row = self.pick(place)
        if row is not None and row.status is Status.RESOLVED:
            self.apart.add(row.id)
            self.verb(place, amendments.reopen, AGENTS[who.id], policy=policy)

    @rule(who=WHO, count=st.integers(1, 2))
    def merge(self, who: Human, count: int) -> None:
        """The newest open incidents are merged."""
        open_ones = [row for row in self.duty.incidents if row.status is not Status.RESOLVED]
        if len(open_ones) <= count:
            return
        target, *sources = open_ones[-1 - count :]
        before = sum(row.triggered + row.closed for row in self.duty.incidents)
        self.duty.do(amendments.merge, target, sources, AGENTS[who.id])
        assert sum(row.triggered + row.closed for row in self.duty.incidents) == before
        for source in sources:
            row = self.world.view.need(INCIDENTS, source.id)
            assert (row.status, row.merged) == (Status.RESOLVED, target.id)
            self.apart.add(row.id)
        self.look()

    @rule(place=PLACE, who=WHO)
    def move(self, place: int, who: Human) -> None:
        """An alert moves to the newest open incident."""
        alerts, open_ones = self.duty.alerts, [row for row in self.duty.incidents if row.status is not Status.RESOLVED]
        if not alerts or not open_ones:
            return
        alert = alerts[-1 - place % len(alerts)]
        if alert.incident is not None:
            self.apart |= {alert.incident, open_ones[-1].id}
        self.duty.do(amendments.move_alert, alert, open_ones[-1], AGENTS[who.id])
        self.look()

    @rule(who=WHO, lead=st.sampled_from(["", "1", "2"]), digit=st.sampled_from("4680"))
    def sms(self, who: Human, lead: str, digit: str) -> None:
        """Somebody answers an SMS; what is outdated or nonsense changes nothing."""
        before = (self.duty.incidents, self.duty.alerts, self.world.view.count(LOG_ENTRIES))
        reply = self.duty.do(devices.reply_sms, who.id, lead + digit)
        if reply.outcome != devices.DONE:
            assert (self.duty.incidents, self.duty.alerts, self.world.view.count(LOG_ENTRIES)) == before
        self.look()

    @rule(place=PLACE, key=st.sampled_from("4680*5"))
    @precondition(lambda self: self.world.view.count(MESSAGES) > 0)
    def key(self, place: int, key: str) -> None:
        """Somebody picks up one of the newest calls, maybe long ago answered, and presses a key."""
        calls = [row for row in self.duty.messages if row.call]
        if calls:
            call = calls[-1 - place % len(calls)]
            self.duty.do(devices.answer, call.id)
            before = self.duty.incidents
            reply = self.duty.do(devices.press, call.id, key)
            if reply.outcome != devices.DONE or key in "0*":
                assert self.duty.incidents == before
            self.look()

    @rule(place=st.integers(0, 1), minutes=st.integers(1, 30), action=st.sampled_from(["trigger", "resolve"]))
    def maintain(self, place: int, minutes: int, action: str) -> None:
        """An event during maintenance is accepted and changes nothing; the window ends at once."""
        service = (accounts.SERVICE, RATED)[place]
        window = {
            "id": "PMW0001",
            "start_time": "2026-01-01T00:00:00Z",
            "end_time": "2027-01-01T00:00:00Z",
            "services": [{"id": service}],
        }
        self.duty.do(account.put, "maintenance_windows", window)
        before = (self.duty.incidents, self.duty.alerts, self.world.view.count(LOG_ENTRIES), self.duty.messages)
        sent: dict[str, Any] = {"routing_key": KEYS[place], "event_action": action, "dedup_key": f"m{minutes}"}
        sent |= {"payload": {"summary": "down", "source": "web", "severity": "info"}}
        assert self.duty.do(intake.accept_event, sent)[0] == 202
        after = (self.duty.incidents, self.duty.alerts, self.world.view.count(LOG_ENTRIES), self.duty.messages)
        assert after == before
        self.duty.do(account.put, "maintenance_windows", window | {"end_time": "2026-01-02T00:00:00Z"})

    # -- what is noted on the side -------------------------------------------------------------------------------------

    def look(self) -> None:
        """Note who is assigned now, and check every message that was sent since the last look."""
        now = self.world.now
        for row in self.duty.incidents:
            assigned = {assignment.user for assignment in row.assignments}
            for human in PEOPLE:
                spans = self.spans.setdefault((row.id, human.id), [])
                running = bool(spans) and spans[-1][1] is None
                if human.id in assigned and not running:
                    spans.append((now, None))
                elif human.id not in assigned and running:
                    spans[-1] = (spans[-1][0], now)
        for entry in list(self.world.journal)[self.looked :]:
            if entry.kind == "notification.sent":
                self.was_due(entry.subject, entry.data["user"], entry.at, entry.data["delay"] * MINUTE)
        self.looked = len(list(self.world.journal))
        self.holds()

    def was_due(self, incident: str, who: str, at: int, delay: int) -> None:
        """A person is told only when assigned at the beginning of the delay and still assigned at its end."""
        spans = self.spans[incident, who]
        assert any(start <= at - delay and (end is None or at <= end) for start, end in spans), (who, at, delay, spans)

    # -- what must hold ------------------------------------------------------------------------------------------------

    @invariant()
    def agree(self) -> None:
        """Everything below, also when nothing has happened yet."""
        if hasattr(self, "duty"):
            self.holds()
            self.logs_follow_the_lifecycle()

    def holds(self) -> None:
        """Rows, counts and timers fit each other."""
        view, now = self.world.view, self.world.now
        alerts = self.duty.alerts
        open_keys = [(row.integration, row.key) for row in alerts if row.status is Status.TRIGGERED]
        assert len(open_keys) == len(set(open_keys))
        rows = self.duty.incidents
        assert [row.number for row in rows] == list(range(1, len(rows) + 1))
        assert len({row.id for row in rows}) == len(rows)
        for row in rows:
            assert re.fullmatch(r"[A-Z0-9]{7,26}", row.id)
            self.counts(row)
            self.actions(row, dict(incidents.pending_actions(view, row)), now)
            assert (row.resolved is not None) is (row.status is Status.RESOLVED)
            assert bool(row.acknowledgements) is (row.status is Status.ACKNOWLEDGED)
            assert bool(row.assignments) is (row.status is not Status.RESOLVED)
            assert self.changed.get(row.id, 0) <= row.changed <= now
            self.changed[row.id] = row.changed
        for alert in alerts:
            assert self.severities.get(alert.id, 0) <= ORDER[alert.severity]
            self.severities[alert.id] = ORDER[alert.severity]

    def counts(self, row: Incident) -> None:
        """The counts are those of the rows; resolved exactly with the last alert, unless handled by hand."""
        alerts = self.world.view.find(ALERTS, "incident", row.id)
        still = sum(alert.status is Status.TRIGGERED for alert in alerts)
        assert (row.triggered, row.closed) == (still, len(alerts) - still)
        if alerts and row.id not in self.apart:
            assert (row.status is Status.RESOLVED) is (still == 0)
        urgent = any(ORDER[alert.severity] >= ORDER["error"] for alert in alerts if alert.status is Status.TRIGGERED)
        if urgent and row.service == RATED and row.id not in self.lowered | self.apart:
            assert row.urgency is Urgency.HIGH

    def actions(self, row: Incident, due: dict[str, int], now: int) -> None:
        """What is pending fits the state, and lies ahead."""
        assert all(at >= now for at in due.values())
        if row.status is Status.RESOLVED:
            assert due == {}
        follows = row.policy is not None and row.level > 0 and not row.exhausted
        waits = row.status is Status.TRIGGERED and row.urgency is Urgency.HIGH and follows
        assert ("escalate" in due) is waits
        timeout = self.world.view.need(DOCUMENTS["services"], row.service).body["acknowledgement_timeout"]
        acknowledged = row.status is Status.ACKNOWLEDGED
        assert ("unacknowledge" in due) is (acknowledged and bool(timeout or row.snoozed))

    def logs_follow_the_lifecycle(self) -> None:
        """Only legal steps; no notice while quiet; bounded escalations; low urgency never escalates."""
        for row in self.duty.incidents:
            status, urgency, passes = Status.TRIGGERED, None, 0
            entries = self.world.view.find(LOG_ENTRIES, "incident", row.id)
            for place, entry in enumerate(entries):
                following = LEADS.get(entry.type)
                if entry.type is LogType.NOTIFY:
                    assert status is Status.TRIGGERED
                elif entry.type is LogType.TRIGGER and place and entry.alert is None:
                    following, passes = Status.TRIGGERED, 0
                    assert status is Status.RESOLVED
                elif entry.type is LogType.URGENCY:
                    urgency = (entry.data or {})["urgency"]
                    status = status if urgency == "low" or status is Status.RESOLVED else Status.TRIGGERED
                elif entry.type is LogType.ESCALATE:
                    assert urgency != "low"
                if entry.type in {LogType.DELEGATE, LogType.ASSIGN, LogType.UNACKNOWLEDGE, LogType.ACKNOWLEDGE}:
                    passes = 0
                elif entry.type is LogType.ESCALATE:
                    by_itself = entry.agent.channel == "timeout"
                    passes = passes + (0 if entries[place - 1].type is LogType.ESCALATE else 1) if by_itself else 0
                    assert passes <= 2 * 3 - 1
                if following is not None:
                    assert following in LEGAL[status], (status, entry)
                    status = following
            assert status is row.status


Incidents.TestCase.settings = settings(
    max_examples=12, stateful_step_count=25, deadline=None, database=None, derandomize=True
)
TestIncidentsStaySound: Any = Incidents.TestCase

_EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["trigger", "acknowledge", "resolve"]), st.sampled_from("abc"), st.sampled_from([0, 1, 9])
    ),
    max_size=8,
)


def _outcome(events: list[tuple[str, str, int]]) -> list[Any]:
    """Return what every alert and incident came to after these events, each after so many minutes."""
    duty = Duty(made())
    for action, name, minutes in events:
        duty.world.advance_to(duty.world.now + minutes * MINUTE)
        duty.send(action, name)
    alerts = [(row.key, row.status, row.triggers, row.resolved) for row in duty.alerts]
    return [alerts, [(row.number, row.status, row.acknowledgements, row.resolved) for row in duty.incidents]]


@settings(max_examples=10, deadline=None, database=None, derandomize=True)
@given(events=_EVENTS)
def test_acknowledge_and_resolve_events_may_arrive_twice(events: list[tuple[str, str, int]]) -> None:
    """Whatever the sequence, doubling them changes nothing in the end."""
    doubled = [again for event in events for again in ((event,) if event[0] == "trigger" else (event, (*event[:2], 0)))]
    assert _outcome(doubled) == _outcome(events)
