"""A lock that is shared fairly: whoever has just had it lets those go first who are waiting.

Deciding, delivering and storing take turns on one connection. Python's own locks are often taken again at once by the
thread that gave them up, so a stream of notifications to decide upon would keep their own events from being sent.
"""

from __future__ import annotations

import threading
from types import TracebackType


class Turns:
    """A reentrant lock for ``with``; a thread that gave it up gets it again only behind the one that waits next."""

    def __init__(self) -> None:
        self._next = threading.Lock()
        self._lock = threading.Lock()
        self._owner: int | None = None
        self._depth = 0

    def __enter__(self) -> None:
        me = threading.get_ident()
        if self._owner != me:
            # Only one waits for the lock itself; the others wait for their turn to wait.
            with self._next:
                self._lock.acquire()
            self._owner = me
        self._depth += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._depth -= 1
        if self._depth == 0:
            self._owner = None
            self._lock.release()
