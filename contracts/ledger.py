"""The fidelity ledger: what is simulated, where it is known from, how well, and which test proves it.

One TOML file per vendor and area under ``contracts/ledger``, one table per rule. The evidence is *documented* (the
vendor says so), *observed* (seen in the vendor's answers or in recorded payloads) or *assumed* (the sources are silent
or contradict each other). An assumption that matters has a knob. What is known and left out is listed with the reason.
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from importlib import resources
from typing import Any


class Evidence(StrEnum):
    """How well a rule is known."""

    DOCUMENTED = "documented"
    OBSERVED = "observed"
    ASSUMED = "assumed"


@dataclass(frozen=True, slots=True)
class Row:
    """One rule. ``knob`` is a field of the vendor's ``Knobs``, ``tests`` are node ids (``file::test``).

    A rule that is not ``modelled`` says in ``reason`` why; it has no tests.
    """

    id: str
    vendor: str
    area: str
    rule: str
    source: str
    evidence: Evidence
    knob: str = ""
    tests: tuple[str, ...] = ()
    modelled: bool = True
    reason: str = ""


class LedgerError(Exception):
    """A ledger file that cannot be read; the message names file, rule and field."""


_GIVEN = {field.name for field in fields(Row)} - {"id", "vendor", "area"}
_NEEDED = {"rule", "source", "evidence"}


@functools.cache
def rows() -> tuple[Row, ...]:
    """Return every row, by vendor and area, in the order of the files."""
    folder = resources.files("contracts").joinpath("ledger")
    files = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".toml")), key=lambda entry: entry.name)
    return tuple(row for entry in files for row in read(entry.name, entry.read_text(encoding="utf-8")))


def read(name: str, text: str) -> tuple[Row, ...]:
    """Return the rows of one file; raises :class:`LedgerError` for anything that is not a ledger."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        raise LedgerError(f"{name}: {problem}") from None
    vendor, area, tables = document.pop("vendor", ""), document.pop("area", ""), document.pop("row", {})
    if document or not vendor or not area or not isinstance(tables, dict):
        raise LedgerError(f"{name}: a ledger has a vendor, an area and tables [row.name], nothing else")
    return tuple(_row(name, vendor, area, key, table) for key, table in tables.items())


def _row(name: str, vendor: str, area: str, key: str, table: Mapping[str, Any]) -> Row:
    unknown, missing = set(table) - _GIVEN, _NEEDED - set(table)
    if unknown or missing:
        raise LedgerError(f"{name}: [row.{key}] has wrong or missing fields: {', '.join(sorted(unknown | missing))}")
    try:
        evidence = Evidence(table["evidence"])
    except ValueError:
        raise LedgerError(f"{name}: [row.{key}] evidence is one of {', '.join(Evidence)}") from None
    given = {**table, "evidence": evidence, "tests": tuple(table.get("tests", ()))}
    return Row(id=f"{vendor}.{area}.{key}", vendor=vendor, area=area, **given)


def as_json() -> dict[str, Any]:
    """Return the ledger as JSON: ``rows``, and how many there are of each kind of ``evidence``."""
    count = {evidence.value: sum(row.evidence is evidence for row in rows()) for evidence in Evidence}
    return {"evidence": count, "rows": [asdict(row) for row in rows()]}
