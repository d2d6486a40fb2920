"""OAuth 2.0 and API tokens over HTTP: metadata, registration, the device flow, tokens, and who a token stands for.

The authorization page itself belongs to the vendor's web application, which is not simulated: whoever plays the person
approves a grant in the control plane (``POST /_sim/oauth/approve``), by the code the device shows, or by asking for a
browser's grant in the first place (``POST /_sim/oauth/authorize``, answered with the code the browser would bring).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flask import Blueprint, Response, request

from simulators.engine.control import object_body as control_body
from simulators.engine.control import plane
from simulators.engine.draft import Draft, View
from simulators.engine.errors import Refused
from simulators.engine.instants import SECOND
from simulators.engine.resources import Document
from simulators.engine.web import answer, transact, world
from simulators.thousandeyes import administration, documents, oauth
from simulators.thousandeyes.api.rest import BASE, JSON, caller, iso, object_body, problem, reply
from simulators.thousandeyes.model import APP, USERS
from simulators.thousandeyes.oauth import GrantError

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
GRANTS = ("authorization_code", "refresh_token", DEVICE_GRANT)
NEVER_STORED = {"Cache-Control": "no-store", "Pragma": "no-cache"}


def _refused(code: str, text: str, status: int = 400) -> Refused:
    """Return a refusal in the words of RFC 6749."""
    return Refused(status, {"error": code, "error_description": text}, {"Content-Type": JSON, **NEVER_STORED})


def _metadata() -> Response:
    """Answer what RFC 8414 asks for; the endpoints are on the host that was asked, the page on the vendor's."""
    here = f"{request.scheme}://{request.host}"
    base = f"{here}{BASE}/oauth2"
    return answer(
        {
            "issuer": here,
            "authorization_endpoint": f"{APP}/oauth2/authorize",
            "token_endpoint": f"{base}/token",
            "device_authorization_endpoint": f"{base}/device/authorization",
            "registration_endpoint": f"{base}/clients",
            "jwks_uri": f"{base}/provider/keys",
            "userinfo_endpoint": f"{base}/userinfo",
            "scopes_supported": list(oauth.SCOPES),
            "response_types_supported": ["code"],
            "grant_types_supported": list(GRANTS),
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["none"],
        }
    )


def _register() -> Response:
    body = object_body()
    grants = body.get("grant_types", ["authorization_code"])
    uris = body.get("redirect_uris", [])
    if not isinstance(grants, list) or any(grant not in GRANTS for grant in grants):
        raise _refused("invalid_client_metadata", f"grant_types may have {', '.join(GRANTS)}")
    if not isinstance(uris, list) or not all(isinstance(uri, str) for uri in uris):
        raise _refused("invalid_redirect_uri", "redirect_uris must be an array of strings")
    if "authorization_code" in grants and not uris:
        raise _refused("invalid_redirect_uri", "redirect_uris is required for authorization_code")
    kept = {"grant_types": grants, "redirect_uris": uris, "client_name": str(body.get("client_name", "")),
            "token_endpoint_auth_method": "none"}  # fmt: skip
    made = transact(oauth.register, kept)
    return answer({"client_id": made.id, "client_id_issued_at": made.created // SECOND, **kept}, 201, NEVER_STORED)


def _client(view: View, client_id: str, grant: str) -> Document:
    client = documents.find(view, oauth.CLIENT, "", client_id)
    if client is None:
        raise _refused("invalid_client", "There is no such client.", 401)
    if grant not in client.body["grant_types"]:
        raise _refused("unauthorized_client", f"The client is not registered for {grant}.")
    return client


def _scope(text: str) -> str:
    wrong = next((scope for scope in text.split() if scope not in oauth.SCOPES), None)
    if wrong is not None or not text.split():
        raise _refused("invalid_scope", f"{wrong or 'scope'} is not one of {', '.join(oauth.SCOPES)}")
    return " ".join(text.split())


def _device() -> Response:
    client = _client(world().view, request.form.get("client_id", ""), DEVICE_GRANT)
    grant = transact(oauth.ask, client, _scope(request.form.get("scope", "")))
    page, code = f"{APP}/oauth2/device", grant.body["userCode"]
    shown = {
        "device_code": grant.id,
        "user_code": code,
        "verification_uri": page,
        "verification_uri_complete": f"{page}?user_code={code}",
        "expires_in": oauth.GRANT_LIFE // SECOND,
        "interval": oauth.POLL_EVERY,
    }
    return answer(shown, 200, NEVER_STORED)


def _exchange(draft: Draft, form: Mapping[str, str]) -> dict[str, Any] | GrantError:
    """Redeem what a form brings; a refusal is returned, not raised, so that what it leaves behind is kept."""
    client = form.get("client_id", "")
    ways: Mapping[str, Callable[[], dict[str, Any]]] = {
        DEVICE_GRANT: lambda: oauth.redeem_device(draft, client, form.get("device_code", "")),
        "refresh_token": lambda: oauth.refresh(draft, client, form.get("refresh_token", "")),
        "authorization_code": lambda: oauth.redeem_code(
            draft, client, form.get("code", ""), form.get("code_verifier", ""), form.get("redirect_uri", "")
        ),
    }
    try:
        return ways[form["grant_type"]]()
    except GrantError as refusal:
        return refusal


def _token() -> Response:
    kind = request.form.get("grant_type", "")
    if kind not in GRANTS:
        raise _refused("unsupported_grant_type", f"grant_type must be one of {', '.join(GRANTS)}")
    _client(world().view, request.form.get("client_id", ""), kind)
    outcome = transact(_exchange, request.form)
    if isinstance(outcome, GrantError):
        raise _refused(outcome.code, str(outcome))
    return answer(outcome, 200, NEVER_STORED)


def _regenerate() -> Response:
    asking = caller()
    if asking.token.client:
        raise problem(403, "Only an API token can be regenerated.")

    def verb(draft: Draft) -> dict[str, Any]:
        if len(administration.api_tokens(draft, asking.user.id)) > 1:
            raise problem(409, "The previous token is still valid.", title="Conflict")
        made = administration.regenerate_token(draft, asking.token)
        return {"bearerToken": made.id, "validUntil": iso(made.expires or 0)}

    return reply(transact(verb), 201)


def _userinfo() -> Response:
    user = caller().user
    return answer({"sub": user.id, "name": user.name, "email": user.email})


# -- who plays the person ----------------------------------------------------------------------------------------------


def _user_of(wish: Mapping[str, Any]) -> str:
    user = str(wish.get("user", "1"))
    if world().view.get(USERS, user) is None:
        raise Refused(400, {"error": f"there is no user {user}"}, {})
    return user


def _approve() -> Response:
    wish = control_body()
    code = str(wish.get("userCode", ""))
    grant = transact(oauth.decide, code, _user_of(wish), approved=wish.get("approve", True) is True)
    if grant is None:
        raise Refused(404, {"error": f"no grant waits under the code {code}"}, {})
    return answer({"state": grant.body["state"], "scope": grant.body["scope"]})


def _authorize() -> Response:
    wish = control_body()
    user = _user_of(wish)
    client = _client(world().view, str(wish.get("client_id", "")), "authorization_code")
    uri = str(wish.get("redirect_uri", ""))
    if uri not in client.body["redirect_uris"] or wish.get("code_challenge_method") != "S256":
        raise Refused(400, {"error": "send a registered redirect_uri, and code_challenge_method S256"}, {})
    scope, challenge = _scope(str(wish.get("scope", ""))), str(wish.get("code_challenge", ""))

    def verb(draft: Draft) -> Document:
        grant = oauth.ask(draft, client, scope, challenge=challenge, redirect_uri=uri)
        return oauth.decide(draft, grant.body["userCode"], user, approved=True) or grant

    return answer({"code": transact(verb).id, "redirect_uri": uri}, 201)


def control() -> Blueprint:
    """Return the routes of the control plane by which somebody plays the person who approves."""
    routes = plane("thousandeyes-oauth")
    routes.add_url_rule("/oauth/approve", "approve", _approve, methods=["POST"])
    routes.add_url_rule("/oauth/authorize", "authorize", _authorize, methods=["POST"])
    return routes


def blueprint() -> Blueprint:
    """Return the routes of OAuth and of API tokens."""
    routes = Blueprint("oauth", __name__)
    rules: Mapping[str, tuple[str, Callable[[], Response]]] = {
        "/.well-known/oauth-authorization-server": ("GET", _metadata),
        f"{BASE}/oauth2/clients": ("POST", _register),
        f"{BASE}/oauth2/device/authorization": ("POST", _device),
        f"{BASE}/oauth2/token": ("POST", _token),
        f"{BASE}/oauth2/provider/keys": ("GET", lambda: answer({"keys": []})),
        f"{BASE}/oauth2/userinfo": ("GET", _userinfo),
        f"{BASE}/api-tokens": ("POST", _regenerate),
    }
    for path, (method, view) in rules.items():
        routes.add_url_rule(path, path.replace(".", "-"), view, methods=[method])
    return routes
