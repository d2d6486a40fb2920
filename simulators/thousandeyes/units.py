"""Evaluation units: when the step function is asked, and what is kept of its answers.

Rounds are not agenda entries; each unit has exactly one: its next transition, or the end of what was looked at ahead,
which reaches as far as it costs little. The entry carries what was foreseen, so that nothing is evaluated twice. A unit
is planned again whenever an input changes: a condition, the test, the rule, its agents, a suppression window. A change
first settles every round that has already ended under the old inputs, then edits, then plans.

A round is evaluated at its end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from simulators.engine.agenda import Timer
from simulators.engine.draft import Draft, View
from simulators.engine.instants import DAY
from simulators.thousandeyes import layers, lifecycle, watching
from simulators.thousandeyes.alerting import Config, Effort, Event, Memory, State, advance
from simulators.thousandeyes.expression import Value
from simulators.thousandeyes.model import OWNER, RULES, TESTS, UNITS, AlertRule, Condition, Knobs, Test, Unit, unit_id
from simulators.thousandeyes.watching import Watch

TRANSITION = "transition"
#: Nobody looks further ahead than this, and not beyond so many verdicts.
HORIZON = 30 * DAY
EFFORT = 1_000


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What a plan found, as long as its inputs stay as they are: the state after round ``number`` and what happens.

    ``memory`` is what was found out about the locations on the way.
    """

    config: Config
    number: int
    state: State
    event: Event | None
    memory: Memory


def units_of(view: View, test_id: str) -> list[Unit]:
    """Return the units of a test."""
    return view.find(UNITS, "test", test_id)


def change(draft: Draft, tests: Iterable[str], edit: Callable[[], None], *, edited_rule: str = "") -> None:
    """Carry out ``edit``, an edit of inputs of these tests, between settling and planning their units.

    Units of ``edited_rule`` start afresh: an alert that is active there is cleared and may trigger again.
    """
    names = list(dict.fromkeys(tests))
    for name in names:
        for unit in units_of(draft, name):
            settle(draft, unit)
    before = {name: test for name in names if (test := draft.get(TESTS, name)) is not None}
    edit()
    for name in names:
        _reconcile(draft, name, before.get(name), edited_rule)


def change_conditions(draft: Draft, changed: Condition, edit: Callable[[], None], *, since: int) -> None:
    """Carry out ``edit``, which makes a difference to what ``changed`` shows from ``since`` on.

    Only units with somebody who sees it look again, and only when it begins before what they foresee. What is yet to
    come changes nothing in rounds that have ended, so these need not be settled first.
    """
    who = watching.seen_by_whom(draft, changed)
    concerned = draft.all(UNITS) if changed.test == "*" else units_of(draft, changed.test)
    again: list[tuple[Unit, Memory]] = []
    for unit in concerned:
        seeing = _seeing(draft, unit, changed, who)
        timer = draft.timer(OWNER, TRANSITION, unit.id)
        if not seeing:
            continue
        if timer is not None and since >= timer.due:
            _forget(draft, timer, seeing)
            continue
        caught_up, memory = _settle(draft, unit)[:2] if since < draft.now else _skip(draft, unit)
        again.append((caught_up, _without(memory, seeing)))
    edit()
    for unit, memory in again:
        plan(draft, unit, memory)


def _without(memory: Memory, places: frozenset[str]) -> Memory:
    return {place: known for place, known in memory.items() if place not in places}


def _forget(draft: Draft, timer: Timer, places: frozenset[str]) -> None:
    """Leave a plan as it is, but not what was known beyond it of locations that will see something else."""
    if isinstance(timer.data, Foreseen):
        left = replace(timer.data, memory=_without(timer.data.memory, places))
        draft.schedule(timer.due, OWNER, TRANSITION, timer.key, left)


def _skip(draft: Draft, unit: Unit) -> tuple[Unit, Memory]:
    """Bring a unit up to now without looking, as far as nothing was foreseen; return what is known besides.

    Only the rounds that history remembers are left to be evaluated.
    """
    rule = draft.need(RULES, unit.rule)
    foreseen = _foreseen(draft.timer(OWNER, TRANSITION, unit.id), config_of(draft, rule))
    if foreseen is None:
        return unit, {}
    interval = watching.interval_of(draft.need(TESTS, unit.test), watching.alert_type_of(rule))
    done = min(draft.now // interval - 1, foreseen.number - 1) - rule.out_of
    return (replace(unit, done=done, history=()) if done > unit.done else unit), foreseen.memory


def settle(draft: Draft, unit: Unit) -> Unit:
    """Evaluate every round of ``unit`` that has ended by now, applying what happens."""
    return _settle(draft, unit)[0]


def _settle(draft: Draft, unit: Unit, timer: Timer | None = None) -> tuple[Unit, Memory, Watch | None]:
    """Settle a unit; ``timer`` is its entry where that is due.

    Returns besides what is known of its locations, and what was looked at.
    """
    rule, config = draft.need(RULES, unit.rule), config_of(draft, draft.need(RULES, unit.rule))
    foreseen = _foreseen(timer or draft.timer(OWNER, TRANSITION, unit.id), config)
    memory = {} if foreseen is None else dict(foreseen.memory)
    test = draft.need(TESTS, unit.test)
    interval = watching.interval_of(test, watching.alert_type_of(rule))
    last = draft.now // interval - 1
    if unit.done >= last:
        return unit, memory, None
    watch = watching.watch(draft, unit, test, rule)
    while unit.done < last:
        if foreseen is not None and foreseen.number <= last:
            state, number, event = foreseen.state, foreseen.number, foreseen.event
        else:
            state, first = State(unit.history, unit.active), unit.done + 1
            if foreseen is not None and first <= last - rule.out_of:
                # Nothing happens up to now: only the rounds that history remembers are of interest.
                state, first = replace(state, history=()), last - rule.out_of + 1
            state, number, event = advance(config, state, watch.signals, first, last, None, memory)
        foreseen = None
        unit = replace(unit, done=number, history=state.history, active=state.active)
        if event is not None:
            unit = lifecycle.happen(draft, unit, test, rule, watch, event, number, memory)
        draft.put(UNITS, unit)
    return unit, memory, watch


def plan(draft: Draft, unit: Unit, memory: Memory | None = None, watch: Watch | None = None) -> None:
    """Schedule the unit's next transition, or another look where looking ahead ended.

    ``memory`` is what is still known of its locations, ``watch`` what it looks at where that is at hand.
    """
    rule = draft.need(RULES, unit.rule)
    watch = watch or watching.watch(draft, unit, draft.need(TESTS, unit.test), rule)
    config = config_of(draft, rule)
    first = unit.done + 1
    last = max((draft.now + HORIZON) // watch.interval - 1, first)
    known: Memory = {} if memory is None else memory
    now = State(unit.history, unit.active)
    state, number, event = advance(config, now, watch.signals, first, last, Effort(EFFORT), known)
    foreseen = Foreseen(config, number, state, event, known)
    draft.schedule((number + 1) * watch.interval, OWNER, TRANSITION, unit.id, foreseen)


def on_transition(draft: Draft, timer: Timer) -> None:
    """Handle a unit's agenda entry."""
    unit = draft.get(UNITS, timer.key)
    if unit is not None:
        plan(draft, *_settle(draft, unit, timer))


def config_of(view: View, rule: AlertRule) -> Config:
    """Return a rule's global condition.

    Adaptive detection ("auto") is the vendor's own; the stand-in takes the rounds as written, any location.
    """
    mode = "exact" if rule.mode == "exact" else "any"
    below = view.knobs(Knobs).clear_below_minimum
    return Config(mode, rule.required, rule.out_of, rule.minimum_sources, rule.minimum_pct, below)


def values_at(
    view: View, test: Test, agent: str, instant: int, alert_type: str = "http-server", part: str = ""
) -> dict[str, Value]:
    """Return what ``agent`` measures of a layer (by its alert type) in the round that starts at ``instant``."""
    return watching.measured(view, test, agent, instant, alert_type, part)


# -- inside ------------------------------------------------------------------------------------------------------------


def _foreseen(timer: Timer | None, config: Config) -> Foreseen | None:
    """Return what a unit's entry foresees, unless a knob has been turned since."""
    data = None if timer is None else timer.data
    return data if isinstance(data, Foreseen) and data.config == config else None


def _seeing(view: View, unit: Unit, changed: Condition, who: frozenset[str]) -> frozenset[str]:
    """Return who of a unit sees a condition."""
    if changed.parts and unit.part and unit.part not in changed.parts:
        return frozenset()
    test, rule = view.need(TESTS, unit.test), view.need(RULES, unit.rule)
    return who.intersection(watching.locations_of(test, watching.alert_type_of(rule)))


def _reconcile(draft: Draft, test_id: str, before: Test | None, edited_rule: str) -> None:
    """Make the units of a test fit its present settings: end, begin, restart and plan them.

    Rounds are counted in intervals, so another interval counts anew from the next round; an active alert goes on.
    """
    test = draft.get(TESTS, test_id)
    wanted = _wanted(draft, test)
    for unit in units_of(draft, test_id):
        if unit.id not in wanted:
            lifecycle.end(draft, unit, _reason(draft, test, unit))
            draft.delete(UNITS, unit.id)
            draft.cancel(OWNER, TRANSITION, unit.id)
    for name, (rule, part) in wanted.items():
        assert test is not None
        _fit(draft, name, test, before, rule, part, edited=rule.id == edited_rule)


def _wanted(view: View, test: Test | None) -> dict[str, tuple[AlertRule, str]]:
    """Return the units a test should have: their ids, with rule and part."""
    if test is None or not test.enabled or not test.alerts_enabled:
        return {}
    rules = [row for rule in test.rules if (row := view.get(RULES, rule)) is not None]
    return {
        unit_id(test.id, rule.id, part): (rule, part)
        for rule in rules
        if layers.accepts(test.type, test.body, rule)
        for part in watching.parts_of(view, test, rule)
    }


def _fit(draft: Draft, name: str, test: Test, before: Test | None, rule: AlertRule, part: str, *, edited: bool) -> None:
    """Make one unit fit, and plan it."""
    kind = watching.alert_type_of(rule)
    interval = watching.interval_of(test, kind)
    known = draft.get(UNITS, name)
    first = -(-draft.now // interval)
    unit = known or Unit(name, test.id, rule.id, first, first - 1, part=part)
    recount = known is not None and before is not None and watching.interval_of(before, kind) != interval
    if recount:
        unit = replace(unit, first=first, done=first - 1, history=())
    if edited and known is not None:
        lifecycle.end(draft, unit, lifecycle.RULE_GONE)
        unit = Unit(name, test.id, rule.id, unit.done + 1, unit.done, part=part)
        if draft.knobs(Knobs).history_kept_on_edit:
            unit = replace(unit, history=_history(draft, unit, test, rule))
    draft.put(UNITS, unit)
    if known is None or edited:
        _say_unknown(draft, unit, test, rule)
    removed = [] if before is None else _removed(before, test, kind)
    if removed and known is not None:
        unit = lifecycle.drop(draft, unit, removed)
    plan(draft, unit)


def _history(view: View, unit: Unit, test: Test, rule: AlertRule) -> tuple[tuple[str, int], ...]:
    """Return what a unit would remember of the rounds before ``unit.first``, had its rule always been this one."""
    config = config_of(view, rule)
    never = replace(config, required=config.out_of + 1)
    watch = watching.watch(view, unit, test, rule)
    first = max(unit.done - rule.out_of + 1, -(-test.created // watch.interval))
    return advance(never, State(), watch.signals, first, unit.done, None)[0].history if first <= unit.done else ()


def _removed(before: Test, test: Test, kind: str) -> list[str]:
    left = watching.locations_of(test, kind)
    return [name for name in watching.locations_of(before, kind) if name not in left]


def _say_unknown(draft: Draft, unit: Unit, test: Test, rule: AlertRule) -> None:
    """Write down that only the vendor can really evaluate a rule, and what stands in."""
    unknown = watching.watch(draft, unit, test, rule).unknown
    if unknown:
        draft.record("alerting.unknown", unit.id, test=test.name, rule=rule.name, why=unknown)


def _reason(view: View, test: Test | None, unit: Unit) -> str:
    if test is None:
        return lifecycle.TEST_DELETED
    if not test.enabled:
        return lifecycle.TEST_DISABLED
    if not test.alerts_enabled:
        return lifecycle.ALERTS_DISABLED
    rule = view.get(RULES, unit.rule)
    if rule is None:
        return lifecycle.RULE_DELETED
    server = unit.part and rule.id in test.rules and watching.alert_type_of(rule) == "dns-server"
    return lifecycle.SERVER_REMOVED if server else lifecycle.RULE_GONE
