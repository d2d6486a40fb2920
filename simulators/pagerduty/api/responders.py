"""Who else hears of an incident, over REST: responders who are asked to help, status updates and their subscribers.

A responder request names users and escalation policies; each subscriber of a request is answered by itself. Validation
of subscribers answers 422, as this part of the vendor's API does (PagerDuty: incidents, responder requests).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from simulators.engine.errors import Refused
from simulators.engine.resources import Document, Field, Kind, Problem
from simulators.pagerduty import amendments, responders
from simulators.pagerduty.api.call import Actor, Call
from simulators.pagerduty.api.errors import Code, invalid, refuse, unknown, wording
from simulators.pagerduty.api.incident_shapes import responder_request
from simulators.pagerduty.api.lens import lens
from simulators.pagerduty.api.operations import Listing, Operation
from simulators.pagerduty.model import DOCUMENTS, RESOURCE_ID, Agent, Incident, Status

LONGEST = 65_535
_KINDS = {"user": "users", "escalation_policy": "escalation_policies"}
_TYPES = ("user", "user_reference", "escalation_policy", "escalation_policy_reference")
_TARGET = (Field("id", required=True, max_length=100), Field("type", required=True, choices=_TYPES))
_SUBSCRIBER = (
    Field("subscriber_id", required=True, max_length=100),
    Field("subscriber_type", required=True, choices=("user", "team")),
)


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


def account_id(call: Call) -> str:
    """Return the account's id, which this part of the API repeats in its answers."""
    return RESOURCE_ID(call.state.seed, "pagerduty.account", 0)


def _subscribers(call: Call) -> Listing:
    row = call.incident(call.ids["id"])
    found = call.state.find(responders.SUBSCRIBERS, "incident", row.id)
    return Listing(found, _subscriber, extra={"account_id": account_id(call)})


def _subscriber(row: responders.Subscriber) -> dict[str, Any]:
    head = {"subscriber_id": row.subscriber, "subscriber_type": row.type}
    return head | {"has_indirect_subscription": False, "subscribed_via": None}


def _known(call: Call, entry: Mapping[str, Any]) -> bool:
    return call.state.get(DOCUMENTS[f"{entry['subscriber_type']}s"], entry["subscriber_id"]) is not None


def _subscribe(call: Call) -> Any:
    row = call.incident(call.ids["id"])
    shown = []
    for entry in call.body["subscribers"]:
        named = {name: entry[name] for name in ("subscriber_id", "subscriber_type")}
        result = "unauthorized"
        if _known(call, entry):
            new = responders.subscribe(call.draft, row, named["subscriber_type"], named["subscriber_id"])
            result = "success" if new else "duplicate"
        about = {"account_id": account_id(call), "subscribable_id": row.id, "subscribable_type": "incident"}
        shown.append(about | named | {"result": result})
    return shown


def _unsubscribe(call: Call) -> Any:
    row, counts = call.incident(call.ids["id"]), {"deleted_count": 0, "unauthorized_count": 0, "non_existent_count": 0}
    for entry in call.body["subscribers"]:
        held = responders.unsubscribe(call.draft, row, entry["subscriber_type"], entry["subscriber_id"])
        name = "deleted_count" if held else "non_existent_count" if _known(call, entry) else "unauthorized_count"
        counts[name] += 1
    return counts


def _unprocessable(problems: Sequence[Problem]) -> Refused:
    words = [wording(problem) for problem in problems]
    return Refused(
        422, {"error": {"message": "Invalid Input Provided", "code": int(Code.INVALID_INPUT), "errors": words}}
    )


_INCIDENT, _ABILITY = (("incidents", "id"),), "coordinated_responding"
_SUBSCRIBERS = (Field("subscribers", Kind.ARRAY, required=True, fields=_SUBSCRIBER),)
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
    Operation("GET", "/incidents/{id}/status_updates/subscribers", _subscribers, wrapper="subscribers",
              paging="classic", limits=(100, 100), needs=_INCIDENT, summary="List the subscribers of status updates"),
    Operation("POST", "/incidents/{id}/status_updates/subscribers", _subscribe, wrapper="subscriptions", request="",
              fields=_SUBSCRIBERS, needs=_INCIDENT, also=(422,), refusal=_unprocessable,
              summary="Subscribe to status updates"),
    Operation("POST", "/incidents/{id}/status_updates/unsubscribe", _unsubscribe, request="", fields=_SUBSCRIBERS,
              needs=_INCIDENT, also=(422,), refusal=_unprocessable, summary="Unsubscribe from status updates"),
)  # fmt: skip
