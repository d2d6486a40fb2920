"""PagerDuty's rows: the account as the vendor's own documents, and what happened as typed values.

Configuration (users, policies, schedules, services, ...) is stored as :class:`Document`, one table per kind, so that a
real account loads with its ids and unknown fields. Incidents, alerts, log entries and messages are compact frozen rows
the API renders when somebody looks. Times are microseconds UTC.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from simulators.engine import ids
from simulators.engine.resources import Document
from simulators.engine.tables import TableKey
from simulators.pagerduty.knobs import Knobs as Knobs
from simulators.pagerduty.knobs import OverLong as OverLong
from simulators.pagerduty.knobs import Region as Region
from simulators.pagerduty.knobs import SmsWording as SmsWording
from simulators.pagerduty.knobs import UnknownKey as UnknownKey

OWNER = "pagerduty"
API = "https://api.pagerduty.com"
EVENTS = "https://events.pagerduty.com"

INCIDENT_ID = ids.alphanumeric("Q", 14)
ALERT_ID = ids.alphanumeric("Q", 14)
LOG_ID = ids.alphanumeric("R", 14)
MESSAGE_ID = ids.alphanumeric("M", 14)
NOTE_ID = ids.alphanumeric("P", 14)
UPDATE_ID = ids.alphanumeric("P", 14)
RESOURCE_ID = ids.alphanumeric("P", 7)
SHIFT_ID = ids.alphanumeric("A", 26)
KEY = ids.hexadecimal(32)


class Status(StrEnum):
    """States of an incident; an alert knows the first and the last."""

    TRIGGERED = "triggered"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


class Urgency(StrEnum):
    """Urgency of an incident."""

    HIGH = "high"
    LOW = "low"


class Channel(StrEnum):
    """How a person is reached."""

    EMAIL = "email"
    SMS = "sms"
    PHONE = "phone"
    PUSH = "push"


class Purpose(StrEnum):
    """What a message is about."""

    INCIDENT = "incident"
    RESPONDER = "responder_request"
    UPDATE = "status_update"
    HANDOFF = "oncall_handoff"


class CallState(StrEnum):
    """A phone call's life; every other message stays ``NONE``."""

    NONE = ""
    RINGING = "ringing"
    ANSWERED = "answered"
    VOICEMAIL = "voicemail"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    ENDED = "ended"


class LogType(StrEnum):
    """Kinds of log entries, by the vendor's names."""

    TRIGGER = "trigger_log_entry"
    ASSIGN = "assign_log_entry"
    ACKNOWLEDGE = "acknowledge_log_entry"
    UNACKNOWLEDGE = "unacknowledge_log_entry"
    ESCALATE = "escalate_log_entry"
    DELEGATE = "delegate_log_entry"
    RESOLVE = "resolve_log_entry"
    NOTIFY = "notify_log_entry"
    ANNOTATE = "annotate_log_entry"
    SNOOZE = "snooze_log_entry"
    REPEAT = "repeat_escalation_path_log_entry"
    EXHAUST = "exhaust_escalation_path_log_entry"
    TRIGGER_LIMIT = "reach_trigger_limit_log_entry"
    URGENCY = "urgency_change_log_entry"
    PRIORITY = "priority_change_log_entry"
    FIELD = "field_value_change_log_entry"
    SERVICE = "service_change_log_entry"
    MERGE = "merge_log_entry"
    NOVEL = "novel_log_entry"
    RESPONDER_REQUEST = "responder_request_log_entry"
    RESPONDER_REPLY = "responder_reply_log_entry"
    STATUS_UPDATE = "status_update_log_entry"


@dataclass(frozen=True, slots=True)
class Agent:
    """Who acts: ``type`` is a reference type such as ``user_reference``, ``channel`` the way it came."""

    type: str
    id: str
    channel: str = "api"


@dataclass(frozen=True, slots=True)
class Assignment:
    """A user an incident is assigned to, since ``at``."""

    user: str
    at: int


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """Who acknowledged, and when."""

    agent: Agent
    at: int


@dataclass(frozen=True, slots=True)
class Incident:
    """An incident. ``policy`` is the policy document as it was at assignment; ``level`` counts from 1 (0 = direct
    assignment), ``loop`` from 0; ``turn`` counts assignments, so that old messages can be told from live ones."""

    id: str
    number: int
    title: str
    service: str
    status: Status
    urgency: Urgency
    created: int
    changed: int
    policy: Document | None
    level: int
    loop: int
    turn: int
    assignments: tuple[Assignment, ...]
    acknowledgements: tuple[Acknowledgement, ...] = ()
    exhausted: bool = False
    snoozed: bool = False
    resolved: int | None = None
    resolved_by: Agent | None = None
    key: str | None = None
    triggered: int = 0
    closed: int = 0
    assigned_via: str = "escalation_policy"
    priority: str | None = None
    body: Mapping[str, Any] | None = None
    opened_by: Agent | None = None
    merged: str | None = None
    bridge: Mapping[str, Any] | None = None
    type: str = "incident_default"


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert; ``event`` is the newest trigger event as received (frozen)."""

    id: str
    key: str
    integration: str
    service: str
    incident: str | None
    status: Status
    severity: str
    summary: str
    created: int
    changed: int
    event: Mapping[str, Any]
    triggers: int = 1
    suppressed: bool = False
    resolved: int | None = None


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One log entry, rendered later; ``users`` are assignees or the notified user, ``data`` what the type needs."""

    id: str
    type: LogType
    incident: str
    service: str
    at: int
    agent: Agent
    users: tuple[str, ...] = ()
    alert: str | None = None
    data: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """A note on an incident; ``changed`` is when its text was last edited."""

    id: str
    incident: str
    user: str
    text: str
    at: int
    changed: int = 0


@dataclass(frozen=True, slots=True)
class StatusUpdate:
    """A status update published on an incident."""

    id: str
    incident: str
    user: str
    message: str
    at: int
    subject: str | None = None
    html: str | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """A message on a person's device; ``turn`` is the incident's when it was sent, ``code`` the digit before an SMS
    reply (0 = none). Texts: ``subject``, ``text`` and ``html`` as far as the channel has them. A bundle is about
    ``others``, too: further incidents and their turns. ``ref`` is the responder request or status update it is about;
    a message about going on call is about no ``incident``."""

    id: str
    user: str
    incident: str
    channel: Channel
    address: str
    at: int
    turn: int
    text: str
    subject: str = ""
    html: str = ""
    code: int = 0
    call: CallState = CallState.NONE
    status: str = "success"
    others: tuple[tuple[str, int], ...] = ()
    purpose: Purpose = Purpose.INCIDENT
    ref: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a person did with a message, and what came of it (``done`` or the reason it did nothing); ``answer`` is what
    the vendor says to that, by SMS or by voice."""

    id: str
    message: str
    user: str
    channel: Channel
    said: str
    at: int
    outcome: str
    answer: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """A change event as received."""

    id: str
    service: str
    integration: str
    at: int
    event: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Ring:
    """Whose turn it is on a round-robin level: ``targets`` as configured, ``order`` with the next one first."""

    id: str
    targets: tuple[str, ...]
    order: tuple[str, ...]


class Access(StrEnum):
    """What a key may do."""

    FULL = "full"
    READ_ONLY = "read_only"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A REST credential; ``id`` is the secret itself, ``scheme`` the way it is sent (``token`` or ``bearer``).

    A key with a ``user`` acts as that user, one without is the account's. ``expires`` is microseconds UTC or ``None``.
    """

    id: str
    scheme: str = "token"
    access: Access = Access.FULL
    user: str | None = None
    enabled: bool = True
    expires: int | None = None
    #: What an OAuth token may be used for; ``None`` = it is no OAuth token, ``access`` decides alone.
    scopes: tuple[str, ...] | None = None
    #: The client id of the app it was issued to.
    client: str = ""


@dataclass(frozen=True, slots=True)
class Membership:
    """A user's place in a team; ``role`` is observer, responder or manager."""

    id: str
    team: str
    user: str
    role: str


@dataclass(frozen=True, slots=True)
class Tagging:
    """A tag on a user, team or escalation policy; ``entity`` is the plural kind and the id."""

    id: str
    tag: str
    entity: tuple[str, str]


@dataclass(frozen=True, slots=True)
class Dependency:
    """One service relying on another; each end is a plural kind (services, business_services) and an id."""

    id: str
    supporting: tuple[str, str]
    dependent: tuple[str, str]


@dataclass(frozen=True, slots=True)
class Gone:
    """What a deleted document was called, so that references to it can still be read; ``id`` is ``kind/id``."""

    id: str
    summary: str


#: Kinds of documents, by the vendor's plural names; nested kinds have the owner as parent.
KINDS = (
    "users",
    "contact_methods",
    "notification_rules",
    "oncall_handoff_notification_rules",
    "status_update_notification_rules",
    "teams",
    "escalation_policies",
    "schedules",
    "overrides",
    "v3_schedules",
    "rotations",
    "schedule_events",
    "custom_shifts",
    "override_shifts",
    "services",
    "integrations",
    "maintenance_windows",
    "priorities",
    "webhook_subscriptions",
    "business_services",
    "tags",
    "addons",
    "vendors",
    "extensions",
    "extension_schemas",
    "response_plays",
    "event_orchestrations",
)


_NAMELESS = {
    "contact_methods",
    "notification_rules",
    "oncall_handoff_notification_rules",
    "status_update_notification_rules",
    "overrides",
    "rotations",
    "schedule_events",
    "custom_shifts",
    "override_shifts",
}


def _routing_key(row: Document) -> Hashable | None:
    return row.body.get("integration_key") or row.body.get("routing_key")


def _policy(row: Document) -> Hashable | None:
    return (row.body.get("escalation_policy") or {}).get("id")


def _open_key(row: Alert) -> Hashable | None:
    return (row.integration, row.key) if row.status is Status.TRIGGERED else None


DOCUMENTS: Mapping[str, TableKey[Document]] = {
    kind: TableKey(
        f"pagerduty.{kind}",
        {"parent": lambda row: row.parent or None}
        | ({"routing_key": _routing_key} if kind == "integrations" else {})
        | ({"name": lambda row: row.body.get("name")} if kind not in _NAMELESS else {})
        | ({"policy": _policy} if kind == "services" else {})
        | ({"email": lambda row: str(row.body.get("email") or "").lower() or None} if kind == "users" else {}),
    )
    for kind in KINDS
}
INCIDENTS: TableKey[Incident] = TableKey(
    "pagerduty.incidents",
    {
        "number": lambda r: r.number,
        "status": lambda r: (r.status, r.urgency),
        "state": lambda r: (r.service, r.status),
        "key": lambda r: r.key,
    },
)
ALERTS: TableKey[Alert] = TableKey(
    "pagerduty.alerts", {"open": _open_key, "incident": lambda r: r.incident, "key": lambda r: r.key}
)
LOG_ENTRIES: TableKey[LogEntry] = TableKey("pagerduty.log_entries", {"incident": lambda r: r.incident})
NOTES: TableKey[Note] = TableKey("pagerduty.notes", {"incident": lambda r: r.incident})
MESSAGES: TableKey[Message] = TableKey(
    "pagerduty.messages", {"user": lambda r: r.user, "incident": lambda r: r.incident or None}
)
REPLIES: TableKey[Reply] = TableKey("pagerduty.replies", {"user": lambda r: r.user})
CHANGES: TableKey[Change] = TableKey("pagerduty.changes", {"service": lambda r: r.service})
STATUS_UPDATES: TableKey[StatusUpdate] = TableKey("pagerduty.status_updates", {"incident": lambda r: r.incident})
RINGS: TableKey[Ring] = TableKey("pagerduty.rings")
API_KEYS: TableKey[ApiKey] = TableKey("pagerduty.api_keys")
MEMBERSHIPS: TableKey[Membership] = TableKey(
    "pagerduty.memberships", {"team": lambda r: r.team, "user": lambda r: r.user}
)
TAGGINGS: TableKey[Tagging] = TableKey("pagerduty.taggings", {"tag": lambda r: r.tag, "entity": lambda r: r.entity})
DEPENDENCIES: TableKey[Dependency] = TableKey("pagerduty.dependencies")
GONE: TableKey[Gone] = TableKey("pagerduty.gone")
TABLES: tuple[TableKey[Any], ...] = (
    *DOCUMENTS.values(),
    INCIDENTS,
    ALERTS,
    LOG_ENTRIES,
    NOTES,
    MESSAGES,
    REPLIES,
    CHANGES,
    STATUS_UPDATES,
    RINGS,
    API_KEYS,
    MEMBERSHIPS,
    TAGGINGS,
    DEPENDENCIES,
    GONE,
)
