"""The vendor's own typed clients against a served account: every answer is parsed by their models."""

from datetime import UTC, datetime

import pytest
from thousandeyes_desk import Desk, desk, served
from thousandeyes_sdk.administrative import api as administrative
from thousandeyes_sdk.agents import api as agents
from thousandeyes_sdk.alerts import api as alerts
from thousandeyes_sdk.alerts import models as alert_models
from thousandeyes_sdk.core.exceptions import (
    BadRequestException,
    ForbiddenException,
    NotFoundException,
    ServiceException,
    TooManyRequestsException,
    UnauthorizedException,
)
from thousandeyes_sdk.core.pagination_iterable import PaginationIterable
from thousandeyes_sdk.test_results import api as results
from thousandeyes_sdk.tests import api as tests
from thousandeyes_sdk.tests import models as test_models

from simulators.engine import faults
from simulators.engine.faults import Fault, FaultKind
from simulators.thousandeyes import commands

__all__ = ["desk", "served"]
pytestmark = pytest.mark.sockets

SHOP = {"interval": 120, "url": "https://shop.example", "agents": [{"agentId": "3"}, {"agentId": "4"}]}
DOWN = {
    "ruleName": "down",
    "expression": "((responseCode >= 500))",
    "alertType": "http-server",
    "roundsViolatingRequired": 2,
    "roundsViolatingOutOf": 2,
    "minimumSources": 2,
    "severity": "major",
}


def make_test(desk: Desk, name: str = "shop", **settings: object) -> test_models.HttpServerTestResponse:
    request = test_models.HttpServerTestRequest.from_dict({"testName": name, "alertRules": [], **SHOP, **settings})
    return tests.HTTPServerTestsApi(desk.client).create_http_server_test(request, expand=["agent", "alert-rule"])


def make_rule(desk: Desk, *test_ids: str, **settings: object) -> alert_models.Rule:
    body = {**DOWN, "testIds": list(test_ids), **settings}
    return alerts.AlertRulesApi(desk.client).create_alert_rule(alert_models.RuleDetailUpdate.from_dict(body))


def test_a_test_goes_through_its_whole_life(desk: Desk) -> None:
    """Create with expansion, read, list by type and mixed, update, history, delete, and then it is gone."""
    api = tests.HTTPServerTestsApi(desk.client)
    made = make_test(desk, description="front door")
    assert [agent.agent_name for agent in made.agents] == ["Singapore", "London"]
    assert made.created_by == "Rehearsal Admin (admin@example.com)"
    assert made.created_date == datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
    assert made.modified_date is None
    read = api.get_http_server_test(made.test_id)
    assert (read.url, read.description, read.agents) == ("https://shop.example", "front door", None)
    assert read.links.var_self.href == f"{desk.base}/v7/tests/http-server/{made.test_id}"
    assert [link.href.rpartition("/")[2] for link in read.links.test_results] == ["http-server", "network", "path-vis"]
    desk.world.advance("1m")
    request = test_models.HttpServerTestRequest.from_dict({**SHOP, "url": "https://shop.example/cart"})
    changed = api.update_http_server_test(made.test_id, request)
    assert (changed.test_name, changed.url, changed.description) == ("shop", "https://shop.example/cart", "front door")
    assert changed.modified_date == datetime(2026, 3, 2, 9, 1, tzinfo=UTC)
    assert [test.test_id for test in api.get_http_server_tests().tests] == [made.test_id]
    mixed = tests.TestsApi(desk.client)
    assert [test.type for test in mixed.get_tests().tests] == ["http-server"]
    newest, first = mixed.get_test_version_history(made.test_id).test_version_history
    assert newest.version_timestamp > first.version_timestamp
    assert api.get_http_server_test(made.test_id, version_id=first.version_id).url == "https://shop.example"
    api.delete_http_server_test(made.test_id)
    with pytest.raises(NotFoundException):
        api.get_http_server_test(made.test_id)


def test_a_rule_goes_through_its_whole_life(desk: Desk) -> None:
    """Created with a test and notifications; lists show neither; an update is a full replacement; deleting frees it."""
    api = alerts.AlertRulesApi(desk.client)
    made_test = make_test(desk)
    hook = desk.do(commands.add_integration, "webhook", name="ops hook", target="https://hooks.example/te")
    wanted = {
        "email": {"recipients": ["noc@example.com"], "message": "look"},
        "webhook": [{"integrationId": hook.id, "integrationType": "webhook"}],
        "thirdParty": [{"integrationId": "pgd-21", "integrationType": "pager-duty"}],
    }
    rule = make_rule(desk, made_test.test_id, notifications=wanted, notifyOnClear=True)
    assert rule.links.var_self.href.endswith(f"/v7/alerts/rules/{rule.rule_id}")
    (webhook,) = rule.notifications.webhook
    assert (webhook.integration_name, webhook.target) == ("ops hook", "https://hooks.example/te")
    detail = api.get_alert_rule(rule.rule_id)
    assert [test.test_name for test in detail.tests] == ["shop"]
    assert (detail.test_ids, detail.notifications.email.recipients) == ([made_test.test_id], ["noc@example.com"])
    listed = {entry.rule_id: entry for entry in api.get_alerts_rules().alert_rules}
    assert "notifications" not in listed[rule.rule_id].to_dict()
    assert sum(entry.is_default for entry in listed.values()) == 13
    replaced = api.update_alert_rule(rule.rule_id, alert_models.RuleDetailUpdate.from_dict(DOWN | {"ruleName": "out"}))
    assert (replaced.rule_name, replaced.test_ids, replaced.notifications.email.recipients) == ("out", [], [])
    api.delete_alert_rule(rule.rule_id)
    with pytest.raises(NotFoundException):
        api.get_alert_rule(rule.rule_id)


def test_an_alert_is_raised_listed_read_and_cleared(desk: Desk) -> None:
    """Two bad rounds raise it, the list and the detail agree, the first good round clears it."""
    test = make_test(desk)
    rule = make_rule(desk, test.test_id)
    desk.fails(test.test_id, "10:00", "10:45")
    api = alerts.AlertsApi(desk.client)
    desk.run_until("10:03")
    assert api.get_alerts().alerts == []
    desk.run_until("10:10")
    (alert,) = api.get_alerts().alerts
    assert (alert.alert_state, alert.state, alert.alert_severity, alert.severity) == (
        "trigger",
        "ACTIVE",
        "major",
        "MAJOR",
    )
    assert (alert.start_date, alert.duration) == (datetime(2026, 3, 2, 10, 4, tzinfo=UTC), 360)
    assert (alert.alert_rule_id, alert.rule_id, alert.violation_count) == (rule.rule_id, int(rule.rule_id), 2)
    detail = api.get_alert(alert.id)
    assert [(entry.name, entry.type, entry.state) for entry in detail.details] == [
        ("Singapore", "cea_agent", "trigger"),
        ("London", "cea_agent", "trigger"),
    ]
    assert detail.details[0].start.metrics == "Response Code: 503"
    desk.run_until("11:00")
    assert api.get_alerts().alerts == []
    (cleared,) = api.get_alerts(state="clear", window="1d").alerts
    assert (cleared.id, cleared.alert_state, cleared.state) == (alert.id, "clear", "CLEARED")
    assert cleared.end_date == datetime(2026, 3, 2, 10, 48, tzinfo=UTC)
    after = api.get_alert(alert.id)
    assert (after.state, after.details[0].state, after.details[0].end.metrics) == (
        "clear",
        "clear",
        "Response Code: 200",
    )


def test_dates_in_every_form_the_client_sends_choose_alerts(desk: Desk) -> None:
    """A range in naive and in aware datetimes; the answer says which range it was."""
    test = make_test(desk)
    make_rule(desk, test.test_id)
    desk.fails(test.test_id, "10:00", "10:45")
    desk.run_until("12:00")
    api = alerts.AlertsApi(desk.client)
    for zone in (None, UTC):
        day = {
            "start_date": datetime(2026, 3, 2, 10, 0, tzinfo=zone),
            "end_date": datetime(2026, 3, 2, 11, tzinfo=zone),
        }
        (alert,) = api.get_alerts(state="clear", **day).alerts
        assert alert.violation_count == 2
        late = {"start_date": datetime(2026, 3, 2, 10, 50, tzinfo=zone)}
        assert api.get_alerts(state="clear", **late).alerts == []


def test_pages_hold_every_alert_once(desk: Desk) -> None:
    """Following the cursor two at a time gives what one page gives, although time goes on and new alerts come up."""
    test = make_test(desk)
    for name in range(5):
        make_rule(desk, test.test_id, ruleName=f"rule {name}")
    desk.fails(test.test_id, "10:00", "10:10")
    desk.fails(test.test_id, "10:30", "10:40")
    desk.run_until("11:00")
    api = alerts.AlertsApi(desk.client)
    whole = [alert.id for alert in api.get_alerts(window="1d").alerts]
    assert len(whole) == 10
    desk.fails(test.test_id, "11:00")
    paged = []
    for alert in PaginationIterable(api.get_alerts, lambda page: page.alerts, window="1d", max=2):
        paged.append(alert.id)
        desk.world.advance("2m")
    assert paged == whole
    assert api.get_alerts(window="1d", max=2).links.next.href.startswith(f"{desk.base}/v7/alerts?")


def test_what_is_refused_says_so_in_the_clients_own_words(desk: Desk) -> None:
    """401, 403, 404 and 400 raise their exceptions, and their bodies parse into the declared models."""
    with pytest.raises(UnauthorizedException) as unauthorized:
        tests.TestsApi(desk.login("wrong")).get_tests()
    assert unauthorized.value.data.error == "invalid_token"
    with pytest.raises(ForbiddenException) as forbidden:
        tests.TestsApi(desk.client).get_tests(aid="999")
    assert (forbidden.value.data.status, forbidden.value.data.title) == (
        403,
        "Insufficient permissions to query endpoint",
    )
    with pytest.raises(NotFoundException) as missing:
        alerts.AlertsApi(desk.client).get_alert("e9c3bf02-a48c-4aa8-9e5f-898800d6f569")
    assert missing.value.data.title == "URI Resource Not Found"
    with pytest.raises(BadRequestException) as invalid:
        make_rule(desk, expression="((responseCode >=", minimumSourcesPct=50)
    assert [error.var_field for error in invalid.value.data.errors] == ["expression", "minimumSourcesPct"]
    make_test(desk)
    with pytest.raises(BadRequestException) as twice:
        make_test(desk)
    assert [error.var_field for error in twice.value.data.errors] == ["testName"]


def test_a_client_waits_out_one_429_and_gives_up_at_the_second(desk: Desk) -> None:
    """A single refusal is retried even for a POST; while the limit lasts, the exception comes through."""
    path = "/v7/alerts/rules"
    desk.do(faults.add, Fault("", FaultKind.STATUS, path=path, status=429, times=1))
    assert make_rule(desk).rule_name == "down"
    with desk.knobs(rate_limit=2):
        api = tests.TestsApi(desk.client)
        answer = api.get_tests_with_http_info()
        assert {name: answer.headers[f"X-Organization-Rate-Limit-{name}"] for name in ("Limit", "Remaining")} == {
            "Limit": "2",
            "Remaining": "1",
        }
        api.get_tests()
        with pytest.raises(TooManyRequestsException) as limited:
            api.get_tests()
        assert limited.value.data.title == "Exhausted rate limit for the organization"
        desk.world.advance("1m")
        assert api.get_tests().tests == []


def test_a_failing_gateway_is_a_service_exception(desk: Desk) -> None:
    """HTML from something in between does not confuse the client."""
    desk.do(faults.add, Fault("", FaultKind.STATUS, path="/v7/agents", status=502, body="<html>bad gateway</html>"))
    with pytest.raises(ServiceException):
        agents.CloudAndEnterpriseAgentsApi(desk.client).get_agents()


def test_results_show_what_the_alerts_saw(desk: Desk) -> None:
    """The round that raised the alert answers 503 from both agents; the one before answers 200, everywhere."""
    test = make_test(desk)
    make_rule(desk, test.test_id, roundsViolatingRequired=1, roundsViolatingOutOf=1)
    desk.fails(test.test_id, "10:00", "10:45")
    desk.run_until("10:02")
    (alert,) = alerts.AlertsApi(desk.client).get_alerts().alerts
    assert alert.start_date == datetime(2026, 3, 2, 10, 2, tzinfo=UTC)
    api = results.WebHTTPServerTestResultsApi(desk.client)
    latest = api.get_test_http_server_results(test.test_id)
    assert [(row.agent.agent_name, row.response_code, row.error_details) for row in latest.results] == [
        ("Singapore", 503, "503 Service Unavailable"),
        ("London", 503, "503 Service Unavailable"),
    ]
    assert latest.results[0].round_id == int(datetime(2026, 3, 2, 10, 0, tzinfo=UTC).timestamp())
    assert latest.test.test_name == "shop"
    hour = api.get_test_http_server_results(test.test_id, window="10m")
    assert [row.response_code for row in hour.results] == [503, 503, *[200] * 8]
    assert all(row.response_time < row.total_time for row in hour.results)
    network = results.NetworkTestResultsApi(desk.client).get_test_network_results(test.test_id)
    assert {row.loss for row in network.results} == {0.0}
    assert all(row.avg_latency > 0 for row in network.results)


def test_pages_of_results_hold_every_round_once(desk: Desk) -> None:
    """A day of rounds comes in several pages and no round twice, while time goes on."""
    test = make_test(desk)
    desk.run_until("2026-03-03 09:00")
    api = results.WebHTTPServerTestResultsApi(desk.client)
    rounds = []
    pages = PaginationIterable(
        api.get_test_http_server_results, lambda page: page.results, test_id=test.test_id, window="1d"
    )
    for row in pages:
        rounds.append((row.round_id, row.agent.agent_id))
        desk.world.advance("1s")
    assert len(rounds) == len(set(rounds)) == 2 * 24 * 30
    assert rounds == sorted(rounds, key=lambda pair: (-pair[0], pair[1]))


def test_the_account_is_what_it_is(desk: Desk) -> None:
    """Account groups, users, roles, permissions and agents parse, and agree with each other."""
    (group,) = administrative.AccountGroupsApi(desk.client).get_account_groups().account_groups
    assert (group.aid, group.is_current_account_group) == ("1001", True)
    detail = administrative.AccountGroupsApi(desk.client).get_account_group(group.aid, expand=["user", "agent"])
    assert [user.name for user in detail.users] == ["Rehearsal Admin"]
    users = administrative.UsersApi(desk.client)
    current = users.get_current_user()
    assert current.login_account_group.aid == group.aid
    assert users.get_user(current.uid).email == users.get_users().users[0].email
    (role,) = current.all_account_group_roles
    permissions = administrative.PermissionsApi(desk.client).get_permissions().permissions
    assert len(administrative.RolesApi(desk.client).get_role(role.role_id).permissions) == len(permissions)
    api = agents.CloudAndEnterpriseAgentsApi(desk.client)
    listed = api.get_agents(agent_types=["cloud"]).agents
    assert len(listed) == 51
    singapore = api.get_agent("3", expand=["test", "test-ids"])
    assert (singapore.actual_instance.agent_name, singapore.actual_instance.country_id) == ("Singapore", "SG")
