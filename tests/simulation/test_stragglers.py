"""Requests that arrive when nobody waits for them any more, and attempts that were held up."""

import httpx
import pytest

from scenarios import accounts
from scenarios.stage import EVENTS_HOST, Stage
from simulators.engine import instants
from simulators.engine.faults import FaultKind
from simulators.pagerduty.model import INCIDENTS
from simulators.thousandeyes.notifiers import EVENTS_URL


def test_a_request_held_up_times_out_for_its_caller_and_arrives_later() -> None:
    """A caller outside the agenda sees a time-out; the event opens its incident four minutes later all the same."""
    event = {
        "routing_key": accounts.ROUTING_KEY,
        "event_action": "trigger",
        "dedup_key": "held-up",
        "payload": {"summary": "held up", "source": "shop", "severity": "critical"},
    }
    with Stage() as stage:
        stage.fault(FaultKind.DELAY, EVENTS_HOST, delay=4 * instants.MINUTE)
        with pytest.raises(httpx.ReadTimeout):
            stage.world.client.post(EVENTS_URL, json=event)
        asked = stage.now
        stage.world.advance("10m")
        (incident,) = stage.world.view.all(INCIDENTS)
        assert incident.created == asked + 4 * instants.MINUTE
        (hit,) = [entry for entry in stage.world.journal if entry.kind == "fault.hit"]
        assert "held-up" in hit.data["body"]


def test_turns_missed_while_an_attempt_was_held_up_are_not_made_up_for(stage: Stage) -> None:
    """A notification on its way for 21 minutes is tried again at the next turn, five minutes apart as ever."""
    shop = stage.thousandeyes.http_test("shop")
    stage.thousandeyes.alert_rule(shop, "((responseCode >= 500))")
    stage.fault(FaultKind.DELAY, "bridge.example.com", delay=21 * instants.MINUTE)
    stage.fault(FaultKind.REFUSE, "bridge.example.com", times=3)
    shop.fails(status=503, at="10:00")
    stage.run_until("11:00")
    told = [entry for entry in stage.world.journal if entry.kind in {"notification.retried", "notification.delivered"}]
    assert [instants.clock(entry.at) for entry in told] == ["10:23:00", "10:27:00", "10:32:00", "10:37:00"]
    stage.person("alice").phone.expect_sms(shop).at("10:37")
