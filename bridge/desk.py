"""The operator's desk: is paging working, what became of an alert, what was given up, send it again."""

from __future__ import annotations

import json
import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from bridge import people, records, runbook, translate, verdict, watch
from bridge.config import Config, load
from bridge.control import hands, refusing
from bridge.errors import StoreError
from bridge.store import Store, is_served, reading
from bridge.verdict import Report

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SPAN = re.compile(r"([0-9]{1,6})([smhd])")
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}

config_option = click.option(
    "--config", "config_path", required=True, metavar="FILE", type=click.Path(path_type=Path), help="TOML file."
)


def clean(words: Any, keep: str = "") -> str:
    """Return ``words`` with control characters escaped, so that no payload drives the operator's terminal."""
    return "".join(
        letter if letter.isprintable() or letter in keep else letter.encode("unicode_escape").decode()
        for letter in str(words)
    )


def moment(at: int) -> str:
    """Return an instant in microseconds UTC as text."""
    return (_EPOCH + timedelta(microseconds=at)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def now() -> int:
    """Return the wall clock, by way of the one module that may read it."""
    from bridge import live

    return live.now()


@click.command()
@config_option
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def status(config_path: Path, as_json: bool) -> None:
    """Say whether paging works; exit 0 when it does, 1 when it does not."""
    config = load(config_path)
    with reading(config.store) as store:
        present, served = now(), _served(config, store)
        unstored = refusing(config.store, store, present) if served else None
        report = verdict.judge(store, config, present, served=served, refusing=unstored)
    if as_json:
        troubles = [
            {"name": one.name, "level": one.level, "since": one.since, "words": one.words, "remedy": one.remedy}
            for one in report.troubles
        ]
        document = {"works": report.works, "troubles": troubles, **records.as_dict(report.figures)}
        click.echo(json.dumps(document, indent=2))
    else:
        for line in status_lines(report):
            click.echo(clean(line))
    if not report.works:
        sys.exit(1)


def status_lines(report: Report) -> list[str]:
    """Return what ``status`` prints; the first line is the verdict."""
    lines = []
    if not report.works:
        first = report.troubles[0]
        lines.append(f"PAGING DOES NOT WORK since {moment(first.since)}: {first.meaning} {first.remedy}")
    elif report.troubles:
        lines.append("paging works, with something to see to")
    else:
        lines.append("paging works")
    lines += [
        f"  [{one.name}] since {moment(one.since)}: {one.meaning} {one.words}. {one.remedy}" for one in report.troubles
    ]
    figures = report.figures
    lines.append(f"open alerts: {figures.open_alerts}")
    lines.append(f"undecided notifications: {figures.undecided}")
    lines.append(f"unreadable notifications: {figures.unreadable}")
    lines += [f"events of {queue.key}, {queue.state}: {queue.number}" for queue in figures.queues]
    if figures.oldest_pending is not None:
        lines.append(f"oldest event not delivered: {moment(figures.oldest_pending)}")
    return lines


@click.command()
@config_option
@click.option("--incident", "online", is_flag=True, help="Ask PagerDuty for the incident, too (incidents.api_token).")
@click.argument("alert")
def trace(config_path: Path, alert: str, online: bool) -> None:
    """Show everything that happened to ALERT (ThousandEyes' alert id, PagerDuty's dedup key, or `canary`)."""
    config = load(config_path)
    with reading(config.store) as store:
        if alert == watch.CANARY and (flown := store.fact(watch.CANARY)) is not None:
            alert = flown[1]
        keys = (alert, translate.dedup_key(config.receiver.source, alert), translate.dedup_key(watch.SOURCE, alert))
        notifications, alerts, events, tries = records.trace(store, *keys)
    if not notifications and not alerts:
        raise StoreError(f"{alert}: the store knows no such alert")
    lines: list[tuple[int, str]] = []
    for at, row, source, kind, outcome, reason, event_id in notifications:
        said = f" ({reason})" if reason else ""
        lines.append((at, f"notification i{row} of {source}, {kind or '?'} {event_id or ''}: {outcome}{said}"))
    for route, key, opened, cleared, by_person, dedup_key in alerts:
        lines.append((opened or cleared or 0, f"routed by {route} to key {key}, dedup key {dedup_key}"))
        lines += [(by_person, "resolved in PagerDuty by a person")] if by_person else []
    lines += [(at, f"event o{row} {action} for key {key}") for at, row, action, key, *_ in events]
    lines += [
        (at, f"event o{event} tried: {said}, {error or code or 'no answer'}") for at, event, said, code, error in tries
    ]
    for _, row, action, _, state, due, finished in events:
        when = "" if finished else f", due {moment(due)}"
        lines.append((finished or sys.maxsize, f"event o{row} {action}: {state}{when}"))
    for at, line in sorted(lines, key=lambda pair: pair[0]):
        click.echo(clean(f"{'now' if at == sys.maxsize else moment(at)}  {line}"))
    if online:
        from bridge import live

        with live.client(config, live.carrier(config)) as client:
            for line in people.incidents_of(client, config.incidents, alerts[0][-1] if alerts else alert):
                click.echo(clean(f"now  {line}"))


@click.group("dead-letters")
def dead_letters() -> None:
    """Handle what could not be read or was refused for good."""


@dead_letters.command("list")
@config_option
def list_letters(config_path: Path) -> None:
    """List all dead letters with what to do about each."""
    with reading(load(config_path).store) as store:
        letters = records.letters(store)
    for letter in letters:
        click.echo(clean(f"{letter.name}  {moment(letter.at)}  {letter.what}: {letter.reason} [{letter.cause}]"))
        click.echo(f"    {runbook.remedy(letter.cause)}")


@dead_letters.command("show")
@config_option
@click.argument("letter")
def show_letter(config_path: Path, letter: str) -> None:
    """Show the content of LETTER."""
    with reading(load(config_path).store) as store:
        content = records.letter(store, letter)
    shown = content.decode("utf-8", "backslashreplace") if isinstance(content, bytes) else content
    click.echo(clean(shown, keep="\n\t"))


@dead_letters.command("replay")
@config_option
@click.argument("letters", nargs=-1, required=True)
def replay_letters(config_path: Path, letters: tuple[str, ...]) -> None:
    """Give LETTERS (or `all`) another chance."""
    config = load(config_path)
    with hands(config.store) as own:
        for letter in _chosen(config, letters):
            click.echo(clean(f"{letter}: {own.replay(letter)}"))


@dead_letters.command("drop")
@config_option
@click.argument("letters", nargs=-1, required=True)
def drop_letters(config_path: Path, letters: tuple[str, ...]) -> None:
    """Give LETTERS (or `all`) up for good."""
    config = load(config_path)
    with hands(config.store) as own:
        for letter in _chosen(config, letters):
            own.drop(letter)
            click.echo(clean(f"{letter}: dropped"))


@click.command()
@config_option
@click.option("--since", required=True, help="A span such as 2h, or an instant such as 2026-02-03T04:05:00Z.")
@click.option("--dry-run", is_flag=True, help="Only say what would be sent.")
def replay(config_path: Path, since: str, dry_run: bool) -> None:
    """Send again the triggers of open alerts and the resolves of cleared ones since an instant."""
    config = load(config_path)
    present = now()
    with hands(config.store) as own:
        chosen = own.replay_since(_since(since, present), present, dry_run=dry_run)
    for action, key in chosen:
        click.echo(clean(f"{action} {key}"))
    click.echo(f"{len(chosen)} events {'would be' if dry_run else 'are'} sent again")


COMMANDS: tuple[click.Command, ...] = (status, trace, dead_letters, replay)


def _served(config: Config, store: Store) -> bool:
    return store.is_led() if config.store.postgresql is not None else is_served(config.store.path)


def _chosen(config: Config, letters: tuple[str, ...]) -> list[str]:
    if letters != ("all",):
        return list(letters)
    with reading(config.store) as store:
        return [letter.name for letter in records.letters(store)]


def _since(words: str, present: int) -> int:
    span = _SPAN.fullmatch(words)
    if span is not None:
        return present - int(span[1]) * _UNITS[span[2]] * 1_000_000
    try:
        at = datetime.fromisoformat(words)
    except ValueError:
        raise StoreError(f"{words}: write a span such as 2h, or an instant such as 2026-02-03T04:05:00Z") from None
    return int((at.replace(tzinfo=at.tzinfo or UTC) - _EPOCH) / timedelta(microseconds=1))
