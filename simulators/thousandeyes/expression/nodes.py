"""The tree an alert-rule expression is read into, how it is printed back, and which agents and metrics it names.

Reading a printed tree gives an equal tree: ``value`` and ``items`` keep what was written between the quotes, and what
the judge needs of them (``limit``, ``text``) is derived.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from simulators.thousandeyes.expression.metrics import NEGATED

#: Measurements of several traces: an expression is violated when one trace violates it.
TRACES = "traces"


class Kind(StrEnum):
    """How the right-hand side of a comparison is written."""

    NUMBER = "number"
    STRING = "string"
    REGEX = "regex"
    WORD = "word"
    LIST = "list"


@dataclass(frozen=True, slots=True)
class Comparison:
    """``metric sign value``; ``limit`` is a number's value in the metric's smallest unit."""

    metric: str
    sign: str
    value: str
    kind: Kind
    unit: str = ""
    items: tuple[str, ...] = ()
    limit: int | Fraction = 0
    bare: bool = False

    @property
    def text(self) -> str:
        """The text meant by a quoted value."""
        return unescape(self.value)


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
    """``components(...)``, ``hops[-1](...)``, ``marker[(...)](...)``: a condition on parts of a measurement.

    ``index`` chooses one part (negative: counted from the target's or monitor's end), ``chosen`` those it is true of.
    """

    name: str
    body: Junction
    index: int | None = None
    chosen: Junction | None = None


@dataclass(frozen=True, slots=True)
class Junction:
    """Conditions joined by one kind of operator (``&&`` or ``||``; a single condition has ``&&``)."""

    sign: str
    parts: tuple[Condition, ...]


Condition = Comparison | Flag | Auto | Group | Junction


@dataclass(frozen=True, slots=True)
class Expression:
    """A whole rule: the optional ``scope`` and the conditions."""

    scope: Junction | None
    body: Junction
    alert_type: str = "http-server"

    def agents(self, candidates: tuple[str, ...]) -> tuple[str, ...]:
        """Return those of ``candidates`` (ids of agents or monitors) the location scope lets take part."""
        if self.scope is None:
            return candidates
        return tuple(agent for agent in candidates if _in_scope(self.scope, agent, None))

    def covers(self, prefix: str) -> bool:
        """Return whether the scope lets a route to ``prefix`` (``192.0.2.0/24``) take part, whoever sees it."""
        return self.scope is None or _in_scope(self.scope, None, prefix)


_ORDERS = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    ">=": lambda a, b: a >= b,
    ">": lambda a, b: a > b,
}


def _in_scope(scope: Condition, agent: str | None, prefix: str | None) -> bool:
    if isinstance(scope, Junction):
        joined = all if scope.sign == "&&" else any
        asked = [part for part in scope.parts if not _silent(part, agent, prefix)]
        return joined(_in_scope(part, agent, prefix) for part in asked) if asked else True
    assert isinstance(scope, Comparison)
    if scope.metric == "locationId":
        return (agent in scope.items) is (scope.sign == "in")
    network, _, length = str(prefix).partition("/")
    family = "prefixLengthIPv6" if ":" in network else "prefixLengthIPv4"
    return scope.metric == family and _ORDERS[scope.sign](int(length or 0), scope.limit)


def _silent(part: Condition, agent: str | None, prefix: str | None) -> bool:
    """Return whether ``part`` of a scope says nothing about what is asked: an agent, or a prefix."""
    if isinstance(part, Junction):
        return all(_silent(inner, agent, prefix) for inner in part.parts)
    about_agents = isinstance(part, Comparison) and part.metric == "locationId"
    return (agent is None) if about_agents else (prefix is None)


# -- printing ----------------------------------------------------------------------------------------------------------


def unparse(expression: Expression) -> str:
    """Return the expression in the vendor's machine form; reading it again gives the same expression."""
    scope = "" if expression.scope is None else f"[{written(expression.scope)[1:-1]}]"
    return scope + written(expression.body)


def written(part: Condition) -> str:
    """Return one condition, in its parentheses."""
    if isinstance(part, Junction):
        return f"({f' {part.sign} '.join(written(inner) for inner in part.parts)})"
    if isinstance(part, Flag):
        return f"(!{part.name})"
    if isinstance(part, Auto):
        return f"(Auto({part.metric} {part.sign} {part.level} sensitivity))"
    if isinstance(part, Group):
        place = "" if part.index is None else f"[{part.index}]"
        if part.chosen is not None:
            place = f"[{written(part.chosen)}]"
        return f"({part.name}{place}{written(part.body)})"
    return f"({part.metric} {part.sign} {written_value(part)})"


def written_value(part: Comparison) -> str:
    """Return the right-hand side of a comparison."""
    if part.kind is Kind.LIST:
        items = ", ".join(item if part.bare else f'"{item}"' for item in part.items)
        return f"{{{items}}}"
    quoted = {Kind.STRING: f'"{part.value}"', Kind.REGEX: f"/{part.value}/"}.get(part.kind, part.value)
    gap = " " if part.unit and part.unit != "%" else ""
    return f"{quoted}{gap}{part.unit}"


# -- looking at --------------------------------------------------------------------------------------------------------


def walk(part: Condition) -> Iterator[Condition]:
    """Yield a condition and every condition inside it, in order of appearance."""
    yield part
    if isinstance(part, Junction):
        for inner in part.parts:
            yield from walk(inner)
    elif isinstance(part, Group):
        yield from walk(part.body)


def metrics_of(expression: Expression) -> tuple[str, ...]:
    """Return the metrics of a whole measurement (not of its parts) the conditions ask about, in order of appearance."""
    names: dict[str, None] = {}

    def visit(part: Condition) -> None:
        if isinstance(part, Junction):
            for inner in part.parts:
                visit(inner)
        elif isinstance(part, (Comparison, Auto)):
            names[part.metric] = None
        elif isinstance(part, Flag):
            names[part.name] = None

    visit(expression.body)
    return tuple(names)


def asked(expression: Expression) -> frozenset[str]:
    """Return everything of a measurement the conditions look at: metrics, and the groups their parts are in."""
    groups = {NEGATED.get(part.name, part.name) for part in walk(expression.body) if isinstance(part, Group)}
    return frozenset((*metrics_of(expression), *groups, TRACES))


def unknowable(expression: Expression) -> tuple[str, ...]:
    """Return the metrics whose dynamic baseline decides; empty when everybody can evaluate the expression."""
    return tuple(dict.fromkeys(part.metric for part in walk(expression.body) if isinstance(part, Auto)))


_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


def unescape(text: str) -> str:
    """Return a quoted text with its escapes resolved."""
    return _ESCAPED.sub(r"\1", text) if "\\" in text else text
