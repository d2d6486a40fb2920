"""The native PagerDuty integration: setting it up for several services at once, and the events it sends.

Setting up follows PagerDuty's authorization page, where somebody picks services: each of them gets an integration of
its own and a line that says what came of it. Only services with both alerts and incidents can be integrated, and none
twice. What is sent is not published: an Events API v2 event with the documented severity mapping, keyed by the alert's
id (assumed). A clear is a ``resolve`` of that key: PagerDuty resolves the alert, and the incident with its last one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from simulators.engine import ids
from simulators.engine.draft import Draft, View
from simulators.engine.zones import local
from simulators.thousandeyes.model import INTEGRATIONS, Alert, Integration
from simulators.thousandeyes.telling import permalink, story

KIND = "pager-duty"
EVENTS_URL = "https://events.pagerduty.com/v2/enqueue"
#: ThousandEyes severity -> Events API v2 severity; fixed by the vendor.
SEVERITY = {"info": "warning", "minor": "warning", "major": "error", "critical": "critical"}
SUMMARY_LIMIT = 1024
INTEGRATION_ID = ids.decimal(21)


class Outcome(StrEnum):
    """What came of integrating one service."""

    CREATED = "created"
    DUPLICATE = "duplicate"
    REJECTED = "rejected"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Service:
    """A service picked on PagerDuty's page.

    ``key`` is the integration key PagerDuty made for it, "" when it made none, for the reason in ``error``.
    """

    id: str
    name: str
    alerts_and_incidents: bool = True
    key: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """The result of one service; ``integration`` is the id of the new integration, or of the one there was."""

    service: str
    outcome: Outcome
    text: str
    integration: str = ""


def install(
    draft: Draft, services: Iterable[Service], *, subdomain: str = "example", target: str = EVENTS_URL
) -> list[Line]:
    """Integrate the picked services of a PagerDuty account and return one line for each, in order."""
    lines = []
    for service in services:
        line = _install(draft, service, subdomain, target)
        _tell(draft, line, line.integration or service.id)
        lines.append(line)
    return lines


def _tell(draft: Draft, line: Line, subject: str) -> None:
    told = {"service": line.service, "outcome": line.outcome.value, "text": line.text}
    draft.record("integration.installed", subject, **told)


def _install(draft: Draft, service: Service, subdomain: str, target: str) -> Line:
    if not service.alerts_and_incidents:
        return Line(service.name, Outcome.REJECTED, "the service does not create both alerts and incidents")
    known = next((row for row in draft.all(INTEGRATIONS) if row.kind == KIND and row.service == service.id), None)
    if known is not None:
        return Line(service.name, Outcome.DUPLICATE, f"the service is integrated as {known.id} already", known.id)
    if service.error or not service.key:
        return Line(service.name, Outcome.FAILED, service.error or "PagerDuty made no integration key")
    made = Integration(_id(draft), KIND, service.name, target, "token", subdomain, service.key, service=service.id)
    draft.put(INTEGRATIONS, made)
    return Line(service.name, Outcome.CREATED, f"the service is integrated as {made.id}", made.id)


def _id(draft: Draft) -> str:
    return f"pgd-{draft.fresh(INTEGRATION_ID, 'te.integration.pgd')}"


def is_key(text: str) -> bool:
    """Return whether a text can be one of PagerDuty's integration keys."""
    return re.fullmatch(r"[A-Za-z0-9]{32}", text, re.ASCII) is not None


def paste(draft: Draft, name: str, key: str, *, target: str = EVENTS_URL) -> Line:
    """Integrate a service by the integration key somebody copied from PagerDuty, and return what came of it.

    Nobody asks PagerDuty about the key: it is refused when it cannot be one, or when an integration has it already.
    """
    known = next((row for row in draft.all(INTEGRATIONS) if row.kind == KIND and row.token == key), None)
    if not is_key(key):
        line = Line(name, Outcome.REJECTED, "an integration key has 32 letters and digits")
    elif known is not None:
        line = Line(name, Outcome.DUPLICATE, f"the key belongs to {known.id} already", known.id)
    else:
        made = Integration(_id(draft), KIND, name, target, "token", token=key)
        draft.put(INTEGRATIONS, made)
        line = Line(name, Outcome.CREATED, f"the service is integrated as {made.id}", made.id)
    _tell(draft, line, line.integration or KIND)
    return line


def event(view: View, alert: Alert, integration: Integration) -> dict[str, Any]:
    """Return the Events API v2 event for an alert's present state."""
    head: dict[str, Any] = {"routing_key": integration.token, "dedup_key": f"thousandeyes-{alert.id}"}
    told = story(view, alert)
    if not told.triggered:
        return head | {"event_action": "resolve"}
    details: dict[str, Any] = told.fields()
    details["Target"] = told.target
    details["Number of Agents"] = alert.violations
    return head | {
        "event_action": "trigger",
        "payload": {
            "summary": f"{alert.rule_name}: {alert.test_name} ({told.target})"[:SUMMARY_LIMIT],
            "source": told.target or alert.test_name,
            "severity": SEVERITY.get(alert.severity, "warning"),
            "timestamp": local(alert.start, "UTC").strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": alert.test_name,
            "group": alert.aid,
            "class": told.type_name,
            "custom_details": details,
        },
        "client": "ThousandEyes",
        "client_url": permalink(alert),
        "links": [{"href": permalink(alert), "text": "Alert in ThousandEyes"}],
    }
