"""Requests that arrive when nobody waits for them any more."""

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
