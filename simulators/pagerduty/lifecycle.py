"""An incident's life as one table: (state, cause) gives the next state, the log entry and the webhook event.

Whatever changes an incident's status asks this table, so a transition that is not in it cannot happen.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from simulators.pagerduty.model import LogType, Status


class Cause(StrEnum):
    """What can happen to an incident's status."""

    ACKNOWLEDGE = "acknowledge"
    UNACKNOWLEDGE = "unacknowledge"
    ESCALATE = "escalate"
    REASSIGN = "reassign"
    DELEGATE = "delegate"
    RESOLVE = "resolve"
    REOPEN = "reopen"


Outcome = tuple[Status, LogType, str]
_OPEN = (Status.TRIGGERED, Status.ACKNOWLEDGED)

TRANSITIONS: Mapping[tuple[Status, Cause], Outcome] = {
    **{(s, Cause.ACKNOWLEDGE): (Status.ACKNOWLEDGED, LogType.ACKNOWLEDGE, "incident.acknowledged") for s in _OPEN},
    (Status.ACKNOWLEDGED, Cause.UNACKNOWLEDGE): (Status.TRIGGERED, LogType.UNACKNOWLEDGE, "incident.unacknowledged"),
    **{(s, Cause.ESCALATE): (Status.TRIGGERED, LogType.ESCALATE, "incident.escalated") for s in _OPEN},
    **{(s, Cause.REASSIGN): (Status.TRIGGERED, LogType.ASSIGN, "incident.reassigned") for s in _OPEN},
    **{(s, Cause.DELEGATE): (Status.TRIGGERED, LogType.DELEGATE, "incident.delegated") for s in _OPEN},
    **{(s, Cause.RESOLVE): (Status.RESOLVED, LogType.RESOLVE, "incident.resolved") for s in _OPEN},
    (Status.RESOLVED, Cause.REOPEN): (Status.TRIGGERED, LogType.TRIGGER, "incident.reopened"),
}
