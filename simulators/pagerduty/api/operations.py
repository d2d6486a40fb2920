"""Operations as data: method, path, From rule, body, paging, answer. One dispatcher serves them all.

A handler is a function of a :class:`~simulators.pagerduty.api.call.Call` and returns what goes under the operation's
``wrapper`` key: an object, or a :class:`Listing` of which the dispatcher takes the page that was asked for. Everything
before and around it (credentials, From rule, rate limit, body, paging, headers) is decided by the row, and the same
rows give the served OpenAPI description and the coverage table.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from flask import Flask, Response, request

from simulators.engine.draft import Draft
from simulators.engine.errors import Refused
from simulators.engine.resources import Field, Problem, check
from simulators.engine.web import answer, decode_cursor, encode_cursor, transact, world
from simulators.pagerduty.api.call import Actor, Call, actor_of, admit, credential, read_body
from simulators.pagerduty.api.errors import Code, invalid, refuse, wording
from simulators.pagerduty.api.resources import REFERENCE, RESOURCES
from simulators.pagerduty.model import Knobs

DEFAULT_LIMIT = 25
LARGEST_LIMIT = 100
#: What the documentation wants a From for and Terraform's provider creates without one, see ``setup_needs_from``.
SETUP = frozenset(resource.path for resource in RESOURCES if resource.from_header)
#: ``offset + limit`` may not exceed it (PagerDuty: pagination).
DEEPEST = 10_000
#: Larger offsets than this are no numbers anybody means.
_DIGITS = 18


class Extent(StrEnum):
    """How much of an operation is simulated."""

    WHOLE = "simulated"
    EMPTY = "an empty list"
    ABSENT = "402"


@dataclass(frozen=True, slots=True)
class Listing:
    """Rows to page through, lazily; ``show`` renders one. ``count`` gives the total without walking, if it can,
    ``extra`` is shown beside the rows."""

    rows: Iterable[Any]
    show: Callable[[Any], Any]
    count: Callable[[], int] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer with a status of its own, where an operation has more than one."""

    body: Any
    status: int


def _listed(problems: Sequence[Problem]) -> Refused:
    return invalid(*(wording(problem) for problem in problems))


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation. ``wrapper`` is the answer's key (``""`` = the handler's value is the whole body), ``request`` the
    body's key (``""`` = not wrapped) with ``fields``; ``paging`` is classic, cursor or ``""`` (a bare list). ``needs``
    are the documents the path must name, as (plural kind, path variable), each the owner of the next; ``also`` are
    further statuses it may answer with; ``bodiless`` operations may come without a body, ``bare`` ones
    without the body's key; ``limits`` are a page's default and largest size, ``extent`` how much is simulated,
    ``refusal`` words what is wrong with a body."""

    method: str
    path: str
    handle: Callable[[Call], Any]
    wrapper: str = ""
    status: int = 200
    actor: Actor = Actor.NONE
    request: str | None = None
    fields: tuple[Field, ...] = ()
    partial: bool = False
    bodiless: bool = False
    bare: bool = False
    paging: str = ""
    include: tuple[str, ...] = ()
    query: tuple[str, ...] = ()
    also: tuple[int, ...] = ()
    ability: str = ""
    summary: str = ""
    needs: tuple[tuple[str, str], ...] = ()
    extent: Extent = Extent.WHOLE
    limits: tuple[int, int] = (DEFAULT_LIMIT, LARGEST_LIMIT)
    refusal: Callable[[Sequence[Problem]], Refused] = _listed

    @property
    def statuses(self) -> tuple[int, ...]:
        """Every status the operation may answer with, 429 and 500 aside."""
        found = {self.status, 401, 403, *self.also}
        if "{" in self.path:
            found.add(404)
        if self.request is not None or self.query or self.paging or self.include or self.method != "GET":
            found |= {400, 404} if self.request is not None else {400}
        if self.request is not None:
            found.add(413)
        if self.ability:
            found.add(402)
        return tuple(sorted(found))


def serve(app: Flask, operations: Sequence[Operation]) -> None:
    """Register every operation with the application."""
    for operation in operations:
        rule = operation.path.replace("{", "<").replace("}", ">")
        endpoint = f"{operation.method} {operation.path}"
        app.add_url_rule(rule, endpoint, _view(operation), methods=[operation.method])


def _view(operation: Operation) -> Callable[..., Response]:
    def view(**ids: str) -> Response:
        key = credential()
        admit(key, operation.method, operation.path)
        here = world()
        if operation.method == "GET":
            with here.lock:
                call = Call(here.view, ids, key, actor_of(here.view, key, Actor.NONE))
                return _finish(operation, _run(operation, call))

        def decide(draft: Draft) -> Any:
            named = draft.knobs(Knobs).setup_needs_from or operation.path not in SETUP
            rule = operation.actor if named else Actor.OPTIONAL
            return _run(operation, Call(draft, ids, key, actor_of(draft, key, rule)))

        return _finish(operation, transact(decide))

    return view


def _run(operation: Operation, call: Call) -> Any:
    if operation.ability and operation.ability in call.knobs.missing_abilities:
        raise refuse(Code.MISSING_ABILITY)
    owner = ""
    for kind, name in operation.needs:
        owner = call.owned(kind, call.ids[name], owner).id
    if operation.request is not None:
        nothing = operation.bodiless and not request.get_data(cache=True)
        body = {} if nothing else read_body(operation.request, bare=operation.bare)
        body = _without_nothings(operation.fields, body)
        problems = check(operation.fields, body, partial=operation.partial)
        if problems:
            raise operation.refusal(problems)
        call = Call(call.state, call.ids, call.key, call.actor, body)
    found = operation.handle(call)
    if isinstance(found, Listing):
        return _PAGERS[operation.paging](operation, found)
    wrapped = operation.wrapper and not isinstance(found, Reply)
    return {operation.wrapper: found} if wrapped else found


def _without_nothings(fields: Sequence[Field], body: Any) -> Any:
    """Return ``body`` without what typed clients write where they mean nothing: ``{}`` for a reference that is not
    there, ``[null]`` for no objects (Terraform's provider)."""
    optional = [entry for entry in fields if entry.fields and not entry.required and entry.name in body]
    nothings: dict[str, Any] = {}
    for entry in optional:
        if entry.fields == REFERENCE and body[entry.name] == {}:
            nothings[entry.name] = None
        elif body[entry.name] == [None]:
            nothings[entry.name] = []
    return {**body, **nothings} if nothings else body


def _finish(operation: Operation, body: Any) -> Response:
    if isinstance(body, Reply):
        return answer(body.body, body.status)
    return answer(body, operation.status)


# -- pages -------------------------------------------------------------------------------------------------------------


def _number(name: str, default: int, least: int) -> int:
    text = request.args.get(name)
    if text is None or text == "":
        return default
    if not text.isascii() or not text.isdigit() or len(text) > _DIGITS or int(text) < least:
        raise invalid(f"{name.capitalize()} must be greater than or equal to {least}")
    return int(text)


def _limit(operation: Operation) -> int:
    """Return how many rows a page may hold; more than the largest is cut to that or, by the knob, refused."""
    least, most = operation.limits
    limit = _number("limit", least, 1)
    if limit > most and not world().view.knobs(Knobs).limit_clamped:
        raise invalid(f"Limit must be less than or equal to {most}")
    return min(limit, most)


def _classic(operation: Operation, listing: Listing) -> dict[str, Any]:
    limit = _limit(operation)
    offset = _number("offset", 0, 0)
    if offset + limit > DEEPEST:
        raise invalid(f"Offset plus limit must be less than or equal to {DEEPEST}")
    wanted = request.args.get("total", "").lower() in {"true", "1"}
    total = listing.count() if wanted and listing.count is not None else None
    if wanted and total is None:
        rows = list(listing.rows)
        total = len(rows)
        part = rows[offset : offset + limit + 1]
    else:
        part = list(itertools.islice(listing.rows, offset, offset + limit + 1))
    return {
        operation.wrapper: [listing.show(row) for row in part[:limit]],
        "limit": limit,
        "offset": offset,
        "total": total,
        "more": len(part) > limit,
        **listing.extra,
    }


def _cursor(operation: Operation, listing: Listing) -> dict[str, Any]:
    limit = _limit(operation)
    offset = 0
    cursor = request.args.get("cursor")
    if cursor:
        try:
            offset = min(max(int(decode_cursor(cursor)["offset"]), 0), 10**_DIGITS)
        except (ValueError, KeyError, TypeError, OverflowError):
            raise invalid("Cursor is invalid.") from None
    part = list(itertools.islice(listing.rows, offset, offset + limit + 1))
    following = encode_cursor({"offset": offset + limit}) if len(part) > limit else None
    return {operation.wrapper: [listing.show(row) for row in part[:limit]], "limit": limit, "next_cursor": following}


def _bare(operation: Operation, listing: Listing) -> dict[str, Any]:
    return {operation.wrapper: [listing.show(row) for row in listing.rows]}


_PAGERS: Mapping[str, Callable[[Operation, Listing], dict[str, Any]]] = {
    "": _bare,
    "classic": _classic,
    "cursor": _cursor,
}
