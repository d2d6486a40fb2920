"""The state machine over the whole stage, run by Hypothesis.

``PAGEDRILL_PROFILE=explore python -m pytest tests/simulation`` plays thousands of histories.
"""

from hypothesis import Phase, settings
from machine import StageMachine

EXPLORING = settings.get_current_profile_name() == "explore"

TestStage = StageMachine.TestCase
TestStage.settings = settings(
    max_examples=settings().max_examples if EXPLORING else 30,
    stateful_step_count=40 if EXPLORING else 25,
    # Explaining a failure costs as much again as shrinking it, and several bugs at once several times as much.
    phases=[phase for phase in Phase if phase is not Phase.explain],
    report_multiple_bugs=False,
)
