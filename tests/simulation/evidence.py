"""What a world's journal and tables prove about one run: who sent what, what arrived, who was told.

Checkers read nothing else. The journal is read once, entry by entry, and sorted into *webhooks* (requests that reached
the bridge) and *attempts* (the bridge trying to tell PagerDuty something, with the fault that met it and what came of
it). An alert is recognised by its id anywhere in a message, never by the key the bridge made of it: a bridge that uses
wrong keys must not fool its judge.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from simulators.engine import instants
from simulators.engine.faults import FAULTS, FaultKind
from simulators.engine.journal import Entry
from simulators.engine.world import NETWORK, World
from simulators.pagerduty.api import EVENTS_HOST
from simulators.thousandeyes.model import ALERTS

BRIDGE = "bridge"
CLOCK_SETTLES = 10 * instants.MINUTE
EVENTS = "pagerduty-events"


@dataclass(slots=True)
class Exchange:
    """A request that arrived; ``what`` is trigger, clear or resolve, ``status`` is ``None`` without an answer."""

    seq: int
    at: int
    cause: int
    what: str
    alert: str
    body: str
    status: int | None = None
    died_at: str = ""

    @property
    def severity(self) -> str:
        """The severity a notification tells."""
        return str(json.loads(self.body)["alert"].get("severity", ""))

    @property
    def stored(self) -> bool:
        """Whether the bridge had written the notification down: it answered 200, or died only after the append."""
        return self.status == 200 or self.died_at == "after-append"


@dataclass(slots=True)
class Attempt:
    """One try of the bridge to deliver an event; ``fault`` is what met it on the way, if anything."""

    seq: int
    at: int
    what: str
    alert: str
    body: str
    fault: FaultKind | None = None
    fault_status: int = 0
    arrivals: list[Exchange] = field(default_factory=list)
    died: bool = False

    @property
    def key(self) -> str:
        """The integration key it was tried with."""
        return str(json.loads(self.body)["routing_key"])

    @property
    def severity(self) -> str:
        """The severity it was tried with, empty for a resolve."""
        return str(json.loads(self.body).get("payload", {}).get("severity", ""))

    @property
    def accepted(self) -> bool:
        """Whether PagerDuty took the event."""
        return any(arrival.status == 202 for arrival in self.arrivals)

    @property
    def confirmed(self) -> bool:
        """Whether the bridge was told so, by the last answer to this try, and lived to note it."""
        heard = self.fault is not FaultKind.LOSE_ANSWER and not self.died
        return heard and bool(self.arrivals) and self.arrivals[-1].status == 202

    @property
    def refused(self) -> bool:
        """Whether something in between answered that this event will never be taken."""
        return self.fault is FaultKind.STATUS and self.fault_status == 400


class Evidence:
    """See the module's text; :meth:`read` catches up with the world, from the start again after a restore."""

    def __init__(self, world: World) -> None:
        self.world = world
        #: Whether the bridge drops a trigger it has not tried yet when its clear arrives, and the clear with it.
        self.coalescing = False
        #: How often the bridge may try a key in a minute; unknown when ``None``.
        self.per_minute: int | None = None
        self._forget()

    def _forget(self) -> None:
        self._branch = self.world.journal.branch
        self.entries: list[Entry] = []
        self.fresh: list[Entry] = []
        self.webhooks: list[Exchange] = []
        self.attempts: list[Attempt] = []
        self.stragglers: list[Exchange] = []
        #: Why PagerDuty took an event and did nothing, by the number of the request.
        self.dropped: dict[int, str] = {}
        #: When the bridge did not run, or told the time wrongly: (from, until), and only now and then the second.
        self.excursions: list[tuple[int, int]] = []
        self._down_since: int | None = None
        self._arrived: dict[int, Exchange] = {}
        self._openings: dict[str, Exchange] = {}
        self._open: dict[int, Attempt] = {}
        self._latest: dict[int, Attempt] = {}

    def read(self) -> Evidence:
        """Take in what was written since the last time; :attr:`fresh` holds those entries."""
        journal = self.world.journal
        if journal.branch != self._branch or journal.last < len(self.entries):
            self._forget()
        self.fresh = journal.since(len(self.entries))
        self.entries.extend(self.fresh)
        for entry in self.fresh:
            if entry.kind == "request":
                self._request(entry)
            elif entry.kind == "response" and entry.cause in self._arrived:
                self._arrived[entry.cause].status = int(entry.data["status"])
            elif entry.kind == "fault.hit" and entry.data["host"] == EVENTS_HOST:
                self._hit(entry)
            elif entry.kind == "bridge.crashed":
                self._crash(entry)
                self._down_since = entry.at
            elif entry.kind == "bridge.started" and self._down_since is not None:
                self.excursions.append((self._down_since, entry.at))
                self._down_since = None
            elif entry.kind in ("bridge.failed", "bridge.busy"):
                self.excursions.append((entry.at, int(entry.data["until"])))
            elif entry.kind == "bridge.clock":
                # What was put off by the old clock goes within the longest pause, and the pace is as long unsure.
                self.excursions.append((entry.at - CLOCK_SETTLES, entry.at + CLOCK_SETTLES))
            elif entry.kind == "event.dropped":
                self.dropped[entry.cause] = str(entry.data["why"])
            elif entry.kind == "incident.triggered":
                self._openings[entry.subject] = self._arrived[entry.cause]
        return self

    def opening(self, incident: str) -> Exchange:
        """Return the request that opened an incident."""
        return self._openings[incident]

    def astray(self, since: int, until: int) -> bool:
        """Whether the bridge was down, busy, failing or wrong about the time at any moment of a span."""
        down = self._down_since is not None and self._down_since <= until
        return down or any(begun <= until and since <= ended for begun, ended in self.excursions)

    def clock_was_set(self, since: int, until: int) -> bool:
        """Whether the bridge's clock was set within a span or so short before that it matters."""
        return any(
            entry.kind == "bridge.clock" and since - CLOCK_SETTLES <= entry.at <= until for entry in self.entries
        )

    def history(self, incident: str) -> list[Entry]:
        """Return what the journal says about an incident, oldest first."""
        return [entry for entry in self.entries if entry.subject == incident]

    def tries(self, alert: str, what: str) -> list[Attempt]:
        """Return the attempts to deliver one kind of event of one alert."""
        return [attempt for attempt in self.attempts if attempt.alert == alert and attempt.what == what]

    # -- reading the journal ---------------------------------------------------------------------------------------

    def _alert(self, body: str) -> str:
        return next((alert.id for alert in self.world.view.all(ALERTS) if alert.id in body), "")

    def _request(self, entry: Entry) -> None:
        if entry.subject not in (BRIDGE, EVENTS):
            return
        body = str(entry.data["body"])
        arrived = Exchange(entry.seq, entry.at, entry.cause, _what(body), self._alert(body), body)
        self._arrived[entry.seq] = arrived
        if entry.subject == BRIDGE:
            self.webhooks.append(arrived)
            return
        cause = self.entries[entry.cause - 1] if entry.cause else None
        if cause is not None and cause.kind == "send" and cause.subject == NETWORK:
            self.stragglers.append(arrived)
            return
        attempt = self._open.get(entry.cause)
        if attempt is None or attempt.body != body:
            attempt = self._begin(entry, arrived.what, arrived.alert, body)
        attempt.arrivals.append(arrived)
        if attempt.fault is not FaultKind.DUPLICATE or len(attempt.arrivals) > 1:
            self._open.pop(entry.cause, None)

    def _hit(self, entry: Entry) -> None:
        body = str(entry.data["body"])
        if entry.cause and self.entries[entry.cause - 1].subject == NETWORK:
            return
        attempt = self._begin(entry, _what(body), self._alert(body), body)
        fault = self.world.view.need(FAULTS, entry.subject)
        attempt.fault, attempt.fault_status = fault.kind, fault.status
        if fault.kind in (FaultKind.LOSE_ANSWER, FaultKind.DUPLICATE):
            self._open[entry.cause] = attempt

    def _begin(self, entry: Entry, what: str, alert: str, body: str) -> Attempt:
        attempt = Attempt(entry.seq, entry.at, what, alert, body)
        self.attempts.append(attempt)
        self._latest[entry.cause] = attempt
        return attempt

    def _crash(self, entry: Entry) -> None:
        point = str(entry.data["point"])
        if entry.cause in self._arrived:
            self._arrived[entry.cause].died_at = point
        elif point == "after-send" and entry.cause in self._latest:
            self._latest[entry.cause].died = True


def _what(body: str) -> str:
    document: Any = json.loads(body)
    kind = document.get("event_action") or str(document.get("eventType", ""))
    return {"ALERT_NOTIFICATION_TRIGGER": "trigger", "ALERT_NOTIFICATION_CLEAR": "clear"}.get(kind, kind)
