"""Incidents, alerts, log entries, notes and notifications as the REST API shows them.

Rows are compact; everything readable (links, references, summaries, pending actions) is made here, for the rows of one
page only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simulators.engine import instants
from simulators.engine.errors import BadInstant
from simulators.engine.resources import thaw
from simulators.pagerduty import grouping, incidents, responders
from simulators.pagerduty.account import Account, name, singular
from simulators.pagerduty.api.lens import SHAPES, Lens, incident_summary
from simulators.pagerduty.model import (
    ALERTS,
    DOCUMENTS,
    INCIDENTS,
    LOG_ENTRIES,
    MESSAGES,
    OWNER,
    Agent,
    Alert,
    Channel,
    Incident,
    LogEntry,
    LogType,
    Message,
    Note,
    Status,
)
from simulators.pagerduty.responders import Request, Responder

_STATUS_CHANGES = {
    LogType.TRIGGER, LogType.ACKNOWLEDGE, LogType.UNACKNOWLEDGE, LogType.RESOLVE, LogType.ASSIGN, LogType.ESCALATE,
    LogType.DELEGATE,
}  # fmt: skip
_CHANNEL_NAMES = {Channel.EMAIL: "email", Channel.SMS: "SMS", Channel.PHONE: "phone", Channel.PUSH: "push"}
_SPELLED = {LogType.TRIGGER: "Triggered", LogType.ACKNOWLEDGE: "Acknowledged", LogType.UNACKNOWLEDGE: "Unacknowledged",
            LogType.RESOLVE: "Resolved", LogType.SNOOZE: "Snoozed"}  # fmt: skip


def agent_ref(lens: Lens, agent: Agent, *, service: str = "", include: str = "agents") -> dict[str, Any]:
    """Return who acted; an integration is shown as its ``service`` where only users and services may stand."""
    if agent.type == "user_reference":
        return lens.ref("users", agent.id, include)
    if agent.type == "integration_reference" and not service:
        return lens.ref("integrations", agent.id) | {"type": "integration_reference"}
    return lens.ref("services", service or agent.id)


# -- incidents ---------------------------------------------------------------------------------------------------------


def incident(lens: Lens, row: Incident) -> dict[str, Any]:
    """Return an incident."""
    entries = lens.state.find(LOG_ENTRIES, "incident", row.id)
    policy_id = row.policy.id if row.policy else ""
    people = "assignees" if "assignees" in lens.include else "users"
    shown = {
        "id": row.id,
        "type": "incident",
        "summary": incident_summary(row),
        "self": f"{lens.links.api}/incidents/{row.id}",
        "html_url": f"{lens.links.web}/incidents/{row.id}",
        "incident_number": row.number,
        "title": row.title,
        "description": row.title,
        "created_at": lens.at(row.created),
        "updated_at": lens.at(max(row.changed, entries[-1].at if entries else row.created)),
        "status": row.status.value,
        "urgency": row.urgency.value,
        "incident_key": None if row.triggered + row.closed else row.key,
        "service": lens.ref("services", row.service, "services"),
        "assignments": [
            {"at": lens.at(entry.at), "assignee": lens.ref("users", entry.user, people)} for entry in row.assignments
        ],
        "assigned_via": row.assigned_via,
        "acknowledgements": [
            {
                "at": lens.at(entry.at),
                "acknowledger": agent_ref(lens, entry.agent, service=row.service, include="acknowledgers"),
            }
            for entry in row.acknowledgements
        ],
        "pending_actions": [
            {"type": kind, "at": lens.at(at), **_becomes(lens, row, kind)}
            for kind, at in incidents.pending_actions(lens.state, row)
        ],
        "last_status_change_at": lens.at(row.changed),
        "last_status_change_by": _changed_by(lens, row, entries),
        "resolved_at": lens.at(row.resolved),
        "first_trigger_log_entry": _first_trigger(lens, row, entries),
        "escalation_policy": lens.ref("escalation_policies", policy_id, "escalation_policies") if policy_id else None,
        "teams": lens.refs("teams", row.policy.body.get("teams") if row.policy else (), "teams"),
        "impacted_services": [],
        "alert_counts": {"all": row.triggered + row.closed, "triggered": row.triggered, "resolved": row.closed},
        "is_mergeable": row.status is not Status.RESOLVED,
        "incident_type": {"name": row.type},
        "alert_grouping": _grouping(lens, row),
        "priority": priority(lens, row.priority),
        "resolve_reason": None
        if row.merged is None
        else {"type": "merge_resolve_reason", "incident": lens.incident_ref(row.merged)},
        "conference_bridge": thaw(row.bridge),
        "incidents_responders": [responder(lens, row, asked) for asked in _responders(lens, row)],
        "responder_requests": [
            responder_request(lens, row, made) for made in lens.state.find(responders.REQUESTS, "incident", row.id)
        ],
        "subscriber_requests": [],
    }
    if "body" in lens.include:
        shown["body"] = {"type": "incident_body", **thaw(row.body or {"details": None})}
    if "custom_fields" in lens.include:
        shown["custom_fields"] = []
    return shown


def _becomes(lens: Lens, row: Incident, kind: str) -> dict[str, str]:
    """Return what a pending action says besides its type and time: the urgency it changes to."""
    timer = lens.state.timer(OWNER, kind, row.id) if kind == "urgency_change" else None
    return {} if timer is None else {"to": str(timer.data)}


def _grouping(lens: Lens, row: Incident) -> dict[str, Any] | None:
    """Return how the incident's alerts were grouped, by the service's grouping; ``None`` where nothing is grouped."""
    service = lens.state.get(DOCUMENTS["services"], row.service)
    if service is None or not row.triggered + row.closed:
        return None
    kind, end = grouping.window(service, row)
    over = row.resolved if end is None else end if row.resolved is None else min(end, row.resolved)
    active = row.resolved is None and (end is None or lens.state.now < end)
    shown = {"grouping_type": kind, "started_at": lens.at(row.created)}
    return shown | {"ended_at": lens.at(over), "alert_grouping_active": active} if kind else None


def _responders(lens: Lens, row: Incident) -> list[Responder]:
    return lens.state.find(responders.RESPONDERS, "incident", row.id)


def responder(lens: Lens, row: Incident, asked: Responder) -> dict[str, Any]:
    """Return somebody who was asked to help with an incident."""
    return {
        "state": asked.state.value,
        "user": lens.ref("users", asked.user),
        "incident": lens.incident_ref(row.id, row),
        "updated_at": lens.at(asked.updated),
        "message": asked.message,
        "requester": lens.ref("users", asked.requester),
        "requested_at": lens.at(asked.requested),
        "escalation_policy_requests": [lens.ref("escalation_policies", id)["summary"] for id in asked.policies],
    }


def responder_request(lens: Lens, row: Incident, made: Request) -> dict[str, Any]:
    """Return a responder request with its targets, each with the people asked by it so far."""
    found = _responders(lens, row)

    def target(kind: str, id: str) -> dict[str, Any]:
        people = [asked for asked in found if (asked.user == id if kind == "users" else id in asked.policies)]
        head = {"type": singular(kind), "id": id, "summary": lens.ref(kind, id)["summary"]}
        return head | {"incidents_responders": [responder(lens, row, asked) for asked in people]}

    return {
        "id": made.id,
        "incident": lens.incident_ref(row.id, row),
        "requester": lens.ref("users", made.requester),
        "requested_at": lens.at(made.at),
        "message": made.message,
        "responder_request_targets": [{"responder_request_target": target(*entry)} for entry in made.targets],
    }


def priority(lens: Lens, id: str | None) -> dict[str, Any] | None:
    """Return a priority as a whole object."""
    document = None if id is None else lens.state.get(DOCUMENTS["priorities"], id)
    return None if document is None else SHAPES["priorities"](lens.plain(), document)


def _changed_by(lens: Lens, row: Incident, entries: list[LogEntry]) -> dict[str, Any]:
    for entry in reversed(entries):
        if entry.at == row.changed and entry.type in _STATUS_CHANGES:
            return agent_ref(lens, entry.agent, service="" if entry.agent.type == "user_reference" else row.service)
    return lens.ref("services", row.service)


def _first_trigger(lens: Lens, row: Incident, entries: list[LogEntry]) -> dict[str, Any] | None:
    found = next((entry for entry in entries if entry.type is LogType.TRIGGER), None)
    if found is None:
        return None
    if "first_trigger_log_entries" in lens.include:
        return log_entry(lens.plain(), found)
    return log_ref(lens, found)


def log_ref(lens: Lens, entry: LogEntry) -> dict[str, Any]:
    """Return a reference to a log entry."""
    return {
        "id": entry.id,
        "type": f"{entry.type.value}_reference",
        "summary": log_summary(lens, entry),
        "self": f"{lens.links.api}/log_entries/{entry.id}",
        "html_url": f"{lens.links.web}/incidents/{entry.incident}/log_entries/{entry.id}",
    }


# -- alerts ------------------------------------------------------------------------------------------------------------


def alert(lens: Lens, row: Alert) -> dict[str, Any]:
    """Return an alert with its body."""
    integration = lens.state.get(DOCUMENTS["integrations"], row.integration)
    entries = lens.state.find(LOG_ENTRIES, "incident", row.incident) if row.incident else []
    first = next((entry for entry in entries if entry.alert == row.id and entry.type is LogType.TRIGGER), None)
    return {
        "id": row.id,
        "type": "alert",
        "summary": row.summary,
        "self": f"{lens.links.api}/incidents/{row.incident}/alerts/{row.id}" if row.incident else None,
        "html_url": f"{lens.links.web}/alerts/{row.id}",
        "created_at": lens.at(row.created),
        "updated_at": lens.at(row.changed),
        "resolved_at": lens.at(row.resolved),
        "status": row.status.value,
        "alert_key": row.key,
        "severity": row.severity,
        "suppressed": row.suppressed,
        "service": lens.ref("services", row.service, "services"),
        "incident": _incident_of(lens, row.incident) if row.incident else None,
        "integration": lens.ref("integrations", row.integration) if integration else None,
        "first_trigger_log_entry": None
        if first is None
        else log_entry(lens.plain(), first)
        if "first_trigger_log_entries" in lens.include
        else log_ref(lens, first),
        "body": _alert_body(row),
    }


def _incident_of(lens: Lens, id: str) -> dict[str, Any]:
    row = lens.state.get(INCIDENTS, id)
    if row is not None and "incidents" in lens.include:
        return incident(lens.plain(), row)
    return lens.incident_ref(id, row)


def contexts(event: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the links and images of an event as contexts."""
    found = [
        {"type": kind, **{key: value for key, value in entry.items() if key != "type"}}
        for kind, entries in (("link", event.get("links")), ("image", event.get("images")))
        for entry in (entries if isinstance(entries, (list, tuple)) else ())
        if isinstance(entry, Mapping)
    ]
    return [thaw(entry) for entry in found]


def _alert_body(row: Alert) -> dict[str, Any]:
    event = row.event
    details = thaw((event.get("payload") or {}).get("custom_details"))
    listed = contexts(event)
    return {"type": "alert_body", "contexts": listed, "details": details, "cef_details": cef(row, details, listed)}


def cef(row: Alert, details: Any, listed: list[dict[str, Any]]) -> dict[str, Any]:
    """Return an alert's event in the vendor's common event format."""
    event = row.event
    payload = event.get("payload") or {}
    return {
        "version": "1.0",
        "description": row.summary,
        "message": row.summary,
        "priority": None,
        "urgency": None,
        "mutations": [],
        "reporter_component": None,
        "reporter_location": None,
        "source_location": None,
        "source_origin": payload.get("source"),
        "severity": row.severity,
        "source_component": payload.get("component"),
        "service_group": payload.get("group"),
        "event_class": payload.get("class"),
        "dedup_key": row.key,
        "client": event.get("client"),
        "client_url": event.get("client_url"),
        "creation_time": _creation(payload.get("timestamp"), row.created),
        "details": details,
        "contexts": listed,
    }


def _creation(text: Any, created: int) -> str:
    try:
        return instants.iso_milliseconds(instants.parse(text))
    except (BadInstant, OverflowError):
        return instants.iso_milliseconds(created)


# -- log entries -------------------------------------------------------------------------------------------------------


def log_summary(lens: Lens, entry: LogEntry) -> str:
    """Return the sentence that sums up a log entry."""
    account = Account(lens.state)
    people = ", ".join(name(account, "users", user) for user in entry.users)
    by_user = entry.agent.type == "user_reference"
    actor = f" by {name(account, 'users', entry.agent.id)}" if by_user else ""
    data = entry.data or {}
    if entry.type is LogType.TRIGGER:
        return f"Triggered through the {'website' if by_user else 'API'}"
    if entry.type in _SPELLED:
        how = actor or (" by timeout" if entry.agent.channel == "timeout" else " through the API")
        return _SPELLED[entry.type] + how
    if entry.type is LogType.NOTIFY:
        return f"Notified {people} by {_CHANNEL_NAMES[Channel(data['channel'])]}"
    if entry.type is LogType.ESCALATE:
        return f"Escalated to {people}{actor or ' by timeout'}"
    if entry.type is LogType.ASSIGN:
        return f"Assigned to {people}{actor}"
    if entry.type is LogType.DELEGATE:
        return f"Delegated to {people}{actor}"
    if entry.type is LogType.ANNOTATE:
        return f"Note added{actor}"
    if entry.type is LogType.RESPONDER_REQUEST:
        return f"Responders requested{actor}"
    if entry.type is LogType.RESPONDER_REPLY:
        return f"Responder request {'accepted' if data['state'] == 'joined' else 'declined'}{actor}"
    if entry.type is LogType.STATUS_UPDATE:
        return f"Status update added{actor}"
    words = entry.type.value.removesuffix("_log_entry").replace("_", " ")
    return words[:1].upper() + words[1:] + actor


def log_entry(lens: Lens, entry: LogEntry) -> dict[str, Any]:
    """Return a log entry; ``include[]=channels`` adds what the channel carries."""
    row = lens.state.get(INCIDENTS, entry.incident)
    data = entry.data or {}
    shown: dict[str, Any] = log_ref(lens, entry)
    shown["type"] = entry.type.value
    shown |= {
        "created_at": lens.at(entry.at),
        "agent": agent_ref(lens, entry.agent),
        "channel": _channel(lens, entry, row),
        "service": lens.ref("services", entry.service, "services"),
        "incident": _incident_of(lens, entry.incident),
        "teams": lens.refs("teams", row.policy.body.get("teams") if row and row.policy else (), "teams"),
        "contexts": contexts(data) if entry.type is LogType.TRIGGER else [],
        "event_details": {},
    }
    if entry.type is LogType.TRIGGER:
        described = (data.get("payload") or {}).get("summary") or (row.title if row else "")
        shown["event_details"] = {"description": described}
    elif entry.type in {LogType.ASSIGN, LogType.ESCALATE, LogType.DELEGATE}:
        shown["assignees"] = lens.refs("users", entry.users, "users")
    elif entry.type in {LogType.RESPONDER_REQUEST, LogType.RESPONDER_REPLY}:
        shown["responders"] = [{"user": user} for user in lens.refs("users", entry.users, "users")]
        shown |= {"message": data["message"]} if "message" in data else {}
    elif entry.type is LogType.NOTIFY:
        shown["user"] = lens.ref("users", entry.users[0], "users")
    elif entry.type is LogType.ACKNOWLEDGE:
        shown["acknowledgement_timeout"] = data.get("acknowledgement_timeout")
    elif entry.type is LogType.RESOLVE and data.get("note"):
        shown["note"] = data["note"]
    elif entry.type in {LogType.FIELD, LogType.PRIORITY, LogType.SERVICE, LogType.URGENCY}:
        shown["changeset"] = thaw(data)
    return shown


def _channel(lens: Lens, entry: LogEntry, row: Incident | None) -> dict[str, Any]:
    data = entry.data or {}
    shown: dict[str, Any] = {"type": entry.agent.channel}
    if entry.type is LogType.NOTIFY:
        sent = lens.state.get(MESSAGES, data["message"])
        parts = {"type": data["channel"], "address": data["address"]}
        return shown | {"notification": parts | {"status": data["status"] if sent is None else sent.status}}
    if entry.type in {LogType.ANNOTATE, LogType.STATUS_UPDATE}:
        return shown | {"summary": data.get("summary", "")}
    if entry.type is LogType.SNOOZE:
        return shown | {"duration": data.get("duration")}
    if entry.type is LogType.TRIGGER and "channels" in lens.include:
        return shown | _event_channel(lens, entry, row)
    return shown


def _event_channel(lens: Lens, entry: LogEntry, row: Incident | None) -> dict[str, Any]:
    """Return what the channel of a trigger carries: the event as it came, or what a person wrote."""
    event = entry.data or {}
    found = lens.state.get(ALERTS, entry.alert) if entry.alert else None
    if "payload" not in event:
        details = (row.body or {}).get("details") if row else None
        return {"summary": row.title if row else "", "subject": row.title if row else "", "details": details}
    payload = event.get("payload") or {}
    key = event.get("routing_key") or event.get("service_key")
    details = thaw(payload.get("custom_details"))
    shown = {
        "summary": payload.get("summary"),
        "service_key": key,
        "description": payload.get("summary"),
        "incident_key": found.key if found else row and row.key,
        "details": details,
        "client": event.get("client"),
        "client_url": event.get("client_url"),
    }
    if found is None or "service_key" in event:
        return shown
    return shown | {"cef_details": cef(found, details, contexts(event))}


# -- notes and notifications -------------------------------------------------------------------------------------------


def note(lens: Lens, row: Note) -> dict[str, Any]:
    """Return a note."""
    return {
        "id": row.id,
        "user": lens.ref("users", row.user),
        "channel": {"summary": "The PagerDuty website or APIs"},
        "content": row.text,
        "created_at": lens.at(row.at),
        "updated_at": lens.at(row.changed or row.at),
    }


def notification(lens: Lens, row: Message) -> dict[str, Any]:
    """Return a notification; a push has no address."""
    return {
        "id": row.id,
        "type": f"{row.channel.value}_notification",
        "started_at": lens.at(row.at),
        "address": None if row.channel is Channel.PUSH else row.address.replace(" ", ""),
        "status": row.status,
        "user": lens.ref("users", row.user, "users"),
    }
