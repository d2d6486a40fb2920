"""The cases no bridge can help, and the stated ones: each is excused when the journal proves it, and only then."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from evidence import Attempt, Evidence
from invariants import ALWAYS, QUIET, SETTLED, Violated, hold

from bridge.core import Point
from scenarios import accounts
from scenarios.stage import EVENTS_HOST, Stage, TestDesk
from simulators.engine import instants
from simulators.engine.faults import FaultKind
from simulators.pagerduty import account, incidents
from simulators.pagerduty.model import INCIDENTS, Agent, Status

PERSON = Agent("user_reference", "PALICE1", "web_ui")
SERVICE = Agent("service_reference", "PSVC001", "timeout")


@pytest.fixture
def shop(stage: Stage) -> Iterator[TestDesk]:
    """A test whose target fails at ten for an hour."""
    shop = stage.thousandeyes.http_test("shop")
    stage.thousandeyes.alert_rule(shop, "((responseCode >= 500))")
    shop.fails(status=503, at="10:00", until="11:00")
    yield shop
    for message in stage.person("alice").messages() + stage.person("bob").messages():
        stage.claim(message)
    stage.tolerate("event.dropped")


def close_first_incident(stage: Stage, agent: Agent) -> None:
    """Run until an incident opens and resolve it before the bridge tries again."""
    stage.run_until(lambda: stage.incidents() != [])
    stage.do(incidents.resolve, stage.incidents()[0], agent)


def lose_the_answer(stage: Stage, how: str) -> None:
    """Let PagerDuty take the trigger without the bridge hearing of it."""
    assert stage.bridge is not None
    if how == "answer lost":
        stage.fault(FaultKind.LOSE_ANSWER, EVENTS_HOST)
    else:
        stage.bridge.crash(Point.AFTER_SEND, down_for="90s")


def open_window(stage: Stage, start: str, end: str) -> None:
    """Put the service into maintenance for a part of the day."""
    day = "2026-03-02T"
    window = {
        "start_time": f"{day}{start}:00Z",
        "end_time": f"{day}{end}:00Z",
        "services": [{"id": accounts.SERVICE, "type": "service_reference"}],
    }
    stage.do(account.put, "maintenance_windows", window)


@pytest.mark.parametrize("how", ["answer lost", "bridge died"])
def test_a_second_incident_after_a_person_and_an_unheard_answer_is_excused(
    stage: Stage, shop: TestDesk, how: str
) -> None:
    """PagerDuty took the trigger, nobody told the bridge, a person resolved: two incidents, and all invariants hold."""
    evidence = Evidence(stage.world)
    lose_the_answer(stage, how)
    close_first_incident(stage, PERSON)
    stage.run_until("14:00")
    assert [row.status for row in stage.world.view.all(INCIDENTS)] == [Status.RESOLVED] * 2
    hold((*ALWAYS, *SETTLED), evidence.read())


@pytest.mark.parametrize(
    "missing",
    [
        pytest.param("person", id="not-resolved-by-a-person"),
        pytest.param("loss", id="the-answer-was-heard"),
        pytest.param("arrival", id="nothing-had-arrived"),
    ],
)
def test_without_any_part_of_the_proof_a_second_incident_is_a_failure(
    stage: Stage, shop: TestDesk, missing: str
) -> None:
    """The same story with one piece of evidence missing breaks the invariant."""
    evidence = Evidence(stage.world)
    lose_the_answer(stage, "answer lost")
    close_first_incident(stage, SERVICE if missing == "person" else PERSON)
    stage.run_until("14:00")
    first: Attempt = evidence.read().attempts[0]
    if missing == "loss":
        first.fault = None
    if missing == "arrival":
        first.arrivals.clear()
    with pytest.raises(Violated, match="at most one incident"):
        hold([invariant for invariant in ALWAYS if invariant.name == "one-incident"], evidence)


def test_a_trigger_that_arrives_after_everything_is_over_is_excused(stage: Stage, shop: TestDesk) -> None:
    """The first try of a trigger is held up for two hours: it opens an incident that nobody closes."""
    evidence = Evidence(stage.world)
    stage.fault(FaultKind.DELAY, EVENTS_HOST, delay=2 * instants.HOUR)
    stage.run_until("14:00")
    assert [row.status for row in stage.world.view.all(INCIDENTS)] == [Status.RESOLVED, Status.TRIGGERED]
    hold((*ALWAYS, *SETTLED), evidence.read())
    evidence.stragglers.clear()
    with pytest.raises(Violated, match="at most one incident"):
        hold(ALWAYS, evidence)
    with pytest.raises(Violated, match="closed its incident"):
        hold(SETTLED, evidence)


def test_an_incident_left_open_by_a_refused_resolve_is_excused(stage: Stage, shop: TestDesk) -> None:
    """Something on the way answers the resolve with 400: the event is dead and the incident stays open."""
    evidence = Evidence(stage.world)
    stage.fault(FaultKind.STATUS, EVENTS_HOST, status=400, skip=1)
    stage.run_until("14:00")
    stage.incident(shop).expect_open()
    hold((*ALWAYS, *SETTLED), evidence.read())
    evidence.tries(evidence.attempts[-1].alert, "resolve")[0].fault_status = 500
    with pytest.raises(Violated, match="arrives, or ends for a proved reason"):
        hold(SETTLED, evidence)


def test_an_incident_whose_resolve_was_dropped_in_maintenance_is_excused(stage: Stage, shop: TestDesk) -> None:
    """The service is in maintenance while the alert clears: PagerDuty takes the resolve and drops it."""
    evidence = Evidence(stage.world)
    stage.run_until("10:50")
    open_window(stage, "10:50", "11:50")
    stage.run_until("14:00")
    stage.incident(shop).expect_open()
    hold((*ALWAYS, *SETTLED), evidence.read())
    evidence.dropped.clear()
    with pytest.raises(Violated, match="closed its incident"):
        hold(SETTLED, evidence)


@pytest.mark.parametrize("cause", ["maintenance", "nobody on call", "a person"])
def test_an_active_alert_without_an_open_incident_is_excused_for_a_proved_cause(cause: str) -> None:
    """The service was in maintenance, nobody was on call, or a person resolved: without the proof it is a failure."""
    nobody = accounts.layer([], start="2026-03-01T00:00:00Z")
    deserted = accounts.account(
        (accounts.ALICE,), levels=([{"id": nobody["id"], "type": "schedule_reference"}],), schedules=(nobody,)
    )
    with Stage(account=deserted if cause == "nobody on call" else accounts.fixed()) as stage:
        shop = stage.thousandeyes.http_test("shop")
        stage.thousandeyes.alert_rule(shop, "((responseCode >= 500))")
        shop.fails(status=503, at="10:00")
        evidence = Evidence(stage.world)
        if cause == "maintenance":
            open_window(stage, "09:00", "10:30")
        if cause == "a person":
            close_first_incident(stage, PERSON)
        stage.run_until("12:00")
        assert all(row.status is Status.RESOLVED for row in stage.world.view.all(INCIDENTS))
        hold((*ALWAYS, *QUIET), evidence.read())
        evidence.dropped.clear()
        if cause == "a person":
            (incident,) = stage.world.view.all(INCIDENTS)
            stage.do(lambda draft: draft.put(INCIDENTS, replace(incident, resolved_by=SERVICE)))
        with pytest.raises(Violated, match="open incidents are ThousandEyes' active alerts"):
            hold(QUIET, evidence)


def test_what_a_coalescing_bridge_dropped_is_excused_and_nothing_else(stage: Stage, shop: TestDesk) -> None:
    """Trigger and clear came while the bridge was busy: neither was tried, and only such a bridge may do that."""
    assert stage.bridge is not None
    settings = stage.bridge.config
    stage.bridge.configure(replace(settings, pagerduty=replace(settings.pagerduty, coalesce=True)))
    evidence = Evidence(stage.world)
    evidence.coalescing = True
    stage.run_until("09:59")
    stage.bridge.fall_behind("2h")
    stage.run_until("14:00")
    assert stage.incidents() == []
    assert evidence.read().attempts == []
    hold((*ALWAYS, *QUIET, *SETTLED), evidence)
    evidence.coalescing = False
    with pytest.raises(Violated, match="arrives, or ends for a proved reason"):
        hold(SETTLED, evidence)


def test_a_trigger_stored_after_its_clear_is_excused_as_superseded(stage: Stage) -> None:
    """The trigger's first tries are lost and the clear is not: the late trigger is not sent, which the order proves."""
    shop = stage.thousandeyes.http_test("shop")
    stage.thousandeyes.alert_rule(shop, "((responseCode >= 500))")
    shop.fails(status=503, at="10:00", until="10:05")
    stage.fault(FaultKind.REFUSE, "bridge.example.com", times=2)
    stage.tolerate("event.dropped")
    evidence = Evidence(stage.world)
    stage.run_until("14:00")
    assert [one.what for one in evidence.read().webhooks] == ["clear", "trigger"]
    assert [one.what for one in evidence.attempts] == ["resolve"]
    hold((*ALWAYS, *QUIET, *SETTLED), evidence)
    evidence.webhooks.reverse()
    evidence.webhooks[0].seq = 0
    with pytest.raises(Violated, match="arrives, or ends for a proved reason"):
        hold(SETTLED, evidence)


def test_an_event_that_waits_for_another_key_is_noticed(stage: Stage, shop: TestDesk) -> None:
    """Waiting is in order while the bridge is busy; without that it is the fault of another key."""
    assert stage.bridge is not None
    evidence = Evidence(stage.world)
    stage.run_until("09:59")
    stage.bridge.fall_behind("10m")
    stage.run_until("14:00")
    hold((*ALWAYS, *QUIET, *SETTLED), evidence.read())
    evidence.excursions.clear()
    with pytest.raises(Violated, match="holds up no other"):
        hold(ALWAYS, evidence)
