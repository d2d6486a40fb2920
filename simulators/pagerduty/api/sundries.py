"""The small ends of the API: abilities, tags on things, extensions switched on, licenses, and what is not modelled.

Of products this simulator does not model, lists are empty, as for an account that never used them, and anything else
answers as for a plan without them: 402.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from simulators.engine import ids
from simulators.engine.resources import Field, Kind
from simulators.pagerduty import account, catalogue
from simulators.pagerduty.api.call import Call
from simulators.pagerduty.api.errors import Code, invalid, not_found, refuse
from simulators.pagerduty.api.lens import SHAPES, lens
from simulators.pagerduty.api.operations import Extent, Listing, Operation
from simulators.pagerduty.api.people import license_shape
from simulators.pagerduty.model import DOCUMENTS, TAGGINGS, Tagging

#: Kinds that can carry tags.
TAGGED = ("users", "teams", "escalation_policies")
_TAGGING_ID = ids.decimal(1)


def _abilities(call: Call) -> list[str]:
    return [name for name in catalogue.ABILITIES if name not in call.knobs.missing_abilities]


def _ability(call: Call) -> None:
    name = call.ids["id"]
    if name not in catalogue.ABILITIES:
        raise not_found()
    if name in call.knobs.missing_abilities:
        raise refuse(Code.MISSING_ABILITY)


def _licenses(call: Call) -> list[dict[str, Any]]:
    shown = []
    roles = [row.body.get("role") or "user" for row in call.state.all(DOCUMENTS["users"])]
    for entry in catalogue.LICENSES:
        used = sum(role in entry["valid_roles"] for role in roles)
        shown.append(license_shape(entry) | {"current_value": used, "allocations_available": None})
    return shown


def _allocations(call: Call) -> Listing:
    look = lens(call)

    def show(row: Any) -> dict[str, Any]:
        role = row.body.get("role") or "user"
        held = next(entry for entry in catalogue.LICENSES if role in entry["valid_roles"])
        return {"user": look.ref("users", row.id), "license": license_shape(held), "allocated_at": look.at(row.created)}

    return Listing(call.state.all(DOCUMENTS["users"]), show)


# -- tags --------------------------------------------------------------------------------------------------------------


def _entity(call: Call) -> tuple[str, str]:
    kind = call.ids["entity_type"]
    if kind not in TAGGED:
        raise not_found()
    return kind, call.document(kind, call.ids["id"]).id


def _tags_of(call: Call) -> Listing:
    look = lens(call)
    found = [call.state.need(DOCUMENTS["tags"], row.tag) for row in call.state.find(TAGGINGS, "entity", _entity(call))]
    return Listing(found, lambda row: SHAPES["tags"](look, row))


def _tagged_as(kind: str) -> Callable[[Call], Listing]:
    def tagged(call: Call) -> Listing:
        look = lens(call)
        found = [row.entity[1] for row in call.state.find(TAGGINGS, "tag", call.ids["id"]) if row.entity[0] == kind]
        return Listing(found, lambda id: look.ref(kind, id))

    return tagged


def _change_tags(call: Call) -> dict[str, Any]:
    entity, draft = _entity(call), call.draft
    held = {row.tag: row for row in call.state.find(TAGGINGS, "entity", entity)}
    for entry in call.body.get("add") or ():
        tag = _tag(call, entry)
        if tag not in held:
            id = draft.fresh(_TAGGING_ID, "pagerduty.tagging")
            held[tag] = Tagging(id, tag, entity)
            draft.put(TAGGINGS, held[tag])
    for entry in call.body.get("remove") or ():
        row = held.pop(str(entry.get("id")), None)
        if row is not None:
            draft.delete(TAGGINGS, row.id)
    return {}


def _tag(call: Call, entry: Mapping[str, Any]) -> str:
    if entry.get("id"):
        return call.document("tags", entry["id"]).id
    label = entry.get("label")
    if not label or not label.strip():
        raise invalid("Label cannot be empty.")
    for row in call.state.all(DOCUMENTS["tags"]):
        if str(row.body.get("label")).casefold() == label.casefold():
            return row.id
    return account.put(call.draft, "tags", {"type": "tag", "label": label}).id


def _enable_extension(call: Call) -> Any:
    row = call.document("extensions", call.ids["id"])
    changed = account.put(call.draft, "extensions", {**row.body, "temporarily_disabled": False})
    return SHAPES["extensions"](lens(call), changed)


# -- lists that stay empty ---------------------------------------------------------------------------------------------

#: Below these paths whatever is not served answers 402.
OUTSIDE_THE_PLAN = (
    "/alert_grouping_settings", "/analytics", "/automation_actions", "/enrichment", "/event_orchestrations",
    "/incident_workflows", "/ip_allow_lists", "/oauth_delegations", "/session_configurations",
    "/incidents/custom_fields", "/incidents/types", "/paused_incident_reports", "/recommendations", "/rulesets",
    "/services/custom_fields", "/sre_agent", "/standards", "/status_dashboards", "/status_pages", "/templates",
    "/webhook_subscriptions/oauth_clients", "/workflows",
)  # fmt: skip
#: Paths below something that is modelled -> methods that answer 402.
BEYOND: Mapping[str, tuple[str, ...]] = {
    "/business_services/{id}/account_subscription": ("POST", "DELETE"),
    "/business_services/{id}/supporting_services/impacts": ("GET",),
    "/incidents/{id}/business_services/impacts": ("GET",),
    "/incidents/{id}/business_services/{business_service_id}/impacts": ("PUT",),
    "/incidents/{id}/custom_fields/values": ("PUT",),
    "/services/{id}/custom_fields/values": ("GET", "PUT"),
    "/services/{id}/enablements": ("GET",),
    "/services/{id}/enablements/{feature_name}": ("PUT",),
    "/services/{id}/rules": ("GET", "POST"),
    "/services/{id}/rules/convert": ("POST",),
    "/services/{id}/rules/{rule_id}": ("GET", "PUT", "DELETE"),
    "/users/{id}/oauth_delegations": ("GET",),
    "/users/{id}/oauth_delegations/{delegation_id}": ("GET",),
    "/users/{id}/regenerate_private_url_key": ("POST",),
    "/users/{id}/sessions": ("GET", "DELETE"),
    "/users/{id}/sessions/{type}/{session_id}": ("GET", "DELETE"),
}
#: Path -> (wrapper key, paging).
EMPTY: Mapping[str, tuple[str, str]] = {
    "/alert_grouping_settings": ("alert_grouping_settings", ""),
    "/audit/records": ("records", "cursor"),
    "/automation_actions/actions": ("actions", "cursor"),
    "/automation_actions/runners": ("runners", "cursor"),
    "/event_orchestrations": ("orchestrations", "classic"),
    "/incident_workflows": ("incident_workflows", "classic"),
    "/incident_workflows/triggers": ("triggers", "cursor"),
    "/incidents/custom_fields": ("fields", ""),
    "/rulesets": ("rulesets", "classic"),
    "/status_dashboards": ("status_dashboards", "cursor"),
    "/status_pages": ("status_pages", "classic"),
    "/templates": ("templates", "classic"),
    "/standards": ("standards", ""),
    "/webhook_subscriptions/oauth_clients": ("oauth_clients", ""),
    **{f"/{kind}/{{id}}/audit/records": ("records", "cursor")
       for kind in ("users", "teams", "services", "schedules", "escalation_policies")},
}  # fmt: skip


def _none(call: Call) -> Listing:
    return Listing((), lambda row: row)


def _beyond(call: Call) -> Any:
    raise refuse(Code.MISSING_ABILITY)


def _outside(path: str, method: str) -> Operation:
    owner, _, rest = path.strip("/").partition("/{id}/")
    title = f"{rest.rpartition('/')[2].strip('{}').replace('_', ' ')}, which this plan does not include"
    needs, summary = ((owner, "id"),), f"{method.title()} {title}"
    return Operation(method, path, _beyond, needs=needs, also=(402,), extent=Extent.ABSENT, summary=summary)


#: Parameters of empty lists: taken, and nothing is left to choose from.
_QUERIES = {
    "/alert_grouping_settings": ("after", "before", "service_ids[]"),
    "/event_orchestrations": ("sort_by",),
}


def _empty(path: str, wrapper: str, paging: str) -> Operation:
    owner = path.split("/")[1]
    needs = ((owner, "id"),) if "{id}" in path else ()
    title = wrapper.replace("_", " ")
    query = _QUERIES.get(path, ())
    return Operation(
        "GET", path, _none, wrapper=wrapper, paging=paging, needs=needs, query=query, extent=Extent.EMPTY,
        summary=f"List {title}",
    )  # fmt: skip


_TAG_ENTRY = (Field("type"), Field("id"), Field("label", max_length=191))
OPERATIONS: tuple[Operation, ...] = (
    Operation("GET", "/abilities", _abilities, wrapper="abilities", summary="List abilities"),
    Operation("GET", "/abilities/{id}", _ability, status=204, also=(402,), summary="Test an ability"),
    Operation("GET", "/licenses", _licenses, wrapper="licenses", summary="List licenses"),
    Operation("GET", "/license_allocations", _allocations, wrapper="license_allocations", paging="classic",
              summary="List license allocations"),
    Operation("GET", "/{entity_type}/{id}/tags", _tags_of, wrapper="tags", paging="classic",
              summary="List the tags of something"),
    Operation("POST", "/{entity_type}/{id}/change_tags", _change_tags, request="", summary="Change tags", fields=(
        Field("add", Kind.ARRAY, fields=_TAG_ENTRY), Field("remove", Kind.ARRAY, fields=_TAG_ENTRY))),
    *(
        Operation("GET", f"/tags/{{id}}/{kind}", _tagged_as(kind), wrapper=kind, paging="classic",
                  needs=(("tags", "id"),), summary=f"List the {kind.replace('_', ' ')} with a tag")
        for kind in TAGGED
    ),
    Operation("POST", "/extensions/{id}/enable", _enable_extension, wrapper="extension", needs=(("extensions", "id"),),
              summary="Enable an extension"),
    *(_outside(path, method) for path, methods in BEYOND.items() for method in methods),
    *(_empty(path, wrapper, paging) for path, (wrapper, paging) in EMPTY.items()),
)  # fmt: skip
