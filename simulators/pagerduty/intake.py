"""The Events API v2: what is accepted, what is refused in which words, and what an accepted event does.

An answer of 202 says nothing about an incident: events for a disabled service, during maintenance or with nobody on
call are accepted and dropped, which only the journal tells.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from simulators.engine import instants, limits
from simulators.engine.draft import Draft
from simulators.engine.instants import MINUTE
from simulators.engine.resources import Document, freeze
from simulators.pagerduty import escalation, incidents
from simulators.pagerduty.account import Account
from simulators.pagerduty.model import (
    ALERT_ID,
    ALERTS,
    CHANGES,
    DOCUMENTS,
    INCIDENTS,
    KEY,
    OWNER,
    RESOURCE_ID,
    Agent,
    Alert,
    Change,
    Knobs,
    LogType,
    OverLong,
    Status,
    UnknownKey,
    Urgency,
)

Answer = tuple[int, Any]
LIMIT = 512 * 1024
ACTIONS = ("trigger", "acknowledge", "resolve")
SEVERITIES = ("critical", "warning", "error", "info")
_RANK = {"info": 0, "warning": 1, "error": 2, "critical": 3}
_UNREADABLE = {
    "status": "Unrecognized object",
    "message": "Event object format is unrecognized",
    "errors": ["JSON parse error"],
}
_THROTTLED = {
    "status": "throttle exceeded",
    "message": "Requests for this service are arriving too quickly.  Please retry later.",
    "errors": ["Enhance Your Calm."],
}


def invalid(*errors: str) -> dict[str, Any]:
    """Return the body of a refusal."""
    return {"status": "invalid event", "message": "Event object is invalid", "errors": list(errors)}


def _missing(value: Any) -> bool:
    return not isinstance(value, str) or not value.strip()


def _choices(names: tuple[str, ...]) -> str:
    quoted = [f"'{name}'" for name in names]
    return f"(must be one of the following: {', '.join(quoted[:-1])} or {quoted[-1]})"


def _key_problems(event: Mapping[str, Any]) -> list[str]:
    key = event.get("routing_key")
    if not isinstance(key, str) or not key:
        return ["'routing_key' cannot be blank"]
    problems = []
    if len(key) != 32:
        problems.append("Length of 'routing_key' is incorrect (should be 32 characters)")
    if not (key.isascii() and key.isalnum()):
        problems.append("'routing_key' cannot contain non-alphanumeric characters.")
    return problems


def problems(event: Mapping[str, Any], knobs: Knobs) -> list[str]:
    """Return everything wrong with an event, in the vendor's words."""
    found = _key_problems(event)
    action = event.get("event_action")
    if _missing(action):
        found.append("'event_action' is missing or blank")
    elif action not in ACTIONS:
        found.append(f"'event_action' is invalid {_choices(ACTIONS)}")
    key = event.get("dedup_key")
    if action in ("acknowledge", "resolve") and _missing(key):
        found.append("'dedup_key' is missing or blank")
    if key is not None and not isinstance(key, str):
        found.append("'dedup_key' is invalid (must be a string)")
    elif key is not None and len(key) > 255:
        found.append("'dedup_key' is too long (maximum is 255 characters)")
    if action == "trigger":
        payload = event.get("payload")
        payload = payload if isinstance(payload, dict) else {}
        found += [
            f"'payload.{name}' is missing or blank" for name in ("summary", "source") if _missing(payload.get(name))
        ]
        severity = payload.get("severity")
        if severity is None or severity == "":
            found.append("'payload.severity' is missing or blank")
        elif severity not in SEVERITIES:
            found.append(f"'payload.severity' is invalid {_choices(SEVERITIES)}")
        if knobs.over_long is OverLong.REJECT and len(str(payload.get("summary") or "")) > 1024:
            found.append("'payload.summary' is too long (maximum is 1024 characters)")
    return found


def _read(body: bytes) -> dict[str, Any] | Answer:
    if len(body) > LIMIT:
        return 413, invalid("Event object is too large (maximum is 512 KB)")
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        return 400, _UNREADABLE
    return event if isinstance(event, dict) else (400, _UNREADABLE)


def accept(draft: Draft, body: bytes) -> Answer:
    """Take one alert event; return the HTTP status and the JSON (or, for one knob, plain text) to answer."""
    event = _read(body)
    return event if isinstance(event, tuple) else accept_event(draft, event)


def accept_event(draft: Draft, event: Mapping[str, Any]) -> Answer:
    """Take one alert event that is already a JSON object."""
    knobs = draft.knobs(Knobs)
    found = problems(event, knobs)
    if found:
        draft.record("event.refused", str(event.get("routing_key") or ""), errors=found)
        return 400, invalid(*found)
    owner = _owner(draft, event["routing_key"])
    if isinstance(owner, tuple) and knobs.unknown_key is not UnknownKey.ACCEPT_202:
        return owner
    if knobs.events_per_minute:
        limit_key = f"pagerduty.events.{event['routing_key']}"
        verdict = limits.spend(draft, limit_key, limit=knobs.events_per_minute, window=MINUTE, sliding=True)
        if not verdict.allowed:
            return 429, _THROTTLED
    key = event.get("dedup_key") or draft.fresh(KEY, "pagerduty.dedup_key")
    if isinstance(owner, Document):
        _apply(draft, owner, event, key)
    else:
        _drop(draft, event, key, "the routing key belongs to nobody")
    return 202, {"status": "success", "message": "Event processed", "dedup_key": key}


def _owner(draft: Draft, key: str) -> Document | Answer:
    owners = draft.find(DOCUMENTS["integrations"], "routing_key", key)
    if owners:
        return owners[0]
    draft.record("event.refused", key, errors=["Invalid routing key"])
    if draft.knobs(Knobs).unknown_key is UnknownKey.PLAIN_TEXT_400:
        return 400, "Invalid routing key"
    return 400, invalid("Invalid routing key")


def _drop(draft: Draft, event: Mapping[str, Any], key: str, why: str) -> None:
    draft.record("event.dropped", key, action=event["event_action"], why=why)


def in_maintenance(draft: Draft, service: str) -> bool:
    """Return whether any maintenance window of the service covers now."""
    for window in draft.all(DOCUMENTS["maintenance_windows"]):
        listed = any(entry["id"] == service for entry in window.body.get("services") or ())
        if listed and instants.parse(window.body["start_time"]) <= draft.now < instants.parse(window.body["end_time"]):
            return True
    return False


def _apply(draft: Draft, integration: Document, event: Mapping[str, Any], key: str) -> None:
    action = event["event_action"]
    service = Account(draft).get("services", integration.parent)
    if service is None or service.body.get("status") == "disabled":
        return _drop(draft, event, key, "the service is disabled")
    quiet = action != "acknowledge" or draft.knobs(Knobs).ack_dropped_in_maintenance
    if quiet and in_maintenance(draft, service.id):
        return _drop(draft, event, key, "the service is in maintenance")
    agent = Agent("integration_reference", integration.id, "api")
    alert = next(iter(draft.find(ALERTS, "open", (integration.id, key))), None)
    if action == "trigger":
        if alert is None:
            _open(draft, service, integration, event, key, agent)
        else:
            _append(draft, service, alert, event, agent)
    elif alert is None or alert.incident is None:
        _drop(draft, event, key, "no open alert has this key")
    elif action == "acknowledge":
        incidents.acknowledge(draft, draft.need(INCIDENTS, alert.incident), agent)
    else:
        resolve_alert(draft, alert, agent)
    return None


def _open(
    draft: Draft, service: Document, integration: Document, event: Mapping[str, Any], key: str, agent: Agent
) -> None:
    payload = event["payload"]
    summary = payload["summary"][:1024]
    urgency = escalation.service_urgency(service, payload["severity"], draft.now)
    id = draft.fresh(ALERT_ID, "pagerduty.alert")
    incident = incidents.trigger(draft, service, summary, urgency, agent, alerts=1, alert=id)
    if incident is None:
        return _drop(draft, event, key, "nobody is on call on any level")
    now, severity = draft.now, payload["severity"]
    row = Alert(
        id, key, integration.id, service.id, incident.id, Status.TRIGGERED, severity, summary, now, now, freeze(event)
    )
    draft.put(ALERTS, row)
    return None


def _append(draft: Draft, service: Document, alert: Alert, event: Mapping[str, Any], agent: Agent) -> None:
    payload = event["payload"]
    severity = max(alert.severity, payload["severity"], key=lambda value: _RANK[value])
    changed = replace(
        alert,
        severity=severity,
        summary=payload["summary"][:1024],
        event=freeze(event),
        changed=draft.now,
        triggers=alert.triggers + 1,
    )
    draft.put(ALERTS, changed)
    if alert.incident is None:
        return
    incident = draft.need(INCIDENTS, alert.incident)
    cap = draft.knobs(Knobs).trigger_cap
    if alert.triggers < cap:
        incidents.log(draft, LogType.TRIGGER, incident, agent, alert=alert.id)
    elif alert.triggers == cap:
        incidents.log(draft, LogType.TRIGGER_LIMIT, incident, agent, alert=alert.id)
    draft.record("event.appended", incident.id, number=incident.number, key=alert.key, count=changed.triggers)
    risen = escalation.severity_based(service) and _RANK[severity] > _RANK[alert.severity]
    if risen and escalation.service_urgency(service, severity, draft.now) is Urgency.HIGH:
        incidents.set_urgency(draft, incident, agent, Urgency.HIGH)


def resolve_alert(draft: Draft, alert: Alert, agent: Agent) -> None:
    """Resolve one alert; the incident is resolved with its last one."""
    if alert.status is Status.RESOLVED or alert.incident is None:
        return
    incident = draft.need(INCIDENTS, alert.incident)
    if incident.triggered <= 1:
        incidents.resolve(draft, incident, agent)
        return
    draft.put(ALERTS, replace(alert, status=Status.RESOLVED, resolved=draft.now, changed=draft.now))
    draft.put(INCIDENTS, replace(incident, triggered=incident.triggered - 1, closed=incident.closed + 1))


def accept_change(draft: Draft, body: bytes) -> Answer:
    """Take one change event: stored, no alert and no notification."""
    event = _read(body)
    if isinstance(event, tuple):
        return event
    found = _key_problems(event)
    payload = event.get("payload")
    if _missing(payload.get("summary") if isinstance(payload, dict) else None):
        found.append("'payload.summary' is missing or blank")
    if found:
        return 400, invalid(*found)
    owner = _owner(draft, event["routing_key"])
    if isinstance(owner, tuple):
        return owner
    id = draft.fresh(RESOURCE_ID, f"{OWNER}.change")
    draft.put(CHANGES, Change(id, owner.parent, owner.id, draft.now, freeze(event)))
    return 202, {"status": "success", "message": "Change event processed"}
