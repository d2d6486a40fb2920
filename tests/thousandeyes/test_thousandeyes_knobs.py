"""What ThousandEyes' documents leave open about alerts and notifications: each knob turned, and what changes by it."""

from __future__ import annotations

import httpx
import pytest
from outage_rig import LONDON, OSLO, Outage

from simulators.engine import instants
from simulators.thousandeyes import commands
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


@pytest.mark.parametrize("joining_told", [False, True])
def test_joining_told(joining_told: bool) -> None:
    """A second location fails two minutes after the first: the receiver hears of it, or only of the beginning."""
    outage = Outage(joining_told=joining_told)
    outage.fails("10:00", "10:10", LONDON)
    outage.fails("10:02", "10:10", OSLO)
    outage.world.run_until("11:00")
    assert outage.events == ["trigger"] * (1 + joining_told) + ["clear"]
    assert [len(body["alert"]["agents"]) for body in outage.bodies] == [1, *[2] * joining_told, 2]


@pytest.mark.parametrize(("history_kept_on_edit", "again"), [(False, "10:12:00"), (True, "10:10:00")])
@pytest.mark.parametrize("mode", ["any", "exact"])
def test_history_kept_on_edit(history_kept_on_edit: bool, again: str, mode: str) -> None:
    """Two rounds in a row are needed: after an edit they count anew, or the round before the edit counts."""
    outage = Outage(rule={"required": 2, "out_of": 2, "mode": mode}, history_kept_on_edit=history_kept_on_edit)
    outage.fails("10:00", "10:30")
    outage.world.run_until("10:09")
    outage.do(commands.update_rule, outage.rule.id, name="renamed")
    outage.world.run_until("11:00")
    assert [instants.clock(alert.start) for alert in outage.alerts] == ["10:04:00", again]


@pytest.mark.parametrize("deliveries_shuffled", [False, True])
def test_deliveries_shuffled(deliveries_shuffled: bool) -> None:
    """A clear comes a minute after its trigger and never overtakes it, or now and then it does."""
    outage = Outage(deliveries_shuffled=deliveries_shuffled)
    outage.do(commands.update_test, outage.test.id, interval=60)
    for minute in range(0, 56, 4):
        outage.fails(f"10:{minute:02}", f"10:{minute + 1:02}")
    outage.world.run_until("12:00")
    places: dict[str, list[str]] = {}
    for body in outage.bodies:
        places.setdefault(body["alert"]["alertId"], []).append(body["eventType"].rpartition("_")[2])
    assert all(sorted(events) == ["CLEAR", "TRIGGER"] for events in places.values())
    assert (["CLEAR", "TRIGGER"] in places.values()) is deliveries_shuffled
