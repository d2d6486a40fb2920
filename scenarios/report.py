"""What a rehearsal came to, for people and for machines: figures, one next step, and the timeline.

Every output is made from the same frozen :class:`Report`: plain text for the terminal, JSON for a pipeline, and one
self-contained HTML page to look at or to attach to a change request.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import jinja2

from simulators.engine import instants
from simulators.engine.timeline import Line, as_json


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured span of the outage in microseconds, ``None`` when it never came to that."""

    name: str
    span: int | None
    meaning: str

    @property
    def spelled(self) -> str:
        """The span for people."""
        return "never" if self.span is None else instants.spell(self.span)


@dataclass(frozen=True, slots=True)
class Page:
    """One notification: who was told when (microseconds UTC), over which channel, why, and about which incident."""

    at: int
    person: str
    channel: str
    address: str
    incident: str
    why: str


@dataclass(frozen=True, slots=True)
class Report:
    """The whole rehearsal; ``lines`` is the timeline, oldest first."""

    scenario: str
    summary: str
    seed: int
    wiring: str
    started: int
    ended: int
    figures: tuple[Figure, ...]
    pages: tuple[Page, ...]
    next_step: str
    lines: tuple[Line, ...]


def as_document(report: Report) -> dict[str, Any]:
    """Return the report as a JSON object with ISO 8601 times and spans in seconds."""
    return {
        "scenario": report.scenario,
        "summary": report.summary,
        "seed": report.seed,
        "wiring": report.wiring,
        "started": instants.iso(report.started),
        "ended": instants.iso(report.ended),
        "figures": {
            figure.name: None if figure.span is None else figure.span / instants.SECOND for figure in report.figures
        },
        "pages": [asdict(page) | {"at": instants.iso(page.at)} for page in report.pages],
        "next_step": report.next_step,
        "timeline": as_json(report.lines),
    }


def to_json(report: Report) -> str:
    """Return the report as indented JSON."""
    return json.dumps(as_document(report), indent=2, ensure_ascii=False) + "\n"


def to_html(report: Report) -> str:
    """Return the report as one page that needs nothing from elsewhere."""
    template = _templates().get_template("rehearsal.html")
    return template.render(report=report, groups=_by_instant(report.lines), clock=instants.clock, iso=instants.iso)


@functools.cache
def _templates() -> jinja2.Environment:
    loader = jinja2.PackageLoader("scenarios")
    return jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)


def _by_instant(lines: Sequence[Line]) -> list[tuple[int, list[Line]]]:
    groups: list[tuple[int, list[Line]]] = []
    for line in lines:
        if groups and groups[-1][0] == line.at:
            groups[-1][1].append(line)
        else:
            groups.append((line.at, [line]))
    return groups
