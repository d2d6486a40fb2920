"""Every answer of a tour through the API against the vendor's own description, where that is at hand."""

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator, FormatChecker

from simulators.engine import instants
from simulators.engine.world import World
from simulators.thousandeyes import commands
from simulators.thousandeyes.api import API_HOST, application, sites
from simulators.thousandeyes.component import ThousandEyes
from simulators.thousandeyes.conditions import MEANINGS
from simulators.thousandeyes.model import Trouble

HOME = Path(__file__).resolve().parents[2]
SPECS = Path(os.environ.get("PAGEDRILL_SPECS", HOME.parent / "shared" / "specs"))
DESCRIPTION = SPECS / "thousandeyes" / "core-subset-7.0.85.json"
#: Fields a later version of the API added, and one of an older one that clients of this one still read.
NEWER = {"tags", "sourceIpAddress", "errorDetails", "direction", "hasManagementPermissions", "flagCollectConsoleLogs"}
#: Where the description contradicts itself: SIP credentials are laid open in answers, and asked for there as well.
CONTRADICTION = ": 'targetSipCredentials' is a required property"
FORMATS = FormatChecker(["uuid", "date", "ipv4"])


@FORMATS.checks("date-time", raises=ValueError)
def _is_date_time(value: object) -> bool:
    """Dates name their zone."""
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


class Description:
    """The vendor's description, made into JSON Schema."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = _plain(document)
        self.paths = {
            re.compile(re.sub(r"\{\w+\}", "[^/]+", path)): (path, entry)
            for path, entry in self.document["paths"].items()
        }

    def operation(self, method: str, path: str) -> tuple[str, dict[str, Any]]:
        """Return the described path (the most literal one that fits) and the operation."""
        fitting = [entry for pattern, entry in self.paths.items() if pattern.fullmatch(path)]
        best = min(fitting, key=lambda entry: entry[0].count("{"), default=None)
        assert best is not None, f"{path} is not described"
        assert method.lower() in best[1], f"{method} {path} is not described"
        return best[0], best[1][method.lower()]

    def resolve(self, node: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in node:
            target: Any = self.document
            for part in node["$ref"].removeprefix("#/").split("/"):
                target = target[part]
            node = target
        return node

    def schema_errors(self, schema: dict[str, Any], value: Any) -> list[str]:
        whole = {**schema, "components": self.document["components"]}
        validator = Draft202012Validator(whole, format_checker=FORMATS)
        errors = (f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(value))
        return [error for error in errors if not error.endswith(CONTRADICTION)]

    def unknown_names(self, schema: dict[str, Any], value: Any, path: str = "$") -> Iterator[str]:
        """Yield where a value has a name its schema does not mention."""
        schema = self.resolve(schema)
        if isinstance(value, list):
            for place, item in enumerate(value):
                yield from self.unknown_names(schema.get("items", {}), item, f"{path}[{place}]")
        if not isinstance(value, dict):
            return
        known = self._properties(schema)
        if known is None:
            return
        for name, inner in value.items():
            if name in known:
                yield from self.unknown_names(known[name], inner, f"{path}.{name}")
            elif name not in NEWER:
                yield f"{path}.{name}"

    def _properties(self, schema: dict[str, Any]) -> dict[str, Any] | None:
        """Return every property a schema mentions, ``None`` when anything goes."""
        schema = self.resolve(schema)
        found = dict(schema.get("properties", {}))
        parts = [part for name in ("allOf", "anyOf", "oneOf") for part in schema.get(name, ())]
        for part in parts:
            found |= self._properties(part) or {}
        return found or None


def _plain(node: Any) -> Any:
    """Return OpenAPI 3.0 as JSON Schema: what may be null says so in its type, write-only names are not required."""
    if isinstance(node, list):
        return [_plain(item) for item in node]
    if not isinstance(node, dict):
        return node
    made = {name: _plain(value) for name, value in node.items() if name not in {"nullable", "example", "examples"}}
    if node.get("nullable") and isinstance(node.get("type"), str):
        made["type"] = [node["type"], "null"]
    return made


@dataclass
class Tour:
    """Walks through the API and compares every answer with the description."""

    world: World
    description: Description
    seen: dict[tuple[str, str], set[int]] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)

    def __call__(self, method: str, path: str, body: Any = None, *, status: int = 200, token: str = "") -> Any:
        headers = {"Authorization": f"Bearer {token or commands.DEFAULT_TOKEN}"}
        answer = self.world.client.request(method, f"https://{API_HOST}/v7{path}", json=body, headers=headers)
        assert answer.status_code == status, (method, path, answer.status_code, answer.text)
        described, operation = self.description.operation(method, path.partition("?")[0])
        self.seen.setdefault((method, described), set()).add(status)
        where = f"{method} {path} {status}"
        self._compare(where, operation["responses"], answer)
        return answer.json() if answer.content else None

    def _compare(self, where: str, responses: Mapping[str, Any], answer: httpx.Response) -> None:
        if str(answer.status_code) not in responses:
            self.complaints.append(f"{where}: this status is not declared")
            return
        response = self.description.resolve(responses[str(answer.status_code)])
        if "Location" in response.get("headers", {}) and not answer.headers.get("Location", "").startswith("https://"):
            self.complaints.append(f"{where}: no absolute Location")
        content = response.get("content")
        if not content:
            return
        kind = answer.headers["Content-Type"]
        if kind not in content:
            self.complaints.append(f"{where}: {kind} instead of {', '.join(content)}")
            return
        schema = content[kind]["schema"]
        self.complaints += [f"{where}: {error}" for error in self.description.schema_errors(schema, answer.json())]
        names = self.description.unknown_names(schema, answer.json())
        self.complaints += [f"{where}: {name} is not in the description" for name in names]

    def life(
        self, path: str, body: dict[str, Any], key: str, change: dict[str, Any] | None = None, query: str = ""
    ) -> Any:
        """Create, read, list, update and delete one thing, and miss it afterwards."""
        made = self("POST", path + query, body, status=201)
        item = f"{path}/{made[key]}"
        self("GET", item + query)
        self("GET", path)
        self("PUT", item + query, {**body, **(change or {})})
        self("DELETE", item, status=204)
        self("GET", item, status=404)
        return made


@pytest.fixture
def tour() -> Tour:
    if not DESCRIPTION.is_file():
        pytest.skip("the vendor's description is not at hand (set PAGEDRILL_SPECS)")
    world = World(seed=1, start=instants.parse("2026-03-02T09:00:00Z"), components=[ThousandEyes()])
    world.transact(commands.open_account)
    world.serve(API_HOST, sites()[API_HOST])
    return Tour(world, Description(json.loads(DESCRIPTION.read_text())))


AGENTS = {"interval": 120, "agents": [{"agentId": "3"}, {"agentId": "4"}]}
TESTS: Mapping[str, dict[str, Any]] = {
    "agent-to-server": {**AGENTS, "server": "shop.example", "port": 443, "dscpId": "46"},
    "agent-to-agent": {**AGENTS, "targetAgentId": "5", "direction": "bidirectional"},
    "bgp": {"prefix": "203.0.113.0/24", "monitors": ["69"]},
    "http-server": {
        **AGENTS,
        "url": "https://shop.example",
        "headers": ["X-Key: secret"],
        "customHeaders": {"root": {"A": "b"}, "domains": {"shop.example": {"C": "d"}}, "all": {"E": "f"}},
        "authType": "oauth",
        "oAuth": {"testUrl": "https://id.example", "requestMethod": "post", "headers": "A: b", "password": "p"},
        "password": "p",
    },
    "page-load": {**AGENTS, "url": "https://shop.example", "httpInterval": 60, "subinterval": 60},
    "web-transactions": {**AGENTS, "url": "https://shop.example", "transactionScript": "script();"},
    "api": {
        **AGENTS,
        "url": "https://api.example",
        "requests": [
            {
                "name": "one",
                "url": "https://api.example/1",
                "authType": "basic",
                "username": "u",
                "password": "p",
                "assertions": [{"name": "status-code", "operator": "is", "value": "200"}],
            }
        ],
    },
    "ftp-server": {
        **AGENTS,
        "url": "ftp://files.example",
        "requestType": "list",
        "username": "u",
        "password": "p",
    },
    "dns-server": {**AGENTS, "domain": "shop.example A", "dnsServers": ["ns1.example", "ns2.example"]},
    "dns-trace": {**AGENTS, "domain": "shop.example A"},
    "dnssec": {**AGENTS, "domain": "shop.example A"},
    "sip-server": {
        **AGENTS,
        "targetSipCredentials": {"port": 5060, "protocol": "udp", "user": "u", "password": "p", "authUser": "a"},
    },
    "voice": {**AGENTS, "targetAgentId": "5", "codecId": "0"},
}
EVERYTHING = "?expand=agent,alert-rule,monitor,label,tag,shared-with-account"


@pytest.mark.parametrize("kind", TESTS)
def test_tests_of_every_type_answer_as_described(tour: Tour, kind: str) -> None:
    """The whole life of a test of each type, with everything expanded; secrets never come back."""
    query = EVERYTHING if kind != "bgp" else EVERYTHING.replace("agent,", "")
    body = {"testName": f"a {kind} test", "description": "d", "sharedWithAccounts": ["1001"], **TESTS[kind]}
    made = tour.life(f"/tests/{kind}", body, "testId", {"description": "changed"}, query)
    assert tour.complaints == []
    assert made["alertRules"], "default rules are attached"
    text = json.dumps(made)
    assert '"p"' not in text
    assert "secret" not in text


def test_rules_alerts_and_results_answer_as_described(tour: Tour) -> None:
    """A rule raises an alert, which is listed and read in both states; results and history stand beside it."""
    test = tour("POST", "/tests/http-server", {"testName": "shop", **TESTS["http-server"]}, status=201)
    tour("GET", "/tests")
    tour("GET", f"/tests/{test['testId']}/history")
    hook = tour.world.transact(
        lambda draft: commands.add_integration(draft, "webhook", name="h", target="https://h.example")
    )
    rule = {
        "ruleName": "down",
        "expression": "((responseCode >= 500))",
        "alertType": "http-server",
        "roundsViolatingOutOf": 1,
        "testIds": [test["testId"]],
        "notifications": {
            "email": {"recipients": ["noc@example.com"], "message": "look"},
            "webhook": [{"integrationId": hook.id, "integrationType": "webhook"}],
            "thirdParty": [{"integrationId": "pgd-21", "integrationType": "pager-duty"}],
        },
    }
    tour("POST", "/alerts/rules", rule, status=201)
    condition = tour.world.transact(lambda draft: commands.add_condition(draft, Trouble.STATUS, value=503))
    tour.world.advance("10m")
    for query in ("", "?window=1d&max=1", "?state=trigger"):
        (alert, *_) = tour("GET", f"/alerts{query}")["alerts"]
    tour("GET", f"/alerts/{alert['id']}")
    tour.world.transact(lambda draft: commands.end_condition(draft, condition.id))
    tour.world.advance("10m")
    (alert, *_) = tour("GET", "/alerts?state=clear")["alerts"]
    tour("GET", f"/alerts/{alert['id']}")
    tour("GET", f"/alerts/{test['testId']}", status=404)
    for layer in ("http-server", "network"):
        assert tour("GET", f"/test-results/{test['testId']}/{layer}?window=1h")["results"]
    tour("GET", f"/test-results/{test['testId']}/http-server?expand=header,certificate")
    tour("POST", f"/tests/{test['testId']}/run")
    tour("POST", "/tests/1/run", status=404)
    tour("GET", "/test-results/1/network", status=404)
    made = tour.life("/alerts/rules", rule | {"ruleName": "again"}, "ruleId", {"severity": "minor"})
    assert made["ruleId"].isdigit()
    assert tour.complaints == []


#: Type of test -> its layers.
LAYERS: Mapping[str, tuple[str, ...]] = {
    "agent-to-server": ("network", "path-vis", "bgp"),
    "agent-to-agent": ("network", "path-vis"),
    "bgp": ("bgp",),
    "page-load": ("page-load", "http-server", "network"),
    "web-transactions": ("web-transactions", "http-server", "path-vis"),
    "api": ("api",),
    "ftp-server": ("ftp-server",),
    "dns-server": ("dns-server",),
    "dns-trace": ("dns-trace",),
    "dnssec": ("dnssec",),
    "sip-server": ("sip-server",),
    "voice": ("rtp-server", "path-vis"),
}


#: Nothing wrong, and what takes something out of the rows or puts something in.
TROUBLES = (None, Trouble.STATUS, Trouble.TIMEOUT, Trouble.DNS, Trouble.CONNECT, Trouble.TLS, Trouble.HOP_LOSS,
            Trouble.MAPPING, Trouble.WITHDRAWAL, Trouble.OFFLINE)  # fmt: skip


@pytest.mark.parametrize("trouble", TROUBLES)
def test_results_of_every_layer_answer_as_described(tour: Tour, trouble: Trouble | None) -> None:
    """In good times and in bad ones."""
    ids = {}
    for kind in LAYERS:
        made = tour("POST", f"/tests/{kind}", {"testName": kind, **TESTS[kind]}, status=201)
        ids[kind] = made["testId"]
    if trouble is not None:
        meaning = MEANINGS[trouble]
        value = meaning.default if meaning.default is not None else max(meaning.least, min(meaning.most, 500))
        tour.world.transact(lambda draft: commands.add_condition(draft, trouble, value=value))
    tour.world.advance("20m")
    for kind, layers in LAYERS.items():
        for layer in layers:
            path = f"/test-results/{ids[kind]}/{layer}"
            rows = tour("GET", path)["results"]
            assert rows or trouble is Trouble.OFFLINE or (trouble is Trouble.DNS and layer == "path-vis")
            if rows and layer in {"path-vis", "web-transactions", "page-load", "api"}:
                agent, number = rows[0]["agent"]["agentId"], rows[0]["roundId"]
                tour("GET", f"{path}/agent/{agent}/round/{number}")
                if layer == "web-transactions":
                    tour("GET", f"{path}/agent/{agent}/round/{number}/page/0")
                if layer == "path-vis" and kind == "agent-to-agent":
                    tour("GET", f"{path}/agent/{agent}/round/{number}?direction=from-target")
                    tour("GET", f"/test-results/{ids[kind]}/network?direction=bidirectional")
            if rows and layer == "bgp":
                tour("GET", f"{path}/routes/prefix/{rows[0]['prefixId']}/round/{rows[0]['roundId']}")
    assert tour.complaints == []


def test_suppression_windows_answer_as_described(tour: Tour) -> None:
    """Single, weekly and custom windows."""
    test = tour("POST", "/tests/http-server", {"testName": "shop", **TESTS["http-server"]}, status=201)
    body = {"name": "w", "startDate": "2026-03-02T05:00:00Z", "duration": 1800, "testIds": [test["testId"]]}
    repeat = {"type": "custom", "intervalType": "week", "intervalLength": 2, "daysOfWeek": ["mon", "thu"]}
    path = "/alert-suppression-windows"
    made = tour.life(path, body, "alertSuppressionWindowId", {"repeat": repeat}, "?expand=test")
    assert made["status"] == "ended"
    tour("POST", path, body | {"repeat": {"type": "week"}, "endRepeat": {"type": "count", "count": 3}}, status=201)
    tour("POST", path, body | {"endRepeat": {"type": "count"}}, status=400)
    assert tour.complaints == []


def test_agents_answer_as_described(tour: Tour) -> None:
    """Cloud and enterprise agents, clusters, and the tests that run on them."""
    first = tour.world.transact(lambda draft: commands.add_agent(draft, "branch-1", country="NO", location="Oslo"))
    second = tour.world.transact(lambda draft: commands.add_agent(draft, "branch-2"))
    test = tour("POST", "/tests/http-server", {"testName": "shop", **TESTS["http-server"]}, status=201)
    tour("GET", "/agents?expand=cluster-member,test,test-ids")
    tour("GET", f"/agents/{first.id}?expand=test,test-ids,notification-rule")
    tour("GET", "/agents/3?expand=test,test-ids,notification-rule,cluster-member")
    for verb in ("assign", "override", "unassign"):
        tour("POST", f"/agents/{first.id}/tests/{verb}", {"testIds": [test["testId"]]})
    tour("POST", f"/agents/{first.id}/tests/assign", {"testIds": ["1"]}, status=400)
    tour("PUT", f"/agents/{first.id}?expand=test", {"agentName": "branch one", "tests": [test["testId"]]})
    tour("PUT", "/agents/3", {"agentName": "mine"}, status=403)
    cluster = tour("POST", f"/agents/{first.id}/cluster/assign?expand=cluster-member", {"agents": [second.id]})
    member = cluster["clusterMembers"][0]["memberId"]
    tour("GET", f"/agents/{first.id}?expand=cluster-member")
    tour("POST", f"/agents/{first.id}/cluster/assign", {}, status=400)
    left = tour("POST", f"/agents/{first.id}/cluster/unassign?expand=cluster-member", {"members": [member]})
    assert [agent["agentType"] for agent in left["agents"]] == ["enterprise-cluster", "enterprise"]
    tour("DELETE", f"/agents/{first.id}", status=204)
    rules = tour("GET", "/agents/notification-rules")["agentAlertRules"]
    tour("GET", f"/agents/notification-rules/{rules[0]['ruleId']}")
    tour("GET", "/agents/proxies")
    assert tour.complaints == []


def test_administration_answers_as_described(tour: Tour) -> None:
    """Account groups, users, roles, permissions, credentials and monitors."""
    tour.life("/account-groups", {"accountGroupName": "Second", "agents": []}, "aid", query="?expand=user,agent")
    user = {
        "name": "Ann",
        "email": "ann@example.com",
        "loginAccountGroupId": "1001",
        "accountGroupRoles": [{"accountGroupId": "1001", "roleIds": ["58"]}],
    }
    tour.life("/users", user, "uid", {"allAccountGroupRoleIds": ["57"]})
    tour("GET", "/users/current")
    tour.life("/roles", {"name": "Reader", "permissions": ["1", "3"]}, "roleId", {"name": "Watcher"})
    tour("PUT", "/roles/57", {"name": "mine"}, status=403)
    tour("GET", "/permissions")
    tour.life("/credentials", {"name": "login", "value": "hidden"}, "id")
    tour("GET", "/monitors")
    tour("GET", "/audit-user-events")
    tour("GET", "/audit-user-events?window=1d&useAllPermittedAids=true")
    tour("GET", "/audit-user-events?window=soon", status=400)
    assert tour.complaints == []


def test_integrations_answer_as_described(tour: Tour) -> None:
    """Connectors with each kind of login, operations, and which goes through which."""
    login = {"type": "basic", "username": "u", "password": "p"}
    body = {"type": "generic", "name": "c", "target": "https://bridge.example", "authentication": login}
    made = tour.life("/connectors/generic", body | {"headers": [{"name": "A", "value": "b"}]}, "id")
    assert made["authentication"]["password"] == "*****"
    tour("POST", "/connectors/generic", body | {"authentication": {"type": "bearer-token"}}, status=400)
    operation = {"name": "o", "category": "alerts", "status": "pending", "path": "/te", "payload": "{}"}
    tour.life("/operations/webhooks", operation | {"headers": [{"name": "A", "value": "b"}]}, "id", {"enabled": False})
    connector = tour("POST", "/connectors/generic", body, status=201)["id"]
    first, second = (tour("POST", "/operations/webhooks", operation, status=201)["id"] for _ in range(2))
    tour("PUT", f"/connectors/generic/{connector}/operations", [first, second])
    tour("PUT", f"/operations/webhooks/{first}/connectors", [])
    assert tour("GET", f"/connectors/generic/{connector}/operations")["items"] == [second]
    assert tour("GET", f"/operations/webhooks/{second}/connectors")["items"] == [connector]
    tour("PUT", f"/operations/webhooks/{first}/connectors", [connector, connector], status=400)
    rule = {
        "ruleName": "r",
        "expression": '((errorType != "None"))',
        "alertType": "http-server",
        "roundsViolatingOutOf": 1,
    }
    hooks = {"customWebhook": [{"integrationId": second, "integrationType": "custom-webhook"}]}
    (hook,) = tour("POST", "/alerts/rules", rule | {"notifications": hooks}, status=201)["notifications"][
        "customWebhook"
    ]
    assert (hook["integrationName"], hook["target"]) == ("o", "https://bridge.example/te")
    assert tour.complaints == []


def test_tags_answer_as_described(tour: Tour) -> None:
    """One at a time, several at once, and on both sides of an assignment."""
    test = tour("POST", "/tests/http-server", {"testName": "shop", **TESTS["http-server"]}, status=201)["testId"]
    body = {"key": "team", "value": "web", "objectType": "test", "color": "#aabbcc"}
    tour.life("/tags", body, "id", {"value": "shop"})
    tag = tour("POST", "/tags", body, status=201)["id"]
    tour("POST", "/tags", body, status=409)
    bulk = tour("POST", "/tags/bulk", {"tags": [body, body | {"value": "db"}, {"key": "team"}]}, status=207)
    assert [error["responseCode"] for error in bulk["errors"]] == [409, 400]
    wanted = {"assignments": [{"id": test, "type": "test"}]}
    tour("POST", f"/tags/{tag}/assign", wanted, status=207)
    tour("POST", "/tags/assign", {"tags": [{"tagId": bulk["tags"][0]["id"], **wanted}]}, status=207)
    read = tour("GET", f"/tests/http-server/{test}?expand=tag")
    assert [entry["value"] for entry in read["tags"]] == ["web", "db"]
    tour("POST", f"/tags/{tag}/unassign", wanted, status=204)
    tour("POST", "/tags/unassign", {"tags": [{"tagId": tag, **wanted}]}, status=207)
    assert tour("GET", f"/tags/{bulk['tags'][0]['id']}?expand=assignments")["assignments"] == wanted["assignments"]
    tour("GET", "/tags?expand=assignments")
    assert tour.complaints == []


def test_refusals_are_shaped_as_described(tour: Tour) -> None:
    """401, 403, 400, 404 and 429 of one operation each."""
    tour("GET", "/tests", status=401, token="wrong")
    tour("GET", "/tests?aid=7", status=403)
    tour("POST", "/tests/http-server", {"interval": 61}, status=400)
    tour("PUT", "/tests/http-server/1", TESTS["http-server"], status=404)
    tour.world.transact(lambda draft: commands.set_knobs(draft, rate_limit=1))
    tour("GET", "/alerts")
    tour("GET", "/alerts", status=429)
    assert tour.complaints == []


def test_every_described_operation_is_served(tour: Tour) -> None:
    """The description's paths and methods are among the routes, whatever their parameters are called."""
    routes = {
        (method, re.sub(r"<\w+>", "{}", str(rule)))
        for rule in application().url_map.iter_rules()
        for method in rule.methods or ()
    }
    described = {
        (method.upper(), "/v7" + re.sub(r"\{\w+\}", "{}", path))
        for path, entry in tour.description.document["paths"].items()
        for method in entry
        if method in {"get", "post", "put", "delete"}
    }
    assert len(described) > 150
    assert described - routes == set()
