"""The ``bridge`` command.

Exit codes: 0 done, 1 refused or a problem found, 2 wrong usage. Problems are one line on standard error.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from bridge.errors import BridgeProblem


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit."""
    lean()
    from bridge.commands import commands
    from bridge.desk import clean

    try:
        commands.main(args=None if arguments is None else list(arguments), prog_name="bridge", standalone_mode=True)
    except BridgeProblem as problem:
        click.echo(f"bridge: {clean(str(problem))}", err=True)
        sys.exit(1)


def lean() -> None:
    """Keep httpx, which is not imported yet, from loading its own command line and with it a terminal library."""
    sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
