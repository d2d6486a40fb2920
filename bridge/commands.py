"""What the ``bridge`` command can do: serve, check, try a route; what looks into the store is in :mod:`bridge.desk`."""

from __future__ import annotations

import json
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO

import click

from bridge import custom, desk, messages, reconcile, routing, translate
from bridge.config import load
from bridge.control import hands
from bridge.desk import clean, config_option
from bridge.errors import ConfigError, StoreError
from bridge.messages import Kind
from bridge.store import reading
from bridge.thousandeyes import Api


def _version() -> str:
    try:
        return version("pagedrill")
    except PackageNotFoundError:
        return "unknown"


@click.group()
@click.version_option(_version(), prog_name="bridge")
def commands() -> None:
    """Carry ThousandEyes alerts to PagerDuty without losing one."""


for _command in desk.COMMANDS:
    commands.add_command(_command)


@commands.command()
@config_option
@click.option("--lockstep", is_flag=True, help="Run on told time only, for rehearsals.")
def serve(config_path: Path, lockstep: bool) -> None:
    """Receive and deliver until stopped by a signal."""
    from bridge import live

    live.serve(load(config_path), reload=lambda: load(config_path), lockstep=lockstep)


@commands.command()
@config_option
@click.option("--offline", is_flag=True, help="Ask nobody: configuration and storage only.")
@click.option("--send-test-event", "test", metavar="KEY", help="Page through KEY for real, and resolve at once.")
def check(config_path: Path, offline: bool, test: str | None) -> None:
    """Check configuration, storage, credentials, reachability, clock and wiring; nobody is woken."""
    config = load(config_path)
    from bridge import checks, live

    found = list(checks.configuration(config)) + list(checks.storage(config))
    present = live.now()
    # The client is made even when nobody is asked: its certificates are part of the configuration.
    with live.client(config, live.carrier(config)) as client:
        if not offline:
            found += checks.events(config, client, present, test)
            found += checks.clock(config, client, present)
            found += checks.incidents(config, client)
            found += checks.wiring(config, client, present)
    for one in found:
        remedy = f" {one.remedy}" if one.remedy else ""
        click.echo(clean(f"{one.level:8}{one.what}: {one.words}.{remedy}"))
    problems = sum(one.level is checks.Level.PROBLEM for one in found)
    click.echo(f"{problems} problems" if problems else "everything is in place")
    if problems:
        sys.exit(1)


@commands.command("reconcile")
@config_option
@click.option("--dry-run", is_flag=True, help="Only say what would be repaired.")
def reconcile_now(config_path: Path, dry_run: bool) -> None:
    """Find alerts whose notifications were lost by asking ThousandEyes, and put the notifications in."""
    config = load(config_path)
    if config.thousandeyes.token is None:
        raise ConfigError("thousandeyes.token: reconciliation needs a token")
    from bridge import live

    present = live.now()
    with live.client(config, live.carrier(config)) as client, reading(config.store) as store:
        plan = reconcile.look(store, Api(client, config.thousandeyes, present), config, present, keep=False)
    for repair in plan.repairs:
        click.echo(clean(f"{repair.kind} of {repair.alert_id}"))
    if plan.repairs and not dry_run:
        with hands(config.store) as own:
            own.put_in(config.receiver.source, [repair.body for repair in plan.repairs], present)
    click.echo(clean(f"{plan}{' (nothing was changed)' if dry_run else ''}"))
    if plan.problem is not None:
        raise StoreError(f"stopped early: {plan.problem}")


@commands.command("route-test")
@config_option
@click.argument("payload", type=click.File("rb"), default="-")
def route_test(config_path: Path, payload: IO[bytes]) -> None:
    """Show which route PAYLOAD (a file, or standard input) takes and which event it becomes; nothing is sent."""
    config = load(config_path)
    message = messages.read(config.receiver.source, payload.read())
    if message.kind not in (Kind.TRIGGER, Kind.CLEAR):
        click.echo(clean(f"{message.event_type}: stored, nothing is sent"))
        return
    route = routing.choose(config.routes, message)
    click.echo(clean(f"route {route.name}, key {route.key}"))
    severity = translate.severity(message, config.severity, config.missing_severity)
    body = (
        translate.trigger(message, severity, config.wording)
        if message.kind is Kind.TRIGGER
        else translate.resolve(message.source, message.alert_id)
    )
    click.echo(json.dumps(json.loads(body), indent=2))


@commands.command("custom-webhook")
def custom_webhook() -> None:
    """Print the template to paste into a custom webhook of ThousandEyes."""
    click.echo(custom.TEMPLATE, nl=False)
