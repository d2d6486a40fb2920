"""Transactions, versions and files of the store."""

import sqlite3
import stat
from pathlib import Path

import pytest
from bridge_rig import Crash

from bridge.errors import StoreError
from bridge.store import Raw, SqliteStore


def _append_and_die(store: SqliteStore, body: bytes) -> None:
    with store.transaction():
        store.append([Raw("s", body)])
        raise Crash


def test_nested_transactions_undo_their_own_part() -> None:
    """An inner failure, even one that ends the process, leaves the outer part."""
    store = SqliteStore(":memory:")
    with store.transaction():
        store.append([Raw("s", b"1")])
        with pytest.raises(Crash):
            _append_and_die(store, b"2")
    assert [raw.body for _, raw in store.undecided(9)] == [b"1"]
    with pytest.raises(Crash):
        _append_and_die(store, b"3")
    assert len(store.undecided(9)) == 1


def test_a_savepoint_from_outside_is_the_whole_truth() -> None:
    """Rolling back to a savepoint set around the store forgets everything after it."""
    store = SqliteStore(":memory:")
    store.connection.execute("SAVEPOINT moment")
    store.append([Raw("s", b"1")])
    store.connection.execute("ROLLBACK TO moment")
    assert not store.has_undecided()
    copy = sqlite3.connect(":memory:", isolation_level=None)
    copy.deserialize(store.connection.serialize())
    twin = SqliteStore.from_connection(copy)
    twin.append([Raw("s", b"2"), Raw("s", b"3")])
    assert [row for row, _ in twin.undecided(9)] == [1, 2]
    copy.close()


def test_the_file_is_private_durable_and_exclusive(tmp_path: Path) -> None:
    """Only the owner reads the store, a second process stays out, and content outlives the process."""
    path = tmp_path / "bridge.db"
    store = SqliteStore(path)
    store.append([Raw("s", b"1", 5)])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert store.connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert store.connection.execute("PRAGMA synchronous").fetchone() == (2,)
    with pytest.raises(StoreError, match="another bridge"):
        SqliteStore(path)
    store.close()
    again = SqliteStore(path)
    assert again.undecided(9) == [(1, Raw("s", b"1", 5))]
    again.close()


def test_a_newer_or_damaged_store_is_refused(tmp_path: Path) -> None:
    """A store this bridge does not understand is left alone, with one line saying why."""
    newer = tmp_path / "newer.db"
    store = SqliteStore(newer)
    store.connection.execute("PRAGMA user_version = 99")
    store.close()
    with pytest.raises(StoreError, match="version 99"):
        SqliteStore(newer)
    damaged = tmp_path / "damaged.db"
    damaged.write_bytes(b"no database at all" * 100)
    with pytest.raises(StoreError, match="cannot be opened"):
        SqliteStore(damaged)
