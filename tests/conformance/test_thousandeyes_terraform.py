"""What the vendor's Terraform provider makes of answers: the requests it sends, and what it cannot read or sees drift.

Its acceptance tests pass against the vendor, so every value they expect, and every one they must not find, is the
vendor's. An attribute without a default that comes back set is a change the next plan wants to make.
"""

from typing import Any

import pytest
from test_thousandeyes_drift import Provider

from simulators.thousandeyes import commands
from simulators.thousandeyes.api.testtypes import EXPANSIONS

EVERYTHING = "?expand=" + ",".join(EXPANSIONS)
AGENTS = [{"agentId": "8"}]
#: What a test of each type sends that sets nothing but what it must.
BARE: dict[str, dict[str, Any]] = {
    "http-server": {"url": "https://shop.example"},
    "page-load": {"url": "https://shop.example", "httpInterval": 60},
    "web-transactions": {"url": "https://shop.example", "transactionScript": "go();"},
    "voice": {"targetAgentId": "11"},
}
#: What the provider does not know, or knows without a default: absent unless somebody set it.
UNSAID = ("chromeOptions", "chromePolicies", "flagCollectConsoleLogs", "port", "agentInterfaces")


@pytest.fixture
def provider() -> Provider:
    """Return an account and whoever asks for it."""
    return Provider()


def make(provider: Provider, path: str, body: dict[str, Any]) -> str:
    """Create a thing and return where it is read."""
    answer = provider("POST", path, body)
    assert answer.status_code == 201, answer.text
    return f"{path}/{next(answer.json()[key] for key in ('testId', 'ruleId', 'aid', 'id') if key in answer.json())}"


@pytest.mark.parametrize("kind", BARE)
def test_what_nobody_set_is_not_shown(provider: Provider, kind: str) -> None:
    """Created bare and updated with empty blocks, a test shows none of what an attribute without a default would be."""
    path = make(provider, f"/tests/{kind}", {"testName": "t", "interval": 120, "agents": AGENTS, **BARE[kind]})
    assert [name for name in UNSAID if name in provider.read(path + EVERYTHING)] == []
    empty = {"agentInterfaces": {}, "customHeaders": {}, "oAuth": {}} if kind == "http-server" else {}
    same = {"testName": "t", "interval": 300, "agents": AGENTS, **BARE[kind], **empty}
    assert provider("PUT", path + EVERYTHING, same | {"createdDate": "0001-01-01T00:00:00Z"}).status_code == 200
    shown = provider.read(path + EVERYTHING)
    assert [name for name in (*UNSAID, "customHeaders", "oAuth") if name in shown] == []
    assert shown.get("desiredStatusCode") == (None if kind == "voice" else "default")
    provider.world.transact(lambda draft: commands.set_knobs(draft, status_code_shown=False))
    assert "desiredStatusCode" not in provider.read(path + EVERYTHING)
    assert shown["createdDate"] == "2026-03-02T09:00:00Z"


@pytest.mark.parametrize("kind", ["dns-server", "dns-trace", "dnssec"])
def test_a_domain_has_a_type_of_record(provider: Provider, kind: str) -> None:
    """ANY when none is said at first; an update that says none keeps the one there is, which is why clients say it."""
    servers = {"dnsServers": ["ns1.example.net"]} if kind == "dns-server" else {}
    body = {"testName": "t", "interval": 120, "agents": AGENTS, "domain": "shop.example", **servers}
    path = make(provider, f"/tests/{kind}", body)
    assert provider.read(path)["domain"] == "shop.example ANY"
    domains = []
    for said in ("shop.example A", "other.example", "other.example ANY", "other.example"):
        answer = provider("PUT", path + EVERYTHING, body | {"domain": said})
        domains.append(answer.json()["domain"])
    assert domains == ["shop.example A", "other.example A", "other.example ANY", "other.example ANY"]


def test_a_rule_without_notifications_has_mail_to_nobody(provider: Provider) -> None:
    """E-mail is always there, which the provider reads without looking; what else names nobody is not."""
    rule = {"ruleName": "r", "alertType": "http-server", "expression": "((responseCode >= 400))",
            "minimumSources": 1, "roundsViolatingOutOf": 1, "roundsViolatingRequired": 1}  # fmt: skip
    path = make(provider, "/alerts/rules", rule)
    assert provider.read(path)["notifications"] == {"email": {"recipients": []}}
    hook = {"integrationId": "wb-201", "integrationType": "webhook"}
    changed = rule | {"notifications": {"webhook": [hook], "thirdParty": [], "customWebhook": []}}
    assert provider("PUT", path, changed).json()["notifications"] == {"email": {"recipients": []}, "webhook": [hook]}


def test_an_operation_shows_enabled_only_when_told(provider: Provider) -> None:
    """Made without a word about it, a webhook operation does not say whether it is enabled."""
    body = {"name": "page", "category": "alerts", "status": "pending", "payload": "{}"}
    path = make(provider, "/operations/webhooks", body)
    assert "enabled" not in provider.read(path)
    assert provider("PUT", path, body | {"enabled": True, "status": "connected"}).json()["status"] == "connected"
    assert provider.read(path)["enabled"] is True


def test_what_data_sources_look_for_by_name_is_there(provider: Provider) -> None:
    """Agents, rules and permissions are found in lists by the names the vendor gives them."""
    agents = {agent["agentName"] for agent in provider.read("/agents")["agents"]}
    assert {"Amsterdam, Netherlands", "Frankfurt, Germany"} <= agents
    permissions = {row["permission"] for row in provider.read("/permissions")["permissions"]}
    assert {"REPORTS_READ", "EMAILS_UPDATE", "REPORT_SNAPSHOTS_READ"} <= permissions
    assert all(name == name.upper() for name in permissions)


HEADED: dict[str, Any] = {
    "testName": "t", "interval": 120, "agents": AGENTS, "url": "https://shop.example", "headers": ["X-Team: web"],
    "customHeaders": {"all": {"X-All": "a"}, "domains": {"cdn.example": {"X-Cdn": "b"}}},
    "oAuth": {"testUrl": "https://id.example", "headers": "Authorization: Basic abc", "authType": "none"},
}  # fmt: skip


def test_request_headers_of_a_test_are_masked(provider: Provider) -> None:
    """Masked as a connector's are, unless the knob has it otherwise: plans are stable with values as they were set."""
    path = make(provider, "/tests/http-server", HEADED)
    masked = provider.read(path)
    assert (masked["headers"], masked["oAuth"]["headers"]) == (["X-Team: *****"], "Authorization: *****")
    assert masked["customHeaders"] == {"all": {"X-All": "*****"}, "domains": {"cdn.example": {"X-Cdn": "*****"}}}
    provider.world.transact(lambda draft: commands.set_knobs(draft, test_headers_masked=False))
    shown = provider.read(path)
    assert {name: shown[name] for name in ("headers", "customHeaders")} == {
        name: HEADED[name] for name in ("headers", "customHeaders")
    }
    assert shown["oAuth"]["headers"] == "Authorization: Basic abc"


def test_the_account_group_of_a_test_is_among_those_that_have_it(provider: Provider) -> None:
    """Alone when the test is not shared, and first when it is; the provider takes it out before it compares."""
    other = make(provider, "/account-groups", {"accountGroupName": "Second"}).rpartition("/")[2]
    bare = {"testName": "t", "interval": 120, "agents": AGENTS, "url": "https://shop.example"}
    path = make(provider, "/tests/http-server", bare)
    own = {"aid": "1001", "name": "Rehearsal"}
    assert provider.read(path + EVERYTHING)["sharedWithAccounts"] == [own]
    shared = provider("PUT", path + EVERYTHING, bare | {"sharedWithAccounts": [other]}).json()
    assert shared["sharedWithAccounts"] == [own, {"aid": other, "name": "Second"}]


def test_a_step_that_logs_in_has_a_token_of_an_earlier_step(provider: Provider) -> None:
    """The token's step counts, too; what was made so is not made twice when it is sent back."""
    login = {"url": "https://shop.example", "authType": "oauth2", "clientId": "c", "clientSecret": "s",
             "headers": [{"key": "Accept", "value": "*/*"}]}  # fmt: skip
    plain = {"name": "look", "url": "https://shop.example", "authType": "none"}
    body: dict[str, Any] = {"testName": "t", "interval": 120, "agents": AGENTS, "url": "https://shop.example"}
    body["requests"] = [plain, login | {"name": "one"}, login | {"name": "two"}]
    path = make(provider, "/tests/api", body)
    for _ in range(2):
        first, second, third = provider.read(path)["requests"]
        assert ("headers" in first, "variables" in first) == (False, False)
        assert second["variables"] == [{"name": "OAuth2_Token_Step_2", "value": ""}]
        assert third["headers"] == [
            {"key": "Accept", "value": "*/*"},
            {"key": "Authorization", "value": "{{OAuth2_Token_Step_4}}"},
        ]
        assert provider("PUT", path, body | {"requests": [first, second, third]}).status_code == 200


def test_network_measurements_bring_back_those_of_routes(provider: Provider) -> None:
    """An update that says the one and not the other turns both on; one that is silent about both changes neither."""
    bare = {"testName": "t", "interval": 120, "agents": AGENTS, "url": "https://shop.example"}
    path = make(provider, "/tests/http-server", bare | {"bgpMeasurements": False})
    seen = []
    for more in ({}, {"networkMeasurements": True, "bgpMeasurements": False}, {"networkMeasurements": True}):
        seen.append(provider("PUT", path, bare | more).json()["bgpMeasurements"])
    assert seen == [False, False, True]


def test_an_account_group_may_name_cloud_agents(provider: Provider) -> None:
    """They are read as they were set; any other group goes on using them."""
    path = make(provider, "/account-groups", {"accountGroupName": "Second", "agents": ["11", "8"]})
    shown = provider.read(path + "?expand=user,agent")
    assert sorted(agent["agentId"] for agent in shown["agents"]) == ["11", "8"]
    assert provider("PUT", path, {"accountGroupName": "Third", "agents": ["11"]}).status_code == 200
    assert [agent["agentId"] for agent in provider.read(path + "?expand=agent")["agents"]] == ["11"]
    bare = {"testName": "t", "interval": 120, "agents": AGENTS, "url": "https://shop.example"}
    assert provider("POST", "/tests/http-server", bare).status_code == 201
