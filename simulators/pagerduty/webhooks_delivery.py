"""Webhooks v3, the sending half: signed requests in order, repeated for two days, given up, the endpoint disabled.

Webhooks of one subscription about one incident form a line: the next is sent when the one before it was delivered or
dropped, so they arrive in order. Any 2xx within five seconds delivers. A time-out, no connection, 429 and 5xx are
repeated, ever more rarely, for up to 48 hours; any other answer drops the webhook at once (PagerDuty: webhooks v3,
webhook behavior; how often it is repeated is not published).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Any
from urllib.parse import unquote, urlsplit

from simulators.engine import ids, instants
from simulators.engine.agenda import Timer
from simulators.engine.draft import Draft, Outcome, Outgoing
from simulators.engine.instants import HOUR, MINUTE, SECOND
from simulators.engine.resources import Document
from simulators.pagerduty import webhooks, webhooks_shapes
from simulators.pagerduty.model import OWNER, Incident
from simulators.pagerduty.webhooks import RETRY, SUBSCRIPTIONS, WEBHOOKS, Webhook

TIMEOUT = 5 * SECOND
GIVE_UP = 48 * HOUR
#: Waits after the first failed attempts; each later one is twice as long, up to an hour.
WAITS = (SECOND, 5 * SECOND, 30 * SECOND, MINUTE)
LONGEST_WAIT = HOUR
USER_AGENT = "PagerDuty-Webhook/V3.0"


class Verdict(StrEnum):
    """What an attempt came to."""

    DELIVERED = "delivered"
    RETRIED = "retried"
    DROPPED = "dropped"


def judge(outcome: Outcome) -> Verdict:
    """Return what an outcome means; of certificates only an expired one is waited for."""
    status = outcome.status
    if status is None:
        error = outcome.error or ""
        broken = "SSL" in error and "expired" not in error
        return Verdict.DROPPED if broken else Verdict.RETRIED
    if 200 <= status < 300:
        return Verdict.DELIVERED
    return Verdict.RETRIED if status == 429 or status >= 500 else Verdict.DROPPED


def wait(attempts: int) -> int:
    """Return how long to wait after so many failed attempts (1 and more), in microseconds."""
    if attempts <= len(WAITS):
        return WAITS[attempts - 1]
    return min(WAITS[-1] << min(attempts - len(WAITS), 16), LONGEST_WAIT)


def signature(secrets: tuple[str, ...], body: bytes) -> str:
    """Return the value of ``x-pagerduty-signature``: one part per live secret."""
    return ",".join("v1=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest() for secret in secrets)


def on_publish(draft: Draft, timer: Timer) -> None:
    """Write an event that somebody wants, and send it or put it in line; an endpoint disabled meanwhile gets none."""
    event: webhooks.Occurrence = timer.data
    body = webhooks_shapes.body(draft, event)
    number = event.subject.number if isinstance(event.subject, Incident) else 0
    for subscription in event.wanted:
        known = draft.get(SUBSCRIPTIONS, subscription)
        if known is None or webhooks.disabled(draft, known):
            continue
        id = draft.fresh(ids.UUID4, "pagerduty.webhook")
        row = Webhook(id, subscription, event.resource, event.type, event.id, body, number)
        waiting = draft.find(WEBHOOKS, "line", row.line)
        draft.put(WEBHOOKS, row)
        if not waiting:
            _send(draft, row)


def on_retry(draft: Draft, timer: Timer) -> None:
    """Try the first of a line again."""
    _send_next(draft, timer.key)


def on_enable(draft: Draft, timer: Timer) -> None:
    """Switch an endpoint on again after its day of silence."""
    subscription = draft.get(SUBSCRIPTIONS, timer.key)
    if subscription is not None:
        webhooks.enable(draft, subscription, "its time is over")


def on_outcome(draft: Draft, tag: str, outcome: Outcome) -> None:
    """Take note of what came of an attempt, and go on with the line or plan the next attempt."""
    row = draft.get(WEBHOOKS, tag)
    subscription = None if row is None else draft.get(SUBSCRIPTIONS, row.subscription)
    if row is None or subscription is None:
        return
    verdict, due = judge(outcome), draft.now + wait(row.attempts)
    told: dict[str, Any] = {
        "event": row.type,
        "webhook": row.id,
        "subscription": row.subscription,
        "host": webhooks.host(subscription),
        "number": row.number,
        "attempt": row.attempts,
        "status": outcome.status,
        "error": outcome.error,
    }
    if verdict is Verdict.RETRIED and due <= row.since + GIVE_UP:
        draft.schedule(due, OWNER, RETRY, row.line)
        draft.record("webhook.retried", row.resource, **told, again=due)
        return
    draft.delete(WEBHOOKS, row.id)
    if verdict is Verdict.DELIVERED:
        webhooks.note_delivery(draft, subscription)
        draft.record("webhook.delivered", row.resource, **told)
    else:
        draft.record("webhook.dropped", row.resource, **told)
        if webhooks.note_drop(draft, subscription):
            return
    _send_next(draft, row.line)


def _send_next(draft: Draft, line: str) -> None:
    first = next(iter(draft.find(WEBHOOKS, "line", line)), None)
    if first is not None:
        _send(draft, first)


def _send(draft: Draft, row: Webhook) -> None:
    subscription = draft.get(SUBSCRIPTIONS, row.subscription)
    if subscription is None:
        draft.delete(WEBHOOKS, row.id)
        return
    draft.put(WEBHOOKS, replace(row, attempts=row.attempts + 1, since=row.since or draft.now))
    draft.send(OWNER, row.id, request(subscription, row, webhooks.endpoint(draft, subscription).secrets))


def request(subscription: Document, row: Webhook, secrets: tuple[str, ...]) -> Outgoing:
    """Return the request that delivers a webhook; user and password of the URL become Basic credentials."""
    method = subscription.body["delivery_method"]
    parts = urlsplit(method["url"])
    account, at, host = parts.netloc.rpartition("@")
    headers = [
        ("Content-Type", "application/json"),
        ("Accept", "application/json"),
        ("User-Agent", USER_AGENT),
        ("X-Webhook-Id", row.id),
        ("X-Webhook-Subscription", subscription.id),
        ("X-PagerDuty-Signature", signature(secrets, row.body)),
    ]
    if at:
        headers.append(("Authorization", f"Basic {base64.b64encode(unquote(account).encode()).decode()}"))
    headers += [(entry["name"], entry["value"]) for entry in method.get("custom_headers") or ()]
    url = parts._replace(netloc=host).geturl()
    return Outgoing("POST", url, tuple(headers), row.body, TIMEOUT, patient=False)


# -- the timeline ------------------------------------------------------------------------------------------------------


def _what(data: Mapping[str, Any]) -> str:
    about = f" of #{data['number']}" if data["number"] else ""
    return f"webhook {data['event']}{about} to {data['host']}"


def _trouble(data: Mapping[str, Any]) -> str:
    answered = f"answered {data['status']}" if data["status"] is not None else str(data["error"])
    return f"attempt {data['attempt']}: {answered}"


_SENTENCES: Mapping[str, Callable[[Mapping[str, Any]], tuple[str, str]]] = {
    "webhook.delivered": lambda data: (f"{_what(data)} delivered", f"attempt {data['attempt']}"),
    "webhook.retried": lambda data: (
        f"{_what(data)} not delivered, again at {instants.clock(data['again'])}",
        _trouble(data),
    ),
    "webhook.dropped": lambda data: (f"{_what(data)} given up", _trouble(data)),
    "webhook.disabled": lambda data: (
        f"webhooks to {data['host']} disabled for a day",
        f"{data['dropped']} dropped in a row",
    ),
    "webhook.enabled": lambda data: (f"webhooks to {data['host']} enabled again", data["why"]),
}


def sentence(kind: str, data: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return a journal entry about webhooks as text and reason, ``None`` for any other."""
    told = _SENTENCES.get(kind)
    return None if told is None else told(data)
