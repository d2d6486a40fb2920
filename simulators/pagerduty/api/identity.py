"""identity.pagerduty.com: somebody consents to what an app may do for them, and the app fetches its tokens.

The rules are those of :mod:`simulators.pagerduty.oauth`. A request that names an unknown client or a place the client
did not register ends on a page; what else is wrong with it is told to the app, by the redirect.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, request
from werkzeug.datastructures import MultiDict

from simulators.engine.draft import Draft, View
from simulators.engine.errors import Refused
from simulators.engine.resources import Document
from simulators.engine.web import answer, transact
from simulators.pagerduty import oauth
from simulators.pagerduty.api.connecting import registered
from simulators.pagerduty.api.visits import Flow, Visit
from simulators.pagerduty.connect import with_query

AUTHORIZE = "/oauth/authorize"
TOKEN = "/oauth/token"  # noqa: S105 - a path
DENIED = {
    "error": "access_denied",
    "error_description": "The resource owner or authorization server denied the request.",
}
#: A SHA-256 digest in base64url without padding.
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
_MEANING = {
    "openid": "know who you are",
    "read": "read whatever you can see",
    "write": "change whatever you can change",
}


def _read(view: View, query: MultiDict[str, str]) -> Visit | str:
    app = oauth.find(view, client_id=query.get("client_id", ""))
    if app is None:
        raise Refused(400, "There is no client with this client_id.")
    target = query.get("redirect_uri", "")
    if target not in registered(app):
        raise Refused(400, f"This redirect_uri is not registered for {app.name}.")
    state = {"state": query["state"]} if query.get("state") else {}
    wrong = _wrong(app, query)
    if wrong:
        return with_query(target, wrong | state)
    asked = {
        "app": app,
        "scopes": oauth.granted(app, query.get("scope", "")),
        "challenge": query.get("code_challenge", ""),
        "redirect": target,
    }
    return Visit(app.name, target, state, asked)


def _wrong(app: oauth.App, query: MultiDict[str, str]) -> dict[str, str]:
    """Return what is wrong with an authorisation request, as the parameters the app is told; empty when nothing is."""
    if query.get("response_type") != "code":
        return {"error": "unsupported_response_type", "error_description": "response_type must be code."}
    challenge, method = query.get("code_challenge", ""), query.get("code_challenge_method", "")
    why = ""
    if challenge or method:
        if method != "S256":
            why = "code_challenge_method must be S256."
        elif not _CHALLENGE.fullmatch(challenge):
            why = "code_challenge must be a SHA-256 digest in base64url without padding."
    elif app.scoped:
        why = "code_challenge is required for apps with scoped OAuth."
    return {"error": "invalid_request", "error_description": why} if why else {}


def _draw(view: View, visit: Visit) -> Mapping[str, Any]:
    return {"scopes": [(scope, _MEANING.get(scope, "")) for scope in visit.asked["scopes"]]}


def _confirm(draft: Draft, visit: Visit, user: Document, form: MultiDict[str, str]) -> str:
    asked = visit.asked
    code = oauth.consent(draft, asked["app"], user.id, asked["scopes"], asked["redirect"], asked["challenge"])
    return with_query(visit.target, {"code": code, **visit.state})


FLOW = Flow(AUTHORIZE, "consent.html", _read, _draw, _confirm, DENIED)


def blueprint() -> Blueprint:
    """Return the route apps fetch their tokens from."""
    routes = Blueprint("pagerduty-tokens", __name__)

    @routes.post(TOKEN)
    def token() -> Response:
        return answer(transact(oauth.token, _form()), 200, {"Cache-Control": "no-store", "Pragma": "no-cache"})

    return routes


def _form() -> Mapping[str, str]:
    """Return what was sent; a client may name itself and its secret by HTTP Basic instead, as RFC 6749 allows."""
    login = request.authorization
    if login is None or login.type != "basic" or not login.username:
        return request.form
    named = {"client_id": login.username, "client_secret": login.password or ""}
    return {**request.form, **{name: value for name, value in named.items() if value}}
