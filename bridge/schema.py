"""The tables of the store, step by step from the first version, for both databases.

``inbox`` keeps each notification as it came and what became of it; ``alert`` keeps one row per alert with the route it
took; ``outbox`` keeps the events; ``attempt`` keeps every try to deliver one; ``fact`` keeps a few dates. An event is
``pending`` when it may be sent, ``waiting`` while an earlier event of its alert is ahead of it, and finished as
``sent``, ``dead``, ``coalesced`` or ``dropped``.

A step is never changed once it was released: a store made by any earlier bridge is taken through the steps it lacks.
Words in angle brackets are where the databases differ.
"""

from __future__ import annotations

from bridge.errors import StoreError

STEPS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE inbox (
            id <id>, received_at <int> NOT NULL, source TEXT NOT NULL, raw <bytes> NOT NULL,
            outcome TEXT, reason TEXT, decided_at <int>, event_id TEXT, dedup_key TEXT) <strict>""",
        "CREATE INDEX inbox_undecided ON inbox (id) WHERE outcome IS NULL",
        "CREATE INDEX inbox_dead ON inbox (id) WHERE outcome = 'dead'",
        "CREATE INDEX inbox_event ON inbox (source, event_id) WHERE event_id IS NOT NULL",
        "CREATE INDEX inbox_alert ON inbox (dedup_key) WHERE dedup_key IS NOT NULL",
        """CREATE TABLE alert (
            dedup_key TEXT PRIMARY KEY, source TEXT NOT NULL, alert_id TEXT NOT NULL, route TEXT NOT NULL,
            key_name TEXT NOT NULL, opened_at <int>, cleared_at <int>) <keyed>""",
        """CREATE TABLE outbox (
            id <id>, dedup_key TEXT NOT NULL, key_name TEXT NOT NULL, action TEXT NOT NULL,
            body TEXT NOT NULL, state TEXT NOT NULL, score <int> NOT NULL, created_at <int> NOT NULL,
            due <int> NOT NULL, attempts <int> NOT NULL DEFAULT 0, last_status <int>, last_error TEXT,
            finished_at <int>) <strict>""",
        "CREATE INDEX outbox_due ON outbox (key_name, due) WHERE state = 'pending'",
        "CREATE INDEX outbox_score ON outbox (key_name, score, id) WHERE state = 'pending'",
        "CREATE INDEX outbox_alert ON outbox (dedup_key, id)",
        "CREATE INDEX outbox_dead ON outbox (id) WHERE state = 'dead'",
    ),
    (
        "ALTER TABLE inbox ADD COLUMN kind TEXT",
        "ALTER TABLE inbox ADD COLUMN cause TEXT",
        "ALTER TABLE outbox ADD COLUMN cause TEXT",
        "ALTER TABLE outbox ADD COLUMN received_at <int> NOT NULL DEFAULT 0",
        "UPDATE outbox SET received_at = created_at",
        "ALTER TABLE alert ADD COLUMN resolved_by_person_at <int>",
        """CREATE TABLE attempt (
            id <id>, event <int> NOT NULL, key_name TEXT NOT NULL, at <int> NOT NULL, verdict TEXT NOT NULL,
            status <int>, error TEXT) <strict>""",
        "CREATE INDEX attempt_event ON attempt (event)",
        "CREATE INDEX attempt_key ON attempt (key_name, at)",
        "CREATE INDEX attempt_verdict ON attempt (key_name, verdict, at)",
        "CREATE INDEX attempt_at ON attempt (at)",
        "CREATE TABLE fact (name TEXT PRIMARY KEY, at <int> NOT NULL, words TEXT NOT NULL) <keyed>",
        "CREATE INDEX inbox_received ON inbox (received_at)",
        "CREATE INDEX inbox_lookup ON inbox (id) WHERE outcome = 'lookup'",
        "CREATE INDEX alert_cleared ON alert (cleared_at) WHERE cleared_at IS NOT NULL",
        "CREATE INDEX alert_open ON alert (source, opened_at) WHERE cleared_at IS NULL",
        "CREATE INDEX outbox_finished ON outbox (finished_at) WHERE finished_at IS NOT NULL",
        """CREATE INDEX outbox_open ON outbox (key_name, state, created_at)
            WHERE state IN ('pending', 'waiting', 'dead')""",
    ),
)
VERSION = len(STEPS)
SQLITE = {
    "<id>": "INTEGER PRIMARY KEY",
    "<int>": "INTEGER",
    "<bytes>": "BLOB",
    "<strict>": "STRICT",
    "<keyed>": "STRICT, WITHOUT ROWID",
}
POSTGRESQL = {
    "<id>": "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
    "<int>": "BIGINT",
    "<bytes>": "BYTEA",
    "<strict>": "",
    "<keyed>": "",
}


def statements(version: int, words: dict[str, str]) -> list[str]:
    """Return what takes a store of ``version`` to the present one; raise :class:`StoreError` when it is newer."""
    if version > VERSION:
        raise StoreError(f"the store is of version {version}, this bridge knows {VERSION}: upgrade the bridge")
    found = []
    for statement in (statement for step in STEPS[version:] for statement in step):
        for word, meaning in words.items():
            statement = statement.replace(word, meaning)
        found.append(statement)
    return found
