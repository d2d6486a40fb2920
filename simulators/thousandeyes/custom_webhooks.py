"""Custom webhooks: a connector says where and with which credentials, an operation says what, in a template.

The operation's payload, headers and query parameters are Handlebars templates over one notification; only the query
parameters are escaped. The payload has to be JSON once it is rendered, which a template that passes its test (a
trigger) may fail for a clear: such a notification is not sent, and the journal says why, as it does for whatever else
cannot be made or sent (a header with a line break). Rule and operation are joined by
``notifications.customWebhook[].integrationId``, the operation's id.

A connector with OAuth client credentials and no token asks its token address for one before every attempt.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from simulators.engine.draft import Draft, Outgoing, View
from simulators.engine.errors import EngineError
from simulators.engine.instants import SECOND
from simulators.engine.resources import Document, thaw
from simulators.engine.zones import local
from simulators.thousandeyes import documents, handlebars, monitors
from simulators.thousandeyes import expression as expressions
from simulators.thousandeyes.expression import ExpressionError
from simulators.thousandeyes.handlebars import TemplateError
from simulators.thousandeyes.model import DOCUMENTS, RULES, TESTS, Alert, AlertState, Location, Notification
from simulators.thousandeyes.payloads import CLEAR, TRIGGER
from simulators.thousandeyes.telling import story

CUSTOM_TEST = "CUSTOM_WEBHOOK_TEST"
AGENT = "ThousandEyes-Notifier"
#: Ids of kinds of notifications, as templates see them.
TYPES = {CLEAR: 1, TRIGGER: 2}
#: Java's date letters -> strftime's, longest first.
_LETTERS: Mapping[str, str] = {
    "yyyy": "%Y",
    "MMMM": "%B",
    "EEEE": "%A",
    "MMM": "%b",
    "EEE": "%a",
    "SSS": "000",
    "XXX": "%z",
    "yy": "%y",
    "MM": "%m",
    "dd": "%d",
    "HH": "%H",
    "hh": "%I",
    "mm": "%M",
    "ss": "%S",
    "a": "%p",
    "z": "%Z",
    "Z": "%z",
}
#: A text between quotes stands for itself, two quotes for one; then letters, then anything else.
_PATTERN = re.compile(rf"'(?P<quoted>[^']*)'|(?P<letters>{'|'.join(_LETTERS)})|(?P<other>.)", re.DOTALL)
#: What a header can carry (RFC 9110, without what lies beyond ASCII) and how it may be called.
_VALUE, _NAME = re.compile(r"[\t\x20-\x7e]*"), re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
#: Headers that belong to the request itself.
_FRAMING = ("content-length", "transfer-encoding", "host", "connection")
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
    connector = _connector_of(view, operation)
    if connector is None:
        raise CannotSend("the operation has no connector")
    return operation, connector


def login_of(view: View, operation_id: str) -> Mapping[str, Any]:
    """Return the authentication of the connector an operation goes through now, as far as there is one."""
    operation = view.get(DOCUMENTS, operation_id)
    connector = None if operation is None else _connector_of(view, operation)
    return {} if connector is None else connector.body.get("authentication") or {}


def _connector_of(view: View, operation: Document) -> Document | None:
    connectors = documents.all_of(view, "connector", operation.parent)
    return next((row for row in connectors if operation.id in row.body.get("operations", ())), None)


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
    headers = {"content-type": ("Content-Type", "application/json"), "user-agent": ("User-Agent", AGENT)}
    for entry in (*connector.body.get("headers", ()), *operation.body.get("headers", ())):
        name = str(entry["name"])
        headers[name.lower()] = (name, rendered(entry["value"], f"header {name!r}"))
    login = credentials(connector.body.get("authentication") or {})
    if login:
        headers["authorization"] = ("Authorization", login)
    for name, value in headers.values():
        if not _NAME.fullmatch(name) or name.lower() in _FRAMING:
            raise CannotSend(f"header {name!r}: there can be no header of this name")
        if not _VALUE.fullmatch(value):
            raise CannotSend(f"header {name!r}: the value holds a line break or another character no header can carry")
    url = f"{connector.body['target']}{operation.body.get('path') or ''}"
    query = rendered(operation.body.get("queryParams"), "queryParams")
    if query.strip():
        values = _json(query, "queryParams")
        if not isinstance(values, dict):
            raise CannotSend("queryParams: the rendered text is not a JSON object")
        shown = {name: handlebars.shown(value) for name, value in values.items()}
        url += ("&" if "?" in url else "?") + urlencode(shown, errors="replace")
    if any(sign.isspace() or not sign.isprintable() for sign in url):
        raise CannotSend("the address holds a space or a control character")
    return replace(notification, body=payload.encode(errors="replace"), url=url, headers=tuple(headers.values()))


def _json(text: str, what: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise CannotSend(f"{what}: the rendered text is not JSON: {problem}") from None


def credentials(login: Mapping[str, Any]) -> str:
    """Return what the ``Authorization`` header says by a connector's authentication, "" where it says nothing yet."""
    kind = login.get("type")
    if kind is None or token_address(login):
        return ""
    if kind == "basic":
        return basic(login["username"], login["password"])
    if not login.get("token"):
        raise CannotSend(f"authentication {kind} has no token")
    return str(login["token"]) if kind == "other-token" else f"Bearer {login['token']}"


def basic(user: str, password: str) -> str:
    """Return the ``Authorization`` of a user and password."""
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode(errors='replace')).decode()}"


def token_address(login: Mapping[str, Any]) -> str:
    """Return where a token is to be had before anything is sent, "" when there is one or none is needed."""
    wanted = login.get("type") == "oauth-client-credentials" and not login.get("token")
    return str(login.get("oauthTokenUrl") or "") if wanted else ""


def token_request(login: Mapping[str, Any], timeout: int) -> Outgoing:
    """Return the request for a token (RFC 6749, client credentials grant; the client logs in with a password)."""
    client = basic(login.get("oauthClientId", ""), login.get("oauthClientSecret", ""))
    headers = (("Content-Type", "application/x-www-form-urlencoded"), ("User-Agent", AGENT), ("Authorization", client))
    return Outgoing(
        "POST", token_address(login), headers, b"grant_type=client_credentials", timeout, kind="oauth-token"
    )


def token_in(body: bytes) -> str:
    """Return the token in an authorization server's answer, "" when there is none that a header can carry."""
    try:
        token = json.loads(body)["access_token"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return ""
    return token if isinstance(token, str) and _VALUE.fullmatch(token) else ""


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
            "details": [_detail(alert, name, entry) for name, entry in told.locations],
            "targets": [{"description": told.target}] if told.target else [],
        },
    }


def _detail(alert: Alert, name: str, entry: Location) -> dict[str, Any]:
    source: dict[str, Any] = {"id": entry.agent, "name": name}
    monitor = monitors.monitors().get(entry.agent) if alert.alert_type == "bgp" else None
    if monitor is not None:
        source["asn"] = {"name": monitor.network}
    return {
        "metricsAtStart": _inside_json(entry.metrics_at_start),
        "metricsAtEnd": _inside_json(entry.metrics_at_end) or None,
        "source": source,
    }


def _inside_json(words: str) -> str:
    """Return words as they stand in a JSON text.

    Expressions and metrics have quotes of the vendor's own (``Error type: "DNS"``), which would end the text every
    preset puts them in; that the vendor spares its presets that is assumed.
    """
    return json.dumps(words, ensure_ascii=False)[1:-1]


def _instant(instant: int) -> dict[str, int]:
    return {"epochSecond": instant // SECOND, "epochMilli": instant // 1000}


def sample(now: int, aid: str) -> Alert:
    """Return the made-up HTTP alert the test button sends, a trigger."""
    location = Location("3", now, None, AlertState.TRIGGER, "Response Code: 503")
    return Alert(
        id="00000000-0000-4000-8000-000000000000",
        test="0",
        rule="0",
        aid=aid,
        rule_name="Test alert rule",
        expression="((responseCode >= 500))",
        severity="minor",
        start=now,
        end=None,
        state=AlertState.TRIGGER,
        locations=(location,),
        violations=1,
        test_name="Test",
        target="https://www.example.com",
    )


def sample_context(view: View, alert: Alert, notification_id: str) -> dict[str, Any]:
    """Return what templates see of the test button's alert: everything an alert on a test has."""
    context = context_of(view, alert, TRIGGER, notification_id)
    test = {"id": "0", "name": "Test", "description": "A test", "testType": "http-server", "labels": []}
    return {**context, "alert": {**context["alert"], "test": test}}


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
    try:
        moment = local(instant, zone)
    except (EngineError, OverflowError, ValueError) as problem:
        raise TemplateError(f"formatDate: {type(problem).__name__}: {problem}") from None
    return "".join(_piece(moment, match) for match in _PATTERN.finditer(pattern))


def _piece(moment: datetime, match: re.Match[str]) -> str:
    if match["letters"] is None:
        return match["other"] or match["quoted"] or "'"
    made = moment.strftime(_LETTERS[match["letters"]])
    return f"{made[:3]}:{made[3:]}" if match["letters"] == "XXX" else made


# -- testing -----------------------------------------------------------------------------------------------------------


def tested(draft: Draft, operation_id: str, *, accepted: bool) -> None:
    """Take note of whether the receiver accepted the test."""
    operation = draft.get(DOCUMENTS, operation_id)
    if operation is not None and operation.kind == "operation":
        status = "connected" if accepted else "failing"
        documents.replace_body(draft, operation, thaw(operation.body) | {"status": status})
