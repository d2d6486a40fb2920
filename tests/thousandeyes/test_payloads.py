"""The classic webhook's body for every kind of alert, as receivers know it."""

import json
from typing import Any

import pytest
from rounds_rig import Receiver, Rounds

from contracts import catalogue
from simulators.thousandeyes import commands, documents, payloads, telling
from simulators.thousandeyes.model import Trouble
from simulators.thousandeyes.payloads import DATA_PATHS

#: Alert type -> kind of test, its settings, a rule, and what makes it fire.
FAMILIES: dict[str, tuple[str, dict[str, Any], str, Trouble, str]] = {
    "http-server": ("http-server", {}, "((responseCode >= 500))", Trouble.STATUS, "Response Code: 503"),
    "page-load": ("page-load", {}, "((!pageLoaded))", Trouble.STATUS, "Page Load: Incomplete"),
    "web-transactions": (
        "web-transactions",
        {"transactionScript": "markers.start('buy')"},
        '((assertError != ""))',
        Trouble.CONTENT,
        'Assertion Error: "Assertion failed: the page is not the expected one"',
    ),
    "api": (
        "api",
        {"requests": [{"name": "a", "url": "https://x"}]},
        "((apiCompletion < 100))",
        Trouble.STATUS,
        "Completion: 0",
    ),
    "ftp": ("ftp-server", {"url": "ftp://files.example"}, "((ftpReplyCode >= 500))", Trouble.STATUS, "Reply Code: 503"),
    "end-to-end-server": (
        "agent-to-server",
        {"server": "shop.example", "url": ""},
        "((loss >= 20%))",
        Trouble.LOSS,
        "Packet Loss: 40%",
    ),
    "end-to-end-agent": (
        "agent-to-agent",
        {"targetAgentId": "9", "url": ""},
        "((bothWaysLoss >= 20%))",
        Trouble.LOSS,
        "Packet Loss (either direction): 40%",
    ),
    "path-trace": (
        "agent-to-server",
        {"server": "shop.example", "url": ""},
        "((isTerminal == true))",
        Trouble.CONNECT,
        "Path Trace #1: (Trace ends before the target: Yes), Path Trace #2: (Trace ends before the target: Yes), "
        "Path Trace #3: (Trace ends before the target: Yes)",
    ),
    "bgp": (
        "bgp",
        {"prefix": "192.0.2.0/24", "url": ""},
        "((reachability < 100%))",
        Trouble.WITHDRAWAL,
        "Reachability: 60%",
    ),
    "dns-server": (
        "dns-server",
        {"domain": "shop.example", "dnsServers": ["ns1.example"], "url": ""},
        '((probDetail != ""))',
        Trouble.DNS,
        'Error: "Could not resolve the host name"',
    ),
    "dns-trace": (
        "dns-trace",
        {"domain": "shop.example", "url": ""},
        '((probDetail != ""))',
        Trouble.DNS,
        'Error: "Could not resolve the host name"',
    ),
    "dnssec": (
        "dnssec",
        {"domain": "shop.example", "url": ""},
        '((probDetail != ""))',
        Trouble.MAPPING,
        'Error details: "No DNSSEC public key(s) for shop.example"',
    ),
    "sip-server": (
        "sip-server",
        {"targetSipCredentials": {"port": 5060, "sipRegistrar": "sip.example"}, "url": ""},
        '((sipErrorType != "None"))',
        Trouble.CONNECT,
        'Error type: "connect"',
    ),
    "voice": ("voice", {"targetAgentId": "9", "url": ""}, "((mos <= 2.75))", Trouble.LOSS, "MOS: 1"),
}
VALUES = {Trouble.STATUS: 503, Trouble.LOSS: 40, Trouble.WITHDRAWAL: 40}


def told(alert_type: str) -> list[dict[str, Any]]:
    """Trigger and clear of one alert of a type, as a receiver got them."""
    kind, settings, text, trouble, _ = FAMILIES[alert_type]
    here = Rounds(2, kind=kind, **settings)
    receiver = Receiver(here)
    here.rule(text=text, alert_type=alert_type, severity="major", **receiver.asked)
    rounds = 30 if alert_type == "bgp" else 2
    here.wrong(trouble, VALUES.get(trouble), rounds=rounds)
    here.play(". " * 2 * rounds)
    return receiver.got


@pytest.mark.parametrize("alert_type", FAMILIES)
def test_every_kind_of_alert_is_told_as_the_contract_has_it(alert_type: str) -> None:
    """Trigger and clear keep the contract of today's payloads, and name what was measured."""
    trigger, clear = told(alert_type)
    assert [catalogue.flaws("thousandeyes-webhook-current", json.dumps(body)) for body in (trigger, clear)] == [[], []]
    places = trigger["alert"].get("agents") or trigger["alert"]["monitors"]
    assert places[0]["metricsAtStart"] == FAMILIES[alert_type][4]
    assert trigger["alert"]["type"] == telling.TYPE_NAMES[alert_type]
    assert trigger["alert"]["apiLinks"][1]["href"].endswith(
        f"/v4/{DATA_PATHS[alert_type]}/{trigger['alert']['testId']}"
    )


def test_an_alert_about_routes_lists_monitors_and_no_agents() -> None:
    """Monitors have ids, names and pages of their own; the target is the prefix."""
    trigger, clear = (body["alert"] for body in told("bgp"))
    assert "agents" not in trigger
    (first, *_) = trigger["monitors"]
    assert (first["monitorId"], first["monitorName"]) == (62, "Amsterdam-1")
    assert first["permalink"].endswith(f"alertId={trigger['alertId']}&monitorId=62")
    assert trigger["testTargetsDescription"] == ["192.0.2.0/24"]
    assert clear["monitors"][0]["metricsAtEnd"] == "Reachability: 100%"


def test_a_dns_alert_names_the_server_it_is_about() -> None:
    """Each server has an alert of its own, so the target is the server."""
    assert told("dns-server")[0]["alert"]["testTargetsDescription"] == ["ns1.example"]


def test_a_test_between_agents_names_the_agent_at_the_other_end() -> None:
    """Not its id."""
    (name,) = told("end-to-end-agent")[0]["alert"]["testTargetsDescription"]
    assert not name.isdecimal()


def test_trigger_and_clear_differ_where_the_vendors_do() -> None:
    """Ends have dates and metrics; a trigger has empty ones; event ids are never the same."""
    trigger, clear = told("http-server")
    began, ended = trigger["alert"], clear["alert"]
    assert trigger["eventId"] != clear["eventId"]
    assert (began["active"], ended["active"], began["alertId"]) == (1, 0, ended["alertId"])
    assert {"dateEnd", "dateEndZoned"} & set(began) == set()
    assert [(agent["active"], agent["metricsAtEnd"], "dateEnd" in agent) for agent in began["agents"]] == [
        (1, "", False)
    ] * 2
    assert [(agent["active"], agent["metricsAtEnd"], "dateEnd" in agent) for agent in ended["agents"]] == [
        (0, "Response Code: 200", True)
    ] * 2
    assert set(ended) - set(began) == {"dateEnd", "dateEndZoned"}


def test_labels_of_the_test_are_told() -> None:
    """With id and name."""
    here = Rounds(1)
    receiver = Receiver(here)
    label = here.do(
        documents.create, "label", commands.DEFAULT_AID, {"name": "web", "type": "test", "ids": [here.test]}
    )
    here.rule(**receiver.asked)
    here.play("A")
    assert receiver.got[0]["alert"]["testLabels"] == [{"id": int(label.id), "name": "web"}]


def test_a_deleted_tests_alert_still_says_what_was_tested() -> None:
    """Name, target and labels are told at the end as they were at the beginning."""
    here = Rounds(1)
    receiver = Receiver(here)
    here.do(documents.create, "label", commands.DEFAULT_AID, {"name": "web", "type": "test", "ids": [here.test]})
    here.rule(**receiver.asked)
    here.play("A")
    here.do(commands.delete_test, here.test)
    here.play(".")
    began, ended = (body["alert"] for body in receiver.got)
    same = ("testId", "testName", "testLabels", "testTargetsDescription", "apiLinks", "permalink")
    assert {name: ended[name] for name in same} == {name: began[name] for name in same}
    assert (ended["active"], ended["testTargetsDescription"]) == (2, ["https://shop.example"])


@pytest.mark.parametrize("severity", ["info", "minor", "major", "critical", "unknown"])
def test_every_severity_a_rule_may_have_is_within_the_contract(severity: str) -> None:
    """In title case."""
    here = Rounds(1)
    receiver = Receiver(here)
    here.rule(severity=severity, **receiver.asked)
    here.play("A")
    (body,) = receiver.got
    assert body["alert"]["severity"] == severity.title()
    assert catalogue.flaws("thousandeyes-webhook-current", json.dumps(body)) == []


def test_the_test_buttons_event_has_two_keys() -> None:
    """The event id is the time in milliseconds."""
    assert payloads.webhook_test(1_770_000_000_000_000) == {"eventType": "WEBHOOK_TEST", "eventId": "1770000000000"}
