"""Time zones from the pinned ``tzdata`` wheel, never from the machine.

Two machines with different system zone files would disagree about who is on call around a rule change; loading from
the wheel makes the answer a function of the installed version alone.
"""

from __future__ import annotations

import functools
import importlib.resources
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from simulators.engine.errors import UnknownZone

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


@functools.cache
def zone(name: str) -> ZoneInfo:
    """Return the IANA zone ``name`` such as ``Europe/Berlin``; raise :class:`UnknownZone` when there is none."""
    parts = name.split("/")
    if not name or any(part in {"", ".", ".."} for part in parts):
        raise UnknownZone(name)
    entry = importlib.resources.files("tzdata.zoneinfo").joinpath(*parts)
    try:
        with entry.open("rb") as stream:
            return ZoneInfo.from_file(stream, key=name)
    except (OSError, ValueError) as problem:
        raise UnknownZone(name) from problem


def local(instant: int, name: str) -> datetime:
    """Return the aware local date and time of ``instant`` (microseconds UTC) in zone ``name``."""
    return (EPOCH + instant * MICROSECOND).astimezone(zone(name))


def microseconds(moment: datetime) -> int:
    """Return an aware ``moment`` as microseconds UTC."""
    return (moment - EPOCH) // MICROSECOND
