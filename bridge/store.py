"""The store in one SQLite file: write-ahead log, synchronous FULL, one writer.

SQLite before 3.51.3 can damage a write-ahead log when two connections write at the same instant, so exactly one
connection writes, in one process, and a lock file keeps a second process out. Readers open the file read-only.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from bridge import schema
from bridge.config import Storage
from bridge.errors import NoStore, StoreError
from bridge.storage import Outgoing, Raw, Row, Store
from bridge.turns import Turns

__all__ = ["FIXED_WAL", "Outgoing", "Raw", "SqliteStore", "Store", "is_served", "open_store", "reading"]

#: The first version without the fault that two writers can provoke.
FIXED_WAL = (3, 51, 3)


class SqliteStore(Store):
    """The store in one SQLite file, or in memory for ``:memory:``."""

    def __init__(self, path: str | Path) -> None:
        """Open or create the store, readable by its owner only; raise :class:`StoreError` when that fails."""
        self._lock = Turns()
        self._savepoints = 0
        self._file_lock: int | None = None
        self._files: tuple[tuple[Path, tuple[int, int] | None], ...] = ()
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
                if not memory:
                    written = (Path(path), Path(f"{path}-wal"))
                    self._files = tuple((name, _identity(name)) for name in written if name.exists())
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
        store._lock = Turns()
        store._savepoints = 0
        store._file_lock = None
        store._files = ()
        store.connection = connection
        return store

    @contextmanager
    def transaction(self, *, durable: bool = True) -> Iterator[None]:
        """Keep the changes of the block together; nested blocks are savepoints and undo only their own part.

        Without ``durable`` the commit is not flushed to the disk; the next that is flushes it, too.
        """
        with self._lock, nullcontext() if durable or self.connection.in_transaction else self._unflushed():
            if self.connection.in_transaction:
                self._savepoints += 1
                name = f"part_{self._savepoints}"
                opening, closing = f"SAVEPOINT {name}", f"RELEASE {name}"
                undoing: tuple[str, ...] = (f"ROLLBACK TO {name}", f"RELEASE {name}")
            else:
                opening, closing, undoing = "BEGIN IMMEDIATE", "COMMIT", ("ROLLBACK",)
            self._execute(opening)
            try:
                yield
                self._execute(closing)
            except BaseException:
                # A full disk makes SQLite roll back by itself; there is nothing left to undo then.
                if self.connection.in_transaction:
                    for statement in undoing:
                        self._execute(statement)
                raise

    @contextmanager
    def _unflushed(self) -> Iterator[None]:
        self._execute("PRAGMA synchronous=NORMAL")
        try:
            yield
        finally:
            self._execute("PRAGMA synchronous=FULL")

    def append(self, batch: Sequence[Raw]) -> None:
        """Store notifications durably, all or none; raise :class:`StoreError` when they could not be kept."""
        rows = [(raw.received_at, raw.source, raw.body) for raw in batch]
        try:
            with self.transaction():
                self._be_there()
                self.connection.executemany("INSERT INTO inbox (received_at, source, raw) VALUES (?, ?, ?)", rows)
        except sqlite3.Error as error:
            raise StoreError(f"the notification could not be stored ({error})") from error

    def rows(self, sql: str, *arguments: Any) -> list[Row]:
        """Return what a query finds."""
        with self._lock:
            found: list[Row] = self._execute(sql, arguments).fetchall()
            return found

    def row(self, sql: str, *arguments: Any) -> Row | None:
        """Return the first row a query finds."""
        with self._lock:
            cursor = self._execute(sql, arguments)
            found: Row | None = cursor.fetchone()
            cursor.close()
            return found

    def change(self, sql: str, *arguments: Any) -> int:
        """Change rows; return how many."""
        with self._lock:
            return self._execute(sql, arguments).rowcount

    def prove(self, now: int) -> None:
        """Prove that the store can be written, and that it is the file the next start will find."""
        self._be_there()
        super().prove(now)

    def lead(self) -> bool:
        """Say yes: whoever has the file is the only one."""
        return True

    def close(self) -> None:
        """Close the connection and let another process have the file."""
        with self._lock:
            self.connection.close()
            self._unlock()

    # -- inside ----------------------------------------------------------------------------------------------------

    def _be_there(self) -> None:
        """Raise :class:`StoreError` when what is written has no name any more: nothing could be found in it again."""
        for name, identity in self._files:
            if _identity(name) != identity:
                raise StoreError(f"{name}: the file in use was moved, deleted or replaced; restart the bridge")

    def _execute(self, sql: str, arguments: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        try:
            return self.connection.execute(sql, arguments)
        except sqlite3.Error as error:
            raise StoreError(f"the store failed ({error})") from error

    def _upgrade(self) -> None:
        with self.transaction():
            version = int(self.connection.execute("PRAGMA user_version").fetchone()[0])
            for statement in schema.statements(version, schema.SQLITE):
                self.connection.execute(statement)
            self.connection.execute(f"PRAGMA user_version = {schema.VERSION}")

    def _unlock(self) -> None:
        if self._file_lock is not None:
            os.close(self._file_lock)
            self._file_lock = None


def open_store(storage: Storage) -> Store:
    """Return the configured store, made or upgraded when needed; raise :class:`StoreError` when that fails."""
    return SqliteStore(storage.path) if storage.postgresql is None else _postgres(storage.postgresql.value)


@contextmanager
def reading(storage: Storage) -> Iterator[Store]:
    """Open the configured store to look into it, beside a running bridge; raise :class:`StoreError` without one."""
    if storage.postgresql is not None:
        store = _postgres(storage.postgresql.value, looking=True)
        try:
            yield store
        finally:
            store.close()
        return
    path = storage.path
    if not path.exists():
        raise NoStore(f"{path}: there is no store yet; it is made when the bridge is first served")
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
        try:
            version = int(connection.execute("PRAGMA user_version").fetchone()[0])
            if version != schema.VERSION:
                raise StoreError(f"{path}: the store is of version {version}, not {schema.VERSION}; serve it once")
            yield SqliteStore.from_connection(connection)
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise StoreError(f"{path}: the store cannot be read ({error})") from None


def is_served(path: Path) -> bool:
    """Say whether a process has the SQLite store at ``path`` open for writing."""
    try:
        descriptor = os.open(f"{path}.lock", os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def _postgres(conninfo: str, *, looking: bool = False) -> Store:
    try:
        from bridge.postgres import PostgresStore
    except ImportError:
        raise StoreError("store.postgresql needs one more package: pip install 'pagedrill[postgres]'") from None
    return PostgresStore(conninfo, looking=looking)


def _identity(name: Path) -> tuple[int, int] | None:
    """Return what tells a file from any other that has its name, ``None`` without one."""
    try:
        found = name.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _exclusive(path: Path) -> int:
    """Return a descriptor that holds the lock beside the store until it is closed or the process ends."""
    descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise StoreError(f"{path}: another bridge uses this store; stop it first") from None
    return descriptor
