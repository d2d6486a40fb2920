"""Alert rules: lists without notifications, reading with tests, writing as a full replacement.

An update states the whole rule: what it leaves out goes back to its default, and ``testIds`` left out takes the rule
off its tests. An expression that cannot be read is answered with the place where reading stopped.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from simulators.engine.draft import Draft, View
from simulators.engine.resources import thaw
from simulators.thousandeyes import commands, expression, layers, mails
from simulators.thousandeyes.api import shapes
from simulators.thousandeyes.api.collection import Collection, Shown
from simulators.thousandeyes.api.resources import ALERT_RULE
from simulators.thousandeyes.api.rest import Caller, FieldError, hal, problem
from simulators.thousandeyes.model import DOCUMENTS, INTEGRATIONS, RULES, TESTS, AlertRule, Knobs, Test

VIEW, EDIT, EDIT_TESTS = "3", "4", "2"
#: Fields of a rule the row does not hold as fields of its own.
_EXTRAS = (
    "description", "direction", "alertGroupType", "includeCoveredPrefixes", "sensitivityLevel", "endpointAgentIds",
    "endpointLabelIds", "visitedSitesFilter",
)  # fmt: skip
_BROWSER_ONLY = ("endpointAgentIds", "endpointLabelIds", "visitedSitesFilter")
#: Alert types whose rules need a direction.
_DIRECTED = ("end-to-end-agent",)


def rule_path(rule: AlertRule) -> str:
    """Return where a rule is read, below the base path."""
    return f"{ALERT_RULE.path}/{rule.id}"


def base_rule(rule: AlertRule) -> Shown:
    """Return a rule as lists show it: without notifications and tests."""
    shown: Shown = {
        "ruleId": rule.id,
        "ruleName": rule.name,
        "expression": rule.expression,
        "alertType": rule.alert_type,
        "severity": rule.severity,
        "notifyOnClear": rule.notify_on_clear,
        "isDefault": rule.is_default,
        "roundsViolatingMode": rule.mode,
        "roundsViolatingOutOf": rule.out_of,
        "roundsViolatingRequired": rule.required,
    }
    if rule.minimum_sources is not None:
        shown["minimumSources"] = rule.minimum_sources
    elif rule.minimum_pct is not None:
        shown["minimumSourcesPct"] = rule.minimum_pct
    shown.update(_implied(rule.alert_type, rule.mode) | thaw(rule.body))
    return shown


def _implied(alert_type: str, mode: str) -> Shown:
    """Return what a rule says of itself unless it says otherwise; sending that back is no change."""
    level = {"sensitivityLevel": "medium"} if mode == "auto" else {}
    return {"alertGroupType": _group_type(alert_type), **level}


def _group_type(alert_type: str) -> str:
    if alert_type.startswith("endpoint-browser"):
        return "browser-session"
    if alert_type.startswith("endpoint"):
        return "endpoint"
    return "bgp" if alert_type == "bgp" else "cloud-enterprise"


def _written(view: View, caller: Caller, rule: AlertRule, expand: Iterable[str]) -> Shown:
    """Return a rule as creating and updating answer it: with notifications and the ids of its tests."""
    tests = [test.id for test in _tests(view, rule)]
    shown = base_rule(rule) | {"notifications": _notifications(view, rule), "testIds": tests}
    return hal(shown, rule_path(rule))


def _detail(view: View, caller: Caller, rule: AlertRule, expand: Iterable[str]) -> Shown:
    """Return a rule as reading answers it: with its tests, too."""
    document = _written(view, caller, rule, expand)
    links = document.pop("_links")
    return {**document, "tests": [shapes.simple_test(test) for test in _tests(view, rule)], "_links": links}


def _tests(view: View, rule: AlertRule) -> list[Test]:
    return [test for test in view.all(TESTS) if rule.id in test.rules]


def _notifications(view: View, rule: AlertRule) -> Shown:
    """Return a rule's notifications, each webhook with its present name and target.

    E-mail is always among them, if with nobody to tell; what else names nothing is left out (Terraform provider).
    """
    kept: Shown = thaw(rule.notifications)
    shown: Shown = {"email": {"recipients": []} | kept.pop("email", {})}
    for group, items in kept.items():
        echoed = group in ("webhook", "customWebhook")
        if items:
            shown[group] = [item | _integration(view, item["integrationId"]) for item in items] if echoed else items
    return shown


def _integration(view: View, id: str) -> Shown:
    integration, operation = view.get(INTEGRATIONS, id), view.get(DOCUMENTS, id)
    if integration is not None:
        return {"integrationName": integration.name, "target": integration.target}
    if operation is None or operation.kind != "operation":
        return {}
    connector = next((row for row in view.find(DOCUMENTS, "place", ("connector", operation.parent))
                      if id in row.body.get("operations", ())), None)  # fmt: skip
    target = {} if connector is None else {"target": connector.body["target"] + operation.body.get("path", "")}
    return {"integrationName": operation.body["name"], **target}


# -- what may be wrong beside the fields -------------------------------------------------------------------------------


def _problems(view: View, caller: Caller, body: Shown, rule: AlertRule | None) -> list[FieldError]:
    return [*_expression(view, body), *_counts(body), *_kind(body), *_assignment(view, caller, body), *_targets(body)]


def _expression(view: View, body: Shown) -> Iterable[FieldError]:
    try:
        expression.parse(body["expression"], body["alertType"])
    except expression.ExpressionError as error:
        yield FieldError("expression", str(error))


def _counts(body: Shown) -> Iterable[FieldError]:
    if "minimumSources" in body and "minimumSourcesPct" in body:
        yield FieldError("minimumSourcesPct", "cannot be combined with minimumSources")
    if body.get("roundsViolatingRequired", 1) > body["roundsViolatingOutOf"]:
        yield FieldError("roundsViolatingRequired", "must not be greater than roundsViolatingOutOf")
    if "sensitivityLevel" in body and body.get("roundsViolatingMode") != "auto":
        yield FieldError("sensitivityLevel", "needs the rounds violating mode auto")


def _kind(body: Shown) -> Iterable[FieldError]:
    kind = body["alertType"]
    if kind in _DIRECTED and "direction" not in body:
        yield FieldError("direction", f"is required for rules of type {kind}")
    if "includeCoveredPrefixes" in body and kind != "bgp":
        yield FieldError("includeCoveredPrefixes", "is only for rules of type bgp")
    if body.get("roundsViolatingMode") == "auto" and _group_type(kind) in {"bgp", "browser-session"}:
        yield FieldError("roundsViolatingMode", f"auto is not available for rules of type {kind}")
    if _group_type(kind) != "browser-session":
        for name in _BROWSER_ONLY:
            if body.get(name):
                yield FieldError(name, "is only for rules about browser sessions")


def _assignment(view: View, caller: Caller, body: Shown) -> Iterable[FieldError]:
    probe = AlertRule("", caller.aid, "", body["alertType"], "", 1, 1)
    for place, test_id in enumerate(body.get("testIds", ())):
        test = view.get(TESTS, test_id)
        if test is None or not shapes.is_visible(test, caller):
            yield FieldError(f"testIds[{place}]", f"there is no test {test_id}")
        elif test.is_saved:
            yield FieldError(f"testIds[{place}]", "is a saved event, which has no alert rules")
        elif not layers.accepts(test.type, test.body, probe):
            yield FieldError(f"testIds[{place}]", f"a rule of type {probe.alert_type} does not go with this test")


def _targets(body: Shown) -> Iterable[FieldError]:
    message = (body.get("notifications") or {}).get("email", {}) or {}
    if any(sign in (message.get("message") or "") for sign in "<>"):
        yield FieldError("notifications.email.message", "must not contain < or >")
    for place, recipient in enumerate(message.get("recipients") or ()):
        if not mails.is_address(recipient):
            yield FieldError(f"notifications.email.recipients[{place}]", "must be an e-mail address")


# -- writing -----------------------------------------------------------------------------------------------------------


def _fields(body: Shown) -> dict[str, Any]:
    """Return a body as fields of a row; what it leaves out has its default."""
    out_of = body["roundsViolatingOutOf"]
    percent = body.get("minimumSourcesPct")
    implied = _implied(body["alertType"], body.get("roundsViolatingMode", "any"))
    return {
        "name": body["ruleName"],
        "alert_type": body["alertType"],
        "out_of": out_of,
        "required": body.get("roundsViolatingRequired", out_of),
        "mode": body.get("roundsViolatingMode", "any"),
        "minimum_sources": body.get("minimumSources", 1 if percent is None else None),
        "minimum_pct": percent,
        "severity": body.get("severity", "info"),
        "notify_on_clear": body.get("notifyOnClear", False),
        "is_default": body.get("isDefault", False),
        "notifications": _kept_notifications(body.get("notifications") or {}),
        "body": {name: body[name] for name in _EXTRAS if name in body and body[name] != implied.get(name)},
    }


def _kept_notifications(sent: Shown) -> Shown:
    """Return notifications without the echoes (name and target belong to the integration) and what names nobody."""
    kept: Shown = {}
    for group, value in sent.items():
        if not value or value == {"recipients": []}:
            continue
        if isinstance(value, list):
            echoes = ("integrationName", "target")
            value = [{name: inner for name, inner in item.items() if name not in echoes} for item in value]
        kept[group] = value
    return kept


def _make_room(draft: Draft, caller: Caller, body: Shown, rule_id: str = "") -> None:
    """Take the place of the account group's other default rules of the type, where there is only one place."""
    if not body.get("isDefault") or draft.knobs(Knobs).several_default_rules:
        return
    for other in draft.find(RULES, "aid", caller.aid):
        if other.is_default and other.alert_type == body["alertType"] and other.id != rule_id:
            draft.put(RULES, replace(other, is_default=False))


def _assigns(view: View, caller: Caller, tests: Iterable[str], rule: AlertRule | None = None) -> None:
    """Raise the 403 of a caller who changes which tests have a rule without being allowed to edit tests."""
    present = [] if rule is None else [test.id for test in _tests(view, rule)]
    if sorted(set(tests)) != sorted(present) and EDIT_TESTS not in caller.permissions:
        raise problem(403, "Assigning alert rules to tests needs the permission to edit tests, too.")


def _lasting(view: View, body: Shown) -> tuple[str, ...]:
    """Return the tests a rule is put on: with the knob, none of those whose alerts are disabled."""
    kept = view.knobs(Knobs).rules_kept_without_alerts
    return tuple(id for id in body.get("testIds", ()) if kept or view.need(TESTS, id).alerts_enabled)


def _create(draft: Draft, caller: Caller, body: Shown) -> AlertRule:
    _assigns(draft, caller, body.get("testIds", ()))
    _make_room(draft, caller, body)
    return commands.create_rule(
        draft,
        expression_text=body["expression"],
        tests=_lasting(draft, body),
        aid=caller.aid,
        **_fields(body),
    )


def _update(draft: Draft, caller: Caller, rule: AlertRule, body: Shown) -> AlertRule:
    _assigns(draft, caller, body.get("testIds", ()), rule)
    _make_room(draft, caller, body, rule.id)
    tests = _lasting(draft, body)
    return commands.update_rule(draft, rule.id, tests=tests, expression=body["expression"], **_fields(body))


def _delete(draft: Draft, caller: Caller, rule: AlertRule) -> None:
    if EDIT_TESTS not in caller.permissions:
        raise problem(403, "Deleting alert rules needs the permission to edit tests, too.")
    commands.delete_rule(draft, rule.id)


ALERT_RULES: Collection[AlertRule] = Collection(
    resource=ALERT_RULE,
    key="ruleId",
    rows=lambda view, caller: view.find(RULES, "aid", caller.aid),
    find=lambda view, caller, id: rule if (rule := view.get(RULES, id)) and rule.aid == caller.aid else None,
    show=_detail,
    path=rule_path,
    brief=lambda view, caller, rule, expand: base_rule(rule),
    written=_written,
    problems=_problems,
    create=_create,
    update=_update,
    delete=_delete,
    empty_when_unknown=lambda view: view.knobs(Knobs).unknown_is_empty,
    permissions=(VIEW, EDIT),
)
