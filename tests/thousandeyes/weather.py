"""Strategies for what can be wrong with the world: any condition, at any strength, seen by anybody."""

from hypothesis import strategies as st

from simulators.engine.instants import DAY, HOUR, MINUTE
from simulators.thousandeyes.conditions import MEANINGS, Meaning
from simulators.thousandeyes.model import Condition, Trouble

#: A Monday at midnight UTC, so that small numbers read as times of a day.
START = 20_514 * DAY

VALUES = {
    "ms": (1, 30, 400, 5_000),
    "%": (1, 10, 60, 100),
    "the HTTP (or SIP, FTP) status": (204, 302, 404, 503),
    "days until the certificate expires": (0, 1, 20),
}


def _value(meaning: Meaning) -> st.SearchStrategy[int]:
    unit = "%" if meaning.unit.startswith("%") else meaning.unit
    known = VALUES.get(unit, tuple({meaning.least, min(meaning.least + 2, meaning.most), min(900, meaning.most)}))
    return st.sampled_from(known)


@st.composite
def conditions(
    draw: st.DrawFn, kinds: tuple[Trouble, ...] = tuple(Trouble), *, agents: tuple[str, ...] = (), chance: bool = True
) -> Condition:
    """A condition of one of ``kinds`` within a day of :data:`START`."""
    kind = draw(st.sampled_from(kinds))
    since = START + draw(st.integers(0, 150)) * MINUTE
    return Condition(
        id=str(draw(st.integers(1, 9))),
        kind=kind,
        test="*",
        since=since,
        until=draw(st.one_of(st.none(), st.integers(1, 600).map(lambda minutes: since + minutes * MINUTE))),
        agents=tuple(draw(st.lists(st.sampled_from(agents), max_size=2, unique=True))) if agents else (),
        value=draw(_value(MEANINGS[kind])),
        period=draw(st.sampled_from((0, 0, 10 * MINUTE, 2 * HOUR))),
        duty=draw(st.sampled_from((50, 20, 90))),
        ramp=draw(st.sampled_from((0, 0, 30 * MINUTE, 5 * HOUR))),
        diurnal=draw(st.booleans()),
        share=draw(st.sampled_from((100, 100, 40))) if chance else 100,
        noise=draw(st.sampled_from((0, 0, 30))),
        hop=draw(st.sampled_from((0, 2, 5))),
    )
