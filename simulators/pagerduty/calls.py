"""A phone call as one table: (state, what happens) gives the next state.

It rings until somebody picks up, a mailbox does, the line is busy or nobody comes. Keys mean something only while
somebody is on the line, and an answered call ends by itself after two minutes and a half (PagerDuty: phone
notifications). How long it rings and what the vendor shows of a call that reached nobody is assumed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum

from simulators.engine.agenda import Timer
from simulators.engine.draft import Draft
from simulators.engine.instants import SECOND
from simulators.pagerduty.model import MESSAGES, OWNER, CallState, Knobs, Message

#: The longest call.
LONGEST = 150 * SECOND
#: How long it rings before a mailbox picks up.
MAILBOX_AFTER = 20 * SECOND
TIMER = "call"


class CallEvent(StrEnum):
    """What can happen to a call."""

    ANSWER = "answer"
    VOICEMAIL = "voicemail"
    BUSY = "busy"
    NO_ANSWER = "no-answer"
    HANG_UP = "hang-up"
    TIME_UP = "time-up"


CALLS: Mapping[tuple[CallState, CallEvent], CallState] = {
    (CallState.RINGING, CallEvent.ANSWER): CallState.ANSWERED,
    (CallState.RINGING, CallEvent.VOICEMAIL): CallState.VOICEMAIL,
    (CallState.RINGING, CallEvent.BUSY): CallState.BUSY,
    (CallState.RINGING, CallEvent.NO_ANSWER): CallState.NO_ANSWER,
    (CallState.RINGING, CallEvent.HANG_UP): CallState.ENDED,
    (CallState.RINGING, CallEvent.TIME_UP): CallState.NO_ANSWER,
    (CallState.ANSWERED, CallEvent.HANG_UP): CallState.ENDED,
    (CallState.ANSWERED, CallEvent.TIME_UP): CallState.ENDED,
    (CallState.VOICEMAIL, CallEvent.HANG_UP): CallState.ENDED,
    (CallState.VOICEMAIL, CallEvent.TIME_UP): CallState.ENDED,
}
#: State -> the status word of the notification; an ended call keeps its own, one refused while it rang had no answer.
STATUS: Mapping[CallState, str] = {
    CallState.RINGING: "in_progress",
    CallState.ANSWERED: "success",
    CallState.VOICEMAIL: "success",
    CallState.BUSY: "busy",
    CallState.NO_ANSWER: "no_answer",
}
_ON_THE_LINE = (CallState.ANSWERED, CallState.VOICEMAIL)


def ring(draft: Draft, call: Message, *, busy: bool = False, mailbox: bool = False) -> Message:
    """Let a ringing call arrive and return it; a ``busy`` line ends it at once, a ``mailbox`` picks up in time."""
    draft.put(MESSAGES, call)
    if busy:
        return step(draft, call, CallEvent.BUSY)
    patience = draft.knobs(Knobs).ring_seconds * SECOND
    if mailbox and (not patience or patience > MAILBOX_AFTER):
        draft.schedule(draft.now + MAILBOX_AFTER, OWNER, TIMER, call.id, CallEvent.VOICEMAIL)
    elif patience:
        draft.schedule(draft.now + patience, OWNER, TIMER, call.id, CallEvent.TIME_UP)
    return call


def step(draft: Draft, call: Message, event: CallEvent) -> Message:
    """Let ``event`` happen to a call and return it; what the table does not know leaves it as it is."""
    state = CALLS.get((call.call, event))
    if state is None:
        return call
    ended = STATUS[CallState.NO_ANSWER] if call.call is CallState.RINGING else call.status
    changed = replace(call, call=state, status=STATUS.get(state, ended))
    draft.put(MESSAGES, changed)
    if state in _ON_THE_LINE:
        draft.schedule(draft.now + LONGEST, OWNER, TIMER, call.id, CallEvent.TIME_UP)
    else:
        draft.cancel(OWNER, TIMER, call.id)
    draft.record("call.changed", call.id, user=call.user, state=state.value, by=event.value)
    return changed


def on_timer(draft: Draft, timer: Timer) -> None:
    """Let a mailbox pick up, give up on a call nobody answers, or end one that lasted too long."""
    call = draft.get(MESSAGES, timer.key)
    if call is not None:
        step(draft, call, timer.data)
