"""From a ThousandEyes alert to the body of a PagerDuty event, within PagerDuty's limits.

The body is made without its routing key: the database never holds one. What is cut is cut visibly: a long summary ends
with an ellipsis, a long detail says how much is missing, and details that would still make the body too large give way
to a note saying so.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from bridge import wording
from bridge.messages import InboundMessage, text
from bridge.wording import Wording

MAX_SUMMARY = 1_024
MAX_DEDUP_KEY = 255
MAX_BODY = 512_000
MAX_FIELD = 1_024
MAX_DETAIL = 20_000
MAX_LINK = 2_000
ROOM_FOR_KEY = 64
SEVERITIES = ("critical", "error", "warning", "info")
CLIENT = "ThousandEyes"
_ENCODER = json.JSONEncoder(separators=(",", ":"))
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


def dedup_key(source: str, alert_id: str) -> str:
    """Return the key that joins an alert's trigger and resolve; hashed when PagerDuty would find it too long."""
    key = f"{source}:{alert_id}"
    if len(key) <= MAX_DEDUP_KEY:
        return key
    return f"{source}:sha256:{hashlib.sha256(alert_id.encode()).hexdigest()}"


def severity(message: InboundMessage, table: Mapping[str, str], missing: str) -> str:
    """Return PagerDuty's severity; missing or unknown ones become ``missing`` so that nobody sleeps through them."""
    return table.get(message.severity or "", missing)


def trigger(message: InboundMessage, severity: str, words: Wording = wording.DEFAULT) -> str:
    """Return the JSON body of the event that opens the incident, without routing key."""
    alert = message.alert
    target = _target(alert)
    values = wording.Values(message, target)
    payload: dict[str, Any] = {
        "summary": summary(values, words),
        "source": _cut(target or message.test or text(alert.get("hostname")) or CLIENT, MAX_FIELD),
        "severity": severity,
    }
    timestamp = _timestamp(alert)
    if timestamp is not None:
        payload["timestamp"] = timestamp
    for name, value in (
        ("component", message.test),
        ("group", message.account_group),
        ("class", message.alert_type),
    ):
        if value:
            payload[name] = _cut(value, MAX_FIELD)
    payload["custom_details"] = _details(message, values, words)
    body: dict[str, Any] = {
        "event_action": "trigger",
        "dedup_key": dedup_key(message.source, message.alert_id),
        "payload": payload,
        "client": CLIENT,
    }
    page = values["permalink"]
    links = [(link.href.fill(values, quoted=True), link.text.fill(values)) for link in words.links]
    if _is_address(page):
        body["client_url"] = page
        links.insert(0, (page, "Alert in ThousandEyes"))
    links = [(href, name) for href, name in links if _is_address(href)]
    if links:
        body["links"] = [{"href": href, "text": _cut(name or href, MAX_FIELD)} for href, name in links]
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


def plain(action: str, key: str, summary: str, severity: str, details: Mapping[str, str]) -> str:
    """Return the body of an event the bridge sends about itself, without routing key."""
    body: dict[str, Any] = {"event_action": action, "dedup_key": key}
    if action == "trigger":
        body["payload"] = {
            "summary": _cut(summary, MAX_SUMMARY),
            "source": "pagedrill bridge",
            "severity": severity,
            "custom_details": {name: _cut_detail(value) for name, value in details.items()},
        }
        body["client"] = "pagedrill bridge"
    return _dump(body)


def with_key(body: str, routing_key: str) -> bytes:
    """Return a stored body as it goes over the wire."""
    return b'{"routing_key":"' + routing_key.encode("ascii") + b'",' + body[1:].encode("ascii")


def summary(values: Mapping[str, str], words: Wording) -> str:
    """Return what the responder reads first, one line of at most 1,024 characters, never empty."""
    line = " ".join(words.summary.fill(values).split())
    return _cut(line or f"ThousandEyes alert {values['alert_id']}", MAX_SUMMARY)


def _details(message: InboundMessage, values: Mapping[str, str], words: Wording) -> dict[str, Any]:
    alert = message.alert
    details: dict[str, Any] = {"Alert ID": _cut(message.alert_id, MAX_FIELD)}
    if words.all_details:
        for name, title in _DETAILS.items():
            details[title] = text(alert.get(name))
        details["Target"] = values["target"]
        details["Test Labels"] = values["labels"]
        for name, title in (("agents", "Agents"), ("monitors", "Monitors")):
            items = alert.get(name)
            if isinstance(items, list) and items:
                details[f"Number of {title}"] = len(items)
                details[title] = "\n".join(_place(item, name[:-1]) for item in items if isinstance(item, dict))
        details = {**message.static, **details}
    for name, words_of_detail in words.details:
        details[name] = words_of_detail.fill(values)
    return {
        name: _cut_detail(value) if isinstance(value, str) else value for name, value in details.items() if value != ""
    }


def _place(item: Mapping[str, Any], name: str) -> str:
    where = text(item.get(f"{name}Name")) or text(item.get(f"{name}Id"))
    metrics = text(item.get("metricsAtStart"))
    return f"{where}: {metrics}" if metrics else where


def _target(alert: Mapping[str, Any]) -> str:
    targets = alert.get("testTargetsDescription")
    if not isinstance(targets, list):
        return ""
    return ", ".join(text(target) for target in targets if text(target))


def _timestamp(alert: Mapping[str, Any]) -> str | None:
    """Return the start as ISO 8601 when it is certain: UTC, or seconds since 1970.

    Other zone abbreviations name several zones, and ``dateStart`` is in the organisation's own time.
    """
    zoned, seconds = alert.get("dateStartZoned"), alert.get("dateStart")
    match = _ZONED.fullmatch(zoned) if isinstance(zoned, str) else None
    try:
        if match is not None:
            moment = f"{match[1]}T{match[2]}+00:00"
            datetime.fromisoformat(moment)
            return moment
        if isinstance(seconds, int) and not isinstance(seconds, bool) and seconds > 0:
            return datetime.fromtimestamp(seconds, UTC).isoformat()
    except (ValueError, OverflowError, OSError):
        return None
    return None


def _is_address(link: str) -> bool:
    return link.startswith(("https://", "http://")) and len(link) <= MAX_LINK and " " not in link


def _cut(value: str, limit: int) -> str:
    return value if len(value) <= limit else value[: limit - 1] + "…"


def _cut_detail(value: str) -> str:
    if len(value) <= MAX_DETAIL:
        return value
    return f"{value[:MAX_DETAIL]}… ({len(value) - MAX_DETAIL} more characters)"


def _dump(body: Mapping[str, Any]) -> str:
    return _ENCODER.encode(body)
