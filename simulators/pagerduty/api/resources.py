"""The resource table: every regular kind of thing the REST API lists, creates, reads, updates and deletes.

Fields, limits and defaults are PagerDuty's own (API reference and knowledge base); the rows drive the routes, the
validation, references and links, the served OpenAPI description and the coverage table. ``extra`` holds what is
peculiar to this vendor: ``kind`` (plural name of the table), ``owner`` (kind of the document it belongs to), ``html``
(path of the page on the web host), ``references`` (field -> plural kind it must name), ``unique`` (field that no other
row may repeat), ``created`` (status of a create), ``ability`` (ability of the plan that is needed), ``most`` (how many
the product takes, of one owner where there is one).
"""

from __future__ import annotations

from collections.abc import Mapping

from simulators.engine.resources import Field, Kind, Resource
from simulators.pagerduty.webhooks import SCOPES, SUBSCRIBABLE

_INTEGER, _FLAG, _OBJECT, _LIST, _ANY = Kind.INTEGER, Kind.BOOLEAN, Kind.OBJECT, Kind.ARRAY, Kind.ANY

ROLES = (
    "admin", "limited_user", "observer", "owner", "read_only_user", "read_only_limited_user", "restricted_access",
    "user",
)  # fmt: skip
CONTACT_TYPES = (
    "email_contact_method", "phone_contact_method", "sms_contact_method", "push_notification_contact_method",
    "whatsapp_contact_method",
)  # fmt: skip
INTEGRATION_TYPES = (
    "events_api_v2_inbound_integration", "generic_events_api_inbound_integration", "generic_email_inbound_integration",
    "event_transformer_api_inbound_integration", "aws_cloudwatch_inbound_integration",
    "cloudkick_inbound_integration", "keynote_inbound_integration", "nagios_inbound_integration",
    "pingdom_inbound_integration", "sql_monitor_inbound_integration", "inbound_integration",
)  # fmt: skip
#: What says no more than that it is one: Terraform's provider sends it beside a vendor, whose type it then gets.
ANY_INTEGRATION = "service_integration"

REFERENCE = (Field("id", required=True), Field("type"))
#: What every resource shows and no request can set.
_COMMON = tuple(Field(name, read_only=True) for name in ("id", "summary", "self", "html_url"))
_TYPE = Field("type")


def _reference(name: str, *, required: bool = False) -> Field:
    return Field(name, _OBJECT, required=required, fields=REFERENCE)


def _references(name: str, *, required: bool = False, most: int | None = None) -> Field:
    return Field(name, _LIST, required=required, fields=REFERENCE, max_length=most)


def _shown(*names: str) -> tuple[Field, ...]:
    return tuple(Field(name, _ANY, read_only=True) for name in names)


def _one_of(name: str, *choices: str, required: bool = False, default: str | None = None) -> Field:
    return Field(name, choices=choices, required=required, default=default)


USER = Resource(
    "user",
    "users",
    "/users",
    (
        *_COMMON,
        *_shown("avatar_url", "invitation_sent", "created_via_sso", "teams", "coordinated_incidents",
                "contact_methods", "notification_rules"),
        _TYPE,
        Field("name", required=True, max_length=100),
        Field("email", required=True, min_length=6, max_length=100),
        Field("time_zone", max_length=100),
        Field("color", max_length=100),
        _one_of("role", *ROLES, default="user"),
        Field("job_title", max_length=100),
        Field("description", max_length=1024),
        Field("license", _OBJECT, write_only=True, fields=REFERENCE),
    ),
    include=("contact_methods", "notification_rules", "teams", "subdomains"),
    filters=("query", "team_ids[]"),
    from_header=True,
    extra={"kind": "users", "html": "/users/{id}", "unique": "email", "read_include": ("calendar_urls",)},
)  # fmt: skip

CONTACT_METHOD = Resource(
    "contact_method",
    "contact_methods",
    "/users/{id}/contact_methods",
    (
        *_COMMON,
        *_shown("enabled", "blacklisted", "created_at"),
        Field("type", required=True, choices=CONTACT_TYPES),
        Field("label", required=True, max_length=255),
        Field("address", required=True, max_length=255),
        Field("country_code", _INTEGER, minimum=1, maximum=1999),
        Field("send_short_email", _FLAG),
        Field("send_html_email", _FLAG),
        _one_of("device_type", "ios", "android"),
        Field("sounds", _LIST, fields=(_one_of("type", "alert_high_urgency", "alert_low_urgency"), Field("file"))),
    ),
    paging="",
    extra={"kind": "contact_methods", "owner": "users"},
)

NOTIFICATION_RULE = Resource(
    "notification_rule",
    "notification_rules",
    "/users/{id}/notification_rules",
    (
        *_COMMON,
        *_shown("created_at"),
        _TYPE,
        Field("start_delay_in_minutes", _INTEGER, required=True, minimum=0, maximum=525_600),
        _one_of("urgency", "high", "low", required=True),
        _reference("contact_method", required=True),
    ),
    verbs=("create", "read", "update", "delete"),
    include=("contact_methods",),
    extra={"kind": "notification_rules", "owner": "users"},
)

HANDOFF_RULE = Resource(
    "oncall_handoff_notification_rule",
    "oncall_handoff_notification_rules",
    "/users/{id}/oncall_handoff_notification_rules",
    (
        Field("id", read_only=True),
        Field("notify_advance_in_minutes", _INTEGER, required=True, minimum=0, maximum=2880),
        _one_of("handoff_type", "both", "oncall", "offcall", default="both"),
        _reference("contact_method", required=True),
    ),
    paging="",
    extra={"kind": "oncall_handoff_notification_rules", "owner": "users"},
)

STATUS_UPDATE_RULE = Resource(
    "status_update_notification_rule",
    "status_update_notification_rules",
    "/users/{id}/status_update_notification_rules",
    (*_COMMON, *_shown("created_at"), _TYPE, _reference("contact_method", required=True)),
    paging="",
    include=("contact_methods",),
    extra={"kind": "status_update_notification_rules", "owner": "users"},
)

TEAM = Resource(
    "team",
    "teams",
    "/teams",
    (
        *_COMMON,
        _TYPE,
        Field("name", required=True, max_length=100),
        Field("description", max_length=1024),
        _one_of("default_role", "manager", "none", default="manager"),
        _reference("parent"),
    ),
    filters=("query",),
    extra={
        "kind": "teams", "html": "/teams/{id}", "unique": "name", "ability": "teams", "references": {"parent": "teams"},
        "delete_query": ("reassignment_team",), "read_include": ("privileges",),
    },
)  # fmt: skip

ESCALATION_RULE = (
    Field("id"),
    Field("escalation_delay_in_minutes", _INTEGER, required=True, minimum=1, maximum=43_200),
    Field("targets", _LIST, required=True, fields=(Field("id", required=True), Field("type"))),
    Field("escalation_rule_assignment_strategy", _OBJECT, fields=(
        _one_of("type", "assign_to_everyone", "round_robin", required=True),
    )),
)  # fmt: skip

ESCALATION_POLICY = Resource(
    "escalation_policy",
    "escalation_policies",
    "/escalation_policies",
    (
        *_COMMON,
        *_shown("services", "privilege"),
        _TYPE,
        Field("name", required=True, max_length=255),
        Field("description", max_length=1024),
        Field("num_loops", _INTEGER, minimum=0, maximum=9, default=0, nullable=False),
        _one_of("on_call_handoff_notifications", "if_has_services", "always", default="if_has_services"),
        Field("escalation_rules", _LIST, required=True, max_length=20, fields=ESCALATION_RULE),
        _references("teams", most=1),
        Field("repeat_enabled", _FLAG),
    ),
    include=("services", "teams", "targets", "escalation_rule_assignment_strategies"),
    filters=("query", "user_ids[]", "team_ids[]"),
    sort=("name",),
    extra={
        "kind": "escalation_policies", "html": "/escalation_policies/{id}", "unique": "name",
        "references": {"teams": "teams"}, "actor": "optional",
    },
)  # fmt: skip

RESTRICTION = (
    _one_of("type", "daily_restriction", "weekly_restriction", required=True),
    Field("start_time_of_day", required=True, max_length=8),
    Field("duration_seconds", _INTEGER, required=True),
    Field("start_day_of_week", _INTEGER, choices=(1, 2, 3, 4, 5, 6, 7)),
)

SCHEDULE_LAYER = (
    Field("id"),
    Field("name", max_length=100),
    Field("start", required=True, max_length=40),
    Field("end", max_length=40),
    Field("rotation_virtual_start", required=True, max_length=40),
    Field("rotation_turn_length_seconds", _INTEGER, required=True),
    Field("users", _LIST, required=True, fields=(Field("user", _OBJECT, required=True, fields=REFERENCE),)),
    Field("restrictions", _LIST, fields=RESTRICTION),
)

SCHEDULE = Resource(
    "schedule",
    "schedules",
    "/schedules",
    (
        *_COMMON,
        *_shown("escalation_policies", "users", "overrides_subschedule", "final_schedule"),
        _TYPE,
        Field("name", required=True, max_length=255),
        Field("description", max_length=1024),
        Field("time_zone", required=True, max_length=100),
        Field("schedule_layers", _LIST, required=True, max_length=60, fields=SCHEDULE_LAYER),
        _references("teams"),
    ),
    verbs=("create", "update", "delete"),
    include=("schedule_layers", "overrides_subschedule", "final_schedule"),
    filters=("query", "time_zone", "since", "until", "team_ids[]", "include_next_oncall_for_user"),
    extra={
        "kind": "schedules", "html": "/schedules/{id}", "references": {"teams": "teams"},
        "read_query": ("time_zone", "since", "until", "overflow", "include_next_oncall_for_user"),
        "write_query": ("overflow",),
    },
)  # fmt: skip

#: A schedule of shifts; its operations are a module of their own, the row names fields and addresses.
V3_SCHEDULE = Resource(
    "schedule",
    "schedules",
    "/v3/schedules",
    (
        *_COMMON,
        Field("name", required=True, max_length=255),
        Field("time_zone", required=True, max_length=100),
        Field("description", max_length=1024),
        _references("teams"),
    ),
    verbs=(),
    extra={"kind": "v3_schedules", "html": "/schedules/{id}"},
)

_CONSTANT_URGENCY = (_one_of("type", "constant"), _one_of("urgency", "high", "low", "severity_based", required=True))
URGENCY_RULE = (
    _one_of("type", "constant", "use_support_hours", required=True),
    _one_of("urgency", "high", "low", "severity_based"),
    Field("during_support_hours", _OBJECT, fields=_CONSTANT_URGENCY),
    Field("outside_support_hours", _OBJECT, fields=_CONSTANT_URGENCY),
)
SUPPORT_HOURS = (
    _one_of("type", "fixed_time_per_day"),
    Field("time_zone", required=True, max_length=100),
    Field("start_time", required=True, max_length=8),
    Field("end_time", required=True, max_length=8),
    Field("days_of_week", _LIST, required=True, items=Field("day", _INTEGER, minimum=1, maximum=7)),
)

SERVICE = Resource(
    "service",
    "services",
    "/services",
    (
        *_COMMON,
        *_shown("created_at", "updated_at", "last_incident_timestamp", "teams", "integrations", "addons"),
        _TYPE,
        Field("name", required=True, max_length=255),
        Field("description", max_length=1024),
        Field("auto_resolve_timeout", _INTEGER, minimum=0, maximum=31_536_000),
        Field("acknowledgement_timeout", _INTEGER, minimum=0, maximum=31_536_000),
        _one_of("status", "active", "warning", "critical", "maintenance", "disabled"),
        _reference("escalation_policy", required=True),
        _one_of("alert_creation", "create_alerts_and_incidents", "create_incidents",
                default="create_alerts_and_incidents"),
        Field("incident_urgency_rule", _OBJECT, fields=URGENCY_RULE, default={"type": "constant", "urgency": "high"}),
        Field("support_hours", _OBJECT, fields=SUPPORT_HOURS),
        Field("scheduled_actions", _LIST, fields=(
            _one_of("type", "urgency_change", required=True),
            Field("at", _OBJECT, required=True, fields=(
                _one_of("type", "named_time"),
                _one_of("name", "support_hours_start", "support_hours_end", required=True),
            )),
            _one_of("to_urgency", "high", required=True),
        )),
        Field("alert_grouping", choices=("time", "intelligent", "rules")),
        Field("alert_grouping_timeout", _INTEGER, minimum=0),
        Field("alert_grouping_parameters", _OBJECT, fields=(
            _one_of("type", "time", "intelligent", "content_based"),
            Field("config", _OBJECT),
        )),
        Field("auto_pause_notifications_parameters", _OBJECT, fields=(
            Field("enabled", _FLAG),
            Field("timeout", _INTEGER, choices=(0, 120, 180, 300, 600, 900)),
        )),
        Field("response_play", _OBJECT, fields=REFERENCE),
    ),
    include=("escalation_policies", "teams", "integrations", "auto_pause_notifications_parameters"),
    filters=("query", "team_ids[]", "time_zone", "name"),
    sort=("name", "created_at", "status"),
    extra={
        "kind": "services", "html": "/service-directory/{id}", "unique": "name", "most": 25_000,
        "references": {"escalation_policy": "escalation_policies"},
    },
)  # fmt: skip

INTEGRATION = Resource(
    "integration",
    "integrations",
    "/services/{id}/integrations",
    (
        *_COMMON,
        *_shown("created_at", "service"),
        Field("type", choices=(*INTEGRATION_TYPES, *(f"{name}_reference" for name in INTEGRATION_TYPES),
                               ANY_INTEGRATION)),
        Field("name", max_length=255),
        _reference("vendor"),
        Field("integration_key", max_length=32),
        Field("integration_email", max_length=255),
        _one_of("email_incident_creation", "on_new_email", "on_new_email_subject", "only_if_no_open_incidents",
                "use_rules"),
        _one_of("email_filter_mode", "all-email", "or-rules-email", "and-rules-email"),
        Field("email_parsers", _LIST),
        Field("email_filters", _LIST),
        _one_of("email_parsing_fallback", "open_new_incident", "discard"),
    ),
    verbs=("create", "read", "update", "delete"),
    include=("services", "vendors"),
    extra={
        "kind": "integrations", "owner": "services", "html": "/services/{parent}/integrations/{id}", "most": 250,
        "references": {"vendor": "vendors"},
    },
)  # fmt: skip

MAINTENANCE_WINDOW = Resource(
    "maintenance_window",
    "maintenance_windows",
    "/maintenance_windows",
    (
        *_COMMON,
        *_shown("sequence_number", "created_by", "teams"),
        _TYPE,
        Field("start_time", required=True, max_length=40),
        Field("end_time", required=True, max_length=40),
        Field("description", max_length=1024),
        _references("services", required=True),
    ),
    include=("teams", "services", "users"),
    filters=("query", "team_ids[]", "service_ids[]", "filter"),
    from_header=True,
    extra={
        "kind": "maintenance_windows", "html": "/service-directory/maintenance-windows/{id}",
        "references": {"services": "services"}, "delete_statuses": (405,),
    },
)  # fmt: skip

PRIORITY = Resource(
    "priority",
    "priorities",
    "/priorities",
    (*_COMMON, _TYPE, Field("name"), Field("description")),
    verbs=("list", "read"),
    extra={"kind": "priorities", "ability": "priorities"},
)

VENDOR = Resource(
    "vendor",
    "vendors",
    "/vendors",
    (*_COMMON, _TYPE, Field("name")),
    verbs=("list", "read"),
    filters=("query",),
    extra={"kind": "vendors"},
)

BUSINESS_SERVICE = Resource(
    "business_service",
    "business_services",
    "/business_services",
    (
        *_COMMON,
        _TYPE,
        Field("name", required=True, max_length=255),
        Field("description", max_length=1024),
        Field("point_of_contact", max_length=255),
        _reference("team"),
    ),
    extra={
        "kind": "business_services", "html": "/service-directory/business/{id}", "references": {"team": "teams"},
        "created": 200, "most": 5_000,
    },
)  # fmt: skip

TAG = Resource(
    "tag",
    "tags",
    "/tags",
    (*_COMMON, _TYPE, Field("label", required=True, max_length=191)),
    verbs=("list", "create", "read", "delete"),
    filters=("query",),
    extra={"kind": "tags", "unique": "label"},
)

EXTENSION = Resource(
    "extension",
    "extensions",
    "/extensions",
    (
        *_COMMON,
        *_shown("temporarily_disabled"),
        _TYPE,
        Field("name", required=True, max_length=255),
        Field("endpoint_url", max_length=2000),
        _references("extension_objects", required=True),
        _reference("extension_schema", required=True),
        Field("config", _OBJECT),
    ),
    include=("extension_objects", "extension_schemas", "temporarily_disabled"),
    filters=("query", "extension_object_id", "extension_schema_id"),
    extra={
        "kind": "extensions", "bare": True,  # PagerDuty's own Go client sends extensions without the wrapper key
        "references": {"extension_schema": "extension_schemas", "extension_objects": "services"},
    },
)  # fmt: skip

EXTENSION_SCHEMA = Resource(
    "extension_schema",
    "extension_schemas",
    "/extension_schemas",
    (*_COMMON, _TYPE),
    verbs=("list", "read"),
    extra={"kind": "extension_schemas"},
)

ADDON = Resource(
    "addon",
    "addons",
    "/addons",
    (
        *_COMMON,
        Field("type", required=True, choices=("full_page_addon", "incident_show_addon")),
        Field("name", required=True, max_length=100),
        Field("src", required=True, max_length=2000),
        _references("services"),
    ),
    include=("services",),
    filters=("service_ids[]", "filter"),
    extra={"kind": "addons", "references": {"services": "services"}},
)

WEBHOOK_SUBSCRIPTION = Resource(
    "webhook_subscription",
    "webhook_subscriptions",
    "/webhook_subscriptions",
    (
        Field("id", read_only=True),
        _one_of("type", "webhook_subscription", "webhook_subscription_reference", required=True),
        Field("active", _FLAG, default=True, nullable=False),
        Field("description", max_length=1024),
        Field("delivery_method", _OBJECT, required=True, fields=(
            *_shown("id", "secret", "temporarily_disabled"),
            _one_of("type", "http_delivery_method", required=True),
            Field("url", required=True, max_length=2048),
            Field("custom_headers", _LIST, fields=(
                Field("name", required=True, max_length=100), Field("value", required=True, max_length=1000),
            )),
        )),
        Field("events", _LIST, required=True, items=_one_of("events", *SUBSCRIBABLE)),
        Field("filter", _OBJECT, required=True, fields=(
            _one_of("type", *SCOPES.values(), required=True),
            Field("id", max_length=100),
        )),
        Field("oauth_client_id", max_length=100),
    ),
    filters=("filter_type", "filter_id"),
    extra={"kind": "webhook_subscriptions"},
)  # fmt: skip

RESOURCES: tuple[Resource, ...] = (
    USER, CONTACT_METHOD, NOTIFICATION_RULE, HANDOFF_RULE, STATUS_UPDATE_RULE, TEAM, ESCALATION_POLICY, SCHEDULE,
    V3_SCHEDULE, SERVICE, INTEGRATION, MAINTENANCE_WINDOW, PRIORITY, VENDOR, BUSINESS_SERVICE, TAG, EXTENSION,
    EXTENSION_SCHEMA, ADDON, WEBHOOK_SUBSCRIPTION,
)  # fmt: skip
BY_KIND: Mapping[str, Resource] = {resource.extra["kind"]: resource for resource in RESOURCES}
