"""PagerDuty's part of the control plane: the account, the knobs, secrets of webhooks, and people's devices.

An account is loaded as the vendor's own JSON, knobs are read and set by name. A webhook's secret is rotated here,
because the vendor's API cannot: POST adds one beside the old, DELETE ends the old; and an event of a type nobody knows
is sent to it, as new ones come without notice. Devices and telephone lines have a
module of their own, :mod:`~simulators.pagerduty.device_control`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from enum import StrEnum
from typing import Any

from flask import Blueprint, Response, request

from simulators.engine import instants
from simulators.engine.control import object_body, plane
from simulators.engine.draft import Draft, View
from simulators.engine.errors import Refused, UnknownZone
from simulators.engine.faults import Fault
from simulators.engine.web import answer, transact, world
from simulators.engine.zones import zone
from simulators.pagerduty import device_control, ladder, loading, oddities, webhooks
from simulators.pagerduty.account import Account, load
from simulators.pagerduty.ladder import Conditions, Step
from simulators.pagerduty.model import (
    API_KEYS,
    DOCUMENTS,
    INCIDENTS,
    Knobs,
    Urgency,
)

#: Problems of an account that one refusal names.
MOST_PROBLEMS = 5


def blueprint() -> Blueprint:
    """Return the routes."""
    routes = plane("pagerduty-sim")
    device_control.attach(routes)

    @routes.post("/webhook-subscriptions/<id>/secrets")
    def rotate(id: str) -> Response:
        found = world().view.need(DOCUMENTS["webhook_subscriptions"], id)
        return answer({"secret": transact(webhooks.rotate, found)}, 201)

    @routes.delete("/webhook-subscriptions/<id>/secrets")
    def retire(id: str) -> Response:
        found = world().view.need(DOCUMENTS["webhook_subscriptions"], id)
        transact(webhooks.retire, found)
        return answer(None, 204)

    @routes.post("/webhook-subscriptions/<id>/events")
    def surprise(id: str) -> Response:
        found, wish = world().view.need(DOCUMENTS["webhook_subscriptions"], id), object_body()
        event, data = wish.get("event_type"), wish.get("data", {})
        if not isinstance(event, str) or not event.isprintable() or not event or not isinstance(data, dict):
            raise Refused(400, {"error": "an event has an event_type (a text) and data (an object)"})
        transact(webhooks.surprise, found, event, data)
        return answer(None, 202)

    @routes.get("/oddities")
    def read_oddities() -> Response:
        return answer({"oddities": oddities.listed()})

    @routes.post("/oddities")
    def add_oddity() -> Response:
        return answer({"fault": asdict(transact(_oddity, object_body()))}, 201)

    @routes.get("/ladder")
    def foresee() -> Response:
        return answer({"steps": [step_json(step) for step in steps(world().view, request.args)]})

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


def _oddity(draft: Draft, wish: Mapping[str, Any]) -> Fault:
    """Put into force what a body names: ``name``, and ``shape``, ``host``, ``times`` where they matter."""
    times = wish.get("times", 1)
    texts = [wish.get(name) for name in ("name", "shape", "host")]
    if type(times) is not int or times < 1 or not all(text is None or isinstance(text, str) for text in texts):
        raise Refused(400, {"error": "name, shape and host are texts, times is a whole number from 1"})
    return oddities.put_into_force(draft, str(texts[0] or ""), texts[1], texts[2], times)


def steps(view: View, query: Mapping[str, str]) -> tuple[Step, ...]:
    """Return what will become of the ``incident`` a query names, or of one opened now on its ``service``.

    Refuses a query that names neither (400), and an urgency that is none; an unknown incident is a missing row.
    """
    if "incident" in query:
        return ladder.outlook(view, query["incident"])
    if "service" not in query:
        raise Refused(400, {"error": "name an incident or a service: /_sim/ladder?service=ID&urgency=low"})
    urgency = query.get("urgency")
    if urgency not in (None, *Urgency):
        raise Refused(400, {"error": f"urgency is one of {', '.join(Urgency)}"})
    return ladder.ladder(Account(view), query["service"], view.now, urgency, Conditions.of(view))


def step_json(step: Step) -> dict[str, Any]:
    """Return a step of a ladder as JSON."""
    return asdict(step) | {"at": instants.iso_milliseconds(step.at)}


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
