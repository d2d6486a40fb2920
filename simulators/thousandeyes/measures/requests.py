"""Requests in general: the phases they go through, how they end early, and what is told of that.

Every protocol's request is one: a name is resolved, a connection made, perhaps a handshake done, an answer waited for
and received. What ends it early shows as an error of the earliest phase that failed; a status is an answer, not an end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from simulators.thousandeyes.expression import NO_ERROR
from simulators.thousandeyes.medium import ALL, Medium
from simulators.thousandeyes.model import Trouble

Measure = Callable[[Medium], Any]

NONE = "None"
#: Status texts as they appear in an alert's error detail.
REASONS = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 408: "Request Timeout",
           429: "Too Many Requests", 480: "Temporarily Unavailable", 486: "Busy Here", 500: "Internal Server Error",
           502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout", 530: "Not logged in"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Layer:
    """One alert type: its measures, and what decides of what kind an outcome is."""

    measures: Mapping[str, Measure]
    outcome: Callable[[Medium], tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Failure:
    """How an early end shows: error type, its text, and the last phase that took place (1 DNS ... 4 wait)."""

    error_type: str
    detail: str
    phases: int


#: What ends a request early, the earliest phase first; a status is an answer, not an early end.
FAILURES: Mapping[Trouble, Failure] = {
    Trouble.DNS: Failure("DNS", "Could not resolve the host name", 1),
    Trouble.CONNECT: Failure("Connect", "Failed to connect to the host", 2),
    Trouble.TLS: Failure("SSL", "The server certificate has expired", 3),
    Trouble.TIMEOUT: Failure("Receive", "Operation timed out", 4),
}


def spent(medium: Medium) -> int:
    """Return the microseconds of a request that goes through all its phases."""
    return medium.dns + medium.connect + medium.ssl + medium.wait + medium.receive


def _failure(medium: Medium, total: int) -> Failure | None:
    """Return what ends a request of ``total`` microseconds early: the earliest phase wins."""
    found = medium.failing
    if medium.loss >= ALL:
        found = (*found, Trouble.CONNECT)
    failure: Failure | None = None
    for kind in found:
        if kind is Trouble.TLS and not medium.probe.target.secure:
            continue
        candidate = FAILURES[kind]
        if failure is None or candidate.phases < failure.phases:
            failure = candidate
    if failure is None and total > medium.probe.target.limit:
        return FAILURES[Trouble.TIMEOUT]
    return failure


def is_right(medium: Medium, healthy: int = 200) -> bool:
    """Return whether the status is one that counts as right."""
    status = medium.status or healthy
    return status == medium.probe.target.desired if medium.probe.target.desired else status < 400


def _reason(status: int) -> str:
    return f"{status} {REASONS.get(status, 'Error')}"


@dataclass(frozen=True, slots=True)
class Request:
    """How requests of one protocol go: the status of a healthy answer, what a wrong one is called, and its length."""

    healthy: int = 200
    wrong: str = "HTTP"
    none: str = NONE
    total: Measure = spent

    def failure(self, medium: Medium) -> Failure | None:
        """Return what ends the request early."""
        return _failure(medium, self.total(medium))

    def code(self, medium: Medium) -> int:
        """Return the status, 0 when there is no answer."""
        return 0 if self.failure(medium) else medium.status or self.healthy

    def kind(self, medium: Medium) -> str:
        """Return the error type."""
        failure = self.failure(medium)
        if failure is not None:
            return failure.error_type
        if not is_right(medium, self.healthy):
            return self.wrong
        return "Content" if medium.content else self.none

    def detail(self, medium: Medium) -> str:
        """Return the error in words, "" when there is none."""
        failure = self.failure(medium)
        if failure is not None:
            return failure.detail
        if not is_right(medium, self.healthy):
            return _reason(medium.status or self.healthy)
        return "The content does not match" if medium.content else NO_ERROR

    def outcome(self, medium: Medium) -> tuple[Any, ...]:
        """Return what decides of what kind the outcome is."""
        return self.failure(medium), medium.status, medium.content, medium.components

    def phase(self, number: int, of: Measure) -> Measure:
        """Return a measure of the ``number``-th phase: missing when the request ended before."""

        def measure(medium: Medium) -> int | None:
            failure = self.failure(medium)
            if failure is None or number < failure.phases:
                return int(of(medium))
            if number > failure.phases:
                return None
            if failure.error_type == "Receive":
                return max(medium.probe.target.limit - medium.dns - medium.connect - medium.ssl, 0)
            return int(of(medium))

        return measure

    def whole(self, medium: Medium) -> int:
        """The time of the whole request, up to its early end."""
        failure = self.failure(medium)
        if failure is None:
            return int(self.total(medium))
        if failure.error_type == "Receive":
            return medium.probe.target.limit
        return (medium.dns, medium.dns + medium.connect, medium.dns + medium.connect + medium.ssl)[failure.phases - 1]


def layer_of(request: Request, measures: Mapping[str, Measure]) -> Layer:
    """Return the layer that makes such requests."""
    return Layer(measures, request.outcome)


def handshake(request: Request) -> Measure:
    """Return a measure of the TLS handshake: missing where there is none."""
    phase = request.phase(3, lambda m: m.ssl)
    return lambda m: phase(m) if m.probe.target.secure else None


def first_byte(medium: Medium) -> int:
    """Return the microseconds until the first byte of the answer."""
    return medium.dns + medium.connect + medium.ssl + medium.wait


def throughput(size: int) -> Measure:
    """Return a measure of kilobits per second, of an answer of ``size`` bytes."""

    def measure(medium: Medium) -> int:
        return size * 8 * 1000 // max(spent(medium), 1)

    return measure
