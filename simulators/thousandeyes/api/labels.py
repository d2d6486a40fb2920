"""Labels: the older words for tests and agents, one collection per type of object.

The vendor's present description no longer has them, an older client still asks for them, and tests still name them. A
label knows the ids of what wears it; a test that names its labels says the same from the other side.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from simulators.engine.draft import Draft, View
from simulators.engine.resources import Document, Resource, thaw
from simulators.thousandeyes import documents
from simulators.thousandeyes.api.collection import Collection, Expand, Shown
from simulators.thousandeyes.api.resources import ANY_LABEL, LABEL_FIELDS, LABEL_TYPES
from simulators.thousandeyes.api.rest import Caller, FieldError, hal
from simulators.thousandeyes.model import AGENTS, TESTS

VIEW, EDIT = "11", "12"


def labels_in(view: View, kind: str, id: str, aid: str) -> list[Shown]:
    """Return the labels of an object, as tests show them."""
    return [
        {"labelId": label.id, "name": label.body["name"], "isBuiltin": False}
        for label in documents.labels_of(view, kind, aid, id)
    ]


def set_labels(draft: Draft, caller: Caller, kind: str, id: str, labels: Sequence[str] | None) -> None:
    """Make ``labels`` the labels of an object; ``None`` leaves them as they are."""
    if labels is None:
        return
    for label in documents.all_of(draft, "label", caller.aid):
        ids = list(label.body.get("ids", ()))
        if label.body["type"] == kind and (id in ids) is not (label.id in labels):
            wanted = [*ids, id] if label.id in labels else [name for name in ids if name != id]
            documents.replace_body(draft, label, thaw(label.body) | {"ids": wanted})


def _path(label: Document) -> str:
    return f"/labels/{label.body['type']}/{label.id}"


def _brief(view: View, caller: Caller, label: Document, expand: Expand) -> Shown:
    return {"labelId": label.id, "name": label.body["name"], "type": label.body["type"], "isBuiltIn": False}


def _detail(view: View, caller: Caller, label: Document, expand: Expand) -> Shown:
    return hal(_brief(view, caller, label, expand) | {"ids": list(label.body.get("ids", ()))}, _path(label))


def _problems(kind: str) -> Callable[[View, Caller, Shown, Document | None], list[FieldError]]:
    def find(view: View, caller: Caller, body: Shown, label: Document | None) -> list[FieldError]:
        known: Mapping[str, Callable[[str], object | None]] = {
            "test": lambda name: view.get(TESTS, name),
            "agent": lambda name: view.get(AGENTS, name),
        }
        found = [
            FieldError(f"ids[{place}]", f"there is no {kind} {name}")
            for place, name in enumerate(body.get("ids", ()))
            if kind in known and known[kind](name) is None
        ]
        others = [row for row in documents.all_of(view, "label", caller.aid) if label is None or row.id != label.id]
        if any((row.body["name"], row.body["type"]) == (body["name"], kind) for row in others):
            found.append(FieldError("name", "is the name of another label"))
        return found

    return find


def _collection(kind: str) -> Collection[Document]:
    def rows(view: View, caller: Caller) -> list[Document]:
        return [label for label in documents.all_of(view, "label", caller.aid) if label.body["type"] == kind]

    def find(view: View, caller: Caller, id: str) -> Document | None:
        label = documents.find(view, "label", caller.aid, id)
        return label if label is not None and label.body["type"] == kind else None

    return Collection(
        resource=Resource("label", "labels", f"/labels/{kind}", LABEL_FIELDS),
        key="labelId",
        rows=rows,
        find=find,
        show=_detail,
        path=_path,
        brief=_brief,
        problems=_problems(kind),
        create=lambda draft, caller, body: documents.create(draft, "label", caller.aid, body | {"type": kind}),
        update=lambda draft, caller, label, body: documents.replace_body(draft, label, body | {"type": kind}),
        delete=lambda draft, caller, label: documents.delete(draft, label),
        permissions=(VIEW, EDIT),
    )


ALL_LABELS: Collection[Document] = Collection(
    resource=ANY_LABEL,
    key="labelId",
    rows=lambda view, caller: documents.all_of(view, "label", caller.aid),
    find=lambda view, caller, id: None,
    show=_brief,
    path=_path,
    permissions=(VIEW, EDIT),
)
LABELS: tuple[Collection[Document], ...] = (ALL_LABELS, *map(_collection, LABEL_TYPES))
