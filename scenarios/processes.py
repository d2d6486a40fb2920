"""The bridge as a process of its own, and simulators behind real sockets: the same scenario, nothing short-circuited.

The process is started with ``--lockstep``: it is told the time by one remote call, does what is due and says when it
next wants to run, so virtual time stays exact. A crash is a real ``kill -9``; the process is started again on the same
store. Such a bridge cannot be taken back to an earlier moment or copied, and says so.

In a live world several threads carry notifications to the process and tell it the time. One tells at a time; whoever
finds another at it goes on without waiting, since the process may be waiting for that very thread's answer.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Any, NoReturn

import httpx

from simulators.engine import instants, live
from simulators.engine.errors import StaleSnapshot
from simulators.engine.fence import is_loopback
from simulators.engine.transport import Site, StartResponse
from simulators.engine.world import Participant, World

NAME = "bridge"
PATIENCE = 20.0
#: Wall seconds the process is given to stop.
GRACE = 5.0


class Moment(StrEnum):
    """When the process is killed."""

    RECEIVED = "received"
    """It has answered a notification and sent nothing yet."""
    SENDING = "sending"
    """PagerDuty has taken its event, and the answer is on its way."""


class BridgeFailed(RuntimeError):
    """The process did not start; the message is its own last word."""


class BridgeProcess:
    """A ``bridge serve --lockstep`` as a participant of a world; its files live in ``folder``.

    It listens on ``port`` (0 = any), sends events to ``events_url``, whose certificate ``ca_file`` vouches for, and
    whatever else leaves the world goes over ``network``. With ``revive`` a process that died by itself is started again
    at once, as a supervisor would; otherwise that is an error. Raises :class:`BridgeFailed` when it does not start.
    """

    name = NAME

    def __init__(
        self,
        world: World,
        folder: Path,
        *,
        key: str,
        events_url: str,
        port: int = 0,
        ca_file: Path | None = None,
        network: httpx.BaseTransport | None = None,
        revive: bool = False,
    ) -> None:
        self.world = world
        self.folder = folder
        self.crashes = 0
        settings = {"events_url": events_url} | ({} if ca_file is None else {"ca_file": str(ca_file.resolve())})
        self._settings = "".join(
            ["[pagerduty]\n", *(f"{name} = {json.dumps(value)}\n" for name, value in settings.items())]
        )
        self._settings += f"[keys]\noperations = {{ value = {json.dumps(key)} }}\n"
        self._http = httpx.Client(trust_env=False, timeout=PATIENCE)
        self._network = live.network() if network is None else network
        self._revive = revive
        self._kill_at: Moment | None = None
        self._down_for = 0
        self._down_until: int | None = None
        self._due: int | None = None
        #: Held while the process is being killed, so that whoever loses its answer learns why first.
        self._killing = threading.Lock()
        #: Held while the process is told the time.
        self._telling = threading.Lock()
        #: Guards ``_down_until``, ``_due`` and ``_arrivals``, the number of notifications carried to the process.
        self._noting = threading.Lock()
        self._arrivals = 0
        self._told = 0
        self.port = port
        self._start()
        world.network = _Wire(self)
        world.join(self)

    @property
    def webhook_url(self) -> str:
        """Where ThousandEyes sends its notifications."""
        return f"http://127.0.0.1:{self.port}/thousandeyes"

    # -- participant -----------------------------------------------------------------------------------------------

    def next_due(self) -> int | None:
        """Return when the process next wants to run; while it is dead, when it is started again.

        While it is being told the time there is nothing to be said; whoever tells it will look again.
        """
        if self._revive and self._down_until is None and self._process.poll() is not None:
            self._died("by itself")
        if self._down_until is not None:
            return self._down_until
        return None if self._telling.locked() else self._due

    def run_due(self, now: int) -> int:
        """Tell the process the time and let it do what is due."""
        if self._down_until is not None:
            if now < self._down_until:
                return 0
            self._start()
            self._down_until = None
            self.world.record("bridge.started", NAME)
        return self._tell(now)

    def export(self) -> NoReturn:
        """Refuse: a process cannot be taken back."""
        raise StaleSnapshot("the bridge is another process here, so there are no snapshots; use an in-process stage")

    def load(self, token: Any) -> NoReturn:
        """Refuse: a process cannot be taken back."""
        self.export()

    def fork(self, world: World) -> Participant:
        """Refuse: a process cannot be copied."""
        self.export()

    # -- what a scenario does to it --------------------------------------------------------------------------------

    def kill(self, at: Moment, *, down_for: str | int = 0) -> None:
        """Let ``kill -9`` hit the process at the next such moment; it is started again after ``down_for``."""
        self._kill_at = at
        self._down_for = instants.duration(down_for)

    def close(self) -> None:
        """Stop the process: politely, then by force."""
        self._process.terminate()
        try:
            self._process.communicate(timeout=GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
        self._http.close()
        self._network.close()

    def watched(self, site: Site) -> Site:
        """Return ``site`` such that a planned kill can hit while it answers the bridge."""

        def application(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
            content = site.application(environ, start_response)
            if environ.get("REQUEST_METHOD") == "POST":
                self._reached(Moment.SENDING)
            return content

        return Site(site.name, application)

    # -- inside ----------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        document = self.folder / "bridge.toml"
        store = self.folder / "bridge.db"
        document.touch(mode=0o600)
        document.write_text(
            f'[receiver]\nlisten = "127.0.0.1:{self.port}"\n[store]\npath = {json.dumps(str(store))}\n{self._settings}',
            encoding="utf-8",
        )
        home = str(Path(__file__).resolve().parent.parent)
        with (self.folder / "bridge.log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                [sys.executable, "-m", "bridge", "serve", "--config", str(document), "--lockstep"],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**os.environ, "PYTHONPATH": home},
                process_group=0,  # an interrupt from the keyboard is for us; we then stop the process in our own time
            )
        assert self._process.stdout is not None
        told = [self._process.stdout.readline().split() for _ in ("listening", "lockstep")]
        if not all(told):
            self._process.wait()
            words = (self.folder / "bridge.log").read_text(encoding="utf-8").strip().rpartition("\n")[2]
            raise BridgeFailed(words or "the bridge did not start")
        self.port = httpx.URL(told[0][-1]).port or 0
        self._lockstep = told[1][-1]
        self._tell(self.world.now)

    def _tell(self, now: int) -> int:
        if not self._telling.acquire(blocking=False):
            return 0
        try:
            # Threads may come in another order than they read the clock in.
            self._told = max(self._told, now)
            arrivals = self._arrivals
            answer = self._http.post(self._lockstep, json={"now": self._told}).raise_for_status().json()
            with self._noting:
                # A notification that arrived meanwhile may have come too late for this run.
                self._due = answer["next_due"] if arrivals == self._arrivals else self._told
            return int(answer["done"])
        except httpx.TransportError:
            with self._killing:
                if self._down_until is None and not self._revive:
                    raise
            return 1
        finally:
            self._telling.release()

    def _died(self, moment: str) -> None:
        with self._noting:
            if self._down_until is not None:
                return
            self._down_until = self.world.now + self._down_for
            self.crashes += 1
        self.world.record("bridge.crashed", NAME, point=moment)

    def _reached(self, moment: Moment) -> None:
        if moment is not self._kill_at:
            return
        with self._killing:
            self._kill_at = None
            self._process.kill()
            self._process.communicate()
            self._died(moment.value)

    def _carry(self, request: httpx.Request) -> httpx.Response:
        """Carry a request to the network; the process is told the time before it takes one."""
        if request.url.port != self.port or not is_loopback(request.url.host):
            return self._network.handle_request(request)
        if self._down_until is None:
            self._tell(self.world.now)
        answer = self._network.handle_request(request)
        answer.read()
        with self._noting:
            self._arrivals += 1
            self._due = self.world.now
        self._reached(Moment.RECEIVED)
        return answer


class _Wire(httpx.BaseTransport):
    """The network as the world sees it."""

    def __init__(self, bridge: BridgeProcess) -> None:
        self._bridge = bridge

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._bridge._carry(request)
