"""Reading a webhook: tolerant about everything except identity.

ThousandEyes has changed its payloads over the years: alert ids are integers or UUIDs, agents, severity, test and
``active`` may be missing, agent and device alerts carried their own key beside ``alert``. All of that is read. What is
not forgiven is a notification that does not say which alert it is about: nobody could resolve it, so it is refused as
unreadable and kept as a dead letter.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from bridge.errors import Unreadable

ALERT_KEYS = ("alert", "agentAlert", "deviceAlert", "browserSessionAlert")
MAX_ID = 1_000


class Kind(StrEnum):
    """What a notification says about its alert."""

    TRIGGER = "trigger"
    CLEAR = "clear"
    TEST = "test"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class InboundMessage:
    """One readable notification; ``alert`` is the vendor's object as it came, for the translation."""

    source: str
    kind: Kind
    event_type: str
    event_id: str | None = None
    alert_id: str = ""
    rule: str = ""
    test: str = ""
    labels: tuple[str, ...] = ()
    severity: str | None = None
    account_group: str = ""
    alert_type: str = ""
    alert: Mapping[str, Any] = field(default_factory=dict, repr=False)


def read(source: str, raw: bytes) -> InboundMessage:
    """Return the message in ``raw``; raise :class:`Unreadable` with the reason when it has no identity."""
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):
        raise Unreadable("the body is not JSON") from None
    if not isinstance(document, dict):
        raise Unreadable("the body is not a JSON object")
    event_type = document.get("eventType")
    if not isinstance(event_type, str):
        raise Unreadable("eventType is missing")
    event_type = text(event_type)
    event_id = _identity(document.get("eventId"))
    if event_type == "WEBHOOK_TEST":
        return InboundMessage(source, Kind.TEST, event_type, event_id)
    kind = _kind(event_type)
    if kind is Kind.UNKNOWN:
        return InboundMessage(source, kind, event_type, event_id)
    alert = next((document[key] for key in ALERT_KEYS if isinstance(document.get(key), dict)), None)
    if alert is None:
        raise Unreadable("the notification has no alert object")
    alert_id = _identity(alert.get("alertId"))
    if alert_id is None:
        raise Unreadable("alert.alertId is missing or neither a text nor a whole number")
    if alert.get("active") in (0, 2):
        kind = Kind.CLEAR
    severity = alert.get("severity")
    return InboundMessage(
        source,
        kind,
        event_type,
        event_id,
        alert_id,
        text(alert.get("ruleName")),
        text(alert.get("testName")).strip(),
        _labels(alert.get("testLabels")),
        text(severity) if isinstance(severity, str) and severity else None,
        text(alert.get("ruleAid")),
        text(alert.get("type")),
        alert,
    )


def text(value: object) -> str:
    """Return texts and numbers as text that any encoder accepts, everything else as an empty text."""
    if isinstance(value, str):
        if value.isascii():
            return value
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return ""


def _kind(event_type: str) -> Kind:
    if event_type.endswith("CLEAR"):
        return Kind.CLEAR
    if event_type.endswith("TRIGGER"):
        return Kind.TRIGGER
    return Kind.UNKNOWN


def _identity(value: object) -> str | None:
    if isinstance(value, float):
        return None
    identity = text(value).strip()
    return identity if 0 < len(identity) <= MAX_ID else None


def _labels(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        return ()
    names = [text(item.get("name")) if isinstance(item, dict) else text(item) for item in value]
    return tuple(name for name in names if name)
