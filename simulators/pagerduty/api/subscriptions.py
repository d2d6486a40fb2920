"""Webhook subscriptions over REST: what the kind adds to the resource table, enabling and the ping.

The secret is shown in the answer to the create and never again, values of custom headers never; the way of delivery
cannot be changed (PagerDuty: webhooks v3, webhook subscriptions). A scope, that is the account, one service or one
team, may have ten subscriptions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from simulators.engine.resources import Document, thaw
from simulators.pagerduty import webhooks
from simulators.pagerduty.api.call import Call
from simulators.pagerduty.api.crud import Behaviour
from simulators.pagerduty.api.errors import Code, invalid, refuse, unknown
from simulators.pagerduty.api.lens import SHAPES, Lens, lens
from simulators.pagerduty.api.operations import Operation, Reply
from simulators.pagerduty.model import DOCUMENTS, RESOURCE_ID
from simulators.pagerduty.webhooks import SCOPES, SUBSCRIPTIONS

MOST_PER_SCOPE = 10
REDACTED = "-- redacted --"
_TOO_MANY = "Failed to create webhook. Webhook subscription limit exceeded for the selected scope."
#: What a filter's id must name.
_NAMED = {SCOPES["service"]: "services", SCOPES["team"]: "teams"}
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)


def show(look: Lens, document: Document) -> dict[str, Any]:
    """Return a subscription without its secrets."""
    body = document.body
    method = thaw(body["delivery_method"])
    headers = method.get("custom_headers") or ()
    return {
        "id": document.id,
        "type": "webhook_subscription",
        "active": bool(body.get("active", True)),
        "description": body.get("description"),
        "delivery_method": {
            "id": method.get("id"),
            "type": "http_delivery_method",
            "url": method["url"],
            "secret": None,
            "temporarily_disabled": webhooks.disabled(look.state, document),
            "custom_headers": [{"name": entry["name"], "value": REDACTED} for entry in headers],
        },
        "events": thaw(body["events"]),
        "filter": thaw(body["filter"]),
    }


SHAPES["webhook_subscriptions"] = show


def _reveal(call: Call, document: Document, shown: dict[str, Any]) -> dict[str, Any]:
    shown["delivery_method"]["secret"] = webhooks.endpoint(call.state, document).secrets[0]
    return shown


def _prepare(call: Call, body: dict[str, Any], old: Document | None) -> dict[str, Any]:
    if len(set(body["events"])) < len(body["events"]):
        raise invalid("Events must be unique")
    if body.get("oauth_client_id") is not None:
        raise invalid("Oauth client is invalid")
    _check_scope(call, body["filter"], old)
    if old is not None:
        return body | {"delivery_method": thaw(old.body["delivery_method"])}
    method = body["delivery_method"]
    _check_url(method["url"])
    _check_headers(method.get("custom_headers") or ())
    return body | {"delivery_method": {"id": call.draft.fresh(RESOURCE_ID, "pagerduty.delivery_method"), **method}}


def _check_scope(call: Call, scope: Mapping[str, Any], old: Document | None) -> None:
    kind, id = _NAMED.get(scope["type"]), scope.get("id")
    if kind is not None:
        if not id:
            raise invalid("Id cannot be empty.")
        if call.state.get(DOCUMENTS[kind], id) is None:
            raise unknown(kind)
    taken = [row for row in call.state.all(SUBSCRIPTIONS) if _scope(row.body["filter"]) == _scope(scope)]
    if len(taken) >= MOST_PER_SCOPE and (old is None or old.id not in [row.id for row in taken]):
        raise refuse(Code.PRODUCT_LIMIT, [_TOO_MANY])


def _scope(scope: Mapping[str, Any]) -> tuple[str, str]:
    return scope["type"], str(scope.get("id")) if scope["type"] in _NAMED else ""


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound or not url.isascii() or not url.isprintable() or " " in url:
        raise invalid("Url is invalid")


def _check_headers(headers: Sequence[Mapping[str, str]]) -> None:
    names = [entry["name"].lower() for entry in headers]
    if len(set(names)) < len(names):
        raise invalid("Custom headers must have unique names")
    for entry in headers:
        if not _HEADER_NAME.fullmatch(entry["name"]) or not (entry["value"].isascii() and entry["value"].isprintable()):
            raise invalid("Custom headers are invalid")


def _forget(call: Call, document: Document) -> None:
    webhooks.forget(call.draft, document.id)


def _of_type(call: Call, row: Document, values: Sequence[str]) -> bool:
    if values[0] not in SCOPES:
        raise invalid(f"Filter type must be in {', '.join(SCOPES)}")
    return bool(row.body["filter"]["type"] == SCOPES[values[0]])


def _of_id(call: Call, row: Document, values: Sequence[str]) -> bool:
    return bool(row.body["filter"].get("id") == values[0])


def _enable(call: Call) -> Any:
    row = call.document("webhook_subscriptions", call.ids["id"])
    webhooks.enable(call.draft, row, "asked to")
    return show(lens(call), row)


def _ping(call: Call) -> Reply:
    webhooks.ping(call.draft, call.document("webhook_subscriptions", call.ids["id"]))
    return Reply(None, 202)


BEHAVIOURS: Mapping[str, Behaviour] = {
    "webhook_subscriptions": Behaviour(
        prepare=_prepare,
        reveal=_reveal,
        removed=_forget,
        filters={"filter_type": _of_type, "filter_id": _of_id},
    )
}
_NEEDS = (("webhook_subscriptions", "id"),)
OPERATIONS: tuple[Operation, ...] = (
    Operation("POST", "/webhook_subscriptions/{id}/enable", _enable, wrapper="webhook_subscription", needs=_NEEDS,
              summary="Enable a webhook subscription"),
    Operation("POST", "/webhook_subscriptions/{id}/ping", _ping, status=202, needs=_NEEDS,
              summary="Ping a webhook subscription"),
)  # fmt: skip
