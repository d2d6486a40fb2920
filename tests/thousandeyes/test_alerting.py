"""The step function against published and derived vectors, and skipping against round by round."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.thousandeyes.alerting import (
    IDLE,
    Changed,
    Cleared,
    Config,
    Event,
    Signal,
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


PATTERNS = st.lists(st.booleans(), min_size=40, max_size=40)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Config, list[list[bool]]]:
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
    return rule, [draw(PATTERNS) for _ in range(agents)]


def signal(name: str, pattern: list[bool]) -> Signal:
    def over(first: int, last: int) -> Maybe:
        found = set(pattern[first : last + 1])
        return Maybe.MAYBE if len(found) == 2 else Maybe.YES if True in found else Maybe.NO

    return Signal(
        name, lambda number: pattern[number], over, lambda number: next(end for end in (6, 19, 99) if number <= end)
    )


@settings(max_examples=400)
@given(worlds(), st.integers(1, 12))
def test_skipping_gives_the_answer_of_round_by_round(world: tuple[Config, list[list[bool]]], chunk: int) -> None:
    """In every small world both paths see the same events in the same rounds and end in the same state."""
    rule, patterns = world
    signals = [signal(f"a{place}", pattern) for place, pattern in enumerate(patterns)]

    def history(path: object) -> list[tuple[State, int, Event | None]]:
        state, first, seen = IDLE, 0, []
        while first < 40:
            state, first, event = path(rule, state, signals, first, min(first + chunk * 4, 39))  # type: ignore[operator]
            if event is not None or first == 39:
                seen.append((state, first, event))
            first += 1
        return seen

    assert history(advance) == history(naive)
