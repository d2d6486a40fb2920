"""Real-time suppression: somebody silences an alert, or everything about a rule, from this moment on for a while.

Meanwhile the data are not looked at: nothing begins, nothing ends, nobody is told, and the alert says that it is
suppressed. When the silence is over and the conditions still hold, the alert triggers again under its own id: its
version goes up by one, and whoever was told is told once more (a knob, because no source says). When they do not hold,
the next round clears it as usual. Scheduled windows are another matter (:mod:`~.suppression`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from simulators.engine import instants
from simulators.engine.agenda import Timer
from simulators.engine.draft import Draft
from simulators.thousandeyes import notifiers, units, watching
from simulators.thousandeyes.alerting import violates
from simulators.thousandeyes.model import (
    ALERTS,
    OWNER,
    RULES,
    SILENCES,
    TESTS,
    UNITS,
    Alert,
    AlertState,
    Knobs,
    Silence,
    Unit,
)

SILENCE_ENDS = "silence-ends"


def suppress_alert(draft: Draft, alert_id: str, span: int) -> None:
    """Silence an active alert for ``span`` microseconds; one that has ended stays as it is."""
    alert = draft.need(ALERTS, alert_id)
    if alert.state is AlertState.TRIGGER:
        _suppress(draft, [draft.need(UNITS, alert.unit)], span)


def suppress_rule(draft: Draft, rule_id: str, span: int) -> None:
    """Silence everything about a rule for ``span`` microseconds, on every test that has it."""
    rule = draft.need(RULES, rule_id)
    _suppress(draft, draft.find(UNITS, "rule", rule.id), span)


def on_end(draft: Draft, timer: Timer) -> None:
    """Handle the end of a silence."""
    unit = draft.get(UNITS, timer.key)
    alert = None if unit is None or not unit.alert else draft.get(ALERTS, unit.alert)
    if unit is None or alert is None or not alert.suppressed:
        return
    holds = _holds(draft, unit)
    released = replace(alert, suppressed=False, version=alert.version + holds)
    draft.put(ALERTS, released)
    draft.record("alert.released", alert.id, test=alert.test_name, rule=alert.rule_name, holds=holds)
    if holds and draft.knobs(Knobs).second_notification:
        notifiers.notify(draft, released)


def _suppress(draft: Draft, concerned: Iterable[Unit], span: int) -> None:
    rows = list(concerned)

    def edit() -> None:
        for unit in rows:
            silence = _silence(draft, unit, draft.now + span)
            draft.put(SILENCES, silence)
            draft.schedule(silence.until, OWNER, SILENCE_ENDS, unit.id)

    units.change(draft, [unit.test for unit in rows], edit)
    for unit in rows:
        alert = _alert_of(draft, unit)
        if alert is not None:
            draft.put(ALERTS, replace(alert, suppressed=True))
            clock = instants.clock(draft.need(SILENCES, unit.id).until)
            draft.record("alert.suppressed", alert.id, test=alert.test_name, rule=alert.rule_name, until=clock)


def _silence(draft: Draft, unit: Unit, until: int) -> Silence:
    """Return a unit's silence from now on, or the one it is in, prolonged: a short one does not end a long one."""
    known = draft.get(SILENCES, unit.id)
    if known is None or known.until <= draft.now:
        return Silence(unit.id, draft.now, until)
    return replace(known, until=max(known.until, until))


def _alert_of(draft: Draft, unit: Unit) -> Alert | None:
    """Return the unit's open alert (settling may just have ended one)."""
    settled = draft.get(UNITS, unit.id)
    return None if settled is None or not settled.alert else draft.get(ALERTS, settled.alert)


def _holds(draft: Draft, unit: Unit) -> bool:
    """Return whether some location violates the rule in the newest round that has ended."""
    watch = watching.watch(draft, unit, draft.need(TESTS, unit.test), draft.need(RULES, unit.rule), silenced=False)
    newest = draft.now // watch.interval - 1
    return any(violates(sight, newest) for sight in watch.signals)
