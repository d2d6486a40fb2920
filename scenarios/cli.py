"""The command ``pagedrill``: rehearse an outage and print what happened, or serve the simulators.

What a command needs is loaded when it runs. Exit codes: 0 done, 1 it could not be done, 2 wrong usage; either is one
line on standard error.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scenarios.serve_command import serve

if TYPE_CHECKING:
    from scenarios.report import Report

VERSION_MESSAGE = "%(prog)s %(version)s"


@contextmanager
def _in_one_line() -> Iterator[None]:
    """Let a usage error be one line that names the help, instead of the usage above it."""
    try:
        yield
    except click.UsageError as error:
        if error.ctx is None or error.format_message() == error.ctx.get_help():
            raise
        words = error.format_message().rstrip(".")
        raise click.UsageError(f"{words} (see {error.ctx.command_path} --help)") from None


class Commands(click.Group):
    """A group whose errors are one line."""

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        """Read the arguments."""
        with _in_one_line():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with _in_one_line():
            return super().invoke(ctx)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="pagedrill", prog_name="pagedrill", message=VERSION_MESSAGE)
def main() -> None:
    """Rehearse the path from a failing ThousandEyes test to a human being woken by PagerDuty."""


@main.command()
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of people, ids, keys and noise.")
@click.option("--scenario", "name", default="acknowledged", show_default=True, help="Which outage to play.")
@click.option("--wiring", type=click.Choice(["bridge", "native"]), default="bridge", show_default=True)
@click.option("--list", "listing", is_flag=True, help="List the outages and stop.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.option(
    "--html", "html_file", type=click.Path(dir_okay=False, path_type=Path), help="Write a self-contained page."
)
@click.option("--journal", type=click.Path(dir_okay=False, path_type=Path), help="Write the journal as JSON lines.")
def rehearse(
    seed: int,
    name: str,
    wiring: str,
    listing: bool,
    as_json: bool,
    html_file: Path | None,
    journal: Path | None,
) -> None:
    """Play a sample outage on virtual time and print who was notified when, how and why."""
    from scenarios.outages import OUTAGES
    from scenarios.rehearsal import rehearse as play
    from scenarios.report import to_html, to_json
    from scenarios.stage import Wiring

    if listing:
        for outage in OUTAGES.values():
            click.echo(f"{outage.name:<14} {outage.summary}")
        return
    if name not in OUTAGES:
        raise click.UsageError(f"there is no outage {name!r}; choose one of {', '.join(OUTAGES)}")
    report, world = play(OUTAGES[name], seed=seed, wiring=Wiring(wiring))
    try:
        if html_file is not None:
            html_file.write_text(to_html(report), encoding="utf-8")
        if journal is not None:
            journal.write_text(world.journal.lines(), encoding="utf-8")
    except OSError as problem:
        raise click.ClickException(f"cannot write {problem.filename}: {problem.strerror}") from None
    click.echo(to_json(report) if as_json else text(report), nl=False)


def text(report: Report) -> str:
    """Return the report for a terminal."""
    from simulators.engine import instants, timeline

    width = max(len(figure.name) for figure in report.figures)
    figures = "".join(f"  {figure.name:<{width}}  {figure.spelled}\n" for figure in report.figures)
    return (
        f"{report.summary} ({report.wiring}, seed {report.seed})\n"
        f"{instants.iso(report.started)} to {instants.iso(report.ended)}, virtual time\n\n"
        f"{timeline.as_text(report.lines)}\n{figures}\nNext: {report.next_step}\n"
    )


main.add_command(serve)
