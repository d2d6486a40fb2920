"""The one agenda of a world: timers as data, keyed (due, sequence).

Whatever will happen later is an entry here, so it can be listed, cancelled, snapshotted and forked. Entries are popped
strictly in order of (due, sequence); two entries due at the same instant run in the order in which they were made.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import Any

from simulators.engine.tables import UndoLog

NAME = "agenda"


@dataclass(frozen=True, slots=True)
class Timer:
    """One entry: ``due`` in microseconds UTC, unique (``owner``, ``kind``, ``key``), frozen ``data``.

    ``cause`` is the journal sequence number under which the entry was made (0 = none); ``seq`` is 0 before it is added.
    """

    due: int
    seq: int
    owner: str
    kind: str
    key: str
    data: Any
    cause: int


class Agenda:
    """Timers in order of (due, sequence), written through the world's undo log."""

    __slots__ = ("_by_key", "_heap", "_log", "_next", "_timers")

    def __init__(self, log: UndoLog) -> None:
        self._log = log
        self._heap: list[tuple[int, int]] = []
        self._timers: dict[int, Timer] = {}
        self._by_key: dict[tuple[str, str, str], int] = {}
        self._next = 1
        log.targets[NAME] = self

    def copy(self, log: UndoLog) -> Agenda:
        """Return an independent agenda with the same entries, writing to ``log``."""
        twin = Agenda(log)
        twin._heap = list(self._heap)
        twin._timers = dict(self._timers)
        twin._by_key = dict(self._by_key)
        twin._next = self._next
        return twin

    def __len__(self) -> int:
        return len(self._timers)

    def add(self, due: int, owner: str, kind: str, key: str, data: Any, cause: int) -> Timer:
        """Add an entry, replacing one with the same (owner, kind, key)."""
        self.cancel(owner, kind, key)
        timer = Timer(due, self._next, owner, kind, key, data, cause)
        self._next += 1
        self._insert(timer)
        self._log.entries.append((NAME, timer.seq))
        return timer

    def cancel(self, owner: str, kind: str, key: str) -> None:
        """Remove an entry; nothing happens when it is not there."""
        seq = self._by_key.get((owner, kind, key))
        if seq is not None:
            self._remove(seq)

    def find(self, owner: str, kind: str, key: str) -> Timer | None:
        """Return the entry with this owner, kind and key, or ``None``."""
        seq = self._by_key.get((owner, kind, key))
        return None if seq is None else self._timers[seq]

    def upcoming(self) -> int:
        """Return the sequence number the next entry will get."""
        return self._next

    def next_due(self) -> int | None:
        """Return when the next entry is due, or ``None`` when there is none."""
        heap, timers = self._heap, self._timers
        while heap:
            due, seq = heap[0]
            if seq in timers:
                return due
            heapq.heappop(heap)
        return None

    def pop(self) -> Timer:
        """Remove and return the next entry; only after :meth:`next_due` was not ``None``."""
        self.next_due()
        timer = self._timers[self._heap[0][1]]
        self._remove(timer.seq)
        return timer

    def timers(self) -> list[Timer]:
        """Return every entry in the order in which they will run."""
        return sorted(self._timers.values(), key=lambda timer: (timer.due, timer.seq))

    def undo(self, change: tuple[Any, ...]) -> None:
        """Take back one change (called by the undo log, newest first)."""
        _, what = change
        if isinstance(what, Timer):
            self._insert(what)
        else:
            timer = self._timers.pop(what)
            del self._by_key[timer.owner, timer.kind, timer.key]
            self._next = what

    def _insert(self, timer: Timer) -> None:
        self._timers[timer.seq] = timer
        self._by_key[timer.owner, timer.kind, timer.key] = timer.seq
        heapq.heappush(self._heap, (timer.due, timer.seq))

    def _remove(self, seq: int) -> None:
        timer = self._timers.pop(seq)
        del self._by_key[timer.owner, timer.kind, timer.key]
        self._log.entries.append((NAME, timer))
