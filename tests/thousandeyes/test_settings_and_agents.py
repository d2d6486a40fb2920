"""What settings of tests entail, which monitors a test has, and what enterprise agents say of themselves."""

from typing import Any

import pytest
from thousandeyes_account import AGENTS, DOWN, SHOP, Account

from simulators.thousandeyes import administration, agents, commands

SERVER = {"testName": "s", "interval": 120, "server": "shop.example", "agents": AGENTS}


@pytest.fixture
def here() -> Account:
    return Account()


@pytest.mark.parametrize(("protocol", "probe"), [("tcp", "syn"), ("udp", "sack")])
def test_continuous_mode_settles_packets_bandwidth_and_probes(here: Account, protocol: str, probe: str) -> None:
    """One packet a second, no bandwidth, and SYN probes where there are connections; also when it is switched on."""
    wanted = {"protocol": protocol, "probeMode": "sack", "fixedPacketRate": 50, "bandwidthMeasurements": True}
    made = here.ask("POST", "/tests/agent-to-server", SERVER | wanted, status=201)
    assert {name: made[name] for name in wanted} == wanted
    path = f"/tests/agent-to-server/{made['testId']}"
    changed = here.ask("PUT", path, {"continuousMode": True})
    settled = {"fixedPacketRate": 1, "bandwidthMeasurements": False, "probeMode": probe}
    assert {name: changed[name] for name in settled} == settled
    assert here.ask("GET", path)["continuousMode"] is True


@pytest.mark.parametrize(
    ("settings", "public", "private"),
    [
        ({}, 7, 0),
        ({"usePublicBgp": False}, 0, 0),
        ({"bgpMeasurements": False}, 0, 0),
        ({"usePublicBgp": False, "monitors": ["69"]}, 0, 1),
        ({"usePublicBgp": False, "monitors": ["62"]}, 7, 0),
        ({"monitors": ["69"]}, 7, 1),
    ],
)
def test_a_test_has_all_public_monitors_or_none(
    here: Account, settings: dict[str, Any], public: int, private: int
) -> None:
    """Naming one public monitor brings all of them; without routes measured there are none unless said."""
    made = here.ask("POST", "/tests/http-server?expand=monitor", SHOP | settings, status=201)
    kinds = [monitor["monitorType"] for monitor in made["monitors"]]
    assert (kinds.count("public"), kinds.count("private")) == (public, private)


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"localResolutionPrefixes": ["10.2.3.3/24", "2001:db8::/32"]}, []),
        ({"localResolutionPrefixes": ["10.2.3.3"]}, ["localResolutionPrefixes[0]"]),
        ({"localResolutionPrefixes": ["10.0.0.0/8", "anything"]}, ["localResolutionPrefixes[1]"]),
        ({"localResolutionPrefixes": ["10.0.0.0/8"] * 6}, ["localResolutionPrefixes"]),
        ({"ipv6Policy": "use-agent-policy"}, ["ipv6Policy"]),
        ({"agentName": "branch-2"}, ["agentName"]),
        ({"agentName": ""}, ["agentName"]),
        ({"accountGroups": ["7"]}, ["accountGroups[0]"]),
        ({"tests": ["7"]}, ["tests[0]"]),
        ({"enabled": "no"}, ["enabled"]),
    ],
)
def test_an_agents_settings_are_checked(here: Account, body: dict[str, Any], fields: list[str]) -> None:
    """Five prefixes at most, names of one agent only, groups and tests there are."""
    agent = here.do(commands.add_agent, "branch-1")
    here.do(commands.add_agent, "branch-2")
    if fields:
        assert here.wrong("PUT", f"/agents/{agent.id}", body) == fields
    else:
        assert here.ask("PUT", f"/agents/{agent.id}", body)["localResolutionPrefixes"] == [
            "10.2.3.3/24",
            "2001:db8::/32",
        ]


def test_an_agent_says_what_is_wrong_with_it(here: Account) -> None:
    """A clock that is off is an error of the agent's; members of a cluster are as it is."""
    agent = here.do(commands.add_agent, "branch-1")
    here.do(agents.join, agent.id, [])
    path = f"/agents/{agent.id}?expand=cluster-member"
    shown = here.ask("GET", path)
    assert (shown["errorDetails"], shown["agentState"]) == ([], "online")
    assert shown["ipAddresses"][0].startswith(shown["prefix"].removesuffix("0/24"))
    wish = {"kind": "clock-offset", "since": "10:00", "until": "11:00", "value": 75, "agents": ["branch-1"]}
    here.sim("POST", "/conditions", wish, status=201)
    here.sim("POST", "/conditions", {"kind": "offline", "since": "10:30", "agents": ["branch-1"]}, status=201)
    here.world.run_until("10:20")
    (error,) = here.ask("GET", path)["errorDetails"]
    assert error == {"code": "clock-offset", "description": "Clock offset of 75 seconds"}
    here.world.run_until("11:10")
    (member,) = here.ask("GET", path)["clusterMembers"]
    assert (member["agentState"], member["errorDetails"], member["lastSeen"]) == ("offline", [], "2026-03-02T10:30:00Z")


def test_one_bad_test_id_cancels_the_whole_assignment(here: Account) -> None:
    """Nothing is assigned; what is assigned already is left aside."""
    agent = here.do(commands.add_agent, "branch-1")
    first, second = here.test(), here.test(testName="other")
    path = f"/agents/{agent.id}/tests"
    assert here.wrong("POST", f"{path}/assign", {"testIds": [first, "7"]}) == ["testIds[1]"]
    assert "tests" not in here.ask("GET", f"/agents/{agent.id}")
    assert here.ask("GET", f"/agents/{agent.id}?expand=test")["tests"] == []
    for wanted in ([first], [first, second]):
        shown = here.ask("POST", f"{path}/assign", {"testIds": wanted})
        assert [test["testId"] for test in shown["tests"]] == wanted
    shown = here.ask("POST", f"{path}/override", {"testIds": [second]})
    assert [test["testId"] for test in shown["tests"]] == [second]


def test_lists_carry_nothing_that_has_to_be_asked_for(here: Account) -> None:
    """Lists and plain reading show no agents, rules, labels, tags, groups or monitors; several can be asked for."""
    test = here.test()
    parts = {"agents", "alertRules", "labels", "tags", "sharedWithAccounts", "monitors"}
    (mixed,) = here.ask("GET", "/tests")["tests"]
    (listed,) = here.ask("GET", "/tests/http-server")["tests"]
    assert parts.isdisjoint(mixed)
    assert parts.isdisjoint(listed)
    assert parts.isdisjoint(here.ask("GET", f"/tests/http-server/{test}"))
    everything = "agent,alert-rule,monitor,label,tag,shared-with-account"
    assert parts <= set(here.ask("GET", f"/tests/http-server/{test}?expand={everything}"))
    assert set(here.ask("GET", f"/tests/http-server/{test}?expand=agent&expand=label")) & parts == {"agents", "labels"}


def test_history_has_versions_that_can_be_read(here: Account) -> None:
    """Newest first, as many as asked for (500 at most), each readable under its id, none of another test."""
    test, other = here.test(), here.test(testName="other")
    for number in range(3):
        here.world.advance("1m")
        here.ask("PUT", f"/tests/http-server/{test}", {"description": f"v{number}"})
    versions = here.ask("GET", f"/tests/{test}/history")["testVersionHistory"]
    assert len(versions) == 4
    assert len(here.ask("GET", f"/tests/{test}/history?limit=2")["testVersionHistory"]) == 2
    assert here.wrong("GET", f"/tests/{test}/history?limit=0", None) == ["limit"]
    shown = [
        here.ask("GET", f"/tests/http-server/{test}?versionId={entry['versionId']}").get("description")
        for entry in versions
    ]
    assert shown == ["v2", "v1", "v0", None]
    here.ask("GET", f"/tests/http-server/{other}?versionId={versions[0]['versionId']}", status=404)
    here.ask("GET", "/tests/1/history", status=404)


def test_rules_are_given_to_tests_by_who_may_edit_both(here: Account) -> None:
    """With the permission for rules alone, a rule is made and changed, not assigned, taken off or deleted."""
    test = here.test(alertRules=[])
    role = here.ask("POST", "/roles", {"name": "Rule maker", "permissions": ["3", "4"]}, status=201)["roleId"]
    here.do(
        administration.create_user,
        name="Bo",
        email="b@example.com",
        aid="1001",
        roles=(),
        all_roles=(role,),
        token="bo",
    )
    rule = here.ask("POST", "/alerts/rules", DOWN, status=201, token="bo")["ruleId"]
    path = f"/alerts/rules/{rule}"
    here.ask("PUT", path, DOWN | {"severity": "minor"}, token="bo")
    here.ask("POST", "/alerts/rules", DOWN | {"testIds": [test]}, status=403, token="bo")
    here.ask("PUT", path, DOWN | {"testIds": [test]}, status=403, token="bo")
    here.ask("PUT", path, DOWN | {"testIds": [test]})
    here.ask("PUT", path, DOWN, status=403, token="bo")
    here.ask("PUT", path, DOWN | {"testIds": [test], "severity": "major"}, token="bo")
    here.ask("DELETE", path, status=403, token="bo")
    here.ask("DELETE", path, status=204)
