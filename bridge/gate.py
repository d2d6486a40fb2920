"""The way in for many senders at once: whatever waits is stored in one transaction, so one flush serves them all.

Web threads admit notifications and wait; one writer gathers them. The clock is handed in.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from bridge import metrics
from bridge.admission import ACCEPTED, UNAVAILABLE, Answer, Inbound
from bridge.config import SECOND
from bridge.core import Bridge
from bridge.errors import BridgeProblem
from bridge.storage import Raw

#: Notifications in one transaction, and seconds a sender waits for it.
GATHER = 256
COMMIT_TIMEOUT = 30.0
#: Readiness is proved by a write at most this often.
PROVED_FOR = SECOND


@dataclass(slots=True)
class _Waiting:
    """A notification on its way to the disk and the sender waiting for it."""

    raw: Raw
    done: threading.Event = field(default_factory=threading.Event)
    answer: Answer = UNAVAILABLE


class GatheringGate:
    """Admits in the caller's thread, stores through the writer, and calls ``nudge`` when there is something new."""

    def __init__(self, bridge: Bridge, nudge: Callable[[], None], clock: Callable[[], int]) -> None:
        self.bridge = bridge
        self._clock = clock
        self._nudge = nudge
        self._proved_at = 0
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write, name="writer", daemon=True)
        self._writer.start()

    def max_body(self) -> int:
        """Return the largest body taken, in bytes."""
        return self.bridge.config.receiver.max_body

    def post(self, request: Inbound) -> Answer:
        """Return 200 once the notification is on disk, 503 when it cannot be put there."""
        began = self._clock()
        admitted = self.bridge.admit(request, began)
        if isinstance(admitted, Answer):
            return admitted
        waiting = _Waiting(admitted)
        self._queue.put(waiting)
        # A sender told 503 after this wait repeats the notification; should the first be stored after all, the second
        # is a duplicate.
        waiting.done.wait(COMMIT_TIMEOUT)
        self.bridge.tally.observe("accept", (self._clock() - began) / SECOND)
        return waiting.answer

    def health(self) -> Answer:
        """Answer 200: the process serves."""
        return Answer(200, "ok\n")

    def ready(self) -> Answer:
        """Answer 200 while the writer lives and the store can be written, 503 otherwise."""
        if not self._writer.is_alive():
            return Answer(503, "the writer has stopped\n")
        now = self._clock()
        if 0 <= now - self._proved_at < PROVED_FOR:
            return Answer(200, "ready\n")
        try:
            self.bridge.store.prove(now)
        except BridgeProblem:
            return Answer(503, "the store cannot be written\n")
        self._proved_at = now
        return Answer(200, "ready\n")

    def metrics(self) -> bytes:
        """Return the figures in Prometheus' text format."""
        now = self._clock()
        return metrics.render(self.bridge, now, self.bridge.refusing(now))

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
        failure: Exception | None = None
        try:
            self.bridge.store.append([waiting.raw for waiting in batch])
        except Exception as error:
            # Whatever it was, the senders must hear that nothing was kept, and the writer must live on.
            answer, failure = UNAVAILABLE, error
        self.bridge.note_append(len(batch), self._clock(), failure)
        for waiting in batch:
            waiting.answer = answer
            waiting.done.set()
        self._nudge()
