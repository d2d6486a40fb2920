"""What PagerDuty's Terraform provider writes and expects to read, found by its own acceptance tests."""

from collections.abc import Mapping
from typing import Any

import pytest
from test_pagerduty_drift import ALICE, CASES, CONSTANT, EMAIL, LAYER, POLICY, SERVICE, Api

from scenarios import accounts
from simulators.engine import instants


@pytest.mark.parametrize("kind", ["email_contact_method", "email_contact_method_reference"])
@pytest.mark.parametrize(
    ("family", "rest"),
    [
        ("notification_rule", {"start_delay_in_minutes": 7, "urgency": "high"}),
        ("oncall_handoff_notification_rule", {"notify_advance_in_minutes": 60, "handoff_type": "both"}),
    ],
)
def test_a_rule_reads_back_the_type_of_its_contact_method(family: str, rest: Mapping[str, Any], kind: str) -> None:
    """A rule shows its contact method under the type it was written with, reference or not."""
    api = Api()
    path = f"/users/{ALICE['id']}/{family}s"
    made = api.ask("POST", path, {family: {**rest, "contact_method": {"id": EMAIL["id"], "type": kind}}})
    one = made.json()[family]
    assert api.ask("GET", f"{path}/{one['id']}").json()[family]["contact_method"]["type"] == kind


def test_a_reference_to_nothing_is_none() -> None:
    """A typed client that has no team to name sends ``"team": {}``."""
    api = Api()
    made = api.ask("POST", "/business_services", {"business_service": {"name": "Sales", "team": {}}})
    assert (made.status_code, made.json()["business_service"]["team"]) == (200, None)


def test_an_extension_needs_no_wrapper() -> None:
    """PagerDuty's Go client sends an extension as the whole body, on create and on update."""
    api = Api()
    _, wrapper, body, _ = CASES["extension"]
    made = api.ask("POST", "/extensions", body)
    assert (made.status_code, made.json()[wrapper]["name"]) == (201, "Hook")
    renamed = api.ask("PUT", f"/extensions/{made.json()[wrapper]['id']}", {**body, "name": "Hooks"})
    assert (renamed.status_code, renamed.json()[wrapper]["name"]) == (200, "Hooks")
    assert api.ask("POST", "/tags", {"type": "tag", "label": "wan"}).status_code == 400


def test_a_layer_starts_where_the_providers_clock_says() -> None:
    """The provider writes a layer's anchor as ``2026-03-02 19:00:00 +0000 UTC``."""
    api = Api()
    path, wrapper, body, _ = CASES["schedule"]
    layer = {**LAYER, "rotation_virtual_start": "2026-03-02 19:00:00 +0000 UTC"}
    made = api.ask("POST", path, {wrapper: {**body, "schedule_layers": [layer]}})
    assert made.status_code == 201, made.text
    shown = made.json()[wrapper]["schedule_layers"][0]["rotation_virtual_start"]
    assert instants.parse(shown) == instants.parse("2026-03-02T19:00:00Z")


def test_an_integration_of_a_vendor_gets_the_vendors_type() -> None:
    """The provider sends ``service_integration`` beside the vendor it means; alone that says too little."""
    api = Api()
    path = f"/services/{accounts.SERVICE}/integrations"
    bare = {"name": "Datadog", "type": "service_integration", "service": {"id": accounts.SERVICE, "type": "service"}}
    made = api.ask("POST", path, {"integration": {**bare, "vendor": {"id": "PAM4FGS", "type": "vendor"}}})
    assert made.status_code == 201, made.text
    shown = made.json()["integration"]
    assert (shown["type"], shown["vendor"]["id"]) == ("events_api_v2_inbound_integration", "PAM4FGS")
    renamed = api.ask("PUT", f"{path}/{shown['id']}", {"integration": {**bare, "name": "Eyes"}}).json()["integration"]
    assert (renamed["name"], renamed["type"]) == ("Eyes", shown["type"])
    assert api.ask("POST", path, {"integration": bare}).status_code == 400


@pytest.mark.parametrize("window", [0, 300, 86_400])
def test_content_based_grouping_takes_its_time_windows(window: int) -> None:
    """The provider sends no time window as 0."""
    api = Api()
    grouping = {"type": "content_based", "config": {"aggregate": "all", "fields": ["source"], "time_window": window}}
    made = api.ask("POST", "/services", {"service": {**SERVICE, "alert_grouping_parameters": grouping}})
    assert made.json()["service"]["alert_grouping_parameters"] == grouping


def test_support_hours_go_with_the_rule_that_needs_them() -> None:
    """The provider leaves hours and actions out once urgency is constant, and writes ``[null]`` for no actions."""
    api = Api()
    bare = {name: value for name, value in SERVICE.items() if name != "scheduled_actions"}
    made = api.ask("POST", "/services", {"service": {**bare, "scheduled_actions": [None]}})
    assert (made.status_code, made.json()["service"]["scheduled_actions"]) == (201, [])
    sent = {"name": "Shop", "escalation_policy": POLICY, "incident_urgency_rule": CONSTANT}
    shown = api.ask("PUT", f"/services/{made.json()['service']['id']}", {"service": sent}).json()["service"]
    assert (shown["support_hours"], shown["scheduled_actions"]) == (None, [])


@pytest.mark.parametrize(
    ("grouping", "older"),
    [
        ({"type": "time", "config": {"timeout": 5}}, ("time", 5)),
        ({"type": "intelligent", "config": {"time_window": 300}}, ("intelligent", None)),
        ({"type": "content_based", "config": {"aggregate": "any", "fields": ["source"]}}, ("rules", None)),
        ({"type": None}, (None, None)),
    ],
)
def test_the_older_fields_say_how_alerts_are_grouped(grouping: Any, older: tuple[str | None, int | None]) -> None:
    """They follow the parameters, and an older client that sends them sets the parameters."""
    api = Api()
    made = api.ask("POST", "/services", {"service": {**SERVICE, "alert_grouping_parameters": grouping}})
    shown = made.json()["service"]
    assert (shown["alert_grouping"], shown["alert_grouping_timeout"]) == older
    if older[0] not in {None, "rules"}:
        sent = {"name": "Old", "escalation_policy": POLICY, "alert_grouping": older[0]}
        sent["alert_grouping_timeout"] = older[1]
        parameters = api.ask("POST", "/services", {"service": sent}).json()["service"]["alert_grouping_parameters"]
        assert parameters["type"] == older[0]
        assert (parameters["config"] or {}).get("timeout") == older[1]


def test_a_layer_that_is_taken_out_before_it_began_is_over() -> None:
    """The provider ends a layer it no longer has, also one that was to begin later."""
    api = Api()
    path, wrapper, body, _ = CASES["schedule"]
    layers = api.ask("POST", path, {wrapper: {**body, "schedule_layers": [LAYER, LAYER]}}).json()[wrapper]
    kept, dropped = layers["schedule_layers"]
    sent = [{**LAYER, "id": kept["id"]}, {**LAYER, "id": dropped["id"], "end": "2026-03-02 09:00:00.12 +0000 UTC"}]
    answer = api.ask("PUT", f"{path}/{layers['id']}", {wrapper: {**body, "schedule_layers": sent}})
    assert answer.status_code == 200, answer.text
    window = "since=2026-03-04T00:00:00Z&until=2026-03-11T00:00:00Z"
    shown = api.ask("GET", f"{path}/{layers['id']}?{window}").json()[wrapper]["schedule_layers"]
    assert [bool(layer["rendered_schedule_entries"]) for layer in shown] == [True, False]


@pytest.mark.parametrize(("country", "status"), [(1, 400), (44, 400), (39, 201)])
def test_a_number_has_no_trunk_prefix(country: int, status: int) -> None:
    """Where there is one, numbers are written without its 0; Italy's keep theirs."""
    api = Api()
    method = {"type": "phone_contact_method", "label": "Work", "address": "04153013250", "country_code": country}
    made = api.ask("POST", f"/users/{ALICE['id']}/contact_methods", {"contact_method": method})
    assert made.status_code == status
    assert status == 201 or made.json()["error"]["errors"] == ["Phone number can't start with a zero"]
