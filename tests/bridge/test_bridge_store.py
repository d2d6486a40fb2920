"""Transactions, versions and files of the store."""

import sqlite3
import stat
from pathlib import Path

import httpx
import pytest
from bridge_rig import NOW, SECOND, Crash, Rig, config, payload

from bridge import messages, records, schema
from bridge.errors import StoreError
from bridge.messages import InboundMessage
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


DAY = 24 * 3600 * SECOND


def first_version(path: Path) -> None:
    """Make a store as the first version of the bridge left it: an open alert, its trigger sent, one event waiting."""
    connection = sqlite3.connect(path)
    for statement in schema.STEPS[0]:
        for word, meaning in schema.SQLITE.items():
            statement = statement.replace(word, meaning)
        connection.execute(statement)
    connection.execute("INSERT INTO alert VALUES ('thousandeyes:a1', 'thousandeyes', 'a1', 'default', 'ops', 5, NULL)")
    connection.execute(
        "INSERT INTO outbox (dedup_key, key_name, action, body, state, score, created_at, due)"
        " VALUES ('thousandeyes:a1', 'ops', 'trigger', ?, 'pending', 1, 5, 5)",
        ('{"event_action":"trigger","dedup_key":"thousandeyes:a1"}',),
    )
    connection.execute(
        "INSERT INTO inbox (received_at, source, raw) VALUES (6, 'thousandeyes', ?)", (payload("CLEAR"),)
    )
    connection.execute("PRAGMA user_version = 1")
    connection.commit()
    connection.close()


def test_a_store_of_the_first_version_is_upgraded_and_carried_on(tmp_path: Path) -> None:
    """What waited in it is decided and delivered, and a second start changes nothing more."""
    path = tmp_path / "bridge.db"
    first_version(path)
    rig = Rig(store=SqliteStore(path))
    rig.drain(NOW)
    assert rig.pagerduty.actions[-1] == ("resolve", "thousandeyes:a1")
    assert len(rig.pagerduty.events) == 2
    assert rig.store.row("PRAGMA user_version") == (schema.VERSION,)
    rig.store.close()
    again = SqliteStore(path)
    assert records.figures(again).open_alerts == 0
    again.close()


def test_an_upgrade_that_fails_leaves_the_store_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All steps or none: a half upgraded store would fit no bridge."""
    path = tmp_path / "bridge.db"
    first_version(path)
    before = sorted(sqlite3.connect(path).execute("SELECT name FROM sqlite_master"))
    monkeypatch.setattr(schema, "STEPS", (*schema.STEPS, ("nonsense",)))
    with pytest.raises(StoreError):
        SqliteStore(path)
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA user_version").fetchone() == (1,)
    assert sorted(connection.execute("SELECT name FROM sqlite_master")) == before
    connection.close()


def test_what_is_over_is_forgotten_and_what_is_not_is_kept() -> None:
    """Past the retention only open alerts with their events, dead letters and the recent are left."""
    rig = Rig(config(store={"retention_days": 10}))
    for name, at in (("over", 0), ("open", 0), ("recent", 9 * DAY)):
        rig.post(payload("TRIGGER", name), NOW + at)
        if name != "open":
            rig.post(payload("CLEAR", name), NOW + at)
        rig.drain(NOW + at)
    rig.post(b"dead", NOW)
    rig.bridge.run_due(NOW + 12 * DAY)
    assert rig.store.rows("SELECT alert_id FROM alert ORDER BY alert_id") == [("open",), ("recent",)]
    assert rig.store.rows("SELECT dedup_key, action FROM outbox ORDER BY id") == [
        ("thousandeyes:open", "trigger"),
        ("thousandeyes:recent", "trigger"),
        ("thousandeyes:recent", "resolve"),
    ]
    assert rig.store.rows("SELECT dedup_key FROM inbox WHERE outcome <> 'dead' ORDER BY id") == [
        ("thousandeyes:recent",),
        ("thousandeyes:recent",),
    ]
    assert records.figures(rig.store).unreadable == 1
    assert {row[0] for row in rig.store.rows("SELECT at FROM attempt")} == {NOW + 9 * DAY}


def test_a_late_trigger_is_superseded_as_long_as_the_clear_is_remembered() -> None:
    """The terminal clear outlives the sender's retry hour by far."""
    rig = Rig(config(store={"retention_days": 1}))
    rig.post(payload("CLEAR"), NOW)
    rig.drain(NOW)
    rig.post(payload("TRIGGER"), NOW + 20 * 3600 * SECOND)
    rig.drain(NOW + 20 * 3600 * SECOND)
    assert [action for action, _ in rig.pagerduty.actions] == ["resolve"]


def test_figures_are_answered_by_partial_indexes() -> None:
    """However much is kept, counting what waits reads only what waits."""
    store = SqliteStore(":memory:")
    queries = (
        "SELECT count(*), min(received_at) FROM inbox WHERE outcome IS NULL",
        "SELECT key_name, state, count(*), min(created_at) FROM outbox"
        " WHERE state IN ('pending', 'waiting', 'dead') GROUP BY key_name, state ORDER BY key_name, state",
        "SELECT count(*) FROM alert WHERE cleared_at IS NULL AND opened_at IS NOT NULL",
        "SELECT max(at) FROM attempt WHERE key_name = 'x' AND verdict = 'sent'",
        "SELECT due FROM outbox WHERE key_name = 'x' AND state = 'pending' ORDER BY due LIMIT 1",
        "SELECT id FROM inbox WHERE received_at < 5 AND outcome IS NOT NULL ORDER BY received_at LIMIT 9",
    )
    for query in queries:
        plan = " ".join(str(row[3]) for row in store.rows(f"EXPLAIN QUERY PLAN {query}"))
        assert "INDEX" in plan, (query, plan)
        assert "TEMP B-TREE" not in plan, (query, plan)


def test_the_next_event_is_found_without_sorting_the_backlog(monkeypatch: pytest.MonkeyPatch) -> None:
    """Taking the most urgent of a key's events walks the index by urgency: a storm does not make it slower."""
    store = SqliteStore(":memory:")
    asked: list[str] = []
    monkeypatch.setattr(SqliteStore, "row", lambda self, query, *values: asked.append(query))
    assert store.take("ops", NOW) is None
    monkeypatch.undo()
    plan = " ".join(str(row[3]) for row in store.rows(f"EXPLAIN QUERY PLAN {asked[0]}", "ops", NOW))
    assert "outbox_score" in plan
    assert "TEMP B-TREE" not in plan


def test_a_clock_that_goes_back_holds_nothing_up() -> None:
    """Three hours back, an event put off by the wrong clock goes within the longest pause, and the pace holds."""
    rig = Rig(config(pagerduty={"events_per_minute": 2}))
    for name in "abc":
        rig.post(payload("TRIGGER", name), NOW)
    rig.pagerduty.answer = lambda event: httpx.Response(503)
    rig.bridge.run_due(NOW)
    rig.pagerduty.answer = lambda event: httpx.Response(202)
    back = NOW - 3 * 3600 * SECOND
    rig.bridge.run_due(back)
    assert rig.drain(back) <= back + 300 * SECOND
    assert {key for _, key in rig.pagerduty.actions[2:]} == {f"thousandeyes:{name}" for name in "abc"}


def test_a_clock_that_went_back_while_the_bridge_was_down_holds_nothing_up() -> None:
    """The store's newest entry tells a bridge that has just been started."""
    rig = Rig()
    rig.post(payload("TRIGGER"), NOW)
    rig.pagerduty.answer = lambda event: httpx.Response(503)
    rig.bridge.run_due(NOW)
    rig.pagerduty.answer = lambda event: httpx.Response(202)
    rig.start()
    back = NOW - 24 * 3600 * SECOND
    rig.bridge.run_due(back)
    assert [event["event_action"] for event in rig.pagerduty.events] == ["trigger", "trigger"]


def test_a_restart_is_no_way_around_the_pace() -> None:
    """The tries of the last minute are known to a new bridge on the same store."""
    rig = Rig(config(pagerduty={"events_per_minute": 2}))
    for name in "abcd":
        rig.post(payload("TRIGGER", name), NOW)
    rig.bridge.run_due(NOW)
    rig.start()
    rig.bridge.run_due(NOW + SECOND)
    assert len(rig.pagerduty.events) == 2
    assert rig.bridge.next_due() == NOW + 60 * SECOND


def test_a_fault_of_ours_costs_one_message_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A message the bridge itself fails on becomes a dead letter, and its neighbours are paged."""
    rig = Rig()
    read = messages.read

    def failing(source: str, raw: bytes) -> InboundMessage:
        if b"poison" in raw:
            raise ZeroDivisionError("oh")
        return read(source, raw)

    monkeypatch.setattr(messages, "read", failing)
    for name in ("a", "poison", "b"):
        rig.post(payload("TRIGGER", name), NOW)
    rig.drain(NOW)
    assert [key for _, key in rig.pagerduty.actions] == ["thousandeyes:a", "thousandeyes:b"]
    (letter,) = records.letters(rig.store)
    assert (letter.cause, letter.reason) == ("fault", "ZeroDivisionError: oh")
    monkeypatch.undo()
    records.replay(rig.store, letter.name)
    rig.drain(NOW)
    assert len(rig.pagerduty.events) == 3


def test_a_store_is_proved_by_writing() -> None:
    """Readiness means that the next notification can be stored, not that a file is open."""
    store = SqliteStore(":memory:")
    store.prove(5)
    store.connection.execute("PRAGMA query_only = 1")
    with pytest.raises(StoreError):
        store.prove(6)


def test_only_what_was_promised_waits_for_the_disk(tmp_path: Path) -> None:
    """Deciding does not flush, whatever comes of it; receiving, trying and recording do."""
    store = SqliteStore(tmp_path / "bridge.db")
    levels: list[tuple[str, int]] = []

    def level(what: str) -> None:
        levels.append((what, store.rows("PRAGMA synchronous")[0][0]))

    with store.transaction(durable=False):
        level("deciding")
    level("after")
    with pytest.raises(ZeroDivisionError):
        _fail_undurably(store)
    with store.transaction():
        with store.transaction(durable=False):
            level("inside")
        level("durable")
    assert levels == [("deciding", 1), ("after", 2), ("inside", 2), ("durable", 2)]
    store.close()


def _fail_undurably(store: SqliteStore) -> None:
    with store.transaction(durable=False):
        raise ZeroDivisionError
