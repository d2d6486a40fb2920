"""What operators ask of a store and change in it: figures, traces, dead letters, replays, and forgetting.

Everything here is a function of a :class:`bridge.storage.Store`, so that the command line, a running bridge and both
databases share it. A dead letter is named by where it lies: ``i7`` is a notification, ``o7`` an event.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bridge.errors import StoreError
from bridge.storage import Row, Store

PRUNE = 1_000
NEVER = -1


@dataclass(frozen=True, slots=True)
class Queue:
    """The events of one key in one state; ``oldest`` is when the first of them was made."""

    key: str
    state: str
    number: int
    oldest: int


@dataclass(frozen=True, slots=True)
class KeyHealth:
    """How a key has fared lately: the last event PagerDuty took, and what has failed since."""

    name: str
    sent_at: int | None = None
    failing_since: int | None = None
    verdict: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Figures:
    """What lies in the store."""

    undecided: int = 0
    undecided_since: int | None = None
    unreadable: int = 0
    unreadable_since: int | None = None
    queues: tuple[Queue, ...] = ()
    open_alerts: int = 0

    @property
    def oldest_pending(self) -> int | None:
        """When the oldest event not delivered yet was made."""
        return min((queue.oldest for queue in self.queues if queue.state != "dead"), default=None)

    def count(self, state: str) -> int:
        """Return how many events are in a state."""
        return sum(queue.number for queue in self.queues if queue.state == state)


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter: its name, when it came, why it is dead and the runbook's word for that."""

    name: str
    at: int
    what: str
    reason: str
    cause: str


def figures(store: Store) -> Figures:
    """Return what lies in the store; every query is answered by a partial index, however much is kept."""
    undecided = store.row("SELECT count(*), min(received_at) FROM inbox WHERE outcome IS NULL") or (0, None)
    dead = store.row("SELECT count(*), min(received_at) FROM inbox WHERE outcome = 'dead'") or (0, None)
    queues = store.rows(
        "SELECT key_name, state, count(*), min(created_at) FROM outbox"
        " WHERE state IN ('pending', 'waiting', 'dead') GROUP BY key_name, state ORDER BY key_name, state"
    )
    opened = store.row("SELECT count(*) FROM alert WHERE cleared_at IS NULL AND opened_at IS NOT NULL") or (0,)
    return Figures(undecided[0], undecided[1], dead[0], dead[1], tuple(Queue(*row) for row in queues), opened[0])


def health(store: Store, key: str) -> KeyHealth:
    """Return how a key has fared."""
    sent = store.row("SELECT max(at) FROM attempt WHERE key_name = ? AND verdict = 'sent'", key)
    sent_at = None if sent is None else sent[0]
    last = store.row("SELECT verdict, error, at FROM attempt WHERE key_name = ? ORDER BY at DESC, id DESC LIMIT 1", key)
    if last is None or last[0] in ("sent", "rejected"):
        return KeyHealth(key, sent_at)
    since = store.row("SELECT min(at) FROM attempt WHERE key_name = ? AND at > ?", key, sent_at or NEVER)
    return KeyHealth(key, sent_at, last[2] if since is None else since[0], last[0], last[1] or "")


def letters(store: Store) -> list[Letter]:
    """Return all dead letters, notifications first, the oldest first."""
    inbox = store.rows(
        "SELECT id, received_at, source, reason, cause FROM inbox WHERE outcome = 'dead' ORDER BY received_at, id"
    )
    outbox = store.rows(
        "SELECT id, created_at, action, dedup_key, last_error, cause FROM outbox WHERE state = 'dead' ORDER BY id"
    )
    return [
        *(Letter(f"i{row[0]}", row[1], f"notification of {row[2]}", row[3] or "", row[4] or "") for row in inbox),
        *(Letter(f"o{row[0]}", row[1], f"{row[2]} {row[3]}", row[4] or "", row[5] or "") for row in outbox),
    ]


def letter(store: Store, name: str) -> str | bytes:
    """Return the content of a dead letter."""
    table, number = _letter(name)
    queries = {
        "inbox": "SELECT raw FROM inbox WHERE id = ? AND outcome = 'dead'",
        "outbox": "SELECT body FROM outbox WHERE id = ? AND state = 'dead'",
    }
    row = store.row(queries[table], number)
    if row is None:
        raise StoreError(f"{name}: no such dead letter")
    content: str | bytes = row[0] if isinstance(row[0], str) else bytes(row[0])
    return content


def replay(store: Store, name: str) -> str:
    """Give a dead letter another chance; return what happens now.

    A trigger whose alert has cleared stays dead: it would open an incident that nobody resolves.
    """
    table, number = _letter(name)
    with store.transaction():
        if table == "inbox":
            change = "UPDATE inbox SET outcome = NULL, reason = NULL, cause = NULL WHERE id = ? AND outcome = 'dead'"
            if store.change(change, number) != 1:
                raise StoreError(f"{name}: no such dead letter")
            return "it is decided upon again"
        row = store.row(
            "SELECT outbox.action, alert.cleared_at FROM outbox JOIN alert USING (dedup_key)"
            " WHERE outbox.id = ? AND outbox.state = 'dead'",
            number,
        )
        if row is None:
            raise StoreError(f"{name}: no such dead letter")
        if row[0] == "trigger" and row[1] is not None:
            raise StoreError(f"{name}: its alert has cleared since, a trigger would never be resolved; drop it")
        # Age counts from the replay on, or an event that died of age would die again at its first failure.
        store.change(
            "UPDATE outbox SET state = 'pending', attempts = 0, finished_at = NULL, due = 0, cause = NULL,"
            " created_at = coalesce(finished_at, created_at) WHERE id = ?",
            number,
        )
        return "it is sent again"


def drop(store: Store, name: str) -> None:
    """Give a dead letter up for good; the row stays, marked as dropped."""
    table, number = _letter(name)
    changes = {
        "inbox": "UPDATE inbox SET outcome = 'dropped' WHERE id = ? AND outcome = 'dead'",
        "outbox": "UPDATE outbox SET state = 'dropped' WHERE id = ? AND state = 'dead'",
    }
    with store.transaction():
        if store.change(changes[table], number) != 1:
            raise StoreError(f"{name}: no such dead letter")


def replay_since(store: Store, since: int, now: int, *, dry_run: bool = False) -> list[tuple[str, str]]:
    """Send again what may have been lost behind PagerDuty's door; return (action, dedup key) of each.

    The trigger of every alert opened since then that is still open, and the resolve of every alert cleared since then.
    With their dedup keys these change nothing where all is well, except that a trigger opens a new incident when a
    person has resolved the first.
    """
    chosen = store.rows(
        "SELECT max(outbox.id), outbox.action, outbox.dedup_key FROM outbox JOIN alert USING (dedup_key)"
        " WHERE outbox.state = 'sent'"
        " AND ((outbox.action = 'trigger' AND alert.cleared_at IS NULL AND alert.opened_at >= ?)"
        " OR (outbox.action = 'resolve' AND alert.cleared_at >= ?))"
        " GROUP BY outbox.action, outbox.dedup_key ORDER BY 1",
        since,
        since,
    )
    if not dry_run:
        with store.transaction():
            for row, _, _ in chosen:
                store.change(
                    "INSERT INTO outbox (dedup_key, key_name, action, body, state, score, created_at, due, received_at)"
                    " SELECT dedup_key, key_name, action, body, 'pending', score, ?, ?, ? FROM outbox WHERE id = ?",
                    now,
                    now,
                    now,
                    row,
                )
    return [(action, key) for _, action, key in chosen]


def trace(store: Store, alert: str, key: str, own: str) -> tuple[list[Row], list[Row], list[Row], list[Row]]:
    """Return everything about the alert with one of three keys: notifications, the alert, events, and tries.

    Columns: (received_at, id, source, kind, outcome, reason, event id), (route, key, opened, cleared, resolved by a
    person, dedup key), (created_at, id, action, key, state, due, finished_at), (at, event, verdict, status, error).
    """
    queries = (
        "SELECT received_at, id, source, kind, outcome, reason, event_id FROM inbox"
        " WHERE dedup_key IN (?, ?, ?) ORDER BY id",
        "SELECT route, key_name, opened_at, cleared_at, resolved_by_person_at, dedup_key FROM alert"
        " WHERE dedup_key IN (?, ?, ?)",
        "SELECT created_at, id, action, key_name, state, due, finished_at FROM outbox"
        " WHERE dedup_key IN (?, ?, ?) ORDER BY id",
        "SELECT at, event, verdict, status, error FROM attempt WHERE event IN"
        " (SELECT id FROM outbox WHERE dedup_key IN (?, ?, ?)) ORDER BY id",
    )
    notifications, alerts, events, tries = (store.rows(query, alert, key, own) for query in queries)
    return notifications, alerts, events, tries


def prune(store: Store, before: int) -> int:
    """Forget what was finished before an instant, up to a thousand rows of each table; return how many.

    Dead letters stay until somebody replays or drops them, open alerts and their events until they have cleared.
    """
    queries = (
        "DELETE FROM inbox WHERE id IN (SELECT id FROM inbox WHERE received_at < ? AND outcome IS NOT NULL"
        " AND outcome NOT IN ('dead', 'lookup') ORDER BY received_at LIMIT ?)",
        "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE finished_at < ? AND state <> 'dead'"
        " AND NOT EXISTS (SELECT 1 FROM alert WHERE alert.dedup_key = outbox.dedup_key AND alert.cleared_at IS NULL)"
        " ORDER BY finished_at LIMIT ?)",
        "DELETE FROM alert WHERE dedup_key IN (SELECT dedup_key FROM alert WHERE cleared_at < ?"
        " AND NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.dedup_key = alert.dedup_key"
        " AND outbox.state IN ('pending', 'waiting', 'dead')) ORDER BY cleared_at LIMIT ?)",
        "DELETE FROM attempt WHERE id IN (SELECT id FROM attempt WHERE at < ? ORDER BY at LIMIT ?)",
        "DELETE FROM fact WHERE name IN (SELECT name FROM fact WHERE name LIKE 'not-ours:%' AND at < ? LIMIT ?)",
    )
    gone = 0
    for query in queries:
        with store.transaction():
            gone += store.change(query, before, PRUNE)
    return gone


def _letter(name: str) -> tuple[str, int]:
    table = {"i": "inbox", "o": "outbox"}.get(name[:1])
    digits = name[1:]
    if table is None or not digits.isascii() or not digits.isdigit() or len(digits) > 15:
        raise StoreError(f"{name}: write a dead letter as listed, e.g. i7 or o12")
    return table, int(digits)


def as_dict(figures: Figures) -> dict[str, Any]:
    """Return figures as plain values, for JSON."""
    return {
        "undecided": figures.undecided,
        "unreadable": figures.unreadable,
        "open_alerts": figures.open_alerts,
        "queues": [
            {"key": queue.key, "state": queue.state, "number": queue.number, "oldest": queue.oldest}
            for queue in figures.queues
        ],
    }
