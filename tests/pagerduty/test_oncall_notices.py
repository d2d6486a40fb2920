"""Who hears of going on and off call: how long ahead, of what, by which channel, and for which schedules."""

from __future__ import annotations

from typing import Any

import pytest
from duty_rig import ALICE, BOB, START, Duty

from scenarios import accounts
from scenarios.accounts import Human, Reach
from simulators.engine import instants
from simulators.engine.instants import DAY, HOUR, MINUTE
from simulators.pagerduty import account, oncall_notices
from simulators.pagerduty.account import HANDOFF_RULES
from simulators.pagerduty.model import OWNER, Channel, Message, Purpose

ERIN = Human(
    "PERIN01",
    "erin",
    "erin@example.com",
    (
        Reach("email_contact_method", "erin@example.com"),
        Reach("push_notification_contact_method", "phone"),
        Reach("sms_contact_method", "5550106"),
    ),
)
EMAIL, PUSH, SMS = (f"PCMN01{letter}" for letter in "ABC")
SCHEDULE = accounts.layer([ALICE.id, ERIN.id], start="2026-03-02T00:00:00Z", hours=24)


def _rule(method: str, ahead: int, kind: str = "both", id: str = "PHR0001") -> dict[str, Any]:
    reference = {"id": method, "type": "contact_method_reference"}
    return {"id": id, "notify_advance_in_minutes": ahead, "handoff_type": kind, "contact_method": reference}


def _duty(*rules: dict[str, Any], **policy: Any) -> Duty:
    """Return an account of one schedule that turns every midnight: Alice today, Erin tomorrow, and so on."""
    target = {"id": SCHEDULE["id"], "type": "schedule_reference"}
    made = accounts.account((ALICE, ERIN), levels=([target],), schedules=[SCHEDULE])
    made["users"][1]["oncall_handoff_notification_rules"] = list(rules)
    made["escalation_policies"][0] |= policy
    return Duty(made)


def _told(duty: Duty, until: str) -> list[tuple[str, Message]]:
    """Let time pass and return what was sent when."""
    duty.world.advance_to(instants.parse(until))
    return [(instants.iso(row.at)[5:16], row) for row in duty.messages if row.purpose is Purpose.HANDOFF]


def test_a_person_hears_ahead_of_going_on_and_off_call() -> None:
    """As long ahead as the rule says; the mail names the policy, the level and the schedule."""
    found = _told(_duty(_rule(EMAIL, 60)), "2026-03-05T12:00:00Z")
    assert [at for at, _ in found] == ["03-02T23:00", "03-03T23:00", "03-04T23:00"]
    going = "[PagerDuty] erin is going {} call for Network escalation (Level 1 - Primary on-call)"
    assert [row.subject for _, row in found] == [going.format(way) for way in ("on", "off", "on")]
    assert "at 2026-03-03T00:00:00Z" in found[0][1].text
    assert f"https://example.pagerduty.com/schedules/{SCHEDULE['id']}" in found[0][1].html
    assert {(row.user, row.channel, row.incident) for _, row in found} == {(ERIN.id, Channel.EMAIL, "")}


@pytest.mark.parametrize(
    ("kind", "days"), [("oncall", ["03-03", "03-05"]), ("offcall", ["03-04"]), ("both", ["03-03", "03-04", "03-05"])]
)
def test_a_rule_is_about_going_on_off_or_both(kind: str, days: list[str]) -> None:
    """At the turn itself, when it says no time ahead; a push says so in the past tense."""
    found = _told(_duty(_rule(PUSH, 0, kind)), "2026-03-05T12:00:00Z")
    assert [at for at, _ in found] == [f"{day}T00:00" for day in days]
    way = "off" if kind == "offcall" else "on"
    assert found[0][1].text.startswith(f"Went {way} call")
    assert "Network escalation (Level 1 - Primary on-call)" in found[0][1].text


def test_notices_come_by_push_and_mail_only() -> None:
    """A rule for an SMS says nothing, two rules for one mailbox both do."""
    rules = (_rule(SMS, 0), _rule(EMAIL, 10, id="PHR0002"), _rule(EMAIL, 20, id="PHR0003"))
    assert [at for at, _ in _told(_duty(*rules), "2026-03-03T12:00:00Z")] == ["03-02T23:40", "03-02T23:50"]


@pytest.mark.parametrize(
    ("policy", "status", "count"), [("if_has_services", "active", 1), ("if_has_services", "disabled", 0),
                                    ("always", "disabled", 1)]
)  # fmt: skip
def test_the_policy_must_be_used_or_always_tell(policy: str, status: str, count: int) -> None:
    """By default only while an enabled service uses it, looked at when the notice is due."""
    duty = _duty(_rule(EMAIL, 0), on_call_handoff_notifications=policy)
    service = duty.rest("GET", f"/services/{accounts.SERVICE}").json()["service"]
    assert (
        duty.rest("PUT", f"/services/{accounts.SERVICE}", {"service": service | {"status": status}}).status_code == 200
    )
    assert len(_told(duty, "2026-03-03T12:00:00Z")) == count


def test_an_edit_moves_the_notices() -> None:
    """An override, a new rule and a deleted one count from then on; a turn too close for the notice passes without."""
    duty = _duty(_rule(EMAIL, 0))
    override = {"start": "2026-03-02T15:00:00Z", "end": "2026-03-02T17:00:00Z",
                "user": {"id": ERIN.id, "type": "user_reference"}}  # fmt: skip
    made = duty.rest("POST", f"/schedules/{SCHEDULE['id']}/overrides", {"overrides": [override]})
    assert made.status_code == 201, made.text
    path = f"/users/{ERIN.id}/oncall_handoff_notification_rules"
    body = {"oncall_handoff_notification_rule": _rule(PUSH, 24 * 60, "oncall", id="")}
    new = duty.rest("POST", path, body)
    assert new.status_code == 201, new.text
    assert [at for at, _ in _told(duty, "2026-03-02T18:00:00Z")] == ["03-02T15:00", "03-02T17:00"]
    assert duty.rest("DELETE", f"{path}/PHR0001").status_code == 204
    found = _told(duty, "2026-03-05T12:00:00Z")[2:]
    assert [(at, row.channel) for at, row in found] == [("03-04T00:00", Channel.PUSH)]
    assert "Going on call on 2026-03-05T00:00:00Z" in found[0][1].text


def test_an_edit_at_the_very_moment_loses_no_notice_and_doubles_none() -> None:
    """Whether it comes before or after the notice of that instant."""
    duty = _duty(_rule(EMAIL, 0))
    duty.world.advance_to(instants.parse("2026-03-03T00:00:00Z") - 1)
    rule = duty.world.view.need(HANDOFF_RULES, "PHR0001")
    duty.world._now += 1  # the instant has come, and the edit is faster than the agenda
    duty.do(account.put, "oncall_handoff_notification_rules", rule.body, ERIN.id)
    duty.world.advance(0)
    duty.do(account.put, "oncall_handoff_notification_rules", rule.body, ERIN.id)
    duty.world.advance(MINUTE)
    assert [at for at, _ in _told(duty, "2026-03-03T12:00:00Z")] == ["03-03T00:00"]


def test_shifts_turn_like_layers() -> None:
    """A policy may point at a schedule of the newer kind."""
    duty = _duty(_rule(EMAIL, 0))
    shift = {
        "id": "01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "type": "custom_shift",
        "start_time": "2026-03-02T15:00:00Z",
        "end_time": "2026-03-02T16:00:00Z",
        "assignments": [{"member": {"type": "user_member", "user_id": ERIN.id}}],
    }
    duty.do(account.put, "v3_schedules", {"id": "PV3SCH1", "name": "Shifts", "time_zone": "UTC"})
    duty.do(account.put, "custom_shifts", shift, "PV3SCH1")
    policy = duty.world.view.need(account.DOCUMENTS["escalation_policies"], accounts.POLICY)
    level = {"escalation_delay_in_minutes": 5, "targets": [{"id": "PV3SCH1", "type": "schedule_v3_reference"}]}
    body = {**policy.body, "escalation_rules": [*policy.body["escalation_rules"], level]}
    duty.do(account.put, "escalation_policies", body)
    found = _told(duty, "2026-03-02T18:00:00Z")
    assert [at for at, _ in found] == ["03-02T15:00", "03-02T16:00"]
    assert "(Level 2 - Shifts)" in found[0][1].subject


def test_without_rules_nothing_waits_and_without_turns_it_is_looked_for_again() -> None:
    """No timer for an account whose people asked for nothing; otherwise one, however quiet the schedule."""
    duty = _duty()
    duty.world.advance(HOUR)
    assert duty.world.view.timer(OWNER, oncall_notices.TIMER, "") is None
    made = accounts.account((BOB, ERIN), levels=([{"id": BOB.id, "type": "user_reference"}],))
    made["users"][1]["oncall_handoff_notification_rules"] = [_rule(EMAIL, 0)]
    duty = Duty(made)
    duty.world.advance(0)
    waiting = duty.world.view.timer(OWNER, oncall_notices.TIMER, "")
    assert waiting is not None
    assert waiting.due == START + 14 * DAY
    assert _told(duty, "2026-04-05T12:00:00Z") == []


def test_a_mail_of_a_notice_goes_the_way_of_all_mails() -> None:
    """It can be read as MIME, and the timeline says why it was sent."""
    duty = _duty(_rule(EMAIL, 0))
    ((_, message),) = _told(duty, "2026-03-03T12:00:00Z")
    answer = duty.world.client.get(f"https://api.pagerduty.com/_sim/devices/messages/{message.id}/mail.eml")
    assert b"Subject: [PagerDuty] erin is going on call" in answer.content
    told = duty.world.client.get("https://api.pagerduty.com/_sim/timeline.txt").text
    assert "erin notified by email, erin@example.com  [goes on or off call]" in told


def test_a_wrong_rule_of_an_account_is_said_and_not_loaded() -> None:
    """In one line that says where."""
    duty = Duty()
    for wrong in ({"notify_advance_in_minutes": "soon"}, {"contact_method": {}}):
        user = {"id": "P1", "oncall_handoff_notification_rules": [_rule(EMAIL, 0) | wrong]}
        answer = duty.world.client.post("https://api.pagerduty.com/_sim/account", json={"users": [user]})
        assert answer.status_code == 400
        assert next(iter(wrong)) in answer.json()["error"]
