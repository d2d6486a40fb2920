"""The Events APIs: what becomes of an alert event, a change event, an event of the first version.

Checks come in this order: size, JSON, every field at once, whose key it is, the key's rate; then it is accepted.
An answer of 202 says nothing about an incident: events for a disabled service, during maintenance or with nobody on
call are accepted and dropped, which only the journal tells.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from simulators.engine import limits
from simulators.engine.agenda import Timer
from simulators.engine.draft import Draft, View
from simulators.engine.instants import MINUTE
from simulators.engine.resources import Document, freeze
from simulators.engine.wire import read_json
from simulators.pagerduty import escalation, grouping, history, hours, incidents
from simulators.pagerduty.account import Account
from simulators.pagerduty.model import (
    ALERT_ID,
    ALERTS,
    CHANGES,
    DOCUMENTS,
    INCIDENTS,
    KEY,
    LOG_ENTRIES,
    OWNER,
    RESOURCE_ID,
    Agent,
    Alert,
    Change,
    Incident,
    Knobs,
    LogType,
    Status,
    UnknownKey,
    Urgency,
)
from simulators.pagerduty.validity import LONGEST_SUMMARY, change_problems, invalid, problems, v1_problems

Answer = tuple[int, Any]
LIMIT = 512 * 1024
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
UNPAUSE, TAKE_IN = "unpause", "take-in"
MILLISECOND = 1_000
#: An alert without a severity is stored as this one (PagerDuty: dynamic notifications).
UNRATED = "critical"
#: How a service is set whose events open incidents without alerts (retired by the vendor since February 2024).
INCIDENTS_ONLY = "create_incidents"
_REPEATS = (LogType.TRIGGER, LogType.TRIGGER_LIMIT)


def _read(body: bytes) -> dict[str, Any] | Answer:
    if len(body) > LIMIT:
        return 413, invalid("Event object is too large (maximum is 512 KB)")
    try:
        event = read_json(body)
    except ValueError:
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
        return _refuse(draft, event.get("routing_key"), found)
    key = event.get("dedup_key") or None
    admitted = _admit(draft, knobs, event["routing_key"], "Invalid routing key")
    if isinstance(admitted, tuple):
        return admitted
    key = _deliver(draft, admitted, event, key)
    return 202, {"status": "success", "message": "Event processed", "dedup_key": key}


def accept_v1(draft: Draft, body: bytes) -> Answer:
    """Take one event of the first version; the same key serves both versions and both meet in one alert."""
    event = _read(body)
    if isinstance(event, tuple):
        return event
    knobs = draft.knobs(Knobs)
    found = v1_problems(event, knobs)
    if found:
        return _refuse(draft, event.get("service_key"), found)
    admitted = _admit(draft, knobs, event["service_key"], "Invalid service key")
    if isinstance(admitted, tuple):
        return (403, admitted[1]) if admitted[0] == 429 else admitted
    key = _deliver(draft, admitted, _modern(event), event.get("incident_key") or None)
    return 200, {"status": "success", "message": "Event processed", "incident_key": key}


def _modern(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return an event of the first version in the shape of the second; it has neither source nor severity."""
    listed = event.get("contexts")
    contexts = [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
    return {
        "service_key": event["service_key"],
        "event_action": event["event_type"],
        "payload": {"summary": event.get("description"), "custom_details": event.get("details")},
        "client": event.get("client"),
        "client_url": event.get("client_url"),
        "links": [entry for entry in contexts if entry.get("type") == "link"],
        "images": [entry for entry in contexts if entry.get("type") == "image"],
    }


def accept_change(draft: Draft, body: bytes) -> Answer:
    """Take one change event: stored, no alert and no notification."""
    event = _read(body)
    if isinstance(event, tuple):
        return event
    knobs = draft.knobs(Knobs)
    found = change_problems(event, knobs)
    if found:
        return _refuse(draft, event.get("routing_key"), found)
    admitted = _admit(draft, knobs, event["routing_key"], "Invalid routing key")
    if isinstance(admitted, tuple):
        return admitted
    if admitted is not None:
        id = draft.fresh(RESOURCE_ID, f"{OWNER}.change")
        draft.put(CHANGES, Change(id, admitted.parent, admitted.id, draft.now, freeze(event)))
        draft.record("change.accepted", id, service=admitted.parent)
    return 202, {"status": "success", "message": "Change event processed"}


def _refuse(draft: Draft, key: Any, found: list[str]) -> Answer:
    draft.record("event.refused", str(key or ""), errors=found)
    return 400, invalid(*found)


def _admit(draft: Draft, knobs: Knobs, key: str, stranger: str) -> Document | Answer | None:
    """Return the integration a key belongs to (``None`` = nobody's, but accepted), or the refusal to answer."""
    owners = draft.find(DOCUMENTS["integrations"], "routing_key", key)
    if not owners and knobs.unknown_key is not UnknownKey.ACCEPT_202:
        draft.record("event.refused", key, errors=[stranger])
        return 400, stranger if knobs.unknown_key is UnknownKey.PLAIN_TEXT_400 else invalid(stranger)
    if knobs.events_per_minute:
        name = f"pagerduty.events.{key}"
        verdict = limits.spend(draft, name, limit=knobs.events_per_minute, window=MINUTE, sliding=True)
        if not verdict.allowed:
            draft.record("event.throttled", key)
            return 429, _THROTTLED
    return owners[0] if owners else None


def _deliver(draft: Draft, integration: Document | None, event: Mapping[str, Any], key: str | None) -> str:
    """Let an accepted event take effect and return its key, a fresh one when it came without."""
    named = key or draft.fresh(KEY, "pagerduty.dedup_key")
    delay = draft.knobs(Knobs).intake_delay_ms * MILLISECOND
    if integration is None:
        _drop(draft, event, named, "the routing key belongs to nobody")
    elif delay:
        waiting = draft.fresh(KEY, "pagerduty.intake")
        draft.schedule(draft.now + delay, OWNER, TAKE_IN, waiting, (integration.id, freeze(event), named))
    else:
        _apply(draft, integration, event, named)
    return named


def on_delayed(draft: Draft, timer: Timer) -> None:
    """Let an event that was accepted a moment ago take effect; events wait equally long, so they keep their order."""
    id, event, key = timer.data
    integration = draft.get(DOCUMENTS["integrations"], id)
    if integration is None:
        _drop(draft, event, key, "the integration was deleted meanwhile")
    else:
        _apply(draft, integration, event, key)


def _drop(draft: Draft, event: Mapping[str, Any], key: str, why: str) -> None:
    draft.record("event.dropped", key, action=event["event_action"], why=why)


def in_maintenance(draft: View, service: str) -> bool:
    """Return whether any maintenance window of the service covers now."""
    return hours.in_maintenance(Account(draft), service, draft.now)


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
    bare = None if alert else _bare(draft, integration, key)
    if bare is not None:
        _tell_bare(draft, service, bare, event, agent)
    elif action == "trigger":
        if alert is None and service.body.get("alert_creation") == INCIDENTS_ONLY:
            _open_bare(draft, service, event, key, agent)
        elif alert is None:
            _open(draft, service, integration, event, key, agent)
        else:
            _append(draft, service, alert, event, agent)
    elif alert is None or (alert.incident is None and action == "acknowledge"):
        _drop(draft, event, key, "no open alert has this key" if alert is None else "its incident is paused")
    elif action == "acknowledge":
        incidents.acknowledge(draft, draft.need(INCIDENTS, str(alert.incident)), agent)
    else:
        resolve_alert(draft, alert, agent)
    return None


def _open(
    draft: Draft, service: Document, integration: Document, event: Mapping[str, Any], key: str, agent: Agent
) -> None:
    payload = event["payload"]
    summary, severity = payload["summary"][:LONGEST_SUMMARY], _severity(event)
    id, now, frozen = draft.fresh(ALERT_ID, "pagerduty.alert"), draft.now, freeze(event)
    row = Alert(id, key, integration.id, service.id, None, Status.TRIGGERED, severity, summary, now, now, frozen)
    pause = grouping.pause(service)
    if pause:
        draft.put(ALERTS, row)
        draft.schedule(now + pause, OWNER, UNPAUSE, id)
        draft.record("alert.paused", id, key=key, service=service.id, until=now + pause)
    else:
        incident = _join(draft, service, row, payload.get("severity"), agent)
        if incident is None:
            return _drop(draft, event, key, "nobody is on call on any level")
        draft.put(ALERTS, replace(row, incident=incident.id))
    return None


def _bare(draft: Draft, integration: Document, key: str) -> Incident | None:
    """Return the newest open incident without alerts that this integration opened under this key."""
    for incident in reversed(draft.find(INCIDENTS, "key", key)):
        mine = incident.opened_by is not None and incident.opened_by.id == integration.id
        if mine and incident.status is not Status.RESOLVED:
            return incident
    return None


def _open_bare(draft: Draft, service: Document, event: Mapping[str, Any], key: str, agent: Agent) -> None:
    """Open the incident of a service that creates incidents only; the key of the event is the incident's own."""
    payload = event["payload"]
    urgency = escalation.service_urgency(service, payload.get("severity"), draft.now)
    title = payload["summary"][:LONGEST_SUMMARY]
    if incidents.trigger(draft, service, title, urgency, agent, key=key, event=freeze(event)) is None:
        _drop(draft, event, key, "nobody is on call on any level")


def _tell_bare(draft: Draft, service: Document, incident: Incident, event: Mapping[str, Any], agent: Agent) -> None:
    """Let an event act on an open incident without alerts, as it would on an alert and its incident."""
    if event["event_action"] == "acknowledge":
        incidents.acknowledge(draft, incident, agent)
    elif event["event_action"] == "resolve":
        incidents.resolve(draft, incident, agent)
    else:
        known = [entry for entry in draft.find(LOG_ENTRIES, "incident", incident.id) if entry.type in _REPEATS]
        _repeat(draft, incident, agent, freeze(event), len(known), incident.key)
        severity = _severity(event)
        if all(_RANK[severity] > _RANK[_severity(entry.data)] for entry in known if entry.data):
            _rise(draft, service, incident, agent, severity)


def _severity(event: Mapping[str, Any]) -> str:
    return event["payload"].get("severity") or UNRATED


def _join(draft: Draft, service: Document, alert: Alert, severity: str | None, agent: Agent) -> Incident | None:
    """Return the incident a new alert belongs to, counted in: one it is grouped into, or one of its own."""
    incident = grouping.find(draft, service, alert)
    if incident is None:
        urgency = escalation.service_urgency(service, severity, draft.now)
        return incidents.trigger(
            draft, service, alert.summary, urgency, agent, alerts=1, alert=alert.id, event=alert.event
        )
    joined = replace(incident, triggered=incident.triggered + 1)
    draft.put(INCIDENTS, joined)
    history.log(draft, LogType.TRIGGER, joined, agent, alert=alert.id, data=alert.event)
    draft.record("alert.grouped", joined.id, number=joined.number, key=alert.key, count=joined.triggered)
    if escalation.severity_based(service) and escalation.service_urgency(service, severity, draft.now) is Urgency.HIGH:
        joined = incidents.set_urgency(draft, joined, agent, Urgency.HIGH)
    return joined


def on_timer(draft: Draft, timer: Timer) -> None:
    """At the end of an alert's pause open its incident; when nobody is on call the alert is dropped."""
    alert = draft.get(ALERTS, timer.key)
    service = None if alert is None else Account(draft).get("services", alert.service)
    if alert is None or service is None or alert.status is Status.RESOLVED or alert.incident is not None:
        return
    agent = Agent("integration_reference", alert.integration, "api")
    incident = _join(draft, service, alert, alert.severity, agent)
    if incident is None:
        draft.delete(ALERTS, alert.id)
        _drop(draft, alert.event, alert.key, "nobody is on call on any level")
    else:
        draft.put(ALERTS, replace(alert, incident=incident.id))


def _append(draft: Draft, service: Document, alert: Alert, event: Mapping[str, Any], agent: Agent) -> None:
    payload = event["payload"]
    severity = max(alert.severity, _severity(event), key=_RANK.__getitem__)
    frozen = freeze(event)
    changed = replace(
        alert,
        severity=severity,
        summary=payload["summary"][:LONGEST_SUMMARY],
        event=frozen,
        changed=draft.now,
        triggers=alert.triggers + 1,
    )
    draft.put(ALERTS, changed)
    if alert.incident is None:
        return
    incident = draft.need(INCIDENTS, alert.incident)
    _repeat(draft, incident, agent, frozen, alert.triggers, alert.key, alert.id)
    if _RANK[severity] > _RANK[alert.severity]:
        _rise(draft, service, incident, agent, severity)


def _repeat(
    draft: Draft,
    incident: Incident,
    agent: Agent,
    event: Mapping[str, Any],
    before: int,
    key: str | None,
    alert: str | None = None,
) -> None:
    """List a repeated trigger, the one after ``before`` others, as long as the log takes them."""
    cap = draft.knobs(Knobs).trigger_cap
    if before < cap:
        history.log(draft, LogType.TRIGGER, incident, agent, alert=alert, data=event)
    elif before == cap:
        history.log(draft, LogType.TRIGGER_LIMIT, incident, agent, alert=alert)
    draft.record("event.appended", incident.id, number=incident.number, key=key, count=before + 1)


def _rise(draft: Draft, service: Document, incident: Incident, agent: Agent, severity: str) -> None:
    """Raise an incident's urgency where the service goes by severity and ``severity`` asks for it."""
    high = escalation.service_urgency(service, severity, draft.now) is Urgency.HIGH
    if escalation.severity_based(service) and high:
        incidents.set_urgency(draft, incident, agent, Urgency.HIGH)


def resolve_alert(draft: Draft, alert: Alert, agent: Agent) -> None:
    """Resolve one alert; the incident is resolved with its last one. A paused alert never gets one."""
    if alert.status is Status.RESOLVED:
        return
    if alert.incident is None:
        draft.put(ALERTS, replace(alert, status=Status.RESOLVED, resolved=draft.now, changed=draft.now))
        draft.cancel(OWNER, UNPAUSE, alert.id)
        return
    incident = draft.need(INCIDENTS, alert.incident)
    if incident.triggered <= 1:
        incidents.resolve(draft, incident, agent)
        return
    draft.put(ALERTS, replace(alert, status=Status.RESOLVED, resolved=draft.now, changed=draft.now))
    draft.put(INCIDENTS, replace(incident, triggered=incident.triggered - 1, closed=incident.closed + 1))
