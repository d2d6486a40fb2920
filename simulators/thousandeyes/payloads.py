"""The classic webhook's body: ``eventType``, ``eventId`` and ``alert``, exactly as receivers know them.

Alerts of tests list their agents, those about routes their monitors; links still point at the API of version 4; keys
added in the webhook's settings stand inside ``alert``. The test button's event has no alert at all.
"""

from __future__ import annotations

from typing import Any

from simulators.engine.draft import View
from simulators.thousandeyes.model import AGENTS, Alert, Integration, Location
from simulators.thousandeyes.telling import Story, permalink, story

API_V4 = "https://api.thousandeyes.com/v4"
#: Where version 4 of the API has the data behind an alert, by alert type.
DATA_PATHS = {
    "http-server": "web/http-server",
    "page-load": "web/page-load",
    "web-transactions": "web/transactions",
    "api": "web/api",
    "ftp": "web/ftp-server",
    "end-to-end-server": "net/metrics",
    "end-to-end-agent": "net/metrics",
    "path-trace": "net/path-vis",
    "bgp": "net/bgp-metrics",
    "dns-server": "dns/server",
    "dns-trace": "dns/trace",
    "dnssec": "dns/dnssec",
    "sip-server": "voip/sip-server",
    "voice": "voip/metrics",
}
TRIGGER, CLEAR, TEST = "ALERT_NOTIFICATION_TRIGGER", "ALERT_NOTIFICATION_CLEAR", "WEBHOOK_TEST"


def webhook_test(now: int) -> dict[str, Any]:
    """Return the test button's event; ``now`` is in microseconds."""
    return {"eventType": TEST, "eventId": str(now // 1000)}


def webhook_payload(view: View, alert: Alert, integration: Integration, event: str, event_id: str) -> dict[str, Any]:
    """Return the body of a classic webhook (ThousandEyes: webhook notification format)."""
    told = story(view, alert)
    if alert.alert_type == "agent":
        return _agent_payload(view, told, integration, event, event_id)
    body: dict[str, Any] = {
        "severity": alert.severity.title(),
        "dateStartZoned": told.zoned(alert.start),
        "apiLinks": [
            {"rel": "related", "href": f"{API_V4}/tests/{alert.test}"},
            {"rel": "data", "href": f"{API_V4}/{DATA_PATHS.get(alert.alert_type, 'web/http-server')}/{alert.test}"},
        ],
        "testLabels": [{"id": integer(label), "name": name} for label, name in told.labels],
        "active": alert.state.active,
        "ruleExpression": told.rule,
        "type": told.type_name,
        "ruleAid": integer(alert.aid),
        _PLACES.get(alert.alert_type, "agents"): [_place(told, name, entry) for name, entry in told.locations],
        "testTargetsDescription": [told.target] if told.target else [],
        "violationCount": alert.violations,
        "dateStart": told.plain(alert.start),
        "ruleName": alert.rule_name,
        "testId": integer(alert.test),
        "alertId": alert.id,
        "ruleId": integer(alert.rule),
        "permalink": permalink(alert),
        "testName": alert.test_name,
    }
    if alert.end is not None:
        body["dateEnd"] = told.plain(alert.end)
        body["dateEndZoned"] = told.zoned(alert.end)
    body.update(integration.static)
    return {"eventId": event_id, "alert": body, "eventType": event}


def _agent_payload(view: View, told: Story, integration: Integration, event: str, event_id: str) -> dict[str, Any]:
    """Return the body of an alert about an agent: its own fields instead of a test's, twice over."""
    alert = told.alert
    place = alert.locations[0].agent
    agent = view.get(AGENTS, place)
    body: dict[str, Any] = {
        "severity": alert.severity.title(),
        "dateStartZoned": told.zoned(alert.start),
        "agentId": integer(place),
        "ipAddress": alert.part,
        "agentName": alert.test_name,
        "ruleExpression": told.rule,
        "type": told.type_name,
        "ruleAid": integer(alert.aid),
        "hostname": alert.test_name if agent is None else agent.body.get("hostname", agent.name),
        "dateStart": told.plain(alert.start),
        "ruleName": alert.rule_name,
        "alertId": integer(alert.id),
        "ruleId": integer(alert.rule),
    }
    if alert.end is not None:
        body |= {"dateEnd": told.plain(alert.end), "dateEndZoned": told.zoned(alert.end)}
    body.update(integration.static)
    return {"eventId": event_id, "alert": body, "eventType": event, "agentAlert": body}


_PLACES = {"bgp": "monitors"}


def _place(told: Story, name: str, entry: Location) -> dict[str, Any]:
    what = "monitor" if told.alert.alert_type == "bgp" else "agent"
    shown: dict[str, Any] = {
        "dateStart": told.plain(entry.since),
        "active": entry.state.active,
        "metricsAtStart": entry.metrics_at_start,
        "metricsAtEnd": entry.metrics_at_end,
        "permalink": permalink(told.alert, entry.agent),
        f"{what}Id": integer(entry.agent),
        f"{what}Name": name,
    }
    if entry.until is not None:
        shown["dateEnd"] = told.plain(entry.until)
    return shown


def integer(text: str) -> int | str:
    """Return an id as webhooks write it: as a number where it is one."""
    return int(text) if text.isdecimal() else text
