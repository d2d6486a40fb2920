"""What is measured of networks: packets end to end, calls, traced paths, routes, and the agents themselves."""

from __future__ import annotations

from typing import Any

from simulators.thousandeyes import routes
from simulators.thousandeyes.expression import NO_ERROR, TRACES
from simulators.thousandeyes.measures.requests import FAILURES, Layer, Measure
from simulators.thousandeyes.medium import ALL, Medium
from simulators.thousandeyes.model import Trouble


def _unresolved(medium: Medium) -> bool:
    return Trouble.DNS in medium.failing


def _lost(medium: Medium) -> int | None:
    if _unresolved(medium):
        return None
    return ALL if Trouble.CONNECT in medium.failing else medium.loss


def _reached(of: Measure) -> Measure:
    """Return a measure of packets that came back; none came back when all were lost."""

    def measure(medium: Medium) -> int | None:
        gone = _unresolved(medium) or Trouble.CONNECT in medium.failing or medium.loss >= ALL
        return None if gone else int(of(medium))

    return measure


def _network_error(medium: Medium) -> str:
    return FAILURES[Trouble.DNS].detail if _unresolved(medium) else NO_ERROR


def _network_outcome(medium: Medium) -> tuple[Any, ...]:
    return _unresolved(medium), Trouble.CONNECT in medium.failing, medium.loss >= ALL, medium.dscp


def _left(kbps: int) -> Measure:
    """Return how much of a bandwidth is left."""

    def measure(medium: Medium) -> int | None:
        return kbps * (ALL - min(medium.congestion, ALL)) // ALL if medium.probe.target.bandwidth else None

    return measure


END_TO_END_SERVER = Layer(
    {
        "loss": _lost,
        "avgLatency": _reached(lambda m: m.trip),
        "jitter": _reached(lambda m: m.jitter),
        "availBwCs": _left(80_000),
        "capCs": _left(100_000),
        "probDetail": _network_error,
    },
    _network_outcome,
)

END_TO_END_AGENT = Layer(
    {
        "loss": _lost,
        "latency": _reached(lambda m: m.trip // 2),
        "jitter": _reached(lambda m: m.jitter),
        "throughput": _left(40_000),
        "probDetail": _network_error,
        "dscp": lambda m: m.dscp,
        "bothWaysLoss": _lost,
        "bothWaysLatency": _reached(lambda m: m.trip),
        "bothWaysJitter": _reached(lambda m: m.jitter),
        "bothWaysThroughput": _left(40_000),
        "bothWaysProbDetail": _network_error,
    },
    _network_outcome,
)


def _discards(medium: Medium) -> int:
    """Return the share of packets that come too late for the jitter buffer."""
    return min(max(medium.jitter - 40_000, 0), 200_000) * ALL // 200_000


def _mos(medium: Medium) -> int:
    """Return the mean opinion score in thousandths, 4.41 at best, falling with loss, discards and latency."""
    harm = (medium.loss + _discards(medium)) * 12 // 100 + max(medium.trip // 2 - 150_000, 0) * 4 // 1_000
    return max(4_410 - harm, 1_000)


VOICE = Layer(
    {
        "mos": _reached(_mos),
        "loss": _lost,
        "discards": _reached(_discards),
        "latency": _reached(lambda m: m.trip // 2),
        "pdv": _reached(lambda m: m.jitter),
        "dscp": lambda m: m.dscp,
        "probDetail": lambda m: (
            "The call could not be established" if m.loss >= ALL or Trouble.CONNECT in m.failing else _network_error(m)
        ),
    },
    _network_outcome,
)


def _path_outcome(medium: Medium) -> tuple[Any, ...]:
    """Which traces a router drops is each round's own affair, so two rounds never have the same outcome then."""
    drawn = medium.instant if 0 < medium.hop_loss < ALL else 0
    return (*_network_outcome(medium), medium.hop_loss, medium.hop, drawn, medium.changes, medium.mtu, medium.mapping)


PATH_TRACE = Layer({TRACES: lambda m: None if _unresolved(m) else routes.traces(m)}, _path_outcome)


# -- routes and agents -------------------------------------------------------------------------------------------------


def _covered(medium: Medium) -> bool:
    return medium.probe.target.part != medium.probe.target.address


BGP = Layer(
    {
        "reachability": lambda m: ALL - min(m.withdrawn, ALL),
        "changes": lambda m: 1_000 * m.changes,
        "prefix": lambda m: None if _covered(m) else m.probe.target.part,
        "subprefix": lambda m: m.probe.target.part if _covered(m) else None,
        "bgpHops": lambda m: routes.as_path(m) if m.withdrawn < ALL else None,
    },
    lambda m: (m.changes, m.hijacker, m.withdrawn >= ALL),
)

AGENT = Layer(
    {"lastContact": lambda m: m.silent or 0, "clockOffset": lambda m: m.clock},
    lambda m: (),
)
