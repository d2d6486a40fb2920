"""Phones under any sequence of events: replies, keywords, calls, bad lines, edits and time, against a small model.

The model knows which numbers said STOP, what each line was like when a message was sent, and what an incident was like
before a reply. What must hold is the reference's: keys and codes act on what is live and on nothing else, what failed
reached nobody, every view of a notification tells the same status.
"""

from __future__ import annotations

from typing import Any

from duty_rig import ACTING, Duty, user
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from scenarios import accounts
from scenarios.accounts import Human, Reach
from simulators.engine import instants
from simulators.pagerduty import calls, carriers, devices, incidents
from simulators.pagerduty.api.call import Links
from simulators.pagerduty.api.incident_shapes import log_entry, notification
from simulators.pagerduty.api.lens import Lens
from simulators.pagerduty.calls import CALLS, CallEvent
from simulators.pagerduty.carriers import OPT_OUTS, Carrier
from simulators.pagerduty.model import LOG_ENTRIES, MESSAGES, CallState, Channel, Incident, LogType, Message, Status

EXPLORING = settings.get_current_profile_name() == "explore"
PEOPLE = (
    Human("PGUS101", "gus", "g@example.com", (Reach("sms_contact_method", "1"), Reach("phone_contact_method", "2"))),
    Human("PHAL202", "hal", "h@example.com", (Reach("phone_contact_method", "3"), Reach("sms_contact_method", "4"))),
)
NUMBERS = ("+1 1", "+1 2", "+1 3", "+1 4")
PERSON, NUMBER = st.sampled_from([one.id for one in PEOPLE]), st.sampled_from(NUMBERS)
LINKS = Links("https://api.pagerduty.com", "https://example.pagerduty.com")
_ENDED = (CallState.BUSY, CallState.NO_ANSWER, CallState.ENDED)


class Phones(RuleBasedStateMachine):
    """Two people, each on a level, with a phone for SMS and one for calls."""

    def __init__(self) -> None:
        super().__init__()
        levels = [[user(one)] for one in PEOPLE]
        self.duty = Duty(accounts.account(PEOPLE, levels=levels, delay=5, loops=2), ring_seconds=40)
        self.stopped: dict[str, bool] = {}
        self.lines: dict[str, Carrier] = {}
        self.judged = 0
        self.calls: dict[str, CallState] = {}

    # -- what happens --------------------------------------------------------------------------------------------------

    @rule(key=st.sampled_from("abc"), action=st.sampled_from(["trigger", "trigger", "trigger", "resolve"]))
    def event(self, key: str, action: str) -> None:
        self.duty.send(action, key=key)
        self.judge()

    @rule(person=PERSON, number=st.integers(0, 9))
    @precondition(lambda self: self.duty.incidents)
    def reassign(self, person: str, number: int) -> None:
        row = self.duty.incidents[number % len(self.duty.incidents)]
        self.duty.do(incidents.reassign, row, ACTING, users=(person,))
        self.duty.world.advance(0)
        self.judge()

    @rule(span=st.sampled_from(["1s", "25s", "1m", "6m"]))
    def time(self, span: str) -> None:
        self.duty.world.advance(span)
        self.judge()

    @rule(number=NUMBER, faults=st.fixed_dictionaries({}, optional={
        "delay": st.sampled_from([0, 90 * instants.SECOND]), "receipts": st.booleans(), "landline": st.booleans(),
        "blocked": st.booleans(), "busy": st.booleans(), "mailbox": st.booleans(), "repeats": st.booleans(),
    }))  # fmt: skip
    def line(self, number: str, faults: dict[str, Any]) -> None:
        self.lines[number] = Carrier(number, **faults)
        self.duty.do(carriers.change, self.lines[number])

    @rule(person=PERSON, word=st.sampled_from(["STOP", "start", "Yes", "help"]), number=st.sampled_from(["", *NUMBERS]))
    def keyword(self, person: str, word: str, number: str) -> None:
        before = self.duty.incidents
        self.duty.do(devices.reply_sms, person, word, number)
        meant, said = number or {PEOPLE[0].id: "+1 1", PEOPLE[1].id: "+1 4"}[person], word.upper()
        if said == "STOP":
            self.stopped[meant] = False
        elif said == "START" and meant in self.stopped:
            self.stopped[meant] = True
        elif said == "YES" and self.stopped.get(meant):
            del self.stopped[meant]
        assert self.duty.incidents == before

    @rule(person=PERSON, lead=st.sampled_from(["", "1", "2", "7"]), key=st.sampled_from("4685"))
    def text(self, person: str, lead: str, key: str) -> None:
        meant = [row for row in self.texts(person) if row.code == int(lead or 0) and self.live(row)]
        before = self.duty.incidents
        reply = self.duty.do(devices.reply_sms, person, lead + key)
        assert len({row.incident for row in meant}) <= 1, "two live messages have one code"
        self.check(meant[:1], key, before, reply.outcome)
        self.duty.world.advance(0)
        self.judge()

    @rule(
        number=st.integers(0, 99),
        event=st.sampled_from([event for event in CallEvent if event is not CallEvent.TIME_UP]),
    )
    @precondition(lambda self: self.calls)
    def call(self, number: int, event: CallEvent) -> None:
        id = list(self.calls)[number % len(self.calls)]
        before = self.duty.world.view.need(MESSAGES, id).call
        assert self.duty.do(devices.happen, id, event).call is CALLS.get((before, event), before)
        self.judge()

    @rule(number=st.integers(0, 99), key=st.sampled_from("4680*1"))
    @precondition(lambda self: self.calls)
    def press(self, number: int, key: str) -> None:
        call = self.duty.world.view.need(MESSAGES, list(self.calls)[number % len(self.calls)])
        before = self.duty.incidents
        heard = [call] if call.call is CallState.ANSWERED and self.live(call) else []
        reply = self.duty.do(devices.press, call.id, key)
        self.check(heard, key, before, reply.outcome)
        self.duty.world.advance(0)
        self.judge()

    # -- the model -----------------------------------------------------------------------------------------------------

    def texts(self, person: str) -> list[Message]:
        """Return every SMS sent to a person; one that failed holds its digit all the same."""
        return [row for row in self.duty.messages if (row.user, row.channel) == (person, Channel.SMS)]

    def live(self, message: Message) -> bool:
        """Whether a reply can still act: the incident is open and was not assigned anew since."""
        row = next(row for row in self.duty.incidents if row.id == message.incident)
        return row.status is not Status.RESOLVED and row.turn == message.turn

    def check(self, meant: list[Message], key: str, before: list[Incident], outcome: str) -> None:
        """A reply acts on the incident of the one message it means, or on nothing."""
        changed = [row for row, old in zip(self.duty.incidents, before, strict=True) if row != old]
        if outcome != devices.DONE or key in "0*":
            assert changed == []
            return
        assert [message.incident for message in meant] == ([row.id for row in changed] or [meant[0].incident])
        (row,) = [row for row in self.duty.incidents if row.id == meant[0].incident]
        wanted = {"4": Status.ACKNOWLEDGED, "6": Status.RESOLVED, "8": Status.TRIGGERED}[key]
        assert row.status is wanted
        assert row.turn == meant[0].turn + (key == "8")

    def judge(self) -> None:
        """Look at what was sent since the last time, while lines and keywords are as they were then."""
        sent = self.duty.record("notification.sent")
        for data in sent[self.judged :]:
            number, channel = data["address"], data["channel"]
            line = self.lines.get(number, Carrier(number))
            sms = channel == Channel.SMS
            fails = line.blocked or (sms and (line.landline or number in self.stopped))
            assert (data["status"] == carriers.FAILED) is fails
            if not fails and line.delay:
                assert data["status"] == carriers.IN_PROGRESS
        self.judged = len(sent)
        for row in self.duty.messages:
            if row.channel is not Channel.PHONE or row.status == carriers.FAILED:
                continue
            old = self.calls.get(row.id, CallState.RINGING)
            assert row.call is old or old not in _ENDED, "a call that is over stays over"
            self.calls[row.id] = row.call

    # -- what always holds ---------------------------------------------------------------------------------------------

    @invariant()
    def stopped_numbers_are_known(self) -> None:
        held = {row.id: row.asked for row in self.duty.world.view.all(OPT_OUTS)}
        assert held == self.stopped

    @invariant()
    def what_failed_reached_nobody(self) -> None:
        for person in PEOPLE:
            assert all(row.status != carriers.FAILED for row in self.duty.do(devices.inbox, person.id))

    @invariant()
    def a_ringing_call_waits_for_its_end(self) -> None:
        for id, state in self.calls.items():
            row = self.duty.world.view.need(MESSAGES, id)
            waits = self.duty.world.view.timer("pagerduty", calls.TIMER, id) is not None
            assert waits is (state not in _ENDED)
            assert row.status == calls.STATUS.get(state, row.status)

    @invariant()
    def every_view_tells_the_same(self) -> None:
        view = self.duty.world.view
        look = Lens(view, LINKS, "UTC", frozenset({"channels"}))
        entries = [row for row in view.all(LOG_ENTRIES) if row.type is LogType.NOTIFY]
        assert len(entries) == len(self.duty.record("notification.sent"))
        for entry in entries:
            message = view.get(MESSAGES, dict(entry.data or {})["message"])
            if message is not None:
                logged = log_entry(look, entry)["channel"]["notification"]["status"]
                assert logged == notification(look, message)["status"] == message.status

    @invariant()
    def live_codes_are_different(self) -> None:
        for person in PEOPLE:
            rows = [row for row in self.texts(person.id) if self.live(row)]
            codes = {(row.incident, row.turn): row.code for row in rows}
            assert len(set(codes.values())) == len(codes) or len(codes) > 9


Phones.TestCase.settings = settings(
    max_examples=settings().max_examples // 10 if EXPLORING else 10,
    stateful_step_count=50 if EXPLORING else 30,
    deadline=None,
    database=None,
    derandomize=not EXPLORING,
)
TestPhones: Any = Phones.TestCase
