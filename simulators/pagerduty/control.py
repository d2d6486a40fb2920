"""PagerDuty's part of the control plane: the devices people are reached on, and what they do with what reached them.

Reading shows every person's e-mails, push notifications, SMS and calls. Acting is per channel, as it is in life: text a
reply, answer a call, press keys, hang up, tap a push, follow the link of a mail. ``acknowledge``, ``resolve`` and
``escalate`` do whatever the message's channel wants for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from flask import Blueprint, Response, request

from simulators.engine import instants
from simulators.engine.control import object_body, plane
from simulators.engine.draft import Draft, View
from simulators.engine.errors import Refused
from simulators.engine.resources import Document
from simulators.engine.tables import MissingRow
from simulators.engine.web import answer, transact, world
from simulators.pagerduty import devices
from simulators.pagerduty.model import DOCUMENTS, MESSAGES, REPLIES, Channel, Message, Reply

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

    return routes


def person(view: View, name: str) -> Document:
    """Return the user with this id or name; :class:`MissingRow` for anybody else."""
    for user in view.all(DOCUMENTS["users"]):
        if name in (user.id, user.body.get("name")):
            return user
    raise MissingRow(f"the account has no user {name!r}")


def device_json(view: View, user: Document, channel: Channel | None = None) -> dict[str, Any]:
    """Return a person with everything that reached them (on one channel), and their replies, oldest first."""
    messages = [row for row in view.find(MESSAGES, "user", user.id) if channel in (None, row.channel)]
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


def _answer(draft: Draft, message: Message) -> dict[str, Any]:
    return {"message": message_json(devices.answer(draft, _call(message).id))}


def _hang_up(draft: Draft, message: Message) -> dict[str, Any]:
    return {"message": message_json(devices.hang_up(draft, _call(message).id))}


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
    "answer": _answer,
    "press": _press,
    "hang-up": _hang_up,
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
