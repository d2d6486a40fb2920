"""Which incident a new alert joins, and how long a service holds an alert back before it opens one.

Grouping by time: a fixed window from the incident's beginning, or until it is resolved. Grouping by content: alerts
whose listed fields agree, within a window from the newest of them. Learned grouping is not published; such a service
groups nothing. Incidents made by hand take no part, and one incident holds at most :data:`MOST_ALERTS` alerts
(PagerDuty: time-based alert grouping, alert grouping settings, auto-pause incident notifications).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simulators.engine.draft import View
from simulators.engine.instants import MINUTE, SECOND
from simulators.engine.resources import Document
from simulators.pagerduty.model import ALERTS, INCIDENTS, Alert, Incident, Status

MOST_ALERTS = 1000
#: Pause in seconds when the service asks for the recommended one.
RECOMMENDED = 300
_OPEN = (Status.TRIGGERED, Status.ACKNOWLEDGED)


def pause(service: Document) -> int:
    """Return how long the service holds alerts back, in microseconds (0 = not at all)."""
    rule = service.body.get("auto_pause_notifications_parameters")
    if not rule or not rule.get("enabled"):
        return 0
    return int(rule.get("timeout") or RECOMMENDED) * SECOND


def find(view: View, service: Document, alert: Alert) -> Incident | None:
    """Return the open incident ``alert`` is grouped into, or ``None`` when it opens one of its own."""
    rule = service.body.get("alert_grouping_parameters") or {}
    joins = _RULES.get(str(rule.get("type")))
    if joins is None:
        return None
    found = [row for state in _OPEN for row in view.find(INCIDENTS, "state", (service.id, state))]
    for incident in sorted(found, key=lambda row: row.number, reverse=True):
        by_event = incident.opened_by is not None and incident.opened_by.type == "integration_reference"
        room = incident.triggered + incident.closed < MOST_ALERTS
        if by_event and room and joins(view, rule.get("config") or {}, incident, alert):
            return incident
    return None


def _by_time(view: View, config: Mapping[str, Any], incident: Incident, alert: Alert) -> bool:
    window = int(config.get("timeout") or 0) * MINUTE
    return not window or view.now < incident.created + window


def _by_content(view: View, config: Mapping[str, Any], incident: Incident, alert: Alert) -> bool:
    names, window = config.get("fields") or (), int(config.get("time_window") or 0) * SECOND
    held = view.find(ALERTS, "incident", incident.id)
    if not held or not names or (window and view.now >= max(row.created for row in held) + window):
        return False
    quantor = any if config.get("aggregate") == "any" else all
    return any(quantor(_agree(row, alert, name) for name in names) for row in held)


def _agree(one: Alert, other: Alert, name: str) -> bool:
    value = _field(one, name)
    return value is not None and value == _field(other, name)


def _field(alert: Alert, name: str) -> Any:
    """Return a field of the alert's event by its path, such as ``source`` or ``custom_details.host``."""
    if name in {"summary", "severity"}:
        return getattr(alert, name)
    value: Any = alert.event.get("payload")
    for part in name.removeprefix("payload.").split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def window(service: Document, incident: Incident) -> tuple[str, int | None]:
    """Return the name the API gives the service's grouping (empty for none), and when an incident's window ends.

    The window of a grouping by content moves with its alerts and has no end of its own.
    """
    rule = service.body.get("alert_grouping_parameters") or {}
    minutes = int((rule.get("config") or {}).get("timeout") or 0) if rule.get("type") == "time" else 0
    name = {"time": "basic", "content_based": "rules"}.get(str(rule.get("type")), "")
    return name, incident.created + minutes * MINUTE if minutes else None


_RULES = {"time": _by_time, "content_based": _by_content}
