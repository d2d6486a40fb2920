"""What lies between the vendor and a phone: lines that are slow, repeat, lose receipts, are landlines, busy or blocked.

A number without an entry works. A lost receipt makes the vendor send again, so the person gets the message twice; an
SMS to a landline, to a number that asked for no more of them (``STOP``) and anything to a blocked number fails and
reaches nobody (PagerDuty: SMS notification troubleshooting). E-mails and push notifications pass by no carrier.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

from simulators.engine.agenda import Timer
from simulators.engine.draft import Draft, View
from simulators.engine.instants import SECOND
from simulators.engine.resources import Document
from simulators.engine.tables import TableKey
from simulators.pagerduty import account, calls, escalation
from simulators.pagerduty.model import DOCUMENTS, MESSAGE_ID, MESSAGES, OWNER, Channel, Message

TIMER = "carrier"
FAILED, IN_PROGRESS = "failed", "in_progress"
#: How long the vendor waits for a receipt before it sends again; the real time is not published.
PATIENCE = 60 * SECOND
_BY_NUMBER = {Channel.SMS, Channel.PHONE}


@dataclass(frozen=True, slots=True)
class Carrier:
    """How the line of one number behaves; ``id`` is the number as messages show it, ``delay`` in microseconds.

    A line that ``repeats`` delivers every message twice, a ``mailbox`` picks up calls that nobody answers, a ``busy``
    line takes none.
    """

    id: str
    delay: int = 0
    receipts: bool = True
    landline: bool = False
    blocked: bool = False
    busy: bool = False
    mailbox: bool = False
    repeats: bool = False


@dataclass(frozen=True, slots=True)
class OptOut:
    """A number that gets no SMS because it said STOP; ``asked`` when it has since said START and not yet YES."""

    id: str
    asked: bool = False


CARRIERS: TableKey[Carrier] = TableKey("pagerduty.carriers")
OPT_OUTS: TableKey[OptOut] = TableKey("pagerduty.opt_outs")
TABLES = (CARRIERS, OPT_OUTS)


def address(method: Document) -> str:
    """Return a contact method's address as messages show it: numbers with their country code."""
    plain = str(method.body.get("address", ""))
    if escalation.CHANNELS.get(str(method.body.get("type"))) in _BY_NUMBER:
        return f"+{method.body.get('country_code') or 1} {plain}"
    return plain


def stopped(view: View, number: str) -> bool:
    """Return whether a number asked for no more SMS."""
    return view.get(OPT_OUTS, number) is not None


def verify(draft: Draft, number: str) -> None:
    """Enable SMS to a number, as entering the code it was sent does."""
    for row in list(draft.all(DOCUMENTS["contact_methods"])):
        if row.body.get("type") == "sms_contact_method" and address(row) == number:
            account.put(draft, "contact_methods", {**row.body, "enabled": True}, row.parent)
    draft.record("sms.verified", number)


def change(draft: Draft, line: Carrier) -> None:
    """Let a number's line behave as ``line`` says from now on; one without faults works again."""
    sound = asdict(Carrier(line.id))
    faults = {name: value for name, value in asdict(line).items() if value != sound[name]}
    if faults:
        draft.put(CARRIERS, line)
    else:
        draft.delete(CARRIERS, line.id)
    draft.record("carrier.changed", line.id, **faults)


def deliver(draft: Draft, message: Message, method: Document) -> Message:
    """Hand a message to its carrier and return it with its status; it may arrive later, twice or never.

    Nothing is sent by a contact ``method`` that is not enabled.
    """
    sent, carrier = message, draft.get(CARRIERS, message.address) if message.channel in _BY_NUMBER else None
    sms = message.channel is Channel.SMS
    if method.body.get("enabled") is False or (sms and stopped(draft, message.address)):
        return _fail(draft, message)
    if carrier is None:
        return _arrive(draft, message, None)
    if carrier.blocked or (carrier.landline and sms):
        return _fail(draft, message)
    if carrier.delay:
        draft.schedule(draft.now + carrier.delay, OWNER, TIMER, message.id, message)
        message = replace(message, status=IN_PROGRESS)
    else:
        message = _arrive(draft, message, carrier)
    if carrier.repeats:
        _send_again(draft, sent, carrier.delay)
    if not carrier.receipts:
        _send_again(draft, sent, carrier.delay + PATIENCE)
    return message


def _send_again(draft: Draft, message: Message, after: int) -> None:
    again = replace(message, id=draft.fresh(MESSAGE_ID, "pagerduty.message"))
    draft.schedule(draft.now + after, OWNER, TIMER, again.id, again)


def _fail(draft: Draft, message: Message) -> Message:
    failed = replace(message, status=FAILED)
    draft.put(MESSAGES, failed)
    return failed


def _arrive(draft: Draft, message: Message, line: Carrier | None) -> Message:
    if message.channel is Channel.PHONE:
        return calls.ring(
            draft, message, busy=line is not None and line.busy, mailbox=line is not None and line.mailbox
        )
    draft.put(MESSAGES, message)
    return message


def on_timer(draft: Draft, timer: Timer) -> None:
    """Let a message arrive that was on its way."""
    message: Message = timer.data
    _arrive(draft, replace(message, at=draft.now), draft.get(CARRIERS, message.address))
    draft.record("notification.arrived", message.id, user=message.user, channel=message.channel.value)
