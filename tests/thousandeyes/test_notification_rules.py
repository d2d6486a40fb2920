"""Whom an alert tells, and in which words: the vendor's rules, one by one."""

from __future__ import annotations

import pytest
from outage_rig import LONDON, OSLO, Outage

from simulators.thousandeyes import commands, notifiers
from simulators.thousandeyes.model import Trouble

DUTY = {"token": "0123456789abcdef0123456789abcdef"}
MAIL = {"notifications": {"email": {"recipients": ["noc@example.com"]}}}


def test_one_notification_at_the_start_and_one_at_the_end() -> None:
    """Locations that join or leave in between cause none."""
    outage = Outage()
    outage.fails("10:00", "10:30", LONDON)
    outage.fails("10:10", "10:20", OSLO)
    outage.world.run_until("11:00")
    assert outage.events == ["trigger", "clear"]
    assert [place["agentName"] for place in outage.bodies[1]["alert"]["agents"]] == ["London", "Oslo"]


def test_each_occurrence_is_another_alert() -> None:
    """An alert that comes back has another id, and every event an id of its own."""
    outage = Outage()
    outage.fails("10:00", "10:10")
    outage.fails("10:30", "10:40")
    outage.world.run_until("11:00")
    assert outage.events == ["trigger", "clear"] * 2
    assert len({body["alert"]["alertId"] for body in outage.bodies}) == 2
    assert len({body["eventId"] for body in outage.bodies}) == 4


def test_dates_are_the_organizations_local_time() -> None:
    """Once without and once with the abbreviation of the zone."""
    outage = Outage(account={"time_zone": "America/Chicago"})
    outage.fails("10:00", "10:10")
    outage.world.run_until("11:00")
    ended = outage.bodies[1]["alert"]
    assert (ended["dateStart"], ended["dateStartZoned"]) == ("2026-03-02 04:02:00", "2026-03-02 04:02:00 CST")
    assert (ended["dateEnd"], ended["dateEndZoned"]) == ("2026-03-02 04:12:00", "2026-03-02 04:12:00 CST")


@pytest.mark.parametrize(("auth", "login"), [("none", ""), ("basic", "Basic dTpwOnc="), ("token", "Bearer p:w")])
def test_a_webhook_logs_in_as_its_settings_say(auth: str, login: str) -> None:
    """Not at all, with user and password, or with a token."""
    outage = Outage(integration={"auth": auth, "user": "u", "token": "p:w"})
    outage.do(notifiers.test_webhook, outage.integration)
    outage.world.advance("1s")
    assert outage.logins == [login]


def test_keys_of_the_settings_stand_inside_the_alert() -> None:
    """Static keys and texts are sent with every notification."""
    outage = Outage(integration={"static": (("team", "web"),)})
    outage.fails("10:00", "10:10")
    outage.world.run_until("11:00")
    assert [body["alert"]["team"] for body in outage.bodies] == ["web", "web"]


def test_times_are_told_with_a_thousands_comma() -> None:
    """Metrics are named in words and times shown in whole milliseconds."""
    outage = Outage(rule={"expression_text": "((responseTime >= 1000 ms))"})
    outage.fails("10:00", kind=Trouble.SLOW, value=1200)
    outage.world.run_until("10:10")
    (body,) = outage.bodies
    assert body["alert"]["ruleExpression"] == "Response Time ≥ 1000 ms"
    assert body["alert"]["agents"][0]["metricsAtStart"].startswith("Response Time: 1,")


@pytest.mark.parametrize(
    ("severity", "expected"),
    [("info", "warning"), ("minor", "warning"), ("major", "error"), ("critical", "critical")],
)
def test_severities_of_pagerduty_follow_the_vendors_table(severity: str, expected: str) -> None:
    """The mapping cannot be changed."""
    outage = Outage(kind="pager-duty", integration=DUTY, rule={"severity": severity})
    outage.fails("10:00")
    outage.world.run_until("10:10")
    assert outage.bodies[0]["payload"]["severity"] == expected


@pytest.mark.parametrize("by_hand", [False, True])
def test_pagerduty_is_told_when_an_alert_ends(by_hand: bool) -> None:
    """By itself or because its rule was deleted: the same key is resolved."""
    outage = Outage(kind="pager-duty", integration=DUTY)
    outage.fails("10:00", None if by_hand else "10:10")
    outage.world.run_until("10:20")
    if by_hand:
        outage.do(commands.delete_rule, outage.rule.id)
    outage.world.run_until("10:30")
    assert outage.events == ["trigger", "resolve"]
    assert {body["dedup_key"] for body in outage.bodies} == {f"thousandeyes-{outage.alerts[0].id}"}


@pytest.mark.parametrize(("status", "tries"), [("400 Bad Request", 1), ("429 Slow down", 13), ("500 no", 13)])
def test_an_event_pagerduty_refuses_is_given_up_and_others_are_sent_again(status: str, tries: int) -> None:
    """What is wrong with the event itself does not get better."""
    outage = Outage(kind="pager-duty", integration=DUTY)
    outage.status = status
    outage.fails("10:00")
    outage.world.run_until("12:00")
    assert outage.events == ["trigger"] * tries


@pytest.mark.parametrize(("notify_on_clear", "told"), [(True, 2), (False, 1)])
def test_mails_about_the_end_are_asked_for(notify_on_clear: bool, told: int) -> None:
    """A mail goes out at the start, and at the end only if the rule says so."""
    outage = Outage(rule=MAIL | {"notify_on_clear": notify_on_clear})
    outage.fails("10:00", "10:10")
    outage.world.run_until("11:00")
    assert [entry["recipients"] for entry in outage.record("email.sent")] == [["noc@example.com"]] * told
