"""Strategies for alert-rule expressions: any expression of any alert type, and what may be known of its metrics."""

from typing import Any

from hypothesis import strategies as st

from simulators.thousandeyes.expression import TRACES, UNSURE
from simulators.thousandeyes.expression.metrics import METRICS, NEGATED, PARTS, Form, Metric, Metrics

NAMES = ("198.51.100.7", "203.0.113.9", "www.example.com", "cdn.example", "192.0.2.0/25", "64500", "64501")
LISTED = ("198.51.100.0/24", "*.example.com", "203.0.113.9", "192.0.2.0/25")
TEXTS = ("", "None", "DNS", "503 Service Unavailable", "a/b", "Connect")


def _value(metric: Metric, sign: str) -> st.SearchStrategy[str]:
    if metric.form is Form.NUMBER:
        gap = " " if metric.unit and metric.unit != "%" else ""
        whole = st.integers(0, 30).map(str)
        return st.one_of(whole, st.just("9.5")).map(lambda text: f"{text}{gap}{metric.unit}")
    if metric.form is Form.LIST:
        items = st.lists(st.sampled_from(("64500", "64501") if metric.bare else LISTED), min_size=1, max_size=3)
        return items.map(
            lambda found: f"{{{', '.join(i if metric.bare else f'{chr(34)}{i}{chr(34)}' for i in found)}}}"
        )
    if metric.form is Form.TRUTH:
        return st.sampled_from(("true", "false"))
    if metric.form is Form.NULL:
        return st.just("null")
    if sign in {"=~", "!~"}:
        return st.sampled_from(("/5[0-9]+/", "/^DNS$/", "/[[:alpha:]]/"))
    return st.sampled_from(TEXTS).map(lambda text: f'"{text}"')


@st.composite
def _comparison(draw: st.DrawFn, metrics: Metrics) -> str:
    name = draw(st.sampled_from(sorted(metrics)))
    metric = metrics[name]
    if metric.form is Form.FLAG:
        return f"(!{name})"
    if metric.baseline and draw(st.integers(0, 4)) == 0:
        return (
            f"(Auto({name} {draw(st.sampled_from(('>=', '<')))} {draw(st.sampled_from(('High', 'Low')))} sensitivity))"
        )
    sign = draw(st.sampled_from(metric.signs))
    return f"({name} {sign} {draw(_value(metric, sign))})"


@st.composite
def _group(draw: st.DrawFn, alert_type: str) -> str:
    name = draw(st.sampled_from(sorted(PARTS[alert_type])))
    if name == "marker":
        return f'(marker[((markerName == "{draw(st.sampled_from(TEXTS))}"))]((markerDuration >= 10 ms)))'
    index = draw(st.sampled_from(("", "[1]", "[-1]", "[7]"))) if "ops" in name else ""
    return f"({name}{index}{draw(_joined(PARTS[alert_type][name], ''))})"


@st.composite
def _joined(draw: st.DrawFn, metrics: Metrics, alert_type: str, depth: int = 0) -> str:
    one: st.SearchStrategy[str] = _comparison(metrics)
    if alert_type in PARTS:
        one = st.one_of(one, _group(alert_type))
    if depth < 2:
        one = st.one_of(one, _joined(metrics, alert_type, depth + 1))
    sign = draw(st.sampled_from((" && ", " || ")))
    return f"({sign.join(draw(st.lists(one, min_size=1, max_size=3)))})"


@st.composite
def expressions(draw: st.DrawFn) -> tuple[str, str]:
    """An alert type and an expression of it, written the vendor's way."""
    alert_type = draw(st.sampled_from(sorted(METRICS)))
    scope = draw(st.sampled_from(("", '[(locationId in {"3", "4"})]', '[(locationId !in {"5"})]')))
    return alert_type, scope + draw(_joined(METRICS[alert_type], alert_type))


# -- what is known ----------------------------------------------------------------------------------------------------


@st.composite
def _known(draw: st.DrawFn, metrics: Metrics) -> dict[str, tuple[Any, Any]]:
    """Metric -> (what is known over a span, a value one of its rounds may have)."""
    found: dict[str, tuple[Any, Any]] = {}
    for name, metric in metrics.items():
        if draw(st.integers(0, 5)) == 0:
            continue
        if metric.form in {Form.NUMBER, Form.TRUTH, Form.FLAG}:
            top = 31 * metric.scale if metric.form is Form.NUMBER else 1
            low, value, high = sorted(draw(st.lists(st.integers(0, top), min_size=3, max_size=3)))
            bound: Any = (low, high)
        else:
            texts = TEXTS if metric.form in {Form.TEXT, Form.PATTERN} else NAMES
            value = draw(st.sampled_from(texts))
            if metric.form is Form.LIST and not metric.bare:
                value = (value, draw(st.sampled_from(texts)))
            bound = value
        found[name] = (UNSURE if draw(st.integers(0, 5)) == 0 else bound, value)
    return found


@st.composite
def measurements(draw: st.DrawFn, alert_type: str, text: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What is known over a span of the metrics ``text`` names, and the values of one of its rounds."""

    def named(metrics: Metrics) -> Metrics:
        return {name: metric for name, metric in metrics.items() if name in text}

    bounds: dict[str, Any] = {}
    values: dict[str, Any] = {}

    def put(found: dict[str, tuple[Any, Any]], into: dict[str, Any], values: dict[str, Any]) -> None:
        for name, (bound, value) in found.items():
            into[name] = bound
            if bound is not UNSURE or draw(st.booleans()):
                values[name] = value

    put(draw(_known(named(METRICS[alert_type]))), bounds, values)
    for name, metrics in PARTS.get(alert_type, {}).items():
        if name in NEGATED or name.lower() not in text.lower():
            continue
        parts: list[tuple[dict[str, Any], dict[str, Any]]] = []
        for _ in range(draw(st.integers(0, 3))):
            parts.append(({}, {}))
            put(draw(_known(named(metrics))), *parts[-1])
        unsure = draw(st.integers(0, 5)) == 0
        bounds[name] = UNSURE if unsure else tuple(part for part, _ in parts)
        values[name] = tuple(part for _, part in parts)
    if alert_type == "path-trace":
        return {TRACES: (bounds, bounds)}, {TRACES: (values, values)}
    return bounds, values
