"""The pages of ``docs/`` that are made from tables: ``python -m bridge.reference docs`` writes them.

A test holds the pages to the tables, so what is documented is what is read, and what is advised is what is printed.
"""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

from bridge import runbook, wording
from bridge.settings import FREE, ROUTE, SECTIONS, Setting, wanted

WIDTH = 118


def configuration() -> str:
    """Return the page about every setting."""
    parts = [
        "# Configuration of the bridge",
        _text(
            "Made from the table in `bridge/settings.py` by `python -m bridge.reference docs`. One TOML file holds"
            " everything; only `[keys]` is required, and with a single key nothing else is. Mistakes are named with"
            " their key when the bridge starts, is reloaded, or is asked with `bridge check`. `SIGHUP` reads the file"
            " and all secrets again; what listens, stores and connects (`receiver.listen`, `threads`, `connections`,"
            " `idle_seconds`, `[store]`, `pagerduty.ca_file`, `[network]`) needs a restart."
        ),
        _text(
            'A secret is a table: `{ file = "PATH" }`, relative to the document, or `{ env = "NAME" }`;'
            ' `{ value = "…" }` is for demonstrations. Files should be readable by the bridge\'s user only'
            " (`chmod 600`). A complete example is `examples/bridge.toml`."
        ),
    ]
    for name, (says, table) in SECTIONS.items():
        parts += [f"## [{name}]", _text(says), _rows(table)]
        if name == "event":
            parts.append(_templates())
    parts += [
        "## [keys]",
        _text(FREE["keys"]),
        "## [severity]",
        _text(
            f'{FREE["severity"]} `Info = "warning"`, `Minor = "warning"`, `Major = "error"`, `Critical = "critical"`'
            ' and `missing = "critical"` hold unless you write something else: nobody sleeps through an alert that has'
            " no severity."
        ),
        "## [routing]",
        _text(
            f"{FREE['routing']} All conditions of a route must hold. Globs know `*`, `?` and `[…]` and are case-exact."
            " The choice is made once for each alert and kept, because PagerDuty drops a resolve that comes through"
            " another key than its trigger."
        ),
        _rows(ROUTE),
    ]
    return "\n\n".join(parts) + "\n"


def troubles() -> str:
    """Return the runbook."""
    parts = [
        "# Runbook of the bridge",
        _text(
            "Made from `bridge/runbook.py` by `python -m bridge.reference docs`. `bridge status` names the trouble in"
            " brackets, `bridge dead-letters list` the cause. With a trouble of the level `down` paging does not work;"
            " `loss` means that something was lost, or will be; `note` wants to be seen to. The self-alert pages for"
            " `down` and `loss`."
        ),
    ]
    for title, table in (("Troubles", runbook.TROUBLES), ("Dead letters", runbook.CAUSES)):
        parts.append(f"## {title}")
        for name, entry in table.items():
            parts += [f"### {name}", _text(f"({entry.level}) {entry.meaning}"), _text(entry.remedy)]
    return "\n\n".join(parts) + "\n"


PAGES = {"bridge-configuration.md": configuration, "bridge-runbook.md": troubles}


def _templates() -> str:
    fields = "\n".join(f"| `{name}` | {says} |" for name, says in wording.FIELDS.items())
    return "\n\n".join(
        [
            _text(
                'A template is text with fields in braces: `{rule}`. `{test|agent|"somewhere"}` takes the first that is'
                " not empty. A part in square brackets is left out when one of its fields is empty. Doubled, the four"
                " signs stand for themselves. Fields in a link's address are escaped. The summary is"
                f" `{wording.DEFAULT_SUMMARY}` unless you write another."
            ),
            f"| field | what it holds |\n|---|---|\n{fields}\n"
            "| `static.NAME` | the static key NAME of the rule's webhook settings |",
        ]
    )


def _rows(table: tuple[Setting, ...]) -> str:
    rows = ["| key | what to write | default | what it is for |", "|---|---|---|---|"]
    for setting in table:
        shown = setting.default
        if shown in (None, (), {}, ""):
            default = "none"
        else:
            default = f"`{str(shown).lower()}`" if isinstance(shown, bool) else f"`{shown}`"
        rows.append(f"| `{setting.name}` | {wanted(setting)} | {default} | {setting.says} |")
    return "\n".join(rows)


def _text(words: str) -> str:
    return textwrap.fill(words, WIDTH, break_long_words=False, break_on_hyphens=False)


if __name__ == "__main__":
    for _name, _page in PAGES.items():
        (Path(sys.argv[1]) / _name).write_text(_page(), encoding="utf-8")
