"""One call of the REST API as its handler sees it: who asks, on whose behalf, the query, the body, the state.

A call is admitted before its handler runs: the credential is looked up (401), writes with a read-only key are refused
(403), the request is counted when a limit is in force (429), and where the operation is attributed to a person the
``From`` header must name a user of the account unless the key is a user's own (PagerDuty: authentication, HTTP request
headers). Reading handlers get the committed state, writing ones a draft.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from flask import request

from simulators.engine import instants, limits
from simulators.engine.draft import Committed, Draft
from simulators.engine.errors import BadInstant, Refused, UnknownZone
from simulators.engine.resources import Document
from simulators.engine.web import credentials, transact, world
from simulators.engine.wire import read_json
from simulators.engine.zones import zone
from simulators.pagerduty.api.errors import NOT_A_HASH, Code, invalid, refuse
from simulators.pagerduty.model import API, API_KEYS, DOCUMENTS, INCIDENTS, Access, Agent, ApiKey, Incident, Knobs
from simulators.pagerduty.scopes import missing_scope

HOST = API.removeprefix("https://")
RATE_WINDOW = instants.MINUTE
DOCUMENTED_RATE = 960
MAX_BODY = 8 * 1024 * 1024
_RATE = "pagedrill.pagerduty.rate"


class Actor(StrEnum):
    """Whether an operation is attributed to a person named by ``From``."""

    NONE = "no"
    OPTIONAL = "optional"
    REQUIRED = "required"


@dataclass(frozen=True, slots=True)
class Links:
    """Where links point: ``api`` is the base of ``self`` (the host that was asked, so that clients can follow it),
    ``web`` that of ``html_url``."""

    api: str
    web: str


@dataclass(frozen=True, slots=True)
class Call:
    """See the module's text. ``ids`` are the path's variables, ``actor`` the user an operation is attributed to."""

    state: Committed
    ids: Mapping[str, str]
    key: ApiKey
    actor: Document | None
    body: Any = None

    @property
    def draft(self) -> Draft:
        """The draft of a writing operation."""
        if not isinstance(self.state, Draft):
            raise TypeError("a reading operation has no draft")
        return self.state

    @property
    def now(self) -> int:
        """Virtual time in microseconds UTC."""
        return self.state.now

    @property
    def knobs(self) -> Knobs:
        """PagerDuty's knobs in this world."""
        return self.state.knobs(Knobs)

    @property
    def agent(self) -> Agent:
        """The person an operation is attributed to, as log entries name one; refused (1008) when there is nobody."""
        if self.actor is None:
            raise refuse(Code.REQUESTER_NOT_FOUND)
        return Agent("user_reference", self.actor.id, "website")

    def document(self, kind: str, id: str) -> Document:
        """Return a document; raises the 404 of this API when it is not there."""
        found = self.state.get(DOCUMENTS[kind], id)
        if found is None or not self.settled(found):
            raise refuse(Code.NOT_FOUND)
        return found

    def settled(self, document: Document) -> bool:
        """Return whether a document can be found by now: the knob ``replica_lag_ms`` lets fresh ones wait."""
        lag = self.knobs.replica_lag_ms * 1000
        return not lag or document.created + lag <= self.now

    def owned(self, kind: str, id: str, owner: str) -> Document | Incident:
        """Return a document that belongs to ``owner`` (``""`` = to nobody), or an incident; raises 404 otherwise."""
        if kind == "incidents":
            return self.incident(id)
        found = self.document(kind, id)
        if owner and found.parent != owner:
            raise refuse(Code.NOT_FOUND)
        return found

    def incident(self, id: str) -> Incident:
        """Return the incident with this id or number; raises 404 when there is none."""
        found = self.state.get(INCIDENTS, id)
        if found is None and id.isascii() and id.isdigit() and len(id) < 19:
            found = next(iter(self.state.find(INCIDENTS, "number", int(id))), None)
        if found is None:
            raise refuse(Code.NOT_FOUND)
        return found

    # -- query -----------------------------------------------------------------------------------------------------

    def text(self, name: str) -> str | None:
        """Return a query parameter, ``None`` when absent or empty."""
        return request.args.get(name) or None

    def many(self, name: str) -> list[str]:
        """Return the values of a set filter, ``name[]=a&name[]=b``."""
        return request.args.getlist(name + "[]")

    def flag(self, name: str) -> bool:
        """Return a boolean query parameter: ``true`` or ``1``."""
        return request.args.get(name, "").lower() in {"true", "1"}

    def instant(self, name: str) -> int | None:
        """Return a date-time query parameter in microseconds UTC; without an offset it is read in the call's zone."""
        text = request.args.get(name)
        if not text:
            return None
        try:
            return instants.parse(unescaped_plus(text), self.zone)
        except BadInstant:
            raise refuse(Code.TIME_VALUES) from None

    def window(self, since: int, until: int) -> tuple[int, int]:
        """Return the range ``since`` to ``until`` of the query, completed by the defaults; refuses an inverted one."""
        start, end = self.instant("since"), self.instant("until")
        found = (since if start is None else start, until if end is None else end)
        if found[1] < found[0]:
            raise refuse(Code.DATE_RANGE)
        return found

    @property
    def zone(self) -> str:
        """The time zone answers are rendered in: the query's ``time_zone``, else the account's."""
        return zone_name(self.text("time_zone")) or self.knobs.time_zone


_RAILS_ZONES = {"UTC": "UTC", "Eastern Time (US & Canada)": "America/New_York"}


def zone_name(text: str | None) -> str | None:
    """Return a time zone name that exists, ``None`` for none; refuses any other."""
    if text is None:
        return None
    name = _RAILS_ZONES.get(text, text)
    try:
        zone(name)
    except UnknownZone:
        raise invalid("Time zone is invalid.") from None
    return name


def unescaped_plus(text: str) -> str:
    """Return a date whose offset lost its ``+`` to URL decoding with the sign put back."""
    return re.sub(r"(T\S+) (\d{2}:?\d{2})$", r"\1+\2", text)


# -- admission ---------------------------------------------------------------------------------------------------------


def credential() -> ApiKey:
    """Return the key of this request; raises 401 for none, an unknown, disabled or expired one."""
    here = world()
    scheme, rest = credentials() or ("", "")
    secret = rest
    if scheme == "token":
        match = re.fullmatch(r'token="?([^"\s]+)"?', rest)
        secret = match[1] if match else ""
    key = here.view.get(API_KEYS, secret) if secret else None
    live = key is not None and key.enabled and (key.expires is None or here.now < key.expires)
    if key is None or not live or key.scheme != scheme:
        raise refuse(Code.AUTHENTICATION)
    return key


def admit(key: ApiKey, method: str, path: str) -> None:
    """Refuse what a key may not do (403), by its access or its scopes, and more requests than allowed (429)."""
    knobs = world().view.knobs(Knobs)
    owner = key.user or key.id
    if knobs.requests_per_minute:
        _spend(owner, knobs.requests_per_minute)
        if knobs.incidents_per_minute and (method, path) == ("POST", "/incidents"):
            _spend(f"{owner} {method} {path}", knobs.incidents_per_minute)
    if key.access is Access.READ_ONLY and method != "GET":
        raise refuse(Code.ACCESS_DENIED)
    needed = missing_scope(key, method, path)
    if needed:
        refusal = refuse(Code.ACCESS_DENIED)
        refusal.body["error"] |= {"required_scopes": needed, "token_scopes": " ".join(key.scopes or ())}
        raise refusal


def _spend(owner: str, limit: int) -> None:
    """Count a request against one limit; the headers of the answer tell of the one that is nearest."""
    verdict: limits.Verdict = transact(_count, owner, limit)
    nearest: limits.Verdict | None = request.environ.get(_RATE)
    if nearest is None or verdict.remaining < nearest.remaining or not verdict.allowed:
        request.environ[_RATE] = verdict
    if not verdict.allowed:
        refusal = refuse(Code.RATE_LIMIT)
        del refusal.body["error"]["errors"]
        raise refusal


def _count(draft: Draft, owner: str, limit: int) -> limits.Verdict:
    return limits.spend(draft, f"pagerduty.rest.{owner}", limit=limit, window=RATE_WINDOW, sliding=True)


def rate_headers() -> dict[str, str]:
    """Return the ``ratelimit-*`` headers; without a limit in force nothing is counted and all of it is left."""
    here = world()
    verdict: limits.Verdict | None = request.environ.get(_RATE)
    if verdict is None:
        return _rate(DOCUMENTED_RATE, DOCUMENTED_RATE, RATE_WINDOW // instants.SECOND)
    clock = here.controls.state()
    speed = float(clock["rate"]) if clock["mode"] == "rate" else 1.0
    wait = max(verdict.reset - here.now, 0) / instants.SECOND / speed
    return _rate(verdict.limit, verdict.remaining, -int(-wait // 1))


def _rate(limit: int, remaining: int, reset: int) -> dict[str, str]:
    return {"ratelimit-limit": str(limit), "ratelimit-remaining": str(remaining), "ratelimit-reset": str(reset)}


def actor_of(state: Committed, key: ApiKey, rule: Actor) -> Document | None:
    """Return the user an operation is attributed to, by the From rule."""
    if key.user is not None:
        return state.get(DOCUMENTS["users"], key.user)
    if rule is Actor.NONE:
        return None
    sender = request.headers.get("From", "").strip()
    if not sender:
        if rule is Actor.OPTIONAL:
            return None
        refusal = refuse(Code.FROM_MISSING)
        del refusal.body["error"]["errors"]
        raise refusal
    found = state.find(DOCUMENTS["users"], "email", sender.lower())
    if not found:
        raise refuse(Code.REQUESTER_NOT_FOUND)
    return found[0]


def read_body(wrapper: str, *, bare: bool = False) -> Any:
    """Return the request's body, without its ``wrapper`` key when one is given; ``bare`` does without the key, too.

    Anything but a JSON object sent as JSON, or one whose wrapper holds something else, is "params must be a Hash".
    """
    if len(request.get_data(cache=True)) > MAX_BODY:
        raise Refused(413, {"error": {"message": "Payload Too Large", "code": 2001, "errors": []}})
    if request.mimetype != "application/json" and not request.mimetype.endswith("+json"):
        raise invalid(NOT_A_HASH)
    try:
        body = read_json(request.get_data(cache=True))
    except ValueError:
        raise invalid(NOT_A_HASH) from None
    if not isinstance(body, dict):
        raise invalid(NOT_A_HASH)
    if not wrapper or (bare and wrapper not in body):
        return body
    found = body.get(wrapper)
    if not isinstance(found, dict):
        raise invalid(NOT_A_HASH)
    return found


def links() -> Links:
    """Return where the links of this request's answers point."""
    subdomain = world().view.knobs(Knobs).subdomain
    api = API if request.host == HOST else f"{request.scheme}://{request.host}"
    return Links(api, f"https://{subdomain}.pagerduty.com")
