"""A world: one clock, one agenda, one set of tables, one journal, and whoever lives in it.

Vendors are *components*: their state is rows in the world's tables and their verbs are functions of a draft.
*Participants* keep their own state and are driven beside the agenda; the bridge is one. ``advance`` runs each due entry
in order and never jumps over one. Requests a component wants made are agenda entries too: they run after the current
entry, outside the lock, and what comes of them returns as an event, so a receiver may call back before it answers.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, Protocol, TypeVar

import httpx

from simulators.engine import faults, instants, limits
from simulators.engine.agenda import Agenda, Timer
from simulators.engine.draft import (
    KNOBS,
    SEND,
    Cancel,
    Committed,
    Decision,
    Draft,
    KnobsRow,
    Outcome,
    Outgoing,
    Record,
)
from simulators.engine.errors import ClockError, EngineError, NotReached, StaleSnapshot
from simulators.engine.journal import Journal
from simulators.engine.tables import Counters, Table, TableKey, UndoLog
from simulators.engine.transport import AGENDA, Site, WorldClient

ResultT = TypeVar("ResultT")

#: More steps than this at one instant mean that something answers itself for ever.
STEPS_PER_INSTANT = 200_000
ENGINE = "engine"
#: Owns requests that arrive when their caller no longer waits for them.
NETWORK = "network"
ENGINE_TABLES: tuple[TableKey[Any], ...] = (KNOBS, faults.FAULTS, limits.WINDOWS)


class Passage(StrEnum):
    """How a request that is due stands with the faults that hold requests up."""

    NEW = "new"  # one may yet hold it up
    LATE = "late"  # one has, and it arrives now
    MISSED = "missed"  # one has for longer than its sender waits, who learns now that nobody answered


_cause: ContextVar[int] = ContextVar("cause", default=0)


class Component(Protocol):
    """A vendor that lives in a world: named tables, knobs, and two ways of being called back."""

    @property
    def name(self) -> str:
        """The owner of its timers and sends."""

    @property
    def tables(self) -> Sequence[TableKey[Any]]:
        """The tables it needs."""

    def on_timer(self, draft: Draft, timer: Timer) -> None:
        """Handle a due agenda entry of its own."""

    def on_outcome(self, draft: Draft, tag: Any, outcome: Outcome) -> None:
        """Handle what came of a request it had made."""


class Participant(Protocol):
    """Something with state of its own that is driven by the world, such as the bridge."""

    @property
    def name(self) -> str:
        """Shown in the journal."""

    def next_due(self) -> int | None:
        """Return when it next wants to run, or ``None``."""

    def run_due(self, now: int) -> int:
        """Do everything due at ``now``; return how many things were done."""

    def export(self) -> Any:
        """Return a token for the present state, cheaply."""

    def load(self, token: Any) -> None:
        """Return to the state the token stands for."""

    def fork(self, world: World) -> Participant:
        """Return an independent copy living in ``world``."""


class Controls(Protocol):
    """Who moves time in this world: the caller itself, or a live runner."""

    def state(self) -> dict[str, Any]:
        """Return mode and rate."""

    def set_mode(self, mode: str, rate: Any = None) -> None:
        """Change how time moves."""

    def run(self, job: Callable[[], Any]) -> None:
        """Run something that moves time."""

    def wait(self, ready: Callable[[], bool], span: int) -> None:
        """Wait until ``ready()`` for at most ``span`` microseconds of wall time."""

    def outside(self, instant: int) -> int:
        """Return when a caller outside, by its own clock, will see ``instant`` (for headers that say when to retry)."""


class ManualControls:
    """Time moves only when somebody says so; nobody waits."""

    def state(self) -> dict[str, Any]:
        """Return mode and rate."""
        return {"mode": "manual", "rate": 1.0}

    def set_mode(self, mode: str, rate: Any = None) -> None:
        """Refuse any mode but manual."""
        if mode != "manual":
            raise ClockError("this world has no wall clock; its only mode is manual")

    def run(self, job: Callable[[], Any]) -> None:
        """Run something that moves time."""
        job()

    def wait(self, ready: Callable[[], bool], span: int) -> None:
        """Return at once."""

    def outside(self, instant: int) -> int:
        """Return ``instant``: there is no other clock."""
        return instant


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A point to return to; valid until a restore to an earlier one."""

    serial: int
    position: int
    journal: int
    now: int
    participants: tuple[Any, ...]


class World:
    """See the module's text; ``start`` is in microseconds UTC, ``knobs`` are the vendors' frozen values."""

    def __init__(
        self,
        *,
        seed: int,
        start: int,
        components: Sequence[Component],
        knobs: Sequence[Any] = (),
        network: httpx.BaseTransport | None = None,
        journal_bound: int | None = None,
    ) -> None:
        self.seed = seed
        self.lock = threading.RLock()
        self.journal = Journal(journal_bound)
        self.components: dict[str, Component] = {component.name: component for component in components}
        self.participants: list[Participant] = []
        self.sites: dict[str, Site] = {}
        #: Base URLs by host name, where a browser outside finds a host that is served through a socket.
        self.addresses: dict[str, str] = {}
        self.network = network
        self.client = WorldClient(self)
        #: Runs a request that is due; the live runner replaces it by a thread pool.
        self.dispatch: Callable[[Callable[[], None]], None] = lambda job: job()
        self._now = start
        self._log = UndoLog()
        self.agenda = Agenda(self._log)
        self.counters = Counters(self._log)
        keys = [*ENGINE_TABLES, *(key for component in components for key in component.tables)]
        self._tables: dict[TableKey[Any], Table[Any]] = {key: Table(key, self._log) for key in keys}
        self.controls: Controls = ManualControls()
        #: Snapshots kept by number for the control plane, and the one a reset returns to.
        self.kept: dict[str, Snapshot] = {}
        self.baseline: Snapshot | None = None
        self._snapshots: list[int] = []
        self._serial = 0
        self._last_request: dict[str, int] = {}
        self._undo_kept: int | None = None if journal_bound is None else 16 * journal_bound
        for value in knobs:
            self._tables[KNOBS].put(KnobsRow.of(value))

    # -- reading ---------------------------------------------------------------------------------------------------

    @property
    def now(self) -> int:
        """Virtual time in microseconds UTC."""
        return self._now

    @property
    def view(self) -> Committed:
        """The committed state."""
        return Committed(self._tables, self.agenda, self.seed, self._now)

    @property
    def cause(self) -> int:
        """The journal number under which things happen at this moment in this thread (0 = none)."""
        return _cause.get()

    def next_due(self) -> int | None:
        """Return when something will next happen by itself, or ``None``."""
        with self.lock:  # looking tidies the agenda up, and others write to it
            due = self.agenda.next_due()
            for participant in self.participants:
                wanted = participant.next_due()
                if wanted is not None and (due is None or wanted < due):
                    due = wanted
            return None if due is None else max(due, self._now)

    def has_faults(self) -> bool:
        """Whether any fault is in force."""
        return len(self._tables[faults.FAULTS]) > 0

    # -- deciding --------------------------------------------------------------------------------------------------

    def transact(self, verb: Callable[[Draft], ResultT]) -> ResultT:
        """Run a verb on a draft and apply what it came to at once; an exception applies nothing."""
        with self.lock:
            draft = Draft(self._tables, self.agenda, self.counters, self.seed, self._now)
            result = verb(draft)
            self.apply(draft.decision())
            return result

    def apply(self, decision: Decision) -> None:
        """Write a decision's rows and carry out its effects, in order."""
        cause = _cause.get()
        for key, rows in decision.puts.items():
            table = self._tables[key]
            for row_id, row in rows.items():
                if row is None:
                    table.delete(row_id)
                else:
                    table.put(row)
        for purpose, count in decision.drawn.items():
            self.counters.set(purpose, count)
        now, agenda, journal = self._now, self.agenda, self.journal
        for effect in decision.effects:
            if isinstance(effect, Record):
                journal.append(now, effect.kind, effect.subject, effect.data, cause)
            elif isinstance(effect, Timer):
                agenda.add(effect.due, effect.owner, effect.kind, effect.key, effect.data, cause)
            elif isinstance(effect, Cancel):
                agenda.cancel(effect.owner, effect.kind, effect.key)
            else:
                self._queue(now, effect.owner, effect.tag, effect.request, cause)
        if self._undo_kept is not None and len(self._log.entries) > 2 * self._undo_kept:
            self._log.forget(self._undo_kept)

    def record(self, kind: str, subject: str, **data: Any) -> int:
        """Write a journal entry under the present cause and return its number."""
        with self.lock:
            return self.journal.append(self._now, kind, subject, data, _cause.get())

    @contextmanager
    def caused_by(self, seq: int) -> Iterator[None]:
        """Make ``seq`` the cause of whatever happens inside."""
        token = _cause.set(seq)
        try:
            yield
        finally:
            _cause.reset(token)

    def set_knobs(self, value: Any) -> None:
        """Replace the knobs of the value's class."""
        with self.lock:
            row = KnobsRow.of(value)
            self._tables[KNOBS].put(row)
            self.record("knobs", row.id, value=repr(value))

    # -- who serves what -------------------------------------------------------------------------------------------

    def serve(self, host: str, site: Site) -> None:
        """Answer requests to ``host`` (or ``host:port``) by ``site``, in process."""
        self.sites[host] = site

    def join(self, participant: Participant) -> None:
        """Let a participant live in this world."""
        self.participants.append(participant)

    def arrived(self, site: str, seq: int) -> None:
        """Remember the journal number of the latest request that reached ``site``."""
        self._last_request[site] = seq

    # -- time ------------------------------------------------------------------------------------------------------

    def advance(self, span: str | int | timedelta) -> None:
        """Let ``span`` pass, running everything that falls due in order."""
        distance = instants.duration(span)
        if distance < 0:
            raise ClockError("virtual time does not go back; restore a snapshot instead")
        self.advance_to(self._now + distance)

    def advance_to(self, target: int) -> None:
        """Run everything due up to and including ``target``, then stand at ``target``."""
        if target < self._now:
            raise ClockError(f"virtual time stands at {instants.iso(self._now)}; it cannot go back")
        if target > instants.LATEST:
            raise ClockError(f"virtual time ends at {instants.iso(instants.LATEST)}")
        steps, instant = 0, self._now
        while self._step(target) or not self._arrive(target):
            steps = steps + 1 if self._now == instant else 0
            instant = self._now
            if steps > STEPS_PER_INSTANT:
                raise EngineError(f"more than {STEPS_PER_INSTANT} steps at {instants.iso(instant)}: an endless loop")

    def _arrive(self, target: int) -> bool:
        """Stand at ``target``, unless another thread has meanwhile made something due before it."""
        with self.lock:
            due = self.next_due()
            if due is not None and due <= target:
                return False
            self._now = max(self._now, target)
            return True

    def run_next(self) -> bool:
        """Run the next due entry, moving time to it; return whether there was one."""
        return self._step(None)

    def run_until(self, goal: str | int | Callable[[], bool], *, within: str | int | timedelta = "7d") -> None:
        """Run to an instant (``"10:45"`` on the present UTC day, ISO 8601, microseconds) or until a predicate holds.

        A predicate is asked before and after every step; :class:`NotReached` when it stays false for ``within``.
        """
        if not callable(goal):
            self.advance_to(goal if isinstance(goal, int) else instants.at_clock(goal, self._now))
            return
        limit = self._now + instants.duration(within)
        while not goal():
            if not self._step(limit):
                raise NotReached(f"the condition did not come true by {instants.iso(limit)}")

    def _step(self, limit: int | None) -> bool:
        with self.lock:
            due = self.next_due()
            if due is None or (limit is not None and due > limit):
                return False
            self._now = due
            agenda_due = self.agenda.next_due()
            timer = self.agenda.pop() if agenda_due is not None and agenda_due <= due else None
            if timer is not None and timer.kind != SEND:
                self._fire(timer)
                return True
        if timer is not None:
            self.dispatch(lambda: self._perform(timer))
            return True
        for participant in self.participants:
            wanted = participant.next_due()
            if wanted is not None and wanted <= due:
                self._run(participant, due)
                break
        return True

    def _fire(self, timer: Timer) -> None:
        seq = self.journal.append(
            self._now, "timer", timer.key, {"owner": timer.owner, "timer": timer.kind}, timer.cause
        )
        with self.caused_by(seq):
            self.transact(lambda draft: self.components[timer.owner].on_timer(draft, timer))

    def _run(self, participant: Participant, now: int) -> None:
        with self.lock:
            cause = self._last_request.get(participant.name, 0)
            seq = self.journal.append(now, "run", participant.name, {}, cause)
        with self.caused_by(seq):
            participant.run_due(now)

    # -- requests --------------------------------------------------------------------------------------------------

    def _queue(
        self, due: int, owner: str, tag: Any, request: Outgoing, cause: int, passage: Passage = Passage.NEW
    ) -> None:
        key = str(self.agenda.upcoming())
        self.agenda.add(due, owner, SEND, key, (tag, request, passage), cause)

    def _perform(self, timer: Timer) -> None:
        tag, request, passage = timer.data
        component = self.components.get(timer.owner)
        wanted = getattr(component, "wanted", None)  # a component may think better of what it queued at this instant
        if passage is Passage.NEW and wanted is not None and not wanted(self.view, tag):
            return
        if passage is Passage.NEW and self.has_faults():
            host, path = _addressed(request.url)
            with self.lock:
                fault = self.transact(
                    lambda draft: faults.take(draft, request.method, host, path, delays=True, body=request.body)
                )
                if fault is not None:
                    self._hold_up(timer, fault.delay)
                    return
        said = {"method": request.method, "url": request.url, "body": request.body.decode(errors="replace")}
        if request.kind:
            said["what"] = request.kind
        with self.lock:
            missed = passage is Passage.MISSED
            seq = timer.cause if missed else self.journal.append(self._now, "send", timer.owner, said, timer.cause)
        with self.caused_by(seq):
            outcome = Outcome(None, error="timeout: no answer in time") if missed else self.exchange(request)
            with self.lock:
                seq = self.record("outcome", timer.owner, status=outcome.status, error=outcome.error)
        if component is not None:
            with self.caused_by(seq):
                self.transact(lambda draft: component.on_outcome(draft, tag, outcome))

    def _hold_up(self, timer: Timer, delay: int) -> None:
        """Let a request that is due arrive ``delay`` later; a sender who is not that patient gives up before."""
        tag, request, _ = timer.data
        if request.patient or delay <= request.timeout:
            self._queue(self._now + delay, timer.owner, tag, request, timer.cause, Passage.LATE)
            return
        self._queue(self._now + request.timeout, timer.owner, tag, request, timer.cause, Passage.MISSED)
        self._queue(self._now + delay, NETWORK, None, request, timer.cause, Passage.LATE)

    def straggle(self, request: Outgoing, delay: int) -> None:
        """Let a request arrive ``delay`` microseconds later; its caller has given up, nobody hears what came of it."""
        with self.lock:
            self._queue(self._now + delay, NETWORK, None, request, _cause.get(), Passage.LATE)

    def exchange(self, request: Outgoing) -> Outcome:
        """Make a request through the one client and return what came of it; never raises for the network's faults."""
        try:
            sent = httpx.Request(
                request.method,
                _parsed(request.url),
                headers=list(request.headers),
                content=request.body,
                extensions={
                    AGENDA: request.kind,
                    "timeout": httpx.Timeout(request.timeout / instants.SECOND).as_dict(),
                },
            )
            answer = self.client.send(sent, follow_redirects=False)
        except httpx.TimeoutException as problem:
            return Outcome(None, error=f"timeout: {problem}")
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, OverflowError) as problem:
            return Outcome(None, error=f"{type(problem).__name__}: {problem}")
        return Outcome(answer.status_code, tuple(answer.headers.items()), answer.content)

    # -- snapshots -------------------------------------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        """Return a point to come back to; it costs the same whatever the world holds."""
        with self.lock:
            self._serial += 1
            self._snapshots.append(self._serial)
            tokens = tuple(participant.export() for participant in self.participants)
            return Snapshot(self._serial, self._log.position(), self.journal.last, self._now, tokens)

    def restore(self, snapshot: Snapshot) -> None:
        """Return to a snapshot; snapshots taken after it become stale and the journal opens a new branch."""
        with self.lock:
            if snapshot.serial not in self._snapshots or snapshot.position < self._log.dropped:
                raise StaleSnapshot("this snapshot belongs to a branch that was discarded")
            del self._snapshots[self._snapshots.index(snapshot.serial) + 1 :]
            self._log.unwind(snapshot.position)
            self.journal.truncate(snapshot.journal)
            self._now = snapshot.now
            self._last_request.clear()
            for participant, token in zip(self.participants, snapshot.participants, strict=True):
                participant.load(token)

    def reset(self, seed: int | None = None) -> None:
        """Return to the baseline, from there on with another seed when one is given."""
        if self.baseline is None:
            raise StaleSnapshot("this world has no baseline to return to")
        self.restore(self.baseline)
        if seed is not None:
            self.seed = seed

    def fork(self) -> World:
        """Return an independent copy that goes on from here: same seed, clock, rows, agenda, journal, participants."""
        with self.lock:
            twin = World(
                seed=self.seed, start=self._now, components=list(self.components.values()), network=self.network
            )
            twin.journal = self.journal.copy()
            twin._log.entries = list(self._log.entries)
            twin._log.dropped = self._log.dropped
            twin.agenda = self.agenda.copy(twin._log)
            twin.counters = self.counters.copy(twin._log)
            twin._tables = {key: table.copy(twin._log) for key, table in self._tables.items()}
            twin._undo_kept = self._undo_kept
            twin.sites = {host: site for host, site in self.sites.items() if site.shared}
            for participant in self.participants:
                twin.join(participant.fork(twin))
            return twin

    def tables(self) -> Mapping[str, Table[Any]]:
        """Return every table by name, for inspection."""
        return {key.name: table for key, table in self._tables.items()}


@functools.lru_cache(maxsize=512)
def _parsed(url: str) -> httpx.URL:
    """Return a destination ready for use; most requests go where others went before."""
    return httpx.URL(url)


def _addressed(url: str) -> tuple[str, str]:
    """Return host and path of a URL, empty when it is none: that comes out when the request is made."""
    try:
        parsed = _parsed(url)
    except (httpx.InvalidURL, ValueError):
        return "", ""
    return parsed.host, parsed.path
