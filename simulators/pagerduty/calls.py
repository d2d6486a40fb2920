"""A phone call as one table: (state, what happens) gives the next state.

It rings until somebody picks up, a mailbox does, the line is busy or nobody comes. Keys mean something only while
somebody is on the line, and an answered call ends by itself after two minutes and a half (PagerDuty: phone
notifications). What the vendor shows of a call that reached nobody is assumed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum

from simulators.engine.agenda import Timer
from simulators.engine.draft import Draft
from simulators.engine.instants import SECOND
from simulators.pagerduty.model import MESSAGES, OWNER, CallState, Message

#: The longest call.
LONGEST = 150 * SECOND
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
    (CallState.ANSWERED, CallEvent.HANG_UP): CallState.ENDED,
    (CallState.ANSWERED, CallEvent.TIME_UP): CallState.ENDED,
    (CallState.VOICEMAIL, CallEvent.HANG_UP): CallState.ENDED,
    (CallState.VOICEMAIL, CallEvent.TIME_UP): CallState.ENDED,
}
#: State -> the status word of the notification; in any other state it stays what it was.
STATUS: Mapping[CallState, str] = {CallState.BUSY: "busy", CallState.NO_ANSWER: "no_answer"}
_ON_THE_LINE = (CallState.ANSWERED, CallState.VOICEMAIL)


def step(draft: Draft, call: Message, event: CallEvent) -> Message:
    """Let ``event`` happen to a call and return it; what the table does not know leaves it as it is."""
    state = CALLS.get((call.call, event))
    if state is None:
        return call
    changed = replace(call, call=state, status=STATUS.get(state, call.status))
    draft.put(MESSAGES, changed)
    if state in _ON_THE_LINE:
        draft.schedule(draft.now + LONGEST, OWNER, TIMER, call.id)
    else:
        draft.cancel(OWNER, TIMER, call.id)
    draft.record("call.changed", call.id, user=call.user, state=state.value, by=event.value)
    return changed


def on_timer(draft: Draft, timer: Timer) -> None:
    """End a call that lasted too long."""
    call = draft.get(MESSAGES, timer.key)
    if call is not None:
        step(draft, call, CallEvent.TIME_UP)
