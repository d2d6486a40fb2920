"""How one answer looks at the account: state, links, time zone, what to include. References are made here.

A reference is ``{id, type, summary, self, html_url}``; with ``include[]`` the whole object takes its place. Something
deleted is still referred to by the name it had; its URL answers 404.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from flask import request

from simulators.engine import instants
from simulators.engine.draft import Committed
from simulators.engine.resources import Document
from simulators.pagerduty.account import singular
from simulators.pagerduty.api.call import Call, Links, links
from simulators.pagerduty.api.resources import BY_KIND
from simulators.pagerduty.model import DOCUMENTS, GONE, INCIDENTS, Incident

Shape = Callable[["Lens", Document], dict[str, Any]]
#: Plural kind -> how a document of it is shown; filled by :mod:`~simulators.pagerduty.api.shapes` and its like.
SHAPES: dict[str, Shape] = {}
#: Longest label of a reference made of free text.
_SUMMARY = 255


@dataclass(frozen=True, slots=True)
class Lens:
    """See the module's text; ``memo`` keeps what one answer computes once."""

    state: Committed
    links: Links
    zone: str
    include: frozenset[str] = frozenset()
    memo: dict[str, Any] = field(default_factory=dict)

    def plain(self) -> Lens:
        """Return the same look without includes, for objects inside objects."""
        return replace(self, include=frozenset())

    def at(self, instant: int | None) -> str | None:
        """Return an instant as text in the answer's time zone (``None`` stays)."""
        return None if instant is None else instants.iso(instant, self.zone)

    def path(self, kind: str, id: str, parent: str = "") -> str:
        """Return where a document is read, below the API's base."""
        collection = BY_KIND[kind].path
        if parent:
            start, _, rest = collection.partition("{")
            collection = start + parent + rest.partition("}")[2]
        return f"{collection}/{id}"

    def head(self, kind: str, document: Document) -> dict[str, Any]:
        """Return what every whole object starts with."""
        return {
            "id": document.id,
            "type": str(document.body.get("type") or singular(kind)).removesuffix("_reference"),
            "summary": summary(document),
            "self": self.links.api + self.path(kind, document.id, document.parent),
            "html_url": self.page(kind, document.id, document.parent),
        }

    def page(self, kind: str, id: str, parent: str = "") -> str | None:
        """Return the page of a document on the web host, ``None`` when it has none."""
        template = BY_KIND[kind].extra.get("html")
        return None if template is None else self.links.web + template.format(id=id, parent=parent)

    def ref(self, kind: str, id: str, include: str = "") -> dict[str, Any]:
        """Return a reference to a document, or the document itself when ``include`` is asked for."""
        if kind == "incidents":
            return self.incident_ref(id)
        document = self.state.get(DOCUMENTS[kind], id)
        if document is None:
            gone = self.state.get(GONE, f"{kind}/{id}")
            return {
                "id": id,
                "type": f"{singular(kind)}_reference",
                "summary": gone.summary if gone else None,
                "self": None if BY_KIND[kind].path.count("{") else self.links.api + self.path(kind, id),
                "html_url": None,
            }
        if include and include in self.include:
            return SHAPES[kind](self.plain(), document)
        head = self.head(kind, document)
        head["type"] += "_reference"
        return head

    def refs(self, kind: str, entries: Any, include: str = "") -> list[dict[str, Any]]:
        """Return references for stored references (or ids)."""
        return [
            self.ref(kind, entry["id"] if isinstance(entry, Mapping) else entry, include) for entry in entries or ()
        ]

    def incident_ref(self, id: str, row: Incident | None = None) -> dict[str, Any]:
        """Return a reference to an incident."""
        found = row or self.state.get(INCIDENTS, id)
        return {
            "id": id,
            "type": "incident_reference",
            "summary": None if found is None else incident_summary(found),
            "self": f"{self.links.api}/incidents/{id}",
            "html_url": f"{self.links.web}/incidents/{id}",
        }


def incident_summary(incident: Incident) -> str:
    """Return an incident's summary: ``[#1234] title``."""
    return f"[#{incident.number}] {incident.title}"


def summary(document: Document) -> str | None:
    """Return the server-made summary of a document: mostly its name."""
    body = document.body
    if document.kind == "notification_rule":
        return f"{body.get('start_delay_in_minutes', 0)} minutes: channel {body['contact_method']['id']}"
    if document.kind == "status_update_notification_rule":
        return f"0 minutes: channel {body['contact_method']['id']}"
    for name in ("name", "label", "description", "summary"):
        if body.get(name):
            return str(body[name])[:_SUMMARY]
    return None


def lens(call: Call, *also: str) -> Lens:
    """Return the look of this call: its ``include[]`` values and ``also``."""
    return Lens(call.state, links(), call.zone, frozenset((*request.args.getlist("include[]"), *also)))
