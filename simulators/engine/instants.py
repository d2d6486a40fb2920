"""Reading and writing instants and durations; inside the house both are integers of microseconds.

An instant counts from 1970-01-01T00:00:00Z. Vendors speak ISO 8601 in several accents; this module reads them all and
writes the two that are needed: whole seconds with ``Z`` or with a zone's offset, and milliseconds with ``Z``.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

from simulators.engine.errors import BadInstant
from simulators.engine.zones import EPOCH, MICROSECOND, local, microseconds, zone

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
#: Virtual time ends here, a year before the calendar does, so that whatever is planned ahead still has a date.
LATEST = microseconds(datetime(9999, 1, 1, tzinfo=UTC))

_UNITS = {"us": 1, "ms": 1_000, "s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY, "w": 7 * DAY}
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(us|ms|s|m|h|d|w)", re.ASCII)
_CLOCK = re.compile(r"(?:(\d{4})-(\d{2})-(\d{2})[T ])?(\d{1,2}):(\d{2})(?::(\d{2}))?", re.ASCII)
_ISO = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?\s*(Z|z|UTC|[+-]\d{2}:?\d{2})?)?",
    re.ASCII,
)


def duration(value: str | int | timedelta) -> int:
    """Return a duration such as ``"10m"``, ``"1h30m"``, a timedelta or an integer of microseconds, in microseconds.

    Raises :class:`BadInstant` for anything else.
    """
    if isinstance(value, timedelta):
        return value // MICROSECOND
    if isinstance(value, int):
        return value
    parts = _DURATION_PART.findall(value)
    if not parts or "".join(amount + unit for amount, unit in parts) != value.replace(" ", ""):
        raise BadInstant(f"{value!r} is not a duration; write for example 90s, 10m or 1h30m")
    return sum(round(float(amount) * _UNITS[unit]) for amount, unit in parts)


def at_clock(value: str, now: int) -> int:
    """Return the instant named by ``"10:30"`` (on the UTC day of ``now``) or ``"2026-03-02 10:30"``.

    Raises :class:`BadInstant` when it cannot be read. ISO 8601 with an offset is accepted as well.
    """
    match = _CLOCK.fullmatch(value)
    if match is None:
        return parse(value)
    year, month, day, hour, minute, second = match.groups()
    today = EPOCH + now * MICROSECOND
    try:
        moment = datetime(
            int(year or today.year),
            int(month or today.month),
            int(day or today.day),
            int(hour),
            int(minute),
            int(second or 0),
            tzinfo=UTC,
        )
    except ValueError as problem:
        raise BadInstant(f"{value!r} is not a date and time: {problem}") from None
    return microseconds(moment)


def parse(value: str, zone_name: str = "UTC") -> int:
    """Return the instant an ISO 8601 text names; without an offset it is read on ``zone_name``'s clock.

    Accepts ``T`` or a space, ``Z``, ``+02:00`` and ``+0200``, up to nine decimals, and a date alone (midnight).
    Raises :class:`BadInstant` for anything else.
    """
    match = _ISO.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise BadInstant(f"{value!r} is not an ISO 8601 date and time")
    year, month, day, hour, minute, second, fraction, offset = match.groups()
    try:
        moment = datetime(  # noqa: DTZ001 - the zone is settled two lines below
            int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0)
        )
        if offset is None:
            aware = moment.replace(tzinfo=zone(zone_name))
        elif offset in {"Z", "z", "UTC"}:
            aware = moment.replace(tzinfo=UTC)
        else:
            sign = -1 if offset[0] == "-" else 1
            shift = timedelta(hours=int(offset[1:3]), minutes=int(offset[-2:]))
            aware = moment.replace(tzinfo=timezone(sign * shift))
        instant = microseconds(aware.astimezone(UTC))
    except (ValueError, OverflowError) as problem:
        raise BadInstant(f"{value!r} is not a date and time: {problem}") from None
    return instant + int((fraction or "0").ljust(6, "0")[:6])


def iso(instant: int, zone_name: str = "UTC") -> str:
    """Return ``2026-03-01T08:43:00Z``, or with the offset of ``zone_name`` when that is not UTC."""
    moment = local(instant, zone_name)
    text = moment.replace(tzinfo=None).isoformat(timespec="seconds")
    offset = moment.utcoffset()
    if not offset and zone_name in {"UTC", "Etc/UTC"}:
        return text + "Z"
    total = (offset or timedelta()) // timedelta(minutes=1)
    return f"{text}{'-' if total < 0 else '+'}{abs(total) // 60:02d}:{abs(total) % 60:02d}"


def iso_milliseconds(instant: int) -> str:
    """Return ``2026-03-01T08:43:00.512Z``."""
    return local(instant, "UTC").replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def clock(instant: int) -> str:
    """Return the UTC time of day as ``08:43:00``, for timelines."""
    return local(instant, "UTC").strftime("%H:%M:%S")


def spell(span: int) -> str:
    """Return a duration for people: ``0 s``, ``4 min 30 s``, ``2 h``, ``3 d 4 h``."""
    if span < 0:
        return "-" + spell(-span)
    seconds, rest = divmod(span, SECOND)
    parts = []
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        amount, seconds = divmod(seconds, size)
        if amount:
            parts.append(f"{amount} {unit}")
    if rest and not parts:
        return f"{rest // 1000} ms"
    return " ".join(parts[:2]) or "0 s"
