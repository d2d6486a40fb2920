"""What is wrong with an account's JSON, before it is loaded: one line for each thing, saying where and what to do.

An account comes from outside (exported, written by hand), so nothing about it is taken for granted that the simulation
relies on: ids are texts, references name something, dates and time zones can be read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from simulators.engine import instants
from simulators.engine.errors import BadInstant, UnknownZone
from simulators.engine.resources import Document, freeze
from simulators.engine.zones import zone
from simulators.pagerduty import schedules, shifts
from simulators.pagerduty.escalation import CHANNELS
from simulators.pagerduty.model import KINDS, Access
from simulators.pagerduty.webhooks import SCOPES

_OTHER = ("api_keys",)


def problems(account: Any) -> list[str]:
    """Return what is wrong with ``account``, empty when :func:`~.account.load` can take it."""
    if not isinstance(account, Mapping):
        return ["an account is a JSON object of lists by plural name, such as users and services"]
    found = [f"{name}: unknown; known are {', '.join((*KINDS, *_OTHER))}" for name in account if name not in _KNOWN]
    for kind in _KNOWN:
        entries = account.get(kind)
        if entries is None:
            continue
        if not isinstance(entries, list):
            found.append(f"{kind} must be an array")
            continue
        for place, entry in enumerate(entries):
            where = f"{kind}[{place}]"
            if not isinstance(entry, Mapping):
                found.append(f"{where} must be an object")
            else:
                found.extend(f"{where}: {problem}" for problem in _entry(kind, entry))
    return found


_KNOWN = (*KINDS, *_OTHER)


def _entry(kind: str, body: Mapping[str, Any]) -> Iterator[str]:
    if kind in KINDS and "id" in body and not (isinstance(body["id"], str) and body["id"]):
        yield "id must be a text"
        return
    try:
        yield from _CHECKS.get(kind, _anything)(body)
    except (KeyError, TypeError, AttributeError, ValueError, IndexError) as problem:
        yield f"cannot be read: {type(problem).__name__} {problem}"


def _anything(body: Mapping[str, Any]) -> Iterator[str]:
    yield from ()


def _reference(body: Mapping[str, Any], name: str) -> Iterator[str]:
    value = body.get(name)
    if not isinstance(value, Mapping) or not isinstance(value.get("id"), str):
        yield f"{name} must be an object with an id"


def _each(entries: Any, name: str, check: Callable[[Mapping[str, Any]], Iterable[str]]) -> Iterator[str]:
    if entries is None:
        return
    if not isinstance(entries, list) or not all(isinstance(entry, Mapping) for entry in entries):
        yield f"{name} must be an array of objects"
        return
    for place, entry in enumerate(entries):
        yield from (f"{name}[{place}] {problem}" for problem in check(entry))


def _user(body: Mapping[str, Any]) -> Iterator[str]:
    yield from _zone(body)
    yield from _each(body.get("contact_methods"), "contact_methods", _method)
    for kind in ("notification_rules", "oncall_handoff_notification_rules", "status_update_notification_rules"):
        yield from _each(body.get(kind), kind, _rule)
    yield from _each(body.get("teams"), "teams", _named)


def _named(body: Mapping[str, Any]) -> Iterator[str]:
    if not isinstance(body.get("id"), str):
        yield "must have an id"


def _method(body: Mapping[str, Any]) -> Iterator[str]:
    kind = str(body.get("type", ""))
    if kind.removesuffix("_reference") not in {*CHANNELS, "whatsapp_contact_method"}:
        yield f"type must be one of {', '.join(CHANNELS)}"


def _rule(body: Mapping[str, Any]) -> Iterator[str]:
    if str(body.get("type", "")).endswith("_reference"):
        return
    yield from _reference(body, "contact_method")
    for name in ("start_delay_in_minutes", "notify_advance_in_minutes"):
        if not isinstance(body.get(name) or 0, int):
            yield f"{name} must be a whole number"


def _policy(body: Mapping[str, Any]) -> Iterator[str]:
    yield from _each(body.get("escalation_rules"), "escalation_rules", _level)
    yield from _each(body.get("teams"), "teams", _named)
    if not isinstance(body.get("num_loops") or 0, int):
        yield "num_loops must be a whole number"


def _level(body: Mapping[str, Any]) -> Iterator[str]:
    if not isinstance(body.get("escalation_delay_in_minutes", 30), int):
        yield "escalation_delay_in_minutes must be a whole number"
    yield from _each(body.get("targets"), "targets", _named)


def _schedule(body: Mapping[str, Any]) -> Iterator[str]:
    yield from _zone(body)
    yield from _each(body.get("overrides"), "overrides", _override)
    try:
        schedules.parse(Document("", "schedule", freeze(body), 0, 0))
    except (BadInstant, UnknownZone) as problem:
        yield str(problem)


def _override(body: Mapping[str, Any]) -> Iterator[str]:
    yield from _reference(body, "user")
    yield from _dates(body, "start", "end")


def _shift_schedule(body: Mapping[str, Any]) -> Iterator[str]:
    yield from _zone(body)
    yield from _each(body.get("rotations"), "rotations", lambda row: _each(row.get("events"), "events", _event))
    yield from _each(body.get("custom_shifts"), "custom_shifts", _shift)
    yield from _each(body.get("overrides"), "overrides", _shift)


def _event(body: Mapping[str, Any]) -> Iterator[str]:
    try:
        shifts.check_recurrence(shifts.parse_event(Document("", "schedule_event", freeze(body), 0, 0)))
    except (BadInstant, UnknownZone, shifts.BadRecurrence) as problem:
        yield str(problem)


def _shift(body: Mapping[str, Any]) -> Iterator[str]:
    yield from _dates(body, "start_time", "end_time")


def _service(body: Mapping[str, Any]) -> Iterator[str]:
    yield from _reference(body, "escalation_policy")
    yield from _each(body.get("integrations"), "integrations", _anything)
    hours = body.get("support_hours")
    if hours:
        yield from _zone(hours)


def _window(body: Mapping[str, Any]) -> Iterator[str]:
    yield from _dates(body, "start_time", "end_time")
    yield from _each(body.get("services"), "services", _named)


def _team(body: Mapping[str, Any]) -> Iterator[str]:
    yield from _each(body.get("members"), "members", lambda member: _reference(member, "user"))


def _subscription(body: Mapping[str, Any]) -> Iterator[str]:
    method, scope, events = body.get("delivery_method"), body.get("filter"), body.get("events")
    if not isinstance(method, Mapping) or not isinstance(method.get("url"), str):
        yield "delivery_method must be an object with a url"
    elif not isinstance(method.get("secret"), str | None):
        yield "delivery_method.secret must be a text"
    else:
        yield from _each(method.get("custom_headers"), "delivery_method.custom_headers", _header)
    if not isinstance(events, list) or not all(isinstance(event, str) for event in events):
        yield "events must be an array of texts"
    if not isinstance(scope, Mapping) or scope.get("type") not in SCOPES.values():
        yield f"filter.type must be one of {', '.join(SCOPES.values())}"
    elif scope["type"] != SCOPES["account"] and not isinstance(scope.get("id"), str):
        yield "filter must have an id"


def _header(body: Mapping[str, Any]) -> Iterator[str]:
    if not isinstance(body.get("name"), str) or not isinstance(body.get("value"), str):
        yield "must have a name and a value"


def _key(body: Mapping[str, Any]) -> Iterator[str]:
    if not isinstance(body.get("key"), str) or not body["key"]:
        yield "key must be a text"
    if body.get("access", "full") not in (*Access,):
        yield f"access must be one of {', '.join(Access)}"
    if body.get("scheme", "token") not in ("token", "bearer"):
        yield "scheme must be token or bearer"
    if not isinstance(body.get("user"), str | None):
        yield "user must be the id of a user"


def _zone(body: Mapping[str, Any]) -> Iterator[str]:
    try:
        zone(str(body.get("time_zone") or "UTC"))
    except UnknownZone:
        yield f"time_zone {body['time_zone']!r} is not known"


def _dates(body: Mapping[str, Any], *names: str) -> Iterator[str]:
    for name in names:
        try:
            instants.parse(body[name])
        except BadInstant as problem:
            yield f"{name}: {problem}"


_CHECKS: Mapping[str, Callable[[Mapping[str, Any]], Iterator[str]]] = {
    "users": _user,
    "contact_methods": _method,
    "notification_rules": _rule,
    "oncall_handoff_notification_rules": _rule,
    "status_update_notification_rules": _rule,
    "escalation_policies": _policy,
    "schedules": _schedule,
    "overrides": _override,
    "v3_schedules": _shift_schedule,
    "schedule_events": _event,
    "custom_shifts": _shift,
    "override_shifts": _shift,
    "services": _service,
    "maintenance_windows": _window,
    "teams": _team,
    "webhook_subscriptions": _subscription,
    "api_keys": _key,
}
