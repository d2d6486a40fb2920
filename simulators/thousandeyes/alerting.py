"""From violating locations to an alert: one step function, and a way to skip the rounds that cannot matter.

:func:`step` is the whole of the vendor's "X of Y rounds, at least N locations, any or the same" logic for one round.
It serves both paths: :func:`naive` calls it for every round and is the oracle of the tests; :func:`advance` cuts time
where anything can change, asks each location's signal for bounds instead of values, and jumps to the end of a span once
the state repeats, because constant input at a fixed point cannot change.

A trigger needs the newest round to violate, and history restarts at a clear; without these two, old history would raise
an alert again that no location supports.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from simulators.thousandeyes.expression import Maybe

#: Spans of undecided rounds shorter than this are evaluated round by round.
SHORT = 8


@dataclass(frozen=True, slots=True)
class Config:
    """The global condition: ``required`` of ``out_of`` rounds, ``minimum`` locations or ``percent`` of them."""

    mode: str
    required: int
    out_of: int
    minimum: int | None = 1
    percent: int | None = None
    clear_below_minimum: bool = False

    def threshold(self, participants: int) -> int:
        """Return how many of ``participants`` locations have to violate (25 % of 13 is 4), at least one."""
        if self.minimum is not None:
            return max(self.minimum, 1)
        return max(-(-(self.percent or 0) * participants // 100), 1)


@dataclass(frozen=True, slots=True)
class State:
    """What is remembered between rounds: history bits (newest lowest) per counted thing, and the active locations.

    Mode *any* keeps one history under the empty name, mode *exact* one per location. ``active`` is ``None`` while there
    is no alert; then, and only then, history matters.
    """

    history: tuple[tuple[str, int], ...] = ()
    active: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Triggered:
    """The alert starts with these locations."""

    locations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Changed:
    """Locations joined or left an alert that goes on."""

    joined: tuple[str, ...]
    left: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cleared:
    """The last location (these) left: the alert ends."""

    left: tuple[str, ...]


Event = Triggered | Changed | Cleared
IDLE = State()


def step(
    config: Config, state: State, violating: tuple[str, ...], participating: tuple[str, ...]
) -> tuple[State, Event | None]:
    """Return the state after one more round and what happened in it.

    ``violating`` is a part of ``participating``; both are in the test's order of agents.
    """
    needed = config.threshold(len(participating))
    if state.active is not None:
        enough = len(violating) >= needed if config.clear_below_minimum else bool(violating)
        if not enough:
            return IDLE, Cleared(state.active)
        if violating == state.active:
            return state, None
        joined = tuple(name for name in violating if name not in state.active)
        left = tuple(name for name in state.active if name not in violating)
        return State((), violating), Changed(joined, left)
    mask = (1 << config.out_of) - 1
    past = dict(state.history)
    if config.mode == "exact":
        newest = {name: (past.get(name, 0) << 1 | (name in violating)) & mask for name in participating}
        counted = [name for name, bits in newest.items() if bits.bit_count() >= config.required]
        triggers = len(counted) >= needed and any(name in violating for name in counted)
    else:
        bits = (past.get("", 0) << 1 | (len(violating) >= needed)) & mask
        newest = {"": bits}
        triggers = bool(bits & 1) and bits.bit_count() >= config.required
    if triggers:
        return State((), violating), Triggered(violating)
    return State(tuple((name, bits) for name, bits in newest.items() if bits)), None


@dataclass(frozen=True, slots=True)
class Signal:
    """One location's verdicts: exact for a round, three-valued for a span of rounds (both ends included).

    ``cuts`` lists the rounds at which a new regime begins; ``over`` is only asked within one regime.
    """

    name: str
    at: Callable[[int], bool]
    over: Callable[[int, int], Maybe]
    cuts: tuple[int, ...] = ()


def runs(signal: Signal, first: int, last: int) -> list[tuple[int, bool]]:
    """Return the verdicts of rounds ``first`` to ``last`` as (first round, violates) runs."""
    starts = [first, *(cut for cut in signal.cuts if first < cut <= last)]
    found: list[tuple[int, bool]] = []

    def add(start: int, verdict: bool) -> None:
        if not found or found[-1][1] is not verdict:
            found.append((start, verdict))

    def visit(start: int, end: int) -> None:
        verdict = signal.over(start, end)
        if verdict is not Maybe.MAYBE:
            add(start, verdict is Maybe.YES)
        elif end - start < SHORT:
            for number in range(start, end + 1):
                add(number, signal.at(number))
        else:
            middle = (start + end) // 2
            visit(start, middle)
            visit(middle + 1, end)

    for start, following in zip(starts, [*starts[1:], last + 1], strict=True):
        visit(start, following - 1)
    return found


def advance(
    config: Config, state: State, signals: Sequence[Signal], first: int, last: int
) -> tuple[State, int, Event | None]:
    """Evaluate rounds ``first`` to ``last`` up to the first event.

    Returns the state, the last round that was evaluated, and the event (``None`` when the span passed quietly). The
    span is looked at in growing pieces, so that an event soon costs little.
    """
    participating = tuple(signal.name for signal in signals)
    start, width = first, 64
    while start <= last:
        end = min(start + width - 1, last)
        width *= 4
        verdicts = [runs(signal, start, end) for signal in signals]
        edges = sorted({begin for entries in verdicts for begin, _ in entries} | {start})
        places = [0] * len(signals)
        for edge, following in zip(edges, [*edges[1:], end + 1], strict=True):
            violating = []
            for index, entries in enumerate(verdicts):
                while places[index] + 1 < len(entries) and entries[places[index] + 1][0] <= edge:
                    places[index] += 1
                if entries[places[index]][1]:
                    violating.append(participating[index])
            names = tuple(violating)
            for number in range(edge, following):
                after, event = step(config, state, names, participating)
                if event is not None:
                    return after, number, event
                if after == state:
                    break
                state = after
        start = end + 1
    return state, last, None


def unseen(config: Config, state: State, rounds: int) -> State:
    """Return the state after ``rounds`` that nobody looks at: an alert goes on, otherwise none of them violates."""
    if state.active is not None:
        return state
    mask = (1 << config.out_of) - 1
    shift = min(rounds, config.out_of)
    shifted = ((name, bits << shift & mask) for name, bits in state.history)
    return State(tuple((name, bits) for name, bits in shifted if bits))


def naive(
    config: Config, state: State, signals: Sequence[Signal], first: int, last: int
) -> tuple[State, int, Event | None]:
    """Do what :func:`advance` does, one round after the other."""
    participating = tuple(signal.name for signal in signals)
    for number in range(first, last + 1):
        violating = tuple(signal.name for signal in signals if signal.at(number))
        state, event = step(config, state, violating, participating)
        if event is not None:
            return state, number, event
    return state, last, None
