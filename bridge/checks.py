"""``bridge check``: is everything in place before the night it is needed?

Each check is a finding with its remedy. Nobody is woken: an integration key is tried by resolving an alert that never
was, which PagerDuty takes and drops; ``--send-test-event`` pages for real, and resolves at once.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any

import httpx

from bridge import people, reconcile, runbook, sending, translate
from bridge.config import SECOND, Config, Storage
from bridge.delivery import TRANSPORT_ERRORS, Verdict
from bridge.errors import BridgeProblem, NoStore
from bridge.messages import text
from bridge.storage import Outgoing
from bridge.store import FIXED_WAL, is_served, reading
from bridge.thousandeyes import Api, ApiProblem
from bridge.verdict import named

NEVER_TRIGGERED = "pagedrill-bridge-check"
LITTLE_SPACE = 200_000_000
SKEW_NOTED, SKEW_BAD = 30, 300


class Level(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found, and what to do about it."""

    level: Level
    what: str
    words: str
    remedy: str = ""


def configuration(config: Config) -> Iterator[Finding]:
    """Check what can be seen without asking anybody."""
    for warning in config.warnings:
        yield Finding(Level.WARNING, "configuration", warning)
    used = {route.key for route in config.routes} | {config.self_alert.key, config.canary.key}
    for name in config.keys:
        if name not in used:
            yield Finding(
                Level.WARNING, "configuration", f"no route leads to the key {name}", "Remove it, or route to it."
            )
    catching = [route.name for route in config.routes[:-1] if route == type(route)(route.name, route.key)]
    if catching:
        words = f"the routes behind {catching[0]} are never reached, because it matches everything"
        yield Finding(Level.WARNING, "configuration", words, "Move it to the end, or give it a condition.")
    routed = {route.key for route in config.routes}
    for section, watch in (("self_alert", config.self_alert), ("canary", config.canary)):
        if watch.key in routed:
            words = f"{section}.key is a key that alerts are routed to, too"
            yield Finding(Level.WARNING, "configuration", words, "Give it an integration key of a service of its own.")
    if config.self_alert.key is None:
        words = "nobody is paged when the bridge itself cannot do its job"
        yield Finding(Level.WARNING, "configuration", words, "Set self_alert.key.")
    yield Finding(Level.OK, "configuration", f"{len(config.keys)} keys, {len(config.routes)} routes")


def storage(config: Config) -> Iterator[Finding]:
    """Check the store: reachable, whole, private, with room."""
    if config.store.postgresql is None:
        yield from _file(config.store)
        return
    try:
        with reading(config.store) as store:
            led = store.is_led()
    except NoStore as nothing:
        yield Finding(Level.OK, "storage", f"PostgreSQL answers; {nothing}")
        return
    except BridgeProblem as problem:
        yield Finding(Level.PROBLEM, "storage", str(problem), "Check store.postgresql and the database.")
        return
    yield Finding(
        Level.OK, "storage", "PostgreSQL answers; " + ("a bridge holds the lock" if led else "no bridge runs")
    )


def _file(stored: Storage) -> Iterator[Finding]:
    path = stored.path
    folder = path.absolute().parent
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        yield Finding(
            Level.PROBLEM, "storage", f"{folder} is no writable folder", "Make it, owned by the bridge's user."
        )
        return
    room = os.statvfs(folder)
    if room.f_bavail * room.f_frsize < LITTLE_SPACE:
        words = f"only {room.f_bavail * room.f_frsize // 1_000_000} MB are left in {folder}"
        yield Finding(Level.WARNING, "storage", words, "Make room: a full disk refuses notifications.")
    if sqlite3.sqlite_version_info < FIXED_WAL:
        words = f"SQLite {sqlite3.sqlite_version} can damage a store that two programs write"
        yield Finding(Level.WARNING, "storage", words, "Let nothing but the bridge open it for writing.")
    if not path.exists():
        yield Finding(Level.OK, "storage", f"{path} will be made when the bridge is first served")
        return
    for name in (path, *(path.with_name(path.name + end) for end in ("-wal", "-shm", ".lock"))):
        if name.exists() and name.stat().st_mode & 0o077:
            yield Finding(Level.WARNING, "storage", f"others can read {name}", f"chmod 600 {name}")
    try:
        with reading(stored) as store:
            damage = store.row("PRAGMA quick_check(1)")
    except BridgeProblem as problem:
        yield Finding(Level.PROBLEM, "storage", str(problem), "Move the file away and start afresh, or restore it.")
        return
    if damage != ("ok",):
        yield Finding(Level.PROBLEM, "storage", f"{path} is damaged: {damage}", "Restore it; keep the damaged file.")
        return
    yield Finding(
        Level.OK, "storage", f"{path} is whole; " + ("a bridge serves it" if is_served(path) else "not served")
    )


def events(config: Config, client: httpx.Client, now: int, test: str | None = None) -> Iterator[Finding]:
    """Check that PagerDuty takes events with each key, and whether the clocks agree."""
    for name, secret in config.keys.items():
        sends = [("resolve", NEVER_TRIGGERED)]
        if name == test:
            sends = [("trigger", f"{NEVER_TRIGGERED}-{now}"), ("resolve", f"{NEVER_TRIGGERED}-{now}")]
        for action, key in sends:
            body = translate.plain(action, key, "Test event of the bridge; it is resolved at once", "info", {})
            event = Outgoing(0, key, name, action, body, now, 0, now)
            exchange = sending.send(client, config.pagerduty, event, secret.value)
            if exchange.verdict is Verdict.SENT:
                did = "has taken a resolve that changes nothing" if name != test else f"has taken the test {action}"
                yield Finding(Level.OK, f"key {name}", f"PagerDuty {did}")
                continue
            words = exchange.words or "no words"
            refused = exchange.verdict is Verdict.REJECTED
            entry = runbook.CAUSES["rejected"] if refused else runbook.TROUBLES[named(exchange.verdict, words)]
            yield Finding(Level.PROBLEM, f"key {name}", words, entry.remedy)
    if test is not None and test not in config.keys:
        yield Finding(Level.PROBLEM, "test event", f"there is no key {test}", f"[keys] has {', '.join(config.keys)}.")


def clock(config: Config, client: httpx.Client, now: int) -> Iterator[Finding]:
    """Check our clock against the Date header of PagerDuty's host."""
    try:
        with client.stream("GET", config.pagerduty.events_url, follow_redirects=False) as response:
            date = response.headers.get("Date", "")
        there = int(parsedate_to_datetime(date).timestamp())
    except (*TRANSPORT_ERRORS, ValueError, TypeError):
        yield Finding(Level.WARNING, "clock", "could not be compared: PagerDuty's host did not say its time")
        return
    skew = now // SECOND - there
    level = Level.OK if abs(skew) < SKEW_NOTED else Level.WARNING if abs(skew) < SKEW_BAD else Level.PROBLEM
    remedy = "" if level is Level.OK else "Let the machine keep time (chrony, systemd-timesyncd)."
    yield Finding(level, "clock", f"{abs(skew)} s {'ahead' if skew > 0 else 'behind'} of PagerDuty's host", remedy)


def incidents(config: Config, client: httpx.Client) -> Iterator[Finding]:
    """Check the REST token, when there is one."""
    if config.incidents.api_token is None:
        return
    status, _ = people.ask(client, config.incidents, "/incidents", limit="1")
    if status == 200:
        yield Finding(Level.OK, "incidents", "the REST token works")
    else:
        yield Finding(
            Level.PROBLEM, "incidents", f"HTTP {status}", "Make a read-only REST API key: incidents.api_token."
        )


def wiring(config: Config, client: httpx.Client, now: int) -> Iterator[Finding]:
    """Check the ThousandEyes token, and find rules that page twice or not at all through here."""
    settings = config.thousandeyes
    if settings.token is None:
        yield Finding(Level.WARNING, "thousandeyes", "lost webhooks stay lost", "Set thousandeyes.token to reconcile.")
        return
    api = Api(client, settings, now, budget=200)
    ours = 0
    try:
        for group in settings.account_groups or (None,):
            for brief in api.rules(group):
                rule = api.rule(group, text(brief.get("ruleId"))) or brief
                mine = reconcile.is_ours(rule, settings)
                ours += mine
                if mine and _is_native(rule):
                    words = f"rule {text(rule.get('ruleName'))!r} notifies PagerDuty twice: natively and through here"
                    yield Finding(Level.PROBLEM, "thousandeyes", words, "Remove one of the two from the rule.")
    except ApiProblem as problem:
        yield Finding(Level.PROBLEM, "thousandeyes", str(problem), "Check thousandeyes.token and its rights.")
        return
    if not ours:
        words = "no alert rule notifies one of thousandeyes.integrations"
        yield Finding(Level.WARNING, "thousandeyes", words, "Add the webhook to a rule, or correct the ids.")
    yield Finding(Level.OK, "thousandeyes", f"the token works; {ours} rules lead here")


def _is_native(rule: Mapping[str, Any]) -> bool:
    return any(item.get("integrationType") == "pager-duty" for item in reconcile.notified(rule))
