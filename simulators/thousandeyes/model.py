"""ThousandEyes' rows: who and what there is, what is wrong with the world, and which alerts came of it.

Ids are the vendor's: decimal texts for account groups, agents, tests and rules, UUIDs for alerts, ``wb-…`` and
``pgd-…`` for integrations. Times are microseconds UTC, intervals seconds as on the wire.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from simulators.engine import ids
from simulators.engine.resources import Document, Frozen
from simulators.engine.tables import TableKey
from simulators.thousandeyes.knobs import Knobs as Knobs

OWNER = "thousandeyes"
API = "https://api.thousandeyes.com"
APP = "https://app.thousandeyes.com"

TEST_ID = ids.decimal(281474976710706)
RULE_ID = ids.decimal(127094)
CONDITION_ID = ids.decimal(1)
AUDIT_ID = ids.decimal(1)
#: Kinds of documents whose ids count; every other kind has UUIDs.
DOCUMENT_IDS = {
    "role": ids.decimal(60),
    "suppression-window": ids.decimal(2411),
    "label": ids.decimal(961),
    "credential": ids.decimal(3247),
    "interface-group": ids.decimal(281474976711201),
    "proxy": ids.decimal(281474976711301),
    "agent-rule": ids.decimal(281474976710801),
}


@dataclass(frozen=True, slots=True)
class AccountGroup:
    """An account group; ``time_zone`` is the organization's, used in notifications."""

    id: str
    name: str
    organization: str = "Example Organization"
    org_id: str = "901"
    time_zone: str = "UTC"
    agents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class User:
    """A user of the account; ``aid`` is the login account group."""

    id: str
    name: str
    email: str
    aid: str
    aids: tuple[str, ...]
    registered: int = 0
    #: Roles by account group, and roles that hold in every account group.
    roles: tuple[tuple[str, tuple[str, ...]], ...] = ()
    all_roles: tuple[str, ...] = ()

    def roles_in(self, aid: str) -> tuple[str, ...]:
        """Return the ids of the roles this user has in an account group."""
        return (*self.all_roles, *dict(self.roles).get(aid, ()))


@dataclass(frozen=True, slots=True)
class Token:
    """A token (its text is the id) of a user: an API token, or one a ``client`` got by OAuth for some ``scopes``.

    ``expires`` is in microseconds, ``None`` = never.
    """

    id: str
    user: str
    expires: int | None = None
    client: str = ""
    scopes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Agent:
    """A cloud agent (everybody's) or an enterprise agent or cluster (of the account groups in ``aids``)."""

    id: str
    name: str
    country: str
    location: str
    ips: tuple[str, ...] = ()
    network: str = ""
    latitude: float = 0.0
    longitude: float = 0.0
    kind: str = "cloud"
    enabled: bool = True
    aids: tuple[str, ...] = ()
    created: int = 0
    body: Mapping[str, Any] = field(default_factory=Frozen)


@dataclass(frozen=True, slots=True)
class Test:
    """A test: what the alerting needs as fields, every other setting in ``body`` as the vendor spells it."""

    __test__ = False

    id: str
    aid: str
    type: str
    name: str
    interval: int
    agents: tuple[str, ...]
    rules: tuple[str, ...]
    created: int
    created_by: str
    enabled: bool = True
    alerts_enabled: bool = True
    modified: int | None = None
    modified_by: str = ""
    body: Mapping[str, Any] = field(default_factory=Frozen)
    #: Starts of rounds that were run at once, beside those of the interval; an instant test has no others.
    runs: tuple[int, ...] = ()
    #: What a private snapshot ("saved event") keeps: the test it was taken of, and which of its rounds.
    source: str = ""
    kept: tuple[int, int] | None = None

    @property
    def is_instant(self) -> bool:
        """Whether it runs only when somebody says so."""
        return bool(self.runs) and not self.interval

    @property
    def is_saved(self) -> bool:
        """Whether it is a saved event: it never runs by itself, and its settings stay as they are."""
        return self.is_instant or bool(self.source)

    @property
    def target(self) -> str:
        """What is tested, as notifications show it."""
        names = ("url", "server", "domain", "prefix", "targetAgentId")
        return str(next((self.body[name] for name in names if self.body.get(name)), ""))


@dataclass(frozen=True, slots=True)
class TestVersion:
    """A test as it was from ``at`` on, by whom it was made so."""

    __test__ = False

    id: str
    test: str
    at: int
    by: str
    row: Test


@dataclass(frozen=True, slots=True)
class AlertRule:
    """An alert rule; ``minimum_pct`` is used when ``minimum_sources`` is ``None``."""

    id: str
    aid: str
    name: str
    alert_type: str
    expression: str
    out_of: int
    required: int
    mode: str = "any"
    minimum_sources: int | None = 1
    minimum_pct: int | None = None
    severity: str = "info"
    notify_on_clear: bool = True
    is_default: bool = False
    notifications: Mapping[str, Any] = field(default_factory=Frozen)
    body: Mapping[str, Any] = field(default_factory=Frozen)


@dataclass(frozen=True, slots=True)
class Integration:
    """A classic webhook (``wb-…``), PagerDuty service (``pgd-…``) or other third party that rules can notify.

    ``auth`` is none, basic, token or oauth; for PagerDuty ``target`` is the Events API and ``token`` the integration
    key, and ``user`` the account's subdomain.
    """

    id: str
    kind: str
    name: str
    target: str
    auth: str = "none"
    user: str = ""
    token: str = field(default="", repr=False)
    static: tuple[tuple[str, str], ...] = ()
    #: The PagerDuty service it belongs to.
    service: str = ""


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """A change a user made over the API: ``event`` in words, ``resources`` as pairs of type and name."""

    id: str
    aid: str
    at: int
    event: str
    uid: str
    user: str
    address: str
    resources: tuple[tuple[str, str], ...]


class Trouble(StrEnum):
    """What can be wrong with the world, in the field's terms; :data:`~.conditions.MEANINGS` says what ``value`` is."""

    STATUS = "status"  # the server answers with another status
    TIMEOUT = "timeout"  # the server accepts and never answers
    CONNECT = "connect"  # nothing listens, or every packet is dropped
    DNS = "dns"  # the name does not resolve
    TLS = "tls"  # the certificate expires
    LATENCY = "latency"  # every round trip takes longer
    SLOW = "slow"  # the server thinks longer
    JITTER = "jitter"  # round trips vary more
    LOSS = "loss"  # packets are lost
    CONGESTION = "congestion"  # less bandwidth is left
    CONTENT = "content"  # the answer is not what was asked for
    COMPONENT = "component"  # parts of a page fail to load
    MAPPING = "mapping"  # the name resolves to another address
    PATH_CHANGE = "path-change"  # traffic takes another path
    HOP_LOSS = "hop-loss"  # a router on the path drops packets
    MTU = "mtu"  # the path carries smaller packets only
    DSCP = "dscp"  # packets are marked otherwise on the way
    WITHDRAWAL = "withdrawal"  # monitors lose their route to the prefix
    HIJACK = "hijack"  # another network announces the prefix
    OFFLINE = "offline"  # the agent measures nothing and is not heard of
    LOCAL = "local-problems"  # the agent's own network is at fault
    CLOCK = "clock-offset"  # the agent's clock is wrong


@dataclass(frozen=True, slots=True)
class Condition:
    """Something wrong over [``since``, ``until``) for a test (``*`` = all) as seen by some locations.

    ``agents`` are ids of agents or monitors, ``regions`` countries or places, ``providers`` networks; whoever is in one
    of the three is concerned, and everybody where all three are empty. ``parts`` are DNS servers or prefixes.

    With ``period`` (microseconds) it comes and goes: on for the first ``duty`` per cent of each period. It grows to
    ``value`` within ``ramp`` (microseconds), follows the day when ``diurnal``, and hits ``share`` per cent of rounds;
    ``value`` varies by ``noise`` per cent either way. ``hop`` is the router (from 1) that drops packets.
    """

    id: str
    kind: Trouble
    test: str
    since: int
    until: int | None = None
    agents: tuple[str, ...] = ()
    value: int = 0
    period: int = 0
    duty: int = 50
    regions: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    ramp: int = 0
    diurnal: bool = False
    share: int = 100
    noise: int = 0
    hop: int = 0


class AlertState(StrEnum):
    """States of an alert and of each location in it, with the numbers webhooks use in ``active``."""

    TRIGGER = "trigger"
    CLEAR = "clear"
    DISABLED = "disabled"

    @property
    def active(self) -> int:
        """1 active, 0 cleared, 2 ended by configuration."""
        return {"trigger": 1, "clear": 0, "disabled": 2}[self.value]


@dataclass(frozen=True, slots=True)
class Location:
    """One location of an alert: when it joined and left, and what was measured then."""

    agent: str
    since: int
    until: int | None
    state: AlertState
    metrics_at_start: str
    metrics_at_end: str = ""


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert (a "global alert"): from its trigger to its end. ``rule`` facts are those of the trigger."""

    id: str
    test: str
    rule: str
    aid: str
    rule_name: str
    expression: str
    severity: str
    start: int
    end: int | None
    state: AlertState
    locations: tuple[Location, ...]
    violations: int
    test_name: str
    alert_type: str = "http-server"
    test_type: str = "http-server"
    notifications: Mapping[str, Any] = field(default_factory=Frozen)
    notify_on_clear: bool = True
    #: The DNS server or prefix it is about, where a rule is evaluated on each separately.
    part: str = ""
    #: It is held silent at the moment, and how often it began (once more after every silence it outlasted).
    suppressed: bool = False
    version: int = 1
    #: What was tested, and the test's labels (id, name), at the trigger: they are told when the test is gone, too.
    target: str = ""
    labels: tuple[tuple[str, str], ...] = ()

    @property
    def unit(self) -> str:
        """The evaluation unit it belongs to."""
        return unit_id(self.test, self.rule, self.part)


def unit_id(test: str, rule: str, part: str = "") -> str:
    """Return the id of an evaluation unit."""
    return f"{test}:{rule}:{part}" if part else f"{test}:{rule}"


@dataclass(frozen=True, slots=True)
class Unit:
    """An evaluation unit (test, rule, perhaps DNS server or prefix): the step function's state after round ``done``.

    ``first`` is the round its history began with, ``alert`` the open alert, if any.
    """

    id: str
    test: str
    rule: str
    first: int
    done: int
    history: tuple[tuple[str, int], ...] = ()
    active: tuple[str, ...] | None = None
    alert: str = ""
    part: str = ""


@dataclass(frozen=True, slots=True)
class Silence:
    """A real-time suppression: the unit of this ``id`` is not looked at over [``since``, ``until``)."""

    id: str
    since: int
    until: int


@dataclass(frozen=True, slots=True)
class Notification:
    """One notification to one target: what is sent, how often it was tried, what came of it."""

    id: str
    alert: str
    integration: str
    event: str
    body: bytes
    made: int
    attempts: int = 0
    state: str = "pending"
    #: Where and how it is sent, where that was decided once and for all (custom webhooks).
    url: str = ""
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class PendingMail:
    """What waits for a recipient (the ``id``) until all of this moment has happened: alerts, and their rules' texts."""

    id: str
    items: tuple[tuple[Alert, str], ...]


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail that was sent: ``raw`` is the MIME message."""

    id: str
    at: int
    recipient: str
    subject: str
    alerts: tuple[str, ...]
    raw: bytes


ACCOUNT_GROUPS: TableKey[AccountGroup] = TableKey("thousandeyes.account_groups")
USERS: TableKey[User] = TableKey("thousandeyes.users")
TOKENS: TableKey[Token] = TableKey("thousandeyes.tokens")
AGENTS: TableKey[Agent] = TableKey("thousandeyes.agents")
TESTS: TableKey[Test] = TableKey("thousandeyes.tests", {"aid": lambda row: row.aid})
TEST_VERSIONS: TableKey[TestVersion] = TableKey("thousandeyes.test_versions", {"test": lambda row: row.test})
RULES: TableKey[AlertRule] = TableKey("thousandeyes.rules", {"aid": lambda row: row.aid})
INTEGRATIONS: TableKey[Integration] = TableKey("thousandeyes.integrations")
CONDITIONS: TableKey[Condition] = TableKey("thousandeyes.conditions", {"test": lambda row: row.test})
ALERTS: TableKey[Alert] = TableKey(
    "thousandeyes.alerts",
    {"test": lambda row: row.test, "state": lambda row: row.state.value, "aid": lambda row: row.aid},
)
SILENCES: TableKey[Silence] = TableKey("thousandeyes.silences")
UNITS: TableKey[Unit] = TableKey("thousandeyes.units", {"test": lambda row: row.test, "rule": lambda row: row.rule})
NOTIFICATIONS: TableKey[Notification] = TableKey(
    "thousandeyes.notifications", {"alert": lambda row: row.alert, "integration": lambda row: row.integration}
)
PENDING_MAILS: TableKey[PendingMail] = TableKey("thousandeyes.pending_mails")
MAILS: TableKey[Mail] = TableKey("thousandeyes.mails", {"recipient": lambda row: row.recipient})
#: What the alerting has no use for, as the vendor writes it; ``parent`` is the account group, "" = the organization.
DOCUMENTS: TableKey[Document] = TableKey("thousandeyes.documents", {"place": lambda row: (row.kind, row.parent)})
AUDIT: TableKey[AuditEvent] = TableKey("thousandeyes.audit", {"aid": lambda row: row.aid})

TABLES: tuple[TableKey[Any], ...] = (
    ACCOUNT_GROUPS,
    USERS,
    TOKENS,
    AGENTS,
    TESTS,
    TEST_VERSIONS,
    RULES,
    INTEGRATIONS,
    CONDITIONS,
    ALERTS,
    SILENCES,
    UNITS,
    NOTIFICATIONS,
    PENDING_MAILS,
    MAILS,
    DOCUMENTS,
    AUDIT,
)
