"""Outages from the failing test to the person woken and back, each told in a few lines and checked to the second."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from bridge.core import Point
from scenarios import accounts
from scenarios.processes import Moment
from scenarios.stage import Stage, TestDesk, Wiring
from simulators.engine.faults import FaultKind
from simulators.engine.transport import Site
from simulators.pagerduty.model import INCIDENTS, LOG_ENTRIES, LogType
from simulators.thousandeyes import commands
from simulators.thousandeyes.notifiers import EVENTS_URL

BOTH = pytest.mark.parametrize("stage", list(Wiring), indirect=True)
EVERY_WAY = pytest.mark.parametrize(
    "stage",
    [*Wiring, *(pytest.param(f"{wiring}/sockets", marks=pytest.mark.sockets) for wiring in Wiring)],
    indirect=True,
)
EXPRESSION = "((responseCode >= 500))"


def shop_on(stage: Stage) -> TestDesk:
    """A test from three agents and a rule: two of them failing twice in a row raise a critical alert."""
    shop = stage.thousandeyes.http_test("shop", interval="2m", agents=["London", "Oslo", "Singapore"])
    stage.thousandeyes.alert_rule(shop, EXPRESSION, rounds="2 of 2", agents=2, severity="critical")
    return shop


@EVERY_WAY
def test_an_acknowledged_page_stops_and_the_clear_resolves_the_incident(stage: Stage) -> None:
    """Alice acknowledges by SMS, nobody else is called, and the clear resolves the incident."""
    shop = shop_on(stage)
    shop.fails(status=503, at="10:00", until="10:45")
    stage.run_until("10:06")
    stage.person("alice").phone.expect_sms(shop).at("10:04").acknowledge()
    stage.run_until("12:00")
    stage.incident(shop).expect_acknowledged(at="10:06")
    stage.incident(shop).expect_resolved(at="10:48")


@BOTH
def test_unacknowledged_page_escalates_then_clears(stage: Stage) -> None:
    """Nobody answers level 1, so level 2 is called; the clear resolves the incident."""
    shop = shop_on(stage)
    shop.fails(status=503, at="10:00", until="10:45")
    stage.run_until("11:00")
    stage.person("alice").phone.expect_sms(shop).at("10:04")
    stage.person("bob").phone.expect_call(shop).at("10:34")
    stage.incident(shop).expect_resolved(at="10:48")


def test_the_policy_repeats_and_then_stops() -> None:
    """With one repeat everybody is called twice, then the incident stays open in silence."""
    with Stage(account=accounts.fixed(loops=1)) as stage:
        shop = shop_on(stage)
        shop.fails(status=503, at="10:00")
        stage.run_until("15:00")
        alice, bob = stage.person("alice"), stage.person("bob")
        alice.phone.expect_sms(shop).at("10:04")
        bob.phone.expect_call(shop).at("10:34")
        alice.phone.expect_sms(shop).at("11:04")
        bob.phone.expect_call(shop).at("11:34")
        stage.incident(shop).expect_open()
        kinds = [entry.type for entry in stage.world.view.find(LOG_ENTRIES, "incident", stage.incident(shop).row.id)]
        assert kinds.count(LogType.REPEAT) == 1
        assert kinds.count(LogType.EXHAUST) == 1
        stage.verify()


@BOTH
def test_editing_the_rule_clears_its_alert_and_resolves_the_incident(stage: Stage) -> None:
    """A rule changed so that it no longer matches ends the alert, and the incident with it."""
    shop = stage.thousandeyes.http_test("shop")
    rule = stage.thousandeyes.alert_rule(shop, EXPRESSION, rounds="2 of 2", agents=2)
    shop.fails(status=503, at="10:00")
    stage.run_until("10:20")
    stage.do(commands.update_rule, rule.id, expression="((responseCode >= 600))")
    stage.run_until("12:00")
    stage.person("alice").phone.expect_sms(shop).at("10:04")
    stage.incident(shop).expect_resolved(at="10:20")


@pytest.mark.parametrize("point", list(Point))
def test_a_bridge_killed_anywhere_loses_nothing_and_pages_nobody_twice(stage: Stage, point: Point) -> None:
    """Dead for seven minutes at any named point, the bridge still brings one incident, one page and the resolve."""
    assert stage.bridge is not None
    shop = shop_on(stage)
    stage.bridge.crash(point, down_for="7m")
    shop.fails(status=503, at="10:00", until="10:45")
    stage.run_until("10:20")
    stage.person("alice").phone.expect_sms(shop).acknowledge()
    stage.run_until("12:00")
    assert stage.bridge.crashes == 1
    stage.incident(shop).expect_resolved(at="10:48")


@pytest.mark.sockets
@pytest.mark.wiring("bridge/sockets")
@pytest.mark.parametrize("moment", list(Moment))
def test_a_bridge_process_killed_between_receive_and_send_loses_nothing(stage: Stage, moment: Moment) -> None:
    """After kill -9 the process is started again: one incident, one page, and the clear resolves it."""
    assert stage.process is not None
    shop = shop_on(stage)
    stage.process.kill(moment, down_for="7m")
    shop.fails(status=503, at="10:00", until="10:45")
    stage.run_until("10:20")
    opened = {Moment.RECEIVED: "10:11", Moment.SENDING: "10:04"}[moment]
    stage.person("alice").phone.expect_sms(shop).at(opened).acknowledge()
    stage.run_until("12:00")
    assert stage.process.crashes == 1
    stage.incident(shop).expect_resolved(at="10:48")


@BOTH
def test_throttling_and_a_server_error_only_delay_the_page(stage: Stage) -> None:
    """PagerDuty answers 429, then 500, then takes the event; one incident, one page."""
    shop = shop_on(stage)
    stage.fault(FaultKind.STATUS, "events.pagerduty.com", status=429, times=1)
    stage.fault(FaultKind.STATUS, "events.pagerduty.com", status=500, times=1)
    shop.fails(status=503, at="10:00", until="10:45")
    stage.run_until("10:25")
    stage.person("alice").phone.expect_sms(shop).acknowledge()
    stage.run_until("12:00")
    stage.incident(shop).expect_resolved(at="10:48")


def test_a_clear_that_overtakes_its_trigger_leaves_no_incident_open(stage: Stage) -> None:
    """The trigger reaches the bridge only after the clear: it is recorded, not sent, and nobody is woken."""
    shop = stage.thousandeyes.http_test("shop")
    stage.thousandeyes.alert_rule(shop, EXPRESSION)
    stage.fault(FaultKind.REFUSE, "bridge.example.com", times=1)
    shop.fails(status=503, at="10:00", until="10:02")
    stage.tolerate("event.dropped")  # the resolve finds nothing to resolve, which is the point
    stage.run_until("12:00")
    assert list(stage.world.view.all(INCIDENTS)) == []


def test_a_receiver_may_call_pagerduty_before_it_answers(stage: Stage) -> None:
    """Somebody else's synchronous bridge sends its event first and answers ThousandEyes afterwards: one incident."""
    calls: list[int] = []

    def receiver(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        notification = json.loads(environ["wsgi.input"].read())
        alert = notification["alert"]
        event = {
            "routing_key": accounts.ROUTING_KEY,
            "event_action": "resolve" if notification["eventType"].endswith("CLEAR") else "trigger",
            "dedup_key": f"thousandeyes:{alert['alertId']}",
            "payload": {"summary": alert["ruleName"], "source": alert["testName"], "severity": "critical"},
        }
        calls.append(stage.world.client.post(EVENTS_URL, json=event).status_code)
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"forwarded"]

    stage.world.serve("receiver.example.com", Site("receiver", receiver))
    shop = stage.thousandeyes.http_test("shop")
    stage.thousandeyes.alert_rule(shop, EXPRESSION, webhook="https://receiver.example.com/hook")
    shop.fails(status=503, at="10:00", until="10:20")
    stage.run_until("11:00")
    assert calls == [202, 202]
    stage.person("alice").phone.expect_sms(shop).at("10:02")
    stage.incident(shop).expect_resolved(at="10:22")


def test_the_schedule_hands_over_in_mid_incident() -> None:
    """Whoever is on call when the policy comes round again is called, not who was at the start."""
    weekly = accounts.layer(["PALICE1", "PBOB001"], start="2026-03-02T00:00:00Z", hours=11)
    with Stage(account=accounts.fixed(loops=1, schedules=[weekly])) as stage:
        shop = shop_on(stage)
        shop.fails(status=503, at="10:30", until="11:50")
        stage.run_until("12:30")
        stage.person("alice").phone.expect_sms(shop).at("10:34")
        stage.person("bob").phone.expect_call(shop).at("11:04")
        stage.person("bob").phone.expect_call(shop).at("11:34")
        stage.incident(shop).expect_resolved(at="11:52")
        stage.verify()


def test_the_stage_fails_on_a_page_nobody_expected() -> None:
    """Leftovers are named with person, channel and time."""
    with Stage() as stage:
        shop = shop_on(stage)
        shop.fails(status=503, at="10:00", until="10:20")
        stage.run_until("11:00")
        with pytest.raises(AssertionError, match="10:04:00 alice got a sms nobody expected"):
            stage.verify()


@BOTH
def test_the_past_can_be_played_again_with_another_ending(stage: Stage) -> None:
    """A snapshot brings back both vendors and the bridge; without the reply, Bob is called."""
    shop = shop_on(stage)
    shop.fails(status=503, at="10:00", until="10:45")
    stage.run_until("10:06")
    before = stage.snapshot()
    sms = stage.person("alice").phone.expect_sms(shop).at("10:04")
    sms.acknowledge()
    stage.run_until("11:00")
    first = stage.world.journal.lines()
    stage.restore(before)
    stage.run_until("11:00")
    stage.person("bob").phone.expect_call(shop).at("10:34")
    stage.restore(before)
    sms.acknowledge()
    stage.run_until("11:00")
    assert stage.world.journal.lines() == first
