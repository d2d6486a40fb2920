"""One mechanism for everything the v7 API keeps: list, create, read, update and delete, driven by the resource table.

A :class:`Collection` is a row of the table together with the few functions that differ from kind to kind: where its
rows are, how one is shown, what is wrong with a body beyond its fields, and what writing does. Routes, wrapper keys,
``expand``, ``Location``, permissions, refusals and the served description follow from it. A body is checked and applied
in one decision, so what was valid is what is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from flask import Blueprint, Response, request

from simulators.engine.draft import Draft, View
from simulators.engine.resources import Resource
from simulators.engine.web import transact, world
from simulators.thousandeyes.api.resources import errors, writable
from simulators.thousandeyes.api.rest import (
    BASE,
    HAL,
    Caller,
    FieldError,
    expansions,
    hal,
    invalid,
    no_content,
    not_found,
    object_body,
    reply,
    require,
)
from simulators.thousandeyes.model import AUDIT, AUDIT_ID, AuditEvent

RowT = TypeVar("RowT")
Expand = tuple[str, ...]
Shown = dict[str, Any]


def _no_problems(view: View, caller: Caller, body: Mapping[str, Any], row: Any) -> list[FieldError]:
    return []


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection(Generic[RowT]):
    """A kind of thing and what is particular about it.

    ``key`` is the name of its id; ``brief`` how lists show it (default: as reading does); ``written`` how creating and
    updating show it (same default), ``created`` how creating does where that differs; ``problems`` what is wrong with a
    body besides its fields (the row is ``None`` on create); ``merges`` whether an update keeps what it does not
    mention; ``empty_when_unknown`` whether reading something that is not there answers an empty object; ``permissions``
    the ids needed to see and to change it.
    """

    resource: Resource
    key: str
    rows: Callable[[View, Caller], Iterable[RowT]]
    find: Callable[[View, Caller, str], RowT | None]
    show: Callable[[View, Caller, RowT, Expand], Shown]
    path: Callable[[RowT], str]
    brief: Callable[[View, Caller, RowT, Expand], Shown] | None = None
    written: Callable[[View, Caller, RowT, Expand], Shown] | None = None
    created: Callable[[View, Caller, RowT, Expand], Shown] | None = None
    problems: Callable[[View, Caller, Shown, RowT | None], list[FieldError]] = _no_problems
    create: Callable[[Draft, Caller, Shown], RowT] | None = None
    update: Callable[[Draft, Caller, RowT, Shown], RowT] | None = None
    delete: Callable[[Draft, Caller, RowT], None] | None = None
    merges: Callable[[View], bool] = lambda view: False
    empty_when_unknown: Callable[[View], bool] = lambda view: False
    located: bool = True
    media: str = HAL
    permissions: tuple[str, str] = ("", "")
    list_expand: Expand = ()

    @property
    def verbs(self) -> tuple[str, ...]:
        """Which of list, create, read, update and delete exist."""
        return self.resource.verbs

    def need(self, view: View, caller: Caller, id: str) -> RowT:
        """Return a row; raises the 404 of one this account group does not have."""
        row = self.find(view, caller, id)
        if row is None:
            raise not_found(f"There is no {self.resource.singular} {id}.")
        return row

    def accept(self, view: View, caller: Caller, sent: Shown, row: RowT | None) -> Shown:
        """Return what is to be stored of a body; raises the validation problem that names everything wrong with it."""
        partial = row is not None and self.merges(view)
        found = errors(self.resource, sent, partial=partial)
        body = writable(self.resource, sent)
        if not found:
            found = self.problems(view, caller, body, row)
        if found:
            raise invalid(*found)
        return body


def mount(routes: Blueprint, collection: Collection[Any]) -> None:
    """Add the routes of a collection."""
    path = BASE + collection.resource.path
    item = f"{path}/<{collection.key}>"
    verbs: Mapping[str, tuple[str, str, Callable[..., Response]]] = {
        "list": ("GET", path, lambda: _list(collection)),
        "create": ("POST", path, lambda: _create(collection)),
        "read": ("GET", item, lambda **ids: _read(collection, ids[collection.key])),
        "update": ("PUT", item, lambda **ids: _update(collection, ids[collection.key])),
        "delete": ("DELETE", item, lambda **ids: _delete(collection, ids[collection.key])),
    }
    for verb in collection.verbs:
        method, rule, view_function = verbs[verb]
        name = f"{verb} {collection.resource.path}".replace(".", "-")
        routes.add_url_rule(rule, name, view_function, methods=[method])


def _list(collection: Collection[Any]) -> Response:
    asking, view = require(collection.permissions[0]), world().view
    expand = expansions(collection.list_expand) if collection.list_expand else ()
    show = collection.brief or collection.show
    items = [show(view, asking, row, expand) for row in collection.rows(view, asking)]
    return reply(hal({collection.resource.plural: items}), media=collection.media)


def _create(collection: Collection[Any]) -> Response:
    asking, body = require(collection.permissions[1]), object_body()
    expand = expansions(collection.resource.include)

    def verb(draft: Draft) -> tuple[str, Shown]:
        assert collection.create is not None
        row = collection.create(draft, asking, collection.accept(draft, asking, body, None))
        show = collection.created or collection.written or collection.show
        document = show(draft, asking, row, expand)
        _note(draft, asking, collection, "created", document)
        return collection.path(row), document

    path, document = transact(verb)
    return reply(document, 201, location=path if collection.located else "", media=collection.media)


def _read(collection: Collection[Any], id: str) -> Response:
    asking, view = require(collection.permissions[0]), world().view
    if collection.empty_when_unknown(view) and collection.find(view, asking, id) is None:
        return reply({}, media=collection.media)
    row = collection.need(view, asking, id)
    expand = expansions(collection.resource.include)
    return reply(collection.show(view, asking, row, expand), media=collection.media)


def _update(collection: Collection[Any], id: str) -> Response:
    asking = require(collection.permissions[1])
    expand = expansions(collection.resource.include)

    def verb(draft: Draft) -> Shown:
        assert collection.update is not None
        row = collection.need(draft, asking, id)
        row = collection.update(draft, asking, row, collection.accept(draft, asking, object_body(), row))
        show = collection.written or collection.show
        document = show(draft, asking, row, expand)
        _note(draft, asking, collection, "updated", document)
        return document

    return reply(transact(verb), media=collection.media)


def _delete(collection: Collection[Any], id: str) -> Response:
    asking = require(collection.permissions[1])

    def verb(draft: Draft) -> None:
        assert collection.delete is not None
        row = collection.need(draft, asking, id)
        document = collection.show(draft, asking, row, ())
        collection.delete(draft, asking, row)
        _note(draft, asking, collection, "deleted", document)

    transact(verb)
    return no_content()


#: Names things go by, and how the audit calls each.
_NAMES = {"testName": "testName", "ruleName": "alertRuleName", "agentName": "agentName",
          "accountGroupName": "accountGroupName", "email": "userDisplayName", "key": "tagName", "name": ""}  # fmt: skip


def _note(draft: Draft, caller: Caller, collection: Collection[Any], done: str, document: Shown) -> None:
    """Write down who did what to which thing."""
    singular = collection.resource.singular
    name = next((name for name in _NAMES if name in document), "")
    resources = ((_NAMES[name] or f"{singular}Name", str(document[name])),) if name else ()
    event = AuditEvent(
        id=draft.fresh(AUDIT_ID, "te.audit"),
        aid=caller.aid,
        at=draft.now,
        event=f"{singular[:1].upper()}{singular[1:]} {done}",
        uid=caller.user.id,
        user=caller.signature,
        address=request.remote_addr or "",
        resources=resources,
    )
    draft.put(AUDIT, event)
