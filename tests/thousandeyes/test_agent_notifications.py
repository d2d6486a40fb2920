"""Agent notifications: who is told when an enterprise agent is not heard of or its clock is off, and how it ends."""

import json
from typing import Any

import httpx
import pytest
from thousandeyes_account import Account

from contracts.catalogue import flaws
from simulators.engine import instants
from simulators.thousandeyes import agent_alerts, agents, commands, documents
from simulators.thousandeyes.model import MAILS, Agent

HOOK = "https://hooks.example/te"


class Branch(Account):
    """An account with one enterprise agent, whose first notification rule tells a mailbox and a webhook."""

    def __init__(self) -> None:
        super().__init__()
        self.bodies: list[dict[str, Any]] = []
        self.world.network = httpx.MockTransport(self._receive)
        self.agent: Agent = self.do(commands.add_agent, "branch-1", country="NO", location="Oslo")
        hook = self.do(commands.add_integration, "webhook", name="ops", target=HOOK, auth="token", token="t")
        self.rule, self.clock_rule = documents.all_of(self.world.view, agent_alerts.RULE, "1001")
        targets = {
            "email": {"recipients": ["noc@example.com"], "message": "look"},
            "webhook": [{"integrationId": hook.id, "integrationType": "webhook"}],
        }
        self.do(agent_alerts.set_notifications, self.rule, targets)

    def _receive(self, request: httpx.Request) -> httpx.Response:
        self.bodies.append(json.loads(request.content))
        return httpx.Response(200)

    def goes_wrong(self, kind: str, since: str, until: str | None = None, **how: Any) -> None:
        wish = {"kind": kind, "since": since, "until": until, "agents": ["branch-1"], **how}
        self.sim("POST", "/conditions", wish, status=201)

    @property
    def subjects(self) -> list[str]:
        return [mail.subject for mail in self.world.view.all(MAILS)]

    def alerts(self, query: str = "") -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ask("GET", f"/alerts{query}")["alerts"]
        return found


@pytest.fixture
def here() -> Branch:
    return Branch()


def test_an_agent_that_is_not_heard_of_is_told_after_half_an_hour(here: Branch) -> None:
    """At the minute the rule says, by mail and webhook; when it is back, both hear of the end."""
    here.goes_wrong("offline", "10:00", "11:00")
    here.world.run_until("10:29:59")
    assert here.alerts() == []
    here.world.run_until("10:30:01")
    (alert,) = here.alerts()
    assert (alert["alertType"], alert["alertState"], alert["startDate"]) == ("agent", "trigger", "2026-03-02T10:30:00Z")
    assert alert["id"].isdecimal()
    here.world.run_until("11:01")
    (ended,) = here.alerts("?state=clear")
    assert (ended["id"], ended["endDate"]) == (alert["id"], "2026-03-02T11:00:00Z")
    assert len(here.subjects) == 2
    assert [body["eventType"] for body in here.bodies] == ["ALERT_NOTIFICATION_TRIGGER", "ALERT_NOTIFICATION_CLEAR"]


def test_a_webhook_about_an_agent_has_the_agent_in_place_of_a_test(here: Branch) -> None:
    """Said twice, in ``alert`` and in the older ``agentAlert``; there are no agents, no activity and no test in it."""
    here.goes_wrong("offline", "10:00")
    here.world.run_until("10:31")
    (body,) = here.bodies
    assert flaws("thousandeyes-webhook-current", json.dumps(body)) == []
    assert body["alert"] == body["agentAlert"]
    alert = body["alert"]
    assert {"agents", "active", "testId", "testName"}.isdisjoint(alert)
    assert (alert["agentName"], alert["hostname"], alert["type"]) == ("branch-1", "branch-1", "Agent")
    assert (alert["agentId"], alert["ruleId"]) == (int(here.agent.id), int(here.rule.id))
    assert (alert["severity"], alert["ruleExpression"]) == ("Info", "Last Contact ≥ 30 minutes ago")
    assert isinstance(alert["alertId"], int)


def test_pagerduty_and_custom_webhooks_are_told_of_agents_too(here: Branch) -> None:
    """An event about the agent and its resolve, and a template that finds no test and one location."""
    key = here.do(commands.add_integration, "pager-duty", name="svc", target=HOOK, auth="token", token="k" * 32)
    connector = {"type": "generic", "name": "c", "target": HOOK}
    template = '{"who": "{{#each alert.details}}{{source.name}}{{/each}}", "test": {{#if alert.test}}1{{else}}0{{/if}}}'
    operation = {"name": "o", "category": "alerts", "status": "connected", "enabled": True, "payload": template}
    hook = here.ask("POST", "/operations/webhooks", operation, status=201)["id"]
    through = here.ask("POST", "/connectors/generic", connector, status=201)["id"]
    here.ask("PUT", f"/connectors/generic/{through}/operations", [hook])
    targets = {
        "thirdParty": [{"integrationId": key.id, "integrationType": "pager-duty"}],
        "customWebhook": [{"integrationId": hook, "integrationType": "custom-webhook"}],
    }
    here.do(agent_alerts.set_notifications, here.clock_rule, targets)
    here.goes_wrong("clock-offset", "10:00", "10:10", value=90)
    here.world.run_until("10:11")
    trigger, first, resolve, second = here.bodies
    assert first == second == {"who": "branch-1", "test": 0}
    assert (trigger["event_action"], resolve["event_action"]) == ("trigger", "resolve")
    assert trigger["dedup_key"] == resolve["dedup_key"]
    shown = trigger["payload"]
    assert (shown["severity"], shown["component"], shown["class"]) == ("warning", "branch-1", "Agent")
    assert shown["summary"].startswith("Default Agent Clock Offset Notification: branch-1")


def test_a_clock_that_is_off_is_told_at_once(here: Branch) -> None:
    """By the rule about clocks alone, and only from a minute on; a clock that drifts is told when it gets there."""
    here.goes_wrong("clock-offset", "10:00", "10:10", value=59)
    here.goes_wrong("clock-offset", "11:00", "12:00", value=120, ramp="40m")
    here.world.run_until("11:19:59")
    assert here.alerts("?window=1d") == []
    here.world.run_until("11:20:01")
    (alert,) = here.alerts()
    assert alert["alertRuleId"] == here.clock_rule.id
    detail = here.ask("GET", f"/alerts/{alert['id']}")
    assert detail["details"][0]["start"]["metrics"] == "Clock Offset: 60 seconds"
    assert "test" not in detail["_links"]
    assert detail["_links"]["rule"]["href"].endswith(f"/agents/notification-rules/{here.clock_rule.id}")
    here.world.run_until("12:01")
    assert here.alerts() == []
    assert here.bodies == []


@pytest.mark.parametrize(("how", "state"), [("delete", "CLEARED"), ("disable", "CLEARED"), ("leave", "CLEARED")])
def test_an_alert_ends_with_its_agent(here: Branch, how: str, state: str) -> None:
    """An agent that is deleted, disabled, or leaves the account group takes its alert along."""
    here.goes_wrong("offline", "10:00")
    here.world.run_until("10:31")
    path = f"/agents/{here.agent.id}"
    if how == "delete":
        here.ask("DELETE", path, status=204)
    else:
        group = here.ask("POST", "/account-groups", {"accountGroupName": "Second"}, status=201)["aid"]
        here.ask("PUT", path, {"enabled": False} if how == "disable" else {"accountGroups": [group]})
    own = [row for row in here.alerts("?window=1d") if row["alertRuleId"] == here.rule.id]
    assert [(row["state"], row["duration"]) for row in own] == [(state, 60)]
    here.world.run_until("12:00")
    assert len([row for row in here.alerts("?window=1d") if row["alertRuleId"] == here.rule.id]) == 1


def test_suppression_windows_do_not_touch_agent_notifications(here: Branch) -> None:
    """A window is about tests."""
    test = here.test(agents=[{"agentId": here.agent.id}])
    window = {"name": "w", "startDate": "2026-03-02T09:30:00Z", "duration": 7200, "testIds": [test]}
    here.ask("POST", "/alert-suppression-windows", window, status=201)
    here.goes_wrong("offline", "10:00", "11:00")
    here.world.run_until("11:30")
    assert len(here.subjects) == 2


def test_cloud_agents_are_the_vendors_own_affair(here: Branch) -> None:
    """Nobody is told of a cloud agent."""
    here.sim("POST", "/conditions", {"kind": "offline", "since": "10:00", "agents": ["London"]}, status=201)
    here.world.run_until("12:00")
    assert here.alerts("?window=1d") == []


def test_rules_are_read_with_whom_they_tell(here: Branch) -> None:
    """Each target with its name and login, secrets masked; the agents are those of the account group."""
    key = here.do(
        commands.add_integration, "pager-duty", name="svc", target="https://e.example", auth="token", token="k"
    )
    targets = {"thirdParty": [{"integrationId": key.id, "integrationType": "pager-duty"}]}
    here.do(agent_alerts.set_notifications, here.clock_rule, targets)
    listed = here.ask("GET", "/agents/notification-rules")["agentAlertRules"]
    assert [rule["ruleName"] for rule in listed] == [
        "Default Agent Offline Notification",
        "Default Agent Clock Offset Notification",
    ]
    first, second = (here.ask("GET", f"/agents/notification-rules/{rule['ruleId']}") for rule in listed)
    (hook,) = first["notifications"]["webhook"]
    assert (hook["integrationName"], hook["target"], hook["authMethod"]) == ("ops", HOOK, "Auth Token")
    (third,) = second["notifications"]["thirdParty"]
    assert (third["integrationName"], third["authToken"]) == ("svc", "*****")
    assert [agent["agentName"] for agent in first["agents"]] == ["branch-1"]
    shown = here.ask("GET", f"/agents/{here.agent.id}?expand=notification-rule")
    assert shown["notificationRules"][0]["agentAlertRules"] == listed
    here.ask("GET", "/agents/notification-rules/1", status=404)


def test_whom_a_rule_tells_and_proxies_are_set_in_the_control_plane(here: Branch) -> None:
    """The API only reads them; what makes no sense is refused."""
    path = f"/agent-notification-rules/{here.clock_rule.id}"
    targets = {"email": {"recipients": ["clock@example.com"]}}
    assert here.sim("PUT", path, {"notifications": targets})["rule"]["id"] == here.clock_rule.id
    here.goes_wrong("clock-offset", "10:00", value=90)
    here.world.run_until("10:01")
    assert [mail.recipient for mail in here.world.view.all(MAILS)] == ["clock@example.com"]
    for wish in ({}, {"notifications": []}, {"notifications": {"email": {"recipients": "me"}}}):
        here.sim("PUT", path, wish, status=400)
    here.sim("PUT", "/agent-notification-rules/1", {"notifications": targets}, status=404)
    here.sim("POST", "/agent-proxies", {"name": "gate"}, status=400)
    proxy = {"name": "gate", "location": "proxy.example:3128", "authType": "ntlm", "user": "u", "password": "p"}
    here.sim("POST", "/agent-proxies", proxy, status=201)
    (shown,) = here.ask("GET", "/agents/proxies")["agentProxies"]
    assert (shown["name"], shown["type"], shown["password"]) == ("gate", "static", "*****")


def test_each_account_group_is_told_by_its_own_rules(here: Branch) -> None:
    """An agent of two groups is looked at twice."""
    group = here.ask("POST", "/account-groups", {"accountGroupName": "Second"}, status=201)["aid"]
    here.do(agents.update, here.agent.id, {}, aids=("1001", group))
    here.goes_wrong("offline", "10:00")
    here.world.run_until("10:31")
    assert [len(here.alerts(query)) for query in ("", f"?aid={group}")] == [1, 1]


def test_an_outage_costs_a_handful_of_agenda_entries(here: Branch) -> None:
    """What is foreseen is not looked at minute by minute."""
    here.goes_wrong("offline", "10:00", "20:00")
    before = len([entry for entry in here.world.journal if entry.kind == "timer"])
    here.world.advance("1d")
    looks = [entry for entry in here.world.journal if entry.kind == "timer"]
    assert 0 < len(looks) - before < 10
    assert here.world.now > instants.parse("2026-03-03T08:00:00Z")


def test_an_agent_cluster_is_one_agent(here: Branch) -> None:
    """Its alert is about the cluster."""
    here.do(agents.join, here.agent.id, [])
    here.goes_wrong("offline", "10:00")
    here.world.run_until("10:31")
    assert [row["apiLinks"][0]["href"].rpartition("/")[2] for row in here.alerts()] == [here.agent.id]
