"""The verbs of ThousandEyes: what the API, the control plane and a stage can do, as functions of a draft.

Every verb that edits an input of the alerting goes through :func:`simulators.thousandeyes.units.change`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from simulators.engine import ids
from simulators.engine.draft import Draft
from simulators.engine.resources import freeze
from simulators.thousandeyes import expression, units
from simulators.thousandeyes.model import (
    ACCOUNT_GROUPS,
    AGENTS,
    CONDITION_ID,
    CONDITIONS,
    INTEGRATIONS,
    RULE_ID,
    RULES,
    TEST_ID,
    TESTS,
    TOKENS,
    USERS,
    AccountGroup,
    Agent,
    AlertRule,
    Condition,
    Integration,
    Test,
    Token,
    Trouble,
    User,
)

DEFAULT_AID = "1001"
DEFAULT_TOKEN = "te-rehearsal-token"  # noqa: S105 - the published token of a simulator
CITIES = (
    ("Singapore", "SG", 1.35, 103.82),
    ("London", "GB", 51.51, -0.13),
    ("Oslo", "NO", 59.91, 10.75),
    ("New York, NY", "US", 40.71, -74.01),
    ("Tokyo", "JP", 35.68, 139.69),
    ("Frankfurt", "DE", 50.11, 8.68),
    ("São Paulo", "BR", -23.55, -46.63),
    ("Sydney", "AU", -33.87, 151.21),
)


def open_account(
    draft: Draft,
    *,
    name: str = "Rehearsal",
    user: str = "Rehearsal Admin",
    email: str = "admin@example.com",
    time_zone: str = "UTC",
    token: str = DEFAULT_TOKEN,
) -> None:
    """Make an account group with one user, one API token and a cloud agent in each of :data:`CITIES`."""
    for place, (city, country, latitude, longitude) in enumerate(CITIES):
        agent = Agent(str(place + 3), city, country, city, (f"192.0.2.{place + 3}",), "", latitude, longitude)
        draft.put(AGENTS, agent)
    draft.put(ACCOUNT_GROUPS, AccountGroup(DEFAULT_AID, name, time_zone=time_zone))
    draft.put(USERS, User("1", user, email, DEFAULT_AID, (DEFAULT_AID,), draft.now))
    draft.put(TOKENS, Token(token, "1"))


def create_test(
    draft: Draft,
    *,
    name: str,
    interval: int,
    agents: tuple[str, ...],
    body: Mapping[str, Any],
    rules: tuple[str, ...] = (),
    kind: str = "http-server",
    aid: str = DEFAULT_AID,
    created_by: str = "",
    enabled: bool = True,
    alerts_enabled: bool = True,
) -> Test:
    """Create a test and begin to evaluate its rules; ``interval`` is in seconds, ``body`` the other settings."""
    test = Test(
        id=draft.fresh(TEST_ID, "te.test"),
        aid=aid,
        type=kind,
        name=name,
        interval=interval,
        agents=agents,
        rules=rules,
        created=draft.now,
        created_by=created_by,
        enabled=enabled,
        alerts_enabled=alerts_enabled,
        body=freeze(body),
    )
    units.change(draft, [test.id], lambda: draft.put(TESTS, test))
    draft.record("test.created", test.id, test=test.name)
    return test


def update_test(draft: Draft, test_id: str, **changes: Any) -> Test:
    """Change fields of a test (names of :class:`Test`); units begin, end or go on accordingly."""
    if "body" in changes:
        changes["body"] = freeze(changes["body"])
    test = replace(draft.need(TESTS, test_id), modified=draft.now, **changes)
    units.change(draft, [test_id], lambda: draft.put(TESTS, test))
    draft.record("test.updated", test.id, test=test.name, fields=sorted(changes))
    return test


def delete_test(draft: Draft, test_id: str) -> None:
    """Delete a test; its active alerts end."""
    test = draft.need(TESTS, test_id)
    units.change(draft, [test_id], lambda: draft.delete(TESTS, test_id))
    draft.record("test.deleted", test_id, test=test.name)


def create_rule(
    draft: Draft,
    *,
    name: str,
    expression_text: str,
    required: int = 1,
    out_of: int = 1,
    tests: tuple[str, ...] = (),
    alert_type: str = "http-server",
    aid: str = DEFAULT_AID,
    notifications: Mapping[str, Any] | None = None,
    body: Mapping[str, Any] | None = None,
    **settings: Any,
) -> AlertRule:
    """Create a rule and assign it to ``tests``; raises :class:`~.expression.ExpressionError` for a bad expression.

    ``settings`` are further fields of :class:`AlertRule` (mode, minimum_sources, minimum_pct, severity, ...).
    """
    expression.parse(expression_text, alert_type)
    rule = AlertRule(
        id=draft.fresh(RULE_ID, "te.rule"),
        aid=aid,
        name=name,
        alert_type=alert_type,
        expression=expression_text,
        out_of=out_of,
        required=required,
        notifications=freeze(notifications or {}),
        body=freeze(body or {}),
        **settings,
    )
    draft.put(RULES, rule)
    _assign(draft, rule.id, tests)
    draft.record("rule.created", rule.id, rule=rule.name)
    return rule


def update_rule(draft: Draft, rule_id: str, *, tests: tuple[str, ...] | None = None, **changes: Any) -> AlertRule:
    """Replace fields of a rule; an active alert of it is cleared and may trigger again.

    ``tests`` replaces the assignment when given.
    """
    for name in ("notifications", "body"):
        if name in changes:
            changes[name] = freeze(changes[name])
    rule = replace(draft.need(RULES, rule_id), **changes)
    expression.parse(rule.expression, rule.alert_type)
    concerned = [test.id for test in draft.all(TESTS) if rule_id in test.rules]
    units.change(draft, concerned, lambda: draft.put(RULES, rule), edited_rule=rule_id)
    if tests is not None:
        _assign(draft, rule_id, tests)
    draft.record("rule.updated", rule.id, rule=rule.name, fields=sorted(changes))
    return rule


def delete_rule(draft: Draft, rule_id: str) -> None:
    """Delete a rule; its active alerts end and tests lose it."""
    rule = draft.need(RULES, rule_id)
    concerned = [test for test in draft.all(TESTS) if rule_id in test.rules]

    def edit() -> None:
        for test in concerned:
            draft.put(TESTS, replace(test, rules=tuple(entry for entry in test.rules if entry != rule_id)))
        draft.delete(RULES, rule_id)

    units.change(draft, [test.id for test in concerned], edit)
    draft.record("rule.deleted", rule_id, rule=rule.name)


def _assign(draft: Draft, rule_id: str, wanted: tuple[str, ...]) -> None:
    for test in list(draft.all(TESTS)):
        if (test.id in wanted) is (rule_id in test.rules):
            continue
        others = tuple(entry for entry in test.rules if entry != rule_id)
        rules = (*others, rule_id) if test.id in wanted else others
        changed = replace(test, rules=rules)
        units.change(draft, [test.id], lambda row=changed: draft.put(TESTS, row))  # type: ignore[misc]


def add_condition(
    draft: Draft,
    kind: Trouble,
    *,
    test: str = "*",
    since: int | None = None,
    until: int | None = None,
    agents: tuple[str, ...] = (),
    value: int = 0,
    period: int = 0,
) -> Condition:
    """Make something go wrong from ``since`` (default now) until ``until`` (microseconds; ``None`` = for good)."""
    begin = draft.now if since is None else since
    condition = Condition(draft.fresh(CONDITION_ID, "te.condition"), kind, test, begin, until, agents, value, period)
    units.change(draft, _concerned(draft, test), lambda: draft.put(CONDITIONS, condition))
    draft.record("condition.added", condition.id, trouble=kind.value, test=test, since=begin, until=until, value=value)
    return condition


def end_condition(draft: Draft, condition_id: str) -> None:
    """Let a condition end now."""
    condition = draft.need(CONDITIONS, condition_id)
    ended = replace(condition, until=draft.now)
    units.change(draft, _concerned(draft, condition.test), lambda: draft.put(CONDITIONS, ended))
    draft.record("condition.ended", condition.id, trouble=condition.kind.value, test=condition.test)


def _concerned(draft: Draft, test: str) -> list[str]:
    return [row.id for row in draft.all(TESTS)] if test == "*" else [test]


def add_integration(
    draft: Draft,
    kind: str,
    *,
    name: str,
    target: str,
    auth: str = "none",
    user: str = "",
    token: str = "",
    static: tuple[tuple[str, str], ...] = (),
) -> Integration:
    """Add a classic webhook (``kind`` "webhook") or a PagerDuty service ("pager-duty", ``token`` = integration key)."""
    shape = ids.decimal(201 if kind == "webhook" else 21)
    prefix = "wb" if kind == "webhook" else "pgd"
    number = draft.fresh(shape, f"te.integration.{prefix}")
    integration = Integration(f"{prefix}-{number}", kind, name, target, auth, user, token, static)
    draft.put(INTEGRATIONS, integration)
    draft.record("integration.added", integration.id, integration=name, target=target)
    return integration
