"""An account with one of everything, and what each operation of the vendor's client is called with in it.

Operations are not listed by hand: they are the methods of the API classes of the installed packages. An argument is
found by its name (ids) or by the class it must be (bodies), so that a new operation of a newer package either finds its
arguments here or fails as unknown.
"""

import importlib
import inspect
import pkgutil
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import thousandeyes_sdk
from thousandeyes_desk import Desk

from simulators.engine import instants
from simulators.thousandeyes import agents as agent_verbs
from simulators.thousandeyes import commands
from simulators.thousandeyes.model import Trouble

#: Packages of what is simulated; others of the vendor's are not installed.
PACKAGES = ("administrative", "agents", "alerts", "bgp_monitors", "connectors", "credentials", "instant_tests",
            "snapshots", "tags", "test_results", "tests")  # fmt: skip
SUFFIXES = ("_with_http_info", "_without_preload_content")


@dataclass(frozen=True)
class Operation:
    """One method of an API class of a package."""

    package: str
    api: str
    name: str

    def __str__(self) -> str:
        return f"{self.api}.{self.name}"

    def method(self, client: Any) -> Callable[..., Any]:
        """Return the method, bound to a client."""
        module = importlib.import_module(f"thousandeyes_sdk.{self.package}.api")
        return getattr(getattr(module, self.api)(client), self.name)  # type: ignore[no-any-return]


def operations() -> Iterator[Operation]:
    """Yield every operation of the packages, each once."""
    for package in sorted(entry.name for entry in pkgutil.iter_modules(thousandeyes_sdk.__path__)):
        if package not in PACKAGES:
            continue
        module = importlib.import_module(f"thousandeyes_sdk.{package}.api")
        for api, owner in inspect.getmembers(module, inspect.isclass):
            for name, _ in inspect.getmembers(owner, inspect.isfunction):
                if not name.startswith("_") and not name.endswith(SUFFIXES):
                    yield Operation(package, api, name)


AGENTS = {"interval": 300, "agents": [{"agentId": "3"}, {"agentId": "4"}]}
STEP = {"name": "one", "url": "https://api.example/1", "authType": "none",
        "assertions": [{"name": "status-code", "operator": "is", "value": "200"}]}  # fmt: skip
#: Type of test -> what it takes to make one.
TESTS: Mapping[str, dict[str, Any]] = {
    "agent-to-server": {"server": "shop.example", "port": 443, **AGENTS},
    "agent-to-agent": {"targetAgentId": "5", "direction": "bidirectional", **AGENTS},
    "bgp": {"prefix": "203.0.113.0/24"},
    "http-server": {"url": "https://shop.example", **AGENTS},
    "page-load": {"url": "https://shop.example", **AGENTS},
    "web-transactions": {"url": "https://shop.example", "transactionScript": "markers.start('pay');", **AGENTS},
    "api": {"url": "https://api.example", "requests": [STEP], **AGENTS},
    "ftp-server": {"url": "ftp://files.example", "requestType": "list", "username": "u", "password": "p", **AGENTS},
    "dns-server": {"domain": "shop.example A", "dnsServers": ["ns1.example"], **AGENTS},
    "dns-trace": {"domain": "shop.example A", **AGENTS},
    "dnssec": {"domain": "shop.example A", **AGENTS},
    "sip-server": {"targetSipCredentials": {"port": 5060, "user": "u", "protocol": "udp"}, **AGENTS},
    "voice": {"targetAgentId": "5", **AGENTS},
}
RULE = {"ruleName": "down", "expression": "((responseCode >= 500))", "alertType": "http-server",
        "roundsViolatingOutOf": 1, "minimumSources": 1}  # fmt: skip
WINDOW = {"name": "weekly", "startDate": "2026-03-03T08:00:00Z", "duration": 7200,
          "repeat": {"type": "week", "daysOfWeek": ["mon"]}, "endRepeat": {"type": "never"}}  # fmt: skip
CONNECTOR = {"type": "generic", "name": "bridge", "target": "https://bridge.example",
             "authentication": {"type": "basic", "username": "u", "password": "p"}}  # fmt: skip
CONJUR = {"type": "generic", "name": "safe", "target": "https://vault.example", "account": "ops",
          "authentication": {"type": "conjur-host", "hostId": "h", "apiKey": "k"}}  # fmt: skip
PANORAMA = {"type": "panorama", "name": "wall", "target": "https://wall.example",
            "authentication": {"type": "other-token", "token": "t"}}  # fmt: skip
VAULT = {"name": "secrets", "secrets": [{"name": "login", "secretKey": "prod/login"}]}
OPERATION = {"name": "page", "category": "alerts", "status": "pending", "payload": "{}"}
TAG = {"key": "team", "value": "web", "objectType": "test", "accessType": "all", "color": "#aabbcc"}
#: Words in the names of API classes and methods that say which type of test they are about.
_KIND_WORDS = {name.replace("-", "").replace("transactions", "transaction"): name for name in TESTS} | {
    "dnsservers": "dns-server", "pathvis": "agent-to-agent", "network": "agent-to-server", "rtpserver": "voice",
    "consolelogs": "web-transactions",
}  # fmt: skip


def kind_of(operation: Operation) -> str:
    """Return the type of test an operation is about; the longest word that fits decides."""
    name = (operation.name if operation.package != "tests" else operation.api).replace("_", "").lower()
    fitting = [word for word in _KIND_WORDS if word in name.replace("apitestresults", "")]
    return _KIND_WORDS[max(fitting, key=len)] if fitting else "http-server"


class Furnished:
    """A desk with one of everything in its account; ``ids`` has their ids by kind."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.ids: dict[str, str] = {}
        first = desk.do(commands.add_agent, "branch-1", country="NO", location="Oslo")
        second = desk.do(commands.add_agent, "branch-2")
        cluster = desk.do(commands.add_agent, "branch-3")
        cluster = desk.do(agent_verbs.join, cluster.id, [])
        member = cluster.body["members"][0]["memberId"]
        desk.do(agent_verbs.add_proxy, "1001", "gate", "proxy.example:3128", user="u", password="p", authType="basic")
        self.ids |= {"agent": first.id, "second agent": second.id, "cluster": cluster.id, "member": member}
        for kind, body in TESTS.items():
            self.ids[kind] = self.make(f"/tests/{kind}", {"testName": kind, **body})["testId"]
        self.ask("POST", f"/agents/{first.id}/tests/assign", {"testIds": [self.ids["voice"]]})
        self.ids["rule"] = self.make("/alerts/rules", {**RULE, "testIds": [self.ids["http-server"]]})["ruleId"]
        window = self.make("/alert-suppression-windows", {**WINDOW, "testIds": [self.ids["page-load"]]})
        self.ids["window"] = window["alertSuppressionWindowId"]
        self.ids["connector"] = self.make("/connectors/generic", CONNECTOR)["id"]
        self.ids["operation"] = self.make("/operations/webhooks", OPERATION)["id"]
        self.ids["conjur"] = self.make("/connectors/conjur", CONJUR)["id"]
        self.ids["panorama"] = self.make("/connectors/panorama", PANORAMA)["id"]
        self.ids["vault"] = self.make("/operations/credential-vault", VAULT)["id"]
        self.ids["credential"] = self.make("/credentials", {"name": "login", "value": "v"})["id"]
        self.ids["tag"] = self.make("/tags", TAG)["id"]
        self.ids["group"] = self.make("/account-groups", {"accountGroupName": "Second", "agents": [first.id]})["aid"]
        self.ids["role"] = self.make("/roles", {"name": "Watcher", "permissions": ["1"]})["roleId"]
        self.ids["user"] = self.make("/users", {"name": "Ann", "email": "ann@example.com"})["uid"]
        group = self.make("/network/path-vis/interface-groups", {"groupName": "core", "ipAddresses": ["192.0.2.1"]})
        self.ids["interface group"] = group["groupId"]
        desk.do(commands.add_condition, Trouble.LOCAL, agents=(first.id,), since=desk.world.now)
        desk.fails(self.ids["http-server"], "09:00")
        desk.run_until("10:00")
        self.ids["alert"] = self.ask("GET", "/alerts")["alerts"][0]["id"]
        self.rows: dict[str, Any] = {}
        for kind, layer in (("dns-server", "dns-server"), ("bgp", "bgp")):
            self.rows[kind] = self.ask("GET", f"/test-results/{self.ids[kind]}/{layer}")["results"][0]

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Ask the server without the vendor's client."""
        headers = {"Authorization": f"Bearer {commands.DEFAULT_TOKEN}"}
        answer = httpx.request(method, f"{self.desk.base}/v7{path}", json=body, headers=headers)
        assert answer.is_success, answer.text
        return answer.json()

    def make(self, path: str, body: dict[str, Any]) -> Any:
        """Make something."""
        return self.ask("POST", path, body)

    # -- arguments -----------------------------------------------------------------------------------------------------

    def arguments(self, operation: Operation, method: Callable[..., Any]) -> dict[str, Any]:
        """Return the required arguments of an operation, and those that make it answer as much as it can."""
        found: dict[str, Any] = {}
        for name, parameter in inspect.signature(method).parameters.items():
            if name == "expand":
                found[name] = _every(parameter.annotation)
            elif name == "window":
                found[name] = "1h"
            elif parameter.default is inspect.Parameter.empty or name in {"tag_info", "bulk_tag_response"}:
                found[name] = self._argument(operation, name, parameter.annotation)
        return found

    def _argument(self, operation: Operation, name: str, annotation: Any) -> Any:
        if name == "id":
            return self.ids[_OWNERS[operation.api]]
        if name in _IDS:
            return _IDS[name](self, operation)
        model = _model_of(annotation)
        assert model is not None, f"{operation}: no argument for {name}"
        return model.from_dict(self.body(operation, model.__name__))

    def body(self, operation: Operation, model: str) -> dict[str, Any]:
        """Return the body an operation sends, by the name of its model."""
        ids = self.ids
        known: dict[str, Any] = {
            "RuleDetailUpdate": {**RULE, "ruleName": "other"},
            "AlertSuppressionWindowRequest": {**WINDOW, "testIds": [ids["voice"]]},
            "AgentRequest": {"agentName": "renamed"},
            "AgentTestsAssignRequest": {"testIds": [ids["http-server"]]},
            "AgentClusterAssignRequest": {"agents": [ids["second agent"]]},
            "AgentClusterUnassignRequest": {"members": [ids["member"]]},
            "AccountGroupRequest": {"accountGroupName": "Third"},
            "RoleRequestBody": {"name": "Looker", "permissions": ["1", "3"]},
            "UserRequest": {"name": "Bob", "email": "bob@example.com", "allAccountGroupRoleIds": ["58"]},
            "GenericConnector": CONNECTOR,
            "WebhookOperation": OPERATION,
            "ConjurConnector": CONJUR,
            "PanoramaConnector": PANORAMA,
            "CredentialVaultOperation": VAULT,
            "CredentialRequest": {"name": "other", "value": "w"},
            "TagInfo": {**TAG, "value": "db"},
            "BulkTagResponse": {"tags": [{**TAG, "value": "db"}]},
            "TagAssignment": {"assignments": [{"id": ids["http-server"], "type": "test"}]},
            "BulkTagAssignments": {"tags": [{"tagId": ids["tag"],
                                             "assignments": [{"id": ids["http-server"], "type": "test"}]}]},
            "InterfaceGroup": {"groupName": "edge", "ipAddresses": ["192.0.2.2"]},
            "SnapshotRequest": {"displayName": "kept", "startDate": datetime(2026, 3, 2, 9, tzinfo=UTC).isoformat(),
                                "endDate": datetime(2026, 3, 2, 10, tzinfo=UTC).isoformat()},
        }  # fmt: skip
        if model in known:
            return known[model]  # type: ignore[no-any-return]
        assert model.endswith("Request"), f"{operation}: no body for {model}"
        kind = kind_of(operation)
        return {"testName": f"another {kind}", **TESTS[kind]}

    def round_id(self) -> str:
        """Return the latest round all tests have."""
        return str(instants.at_clock("09:50", self.desk.world.now) // instants.SECOND)


_OWNERS = {"AccountGroupsApi": "group", "RolesApi": "role", "UsersApi": "user", "GenericConnectorsApi": "connector",
           "WebhookOperationsApi": "operation", "OperationConnectorsApi": "operation", "CredentialsApi": "credential",
           "CyberArkConjurConnectorsApi": "conjur", "PanoramaConnectorsApi": "panorama",
           "CredentialVaultOperationsApi": "vault",
           "TagsApi": "tag", "TagAssignmentApi": "tag"}  # fmt: skip
#: What is assigned by the operations of a class; nothing goes through a firewall.
_ASSIGNED = {"GenericConnectorsApi": "operation", "OperationConnectorsApi": "connector",
             "CyberArkConjurConnectorsApi": "vault"}  # fmt: skip
#: Arguments that are no bodies, by name.
_IDS: Mapping[str, Callable[[Furnished, Operation], Any]] = {
    "test_id": lambda here, operation: here.ids[kind_of(operation)],
    "agent_id": lambda here, operation: (
        "3"
        if operation.package == "test_results"
        else here.ids["cluster" if operation.name == "unassign_agent_from_cluster" else "agent"]
    ),
    "round_id": lambda here, operation: (
        str(here.rows["bgp"]["roundId"]) if "bgp" in operation.name else here.round_id()
    ),
    "confirm_disabled_objects": lambda here, operation: True,
    "page_id": lambda here, operation: "0",
    "prefix_id": lambda here, operation: here.rows["bgp"]["prefixId"],
    "server_id": lambda here, operation: here.rows["dns-server"]["serverId"],
    "rule_id": lambda here, operation: here.ids["rule"],
    "alert_id": lambda here, operation: here.ids["alert"],
    "window_id": lambda here, operation: here.ids["window"],
    "notification_rule_id": lambda here, operation: here.ask("GET", "/agents/notification-rules")["agentAlertRules"][0][
        "ruleId"
    ],
    "interface_group_id": lambda here, operation: here.ids["interface group"],
    "type": lambda here, operation: "webhooks",
    "request_body": lambda here, operation: [here.ids[_ASSIGNED[operation.api]]] if operation.api in _ASSIGNED else [],
}


def _model_of(annotation: Any) -> Any:
    """Return the model class inside an annotation, ``None`` when there is none."""
    for part in (annotation, *_parts(annotation)):
        if inspect.isclass(part) and hasattr(part, "from_dict"):
            return part
    return None


def _every(annotation: Any) -> list[Any]:
    """Return every value of the enum inside an annotation but the one for words a later API may have."""
    for part in _parts(annotation):
        if inspect.isclass(part) and hasattr(part, "__members__"):
            return [value for value in part if value.value != "unknown"]
    return []


def _parts(annotation: Any) -> Iterator[Any]:
    for part in typing.get_args(annotation):
        yield part
        yield from _parts(part)
