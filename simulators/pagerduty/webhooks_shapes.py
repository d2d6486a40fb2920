"""The body of a webhook v3: one event, with the incident in its short form.

References are those of the REST API. The incident is a form of its own: ``number`` instead of ``incident_number``,
``assignees`` instead of ``assignments``, no alerts and no acknowledgements, so a receiver that needs those has to ask
the REST API (PagerDuty: webhooks v3, payloads). What is larger than the vendor guarantees to deliver has its text cut.
"""

from __future__ import annotations

import bisect
import json
from collections.abc import Callable, Mapping
from typing import Any

from simulators.engine import ids, instants
from simulators.engine.draft import Committed
from simulators.engine.resources import Document, thaw
from simulators.pagerduty.api.call import Links
from simulators.pagerduty.api.lens import Lens
from simulators.pagerduty.model import ALERTS, API, LOG_ENTRIES, Agent, Incident, Knobs, LogType, Note, StatusUpdate
from simulators.pagerduty.webhooks import EVENTS, Occurrence, Responder, teams

#: Bytes of a body up to which nothing is left out.
GUARANTEED = 56_320
#: Channels of agents that are nobody: time ran out.
_BY_ITSELF = ("timeout", "auto")


def body(state: Committed, event: Occurrence) -> bytes:
    """Return the bytes that are signed and sent; a note or status update too long for them is cut to what fits."""
    whole = envelope(state, event)
    raw = _encode(whole)
    data = whole["event"]["data"]
    name = next((name for name in ("content", "message") if event.part is not None and name in data), "")
    if len(raw) <= GUARANTEED or not name:
        return raw
    text: str = data[name]
    data["trimmed"] = True

    def size(length: int) -> int:
        data[name] = text[:length]
        return len(_encode(whole))

    data[name] = text[: bisect.bisect_right(range(len(text)), GUARANTEED, key=size) - 1]
    return _encode(whole)


def _encode(whole: Mapping[str, Any]) -> bytes:
    return json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode()


def envelope(state: Committed, event: Occurrence) -> dict[str, Any]:
    """Return what a receiver reads."""
    lens = Lens(state, Links(API, f"https://{state.knobs(Knobs).subdomain}.pagerduty.com"), "UTC")
    return {
        "event": {
            "id": event.id,
            "event_type": event.type,
            "resource_type": event.type.partition(".")[0],
            "occurred_at": instants.iso_milliseconds(event.at),
            "agent": _agent(lens, event),
            "client": _client(lens, event),
            "data": thaw(event.part) if isinstance(event.part, Mapping) else _DATA[EVENTS[event.type]](lens, event),
        }
    }


def _agent(lens: Lens, event: Occurrence) -> dict[str, Any] | None:
    """Return who acted; an integration is its service, whoever waited too long is nobody."""
    agent: Agent | None = event.agent
    if agent is None or agent.channel in _BY_ITSELF:
        return None
    if agent.type == "user_reference":
        return lens.ref("users", agent.id)
    return lens.ref("services", event.subject.service if isinstance(event.subject, Incident) else agent.id)


def _client(lens: Lens, event: Occurrence) -> dict[str, Any] | None:
    """Return the monitoring tool behind a trigger, as its event names it."""
    if event.type != "incident.triggered" or event.subject is None:
        return None
    found = next(iter(lens.state.find(ALERTS, "incident", event.subject.id)), None)
    told = {} if found is None else {"name": found.event.get("client"), "url": found.event.get("client_url")}
    shown = {name: value for name, value in told.items() if isinstance(value, str) and value}
    return shown if "name" in shown else None


def _incident(lens: Lens, event: Occurrence) -> dict[str, Any]:
    row = event.subject
    assert isinstance(row, Incident)
    shown: dict[str, Any] = {
        "id": row.id,
        "type": "incident",
        "self": f"{lens.links.api}/incidents/{row.id}",
        "html_url": f"{lens.links.web}/incidents/{row.id}",
        "number": row.number,
        "status": row.status.value,
        "incident_key": _key(lens, row),
        "created_at": lens.at(row.created),
        "title": row.title,
        "incident_type": {"name": row.type},
        "service": lens.ref("services", row.service),
        "assignees": lens.refs("users", [entry.user for entry in row.assignments]),
        "escalation_policy": None if row.policy is None else lens.ref("escalation_policies", row.policy.id),
        "teams": lens.refs("teams", teams(lens.state, row)),
        "priority": None if row.priority is None else lens.ref("priorities", row.priority),
        "urgency": row.urgency.value,
        "conference_bridge": thaw(row.bridge),
        "resolve_reason": None,
    }
    if row.merged is not None:
        shown["resolve_reason"] = {"type": "merge_resolve_reason", "incident": lens.incident_ref(row.merged)}
    reopened = _reopened(lens, row, event.at)
    return shown if reopened is None else shown | {"reopened_at": lens.at(reopened)}


def _key(lens: Lens, row: Incident) -> str | None:
    if row.key is not None or not lens.state.knobs(Knobs).webhook_hex_key:
        return row.key
    return ids.digest(lens.state.seed, "pagerduty.webhook.incident_key", row.id).hex()


def _reopened(lens: Lens, row: Incident, until: int) -> int | None:
    """Return when the incident was last reopened: a trigger in its log that is neither its first nor an event's."""
    entries = lens.state.find(LOG_ENTRIES, "incident", row.id)
    triggers = [entry for entry in entries if entry.type is LogType.TRIGGER and entry.at <= until]
    again = [entry.at for entry in triggers[1:] if entry.agent.type != "integration_reference"]
    return again[-1] if again else None


def _about(lens: Lens, row: Incident) -> dict[str, Any]:
    """Return a reference to an incident; here its summary is the bare title."""
    return lens.incident_ref(row.id, row) | {"summary": row.title}


def _note(lens: Lens, event: Occurrence) -> dict[str, Any]:
    row, note = event.subject, event.part
    assert isinstance(row, Incident)
    assert isinstance(note, Note)
    head = {"incident": _about(lens, row), "id": note.id, "content": note.text}
    return head | {"trimmed": False, "type": "incident_note"}


def _status_update(lens: Lens, event: Occurrence) -> dict[str, Any]:
    row, update = event.subject, event.part
    assert isinstance(row, Incident)
    assert isinstance(update, StatusUpdate)
    head = {"incident": _about(lens, row), "id": update.id, "message": update.message}
    return head | {"trimmed": False, "type": "incident_status_update"}


def _responder(lens: Lens, event: Occurrence) -> dict[str, Any]:
    row, asked = event.subject, event.part
    assert isinstance(row, Incident)
    assert isinstance(asked, Responder)
    return {
        "incident": _about(lens, row),
        "user": None if asked.user is None else lens.ref("users", asked.user),
        "escalation_policy": None if asked.policy is None else lens.ref("escalation_policies", asked.policy),
        "message": asked.message,
        "state": asked.state,
        "type": "incident_responder",
    }


def _bridge(lens: Lens, event: Occurrence) -> dict[str, Any]:
    row = event.subject
    assert isinstance(row, Incident)
    bridge = row.bridge or {}
    number = bridge.get("conference_number")
    return {
        "incident": _about(lens, row),
        "conference_numbers": [{"label": "", "number": number}] if number else [],
        "conference_url": bridge.get("conference_url"),
        "type": "incident_conference_bridge",
    }


def _service(lens: Lens, event: Occurrence) -> dict[str, Any]:
    row = event.subject
    assert isinstance(row, Document)
    return lens.head("services", row) | {
        "type": "service",
        "alert_creation": row.body.get("alert_creation") or "create_alerts_and_incidents",
        "teams": lens.refs("teams", teams(lens.state, row)),
    }


def _ping(lens: Lens, event: Occurrence) -> dict[str, Any]:
    return {"message": "Hello from your friend Pagey!", "type": "ping"}


_DATA: Mapping[str, Callable[[Lens, Occurrence], dict[str, Any]]] = {
    "incident": _incident,
    "incident_note": _note,
    "incident_status_update": _status_update,
    "incident_responder": _responder,
    "incident_conference_bridge": _bridge,
    "service": _service,
    "ping": _ping,
}
