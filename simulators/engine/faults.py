"""Faults as data: what goes wrong on the wire, where, when and how often.

A fault is a row. The transport asks for the first live fault that matches a request and applies it; a hit uses it up.
Probabilities are per request, drawn from the world's seed and the fault's own counter, so a run repeats exactly.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from fnmatch import fnmatchcase

from simulators.engine import ids
from simulators.engine.draft import Draft
from simulators.engine.tables import TableKey

PER_MILLION = 1_000_000


class FaultKind(StrEnum):
    """What happens to a matching request."""

    REFUSE = "refuse"  # never arrives: connection refused
    TIMEOUT = "timeout"  # never arrives: the caller waits in vain
    LOSE_ANSWER = "lose_answer"  # arrives and is handled, but the answer is lost
    STATUS = "status"  # never arrives: something in between answers with ``status``
    DUPLICATE = "duplicate"  # arrives twice; the caller sees the second answer
    DELAY = "delay"  # arrives ``delay`` later; only a patient simulator still waits then, for others it is a time-out


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: glob patterns for ``host`` and ``path``, ``method`` or ``*``, and how it shows.

    ``skip`` matching requests pass untouched first, then ``times`` are hit (``None`` = all), within [``since``,
    ``until``) in microseconds UTC and with ``probability`` per million. ``delay`` is in microseconds.
    """

    id: str
    kind: FaultKind
    host: str = "*"
    path: str = "*"
    method: str = "*"
    times: int | None = 1
    skip: int = 0
    since: int = 0
    until: int | None = None
    probability: int = PER_MILLION
    status: int = 500
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""
    delay: int = 0
    seen: int = 0
    hits: int = 0


FAULTS: TableKey[Fault] = TableKey("engine.faults")


def add(draft: Draft, fault: Fault) -> Fault:
    """Put a fault into force and record it; an empty ``id`` gets the next one."""
    if not fault.id:
        fault = replace(fault, id=draft.fresh(ids.decimal(1), "engine.fault"))
    draft.put(FAULTS, fault)
    draft.record("fault.added", fault.id, fault=fault.kind, host=fault.host, path=fault.path, times=fault.times)
    return fault


def remove(draft: Draft, fault_id: str) -> None:
    """Take a fault out of force."""
    draft.need(FAULTS, fault_id)
    draft.delete(FAULTS, fault_id)
    draft.record("fault.removed", fault_id)


def take(
    draft: Draft, method: str, host: str, path: str, *, delays: bool | None = False, body: bytes = b""
) -> Fault | None:
    """Return the fault that hits this request, if any, counting it; the journal keeps the ``body`` that was hit.

    A simulator's own requests are asked about delays first and apart (``delays`` true, later false), because the agenda
    makes them late; for everybody else's (``delays`` is ``None``) a delay is a fault like any other.
    """
    for fault in draft.all(FAULTS):
        apart = delays is not None and (fault.kind is FaultKind.DELAY) is not delays
        if apart or not _matches(fault, method, host, path, draft.now):
            continue
        seen = replace(fault, seen=fault.seen + 1)
        drawn = ids.number(draft.seed, "engine.fault.draw", fault.id, fault.seen) % PER_MILLION
        if fault.seen < fault.skip or drawn >= fault.probability:
            draft.put(FAULTS, seen)
            continue
        draft.put(FAULTS, replace(seen, hits=fault.hits + 1))
        said = body.decode(errors="replace")
        draft.record("fault.hit", fault.id, fault=fault.kind, method=method, host=host, path=path, body=said)
        return fault
    return None


def _matches(fault: Fault, method: str, host: str, path: str, now: int) -> bool:
    return (
        (fault.times is None or fault.hits < fault.times)
        and fault.since <= now
        and (fault.until is None or now < fault.until)
        and fault.method in {"*", method}
        and fnmatchcase(host, fault.host)
        and fnmatchcase(path, fault.path)
    )
