"""The store in PostgreSQL: the same life, one leader, takeover, a server that restarts."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
from bridge_postgres import BINARIES, Cluster
from bridge_process import EventsHost, Served, run, serving, until, write_config
from bridge_rig import NOW, SECOND, Crash, Rig, config, payload

from bridge import records, schema
from bridge.core import Point
from bridge.errors import StoreError
from bridge.postgres import PostgresStore
from bridge.storage import Raw

pytestmark = pytest.mark.postgresql
PASSWORD = "a-word-that-must-not-show"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    assert BINARIES
    made = Cluster()
    yield made
    made.remove()


@pytest.fixture
def conninfo(cluster: Cluster) -> str:
    return cluster.fresh()


@pytest.fixture
def store(conninfo: str) -> Iterator[PostgresStore]:
    made = PostgresStore(conninfo)
    yield made
    made.close()


class SharedRig(Rig):
    """A bridge on a PostgreSQL store."""

    def __init__(self, store: PostgresStore) -> None:
        super().__init__(config(), store)


def test_a_life_in_postgresql_is_the_same(store: PostgresStore) -> None:
    """Trigger, clear, duplicate, late trigger, dead letter, trace, figures, replay: as in SQLite."""
    rig = SharedRig(store)
    for body in (payload("TRIGGER"), payload("TRIGGER"), payload("CLEAR"), payload("CLEAR", "late"), b"\x00\xff"):
        assert rig.post(body) == 200
    rig.drain(NOW)
    rig.post(payload("TRIGGER", "late"))
    rig.drain(NOW + SECOND)
    assert rig.pagerduty.actions == [
        ("trigger", "thousandeyes:a1"),
        ("resolve", "thousandeyes:a1"),
        ("resolve", "thousandeyes:late"),
    ]
    outcomes = [row[0] for row in store.rows("SELECT outcome FROM inbox ORDER BY id")]
    assert outcomes == ["triggered", "duplicate", "resolved", "tombstone", "dead", "superseded"]
    (letter,) = records.letters(store)
    assert records.letter(store, letter.name) == b"\x00\xff"
    notifications, alerts, events, tries = records.trace(store, "a1", "thousandeyes:a1", "bridge:a1")
    assert (len(notifications), len(alerts), len(events), len(tries)) == (3, 1, 2, 2)
    assert records.figures(store).unreadable == 1
    assert records.health(store, "ops").sent_at == NOW
    assert records.replay_since(store, NOW - SECOND, NOW) == [
        ("resolve", "thousandeyes:a1"),
        ("resolve", "thousandeyes:late"),
    ]
    records.drop(store, letter.name)
    rig.drain(NOW + SECOND)
    assert records.prune(store, NOW + 10 * SECOND) > 0
    assert store.rows("SELECT * FROM alert") == []


@pytest.mark.parametrize("point", list(Point))
def test_a_crash_anywhere_loses_nothing(store: PostgresStore, point: Point) -> None:
    """Whatever point the bridge dies at, a repeat of unacknowledged posts leads to one incident, closed."""
    rig = SharedRig(store)
    for name in ("TRIGGER", "CLEAR"):
        rig.crash_at = point
        for _ in range(2):
            try:
                assert rig.post(payload(name)) == 200
                break
            except Crash:
                rig.start()
        for _ in range(2):
            try:
                rig.bridge.run_due(NOW)
            except Crash:
                rig.start()
    actions = [action for action, _ in rig.pagerduty.actions]
    assert actions == sorted(actions, reverse=True)
    assert set(actions) == {"trigger", "resolve"}


def _fail_inside(store: PostgresStore) -> None:
    with store.transaction():
        store.note_fact("inner", 1)
        raise ZeroDivisionError


def test_nested_transactions_undo_their_own_part(store: PostgresStore) -> None:
    """An inner failure leaves the outer part, an outer failure leaves nothing."""
    with store.transaction():
        store.note_fact("outer", 1)
        with pytest.raises(ZeroDivisionError):
            _fail_inside(store)
    assert (store.fact("outer"), store.fact("inner")) == ((1, ""), None)


def test_only_one_leads_and_another_takes_over(conninfo: str) -> None:
    """The lock is with the first; when its connection dies, the next has it, and the first can write nothing more."""
    first, second = PostgresStore(conninfo), PostgresStore(conninfo)
    assert (first.lead(), second.lead(), first.lead()) == (True, False, True)
    assert first.is_led()
    second.append([Raw("s", b"1", 5)])
    assert first.has_undecided()
    with psycopg.connect(conninfo, autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid = %s",
            (0x70616765,),
        )
    until(second.lead)
    with pytest.raises(StoreError):
        first.note_fact("late", 1)
    with pytest.raises(StoreError, match="held the lock"):
        first.note_fact("later", 1)
    assert first.lead() is False
    second.close()
    until(first.lead)
    first.note_fact("again", 1)
    first.close()


def test_two_schemas_of_one_database_do_not_share_a_leader(cluster: Cluster) -> None:
    """The lock belongs to the tables, not to the database."""
    stores = [PostgresStore(cluster.fresh()) for _ in range(2)]
    assert [store.lead() for store in stores] == [True, True]
    for store in stores:
        store.close()


def test_a_store_of_the_first_version_is_upgraded(conninfo: str) -> None:
    """Several bridges may start at once on old tables: they are upgraded once, and everything is kept."""
    with psycopg.connect(conninfo, autocommit=True) as admin:
        for statement in schema.STEPS[0]:
            for word, meaning in schema.POSTGRESQL.items():
                statement = statement.replace(word, meaning)
            admin.execute(statement.encode())
        admin.execute("CREATE TABLE schema_version (version BIGINT NOT NULL)")
        admin.execute("INSERT INTO schema_version VALUES (1)")
        admin.execute("INSERT INTO inbox (received_at, source, raw) VALUES (5, 's', 'x')")
    made: list[PostgresStore] = []
    threads = [threading.Thread(target=lambda: made.append(PostgresStore(conninfo))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 4
    assert made[0].undecided(9) == [(1, Raw("s", b"x", 5))]
    for store in made:
        store.close()
    with psycopg.connect(conninfo, autocommit=True) as admin:
        admin.execute("UPDATE schema_version SET version = 99")
    with pytest.raises(StoreError, match="version 99"):
        PostgresStore(conninfo)


def test_looking_changes_nothing(conninfo: str, tmp_path: Path) -> None:
    """Commands that only look make no tables: before the first start there is nothing to see, and check says so."""
    document = str(write_config(tmp_path, more=f'[store]\npostgresql = {{ value = "{conninfo}" }}\n'))
    ran = run("status", "--config", document)
    assert (ran.code, "no tables yet" in ran.err) == (1, True)
    assert run("check", "--offline", "--config", document).code == 0
    with psycopg.connect(conninfo) as admin:
        assert admin.execute("SELECT to_regclass('inbox')").fetchone() == (None,)
    PostgresStore(conninfo).close()
    assert "No bridge holds the lock" in run("status", "--config", document).out


@pytest.mark.parametrize(
    "conninfo",
    [
        f"host=/nonexistent user=bridge password={PASSWORD}",
        f"postgresql://u:{PASSWORD}@127.0.0.1:1/x",
        f"nonsense {PASSWORD}",
        f"postgresql://u:{PASSWORD}@[x/",
    ],
)
def test_a_connection_string_never_shows(conninfo: str) -> None:
    """Neither an unreachable server nor a string that is none brings the password into an error."""
    with pytest.raises(StoreError) as caught:
        PostgresStore(conninfo)
    assert PASSWORD not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_durability_is_asked_for(cluster: Cluster) -> None:
    """A database set to forget the last commits in a crash is asked not to."""
    given = cluster.fresh().replace("options='", "options='-c synchronous_commit=off ")
    store = PostgresStore(given)
    assert store.row("SHOW synchronous_commit") == ("on",)
    store.close()


class Pair:
    """Two served bridges on one database, and posts that go to whichever answers."""

    def __init__(self, folder: Path, conninfo: str, events: EventsHost) -> None:
        more = f'[store]\npostgresql = {{ value = "{conninfo}" }}\n'
        self.documents = []
        for name in ("one", "two"):
            (folder / name).mkdir()
            self.documents.append(write_config(folder / name, events.url, more))
        self.acknowledged: list[str] = []
        self.refused = 0
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def pour(self, bridges: list[Served], per_thread: int = 10_000) -> None:
        def post(thread: int) -> None:
            with httpx.Client(timeout=40) as client:
                for number in range(per_thread):
                    if self._stop.is_set():
                        return
                    name = f"{thread}-{number}"
                    url = bridges[(thread + number) % len(bridges)].url
                    try:
                        status = client.post(url, content=payload("TRIGGER", name)).status_code
                    except httpx.TransportError:
                        status = 0
                    if status == 200:
                        self.acknowledged.append(name)
                    else:
                        self.refused += 1
                        self._stop.wait(0.02)

        self._threads = [threading.Thread(target=post, args=(thread,)) for thread in range(4)]
        for thread in self._threads:
            thread.start()

    def until(self, number: int) -> None:
        until(lambda: len(self.acknowledged) >= number)

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


@pytest.fixture
def events() -> Iterator[EventsHost]:
    host = EventsHost()
    yield host
    host.close()


def delivered(events: EventsHost, pair: Pair) -> None:
    wanted = {f"thousandeyes:{name}" for name in pair.acknowledged}
    events.wait_for(lambda seen: wanted <= {event["dedup_key"] for event in seen})


@pytest.mark.sockets
def test_the_leader_is_killed_and_the_other_takes_over(tmp_path: Path, conninfo: str, events: EventsHost) -> None:
    """Both accept, one delivers; killed with -9 under load, nothing is lost, and the other delivers within seconds."""
    pair = Pair(tmp_path, conninfo, events)
    with serving(pair.documents[0]) as first:
        until(lambda: "decides and delivers now" in first.log)
        with serving(pair.documents[1]) as second:
            pair.pour([first, second])
            pair.until(60)
            assert run("status", "--config", str(pair.documents[1])).out.startswith("paging works")
            first.process.kill()
            killed = time.monotonic()
            until(lambda: "decides and delivers now" in second.log)
            assert time.monotonic() - killed < 5
            before = len(events.events)
            events.wait_for(lambda seen: len(seen) > before + 5)
            pair.until(len(pair.acknowledged) + 40)
            pair.stop()
            delivered(events, pair)
            keys = [event["dedup_key"] for event in events.events]
            assert len(keys) - len(set(keys)) <= 1
            assert second.stop() == 0


@pytest.mark.sockets
def test_the_server_restarts_in_mid_flight(tmp_path: Path, cluster: Cluster, conninfo: str, events: EventsHost) -> None:
    """PostgreSQL dies without a word and comes back: refused meanwhile, nothing acknowledged is lost."""
    pair = Pair(tmp_path, conninfo, events)
    with serving(pair.documents[0]) as bridge:
        pair.pour([bridge])
        pair.until(40)
        cluster.stop("immediate")
        refused = pair.refused
        until(lambda: pair.refused >= refused + 3)
        assert httpx.get(bridge.at("/readyz"), timeout=30).status_code == 503
        figures = httpx.get(bridge.at("/metrics"), timeout=30)
        assert (figures.status_code, "bridge_works 0.0" in figures.text) == (200, True)
        cluster.start()
        pair.until(len(pair.acknowledged) + 40)
        pair.stop()
        delivered(events, pair)
        assert httpx.get(bridge.at("/readyz"), timeout=30).status_code == 200
        assert bridge.stop() == 0
        assert "Traceback" not in bridge.log
