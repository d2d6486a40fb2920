"""Telling the outside: classic webhooks, the native PagerDuty integration, and e-mail as a journalled record.

One notification per target when an alert triggers and one when it ends. A classic webhook counts as delivered only by
exactly 200 and is repeated every five minutes for an hour otherwise; a retry never holds up a later notification, so a
clear can overtake a failed trigger. The payload is the vendor's own (``eventType``, ``eventId``, ``alert``). What the
native PagerDuty integration sends is not published: an Events API v2 event with a documented severity mapping, keyed by
the alert id (assumed).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from simulators.engine import ids
from simulators.engine.agenda import Timer
from simulators.engine.draft import Draft, Outcome, Outgoing, View
from simulators.engine.instants import MINUTE, SECOND
from simulators.engine.zones import local
from simulators.thousandeyes import documents, monitors
from simulators.thousandeyes import expression as expressions
from simulators.thousandeyes.model import (
    ACCOUNT_GROUPS,
    AGENTS,
    APP,
    INTEGRATIONS,
    NOTIFICATIONS,
    OWNER,
    TESTS,
    Alert,
    AlertState,
    Integration,
    Knobs,
    Location,
    Notification,
)

RETRY = "retry"
RETRY_EVERY = 5 * MINUTE
EVENTS_URL = "https://events.pagerduty.com/v2/enqueue"
TYPE_NAMES = {"http-server": "HTTP Server"}
#: ThousandEyes severity -> Events API v2 severity; fixed by the vendor.
PAGERDUTY_SEVERITY = {"info": "warning", "minor": "warning", "major": "error", "critical": "critical"}


def notify(draft: Draft, alert: Alert) -> None:
    """Send what the rule of ``alert`` asks for, for the alert's present state."""
    settings = alert.notifications
    if not settings:
        return
    triggered = alert.state is AlertState.TRIGGER
    event = "ALERT_NOTIFICATION_TRIGGER" if triggered else "ALERT_NOTIFICATION_CLEAR"
    recipients = (settings.get("email") or {}).get("recipients") or ()
    if recipients and (triggered or alert.notify_on_clear):
        draft.record("email.sent", alert.id, recipients=list(recipients), event=event, test=alert.test_name)
    if not triggered and not alert.notify_on_clear and not draft.knobs(Knobs).clear_always_sent:
        return
    for group in ("webhook", "thirdParty"):
        for item in settings.get(group) or ():
            integration = draft.get(INTEGRATIONS, str(item["integrationId"]))
            if integration is None:
                draft.record(
                    "notification.lost", alert.id, integration=item["integrationId"], why="no such integration"
                )
                continue
            _send_new(draft, alert, integration, event)
    for item in settings.get("customWebhook") or ():
        why = "templates of custom webhooks are kept, but not rendered and sent"
        draft.record("notification.lost", alert.id, integration=item["integrationId"], why=why)


def test_webhook(draft: Draft, integration_id: str) -> None:
    """Send the test event of a classic webhook, as the test button does."""
    integration = draft.need(INTEGRATIONS, integration_id)
    body = {"eventType": "WEBHOOK_TEST", "eventId": str(draft.now // 1000)}
    _post(draft, Notification(_fresh(draft), "", integration.id, "WEBHOOK_TEST", _encode(body), draft.now), integration)


test_webhook.__test__ = False  # type: ignore[attr-defined]


def on_retry(draft: Draft, timer: Timer) -> None:
    """Try a notification again."""
    notification = draft.get(NOTIFICATIONS, timer.key)
    integration = None if notification is None else draft.get(INTEGRATIONS, notification.integration)
    if notification is not None and integration is not None:
        if draft.knobs(Knobs).new_event_id_on_retry and integration.kind == "webhook":
            body = json.loads(notification.body)
            body["eventId"] = _event_id(draft, notification.alert)
            notification = replace(notification, body=_encode(body))
        _post(draft, notification, integration)


def on_outcome(draft: Draft, tag: str, outcome: Outcome) -> None:
    """Take note of what came of a notification and plan the next attempt where one is due."""
    notification = draft.get(NOTIFICATIONS, tag)
    if notification is None:
        return
    integration = draft.get(INTEGRATIONS, notification.integration)
    kind = "webhook" if integration is None else integration.kind
    knobs = draft.knobs(Knobs)
    status = outcome.status or 0
    delivered = 200 <= status < 300 if kind == "pager-duty" or knobs.any_2xx_delivers else status == 200
    refused = kind == "pager-duty" and 400 <= status < 500 and status != 429
    result: dict[str, Any] = {
        "integration": notification.integration,
        "event": notification.event,
        "attempt": notification.attempts,
        "status": outcome.status,
        "error": outcome.error,
    }
    if delivered:
        draft.put(NOTIFICATIONS, replace(notification, state="delivered"))
        draft.record("notification.delivered", notification.alert, **result)
    elif notification.attempts >= knobs.webhook_attempts or notification.event == "WEBHOOK_TEST" or refused:
        draft.put(NOTIFICATIONS, replace(notification, state="failed"))
        draft.record("notification.failed", notification.alert, **result)
    else:
        # An attempt that was held up on the way has missed its turns: they are gone, not made up for in one instant.
        turn = max(notification.attempts, (draft.now - notification.made) // RETRY_EVERY + 1)
        due = notification.made + turn * RETRY_EVERY
        draft.schedule(due, OWNER, RETRY, notification.id)
        draft.record("notification.retried", notification.alert, **result, again=due)


def agent_name(view: View, agent_id: str) -> str:
    """Return an agent's name, or its id when it is unknown."""
    agent = view.get(AGENTS, agent_id)
    return agent_id if agent is None else agent.name


def location_name(view: View, alert_type: str, location: str) -> str:
    """Return the name of a location of an alert: of a monitor in alerts about routes, else of an agent."""
    monitor = monitors.monitors().get(location) if alert_type == "bgp" else None
    return agent_name(view, location) if monitor is None else monitor.name


def permalink(alert: Alert) -> str:
    """Return the alert's page."""
    return f"{APP}/alerts/list/?__a={alert.aid}&alertId={alert.id}"


# -- inside ------------------------------------------------------------------------------------------------------------


def _send_new(draft: Draft, alert: Alert, integration: Integration, event: str) -> None:
    if integration.kind == "pager-duty":
        body = pagerduty_event(draft, alert, integration)
    else:
        body = webhook_payload(draft, alert, integration, event)
    _post(draft, Notification(_fresh(draft), alert.id, integration.id, event, _encode(body), draft.now), integration)


def _post(draft: Draft, notification: Notification, integration: Integration) -> None:
    notification = replace(notification, attempts=notification.attempts + 1)
    draft.put(NOTIFICATIONS, notification)
    headers = [("Content-Type", "application/json"), ("User-Agent", "ThousandEyes-Notifier")]
    if integration.kind == "webhook" and integration.auth == "basic":
        pair = base64.b64encode(f"{integration.user}:{integration.token}".encode()).decode()
        headers.append(("Authorization", f"Basic {pair}"))
    elif integration.kind == "webhook" and integration.auth == "token":
        headers.append(("Authorization", f"Bearer {integration.token}"))
    timeout = draft.knobs(Knobs).webhook_timeout * SECOND
    request = Outgoing("POST", integration.target, tuple(headers), notification.body, timeout)
    draft.send(OWNER, notification.id, request)


def _fresh(draft: Draft) -> str:
    return draft.fresh(ids.UUID4, "te.notification")


def _event_id(draft: Draft, alert_id: str) -> str:
    return f"{draft.fresh(ids.UUID4, 'te.event')}--{alert_id}"


def _encode(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def _integer(text: str) -> int | str:
    return int(text) if text.isdigit() else text


def _labels(view: View, alert: Alert) -> list[dict[str, Any]]:
    labels = documents.labels_of(view, "test", alert.aid, alert.test)
    return [{"id": _integer(label.id), "name": label.body["name"]} for label in labels]


def webhook_payload(draft: Draft, alert: Alert, integration: Integration, event: str) -> dict[str, Any]:
    """Return the body of a classic webhook (ThousandEyes: webhook notification format)."""
    group = draft.get(ACCOUNT_GROUPS, alert.aid)
    zone = "UTC" if group is None else group.time_zone
    test = draft.get(TESTS, alert.test)

    def plain(instant: int) -> str:
        return local(instant, zone).strftime("%Y-%m-%d %H:%M:%S")

    def zoned(instant: int) -> str:
        return local(instant, zone).strftime("%Y-%m-%d %H:%M:%S %Z")

    def location(entry: Location) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "dateStart": plain(entry.since),
            "active": entry.state.active,
            "metricsAtStart": entry.metrics_at_start,
            "metricsAtEnd": entry.metrics_at_end,
            "permalink": f"{permalink(alert)}&agentId={entry.agent}",
            "agentId": _integer(entry.agent),
            "agentName": agent_name(draft, entry.agent),
        }
        if entry.until is not None:
            shown["dateEnd"] = plain(entry.until)
        return shown

    parsed = expressions.parse(alert.expression, alert.alert_type)
    body: dict[str, Any] = {
        "severity": alert.severity.title(),
        "dateStartZoned": zoned(alert.start),
        "apiLinks": [
            {"rel": "related", "href": f"https://api.thousandeyes.com/v4/tests/{alert.test}"},
            {"rel": "data", "href": f"https://api.thousandeyes.com/v4/web/http-server/{alert.test}"},
        ],
        "testLabels": _labels(draft, alert),
        "active": alert.state.active,
        "ruleExpression": expressions.human(parsed),
        "type": TYPE_NAMES.get(alert.alert_type, alert.alert_type),
        "ruleAid": _integer(alert.aid),
        "agents": [location(entry) for entry in alert.locations],
        "testTargetsDescription": [] if test is None or not test.target else [test.target],
        "violationCount": alert.violations,
        "dateStart": plain(alert.start),
        "ruleName": alert.rule_name,
        "testId": _integer(alert.test),
        "alertId": alert.id,
        "ruleId": _integer(alert.rule),
        "permalink": permalink(alert),
        "testName": alert.test_name,
    }
    if alert.end is not None:
        body["dateEnd"] = plain(alert.end)
        body["dateEndZoned"] = zoned(alert.end)
    body.update(integration.static)
    return {"eventId": _event_id(draft, alert.id), "alert": body, "eventType": event}


def pagerduty_event(draft: Draft, alert: Alert, integration: Integration) -> dict[str, Any]:
    """Return the Events API v2 event of the native integration (its exact shape is not published: assumed)."""
    head: dict[str, Any] = {"routing_key": integration.token, "dedup_key": f"thousandeyes-{alert.id}"}
    if alert.state is not AlertState.TRIGGER:
        return head | {"event_action": "resolve"}
    test = draft.get(TESTS, alert.test)
    target = "" if test is None else test.target
    parsed = expressions.parse(alert.expression, alert.alert_type)
    start = local(alert.start, "UTC")
    agents = "; ".join(f"{agent_name(draft, entry.agent)}: {entry.metrics_at_start}" for entry in alert.locations)
    details = {
        "Alert ID": alert.id,
        "Alert Rule": f"{alert.rule_name}: {expressions.human(parsed)}",
        "Test Name": alert.test_name,
        "Target": target,
        "Number of Agents": alert.violations,
        "Agents": agents,
        "Severity": alert.severity.title(),
        "Start Date": start.strftime("%Y-%m-%d %H:%M:%S UTC"),
        "Permalink": permalink(alert),
    }
    return head | {
        "event_action": "trigger",
        "payload": {
            "summary": f"{alert.rule_name}: {alert.test_name} ({target})"[:1024],
            "source": target or alert.test_name,
            "severity": PAGERDUTY_SEVERITY.get(alert.severity, "warning"),
            "timestamp": start.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": alert.test_name,
            "group": alert.aid,
            "class": TYPE_NAMES.get(alert.alert_type, alert.alert_type),
            "custom_details": details,
        },
        "client": "ThousandEyes",
        "client_url": permalink(alert),
        "links": [{"href": permalink(alert), "text": "Alert in ThousandEyes"}],
    }
