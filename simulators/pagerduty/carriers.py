"""What lies between the vendor and a phone: lines that are slow, lose receipts, are landlines or blocked.

A number without an entry works. A lost receipt makes the vendor send again, so the person gets the message twice; an
SMS to a landline and anything to a blocked number fails and reaches nobody (PagerDuty: SMS notification
troubleshooting).
E-mails and push notifications pass by no carrier.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from simulators.engine.agenda import Timer
from simulators.engine.draft import Draft
from simulators.engine.instants import SECOND
from simulators.engine.tables import TableKey
from simulators.pagerduty.model import MESSAGE_ID, MESSAGES, OWNER, Channel, Message

TIMER = "carrier"
FAILED = "failed"
#: How long the vendor waits for a receipt before it sends again; the real time is not published.
PATIENCE = 60 * SECOND


@dataclass(frozen=True, slots=True)
class Carrier:
    """How the line of one number behaves; ``id`` is the number as messages show it, ``delay`` in microseconds."""

    id: str
    delay: int = 0
    receipts: bool = True
    landline: bool = False
    blocked: bool = False


CARRIERS: TableKey[Carrier] = TableKey("pagerduty.carriers")


def deliver(draft: Draft, message: Message) -> Message:
    """Hand a message to its carrier and return it with its status; it may arrive later, twice or never."""
    by_phone = message.channel in {Channel.SMS, Channel.PHONE}
    carrier = draft.get(CARRIERS, message.address) if by_phone else None
    if carrier is None:
        draft.put(MESSAGES, message)
        return message
    if carrier.blocked or (carrier.landline and message.channel is Channel.SMS):
        message = replace(message, status=FAILED)
        draft.put(MESSAGES, message)
        return message
    if carrier.delay:
        draft.schedule(draft.now + carrier.delay, OWNER, TIMER, message.id, message)
    else:
        draft.put(MESSAGES, message)
    if not carrier.receipts:
        again = replace(message, id=draft.fresh(MESSAGE_ID, "pagerduty.message"))
        draft.schedule(draft.now + carrier.delay + PATIENCE, OWNER, TIMER, again.id, again)
    return message


def on_timer(draft: Draft, timer: Timer) -> None:
    """Let a message arrive that was on its way."""
    message: Message = timer.data
    draft.put(MESSAGES, replace(message, at=draft.now))
    draft.record("notification.arrived", message.id, user=message.user, channel=message.channel.value)
