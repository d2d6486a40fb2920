"""Telling the outside: who is told of an alert by its rule, and how deliveries go.

One notification per target when an alert triggers and one when it ends. A webhook counts as delivered only by exactly
200 and is repeated every five minutes for an hour otherwise; a retry never holds up a later notification, so a clear
can overtake a failed trigger. What is sent is made elsewhere: :mod:`~.payloads` (classic webhooks), :mod:`~.native`
(PagerDuty), :mod:`~.custom_webhooks`, :mod:`~.mails`. Slack, ServiceNow and AppDynamics are told in the journal.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from simulators.engine import ids
from simulators.engine.agenda import Timer
from simulators.engine.draft import Draft, Outcome, Outgoing
from simulators.engine.instants import MINUTE, SECOND
from simulators.thousandeyes import custom_webhooks, mails, native, payloads
from simulators.thousandeyes.custom_webhooks import CannotSend
from simulators.thousandeyes.model import (
    DOCUMENTS,
    INTEGRATIONS,
    NOTIFICATIONS,
    OWNER,
    Alert,
    AlertState,
    Integration,
    Knobs,
    Notification,
)
from simulators.thousandeyes.payloads import CLEAR, TEST, TRIGGER
from simulators.thousandeyes.telling import story

RETRY = "retry"
RETRY_EVERY = 5 * MINUTE
#: How long a notification may wait before it is sent, where they are shuffled.
LONGEST_WAIT = 2 * MINUTE
EVENTS_URL = native.EVENTS_URL
#: Third parties that are told in the journal only, and whether they hear of ends the rule does not announce.
JOURNALLED = {"slack": False, "service-now": True, "app-dynamics": True}
#: Events that are never repeated.
CUSTOM_TEST = custom_webhooks.CUSTOM_TEST
TESTS = (TEST, CUSTOM_TEST)


def notify(draft: Draft, alert: Alert) -> None:
    """Tell everybody the rule of ``alert`` names of the alert's present state."""
    settings = alert.notifications
    if not settings:
        return
    triggered = alert.state is AlertState.TRIGGER
    announced = triggered or alert.notify_on_clear
    mail = settings.get("email") or {}
    if announced:
        mails.tell(draft, alert, mail.get("recipients") or (), str(mail.get("message") or ""))
    always = announced or draft.knobs(Knobs).clear_always_sent
    event = TRIGGER if triggered else CLEAR
    for group in ("webhook", "thirdParty"):
        for item in settings.get(group) or ():
            integration = draft.get(INTEGRATIONS, str(item["integrationId"]))
            if integration is None:
                _lost(draft, alert, str(item["integrationId"]), "no such integration")
            elif integration.kind in JOURNALLED:
                if announced or (always and JOURNALLED[integration.kind]):
                    _post_in_journal(draft, alert, integration, event)
            elif always:
                _send_new(draft, alert, integration, event)
    for item in settings.get("customWebhook") or ():
        if always:
            _send_custom(draft, alert, str(item["integrationId"]), event)


def test_webhook(draft: Draft, integration_id: str) -> None:
    """Send the test event of a classic webhook, as the test button does."""
    integration = draft.need(INTEGRATIONS, integration_id)
    body = _encode(payloads.webhook_test(draft.now))
    _post(draft, Notification(_fresh(draft), "", integration.id, TEST, body, draft.now), integration)


def test_custom_webhook(draft: Draft, aid: str, operation_id: str) -> None:
    """Send a made-up trigger through a custom webhook; the operation's status tells what came of it."""
    sample = custom_webhooks.sample(draft.now, aid)
    notification = Notification(_fresh(draft), "", operation_id, CUSTOM_TEST, b"", draft.now)
    context = custom_webhooks.sample_context(draft, sample, notification.id)
    try:
        operation, connector = custom_webhooks.find(draft, aid, operation_id)
        ready = custom_webhooks.compose(operation, connector, notification, context, sample.alert_type)
    except CannotSend as problem:
        _lost(draft, sample, operation_id, str(problem))
        custom_webhooks.tested(draft, operation_id, accepted=False)
        return
    _post_custom(draft, ready)


test_webhook.__test__ = False  # type: ignore[attr-defined]
test_custom_webhook.__test__ = False  # type: ignore[attr-defined]


def on_retry(draft: Draft, timer: Timer) -> None:
    """Try a notification again."""
    notification = draft.get(NOTIFICATIONS, timer.key)
    if notification is None:
        return
    integration = draft.get(INTEGRATIONS, notification.integration)
    if integration is None:
        if draft.get(DOCUMENTS, notification.integration) is not None:
            _post_custom(draft, notification)
            return
        draft.put(NOTIFICATIONS, replace(notification, state="failed"))
        gone = "the integration was deleted"
        draft.record("notification.lost", notification.alert, integration=notification.integration, why=gone)
        return
    if draft.knobs(Knobs).new_event_id_on_retry and integration.kind == "webhook":
        body = json.loads(notification.body)
        body["eventId"] = _event_id(draft, notification.alert)
        notification = replace(notification, body=_encode(body))
    _post(draft, notification, integration)


def on_outcome(draft: Draft, tag: str, outcome: Outcome) -> None:
    """Take note of what came of a notification and plan the next attempt where one is due.

    An attempt that had to ask for a token first goes on when there is one, and has failed otherwise.
    """
    notification = draft.get(NOTIFICATIONS, tag.removeprefix(_ASKING))
    if notification is None:
        return
    if tag.startswith(_ASKING):
        token = custom_webhooks.token_in(outcome.body) if outcome.status == 200 else ""
        if token:
            _send_custom_now(draft, notification, token)
            return
        outcome = replace(outcome, status=None, error=f"no token ({outcome.error or f'HTTP {outcome.status}'})")
    integration = draft.get(INTEGRATIONS, notification.integration)
    kind = "webhook" if integration is None else integration.kind
    knobs = draft.knobs(Knobs)
    status = outcome.status or 0
    lenient = kind == native.KIND or knobs.any_2xx_delivers or notification.event in TESTS
    delivered = 200 <= status < 300 if lenient else status == 200
    refused = kind == native.KIND and 400 <= status < 500 and status != 429
    once = notification.event in TESTS or (bool(notification.url) and not knobs.custom_webhooks_repeated)
    result: dict[str, Any] = {
        "integration": notification.integration,
        "event": notification.event,
        "attempt": notification.attempts,
        "status": outcome.status,
        "error": outcome.error,
    }
    if notification.event == CUSTOM_TEST:
        custom_webhooks.tested(draft, notification.integration, accepted=delivered)
    if delivered:
        draft.put(NOTIFICATIONS, replace(notification, state="delivered"))
        draft.record("notification.delivered", notification.alert, **result)
    elif notification.attempts >= knobs.webhook_attempts or once or refused:
        draft.put(NOTIFICATIONS, replace(notification, state="failed"))
        draft.record("notification.failed", notification.alert, **result)
    else:
        # An attempt that was held up on the way has missed its turns: they are gone, not made up for in one instant.
        turn = max(notification.attempts, (draft.now - notification.made) // RETRY_EVERY + 1)
        due = notification.made + turn * RETRY_EVERY
        draft.schedule(due, OWNER, RETRY, notification.id)
        draft.record("notification.retried", notification.alert, **result, again=due)


# -- inside ------------------------------------------------------------------------------------------------------------


def _lost(draft: Draft, alert: Alert, integration: str, why: str) -> None:
    draft.record("notification.lost", alert.id, integration=integration, why=why)


def _post_in_journal(draft: Draft, alert: Alert, integration: Integration, event: str) -> None:
    """Write down what a third party is told, field by field."""
    told = story(draft, alert).fields()
    draft.record(
        "notification.posted",
        alert.id,
        integration=integration.id,
        channel=integration.kind,
        target=integration.target,
        event=event,
        fields=told,
    )


def _send_new(draft: Draft, alert: Alert, integration: Integration, event: str) -> None:
    if integration.kind == native.KIND:
        body = native.event(draft, alert, integration)
    else:
        body = payloads.webhook_payload(draft, alert, integration, event, _event_id(draft, alert.id))
    made = Notification(_fresh(draft), alert.id, integration.id, event, _encode(body), draft.now)
    if not _held_up(draft, made):
        _post(draft, made, integration)


def _send_custom(draft: Draft, alert: Alert, operation_id: str, event: str) -> None:
    notification = Notification(_fresh(draft), alert.id, operation_id, event, b"", draft.now)
    context = custom_webhooks.context_of(draft, alert, event, notification.id)
    try:
        operation, connector = custom_webhooks.find(draft, alert.aid, operation_id)
        ready = custom_webhooks.compose(operation, connector, notification, context, alert.alert_type)
    except CannotSend as problem:
        _lost(draft, alert, operation_id, str(problem))
        return
    if not _held_up(draft, ready):
        _post_custom(draft, ready)


def _held_up(draft: Draft, made: Notification) -> bool:
    """Return whether a notification waits for its turn somewhere in the vendor's house, and let it come later then."""
    if not draft.knobs(Knobs).deliveries_shuffled:
        return False
    draft.put(NOTIFICATIONS, made)
    wait = ids.number(draft.seed, "te.delivery.wait", made.id) % LONGEST_WAIT
    draft.schedule(draft.now + wait, OWNER, RETRY, made.id)
    return True


def _attempt(draft: Draft, notification: Notification) -> Notification:
    notification = replace(notification, attempts=notification.attempts + 1)
    draft.put(NOTIFICATIONS, notification)
    return notification


def _timeout(draft: Draft) -> int:
    return draft.knobs(Knobs).webhook_timeout * SECOND


def _post(draft: Draft, notification: Notification, integration: Integration) -> None:
    """Make one attempt of a classic webhook or an event; the integration knows where and how."""
    notification = _attempt(draft, notification)
    headers = (*_HEADERS, *_login(integration))
    draft.send(
        OWNER, notification.id, Outgoing("POST", integration.target, headers, notification.body, _timeout(draft))
    )


def _post_custom(draft: Draft, notification: Notification) -> None:
    """Make one attempt of a custom webhook, which carries where and how with it; a token may have to be asked for."""
    notification = _attempt(draft, notification)
    login = custom_webhooks.login_of(draft, notification.integration)
    if custom_webhooks.token_address(login):
        draft.send(OWNER, _ASKING + notification.id, custom_webhooks.token_request(login, _timeout(draft)))
    else:
        _send_custom_now(draft, notification)


def _send_custom_now(draft: Draft, notification: Notification, token: str = "") -> None:
    headers = (*notification.headers, ("Authorization", f"Bearer {token}")) if token else notification.headers
    request = Outgoing("POST", notification.url, headers, notification.body, _timeout(draft), kind="custom-webhook")
    draft.send(OWNER, notification.id, request)


#: Begins the tag of a request for the token a notification waits for.
_ASKING = "token for "
_HEADERS = (("Content-Type", "application/json"), ("User-Agent", custom_webhooks.AGENT))


def _login(integration: Integration) -> tuple[tuple[str, str], ...]:
    """Return a classic webhook's credentials; a token got by OAuth is sent like any other."""
    if integration.kind != "webhook" or integration.auth == "none":
        return ()
    if integration.auth == "basic":
        return (("Authorization", custom_webhooks.basic(integration.user, integration.token)),)
    return (("Authorization", f"Bearer {integration.token}"),)


def _fresh(draft: Draft) -> str:
    return draft.fresh(ids.UUID4, "te.notification")


def _event_id(draft: Draft, alert_id: str) -> str:
    return f"{draft.fresh(ids.UUID4, 'te.event')}--{alert_id}"


def _encode(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
