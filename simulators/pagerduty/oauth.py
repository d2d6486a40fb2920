"""Apps, and how they come by tokens for the REST API: OAuth 2.0 by authorisation code, refresh and client credentials.

An app has either *classic* OAuth (``read`` or ``write``, always as a user, any account) or *scoped* OAuth (a scope per
kind of resource, as a user or as the app itself, its own account only). Whoever cannot keep a secret proves itself by
PKCE, scoped apps do both. What is granted is what was asked for and the app has; a scope that does not exist is left
out without a word. Tokens are REST credentials like any other and end on virtual time (PagerDuty: OAuth functionality,
private apps). What goes wrong is worded by RFC 6749, since the vendor's documentation shows no body.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from simulators.engine import ids, instants
from simulators.engine.draft import Draft, View
from simulators.engine.errors import Refused
from simulators.engine.ids import Shape
from simulators.engine.resources import Document
from simulators.engine.tables import TableKey
from simulators.pagerduty.model import API_KEYS, DOCUMENTS, RESOURCE_ID, ApiKey, Knobs

CODE_LIFE = 30 * instants.SECOND
CLASSIC = ("read", "write")
#: The scope every token of a user has, asked for or not.
OPENID = "openid"
ACCOUNT_SCOPE = "as_account-"
#: The host that is asked for tokens, and the issuer of what it signs.
ISSUER = "https://identity.pagerduty.com"


@dataclass(frozen=True, slots=True)
class App:
    """A registered app. ``id`` names it in the install flow, ``client_id`` in OAuth, ``connect_key`` (20 hexadecimal
    digits) in the classic connect flow. ``redirects`` are where browsers may be sent back to, ``scopes`` what it may
    ask for; ``vendor`` is the vendor its integrations belong to."""

    id: str
    name: str
    redirects: tuple[str, ...]
    client_id: str
    secret: str = field(repr=False)
    scopes: tuple[str, ...] = CLASSIC
    scoped: bool = False
    connect_key: str = ""
    vendor: str = ""


@dataclass(frozen=True, slots=True)
class Life:
    """How long tokens of a kind of app last, in microseconds; ``window`` bounds a chain of refreshes."""

    access: int
    refresh: int
    window: int


DAY = 24 * instants.HOUR
LIVES: Mapping[bool, Life] = {
    False: Life(30 * DAY, 210 * DAY, 3 * 365 * DAY),
    True: Life(DAY, 30 * DAY, 365 * DAY),
}


@dataclass(frozen=True, slots=True)
class Grant:
    """A user's consent, waiting for the app to fetch it; ``id`` is the authorisation code."""

    id: str
    client: str
    user: str
    scopes: tuple[str, ...]
    redirect: str
    challenge: str
    expires: int


@dataclass(frozen=True, slots=True)
class Refresh:
    """A refresh token; ``began`` is when the user consented."""

    id: str
    client: str
    user: str
    scopes: tuple[str, ...]
    began: int
    expires: int


APPS: TableKey[App] = TableKey("pagerduty.apps", {"client": lambda row: row.client_id, "key": lambda r: r.connect_key})
GRANTS: TableKey[Grant] = TableKey("pagerduty.oauth_grants")
REFRESHES: TableKey[Refresh] = TableKey("pagerduty.oauth_refreshes")
TABLES: tuple[TableKey[Any], ...] = (APPS, GRANTS, REFRESHES)

#: Apps every account knows without registering them; their keys are published, like everything of a simulator.
PRESETS = (
    App(
        "PTHEYES",
        "ThousandEyes",
        ("https://app.thousandeyes.com/integrations/pagerduty",),
        "6f1b3a52-8f0e-4d5c-9b7a-2c4e6a8d0f13",
        "thousandeyes-rehearsal-secret",
        connect_key="7e5aeb0c4d2f91a6830b",
        vendor="ThousandEyes",
    ),
)

_CODE: Shape = ids.hexadecimal(48)
_SECRET: Shape = ids.hexadecimal(40)
_CONNECT_KEY: Shape = ids.hexadecimal(20)


# -- apps --------------------------------------------------------------------------------------------------------------


def apps(view: View) -> list[App]:
    """Return every app, the presets first; a registered one replaces the preset of its id."""
    rows = {app.id: app for app in PRESETS} | {app.id: app for app in view.all(APPS)}
    return list(rows.values())


def find(view: View, **wanted: str) -> App | None:
    """Return the app with this ``id``, ``client_id`` or ``connect_key``."""
    ((name, value),) = wanted.items()
    return next((app for app in apps(view) if value and getattr(app, name) == value), None)


def register(
    draft: Draft,
    name: str,
    redirects: Iterable[str],
    *,
    scopes: Iterable[str] = CLASSIC,
    vendor: str = "",
    id: str = "",
    client_id: str = "",
    client_secret: str = "",
) -> App:
    """Register an app, or change the one with this ``id``; scopes other than ``read`` and ``write`` make it scoped.

    What is not given is drawn, or stays as it was.
    """
    known = find(draft, id=id)
    asked = tuple(dict.fromkeys(scopes))
    app = App(
        id or draft.fresh(RESOURCE_ID, "pagerduty.app"),
        name,
        tuple(redirects),
        client_id or (known.client_id if known else draft.fresh(ids.UUID4, "pagerduty.app.client")),
        client_secret or (known.secret if known else draft.fresh(_SECRET, "pagerduty.app.secret")),
        asked,
        not set(asked) <= set(CLASSIC),
        known.connect_key if known else draft.fresh(_CONNECT_KEY, "pagerduty.app.connect"),
        vendor or (known.vendor if known else name),
    )
    draft.put(APPS, app)
    draft.record("app.registered", app.id, app=name, scoped=app.scoped)
    return app


# -- consent -----------------------------------------------------------------------------------------------------------


def granted(app: App, asked: str) -> tuple[str, ...]:
    """Return the scopes a user's token gets: ``openid`` and those asked for that the app has."""
    return (OPENID, *(scope for scope in dict.fromkeys(asked.split()) if scope in app.scopes))


def consent(draft: Draft, app: App, user: str, scopes: tuple[str, ...], redirect: str, challenge: str) -> str:
    """Note a user's consent and return the authorisation code, good for 30 seconds and once."""
    _sweep(draft)
    code = draft.fresh(_CODE, "pagerduty.oauth.code")
    draft.put(GRANTS, Grant(code, app.client_id, user, scopes, redirect, challenge, draft.now + CODE_LIFE))
    draft.record("oauth.consented", app.id, app=app.name, user=user, scopes=" ".join(scopes))
    return code


# -- the token endpoint ------------------------------------------------------------------------------------------------


def refusal(error: str, why: str, status: int = 400) -> Refused:
    """Return an error of the token endpoint, to be raised."""
    headers = {"Cache-Control": "no-store", "Pragma": "no-cache"}
    return Refused(status, {"error": error, "error_description": why}, headers)


def token(draft: Draft, form: Mapping[str, str]) -> dict[str, Any]:
    """Answer a request for a token; raises :class:`~simulators.engine.errors.Refused` with OAuth's own errors."""
    grant = _needed(form, "grant_type")
    if grant not in _GRANTS:
        raise refusal("unsupported_grant_type", f"The grant type {grant!r} is not supported.")
    app = find(draft, client_id=_needed(form, "client_id"))
    if app is None:
        raise refusal("invalid_client", "There is no such client.", 401)
    secret = form.get("client_secret", "")
    if secret and not secrets.compare_digest(secret.encode(), app.secret.encode()):
        raise refusal("invalid_client", "Client authentication failed.", 401)
    if not secret and (app.scoped or grant != "authorization_code"):
        raise refusal("invalid_client", "client_secret is required.", 401)
    return _GRANTS[grant](draft, app, form)


def _needed(form: Mapping[str, str], name: str) -> str:
    value = form.get(name, "")
    if not value:
        raise refusal("invalid_request", f"{name} is required.")
    return value


def _by_code(draft: Draft, app: App, form: Mapping[str, str]) -> dict[str, Any]:
    grant = draft.get(GRANTS, _needed(form, "code"))
    if grant is None or grant.client != app.client_id or draft.now >= grant.expires:
        raise refusal("invalid_grant", "The authorization code is invalid, expired or was used before.")
    if _needed(form, "redirect_uri") != grant.redirect:
        raise refusal("invalid_grant", "redirect_uri is not the one of the authorization request.")
    _check_proof(grant, form)
    draft.delete(GRANTS, grant.id)
    answer = _user_tokens(draft, app, grant.user, grant.scopes, draft.now)
    return {"client_info": "prefix_legacy_app", "id_token": _id_token(draft, app, grant.user)} | answer


def _check_proof(grant: Grant, form: Mapping[str, str]) -> None:
    verifier = form.get("code_verifier", "")
    if not grant.challenge:
        if verifier or not form.get("client_secret"):
            raise refusal("invalid_grant", "The authorization request carried no code_challenge.")
        return
    digest = hashlib.sha256(verifier.encode()).digest()
    if not secrets.compare_digest(_url64(digest).encode(), grant.challenge.encode()):
        raise refusal("invalid_grant", "code_verifier does not match the code_challenge.")


def _by_refresh(draft: Draft, app: App, form: Mapping[str, str]) -> dict[str, Any]:
    row = draft.get(REFRESHES, _needed(form, "refresh_token"))
    if row is None or row.client != app.client_id or draft.now >= row.expires:
        raise refusal("invalid_grant", "The refresh token is invalid, expired or was used before.")
    if draft.knobs(Knobs).refresh_once:
        draft.delete(REFRESHES, row.id)
    return _user_tokens(draft, app, row.user, row.scopes, row.began)


def _by_credentials(draft: Draft, app: App, form: Mapping[str, str]) -> dict[str, Any]:
    if not app.scoped:
        raise refusal("unauthorized_client", "Only apps with scoped OAuth can act as themselves.")
    asked = tuple(dict.fromkeys(_needed(form, "scope").split()))
    knobs = draft.knobs(Knobs)
    account = f"{ACCOUNT_SCOPE}{knobs.region}.{knobs.subdomain}"
    named = [scope for scope in asked if scope.startswith(ACCOUNT_SCOPE)]
    if named != [account]:
        raise refusal("invalid_scope", f"scope must name the account once, as {ACCOUNT_SCOPE}REGION.SUBDOMAIN.")
    scopes = tuple(scope for scope in asked if scope == account or scope in app.scopes)
    life = LIVES[True].access
    return {
        "access_token": _access(draft, app, None, scopes, life),
        "scope": " ".join(scopes),
        "token_type": "bearer",
        "expires_in": life // instants.SECOND,
    }


_GRANTS: Mapping[str, Callable[[Draft, App, Mapping[str, str]], dict[str, Any]]] = {
    "authorization_code": _by_code,
    "refresh_token": _by_refresh,
    "client_credentials": _by_credentials,
}


def _user_tokens(draft: Draft, app: App, user: str, scopes: tuple[str, ...], began: int) -> dict[str, Any]:
    life = LIVES[app.scoped]
    access = _access(draft, app, user, scopes, life.access)
    ends = min(draft.now + life.refresh, began + life.window)
    refresh = draft.fresh(_shape(draft, 1), "pagerduty.oauth.refresh")
    draft.put(REFRESHES, Refresh(refresh, app.client_id, user, scopes, began, ends))
    return {
        "token_type": "bearer",
        "access_token": access,
        "refresh_token": refresh,
        "scope": " ".join(scopes),
        "expires_in": life.access // instants.SECOND,
    }


def _access(draft: Draft, app: App, user: str | None, scopes: tuple[str, ...], life: int) -> str:
    _sweep(draft)
    text = draft.fresh(_shape(draft, 0), "pagerduty.oauth.access")
    key = ApiKey(text, "bearer", user=user, expires=draft.now + life, scopes=scopes, client=app.client_id)
    draft.put(API_KEYS, key)
    draft.record("oauth.issued", app.id, app=app.name, user=user or "", scopes=" ".join(scopes))
    return text


def _sweep(draft: Draft) -> None:
    """Forget what has ended: it is answered like what never was."""
    tables: tuple[TableKey[Any], ...] = (GRANTS, REFRESHES)
    for table in tables:
        for row in [row for row in draft.all(table) if row.expires <= draft.now]:
            draft.delete(table, row.id)
    for key in [key for key in draft.all(API_KEYS) if key.client and key.expires and key.expires <= draft.now]:
        draft.delete(API_KEYS, key.id)


def _shape(view: View, kind: int) -> Shape:
    """Return the shape of tokens: region, kind (0 access, 1 refresh) with the account's part, a UUID."""
    head = f"pd{view.knobs(Knobs).region}+_{kind}{RESOURCE_ID(view.seed, 'pagerduty.oauth.account', 0)[1:]}_"

    def shape(seed: int, purpose: str, counter: int) -> str:
        return head + ids.uuid(seed, purpose, counter)

    return shape


def revoke(draft: Draft, app: App) -> int:
    """Invalidate every token of an app, as the vendor's app page does; return how many REST tokens ended."""
    for row in [row for row in draft.all(REFRESHES) if row.client == app.client_id]:
        draft.delete(REFRESHES, row.id)
    for grant in [row for row in draft.all(GRANTS) if row.client == app.client_id]:
        draft.delete(GRANTS, grant.id)
    live = [key for key in draft.all(API_KEYS) if key.client == app.client_id and key.enabled]
    for key in live:
        draft.put(API_KEYS, replace(key, enabled=False))
    draft.record("oauth.revoked", app.id, app=app.name, tokens=len(live))
    return len(live)


# -- the identity token ------------------------------------------------------------------------------------------------


def _id_token(draft: Draft, app: App, user_id: str) -> str:
    """Return who consented, as a signed token; signed with the client's secret, where the vendor signs with its own."""
    knobs = draft.knobs(Knobs)
    user: Document | None = draft.get(DOCUMENTS["users"], user_id)
    now = draft.now // instants.SECOND
    claims = {
        "iss": ISSUER,
        "sub": user_id,
        "aud": [f"https://api.{'eu.' if knobs.region == 'eu' else ''}pagerduty.com", app.client_id],
        "iat": now,
        "nbf": now,
        "exp": now + 3600,
        "auth_time": now,
        "azp": app.client_id,
        "user_id": user_id,
        "email": "" if user is None else user.body.get("email"),
        "subdomain": knobs.subdomain,
        "region": {"us": "UnitedStates", "eu": "EuropeanUnion"}[knobs.region],
    }
    head = ".".join(_url64(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
    return f"{head}.{_url64(hmac.digest(app.secret.encode(), head.encode(), 'sha256'))}"


def _url64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
