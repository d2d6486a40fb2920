"""Every error the engine raises on purpose, as one small tree.

::

    EngineError
    |-- BadInstant        a date, duration or clock time that cannot be read
    |-- UnknownZone       no such IANA time zone in the pinned data
    |-- ClockError        an attempt to move virtual time backwards or past a limit
    |-- NotReached        a predicate did not come true within the time allowed
    |-- StaleSnapshot     a snapshot of a branch that was discarded
    |-- NoRoute           an outgoing request to a host nobody serves
    `-- Refused           a vendor's own refusal: status, headers and body of the answer
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class EngineError(Exception):
    """Base of every error raised by the engine."""


class BadInstant(EngineError):
    """A date, duration or clock time that cannot be read."""


class UnknownZone(EngineError):
    """No such IANA time zone in the pinned data."""


class ClockError(EngineError):
    """An attempt to move virtual time backwards, or beyond its end."""


class NotReached(EngineError):
    """A predicate did not come true within the time allowed."""


class StaleSnapshot(EngineError):
    """A snapshot that belongs to a branch discarded by an earlier restore."""


class NoRoute(EngineError):
    """An outgoing request to a host that nobody serves in this world."""


class Refused(EngineError):
    """A vendor's own refusal, ready to be sent: ``status`` and JSON ``body`` (and extra ``headers``)."""

    def __init__(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status}: {body}")
        self.status = status
        self.body = body
        self.headers = dict(headers or {})
