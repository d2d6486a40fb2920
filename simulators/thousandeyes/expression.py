"""Alert-rule expressions: parse with position and expectation, print back, evaluate, and evaluate over intervals.

The language is ThousandEyes' own (``((responseCode >= 500) || (errorType != "None"))``, with an optional location scope
``[(locationId in {"3"})]``). No grammar is published; this one is derived from the vendor's documented examples and
accepts all of them. Evaluation comes in two forms: :func:`holds` over one round's values, and :func:`possible` over
bounds of many rounds, which answers yes, no or maybe and lets the alerting code skip rounds that cannot matter.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from ipaddress import ip_address, ip_network

#: A metric's value in one round: an integer in the metric's smallest unit, or a text.
Value = int | str
#: What is known of a metric over many rounds: inclusive integer bounds, or the one text it has throughout.
Bound = tuple[int, int] | str

NO_ERROR = ""


class ExpressionError(ValueError):
    """An expression that cannot be read: ``position`` (0-based) and what was ``expected`` there."""

    def __init__(self, source: str, position: int, expected: str) -> None:
        found = source[position : position + 12] or "the end"
        super().__init__(f"at position {position}: expected {expected}, found {found!r}")
        self.position = position
        self.expected = expected


class Maybe(StrEnum):
    """A three-valued verdict."""

    YES = "yes"
    NO = "no"
    MAYBE = "maybe"


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric of an alert type: allowed comparison signs, unit as written, and how many smallest units one unit is."""

    signs: tuple[str, ...]
    unit: str = ""
    scale: int = 1
    title: str = ""
    text: bool = False


_ORDER = ("<", "<=", "==", "!=", ">=", ">")
_REGEX = ("=~", "!~", "==", "!=")


def _time(title: str) -> Metric:
    return Metric(_ORDER, "ms", 1_000, title)


#: Alert type -> metric name -> what may be said about it. Times are kept in microseconds, sizes in bytes.
METRICS: dict[str, dict[str, Metric]] = {
    "http-server": {
        "responseCode": Metric(_ORDER, title="Response Code"),
        "dnsTime": _time("DNS Time"),
        "connectTime": _time("Connect Time"),
        "sslTime": _time("SSL Time"),
        "waitTime": _time("Wait Time"),
        "receiveTime": _time("Receive Time"),
        "totalTime": _time("Total Time"),
        "responseTime": _time("Response Time"),
        "errorType": Metric(("==", "!="), title="Error Type", text=True),
        "clientSslAlertCode": Metric(("==", "!="), title="Client SSL Alert Code"),
        "serverSslAlertCode": Metric(("==", "!="), title="Server SSL Alert Code"),
        "throughput": Metric(_ORDER, "kbps", 1, "Throughput"),
        "responseHeaders": Metric(("=~", "!~"), title="Response Headers", text=True),
        "probDetail": Metric(_REGEX, title="Error", text=True),
        "redirectCount": Metric(_ORDER, title="Redirect Count"),
        "wireSize": Metric(_ORDER, "kB", 1_000, "Wire Size"),
        "certificateValidity": Metric(_ORDER, "day", 1, "Certificate Validity"),
    }
}


@dataclass(frozen=True, slots=True)
class Comparison:
    """``metric sign value``; ``value`` as written, ``kind`` number, string, regex, word or list."""

    metric: str
    sign: str
    value: str
    kind: str
    unit: str = ""
    items: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Flag:
    """``!pageLoaded``."""

    name: str


@dataclass(frozen=True, slots=True)
class Auto:
    """``Auto(metric >= Medium sensitivity)``: dynamic baselining, which nobody outside the vendor can compute."""

    metric: str
    sign: str
    level: str


@dataclass(frozen=True, slots=True)
class Group:
    """``components(...)``, ``hops[-1](...)``: a condition on parts of a measurement."""

    name: str
    index: str
    body: Junction
    marker: str = ""


@dataclass(frozen=True, slots=True)
class Junction:
    """Conditions joined by one kind of operator (``&&`` or ``||``; a single condition has ``&&``)."""

    sign: str
    parts: tuple[Condition, ...]


Condition = Comparison | Flag | Auto | Group | Junction


@dataclass(frozen=True, slots=True)
class Expression:
    """A whole rule: the optional location ``scope`` and the conditions."""

    scope: Junction | None
    body: Junction

    def agents(self, candidates: tuple[str, ...]) -> tuple[str, ...]:
        """Return those of ``candidates`` (agent ids) the location scope lets take part."""
        if self.scope is None:
            return candidates
        return tuple(agent for agent in candidates if _in_scope(self.scope, agent))


def _in_scope(scope: Condition, agent: str) -> bool:
    if isinstance(scope, Junction):
        joined = all if scope.sign == "&&" else any
        return joined(_in_scope(part, agent) for part in scope.parts)
    if isinstance(scope, Comparison) and scope.metric == "locationId":
        return (agent in scope.items) is (scope.sign == "in")
    return True


# -- reading -----------------------------------------------------------------------------------------------------------

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*")
_SIGN = re.compile(r"<=|>=|==|!=|=~|!~|<|>|!in\b|in\b")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_UNIT = re.compile(r"\s?(ms|%|kbps|Mbps|kB|B|day|min|s)(?![A-Za-z])")
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')
_PATTERN = re.compile(r"/((?:[^/\\]|\\.)*)/")
_INDEX = re.compile(r"\[(-?\d+)\]")
_GROUPS = ("components", "webPages", "hops", "noHops", "bgpHops", "noBgpHops")


class _Reader:
    def __init__(self, source: str) -> None:
        self.source = source
        self.at = 0

    def space(self) -> None:
        while self.at < len(self.source) and self.source[self.at].isspace():
            self.at += 1

    def peek(self, token: str) -> bool:
        self.space()
        return self.source.startswith(token, self.at)

    def take(self, token: str, expected: str = "") -> None:
        if not self.peek(token):
            raise ExpressionError(self.source, self.at, expected or repr(token))
        self.at += len(token)

    def match(self, pattern: re.Pattern[str], expected: str) -> re.Match[str]:
        self.space()
        found = pattern.match(self.source, self.at)
        if found is None:
            raise ExpressionError(self.source, self.at, expected)
        self.at = found.end()
        return found

    def maybe(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self.source, self.at)
        if found is not None:
            self.at = found.end()
        return found

    def expression(self) -> Expression:
        scope = None
        if self.peek("["):
            self.take("[")
            scope = self.conditions("]")
            self.take("]")
        self.take("(", "'(' that opens the conditions")
        if not self.peek("("):
            raise ExpressionError(self.source, self.at, "'(' (an expression has at least double parentheses)")
        body = self.conditions(")")
        self.take(")")
        self.space()
        if self.at != len(self.source):
            raise ExpressionError(self.source, self.at, "the end")
        return Expression(scope, body)

    def conditions(self, closing: str) -> Junction:
        parts = [self.condition()]
        sign = ""
        while not self.peek(closing):
            self.space()
            start = self.at
            here = "&&" if self.peek("&&") else "||" if self.peek("||") else ""
            if not here:
                raise ExpressionError(self.source, start, f"'&&', '||' or {closing!r}")
            if sign and here != sign:
                raise ExpressionError(
                    self.source, start, f"{sign!r} (one kind of operator within a pair of parentheses)"
                )
            sign = here
            self.take(here)
            parts.append(self.condition())
        return Junction(sign or "&&", tuple(parts))

    def condition(self) -> Condition:
        self.take("(", "'(' that opens a condition")
        found = self._inside()
        self.take(")", "')' that closes the condition")
        return found

    def _inside(self) -> Condition:
        if self.peek("("):
            return self.conditions(")")
        if self.peek("!"):
            self.take("!")
            return Flag(self.match(_NAME, "the name of a flag")[0])
        name = self.match(_NAME, "a metric")[0]
        if name == "Auto" and self.peek("("):
            self.take("(")
            metric = self.match(_NAME, "a metric")[0]
            sign = self.match(_SIGN, "a comparison")[0]
            level = self.match(re.compile("High|Medium|Low"), "High, Medium or Low")[0]
            self.take("sensitivity")
            self.take(")")
            return Auto(metric, sign, level)
        if name == "marker" and self.peek("["):
            self.take("[")
            marker = self.conditions("]")
            self.take("]")
            self.take("(")
            body = self.conditions(")")
            self.take(")")
            return Group(name, "", body, _print(marker)[1:-1])
        if name in _GROUPS:
            index = self.maybe(_INDEX)
            self.take("(")
            body = self.conditions(")")
            self.take(")")
            return Group(name, index[1] if index else "", body)
        return self._comparison(name)

    def _comparison(self, metric: str) -> Comparison:
        sign = self.match(_SIGN, "a comparison such as >= or !=")[0]
        self.space()
        if self.peek("{"):
            return Comparison(metric, sign, "", "list", items=self._items())
        if self.peek('"'):
            return Comparison(metric, sign, self.match(_STRING, "a text")[1], "string")
        if self.peek("/"):
            start = self.at
            pattern = self.match(_PATTERN, "a regular expression")[1]
            try:
                re.compile(pattern)
            except re.error as problem:
                raise ExpressionError(self.source, start, f"a valid regular expression ({problem})") from None
            return Comparison(metric, sign, pattern, "regex")
        word = self.maybe(re.compile("true|false|null"))
        if word is not None:
            return Comparison(metric, sign, word[0], "word")
        number = self.match(_NUMBER, "a value")[0]
        unit = self.maybe(_UNIT)
        return Comparison(metric, sign, number, "number", unit[1] if unit else "")

    def _items(self) -> tuple[str, ...]:
        self.take("{")
        items = []
        while True:
            self.space()
            text = self.maybe(_STRING)
            items.append(text[1] if text else self.match(_NUMBER, "a text or a number")[0])
            if self.peek("}"):
                self.take("}")
                return tuple(items)
            self.take(",", "',' or '}'")


@functools.lru_cache(maxsize=4096)
def parse(source: str, alert_type: str = "http-server") -> Expression:
    """Return the expression, checked against the metrics of ``alert_type`` where those are known.

    Raises :class:`ExpressionError` with the position of the first thing that is wrong.
    """
    reader = _Reader(source)
    found = reader.expression()
    metrics = METRICS.get(alert_type)
    if metrics is not None:
        _validate(source, found.body, alert_type, metrics)
    return found


def _validate(source: str, part: Condition, alert_type: str, metrics: Mapping[str, Metric]) -> None:
    if isinstance(part, Junction):
        for inner in part.parts:
            _validate(source, inner, alert_type, metrics)
        return
    if isinstance(part, (Flag, Group)):
        raise ExpressionError(source, source.find(part.name), f"a metric of {alert_type} rules")
    where = max(source.find(part.metric), 0)
    metric = metrics.get(part.metric)
    if metric is None:
        raise ExpressionError(source, where, f"a metric of {alert_type} rules")
    if isinstance(part, Auto):
        return
    where += len(part.metric)
    if part.sign not in metric.signs:
        raise ExpressionError(source, where, f"one of {' '.join(metric.signs)} after {part.metric}")
    wanted = "text" if metric.text else "number"
    if metric.text is (part.kind == "number") or part.kind in {"word", "list"}:
        raise ExpressionError(source, where, f"a {wanted} to compare {part.metric} with")
    if part.unit != metric.unit:
        unit = f"the unit {metric.unit!r}" if metric.unit else "no unit"
        raise ExpressionError(source, where, f"{unit} after the value of {part.metric}")


# -- printing ----------------------------------------------------------------------------------------------------------


def unparse(expression: Expression) -> str:
    """Return the expression in the vendor's machine form; parsing it again gives the same expression."""
    scope = "" if expression.scope is None else f"[{_print(expression.scope)[1:-1]}]"
    return scope + _print(expression.body)


def _print(part: Condition) -> str:
    if isinstance(part, Junction):
        inner = f" {part.sign} ".join(_print(entry) for entry in part.parts)
        return f"({inner})"
    if isinstance(part, Flag):
        return f"(!{part.name})"
    if isinstance(part, Auto):
        return f"(Auto({part.metric} {part.sign} {part.level} sensitivity))"
    if isinstance(part, Group):
        place = f"[{part.index}]" if part.index else f"[{part.marker}]" if part.marker else ""
        return f"({part.name}{place}{_print(part.body)})"
    if part.kind == "list":
        bare = part.metric == "asn"
        items = ", ".join(item if bare else f'"{item}"' for item in part.items)
        return f"({part.metric} {part.sign} {{{items}}})"
    quoted = {"string": f'"{part.value}"', "regex": f"/{part.value}/"}.get(part.kind, part.value)
    gap = " " if part.unit and part.unit != "%" else ""
    return f"({part.metric} {part.sign} {quoted}{gap}{part.unit})"


_SYMBOLS = {">=": "≥", "<=": "≤", "==": "is", "!=": "is not", "=~": "matches", "!~": "does not match"}


def human(expression: Expression, alert_type: str = "http-server") -> str:
    """Return the form people see in notifications, such as ``Response Code ≥ 500 or Error is present``."""
    return _human(expression.body, METRICS.get(alert_type, {}), outer=True)


def _human(part: Condition, metrics: Mapping[str, Metric], *, outer: bool = False) -> str:
    if isinstance(part, Junction):
        joined = (" and " if part.sign == "&&" else " or ").join(_human(entry, metrics) for entry in part.parts)
        return joined if outer or len(part.parts) == 1 else f"({joined})"
    if isinstance(part, Comparison):
        metric = metrics.get(part.metric)
        title = metric.title if metric and metric.title else part.metric
        if part.metric == "probDetail" and part.value == "":
            return "Error is present" if part.sign == "!=" else "Error is not present"
        text = f'"{part.value}"' if part.kind in {"string", "regex"} else part.value or ", ".join(part.items)
        numeric = part.kind == "number" and part.sign in {"==", "!="}
        symbol = {"==": "=", "!=": "≠"}[part.sign] if numeric else _SYMBOLS.get(part.sign, part.sign)
        unit = f"{'' if part.unit == '%' else ' '}{part.unit}" if part.unit else ""
        return f"{title} {symbol} {text}{unit}"
    return _print(part)[1:-1]


# -- evaluating --------------------------------------------------------------------------------------------------------


def metrics_of(expression: Expression) -> tuple[str, ...]:
    """Return the metrics an expression asks about, in order of appearance."""
    names: dict[str, None] = {}

    def visit(part: Condition) -> None:
        if isinstance(part, Junction):
            for inner in part.parts:
                visit(inner)
        elif isinstance(part, (Comparison, Auto)):
            names[part.metric] = None

    visit(expression.body)
    return tuple(names)


def unknowable(expression: Expression) -> str | None:
    """Return why nobody outside the vendor can evaluate this expression, or ``None`` when everybody can."""

    def visit(part: Condition) -> str | None:
        if isinstance(part, Auto):
            return f"dynamic baselining of {part.metric} is the vendor's own secret; it is taken as never violated"
        if isinstance(part, (Group, Flag)):
            return f"{part.name} needs measurements that are not simulated; it is taken as never violated"
        if isinstance(part, Junction):
            return next((reason for reason in map(visit, part.parts) if reason), None)
        return None

    return visit(expression.body)


def holds(part: Condition | Expression, values: Mapping[str, Value], alert_type: str = "http-server") -> bool:
    """Return whether the expression is true of one round's ``values`` (a missing metric makes its condition false)."""
    if isinstance(part, Expression):
        part = part.body
    if isinstance(part, Junction):
        joined = all if part.sign == "&&" else any
        return joined(holds(inner, values, alert_type) for inner in part.parts)
    if not isinstance(part, Comparison) or part.metric not in values:
        return False
    value = values[part.metric]
    if isinstance(value, str):
        return _text_holds(part, value)
    threshold = _threshold(part, alert_type)
    return _interval(part.sign, value, value, threshold) is Maybe.YES


def possible(part: Condition | Expression, bounds: Mapping[str, Bound], alert_type: str = "http-server") -> Maybe:
    """Return whether the expression is true of every round (yes), of none (no) or cannot be told from the bounds."""
    if isinstance(part, Expression):
        part = part.body
    if isinstance(part, Junction):
        stop, go = (Maybe.NO, Maybe.YES) if part.sign == "&&" else (Maybe.YES, Maybe.NO)
        verdict = go
        for inner in part.parts:
            found = possible(inner, bounds, alert_type)
            if found is stop:
                return stop
            if found is Maybe.MAYBE:
                verdict = Maybe.MAYBE
        return verdict
    if not isinstance(part, Comparison) or part.metric not in bounds:
        return Maybe.NO
    bound = bounds[part.metric]
    if isinstance(bound, str):
        return Maybe.YES if _text_holds(part, bound) else Maybe.NO
    return _interval(part.sign, bound[0], bound[1], _threshold(part, alert_type))


@functools.lru_cache(maxsize=4096)
def _threshold(part: Comparison, alert_type: str) -> float:
    metric = METRICS.get(alert_type, {}).get(part.metric)
    return float(part.value) * (metric.scale if metric else 1)


def _interval(sign: str, low: int, high: int, limit: float) -> Maybe:
    """Compare every integer of [low, high] with ``limit``."""
    always, never = {
        "<": (high < limit, low >= limit),
        "<=": (high <= limit, low > limit),
        ">": (low > limit, high <= limit),
        ">=": (low >= limit, high < limit),
        "==": (low == high == limit, limit < low or limit > high),
        "!=": (limit < low or limit > high, low == high == limit),
    }[sign]
    return Maybe.YES if always else Maybe.NO if never else Maybe.MAYBE


def _text_holds(part: Comparison, value: str) -> bool:
    if part.kind == "list":
        return any(_matches(item, value) for item in part.items) is (part.sign == "in")
    if part.sign in {"==", "!="}:
        return (value == part.value) is (part.sign == "==")
    # A pattern on an error needs an error: without one neither "matches" nor "does not match" is violated.
    if part.metric == "probDetail" and value == NO_ERROR:
        return False
    return (re.search(part.value, value) is not None) is (part.sign == "=~")


def _matches(item: str, value: str) -> bool:
    try:
        return ip_address(value) in ip_network(item, strict=False)
    except ValueError:
        return fnmatchcase(value, item)
