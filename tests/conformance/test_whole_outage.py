"""A whole outage set up and lived through by the vendors' own clients, against ``pagedrill serve`` over TLS.

Nothing is set up from inside: ThousandEyes' client makes the test and the rule, PagerDuty's client the people, the
policy, the service and its key, and afterwards acknowledges, comments and reads what happened.
"""

import json
import ssl
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from pagerduty import RestApiV2Client

pytest.importorskip("thousandeyes_sdk.core", reason="the vendor's client is not installed")

from thousandeyes_sdk.alerts import models as alert_models
from thousandeyes_sdk.alerts.api import AlertRulesApi, AlertsApi
from thousandeyes_sdk.core import ApiClient, Configuration
from thousandeyes_sdk.tests import models as test_models
from thousandeyes_sdk.tests.api import HTTPServerTestsApi

pytestmark = pytest.mark.sockets


class Rig:
    """The served simulators; ``sim`` asks a control plane."""

    def __init__(self, facts: dict[str, Any]) -> None:
        self.facts = facts
        self.urls, self.keys = facts["urls"], facts["keys"]
        self.tls = ssl.create_default_context(cafile=facts["ca"])
        self.http = httpx.Client(verify=self.tls, trust_env=False)

    def sim(self, host: str, path: str, body: Any = None) -> Any:
        method = "GET" if body is None else "POST"
        return self.http.request(method, f"{self.urls[host]}/_sim/{path}", json=body).raise_for_status().json()

    def until(self, instant: str) -> None:
        self.sim("api.thousandeyes.com", "clock", {"to": instant})


@pytest.fixture
def rig() -> Iterator[Rig]:
    """The command as a process, its clock standing still."""
    command = [sys.executable, "-m", "scenarios", "serve", "--tls", "--json", "--port", "0", "--no-sample"]
    command += ["--mode", "manual", "--start", "2026-03-02T09:00:00Z"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    rig = Rig(json.loads(process.stdout.readline()))
    yield rig
    rig.http.close()
    process.terminate()
    process.communicate()
    assert process.returncode == 0


def on_call(rest: RestApiV2Client) -> str:
    """Make a person with an SMS rule, a policy, a service and an integration; return the integration key."""
    person = {"type": "user", "name": "Ada Byron", "email": "ada@example.org", "time_zone": "Europe/Berlin"}
    ada = rest.rpost("users", json={"user": person})
    sms = {"type": "sms_contact_method", "label": "Mobile", "address": "5550100", "country_code": 49}
    method = rest.rpost(f"users/{ada['id']}/contact_methods", json={"contact_method": sms})
    rule = {
        "type": "assignment_notification_rule",
        "start_delay_in_minutes": 1,
        "urgency": "high",
        "contact_method": {"id": method["id"], "type": "sms_contact_method_reference"},
    }
    rest.rpost(f"users/{ada['id']}/notification_rules", json={"notification_rule": rule})
    level = {"escalation_delay_in_minutes": 30, "targets": [{"id": ada["id"], "type": "user_reference"}]}
    policy = {"type": "escalation_policy", "name": "Web", "escalation_rules": [level]}
    made = rest.rpost("escalation_policies", json={"escalation_policy": policy})
    service = {
        "type": "service",
        "name": "Web shop",
        "escalation_policy": {"id": made["id"], "type": "escalation_policy_reference"},
    }
    shop = rest.rpost("services", json={"service": service})
    integration = {"type": "events_api_v2_inbound_integration", "name": "ThousandEyes"}
    key: str = rest.rpost(f"services/{shop['id']}/integrations", json={"integration": integration})["integration_key"]
    return key


def test_both_vendors_clients_live_through_an_outage_from_its_setup_to_its_log_entries(rig: Rig) -> None:
    """The test fails, Ada is texted, she acknowledges and comments over REST, the clear resolves the incident."""
    options = {"base_url": rig.urls["api.pagerduty.com"], "verify": rig.tls, "default_from": rig.keys["from"]}
    rest = RestApiV2Client(rig.keys["pagerduty_api_key"], **options)
    key = on_call(rest)
    wanted = {"kind": "pager-duty", "name": "Web shop", "token": key}
    target = rig.sim("api.thousandeyes.com", "integrations", wanted)["integration"]
    host = f"{rig.urls['api.thousandeyes.com']}/v7"
    login = Configuration(host=host, access_token=rig.keys["thousandeyes_token"], ssl_ca_cert=rig.facts["ca"])
    with ApiClient(login) as client:
        agents = [{"agentId": "3"}, {"agentId": "4"}]
        shop = {"testName": "shop", "url": "https://shop.example", "interval": 120, "agents": agents, "alertRules": []}
        request = test_models.HttpServerTestRequest.from_dict(shop)
        test = HTTPServerTestsApi(client).create_http_server_test(request)
        down = {
            "ruleName": "Shop is down",
            "alertType": "http-server",
            "expression": "((responseCode >= 500))",
            "minimumSources": 2,
            "roundsViolatingRequired": 2,
            "roundsViolatingOutOf": 2,
            "severity": "critical",
            "notifyOnClear": True,
            "testIds": [test.test_id],
            "notifications": {"thirdParty": [{"integrationId": target["id"], "integrationType": "pager-duty"}]},
        }
        AlertRulesApi(client).create_alert_rule(alert_models.RuleDetailUpdate.from_dict(down))
        outage = {"kind": "status", "value": 503, "test": test.test_id}
        outage |= {"since": "2026-03-02T10:00:00Z", "until": "2026-03-02T10:30:00Z"}
        rig.sim("api.thousandeyes.com", "conditions", outage)
        rig.until("2026-03-02T10:04:30Z")
        (alert,) = AlertsApi(client).get_alerts().alerts
        assert alert.alert_severity.value == "critical"
    (incident,) = rest.list_all("incidents")
    assert (incident["status"], incident["urgency"]) == ("triggered", "high")
    assert incident["created_at"] == "2026-03-02T10:04:00Z"
    assert [entry["assignee"]["summary"] for entry in incident["assignments"]] == ["Ada Byron"]
    rig.until("2026-03-02T10:06:00Z")
    change = {"id": incident["id"], "type": "incident_reference", "status": "acknowledged"}
    ada = {"From": "ada@example.org"}
    assert rest.rput(incident["self"], json={"incident": change}, headers=ada)["status"] == "acknowledged"
    rest.rpost(f"incidents/{incident['id']}/notes", json={"note": {"content": "Rolling back"}}, headers=ada)
    rig.until("2026-03-02T12:00:00Z")
    assert rest.rget(incident["self"])["status"] == "resolved"
    entries = list(rest.iter_all(f"incidents/{incident['id']}/log_entries"))
    told = [(entry["created_at"][11:16], entry["type"].removesuffix("_log_entry")) for entry in reversed(entries)]
    assert told == [
        ("10:04", "trigger"),
        ("10:04", "assign"),
        ("10:04", "notify"),
        ("10:05", "notify"),
        ("10:06", "acknowledge"),
        ("10:06", "annotate"),
        ("10:32", "resolve"),
    ]
    assert [note["content"] for note in rest.rget(f"incidents/{incident['id']}/notes")] == ["Rolling back"]
    (reached,) = [row for row in rig.sim("api.pagerduty.com", "devices")["devices"] if row["name"] == "Ada Byron"]
    channels = [(message["at"][11:16], message["channel"]) for message in reached["messages"]]
    assert channels == [("10:04", "email"), ("10:05", "sms")]
    rest.close()
