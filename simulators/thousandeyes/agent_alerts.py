"""Agent notifications: alerts about enterprise agents themselves, that one is not heard of or its clock is off.

An account group has rules of this kind of its own, two of them by default; whom they tell is set in the vendor's pages
only. A rule looks at each enterprise agent of its group for itself, has neither rounds nor tests, and is untouched by
suppression windows. An agent and a rule have one agenda entry: when the verdict changes next, as far as is foreseen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from simulators.engine import ids
from simulators.engine.agenda import Timer
from simulators.engine.draft import Draft, View
from simulators.engine.instants import DAY, MINUTE
from simulators.engine.resources import Document, freeze
from simulators.thousandeyes import catalogue, conditions, documents, expression, notifiers, signals
from simulators.thousandeyes.medium import Target, probe
from simulators.thousandeyes.model import (
    AGENTS,
    ALERTS,
    CONDITIONS,
    OWNER,
    Agent,
    Alert,
    AlertState,
    Condition,
    Location,
    Trouble,
)

RULE, LOOK = "agent-rule", "agent-look"
ALERT_TYPE = "agent"
ALERT_ID = ids.decimal(562949955000593)
AGENT_GONE = "N/A (agent removed)"
AGENT_DISABLED = "N/A (agent disabled)"
#: Nobody looks further ahead than this, and minute by minute while something grows.
AHEAD, STEP = DAY, MINUTE
_LOOKED_AT = (Trouble.OFFLINE, Trouble.CLOCK)
NO_ONE: Mapping[str, Any] = {"email": {"recipients": [], "message": ""}, "thirdParty": [], "webhook": []}


def add_default_rules(draft: Draft, aid: str) -> None:
    """Give an account group the default agent notification rules; they tell nobody until somebody is named."""
    for name, text in catalogue.AGENT_RULES:
        body = {"ruleName": name, "expression": text, "notifyOnClear": True, "isDefault": True, "notifications": NO_ONE}
        documents.create(draft, RULE, aid, body)


def set_notifications(draft: Draft, rule: Document, notifications: Mapping[str, Any]) -> Document:
    """Say whom an agent notification rule tells (as alert rules say it); what is active already stays as it was."""
    return documents.replace_body(draft, rule, {**rule.body, "notifications": {**NO_ONE, **notifications}})


def afflictions(view: View, agent: Agent, *kinds: Trouble) -> list[Condition]:
    """Return what is or will be wrong with an agent as a whole, of some kinds."""
    found = view.find(CONDITIONS, "test", "*")
    return [row for row in found if row.kind in kinds and conditions.concerns(row, agent.id, agent)]


def review(draft: Draft, condition: Condition | None = None) -> None:
    """Look at agents again after anything that may make a difference: at those that see ``condition``, or at all."""
    if condition is not None and (condition.kind not in _LOOKED_AT or condition.test != "*"):
        return
    active = _active(draft)
    watched: set[tuple[str, str]] = set()
    for agent in list(draft.all(AGENTS)):
        for rule in _rules(draft, agent):
            watched.add((agent.id, rule.id))
            if condition is None or conditions.concerns(condition, agent.id, agent):
                _look(draft, agent, rule, active)
    for key, alert in active.items():
        if key not in watched:
            _end(draft, alert, AlertState.DISABLED, AGENT_GONE)


def review_agent(draft: Draft, agent: Agent) -> None:
    """Look at one agent again."""
    active = _active(draft)
    for rule in _rules(draft, agent):
        _look(draft, agent, rule, active)


def on_look(draft: Draft, timer: Timer) -> None:
    """Handle the moment at which a verdict was foreseen to change."""
    agent_id, _, rule_id = timer.key.partition(":")
    agent = draft.get(AGENTS, agent_id)
    for rule in () if agent is None else _rules(draft, agent):
        if rule.id == rule_id and agent is not None:
            _look(draft, agent, rule, _active(draft))


def _rules(view: View, agent: Agent) -> Iterator[Document]:
    if agent.kind != "cloud":
        for aid in agent.aids:
            yield from documents.all_of(view, RULE, aid)


Active = Mapping[tuple[str, str], Alert]


def _active(view: View) -> Active:
    """Return the active alerts about agents by agent and rule."""
    found = view.find(ALERTS, "state", AlertState.TRIGGER.value)
    return {(row.locations[0].agent, row.rule): row for row in found if row.alert_type == ALERT_TYPE}


def _look(draft: Draft, agent: Agent, rule: Document, active: Active) -> None:
    """Let an alert begin or end, and plan the next look."""
    key = f"{agent.id}:{rule.id}"
    wrong = afflictions(draft, agent, *_LOOKED_AT)
    alert = active.get((agent.id, rule.id))
    holds = agent.enabled and _holds(draft, agent, rule, wrong, draft.now)
    if holds and alert is None:
        _begin(draft, agent, rule, wrong)
    elif alert is not None and not agent.enabled:
        _end(draft, alert, AlertState.DISABLED, AGENT_DISABLED)
    elif alert is not None and not holds:
        _end(draft, alert, AlertState.CLEAR, _text(draft, agent, rule, wrong))
    following = _next_look(draft, agent, rule, wrong, holds=holds) if agent.enabled else None
    if following is None:
        draft.cancel(OWNER, LOOK, key)
    else:
        draft.schedule(following, OWNER, LOOK, key)


def _next_look(draft: Draft, agent: Agent, rule: Document, wrong: list[Condition], *, holds: bool) -> int | None:
    """Return when to look next, ``None`` when nothing more is known to come."""
    edge = conditions.next_edge(wrong, draft.now)
    in_force = [row for row in wrong if conditions.in_force(row, draft.now)]
    last = min(edge, draft.now + AHEAD)
    base = min((conditions.began(row, draft.now) for row in in_force), default=last)
    instant = base + ((draft.now - base) // STEP + 1) * STEP
    while instant < last:
        if _holds(draft, agent, rule, wrong, instant) is not holds:
            return instant
        instant += STEP
    return last if in_force else edge if edge < conditions.NEVER else None


def _values(view: View, agent: Agent, wrong: list[Condition], instant: int) -> dict[str, Any]:
    here = probe(Target(view.seed, "agent", ALERT_TYPE), agent.id)
    return signals.sample(here, instant, wrong)


def _holds(view: View, agent: Agent, rule: Document, wrong: list[Condition], instant: int) -> bool:
    return expression.holds(_parsed(rule), _values(view, agent, wrong, instant))


def _parsed(rule: Document) -> expression.Expression:
    return expression.parse(rule.body["expression"], ALERT_TYPE)


def _text(view: View, agent: Agent, rule: Document, wrong: list[Condition]) -> str:
    return expression.measured(_parsed(rule), _values(view, agent, wrong, view.now))


def _begin(draft: Draft, agent: Agent, rule: Document, wrong: list[Condition]) -> None:
    text = _text(draft, agent, rule, wrong)
    alert = Alert(
        id=draft.fresh(ALERT_ID, "te.alert.agent"),
        test="",
        rule=rule.id,
        aid=rule.parent,
        rule_name=rule.body["ruleName"],
        expression=rule.body["expression"],
        severity="info",
        start=draft.now,
        end=None,
        state=AlertState.TRIGGER,
        locations=(Location(agent.id, draft.now, None, AlertState.TRIGGER, text),),
        violations=1,
        test_name=agent.name,
        alert_type=ALERT_TYPE,
        test_type="",
        notifications=freeze(rule.body["notifications"]),
        notify_on_clear=rule.body["notifyOnClear"],
        part=agent.ips[0] if agent.ips else agent.name,
    )
    draft.put(ALERTS, alert)
    draft.record(
        "alert.triggered",
        alert.id,
        test=agent.name,
        rule=alert.rule_name,
        severity=alert.severity,
        agents=[agent.name],
        expression=expression.human(_parsed(rule)),
        metrics=text,
    )
    notifiers.notify(draft, alert)


def _end(draft: Draft, alert: Alert, state: AlertState, text: str) -> None:
    location = replace(alert.locations[0], until=draft.now, state=state, metrics_at_end=text)
    ended = replace(alert, end=draft.now, state=state, locations=(location,))
    draft.put(ALERTS, ended)
    draft.record("alert.cleared", alert.id, test=alert.test_name, rule=alert.rule_name, state=state.value, why=text)
    notifiers.notify(draft, ended)
