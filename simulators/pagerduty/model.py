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


class Region(StrEnum):
    """The service region of an account."""

    US = "us"
    EU = "eu"


class UnknownKey(StrEnum):
    """What the Events API answers to a well-formed routing key nobody owns."""

    JSON_400 = "json_400"
    PLAIN_TEXT_400 = "plain_text_400"
    ACCEPT_202 = "accept_202"


class OverLong(StrEnum):
    """What happens to a summary above 1,024 characters."""

    REJECT = "reject"
    TRUNCATE = "truncate"


class SmsWording(StrEnum):
    """Which of the two texts the vendor has used an SMS about an incident carries."""

    US = "us"  # names the service and the title, offers to escalate
    CURRENT = "current"  # names the number only


@dataclass(frozen=True, slots=True)
class Knobs:
    """What the vendor's documents leave open, with the default chosen."""

    #: Answer to a well-formed but unknown routing key.
    unknown_key: UnknownKey = UnknownKey.JSON_400
    #: Summary above its length limit.
    over_long: OverLong = OverLong.REJECT
    #: At the end of an acknowledgement the person now on call at the level is assigned too.
    handoff_moves: bool = True
    #: When a schedule turns, open incidents that nobody has acknowledged move to whoever comes on call, at once.
    handoff_at_turn: bool = False
    #: Whoever acknowledges stays alone with the incident; without it the assigned stay, too.
    acknowledger_alone: bool = False
    #: Snoozing a triggered incident acknowledges it; without it that is refused.
    snooze_acknowledges: bool = True
    #: An acknowledgement can be taken back over REST; without it that is refused.
    unacknowledge_over_rest: bool = True
    #: A reopened incident's log says unacknowledge; without it trigger.
    reopen_unacknowledges: bool = False
    #: Incidents are created by hand on a service that is disabled or in maintenance; without it that is refused.
    incident_on_disabled: bool = False
    #: A page larger than the largest is cut to that; without it that is refused.
    limit_clamped: bool = True
    #: Acknowledge events are dropped during a maintenance window, as resolve events are.
    ack_dropped_in_maintenance: bool = True
    #: Milliseconds between accepting an event and its taking effect, the same for all of them.
    intake_delay_ms: int = 0
    #: Events accepted per integration key and sliding minute; 0 switches the limit off.
    events_per_minute: int = 0
    #: Trigger events listed per alert; further ones are accepted and not listed.
    trigger_cap: int = 100
    #: The subdomain shown in links.
    subdomain: str = "example"
    #: The region the account lives in: its OAuth tokens begin with it, app tokens are asked for in it.
    region: Region = Region.US
    #: A refresh token is spent when it was used.
    refresh_once: bool = True
    #: The install page lets services be picked that make incidents without alerts.
    install_offers_all: bool = False
    #: The account's name comes back from the install flow as ``Name``, as the vendor's sample has it, not as ``name``.
    install_capital_name: bool = False
    #: The account's time zone: timestamps of answers are rendered in it unless the request names another.
    time_zone: str = "UTC"
    #: Times a day the contact methods of one user may be changed over REST; 0 switches the limit off.
    contact_edits_per_day: int = 0
    #: REST requests allowed per key and minute; 0 switches the limit off.
    requests_per_minute: int = 0
    #: Of these, incidents created per key and minute; 0 sets no limit of their own.
    incidents_per_minute: int = 300
    #: Abilities of the plan that the account lacks.
    missing_abilities: tuple[str, ...] = ()
    #: Targets an escalation rule may have (10 by the API description, 5 or 50 on some plans).
    targets_per_rule: int = 10
    #: The shortest delay of an escalation rule in minutes (1 over REST, 3 or 5 on pages of other years and plans).
    least_delay_minutes: int = 1
    #: Milliseconds for which what was just created cannot be found yet over REST.
    replica_lag_ms: int = 0
    #: Every incident's log gets an entry of a type that no client knows, as types are added without notice.
    unknown_enum: bool = False
    #: Seconds for which notifications of one person and contact method are gathered into one; 0 sends each by itself.
    bundle_seconds: int = 0
    #: Notifications without a delay go out even when the incident is acknowledged or resolved at the same instant.
    minute_zero: bool = False
    #: The text of an SMS about an incident.
    sms_wording: SmsWording = SmsWording.US
    #: A number for SMS that is added over REST gets none until it was verified.
    sms_verification: bool = False
    #: Seconds a call rings before the vendor gives up; 0 lets it ring until somebody does something.
    ring_seconds: int = 0
    #: Webhooks give an incident without a key of its own 32 hexadecimal digits; without it they say null, as REST does.
    webhook_hex_key: bool = True


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
