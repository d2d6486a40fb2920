"""Subscriptions to status updates over REST, from both ends: who subscribed to something, what somebody subscribed to.

An incident and a business service list their subscribers, a user and a team what they are subscribed to; the three
verbs are the same. Each item is answered by itself (success, duplicate, unauthorized), validation with 422, as this
part of the vendor's API does (PagerDuty: subscribers, notification subscriptions).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from simulators.engine.errors import Refused
from simulators.engine.resources import Field, Kind, Problem
from simulators.pagerduty import subscribers
from simulators.pagerduty.account import Account, name
from simulators.pagerduty.api.call import Call
from simulators.pagerduty.api.errors import Code, wording
from simulators.pagerduty.api.operations import Listing, Operation
from simulators.pagerduty.model import DOCUMENTS, INCIDENTS, RESOURCE_ID
from simulators.pagerduty.subscribers import SUBSCRIPTIONS, Subscription

Pair = tuple[str, str]
_PLURALS = {"business_service": "business_services", "user": "users", "team": "teams"}
#: What may stand at each end of a subscription.
_ENDS = {"subscriber": ("user", "team"), "subscribable": ("incident", "business_service")}


def account_id(call: Call) -> str:
    """Return the account's id, which this part of the API repeats in its answers."""
    return RESOURCE_ID(call.state.seed, "pagerduty.account", 0)


def _known(call: Call, pair: Pair) -> bool:
    kind, id = pair
    table: Any = INCIDENTS if kind == "incident" else DOCUMENTS[_PLURALS[kind]]
    return call.state.get(table, id) is not None


def _pairs(call: Call, end: str) -> Iterable[Pair]:
    return [(entry[f"{end}_type"], entry[f"{end}_id"]) for entry in call.body[f"{end}s"]]


def _own(call: Call, kind: str) -> Pair:
    """Return the thing the path names; an incident may be named by its number."""
    return kind, call.incident(call.ids["id"]).id if kind == "incident" else call.ids["id"]


def _sides(end: str, own: Pair, other: Pair) -> tuple[Pair, Pair]:
    """Return what is subscribed to and who subscribes; ``end`` is the end the request names."""
    return (own, other) if end == "subscriber" else (other, own)


def _ends(about: Pair, who: Pair) -> dict[str, str]:
    return {
        "subscriber_id": who[1],
        "subscriber_type": who[0],
        "subscribable_id": about[1],
        "subscribable_type": about[0],
    }


def _subscribe(kind: str, end: str) -> Callable[[Call], Any]:
    def subscribe(call: Call) -> Any:
        own, shown = _own(call, kind), []
        for other in _pairs(call, end):
            about, who = _sides(end, own, other)
            result = "unauthorized"
            if _known(call, other):
                result = "success" if subscribers.subscribe(call.draft, about, who) else "duplicate"
            shown.append({"account_id": account_id(call), **_ends(about, who), "result": result})
        return shown

    return subscribe


def _unsubscribe(kind: str, end: str) -> Callable[[Call], Any]:
    def unsubscribe(call: Call) -> Any:
        own, counts = _own(call, kind), {"deleted_count": 0, "unauthorized_count": 0, "non_existent_count": 0}
        for other in _pairs(call, end):
            held = subscribers.unsubscribe(call.draft, *_sides(end, own, other))
            word = "deleted" if held else "non_existent" if _known(call, other) else "unauthorized"
            counts[f"{word}_count"] += 1
        return counts

    return unsubscribe


def _list(kind: str, show: Callable[[Call, Subscription], dict[str, Any]], index: str) -> Callable[[Call], Listing]:
    def listed(call: Call) -> Listing:
        extra = {"account_id": account_id(call)} if index == "about" else {}
        rows = call.state.find(SUBSCRIPTIONS, index, _own(call, kind))
        return Listing(rows, lambda row: show(call, row), extra=extra)

    return listed


def _of_incident(call: Call, row: Subscription) -> dict[str, Any]:
    return {**_of_service(call, row), "has_indirect_subscription": False, "subscribed_via": None}


def _of_service(call: Call, row: Subscription) -> dict[str, Any]:
    return {"subscriber_id": row.who[1], "subscriber_type": row.who[0]}


def _of_subscriber(call: Call, row: Subscription) -> dict[str, Any]:
    kind, id = row.about
    called = None if kind == "incident" else name(Account(call.state), _PLURALS[kind], id)
    shown = _ends(row.about, row.who) | {"subscribable_name": called, "account_id": account_id(call)}
    return {"subscription": shown}


def _unprocessable(problems: Sequence[Problem]) -> Refused:
    errors = [wording(problem) for problem in problems]
    return Refused(
        422, {"error": {"message": "Invalid Input Provided", "code": int(Code.INVALID_INPUT), "errors": errors}}
    )


#: Where subscriptions are read and written: kind in the path, path of the list, key and shape of its rows, index.
_PLACES: Mapping[str, tuple[str, str, Any, str]] = {
    "incident": ("/incidents/{id}/status_updates/subscribers", "subscribers", _of_incident, "about"),
    "business_service": ("/business_services/{id}/subscribers", "subscribers", _of_service, "about"),
    "user": ("/users/{id}/notification_subscriptions", "subscriptions", _of_subscriber, "who"),
    "team": ("/teams/{id}/notification_subscriptions", "subscriptions", _of_subscriber, "who"),
}


def _operations(kind: str, path: str, wrapper: str, show: Any, index: str) -> Iterable[Operation]:
    end = "subscriber" if index == "about" else "subscribable"
    item = (
        Field(f"{end}_id", required=True, max_length=100),
        Field(f"{end}_type", required=True, choices=_ENDS[end]),
    )
    fields = (Field(f"{end}s", Kind.ARRAY, required=True, fields=item),)
    needs, title = ((_PLURALS.get(kind, "incidents"), "id"),), kind.replace("_", " ")
    nested = path if wrapper == "subscriptions" else path.rpartition("/")[0]
    yield Operation("GET", path, _list(kind, show, index), wrapper=wrapper, paging="classic", limits=(100, 100),
                    needs=needs, summary=f"List the {wrapper} of a {title}")  # fmt: skip
    yield Operation("POST", path, _subscribe(kind, end), wrapper="subscriptions", request="", fields=fields,
                    needs=needs, also=(422,), refusal=_unprocessable, summary=f"Subscribe, {title}")  # fmt: skip
    yield Operation("POST", f"{nested}/unsubscribe", _unsubscribe(kind, end), request="", fields=fields,
                    needs=needs, also=(422,), refusal=_unprocessable, summary=f"Unsubscribe, {title}")  # fmt: skip


OPERATIONS: tuple[Operation, ...] = tuple(
    operation for kind, place in _PLACES.items() for operation in _operations(kind, *place)
)
