"""How api.thousandeyes.com speaks: who is asking, refusals, bodies in, HAL documents out.

Everything a route needs besides its own subject is here, so that views stay a few lines long. Refusals are problem
documents; a token nobody knows gets an OAuth shaped answer instead. Links name the host the request was sent to, so a
client that follows them stays with the server it talks to.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import Response, request

from simulators.engine import instants, limits
from simulators.engine.draft import Draft, View
from simulators.engine.errors import Refused
from simulators.engine.web import answer, credentials, json_body, transact, world
from simulators.engine.zones import local
from simulators.thousandeyes.model import ACCOUNT_GROUPS, DOCUMENTS, TOKENS, USERS, AccountGroup, Knobs, Token, User

BASE = "/v7"
MAX_BODY = 2 * 1024 * 1024
RATE_WINDOW = instants.MINUTE
HAL = "application/hal+json"
JSON = "application/json"
#: Paths below the base that are about the user or the whole organization; ``aid`` means nothing there.
WITHOUT_GROUP = ("/account-groups", "/users/current")
PROBLEM = {"Content-Type": "application/problem+json"}
_CALLER = "pagedrill.thousandeyes.caller"
_VERDICTS = "pagedrill.thousandeyes.rates"
#: What a limit is called in headers.
ORGANIZATION, INSTANT = "Organization", "Instant-Test"
GUESS_WINDOW = instants.HOUR
_VERSION = re.compile(r"/(v\d+)(|/.*)")
_INSTANT = re.compile(rf"{BASE}/tests/[^/]+/(instant|run)")
#: Paths that need no token: whether the API is there, and how one gets a token.
OPEN_PATHS = (
    f"{BASE}/status",
    f"{BASE}/oauth2/token",
    f"{BASE}/oauth2/device/authorization",
    f"{BASE}/oauth2/clients",
    f"{BASE}/oauth2/provider/keys",
    "/.well-known/oauth-authorization-server",
)
#: Area of the API -> the family of scopes an OAuth token needs there; elsewhere "organization".
SCOPES = {
    "tests": "tests",
    "test-results": "tests",
    "alerts": "alerts",
    "alert-suppression-windows": "alerts",
    "tags": "tags",
    "connectors": "integrations",
    "operations": "integrations",
}

#: Titles of problem documents by status (ThousandEyes: API error responses).
TITLES = {
    301: "Moved Permanently",
    400: "Request validation failed. There are invalid or missing fields",
    403: "Insufficient permissions to query endpoint",
    404: "URI Resource Not Found",
    405: "Method Not Allowed",
    413: "Payload Too Large",
    415: "Unsupported Media Type",
    429: "Exhausted rate limit for the organization",
    500: "Internal server error",
}


# -- refusals ----------------------------------------------------------------------------------------------------------


def problem(status: int, detail: str, *, title: str = "", headers: Mapping[str, str] | None = None) -> Refused:
    """Return a problem document (RFC 7807 members) to be raised."""
    body = {
        "type": "about:blank",
        "title": title or TITLES.get(status, "Request failed"),
        "status": status,
        "detail": detail,
        "instance": request.path,
    }
    return Refused(status, body, {**PROBLEM, **(headers or {})})


@dataclass(frozen=True, slots=True)
class FieldError:
    """One entry of a validation problem: the dotted ``field`` and what is wrong with it."""

    field: str
    message: str


def invalid(*errors: FieldError) -> Refused:
    """Return a validation problem (400) that names every field in ``errors``."""
    refusal = problem(400, "Your request object contains invalid fields.")
    refusal.body["errors"] = [{"field": error.field, "message": error.message} for error in errors]
    return refusal


def not_found(detail: str = "The requested resource does not exist.") -> Refused:
    """Return the 404 of an unknown path or of an object this account group does not have."""
    return problem(404, detail)


def unauthorized() -> Refused:
    """Return the 401 of a missing or unknown token, shaped as OAuth shapes it."""
    body = {"error": "invalid_token", "error_description": "Invalid access token"}
    return Refused(401, body, {**PROBLEM, "WWW-Authenticate": 'Bearer error="invalid_token"'})


class ApiDialect:
    """How this host words what every web API has to say."""

    def not_found(self) -> Refused:
        """No such path."""
        return not_found()

    def method_not_allowed(self) -> Refused:
        """The path exists, the method does not."""
        return problem(405, f"{request.method} is not supported here.")

    def bad_request(self, reason: str) -> Refused:
        """The request cannot be read."""
        return problem(400, reason)

    def too_large(self) -> Refused:
        """The body is too large."""
        return problem(413, "The request body is too large.")

    def failed(self) -> Refused:
        """The simulator itself failed; the area of tags still says so in the words of older versions."""
        if request.path.startswith(f"{BASE}/tags"):
            now = world().controls.outside(world().now) // 1_000
            older = {"timestamp": now, "status": 500, "errors": "Internal Server Error", "path": request.path}
            return Refused(500, older, {"Content-Type": JSON})
        return problem(500, "The request could not be processed.")

    def headers(self) -> Mapping[str, str]:
        """The rate limits that are in force."""
        verdicts: Mapping[str, limits.Verdict] = request.environ.get(_VERDICTS, {})
        found: dict[str, str] = {}
        for name, verdict in verdicts.items():
            found |= rate_headers(name, verdict)
        return found


def rate_headers(name: str, verdict: limits.Verdict) -> dict[str, str]:
    """Return the headers of a limit; the reset is in epoch seconds of the caller's own clock."""
    reset = world().controls.outside(verdict.reset)
    return {
        f"X-{name}-Rate-Limit-Limit": str(verdict.limit),
        f"X-{name}-Rate-Limit-Remaining": str(verdict.remaining),
        f"X-{name}-Rate-Limit-Reset": str(-(-reset // instants.SECOND)),
    }


# -- who is asking -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Caller:
    """The user behind a token, the account group a request is about, and what the user may do there."""

    user: User
    group: AccountGroup
    permissions: frozenset[str]
    token: Token

    @property
    def aid(self) -> str:
        """The account group's id."""
        return self.group.id

    @property
    def signature(self) -> str:
        """The user as ``createdBy`` and ``modifiedBy`` show one."""
        return f"{self.user.name} ({self.user.email})"


def admit() -> None:
    """Find out who asks, count the request, settle the account group; raises the refusal (301, 401, 429, 403)."""
    _know_version()
    if request.path.startswith("/_sim") or request.path.rstrip("/") in OPEN_PATHS:
        return
    here = world()
    knobs = here.view.knobs(Knobs)
    _not_shut_out(here.view, knobs)
    token = _token(here.view)
    user = None if token is None else here.view.get(USERS, token.user)
    if token is None or user is None:
        if knobs.unauthorized_limit:
            transact(_count, f"unauthorized.{request.remote_addr}", knobs.unauthorized_limit, GUESS_WINDOW)
        raise unauthorized()
    groups = [group for aid in user.aids if (group := here.view.get(ACCOUNT_GROUPS, aid)) is not None]
    home = here.view.need(ACCOUNT_GROUPS, user.aid)
    _spend(knobs, f"client.{token.client}" if token.client else f"organization.{home.org_id}", home.org_id)
    _in_scope(token)
    group = _group(groups, home, knobs)
    request.environ[_CALLER] = Caller(user, group, permissions_of(here.view, user, group.id), token)


def _know_version() -> None:
    """Raise the redirection of a version of the API that does not exist."""
    match = _VERSION.fullmatch(request.path)
    if match is not None and f"/{match[1]}" != BASE:
        query = f"?{request.query_string.decode('latin-1')}" if request.query_string else ""
        location = {"Location": f"{request.scheme}://{request.host}{BASE}{match[2]}{query}"}
        raise problem(301, f"There is no version {match[1]} of the API.", headers=location)


def _not_shut_out(view: View, knobs: Knobs) -> None:
    """Raise the 429 of an address that has guessed at tokens too often."""
    guesses = view.get(limits.WINDOWS, f"thousandeyes.unauthorized.{request.remote_addr}")
    recent = guesses is not None and view.now < guesses.started + GUESS_WINDOW
    if knobs.unauthorized_limit and guesses and recent and len(guesses.spent) >= knobs.unauthorized_limit:
        raise problem(429, "Too many requests without a valid token came from this address.")


def _spend(knobs: Knobs, bucket: str, org_id: str) -> None:
    """Count a request where a limit is in force; raises the 429 of a bucket that is empty."""
    buckets = [(ORGANIZATION, bucket, knobs.rate_limit)]
    if _INSTANT.fullmatch(request.path) and request.method == "POST":
        buckets.append((INSTANT, f"instant.{org_id}", knobs.instant_rate_limit))
    verdicts = {}
    for name, key, limit in buckets:
        if limit:
            verdicts[name] = transact(_count, key, limit, RATE_WINDOW, aligned=knobs.whole_minutes)
    request.environ[_VERDICTS] = verdicts
    if not all(verdict.allowed for verdict in verdicts.values()):
        raise problem(429, "The organization has no requests left in this window.")


def _in_scope(token: Token) -> None:
    """Raise the 403 of an OAuth token that was not given for what is asked."""
    if not token.client:
        return
    area = request.path.removeprefix(BASE).lstrip("/").partition("/")[0]
    family = SCOPES.get(area, "organization")
    fitting = {f"{family}:manage"} | ({f"{family}:read"} if request.method == "GET" else set())
    if fitting.isdisjoint(token.scopes) and not request.path.startswith(f"{BASE}/oauth2/"):
        raise problem(403, f"The token's scopes do not include {' or '.join(sorted(fitting, reverse=True))}.")


def caller() -> Caller:
    """Return who asks, in which account group."""
    found: Caller = request.environ[_CALLER]
    return found


def permissions_of(view: View, user: User, aid: str) -> frozenset[str]:
    """Return the ids of the permissions a user's roles give in an account group."""
    roles = (view.get(DOCUMENTS, role) for role in user.roles_in(aid))
    return frozenset(permission for role in roles if role is not None for permission in role.body["permissions"])


def require(permission: str) -> Caller:
    """Return who asks; raises the refusal (403) when the user's roles do not give ``permission`` (an id or "")."""
    asking = caller()
    if permission and permission not in asking.permissions:
        raise problem(403, "The user's roles in this account group do not allow this.")
    return asking


def _token(view: View) -> Token | None:
    """Return the token a request carries, ``None`` when that is none, unknown or expired."""
    scheme, text = credentials() or ("", "")
    token = view.get(TOKENS, text) if scheme == "bearer" else None
    return None if token is None or (token.expires is not None and token.expires <= view.now) else token


def _count(draft: Draft, key: str, limit: int, window: int, *, aligned: bool = False) -> limits.Verdict:
    return limits.spend(draft, f"thousandeyes.{key}", limit=limit, window=window, aligned=aligned)


def _group(groups: Sequence[AccountGroup], home: AccountGroup, knobs: Knobs) -> AccountGroup:
    asked = request.args.get("aid")
    if asked is None or request.path.startswith(tuple(BASE + path for path in WITHOUT_GROUP)):
        return home
    found = next((group for group in groups if group.id == asked), None)
    if found is not None:
        return found
    if knobs.foreign_aid_status == 400:
        raise invalid(FieldError("aid", "is not an account group of this user"))
    raise problem(knobs.foreign_aid_status, f"The user is not assigned to account group {asked}.")


# -- bodies in, documents out ------------------------------------------------------------------------------------------


def object_body() -> dict[str, Any]:
    """Return the request's JSON object; raises 415 for another content type and 400 for anything else."""
    body = any_body()
    if not isinstance(body, dict):
        raise problem(400, "The request body must be a JSON object.")
    return body


def any_body() -> Any:
    """Return the request's JSON; raises 415 for another content type and 400 for what is no JSON."""
    kind = request.mimetype
    if kind and kind != "application/json" and not kind.endswith("+json"):
        raise problem(415, f"Content type {kind} is not supported; send application/json.")
    if len(request.get_data(cache=True)) > MAX_BODY:
        raise problem(413, "The request body is too large.")
    try:
        return json_body()
    except (ValueError, RecursionError):
        raise problem(400, "The request body is not valid JSON.") from None


def link(path: str) -> str:
    """Return the absolute URL of ``path`` (below the base path) on the host that was asked."""
    return f"{request.scheme}://{request.host}{BASE}{path}"


def hal(document: Mapping[str, Any], self_path: str = "", **links: Any) -> dict[str, Any]:
    """Return ``document`` with ``_links``: ``self`` for ``self_path`` (default: the request itself), then ``links``.

    A link given as a text becomes ``{"href": text}``; ``None`` leaves the relation out.
    """
    own = link(self_path) if self_path else f"{request.scheme}://{request.host}{request.full_path.rstrip('?')}"
    relations: dict[str, Any] = {"self": {"href": own}}
    for relation, target in links.items():
        if target is not None:
            relations[relation] = {"href": target} if isinstance(target, str) else target
    return {**document, "_links": relations}


def reply(document: Mapping[str, Any], status: int = 200, *, location: str = "", media: str = HAL) -> Response:
    """Return ``document`` as a response; ``location`` is the path of what was created."""
    headers = {"Content-Type": media} | ({"Location": link(location)} if location else {})
    return answer(document, status, headers)


def no_content() -> Response:
    """Return 204."""
    return answer(None, 204)


def listed(name: str) -> tuple[str, ...]:
    """Return the values of a comma separated query parameter (repeating the parameter works, too)."""
    return tuple(part.strip() for text in request.args.getlist(name) for part in text.split(",") if part.strip())


def expansions(allowed: Sequence[str]) -> tuple[str, ...]:
    """Return the ``expand`` values of the request; raises a validation problem for one that is not ``allowed``."""
    asked = listed("expand")
    wrong = next((value for value in asked if value not in allowed), None)
    if wrong is not None:
        raise invalid(FieldError("expand", f"'{wrong}' is not one of {', '.join(allowed)}"))
    return asked


# -- dates -------------------------------------------------------------------------------------------------------------


def iso(instant: int) -> str:
    """Return an instant as the API writes it: ``2026-03-02T09:00:00Z``."""
    return instants.iso(instant)


def legacy(instant: int) -> str:
    """Return an instant as the deprecated fields write it: ``2026-03-02 09:00:00`` (UTC)."""
    return local(instant, "UTC").strftime("%Y-%m-%d %H:%M:%S")
