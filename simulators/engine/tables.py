"""Tables of frozen rows, written through one undo log.

A table is a plain insertion-ordered dict of rows. Every write appends its inverse to the world's undo log: a snapshot
is a position in that log, a restore unwinds to it and a fork copies both. Indexes are derived on every write and never
logged: unwinding recomputes them. A deleted row leaves a gap that keeps its place, so that undoing the deletion brings
it back where it was and listings stay identical to the last byte.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from simulators.engine.errors import EngineError


class Row(Protocol):
    """What a table holds: a frozen value with a text ``id`` that is unique within the table."""

    @property
    def id(self) -> str:
        """The row's key."""


RowT = TypeVar("RowT", bound=Row)


class MissingRow(EngineError, KeyError):
    """A row that was needed is not there."""

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True, slots=True, eq=False)
class TableKey(Generic[RowT]):
    """Names a table and its indexes; ``indexes`` maps a name to a function of a row (``None`` = not indexed)."""

    name: str
    indexes: Mapping[str, Callable[[RowT], Hashable | None]] = field(default_factory=dict)


class UndoTarget(Protocol):
    """Something whose changes are in the undo log."""

    def undo(self, change: tuple[Any, ...]) -> None:
        """Take back one change, the newest first."""


class UndoLog:
    """The inverse of everything that happened, newest last.

    An entry is a tuple that begins with the name of its target, so that a copy of the log serves a copy of the world.
    """

    __slots__ = ("dropped", "entries", "targets")

    def __init__(self) -> None:
        self.entries: list[tuple[Any, ...]] = []
        self.targets: dict[str, UndoTarget] = {}
        self.dropped = 0

    def position(self) -> int:
        """Return the number of changes so far."""
        return self.dropped + len(self.entries)

    def unwind(self, position: int) -> None:
        """Take back every change after ``position``."""
        entries, targets = self.entries, self.targets
        keep = position - self.dropped
        while len(entries) > keep:
            change = entries.pop()
            targets[change[0]].undo(change)

    def forget(self, keep: int) -> None:
        """Drop the oldest inverses so that about ``keep`` remain; earlier positions can no longer be restored."""
        extra = len(self.entries) - keep
        if extra > 0:
            del self.entries[:extra]
            self.dropped += extra


class Counters:
    """How many ids of each purpose were drawn, written through the undo log; no rows, only the next draw reads them."""

    __slots__ = ("_log", "counts")

    NAME = "engine.counters"

    def __init__(self, log: UndoLog) -> None:
        self._log = log
        self.counts: dict[str, int] = {}
        log.targets[self.NAME] = self

    def copy(self, log: UndoLog) -> Counters:
        """Return independent counters, writing to ``log``."""
        twin = Counters(log)
        twin.counts.update(self.counts)
        return twin

    def set(self, name: str, count: int) -> None:
        """Set one counter."""
        self._log.entries.append((self.NAME, name, self.counts.get(name)))
        self.counts[name] = count

    def undo(self, change: tuple[Any, ...]) -> None:
        """Take back one change (called by the undo log, newest first)."""
        _, name, before = change
        if before is None:
            del self.counts[name]
        else:
            self.counts[name] = before


class Table(Generic[RowT]):
    """Rows of one kind in insertion order; read freely, write through :meth:`put` and :meth:`delete`."""

    __slots__ = ("_extracts", "_ids", "_indexes", "_live", "_log", "_ordinals", "_rows", "key")

    def __init__(self, key: TableKey[RowT], log: UndoLog) -> None:
        self.key = key
        self._log = log
        self._rows: dict[str, RowT | None] = {}
        self._ordinals: dict[str, int] = {}
        self._ids: list[str] = []
        self._live = 0
        self._indexes: dict[str, dict[Hashable, list[int]]] = {name: {} for name in key.indexes}
        self._extracts = [(extract, self._indexes[name]) for name, extract in key.indexes.items()]
        log.targets[key.name] = self

    def copy(self, log: UndoLog) -> Table[RowT]:
        """Return an independent table with the same rows, writing to ``log``."""
        twin = Table(self.key, log)
        twin._rows = dict(self._rows)
        twin._ordinals = dict(self._ordinals)
        twin._ids = list(self._ids)
        twin._live = self._live
        for name, entries in self._indexes.items():
            twin._indexes[name].update((value, list(ordinals)) for value, ordinals in entries.items())
        return twin

    def __len__(self) -> int:
        return self._live

    def __iter__(self) -> Iterator[RowT]:
        return iter([row for row in self._rows.values() if row is not None])

    def __reversed__(self) -> Iterator[RowT]:
        return (row for row in reversed(self._rows.values()) if row is not None)

    def get(self, id: str) -> RowT | None:
        """Return the row or ``None``."""
        return self._rows.get(id)

    def ordinal(self, id: str) -> int | None:
        """Return the place of ``id`` in insertion order, or ``None`` when it was never put."""
        return self._ordinals.get(id)

    @property
    def places(self) -> int:
        """The number of places ever given out, gaps included: ordinals run from 0 below it."""
        return len(self._ids)

    def at(self, ordinal: int) -> RowT | None:
        """Return the row in this place of insertion order, ``None`` for a gap."""
        return self._rows[self._ids[ordinal]]

    def ordinals(self, index: str, value: Hashable) -> Sequence[int]:
        """Return the places of the rows with ``value`` in ``index``, ascending; a live view, not to be kept."""
        return self._indexes[index].get(value, ())

    def ids(self, index: str, value: Hashable) -> list[str]:
        """Return the ids whose rows have ``value`` in ``index``, in insertion order."""
        return [self._ids[ordinal] for ordinal in self._indexes[index].get(value, ())]

    def find(self, index: str, value: Hashable) -> list[RowT]:
        """Return the rows with ``value`` in ``index``, in insertion order."""
        rows: dict[str, Any] = self._rows
        ids = self._ids
        return [rows[ids[ordinal]] for ordinal in self._indexes[index].get(value, ())]

    def count(self, index: str, value: Hashable) -> int:
        """Return how many rows have ``value`` in ``index``."""
        return len(self._indexes[index].get(value, ()))

    def put(self, row: RowT) -> None:
        """Insert or replace a row."""
        id = row.id
        old = self._rows.get(id)
        fresh = old is None and id not in self._ordinals
        if fresh:
            self._ordinals[id] = len(self._ids)
            self._ids.append(id)
        self._log.entries.append((self.key.name, id, old, fresh))
        self._set(id, old, row)

    def delete(self, id: str) -> None:
        """Remove a row; nothing happens when it is not there."""
        old = self._rows.get(id)
        if old is not None:
            self._log.entries.append((self.key.name, id, old, False))
            self._set(id, old, None)

    def undo(self, change: tuple[Any, ...]) -> None:
        """Take back one change (called by the undo log, newest first)."""
        _, id, old, fresh = change
        self._set(id, self._rows[id], old)
        if fresh:
            del self._rows[id]
            del self._ordinals[id]
            self._ids.pop()

    def _set(self, id: str, old: RowT | None, new: RowT | None) -> None:
        self._rows[id] = new
        self._live += (new is not None) - (old is not None)
        if not self._indexes:
            return
        ordinal = self._ordinals[id]
        for extract, entries in self._extracts:
            before = None if old is None else extract(old)
            after = None if new is None else extract(new)
            if before == after:
                continue
            if before is not None:
                ordinals = entries[before]
                if len(ordinals) == 1:
                    del entries[before]
                else:
                    del ordinals[bisect_left(ordinals, ordinal)]
            if after is not None:
                found = entries.get(after)
                if found is None:
                    entries[after] = [ordinal]
                elif ordinal > found[-1]:
                    found.append(ordinal)
                else:
                    insort(found, ordinal)
