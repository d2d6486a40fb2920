"""A thousand deaths: the bridge is killed with SIGKILL under load, again and again, and then asked for everything.

Run ``python -m benchmarks.bridge_kills [N]``; it needs Linux. Unlike the kills in :mod:`benchmarks.bridge`, which look
into the store, this follows every notification that was ever acknowledged to PagerDuty's door: each must arrive there,
no trigger may follow its alert's resolve, and the store must be whole. Senders post the trigger and then the clear of
one alert after the other and repeat what was not answered 200, as ThousandEyes does.

A bridge is a process of its own each time, forked from one that has loaded the program but has started nothing, so that
most of the time goes into dying and not into importing.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import sqlite3
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from benchmarks.measuring import Figure, report
from bridge import live
from bridge.config import load

KEY = "0123456789abcdef0123456789abcdef"
SENDERS = 4
PATIENCE = 120.0


class Nursery:
    """A process without threads that forks a serving bridge whenever it is asked to."""

    def __init__(self, document: Path) -> None:
        asked, self._ask = os.pipe()
        self._told, tell = os.pipe()
        if os.fork():
            os.close(asked)
            os.close(tell)
            return
        os.close(self._ask)
        while os.read(asked, 1):
            child = os.fork()
            if child == 0:
                self._serve(document)
            os.write(tell, child.to_bytes(8, "big"))
            os.waitpid(child, 0)
            os.write(tell, b".")
        os._exit(0)

    def start(self) -> int:
        """Return the process id of a new bridge."""
        os.write(self._ask, b"+")
        return int.from_bytes(os.read(self._told, 8), "big")

    def end(self, bridge: int, how: signal.Signals) -> None:
        """Send the bridge a signal and wait until it is gone."""
        os.kill(bridge, how)
        os.read(self._told, 1)

    def close(self) -> None:
        """Let the nursery end."""
        os.close(self._ask)

    def _serve(self, document: Path) -> None:
        try:
            for number, name in ((1, os.devnull), (2, str(document.with_suffix(".log")))):
                os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), number)
            live.serve(load(document), reload=lambda: load(document))
        finally:
            os._exit(0)


class Door:
    """PagerDuty's door: takes every event and remembers the order."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []
        came = self.events

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                came.append((event["event_action"], event["dedup_key"]))
                self.wfile.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")

            def log_message(self, format: str, *args: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                """Say nothing: callers are killed on purpose."""

        server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{server.server_address[1]}/v2/enqueue"
        threading.Thread(target=server.serve_forever, daemon=True).start()


class Senders:
    """Post trigger and clear of one alert after the other, and repeat what was not answered 200."""

    def __init__(self, port: int) -> None:
        self.acknowledged: list[tuple[str, str]] = []
        self.over = threading.Event()
        self._port = port
        self._threads = [threading.Thread(target=self._send, args=(number,)) for number in range(SENDERS)]
        for thread in self._threads:
            thread.start()

    def wait_for(self, number: int) -> None:
        """Wait until so many more notifications were acknowledged."""
        wanted, end = len(self.acknowledged) + number, time.perf_counter() + PATIENCE
        while len(self.acknowledged) < wanted:
            assert time.perf_counter() < end, "nothing is acknowledged any more"
            time.sleep(0.001)

    def stop(self) -> None:
        """Finish."""
        self.over.set()
        for thread in self._threads:
            thread.join()

    def _send(self, sender: int) -> None:
        number, connection = 0, None
        while not self.over.is_set():
            number += 1
            for kind, action in (("TRIGGER", "trigger"), ("CLEAR", "resolve")):
                alert = {"alertId": f"{sender}-{number}", "ruleName": "shop is down", "severity": "Major"}
                event = {"eventType": f"ALERT_NOTIFICATION_{kind}", "eventId": f"{sender}-{number}-{kind}"}
                body = json.dumps({**event, "alert": alert})
                while not self.over.is_set():
                    connection = connection or http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
                    try:
                        connection.request("POST", "/thousandeyes", body)
                        answer = connection.getresponse()
                        answer.read()
                    except (OSError, http.client.HTTPException):
                        connection.close()
                        connection = None
                        time.sleep(0.01)
                        continue
                    if answer.status == 200:
                        self.acknowledged.append((action, f"thousandeyes:{sender}-{number}"))
                        break


def kills(count: int) -> Iterator[Figure]:
    """Kill a bridge ``count`` times on one store, let the last one finish, and count what is missing or wrong."""
    with tempfile.TemporaryDirectory() as name, socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        taken.close()
        document = Path(name) / "bridge.toml"
        nursery = Nursery(document)
        door = Door()
        document.touch(0o600)
        document.write_text(
            f'[receiver]\nlisten = "127.0.0.1:{port}"\n[pagerduty]\nevents_url = "{door.url}"\n'
            f'events_per_minute = 100000\n[keys]\noperations = {{ value = "{KEY}" }}\n'
        )
        senders = Senders(port)
        begun = time.perf_counter()
        for turn in range(count):
            bridge = nursery.start()
            senders.wait_for(1 + turn % 17)
            # At another instant each time: within an append, a decision, a try, or between two.
            time.sleep(0.0007 * (turn % 23))
            nursery.end(bridge, signal.SIGKILL)
        elapsed = time.perf_counter() - begun
        bridge = nursery.start()
        senders.wait_for(20)
        senders.stop()
        told = set(senders.acknowledged)
        # What so many short lives left undone takes its time; it is lost when nothing comes any more.
        came, last = 0, time.perf_counter()
        while not told <= set(door.events) and time.perf_counter() < last + PATIENCE:
            if len(door.events) > came:
                came, last = len(door.events), time.perf_counter()
            time.sleep(0.5)
        nursery.end(bridge, signal.SIGTERM)
        nursery.close()
        events = list(door.events)
        store = sqlite3.connect(Path(name) / "bridge.db")
        whole = store.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        store.close()
    again = sum(number - 1 for number in Counter(events).values())
    resolved: set[str] = set()
    late = 0
    for action, key in events:
        late += action == "trigger" and key in resolved
        resolved |= {key} if action == "resolve" else set()
    shown = f"of {len(told):,} acknowledged to {SENDERS} senders; {elapsed / count * 1000:.0f} ms from start to death"
    yield Figure(f"never delivered after {count:,} x kill -9", len(told - set(events)), "events", 0, "less", shown)
    yield Figure("triggers after their resolve", late, "events", 0, "less", f"of {len(events):,} that came")
    yield Figure("sent again because the bridge died before its note", again, "events", note="the dedup key joins them")
    yield Figure("damaged stores", int(not whole), "stores", 0, "less", "PRAGMA integrity_check at the end")


if __name__ == "__main__":
    sys.exit(1 if report(kills(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000)) else 0)
