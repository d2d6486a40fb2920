"""Bridges on the stage: our own in process, our own in another process, or somebody else's behind a URL.

In process the production :class:`bridge.core.Bridge` runs on a store in memory; a snapshot of that store is a SQLite
savepoint, so it costs the same whatever the store holds. In another process the same code is driven in lockstep over a
loopback socket: ``run {now}`` answers ``{next_due}``, and ``kill`` is a real SIGKILL.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from bridge import app as bridge_app
from bridge.config import Config, parse
from bridge.core import Bridge, Point
from bridge.store import SqliteStore
from simulators.engine import instants
from simulators.engine.errors import EngineError
from simulators.engine.transport import Site
from simulators.engine.world import World

NAME = "bridge"
BRIDGE_HOST = "bridge.example.com"
WEBHOOK_URL = f"https://{BRIDGE_HOST}/thousandeyes"
EVENTS_URL = "https://events.pagerduty.com/v2/enqueue"


class Crashed(BaseException):
    """The bridge died at a named point; a ``BaseException`` so that no handler inside the bridge survives it."""


class BridgeError(EngineError):
    """A bridge in another process could not be started or driven."""


class StageBridge:
    """The production bridge as a participant of a world: same code, same store, in memory."""

    name = NAME

    def __init__(self, world: World, config: Config, store: SqliteStore | None = None) -> None:
        self.world = world
        self.config = config
        self.store = store or _fresh_store()
        self.crashes = 0
        self._crash_at: Point | None = None
        self._down_until: int | None = None
        self._tokens = itertools.count(1)
        self.bridge = self._start()
        gate = bridge_app.DirectGate(_Current(self), lambda: self.world.now)
        world.serve(BRIDGE_HOST, Site(NAME, bridge_app.wsgi(_application(), gate), shared=False))
        world.join(self)

    # -- participant -----------------------------------------------------------------------------------------------

    def next_due(self) -> int | None:
        """Return when the bridge next wants to run; while it is down, when it comes back."""
        if self._down_until is not None and self._down_until > self.world.now:
            return self._down_until
        return self.bridge.next_due()

    def run_due(self, now: int) -> int:
        """Let the bridge do what is due; a planned crash ends in a new bridge on the same store."""
        if self._down_until is not None:
            if now < self._down_until:
                return 0
            self._down_until = None
            self.world.record("bridge.started", NAME)
        with self._surviving():
            return self.bridge.run_due(now)
        return 0

    def export(self) -> Any:
        """Return a token for the present state; the store's half is a savepoint."""
        name = f"stage_{next(self._tokens)}"
        self.store.connection.execute(f"SAVEPOINT {name}")
        return name, self.bridge.export(), self._crash_at, self._down_until

    def load(self, token: Any) -> None:
        """Return to the state the token stands for."""
        name, volatile, self._crash_at, self._down_until = token
        self.store.connection.execute(f"ROLLBACK TO {name}")
        self.bridge = self._start()
        self.bridge.load(volatile)

    def fork(self, world: World) -> StageBridge:
        """Return an independent copy living in ``world``."""
        connection = _memory()
        connection.deserialize(self.store.connection.serialize())
        twin = StageBridge(world, self.config, SqliteStore.from_connection(connection))
        twin.bridge.load(self.bridge.export())
        twin._crash_at, twin._down_until = self._crash_at, self._down_until
        return twin

    # -- what a scenario does to it --------------------------------------------------------------------------------

    def crash(self, at: Point, *, down_for: str | int = 0) -> None:
        """Let the bridge die the next time it reaches ``at``; it is started again after ``down_for``."""
        self._crash_at = at
        self._down_for = instants.duration(down_for)

    def _start(self) -> Bridge:
        return Bridge(self.config, self.store, self.world.client, reached=self._reached)

    def _reached(self, point: Point) -> None:
        if point is self._crash_at:
            self._crash_at = None
            raise Crashed(point)

    @contextmanager
    def _surviving(self) -> Iterator[None]:
        try:
            yield
        except Crashed as crash:
            self.crashes += 1
            self.world.record("bridge.crashed", NAME, point=str(crash))
            self.bridge = self._start()
            self._down_until = self.world.now + self._down_for

    def receive(self, request: Any, now: int) -> Any:
        """Take a request in; while the bridge is down, or when it dies of it, the connection breaks."""
        if self._down_until is not None and now < self._down_until:
            raise httpx.ConnectError("the bridge is down")
        with self._surviving():
            return self.bridge.receive(request, now)
        raise httpx.ReadError("the bridge died while it answered")


class _Current:
    """The bridge of the moment: a crash replaces it, the gate stays."""

    def __init__(self, owner: StageBridge) -> None:
        self._owner = owner

    def receive(self, request: Any, now: int) -> Any:
        return self._owner.receive(request, now)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._owner.bridge, name)
