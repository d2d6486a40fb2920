"""The stage: one world with both simulators and a bridge, and the words to tell an outage in.

This is the composition root. ``stage.thousandeyes`` sets up tests and rules and makes them fail, ``stage.person`` holds
the devices people are reached on, ``stage.incident`` says what became of a test's alert. The stage is strict: whatever
was sent to anybody and not expected fails the scenario, and so does any error that no injected fault explains.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from bridge.config import Config
from bridge.config import parse as parse_config
from contracts import traffic
from scenarios import accounts
from scenarios.bridging import WEBHOOK_URL, StageBridge
from scenarios.processes import BridgeProcess
from simulators.engine import faults, instants, live
from simulators.engine.draft import Draft
from simulators.engine.faults import Fault, FaultKind
from simulators.engine.journal import Entry
from simulators.engine.serving import Listener, Servers, Still
from simulators.engine.transport import Site, StartResponse
from simulators.engine.world import Snapshot, World
from simulators.pagerduty import account as pagerduty_account
from simulators.pagerduty import devices
from simulators.pagerduty.api import sites as pagerduty_sites
from simulators.pagerduty.component import PagerDuty
from simulators.pagerduty.model import (
    ALERTS,
    DOCUMENTS,
    INCIDENTS,
    LOG_ENTRIES,
    MESSAGES,
    Channel,
    Incident,
    LogType,
    Message,
    Status,
)
from simulators.thousandeyes import commands, forecast
from simulators.thousandeyes import model as thousandeyes_model
from simulators.thousandeyes.api import sites as thousandeyes_sites
from simulators.thousandeyes.component import ThousandEyes
from simulators.thousandeyes.model import Condition, Test, Trouble
from simulators.thousandeyes.notifiers import EVENTS_URL

ResultT = TypeVar("ResultT")

START = "2026-03-02T09:00:00Z"
EVENTS_HOST = "events.pagerduty.com"


#: Kinds of journal entries that nobody wants unasked.
_TROUBLE = frozenset(
    ("error", "event.dropped", "event.rejected", "notification.failed", "notification.lost", "webhook.dropped")
)


class Wiring(StrEnum):
    """How ThousandEyes reaches PagerDuty."""

    BRIDGE = "bridge"
    NATIVE = "native"


class Stage:
    """See the module's text. ``account`` is a PagerDuty account as vendor JSON (default: Alice, then Bob).

    With ``sockets``, a folder for the bridge's files, PagerDuty's events arrive through a real socket and the bridge is
    a process of its own (``stage.process``); otherwise everything happens in memory.
    """

    def __init__(
        self,
        *,
        seed: int = 1,
        wiring: Wiring = Wiring.BRIDGE,
        start: str = START,
        account: dict[str, Any] | None = None,
        sockets: Path | None = None,
    ) -> None:
        self.wiring = wiring
        self.world = World(seed=seed, start=instants.parse(start), components=[ThousandEyes(), PagerDuty()])
        self.bridge: StageBridge | None = None
        self.process: BridgeProcess | None = None
        self._open_things = ExitStack()
        self._open_things.callback(self.world.client.close)
        self.webhook_url, self.events_url = WEBHOOK_URL, EVENTS_URL
        if sockets is not None:
            try:
                self._open(sockets)
            except BaseException:
                self.close()
                raise
        else:
            for host, site in (thousandeyes_sites() | pagerduty_sites()).items():
                self.world.serve(host, site)
            if wiring is Wiring.BRIDGE:
                self.bridge = StageBridge(self.world, bridge_config())
        self.do(commands.open_account)
        self.account = accounts.fixed() if account is None else account
        self.do(pagerduty_account.load, self.account)
        self.thousandeyes = ThousandEyesDesk(self)
        self._claimed: set[str] = set()
        self._tolerated: set[str] = set()

    def __enter__(self) -> Stage:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop whatever runs outside this process's own memory."""
        self._open_things.close()

    # -- time ------------------------------------------------------------------------------------------------------

    @property
    def now(self) -> int:
        """Virtual time in microseconds UTC."""
        return self.world.now

    def at(self, clock: str) -> int:
        """Return the instant a clock time such as ``"10:30"`` names on the present day."""
        return instants.at_clock(clock, self.world.now)

    def run_until(self, goal: str | Callable[[], bool], *, within: str = "7d") -> None:
        """Run to a clock time or until something is true."""
        self.world.run_until(goal, within=within)

    def snapshot(self) -> Snapshot:
        """Return a point to come back to."""
        return self.world.snapshot()

    def restore(self, snapshot: Snapshot) -> None:
        """Return to a snapshot."""
        self.world.restore(snapshot)

    def do(self, verb: Callable[..., ResultT], *args: Any, **kwargs: Any) -> ResultT:
        """Carry out a vendor's verb as one decision."""

        def decide(draft: Draft) -> ResultT:
            return verb(draft, *args, **kwargs)

        return self.world.transact(decide)

    # -- the world around ------------------------------------------------------------------------------------------

    def fault(self, kind: str, host: str, **how: Any) -> Fault:
        """Let requests to ``host`` go wrong; ``how`` are further settings of the engine's ``Fault``."""
        return self.do(faults.add, Fault("", FaultKind(kind), host=host, **how))

    def person(self, name: str) -> Person:
        """Return the person of this name (or user id)."""
        for user in self.world.view.all(DOCUMENTS["users"]):
            if name in (user.id, user.body.get("name")):
                return Person(self, user.id, str(user.body.get("name")))
        raise LookupError(f"the account has no user {name!r}")

    def incidents(self, about: TestDesk | None = None) -> list[Incident]:
        """Return the incidents, oldest first, of one test when given."""
        rows = list(self.world.view.all(INCIDENTS))
        if about is None:
            return rows
        alert_ids = [alert.id for alert in self.world.view.find(thousandeyes_model.ALERTS, "test", about.id)]
        owned = {
            alert.incident
            for alert in self.world.view.all(ALERTS)
            if any(alert_id in alert.key for alert_id in alert_ids)
        }
        return [row for row in rows if row.id in owned]

    def incident(self, about: TestDesk) -> IncidentDesk:
        """Return what there is to say about the one incident of a test."""
        return IncidentDesk(self, about)

    def tolerate(self, kind: str) -> None:
        """Accept journal entries of this kind, or with ``"contract"`` messages that break one."""
        self._tolerated.add(kind)

    # -- strictness ------------------------------------------------------------------------------------------------

    def claim(self, message: Message) -> None:
        """Take note that a message was expected."""
        self._claimed.add(message.id)

    def leftovers(self) -> list[str]:
        """Return what happened and nobody expected, one line each."""
        view = self.world.view
        found = [
            f"{instants.clock(message.at)} {self._name(message.user)} got a {message.channel} nobody expected: "
            f"{message.subject or message.text}"
            for message in view.all(MESSAGES)
            if message.id not in self._claimed
        ]
        hit = {entry.cause for entry in self.world.journal if entry.kind == "fault.hit"}
        found.extend(
            f"{instants.clock(entry.at)} {entry.kind} {entry.subject}: {dict(entry.data)}"
            for entry in self.world.journal
            if self._is_trouble(entry, hit)
        )
        if "contract" not in self._tolerated:
            found.extend(str(violation) for violation in traffic.violations(self.world.journal))
        return found

    def verify(self) -> None:
        """Fail when something happened that nobody expected."""
        left = self.leftovers()
        if left:
            raise AssertionError("nobody expected this:\n  " + "\n  ".join(left))

    def _is_trouble(self, entry: Entry, hit: set[int]) -> bool:
        if entry.kind in self._tolerated:
            return False
        if entry.kind in _TROUBLE:
            return True
        return entry.kind == "response" and int(entry.data["status"]) >= 400 and entry.cause not in hit

    def _open(self, folder: Path) -> None:
        """Serve the simulators through sockets and, when the wiring wants it, start the bridge as a process."""
        site = pagerduty_sites()[EVENTS_HOST]

        def application(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
            return (site if self.process is None else self.process.watched(site)).application(environ, start_response)

        servers = Servers(Still(self.world), (Listener(Site(site.name, application)),))
        servers.start()
        self._open_things.callback(servers.stop)
        self.events_url = servers.urls[site.name] + "/v2/enqueue"
        self.world.network = live.network()
        if self.wiring is Wiring.BRIDGE:
            self.process = BridgeProcess(self.world, folder, key=accounts.ROUTING_KEY, events_url=self.events_url)
            self._open_things.callback(self.process.close)
            self.webhook_url = self.process.webhook_url

    def _name(self, user_id: str) -> str:
        user = self.world.view.get(DOCUMENTS["users"], user_id)
        return user_id if user is None else str(user.body.get("name"))


def bridge_config() -> Config:
    """Return the bridge's configuration on the stage: one route, to the account's one service."""
    return parse_config(
        {"keys": {"operations": {"value": accounts.ROUTING_KEY}}, "pagerduty": {"events_url": EVENTS_URL}}, environ={}
    )


class ThousandEyesDesk:
    """Sets up tests and rules."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        if stage.wiring is Wiring.BRIDGE:
            self.integration = stage.do(commands.add_integration, "webhook", name="bridge", target=stage.webhook_url)
        else:
            self.integration = stage.do(
                commands.add_integration,
                "pager-duty",
                name="Network",
                target=stage.events_url,
                token=accounts.ROUTING_KEY,
            )

    def http_test(
        self, name: str, *, interval: str = "2m", agents: Sequence[str] = ("London", "Oslo", "Singapore"), url: str = ""
    ) -> TestDesk:
        """Create an http-server test on the named cloud agents."""
        known = {agent.name: agent.id for agent in self._stage.world.view.all(thousandeyes_model.AGENTS)}
        test = self._stage.do(
            commands.create_test,
            name=name,
            interval=instants.duration(interval) // instants.SECOND,
            agents=tuple(known[agent] for agent in agents),
            body={"url": url or f"https://{name.replace(' ', '-')}.example.com"},
        )
        return TestDesk(self._stage, test)

    def alert_rule(
        self,
        test: TestDesk,
        expression: str,
        *,
        rounds: str = "1 of 1",
        agents: int = 1,
        severity: str = "critical",
        mode: str = "any",
        name: str = "",
        webhook: str = "",
        alert_type: str = "http-server",
    ) -> thousandeyes_model.AlertRule:
        """Create a rule for ``test`` that notifies over the stage's wiring, or to the URL ``webhook``."""
        required, _, out_of = rounds.partition(" of ")
        integration = self.integration
        if webhook:
            integration = self._stage.do(commands.add_integration, "webhook", name="receiver", target=webhook)
        group, kind = {"webhook": ("webhook", "webhook"), "pager-duty": ("thirdParty", "pager-duty")}[integration.kind]
        return self._stage.do(
            commands.create_rule,
            name=name or f"{test.name} is down",
            alert_type=alert_type,
            expression_text=expression,
            required=int(required),
            out_of=int(out_of),
            minimum_sources=agents,
            severity=severity,
            mode=mode,
            tests=(test.id,),
            notifications={group: [{"integrationId": integration.id, "integrationType": kind}]},
        )

    def conditions(self, document: str) -> list[Condition]:
        """Let happen what a TOML document says (see :mod:`simulators.thousandeyes.forecast`)."""
        return self._stage.do(commands.load_conditions, document)


class TestDesk:
    """A test, and what goes wrong with its target."""

    __test__ = False

    def __init__(self, stage: Stage, test: Test) -> None:
        self._stage = stage
        self.id = test.id
        self.name = test.name

    def fails(
        self, *, status: int = 503, at: str, until: str | None = None, agents: Sequence[str] = (), every: str = ""
    ) -> Condition:
        """Let the target answer with an HTTP status from ``at`` until ``until``, as seen by all or some agents."""
        known = {agent.name: agent.id for agent in self._stage.world.view.all(thousandeyes_model.AGENTS)}
        return self._stage.do(
            commands.add_condition,
            Trouble.STATUS,
            test=self.id,
            since=self._stage.at(at),
            until=None if until is None else self._stage.at(until),
            agents=tuple(known[agent] for agent in agents),
            value=status,
            period=instants.duration(every) if every else 0,
        )

    def suffers(self, kind: str, *, at: str, **how: Any) -> Condition:
        """Let something go wrong from ``at`` on, in the words of a condition: ``suffers("loss", value=30, ramp="5m")``.

        Further keys are those of :mod:`simulators.thousandeyes.forecast`: until or for, agents, regions, period, ...
        """
        wish = {"kind": kind, "test": self.id, "since": at, **how}
        return self._stage.do(lambda draft: commands.add_condition(draft, **forecast.read(draft, wish)))


@dataclass(frozen=True)
class Person:
    """Somebody who can be reached; ``phone`` and ``mailbox`` are their devices."""

    stage: Stage
    id: str
    name: str

    @property
    def phone(self) -> Person:
        """The person's phone: SMS, calls and push notifications."""
        return self

    @property
    def mailbox(self) -> Person:
        """The person's mailbox."""
        return self

    def expect_sms(self, about: TestDesk) -> Expected:
        """Expect the earliest SMS about a test that was not expected yet."""
        return self._expect(Channel.SMS, about)

    def expect_call(self, about: TestDesk) -> Expected:
        """Expect the earliest call about a test that was not expected yet."""
        return self._expect(Channel.PHONE, about)

    def expect_push(self, about: TestDesk) -> Expected:
        """Expect the earliest push notification about a test that was not expected yet."""
        return self._expect(Channel.PUSH, about)

    def expect_email(self, about: TestDesk) -> Expected:
        """Expect the earliest e-mail about a test that was not expected yet."""
        return self._expect(Channel.EMAIL, about)

    def messages(self) -> list[Message]:
        """Return everything this person was sent, oldest first."""
        return devices.inbox(self.stage.world.view, self.id)

    def _expect(self, channel: Channel, about: TestDesk) -> Expected:
        wanted = {incident.id for incident in self.stage.incidents(about)}
        for message in self.messages():
            claimed = message.id in self.stage._claimed
            if message.channel is channel and message.incident in wanted and not claimed:
                self.stage.claim(message)
                return Expected(self.stage, self, message)
        got = [f"{instants.clock(m.at)} {m.channel} {m.subject or m.text}" for m in self.messages()]
        listing = "\n  ".join(got) or "nothing at all"
        raise AssertionError(f"{self.name} got no (further) {channel} about {about.name!r}; got:\n  {listing}")


@dataclass(frozen=True)
class Expected:
    """A message that was expected and came."""

    stage: Stage
    person: Person
    message: Message

    def at(self, clock: str) -> Expected:
        """Check when it came, exactly."""
        came = instants.clock(self.message.at)
        if self.message.at != self.stage.at(clock):
            raise AssertionError(f"{self.person.name} got the {self.message.channel} at {came}, expected at {clock}")
        return self

    def acknowledge(self) -> None:
        """Acknowledge the way the channel has it: SMS code, keypad, push or e-mail action."""
        self._act("4", "acknowledge")

    def resolve(self) -> None:
        """Resolve the way the channel has it."""
        self._act("6", "resolve")

    def _act(self, digit: str, action: str) -> None:
        stage, message = self.stage, self.message
        if message.channel is Channel.SMS:
            code = f"{message.code or ''}{digit}"
            stage.do(devices.reply_sms, message.user, code)
        elif message.channel is Channel.PHONE:
            stage.do(devices.answer, message.id)
            stage.do(devices.press, message.id, digit)
        elif message.channel is Channel.PUSH:
            stage.do(devices.push_action, message.id, action)
        else:
            stage.do(devices.email_action, message.id, action)


class IncidentDesk:
    """What became of a test's alert in PagerDuty."""

    def __init__(self, stage: Stage, about: TestDesk) -> None:
        self._stage = stage
        self._about = about

    @property
    def row(self) -> Incident:
        """The one incident; fails when there is none or several."""
        rows = self._stage.incidents(self._about)
        if len(rows) != 1:
            raise AssertionError(f"{self._about.name!r} has {len(rows)} incidents, expected exactly one")
        return rows[0]

    def expect_triggered(self, *, at: str) -> None:
        """Check that it opened at this time."""
        self._same(self.row.created, at, "opened")

    def expect_open(self) -> None:
        """Check that it is not resolved."""
        if self.row.status is Status.RESOLVED:
            raise AssertionError("the incident is resolved, expected to be open")

    def expect_acknowledged(self, *, at: str) -> None:
        """Check that somebody acknowledged it at this time."""
        self._same(self._log(LogType.ACKNOWLEDGE), at, "acknowledged")

    def expect_resolved(self, *, at: str) -> None:
        """Check that it was resolved at this time."""
        self._same(self.row.resolved, at, "resolved")

    def _log(self, kind: LogType) -> int | None:
        entries = self._stage.world.view.find(LOG_ENTRIES, "incident", self.row.id)
        return next((entry.at for entry in entries if entry.type is kind), None)

    def _same(self, instant: int | None, clock: str, what: str) -> None:
        if instant != self._stage.at(clock):
            came = "never" if instant is None else f"at {instants.clock(instant)}"
            raise AssertionError(f"the incident was {what} {came}, expected at {clock}")
