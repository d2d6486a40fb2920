"""Our bridge on the stage: the production code on a store in memory, driven by virtual time.

A snapshot of the store is a SQLite savepoint, so it costs the same whatever the store holds. A crash is an exception at
a named point; after it a new bridge carries on with the same store. A store that fails makes the bridge try again a
second later, as it does on real time. Its clock may be wrong, and it may fall behind with its work.
"""

from __future__ import annotations

import functools
import itertools
import sqlite3
import threading
from collections.abc import Callable
from typing import Any, TypeVar, cast

import httpx
from flask import Flask

from bridge import app as bridge_app
from bridge.config import Config
from bridge.core import Answer, Bridge, Inbound, Point
from bridge.errors import StoreError
from bridge.store import SqliteStore
from simulators.engine import instants
from simulators.engine.transport import Application, Site
from simulators.engine.world import World

ResultT = TypeVar("ResultT")
#: How long the bridge waits when its store has failed.
AGAIN = instants.SECOND
NAME = "bridge"
HOST = "bridge.example.com"
WEBHOOK_URL = f"https://{HOST}/thousandeyes"


class Crashed(BaseException):
    """The bridge died at a named point; a ``BaseException`` so that no handler inside the bridge survives it."""


class StageBridge:
    """The production bridge as a participant of a world."""

    name = NAME

    def __init__(self, world: World, config: Config, store: SqliteStore | None = None) -> None:
        self.world = world
        self.config = config
        self.store = store or SqliteStore.from_connection(_memory(_template()))
        self.crashes = 0
        #: A live world takes requests in several threads; the bridge on the stage does one thing at a time.
        self._one_at_a_time = threading.RLock()
        self._crash_at: Point | None = None
        self._down_for = 0
        self._down_until: int | None = None
        self._idle_until = 0
        self._skew = 0
        self._tokens = itertools.count(1)
        self.bridge = self._start()
        gate = bridge_app.DirectGate(_Current(self), lambda: self.world.now + self._skew)
        world.serve(HOST, Site(NAME, cast(Application, bridge_app.wsgi(_application(), gate)), shared=False))
        world.join(self)

    # -- participant -----------------------------------------------------------------------------------------------

    def next_due(self) -> int | None:
        """Return when the bridge next wants to run; while it is down, when it comes back."""
        if self._down_until is not None:
            return self._down_until
        try:
            due = self.bridge.next_due()
        except StoreError:
            due = 0
        return None if due is None else max(due - self._skew, self._idle_until)

    def run_due(self, now: int) -> int:
        """Let the bridge do what is due; a planned crash ends in a new bridge on the same store."""
        if self._down_until is not None:
            if now < self._down_until:
                return 0
            self._down_until = None
            self.world.record("bridge.started", NAME)
            return 1
        if now < self._idle_until:
            return 0
        try:
            done = self._survive(lambda: self.bridge.run_due(now + self._skew))
        except StoreError as error:
            self._idle_until = now + AGAIN
            self.world.record("bridge.failed", NAME, why=str(error), until=self._idle_until)
            return 1
        return 1 if done is None else done

    def export(self) -> Any:
        """Return a token for the present state; the store's half is a savepoint."""
        name = f"stage_{next(self._tokens)}"
        with self._one_at_a_time:
            self.store.connection.execute(f"SAVEPOINT {name}")
            return name, self.bridge.export(), self.config, self._trouble()

    def load(self, token: Any) -> None:
        """Return to the state the token stands for."""
        name, volatile, self.config, trouble = token
        self.store.connection.execute(f"ROLLBACK TO {name}")
        self.bridge = self._start()
        self.bridge.load(volatile)
        self._take_trouble(trouble)

    def fork(self, world: World) -> StageBridge:
        """Return an independent copy living in ``world``."""
        twin = StageBridge(world, self.config, SqliteStore.from_connection(_memory(self.store.connection.serialize())))
        twin.bridge.load(self.bridge.export())
        twin._take_trouble(self._trouble())
        return twin

    # -- what a scenario does to it --------------------------------------------------------------------------------

    def crash(self, at: Point, *, down_for: str | int = 0) -> None:
        """Let the bridge die the next time it reaches ``at``; it is started again after ``down_for``."""
        self._crash_at = at
        self._down_for = instants.duration(down_for)

    def configure(self, config: Config) -> None:
        """Let the bridge read another configuration, as on SIGHUP."""
        self.config = config
        self.bridge.configure(config)

    def fall_behind(self, span: str | int) -> None:
        """Let the bridge take notifications in, and do nothing else, for a while."""
        self._idle_until = self.world.now + instants.duration(span)
        self.world.record("bridge.busy", NAME, until=self._idle_until)

    def set_clock(self, skew: int) -> None:
        """Let the bridge's clock be so many microseconds ahead of the world's."""
        self._skew = skew
        self.world.record("bridge.clock", NAME, skew=skew)

    def receive(self, request: Inbound, now: int) -> Answer:
        """Take a request in; while the bridge is down, or when it dies of it, the connection breaks."""
        if self._down_until is not None and self.world.now < self._down_until:
            raise httpx.ConnectError("the bridge is down")
        answer = self._survive(lambda: self.bridge.receive(request, now))
        if answer is None:
            raise httpx.ReadError("the bridge died before it answered")
        return answer

    def _trouble(self) -> tuple[Any, ...]:
        return self._crash_at, self._down_for, self._down_until, self._idle_until, self._skew

    def _take_trouble(self, trouble: tuple[Any, ...]) -> None:
        self._crash_at, self._down_for, self._down_until, self._idle_until, self._skew = trouble

    def _start(self) -> Bridge:
        return Bridge(self.config, self.store, self.world.client, reached=self._reached)

    def _reached(self, point: Point) -> None:
        if point is self._crash_at:
            self._crash_at = None
            raise Crashed(point.value)

    def _survive(self, job: Callable[[], ResultT]) -> ResultT | None:
        """Do something with the bridge; ``None`` when it died of it."""
        try:
            with self._one_at_a_time:
                return job()
        except Crashed as crash:
            self.crashes += 1
            self.world.record("bridge.crashed", NAME, point=str(crash))
            self.bridge = self._start()
            self._down_until = self.world.now + self._down_for
            return None


class _Current:
    """The bridge of the moment: a crash replaces it, the gate stays."""

    def __init__(self, owner: StageBridge) -> None:
        self._owner = owner

    def receive(self, request: Inbound, now: int) -> Answer:
        return self._owner.receive(request, now)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._owner.bridge, name)


@functools.cache
def _application() -> Flask:
    return bridge_app.create_app()


@functools.cache
def _template() -> bytes:
    """Return an initialised, empty store, made once per process."""
    store = SqliteStore(":memory:")
    image = store.connection.serialize()
    store.close()
    return image


def _memory(image: bytes) -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    connection.deserialize(image)
    return connection
