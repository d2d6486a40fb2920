"""The ``bridge`` command: serve, check, look into the store, handle dead letters, try a route.

Exit codes: 0 done, 1 refused or a problem found, 2 wrong usage. Problems are one line on standard error.
"""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO, Any

import click

from bridge import messages, routing, translate
from bridge.config import Config, load
from bridge.errors import BridgeProblem, StoreError
from bridge.messages import Kind
from bridge.store import SqliteStore, counts, reading

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit."""
    try:
        commands.main(args=None if arguments is None else list(arguments), prog_name="bridge", standalone_mode=True)
    except BridgeProblem as problem:
        click.echo(f"bridge: {_clean(str(problem))}", err=True)
        sys.exit(1)
    except sqlite3.Error as problem:
        click.echo(f"bridge: the store failed ({problem})", err=True)
        sys.exit(1)


def lean() -> None:
    """Keep httpx from loading its own command line, and with it a terminal library, into the serving process."""
    sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]


def _version() -> str:
    try:
        return version("pagedrill")
    except PackageNotFoundError:
        return "unknown"


_config = click.option(
    "--config", "config_path", required=True, metavar="FILE", type=click.Path(path_type=Path), help="TOML file."
)


@click.group()
@click.version_option(_version(), prog_name="bridge")
def commands() -> None:
    """Carry ThousandEyes alerts to PagerDuty without losing one."""


@commands.command()
@_config
@click.option("--lockstep", is_flag=True, help="Run on told time only, for rehearsals.")
def serve(config_path: Path, lockstep: bool) -> None:
    """Receive and deliver until stopped by a signal."""
    lean()
    from bridge import live

    live.serve(load(config_path), reload=lambda: load(config_path), lockstep=lockstep)


@commands.command()
@_config
def check(config_path: Path) -> None:
    """Check the configuration and show the routes."""
    config = load(config_path)
    for warning in config.warnings:
        click.echo(f"warning: {warning}", err=True)
    for route in config.routes:
        click.echo(f"{route.name} -> {route.key}")
    click.echo("the configuration is good")


@commands.command()
@_config
def status(config_path: Path) -> None:
    """Show what waits and what is dead."""
    config = load(config_path)
    with reading(config.store.path) as connection:
        figures = counts(connection)
    click.echo(f"undecided notifications: {figures['undecided']}")
    click.echo(f"unreadable notifications: {figures['unreadable']}")
    for key, state, number in figures["queue"]:
        gone = "" if key in config.keys else "  (this key is not configured: nothing is sent)"
        click.echo(f"events of {key}, {state}: {number}{gone}")
    if figures["oldest"] is not None:
        click.echo(f"oldest event not delivered: {_time(figures['oldest'])}")


@commands.command()
@_config
@click.argument("alert")
def trace(config_path: Path, alert: str) -> None:
    """Show everything that happened to ALERT (ThousandEyes' alert id or PagerDuty's dedup key)."""
    config = load(config_path)
    key = translate.dedup_key(config.receiver.source, alert)
    with reading(config.store.path) as connection:
        inbox = "SELECT received_at, id, outcome, event_id FROM inbox WHERE dedup_key IN (?, ?) ORDER BY id"
        outbox = (
            "SELECT created_at, id, action, key_name, state, attempts, last_status, last_error, finished_at"
            " FROM outbox WHERE dedup_key IN (?, ?) ORDER BY id"
        )
        received = connection.execute(inbox, (alert, key)).fetchall()
        events = connection.execute(outbox, (alert, key)).fetchall()
    if not received and not events:
        raise StoreError(f"{alert}: the store knows no such alert")
    for at, row, outcome, event_id in received:
        click.echo(_clean(f"{_time(at)}  notification i{row} {event_id or 'without event id'}: {outcome}"))
    for at, row, action, name, state, tries, code, error, finished in events:
        said = "" if code is None and error is None else f", last answer {error or code}"
        end = "" if finished is None else f" at {_time(finished)}"
        click.echo(_clean(f"{_time(at)}  event o{row} {action} to {name}: {state}{end}, tried {tries} times{said}"))


@commands.command("route-test")
@_config
@click.argument("payload", type=click.File("rb"), default="-")
def route_test(config_path: Path, payload: IO[bytes]) -> None:
    """Show which route PAYLOAD (a file, or standard input) takes and which event it becomes; nothing is sent."""
    config = load(config_path)
    message = messages.read(config.receiver.source, payload.read())
    if message.kind not in (Kind.TRIGGER, Kind.CLEAR):
        click.echo(_clean(f"{message.event_type}: stored, nothing is sent"))
        return
    route = routing.choose(config.routes, message)
    click.echo(_clean(f"route {route.name}, key {route.key}"))
    severity = translate.severity(message, config.severity, config.missing_severity)
    body = (
        translate.trigger(message, severity, config.wording)
        if message.kind is Kind.TRIGGER
        else translate.resolve(message.source, message.alert_id)
    )
    click.echo(json.dumps(json.loads(body), indent=2))


@commands.group("dead-letters")
def dead_letters() -> None:
    """Handle what could not be read or was refused for good."""


@dead_letters.command("list")
@_config
def list_letters(config_path: Path) -> None:
    """List all dead letters, oldest first."""
    config = load(config_path)
    with reading(config.store.path) as connection:
        letters = [
            *connection.execute("SELECT 'i' || id, received_at, reason FROM inbox WHERE outcome = 'dead' ORDER BY id"),
            *connection.execute(
                "SELECT 'o' || id, created_at, action || ' ' || dedup_key || ': ' || coalesce(last_error, '')"
                " FROM outbox WHERE state = 'dead' ORDER BY id"
            ),
        ]
    for name, at, words in letters:
        click.echo(_clean(f"{name}  {_time(at)}  {words}"))


@dead_letters.command("show")
@_config
@click.argument("letter")
def show_letter(config_path: Path, letter: str) -> None:
    """Show the content of LETTER."""
    config = load(config_path)
    queries = {
        "i": "SELECT raw FROM inbox WHERE id = ? AND outcome = 'dead'",
        "o": "SELECT body FROM outbox WHERE id = ? AND state = 'dead'",
    }
    query, number = queries.get(letter[:1]), letter[1:]
    if query is None or not number.isascii() or not number.isdigit() or len(number) > 15:
        raise StoreError(f"{letter}: write a dead letter as listed, e.g. i7 or o12")
    with reading(config.store.path) as connection:
        row = connection.execute(query, (int(number),)).fetchone()
    if row is None:
        raise StoreError(f"{letter}: no such dead letter")
    content = row[0].decode("utf-8", "backslashreplace") if isinstance(row[0], bytes) else row[0]
    click.echo(_clean(content, keep="\n\t"))


@dead_letters.command("replay")
@_config
@click.argument("letter")
def replay_letter(config_path: Path, letter: str) -> None:
    """Give LETTER another chance at the next start; the bridge must be stopped."""
    with _writing(load(config_path)) as store:
        click.echo(f"{letter}: {store.replay(letter)} when the bridge runs")


@dead_letters.command("drop")
@_config
@click.argument("letter")
def drop_letter(config_path: Path, letter: str) -> None:
    """Give LETTER up for good; the bridge must be stopped."""
    with _writing(load(config_path)) as store:
        store.drop(letter)
        click.echo(f"{letter}: dropped")


@contextmanager
def _writing(config: Config) -> Iterator[SqliteStore]:
    if not config.store.path.exists():
        raise StoreError(f"{config.store.path}: there is no store yet")
    store = SqliteStore(config.store.path)
    try:
        yield store
    finally:
        store.close()


def _time(moment: int) -> str:
    return (_EPOCH + timedelta(microseconds=moment)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _clean(words: Any, keep: str = "") -> str:
    """Return ``words`` with control characters escaped, so that no payload drives the operator's terminal."""
    return "".join(
        letter if letter.isprintable() or letter in keep else letter.encode("unicode_escape").decode()
        for letter in str(words)
    )
