"""Connectors to vaults and firewalls, and the secrets tests take from a vault.

A credential vault operation names secrets of a vault; it goes through one Conjur connector, and tests name its secrets
by their ids. Taking such a secret away disables the tests that use it, which has to be confirmed. Panorama connectors
are kept and shown; nothing asks a firewall here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from flask import Blueprint, Response, request

from simulators.engine import ids
from simulators.engine.draft import Draft, View
from simulators.engine.resources import Document, Resource, thaw
from simulators.engine.web import transact, world
from simulators.thousandeyes import commands, documents
from simulators.thousandeyes.api.collection import Collection, Expand, Shown, mount
from simulators.thousandeyes.api.fields import one_of, shown, text, thing, things, whole
from simulators.thousandeyes.api.rest import (
    BASE,
    Caller,
    FieldError,
    any_body,
    hal,
    invalid,
    reply,
    require,
)
from simulators.thousandeyes.api.shapes import MASK
from simulators.thousandeyes.model import TESTS

VIEW, EDIT = "9", "10"
SECRETS = ("apiKey", "token", "password")
#: How one logs in to a firewall, and what each way needs.
LOGINS: Mapping[str, tuple[str, ...]] = {
    "other-token": ("token",),
    "pan-key-gen": ("username", "password", "keyTtl"),
}
_SHOWN = shown("id", "lastModifiedDate", "_links")
_WHERE = (text("name", required=True, most=255), text("target", required=True, most=2048))

CONJUR = Resource(
    "connector",
    "items",
    "/connectors/conjur",
    (
        *_SHOWN,
        text("type", required=True),
        *_WHERE,
        text("account", required=True),
        thing(
            "authentication",
            one_of("type", "conjur-host", required=True),
            text("hostId", required=True),
            text("apiKey", required=True),
            required=True,
        ),
    ),
)
PANORAMA = Resource(
    "connector",
    "items",
    "/connectors/panorama",
    (
        *_SHOWN,
        text("type", required=True),
        *_WHERE,
        thing(
            "authentication",
            one_of("type", *LOGINS, required=True),
            text("token"),
            text("username"),
            text("password"),
            whole("keyTtl", 0),
            required=True,
        ),
    ),
)
VAULT = Resource(
    "operation",
    "items",
    "/operations/credential-vault",
    (
        *shown("id", "_links"),
        text("name", required=True, most=255),
        things("secrets", text("id"), text("name", required=True), text("secretKey", required=True), required=True),
        text("type"),
        one_of("status", "pending", "connected", "failing", "unverified", default="pending"),
    ),
)


# -- showing -----------------------------------------------------------------------------------------------------------


def _connector(resource: Resource) -> Callable[[View, Caller, Document, Expand], Shown]:
    def show(view: View, caller: Caller, row: Document, expand: Expand) -> Shown:
        body = thaw(row.body)
        body.pop("operations", None)
        login = {name: MASK if name in SECRETS else value for name, value in body["authentication"].items()}
        document = {"id": row.id, **body, "authentication": login, "lastModifiedDate": row.updated // 1000}
        return hal(document, f"{resource.path}/{row.id}")

    return show


def _vault(view: View, caller: Caller, row: Document, expand: Expand) -> Shown:
    return hal({"id": row.id, "type": "credential-vault", "status": "pending", **thaw(row.body)}, _vault_path(row))


def _vault_path(row: Document) -> str:
    return f"{VAULT.path}/{row.id}"


# -- secrets and the tests that use them -------------------------------------------------------------------------------


def _named(draft: Draft, body: Shown) -> Shown:
    """Return an operation's body with an id for every secret."""
    secrets = [{**entry, "id": entry.get("id") or draft.fresh(ids.UUID4, "te.secret")} for entry in body["secrets"]]
    return {**body, "secrets": secrets}


def _take_away(draft: Draft, caller: Caller, secrets: Iterable[str]) -> None:
    """Disable the tests that use some secrets; raises the validation problem of one that is not confirmed."""
    gone = set(secrets)
    for test in draft.find(TESTS, "aid", caller.aid):
        if test.enabled and any(entry.get("secretId") in gone for entry in test.body.get("vaultCredentials", ())):
            if request.args.get("confirmDisabledObjects") != "true":
                raise invalid(FieldError("confirmDisabledObjects", f"must be true: test {test.id} would be disabled"))
            commands.update_test(draft, test.id, enabled=False)


def _secret_ids(*operations: Document) -> list[str]:
    return [entry["id"] for operation in operations for entry in operation.body["secrets"]]


def _update_vault(draft: Draft, caller: Caller, row: Document, body: Shown) -> Document:
    changed = _named(draft, body)
    kept = [entry["id"] for entry in changed["secrets"]]
    _take_away(draft, caller, (name for name in _secret_ids(row) if name not in kept))
    return documents.replace_body(draft, row, changed)


def _delete_vault(draft: Draft, caller: Caller, row: Document) -> None:
    _take_away(draft, caller, _secret_ids(row))
    for connector in documents.all_of(draft, "conjur", caller.aid):
        left = [name for name in connector.body.get("operations", ()) if name != row.id]
        documents.replace_body(draft, connector, {**connector.body, "operations": left})
    documents.delete(draft, row)


# -- collections -------------------------------------------------------------------------------------------------------


def _delete_conjur(draft: Draft, caller: Caller, row: Document) -> None:
    operations = (documents.find(draft, "vault", caller.aid, name) for name in row.body.get("operations", ()))
    _take_away(draft, caller, _secret_ids(*(operation for operation in operations if operation is not None)))
    documents.delete(draft, row)


def _login_problems(view: View, caller: Caller, body: Shown, row: Document | None) -> list[FieldError]:
    login = body["authentication"]
    return [
        FieldError(f"authentication.{name}", "is required") for name in LOGINS[login["type"]] if login.get(name) is None
    ]


def _update_connector(draft: Draft, caller: Caller, row: Document, body: Shown) -> Document:
    known = row.body["authentication"]
    login = {name: known.get(name, value) if value == MASK else value for name, value in body["authentication"].items()}
    operations = list(row.body.get("operations", ()))
    return documents.replace_body(draft, row, {**body, "authentication": login, "operations": operations})


def _collection(kind: str, resource: Resource, **particular: Any) -> Collection[Document]:
    settings: dict[str, Any] = {
        "show": _connector(resource),
        "path": lambda row: f"{resource.path}/{row.id}",
        "create": lambda draft, caller, body: documents.create(draft, kind, caller.aid, body),
        "update": _update_connector,
        "delete": lambda draft, caller, row: documents.delete(draft, row),
        **particular,
    }
    return Collection(
        resource=resource,
        key="id",
        rows=lambda view, caller: documents.all_of(view, kind, caller.aid),
        find=lambda view, caller, id: documents.find(view, kind, caller.aid, id),
        located=False,
        permissions=(VIEW, EDIT),
        **settings,
    )


CONJUR_ROWS = _collection("conjur", CONJUR, delete=_delete_conjur)
PANORAMA_ROWS = _collection("panorama", PANORAMA, problems=_login_problems)
VAULT_ROWS = _collection(
    "vault",
    VAULT,
    show=_vault,
    path=_vault_path,
    create=lambda draft, caller, body: documents.create(draft, "vault", caller.aid, _named(draft, body)),
    update=_update_vault,
    delete=_delete_vault,
)
COLLECTIONS = (CONJUR_ROWS, PANORAMA_ROWS, VAULT_ROWS)
#: Connectors that have operations, and which may be theirs; nothing goes through a firewall's.
_ASSIGNABLE: Mapping[str, tuple[Collection[Document], Collection[Document] | None]] = {
    "conjur": (CONJUR_ROWS, VAULT_ROWS),
    "panorama": (PANORAMA_ROWS, None),
}


def _list_operations(kind: str, id: str) -> Response:
    connector = _ASSIGNABLE[kind][0].need(world().view, require(VIEW), id)
    return reply(hal({"items": list(connector.body.get("operations", ()))}))


def _set_operations(kind: str, id: str) -> Response:
    asking, wanted = require(EDIT), any_body()
    connectors, operations = _ASSIGNABLE[kind]
    if not isinstance(wanted, list) or not all(isinstance(name, str) for name in wanted):
        raise invalid(FieldError("", "must be an array of strings"))

    def verb(draft: Draft) -> None:
        connector = connectors.need(draft, asking, id)
        unknown = [
            FieldError(f"[{place}]", f"there is no operation {name}")
            for place, name in enumerate(wanted)
            if operations is None or operations.find(draft, asking, name) is None
        ]
        if unknown:
            raise invalid(*unknown)
        left = (name for name in connector.body.get("operations", ()) if name not in wanted)
        gone = (operation for name in left if operations and (operation := operations.find(draft, asking, name)))
        _take_away(draft, asking, _secret_ids(*gone))
        documents.replace_body(draft, connector, {**connector.body, "operations": list(dict.fromkeys(wanted))})

    transact(verb)
    return reply(hal({"items": wanted}))


def blueprint() -> Blueprint:
    """Return the routes of vaults and firewalls."""
    routes = Blueprint("vaults", __name__)
    for collection in COLLECTIONS:
        mount(routes, collection)
    for kind in _ASSIGNABLE:
        path = f"{BASE}/connectors/{kind}/<id>/operations"
        for method, view in (("GET", _list_operations), ("PUT", _set_operations)):
            routes.add_url_rule(
                path, f"{method} {kind}", lambda id, kind=kind, view=view: view(kind, id), methods=[method]
            )
    return routes
