"""Verbs for agents: which tests run on them, taking them away, and clusters.

Every verb that changes a test's agents goes through :func:`simulators.thousandeyes.commands.update_test`, so the
alerting hears of it. A test that loses its last agent is disabled (ThousandEyes: delete enterprise agent).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from simulators.engine import ids
from simulators.engine.draft import Draft
from simulators.engine.resources import Document, freeze, thaw
from simulators.thousandeyes import agent_alerts, commands, documents
from simulators.thousandeyes.model import AGENTS, TESTS, Agent

MEMBER_ID = ids.decimal(55974)


def update(draft: Draft, agent_id: str, settings: Mapping[str, Any], **changes: Any) -> Agent:
    """Change an enterprise agent; out of an account group, it leaves all tests of that group."""
    agent = draft.need(AGENTS, agent_id)
    changed = replace(agent, body=freeze(thaw(agent.body) | dict(settings)), **changes)
    draft.put(AGENTS, changed)
    for aid in agent.aids:
        if aid not in changed.aids:
            set_tests(draft, agent_id, (), aid=aid)
    draft.record("agent.updated", agent_id, agent=changed.name, fields=sorted([*settings, *changes]))
    agent_alerts.review(draft)
    return changed


def remove(draft: Draft, agent_id: str) -> None:
    """Delete an agent and take it out of every test."""
    agent = draft.need(AGENTS, agent_id)
    for aid in dict.fromkeys(test.aid for test in draft.all(TESTS)):
        set_tests(draft, agent_id, (), aid=aid)
    draft.delete(AGENTS, agent_id)
    draft.record("agent.removed", agent_id, agent=agent.name)
    agent_alerts.review(draft)


def set_tests(draft: Draft, agent_id: str, tests: Iterable[str], *, aid: str) -> None:
    """Make ``tests`` the tests of account group ``aid`` that run on an agent."""
    wanted = set(tests)
    for test in draft.find(TESTS, "aid", aid):
        if test.is_saved or (agent_id in test.agents) is (test.id in wanted):
            continue
        if test.id in wanted:
            commands.update_test(draft, test.id, agents=(*test.agents, agent_id))
        else:
            left = tuple(name for name in test.agents if name != agent_id)
            changes: dict[str, Any] = {"agents": left} if left else {"agents": left, "enabled": False}
            commands.update_test(draft, test.id, **changes)


def join(draft: Draft, base_id: str, others: Sequence[str]) -> Agent:
    """Make ``base_id`` a cluster, or enlarge it, by the standalone agents ``others``, which go away as such."""
    base = draft.need(AGENTS, base_id)
    members = list(thaw(base.body.get("members", ())))
    if base.kind != "enterprise-cluster":
        members.append(_member(draft, base))
    for agent_id in others:
        members.append(_member(draft, draft.need(AGENTS, agent_id)))
        remove(draft, agent_id)
    return update(draft, base_id, {"members": members}, kind="enterprise-cluster")


def _member(draft: Draft, agent: Agent) -> dict[str, Any]:
    return {"memberId": draft.fresh(MEMBER_ID, "te.cluster.member"), "name": agent.name, "ips": list(agent.ips)}


def leave(draft: Draft, cluster_id: str, members: Sequence[str]) -> list[Agent]:
    """Take members out of a cluster; each becomes a standalone agent with an id of its own.

    When none is left, the cluster itself becomes the agent that was named last. Returns the cluster, if it still is
    one, and the agents that left it.
    """
    cluster = draft.need(AGENTS, cluster_id)
    known = {member["memberId"]: member for member in cluster.body.get("members", ())}
    leaving = list(dict.fromkeys(members))
    rest = [thaw(member) for name, member in known.items() if name not in leaving]
    freed = [known[name] for name in leaving]
    heir = None if rest else freed.pop() if freed else None
    made = [_standalone(draft, cluster, member) for member in freed]
    if heir is None:
        return [update(draft, cluster_id, {"members": rest}), *made]
    changes = {"name": heir["name"], "ips": tuple(heir["ips"]), "kind": "enterprise"}
    return [*made, update(draft, cluster_id, {"members": []}, **changes)]


def _standalone(draft: Draft, cluster: Agent, member: Mapping[str, Any]) -> Agent:
    agent = commands.add_agent(
        draft, member["name"], country=cluster.country, location=cluster.location, aids=cluster.aids
    )
    agent = replace(agent, ips=tuple(member["ips"]))
    draft.put(AGENTS, agent)
    return agent


def add_proxy(draft: Draft, aid: str, name: str, location: str, **settings: Any) -> Document:
    """Set up a proxy enterprise agents of an account group can go through (``settings`` in the vendor's words)."""
    return documents.create(draft, "proxy", aid, {"name": name, "location": location, **settings})
