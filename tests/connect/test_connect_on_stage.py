"""Connecting on the stage: the calls of the control planes, in process, and then an outage."""

import re
from pathlib import Path

import pytest

from scenarios.stage import Stage, Wiring

DOCS = Path(__file__).resolve().parents[2] / "docs" / "connect.md"


@pytest.mark.parametrize("wiring", list(Wiring))
def test_the_example_for_ones_own_tests_passes_as_printed(wiring: Wiring) -> None:
    """What was connected is paged beside what the stage notifies anyway, directly or by the bridge."""
    text = DOCS.read_text(encoding="utf-8")
    (example,) = re.findall(r"^```python\n(def test_.*?)^```$", text, re.MULTILINE | re.DOTALL)
    found: dict[str, object] = {}
    exec(compile(example, str(DOCS), "exec"), found)
    (test,) = [value for name, value in found.items() if name.startswith("test_")]
    assert callable(test)
    with Stage(wiring=wiring) as stage:
        test(stage)
        stage.verify()
