"""Integrations the API can make: generic connectors, webhook operations, and which operation goes through which.

A connector says where and how to log in, an operation says what to send; an operation goes through one connector at
most. Secrets come back as asterisks, and asterisks sent back leave them as they are (assumed). Whatever changes but a
name makes an operation untested again, unless the same update says which status it has. Classic webhooks and PagerDuty
services are made in the vendor's pages only, here in the control plane (:mod:`~simulators.thousandeyes.control`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Response

from simulators.engine.draft import Draft, View
from simulators.engine.resources import Document, freeze, thaw
from simulators.engine.web import transact, world
from simulators.thousandeyes import documents
from simulators.thousandeyes.api.collection import Collection, Expand, Shown, mount
from simulators.thousandeyes.api.resources import AUTHENTICATION, CONNECTOR, OPERATION, readable
from simulators.thousandeyes.api.rest import (
    BASE,
    Caller,
    FieldError,
    any_body,
    hal,
    invalid,
    not_found,
    reply,
    require,
)
from simulators.thousandeyes.api.shapes import MASK
from simulators.thousandeyes.model import RULES

VIEW, EDIT = "9", "10"
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
ADDRESSES = ("oauthAuthUrl", "oauthTokenUrl")
SECRETS = ("password", "token", "refreshToken", "oauthClientSecret", "code")


# -- connectors --------------------------------------------------------------------------------------------------------


def _connector(view: View, caller: Caller, connector: Document, expand: Expand) -> Shown:
    shown = {"id": connector.id, **readable(CONNECTOR, thaw(connector.body))}
    shown.pop("operations", None)
    if "authentication" in shown:
        shown["authentication"] = {
            name: MASK if name in SECRETS else value for name, value in shown["authentication"].items()
        }
    if "headers" in shown:
        shown["headers"] = [entry | {"value": MASK} for entry in shown["headers"]]
    return shown | {"lastModifiedDate": connector.updated // 1000}


def _connector_path(connector: Document) -> str:
    return f"{CONNECTOR.path}/{connector.id}"


def _connector_problems(view: View, caller: Caller, body: Shown, connector: Document | None) -> list[FieldError]:
    found = [] if _is_url(body["target"]) else [FieldError("target", "must be a URL")]
    found.extend(_header_problems(body))
    login = body.get("authentication")
    if login is not None:
        found.extend(FieldError(f"authentication.{name}", problem) for name, problem in _login_problems(login))
    return found


def _login_problems(login: Shown) -> Iterator[tuple[str, str]]:
    needed, optional = AUTHENTICATION[login["type"]]
    for name in (*needed, *optional):
        value = login.get(name)
        if name in needed and not value:
            yield name, "is required"
        elif value is not None and not isinstance(value, str):
            yield name, "must be a string"
        elif value and name in ADDRESSES and not _is_url(value):
            yield name, "must be a URL"


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return False


def _header_problems(body: Shown) -> list[FieldError]:
    """Return what is wrong with the names of headers (what a value comes to is known when it is sent)."""
    return [
        FieldError(f"headers[{place}].name", "must be the name of an HTTP header")
        for place, entry in enumerate(body.get("headers") or ())
        if not _HEADER.fullmatch(entry["name"])
    ]


def _operations_of(connector: Document) -> list[str]:
    return list(connector.body.get("operations", ()))


def _update_connector(draft: Draft, caller: Caller, connector: Document, body: Shown) -> Document:
    before: Shown = thaw(connector.body)
    body = body | {"operations": _operations_of(connector)}
    _keep_secrets(body.get("authentication"), before.get("authentication"))
    for entry in body.get("headers") or ():
        kept = next((old for old in before.get("headers") or () if old["name"] == entry["name"]), None)
        _keep_secrets(entry, kept)
    if _but_name(body) != _but_name(before):
        for name in body["operations"]:
            _untested(draft, caller, name)
    return documents.replace_body(draft, connector, body)


def _keep_secrets(sent: Any, known: Any) -> None:
    """Put what is known in the place of every mask that was sent back."""
    for name in sent or ():
        if sent[name] == MASK and name in (known or ()):
            sent[name] = known[name]


def _but_name(body: Shown) -> Shown:
    return {name: value for name, value in body.items() if name not in {"name", "status"}}


def _untested(draft: Draft, caller: Caller, operation_id: str) -> None:
    operation = documents.find(draft, "operation", caller.aid, operation_id)
    if operation is not None:
        documents.replace_body(draft, operation, thaw(operation.body) | {"status": "pending"})


CONNECTORS: Collection[Document] = Collection(
    resource=CONNECTOR,
    key="id",
    rows=lambda view, caller: documents.all_of(view, "connector", caller.aid),
    find=lambda view, caller, id: documents.find(view, "connector", caller.aid, id),
    show=_connector,
    path=_connector_path,
    problems=_connector_problems,
    create=lambda draft, caller, body: documents.create(draft, "connector", caller.aid, body),
    update=_update_connector,
    delete=lambda draft, caller, connector: documents.delete(draft, connector),
    located=False,
    permissions=(VIEW, EDIT),
)


# -- operations --------------------------------------------------------------------------------------------------------


def _operation(view: View, caller: Caller, operation: Document, expand: Expand) -> Shown:
    shown = {"id": operation.id, **readable(OPERATION, thaw(operation.body))}
    return hal(shown, _operation_path(operation))


def _operation_path(operation: Document) -> str:
    return f"{OPERATION.path}/{operation.id}"


def _delete_operation(draft: Draft, caller: Caller, operation: Document) -> None:
    """Delete an operation; connectors and alert rules lose it, which is no edit of the rule: its alerts go on."""
    _assign(draft, caller, operation.id, [])
    for rule in list(draft.find(RULES, "aid", caller.aid)):
        notifications = thaw(rule.notifications)
        group = notifications.get("customWebhook", [])
        left = [item for item in group if item["integrationId"] != operation.id]
        if left != group:
            draft.put(RULES, replace(rule, notifications=freeze(notifications | {"customWebhook": left})))
    documents.delete(draft, operation)


def _update_operation(draft: Draft, caller: Caller, operation: Document, body: Shown) -> Document:
    before: Shown = thaw(operation.body)
    if _but_name(body) != _but_name(before) and body["status"] == before["status"]:
        body = body | {"status": "pending"}
    return documents.replace_body(draft, operation, body)


OPERATIONS: Collection[Document] = Collection(
    resource=OPERATION,
    key="id",
    rows=lambda view, caller: documents.all_of(view, "operation", caller.aid),
    find=lambda view, caller, id: documents.find(view, "operation", caller.aid, id),
    show=_operation,
    path=_operation_path,
    problems=lambda view, caller, body, operation: _header_problems(body),
    create=lambda draft, caller, body: documents.create(draft, "operation", caller.aid, body),
    update=_update_operation,
    delete=_delete_operation,
    located=False,
    permissions=(VIEW, EDIT),
)


# -- which goes through which ------------------------------------------------------------------------------------------


def _assign(draft: Draft, caller: Caller, operation_id: str, connectors: Sequence[str]) -> None:
    """Make ``connectors`` (none or one) the connectors of an operation; another one than before is untested."""
    before = _connectors_of(draft, caller, operation_id)
    if before and before != list(connectors):
        _untested(draft, caller, operation_id)
    for connector in documents.all_of(draft, "connector", caller.aid):
        others = [name for name in _operations_of(connector) if name != operation_id]
        wanted = [*others, operation_id] if connector.id in connectors else others
        if wanted != _operations_of(connector):
            documents.replace_body(draft, connector, thaw(connector.body) | {"operations": wanted})


def _ids(known: Collection[Document], view: View, caller: Caller, most: int) -> list[str]:
    """Return the ids in the request's array; raises a validation problem for anything else."""
    body = any_body()
    if not isinstance(body, list) or not all(isinstance(name, str) for name in body):
        raise invalid(FieldError("", "must be an array of strings"))
    if len(body) > most:
        raise invalid(FieldError("", f"must not be longer than {most} entries"))
    unknown = [FieldError(f"[{place}]", f"there is no {known.resource.singular} {name}")
               for place, name in enumerate(body) if known.find(view, caller, name) is None]  # fmt: skip
    if unknown:
        raise invalid(*unknown)
    return list(dict.fromkeys(body))


def _connectors_of(view: View, caller: Caller, operation_id: str) -> list[str]:
    rows = documents.all_of(view, "connector", caller.aid)
    return [connector.id for connector in rows if operation_id in _operations_of(connector)]


def blueprint() -> Blueprint:
    """Return the routes of connectors and operations."""
    routes = Blueprint("integrations", __name__)
    mount(routes, CONNECTORS)
    mount(routes, OPERATIONS)

    @routes.get(f"{BASE}/connectors/generic/<connector_id>/operations")
    def list_operations(connector_id: str) -> Response:
        connector = CONNECTORS.need(world().view, require(VIEW), connector_id)
        return reply(hal({"items": _operations_of(connector)}))

    @routes.put(f"{BASE}/connectors/generic/<connector_id>/operations")
    def set_operations(connector_id: str) -> Response:
        asking = require(EDIT)

        def verb(draft: Draft) -> list[str]:
            connector = CONNECTORS.need(draft, asking, connector_id)
            wanted = _ids(OPERATIONS, draft, asking, most=1000)
            for name in dict.fromkeys([*_operations_of(connector), *wanted]):
                _assign(draft, asking, name, [connector_id] if name in wanted else [])
            return wanted

        return reply(hal({"items": transact(verb)}))

    @routes.get(f"{BASE}/operations/<kind>/<operation_id>/connectors")
    def list_connectors(kind: str, operation_id: str) -> Response:
        asking, view = require(VIEW), world().view
        _webhooks_only(kind)
        OPERATIONS.need(view, asking, operation_id)
        return reply(hal({"items": _connectors_of(view, asking, operation_id)}))

    @routes.put(f"{BASE}/operations/<kind>/<operation_id>/connectors")
    def set_connectors(kind: str, operation_id: str) -> Response:
        asking = require(EDIT)
        _webhooks_only(kind)

        def verb(draft: Draft) -> list[str]:
            OPERATIONS.need(draft, asking, operation_id)
            wanted = _ids(CONNECTORS, draft, asking, most=1)
            _assign(draft, asking, operation_id, wanted)
            return wanted

        return reply(hal({"items": transact(verb)}))

    return routes


def _webhooks_only(kind: str) -> None:
    if kind != "webhooks":
        raise not_found(f"There are no operations of type {kind}.")
