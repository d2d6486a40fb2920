"""Where everything acknowledged lives until it is delivered: what the bridge asks, in SQL that both databases know.

A store gives transactions, reading and writing; :class:`Store` builds everything the bridge does on those. Nothing is
cached outside the database: what a rolled back transaction leaves behind is the truth. What operators ask and change is
in :mod:`bridge.records`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from bridge.decision import AlertRow, Decision, Outcome, Pending, Send
from bridge.messages import InboundMessage

Row = tuple[Any, ...]
#: How far ahead a repeated try may lie; anything beyond means that the clock has gone back.
FARTHEST_RETRY = 400_000_000


@dataclass(frozen=True, slots=True)
class Raw:
    """A notification as it came; ``received_at`` in microseconds UTC."""

    source: str
    body: bytes = field(repr=False)
    received_at: int = 0


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An event that may be sent; ``received_at`` is when the notification behind it came in."""

    id: int
    dedup_key: str
    key_name: str
    action: str
    body: str = field(repr=False)
    created_at: int
    attempts: int
    received_at: int


@dataclass(frozen=True, slots=True)
class Try:
    """What came of one try: a :class:`bridge.delivery.Verdict`'s value, the status if any, words without secrets."""

    at: int
    verdict: str
    status: int | None = None
    error: str | None = None


class Store(ABC):
    """What the bridge needs of a store; every method is called inside a transaction or makes its own."""

    #: Microseconds between looks for what other bridges on the same store did; ``None`` when there are none.
    polling: int | None = None

    # -- what a database gives -------------------------------------------------------------------------------------

    @abstractmethod
    def transaction(self, *, durable: bool = True) -> AbstractContextManager[None]:
        """Return a context whose changes are kept together, or dropped together on any exception.

        Changes that are not ``durable`` may be lost with the power until the next that are: for what would be done
        again in the same way, and of which nobody outside has heard.
        """

    @abstractmethod
    def append(self, batch: Sequence[Raw]) -> None:
        """Store notifications durably, all or none; raise :class:`StoreError` when they could not be kept."""

    @abstractmethod
    def rows(self, sql: str, *arguments: Any) -> list[Row]:
        """Return what a query finds; ``?`` stands for an argument."""

    @abstractmethod
    def change(self, sql: str, *arguments: Any) -> int:
        """Change rows; return how many."""

    @abstractmethod
    def lead(self) -> bool:
        """Say whether this bridge is the one that decides and delivers; try to become it."""

    @abstractmethod
    def close(self) -> None:
        """Give everything back."""

    def is_led(self) -> bool:
        """Say whether some bridge decides and delivers on this store, without trying to become it."""
        return True

    def prove(self, now: int) -> None:
        """Prove that the store can be written; raise :class:`StoreError` when it cannot."""
        self.note_fact("proved", now)

    def row(self, sql: str, *arguments: Any) -> Row | None:
        """Return the first row a query finds."""
        found = self.rows(sql, *arguments)
        return found[0] if found else None

    # -- inbox -----------------------------------------------------------------------------------------------------

    def undecided(self, limit: int) -> list[tuple[int, Raw]]:
        """Return the oldest notifications nobody decided upon yet, with their ids."""
        found = self.rows(
            "SELECT id, source, raw, received_at FROM inbox WHERE outcome IS NULL ORDER BY id LIMIT ?", limit
        )
        return [(row[0], Raw(row[1], bytes(row[2]), row[3])) for row in found]

    def has_undecided(self) -> bool:
        """Say whether a notification waits for a decision."""
        return self.row("SELECT 1 FROM inbox WHERE outcome IS NULL LIMIT 1") is not None

    def seen(self, source: str, kind: str, event_id: str, row: int) -> bool:
        """Say whether another notification of this kind with this event id was decided before."""
        query = "SELECT 1 FROM inbox WHERE source = ? AND event_id = ? AND kind = ? AND id <> ? LIMIT 1"
        return self.row(query, source, event_id, kind, row) is not None

    def alert(self, dedup_key: str) -> AlertRow | None:
        """Return what is known about an alert, including where its trigger is."""
        row = self.row(
            "SELECT dedup_key, source, alert_id, route, key_name, opened_at, cleared_at, resolved_by_person_at"
            " FROM alert WHERE dedup_key = ?",
            dedup_key,
        )
        if row is None:
            return None
        waiting = self.row(
            "SELECT attempts FROM outbox WHERE dedup_key = ? AND state = 'pending' AND action = 'trigger'", dedup_key
        )
        pending = Pending.NO if waiting is None else Pending.TRIED if waiting[0] else Pending.UNTRIED
        key, source, alert_id, route, key_name, opened, cleared, by_person = row
        return AlertRow(key, source, alert_id, route, key_name, opened, cleared, pending, by_person)

    def apply(
        self,
        row: int,
        message: InboundMessage | None,
        decision: Decision,
        now: int,
        reason: str | None = None,
        cause: str | None = None,
        *,
        received_at: int = 0,
    ) -> None:
        """Write a decision about the notification ``row``; ``message`` is None when it could not be read."""
        alert = decision.alert
        self.change(
            "UPDATE inbox SET outcome = ?, reason = ?, cause = ?, decided_at = ?, event_id = ?, kind = ?, dedup_key = ?"
            " WHERE id = ?",
            decision.outcome.value,
            reason,
            cause,
            now,
            None if message is None else message.event_id,
            None if message is None else message.kind.value,
            None if alert is None else alert.dedup_key,
            row,
        )
        if alert is None or decision.outcome in (Outcome.DUPLICATE, Outcome.SUPERSEDED):
            return
        self.put_alert(alert)
        if decision.withdraw:
            self.change(
                "UPDATE outbox SET state = 'coalesced', finished_at = ? WHERE dedup_key = ? AND state = 'pending'",
                now,
                alert.dedup_key,
            )
        if decision.send is not None:
            self.enqueue(alert, [decision.send], now, received_at=received_at)

    def settle(
        self, row: int, kind: str, outcome: str, now: int, *, event_id: str | None = None, reason: str | None = None
    ) -> None:
        """Write what became of a notification that is not about an alert of ThousandEyes."""
        self.change(
            "UPDATE inbox SET outcome = ?, reason = ?, decided_at = ?, event_id = ?, kind = ? WHERE id = ?",
            outcome,
            reason,
            now,
            event_id,
            kind,
            row,
        )

    def put_alert(self, alert: AlertRow) -> None:
        """Write what is known about an alert."""
        self.change(
            "INSERT INTO alert (dedup_key, source, alert_id, route, key_name, opened_at, cleared_at,"
            " resolved_by_person_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (dedup_key) DO UPDATE SET"
            " opened_at = excluded.opened_at, cleared_at = excluded.cleared_at,"
            " resolved_by_person_at = excluded.resolved_by_person_at",
            alert.dedup_key,
            alert.source,
            alert.alert_id,
            alert.route,
            alert.key_name,
            alert.opened_at,
            alert.cleared_at,
            alert.resolved_by_person_at,
        )

    # -- outbox ----------------------------------------------------------------------------------------------------

    def enqueue(self, alert: AlertRow, sends: Iterable[Send], now: int, *, received_at: int) -> None:
        """Add events of an alert, to be sent in this order; one planned for later is as old as that."""
        for send in sends:
            due = now if send.due is None else send.due
            self.change(
                "INSERT INTO outbox (dedup_key, key_name, action, body, state, score, created_at, due, received_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                alert.dedup_key,
                alert.key_name,
                send.action,
                send.body,
                "waiting" if send.behind else "pending",
                send.score,
                due,
                due,
                received_at if send.due is None else due,
            )

    def next_pending(self, key_name: str) -> int | None:
        """Return when the earliest event of a key is due, in microseconds."""
        row = self.row("SELECT due FROM outbox WHERE key_name = ? AND state = 'pending' ORDER BY due LIMIT 1", key_name)
        return None if row is None else int(row[0])

    def take(self, key_name: str, now: int) -> Outgoing | None:
        """Return the most urgent event of a key that is due."""
        # The plus keeps SQLite from the index on ``due``, with which it would sort the whole backlog for one event.
        row = self.row(
            "SELECT id, dedup_key, key_name, action, body, created_at, attempts, received_at FROM outbox"
            " WHERE key_name = ? AND state = 'pending' AND +due <= ? ORDER BY score, id LIMIT 1",
            key_name,
            now,
        )
        return None if row is None else Outgoing(*row)

    def begin(self, event: int) -> None:
        """Note durably that an event is about to be tried: from now on its fate is unknown until recorded."""
        self.change("UPDATE outbox SET attempts = attempts + 1 WHERE id = ?", event)

    def finish(self, event: Outgoing, state: str, tried: Try, cause: str | None = None) -> None:
        """Record the end of an event and let the next event of its alert go."""
        with self.transaction():
            self._note(event, tried)
            self.change(
                "UPDATE outbox SET state = ?, last_status = ?, last_error = ?, cause = ?, finished_at = ? WHERE id = ?",
                state,
                tried.status,
                tried.error,
                cause,
                tried.at,
                event.id,
            )
            self.change(
                "UPDATE outbox SET state = 'pending' WHERE id ="
                " (SELECT min(id) FROM outbox WHERE dedup_key = ? AND state = 'waiting')",
                event.dedup_key,
            )

    def postpone(self, event: Outgoing, due: int, tried: Try) -> None:
        """Record a failed try; the event is due again at ``due``."""
        with self.transaction():
            self._note(event, tried)
            self.change(
                "UPDATE outbox SET due = ?, last_status = ?, last_error = ? WHERE id = ?",
                due,
                tried.status,
                tried.error,
                event.id,
            )

    def hurry(self, key_name: str, now: int) -> int:
        """Make everything a key had put off due at once; return how many events."""
        return self.change(
            "UPDATE outbox SET due = ? WHERE key_name = ? AND state = 'pending' AND attempts > 0 AND due > ?",
            now,
            key_name,
            now,
        )

    def recent_tries(self, key_name: str, limit: int) -> tuple[int, ...]:
        """Return when a key was last tried, the oldest first."""
        found = self.rows("SELECT at FROM attempt WHERE key_name = ? ORDER BY at DESC LIMIT ?", key_name, limit)
        return tuple(sorted(row[0] for row in found))

    def last_moment(self) -> int:
        """Return the newest instant the store knows of, 0 when it is empty."""
        queries = ("SELECT max(received_at) FROM inbox", "SELECT max(at) FROM attempt")
        return max(int((self.row(query) or (0,))[0] or 0) for query in queries)

    def clock_went_back(self, now: int) -> int:
        """Make events due that a clock since corrected has put off; return how many.

        A repeated try may lie a few minutes ahead, and the trigger after a resolution by a person longer; anything else
        was meant to be sent at once.
        """
        repeated = self.change(
            "UPDATE outbox SET due = ? WHERE state = 'pending' AND attempts > 0 AND due > ?", now, now + FARTHEST_RETRY
        )
        untried = self.change(
            "UPDATE outbox SET due = ? WHERE state IN ('pending', 'waiting') AND attempts = 0 AND due > ?"
            " AND dedup_key NOT IN (SELECT dedup_key FROM alert WHERE resolved_by_person_at IS NOT NULL)",
            now,
            now,
        )
        return repeated + untried

    # -- the rest --------------------------------------------------------------------------------------------------

    def fact(self, name: str) -> tuple[int, str] | None:
        """Return when something last happened, with words about it."""
        row = self.row("SELECT at, words FROM fact WHERE name = ?", name)
        return None if row is None else (row[0], row[1])

    def note_fact(self, name: str, at: int, words: str = "") -> None:
        """Remember that something happened."""
        self.change(
            "INSERT INTO fact (name, at, words) VALUES (?, ?, ?)"
            " ON CONFLICT (name) DO UPDATE SET at = excluded.at, words = excluded.words",
            name,
            at,
            words,
        )

    def forget_fact(self, name: str) -> None:
        """Forget that something happened."""
        self.change("DELETE FROM fact WHERE name = ?", name)

    def open_alerts(self, source: str) -> list[tuple[str, int]]:
        """Return the ids of alerts that were opened and have not cleared, with when they were opened."""
        found = self.rows(
            "SELECT alert_id, opened_at FROM alert"
            " WHERE source = ? AND cleared_at IS NULL AND opened_at IS NOT NULL ORDER BY opened_at, alert_id",
            source,
        )
        return [(row[0], row[1]) for row in found]

    def lookups(self, limit: int) -> list[tuple[int, bytes]]:
        """Return stored PagerDuty webhooks whose incident has to be looked up, the oldest first."""
        found = self.rows("SELECT id, raw FROM inbox WHERE outcome = 'lookup' ORDER BY id LIMIT ?", limit)
        return [(row[0], bytes(row[1])) for row in found]

    def looked_up(self, row: int, outcome: str, reason: str) -> None:
        """Record what a look-up led to."""
        self.change("UPDATE inbox SET outcome = ?, reason = ? WHERE id = ?", outcome, reason, row)

    def trigger_body(self, dedup_key: str) -> str:
        """Return the body of an alert's last trigger, empty when there was none."""
        row = self.row(
            "SELECT body FROM outbox WHERE dedup_key = ? AND action = 'trigger' ORDER BY id DESC LIMIT 1", dedup_key
        )
        return "" if row is None else str(row[0])

    def has_unfinished(self, dedup_key: str) -> bool:
        """Say whether an event of the alert is still to be delivered."""
        query = "SELECT 1 FROM outbox WHERE dedup_key = ? AND state IN ('pending', 'waiting') LIMIT 1"
        return self.row(query, dedup_key) is not None

    def finished(self, dedup_key: str, action: str) -> bool:
        """Say whether PagerDuty has taken this event of the alert."""
        query = "SELECT 1 FROM outbox WHERE dedup_key = ? AND action = ? AND state = 'sent' LIMIT 1"
        return self.row(query, dedup_key, action) is not None

    def _note(self, event: Outgoing, tried: Try) -> None:
        self.change(
            "INSERT INTO attempt (event, key_name, at, verdict, status, error) VALUES (?, ?, ?, ?, ?, ?)",
            event.id,
            event.key_name,
            tried.at,
            tried.verdict,
            tried.status,
            tried.error,
        )
