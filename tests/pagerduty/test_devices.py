"""What reaches people, and how: calls state by state, mails as MIME, and lines that are slow, deaf or blocked."""

from __future__ import annotations

import email
import email.policy
import itertools
import re
from email.message import EmailMessage
from typing import Any

import httpx
import pytest
from duty_rig import ALICE, BOB, START, Duty, user

from scenarios import accounts
from scenarios.accounts import Human, Reach
from simulators.engine.instants import MINUTE, SECOND
from simulators.pagerduty import calls, carriers, devices, incidents
from simulators.pagerduty.api import API_HOST
from simulators.pagerduty.calls import CALLS, CallEvent
from simulators.pagerduty.carriers import CARRIERS, Carrier
from simulators.pagerduty.model import LOG_ENTRIES, MESSAGES, Agent, CallState, Channel, LogType, Message, Status

EVE = Human("PEVE001", "Eve <&> Co", "eve@example.com", (Reach("email_contact_method", "eve@example.com"),))
#: A way to bring a ringing call into each state.
WAYS: dict[CallState, tuple[CallEvent, ...]] = {
    CallState.RINGING: (),
    CallState.ANSWERED: (CallEvent.ANSWER,),
    CallState.VOICEMAIL: (CallEvent.VOICEMAIL,),
    CallState.BUSY: (CallEvent.BUSY,),
    CallState.NO_ANSWER: (CallEvent.NO_ANSWER,),
    CallState.ENDED: (CallEvent.HANG_UP,),
}


def _called(*levels: Human) -> tuple[Duty, str]:
    """Return an account whose first person's phone rings, and the call."""
    people = levels or (BOB, ALICE)
    duty = Duty(accounts.account(people, levels=[[user(human)] for human in people]))
    duty.send()
    return duty, duty.messages[0].id


def _line(duty: Duty, **faults: Any) -> None:
    """Put a carrier between the vendor and Alice's number."""
    duty.do(lambda draft: draft.put(CARRIERS, Carrier("+1 5550100", **faults)))


def _log(duty: Duty) -> list[Any]:
    rows = duty.world.view.find(LOG_ENTRIES, "incident", duty.incident.id)
    return [dict(row.data or {}) for row in rows if row.type is LogType.NOTIFY]


# -- calls -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("state", "event"), list(itertools.product(WAYS, CallEvent)))
def test_a_call_goes_only_where_the_table_says(state: CallState, event: CallEvent) -> None:
    """Whatever happens in a state leads where the table says, and otherwise nowhere."""
    duty, call = _called()
    for step in (*WAYS[state], event):
        before = duty.world.view.need(MESSAGES, call)
        after = duty.do(devices.happen, call, step)
    assert before.call is state
    assert after.call is CALLS.get((state, event), state)
    refused = after.call is CallState.ENDED and (WAYS[state] + (event,))[0] is CallEvent.HANG_UP
    assert after.status == calls.STATUS.get(after.call, "no_answer" if refused else "success")


@pytest.mark.parametrize("state", [state for state in WAYS if state is not CallState.ANSWERED])
def test_keys_do_nothing_unless_somebody_is_on_the_line(state: CallState) -> None:
    """Neither while it rings, nor to a mailbox, nor afterwards."""
    duty, call = _called()
    for step in WAYS[state]:
        duty.do(devices.happen, call, step)
    assert duty.do(devices.press, call, "4").outcome == "nobody is on the line"
    assert duty.incident.status is Status.TRIGGERED


def test_a_call_ends_after_two_minutes_and_a_half() -> None:
    """Keys are of no use then; one that was hung up has no end to wait for."""
    duty, call = _called()
    duty.do(devices.answer, call)
    duty.world.advance_to(START + 150 * SECOND - 1)
    states = [duty.world.view.need(MESSAGES, call).call]
    duty.world.advance_to(START + 150 * SECOND)
    states.append(duty.world.view.need(MESSAGES, call).call)
    assert states == [CallState.ANSWERED, CallState.ENDED]


def test_a_call_offers_to_escalate_only_when_there_is_a_further_level() -> None:
    """On the last one the sentence goes without it."""
    texts = [duty.messages[0].text for duty, _ in (_called(BOB, ALICE), _called(BOB))]
    assert texts[0].endswith("Press 4 to acknowledge, 6 to resolve, 8 to escalate, 0 for help, star to repeat.")
    assert texts[1].endswith("Press 4 to acknowledge, 6 to resolve, 0 for help, star to repeat.")


def test_an_outdated_key_changes_nothing() -> None:
    """The incident went to somebody else while the phone was at the ear."""
    duty, call = _called()
    duty.do(devices.answer, call)
    duty.do(incidents.reassign, duty.incident, Agent("user_reference", ALICE.id), users=(ALICE.id,))
    before = duty.incident
    assert duty.do(devices.press, call, "6").outcome.startswith("outdated")
    assert duty.incident == before


# -- mails -------------------------------------------------------------------------------------------------------------


def _mailed() -> tuple[Duty, Message, bytes]:
    duty = Duty(accounts.account((EVE,), levels=([user(EVE)],)))
    duty.send(summary="Größe <b>unknown</b> " + "x" * 120)
    (message,) = duty.messages
    path = f"https://{API_HOST}/_sim/devices/messages/{message.id}/mail.eml"
    answer = duty.world.client.request("GET", path)
    assert answer.headers["Content-Type"].startswith("message/rfc822")
    return duty, message, answer.content


def test_a_mail_is_a_mime_message_with_text_and_html() -> None:
    """Headers, both parts and the boundary; the sender is nobody the vendor owns."""
    _, message, raw = _mailed()
    mail = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(mail, EmailMessage)
    assert (mail["To"], mail["Subject"]) == ("eve@example.com", message.subject)
    assert mail["From"] == "PagerDuty <no-reply@pagerduty.example>"
    assert mail["Date"] == "Mon, 02 Mar 2026 10:00:00 +0000"
    assert mail.get_boundary() == f"=_{message.id}"
    parts = [(part.get_content_type(), part.get_content()) for part in mail.iter_parts()]
    assert [kind for kind, _ in parts] == ["text/plain", "text/html"]
    assert parts[0][1].splitlines() == message.text.splitlines()
    assert "Größe &lt;b&gt;unknown&lt;/b&gt;" in parts[1][1]


def test_a_mail_is_the_same_bytes_every_time() -> None:
    """In every run, with CRLF line ends of at most 998 characters."""
    (_, _, one), (_, _, other) = _mailed(), _mailed()
    assert one == other
    assert all(line.endswith(b"\r") and len(line) < 999 for line in one.split(b"\n")[:-1])


@pytest.mark.parametrize(("act", "status"), [("acknowledge", Status.ACKNOWLEDGED), ("resolve", Status.RESOLVED)])
def test_the_links_of_a_mail_work(act: str, status: Status) -> None:
    """Following one does what it says."""
    duty, message, _ = _mailed()
    (link,) = re.findall(rf'href="([^"]*/{act}\?[^"]*)"', message.html)
    assert duty.world.client.request("GET", link).status_code == 200
    assert duty.incident.status is status


def test_only_a_mail_can_be_read_as_one() -> None:
    """A call is refused in one line."""
    duty, call = _called()
    refused: httpx.Response = duty.world.client.request(
        "GET", f"https://{API_HOST}/_sim/devices/messages/{call}/mail.eml"
    )
    assert (refused.status_code, "not an e-mail" in refused.text) == (409, True)


# -- carriers ----------------------------------------------------------------------------------------------------------


def test_a_slow_carrier_delivers_later() -> None:
    """The log has the sending, the phone the arrival; nothing arrived before."""
    duty = Duty()
    _line(duty, delay=5 * MINUTE)
    duty.send()
    duty.until(4)
    assert ([entry["status"] for entry in _log(duty)], duty.messages) == (["in_progress"], [])
    duty.until(5)
    assert duty.told == [(5, "alice")]
    entries = duty.rest("GET", "/log_entries?include[]=channels").json()["log_entries"]
    (shown,) = [entry["channel"]["notification"] for entry in entries if entry["type"] == "notify_log_entry"]
    assert shown["status"] == "success"


def test_a_lost_receipt_makes_the_vendor_send_again() -> None:
    """The same text twice with the same code; one entry in the log; the answer works once."""
    duty = Duty()
    _line(duty, receipts=False)
    duty.send()
    duty.until(3)
    first, second = duty.messages
    assert (first.text, first.code, duty.told) == (second.text, second.code, [(0, "alice"), (1, "alice")])
    assert len(_log(duty)) == 1
    assert duty.do(devices.reply_sms, ALICE.id, "4").outcome == devices.DONE
    assert duty.incident.status is Status.ACKNOWLEDGED


def test_a_line_that_repeats_delivers_everything_twice() -> None:
    """At once, with the same text and code, and the log has one entry; a call rings twice."""
    duty = Duty()
    _line(duty, repeats=True)
    duty.send()
    first, second = duty.messages
    assert (first.text, first.code, duty.told) == (second.text, second.code, [(0, "alice"), (0, "alice")])
    assert len(_log(duty)) == 1
    duty.do(lambda draft: draft.put(CARRIERS, Carrier("+1 5550101", repeats=True)))
    duty.until(30)
    assert [row.call for row in duty.do(devices.inbox, BOB.id)] == [CallState.RINGING] * 2


@pytest.mark.parametrize("faults", [{"landline": True}, {"blocked": True}])
def test_what_cannot_be_delivered_fails_and_reaches_nobody(faults: dict[str, bool]) -> None:
    """An SMS to a landline, anything to a blocked number; the escalation goes on."""
    duty = Duty()
    _line(duty, **faults)
    duty.send()
    assert duty.do(devices.inbox, ALICE.id) == []
    assert [entry["status"] for entry in _log(duty)] == [carriers.FAILED]
    query = "since=2026-03-02T09:00:00Z&until=2026-03-02T12:00:00Z"
    shown = duty.rest("GET", f"/notifications?{query}").json()["notifications"]
    assert [row["status"] for row in shown] == [carriers.FAILED]
    duty.until(30)
    assert duty.assigned == ["bob"]


def test_a_landline_rings() -> None:
    """Only SMS cannot reach it."""
    duty = Duty(accounts.account((BOB,), levels=([user(BOB)],)))
    duty.do(lambda draft: draft.put(CARRIERS, Carrier("+1 5550101", landline=True)))
    duty.send()
    assert [row.channel for row in duty.do(devices.inbox, BOB.id)] == [Channel.PHONE]
