"""Apps in the control plane: register one, and go through its flows in one step, without pages or a browser.

``/_sim/apps`` lists every app with its keys and the addresses its flows begin at. ``install`` and ``authorize`` do what
somebody would do on the pages, by the same rules, and return where the browser would have gone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from flask import Blueprint, Response

from simulators.engine import browsers
from simulators.engine.control import object_body, plane
from simulators.engine.draft import View
from simulators.engine.errors import Refused
from simulators.engine.resources import Document
from simulators.engine.tables import MissingRow
from simulators.engine.web import answer, transact, world
from simulators.pagerduty import oauth
from simulators.pagerduty.api import connecting
from simulators.pagerduty.api.visits import sentence
from simulators.pagerduty.connect import query_of
from simulators.pagerduty.device_control import person
from simulators.pagerduty.model import DOCUMENTS
from simulators.pagerduty.oauth import App

APP_HOST, CONNECT_HOST, IDENTITY_HOST = "app.pagerduty.com", "connect.pagerduty.com", "identity.pagerduty.com"


def blueprint() -> Blueprint:
    """Return the routes."""
    routes = plane("pagerduty-apps")

    @routes.get("/apps")
    def list_apps() -> Response:
        return answer({"apps": [shown(app) for app in oauth.apps(world().view)]})

    @routes.post("/apps")
    def register() -> Response:
        wish = _registration(object_body())
        other = oauth.find(world().view, client_id=wish["client_id"])
        if other is not None and other.id != wish["id"]:
            raise _wrong(f"client_id: {other.name} ({other.id}) has it already")
        return answer({"app": shown(transact(oauth.register, **wish))}, 201)

    @routes.post("/apps/<id>/install")
    def install(id: str) -> Response:
        wish, view, app = object_body(), world().view, _app(id)
        target = _text(wish, "redirect") or next(iter(connecting.registered(app)), "")
        if not connecting.may_return(app, target):
            raise _wrong(f"redirect: this URL is not registered for {app.name}")
        picked = [_service(view, name) for name in _texts(wish, "services")]
        new = _text(wish, "new_service"), _text(wish, "policy")
        where = _installed(app, target, _user(view, wish), picked, *new)
        return answer({"location": where, "config": query_of(where)["config"]}, 201)

    @routes.post("/apps/<id>/authorize")
    def authorize(id: str) -> Response:
        wish, view, app = object_body(), world().view, _app(id)
        target = _text(wish, "redirect") or next(iter(connecting.registered(app)), "")
        if target not in connecting.registered(app):
            raise _wrong(f"redirect: this URL is not registered for {app.name}")
        scopes, challenge = oauth.granted(app, _text(wish, "scope")), _text(wish, "code_challenge")
        if app.scoped and not challenge:
            raise _wrong("code_challenge is required for apps with scoped OAuth")
        return answer({"code": transact(oauth.consent, app, _user(view, wish).id, scopes, target, challenge)}, 201)

    @routes.delete("/apps/<id>/tokens")
    def revoke(id: str) -> Response:
        return answer({"revoked": transact(oauth.revoke, _app(id))})

    return routes


def shown(app: App) -> dict[str, Any]:
    """Return an app as JSON, with its keys and where its flows begin."""
    return {
        "id": app.id,
        "name": app.name,
        "redirects": list(app.redirects),
        "client_id": app.client_id,
        "client_secret": app.secret,
        "scopes": list(app.scopes),
        "scoped": app.scoped,
        "connect_key": app.connect_key,
        "vendor": app.vendor,
        "install_url": f"{browsers.address(APP_HOST)}/install/integration?app_id={quote(app.id)}&version=2",
        "connect_url": f"{browsers.address(CONNECT_HOST)}/connect?vendor={quote(app.connect_key)}",
        "authorize_url": f"{browsers.address(IDENTITY_HOST)}/oauth/authorize?client_id={quote(app.client_id)}",
    }


def _installed(*wish: Any) -> str:
    """Go through the install flow; what its page would say is an error of the control plane here."""
    try:
        return transact(connecting.install, *wish)
    except Refused as refusal:
        raise _wrong(sentence(refusal)) from None


def _app(id: str) -> App:
    app = oauth.find(world().view, id=id)
    if app is None:
        raise MissingRow(f"there is no app {id!r}; GET /_sim/apps lists them")
    return app


def _registration(wish: Mapping[str, Any]) -> dict[str, Any]:
    texts = ("id", "name", "vendor", "client_id", "client_secret")
    known = (*texts, "redirects", "scopes")
    unknown = next((name for name in wish if name not in known), None)
    if unknown is not None:
        raise _wrong(f"{unknown!r} is not known here; known are {', '.join(known)}")
    redirects = _texts(wish, "redirects")
    bad = next((url for url in redirects if browsers.absolute(url) is None), None)
    if not redirects or bad is not None:
        raise _wrong("redirects must be an array of absolute URLs" + (f", not {bad!r}" if bad else ""))
    given = {name: _text(wish, name) for name in texts}
    if not given["name"]:
        raise _wrong("name is required")
    return {**given, "redirects": redirects, "scopes": tuple(_texts(wish, "scopes")) or oauth.CLASSIC}


def _user(view: View, wish: Mapping[str, Any]) -> Document:
    """Return the user named by id or name, or the account's first."""
    name = _text(wish, "user")
    if name:
        return person(view, name)
    first = next(iter(view.all(DOCUMENTS["users"])), None)
    if first is None:
        raise _wrong("the account has no user")
    return first


def _service(view: View, name: str) -> str:
    """Return the id of the service with this id or name; an unknown one is left to the flow to refuse."""
    named = view.find(DOCUMENTS["services"], "name", name)
    return named[0].id if named and view.get(DOCUMENTS["services"], name) is None else name


def _text(wish: Mapping[str, Any], name: str) -> str:
    value = wish.get(name) or ""
    if not isinstance(value, str):
        raise _wrong(f"{name} must be a text")
    return value


def _texts(wish: Mapping[str, Any], name: str) -> Sequence[str]:
    value = wish.get(name) or []
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        raise _wrong(f"{name} must be an array of texts")
    return value


def _wrong(message: str) -> Refused:
    return Refused(400, {"error": message})
