"""The command ``pagedrill serve``: its options, what it prints, and how it stops."""

from __future__ import annotations

import json
import queue
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from scenarios.serving import Settings

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: The years in which a rehearsal may take place.
YEARS = (2000, 2100)


@click.command()
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Seed of people, ids and noise.")
@click.option("--start", metavar="INSTANT", help="Virtual time to begin at, ISO 8601. [default: now]")
@click.option(
    "--mode",
    type=click.Choice(["rate", "manual", "autojump"]),
    default="rate",
    show_default=True,
    help="How time moves: at a rate, by request only, or from event to event.",
)
@click.option(
    "--rate", type=click.FloatRange(1, 3600), default=1.0, show_default=True, help="Virtual seconds per real second."
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    "ports",
    multiple=True,
    metavar="NUMBER | HOST=NUMBER",
    help="First port: api.thousandeyes.com gets it, api.pagerduty.com the next, then events.pagerduty.com, "
    "example.pagerduty.com, app.thousandeyes.com, and PagerDuty's app, identity and connect; the bridge is 9 further "
    "on. Or the port of one of them (bridge=8085). 0 is any free port. Repeatable. [default: 8471]",
)
@click.option("--tls", is_flag=True, help="Serve https, certified by an authority made for this run.")
@click.option(
    "--tls-dir", type=click.Path(file_okay=False, path_type=Path), help="Folder for the certificates; implies --tls."
)
@click.option(
    "--account",
    "account_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="PagerDuty account as the vendor's JSON, lists by plural name. [default: a made-up one]",
)
@click.option("--sample/--no-sample", default=True, help="Make a test and a rule that page somebody. [default: sample]")
@click.option(
    "--bridge",
    is_flag=True,
    help="Let the sample's rule notify our bridge, a process of its own that keeps step with virtual time, instead of "
    "PagerDuty directly.",
)
@click.option("--webhook", metavar="URL", default="", help="Let the sample's rule notify a bridge of your own.")
@click.option(
    "--allow-host", "allowed", multiple=True, metavar="NAME", help="Send to this host, too, not only to this machine."
)
@click.option(
    "--smtp-relay",
    metavar="HOST:PORT",
    default="",
    help="Hand the simulators' e-mails on to this SMTP server, too; one on another machine needs --allow-host.",
)
@click.option("--rate-limits", is_flag=True, help="Enforce the vendors' rate limits.")
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON instead of the text.")
@click.option(
    "--ready-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write that line to a file when ready; it is removed at the end.",
)
def serve(as_json: bool, ready_file: Path | None, **options: Any) -> None:
    """Serve both simulators on this machine until stopped, for clients and bridges of your own.

    Prints every address and key, a snippet per client, and how to start an outage.
    """
    stopped: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in STOPPING:
        signal.signal(number, lambda signum, frame: stopped.put(signum))
    # httpx would load a command line of its own, and libraries for colours with it.
    sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
    settings = _settings(**options)

    from scenarios import handout
    from scenarios.processes import BridgeFailed
    from scenarios.serving import Served
    from simulators.engine.errors import EngineError
    from simulators.engine.fence import is_loopback

    if not is_loopback(settings.host):
        click.echo(f"Warning: whoever reaches {settings.host} can use these simulators.", err=True)
    try:
        if ready_file is not None:
            ready_file.unlink(missing_ok=True)
        served = Served(settings)
    except EngineError as problem:
        raise click.ClickException(str(problem)) from None
    except BridgeFailed as problem:
        raise click.ClickException(f"the bridge did not start: {problem}") from None
    except OSError as problem:
        raise click.ClickException(f"{problem.filename or settings.host}: {problem.strerror}") from None
    with served:
        line = handout.as_json(served.facts)
        if ready_file is not None:
            _write(ready_file, line)
        click.echo(line if as_json else handout.as_text(served.facts), nl=False)
        stopped.get()
        if ready_file is not None:
            ready_file.unlink(missing_ok=True)


def _settings(
    *,
    start: str | None,
    mode: str,
    ports: tuple[str, ...],
    tls: bool,
    tls_dir: Path | None,
    account_file: Path | None,
    smtp_relay: str,
    **plain: Any,
) -> Settings:
    from scenarios import serving
    from simulators.engine.live import Mode

    if plain["bridge"] and plain["webhook"]:
        raise click.UsageError("--bridge and --webhook exclude each other: the sample's rule notifies one of them")
    if plain["webhook"] and not plain["webhook"].startswith(("http://", "https://")):
        raise click.BadParameter("write a URL, e.g. http://127.0.0.1:8085/thousandeyes", param_hint="--webhook")
    if (plain["bridge"] or plain["webhook"]) and not plain["sample"]:
        raise click.UsageError("--bridge and --webhook are about the sample's rule, and --no-sample makes none")
    return serving.Settings(
        start=None if start is None else _instant(start),
        mode=Mode(mode),
        ports=_ports(ports),
        tls=tls or tls_dir is not None,
        tls_dir=tls_dir,
        account=None if account_file is None else _account(account_file),
        smtp_relay=_server(smtp_relay) if smtp_relay else None,
        **plain,
    )


def _instant(text: str) -> int:
    from simulators.engine import instants
    from simulators.engine.errors import BadInstant

    try:
        found = instants.parse(text)
    except BadInstant as problem:
        raise click.BadParameter(str(problem), param_hint="--start") from None
    if not YEARS[0] <= int(instants.iso(found)[:4]) <= YEARS[1]:
        raise click.BadParameter(f"choose a year from {YEARS[0]} to {YEARS[1]}", param_hint="--start")
    return found


def _ports(wishes: tuple[str, ...]) -> dict[str, int]:
    from scenarios import serving

    first, given = serving.FIRST_PORT, {}
    for wish in wishes:
        host, equals, number = wish.rpartition("=")
        if not number.isascii() or not number.isdigit() or int(number) > 65535 - serving.BRIDGE_PLACE:
            raise click.BadParameter(
                f"{wish!r} is no port; write 8471, 0 or api.pagerduty.com=8443", param_hint="--port"
            )
        if not equals:
            first = int(number)
        elif host in (*serving.HOSTS, serving.BRIDGE):
            given[host] = int(number)
        else:
            known = ", ".join((*serving.HOSTS, serving.BRIDGE))
            raise click.BadParameter(f"nothing is served as {host!r}; write one of {known}", param_hint="--port")
    return serving.ports(first, given)


def _server(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise click.BadParameter(
            f"{text!r} is no server; write HOST:PORT, e.g. 127.0.0.1:2525", param_hint="--smtp-relay"
        )
    return host.removeprefix("[").removesuffix("]"), int(port)


def _account(file: Path) -> dict[str, Any]:
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except OSError as problem:
        raise click.ClickException(f"cannot read {file}: {problem.strerror}") from None
    except ValueError as problem:
        raise click.ClickException(f"{file} is not JSON: {problem}") from None
    if not isinstance(document, dict):
        raise click.ClickException(f"{file} must hold an object of lists: users, services, escalation_policies, ...")
    return document


def _write(file: Path, line: str) -> None:
    """Write a file so that whoever sees it sees all of it."""
    draft = file.with_name(file.name + ".part")
    try:
        draft.write_text(line, encoding="utf-8")
        draft.replace(file)
    except OSError as problem:
        raise click.ClickException(f"cannot write {file}: {problem.strerror}") from None
