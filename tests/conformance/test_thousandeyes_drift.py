"""Infrastructure as code: what was set is what is read, so that a second plan has nothing to do.

A provider creates a thing, takes its id from the answer, reads it back with everything expanded and compares it with
what it set; every difference is drift. Lists are sets to it, secrets are its own business.
"""

from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from simulators.engine import instants
from simulators.engine.resources import Field, Kind, Resource
from simulators.engine.world import World
from simulators.thousandeyes import commands, layers
from simulators.thousandeyes.api import API_HOST, sites
from simulators.thousandeyes.api.testtypes import TEST_TYPES
from simulators.thousandeyes.component import ThousandEyes

#: Values for fields that mean something, on create and on update; the others are made from their limits.
MEANT: Mapping[str, tuple[Any, Any]] = {
    "agents": ([{"agentId": "3"}, {"agentId": "4"}], [{"agentId": "4"}, {"agentId": "5"}]),
    "alertRules": ([], []),
    "sharedWithAccounts": (["1001"], ["1001"]),  # its own account group, which is always among them
    "monitors": (["69"], []),
    "interval": (1800, 3600),
    "subinterval": (1800, 900),
    "httpInterval": (900, 600),
    "targetAgentId": ("7", "8"),
    "prefix": ("203.0.113.0/24", "198.51.100.0/24"),
    "requestMethod": ("post", "post"),
    "chromePolicies": ('{"a":1}', "{}"),
    "dnsOverride": ("192.0.2.1", "192.0.2.2"),
    "domain": ("shop.example A", "shop.example AAAA"),
    "url": ("https://shop.example/a", "https://shop.example/b"),
    "testName": ("first", "second"),
    "customHeaders": ({"root": {"A": "b"}}, {"all": {"C": "d"}}),
    "codecId": ("0", "0"),
    "continuousMode": (False, False),  # it settles other settings, which is drift of the vendor's own
}
#: Objects of their own that must exist before a test can name them.
MADE_BEFORE = ("labels", "tags", "credentials")
#: Answers show these otherwise than they are sent: masked, or with the port.
SHOWN_OTHERWISE = ("headers", "customHeaders", "oAuth", "server")


def value_of(entry: Field, which: int) -> Any:
    """Return a value a field may have: the first of two, or the second."""
    if entry.name in MEANT:
        return MEANT[entry.name][which]
    if entry.choices:
        return entry.choices[which % len(entry.choices)]
    if entry.kind is Kind.INTEGER:
        return int((entry.minimum, entry.maximum)[which] or 0)
    if entry.kind is Kind.BOOLEAN:
        return which == 0
    if entry.kind is Kind.OBJECT:
        return {inner.name: value_of(inner, which) for inner in entry.fields}
    if entry.kind is Kind.ARRAY:
        return [value_of(entry.items or Field("", Kind.OBJECT, fields=entry.fields), which)]
    return f"{entry.name or 'text'} {which}"


def body_of(resource: Resource, which: int) -> dict[str, Any]:
    """Return a body with every field a provider may set."""
    return {
        entry.name: value_of(entry, which)
        for entry in resource.fields
        if not entry.read_only and entry.name not in MADE_BEFORE
    }


class Provider:
    """Sends what a provider sends."""

    def __init__(self) -> None:
        self.world = World(seed=1, start=instants.parse("2026-03-02T09:00:00Z"), components=[ThousandEyes()])
        self.world.transact(commands.open_account)
        self.world.serve(API_HOST, sites()[API_HOST])

    def __call__(self, method: str, path: str, body: Any = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {commands.DEFAULT_TOKEN}"}
        return self.world.client.request(method, f"https://{API_HOST}/v7{path}", json=body, headers=headers)

    def read(self, path: str) -> dict[str, Any]:
        answer = self("GET", path)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def rules_for(self, kind: str) -> list[str]:
        """Return rules a test of this type may have."""
        rules = self.read("/alerts/rules")["alertRules"]
        return [rule["ruleId"] for rule in rules if rule["alertType"] in layers.alert_types(kind, {})]


def drift(fields: tuple[Field, ...], wanted: Mapping[str, Any], read: Mapping[str, Any]) -> dict[str, Any]:
    """Return what differs between what was set and what was read: name -> (set, read)."""
    hidden = (Kind.STRING, Kind.INTEGER)  # secrets, and the port that is shown as part of the server
    secrets = {entry.name for entry in fields if entry.write_only and entry.kind in hidden}
    inner = {entry.name: entry.fields for entry in fields}
    found = {}
    for name, value in wanted.items():
        if name in secrets or name in SHOWN_OTHERWISE:
            continue
        shown = read.get(name)
        if isinstance(value, list) and value and isinstance(value[0], dict) and name not in {"agents"}:
            pairs = zip(value, shown or [{}], strict=True)
            differing = [drift(inner[name], item, other) for item, other in pairs]
            if any(differing):
                found[name] = differing
        elif _plain(name, value) != _plain(name, shown):
            found[name] = (value, shown)
    return found


def _plain(name: str, value: Any) -> Any:
    """Return lists as sets of ids, the way a provider compares them."""
    ids = {"agents": "agentId", "alertRules": "ruleId", "sharedWithAccounts": "aid", "dnsServers": "serverName"}
    if name == "monitors":
        return sorted(entry if isinstance(entry, str) else entry["monitorId"] for entry in value
                      if isinstance(entry, str) or entry["monitorType"] == "private")  # fmt: skip
    if name in ids:
        return sorted(entry if isinstance(entry, str) else entry[ids[name]] for entry in value)
    return value


@pytest.mark.parametrize("kind", TEST_TYPES)
def test_a_test_of_any_type_is_read_as_it_was_set(kind: str) -> None:
    """Every field of the type, on create and on update; then the test is gone and reading it is a 404."""
    provider, resource = Provider(), TEST_TYPES[kind]
    query = "?expand=" + ",".join(resource.include)
    wanted = body_of(resource, 0) | {"alertRules": provider.rules_for(kind)}
    sip = wanted.pop("targetSipCredentials", None)
    answer = provider("POST", resource.path, wanted | ({"targetSipCredentials": sip} if sip else {}))
    assert answer.status_code == 201, answer.text
    path = f"{resource.path}/{answer.json()['testId']}"
    assert answer.headers["Location"] == f"https://{API_HOST}/v7{path}"
    assert drift(resource.fields, wanted | _open(sip), provider.read(path + query)) == {}
    assert provider.read(path + query) == provider.read(path + query)
    changed = body_of(resource, 1)
    sip = changed.pop("targetSipCredentials", None)
    answer = provider("PUT", path, changed | ({"targetSipCredentials": sip} if sip else {}))
    assert answer.status_code == 200, answer.text
    assert drift(resource.fields, changed | _open(sip), provider.read(path + query)) == {}
    assert provider("DELETE", path).status_code == 204
    gone = provider("GET", path)
    assert gone.status_code == 404
    assert "Not Found" in gone.json()["title"]


def _open(credentials: dict[str, Any] | None) -> dict[str, Any]:
    """Return SIP credentials as answers lay them open, without the password."""
    return {name: value for name, value in (credentials or {}).items() if name != "password"}


RULE = {
    "ruleName": "down",
    "expression": '[(locationId in {"3", "4"})]((responseCode >= 500) || (errorType != "None"))',
    "alertType": "http-server",
    "description": "d",
    "minimumSources": 2,
    "roundsViolatingMode": "exact",
    "roundsViolatingOutOf": 4,
    "roundsViolatingRequired": 3,
    "severity": "critical",
    "notifyOnClear": True,
    "isDefault": False,
    "notifications": {
        "email": {"recipients": ["a@example.com", "b@example.com"], "message": "look"},
        "thirdParty": [{"integrationId": "pgd-21", "integrationType": "pager-duty"}],
        "webhook": [{"integrationId": "wb-201", "integrationType": "webhook"}],
        "customWebhook": [
            {"integrationId": "6e069ae9-8537-4120-b988-61bf8e0d8b87", "integrationType": "custom-webhook"}
        ],
    },
}


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"minimumSources": None, "minimumSourcesPct": 25},
        {"roundsViolatingMode": "auto", "sensitivityLevel": "low"},
        {"alertType": "end-to-end-agent", "direction": "bidirectional", "expression": "((bothWaysLoss >= 5%))"},
        {"alertType": "bgp", "expression": "((reachability < 100%))", "includeCoveredPrefixes": True},
        {"notifications": {"email": {"recipients": []}}},
    ],
)
def test_a_rule_is_read_as_it_was_set(settings: dict[str, Any]) -> None:
    """Text for text, in every mode; a rule that came back is accepted as it is."""
    provider = Provider()
    wanted = {name: value for name, value in {**RULE, **settings}.items() if value is not None}
    made = provider("POST", "/alerts/rules", wanted)
    assert made.status_code == 201, made.text
    path = f"/alerts/rules/{made.json()['ruleId']}"
    for _ in range(2):
        read = provider.read(path)
        assert {name: read.get(name) for name in wanted} == wanted
        assert provider("PUT", path, read).status_code == 200
    assert provider("DELETE", path).status_code == 204
    assert provider("GET", path).status_code == 404
