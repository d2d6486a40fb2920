"""Mails about alerts: real MIME messages, one for each recipient, with everything that happened at one moment in it.

Recipients need not be users. Triggers are always told, ends only if the rule asks for it. Boundaries, message ids and
dates are functions of the world, so the same history sends the same bytes. Names may hold anything: a subject is one
line of readable text, and who has no address a mail can go to is not told, which the journal says.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from simulators.engine import ids
from simulators.engine.agenda import Timer
from simulators.engine.draft import Committed, Draft
from simulators.engine.journal import Entry
from simulators.engine.zones import local
from simulators.thousandeyes.model import MAILS, OWNER, PENDING_MAILS, Alert, Mail, PendingMail
from simulators.thousandeyes.telling import Story, story

MAIL = "mail"
SENDER = "ThousandEyes Alerts <alerts@thousandeyes.com>"
MAIL_ID = ids.hexadecimal(24)
#: Longest address, and longest subject (assumed; a rule's name alone may have hundreds of characters).
LONGEST_ADDRESS, LONGEST_SUBJECT = 254, 255
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*")


def is_address(text: str) -> bool:
    """Return whether a mail can be sent to ``text``."""
    return len(text) <= LONGEST_ADDRESS and _ADDRESS.fullmatch(text) is not None


def tell(draft: Draft, alert: Alert, recipients: Iterable[str], message: str) -> None:
    """Tell each recipient about an alert as it is now, together with whatever else happens at this moment."""
    for recipient in dict.fromkeys(recipients):
        if not is_address(recipient):
            draft.record("notification.lost", alert.id, integration="email", why=f"{recipient!r} is no address")
            continue
        waiting = draft.get(PENDING_MAILS, recipient) or PendingMail(recipient, ())
        draft.put(PENDING_MAILS, replace(waiting, items=(*waiting.items, (alert, message))))
        draft.schedule(draft.now, OWNER, MAIL, recipient)


def on_due(draft: Draft, timer: Timer) -> None:
    """Send a recipient everything that waits for them, in one mail."""
    waiting = draft.get(PENDING_MAILS, timer.key)
    if waiting is None:
        return
    draft.delete(PENDING_MAILS, timer.key)
    number = draft.fresh(MAIL_ID, "te.mail")
    stories = [(story(draft, alert), message) for alert, message in waiting.items]
    composed = compose(number, timer.key, draft.now, stories)
    alerts = tuple(alert.id for alert, _ in waiting.items)
    title = str(composed["Subject"])
    draft.put(MAILS, Mail(number, draft.now, timer.key, title, alerts, composed.as_bytes(policy=SMTP)))
    draft.record("email.sent", alerts[0], recipients=[timer.key], title=title, alerts=list(alerts), mail=number)


def compose(number: str, recipient: str, now: int, stories: Sequence[tuple[Story, str]]) -> EmailMessage:
    """Return the mail ``number`` about some alerts (with the texts of their rules): plain and as HTML."""
    mail = EmailMessage()
    mail["From"] = SENDER
    mail["To"] = recipient
    mail["Subject"] = subject([told for told, _ in stories])
    mail["Date"] = format_datetime(local(now, "UTC"))
    mail["Message-ID"] = f"<{number}@alerts.thousandeyes.com>"
    plain, rich = [], []
    for told, message in stories:
        fields = _fields(told)
        plain.append("\n".join([_headline(told), *([message] if message else []), *_lines(fields)]))
        rows = "".join(
            f"<tr><th align=left>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>"
            for name, value in fields.items()
        )
        text = f"<p>{html.escape(message)}</p>" if message else ""
        rich.append(f"<h2>{html.escape(_headline(told))}</h2>{text}<table>{rows}</table>")
    mail.set_content(_encodable("\n\n".join(plain) + "\n"))
    mail.add_alternative(_encodable(f"<html><body>{''.join(rich)}</body></html>\n"), subtype="html")
    mail.set_boundary(f"=_te_{number}")
    return mail


def posted(state: Committed, entry: Entry) -> tuple[str, str, bytes] | None:
    """Return id, recipient and content of the mail a journal entry says was sent, for a relay."""
    mail = state.get(MAILS, str(entry.data["mail"]))
    return None if mail is None else (mail.id, mail.recipient, mail.raw)


def subject(stories: Sequence[Story]) -> str:
    """Return the subject in one line: the one alert, or how many began and how many ended."""
    if len(stories) == 1:
        told = stories[0]
        return _line(f"{_what(told)}: {told.alert.rule_name} - {told.alert.test_name} ({told.type_name})")
    began = sum(told.triggered for told in stories)
    counts = [f"{began} Triggered"] * bool(began) + [f"{len(stories) - began} Cleared"] * (began < len(stories))
    return f"{len(stories)} alerts: {', '.join(counts)}"


def _line(text: str) -> str:
    """Return text as one line a header can carry: what cannot be read is left out, what is too long is cut."""
    words = "".join(sign if sign.isprintable() else " " for sign in text).split()
    line = " ".join(words)
    return line if len(line) <= LONGEST_SUBJECT else line[: LONGEST_SUBJECT - 1] + "…"


def _encodable(text: str) -> str:
    """Return text without halves of characters, which JSON can spell and mails cannot."""
    return text.encode(errors="replace").decode()


def _what(told: Story) -> str:
    return "Alert Triggered" if told.triggered else "Alert Cleared"


def _headline(told: Story) -> str:
    return f"{_what(told)}: {told.alert.test_name}"


def _fields(told: Story) -> dict[str, str]:
    alert, fields = told.alert, told.fields()
    if alert.end is not None:
        fields["Duration"] = f"{(alert.end - alert.start) // 60_000_000} minutes"
    return fields


def _lines(fields: dict[str, str]) -> list[str]:
    return [f"{name}: {value}" for name, value in fields.items()]
