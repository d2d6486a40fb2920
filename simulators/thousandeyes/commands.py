"""The verbs of ThousandEyes: what the API, the control plane and a stage can do, as functions of a draft.

Every verb that edits an input of the alerting goes through :func:`simulators.thousandeyes.units.change`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from simulators.engine import ids
from simulators.engine.draft import KNOBS, Draft, KnobsRow
from simulators.engine.resources import Document, freeze
from simulators.thousandeyes import (
    agent_alerts,
    catalogue,
    conditions,
    documents,
    expression,
    forecast,
    suppression,
    units,
)
from simulators.thousandeyes.model import (
    ACCOUNT_GROUPS,
    AGENTS,
    CONDITION_ID,
    CONDITIONS,
    DOCUMENTS,
    INTEGRATIONS,
    OWNER,
    RULE_ID,
    RULES,
    TEST_ID,
    TEST_VERSIONS,
    TESTS,
    TOKENS,
    USERS,
    AccountGroup,
    Agent,
    AlertRule,
    Condition,
    Integration,
    Knobs,
    Test,
    TestVersion,
    Token,
    Trouble,
    User,
)

#: Kind of integration -> prefix and first number of its ids.
INTEGRATION_IDS = {
    "webhook": ("wb", 201),
    "pager-duty": ("pgd", 21),
    "slack": ("sl", 101),
    "service-now": ("sn", 301),
    "app-dynamics": ("ad", 401),
}
DEFAULT_AID = "1001"
DEFAULT_TOKEN = "te-rehearsal-token"  # noqa: S105 - the published token of a simulator
FIRST_ENTERPRISE_AGENT = ids.decimal(562949953424211)


def open_account(
    draft: Draft,
    *,
    name: str = "Rehearsal",
    user: str = "Rehearsal Admin",
    email: str = "admin@example.com",
    time_zone: str = "UTC",
    token: str = DEFAULT_TOKEN,
) -> None:
    """Make an account group with one user who may do everything, one API token, and all of the catalogue."""
    for place, (city, country, latitude, longitude) in enumerate(catalogue.CITIES):
        network = catalogue.PROVIDERS[place % len(catalogue.PROVIDERS)]
        agent = Agent(str(place + 3), city, country, city, (f"192.0.2.{place + 3}",), network, latitude, longitude)
        draft.put(AGENTS, agent)
    for role_id, role, permissions in catalogue.ROLES:
        body = freeze({"name": role, "isBuiltin": True, "permissions": list(permissions)})
        draft.put(DOCUMENTS, Document(role_id, "role", body, draft.now, draft.now))
    draft.put(ACCOUNT_GROUPS, AccountGroup(DEFAULT_AID, name, time_zone=time_zone))
    add_default_rules(draft, DEFAULT_AID)
    admin = catalogue.ROLES[0][0]
    draft.put(USERS, User("1", user, email, DEFAULT_AID, (DEFAULT_AID,), draft.now, all_roles=(admin,)))
    draft.put(TOKENS, Token(token, "1"))


def add_default_rules(draft: Draft, aid: str) -> None:
    """Give an account group the default alert rules and agent notification rules of the vendor."""
    agent_alerts.add_default_rules(draft, aid)
    for alert_type, name, text, sources, rounds in catalogue.DEFAULT_RULES:
        share = sources.endswith("%")
        rule = AlertRule(
            id=draft.fresh(catalogue.DEFAULT_RULE_ID, "te.rule.default"),
            aid=aid,
            name=name,
            alert_type=alert_type,
            expression=text,
            out_of=rounds,
            required=rounds,
            minimum_sources=None if share else int(sources),
            minimum_pct=int(sources[:-1]) if share else None,
            is_default=True,
        )
        draft.put(RULES, rule)


def add_agent(
    draft: Draft, name: str, *, country: str = "US", location: str = "", aids: tuple[str, ...] = (DEFAULT_AID,)
) -> Agent:
    """Install an enterprise agent for the account groups ``aids``."""
    number = draft.fresh(FIRST_ENTERPRISE_AGENT, "te.agent")
    last = int(number) % 250 + 1
    body = freeze({"hostname": name, "publicIpAddresses": [f"203.0.113.{last}"], "keepBrowserCache": False})
    agent = Agent(number, name, country, location or name, (f"198.51.100.{last}",), "Example Enterprise (AS 64511)",
                  kind="enterprise", aids=aids, created=draft.now, body=body)  # fmt: skip
    draft.put(AGENTS, agent)
    draft.record("agent.added", agent.id, agent=name)
    agent_alerts.review_agent(draft, agent)
    return agent


def add_token(draft: Draft, token: str, user_id: str) -> None:
    """Give a user another API token."""
    draft.put(TOKENS, Token(token, draft.need(USERS, user_id).id))
    draft.record("token.added", user_id)


def set_knobs(draft: Draft, **changes: Any) -> Knobs:
    """Change knobs (names of :class:`Knobs`); what has ended by now was decided under the old ones."""
    changed = replace(draft.knobs(Knobs), **changes)
    tests = [test.id for test in draft.all(TESTS)]
    units.change(draft, tests, lambda: draft.put(KNOBS, KnobsRow.of(changed)))
    draft.record("knobs.set", OWNER, **changes)
    return changed


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
    _keep_version(draft, test, created_by)
    draft.record("test.created", test.id, test=test.name)
    return test


def update_test(draft: Draft, test_id: str, **changes: Any) -> Test:
    """Change fields of a test (names of :class:`Test`); units begin, end or go on accordingly."""
    if "body" in changes:
        changes["body"] = freeze(changes["body"])
    test = replace(draft.need(TESTS, test_id), modified=draft.now, **changes)
    units.change(draft, [test_id], lambda: draft.put(TESTS, test))
    _keep_version(draft, test, test.modified_by or test.created_by)
    draft.record("test.updated", test.id, test=test.name, fields=sorted(changes))
    return test


def _keep_version(draft: Draft, test: Test, by: str) -> None:
    version = draft.fresh(ids.UUID4, "te.test.version")
    draft.put(TEST_VERSIONS, TestVersion(version, test.id, draft.now, by, test))


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

    A new severity alone touches future alerts only, and what stays as it was touches nothing. ``tests`` replaces the
    assignment when given.
    """
    for name in ("notifications", "body"):
        if name in changes:
            changes[name] = freeze(changes[name])
    before = draft.need(RULES, rule_id)
    rule = replace(before, **changes)
    expression.parse(rule.expression, rule.alert_type)
    concerned = [test.id for test in draft.all(TESTS) if rule_id in test.rules]
    edited = rule_id if rule != replace(before, severity=rule.severity) else ""
    units.change(draft, concerned, lambda: draft.put(RULES, rule), edited_rule=edited)
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
    value: int | None = None,
    **how: Any,
) -> Condition:
    """Make something go wrong from ``since`` (default now) until ``until`` (microseconds; ``None`` = for good).

    ``value`` defaults to the kind's own, ``how`` are further fields of :class:`Condition`.
    """
    begin = draft.now if since is None else since
    amount = conditions.MEANINGS[kind].default or 0 if value is None else value
    number = draft.fresh(CONDITION_ID, "te.condition")
    condition = Condition(number, kind, test, begin, until, agents, amount, **how)
    units.change_conditions(draft, condition, lambda: draft.put(CONDITIONS, condition), since=begin)
    agent_alerts.review(draft, condition)
    seen_by = conditions.seen_by(condition)
    draft.record(
        "condition.added",
        condition.id,
        trouble=kind.value,
        test=test,
        since=begin,
        until=until,
        value=amount,
        **({"seen_by": seen_by} if seen_by else {}),
    )
    return condition


def load_conditions(draft: Draft, text: str) -> list[Condition]:
    """Add the conditions of a TOML document, all or none; raises :class:`~.forecast.ForecastError`."""
    return [add_condition(draft, **wish) for wish in forecast.read_document(draft, text)]


def end_condition(draft: Draft, condition_id: str) -> None:
    """Let a condition end now; one that is over already stays as it is."""
    condition = draft.need(CONDITIONS, condition_id)
    if condition.until is not None and condition.until <= draft.now:
        return
    ended = replace(condition, until=draft.now)
    units.change_conditions(draft, condition, lambda: draft.put(CONDITIONS, ended), since=draft.now)
    agent_alerts.review(draft, ended)
    draft.record("condition.ended", condition.id, trouble=condition.kind.value, test=condition.test)


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
    """Add an integration: a classic webhook ("webhook"), or another ``kind`` of :data:`INTEGRATION_IDS`.

    A PagerDuty service's ``token`` is its integration key.
    """
    prefix, first = INTEGRATION_IDS[kind]
    number = draft.fresh(ids.decimal(first), f"te.integration.{prefix}")
    integration = Integration(f"{prefix}-{number}", kind, name, target, auth, user, token, static)
    draft.put(INTEGRATIONS, integration)
    draft.record("integration.added", integration.id, integration=name, target=target)
    return integration


def create_window(draft: Draft, aid: str, body: Mapping[str, Any]) -> Document:
    """Make an alert suppression window for the tests in its ``testIds``."""
    made: list[Document] = []
    tests = body.get("testIds", ())
    units.change(draft, tests, lambda: made.append(documents.create(draft, suppression.KIND, aid, body)))
    return made[0]


def update_window(draft: Draft, window: Document, body: Mapping[str, Any]) -> Document:
    """Give a suppression window another body; rounds that have ended were decided under the old one."""
    made: list[Document] = []
    tests = [*window.body.get("testIds", ()), *body.get("testIds", ())]
    units.change(draft, tests, lambda: made.append(documents.replace_body(draft, window, body)))
    return made[0]


def delete_window(draft: Draft, window: Document) -> None:
    """Delete a suppression window."""
    units.change(draft, window.body.get("testIds", ()), lambda: documents.delete(draft, window))
