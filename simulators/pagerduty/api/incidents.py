"""Incidents over REST: listing, creating, updating one or many, snoozing, merging; alerts and notes of an incident.

A bulk update is one decision: either every item is applied or none. What an update sends and what already holds changes
nothing, so that sending back what was read is harmless (PagerDuty: incidents).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from simulators.engine.errors import Refused
from simulators.engine.resources import Document, Field, Kind, check, freeze
from simulators.pagerduty import amendments, escalation, incidents
from simulators.pagerduty.account import Account
from simulators.pagerduty.api.call import Actor, Call
from simulators.pagerduty.api.errors import Code, invalid, refuse, wording
from simulators.pagerduty.api.incident_lists import LIST
from simulators.pagerduty.api.incident_shapes import incident as show
from simulators.pagerduty.api.lens import lens
from simulators.pagerduty.api.operations import Operation
from simulators.pagerduty.api.resources import REFERENCE
from simulators.pagerduty.intake import in_maintenance
from simulators.pagerduty.model import (
    ALERTS,
    DOCUMENTS,
    INCIDENTS,
    Agent,
    Incident,
    Status,
    Urgency,
)

BULK = 250
MOST_ALERTS = 1000
INCLUDE = (
    "acknowledgers", "agents", "assignees", "conference_bridge", "escalation_policies", "first_trigger_log_entries",
    "priorities", "services", "teams", "users",
)  # fmt: skip

_ASSIGNMENTS = Field(
    "assignments",
    Kind.ARRAY,
    fields=(Field("assignee", Kind.OBJECT, required=True, fields=REFERENCE),),
)
_SHARED = (
    Field("urgency", choices=("high", "low")),
    Field("priority", Kind.ANY),
    _ASSIGNMENTS,
    Field("escalation_policy", Kind.OBJECT, fields=REFERENCE),
    Field("incident_type", Kind.OBJECT, fields=(Field("name", required=True, max_length=100),)),
    Field("conference_bridge", Kind.OBJECT, fields=(
        Field("conference_number", max_length=100), Field("conference_url", max_length=2000),
    )),
)  # fmt: skip
CREATE = (
    Field("type"),
    Field("title", required=True),
    *_SHARED,
    Field("service", Kind.OBJECT, required=True, fields=REFERENCE),
    Field("incident_key", max_length=255),
    Field("body", Kind.ANY),
)
UPDATE = (
    Field("type", required=True, choices=("incident", "incident_reference")),
    Field("title"),
    *_SHARED,
    Field("status", Kind.ANY),
    Field("resolution"),
    Field("escalation_level", Kind.INTEGER, minimum=1),
    Field("service", Kind.OBJECT, fields=REFERENCE),
)


def _priority(call: Call, wanted: Any) -> str | None:
    """Return the id of the priority a request names by reference, object or name; ``None`` clears it."""
    if wanted is None:
        return None
    if "priorities" in call.knobs.missing_abilities:
        raise refuse(Code.MISSING_ABILITY)
    if isinstance(wanted, Mapping) and isinstance(wanted.get("id"), str):
        found = call.state.get(DOCUMENTS["priorities"], wanted["id"])
        if found is not None:
            return found.id
    elif isinstance(wanted, str):
        for row in call.state.all(DOCUMENTS["priorities"]):
            if row.body.get("name") == wanted:
                return row.id
    raise refuse(Code.INVALID_PRIORITY)


def _assignees(call: Call, entries: Any) -> tuple[str, ...]:
    people = tuple(dict.fromkeys(entry["assignee"]["id"] for entry in entries or ()))
    if any(call.state.get(DOCUMENTS["users"], user) is None for user in people):
        raise refuse(Code.ASSIGNEE_NOT_FOUND)
    return people


def _policy(call: Call, entry: Mapping[str, Any] | None) -> Document | None:
    if entry is None:
        return None
    found = call.state.get(DOCUMENTS["escalation_policies"], entry["id"])
    if found is None:
        raise refuse(Code.POLICY_MISSING)
    return found


# -- create ------------------------------------------------------------------------------------------------------------


def _create(call: Call) -> Any:
    body, draft, agent = call.body, call.draft, call.agent
    title = body["title"]
    if not title.strip():
        raise invalid("Title cannot be empty.")
    details = body.get("body")
    if details is not None and not (isinstance(details, Mapping) and isinstance(details.get("details"), str)):
        raise invalid("Body is invalid.")
    service = call.state.get(DOCUMENTS["services"], body["service"]["id"])
    if service is None:
        raise refuse(Code.ARGUMENTS, ["Service not found"])
    key = body.get("incident_key") or None
    if key is not None and _key_is_open(call, service.id, key):
        raise refuse(Code.ARGUMENTS, ["Open incident with matching dedup key already exists on this service"])
    off = service.body.get("status") == "disabled" or in_maintenance(draft, service.id)
    if off and not call.knobs.incident_on_disabled:
        raise invalid("Incident could not be created")
    people, policy = _assignees(call, body.get("assignments")), _policy(call, body.get("escalation_policy"))
    if people and policy is not None:
        raise invalid("Assignments and escalation policy cannot be given together")
    asked = body.get("urgency")
    urgency = Urgency(asked) if asked else escalation.service_urgency(service, None, draft.now)
    kind = (body.get("incident_type") or {}).get("name")
    given = {
        "body": freeze({"details": details["details"]}) if details else None,
        "priority": _priority(call, body.get("priority")),
        "bridge": freeze(body.get("conference_bridge")),
        **({"type": kind} if kind else {}),
    }
    made = incidents.trigger(
        draft, service, title[:1024], urgency, agent, key=key, policy=policy, users=people, given=given
    )
    if made is None:
        raise refuse(Code.NOBODY_ON_CALL)
    if agent.id in people:
        made = incidents.acknowledge(draft, made, agent)
    return show(lens(call), made)


def _key_is_open(call: Call, service: str, key: str) -> bool:
    if any(row.service == service and row.status is Status.TRIGGERED for row in call.state.find(ALERTS, "key", key)):
        return True
    return any(
        row.key == key
        for status in (Status.TRIGGERED, Status.ACKNOWLEDGED)
        for row in call.state.find(INCIDENTS, "state", (service, status))
    )


# -- update ------------------------------------------------------------------------------------------------------------


def _update_one(call: Call) -> Any:
    row = _update(call, call.incident(call.ids["id"]), call.body)
    return show(lens(call), row)


def _update_many(call: Call) -> Any:
    items = call.body.get("incidents")
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise invalid("Incidents must be an array")
    if len(items) > BULK:
        raise too_many()
    rows = []
    for item in items:
        problems = check((Field("id", required=True), *UPDATE), item)
        if problems:
            raise invalid(*(wording(problem) for problem in problems))
        rows.append(_update(call, call.incident(item["id"]), {**item, "service": None}).id)
    look = lens(call)
    return [show(look, call.state.need(INCIDENTS, id)) for id in rows]


def too_many() -> Refused:
    """Return the refusal of more than 250 items (413)."""
    text = f"Cannot update more than {BULK} at one time"
    return Refused(413, {"error": {"message": text, "code": int(Code.INVALID_INPUT), "errors": [text]}})


def _update(call: Call, row: Incident, body: Mapping[str, Any]) -> Incident:
    """Apply an update: what it names and differs from what holds, the status last."""
    draft, agent = call.draft, call.agent
    status = body.get("status")
    if status is not None and status not in (*Status,):
        raise refuse(Code.INVALID_STATUS)
    people, policy = _assignees(call, body.get("assignments")), _policy(call, body.get("escalation_policy"))
    same_people = people == tuple(assignment.user for assignment in row.assignments)
    if "assignments" in body and policy is not None:
        if not same_people:
            raise invalid("Assignments and escalation policy cannot be given together")
        people, policy = (), None if row.policy is not None and policy.id == row.policy.id else policy
    if row.status is Status.RESOLVED:
        if status in (None, Status.RESOLVED):
            raise refuse(Code.ALREADY_RESOLVED)
        row = _reopen(call, row, people if people else (), policy, status)
        people, policy = (), None
    for name, apply in _CHANGES.items():
        if name in body and (body[name] is not None or name in _CLEARABLE):
            row = apply(call, row, agent, body[name])
    if people and not same_people:
        row = incidents.reassign(draft, row, agent, users=people)
    elif policy is not None:
        row = _delegate(call, row, agent, policy)
    if body.get("escalation_level") is not None:
        row = _escalate(call, row, agent, body["escalation_level"])
    if status == Status.ACKNOWLEDGED:
        row = incidents.acknowledge(draft, row, agent)
    elif status == Status.RESOLVED:
        row = incidents.resolve(draft, row, agent, body.get("resolution") or None)
    elif status == Status.TRIGGERED and row.status is Status.ACKNOWLEDGED:
        if not call.knobs.unacknowledge_over_rest:
            raise refuse(Code.INVALID_STATUS)
        row = incidents.unacknowledge(draft, row, agent)
    return row


def _reopen(call: Call, row: Incident, people: tuple[str, ...], policy: Document | None, status: Any) -> Incident:
    agent = call.agent
    if status == Status.ACKNOWLEDGED and not people and policy is None:
        people = (agent.id,)
    if not people and policy is None:
        policy = row.policy and call.state.get(DOCUMENTS["escalation_policies"], row.policy.id)
        if policy is None:
            raise refuse(Code.POLICY_MISSING)
    opened = amendments.reopen(call.draft, row, agent, users=people, policy=policy)
    if opened is None:
        raise refuse(Code.NOBODY_ON_CALL)
    return opened


def _delegate(call: Call, row: Incident, agent: Agent, policy: Document) -> Incident:
    if escalation.first_level(Account(call.draft), policy, call.now) is None:
        raise refuse(Code.NOBODY_ON_CALL)
    return incidents.reassign(call.draft, row, agent, policy=policy)


def _escalate(call: Call, row: Incident, agent: Agent, level: int) -> Incident:
    if row.urgency is Urgency.LOW or row.policy is None or not row.level:
        raise refuse(Code.CANNOT_ESCALATE)
    if level > len(escalation.rules(row.policy)):
        raise invalid("Escalation level is invalid")
    changed = incidents.escalate(call.draft, row, agent, level)
    if changed is row:
        raise refuse(Code.NOBODY_ON_CALL)
    return changed


def _set_title(call: Call, row: Incident, agent: Agent, title: Any) -> Incident:
    if not str(title).strip():
        raise invalid("Title cannot be empty.")
    return amendments.retitle(call.draft, row, agent, title[:1024])


def _set_urgency(call: Call, row: Incident, agent: Agent, urgency: Any) -> Incident:
    return incidents.set_urgency(call.draft, row, agent, Urgency(urgency))


def _set_priority(call: Call, row: Incident, agent: Agent, priority: Any) -> Incident:
    return amendments.prioritise(call.draft, row, agent, _priority(call, priority))


def _set_bridge(call: Call, row: Incident, agent: Agent, bridge: Any) -> Incident:
    return amendments.set_bridge(call.draft, row, agent, bridge)


def _set_type(call: Call, row: Incident, agent: Agent, kind: Any) -> Incident:
    return amendments.set_type(call.draft, row, agent, kind["name"])


def _set_service(call: Call, row: Incident, agent: Agent, service: Any) -> Incident:
    if call.state.get(DOCUMENTS["services"], service["id"]) is None:
        raise refuse(Code.ARGUMENTS, ["Service not found"])
    return amendments.move_service(call.draft, row, agent, service["id"])


_CLEARABLE = ("priority", "conference_bridge")
_CHANGES: Mapping[str, Callable[[Call, Incident, Agent, Any], Incident]] = {
    "title": _set_title,
    "priority": _set_priority,
    "conference_bridge": _set_bridge,
    "incident_type": _set_type,
    "service": _set_service,
    "urgency": _set_urgency,
}


# -- verbs -------------------------------------------------------------------------------------------------------------


def _read(call: Call) -> Any:
    return show(lens(call), call.incident(call.ids["id"]))


def _snooze(call: Call) -> Any:
    row, seconds = call.incident(call.ids["id"]), call.body.get("duration")
    if isinstance(seconds, bool) or not isinstance(seconds, int) or not 1 <= seconds <= 604_800:
        raise refuse(Code.SNOOZE_INVALID)
    if row.status is Status.RESOLVED:
        raise refuse(Code.ALREADY_RESOLVED)
    if row.status is Status.TRIGGERED and not call.knobs.snooze_acknowledges:
        raise refuse(Code.INVALID_STATUS)
    return show(lens(call), incidents.snooze(call.draft, row, call.agent, seconds))


def _merge(call: Call) -> Any:
    target = call.incident(call.ids["id"])
    sources = []
    for entry in call.body["source_incidents"]:
        source = call.incident(entry["id"])
        if source.id == target.id:
            raise invalid("An incident cannot be merged with itself")
        if source.merged is not None:
            raise refuse(Code.ALREADY_MERGED)
        if source.status is Status.RESOLVED:
            raise refuse(Code.ALREADY_RESOLVED)
        if source not in sources:
            sources.append(source)
    if target.status is Status.RESOLVED:
        raise refuse(Code.ALREADY_RESOLVED)
    if sum(row.triggered + row.closed for row in (target, *sources)) > MOST_ALERTS:
        raise invalid(f"An incident may have at most {MOST_ALERTS} alerts")
    merged = amendments.merge(call.draft, target, sources, call.agent)
    return lens(call).incident_ref(merged.id, merged)


_INCIDENT = (("incidents", "id"),)
OPERATIONS: tuple[Operation, ...] = (
    LIST,
    Operation("POST", "/incidents", _create, wrapper="incident", status=201, actor=Actor.REQUIRED, request="incident",
              fields=CREATE, also=(402,), summary="Create an incident"),
    Operation("PUT", "/incidents", _update_many, wrapper="incidents", actor=Actor.REQUIRED, request="", also=(402,),
              fields=(Field("incidents", Kind.ARRAY, required=True),), summary="Update incidents"),
    Operation("GET", "/incidents/{id}", _read, wrapper="incident", needs=_INCIDENT, summary="Get an incident",
              include=(*INCLUDE, "custom_fields", "body")),
    Operation("PUT", "/incidents/{id}", _update_one, wrapper="incident", actor=Actor.REQUIRED, request="incident",
              fields=UPDATE, needs=_INCIDENT, also=(402,), summary="Update an incident"),
    Operation("POST", "/incidents/{id}/snooze", _snooze, wrapper="incident", status=201, actor=Actor.REQUIRED,
              request="", fields=(Field("duration", Kind.ANY),), needs=_INCIDENT, summary="Snooze an incident"),
    Operation("PUT", "/incidents/{id}/merge", _merge, wrapper="incident", actor=Actor.REQUIRED, request="",
              fields=(Field("source_incidents", Kind.ARRAY, required=True, fields=REFERENCE),), needs=_INCIDENT,
              summary="Merge incidents"),
)  # fmt: skip
