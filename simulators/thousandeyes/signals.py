"""Signals: what each agent measures in each round, as a function one can ask in any order.

A healthy target has base times of its own per agent, a daily shape and noise; all three come from keyed hashes of
(seed, test, agent, round), so the alerts and the test results always agree. Conditions transform the sample. Every
signal answers two questions: :func:`sample` gives the exact values of a round, :func:`bounds` gives limits that hold
for every round of a span in which the same conditions are in force. Times are microseconds, sizes bytes.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from simulators.engine import ids
from simulators.engine.instants import DAY, SECOND
from simulators.thousandeyes.expression import NO_ERROR, Bound, Value
from simulators.thousandeyes.model import Condition, Trouble

#: Noise is up to this many thousandths either way, the daily shape up to this many thousandths on top.
NOISE, DAILY = 80, 120
PARTS = ("dnsTime", "connectTime", "sslTime", "waitTime", "receiveTime")
WIRE_SIZE = 48_200
NONE = "None"

#: Status texts as they appear in an alert's error detail.
REASONS = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 500: "Internal Server Error",
           502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Failure:
    """How a condition shows in a sample: error type, its text, the last phase that took place, and what it costs."""

    error_type: str
    detail: str
    phases: int


#: Conditions that end a request early, the earliest phase first; a status is an answer, not an early end.
FAILURES: dict[Trouble, Failure] = {
    Trouble.DNS: Failure("DNS", "Could not resolve the host name", 1),
    Trouble.CONNECT: Failure("Connect", "Failed to connect to the host", 2),
    Trouble.TLS: Failure("SSL", "The server certificate has expired", 3),
    Trouble.TIMEOUT: Failure("Receive", "Operation timed out", 4),
}


def in_force(condition: Condition, instant: int) -> bool:
    """Return whether ``condition`` shows at ``instant``."""
    if instant < condition.since or (condition.until is not None and instant >= condition.until):
        return False
    return not condition.period or (instant - condition.since) % condition.period < condition.period // 2


def edges(conditions: Iterable[Condition], since: int, until: int) -> list[int]:
    """Return the instants strictly inside (``since``, ``until``) at which what is in force may change, ascending."""
    found: set[int] = set()
    for condition in conditions:
        end = until if condition.until is None else min(condition.until, until)
        found.update(edge for edge in (condition.since, end) if since < edge < until)
        if condition.period:
            half = max(condition.period // 2, 1)
            first = max((since - condition.since) // half, 0)
            edge = condition.since + first * half
            while edge < end:
                if since < edge:
                    found.add(edge)
                edge += half
    return sorted(found)


@functools.lru_cache(maxsize=65536)
def _bases(seed: int, test: str, agent: str) -> tuple[int, ...]:
    """Return the base time of each phase in microseconds."""
    distance = 8_000 + ids.number(seed, "te.distance", test, agent) % 60_000
    server = 40_000 + ids.number(seed, "te.server", test) % 80_000
    dns = 3_000 + ids.number(seed, "te.dns", agent) % 25_000
    return dns, distance, 2 * distance, server + distance, 12_000 + distance // 4


def _daily(instant: int) -> int:
    """Return the daily shape in thousandths: nothing at midnight, all of :data:`DAILY` at noon UTC, linear between."""
    half = DAY // 2
    return DAILY * (half - abs(instant % DAY - half)) // half


def _daily_bounds(since: int, until: int) -> tuple[int, int]:
    if until - since >= DAY:
        return 0, DAILY
    values = [_daily(since), _daily(until)]
    half = DAY // 2
    peak = since - since % half + half
    while peak <= until:
        values.append(_daily(peak))
        peak += half
    return min(values), max(values)


def sample(
    seed: int, test: str, agent: str, instant: int, conditions: Sequence[Condition], limit: int = 5 * SECOND
) -> dict[str, Value]:
    """Return everything the agent measures in the round sampled at ``instant``.

    ``conditions`` are those that concern this test and agent; ``limit`` is the request's time limit in microseconds.
    """
    shape = _daily(instant)
    times = []
    for place, base in enumerate(_bases(seed, test, agent)):
        noise = ids.number(seed, "te.noise", test, agent, instant, place) % (2 * NOISE + 1) - NOISE
        times.append(base * (1000 + shape + noise) // 1000)
    live = tuple(condition for condition in conditions if in_force(condition, instant))
    return _transform(times, live, limit)


def bounds(
    seed: int,
    test: str,
    agent: str,
    since: int,
    until: int,
    conditions: Sequence[Condition],
    limit: int = 5 * SECOND,
) -> dict[str, Bound] | None:
    """Return limits of every metric over [``since``, ``until``]; what is in force must not change inside.

    ``None`` when even the kind of outcome cannot be told (some rounds may run into the time limit and others not).
    """
    low_shape, high_shape = _daily_bounds(since, until)
    bases = _bases(seed, test, agent)
    live = tuple(condition for condition in conditions if in_force(condition, since))
    low = _transform([base * (1000 + low_shape - NOISE) // 1000 for base in bases], live, limit)
    high = _transform([base * (1000 + high_shape + NOISE) // 1000 for base in bases], live, limit)
    if low["errorType"] != high["errorType"]:
        return None
    merged: dict[str, Bound] = {}
    for name, value in low.items():
        other = high[name]
        if isinstance(value, int) and isinstance(other, int):
            merged[name] = (min(value, other), max(value, other))
        else:
            merged[name] = str(value)
    return merged


def _transform(times: list[int], live: Sequence[Condition], limit: int) -> dict[str, Value]:
    code, error, detail = 200, NONE, NO_ERROR
    for condition in live:
        if condition.kind is Trouble.LATENCY:
            times[3] += condition.value * 1_000
        elif condition.kind is Trouble.STATUS:
            code = condition.value
    if code >= 400:
        error, detail = "HTTP", f"{code} {REASONS.get(code, 'Error')}"
    phases = len(times)
    failing = [condition.kind for condition in live if condition.kind in FAILURES]
    failure = min((FAILURES[kind] for kind in failing), key=lambda entry: entry.phases, default=None)
    if failure is None and sum(times) > limit:
        failure = FAILURES[Trouble.TIMEOUT]
    if failure is not None:
        phases, error, detail, code = failure.phases, failure.error_type, failure.detail, 0
        times = times[:phases]
        if failure.error_type == "Receive":
            times[-1] = limit - sum(times[:-1])
    values: dict[str, Value] = dict(zip(PARTS, times, strict=False))
    if phases >= len(PARTS):
        values["responseTime"] = sum(times[:4])
        values["throughput"] = WIRE_SIZE * 8 * 1000 // max(sum(times), 1)
        values["wireSize"] = WIRE_SIZE
    values["totalTime"] = sum(times)
    values |= {"responseCode": code, "errorType": error, "probDetail": detail, "redirectCount": 0}
    return values
