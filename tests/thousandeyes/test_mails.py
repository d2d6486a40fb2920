"""Mails about alerts: whole MIME messages, one for each recipient and moment."""

from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

import pytest
from rounds_rig import Rounds

from simulators.thousandeyes.model import MAILS, PENDING_MAILS, Mail, Trouble

NOC, BOSS = "noc@example.com", "boss@example.com"


def asked(*recipients: str, message: str = "", **how: Any) -> dict[str, Any]:
    email: dict[str, Any] = {"recipients": list(recipients)}
    if message:
        email["message"] = message
    return {"notifications": {"email": email}, **how}


def sent(here: Rounds) -> list[Mail]:
    return list(here.world.view.all(MAILS))


def read(mail: Mail) -> EmailMessage:
    message = message_from_bytes(mail.raw, policy=default)
    assert isinstance(message, EmailMessage)
    return message


def test_a_mail_is_a_whole_message_in_two_forms() -> None:
    """Headers, plain text and HTML, from the vendor's address to the one recipient."""
    here = Rounds()
    here.rule(**asked(NOC, severity="major", message="call the hoster"))
    here.play("AB")
    message = read(sent(here)[0])
    assert (message["From"], message["To"]) == ("ThousandEyes Alerts <alerts@thousandeyes.com>", NOC)
    assert message["Subject"] == "Alert Triggered: down - shop (HTTP Server)"
    assert message["Date"] == "Mon, 02 Mar 2026 09:01:00 +0000"
    plain, rich = (part.get_content() for part in message.iter_parts())
    assert "call the hoster" in plain
    assert "Alert Rule: down: Response Code ≥ 500" in plain
    assert "URL: https://shop.example" in plain
    assert "<th align=left>Number of Agents</th><td>2</td>" in rich


def test_what_people_wrote_cannot_break_the_html() -> None:
    """Names and texts are escaped there."""
    here = Rounds()
    here.rule(name="<b>& co", **asked(NOC))
    here.play("A")
    plain, rich = (part.get_content() for part in read(sent(here)[0]).iter_parts())
    assert "<b>& co" in plain
    assert "&lt;b&gt;&amp; co" in rich


def test_the_end_is_told_with_how_long_it_took() -> None:
    """The subject says cleared."""
    here = Rounds()
    here.rule(**asked(NOC))
    here.play("A A A .")
    began, ended = (read(mail) for mail in sent(here))
    assert [str(mail["Subject"])[:15] for mail in (began, ended)] == ["Alert Triggered", "Alert Cleared: "]
    assert "Duration: 3 minutes" in ended.get_body(("plain",)).get_content()  # type: ignore[union-attr]


def test_alerts_of_one_moment_come_in_one_mail() -> None:
    """Two rules fire in the same round: one mail tells both."""
    here = Rounds()
    here.rule(name="one", **asked(NOC))
    here.rule(name="two", **asked(NOC))
    here.play("A .")
    began, ended = sent(here)
    assert (len(began.alerts), began.subject, ended.subject) == (2, "2 alerts: 2 Triggered", "2 alerts: 2 Cleared")
    plain = read(began).get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert ("Alert Rule: one" in plain, "Alert Rule: two" in plain) == (True, True)


def test_every_recipient_has_a_mail_of_their_own() -> None:
    """Nobody sees who else was told; an address named twice gets one."""
    here = Rounds()
    here.rule(**asked(NOC, BOSS, NOC))
    here.play("A")
    assert [(mail.recipient, str(read(mail)["To"])) for mail in sent(here)] == [(NOC, NOC), (BOSS, BOSS)]


def test_different_moments_are_different_mails() -> None:
    """Nothing waits for what happens later."""
    here = Rounds()
    here.rule(name="one", **asked(NOC))
    here.rule(name="two", rounds="2/2", **asked(NOC))
    here.play("A A")
    assert [len(mail.alerts) for mail in sent(here)] == [1, 1]
    assert list(here.world.view.all(PENDING_MAILS)) == []


@pytest.mark.parametrize("notify_on_clear", [True, False])
def test_an_end_is_mailed_only_if_the_rule_says_so(notify_on_clear: bool) -> None:
    """Whatever webhooks are told."""
    here = Rounds()
    here.rule(**asked(NOC, notify_on_clear=notify_on_clear))
    here.play("A .")
    assert len(sent(here)) == 1 + notify_on_clear


def test_the_same_history_sends_the_same_bytes() -> None:
    """Boundaries and ids are functions of the world."""

    def play() -> list[bytes]:
        here = Rounds()
        here.rule(**asked(NOC, BOSS))
        here.play("A .")
        return [mail.raw for mail in sent(here)]

    first, second = play(), play()
    assert first == second
    assert b'boundary="=_te_' in first[0]


def test_a_mail_says_what_is_monitored_from_where() -> None:
    """Alerts about routes count monitors."""
    here = Rounds(kind="bgp", url="", prefix="192.0.2.0/24")
    here.rule(text="((reachability < 100%))", alert_type="bgp", **asked(NOC))
    here.wrong(Trouble.WITHDRAWAL, 100, rounds=30)
    here.play(". " * 16)
    plain = read(sent(here)[0]).get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert "Prefix: 192.0.2.0/24" in plain
    assert "Number of Monitors: 7" in plain
