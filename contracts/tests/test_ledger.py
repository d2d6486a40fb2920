"""The ledger is complete: every rule has a source, every knob a row, and every test it names exists."""

from __future__ import annotations

import ast
import functools
from dataclasses import fields
from pathlib import Path

import httpx
import pytest

import contracts
from contracts import ledger
from contracts.ledger import LedgerError, Row
from simulators.engine.transport import call
from simulators.engine.world import World
from simulators.pagerduty.api import sites
from simulators.pagerduty.model import Knobs as PagerDutyKnobs
from simulators.thousandeyes.model import Knobs as ThousandEyesKnobs

HOME = Path(contracts.__file__).parent.parent
KNOBS = {"pagerduty": PagerDutyKnobs, "thousandeyes": ThousandEyesKnobs}
HEAD = 'vendor = "v"\narea = "a"\n'
GOOD = '[row.r]\nrule = "It rains."\nsource = "the sky"\nevidence = "observed"\n'


@functools.cache
def functions(path: str) -> dict[str, str]:
    """Return the source of each test function of a file."""
    text = (HOME / path).read_text(encoding="utf-8")
    found = [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)]
    return {node.name: ast.unparse(node) for node in found}


def test_ids_are_unique_and_areas_are_files() -> None:
    """A row is found by its id."""
    rows = ledger.rows()
    assert len({row.id for row in rows}) == len(rows) > 100
    assert {row.vendor for row in rows} == set(KNOBS)


@pytest.mark.parametrize("row", ledger.rows(), ids=lambda row: row.id)
def test_a_row_says_what_it_is_about_and_who_proves_it(row: Row) -> None:
    """Rule and source are sentences; what is modelled names tests that exist, what is not names a reason."""
    assert row.rule.endswith(".")
    assert row.rule[0].isupper()
    assert len(row.source) > 5
    if row.modelled:
        assert row.tests
        assert not row.reason
    else:
        assert not row.tests
        assert row.reason.endswith(".")
    for test in row.tests:
        path, _, name = test.partition("::")
        assert name in functions(path), f"{row.id} names {test}, which does not exist"


@pytest.mark.parametrize("vendor", KNOBS)
def test_every_knob_has_a_row_and_a_test_that_turns_it(vendor: str) -> None:
    """No knob without a rule, no rule about a knob that is gone, and what is modelled names a test that turns it."""
    about = {row.knob: row for row in ledger.rows() if row.vendor == vendor and row.knob}
    assert set(about) == {field.name for field in fields(KNOBS[vendor])}
    for knob, row in ((knob, row) for knob, row in about.items() if row.modelled):
        sources = [functions(path)[name] for path, _, name in (test.partition("::") for test in row.tests)]
        assert any(knob in source for source in sources), f"no test of {row.id} turns {knob}"


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("[", "file.toml"),
        ('vendor = "v"\n' + GOOD, "area"),
        (HEAD + 'colour = "red"\n' + GOOD, "nothing else"),
        (HEAD + GOOD.replace("source", "sauce"), "sauce, source"),
        (HEAD + GOOD.replace("observed", "rumoured"), "documented, observed, assumed"),
    ],
)
def test_a_file_that_is_no_ledger_is_refused_by_name(text: str, word: str) -> None:
    """The message names the file and what is wrong in it."""
    assert [row.id for row in ledger.read("file.toml", HEAD + GOOD)] == ["v.a.r"]
    with pytest.raises(LedgerError, match=r"^file\.toml: ") as refused:
        ledger.read("file.toml", text)
    assert word in str(refused.value)


def test_the_ledger_is_served_by_every_simulator() -> None:
    """``/_sim/fidelity`` lists the rows with a count per kind of evidence."""
    world = World(seed=1, start=0, components=[])
    host, site = next(iter(sites().items()))
    world.serve(host, site)
    answer = call(site, world, httpx.Request("GET", f"https://{host}/_sim/fidelity")).json()
    assert [row["id"] for row in answer["rows"]] == [row.id for row in ledger.rows()]
    assert sum(answer["evidence"].values()) == len(answer["rows"])
