"""``python -m scenarios`` is ``pagedrill``."""

from scenarios.cli import main

main(prog_name="pagedrill")
