"""Reading JSON from the wire so that whatever was accepted can also be written again.

Python's parser takes more than other people's: ``NaN``, half a surrogate pair, nesting deeper than anything can print.
What passes here is JSON by the book, encodable as UTF-8 and at most :data:`DEEPEST` levels deep.
"""

from __future__ import annotations

import json
from typing import Any

DEEPEST = 100


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def read_json(raw: bytes) -> Any:
    """Return the JSON value of ``raw``; raises :class:`ValueError` for anything that is not sound JSON."""
    try:
        value = json.loads(raw, parse_constant=_refuse)
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
