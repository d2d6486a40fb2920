"""A decision in the making: it reads the world plus its own writes, and nothing is applied until it is done.

A vendor's verb is a plain function of a :class:`Draft`. It reads rows, puts rows and names effects (schedule, cancel,
send, record); the world then applies the resulting :class:`Decision` at once, or not at all when the verb raised.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, cast

from simulators.engine.agenda import Agenda, Timer
from simulators.engine.ids import Shape
from simulators.engine.tables import Counters, MissingRow, RowT, Table, TableKey

SEND = "send"

KnobsT = TypeVar("KnobsT")


@dataclass(frozen=True, slots=True)
class KnobsRow:
    """A vendor's knobs: one frozen value of a class of the vendor's own; ``id`` names that class in full."""

    id: str
    value: Any

    @classmethod
    def of(cls, value: Any) -> KnobsRow:
        """Return the row that holds ``value``."""
        return cls(cls.name(type(value)), value)

    @staticmethod
    def name(kind: type) -> str:
        """Return the id of the row for knobs of class ``kind``; each vendor may call its class the same."""
        return f"{kind.__module__}.{kind.__qualname__}"


@functools.cache
def _defaults(kind: Callable[[], Any]) -> Any:
    return kind()


KNOBS: TableKey[KnobsRow] = TableKey("engine.knobs")


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A request to be made: absolute ``url``, header pairs, raw ``body``, ``timeout`` in microseconds.

    ``kind`` is the sender's own word for what it is, where address and sender do not tell; the journal keeps it.
    A ``patient`` sender hears what became of a request that a fault held up when it has arrived, any other stops
    waiting after ``timeout``.
    """

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    timeout: int = 10_000_000
    kind: str = ""
    patient: bool = True


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a request: an HTTP ``status`` with headers and body, or ``error`` in words when none arrived."""

    status: int | None
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Cancel:
    """Effect: remove an agenda entry."""

    owner: str
    kind: str
    key: str


@dataclass(frozen=True, slots=True)
class Send:
    """Effect: make a request outside the lock; its outcome comes back to ``owner`` together with ``tag``."""

    owner: str
    tag: Any
    request: Outgoing


@dataclass(frozen=True, slots=True)
class Record:
    """Effect: write a journal entry."""

    kind: str
    subject: str
    data: Mapping[str, Any]


#: A timer as an effect is an agenda entry to add, replacing the one with the same (owner, kind, key).
Effect = Timer | Cancel | Send | Record


@dataclass(frozen=True, slots=True)
class Decision:
    """What a draft came to: rows to put (``None`` deletes), ids drawn by purpose, and effects, in order."""

    puts: Mapping[TableKey[Any], Mapping[str, Any]]
    drawn: Mapping[str, int]
    effects: tuple[Effect, ...]


class View(Protocol):
    """Reading access to a world's state at one moment."""

    @property
    def now(self) -> int:
        """Virtual time in microseconds UTC."""

    @property
    def seed(self) -> int:
        """The world's seed."""

    def get(self, table: TableKey[RowT], id: str) -> RowT | None:
        """Return a row or ``None``."""

    def need(self, table: TableKey[RowT], id: str) -> RowT:
        """Return a row or raise :class:`~simulators.engine.tables.MissingRow`."""

    def find(self, table: TableKey[RowT], index: str, value: Hashable) -> list[RowT]:
        """Return the rows with ``value`` in ``index``, in insertion order."""

    def all(self, table: TableKey[RowT]) -> Iterator[RowT]:
        """Yield every row in insertion order."""

    def count(self, table: TableKey[RowT]) -> int:
        """Return the number of rows."""

    def knobs(self, kind: type[KnobsT]) -> KnobsT:
        """Return the world's knobs of this class (its defaults when none were given)."""

    def timer(self, owner: str, kind: str, key: str) -> Timer | None:
        """Return an agenda entry or ``None``."""


class Committed:
    """The committed state of a world as a :class:`View`."""

    __slots__ = ("_agenda", "_tables", "now", "seed")

    def __init__(self, tables: Mapping[TableKey[Any], Table[Any]], agenda: Agenda, seed: int, now: int) -> None:
        self._tables = tables
        self._agenda = agenda
        self.seed = seed
        self.now = now

    def get(self, table: TableKey[RowT], id: str) -> RowT | None:
        """Return a row or ``None``."""
        row: RowT | None = self._tables[table].get(id)
        return row

    def need(self, table: TableKey[RowT], id: str) -> RowT:
        """Return a row or raise :class:`MissingRow`."""
        row = self.get(table, id)
        if row is None:
            raise MissingRow(f"{table.name} has no row {id!r}")
        return row

    def find(self, table: TableKey[RowT], index: str, value: Hashable) -> list[RowT]:
        """Return the rows with ``value`` in ``index``, in insertion order."""
        return self._tables[table].find(index, value)

    def all(self, table: TableKey[RowT]) -> Iterator[RowT]:
        """Yield every row in insertion order."""
        return iter(self._tables[table])

    def newest(self, table: TableKey[RowT]) -> Iterator[RowT]:
        """Yield every row, the latest inserted first."""
        return reversed(self._tables[table])

    def count(self, table: TableKey[RowT]) -> int:
        """Return the number of rows."""
        return len(self._tables[table])

    def table(self, table: TableKey[RowT]) -> Table[RowT]:
        """Return the committed table itself, for a page of a long list; to be read under the world's lock only."""
        found: Table[RowT] = self._tables[table]
        return found

    def knobs(self, kind: type[KnobsT]) -> KnobsT:
        """Return the world's knobs of this class (its defaults when none were given)."""
        row = self.get(KNOBS, KnobsRow.name(kind))
        return cast(KnobsT, _defaults(cast(Any, kind)) if row is None else row.value)

    def timer(self, owner: str, kind: str, key: str) -> Timer | None:
        """Return an agenda entry or ``None``."""
        return self._agenda.find(owner, kind, key)


class Draft(Committed):
    """The world as one decision sees it, and what that decision wants done."""

    __slots__ = ("_counters", "_drawn", "_effects", "_puts", "_timers")

    def __init__(
        self,
        tables: Mapping[TableKey[Any], Table[Any]],
        agenda: Agenda,
        counters: Counters,
        seed: int,
        now: int,
    ) -> None:
        super().__init__(tables, agenda, seed, now)
        self._counters = counters
        self._puts: dict[TableKey[Any], dict[str, Any]] = {}
        self._drawn: dict[str, int] = {}
        self._effects: list[Effect] = []
        self._timers: dict[tuple[str, str, str], Timer | None] = {}

    def get(self, table: TableKey[RowT], id: str) -> RowT | None:
        """Return a row (this draft's own version first) or ``None``."""
        puts = self._puts.get(table)
        row: RowT | None = puts[id] if puts is not None and id in puts else self._tables[table].get(id)
        return row

    def find(self, table: TableKey[RowT], index: str, value: Hashable) -> list[RowT]:
        """Return the rows with ``value`` in ``index``, this draft's writes included, in insertion order."""
        stored: Table[RowT] = self._tables[table]
        puts = self._puts.get(table)
        if not puts:
            return stored.find(index, value)
        extract = table.indexes[index]
        found: list[tuple[int, RowT]] = []
        for ordinal in stored.ordinals(index, value):
            row = stored.at(ordinal)
            if row is not None and row.id not in puts:
                found.append((ordinal, row))
        fresh = 1 << 62
        for place, (id, row) in enumerate(puts.items()):
            if row is not None and extract(row) == value:
                known = stored.ordinal(id)
                found.append((fresh + place if known is None else known, row))
        found.sort(key=lambda pair: pair[0])
        return [row for _, row in found]

    def all(self, table: TableKey[RowT]) -> Iterator[RowT]:
        """Yield every row in insertion order, this draft's writes included."""
        puts = self._puts.get(table)
        return self._overlaid(table, dict(puts)) if puts else iter(self._tables[table])

    def _overlaid(self, table: TableKey[RowT], puts: dict[str, Any]) -> Iterator[RowT]:
        for row in self._tables[table]:
            current = puts.pop(row.id, row)
            if current is not None:
                yield current
        yield from (row for row in puts.values() if row is not None)

    def newest(self, table: TableKey[RowT]) -> Iterator[RowT]:
        """Yield every row, the latest inserted first."""
        return reversed(list(self.all(table)))

    def count(self, table: TableKey[RowT]) -> int:
        """Return the number of rows, this draft's writes included."""
        stored = self._tables[table]
        total = len(stored)
        for id, row in self._puts.get(table, {}).items():
            total += (row is not None) - (stored.get(id) is not None)
        return total

    def timer(self, owner: str, kind: str, key: str) -> Timer | None:
        """Return an agenda entry, this draft's own schedules and cancellations included."""
        name = (owner, kind, key)
        if name in self._timers:
            return self._timers[name]
        return self._agenda.find(owner, kind, key)

    def put(self, table: TableKey[RowT], row: RowT) -> None:
        """Insert or replace a row."""
        puts = self._puts.get(table)
        if puts is None:
            puts = self._puts[table] = {}
        puts[row.id] = row

    def delete(self, table: TableKey[Any], id: str) -> None:
        """Remove a row; nothing happens when it is not there."""
        self._puts.setdefault(table, {})[id] = None

    def fresh(self, shape: Shape, purpose: str) -> str:
        """Return the next id of ``purpose``; its place in the count, not the moment, decides its value."""
        place = self._drawn.get(purpose)
        if place is None:
            place = self._counters.counts.get(purpose, 0)
        self._drawn[purpose] = place + 1
        return shape(self.seed, purpose, place)

    def schedule(self, due: int, owner: str, kind: str, key: str, data: Any = None) -> None:
        """Add an agenda entry at ``due`` microseconds UTC; the same (owner, kind, key) is replaced."""
        timer = Timer(due, 0, owner, kind, key, data, 0)
        self._effects.append(timer)
        self._timers[owner, kind, key] = timer

    def cancel(self, owner: str, kind: str, key: str) -> None:
        """Remove an agenda entry; nothing happens when it is not there."""
        if self.timer(owner, kind, key) is not None:
            self._effects.append(Cancel(owner, kind, key))
            self._timers[owner, kind, key] = None

    def send(self, owner: str, tag: Any, request: Outgoing) -> None:
        """Make a request after this decision, outside the lock; the outcome returns with ``tag``."""
        self._effects.append(Send(owner, tag, request))

    def record(self, kind: str, subject: str, **data: Any) -> None:
        """Write a journal entry."""
        self._effects.append(Record(kind, subject, data))

    def decision(self) -> Decision:
        """Return what this draft came to."""
        return Decision(self._puts, self._drawn, tuple(self._effects))
