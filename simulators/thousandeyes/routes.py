"""The ways traffic takes: addresses, the routers between a location and its target, and AS paths.

Everything is a keyed hash of who goes where, so a path is the same in every round until something changes it. Addresses
come from the ranges reserved for documentation and benchmarks, AS numbers from those reserved for examples.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from simulators.engine import ids
from simulators.thousandeyes.medium import ALL, Medium, Target
from simulators.thousandeyes.model import Trouble

FIRST_AS = 64_496
#: Where a hijacked or forged name points.
STRAY = "198.51.100.66"


def address_of(seed: int, name: str, *, stray: bool = False) -> str:
    """Return the address of a test's target; with ``stray`` the one a forged mapping gives."""
    return STRAY if stray else f"203.0.113.{ids.number(seed, 'te.server.address', name) % 254 + 1}"


@functools.lru_cache(maxsize=16384)
def hops(target: Target, location: str, turns: int) -> tuple[tuple[str, int, str], ...]:
    """Return the routers from a location to the target: address, AS number, name; ``turns`` chooses another way."""
    drawn = ids.number(target.seed, "te.path", target.test, location)
    length = 7 + drawn % 6 + (2 if turns else 0)
    found = []
    for place in range(length - 1):
        third = min(place * 3 // length, 2)
        # The way into and out of the network stays; only what lies between takes another turn.
        variant = turns if third == 1 else 0
        number = ids.number(target.seed, "te.hop", location if third < 2 else target.address, place, variant)
        asn = FIRST_AS + number % 12 if third == 1 else FIRST_AS + (drawn + third * 5) % 12
        address = f"198.18.{number % 256}.{(number >> 8) % 254 + 1}"
        found.append((address, asn, f"r{place + 1}.as{asn}.example.net"))
    return (*found, (address_of(target.seed, target.address), FIRST_AS + 13, f"edge.as{FIRST_AS + 13}.example.net"))


def traces(medium: Medium) -> tuple[Mapping[str, Any], ...]:
    """Return a round's path traces: some end at a router that drops packets, all do when nothing comes through."""
    location, target = medium.probe.location, medium.probe.target
    way = hops(target, location, medium.changes)
    cut = min(medium.hop or len(way) - 2, len(way) - 1)
    gone = (medium.loss >= ALL and medium.hop_loss < ALL) or Trouble.CONNECT in medium.failing
    found = []
    for number in range(target.traces):
        drawn = ids.number(target.seed, "te.trace", target.test, location, medium.instant, number) % ALL
        stopped = gone or (medium.hop_loss > 0 and drawn < medium.hop_loss)
        found.append(_trace(medium, way[:cut] if stopped else way, len(way), stopped))
    return tuple(found)


def _trace(medium: Medium, way: tuple[tuple[str, int, str], ...], length: int, stopped: bool) -> Mapping[str, Any]:
    target = medium.probe.target
    trace: dict[str, Any] = {
        "serverIp": way[-1][0] if stopped else address_of(target.seed, target.address, stray=medium.mapping),
        "mss": min(1_460, medium.mtu - 40),
        "pathMtu": medium.mtu,
        "pathLength": len(way),
        "isTerminal": int(stopped),
        "hops": tuple(
            {
                "ip": address,
                "asn": asn,
                "rdns": name,
                "hopDelay": medium.trip * place // length,
                "dscp": medium.dscp if place >= (medium.hop or 1) else 0,
                **({"mpls": f"L={16_000 + asn % 100}"} if place == 3 else {}),
            }
            for place, (address, asn, name) in enumerate(way, 1)
        ),
    }
    return trace


def as_path(medium: Medium) -> tuple[Mapping[str, Any], ...]:
    """Return the networks from the prefix's origin to the monitor's own."""
    probe, target = medium.probe, medium.probe.target
    drawn = ids.number(target.seed, "te.as.path", target.address, probe.location, medium.changes)
    origin = medium.hijacker or FIRST_AS + ids.number(target.seed, "te.origin", target.address) % 8
    between = [FIRST_AS + 8 + (drawn >> shift) % 6 for shift in (0, 8, 16)[: 1 + drawn % 3]]
    own = int("".join(filter(str.isdigit, probe.network)) or FIRST_AS + 15)
    return tuple({"asn": number} for number in (origin, *between, own))
