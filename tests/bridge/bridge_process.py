"""A served bridge as a process, and a PagerDuty behind a real socket."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bridge_rig import KEY

import bridge
from bridge import cli

ROOT = Path(bridge.__file__).parent.parent
PATIENCE = 60.0


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), **more}


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command left behind."""

    code: int
    out: str
    err: str


def run(*arguments: str) -> Ran:
    """Run one command in this process, as the entry point does."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            cli.main(arguments)
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0
    return Ran(code, out.getvalue(), err.getvalue())


class EventsHost:
    """PagerDuty's events host; ``answer`` returns a status, or ``None`` to let the caller wait for :attr:`release`."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.changed = threading.Condition()
        self.release = threading.Event()
        #: Quote the key back, as a careless server might.
        self.echo = False
        self.answer: Callable[[dict[str, Any]], int | None] = lambda event: 202
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with owner.changed:
                    owner.events.append(event)
                    owner.changed.notify_all()
                status = owner.answer(event)
                if status is None:
                    owner.release.wait(PATIENCE)
                    status = 202
                said = json.dumps({"errors": [f"for {event['routing_key']}"]}).encode() if owner.echo else b""
                self.send_response(status)
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def do_GET(self) -> None:
                """Refuse, quoting the credentials back: what is told about that must not show them."""
                said = json.dumps({"error": self.headers.get("Authorization", "")}).encode()
                self.send_response(401)
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, request: Any, client_address: Any) -> None:
                """Say nothing: callers are killed on purpose."""

        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/v2/enqueue"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def wait_for(self, ready: Callable[[list[dict[str, Any]]], bool]) -> None:
        """Wait until what came in satisfies ``ready``."""
        with self.changed:
            assert self.changed.wait_for(lambda: ready(self.events), PATIENCE), f"only {len(self.events)} events came"

    def close(self) -> None:
        self.release.set()
        self.server.shutdown()
        self.server.server_close()


def until(ready: Callable[[], bool]) -> None:
    """Wait until ``ready()`` holds, which another thread or process brings about; asked a hundred times a second."""
    pause = threading.Event()
    for _ in range(int(PATIENCE * 100)):
        if ready():
            return
        pause.wait(0.01)
    raise AssertionError(f"it did not come true within {PATIENCE:.0f} s")


def write_config(
    folder: Path, events_url: str = "http://127.0.0.1:9/v2/enqueue", more: str = "", **receiver: Any
) -> Path:
    """Write a configuration on a free port; ``receiver`` are settings of that section, ``more`` further TOML."""
    path = folder / "bridge.toml"
    path.touch(0o600)
    settings = {"listen": "127.0.0.1:0", **receiver}
    lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items() if not str(value).startswith("[{")]
    lines += [f"{name} = {value}" for name, value in settings.items() if str(value).startswith("[{")]
    keys = "" if "[keys]" in more else f'[keys]\nops = {{ value = "{KEY}" }}\n'
    path.write_text(
        "[receiver]\n" + "\n".join(lines) + f'\n[pagerduty]\nevents_url = "{events_url}"\ntimeout_seconds = 30\n'
        f"events_per_minute = 100000\n{keys}{more}"
    )
    return path


class Served:
    """A served bridge: its process, its webhook address and its log so far."""

    def __init__(self, process: subprocess.Popen[str], url: str, log: Path) -> None:
        self.process = process
        self.url = url
        self._log = log

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.url)
        return parts.hostname or "", parts.port or 0

    @property
    def log(self) -> str:
        return self._log.read_text()

    def at(self, path: str) -> str:
        return self.url.replace("/thousandeyes", path)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(how)
        self.process.communicate(timeout=PATIENCE)
        return self.process.returncode


@contextmanager
def serving(document: Path, *arguments: str, python: Sequence[str] = (), log: str = "log") -> Iterator[Served]:
    """Serve ``document``; whatever is left of the process at the end is killed."""
    path = document.parent / log
    with path.open("w") as stream:
        process = subprocess.Popen(
            [*python, sys.executable, "-m", "bridge", "serve", "--config", str(document), *arguments],
            stdout=subprocess.PIPE,
            stderr=stream,
            text=True,
            env=environment(),
        )
    assert process.stdout is not None
    try:
        words = process.stdout.readline().split()
        assert words, path.read_text()
        yield Served(process, words[-1], path)
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def talk(address: tuple[str, int], content: bytes, *, wait: bool = True) -> bytes:
    """Send bytes as they are and return what comes back until the connection ends."""
    with socket.create_connection(address, timeout=PATIENCE) as connection:
        connection.sendall(content)
        received = b""
        while wait and (part := connection.recv(65536)):
            received += part
        return received
