"""What ThousandEyes' documents leave open about alerts and notifications: each knob turned, and what changes by it."""

from __future__ import annotations

import httpx
import pytest
from outage_rig import LONDON, Outage

from simulators.engine import instants
from simulators.thousandeyes.model import Trouble


@pytest.mark.parametrize("clear_always_sent", [True, False])
def test_clear_always_sent(clear_always_sent: bool) -> None:
    """A rule that does not notify on clear sends webhooks their clear all the same, or does not."""
    outage = Outage(rule={"notify_on_clear": False}, clear_always_sent=clear_always_sent)
    outage.fails("10:00", "10:10")
    outage.world.run_until("11:00")
    assert outage.events == (["trigger", "clear"] if clear_always_sent else ["trigger"])


@pytest.mark.parametrize(("any_2xx_delivers", "tries"), [(False, 13), (True, 1)])
def test_any_2xx_delivers(any_2xx_delivers: bool, tries: int) -> None:
    """202 is not delivered and sent again, or is delivered."""
    outage = Outage(any_2xx_delivers=any_2xx_delivers)
    outage.status = "202 Accepted"
    outage.fails("10:00")
    outage.world.run_until("12:00")
    assert outage.events == ["trigger"] * tries


@pytest.mark.parametrize("webhook_timeout", [10, 3])
def test_webhook_timeout(webhook_timeout: int) -> None:
    """The receiver has this long to answer."""
    seen: list[float] = []

    def network(request: httpx.Request) -> httpx.Response:
        seen.append(request.extensions["timeout"]["read"])
        return httpx.Response(200)

    outage = Outage(webhook_timeout=webhook_timeout)
    outage.world.sites.clear()
    outage.world.network = httpx.MockTransport(network)
    outage.fails("10:00")
    outage.world.run_until("10:10")
    assert seen == [webhook_timeout]


@pytest.mark.parametrize("webhook_attempts", [13, 2])
def test_webhook_attempts(webhook_attempts: int) -> None:
    """So many tries, five minutes apart, then the notification is given up."""
    outage = Outage(webhook_attempts=webhook_attempts)
    outage.status = "500 no"
    outage.fails("10:00")
    outage.world.run_until("14:00")
    assert outage.events == ["trigger"] * webhook_attempts
    assert [entry["attempt"] for entry in outage.record("notification.failed")] == [webhook_attempts]
    sent = [entry.at for entry in outage.world.journal if entry.kind == "send"]
    assert sent == [outage.at("10:02") + place * 5 * instants.MINUTE for place in range(webhook_attempts)]


@pytest.mark.parametrize("new_event_id_on_retry", [False, True])
def test_new_event_id_on_retry(new_event_id_on_retry: bool) -> None:
    """A retry carries the first event id, or another one; the alert's id is the same either way."""
    outage = Outage(webhook_attempts=2, new_event_id_on_retry=new_event_id_on_retry)
    outage.status = "500 no"
    outage.fails("10:00")
    outage.world.run_until("11:00")
    first, second = outage.bodies
    assert (first["eventId"] != second["eventId"]) is new_event_id_on_retry
    assert first["alert"] == second["alert"]


@pytest.mark.parametrize(("clear_below_minimum", "ended"), [(False, "10:32:00"), (True, "10:12:00")])
def test_clear_below_minimum(clear_below_minimum: bool, ended: str) -> None:
    """An alert of two locations ends with its last one, or as soon as only one is left."""
    outage = Outage(rule={"minimum_sources": 2}, clear_below_minimum=clear_below_minimum)
    outage.fails("10:00", "10:10")
    outage.fails("10:00", "10:30", LONDON)
    outage.world.run_until("11:00")
    assert [instants.clock(alert.end or 0) for alert in outage.alerts] == [ended]


@pytest.mark.parametrize("dynamic_baselines", [True, False])
def test_dynamic_baselines(dynamic_baselines: bool) -> None:
    """A limit above the healthy range stands in for the vendor's baseline, or such a condition never holds."""
    outage = Outage(
        rule={"expression_text": "((Auto(responseTime >= Medium sensitivity)))"}, dynamic_baselines=dynamic_baselines
    )
    outage.fails("10:00", "10:10", kind=Trouble.LATENCY, value=300)
    outage.world.run_until("11:00")
    assert outage.events == (["trigger", "clear"] if dynamic_baselines else [])
