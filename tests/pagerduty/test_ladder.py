"""The ladder: a reason for every step, and for every step that does not happen; and that it comes true."""

from __future__ import annotations

from typing import Any

import pytest
from duty_rig import ALICE, BOB, CAROL, START, Duty, two_levels, user
from hypothesis import given, settings
from hypothesis import strategies as st
from telling import HORIZON, Plan, account_of, begun, carry_out, plans, told

from scenarios import accounts
from scenarios.accounts import Human, Reach
from simulators.engine.instants import MINUTE, SECOND
from simulators.engine.tables import MissingRow
from simulators.pagerduty import account, amendments, carriers, devices, incidents, ladder
from simulators.pagerduty.carriers import Carrier
from simulators.pagerduty.ladder import Conditions, Step
from simulators.pagerduty.model import Agent, Knobs, Urgency

EXPLORING = settings.get_current_profile_name() == "explore"
THOROUGH = settings(
    max_examples=settings().max_examples if EXPLORING else 15,
    deadline=None,
    database=None,
    derandomize=not EXPLORING,
)
ALICE_ACTS = Agent("user_reference", ALICE.id, "website")
SENT = {"notify", "fail"}


def _said(steps: tuple[Step, ...], *kinds: str) -> list[tuple[int, str]]:
    """Return minute and reason of the steps of these kinds."""
    return [((step.at - START) // MINUTE, step.reason) for step in steps if step.kind in kinds]


def _ladder(made: dict[str, Any], *kinds: str, **conditions: Any) -> list[tuple[int, str]]:
    found = ladder.ladder(account.Account.from_json(made), accounts.SERVICE, START, conditions=Conditions(**conditions))
    return _said(found, *kinds)


def _outlook(duty: Duty, *kinds: str) -> list[tuple[int, str]]:
    return _said(ladder.outlook(duty.world.view, duty.incident.id), *kinds)


# -- why somebody is not told ------------------------------------------------------------------------------------------


def test_no_rule_no_method_and_a_method_that_is_gone() -> None:
    """Each is a reason of its own: no rules for the urgency, no contact method at all, a rule whose method is gone."""
    made = two_levels()
    alice, bob, carol = made["users"]
    alice["notification_rules"] = [rule for rule in alice["notification_rules"] if rule["urgency"] == "low"]
    bob["contact_methods"] = bob["notification_rules"] = []
    carol["contact_methods"] = []
    made["escalation_policies"][0]["escalation_rules"][0]["targets"].append(user(CAROL))
    assert _ladder(made, "silent") == [
        (0, "alice has no high-urgency rules: assigned, not contacted"),
        (0, "carol has 1 high-urgency rules without a contact method"),
        (30, "bob has no contact method: assigned, not contacted"),
    ]


def test_a_low_urgency_says_why_it_stays_where_it_is() -> None:
    """Whether the service is out of its hours, or always low."""
    hours: dict[str, Any] = {
        "incident_urgency_rule": {
            "type": "use_support_hours",
            "during_support_hours": {"type": "constant", "urgency": "high"},
            "outside_support_hours": {"type": "constant", "urgency": "low"},
        },
        "support_hours": {"type": "fixed_time_per_day", "time_zone": "UTC", "start_time": "11:00:00",
                          "end_time": "17:00:00", "days_of_week": [1, 2, 3, 4, 5]},
    }  # fmt: skip
    low = {"incident_urgency_rule": {"type": "constant", "urgency": "low"}}
    why = "a low-urgency incident never escalates by itself"
    assert _ladder(two_levels(**low), "silent") == [(0, why)]
    assert _ladder(two_levels(**hours), "silent") == [(0, why + " outside of support hours")]


@pytest.mark.parametrize(
    ("line", "kind", "reason"),
    [
        (Carrier("+1 5550100", blocked=True), "fail", "alice by sms: +1 5550100 is blocked"),
        (Carrier("+1 5550100", landline=True), "fail", "alice by sms: +1 5550100 is a landline"),
        (Carrier("+1 5550100", delay=90 * SECOND), "notify", "alice by sms, 90 s late"),
        (Carrier("+1 5550100", receipts=False), "notify", "alice by sms, and again: the carrier gives no receipt"),
    ],
    ids=["blocked", "landline", "late", "no receipt"],
)
def test_a_line_can_be_the_reason(line: Carrier, kind: str, reason: str) -> None:
    """A number that is blocked or a landline gets nothing; a slow or forgetful carrier late or twice."""
    assert (0, reason) in _ladder(two_levels(), kind, lines={line.id: line})
    duty = Duty(two_levels())
    duty.do(carriers.change, line)
    duty.send()
    duty.until(5)
    reached = devices.inbox(duty.world.view, ALICE.id)
    assert len(reached) == (0 if kind == "fail" else 1 if line.receipts else 2)


def test_who_said_stop_gets_no_sms() -> None:
    """The number is named."""
    assert (0, "alice by sms: +1 5550100 asked for no more of them") in _ladder(
        two_levels(), "fail", stopped=("+1 5550100",)
    )


def test_a_bundle_tells_of_an_incident_once() -> None:
    """A second rule of the same contact method within the window joins the message that waits."""
    twice = Human(ALICE.id, "alice", ALICE.email, (Reach("sms_contact_method", "5550100"),))
    made = accounts.account((twice,), levels=([user(twice)],))
    rules = made["users"][0]["notification_rules"]
    rules.append({**rules[0], "id": "PNH0002", "start_delay_in_minutes": 1})
    knobs = Knobs(bundle_seconds=90)
    assert _ladder(made, "notify", "silent", knobs=knobs) == [
        (1, "alice's sms is gathered into the one that waits: a bundle tells of it once"),
        (1, "alice by sms"),
    ]
    duty = Duty(made, bundle_seconds=90)
    duty.send()
    duty.until(10)
    assert [(row.at - START) // SECOND for row in duty.messages] == [90]


# -- an incident as it is ----------------------------------------------------------------------------------------------


def test_an_acknowledged_incident_says_who_silenced_it_and_until_when() -> None:
    """With a timeout it is triggered again, without one it keeps silent for ever."""
    for timeout, until in ((3600, "until 2026-03-02T11:00:00Z"), (None, "for ever: it has no timeout")):
        duty = Duty(two_levels(acknowledgement_timeout=timeout))
        duty.send()
        duty.do(incidents.acknowledge, duty.incident, ALICE_ACTS)
        assert _outlook(duty, "silent")[0][1] == f"acknowledged by alice: no escalation and no notification {until}"
        assert _outlook(duty, "assign") == (
            [(60, "the acknowledgement runs out: triggered again"), (90, "on call on level 2")] if timeout else []
        )


def test_a_snoozed_incident_says_until_when() -> None:
    """And that people are told again then."""
    duty = Duty(two_levels())
    duty.send()
    duty.do(incidents.snooze, duty.incident, ALICE_ACTS, 3600)
    told_then = "snoozed: no escalation and no notification until 2026-03-02T11:00:00Z"
    assert _outlook(duty, "silent") == [(0, told_then)]
    assert _outlook(duty, "notify") == [(60, "alice by sms"), (90, "bob by phone")]


def test_a_resolved_and_a_merged_incident_say_why_they_are_over() -> None:
    """By whom, or into which; and one that does not exist is none."""
    duty = Duty(two_levels())
    duty.send(key="a")
    duty.send(key="b")
    first, second = duty.incidents
    duty.do(amendments.merge, first, [second], ALICE_ACTS)
    assert _outlook(duty, "drop") == [(0, "it was merged into #1: nobody is told any more")]
    duty.do(incidents.resolve, duty.incidents[0], ALICE_ACTS)
    over = ladder.outlook(duty.world.view, first.id)
    assert _said(over, "drop") == [(0, "it was resolved by alice: nobody is told any more")]
    with pytest.raises(MissingRow):
        ladder.outlook(duty.world.view, "Q0")


def test_an_incident_that_goes_nowhere_says_why() -> None:
    """Given to a person it follows no policy; at the end of its policy nothing follows."""
    duty = Duty(two_levels())
    duty.send()
    duty.do(incidents.reassign, duty.incident, ALICE_ACTS, users=(BOB.id,))
    assert _outlook(duty, "silent") == [(0, "assigned directly, it follows no policy: it does not escalate")]
    duty = Duty(two_levels())
    duty.send()
    duty.until(60)
    assert _outlook(duty, "silent") == [(60, "the end of the policy was reached: it does not escalate")]


def test_the_control_plane_shows_the_ladder_and_the_outlook() -> None:
    """By service and urgency, or by incident; anything else is refused in a line."""
    duty = Duty(two_levels())
    shown = duty.rest("GET", f"/_sim/ladder?service={accounts.SERVICE}").json()["steps"]
    assert (shown[0]["at"], shown[0]["kind"], shown[0]["people"]) == ("2026-03-02T10:00:00.000Z", "assign", [ALICE.id])
    low = duty.rest("GET", f"/_sim/ladder?service={accounts.SERVICE}&urgency=low").json()["steps"]
    assert [step["kind"] for step in low] == ["assign", "silent", "notify"]
    duty.send()
    duty.until(10)
    shown = duty.rest("GET", f"/_sim/ladder?incident={duty.incident.id}").json()["steps"]
    assert [step["kind"] for step in shown] == ["assign", "notify", "exhaust"]
    wrong = ("", "?incident=Q0", f"?service={accounts.SERVICE}&urgency=dire")
    assert [duty.rest("GET", f"/_sim/ladder{query}").status_code for query in wrong] == [400, 404, 400]


def test_a_ring_goes_round_in_the_preview() -> None:
    """On a single round-robin level each repeat goes to the next of the ring, and nothing moves by asking."""
    made = accounts.account((ALICE, BOB, CAROL), levels=([user(ALICE), user(BOB), user(CAROL)],), loops=3)
    rule = made["escalation_policies"][0]["escalation_rules"][0]
    rule["escalation_rule_assignment_strategy"] = {"type": "round_robin"}
    duty = Duty(made)
    steps = [ladder.ladder(account.Account(duty.world.view), accounts.SERVICE, START) for _ in range(2)]
    people = [[step.people[0] for step in found if step.kind == "assign"] for found in steps]
    assert people[0] == people[1] == [ALICE.id, BOB.id, CAROL.id, ALICE.id]
    duty.send()
    duty.until(200)
    assert [row.user for row in duty.messages] == people[0]


# -- it comes true -----------------------------------------------------------------------------------------------------


@THOROUGH
@given(plan=plans(deeds=0), bundle=st.sampled_from([0, 0, 90]))
def test_the_ladder_foretells_what_happens_when_nobody_reacts(plan: Plan, bundle: int) -> None:
    """Its assignments and notices are those of the simulation, in minutes and people."""
    made, knobs = account_of(plan), Knobs(handoff_at_turn=plan.at_turn, bundle_seconds=bundle)
    steps = ladder.ladder(account.Account.from_json(made), accounts.SERVICE, START, conditions=Conditions(knobs=knobs))
    duty = begun(plan, bundle_seconds=bundle)
    duty.until(12 * 60)
    if not duty.incidents:
        assert [step.kind for step in steps] == ["drop"]
        return
    foretold = [(step.at, step.people[0], step.channel) for step in steps if step.kind in SENT]
    past = START + 12 * 60 * MINUTE
    assert sorted(row for row in foretold if row[0] <= past) == sorted(
        (row.at, row.user, row.channel.value) for row in duty.messages
    )
    moves = [(step.at, step.people) for step in steps if step.kind == "assign" and step.at <= past]
    happened = [
        (entry.at, tuple(entry.data["people"]))
        for entry in duty.world.journal
        if entry.kind in {"incident.triggered", "incident.escalated", "incident.reassigned"}
    ]
    assert moves == happened


@THOROUGH
@given(plan=plans(deeds=4), bundle=st.sampled_from([0, 0, 90]))
def test_the_outlook_foretells_what_becomes_of_an_incident(plan: Plan, bundle: int) -> None:
    """From wherever people left it: who is told when, if nobody does anything more."""
    duty = begun(plan, bundle_seconds=0)
    for second, what, who in plan.deeds:
        carry_out(duty, second, what, who)
    if not duty.incidents:
        return
    now, before = duty.world.now, told(duty)
    steps = ladder.outlook(duty.world.view, duty.incident.id)
    until = now + HORIZON * SECOND
    duty.world.advance_to(until)
    foretold = [
        ((step.at - START) // SECOND, step.people[0], step.channel)
        for step in steps
        if step.kind in SENT and step.at <= until
    ]
    happened = [(row.at, row.user, row.channel.value) for row in duty.messages[len(before) :]]
    assert sorted(foretold) == sorted(((at - START) // SECOND, who, channel) for at, who, channel in happened)


def test_urgency_can_be_asked_for() -> None:
    """A ladder for a low-urgency incident of a service that is high by rule."""
    steps = ladder.ladder(account.Account.from_json(two_levels()), accounts.SERVICE, START, Urgency.LOW)
    assert "notify" in {step.kind for step in steps}
    assert "exhaust" not in {step.kind for step in steps}


def test_a_bundle_leaves_out_what_an_urgency_has_ended() -> None:
    """A rule that was gathered for one urgency is not sent when the incident has another by then."""
    duty = Duty(two_levels(), bundle_seconds=60)
    duty.send()
    duty.world.advance("10s")
    duty.do(incidents.set_urgency, duty.incident, ALICE_ACTS, Urgency.LOW)
    duty.until(2)
    sent = [entry["rule"] for entry in duty.record("notification.sent")]
    assert [rule[:3] for rule in sent] == ["PNL"]
