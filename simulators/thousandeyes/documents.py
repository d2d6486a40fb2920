"""Verbs for what the alerting has no use for: connectors, operations, tags, labels, credentials, roles.

Such a thing is one document, the vendor's own JSON, owned by an account group ("" = the organization). Suppression
windows are documents, too, but editing one goes through the alerting (:mod:`~simulators.thousandeyes.suppression`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from simulators.engine import ids
from simulators.engine.draft import Draft, View
from simulators.engine.resources import Document, freeze
from simulators.thousandeyes.model import DOCUMENT_IDS, DOCUMENTS


def all_of(view: View, kind: str, aid: str) -> list[Document]:
    """Return the documents of a kind in an account group, in the order they were made."""
    return view.find(DOCUMENTS, "place", (kind, aid))


def find(view: View, kind: str, aid: str, id: str) -> Document | None:
    """Return a document, ``None`` when it is not there, of another kind or another account group's."""
    document = view.get(DOCUMENTS, id)
    return document if document is not None and (document.kind, document.parent) == (kind, aid) else None


def labels_of(view: View, kind: str, aid: str, id: str) -> list[Document]:
    """Return the labels of an account group that an object (a "test", an "agent") wears."""
    return [
        label for label in all_of(view, "label", aid) if label.body["type"] == kind and id in label.body.get("ids", ())
    ]


def create(draft: Draft, kind: str, aid: str, body: Mapping[str, Any]) -> Document:
    """Make a document."""
    id = draft.fresh(DOCUMENT_IDS.get(kind, ids.UUID4), f"te.{kind}")
    document = Document(id, kind, freeze(body), draft.now, draft.now, aid)
    draft.put(DOCUMENTS, document)
    draft.record("document.created", id, document=kind)
    return document


def replace_body(draft: Draft, document: Document, body: Mapping[str, Any]) -> Document:
    """Give a document another body."""
    changed = replace(document, body=freeze(body), updated=draft.now)
    draft.put(DOCUMENTS, changed)
    draft.record("document.updated", document.id, document=document.kind)
    return changed


def delete(draft: Draft, document: Document) -> None:
    """Delete a document."""
    draft.delete(DOCUMENTS, document.id)
    draft.record("document.deleted", document.id, document=document.kind)
