"""The bridge on real time: the only module here that reads the clock, waits and starts the threads that run it.

Several parties share one store. Web threads and a writer take notifications in (:mod:`bridge.gate`); one worker
decides; lanes deliver, one for each integration key (where there are very many, some share one), so that a key that
hangs holds up nothing else; one worker does the chores. ``SIGTERM`` and ``SIGINT`` stop accepting, finish what was
accepted and what is being sent, and leave the rest for the next start; ``SIGHUP`` reads the configuration again.

In lockstep the process never reads the clock for a decision: it is told the time through its own listener, and runs
only when told. That is how a rehearsal on virtual time drives a bridge in another process.
"""

from __future__ import annotations

import json
import logging
import signal
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import httpx
from flask import Flask, Response, request

from bridge import app as web
from bridge import carrier as outward
from bridge.carrier import Carrier
from bridge.chores import CHORES, STANDING
from bridge.config import SECOND, Config, Receiver
from bridge.control import Control
from bridge.core import Bridge
from bridge.errors import ConfigError
from bridge.gate import GatheringGate
from bridge.listening import framed, listen, server_on
from bridge.logs import LineFormatter
from bridge.store import FIXED_WAL, open_store

log = logging.getLogger("bridge")
LONGEST_WAIT = 60 * SECOND
#: Threads that deliver: one for each integration key as the bridge starts, within these bounds.
LANES_LEAST, LANES_MOST = 8, 64
STANDBY = SECOND
SWITCH = 0.001
AGAIN_FIRST, AGAIN_MOST = SECOND // 20, SECOND


def now() -> int:
    """Return the wall clock in microseconds UTC."""
    return time.time_ns() // 1000


class Worker:
    """A thread that does ``job`` whenever it is due or nudged; the job returns when it wants to run again, if ever."""

    def __init__(self, name: str, job: Callable[[], int | None]) -> None:
        self._job = job
        self._nudged = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start running."""
        self._thread.start()

    def nudge(self) -> None:
        """Run now, or once more when running."""
        self._nudged.set()

    def stop(self) -> None:
        """Stop after the present run; :meth:`join` waits for that."""
        self._stopping = True
        self._nudged.set()

    def join(self, timeout: float) -> None:
        """Wait until stopped, at most ``timeout`` seconds."""
        self._thread.join(timeout)

    def _run(self) -> None:
        failures = 0
        while not self._stopping:
            self._nudged.clear()
            try:
                due = self._job()
                failures = 0
                wait = LONGEST_WAIT if due is None else min(max(due - now(), 0), LONGEST_WAIT)
            except Exception as error:
                # A full disk, say. Everything undone is still in the store; try again a little later.
                wait = min(AGAIN_FIRST << min(failures, 10), AGAIN_MOST)
                failures += 1
                reason = f"{type(error).__name__}: {error}"
                log.error("a run failed, trying again", extra={"reason": reason})
            self._nudged.wait(wait / SECOND)


class Engine:
    """Everything that runs a bridge: the worker that decides, the lanes, the chores."""

    def __init__(self, bridge: Bridge) -> None:
        self.bridge = bridge
        self._leading = False
        self._stopping = False
        self._decider = Worker("decide", self._decide)
        lanes = range(min(max(LANES_LEAST, len(bridge.config.keys)), LANES_MOST))
        self._lanes = [Worker(f"lane-{lane}", lambda lane=lane: self._deliver(lane)) for lane in lanes]  # type: ignore[misc]
        self._chores = Worker("chores", self._do_chores)
        self._workers = [self._decider, *self._lanes, self._chores]

    def start(self) -> None:
        """Start all workers."""
        for worker in self._workers:
            worker.start()

    def nudge(self) -> None:
        """Tell the one who decides that there is something new; a bridge that does not lead looks once a second."""
        if self._leading:
            self._decider.nudge()

    def nudge_all(self) -> None:
        """Tell everybody that anything may have changed."""
        for worker in self._workers:
            worker.nudge()

    def stop(self, timeout: float) -> None:
        """Finish what is being sent, at most ``timeout`` seconds, and stop."""
        self._stopping = True
        for worker in self._workers:
            worker.stop()
        until = time.monotonic() + timeout
        for worker in self._workers:
            worker.join(max(0.0, until - time.monotonic()))

    def _decide(self) -> int | None:
        leading = self.bridge.store.lead()
        if leading is not self._leading:
            self._leading = leading
            log.info("this bridge decides and delivers now" if leading else "another bridge decides and delivers")
            self.nudge_all()
        if not leading:
            return now() + STANDBY
        while not self._stopping and self.bridge.decide(now(), batches=1):
            # Waking a thread costs as much as a decision, so those that have nothing to do sleep on.
            for lane, worker in enumerate(self._lanes):
                if self._names(lane):
                    worker.nudge()
            if self.bridge.config.incidents.api_token is not None:
                self._chores.nudge()
        polling = self.bridge.store.polling
        return None if polling is None else now() + polling

    def _names(self, lane: int) -> list[str]:
        return list(self.bridge.config.keys)[lane :: len(self._lanes)]

    def _deliver(self, lane: int) -> int | None:
        names = self._names(lane)
        # One event per key and turn, so that a failing key costs its neighbours one try, not its whole queue.
        while names and self._leading and not self._stopping:
            names = [name for name in names if self.bridge.deliver(name, now())]
        if not self._leading:
            return None
        dues = [self.bridge.next_send(name) for name in self._names(lane)]
        if self.bridge.store.polling is not None:
            dues.append(now() + 5 * SECOND)
        return min((due for due in dues if due is not None), default=None)

    def _do_chores(self) -> int | None:
        done = self.bridge.run_chores(now()) if self._leading else self.bridge.stand(now())
        if done:
            self.nudge_all()
        dues = [chore.next_due(self.bridge) for chore in (*STANDING, *(CHORES if self._leading else ()))]
        return min((due for due in dues if due is not None), default=None)


def carrier(config: Config) -> Carrier:
    """Return the transport, on this machine's clock."""
    return outward.carrier(config, time.monotonic)


def client(config: Config, pinned: Carrier) -> httpx.Client:
    """Return the client: explicit timeouts, no redirects."""
    return httpx.Client(transport=pinned, trust_env=False, follow_redirects=False, timeout=config.pagerduty.timeout)


def log_to_stderr(config: Config) -> None:
    """Send the bridge's log to standard error, one redacted JSON line per event."""
    # A line that cannot be written (the disk is full) is lost without another word; the words would not be redacted.
    logging.raiseExceptions = False
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter(config.secrets()))
    for name in ("bridge", "waitress"):
        logger = logging.getLogger(name)
        logger.handlers[:] = [handler]
        logger.propagate = False
    logging.getLogger("bridge").setLevel(logging.INFO)
    logging.getLogger("waitress").setLevel(logging.WARNING)
    # A queue of requests is what a storm looks like; it is in the figures, not in the log once for each.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)


def serve(config: Config, *, reload: Callable[[], Config], lockstep: bool = False) -> None:
    """Serve until told to stop; raise :class:`BridgeProblem` when the bridge cannot be started."""
    log_to_stderr(config)
    # Deciding must not keep a sender waiting for its answer.
    sys.setswitchinterval(SWITCH)
    for warning in config.warnings:
        log.warning(warning)
    if config.store.postgresql is None and sqlite3.sqlite_version_info < FIXED_WAL:
        log.warning(
            "SQLite %s can damage a store that two programs write: let nothing but the bridge open it for writing",
            sqlite3.sqlite_version,
        )
    pinned = carrier(config)
    http = client(config, pinned)
    store = open_store(config.store)
    try:
        if lockstep:
            _serve_lockstep(config, Bridge(config, store, http))
        else:
            bridge = Bridge(config, store, http)
            pinned.hosts = lambda: bridge.config.hosts()
            pinned.timeout = lambda: bridge.config.pagerduty.timeout
            pinned.observe = lambda host, seconds: bridge.tally.observe("exchange", seconds, host)
            _serve_live(config, bridge, reload)
    finally:
        store.close()
        http.close()


def _serve_live(config: Config, bridge: Bridge, reload: Callable[[], Config]) -> None:
    engine = Engine(bridge)
    gate = GatheringGate(bridge, engine.nudge, now)
    server = server_on(listen(config.receiver), web.wsgi(web.create_app(), gate), config.receiver)
    control = Control(bridge, engine.nudge_all, now)
    control_socket = control.listen(config.store)

    def reread(signum: int, frame: Any) -> None:
        try:
            fresh = reload()
        except ConfigError as error:
            log.error("the configuration was not reloaded", extra={"reason": str(error)})
            return
        log_to_stderr(fresh)
        for warning in fresh.warnings:
            log.warning(warning)
        bridge.configure(replace(fresh, store=replace(fresh.store, path=config.store.path)))
        server.adj.max_request_body_size = framed(fresh.receiver.max_body)
        engine.nudge_all()
        log.info("the configuration was reloaded; listener, store and connection settings need a restart")

    _stop_on_signals()
    signal.signal(signal.SIGHUP, reread)
    engine.start()
    if control_socket is not None:
        admin = server_on(control_socket, control.application(), config.receiver)
        threading.Thread(target=admin.run, name="control", daemon=True).start()
    _announce("listening", server, config.receiver.host, web.WEBHOOK_PATH)
    try:
        server.run()
    finally:
        server.close()
        gate.close()
        engine.stop(config.pagerduty.timeout * 4)
        control.close()
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
    server = server_on(listen(config.receiver), web.wsgi(web.create_app(), gate), config.receiver)
    admin = server_on(listen(Receiver(port=0)), lockstep.application(), config.receiver)
    threading.Thread(target=admin.run, name="lockstep", daemon=True).start()
    _stop_on_signals()
    _announce("listening", server, config.receiver.host, web.WEBHOOK_PATH)
    _announce("lockstep", admin, "127.0.0.1", "/lockstep/run")
    try:
        server.run()
    finally:
        server.close()


def _announce(what: str, server: Any, host: str, path: str) -> None:
    shown = f"[{host}]" if ":" in host else host
    word = "listening on" if what == "listening" else f"{what} on"
    sys.stdout.write(f"bridge {word} http://{shown}:{server.socket.getsockname()[1]}{path}\n")
    sys.stdout.flush()


def _stop_on_signals() -> None:
    stopping: Sequence[signal.Signals] = (signal.SIGTERM, signal.SIGINT)

    def stop(signum: int, frame: Any) -> None:
        for which in stopping:
            signal.signal(which, signal.SIG_IGN)
        raise SystemExit(0)

    for which in stopping:
        signal.signal(which, stop)
