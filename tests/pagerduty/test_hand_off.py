"""An open incident when the schedule of its level turns: by default nothing happens, with the knob it moves."""

from __future__ import annotations

from typing import Any

import pytest
from duty_rig import ALICE, BOB, CAROL, START, Duty, user

from scenarios import accounts
from simulators.engine import instants
from simulators.engine.instants import MINUTE
from simulators.pagerduty import incidents, schedules
from simulators.pagerduty.model import Agent, Status
from simulators.pagerduty.schedules import AHEAD, Layer, Override, Restriction, Schedule

ALICE_ACTS = Agent("user_reference", ALICE.id, "website")


def _rota(hours: int = 1, *beside: dict[str, str]) -> dict[str, Any]:
    """Return an account whose first level is a schedule Alice hands to Bob after ``hours``, and ``beside``."""
    rota = accounts.layer([ALICE.id, BOB.id], start="2026-03-02T10:00:00Z", hours=hours)
    first = [{"id": rota["id"], "type": "schedule_reference"}, *beside]
    return accounts.account((ALICE, BOB, CAROL), levels=(first, [user(CAROL)]), delay=90, schedules=[rota])


@pytest.mark.parametrize("handoff_at_turn", [False, True])
def test_handoff_at_turn(handoff_at_turn: bool) -> None:
    """At the turn itself nobody moves, or whoever comes on call is assigned and told; the level's time goes on."""
    duty = Duty(_rota(), handoff_at_turn=handoff_at_turn)
    duty.send()
    duty.until(60)
    assert duty.assigned == (["bob"] if handoff_at_turn else ["alice"])
    assert duty.told == ([(0, "alice"), (60, "bob")] if handoff_at_turn else [(0, "alice")])
    assert incidents.pending_actions(duty.world.view, duty.incident) == [("escalate", START + 90 * MINUTE)]
    duty.until(95)
    assert duty.told[-1] == (90, "carol")
    assert (60, "assign") in duty.log() if handoff_at_turn else (60, "assign") not in duty.log()


def test_a_turn_tells_only_whoever_comes() -> None:
    """Somebody beside the schedule stays, keeps the running rules, and is not told again."""
    duty = Duty(_rota(1, user(CAROL)), handoff_at_turn=True)
    duty.send()
    duty.until(61)
    assert (duty.assigned, duty.told) == (["bob", "carol"], [(0, "alice"), (0, "carol"), (60, "bob")])


def test_an_acknowledged_incident_stays_at_the_turn() -> None:
    """And when it is triggered again, it follows the next turn."""
    duty = Duty(_rota(), handoff_at_turn=True)
    duty.send()
    duty.do(incidents.acknowledge, duty.incident, ALICE_ACTS)
    duty.until(61)
    assert (duty.assigned, duty.incident.status) == (["alice"], Status.ACKNOWLEDGED)
    duty.do(incidents.unacknowledge, duty.incident, ALICE_ACTS)
    assert duty.assigned == ["alice", "bob"]
    duty.until(120)
    assert duty.assigned == ["alice"]


@pytest.mark.parametrize("handoff_at_turn", [False, True])
def test_an_override_is_a_turn(handoff_at_turn: bool) -> None:
    """An override that begins now moves the incident now, one that is taken back lets it follow the layers again."""
    duty = Duty(_rota(24), handoff_at_turn=handoff_at_turn)
    duty.send()
    spans = [("10:00", "10:10", BOB), ("10:20", "10:30", CAROL), ("10:40", "10:50", CAROL)]
    made = [
        {"start": f"2026-03-02T{start}:00Z", "end": f"2026-03-02T{end}:00Z", "user": user(human)}
        for start, end, human in spans
    ]
    answer = duty.rest("POST", f"/schedules/{accounts.SCHEDULE}/overrides", {"overrides": made}).json()
    duty.until(5)
    duty.rest("DELETE", f"/schedules/{accounts.SCHEDULE}/overrides/{answer[1]['override']['id']}")
    duty.until(60)
    moved = [(0, "bob"), (10, "alice"), (40, "carol"), (50, "alice")] if handoff_at_turn else []
    assert duty.told == [(0, "alice"), *moved]


def test_the_next_change_is_when_somebody_else_comes_or_nobody() -> None:
    """Gaps begin and end changes, a turn to the same person is none, and what never changes is asked again later."""
    day, hour = instants.DAY, instants.HOUR
    office = Restriction(8 * hour, 9 * hour)
    layer = Layer("L", START - day, None, START - 10 * hour, day, ("A", "A", "B"), (office,))
    schedule = Schedule("UTC", (layer,))
    assert schedules.next_change(schedule, START) == START + 7 * hour
    assert schedules.next_change(schedule, START + 8 * hour) == START + 22 * hour
    always = Schedule("UTC", (Layer("L", START, None, START, day, ("A", "A", "B"), ()),))
    assert schedules.next_change(always, START) == START + 2 * day
    covered = Schedule("UTC", always.layers, (Override("O", START + day, START + 3 * day, "A"),))
    assert schedules.next_change(covered, START) == START + 5 * day
    alone = Schedule("UTC", (Layer("L", START, None, START, day, ("A",), ()),))
    assert schedules.next_change(alone, START) == START + AHEAD
    assert schedules.next_change(Schedule("UTC", ()), START) == START + AHEAD
