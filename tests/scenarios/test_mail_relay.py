"""Mails of both simulators handed on to a real SMTP server, and what happens when there is none."""

from __future__ import annotations

import email
import email.policy
import json
import queue
import socket
import socketserver
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from scenarios import accounts
from scenarios.serving import Served, Settings
from simulators.engine import live
from simulators.engine.draft import Draft
from simulators.engine.live import Mode
from simulators.thousandeyes import commands
from simulators.thousandeyes.model import AGENTS, Trouble

pytestmark = pytest.mark.sockets

PATIENCE = 20
MARY = accounts.Human(
    "PMARY01", "Mary", "mary@example.com", (accounts.Reach("email_contact_method", "mary@example.com"),)
)


class Mailbox(socketserver.ThreadingTCPServer):
    """An SMTP server that takes whatever comes, or refuses recipients: ``got`` holds envelope and content."""

    daemon_threads = True

    def __init__(self, refusing: bool = False) -> None:
        super().__init__(("127.0.0.1", 0), _Session)
        self.got: queue.Queue[tuple[str, str, bytes]] = queue.Queue()
        self.refusing = refusing


class _Session(socketserver.StreamRequestHandler):
    server: Mailbox

    def handle(self) -> None:
        sender = recipient = ""
        self._say("220 mail.example.com")
        while line := self.rfile.readline().decode().strip():
            verb, address = line.upper().partition(" ")[0], line.partition("<")[2].partition(">")[0]
            if verb in {"EHLO", "HELO"}:
                self._say("250-mail.example.com\r\n250 8BITMIME")
            elif verb == "MAIL":
                sender = address
                self._say("250 ok")
            elif verb == "RCPT":
                recipient = address
                self._say("550 nobody here" if self.server.refusing else "250 ok")
            elif verb == "DATA":
                self._say("354 go on")
                lines: list[bytes] = []
                while (text := self.rfile.readline()) != b".\r\n":
                    lines.append(text.removeprefix(b"."))
                self.server.got.put((sender, recipient, b"".join(lines)))
                self._say("250 taken")
            else:
                self._say("221 bye" if verb == "QUIT" else "250 ok")

    def _say(self, text: str) -> None:
        self.wfile.write(text.encode() + b"\r\n")


@pytest.fixture(params=[False])
def mailbox(request: pytest.FixtureRequest) -> Iterator[Mailbox]:
    with Mailbox(request.param) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def _serve(address: Any) -> Served:
    account = accounts.account((MARY,), levels=([{"id": MARY.id, "type": "user_reference"}],))
    return Served(Settings(mode=Mode.MANUAL, account=account, smtp_relay=address, sample=False))


def _trigger(urls: Mapping[str, str], key: str = "k") -> None:
    event = {
        "routing_key": accounts.ROUTING_KEY,
        "event_action": "trigger",
        "dedup_key": key,
        "payload": {"summary": "Büro is down", "source": "shop", "severity": "critical"},
    }
    assert httpx.post(f"{urls['events.pagerduty.com']}/v2/enqueue", json=event).status_code == 202


def _recorded(served: Served, kind: str, count: int = 1) -> list[dict[str, Any]]:
    """Wait until the journal has so many entries of a kind, and return what they say."""

    def found() -> list[dict[str, Any]]:
        return [dict(entry.data) for entry in served.world.journal if entry.kind == kind]

    _until(lambda: len(found()) >= count)
    return found()


def _until(ready: Callable[[], bool]) -> None:
    live.Runner.wait(_Waiting(), ready, PATIENCE * 1_000_000)  # type: ignore[arg-type]


class _Waiting:
    _stopping = False


def test_mails_of_both_simulators_arrive_as_they_are(mailbox: Mailbox) -> None:
    """PagerDuty's to the person on call, ThousandEyes' to the rule's recipient; the journal says so."""
    with _serve(mailbox.server_address) as served:
        _trigger(served.facts.urls)
        sender, recipient, content = mailbox.got.get(timeout=PATIENCE)
        assert (sender, recipient) == ("pagedrill@pagedrill.example", "mary@example.com")
        mail = email.message_from_bytes(content, policy=email.policy.default)
        assert mail["From"] == "PagerDuty <no-reply@pagerduty.example>"
        assert "Description: Büro is down" in mail.get_body(("plain",)).get_content()
        assert "Büro is down" in mail.get_body(("html",)).get_content()
        (relayed,) = _recorded(served, "mail.relayed")
        assert relayed["recipient"] == "mary@example.com"

        served.world.transact(_alert)
        served.world.controls.run(lambda: served.world.advance("10m"))
        _, recipient, content = mailbox.got.get(timeout=PATIENCE)
        assert recipient == "noc@example.com"
        assert email.message_from_bytes(content, policy=email.policy.default)["Subject"].startswith("Alert Triggered")
        assert mailbox.got.empty()


def _alert(draft: Draft) -> None:
    """Let a test fail whose rule tells somebody by mail."""
    agents = tuple(agent.id for agent in draft.all(AGENTS))[:1]
    test = commands.create_test(draft, name="shop", interval=60, agents=agents, body={"url": "https://x.example"})
    told = {"email": {"recipients": ["noc@example.com"], "message": ""}}
    expression = "((responseCode >= 500))"
    commands.create_rule(draft, name="down", expression_text=expression, tests=(test.id,), notifications=told)
    commands.add_condition(draft, Trouble.STATUS, test=test.id, value=503)


@pytest.mark.parametrize("mailbox", [True], indirect=True)
def test_a_mail_that_is_refused_is_lost_and_the_next_one_tried(mailbox: Mailbox) -> None:
    """Each loss is in the journal with the server's words."""
    with _serve(mailbox.server_address) as served:
        _trigger(served.facts.urls, "a")
        _trigger(served.facts.urls, "b")
        lost = _recorded(served, "mail.lost", 2)
        assert all("550" in entry["error"] and "nobody here" in entry["error"] for entry in lost)
        assert mailbox.got.empty()


def test_a_server_that_is_gone_or_silent_holds_up_nobody() -> None:
    """Nobody takes the connection's bytes; events are answered and people are told all the same."""
    with socket.create_server(("127.0.0.1", 0)) as silent, _serve(silent.getsockname()) as served:
        for key in "abc":
            _trigger(served.facts.urls, key)
        assert len(_recorded(served, "notification.sent", 3)) == 3
        assert not [entry for entry in served.world.journal if entry.kind.startswith("mail.")]
    with socket.create_server(("127.0.0.1", 0)) as closed:
        address = closed.getsockname()
    with _serve(address) as served:
        _trigger(served.facts.urls)
        (lost,) = _recorded(served, "mail.lost")
        assert "refused" in lost["error"]


def test_the_command_hands_mails_on(mailbox: Mailbox, tmp_path: Path) -> None:
    """``pagedrill serve --smtp-relay`` as a process: the mail to the account's own person is in the mailbox."""
    account = tmp_path / "account.json"
    made = accounts.account((MARY,), levels=([{"id": MARY.id, "type": "user_reference"}],))
    account.write_text(json.dumps(made))
    relay = f"127.0.0.1:{mailbox.server_address[1]}"
    arguments = ("serve", "--port", "0", "--json", "--no-sample", "--account", str(account), "--smtp-relay", relay)
    process = subprocess.Popen(
        [sys.executable, "-m", "scenarios", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        facts = json.loads(process.stdout.readline())
        _trigger(facts["urls"])
        assert mailbox.got.get(timeout=PATIENCE)[1] == "mary@example.com"
    finally:
        process.terminate()
        _, said = process.communicate(timeout=PATIENCE)
    assert (process.returncode, said) == (0, "")
