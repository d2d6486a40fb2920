"""Tags: keys and values stuck to tests and agents.

A tag knows what it is assigned to; a test that names its tags on create or update says the same from the other side.
Assigning adds, it never takes away; dynamic tags find their objects by themselves and cannot be assigned. Answers about
several tags have status 207.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from flask import Blueprint, Response

from simulators.engine.draft import Draft, View
from simulators.engine.resources import Document, thaw
from simulators.engine.web import transact
from simulators.thousandeyes import documents
from simulators.thousandeyes.api.collection import Collection, Expand, Shown, mount
from simulators.thousandeyes.api.resources import TAG, errors, readable, writable
from simulators.thousandeyes.api.rest import (
    BASE,
    JSON,
    Caller,
    FieldError,
    hal,
    invalid,
    iso,
    no_content,
    object_body,
    problem,
    reply,
    require,
)

VIEW, EDIT = "11", "12"
ASSIGNABLE = ("test", "v-agent", "endpoint-test", "dashboard")
_COLOR = re.compile(r"#[0-9a-fA-F]{6}")


def tags_of(view: View, kind: str, id: str, aid: str) -> list[Shown]:
    """Return the tags of an object, in short."""
    wanted = {"id": id, "type": kind}
    return [
        {"id": tag.id, "key": tag.body["key"], "value": tag.body["value"]}
        for tag in documents.all_of(view, "tag", aid)
        if wanted in tag.body.get("assignments", ())
    ]


def set_tags(draft: Draft, caller: Caller, kind: str, id: str, tags: Sequence[str] | None) -> None:
    """Make ``tags`` the tags of an object; ``None`` leaves them as they are."""
    if tags is None:
        return
    wanted = {"id": id, "type": kind}
    for tag in documents.all_of(draft, "tag", caller.aid):
        if (wanted in tag.body.get("assignments", ())) is not (tag.id in tags):
            _assign(draft, tag, [wanted], add=tag.id in tags)


def _assign(draft: Draft, tag: Document, assignments: Iterable[Shown], *, add: bool) -> Document:
    body = thaw(tag.body)
    kept = [entry for entry in body.get("assignments", ()) if entry not in list(assignments)]
    body["assignments"] = [*kept, *assignments] if add else kept
    return documents.replace_body(draft, tag, body)


def _show(view: View, caller: Caller, tag: Document, expand: Expand) -> Shown:
    body = readable(TAG, thaw(tag.body))
    assignments = body.pop("assignments", [])
    shown = {
        "id": tag.id,
        "aid": int(tag.parent),
        "builtIn": False,
        "createDate": iso(tag.created),
        "modifiedDate": None if tag.updated == tag.created else iso(tag.updated),
        **body,
    }
    if "assignments" in expand:
        shown["assignments"] = assignments
    return hal(shown, f"{TAG.path}/{tag.id}")


def _problems(view: View, caller: Caller, body: Shown, tag: Document | None) -> list[FieldError]:
    found = []
    if "color" in body and not _COLOR.fullmatch(body["color"]):
        found.append(FieldError("color", "must be a color such as #fd7e14"))
    if body.get("type") == "dynamic" and not body.get("filters"):
        found.append(FieldError("filters", "is required for dynamic tags"))
    return found


def _create(draft: Draft, caller: Caller, body: Shown) -> Document:
    identity = (body["key"], body["value"], body.get("objectType", "test"))
    if any(_identity(tag) == identity for tag in documents.all_of(draft, "tag", caller.aid)):
        raise problem(409, "A tag with this key, value and object type exists already.", title="Conflict")
    return documents.create(draft, "tag", caller.aid, body)


def _identity(tag: Document) -> tuple[str, str, str]:
    return tag.body["key"], tag.body["value"], tag.body.get("objectType", "test")


def _update(draft: Draft, caller: Caller, tag: Document, body: Shown) -> Document:
    return documents.replace_body(draft, tag, body | {"assignments": thaw(tag.body.get("assignments", ()))})


TAGS: Collection[Document] = Collection(
    resource=TAG,
    key="id",
    rows=lambda view, caller: documents.all_of(view, "tag", caller.aid),
    find=lambda view, caller, id: documents.find(view, "tag", caller.aid, id),
    show=_show,
    path=lambda tag: f"{TAG.path}/{tag.id}",
    problems=_problems,
    create=_create,
    update=_update,
    delete=lambda draft, caller, tag: documents.delete(draft, tag),
    located=False,
    media=JSON,
    permissions=(VIEW, EDIT),
    list_expand=TAG.include,
)


# -- several at once ---------------------------------------------------------------------------------------------------


def _read_assignments(body: Shown, path: str = "") -> list[Shown]:
    """Return the assignments in a body; raises a validation problem for anything else."""
    entries = body.get("assignments")
    if not isinstance(entries, list):
        raise invalid(FieldError(f"{path}assignments", "must be an array"))
    for place, entry in enumerate(entries):
        where = f"{path}assignments[{place}]"
        if not isinstance(entry, dict) or not isinstance(entry.get("id"), str):
            raise invalid(FieldError(f"{where}.id", "must be a string"))
        if entry.get("type") not in ASSIGNABLE:
            raise invalid(FieldError(f"{where}.type", "must be one of " + ", ".join(ASSIGNABLE)))
    return [{"id": entry["id"], "type": entry["type"]} for entry in entries]


def _change(caller: Caller, tag_id: str, assignments: list[Shown], *, add: bool) -> Callable[[Draft], Shown]:
    def verb(draft: Draft) -> Shown:
        tag = TAGS.need(draft, caller, tag_id)
        if tag.body.get("type") == "dynamic":
            raise invalid(FieldError("tagId", "is a dynamic tag, which cannot be assigned"))
        changed = _assign(draft, tag, assignments, add=add)
        return {"tagId": tag.id, "assignments": thaw(changed.body["assignments"])}

    return verb


def _many(*, add: bool) -> Response:
    asking, body = require(EDIT), object_body()
    entries = body.get("tags")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise invalid(FieldError("tags", "must be an array of objects"))
    verbs = [
        _change(asking, str(entry.get("tagId")), _read_assignments(entry, f"tags[{place}]."), add=add)
        for place, entry in enumerate(entries)
    ]
    return reply(hal({"tags": transact(lambda draft: [verb(draft) for verb in verbs])}), 207, media=JSON)


def _bulk_create() -> Response:
    asking, body = require(EDIT), object_body()
    entries = body.get("tags")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise invalid(FieldError("tags", "must be an array of objects"))

    def verb(draft: Draft) -> Shown:
        made: list[Shown] = []
        failed: list[Shown] = []
        for entry in entries:
            status, message = _refusal(draft, asking, entry)
            if status:
                failed.append({"tag": {"tag": entry}, "responseCode": status, "message": message})
            else:
                tag = documents.create(draft, "tag", asking.aid, writable(TAG, entry))
                made.append(_show(draft, asking, tag, ()))
        return {"tags": made, "errors": failed}

    return reply(hal(transact(verb)), 207, media=JSON)


def _refusal(view: View, caller: Caller, entry: Shown) -> tuple[int, str]:
    found = errors(TAG, entry) or _problems(view, caller, writable(TAG, entry), None)
    if found:
        return 400, f"{found[0].field} {found[0].message}"
    identity = (entry["key"], entry["value"], entry.get("objectType", "test"))
    taken: list[Any] = [tag for tag in documents.all_of(view, "tag", caller.aid) if _identity(tag) == identity]
    return (409, "exists already") if taken else (0, "")


def blueprint() -> Blueprint:
    """Return the routes of tags."""
    routes = Blueprint("tags", __name__)
    mount(routes, TAGS)
    routes.add_url_rule(f"{BASE}/tags/bulk", "bulk", _bulk_create, methods=["POST"])
    routes.add_url_rule(f"{BASE}/tags/assign", "assign", lambda: _many(add=True), methods=["POST"])
    routes.add_url_rule(f"{BASE}/tags/unassign", "unassign", lambda: _many(add=False), methods=["POST"])

    @routes.post(f"{BASE}/tags/<tag_id>/assign")
    def assign_one(tag_id: str) -> Response:
        verb = _change(require(EDIT), tag_id, _read_assignments(object_body()), add=True)
        return reply(hal(transact(verb)), 207, media=JSON)

    @routes.post(f"{BASE}/tags/<tag_id>/unassign")
    def unassign_one(tag_id: str) -> Response:
        transact(_change(require(EDIT), tag_id, _read_assignments(object_body()), add=False))
        return no_content()

    return routes
