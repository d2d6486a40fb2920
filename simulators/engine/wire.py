"""Reading JSON from the wire so that whatever was accepted can also be written again.

Python's parser takes more than other people's: ``NaN``, numbers beyond all floats, half a surrogate pair, nesting
deeper than anything can print. What passes here is JSON by the book, encodable as UTF-8 and at most :data:`DEEPEST`
levels deep.
"""

from __future__ import annotations

import json
import math
from typing import Any

DEEPEST = 100


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _finite(number: str) -> float:
    value = float(number)
    return value if math.isfinite(value) else _refuse(number[:20])


def read_json(raw: bytes) -> Any:
    """Return the JSON value of ``raw``; raises :class:`ValueError` for anything that is not sound JSON."""
    text = raw.decode("utf-8-sig")  # left to itself, the parser lets halves of surrogate pairs pass
    try:
        value = json.loads(text, parse_constant=_refuse, parse_float=_finite)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if b"\\u" in raw:
        json.dumps(value, ensure_ascii=False).encode()
    if raw.count(b"[") + raw.count(b"{") > DEEPEST:
        _check_depth(value)
    return value


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(DEEPEST + 1):
        level = [
            inner
            for entry in level
            if isinstance(entry, (dict, list))
            for inner in (entry.values() if isinstance(entry, dict) else entry)
        ]
        if not level:
            return
    raise ValueError("nested too deeply")
