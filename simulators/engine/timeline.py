"""The timeline: a world's journal told for people, who was told what, when, how and why.

The engine knows no vendor, so each component describes its own journal entries (``describe``); this module merges what
they say in journal order and renders it as plain text, JSON or a table for a page.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

from simulators.engine import instants
from simulators.engine.journal import Entry
from simulators.engine.world import World


class Tone(StrEnum):
    """How a line should strike the reader."""

    TROUBLE = "trouble"
    NOTICE = "notice"
    CALM = "calm"
    QUIET = "quiet"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Line:
    """One line: ``at`` microseconds UTC, ``actor`` (who acts), ``text`` (what happens), ``why`` (may be empty).

    ``channel`` and ``person`` are set when a person is notified or replies.
    """

    seq: int
    at: int
    actor: str
    text: str
    why: str = ""
    tone: Tone = Tone.NOTICE
    channel: str = ""
    person: str = ""


@runtime_checkable
class Narrator(Protocol):
    """A component that can describe its journal entries."""

    def describe(self, world: World, entry: Entry) -> Line | None:
        """Return the entry as a line, or ``None`` when it does not belong in a timeline."""


#: Faults are the engine's own.
_FAULTS = {
    "fault.hit": lambda data: f"{data['fault']} hits {data['method']} {data['host']}{data['path']}",
    "mail.lost": lambda data: f"a mail was not handed on: {data['error']}",
    "error": lambda data: f"internal error: {data['error']}",
}


def lines(world: World, narrators: Iterable[Narrator] = ()) -> list[Line]:
    """Return the timeline of ``world`` so far, oldest first."""
    tellers = [*(c for c in world.components.values() if isinstance(c, Narrator)), *narrators]
    told: list[Line] = []
    for entry in world.journal:
        fault = _FAULTS.get(entry.kind)
        if fault is not None:
            told.append(Line(entry.seq, entry.at, "Network", fault(entry.data), tone=Tone.FAULT))
            continue
        for teller in tellers:
            line = teller.describe(world, entry)
            if line is not None:
                told.append(line)
                break
    return told


def as_text(told: Iterable[Line]) -> str:
    """Return the timeline as plain text, one line each: time, actor, what, and why in brackets."""
    return "".join(
        f"{instants.clock(line.at)}  {line.actor:<13} {line.text}{f'  [{line.why}]' if line.why else ''}\n"
        for line in told
    )


def as_json(told: Iterable[Line]) -> list[dict[str, Any]]:
    """Return the timeline as JSON objects with ISO 8601 times."""
    return [asdict(line) | {"at": instants.iso(line.at), "tone": line.tone.value} for line in told]
