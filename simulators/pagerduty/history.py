"""Writing what happened to an incident: its log entries, the journal, and the webhooks about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simulators.engine.draft import Draft
from simulators.pagerduty import webhooks
from simulators.pagerduty.model import LOG_ENTRIES, LOG_ID, Agent, Incident, LogEntry, LogType


def log(
    draft: Draft,
    type: LogType,
    incident: Incident,
    agent: Agent,
    users: tuple[str, ...] = (),
    alert: str | None = None,
    data: Mapping[str, Any] | None = None,
) -> None:
    """Write one log entry."""
    id = draft.fresh(LOG_ID, "pagerduty.log")
    draft.put(LOG_ENTRIES, LogEntry(id, type, incident.id, incident.service, draft.now, agent, users, alert, data))


def record(
    draft: Draft, event: str, incident: Incident, agent: Agent, part: webhooks.Responder | None = None, **data: Any
) -> None:
    """Write what happened to an incident to the journal; ``event`` is the webhook event's name where there is one."""
    draft.record(event, incident.id, number=incident.number, agent=agent.id, channel=agent.channel, **data)
    webhooks.publish(draft, event, incident, agent, part)
