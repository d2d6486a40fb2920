"""From bytes of a stranger to a JSON object, within limits, forgiving where forgiving is safe.

A page must not be lost because somebody's agent has an odd name, so bytes that are not UTF-8 become replacement
characters and numbers JSON does not know become ``None``. What could make two readers see two different messages is
refused: a name of an identity that occurs twice in one object, and nesting nobody writes on purpose.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from bridge.errors import Unreadable

MAX_DEPTH = 64
MAX_DIGITS = 100
#: Names that say what a message is about; one that occurs twice in an object is ambiguous.
IDENTITY = frozenset({"eventType", "eventId", "alert", "alertId", "agentAlert", "deviceAlert", "event", "event_type"})


def parse(raw: bytes) -> dict[str, Any]:
    """Return the JSON object in ``raw``; raise :class:`Unreadable` with the reason when there is none."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("utf-8-sig", "replace")
    try:
        value = _DECODER.decode(text)
    except RecursionError:
        raise Unreadable("the body is nested too deeply", "unreadable") from None
    except ValueError as error:
        where = f" (line {error.lineno} column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        raise Unreadable(f"the body is not JSON{where}", "unreadable") from None
    if not isinstance(value, dict):
        raise Unreadable("the body is not a JSON object", "unreadable")
    # What has few brackets cannot be deep; counting them is cheaper than walking.
    if text.count("{") + text.count("[") > MAX_DEPTH and _deeper_than(value, MAX_DEPTH):
        raise Unreadable(f"the body is nested more than {MAX_DEPTH} deep", "unreadable")
    return value


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next((name for name in names if name in IDENTITY and names.count(name) > 1), None)
        if twice is not None:
            raise Unreadable(f"{twice} occurs twice in one object, so the message is ambiguous", "ambiguous")
    return value


def _no_number(name: str) -> None:
    """Read ``NaN`` and ``Infinity`` as nothing: some other part of the message is what matters."""


def _integer(digits: str) -> int | str:
    return int(digits) if len(digits) <= MAX_DIGITS else digits


def _deeper_than(value: Any, limit: int) -> bool:
    level: list[Any] = [value]
    for _ in range(limit):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_no_number, parse_int=_integer)
