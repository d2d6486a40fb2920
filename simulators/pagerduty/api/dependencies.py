"""Which service supports which: relations between technical and business services.

A relation names a supporting and a dependent service, each with its type (PagerDuty: service dependencies). Making one
twice changes nothing; services that are gone take their relations with them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simulators.engine import ids
from simulators.engine.resources import Field, Kind
from simulators.pagerduty.api.call import Call
from simulators.pagerduty.api.errors import invalid, unknown
from simulators.pagerduty.api.lens import Lens, lens
from simulators.pagerduty.api.operations import Listing, Operation
from simulators.pagerduty.api.resources import REFERENCE
from simulators.pagerduty.model import DEPENDENCIES, DOCUMENTS, Dependency

RELATION_ID = ids.alphanumeric("D", 14)
#: Type of a reference -> plural kind. The API calls a technical service by its own name here.
KINDS: Mapping[str, str] = {
    "business_service": "business_services",
    "technical_service": "services",
    "service": "services",
}
_TYPES = {"business_services": "business_service_reference", "services": "technical_service_reference"}
_SIDES = ("supporting_service", "dependent_service")


def _end(call: Call, entry: Mapping[str, Any]) -> tuple[str, str]:
    kind = KINDS.get(str(entry.get("type") or "").removesuffix("_reference"))
    if kind is None:
        raise invalid(f"Type must be in {', '.join(KINDS)}")
    if call.state.get(DOCUMENTS[kind], entry["id"]) is None:
        raise unknown(kind)
    return kind, entry["id"]


def _pair(call: Call, entry: Mapping[str, Any]) -> tuple[tuple[str, str], tuple[str, str]]:
    supporting, dependent = (_end(call, entry[side]) for side in _SIDES)
    if supporting == dependent:
        raise invalid("A service cannot depend on itself")
    return supporting, dependent


def _found(call: Call, ends: tuple[tuple[str, str], tuple[str, str]]) -> Dependency | None:
    return next((row for row in call.state.all(DEPENDENCIES) if (row.supporting, row.dependent) == ends), None)


def _associate(call: Call) -> list[dict[str, Any]]:
    rows = []
    for entry in call.body["relationships"]:
        ends = _pair(call, entry)
        row = _found(call, ends)
        if row is None:
            row = Dependency(call.draft.fresh(RELATION_ID, "pagerduty.dependency"), *ends)
            call.draft.put(DEPENDENCIES, row)
        rows.append(row)
    return [show(lens(call), row) for row in rows]


def _disassociate(call: Call) -> list[dict[str, Any]]:
    rows = []
    for entry in call.body["relationships"]:
        row = _found(call, _pair(call, entry))
        if row is not None:
            call.draft.delete(DEPENDENCIES, row.id)
            rows.append(row)
    return [show(lens(call), row) for row in rows]


def _relations(kind: str) -> Any:
    def relations(call: Call) -> Listing:
        end, look = (kind, call.ids["id"]), lens(call)
        rows = [
            row
            for row in call.state.all(DEPENDENCIES)
            if end in (row.supporting, row.dependent)
            and all(call.state.get(DOCUMENTS[other], id) is not None for other, id in (row.supporting, row.dependent))
        ]
        return Listing(rows, lambda row: show(look, row))

    return relations


def show(look: Lens, row: Dependency) -> dict[str, Any]:
    """Return a relation."""
    ends = zip(_SIDES, (row.supporting, row.dependent), strict=True)
    return {
        "id": row.id,
        "type": "service_dependency",
        **{side: look.ref(kind, id) | {"type": _TYPES[kind]} for side, (kind, id) in ends},
    }


_SIDE_FIELDS = tuple(Field(side, Kind.OBJECT, required=True, fields=REFERENCE) for side in _SIDES)
_RELATIONS = (Field("relationships", Kind.ARRAY, required=True, fields=_SIDE_FIELDS),)
OPERATIONS: tuple[Operation, ...] = (
    Operation("POST", "/service_dependencies/associate", _associate, wrapper="relationships", request="",
              fields=_RELATIONS, summary="Associate service dependencies"),
    Operation("POST", "/service_dependencies/disassociate", _disassociate, wrapper="relationships", request="",
              fields=_RELATIONS, summary="Disassociate service dependencies"),
    Operation("GET", "/service_dependencies/technical_services/{id}", _relations("services"), wrapper="relationships",
              needs=(("services", "id"),), summary="List the dependencies of a technical service"),
    Operation("GET", "/service_dependencies/business_services/{id}", _relations("business_services"),
              wrapper="relationships", needs=(("business_services", "id"),),
              summary="List the dependencies of a business service"),
)  # fmt: skip
