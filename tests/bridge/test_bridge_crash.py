"""Real deaths and real disks: kill -9 under load, a disk that is full, a disk that fails.

``PAGEDRILL_KILLS`` says how often the process is killed; by hand it may be a thousand times.
"""

import os
import resource
import shutil
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from bridge_process import EventsHost, Served, run, serving, until, write_config
from bridge_rig import payload

pytestmark = pytest.mark.sockets
KILLS = int(os.environ.get("PAGEDRILL_KILLS", "2"))


@pytest.fixture
def events() -> Iterator[EventsHost]:
    host = EventsHost()
    yield host
    host.close()


class Load:
    """Senders that post the trigger, then the clear of one alert after the other, and repeat what was refused."""

    def __init__(self, senders: int = 4) -> None:
        self.acknowledged: list[str] = []
        self.refused = 0
        self.url = ""
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._send, args=(number,)) for number in range(senders)]

    def start(self, url: str) -> None:
        self.url = url
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def until(self, number: int) -> None:
        """Wait for so many more acknowledged notifications."""
        wanted = len(self.acknowledged) + number
        until(lambda: len(self.acknowledged) >= wanted)

    def _send(self, sender: int) -> None:
        with httpx.Client(timeout=40) as client:
            number = 0
            while not self._stop.is_set():
                number += 1
                for kind in ("TRIGGER", "CLEAR"):
                    while not self._post(client, kind, f"{sender}-{number}"):
                        if self._stop.is_set():
                            return
                        self._stop.wait(0.01)

    def _post(self, client: httpx.Client, kind: str, name: str) -> bool:
        try:
            status = client.post(self.url, content=payload(kind, name)).status_code
        except httpx.TransportError:
            return False
        if status == 200:
            self.acknowledged.append(f"{kind} {name}")
        else:
            self.refused += 1
        return status == 200


def arrived(events: EventsHost, load: Load) -> None:
    """Wait until everything acknowledged has arrived, and hold that no trigger followed its resolve."""
    verbs = {"TRIGGER": "trigger", "CLEAR": "resolve"}
    wanted = {(verbs[one.split()[0]], f"thousandeyes:{one.split()[1]}") for one in load.acknowledged}
    until(lambda: wanted <= {(event["event_action"], event["dedup_key"]) for event in list(events.events)})
    resolved = set()
    for event in events.events:
        if event["event_action"] == "resolve":
            resolved.add(event["dedup_key"])
        else:
            assert event["dedup_key"] not in resolved


def test_killed_under_load_it_loses_nothing(tmp_path: Path, events: EventsHost) -> None:
    """However often kill -9 hits while requests pour in: all that was acknowledged arrives, in order per alert."""
    document = write_config(tmp_path, events.url)
    load = Load()
    for number in range(KILLS):
        with serving(document) as running:
            if number == 0:
                load.start(running.url)
            load.url = running.url
            load.until(20 + number % 17)
            running.process.kill()
    with serving(document) as running:
        load.url = running.url
        load.until(20)
        load.stop()
        arrived(events, load)
        assert running.stop() == 0
    connection = sqlite3.connect(tmp_path / "bridge.db")
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


def limited(running: Served, size: int) -> None:
    """Let no file of the process grow beyond ``size`` bytes."""
    resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def test_a_full_disk_refuses_and_recovers(tmp_path: Path, events: EventsHost) -> None:
    """While nothing more can be written senders hear 503 and the bridge is not ready; then it goes on as before."""
    document = write_config(tmp_path, events.url)
    load = Load()
    with serving(document) as running:
        load.start(running.url)
        load.until(40)
        limited(running, 4096)
        refused = load.refused
        until(lambda: load.refused >= refused + 5)
        assert httpx.get(running.at("/readyz")).status_code == 503
        assert httpx.get(running.at("/healthz")).status_code == 200
        assert "bridge_works 0.0" in httpx.get(running.at("/metrics")).text
        said = run("status", "--config", str(document))
        assert (said.code, "[storage]" in said.out) == (1, True)
        limited(running, resource.RLIM_INFINITY)
        load.until(40)
        load.stop()
        arrived(events, load)
        assert httpx.get(running.at("/readyz")).status_code == 200
        assert run("status", "--config", str(document)).code == 0
        assert running.stop() == 0
        assert "Traceback" not in running.log


@pytest.mark.parametrize("how", ["deleted", "replaced"])
def test_nothing_is_acknowledged_into_a_file_without_a_name(tmp_path: Path, events: EventsHost, how: str) -> None:
    """Nobody would find a notification again in a store that was deleted or replaced: refused until the restart."""
    document, store = write_config(tmp_path, events.url), tmp_path / "bridge.db"
    with serving(document) as running:
        if how == "replaced":
            shutil.copy(store, tmp_path / "backup.db")
            (tmp_path / "backup.db").replace(store)
        else:
            store.unlink()
        assert httpx.post(running.url, content=payload("TRIGGER")).status_code == 503
        assert httpx.get(running.at("/readyz")).status_code == 503
        assert "was moved, deleted or replaced" in running.log
        assert run("status", "--config", str(document)).code == 1
        assert running.stop() == 0
    with serving(document) as running:
        assert httpx.post(running.url, content=payload("TRIGGER")).status_code == 200
        until(lambda: len(events.events) == 1)


def can_trace() -> bool:
    """Say whether strace is there and may trace."""
    strace = shutil.which("strace")
    return (
        strace is not None and subprocess.run([strace, "-qq", "-o", "/dev/null", "true"], check=False).returncode == 0
    )


@pytest.mark.skipif(not can_trace(), reason="strace is not installed, or may not trace here")
def test_a_disk_that_fails_refuses_and_loses_nothing(tmp_path: Path, events: EventsHost) -> None:
    """Every seventeenth flush to disk fails: those senders hear 503, and what was acknowledged arrives all the same."""
    document = write_config(tmp_path, events.url)
    load = Load()
    fault = "inject=fdatasync:error=EIO:when=30+17"
    strace = ("strace", "-D", "-f", "--seccomp-bpf", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync", "-e", fault)
    with serving(document, python=strace) as running:
        load.start(running.url)
        while load.refused < 2:
            load.until(1)
        load.stop()
        arrived(events, load)
        running.process.kill()
        assert "disk I/O error" in running.log
    connection = sqlite3.connect(tmp_path / "bridge.db")
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
