"""Reading alert-rule expressions: the grammar, and complaints that say where and what was expected.

No grammar is published; this one is derived from the vendor's documented examples and accepts all of them. Names, signs
and units are checked on the spot against :mod:`~.metrics`, so that an error points at the thing that is wrong.
"""

from __future__ import annotations

import functools
import re
import warnings
from collections.abc import Mapping
from fractions import Fraction

from simulators.thousandeyes.expression.metrics import (
    GROUPS,
    SCOPES,
    Form,
    Metric,
    Metrics,
    metrics_for,
    parts_for,
)
from simulators.thousandeyes.expression.nodes import (
    Auto,
    Comparison,
    Condition,
    Expression,
    Flag,
    Group,
    Junction,
    Kind,
)

#: Parentheses may be nested this deep.
DEEPEST = 40
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*")
_SIGN = re.compile(r"<=|>=|==|!=|=~|!~|<|>|!in\b|in\b")
_NUMBER = re.compile(r"-?[0-9]{1,18}(?:\.[0-9]{1,9})?")
_UNIT = re.compile(r"\s?(ms|%|kbps|Mbps|kB|B|day|min|s)(?![A-Za-z])")
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_PATTERN = re.compile(r"/((?:[^/\\]|\\.)*)/", re.DOTALL)
_INDEX = re.compile(r"\[\s*(-?[0-9]{1,6})\s*\]")
_LEVEL = re.compile(r"High|Medium|Low")
_WORD = re.compile(r"true|false|null")
_POSIX = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "blank": r" \t",
    "digit": "0-9",
    "lower": "a-z",
    "punct": r"!-/:-@\[-`{-~",
    "space": r"\s",
    "upper": "A-Z",
    "xdigit": "0-9A-Fa-f",
    "word": r"\w",
}
_CLASS = re.compile(r"\[:([a-z]+):\]")


class ExpressionError(ValueError):
    """An expression that cannot be read: ``position`` (0-based) and what was ``expected`` there."""

    def __init__(self, source: str, position: int, expected: str) -> None:
        found = source[position : position + 12]
        super().__init__(f"at position {position}: expected {expected}, found {repr(found) if found else 'the end'}")
        self.position = position
        self.expected = expected


@functools.lru_cache(maxsize=4096)
def parse(source: str, alert_type: str = "http-server") -> Expression:
    """Return the expression, checked against the metrics of ``alert_type`` where those are known.

    Raises :class:`ExpressionError` with the position of the first thing that is wrong.
    """
    return _Reader(source, alert_type).expression()


@functools.lru_cache(maxsize=4096)
def pattern(text: str) -> re.Pattern[str]:
    """Return a POSIX extended regular expression, compiled; raises :class:`ValueError` saying what is wrong."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return re.compile(_translate(text))
        except (re.error, OverflowError, RecursionError) as problem:
            raise ValueError(str(problem)) from None


def _translate(text: str) -> str:
    """Return a POSIX pattern as Python writes it: only the inside of brackets differs."""
    made, at = [], 0
    while at < len(text):
        letter = text[at]
        if letter == "\\":
            made.append(text[at : at + 2])
            at += 2
            continue
        at += 1
        if letter != "[":
            made.append(letter)
            continue
        inside, at = _bracket(text, at)
        made.append(inside)
    return "".join(made)


def _bracket(text: str, at: int) -> tuple[str, int]:
    """Return a bracket expression (``at`` is behind its ``[``) and where it ends."""
    made = ["["]
    if text[at : at + 1] == "^":
        made.append("^")
        at += 1
    first = True
    while at < len(text):
        letter = text[at]
        if letter == "]" and not first:
            return "".join(made) + "]", at + 1
        first = False
        found = _CLASS.match(text, at)
        if found is not None and found[1] in _POSIX:
            made.append(_POSIX[found[1]])
            at = found.end()
        elif letter == "\\":
            made.append(text[at : at + 2])
            at += 2
        else:
            made.append("\\" + letter if letter in "[]&~|" else letter)
            at += 1
    raise ValueError("a bracket is not closed")


class _Reader:
    """One pass over ``source``; ``at`` is the place of the next character."""

    def __init__(self, source: str, alert_type: str) -> None:
        self.source = source
        self.alert_type = alert_type
        self.at = 0
        self.depth = 0

    def fail(self, expected: str, at: int | None = None) -> ExpressionError:
        return ExpressionError(self.source, self.at if at is None else at, expected)

    def space(self) -> None:
        while self.at < len(self.source) and self.source[self.at].isspace():
            self.at += 1

    def peek(self, token: str) -> bool:
        self.space()
        return self.source.startswith(token, self.at)

    def take(self, token: str, expected: str = "") -> None:
        if not self.peek(token):
            raise self.fail(expected or repr(token))
        self.at += len(token)

    def match(self, wanted: re.Pattern[str], expected: str) -> re.Match[str]:
        self.space()
        found = self.maybe(wanted)
        if found is None:
            raise self.fail(expected)
        return found

    def maybe(self, wanted: re.Pattern[str]) -> re.Match[str] | None:
        found = wanted.match(self.source, self.at)
        if found is not None:
            self.at = found.end()
        return found

    # -- the grammar, from the whole to the part ---------------------------------------------------------------------

    def expression(self) -> Expression:
        metrics = metrics_for(self.alert_type)
        scope = None
        if self.peek("["):
            self.take("[")
            known = SCOPES["bgp" if metrics is None or self.alert_type == "bgp" else ""]
            scope = self.conditions(known, {}, "]")
            self.take("]")
        self.take("(", "'(' that opens the conditions")
        if not self.peek("("):
            raise self.fail("'(' (an expression has at least double parentheses)")
        body = self.conditions(metrics, parts_for(self.alert_type), ")")
        self.take(")")
        self.space()
        if self.at != len(self.source):
            raise self.fail("the end")
        return Expression(scope, body, self.alert_type)

    def conditions(self, metrics: Metrics | None, parts: Mapping[str, Metrics], closing: str) -> Junction:
        self.depth += 1
        if self.depth > DEEPEST:
            raise self.fail(f"at most {DEEPEST} levels of parentheses")
        found = [self.condition(metrics, parts)]
        sign = ""
        while not self.peek(closing):
            start = self.at
            here = "&&" if self.peek("&&") else "||" if self.peek("||") else ""
            if not here:
                raise self.fail(f"'&&', '||' or {closing!r}", start)
            if sign and here != sign:
                raise self.fail(f"{sign!r} (one kind of operator within a pair of parentheses)", start)
            sign = here
            self.take(here)
            found.append(self.condition(metrics, parts))
        self.depth -= 1
        return Junction(sign or "&&", tuple(found))

    def condition(self, metrics: Metrics | None, parts: Mapping[str, Metrics]) -> Condition:
        self.take("(", "'(' that opens a condition")
        found = self._inside(metrics, parts)
        self.take(")", "')' that closes the condition")
        return found

    def _inside(self, metrics: Metrics | None, parts: Mapping[str, Metrics]) -> Condition:
        if self.peek("("):
            return self.conditions(metrics, parts, ")")
        if self.peek("!"):
            self.take("!")
            return Flag(self._known(metrics, "the name of a flag", flag=True)[0])
        start = self.at
        name = self.match(_NAME, "a metric")[0]
        if name == "Auto" and self.peek("("):
            return self._auto(metrics)
        if name == "marker" and self.peek("["):
            return self._marker(start, metrics, parts)
        if name in GROUPS:
            inner = self._part(name, start, metrics, parts)
            index = self.maybe(_INDEX)
            return Group(name, self._enclosed(inner), int(index[1]) if index else None)
        self.at = start
        name, metric = self._known(metrics, "a metric")
        return self._comparison(name, metric)

    def _enclosed(self, metrics: Metrics | None) -> Junction:
        self.take("(")
        body = self.conditions(metrics, {}, ")")
        self.take(")")
        return body

    def _part(self, name: str, start: int, metrics: Metrics | None, parts: Mapping[str, Metrics]) -> Metrics | None:
        if metrics is None:
            return None
        if name not in parts:
            raise self.fail(f"a metric of {self.alert_type} rules", start)
        return parts[name]

    def _marker(self, start: int, metrics: Metrics | None, parts: Mapping[str, Metrics]) -> Group:
        inner = self._part("marker", start, metrics, parts)
        self.take("[")
        self.take("(")
        chosen = self.conditions(inner, {}, ")")
        self.take(")")
        self.take("]")
        return Group("marker", self._enclosed(inner), chosen=chosen)

    def _auto(self, metrics: Metrics | None) -> Auto:
        self.take("(")
        start = self.at
        name, metric = self._known(metrics, "a metric")
        if metric is not None and not metric.baseline:
            raise self.fail("a metric that has a dynamic baseline", start)
        where = self.at
        sign = self.match(_SIGN, "a comparison")[0]
        if sign not in {"<", "<=", ">", ">="}:
            raise self.fail("one of < <= >= > before a sensitivity", where)
        level = self.match(_LEVEL, "High, Medium or Low")[0]
        self.take("sensitivity")
        self.take(")")
        return Auto(name, sign, level)

    def _known(self, metrics: Metrics | None, expected: str, *, flag: bool = False) -> tuple[str, Metric | None]:
        """Read a name; where the alert type's metrics are known it has to be one of them."""
        self.space()
        start = self.at
        name = self.match(_NAME, expected)[0]
        if metrics is None:
            return name, None
        metric = metrics.get(name)
        if metric is None:
            raise self.fail(f"a metric of {self.alert_type} rules", start)
        if (metric.form is Form.FLAG) is not flag:
            raise self.fail(f"'!{name}' (a flag)" if not flag else "a flag", start)
        return name, metric

    # -- comparisons ---------------------------------------------------------------------------------------------------

    def _comparison(self, name: str, metric: Metric | None) -> Comparison:
        where = self.at
        sign = self.match(_SIGN, "a comparison such as >= or !=")[0]
        if metric is not None and sign not in metric.signs:
            raise self.fail(f"one of {' '.join(metric.signs)} after {name}", where)
        self.space()
        start = self.at
        value, kind, items, bare = self._value(sign)
        if metric is not None and kind not in _allowed(metric, sign):
            raise self.fail(f"{_WORDS[_allowed(metric, sign)[0]]} to compare {name} with", start)
        if metric is not None and kind is Kind.WORD and (value == "null") is not (metric.form is Form.NULL):
            raise self.fail("null" if metric.form is Form.NULL else "true or false", start)
        if metric is not None and kind is Kind.LIST and bare is not metric.bare:
            raise self.fail("numbers without quotes" if metric.bare else "texts in quotes", start)
        where = self.at
        unit = self.maybe(_UNIT) if kind is Kind.NUMBER else None
        found = unit[1] if unit else ""
        if metric is not None and found != metric.unit:
            wanted = f"the unit {metric.unit!r}" if metric.unit else "no unit"
            raise self.fail(f"{wanted} after the value of {name}", unit.start(1) if unit else where)
        scale = 1 if metric is None else metric.scale
        limit = _limit(value, scale) if kind is Kind.NUMBER else 0
        return Comparison(name, sign, value, kind, found, items, limit, bare)

    def _value(self, sign: str) -> tuple[str, Kind, tuple[str, ...], bool]:
        start = self.at
        if self.peek("{"):
            items, bare = self._items()
            return "", Kind.LIST, items, bare
        if self.peek('"'):
            return self.match(_STRING, "a text in double quotes")[1], Kind.STRING, (), False
        if self.peek("/"):
            text = self.match(_PATTERN, "a regular expression between slashes")[1]
            try:
                pattern(text)
            except ValueError as problem:
                raise self.fail(f"a valid regular expression ({problem})", start) from None
            return text, Kind.REGEX, (), False
        word = self.maybe(_WORD)
        if word is not None:
            return word[0], Kind.WORD, (), False
        return self.match(_NUMBER, "a value")[0], Kind.NUMBER, (), False

    def _items(self) -> tuple[tuple[str, ...], bool]:
        self.take("{")
        items: list[str] = []
        bare: bool | None = None
        while True:
            self.space()
            start = self.at
            text = self.maybe(_STRING)
            items.append(text[1] if text else self.match(_NUMBER, "a text or a number")[0])
            if bare is not None and bare is not (text is None):
                raise self.fail("only texts or only numbers in one list", start)
            bare = text is None
            if self.peek("}"):
                self.take("}")
                return tuple(items), bare
            self.take(",", "',' or '}'")


_WORDS = {
    Kind.NUMBER: "a number",
    Kind.STRING: "a text",
    Kind.REGEX: "a regular expression",
    Kind.WORD: "true, false or null",
    Kind.LIST: "a list in braces",
}


def _allowed(metric: Metric, sign: str) -> tuple[Kind, ...]:
    """Return the kinds of value that may follow ``sign``."""
    if metric.form is Form.PATTERN:
        return (Kind.REGEX,) if sign in {"=~", "!~"} else (Kind.STRING,)
    return {
        Form.NUMBER: (Kind.NUMBER,),
        Form.TEXT: (Kind.STRING,),
        Form.LIST: (Kind.LIST,),
        Form.TRUTH: (Kind.WORD,),
        Form.NULL: (Kind.WORD,),
    }[metric.form]


def _limit(value: str, scale: int) -> int | Fraction:
    limit = Fraction(value) * scale
    return limit.numerator if limit.denominator == 1 else limit
