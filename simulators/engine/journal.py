"""The journal: the one history of a world.

Every request, answer, state change, timer, notification and fault is an entry with a sequence number and the number of
the entry that caused it. Timelines, verification, the console and failure reports read it and nothing else. A restore
cuts the journal back and opens a new branch, so a reader's cursor is the pair (branch, sequence).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of history: ``at`` in microseconds UTC, ``cause`` the sequence number of its cause (0 = none)."""

    seq: int
    at: int
    kind: str
    subject: str
    data: Mapping[str, Any]
    cause: int

    def line(self) -> str:
        """Return the entry as one line of JSON with sorted keys: the same for the same history, byte by byte."""
        document = {
            "seq": self.seq,
            "at": self.at,
            "kind": self.kind,
            "subject": self.subject,
            "data": self.data,
            "cause": self.cause,
        }
        return json.dumps(document, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)


class Journal:
    """Entries in order; ``bound`` limits how many are kept (the oldest go first), ``None`` keeps all."""

    __slots__ = ("_dropped", "_entries", "bound", "branch", "listener")

    def __init__(self, bound: int | None = None) -> None:
        self.bound = bound
        self.branch = 0
        #: Hears of each new entry while the world is locked, so it must only take note; copies have none.
        self.listener: Callable[[Entry], None] | None = None
        self._entries: list[Entry] = []
        self._dropped = 0

    def copy(self) -> Journal:
        """Return an independent journal with the same entries."""
        twin = Journal(self.bound)
        twin.branch = self.branch
        twin._entries = list(self._entries)
        twin._dropped = self._dropped
        return twin

    @property
    def last(self) -> int:
        """The sequence number of the newest entry, 0 when there is none."""
        return self._dropped + len(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(list(self._entries))

    def append(self, at: int, kind: str, subject: str, data: Mapping[str, Any], cause: int) -> int:
        """Write an entry and return its sequence number."""
        seq = self._dropped + len(self._entries) + 1
        entry = Entry(seq, at, kind, subject, data, cause)
        self._entries.append(entry)
        if self.bound is not None and len(self._entries) > 2 * self.bound:
            extra = len(self._entries) - self.bound
            del self._entries[:extra]
            self._dropped += extra
        if self.listener is not None:
            self.listener(entry)
        return seq

    def get(self, seq: int) -> Entry | None:
        """Return the entry with this number, or ``None`` when there is none or it was dropped."""
        place = seq - self._dropped - 1
        return self._entries[place] if 0 <= place < len(self._entries) else None

    def since(self, seq: int, limit: int | None = None) -> list[Entry]:
        """Return the entries after ``seq``, oldest first, at most ``limit``."""
        start = max(seq - self._dropped, 0)
        return self._entries[start : None if limit is None else start + limit]

    def causes(self, entry: Entry) -> Iterator[Entry]:
        """Yield the entry's cause, the cause of that, and so on to the root."""
        current: Entry | None = entry
        while current is not None and current.cause:
            current = self.get(current.cause)
            if current is not None:
                yield current

    def truncate(self, last: int) -> None:
        """Drop the entries after ``last`` and open a new branch."""
        del self._entries[max(last - self._dropped, 0) :]
        self.branch += 1

    def lines(self, entries: Iterable[Entry] | None = None) -> str:
        """Return the journal (or some entries) as JSON lines."""
        return "".join(entry.line() + "\n" for entry in (self._entries if entries is None else entries))
