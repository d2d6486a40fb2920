"""Rate limits as rows: how many requests a key has made in the present window.

Two shapes cover both vendors: a fixed window that starts with the first request of a batch, and a sliding window. Both
are pure functions from the old row and ``now`` to the new row and a verdict, so they snapshot and fork like the rest.
"""

from __future__ import annotations

from dataclasses import dataclass

from simulators.engine.draft import Draft
from simulators.engine.tables import TableKey


@dataclass(frozen=True, slots=True)
class Window:
    """Requests counted for one key: instants in microseconds UTC, oldest first."""

    id: str
    started: int
    spent: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the request may pass, what is left of ``limit``, and when (microseconds UTC) the window rolls over."""

    allowed: bool
    limit: int
    remaining: int
    reset: int


WINDOWS: TableKey[Window] = TableKey("engine.limits")


def spend(draft: Draft, key: str, *, limit: int, window: int, sliding: bool = False, aligned: bool = False) -> Verdict:
    """Count one request of ``key`` at ``draft.now``; refused requests are not counted. ``window`` is microseconds.

    An ``aligned`` window begins at a multiple of its length instead of with the first request.
    """
    row = draft.get(WINDOWS, key) or Window(key, draft.now - window, ())
    now = draft.now
    if sliding:
        spent = tuple(at for at in row.spent if at > now - window)
        started = spent[0] if spent else now
    elif now >= row.started + window:
        spent, started = (), now - now % window if aligned else now
    else:
        spent, started = row.spent, row.started
    allowed = len(spent) < limit
    if allowed:
        spent = (*spent, now)
    draft.put(WINDOWS, Window(key, started, spent))
    return Verdict(allowed, limit, limit - len(spent), started + window)
