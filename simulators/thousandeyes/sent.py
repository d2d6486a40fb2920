"""What was told to whom, as people read it: deliveries of notifications, mails, and what was never sent.

Bodies are shown whole, headers never: they hold secrets.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from itertools import islice
from typing import Any

from simulators.engine import instants
from simulators.engine.draft import View
from simulators.engine.journal import Entry
from simulators.thousandeyes.model import DOCUMENTS, INTEGRATIONS, MAILS, NOTIFICATIONS, Mail, Notification

#: How much of each a page shows.
MOST = 100


def delivery_json(view: View, row: Notification) -> dict[str, Any]:
    """Return a notification and what came of it."""
    integration, operation = view.get(INTEGRATIONS, row.integration), view.get(DOCUMENTS, row.integration)
    name = "" if operation is None else str(operation.body.get("name", ""))
    return {
        "id": row.id,
        "at": instants.iso_milliseconds(row.made),
        "alert": row.alert,
        "integration": row.integration,
        "name": name if integration is None else integration.name,
        "kind": "custom-webhook" if integration is None else integration.kind,
        "target": row.url if integration is None else integration.target,
        "event": row.event,
        "state": row.state,
        "attempts": row.attempts,
        "body": row.body.decode(errors="replace"),
    }


def mail_json(mail: Mail) -> dict[str, Any]:
    """Return a mail, with its text and the whole message as it was sent."""
    return {
        "id": mail.id,
        "at": instants.iso_milliseconds(mail.at),
        "recipient": mail.recipient,
        "subject": mail.subject,
        "alerts": list(mail.alerts),
        "text": text_of(mail),
        "message": mail.raw.decode(errors="replace"),
    }


def text_of(mail: Mail) -> str:
    """Return the plain text of a mail."""
    message = message_from_bytes(mail.raw, policy=default)
    assert isinstance(message, EmailMessage)
    body = message.get_body(("plain",))
    return "" if body is None else str(body.get_content())


def unsent(entries: Iterable[Entry]) -> Iterator[dict[str, Any]]:
    """Yield what a journal says was told there only (chats and the like), or could not be sent, and why."""
    for entry in entries:
        if entry.kind == "notification.posted":
            fields = "\n".join(f"{name}: {value}" for name, value in entry.data["fields"].items())
            yield _line(entry, entry.data["channel"], entry.data["event"], fields)
        elif entry.kind == "notification.lost":
            yield _line(entry, entry.data["integration"], "not sent", entry.data["why"])


def _line(entry: Entry, target: str, event: str, text: str) -> dict[str, Any]:
    return {"at": instants.iso_milliseconds(entry.at), "alert": entry.subject, "target": target, "event": event,
            "text": text}  # fmt: skip


def newest(view: View, entries: Iterable[Entry]) -> dict[str, list[dict[str, Any]]]:
    """Return the newest deliveries, mails and unsent notifications, each newest first."""
    return {
        "deliveries": [delivery_json(view, row) for row in islice(reversed(list(view.all(NOTIFICATIONS))), MOST)],
        "mails": [mail_json(row) for row in islice(reversed(list(view.all(MAILS))), MOST)],
        "unsent": list(islice(reversed(list(unsent(entries))), MOST)),
    }
