"""Create, read, update, delete and list for every row of the resource table; what is peculiar to a kind hooks in.

A :class:`Behaviour` says what a kind adds: checking and completing a body, what follows a create, what forbids or
follows a delete, and its filters. Everything else is the same for all kinds: unknown and read-only fields of a request
are ignored, an update changes only what was sent, names are unique where the table says so, whatever a body refers to
must exist.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from simulators.engine.resources import Document, Field, Kind, Resource, thaw, with_defaults
from simulators.pagerduty import account, webhooks
from simulators.pagerduty.api.call import Actor, Call
from simulators.pagerduty.api.errors import Code, invalid, label, refuse, unknown
from simulators.pagerduty.api.lens import SHAPES, Lens, lens, summary
from simulators.pagerduty.api.operations import Listing, Operation
from simulators.pagerduty.model import DOCUMENTS, GONE, Agent, Gone

Prepare = Callable[[Call, dict[str, Any], Document | None], dict[str, Any]]
Filter = Callable[[Call, Document, Sequence[str]], bool]


def _unchanged(call: Call, body: dict[str, Any], old: Document | None) -> dict[str, Any]:
    return body


def _nothing(call: Call, document: Document) -> None:
    return None


def _as_it_is(call: Call, document: Document, shown: dict[str, Any]) -> dict[str, Any]:
    return shown


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What a kind adds to the general rules. ``reveal`` adds to the answer of a create what is shown only once,
    ``forbid`` raises when a document may not be deleted, ``removed`` follows a deletion; ``children`` are the kinds
    deleted with their owner; ``filters`` are asked per document and query parameter (set filters get all values);
    ``search`` are the fields ``query`` looks into."""

    prepare: Prepare = _unchanged
    created: Callable[[Call, Document], None] = _nothing
    reveal: Callable[[Call, Document, dict[str, Any]], dict[str, Any]] = _as_it_is
    forbid: Callable[[Call, Document], None] = _nothing
    removed: Callable[[Call, Document], None] = _nothing
    children: tuple[str, ...] = ()
    filters: Mapping[str, Filter] = field(default_factory=dict)
    search: tuple[str, ...] = ("name",)
    sort: Mapping[str, Callable[[Lens, Document], Any]] = field(default_factory=dict)
    list_include: tuple[str, ...] = ()


def writable(fields: Sequence[Field], body: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``body`` with the fields a request may set and nothing else, all the way down."""
    known = {entry.name: entry for entry in fields if not entry.read_only}
    return {name: _trim(known[name], value) for name, value in body.items() if name in known}


def _trim(entry: Field, value: Any) -> Any:
    if entry.kind is Kind.STRING and entry.name == "name" and isinstance(value, str):
        return " ".join(value.split())
    if entry.fields and isinstance(value, Mapping):
        return writable(entry.fields, value)
    if entry.fields and isinstance(value, (list, tuple)):
        return [writable(entry.fields, item) for item in value]
    return value


def _settle(resource: Resource, call: Call, behaviour: Behaviour, old: Document | None) -> dict[str, Any]:
    """Return the body to store for a create (``old`` is ``None``) or an update."""
    kind = resource.extra["kind"]
    sent = writable(resource.fields, call.body)
    merged = with_defaults(resource.fields, sent) if old is None else {**thaw(old.body), **sent}
    for entry in resource.fields:
        value = merged.get(entry.name)
        if entry.required and isinstance(value, str) and not value.strip():
            raise invalid(f"{label(entry.name)} cannot be empty.")
    _check_references(resource, call, sent)
    merged = behaviour.prepare(call, merged, old)
    unique = resource.extra.get("unique")
    if unique and _taken(call, kind, unique, merged, old):
        raise invalid(f"{label(unique)} has already been taken")
    return {**merged, "id": old.id} if old is not None else merged


def _check_references(resource: Resource, call: Call, sent: Mapping[str, Any]) -> None:
    for name, kind in resource.extra.get("references", {}).items():
        value = sent.get(name)
        entries = value if isinstance(value, list) else [value] if value else []
        for entry in entries:
            found = call.state.get(DOCUMENTS[kind], entry["id"])
            if found is None or not call.settled(found):
                raise unknown(kind)


def _taken(call: Call, kind: str, name: str, body: Mapping[str, Any], old: Document | None) -> bool:
    wanted = str(body.get(name) or "").casefold()
    if old is not None and str(old.body.get(name) or "").casefold() == wanted:
        return False
    return any(
        str(row.body.get(name) or "").casefold() == wanted and (old is None or row.id != old.id)
        for row in call.state.all(DOCUMENTS[kind])
    )


# -- the five verbs ----------------------------------------------------------------------------------------------------


def create(resource: Resource, behaviour: Behaviour, call: Call) -> Any:
    """Create a document from the call's body."""
    kind, parent = resource.extra["kind"], _parent(resource, call)
    _keep_room(resource, call, parent)
    body = _settle(resource, call, behaviour, None)
    document = account.put(call.draft, kind, body, parent)
    behaviour.created(call, document)
    _tell(call, f"{resource.singular}.created", document)
    return behaviour.reveal(call, document, SHAPES[kind](lens(call, *behaviour.list_include), document))


def _keep_room(resource: Resource, call: Call, parent: str) -> None:
    """Refuse one more than the product takes of a kind, where the table names a limit."""
    most, table = resource.extra.get("most"), DOCUMENTS[resource.extra["kind"]]
    if most and (len(call.state.find(table, "parent", parent)) if parent else call.state.count(table)) >= most:
        raise refuse(Code.PRODUCT_LIMIT)


def read(resource: Resource, behaviour: Behaviour, call: Call) -> Any:
    """Show one document."""
    kind = resource.extra["kind"]
    return SHAPES[kind](lens(call), _named(resource, call))


def update(resource: Resource, behaviour: Behaviour, call: Call) -> Any:
    """Change what the body names."""
    kind, old = resource.extra["kind"], _named(resource, call)
    body = _settle(resource, call, behaviour, old)
    document = account.put(call.draft, kind, body, old.parent)
    _tell(call, f"{resource.singular}.updated", document)
    return SHAPES[kind](lens(call, *behaviour.list_include), document)


def delete(resource: Resource, behaviour: Behaviour, call: Call) -> None:
    """Delete a document and what belongs to it."""
    document = _named(resource, call)
    behaviour.forbid(call, document)
    erase(call, resource.extra["kind"], document)
    for child in behaviour.children:
        for row in list(call.state.find(DOCUMENTS[child], "parent", document.id)):
            erase(call, child, row)
    behaviour.removed(call, document)
    _tell(call, f"{resource.singular}.deleted", document)


def _tell(call: Call, event: str, document: Document) -> None:
    """Write a change to the journal and to the webhooks that want it."""
    call.draft.record(event, document.id, name=summary(document))
    actor = None if call.actor is None else Agent("user_reference", call.actor.id, "website")
    webhooks.publish(call.draft, event, document, actor)


def erase(call: Call, kind: str, document: Document) -> None:
    """Take a document out, keeping what it was called."""
    call.draft.put(GONE, Gone(f"{kind}/{document.id}", summary(document) or ""))
    call.draft.delete(DOCUMENTS[kind], document.id)


def listing(resource: Resource, behaviour: Behaviour, call: Call) -> Listing:
    """List the documents that pass every filter."""
    kind, parent = resource.extra["kind"], _parent(resource, call)
    table = DOCUMENTS[kind]
    rows: Iterable[Document] = call.state.find(table, "parent", parent) if parent else call.state.all(table)
    if call.knobs.replica_lag_ms:
        rows = filter(call.settled, rows)
    for name, keep in behaviour.filters.items():
        values = call.many(name.removesuffix("[]")) if name.endswith("[]") else _single(call, name)
        if values:
            rows = filter(functools.partial(_kept, keep, call, values), rows)
    query = call.text("query")
    if query and "query" in resource.filters:
        needle = query.casefold()
        rows = (row for row in rows if any(needle in str(row.body.get(f) or "").casefold() for f in behaviour.search))
    look = lens(call)
    order = call.text("sort_by")
    if order and resource.sort:
        rows = _sorted(resource, behaviour, look, list(rows), order)
    return Listing(rows, lambda row: SHAPES[kind](look, row))


def _single(call: Call, name: str) -> list[str]:
    value = call.text(name)
    return [] if value is None else [value]


def _kept(keep: Filter, call: Call, values: Sequence[str], row: Document) -> bool:
    return keep(call, row, values)


def _sorted(resource: Resource, behaviour: Behaviour, look: Lens, rows: list[Document], order: str) -> list[Document]:
    for part in reversed(order.split(",")):
        name, _, direction = part.partition(":")
        if name not in resource.sort or direction not in {"", "asc", "desc"}:
            raise invalid(f"Sort by must be in {', '.join(resource.sort)}")
        key = behaviour.sort.get(name) or functools.partial(_by_field, name)
        rows.sort(key=functools.partial(key, look), reverse=direction == "desc")
    return rows


def _by_field(name: str, look: Lens, row: Document) -> str:
    return str(row.body.get(name) or "").casefold()


def _parent(resource: Resource, call: Call) -> str:
    return call.ids["id"] if "owner" in resource.extra else ""


def _named(resource: Resource, call: Call) -> Document:
    found = call.owned(resource.extra["kind"], call.ids[_variable(resource)], _parent(resource, call))
    if not isinstance(found, Document):
        raise refuse(Code.NOT_FOUND)
    return found


def _variable(resource: Resource) -> str:
    return f"{resource.singular}_id" if "owner" in resource.extra else "id"


def operations(behaviours: Mapping[str, Behaviour], resources: Sequence[Resource]) -> list[Operation]:
    """Return the operations of every row of the resource table."""
    found: list[Operation] = []
    for resource in resources:
        found += _operations(resource, behaviours.get(resource.extra["kind"], Behaviour()))
    return found


def _operations(resource: Resource, behaviour: Behaviour) -> Iterable[Operation]:
    extra = resource.extra
    needs = ((extra["owner"], "id"),) if "owner" in extra else ()
    one = f"{resource.path}/{{{_variable(resource)}}}"
    named = (*needs, (extra["kind"], _variable(resource)))
    actor = Actor.REQUIRED if resource.from_header else Actor(extra.get("actor", "no"))
    ability = extra.get("ability", "")
    include, bare = resource.include, extra.get("bare", False)
    title = resource.singular.replace("_", " ")

    def bound(verb: Callable[[Resource, Behaviour, Call], Any]) -> Callable[[Call], Any]:
        return functools.partial(verb, resource, behaviour)

    def operation(method: str, path: str, verb: Callable[[Resource, Behaviour, Call], Any], **more: Any) -> Operation:
        return Operation(method, path, bound(verb), ability=ability, **more)

    verbs: dict[str, Operation] = {
        "list": operation(
            "GET", resource.path, listing, wrapper=resource.plural, paging=resource.paging, include=include,
            query=(*resource.filters, *(("sort_by",) if resource.sort else ())), needs=needs,
            summary=f"List {resource.plural.replace('_', ' ')}",
        ),
        "create": operation(
            "POST", resource.path, create, wrapper=resource.singular, status=extra.get("created", 201), actor=actor,
            request=resource.singular, bare=bare, fields=resource.fields, needs=needs, also=(402,),
            query=extra.get("write_query", ()), summary=f"Create a {title}",
        ),
        "read": operation(
            "GET", one, read, wrapper=resource.singular, include=(*include, *extra.get("read_include", ())),
            query=extra.get("read_query", ()), needs=named, summary=f"Get a {title}",
        ),
        "update": operation(
            "PUT", one, update, wrapper=resource.singular, request=resource.singular, bare=bare,
            fields=resource.fields, partial=True, needs=named, also=(402,), query=extra.get("write_query", ()),
            summary=f"Update a {title}",
        ),
        "delete": operation(
            "DELETE", one, delete, status=204, needs=named, also=extra.get("delete_statuses", ()),
            query=extra.get("delete_query", ()), summary=f"Delete a {title}",
        ),
    }  # fmt: skip
    return [verbs[name] for name in ("list", "create", "read", "update", "delete") if name in resource.verbs]
