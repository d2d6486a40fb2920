"""The configuration as frozen values, read from one TOML document and checked completely.

::

    [receiver]
    auth = "basic"
    username = "thousandeyes"
    secrets = [{ file = "webhook-password" }]

    [keys]                              # integration keys by name; the database only ever holds the name
    operations = { file = "operations.key" }
    databases = { env = "DATABASES_KEY" }

    [routing]
    default = "operations"              # taken when no route matches

    [[routing.route]]                   # first match wins; all conditions of a route must hold
    key = "databases"
    rule = "db *"

:mod:`bridge.settings` has every setting with its default; here are the rules that tie several together. Secrets come
from ``file``, ``env`` or, for tests and demonstrations, ``value``.
"""

from __future__ import annotations

import os
import re
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bridge import settings, wording
from bridge.errors import ConfigError
from bridge.settings import LOOPBACK, ROUTE, SECTIONS, Section, Surroundings, why
from bridge.wording import Link, Wording, template

SECOND = 1_000_000
MINUTE = 60 * SECOND
DAY = 24 * 60 * MINUTE
PAGERDUTY_SEVERITIES = ("critical", "error", "warning", "info")
#: Sources the bridge itself writes; see :mod:`bridge.people` and :mod:`bridge.watch`.
RESERVED = ("pagerduty", "bridge")
_KEY = re.compile(r"[A-Za-z0-9]{32}")
_HEADER = re.compile(r"[A-Za-z0-9-]{1,100}")
_SEVERITY = {"Info": "warning", "Minor": "warning", "Major": "error", "Critical": "critical"}


@dataclass(frozen=True, slots=True)
class Secret:
    """A value that never appears in a representation."""

    value: str = field(repr=False)

    def __str__(self) -> str:
        return "***"


@dataclass(frozen=True, slots=True)
class Receiver:
    """How webhooks come in; ``secrets`` are the one or two valid at the moment."""

    host: str = "127.0.0.1"
    port: int = 8085
    source: str = "thousandeyes"
    auth: str = "none"
    username: str = ""
    header: str = ""
    secrets: tuple[Secret, ...] = ()
    max_body: int = 1_000_000
    threads: int = 16
    connections: int = 500
    idle: int = 60


@dataclass(frozen=True, slots=True)
class Storage:
    """A SQLite file, or a PostgreSQL database when ``postgresql`` is its connection string; retention in µs."""

    path: Path = Path("bridge.db")
    postgresql: Secret | None = None
    retention: int = 30 * DAY


@dataclass(frozen=True, slots=True)
class PagerDuty:
    """How events go out; ages and timeouts in microseconds and seconds respectively."""

    events_url: str = "https://events.pagerduty.com/v2/enqueue"
    ca_file: Path | None = None
    events_per_minute: int = 120
    max_age: int = DAY
    timeout: float = 10.0
    coalesce: bool = False
    jitter_seed: int = 0


@dataclass(frozen=True, slots=True)
class Incidents:
    """What PagerDuty tells about incidents, and what follows when a person resolved one too early."""

    webhook_secrets: tuple[Secret, ...] = ()
    api_url: str = "https://api.pagerduty.com"
    api_token: Secret | None = None
    resolved_by_person: str = settings.LEAVE
    retrigger: int = 30 * MINUTE


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """How the ThousandEyes API is asked; off without a token."""

    token: Secret | None = None
    api_url: str = "https://api.thousandeyes.com/v7"
    account_groups: tuple[str, ...] = ()
    integrations: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    every: int = 5 * MINUTE
    after: int = 65 * MINUTE
    requests_per_minute: int = 60


@dataclass(frozen=True, slots=True)
class Watch:
    """An event of the bridge about itself: the key's name, off without one, and a span in microseconds."""

    key: str | None = None
    span: int = 0


@dataclass(frozen=True, slots=True)
class Route:
    """A key by name and the conditions for taking it: ``None`` or empty means any; text patterns are globs."""

    name: str
    key: str
    rule: str | None = None
    test: str | None = None
    labels: tuple[str, ...] = ()
    severity: tuple[str, ...] = ()
    account_group: tuple[str, ...] = ()
    alert_type: str | None = None
    static: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Config:
    """The whole configuration; ``routes`` always ends with a route that matches everything."""

    keys: Mapping[str, Secret]
    routes: tuple[Route, ...]
    receiver: Receiver = Receiver()
    pagerduty: PagerDuty = PagerDuty()
    store: Storage = Storage()
    severity: Mapping[str, str] = field(default_factory=lambda: dict(_SEVERITY))
    missing_severity: str = "critical"
    wording: Wording = wording.DEFAULT
    incidents: Incidents = Incidents()
    thousandeyes: Reconciliation = Reconciliation()
    self_alert: Watch = Watch()
    canary: Watch = Watch()
    proxy: str | None = None
    warnings: tuple[str, ...] = ()

    def secrets(self) -> tuple[str, ...]:
        """Return every secret, for redaction; the longest first, so that none hides behind a part of itself."""
        held = [*self.keys.values(), *self.receiver.secrets, *self.incidents.webhook_secrets]
        held += [
            secret
            for secret in (self.store.postgresql, self.incidents.api_token, self.thousandeyes.token)
            if secret is not None
        ]
        return tuple(sorted({secret.value for secret in held}, key=lambda value: (-len(value), value)))

    def hosts(self) -> frozenset[str]:
        """Return the only hosts requests may go to."""
        urls = (self.pagerduty.events_url, self.incidents.api_url, self.thousandeyes.api_url)
        return frozenset(urlsplit(url).hostname or "" for url in urls)


def load(path: str | Path) -> Config:
    """Read the configuration at ``path``; raise :class:`ConfigError` in one line when that is not possible."""
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8-sig")
        mode = stat.S_IMODE(file.stat().st_mode)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: cannot be read ({why(error)})") from None
    return parse(text, environ=os.environ, base=file.parent, mode=mode)


def parse(
    document: str | Mapping[str, Any], *, environ: Mapping[str, str], base: Path | None = None, mode: int = 0o600
) -> Config:
    """Return the checked configuration of a TOML text or its parsed form.

    ``environ`` answers ``env`` secrets, ``base`` is the folder relative paths start from, ``mode`` the permission bits
    of the file, used to warn about inline secrets others can read.
    """
    if isinstance(document, str):
        try:
            document = tomllib.loads(document)
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"not valid TOML: {error}") from None
    warnings: list[str] = []
    top = Section(document, "", Surroundings(environ, base or Path(), mode), warnings)
    top.only([*SECTIONS, *settings.FREE])
    given = {name: top.inner(name).read(table) for name, (_, table) in SECTIONS.items()}
    receiver = _receiver(given["receiver"], warnings)
    keys = _keys(top.inner("keys"))
    routes = _routes(top.inner("routing"), keys)
    severity, missing = _severity(top.inner("severity"))
    return Config(
        keys,
        routes,
        receiver,
        _pagerduty(given["pagerduty"]),
        _storage(given["store"]),
        severity,
        missing,
        _wording(top.inner("event"), given["event"]),
        _incidents(given["incidents"]),
        _reconciliation(given["thousandeyes"]),
        _watch("self_alert", given["self_alert"], "after_seconds", SECOND, keys),
        _watch("canary", given["canary"], "every_minutes", MINUTE, keys),
        given["network"]["proxy"],
        tuple(warnings),
    )


def _receiver(given: Mapping[str, Any], warnings: list[str]) -> Receiver:
    host, port = settings.address(given["listen"], "receiver.listen")
    source, auth, username, header = given["source"], given["auth"], given["username"], given["header"]
    secrets = tuple(Secret(value) for value in given["secrets"])
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,40}", source) or source in RESERVED:
        raise ConfigError("receiver.source: write 1 to 40 letters, digits, '.', '_' or '-', and no reserved name")
    if auth == "none" and secrets:
        raise ConfigError("receiver.secrets: set receiver.auth, or remove the secrets")
    if auth != "none" and not 1 <= len(secrets) <= 2:
        raise ConfigError(f"receiver.secrets: auth {auth!r} needs one secret, or two while changing it")
    if auth == "basic" and (not username or ":" in username):
        raise ConfigError("receiver.username: basic authentication needs a user name without ':'")
    if auth == "header" and not _HEADER.fullmatch(header):
        raise ConfigError("receiver.header: name the header that carries the secret")
    if auth == "none" and host not in LOOPBACK:
        warnings.append("receiver.auth is 'none': anybody who reaches the port can page your people")
    return Receiver(
        host,
        port,
        source,
        auth,
        username,
        header.lower(),
        secrets,
        given["max_body_bytes"],
        given["threads"],
        given["connections"],
        given["idle_seconds"],
    )


def _storage(given: Mapping[str, Any]) -> Storage:
    return Storage(given["path"], _optional(given["postgresql"]), given["retention_days"] * DAY)


def _pagerduty(given: Mapping[str, Any]) -> PagerDuty:
    return PagerDuty(
        given["events_url"],
        given["ca_file"],
        given["events_per_minute"],
        given["max_age_seconds"] * SECOND,
        float(given["timeout_seconds"]),
        given["coalesce"],
        given["jitter_seed"],
    )


def _incidents(given: Mapping[str, Any]) -> Incidents:
    secrets = tuple(Secret(value) for value in given["webhook_secrets"])
    if len(secrets) > 2:
        raise ConfigError("incidents.webhook_secrets: write one secret, or two while changing it")
    policy = given["resolved_by_person"]
    if policy == settings.RETRIGGER and not secrets:
        raise ConfigError("incidents.webhook_secrets: 'retrigger' needs PagerDuty's webhooks to know of resolutions")
    if policy == settings.RETRIGGER and given["api_token"] is None:
        raise ConfigError("incidents.api_token: 'retrigger' needs a token to find an incident's alerts")
    url, token = given["api_url"].rstrip("/"), _optional(given["api_token"])
    return Incidents(secrets, url, token, policy, given["retrigger_minutes"] * MINUTE)


def _reconciliation(given: Mapping[str, Any]) -> Reconciliation:
    token = _optional(given["token"])
    if token is not None and not given["integrations"] and not given["rules"]:
        raise ConfigError(
            "thousandeyes.integrations: name the integrations that lead here, or rules, so that only their alerts page"
        )
    return Reconciliation(
        token,
        given["api_url"].rstrip("/"),
        given["account_groups"],
        given["integrations"],
        given["rules"],
        given["every_seconds"] * SECOND,
        given["after_seconds"] * SECOND,
        given["requests_per_minute"],
    )


def _watch(section: str, given: Mapping[str, Any], span: str, unit: int, keys: Mapping[str, Secret]) -> Watch:
    key = given["key"]
    return Watch(None if key is None else _known_key(key, f"{section}.key", keys), given[span] * unit)


def _wording(section: Section, given: Mapping[str, Any]) -> Wording:
    summary = given["summary"]
    links = []
    for index, item in enumerate(given["links"]):
        link = Section(item, f"{section.at('links')}[{index}]", section.around, section.warnings)
        link.only(["href", "text"])
        if not link.text("href").startswith("https://"):
            raise ConfigError(f"{link.at('href')}: write an address that starts with https://")
        links.append(
            Link(template(link.text("href"), link.at("href")), template(item.get("text", ""), link.at("text")))
        )
    details = section.inner("details")
    return Wording(
        wording.DEFAULT.summary if summary is None else template(summary, section.at("summary")),
        tuple(links),
        tuple((name, template(details.text(name), details.at(name))) for name in details.table),
        given["all_details"],
    )


def _keys(section: Section) -> dict[str, Secret]:
    keys: dict[str, Secret] = {}
    for name in section.table:
        secret = section.secret(name)
        if not _KEY.fullmatch(secret):
            raise ConfigError(f"{section.at(name)}: an integration key is 32 letters and digits; copy it again")
        keys[name] = Secret(secret)
    if not keys:
        raise ConfigError("keys: name at least one integration key, e.g. [keys] operations = { env = 'PD_KEY' }")
    return keys


def _routes(section: Section, keys: Mapping[str, Secret]) -> tuple[Route, ...]:
    section.only(["default", "route"])
    raw = section.table.get("route", [])
    if not isinstance(raw, list):
        raise ConfigError(f"{section.at('route')}: write [[routing.route]] tables")
    routes: list[Route] = []
    for index, item in enumerate(raw):
        route = Section(item, f"{section.at('route')}[{index}]", section.around, section.warnings)
        given = route.read(ROUTE)
        static = route.inner("static")
        for word in given["severity"]:
            _known_severity(word, route, "severity")
        routes.append(
            Route(
                given["name"] or f"route-{index + 1}",
                _known_key(given["key"] or "", route.at("key"), keys),
                given["rule"],
                given["test"],
                given["labels"],
                tuple(word.capitalize() for word in given["severity"]),
                given["account_group"],
                given["type"],
                tuple((name, static.text(name)) for name in static.table),
            )
        )
    names = [route.name for route in routes]
    if twice := next((name for name in names if names.count(name) > 1 or name == "default"), None):
        raise ConfigError(f"{section.at('route')}: two routes are called {twice!r}, give each its own name")
    default = section.text("default") if "default" in section.table else None
    if default is None and len(keys) == 1 and not routes:
        default = next(iter(keys))
    if default is not None:
        routes.append(Route("default", _known_key(default, section.at("default"), keys)))
    elif not _catches_all(routes[-1] if routes else None):
        raise ConfigError("routing.default: name the key for alerts no route matches, so that none is lost")
    return tuple(routes)


def _severity(section: Section) -> tuple[dict[str, str], str]:
    table = dict(_SEVERITY)
    missing = "critical"
    for name in section.table:
        value = section.text(name)
        if value not in PAGERDUTY_SEVERITIES:
            raise ConfigError(f"{section.at(name)}: write one of {', '.join(PAGERDUTY_SEVERITIES)}")
        if name == "missing":
            missing = value
        else:
            _known_severity(name, section, name)
            table[name.capitalize()] = value
    return table, missing


def _known_severity(word: str, section: Section, key: str) -> None:
    """Warn about a severity ThousandEyes is not known to have: it may be new, but a slip of the pen is likelier."""
    if word.capitalize() not in _SEVERITY:
        section.warnings.append(f"{section.at(key)}: ThousandEyes has {', '.join(_SEVERITY)}; no alert is {word!r}")


def _optional(value: str | None) -> Secret | None:
    return None if value is None else Secret(value)


def _known_key(key: str, where: str, keys: Mapping[str, Secret]) -> str:
    if key not in keys:
        raise ConfigError(f"{where}: no such key; [keys] has {', '.join(keys)}")
    return key


def _catches_all(route: Route | None) -> bool:
    return route is not None and route == Route(route.name, route.key)
