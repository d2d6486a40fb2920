"""What several parts of the API show of each other: tests, agents, monitors and names of account groups, in short form.

Each kind of thing is shown in full by the module that answers for it; here is only what turns up elsewhere, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from simulators.engine import ids
from simulators.engine.draft import View
from simulators.engine.web import world
from simulators.thousandeyes import layers
from simulators.thousandeyes.api.rest import Caller, caller, hal, iso, link
from simulators.thousandeyes.model import TESTS, AccountGroup, Agent, Knobs, Test
from simulators.thousandeyes.monitors import monitors as all_monitors

MASK = "*****"
#: Shown where a test has no interval of its own and the vendor's models insist on one.
DEFAULT_INTERVAL = 60
#: What is told of changes to a test that has not been changed yet, by the knob's word.
_UNCHANGED: Mapping[str, Callable[[Test], dict[str, Any]]] = {
    "absent": lambda test: {},
    "null": lambda test: {"modifiedBy": None, "modifiedDate": None},
    "created": lambda test: {"modifiedBy": test.created_by, "modifiedDate": iso(test.created)},
}


def test_path(test: Test) -> str:
    """Return where a test is read, below the base path."""
    return f"/tests/{test.type}/{test.id}"


def simple_test(test: Test) -> dict[str, Any]:
    """Return what every type of test has, with links; nothing that needs ``expand``."""
    shown: dict[str, Any] = {
        "testId": test.id,
        "testName": test.name,
        "type": test.type,
        "interval": test.interval,
        "enabled": test.enabled,
        "alertsEnabled": test.alerts_enabled,
        "savedEvent": test.is_saved,
        "liveShare": test.aid != caller().aid,
        "createdBy": test.created_by,
        "createdDate": iso(test.created),
    }
    if test.is_instant:
        shown["interval"] = DEFAULT_INTERVAL
    elif not test.interval:
        del shown["interval"]
    if test.modified is not None:
        shown |= {"modifiedBy": test.modified_by or test.created_by, "modifiedDate": iso(test.modified)}
    else:
        shown |= _UNCHANGED[world().view.knobs(Knobs).modified_before_change](test)
    if test.body.get("description") is not None:
        shown["description"] = test.body["description"]
    names = layers.result_layers(test.type, test.body)
    results = [{"href": link(f"/test-results/{test.id}/{layer}")} for layer in names]
    return hal(shown, test_path(test), testResults=results)


def visible_tests(view: View, caller: Caller) -> list[Test]:
    """Return the tests of the caller's account group, and those other groups share with it."""
    return [test for test in view.all(TESTS) if is_visible(test, caller)]


def is_visible(test: Test, caller: Caller) -> bool:
    """Return whether the caller's account group sees a test: its own, or one that is shared with it."""
    return test.aid == caller.aid or caller.aid in test.body.get("sharedWithAccounts", ())


def simple_agent(agent: Agent) -> dict[str, Any]:
    """Return an agent as tests and the results show it."""
    shown: dict[str, Any] = {
        "agentId": agent.id,
        "agentName": agent.name,
        "agentType": agent.kind,
        "countryId": agent.country,
        "location": agent.location,
        "enabled": agent.enabled,
        "verifySslCertificates": True,
        "ipAddresses": list(agent.ips),
        "coordinates": {"latitude": agent.latitude, "longitude": agent.longitude},
    }
    if agent.body.get("publicIpAddresses"):
        shown["publicIpAddresses"] = list(agent.body["publicIpAddresses"])
    return shown | ({"network": agent.network} if agent.network else {})


def can_use(agent: Agent | None, caller: Caller) -> bool:
    """Return whether tests of the caller's account group may run on this agent."""
    return agent is not None and (agent.kind == "cloud" or caller.aid in agent.aids)


def monitors() -> list[dict[str, Any]]:
    """Return the BGP monitors as lists and tests show them."""
    return [
        {
            "monitorId": row.id,
            "monitorName": row.name,
            "countryId": row.country,
            "ipAddress": row.ip,
            "network": row.network,
            "monitorType": "private" if row.private else "public",
        }
        for row in all_monitors().values()
    ]


def server_id(name: str) -> str:
    """Return the id a DNS server goes by."""
    return str(1000 + ids.number(0, "te.server", name) % 9000)


def prefix_id(prefix: str) -> str:
    """Return the id a prefix goes by."""
    return str(1000 + ids.number(0, "te.prefix.id", prefix) % 9000)


def group_name(group: AccountGroup) -> dict[str, Any]:
    """Return an account group by id and name."""
    return {"aid": group.id, "accountGroupName": group.name}


def pick(document: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Return the part of ``document`` that has these ``names``, in their order."""
    return {name: document[name] for name in names if name in document}


def mask(value: Any) -> Any:
    """Return ``value`` with every text in it replaced by asterisks, names kept."""
    if isinstance(value, Mapping):
        return {name: mask(inner) for name, inner in value.items()}
    return MASK
