"""A state machine over the whole stage: conditions, rule edits, people, the clock, the network, the bridge's troubles.

Two services with a key of their own each are behind one bridge, whose routes, pace and clock change while it works.

Hypothesis picks the steps; faults are explicit arguments of explicit steps, so that a failure shrinks to a short story.
Safety is judged after every step. At the end faults end first, and hours later both vendors must agree on what is
wrong; then conditions end, too, and everything must come to its end.

The webhook hop is never out for longer than the sender's retry hour: :attr:`StageMachine.patience` pays for every
failure that could hit one notification, and it is smaller than the number of attempts the sender makes. A clear lost
beyond that hour would stay lost, and finding it again is reconciliation's work, which is not part of these runs.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from evidence import Evidence
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from invariants import ALWAYS, QUIET, SETTLED, hold

from bridge import core
from bridge.config import parse
from bridge.core import Point
from bridge.errors import StoreError
from scenarios import accounts
from scenarios.accounts import Human, Reach
from scenarios.stage import EVENTS_HOST, Stage, TestDesk, bridge_config
from simulators.engine import faults, instants
from simulators.engine.faults import FAULTS, FaultKind
from simulators.engine.world import Snapshot
from simulators.pagerduty import account, devices, incidents
from simulators.pagerduty import model as pagerduty
from simulators.pagerduty.model import INCIDENTS, MESSAGES, Agent, Channel, Incident, Message
from simulators.thousandeyes import commands
from simulators.thousandeyes import model as thousandeyes
from simulators.thousandeyes.model import CONDITIONS, TESTS

BRIDGE_HOST = "bridge.example.com"
BATCH = core.BATCH
#: Failures one notification may meet; the sender makes 13 attempts.
PATIENCE = 12
RETRY_EVERY = 5 * instants.MINUTE
AGENTS = ("London", "Oslo", "Singapore")
SUBSETS: tuple[tuple[str, ...], ...] = ((), ("London",), ("London", "Oslo"), ("Singapore",))
SECOND_KEY = "89abcdef0123456789abcdef01234567"
#: Where the alerts of the tests "pay" and "route" go, and which key takes the others; the last swaps the two.
ROUTES = (("payments", "operations"), ("operations", "operations"), ("operations", "payments"))
SKEWS = ("-2h", "-45s", "0s", "45s", "2h")
SPAN = st.sampled_from(("2m", "1s", "20s", "1m", "5m", "11m", "40m", "2h"))
WORK: dict[str, Callable[..., Any]] = {
    "acknowledge": incidents.acknowledge,
    "resolve": incidents.resolve,
    "escalate": incidents.escalate,
    "reassign": lambda draft, incident, agent: incidents.reassign(draft, incident, agent, users=(agent.id,)),
    "snooze": lambda draft, incident, agent: incidents.snooze(draft, incident, agent, 600),
}


def _troubles(*statuses: int) -> dict[str, dict[str, Any]]:
    """Return what can go wrong with a request, by a name that reads well in a failing example."""
    return {
        "request lost": {"kind": FaultKind.REFUSE},
        "answer lost": {"kind": FaultKind.LOSE_ANSWER},
        "time-out": {"kind": FaultKind.TIMEOUT},
        "arrives twice": {"kind": FaultKind.DUPLICATE},
        **{f"held up {span}": {"kind": FaultKind.DELAY, "delay": instants.duration(span)} for span in HELD_UP},
        **{f"answered {status}": {"kind": FaultKind.STATUS, "status": status} for status in statuses},
    }


HELD_UP = ("30s", "4m", "21m")
WEBHOOK_TROUBLES = _troubles(204, 302, 400, 429, 500)
EVENT_TROUBLES = _troubles(200, 302, 400, 401, 429, 500)
EXPRESSIONS = ("((responseCode >= 500))", "((responseCode >= 400))", "((responseCode >= 600))")
HUMANS = (
    Human(
        "PALICE1",
        "alice",
        "alice@example.com",
        (
            Reach("sms_contact_method", "5550100"),
            Reach("push_notification_contact_method", "Alice's phone", 1),
            Reach("phone_contact_method", "5550100", 5),
        ),
    ),
    Human(
        "PBOB001",
        "bob",
        "bob@example.com",
        (Reach("email_contact_method", "bob@example.com"), Reach("phone_contact_method", "5550101", 2)),
    ),
    Human(
        "PCAROL1",
        "carol",
        "carol@example.com",
        (Reach("push_notification_contact_method", "Carol's phone"), Reach("sms_contact_method", "5550102", 20)),
    ),
)
PEOPLE = tuple(human.id for human in HUMANS)


def household() -> dict[str, Any]:
    """Return an account whose first level hands over every three hours and whose acknowledgements run out."""
    first = accounts.layer(["PALICE1", "PCAROL1"], start="2026-03-02T00:00:00Z", hours=3)
    levels = (
        [{"id": first["id"], "type": "schedule_reference"}],
        [{"id": "PBOB001", "type": "user_reference"}],
    )
    household = accounts.account(HUMANS, levels=levels, delay=15, loops=1, schedules=(first,))
    service = household["services"][0]
    service["acknowledgement_timeout"] = 1800
    service["incident_urgency_rule"] = {"type": "constant", "urgency": "severity_based"}
    integration = {**service["integrations"][0], "id": "PINT002", "integration_key": SECOND_KEY}
    integration["service"] = {"id": "PSVC002", "type": "service_reference"}
    household["services"].append({**service, "id": "PSVC002", "name": "Payments", "integrations": [integration]})
    return household


def configured(route: int, per_minute: int, *, coalesce: bool) -> Any:
    """Return the bridge's configuration: two keys, and one of :data:`ROUTES`."""
    other, default = ROUTES[route]
    return parse(
        {
            "keys": {"operations": {"value": accounts.ROUTING_KEY}, "payments": {"value": SECOND_KEY}},
            "routing": {"default": default, "route": [{"key": other, "test": name} for name in ("pay", "route")]},
            "pagerduty": {
                "events_url": bridge_config().pagerduty.events_url,
                "events_per_minute": per_minute,
                "coalesce": coalesce,
            },
        },
        environ={},
    )


class StageMachine(RuleBasedStateMachine):
    """See the module's text."""

    def __init__(self) -> None:
        super().__init__()
        self.stage = Stage(account=household())
        assert self.stage.bridge is not None
        self.bridge = self.stage.bridge
        self.evidence = Evidence(self.stage.world)
        self.patience = PATIENCE
        self.full_disks = 0
        #: Statements the store carries out before so many fail.
        self.fine, self.failing = 0, 0
        self.kept: Snapshot | None = None
        #: Integration keys somebody else uses up, and until when.
        self.used_up: dict[str, int] = {}
        self._guard_the_disk()
        self._share_the_keys()
        desk = self.stage.thousandeyes
        shop = desk.http_test("shop", interval="1m", agents=AGENTS[:1])
        pay = desk.http_test("pay", interval="2m", agents=AGENTS)
        self.tests: tuple[TestDesk, ...] = (shop, pay)
        self.prefix = self._watch_a_prefix()
        self.alert_rules = (
            desk.alert_rule(shop, EXPRESSIONS[0], severity="critical").id,
            desk.alert_rule(shop, EXPRESSIONS[1], severity="minor", name="shop is odd").id,
            desk.alert_rule(pay, EXPRESSIONS[0], rounds="2 of 2", agents=2, severity="major").id,
        )

    @initialize(
        new_event_ids=st.booleans(),
        events_per_minute=st.sampled_from((0, 4)),
        coalesce=st.booleans(),
        per_minute=st.sampled_from((120, 2)),
        batch=st.sampled_from((50, 1)),
        throttled=st.booleans(),
        test=st.sampled_from((0, 1)),
        then=SPAN,
    )
    def an_outage_begins(
        self,
        *,
        new_event_ids: bool,
        events_per_minute: int,
        coalesce: bool,
        per_minute: int,
        batch: int,
        throttled: bool,
        test: int,
        then: str,
    ) -> None:
        """A target fails, and what may differ is chosen.

        A repeated notification has a new event id or not, PagerDuty limits the rate or not,
        the bridge coalesces or not, is slow or not, and decides on one notification at a time or on many; somebody else
        uses one of its keys up at first or not.
        """
        if throttled:
            self.used_up[accounts.ROUTING_KEY] = self.stage.now + 20 * instants.MINUTE
        self.bridge.configure(configured(0, per_minute, coalesce=coalesce))
        core.BATCH = batch
        self.evidence.coalescing, self.evidence.per_minute = coalesce, per_minute
        self.stage.world.set_knobs(thousandeyes.Knobs(new_event_id_on_retry=new_event_ids))
        self.stage.world.set_knobs(pagerduty.Knobs(events_per_minute=events_per_minute))
        self._break(test)
        self.stage.world.advance(then)

    # -- what is wrong with the world ------------------------------------------------------------------------------

    @rule(
        test=st.sampled_from((0, 1)),
        status=st.sampled_from((503, 404)),
        agents=st.sampled_from(SUBSETS),
        every=st.sampled_from((0, 4, 14)),
        then=SPAN,
    )
    def target_fails(self, *, test: int, status: int, agents: tuple[str, ...], every: int, then: str) -> None:
        """A target begins to fail, as seen by some agents (none named: all), for good or on and off for an hour."""
        self._break(test, status, agents, every)
        self.stage.world.advance(then)

    @precondition(lambda self: self._going_on())
    @rule(test=st.sampled_from((0, 1)), then=SPAN)
    def target_recovers(self, *, test: int, then: str) -> None:
        """Everything wrong with a target ends."""
        for condition in self._going_on():
            if condition.test == self.tests[test].id:
                self.stage.do(commands.end_condition, condition.id)
        self.stage.world.advance(then)

    @rule(place=st.sampled_from((0, 1, 2)), change=st.sampled_from((*EXPRESSIONS, "on/off")), then=SPAN)
    def settings_change(self, *, place: int, change: str, then: str) -> None:
        """Somebody edits an alert rule (its active alert ends, another may follow) or switches its test on or off."""
        if change == "on/off":
            test = self.stage.world.view.need(TESTS, self.tests[place // 2].id)
            self.stage.do(commands.update_test, test.id, enabled=not test.enabled)
        else:
            self.stage.do(commands.update_rule, self.alert_rules[place], expression=change)
        self.stage.world.advance(then)

    @rule(then=SPAN)
    def route_is_withdrawn(self, *, then: str) -> None:
        """Half an hour long monitors lose their route: an alert without agents."""
        self.stage.do(
            commands.add_condition,
            thousandeyes.Trouble.WITHDRAWAL,
            test=self.prefix,
            until=self.stage.now + 30 * instants.MINUTE,
        )
        self.stage.world.advance(then)

    # -- people ----------------------------------------------------------------------------------------------------

    @precondition(lambda self: self._messages())
    @rule(back=st.integers(0, 4), action=st.sampled_from(("acknowledge", "resolve", "escalate")), then=SPAN)
    def somebody_replies(self, *, back: int, action: str, then: str) -> None:
        """Somebody answers one of the latest messages, outdated or not, in the way its channel has."""
        found = self._messages()
        message = found[max(len(found) - 1 - back, 0)]
        before = list(self.stage.world.view.all(INCIDENTS))
        outcome = self._reply(message, action)
        if outcome != devices.DONE:
            assert list(self.stage.world.view.all(INCIDENTS)) == before, f"{outcome!r}, and yet something changed"
        self.stage.world.advance(then)

    @precondition(lambda self: self._incidents())
    @rule(back=st.integers(0, 2), user=st.sampled_from(PEOPLE), action=st.sampled_from(tuple(WORK)), then=SPAN)
    def somebody_acts(self, *, back: int, user: str, action: str, then: str) -> None:
        """Somebody works on one of the latest incidents in the web interface."""
        found = self._incidents()
        incident = found[max(len(found) - 1 - back, 0)]
        self.stage.do(WORK[action], incident, Agent("user_reference", user, "web_ui"))
        self.stage.world.advance(then)

    @rule(minutes=st.sampled_from((5, 60)), then=SPAN)
    def service_is_in_maintenance(self, *, minutes: int, then: str) -> None:
        """Somebody opens a maintenance window: until it ends PagerDuty takes every event and drops it."""
        window = {
            "start_time": instants.iso(self.stage.now),
            "end_time": instants.iso(self.stage.now + minutes * instants.MINUTE),
            "services": [{"id": accounts.SERVICE, "type": "service_reference"}],
        }
        self.stage.do(account.put, "maintenance_windows", window)
        self.stage.world.advance(then)

    # -- time ------------------------------------------------------------------------------------------------------

    @rule(span=SPAN)
    def time_passes(self, *, span: str) -> None:
        """Time passes."""
        self.stage.world.advance(span)

    @rule()
    def remember(self) -> None:
        """Keep this moment."""
        self.kept = self.stage.snapshot()

    @precondition(lambda self: self.kept is not None)
    @rule()
    def return_to_what_was_kept(self) -> None:
        """Go back to the moment kept: clock, rows, agenda, journal and the bridge's store."""
        assert self.kept is not None
        self.stage.restore(self.kept)
        assert (self.stage.now, self.stage.world.journal.last) == (self.kept.now, self.kept.journal)

    # -- what goes wrong on the way --------------------------------------------------------------------------------

    @rule(how=st.sampled_from(tuple(WEBHOOK_TROUBLES)), times=st.integers(1, 3))
    def webhooks_go_wrong(self, *, how: str, times: int) -> None:
        """Requests of ThousandEyes to the bridge are lost, answered by something in front of it, doubled or held up."""
        trouble = WEBHOOK_TROUBLES[how]
        harmless = trouble["kind"] in (FaultKind.DUPLICATE, FaultKind.DELAY)
        if harmless or self._affordable(times):
            self.stage.fault(host=BRIDGE_HOST, times=times, **trouble)

    @rule(how=st.sampled_from(tuple(EVENT_TROUBLES)), times=st.integers(1, 3))
    def events_go_wrong(self, *, how: str, times: int) -> None:
        """Requests of the bridge to PagerDuty are lost, refused, doubled, or arrive when it has stopped waiting."""
        self.stage.fault(host=EVENTS_HOST, times=times, **EVENT_TROUBLES[how])

    @rule(key=st.sampled_from((accounts.ROUTING_KEY, SECOND_KEY)), span=st.sampled_from(("2m", "20m")), then=SPAN)
    def a_key_is_used_up(self, *, key: str, span: str, then: str) -> None:
        """Somebody else sends so much with one of the keys that PagerDuty throttles it for a while."""
        self.used_up[key] = self.stage.now + instants.duration(span)
        self.stage.world.advance(then)

    @rule(point=st.sampled_from(list(Point)), down_for=st.sampled_from(("0s", "90s", "9m")))
    def bridge_dies(self, *, point: Point, down_for: str) -> None:
        """The bridge will die at a named point and be started again after a while."""
        if self._affordable(1 + instants.duration(down_for) // RETRY_EVERY):
            self.bridge.crash(point, down_for=down_for)

    @rule(fine=st.integers(0, 12), failing=st.integers(1, 3))
    def store_fails(self, *, fine: int, failing: int) -> None:
        """After some more statements of the bridge's store a few fail, whatever they are."""
        if self._affordable(failing):
            self.fine, self.failing = fine, failing

    @rule(route=st.sampled_from((0, 1, 2)))
    def routes_change(self, *, route: int) -> None:
        """The bridge reads another configuration: alerts go where they went, new ones elsewhere."""
        pagerduty_ = self.bridge.config.pagerduty
        self.bridge.configure(configured(route, pagerduty_.events_per_minute, coalesce=pagerduty_.coalesce))

    @rule(span=st.sampled_from(("30s", "6m", "50m")))
    def bridge_falls_behind(self, *, span: str) -> None:
        """The bridge takes notifications in and gets to nothing else for a while: many wait for one decision."""
        self.bridge.fall_behind(span)

    @rule(skew=st.sampled_from(SKEWS))
    def bridge_clock_is_set(self, *, skew: str) -> None:
        """The bridge's clock jumps, forwards or back."""
        sign = -1 if skew.startswith("-") else 1
        self.bridge.set_clock(sign * instants.duration(skew.removeprefix("-")))

    @rule(times=st.integers(1, 2))
    def disk_is_full(self, *, times: int) -> None:
        """The next notifications cannot be stored."""
        if self._affordable(times):
            self.full_disks += times

    # -- judging ---------------------------------------------------------------------------------------------------

    @invariant()
    def whatever_must_always_hold_holds(self) -> None:
        """See :data:`invariants.ALWAYS`."""
        hold(ALWAYS, self.evidence.read())

    def teardown(self) -> None:
        """End the faults and judge whether the vendors agree; end the conditions, too, and judge what is left."""
        try:
            self.settle()
            hold((*ALWAYS, *QUIET), self.evidence.read())
            for condition in self._going_on():
                self.stage.do(commands.end_condition, condition.id)
            self.stage.world.advance("3h")
            hold((*ALWAYS, *QUIET, *SETTLED), self.evidence.read())
            image = self.bridge.store.connection.serialize()
            for secret in (accounts.ROUTING_KEY, SECOND_KEY):
                assert secret.encode() not in image, "an integration key lies in the store"
        finally:
            core.BATCH = BATCH
            self.stage.close()

    def settle(self) -> None:
        """End everything that is wrong on the way and run on for longer than any retry takes."""
        for fault in list(self.stage.world.view.all(FAULTS)):
            self.stage.do(faults.remove, fault.id)
        self.full_disks = self.failing = 0
        self.stage.world.advance("3h")

    # -- inside ----------------------------------------------------------------------------------------------------

    def _break(self, test: int, status: int = 503, agents: tuple[str, ...] = (), every: int = 0) -> None:
        known = {agent.name: agent.id for agent in self.stage.world.view.all(thousandeyes.AGENTS)}
        self.stage.do(
            commands.add_condition,
            thousandeyes.Trouble.STATUS,
            test=self.tests[test].id,
            until=self.stage.now + instants.HOUR if every else None,
            agents=tuple(known[name] for name in agents),
            value=status,
            period=every * instants.MINUTE,
        )

    def _watch_a_prefix(self) -> str:
        rule = self.stage.do(
            commands.create_rule,
            name="a prefix is hard to reach",
            expression_text="((reachability < 100%))",
            severity="info",
            alert_type="bgp",
            notifications={
                "webhook": [{"integrationId": self.stage.thousandeyes.integration.id, "integrationType": "webhook"}]
            },
        )
        settings = {"prefix": "192.0.2.0/24"}
        test = self.stage.do(
            commands.create_test, name="route", interval=900, agents=(), body=settings, kind="bgp", rules=(rule.id,)
        )
        return test.id

    def _affordable(self, failures: int) -> bool:
        if failures > self.patience:
            return False
        self.patience -= failures
        return True

    def _going_on(self) -> list[thousandeyes.Condition]:
        return [row for row in self.stage.world.view.all(CONDITIONS) if row.until is None]

    def _messages(self) -> list[Message]:
        return list(self.stage.world.view.all(MESSAGES))

    def _incidents(self) -> list[Incident]:
        return list(self.stage.world.view.all(INCIDENTS))

    def _reply(self, message: Message, action: str) -> str:
        digit = {"acknowledge": "4", "resolve": "6", "escalate": "8"}[action]
        if message.channel is Channel.SMS:
            return self.stage.do(devices.reply_sms, message.user, f"{message.code or ''}{digit}").outcome
        if message.channel is Channel.PHONE:
            self.stage.do(devices.answer, message.id)
            return self.stage.do(devices.press, message.id, digit).outcome
        verb = devices.push_action if message.channel is Channel.PUSH else devices.email_action
        return self.stage.do(verb, message.id, action).outcome

    def _share_the_keys(self) -> None:
        site = self.stage.world.sites[EVENTS_HOST]

        def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
            environ["wsgi.input"] = io.BytesIO(body)
            if self.used_up.get(json.loads(body)["routing_key"], 0) <= self.stage.now:
                return site.application(environ, start_response)
            start_response("429 Too Many Requests", [("Content-Type", "application/json")])
            return [b'{"status":"throttle exceeded"}']

        self.stage.world.serve(EVENTS_HOST, replace(site, application=application))

    def _guard_the_disk(self) -> None:
        append, execute = self.bridge.store.append, self.bridge.store._execute

        def guarded_execute(sql: str, arguments: tuple[Any, ...] = ()) -> Any:
            if self.failing and self.fine:
                self.fine -= 1
            elif self.failing:
                self.failing -= 1
                raise StoreError("disk I/O error")
            return execute(sql, arguments)

        def guarded(batch: Sequence[Any]) -> Any:
            if self.full_disks:
                self.full_disks -= 1
                raise StoreError("the disk is full")
            return append(batch)

        vars(self.bridge.store).update(append=guarded, _execute=guarded_execute)
