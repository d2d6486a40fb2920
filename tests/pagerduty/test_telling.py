"""What PagerDuty tells people beyond a new incident: requests for help, status updates; and what SMS keywords do."""

from __future__ import annotations

import email
import email.policy
import re
from typing import Any

import pytest
from duty_rig import ALICE, BOB, Duty, user

from scenarios import accounts
from scenarios.accounts import Human, Reach
from simulators.pagerduty import account, amendments, devices, mail, notify
from simulators.pagerduty.carriers import CARRIERS, Carrier
from simulators.pagerduty.model import DOCUMENTS, LOG_ENTRIES, CallState, Channel, LogType, Message, Purpose, Status

DORA = Human(
    "PDORA01",
    "Dora <x>",
    "dora@example.com",
    (
        Reach("sms_contact_method", "5550104"),
        Reach("phone_contact_method", "5550105"),
        Reach("push_notification_contact_method", "phone"),
        Reach("email_contact_method", "dora@example.com"),
    ),
)
NUMBER = "+1 5550104"
REQUEST = "PREQ001"


@pytest.fixture
def duty() -> Duty:
    """An account whose first level is Alice; Dora is there, too, and an incident is open."""
    made = accounts.account((ALICE, BOB, DORA), levels=([user(ALICE)], [user(BOB)]))
    found = Duty(made)
    found.send(summary="Shop is down")
    return found


def _doras(duty: Duty) -> dict[Channel, Message]:
    """Return what has reached Dora, the newest on each channel."""
    return {row.channel: row for row in duty.do(devices.inbox, DORA.id)}


def _ask(duty: Duty, message: str = "we need you") -> dict[Channel, Message]:
    """Ask Dora to help, and return what reaches her."""
    duty.do(notify.ask, duty.incident, DORA.id, request=REQUEST, requester=BOB.id, message=message)
    duty.world.advance(0)
    return _doras(duty)


def _notified(duty: Duty) -> list[tuple[str, str]]:
    rows = duty.world.view.find(LOG_ENTRIES, "incident", duty.incident.id)
    return [(row.users[0], dict(row.data or {})["channel"]) for row in rows if row.type is LogType.NOTIFY]


# -- responder requests ------------------------------------------------------------------------------------------------


def test_a_request_for_help_is_told_on_every_channel(duty: Duty) -> None:
    """Each text says who asks, or at least for what, and how to answer; the log has one entry per channel."""
    found = _ask(duty)
    assert {row.purpose for row in found.values()} == {Purpose.RESPONDER}
    assert found[Channel.SMS].text == "PagerDuty 1: Please help with incident 1 Reply 4: Accept, 6: Decline"
    assert found[Channel.PUSH].text == "PagerDuty 1 (bob): Please help with Shop is down"
    assert found[Channel.PHONE].text == (
        "PagerDuty. bob asks for your help with incident 1 on Network: Shop is down. we need you "
        "Press 4 to accept, 6 to decline, 0 for help, star to repeat."
    )
    assert found[Channel.EMAIL].subject == "PagerDuty response requested"
    assert "we need you" in found[Channel.EMAIL].text
    assert re.findall(r"/(accept|decline)\?message=", found[Channel.EMAIL].html) == ["accept", "decline"]
    assert [channel for who, channel in _notified(duty) if who == DORA.id] == ["sms", "phone", "push", "email"]


def test_a_request_for_help_uses_the_high_urgency_rules(duty: Duty) -> None:
    """Whatever the incident's urgency, and with their delays; asked twice by one request a person is told once."""
    rules = [row for row in duty.world.view.all(DOCUMENTS["notification_rules"]) if row.parent == DORA.id]
    for rule in rules:
        late = rule.body["urgency"] == "high"
        duty.do(account.put, "notification_rules", rule.body | {"start_delay_in_minutes": 3 * late}, DORA.id)
    assert _ask(duty) == {}
    assert _ask(duty) == {}
    duty.until(3)
    assert [(row.at - duty.incident.created) // 60_000_000 for row in _doras(duty).values()] == [3] * 4
    assert len(duty.do(devices.inbox, DORA.id)) == 4


@pytest.mark.parametrize("end", ["settled", "resolved"])
def test_nobody_is_asked_any_more_when_it_is_over(duty: Duty, end: str) -> None:
    """An answer cancels what is pending, so does the end of the incident; what was sent can no longer be answered."""
    rule = next(row for row in duty.world.view.find(DOCUMENTS["notification_rules"], "parent", DORA.id))
    duty.do(account.put, "notification_rules", rule.body | {"start_delay_in_minutes": 5}, DORA.id)
    sent = _ask(duty)
    assert Channel.SMS not in sent
    if end == "settled":
        duty.do(notify.settle, REQUEST, DORA.id)
    else:
        duty.send("resolve")
    duty.until(10)
    assert Channel.SMS not in _doras(duty)
    assert duty.do(devices.push_action, sent[Channel.PUSH].id, "accept").outcome.startswith("outdated")


@pytest.mark.parametrize("action", ["accept", "decline"])
@pytest.mark.parametrize("channel", [*Channel])
def test_a_request_for_help_is_answered_once_on_any_channel(duty: Duty, channel: Channel, action: str) -> None:
    """The answer is kept; a second one comes too late, and the incident itself has not moved."""
    message, before = _ask(duty)[channel], duty.incident
    digit = {"accept": "4", "decline": "6"}[action]

    def say() -> str:
        if channel is Channel.SMS:
            reply = duty.do(devices.reply_sms, DORA.id, f"{message.code or ''}{digit}")
        elif channel is Channel.PHONE:
            duty.do(devices.answer, message.id)
            reply = duty.do(devices.press, message.id, digit)
        elif channel is Channel.PUSH:
            reply = duty.do(devices.push_action, message.id, action)
        else:
            reply = duty.do(devices.email_action, message.id, action)
        return str(reply.outcome)

    assert say() == devices.DONE
    assert say().startswith("outdated")
    assert (duty.incident.status, duty.incident.turn) == (before.status, before.turn)


def test_the_links_of_a_mail_that_asks_for_help_work(duty: Duty) -> None:
    """Following one accepts; the other one is of no use then."""
    links = re.findall(r'href="([^"]*/(?:accept|decline)[^"]*)"', _ask(duty)[Channel.EMAIL].html)
    answers = [duty.world.client.get(link) for link in links]
    assert [answer.status_code for answer in answers] == [200, 409]
    assert "You accepted to help with this incident." in answers[0].text


def test_an_incident_and_a_request_about_it_have_codes_of_their_own(duty: Duty) -> None:
    """Alice, who is assigned, is asked as well: 4 acknowledges, 14 accepts."""
    duty.do(notify.ask, duty.incident, ALICE.id, request=REQUEST, requester=BOB.id)
    duty.world.advance(0)
    assert [row.code for row in duty.do(devices.inbox, ALICE.id)] == [0, 1]
    assert "acknowledge" not in duty.do(devices.reply_sms, ALICE.id, "18").answer
    assert duty.do(devices.reply_sms, ALICE.id, "14").answer == "PagerDuty: #1 accepted, you are a responder."
    assert duty.incident.status is Status.TRIGGERED
    assert duty.do(devices.reply_sms, ALICE.id, "4").answer == "PagerDuty: #1 acknowledged."
    assert duty.incident.status is Status.ACKNOWLEDGED


# -- status updates ----------------------------------------------------------------------------------------------------


def _subscribe(duty: Duty, human: Human) -> None:
    """Give a person a status-update rule for every contact method."""
    for method in duty.world.view.find(DOCUMENTS["contact_methods"], "parent", human.id):
        rule = {"type": "status_update_notification_rule", "contact_method": {"id": method.id}}
        duty.do(account.put, "status_update_notification_rules", rule, human.id)


def _publish(duty: Duty, message: str, subject: str | None = None, html: str | None = None) -> None:
    update = duty.do(amendments.publish, duty.incident, BOB.id, message, subject, html)
    duty.do(notify.tell_subscribers, duty.incident, update, (DORA.id, BOB.id, DORA.id))


def test_a_status_update_is_told_at_once_and_never_by_phone(duty: Duty) -> None:
    """By the subscriber's own rules for updates, once; whoever wrote it is not told, and it is no notification."""
    _subscribe(duty, DORA)
    _subscribe(duty, BOB)
    before = _notified(duty)
    _publish(duty, "fix under way")
    found, said = _doras(duty), "bob has published an update to incident #1: fix under way"
    assert {channel: row.text for channel, row in found.items()} == {
        Channel.SMS: said,
        Channel.PUSH: said,
        Channel.EMAIL: f"{said}\n\nLink: https://example.pagerduty.com/incidents/{duty.incident.id}\n",
    }
    assert found[Channel.EMAIL].subject == "[PagerDuty Status] Triggered: Shop is down"
    assert len(duty.do(devices.inbox, DORA.id)) == 3
    assert duty.do(devices.inbox, BOB.id) == []
    assert _notified(duty) == before
    listed = duty.rest("GET", "/notifications?since=2026-03-02T09:00:00Z&until=2026-03-02T12:00:00Z&total=true").json()
    assert (len(listed["notifications"]), listed["total"]) == (1, 1)
    assert duty.do(devices.push_action, found[Channel.PUSH].id, "acknowledge").outcome == devices.NOT_UNDERSTOOD


def test_a_status_update_has_room_and_a_mail_may_bring_its_own_text(duty: Duty) -> None:
    """An SMS has 450 characters for it; a mail takes the subject and the HTML it was published with."""
    _subscribe(duty, DORA)
    _publish(duty, "x" * 600, "All\nclear", "<h1>Soon</h1>")
    found = _doras(duty)
    assert (len(found[Channel.SMS].text), found[Channel.SMS].code) == (450, 0)
    assert len(found[Channel.PUSH].text) > 600
    told = email.message_from_bytes(mail.as_mime(found[Channel.EMAIL]), policy=email.policy.default)
    assert told["Subject"] == "All clear"
    assert found[Channel.EMAIL].html.startswith("<h1>Soon</h1>")


# -- SMS keywords ------------------------------------------------------------------------------------------------------


def _says(duty: Duty, text: str) -> str:
    return str(duty.do(devices.reply_sms, ALICE.id, text).answer)


def test_stop_ends_sms_to_the_number_until_start_and_yes(duty: Duty) -> None:
    """What is sent in between fails and REST calls the number blacklisted; the keyword may be written in any case."""
    alice = f"/users/{ALICE.id}/contact_methods"
    assert _says(duty, " Stop ") == "PagerDuty: this number gets no more messages. Reply START to begin again."
    assert [row["blacklisted"] for row in duty.rest("GET", alice).json()["contact_methods"]] == [True]
    duty.send(key="second")
    assert _says(duty, "YES").startswith("PagerDuty: that was not understood")
    assert _says(duty, "start") == "PagerDuty: reply YES to get messages on this number again."
    duty.send(key="third")
    assert _says(duty, "yes") == "PagerDuty: this number gets messages again."
    duty.send(key="fourth")
    assert [row.status for row in duty.messages] == ["success", "failed", "failed", "success"]
    assert [row["blacklisted"] for row in duty.rest("GET", alice).json()["contact_methods"]] == [False]


def test_stop_is_per_number_and_about_sms_only(duty: Duty) -> None:
    """Another person's number and calls to the same one go on."""
    made = accounts.account((Human("PEVE001", "eve", "e@example.com", (
        Reach("sms_contact_method", "5550109"), Reach("phone_contact_method", "5550109"))), ALICE),
        levels=([{"id": "PEVE001", "type": "user_reference"}, user(ALICE)],))  # fmt: skip
    duty = Duty(made)
    duty.do(devices.reply_sms, "PEVE001", "STOP")
    duty.send()
    assert {(row.address, row.channel.value): row.status for row in duty.messages} == {
        ("+1 5550109", "sms"): "failed",
        ("+1 5550109", "phone"): "in_progress",
        ("+1 5550100", "sms"): "success",
    }


def test_help_and_nonsense_are_answered_and_change_nothing(duty: Duty) -> None:
    """HELP says what can be said, START without a STOP that all is well, anything else that it was not understood."""
    assert "STOP" in _says(duty, "help")
    assert _says(duty, "START") == "PagerDuty: this number gets messages again."
    for said in ("on my way", "5", "94", "4 4", ""):
        assert _says(duty, said) == "PagerDuty: that was not understood. Reply with the digits of a message, or HELP."
    assert duty.incident.status is Status.TRIGGERED


# -- calls on lines of all kinds ---------------------------------------------------------------------------------------


def _rings(**faults: bool) -> Duty:
    duty = Duty(accounts.account((BOB,), levels=([user(BOB)],)), ring_seconds=60)
    duty.do(lambda draft: draft.put(CARRIERS, Carrier("+1 5550101", **faults)))
    duty.send()
    return duty


def _seen(duty: Duty) -> tuple[CallState, str, str]:
    """Return a call's state, its status in the log and in the list of notifications."""
    (call,) = duty.messages
    entries = duty.rest("GET", "/log_entries?include[]=channels").json()["log_entries"]
    (logged,) = [entry["channel"]["notification"]["status"] for entry in entries if entry["type"] == "notify_log_entry"]
    query = "since=2026-03-02T09:00:00Z&until=2026-03-02T12:00:00Z"
    (listed,) = duty.rest("GET", f"/notifications?{query}").json()["notifications"]
    return call.call, logged, listed["status"]


def test_a_busy_line_takes_no_call() -> None:
    """It is over at once, and everybody who asks is told so."""
    assert _seen(_rings(busy=True)) == (CallState.BUSY, "busy", "busy")


def test_a_mailbox_picks_up_what_nobody_answers() -> None:
    """After twenty seconds; keys mean nothing to it, and it hears the text out."""
    duty = _rings(mailbox=True)
    duty.world.advance("19s")
    assert _seen(duty) == (CallState.RINGING, "in_progress", "in_progress")
    duty.world.advance("1s")
    assert _seen(duty) == (CallState.VOICEMAIL, "success", "success")
    assert duty.do(devices.press, duty.messages[0].id, "4").outcome == "nobody is on the line"
    duty.world.advance("150s")
    assert _seen(duty) == (CallState.ENDED, "success", "success")


@pytest.mark.parametrize(("act", "state"), [(None, CallState.NO_ANSWER), (devices.hang_up, CallState.ENDED)])
def test_a_call_that_nobody_takes_had_no_answer(act: Any, state: CallState) -> None:
    """Whether it rang in vain or was refused; it cannot be answered afterwards."""
    duty = _rings()
    if act is not None:
        duty.do(act, duty.messages[0].id)
    duty.world.advance("60s")
    assert _seen(duty) == (state, "no_answer", "no_answer")
    assert duty.do(devices.answer, duty.messages[0].id).call is state


def test_the_voice_says_what_a_key_did(duty: Duty) -> None:
    """0 names the keys, * says everything again, 4 confirms, another key is not understood."""
    duty.until(30)
    call = next(row for row in duty.messages if row.channel is Channel.PHONE)
    duty.do(devices.answer, call.id)
    said = [duty.do(devices.press, call.id, key).answer for key in ("0", "*", "5", "4")]
    assert said[0] == "Press 4 to acknowledge, 6 to resolve, 0 for help, star to repeat."
    assert said[1] == call.text
    assert said[2].startswith("PagerDuty: that was not understood")
    assert said[3] == "PagerDuty: #1 acknowledged."


def test_a_code_is_not_given_twice_while_its_message_is_on_the_way(duty: Duty) -> None:
    """The second incident's SMS overtakes the first one's; each reply finds its own."""
    duty = Duty()
    duty.do(lambda draft: draft.put(CARRIERS, Carrier("+1 5550100", delay=300_000_000)))
    duty.send(key="slow")
    duty.do(lambda draft: draft.delete(CARRIERS, "+1 5550100"))
    duty.send(key="fast")
    duty.until(5)
    assert {row.incident: row.code for row in duty.messages} == {duty.incidents[0].id: 0, duty.incidents[1].id: 1}
    duty.do(devices.reply_sms, ALICE.id, "14")
    assert [row.status for row in duty.incidents] == [Status.TRIGGERED, Status.ACKNOWLEDGED]
