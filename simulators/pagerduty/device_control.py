"""People's devices and their telephone lines on the control plane: what reached whom, and what is done with it.

Reading shows every person's e-mails, push notifications, SMS and calls, failed ones apart. Acting is per channel, as it
is in life: text a reply, answer a call, press keys, hang up, tap a push, follow the link of a mail. ``acknowledge``,
``resolve`` and ``escalate`` (``accept`` and ``decline`` when somebody was asked for help) do whatever the message's
channel wants for it. A line is slow, loses receipts, is a landline, busy, blocked or has a mailbox, until it is
mended (DELETE).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from typing import Any

from flask import Blueprint, Response, request

from simulators.engine import instants
from simulators.engine.control import object_body
from simulators.engine.draft import Draft, View
from simulators.engine.errors import BadInstant, Refused
from simulators.engine.resources import Document
from simulators.engine.tables import MissingRow
from simulators.engine.web import answer, transact, world
from simulators.pagerduty import carriers, devices, escalation, mail
from simulators.pagerduty.calls import CallEvent
from simulators.pagerduty.carriers import CARRIERS, Carrier
from simulators.pagerduty.model import DOCUMENTS, MESSAGES, REPLIES, Channel, Message, Reply

#: What a person can want -> the key that says so on a call or in an SMS.
KEYS: Mapping[str, str] = {word: key for keys in devices.ACTIONS.values() for key, word in keys.items()}
#: How long a line may hold messages up.
LONGEST_DELAY = 31 * instants.DAY
_SETTINGS = tuple(entry.name for entry in fields(Carrier) if entry.name != "id")


def attach(routes: Blueprint) -> None:
    """Add the routes to a part of the control plane."""

    @routes.get("/devices")
    def read_devices() -> Response:
        view, query = world().view, request.args
        people = [person(view, query["user"])] if "user" in query else list(view.all(DOCUMENTS["users"]))
        channel = _channel(query["channel"]) if "channel" in query else None
        return answer({"devices": [device_json(view, one, channel) for one in people]})

    @routes.post("/devices/<user>/sms")
    def text(user: str) -> Response:
        view, said, sender = world().view, _text("text"), object_body().get("from")
        number = "" if sender is None else _number(view, str(sender))
        return answer({"reply": reply_json(transact(devices.reply_sms, person(view, user).id, said, number))}, 201)

    @routes.post("/devices/messages/<message>/<act>")
    def act(message: str, act: str) -> Response:
        verb = VERBS.get(act)
        if verb is None:
            raise Refused(404, {"error": f"there is no {act!r} here; a message takes {', '.join(VERBS)}"})
        return answer(transact(verb, world().view.need(MESSAGES, message)), 201)

    @routes.get("/devices/messages/<message>/mail.eml")
    def mail_message(message: str) -> Response:
        row = world().view.need(MESSAGES, message)
        if row.channel is not Channel.EMAIL:
            raise Refused(409, {"error": f"{row.id} is a message by {row.channel}, not an e-mail"})
        return Response(mail.as_mime(row), content_type="message/rfc822")

    @routes.get("/carriers")
    def read_lines() -> Response:
        view = world().view
        return answer({"carriers": [line_json(view, number) for number in numbers(view)]})

    @routes.put("/carriers/<number>")
    def change_line(number: str) -> Response:
        view = world().view
        transact(carriers.change, carrier(_number(view, number), object_body()))
        return answer({"carrier": line_json(view, _number(view, number))})

    @routes.post("/carriers/<number>/verify")
    def verify_line(number: str) -> Response:
        transact(carriers.verify, _number(world().view, number))
        return answer(None, 204)

    @routes.delete("/carriers/<number>")
    def mend_line(number: str) -> Response:
        transact(carriers.change, Carrier(_number(world().view, number)))
        return answer(None, 204)


def person(view: View, name: str) -> Document:
    """Return the user with this id or name; :class:`MissingRow` for anybody else."""
    for user in view.all(DOCUMENTS["users"]):
        if name in (user.id, user.body.get("name")):
            return user
    raise MissingRow(f"the account has no user {name!r}")


def device_json(view: View, user: Document, channel: Channel | None = None) -> dict[str, Any]:
    """Return a person with everything that reached them (on one channel), what did not, and their replies, oldest
    first."""
    sent = [row for row in view.find(MESSAGES, "user", user.id) if channel in (None, row.channel)]
    replies = [row for row in view.find(REPLIES, "user", user.id) if channel in (None, row.channel)]
    return {
        "user": user.id,
        "name": user.body.get("name"),
        "messages": [message_json(row) for row in sent if row.status != carriers.FAILED],
        "failed": [message_json(row) for row in sent if row.status == carriers.FAILED],
        "replies": [reply_json(row) for row in replies],
    }


def message_json(message: Message) -> dict[str, Any]:
    """Return a message as JSON, with what it offers to do."""
    return asdict(message) | {"at": instants.iso_milliseconds(message.at), "actions": devices.offers(message)}


def reply_json(reply: Reply) -> dict[str, Any]:
    """Return what a person did, and what came of it, as JSON."""
    return asdict(reply) | {"at": instants.iso_milliseconds(reply.at)}


# -- lines -------------------------------------------------------------------------------------------------------------


def numbers(view: View) -> list[str]:
    """Return every number somebody can be reached at, as messages show it, each once."""
    methods = view.all(DOCUMENTS["contact_methods"])
    by_number = (Channel.SMS, Channel.PHONE)
    found = (carriers.address(row) for row in methods if escalation.CHANNELS.get(row.body.get("type", "")) in by_number)
    return list(dict.fromkeys(found))


def _number(view: View, wish: str) -> str:
    """Return the number that is meant, however it is spaced; :class:`MissingRow` for one nobody has."""
    wanted = wish.replace(" ", "").removeprefix("+")
    for known in numbers(view):
        if known.replace(" ", "").removeprefix("+") == wanted:
            return known
    raise MissingRow(f"nobody has the number {wish!r}; known are {', '.join(numbers(view)) or 'none'}")


def line_json(view: View, number: str) -> dict[str, Any]:
    """Return how a number's line behaves as JSON, and whether the number asked for no more SMS."""
    line = view.get(CARRIERS, number) or Carrier(number)
    held = {name: getattr(line, name) for name in _SETTINGS}
    return {"number": number, **held, "stopped": carriers.stopped(view, number)}


def carrier(number: str, wish: Mapping[str, Any]) -> Carrier:
    """Return the line a JSON object describes; what it does not name is as on a line that works."""
    changes: dict[str, Any] = dict(wish)
    for name, value in wish.items():
        if name not in _SETTINGS:
            raise Refused(400, {"error": f"{name!r} is nothing of a line; known are {', '.join(_SETTINGS)}"})
        if name == "delay":
            changes[name] = _delay(value)
        elif not isinstance(value, bool):
            raise Refused(400, {"error": f"{name} is true or false"})
    return Carrier(number, **changes)


def _delay(value: Any) -> int:
    try:
        found = instants.duration(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else -1
    except BadInstant:
        found = -1
    if not 0 <= found <= LONGEST_DELAY:
        raise Refused(400, {"error": f"{value!r} is no delay; write one like '5m', at most 31 days"})
    return found


# -- acting ------------------------------------------------------------------------------------------------------------


def _happen(event: CallEvent) -> Callable[[Draft, Message], dict[str, Any]]:
    def act(draft: Draft, message: Message) -> dict[str, Any]:
        return {"message": message_json(devices.happen(draft, _call(message).id, event))}

    return act


def _press(draft: Draft, message: Message) -> dict[str, Any]:
    return {"reply": reply_json(devices.press(draft, _call(message).id, _text("key")))}


def _want(action: str) -> Callable[[Draft, Message], dict[str, Any]]:
    def act(draft: Draft, message: Message) -> dict[str, Any]:
        offered = devices.ACTIONS.get(message.purpose, {})
        if action not in offered.values():
            offer = f"one offers {', '.join(offered.values())}" if offered else "it takes no answer"
            raise Refused(409, {"error": f"{message.id} is a {message.purpose}: {offer}"})
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
