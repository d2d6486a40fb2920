"""The devices over HTTP: reading what reached people, and answering it the way each channel has it."""

import json
from typing import Any

import httpx
import pytest

from scenarios import accounts
from scenarios.accounts import Human, Reach
from simulators.engine import instants
from simulators.engine.world import World
from simulators.pagerduty import account
from simulators.pagerduty.api import API_HOST, EVENTS_HOST, sites
from simulators.pagerduty.component import PagerDuty
from simulators.pagerduty.model import INCIDENTS, Status

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
        event = {
            "routing_key": accounts.ROUTING_KEY,
            "event_action": "trigger",
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


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize(("wish", "status"), [("acknowledge", Status.ACKNOWLEDGED), ("resolve", Status.RESOLVED)])
def test_a_wish_is_done_the_way_its_channel_has_it(desk: Desk, channel: str, wish: str, status: Status) -> None:
    """The reply is kept with what was said and done, and acts on the incident."""
    answered = desk.ask("POST", f"/messages/{desk.message(channel)['id']}/{wish}")
    assert answered.status_code == 201
    assert answered.json()["reply"]["outcome"] == "done"
    assert desk.status is status


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
    ],
)
def test_bad_requests_say_what_is_wrong(desk: Desk, method: str, path: str, body: Any, status: int, said: str) -> None:
    """One line each, and nothing happens."""
    ids = {channel: desk.message(channel)["id"] for channel in CHANNELS}
    refused = desk.ask(method, path.format(**ids), body)
    assert refused.status_code == status
    assert said in refused.json()["error"]
    assert desk.status is Status.TRIGGERED
