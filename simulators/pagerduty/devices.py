"""What people do with what reached them: SMS replies, keys on a call, taps on a push, links in a mail.

A reply acts as the notified person. When the incident has since been escalated, reassigned or resolved, the message is
outdated and the reply changes nothing; it is kept with the reason. Who was asked for help accepts or declines. An SMS
may also be a keyword: HELP is answered, STOP ends SMS to the number it comes from, START and then YES begin them again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from simulators.engine.draft import Draft, View
from simulators.pagerduty import calls, carriers, incidents, notify, responders, wording
from simulators.pagerduty.calls import CallEvent
from simulators.pagerduty.carriers import OPT_OUTS, OptOut
from simulators.pagerduty.model import (
    DOCUMENTS,
    MESSAGE_ID,
    MESSAGES,
    REPLIES,
    Agent,
    CallState,
    Channel,
    Incident,
    Message,
    Purpose,
    Reply,
)

DONE = "done"
NOT_UNDERSTOOD = "not understood"
#: Key -> what it does, by what the message is about.
ACTIONS: Mapping[Purpose, Mapping[str, str]] = {
    Purpose.INCIDENT: {"4": "acknowledge", "6": "resolve", "8": "escalate"},
    Purpose.RESPONDER: {"4": "accept", "6": "decline"},
}


def inbox(draft: View, user: str, channel: Channel | None = None) -> list[Message]:
    """Return the messages that reached a user, oldest first."""
    found = (row for row in draft.find(MESSAGES, "user", user) if row.status != carriers.FAILED)
    return [row for row in found if channel is None or row.channel is channel]


def offers(message: Message) -> tuple[str, ...]:
    """Return what a message offers its reader to do, as its text, buttons or links say.

    A mail and a bundle do not offer to escalate, a call only when there is a further level.
    """
    silent = message.channel is Channel.EMAIL or bool(message.others)
    if message.channel is Channel.PHONE or message.channel is Channel.SMS:
        silent = not re.search(r"8(:Escal8| to escalate)", message.text)
    return tuple(word for word in ACTIONS.get(message.purpose, {}).values() if word != "escalate" or not silent)


def _keep(draft: Draft, user: str, channel: Channel, message: str, said: str, outcome: str, answer: str = "") -> Reply:
    id = draft.fresh(MESSAGE_ID, "pagerduty.reply")
    reply = Reply(id, message, user, channel, said, draft.now, outcome, answer)
    draft.put(REPLIES, reply)
    draft.record("reply.received", message, user=user, channel=channel.value, said=said, outcome=outcome)
    return reply


def _act(draft: Draft, message: Message, said: str, action: str | None, shown: str) -> Reply:
    """Do what a reply asks for, with every incident the message can still act on; ``shown`` is the log's channel."""
    about = notify.subjects(draft, message)
    known = ACTIONS.get(message.purpose, {}).values()
    if action is None or action not in known:
        return _keep(draft, message.user, message.channel, message.id, said, NOT_UNDERSTOOD, wording.UNKNOWN)
    if not about:
        outdated = "outdated: the incident has moved on"
        return _keep(draft, message.user, message.channel, message.id, said, outdated)
    agent = Agent("user_reference", message.user, shown)
    outcome, answer = DONE, wording.done(action, about)
    for incident in about:
        if not _carry_out(draft, message, incident, action, agent):
            outcome, answer = "there is no level to escalate to", "PagerDuty: there is no level to escalate to."
    return _keep(draft, message.user, message.channel, message.id, said, outcome, answer)


def _carry_out(draft: Draft, message: Message, incident: Incident, action: str, agent: Agent) -> bool:
    """Return whether the action changed anything."""
    if action == "acknowledge":
        incidents.acknowledge(draft, incident, agent)
    elif action == "resolve":
        incidents.resolve(draft, incident, agent)
    elif action == "escalate":
        return incidents.escalate(draft, incident, agent) is not incident
    else:
        state = responders.State.JOINED if action == "accept" else responders.State.DECLINED
        if responders.answer(draft, incident, message.user, state, agent) is None:
            notify.settle(draft, message.ref, message.user)
    return True


# -- SMS ---------------------------------------------------------------------------------------------------------------


def reply_sms(draft: Draft, user: str, text: str, number: str = "") -> Reply:
    """Answer by SMS: a keyword, or ``4``, ``6`` or ``8``, preceded by the digit the message named.

    ``number`` is the one the SMS comes from, by default the user's own.
    """
    said = text.strip()
    keyword = said.upper()
    if keyword in _KEYWORDS:
        return _keep(draft, user, Channel.SMS, "", said, *_keyword(draft, keyword, number or own_number(draft, user)))
    match = re.fullmatch(r"([1-9]?)([468])", said, re.ASCII)
    codes = draft.get(notify.CODES, user)
    held = codes.held[int(match[1] or 0)] if match and codes else ""
    message = draft.get(MESSAGES, held) if held else None
    if match is None or message is None:
        outcome = NOT_UNDERSTOOD if match is None else "no such message"
        return _keep(draft, user, Channel.SMS, "", said, outcome, wording.UNKNOWN)
    return _act(draft, message, said, ACTIONS[message.purpose].get(match[2]), "sms")


def own_number(view: View, user: str) -> str:
    """Return the number a user texts from: their first contact method for SMS; empty when there is none."""
    found = (
        carriers.address(row)
        for row in view.find(DOCUMENTS["contact_methods"], "parent", user)
        if row.body.get("type") == "sms_contact_method"
    )
    return next(found, "")


_KEYWORDS = ("HELP", "STOP", "START", "YES")


def _keyword(draft: Draft, keyword: str, number: str) -> tuple[str, str]:
    """Carry out a keyword from a number and return what came of it and the answer.

    Only a number that said STOP is asked to confirm a START; YES means something only after that.
    """
    held = draft.get(OPT_OUTS, number)
    if keyword == "HELP":
        return DONE, wording.HELP
    if keyword == "STOP" and number:
        draft.put(OPT_OUTS, OptOut(number))
        draft.record("sms.stopped", number)
        return DONE, wording.STOPPED
    if keyword == "START" and held is not None:
        draft.put(OPT_OUTS, replace(held, asked=True))
        return DONE, wording.STARTING
    if keyword == "YES" and held is not None and held.asked:
        draft.delete(OPT_OUTS, number)
        draft.record("sms.started", number)
        return DONE, wording.STARTED
    return (DONE, wording.STARTED) if keyword == "START" else (NOT_UNDERSTOOD, wording.UNKNOWN)


# -- calls -------------------------------------------------------------------------------------------------------------


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
    """Press a key during an answered call: 4, 6 and 8 act, 0 and * are help and repeat.

    The reply's ``answer`` is what the voice says then.
    """
    call = draft.need(MESSAGES, call_id)
    if call.call is not CallState.ANSWERED:
        return _keep(draft, call.user, call.channel, call.id, key, "nobody is on the line")
    if key in {"0", "*"}:
        said = call.text if key == "*" else wording.menu(call.text)
        return _keep(draft, call.user, call.channel, call.id, key, DONE, said)
    return _act(draft, call, key, ACTIONS[call.purpose].get(key), "phone")


# -- push and mail -----------------------------------------------------------------------------------------------------


def push_action(draft: Draft, message_id: str, action: str) -> Reply:
    """Tap ``acknowledge``, ``resolve`` or ``escalate`` (``accept`` or ``decline``) on a push notification."""
    return _act(draft, draft.need(MESSAGES, message_id), action, action, "mobile")


def email_action(draft: Draft, message_id: str, action: str) -> Reply:
    """Follow the acknowledge or resolve (accept or decline) link of a mail."""
    return _act(draft, draft.need(MESSAGES, message_id), action, action, "email")
