"""What people do to incidents through the API beyond the life cycle: reopen, merge, move alerts, retitle, prioritise.

Like the verbs of :mod:`~simulators.pagerduty.incidents` these are functions of a draft. They assume that the request
was checked; what cannot be done to a resolved incident simply is not done.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from simulators.engine.draft import Draft
from simulators.engine.resources import Document, freeze
from simulators.pagerduty import escalation, history, incidents, notify, subscribers
from simulators.pagerduty.account import Account
from simulators.pagerduty.lifecycle import TRANSITIONS, Cause
from simulators.pagerduty.model import (
    ALERTS,
    INCIDENTS,
    NOTES,
    STATUS_UPDATES,
    UPDATE_ID,
    Agent,
    Alert,
    Incident,
    Knobs,
    LogType,
    Note,
    Status,
    StatusUpdate,
    Urgency,
)


def reopen(
    draft: Draft, incident: Incident, agent: Agent, *, users: tuple[str, ...] = (), policy: Document | None = None
) -> Incident | None:
    """Open a resolved incident again and assign it to ``users`` or by ``policy``; its alerts stay resolved.

    Returns ``None`` and changes nothing when nobody is on call.
    """
    found = TRANSITIONS.get((incident.status, Cause.REOPEN))
    if found is None:
        return incident
    blank = replace(incident, resolved=None, resolved_by=None, merged=None, exhausted=False)
    draft.put(INCIDENTS, blank)
    changed = incidents.assign_anew(draft, blank, users=users, policy=policy)
    if changed is None:
        draft.put(INCIDENTS, incident)
        return None
    people = tuple(assignment.user for assignment in changed.assignments)
    incidents.start_auto_resolve(draft, changed)
    incidents.plan_urgency(draft, changed)
    history.log(draft, LogType.UNACKNOWLEDGE if draft.knobs(Knobs).reopen_unacknowledges else found[1], changed, agent)
    history.log(draft, LogType.ASSIGN, changed, agent, people)
    history.record(draft, found[2], changed, agent, people=people)
    return changed


def merge(draft: Draft, target: Incident, sources: Sequence[Incident], agent: Agent) -> Incident:
    """Move the alerts of ``sources`` to ``target`` and resolve the sources, naming the target as the reason.

    The target keeps its people; alerts keep their keys, so later events act on the target.
    """
    for source in sources:
        alerts = draft.find(ALERTS, "incident", source.id)
        for alert in alerts:
            draft.put(ALERTS, replace(alert, incident=target.id, changed=draft.now))
        opened = sum(alert.status is Status.TRIGGERED for alert in alerts)
        emptied = replace(source, triggered=0, closed=0, merged=target.id)
        draft.put(INCIDENTS, emptied)
        incidents.resolve(draft, emptied, agent)
        target = replace(
            draft.need(INCIDENTS, target.id),
            triggered=target.triggered + opened,
            closed=target.closed + len(alerts) - opened,
        )
        draft.put(INCIDENTS, target)
        history.log(draft, LogType.MERGE, target, agent, data={"source": source.id})
    return _raise_urgency(draft, target, agent)


def move_alert(draft: Draft, alert: Alert, target: Incident, agent: Agent) -> Alert:
    """Move an alert to another open incident; an incident that loses its last open alert is resolved."""
    if alert.incident == target.id:
        return alert
    moved = replace(alert, incident=target.id, changed=draft.now)
    draft.put(ALERTS, moved)
    opened = int(alert.status is Status.TRIGGERED)
    if alert.incident is not None:
        left = draft.need(INCIDENTS, alert.incident)
        left = replace(left, triggered=left.triggered - opened, closed=left.closed - (1 - opened))
        draft.put(INCIDENTS, left)
        if left.triggered == 0:
            incidents.resolve(draft, left, agent)
    joined = replace(target, triggered=target.triggered + opened, closed=target.closed + 1 - opened)
    draft.put(INCIDENTS, joined)
    _raise_urgency(draft, joined, agent)
    return moved


def retrigger_alert(draft: Draft, alert: Alert) -> Alert:
    """Set a resolved alert of an open incident back to triggered."""
    if alert.status is Status.TRIGGERED or alert.incident is None:
        return alert
    incident = draft.need(INCIDENTS, alert.incident)
    if incident.status is Status.RESOLVED:
        return alert
    changed = replace(alert, status=Status.TRIGGERED, resolved=None, changed=draft.now)
    draft.put(ALERTS, changed)
    draft.put(INCIDENTS, replace(incident, triggered=incident.triggered + 1, closed=incident.closed - 1))
    return changed


def _raise_urgency(draft: Draft, incident: Incident, agent: Agent) -> Incident:
    service = Account(draft).get("services", incident.service)
    if service is None or incident.urgency is Urgency.HIGH or not escalation.severity_based(service):
        return incident
    for alert in draft.find(ALERTS, "incident", incident.id):
        high = escalation.service_urgency(service, alert.severity, draft.now) is Urgency.HIGH
        if alert.status is Status.TRIGGERED and high:
            return incidents.set_urgency(draft, incident, agent, Urgency.HIGH)
    return incident


def retitle(draft: Draft, incident: Incident, agent: Agent, title: str) -> Incident:
    """Change the title."""
    return _change(draft, incident, agent, LogType.FIELD, "incident.title_updated", {"title": title}, title=title)


def prioritise(draft: Draft, incident: Incident, agent: Agent, priority: str | None) -> Incident:
    """Set or clear the priority (a priority's id)."""
    data = {"priority": priority}
    return _change(draft, incident, agent, LogType.PRIORITY, "incident.priority_updated", data, priority=priority)


def move_service(draft: Draft, incident: Incident, agent: Agent, service: str) -> Incident:
    """Give the incident to another service; its assignment does not change."""
    data = {"service": service}
    return _change(draft, incident, agent, LogType.SERVICE, "incident.service_updated", data, service=service)


def set_bridge(draft: Draft, incident: Incident, agent: Agent, bridge: Mapping[str, Any] | None) -> Incident:
    """Set or clear the conference bridge."""
    frozen = freeze(bridge)
    kind = "incident.conference_bridge.updated"
    return _change(draft, incident, agent, LogType.FIELD, kind, {"conference_bridge": frozen}, bridge=frozen)


def set_type(draft: Draft, incident: Incident, agent: Agent, name: str) -> Incident:
    """Change the incident's type by name."""
    kind = "incident.incident_type.changed"
    return _change(draft, incident, agent, LogType.FIELD, kind, {"incident_type": name}, type=name)


def _change(
    draft: Draft,
    incident: Incident,
    agent: Agent,
    entry: LogType,
    event: str,
    data: Mapping[str, Any],
    **changes: Any,
) -> Incident:
    changed: Incident = replace(incident, **changes)
    if changed == incident:
        return incident
    draft.put(INCIDENTS, changed)
    history.log(draft, entry, changed, agent, data=data)
    history.record(draft, event, changed, agent, **data)
    return changed


def edit_note(draft: Draft, note: Note, text: str) -> Note:
    """Change a note's text."""
    changed = replace(note, text=text, changed=draft.now)
    draft.put(NOTES, changed)
    return changed


def publish(
    draft: Draft, incident: Incident, user: str, message: str, subject: str | None, html: str | None
) -> StatusUpdate:
    """Publish a status update on an incident and tell its subscribers."""
    id = draft.fresh(UPDATE_ID, "pagerduty.status_update")
    row = StatusUpdate(id, incident.id, user, message, draft.now, subject, html)
    draft.put(STATUS_UPDATES, row)
    agent = Agent("user_reference", user, "website")
    history.log(draft, LogType.STATUS_UPDATE, incident, agent, data={"summary": message})
    history.record(draft, "incident.status_update_published", incident, agent, message=message)
    notify.tell_subscribers(draft, incident, row, subscribers.audience(draft, incident))
    return row
