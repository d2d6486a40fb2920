"""The life of an alert: how it begins, who joins and leaves, and every way in which it ends.

An alert takes its rule's facts (severity, expression, notifications) with it at the trigger; later edits do not reach
it. A location stays listed once it took part, may become active again, and keeps the measurement it started with. Every
end says why: conditions no longer met, or the configuration that took the rule, the test, a server or an agent away.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from simulators.engine import ids
from simulators.engine.draft import Draft, View
from simulators.thousandeyes import expression as expressions
from simulators.thousandeyes import notifiers, telling
from simulators.thousandeyes.alerting import IDLE, Cleared, Event, Known, Memory, Signal, Triggered, violates
from simulators.thousandeyes.model import ALERTS, UNITS, Alert, AlertRule, AlertState, Knobs, Location, Test, Unit
from simulators.thousandeyes.watching import Watch

RULE_GONE = "N/A (rule modified or removed from test)"
RULE_DELETED = "N/A (rule deleted)"
ALERTS_DISABLED = "N/A (alerts disabled)"
TEST_DISABLED = "N/A (test disabled)"
TEST_DELETED = "N/A (test deleted)"
AGENT_REMOVED = "N/A (agent removed from test)"
SERVER_REMOVED = "N/A (server removed from test)"


def happen(
    draft: Draft, unit: Unit, test: Test, rule: AlertRule, watch: Watch, event: Event, number: int, memory: Memory
) -> Unit:
    """Apply one event of a unit that took place at the end of round ``number``; ``memory`` is what is known by then."""
    if isinstance(event, Triggered):
        return _trigger(draft, unit, test, rule, watch, event, number, memory)
    instant = (number + 1) * watch.interval
    alert = draft.need(ALERTS, unit.alert)
    locations = {location.agent: location for location in alert.locations}

    def text(location: str) -> str:
        return _text(watch, location, number)

    for name in event.left:
        locations[name] = replace(locations[name], until=instant, state=AlertState.CLEAR, metrics_at_end=text(name))
    if isinstance(event, Cleared):
        ended = replace(alert, locations=tuple(locations.values()), end=instant, state=AlertState.CLEAR)
        _close(draft, ended, "the condition is no longer met", watch.unknown)
        return replace(unit, alert="")
    for name in event.joined:
        old = locations.get(name)
        again = None if old is None else replace(old, until=None, state=AlertState.TRIGGER, metrics_at_end="")
        locations[name] = again or Location(name, instant, None, AlertState.TRIGGER, text(name))
    rows = tuple(locations.values())
    violations = sum(location.state is AlertState.TRIGGER for location in rows)
    changed = replace(alert, locations=rows, violations=violations)
    draft.put(ALERTS, changed)
    joined, left = (_names(draft, alert, names) for names in (event.joined, event.left))
    draft.record("alert.changed", alert.id, test=test.name, rule=rule.name, joined=joined, left=left)
    if event.joined and draft.knobs(Knobs).joining_told:
        notifiers.notify(draft, changed)
    return unit


def _trigger(
    draft: Draft, unit: Unit, test: Test, rule: AlertRule, watch: Watch, event: Triggered, number: int, memory: Memory
) -> Unit:
    locations = []
    for name in event.locations:
        first = _streak(watch.sight(name), number, max(unit.first, number - rule.out_of + 1), memory.get(name))
        metrics = _text(watch, name, first)
        locations.append(Location(name, (first + 1) * watch.interval, None, AlertState.TRIGGER, metrics))
    alert = Alert(
        id=draft.fresh(ids.UUID4, "te.alert"),
        test=test.id,
        rule=rule.id,
        aid=rule.aid,
        rule_name=rule.name,
        expression=rule.expression,
        severity=rule.severity,
        start=(number + 1) * watch.interval,
        end=None,
        state=AlertState.TRIGGER,
        locations=tuple(locations),
        violations=len(locations),
        test_name=test.name,
        alert_type=rule.alert_type,
        test_type=test.type,
        notifications=rule.notifications,
        notify_on_clear=rule.notify_on_clear,
        part=unit.part,
        target=telling.target_of(draft, test),
        labels=telling.labels_of(draft, test, rule.aid),
    )
    draft.put(ALERTS, alert)
    draft.record(
        "alert.triggered",
        alert.id,
        test=test.name,
        test_id=test.id,
        rule=rule.name,
        severity=rule.severity,
        agents=_names(draft, alert, event.locations),
        expression=expressions.human(watch.expression),
        metrics=locations[0].metrics_at_start if locations else "",
        **_extra(unit.part, watch.unknown),
    )
    notifiers.notify(draft, alert)
    return replace(unit, alert=alert.id)


def _streak(signal: Signal, number: int, floor: int, known: Known | None) -> int:
    """Return the first round of the row of violations that ``number`` is in, not looking back beyond ``floor``."""
    if known is not None and known.violates and known.first <= number <= known.last:
        number = max(known.first, floor)
    while number > floor and violates(signal, number - 1):
        number -= 1
    return number


def end(draft: Draft, unit: Unit, text: str) -> None:
    """End the unit's active alert by configuration."""
    alert = draft.get(ALERTS, unit.alert) if unit.alert else None
    if alert is None:
        return
    locations = tuple(
        _disabled(location, draft.now, text) if location.state is AlertState.TRIGGER else location
        for location in alert.locations
    )
    _close(draft, replace(alert, locations=locations, end=draft.now, state=AlertState.DISABLED), text)


def drop(draft: Draft, unit: Unit, removed: Iterable[str]) -> Unit:
    """Take locations out of a unit and its alert; the alert ends with its last active location."""
    gone = tuple(removed)
    history = tuple(pair for pair in unit.history if pair[0] not in gone)
    active = unit.active
    if active is not None:
        active = tuple(name for name in active if name not in gone)
    alert = draft.get(ALERTS, unit.alert) if unit.alert else None
    if alert is None:
        unit = replace(unit, history=history)
    elif not active:
        end(draft, unit, AGENT_REMOVED)
        unit = replace(unit, history=IDLE.history, active=None, alert="")
    else:
        locations = tuple(
            _disabled(location, draft.now, AGENT_REMOVED)
            if location.agent in gone and location.state is AlertState.TRIGGER
            else location
            for location in alert.locations
        )
        draft.put(ALERTS, replace(alert, locations=locations, violations=len(active)))
        unit = replace(unit, history=history, active=active)
    draft.put(UNITS, unit)
    return unit


def _disabled(location: Location, instant: int, text: str) -> Location:
    return replace(location, until=instant, state=AlertState.DISABLED, metrics_at_end=text)


def _close(draft: Draft, alert: Alert, why: str, unknown: str = "") -> None:
    alert = replace(alert, suppressed=False)
    draft.put(ALERTS, alert)
    draft.record(
        "alert.cleared",
        alert.id,
        test=alert.test_name,
        rule=alert.rule_name,
        state=alert.state.value,
        why=why,
        **_extra(alert.part, unknown),
    )
    notifiers.notify(draft, alert)


def _extra(part: str, unknown: str) -> dict[str, str]:
    """Return what only some alerts have to say: their server or prefix, and what only the vendor could know."""
    return {name: value for name, value in (("part", part), ("unknown", unknown)) if value}


def _names(view: View, alert: Alert, locations: Iterable[str]) -> list[str]:
    return [telling.location_name(view, alert.alert_type, name) for name in locations]


def _text(watch: Watch, location: str, number: int) -> str:
    return expressions.measured(watch.expression, watch.sight(location).values(number))
