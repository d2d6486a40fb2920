"""When a person resolves an incident whose alert is still active: PagerDuty's v3 webhooks, and the stated policy.

A webhook about an incident names no alert. So a resolution by a person is stored and decided upon like everything else,
but the answer is "look it up": the REST API is asked for the incident's alerts, each of which carries the dedup key the
bridge gave it. For those that are still active the policy holds: ``leave`` takes note, so that traces show who ended
the page; ``retrigger`` plans a new trigger some minutes later, which the alert's clear withdraws if it comes first.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import httpx

from bridge import delivery, settings
from bridge.config import SECOND, Config, Incidents
from bridge.decision import AlertRow, Outcome, Pending, Send, score
from bridge.delivery import TRANSPORT_ERRORS
from bridge.errors import Unreadable
from bridge.messages import text
from bridge.parsing import parse

if TYPE_CHECKING:
    from bridge.core import Bridge

SOURCE = "pagerduty"
RESOLVED = "incident.resolved"
MAX_ANSWER = 5_000_000
LOOKUPS = 20
_ID = re.compile(r"[A-Za-z0-9]{1,40}")


@dataclass(frozen=True, slots=True)
class IncidentEvent:
    """What a v3 webhook says: its own id, what happened, to which incident, and by whom when that is a person."""

    event_id: str
    event_type: str
    incident: str
    person: str | None


def read(raw: bytes) -> IncidentEvent:
    """Return the event in a v3 webhook; raise :class:`Unreadable` when it is none."""
    event = parse(raw).get("event")
    if not isinstance(event, dict) or not isinstance(event.get("event_type"), str):
        raise Unreadable("the PagerDuty webhook has no event")
    agent, data = event.get("agent"), event.get("data")
    incident = data if isinstance(data, dict) else {}
    if incident.get("type") != "incident" and isinstance(incident.get("incident"), dict):
        incident = incident["incident"]
    person = None
    if isinstance(agent, dict) and str(agent.get("type")).startswith("user"):
        person = text(agent.get("summary")) or text(agent.get("id")) or "somebody"
    return IncidentEvent(text(event.get("id")), text(event["event_type"]), text(incident.get("id")), person)


def decide(event: IncidentEvent, config: Config) -> tuple[Outcome, str]:
    """Return what becomes of the event, and words about it."""
    said = f"{event.event_type} of {event.incident or 'nothing'}"
    if event.event_type != RESOLVED or event.person is None:
        return Outcome.NOTED, said
    if config.incidents.api_token is None or not _ID.fullmatch(event.incident):
        return Outcome.NOTED, f"{said} by {event.person}; its alerts are not looked up"
    return Outcome.LOOKUP, f"{said} by {event.person}"


def again(alert: AlertRow, body: str, now: int, incidents: Incidents) -> tuple[AlertRow, Send | None]:
    """Return what a resolution by a person changes for an alert, and the trigger that follows, if any."""
    noted = replace(alert, resolved_by_person_at=now)
    if incidents.resolved_by_person != settings.RETRIGGER or alert.trigger is not Pending.NO or not body:
        return noted, None
    due = now + incidents.retrigger
    severity = json.loads(body)["payload"]["severity"]
    return noted, Send("trigger", body, score("trigger", severity, due), due=due)


def next_due(bridge: Bridge) -> int | None:
    """Return when to look up, ``None`` when there is nothing to look up."""
    if bridge.config.incidents.api_token is None or not bridge.store.lookups(1):
        return None
    tried = bridge.store.fact("lookup-failed")
    if tried is None:
        return 0
    return tried[0] + delivery.retry_delay(int(tried[1]), bridge.config.pagerduty.jitter_seed, "lookup")


def run(bridge: Bridge, now: int) -> int:
    """Look up the alerts of incidents people resolved, and do what the policy says; return how many incidents."""
    due = next_due(bridge)
    if due is None or due > now:
        return 0
    done = 0
    for row, raw in bridge.store.lookups(LOOKUPS):
        event = read(raw)
        keys = _alert_keys(bridge, event.incident)
        if keys is None:
            tried = bridge.store.fact("lookup-failed")
            bridge.store.note_fact("lookup-failed", now, str(1 if tried is None else int(tried[1]) + 1))
            return done
        with bridge.store.transaction():
            words = [_follow(bridge, key, now) for key in keys]
            said = "; ".join(word for word in words if word) or "no alert of ours that is active"
            reason = f"{event.event_type} of {event.incident} by {event.person}: {said}"
            bridge.store.looked_up(row, Outcome.RETRIGGER.value if "again" in said else Outcome.NOTED.value, reason)
            bridge.store.forget_fact("lookup-failed")
        done += 1
    return done


def _follow(bridge: Bridge, key: str, now: int) -> str:
    alert = bridge.store.alert(key)
    if alert is None or alert.opened_at is None or alert.cleared_at is not None:
        return ""
    body = bridge.store.trigger_body(key)
    noted, send = again(alert, body, now, bridge.config.incidents)
    bridge.store.put_alert(noted)
    if send is None:
        return f"{key} is still active and left alone"
    bridge.store.enqueue(noted, [send], now, received_at=now)
    return f"{key} is still active and triggers again in {bridge.config.incidents.retrigger // SECOND} s"


def _alert_keys(bridge: Bridge, incident: str) -> list[str] | None:
    """Return the dedup keys of an incident's alerts, ``None`` when PagerDuty has to be asked again later."""
    status, document = ask(bridge.client, bridge.config.incidents, f"/incidents/{incident}/alerts", limit="100")
    bridge.tally.count("lookups", str(status or "none"))
    if status == 404:
        return []
    if status != 200:
        return None
    return [text(alert.get("alert_key")) for alert in _objects(document.get("alerts"))]


def incidents_of(client: httpx.Client, incidents: Incidents, key: str) -> list[str]:
    """Return a line about each of PagerDuty's incidents with an alert of this dedup key."""
    status, document = ask(client, incidents, "/incidents", incident_key=key, date_range="all")
    if status != 200:
        return [f"PagerDuty did not say which incident that is ({status or 'no answer'})"]
    found = _objects(document.get("incidents"))
    lines = [
        f"incident #{text(one.get('incident_number'))} {text(one.get('status'))}: {text(one.get('html_url'))}"
        for one in found
    ]
    return lines or ["PagerDuty has no incident with this dedup key"]


def ask(client: httpx.Client, incidents: Incidents, path: str, **parameters: str) -> tuple[int, dict[str, Any]]:
    """Return status and JSON object of a REST request; status 0 when there was no answer, or none that is JSON."""
    token = "" if incidents.api_token is None else incidents.api_token.value
    try:
        with client.stream(
            "GET",
            incidents.api_url + path,
            params=parameters,
            headers={"Authorization": f"Token token={token}", "Accept": "application/vnd.pagerduty+json;version=2"},
            follow_redirects=False,
        ) as response:
            status, content = response.status_code, _bounded(response)
    except TRANSPORT_ERRORS:
        return 0, {}
    try:
        document = json.loads(content) if status == 200 else {}
    except (ValueError, RecursionError):
        return 0, {}
    return (status, document) if isinstance(document, dict) else (0, {})


def _objects(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _bounded(response: httpx.Response) -> bytes:
    content = b""
    for part in response.iter_bytes():
        content += part
        if len(content) >= MAX_ANSWER:
            break
    return content
