"""The store in PostgreSQL, for when one machine is not enough: every bridge accepts, one decides and delivers.

Whoever holds a session advisory lock is the one. The lock lives as long as its connection, so it passes to another
bridge within seconds of its holder's death, and everything the holder does goes over that same connection: when it is
lost, nothing more can be written, and leading has to be won again. Notifications are appended over a second connection,
by any bridge. What one bridge sends at the very moment it loses the lock may be sent again by the next; with its dedup
key that changes nothing.

Sessions carry the lock, so a pooler between bridge and database must not share them between transactions.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import TransactionStatus

from bridge import schema
from bridge.errors import NoStore, StoreError
from bridge.storage import Raw, Row, Store
from bridge.turns import Turns

#: First half of the advisory lock's number; the second is made of the schema's name.
LOCK = 0x70616765
UPGRADE = 0x70616764
#: How libpq and the server notice that the other side has gone without a word, in seconds.
CONNECTION = {
    "connect_timeout": "5",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
    "application_name": "pagedrill-bridge",
}
SESSION = (
    "SET tcp_keepalives_idle = 5",
    "SET tcp_keepalives_interval = 2",
    "SET tcp_keepalives_count = 3",
    "SET statement_timeout = '30s'",
    "SET idle_in_transaction_session_timeout = '60s'",
    # Accepted means durable: a database set to forget the last commits in a crash is asked not to.
    "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'",
)


class _Line:
    """One connection, made when it is needed; a lock keeps the threads that share it apart."""

    def __init__(self, conninfo: str) -> None:
        self.lock = Turns()
        self._conninfo = conninfo
        self._connection: psycopg.Connection[Row] | None = None

    @property
    def alive(self) -> bool:
        """Whether there is a connection, as far as is known."""
        return self._connection is not None and not self._connection.closed and not self._connection.broken

    def get(self) -> psycopg.Connection[Row]:
        """Return the connection, a new one when it is lost; raise :class:`StoreError` without one."""
        if self._connection is not None and self.alive:
            return self._connection
        self.drop()
        try:
            connection = psycopg.connect(self._conninfo, autocommit=True)
            for statement in SESSION:
                connection.execute(statement.encode())
        except psycopg.Error as error:
            raise StoreError(f"PostgreSQL cannot be reached ({_first_line(error)})") from None
        self._connection = connection
        return connection

    def drop(self) -> None:
        """Give the connection up."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None


class PostgresStore(Store):
    """The store in a PostgreSQL database, shared by any number of bridges."""

    polling = 200_000

    def __init__(self, conninfo: str, *, looking: bool = False) -> None:
        """Connect, and make or upgrade the tables; raise :class:`StoreError` when that fails.

        ``looking`` changes nothing, and raises :class:`NoStore` when there are no tables yet.
        """
        try:
            given = {**CONNECTION, **{name: str(value) for name, value in conninfo_to_dict(conninfo).items()}}
            whole = make_conninfo("", **given)
        except psycopg.Error:
            # The error would quote the string, and with it the password.
            raise StoreError(
                "store.postgresql: not a connection string, e.g. postgresql://user@host/database"
            ) from None
        self._work, self._accept = _Line(whole), _Line(whole)
        self._leads = False
        self._lost = False
        try:
            if looking:
                self._look()
            else:
                self._upgrade()
        except BaseException:
            self.close()
            raise

    @contextmanager
    def transaction(self, *, durable: bool = True) -> Iterator[None]:
        """Keep the changes of the block together; nested blocks are savepoints and undo only their own part.

        Without ``durable`` the commit does not wait for the disk; the next that does waits for both.
        """
        with self._work.lock:
            connection = self._connection()
            outermost = connection.info.transaction_status is TransactionStatus.IDLE
            try:
                with connection.transaction():
                    if outermost and not durable:
                        connection.execute("SET LOCAL synchronous_commit TO off")
                    yield
            except psycopg.Error as error:
                raise self._failed(error) from error

    def append(self, batch: Sequence[Raw]) -> None:
        """Store notifications durably, all or none; raise :class:`StoreError` when they could not be kept.

        A connection that turns out to be dead is replaced once. Should the first attempt have arrived all the same, the
        second is a duplicate like any other.
        """
        rows = [(raw.received_at, raw.source, raw.body) for raw in batch]
        with self._accept.lock:
            for last in (False, True):
                try:
                    connection = self._accept.get()
                    with connection.transaction(), connection.cursor() as cursor:
                        cursor.executemany("INSERT INTO inbox (received_at, source, raw) VALUES (%s, %s, %s)", rows)
                    return
                except psycopg.Error as error:
                    if last or self._accept.alive:
                        raise StoreError(f"the notification could not be stored ({_first_line(error)})") from error

    def rows(self, sql: str, *arguments: Any) -> list[Row]:
        """Return what a query finds."""
        with self._work.lock:
            return self._execute(sql, arguments).fetchall()

    def change(self, sql: str, *arguments: Any) -> int:
        """Change rows; return how many."""
        with self._work.lock:
            return self._execute(sql, arguments).rowcount

    def prove(self, now: int) -> None:
        """Prove that notifications can be stored here, whoever leads."""
        with self._accept.lock:
            try:
                self._accept.get().execute(
                    "INSERT INTO fact (name, at, words) VALUES ('proved', %s, '')"
                    " ON CONFLICT (name) DO UPDATE SET at = excluded.at",
                    (now,),
                )
            except psycopg.Error as error:
                raise StoreError(f"the store failed ({_first_line(error)})") from error

    def lead(self) -> bool:
        """Say whether this bridge decides and delivers; try to become the one, over a new connection when lost."""
        with self._work.lock:
            if self._leads and self._work.alive:
                return True
            self._leads = False
            try:
                found = (
                    self._work.get()
                    .execute("SELECT pg_try_advisory_lock(%s, hashtext(current_schema()))", (LOCK,))
                    .fetchone()
                )
            except psycopg.Error as error:
                raise self._failed(error) from error
            self._leads = found is not None and bool(found[0])
            self._lost = False
            return self._leads

    def is_led(self) -> bool:
        """Say whether some bridge holds the lock."""
        found = self.row(
            "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2 AND granted"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            " AND classid::bigint = ? AND objid::bigint = (hashtext(current_schema())::bigint & 4294967295)",
            LOCK,
        )
        return found is not None

    def close(self) -> None:
        """Close both connections, and with them give the lock up."""
        for line in (self._work, self._accept):
            with line.lock:
                line.drop()

    # -- inside ----------------------------------------------------------------------------------------------------

    def _connection(self) -> psycopg.Connection[Row]:
        if self._lost:
            # Another bridge may lead by now; only winning the lock again makes writing right again.
            raise StoreError("the connection that held the lock is lost")
        return self._work.get()

    def _execute(self, sql: str, arguments: tuple[Any, ...]) -> psycopg.Cursor[Row]:
        connection = self._connection()
        try:
            return connection.execute(_spelled(sql), arguments)
        except psycopg.Error as error:
            raise self._failed(error) from error

    def _failed(self, error: psycopg.Error) -> StoreError:
        if not self._work.alive:
            self._lost = self._lost or self._leads
            self._leads = False
            self._work.drop()
        return StoreError(f"the store failed ({_first_line(error)})")

    def _version(self, connection: psycopg.Connection[Row]) -> int:
        there = connection.execute("SELECT to_regclass('schema_version')").fetchone()
        if there is None or there[0] is None:
            return 0
        found = connection.execute("SELECT version FROM schema_version").fetchone()
        return 0 if found is None else int(found[0])

    def _look(self) -> None:
        try:
            version = self._version(self._work.get())
        except psycopg.Error as error:
            raise StoreError(f"the tables cannot be read ({_first_line(error)})") from None
        if version == 0:
            raise NoStore("there are no tables yet; they are made when the bridge is first served")
        if version != schema.VERSION:
            raise StoreError(f"the tables are of version {version}, not {schema.VERSION}; serve them once")

    def _upgrade(self) -> None:
        connection = self._work.get()
        try:
            if self._version(connection) == schema.VERSION:
                return
            with connection.transaction():
                connection.execute("SELECT pg_advisory_xact_lock(%s, hashtext(current_schema()))", (UPGRADE,))
                connection.execute("CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL)")
                version = self._version(connection)
                for statement in schema.statements(version, schema.POSTGRESQL):
                    connection.execute(statement.encode())
                connection.execute("DELETE FROM schema_version")
                connection.execute("INSERT INTO schema_version (version) VALUES (%s)", (schema.VERSION,))
        except psycopg.Error as error:
            raise StoreError(f"the tables cannot be made or upgraded ({_first_line(error)})") from None


@functools.cache
def _spelled(sql: str) -> bytes:
    return sql.replace("%", "%%").replace("?", "%s").encode()


def _first_line(error: psycopg.Error) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
