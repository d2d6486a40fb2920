"""Asking others to help with an incident: people, or a policy that is walked until one of its people joins.

Whoever is asked is told by their high-urgency rules until they accept or decline, acknowledge the incident (which
joins), are cancelled, or the incident is resolved. Asking assigns nobody, and the incident keeps escalating by its own
policy meanwhile; a policy that was asked goes on whether the incident is acknowledged or snoozed (PagerDuty: add
responders).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from simulators.engine import ids
from simulators.engine.agenda import Timer
from simulators.engine.draft import Draft
from simulators.engine.resources import Document
from simulators.engine.tables import TableKey
from simulators.pagerduty import escalation, notify, webhooks
from simulators.pagerduty.account import Account
from simulators.pagerduty.history import log, record
from simulators.pagerduty.model import INCIDENTS, OWNER, Agent, Incident, LogType, Status

#: Different people an incident may ask, and how often it may ask at all (PagerDuty: add responders).
MOST_RESPONDERS, MOST_REQUESTS = 500, 1000
WALK = "responder-escalate"
_ID = ids.alphanumeric("P", 14)


class State(StrEnum):
    """What became of a responder."""

    PENDING = "pending"
    JOINED = "joined"
    DECLINED = "declined"
    CANCELLED = "user_cancelled"


@dataclass(frozen=True, slots=True)
class Responder:
    """Somebody asked to help with an incident, by the newest ``request`` they were asked in; ``policies`` are those
    they were asked through. Times are microseconds UTC."""

    id: str
    incident: str
    user: str
    state: State
    request: str
    requester: str
    message: str
    requested: int
    updated: int
    policies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """A responder request as it was made; a target is a plural kind (users, escalation_policies) and an id."""

    id: str
    incident: str
    requester: str
    message: str
    at: int
    targets: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Walk:
    """Where a policy that was asked stands: ``policy`` as it was then, 1-based level, loop from 0."""

    id: str
    request: str
    incident: str
    policy: Document
    level: int
    loop: int


RESPONDERS: TableKey[Responder] = TableKey("pagerduty.responders", {"incident": lambda row: row.incident})
REQUESTS: TableKey[Request] = TableKey("pagerduty.responder_requests", {"incident": lambda row: row.incident})
WALKS: TableKey[Walk] = TableKey("pagerduty.responder_walks", {"incident": lambda row: row.incident})
TABLES = (RESPONDERS, REQUESTS, WALKS)


# -- asking ------------------------------------------------------------------------------------------------------------


def request(
    draft: Draft, incident: Incident, agent: Agent, message: str, targets: Sequence[tuple[str, Document]]
) -> Request:
    """Ask users and policies (kind and document each) to help with an open incident; ``agent`` is who asks."""
    made = Request(
        draft.fresh(_ID, "pagerduty.responder_request"),
        incident.id,
        agent.id,
        message,
        draft.now,
        tuple(dict.fromkeys((kind, document.id) for kind, document in targets)),
    )
    draft.put(REQUESTS, made)
    asked: dict[str, None] = {}
    for kind, document in targets:
        if kind == "users":
            _ask(draft, incident, made, document.id, "")
            asked[document.id] = None
            continue
        move = escalation.first_level(Account(draft), document, draft.now)
        if move is not None:
            asked |= dict.fromkeys(move.people)
            _climb(draft, incident, made, Walk(f"{made.id}:{document.id}", made.id, incident.id, document, 0, 0), move)
    log(draft, LogType.RESPONDER_REQUEST, incident, agent, tuple(asked), data={"message": message})
    return made


def _climb(draft: Draft, incident: Incident, made: Request, walk: Walk, move: escalation.Move) -> None:
    """Ask the people of the level a policy's walk comes to, and wait for the level's time."""
    walk = replace(walk, level=move.level, loop=move.loop)
    draft.put(WALKS, walk)
    for user in move.people:
        _ask(draft, incident, made, user, walk.policy.id)
    draft.schedule(draft.now + escalation.delay(walk.policy, walk.level), OWNER, WALK, walk.id)


def _ask(draft: Draft, incident: Incident, made: Request, user: str, policy: str) -> None:
    """Make a user a responder who has not answered yet; one who has joined or is being asked already stays so."""
    held = draft.get(RESPONDERS, f"{incident.id}:{user}")
    policies = () if held is None else held.policies
    policies = policies if not policy or policy in policies else (*policies, policy)
    if held is not None and held.state in {State.PENDING, State.JOINED}:
        draft.put(RESPONDERS, replace(held, policies=policies))
        return
    row = Responder(
        f"{incident.id}:{user}", incident.id, user, State.PENDING, made.id, made.requester, made.message, draft.now,
        draft.now, policies,
    )  # fmt: skip
    draft.put(RESPONDERS, row)
    notify.ask(draft, incident, user, request=made.id, requester=made.requester, message=made.message)
    agent = Agent("user_reference", made.requester, "website")
    _tell(draft, "incident.responder.added", incident, agent, row)


def _tell(draft: Draft, event: str, incident: Incident, agent: Agent, row: Responder) -> None:
    policy = row.policies[-1] if row.policies else None
    part = webhooks.Responder(row.user, policy, row.message or None, row.state.value)
    record(draft, event, incident, agent, part, people=(row.user,), state=row.state.value)


def on_timer(draft: Draft, timer: Timer) -> None:
    """Let a policy that was asked go to its next level, unless somebody of it has joined or the incident is over."""
    walk = draft.get(WALKS, timer.key)
    incident = None if walk is None else draft.get(INCIDENTS, walk.incident)
    if walk is None or incident is None or incident.status is Status.RESOLVED:
        return
    move = escalation.next_level(Account(draft), walk.policy, walk.level, walk.loop, draft.now)
    if move is None:
        draft.delete(WALKS, walk.id)
        return
    made = draft.need(REQUESTS, walk.request)
    _climb(draft, incident, made, walk, move)
    agent = Agent("service_reference", incident.service, "timeout")
    log(draft, LogType.RESPONDER_REQUEST, incident, agent, move.people, data={"message": made.message})


# -- answers -----------------------------------------------------------------------------------------------------------


def answer(draft: Draft, incident: Incident, user: str, state: State, agent: Agent) -> Responder | None:
    """Let a responder who has not answered yet join, decline or be cancelled; anybody else stays as they are."""
    held = draft.get(RESPONDERS, f"{incident.id}:{user}")
    if held is None or held.state is not State.PENDING:
        return None
    row = replace(held, state=state, updated=draft.now)
    draft.put(RESPONDERS, row)
    notify.settle(draft, held.request, user)
    if state is State.JOINED:
        _stop(draft, incident, held.policies)
    if state is not State.CANCELLED:
        log(draft, LogType.RESPONDER_REPLY, incident, agent, (user,), data={"state": state.value})
        _tell(draft, "incident.responder.replied", incident, agent, row)
    return row


def _stop(draft: Draft, incident: Incident, policies: Iterable[str]) -> None:
    """End the walks of policies that somebody has joined by, or that were cancelled."""
    for walk in list(draft.find(WALKS, "incident", incident.id)):
        if walk.policy.id in policies:
            draft.cancel(OWNER, WALK, walk.id)
            draft.delete(WALKS, walk.id)


def cancel(draft: Draft, incident: Incident, agent: Agent, target: tuple[str, str]) -> str:
    """Take back what was asked of a user or policy and return what came of it, in the API's word."""
    kind, id = target
    rows = draft.find(RESPONDERS, "incident", incident.id)
    if kind == "users":
        held = next((row for row in rows if row.user == id), None)
        if held is None or held.state is State.CANCELLED:
            return "not_found"
        if held.state is not State.PENDING:
            return held.state.value
        answer(draft, incident, id, State.CANCELLED, agent)
        return "cancelled"
    if not any(target in made.targets for made in draft.find(REQUESTS, "incident", incident.id)):
        return "not_found"
    _stop(draft, incident, (id,))
    for row in rows:
        if id in row.policies:
            answer(draft, incident, row.user, State.CANCELLED, agent)
    return "cancelled"


def over(draft: Draft, incident: Incident) -> None:
    """Stop asking: the incident is resolved."""
    _stop(draft, incident, [walk.policy.id for walk in draft.find(WALKS, "incident", incident.id)])
    for row in draft.find(RESPONDERS, "incident", incident.id):
        if row.state is State.PENDING:
            notify.settle(draft, row.request, row.user)
