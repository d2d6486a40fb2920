"""The verbs of incidents: opening, acknowledging, escalating, reassigning, snoozing, resolving.

Each is a function of a draft. The escalation policy is the one of the moment of assignment, the people of its schedules
are asked for at each escalation. Timers: :data:`TIMERS`, keyed by the incident's id.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from simulators.engine.agenda import Timer
from simulators.engine.draft import Draft, View
from simulators.engine.instants import SECOND
from simulators.engine.resources import Document
from simulators.pagerduty import escalation, hours, notify, responders
from simulators.pagerduty.account import Account
from simulators.pagerduty.history import log, record
from simulators.pagerduty.lifecycle import TRANSITIONS, Cause
from simulators.pagerduty.model import (
    ALERTS,
    INCIDENT_ID,
    INCIDENTS,
    NOTE_ID,
    NOTES,
    OWNER,
    RINGS,
    Acknowledgement,
    Agent,
    Assignment,
    Incident,
    Knobs,
    LogType,
    Note,
    Status,
    Urgency,
)

TIMERS = ("escalate", "unacknowledge", "resolve", "urgency_change")
#: Waits for the next turn of the level's schedules; nothing the API shows.
HAND_OFF = "hand_off"


def _service(draft: Draft, incident: Incident) -> Mapping[str, Any]:
    document = Account(draft).get("services", incident.service)
    return {} if document is None else document.body


def _people(incident: Incident) -> tuple[str, ...]:
    return tuple(assignment.user for assignment in incident.assignments)


def trigger(
    draft: Draft,
    service: Document,
    title: str,
    urgency: Urgency,
    agent: Agent,
    *,
    key: str | None = None,
    alerts: int = 0,
    alert: str | None = None,
    event: Mapping[str, Any] | None = None,
    policy: Document | None = None,
    users: tuple[str, ...] = (),
    given: Mapping[str, Any] | None = None,
) -> Incident | None:
    """Open an incident and assign it; return ``None`` and change nothing when nobody could be assigned.

    Without ``users`` the service's escalation policy (or ``policy``) says who; ``alerts`` counts alerts it opens with,
    ``event`` is the trigger event for the log, ``given`` are further fields of the incident.
    """
    account = Account(draft)
    if policy is None:
        policy = account.get("escalation_policies", (service.body.get("escalation_policy") or {}).get("id", ""))
    move = None if policy is None or users else escalation.first_level(account, policy, draft.now)
    if not users and move is None:
        return None
    people = users or (move.people if move else ())
    incident = Incident(
        draft.fresh(INCIDENT_ID, "pagerduty.incident"),
        draft.count(INCIDENTS) + 1,
        title,
        service.id,
        Status.TRIGGERED,
        urgency,
        draft.now,
        draft.now,
        policy,
        move.level if move else 0,
        0,
        1,
        tuple(Assignment(user, draft.now) for user in people),
        key=key,
        triggered=alerts,
        assigned_via="escalation_policy" if move else "direct_assignment",
        opened_by=agent,
        **(given or {}),
    )
    draft.put(INCIDENTS, incident)
    _take_turn(draft, move)
    _, entry, happened = TRANSITIONS[None, Cause.TRIGGER]
    log(draft, entry, incident, agent, alert=alert, data=event)
    if move and move.level > 1:
        for user in people:
            log(draft, LogType.ESCALATE, incident, agent, (user,))
    else:
        log(draft, LogType.ASSIGN, incident, agent, people)
    if draft.knobs(Knobs).unknown_enum:
        log(draft, LogType.NOVEL, incident, agent)
    record(draft, happened, incident, agent, title=title, people=people, level=incident.level)
    timeout = service.body.get("auto_resolve_timeout")
    if timeout:
        draft.schedule(draft.now + int(timeout) * SECOND, OWNER, "resolve", incident.id)
    plan_urgency(draft, incident, service)
    _start_escalation(draft, incident)
    plan_hand_off(draft, incident)
    notify.schedule(draft, incident, people)
    return incident


def _take_turn(draft: Draft, move: escalation.Move | None) -> None:
    """Rotate the ring of the level the incident goes to, if it has one."""
    if move is not None and move.ring is not None:
        draft.put(RINGS, move.ring)


def plan_urgency(draft: Draft, incident: Incident, service: Document | None = None) -> None:
    """Wait for the service's next scheduled action that would change the urgency of an open incident."""
    held = service or Account(draft).get("services", incident.service)
    change = (
        hours.next_change(held, incident.urgency, draft.now) if held and held.body.get("scheduled_actions") else None
    )
    if change is None:
        draft.cancel(OWNER, "urgency_change", incident.id)
    else:
        draft.schedule(change[0], OWNER, "urgency_change", incident.id, change[1].value)


def plan_hand_off(draft: Draft, incident: Incident) -> None:
    """Wait for the next turn of the schedules an open, triggered incident follows, where the knob moves it then."""
    if not draft.knobs(Knobs).handoff_at_turn:
        return
    due = None
    policy = incident.policy
    if incident.status is Status.TRIGGERED and policy is not None and incident.level and not incident.exhausted:
        due = escalation.next_turn(Account(draft), policy, incident.level, draft.now)
    if due is None:
        draft.cancel(OWNER, HAND_OFF, incident.id)
    else:
        draft.schedule(due, OWNER, HAND_OFF, incident.id)


def start_auto_resolve(draft: Draft, incident: Incident) -> None:
    """Let the service's auto-resolve timeout, if it has one, run from now."""
    timeout = _service(draft, incident).get("auto_resolve_timeout")
    if timeout:
        draft.schedule(draft.now + int(timeout) * SECOND, OWNER, "resolve", incident.id)


def _start_escalation(draft: Draft, incident: Incident) -> None:
    wanted = incident.urgency is Urgency.HIGH and incident.level and not incident.exhausted
    if wanted and incident.policy is not None:
        due = draft.now + escalation.delay(incident.policy, incident.level)
        draft.schedule(due, OWNER, "escalate", incident.id)
    else:
        draft.cancel(OWNER, "escalate", incident.id)


def _assign(draft: Draft, incident: Incident, people: tuple[str, ...], **changes: Any) -> Incident:
    """Move the incident to ``people``: a new turn, timers and notifications anew."""
    notify.cancel(draft, incident, tuple(user for user in _people(incident) if user not in people))
    draft.cancel(OWNER, "unacknowledge", incident.id)
    if incident.snoozed:
        start_auto_resolve(draft, incident)
    changed: Incident = replace(
        incident,
        status=Status.TRIGGERED,
        changed=draft.now if incident.status is not Status.TRIGGERED else incident.changed,
        assignments=tuple(Assignment(user, draft.now) for user in people),
        acknowledgements=(),
        snoozed=False,
        turn=incident.turn + 1,
        **changes,
    )
    draft.put(INCIDENTS, changed)
    _start_escalation(draft, changed)
    plan_hand_off(draft, changed)
    notify.schedule(draft, changed, people)
    return changed


def acknowledge(draft: Draft, incident: Incident, agent: Agent) -> Incident:
    """Acknowledge: escalation and every pending notification stop. A resolved incident stays as it is."""
    found = TRANSITIONS.get((incident.status, Cause.ACKNOWLEDGE))
    if found is None:
        return incident
    status, entry, event = found
    user = agent.id if agent.type == "user_reference" else None
    if any(a.agent.type == agent.type and a.agent.id == agent.id for a in incident.acknowledgements):
        return incident
    first = incident.status is Status.TRIGGERED
    assignments = incident.assignments
    if user is not None and draft.knobs(Knobs).acknowledger_alone:
        assignments = tuple(assignment for assignment in assignments if assignment.user == user)
    if user is not None and all(assignment.user != user for assignment in assignments):
        assignments = (*assignments, Assignment(user, draft.now))
    changed = replace(
        incident,
        status=status,
        changed=draft.now if first else incident.changed,
        acknowledgements=(*incident.acknowledgements, Acknowledgement(agent, draft.now)),
        assignments=assignments,
        snoozed=False,
    )
    draft.put(INCIDENTS, changed)
    for kind in ("escalate", HAND_OFF):
        draft.cancel(OWNER, kind, incident.id)
    notify.cancel(draft, incident, _people(incident))
    timeout = _service(draft, incident).get("acknowledgement_timeout")
    if timeout and (first or incident.snoozed):
        draft.schedule(draft.now + int(timeout) * SECOND, OWNER, "unacknowledge", incident.id)
    elif incident.snoozed:
        draft.cancel(OWNER, "unacknowledge", incident.id)
    if incident.snoozed:
        start_auto_resolve(draft, incident)
    log(draft, entry, changed, agent, data={"acknowledgement_timeout": timeout} if timeout else None)
    record(draft, event, changed, agent)
    if user is not None:
        responders.answer(draft, changed, user, responders.State.JOINED, agent)
    return changed


def unacknowledge(draft: Draft, incident: Incident, agent: Agent) -> Incident:
    """Return to triggered: rules start anew for the assigned people and for whoever is on call now."""
    found = TRANSITIONS.get((incident.status, Cause.UNACKNOWLEDGE))
    if found is None:
        return incident
    people = _people(incident)
    followed = (
        incident.policy is not None and incident.level and not escalation.in_turn(incident.policy, incident.level)
    )
    if followed and incident.policy is not None and draft.knobs(Knobs).handoff_moves:
        now = escalation.assignees(Account(draft), incident.policy, incident.level, draft.now)
        people += tuple(user for user in now if user not in people)
    changed = _assign(draft, incident, people)
    log(draft, found[1], changed, agent)
    record(draft, found[2], changed, agent, people=people)
    return changed


def escalate(draft: Draft, incident: Incident, agent: Agent, level: int | None = None) -> Incident:
    """Go to ``level`` or, without one, to what follows; at the end of the path the last people stay assigned.

    Nothing happens to a resolved or low-urgency incident, nor to one that follows no policy.
    """
    policy = incident.policy
    found = TRANSITIONS.get((incident.status, Cause.ESCALATE))
    if found is None or policy is None or incident.urgency is Urgency.LOW or not incident.level:
        return incident
    account = Account(draft)
    move: escalation.Move | None
    if level is None:
        move = escalation.next_level(account, policy, incident.level, incident.loop, draft.now)
    elif 1 <= level <= len(escalation.rules(policy)):
        move = escalation.move_to(account, policy, level, incident.loop, draft.now)
    else:
        return incident
    if move is None:
        if level is not None or agent.channel != "timeout":
            return incident
        changed = replace(incident, exhausted=True)
        draft.put(INCIDENTS, changed)
        for kind in ("escalate", HAND_OFF):
            draft.cancel(OWNER, kind, incident.id)
        log(draft, LogType.EXHAUST, changed, agent)
        record(draft, "incident.exhausted", changed, agent)
        return changed
    _take_turn(draft, move)
    if move.loop > incident.loop:
        log(draft, LogType.REPEAT, incident, agent)
    changed = _assign(draft, incident, move.people, level=move.level, loop=move.loop, exhausted=False)
    for user in move.people:
        log(draft, found[1], changed, agent, (user,))
    record(draft, found[2], changed, agent, people=move.people, level=move.level, loop=move.loop)
    return changed


def reassign(
    draft: Draft, incident: Incident, agent: Agent, *, users: tuple[str, ...] = (), policy: Document | None = None
) -> Incident:
    """Give the incident to ``users`` (no policy is followed any more) or to level 1 of ``policy``, loops anew."""
    cause = Cause.REASSIGN if users else Cause.DELEGATE
    found = TRANSITIONS.get((incident.status, cause))
    changed = None if found is None else assign_anew(draft, incident, users=users, policy=policy)
    if found is None or changed is None:
        return incident
    people = _people(changed)
    log(draft, found[1], changed, agent, people)
    if policy is not None and not users:
        log(draft, LogType.ASSIGN, changed, agent, people)
    record(draft, found[2], changed, agent, people=people)
    return changed


def assign_anew(
    draft: Draft, incident: Incident, *, users: tuple[str, ...] = (), policy: Document | None = None
) -> Incident | None:
    """Assign to ``users`` or to the first level of ``policy`` that has anybody; ``None`` when there is nobody."""
    move = None if policy is None or users else escalation.first_level(Account(draft), policy, draft.now)
    if not users and move is None:
        return None
    _take_turn(draft, move)
    return _assign(
        draft,
        incident,
        users or (move.people if move else ()),
        level=move.level if move else 0,
        loop=0,
        exhausted=False,
        policy=incident.policy if users else policy,
        assigned_via="direct_assignment" if users else "escalation_policy",
    )


def snooze(draft: Draft, incident: Incident, agent: Agent, seconds: int) -> Incident:
    """Keep quiet for ``seconds``; a triggered incident is acknowledged first."""
    if incident.status is Status.RESOLVED:
        return incident
    acknowledged = acknowledge(draft, incident, agent) if incident.status is Status.TRIGGERED else incident
    changed = replace(acknowledged, snoozed=True)
    draft.put(INCIDENTS, changed)
    draft.schedule(draft.now + seconds * SECOND, OWNER, "unacknowledge", incident.id)
    draft.cancel(OWNER, "resolve", incident.id)
    log(draft, LogType.SNOOZE, changed, agent, data={"duration": seconds})
    record(draft, "incident.snoozed", changed, agent, seconds=seconds)
    return changed


def resolve(draft: Draft, incident: Incident, agent: Agent, note: str | None = None) -> Incident:
    """Resolve the incident and all its alerts; timers and notifications stop. ``note`` says how it was resolved."""
    found = TRANSITIONS.get((incident.status, Cause.RESOLVE))
    if found is None:
        return incident
    for alert in draft.find(ALERTS, "incident", incident.id):
        if alert.status is Status.TRIGGERED:
            draft.put(ALERTS, replace(alert, status=Status.RESOLVED, resolved=draft.now, changed=draft.now))
    changed = replace(
        incident,
        status=found[0],
        changed=draft.now,
        resolved=draft.now,
        resolved_by=agent,
        assignments=(),
        acknowledgements=(),
        snoozed=False,
        triggered=0,
        closed=incident.closed + incident.triggered,
    )
    draft.put(INCIDENTS, changed)
    for kind in (*TIMERS, HAND_OFF):
        draft.cancel(OWNER, kind, incident.id)
    notify.cancel(draft, incident, _people(incident))
    responders.over(draft, changed)
    log(draft, found[1], changed, agent, data={"note": note} if note else None)
    record(draft, found[2], changed, agent)
    return changed


def note(draft: Draft, incident: Incident, user: str, text: str) -> Note:
    """Add a note."""
    row = Note(draft.fresh(NOTE_ID, "pagerduty.note"), incident.id, user, text, draft.now)
    draft.put(NOTES, row)
    agent = Agent("user_reference", user, "note")
    log(draft, LogType.ANNOTATE, incident, agent, data={"summary": text})
    record(draft, "incident.annotated", incident, agent, text=text)
    return row


def set_urgency(draft: Draft, incident: Incident, agent: Agent, urgency: Urgency) -> Incident:
    """Change the urgency: raising starts the escalation, lowering ends it."""
    if incident.status is Status.RESOLVED or incident.urgency is urgency:
        return incident
    changed = replace(incident, urgency=urgency)
    draft.put(INCIDENTS, changed)
    log(draft, LogType.URGENCY, changed, agent, data={"urgency": urgency.value})
    plan_urgency(draft, changed)
    if incident.status is Status.ACKNOWLEDGED:
        return unacknowledge(draft, changed, agent) if urgency is Urgency.HIGH else changed
    _start_escalation(draft, changed)
    notify.cancel(draft, changed, _people(changed))
    notify.schedule(draft, changed, _people(changed))
    return changed


def pending_actions(view: View, incident: Incident) -> list[tuple[str, int]]:
    """Return what will happen by itself as (type, instant), earliest first."""
    found = ((kind, view.timer(OWNER, kind, incident.id)) for kind in TIMERS)
    return sorted(((kind, timer.due) for kind, timer in found if timer is not None), key=lambda action: action[1])


def on_timer(draft: Draft, timer: Timer) -> None:
    """Carry out a pending action."""
    incident = draft.get(INCIDENTS, timer.key)
    if incident is None:
        return
    agent = Agent("service_reference", incident.service, "timeout")
    if timer.kind == "escalate" and incident.status is Status.TRIGGERED:
        escalate(draft, incident, agent)
    elif timer.kind == "unacknowledge":
        unacknowledge(draft, incident, agent)
    elif timer.kind == "resolve":
        resolve(draft, incident, agent)
    elif timer.kind == "urgency_change":
        _change_urgency(draft, incident, agent, Urgency(timer.data))


def _change_urgency(draft: Draft, incident: Incident, agent: Agent, urgency: Urgency) -> None:
    """Carry out a scheduled action: what is acknowledged by then stays as it is and waits for the next one."""
    if incident.status is Status.TRIGGERED:
        set_urgency(draft, incident, agent, urgency)
    else:
        plan_urgency(draft, incident)
