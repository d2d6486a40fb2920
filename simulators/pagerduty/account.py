"""The account: loading the vendor's JSON with its own ids, and reading it without caring where it came from.

:class:`Account` answers from a world's view or straight from JSON, so "who would be paged?" needs no world.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from simulators.engine import ids
from simulators.engine.draft import Draft, View
from simulators.engine.resources import Document, freeze
from simulators.pagerduty import catalogue
from simulators.pagerduty.model import (
    API_KEYS,
    DOCUMENTS,
    KINDS,
    MEMBERSHIPS,
    OWNER,
    RESOURCE_ID,
    RINGS,
    Access,
    ApiKey,
    Knobs,
    Membership,
    Ring,
)

#: A timer, due at once, by which whoever cares hears that a schedule or an override was edited.
ROTA_EDITED = "rota_edited"
#: Kinds of documents that say who is on call.
ROTAS = ("schedules", "overrides", "schedule_events", "custom_shifts", "override_shifts")
#: A timer, due at once, by which notices of on-call duty are planned anew.
DUTIES_EDITED = "duties_edited"
HANDOFF_RULES = DOCUMENTS["oncall_handoff_notification_rules"]
#: Kinds of documents that, beside :data:`ROTAS`, say who hears of on-call duty.
DUTIES = ("oncall_handoff_notification_rules", "contact_methods", "escalation_policies", "services")

_SINGULAR = {
    "escalation_policies": "escalation_policy",
    "business_services": "business_service",
    "priorities": "priority",
    "v3_schedules": "schedule_v3",
}
#: Documents written inside another one in an account's JSON: (kind of owner, its field, kind of the nested document).
_NESTED = (
    ("users", "contact_methods", "contact_methods"),
    ("users", "notification_rules", "notification_rules"),
    ("users", "oncall_handoff_notification_rules", "oncall_handoff_notification_rules"),
    ("users", "status_update_notification_rules", "status_update_notification_rules"),
    ("services", "integrations", "integrations"),
    ("schedules", "overrides", "overrides"),
    ("v3_schedules", "rotations", "rotations"),
    ("v3_schedules", "custom_shifts", "custom_shifts"),
    ("v3_schedules", "overrides", "override_shifts"),
    ("rotations", "events", "schedule_events"),
)


def singular(kind: str) -> str:
    """Return the wrapper key of one resource of ``kind`` (``users`` gives ``user``)."""
    return _SINGULAR.get(kind) or kind.removesuffix("s")


def documents(account: Mapping[str, Any], now: int = 0, seed: int = 0) -> list[tuple[str, Document]]:
    """Return ``(kind, document)`` for everything in an account's JSON: lists of resources by plural name.

    Contact methods, notification rules, integrations and overrides may be nested in their owner. A resource without id
    is given one that follows from ``seed`` and its place. Whole nested documents only are taken, not references.
    """
    found: list[tuple[str, Document]] = []

    def add(kind: str, body: Mapping[str, Any], parent: str) -> None:
        id = str(body.get("id") or RESOURCE_ID(seed, f"pagerduty.load.{kind}", len(found)))
        owner = parent or str((body.get("service") or {}).get("id", "") if kind == "integrations" else "")
        for owning, name, nested in _NESTED:
            if owning == kind:
                for entry in body.get(name) or ():
                    if not str(entry.get("type", "")).endswith("_reference"):
                        add(nested, entry, id)
        frozen = freeze({**body, "id": id})
        found.append((kind, Document(id, singular(kind), frozen, now, now, owner)))

    for kind in KINDS:
        for body in account.get(kind) or ():
            add(kind, body, str(body.get("parent", "")))
    return found


#: The role a user gets in a team that the account's JSON names without one, by the user's base role.
_TEAM_ROLES = {"observer": "observer", "limited_user": "responder", "restricted_access": "observer"}


def load(draft: Draft, account: Mapping[str, Any]) -> None:
    """Put an account's documents with their given ids; see :func:`documents`.

    ``api_keys`` may list REST credentials: ``{"key", "user"?, "access"?: "full" | "read_only", "scheme"?: "token" |
    "bearer", "enabled"?}``. Teams named by users (or ``members`` of teams) become memberships. Kinds the account does
    not mention get the product's own list, see :mod:`~simulators.pagerduty.catalogue`.
    """
    whole = {**account}
    for kind, defaults in catalogue.DEFAULTS.items():
        if kind not in whole and next(iter(draft.all(DOCUMENTS[kind])), None) is None:
            whole[kind] = defaults
    for kind, document in documents(whole, draft.now, draft.seed):
        draft.put(DOCUMENTS[kind], document)
    for entry in account.get("users") or ():
        for team in entry.get("teams") or ():
            join(draft, team["id"], entry["id"], _TEAM_ROLES.get(str(entry.get("role")), "manager"))
    for team in account.get("teams") or ():
        for member in team.get("members") or ():
            join(draft, team["id"], member["user"]["id"], member.get("role") or "manager")
    for entry in account.get("api_keys") or ():
        add_key(draft, entry)
    duties_edited(draft)


def join(draft: Draft, team: str, user: str, role: str) -> None:
    """Make a user a member of a team, or change the member's role."""
    draft.put(MEMBERSHIPS, Membership(f"{team}:{user}", team, user, role))


def add_key(draft: Draft, entry: Mapping[str, Any]) -> ApiKey:
    """Put one REST credential; see :func:`load` for its JSON."""
    key = ApiKey(
        str(entry["key"]),
        str(entry.get("scheme") or "token"),
        Access(entry.get("access") or "full"),
        entry.get("user"),
        bool(entry.get("enabled", True)),
        entry.get("expires"),
    )
    draft.put(API_KEYS, key)
    return key


def put(draft: Draft, kind: str, body: Mapping[str, Any], parent: str = "") -> Document:
    """Create or replace one document, keeping its time of creation; an id is drawn when the body has none."""
    id = str(body.get("id") or draft.fresh(ids.alphanumeric("P", 7), f"pagerduty.{kind}"))
    old = draft.get(DOCUMENTS[kind], id)
    created = draft.now if old is None else old.created
    document = Document(id, singular(kind), freeze({**body, "id": id}), created, draft.now, parent)
    draft.put(DOCUMENTS[kind], document)
    if kind in ROTAS:
        rota_edited(draft)
    elif kind in DUTIES:
        duties_edited(draft)
    return document


def rota_edited(draft: Draft) -> None:
    """Let open incidents follow an edited schedule, where the knob ``handoff_at_turn`` makes them."""
    if draft.knobs(Knobs).handoff_at_turn:
        draft.schedule(draft.now, OWNER, ROTA_EDITED, "")
    duties_edited(draft)


def duties_edited(draft: Draft) -> None:
    """Let notices of on-call duty follow an edit, where anybody has asked for any."""
    if draft.count(HANDOFF_RULES):
        draft.schedule(draft.now, OWNER, DUTIES_EDITED, "")


class Account:
    """An account to read from: documents by kind and id, and by owner."""

    __slots__ = ("_view",)

    def __init__(self, view: View) -> None:
        self._view = view

    @classmethod
    def from_json(cls, account: Mapping[str, Any]) -> Account | JsonAccount:
        """Return a readable account that needs no world."""
        return JsonAccount(documents(account))

    def get(self, kind: str, id: str) -> Document | None:
        """Return a document or ``None``."""
        return self._view.get(DOCUMENTS[kind], id)

    def children(self, kind: str, parent: str) -> list[Document]:
        """Return the documents of ``kind`` that belong to ``parent``, oldest first."""
        return self._view.find(DOCUMENTS[kind], "parent", parent)

    def all(self, kind: str) -> list[Document]:
        """Return every document of ``kind``, oldest first."""
        return list(self._view.all(DOCUMENTS[kind]))

    def ring(self, id: str) -> Ring | None:
        """Return whose turn it is on a round-robin level, or ``None`` when nobody had a turn yet."""
        return self._view.get(RINGS, id)


class JsonAccount:
    """The same reading methods as :class:`Account`, over plain documents."""

    __slots__ = ("_rows",)

    def __init__(self, found: Iterable[tuple[str, Document]]) -> None:
        self._rows: dict[str, dict[str, Document]] = {kind: {} for kind in KINDS}
        for kind, document in found:
            self._rows[kind][document.id] = document

    def get(self, kind: str, id: str) -> Document | None:
        """Return a document or ``None``."""
        return self._rows[kind].get(id)

    def children(self, kind: str, parent: str) -> list[Document]:
        """Return the documents of ``kind`` that belong to ``parent``, oldest first."""
        return [row for row in self._rows[kind].values() if row.parent == parent]

    def all(self, kind: str) -> list[Document]:
        """Return every document of ``kind``, oldest first."""
        return list(self._rows[kind].values())

    def ring(self, id: str) -> Ring | None:
        """Return ``None``: plain documents have no past, the first target is next."""
        return None


class SupposedAccount:
    """An account in which incidents that are only supposed have had their turn on round-robin levels."""

    __slots__ = ("_account", "rings")

    def __init__(self, account: AnyAccount) -> None:
        self._account = account
        self.rings: dict[str, Ring] = {}

    def get(self, kind: str, id: str) -> Document | None:
        """Return a document or ``None``."""
        return self._account.get(kind, id)

    def children(self, kind: str, parent: str) -> list[Document]:
        """Return the documents of ``kind`` that belong to ``parent``, oldest first."""
        return self._account.children(kind, parent)

    def all(self, kind: str) -> list[Document]:
        """Return every document of ``kind``, oldest first."""
        return self._account.all(kind)

    def ring(self, id: str) -> Ring | None:
        """Return whose turn it is on a round-robin level, supposed turns included."""
        return self.rings.get(id) or self._account.ring(id)


AnyAccount = Account | JsonAccount | SupposedAccount


def name(account: AnyAccount, kind: str, id: str) -> str:
    """Return the name of a document, or its id when it has none or is gone."""
    document = account.get(kind, id)
    return id if document is None else str(document.body.get("name") or document.body.get("summary") or id)
