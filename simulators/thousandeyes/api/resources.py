"""The resource table beside the tests: alert rules, agents, administration, integrations, tags, suppression windows.

Required fields, limits and defaults are the vendor's own. The rows drive the routes
(:mod:`~simulators.thousandeyes.api.collection`), the validation problems, the defaults shown on reading and the served
description. This module also words what is wrong with a body.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from simulators.engine.resources import Field, Kind, Problem, Resource, Trouble, check, with_defaults
from simulators.thousandeyes.api.fields import flag, one_of, shown, text, texts, thing, things, whole
from simulators.thousandeyes.api.rest import FieldError

SEVERITIES = ("info", "minor", "major", "critical", "unknown")
ALERT_TYPES = (
    "page-load", "http-server", "end-to-end-server", "end-to-end-agent", "voice", "dns-server", "dns-trace", "dnssec",
    "bgp", "path-trace", "ftp", "sip-server", "transactions", "web-transactions", "agent", "network-outage",
    "application-outage", "device-device", "device-interface", "endpoint-network-server", "endpoint-http-server",
    "endpoint-path-trace", "endpoint-browser-sessions-agent", "endpoint-browser-sessions-application", "api",
    "web-transaction", "unknown",
)  # fmt: skip
THIRD_PARTIES = ("pager-duty", "slack", "app-dynamics", "service-now")
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_INTEGRATION = (text("integrationId", required=True), text("integrationName"), text("target"))
_HEADERS = things("headers", text("name", required=True), text("value", required=True))

ALERT_RULE = Resource(
    "alertRule",
    "alertRules",
    "/alerts/rules",
    (
        *shown("ruleId", "tests", "_links"),
        text("ruleName", required=True, most=255),
        text("expression", required=True, most=10_000),
        one_of("alertType", *ALERT_TYPES, required=True),
        text("description"),
        one_of("alertGroupType", "bgp", "browser-session", "cloud-enterprise", "endpoint"),
        one_of("direction", "to-target", "from-target", "bidirectional"),
        one_of("severity", *SEVERITIES, default="info"),
        flag("notifyOnClear", False),
        flag("isDefault", False),
        whole("minimumSources", 1),
        whole("minimumSourcesPct", 0, 100),
        one_of("roundsViolatingMode", "any", "exact", "auto", default="any"),
        whole("roundsViolatingOutOf", 1, 10, required=True),
        whole("roundsViolatingRequired", 1, 10),
        one_of("sensitivityLevel", "high", "medium", "low"),
        flag("includeCoveredPrefixes"),
        texts("endpointAgentIds"),
        texts("endpointLabelIds"),
        texts("visitedSitesFilter"),
        texts("testIds"),
        thing(
            "notifications",
            thing("email", texts("recipients"), text("message")),
            things("thirdParty", *_INTEGRATION, one_of("integrationType", *THIRD_PARTIES, required=True)),
            things("webhook", *_INTEGRATION, one_of("integrationType", "webhook", required=True)),
            things("customWebhook", *_INTEGRATION, one_of("integrationType", "custom-webhook", required=True)),
        ),
    ),
)

#: The largest number of the vendor's integers.
_MOST = 2**31 - 1
SUPPRESSION_WINDOW = Resource(
    "alertSuppressionWindow",
    "alertSuppressionWindows",
    "/alert-suppression-windows",
    (
        *shown("alertSuppressionWindowId", "status", "tests", "_links"),
        text("name", required=True, most=255),
        flag("isEnabled", True),
        text("startDate", required=True),
        whole("duration", 60, _MOST, required=True),
        thing(
            "repeat",
            one_of("type", "day", "week", "month", "custom", required=True),
            one_of("intervalType", "day", "week", "month"),
            whole("intervalLength", 1, _MOST),
            texts("daysOfWeek", *DAYS),
        ),
        thing(
            "endRepeat",
            one_of("type", "never", "count", "date", required=True),
            whole("count", 1, _MOST),
            text("date"),
        ),
        texts("testIds", write_only=True),
    ),
    include=("test",),
)

AGENT = Resource(
    "agent",
    "agents",
    "/agents",
    (
        Field("agentName", min_length=1, max_length=255),
        flag("enabled"),
        texts("accountGroups"),
        texts("tests"),
        one_of("ipv6Policy", "force-ipv4", "prefer-ipv6", "force-ipv6"),
        flag("keepBrowserCache"),
        text("targetForTests"),
        Field("localResolutionPrefixes", Kind.ARRAY, max_length=5, items=Field("", nullable=False)),
    ),
    verbs=("list", "read", "update", "delete"),
    include=("cluster-member", "test", "test-ids", "notification-rule"),
    filters=("agentTypes", "labels", "tagKeys"),
)
AGENT_NOTIFICATION_RULE = Resource(
    "notification rule", "agentAlertRules", "/agents/notification-rules", (), verbs=("list", "read")
)

ACCOUNT_GROUP = Resource(
    "accountGroup",
    "accountGroups",
    "/account-groups",
    (text("accountGroupName", required=True, most=255), texts("agents")),
    include=("user", "agent"),
)
USER = Resource(
    "user",
    "users",
    "/users",
    (
        text("name", required=True, most=255),
        text("email", required=True, most=255),
        text("loginAccountGroupId"),
        things("accountGroupRoles", text("accountGroupId", required=True), texts("roleIds", required=True)),
        texts("allAccountGroupRoleIds"),
    ),
)
ROLE = Resource("role", "roles", "/roles", (text("name", required=True, most=255), texts("permissions")))
PERMISSION = Resource("permission", "permissions", "/permissions", (), verbs=("list",))
MONITOR = Resource("monitor", "monitors", "/monitors", (), verbs=("list",))
CREDENTIAL = Resource(
    "credential", "credentials", "/credentials", (text("name", required=True, most=255), text("value", required=True))
)

INTERFACE_GROUP = Resource(
    "interfaceGroup",
    "pathVisInterfaceGroups",
    "/network/path-vis/interface-groups",
    (*shown("aid", "groupId", "rdnsRegexes"), text("groupName", required=True, most=255), texts("ipAddresses")),
    verbs=("list", "create", "update", "delete"),
)
AGENT_PROXY = Resource(
    "agentProxy",
    "agentProxies",
    "/agents/proxies",
    (
        text("name", required=True, most=255),
        one_of("type", "static", "pac", default="static"),
        text("location", required=True),
        one_of("authType", "basic", "ntlm", "kerberos"),
        text("user"),
        text("password"),
        texts("bypassList"),
        flag("isLocalConfigured", False),
    ),
    verbs=("list",),
)

#: Authentication type -> what it needs beside ``type``, and what it may have.
AUTHENTICATION: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "basic": (("username", "password"), ()),
    "bearer-token": (("token",), ()),
    "other-token": (("token",), ()),
    "oauth-auth-code": (
        ("oauthClientId", "oauthClientSecret", "oauthAuthUrl", "oauthTokenUrl", "code", "redirectUri"),
        ("token", "refreshToken"),
    ),
    "oauth-client-credentials": (("oauthClientId", "oauthClientSecret", "oauthTokenUrl"), ("token",)),
}
CONNECTOR = Resource(
    "connector",
    "items",
    "/connectors/generic",
    (
        *shown("id", "lastModifiedDate", "_links"),
        one_of("type", "generic", required=True),
        text("name", required=True, most=255),
        text("target", required=True, most=2048),
        thing("authentication", one_of("type", *AUTHENTICATION, required=True)),
        _HEADERS,
    ),
)
OPERATION = Resource(
    "operation",
    "items",
    "/operations/webhooks",
    (
        *shown("id", "_links"),
        text("name", required=True, most=255),
        one_of("category", "alerts", "recommendations", "traffic-monitoring", required=True),
        one_of("status", "pending", "connected", "failing", "unverified", required=True),
        flag("enabled"),
        text("path"),
        text("payload"),
        text("queryParams"),
        _HEADERS,
        one_of("type", "webhook", default="webhook"),
    ),
)

OBJECT_TYPES = ("test", "dashboard", "endpoint-test", "v-agent", "connected-devices-test", "endpoint-agent")
TAG = Resource(
    "tag",
    "tags",
    "/tags",
    (
        *shown("id", "aid", "builtIn", "createDate", "modifiedDate", "legacyId", "assignments", "_links"),
        text("key", required=True, most=255),
        text("value", required=True, most=255),
        one_of("objectType", *OBJECT_TYPES, default="test"),
        one_of("accessType", "all", "partner", "system", default="all"),
        text("color", default="#fd7e14"),
        text("icon"),
        text("description"),
        one_of("type", "static", "dynamic", default="static"),
        one_of("matchType", "and", "or"),
        things("filters", text("key"), texts("values"), one_of("mode", "in", "not-in")),
    ),
    include=("assignments",),
)

LABEL_TYPES = ("agent", "test", "endpoint-test", "dashboard")
LABEL_FIELDS = (*shown("labelId", "isBuiltIn", "type", "_links"), text("name", required=True, most=255), texts("ids"))
#: Every label whatever its type; ``/labels`` can only be listed.
ANY_LABEL = Resource("label", "labels", "/labels", (), verbs=("list",))

#: Every test whatever its type; ``/tests`` can only be listed.
ANY_TEST = Resource("test", "tests", "/tests", (), verbs=("list",))

_KINDS = {
    Kind.STRING: "a string",
    Kind.INTEGER: "an integer",
    Kind.NUMBER: "a number",
    Kind.BOOLEAN: "a boolean",
    Kind.OBJECT: "an object",
    Kind.ARRAY: "an array",
}


def errors(resource: Resource, body: Mapping[str, Any], *, partial: bool = False) -> list[FieldError]:
    """Return what is wrong with ``body`` as the API words it; ``partial`` asks for no required field."""
    return [FieldError(found.path, _message(found)) for found in check(resource.fields, body, partial=partial)]


def writable(resource: Resource, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``body`` without nulls, read-only fields, and those of resources of another type (``extra["foreign"]``).

    Fields nobody knows are kept.
    """
    shut = {entry.name for entry in resource.fields if entry.read_only} | set(resource.extra.get("foreign", ()))
    return {name: value for name, value in body.items() if name not in shut and value is not None}


def readable(resource: Resource, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was once sent, completed by defaults, without what never comes back, however deep it lies."""
    return _without_secrets(resource.fields, with_defaults(resource.fields, body))


def _without_secrets(fields: tuple[Field, ...], body: Mapping[str, Any]) -> dict[str, Any]:
    known = {entry.name: entry for entry in fields}
    kept: dict[str, Any] = {}
    for name, value in body.items():
        entry = known.get(name)
        if entry is None or not entry.fields:
            if entry is None or not entry.write_only:
                kept[name] = value
        elif not entry.write_only:
            inner = entry.fields
            if isinstance(value, Mapping):
                kept[name] = _without_secrets(inner, value)
            else:
                kept[name] = [_without_secrets(inner, item) if isinstance(item, Mapping) else item for item in value]
    return kept


def _message(found: Problem) -> str:
    entry = found.field
    limit = {
        Trouble.TOO_LONG: entry.max_length,
        Trouble.TOO_SHORT: entry.min_length,
        Trouble.TOO_SMALL: entry.minimum,
        Trouble.TOO_LARGE: entry.maximum,
    }.get(found.trouble)
    number = "" if limit is None else str(math.floor(limit))
    unit = "entries" if entry.kind is Kind.ARRAY else "characters"
    return {
        Trouble.MISSING: "is required",
        Trouble.BLANK: "must not be empty",
        Trouble.TYPE: f"must be {_KINDS.get(entry.kind, 'a value')}",
        Trouble.TOO_LONG: f"must not be longer than {number} {unit}",
        Trouble.TOO_SHORT: f"must not be shorter than {number} {unit}",
        Trouble.NOT_ALLOWED: "must be one of " + ", ".join(str(choice) for choice in entry.choices),
        Trouble.TOO_SMALL: f"must not be less than {number}",
        Trouble.TOO_LARGE: f"must not be greater than {number}",
    }[found.trouble]
