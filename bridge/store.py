"""Where everything acknowledged lives until it is delivered: SQLite, write-ahead log, synchronous FULL, one writer.

Three tables tell the whole story. ``inbox`` keeps each notification as it came and what became of it; ``alert`` keeps
one row per alert with the route it took; ``outbox`` keeps the events. An event is ``pending`` when it may be sent,
``waiting`` while its alert's trigger is ahead of it, and finished as ``sent``, ``dead``, ``coalesced`` or ``dropped``.
Nothing is cached outside the database: what a rolled back transaction leaves behind is the truth.

SQLite before 3.51.3 can damage a write-ahead log when two connections write at the same instant, so exactly one
connection writes, in one process, and a lock file keeps a second process out. Readers open the file read-only.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from bridge.decision import AlertRow, Decision, Outcome, Pending
from bridge.errors import StoreError
from bridge.messages import InboundMessage

ResultT = TypeVar("ResultT")
SCHEMA_VERSION = 1
_UPGRADES: dict[int, tuple[str, ...]] = {
    0: (
        """CREATE TABLE inbox (
            id INTEGER PRIMARY KEY, received_at INTEGER NOT NULL, source TEXT NOT NULL, raw BLOB NOT NULL,
            outcome TEXT, reason TEXT, decided_at INTEGER, event_id TEXT, dedup_key TEXT) STRICT""",
        "CREATE INDEX inbox_undecided ON inbox (id) WHERE outcome IS NULL",
        "CREATE INDEX inbox_dead ON inbox (id) WHERE outcome = 'dead'",
        "CREATE INDEX inbox_event ON inbox (source, event_id) WHERE event_id IS NOT NULL",
        "CREATE INDEX inbox_alert ON inbox (dedup_key) WHERE dedup_key IS NOT NULL",
        """CREATE TABLE alert (
            dedup_key TEXT PRIMARY KEY, source TEXT NOT NULL, alert_id TEXT NOT NULL, route TEXT NOT NULL,
            key_name TEXT NOT NULL, opened_at INTEGER, cleared_at INTEGER) STRICT, WITHOUT ROWID""",
        """CREATE TABLE outbox (
            id INTEGER PRIMARY KEY, dedup_key TEXT NOT NULL, key_name TEXT NOT NULL, action TEXT NOT NULL,
            body TEXT NOT NULL, state TEXT NOT NULL, score INTEGER NOT NULL, created_at INTEGER NOT NULL,
            due INTEGER NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, last_status INTEGER, last_error TEXT,
            finished_at INTEGER) STRICT""",
        "CREATE INDEX outbox_due ON outbox (key_name, due) WHERE state = 'pending'",
        "CREATE INDEX outbox_score ON outbox (key_name, score, id) WHERE state = 'pending'",
        "CREATE INDEX outbox_alert ON outbox (dedup_key, id)",
        "CREATE INDEX outbox_dead ON outbox (id) WHERE state = 'dead'",
    )
}


@dataclass(frozen=True, slots=True)
class Raw:
    """A notification as it came; ``received_at`` in microseconds UTC."""

    source: str
    body: bytes = field(repr=False)
    received_at: int = 0


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An event that may be sent."""

    id: int
    dedup_key: str
    key_name: str
    action: str
    body: str = field(repr=False)
    created_at: int
    attempts: int


class Store(Protocol):
    """What the bridge needs of a store; every method is called inside or makes its own transaction."""

    def append(self, batch: Sequence[Raw]) -> list[int]:
        """Store notifications durably, all or none; return their ids."""

    def transaction(self) -> AbstractContextManager[None]:
        """Return a context whose changes are kept together, or dropped together on any exception."""

    def undecided(self, limit: int) -> list[tuple[int, Raw]]:
        """Return the oldest notifications nobody decided upon yet."""

    def has_undecided(self) -> bool:
        """Say whether there are any."""

    def seen(self, source: str, event_id: str, row: int) -> bool:
        """Say whether another notification with this event id was decided before."""

    def alert(self, dedup_key: str) -> AlertRow | None:
        """Return what is known about an alert."""

    def apply(self, row: int, message: InboundMessage | None, decision: Decision, now: int, reason: str | None) -> None:
        """Write a decision about the notification ``row``."""

    def next_pending(self, key_name: str) -> int | None:
        """Return when the earliest event of a key is due."""

    def take(self, key_name: str, now: int) -> Outgoing | None:
        """Return the most urgent event of a key that is due."""

    def begin(self, event: int) -> None:
        """Note durably that an event is about to be tried."""

    def finish(self, event: Outgoing, state: str, status: int | None, error: str | None, now: int) -> None:
        """Record the end of an event and let the next event of its alert go."""

    def postpone(self, event: int, due: int, status: int | None, error: str | None) -> None:
        """Record a failed try; the event is due again at ``due``."""

    def counts(self) -> dict[str, Any]:
        """Return figures for metrics, readiness and the status command."""

    def close(self) -> None:
        """Give everything back."""


class SqliteStore:
    """The store in one SQLite file, or in memory for ``:memory:``."""

    def __init__(self, path: str | Path) -> None:
        """Open or create the store, readable by its owner only; raise :class:`StoreError` when that fails."""
        self._lock = threading.RLock()
        self._savepoints = 0
        self._file_lock: int | None = None
        memory = str(path) == ":memory:"
        try:
            if not memory:
                self._file_lock = _exclusive(Path(path))
                os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
                Path(path).chmod(0o600)
            self.connection = sqlite3.connect(str(path), isolation_level=None, check_same_thread=False)
            try:
                if not memory:
                    self.connection.execute("PRAGMA journal_mode=WAL")
                    self.connection.execute("PRAGMA synchronous=FULL")
                self._upgrade()
            except BaseException:
                self.connection.close()
                raise
        except (sqlite3.Error, OSError) as error:
            self._unlock()
            raise StoreError(f"{path}: the store cannot be opened ({error})") from None
        except BaseException:
            self._unlock()
            raise

    @classmethod
    def from_connection(cls, connection: sqlite3.Connection) -> SqliteStore:
        """Return a store on a connection to a database that already has the tables."""
        store = cls.__new__(cls)
        store._lock = threading.RLock()
        store._savepoints = 0
        store._file_lock = None
        store.connection = connection
        return store

    # -- transactions ----------------------------------------------------------------------------------------------

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Keep the changes of the block together; nested blocks are savepoints and undo only their own part."""
        with self._lock:
            if self.connection.in_transaction:
                self._savepoints += 1
                name = f"part_{self._savepoints}"
                opening, closing = f"SAVEPOINT {name}", (f"RELEASE {name}",)
                undoing: tuple[str, ...] = (f"ROLLBACK TO {name}", f"RELEASE {name}")
            else:
                opening, closing, undoing = "BEGIN IMMEDIATE", ("COMMIT",), ("ROLLBACK",)
            self.connection.execute(opening)
            try:
                yield
                for statement in closing:
                    self.connection.execute(statement)
            except BaseException:
                # A full disk makes SQLite roll back by itself; there is nothing left to undo then.
                if self.connection.in_transaction:
                    for statement in undoing:
                        self.connection.execute(statement)
                raise

    def append(self, batch: Sequence[Raw]) -> list[int]:
        """Store notifications durably, all or none; raise :class:`StoreError` when they could not be kept."""
        try:
            with self.transaction():
                return [
                    self._execute(
                        "INSERT INTO inbox (received_at, source, raw) VALUES (?, ?, ?)",
                        (raw.received_at, raw.source, raw.body),
                    ).lastrowid
                    or 0
                    for raw in batch
                ]
        except sqlite3.Error as error:
            raise StoreError(f"the notification could not be stored ({error})") from error

    # -- inbox -----------------------------------------------------------------------------------------------------

    def undecided(self, limit: int) -> list[tuple[int, Raw]]:
        """Return the oldest notifications nobody decided upon yet, with their ids."""
        rows = self._all(
            "SELECT id, source, raw, received_at FROM inbox WHERE outcome IS NULL ORDER BY id LIMIT ?", (limit,)
        )
        return [(row[0], Raw(row[1], row[2], row[3])) for row in rows]

    def has_undecided(self) -> bool:
        """Say whether a notification waits for a decision."""
        return self._one("SELECT 1 FROM inbox WHERE outcome IS NULL LIMIT 1") is not None

    def seen(self, source: str, event_id: str, row: int) -> bool:
        """Say whether another notification with this event id was decided before."""
        query = "SELECT 1 FROM inbox WHERE source = ? AND event_id = ? AND id <> ? LIMIT 1"
        return self._one(query, (source, event_id, row)) is not None

    def alert(self, dedup_key: str) -> AlertRow | None:
        """Return what is known about an alert, including where its trigger is."""
        row = self._one(
            "SELECT dedup_key, source, alert_id, route, key_name, opened_at, cleared_at FROM alert WHERE dedup_key = ?",
            (dedup_key,),
        )
        if row is None:
            return None
        waiting = self._one(
            "SELECT attempts FROM outbox WHERE dedup_key = ? AND state = 'pending' AND action = 'trigger'", (dedup_key,)
        )
        pending = Pending.NO if waiting is None else Pending.TRIED if waiting[0] else Pending.UNTRIED
        return AlertRow(row[0], row[1], row[2], row[3], row[4], row[5], row[6], pending)

    def apply(self, row: int, message: InboundMessage | None, decision: Decision, now: int, reason: str | None) -> None:
        """Write a decision about the notification ``row``; ``message`` is None when it could not be read."""
        alert = decision.alert
        self._execute(
            "UPDATE inbox SET outcome = ?, reason = ?, decided_at = ?, event_id = ?, dedup_key = ? WHERE id = ?",
            (
                decision.outcome.value,
                reason,
                now,
                None if message is None else message.event_id,
                None if alert is None else alert.dedup_key,
                row,
            ),
        )
        if alert is None or decision.outcome in (Outcome.DUPLICATE, Outcome.SUPERSEDED):
            return
        self._execute(
            "INSERT OR REPLACE INTO alert (dedup_key, source, alert_id, route, key_name, opened_at, cleared_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                alert.dedup_key,
                alert.source,
                alert.alert_id,
                alert.route,
                alert.key_name,
                alert.opened_at,
                alert.cleared_at,
            ),
        )
        if decision.withdraw:
            self._execute(
                "UPDATE outbox SET state = 'coalesced', finished_at = ? WHERE dedup_key = ? AND state = 'pending'",
                (now, alert.dedup_key),
            )
        send = decision.send
        if send is not None:
            state = "waiting" if send.behind else "pending"
            self._execute(
                "INSERT INTO outbox (dedup_key, key_name, action, body, state, score, created_at, due)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (alert.dedup_key, alert.key_name, send.action, send.body, state, send.score, now, now),
            )

    # -- outbox ----------------------------------------------------------------------------------------------------

    def next_pending(self, key_name: str) -> int | None:
        """Return when the earliest event of a key is due, in microseconds."""
        row = self._one(
            "SELECT due FROM outbox WHERE key_name = ? AND state = 'pending' ORDER BY due LIMIT 1", (key_name,)
        )
        return None if row is None else int(row[0])

    def take(self, key_name: str, now: int) -> Outgoing | None:
        """Return the most urgent event of a key that is due."""
        row = self._one(
            "SELECT id, dedup_key, key_name, action, body, created_at, attempts FROM outbox"
            " WHERE key_name = ? AND state = 'pending' AND due <= ? ORDER BY score, id LIMIT 1",
            (key_name, now),
        )
        return None if row is None else Outgoing(*row)

    def begin(self, event: int) -> None:
        """Note durably that an event is about to be tried: from now on its fate is unknown until recorded."""
        self._execute("UPDATE outbox SET attempts = attempts + 1 WHERE id = ?", (event,))

    def finish(self, event: Outgoing, state: str, status: int | None, error: str | None, now: int) -> None:
        """Record the end of an event and let the next event of its alert go."""
        with self.transaction():
            self._execute(
                "UPDATE outbox SET state = ?, last_status = ?, last_error = ?, finished_at = ? WHERE id = ?",
                (state, status, error, now, event.id),
            )
            if event.action == "trigger":
                self._execute(
                    "UPDATE outbox SET state = 'pending' WHERE dedup_key = ? AND state = 'waiting'", (event.dedup_key,)
                )

    def postpone(self, event: int, due: int, status: int | None, error: str | None) -> None:
        """Record a failed try; the event is due again at ``due``."""
        self._execute(
            "UPDATE outbox SET due = ?, last_status = ?, last_error = ? WHERE id = ?", (due, status, error, event)
        )

    # -- operators -------------------------------------------------------------------------------------------------

    def counts(self) -> dict[str, Any]:
        """Return undecided and dead notifications, events by state and key, and when the oldest open one was made."""
        return counts(self.connection, self._lock)

    def replay(self, letter: str) -> str:
        """Give a dead letter (``i7`` of the inbox, ``o7`` of the outbox) another chance; return what happens now.

        A trigger whose alert has cleared stays dead: it would open an incident that nobody resolves.
        """
        table, number = _letter(letter)
        with self.transaction():
            if table == "inbox":
                query = "UPDATE inbox SET outcome = NULL, reason = NULL WHERE id = ? AND outcome = 'dead'"
                if self._execute(query, (number,)).rowcount != 1:
                    raise StoreError(f"{letter}: no such dead letter")
                return "it is decided upon again"
            row = self._one(
                "SELECT o.action, a.cleared_at FROM outbox o JOIN alert a USING (dedup_key)"
                " WHERE o.id = ? AND o.state = 'dead'",
                (number,),
            )
            if row is None:
                raise StoreError(f"{letter}: no such dead letter")
            if row[0] == "trigger" and row[1] is not None:
                raise StoreError(f"{letter}: its alert has cleared since, a trigger would never be resolved; drop it")
            # Age counts from the replay on, or an event that died of age would die again at its first failure.
            self._execute(
                "UPDATE outbox SET state = 'pending', attempts = 0, finished_at = NULL, due = 0,"
                " created_at = coalesce(finished_at, created_at) WHERE id = ?",
                (number,),
            )
            return "it is sent again"

    def drop(self, letter: str) -> None:
        """Give a dead letter up for good; the row stays, marked as dropped."""
        table, number = _letter(letter)
        queries = {
            "inbox": "UPDATE inbox SET outcome = 'dropped' WHERE id = ? AND outcome = 'dead'",
            "outbox": "UPDATE outbox SET state = 'dropped' WHERE id = ? AND state = 'dead'",
        }
        with self.transaction():
            if self._execute(queries[table], (number,)).rowcount != 1:
                raise StoreError(f"{letter}: no such dead letter")

    def close(self) -> None:
        """Close the connection and let another process have the file."""
        with self._lock:
            self.connection.close()
            self._unlock()

    # -- inside ----------------------------------------------------------------------------------------------------

    def _execute(self, sql: str, arguments: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        with self._lock:
            return self.connection.execute(sql, arguments)

    def _one(self, sql: str, arguments: tuple[Any, ...] = ()) -> tuple[Any, ...] | None:
        with self._lock:
            row: tuple[Any, ...] | None = self.connection.execute(sql, arguments).fetchone()
            return row

    def _all(self, sql: str, arguments: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        with self._lock:
            return self.connection.execute(sql, arguments).fetchall()

    def _upgrade(self) -> None:
        with self.transaction():
            version = int(self.connection.execute("PRAGMA user_version").fetchone()[0])
            if version > SCHEMA_VERSION:
                raise StoreError(f"the store is of version {version}, this bridge knows {SCHEMA_VERSION}: upgrade it")
            while version < SCHEMA_VERSION:
                for statement in _UPGRADES[version]:
                    self.connection.execute(statement)
                version += 1
                self.connection.execute(f"PRAGMA user_version = {version}")

    def _unlock(self) -> None:
        if self._file_lock is not None:
            os.close(self._file_lock)
            self._file_lock = None


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a store read-only, beside a running bridge; raise :class:`StoreError` when there is none."""
    if not path.exists():
        raise StoreError(f"{path}: there is no store yet; it is made when the bridge is first served")
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        try:
            yield connection
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise StoreError(f"{path}: the store cannot be read ({error})") from None


def counts(connection: sqlite3.Connection, lock: Any = None) -> dict[str, Any]:
    """Return the figures of a store read through ``connection``."""

    def ask(query: Callable[[], ResultT]) -> ResultT:
        if lock is None:
            return query()
        with lock:
            return query()

    undecided = ask(lambda: connection.execute("SELECT count(*) FROM inbox WHERE outcome IS NULL").fetchone())
    dead = ask(lambda: connection.execute("SELECT count(*) FROM inbox WHERE outcome = 'dead'").fetchone())
    queue = ask(
        lambda: connection.execute(
            "SELECT key_name, state, count(*), min(created_at) FROM outbox"
            " WHERE state IN ('pending', 'waiting', 'dead') GROUP BY key_name, state ORDER BY key_name, state"
        ).fetchall()
    )
    oldest = [row[3] for row in queue if row[1] != "dead"]
    return {
        "undecided": undecided[0],
        "unreadable": dead[0],
        "queue": [(row[0], row[1], row[2]) for row in queue],
        "oldest": min(oldest) if oldest else None,
    }


def _letter(letter: str) -> tuple[str, int]:
    table = {"i": "inbox", "o": "outbox"}.get(letter[:1])
    digits = letter[1:]
    if table is None or not digits.isascii() or not digits.isdigit() or len(digits) > 15:
        raise StoreError(f"{letter}: write a dead letter as listed, e.g. i7 or o12")
    return table, int(digits)


def _exclusive(path: Path) -> int:
    """Return a descriptor that holds the lock beside the store until it is closed or the process ends."""
    descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise StoreError(f"{path}: another bridge uses this store; stop it first") from None
    return descriptor
