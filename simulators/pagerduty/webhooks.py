"""Webhooks v3, the deciding half: who subscribed to what, which events there are, and an endpoint's state.

Whatever happens is published at the one place that writes it to the journal. Publishing compares the event with the
subscriptions (type, then account, service or team) and, when somebody wants it, puts it on the agenda together with
the incident as it is at that moment; :mod:`~simulators.pagerduty.webhooks_delivery` writes and sends it. Nobody
subscribed: nothing is done. An endpoint's secrets, its row of failures and whether it is temporarily disabled are a
row of their own, so that the subscription stays the vendor's document (PagerDuty: webhooks v3).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from simulators.engine import ids
from simulators.engine.draft import Draft, View
from simulators.engine.instants import DAY
from simulators.engine.resources import Document, freeze
from simulators.engine.tables import TableKey
from simulators.pagerduty.model import (
    DOCUMENTS,
    NOTES,
    OWNER,
    STATUS_UPDATES,
    Agent,
    Incident,
    Note,
    StatusUpdate,
)

SUBSCRIPTIONS = DOCUMENTS["webhook_subscriptions"]
#: Kinds of timers: an event to write and send, an attempt to repeat, an endpoint to switch on again.
PUBLISH, RETRY, ENABLE = "webhook", "webhook-retry", "webhook-enable"
#: Webhooks dropped in a row that disable an endpoint, and for how long.
DROPS_THAT_DISABLE = 3
DISABLED_FOR = DAY
PING = "pagey.ping"
#: Types of filters by what they let through: everything, one service's, one team's.
SCOPES: Mapping[str, str] = {
    "account": "account_reference",
    "service": "service_reference",
    "team": "team_reference",
}
EVENT_ID = ids.alphanumeric("01", 26)

#: Event type -> type of its data, for everything that can happen here. Other names of the journal are no webhooks.
EVENTS: Mapping[str, str] = {
    **{
        f"incident.{what}": "incident"
        for what in (
            "triggered", "acknowledged", "unacknowledged", "escalated", "delegated", "reassigned", "resolved",
            "reopened", "priority_updated", "service_updated", "incident_type.changed",
        )
    },
    "incident.annotated": "incident_note",
    "incident.status_update_published": "incident_status_update",
    "incident.conference_bridge.updated": "incident_conference_bridge",
    "incident.responder.added": "incident_responder",
    "incident.responder.replied": "incident_responder",
    "service.created": "service",
    "service.updated": "service",
    "service.deleted": "service",
    PING: "ping",
}  # fmt: skip
#: Event types that can be subscribed to although nothing here causes them.
NEVER = (
    "incident.custom_field_values.updated", "incident.role.assigned", "incident.task.created",
    "incident.task.updated", "incident.task.completed", "incident.workflow.started", "incident.workflow.completed",
    "incident.action_invocation.created", "incident.action_invocation.updated",
    "incident.action_invocation.terminated", "service.custom_field_values.updated",
)  # fmt: skip
SUBSCRIBABLE = tuple(sorted((*EVENTS.keys() - {PING}, *NEVER)))


@dataclass(frozen=True, slots=True)
class Responder:
    """Somebody who is asked to help with an incident, or who has answered: ``state`` is pending, joined or declined.

    ``policy`` is the escalation policy that was asked, when it was one; ids both.
    """

    user: str | None
    policy: str | None = None
    message: str | None = None
    state: str = "pending"


#: What an event can be about besides its subject; data as such is of an event nobody knows.
Part = Note | StatusUpdate | Responder | Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Occurrence:
    """An event as it happened: ``subject`` is the incident or service of that moment (``None`` for a ping), ``part``
    the note, status update or responder it is about, ``wanted`` the subscriptions that get it."""

    id: str
    type: str
    at: int
    subject: Incident | Document | None
    agent: Agent | None
    part: Part | None
    wanted: tuple[str, ...]

    @property
    def resource(self) -> str:
        """What the event is about; events about the same thing reach an endpoint in order."""
        return self.type.partition(".")[0] if self.subject is None else self.subject.id


@dataclass(frozen=True, slots=True)
class Webhook:
    """A webhook on its way: ``body`` as signed and sent, ``since`` the first attempt (microseconds UTC)."""

    id: str
    subscription: str
    resource: str
    type: str
    event: str
    body: bytes
    number: int = 0
    attempts: int = 0
    since: int = 0

    @property
    def line(self) -> str:
        """Where it waits: behind earlier webhooks of the same subscription about the same thing."""
        return f"{self.subscription}/{self.resource}"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What is known of a subscription's receiver: live secrets (newest first), webhooks dropped in a row, disabled."""

    id: str
    secrets: tuple[str, ...]
    dropped: int = 0
    disabled: bool = False
    rotations: int = 0


WEBHOOKS: TableKey[Webhook] = TableKey(
    "pagerduty.webhooks", {"line": lambda row: row.line, "subscription": lambda row: row.subscription}
)
ENDPOINTS: TableKey[Endpoint] = TableKey("pagerduty.webhook_endpoints")
TABLES = (WEBHOOKS, ENDPOINTS)


def endpoint(view: View, subscription: Document) -> Endpoint:
    """Return the state of a subscription's receiver."""
    state = view.get(ENDPOINTS, subscription.id)
    if state is not None:
        return state
    secret = subscription.body["delivery_method"].get("secret") or _secret(view.seed, subscription.id, 0)
    return Endpoint(subscription.id, (secret,), disabled=disabled(view, subscription))


def disabled(view: View, subscription: Document) -> bool:
    """Return whether a subscription's receiver is temporarily disabled; a loaded account may say so itself."""
    state = view.get(ENDPOINTS, subscription.id)
    told = subscription.body["delivery_method"] if state is None else {"temporarily_disabled": state.disabled}
    return bool(told.get("temporarily_disabled"))


def _secret(seed: int, subscription: str, rotation: int) -> str:
    drawn = ids.digest(seed, "pagerduty.webhook.secret", subscription, rotation, size=48)
    return base64.b64encode(drawn).decode()


def publish(
    draft: Draft, event: str, subject: Incident | Document, agent: Agent | None, part: Responder | None = None
) -> None:
    """Send an event to whoever subscribed to it; what is no webhook event, or nobody wants, is passed over.

    An event about a responder says with ``part`` about whom.
    """
    if not draft.count(SUBSCRIPTIONS) or event not in EVENTS:
        return
    wanted = tuple(row.id for row in draft.all(SUBSCRIPTIONS) if _wants(draft, row, event, subject))
    if wanted:
        _occur(draft, event, subject, agent, wanted, part or _part(draft, event, subject))


def ping(draft: Draft, subscription: Document) -> None:
    """Send the test event, which needs no subscription to it."""
    _occur(draft, PING, None, None, (subscription.id,), None)


def surprise(draft: Draft, subscription: Document, event: str, data: Mapping[str, Any]) -> None:
    """Send an event of any type with any data, as new types appear without notice; it needs no subscription to it."""
    _occur(draft, event, None, None, (subscription.id,), freeze(data))


def _occur(
    draft: Draft,
    event: str,
    subject: Incident | Document | None,
    agent: Agent | None,
    wanted: tuple[str, ...],
    part: Part | None,
) -> None:
    id = draft.fresh(EVENT_ID, "pagerduty.webhook.event")
    occurrence = Occurrence(id, event, draft.now, subject, agent, part, wanted)
    draft.schedule(draft.now, OWNER, PUBLISH, id, occurrence)


def _part(draft: Draft, event: str, subject: Incident | Document) -> Note | StatusUpdate | None:
    """Return the note or status update an event is about: the newest of the incident."""
    if EVENTS[event] == "incident_note":
        return draft.find(NOTES, "incident", subject.id)[-1]
    if EVENTS[event] == "incident_status_update":
        return draft.find(STATUS_UPDATES, "incident", subject.id)[-1]
    return None


def _wants(draft: Draft, row: Document, event: str, subject: Incident | Document) -> bool:
    body = row.body
    if not body.get("active", True) or event not in body["events"] or disabled(draft, row):
        return False
    scope = body["filter"]["type"]
    if scope == SCOPES["service"]:
        service = subject.service if isinstance(subject, Incident) else subject.id
        return bool(service == body["filter"]["id"])
    return scope == SCOPES["account"] or body["filter"]["id"] in teams(draft, subject)


def teams(view: View, subject: Incident | Document) -> list[str]:
    """Return the ids of the teams of an incident (its policy's at assignment) or of a service (its policy's now)."""
    policy = subject.policy if isinstance(subject, Incident) else None
    if isinstance(subject, Document):
        named = (subject.body.get("escalation_policy") or {}).get("id", "")
        policy = view.get(DOCUMENTS["escalation_policies"], named)
    return [] if policy is None else [entry["id"] for entry in policy.body.get("teams") or ()]


def host(subscription: Document) -> str:
    """Return the host webhooks go to, for the journal: the rest of a URL may hold a password."""
    url = str(subscription.body["delivery_method"]["url"])
    return urlsplit(url).hostname or "nowhere"


# -- endpoints ---------------------------------------------------------------------------------------------------------


def enable(draft: Draft, subscription: Document, why: str) -> None:
    """Switch a temporarily disabled endpoint on again; what was dropped meanwhile stays dropped."""
    state = endpoint(draft, subscription)
    if state.disabled:
        draft.cancel(OWNER, ENABLE, subscription.id)
        draft.record("webhook.enabled", subscription.id, host=host(subscription), why=why)
    draft.put(ENDPOINTS, replace(state, disabled=False, dropped=0))


def note_drop(draft: Draft, subscription: Document) -> bool:
    """Count a dropped webhook; return whether it was the one too many, which disables the endpoint for a day."""
    state = endpoint(draft, subscription)
    dropped = state.dropped + 1
    draft.put(ENDPOINTS, replace(state, dropped=dropped % DROPS_THAT_DISABLE, disabled=dropped >= DROPS_THAT_DISABLE))
    if dropped < DROPS_THAT_DISABLE:
        return False
    until = draft.now + DISABLED_FOR
    discard(draft, subscription.id)
    draft.schedule(until, OWNER, ENABLE, subscription.id)
    draft.record("webhook.disabled", subscription.id, host=host(subscription), dropped=dropped)
    return True


def note_delivery(draft: Draft, subscription: Document) -> None:
    """Take note that the endpoint works: the row of failures is broken."""
    state = endpoint(draft, subscription)
    if state.dropped:
        draft.put(ENDPOINTS, replace(state, dropped=0))


def discard(draft: Draft, subscription: str) -> None:
    """Forget everything that waits for an endpoint."""
    for row in draft.find(WEBHOOKS, "subscription", subscription):
        draft.cancel(OWNER, RETRY, row.line)
        draft.delete(WEBHOOKS, row.id)


def forget(draft: Draft, subscription: str) -> None:
    """Forget an endpoint whose subscription is deleted."""
    discard(draft, subscription)
    draft.cancel(OWNER, ENABLE, subscription)
    draft.delete(ENDPOINTS, subscription)


def rotate(draft: Draft, subscription: Document) -> str:
    """Give the endpoint a new secret and return it; the last one stays good beside it until :func:`retire`."""
    state = endpoint(draft, subscription)
    secret = _secret(draft.seed, subscription.id, state.rotations + 1)
    draft.put(ENDPOINTS, replace(state, secrets=(secret, state.secrets[0]), rotations=state.rotations + 1))
    return secret


def retire(draft: Draft, subscription: Document) -> None:
    """Let only the newest secret sign from now on."""
    state = endpoint(draft, subscription)
    draft.put(ENDPOINTS, replace(state, secrets=state.secrets[:1]))
