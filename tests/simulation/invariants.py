"""What must hold on any stage, whatever happens: each invariant is one sentence and one function of the evidence.

*Always* holds after every step. *Settled* holds once conditions and faults have ended and more than the sender's retry
hour has passed. Two exceptions exist, and neither is taken on trust: each is proved from the journal for the case at
hand (:func:`excused`), otherwise it is a failure like any other.

* PagerDuty took a trigger, the bridge never heard so (the answer was lost, or the bridge died), and a person resolved
  the incident before the second try: the second try opens another one.
* A trigger outlived its sender's patience on the way and arrived after its incident was resolved: it opens another one,
  and when the resolve has gone by, nobody closes it.

A trigger or resolve that something on the way answered with 400 is dead, and a resolve that PagerDuty took and dropped
during maintenance leaves its incident open; both are excused when the journal holds exactly that about exactly that
event. Nobody reopens a resolved incident in these runs.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from evidence import BRIDGE, EVENTS, Attempt, Evidence, Exchange

from simulators.engine import instants
from simulators.pagerduty import model as pagerduty
from simulators.pagerduty.incidents import TIMERS
from simulators.pagerduty.model import ALERTS, DOCUMENTS, INCIDENTS, Incident, Status, Urgency
from simulators.thousandeyes import model as thousandeyes
from simulators.thousandeyes.model import NOTIFICATIONS, UNITS, AlertState
from simulators.thousandeyes.units import TRANSITION


class Violated(AssertionError):
    """An invariant does not hold; the message begins with its name."""


@dataclass(frozen=True, slots=True)
class Invariant:
    """A sentence and the function that yields a complaint per place where it does not hold."""

    name: str
    sentence: str
    complaints: Callable[[Evidence], Iterator[str]]


# -- always ------------------------------------------------------------------------------------------------------------


def time_goes_on(evidence: Evidence) -> Iterator[str]:
    """Yield entries older than their predecessor, and causes that are not earlier than their effect."""
    first = len(evidence.entries) - len(evidence.fresh)
    latest = evidence.entries[first - 1].at if first else 0
    for entry in evidence.fresh:
        if entry.at < latest:
            yield f"entry {entry.seq} ({entry.kind}) is older than the one before it"
        if not 0 <= entry.cause < entry.seq:
            yield f"entry {entry.seq} ({entry.kind}) is caused by entry {entry.cause}"
        latest = entry.at
    if evidence.world.now < latest:
        yield "the clock stands before the newest entry"


def nothing_breaks(evidence: Evidence) -> Iterator[str]:
    """Yield internal errors, notifications given up, and events PagerDuty refused."""
    for entry in evidence.fresh:
        if entry.kind in {"error", "event.refused", "notification.failed", "notification.lost"}:
            yield f"{entry.kind}: {dict(entry.data)}"
        if entry.kind == "response":
            usual = {BRIDGE: (200, 503), EVENTS: (202, 429)}.get(entry.subject)
            if usual is not None and int(entry.data["status"]) not in usual:
                yield f"{entry.subject} answered {entry.data['status']}: {entry.data['body']}"


def one_incident_per_alert(evidence: Evidence) -> Iterator[str]:
    """Yield alerts with more incidents than can be excused."""
    seen: dict[str, list[Incident]] = {}
    for incident in evidence.world.view.all(INCIDENTS):
        seen.setdefault(evidence.opening(incident.id).alert, []).append(incident)
    for alert, incidents in seen.items():
        for before, incident in itertools.pairwise(incidents):
            if not excused(evidence, before, incident):
                yield f"alert {alert} has incident #{before.number} and then #{incident.number}"


def silent_after_acknowledge(evidence: Evidence) -> Iterator[str]:
    """Yield notifications of incidents that are acknowledged or resolved at that moment."""
    quiet: dict[str, str] = {}
    for entry in evidence.entries:
        verb = _SOUND.get(entry.kind)
        if verb is not None:
            quiet[entry.subject] = verb
        elif entry.kind == "notification.sent" and quiet.get(entry.subject):
            yield (
                f"{entry.data['user']} got a {entry.data['channel']} of #{entry.data['number']}, which is "
                + (quiet[entry.subject])
            )


_SOUND = {
    "incident.triggered": "",
    "incident.unacknowledged": "",
    "incident.escalated": "",
    "incident.reassigned": "",
    "incident.delegated": "",
    "incident.acknowledged": "acknowledged",
    "incident.resolved": "resolved",
}


def resolve_is_final(evidence: Evidence) -> Iterator[str]:
    """Yield triggers tried after their alert's resolve was, and changes of resolved incidents."""
    over: set[str] = set()
    for attempt in evidence.attempts:
        if attempt.what == "resolve":
            over.add(attempt.alert)
        elif attempt.alert in over:
            yield f"entry {attempt.seq}: a trigger of alert {attempt.alert} goes out after its resolve"
    resolved: set[str] = set()
    for entry in evidence.entries:
        if entry.subject in resolved and entry.kind.startswith("incident.") and entry.kind != "incident.annotated":
            yield f"entry {entry.seq}: {entry.kind} of a resolved incident"
        if entry.kind == "incident.resolved":
            resolved.add(entry.subject)


def nothing_invented(evidence: Evidence) -> Iterator[str]:
    """Yield events of the bridge that no earlier notification accounts for."""
    first: dict[tuple[str, str], int] = {}
    for webhook in evidence.webhooks:
        first.setdefault((webhook.alert, webhook.what), webhook.seq)
    for attempt in evidence.attempts:
        wanted = "clear" if attempt.what == "resolve" else "trigger"
        if first.get((attempt.alert, wanted), attempt.seq) >= attempt.seq:
            yield f"entry {attempt.seq}: a {attempt.what} of alert {attempt.alert or 'nobody knows'} out of nothing"


def confirmed_once(evidence: Evidence) -> Iterator[str]:
    """Yield events that are sent again although PagerDuty has confirmed them."""
    done: set[tuple[str, str]] = set()
    for attempt in evidence.attempts:
        event = (attempt.alert, attempt.what)
        if event in done:
            yield f"entry {attempt.seq}: the {attempt.what} of alert {attempt.alert} was confirmed before"
        if attempt.confirmed:
            done.add(event)


def one_key_per_alert(evidence: Evidence) -> Iterator[str]:
    """Yield events that are sent by another integration key than the alert's first."""
    first: dict[str, str] = {}
    for attempt in evidence.attempts:
        if first.setdefault(attempt.alert, attempt.key) != attempt.key:
            yield f"entry {attempt.seq}: the {attempt.what} of alert {attempt.alert} goes by {attempt.key}"


def severity_is_told(evidence: Evidence) -> Iterator[str]:
    """Yield triggers whose severity is not what the notification said."""
    said = {webhook.alert: webhook.severity for webhook in evidence.webhooks if webhook.what == "trigger"}
    for attempt in evidence.attempts:
        if attempt.what == "trigger" and attempt.severity != SEVERITIES.get(said.get(attempt.alert, "")):
            yield f"entry {attempt.seq}: alert {attempt.alert} is {said.get(attempt.alert)}, not {attempt.severity}"


SEVERITIES = {"Critical": "critical", "Major": "error", "Minor": "warning", "Info": "warning"}


def pace_is_kept(evidence: Evidence) -> Iterator[str]:
    """Yield integration keys that are tried more often in a minute than the bridge was told."""
    if evidence.per_minute is None:
        return
    recent: dict[str, list[Attempt]] = {}
    for attempt in evidence.attempts:
        last = recent.setdefault(attempt.key, [])
        last[:] = [*(one for one in last if one.at > attempt.at - instants.MINUTE), attempt]
        # A bridge that dies between a try and its note does not know of that try.
        known = [one for one in last if not one.died]
        if len(known) > evidence.per_minute and not evidence.clock_was_set(last[0].at, attempt.at):
            yield f"entry {attempt.seq}: {len(known)} tries with {attempt.key} in a minute"


def keys_stand_alone(evidence: Evidence) -> Iterator[str]:
    """Yield events that had to wait although nothing was wrong with their own integration key.

    Waiting is in order while the bridge is down, busy or failing, behind an earlier event of the same alert, within six
    minutes of a try of the same key that was not confirmed, and when the key's pace is used up.
    """
    firsts: dict[tuple[str, str], Attempt] = {}
    for attempt in evidence.attempts:
        firsts.setdefault((attempt.alert, attempt.what), attempt)
    seen: set[tuple[str, str]] = set()
    for webhook in evidence.webhooks:
        what = "resolve" if webhook.what == "clear" else webhook.what
        event = firsts.get((webhook.alert, what))
        if event is None or not webhook.stored or (webhook.alert, what) in seen:
            continue
        seen.add((webhook.alert, what))
        if event.at > webhook.at and not _held_up(evidence, webhook.at, event):
            yield f"entry {event.seq}: the {what} of alert {webhook.alert} has waited since {webhook.at} for no reason"


def _held_up(evidence: Evidence, since: int, event: Attempt) -> bool:
    if evidence.astray(since, event.at):
        return True
    own = [one for one in evidence.attempts if one.key == event.key and one.seq < event.seq]
    if any(not one.confirmed and one.at >= since - 6 * instants.MINUTE for one in own):
        return True
    if any(one.alert == event.alert and one.at >= since for one in own):
        return True
    if evidence.per_minute is None or len(own) < evidence.per_minute:
        return False
    # Tries of before a jump of the clock count as if they had been made when the bridge noticed it: at its next run.
    oldest = own[-evidence.per_minute].at
    jumped = evidence.clock_was_set(oldest, event.at) and event.at - since <= instants.MINUTE
    return jumped or oldest > event.at - instants.MINUTE - instants.SECOND


def incidents_add_up(evidence: Evidence) -> Iterator[str]:
    """Yield incidents whose counts, people and timers do not fit their state."""
    view = evidence.world.view
    timers: dict[str, list[str]] = {}
    notified: dict[str, list[str]] = {}
    for timer in evidence.world.agenda.timers():
        if timer.owner != pagerduty.OWNER:
            continue
        if timer.due < evidence.world.now:
            yield f"{timer.kind} {timer.key} is overdue"
        if timer.kind == "notify":
            incident_id, user, _ = timer.data
            notified.setdefault(incident_id, []).append(user)
        elif timer.kind in TIMERS:
            timers.setdefault(timer.key, []).append(timer.kind)
    last = 0
    for incident in view.all(INCIDENTS):
        if incident.number <= last:
            yield f"#{incident.number} comes after #{last}"
        last = incident.number
        alerts = view.find(ALERTS, "incident", incident.id)
        still_open = sum(alert.status is Status.TRIGGERED for alert in alerts)
        if (incident.triggered, incident.closed) != (still_open, len(alerts) - still_open):
            yield f"#{incident.number} counts {incident.triggered} and {incident.closed} of {len(alerts)} alerts"
        due, users = timers.get(incident.id, []), notified.get(incident.id, [])
        yield from (f"#{incident.number} {wrong}" for wrong in _misfits(evidence, incident, due, users))
    open_keys = [(row.integration, row.key) for row in view.all(ALERTS) if row.status is Status.TRIGGERED]
    if len(open_keys) != len(set(open_keys)):
        yield "two open alerts share a key"


def _misfits(evidence: Evidence, incident: Incident, due: list[str], notified: list[str]) -> Iterator[str]:
    people = [assignment.user for assignment in incident.assignments]
    service = evidence.world.view.need(DOCUMENTS["services"], incident.service)
    acknowledged = incident.status is Status.ACKNOWLEDGED
    follows = incident.policy is not None and incident.level > 0 and not incident.exhausted
    wanted = []
    if incident.status is Status.TRIGGERED and incident.urgency is Urgency.HIGH and follows:
        wanted.append("escalate")
    if acknowledged and (incident.snoozed or service.body.get("acknowledgement_timeout")):
        wanted.append("unacknowledge")
    if sorted(due) != wanted:
        yield f"is {incident.status} and has the timers {sorted(due)}, not {wanted}"
    if bool(incident.acknowledgements) is not acknowledged:
        yield f"is {incident.status} with {len(incident.acknowledgements)} acknowledgements"
    if (incident.status is Status.RESOLVED) is not (incident.resolved is not None):
        yield f"is {incident.status}, resolved at {incident.resolved}"
    if (incident.status is Status.RESOLVED) is bool(people):
        yield f"is {incident.status} and assigned to {people}"
    if (incident.status is Status.RESOLVED) is not (incident.triggered == 0):
        yield f"is {incident.status} with {incident.triggered} open alerts"
    if len(people) != len(set(people)):
        yield f"is assigned twice: {people}"
    if incident.status is not Status.TRIGGERED and notified:
        yield f"is {incident.status} and will notify {notified}"
    if not set(notified) <= set(people):
        yield f"is assigned to {people} and will notify {notified}"


def alerts_add_up(evidence: Evidence) -> Iterator[str]:
    """Yield ThousandEyes alerts whose locations, notifications or units do not fit their state."""
    view = evidence.world.view
    active: dict[str, int] = {}
    for alert in view.all(thousandeyes.ALERTS):
        inside = sum(location.state is AlertState.TRIGGER for location in alert.locations)
        if alert.state is AlertState.TRIGGER:
            active[alert.unit] = active.get(alert.unit, 0) + 1
            if alert.end is not None or inside == 0 or inside != alert.violations:
                yield f"active alert {alert.id} has {inside} active locations and {alert.violations} violations"
        elif alert.end is None or alert.end < alert.start or inside:
            yield f"ended alert {alert.id} has {inside} active locations, {alert.start} to {alert.end}"
        sent = [row.event for row in view.find(NOTIFICATIONS, "alert", alert.id)]
        if len(sent) != len(set(sent)):
            yield f"alert {alert.id} has {len(sent)} notifications: {sent}"
    for unit in view.all(UNITS):
        if active.pop(unit.id, 0) != (unit.active is not None):
            yield f"unit {unit.id} and its alerts disagree"
        if view.timer(thousandeyes.OWNER, TRANSITION, unit.id) is None:
            yield f"unit {unit.id} is never looked at again"
    yield from (f"unit {name} is gone and its alert is active" for name in active)


# -- settled -----------------------------------------------------------------------------------------------------------


def nothing_lost(evidence: Evidence) -> Iterator[str]:
    """Yield notifications the bridge answered 200 that neither reached PagerDuty nor ended for a proved reason."""
    for webhook in evidence.webhooks:
        if webhook.status != 200 or webhook.what not in ("trigger", "clear"):
            continue
        what = "resolve" if webhook.what == "clear" else "trigger"
        tries = evidence.tries(webhook.alert, what)
        arrived = any(attempt.accepted for attempt in tries)
        dead = any(attempt.refused for attempt in tries)
        superseded = what == "trigger" and _cleared_before(evidence, webhook)
        if not (arrived or dead or superseded or _coalesced(evidence, webhook.alert)):
            yield f"the {webhook.what} of alert {webhook.alert}, accepted as entry {webhook.seq}, never arrived"


def active_and_open_agree(evidence: Evidence) -> Iterator[str]:
    """Yield active alerts without an open incident, and open incidents without an active alert, for no listed cause.

    The causes, each to be found in the journal: a person resolved the incident; PagerDuty took the event and dropped it
    (maintenance, nobody on call); something on the way refused it for good; coalesced; a straggler; the vendor still
    repeats the notification.
    """
    view = evidence.world.view
    by_alert: dict[str, list[Incident]] = {}
    for incident in view.all(INCIDENTS):
        by_alert.setdefault(evidence.opening(incident.id).alert, []).append(incident)
    for alert in view.all(thousandeyes.ALERTS):
        incidents = by_alert.get(alert.id, [])
        is_open = any(incident.status is not Status.RESOLVED for incident in incidents)
        if (alert.state is AlertState.TRIGGER) is is_open:
            continue
        complaint = f"alert {alert.id} is {alert.state} and its incidents are {[one.status.value for one in incidents]}"
        if is_open:
            resolves = evidence.tries(alert.id, "resolve")
            opened = [evidence.opening(one.id) for one in incidents if one.status is not Status.RESOLVED]
            excuses = (
                _undelivered(evidence, alert.id),
                any(attempt.refused for attempt in resolves),
                _dropped(evidence, resolves),
                any(_late(evidence, one) for one in opened),
            )
        else:
            triggers = evidence.tries(alert.id, "trigger")
            excuses = (
                _undelivered(evidence, alert.id),
                any(one.resolved_by is not None and one.resolved_by.type == "user_reference" for one in incidents),
                any(attempt.refused for attempt in triggers),
                _dropped(evidence, triggers),
                _coalesced(evidence, alert.id),
            )
        if not any(excuses):
            yield complaint


def _undelivered(evidence: Evidence, alert: str) -> bool:
    """Whether the vendor still tries to tell the latest news of an alert."""
    return any(row.state != "delivered" for row in evidence.world.view.find(NOTIFICATIONS, "alert", alert))


def everything_ends(evidence: Evidence) -> Iterator[str]:
    """Yield active alerts, unfinished notifications, events still queued, and incidents nobody closes."""
    world, view = evidence.world, evidence.world.view
    for participant in world.participants:
        if participant.next_due() is not None:
            yield f"{participant.name} still has something to do"
    for alert in view.all(thousandeyes.ALERTS):
        if alert.state is AlertState.TRIGGER:
            yield f"alert {alert.id} is active"
    for notification in view.all(NOTIFICATIONS):
        if notification.state != "delivered":
            yield f"{notification.event} of alert {notification.alert} is {notification.state}"
    for incident in view.all(INCIDENTS):
        if incident.status is Status.RESOLVED:
            continue
        opened = evidence.opening(incident.id)
        resolves = evidence.tries(opened.alert, "resolve")
        dead = any(attempt.refused for attempt in resolves)
        if not dead and not _late(evidence, opened) and not _dropped(evidence, resolves):
            yield f"#{incident.number} of alert {opened.alert} is {incident.status} for ever"


def somebody_was_told(evidence: Evidence) -> Iterator[str]:
    """Yield incidents that stayed open past the instant they opened and of which nobody was told then."""
    told = {(entry.subject, entry.at) for entry in evidence.entries if entry.kind == "notification.sent"}
    for incident in evidence.world.view.all(INCIDENTS):
        ended = [
            entry.at
            for entry in evidence.history(incident.id)
            if entry.kind in {"incident.acknowledged", "incident.resolved", "incident.reassigned"}
        ]
        if (not ended or ended[0] > incident.created) and (incident.id, incident.created) not in told:
            yield f"nobody was told of #{incident.number} when it opened"


# -- proving the exceptions --------------------------------------------------------------------------------------------


def excused(evidence: Evidence, before: Incident, incident: Incident) -> bool:
    """Whether the journal proves that ``incident``, the second of its alert, could not be helped."""
    opened = evidence.opening(incident.id)
    closed = next((e for e in evidence.history(before.id) if e.kind == "incident.resolved"), None)
    if closed is None or closed.seq >= opened.seq:
        return False
    if _straggled(evidence, opened):
        return True
    by_a_person = before.resolved_by is not None and before.resolved_by.type == "user_reference"
    earlier = [attempt for attempt in evidence.tries(opened.alert, "trigger") if attempt.seq < closed.seq]
    unheard = any(attempt.accepted and not attempt.confirmed for attempt in earlier)
    return by_a_person and unheard and not any(attempt.confirmed for attempt in earlier)


def _straggled(evidence: Evidence, opened: Exchange) -> bool:
    return any(straggler is opened for straggler in evidence.stragglers)


def _late(evidence: Evidence, opened: Exchange) -> bool:
    """Whether an incident was opened by a straggler after the resolve of its alert had been taken."""
    resolves = [attempt for attempt in evidence.tries(opened.alert, "resolve") if attempt.accepted]
    return _straggled(evidence, opened) and any(attempt.seq < opened.seq for attempt in resolves)


def _dropped(evidence: Evidence, attempts: list[Attempt]) -> bool:
    """Whether PagerDuty took one of these events and dropped it, because of maintenance or for want of somebody."""
    arrivals = [arrival.seq for attempt in attempts for arrival in attempt.arrivals]
    return any(evidence.dropped.get(seq) in DROPPED for seq in arrivals)


DROPPED = ("the service is in maintenance", "nobody is on call on any level")


def _coalesced(evidence: Evidence, alert: str) -> bool:
    """Whether a bridge that coalesces had trigger and clear in hand and has tried to send neither."""
    held = {webhook.what for webhook in evidence.webhooks if webhook.alert == alert and webhook.stored}
    tried = evidence.tries(alert, "trigger") or evidence.tries(alert, "resolve")
    return evidence.coalescing and {"trigger", "clear"} <= held and not tried


def _cleared_before(evidence: Evidence, trigger: Exchange) -> bool:
    return any(
        webhook.what == "clear" and webhook.alert == trigger.alert and webhook.seq < trigger.seq and webhook.stored
        for webhook in evidence.webhooks
    )


#: What the bridge did comes before what came of it, so that the first complaint names the cause.
ALWAYS = (
    Invariant("time-goes-on", "Virtual time never goes back, and a cause lies before its effect.", time_goes_on),
    Invariant("nothing-breaks", "No simulator fails, and PagerDuty refuses no event of the bridge.", nothing_breaks),
    Invariant("silence", "Nobody is notified of an acknowledged or resolved incident.", silent_after_acknowledge),
    Invariant("resolve-is-final", "Nothing is sent for an alert after its resolve.", resolve_is_final),
    Invariant("nothing-invented", "The bridge sends only what ThousandEyes has told it.", nothing_invented),
    Invariant("confirmed-once", "An event that PagerDuty has confirmed is not sent again.", confirmed_once),
    Invariant("one-key", "Trigger and resolve of an alert go by the same integration key.", one_key_per_alert),
    Invariant("severity", "A trigger's severity is the one ThousandEyes told, translated.", severity_is_told),
    Invariant("pace", "No integration key is tried more often in a minute than configured.", pace_is_kept),
    Invariant("keys-alone", "What goes wrong with one integration key holds up no other.", keys_stand_alone),
    Invariant("one-incident", "A ThousandEyes alert has at most one incident.", one_incident_per_alert),
    Invariant("incidents-add-up", "Counts, people and timers of an incident fit its state.", incidents_add_up),
    Invariant("alerts-add-up", "Locations, notifications and units of an alert fit its state.", alerts_add_up),
)
SETTLED = (
    Invariant("nothing-lost", "What the bridge answered 200 arrives, or ends for a proved reason.", nothing_lost),
    Invariant("everything-ends", "Once faults have ended, every clear has closed its incident.", everything_ends),
    Invariant("somebody-told", "An incident that stays open has woken somebody at once.", somebody_was_told),
)


#: Holds once faults have ended and an hour and more has passed, whatever is still wrong with the targets.
QUIET = (Invariant("same-state", "PagerDuty's open incidents are ThousandEyes' active alerts.", active_and_open_agree),)


def hold(invariants: Iterable[Invariant], evidence: Evidence) -> None:
    """Raise :class:`Violated` for the first invariant that does not hold, with up to ten complaints."""
    for invariant in invariants:
        found = list(invariant.complaints(evidence))
        if found:
            raise Violated(f"[{invariant.name}] {invariant.sentence}\n  " + "\n  ".join(found[:10]))


def violated(text: str) -> str | None:
    """Return the name of the invariant a message of :class:`Violated` is about."""
    match = re.search(r"^(?:\S*Violated: )?\[([a-z-]+)\]", text, re.MULTILINE)
    return None if match is None else match[1]
