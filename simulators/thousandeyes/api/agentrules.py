"""What the API only reads about agents: whom agent notification rules tell, and the proxies agents go through.

Both are set in the vendor's pages only; in their place stand two routes of the control plane.
"""

from __future__ import annotations

from dataclasses import replace

from flask import Blueprint, Response, request

from simulators.engine.control import object_body as control_body
from simulators.engine.control import plane
from simulators.engine.draft import View
from simulators.engine.errors import Refused
from simulators.engine.resources import Document, Field, check, thaw
from simulators.engine.web import answer, transact, world
from simulators.thousandeyes import agent_alerts, agents, documents
from simulators.thousandeyes.api import shapes
from simulators.thousandeyes.api.collection import Collection, Expand, Shown, mount
from simulators.thousandeyes.api.resources import AGENT_NOTIFICATION_RULE, AGENT_PROXY, ALERT_RULE, readable
from simulators.thousandeyes.api.rest import Caller, hal, iso
from simulators.thousandeyes.commands import DEFAULT_AID
from simulators.thousandeyes.model import ACCOUNT_GROUPS, AGENTS, DOCUMENTS, INTEGRATIONS

VIEW, EDIT = "7", "8"


def brief_rule(view: View, caller: Caller, rule: Document, expand: Expand) -> Shown:
    """Return an agent notification rule in short."""
    return {"ruleId": rule.id, **{name: value for name, value in rule.body.items() if name != "notifications"}}


def rules_of(view: View, caller: Caller) -> list[Document]:
    """Return the agent notification rules of the caller's account group."""
    return documents.all_of(view, agent_alerts.RULE, caller.aid)


def _rule_detail(view: View, caller: Caller, rule: Document, expand: Expand) -> Shown:
    """Return an agent notification rule with whom it tells and the agents it looks at."""
    notifications = thaw(rule.body["notifications"])
    for group in ("thirdParty", "webhook"):
        notifications[group] = [item | _integration(view, item["integrationId"]) for item in notifications[group]]
    agents = [agent for agent in view.all(AGENTS) if agent.kind != "cloud" and caller.aid in agent.aids]
    covered = [shapes.simple_agent(agent) for agent in agents]
    shown = brief_rule(view, caller, rule, expand) | {"notifications": notifications, "agents": covered}
    return hal(shown, f"{AGENT_NOTIFICATION_RULE.path}/{rule.id}")


#: What a login is called beside an integration.
_METHODS = {"basic": "Basic", "token": "Auth Token", "oauth": "OAuth"}


def _integration(view: View, id: str) -> Shown:
    """Return what is told of an integration beside an agent notification rule; secrets are masked."""
    row = view.get(INTEGRATIONS, id)
    if row is None:
        return {}
    shown = {"integrationName": row.name, "target": row.target}
    login = {"authMethod": _METHODS.get(row.auth, ""), "authUser": row.user}
    shown |= {name: value for name, value in login.items() if value}
    return shown | ({"authToken": shapes.MASK} if row.kind == "pager-duty" else {})


NOTIFICATION_RULES: Collection[Document] = Collection(
    resource=AGENT_NOTIFICATION_RULE,
    key="notificationRuleId",
    rows=rules_of,
    find=lambda view, caller, id: documents.find(view, agent_alerts.RULE, caller.aid, id),
    show=_rule_detail,
    path=lambda rule: f"{AGENT_NOTIFICATION_RULE.path}/{rule.id}",
    brief=brief_rule,
    permissions=(VIEW, EDIT),
)


def _proxy(view: View, caller: Caller, proxy: Document, expand: Expand) -> Shown:
    body = readable(AGENT_PROXY, thaw(proxy.body))
    if "password" in body:
        body["password"] = shapes.MASK
    return {"proxyId": proxy.id, "aid": proxy.parent, **body, "lastModified": iso(proxy.updated)}


PROXIES: Collection[Document] = Collection(
    resource=AGENT_PROXY,
    key="proxyId",
    rows=lambda view, caller: documents.all_of(view, "proxy", caller.aid),
    find=lambda view, caller, id: documents.find(view, "proxy", caller.aid, id),
    show=_proxy,
    path=lambda proxy: AGENT_PROXY.path,
    permissions=(VIEW, EDIT),
)


# -- what people set in the vendor's pages -----------------------------------------------------------------------------


def _wish(fields: tuple[Field, ...], aid: str) -> Shown:
    """Return the body of a request to the control plane; raises the refusal of one that makes no sense."""
    wish = control_body()
    wrong = next(iter(check(fields, wish)), None)
    if wrong is not None:
        raise Refused(400, {"error": f"{wrong.path}: {wrong.trouble.value}"}, {})
    if world().view.get(ACCOUNT_GROUPS, aid) is None:
        raise Refused(404, {"error": f"there is no account group {aid}"}, {})
    return wish


def _set_notifications(rule_id: str) -> Response:
    wish = _wish((replace(ALERT_RULE.fields[-1], required=True),), DEFAULT_AID)
    rule = world().view.get(DOCUMENTS, rule_id)
    if rule is None or rule.kind != agent_alerts.RULE:
        raise Refused(404, {"error": f"there is no agent notification rule {rule_id}"}, {})
    changed = transact(agent_alerts.set_notifications, rule, wish["notifications"])
    return answer({"rule": {"id": changed.id, "name": changed.body["ruleName"]}})


def _add_proxy() -> Response:
    aid = request.args.get("aid", DEFAULT_AID)
    proxy = transact(agents.add_proxy, aid, **_wish(AGENT_PROXY.fields, aid))
    return answer({"proxy": {"id": proxy.id, "name": proxy.body["name"]}}, 201)


def control() -> Blueprint:
    """Return the routes of the control plane for what the API only reads: whom agent rules tell, and proxies."""
    routes = plane("thousandeyes-agents")
    routes.add_url_rule("/agent-notification-rules/<rule_id>", "notifications", _set_notifications, methods=["PUT"])
    routes.add_url_rule("/agent-proxies", "proxies", _add_proxy, methods=["POST"])
    return routes


def blueprint() -> Blueprint:
    """Return the routes of agent notification rules and proxies."""
    routes = Blueprint("agent-rules", __name__)
    mount(routes, NOTIFICATION_RULES)
    mount(routes, PROXIES)
    return routes
