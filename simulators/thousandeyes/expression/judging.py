"""Is an expression true? Of one round, of every round of a span, or does nobody outside the vendor know?

One function answers all three. What is *known* of a measurement is, per metric, either a value or limits that hold for
every round of a span, so a single round is the narrowest span there is and cannot be answered differently from it. The
logic is Kleene's: an unknown part matters only where the known parts do not decide.

Dynamic baselines (``Auto(...)``) are the vendor's own: without a stand-in they are :class:`Unknown`, with one they are
compared with it.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from fractions import Fraction
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

from simulators.thousandeyes.expression.metrics import NEGATED
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
    unescape,
)
from simulators.thousandeyes.expression.reading import pattern


class Unsure(StrEnum):
    """Said of a metric over a span: in some rounds it may be anything, or missing."""

    UNSURE = "unsure"


UNSURE = Unsure.UNSURE

#: A metric's value in one round: an integer in its smallest unit, a text, several texts (all mappings of a name, say),
#: or the parts of a measurement (components, hops, ...). What was not measured is not in the mapping.
Value = int | str | tuple[str, ...] | tuple[Mapping[str, Any], ...]
#: What is known of a metric over many rounds: inclusive integer limits, or the value it has throughout.
Bound = Value | tuple[int, int] | Unsure
#: Baselines in a metric's smallest unit that stand in for the vendor's dynamic ones, by level.
Baselines = Mapping[str, Mapping[str, int]]

NO_ERROR = ""


class Maybe(StrEnum):
    """A verdict: true of all rounds, of none, or of some (ask about fewer)."""

    YES = "yes"
    NO = "no"
    MAYBE = "maybe"


@dataclass(frozen=True, slots=True)
class Unknown:
    """A verdict nobody outside the vendor can give, and why."""

    why: str


Verdict = Maybe | Unknown
_YES, _NO, _MAYBE = Maybe.YES, Maybe.NO, Maybe.MAYBE
_OPPOSITE = {_YES: _NO, _NO: _YES, _MAYBE: _MAYBE}


def judge(expression: Expression, known: Mapping[str, Any], baselines: Baselines | None = None) -> Verdict:
    """Return whether the expression is true, given what is ``known`` (values of a round, or bounds of a span).

    A metric that was not measured makes its condition false. ``baselines`` (metric -> level -> limit) stand in for
    dynamic ones; without them such a condition is :class:`Unknown`.
    """
    traces = known.get(TRACES)
    if traces is UNSURE:
        return _MAYBE
    if traces is not None:
        return _any(_judge(expression.body, trace, baselines) for trace in traces)
    return _judge(expression.body, known, baselines)


def holds(expression: Expression, values: Mapping[str, Any], baselines: Baselines | None = None) -> bool:
    """Return whether the expression is true of one round's ``values``; what is unknown counts as not violated."""
    return judge(expression, values, baselines) is _YES


def possible(expression: Expression, bounds: Mapping[str, Any], baselines: Baselines | None = None) -> Maybe:
    """Return :func:`judge` over ``bounds``, with the unknown counted as not violated, as :func:`holds` does."""
    verdict = judge(expression, bounds, baselines)
    return _NO if isinstance(verdict, Unknown) else verdict


def _judge(part: Condition, known: Mapping[str, Any], baselines: Baselines | None) -> Verdict:
    if isinstance(part, Comparison):
        bound = known.get(part.metric)
        return _missing(part) if bound is None else _compare(part, bound)
    if isinstance(part, Junction):
        return _junction(part, known, baselines)
    if isinstance(part, Flag):
        return _number("==", known.get(part.name), 0)
    if isinstance(part, Auto):
        return _auto(part, known, baselines)
    return _group(part, known, baselines)


def _junction(part: Junction, known: Mapping[str, Any], baselines: Baselines | None) -> Verdict:
    stop, verdict = (_NO, _YES) if part.sign == "&&" else (_YES, _NO)
    found: Verdict = verdict
    for inner in part.parts:
        here = _judge(inner, known, baselines)
        if here is stop:
            return stop
        if here is not verdict and found is not _MAYBE:
            found = here
    return found


def _any(verdicts: Iterable[Verdict]) -> Verdict:
    found: Verdict = _NO
    for verdict in verdicts:
        if verdict is _YES:
            return verdict
        if verdict is not _NO and found is not _MAYBE:
            found = verdict
    return found


def _missing(part: Comparison) -> Maybe:
    """Judge a metric that was not measured: only a question whether there is any can be answered."""
    return _YES if part.kind is Kind.WORD and part.value == "null" and part.sign == "==" else _NO


def _auto(part: Auto, known: Mapping[str, Any], baselines: Baselines | None) -> Verdict:
    bound = known.get(part.metric)
    if bound is None or bound is UNSURE:
        return _NO if bound is None else _MAYBE
    limit = None if baselines is None else baselines.get(part.metric, {}).get(part.level)
    if limit is None:
        return Unknown(f"the dynamic baseline of {part.metric} ({part.level} sensitivity) is the vendor's own")
    return _number(part.sign, bound, limit)


def _group(part: Group, known: Mapping[str, Any], baselines: Baselines | None) -> Verdict:
    whole = NEGATED.get(part.name, part.name)
    parts = known.get(whole)
    if parts is UNSURE:
        return _MAYBE
    if not parts:
        return _NO
    verdicts = [_part(part, entry, baselines) for _, entry in _candidates(part, parts)]
    verdict = _any(verdicts)
    if part.name in NEGATED:
        return verdict if isinstance(verdict, Unknown) else _OPPOSITE[verdict]
    return verdict


def meeting(part: Group, parts: Sequence[Mapping[str, Any]]) -> tuple[int, ...]:
    """Return the numbers (from 1, at the near end) of those ``parts`` that meet a group's condition."""
    return tuple(number for number, entry in _candidates(part, parts) if _part(part, entry, None) is _YES)


def _candidates(part: Group, parts: Sequence[Mapping[str, Any]]) -> list[tuple[int, Mapping[str, Any]]]:
    """Return the parts a group asks about, numbered: all of them, or the one its index names."""
    numbered = list(enumerate(parts, 1))
    if part.index is None:
        return numbered
    return [pair for pair in numbered if part.index in (pair[0], pair[0] - 1 - len(parts))]


def _part(part: Group, entry: Mapping[str, Any], baselines: Baselines | None) -> Verdict:
    chosen: Verdict = _YES if part.chosen is None else _judge(part.chosen, entry, baselines)
    return _both(chosen, _judge(part.body, entry, baselines))


def _both(one: Verdict, other: Verdict) -> Verdict:
    if _NO in (one, other):
        return _NO
    if _MAYBE in (one, other):
        return _MAYBE
    return one if isinstance(one, Unknown) else other


# -- one comparison ----------------------------------------------------------------------------------------------------


def _compare(part: Comparison, bound: Any) -> Maybe:
    kind = part.kind
    if kind is Kind.NUMBER:
        return _number(part.sign, bound, part.limit)
    if bound is UNSURE:
        return _MAYBE
    if kind is Kind.WORD:
        if part.value == "null":
            return _YES if part.sign == "!=" else _NO
        return _number(part.sign, bound, 1 if part.value == "true" else 0)
    if kind is Kind.LIST:
        return _member(part, bound if isinstance(bound, tuple) else (bound,))
    return _YES if _text_holds(part, str(bound)) else _NO


def _number(sign: str, bound: Any, limit: int | Fraction) -> Maybe:
    """Compare every integer of [low, high] with ``limit``."""
    if bound is None:
        return _NO
    if bound is UNSURE:
        return _MAYBE
    if isinstance(bound, tuple):
        low, high = bound
    elif isinstance(bound, int):
        low = high = bound
    else:
        return _NO
    if sign == ">=":
        return _YES if low >= limit else _NO if high < limit else _MAYBE
    if sign == "<=":
        return _YES if high <= limit else _NO if low > limit else _MAYBE
    if sign == ">":
        return _YES if low > limit else _NO if high <= limit else _MAYBE
    if sign == "<":
        return _YES if high < limit else _NO if low >= limit else _MAYBE
    same = _NO if limit < low or limit > high else _YES if low == high else _MAYBE
    if isinstance(limit, Fraction):
        same = _NO
    return same if sign == "==" else _OPPOSITE[same]


def _text_holds(part: Comparison, value: str) -> bool:
    if part.sign in {"==", "!="}:
        return (value == part.text) is (part.sign == "==")
    # A pattern on an error needs an error: without one neither "matches" nor "does not match" is violated.
    if value == NO_ERROR:
        return False
    return (pattern(part.value).search(value) is not None) is (part.sign == "=~")


def _member(part: Comparison, bound: tuple[Any, ...]) -> Maybe:
    """``in``: one of the values is listed; ``!in``: one of them is not."""
    if part.bare:
        listed = [str(value) in part.items for value in bound]
    else:
        listed = [any(_matches(item, str(value)) for item in part.items) for value in bound]
    return _YES if (part.sign == "in") in listed else _NO


@functools.lru_cache(maxsize=65536)
def _matches(item: str, value: str) -> bool:
    """Return whether ``value`` is the listed ``item``: an address in a network, or a name with wildcards."""
    wanted = unescape(item)
    network = _network(wanted)
    if network is not None:
        try:
            return ip_address(value) in network
        except ValueError:
            pass
    return fnmatchcase(value.lower(), wanted.lower())


@functools.lru_cache(maxsize=4096)
def _network(text: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None
