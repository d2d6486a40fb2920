"""What the Events APIs do with events: the vendor's rules, one by one."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from duty_rig import ALICE, KEY, Duty, maintenance, two_levels

from scenarios import accounts
from simulators.pagerduty import account
from simulators.pagerduty.model import CHANGES, INCIDENTS, MESSAGES, Status, Urgency

OTHER = "0" * 32
SEVERITY_BASED = {"incident_urgency_rule": {"type": "constant", "urgency": "severity_based"}}
V1 = "/generic/2010-04-15/create_event.json"


def _with_second_key() -> dict[str, Any]:
    made = two_levels()
    first = made["services"][0]["integrations"][0]
    made["services"][0]["integrations"].append({**copy.deepcopy(first), "id": "PINT002", "integration_key": OTHER})
    return made


def test_a_body_above_512_kilobytes_is_too_large() -> None:
    """It is refused whatever it says."""
    event = {"routing_key": KEY, "event_action": "resolve", "dedup_key": "k", "padding": "p" * 512 * 1024}
    assert Duty().post("/v2/enqueue", event).status_code == 413


def test_unknown_fields_are_ignored() -> None:
    """An event may carry more than the documents name."""
    event = {"routing_key": KEY, "event_action": "resolve", "dedup_key": "k", "colour": {"of": "the sky"}}
    assert Duty().post("/v2/enqueue", event).status_code == 202


def test_missing_fields_are_named_together() -> None:
    """Everything that is missing from a trigger is in one list."""
    event = {"routing_key": KEY, "event_action": "trigger", "payload": {}}
    assert Duty().post("/v2/enqueue", event).json()["errors"] == [
        "'payload.summary' is missing or blank",
        "'payload.source' is missing or blank",
        "'payload.severity' is missing or blank",
    ]


def test_a_trigger_without_a_key_never_joins_another() -> None:
    """It gets a key of 32 hexadecimal digits of its own, which the answer tells."""
    duty = Duty()
    event = {
        "routing_key": KEY,
        "event_action": "trigger",
        "payload": {"summary": "down", "source": "web", "severity": "critical"},
    }
    keys = {duty.post("/v2/enqueue", event).json()["dedup_key"] for _ in range(2)}
    assert len(keys) == 2
    assert all(len(key) == 32 and int(key, 16) >= 0 for key in keys)
    assert len(duty.incidents) == 2


@pytest.mark.parametrize("action", ["acknowledge", "resolve"])
def test_what_has_no_open_alert_is_accepted_and_dropped(action: str) -> None:
    """An acknowledge or resolve for an unknown key is a 202 that does nothing."""
    duty = Duty()
    assert duty.send(action) == 202
    assert duty.incidents == []
    assert [entry["why"] for entry in duty.record("event.dropped")] == ["no open alert has this key"]


def test_another_integration_cannot_resolve_an_alert() -> None:
    """The same deduplication key under another routing key is another alert."""
    duty = Duty(_with_second_key())
    duty.send()
    assert duty.send("resolve", routing_key=OTHER) == 202
    assert duty.incident.status is Status.TRIGGERED
    duty.send(routing_key=OTHER)
    assert len(duty.incidents) == 2


def test_keys_are_compared_letter_by_letter() -> None:
    """Case matters in a deduplication key."""
    duty = Duty()
    duty.send(key="Shop")
    duty.send(key="shop")
    assert len(duty.incidents) == 2


def test_a_repeated_trigger_tells_nobody() -> None:
    """It is listed in the log and wakes nobody again, acknowledged or not."""
    duty = Duty()
    duty.send()
    duty.send()
    duty.send("acknowledge")
    duty.send()
    assert duty.incident.status is Status.ACKNOWLEDGED
    assert [who for _, who in duty.told] == ["alice"]
    assert [kind for _, kind in duty.log()].count("trigger") == 3


def test_the_newest_summary_is_the_alerts_and_the_first_the_incidents() -> None:
    """A repeated trigger rewords the alert; the incident keeps its title."""
    duty = Duty()
    duty.send(summary="first")
    duty.send(summary="second")
    assert (duty.alerts[0].summary, duty.incident.title) == ("second", "first")


def test_the_severity_of_an_alert_never_falls() -> None:
    """The most severe value stays, and only raises the urgency."""
    duty = Duty(two_levels(**SEVERITY_BASED))
    duty.send(severity="warning")
    assert duty.incident.urgency is Urgency.LOW
    duty.send(severity="error")
    duty.send(severity="info")
    assert (duty.alerts[0].severity, duty.incident.urgency) == ("error", Urgency.HIGH)


def test_an_incident_is_never_opened_again_by_an_event() -> None:
    """A trigger after the resolve opens another incident with the same key."""
    duty = Duty()
    duty.send()
    duty.send("resolve")
    duty.send()
    assert [incident.status for incident in duty.incidents] == [Status.RESOLVED, Status.TRIGGERED]
    assert [incident.number for incident in duty.incidents] == [1, 2]


def test_the_last_resolved_alert_resolves_its_incident() -> None:
    """Whatever the state of the incident."""
    duty = Duty()
    duty.send()
    duty.send("acknowledge")
    duty.send("resolve")
    assert duty.incident.status is Status.RESOLVED
    assert (duty.incident.triggered, duty.incident.closed) == (0, 1)


def test_a_disabled_service_accepts_and_drops() -> None:
    """202, and nothing but the journal knows."""
    duty = Duty(two_levels(status="disabled"))
    assert duty.send() == 202
    assert (duty.incidents, duty.alerts) == ([], [])
    assert [entry["why"] for entry in duty.record("event.dropped")] == ["the service is disabled"]


def test_maintenance_drops_triggers_and_resolves_and_ends_by_itself() -> None:
    """Open incidents stay open and go on; what was dropped is not made up for."""
    duty = Duty()
    duty.send(key="before")
    duty.do(account.put, "maintenance_windows", maintenance())
    assert [duty.send(key="during"), duty.send("resolve", key="before")] == [202, 202]
    assert [incident.status for incident in duty.incidents] == [Status.TRIGGERED]
    duty.until(60)
    assert [who for at, who in duty.told if at == 30] == ["bob"]
    duty.send(key="after")
    assert len(duty.incidents) == 2


def test_without_anybody_on_call_nothing_is_opened() -> None:
    """202, and there is neither an alert nor an incident."""
    late = accounts.layer([ALICE.id], start="2027-01-01T00:00:00Z")
    schedule = {"id": late["id"], "type": "schedule_reference"}
    duty = Duty(accounts.account((ALICE,), levels=([schedule],), schedules=[late]))
    assert duty.send() == 202
    assert (duty.incidents, duty.alerts) == ([], [])


@pytest.mark.parametrize(
    ("severity", "urgency"), [("critical", "high"), ("error", "high"), ("warning", "low"), ("info", "low")]
)
def test_severity_decides_the_urgency_where_the_service_says_so(severity: str, urgency: str) -> None:
    """Critical and error are high, warning and info low."""
    duty = Duty(two_levels(**SEVERITY_BASED))
    duty.send(severity=severity)
    assert duty.incident.urgency == urgency


@pytest.mark.parametrize(("minutes", "urgency"), [(0, "high"), (8 * 60, "low")])
def test_support_hours_decide_the_urgency(minutes: int, urgency: str) -> None:
    """The hours are asked at the moment of the trigger, in their own zone."""
    hours = {
        "type": "fixed_time_per_day",
        "time_zone": "Europe/Berlin",
        "start_time": "09:00:00",
        "end_time": "17:00:00",
        "days_of_week": [1, 2, 3, 4, 5],
    }
    rule = {
        "type": "use_support_hours",
        "during_support_hours": {"type": "constant", "urgency": "high"},
        "outside_support_hours": {"type": "constant", "urgency": "low"},
    }
    duty = Duty(two_levels(support_hours=hours, incident_urgency_rule=rule))
    duty.until(minutes)
    duty.send()
    assert duty.incident.urgency == urgency


def test_a_service_that_creates_incidents_only_has_no_alerts() -> None:
    """The event's key is the incident's own; further events with it act on the incident, other integrations' do not."""
    duty = Duty(_with_second_key())
    duty.rest("PUT", "/services/PSVC001", {"service": {"type": "service", "alert_creation": "create_incidents"}})
    for summary in ("down", "still down"):
        duty.send(key="k", summary=summary)
    (shown,) = duty.rest("GET", "/incidents?incident_key=k").json()["incidents"]
    assert (shown["title"], shown["incident_key"], shown["alert_counts"]["all"]) == ("down", "k", 0)
    assert duty.alerts == []
    entries = duty.rest("GET", f"/incidents/{shown['id']}/log_entries?include[]=channels").json()["log_entries"]
    channels = [entry["channel"] for entry in entries if entry["type"] == "trigger_log_entry"]
    assert [(channel["description"], channel["incident_key"]) for channel in channels] == [
        ("still down", "k"),
        ("down", "k"),
    ]
    duty.post("/v2/enqueue", {"routing_key": OTHER, "event_action": "resolve", "dedup_key": "k"})
    duty.send("acknowledge", key="k")
    assert duty.incident.status is Status.ACKNOWLEDGED
    duty.send("resolve", key="k")
    assert duty.incident.status is Status.RESOLVED
    duty.send(key="k")
    assert [incident.status for incident in duty.incidents] == [Status.RESOLVED, Status.TRIGGERED]
    reopened = {"incident": {"type": "incident", "status": "triggered"}}
    assert duty.rest("PUT", f"/incidents/{shown['id']}", reopened, From=ALICE.email).status_code == 200
    duty.send("resolve", key="k")
    assert [incident.status for incident in duty.incidents] == [Status.TRIGGERED, Status.RESOLVED]


def test_an_incident_without_alerts_counts_its_triggers_and_its_urgency_only_rises() -> None:
    """Beyond the cap one entry says so; a more severe event raises the urgency, a milder one leaves it."""
    made = two_levels(alert_creation="create_incidents", **SEVERITY_BASED)
    duty = Duty(made, trigger_cap=2)
    for severity, urgency in (("info", "low"), ("error", "high"), ("info", "high"), ("info", "high")):
        duty.send(key="k", severity=severity)
        assert duty.incident.urgency == urgency
    entries = duty.rest("GET", f"/incidents/{duty.incident.id}/log_entries").json()["log_entries"]
    types = [entry["type"] for entry in entries]
    assert [types.count(f"{name}_log_entry") for name in ("trigger", "reach_trigger_limit")] == [2, 1]


def test_without_anybody_on_call_an_incident_without_alerts_is_not_opened_either() -> None:
    """The event is accepted and dropped."""
    made = two_levels(alert_creation="create_incidents")
    made["escalation_policies"][0]["escalation_rules"] = []
    duty = Duty(made)
    assert duty.send(key="k") == 202
    assert duty.incidents == []


def test_a_change_event_wakes_nobody() -> None:
    """It is stored and answered without a key."""
    duty = Duty()
    change = {"routing_key": KEY, "payload": {"summary": "deployed"}}
    answer = duty.post("/v2/change/enqueue", change)
    duty.until(60)
    assert (answer.status_code, "dedup_key" in answer.json()) == (202, False)
    assert [duty.world.view.count(table) for table in (CHANGES, INCIDENTS, MESSAGES)] == [1, 0, 0]


def test_the_first_version_answers_200_and_shares_its_alerts_with_the_second() -> None:
    """``incident_key`` and ``dedup_key`` are one key; without a severity the alert is critical."""
    duty = Duty()
    event = {"service_key": KEY, "event_type": "trigger", "incident_key": "k", "description": "down"}
    answer = duty.post(V1, event)
    assert (answer.status_code, answer.json()["incident_key"]) == (200, "k")
    assert duty.alerts[0].severity == "critical"
    duty.send("resolve", key="k")
    assert duty.incident.status is Status.RESOLVED


def test_the_first_version_throttles_with_403() -> None:
    """Where the second answers 429."""
    duty = Duty(events_per_minute=1)
    event = {"service_key": KEY, "event_type": "resolve", "incident_key": "k"}
    assert [duty.post(V1, event).status_code for _ in range(2)] == [200, 403]


@pytest.mark.parametrize("intake_delay_ms", [0, 500])
def test_intake_delay_ms(intake_delay_ms: int) -> None:
    """A 202 precedes the alert by the delay; events keep their order, and one key makes one alert."""
    duty = Duty(intake_delay_ms=intake_delay_ms)
    answers = [duty.send(action, "k") for action in ("trigger", "trigger", "acknowledge", "resolve")]
    assert answers == [202] * 4
    assert len(duty.alerts) == (0 if intake_delay_ms else 1)
    duty.world.advance("500ms")
    (alert,) = duty.alerts
    assert (alert.triggers, duty.incident.status) == (2, Status.RESOLVED)
    assert [kind for _, kind in duty.log()] == ["trigger", "assign", "trigger", "acknowledge", "resolve"]
