"""The whole way through ``pagedrill serve`` over TLS: connect, an outage, an incident in each service, and its end."""

import json
import ssl
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from pagerduty import OAuthTokenClient, RestApiV2Client
from visitor import Visitor, query

from simulators.pagerduty import oauth

pytestmark = pytest.mark.sockets

TE_API, TE_APP, REST = "api.thousandeyes.com", "app.thousandeyes.com", "api.pagerduty.com"


class Served:
    """The command as a process; ``visitor`` is somebody's browser."""

    def __init__(self, facts: dict[str, Any]) -> None:
        self.urls, self.keys = facts["urls"], facts["keys"]
        self.tls = ssl.create_default_context(cafile=facts["ca"])
        self.visitor = Visitor(verify=self.tls)

    def ask(self, method: str, host: str, path: str, body: Any = None, **headers: str) -> Any:
        """Ask a host for JSON."""
        answer = self.visitor.http.request(method, self.urls[host] + path, json=body, headers=headers)
        return answer.raise_for_status().json()

    def rest(self, method: str, path: str, body: Any = None) -> Any:
        """Ask PagerDuty's REST API with the account's key."""
        key = f"Token token={self.keys['pagerduty_api_key']}"
        return self.ask(method, REST, path, body, Authorization=key)

    def te(self, method: str, path: str, body: Any = None) -> Any:
        """Ask ThousandEyes' API."""
        return self.ask(method, TE_API, path, body, Authorization=f"Bearer {self.keys['thousandeyes_token']}")

    def until(self, instant: str) -> None:
        """Let virtual time pass."""
        self.ask("POST", TE_API, "/_sim/clock", {"to": instant})

    def incidents(self) -> list[tuple[str, str]]:
        """Return service and status of every incident."""
        found = self.rest("GET", "/incidents?statuses[]=triggered&statuses[]=resolved&sort_by=created_at")["incidents"]
        return sorted((row["service"]["summary"], row["status"]) for row in found)


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """Both simulators, their clock standing still."""
    command = [sys.executable, "-m", "scenarios", "serve", "--tls", "--json", "--port", "0"]
    command += ["--mode", "manual", "--start", "2026-03-02T09:00:00Z"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    here = Served(json.loads(process.stdout.readline()))
    yield here
    here.visitor.close()
    process.terminate()
    process.communicate()
    assert process.returncode == 0


def test_from_thousandeyes_to_pagerduty_and_back_through_sockets(served: Served) -> None:
    """ThousandEyes' page, PagerDuty's login, two services, back; an alert pages both, and its end resolves both."""
    policy = served.rest("GET", "/escalation_policies")["escalation_policies"][0]
    reference = {"id": policy["id"], "type": "escalation_policy_reference"}
    edge = served.rest(
        "POST", "/services", {"service": {"type": "service", "name": "Edge", "escalation_policy": reference}}
    )
    shop = served.rest("GET", "/services?query=Shop")["services"][0]
    visitor = served.visitor
    visitor.open(f"{served.urls[TE_APP]}/integrations/new")
    visitor.fill(form="/integrations/new/pagerduty")
    assert str(visitor.page.url).startswith(f"{served.urls['app.pagerduty.com']}/install/integration?")
    visitor.sign_in(served.keys["from"])
    page = visitor.fill(form="service", service=[shop["id"], edge["service"]["id"]], action="connect")
    assert str(page.url).startswith(f"{served.urls[TE_APP]}/integrations/pagerduty/")
    assert page.text.count(">created<") == 2
    made = [row for row in served.ask("GET", TE_API, "/_sim/integrations")["integrations"] if row["service"]]
    assert sorted(row["name"] for row in made) == ["Edge", "Shop frontend"]
    (rule,) = [
        row for row in served.te("GET", "/v7/alerts/rules")["alertRules"] if row["ruleName"] == "Shop front is down"
    ]
    items = [{"integrationId": row["id"], "integrationType": "pager-duty"} for row in made]
    detail = served.te("GET", f"/v7/alerts/rules/{rule['ruleId']}")
    wanted = {name: detail[name] for name in ("ruleName", "alertType", "expression", "minimumSources", "severity")}
    wanted |= {"roundsViolatingRequired": 2, "roundsViolatingOutOf": 2}
    wanted |= {"notifications": {"thirdParty": items}, "testIds": [test["testId"] for test in detail["tests"]]}
    served.te("PUT", f"/v7/alerts/rules/{rule['ruleId']}", wanted)
    outage = {"kind": "status", "value": 503, "since": "2026-03-02T10:00:00Z", "until": "2026-03-02T10:20:00Z"}
    served.ask("POST", TE_API, "/_sim/conditions", outage)
    served.until("2026-03-02T10:10:00Z")
    assert served.incidents() == [("Edge", "triggered"), ("Shop frontend", "triggered")]
    served.until("2026-03-02T10:30:00Z")
    assert served.incidents() == [("Edge", "resolved"), ("Shop frontend", "resolved")]


def test_the_vendors_client_gets_its_tokens_through_sockets(served: Served) -> None:
    """A code got by consenting on the page is exchanged over TLS, and the token works at the REST API."""
    app = oauth.PRESETS[0]
    base = {"verify": served.tls}
    back = f"{served.urls[TE_APP]}/integrations/pagerduty"
    with OAuthTokenClient(app.secret, app.client_id, base_url=served.urls["identity.pagerduty.com"], **base) as client:
        visitor = Visitor(verify=served.tls)
        visitor.open(client.authorize_url("read", back))
        visitor.sign_in(served.keys["from"])
        visitor.fill(back, action="allow")
        found = client.get_new_token_from_code(query(visitor.trail[-1])["code"], "read", back)
        visitor.close()
    with RestApiV2Client(found["access_token"], auth_type="bearer", base_url=served.urls[REST], **base) as rest:
        assert rest.rget("users/me")["email"] == served.keys["from"]
