"""Reading a notification: tolerant about everything except identity.

ThousandEyes has changed its payloads over the years: alert ids are integers or UUIDs, agents, severity, test and
``active`` may be missing, agent and device alerts carried their own key beside ``alert``, the oldest agent alerts have
another name for their id, custom webhooks look the way their template says. All of that is read. What is not forgiven
is a notification that does not say which alert it is about: nobody could resolve it, so it is refused as unreadable and
kept as a dead letter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from bridge import custom
from bridge.errors import Unreadable
from bridge.parsing import parse

ALERT_KEYS = ("alert", "agentAlert", "deviceAlert", "browserSessionAlert")
MAX_ID = 1_000
#: Values of ``active`` that end an alert: cleared, and disabled by configuration.
ENDED = (0, 2, "0", "2")
_CONTROLS = {code: " " for code in (*range(32), 127) if chr(code) not in "\n\t"}
#: What every alert object may hold; other texts in it are the static keys of the rule's webhook settings.
FIELDS = frozenset(
    [
        *("alertId", "ruleId", "ruleName", "ruleExpression", "ruleAid", "testId", "testName", "testLabels", "type"),
        *("testTargetsDescription", "severity", "active", "violationCount", "dateStart", "dateEnd", "dateStartZoned"),
        *("dateEndZoned", "permalink", "link", "apiLinks", "agents", "monitors", "agentId", "agentName", "hostname"),
        *("ipAddress", "agentRuleId", "agentNotificationId"),
    ]
)


class Kind(StrEnum):
    """What a notification says about its alert."""

    TRIGGER = "trigger"
    CLEAR = "clear"
    TEST = "test"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class InboundMessage:
    """One readable notification; ``alert`` is the vendor's object as it came, ``static`` the rule's own keys in it."""

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
    static: Mapping[str, str] = field(default_factory=dict, repr=False)
    alert: Mapping[str, Any] = field(default_factory=dict, repr=False)


def read(source: str, raw: bytes) -> InboundMessage:
    """Return the message in ``raw``; raise :class:`Unreadable` with the reason when it has no identity."""
    try:
        document = parse(raw)
    except Unreadable:
        salvaged = custom.salvage(raw)
        if salvaged is None:
            raise
        document = salvaged
    if custom.fits(document):
        document = custom.classic(document)
    event_type = document.get("eventType")
    if not isinstance(event_type, str):
        raise Unreadable("eventType is missing, and it is not our custom webhook either")
    event_type = text(event_type).strip()
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
        alert_id = _identity(alert.get("agentNotificationId"))
    if alert_id is None:
        raise Unreadable("alert.alertId is missing or neither a text nor a whole number")
    if alert.get("active") in ENDED:
        kind = Kind.CLEAR
    severity = alert.get("severity")
    return InboundMessage(
        source,
        kind,
        event_type,
        event_id,
        alert_id,
        text(alert.get("ruleName")).strip(),
        text(alert.get("testName")).strip(),
        _labels(alert.get("testLabels")),
        text(severity).strip().capitalize() if isinstance(severity, str) and severity.strip() else None,
        text(alert.get("ruleAid")),
        text(alert.get("type")),
        {text(name): text(value) for name, value in alert.items() if name not in FIELDS and isinstance(value, str)},
        alert,
    )


def text(value: object) -> str:
    """Return texts and numbers as text that any encoder and terminal accepts, everything else as an empty text."""
    if isinstance(value, str):
        if value.isascii() and value.isprintable():
            return value
        return value.translate(_CONTROLS).encode("utf-8", "replace").decode("utf-8")
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
    """Return an opaque identity; texts that another writer could spell in a second way are none."""
    if isinstance(value, float):
        return None
    identity = text(value).strip()
    if isinstance(value, str) and identity != value.strip():
        return None
    return identity if 0 < len(identity) <= MAX_ID and identity.isprintable() and "\ufffd" not in identity else None


def _labels(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        return ()
    names = [text(item.get("name")) if isinstance(item, dict) else text(item) for item in value]
    return tuple(name for name in names if name)
