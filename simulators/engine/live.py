"""The one place of the simulators that reads the clock, takes entropy, sleeps or starts threads.

A live world is driven by a :class:`Runner` in one of three modes: *manual* (time stands until somebody moves it; what
is due now runs at once), *rate* (virtual time runs 1 to 3600 times as fast as the wall clock) and *autojump* (whenever
nothing is under way, time jumps to the next due entry). Requests the simulators make run in a pool of threads, so a
slow receiver holds up nobody else.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from pathlib import Path
from typing import Any

import httpx
import trustme

from simulators.engine.errors import ClockError
from simulators.engine.world import World

FASTEST = 3600
SENDERS = 8
#: Wall seconds between two jumps, so that a page can show what happened.
JUMP_PAUSE = 0.02
IDLE_PAUSE = 0.25


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
    folder.mkdir(parents=True, exist_ok=True)
    authority = trustme.CA(organization_name="pagedrill")
    certificate = authority.issue_cert(*names)
    ca_file, server_file = folder / "ca.pem", folder / "server.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    server_file.touch(mode=0o600)
    certificate.private_key_and_cert_chain_pem.write_to_path(str(server_file))
    return ca_file, server_file


class Runner:
    """Drives a world in wall time; see the module's text. Also its ``controls`` (see :class:`~.world.Controls`)."""

    def __init__(self, world: World, mode: Mode = Mode.RATE, rate: float = 1.0) -> None:
        self.world = world
        self.mode = mode
        self.rate = rate
        self._turn = threading.RLock()
        self._wake = threading.Condition()
        self._in_flight = 0
        self._inline = False
        self._stopping = False
        self._pool = ThreadPoolExecutor(SENDERS, thread_name_prefix="sender")
        self._thread = threading.Thread(target=self._loop, name="world", daemon=True)
        self._virtual_base = world.now
        self._wall_base = time.monotonic()
        world.dispatch = self._dispatch
        world.controls = self

    def start(self) -> None:
        """Begin to drive the world."""
        self._rebase()
        self._thread.start()

    def stop(self) -> None:
        """Stop driving; requests under way are finished first."""
        self._stopping = True
        self.nudge()
        self._thread.join()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def nudge(self) -> None:
        """Make the runner look at the agenda again."""
        with self._wake:
            self._wake.notify_all()

    def catch_up(self) -> None:
        """Bring virtual time up to the wall clock; called before each request is answered.

        Whoever is moving time already may be waiting for this very request, so nobody waits for them here.
        """
        if self.mode is Mode.RATE and self._turn.acquire(blocking=False):
            try:
                self.world.advance_to(max(self._virtual(), self.world.now))
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

        Requests that fall due on the way are made one after the other and awaited, so that they keep their instants.
        """
        with self._turn:
            self._inline = True
            try:
                job()
            finally:
                self._inline = False
        self._settle()
        with self._turn:
            self._rebase()
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

    # -- inside ----------------------------------------------------------------------------------------------------

    def _rebase(self) -> None:
        self._virtual_base = self.world.now
        self._wall_base = time.monotonic()

    def _virtual(self) -> int:
        return self._virtual_base + int((time.monotonic() - self._wall_base) * self.rate * 1e6)

    def _dispatch(self, job: Callable[[], None]) -> None:
        if self._inline:
            job()
            return
        with self._wake:
            self._in_flight += 1
        self._pool.submit(self._send, job)

    def _send(self, job: Callable[[], None]) -> None:
        try:
            job()
        finally:
            with self._wake:
                self._in_flight -= 1
                self._wake.notify_all()

    def _settle(self) -> None:
        """Wait until no request is under way and nothing is due at this very instant."""
        while not self._stopping:
            with self._wake:
                self._wake.wait_for(lambda: self._in_flight == 0 or self._stopping)
            with self._turn:
                due = self.world.next_due()
                if due is None or due > self.world.now:
                    return
                self.world.advance_to(self.world.now)

    def _loop(self) -> None:
        while not self._stopping:
            with self._turn:
                span = self._work()
            with self._wake:
                if not self._stopping:
                    self._wake.wait(span)

    def _work(self) -> float:
        """Run what is due and return for how many wall seconds nothing will be."""
        world = self.world
        if self.mode is Mode.RATE:
            world.advance_to(max(self._virtual(), world.now))
            due = world.next_due()
            return IDLE_PAUSE if due is None else min(max((due - world.now) / 1e6 / self.rate, 0.0005), IDLE_PAUSE)
        due = world.next_due()
        if due is not None and due <= world.now:
            world.advance_to(world.now)
        elif self.mode is Mode.AUTOJUMP and due is not None and self._in_flight == 0:
            world.advance_to(due)
            return JUMP_PAUSE
        return IDLE_PAUSE / 10
