"""An e-mail notification as a mail server would carry it: plain text and HTML, with a boundary that never changes.

Addresses end in reserved names, so that a relayed mail cannot reach the vendor. The links in it work on the simulator's
web host (PagerDuty: email notifications).
"""

from __future__ import annotations

import email.policy
import email.utils
from email.message import EmailMessage

from simulators.engine import zones
from simulators.engine.draft import Committed
from simulators.engine.journal import Entry
from simulators.pagerduty.carriers import FAILED
from simulators.pagerduty.model import MESSAGES, Channel, Message

SENDER = "PagerDuty <no-reply@pagerduty.example>"


def posted(state: Committed, entry: Entry) -> tuple[str, str, bytes] | None:
    """Return id, recipient and content of the e-mail a journal entry says was sent, for a relay.

    A bundle has an entry for each incident; the first stands for all.
    """
    message = state.get(MESSAGES, str(entry.data.get("message", "")))
    if message is None or message.channel is not Channel.EMAIL or message.status == FAILED:
        return None
    if message.incident and entry.kind == "notification.sent" and entry.subject != message.incident:
        return None
    return message.id, message.address, as_mime(message)


def as_mime(message: Message) -> bytes:
    """Return the mail as RFC 5322 bytes with CRLF line ends; the same message always gives the same bytes."""
    mail = EmailMessage(policy=email.policy.SMTP)
    mail["From"] = SENDER
    mail["To"] = " ".join(message.address.split())
    mail["Subject"] = " ".join(message.subject.split())
    mail["Date"] = email.utils.format_datetime(zones.local(message.at, "UTC"))
    mail["Message-ID"] = f"<{message.id}@pagerduty.example>"
    mail.set_content(message.text, cte="quoted-printable")
    mail.add_alternative(message.html, subtype="html", cte="quoted-printable")
    mail.set_boundary(f"=_{message.id}")
    return mail.as_bytes()
