"""The bridge as a server: bodies, slow and lying clients, keys that hang, signals, and what it loads."""

import json
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from bridge_process import EventsHost, Served, run, serving, talk, until, write_config
from bridge_rig import KEY, NOW, payload

pytestmark = pytest.mark.sockets
THIRD_KEY = "k3" * 16
FORBIDDEN = ("faker", "rich", "hypothesis", "pact", "pytest", "jsonschema", "contracts", "scenarios", "simulators")
#: Everything the serving process may load besides the standard library; docs/bridge.md has the same list.
ALLOWED = """
    bridge anyio blinker certifi click flask h11 httpcore httpx idna itsdangerous jinja2 markupsafe prometheus_client
    typing_extensions waitress werkzeug
"""
#: Loaded by those when they happen to be installed; nothing here depends on them.
OPTIONAL = """
    brotli brotlicffi dotenv greenlet h2 simplejson sniffio socksio watchdog zstandard trio cryptography snappy
    org sitecustomize usercustomize
"""


@pytest.fixture(scope="module")
def events() -> Iterator[EventsHost]:
    host = EventsHost()
    yield host
    host.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, events: EventsHost) -> Iterator[Served]:
    """A bridge with little patience and small limits."""
    document = write_config(
        tmp_path_factory.mktemp("served"), events.url, max_body_bytes=100_000, idle_seconds=2, connections=40, threads=4
    )
    with serving(document) as running:
        yield running


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"x" * 100_000, 200),
        (b"x" * 100_001, 413),
        (b"x" * 5_000_000, 413),
        ([b"x" * 50_000] * 2, 200),
        ([b"x" * 50_000] * 3, 413),
        ([b"x" * 50_001] * 2, 413),
        ([b"x" * 100] * 2_000, 413),
    ],
)
def test_the_limit_holds_for_every_kind_of_body(served: Served, body: bytes | list[bytes], status: int) -> None:
    """A body over the limit is refused, announced or in chunks; one at the limit is taken."""
    content = body if isinstance(body, bytes) else iter(body)
    try:
        answer = httpx.post(served.url, content=content).status_code
    except httpx.WriteError:
        answer = 413  # refused so early that the rest could not be sent any more
    assert answer == status


def test_slow_clients_do_not_block_others(served: Served) -> None:
    """Dozens of half sent headers and bodies later, a request is answered at once."""
    head = b"POST /thousandeyes HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n"
    slow = [socket.create_connection(served.address, timeout=30) for _ in range(24)]
    try:
        for number, connection in enumerate(slow):
            connection.sendall(head if number % 2 else head + b"\r\n{")
        began = time.monotonic()
        assert httpx.post(served.url, content=payload("TRIGGER", "beside")).status_code == 200
        assert time.monotonic() - began < 2
    finally:
        for connection in slow:
            connection.close()


def test_a_client_that_trickles_is_closed(served: Served) -> None:
    """A request that does not end is given up, however lively its bytes drip."""
    with socket.create_connection(served.address, timeout=30) as connection:
        connection.sendall(b"POST /thousandeyes HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
        began = time.monotonic()
        connection.settimeout(0.1)
        while time.monotonic() - began < 20:
            try:
                connection.sendall(b"x")
                if connection.recv(1000) == b"":
                    break
            except TimeoutError:
                continue
            except OSError:
                break
        assert time.monotonic() - began < 15


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"POST /thousandeyes HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET",
        b"POST /thousandeyes HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n",
        b"POST /thousandeyes HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        b"POST /thousandeyes HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /thousandeyes HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 40_000 + b"\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    ],
)
def test_requests_that_lie_about_themselves_are_refused(served: Served, request_bytes: bytes) -> None:
    """Two lengths, none that is a number, endless headers and no HTTP at all: an error or a closed connection."""
    with socket.create_connection(served.address, timeout=30) as connection:
        connection.sendall(request_bytes)
        answer = connection.recv(1000)
    assert not answer.startswith(b"HTTP/1.1 200"), answer
    assert b" 500 " not in answer


def test_an_answer_gives_nothing_away(served: Served) -> None:
    """No version, no traceback, plain text."""
    answer = httpx.post(served.at("/nowhere"), content=b"x")
    assert (answer.status_code, answer.headers["server"]) == (404, "bridge")
    assert answer.headers["content-type"].startswith("text/plain")


def test_a_key_that_hangs_holds_up_nothing_else(tmp_path: Path, events: EventsHost) -> None:
    """While PagerDuty keeps the events of a dozen keys waiting, another key's events are delivered."""
    hanging = [f"h{number:031d}" for number in range(12)]
    keys = "".join(f'h{number} = {{ value = "{key}" }}\n' for number, key in enumerate(hanging))
    routes = "".join(f'[[routing.route]]\nkey = "h{number}"\nrule = "h{number}"\n' for number in range(12))
    more = f'[keys]\n{keys}ops = {{ value = "{KEY}" }}\n[routing]\ndefault = "ops"\n{routes}'
    events.answer = lambda event: None if event["routing_key"] in hanging else 202
    try:
        with serving(write_config(tmp_path, events.url, more)) as running:
            for number in range(12):
                httpx.post(running.url, content=payload("TRIGGER", f"hanging-{number}", ruleName=f"h{number}"))
            events.wait_for(lambda seen: len({event["routing_key"] for event in seen}) == 12)
            for number in range(20):
                httpx.post(running.url, content=payload("TRIGGER", f"free-{number}"))
            events.wait_for(lambda seen: sum("free-" in event["dedup_key"] for event in seen) == 20)
    finally:
        events.answer = lambda event: 202
        events.release.set()


def test_a_reload_changes_routes_and_secrets_without_losing_a_message(tmp_path: Path, events: EventsHost) -> None:
    """While requests pour in, SIGHUP brings a new secret, a new key and a new route; every request is stored."""
    folder = tmp_path
    secret = folder / "hook"
    secret.touch(0o600)
    secret.write_text("first")
    one = '[{ file = "hook" }]'
    document = write_config(folder, events.url, auth="bearer", secrets=one)
    statuses: list[int] = []
    with serving(document) as running:
        stop = threading.Event()

        def pour() -> None:
            with httpx.Client() as client:
                number = 0
                while not stop.is_set():
                    number += 1
                    head = {"Authorization": f"Bearer {'first' if number % 2 else 'second'}"}
                    body = payload("TRIGGER", f"{threading.get_ident()}-{number}", ruleName="poured")
                    statuses.append(client.post(running.url, content=body, headers=head).status_code)

        threads = [threading.Thread(target=pour) for _ in range(3)]
        for thread in threads:
            thread.start()
        until(lambda: 401 in statuses)
        write_config(
            folder,
            events.url,
            f'[keys]\nops = {{ value = "{KEY}" }}\nnew = {{ value = "{THIRD_KEY}" }}\n'
            '[routing]\ndefault = "ops"\nroute = [{ key = "new", rule = "poured" }]\n',
            auth="bearer",
            secrets='[{ file = "hook" }, { value = "second" }]',
        )
        running.process.send_signal(signal.SIGHUP)
        events.wait_for(lambda seen: any(event["routing_key"] == THIRD_KEY for event in seen))
        stop.set()
        for thread in threads:
            thread.join()
        assert set(statuses) == {200, 401}
        stored = statuses.count(200)
        events.wait_for(
            lambda seen: sum(event.get("payload", {}).get("summary") == "poured: shop" for event in seen) == stored
        )
        document.write_text("broken = [")
        running.process.send_signal(signal.SIGHUP)
        head = {"Authorization": "Bearer second"}
        assert httpx.post(running.url, content=payload("TRIGGER", "after"), headers=head).status_code == 200
        assert running.stop() == 0
        assert "not reloaded" in running.log


def test_a_larger_body_limit_holds_after_a_reload(tmp_path: Path, events: EventsHost) -> None:
    """The limit of the server in front follows the configuration, too."""
    document = write_config(tmp_path, events.url, max_body_bytes=1000)
    body = payload("TRIGGER", text="x" * 200_000)
    with serving(document) as running:
        assert httpx.post(running.url, content=body).status_code == 413
        write_config(tmp_path, events.url, max_body_bytes=300_000)
        running.process.send_signal(signal.SIGHUP)
        until(lambda: "was reloaded" in running.log)
        assert httpx.post(running.url, content=body).status_code == 200
        assert running.stop() == 0


def test_sigterm_stores_what_it_acknowledged_and_drains(tmp_path: Path, events: EventsHost) -> None:
    """Stopped under load: exit 0, and every acknowledged notification is stored exactly once."""
    document = write_config(tmp_path, events.url)
    acknowledged: list[str] = []
    with serving(document) as running:

        def pour(name: str) -> None:
            with httpx.Client() as client:
                for number in range(100_000):
                    try:
                        answer = client.post(running.url, content=payload("TRIGGER", f"drain-{name}-{number}"))
                    except httpx.TransportError:
                        return
                    if answer.status_code == 200:
                        acknowledged.append(f"drain-{name}-{number}")

        threads = [threading.Thread(target=pour, args=(name,)) for name in "abc"]
        for thread in threads:
            thread.start()
        until(lambda: len(acknowledged) > 20)
        assert running.stop() == 0
        for thread in threads:
            thread.join()
        assert "Traceback" not in running.log
    with serving(document, log="second") as running:
        wanted = {f"thousandeyes:{name}" for name in acknowledged}
        events.wait_for(lambda seen: wanted <= {event["dedup_key"] for event in seen})


def test_dead_letters_are_handled_while_the_bridge_runs(tmp_path: Path, events: EventsHost) -> None:
    """Commands reach the running bridge over a socket only its owner may open."""
    document = write_config(tmp_path, events.url)
    events.answer = lambda event: 400 if event["dedup_key"].endswith("refused") else 202
    with serving(document) as running:
        control = tmp_path / "bridge.db.control"
        assert control.stat().st_mode & 0o077 == 0
        httpx.post(running.url, content=b"nothing readable")
        httpx.post(running.url, content=payload("TRIGGER", "refused"))
        events.wait_for(lambda seen: any(event["dedup_key"].endswith("refused") for event in seen))
        events.answer = lambda event: 202
        until(lambda: "event is dead" in running.log)
        assert run("dead-letters", "replay", "--config", str(document), "o1").code == 0
        events.wait_for(lambda seen: sum(event["dedup_key"].endswith("refused") for event in seen) == 2)
        assert run("dead-letters", "drop", "--config", str(document), "i1").out == "i1: dropped\n"
        refused = run("dead-letters", "drop", "--config", str(document), "i1")
        assert (refused.code, refused.err) == (1, "bridge: i1: no such dead letter\n")
        assert running.stop() == 0
    assert not control.exists()


def test_lockstep_runs_on_told_time(tmp_path: Path) -> None:
    """A bridge in lockstep stamps and runs with the time it was told."""
    with serving(write_config(tmp_path), "--lockstep") as running:
        assert running.process.stdout is not None
        admin = running.process.stdout.readline().split()[-1]
        assert httpx.post(admin, json={"now": NOW}).json() == {"next_due": None, "done": 0}
        assert httpx.post(running.url, content=payload("TRIGGER")).status_code == 200
        answer = httpx.post(admin, json={"now": NOW}).json()
        assert NOW < answer["next_due"] < NOW + 2_000_000
        assert httpx.post(admin, json={"now": "x"}).status_code == 400


def test_the_serving_process_loads_a_listed_set_of_modules(tmp_path: Path, events: EventsHost) -> None:
    """From start to end, with notifications delivered and figures asked for, nothing else is ever imported."""
    document = write_config(tmp_path, events.url)
    with serving(document, python=("env", "PYTHONPROFILEIMPORTTIME=1")) as running:
        httpx.post(running.url, content=payload("TRIGGER", "imports"))
        httpx.post(running.url, content=payload("CLEAR", "imports"))
        assert httpx.get(running.at("/metrics")).status_code == httpx.get(running.at("/readyz")).status_code == 200
        events.wait_for(lambda seen: [event["dedup_key"] for event in seen].count("thousandeyes:imports") == 2)
        assert running.stop() == 0
        lines = [
            line for line in running.log.splitlines() if line.startswith("import time:") and "imported" not in line
        ]
    loaded = {line.rpartition("|")[2].strip().split(".")[0] for line in lines}
    foreign = {name for name in loaded if name not in sys.stdlib_module_names and not name.startswith("_")}
    assert not foreign & set(FORBIDDEN)
    assert sorted(foreign - set(ALLOWED.split()) - set(OPTIONAL.split())) == []
    assert {"bridge", "flask", "httpx", "waitress", "prometheus_client"} <= foreign


def test_the_figures_of_a_served_bridge_have_their_histograms(served: Served, events: EventsHost) -> None:
    """Accepting, deciding, delivering and asking PagerDuty are timed."""
    httpx.post(served.url, content=payload("TRIGGER", "timed"))
    events.wait_for(lambda seen: any(event["dedup_key"] == "thousandeyes:timed" for event in seen))
    for name in ("accept", "decision", "exchange"):
        assert f"bridge_{name}_seconds_bucket" in httpx.get(served.at("/metrics")).text
    assert json.dumps(KEY) not in httpx.get(served.at("/metrics")).text
    assert talk(served.address, b"GET /healthz HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.0 200")
