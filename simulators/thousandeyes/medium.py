"""The medium: what lies between a location and its target in one round, after everything that is wrong with it.

A healthy medium is made of base times that belong to the test and the location, the shape of the day, and noise. Each
kind of condition is one small act upon it, so conditions compose in the order they were made. Whatever only makes
things worse by degrees (times, shares) is a number that grows; the rest decides of what kind the outcome is.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from simulators.engine import ids
from simulators.engine.instants import DAY, SECOND
from simulators.thousandeyes import conditions as troubles
from simulators.thousandeyes.conditions import Showing
from simulators.thousandeyes.model import Condition, Trouble

#: All packets, or all of the time: shares are kept in thousandths of a per cent.
ALL = 100_000
#: Certificates live this many days and are renewed when so many are left.
LIFE, RENEWED = 90, 30
#: How many different things one round's noise is used for.
DRAWS = 8


@dataclass(frozen=True, slots=True)
class Target:
    """What is measured: a test's ``layer`` (an alert type), perhaps of one ``part`` (a DNS server or prefix).

    ``address`` is what the test names, ``limit`` the time limit in microseconds, ``secure`` whether there is a TLS
    handshake, ``desired`` the status that counts as right (0 = any below 400), ``names`` the markers of a transaction
    or the steps of an API test, ``traces`` the paths traced per round, ``bandwidth`` whether that is measured.
    """

    seed: int
    test: str
    layer: str = "http-server"
    part: str = ""
    address: str = ""
    limit: int = 5 * SECOND
    secure: bool = True
    desired: int = 0
    names: tuple[str, ...] = ()
    traces: int = 3
    bandwidth: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """A target as measured from one ``location``; ``network`` is that of a BGP monitor.

    ``place`` is where from and on what: what tells this probe's noise from that of its test's others. Probes come from
    :func:`probe`, which makes each only once, so that what was found out about one can be looked up by identity.
    """

    target: Target
    location: str
    network: str
    place: str


@functools.lru_cache(maxsize=65536)
def probe(target: Target, location: str, network: str = "") -> Probe:
    """Return the probe of a target from a location."""
    return Probe(target, location, network, f"{location}@{target.part}" if target.part else location)


class Medium:
    """What lies between a location and its target in one round, after everything that is wrong with it.

    Times are microseconds, shares thousandths of a per cent. ``failing`` lists what ends a request early, ``status`` is
    0 while the server answers as it should. What is fine is left to the class.
    """

    loss = congestion = withdrawn = hop_loss = 0
    status = components = changes = hijacker = hop = dscp = clock = 0
    mtu = 1_500
    content = mapping = False
    failing: tuple[Trouble, ...] = ()
    #: Seconds since the agent was heard of, ``None`` while it is.
    silent: int | None = None
    #: For how many days the certificate is valid, ``None`` while it is always renewed in time.
    days: int | None = None

    def __init__(
        self,
        probe: Probe,
        instant: int,
        dns: int,
        connect: int,
        ssl: int,
        wait: int,
        receive: int,
        trip: int,
        jitter: int,
    ) -> None:
        self.probe = probe
        self.instant = instant
        self.dns = dns
        self.connect = connect
        self.ssl = ssl
        self.wait = wait
        self.receive = receive
        self.trip = trip
        self.jitter = jitter


Act = Callable[[Medium, Condition, int], None]


@functools.lru_cache(maxsize=65536)
def _bases(seed: int, test: str, location: str) -> tuple[int, int, int, int]:
    """Return the base times in microseconds: resolving, one round trip, the server's thinking, receiving."""
    distance = 8_000 + ids.number(seed, "te.distance", test, location) % 60_000
    server = 40_000 + ids.number(seed, "te.server", test) % 80_000
    dns = 3_000 + ids.number(seed, "te.dns", location) % 25_000
    return dns, distance, server, 12_000 + distance // 4


def make(probe: Probe, instant: int, shape: int, noise: Sequence[int], shown: Iterable[Showing]) -> Medium:
    """Make the medium of one round from the day's shape, its noise (both in thousandths) and what shows."""
    target = probe.target
    dns, distance, server, receive = _bases(target.seed, target.test, probe.place)
    even = 1000 + shape
    trip = distance * (even + noise[0]) // 1000
    medium = Medium(
        probe,
        instant,
        dns * (even + noise[1]) // 1000,
        distance * (even + noise[2]) // 1000,
        2 * distance * (even + noise[3]) // 1000 if target.secure else 0,
        (server + distance) * (even + noise[4]) // 1000,
        receive * (even + noise[5]) // 1000,
        trip,
        distance * (1000 + noise[6]) // 50_000,
    )
    for entry in shown:
        _ACTS[entry.condition.kind](medium, entry.condition, entry.amount)
    if medium.loss:
        medium.receive += medium.receive * medium.loss // 20_000
    if medium.hop_loss:
        medium.loss = _either(medium.loss, medium.hop_loss)
    if medium.congestion:
        medium.receive += medium.receive * medium.congestion // 25_000
    return medium


# -- what conditions do to the medium ----------------------------------------------------------------------------------


def _status(medium: Medium, condition: Condition, amount: int) -> None:
    medium.status = amount


def _fails(medium: Medium, condition: Condition, amount: int) -> None:
    medium.failing = (*medium.failing, condition.kind)


def _tls(medium: Medium, condition: Condition, amount: int) -> None:
    left = condition.since + amount * DAY - medium.instant
    medium.days = max(left, 0) // DAY
    if left <= 0:
        medium.failing = (*medium.failing, condition.kind)


def _latency(medium: Medium, condition: Condition, amount: int) -> None:
    medium.trip += amount
    medium.connect += amount
    medium.wait += amount
    if medium.probe.target.secure:
        medium.ssl += 2 * amount


def _slow(medium: Medium, condition: Condition, amount: int) -> None:
    medium.wait += amount


def _jitter(medium: Medium, condition: Condition, amount: int) -> None:
    medium.jitter += amount


def _either(one: int, other: int) -> int:
    """Return the share of what is hit by one of two things that know nothing of each other: 30 % and 30 % are 51 %."""
    other = min(other, ALL)
    return one + other - one * other // ALL


def _loss(medium: Medium, condition: Condition, amount: int) -> None:
    medium.loss = _either(medium.loss, amount)


def _congestion(medium: Medium, condition: Condition, amount: int) -> None:
    medium.congestion = _either(medium.congestion, amount)


def _hop_loss(medium: Medium, condition: Condition, amount: int) -> None:
    medium.hop_loss = _either(medium.hop_loss, amount)
    medium.hop = condition.hop


def _withdrawal(medium: Medium, condition: Condition, amount: int) -> None:
    medium.withdrawn = _either(medium.withdrawn, amount)


def _offline(medium: Medium, condition: Condition, amount: int) -> None:
    medium.silent = max(medium.silent or 0, troubles.seconds_since(condition, medium.instant))


def _clock(medium: Medium, condition: Condition, amount: int) -> None:
    medium.clock += amount


def _sets(name: str) -> Act:
    """Return what sets one property of the medium to the amount."""

    def act(medium: Medium, condition: Condition, amount: int) -> None:
        setattr(medium, name, amount)

    return act


def _marks(name: str) -> Act:
    """Return what makes one property of the medium true."""

    def act(medium: Medium, condition: Condition, amount: int) -> None:
        setattr(medium, name, True)

    return act


def _nothing(medium: Medium, condition: Condition, amount: int) -> None:
    """Change nothing: the agent takes no part, which is not a matter of the medium."""


_ACTS: Mapping[Trouble, Act] = {
    Trouble.STATUS: _status,
    Trouble.TIMEOUT: _fails,
    Trouble.CONNECT: _fails,
    Trouble.DNS: _fails,
    Trouble.TLS: _tls,
    Trouble.LATENCY: _latency,
    Trouble.SLOW: _slow,
    Trouble.JITTER: _jitter,
    Trouble.LOSS: _loss,
    Trouble.CONGESTION: _congestion,
    Trouble.CONTENT: _marks("content"),
    Trouble.COMPONENT: _sets("components"),
    Trouble.MAPPING: _marks("mapping"),
    Trouble.PATH_CHANGE: _sets("changes"),
    Trouble.HOP_LOSS: _hop_loss,
    Trouble.MTU: _sets("mtu"),
    Trouble.DSCP: _sets("dscp"),
    Trouble.WITHDRAWAL: _withdrawal,
    Trouble.HIJACK: _sets("hijacker"),
    Trouble.OFFLINE: _offline,
    Trouble.LOCAL: _nothing,
    Trouble.CLOCK: _clock,
}


def certificate_days(medium: Medium) -> int:
    """Return for how many days the target's certificate is valid; it is renewed in time unless something is wrong."""
    if medium.days is not None:
        return medium.days
    offset = _certificate(medium.probe.target.seed, medium.probe.target.test)
    return LIFE - (medium.instant // DAY + offset) % (LIFE - RENEWED)


def renewals(medium: Medium) -> int:
    """Return how often the certificate was renewed so far."""
    return (medium.instant // DAY + _certificate(medium.probe.target.seed, medium.probe.target.test)) // (
        LIFE - RENEWED
    )


@functools.lru_cache(maxsize=16384)
def _certificate(seed: int, test: str) -> int:
    return ids.number(seed, "te.certificate", test) % LIFE
