"""The one place of the simulators that reads the clock, takes entropy, sleeps or starts threads.

A live world is driven by a :class:`Runner` in one of three modes: *manual* (time stands until somebody moves it; what
is due now runs at once), *rate* (virtual time runs 1 to 3600 times as fast as the wall clock) and *autojump* (whenever
nothing is under way, time jumps to the next due entry). Requests the simulators make run in threads of their own, so a
slow receiver holds up nobody else.

Two locks keep it honest. Whoever moves time holds the *turn*; whoever counts requests under way holds ``_wake``, always
last and never while waiting for the turn. A request from outside never waits for the turn, since whoever holds it may
be waiting for that very request.
"""

from __future__ import annotations

import queue
import secrets
import threading
import time
import traceback
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Any, Generic, TypeVar

import httpx

from simulators.engine.errors import ClockError
from simulators.engine.world import World

FASTEST = 3600
SENDERS = 8
#: Wall seconds between two jumps, so that a page can show what happened.
JUMP_PAUSE = 0.02
IDLE_PAUSE = 0.25
#: Wall seconds for which moving time waits for requests under way; longer than a receiver may take.
PATIENCE = 30.0
#: Wall seconds that requests under way are given when the runner stops.
GRACE = 2.0


class Mode(StrEnum):
    """How virtual time moves."""

    MANUAL = "manual"
    RATE = "rate"
    AUTOJUMP = "autojump"


def wall() -> int:
    """Return the wall clock in microseconds UTC."""
    return time.time_ns() // 1000


def fresh_seed() -> int:
    """Return a seed from the operating system's entropy."""
    return secrets.randbits(31)


def fresh_token() -> str:
    """Return an unguessable token."""
    return secrets.token_urlsafe(24)


def pause(seconds: float) -> None:
    """Sleep."""
    time.sleep(seconds)


def network(ca_file: Path | None = None) -> httpx.BaseTransport:
    """Return the transport to the real network; ``ca_file`` is trusted in addition to nothing else when given."""
    return httpx.HTTPTransport(verify=_context(ca_file), trust_env=False)


def _context(ca_file: Path | None) -> Any:
    context = httpx.create_ssl_context(trust_env=False)
    if ca_file is not None:
        context.load_verify_locations(cafile=str(ca_file))
    return context


def issue_certificates(folder: Path, names: tuple[str, ...]) -> tuple[Path, Path]:
    """Write a fresh authority (``ca.pem``) and a server certificate for ``names`` (``server.pem``) into ``folder``."""
    import trustme  # with it comes a library for cryptography, which nothing else here needs

    folder.mkdir(parents=True, exist_ok=True)
    authority = trustme.CA(organization_name="pagedrill")
    certificate = authority.issue_cert(*names)
    ca_file, server_file = folder / "ca.pem", folder / "server.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    server_file.touch(mode=0o600)
    certificate.private_key_and_cert_chain_pem.write_to_path(str(server_file))
    return ca_file, server_file


ItemT = TypeVar("ItemT")


class Worker(Generic[ItemT]):
    """Does ``job`` with what is put into ``items``, one after the other, in a thread of its own."""

    def __init__(self, items: queue.Queue[ItemT], job: Callable[[ItemT], None]) -> None:
        self._items = items
        self._job = job
        self._stopping = False
        self._thread = threading.Thread(target=self._work, name="worker", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Stop after what waits is done, or after :data:`GRACE` with the item under way."""
        self._stopping = True
        if self._thread.is_alive():
            self._thread.join(GRACE)
            self._job = _nothing

    def _work(self) -> None:
        while True:
            try:
                item = self._items.get(timeout=IDLE_PAUSE)
            except queue.Empty:
                if self._stopping:
                    return
                continue
            self._job(item)


def _nothing(item: object) -> None:
    """Do nothing."""


class Runner:
    """Drives a world in wall time; see the module's text. Also its ``controls`` (see :class:`~.world.Controls`).

    ``clock`` returns wall seconds that never go back.
    """

    def __init__(
        self, world: World, mode: Mode = Mode.RATE, rate: float = 1.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.world = world
        self.mode = mode
        self.rate = rate
        self._clock = clock
        self._turn = threading.RLock()
        self._wake = threading.Condition()
        self._nudged = False
        self._in_flight = 0
        self._inline = False
        self._stopping = False
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        #: Daemons, because a receiver that never answers must not keep the process alive.
        self._threads = [
            threading.Thread(target=target, name=name, daemon=True)
            for target, name in ((self._loop, "world"), *((self._send, "sender"),) * SENDERS)
        ]
        self._rebase()
        world.dispatch = self._dispatch
        world.controls = self

    def start(self) -> None:
        """Begin to drive the world."""
        self._rebase()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop driving. Requests under way are given :data:`GRACE` to end, those not begun are dropped."""
        self._stopping = True
        self.nudge()
        with self._wake:
            self._wake.wait_for(lambda: self._in_flight == 0 or not self._threads[-1].is_alive(), GRACE)
        if self._threads[0].is_alive():
            self._threads[0].join(GRACE)
        for _ in range(SENDERS):
            self._jobs.put(None)

    def nudge(self) -> None:
        """Make the runner look at the agenda again."""
        with self._wake:
            self._nudged = True
            self._wake.notify_all()

    def catch_up(self) -> None:
        """Bring virtual time up to the wall clock; called before each request is answered.

        Whoever is moving time already may be waiting for this very request, so nobody waits for them here.
        """
        if self.mode is Mode.RATE and not self._stopping and self._turn.acquire(blocking=False):
            try:
                self._follow()
            finally:
                self._turn.release()

    # -- controls --------------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Return mode and rate."""
        return {"mode": self.mode.value, "rate": self.rate}

    def set_mode(self, mode: str, rate: Any = None) -> None:
        """Change how time moves; raises :class:`ClockError` for an unknown mode or a rate outside 1 to 3600."""
        try:
            wanted = Mode(mode)
            speed = self.rate if rate is None else float(rate)
        except (ValueError, TypeError):
            raise ClockError(f"mode is one of {', '.join(Mode)} and rate a number from 1 to {FASTEST}") from None
        if not 1 <= speed <= FASTEST:
            raise ClockError(f"rate is a number from 1 to {FASTEST}")
        with self._turn:
            self.catch_up()
            self.mode, self.rate = wanted, speed
            self._rebase()
        self.nudge()

    def run(self, job: Callable[[], Any]) -> None:
        """Run something that moves time, then go on from there.

        It begins when no request is under way and nothing is overdue, so that no answer arrives in another moment than
        its request was made in. Requests that fall due on the way are made one after the other and awaited, so that
        they keep their instants. A receiver that moves the clock before it answers therefore waits for itself, until
        whoever sent it the request loses patience.
        """
        self._take_turn()
        try:
            self._inline = True
            job()
        finally:
            self._inline = False
            self._rebase()
            self._turn.release()
        self._take_turn()
        self._rebase()
        self._turn.release()
        self.nudge()

    def wait(self, ready: Callable[[], bool], span: int) -> None:
        """Wait in wall time until ``ready()`` or for ``span`` microseconds."""
        deadline = time.monotonic() + span / 1e6
        while not ready() and time.monotonic() < deadline and not self._stopping:
            time.sleep(IDLE_PAUSE / 10)

    def outside(self, instant: int) -> int:
        """Return when ``instant`` will be by the wall clock, as far as time moves by itself (otherwise one to one)."""
        rate = self.rate if self.mode is Mode.RATE else 1.0
        return wall() + int((instant - self.world.now) / rate)

    # -- inside: moving time, always by whoever holds the turn -------------------------------------------------------

    def _rebase(self) -> None:
        self._virtual_base = self.world.now
        self._wall_base = self._clock()

    def _virtual(self) -> int:
        return self._virtual_base + int((self._clock() - self._wall_base) * self.rate * 1e6)

    def _follow(self) -> None:
        """Run everything due up to the instant the wall clock stands for."""
        self._guard(lambda: self.world.advance_to(max(self._virtual(), self.world.now)))

    def _guard(self, job: Callable[[], Any]) -> Any:
        """Do a job in a thread that must live on: what it raises is written to the journal."""
        try:
            return job()
        except Exception as problem:
            trace = "".join(traceback.format_exception(problem))
            self.world.record("error", "runner", error=repr(problem), trace=trace)
            return None

    def _take_turn(self) -> None:
        """Take the turn at a moment when no request is under way and nothing is overdue."""
        deadline = self._clock() + PATIENCE
        while True:
            self._turn.acquire()
            if self._stopping or self._clock() >= deadline:
                return
            if not self._busy():
                if not self._overdue():
                    return
                self._guard(lambda: self.world.advance_to(self.world.now))
            self._turn.release()
            with self._wake:
                self._wake.wait_for(lambda: self._in_flight == 0 or self._stopping, PATIENCE)

    def _busy(self) -> bool:
        with self._wake:
            return self._in_flight > 0

    def _overdue(self) -> bool:
        due = self.world.next_due()
        return due is not None and due <= self.world.now

    def _loop(self) -> None:
        while not self._stopping:
            with self._wake:
                self._nudged = False
            with self._turn:
                span = self._guard(self._work)
            with self._wake:
                self._wake.wait_for(lambda: self._nudged or self._stopping, IDLE_PAUSE if span is None else span)

    def _work(self) -> float:
        """Run what is due and return for how many wall seconds nothing will be."""
        world = self.world
        if self.mode is Mode.RATE:
            self._follow()
            due = world.next_due()
            return IDLE_PAUSE if due is None else min(max((due - world.now) / 1e6 / self.rate, 0.0005), IDLE_PAUSE)
        # Whether something is under way is asked first: what ends in between has had its say about what is due next.
        if self.mode is Mode.AUTOJUMP and not self._busy():
            before = world.now
            if not world.run_next():
                return IDLE_PAUSE
            return JUMP_PAUSE if world.now > before else 0.0
        if self._overdue():
            world.advance_to(world.now)
        return IDLE_PAUSE

    # -- inside: requests the world makes --------------------------------------------------------------------------

    def _dispatch(self, job: Callable[[], None]) -> None:
        if self._inline:
            if not self._stopping:
                job()
            return
        with self._wake:
            self._in_flight += 1
        self._jobs.put(job)

    def _send(self) -> None:
        while (job := self._jobs.get()) is not None:
            if not self._stopping:
                self._guard(job)
            with self._wake:
                self._in_flight -= 1
            self.nudge()
