"""From violating locations to an alert: one step function, and a way to skip the rounds that cannot matter.

:func:`step` is the whole of the vendor's "X of Y rounds, at least N locations, any or the same" logic for one round.
It serves both paths: :func:`naive` calls it for every round and is the oracle of the tests; :func:`advance` asks each
location's signal for a verdict over as many rounds as it can tell at once, and jumps to the end of a span once the
state repeats, because constant input at a fixed point cannot change.

A trigger needs the newest round to violate, and history restarts at a clear; without these two, old history would raise
an alert again that no location supports. A round in which a location's data are withheld (a suppression window) shifts
a round without violation into history and leaves an alert alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import compress
from typing import NamedTuple, Protocol

from simulators.thousandeyes.expression import Maybe

#: Spans of undecided rounds not longer than this are evaluated round by round.
SHORT = 8
#: A round that never comes.
NEVER = 1 << 62


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
    config: Config,
    state: State,
    violating: tuple[str, ...],
    participating: tuple[str, ...],
    withheld: tuple[str, ...] = (),
) -> tuple[State, Event | None]:
    """Return the state after one more round and what happened in it.

    ``violating`` and ``withheld`` (whose data of this round are not looked at) are parts of ``participating`` and have
    nothing in common; all are in the test's order of locations.
    """
    needed = config.threshold(len(participating))
    if state.active is not None:
        return _while_active(config, state.active, needed, violating, participating, withheld)
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


def _while_active(
    config: Config,
    active: tuple[str, ...],
    needed: int,
    violating: tuple[str, ...],
    participating: tuple[str, ...],
    withheld: tuple[str, ...],
) -> tuple[State, Event | None]:
    """Let locations join and leave; those whose data are withheld stay as they were."""
    now = violating
    if withheld:
        now = tuple(name for name in participating if name in violating or (name in withheld and name in active))
    few = config.clear_below_minimum and not withheld and len(now) < needed
    if not now or few:
        return IDLE, Cleared(active)
    if now == active:
        return State((), active), None
    joined = tuple(name for name in now if name not in active)
    left = tuple(name for name in active if name not in now)
    return State((), now), Changed(joined, left) if joined or left else None


# -- many rounds -------------------------------------------------------------------------------------------------------


class Standing(StrEnum):
    """What a round of a location counts for."""

    COUNTED = "counted"
    ABSENT = "absent"  # it takes no part, as if the rule left it out (local problems)
    WITHHELD = "withheld"  # it takes part, but its data are not looked at (suppression)


class Signal(Protocol):
    """One location's verdicts: exact for a round, three-valued for a span of rounds (both ends included)."""

    @property
    def name(self) -> str:
        """The location."""

    def at(self, number: int) -> bool:
        """Return whether the rule is violated in a round."""

    def over(self, first: int, last: int) -> Maybe:
        """Return whether it is in every round of a span, in none, or in some; only asked within one regime."""

    def until(self, number: int) -> int:
        """Return the last round of the regime a round is in (:data:`NEVER` = it never ends)."""

    def standing(self, number: int) -> Standing:
        """Return what a round counts for; the same throughout a regime."""


def violates(signal: Signal, number: int) -> bool:
    """Return whether a location counts as violating in a round."""
    return signal.standing(number) is Standing.COUNTED and signal.at(number)


@dataclass(slots=True)
class Effort:
    """How many verdicts were asked for: of single ``rounds`` that could not be told otherwise, and of ``spans``.

    At ``limit`` :func:`advance` stops early.
    """

    limit: int = NEVER
    rounds: int = 0
    spans: int = 0


class Known(NamedTuple):
    """What is known of a location's rounds ``first`` to ``last`` without asking again, and how to go on from there.

    Up to ``regime`` nothing begins or ends; spans of ``width`` rounds are worth trying, those up to ``single`` are not.
    """

    first: int
    last: int
    violates: bool
    standing: Standing
    regime: int
    width: int
    single: int


#: What is known by location. It holds as long as nothing changes that the location sees.
Memory = dict[str, Known]


class _Runner:
    """Runs along one signal: ``violates`` and ``standing`` hold from the round it last looked at up to ``last``.

    It tries the whole regime at once, even beyond the horizon. Where that is undecided it tries a quarter, and so on
    down to :data:`SHORT` rounds, which are asked one by one; after every success it dares four times as much.
    """

    __slots__ = ("_effort", "_first", "_regime", "_single", "_width", "last", "signal", "standing", "violates")

    def __init__(self, signal: Signal, effort: Effort, known: Known | None) -> None:
        self.signal = signal
        self._effort = effort
        self.last = -NEVER
        self.violates = False
        self._first = 0
        if known is None:
            self.standing, self._regime, self._width, self._single = Standing.COUNTED, -NEVER, NEVER, -NEVER
        else:
            self.standing, self._regime = known.standing, known.regime
            self._width, self._single = known.width, known.single

    @property
    def known(self) -> Known:
        """What it knows at the end."""
        return Known(self._first, self.last, self.violates, self.standing, self._regime, self._width, self._single)

    def look(self, number: int, horizon: int) -> None:
        """Find out about round ``number`` and as many after it as can be told, up to ``horizon``."""
        signal, effort = self.signal, self._effort
        self._first = number
        if number > self._regime:
            self._regime = signal.until(number)
            self.standing = signal.standing(number)
            self._width = NEVER
            self._single = -NEVER
        if self.standing is not Standing.COUNTED:
            self.violates, self.last = False, self._regime
            return
        while number > self._single:
            end = min(number + self._width - 1, self._regime)
            effort.spans += 1
            verdict = signal.over(number, end)
            if verdict is not Maybe.MAYBE:
                self.violates, self.last = verdict is Maybe.YES, end
                self._width *= 4
                return
            width = min(end, horizon) - number + 1
            if width <= SHORT:
                self._single = end
            self._width = max(width // 4, SHORT)
        effort.rounds += 1
        self.violates, self.last = signal.at(number), number


def advance(
    config: Config,
    state: State,
    signals: Sequence[Signal],
    first: int,
    last: int,
    effort: Effort | None = None,
    memory: Memory | None = None,
) -> tuple[State, int, Event | None]:
    """Evaluate rounds ``first`` to ``last`` up to the first event.

    Returns the state, the last round that was evaluated, and the event (``None`` when the span passed quietly, or when
    the ``effort`` was spent). What is in ``memory`` is not asked again; what was found out is left there.
    """
    spent, remembered = effort or Effort(), {} if memory is None else memory
    line = _Line(signals, first, last, spent, remembered)
    number, event = first, None
    while number <= last and event is None:
        # Without an alert, and where any locations will do, too few of them need not be asked.
        end = line.reach(number, config if state.active is None and config.mode != "exact" else None)
        state, stopped, event = _constant(config, state, line, number, end)
        number = stopped + 1
        if spent.rounds + spent.spans >= spent.limit:
            break
    remembered.update(line.known())
    return state, number - 1, event


class _Line:
    """All locations side by side: who violates, what each one's rounds count for, and up to which round that holds.

    What is remembered is taken as it is; a location is only asked when that does not reach far enough.
    """

    __slots__ = (
        "_effort",
        "_ends",
        "_horizon",
        "_memory",
        "_odd",
        "_runners",
        "_signals",
        "flags",
        "names",
        "standings",
    )

    def __init__(self, signals: Sequence[Signal], first: int, last: int, effort: Effort, memory: Memory) -> None:
        self.names = tuple([signal.name for signal in signals])
        self._signals, self._horizon, self._effort = signals, last, effort
        known = [memory.get(name) for name in self.names]
        self._memory = [None if row is None or row.first > first else row for row in known]
        self._ends = [first - 1 if row is None else row.last for row in self._memory]
        self.flags = [row is not None and row.violates for row in self._memory]
        self.standings = [Standing.COUNTED if row is None else row.standing for row in self._memory]
        self._odd = any(standing is not Standing.COUNTED for standing in self.standings)
        self._runners: dict[int, _Runner] = {}

    def reach(self, number: int, few: Config | None) -> int:
        """Make everything hold at round ``number`` and return up to which round it does, the horizon at most.

        With ``few`` the last locations are not asked when even all of them together could not reach the threshold;
        they pass for not violating.
        """
        ends = self._ends
        stale = [place for place, end in enumerate(ends) if end < number]
        if not stale:
            return min(self._horizon, min(ends, default=NEVER))
        known = [place for place, end in enumerate(ends) if end >= number]
        bad = sum([self.flags[place] for place in known])
        there = sum([self.standings[place] is not Standing.ABSENT for place in known])
        for asked, place in enumerate(stale):
            if few is not None and bad + len(stale) - asked < few.threshold(there):
                left = stale[asked:]
                for passed in left:
                    self.flags[passed], self.standings[passed] = False, Standing.COUNTED
                return min(self._horizon, min([end for end in ends if end >= number], default=NEVER))
            self._look(place, number)
            bad += self.flags[place]
            there += self.standings[place] is not Standing.ABSENT
        return min(self._horizon, min(ends))

    def _look(self, place: int, number: int) -> None:
        runner = self._runners.get(place)
        if runner is None:
            runner = self._runners[place] = _Runner(self._signals[place], self._effort, self._memory[place])
        runner.look(number, self._horizon)
        self._ends[place], self.flags[place], self.standings[place] = runner.last, runner.violates, runner.standing
        self._odd = self._odd or runner.standing is not Standing.COUNTED

    def of(self, standing: Standing) -> tuple[str, ...]:
        """Return the locations whose rounds count for this."""
        if not self._odd:
            return self.names if standing is Standing.COUNTED else ()
        return tuple([name for name, found in zip(self.names, self.standings, strict=True) if found is standing])

    def known(self) -> Iterator[tuple[str, Known]]:
        """Yield what was found out."""
        return ((self.names[place], runner.known) for place, runner in self._runners.items())


def _constant(config: Config, state: State, line: _Line, first: int, last: int) -> tuple[State, int, Event | None]:
    """Step through rounds in which nothing changes, until the state repeats."""
    violating = tuple(compress(line.names, line.flags))
    absent, withheld = line.of(Standing.ABSENT), line.of(Standing.WITHHELD)
    participating = tuple([name for name in line.names if name not in absent]) if absent else line.names
    for number in range(first, last + 1):
        after, event = step(config, state, violating, participating, withheld)
        if event is not None:
            return after, number, event
        if after == state:
            break
        state = after
    return state, last, None


def naive(
    config: Config, state: State, signals: Sequence[Signal], first: int, last: int
) -> tuple[State, int, Event | None]:
    """Do what :func:`advance` does, one round after the other."""
    for number in range(first, last + 1):
        standing = {signal.name: signal.standing(number) for signal in signals}
        violating = tuple(signal.name for signal in signals if violates(signal, number))
        participating = tuple(name for name in standing if standing[name] is not Standing.ABSENT)
        withheld = tuple(name for name in standing if standing[name] is Standing.WITHHELD)
        state, event = step(config, state, violating, participating, withheld)
        if event is not None:
            return state, number, event
    return state, last, None
