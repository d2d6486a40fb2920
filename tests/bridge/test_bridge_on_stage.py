"""The bridge between both simulators: what webhooks lose for good is found again, and the bridge pages for itself."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.config import parse
from bridge.core import Point
from scenarios import accounts
from scenarios.stage import EVENTS_URL, Stage, TestDesk
from simulators.engine.faults import FaultKind
from simulators.pagerduty.model import INCIDENTS
from simulators.thousandeyes.commands import DEFAULT_TOKEN

HOST = "bridge.example.com"
EXPRESSION = "((responseCode >= 500))"


def reconciling(stage: Stage, **settings: Any) -> TestDesk:
    """Let the stage's bridge reconcile; return a test whose alerts lead to it."""
    assert stage.bridge is not None
    integration = stage.thousandeyes.integration
    stage.bridge.config = parse(
        {
            "keys": {"operations": {"value": accounts.ROUTING_KEY}},
            "pagerduty": {"events_url": EVENTS_URL},
            "thousandeyes": {"token": {"value": DEFAULT_TOKEN}, "integrations": [integration.id], **settings},
        },
        environ={},
    )
    stage.bridge.bridge.configure(stage.bridge.config)
    shop = stage.thousandeyes.http_test("shop")
    stage.thousandeyes.alert_rule(shop, EXPRESSION)
    return shop


def status(stage: Stage) -> list[str]:
    return [str(incident.status) for incident in stage.world.view.all(INCIDENTS)]


def test_a_page_lost_for_good_is_found_after_the_retry_hour(stage: Stage) -> None:
    """The bridge cannot be reached for the whole retry hour: reconciliation opens the incident all the same."""
    shop = reconciling(stage)
    stage.fault(FaultKind.REFUSE, HOST, times=13)
    shop.fails(status=503, at="10:00", until="12:00")
    stage.tolerate("notification.failed")
    stage.run_until("11:04")
    assert status(stage) == []
    stage.run_until("11:20")
    assert status(stage) == ["triggered"]
    stage.run_until("12:30")
    assert status(stage) == ["resolved"]
    stage.person("alice").phone.expect_sms(shop)
    stage.person("bob").phone.expect_call(shop)


def test_an_end_lost_for_good_is_found_after_the_retry_hour(stage: Stage) -> None:
    """The clear is lost for the whole retry hour: reconciliation resolves the incident."""
    shop = reconciling(stage)
    shop.fails(status=503, at="10:00", until="10:20")
    stage.run_until("10:10")
    stage.person("alice").phone.expect_sms(shop).acknowledge()
    stage.fault(FaultKind.REFUSE, HOST, times=13)
    stage.tolerate("notification.failed")
    stage.run_until("11:20")
    assert status(stage) == ["acknowledged"]
    stage.run_until("11:40")
    assert status(stage) == ["resolved"]


def test_where_nothing_is_lost_nothing_is_repaired(stage: Stage) -> None:
    """Looking every five minutes pages nobody twice, however long an alert lasts."""
    assert stage.bridge is not None
    shop = reconciling(stage)
    shop.fails(status=503, at="10:00", until="13:00")
    stage.run_until("10:10")
    stage.person("alice").phone.expect_sms(shop).acknowledge()
    stage.run_until("14:00")
    assert status(stage) == ["resolved"]
    assert not [label for (what, label) in stage.bridge.bridge.tally.counters if what == "repaired"]


@pytest.mark.parametrize("point", list(Point))
def test_a_crash_while_repairing_pages_once(stage: Stage, point: Point) -> None:
    """A bridge that dies while it carries a repaired notification pages once, like with any other."""
    assert stage.bridge is not None
    shop = reconciling(stage)
    stage.fault(FaultKind.REFUSE, HOST, times=13)
    stage.tolerate("notification.failed")
    shop.fails(status=503, at="10:00", until="12:00")
    stage.run_until("11:03")
    stage.bridge.crash(point)
    stage.run_until("12:30")
    stage.person("alice").phone.expect_sms(shop)
    stage.person("bob").phone.expect_call(shop)
    assert status(stage) == ["resolved"]
