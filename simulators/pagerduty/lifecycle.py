"""An incident's life as one table: (state, cause) gives the next state, the log entry and the webhook event.

Whatever changes an incident's status asks this table, so a transition that is not in it cannot happen. The diagram of
the documentation is drawn from it (:func:`diagram`).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from simulators.pagerduty.model import LogType, Status


class Cause(StrEnum):
    """What can happen to an incident's status."""

    TRIGGER = "trigger"
    ACKNOWLEDGE = "acknowledge"
    UNACKNOWLEDGE = "unacknowledge"
    ESCALATE = "escalate"
    REASSIGN = "reassign"
    DELEGATE = "delegate"
    RESOLVE = "resolve"
    REOPEN = "reopen"


Outcome = tuple[Status, LogType, str]
_OPEN = (Status.TRIGGERED, Status.ACKNOWLEDGED)

#: The state ``None`` is that of an incident that does not exist yet.
TRANSITIONS: Mapping[tuple[Status | None, Cause], Outcome] = {
    (None, Cause.TRIGGER): (Status.TRIGGERED, LogType.TRIGGER, "incident.triggered"),
    **{(s, Cause.ACKNOWLEDGE): (Status.ACKNOWLEDGED, LogType.ACKNOWLEDGE, "incident.acknowledged") for s in _OPEN},
    (Status.ACKNOWLEDGED, Cause.UNACKNOWLEDGE): (Status.TRIGGERED, LogType.UNACKNOWLEDGE, "incident.unacknowledged"),
    **{(s, Cause.ESCALATE): (Status.TRIGGERED, LogType.ESCALATE, "incident.escalated") for s in _OPEN},
    **{(s, Cause.REASSIGN): (Status.TRIGGERED, LogType.ASSIGN, "incident.reassigned") for s in _OPEN},
    **{(s, Cause.DELEGATE): (Status.TRIGGERED, LogType.DELEGATE, "incident.delegated") for s in _OPEN},
    **{(s, Cause.RESOLVE): (Status.RESOLVED, LogType.RESOLVE, "incident.resolved") for s in _OPEN},
    (Status.RESOLVED, Cause.REOPEN): (Status.TRIGGERED, LogType.TRIGGER, "incident.reopened"),
}


def diagram() -> str:
    """Return the table as a Mermaid state diagram: an arrow per pair of states, the causes on it."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for (state, cause), (following, _, _) in TRANSITIONS.items():
        arrows.setdefault((state or "[*]", following), []).append(cause)
    lines = [f"    {source} --> {target}: {', '.join(causes)}" for (source, target), causes in arrows.items()]
    return "\n".join(["stateDiagram-v2", *lines]) + "\n"


def table() -> str:
    """Return the table as Markdown: a row per transition with its log entry and webhook event."""
    rows = ["| From | Cause | To | Log entry | Webhook event |", "|---|---|---|---|---|"]
    for (state, cause), (following, entry, event) in TRANSITIONS.items():
        rows.append(f"| {state or '(none)'} | {cause} | {following} | `{entry}` | `{event}` |")
    return "\n".join(rows) + "\n"
