"""What is wrong with the world, and how much of it shows at an instant or over a span.

A condition is a row: what (a :class:`~.model.Trouble`), of which test, as seen by whom, and when. Conditions compose:
each acts on what the others left. Time enters in four ways: a window, flapping (on and off within each period), a ramp
and the daily shape. What is random (rounds that are hit, varying values) is a keyed hash of the round, so it can be
asked for in any order.

Everything answers two questions: what shows at one instant, and within which limits over a span in which no condition
begins or ends (:func:`next_edge` says how long that is).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from simulators.engine import ids
from simulators.engine.instants import DAY, SECOND
from simulators.thousandeyes.model import Condition, Trouble

#: An instant that never comes.
NEVER = 1 << 62
FULL = 1000


@dataclass(frozen=True, slots=True)
class Meaning:
    """What ``value`` means: ``unit`` ("" = there is no value), limits, default (``None`` = it must be given).

    A ``scaled`` value grows with a ramp and the day, in steps of ``scale`` to the unit; where nothing can grow, the
    share of rounds that are hit does.
    """

    unit: str = ""
    least: int = 0
    most: int = 0
    default: int | None = 0
    scaled: bool = False
    scale: int = 1


def _amount(unit: str, most: int, scale: int, default: int | None = None) -> Meaning:
    return Meaning(unit, 1, most, default, scaled=True, scale=scale)


MEANINGS: dict[Trouble, Meaning] = {
    Trouble.STATUS: Meaning("the HTTP (or SIP, FTP) status", 100, 699, None),
    Trouble.TIMEOUT: Meaning(),
    Trouble.CONNECT: Meaning(),
    Trouble.DNS: Meaning(),
    Trouble.TLS: Meaning("days until the certificate expires", 0, 3650),
    Trouble.LATENCY: _amount("ms", 600_000, 1_000),
    Trouble.SLOW: _amount("ms", 600_000, 1_000),
    Trouble.JITTER: _amount("ms", 600_000, 1_000),
    Trouble.LOSS: _amount("%", 100, 1_000),
    Trouble.CONGESTION: _amount("% of the bandwidth", 100, 1_000),
    Trouble.CONTENT: Meaning(),
    Trouble.COMPONENT: Meaning("components", 1, 50, 1),
    Trouble.MAPPING: Meaning(),
    Trouble.PATH_CHANGE: Meaning("changes per round", 1, 1_000, 1),
    Trouble.HOP_LOSS: _amount("%", 100, 1_000),
    Trouble.MTU: Meaning("B", 68, 9_000, None),
    Trouble.DSCP: Meaning("the DSCP code", 0, 63, 0),
    Trouble.WITHDRAWAL: _amount("% of the time", 100, 1_000, 100),
    Trouble.HIJACK: Meaning("the AS number", 1, 4_294_967_295, 64_511),
    Trouble.OFFLINE: Meaning(),
    Trouble.LOCAL: Meaning(),
    Trouble.CLOCK: _amount("s", 86_400, 1),
}
#: Conditions of an agent as a whole: they hold for every round or for none, whatever the test.
OF_AGENTS = (Trouble.OFFLINE, Trouble.LOCAL, Trouble.CLOCK)


class Place(Protocol):
    """Where something is seen from: an agent or a monitor."""

    @property
    def id(self) -> str:
        """Its id."""

    @property
    def country(self) -> str:
        """Two letters."""

    @property
    def location(self) -> str:
        """The city."""

    @property
    def network(self) -> str:
        """Its provider, with the AS number in brackets."""


def concerns(condition: Condition, location: str, place: Place | None, part: str = "") -> bool:
    """Return whether a condition is seen by ``location`` (``place`` is its row, where there is one) on ``part``."""
    if condition.parts and part and part not in condition.parts:
        return False
    if not (condition.agents or condition.regions or condition.providers):
        return True
    if location in condition.agents:
        return True
    if place is None:
        return False
    if place.country in condition.regions or place.location in condition.regions:
        return True
    network = _folded(place.network)
    return any(_folded(name) in network for name in condition.providers)


def _folded(provider: str) -> str:
    """Return a provider's name as it is compared: ``AS 64500`` and ``as64500`` are the same."""
    return "".join(provider.split()).casefold()


def seen_by(condition: Condition) -> str:
    """Return in words who sees a condition, "" when everybody does."""
    return ", ".join((*condition.agents, *condition.regions, *condition.providers, *condition.parts))


# -- when --------------------------------------------------------------------------------------------------------------


def in_force(condition: Condition, instant: int) -> bool:
    """Return whether ``condition`` shows at ``instant``."""
    if instant < condition.since or (condition.until is not None and instant >= condition.until):
        return False
    return not condition.period or (instant - condition.since) % condition.period < _on(condition)


def began(condition: Condition, instant: int) -> int:
    """Return since when a condition in force at ``instant`` has shown without a break."""
    if not condition.period:
        return condition.since
    return instant - (instant - condition.since) % condition.period


def next_edge(conditions: Iterable[Condition], instant: int) -> int:
    """Return the first instant after ``instant`` at which something begins or ends, :data:`NEVER` when nothing does."""
    found = NEVER
    for condition in conditions:
        end = NEVER if condition.until is None else condition.until
        if instant >= end:
            continue
        if instant < condition.since:
            edge = condition.since
        else:
            edge = end
            if condition.period:
                phase, on = (instant - condition.since) % condition.period, _on(condition)
                edge = min(end, instant - phase + (on if phase < on else condition.period))
            if condition.kind is Trouble.TLS:
                expiry = condition.since + condition.value * DAY
                edge = min(edge, expiry) if expiry > instant else edge
        found = min(found, edge)
    return found


def _on(condition: Condition) -> int:
    return max(condition.period * condition.duty // 100, 1)


# -- how much ----------------------------------------------------------------------------------------------------------


def daily(instant: int) -> int:
    """Return the daily shape in thousandths: nothing at midnight UTC, all at noon, linear between."""
    half = DAY // 2
    return FULL * (half - abs(instant % DAY - half)) // half


def daily_limits(since: int, until: int) -> tuple[int, int]:
    """Return the least and the greatest value of :func:`daily` over [``since``, ``until``]."""
    if until - since >= DAY:
        return 0, FULL
    first, last = daily(since), daily(until)
    low, high = (first, last) if first <= last else (last, first)
    half = DAY // 2
    turn = since - since % half + half
    while turn <= until:
        if turn % DAY:
            high = FULL
        else:
            low = 0
        turn += half
    return low, high


def _grown(condition: Condition, instant: int) -> int:
    passed = instant - condition.since
    return FULL if not condition.ramp or passed >= condition.ramp else FULL * passed // condition.ramp


def intensity(condition: Condition, instant: int) -> int:
    """Return how much of a condition shows, in thousandths."""
    grown = _grown(condition, instant)
    return grown * daily(instant) // FULL if condition.diurnal else grown


def intensity_limits(condition: Condition, since: int, until: int) -> tuple[int, int]:
    """Return the least and the greatest :func:`intensity` over [``since``, ``until``]."""
    low, high = _grown(condition, since), _grown(condition, until)
    if condition.diurnal:
        least, most = daily_limits(since, until)
        return low * least // FULL, high * most // FULL
    return low, high


class Showing(NamedTuple):
    """A condition as it shows: its ``amount`` in smallest units (the value as it stands where nothing grows)."""

    condition: Condition
    amount: int


def showing(conditions: Sequence[Condition], seed: int, test: str, location: str, instant: int) -> list[Showing]:
    """Return what shows at ``instant``, in the order the conditions were made."""
    found = []
    for condition in conditions:
        if not in_force(condition, instant):
            continue
        meaning = MEANINGS[condition.kind]
        strength = intensity(condition, instant) if condition.ramp or condition.diurnal else FULL
        chance = condition.share * 10 if meaning.scaled else condition.share * 10 * strength // FULL
        if chance < FULL and condition.kind not in OF_AGENTS:
            drawn = ids.number(seed, "te.share", condition.id, test, location, instant) % FULL
            if drawn >= chance:
                continue
        amount = condition.value
        if meaning.scaled:
            amount = amount * meaning.scale * strength // FULL
            if condition.noise:
                spread = 10 * condition.noise
                swing = ids.number(seed, "te.swing", condition.id, test, location, instant) % (2 * spread + 1) - spread
                amount = amount * max(FULL + swing, 0) // FULL
        found.append(Showing(condition, amount))
    return found


def showing_limits(
    conditions: Sequence[Condition], since: int, until: int
) -> tuple[list[Showing], list[Showing]] | None:
    """Return the least and the most that shows in a round sampled in [``since``, ``until``], within one regime.

    ``None`` when it cannot even be told of what kind the outcome is.
    """
    least: list[Showing] = []
    most: list[Showing] = []
    for condition in conditions:
        if not in_force(condition, since):
            continue
        meaning = MEANINGS[condition.kind]
        low, high = (FULL, FULL)
        if condition.ramp or condition.diurnal:
            low, high = intensity_limits(condition, since, until)
        chance = (condition.share * 10, condition.share * 10)
        if not meaning.scaled:
            chance = (chance[0] * low // FULL, chance[1] * high // FULL)
        if condition.kind in OF_AGENTS:
            chance = (FULL, FULL)
        if chance[1] <= 0:
            continue
        sure = chance[0] >= FULL
        if not meaning.scaled:
            if not sure:
                return None
            least.append(Showing(condition, condition.value))
            most.append(Showing(condition, condition.value))
            continue
        swing = 10 * condition.noise
        whole = condition.value * meaning.scale
        floor = whole * low // FULL * max(FULL - swing, 0) // FULL
        least.append(Showing(condition, floor if sure else 0))
        most.append(Showing(condition, whole * high // FULL * (FULL + swing) // FULL))
    return least, most


def seconds_since(condition: Condition, instant: int) -> int:
    """Return for how many seconds a condition in force at ``instant`` has shown without a break."""
    return (instant - began(condition, instant)) // SECOND
