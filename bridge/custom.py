"""ThousandEyes' custom webhooks: the template we ask for, and reading what it renders to.

A custom webhook sends whatever its Handlebars template renders to. Ours puts the identity first, as ids and words that
cannot contain a quote, because ThousandEyes does not escape what it fills in: a quotation mark in the name of a test
breaks the JSON. When that happens the head of the message is still read, so the page goes out with fewer words instead
of not at all.

Templates shaped for Splunk name the alert only inside ``{{id}}-{{alert.id}}``, which is taken apart where it has no
second reading, and may wrap everything in ``event``.

The message is turned into the shape of a classic webhook, so nothing behind this module knows the difference. Templates
by others are read as well when they name the alert and say by the notification's type whether it triggers or clears,
flat or nested the way ThousandEyes nests its variables (``alert.rule.name``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

TEMPLATE = """\
{"bridge":1,"id":"{{id}}","type":"{{type.id}}","alertId":"{{alert.id}}","severity":"{{alert.severity.id}}",
"accountId":"{{alert.rule.account.id}}","ruleId":"{{alert.rule.id}}","alertType":"{{alert.rule.alertType.id}}",
"firstSeen":"{{alert.firstSeen.epochSecond}}","testId":"{{alert.test.id}}",
"ruleName":"{{alert.rule.name}}","testName":"{{alert.test.name}}",
"labels":[{{#each alert.test.labels}}"{{name}}"{{#unless @last}},{{/unless}}{{/each}}],
"targets":[{{#each alert.targets}}"{{description}}"{{#unless @last}},{{/unless}}{{/each}}],
"details":[{{#each alert.details}}{"name":"{{source.name}}","metrics":"{{metricsAtStart}}"}{{#unless @last}},{{/unless}}{{/each}}],
"expression":"{{formatExpression alert.rule.expression}}"}
"""  # noqa: E501 - one value per line keeps it readable where it is pasted
CLEAR, TRIGGER = "1", "2"
#: How the events of classic webhooks are called, whatever they are about.
CLASSIC_EVENTS = ("TRIGGER", "CLEAR", "WEBHOOK_TEST")
ALERT_PAGE = "https://app.thousandeyes.com/alerts/list/"
_EVENTS = {CLEAR: "ALERT_NOTIFICATION_CLEAR", TRIGGER: "ALERT_NOTIFICATION_TRIGGER"}
_HEAD = re.compile(
    rb'\s*\{"bridge":1,"id":"(?P<id>[^"\\]{0,200})","type":"(?P<type>[12])","alertId":"(?P<alertId>[^"\\]{1,1000})",'
    rb'"severity":"(?P<severity>[A-Za-z]{0,20})",\s*"accountId":"(?P<accountId>[^"\\]{0,100})",'
    rb'"ruleId":"(?P<ruleId>[^"\\]{0,100})"'
)
#: Where the variables of a template are when it keeps ThousandEyes' own nesting.
_NESTED: dict[str, tuple[str, ...]] = {
    "type": ("type", "id"),
    "alertId": ("alert", "id"),
    "severity": ("alert", "severity", "id"),
    "accountId": ("alert", "rule", "account", "id"),
    "ruleId": ("alert", "rule", "id"),
    "ruleName": ("alert", "rule", "name"),
    "expression": ("alert", "rule", "expression"),
    "alertType": ("alert", "rule", "alertType", "id"),
    "testId": ("alert", "test", "id"),
    "testName": ("alert", "test", "name"),
    "firstSeen": ("alert", "firstSeen", "epochSecond"),
}
#: A notification's id, then the alert's: two numbers, or anything and a UUID.
_JOINED = re.compile(r"[0-9]+-(?P<number>[0-9]+)|.+-(?P<uuid>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})", re.ASCII)
#: The same, one step shorter.
_SHORTER: dict[str, tuple[str, ...]] = {"severity": ("alert", "severity"), "alertType": ("alert", "type")}
#: Names other templates use for what ours calls by the name on the left.
_ALIASES = {
    "id": ("notificationId", "eventId"),
    "type": ("alert_type", "typeId"),
    "alertId": ("alert_id",),
    "testName": ("test_name",),
    "ruleName": ("rule_name",),
}


def salvage(raw: bytes) -> dict[str, Any] | None:
    """Return what the head of a broken rendering of our template says, or ``None`` when it is not one."""
    head = _HEAD.match(raw)
    if head is None:
        return None
    found = {name: value.decode("ascii", "replace") for name, value in head.groupdict().items()}
    return {**found, "ruleName": f"ThousandEyes rule {found['ruleId'] or 'unknown'}", "broken": True}


def fits(document: Mapping[str, Any]) -> bool:
    """Say whether this looks like a rendered template: an alert's id, and a type that is 1 or 2.

    A template may name an event of its own, as the one for Splunk does; one of ThousandEyes' own names is a classic
    webhook.
    """
    event = document.get("eventType")
    if isinstance(event, str) and event.strip().endswith(CLASSIC_EVENTS):
        return False
    flat = flattened(document)
    return _plain(flat, "alertId") != "" and _plain(flat, "type") in _EVENTS


def flattened(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a rendered template with its nested variables beside its flat ones, which count for more."""
    found: dict[str, Any] = {}
    event = document.get("event")
    if isinstance(event, Mapping):
        document = event
    for name, path in (*_SHORTER.items(), *_NESTED.items()):
        value: Any = document
        for step in path:
            value = value.get(step) if isinstance(value, Mapping) else None
        found[name] = found.get(name) if value is None else value
    alert = document.get("alert")
    inner = alert if isinstance(alert, Mapping) else {}
    test = inner.get("test")
    found["labels"] = test.get("labels") if isinstance(test, Mapping) else None
    found["targets"] = [item.get("description") for item in _list(inner.get("targets")) if isinstance(item, Mapping)]
    found["details"] = [
        {"name": source.get("name"), "metrics": item.get("metricsAtStart")}
        for item in _list(inner.get("details"))
        if isinstance(item, Mapping) and isinstance(source := item.get("source"), Mapping)
    ]
    flat = {name: value for name, value in document.items() if not isinstance(value, Mapping)}
    joined = document.get("eventId")
    apart = _JOINED.fullmatch(joined) if isinstance(joined, str) else None
    if apart is not None and not found.get("alertId") and not _plain(flat, "alertId"):
        found["alertId"] = apart["number"] or apart["uuid"]
    outer = document.get("test")
    if isinstance(outer, Mapping) and not found.get("testName"):
        found["testName"] = outer.get("name")
    return {**{name: value for name, value in found.items() if value not in (None, [])}, **flat}


def classic(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the rendered template in the shape of a classic webhook."""
    document = flattened(document)
    alert_id, account = _plain(document, "alertId"), _plain(document, "accountId")
    alert: dict[str, Any] = {
        "alertId": alert_id,
        "severity": _plain(document, "severity"),
        "ruleAid": account,
        "ruleId": _plain(document, "ruleId"),
        "ruleName": _plain(document, "ruleName"),
        "ruleExpression": _plain(document, "expression"),
        "testId": _plain(document, "testId"),
        "testName": _plain(document, "testName"),
        "testLabels": document.get("labels"),
        "testTargetsDescription": document.get("targets"),
        "type": _plain(document, "alertType"),
        "permalink": permalink(account, alert_id),
        "agents": [
            {"agentName": item.get("name"), "metricsAtStart": item.get("metrics")}
            for item in _list(document.get("details"))
            if isinstance(item, dict)
        ],
    }
    since = _plain(document, "firstSeen")
    if since.isascii() and since.isdigit() and len(since) <= 11:
        alert["dateStart"] = int(since)
    if document.get("broken"):
        alert["Note"] = "A name in this alert contains a quotation mark, so ThousandEyes sent only part of the text."
    event = _EVENTS[_plain(document, "type")]
    identity = _plain(document, "id")
    return {
        "eventType": event,
        "eventId": f"{identity}-{alert_id}-{_plain(document, 'type')}" if identity else None,
        "alert": {name: value for name, value in alert.items() if value not in ("", [], None)},
    }


def permalink(account: str, alert_id: str) -> str:
    """Return the address of an alert's page."""
    query = f"__a={account}&alertId={alert_id}" if account else f"alertId={alert_id}"
    return f"{ALERT_PAGE}?{query}" if re.fullmatch(r"[A-Za-z0-9-]+", account + alert_id) else ""


def _plain(document: Mapping[str, Any], name: str) -> str:
    """Return a text or a number as text; anything else, and what is missing, as an empty text."""
    for key in (name, *_ALIASES.get(name, ())):
        value = document.get(key)
        if isinstance(value, str | int) and not isinstance(value, bool) and str(value).strip():
            return str(value).strip()
    return ""


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
