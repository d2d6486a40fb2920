"""What every account finds already there: priorities, vendors, extension schemas, abilities, licenses.

Names follow the product. Vendors and extension schemas have one id in every account, so the ids that PagerDuty's
Terraform provider and its users name in public are kept; the others are invented. An account that brings its own list
of a kind keeps it instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Abilities the API knows by name (PagerDuty: abilities); an account may lack some, see ``Knobs.missing_abilities``.
ABILITIES = (
    "sso",
    "advanced_reports",
    "teams",
    "read_only_users",
    "team_responders",
    "service_support_hours",
    "urgencies",
    "manage_schedules",
    "manage_api_keys",
    "coordinated_responding",
    "using_alerts",
    "coordinated_responding_preview",
    "preview_incident_alert_split",
    "permissions_service",
    "on_call_selector",
    "features_in_use_preventing_downgrade_to",
    "feature_to_plan_map",
    "priorities",
    "response_plays",
    "webhooks_v3",
)


def _priority(place: int, description: str) -> dict[str, Any]:
    return {"id": f"PPRIO0{place}", "type": "priority", "name": f"P{place}", "description": description}


def _vendor(id: str, name: str, integration: str) -> dict[str, Any]:
    return {
        "id": id,
        "type": "vendor",
        "name": name,
        "website_url": None,
        "logo_url": None,
        "thumbnail_url": None,
        "description": None,
        "integration_guide_url": None,
        "generic_service_type": integration,
    }


def _schema(id: str, name: str, key: str, description: str) -> dict[str, Any]:
    return {
        "id": id,
        "type": "extension_schema",
        "label": name,
        "key": key,
        "name": name,
        "description": description,
        "guide_url": None,
        "icon_url": None,
        "logo_url": None,
        "send_types": ["trigger", "acknowledge", "resolve", "delegate", "escalate", "unacknowledge", "assign"],
        "url": None,
    }


#: Kind (plural) -> the documents an account has unless it brings its own.
DEFAULTS: Mapping[str, tuple[Mapping[str, Any], ...]] = {
    "priorities": (
        _priority(1, "Critical: everybody is affected"),
        _priority(2, "Major: many are affected"),
        _priority(3, "Moderate: some are affected"),
        _priority(4, "Minor: a few are affected"),
        _priority(5, "Informational"),
    ),
    "vendors": (
        _vendor("PVEND01", "ThousandEyes", "events_api_v2_inbound_integration"),
        _vendor("PZQ6AUS", "Amazon CloudWatch", "aws_cloudwatch_inbound_integration"),
        _vendor("PVEND03", "Prometheus", "events_api_v2_inbound_integration"),
        _vendor("PVEND04", "Nagios", "nagios_inbound_integration"),
        _vendor("PVEND05", "Email", "generic_email_inbound_integration"),
        _vendor("PAM4FGS", "Datadog", "events_api_v2_inbound_integration"),
        _vendor("PKAPG94", "Sentry", "events_api_v2_inbound_integration"),
        _vendor("PRYWPH4", "Slack to PagerDuty (Legacy)", "events_api_v2_inbound_integration"),
    ),
    "extension_schemas": (
        _schema("PJFWPEP", "Generic V2 Webhook", "generic_v2_webhook", "Posts incident messages to a URL"),
        _schema("PAKM60Z", "ServiceNow (v7)", "servicenow_v7", "Keeps incidents of ServiceNow in step"),
    ),
}

LICENSES: tuple[Mapping[str, Any], ...] = (
    {
        "id": "PLICEN1",
        "type": "license",
        "name": "Full user",
        "description": "Responders and managers",
        "valid_roles": ["owner", "admin", "user", "limited_user", "observer", "restricted_access"],
        "role_group": "FullUser",
    },
    {
        "id": "PLICEN2",
        "type": "license",
        "name": "Stakeholder",
        "description": "People who only follow",
        "valid_roles": ["read_only_user", "read_only_limited_user"],
        "role_group": "Stakeholder",
    },
)
