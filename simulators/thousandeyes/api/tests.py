"""Tests of all thirteen types: one collection per type, made by the same functions from its row of the table.

An update keeps what it does not mention. Rules: an array that is sent is exactly what the test has afterwards; left out
on create, or on an update that says ``alertsEnabled: true``, the account's default rules take its place. A rule that
looks at a layer the test does not measure is refused.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from flask import Blueprint, Response

from simulators.engine.draft import Draft, View
from simulators.engine.resources import Resource, thaw
from simulators.engine.web import world
from simulators.thousandeyes import commands, layers, saved_events
from simulators.thousandeyes.api import shapes
from simulators.thousandeyes.api.collection import Collection, Shown, mount
from simulators.thousandeyes.api.labels import set_labels
from simulators.thousandeyes.api.paging import page_size
from simulators.thousandeyes.api.resources import ANY_TEST
from simulators.thousandeyes.api.rest import (
    BASE,
    JSON,
    Caller,
    FieldError,
    hal,
    iso,
    not_found,
    problem,
    reply,
    require,
)
from simulators.thousandeyes.api.tags import set_tags
from simulators.thousandeyes.api.testshapes import full_test, instant_test
from simulators.thousandeyes.api.testtypes import INSTANT_TYPES, TEST_TYPES
from simulators.thousandeyes.model import (
    ACCOUNT_GROUPS,
    AGENTS,
    DOCUMENTS,
    RULES,
    TEST_VERSIONS,
    TESTS,
    Knobs,
    Test,
)

VIEW, EDIT = "1", "2"
#: The type of record a DNS test asks for, at the end of its domain.
_RECORD = re.compile(r" [A-Z]+$")
CONFLICT = 409
#: Names of the API -> fields of a row; everything else of a body is kept as it was sent.
_ROW = {"testName": "name", "interval": "interval", "enabled": "enabled", "alertsEnabled": "alerts_enabled"}
#: What an account group may change on a test that another one shares with it.
_ACCOUNT_SPECIFIC = {"alertRules", "labels", "tags"}


# -- what may be wrong beside the fields -------------------------------------------------------------------------------


def _problems(kind: str) -> Callable[[View, Caller, Shown, Test | None], list[FieldError]]:
    def find(view: View, caller: Caller, body: Shown, test: Test | None) -> list[FieldError]:
        if test is not None and test.is_saved:
            return [FieldError("testId", "is a saved event, whose settings stay as they are")]
        settings = _merged(view, body, test)
        foreign = [] if test is None or test.aid == caller.aid else sorted(set(body) - _ACCOUNT_SPECIFIC)
        if foreign:
            return [FieldError(name, "cannot be changed on a shared test") for name in foreign]
        return [*_unknown(view, caller, body), *_named(view, caller, kind, body, test), *_odd(settings, body),
                *_unfit(view, caller, kind, settings, body)]  # fmt: skip

    return find


def _merged(view: View, body: Shown, test: Test | None) -> Shown:
    """Return a test's settings after a write: what was kept of the old ones, then what was sent."""
    kept = thaw(test.body) if test is not None and view.knobs(Knobs).test_updates_merge else {}
    before = {} if test is None else {"interval": test.interval}
    record = "" if test is None else test.body.get("domain", "")
    if body.get("networkMeasurements"):
        kept.pop("bgpMeasurements", None)  # turns them on again (Terraform provider), unless the body says otherwise
    return _tidy(before | kept | body, record)


def _tidy(settings: Shown, record: str = "") -> Shown:
    """Take a port that was written into the server apart, the way the server is shown; settle what settings entail.

    A domain without a type of record keeps the type of ``record``, the domain there was, or asks for ANY.
    """
    domain = settings.get("domain")
    if domain is not None and not _RECORD.search(domain):
        found = _RECORD.search(record)
        settings = settings | {"domain": domain + (found[0] if found else " ANY")}
    if settings.get("continuousMode"):
        settings = settings | {"fixedPacketRate": 1, "bandwidthMeasurements": False}
        if settings.get("protocol", "tcp") == "tcp":
            settings["probeMode"] = "syn"
    server = settings.get("server", "")
    name, colon, port = server.rpartition(":")
    if colon and port.isdigit() and ":" not in name and 0 < int(port) < 65536:
        return settings | {"server": name, "port": int(port)}
    return settings


def _unknown(view: View, caller: Caller, body: Shown) -> Iterable[FieldError]:
    """Yield an error for every id in a body that stands for nothing."""
    for place, entry in enumerate(body.get("agents", ())):
        if not shapes.can_use(view.get(AGENTS, entry["agentId"]), caller):
            yield FieldError(f"agents[{place}].agentId", f"there is no agent {entry['agentId']}")
    target = body.get("targetAgentId")
    if target is not None and not shapes.can_use(view.get(AGENTS, target), caller):
        yield FieldError("targetAgentId", f"there is no agent {target}")
    known: Mapping[str, Callable[[str], bool]] = {
        "sharedWithAccounts": lambda name: view.get(ACCOUNT_GROUPS, name) is not None,
        "monitors": lambda name: any(entry["monitorId"] == name for entry in shapes.monitors()),
        "labels": lambda name: _is(view, caller, name, "label"),
        "tags": lambda name: _is(view, caller, name, "tag"),
        "credentials": lambda name: _is(view, caller, name, "credential"),
    }
    for field, exists in known.items():
        for place, name in enumerate(body.get(field, ())):
            if not exists(name):
                yield FieldError(f"{field}[{place}]", f"there is no {field.removesuffix('s')} {name}")


def _is(view: View, caller: Caller, name: str, kind: str) -> bool:
    document = view.get(DOCUMENTS, name)
    return document is not None and (document.kind, document.parent) == (kind, caller.aid)


def _named(view: View, caller: Caller, kind: str, body: Shown, test: Test | None) -> Iterable[FieldError]:
    """Yield an error (or raise the conflict) when another test of the account group has the name."""
    name, status = body.get("testName"), view.knobs(Knobs).duplicate_name_status
    others = (other for other in view.find(TESTS, "aid", caller.aid) if not other.is_saved)
    if name is None or not status or all(other.name != name or other == test for other in others):
        return
    if status == CONFLICT:
        raise problem(CONFLICT, f"A test named {name} exists already.", title="Conflict")
    yield FieldError("testName", "is the name of another test in this account group")


def _odd(settings: Shown, body: Shown) -> Iterable[FieldError]:
    """Yield an error for values that do not go with each other, or are no prefix or address."""
    for name in ("url", "server", "domain"):
        if name in body and not body[name].strip():
            yield FieldError(name, "must not be blank")
    for name in ("subinterval", "httpInterval"):
        if (name in body or "interval" in body) and settings["interval"] % settings.get(name, 1):
            yield FieldError(name, "must divide the interval")
    if "prefix" in body:
        try:
            network = ipaddress.ip_network(body["prefix"], strict=False)
        except ValueError:
            yield FieldError("prefix", "must be a prefix such as 192.0.2.0/24")
            return
        if network.version == 4 and not 8 <= network.prefixlen <= 24:
            yield FieldError("prefix", "must have a length from 8 to 24")
    if body.get("requestMethod") == "get" and body.get("postBody"):
        yield FieldError("postBody", "needs the request method post")


def _unfit(view: View, caller: Caller, kind: str, settings: Shown, body: Shown) -> Iterable[FieldError]:
    """Yield an error for every rule that does not exist or looks at a layer the test does not measure."""
    for place, rule_id in enumerate(body.get("alertRules", ())):
        rule = view.get(RULES, rule_id)
        if rule is None or rule.aid != caller.aid:
            yield FieldError(f"alertRules[{place}]", f"there is no alert rule {rule_id}")
        elif not layers.accepts(kind, settings, rule):
            yield FieldError(f"alertRules[{place}]", f"a rule of type {rule.alert_type} does not go with this test")


# -- writing -----------------------------------------------------------------------------------------------------------


def _create_instant(kind: str) -> Callable[[Draft, Caller, Shown], Test]:
    def create(draft: Draft, caller: Caller, body: Shown) -> Test:
        settings = _tidy(body)
        test = saved_events.create_instant(
            draft,
            kind,
            name=body.get("testName") or _target(settings),
            agents=_agent_ids(body),
            body=_rest(settings),
            aid=caller.aid,
            created_by=caller.signature,
        )
        _set_words(draft, caller, test.id, body)
        return test

    return create


def _create(kind: str) -> Callable[[Draft, Caller, Shown], Test]:
    def create(draft: Draft, caller: Caller, body: Shown) -> Test:
        settings = _tidy(body)
        test = commands.create_test(
            draft,
            name=body.get("testName") or _target(settings),
            interval=body.get("interval", 0),
            agents=_agent_ids(body),
            body=_rest(settings),
            rules=_chosen(draft, caller, kind, settings, body, None),
            kind=kind,
            aid=caller.aid,
            created_by=caller.signature,
            enabled=body.get("enabled", True),
            alerts_enabled=body.get("alertsEnabled", True),
        )
        _set_words(draft, caller, test.id, body)
        return test

    return create


def _update(kind: str) -> Callable[[Draft, Caller, Test, Shown], Test]:
    def update(draft: Draft, caller: Caller, test: Test, body: Shown) -> Test:
        settings = _merged(draft, body, test)
        changes: dict[str, Any] = {row: body[name] for name, row in _ROW.items() if name in body}
        if not draft.knobs(Knobs).test_updates_merge:
            changes = {"enabled": True, "alerts_enabled": True} | changes
        if "agents" in body:
            changes["agents"] = _agent_ids(body)
        changes["rules"] = _chosen(draft, caller, kind, settings, body, test)
        changes |= {"body": _rest(settings), "modified_by": caller.signature}
        _set_words(draft, caller, test.id, body)
        return commands.update_test(draft, test.id, **changes)

    return update


def _delete(draft: Draft, caller: Caller, test: Test) -> None:
    if test.aid != caller.aid:
        raise problem(403, "A shared test can only be deleted by the account group that owns it.")
    _set_words(draft, caller, test.id, {"tags": [], "labels": []})
    commands.delete_test(draft, test.id)


def _set_words(draft: Draft, caller: Caller, test_id: str, body: Shown) -> None:
    """Make the tags and labels named in a body those of the test; what is not named stays."""
    set_tags(draft, caller, "test", test_id, body.get("tags"))
    set_labels(draft, caller, "test", test_id, body.get("labels"))


def _chosen(
    draft: Draft, caller: Caller, kind: str, settings: Shown, body: Shown, test: Test | None
) -> tuple[str, ...]:
    """Return the rules a test has after a write; see the module's text. Rules of other account groups stay."""
    enabled, knobs = body.get("alertsEnabled"), draft.knobs(Knobs)
    own = {rule.id: rule for rule in draft.find(RULES, "aid", caller.aid)}
    present = () if test is None else test.rules
    others = tuple(rule for rule in present if rule not in own)
    before = test is None or not knobs.test_updates_merge or test.alerts_enabled
    if (enabled is False or (enabled is None and not before)) and not knobs.rules_kept_without_alerts:
        return others
    if "alertRules" in body:
        return (*others, *dict.fromkeys(body["alertRules"]))
    if (test is None and enabled is not False) or (enabled is True and knobs.defaults_on_update):
        return (*others, *layers.defaults(kind, settings, own.values()))
    return tuple(rule for rule in present if rule not in own or layers.accepts(kind, settings, own[rule]))


def _agent_ids(body: Shown) -> tuple[str, ...]:
    return tuple(dict.fromkeys(entry["agentId"] for entry in body.get("agents", ())))


def _rest(settings: Shown) -> Shown:
    shut = {*_ROW, "alertRules", "tags", "labels"}
    return {name: value for name, value in settings.items() if name not in shut}


def _target(settings: Shown) -> str:
    return str(next((settings[name] for name in ("url", "server", "domain", "prefix") if name in settings), "test"))


# -- collections -------------------------------------------------------------------------------------------------------


def _collection(kind: str, resource: Resource) -> Collection[Test]:
    def rows(view: View, caller: Caller) -> list[Test]:
        return [test for test in shapes.visible_tests(view, caller) if test.type == kind]

    def find(view: View, caller: Caller, id: str) -> Test | None:
        test = view.get(TESTS, id)
        return test if test is not None and test.type == kind and shapes.is_visible(test, caller) else None

    return Collection(
        resource=resource,
        key="testId",
        rows=rows,
        find=find,
        show=full_test,
        path=shapes.test_path,
        problems=_problems(kind),
        create=_create(kind),
        update=_update(kind),
        delete=_delete,
        merges=lambda view: view.knobs(Knobs).test_updates_merge,
        permissions=(VIEW, EDIT),
    )


def _instant_problems(view: View, caller: Caller, body: Shown, test: Test | None) -> list[FieldError]:
    return [*_unknown(view, caller, body), *_odd(body, body)]


def _instants(kind: str, resource: Resource) -> Collection[Test]:
    return Collection(
        resource=resource,
        key="testId",
        rows=lambda view, caller: (),
        find=lambda view, caller, id: None,
        show=instant_test,
        path=shapes.test_path,
        problems=_instant_problems,
        create=_create_instant(kind),
        permissions=(VIEW, EDIT),
    )


INSTANT_COLLECTIONS = tuple(_instants(kind, resource) for kind, resource in INSTANT_TYPES.items())
TEST_COLLECTIONS = tuple(_collection(kind, resource) for kind, resource in TEST_TYPES.items())
ALL_TESTS: Collection[Test] = Collection(
    resource=ANY_TEST,
    key="testId",
    rows=shapes.visible_tests,
    find=lambda view, caller, id: None,
    show=lambda view, caller, test, expand: shapes.simple_test(test),
    path=shapes.test_path,
    permissions=(VIEW, EDIT),
)


def blueprint() -> Blueprint:
    """Return the routes of tests."""
    routes = Blueprint("tests", __name__)
    for collection in (ALL_TESTS, *TEST_COLLECTIONS, *INSTANT_COLLECTIONS):
        mount(routes, collection)

    @routes.get(f"{BASE}/tests/<test_id>/history")
    def history(test_id: str) -> Response:
        asking, view = require(VIEW), world().view
        test = view.get(TESTS, test_id)
        if test is None or not shapes.is_visible(test, asking):
            raise not_found(f"There is no test {test_id}.")
        versions = view.find(TEST_VERSIONS, "test", test_id)[::-1][: page_size(50, 500, "limit")]
        shown = [
            {"versionId": row.id, "versionTimestamp": iso(row.at), "testId": row.test, "createdBy": row.by}
            for row in versions
        ]
        return reply(hal({"testVersionHistory": shown}), media=JSON)

    return routes
