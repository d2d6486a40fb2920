"""What no source settles: each open point with the default chosen, and turned where a knob turns it."""

from __future__ import annotations

from typing import Any

import pytest
from duty_rig import ALICE, BOB, CAROL, Duty, two_levels, user
from rest_rig import make, refused, schedule

from scenarios import accounts
from simulators.pagerduty import account, carriers
from simulators.pagerduty.carriers import Carrier

INCIDENT = {"type": "incident", "title": "t", "service": {"id": accounts.SERVICE, "type": "service_reference"}}
WINDOW = "since=2026-03-02&until=2026-03-03"


def _change(duty: Duty, body: dict[str, Any], who: str = CAROL.email) -> Any:
    """Update the newest incident and return the answer."""
    return duty.rest("PUT", f"/incidents/{duty.incident.id}", {"incident": {"type": "incident", **body}}, From=who)


# -- incidents ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("acknowledger_alone", [False, True])
def test_acknowledger_alone(acknowledger_alone: bool) -> None:
    """Of several assigned all stay when one of them acknowledges, or only that one; a stranger joins or takes over."""
    made = two_levels(acknowledgement_timeout=3600)
    made["escalation_policies"][0]["escalation_rules"][0]["targets"].append(user(BOB))
    for who, alone, together in ((BOB, ["bob"], ["alice", "bob"]), (CAROL, ["carol"], ["alice", "bob", "carol"])):
        duty = Duty(made, acknowledger_alone=acknowledger_alone)
        duty.send()
        assert _change(duty, {"status": "acknowledged"}, who.email).status_code == 200
        assert duty.assigned == (alone if acknowledger_alone else together)


@pytest.mark.parametrize("snooze_acknowledges", [False, True])
def test_snooze_acknowledges(snooze_acknowledges: bool) -> None:
    """A triggered incident is acknowledged by a snooze, or has to be before it."""
    duty = Duty(snooze_acknowledges=snooze_acknowledges)
    duty.send()
    path = f"/incidents/{duty.incident.id}/snooze"
    first = duty.rest("POST", path, {"duration": 60}, From=CAROL.email)
    assert (first.status_code, duty.incident.status) == (
        (201, "acknowledged") if snooze_acknowledges else (400, "triggered")
    )
    _change(duty, {"status": "acknowledged"})
    assert duty.rest("POST", path, {"duration": 60}, From=CAROL.email).status_code == 201


@pytest.mark.parametrize("unacknowledge_over_rest", [False, True])
def test_unacknowledge_over_rest(unacknowledge_over_rest: bool) -> None:
    """Triggered again, or refused as no status that can be given."""
    duty = Duty(unacknowledge_over_rest=unacknowledge_over_rest)
    duty.send()
    _change(duty, {"status": "acknowledged"})
    answer = _change(duty, {"status": "triggered"})
    expected = (200, "triggered") if unacknowledge_over_rest else (400, "acknowledged")
    assert (answer.status_code, duty.incident.status) == expected


@pytest.mark.parametrize("reopen_unacknowledges", [False, True])
def test_reopen_unacknowledges(reopen_unacknowledges: bool) -> None:
    """The entry of a reopening."""
    duty = Duty(reopen_unacknowledges=reopen_unacknowledges)
    duty.send()
    _change(duty, {"status": "resolved"})
    _change(duty, {"status": "triggered"})
    assert [kind for _, kind in duty.log()][-2:] == [
        "unacknowledge" if reopen_unacknowledges else "trigger",
        "assign",
    ]


@pytest.mark.parametrize("incident_on_disabled", [False, True])
def test_incident_on_disabled(incident_on_disabled: bool) -> None:
    """By hand an incident is refused where events are dropped, or made."""
    duty = Duty(two_levels(status="disabled"), incident_on_disabled=incident_on_disabled)
    answer = duty.rest("POST", "/incidents", {"incident": INCIDENT}, From=CAROL.email)
    assert (answer.status_code, len(duty.incidents)) == ((201, 1) if incident_on_disabled else (400, 0))


@pytest.mark.parametrize("setup_needs_from", [False, True])
def test_setup_needs_from(setup_needs_from: bool) -> None:
    """With an account's key users and maintenance windows, and nothing else, can be let through without a From."""
    duty = Duty(setup_needs_from=setup_needs_from)
    service = {"id": INCIDENT["service"]["id"], "type": "service_reference"}
    window = {"start_time": "2027-01-01T10:00:00Z", "end_time": "2027-01-01T11:00:00Z", "services": [service]}
    statuses = [
        duty.rest("POST", "/users", {"user": {"name": "Dave", "email": "dave@example.com"}}).status_code,
        duty.rest("POST", "/maintenance_windows", {"maintenance_window": window}).status_code,
        duty.rest("POST", "/incidents", {"incident": INCIDENT}).status_code,
    ]
    assert statuses == ([400, 400, 400] if setup_needs_from else [201, 201, 400])


def test_an_alert_that_is_held_back_is_triggered_and_nowhere_to_be_seen() -> None:
    """Until its pause is over."""
    duty = Duty(two_levels(auto_pause_notifications_parameters={"enabled": True, "timeout": 120}))
    duty.send()
    assert [alert.status for alert in duty.alerts] == ["triggered"]
    assert duty.rest("GET", "/incidents").json()["incidents"] == []
    duty.until(3)
    alerts = duty.rest("GET", "/incidents/1/alerts").json()["alerts"]
    assert [alert["status"] for alert in alerts] == ["triggered"]


def test_a_log_entry_says_what_happened() -> None:
    """In a sentence of its own for each kind."""
    duty = Duty()
    duty.send()
    _change(duty, {"status": "acknowledged"})
    _change(duty, {"status": "resolved"})
    rows = duty.rest("GET", "/incidents/1/log_entries").json()["log_entries"]
    said = {row["type"].removesuffix("_log_entry"): row["summary"] for row in rows}
    assert said == {
        "trigger": "Triggered through the API",
        "assign": "Assigned to alice",
        "notify": "Notified alice by SMS",
        "acknowledge": "Acknowledged by carol",
        "resolve": "Resolved by carol",
    }


def test_a_notification_is_a_success_or_failed() -> None:
    """As the line takes it or not."""
    duty = Duty()
    duty.send(key="a")
    duty.do(carriers.change, Carrier("+1 5550100", blocked=True))
    duty.send(key="b")
    rows = duty.rest("GET", f"/notifications?{WINDOW}").json()["notifications"]
    assert sorted(row["status"] for row in rows) == ["failed", "success"]


# -- REST --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit_clamped", [False, True])
def test_limit_clamped(limit_clamped: bool) -> None:
    """A page of more than a hundred is cut to a hundred, or refused."""
    duty = Duty(limit_clamped=limit_clamped)
    answer = duty.rest("GET", "/users?limit=101")
    assert answer.status_code == (200 if limit_clamped else 400)
    assert answer.json()["limit"] == 100 if limit_clamped else refused(answer)[1] == 2001
    assert duty.rest("GET", "/users?limit=100").status_code == 200


@pytest.mark.parametrize("layers_reversed", [False, True])
def test_layers_reversed(layers_reversed: bool) -> None:
    """The order of the layers in an answer; the last that was sent prevails either way."""
    duty = Duty(layers_reversed=layers_reversed)
    sent = schedule()
    base = sent["schedule_layers"][0]
    above = {**base, "name": "Above", "users": [{"user": user(BOB)}]}
    body = {**sent, "schedule_layers": [{**base, "name": "Base"}, above]}
    made = make(duty, "/schedules", "schedule", body)
    names = [layer["name"] for layer in made["schedule_layers"]]
    assert names == (["Above", "Base"] if layers_reversed else ["Base", "Above"])
    window = "since=2026-04-01T00:00:00Z&until=2026-04-02T00:00:00Z"
    final = duty.rest("GET", f"/schedules/{made['id']}?{window}").json()["schedule"]["final_schedule"]
    assert {entry["user"]["id"] for entry in final["rendered_schedule_entries"]} == {BOB.id}


def test_a_page_too_deep_is_invalid_input() -> None:
    """Beyond 10,000."""
    duty = Duty()
    assert duty.rest("GET", "/users?offset=9900&limit=100").status_code == 200
    assert refused(duty.rest("GET", "/users?offset=9901&limit=100"))[:2] == (400, 2001)


def test_what_is_in_use_cannot_be_deleted() -> None:
    """A policy of a service, and a person of a policy."""
    duty = Duty()
    for path in (f"/escalation_policies/{accounts.POLICY}", f"/users/{ALICE.id}"):
        code, _, said = refused(duty.rest("DELETE", path))
        assert (code, bool(said)) == (400, True)
        assert duty.rest("GET", path).status_code == 200


def test_any_zone_of_the_database_is_taken() -> None:
    """One of the vendor's list or not; what is no zone is refused."""
    duty = Duty()
    statuses = [
        duty.rest("POST", "/schedules", {"schedule": {**schedule(), "name": zone, "time_zone": zone}}).status_code
        for zone in ("Europe/Berlin", "Australia/Lord_Howe", "Mars/Olympus")
    ]
    assert statuses == [201, 201, 400]


@pytest.mark.parametrize(("seconds", "status"), [(3_599, 400), (3_600, 201), (31_536_000, 201), (31_536_001, 400)])
def test_a_turn_length_out_of_range_is_an_invalid_schedule(seconds: int, status: int) -> None:
    """An hour to a year."""
    answer = Duty().rest("POST", "/schedules", {"schedule": schedule(rotation_turn_length_seconds=seconds)})
    assert answer.status_code == status
    assert status == 201 or refused(answer)[1] == 3001


@pytest.mark.parametrize(("minutes", "status"), [(43_200, 201), (43_201, 400)])
def test_a_delay_has_at_most_thirty_days(minutes: int, status: int) -> None:
    """More is refused."""
    rule = {"escalation_delay_in_minutes": minutes, "targets": [user(ALICE)]}
    policy = {"type": "escalation_policy", "name": "Slow", "escalation_rules": [rule]}
    assert Duty().rest("POST", "/escalation_policies", {"escalation_policy": policy}).status_code == status


def test_vendors_have_made_up_ids() -> None:
    """Shaped like the vendor's, and they can be read."""
    duty = Duty()
    for row in duty.rest("GET", "/vendors").json()["vendors"]:
        assert duty.rest("GET", f"/vendors/{row['id']}").json()["vendor"]["name"] == row["name"]
    made = make(duty, "/teams", "team", {"type": "team", "name": "T"})
    assert (made["id"][0], len(made["id"])) == ("P", 7)
    assert duty.do(account.put, "teams", {"name": "U"}).id != made["id"]
