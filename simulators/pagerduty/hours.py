"""Hours of a service: whether it is in maintenance or within its support hours, and when those begin or end next.

A service with support hours may also have scheduled actions: at the beginning (or end) of the hours open incidents that
nobody has acknowledged are raised to another urgency (PagerDuty: configurable service settings).
"""

from __future__ import annotations

from simulators.engine import instants, zones
from simulators.engine.instants import DAY, SECOND
from simulators.engine.resources import Document
from simulators.pagerduty.account import AnyAccount
from simulators.pagerduty.model import Urgency
from simulators.pagerduty.schedules import to_utc

_EDGES = {"support_hours_start": "start_time", "support_hours_end": "end_time"}
_DEFAULTS = {"start_time": "00:00:00", "end_time": "24:00:00"}
_EVERY_DAY = (1, 2, 3, 4, 5, 6, 7)


def supported(service: Document, at: int) -> bool:
    """Return whether ``at`` (microseconds UTC) is within the service's support hours, in their zone."""
    hours = service.body.get("support_hours") or {}
    zone = hours.get("time_zone", "UTC")
    moment = instants.iso(at, zone)[11:19]
    inside = hours.get("start_time", "00:00:00") <= moment < hours.get("end_time", "24:00:00")
    return inside and zones.local(at, zone).isoweekday() in (hours.get("days_of_week") or _EVERY_DAY)


def next_edge(service: Document, name: str, after: int) -> int | None:
    """Return the next ``support_hours_start`` or ``support_hours_end`` later than ``after``, or ``None``."""
    hours = service.body.get("support_hours")
    if not hours or name not in _EDGES:
        return None
    zone, days = hours.get("time_zone", "UTC"), hours.get("days_of_week") or _EVERY_DAY
    field = _EDGES[name]
    parts = [int(part) for part in str(hours.get(field) or _DEFAULTS[field]).split(":")]
    into = sum(part * unit for part, unit in zip(parts, (3600, 60, 1), strict=False)) * SECOND
    today = zones.microseconds(zones.local(after, zone).replace(tzinfo=zones.EPOCH.tzinfo)) // DAY * DAY
    for midnight in range(today - DAY, today + 9 * DAY, DAY):
        if (midnight // DAY + 3) % 7 + 1 in days:
            edge = to_utc(zone, midnight + into)
            if edge > after:
                return edge
    return None


def next_change(service: Document, urgency: Urgency, after: int) -> tuple[int, Urgency] | None:
    """Return when the first scheduled action changes an incident of ``urgency``, and to which; ``None`` for never."""
    found = []
    for action in service.body.get("scheduled_actions") or ():
        wanted = Urgency.LOW if action.get("to_urgency") == "low" else Urgency.HIGH
        edge = next_edge(service, str((action.get("at") or {}).get("name")), after)
        if action.get("type") == "urgency_change" and wanted is not urgency and edge is not None:
            found.append((edge, wanted))
    return min(found, default=None)


def in_maintenance(account: AnyAccount, service: str, at: int) -> bool:
    """Return whether any maintenance window of the service covers ``at``."""
    for window in account.all("maintenance_windows"):
        listed = any(entry["id"] == service for entry in window.body.get("services") or ())
        if listed and instants.parse(window.body["start_time"]) <= at < instants.parse(window.body["end_time"]):
            return True
    return False
