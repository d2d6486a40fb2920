"""What people do with what reached them: SMS replies, keys on a call, taps on a push, links in a mail.

A reply acts as the notified person. When the incident has since been escalated, reassigned or resolved, the message is
outdated and the reply changes nothing; it is kept with the reason.
"""

from __future__ import annotations

import re

from simulators.engine.draft import Draft, View
from simulators.pagerduty import calls, carriers, incidents, notify
from simulators.pagerduty.calls import CallEvent
from simulators.pagerduty.model import (
    MESSAGE_ID,
    MESSAGES,
    REPLIES,
    Agent,
    CallState,
    Channel,
    Message,
    Reply,
)

DONE = "done"
_KEYS = {"4": "acknowledge", "6": "resolve", "8": "escalate"}
_WORDS = frozenset(_KEYS.values())


def inbox(draft: View, user: str, channel: Channel | None = None) -> list[Message]:
    """Return the messages that reached a user, oldest first."""
    found = (row for row in draft.find(MESSAGES, "user", user) if row.status != carriers.FAILED)
    return [row for row in found if channel is None or row.channel is channel]


def _keep(draft: Draft, user: str, channel: Channel, message: str, said: str, outcome: str) -> Reply:
    reply = Reply(draft.fresh(MESSAGE_ID, "pagerduty.reply"), message, user, channel, said, draft.now, outcome)
    draft.put(REPLIES, reply)
    draft.record("reply.received", message, user=user, channel=channel.value, said=said, outcome=outcome)
    return reply


def _act(draft: Draft, message: Message, said: str, action: str | None, shown: str) -> Reply:
    outcome, about = DONE, notify.subjects(draft, message)
    if action not in _WORDS:
        outcome = "not understood"
    elif not about:
        outcome = "outdated: the incident has moved on"
    agent = Agent("user_reference", message.user, shown)
    for incident in about if outcome == DONE else ():
        if action == "acknowledge":
            incidents.acknowledge(draft, incident, agent)
        elif action == "resolve":
            incidents.resolve(draft, incident, agent)
        elif incidents.escalate(draft, incident, agent) is incident:
            outcome = "there is no level to escalate to"
    return _keep(draft, message.user, message.channel, message.id, said, outcome)


def reply_sms(draft: Draft, user: str, text: str) -> Reply:
    """Answer by SMS: ``4``, ``6`` or ``8``, preceded by the digit the message named."""
    said = text.strip()
    match = re.fullmatch(r"([1-9]?)([468])", said, re.ASCII)
    codes = draft.get(notify.CODES, user)
    held = codes.held[int(match[1] or 0)] if match and codes else ""
    message = draft.get(MESSAGES, held) if held else None
    if match is None or message is None:
        return _keep(draft, user, Channel.SMS, "", said, "not understood" if match is None else "no such message")
    return _act(draft, message, said, _KEYS[match[2]], "sms")


def answer(draft: Draft, call_id: str) -> Message:
    """Pick up a ringing call; any other call stays as it is."""
    return happen(draft, call_id, CallEvent.ANSWER)


def hang_up(draft: Draft, call_id: str) -> Message:
    """End a call."""
    return happen(draft, call_id, CallEvent.HANG_UP)


def happen(draft: Draft, call_id: str, event: CallEvent) -> Message:
    """Let something happen to a call; what cannot happen in its state changes nothing."""
    return calls.step(draft, draft.need(MESSAGES, call_id), event)


def press(draft: Draft, call_id: str, key: str) -> Reply:
    """Press a key during an answered call: 4, 6 and 8 act, 0 and * are help and repeat."""
    message = draft.need(MESSAGES, call_id)
    if message.call is not CallState.ANSWERED:
        return _keep(draft, message.user, message.channel, message.id, key, "nobody is on the line")
    if key in {"0", "*"}:
        return _keep(draft, message.user, message.channel, message.id, key, DONE)
    return _act(draft, message, key, _KEYS.get(key), "phone")


def push_action(draft: Draft, message_id: str, action: str) -> Reply:
    """Tap ``acknowledge``, ``resolve`` or ``escalate`` on a push notification."""
    return _act(draft, draft.need(MESSAGES, message_id), action, action, "mobile")


def email_action(draft: Draft, message_id: str, action: str) -> Reply:
    """Follow the acknowledge or resolve link of a mail."""
    return _act(draft, draft.need(MESSAGES, message_id), action, action, "email")
