"""Runs the state machine without shrinking and says which invariant broke, as one line of JSON.

    python hunt.py EXAMPLES STEPS [SEED]

Meant for patched copies of the packages: whoever starts it chooses by PYTHONPATH which ones are judged.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test
from invariants import Violated, violated
from machine import StageMachine

import bridge
import simulators


def hunt(examples: int, steps: int, start: int | None = None) -> dict[str, Any]:
    """Return the invariant that broke (``None`` when all held) with its complaints, and how many histories it took."""
    played = 0

    class Counted(StageMachine):
        def __init__(self) -> None:
            nonlocal played
            played += 1
            super().__init__()

    chosen = settings(
        max_examples=examples,
        stateful_step_count=steps,
        phases=[Phase.generate],
        derandomize=start is None,
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    homes = [str(Path(str(package.__file__)).parent.parent) for package in (bridge, simulators)]
    machine = Counted if start is None else seed(start)(Counted)
    try:
        run_state_machine_as_test(machine, settings=chosen)
    except Exception as problem:
        # A history may also end in an error of the patched code, such as a loop without end: that is a finding, too.
        broken = violated(str(problem)) if isinstance(problem, Violated) else type(problem).__name__
        told = [str(problem), *getattr(problem, "__notes__", ())]
        return {"broken": broken, "said": "\n".join(told), "histories": played, "homes": homes}
    return {"broken": None, "said": "", "histories": played, "homes": homes}


if __name__ == "__main__":
    numbers = [int(argument) for argument in sys.argv[1:]]
    print(json.dumps(hunt(*numbers)))
