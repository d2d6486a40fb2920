"""Signals: what each location measures in each round, as a function one can ask in any order.

Every signal answers two questions: :func:`sample` gives the exact values of a round, :func:`bounds` gives limits that
hold for every round of a span in which no condition begins or ends. Both make a :class:`~.medium.Medium` and read it
with the same table of :mod:`~.measures`: a round's own medium, or the best and the worst one of the span, between which
every measure lies. Noise is a keyed hash of the round, so the alerts and the test results always agree.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Mapping, Sequence
from typing import Any

from simulators.engine import ids
from simulators.thousandeyes import conditions as troubles
from simulators.thousandeyes.conditions import Showing
from simulators.thousandeyes.expression import UNSURE, Bound, Value
from simulators.thousandeyes.measures import LAYERS, Measure
from simulators.thousandeyes.medium import DRAWS, LIFE, RENEWED, Medium, Probe, make, renewals
from simulators.thousandeyes.model import Condition

#: Noise is up to this many thousandths either way, the daily shape up to this many thousandths on top.
NOISE, DAILY = 80, 120
_CALM, _ROUGH = (-NOISE,) * DRAWS, (NOISE,) * DRAWS
#: Splits a digest into :data:`DRAWS` numbers of two bytes.
_PAIRS = struct.Struct(f">{DRAWS}H").unpack
_NOTHING: tuple[list[Showing], list[Showing]] = ([], [])


def medium_at(probe: Probe, instant: int, conditions: Sequence[Condition]) -> Medium:
    """Return the medium of the round sampled at ``instant``; ``conditions`` are those that concern the probe."""
    seed, test = probe.target.seed, probe.target.test
    drawn = ids.digest(seed, "te.noise", test, probe.place, instant, size=2 * DRAWS)
    noise = [number % (2 * NOISE + 1) - NOISE for number in _PAIRS(drawn)]
    shown = troubles.showing(conditions, seed, test, probe.place, instant) if conditions else ()
    return make(probe, instant, DAILY * troubles.daily(instant) // 1000, noise, shown)


def sample(
    probe: Probe, instant: int, conditions: Sequence[Condition], names: frozenset[str] | None = None
) -> dict[str, Value]:
    """Return what is measured in the round sampled at ``instant`` (of the metrics ``names``, all when ``None``).

    An agent that is offline measures nothing.
    """
    medium = medium_at(probe, instant, conditions)
    layer = LAYERS.get(probe.target.layer)
    if layer is None or _mute(medium):
        return {}
    found = {}
    for name, measure in _chosen(probe.target.layer, names):
        value = measure(medium)
        if value is not None:
            found[name] = value
    return found


def bounds(
    probe: Probe, since: int, until: int, conditions: Sequence[Condition], names: frozenset[str] | None = None
) -> dict[str, Bound]:
    """Return limits of what is measured in every round sampled in [``since``, ``until``]; no edge may lie inside.

    A metric that may be missing, or of another kind, in some of the rounds is said to be unsure.
    """
    layer = LAYERS.get(probe.target.layer)
    if layer is None:
        return {}
    shown = troubles.showing_limits(conditions, since, until) if conditions else _NOTHING
    if shown is None:
        return dict.fromkeys((name for name, _ in _chosen(probe.target.layer, names)), UNSURE)
    low_shape, high_shape = troubles.daily_limits(since, until)
    best = make(probe, since, DAILY * low_shape // 1000, _CALM, shown[0])
    worst = make(probe, until, DAILY * high_shape // 1000, _ROUGH, shown[1])
    if _mute(best):
        return {}
    if layer.outcome(best) != layer.outcome(worst):
        return dict.fromkeys((name for name, _ in _chosen(probe.target.layer, names)), UNSURE)
    merged: dict[str, Bound] = {}
    for name, measure in _chosen(probe.target.layer, names):
        bound = merge(measure(best), measure(worst))
        if bound is not None:
            merged[name] = bound
    if "certificateValidity" in merged and best.days is None and renewals(best) != renewals(worst):
        # The one measure that turns back by itself.
        merged["certificateValidity"] = (RENEWED + 1, LIFE)
    return merged


def _mute(medium: Medium) -> bool:
    return medium.silent is not None and medium.probe.target.layer != "agent"


@functools.lru_cache(maxsize=4096)
def _chosen(layer: str, names: frozenset[str] | None) -> tuple[tuple[str, Measure], ...]:
    """Return the measures of a layer that are asked for."""
    measures = LAYERS[layer].measures
    return tuple((name, measure) for name, measure in measures.items() if names is None or name in names)


def merge(one: Any, other: Any) -> Any:
    """Return what is known of a measure that was ``one`` in the best and ``other`` in the worst case."""
    if isinstance(one, int) and isinstance(other, int):
        return (one, other) if one <= other else (other, one)
    if one == other:
        return one
    if isinstance(one, tuple) and isinstance(other, tuple) and len(one) == len(other):
        return tuple(_merge_part(first, second) for first, second in zip(one, other, strict=True))
    return UNSURE


def _merge_part(one: Any, other: Any) -> Any:
    if not isinstance(one, Mapping) or not isinstance(other, Mapping):
        return merge(one, other)
    names = dict.fromkeys((*one, *other))
    return {name: merge(one.get(name), other.get(name)) for name in names}
