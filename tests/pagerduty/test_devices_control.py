"""The devices over HTTP: reading what reached people, and answering it the way each channel has it."""

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from scenarios import accounts
from scenarios.accounts import Human, Reach
from simulators.engine import instants
from simulators.engine.world import World
from simulators.pagerduty import account
from simulators.pagerduty.api import API_HOST, EVENTS_HOST, WEB_HOST, sites
from simulators.pagerduty.component import PagerDuty
from simulators.pagerduty.model import INCIDENTS, LOG_ENTRIES, Status

CAROL = Human(
    "PCAROL1",
    "carol",
    "carol@example.com",
    (
        Reach("email_contact_method", "carol@example.com"),
        Reach("push_notification_contact_method", "Carol's phone"),
        Reach("sms_contact_method", "5550102"),
        Reach("phone_contact_method", "5550103"),
    ),
)
CHANNELS = ("email", "push", "sms", "phone")


class Desk:
    """Carol has just been told about one incident on every channel."""

    def __init__(self) -> None:
        self.world = World(seed=1, start=instants.parse("2026-03-02T09:00:00Z"), components=[PagerDuty()])
        for host, site in sites().items():
            self.world.serve(host, site)
        sample = accounts.account((CAROL,), levels=([{"id": CAROL.id, "type": "user_reference"}],))
        self.world.transact(lambda draft: account.load(draft, sample))
        self.trigger("first")

    def trigger(self, key: str) -> None:
        event = {
            "routing_key": accounts.ROUTING_KEY,
            "event_action": "trigger",
            "dedup_key": key,
            "payload": {"summary": "down", "source": "shop", "severity": "critical"},
        }
        self.world.client.post(f"https://{EVENTS_HOST}/v2/enqueue", json=event)
        self.world.advance(0)

    def ask(self, method: str, path: str, body: Any = None) -> httpx.Response:
        content = None if body is None else json.dumps(body)
        return self.world.client.request(method, f"https://{API_HOST}/_sim/devices{path}", content=content)

    def message(self, channel: str) -> dict[str, Any]:
        (device,) = self.ask("GET", f"?user=carol&channel={channel}").json()["devices"]
        (message,) = device["messages"]
        return dict(message)

    @property
    def status(self) -> Status:
        (incident,) = self.world.view.all(INCIDENTS)
        return incident.status


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_everybodys_devices_can_be_read(desk: Desk) -> None:
    """One message per channel, with text, address and time."""
    (device,) = desk.ask("GET", "").json()["devices"]
    assert (device["user"], device["name"]) == (CAROL.id, "carol")
    assert sorted(message["channel"] for message in device["messages"]) == sorted(CHANNELS)
    assert {message["at"] for message in device["messages"]} == {"2026-03-02T09:00:00.000Z"}
    assert desk.message("phone")["call"] == "ringing"


def test_a_message_says_what_can_be_done_with_it(desk: Desk) -> None:
    """A push has a button for everything, a mail two links; a call on the last level has no key to escalate."""
    assert {channel: desk.message(channel)["actions"] for channel in CHANNELS} == {
        "email": ["acknowledge", "resolve"],
        "push": ["acknowledge", "resolve", "escalate"],
        "sms": ["acknowledge", "resolve", "escalate"],
        "phone": ["acknowledge", "resolve"],
    }


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize(("wish", "status"), [("acknowledge", Status.ACKNOWLEDGED), ("resolve", Status.RESOLVED)])
def test_a_wish_is_done_the_way_its_channel_has_it(desk: Desk, channel: str, wish: str, status: Status) -> None:
    """The reply is kept with what was said and done, and acts on the incident."""
    answered = desk.ask("POST", f"/messages/{desk.message(channel)['id']}/{wish}")
    assert answered.status_code == 201
    assert answered.json()["reply"]["outcome"] == "done"
    assert desk.status is status
    entry = next(row for row in desk.world.view.newest(LOG_ENTRIES) if row.type.value.startswith(wish))
    shown = {"email": "email", "push": "mobile", "sms": "sms", "phone": "phone"}[channel]
    assert (entry.agent.id, entry.agent.channel) == (CAROL.id, shown)


def test_a_call_is_answered_keyed_and_ended_step_by_step(desk: Desk) -> None:
    """A key does something only while somebody is on the line."""
    call = f"/messages/{desk.message('phone')['id']}"
    assert desk.ask("POST", f"{call}/press", {"key": "4"}).json()["reply"]["outcome"] == "nobody is on the line"
    assert desk.ask("POST", f"{call}/answer").json()["message"]["call"] == "answered"
    assert desk.ask("POST", f"{call}/press", {"key": "4"}).json()["reply"]["outcome"] == "done"
    assert desk.ask("POST", f"{call}/hang-up").json()["message"]["call"] == "ended"
    assert desk.status is Status.ACKNOWLEDGED


def test_an_sms_is_answered_by_text(desk: Desk) -> None:
    """What nobody understands changes nothing and is kept."""
    assert desk.ask("POST", "/carol/sms", {"text": "on my way"}).json()["reply"]["outcome"] == "not understood"
    assert desk.status is Status.TRIGGERED
    assert desk.ask("POST", f"/{CAROL.id}/sms", {"text": "4"}).json()["reply"]["outcome"] == "done"
    assert desk.status is Status.ACKNOWLEDGED


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "said"),
    [
        ("GET", "?user=nobody", None, 404, "no user 'nobody'"),
        ("GET", "?channel=pigeon", None, 400, "channel is one of"),
        ("POST", "/nobody/sms", {"text": "4"}, 404, "no user 'nobody'"),
        ("POST", "/carol/sms", {"text": 4}, 400, "the text 'text'"),
        ("POST", "/carol/sms", [], 400, "must be a JSON object"),
        ("POST", "/messages/NOSUCH/acknowledge", None, 404, "no row 'NOSUCH'"),
        ("POST", "/messages/{sms}/answer", None, 409, "not a call"),
        ("POST", "/messages/{sms}/throw", None, 404, "a message takes acknowledge"),
        ("POST", "/messages/{phone}/press", {}, 400, "the text 'key'"),
        ("POST", "/messages/{sms}/accept", None, 409, "one offers acknowledge, resolve, escalate"),
        ("POST", "/carol/sms", {"text": "STOP", "from": "+1 999"}, 404, "nobody has the number '+1 999'"),
        ("PUT", "/../carriers/+1 999", {"busy": True}, 404, "known are +1 5550102, +1 5550103"),
        ("PUT", "/../carriers/+1 5550102", {"speed": 1}, 400, "'speed' is nothing of a line"),
        ("PUT", "/../carriers/+1 5550102", {"busy": "yes"}, 400, "busy is true or false"),
        ("PUT", "/../carriers/+1 5550102", {"delay": "soon"}, 400, "'soon' is no delay"),
        ("PUT", "/../carriers/+1 5550102", {"delay": "-5m"}, 400, "is no delay"),
        ("PUT", "/../carriers/+1 5550102", {"delay": 10**30}, 400, "at most 31 days"),
        ("POST", "/carol/sms", {"text": "\ud800"}, 400, "the body is not JSON"),
        ("DELETE", "/../carriers/nobody", None, 404, "nobody has the number"),
    ],
)
def test_bad_requests_say_what_is_wrong(desk: Desk, method: str, path: str, body: Any, status: int, said: str) -> None:
    """One line each, and nothing happens."""
    ids = {channel: desk.message(channel)["id"] for channel in CHANNELS}
    refused = desk.ask(method, path.format(**ids), body)
    assert refused.status_code == status
    assert said in refused.json()["error"]
    assert desk.status is Status.TRIGGERED


def _lines(desk: Desk) -> dict[str, Any]:
    return {line.pop("number"): line for line in desk.ask("GET", "/../carriers").json()["carriers"]}


def test_a_line_is_disturbed_and_mended(desk: Desk) -> None:
    """However the number is spaced; what is not named is as on a line that works, and the journal has both changes."""
    works = {"delay": 0, "receipts": True, "landline": False, "blocked": False, "busy": False, "mailbox": False,
             "repeats": False}  # fmt: skip
    assert _lines(desk) == dict.fromkeys(("+1 5550102", "+1 5550103"), works | {"stopped": False})
    changed = desk.ask("PUT", "/../carriers/+15550102", {"delay": "5m", "receipts": False})
    assert changed.json()["carrier"] == _lines(desk)["+1 5550102"] | {"number": "+1 5550102"}
    assert (changed.json()["carrier"]["delay"], changed.json()["carrier"]["receipts"]) == (300_000_000, False)
    assert desk.ask("DELETE", "/../carriers/15550102").status_code == 204
    assert _lines(desk)["+1 5550102"] == works | {"stopped": False}
    told = [dict(entry.data) for entry in desk.world.journal if entry.kind == "carrier.changed"]
    assert told == [{"delay": 300_000_000, "receipts": False}, {}]
    assert "+1 5550102 has another kind of line  [delay, receipts]" in desk.ask("GET", "/../timeline.txt").text


def test_what_did_not_arrive_is_shown_apart(desk: Desk) -> None:
    """An SMS to a blocked number failed and reached nobody; the keyword came from the number that was named."""
    assert desk.ask("POST", "/carol/sms", {"text": "stop", "from": "15550102"}).json()["reply"]["outcome"] == "done"
    assert _lines(desk)["+1 5550102"]["stopped"]
    desk.trigger("second")
    (device,) = desk.ask("GET", "?channel=sms").json()["devices"]
    assert [(len(device[kind]), [row["status"] for row in device[kind]]) for kind in ("messages", "failed")] == [
        (1, ["success"]),
        (1, ["failed"]),
    ]


def test_the_page_about_phones_names_routes_that_exist(desk: Desk) -> None:
    """Every request it shows is served, on every one of PagerDuty's hosts, with the bodies it shows."""
    text = (Path(__file__).parents[2] / "docs" / "phones.md").read_text(encoding="utf-8")
    shown = re.findall(r"^    (GET|POST|PUT|DELETE) (/_sim/\S+)(?: +(\{.*\}))?$", text, re.MULTILINE)
    assert len(shown) == 15
    ids = {"phone": desk.message("phone")["id"], "email": desk.message("email")["id"]}
    for host in (API_HOST, EVENTS_HOST, WEB_HOST):
        listed = desk.world.client.get(f"https://{host}/_sim/").json()["verbs"]
        assert {"GET /_sim/devices", "PUT /_sim/carriers/<number>", "POST /_sim/clock"} <= set(listed)
        assert len(set(listed)) == len(listed)
        for method, path, body in shown:
            target = path.replace("ID", ids["email" if "mail.eml" in path else "phone"]).replace("USER", "carol")
            target = target.replace("NUMBER", "15550102").replace("NAME", "carol").replace("CHANNEL", "sms")
            sent = (body or None) and body.replace("5550100", "5550102")
            answer = desk.world.client.request(method, f"https://{host}{target}", content=sent)
            assert answer.is_success, f"{method} {target}: {answer.text}"
