"""Custom webhooks: a connector says where and with which credentials, an operation says what, in a template.

The operation's payload, headers and query parameters are Handlebars templates over one notification; only the query
parameters are escaped. The payload has to be JSON once it is rendered, which a template that passes its test (a
trigger) may fail for a clear: such a notification is not sent, and the journal says why. Rule and operation are joined
by ``notifications.customWebhook[].integrationId``, the operation's id.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from simulators.engine.draft import Draft, View
from simulators.engine.instants import SECOND
from simulators.engine.resources import Document, thaw
from simulators.engine.zones import local
from simulators.thousandeyes import documents, handlebars
from simulators.thousandeyes import expression as expressions
from simulators.thousandeyes.expression import ExpressionError
from simulators.thousandeyes.handlebars import TemplateError
from simulators.thousandeyes.model import DOCUMENTS, RULES, TESTS, Alert, AlertState, Location, Notification
from simulators.thousandeyes.payloads import CLEAR, TRIGGER
from simulators.thousandeyes.telling import story

CUSTOM_TEST = "CUSTOM_WEBHOOK_TEST"
#: Ids of kinds of notifications, as templates see them.
TYPES = {CLEAR: 1, TRIGGER: 2}
#: Java's date letters -> strftime's, longest first.
_LETTERS = (
    ("yyyy", "%Y"),
    ("yy", "%y"),
    ("MMMM", "%B"),
    ("MMM", "%b"),
    ("MM", "%m"),
    ("dd", "%d"),
    ("EEEE", "%A"),
    ("EEE", "%a"),
    ("HH", "%H"),
    ("hh", "%I"),
    ("mm", "%M"),
    ("ss", "%S"),
    ("SSS", "000"),
    ("XXX", "%:z"),
    ("a", "%p"),
    ("z", "%Z"),
    ("Z", "%z"),
)
DATE_PATTERN = "yyyy-MM-dd HH:mm:ss z"


class CannotSend(Exception):
    """A notification that cannot be made: the text says why, in one line."""


def find(view: View, aid: str, operation_id: str) -> tuple[Document, Document]:
    """Return an operation and the connector it goes through; raises :class:`CannotSend` where there is none."""
    operation = documents.find(view, "operation", aid, operation_id)
    if operation is None:
        raise CannotSend("no such integration")
    if operation.body.get("enabled") is False:
        raise CannotSend("the operation is not enabled")
    for connector in documents.all_of(view, "connector", aid):
        if operation_id in connector.body.get("operations", ()):
            return operation, connector
    raise CannotSend("the operation has no connector")


def compose(
    operation: Document, connector: Document, notification: Notification, context: Mapping[str, Any], alert_type: str
) -> Notification:
    """Return the notification with what is sent filled in; raises :class:`CannotSend`."""
    helpers = helpers_of(context, alert_type)

    def rendered(template: Any, what: str) -> str:
        try:
            return handlebars.render(str(template or ""), context, helpers)
        except TemplateError as problem:
            raise CannotSend(f"{what}: {problem}") from None

    payload = rendered(operation.body.get("payload"), "payload")
    if payload.strip():
        _json(payload, "payload")
    headers = {"Content-Type": "application/json", "User-Agent": "ThousandEyes-Notifier"}
    for entry in (*connector.body.get("headers", ()), *operation.body.get("headers", ())):
        headers[str(entry["name"])] = rendered(entry["value"], f"header {entry['name']}")
    headers.update(_credentials(connector.body.get("authentication") or {}))
    url = f"{connector.body['target']}{operation.body.get('path') or ''}"
    query = rendered(operation.body.get("queryParams"), "queryParams")
    if query.strip():
        values = _json(query, "queryParams")
        if not isinstance(values, dict):
            raise CannotSend("queryParams: the rendered text is not a JSON object")
        shown = {name: handlebars.shown(value) for name, value in values.items()}
        url += ("&" if "?" in url else "?") + urlencode(shown)
    return replace(notification, body=payload.encode(), url=url, headers=tuple(headers.items()))


def _json(text: str, what: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as problem:
        raise CannotSend(f"{what}: the rendered text is not JSON: {problem}") from None


def _credentials(login: Mapping[str, Any]) -> dict[str, str]:
    """Return the header a connector's authentication comes to; OAuth uses the token that was fetched in the pages."""
    kind = login.get("type")
    if kind is None:
        return {}
    if kind == "basic":
        pair = base64.b64encode(f"{login['username']}:{login['password']}".encode()).decode()
        return {"Authorization": f"Basic {pair}"}
    if not login.get("token"):
        raise CannotSend(f"authentication {kind} has no token")
    return {"Authorization": str(login["token"]) if kind == "other-token" else f"Bearer {login['token']}"}


# -- what templates see ------------------------------------------------------------------------------------------------


def context_of(view: View, alert: Alert, event: str, notification_id: str) -> dict[str, Any]:
    """Return the notification as templates see it (ThousandEyes: webhook variables)."""
    told = story(view, alert)
    rule, test = view.get(RULES, alert.rule), view.get(TESTS, alert.test)
    group = told.group
    organization = "" if group is None else group.org_id
    return {
        "id": notification_id,
        "type": {"id": TYPES[event]},
        "alert": {
            "id": alert.id,
            "severity": {"id": alert.severity.upper()},
            "firstSeen": _instant(alert.start),
            "timeCleared": None if alert.end is None else _instant(alert.end),
            "rule": {
                "id": alert.rule,
                "name": alert.rule_name,
                "expression": alert.expression,
                "notes": None if rule is None else rule.body.get("description"),
                "alertType": {"id": alert.alert_type.upper().replace("-", "_")},
                "account": {
                    "id": alert.aid,
                    "organization": {"id": organization, "timezone": {"id": told.zone}},
                },
            },
            "test": None
            if test is None
            else {
                "id": test.id,
                "name": test.name,
                "description": test.body.get("description"),
                "testType": test.type,
                "labels": [{"name": name} for _, name in told.labels],
            },
            "details": [_detail(name, entry) for name, entry in told.locations],
            "targets": [{"description": told.target}] if told.target else [],
        },
    }


def _detail(name: str, entry: Location) -> dict[str, Any]:
    return {
        "metricsAtStart": _inside_json(entry.metrics_at_start),
        "metricsAtEnd": _inside_json(entry.metrics_at_end) or None,
        "source": {"id": entry.agent, "name": name},
    }


def _inside_json(words: str) -> str:
    """Return words as they stand in a JSON text.

    Expressions and metrics have quotes of the vendor's own (``Error type: "DNS"``), which would end the text every
    preset puts them in; that the vendor spares its presets that is assumed.
    """
    return json.dumps(words, ensure_ascii=False)[1:-1]


def _instant(instant: int) -> dict[str, int]:
    return {"epochSecond": instant // SECOND, "epochMilli": instant // 1000}


def sample(now: int) -> Alert:
    """Return the made-up HTTP alert the test button sends, a trigger."""
    location = Location("3", now, None, AlertState.TRIGGER, "Response Code: 503")
    return Alert(
        id="00000000-0000-4000-8000-000000000000",
        test="0",
        rule="0",
        aid="0",
        rule_name="Test alert rule",
        expression="((responseCode >= 500))",
        severity="minor",
        start=now,
        end=None,
        state=AlertState.TRIGGER,
        locations=(location,),
        violations=1,
        test_name="Test",
    )


def helpers_of(context: Mapping[str, Any], alert_type: str) -> dict[str, Callable[..., Any]]:
    """Return the vendor's own helpers for one notification."""
    zone = context["alert"]["rule"]["account"]["organization"]["timezone"]["id"]

    def format_date(value: Any = None, pattern: str = DATE_PATTERN, zone_name: str = "", **named: Any) -> str:
        return _date(value, str(named.get("format") or pattern), str(named.get("timezone") or zone_name or zone))

    def format_expression(value: Any = None, **_: Any) -> str:
        try:
            words = expressions.human(expressions.parse(str(value or ""), alert_type))
        except ExpressionError:
            words = handlebars.shown(value)
        return _inside_json(words)

    return {"formatDate": format_date, "formatExpression": format_expression}


def _date(value: Any, pattern: str, zone: str) -> str:
    if isinstance(value, Mapping):
        value = value.get("epochMilli")
    if not isinstance(value, int) or isinstance(value, bool):
        return ""
    instant = value * 1000 if value >= 100_000_000_000 else value * SECOND
    moment = local(instant, zone)
    made, at = "", 0
    while at < len(pattern):
        letters, code = next(((k, c) for k, c in _LETTERS if pattern.startswith(k, at)), (pattern[at], pattern[at]))
        offset = moment.strftime("%z")
        made += f"{offset[:3]}:{offset[3:]}" if code == "%:z" else moment.strftime(code) if "%" in code else code
        at += len(letters)
    return made


# -- testing -----------------------------------------------------------------------------------------------------------


def tested(draft: Draft, operation_id: str, *, accepted: bool) -> None:
    """Take note of whether the receiver accepted the test."""
    operation = draft.get(DOCUMENTS, operation_id)
    if operation is not None and operation.kind == "operation":
        status = "connected" if accepted else "failing"
        documents.replace_body(draft, operation, thaw(operation.body) | {"status": status})
