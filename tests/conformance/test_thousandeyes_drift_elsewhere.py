"""Infrastructure as code beside tests and rules: any other kind of thing is read as it was set, and goes for good."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from test_thousandeyes_drift import Provider

from simulators.thousandeyes import commands

SHOP = {"testName": "shop", "interval": 120, "url": "https://shop.example", "agents": [{"agentId": "3"}]}


@dataclass(frozen=True)
class Thing:
    """A kind of thing: where it lives, what its id is called, what is set, what is changed, and what is masked.

    ``shown`` maps what is set to how it is read, where the vendor's words differ.
    """

    path: str
    key: str
    body: Mapping[str, Any]
    change: Mapping[str, Any]
    masked: tuple[str, ...] = ()
    query: str = ""
    located: bool = True
    shown: Mapping[str, Any] = field(default_factory=dict)
    readable: bool = True


def _login(**fields: str) -> dict[str, Any]:
    return {"type": "generic", "name": "c", "target": "https://bridge.example/te", "authentication": fields,
            "headers": [{"name": "X-Team", "value": "web"}]}  # fmt: skip


_CONNECTOR = {"path": "/connectors/generic", "key": "id", "located": False, "masked": ("authentication", "headers")}
THINGS: Mapping[str, Thing] = {
    "connector-basic": Thing(
        body=_login(type="basic", username="u", password="p"),
        change={"target": "https://other.example"},
        **_CONNECTOR,  # type: ignore[arg-type]
    ),
    "connector-bearer": Thing(
        body=_login(type="bearer-token", token="t"),
        change={"name": "d"},
        **_CONNECTOR,  # type: ignore[arg-type]
    ),
    "connector-other": Thing(
        body=_login(type="other-token", token="t"),
        change={"name": "d"},
        **_CONNECTOR,  # type: ignore[arg-type]
    ),
    "connector-client": Thing(
        body=_login(
            type="oauth-client-credentials",
            oauthClientId="c",
            oauthClientSecret="s",
            oauthTokenUrl="https://id.example/token",
        ),
        change={"name": "d"},
        **_CONNECTOR,  # type: ignore[arg-type]
    ),
    "operation": Thing(
        "/operations/webhooks",
        "id",
        {"name": "page", "category": "alerts", "status": "pending", "enabled": True, "path": "/te",
         "payload": '{"id": "{{alert.id}}"}', "queryParams": '{"a": "b"}', "type": "webhook",
         "headers": [{"name": "X-Id", "value": "{{id}}"}]},
        {"enabled": False, "payload": "{}"},
        located=False,
    ),
    "window": Thing(
        "/alert-suppression-windows",
        "alertSuppressionWindowId",
        {"name": "w", "isEnabled": True, "startDate": "2026-03-05T05:00:00Z", "duration": 1800, "testIds": ["{test}"],
         "repeat": {"type": "custom", "intervalType": "week", "intervalLength": 2, "daysOfWeek": ["mon", "thu"]},
         "endRepeat": {"type": "count", "count": 3}},
        {"duration": 3600, "repeat": {"type": "day"}, "endRepeat": {"type": "never"}},
        query="?expand=test",
        shown={"testIds": "tests"},
    ),
    "tag": Thing(
        "/tags",
        "id",
        {"key": "team", "value": "web", "objectType": "test", "accessType": "all", "color": "#aabbcc", "icon": "LABEL",
         "description": "d", "type": "static"},
        {"value": "db", "color": "#112233"},
        located=False,
    ),
    "dynamic tag": Thing(
        "/tags",
        "id",
        {"key": "branch", "value": "yes", "objectType": "v-agent", "type": "dynamic", "matchType": "and",
         "filters": [{"key": "agent-name", "values": ["branch"], "mode": "in"}]},
        {"matchType": "or"},
        located=False,
    ),
    "label": Thing("/labels/test", "labelId", {"name": "web", "ids": ["{test}"]}, {"name": "shop", "ids": []}),
    "account group": Thing(
        "/account-groups",
        "aid",
        {"accountGroupName": "Second", "agents": ["{agent}"]},
        {"accountGroupName": "Third", "agents": []},
        query="?expand=agent",
    ),
    "role": Thing("/roles", "roleId", {"name": "Reader", "permissions": ["1", "3"]}, {"permissions": ["1"]}),
    "user": Thing(
        "/users",
        "uid",
        {"name": "Ann", "email": "ann@example.com", "loginAccountGroupId": "1001",
         "accountGroupRoles": [{"accountGroupId": "1001", "roleIds": ["58"]}], "allAccountGroupRoleIds": ["57"]},
        {"name": "Anna", "allAccountGroupRoleIds": []},
        shown={"loginAccountGroupId": "loginAccountGroup", "allAccountGroupRoleIds": "allAccountGroupRoles"},
    ),
    "credential": Thing("/credentials", "id", {"name": "login", "value": "v"}, {"value": "w"}, masked=("value",)),
    "interface group": Thing(
        "/network/path-vis/interface-groups",
        "groupId",
        {"groupName": "core", "ipAddresses": ["192.0.2.1", "192.0.2.2"]},
        {"ipAddresses": []},
        readable=False,
    ),
}  # fmt: skip
_IDS = ("agentId", "aid", "roleId", "permissionId", "testId")


def _plain(value: Any) -> Any:
    """Return objects that stand for ids as these ids, whatever they are called, and lists of them as sets."""
    if isinstance(value, list) and all(isinstance(entry, str) or _id_in(entry) for entry in value):
        return sorted(map(_plain, value))
    if isinstance(value, list):
        return [_plain(entry) for entry in value]
    if isinstance(value, dict) and {"accountGroup", "roles"} <= set(value):
        return {"accountGroupId": value["accountGroup"]["aid"], "roleIds": _plain(value["roles"])}
    if isinstance(value, dict) and _id_in(value):
        return _id_in(value)
    return value


def _id_in(value: Any) -> str:
    names = [name for name in _IDS if isinstance(value, dict) and name in value and "accountGroupId" not in value]
    return str(value[names[0]]) if names else ""


def _filled(value: Any, ids: Mapping[str, str]) -> Any:
    """Return a body with the ids of what was made before."""
    if isinstance(value, str):
        return ids.get(value, value)
    if isinstance(value, list):
        return [_filled(entry, ids) for entry in value]
    return value


def _drift(thing: Thing, wanted: Mapping[str, Any], read: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: (value, read.get(thing.shown.get(name, name)))
        for name, value in wanted.items()
        if name not in thing.masked and _plain(value) != _plain(read.get(thing.shown.get(name, name)))
    }


@pytest.mark.parametrize("name", THINGS)
def test_a_thing_of_any_kind_is_read_as_it_was_set(name: str) -> None:
    """Created, read, updated, read, deleted; nothing differs but secrets, and in the end there is nothing to read."""
    thing, provider = THINGS[name], Provider()
    ids = {
        "{test}": provider("POST", "/tests/http-server", SHOP).json()["testId"],
        "{agent}": provider.world.transact(lambda draft: commands.add_agent(draft, "branch-1")).id,
    }
    wanted = {field: _filled(value, ids) for field, value in thing.body.items()}
    made = provider("POST", thing.path, wanted)
    assert made.status_code == 201, made.text
    path = f"{thing.path}/{made.json()[thing.key]}"
    assert made.headers.get("Location") == (f"https://api.thousandeyes.com/v7{path}" if thing.located else None)

    def read() -> dict[str, Any]:
        if thing.readable:
            return provider.read(path + thing.query)
        (entry,) = next(value for value in provider.read(thing.path).values() if isinstance(value, list))
        return dict(entry)

    assert _drift(thing, wanted, read()) == {}
    wanted |= {field: _filled(value, ids) for field, value in thing.change.items()}
    changed = provider("PUT", path, wanted)
    assert changed.status_code == 200, changed.text
    assert _drift(thing, wanted, read()) == {}
    assert provider("PUT", path, wanted).json() == changed.json()
    assert provider("DELETE", path).status_code == 204
    gone = provider("GET" if thing.readable else "DELETE", path)
    assert (gone.status_code, gone.json()["title"]) == (404, "URI Resource Not Found")


@pytest.mark.parametrize("group", ["", "1001"])
def test_the_account_group_may_be_said_with_every_request(group: str) -> None:
    """With the user's own account group said or left out, the same is created and read."""
    provider = Provider()
    query = f"?aid={group}" if group else ""
    made = provider("POST", f"/tests/http-server{query}", SHOP).json()
    assert provider.read(f"/tests/http-server/{made['testId']}{query}")["testName"] == "shop"
    assert provider("DELETE", f"/tests/http-server/{made['testId']}{query}").status_code == 204


def test_a_server_is_read_with_its_port() -> None:
    """The provider takes the port off again; setting what was read changes nothing."""
    provider = Provider()
    wanted = {"testName": "t", "interval": 120, "server": "shop.example", "port": 8443, "agents": [{"agentId": "3"}]}
    path = f"/tests/agent-to-server/{provider('POST', '/tests/agent-to-server', wanted).json()['testId']}"
    assert provider.read(path)["server"] == "shop.example:8443"
    assert provider("PUT", path, {"server": "shop.example:8443"}).json()["server"] == "shop.example:8443"


def test_assigning_operations_to_a_connector_replaces_them() -> None:
    """The assignment is authoritative, and deleting it empties it."""
    provider = Provider()
    connector = provider("POST", "/connectors/generic", THINGS["connector-basic"].body).json()["id"]
    first, second = (provider("POST", "/operations/webhooks", THINGS["operation"].body).json()["id"] for _ in range(2))
    path = f"/connectors/generic/{connector}/operations"
    for wanted in ([first, second], [second], []):
        assert provider("PUT", path, wanted).json()["items"] == wanted
        assert provider.read(path)["items"] == wanted


def test_defaults_show_up_as_drift_when_rules_are_left_out_and_not_when_there_are_none() -> None:
    """Rules left out are the account's defaults, an empty list is none; both stay as they are from then on."""
    provider = Provider()
    for rules, count in ((None, 2), ([], 0)):
        body = SHOP | {"testName": str(rules)} | ({} if rules is None else {"alertRules": rules})
        path = f"/tests/http-server/{provider('POST', '/tests/http-server', body).json()['testId']}"
        first = provider.read(f"{path}?expand=alert-rule")
        assert len(first["alertRules"]) == count
        assert provider.read(f"{path}?expand=alert-rule") == first


def test_a_rule_updated_without_its_tests_loses_them() -> None:
    """Saying the tests keeps them; the test's own list agrees both times."""
    provider = Provider()
    test = provider("POST", "/tests/http-server", SHOP | {"alertRules": []}).json()["testId"]
    rule = {"ruleName": "down", "expression": "((responseCode >= 500))", "alertType": "http-server",
            "roundsViolatingOutOf": 1}  # fmt: skip
    path = f"/alerts/rules/{provider('POST', '/alerts/rules', rule | {'testIds': [test]}).json()['ruleId']}"
    for body, tests in ((rule | {"testIds": [test]}, [test]), (rule, [])):
        assert provider("PUT", path, body).json()["testIds"] == tests
        shown = provider.read(f"/tests/http-server/{test}?expand=alert-rule")["alertRules"]
        assert [entry["ruleId"] for entry in shown] == ([path.rpartition("/")[2]] if tests else [])
