"""Less common turns of an incident's life: scheduled actions, rings, grouping, pauses, hand-offs, and the diagram."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from duty_rig import ACTING, ALICE, BOB, CAROL, START, Duty, two_levels, user

from scenarios import accounts
from simulators.engine.instants import MINUTE
from simulators.pagerduty import account, amendments, hours, incidents, ladder, lifecycle
from simulators.pagerduty.model import DOCUMENTS, Agent, Incident, Status, Urgency

ALICE_ACTS = Agent("user_reference", ALICE.id, "website")
DOCUMENT = Path(__file__).parents[2] / "docs" / "pagerduty-lifecycle.md"
#: Low outside of 11:00 to 17:00; what is open at the beginning is raised.
OFFICE = {
    "incident_urgency_rule": {
        "type": "use_support_hours",
        "during_support_hours": {"type": "constant", "urgency": "high"},
        "outside_support_hours": {"type": "constant", "urgency": "low"},
    },
    "support_hours": {
        "type": "fixed_time_per_day",
        "time_zone": "UTC",
        "start_time": "11:00:00",
        "end_time": "17:00:00",
        "days_of_week": [1, 2, 3, 4, 5],
    },
    "scheduled_actions": [
        {"type": "urgency_change", "at": {"type": "named_time", "name": "support_hours_start"}, "to_urgency": "high"}
    ],
}


def _pending(duty: Duty, incident: Incident | None = None) -> list[tuple[str, int]]:
    """Return what is pending, in minutes after the start."""
    found = incidents.pending_actions(duty.world.view, incident or duty.incident)
    return [(kind, (at - START) // MINUTE) for kind, at in found]


def _turns(*levels: list[dict[str, str]], loops: int = 0) -> dict[str, Any]:
    """Return an account whose levels hand out incidents in turn."""
    made = accounts.account((ALICE, BOB, CAROL), levels=levels, loops=loops)
    for rule in made["escalation_policies"][0]["escalation_rules"]:
        rule["escalation_rule_assignment_strategy"] = {"type": "round_robin"}
    return made


def test_the_documented_diagram_is_drawn_from_the_table() -> None:
    """Diagram and table of the page are what the module draws."""
    text = DOCUMENT.read_text(encoding="utf-8")
    assert f"```mermaid\n{lifecycle.diagram()}```\n" in text
    assert f"\n{lifecycle.table()}\n" in text


def test_the_diagram_has_an_arrow_for_every_transition() -> None:
    """No cause of the table is missing in it, and it begins with the trigger."""
    drawn = lifecycle.diagram()
    assert "    [*] --> triggered: trigger\n" in drawn
    assert drawn.count("-->") == len({(state, to) for (state, _), (to, _, _) in lifecycle.TRANSITIONS.items()})
    assert all(cause.value in drawn for cause in lifecycle.Cause)


# -- scheduled actions -------------------------------------------------------------------------------------------------


def test_support_hours_raise_what_is_open_when_they_begin() -> None:
    """People get their high-urgency rules then, and the escalation begins; it was pending before."""
    duty = Duty(two_levels(**OFFICE))
    duty.send()
    assert (duty.incident.urgency, _pending(duty)) == (Urgency.LOW, [("urgency_change", 60)])
    duty.until(60)
    assert (duty.incident.urgency, _pending(duty)) == (Urgency.HIGH, [("escalate", 90)])
    duty.until(90)
    assert duty.told == [(0, "alice"), (60, "alice"), (90, "bob")]


def test_support_hours_leave_an_acknowledged_incident_alone() -> None:
    """It waits for the next day's beginning."""
    duty = Duty(two_levels(**OFFICE))
    duty.send()
    duty.do(incidents.acknowledge, duty.incident, ALICE_ACTS)
    duty.until(61)
    assert (duty.incident.urgency, duty.incident.status) == (Urgency.LOW, Status.ACKNOWLEDGED)
    assert _pending(duty) == [("urgency_change", 25 * 60)]


def test_resolving_ends_the_wait_for_support_hours() -> None:
    """Nothing is pending any more, nor after the urgency was raised by hand."""
    duty = Duty(two_levels(**OFFICE))
    duty.send()
    duty.do(incidents.set_urgency, duty.incident, ALICE_ACTS, Urgency.HIGH)
    assert _pending(duty) == [("escalate", 30)]
    duty.do(incidents.resolve, duty.incident, ALICE_ACTS)
    assert _pending(duty) == []


def test_support_hours_skip_days_off() -> None:
    """From Friday evening the next beginning is Monday's, in the zone of the hours."""
    duty = Duty(two_levels(**OFFICE))
    service = duty.world.view.need(DOCUMENTS["services"], accounts.SERVICE)
    friday = START + 4 * 24 * 60 * MINUTE + 5 * 60 * MINUTE
    assert hours.next_edge(service, "support_hours_start", friday) == START + 7 * 24 * 60 * MINUTE + 60 * MINUTE
    assert hours.next_edge(service, "support_hours_end", friday) == friday + 2 * 60 * MINUTE


# -- snooze and auto-resolve -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["reassign", "acknowledge"])
def test_leaving_a_snooze_starts_the_auto_resolve_time_again(way: str) -> None:
    """Whoever takes the incident out of its snooze, its time to resolve itself begins then."""
    duty = Duty(two_levels(auto_resolve_timeout=7200))
    duty.send()
    duty.do(incidents.snooze, duty.incident, ALICE_ACTS, 8 * 3600)
    assert _pending(duty) == [("unacknowledge", 480)]
    duty.until(180)
    if way == "reassign":
        duty.do(incidents.reassign, duty.incident, ACTING, users=(BOB.id,))
    else:
        duty.do(incidents.acknowledge, duty.incident, ACTING)
    assert _pending(duty) == [("resolve", 300)]


def test_a_reassigned_snooze_is_over() -> None:
    """The new person is told at once, and the acknowledgement with its end is gone."""
    duty = Duty(two_levels(acknowledgement_timeout=1800))
    duty.send()
    duty.do(incidents.snooze, duty.incident, ALICE_ACTS, 3600)
    duty.do(incidents.reassign, duty.incident, ACTING, users=(BOB.id,))
    duty.until(200)
    assert (duty.incident.status, duty.incident.snoozed, _pending(duty)) == (Status.TRIGGERED, False, [])
    assert duty.told == [(0, "alice"), (0, "bob")]


def test_a_reopened_incident_follows_its_policy_from_the_first_level() -> None:
    """Its alerts stay resolved, and the same key makes a new one."""
    duty = Duty()
    duty.send()
    duty.until(40)
    duty.do(incidents.resolve, duty.incident, ALICE_ACTS)
    duty.do(amendments.reopen, duty.incident, ACTING, policy=duty.incident.policy)
    assert (duty.incident.status, duty.assigned, _pending(duty)) == (Status.TRIGGERED, ["alice"], [("escalate", 70)])
    duty.send()
    assert [alert.status for alert in duty.alerts] == [Status.RESOLVED, Status.TRIGGERED]
    assert len(duty.incidents) == 2


# -- round robin -------------------------------------------------------------------------------------------------------


def test_a_round_robin_level_hands_out_incidents_in_turn() -> None:
    """Each new incident goes to the next target of the ring, one person each."""
    duty = Duty(_turns([user(ALICE), user(BOB), user(CAROL)]))
    got = []
    for key in "abcd":
        duty.send(key=key)
        got += duty.assigned
    assert got == ["alice", "bob", "carol", "alice"]


def test_a_schedule_in_a_gap_keeps_its_turn() -> None:
    """It is passed over for this incident and is next again when somebody is on call."""
    later = accounts.layer([CAROL.id], start="2026-03-02T10:30:00Z")
    made = _turns([{"id": later["id"], "type": "schedule_reference"}, user(ALICE), user(BOB)])
    duty = Duty(made | {"schedules": [later]})
    duty.send(key="a")
    duty.send(key="b")
    got = [row.assignments[0].user for row in duty.incidents]
    duty.until(31)
    duty.send(key="c")
    assert [*got, duty.incident.assignments[0].user] == [ALICE.id, BOB.id, CAROL.id]


def test_an_escalation_leaves_the_ring_for_the_next_level() -> None:
    """Not round the ring; a single level with repeats goes on in its ring."""
    duty = Duty(_turns([user(ALICE), user(BOB)], [user(CAROL)]))
    duty.send()
    duty.until(30)
    assert duty.assigned == ["carol"]
    alone = Duty(_turns([user(ALICE), user(BOB)], loops=1))
    alone.send()
    alone.until(30)
    assert alone.assigned == ["bob"]


def test_an_edited_ring_begins_again() -> None:
    """With the first target of the level as it is now."""
    duty = Duty(_turns([user(ALICE), user(BOB)]))
    duty.send(key="a")
    edited = _turns([user(CAROL), user(ALICE), user(BOB)])["escalation_policies"][0]
    duty.do(account.put, "escalation_policies", edited)
    duty.send(key="b")
    assert duty.assigned == ["carol"]


# -- grouping and pausing ----------------------------------------------------------------------------------------------


def test_alerts_are_grouped_within_a_window_from_the_first() -> None:
    """They join the open incident and tell nobody; after the window, or after it is resolved, another one opens."""
    duty = Duty(two_levels(alert_grouping_parameters={"type": "time", "config": {"timeout": 5}}))
    duty.send(key="a")
    duty.until(4)
    duty.send(key="b")
    duty.until(5)
    duty.send(key="c")
    assert [(row.triggered, row.title) for row in duty.incidents] == [(2, "down"), (1, "down")]
    assert duty.told == [(0, "alice"), (5, "alice")]
    duty.send("resolve", key="a")
    states = [duty.incidents[0].status]
    duty.send("resolve", key="b")
    states.append(duty.incidents[0].status)
    assert states == [Status.TRIGGERED, Status.RESOLVED]
    duty.do(incidents.resolve, duty.incident, ALICE_ACTS)
    duty.send(key="d")
    assert len(duty.incidents) == 3


def test_alerts_are_grouped_until_the_incident_is_resolved() -> None:
    """A window of 0 has no end; incidents made by hand take no part."""
    duty = Duty(two_levels(alert_grouping_parameters={"type": "time", "config": {"timeout": 0}}))
    duty.send(key="a")
    service = duty.world.view.need(DOCUMENTS["services"], accounts.SERVICE)
    duty.do(incidents.trigger, service, "by hand", Urgency.HIGH, ALICE_ACTS)
    duty.until(600)
    duty.send(key="b")
    assert [row.triggered for row in duty.incidents] == [2, 0]


@pytest.mark.parametrize(("aggregate", "counts"), [("all", [1, 1, 1]), ("any", [2, 1])])
def test_alerts_are_grouped_by_what_they_say(aggregate: str, counts: list[int]) -> None:
    """All of the listed fields must agree, or any of them."""
    config = {"aggregate": aggregate, "fields": ["source", "custom_details.site"], "time_window": 300}
    duty = Duty(two_levels(alert_grouping_parameters={"type": "content_based", "config": config}))
    duty.send(key="a", source="web", custom_details={"site": "Oslo"})
    duty.send(key="b", source="web", custom_details={"site": "London"})
    duty.send(key="c", source="db", custom_details={"site": "Madrid"})
    assert [row.triggered for row in duty.incidents] == counts


def test_a_grouped_alert_can_raise_the_urgency() -> None:
    """On a service rated by severity."""
    rated = {"incident_urgency_rule": {"type": "constant", "urgency": "severity_based"}}
    grouped = {"alert_grouping_parameters": {"type": "time", "config": {"timeout": 0}}}
    duty = Duty(two_levels(**rated, **grouped))
    duty.send(key="a", severity="info")
    duty.send(key="b", severity="critical")
    assert [(row.triggered, row.urgency) for row in duty.incidents] == [(2, Urgency.HIGH)]


def test_a_full_incident_takes_no_more_alerts() -> None:
    """The thousand and first alert opens another one."""
    duty = Duty(two_levels(alert_grouping_parameters={"type": "time", "config": {"timeout": 0}}))
    for place in range(1001):
        duty.send(key=str(place))
    assert [row.triggered for row in duty.incidents] == [1000, 1]


def test_a_paused_alert_opens_its_incident_when_it_is_still_open() -> None:
    """At the end of the pause people are told; an acknowledge event before that does nothing."""
    duty = Duty(two_levels(auto_pause_notifications_parameters={"enabled": True, "timeout": 120}))
    duty.send()
    assert duty.send("acknowledge") == 202
    assert (duty.incidents, [alert.status for alert in duty.alerts]) == ([], [Status.TRIGGERED])
    duty.until(2)
    assert (duty.incident.triggered, duty.told) == (1, [(2, "alice")])


def test_a_paused_alert_that_resolves_never_opens_one() -> None:
    """No incident, and nobody is told."""
    duty = Duty(two_levels(auto_pause_notifications_parameters={"enabled": True, "timeout": 120}))
    duty.send()
    duty.send()
    duty.until(1)
    duty.send("resolve")
    duty.until(30)
    assert (duty.incidents, [alert.status for alert in duty.alerts], duty.told) == ([], [Status.RESOLVED], [])


# -- the ladder --------------------------------------------------------------------------------------------------------


def _ladder(made: dict[str, Any], urgency: Urgency | None = None) -> list[tuple[int, str, str]]:
    steps = ladder.ladder(account.Account.from_json(made), accounts.SERVICE, START, urgency)
    return [((step.at - START) // MINUTE, step.kind, step.reason) for step in steps]


def test_the_ladder_says_why_nothing_happens() -> None:
    """Maintenance, a disabled service, an empty policy."""
    window: dict[str, Any] = {"id": "PMW0001", "start_time": "2026-03-02T09:00:00Z", "end_time": "2026-03-02T11:00:00Z"}
    window |= {"services": [{"id": accounts.SERVICE}]}
    said = [
        _ladder(two_levels() | {"maintenance_windows": [window]}),
        _ladder(two_levels(status="disabled")),
        _ladder(accounts.account((), levels=([user(ALICE)],))),
    ]
    assert [[(kind, reason.split(":")[0]) for _, kind, reason in steps] for steps in said] == [
        [("drop", "Network is in maintenance")],
        [("drop", "Network is disabled")],
        [("drop", "nobody is on call on any level")],
    ]


def test_the_ladder_says_what_the_service_does_by_itself() -> None:
    """A raise at the beginning of support hours; the end by the auto-resolve time, with what it cuts off."""
    steps = _ladder(two_levels(**OFFICE, auto_resolve_timeout=80 * 60))
    assert [(at, kind) for at, kind, _ in steps] == [
        (0, "assign"),
        (0, "silent"),
        (0, "notify"),
        (60, "raise"),
        (60, "notify"),
        (80, "resolve"),
    ]
    assert steps[-1][2] == "the service resolves open incidents after 4800 s; 3 later steps do not happen"


def test_the_ladder_names_schedules_that_have_nobody() -> None:
    """Beside somebody on the same level, and on whole levels at the end of the path."""
    later = accounts.layer([CAROL.id], start="2027-03-02T10:30:00Z")
    gap = {"id": later["id"], "type": "schedule_reference"}
    steps = _ladder(accounts.account((ALICE, CAROL), levels=([gap, user(ALICE)], [gap]), schedules=[later]))
    assert [(at, kind, reason) for at, kind, reason in steps if kind in {"skip", "exhaust"}] == [
        (0, "skip", "nobody is on call by Primary on-call"),
        (30, "skip", "nobody is on call on level 2"),
        (30, "exhaust", "end of the last loop: the last people stay assigned"),
    ]


def test_reassigned_to_a_policy_is_delegated_and_assigned() -> None:
    """Both entries are in the log."""
    duty = Duty()
    duty.send()
    duty.do(incidents.reassign, duty.incident, ACTING, policy=duty.incident.policy)
    assert [kind for _, kind in duty.log()][-2:] == ["delegate", "assign"]
