"""A state machine over ThousandEyes' alerting: conditions, edits of rules and tests, silences, agents, receivers, time.

Two tests, up to four rules and everybody a rule can tell. Hypothesis picks the steps; after each of them, everything
that must hold of alerts, units and notifications is looked at, and at the end everything is put right and three hours
pass: then every alert has ended, and whoever was told of its beginning has been told of its end.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from thousandeyes_account import Account

from contracts import traffic
from simulators.engine import faults, instants
from simulators.engine.faults import FAULTS, Fault, FaultKind
from simulators.engine.instants import MINUTE, SECOND
from simulators.engine.transport import Site
from simulators.thousandeyes import agents, commands, documents, silences, suppression
from simulators.thousandeyes.model import (
    ALERTS,
    CONDITIONS,
    DOCUMENTS,
    MAILS,
    NOTIFICATIONS,
    OWNER,
    RULES,
    SILENCES,
    TESTS,
    UNITS,
    Alert,
    AlertState,
    Knobs,
    Trouble,
)
from simulators.thousandeyes.payloads import CLEAR, TRIGGER
from simulators.thousandeyes.units import TRANSITION

AID = commands.DEFAULT_AID
HOST = "hooks.example.com"
AGENTS = ("3", "4", "5")
SPANS = st.sampled_from(("1m", "20s", "1s", "3m", "7m", "31m"))
WRONGS = st.sampled_from(
    (
        (Trouble.STATUS, 503, {}),
        (Trouble.STATUS, 404, {}),
        (Trouble.SLOW, 900, {"ramp": 4 * MINUTE}),
        (Trouble.STATUS, 500, {"period": 4 * MINUTE}),
        (Trouble.TIMEOUT, 0, {"share": 50}),
        (Trouble.OFFLINE, 0, {}),
        (Trouble.LOCAL, 0, {}),
    )
)
EXPRESSIONS = (
    "((responseCode >= 500))",
    '((errorType != "None"))',
    "((responseTime >= 500 ms) || (responseCode == 0))",
)
EDITS = st.sampled_from(
    (
        {"expression": EXPRESSIONS[1]},
        {"expression": "((responseCode >= 600))"},
        {"expression": EXPRESSIONS[0]},
        {"severity": "critical"},
        {"severity": "minor"},
        {"mode": "exact", "required": 2, "out_of": 3},
        {"mode": "any", "required": 1, "out_of": 1},
        {"minimum_sources": 2, "minimum_pct": None},
        {"minimum_sources": None, "minimum_pct": 60},
        {"name": "renamed"},
        {"notify_on_clear": False},
        {},
    )
)
TROUBLES = st.sampled_from(
    (
        {"kind": FaultKind.STATUS, "status": 500},
        {"kind": FaultKind.STATUS, "status": 302},
        {"kind": FaultKind.STATUS, "status": 204},
        {"kind": FaultKind.REFUSE},
        {"kind": FaultKind.LOSE_ANSWER},
        {"kind": FaultKind.DUPLICATE},
        {"kind": FaultKind.DELAY, "delay": 3 * MINUTE},
    )
)
ENDS = {AlertState.CLEAR, AlertState.DISABLED}
#: Knobs a history may turn.
TURNED = (
    "clear_below_minimum",
    "second_notification",
    "deliveries_shuffled",
    "history_kept_on_edit",
    "joining_told",
    "any_2xx_delivers",
    "new_event_id_on_retry",
)


def step(**given: Any) -> Callable[[Callable[..., None]], Any]:
    """A rule of the machine after which some time passes, so that every history gets somewhere."""

    def decorate(action: Callable[..., None]) -> Any:
        @functools.wraps(action)
        def act(self: Any, then: str, **drawn: Any) -> None:
            action(self, **drawn)
            self.no_round_inside_a_window_decides()
            self.world.advance(then)

        return rule(then=SPANS, **given)(act)

    return decorate


class AlertingMachine(RuleBasedStateMachine):
    """See the module's text."""

    @initialize(
        rounds=st.sampled_from(("1/1", "2/2", "2/3")),
        turned=st.lists(st.sampled_from(TURNED), max_size=3, unique=True),
        wrong=WRONGS,
        minutes=st.sampled_from((30, 5, 60)),
    )
    def open(self, rounds: str, turned: list[str], wrong: Any, minutes: int) -> None:
        """Set up the account; something is wrong from the beginning."""
        self.here = Account()
        self.world = self.here.world
        self.do = self.here.do
        self.received: list[tuple[int, dict[str, Any]]] = []
        self.world.serve(HOST, Site("hooks", self._receive))
        defaults = Knobs()
        self.do(commands.set_knobs, **{name: not getattr(defaults, name) for name in turned})
        hook = self.do(commands.add_integration, "webhook", name="ops", target=f"https://{HOST}/te").id
        pagerduty = {"name": "pd", "target": f"https://{HOST}/v2/enqueue", "token": "0" * 32}
        events = self.do(commands.add_integration, "pager-duty", **pagerduty).id
        body = {"name": "custom", "category": "alerts", "enabled": True, "payload": '{"type": "{{type.id}}"}'}
        custom = self.do(documents.create, "operation", AID, body).id
        connector = {"type": "generic", "name": "c", "target": f"https://{HOST}/custom", "operations": [custom]}
        self.do(documents.create, "connector", AID, connector)
        self.targets = (hook, events, custom)
        self.asked = {
            "webhook": [{"integrationId": hook, "integrationType": "webhook"}],
            "thirdParty": [{"integrationId": events, "integrationType": "pager-duty"}],
            "customWebhook": [{"integrationId": custom, "integrationType": "custom-webhook"}],
        }
        self.tests = [
            self.do(
                commands.create_test,
                name=name,
                interval=interval,
                agents=AGENTS,
                body={"url": f"https://{name}.example", "alertRules": []},
            ).id
            for name, interval in (("shop", 60), ("till", 120))
        ]
        required, _, out_of = rounds.partition("/")
        self._new_rule(EXPRESSIONS[0], tuple(self.tests), required=int(required), out_of=int(out_of), mailed=True)
        self._new_rule(EXPRESSIONS[1], (self.tests[0],), minimum_sources=2)
        self.begun: dict[str, str] = {}
        self.ended: dict[str, Alert] = {}
        self.seen = self.world.journal.last
        self._goes_wrong(wrong, "*", (), 0, minutes * MINUTE)
        self._watch()

    def _new_rule(self, text: str, tests: tuple[str, ...], *, mailed: bool = False, **how: Any) -> None:
        asked = self.asked | ({"email": {"recipients": ["noc@example.com"]}} if mailed else {})
        self.do(commands.create_rule, name="down", expression_text=text, tests=tests, notifications=asked, **how)

    def _receive(self, environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        self.received.append((self.world.now, json.loads(environ["wsgi.input"].read())))
        start("202 Accepted" if environ["PATH_INFO"].endswith("enqueue") else "200 OK", [])
        return [b""]

    # -- what happens ------------------------------------------------------------------------------------------------

    @step()
    def nothing(self) -> None:
        """Time passes."""

    @step(
        wrong=WRONGS,
        test=st.integers(0, 2),
        who=st.lists(st.sampled_from(AGENTS), max_size=2, unique=True),
        start=st.sampled_from((0, 30 * SECOND, 3 * MINUTE)),
        length=st.sampled_from((MINUTE, 4 * MINUTE, 20 * MINUTE, None)),
    )
    def something_goes_wrong(self, wrong: Any, test: int, who: list[str], start: int, length: int | None) -> None:
        self._goes_wrong(wrong, "*" if test == 2 else self.tests[test], tuple(who), start, length)

    def _goes_wrong(self, wrong: Any, test: str, who: tuple[str, ...], start: int, length: int | None) -> None:
        kind, value, how = wrong
        since = self.world.now + start
        span = {"since": since, "until": None if length is None else since + length}
        self.do(commands.add_condition, kind, test=test, agents=who, value=value, **span, **how)

    @step(place=st.integers(0, 20))
    def a_condition_ends(self, place: int) -> None:
        rows = [row for row in self._all(CONDITIONS) if row.until is None or row.until > self.world.now]
        rows = [row for row in rows if row.since < self.world.now]
        if rows:
            self.do(commands.end_condition, rows[place % len(rows)].id)

    @step(place=st.integers(0, 3), edit=EDITS)
    def a_rule_is_edited(self, place: int, edit: dict[str, Any]) -> None:
        chosen = self._rule(place)
        last = self.world.journal.last
        self.do(commands.update_rule, chosen.id, **edit)
        if self.world.view.need(RULES, chosen.id) == chosen:
            states = [entry.data.get("state") for entry in self.world.journal.since(last)]
            assert AlertState.DISABLED not in states, "an edit that changes nothing ends nothing"

    @step(place=st.integers(0, 3), tests=st.lists(st.integers(0, 1), max_size=2, unique=True))
    def a_rule_is_assigned(self, place: int, tests: list[int]) -> None:
        self.do(commands.update_rule, self._rule(place).id, tests=tuple(self.tests[number] for number in tests))

    @precondition(lambda self: self._made() < 4)
    @step(text=st.sampled_from(EXPRESSIONS), tests=st.lists(st.integers(0, 1), max_size=2, unique=True))
    def a_rule_is_made(self, text: str, tests: list[int]) -> None:
        self._new_rule(text, tuple(self.tests[number] for number in tests), severity="major")

    @precondition(lambda self: self._made() > 1)
    @step(place=st.integers(0, 3))
    def a_rule_is_deleted(self, place: int) -> None:
        self.do(commands.delete_rule, self._rule(place).id)

    @step(
        test=st.integers(0, 1),
        edit=st.sampled_from(
            (
                {"enabled": False},
                {"enabled": True, "alerts_enabled": True},
                {"alerts_enabled": False},
                {"interval": 300},
                {"interval": 60},
                {"agents": AGENTS[:1]},
                {"agents": AGENTS[1:]},
                {"agents": AGENTS},
                {"name": "another name"},
            )
        ),
    )
    def a_test_is_edited(self, test: int, edit: dict[str, Any]) -> None:
        self.do(commands.update_test, self.tests[test], **edit)

    @step(agent=st.sampled_from(AGENTS), tests=st.lists(st.integers(0, 1), max_size=2, unique=True))
    def an_agent_gets_other_tests(self, agent: str, tests: list[int]) -> None:
        self.do(agents.set_tests, agent, [self.tests[number] for number in tests], aid=AID)

    @step(
        tests=st.lists(st.integers(0, 1), min_size=1, max_size=2, unique=True),
        start=st.sampled_from((0, 90, 300)),
        length=st.sampled_from((60, 240, 1200)),
        repeat=st.sampled_from((None, {"type": "day"})),
    )
    def a_window_is_made(self, tests: list[int], start: int, length: int, repeat: Any) -> None:
        begin = instants.iso(self.world.now // SECOND * SECOND + start * SECOND)
        body = {
            "name": "w",
            "startDate": begin,
            "duration": length,
            "testIds": [self.tests[number] for number in tests],
        }
        self.do(commands.create_window, AID, body | ({"repeat": repeat} if repeat else {}))

    @step(place=st.integers(0, 9))
    def a_window_is_deleted(self, place: int) -> None:
        windows = self._windows()
        if windows:
            self.do(commands.delete_window, windows[place % len(windows)])

    @step(place=st.integers(0, 9), minutes=st.sampled_from((1, 4, 30)))
    def an_alert_is_silenced(self, place: int, minutes: int) -> None:
        active = [row for row in self._all(ALERTS) if row.state is AlertState.TRIGGER]
        if active:
            self.do(silences.suppress_alert, active[place % len(active)].id, minutes * MINUTE)

    @step(place=st.integers(0, 3), minutes=st.sampled_from((1, 10)))
    def a_rule_is_silenced(self, place: int, minutes: int) -> None:
        self.do(silences.suppress_rule, self._rule(place).id, minutes * MINUTE)

    @step(trouble=TROUBLES, path=st.sampled_from(("/te", "/custom", "/v2/enqueue")), times=st.integers(1, 3))
    def a_receiver_fails(self, trouble: dict[str, Any], path: str, times: int) -> None:
        self.do(faults.add, Fault("", host=HOST, path=path, times=times, **trouble))

    # -- what must hold ----------------------------------------------------------------------------------------------

    @invariant()
    def an_alert_and_its_unit_agree(self) -> None:
        """Every open alert has a unit that says so, no unit has two, and every unit has one entry."""
        view = self.world.view
        opened = {alert.unit: alert for alert in self._all(ALERTS) if alert.state is AlertState.TRIGGER}
        assert sum(alert.state is AlertState.TRIGGER for alert in self._all(ALERTS)) == len(opened)
        for unit in self._all(UNITS):
            alert = opened.pop(unit.id, None)
            assert unit.alert == ("" if alert is None else alert.id)
            assert view.timer(OWNER, TRANSITION, unit.id) is not None
            active = [] if alert is None else [row.agent for row in alert.locations if row.state is AlertState.TRIGGER]
            assert sorted(unit.active or ()) == sorted(active)
        assert opened == {}

    @invariant()
    def an_alert_is_whole(self) -> None:
        """Dates are in order, active locations are counted, an ended alert has none and never changes again."""
        for alert in self._all(ALERTS):
            active = sum(row.state is AlertState.TRIGGER for row in alert.locations)
            assert self.begun.setdefault(alert.id, alert.severity) == alert.severity
            assert all(row.until is None or row.until >= row.since for row in alert.locations)
            assert len({row.agent for row in alert.locations}) == len(alert.locations)
            if alert.state is AlertState.TRIGGER:
                assert (alert.end, alert.violations) == (None, active)
                continue
            assert (active, alert.suppressed) == (0, False)
            assert alert.end is not None
            assert alert.end >= alert.start
            assert self.ended.setdefault(alert.id, alert) == alert

    @invariant()
    def everybody_is_told_once(self) -> None:
        """A target hears one beginning (one more for every silence that was outlasted) and one end, in that order."""
        knobs = self.world.view.knobs(Knobs)
        for alert in self._all(ALERTS):
            told = self.world.view.find(NOTIFICATIONS, "alert", alert.id)
            for target in self.targets:
                events = [row.event for row in told if row.integration == target]
                begins = 1 + (alert.version - 1) * knobs.second_notification
                if knobs.joining_told:
                    begins = max(begins, events.count(TRIGGER))
                assert events == [TRIGGER] * begins + [CLEAR] * (alert.state in ENDS)
            assert len({row.id for row in told}) == len(told) == len(self.targets) * len(events)
            assert all(row.attempts <= knobs.webhook_attempts for row in told)

    @invariant()
    def no_round_inside_a_window_decides(self) -> None:
        """What began or ended by its measurements was sampled outside the windows and silences there were then."""
        rounds = {"alert.triggered", "alert.cleared", "alert.changed"}
        for entry in self.world.journal.since(self.seen):
            if entry.kind not in rounds or entry.data.get("state") == AlertState.DISABLED:
                continue
            alert = self.world.view.need(ALERTS, entry.subject)
            instant = alert.start if entry.kind == "alert.triggered" else alert.end
            test = self.watched[alert.test]
            if instant is None or test is None:
                continue
            sampled = instant - test.interval * SECOND
            for window in self.windows:
                if alert.test in window.body["testIds"]:
                    assert suppression.spans(window.body, sampled, sampled + 1) == []
            quiet = self.quiet.get(alert.unit)
            assert quiet is None or not quiet.since <= sampled < quiet.until
        assert [entry.data for entry in self.world.journal.since(self.seen) if entry.kind == "error"] == []
        self.seen = self.world.journal.last
        self._watch()

    def teardown(self) -> None:
        """Put everything right, let three hours pass, and look at how it all ended."""
        if not hasattr(self, "here"):
            return
        for row in list(self._all(FAULTS)):
            self.do(faults.remove, row.id)
        for window in self._windows():
            self.do(commands.delete_window, window)
        self.world.advance("40m")  # by now everything has begun that was yet to come
        for row in list(self._all(CONDITIONS)):
            if row.until is None or row.until > self.world.now:
                self.do(commands.end_condition, row.id)
        self.world.advance("3h")
        self.everybody_is_told_once()
        assert [alert.id for alert in self._all(ALERTS) if alert.state is AlertState.TRIGGER] == []
        assert {row.state for row in self._all(NOTIFICATIONS)} <= {"delivered", "failed"}
        self._receivers_saw_pairs()
        self._lists_agree()
        assert traffic.violations(self.world.journal) == []

    def _receivers_saw_pairs(self) -> None:
        """No webhook for a receiver names an alert twice under different dates; mails and webhooks tell the same."""
        classic = [body for _, body in self.received if "alert" in body]
        for body in classic:
            alert = body["alert"]
            if body["eventType"] == CLEAR:
                assert alert["dateEnd"] >= alert["dateStart"]
                assert alert["active"] in (0, 2)
                assert all(agent["active"] in (0, 2) for agent in alert["agents"])
            else:
                assert alert["active"] == 1
                assert alert["violationCount"] == sum(agent["active"] == 1 for agent in alert["agents"])
        mailed = {alert for mail in self._all(MAILS) for alert in mail.alerts}
        assert mailed == {alert.id for alert in self._all(ALERTS) if "email" in alert.notifications}

    def _lists_agree(self) -> None:
        """The API's pages of two make the list of one page, and each detail says what its alert is."""
        since = "/alerts?startDate=2026-03-01T00:00:00Z&endDate=2026-03-09T00:00:00Z"
        whole = self.here.ask("GET", f"{since}&max=1000")["alerts"]
        pages, path = [], f"{since}&max=2"
        while path:
            page = self.here.ask("GET", path)
            pages.extend(page["alerts"])
            path = page["_links"].get("next", {}).get("href", "").partition("/v7")[2]
        assert [row["id"] for row in pages] == [row["id"] for row in whole]
        assert sorted(row["id"] for row in whole) == sorted(alert.id for alert in self._all(ALERTS))
        for row in whole[:5]:
            shown = self.here.ask("GET", f"/alerts/{row['id']}")
            assert (shown["alertState"], shown["startDate"], shown["endDate"]) == (
                "clear", row["startDate"], row["endDate"]
            )  # fmt: skip
            assert [entry["state"] for entry in shown["details"]] == ["clear"] * len(shown["details"])

    # -- inside ------------------------------------------------------------------------------------------------------

    def _all(self, table: Any) -> list[Any]:
        return list(self.world.view.all(table))

    def _made(self) -> int:
        return len([row for row in self._all(RULES) if not row.is_default])

    def _rule(self, place: int) -> Any:
        rules = [row for row in self._all(RULES) if not row.is_default]
        return rules[place % len(rules)]

    def _windows(self) -> list[Any]:
        return [row for row in self._all(DOCUMENTS) if row.kind == suppression.KIND]

    def _watch(self) -> None:
        """Remember what the next step's rounds are decided under."""
        self.windows = self._windows()
        self.quiet = {row.id: row for row in self._all(SILENCES)}
        self.watched = {test: self.world.view.get(TESTS, test) for test in self.tests}
