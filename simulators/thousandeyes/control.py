"""ThousandEyes' part of the control plane: what is wrong with the world, and what the vendor offers in its pages only.

Conditions, integrations (classic webhooks, PagerDuty services), presets of custom webhooks, what was sent (deliveries
and mails), enterprise agents, tokens, knobs, a summary of the account, and a description of the simulated API. Tests
and agents may be given by id or by name, instants as clock time or ISO 8601, durations as ``10m``. Whatever cannot be
read is answered with 400 and one line that says what to do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

from flask import Blueprint, Response, request

from simulators.engine import instants
from simulators.engine.control import object_body, plane
from simulators.engine.draft import View
from simulators.engine.errors import Refused
from simulators.engine.web import answer, transact, world
from simulators.thousandeyes import (
    commands,
    conditions,
    connecting,
    forecast,
    native,
    notifiers,
    presets,
    sent,
    silences,
    telling,
)
from simulators.thousandeyes.api.collection import Collection
from simulators.thousandeyes.api.description import openapi
from simulators.thousandeyes.model import (
    ACCOUNT_GROUPS,
    AGENTS,
    CONDITIONS,
    DOCUMENTS,
    INTEGRATIONS,
    MAILS,
    NOTIFICATIONS,
    RULES,
    TESTS,
    TOKENS,
    USERS,
    Condition,
    Integration,
    Knobs,
)
from simulators.thousandeyes.monitors import monitors

KINDS = tuple(commands.INTEGRATION_IDS)
LOGINS = ("none", "basic", "token", "oauth")


def blueprint(collections: Sequence[Collection[Any]]) -> Blueprint:
    """Return the routes; ``collections`` is the resource table the description is made from."""
    routes = plane("thousandeyes-sim")

    @routes.get("/account")
    def account() -> Response:
        return answer(summary(world().view))

    @routes.get("/conditions")
    def list_conditions() -> Response:
        view = world().view
        return answer({"conditions": [condition_json(view, row) for row in view.all(CONDITIONS)]})

    @routes.post("/conditions")
    def add_condition() -> Response:
        """Add the condition a JSON object describes, or those of a TOML document."""
        if request.mimetype == "application/toml":
            added = transact(commands.load_conditions, request.get_data(as_text=True))
            return answer({"conditions": [condition_json(world().view, row) for row in added]}, 201)
        condition = transact(commands.add_condition, **forecast.read(world().view, object_body()))
        return answer({"condition": condition_json(world().view, condition)}, 201)

    @routes.delete("/conditions/<condition_id>")
    def end_condition(condition_id: str) -> Response:
        transact(commands.end_condition, condition_id)
        view = world().view
        return answer({"condition": condition_json(view, view.need(CONDITIONS, condition_id))})

    @routes.post("/alerts/<alert_id>/suppress")
    def suppress(alert_id: str) -> Response:
        """Begin a real-time suppression, which the vendor offers in its pages only."""
        transact(silences.suppress_alert, alert_id, forecast.span(allowed(object_body(), ("for",)), "for"))
        return answer({"suppressed": alert_id}, 202)

    @routes.post("/rules/<rule_id>/suppress")
    def suppress_rule(rule_id: str) -> Response:
        """Begin a real-time suppression of everything about a rule."""
        transact(silences.suppress_rule, rule_id, forecast.span(allowed(object_body(), ("for",)), "for"))
        return answer({"suppressed": rule_id}, 202)

    @routes.get("/integrations")
    def list_integrations() -> Response:
        return answer({"integrations": [integration_json(row) for row in world().view.all(INTEGRATIONS)]})

    @routes.post("/integrations")
    def add_integration() -> Response:
        made = transact(commands.add_integration, **read_integration(object_body()))
        return answer({"integration": integration_json(made)}, 201)

    @routes.put("/integrations/<integration_id>/rules")
    def choose_rules(integration_id: str) -> Response:
        """Let exactly these alert rules, by id or name, notify a PagerDuty service."""
        view = world().view
        wanted = read_rules(view, allowed(object_body(), ("rules",)))
        row = view.need(INTEGRATIONS, integration_id)
        if row.kind != native.KIND:
            raise wrong(f"{integration_id} is no PagerDuty service")
        transact(connecting.assign, row, wanted)
        return answer({"integration": integration_id, "rules": wanted})

    @routes.post("/integrations/<integration_id>/test")
    def press_test_button(integration_id: str) -> Response:
        if world().view.need(INTEGRATIONS, integration_id).kind != "webhook":
            raise wrong(f"{integration_id} is no webhook; only webhooks have a test button")
        transact(notifiers.test_webhook, integration_id)
        return answer({"sent": "WEBHOOK_TEST"}, 202)

    @routes.post("/operations/<operation_id>/test")
    def test_operation(operation_id: str) -> Response:
        operation = world().view.need(DOCUMENTS, operation_id)
        transact(notifiers.test_custom_webhook, operation.parent, operation_id)
        return answer({"sent": notifiers.CUSTOM_TEST}, 202)

    @routes.post("/pagerduty")
    def install() -> Response:
        """Integrate the services somebody picked on PagerDuty's page; one line tells what came of each."""
        lines = transact(native.install, **read_installation(object_body()))
        return answer({"lines": [asdict(line) for line in lines]}, 201)

    @routes.post("/pagerduty/key")
    def paste() -> Response:
        """Integrate a service by the key of an integration that was added in PagerDuty."""
        wish = allowed(object_body(), ("name", "key", "target"))
        target = text(wish, "target", notifiers.EVENTS_URL)
        line = transact(native.paste, text(wish, "name") or missing("name"), text(wish, "key"), target=target)
        return answer({"line": asdict(line)}, 201)

    @routes.get("/presets")
    def list_presets() -> Response:
        """Return the templates the vendor's pages offer to begin a custom webhook with."""
        return answer({"presets": [{"name": row.name, "payload": row.payload, "queryParams": row.query}
                                   for row in presets.PRESETS.values()]})  # fmt: skip

    @routes.get("/deliveries")
    def list_deliveries() -> Response:
        """Return what was or is being sent to webhooks, PagerDuty and custom webhooks, and what could not be."""
        view, lost = world().view, list(sent.unsent(world().journal))
        return answer(
            {"deliveries": [sent.delivery_json(view, row) for row in view.all(NOTIFICATIONS)], "unsent": lost}
        )

    @routes.get("/mails")
    def list_mails() -> Response:
        return answer({"mails": [sent.mail_json(row) for row in world().view.all(MAILS)]})

    @routes.get("/mails/<mail_id>.eml")
    def read_mail(mail_id: str) -> Response:
        """Return one mail as a mail program opens it."""
        return Response(world().view.need(MAILS, mail_id).raw, mimetype="message/rfc822")

    @routes.post("/agents")
    def add_agent() -> Response:
        wish = allowed(object_body(), ("name", "country", "location"))
        values = {name: text(wish, name) for name in wish}
        agent = transact(commands.add_agent, values.pop("name", "") or missing("name"), **values)
        return answer({"agent": {"id": agent.id, "name": agent.name, "type": agent.kind}}, 201)

    @routes.post("/tokens")
    def add_token() -> Response:
        wish = allowed(object_body(), ("user", "token"))
        user = world().view.need(USERS, text(wish, "user") or missing("user"))
        transact(commands.add_token, text(wish, "token") or missing("token"), user.id)
        return answer({"token": {"user": user.id}}, 201)

    @routes.get("/knobs")
    def read_knobs() -> Response:
        return answer({"knobs": asdict(world().view.knobs(Knobs))})

    @routes.put("/knobs")
    def set_knobs() -> Response:
        changed = transact(commands.set_knobs, **read_knob_changes(object_body()))
        return answer({"knobs": asdict(changed)})

    @routes.get("/openapi.json")
    def describe() -> Response:
        return answer(openapi(collections))

    return routes


# -- reading wishes ----------------------------------------------------------------------------------------------------


def wrong(message: str) -> Refused:
    """Return the refusal (400) of a wish that cannot be read."""
    return Refused(400, {"error": message})


def missing(name: str) -> Any:
    """Raise the refusal of a wish that lacks ``name``."""
    raise wrong(f"{name} is required")


def allowed(wish: Mapping[str, Any], names: Iterable[str]) -> Mapping[str, Any]:
    """Return ``wish``; refuses names nobody knows."""
    known = tuple(names)
    unknown = next((name for name in wish if name not in known), None)
    if unknown is not None:
        raise wrong(f"{unknown!r} is not known here; known are {', '.join(known)}")
    return wish


def text(wish: Mapping[str, Any], name: str, default: str = "") -> str:
    """Return a text of a wish; refuses anything else."""
    value = wish.get(name, default)
    if not isinstance(value, str):
        raise wrong(f"{name} must be a text")
    return value


def one_of(wish: Mapping[str, Any], name: str, choices: Sequence[str], default: str = "") -> str:
    """Return a word of a wish; refuses any but ``choices``."""
    value = text(wish, name, default)
    if value not in choices:
        raise wrong(f"{name} is one of {', '.join(choices)}")
    return value


def read_integration(wish: Mapping[str, Any]) -> dict[str, Any]:
    """Return what :func:`~.commands.add_integration` takes."""
    allowed(wish, ("kind", "name", "target", "auth", "user", "token", "static"))
    kind = one_of(wish, "kind", KINDS)
    target = text(wish, "target", notifiers.EVENTS_URL if kind == "pager-duty" else "")
    if not target.startswith(("http://", "https://")):
        raise wrong("target must be a URL")
    if kind == "pager-duty" and not text(wish, "token"):
        raise wrong("token is required for a PagerDuty service: it is the integration key")
    static = wish.get("static", {})
    if not isinstance(static, dict) or not all(isinstance(value, str) for value in static.values()):
        raise wrong("static must be an object of texts")
    return {
        "kind": kind,
        "name": text(wish, "name") or missing("name"),
        "target": target,
        "auth": one_of(wish, "auth", LOGINS, "none"),
        "user": text(wish, "user"),
        "token": text(wish, "token"),
        "static": tuple(static.items()),
    }


def read_rules(view: View, wish: Mapping[str, Any]) -> list[str]:
    """Return the ids of alert rules given by id or name; refuses anything else."""
    named = wish.get("rules")
    if not isinstance(named, list) or not all(isinstance(name, str) for name in named):
        raise wrong("rules must be an array of alert rules, each by id or name")
    known = {key: rule.id for rule in view.all(RULES) for key in (rule.name, rule.id)}
    unknown = next((name for name in named if name not in known), None)
    if unknown is not None:
        raise wrong(f"there is no alert rule {unknown!r}")
    return [known[name] for name in named]


def read_installation(wish: Mapping[str, Any]) -> dict[str, Any]:
    """Return what :func:`~.native.install` takes: services one by one, or PagerDuty's answer as ``config``."""
    allowed(wish, ("subdomain", "services", "target", "config"))
    if "config" in wish:
        picked, subdomain = connecting.read(wish["config"])
        return {"services": picked, "subdomain": subdomain, "target": text(wish, "target", notifiers.EVENTS_URL)}
    services = wish.get("services")
    if not isinstance(services, list) or not services or not all(isinstance(row, dict) for row in services):
        raise wrong("services must be an array of objects, one for each service that was picked")
    return {
        "services": [_service(row) for row in services],
        "subdomain": text(wish, "subdomain", "example"),
        "target": text(wish, "target", notifiers.EVENTS_URL),
    }


def _service(row: Mapping[str, Any]) -> native.Service:
    allowed(row, ("id", "name", "alerts_and_incidents", "key", "error"))
    able = row.get("alerts_and_incidents", True)
    if not isinstance(able, bool):
        raise wrong("alerts_and_incidents must be true or false")
    name = text(row, "name") or missing("name")
    return native.Service(text(row, "id") or missing("id"), name, able, text(row, "key"), text(row, "error"))


def read_knob_changes(wish: Mapping[str, Any]) -> dict[str, Any]:
    """Return knobs by name; refuses unknown names and values of another type or out of range."""
    defaults = asdict(Knobs())
    allowed(wish, defaults)
    for name, value in wish.items():
        if type(value) is not type(defaults[name]):
            raise wrong(f"{name} must be of the same type as its default, {defaults[name]!r}")
        problem = Knobs.problem(name, value)
        if problem:
            raise wrong(f"{name} {problem}")
    return dict(wish)


# -- showing -----------------------------------------------------------------------------------------------------------


def condition_json(view: View, condition: Condition) -> dict[str, Any]:
    """Return a condition as JSON, with names, and whether it shows right now."""
    test = view.get(TESTS, condition.test)
    return {
        "id": condition.id,
        "kind": condition.kind.value,
        "test": condition.test,
        "test_name": "every test" if test is None else test.name,
        "agents": [_name_of(view, location) for location in condition.agents],
        **{name: list(getattr(condition, name)) for name in forecast.NAMES},
        "since": instants.iso_milliseconds(condition.since),
        "until": None if condition.until is None else instants.iso_milliseconds(condition.until),
        "value": condition.value,
        "unit": conditions.MEANINGS[condition.kind].unit,
        "period": instants.spell(condition.period) if condition.period else None,
        "ramp": instants.spell(condition.ramp) if condition.ramp else None,
        "diurnal": condition.diurnal,
        **{name: getattr(condition, name) for name in forecast.NUMBERS},
        "in_force": conditions.in_force(condition, view.now),
    }


def _name_of(view: View, location: str) -> str:
    monitor = monitors().get(location)
    return telling.agent_name(view, location) if monitor is None else monitor.name


def integration_json(integration: Integration) -> dict[str, Any]:
    """Return an integration as JSON, without its secret."""
    shown = {entry.name: getattr(integration, entry.name) for entry in fields(integration) if entry.name != "token"}
    return shown | {"static": dict(integration.static)}


def summary(view: View) -> dict[str, Any]:
    """Return what a client needs to begin: account groups, users, tokens and agents, and how much there is of the rest.

    Tokens are shown: this is a simulator's own, local, and the way to find them.
    """
    return {
        "account_groups": [{"aid": group.id, "name": group.name} for group in view.all(ACCOUNT_GROUPS)],
        "users": [{"id": user.id, "name": user.name, "aid": user.aid} for user in view.all(USERS)],
        "tokens": [{"token": token.id, "user": token.user} for token in view.all(TOKENS)],
        "agents": [{"id": agent.id, "name": agent.name, "type": agent.kind} for agent in view.all(AGENTS)],
        "tests": view.count(TESTS),
        "integrations": view.count(INTEGRATIONS),
    }
