"""Agents: everybody's cloud agents, the organization's enterprise agents and clusters, and who is told when one fails.

Only enterprise agents can be changed. Taking an agent away changes the tests that used it, and disables a test that has
no agent left. A cluster takes the place of the agent it is made of and keeps its id.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from flask import Blueprint, Response

from simulators.engine.draft import Draft, View
from simulators.engine.instants import SECOND
from simulators.engine.resources import Document
from simulators.engine.web import transact, world
from simulators.thousandeyes import agent_alerts, agents, conditions, documents
from simulators.thousandeyes.api import shapes
from simulators.thousandeyes.api.agentrules import brief_rule, rules_of
from simulators.thousandeyes.api.collection import Collection, Expand, Shown, mount
from simulators.thousandeyes.api.paging import window_of
from simulators.thousandeyes.api.resources import AGENT
from simulators.thousandeyes.api.rest import (
    BASE,
    Caller,
    FieldError,
    expansions,
    hal,
    invalid,
    iso,
    listed,
    object_body,
    problem,
    reply,
    require,
)
from simulators.thousandeyes.api.tags import tags_of
from simulators.thousandeyes.model import (
    ACCOUNT_GROUPS,
    AGENTS,
    TESTS,
    Agent,
    Condition,
    Test,
    Trouble,
)

VIEW, EDIT = "7", "8"
KINDS = ("cloud", "enterprise", "enterprise-cluster")
LIST_EXPAND = ("cluster-member", "test", "test-ids")


# -- showing -----------------------------------------------------------------------------------------------------------


def _show(view: View, caller: Caller, agent: Agent, expand: Expand) -> Shown:
    document = shapes.simple_agent(agent)
    if agent.kind != "cloud":
        document |= _enterprise(view, agent)
    for name in dict.fromkeys(expand):
        document |= _PARTS[name](view, caller, agent)
    return document


def _detail(view: View, caller: Caller, agent: Agent, expand: Expand) -> Shown:
    words = {
        "labels": [{"labelId": label.id, "name": label.body["name"]} for label in _labels(view, caller, agent)],
        "tags": tags_of(view, "v-agent", agent.id, caller.aid),
    }
    return hal(_show(view, caller, agent, expand) | words, f"{AGENT.path}/{agent.id}")


def _labels(view: View, caller: Caller, agent: Agent) -> list[Document]:
    return documents.labels_of(view, "agent", caller.aid, agent.id)


def _enterprise(view: View, agent: Agent) -> Shown:
    """Return what enterprise agents have and cloud agents have not."""
    groups = [group for aid in agent.aids if (group := view.get(ACCOUNT_GROUPS, aid)) is not None]
    away = _in_force(view, agent, Trouble.OFFLINE)
    return {
        "agentState": _state(view, agent),
        "prefix": str(ipaddress.ip_network(f"{agent.ips[0]}/24", strict=False)) if agent.ips else "",
        "hostname": agent.body.get("hostname", agent.name),
        "lastSeen": iso(min((conditions.began(row, view.now) for row in away), default=view.now)),
        "createdDate": iso(agent.created),
        "utilization": 12,
        "keepBrowserCache": agent.body.get("keepBrowserCache", False),
        "ipv6Policy": agent.body.get("ipv6Policy", "force-ipv4"),
        "localResolutionPrefixes": list(agent.body.get("localResolutionPrefixes", ())),
        "interfaceIpMapping": [{"interfaceName": "eth0", "ipAddresses": list(agent.ips)}],
        "errorDetails": _error_details(view, agent),
        "accountGroups": [shapes.group_name(group) for group in groups],
    } | ({"targetForTests": agent.body["targetForTests"]} if agent.body.get("targetForTests") else {})


def _in_force(view: View, agent: Agent, kind: Trouble) -> list[Condition]:
    """Return what is wrong with an agent as a whole at present, of one kind."""
    return [row for row in agent_alerts.afflictions(view, agent, kind) if conditions.in_force(row, view.now)]


def _state(view: View, agent: Agent) -> str:
    away = bool(_in_force(view, agent, Trouble.OFFLINE))
    return "disabled" if not agent.enabled else "offline" if away else "online"


def _error_details(view: View, agent: Agent) -> list[Shown]:
    """Return what an agent complains of: a clock that is off is the one complaint there can be here."""
    offset = max((row.value for row in _in_force(view, agent, Trouble.CLOCK)), default=0)
    return [{"code": "clock-offset", "description": f"Clock offset of {offset} seconds"}] if offset else []


def _tests(view: View, caller: Caller, agent: Agent) -> list[Test]:
    found = (test for test in view.find(TESTS, "aid", caller.aid) if agent.id in test.agents)
    return [test for test in found if not test.is_saved]


def _members(view: View, caller: Caller, agent: Agent) -> Shown:
    if agent.kind != "enterprise-cluster":
        return {}
    shown = shapes.pick(_enterprise(view, agent), ("lastSeen", "agentState", "errorDetails", "utilization"))
    return {
        "clusterMembers": [
            {"memberId": member["memberId"], "name": member["name"], "ipAddresses": list(member["ips"]), **shown}
            for member in agent.body.get("members", ())
        ]
    }


#: What ``expand`` adds to an agent. Notification rules concern enterprise agents only.
_PARTS: Mapping[str, Callable[[View, Caller, Agent], Shown]] = {
    "test": lambda view, caller, agent: {"tests": [shapes.simple_test(test) for test in _tests(view, caller, agent)]},
    "test-ids": lambda view, caller, agent: {"testIds": [int(test.id) for test in _tests(view, caller, agent)]},
    "cluster-member": _members,
    "notification-rule": lambda view, caller, agent: (
        {}
        if agent.kind == "cloud"
        else {
            "notificationRules": [
                {"agentAlertRules": [brief_rule(view, caller, row, ()) for row in rules_of(view, caller)]}
            ]
        }
    ),
}


# -- which agents ------------------------------------------------------------------------------------------------------


def _rows(view: View, caller: Caller) -> list[Agent]:
    """Return the agents a list asks for (``agentTypes``, ``labels`` by id or name, ``tagKeys``)."""
    kinds, keys, names = listed("agentTypes"), listed("tagKeys"), listed("labels")
    wrong = next((kind for kind in kinds if kind not in KINDS), None)
    if wrong is not None:
        raise invalid(FieldError("agentTypes", f"'{wrong}' is not one of {', '.join(KINDS)}"))
    return [
        agent
        for agent in view.all(AGENTS)
        if shapes.can_use(agent, caller)
        and (not kinds or agent.kind in kinds)
        and (not names or any({label.id, label.body["name"]} & set(names) for label in _labels(view, caller, agent)))
        and (not keys or any(tag["key"] in keys for tag in tags_of(view, "v-agent", agent.id, caller.aid)))
    ]


def _find(view: View, caller: Caller, id: str) -> Agent | None:
    agent = view.get(AGENTS, id)
    return agent if shapes.can_use(agent, caller) else None


def _enterprise_only(agent: Agent) -> None:
    if agent.kind == "cloud":
        raise problem(403, "Cloud agents belong to ThousandEyes and cannot be changed.")


# -- writing -----------------------------------------------------------------------------------------------------------


def _problems(view: View, caller: Caller, body: Shown, agent: Agent | None) -> list[FieldError]:
    found = []
    if agent is not None and any(other.name == body.get("agentName") and other.id != agent.id
                                 for other in view.all(AGENTS)):  # fmt: skip
        found.append(FieldError("agentName", "is the name of another agent"))
    for place, aid in enumerate(body.get("accountGroups", ())):
        if view.get(ACCOUNT_GROUPS, aid) is None:
            found.append(FieldError(f"accountGroups[{place}]", f"there is no account group {aid}"))
    for place, prefix in enumerate(body.get("localResolutionPrefixes", ())):
        if not _is_prefix(prefix):
            found.append(FieldError(f"localResolutionPrefixes[{place}]", "must be a prefix such as 192.0.2.0/24"))
    return [*found, *_unknown_tests(view, caller, body.get("tests", ()), "tests")]


def _is_prefix(text: str) -> bool:
    try:
        return "/" in text and bool(ipaddress.ip_network(text, strict=False))
    except ValueError:
        return False


def _unknown_tests(view: View, caller: Caller, tests: Iterable[str], name: str) -> Iterable[FieldError]:
    own = {test.id for test in view.find(TESTS, "aid", caller.aid) if not test.is_saved}
    for place, test_id in enumerate(tests):
        if test_id not in own:
            yield FieldError(f"{name}[{place}]", f"there is no test {test_id}")


def _update(draft: Draft, caller: Caller, agent: Agent, body: Shown) -> Agent:
    _enterprise_only(agent)
    if "tests" in body:
        agents.set_tests(draft, agent.id, body["tests"], aid=caller.aid)
    names = {"agentName": "name", "enabled": "enabled", "accountGroups": "aids"}
    changes: dict[str, Any] = {field: body[name] for name, field in names.items() if name in body}
    if "aids" in changes:
        changes["aids"] = tuple(changes["aids"])
    rest = {name: value for name, value in body.items() if name not in {*names, "tests"}}
    return agents.update(draft, agent.id, rest, **changes)


def _delete(draft: Draft, caller: Caller, agent: Agent) -> None:
    _enterprise_only(agent)
    agents.remove(draft, agent.id)


def _assign_tests(agent_id: str, change: Callable[[list[str], list[str]], list[str]]) -> Response:
    """Change which tests run on an agent; ``change`` makes the new list of (present, named). All or nothing."""
    asking, body = require(EDIT), object_body()
    wanted = body.get("testIds")
    if not isinstance(wanted, list) or not all(isinstance(test, str) for test in wanted):
        raise invalid(FieldError("testIds", "must be an array of strings"))

    def verb(draft: Draft) -> Shown:
        agent = AGENT_ROWS.need(draft, asking, agent_id)
        unknown = list(_unknown_tests(draft, asking, wanted, "testIds"))
        if unknown:
            raise invalid(*unknown)
        present = [test.id for test in _tests(draft, asking, agent)]
        agents.set_tests(draft, agent.id, change(present, wanted), aid=asking.aid)
        return _detail(draft, asking, agent, ("test",))

    return reply(transact(verb))


def _make_cluster(agent_id: str) -> Response:
    asking, body = require(EDIT), object_body()
    expand = expansions(AGENT.include)
    others = body.get("agents")
    if not isinstance(others, list) or not all(isinstance(name, str) for name in others):
        raise invalid(FieldError("agents", "must be an array of strings, even when it is empty"))

    def verb(draft: Draft) -> Shown:
        base = AGENT_ROWS.need(draft, asking, agent_id)
        _enterprise_only(base)
        for place, name in enumerate(others):
            other = AGENT_ROWS.find(draft, asking, name)
            if other is None or other.kind != "enterprise" or name == agent_id:
                raise invalid(FieldError(f"agents[{place}]", f"{name} is not another standalone enterprise agent"))
        return _detail(draft, asking, agents.join(draft, agent_id, others), expand)

    return reply(transact(verb))


def _leave_cluster(agent_id: str) -> Response:
    asking, body = require(EDIT), object_body()
    expand = expansions(AGENT.include)
    members = body.get("members")
    if not isinstance(members, list) or not all(isinstance(name, str) for name in members):
        raise invalid(FieldError("members", "must be an array of strings"))

    def verb(draft: Draft) -> list[Shown]:
        cluster = AGENT_ROWS.need(draft, asking, agent_id)
        known = [member["memberId"] for member in cluster.body.get("members", ())]
        for place, name in enumerate(members):
            if name not in known:
                raise invalid(FieldError(f"members[{place}]", f"{name} is not a member of this cluster"))
        return [_show(draft, asking, agent, expand) for agent in agents.leave(draft, agent_id, members)]

    return reply(hal({"agents": transact(verb)}))


def _local_problems() -> Response:
    """Answer when agents had problems of their own, the latest first; without a range those they have now."""
    asking, view = require(VIEW), world().view
    span = window_of(view.now)
    since, until = (view.now, view.now) if span is None else span
    found = [
        (condition, agent)
        for agent in view.all(AGENTS)
        if shapes.can_use(agent, asking)
        for condition in agent_alerts.afflictions(view, agent, Trouble.LOCAL)
        if condition.since <= until and (condition.until is None or condition.until > since)
    ]
    found.sort(key=lambda pair: -pair[0].since)
    document: Shown = {"localProblems": [_local_problem(view, condition, agent) for condition, agent in found]}
    if span is not None:
        document |= {"startDate": iso(since), "endDate": iso(until)}
    return reply(hal(document))


def _local_problem(view: View, condition: Condition, agent: Agent) -> Shown:
    active = condition.until is None or condition.until > view.now
    end = view.now if active or condition.until is None else condition.until
    return {
        "agent": shapes.pick(shapes.simple_agent(agent), ("agentId", "agentName", "countryId", "location")),
        "startDate": iso(condition.since),
        "endDate": None if active else iso(end),
        "duration": (end - condition.since) // SECOND,
        "active": active,
    }


AGENT_ROWS: Collection[Agent] = Collection(
    resource=AGENT,
    key="agentId",
    rows=_rows,
    find=_find,
    show=_detail,
    path=lambda agent: f"{AGENT.path}/{agent.id}",
    brief=_show,
    problems=_problems,
    update=_update,
    delete=_delete,
    merges=lambda view: True,
    permissions=(VIEW, EDIT),
    list_expand=LIST_EXPAND,
)


def blueprint() -> Blueprint:
    """Return the routes of agents."""
    routes = Blueprint("agents", __name__)
    mount(routes, AGENT_ROWS)
    changes: Mapping[str, Callable[[list[str], list[str]], list[str]]] = {
        "assign": lambda present, named: list(dict.fromkeys([*present, *named])),
        "override": lambda present, named: named,
        "unassign": lambda present, named: [test for test in present if test not in named],
    }
    for verb, change in changes.items():
        path = f"{BASE}/agents/<agent_id>/tests/{verb}"
        routes.add_url_rule(
            path, f"tests-{verb}", lambda agent_id, change=change: _assign_tests(agent_id, change), methods=["POST"]
        )
    routes.add_url_rule(f"{BASE}/agents/<agent_id>/cluster/assign", "join", _make_cluster, methods=["POST"])
    routes.add_url_rule(f"{BASE}/agents/<agent_id>/cluster/unassign", "leave", _leave_cluster, methods=["POST"])

    routes.add_url_rule(f"{BASE}/agents/local-problems", "local-problems", _local_problems, methods=["GET"])
    return routes
