"""Connecting PagerDuty from ThousandEyes' pages: an attempt begins here, PagerDuty's page decides, its answer ends it.

An *attempt* remembers which browser went to PagerDuty, so that an answer somebody else brings is not taken. PagerDuty
answers with one document: a key for every service that was picked, and the account. Each service then has a line that
says what came of it (:mod:`~simulators.thousandeyes.native`). An answer counts once; asking for it again shows what it
came to. Which alert rules notify an integration is part of the rules and can be chosen here, too.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from simulators.engine import ids, instants
from simulators.engine.draft import Draft, View
from simulators.engine.errors import EngineError
from simulators.engine.resources import thaw
from simulators.engine.tables import TableKey
from simulators.thousandeyes import commands, native
from simulators.thousandeyes.model import INTEGRATIONS, RULES, AlertRule, Integration

#: PagerDuty's host for installing, and the app it knows ThousandEyes by.
PAGERDUTY_HOST = "app.pagerduty.com"
PAGERDUTY_APP = "PTHEYES"
BOTH = "create_alerts_and_incidents"
#: How long attempts and what they came to are kept.
KEPT = 24 * instants.HOUR
_STATE = ids.hexadecimal(32)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One way to PagerDuty and back. ``id`` travels along, ``browser`` is who went; ``lines`` and ``problem`` are what
    it came to when it is ``done``."""

    id: str
    browser: str
    begun: int
    done: bool = False
    lines: tuple[native.Line, ...] = ()
    problem: str = ""


ATTEMPTS: TableKey[Attempt] = TableKey("thousandeyes.pagerduty_attempts")


class Unreadable(EngineError):
    """An answer of PagerDuty's that is no configuration; the message says what is wrong with it."""


def begin(draft: Draft, browser: str) -> Attempt:
    """Begin an attempt."""
    return _keep(draft, Attempt(draft.fresh(_STATE, "te.pagerduty.state"), browser, draft.now))


def _keep(draft: Draft, attempt: Attempt) -> Attempt:
    """Keep an attempt, and forget those nobody will ask for any more."""
    for row in [row for row in draft.all(ATTEMPTS) if draft.now >= row.begun + KEPT]:
        draft.delete(ATTEMPTS, row.id)
    draft.put(ATTEMPTS, attempt)
    return attempt


def read(document: Any) -> tuple[list[native.Service], str]:
    """Return the services and the subdomain in PagerDuty's answer, given as JSON text or already read.

    The account's name is not needed and may be missing; more about a service than is known here does no harm. Raises
    :class:`Unreadable`.
    """
    try:
        document = json.loads(document) if isinstance(document, str) else document
        json.dumps(document, ensure_ascii=False).encode()  # half a character can be written in JSON, and nowhere else
    except (ValueError, RecursionError) as problem:
        raise Unreadable(f"config is not JSON: {problem}") from None
    keys = document.get("integration_keys") if isinstance(document, Mapping) else None
    if not isinstance(keys, list) or not all(isinstance(row, Mapping) for row in keys):
        raise Unreadable("config has no array of integration_keys")
    account = document.get("account")
    subdomain = account.get("subdomain") if isinstance(account, Mapping) else None
    return [_service(row) for row in keys], subdomain if isinstance(subdomain, str) else ""


def _service(row: Mapping[str, Any]) -> native.Service:
    texts = {name: row[name] if isinstance(row.get(name), str) else "" for name in ("id", "name", "type")}
    name = texts["name"] or texts["id"] or "unnamed"
    if texts["type"] not in ("service", ""):
        return native.Service(texts["id"], name, error=f"only services can be integrated, not a {texts['type']}")
    key = row.get("integration_key")
    able = row.get("alert_creation", BOTH) == BOTH
    if not isinstance(key, str) or not key:
        return native.Service(texts["id"], name, able)
    if not native.is_key(key):
        return native.Service(texts["id"], name, able, error="PagerDuty's integration key cannot be read")
    return native.Service(texts["id"] or key, name, able, key)


def finish(draft: Draft, attempt: Attempt, answer: Mapping[str, str]) -> Attempt:
    """End an attempt by PagerDuty's answer, ``config`` or ``error``; return it with its lines or its problem."""
    if attempt.done:
        return attempt
    ended = replace(attempt, done=True)
    if answer.get("error"):
        told = answer["error"]
        ended = replace(ended, problem="You cancelled at PagerDuty." if told == "cancelled" else f"PagerDuty: {told}")
    else:
        try:
            services, subdomain = read(answer.get("config", ""))
        except Unreadable as problem:
            ended = replace(ended, problem=f"PagerDuty's answer cannot be read: {problem}")
        else:
            lines = native.install(draft, services, subdomain=subdomain or "example")
            ended = replace(ended, lines=tuple(lines), problem="" if lines else "No service was picked.")
    draft.put(ATTEMPTS, ended)
    return ended


def pasted(draft: Draft, browser: str, name: str, key: str) -> Attempt:
    """Integrate a service by a key somebody pasted; the result is kept like that of an attempt."""
    line = native.paste(draft, name or "PagerDuty", key)
    return _keep(draft, Attempt(draft.fresh(_STATE, "te.pagerduty.state"), browser, draft.now, True, (line,)))


# -- rules -------------------------------------------------------------------------------------------------------------


def notified_by(view: View, integration_id: str) -> list[AlertRule]:
    """Return the alert rules that notify an integration."""
    return [rule for rule in view.all(RULES) if integration_id in _named(rule)]


def _named(rule: AlertRule) -> list[str]:
    return [str(item.get("integrationId")) for item in rule.notifications.get("thirdParty") or ()]


def assign(draft: Draft, integration: Integration, rules: Collection[str]) -> None:
    """Let exactly the alert rules ``rules`` notify an integration; the others no longer do."""
    for rule in list(draft.all(RULES)):
        if (rule.id in rules) == (integration.id in _named(rule)):
            continue
        told = thaw(rule.notifications)
        items = [item for item in told.get("thirdParty") or [] if item.get("integrationId") != integration.id]
        if rule.id in rules:
            items.append({"integrationId": integration.id, "integrationType": integration.kind})
        commands.update_rule(draft, rule.id, notifications={**told, "thirdParty": items})


def services(view: View) -> list[Integration]:
    """Return the integrations with PagerDuty services."""
    return [row for row in view.all(INTEGRATIONS) if row.kind == native.KIND]
