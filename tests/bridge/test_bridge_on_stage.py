"""The bridge between both simulators: what webhooks lose for good is found again, and the bridge pages for itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from bridge import custom
from bridge.config import parse
from bridge.core import Point
from scenarios import accounts
from scenarios.stage import EVENTS_URL, Stage, TestDesk
from simulators.engine.faults import FaultKind
from simulators.pagerduty.model import ALERTS, INCIDENTS
from simulators.thousandeyes import commands, documents
from simulators.thousandeyes import model as thousandeyes_model
from simulators.thousandeyes.commands import DEFAULT_TOKEN
from simulators.thousandeyes.model import Trouble
from simulators.thousandeyes.presets import PRESETS

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


TERRAFORM = (
    '{"alert_id":"{{alert.id}}","test_name":"{{alert.test.name}}","alert_type":"{{type.id}}",'
    '"severity":"{{alert.severity.id}}"}'
)
TEMPLATES = {
    "ours": custom.TEMPLATE,
    "generic": PRESETS["Generic"].payload,
    "splunk": PRESETS["Splunk"].payload,
    "terraform": TERRAFORM,
}


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("kind", ["http-server", "bgp"])
def test_a_custom_webhook_opens_and_resolves_its_incident(stage: Stage, name: str, kind: str) -> None:
    """Rendered by ThousandEyes for alerts with agents and without, trigger and clear of a template meet in one key."""
    tell_by_template(stage, TEMPLATES[name], kind)
    stage.run_until("15:00")
    assert status(stage) == ["resolved"]
    (alert,) = stage.world.view.all(ALERTS)
    assert alert.key == f"thousandeyes:{next(iter(stage.world.view.all(thousandeyes_model.ALERTS))).id}"
    assert alert.severity == "error"
    assert ("the shop" in alert.summary) or name in ("terraform", "splunk")


def tell_by_template(stage: Stage, template: str, kind: str) -> None:
    """Let an alert of an hour be told to the bridge by a custom webhook with a template."""
    operation = {"name": "bridge", "category": "alerts", "enabled": True, "payload": template}
    made = stage.do(documents.create, "operation", commands.DEFAULT_AID, operation).id
    target = {"type": "generic", "name": "bridge", "target": stage.webhook_url, "operations": [made]}
    stage.do(documents.create, "connector", commands.DEFAULT_AID, target)
    expression, body, trouble, value = {
        "http-server": (EXPRESSION, {"url": "https://shop.example"}, Trouble.STATUS, 503),
        "bgp": ("((reachability < 100%))", {"prefix": "192.0.2.0/24"}, Trouble.WITHDRAWAL, 100),
    }[kind]
    named = {agent.name: agent.id for agent in stage.world.view.all(thousandeyes_model.AGENTS)}
    found = (named["London"], named["Oslo"]) if kind == "http-server" else ()
    told = stage.do(
        commands.create_rule,
        name="the shop is down",
        expression_text=expression,
        alert_type=kind,
        severity="major",
        notifications={"customWebhook": [{"integrationId": made, "integrationType": "custom-webhook"}]},
    )
    test = stage.do(
        commands.create_test, name="front", interval=120, agents=found, body=body, kind=kind, rules=(told.id,)
    )
    span = {"since": stage.at("10:00"), "until": stage.at("11:00")}
    stage.do(commands.add_condition, trouble, test=test.id, value=value, **span)
    for name in ("event.dropped", "contract"):
        stage.tolerate(name)


@pytest.fixture(autouse=True)
def nobody_minds(stage: Stage) -> Iterator[None]:
    """Whom PagerDuty told is not what these tests are about."""
    yield
    for person in ("alice", "bob"):
        for message in stage.person(person).messages():
            stage.claim(message)
