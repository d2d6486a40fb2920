"""The state machine over ThousandEyes' alerting, run by Hypothesis.

``PAGEDRILL_PROFILE=explore python -m pytest tests/thousandeyes/test_alerting_machine.py`` plays thousands of histories.
"""

from alerting_machine import AlertingMachine
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

EXPLORING = settings.get_current_profile_name() == "explore"
PLAYED = settings(
    max_examples=settings().max_examples if EXPLORING else 12,
    stateful_step_count=30 if EXPLORING else 20,
    # Explaining a failure costs as much again as shrinking it, and several bugs at once several times as much.
    phases=[phase for phase in Phase if phase is not Phase.explain],
    report_multiple_bugs=False,
)


def test_alerts_units_and_notifications_agree_whatever_happens() -> None:
    """After every step and at the end, over edits, silences, windows, failing receivers and silent agents."""
    run_state_machine_as_test(AlertingMachine, settings=PLAYED)
