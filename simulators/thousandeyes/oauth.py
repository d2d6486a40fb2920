"""Verbs of OAuth 2.0: clients that register themselves, grants people approve, and the tokens that come of them.

A grant is asked for by a client (a device that shows a code, or a browser that was sent to the authorization page) and
waits until a person approves or denies it. Access tokens are good for an hour; with ``offline_access`` there is a
refresh token, which changes with every use. All of it is documents, so that it is snapshotted with the rest.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import Any

from simulators.engine import ids
from simulators.engine.draft import Draft, View
from simulators.engine.instants import HOUR, MINUTE, SECOND
from simulators.engine.resources import Document, thaw
from simulators.thousandeyes import documents
from simulators.thousandeyes.model import TOKENS, Token

CLIENT, GRANT, REFRESH = "oauth-client", "oauth-grant", "oauth-refresh"
ACCESS_LIFE, GRANT_LIFE = HOUR, 10 * MINUTE
#: Seconds a device waits between two questions whether its grant was approved.
POLL_EVERY = 5
SCOPES = (
    "organization:read", "organization:manage", "tests:read", "tests:manage", "endpoint-tests:read", "streams:manage",
    "alerts:read", "alerts:manage", "tags:read", "tags:manage", "integrations:read", "integrations:manage",
    "mcp:manage", "offline_access",
)  # fmt: skip
_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"


class GrantError(Exception):
    """A token is refused; ``code`` is the error code of RFC 6749 or RFC 8628."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


def register(draft: Draft, body: Mapping[str, Any]) -> Document:
    """Register a client (RFC 7591)."""
    return documents.create(draft, CLIENT, "", body)


def ask(draft: Draft, client: Document, scope: str, **more: str) -> Document:
    """Ask for a grant; ``more`` is what belongs to the browser's way: challenge and redirect_uri."""
    body = {"client": client.id, "scope": scope, "state": "pending", "userCode": _user_code(draft), **more}
    return documents.create(draft, GRANT, "", body)


def _user_code(draft: Draft) -> str:
    drawn = int(draft.fresh(ids.UUID4, "te.oauth.code").replace("-", "")[:12], 16)
    letters = [_LETTERS[drawn // len(_LETTERS) ** place % len(_LETTERS)] for place in range(8)]
    return "".join(letters[:4]) + "-" + "".join(letters[4:])


def decide(draft: Draft, user_code: str, user_id: str, *, approved: bool) -> Document | None:
    """Approve or deny the grant a person was shown the code of; ``None`` when none waits under this code."""
    for grant in documents.all_of(draft, GRANT, ""):
        if grant.body["userCode"] == user_code and grant.body["state"] == "pending" and not _is_old(draft, grant):
            state = "approved" if approved else "denied"
            return documents.replace_body(draft, grant, thaw(grant.body) | {"state": state, "user": user_id})
    return None


def redeem_device(draft: Draft, client_id: str, device_code: str) -> dict[str, Any]:
    """Exchange a device code for tokens; raises :class:`GrantError`."""
    grant = _grant(draft, client_id, device_code, browser=False)
    state = grant.body["state"]
    if _is_old(draft, grant):
        raise GrantError("expired_token", "The device code has expired.")
    if state == "pending":
        if grant.body.get("asked", -POLL_EVERY * SECOND) + POLL_EVERY * SECOND > draft.now:
            raise GrantError("slow_down", "The device asks too often.")
        documents.replace_body(draft, grant, thaw(grant.body) | {"asked": draft.now})
        raise GrantError("authorization_pending", "Nobody has approved the request yet.")
    if state == "denied":
        raise GrantError("access_denied", "The request was denied.")
    return _issue(draft, grant)


def redeem_code(draft: Draft, client_id: str, code: str, verifier: str, redirect_uri: str) -> dict[str, Any]:
    """Exchange an authorization code for tokens (PKCE, S256 only); raises :class:`GrantError`."""
    grant = _grant(draft, client_id, code, browser=True)
    digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    fits = (digest, redirect_uri) == (grant.body["challenge"], grant.body["redirect_uri"])
    if grant.body["state"] != "approved" or _is_old(draft, grant) or not fits:
        raise GrantError("invalid_grant", "The code is not good, or not for this client.")
    return _issue(draft, grant)


def _grant(view: View, client_id: str, code: str, *, browser: bool) -> Document:
    grant = documents.find(view, GRANT, "", code)
    if grant is None or grant.body["client"] != client_id or ("challenge" in grant.body) is not browser:
        raise GrantError("invalid_grant", "The code is not good, or not for this client.")
    return grant


def _is_old(view: View, grant: Document) -> bool:
    return view.now >= grant.created + GRANT_LIFE


def _issue(draft: Draft, grant: Document) -> dict[str, Any]:
    documents.delete(draft, grant)
    return _tokens(draft, grant.body["client"], grant.body["user"], grant.body["scope"])


def refresh(draft: Draft, client_id: str, refresh_token: str) -> dict[str, Any]:
    """Exchange a refresh token for new tokens; raises :class:`GrantError`."""
    kept = documents.find(draft, REFRESH, "", refresh_token)
    if kept is None or kept.body["client"] != client_id:
        raise GrantError("invalid_grant", "The refresh token is not good, or not for this client.")
    documents.delete(draft, kept)
    return _tokens(draft, client_id, kept.body["user"], kept.body["scope"])


def _tokens(draft: Draft, client_id: str, user_id: str, scope: str) -> dict[str, Any]:
    scopes = tuple(scope.split())
    access = Token(draft.fresh(ids.UUID4, "te.oauth.token"), user_id, draft.now + ACCESS_LIFE, client_id, scopes)
    draft.put(TOKENS, access)
    answer: dict[str, Any] = {"access_token": access.id, "token_type": "Bearer", "expires_in": ACCESS_LIFE // SECOND,
                              "scope": scope}  # fmt: skip
    if "offline_access" in scopes:
        body = {"client": client_id, "user": user_id, "scope": scope}
        answer["refresh_token"] = documents.create(draft, REFRESH, "", body).id
    return answer
