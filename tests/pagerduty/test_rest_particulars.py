"""Single statements about the REST API that no other test makes: what is shown when, and how much is too much."""

from __future__ import annotations

from typing import Any

import pytest
from duty_rig import ALICE, BOB, Duty, two_levels, user
from rest_rig import layer, make, refused

from scenarios import accounts
from simulators.engine.resources import Kind
from simulators.pagerduty import account
from simulators.pagerduty.api.resources import BY_KIND
from simulators.pagerduty.api.sundries import BEYOND

SERVICE = {"id": accounts.SERVICE, "type": "service_reference"}
POLICY = {"id": accounts.POLICY, "type": "escalation_policy_reference"}


def test_the_strategy_of_a_level_is_shown_when_it_is_included() -> None:
    """A policy says whether a level takes turns only when asked."""
    duty = Duty()
    level = {"escalation_delay_in_minutes": 30, "targets": [user(ALICE), user(BOB)]}
    level["escalation_rule_assignment_strategy"] = {"type": "round_robin"}
    made = make(duty, "/escalation_policies", "escalation_policy", {"name": "Turns", "escalation_rules": [level]})
    path = f"/escalation_policies/{made['id']}"
    plain, whole = (
        duty.rest("GET", path + query).json()["escalation_policy"]["escalation_rules"][0]
        for query in ("", "?include[]=escalation_rule_assignment_strategies")
    )
    assert "escalation_rule_assignment_strategy" not in plain
    assert whole["escalation_rule_assignment_strategy"] == {"type": "round_robin"}
    sent_back = {"escalation_policy": duty.rest("GET", path).json()["escalation_policy"]}
    assert duty.rest("PUT", path, sent_back).status_code == 200
    kept = duty.rest("GET", f"{path}?include[]=escalation_rule_assignment_strategies").json()["escalation_policy"]
    assert kept["escalation_rules"][0] == whole
    poor = Duty(missing_abilities=("round_robin",))
    body = {"escalation_policy": {"name": "Turns", "escalation_rules": [level]}}
    assert refused(poor.rest("POST", "/escalation_policies", body))[:2] == (403, 2010)


def test_a_scheduled_change_of_urgency_says_to_what() -> None:
    """The pending action names the urgency, the others only their time."""
    hours = {"type": "fixed_time_per_day", "time_zone": "UTC", "start_time": "12:00:00", "end_time": "17:00:00"}
    low = {"type": "constant", "urgency": "low"}
    rule = {"type": "use_support_hours", "during_support_hours": {**low, "urgency": "high"}}
    at = {"type": "named_time", "name": "support_hours_start"}
    duty = Duty(
        two_levels(
            incident_urgency_rule=rule | {"outside_support_hours": low},
            support_hours=hours | {"days_of_week": [1, 2, 3, 4, 5, 6, 7]},
            scheduled_actions=[{"type": "urgency_change", "at": at, "to_urgency": "high"}],
        )
    )
    duty.send()
    shown = duty.rest("GET", f"/incidents/{duty.incident.id}").json()["incident"]["pending_actions"]
    assert shown == [{"type": "urgency_change", "at": "2026-03-02T12:00:00Z", "to": "high"}]


def test_a_grouped_incident_says_how_long_it_takes_alerts() -> None:
    """By time there is an end, which resolving brings forward; a service that groups nothing says nothing."""
    duty = Duty(two_levels(alert_grouping_parameters={"type": "time", "config": {"timeout": 5}}))
    duty.send()
    path = f"/incidents/{duty.incident.id}"
    window = {"grouping_type": "basic", "started_at": "2026-03-02T10:00:00Z", "ended_at": "2026-03-02T10:05:00Z"}
    assert duty.rest("GET", path).json()["incident"]["alert_grouping"] == {**window, "alert_grouping_active": True}
    duty.until(6)
    assert duty.rest("GET", path).json()["incident"]["alert_grouping"] == {**window, "alert_grouping_active": False}
    plain = Duty()
    plain.send()
    assert plain.rest("GET", f"/incidents/{plain.incident.id}").json()["incident"]["alert_grouping"] is None


def test_a_schedule_can_tell_a_users_next_turn() -> None:
    """The present turn or the next one; nothing for somebody who is not on it; one schedule refuses unknown users."""
    duty = Duty()
    both = [{"user": user(ALICE)}, {"user": user(BOB)}]
    body = {"name": "Primary", "time_zone": "UTC", "schedule_layers": [layer(users=both)]}
    path = f"/schedules/{make(duty, '/schedules', 'schedule', body)['id']}?include_next_oncall_for_user="
    turn = duty.rest("GET", path + BOB.id).json()["schedule"]["next_oncall_for_user"]
    assert (turn["start"], turn["end"]) == ("2026-03-09T10:00:00Z", "2026-03-16T10:00:00Z")
    assert turn["user"]["id"] == BOB.id
    listed = duty.rest("GET", f"/schedules?include_next_oncall_for_user={ALICE.id}").json()["schedules"]
    assert listed[0]["next_oncall_for_user"]["start"] == "2026-03-02T10:00:00Z"
    assert duty.rest("GET", path + "PCAROL1").json()["schedule"]["next_oncall_for_user"] is None
    assert duty.rest("GET", path + "PNOBODY").status_code == 404
    listed = duty.rest("GET", "/schedules?include_next_oncall_for_user=PNOBODY").json()["schedules"]
    assert listed[0]["next_oncall_for_user"] is None


def test_on_calls_reach_ninety_days_ahead() -> None:
    """A longer range is answered as far as that."""
    rota = accounts.layer([ALICE.id, BOB.id], start="2026-03-02T10:00:00Z", hours=168)
    made = accounts.account(
        (ALICE, BOB), levels=([{"id": rota["id"], "type": "schedule_reference"}],), schedules=[rota]
    )
    duty = Duty(made)
    rows = duty.rest("GET", "/oncalls?since=2026-03-02T10:00:00Z&until=2026-12-01T10:00:00Z&limit=100").json()[
        "oncalls"
    ]
    assert rows[-1]["start"] == "2026-05-25T10:00:00Z"
    for since in ("2026-06-01T00:00:00Z", "9999-12-31T23:59:59Z"):
        beyond = duty.rest("GET", f"/oncalls?since={since}&until={since}")
        assert (beyond.status_code, beyond.json()["oncalls"]) == (200, [])


@pytest.mark.parametrize("window", [10, 3601])
def test_a_window_for_equal_content_has_bounds(window: int) -> None:
    """Five minutes to an hour, or a day."""
    duty = Duty()
    config = {"aggregate": "all", "fields": ["summary"], "time_window": window}
    service = {"name": "S", "escalation_policy": POLICY}
    body = {"service": {**service, "alert_grouping_parameters": {"type": "content_based", "config": config}}}
    assert refused(duty.rest("POST", "/services", body)) == (400, 2001, ["Time window is invalid"])
    body["service"]["alert_grouping_parameters"] = {"type": "content_based", "config": config | {"time_window": 86_400}}
    assert duty.rest("POST", "/services", body).status_code == 201


def test_a_service_takes_250_integrations() -> None:
    """One more is the product's limit."""
    duty = Duty()
    for place in range(249):
        duty.do(account.put, "integrations", {"type": "events_api_v2_inbound_integration", "name": f"{place}"},
                accounts.SERVICE)  # fmt: skip
    body = {"integration": {"type": "events_api_v2_inbound_integration", "name": "one more"}}
    answer = duty.rest("POST", f"/services/{accounts.SERVICE}/integrations", body)
    assert refused(answer)[:2] == (400, 2019)


@pytest.mark.parametrize("contact_edits_per_day", [0, 2])
def test_contact_edits_per_day(contact_edits_per_day: int) -> None:
    """Where the limit is in force, a user's contact methods can be changed so often within a day."""
    duty = Duty(contact_edits_per_day=contact_edits_per_day)
    path = f"/users/{ALICE.id}/contact_methods"

    def add(number: int) -> Any:
        body = {"type": "email_contact_method", "label": "x", "address": f"{number}@example.com"}
        return duty.rest("POST", path, {"contact_method": body})

    made = add(1).json()["contact_method"]["id"]
    assert duty.rest("PUT", f"{path}/{made}", {"contact_method": {"label": "y"}}).status_code == 200
    answer = duty.rest("DELETE", f"{path}/{made}")
    assert answer.status_code == (400 if contact_edits_per_day else 204)
    if contact_edits_per_day:
        assert refused(answer) == (400, 2017, ["Contact methods cannot be modified at this time"])
        assert refused(add(2))[1] == 2017
        duty.world.advance("24h")
        assert add(3).status_code == 201


def test_advanced_roles_need_advanced_permissions() -> None:
    """Without them an observer cannot be made."""
    duty = Duty(missing_abilities=("permissions_service",))
    body = {"user": {"name": "Ada", "email": "ada@example.com", "role": "observer"}}
    assert refused(duty.rest("POST", "/users", body, From=ALICE.email))[:2] == (402, 2014)


def test_a_change_event_can_be_corrected() -> None:
    """What it says changes, where it came from stays."""
    duty = Duty()
    event = {"routing_key": accounts.ROUTING_KEY, "payload": {"summary": "Deploy", "source": "ci"}}
    duty.post("/v2/change/enqueue", event)
    (shown,) = duty.rest("GET", "/change_events").json()["change_events"]
    path, sent = f"/change_events/{shown['id']}", {"change_event": {"summary": "Rollback", "integration": None}}
    changed = duty.rest("PUT", path, sent).json()["change_event"]
    assert changed == shown | {"summary": "Rollback"}
    assert duty.rest("GET", path).json()["change_event"] == changed
    assert duty.rest("PUT", path, {"change_event": {"summary": None}}).status_code == 400


def test_what_hangs_on_modelled_things_and_is_not_modelled_answers_402() -> None:
    """As for a plan without it; what it would hang on has to be there."""
    duty = Duty()
    duty.send()
    sales = make(duty, "/business_services", "business_service", {"name": "Sales"})["id"]
    team = make(duty, "/teams", "team", {"name": "Network"})["id"]
    owners = {"users": ALICE.id, "services": accounts.SERVICE, "incidents": duty.incident.id, "teams": team}
    owners["business_services"] = sales
    for path, methods in BEYOND.items():
        owner = path.split("/")[1]
        for method in methods:
            answer = duty.rest(method, path.replace("{id}", owners[owner]), None if method == "GET" else {})
            assert refused(answer)[:2] == (402, 2014), (method, path)
            assert duty.rest(method, path.replace("{id}", "PNOBODY")).status_code == 404
    for path in ("/enrichment/schemas", "/ip_allow_lists", "/session_configurations"):
        assert duty.rest("GET", path).status_code == 402


def test_a_priority_can_be_read() -> None:
    """The address a priority names is there."""
    duty = Duty()
    (first, *_) = duty.rest("GET", "/priorities").json()["priorities"]
    assert duty.rest("GET", first["self"].removeprefix("https://api.pagerduty.com")).json()["priority"] == first


def test_who_is_in_the_policy_of_an_open_incident_stays() -> None:
    """Also when the policy itself names somebody else by now."""
    duty = Duty()
    duty.send()
    rules = [{"escalation_delay_in_minutes": 30, "targets": [user(ALICE)]}]
    duty.rest("PUT", f"/escalation_policies/{accounts.POLICY}", {"escalation_policy": {"escalation_rules": rules}})
    assert refused(duty.rest("DELETE", f"/users/{BOB.id}"))[:2] == (400, 2001)
    duty.send("resolve")
    assert duty.rest("DELETE", f"/users/{BOB.id}").status_code == 204


def test_arrays_and_booleans_are_never_null() -> None:
    """Whatever was left out, such a field has a value when it is read."""
    duty = Duty()
    mail = {"type": "generic_email_inbound_integration", "name": "Mail"}
    addon = {"type": "full_page_addon", "name": "Board", "src": "https://board.example.com"}
    level = {"escalation_delay_in_minutes": 3, "targets": [user(ALICE)]}
    made = {
        "integrations": make(duty, f"/services/{accounts.SERVICE}/integrations", "integration", mail),
        "services": make(duty, "/services", "service", {"name": "Bare", "escalation_policy": POLICY}),
        "addons": make(duty, "/addons", "addon", addon),
        "escalation_policies": make(
            duty, "/escalation_policies", "escalation_policy", {"name": "Bare", "escalation_rules": [level]}
        ),
        "schedules": make(duty, "/schedules", "schedule", {
            "name": "Bare", "time_zone": "UTC", "schedule_layers": [layer()], "teams": None}),
    }  # fmt: skip
    for kind, shown in made.items():
        listed = [field for field in BY_KIND[kind].fields if field.kind in {Kind.ARRAY, Kind.BOOLEAN}]
        assert [field.name for field in listed if shown.get(field.name, field) is None] == []
    assert made["integrations"]["email_filters"] == []
