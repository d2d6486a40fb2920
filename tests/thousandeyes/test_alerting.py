"""The step function against published and derived vectors, and skipping against round by round."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.thousandeyes.alerting import (
    IDLE,
    NEVER,
    Changed,
    Cleared,
    Config,
    Effort,
    Event,
    Memory,
    Standing,
    State,
    Triggered,
    advance,
    naive,
    step,
)
from simulators.thousandeyes.expression import Maybe


def play(config: Config, rounds: str, agents: str = "ABCDE") -> list[tuple[int, str]]:
    """Return (round, event) of rounds written as words of violating agents, a dot for none."""
    state, seen = IDLE, []
    for number, word in enumerate(rounds.split(), 1):
        violating = tuple(agent for agent in agents if agent in word)
        state, event = step(config, state, violating, tuple(agents))
        if event is not None:
            seen.append((number, type(event).__name__))
    return seen


def config(mode: str, minimum: int, required: int, out_of: int) -> Config:
    return Config(mode, required, out_of, minimum)


@pytest.mark.parametrize(
    ("rule", "rounds", "events"),
    [
        (config("any", 1, 1, 1), "A", [(1, "Triggered")]),
        (config("any", 1, 3, 3), "A B C", [(3, "Triggered")]),
        (config("exact", 1, 3, 3), "A B C", []),
        (config("exact", 1, 3, 3), "AB BC B", [(3, "Triggered")]),
        (config("any", 2, 2, 3), "AB . CD", [(3, "Triggered")]),
        (config("exact", 2, 2, 3), "AB . CD", []),
        (config("exact", 2, 2, 3), "AB A B", [(3, "Triggered")]),
        (config("any", 2, 2, 3), "AB A B", []),
        (config("any", 3, 1, 1), "ABC A A .", [(1, "Triggered"), (2, "Changed"), (4, "Cleared")]),
        (config("any", 3, 1, 1), "ABC D .", [(1, "Triggered"), (2, "Changed"), (3, "Cleared")]),
        (config("any", 1, 2, 5), "A A . . .", [(2, "Triggered"), (3, "Cleared")]),
    ],
)
def test_rounds_and_locations_decide_when_an_alert_starts_and_ends(
    rule: Config, rounds: str, events: list[tuple[int, str]]
) -> None:
    """X of Y rounds with N locations, any or the same, as the worked examples say."""
    assert play(rule, rounds) == events


@pytest.mark.parametrize(("percent", "agents", "needed"), [(25, 13, 4), (10, 8, 1), (100, 4, 4), (0, 5, 1)])
def test_a_percentage_of_locations_is_rounded_up(percent: int, agents: int, needed: int) -> None:
    """25 % of 13 agents is four agents."""
    assert Config("any", 1, 1, None, percent).threshold(agents) == needed


def test_an_alert_lists_who_joined_and_who_left() -> None:
    """A location that violates in a single round joins an active alert."""
    rule = config("any", 2, 1, 1)
    state, event = step(rule, IDLE, ("A", "B"), ("A", "B", "C"))
    assert event == Triggered(("A", "B"))
    state, event = step(rule, state, ("C",), ("A", "B", "C"))
    assert event == Changed(("C",), ("A", "B"))
    state, event = step(rule, state, (), ("A", "B", "C"))
    assert (state, event) == (IDLE, Cleared(("C",)))


ROUNDS = 40


@dataclass(frozen=True)
class Pattern:
    """A location that violates in the rounds whose bit is set, and is absent or withheld in some stretches."""

    name: str
    bits: int
    away: tuple[tuple[int, Standing], ...]

    def at(self, number: int) -> bool:
        return bool(self.bits >> number & 1)

    def over(self, first: int, last: int) -> Maybe:
        found = {self.at(number) for number in range(first, min(last, ROUNDS) + 1)}
        return Maybe.MAYBE if len(found) == 2 else Maybe.YES if True in found else Maybe.NO

    def until(self, number: int) -> int:
        return next((edge - 1 for edge, _ in self.away if edge > number), NEVER)

    def standing(self, number: int) -> Standing:
        return next((standing for edge, standing in reversed(self.away) if edge <= number), Standing.COUNTED)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Config, list[Pattern]]:
    agents = draw(st.integers(1, 4))
    out_of = draw(st.integers(1, 5))
    rule = Config(
        draw(st.sampled_from(["any", "exact"])),
        draw(st.integers(1, out_of)),
        out_of,
        draw(st.one_of(st.none(), st.integers(1, agents))),
        draw(st.integers(0, 100)),
        draw(st.booleans()),
    )
    bits = st.integers(0, (1 << ROUNDS) - 1)
    # Sparse, dense and mixed rounds.
    masks = st.tuples(bits, bits, bits).map(lambda three: (three[0], three[0] & three[1], three[0] | three[2]))
    away = st.lists(st.tuples(st.integers(1, ROUNDS), st.sampled_from(Standing)), max_size=3, unique_by=lambda e: e[0])
    return rule, [
        Pattern(f"a{place}", draw(masks)[draw(st.integers(0, 2))], tuple(sorted(draw(away)))) for place in range(agents)
    ]


@settings(max_examples=4 * settings.default.max_examples)
@given(worlds(), st.integers(1, 12), st.booleans())
def test_skipping_gives_the_answer_of_round_by_round(
    world: tuple[Config, list[Pattern]], chunk: int, remembers: bool
) -> None:
    """In every small world both paths see the same events in the same rounds and end in the same state."""
    rule, patterns = world
    memory: Memory = {}

    def history(path: Callable[..., tuple[State, int, Event | None]], **how: object) -> list[object]:
        state, first, seen = IDLE, 0, []
        while first < ROUNDS:
            state, first, event = path(rule, state, patterns, first, min(first + chunk * 4, ROUNDS - 1), **how)
            if event is not None or first == ROUNDS - 1:
                seen.append((state, first, event))
            first += 1
        return seen

    assert history(advance, memory=memory if remembers else None) == history(naive)


@given(worlds(), st.integers(1, 30))
def test_spent_effort_stops_early_and_loses_nothing(world: tuple[Config, list[Pattern]], limit: int) -> None:
    """Going on from where looking ahead ended comes to the same event as looking all the way at once."""
    rule, patterns = world
    whole = advance(rule, IDLE, patterns, 0, ROUNDS - 1)
    state, number, event = IDLE, -1, None
    while event is None and number < ROUNDS - 1:
        state, number, event = advance(rule, state, patterns, number + 1, ROUNDS - 1, Effort(limit))
    assert (state, number, event) == whole
