"""The ways traffic takes: addresses, the routers between a location and its target, and AS paths.

Everything is a keyed hash of who goes where, so a path is the same in every round until something changes it. Addresses
come from the ranges reserved for documentation and benchmarks, AS numbers from those reserved for examples.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from simulators.engine import ids
from simulators.thousandeyes.medium import ALL, Medium
from simulators.thousandeyes.model import Trouble

FIRST_AS = 64_496
#: Where a hijacked or forged name points.
STRAY = "198.51.100.66"


def address_of(seed: int, target: str, *, stray: bool = False) -> str:
    """Return the address of a target; with ``stray`` the one a forged mapping gives."""
    return STRAY if stray else f"203.0.113.{ids.number(seed, 'te.server.address', target) % 254 + 1}"


@functools.lru_cache(maxsize=16384)
def hops(seed: int, test: str, location: str, target: str, turns: int) -> tuple[tuple[str, int, str], ...]:
    """Return the routers from a location to the target: address, AS number, name; ``turns`` chooses another way."""
    drawn = ids.number(seed, "te.path", test, location)
    length = 7 + drawn % 6 + (2 if turns else 0)
    found = []
    for place in range(length - 1):
        third = min(place * 3 // length, 2)
        # The way into and out of the network stays; only what lies between takes another turn.
        variant = turns if third == 1 else 0
        number = ids.number(seed, "te.hop", location if third < 2 else target, place, variant)
        asn = FIRST_AS + number % 12 if third == 1 else FIRST_AS + (drawn + third * 5) % 12
        address = f"198.18.{number % 256}.{(number >> 8) % 254 + 1}"
        found.append((address, asn, f"r{place + 1}.as{asn}.example.net"))
    return (*found, (address_of(seed, target), FIRST_AS + 13, f"edge.as{FIRST_AS + 13}.example.net"))


def traces(medium: Medium) -> tuple[Mapping[str, Any], ...]:
    """Return a round's path traces: some end at a router that drops packets, all do when nothing comes through."""
    probe = medium.probe
    way = hops(probe.seed, probe.test, probe.location, probe.target, medium.changes)
    cut = min(medium.hop or len(way) - 2, len(way) - 1)
    gone = (medium.loss >= ALL and medium.hop_loss < ALL) or Trouble.CONNECT in medium.failing
    found = []
    for number in range(probe.traces):
        drawn = ids.number(probe.seed, "te.trace", probe.test, probe.location, medium.instant, number) % ALL
        stopped = gone or (medium.hop_loss > 0 and drawn < medium.hop_loss)
        found.append(_trace(medium, way[:cut] if stopped else way, len(way), stopped))
    return tuple(found)


def _trace(medium: Medium, way: tuple[tuple[str, int, str], ...], length: int, stopped: bool) -> Mapping[str, Any]:
    trace: dict[str, Any] = {
        "serverIp": way[-1][0] if stopped else address_of(medium.probe.seed, medium.probe.target, stray=medium.mapping),
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
    probe = medium.probe
    drawn = ids.number(probe.seed, "te.as.path", probe.target, probe.location, medium.changes)
    origin = medium.hijacker or FIRST_AS + ids.number(probe.seed, "te.origin", probe.target) % 8
    between = [FIRST_AS + 8 + (drawn >> shift) % 6 for shift in (0, 8, 16)[: 1 + drawn % 3]]
    own = int("".join(filter(str.isdigit, probe.network)) or FIRST_AS + 15)
    return tuple({"asn": number} for number in (origin, *between, own))
