"""ThousandEyes as a component of a world: its tables, its timers, its requests, and how its history reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from simulators.engine import instants
from simulators.engine.agenda import Timer
from simulators.engine.draft import Draft, Outcome
from simulators.engine.journal import Entry
from simulators.engine.tables import TableKey
from simulators.engine.timeline import Line, Tone
from simulators.engine.world import World
from simulators.thousandeyes import agent_alerts, mails, notifiers, saved_events, silences, units
from simulators.thousandeyes.connecting import ATTEMPTS
from simulators.thousandeyes.model import DOCUMENTS, INTEGRATIONS, OWNER, TABLES, TESTS


class ThousandEyes:
    """See :class:`simulators.engine.world.Component`."""

    name = OWNER
    tables: Sequence[TableKey[Any]] = (*TABLES, ATTEMPTS)

    _timers: Mapping[str, Callable[[Draft, Timer], None]] = {
        units.TRANSITION: units.on_transition,
        silences.SILENCE_ENDS: silences.on_end,
        notifiers.RETRY: notifiers.on_retry,
        mails.MAIL: mails.on_due,
        agent_alerts.LOOK: agent_alerts.on_look,
        saved_events.SNAPSHOT_EXPIRES: saved_events.on_expiry,
    }

    def on_timer(self, draft: Draft, timer: Timer) -> None:
        """Handle a due agenda entry."""
        self._timers[timer.kind](draft, timer)

    def on_outcome(self, draft: Draft, tag: Any, outcome: Outcome) -> None:
        """Handle what came of a notification."""
        notifiers.on_outcome(draft, tag, outcome)

    def describe(self, world: World, entry: Entry) -> Line | None:
        """Return the entry as a line of the timeline."""
        telling = _STORY.get(entry.kind)
        if telling is None:
            return None
        text, why, tone = telling(world, entry)
        return Line(entry.seq, entry.at, "ThousandEyes", text, why, tone)


_Telling = Callable[[World, Entry], tuple[str, str, Tone]]


def _condition(world: World, entry: Entry) -> tuple[str, str, Tone]:
    test = world.view.get(TESTS, entry.data["test"])
    name = "every test" if test is None else repr(test.name)
    value = f" {entry.data['value']}" if entry.data["value"] else ""
    until = entry.data["until"]
    span = f"from {instants.clock(entry.data['since'])} " + (f"until {instants.clock(until)}" if until else "on")
    seen_by = f" as seen by {entry.data['seen_by']}" if "seen_by" in entry.data else ""
    return f"trouble ahead for {name}: {entry.data['trouble']}{value}{seen_by}", span, Tone.TROUBLE


def _triggered(world: World, entry: Entry) -> tuple[str, str, Tone]:
    data = entry.data
    part = f" ({data['part']})" if "part" in data else ""
    text = f"alert on {data['test']!r}{part}, severity {data['severity']}, from {', '.join(data['agents'])}"
    why = f"rule {data['rule']!r}: {data['expression']} ({data['metrics']})"
    return text, f"{why}; {data['unknown']}" if "unknown" in data else why, Tone.TROUBLE


def _changed(world: World, entry: Entry) -> tuple[str, str, Tone]:
    joined, left = ", ".join(entry.data["joined"]), ", ".join(entry.data["left"])
    parts = [f"{joined} joined" if joined else "", f"{left} recovered" if left else ""]
    return f"alert on {entry.data['test']!r}: {' and '.join(part for part in parts if part)}", "", Tone.QUIET


def _cleared(world: World, entry: Entry) -> tuple[str, str, Tone]:
    part = f" ({entry.data['part']})" if "part" in entry.data else ""
    return f"alert on {entry.data['test']!r}{part} cleared", entry.data["why"], Tone.CALM


def _unknown(world: World, entry: Entry) -> tuple[str, str, Tone]:
    data = entry.data
    return f"only the vendor can evaluate rule {data['rule']!r} on {data['test']!r}", data["why"], Tone.NOTICE


def _suppressed(world: World, entry: Entry) -> tuple[str, str, Tone]:
    return f"alert on {entry.data['test']!r} suppressed", f"until {entry.data['until']}", Tone.QUIET


def _released(world: World, entry: Entry) -> tuple[str, str, Tone]:
    why = "the conditions still hold" if entry.data["holds"] else "the next round decides"
    return f"alert on {entry.data['test']!r} no longer suppressed", why, Tone.NOTICE


def _integration_name(world: World, name: str) -> str:
    integration, operation = world.view.get(INTEGRATIONS, name), world.view.get(DOCUMENTS, name)
    if integration is not None:
        return integration.name
    return name if operation is None else str(operation.body["name"])


def _posted(world: World, entry: Entry) -> tuple[str, str, Tone]:
    data = entry.data
    event = data["event"].removeprefix("ALERT_NOTIFICATION_").lower()
    return f"{event} posted to {data['channel']} {_integration_name(world, data['integration'])}", "", Tone.QUIET


def _mailed(world: World, entry: Entry) -> tuple[str, str, Tone]:
    return f"mail to {', '.join(entry.data['recipients'])}", entry.data["title"], Tone.QUIET


def _lost(world: World, entry: Entry) -> tuple[str, str, Tone]:
    name = _integration_name(world, entry.data["integration"])
    return f"notification to {name} cannot be sent", entry.data["why"], Tone.FAULT


def _installed(world: World, entry: Entry) -> tuple[str, str, Tone]:
    return f"PagerDuty service {entry.data['service']!r}: {entry.data['outcome']}", entry.data["text"], Tone.QUIET


def _notified(verb: str, tone: Tone) -> _Telling:
    def tell(world: World, entry: Entry) -> tuple[str, str, Tone]:
        data = entry.data
        name = _integration_name(world, data["integration"])
        event = data["event"].removeprefix("ALERT_NOTIFICATION_").lower()
        why = f"attempt {data['attempt']}: {data['error'] or 'HTTP ' + str(data['status'])}"
        if data.get("again"):
            why += f"; again at {instants.clock(data['again'])}"
        return f"{event} notification to {name} {verb}", why, tone

    return tell


_STORY: Mapping[str, _Telling] = {
    "condition.added": _condition,
    "alert.triggered": _triggered,
    "alert.changed": _changed,
    "alert.cleared": _cleared,
    "alert.suppressed": _suppressed,
    "alert.released": _released,
    "alerting.unknown": _unknown,
    "email.sent": _mailed,
    "integration.installed": _installed,
    "notification.lost": _lost,
    "notification.posted": _posted,
    "notification.delivered": _notified("delivered", Tone.QUIET),
    "notification.retried": _notified("not accepted", Tone.FAULT),
    "notification.failed": _notified("given up", Tone.FAULT),
}
