"""How people read rules and measurements: ``Response Code ≥ 500 or Error is present``, ``Response Time: 1,643 ms``.

Webhooks and mails carry the rule in words; a location's ``metricsAtStart`` and ``metricsAtEnd`` name what the rule asks
about. Titles, symbols and units are those seen in the vendor's notifications.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simulators.thousandeyes.expression.judging import Maybe, Value, judge, meeting
from simulators.thousandeyes.expression.metrics import NEGATED, Form, Metric, Metrics, metrics_for, parts_for
from simulators.thousandeyes.expression.nodes import (
    TRACES,
    Auto,
    Comparison,
    Condition,
    Expression,
    Flag,
    Group,
    Junction,
    Kind,
    metrics_of,
    walk,
)

_SYMBOLS = {
    ">=": "≥",
    "<=": "≤",
    "==": "is",
    "!=": "is not",
    "=~": "matches",
    "!~": "does not match",
    "in": "in",
    "!in": "not in",
}
_GROUP_NAMES = {
    "components": "Component",
    "webPages": "Page",
    "marker": "Marker",
    "hops": "Any Hop",
    "noHops": "No Hop",
    "bgpHops": "Any AS Hop",
    "noBgpHops": "No AS Hop",
}
_PART_NAMES = {
    "components": "Component",
    "webPages": "Page",
    "marker": "Marker",
    "hops": "Hop",
    "noHops": "Hops",
    "bgpHops": "AS Hop",
    "noBgpHops": "AS Hops",
}
_DSCP = {0: "Best Effort", 46: "EF"}
_UNITS = {"min": "minutes ago", "s": "seconds", "day": "days"}


# -- rules -------------------------------------------------------------------------------------------------------------


def human(expression: Expression) -> str:
    """Return the rule as people see it in notifications, the scope left out."""
    return _human(
        expression.body, metrics_for(expression.alert_type) or {}, parts_for(expression.alert_type), outer=True
    )


def _human(part: Condition, metrics: Metrics, parts: Mapping[str, Metrics], *, outer: bool = False) -> str:
    if isinstance(part, Junction):
        joiner = " and " if part.sign == "&&" else " or "
        joined = joiner.join(_human(inner, metrics, parts) for inner in part.parts)
        return joined if outer or len(part.parts) == 1 else f"({joined})"
    if isinstance(part, Comparison):
        return _comparison(part, metrics.get(part.metric))
    if isinstance(part, Flag):
        title = metrics[part.name].title if part.name in metrics else part.name
        return f"{title} is incomplete"
    if isinstance(part, Auto):
        title = metrics[part.metric].title if part.metric in metrics else part.metric
        return f"{title} {_SYMBOLS.get(part.sign, part.sign)} dynamic baseline ({part.level} sensitivity)"
    inner = parts.get(part.name, {})
    place = "" if part.index is None else f" #{part.index}"
    chosen = "" if part.chosen is None else f" with {_human(part.chosen, inner, {})}"
    return f"{_GROUP_NAMES.get(part.name, part.name)}{place}{chosen}: {_human(part.body, inner, {}, outer=True)}"


def _comparison(part: Comparison, metric: Metric | None) -> str:
    title = part.metric if metric is None else metric.title
    if part.metric.lower().endswith("probdetail") and part.kind is Kind.STRING and part.value == "":
        return f"{title} is present" if part.sign == "!=" else f"{title} is not present"
    if part.kind is Kind.WORD and part.value in {"true", "false"}:
        positive = (part.value == "true") is (part.sign == "==")
        return title if positive else f"not {title}"
    if part.kind is Kind.WORD:
        return f"{title} is {'present' if part.sign == '!=' else 'not present'}"
    if part.kind is Kind.NUMBER:
        symbol = {"==": "=", "!=": "≠"}.get(part.sign) or _SYMBOLS.get(part.sign, part.sign)
        return f"{title} {symbol} {part.value}{_unit(part.unit)}"
    text = ", ".join(part.items) if part.kind is Kind.LIST else f'"{part.value}"'
    return f"{title} {_SYMBOLS.get(part.sign, part.sign)} {text}"


def _unit(unit: str) -> str:
    return unit if unit in {"", "%"} else f" {_UNITS.get(unit, unit)}"


# -- measurements ------------------------------------------------------------------------------------------------------


def measured(expression: Expression, values: Mapping[str, Any]) -> str:
    """Return what a location measured of the metrics the rule asks about: ``Response Code: 502``.

    Nothing measured gives the empty text. Parts of a measurement are named by their number.
    """
    if TRACES in values:
        return _traces(expression, values[TRACES])
    return ", ".join(_measured(expression, values))


def _measured(expression: Expression, values: Mapping[str, Any]) -> list[str]:
    metrics = metrics_for(expression.alert_type) or {}
    found = []
    for name in metrics_of(expression):
        metric, value = metrics.get(name), values.get(name)
        if metric is not None and value is not None:
            found.append(f"{metric.label or metric.title}: {_shown(metric, value)}")
    for part in walk(expression.body):
        if isinstance(part, Group):
            found.extend(_group(part, values.get(NEGATED.get(part.name, part.name)) or (), expression.alert_type))
    return found


def _group(group: Group, parts: tuple[Any, ...], alert_type: str) -> list[str]:
    """Describe the first part that meets a group's condition, by its number from the near end."""
    if group.name in NEGATED:
        return [f"(No {_PART_NAMES[group.name]}: Path Violates Alerting Condition)"]
    metrics = parts_for(alert_type).get(group.name, {})
    for number in meeting(group, parts)[:1]:
        part = parts[number - 1]
        names = [name for name in metrics_of(Expression(None, group.body)) if name in metrics and name in part]
        shown = ", ".join(f"{metrics[name].title}: {_shown(metrics[name], part[name])}" for name in names)
        return [f"({_PART_NAMES[group.name]} #{number}: ({shown}))"]
    return []


def _traces(expression: Expression, traces: tuple[Mapping[str, Any], ...]) -> str:
    """Describe the traces that meet the condition, or the first one when none does."""
    numbered = list(enumerate(traces, 1))
    violating = [pair for pair in numbered if judge(expression, {TRACES: (pair[1],)}) is Maybe.YES] or numbered[:1]
    told = []
    for number, trace in violating:
        shown = [text if text.startswith("(") else f"({text})" for text in _measured(expression, trace)]
        told.append(f"Path Trace #{number}: {', '.join(shown) or '()'}")
    return ", ".join(told)


def _shown(metric: Metric, value: Value) -> str:
    if metric.form is Form.FLAG:
        return "Complete" if value else "Incomplete"
    if metric.form is Form.TRUTH:
        return "Yes" if value else "No"
    if metric.form in {Form.TEXT, Form.PATTERN}:
        return f'"{value}"'
    if metric.title == "DSCP" and value in _DSCP:
        return f"{_DSCP[value]} (DSCP {value})"
    if metric.form is Form.NUMBER and isinstance(value, int):
        return _amount(value, metric)
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _amount(value: int, metric: Metric) -> str:
    """Return a number as the vendor writes it: thousands with commas, decimals where they say anything."""
    if metric.unit == "min":
        return f"{value // metric.scale:,} minutes ago"
    if metric.unit in {"ms", "kB", "kbps", "B", "day", "s"} or metric.scale == 1:
        return f"{round(value / metric.scale):,}{_unit(metric.unit)}"
    text = f"{value / metric.scale:,.2f}" if metric.unit == "" else f"{value / metric.scale:,.1f}"
    return text.rstrip("0").rstrip(".") + _unit(metric.unit)
