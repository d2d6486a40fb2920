"""What PagerDuty's documents leave open: each knob turned, and what changes by it."""

from __future__ import annotations

from typing import Any

import pytest
from duty_rig import ALICE, BOB, KEY, Duty, maintenance, user

from scenarios import accounts
from simulators.pagerduty import account, devices, incidents
from simulators.pagerduty.model import LOG_ENTRIES, Agent, LogType, OverLong, SmsWording, Status, UnknownKey

STRANGER = {"routing_key": "f" * 32, "event_action": "resolve", "dedup_key": "k"}


@pytest.mark.parametrize(
    ("unknown_key", "status", "kind"),
    [
        (UnknownKey.JSON_400, 400, "application/json"),
        (UnknownKey.PLAIN_TEXT_400, 400, "text/plain; charset=utf-8"),
        (UnknownKey.ACCEPT_202, 202, "application/json"),
    ],
)
def test_unknown_key(unknown_key: UnknownKey, status: int, kind: str) -> None:
    """A key nobody owns is refused in JSON, in plain text, or accepted and dropped."""
    duty = Duty(unknown_key=unknown_key)
    answer = duty.post("/v2/enqueue", STRANGER)
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, kind)
    assert ("Invalid routing key" in answer.text) is (status == 400)
    assert bool(duty.record("event.dropped")) is (status == 202)


@pytest.mark.parametrize(("over_long", "status"), [(OverLong.REJECT, 400), (OverLong.TRUNCATE, 202)])
def test_over_long(over_long: OverLong, status: int) -> None:
    """A summary above 1,024 characters is refused, or cut to them."""
    duty = Duty(over_long=over_long)
    assert duty.send(summary="s" * 1025) == status
    assert [len(incident.title) for incident in duty.incidents] == ([] if status == 400 else [1024])


@pytest.mark.parametrize("handoff_moves", [True, False])
def test_handoff_moves(handoff_moves: bool) -> None:
    """When an acknowledgement runs out after a hand-off, whoever is on call now is assigned and told too, or not."""
    weekly = accounts.layer([ALICE.id, BOB.id], start="2026-03-02T00:00:00Z", hours=11)
    made = accounts.fixed(schedules=[weekly])
    made["services"][0]["acknowledgement_timeout"] = 3600
    duty = Duty(made, handoff_moves=handoff_moves)
    duty.until(30)
    duty.send()
    duty.do(incidents.acknowledge, duty.incident, Agent("user_reference", ALICE.id))
    duty.until(90)
    assert duty.assigned == (["alice", "bob"] if handoff_moves else ["alice"])
    assert [who for at, who in duty.told if at == 90] == (["alice", "bob"] if handoff_moves else ["alice"])


@pytest.mark.parametrize("ack_dropped_in_maintenance", [True, False])
def test_ack_dropped_in_maintenance(ack_dropped_in_maintenance: bool) -> None:
    """An acknowledge event during a window of maintenance does nothing, or acknowledges."""
    duty = Duty(ack_dropped_in_maintenance=ack_dropped_in_maintenance)
    duty.send()
    duty.do(account.put, "maintenance_windows", maintenance())
    assert duty.send("acknowledge") == 202
    assert (duty.incident.status is Status.TRIGGERED) is ack_dropped_in_maintenance


def test_events_per_minute() -> None:
    """Over the limit of a key 429 is answered and nothing taken in, until the oldest event is a minute old."""
    duty = Duty(events_per_minute=2)
    assert [duty.send(key=key) for key in ("a", "b", "c")] == [202, 202, 429]
    assert len(duty.incidents) == 2
    duty.world.advance("60s")
    assert duty.send(key="c") == 202


def test_trigger_cap() -> None:
    """Further triggers of an alert are accepted and no longer listed, which one entry says."""
    duty = Duty(trigger_cap=2)
    assert [duty.send() for _ in range(5)] == [202] * 5
    kinds = [entry.type for entry in duty.world.view.all(LOG_ENTRIES)]
    assert (kinds.count(LogType.TRIGGER), kinds.count(LogType.TRIGGER_LIMIT)) == (2, 1)
    assert duty.alerts[0].triggers == 5


def test_subdomain() -> None:
    """Links into the web pages carry the account's subdomain."""
    duty = Duty(subdomain="shop")
    answer = duty.rest("GET", "/users").json()["users"][0]
    assert answer["html_url"] == f"https://shop.pagerduty.com/users/{answer['id']}"


@pytest.mark.parametrize(("bundle_seconds", "told"), [(0, ["#1", "#2", "#3"]), (60, ["#1,#2,#3"])])
def test_bundle_seconds(bundle_seconds: int, told: list[str]) -> None:
    """Notifications are sent one by one, or gathered for a minute into one whose codes are for all."""
    duty = Duty(bundle_seconds=bundle_seconds)
    for key in "abc":
        duty.send(key=key)
        duty.world.advance("10s")
    duty.until(2)
    assert [entry.text.split(" on ")[0].split(" ")[1] for entry in duty.messages] == told
    last = duty.messages[-1]
    assert last.text.endswith("Reply 4:Ack all, 6:Resolv all") is (bundle_seconds == 60)
    assert duty.do(devices.reply_sms, ALICE.id, f"{last.code or ''}4").outcome == devices.DONE
    acknowledged = [row.status is Status.ACKNOWLEDGED for row in duty.incidents]
    assert acknowledged == ([True] * 3 if bundle_seconds else [False, False, True])
    assert sum(row.type is LogType.NOTIFY for row in duty.world.view.all(LOG_ENTRIES)) == 3


@pytest.mark.parametrize(("minute_zero", "told"), [(False, []), (True, [(0, "alice")])])
def test_minute_zero(minute_zero: bool, told: list[tuple[int, str]]) -> None:
    """An incident that is over within its first instant tells nobody, or everybody whose rule has no delay."""
    duty = Duty(minute_zero=minute_zero)
    event = {"routing_key": KEY, "dedup_key": "k"}
    payload = {"summary": "down", "source": "web", "severity": "critical"}
    duty.post("/v2/enqueue", {**event, "event_action": "trigger", "payload": payload})
    duty.post("/v2/enqueue", {**event, "event_action": "resolve"})
    duty.until(1)
    assert (duty.incident.status, duty.told) == (Status.RESOLVED, told)
    duty.send(key="other")
    assert duty.told[len(told) :] == [(1, "alice")]
    duty.do(incidents.acknowledge, duty.incident, Agent("user_reference", ALICE.id))
    duty.until(60)
    assert len(duty.told) == len(told) + 1


@pytest.mark.parametrize("sms_wording", [*SmsWording])
def test_sms_wording(sms_wording: SmsWording) -> None:
    """An SMS names the service and the failure, or the number only; the digits act all the same."""
    duty = Duty(sms_wording=sms_wording)
    duty.send()
    (message,) = duty.messages
    assert message.text == (
        "ALRT #1 on Network: down Reply 4:Ack, 6:Resolv, 8:Escal8"
        if sms_wording is SmsWording.US
        else "ALRT 1: You were assigned to an incident. Go to PagerDuty to learn more. Reply 4: Ack, 6: Resolve"
    )
    assert duty.do(devices.reply_sms, ALICE.id, "6").outcome == devices.DONE


@pytest.mark.parametrize("sms_verification", [False, True])
def test_sms_verification(sms_verification: bool) -> None:
    """A number that is added over REST is good at once, or only when it was verified; until then SMS to it fail."""
    duty = Duty(accounts.account((BOB,), levels=([user(BOB)],)), sms_verification=sms_verification)
    method = {"type": "sms_contact_method", "label": "Mobile", "address": "5550199", "country_code": 1}
    path = f"/users/{BOB.id}/contact_methods"
    made = duty.rest("POST", path, {"contact_method": method}).json()["contact_method"]
    assert made["enabled"] is not sms_verification
    rule = {
        "type": "assignment_notification_rule", "start_delay_in_minutes": 0, "urgency": "high",
        "contact_method": {"id": made["id"], "type": "sms_contact_method_reference"},
    }  # fmt: skip
    assert duty.rest("POST", f"/users/{BOB.id}/notification_rules", {"notification_rule": rule}).status_code == 201
    duty.send(key="a")
    verify = duty.world.client.post("https://api.pagerduty.com/_sim/carriers/+15550199/verify")
    assert verify.status_code == 204
    duty.send(key="b")
    sent = [row.status for row in duty.messages if row.channel == "sms"]
    assert sent == ["failed" if sms_verification else "success", "success"]
    assert duty.rest("GET", f"{path}/{made['id']}").json()["contact_method"]["enabled"]


@pytest.mark.parametrize(("ring_seconds", "state"), [(0, "ringing"), (45, "no_answer")])
def test_ring_seconds(ring_seconds: int, state: str) -> None:
    """A call that nobody answers rings on, or is given up after so long, which its status then says."""
    duty = Duty(accounts.account((BOB,), levels=([user(BOB)],)), ring_seconds=ring_seconds)
    duty.send()
    duty.world.advance("44s")
    assert [(row.call, row.status) for row in duty.messages] == [("ringing", "in_progress")]
    duty.world.advance("1s")
    assert [row.call for row in duty.messages] == [state]


@pytest.mark.parametrize(("time_zone", "written"), [("UTC", "10:00:00Z"), ("Europe/Berlin", "11:00:00+01:00")])
def test_time_zone(time_zone: str, written: str) -> None:
    """Instants of answers are written in the account's zone."""
    duty = Duty(time_zone=time_zone)
    duty.send()
    (incident,) = duty.rest("GET", "/incidents").json()["incidents"]
    assert incident["created_at"] == f"2026-03-02T{written}"


def test_requests_per_minute() -> None:
    """Over the limit of a REST key 429 says when to come back."""
    duty = Duty(requests_per_minute=1)
    assert duty.rest("GET", "/users").status_code == 200
    refused = duty.rest("GET", "/users")
    assert (refused.status_code, refused.headers["ratelimit-reset"]) == (429, "60")
    duty.world.advance("60s")
    assert duty.rest("GET", "/users").status_code == 200


def test_incidents_per_minute() -> None:
    """Creating incidents has a limit of its own, and the headers tell of whichever is nearest."""
    duty = Duty(requests_per_minute=4, incidents_per_minute=2)
    body = {"incident": {"type": "incident", "title": "Down", "service": {"id": accounts.SERVICE}}}

    def create() -> tuple[int, str, str]:
        answer = duty.rest("POST", "/incidents", body, From=ALICE.email)
        return answer.status_code, answer.headers["ratelimit-limit"], answer.headers["ratelimit-remaining"]

    assert [create() for _ in range(3)] == [(201, "2", "1"), (201, "2", "0"), (429, "2", "0")]
    asked = duty.rest("GET", "/users")
    assert (asked.status_code, asked.headers["ratelimit-limit"], asked.headers["ratelimit-remaining"]) == (
        200,
        "4",
        "0",
    )
    assert create()[:2] == (429, "4")
    duty.world.advance("60s")
    assert create()[0] == 201


@pytest.mark.parametrize(("missing_abilities", "status"), [((), 204), (("teams",), 402)])
def test_missing_abilities(missing_abilities: tuple[str, ...], status: int) -> None:
    """What the plan does not include is answered 402, when asked for and when used."""
    duty = Duty(missing_abilities=missing_abilities)
    assert duty.rest("GET", "/abilities/teams").status_code == status
    made = duty.rest("POST", "/teams", {"team": {"type": "team", "name": "Network"}})
    assert made.status_code == (201 if status == 204 else 402)


@pytest.mark.parametrize(("targets_per_rule", "status"), [(10, 201), (1, 400)])
def test_targets_per_rule(targets_per_rule: int, status: int) -> None:
    """A level may have so many targets."""
    duty = Duty(targets_per_rule=targets_per_rule)
    rule: dict[str, Any] = {"escalation_delay_in_minutes": 30, "targets": [user(ALICE), user(BOB)]}
    policy = {"type": "escalation_policy", "name": "Both", "escalation_rules": [rule]}
    answer = duty.rest("POST", "/escalation_policies", {"escalation_policy": policy}, From=ALICE.email)
    assert answer.status_code == status
