"""Time ranges and pages: what a request's ``window``, dates, ``max`` and ``cursor`` say, and the link to the next page.

A cursor stands for the last row shown and for the time range as it was on the first page, so pages neither move with
the clock nor repeat what newer rows push down. A client that repeats its own range beside the cursor changes nothing.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlencode

from flask import request

from simulators.engine import instants
from simulators.engine.errors import BadInstant
from simulators.engine.web import decode_cursor, encode_cursor
from simulators.thousandeyes.api.rest import FieldError, invalid, iso

RowT = TypeVar("RowT")
Key = tuple[int, str]
Span = tuple[int, int]
#: A key no row has: whatever there is comes after it.
_BEFORE_ALL: Key = (-(1 << 62), "")


#: The dates a range can reach.
_FIRST, _LAST = instants.parse("0001-01-01"), instants.parse("9999-12-31T23:59:59.999999Z")
_WINDOW = re.compile(r"([0-9]{1,9})([smhdw]?)")
_SPANS = {
    "": instants.SECOND,
    "s": instants.SECOND,
    "m": instants.MINUTE,
    "h": instants.HOUR,
    "d": instants.DAY,
    "w": 7 * instants.DAY,
}


def read_date(name: str) -> int | None:
    """Return a date-time query parameter in microseconds UTC, ``None`` when absent.

    Accepts an offset with or without a colon, ``Z``, and none (UTC). A ``+`` that arrived unescaped, and so became a
    space, is understood as well. Raises a validation problem for anything else.
    """
    text = request.args.get(name)
    if text is None:
        return None
    try:
        return instants.parse(re.sub(r"(?<=\d) (?=\d{2}:?\d{2}$)(?<!^\d{4}-\d{2}-\d{2} )", "+", text))
    except BadInstant:
        raise invalid(FieldError(name, "must be an ISO 8601 date-time")) from None


def window_of(now: int) -> tuple[int, int] | None:
    """Return the time range [start, end] a request names, in microseconds UTC, or ``None`` when it names none.

    ``window`` is a span up to ``now`` and excludes the dates; ``endDate`` alone is refused, ``startDate`` alone reaches
    to ``now`` (ThousandEyes: time range parameters).
    """
    window = request.args.get("window")
    start, end = read_date("startDate"), read_date("endDate")
    if window is not None:
        if start is not None or end is not None:
            raise invalid(FieldError("window", "cannot be combined with startDate or endDate"))
        match = _WINDOW.fullmatch(window)
        if match is None:
            raise invalid(FieldError("window", "must be a number followed by s, m, h, d or w"))
        return max(now - int(match[1]) * _SPANS[match[2]], 0), now
    if start is None:
        if end is not None:
            raise invalid(FieldError("startDate", "is required when endDate is given"))
        return None
    if end is None:
        end = now
    if start > end:
        raise invalid(FieldError("startDate", "must not be after endDate"))
    return start, end


def cursor_state() -> dict[str, Any]:
    """Return what the ``cursor`` of this request stands for, empty without one; a foreign cursor is refused."""
    text = request.args.get("cursor")
    if not text:
        return {}
    try:
        return decode_cursor(text)
    except (ValueError, RecursionError):
        raise foreign_cursor() from None


def is_span(since: int, until: int) -> bool:
    """Return whether a time range from a cursor has dates: one this server never gave may be any two numbers."""
    return _FIRST <= since <= until <= _LAST


def page_size(default: int, largest: int, name: str = "max") -> int:
    """Return the ``max`` of a request; raises a validation problem when it is not a whole number from 1 on."""
    text = request.args.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or not text.strip("0"):
        raise invalid(FieldError(name, "must be a whole number greater than 0"))
    return largest if len(text) > 9 else min(int(text), largest)


def next_link(state: Mapping[str, Any], **fixed: str) -> str:
    """Return the URL of the next page: this request with a cursor for ``state``.

    ``fixed`` replaces parameters (absolute dates instead of a window, so that pages do not move with the clock); an
    empty value takes the parameter out.
    """
    query = {name: value for name, value in request.args.items() if name != "cursor"}
    query.update(fixed)
    query["cursor"] = encode_cursor(state)
    kept = {name: value for name, value in query.items() if value}
    return f"{request.scheme}://{request.host}{request.path}?{urlencode(kept)}"


def foreign_cursor() -> Exception:
    """Return the refusal of a cursor that no list of this kind ever gave."""
    return invalid(FieldError("cursor", "is not a cursor of this list"))


def range_links(span: Span | None) -> dict[str, str]:
    """Return the parameters a link to the next page has instead of a ``window``: absolute dates."""
    return {} if span is None else {"window": "", "startDate": iso(span[0]), "endDate": iso(span[1])}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page ended: the key of its last row, and the time range of the whole list."""

    key: Key
    span: Span | None

    def link(self) -> str:
        """Return the link to the page that goes on from here."""
        return next_link({"key": self.key, "span": self.span}, **range_links(self.span))

    @classmethod
    def read(cls) -> Place | None:
        """Return the place a request goes on from, ``None`` for a first page; a foreign cursor is refused."""
        state = cursor_state()
        match state:
            case {"key": [int(at), str(identity)], "span": None}:
                return cls((at, identity), None)
            case {"key": [int(at), str(identity)], "span": [int(since), int(until)]} if is_span(since, until):
                return cls((at, identity), (since, until))
        if state:
            raise foreign_cursor()
        return None


def newest_first(
    rows: Iterable[RowT], key: Callable[[RowT], Key], place: Place | None, span: Span | None, size: int
) -> tuple[list[RowT], dict[str, Any]]:
    """Return the page of ``rows`` that follows ``place`` in the order of ``key``, and the links to its neighbours.

    The page before has the same size, unless it is the first.
    """
    found = sorted(rows, key=key)
    start = 0 if place is None else bisect_right(found, place.key, key=key)
    end = start + size
    onward = Place(key(found[end - 1]), span).link() if end < len(found) else None
    before = key(found[start - size - 1]) if start > size else _BEFORE_ALL
    return found[start:end], {"next": onward, "previous": Place(before, span).link() if start else None}
