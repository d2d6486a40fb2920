"""Every setting of the bridge as one table: its name, what may be written there, its default and what it is for.

The table drives reading, the messages about mistakes, and the reference page ``docs/bridge-configuration.md``, so the
three cannot disagree. Rules that tie several settings together are in :mod:`bridge.config`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bridge.errors import ConfigError

LOOPBACK = ("127.0.0.1", "localhost", "::1")
AUTHENTICATION = ("none", "basic", "bearer", "header")
LEAVE, RETRIGGER = "leave", "retrigger"


class Kind(StrEnum):
    """What may be written for a setting."""

    TEXT = "a text in quotes"
    NUMBER = "a whole number"
    FLAG = "true or false"
    TEXTS = "a text or a list of texts"
    SECRET = "a table such as { file = 'NAME' } or { env = 'NAME' }"  # noqa: S105 - says how to write one
    SECRETS = "a list of tables such as { file = 'NAME' } or { env = 'NAME' }"
    URL = "an https URL without user and password"
    PATH = "a path, relative to the document"
    TABLES = "a list of tables"
    TABLE = "a table"


@dataclass(frozen=True, slots=True)
class Setting:
    """One key of one section; ``low`` and ``high`` bound a number, ``choices`` a text."""

    name: str
    kind: Kind
    default: Any
    says: str
    low: int = 0
    high: int = 0
    choices: tuple[str, ...] = ()


def _text(name: str, default: str | None, says: str, choices: tuple[str, ...] = ()) -> Setting:
    return Setting(name, Kind.TEXT, default, says, choices=choices)


def _number(name: str, default: int, low: int, high: int, says: str) -> Setting:
    return Setting(name, Kind.NUMBER, default, says, low, high)


SECTIONS: dict[str, tuple[str, tuple[Setting, ...]]] = {
    "receiver": (
        "How webhooks come in. Put a TLS proxy in front; the bridge itself speaks plain HTTP.",
        (
            _text("listen", "127.0.0.1:8085", "Address and port to listen on."),
            _text("source", "thousandeyes", "Names this source in dedup keys; never change it while alerts are open."),
            _text("auth", "none", "How senders prove themselves.", AUTHENTICATION),
            _text("username", "", "User name for `basic`."),
            _text("header", "", "Name of the header that carries the secret, for `header`."),
            Setting("secrets", Kind.SECRETS, (), "One secret, or two while you change it: either is accepted."),
            _number("max_body_bytes", 1_000_000, 1_000, 100_000_000, "Larger bodies are refused with 413."),
            _number(
                "threads", 32, 1, 200, "Requests handled at the same time; what waits together is flushed together."
            ),
            _number("connections", 500, 10, 10_000, "Open connections; more have to wait."),
            _number("idle_seconds", 60, 1, 3600, "A connection on which nothing happens for so long is closed."),
        ),
    ),
    "store": (
        "Where notifications and events are kept.",
        (
            Setting("path", Kind.PATH, "bridge.db", "SQLite file; its folder must be writable."),
            Setting(
                "postgresql",
                Kind.SECRET,
                None,
                "Connection string of a PostgreSQL database, instead of the file: several bridges may share it.",
            ),
            _number("retention_days", 30, 1, 3_650, "Finished alerts and events are deleted after so many days."),
        ),
    ),
    "pagerduty": (
        "How events go out.",
        (
            Setting("events_url", Kind.URL, "https://events.pagerduty.com/v2/enqueue", "Events API v2."),
            Setting("ca_file", Kind.PATH, None, "Certificates to trust instead of the system's."),
            _number("events_per_minute", 120, 1, 100_000, "Pace for each integration key; PagerDuty takes about 120."),
            _number("max_age_seconds", 86_400, 60, 2_592_000, "An event that fails for so long becomes a dead letter."),
            _number(
                "timeout_seconds",
                10,
                1,
                300,
                "For connecting, each read and each write; all together end after three times that.",
            ),
            Setting(
                "coalesce", Kind.FLAG, False, "Drop a trigger nobody tried yet when its clear arrives, and the clear."
            ),
            _number("jitter_seed", 0, 0, 2**63, "Seed of the jitter of retries."),
        ),
    ),
    "event": (
        "What an event says. Templates take fields in braces, see below.",
        (
            _text("summary", None, "Template of the summary."),
            Setting("links", Kind.TABLES, (), "Links to add: `{ href = TEMPLATE, text = TEMPLATE }`."),
            Setting("details", Kind.TABLE, {}, "Details to add: names and templates."),
            Setting("all_details", Kind.FLAG, True, "Also send what the notification says, not only `details`."),
        ),
    ),
    "incidents": (
        "What PagerDuty tells about incidents; optional.",
        (
            Setting("webhook_secrets", Kind.SECRETS, (), "Secrets of v3 webhook subscriptions to `POST /pagerduty`."),
            Setting("api_url", Kind.URL, "https://api.pagerduty.com", "REST API."),
            Setting("api_token", Kind.SECRET, None, "Read-only REST token: finds the alerts of an incident."),
            _text(
                "resolved_by_person",
                LEAVE,
                "When a person resolves an incident whose alert is active: leave it, or trigger again later.",
                (LEAVE, RETRIGGER),
            ),
            _number("retrigger_minutes", 30, 1, 10_080, "How much later `retrigger` opens a new incident."),
        ),
    ),
    "thousandeyes": (
        "Reconciliation with the ThousandEyes API; on when there is a token.",
        (
            Setting("token", Kind.SECRET, None, "API token of a user who may view alerts and alert rules."),
            Setting("api_url", Kind.URL, "https://api.thousandeyes.com/v7", "API v7."),
            Setting("account_groups", Kind.TEXTS, (), "Account groups to look at; none: the token's own."),
            Setting("integrations", Kind.TEXTS, (), "Ids of the webhook integrations that lead here."),
            Setting("rules", Kind.TEXTS, (), "Rules (ids, or names as globs) to care for whatever they notify."),
            _number("every_seconds", 300, 60, 86_400, "How often to look."),
            _number("after_seconds", 3_900, 0, 86_400, "Leave alerts to the webhooks for so long (they retry 1 h)."),
            _number("requests_per_minute", 60, 1, 240, "Share of the organisation's 240 requests a minute."),
        ),
    ),
    "network": (
        "How requests leave.",
        (Setting("proxy", Kind.URL, None, "HTTP proxy for all requests; the environment's proxies are ignored."),),
    ),
    "self_alert": (
        "The bridge pages its own operators when it cannot do its job; on when there is a key.",
        (
            _text("key", None, "Name of the integration key, best one of another service than the rest."),
            _number("after_seconds", 300, 0, 86_400, "How long something must be wrong."),
        ),
    ),
    "canary": (
        "A marked alert that is opened, acknowledged and resolved on a schedule; on when there is a key.",
        (
            _text("key", None, "Name of the integration key of a service that wakes nobody."),
            _number("every_minutes", 60, 1, 10_080, "How often."),
        ),
    ),
}
#: Sections whose keys the user names.
FREE = {
    "keys": "Integration keys of PagerDuty services by a name of yours, each `{ file = … }` or `{ env = … }`.",
    "routing": "`default` names the key for what no `[[routing.route]]` matches; the first matching route wins.",
    "severity": "PagerDuty severity for each ThousandEyes severity, and for `missing` ones.",
}
ROUTE: tuple[Setting, ...] = (
    _text("name", None, "Shown by `trace`; default `route-N`."),
    _text("key", None, "Name of the integration key; required."),
    _text("rule", None, "Glob for the name of the alert rule."),
    _text("test", None, "Glob for the name of the test."),
    Setting("labels", Kind.TEXTS, (), "Globs; one of the test's labels must match one of them."),
    Setting("severity", Kind.TEXTS, (), "ThousandEyes severities, such as `Critical`."),
    Setting("account_group", Kind.TEXTS, (), "Ids of account groups."),
    _text("type", None, "Glob for the type of the alert, such as `HTTP Server`."),
    Setting("static", Kind.TABLE, {}, "Static keys of the rule's webhook settings: names and globs."),
)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where secrets and relative paths come from, and whether others can read the document."""

    environ: Mapping[str, str]
    base: Path
    mode: int


class Section:
    """A table of the document that knows its name and which of its keys were asked for."""

    def __init__(self, table: Any, name: str, around: Surroundings, warnings: list[str]) -> None:
        if not isinstance(table, Mapping):
            raise ConfigError(f"{name}: write a table")
        self.table = table
        self.name = name
        self.around = around
        self.warnings = warnings

    def at(self, key: str) -> str:
        """Return the full name of a key."""
        return f"{self.name}.{key}" if self.name else key

    def inner(self, key: str) -> Section:
        """Return the section ``key``, empty when it is not there."""
        return Section(self.table.get(key, {}), self.at(key), self.around, self.warnings)

    def read(self, settings: tuple[Setting, ...]) -> dict[str, Any]:
        """Return all settings, checked one by one, defaults filled in; refuse keys that are none."""
        self.only([setting.name for setting in settings])
        return {setting.name: self._read(setting) for setting in settings}

    def only(self, known: list[str]) -> None:
        """Refuse keys that are not ``known``."""
        for key in self.table:
            if key not in known:
                raise ConfigError(f"{self.at(key)}: unknown key; known here: {', '.join(known)}")

    def text(self, key: str) -> str:
        """Return a text that must be there."""
        value = self.table.get(key)
        if not isinstance(value, str):
            raise ConfigError(f"{self.at(key)}: write {Kind.TEXT}")
        return value

    def secret(self, key: str) -> str:
        """Return the secret ``key`` refers to."""
        return _secret(self.table[key], self.at(key), self.around, self.warnings)

    def _read(self, setting: Setting) -> Any:
        where, kind = self.at(setting.name), setting.kind
        if setting.name not in self.table:
            absent = setting.default
            return self.around.base / absent if kind is Kind.PATH and absent is not None else absent
        value: Any = self.table[setting.name]
        if kind is Kind.SECRET:
            return self.secret(setting.name)
        if kind is Kind.SECRETS:
            if not isinstance(value, list):
                raise ConfigError(f"{where}: write {kind}")
            return tuple(
                _secret(item, f"{where}[{index}]", self.around, self.warnings) for index, item in enumerate(value)
            )
        if kind is Kind.TEXTS and isinstance(value, str):
            value = [value]
        kinds = _TYPES[kind]
        inner = (list, str) if kind is Kind.TEXTS else (list, Mapping) if kind is Kind.TABLES else None
        if (
            not isinstance(value, kinds)
            or (isinstance(value, bool) and kind is not Kind.FLAG)
            or (inner is not None and not all(isinstance(item, inner[1]) for item in value))
        ):
            raise ConfigError(f"{where}: write {wanted(setting)}")
        if kind is Kind.NUMBER and not setting.low <= value <= setting.high:
            raise ConfigError(f"{where}: write {wanted(setting)}")
        if setting.choices and value not in setting.choices:
            raise ConfigError(f"{where}: write {wanted(setting)}")
        if kind is Kind.URL:
            _check_url(value, where)
        if kind is Kind.PATH:
            return self.around.base / value
        return tuple(value) if isinstance(value, list) else value


_TYPES: dict[Kind, Any] = {
    Kind.TEXT: str,
    Kind.URL: str,
    Kind.PATH: str,
    Kind.NUMBER: int,
    Kind.FLAG: bool,
    Kind.TEXTS: list,
    Kind.TABLES: list,
    Kind.TABLE: Mapping,
}


def wanted(setting: Setting) -> str:
    """Return what may be written for a setting, in words."""
    if setting.choices:
        return f"one of {', '.join(setting.choices)}"
    if setting.kind is Kind.NUMBER:
        return f"a whole number from {setting.low} to {setting.high}"
    return setting.kind.value


def _secret(item: Any, where: str, around: Surroundings, warnings: list[str]) -> str:
    given = [key for key in ("file", "env", "value") if isinstance(item, Mapping) and key in item]
    if len(given) != 1 or len(item) != 1 or not isinstance(item[given[0]], str):
        raise ConfigError(f"{where}: write exactly one of file, env or value, as in {{ file = 'NAME' }}")
    kind = given[0]
    what: str = item[kind]
    if kind == "env":
        if what not in around.environ:
            raise ConfigError(f"{where}: environment variable {what} is not set")
        what = around.environ[what]
    elif kind == "file":
        path = around.base / what
        try:
            what = path.read_text(encoding="utf-8").strip("\r\n")
            if path.stat().st_mode & 0o077:
                warnings.append(f"{where}: others can read {path}: chmod 600 it")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{where}: {path} cannot be read ({why(error)})") from None
    elif around.mode & 0o077:
        warnings.append(f"{where} is inline and others can read the file: chmod 600 it, or use file or env")
    if not what:
        raise ConfigError(f"{where}: the secret is empty")
    if not what.isprintable():
        raise ConfigError(f"{where}: the secret contains a line break or another control character")
    return what


def why(error: Exception) -> str:
    """Return why a file could not be read, in few words."""
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return "not UTF-8"


def address(text: str, where: str) -> tuple[str, int]:
    """Return host and port of ``host:port``."""
    host, _, port = text.rpartition(":")
    if not host or not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > 65535:
        raise ConfigError(f"{where}: write host:port, e.g. 127.0.0.1:8085")
    return host.strip("[]"), int(port)


def _check_url(url: str, where: str) -> None:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ConfigError(f"{where}: not a URL") from None
    if not host or parts.username or parts.scheme not in ("http", "https") or parts.query or parts.fragment:
        raise ConfigError(f"{where}: write {Kind.URL}")
    if parts.scheme == "http" and host not in LOOPBACK and not where.endswith(".proxy"):
        raise ConfigError(f"{where}: only https leaves this machine")
