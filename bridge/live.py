"""The bridge on real time: the only module here that reads the clock, waits and starts threads.

Three parties share one store. Web threads admit notifications and wait; the writer gathers whatever waits into one
transaction, so that one flush to disk serves many senders; the loop lets the bridge decide and deliver whenever it is
due or nudged. ``SIGTERM`` and ``SIGINT`` stop accepting, finish what was accepted and leave the rest for the next
start; ``SIGHUP`` reads the configuration again.

In lockstep the process never reads the clock for a decision: it is told the time through its own listener, and runs
only when told. That is how a rehearsal on virtual time drives a bridge in another process.
"""

from __future__ import annotations

import json
import logging
import queue
import signal
import sqlite3
import ssl
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
from flask import Flask, Response, request
from waitress.server import create_server  # type: ignore[import-untyped]

from bridge import app as web
from bridge import metrics
from bridge.config import SECOND, Config
from bridge.core import ACCEPTED, UNAVAILABLE, Answer, Bridge, Inbound
from bridge.errors import BridgeProblem, ConfigError
from bridge.logs import LineFormatter
from bridge.store import Raw, SqliteStore

log = logging.getLogger("bridge")
GATHER = 256
COMMIT_TIMEOUT = 30.0
LONGEST_WAIT = 60.0
FIXED_WAL = (3, 51, 3)


def now() -> int:
    """Return the wall clock in microseconds UTC."""
    return time.time_ns() // 1000


@dataclass(slots=True)
class _Waiting:
    """A notification on its way to the disk and the sender waiting for it."""

    raw: Raw
    done: threading.Event = field(default_factory=threading.Event)
    answer: Answer = UNAVAILABLE


class LiveGate:
    """Admits in the caller's thread, stores through the writer, nudges the loop."""

    def __init__(self, bridge: Bridge, nudge: threading.Event, clock: Callable[[], int] = now) -> None:
        self.bridge = bridge
        self._clock = clock
        self._nudge = nudge
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write, name="writer", daemon=True)
        self._writer.start()

    def max_body(self) -> int:
        """Return the largest body taken, in bytes."""
        return self.bridge.config.receiver.max_body

    def post(self, request: Inbound) -> Answer:
        """Return 200 once the notification is on disk, 503 when it cannot be put there."""
        admitted = self.bridge.admit(request, self._clock())
        if isinstance(admitted, Answer):
            return admitted
        waiting = _Waiting(admitted)
        self._queue.put(waiting)
        # A sender told 503 after this wait repeats the notification; should the first be stored after all, the second
        # is a duplicate.
        waiting.done.wait(COMMIT_TIMEOUT)
        return waiting.answer

    def health(self) -> Answer:
        """Answer 200: the process serves."""
        return Answer(200, "ok\n")

    def ready(self) -> Answer:
        """Answer 200 while the writer lives and the store answers, 503 otherwise."""
        if not self._writer.is_alive():
            return Answer(503, "the writer has stopped\n")
        try:
            self.bridge.store.has_undecided()
        except (sqlite3.Error, BridgeProblem):
            return Answer(503, "the store does not answer\n")
        return Answer(200, "ready\n")

    def metrics(self) -> bytes:
        """Return the figures in Prometheus' text format."""
        return metrics.render(self.bridge, self._clock())

    def close(self) -> None:
        """Store what is still waiting, then stop the writer."""
        self._queue.put(None)
        self._writer.join(COMMIT_TIMEOUT)

    def _write(self) -> None:
        while (first := self._queue.get()) is not None:
            batch = [first]
            last = False
            while len(batch) < GATHER:
                try:
                    more = self._queue.get_nowait()
                except queue.Empty:
                    break
                if more is None:
                    last = True
                    break
                batch.append(more)
            self._commit(batch)
            if last:
                return

    def _commit(self, batch: list[_Waiting]) -> None:
        answer = ACCEPTED
        try:
            self.bridge.store.append([waiting.raw for waiting in batch])
        except Exception as error:
            # Whatever it was, the senders must hear that nothing was kept, and the writer must live on.
            answer = UNAVAILABLE
            self.bridge.count("refused", "store", len(batch))
            log.error("notifications could not be stored", extra={"reason": str(error)})
        for waiting in batch:
            waiting.answer = answer
            waiting.done.set()
        self._nudge.set()


class Loop:
    """Runs the bridge whenever it is due or nudged, until stopped."""

    def __init__(self, bridge: Bridge, nudge: threading.Event) -> None:
        self.bridge = bridge
        self.nudge = nudge
        self.stopping = False
        self._thread = threading.Thread(target=self._run, name="delivery", daemon=True)

    def start(self) -> None:
        """Start running."""
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """Finish the present run, at most ``timeout`` seconds, and stop."""
        self.stopping = True
        self.nudge.set()
        self._thread.join(timeout)

    def _run(self) -> None:
        while not self.stopping:
            self.nudge.clear()
            wait = LONGEST_WAIT
            try:
                self.bridge.run_due(now(), should_stop=lambda: self.stopping, clock=now)
                due = self.bridge.next_due()
                if due is not None:
                    wait = min(max(due - now(), 0) / SECOND, LONGEST_WAIT)
            except Exception as error:
                # A full disk, say. Everything undone is still in the store; try again a little later.
                log.error(
                    "a run failed, trying again in a second", extra={"reason": f"{type(error).__name__}: {error}"}
                )
                wait = 1.0
            self.nudge.wait(wait)


def client(config: Config) -> httpx.Client:
    """Return the client for PagerDuty: verified TLS, explicit timeouts, no proxies from the environment."""
    verify: ssl.SSLContext = ssl.create_default_context()
    ca_file = config.pagerduty.ca_file
    if ca_file is not None:
        try:
            verify = ssl.create_default_context(cafile=str(ca_file))
        except OSError as error:
            raise ConfigError(f"pagerduty.ca_file: {ca_file} cannot be used ({error.strerror})") from None
    return httpx.Client(
        verify=verify, trust_env=False, follow_redirects=False, timeout=httpx.Timeout(config.pagerduty.timeout)
    )


def log_to_stderr(config: Config) -> None:
    """Send the bridge's log to standard error, one redacted JSON line per event."""
    handler = logging.StreamHandler(sys.stderr)
    secrets = [secret.value for secret in (*config.keys.values(), *config.receiver.secrets)]
    handler.setFormatter(LineFormatter(secrets))
    root = logging.getLogger("bridge")
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    root.propagate = False
    logging.getLogger("waitress").handlers[:] = [handler]


def serve(config: Config, *, reload: Callable[[], Config], lockstep: bool = False) -> None:
    """Serve until told to stop; raise :class:`BridgeProblem` when the bridge cannot be started."""
    log_to_stderr(config)
    for warning in config.warnings:
        log.warning(warning)
    if sqlite3.sqlite_version_info < FIXED_WAL:
        log.info("SQLite before 3.51.3: keep other programs from writing to the store")
    http = client(config)
    store = SqliteStore(config.store.path)
    try:
        bridge = Bridge(config, store, http)
        if lockstep:
            _serve_lockstep(config, bridge)
        else:
            _serve_live(config, bridge, reload)
    finally:
        store.close()
        http.close()


def _serve_live(config: Config, bridge: Bridge, reload: Callable[[], Config]) -> None:
    nudge = threading.Event()
    gate = LiveGate(bridge, nudge)
    loop = Loop(bridge, nudge)
    server = _server(web.wsgi(web.create_app(), gate), config.receiver.host, config.receiver.port, config)

    def reread(signum: int, frame: Any) -> None:
        try:
            fresh = reload()
        except ConfigError as error:
            log.error("the configuration was not reloaded", extra={"reason": str(error)})
            return
        log_to_stderr(fresh)
        bridge.configure(fresh)
        nudge.set()
        log.info("the configuration was reloaded; listener, store and connection settings need a restart")

    _stop_on_signals()
    signal.signal(signal.SIGHUP, reread)
    loop.start()
    _announce("listening", server, config.receiver.host, web.WEBHOOK_PATH)
    try:
        server.run()
    finally:
        server.close()
        gate.close()
        loop.stop(config.pagerduty.timeout * 4)
        log.info("stopped")


class Lockstep:
    """The time as last told; one run at a time."""

    def __init__(self, bridge: Bridge) -> None:
        self.bridge = bridge
        self.now = 0
        self.lock = threading.Lock()

    def application(self) -> Flask:
        """Return the application of the second listener: ``POST /lockstep/run {"now": microseconds}``."""
        app = Flask("bridge.lockstep", static_folder=None)

        @app.post("/lockstep/run")
        def run() -> Response:
            document = request.get_json(force=True, silent=True)
            told = document.get("now") if isinstance(document, dict) else None
            if not isinstance(told, int) or isinstance(told, bool):
                return Response('{"error":"write {\\"now\\": microseconds}"}\n', 400, content_type="application/json")
            with self.lock:
                self.now = told
                done = self.bridge.run_due(told)
                answer = {"next_due": self.bridge.next_due(), "done": done}
            return Response(json.dumps(answer), content_type="application/json")

        return app


def _serve_lockstep(config: Config, bridge: Bridge) -> None:
    lockstep = Lockstep(bridge)
    gate = web.DirectGate(bridge, lambda: lockstep.now)
    server = _server(web.wsgi(web.create_app(), gate), config.receiver.host, config.receiver.port, config)
    admin = _server(lockstep.application(), "127.0.0.1", 0, config)
    threading.Thread(target=admin.run, name="lockstep", daemon=True).start()
    _stop_on_signals()
    _announce("listening", server, config.receiver.host, web.WEBHOOK_PATH)
    _announce("lockstep", admin, "127.0.0.1", "/lockstep/run")
    try:
        server.run()
    finally:
        server.close()


def _server(application: Any, host: str, port: int, config: Config) -> Any:
    try:
        return create_server(
            application,
            map={},
            host=host,
            port=port,
            threads=16,
            ident="bridge",
            max_request_body_size=config.receiver.max_body + 2,
            channel_timeout=60,
            connection_limit=500,
            clear_untrusted_proxy_headers=True,
        )
    except (OSError, ValueError) as error:
        raise ConfigError(f"receiver.listen: {host}:{port} cannot be listened on ({error})") from None


def _announce(what: str, server: Any, host: str, path: str) -> None:
    shown = f"[{host}]" if ":" in host else host
    word = "listening on" if what == "listening" else f"{what} on"
    sys.stdout.write(f"bridge {word} http://{shown}:{server.effective_port}{path}\n")
    sys.stdout.flush()


def _stop_on_signals() -> None:
    def stop(signum: int, frame: Any) -> None:
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
