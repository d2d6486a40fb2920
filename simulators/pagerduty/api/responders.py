"""Who else is told of an incident, over REST: responders who are asked to help, and status updates.

A responder request names users and escalation policies; cancelling one answers for each target by itself (PagerDuty:
incidents, responder requests).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simulators.engine.resources import Document, Field, Kind
from simulators.pagerduty import amendments, responders
from simulators.pagerduty.api.call import Actor, Call
from simulators.pagerduty.api.errors import Code, invalid, refuse, unknown
from simulators.pagerduty.api.incident_shapes import responder_request
from simulators.pagerduty.api.lens import lens
from simulators.pagerduty.api.operations import Operation
from simulators.pagerduty.model import DOCUMENTS, Agent, Incident, Status

LONGEST = 65_535
_KINDS = {"user": "users", "escalation_policy": "escalation_policies"}
_TYPES = ("user", "user_reference", "escalation_policy", "escalation_policy_reference")
_TARGET = (Field("id", required=True, max_length=100), Field("type", required=True, choices=_TYPES))


# -- responders --------------------------------------------------------------------------------------------------------


def _requester(call: Call) -> Agent:
    user = call.state.get(DOCUMENTS["users"], call.body["requester_id"])
    if user is None:
        raise refuse(Code.REQUESTER_NOT_FOUND)
    return Agent("user_reference", user.id, "website")


def _open(call: Call) -> Incident:
    row = call.incident(call.ids["id"])
    if row.status is Status.RESOLVED:
        raise refuse(Code.ALREADY_RESOLVED)
    return row


def _target(call: Call, entry: Mapping[str, Any]) -> tuple[str, Document]:
    kind = _KINDS[str(entry["type"]).removesuffix("_reference")]
    found = call.state.get(DOCUMENTS[kind], entry["id"])
    if found is None:
        raise unknown(kind)
    return kind, found


def _ask(call: Call) -> Any:
    row, agent = _open(call), _requester(call)
    targets = [_target(call, entry["responder_request_target"]) for entry in call.body["responder_request_targets"]]
    held = {asked.user for asked in call.state.find(responders.RESPONDERS, "incident", row.id)}
    if len(held | {document.id for kind, document in targets if kind == "users"}) > responders.MOST_RESPONDERS:
        raise invalid(f"An incident may have at most {responders.MOST_RESPONDERS} responders")
    if len(call.state.find(responders.REQUESTS, "incident", row.id)) >= responders.MOST_REQUESTS:
        raise invalid(f"An incident may have at most {responders.MOST_REQUESTS} responder requests")
    made = responders.request(call.draft, row, agent, call.body["message"], targets)
    return responder_request(lens(call), row, made)


def _cancel(call: Call) -> Any:
    row, agent = call.incident(call.ids["id"]), _requester(call)
    shown = []
    for entry in call.body["responder_request_targets"]:
        name = str(entry["type"]).removesuffix("_reference")
        result = responders.cancel(call.draft, row, agent, (_KINDS[name], entry["id"]))
        shown.append({"type": f"{name}_reference", "id": entry["id"], "result": result})
    return shown


# -- status updates ----------------------------------------------------------------------------------------------------


def _publish(call: Call) -> Any:
    row, body, look = call.incident(call.ids["id"]), call.body, lens(call)
    if not body["message"].strip():
        raise invalid("Message cannot be empty.")
    optional = {name: body.get(name) for name in ("subject", "html_message")}
    missing = [name for name, value in optional.items() if not value]
    if len(missing) == 1:
        raise invalid(f"{missing[0].replace('_', ' ').capitalize()} cannot be empty.")
    update = amendments.publish(call.draft, row, call.agent.id, body["message"], *optional.values())
    shown = {
        "id": update.id,
        "message": update.message,
        "created_at": look.at(update.at),
        "sender": look.ref("users", update.user),
    }
    return shown | ({} if missing else optional)


_INCIDENT, _ABILITY = (("incidents", "id"),), "coordinated_responding"
_MESSAGE = Field("message", required=True, max_length=LONGEST)
_REQUEST = (
    Field("requester_id", required=True, max_length=100), _MESSAGE,
    Field("responder_request_targets", Kind.ARRAY, required=True, fields=(
        Field("responder_request_target", Kind.OBJECT, required=True, fields=_TARGET),
    )),
)  # fmt: skip
OPERATIONS: tuple[Operation, ...] = (
    Operation("POST", "/incidents/{id}/responder_requests", _ask, wrapper="responder_request", request="",
              fields=_REQUEST, needs=_INCIDENT, ability=_ABILITY, summary="Ask for responders"),
    Operation("PUT", "/incidents/{id}/responder_requests/cancel", _cancel, wrapper="responder_request_targets",
              request="", needs=_INCIDENT, ability=_ABILITY, summary="Cancel responder requests", fields=(
                  Field("requester_id", required=True, max_length=100),
                  Field("responder_request_targets", Kind.ARRAY, required=True, fields=_TARGET))),
    Operation("POST", "/incidents/{id}/status_updates", _publish, wrapper="status_update", actor=Actor.REQUIRED,
              request="", needs=_INCIDENT, summary="Publish a status update",
              fields=(_MESSAGE, Field("subject", max_length=1024), Field("html_message", max_length=LONGEST))),
)  # fmt: skip
