"""What becomes of an open incident when the schedule of its level turns: nothing, or it moves to whoever comes on call.

No source says which. By default the people stay assigned until the next escalation or the end of an acknowledgement.
Where the knob ``handoff_at_turn`` is set, an unacknowledged incident moves at the turn itself: whoever goes off call is
unassigned, whoever comes on call is assigned and told, whoever stays keeps what is running, and the level its time.
An edited schedule or an override is a turn, too.
"""

from __future__ import annotations

from dataclasses import replace

from simulators.engine.agenda import Timer
from simulators.engine.draft import Draft
from simulators.pagerduty import escalation, history, incidents, notify
from simulators.pagerduty.account import ROTA_EDITED, Account
from simulators.pagerduty.lifecycle import TRANSITIONS, Cause
from simulators.pagerduty.model import INCIDENTS, Agent, Assignment, Incident, Knobs, Status


def hand_off(draft: Draft, incident: Incident) -> Incident:
    """Assign a triggered incident that follows a policy to the people now on call on its level, if there are any."""
    policy = incident.policy
    if incident.status is not Status.TRIGGERED or policy is None or not incident.level or incident.exhausted:
        return incident
    held = {assignment.user: assignment for assignment in incident.assignments}
    people = escalation.assignees(Account(draft), policy, incident.level, draft.now)
    if escalation.in_turn(policy, incident.level) or not people or set(people) == set(held):
        incidents.plan_hand_off(draft, incident)
        return incident
    _, entry, event = TRANSITIONS[incident.status, Cause.REASSIGN]
    agent = Agent("service_reference", incident.service, "auto")
    notify.cancel(draft, incident, tuple(user for user in held if user not in people))
    assignments = tuple(held.get(user) or Assignment(user, draft.now) for user in people)
    changed = replace(incident, assignments=assignments, turn=incident.turn + 1)
    draft.put(INCIDENTS, changed)
    incidents.plan_hand_off(draft, changed)
    notify.schedule(draft, changed, tuple(user for user in people if user not in held))
    history.log(draft, entry, changed, agent, people)
    history.record(draft, event, changed, agent, people=people)
    return changed


def on_timer(draft: Draft, timer: Timer) -> None:
    """Let a turn that was waited for happen; after an edit look at every incident again."""
    if not draft.knobs(Knobs).handoff_at_turn:
        return
    one = draft.get(INCIDENTS, timer.key)
    for incident in list(draft.all(INCIDENTS)) if timer.kind == ROTA_EDITED else () if one is None else (one,):
        hand_off(draft, incident)
