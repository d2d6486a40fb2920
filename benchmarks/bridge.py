"""The bridge as it runs: what it accepts, how fast it tells, what a storm does to it, and what a kill leaves.

Run ``python -m benchmarks.bridge``; it needs Linux and takes about two minutes. But for the storm and the memory, which
have no use for it, the bridge is a process of its own behind a real socket with its store on this disk, and the senders
are in this process. ``--memory N`` sends N messages through a bridge and watches its memory (``TMPDIR=/dev/shm`` spares
the disk); ``--kills N`` kills it N times under load and looks for what it had acknowledged. Where there is a
``prometheus-alertmanager`` the same alerts go to both, each delivering to a PagerDuty simulator of its own.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

from benchmarks.callers import Answers, drive, post
from benchmarks.measuring import Figure, percentile, report, resident
from bridge.config import Config, parse
from bridge.core import Bridge, Inbound
from bridge.store import SqliteStore
from scenarios import accounts
from simulators.pagerduty.api import API_HOST, EVENTS_HOST

SECOND = 1_000_000
MINUTE = 60 * SECOND
START = 1_772_445_600 * SECOND
KEY = accounts.ROUTING_KEY
DOOR = "/thousandeyes"
STORM, CRITICAL_IN = 10_000, 20
UNPACED = 100_000


def webhook(name: str, *, severity: str = "Major", clear: bool = False) -> bytes:
    """Return a webhook about the alert ``name``, as ThousandEyes posts it: a little under a kilobyte."""
    event = "ALERT_NOTIFICATION_CLEAR" if clear else "ALERT_NOTIFICATION_TRIGGER"
    agents = [
        {"agentId": number, "agentName": city, "metricsAtStart": "Response Code: 503", "active": 0 if clear else 1}
        for number, city in ((3, "Singapore"), (11, "London"), (20, "Oslo"), (31, "Tokyo"))
    ]
    alert = {
        "alertId": name,
        "severity": severity,
        "active": 0 if clear else 1,
        "ruleName": "Shop front is down",
        "ruleExpression": "((responseCode >= 500))",
        "testName": "shop front",
        "testTargetsDescription": ["https://shop-front.example.com"],
        "dateStartZoned": "2026-03-02 10:04:00 UTC",
        "agents": agents,
        "permalink": "https://app.thousandeyes.com/alerts/list/?__a=1001&alertId=1",
    }
    return json.dumps({"eventId": f"{name}-{event}", "eventType": event, "alert": alert}).encode()


def sending(lot: str) -> Callable[[int], bytes]:
    """Return the requests of a lot of alerts by number; no two lots have an alert in common."""
    return lambda number: post(DOOR, webhook(f"{lot}-{number}"))


# -- processes ---------------------------------------------------------------------------------------------------------


class Sink:
    """Takes every event and remembers when it came, by dedup key."""

    def __init__(self) -> None:
        self.came: dict[str, float] = {}
        self.changed = threading.Condition()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with owner.changed:
                    owner.came.setdefault(body["dedup_key"], time.perf_counter())
                    owner.changed.notify_all()
                self.wfile.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")

            def log_message(self, format: str, *args: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, request: Any, client_address: Any) -> None:
                """Say nothing: callers are killed on purpose."""

        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/v2/enqueue"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def wait_for(self, name: str) -> float:
        """Wait for the event about an alert and return when it came."""
        key = f"thousandeyes:{name}"
        with self.changed:
            assert self.changed.wait_for(lambda: key in self.came, 30), f"no event about {name}"
            return self.came[key]


@contextmanager
def process(*command: str, folder: Path, log: str) -> Iterator[subprocess.Popen[str]]:
    """Run a program until the end of the block; what it says goes to a file, its first words can be read."""
    with (folder / log).open("a") as said:
        running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, text=True)
    try:
        yield running
    finally:
        running.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            running.communicate(timeout=20)
        running.kill()
        running.communicate()


@contextmanager
def served(folder: Path, events_url: str, *, per_minute: int = 120) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Serve a bridge whose store lies in ``folder``; yield its process and port."""
    document = folder / "bridge.toml"
    document.touch(0o600)
    document.write_text(
        f'[receiver]\nlisten = "127.0.0.1:0"\n[store]\npath = "bridge.db"\n[pagerduty]\nevents_url = "{events_url}"\n'
        f'events_per_minute = {per_minute}\n[keys]\noperations = {{ value = "{KEY}" }}\n'
    )
    command = (sys.executable, "-m", "bridge", "serve", "--config", str(document))
    with process(*command, folder=folder, log="bridge.log") as running:
        assert running.stdout is not None
        words = running.stdout.readline().split()
        assert words, (folder / "bridge.log").read_text()
        yield running, int(words[-1].rsplit(":", 1)[1].partition("/")[0])


@contextmanager
def pagerduty(folder: Path) -> Iterator[tuple[str, str]]:
    """Serve the simulators; yield the base URLs of PagerDuty's events host and REST host."""
    command = (sys.executable, "-m", "scenarios", "serve", "--port", "0", "--json", "--no-sample")
    with process(*command, folder=folder, log="serve.log") as running:
        assert running.stdout is not None
        told = json.loads(running.stdout.readline())
        assert told["keys"]["routing_key"] == KEY
        yield told["urls"][EVENTS_HOST], told["urls"][API_HOST]


# -- accepting ---------------------------------------------------------------------------------------------------------


def synced_appends(folder: Path, seconds: float) -> float:
    """Return how often a second a kilobyte can be appended to a file of this disk and flushed."""
    with (folder / "appended").open("wb", buffering=0) as file:
        begun, count = time.perf_counter(), 0
        while time.perf_counter() - begun < seconds:
            file.write(b"x" * 1024)
            os.fsync(file.fileno())
            count += 1
        return count / (time.perf_counter() - begun)


def accepting(seconds: float) -> Iterator[Figure]:
    """Durable accepts: as fast as so many senders can, and at a steady rate that waits for nobody."""
    with tempfile.TemporaryDirectory() as name:
        folder, sink = Path(name), Sink()
        limits = [synced_appends(folder, seconds / 5)]
        with served(folder, sink.url) as (_, port):
            drive(port, sending("warm"), connections=8, seconds=1)
            for connections in (1, 8, 32):
                found = drive(port, sending(f"c{connections}"), connections=connections, seconds=seconds)
                limits.append(synced_appends(folder, seconds / 5))
                limit = sum(limits[-2:]) / 2  # others may use the disk, too: just before and just after
                shown = f"{found.rate / limit:.2f} of the disk; p99 {percentile(found.spans, 0.99) * 1000:.1f} ms"
                goal = 1_000 if connections == 32 else None
                assert not found.refused, "a notification was refused"
                yield Figure(f"durable accepts, {connections} connections", found.rate, "/s", goal, "more", shown)
            shown = f"1 KB and fsync in turn; {min(limits):,.0f} to {max(limits):,.0f} in the course of this"
            yield Figure("appends flushed to this disk", sum(limits) / len(limits), "/s", note=shown)
            steady = drive(port, sending("open"), connections=64, seconds=2 * seconds, rate=500)
            spans = [span * 1000 for span in steady.spans]
            shown = f"p50 {percentile(spans, 0.5):.1f} ms, most {max(spans):.0f} ms, {steady.rate:.0f}/s accepted"
            yield Figure("accepting 500/s, open loop, p99", percentile(spans, 0.99), "ms", 50, "less", shown)


def at_rest(count: int) -> Iterator[Figure]:
    """From posting a webhook to the event's arrival, one at a time with nothing else going on."""
    with tempfile.TemporaryDirectory() as name:
        sink = Sink()
        with served(Path(name), sink.url, per_minute=UNPACED) as (_, port):
            spans = []
            for number in range(count + 10):
                begun = time.perf_counter()
                request = sending("rest")(number)
                drive(port, lambda _, request=request: request, connections=1, count=1)  # type: ignore[misc]
                spans.append((sink.wait_for(f"rest-{number}") - begun) * 1000)
        spans = spans[10:]
        shown = f"p99 {percentile(spans, 0.99):.1f} ms; connect, store, decide, send"
        yield Figure("webhook to event at rest, median", percentile(spans, 0.5), "ms", note=shown)


# -- a storm on virtual time -------------------------------------------------------------------------------------------


def _config(per_minute: int, **more: Any) -> Config:
    settings = {"events_url": "https://events.example.com/v2/enqueue", "events_per_minute": per_minute}
    return parse({"keys": {"operations": {"value": KEY}}, "pagerduty": settings, **more}, environ={})


def _storm(count: int, severity: Callable[[int], str]) -> dict[str, int]:
    """Let ``count`` alerts come in at one instant; return when each was delivered, in microseconds after it."""
    delivered: dict[str, int] = {}
    clock = [START]

    def answer(request: httpx.Request) -> httpx.Response:
        delivered.setdefault(json.loads(request.content)["dedup_key"], clock[0] - START)
        return httpx.Response(202)

    bridge = Bridge(_config(120), SqliteStore(":memory:"), httpx.Client(transport=httpx.MockTransport(answer)))
    for first in range(0, count, 100):
        bodies = [webhook(f"storm-{number}", severity=severity(number)) for number in range(first, first + 100)]
        batch = [bridge.admit(Inbound(body, {}), START) for body in bodies]
        bridge.store.append(batch)  # type: ignore[arg-type]
    while len(delivered) < count:
        due = bridge.next_due()
        assert due is not None
        clock[0] = max(clock[0], due)
        bridge.run_due(clock[0])
    bridge.store.close()
    return delivered


def storm(count: int) -> Iterator[Figure]:
    """One alert in twenty is critical: when is the last of those delivered, by urgency and in order of arrival?"""
    critical = [f"thousandeyes:storm-{number}" for number in range(7, count, CRITICAL_IN)]
    urgent = _storm(count, lambda number: "Critical" if number % CRITICAL_IN == 7 else "Major")
    # When all are alike only their age decides: that is first in, first out, by the same bridge at the same pace.
    alike = _storm(count, lambda number: "Major")
    last, behind = (max(times[key] for key in critical) / MINUTE for times in (urgent, alike))
    shown = f"of {count:,} alerts at 120/min; the last of all after {max(urgent.values()) / MINUTE:.0f} min"
    yield Figure("storm: last critical delivered", last, "min of virtual time", note=shown)
    yield Figure("storm: sooner than in order of arrival", behind / last, "times", 10, "more", f"{behind:.1f} min then")


# -- memory ------------------------------------------------------------------------------------------------------------


def memory(messages: int) -> Iterator[Figure]:
    """Send triggers and their clears through a bridge on a disk, a virtual second for a hundred; watch its memory."""
    config = _config(UNPACED, store={"retention_days": 1})
    client = httpx.Client(transport=httpx.MockTransport(lambda request: httpx.Response(202)))
    marks: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        bridge, now, begun = Bridge(config, SqliteStore(Path(name) / "bridge.db"), client), START, time.perf_counter()
        for lot in range(messages // 100):
            bodies = (webhook(f"m-{lot}-{n // 2}", clear=n % 2 == 1) for n in range(100))
            bridge.store.append([bridge.admit(Inbound(body, {}), now) for body in bodies])  # type: ignore[misc]
            bridge.run_due(now)
            now += 10 * SECOND  # 100,000 messages are almost three hours, a million are more than a day
            bridge.run_due(now)
            if (lot + 1) % max(1, messages // 1_000) == 0:
                gc.collect()
                marks.append(resident())
        rate = messages / (time.perf_counter() - begun)
        size = (Path(name) / "bridge.db").stat().st_size / 2**20
        bridge.store.close()
    half = marks[len(marks) // 2 :]
    shown = f"{half[0]:.1f} MB half-way, {half[-1]:.1f} at the end; store {size:.0f} MB; {rate:,.0f} messages/s"
    yield Figure(f"memory gained in the second half of {messages:,}", half[-1] - half[0], "MB", 5, "less", shown)


# -- kills -------------------------------------------------------------------------------------------------------------


def _known(folder: Path) -> set[str]:
    """Return the alerts a killed bridge left in its store."""
    store = sqlite3.connect(folder / "bridge.db")
    try:
        return {json.loads(row[0])["alert"]["alertId"] for row in store.execute("SELECT raw FROM inbox")}
    finally:
        store.close()


def kills(count: int) -> Iterator[Figure]:
    """Kill a bridge under load, again and again on the same store; everything it had acknowledged must be there."""
    acknowledged: set[str] = set()
    with tempfile.TemporaryDirectory() as name:
        folder, sink = Path(name), Sink()
        for turn in range(count):
            with served(folder, sink.url) as (running, port):
                # The instant differs from kill to kill, between a first request under way and hundreds stored.
                threading.Timer(0.05 + 0.037 * (turn % 17), running.send_signal, [signal.SIGKILL]).start()
                found = drive(port, sending(f"k{turn}"), connections=8, seconds=30)
            assert found.broken, "it was not killed"
            acknowledged |= {f"k{turn}-{number}" for number in found.accepted}
        lost = acknowledged - _known(folder)
    shown = f"{len(acknowledged):,} acknowledged by 8 senders"
    yield Figure(f"lost after {count} x kill -9 under load", len(lost), "notifications", 0, "less", shown)


# -- beside Alertmanager -----------------------------------------------------------------------------------------------

_ALERTMANAGER = """
route:
  receiver: pagerduty
  group_by: ['...']
  group_wait: 0s
  group_interval: 1s
receivers:
- name: pagerduty
  pagerduty_configs:
  - routing_key: {key}
    url: {url}/v2/enqueue
"""


def _labels(lot: str, number: int) -> bytes:
    labels = {
        "alertname": "Shop front is down",
        "alert_id": f"{lot}-{number}",
        "severity": "error",
        "test": "shop front",
    }
    notes = json.loads(webhook(f"{lot}-{number}"))["alert"]
    told = {name: json.dumps(value) for name, value in notes.items()}
    return post("/api/v2/alerts", json.dumps([{"labels": labels, "annotations": told}]).encode())


def _free_port() -> int:
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        return int(chosen.getsockname()[1])


@contextmanager
def alertmanager(program: str, folder: Path, events: str, port: int) -> Iterator[subprocess.Popen[str]]:
    """Run Alertmanager with one route to PagerDuty, every alert a group of its own."""
    (folder / "am.yml").write_text(_ALERTMANAGER.format(key=KEY, url=events))
    where = (f"--config.file={folder}/am.yml", f"--storage.path={folder}/am", f"--web.listen-address=127.0.0.1:{port}")
    command = (program, *where, "--cluster.listen-address=", "--log.level=error")
    with process(*command, folder=folder, log="am.log") as running:
        for _ in range(200):
            with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready") as answer:
                if answer.status == 200:
                    break
            assert running.poll() is None, (folder / "am.log").read_text()
            time.sleep(0.05)
        yield running


def _incidents(api: str) -> int:
    asked = urllib.request.Request(f"{api}/incidents?date_range=all&limit=1&total=true")
    asked.add_header("Authorization", f"Token token={accounts.API_KEY}")
    with urllib.request.urlopen(asked) as answer:
        return int(json.load(answer)["total"])


def _delivered(api: str, count: int, since: float) -> float:
    """Wait until there are ``count`` incidents and return how many a second came since ``since``."""
    for _ in range(600):
        if _incidents(api) >= count:
            break
        time.sleep(0.1)
    return _incidents(api) / (time.perf_counter() - since)


def _ours(folder: Path, count: int) -> tuple[Answers, float, int]:
    with pagerduty(folder) as (events, api), served(folder, f"{events}/v2/enqueue", per_minute=UNPACED) as (_, port):
        begun = time.perf_counter()
        found = drive(port, sending("one"), connections=8, count=count)
        delivered = _delivered(api, count, begun)
    (folder / "kill").mkdir()
    with served(folder / "kill", "http://127.0.0.1:9/v2/enqueue") as (running, port):
        drive(port, sending("two"), connections=8, count=count)
        running.kill()
        running.wait()
    return found, delivered, len(_known(folder / "kill"))


def _theirs(program: str, folder: Path, count: int) -> tuple[Answers, float, int]:
    port = _free_port()
    with pagerduty(folder) as (events, api), alertmanager(program, folder, events, port):
        begun = time.perf_counter()
        found = drive(port, partial(_labels, "one"), connections=8, count=count)
        delivered = _delivered(api, count, begun)
    shutil.rmtree(folder / "am")
    nowhere = "http://127.0.0.1:9"
    with alertmanager(program, folder, nowhere, port) as running:
        drive(port, partial(_labels, "two"), connections=8, count=count)
        running.kill()
        running.wait()
    with alertmanager(program, folder, nowhere, port):
        url = f"http://127.0.0.1:{port}/api/v2/alerts"
        with urllib.request.urlopen(url) as answer:
            return found, delivered, len(json.load(answer))


def beside_alertmanager(program: str | None, count: int) -> Iterator[Figure]:
    """Give the same alerts to both, eight senders each; then kill both as soon as the last one is acknowledged."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "ours").mkdir()
        (folder / "theirs").mkdir()
        found, delivered, known = _ours(folder / "ours", count)
        yield Figure(
            "bridge: accepted", found.rate, "/s", note=f"{count:,} alerts, 8 senders, on disk before the answer"
        )
        yield Figure("bridge: delivered", delivered, "/s", note="until the simulator has every incident")
        yield Figure("bridge: known after kill -9", known, "alerts", count, "more", f"of {count:,} acknowledged")
        if program is None:
            print("| beside Alertmanager | not measured | | there is no prometheus-alertmanager |")
            return
        theirs, told, left = _theirs(program, folder / "theirs", count)
        yield Figure("Alertmanager: accepted", theirs.rate, "/s", note="in memory")
        yield Figure("Alertmanager: delivered", told, "/s", note="every alert a group of its own, group_wait 0s")
        yield Figure("Alertmanager: known after kill -9", left, "alerts", note=f"of {count:,}; its sender repeats them")
        ratio = found.rate / theirs.rate
        yield Figure("accepted, bridge to Alertmanager", ratio, "times", 1, "more", "durable against in memory")


def main() -> None:
    """Measure what was asked for and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="less of everything, for a look")
    parser.add_argument(
        "--memory", type=int, metavar="N", help="only this: memory over N messages (1000000 takes long)"
    )
    parser.add_argument("--kills", type=int, metavar="N", help="only this: N kills under load")
    parser.add_argument("--alertmanager", default=shutil.which("prometheus-alertmanager"), help="where it is")
    options = parser.parse_args()
    less = 10 if options.quick else 1

    def figures() -> Iterator[Figure]:
        if options.memory or options.kills:
            yield from memory(options.memory) if options.memory else ()
            yield from kills(options.kills) if options.kills else ()
            return
        yield from accepting(1.0 if options.quick else 5.0)
        yield from at_rest(200 // less)
        yield from storm(STORM)
        yield from memory(10_000 // less)
        yield from kills(10 // less)
        yield from beside_alertmanager(options.alertmanager, 2_000 // less)

    report(figures())


if __name__ == "__main__":
    main()
