"""Every operation of the simulated areas through the vendor's typed clients: one life for each kind of thing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from thousandeyes_desk import Desk, desk, served
from thousandeyes_sdk.administrative import api as administrative
from thousandeyes_sdk.administrative import models as administrative_models
from thousandeyes_sdk.agents import api as agents
from thousandeyes_sdk.agents import models as agent_models
from thousandeyes_sdk.alerts import api as alerts
from thousandeyes_sdk.alerts import models as alert_models
from thousandeyes_sdk.core.exceptions import NotFoundException
from thousandeyes_sdk.test_results import api as results
from thousandeyes_sdk.tests import api as tests
from thousandeyes_sdk.tests import models as test_models

from simulators.thousandeyes import commands

__all__ = ["desk", "served"]
pytestmark = pytest.mark.sockets

AGENTS = {"interval": 300, "agents": [{"agentId": "3"}, {"agentId": "4"}]}


@dataclass(frozen=True)
class Kind:
    """What the client calls a type of test: its API class, the word in its methods, and its request model."""

    api: str
    word: str
    model: str
    body: Mapping[str, Any] = field(default_factory=dict)
    update: str = ""


KINDS: Mapping[str, Kind] = {
    "agent-to-server": Kind(
        "AgentToServerTestsApi",
        "agent_to_server",
        "AgentToServerTestRequest",
        {"server": "shop.example", "port": 443, **AGENTS},
        "UpdateAgentToServerTestRequest",
    ),
    "agent-to-agent": Kind(
        "AgentToAgentTestsApi", "agent_to_agent", "AgentToAgentTestRequest", {"targetAgentId": "5", **AGENTS}
    ),
    "bgp": Kind("BGPTestsApi", "bgp", "BgpTestRequest", {"prefix": "203.0.113.0/24"}, "UpdateBgpTestRequest"),
    "http-server": Kind(
        "HTTPServerTestsApi", "http_server", "HttpServerTestRequest", {"url": "https://shop.example", **AGENTS}
    ),
    "page-load": Kind(
        "PageLoadTestsApi", "page_load", "PageLoadTestRequest", {"url": "https://shop.example", **AGENTS}
    ),
    "web-transactions": Kind(
        "WebTransactionTestsApi",
        "web_transactions",
        "WebTransactionTestRequest",
        {"url": "https://shop.example", "transactionScript": "go();", **AGENTS},
    ),
    "api": Kind(
        "APITestsApi",
        "api",
        "ApiTestRequest",
        {"url": "https://api.example", "requests": [{"name": "one", "url": "https://api.example/1"}], **AGENTS},
    ),
    "ftp-server": Kind(
        "FTPServerTestsApi",
        "ftp_server",
        "FtpServerTestRequest",
        {"url": "ftp://files.example", "requestType": "list", "username": "u", "password": "p", **AGENTS},
    ),
    "dns-server": Kind(
        "DNSServerTestsApi",
        "dns_server",
        "DnsServerTestRequest",
        {"domain": "shop.example A", "dnsServers": ["ns1.example"], **AGENTS},
    ),
    "dns-trace": Kind("DNSTraceTestsApi", "dns_trace", "DnsTraceTestRequest", {"domain": "shop.example A", **AGENTS}),
    "dnssec": Kind("DNSSECTestsApi", "dns_sec", "DnsSecTestRequest", {"domain": "shop.example A", **AGENTS}),
    "sip-server": Kind(
        "SIPServerTestsApi",
        "sip_server",
        "SipServerTestRequest",
        {"targetSipCredentials": {"port": 5060, "user": "u", "protocol": "udp"}, **AGENTS},
    ),
    "voice": Kind("VoiceTestsApi", "voice", "VoiceTestRequest", {"targetAgentId": "5", **AGENTS}),
}


@pytest.mark.parametrize("name", KINDS)
def test_tests_of_every_type_live_through_the_client(desk: Desk, name: str) -> None:
    """Created with everything expanded, read, listed, updated, deleted and missed."""
    kind = KINDS[name]
    api = getattr(tests, kind.api)(desk.client)
    verb = {word: getattr(api, f"{word}_{kind.word}_test") for word in ("create", "get", "update", "delete")}
    request = getattr(test_models, kind.model).from_dict({"testName": f"a {name} test", **kind.body})
    expand = ["alert-rule", "monitor", "label", "tag", "shared-with-account"] + (["agent"] if name != "bgp" else [])
    made = verb["create"](request, expand=expand)
    assert (made.type, made.test_name) == (name, f"a {name} test")
    assert [rule.is_default for rule in made.alert_rules] == [True] * len(made.alert_rules) != []
    assert verb["get"](made.test_id, expand=expand).to_dict() == made.to_dict()
    (listed,) = getattr(api, f"get_{kind.word}_tests")().tests
    assert listed.test_id == made.test_id
    changed = getattr(test_models, kind.update or kind.model).from_dict({**kind.body, "description": "changed"})
    assert verb["update"](made.test_id, changed, expand=expand).description == "changed"
    verb["delete"](made.test_id)
    with pytest.raises(NotFoundException):
        verb["get"](made.test_id)


#: Type of test -> what the client calls its layers' results: API class and method.
RESULTS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "agent-to-server": (
        ("NetworkTestResultsApi", "get_test_network_results"),
        ("NetworkTestResultsApi", "get_test_path_vis_results"),
        ("NetworkBGPTestResultsApi", "get_test_bgp_results"),
    ),
    "agent-to-agent": (("NetworkTestResultsApi", "get_test_network_results"),),
    "bgp": (("NetworkBGPTestResultsApi", "get_test_bgp_results"),),
    "http-server": (("WebHTTPServerTestResultsApi", "get_test_http_server_results"),),
    "page-load": (("WebPageLoadTestResultsApi", "get_test_page_load_results"),),
    "web-transactions": (("WebTransactionsTestResultsApi", "get_test_web_transaction_results"),),
    "api": (("APITestResultsApi", "get_test_api_results"),),
    "ftp-server": (("WebFTPServerTestResultsApi", "get_test_ftp_server_results"),),
    "dns-server": (("DNSServerTestResultsApi", "get_test_dns_servers_results"),),
    "dns-trace": (("DNSTraceTestResultsApi", "get_test_dns_trace_results"),),
    "dnssec": (("DNSSECTestResultsApi", "get_test_dns_sec_results"),),
    "sip-server": (("VoiceSIPServerTestResultsApi", "get_test_sip_server_results"),),
    "voice": (("VoiceRTPServerTestResultsApi", "get_test_rtp_server_results"),),
}


@pytest.mark.parametrize("name", RESULTS)
def test_results_of_every_layer_are_read_through_the_client(desk: Desk, name: str) -> None:
    """The latest round, an hour of them, and single rounds in detail."""
    kind = KINDS[name]
    request = getattr(test_models, kind.model).from_dict({"testName": name, **kind.body})
    test = getattr(getattr(tests, kind.api)(desk.client), f"create_{kind.word}_test")(request)
    desk.world.advance("1h")
    for class_name, method in RESULTS[name]:
        read = getattr(getattr(results, class_name)(desk.client), method)
        latest, hour = read(test.test_id), read(test.test_id, window="1h")
        assert latest.test.test_name == name
        assert 0 < len(latest.results) < len(hour.results)
        assert hour.start_date < hour.end_date
    row = latest.results[0]
    if name == "bgp":
        routes = results.NetworkBGPTestResultsApi(desk.client).get_test_bgp_routes_prefix_round_results
        assert len(routes(test.test_id, row.prefix_id, str(row.round_id)).results[0].hops) > 1
    if name == "web-transactions":
        detail = results.WebTransactionsTestResultsApi(desk.client).get_test_web_transaction_agent_round_results
        (one,) = detail(test.test_id, row.agent.agent_id, str(row.round_id)).results
        assert len(one.pages) == 3
    if name == "agent-to-agent":
        detail = results.NetworkTestResultsApi(desk.client).get_test_path_vis_agent_round_results
        (one,) = detail(test.test_id, row.agent.agent_id, str(row.round_id)).results
        assert len(one.path_traces[0].hops) > 3
    if name == "dns-server":
        one = results.DNSServerTestResultsApi(desk.client).get_test_dns_server_result(test.test_id, row.server_id)
        assert {entry.server for entry in one.results} == {"ns1.example"}


def test_suppression_windows_live_through_the_client(desk: Desk) -> None:
    """A weekly window with its tests."""
    request = test_models.HttpServerTestRequest.from_dict(KINDS["http-server"].body)
    test = tests.HTTPServerTestsApi(desk.client).create_http_server_test(request)
    api = alerts.AlertSuppressionWindowsApi(desk.client)
    body = {
        "name": "weekly",
        "startDate": "2026-03-02T08:00:00Z",
        "duration": 7200,
        "repeat": {"type": "week", "daysOfWeek": ["mon", "thu"]},
        "endRepeat": {"type": "count", "count": 3},
        "testIds": [test.test_id],
    }
    request = alert_models.AlertSuppressionWindowRequest.from_dict(body)
    made = api.create_alert_suppression_window(request, expand=["test"])
    identity = made.alert_suppression_window_id
    assert (made.status, [entry.test_id for entry in made.tests]) == ("active", [test.test_id])
    assert api.get_alert_suppression_window(identity, expand=["test"]).to_dict() == made.to_dict()
    (listed,) = api.get_alert_suppression_windows().alert_suppression_windows
    assert listed.repeat.days_of_week == ["mon", "thu"]
    request = alert_models.AlertSuppressionWindowRequest.from_dict(body | {"isEnabled": False})
    assert api.update_alert_suppression_window(identity, request).status == "inactive"
    api.delete_alert_suppression_window(identity)
    with pytest.raises(NotFoundException):
        api.get_alert_suppression_window(identity)


def test_enterprise_agents_live_through_the_client(desk: Desk) -> None:
    """Renamed, given tests, joined to a cluster, taken out of it, deleted; and who is told when one fails."""
    first = desk.do(commands.add_agent, "branch-1", country="NO", location="Oslo")
    second = desk.do(commands.add_agent, "branch-2")
    request = test_models.HttpServerTestRequest.from_dict(KINDS["http-server"].body)
    test = tests.HTTPServerTestsApi(desk.client).create_http_server_test(request)
    api = agents.CloudAndEnterpriseAgentsApi(desk.client)
    renamed = api.update_agent(first.id, agent_models.AgentRequest(agent_name="branch one"), expand=["test"])
    assert (renamed.actual_instance.agent_name, renamed.actual_instance.agent_state) == ("branch one", "online")
    kinds = [agent.actual_instance.agent_type for agent in api.get_agents(agent_types=["enterprise"]).agents]
    assert kinds == ["enterprise", "enterprise"]
    assigning = agents.TestsAssignmentOnAgentsApi(desk.client)
    wanted = agent_models.AgentTestsAssignRequest(test_ids=[test.test_id])
    for verb, expected in ((assigning.assign_tests, 1), (assigning.overwrite_tests, 1), (assigning.unassign_tests, 0)):
        assert len(verb(first.id, wanted).actual_instance.tests) == expected
    clusters = agents.EnterpriseAgentClusterApi(desk.client)
    joined = clusters.assign_agent_to_cluster(
        first.id, agent_models.AgentClusterAssignRequest(agents=[second.id]), expand=["cluster-member"]
    ).actual_instance
    assert (joined.agent_type, len(joined.cluster_members)) == ("enterprise-cluster", 2)
    with pytest.raises(NotFoundException):
        api.get_agent(second.id)
    members = [member.member_id for member in joined.cluster_members]
    left = clusters.unassign_agent_from_cluster(first.id, agent_models.AgentClusterUnassignRequest(members=members))
    assert sorted(agent.actual_instance.agent_name for agent in left.agents) == ["branch one", "branch-2"]
    rules = agents.CloudAndEnterpriseAgentNotificationRulesApi(desk.client)
    offline, _ = rules.get_agents_notification_rules().agent_alert_rules
    assert rules.get_agents_notification_rule(offline.rule_id).expression == "((lastContact >= 30 min))"
    assert agents.LocalProblemsApi(desk.client).get_agents_local_problems(window="1d").local_problems == []
    assert agents.AgentProxiesApi(desk.client).get_agents_proxies().agent_proxies == []
    api.delete_agent(first.id)
    with pytest.raises(NotFoundException):
        api.get_agent(first.id)


def test_administration_lives_through_the_client(desk: Desk) -> None:
    """An account group, a role in it, a user with that role, and the audit of it all."""
    groups = administrative.AccountGroupsApi(desk.client)
    request = administrative_models.AccountGroupRequest(account_group_name="Second")
    group = groups.create_account_group(request, expand=["user"])
    assert [user.name for user in group.users] == ["Rehearsal Admin"]
    request = administrative_models.AccountGroupRequest(account_group_name="Zweite")
    assert groups.update_account_group(group.aid, request).account_group_name == "Zweite"
    roles = administrative.RolesApi(desk.client)
    role = roles.create_role(administrative_models.RoleRequestBody(name="Watcher", permissions=["1", "3"]))
    assert [entry.permission for entry in role.permissions] == ["TESTS_READ", "ALERT_RULES_READ"]
    body = administrative_models.RoleRequestBody(name="Looker", permissions=["1"])
    assert roles.update_role(role.role_id, body).name == "Looker"
    users = administrative.UsersApi(desk.client)
    held = [{"accountGroupId": group.aid, "roleIds": [role.role_id]}]
    wish = {"name": "Ann", "email": "ann@example.com", "loginAccountGroupId": group.aid, "accountGroupRoles": held}
    ann = users.create_user(administrative_models.UserRequest.from_dict(wish))
    assert ann.account_group_roles[0].roles[0].name == "Looker"
    wish["allAccountGroupRoleIds"] = ["58"]
    assert users.update_user(ann.uid, administrative_models.UserRequest.from_dict(wish)).all_account_group_roles
    users.delete_user(ann.uid)
    roles.delete_role(role.role_id)
    groups.delete_account_group(group.aid)
    for gone in (lambda: users.get_user(ann.uid), lambda: roles.get_role(role.role_id)):
        with pytest.raises(NotFoundException):
            gone()
    events = administrative.UserEventsApi(desk.client).get_user_events(window="1h").audit_events
    assert [event.event for event in events][:3] == ["AccountGroup deleted", "Role deleted", "User deleted"]
    assert events[0].var_date == events[-1].var_date


def test_connectors_and_operations_live_through_the_client(desk: Desk) -> None:
    """Each with its life, and an operation that goes through a connector.

    The client itself cannot read a connector with a token: two of its models fit and it refuses to choose.
    """
    api = pytest.importorskip("thousandeyes_sdk.connectors.api", reason="the vendor's client is not installed")
    models = pytest.importorskip("thousandeyes_sdk.connectors.models")
    connectors, operations = api.GenericConnectorsApi(desk.client), api.WebhookOperationsApi(desk.client)
    body = {
        "type": "generic",
        "name": "bridge",
        "target": "https://bridge.example",
        "authentication": {"type": "basic", "username": "u", "password": "p"},
        "headers": [{"name": "X-Team", "value": "web"}],
    }
    connector = connectors.create_generic_connector(models.GenericConnector.from_dict(body))
    assert connector.authentication.actual_instance.password == "*****"
    assert connectors.get_generic_connector(connector.id).target == "https://bridge.example"
    body["target"] = "https://other.example"
    changed = connectors.update_generic_connector(connector.id, models.GenericConnector.from_dict(body))
    assert changed.target == "https://other.example"
    wish = {"name": "page", "category": "alerts", "status": "pending", "payload": '{"id":"{{alert.id}}"}'}
    operation = operations.create_webhook_operation(models.WebhookOperation.from_dict(wish))
    assert operations.get_webhook_operation(operation.id).payload == wish["payload"]
    wish["name"] = "page somebody"
    renamed = operations.update_webhook_operation(operation.id, models.WebhookOperation.from_dict(wish))
    assert renamed.name == "page somebody"
    assert connectors.set_generic_connector_operations(connector.id, [operation.id]).items == [operation.id]
    between = api.OperationConnectorsApi(desk.client)
    assert between.get_operation_connectors("webhooks", operation.id).items == [connector.id]
    assert between.set_operation_connectors("webhooks", operation.id, []).items == []
    assert connectors.list_generic_connector_operations(connector.id).items == []
    assert [entry.id for entry in operations.get_webhook_operations().items] == [operation.id]
    assert [entry.id for entry in connectors.get_generic_connectors().items] == [connector.id]
    operations.delete_webhook_operation(operation.id)
    connectors.delete_generic_connector(connector.id)
    with pytest.raises(NotFoundException):
        connectors.get_generic_connector(connector.id)


def test_tags_live_through_the_client(desk: Desk) -> None:
    """One and many, assigned and taken off."""
    api = pytest.importorskip("thousandeyes_sdk.tags.api", reason="the vendor's client is not installed")
    models = pytest.importorskip("thousandeyes_sdk.tags.models")
    request = test_models.HttpServerTestRequest.from_dict(KINDS["http-server"].body)
    test = tests.HTTPServerTestsApi(desk.client).create_http_server_test(request)
    tags, assigning = api.TagsApi(desk.client), api.TagAssignmentApi(desk.client)
    body = {"key": "team", "value": "web", "objectType": "test", "accessType": "all", "color": "#aabbcc"}
    tag = tags.create_tag(tag_info=models.TagInfo.from_dict(body))
    bulk = tags.create_tags(
        bulk_tag_response=models.BulkTagResponse.from_dict({"tags": [body, body | {"value": "db"}]})
    )
    assert ([made.value for made in bulk.tags], [error.response_code for error in bulk.errors]) == (["db"], [409])
    wanted = models.TagAssignment.from_dict({"assignments": [{"id": test.test_id, "type": "test"}]})
    assert assigning.assign_tag(tag.id, wanted).assignments[0].id == test.test_id
    assert len(tags.get_tag(tag.id, expand=["assignments"]).assignments) == 1
    assigning.unassign_tag(tag.id, wanted)
    many = {"tags": [{"tagId": bulk.tags[0].id, "assignments": [{"id": test.test_id, "type": "test"}]}]}
    assigning.assign_tags(models.BulkTagAssignments.from_dict(many))
    shown = tests.HTTPServerTestsApi(desk.client).get_http_server_test(test.test_id, expand=["tag"])
    assert [(entry.key, entry.value) for entry in shown.tags] == [("team", "db")]
    assert assigning.unassign_tags(models.BulkTagAssignments.from_dict(many)).tags[0].assignments == []
    assert tags.update_tag(tag.id, tag_info=models.TagInfo.from_dict(body | {"value": "shop"})).value == "shop"
    assert len(tags.get_tags().tags) == 2
    tags.delete_tag(tag.id)
    with pytest.raises(NotFoundException):
        tags.get_tag(tag.id)


def test_credentials_and_monitors_live_through_the_client(desk: Desk) -> None:
    """A credential's value comes back sealed; monitors are public but for one."""
    api = pytest.importorskip("thousandeyes_sdk.credentials.api", reason="the vendor's client is not installed")
    models = pytest.importorskip("thousandeyes_sdk.credentials.models")
    bgp = pytest.importorskip("thousandeyes_sdk.bgp_monitors.api")
    credentials = api.CredentialsApi(desk.client)
    made = credentials.create_credential(models.CredentialRequest(name="login", value="hidden"))
    sealed = credentials.get_credential(made.id).value
    assert "hidden" not in sealed
    credentials.update_credential(made.id, models.CredentialRequest(name="login", value="changed"))
    assert credentials.get_credential(made.id).value != sealed
    assert [entry.name for entry in credentials.get_credentials().credentials] == ["login"]
    credentials.delete_credential(made.id)
    with pytest.raises(NotFoundException):
        credentials.get_credential(made.id)
    kinds = [monitor.monitor_type for monitor in bgp.BGPMonitorsApi(desk.client).get_bgp_monitors().monitors]
    assert kinds.count("private") == 1
