"""How a test is shown: its type's own settings, defaults filled in, secrets masked, and the parts asked for.

Some targets are shown otherwise than they are sent: a server with its port, DNS servers with ids, SIP credentials laid
open without the password, steps of an API test with the tokens they fetch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flask import request

from simulators.engine.draft import View
from simulators.engine.resources import thaw
from simulators.thousandeyes import layers, monitors
from simulators.thousandeyes.api import shapes
from simulators.thousandeyes.api.collection import Expand, Shown
from simulators.thousandeyes.api.labels import labels_in
from simulators.thousandeyes.api.resources import readable
from simulators.thousandeyes.api.rest import Caller, not_found
from simulators.thousandeyes.api.rules import base_rule
from simulators.thousandeyes.api.tags import tags_of
from simulators.thousandeyes.api.testtypes import CODECS, DSCP, INSTANT_TYPES, LEFT_ASIDE, SSL_VERSIONS, TEST_TYPES
from simulators.thousandeyes.model import ACCOUNT_GROUPS, AGENTS, RULES, TEST_VERSIONS, Knobs, Test

_RULE_IN_TEST = (
    "ruleId", "ruleName", "expression", "direction", "isDefault", "alertType", "minimumSources", "minimumSourcesPct",
    "roundsViolatingMode", "roundsViolatingOutOf", "roundsViolatingRequired", "sensitivityLevel", "severity",
)  # fmt: skip


def full_test(view: View, caller: Caller, test: Test, expand: Expand) -> Shown:
    """Return a test with its type's own fields and the parts named by ``expand``."""
    version = request.args.get("versionId")
    if version is not None and request.method == "GET" and test.type != "bgp":
        kept = view.get(TEST_VERSIONS, version)
        if kept is None or kept.test != test.id:
            raise not_found(f"Test {test.id} has no version {version}.")
        test = kept.row
    simple = shapes.simple_test(test)
    links = simple.pop("_links")
    document = simple | _settings(test, simple)
    knobs = view.knobs(Knobs)
    if knobs.test_headers_masked:
        document |= _masked(document)
    if knobs.status_code_shown and TEST_TYPES[test.type].field("desiredStatusCode") is not None:
        document.setdefault("desiredStatusCode", "default")
    for name in dict.fromkeys(expand):
        document |= _PARTS[name](view, caller, test)
    return {**document, "_links": links}


def instant_test(view: View, caller: Caller, test: Test, expand: Expand) -> Shown:
    """Return an instant test as creating one answers it: without anything that is about repetition or alerts."""
    shown = full_test(view, caller, test, expand)
    return {name: value for name, value in shown.items() if name not in LEFT_ASIDE}


def _settings(test: Test, known: Mapping[str, Any]) -> Shown:
    """Return the settings of a test's own type: defaults filled in, secrets masked or left out, no empty objects."""
    body = readable((INSTANT_TYPES if test.is_instant else TEST_TYPES)[test.type], thaw(test.body))
    apart = {*known, *(LEFT_ASIDE if test.is_instant else ())}
    shown = {name: value for name, value in body.items() if name not in apart and value != {}}
    if "interval" not in known:
        shown.pop("interval", None)
    if "bgpMeasurements" in shown:
        shown.setdefault("usePublicBgp", shown["bgpMeasurements"])
    if "sslVersionId" in shown and test.type != "api":
        shown["sslVersion"] = SSL_VERSIONS[shown["sslVersionId"]]
    if "dscpId" in shown:
        shown["dscp"] = DSCP[shown["dscpId"]]
    if shown.get("codecId") in CODECS:
        shown["codec"] = CODECS[shown["codecId"]]
    target = _TARGETS.get(test.type)
    return shown if target is None else shown | target(test)


def _masked(document: Shown) -> Shown:
    """Return the request headers of a test without their values."""
    lines, login = document.get("headers"), document.get("oAuth") or {}
    masked: Shown = {} if lines is None else {"headers": [_mask_line(line) for line in lines]}
    if "customHeaders" in document:
        masked["customHeaders"] = {part: shapes.mask(values) for part, values in document["customHeaders"].items()}
    if login.get("headers"):
        masked["oAuth"] = login | {"headers": "\n".join(map(_mask_line, login["headers"].splitlines()))}
    return masked


def _mask_line(line: str) -> str:
    name, colon, _ = line.partition(":")
    return f"{name}: {shapes.MASK}" if colon else shapes.MASK


def _server(test: Test) -> Shown:
    """Return the server as answers show it: with its port, where the protocol has ports."""
    server, port = test.body["server"], test.body.get("port", 80)
    return {"server": server if test.body.get("protocol") == "icmp" else f"{server}:{port}"}


def _dns_servers(test: Test) -> Shown:
    names = test.body["dnsServers"]
    servers = [{"serverId": shapes.server_id(name), "serverName": name} for name in names]
    return {"dnsServers": servers}


def _sip(test: Test) -> Shown:
    credentials = {"port": 5060, "protocol": "tcp", **test.body["targetSipCredentials"]}
    return {name: value for name, value in credentials.items() if name != "password"}


def _steps(test: Test) -> Shown:
    """Return the steps of an API test: one that logs in by OAuth has a token of its own, from a step before it."""
    steps, number = [], 1
    for step in readable(TEST_TYPES["api"], thaw(test.body))["requests"]:
        if step.get("authType") == "oauth2":
            token = f"OAuth2_Token_Step_{number}"
            step = step | {
                "headers": _with(step.get("headers"), {"key": "Authorization", "value": "{{" + token + "}}"}),
                "variables": _with(step.get("variables"), {"name": token, "value": ""}),
            }
            number += 1
        steps.append(step)
        number += 1
    return {"requests": steps}


def _with(entries: Sequence[Shown] | None, made: Shown) -> list[Shown]:
    return [*(entry for entry in entries or () if entry != made), made]


#: How the target is shown where that differs from how it is sent.
_TARGETS: Mapping[str, Callable[[Test], Shown]] = {
    "agent-to-server": _server,
    "api": _steps,
    "dns-server": _dns_servers,
    "sip-server": _sip,
}


def _agents(view: View, caller: Caller, test: Test) -> Shown:
    sent = {entry["agentId"]: entry for entry in test.body.get("agents", ())}
    shown = []
    for agent in (view.get(AGENTS, agent_id) for agent_id in test.agents):
        if agent is not None:
            source = sent.get(agent.id, {}).get("sourceIpAddress")
            shown.append(shapes.simple_agent(agent) | ({"sourceIpAddress": source} if source else {}))
    return {"agents": shown}


def _rules(view: View, caller: Caller, test: Test) -> Shown:
    rules = [rule for rule_id in test.rules if (rule := view.get(RULES, rule_id)) is not None]
    rules = [rule for rule in rules if rule.aid == caller.aid]
    return {"alertRules": [shapes.pick(base_rule(rule), _RULE_IN_TEST) for rule in rules]}


def _groups(view: View, caller: Caller, test: Test) -> Shown:
    """Return the account groups that have the test: its own is always the first of them."""
    aids = dict.fromkeys([test.aid, *test.body.get("sharedWithAccounts", ())])
    groups = [view.get(ACCOUNT_GROUPS, aid) for aid in aids]
    return {"sharedWithAccounts": [{"aid": group.id, "name": group.name} for group in groups if group is not None]}


def _monitors(view: View, caller: Caller, test: Test) -> Shown:
    """Return the monitors: all public ones when the test uses those, and the private ones that were named."""
    if not layers.LAYERS[test.type].routed and test.type != "bgp":
        return {}
    own = monitors.of_test(test)
    return {"monitors": [entry for entry in shapes.monitors() if entry["monitorId"] in own]}


#: What ``expand`` adds to a test.
_PARTS: Mapping[str, Callable[[View, Caller, Test], Shown]] = {
    "agent": _agents,
    "alert-rule": _rules,
    "monitor": _monitors,
    "label": lambda view, caller, test: {"labels": labels_in(view, "test", test.id, caller.aid)},
    "tag": lambda view, caller, test: {"tags": tags_of(view, "test", test.id, caller.aid)},
    "shared-with-account": _groups,
}
