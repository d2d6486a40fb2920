"""What becomes of an incident by itself and by people: the vendor's rules, one by one."""

from __future__ import annotations

from typing import Any

import pytest
from duty_rig import ACTING, ALICE, BOB, CAROL, START, Duty, two_levels, user

from scenarios import accounts
from scenarios.accounts import Human, Reach
from simulators.engine import instants
from simulators.engine.instants import HOUR, MINUTE
from simulators.engine.resources import Document
from simulators.pagerduty import account, devices, incidents, schedules
from simulators.pagerduty.model import LOG_ENTRIES, Agent, Channel, LogType, Status, Urgency

LOW = {"incident_urgency_rule": {"type": "constant", "urgency": "low"}}
ALICE_ACTS = Agent("user_reference", ALICE.id, "website")


def _empty_schedule() -> dict[str, Any]:
    return accounts.layer([ALICE.id], start="2027-01-01T00:00:00Z")


# -- acknowledging -----------------------------------------------------------------------------------------------------


def test_whoever_acknowledges_joins_the_assigned() -> None:
    """The assigned stay, and a person who was not among them is added."""
    duty = Duty()
    duty.send()
    duty.do(incidents.acknowledge, duty.incident, ACTING)
    assert duty.assigned == ["alice", "carol"]
    assert [entry.agent.id for entry in duty.incident.acknowledgements] == [CAROL.id]


def test_an_acknowledge_event_names_no_person() -> None:
    """The integration acknowledges; the assigned stay."""
    duty = Duty()
    duty.send()
    duty.send("acknowledge")
    assert [entry.agent.type for entry in duty.incident.acknowledgements] == ["integration_reference"]
    assert duty.assigned == ["alice"]


def test_an_acknowledgement_runs_out() -> None:
    """After the service's time the incident is triggered again, rules start anew and escalation resumes."""
    duty = Duty(two_levels(acknowledgement_timeout=1800))
    duty.send()
    duty.until(10)
    duty.do(incidents.acknowledge, duty.incident, ALICE_ACTS)
    assert incidents.pending_actions(duty.world.view, duty.incident) == [("unacknowledge", START + 40 * MINUTE)]
    duty.until(40)
    assert (duty.incident.status, duty.incident.acknowledgements) == (Status.TRIGGERED, ())
    assert incidents.pending_actions(duty.world.view, duty.incident) == [("escalate", START + 70 * MINUTE)]
    duty.until(70)
    assert duty.told == [(0, "alice"), (40, "alice"), (70, "bob")]


def test_a_second_acknowledgement_does_not_restart_the_time() -> None:
    """It adds a name and leaves the end where it was."""
    duty = Duty(two_levels(acknowledgement_timeout=1800))
    duty.send()
    duty.do(incidents.acknowledge, duty.incident, ALICE_ACTS)
    duty.until(10)
    duty.do(incidents.acknowledge, duty.incident, ACTING)
    assert len(duty.incident.acknowledgements) == 2
    assert incidents.pending_actions(duty.world.view, duty.incident) == [("unacknowledge", START + 30 * MINUTE)]


# -- resolving ---------------------------------------------------------------------------------------------------------


def test_an_incident_resolves_itself_counted_from_its_beginning() -> None:
    """The time is not moved by an acknowledgement."""
    duty = Duty(two_levels(auto_resolve_timeout=7200))
    duty.send()
    duty.until(60)
    duty.do(incidents.acknowledge, duty.incident, ALICE_ACTS)
    duty.until(119)
    assert duty.incident.status is Status.ACKNOWLEDGED
    duty.until(120)
    assert duty.incident.resolved == START + 2 * HOUR


def test_a_snoozed_incident_does_not_resolve_itself() -> None:
    """The time starts again when the snooze ends."""
    duty = Duty(two_levels(auto_resolve_timeout=7200))
    duty.send()
    duty.do(incidents.snooze, duty.incident, ALICE_ACTS, 3 * 3600)
    duty.until(179)
    assert duty.incident.status is Status.ACKNOWLEDGED
    duty.until(181)
    actions = dict(incidents.pending_actions(duty.world.view, duty.incident))
    assert actions["resolve"] == START + 5 * HOUR


def test_resolving_an_incident_resolves_its_alerts_and_clears_the_assigned() -> None:
    """Nothing is pending and nobody is assigned afterwards."""
    duty = Duty()
    duty.send()
    duty.do(incidents.resolve, duty.incident, ALICE_ACTS)
    assert duty.alerts[0].status is Status.RESOLVED
    assert duty.incident.assignments == ()
    assert incidents.pending_actions(duty.world.view, duty.incident) == []


# -- escalating --------------------------------------------------------------------------------------------------------


def test_a_level_with_nobody_on_call_is_passed_over_at_once() -> None:
    """Nobody waits for its delay, at the beginning and later."""
    empty = _empty_schedule()
    levels = ([{"id": empty["id"], "type": "schedule_reference"}], [user(ALICE)], [user(BOB)])
    duty = Duty(accounts.account((ALICE, BOB), levels=levels, schedules=[empty], loops=1))
    duty.send()
    duty.until(90)
    assert duty.told == [(0, "alice"), (30, "bob"), (60, "alice"), (90, "bob")]


def test_who_is_reached_past_an_empty_first_level_is_escalated_to_one_by_one() -> None:
    """The log names each person of the level in an entry of their own, at the instant of the trigger."""
    empty = _empty_schedule()
    gap = {"id": empty["id"], "type": "schedule_reference"}
    duty = Duty(accounts.account((ALICE, BOB, CAROL), levels=([gap], [user(BOB), user(CAROL)]), schedules=[empty]))
    duty.send()
    log = [row for row in duty.world.view.all(LOG_ENTRIES) if row.type in {LogType.ASSIGN, LogType.ESCALATE}]
    assert [(row.type, row.at, row.users) for row in log] == [
        (LogType.ESCALATE, START, (BOB.id,)),
        (LogType.ESCALATE, START, (CAROL.id,)),
    ]


def test_all_of_a_level_are_assigned_together() -> None:
    """Everybody is told at once, each with a log entry of an escalation of their own."""
    duty = Duty(accounts.account((ALICE, BOB, CAROL), levels=([user(ALICE)], [user(BOB), user(CAROL), user(BOB)])))
    duty.send()
    duty.until(30)
    assert duty.assigned == ["bob", "carol"]
    assert [entry for entry in duty.log() if entry[1] == "escalate"] == [(30, "escalate")] * 2


def test_an_incident_of_low_urgency_never_escalates() -> None:
    """Neither by itself nor by hand."""
    duty = Duty(two_levels(**LOW))
    duty.send()
    duty.until(300)
    before = duty.incident
    assert duty.do(incidents.escalate, before, ALICE_ACTS) == before
    assert (duty.assigned, incidents.pending_actions(duty.world.view, before)) == (["alice"], [])


def test_raising_the_urgency_starts_the_escalation() -> None:
    """From that moment on, at the present level; an acknowledged incident is triggered again by it."""
    duty = Duty(two_levels(**LOW))
    duty.send()
    duty.do(incidents.acknowledge, duty.incident, ALICE_ACTS)
    duty.until(60)
    duty.do(incidents.set_urgency, duty.incident, ALICE_ACTS, Urgency.HIGH)
    assert duty.incident.status is Status.TRIGGERED
    assert incidents.pending_actions(duty.world.view, duty.incident) == [("escalate", START + 90 * MINUTE)]


def test_lowering_the_urgency_stops_the_escalation() -> None:
    """Nothing is pending any more."""
    duty = Duty()
    duty.send()
    duty.do(incidents.set_urgency, duty.incident, ALICE_ACTS, Urgency.LOW)
    assert incidents.pending_actions(duty.world.view, duty.incident) == []


def test_an_incident_follows_the_policy_as_it_was_when_it_opened() -> None:
    """An edit concerns incidents that open later."""
    duty = Duty()
    duty.send()
    edited = accounts.account((ALICE, BOB, CAROL), levels=([user(ALICE)], [user(CAROL)]))["escalation_policies"][0]
    duty.do(account.put, "escalation_policies", edited)
    duty.send(key="later")
    duty.until(30)
    assert [at for at, who in duty.told if who == "bob"] == [30]
    assert [at for at, who in duty.told if who == "carol"] == [30]


def test_reassigned_to_a_person_it_follows_no_policy() -> None:
    """Only that person is told, and nothing escalates."""
    duty = Duty()
    duty.send()
    duty.until(10)
    duty.do(incidents.reassign, duty.incident, ALICE_ACTS, users=(CAROL.id,))
    duty.until(300)
    assert (duty.assigned, duty.incident.assigned_via) == (["carol"], "direct_assignment")
    assert duty.told == [(0, "alice"), (10, "carol")]


def test_reassigned_to_a_policy_it_starts_at_the_first_level() -> None:
    """Levels and loops begin anew."""
    duty = Duty()
    duty.send()
    duty.until(40)
    policy = account.Account(duty.world.view).get("escalation_policies", accounts.POLICY)
    duty.do(incidents.reassign, duty.incident, ALICE_ACTS, policy=policy)
    assert (duty.assigned, duty.incident.level, duty.incident.loop) == (["alice"], 1, 0)
    assert duty.log()[-2:] == [(40, "delegate"), (40, "assign")]


def test_escalating_by_hand_goes_to_the_level_asked_for() -> None:
    """The new level's time starts at once."""
    duty = Duty()
    duty.send()
    duty.until(5)
    duty.do(incidents.escalate, duty.incident, ALICE_ACTS, 2)
    assert duty.assigned == ["bob"]
    assert incidents.pending_actions(duty.world.view, duty.incident) == [("escalate", START + 35 * MINUTE)]


# -- telling people ----------------------------------------------------------------------------------------------------


def _patient(delay: int) -> Human:
    return Human("PDAVE01", "dave", "dave@example.com", (Reach("sms_contact_method", "5550104", delay),))


def test_a_rule_waits_from_the_moment_of_assignment() -> None:
    """Five minutes after it, not after the trigger."""
    dave = _patient(5)
    duty = Duty(accounts.account((ALICE, dave), levels=([user(ALICE)], [user(dave)])))
    duty.send()
    duty.until(60)
    assert duty.told == [(0, "alice"), (35, "dave")]


def test_a_rule_that_waits_is_cancelled_when_the_incident_moves_on() -> None:
    """Nobody is told about what is somebody else's by now."""
    dave = _patient(45)
    duty = Duty(accounts.account((dave, BOB), levels=([user(dave)], [user(BOB)])))
    duty.send()
    duty.until(120)
    assert duty.told == [(30, "bob")]


def test_a_rule_goes_on_when_the_incident_comes_back_to_the_same_person() -> None:
    """A delay longer than the escalation fires once it has passed."""
    dave = _patient(45)
    duty = Duty(accounts.account((dave,), levels=([user(dave)],), loops=2))
    duty.send()
    duty.until(50)
    assert duty.told == [(45, "dave")]


def test_a_person_without_rules_is_assigned_and_not_told() -> None:
    """Escalation goes on as usual."""
    mute = Human("PMUTE01", "mute", "mute@example.com", ())
    duty = Duty(accounts.account((mute, BOB), levels=([user(mute)], [user(BOB)])))
    duty.send()
    assert duty.assigned == ["mute"]
    duty.until(30)
    assert duty.told == [(30, "bob")]


def test_an_sms_has_160_characters_and_says_how_to_answer() -> None:
    """A long title is cut, the codes never."""
    duty = Duty()
    duty.send(summary="s" * 1000)
    (message,) = duty.messages
    assert len(message.text) == 160
    assert message.text.startswith("ALRT #1 on Network: sss")
    assert message.text.endswith(" Reply 4:Ack, 6:Resolv, 8:Escal8")


def test_each_open_sms_has_a_code_of_its_own() -> None:
    """The second one is answered with a leading digit, and only its incident acts."""
    duty = Duty()
    duty.send(key="one")
    duty.send(key="two")
    assert duty.messages[1].text.endswith(" Reply 14:Ack, 16:Resolv, 18:Escal8")
    duty.do(devices.reply_sms, ALICE.id, "14")
    assert [incident.status for incident in duty.incidents] == [Status.TRIGGERED, Status.ACKNOWLEDGED]


@pytest.mark.parametrize(("key", "outcome"), [("8", "done"), ("5", "not understood"), ("0", "done"), ("*", "done")])
def test_the_keypad_escalates_explains_and_ignores_other_keys(key: str, outcome: str) -> None:
    """8 goes to the next level; 0 and * change nothing."""
    duty = Duty(accounts.account((BOB, ALICE), levels=([user(BOB)], [user(ALICE)])))
    duty.send()
    call = duty.messages[0].id
    duty.do(devices.answer, call)
    assert duty.do(devices.press, call, key).outcome == outcome
    assert duty.assigned == (["alice"] if key == "8" else ["bob"])


def test_a_mail_says_what_is_open_and_links_to_it() -> None:
    """The subject counts, the text has the vendor's lines."""
    eve = Human("PEVE001", "eve", "eve@example.com", (Reach("email_contact_method", "eve@example.com"),))
    duty = Duty(accounts.account((eve,), levels=([user(eve)],)))
    duty.send()
    (message,) = duty.messages
    assert message.channel is Channel.EMAIL
    assert message.subject.startswith("[PagerDuty Alert] You have 1 TRIGGERED Incidents ([")
    assert "https://example.pagerduty.com/i/1\n" in message.text
    assert "Service: Network\n" in message.text


# -- schedules ---------------------------------------------------------------------------------------------------------


def _schedule(*layers: dict[str, Any], overrides: list[dict[str, Any]] | None = None) -> schedules.Schedule:
    body = {"time_zone": "UTC", "schedule_layers": list(layers)}
    found = [Document(f"O{place}", "override", entry, 0, 0, "S") for place, entry in enumerate(overrides or [])]
    return schedules.parse(Document("S", "schedule", body, 0, 0, ""), found)


def _layer(name: str, *restrictions: dict[str, Any], hours: int = 24) -> dict[str, Any]:
    start = "2026-03-02T00:00:00Z"
    return {
        "name": name,
        "start": start,
        "end": None,
        "rotation_virtual_start": start,
        "rotation_turn_length_seconds": hours * 3600,
        "users": [{"user": {"id": name, "type": "user_reference"}}],
        "restrictions": list(restrictions),
    }


def _who(schedule: schedules.Schedule, moment: str) -> str | None:
    return schedules.who(schedule, instants.parse(f"2026-03-{moment}:00Z"))


def test_a_later_layer_wins_and_its_gaps_fall_through() -> None:
    """Restricted to some hours of the day, the upper layer leaves the others to the lower one."""
    nights = {"type": "daily_restriction", "start_time_of_day": "20:00:00", "duration_seconds": 12 * 3600}
    schedule = _schedule(_layer("low"), _layer("high", nights))
    assert [_who(schedule, f"03T{hour}:00") for hour in ("07", "08", "19", "20")] == ["high", "low", "low", "high"]


def test_a_weekly_restriction_counts_from_its_day() -> None:
    """Monday is 1; a span may reach into the next days."""
    weekend = {
        "type": "weekly_restriction",
        "start_day_of_week": 5,
        "start_time_of_day": "17:00:00",
        "duration_seconds": 63 * 3600,
    }
    schedule = _schedule(_layer("weekend", weekend))
    assert [_who(schedule, moment) for moment in ("06T16:59", "06T17:00", "08T12:00", "09T08:00")] == [
        None,
        "weekend",
        "weekend",
        None,
    ]


def test_the_newest_override_beats_everything() -> None:
    """Older overrides and all layers stand behind it."""

    def override(who: str) -> dict[str, Any]:
        return {"start": "2026-03-03T08:00:00Z", "end": "2026-03-03T10:00:00Z", "user": {"id": who}}

    schedule = _schedule(_layer("low"), overrides=[override("old"), override("new")])
    assert [_who(schedule, f"03T{hour}:00") for hour in ("07", "08", "10")] == ["low", "new", "low"]
