"""Infrastructure as code: what is created reads back as it was set, updates stick, a second read shows no drift.

The requests are shaped as the Terraform provider shapes them: no ``type`` on most objects, references with id and type,
create, read at once, update the whole object, read twice, delete, read again.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from scenarios import accounts
from simulators.engine import instants
from simulators.engine.errors import BadInstant
from simulators.engine.world import World
from simulators.pagerduty import account
from simulators.pagerduty.api import API_HOST, sites
from simulators.pagerduty.component import PagerDuty

KEY = "u+terraform_00000001"
ALICE = {"id": accounts.ALICE.id, "type": "user_reference"}
POLICY = {"id": accounts.POLICY, "type": "escalation_policy_reference"}
SHIFTS, ROTATION = "PSV3001", "AROTATION00000000000000001"
EMAIL = {"id": "PCMEMAIL", "type": "email_contact_method"}
TEAM = {"id": "PTEAM01", "type": "team_reference"}
CONSTANT = {"type": "constant", "urgency": "high"}
LAYER = {
    "name": "Nights",
    "start": "2026-03-03T09:00:00+01:00",
    "end": None,
    "rotation_virtual_start": "2026-03-02T20:00:00+01:00",
    "rotation_turn_length_seconds": 86_400,
    "users": [{"user": ALICE}],
    "restrictions": [
        {"type": "daily_restriction", "start_time_of_day": "20:00:00", "duration_seconds": 43_200},
        {
            "type": "weekly_restriction",
            "start_time_of_day": "08:00:00",
            "duration_seconds": 3_600,
            "start_day_of_week": 6,
        },
    ],
}
SERVICE = {
    "name": "Shop",
    "description": "Managed by Terraform",
    "auto_resolve_timeout": 14_400,
    "acknowledgement_timeout": 1_800,
    "alert_creation": "create_alerts_and_incidents",
    "escalation_policy": POLICY,
    "incident_urgency_rule": {
        "type": "use_support_hours",
        "during_support_hours": CONSTANT,
        "outside_support_hours": {"type": "constant", "urgency": "low"},
    },
    "support_hours": {
        "type": "fixed_time_per_day",
        "time_zone": "Europe/Berlin",
        "start_time": "09:00:00",
        "end_time": "17:00:00",
        "days_of_week": [1, 2, 3, 4, 5],
    },
    "scheduled_actions": [
        {
            "type": "urgency_change",
            "to_urgency": "high",
            "at": {"type": "named_time", "name": "support_hours_start"},
        }
    ],
    "alert_grouping_parameters": {
        "type": "content_based",
        "config": {"aggregate": "all", "fields": ["custom_details.test"], "time_window": 300},
    },
    "auto_pause_notifications_parameters": {"enabled": True, "timeout": 300},
}

#: Path, wrapper, what is created, what the update changes (``None`` = there is no update).
CASES: dict[str, tuple[str, str, dict[str, Any], dict[str, Any] | None]] = {
    "user": (
        "/users",
        "user",
        {
            "name": "Ada Byron",
            "email": "ada@example.com",
            "color": "teal",
            "role": "limited_user",
            "job_title": "SRE",
            "time_zone": "Europe/Berlin",
            "description": "Managed by Terraform",
        },
        {"role": "observer", "job_title": "Lead"},
    ),
    "contact method": (
        f"/users/{accounts.ALICE.id}/contact_methods",
        "contact_method",
        {"type": "phone_contact_method", "label": "Desk", "address": "5550142", "country_code": 49},
        {"label": "Home"},
    ),
    "notification rule": (
        f"/users/{accounts.ALICE.id}/notification_rules",
        "notification_rule",
        {
            "type": "assignment_notification_rule",
            "start_delay_in_minutes": 7,
            "urgency": "high",
            "contact_method": {"id": "PCME1A", "type": "sms_contact_method"},
        },
        {"start_delay_in_minutes": 9},
    ),
    "team": ("/teams", "team", {"name": "East", "description": "WAN", "parent": TEAM}, {"description": "LAN"}),
    "policy": (
        "/escalation_policies",
        "escalation_policy",
        {
            "name": "Night",
            "description": "Managed by Terraform",
            "num_loops": 2,
            "teams": [TEAM],
            "escalation_rules": [
                {"escalation_delay_in_minutes": 10, "targets": [ALICE]},
                {"escalation_delay_in_minutes": 20, "targets": [{"id": accounts.BOB.id, "type": "user_reference"}]},
            ],
        },
        {"num_loops": 0, "escalation_rules": [{"escalation_delay_in_minutes": 15, "targets": [ALICE]}]},
    ),
    "schedule": (
        "/schedules",
        "schedule",
        {
            "name": "Nights",
            "time_zone": "Europe/Berlin",
            "description": "Managed by Terraform",
            "teams": [TEAM],
            "schedule_layers": [LAYER],
        },
        {"name": "Late nights"},
    ),
    "policy of turns that always tells of hand-offs": (
        "/escalation_policies",
        "escalation_policy",
        {
            "name": "Turns",
            "num_loops": 9,
            "on_call_handoff_notifications": "always",
            "escalation_rules": [
                {
                    "escalation_delay_in_minutes": 5,
                    "targets": [ALICE, {"id": SHIFTS, "type": "schedule_v3_reference"}],
                    "escalation_rule_assignment_strategy": {"type": "round_robin"},
                }
            ],
        },
        {"on_call_handoff_notifications": "if_has_services"},
    ),
    "schedule of shifts": (
        "/v3/schedules",
        "schedule",
        {"name": "Sun", "time_zone": "Asia/Kolkata", "description": "Managed by Terraform", "teams": [TEAM]},
        {"name": "Moon", "time_zone": "UTC"},
    ),
    "event of shifts": (
        f"/v3/schedules/{SHIFTS}/rotations/{ROTATION}/events",
        "event",
        {
            "name": "Weekdays",
            "start_time": {"date_time": "2026-03-03T09:00:00+01:00", "time_zone": "Europe/Berlin"},
            "end_time": {"date_time": "2026-03-03T17:00:00+01:00", "time_zone": "Europe/Berlin"},
            "effective_since": "2026-03-03T00:00:00Z",
            "effective_until": "2026-09-03T00:00:00Z",
            "recurrence": ["RRULE:FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR", "EXDATE:20260403T070000Z"],
            "assignment_strategy": {
                "type": "rotating_member_assignment_strategy",
                "shifts_per_member": 5,
                "members": [{"type": "user_member", "user_id": ALICE["id"]}, {"type": "empty_member"}],
            },
        },
        {"name": "Weeks", "effective_until": None},
    ),
    "hand-off rule": (
        f"/users/{accounts.ALICE.id}/oncall_handoff_notification_rules",
        "oncall_handoff_notification_rule",
        {"notify_advance_in_minutes": 120, "handoff_type": "oncall", "contact_method": EMAIL},
        {"notify_advance_in_minutes": 60, "handoff_type": "offcall"},
    ),
    "status-update rule": (
        f"/users/{accounts.ALICE.id}/status_update_notification_rules",
        "status_update_notification_rule",
        {"contact_method": EMAIL},
        None,
    ),
    "webhook subscription": (
        "/webhook_subscriptions",
        "webhook_subscription",
        {
            "type": "webhook_subscription",
            "active": True,
            "description": "Managed by Terraform",
            "delivery_method": {"type": "http_delivery_method", "url": "https://hook.example.com/in"},
            "events": ["incident.triggered", "incident.responder.added"],
            "filter": {"type": "service_reference", "id": accounts.SERVICE},
        },
        {"active": False, "events": ["incident.resolved"]},
    ),
    "integration of a vendor": (
        f"/services/{accounts.SERVICE}/integrations",
        "integration",
        {"name": "Eyes", "vendor": {"id": "PVEND01", "type": "vendor_reference"}},
        {"name": "Ears"},
    ),
    "integration by mail": (
        f"/services/{accounts.SERVICE}/integrations",
        "integration",
        {
            "name": "Mail",
            "type": "generic_email_inbound_integration",
            "integration_email": "alarm@example.pagerduty.com",
            "email_incident_creation": "on_new_email_subject",
            "email_filter_mode": "and-rules-email",
            "email_parsing_fallback": "discard",
        },
        {"email_incident_creation": "use_rules"},
    ),
    "service": ("/services", "service", SERVICE, {"auto_resolve_timeout": None, "description": "", "name": "Store"}),
    "service with constant urgency": (
        "/services",
        "service",
        {
            "name": "Plain",
            "escalation_policy": POLICY,
            "incident_urgency_rule": {"type": "constant", "urgency": "severity_based"},
            "alert_grouping_parameters": {"type": "time", "config": {"timeout": 5}},
        },
        {"incident_urgency_rule": CONSTANT},
    ),
    "integration": (
        f"/services/{accounts.SERVICE}/integrations",
        "integration",
        {
            "name": "Monitor",
            "type": "events_api_v2_inbound_integration",
            "service": {"id": accounts.SERVICE, "type": "service_reference"},
        },
        {"name": "Monitoring"},
    ),
    "maintenance window": (
        "/maintenance_windows",
        "maintenance_window",
        {
            "start_time": "2026-04-01T20:00:00+02:00",
            "end_time": "2026-04-01T22:00:00+02:00",
            "description": "Router swap",
            "services": [{"id": accounts.SERVICE, "type": "service_reference"}],
        },
        {"end_time": "2026-04-01T23:00:00+02:00"},
    ),
    "business service": (
        "/business_services",
        "business_service",
        {"name": "Sales", "description": "All of it", "point_of_contact": "PR", "team": TEAM},
        {"point_of_contact": "HR"},
    ),
    "extension": (
        "/extensions",
        "extension",
        {
            "name": "Hook",
            "endpoint_url": "https://hook.example.com/in",
            "extension_objects": [{"id": accounts.SERVICE, "type": "service_reference"}],
            "extension_schema": {"id": "PJFWPEP", "type": "extension_schema_reference"},
            "config": {"restrict": "any"},
        },
        {"name": "Hooks"},
    ),
    "add-on": (
        "/addons",
        "addon",
        {"type": "full_page_addon", "name": "Board", "src": "https://board.example.com"},
        {"name": "Boards"},
    ),
    "tag": ("/tags", "tag", {"type": "tag", "label": "wan"}, None),
}


class Api:
    """The REST API as a provider with a user's key sees it."""

    def __init__(self) -> None:
        self.world = World(seed=1, start=instants.parse("2026-03-02T09:00:00Z"), components=[PagerDuty()])
        sample = accounts.fixed()
        sample["users"][0]["contact_methods"][0]["id"] = "PCME1A"
        for rule in sample["users"][0]["notification_rules"]:
            rule["contact_method"]["id"] = "PCME1A"
        keys = [{"key": KEY, "user": accounts.BOB.id}]
        mail = {"id": EMAIL["id"], "type": EMAIL["type"], "label": "Mail", "address": "alice@example.com"}
        sample["users"][0]["contact_methods"].append(mail)
        shifts = {"id": SHIFTS, "name": "Shifts", "time_zone": "UTC", "rotations": [{"id": ROTATION, "events": []}]}
        made = {**sample, "api_keys": keys, "teams": [{"id": "PTEAM01", "name": "Network"}], "v3_schedules": [shifts]}
        self.world.transact(lambda draft: account.load(draft, made))
        self.world.serve(API_HOST, sites()[API_HOST])

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Token token={KEY}", "Content-Type": "application/json"}
        return self.world.client.request(method, f"https://{API_HOST}{path}", json=body, headers=headers)


#: What is shown only when it is included, by case.
INCLUDES = {"policy of turns that always tells of hand-offs": "?include[]=escalation_rule_assignment_strategies"}


def drift(set_: Any, shown: Any, where: str = "") -> Iterator[str]:
    """Yield what was set and does not read back: objects by their keys, dates as instants, the rest as it is."""
    if isinstance(set_, Mapping):
        for name, value in set_.items():
            if not isinstance(shown, Mapping) or name not in shown:
                yield f"{where}.{name} is missing"
            else:
                yield from drift(value, shown[name], f"{where}.{name}")
    elif isinstance(set_, list) and isinstance(shown, list) and len(set_) == len(shown):
        for place, (one, other) in enumerate(zip(set_, shown, strict=True)):
            yield from drift(one, other, f"{where}[{place}]")
    elif set_ != shown and not _same_instant(set_, shown) and not (where.endswith(".type") and _same_type(set_, shown)):
        yield f"{where}: {set_!r} reads back as {shown!r}"


def _same_instant(one: Any, other: Any) -> bool:
    try:
        return instants.parse(one) == instants.parse(other)
    except BadInstant:
        return False


def _same_type(one: str, other: str) -> bool:
    return one.removesuffix("_reference") == other.removesuffix("_reference")


@pytest.mark.parametrize("case", CASES)
def test_no_drift(case: str) -> None:
    """Every field that was set reads back, also after an update; a second read is equal; once deleted it is gone."""
    path, wrapper, body, update = CASES[case]
    api = Api()
    made = api.ask("POST", path, {wrapper: body})
    assert made.is_success, made.text
    one = f"{path}/{made.json()[wrapper]['id']}"
    shown = one + INCLUDES.get(case, "")
    first = api.ask("GET", shown).json()
    assert list(drift(body, first[wrapper])) == []
    assert api.ask("GET", shown).json() == first
    if update is not None:
        api.world.advance("1m")
        sent = {**body, **update}
        if case == "schedule":  # the provider sends back the ids of layers and rules it knows
            sent["schedule_layers"] = [{**LAYER, "id": first[wrapper]["schedule_layers"][0]["id"]}]
        answer = api.ask("PUT", one, {wrapper: sent})
        assert answer.status_code == 200, answer.text
        second = api.ask("GET", shown).json()
        assert list(drift(sent, second[wrapper])) == []
        assert second[wrapper]["id"] == first[wrapper]["id"]
        assert api.ask("GET", shown).json() == second
    assert api.ask("DELETE", one).status_code == 204
    assert api.ask("GET", one).status_code == 404


def test_the_provider_tests_its_token_first() -> None:
    """``GET /abilities`` answers for a good token."""
    assert Api().ask("GET", "/abilities").status_code == 200


def test_ids_of_rules_are_kept() -> None:
    """A policy's rules keep their ids when they are sent back with them."""
    api = Api()
    path, wrapper, body, _ = CASES["policy"]
    made = api.ask("POST", path, {wrapper: body}).json()[wrapper]
    rules = made["escalation_rules"]
    sent = {"escalation_rules": [rules[1], {"escalation_delay_in_minutes": 5, "targets": [ALICE]}]}
    shown = api.ask("PUT", f"{path}/{made['id']}", {wrapper: sent}).json()[wrapper]["escalation_rules"]
    assert shown[0] == rules[1]
    assert shown[1]["id"] not in {rule["id"] for rule in rules}
