"""Configuration as the REST API shows it: one function per kind, from a stored document to the vendor's JSON.

What a document does not hold is computed: links, references resolved by name, a service's status, a policy's services.
Fields nobody knows come back as they were loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from simulators.engine import instants
from simulators.engine.resources import Document, Kind, Resource, thaw
from simulators.pagerduty import carriers
from simulators.pagerduty.api.lens import SHAPES, Lens, Shape
from simulators.pagerduty.api.resources import BY_KIND
from simulators.pagerduty.intake import in_maintenance
from simulators.pagerduty.model import DOCUMENTS, INCIDENTS, MEMBERSHIPS, Status
from simulators.pagerduty.oncall import target_kind

_COLORS = ("purple", "red", "green", "blue", "teal", "orange", "brown", "turquoise")


#: What stands where an array or a boolean was left out: they are never null (PagerDuty: types).
_NEVER_NULL: Mapping[Kind, Callable[[], Any]] = {Kind.ARRAY: list, Kind.BOOLEAN: bool}


def given(kind: str, document: Document) -> dict[str, Any]:
    """Return what is stored and not computed: unknown fields as they are, known ones left out as null or empty."""
    resource: Resource = BY_KIND[kind]
    shown: dict[str, Any] = {}
    for entry in resource.fields:
        if not entry.read_only and not entry.write_only and entry.name != "type":
            value = thaw(document.body.get(entry.name))
            shown[entry.name] = _NEVER_NULL.get(entry.kind, lambda: None)() if value is None else value
    hidden = {entry.name for entry in resource.fields if entry.write_only or entry.read_only}
    for name, value in document.body.items():
        if name not in shown and name not in hidden and name not in {"type", "parent"}:
            shown[name] = thaw(value)
    return shown


def plain(kind: str) -> Shape:
    """Return the shape of a kind that has nothing of its own beyond references."""

    def show(lens: Lens, document: Document) -> dict[str, Any]:
        shown = lens.head(kind, document) | given(kind, document)
        for name, other in BY_KIND[kind].extra.get("references", {}).items():
            value = shown.get(name)
            if isinstance(value, list):
                shown[name] = lens.refs(other, value, name)
            elif isinstance(value, dict):
                shown[name] = lens.ref(other, value["id"], _PLURALS.get(name, name))
            elif name == "services" or name == "extension_objects":
                shown[name] = []
        return shown

    return show


_PLURALS = {"extension_schema": "extension_schemas", "team": "teams"}


def user(lens: Lens, document: Document) -> dict[str, Any]:
    """Return a user."""
    body = document.body
    children = {
        kind: [
            SHAPES[kind](lens, entry) if kind in lens.include else _child_ref(lens, kind, entry)
            for entry in lens.state.find(DOCUMENTS[kind], "parent", document.id)
        ]
        for kind in ("contact_methods", "notification_rules")
    }
    teams = [membership.team for membership in lens.state.find(MEMBERSHIPS, "user", document.id)]
    shown = lens.head("users", document) | given("users", document)
    shown |= {
        "time_zone": body.get("time_zone") or "Etc/UTC",
        "color": body.get("color") or _COLORS[sum(map(ord, document.id)) % len(_COLORS)],
        "role": body.get("role") or "user",
        "avatar_url": body.get("avatar_url") or "https://avatars.pagerduty.example/blank.png",
        "invitation_sent": bool(body.get("invitation_sent", False)),
        "created_via_sso": bool(body.get("created_via_sso", False)),
        **children,
        "teams": lens.refs("teams", teams, "teams"),
        "coordinated_incidents": [],
    }
    if "subdomains" in lens.include:
        shown["subdomains"] = [lens.links.web.removeprefix("https://").partition(".")[0]]
    return shown


def _child_ref(lens: Lens, kind: str, document: Document) -> dict[str, Any]:
    head = lens.head(kind, document)
    if kind == "notification_rules":
        head["type"] = "assignment_notification_rule"
    head["type"] += "_reference"
    return head


def contact_method(lens: Lens, document: Document) -> dict[str, Any]:
    """Return a contact method; which fields it has depends on its type."""
    body, kind = document.body, str(document.body.get("type", ""))
    shown = lens.head("contact_methods", document)
    shown |= {"label": body.get("label") or "Default", "address": body.get("address", "")}
    if kind == "email_contact_method":
        shown["send_short_email"] = bool(body.get("send_short_email", False))
        shown["send_html_email"] = bool(body.get("send_html_email", True))
    elif kind == "push_notification_contact_method":
        shown |= {
            "device_type": body.get("device_type") or "ios",
            "sounds": thaw(body.get("sounds") or ()),
            "created_at": lens.at(document.created),
        }
    else:
        shown["country_code"] = body.get("country_code") or 1
    if kind != "email_contact_method":
        shown["blacklisted"] = bool(body.get("blacklisted")) or _said_stop(lens, document)
    shown["enabled"] = bool(body.get("enabled", True))
    return shown


def _said_stop(lens: Lens, method: Document) -> bool:
    return method.body.get("type") == "sms_contact_method" and carriers.stopped(lens.state, carriers.address(method))


def _method(lens: Lens, sent: Mapping[str, Any], include: str = "") -> dict[str, Any]:
    """Return a rule's contact method under the type it was sent with: Terraform reads back what it wrote."""
    shown = lens.ref("contact_methods", sent["id"], include)
    if str(sent.get("type")) + "_reference" == shown["type"]:
        shown["type"] = sent["type"]
    return shown


def notification_rule(lens: Lens, document: Document) -> dict[str, Any]:
    """Return an assignment notification rule."""
    body = document.body
    shown = lens.head("notification_rules", document)
    return shown | {
        "type": "assignment_notification_rule",
        "start_delay_in_minutes": body.get("start_delay_in_minutes", 0),
        "created_at": lens.at(document.created),
        "urgency": body.get("urgency", "high"),
        "contact_method": _method(lens, body["contact_method"], "contact_methods"),
    }


def handoff_rule(lens: Lens, document: Document) -> dict[str, Any]:
    """Return a rule for notices ahead of going on or off call."""
    body = document.body
    return {
        "id": document.id,
        "notify_advance_in_minutes": body["notify_advance_in_minutes"],
        "handoff_type": body.get("handoff_type", "both"),
        "contact_method": _method(lens, body["contact_method"]),
    }


def status_update_rule(lens: Lens, document: Document) -> dict[str, Any]:
    """Return a rule for status updates."""
    shown = lens.head("status_update_notification_rules", document)
    shown["type"] = "status_update_notification_rule"
    return shown | {
        "created_at": lens.at(document.created),
        "contact_method": _method(lens, document.body["contact_method"], "contact_methods"),
    }


def team(lens: Lens, document: Document) -> dict[str, Any]:
    """Return a team."""
    shown = plain("teams")(lens, document)
    shown.pop("members", None)
    shown["default_role"] = document.body.get("default_role") or "manager"
    if "privileges" in lens.include:
        shown["privileges"] = []
    return shown


def policy(lens: Lens, document: Document) -> dict[str, Any]:
    """Return an escalation policy; ``services`` are those that use it now."""
    body = document.body
    shown = lens.head("escalation_policies", document) | given("escalation_policies", document)
    shown |= {
        "description": body.get("description"),
        "num_loops": body.get("num_loops") or 0,
        "repeat_enabled": bool(body.get("num_loops")),
        "on_call_handoff_notifications": body.get("on_call_handoff_notifications") or "if_has_services",
        "escalation_rules": [_rule(lens, entry) for entry in body.get("escalation_rules") or ()],
        "services": lens.refs("services", _using(lens, document.id), "services"),
        "teams": lens.refs("teams", body.get("teams"), "teams"),
        "privilege": None,
    }
    return shown


def _using(lens: Lens, policy_id: str) -> list[str]:
    return [row.id for row in lens.state.find(DOCUMENTS["services"], "policy", policy_id)]


def _rule(lens: Lens, entry: Mapping[str, Any]) -> dict[str, Any]:
    shown = {
        "id": entry.get("id"),
        "escalation_delay_in_minutes": entry.get("escalation_delay_in_minutes", 30),
        "targets": [_target(lens, target) for target in entry.get("targets") or ()],
    }
    if "escalation_rule_assignment_strategies" in lens.include:
        strategy = entry.get("escalation_rule_assignment_strategy")
        shown["escalation_rule_assignment_strategy"] = thaw(strategy) or {"type": "assign_to_everyone"}
    return shown


def _target(lens: Lens, target: Mapping[str, Any]) -> dict[str, Any]:
    shown = lens.ref(target_kind(target), target["id"], "targets")
    return shown | ({"type": target["shown_as"]} if "shown_as" in target else {})


def policy_teams(lens: Lens, policy_id: str) -> list[str]:
    """Return the ids of the teams of an escalation policy (a service's teams are its policy's)."""
    document = lens.state.get(DOCUMENTS["escalation_policies"], policy_id)
    return [] if document is None else [entry["id"] for entry in document.body.get("teams") or ()]


def service_status(lens: Lens, document: Document) -> str:
    """Return a service's status: disabled, maintenance, or by its open incidents critical, warning, active."""
    if document.body.get("status") == "disabled":
        return "disabled"
    if in_maintenance(lens.state, document.id):
        return "maintenance"
    worst = "active"
    for status, name in ((Status.ACKNOWLEDGED, "warning"), (Status.TRIGGERED, "critical")):
        if lens.state.table(INCIDENTS).count("state", (document.id, status)):
            worst = name
    return worst


#: Type of grouping -> what the deprecated ``alert_grouping`` calls it, beside the parameters.
_OLDER_GROUPING = {"time": "time", "intelligent": "intelligent", "content_based": "rules"}


def service(lens: Lens, document: Document) -> dict[str, Any]:
    """Return a service."""
    body = document.body
    policy_id = (body.get("escalation_policy") or {}).get("id", "")
    children = lens.state.find(DOCUMENTS["integrations"], "parent", document.id)
    last = _last_incident(lens, document.id)
    grouping = _merged(body.get("alert_grouping_parameters"), {"type": None, "config": None})
    shown = lens.head("services", document) | given("services", document)
    shown |= {
        "created_at": lens.at(document.created),
        "updated_at": lens.at(document.updated),
        "status": service_status(lens, document),
        "last_incident_timestamp": lens.at(last),
        "escalation_policy": lens.ref("escalation_policies", policy_id, "escalation_policies"),
        "alert_creation": body.get("alert_creation") or "create_alerts_and_incidents",
        "incident_urgency_rule": _urgency_rule(body.get("incident_urgency_rule")),
        "scheduled_actions": thaw(body.get("scheduled_actions") or ()),
        "alert_grouping": _OLDER_GROUPING.get(grouping["type"]),
        "alert_grouping_timeout": (grouping["config"] or {}).get("timeout") if grouping["type"] == "time" else None,
        "alert_grouping_parameters": grouping,
        "auto_pause_notifications_parameters": _merged(
            body.get("auto_pause_notifications_parameters"), {"enabled": False, "timeout": None}
        ),
        "teams": lens.refs("teams", policy_teams(lens, policy_id), "teams"),
        "addons": [],
        "integrations": [
            integration(lens.plain(), entry)
            if "integrations" in lens.include
            else lens.head("integrations", entry) | {"type": f"{_integration_type(entry)}_reference"}
            for entry in children
        ],
    }
    return shown


def _merged(value: Any, default: dict[str, Any]) -> dict[str, Any]:
    return default | (thaw(value) or {})


def _urgency_rule(value: Any) -> dict[str, Any]:
    return thaw(value) or {"type": "constant", "urgency": "high"}


def _last_incident(lens: Lens, service_id: str) -> int | None:
    table = lens.state.table(INCIDENTS)
    latest = [places[-1] for status in Status if (places := table.ordinals("state", (service_id, status)))]
    row = table.at(max(latest)) if latest else None
    return None if row is None else row.created


def _integration_type(document: Document) -> str:
    return str(document.body.get("type") or "events_api_v2_inbound_integration").removesuffix("_reference")


def integration(lens: Lens, document: Document) -> dict[str, Any]:
    """Return an integration with its key."""
    body = document.body
    vendor = body.get("vendor")
    shown = lens.head("integrations", document) | given("integrations", document)
    shown |= {
        "type": _integration_type(document),
        "name": body.get("name") or "Events API v2",
        "created_at": lens.at(document.created),
        "service": lens.ref("services", document.parent, "services"),
        "vendor": lens.ref("vendors", vendor["id"], "vendors") if vendor else None,
    }
    if "email" not in shown["type"]:
        for name in ("integration_email", "email_incident_creation", "email_filter_mode", "email_parsers",
                     "email_filters", "email_parsing_fallback"):  # fmt: skip
            if not shown.get(name):
                shown.pop(name, None)
    return {name: value for name, value in shown.items() if value is not None or name != "integration_email"}


def maintenance_window(lens: Lens, document: Document) -> dict[str, Any]:
    """Return a maintenance window."""
    body = document.body
    creator = (body.get("created_by") or {}).get("id")
    services = [entry["id"] for entry in body.get("services") or ()]
    teams: dict[str, None] = {}
    for entry in services:
        row = lens.state.get(DOCUMENTS["services"], entry)
        if row is not None:
            teams |= dict.fromkeys(policy_teams(lens, (row.body.get("escalation_policy") or {}).get("id", "")))
    shown = lens.head("maintenance_windows", document) | given("maintenance_windows", document)
    shown |= {
        "sequence_number": body.get("sequence_number") or 1,
        "start_time": moment(lens, body["start_time"]),
        "end_time": moment(lens, body["end_time"]),
        "services": lens.refs("services", services, "services"),
        "teams": lens.refs("teams", teams, "teams"),
    }
    return shown | ({"created_by": lens.ref("users", creator, "users")} if creator else {})


def moment(lens: Lens, text: str) -> str:
    """Return a stored date in the answer's time zone."""
    return instants.iso(instants.parse(text), lens.zone)


def extension(lens: Lens, document: Document) -> dict[str, Any]:
    """Return an extension."""
    return plain("extensions")(lens, document) | {
        "temporarily_disabled": bool(document.body.get("temporarily_disabled", False)),
        "config": thaw(document.body.get("config") or {}),
    }


SHAPES |= {kind: plain(kind) for kind in BY_KIND} | {
    "users": user,
    "contact_methods": contact_method,
    "notification_rules": notification_rule,
    "oncall_handoff_notification_rules": handoff_rule,
    "status_update_notification_rules": status_update_rule,
    "teams": team,
    "escalation_policies": policy,
    "services": service,
    "integrations": integration,
    "maintenance_windows": maintenance_window,
    "extensions": extension,
}
