"""PagerDuty as a component of a world: its tables, its timers, and its journal told in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from simulators.engine.agenda import Timer
from simulators.engine.draft import Draft, Outcome, View
from simulators.engine.journal import Entry
from simulators.engine.tables import TableKey
from simulators.engine.timeline import Line, Tone
from simulators.engine.world import World
from simulators.pagerduty import (
    calls,
    carriers,
    connect,
    handoff,
    incidents,
    intake,
    notify,
    oncall_notices,
    responders,
    subscribers,
    webhooks,
    webhooks_delivery,
)
from simulators.pagerduty.account import DUTIES_EDITED, ROTA_EDITED, Account, name
from simulators.pagerduty.model import INCIDENTS, OWNER, TABLES, Knobs, Purpose

_HANDLERS = {
    notify.RULE: notify.on_timer,
    notify.BUNDLE: notify.on_bundle,
    notify.ASK: notify.on_ask,
    "escalate": incidents.on_timer,
    "unacknowledge": incidents.on_timer,
    "resolve": incidents.on_timer,
    "urgency_change": incidents.on_timer,
    incidents.HAND_OFF: handoff.on_timer,
    responders.WALK: responders.on_timer,
    ROTA_EDITED: handoff.on_timer,
    DUTIES_EDITED: oncall_notices.on_timer,
    oncall_notices.TIMER: oncall_notices.on_timer,
    intake.UNPAUSE: intake.on_timer,
    intake.TAKE_IN: intake.on_delayed,
    calls.TIMER: calls.on_timer,
    carriers.TIMER: carriers.on_timer,
    webhooks.PUBLISH: webhooks_delivery.on_publish,
    webhooks.RETRY: webhooks_delivery.on_retry,
    webhooks.ENABLE: webhooks_delivery.on_enable,
}
_TONES: Mapping[str, Tone] = {
    "incident.triggered": Tone.TROUBLE,
    "incident.exhausted": Tone.TROUBLE,
    "incident.resolved": Tone.CALM,
    "incident.acknowledged": Tone.CALM,
    "event.appended": Tone.QUIET,
    "alert.grouped": Tone.QUIET,
    "alert.paused": Tone.QUIET,
    "event.dropped": Tone.FAULT,
    "event.refused": Tone.FAULT,
    "webhook.delivered": Tone.QUIET,
    "webhook.retried": Tone.FAULT,
    "webhook.dropped": Tone.FAULT,
    "webhook.disabled": Tone.TROUBLE,
}
_NOTICES: Mapping[str, str] = {
    Purpose.UPDATE: "subscribed to status updates",
    Purpose.HANDOFF: "goes on or off call",
}
#: What happens to telephone numbers, by kind of entry.
_LINES: Mapping[str, str] = {
    "sms.stopped": "asks for no more SMS",
    "sms.started": "gets SMS again",
    "sms.verified": "is verified for SMS",
    "carrier.changed": "has another kind of line",
}
_BY = {channel: f"by {channel}" for channel in ("sms", "phone", "email", "push")}


class PagerDuty:
    """The vendor; ``knobs`` are the defaults a world may override."""

    name = OWNER
    tables: Sequence[TableKey[Any]] = (
        *TABLES,
        *notify.TABLES,
        *carriers.TABLES,
        *webhooks.TABLES,
        *connect.TABLES,
        *responders.TABLES,
        *subscribers.TABLES,
    )

    def __init__(self, knobs: Knobs | None = None) -> None:
        self.knobs = knobs or Knobs()

    def on_timer(self, draft: Draft, timer: Timer) -> None:
        """Handle a due agenda entry."""
        _HANDLERS[timer.kind](draft, timer)

    def wanted(self, view: View, tag: Any) -> bool:
        """Return whether a webhook that waits to be sent still is to be: not when its endpoint was disabled since."""
        return view.get(webhooks.WEBHOOKS, tag) is not None

    def on_outcome(self, draft: Draft, tag: Any, outcome: Outcome) -> None:
        """Handle what came of a webhook; nothing else is sent."""
        webhooks_delivery.on_outcome(draft, tag, outcome)

    def describe(self, world: World, entry: Entry) -> Line | None:
        """Return the entry as a line of the timeline."""
        data = entry.data
        account = Account(world.view)
        tone = _TONES.get(entry.kind, Tone.NOTICE)

        def line(text: str, why: str = "", channel: str = "", person: str = "") -> Line:
            return Line(entry.seq, entry.at, "PagerDuty", text, why, tone, channel, person)

        def people() -> str:
            return ", ".join(name(account, "users", user) for user in data.get("people", ()))

        if entry.kind == "notification.sent":
            person, channel = name(account, "users", data["user"]), data["channel"]
            text = f"{person} notified {_BY[channel]} of #{data['number']}, {data['address']}"
            return line(text, _reason(account, data), channel, person)
        if entry.kind == "notice.sent":
            person, channel = name(account, "users", data["user"]), data["channel"]
            return line(
                f"{person} notified {_BY[channel]}, {data['address']}", _NOTICES[data["purpose"]], channel, person
            )
        if entry.kind == "reply.received":
            person, channel = name(account, "users", data["user"]), data["channel"]
            text = f"{person} answers {_BY[channel]}: {data['said']}"
            return line(text, "" if data["outcome"] == "done" else data["outcome"], channel, person)
        sentence = webhooks_delivery.sentence(entry.kind, data)
        if sentence is not None:
            return line(*sentence)
        connected = connect.sentence(account, entry)
        if connected is not None:
            return line(*connected)
        if entry.kind in _LINES:
            return line(f"{entry.subject} {_LINES[entry.kind]}", ", ".join(data))
        if entry.kind == "call.changed":
            return line(f"the call to {name(account, 'users', data['user'])}: {data['state'].replace('_', ' ')}")
        if entry.kind == "notification.arrived":
            person, channel = name(account, "users", data["user"]), data["channel"]
            return line(f"{person}'s {channel} arrives late or again", "the carrier", channel, person)
        if entry.kind == "alert.paused":
            return line(f"alert {data['key']!r} is held back", "the service pauses notifications")
        if entry.kind == "alert.grouped":
            return line(f"alert {data['key']!r} joins #{data['number']}", f"one of {data['count']} open alerts")
        if entry.kind == "event.dropped":
            return line(f"{data['action']} event {entry.subject!r} accepted and dropped", data["why"])
        if entry.kind == "event.refused":
            return line("event refused", "; ".join(data["errors"]))
        if entry.kind == "event.appended":
            return line(f"repeated event joins #{data['number']}", f"event {data['count']} with key {data['key']!r}")
        if not entry.kind.startswith("incident.") or world.view.get(INCIDENTS, entry.subject) is None:
            return None
        verb = entry.kind.removeprefix("incident.").replace("_", " ").replace(".", " ")
        agent = "" if data["channel"] in {"timeout", "api"} else f" by {name(account, 'users', data['agent'])}"
        why = "time ran out" if data["channel"] == "timeout" else f"via {data['channel']}"
        if verb == "triggered":
            return line(f"#{data['number']} {data['title']!r} triggered, assigned to {people()}", why)
        if verb == "exhausted":
            return line(f"#{data['number']} reached the end of its escalation policy", "nobody reacted")
        to = f" to {people()}" if data.get("people") else ""
        return line(f"#{data['number']} {verb}{to}{agent}", why)


def _reason(account: Account, data: Mapping[str, Any]) -> str:
    """Return why somebody was notified: the place in the escalation policy and the notification rule's delay."""
    place = "assigned directly"
    if data["purpose"] == Purpose.RESPONDER:
        place = "asked to help"
    elif data["level"]:
        place = f"level {data['level']} of {name(account, 'escalation_policies', data['policy'])!r}"
    since = "the request" if data["purpose"] == Purpose.RESPONDER else "assignment"
    return f"{place}, rule: {data['delay']} min after {since}" if data["delay"] else f"{place}, rule: at once"
