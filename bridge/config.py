"""Configuration: one TOML document, checked completely, frozen afterwards.

::

    [receiver]
    listen = "127.0.0.1:8085"
    auth = "basic"                      # none | basic | bearer | header
    username = "thousandeyes"           # basic only
    secrets = [{ env = "WEBHOOK_PASSWORD" }, { file = "old-password" }]   # one or two are valid at a time

    [store]
    path = "bridge.db"

    [pagerduty]
    coalesce = false

    [keys]                              # integration keys by name; the database only ever holds the name
    operations = { file = "operations.key" }

    [routing]
    default = "operations"              # taken when no route matches

    [[routing.route]]                   # first match wins; all conditions of a route must hold
    key = "operations"
    rule = "web *"

    [severity]
    Info = "warning"

Secrets come from ``file`` (relative to the document), ``env`` or, for tests and demonstrations, ``value``.
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

from bridge.errors import ConfigError

DEFAULT_EVENTS_URL = "https://events.pagerduty.com/v2/enqueue"
SECOND = 1_000_000
PAGERDUTY_SEVERITIES = ("critical", "error", "warning", "info")
AUTHENTICATION = ("none", "basic", "bearer", "header")
LOOPBACK = ("127.0.0.1", "localhost", "::1")
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


@dataclass(frozen=True, slots=True)
class PagerDuty:
    """How events go out; ages and timeouts in microseconds and seconds respectively."""

    events_url: str = DEFAULT_EVENTS_URL
    ca_file: Path | None = None
    events_per_minute: int = 120
    max_age: int = 24 * 3600 * SECOND
    timeout: float = 10.0
    coalesce: bool = False
    jitter_seed: int = 0


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


@dataclass(frozen=True, slots=True)
class Config:
    """The whole configuration; ``routes`` always ends with a route that matches everything."""

    keys: Mapping[str, Secret]
    routes: tuple[Route, ...]
    receiver: Receiver = Receiver()
    pagerduty: PagerDuty = PagerDuty()
    store: Path = Path("bridge.db")
    severity: Mapping[str, str] = field(default_factory=lambda: dict(_SEVERITY))
    missing_severity: str = "critical"
    warnings: tuple[str, ...] = ()


def load(path: str | Path) -> Config:
    """Read the configuration at ``path``; raise :class:`ConfigError` in one line when that is not possible."""
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8")
        mode = stat.S_IMODE(file.stat().st_mode)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: cannot be read ({_why(error)})") from None
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
    return _Reader(environ, base or Path(), mode).config(_Section(document, ""))


class _Section:
    """A table of the document that knows its own name and which keys were asked for."""

    def __init__(self, table: Any, name: str) -> None:
        if not isinstance(table, Mapping):
            raise ConfigError(f"{name}: write a table")
        self.table = table
        self.name = name
        self.known: list[str] = []

    def at(self, key: str) -> str:
        return f"{self.name}.{key}" if self.name else key

    def get(self, key: str, kind: type | tuple[type, ...], default: Any, say: str) -> Any:
        self.known.append(key)
        if key not in self.table:
            return default
        value = self.table[key]
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise ConfigError(f"{self.at(key)}: write {say}")
        return value

    def text(self, key: str, default: Any = "") -> Any:
        return self.get(key, str, default, "a text in quotes")

    def section(self, key: str) -> _Section:
        return _Section(self.get(key, Mapping, {}, "a table"), self.at(key))

    def number(self, key: str, default: int, low: int, high: int) -> int:
        value = self.get(key, int, default, f"a whole number from {low} to {high}")
        if not low <= value <= high:
            raise ConfigError(f"{self.at(key)}: write a whole number from {low} to {high}")
        return int(value)

    def texts(self, key: str) -> tuple[str, ...]:
        value = self.get(key, (str, list), [], "a text or a list of texts")
        values = [value] if isinstance(value, str) else value
        if not all(isinstance(item, str) for item in values):
            raise ConfigError(f"{self.at(key)}: write a text or a list of texts")
        return tuple(values)

    def done(self) -> None:
        for key in self.table:
            if key not in self.known:
                raise ConfigError(f"{self.at(key)}: unknown key; known here: {', '.join(self.known)}")


class _Reader:
    def __init__(self, environ: Mapping[str, str], base: Path, mode: int) -> None:
        self.environ = environ
        self.base = base
        self.mode = mode
        self.warnings: list[str] = []

    def config(self, top: _Section) -> Config:
        receiver = self._receiver(top.section("receiver"))
        store = top.section("store")
        path = self.base / store.text("path", "bridge.db")
        store.done()
        pagerduty = self._pagerduty(top.section("pagerduty"))
        keys = self._keys(top.section("keys"))
        routes = self._routes(top.section("routing"), keys)
        severity, missing = self._severity(top.section("severity"))
        top.done()
        return Config(keys, routes, receiver, pagerduty, path, severity, missing, tuple(self.warnings))

    def _receiver(self, section: _Section) -> Receiver:
        host, port = _address(section.text("listen", "127.0.0.1:8085"), section.at("listen"))
        source = section.text("source", "thousandeyes")
        if not re.fullmatch(r"[A-Za-z0-9_.-]{1,40}", source):
            raise ConfigError(f"{section.at('source')}: write 1 to 40 letters, digits, '.', '_' or '-'")
        auth = section.text("auth", "none")
        if auth not in AUTHENTICATION:
            raise ConfigError(f"{section.at('auth')}: write one of {', '.join(AUTHENTICATION)}")
        username = section.text("username")
        header = section.text("header")
        raw = section.get("secrets", list, [], "a list of tables such as { env = 'NAME' }")
        secrets = tuple(self._secret(item, f"{section.at('secrets')}[{index}]") for index, item in enumerate(raw))
        limit = section.number("max_body_bytes", 1_000_000, 1_000, 100_000_000)
        section.done()
        if auth == "none" and secrets:
            raise ConfigError(f"{section.at('secrets')}: set receiver.auth, or remove the secrets")
        if auth != "none" and not 1 <= len(secrets) <= 2:
            raise ConfigError(f"{section.at('secrets')}: auth {auth!r} needs one secret, or two while changing it")
        if auth == "basic" and (not username or ":" in username):
            raise ConfigError(f"{section.at('username')}: basic authentication needs a user name without ':'")
        if auth == "header" and not _HEADER.fullmatch(header):
            raise ConfigError(f"{section.at('header')}: name the header that carries the secret")
        if auth == "none" and host not in LOOPBACK:
            self.warnings.append("receiver.auth is 'none': anybody who reaches the port can page your people")
        return Receiver(host, port, source, auth, username, header.lower(), secrets, limit)

    def _pagerduty(self, section: _Section) -> PagerDuty:
        url = section.text("events_url", DEFAULT_EVENTS_URL)
        _check_url(url, section.at("events_url"))
        ca_file = section.text("ca_file", None)
        rate = section.number("events_per_minute", 120, 1, 100_000)
        age = section.number("max_age_seconds", 24 * 3600, 60, 30 * 24 * 3600)
        timeout = section.number("timeout_seconds", 10, 1, 300)
        coalesce = section.get("coalesce", bool, False, "true or false")
        seed = section.number("jitter_seed", 0, 0, 2**63)
        section.done()
        path = None if ca_file is None else self.base / ca_file
        return PagerDuty(url, path, rate, age * SECOND, float(timeout), coalesce, seed)

    def _keys(self, section: _Section) -> dict[str, Secret]:
        keys: dict[str, Secret] = {}
        for name, item in section.table.items():
            secret = self._secret(item, section.at(name))
            if not _KEY.fullmatch(secret.value):
                raise ConfigError(f"{section.at(name)}: an integration key is 32 letters and digits; copy it again")
            keys[name] = secret
        if not keys:
            raise ConfigError("keys: name at least one integration key, e.g. [keys] operations = { env = 'PD_KEY' }")
        return keys

    def _routes(self, section: _Section, keys: Mapping[str, Secret]) -> tuple[Route, ...]:
        routes: list[Route] = []
        raw = section.get("route", list, [], "[[routing.route]] tables")
        for index, item in enumerate(raw):
            route = _Section(item, f"{section.at('route')}[{index}]")
            key = _known_key(route.text("key"), route.at("key"), keys)
            routes.append(
                Route(
                    route.text("name", f"route-{index + 1}"),
                    key,
                    route.text("rule", None),
                    route.text("test", None),
                    route.texts("labels"),
                    route.texts("severity"),
                    route.texts("account_group"),
                    route.text("type", None),
                )
            )
            route.done()
        default = section.text("default", None)
        section.done()
        if default is None and len(keys) == 1 and not routes:
            default = next(iter(keys))
        if default is not None:
            routes.append(Route("default", _known_key(default, section.at("default"), keys)))
        elif not _catches_all(routes[-1] if routes else None):
            raise ConfigError("routing.default: name the key for alerts no route matches, so that none is lost")
        return tuple(routes)

    def _severity(self, section: _Section) -> tuple[dict[str, str], str]:
        table = dict(_SEVERITY)
        missing = "critical"
        for name in section.table:
            value = section.text(name)
            if value not in PAGERDUTY_SEVERITIES:
                raise ConfigError(f"{section.at(name)}: write one of {', '.join(PAGERDUTY_SEVERITIES)}")
            if name == "missing":
                missing = value
            else:
                table[name] = value
        return table, missing

    def _secret(self, item: Any, name: str) -> Secret:
        section = _Section(item, name)
        given = [key for key in ("file", "env", "value") if key in section.table]
        if len(given) != 1 or len(section.table) != 1:
            raise ConfigError(f"{name}: write exactly one of file, env or value")
        kind = given[0]
        what = section.text(kind)
        if kind == "env":
            if what not in self.environ:
                raise ConfigError(f"{name}: environment variable {what} is not set")
            what = self.environ[what]
        elif kind == "file":
            path = self.base / what
            try:
                what = path.read_text(encoding="utf-8").strip("\r\n")
            except (OSError, UnicodeDecodeError) as error:
                raise ConfigError(f"{name}: {path} cannot be read ({_why(error)})") from None
        elif self.mode & 0o077:
            self.warnings.append(f"{name} is inline and others can read the file: chmod 600 it, or use file or env")
        if not what:
            raise ConfigError(f"{name}: the secret is empty")
        return Secret(what)


def _why(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return "not UTF-8"


def _known_key(key: str, where: str, keys: Mapping[str, Secret]) -> str:
    if key not in keys:
        raise ConfigError(f"{where}: no such key; [keys] has {', '.join(keys)}")
    return key


def _catches_all(route: Route | None) -> bool:
    return route is not None and route == Route(route.name, route.key)


def _address(text: str, where: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ConfigError(f"{where}: write host:port, e.g. 127.0.0.1:8085")
    return host.strip("[]"), int(port)


def _check_url(url: str, where: str) -> None:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ConfigError(f"{where}: not a URL") from None
    if not host or parts.username or parts.scheme not in ("http", "https"):
        raise ConfigError(f"{where}: write an https URL without user and password")
    if parts.scheme == "http" and host not in LOOPBACK:
        raise ConfigError(f"{where}: only https leaves this machine")
