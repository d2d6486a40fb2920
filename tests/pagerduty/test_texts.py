"""The words of notifications: what a mail shows in which order, and what is said of several incidents at once."""

from __future__ import annotations

import re
from typing import Any

import pytest
from duty_rig import ACTING, ALICE, Duty, user

from scenarios import accounts
from scenarios.accounts import Human, Reach
from simulators.pagerduty import account, amendments, devices, incidents
from simulators.pagerduty.model import DOCUMENTS, LOG_ENTRIES, Channel, LogType, Message, SmsWording, Status

FAY = Human(
    "PFAY001",
    "fay",
    "fay@example.com",
    (
        Reach("sms_contact_method", "5550107"),
        Reach("phone_contact_method", "5550108"),
        Reach("push_notification_contact_method", "phone"),
        Reach("email_contact_method", "fay@example.com"),
    ),
)


def _duty(**knobs: Any) -> Duty:
    return Duty(accounts.account((FAY, ALICE), levels=([user(FAY)], [user(ALICE)])), **knobs)


def _on(duty: Duty, channel: Channel) -> list[Message]:
    return duty.do(devices.inbox, FAY.id, channel)


def _bundled(wording: SmsWording = SmsWording.US, count: int = 3) -> Duty:
    """Return an account where Fay has been told of several incidents at once."""
    duty = _duty(bundle_seconds=60, sms_wording=wording)
    for number in range(count):
        duty.send(key=str(number), summary=f"link {number} down")
    duty.until(1)
    return duty


# -- mails -------------------------------------------------------------------------------------------------------------


def test_a_mail_shows_its_fields_in_the_vendors_order() -> None:
    """With the bridge as it is when the mail is written, and without what is not there."""
    duty = _duty()
    rule = duty.world.view.need(DOCUMENTS["notification_rules"], "PNH001D")
    duty.do(account.put, "notification_rules", rule.body | {"start_delay_in_minutes": 5}, FAY.id)
    duty.send(custom_details={"loss": "20 %", "agents": ["London", "Oslo"]})
    bridge = {"conference_url": "https://meet.example.net/1", "conference_number": "+1 555 0199"}
    duty.do(amendments.set_bridge, duty.incident, ACTING, bridge)
    duty.until(5)
    (mail,) = _on(duty, Channel.EMAIL)
    labels = re.findall(r"(?:<p>|<br>)([A-Z][A-Za-z -]+|Meeting URL): ", mail.html)
    assert labels == [
        "Details", "Meeting URL", "Dial-in", "Status", "Urgency", "Assigned to", "Opened on", "Service",
        "Escalation policy",
    ]  # fmt: skip
    assert "loss: 20 %" in mail.text
    assert re.search(r"https://example\.pagerduty\.com/i/1$", mail.text, re.MULTILINE)
    assert mail.text.rstrip().endswith(f"edit your notification rules: https://example.pagerduty.com/users/{FAY.id}")


def test_details_of_a_mail_are_cut() -> None:
    """After 500 characters, whatever they are."""
    duty = _duty()
    duty.send(custom_details="ü" * 600)
    (mail,) = _on(duty, Channel.EMAIL)
    assert (mail.text.count("ü"), mail.html.count("ü")) == (500, 500)


def test_mails_about_the_same_incident_have_the_same_digest() -> None:
    """Five hexadecimal digits in the subject, the same for everybody who is told of it, others for another one."""
    duty = Duty(accounts.account((FAY, ALICE), levels=([user(FAY)], [user(FAY)])))
    duty.send(key="a")
    duty.until(30)
    duty.send(key="b")
    found = [re.search(r"\(\[([0-9a-f]{5})\]\)$", mail.subject) for mail in _on(duty, Channel.EMAIL)]
    digests = [match[1] for match in found if match]
    assert len(digests) == 3
    assert digests[0] == digests[1] != digests[2]


# -- bundles -----------------------------------------------------------------------------------------------------------


def test_a_bundle_speaks_of_all_its_incidents_on_every_channel() -> None:
    """Numbers and codes for all by SMS, a count by phone, numbers on a push, a list in the mail."""
    duty = _bundled()
    (sms,), (call,), (push,), (mail,) = (_on(duty, channel) for channel in (Channel.SMS, Channel.PHONE, Channel.PUSH,
                                                                            Channel.EMAIL))  # fmt: skip
    assert sms.text == "ALRT: #1,#2,#3 on Network. Reply 4:Ack all, 6:Resolv all"
    assert call.text == (
        "PagerDuty. 3 incidents on Network. Press 4 to acknowledge all, 6 to resolve all, 0 for help, star to repeat."
    )
    assert push.text == "ALRT #1,#2,#3 on Network"
    assert mail.subject.startswith("[PagerDuty Alert] You have 3 TRIGGERED Incidents (")
    assert [f"Description: link {number} down" in mail.text for number in range(3)] == [True] * 3
    assert re.findall(r"<h2>#(\d)", mail.html) == ["1", "2", "3"]
    assert [act for _, act in re.findall(r"/(acknowledge|resolve)\?[^>]*>([^<]*)", mail.html)] == [
        "Acknowledge all",
        "Resolve all",
    ]


@pytest.mark.parametrize("channel", [*Channel])
def test_one_answer_to_a_bundle_acts_on_all_of_it(channel: Channel) -> None:
    """Except on what has moved on since."""
    duty = _bundled()
    duty.do(incidents.reassign, duty.incidents[1], ACTING, users=(ALICE.id,))
    (message,) = _on(duty, channel)
    if channel is Channel.SMS:
        reply = duty.do(devices.reply_sms, FAY.id, "6")
    elif channel is Channel.PHONE:
        duty.do(devices.answer, message.id)
        reply = duty.do(devices.press, message.id, "6")
    elif channel is Channel.PUSH:
        reply = duty.do(devices.push_action, message.id, "resolve")
    else:
        reply = duty.do(devices.email_action, message.id, "resolve")
    assert reply.answer == "PagerDuty: #1, #3 resolved."
    assert [row.status for row in duty.incidents] == [Status.RESOLVED, Status.TRIGGERED, Status.RESOLVED]


def test_a_bundle_leaves_out_what_is_over_and_may_be_of_one() -> None:
    """What was acknowledged while the bundle was gathered is not in it; a single incident reads as ever."""
    duty = _duty(bundle_seconds=60)
    duty.send(key="a")
    duty.send(key="b")
    duty.do(incidents.acknowledge, duty.incidents[0], ACTING)
    duty.until(1)
    assert [row.text for row in _on(duty, Channel.PUSH)] == ["ALRT 2 on Network down"]
    duty.send("resolve", key="b")
    duty.send(key="c")
    duty.send("resolve", key="c")
    duty.until(5)
    assert len(_on(duty, Channel.PUSH)) == 1


def test_a_bundle_covers_every_triggered_incident_of_its_person() -> None:
    """Also what was told before; the log has an entry for what fell due only, and one answer is for all."""
    duty = _bundled(count=1)
    duty.send(key="later")
    duty.until(2)
    first, second = _on(duty, Channel.SMS)
    assert (first.text.split(" on ")[0], second.text.split(".")[0]) == ("ALRT #1", "ALRT: #2,#1 on Network")
    listed = duty.world.view.find(LOG_ENTRIES, "incident", duty.incidents[0].id)
    assert sum(row.type is LogType.NOTIFY for row in listed) == 4
    duty.do(devices.reply_sms, FAY.id, f"{second.code or ''}4")
    assert {row.status for row in duty.incidents} == {Status.ACKNOWLEDGED}


def test_the_newer_wording_of_a_bundle_lists_numbers() -> None:
    """With the digits for all of them."""
    (sms,) = _on(_bundled(SmsWording.CURRENT, 2), Channel.SMS)
    assert sms.text == (
        "ALRT #1,#2: You were assigned to 2 incidents. Go to PagerDuty to learn more. Reply 4: Ack all, 6: Resolve all"
    )


def test_a_long_bundle_still_fits_an_sms() -> None:
    """Numbers that do not fit are left out, the digits are not."""
    (sms,) = _on(_bundled(count=60), Channel.SMS)
    assert len(sms.text) == 160
    assert sms.text.endswith(". Reply 4:Ack all, 6:Resolv all")


# -- silence -----------------------------------------------------------------------------------------------------------


def test_what_changes_nothing_for_people_is_not_told() -> None:
    """Further alerts, notes, priorities, a title, an acknowledgement and the end of it: nobody is notified."""
    duty = _duty()
    duty.send()
    before = len(duty.messages)
    duty.send(severity="error")
    duty.do(incidents.note, duty.incident, ALICE.id, "looking")
    duty.do(amendments.retitle, duty.incident, ACTING, "Other")
    duty.do(amendments.prioritise, duty.incident, ACTING, "PPRIO01")
    duty.do(incidents.acknowledge, duty.incident, ACTING)
    duty.send("resolve")
    duty.until(60)
    assert len(duty.messages) == before == 4
