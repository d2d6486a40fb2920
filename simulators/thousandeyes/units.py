"""Evaluation units: when the step function is asked, and what an event does.

A unit is a (test, rule) pair. Rounds are not agenda entries; each unit has exactly one, its next transition or the
horizon one day ahead, and it is planned again whenever an input changes: a condition, the test, the rule, its agents.
A change first settles every round that has already ended under the old inputs, then edits, then plans.

Rounds start at multiples of the test's interval; a round is sampled at its start and evaluated at its end.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import replace

from simulators.engine import ids
from simulators.engine.agenda import Timer
from simulators.engine.draft import Draft, View
from simulators.engine.instants import DAY, SECOND
from simulators.thousandeyes import expression as expressions
from simulators.thousandeyes import layers, notifiers, signals, suppression
from simulators.thousandeyes.alerting import (
    IDLE,
    Changed,
    Cleared,
    Config,
    Event,
    Signal,
    State,
    Triggered,
    advance,
    unseen,
)
from simulators.thousandeyes.expression import Maybe
from simulators.thousandeyes.model import (
    ALERTS,
    CONDITIONS,
    OWNER,
    RULES,
    TESTS,
    UNITS,
    Alert,
    AlertRule,
    AlertState,
    Condition,
    Knobs,
    Location,
    Test,
    Unit,
)

TRANSITION = "transition"
HORIZON = DAY

RULE_GONE = "N/A (rule modified or removed from test)"
RULE_DELETED = "N/A (rule deleted)"
ALERTS_DISABLED = "N/A (alerts disabled)"
TEST_DISABLED = "N/A (test disabled)"
TEST_DELETED = "N/A (test deleted)"
AGENT_REMOVED = "N/A (agent removed from test)"


def units_of(view: View, test_id: str) -> list[Unit]:
    """Return the units of a test."""
    return view.find(UNITS, "test", test_id)


def change(draft: Draft, tests: Iterable[str], edit: Callable[[], None], *, edited_rule: str = "") -> None:
    """Carry out ``edit``, an edit of inputs of these tests, between settling and planning their units.

    Units of ``edited_rule`` start afresh: an alert that is active there is cleared and may trigger again.
    """
    names = list(dict.fromkeys(tests))
    before = {unit.id: unit for name in names for unit in units_of(draft, name)}
    for unit in before.values():
        settle(draft, unit)
    tests = {name: test for name in names if (test := draft.get(TESTS, name)) is not None}
    edit()
    for name in names:
        _reconcile(draft, name, tests.get(name), edited_rule)


def settle(draft: Draft, unit: Unit) -> Unit:
    """Evaluate every round of ``unit`` that has ended by now, applying what happens."""
    test, rule = draft.need(TESTS, unit.test), draft.need(RULES, unit.rule)
    interval = test.interval * SECOND
    last = draft.now // interval - 1
    config, locations = _config(draft, rule), _signals(draft, test, rule)
    while unit.done < last:
        state = State(unit.history, unit.active)
        after, number, event = _advance(draft, test, rule, config, state, locations(last), unit.done + 1, last)
        unit = replace(unit, done=number, history=after.history, active=after.active)
        if event is not None:
            unit = _happen(draft, unit, test, rule, event, (number + 1) * interval)
        draft.put(UNITS, unit)
    return unit


def plan(draft: Draft, unit: Unit) -> None:
    """Schedule the unit's next transition, or another look at the horizon."""
    test, rule = draft.need(TESTS, unit.test), draft.need(RULES, unit.rule)
    interval = test.interval * SECOND
    first = unit.done + 1
    last = max((draft.now + HORIZON) // interval - 1, first)
    state = State(unit.history, unit.active)
    signals_ahead = _signals(draft, test, rule)(last)
    _, number, _ = _advance(draft, test, rule, _config(draft, rule), state, signals_ahead, first, last)
    draft.schedule((number + 1) * interval, OWNER, TRANSITION, unit.id)


def _advance(
    view: View,
    test: Test,
    rule: AlertRule,
    config: Config,
    state: State,
    locations: list[Signal],
    first: int,
    last: int,
) -> tuple[State, int, Event | None]:
    """Do what :func:`~.alerting.advance` does, passing over rounds sampled in a suppression window."""
    interval, start = test.interval * SECOND, first
    for begin, end in suppression.quiet_spans(view, test.id, rule.aid, first * interval, (last + 1) * interval):
        quiet, loud = max(-(-begin // interval), start), min(-(-end // interval), last + 1)
        if start < quiet:
            state, number, event = advance(config, state, locations, start, quiet - 1)
            if event is not None:
                return state, number, event
        if quiet < loud:
            state, start = unseen(config, state, loud - quiet), loud
    return advance(config, state, locations, start, last)


def on_transition(draft: Draft, timer: Timer) -> None:
    """Handle a unit's agenda entry."""
    unit = draft.get(UNITS, timer.key)
    if unit is not None:
        plan(draft, settle(draft, unit))


def values_at(view: View, test: Test, agent: str, instant: int) -> dict[str, expressions.Value]:
    """Return what ``agent`` measures in the round of ``test`` sampled at ``instant``."""
    return signals.sample(view.seed, test.id, agent, instant, _conditions(view, test, agent), _limit(test))


# -- inside ------------------------------------------------------------------------------------------------------------


def _reconcile(draft: Draft, test_id: str, before: Test | None, edited_rule: str) -> None:
    """Make the units of a test fit its present settings: end, begin, restart and plan them.

    Rounds are counted in intervals, so another interval counts anew from the next round; an active alert goes on.
    """
    test = draft.get(TESTS, test_id)
    wanted: dict[str, str] = {}
    if test is not None and test.enabled and test.alerts_enabled:
        rules = [row for rule in test.rules if (row := draft.get(RULES, rule)) is not None]
        wanted = {f"{test.id}:{row.id}": row.id for row in rules if layers.evaluated(test, row.alert_type)}
    for unit in units_of(draft, test_id):
        if unit.id not in wanted:
            reason = _reason(draft, test, unit)
            _end(draft, unit, reason)
            draft.delete(UNITS, unit.id)
            draft.cancel(OWNER, TRANSITION, unit.id)
    if test is None:
        return
    removed = [] if before is None else [agent for agent in before.agents if agent not in test.agents]
    recount = before is not None and before.interval != test.interval
    for unit_id, rule_id in wanted.items():
        known = draft.get(UNITS, unit_id)
        first = -(-draft.now // (test.interval * SECOND))
        unit = known or Unit(unit_id, test.id, rule_id, first, first - 1)
        if known is not None and recount:
            unit = replace(known, first=first, done=first - 1, history=())
        if known is None or recount:
            draft.put(UNITS, unit)
        if known is not None and rule_id == edited_rule:
            _end(draft, unit, RULE_GONE)
            unit = Unit(unit_id, test.id, rule_id, unit.first, unit.done)
            draft.put(UNITS, unit)
        elif removed:
            unit = _drop_agents(draft, unit, removed)
        plan(draft, unit)


def _reason(draft: Draft, test: Test | None, unit: Unit) -> str:
    if test is None:
        return TEST_DELETED
    if not test.enabled:
        return TEST_DISABLED
    if not test.alerts_enabled:
        return ALERTS_DISABLED
    return RULE_DELETED if draft.get(RULES, unit.rule) is None else RULE_GONE


def _config(view: View, rule: AlertRule) -> Config:
    below = view.knobs(Knobs).clear_below_minimum
    # Adaptive detection ("auto") is the vendor's own; the stand-in takes the rounds as written, any location.
    mode = "exact" if rule.mode == "exact" else "any"
    return Config(mode, rule.required, rule.out_of, rule.minimum_sources, rule.minimum_pct, below)


def _limit(test: Test) -> int:
    return int(test.body.get("httpTimeLimit") or 5) * SECOND


def _conditions(view: View, test: Test, agent: str) -> tuple[Condition, ...]:
    concerned = [*view.find(CONDITIONS, "test", test.id), *view.find(CONDITIONS, "test", "*")]
    return tuple(row for row in concerned if not row.agents or agent in row.agents)


def _signals(view: View, test: Test, rule: AlertRule) -> Callable[[int], list[Signal]]:
    """Return a maker of the unit's signals for rounds up to a given one."""
    parsed = expressions.parse(rule.expression, rule.alert_type)
    taking_part = parsed.agents(test.agents)
    interval, seed, limit = test.interval * SECOND, view.seed, _limit(test)

    def make(agent: str, last: int) -> Signal:
        conditions = _conditions(view, test, agent)

        def at(number: int) -> bool:
            values = signals.sample(seed, test.id, agent, number * interval, conditions, limit)
            return expressions.holds(parsed, values)

        def over(start: int, end: int) -> Maybe:
            known = signals.bounds(seed, test.id, agent, start * interval, end * interval, conditions, limit)
            return Maybe.MAYBE if known is None else expressions.possible(parsed, known)

        edges = signals.edges(conditions, view.now - DAY, (last + 1) * interval)
        cuts = tuple(dict.fromkeys(-(-edge // interval) for edge in edges))
        return Signal(agent, at, over, cuts)

    return lambda last: [make(agent, last) for agent in taking_part]


def _happen(draft: Draft, unit: Unit, test: Test, rule: AlertRule, event: Event, instant: int) -> Unit:
    """Apply one event of a unit that took place at ``instant`` (a round's end)."""
    sampled = instant - test.interval * SECOND
    text = functools.partial(_metrics, draft, test, rule, sampled)
    if isinstance(event, Triggered):
        return _trigger(draft, unit, test, rule, event, instant, text)
    alert = draft.need(ALERTS, unit.alert)
    locations = list(alert.locations)
    for place, location in enumerate(locations):
        if location.state is AlertState.TRIGGER and location.agent in event.left:
            locations[place] = replace(
                location, until=instant, state=AlertState.CLEAR, metrics_at_end=text(location.agent)
            )
    if isinstance(event, Changed):
        locations.extend(Location(agent, instant, None, AlertState.TRIGGER, text(agent)) for agent in event.joined)
        violations = sum(location.state is AlertState.TRIGGER for location in locations)
        draft.put(ALERTS, replace(alert, locations=tuple(locations), violations=violations))
        joined, left = _names(draft, event.joined), _names(draft, event.left)
        draft.record("alert.changed", alert.id, test=test.name, rule=rule.name, joined=joined, left=left)
        return unit
    ended = replace(alert, locations=tuple(locations), end=instant, state=AlertState.CLEAR)
    _close(draft, ended, "the condition is no longer met")
    return replace(unit, alert="")


def _trigger(
    draft: Draft,
    unit: Unit,
    test: Test,
    rule: AlertRule,
    event: Triggered,
    instant: int,
    text: Callable[[str], str],
) -> Unit:
    alert = Alert(
        id=draft.fresh(ids.UUID4, "te.alert"),
        test=test.id,
        rule=rule.id,
        aid=rule.aid,
        rule_name=rule.name,
        expression=rule.expression,
        severity=rule.severity,
        start=instant,
        end=None,
        state=AlertState.TRIGGER,
        locations=tuple(Location(agent, instant, None, AlertState.TRIGGER, text(agent)) for agent in event.locations),
        violations=len(event.locations),
        test_name=test.name,
        alert_type=rule.alert_type,
        test_type=test.type,
        notifications=rule.notifications,
        notify_on_clear=rule.notify_on_clear,
    )
    draft.put(ALERTS, alert)
    draft.record(
        "alert.triggered",
        alert.id,
        test=test.name,
        test_id=test.id,
        rule=rule.name,
        severity=rule.severity,
        agents=_names(draft, event.locations),
        expression=expressions.human(expressions.parse(rule.expression, rule.alert_type)),
        metrics=text(event.locations[0]) if event.locations else "",
    )
    notifiers.notify(draft, alert)
    return replace(unit, alert=alert.id)


def _end(draft: Draft, unit: Unit, text: str) -> None:
    """End the unit's active alert by configuration."""
    alert = draft.get(ALERTS, unit.alert) if unit.alert else None
    if alert is None:
        return
    locations = tuple(
        replace(location, until=draft.now, state=AlertState.DISABLED, metrics_at_end=text)
        if location.state is AlertState.TRIGGER
        else location
        for location in alert.locations
    )
    _close(draft, replace(alert, locations=locations, end=draft.now, state=AlertState.DISABLED), text)


def _close(draft: Draft, alert: Alert, why: str) -> None:
    draft.put(ALERTS, alert)
    draft.record(
        "alert.cleared", alert.id, test=alert.test_name, rule=alert.rule_name, state=alert.state.value, why=why
    )
    notifiers.notify(draft, alert)


def _drop_agents(draft: Draft, unit: Unit, removed: list[str]) -> Unit:
    """Take removed agents out of a unit and its alert; the alert ends with its last active location."""
    history = tuple(pair for pair in unit.history if pair[0] not in removed)
    active = unit.active
    if active is not None:
        active = tuple(agent for agent in active if agent not in removed)
    alert = draft.get(ALERTS, unit.alert) if unit.alert else None
    if alert is None:
        unit = replace(unit, history=history)
    elif not active:
        _end(draft, unit, AGENT_REMOVED)
        unit = replace(unit, history=IDLE.history, active=None, alert="")
    else:
        locations = tuple(
            replace(location, until=draft.now, state=AlertState.DISABLED, metrics_at_end=AGENT_REMOVED)
            if location.agent in removed and location.state is AlertState.TRIGGER
            else location
            for location in alert.locations
        )
        draft.put(ALERTS, replace(alert, locations=locations, violations=len(active)))
        unit = replace(unit, history=history, active=active)
    draft.put(UNITS, unit)
    return unit


def _names(view: View, agents: Iterable[str]) -> list[str]:
    return [notifiers.agent_name(view, agent) for agent in agents]


def _metrics(view: View, test: Test, rule: AlertRule, instant: int, agent: str) -> str:
    parsed = expressions.parse(rule.expression, rule.alert_type)
    return expressions.measured(parsed, values_at(view, test, agent, instant))


__all__ = ["Cleared", "change", "on_transition", "plan", "settle", "units_of", "values_at"]
