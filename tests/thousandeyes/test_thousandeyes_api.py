"""What the v7 API does beyond shapes: rules that come and go, defaults, permissions, account groups, and its knobs."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from thousandeyes_account import AGENTS, DOWN, SHOP, Account

from simulators.thousandeyes import administration, commands
from simulators.thousandeyes.api.testtypes import TEST_TYPES
from simulators.thousandeyes.model import ALERTS, NOTIFICATIONS, UNITS


@pytest.fixture
def here() -> Account:
    return Account()


# -- tests and their rules ---------------------------------------------------------------------------------------------


def test_rules_named_on_create_are_the_rules_and_none_named_are_the_defaults(here: Account) -> None:
    """Exactly these, none at all, or the default rules of every layer the test measures."""
    rule = here.rule()
    assert here.rules_of(here.test(alertRules=[rule])) == [rule]
    assert here.rules_of(here.test(testName="bare", alertRules=[])) == []
    assert here.rules_of(here.test(testName="default")) == ["127001", "127002"]
    assert here.rules_of(here.test(testName="quiet", networkMeasurements=False)) == ["127001"]
    assert here.rules_of(here.test(testName="off", alertsEnabled=False)) == []


def test_only_bgp_tests_start_with_the_bgp_rule(here: Account) -> None:
    """Others may be given it, since they look at routes as well."""
    made = here.ask("POST", "/tests/bgp?expand=alert-rule", {"prefix": "203.0.113.0/24"}, status=201)
    (rule,) = made["alertRules"]
    assert rule["ruleName"] == "Default BGP Alert Rule"
    assert here.rules_of(here.test(alertRules=[rule["ruleId"]])) == [rule["ruleId"]]
    assert here.wrong("POST", "/tests/http-server", {**SHOP, "testName": "x", "bgpMeasurements": False,
                                                    "alertRules": [rule["ruleId"]]}) == ["alertRules[0]"]  # fmt: skip


def test_an_update_keeps_the_rules_unless_it_names_some_or_turns_alerts_on(here: Account) -> None:
    """Left out they stay, an array replaces them, ``alertsEnabled: true`` alone brings the defaults back."""
    rule = here.rule()
    test = here.test(alertRules=[rule])
    path = f"/tests/http-server/{test}"
    here.ask("PUT", path, {"description": "only this"})
    assert here.rules_of(test) == [rule]
    here.ask("PUT", path, {"alertsEnabled": False})
    assert here.rules_of(test) == [rule]
    here.ask("PUT", path, {"alertsEnabled": True})
    assert here.rules_of(test) == ["127001", "127002"]
    here.ask("PUT", path, {"alertRules": []})
    assert here.rules_of(test) == []


def test_turning_alerts_on_may_keep_the_rules(here: Account) -> None:
    """A knob: the rule list and the flag are independent."""
    here.do(commands.set_knobs, defaults_on_update=False)
    test = here.test(alertRules=[])
    here.ask("PUT", f"/tests/http-server/{test}", {"alertsEnabled": True})
    assert here.rules_of(test) == []


def test_turning_alerts_off_may_drop_the_rules(here: Account) -> None:
    """A knob: the association is not kept while alerts are disabled."""
    here.do(commands.set_knobs, rules_kept_without_alerts=False)
    test = here.test()
    here.ask("PUT", f"/tests/http-server/{test}", {"alertsEnabled": False})
    assert here.rules_of(test) == []
    rule = here.ask("POST", "/alerts/rules", {**DOWN, "testIds": [test]}, status=201)
    assert rule["testIds"] == []
    here.ask("PUT", f"/tests/http-server/{test}", {"alertRules": [rule["ruleId"]]})
    assert here.rules_of(test) == []


def test_notifications_of_a_kind_nobody_knows_are_kept_and_tell_nobody(here: Account) -> None:
    """They come back as they were sent, and the alert is raised all the same."""
    rule = here.rule(here.test(alertRules=[]), notifications={"pigeon": 5})
    assert here.ask("GET", f"/alerts/rules/{rule}")["notifications"] == {"email": {"recipients": []}, "pigeon": 5}
    here.fails("10:00")
    here.world.run_until("10:10")
    assert len(here.ask("GET", "/alerts")["alerts"]) == 1
    assert here.sim("GET", "/deliveries") == {"deliveries": [], "unsent": []}


@pytest.mark.parametrize(
    "rule",
    [
        DOWN,
        {**DOWN, "notifications": {"email": {"recipients": []}}},
        {**DOWN, "roundsViolatingMode": "auto", "sensitivityLevel": "medium", "alertGroupType": "cloud-enterprise"},
    ],
)
def test_sending_a_rule_back_as_it_was_read_is_no_edit(here: Account, rule: dict[str, Any]) -> None:
    """An active alert goes on; a new severity alone is that of the next alert."""
    test = here.test(alertRules=[])
    id = here.ask("POST", "/alerts/rules", {**rule, "severity": "minor", "testIds": [test]}, status=201)["ruleId"]
    here.fails("10:00", "10:20")
    here.fails("11:00")
    here.world.run_until("10:10")
    (alert,) = here.ask("GET", "/alerts")["alerts"]
    read = here.ask("GET", f"/alerts/rules/{id}")
    for severity in ("minor", "critical"):
        here.ask("PUT", f"/alerts/rules/{id}", {**read, "severity": severity})
        (now,) = here.ask("GET", "/alerts")["alerts"]
        assert (now["id"], now["alertSeverity"]) == (alert["id"], "minor")
    here.world.run_until("11:10")
    assert [alert["alertSeverity"] for alert in here.ask("GET", "/alerts")["alerts"]] == ["critical"]


def test_an_update_may_be_a_replacement(here: Account) -> None:
    """A knob: what is left out goes back to its default, and what is required is required again."""
    test = here.test(description="d", httpTimeLimit=9)
    path = f"/tests/http-server/{test}"
    assert here.ask("PUT", path, {"userAgent": "x"})["httpTimeLimit"] == 9
    here.do(commands.set_knobs, test_updates_merge=False)
    assert here.wrong("PUT", path, {"userAgent": "x"}) == ["interval", "agents", "url"]
    replaced = here.ask("PUT", path, {**SHOP, "userAgent": "y"})
    assert (replaced["httpTimeLimit"], replaced["userAgent"], "description" in replaced) == (5, "y", False)


def test_a_rule_that_looks_at_a_layer_a_test_has_not_got_is_refused(here: Account) -> None:
    """On the test's side and on the rule's side; turning a layer off lets its rules go."""
    network = here.rule(alertType="end-to-end-server", expression="((loss >= 10%))")
    page = here.rule(alertType="page-load", expression="((!pageLoaded))")
    quiet = here.test(networkMeasurements=False)
    assert here.wrong("PUT", f"/tests/http-server/{quiet}", {"alertRules": [network, page]}) == [
        "alertRules[0]",
        "alertRules[1]",
    ]
    body = {**DOWN, "alertType": "end-to-end-server", "expression": "((loss >= 10%))", "testIds": [quiet]}
    assert here.wrong("POST", "/alerts/rules", body) == ["testIds[0]"]
    loud = here.test(testName="loud", alertRules=[network])
    here.ask("PUT", f"/tests/http-server/{loud}", {"networkMeasurements": False})
    assert here.rules_of(loud) == []


def test_ids_of_nothing_are_refused_where_they_stand(here: Account) -> None:
    """Agents, rules, account groups, labels, tags and monitors that do not exist are named by their places."""
    body = {
        **SHOP,
        "agents": [{"agentId": "3"}, {"agentId": "999"}],
        "alertRules": ["1"],
        "sharedWithAccounts": ["7"],
        "labels": ["1"],
        "tags": ["t"],
        "monitors": ["1"],
    }
    assert sorted(here.wrong("POST", "/tests/http-server", body)) == [
        "agents[1].agentId",
        "alertRules[0]",
        "labels[0]",
        "monitors[0]",
        "sharedWithAccounts[0]",
        "tags[0]",
    ]


@pytest.mark.parametrize(
    ("kind", "settings", "fields"),
    [
        ("http-server", {"interval": 61}, ["interval"]),
        ("http-server", {"url": "  "}, ["url"]),
        ("http-server", {"interval": True}, ["interval"]),
        ("http-server", {"url": ""}, ["url"]),
        ("http-server", {"agents": []}, ["agents"]),
        ("http-server", {"agents": [{}]}, ["agents[0].agentId"]),
        ("http-server", {"agents": ["3"]}, ["agents[0]"]),
        ("http-server", {"httpTimeLimit": 61, "httpVersion": 0}, ["httpTimeLimit", "httpVersion"]),
        ("http-server", {"headers": ["A: b", 1]}, ["headers[1]"]),
        ("http-server", {"oAuth": {"requestMethod": "put"}}, ["oAuth.requestMethod"]),
        ("http-server", {"requestMethod": "get", "postBody": "x"}, ["postBody"]),
        ("page-load", {"subinterval": 60, "httpInterval": 300}, ["httpInterval"]),
        ("page-load", {"pageLoadTimeLimit": 4}, ["pageLoadTimeLimit"]),
        ("bgp", {"prefix": "203.0.113.0/25"}, ["prefix"]),
        ("bgp", {"prefix": "somewhere"}, ["prefix"]),
        ("voice", {"targetAgentId": "nobody"}, ["targetAgentId"]),
        ("dns-server", {"domain": "a.example", "dnsServers": []}, ["dnsServers"]),
        ("sip-server", {"targetSipCredentials": {}}, ["targetSipCredentials.port"]),
        ("ftp-server", {"requestType": "look"}, ["requestType", "username", "password"]),
    ],
)
def test_a_bad_field_is_named(here: Account, kind: str, settings: dict[str, Any], fields: list[str]) -> None:
    """Limits, choices, kinds and combinations; each refusal says which field it is about."""
    body = settings if kind == "bgp" else SHOP | settings
    assert here.wrong("POST", f"/tests/{kind}", body) == fields


def test_a_name_belongs_to_one_test_of_an_account_group(here: Account) -> None:
    """Refused on create and on rename, allowed for the test itself and in another group, and a knob."""
    first = here.test()
    assert here.wrong("POST", "/tests/http-server", SHOP) == ["testName"]
    here.ask("PUT", f"/tests/http-server/{first}", {"testName": "shop"})
    second = here.test(testName="other")
    assert here.wrong("PUT", f"/tests/http-server/{second}", {"testName": "shop"}) == ["testName"]
    here.ask("POST", "/account-groups", {"accountGroupName": "Second"}, status=201)
    here.ask("POST", "/tests/http-server?aid=1002", SHOP, status=201)
    here.do(commands.set_knobs, duplicate_name_status=0)
    here.test()


def test_a_test_of_another_type_is_not_found_under_this_one(here: Account) -> None:
    """The type is part of where a test lives."""
    test = here.test()
    here.ask("GET", f"/tests/page-load/{test}", status=404)
    assert here.ask("GET", "/tests/page-load")["tests"] == []


def test_the_server_is_shown_with_its_port_and_read_back_either_way(here: Account) -> None:
    """What was read may be sent again, with or without the port."""
    body = {"interval": 60, "agents": [{"agentId": "3"}], "server": "shop.example", "port": 443}
    made = here.ask("POST", "/tests/agent-to-server", body, status=201)
    assert (made["server"], "port" in made) == ("shop.example:443", False)
    path = f"/tests/agent-to-server/{made['testId']}"
    assert here.ask("PUT", path, {"server": made["server"]})["server"] == "shop.example:443"
    assert here.ask("PUT", path, {"server": "shop.example"})["server"] == "shop.example:443"
    assert here.ask("PUT", path, {"protocol": "icmp"})["server"] == "shop.example"


def test_default_rules_of_every_layer_are_evaluated_and_a_healthy_target_violates_none(here: Account) -> None:
    """An FTP test gets the FTP rule and the network rule; each has its unit, and neither fires."""
    body = {"interval": 60, "agents": [{"agentId": "3"}], "url": "ftp://x", "requestType": "list"}
    here.ask("POST", "/tests/ftp-server", body | {"username": "u", "password": "p"}, status=201)
    here.world.advance("2h")
    assert [unit.active for unit in here.world.view.all(UNITS)] == [None, None]


# -- alert rules -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "fields"),
    [
        ({"expression": "((responseCode >= 500)"}, ["expression"]),
        ({"expression": ""}, ["expression"]),
        ({"alertType": "weather"}, ["alertType"]),
        ({"roundsViolatingOutOf": 11}, ["roundsViolatingOutOf"]),
        ({"roundsViolatingRequired": 2}, ["roundsViolatingRequired"]),
        ({"minimumSources": 0}, ["minimumSources"]),
        ({"minimumSourcesPct": 10}, ["minimumSourcesPct"]),
        ({"sensitivityLevel": "high"}, ["sensitivityLevel"]),
        ({"includeCoveredPrefixes": True}, ["includeCoveredPrefixes"]),
        ({"alertType": "end-to-end-agent", "expression": "((loss >= 1%))"}, ["direction"]),
        ({"endpointAgentIds": ["1"]}, ["endpointAgentIds"]),
        ({"testIds": ["1"]}, ["testIds[0]"]),
        ({"notifications": {"email": {"recipients": ["nobody"], "message": "<b>"}}},
         ["notifications.email.message", "notifications.email.recipients[0]"]),
        ({"notifications": {"webhook": [{"integrationType": "webhook"}]}}, ["notifications.webhook[0].integrationId"]),
        ({"notifications": {"thirdParty": [{"integrationId": "x", "integrationType": "webhook"}]}},
         ["notifications.thirdParty[0].integrationType"]),
    ],
)  # fmt: skip
def test_a_rule_is_refused_for_each_of_its_faults(here: Account, settings: dict[str, Any], fields: list[str]) -> None:
    """Every limit of the vendor's table names its field."""
    assert here.wrong("POST", "/alerts/rules", {**DOWN, **settings}) == fields


def test_updating_a_rule_states_it_anew(here: Account) -> None:
    """Left out: tests go, severity goes back to info, notifications go."""
    test = here.test(alertRules=[])
    rule = here.rule(test, severity="critical", notifications={"email": {"recipients": ["a@b.example"]}})
    path = f"/alerts/rules/{rule}"
    assert here.wrong("PUT", path, {"ruleName": "x"}) == ["expression", "alertType", "roundsViolatingOutOf"]
    updated = here.ask("PUT", path, DOWN)
    assert (updated["testIds"], updated["severity"]) == ([], "info")
    assert updated["notifications"] == {"email": {"recipients": []}}
    assert here.rules_of(test) == []


def test_a_severity_alone_touches_future_alerts_only(here: Account) -> None:
    """The active alert stays as it was; any other edit ends it and a new one comes with the next bad round."""
    test = here.test(alertRules=[])
    rule = here.rule(test, severity="minor")
    here.fails("10:00")
    here.world.run_until("10:10")
    (alert,) = here.ask("GET", "/alerts")["alerts"]
    body = {**DOWN, "testIds": [test]}
    here.ask("PUT", f"/alerts/rules/{rule}", {**body, "severity": "critical"})
    assert [(row["id"], row["severity"]) for row in here.ask("GET", "/alerts")["alerts"]] == [(alert["id"], "MINOR")]
    here.ask("PUT", f"/alerts/rules/{rule}", {**body, "severity": "critical", "ruleName": "renamed"})
    assert here.ask("GET", "/alerts")["alerts"] == []
    here.world.run_until("10:14")
    (again,) = here.ask("GET", "/alerts")["alerts"]
    assert (again["severity"], again["id"] != alert["id"]) == ("CRITICAL", True)


def test_another_interval_counts_rounds_anew_and_lets_an_alert_go_on(here: Account) -> None:
    """The alert survives, and the first good round of the new length clears it."""
    test = here.test(alertRules=[])
    here.rule(test)
    here.fails("10:00", "10:21")
    here.world.run_until("10:11")
    here.ask("PUT", f"/tests/http-server/{test}", {"interval": 60})
    here.world.run_until("10:21")
    assert len(here.ask("GET", "/alerts")["alerts"]) == 1
    here.world.run_until("10:22")
    (alert,) = here.world.view.all(ALERTS)
    assert here.ask("GET", "/alerts")["alerts"] == []
    assert here.ask("GET", f"/alerts/{alert.id}")["endDate"] == "2026-03-02T10:22:00Z"


def test_what_cannot_be_sent_is_recorded_as_lost(here: Account) -> None:
    """An integration nobody has, and a custom webhook, whose template is not rendered."""
    test = here.test(alertRules=[])
    custom = {"integrationId": "6e069ae9-8537-4120-b988-61bf8e0d8b87", "integrationType": "custom-webhook"}
    hook = {"integrationId": "wb-999", "integrationType": "webhook"}
    here.rule(test, notifications={"webhook": [hook], "customWebhook": [custom]})
    here.fails("10:00")
    here.world.run_until("10:10")
    lost = [entry.data["integration"] for entry in here.world.journal if entry.kind == "notification.lost"]
    assert lost == ["wb-999", custom["integrationId"]]


# -- alerts ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def history(here: Account) -> Account:
    """One alert cleared two days ago, one cleared this morning, one still active."""
    test = here.test(alertRules=[])
    here.rule(test)
    here.fails("10:00", "10:10")
    here.world.run_until("2026-03-04 08:00")
    here.fails("09:00", "09:10")
    here.fails("11:50")
    here.world.run_until("12:00")
    return here


def starts(page: dict[str, Any]) -> list[str]:
    return [alert["startDate"][8:16] for alert in page["alerts"]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["04T11:52"]),
        ("?state=trigger", ["04T11:52"]),
        ("?state=clear", ["04T09:02"]),
        ("?window=1h", ["04T11:52"]),
        ("?window=4h", ["04T11:52", "04T09:02"]),
        ("?window=4h&state=trigger", ["04T11:52"]),
        ("?window=4h&state=clear", ["04T09:02"]),
        ("?window=1w", ["04T11:52", "04T09:02", "02T10:02"]),
        ("?window=604800&state=clear", ["04T09:02", "02T10:02"]),
        ("?startDate=2026-03-02T00:00:00Z&endDate=2026-03-03T00:00:00Z", ["02T10:02"]),
        ("?startDate=2026-03-02T00:00:00%2B0000&endDate=2026-03-03T00:00:00", ["02T10:02"]),
        ("?startDate=2026-03-04T12:00:00Z", ["04T11:52"]),
        ("?startDate=2026-03-04T12:00:00Z&state=trigger", []),
    ],
)
def test_state_and_range_choose_alerts_as_the_operation_says(history: Account, query: str, expected: list[str]) -> None:
    """Active ones by their start, cleared ones by their end, both when no state is given."""
    assert starts(history.ask("GET", f"/alerts{query}")) == expected


def test_what_the_documents_leave_open_about_lists_is_knobs(history: Account) -> None:
    """Cleared alerts without a range, a range without a state, and how many make a page."""
    history.do(commands.set_knobs, clear_without_range="all")
    assert starts(history.ask("GET", "/alerts?state=clear")) == ["04T09:02", "02T10:02"]
    history.do(commands.set_knobs, clear_without_range="none")
    assert starts(history.ask("GET", "/alerts?state=clear")) == []
    history.do(commands.set_knobs, range_lists_both=False)
    assert starts(history.ask("GET", "/alerts?window=1w")) == ["04T11:52"]
    history.do(commands.set_knobs, range_lists_both=True, alert_page=1)
    page = history.ask("GET", "/alerts?window=1w")
    assert (starts(page), "next" in page["_links"]) == (["04T11:52"], True)


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("state=open", ["state"]),
        ("window=1y", ["window"]),
        ("window=1h&startDate=2026-03-02T00:00:00Z", ["window"]),
        ("endDate=2026-03-02T00:00:00Z", ["startDate"]),
        ("startDate=yesterday", ["startDate"]),
        ("startDate=2026-03-03T00:00:00Z&endDate=2026-03-02T00:00:00Z", ["startDate"]),
        ("max=0", ["max"]),
        ("max=many", ["max"]),
        ("cursor=abc", ["cursor"]),
        ("cursor=eyJrZXkiOiAxfQ", ["cursor"]),
    ],
)
def test_a_bad_parameter_of_the_list_is_named(here: Account, query: str, fields: list[str]) -> None:
    """Ranges that contradict themselves, foreign cursors, unknown states."""
    assert here.wrong("GET", f"/alerts?{query}", None) == fields


# -- who may what ------------------------------------------------------------------------------------------------------


def test_a_token_is_a_bearer_token_or_nothing(here: Account) -> None:
    """No token, another scheme, an unknown token: 401 in the shape of OAuth, on unknown paths as well."""
    for header in ("", "Basic dTpw", "Bearer nobody", "Bearer", f"Token {here.token}"):
        body = here.ask("GET", "/tests", status=401, headers={"Authorization": header})
        assert body == {"error": "invalid_token", "error_description": "Invalid access token"}
    here.ask("GET", "/nothing", status=401, token="nobody")
    assert here.ask("GET", "/status", token="nobody") == {"timestamp": here.world.now // 1000}


def test_unknown_paths_methods_and_bodies_have_their_own_status(here: Account) -> None:
    """404, 405, 415 and 400, each as a problem document."""
    for method, path, status in (("GET", "/nothing", 404), ("PATCH", "/tests", 405), ("POST", "/tests", 405)):
        assert here.ask(method, path, status=status)["status"] == status
        assert here.answer.headers["Content-Type"] == "application/problem+json"
    url = "/tests/http-server"
    here.ask("POST", url, status=415, content=b"a=b", headers={"Content-Type": "text/plain"})
    for body in (b"", b"{", b"[]", b'"x"', b"\xff", b"NaN", b"[" * 20_000):
        here.ask("POST", url, status=400, content=body, headers={"Content-Type": "application/json"})


def test_an_account_group_is_a_world_of_its_own(here: Account) -> None:
    """Tests, rules, windows and alerts of one group are unknown in the other; a foreign group is refused by a knob."""
    here.ask("POST", "/account-groups", {"accountGroupName": "Second"}, status=201)
    test, rule = here.test(), here.rule()
    assert here.ask("GET", "/tests?aid=1002")["tests"] == []
    here.ask("GET", f"/tests/http-server/{test}?aid=1002", status=404)
    here.ask("GET", f"/alerts/rules/{rule}?aid=1002", status=404)
    here.ask("DELETE", f"/tests/http-server/{test}?aid=1002", status=404)
    assert len(here.ask("GET", "/alerts/rules?aid=1002")["alertRules"]) == 13
    here.ask("GET", "/tests?aid=999", status=403)
    here.ask("GET", "/users/current?aid=999")
    for status in (400, 404):
        here.do(commands.set_knobs, foreign_aid_status=status)
        here.ask("GET", "/tests?aid=999", status=status)


def test_a_shared_test_is_seen_and_only_its_rules_and_words_can_be_changed(here: Account) -> None:
    """The receiving group has rules of its own on it and raises alerts of its own."""
    here.ask("POST", "/account-groups", {"accountGroupName": "Second"}, status=201)
    test = here.test(sharedWithAccounts=["1002"], alertRules=[])
    path = f"/tests/http-server/{test}"
    seen = here.ask("GET", f"{path}?aid=1002")
    assert (seen["liveShare"], here.ask("GET", path)["liveShare"]) == (True, False)
    for asked in ("/tests", "/tests/http-server"):
        lists = [here.ask("GET", f"{asked}?aid={aid}")["tests"] for aid in ("1002", "1001")]
        assert [test["liveShare"] for tests in lists for test in tests] == [True, False], asked
    assert here.wrong("PUT", f"{path}?aid=1002", {"url": "https://x.example"}) == ["url"]
    here.ask("DELETE", f"{path}?aid=1002", status=403)
    rule = here.ask("POST", "/alerts/rules?aid=1002", {**DOWN, "testIds": [test]}, status=201)["ruleId"]
    assert here.rules_of(test) == []
    here.fails("10:00")
    here.world.run_until("10:10")
    assert here.ask("GET", "/alerts")["alerts"] == []
    assert [alert["alertRuleId"] for alert in here.ask("GET", "/alerts?aid=1002")["alerts"]] == [rule]


def test_a_regular_user_may_look_and_not_touch(here: Account) -> None:
    """Roles decide: reading works, writing is a 403."""
    here.do(
        administration.create_user, name="Rita", email="rita@example.com", aid="1001", roles=(("1001", ("58",)),),
        all_roles=(), token="rita",
    )  # fmt: skip
    assert here.ask("GET", "/users/current", token="rita")["name"] == "Rita"
    assert here.ask("GET", "/tests", token="rita")["tests"] == []
    for path, body in (("/tests/http-server", SHOP), ("/alerts/rules", DOWN), ("/tags", {"key": "a", "value": "b"})):
        title = here.ask("POST", path, body, status=403, token="rita")["title"]
        assert title == "Insufficient permissions to query endpoint"


def test_a_user_who_is_deleted_is_logged_out(here: Account) -> None:
    """The tokens go with the user."""
    user = {"name": "Ann", "email": "ann@example.com", "allAccountGroupRoleIds": ["56"]}
    uid = here.ask("POST", "/users", user, status=201)["uid"]
    here.sim("POST", "/tokens", {"user": uid, "token": "ann"}, status=201)
    here.ask("GET", "/tests", token="ann")
    here.ask("DELETE", f"/users/{uid}", status=204)
    here.ask("GET", "/tests", token="ann", status=401)


def test_an_agent_that_goes_takes_its_tests_along(here: Account) -> None:
    """A test with agents left goes on, one without is disabled; both were changed."""
    agent = here.sim("POST", "/agents", {"name": "branch"}, status=201)["agent"]["id"]
    alone = here.test(testName="alone", agents=[{"agentId": agent}])
    both = here.test(testName="both", agents=[{"agentId": agent}, {"agentId": "3"}])
    here.ask("DELETE", f"/agents/{agent}", status=204)
    left = [here.ask("GET", f"/tests/http-server/{test}?expand=agent") for test in (alone, both)]
    assert [(test["enabled"], len(test["agents"])) for test in left] == [(False, 0), (True, 1)]
    assert all("modifiedDate" in test for test in left)
    here.ask("DELETE", "/agents/3", status=403)


def test_results_follow_what_a_test_was_at_the_time(here: Account) -> None:
    """Agents added later have no earlier rounds, and a disabled test has none."""
    test = here.test(agents=[{"agentId": "3"}])
    here.world.run_until("09:10")
    here.ask("PUT", f"/tests/http-server/{test}", {"agents": [{"agentId": "3"}, {"agentId": "4"}]})
    here.world.run_until("09:20")
    here.ask("PUT", f"/tests/http-server/{test}", {"enabled": False})
    here.world.run_until("09:30")
    rows = here.ask("GET", f"/test-results/{test}/http-server?window=1h")["results"]
    minutes = sorted((row["roundId"] // 60 % 60, row["agent"]["agentId"]) for row in rows)
    assert minutes == [(minute, "3") for minute in range(0, 10, 2)] + [
        (minute, agent) for minute in range(10, 20, 2) for agent in ("3", "4")
    ]


def test_layers_a_test_has_not_got_are_not_found(here: Account) -> None:
    """A layer of another type, and one that is switched off."""
    test = here.test(networkMeasurements=False)
    for layer in ("network", "path-vis", "page-load"):
        assert "has no results" in here.ask("GET", f"/test-results/{test}/{layer}", status=404)["detail"]
    here.ask("GET", f"/test-results/{test}/nonsense", status=404)
    here.ask("GET", f"/test-results/{test}/path-vis/agent/3/round/1772442000", status=404)


BAD = [
    ("http-server", "http-server", {"kind": "status", "value": 503}, lambda row: row["responseCode"] == 503),
    ("http-server", "network", {"kind": "loss", "value": 40}, lambda row: row["loss"] == 40.0),
    ("http-server", "network", {"kind": "latency", "value": 300}, lambda row: row["avgLatency"] > 300),
    ("http-server", "path-vis", {"kind": "mtu", "value": 1400}, lambda row: row["pathTraces"][0]["pathMtu"] == 1400),
    ("page-load", "page-load", {"kind": "component", "value": 3}, lambda row: row["numErrors"] == 3),
    ("web-transactions", "web-transactions", {"kind": "content"}, lambda row: row["errorType"] == "Assert"),
    ("api", "api", {"kind": "status", "value": 500}, lambda row: row["completion"] == 0.0),
    ("ftp-server", "ftp-server", {"kind": "status", "value": 530}, lambda row: row["responseCode"] == 530),
    ("dns-server", "dns-server", {"kind": "dns"}, lambda row: row["errorDetails"] != ""),
    ("dns-trace", "dns-trace", {"kind": "dns"}, lambda row: row["failedQueries"] == 1),
    ("dnssec", "dnssec", {"kind": "mapping"}, lambda row: row["isValid"] is False),
    ("sip-server", "sip-server", {"kind": "connect"}, lambda row: row["errorType"] == "connect"),
    ("voice", "rtp-server", {"kind": "loss", "value": 20}, lambda row: row["mos"] < 3),
    ("agent-to-agent", "network", {"kind": "loss", "value": 30}, lambda row: row["loss"] == 30.0),
    ("bgp", "bgp", {"kind": "withdrawal"}, lambda row: row["reachability"] == 0.0),
]


@pytest.mark.parametrize(
    ("kind", "layer", "trouble", "bad"), BAD, ids=lambda value: value if isinstance(value, str) else ""
)
def test_what_is_wrong_with_the_world_shows_in_the_results_of_its_layer(
    here: Account, kind: str, layer: str, trouble: dict[str, Any], bad: Callable[[dict[str, Any]], bool]
) -> None:
    """A healthy round before, a bad one from the moment something breaks."""
    resource = TEST_TYPES[kind]
    body = {"testName": "t", **TARGETS[kind]} | ({} if kind == "bgp" else {"interval": 900, "agents": AGENTS})
    test = here.ask("POST", resource.path, body, status=201)["testId"]
    here.world.run_until("10:00")
    here.sim("POST", "/conditions", trouble, status=201)
    here.world.run_until("10:15")
    healthy = here.ask("GET", f"/test-results/{test}/{layer}?window=75m")["results"]
    broken = here.ask("GET", f"/test-results/{test}/{layer}")["results"]
    assert broken
    assert all(bad(row) for row in broken)
    before = [row for row in healthy if row["roundId"] < broken[0]["roundId"]]
    assert before
    assert not any(bad(row) for row in before)


@pytest.mark.parametrize("junk", [[{}], {"a": 5}, "x", True])
@pytest.mark.parametrize("kind", TEST_TYPES)
def test_settings_only_other_types_have_are_left_aside(here: Account, kind: str, junk: Any) -> None:
    """Whatever is sent under their names changes nothing and comes back nowhere, on create and on update."""
    own = TARGETS[kind] | ({} if kind == "bgp" else {"interval": 900, "agents": AGENTS})
    fields = {name: [entry.name for entry in resource.fields] for name, resource in TEST_TYPES.items()}
    foreign = {name: junk for names in fields.values() for name in names if name not in fields[kind]}
    assert {"domain", "codecId", "sslVersionId", "subinterval"} & set(foreign)
    plain = here.ask("POST", f"/tests/{kind}", {"testName": "t", **own}, status=201)
    here.ask("DELETE", f"/tests/{kind}/{plain['testId']}", status=204)
    made = here.ask("POST", f"/tests/{kind}", {"testName": "t", **foreign, **own}, status=201)
    changed = here.ask("PUT", f"/tests/{kind}/{made['testId']}", foreign)
    aside = {"testId", "_links", "modifiedBy", "modifiedDate"}
    for shown in (made, changed):
        assert {name: shown[name] for name in shown.keys() - aside} == {
            name: plain[name] for name in plain.keys() - aside
        }


TARGETS: dict[str, dict[str, Any]] = {
    "agent-to-server": {"server": "shop.example"},
    "http-server": {"url": "https://shop.example"},
    "page-load": {"url": "https://shop.example"},
    "web-transactions": {"url": "https://shop.example", "transactionScript": "markers.start('cart');"},
    "api": {"url": "https://api.example", "requests": [{"name": "one", "url": "https://api.example/1"}]},
    "ftp-server": {"url": "ftp://files.example", "requestType": "list", "username": "u", "password": "p"},
    "dns-server": {"domain": "shop.example A", "dnsServers": ["ns1.example", "ns2.example"]},
    "dns-trace": {"domain": "shop.example A"},
    "dnssec": {"domain": "shop.example A"},
    "sip-server": {"targetSipCredentials": {"port": 5060}},
    "voice": {"targetAgentId": "5"},
    "agent-to-agent": {"targetAgentId": "5"},
    "bgp": {"prefix": "203.0.113.0/24"},
}


def test_results_of_dns_servers_are_read_one_by_one(here: Account) -> None:
    """Each server has an id, the same as in the test."""
    body = {"testName": "t", "interval": 300, "agents": AGENTS, **TARGETS["dns-server"]}
    made = here.ask("POST", "/tests/dns-server", body, status=201)
    here.world.advance("10m")
    path = f"/test-results/{made['testId']}/dns-server"
    assert len(here.ask("GET", path)["results"]) == 4
    first = made["dnsServers"][0]
    assert {row["server"] for row in here.ask("GET", f"{path}/{first['serverId']}")["results"]} == {"ns1.example"}
    here.ask("GET", f"{path}/1", status=404)


def test_an_agent_that_is_away_or_unwell_says_so(here: Account) -> None:
    """Offline: no rows and an old ``lastSeen``; local problems: a list of their own."""
    agent = here.sim("POST", "/agents", {"name": "branch"}, status=201)["agent"]["id"]
    test = here.test(agents=[{"agentId": agent}, {"agentId": "3"}], alertRules=[])
    here.sim("POST", "/conditions", {"kind": "offline", "agents": ["branch"], "since": "10:00"}, status=201)
    span = {"since": "10:00", "until": "10:30"}
    here.sim("POST", "/conditions", {"kind": "local-problems", "agents": ["Oslo"], **span}, status=201)
    here.world.run_until("10:10")
    shown = here.ask("GET", f"/agents/{agent}")
    assert (shown["agentState"], shown["lastSeen"]) == ("offline", "2026-03-02T10:00:00Z")
    (row,) = here.ask("GET", f"/test-results/{test}/http-server")["results"]
    assert row["agent"]["agentName"] == "Singapore"
    (problem,) = here.ask("GET", "/agents/local-problems")["localProblems"]
    assert (problem["agent"]["agentName"], problem["active"], problem["duration"]) == ("Oslo", True, 600)
    here.world.run_until("11:00")
    assert here.ask("GET", "/agents/local-problems")["localProblems"] == []
    (problem,) = here.ask("GET", "/agents/local-problems?window=2h")["localProblems"]
    assert (problem["active"], problem["endDate"]) == (False, "2026-03-02T10:30:00Z")


# -- labels and the audit ----------------------------------------------------------------------------------------------


def test_labels_are_worn_by_tests_and_agents_and_told_to_webhooks(here: Account) -> None:
    """Given from either side; a label of another type does not stick; lists of agents can be narrowed by them."""
    test = here.test(alertRules=[])
    label = here.ask("POST", "/labels/test", {"name": "web", "ids": [test]}, status=201)
    assert (label["labelId"], label["isBuiltIn"], label["ids"]) == ("961", False, [test])
    shown = here.ask("GET", f"/tests/http-server/{test}?expand=label")
    assert shown["labels"] == [{"labelId": "961", "name": "web", "isBuiltin": False}]
    here.ask("PUT", f"/tests/http-server/{test}", {"labels": []})
    assert here.ask("GET", "/labels/test/961")["ids"] == []
    here.ask("PUT", f"/tests/http-server/{test}", {"labels": ["961"]})
    assert here.ask("GET", "/labels/test/961")["ids"] == [test]
    assert here.wrong("POST", "/labels/test", {"name": "web", "ids": ["1"]}) == ["ids[0]", "name"]
    here.ask("GET", "/labels/agent/961", status=404)
    here.ask("POST", "/labels/agent", {"name": "north", "ids": ["5"]}, status=201)
    assert [agent["agentName"] for agent in here.ask("GET", "/agents?labels=north")["agents"]] == ["Oslo"]
    assert {row["type"] for row in here.ask("GET", "/labels")["labels"]} == {"test", "agent"}
    here.sim("POST", "/integrations", {"kind": "webhook", "name": "h", "target": "https://h.example"}, status=201)
    here.rule(test, notifications={"webhook": [{"integrationId": "wb-201", "integrationType": "webhook"}]})
    here.fails("10:00")
    here.world.run_until("10:10")
    (sent,) = here.world.view.all(NOTIFICATIONS)
    assert json.loads(sent.body)["alert"]["testLabels"] == [{"id": 961, "name": "web"}]
    here.ask("DELETE", f"/tests/http-server/{test}", status=204)
    assert here.ask("GET", "/labels/test/961")["ids"] == []


def test_the_audit_names_who_did_what_to_which_thing(here: Account) -> None:
    """Newest first, with the user and the thing's name; what was refused leaves no trace."""
    test = here.test(alertRules=[])
    here.world.advance("1m")
    here.ask("PUT", f"/tests/http-server/{test}", {"description": "d"})
    here.ask("POST", "/tests/http-server", {}, status=400)
    here.world.advance("1m")
    here.ask("DELETE", f"/tests/http-server/{test}", status=204)
    events = here.ask("GET", "/audit-user-events")["auditEvents"]
    assert [event["event"] for event in events] == ["Test deleted", "Test updated", "Test created"]
    assert events[0] == {
        "aid": "1001",
        "accountGroupName": "Rehearsal",
        "date": "2026-03-02T09:02:00Z",
        "event": "Test deleted",
        "ipAddress": "127.0.0.1",
        "uid": "1",
        "user": "Rehearsal Admin (admin@example.com)",
        "resources": [{"type": "testName", "name": "shop"}],
    }
    assert len(here.ask("GET", "/audit-user-events?window=90s")["auditEvents"]) == 2
    here.ask("POST", "/account-groups", {"accountGroupName": "Second"}, status=201)
    here.ask("POST", "/tags?aid=1002", {"key": "a", "value": "b"}, status=201)
    assert len(here.ask("GET", "/audit-user-events?aid=1002")["auditEvents"]) == 1
    assert len(here.ask("GET", "/audit-user-events?useAllPermittedAids=true")["auditEvents"]) == 5


def test_pages_of_the_audit_hold_every_event_once(here: Account) -> None:
    """A cursor goes on where the page ended, whatever happens meanwhile."""
    for number in range(130):
        here.ask("POST", "/tags", {"key": "k", "value": str(number)}, status=201)
    first = here.ask("GET", "/audit-user-events?window=1d")
    here.ask("POST", "/tags", {"key": "k", "value": "late"}, status=201)
    second = here.ask("GET", first["_links"]["next"]["href"].partition("/v7")[2])
    assert (len(first["auditEvents"]), len(second["auditEvents"])) == (100, 30)
    assert "next" not in second["_links"]
    assert first["startDate"] == second["startDate"]
