"""From a ThousandEyes alert to the body of a PagerDuty event, within PagerDuty's limits.

The body is made without its routing key: the database never holds one. What is cut is cut visibly: a long summary ends
with an ellipsis, and details that would make the body too large give way to a note saying so.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bridge.messages import InboundMessage, text

MAX_SUMMARY = 1_024
MAX_DEDUP_KEY = 255
MAX_BODY = 512_000
MAX_FIELD = 1_024
ROOM_FOR_KEY = 64
SEVERITIES = ("critical", "error", "warning", "info")
_ZONED = re.compile(r"(\d{4}-\d{2}-\d{2}) (\d{2}:\d{2}:\d{2}) UTC", re.ASCII)
_DETAILS = {
    "ruleName": "Alert Rule",
    "ruleExpression": "Rule Expression",
    "testName": "Test Name",
    "type": "Type",
    "severity": "Severity",
    "dateStartZoned": "Start Date",
    "hostname": "Hostname",
    "ipAddress": "IP Address",
    "agentName": "Agent Name",
    "ruleAid": "Account Group ID",
    "permalink": "Permalink",
}
_KNOWN = frozenset(
    [
        *_DETAILS,
        *("alertId", "ruleId", "testId", "testLabels", "testTargetsDescription", "active", "violationCount"),
        *("dateStart", "dateEnd", "dateEndZoned", "apiLinks", "agents", "monitors", "agentId", "link"),
    ]
)


def dedup_key(source: str, alert_id: str) -> str:
    """Return the key that joins an alert's trigger and resolve; hashed when PagerDuty would find it too long."""
    key = f"{source}:{alert_id}"
    if len(key) <= MAX_DEDUP_KEY:
        return key
    return f"{source}:sha256:{hashlib.sha256(alert_id.encode()).hexdigest()}"


def severity(message: InboundMessage, table: Mapping[str, str], missing: str) -> str:
    """Return PagerDuty's severity; missing or unknown ones become ``missing`` so that nobody sleeps through them."""
    return table.get(message.severity or "", missing)


def trigger(message: InboundMessage, table: Mapping[str, str], missing: str = "critical") -> str:
    """Return the JSON body of the event that opens the incident, without routing key."""
    alert = message.alert
    key = dedup_key(message.source, message.alert_id)
    target = _target(alert)
    link = text(alert.get("permalink")) or text(alert.get("link"))
    payload: dict[str, Any] = {
        "summary": summary(message),
        "source": _cut(target or message.test or text(alert.get("hostname")) or "ThousandEyes", MAX_FIELD),
        "severity": severity(message, table, missing),
    }
    timestamp = _timestamp(alert.get("dateStartZoned"))
    if timestamp is not None:
        payload["timestamp"] = timestamp
    for name, value in (
        ("component", message.test),
        ("group", message.account_group),
        ("class", message.alert_type),
    ):
        if value:
            payload[name] = _cut(value, MAX_FIELD)
    payload["custom_details"] = _details(message, target)
    body: dict[str, Any] = {
        "event_action": "trigger",
        "dedup_key": key,
        "payload": payload,
        "client": "ThousandEyes",
    }
    if link.startswith(("https://", "http://")) and len(link) <= MAX_FIELD:
        body["client_url"] = link
        body["links"] = [{"href": link, "text": "Alert in ThousandEyes"}]
    encoded = _dump(body)
    if len(encoded) + ROOM_FOR_KEY > MAX_BODY:
        payload["custom_details"] = {
            "Note": f"The details were left out: {len(encoded)} bytes are more than PagerDuty takes ({MAX_BODY}).",
            "Alert ID": _cut(message.alert_id, MAX_FIELD),
        }
        encoded = _dump(body)
    return encoded


def resolve(source: str, alert_id: str) -> str:
    """Return the JSON body of the event that closes the incident, without routing key."""
    return _dump({"event_action": "resolve", "dedup_key": dedup_key(source, alert_id)})


def with_key(body: str, routing_key: str) -> bytes:
    """Return a stored body as it goes over the wire."""
    return b'{"routing_key":"' + routing_key.encode("ascii") + b'",' + body[1:].encode("ascii")


def summary(message: InboundMessage) -> str:
    """Return what the responder reads first: rule, test or agent, target; at most 1,024 characters."""
    what = message.test or text(message.alert.get("agentName"))
    target = _target(message.alert)
    line = message.rule or "ThousandEyes alert"
    if what:
        line = f"{line}: {what}"
    if target and target != what:
        line = f"{line} ({target})"
    return _cut(" ".join(line.split()) or "ThousandEyes alert", MAX_SUMMARY)


def _details(message: InboundMessage, target: str) -> dict[str, Any]:
    alert = message.alert
    details: dict[str, Any] = {"Alert ID": message.alert_id}
    for name, title in _DETAILS.items():
        value = text(alert.get(name))
        if value:
            details[title] = value
    if target:
        details["Target"] = target
    if message.labels:
        details["Test Labels"] = ", ".join(message.labels)
    for name, title in (("agents", "Agents"), ("monitors", "Monitors")):
        items = alert.get(name)
        if isinstance(items, list) and items:
            details[f"Number of {title}"] = len(items)
            details[title] = "\n".join(_place(item, name[:-1]) for item in items if isinstance(item, dict))
    for name, value in alert.items():
        if name not in _KNOWN and isinstance(value, str):
            details[text(name)] = text(value)
    return details


def _place(item: Mapping[str, Any], name: str) -> str:
    where = text(item.get(f"{name}Name")) or text(item.get(f"{name}Id"))
    metrics = text(item.get("metricsAtStart"))
    return f"{where}: {metrics}" if metrics else where


def _target(alert: Mapping[str, Any]) -> str:
    targets = alert.get("testTargetsDescription")
    if not isinstance(targets, list):
        return ""
    return ", ".join(text(target) for target in targets if text(target))


def _timestamp(value: object) -> str | None:
    """Return the start as ISO 8601 when it says UTC; other zone abbreviations are ambiguous and left out."""
    match = _ZONED.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return None
    moment = f"{match[1]}T{match[2]}+00:00"
    try:
        datetime.fromisoformat(moment)
    except ValueError:
        return None
    return moment


def _cut(value: str, limit: int) -> str:
    return value if len(value) <= limit else value[: limit - 1] + "…"


def _dump(body: Mapping[str, Any]) -> str:
    return json.dumps(body, separators=(",", ":"))
