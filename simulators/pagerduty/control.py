"""PagerDuty's part of the control plane: people's devices and what they do with them, the account, the knobs.

Reading shows every person's e-mails, push notifications, SMS and calls. Acting is per channel, as it is in life: text a
reply, answer a call, press keys, hang up, tap a push, follow the link of a mail. ``acknowledge``, ``resolve`` and
``escalate`` do whatever the message's channel wants for it. An account is loaded as the vendor's own JSON, knobs are
read and set by name. A webhook's secret is rotated here, because the vendor's API cannot: POST adds one beside the old,
DELETE ends the old.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, fields, replace
from enum import StrEnum
from typing import Any

from flask import Blueprint, Response, request

from simulators.engine import instants
from simulators.engine.control import object_body, plane
from simulators.engine.draft import Draft, View
from simulators.engine.errors import Refused, UnknownZone
from simulators.engine.resources import Document
from simulators.engine.tables import MissingRow
from simulators.engine.web import answer, transact, world
from simulators.engine.zones import zone
from simulators.pagerduty import devices, loading, mail, webhooks
from simulators.pagerduty.account import load
from simulators.pagerduty.calls import CallEvent
from simulators.pagerduty.model import (
    API_KEYS,
    DOCUMENTS,
    INCIDENTS,
    MESSAGES,
    REPLIES,
    Channel,
    Knobs,
    Message,
    Reply,
)

#: Problems of an account that one refusal names.
MOST_PROBLEMS = 5
#: What a person can want -> the key that says so on a call or in an SMS.
KEYS = {"acknowledge": "4", "resolve": "6", "escalate": "8"}


def blueprint() -> Blueprint:
    """Return the routes."""
    routes = plane("pagerduty-sim")

    @routes.get("/devices")
    def read_devices() -> Response:
        view, query = world().view, request.args
        people = [person(view, query["user"])] if "user" in query else list(view.all(DOCUMENTS["users"]))
        channel = _channel(query["channel"]) if "channel" in query else None
        return answer({"devices": [device_json(view, one, channel) for one in people]})

    @routes.post("/devices/<user>/sms")
    def text(user: str) -> Response:
        said = _text("text")
        return answer({"reply": reply_json(transact(devices.reply_sms, person(world().view, user).id, said))}, 201)

    @routes.post("/devices/messages/<message>/<act>")
    def act(message: str, act: str) -> Response:
        verb = VERBS.get(act)
        if verb is None:
            raise Refused(404, {"error": f"there is no {act!r} here; a message takes {', '.join(VERBS)}"})
        return answer(transact(verb, world().view.need(MESSAGES, message)), 201)

    @routes.post("/webhook-subscriptions/<id>/secrets")
    def rotate(id: str) -> Response:
        found = world().view.need(DOCUMENTS["webhook_subscriptions"], id)
        return answer({"secret": transact(webhooks.rotate, found)}, 201)

    @routes.delete("/webhook-subscriptions/<id>/secrets")
    def retire(id: str) -> Response:
        found = world().view.need(DOCUMENTS["webhook_subscriptions"], id)
        transact(webhooks.retire, found)
        return answer(None, 204)

    @routes.get("/devices/messages/<message>/mail.eml")
    def mail_message(message: str) -> Response:
        row = world().view.need(MESSAGES, message)
        if row.channel is not Channel.EMAIL:
            raise Refused(409, {"error": f"{row.id} is a message by {row.channel}, not an e-mail"})
        return Response(mail.as_mime(row), content_type="message/rfc822")

    @routes.get("/account")
    def account() -> Response:
        return answer(summary(world().view))

    @routes.post("/account")
    def load_account() -> Response:
        wish = object_body()
        wrong = loading.problems(wish)
        if wrong:
            raise Refused(400, {"error": "; ".join(wrong[:MOST_PROBLEMS])})
        transact(load, wish)
        return answer(summary(world().view), 201)

    @routes.get("/knobs")
    def read_knobs() -> Response:
        return answer({"knobs": asdict(world().view.knobs(Knobs))})

    @routes.put("/knobs")
    def set_knobs() -> Response:
        here = world()
        with here.lock:
            here.set_knobs(changed_knobs(here.view.knobs(Knobs), object_body()))
        return answer({"knobs": asdict(here.view.knobs(Knobs))})

    return routes


def summary(view: View) -> dict[str, Any]:
    """Return what a client needs to begin: people, services with their keys, REST keys; and how much there is.

    Keys are shown: they are a simulator's own, local, and this is the way to find them.
    """
    return {
        "users": [
            {"id": row.id, "name": row.body.get("name"), "email": row.body.get("email")}
            for row in view.all(DOCUMENTS["users"])
        ],
        "services": [
            {
                "id": row.id,
                "name": row.body.get("name"),
                "keys": [
                    entry.body.get("integration_key")
                    for entry in view.find(DOCUMENTS["integrations"], "parent", row.id)
                ],
            }
            for row in view.all(DOCUMENTS["services"])
        ],
        "api_keys": [
            {"key": row.id, "scheme": row.scheme, "access": row.access.value, "user": row.user, "enabled": row.enabled}
            for row in view.all(API_KEYS)
        ],
        "count": {kind: view.count(table) for kind, table in DOCUMENTS.items() if view.count(table)},
        "incidents": view.count(INCIDENTS),
    }


def changed_knobs(knobs: Knobs, wish: Mapping[str, Any]) -> Knobs:
    """Return ``knobs`` with the changes of ``wish``; refuses unknown names and values of another kind (400)."""
    names = [entry.name for entry in fields(Knobs)]
    changes: dict[str, Any] = {}
    for name, value in wish.items():
        if name not in names:
            raise Refused(400, {"error": f"{name!r} is no knob; knobs are {', '.join(names)}"})
        held = getattr(knobs, name)
        try:
            changes[name] = _like(held, value)
        except ValueError:
            choices = f", one of {', '.join(type(held))}" if isinstance(held, StrEnum) else ""
            raise Refused(400, {"error": f"{name} takes a value like {held!s}{choices}"}) from None
    if "time_zone" in changes:
        _check_zone(changes["time_zone"])
    return replace(knobs, **changes)


def _like(held: Any, value: Any) -> Any:
    """Return ``value`` as something of the kind of ``held``; raises :class:`ValueError` when it is not."""
    if isinstance(held, StrEnum):
        return type(held)(value)
    if isinstance(held, tuple) and isinstance(value, list) and all(isinstance(entry, str) for entry in value):
        return tuple(value)
    if type(value) is not type(held) or (type(value) is int and value < 0):
        raise ValueError(value)
    return value


def _check_zone(name: str) -> None:
    try:
        zone(name)
    except UnknownZone:
        raise Refused(400, {"error": f"{name!r} is no time zone; write one like Europe/Berlin"}) from None


def person(view: View, name: str) -> Document:
    """Return the user with this id or name; :class:`MissingRow` for anybody else."""
    for user in view.all(DOCUMENTS["users"]):
        if name in (user.id, user.body.get("name")):
            return user
    raise MissingRow(f"the account has no user {name!r}")


def device_json(view: View, user: Document, channel: Channel | None = None) -> dict[str, Any]:
    """Return a person with everything that reached them (on one channel), and their replies, oldest first."""
    messages = devices.inbox(view, user.id, channel)
    replies = [row for row in view.find(REPLIES, "user", user.id) if channel in (None, row.channel)]
    return {
        "user": user.id,
        "name": user.body.get("name"),
        "messages": [message_json(row) for row in messages],
        "replies": [reply_json(row) for row in replies],
    }


def message_json(message: Message) -> dict[str, Any]:
    """Return a message as JSON."""
    return asdict(message) | {"at": instants.iso_milliseconds(message.at)}


def reply_json(reply: Reply) -> dict[str, Any]:
    """Return what a person did, and what came of it, as JSON."""
    return asdict(reply) | {"at": instants.iso_milliseconds(reply.at)}


def _happen(event: CallEvent) -> Callable[[Draft, Message], dict[str, Any]]:
    def act(draft: Draft, message: Message) -> dict[str, Any]:
        return {"message": message_json(devices.happen(draft, _call(message).id, event))}

    return act


def _press(draft: Draft, message: Message) -> dict[str, Any]:
    return {"reply": reply_json(devices.press(draft, _call(message).id, _text("key")))}


def _want(action: str) -> Callable[[Draft, Message], dict[str, Any]]:
    def act(draft: Draft, message: Message) -> dict[str, Any]:
        if message.channel is Channel.SMS:
            reply = devices.reply_sms(draft, message.user, f"{message.code or ''}{KEYS[action]}")
        elif message.channel is Channel.PHONE:
            devices.answer(draft, message.id)
            reply = devices.press(draft, message.id, KEYS[action])
        elif message.channel is Channel.PUSH:
            reply = devices.push_action(draft, message.id, action)
        else:
            reply = devices.email_action(draft, message.id, action)
        return {"reply": reply_json(reply)}

    return act


VERBS: Mapping[str, Callable[[Draft, Message], dict[str, Any]]] = {
    **{action: _want(action) for action in KEYS},
    "press": _press,
    **{event.value: _happen(event) for event in CallEvent if event is not CallEvent.TIME_UP},
}


def _call(message: Message) -> Message:
    if message.channel is not Channel.PHONE:
        raise Refused(409, {"error": f"{message.id} is a message by {message.channel}, not a call"})
    return message


def _channel(name: str) -> Channel:
    try:
        return Channel(name)
    except ValueError:
        raise Refused(400, {"error": f"channel is one of {', '.join(Channel)}"}) from None


def _text(name: str) -> str:
    value = object_body().get(name)
    if not isinstance(value, str) or not value:
        raise Refused(400, {"error": f"the body must be an object with the text {name!r}"})
    return value
