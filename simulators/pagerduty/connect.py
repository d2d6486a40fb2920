"""Connecting another product: which services somebody may pick, and what that product gets back.

Two flows lead here. *Simple install* lets somebody pick several services, or make one, and sends the browser back with
all their keys as one JSON document. *Classic connect* is about one service and sends its key back as a parameter. Only
services that create both alerts and incidents can be picked, and only by people who may change services. Nothing is
made before somebody confirms, and cancelling makes nothing (PagerDuty: events integration; what comes back on
cancelling, and who may install, is assumed).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from simulators.engine.draft import View
from simulators.engine.journal import Entry
from simulators.engine.resources import Document
from simulators.engine.tables import TableKey
from simulators.pagerduty import oauth
from simulators.pagerduty.account import Account, name
from simulators.pagerduty.model import DOCUMENTS, Knobs

BOTH = "create_alerts_and_incidents"
#: Roles that may add integrations to services; a user without a role is a manager.
INSTALLERS = ("owner", "admin", "user")
CANCELLED = {"error": "cancelled"}


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody logged in; ``id`` is the name of their browser."""

    id: str
    user: str
    at: int


SESSIONS: TableKey[Session] = TableKey("pagerduty.sessions")
TABLES: tuple[TableKey[Any], ...] = (SESSIONS, *oauth.TABLES)


@dataclass(frozen=True, slots=True)
class Choice:
    """A service on the page. ``reason`` says why it cannot be picked, ``note`` what to know about it."""

    id: str
    name: str
    reason: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Key:
    """An integration key that was made, or none (``""``) where PagerDuty makes none."""

    key: str
    service: Document


def may_install(user: Document) -> bool:
    """Return whether a user may add integrations to services."""
    return (user.body.get("role") or "user") in INSTALLERS


def makes_both(service: Document) -> bool:
    """Return whether a service creates alerts and incidents."""
    return (service.body.get("alert_creation") or BOTH) == BOTH


def choices(view: View) -> list[Choice]:
    """Return every service by name, with the reason for each that cannot be picked."""
    offers_all = view.knobs(Knobs).install_offers_all
    rows = sorted(view.all(DOCUMENTS["services"]), key=lambda row: str(row.body.get("name") or "").casefold())
    return [
        Choice(
            row.id,
            str(row.body.get("name") or row.id),
            "" if makes_both(row) or offers_all else "creates incidents without alerts",
            "disabled: its events are dropped" if row.body.get("status") == "disabled" else "",
        )
        for row in rows
    ]


def policies(view: View) -> list[Document]:
    """Return the escalation policies a new service may have, by name."""
    return sorted(view.all(DOCUMENTS["escalation_policies"]), key=lambda row: str(row.body.get("name")).casefold())


def problem(view: View, picked: Sequence[str], makes_one: bool, most: int | None) -> str:
    """Return what is wrong with a choice, ``""`` when nothing is; ``most`` bounds the number of services."""
    known = {choice.id: choice for choice in choices(view)}
    if not picked and not makes_one:
        return "Pick a service, or name a new one."
    if most is not None and len(picked) + makes_one > most:
        return "Pick one service only." if most == 1 else f"Pick at most {most} services."
    for id in picked:
        if id not in known:
            return f"The account has no service {id}."
        if known[id].reason:
            return f"{known[id].name} cannot be picked: it {known[id].reason}."
    return ""


def config(knobs: Knobs, keys: Iterable[Key]) -> dict[str, Any]:
    """Return what the install flow sends back: a key per service, and the account.

    A service without alerts gets no key; its entry then says what it creates.
    """
    entries = []
    for made in keys:
        entry: dict[str, Any] = {
            "integration_key": made.key or None,
            "name": made.service.body.get("name"),
            "id": made.service.id,
            "type": "service",
        }
        if not makes_both(made.service):
            entry["alert_creation"] = made.service.body.get("alert_creation")
        entries.append(entry)
    called = "Name" if knobs.install_capital_name else "name"
    return {
        "integration_keys": entries,
        "account": {"subdomain": knobs.subdomain, called: knobs.subdomain.capitalize()},
    }


def with_query(url: str, parameters: Mapping[str, str]) -> str:
    """Return ``url`` with more query parameters; its own ones and its fragment stay."""
    parts = urlsplit(url)
    query = "&".join(part for part in (parts.query, urlencode(parameters, quote_via=quote)) if part)
    return urlunsplit(parts._replace(query=query))


def query_of(url: str) -> dict[str, str]:
    """Return the query parameters of a URL."""
    return dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))


def compact(document: Mapping[str, Any]) -> str:
    """Return a document as the JSON that travels in a URL."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def sentence(account: Account, entry: Entry) -> tuple[str, str] | None:
    """Return an entry of these flows as a line of the timeline and its reason, ``None`` for any other."""
    data = entry.data
    if entry.kind == "connect.cancelled":
        return f"connecting {entry.subject} was cancelled", ""
    if entry.kind == "connect.installed":
        return f"{data['app']} is connected with {', '.join(data['services'])}", f"by {_person(account, data['user'])}"
    if entry.kind == "oauth.consented":
        return f"{_person(account, data['user'])} lets {data['app']} act for them", f"scopes {data['scopes']}"
    return None


def _person(account: Account, id: str) -> str:
    return name(account, "users", id)
