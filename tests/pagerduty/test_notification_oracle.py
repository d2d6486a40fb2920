"""Who is told what when, against an oracle written from the vendor's documents alone (:mod:`telling`)."""

from __future__ import annotations

from duty_rig import START
from hypothesis import given, settings
from telling import HORIZON, Oracle, Plan, begun, carry_out, plans, told

from simulators.engine.instants import SECOND

EXPLORING = settings.get_current_profile_name() == "explore"
THOROUGH = settings(
    max_examples=settings().max_examples if EXPLORING else 40,
    deadline=None,
    database=None,
    derandomize=not EXPLORING,
)


@THOROUGH
@given(plan=plans(deeds=5))
def test_people_are_told_what_the_oracle_says(plan: Plan) -> None:
    """Every message of an incident: when, to whom, on which channel, and none besides."""
    duty = begun(plan)
    for second, what, who in plan.deeds:
        carry_out(duty, second, what, who)
    duty.world.advance_to(START + HORIZON * SECOND - 1)
    assert told(duty) == Oracle(plan).run()
