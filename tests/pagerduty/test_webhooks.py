"""Webhooks v3: who gets which event, signed how, in which order, how often, and when PagerDuty gives up."""

from __future__ import annotations

import base64
import contextlib
import datetime
import hashlib
import hmac
import itertools
import json
import os
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import httpx2
import pytest
import trustme
from duty_rig import ALICE, BOB, KEY, START, Duty, two_levels
from jsonschema import Draft202012Validator
from pagerduty import RestApiV2Client
from rest_rig import refused

from bridge.config import parse
from contracts import catalogue, traffic
from scenarios import accounts
from scenarios.stage import Stage
from simulators.engine import faults, live, timeline
from simulators.engine.draft import Outcome
from simulators.engine.faults import Fault, FaultKind
from simulators.engine.instants import SECOND
from simulators.engine.transport import Site
from simulators.engine.world import World
from simulators.pagerduty import devices, webhooks_delivery
from simulators.pagerduty.api import API_HOST, sites
from simulators.pagerduty.model import INCIDENTS, Status
from simulators.pagerduty.webhooks import EVENTS, NEVER, PING, WEBHOOKS
from simulators.pagerduty.webhooks_delivery import Verdict
from simulators.thousandeyes.notifiers import EVENTS_URL

HOME = Path(__file__).resolve().parents[2]
SPECS = Path(os.environ.get("PAGEDRILL_SPECS", HOME.parent / "shared" / "specs"))
HOST = "hooks.example.com"
ACCOUNT = {"type": "account_reference"}
TEAM = "PTEAM01"


class Receiver:
    """A host webhooks are sent to: keeps what it got and when, and answers as told (202 otherwise)."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.got: list[tuple[int, dict[str, str], bytes]] = []
        self.answers: list[int] = []
        self.before: Callable[[], Any] = lambda: None
        world.serve(HOST, Site("hooks", self._answer))

    def _answer(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        names = {name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name[:5] == "HTTP_"}
        headers = {"content-type": environ["CONTENT_TYPE"], **names}
        self.got.append((self.world.now, headers, environ["wsgi.input"].read()))
        act, self.before = self.before, lambda: None
        act()
        start_response(f"{self.answers.pop(0) if self.answers else 202} Answer", [])
        return [b""]

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events received, repeated ones included."""
        return [json.loads(body)["event"] for _, _, body in self.got]

    @property
    def told(self) -> list[tuple[int, str, int]]:
        """When (seconds after the start), what happened, to which incident."""
        return [
            ((at - START) // SECOND, event["event_type"].partition(".")[2], event["data"].get("number", 0))
            for (at, _, _), event in zip(self.got, self.events, strict=True)
        ]


class Hooked(Duty):
    """An account with a team and one receiver of webhooks."""

    def __init__(self, **knobs: Any) -> None:
        made = two_levels()
        made["teams"] = [{"id": TEAM, "type": "team", "name": "Network"}]
        made["escalation_policies"][0]["teams"] = [{"id": TEAM, "type": "team_reference"}]
        made["services"].append({**made["services"][0], "id": "PSVC002", "name": "Other", "integrations": []})
        super().__init__(made, **knobs)
        self.hook = Receiver(self.world)

    def subscribe(self, *events: str, status: int = 201, url: str = f"https://{HOST}/pd", **more: Any) -> Any:
        """Subscribe and return what the API answers; without ``events`` to everything."""
        method = {"type": "http_delivery_method", "url": url, **more.pop("delivery_method", {})}
        wish = {
            "type": "webhook_subscription",
            "delivery_method": method,
            "events": list(events) or [*(set(EVENTS) - {PING})],
            "filter": ACCOUNT,
            **more,
        }
        answer = self.rest("POST", "/webhook_subscriptions", {"webhook_subscription": wish})
        assert answer.status_code == status, answer.text
        return answer.json()["webhook_subscription"] if answer.is_success else refused(answer)

    def read(self, id: str) -> dict[str, Any]:
        """Read a subscription."""
        shown: dict[str, Any] = self.rest("GET", f"/webhook_subscriptions/{id}").json()["webhook_subscription"]
        return shown

    def act(self, method: str, path: str, body: Any = None) -> Any:
        """Do something as Alice, and let what follows happen."""
        answer = self.rest(method, path, body, From=ALICE.email)
        assert answer.is_success, answer.text
        self.world.advance(0)
        return answer.json() if answer.content else None

    def update(self, **changes: Any) -> None:
        """Update the newest incident."""
        self.act("PUT", f"/incidents/{self.incident.id}", {"incident": {"type": "incident", **changes}})


def signed(secret: str, body: bytes) -> str:
    """Sign as the documentation says, independently of the simulator."""
    return "v1=" + hmac.digest(secret.encode("ascii"), body, "sha256").hex()


@pytest.fixture
def duty() -> Hooked:
    return Hooked()


# -- the request -------------------------------------------------------------------------------------------------------


def test_a_webhook_is_signed_over_its_bytes_and_says_what_it_is(duty: Hooked) -> None:
    """Headers as the vendor sends them; the secret of the create verifies the raw body, one byte less does not."""
    headers = [{"name": "X-Env", "value": "prod"}]
    made = duty.subscribe(url=f"https://us%40er:pa:ss@{HOST}/pd?x=1", delivery_method={"custom_headers": headers})
    duty.send(summary="ausgefallen: Büro")
    ((_, got, body),) = duty.hook.got
    assert got["x-pagerduty-signature"] == signed(made["delivery_method"]["secret"], body)
    assert got["x-pagerduty-signature"] != signed(made["delivery_method"]["secret"], body[:-1])
    assert (got["content-type"], got["accept"]) == ("application/json", "application/json")
    assert got["user-agent"] == "PagerDuty-Webhook/V3.0"
    assert got["x-webhook-subscription"] == made["id"]
    assert len(got["x-webhook-id"]) == 36
    assert got["x-env"] == "prod"
    assert base64.b64decode(got["authorization"].removeprefix("Basic ")) == b"us@er:pa:ss"


def test_a_receiver_has_five_seconds(duty: Hooked) -> None:
    """The request gives up after 5 s, and is not sent on to where a redirect points."""
    seen: list[Any] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append((str(request.url), set(request.extensions["timeout"].values())))
        return httpx.Response(302, headers={"Location": "https://far.example.com/"})

    duty.world.network = httpx.MockTransport(answer)
    duty.subscribe(url="https://away.example.com/pd")
    duty.send()
    assert seen == [("https://away.example.com/pd", {5.0})]


def test_two_secrets_sign_while_both_are_live(duty: Hooked) -> None:
    """During a rotation either secret verifies; when the old one is ended only the new one does."""
    made = duty.subscribe()
    path = f"https://{API_HOST}/_sim/webhook-subscriptions/{made['id']}/secrets"
    old, new = made["delivery_method"]["secret"], duty.world.client.post(path).json()["secret"]
    duty.send()
    _, headers, body = duty.hook.got[-1]
    assert headers["x-pagerduty-signature"] == f"{signed(new, body)},{signed(old, body)}"
    assert duty.world.client.delete(path).status_code == 204
    duty.send("resolve")
    _, headers, body = duty.hook.got[-1]
    assert headers["x-pagerduty-signature"] == signed(new, body)


# -- the events --------------------------------------------------------------------------------------------------------


def _everything(duty: Hooked) -> list[bytes]:
    """Let everything happen that is an event; return the bodies."""
    subscription = duty.subscribe()
    duty.rest("POST", f"/webhook_subscriptions/{subscription['id']}/ping")
    duty.send()
    number, bridge = "+1-555-0100", "https://meet.example.net/1"
    duty.update(priority=duty.rest("GET", "/priorities").json()["priorities"][0])
    duty.update(conference_bridge={"conference_number": number, "conference_url": bridge})
    duty.update(incident_type={"name": "major"})
    duty.update(escalation_level=2)
    duty.update(status="acknowledged")
    duty.update(status="triggered")
    duty.update(assignments=[{"assignee": {"id": ALICE.id, "type": "user_reference"}}])
    rule = {"escalation_delay_in_minutes": 30, "targets": [{"id": BOB.id, "type": "user_reference"}]}
    policy = {"type": "escalation_policy", "name": "Second", "escalation_rules": [rule]}
    other = duty.act("POST", "/escalation_policies", {"escalation_policy": policy})["escalation_policy"]
    reference = {"id": other["id"], "type": "escalation_policy_reference"}
    duty.update(escalation_policy=reference)
    duty.act("POST", f"/incidents/{duty.incident.id}/notes", {"note": {"content": "looking"}})
    duty.act("POST", f"/incidents/{duty.incident.id}/status_updates", {"message": "soon"})
    duty.update(service={"id": "PSVC002", "type": "service_reference"})
    target = {"responder_request_target": {"type": "user", "id": BOB.id}}
    request = {"requester_id": ALICE.id, "message": "help", "responder_request_targets": [target]}
    duty.act("POST", f"/incidents/{duty.incident.id}/responder_requests", request)
    call = duty.do(devices.inbox, BOB.id)[-1]
    duty.do(devices.answer, call.id)
    duty.do(devices.press, call.id, "4")
    duty.world.advance(0)
    duty.update(status="resolved")
    duty.update(status="triggered")
    service = {"type": "service", "name": "New", "escalation_policy": reference}
    made = duty.act("POST", "/services", {"service": service})["service"]
    duty.act("PUT", f"/services/{made['id']}", {"service": {"type": "service", "description": "x"}})
    duty.act("DELETE", f"/services/{made['id']}")
    return [body for _, _, body in duty.hook.got]


def test_every_event_that_can_happen_is_sent_in_the_agreed_shape(duty: Hooked) -> None:
    """Each type of event is caused once; bodies keep the contract, data is of the type's kind, ids are unique."""
    bodies = _everything(duty)
    events = [json.loads(body)["event"] for body in bodies]
    assert [flaw for body in bodies for flaw in catalogue.flaws("pagerduty-webhook", body)] == []
    assert {event["event_type"]: event["data"]["type"] for event in events} == dict(EVENTS)
    assert len(events) == len(EVENTS) == len({event["id"] for event in events})
    about = [event["data"] for event in events if event["resource_type"] == "incident"]
    assert {(data if data["type"] == "incident" else data["incident"])["id"] for data in about} == {duty.incident.id}
    assert [str(violation) for violation in traffic.violations(duty.world.journal)] == []


def test_every_event_keeps_the_vendors_description(duty: Hooked) -> None:
    """Bodies and subscriptions validate against the description of webhooks v3, and the types are the vendor's."""
    folder = SPECS / "pagerduty"
    if not folder.is_dir():
        pytest.skip("the vendor's descriptions are not here")
    described = json.loads((folder / "webhook_v3.schema.json").read_text())
    resources = json.loads((folder / "rest_resources.schema.json").read_text())
    check = Draft202012Validator(described)
    found = [error.message for body in _everything(duty) for error in check.iter_errors(json.loads(body))]
    shown = duty.rest("GET", "/webhook_subscriptions").json()
    one = Draft202012Validator({"$ref": "#/$defs/list_webhook_subscription", "$defs": resources["$defs"]})
    assert found + [error.message for error in one.iter_errors(shown)] == []
    types = described["properties"]["event"]["properties"]["event_type"]["enum"]
    assert set(types) == {*EVENTS, *NEVER}


def test_an_event_names_who_acted_and_the_monitoring_tool(duty: Hooked) -> None:
    """An event of a tool comes from the service and names the client, a person is named, run-out time is nobody."""
    duty.subscribe()
    event = {"routing_key": KEY, "event_action": "trigger", "dedup_key": "k", "client": "ThousandEyes"}
    payload = {"summary": "down", "source": "web", "severity": "critical"}
    duty.post("/v2/enqueue", {**event, "client_url": "https://te.example", "payload": payload})
    duty.until(30)
    duty.update(status="acknowledged")
    triggered, escalated, acknowledged = duty.hook.events
    assert triggered["agent"]["type"] == "service_reference"
    assert triggered["client"] == {"name": "ThousandEyes", "url": "https://te.example"}
    assert (escalated["event_type"], escalated["agent"], escalated["client"]) == ("incident.escalated", None, None)
    assert (acknowledged["agent"]["id"], acknowledged["client"]) == (ALICE.id, None)
    assert escalated["occurred_at"] == "2026-03-02T10:30:00.000Z"
    assert [person["summary"] for person in escalated["data"]["assignees"]] == ["bob"]


def test_an_event_shows_the_incident_of_its_moment(duty: Hooked) -> None:
    """Two events of one decision show two states, and a create shows what it was given."""
    duty.subscribe()
    priority = duty.rest("GET", "/priorities").json()["priorities"][0]
    wish = {
        "type": "incident",
        "title": "by hand",
        "service": {"id": accounts.SERVICE, "type": "service_reference"},
        "priority": {"id": priority["id"], "type": "priority_reference"},
        "assignments": [{"assignee": {"id": ALICE.id, "type": "user_reference"}}],
    }
    duty.act("POST", "/incidents", {"incident": wish})
    assert [(event["event_type"], event["data"]["status"]) for event in duty.hook.events] == [
        ("incident.triggered", "triggered"),
        ("incident.acknowledged", "acknowledged"),
    ]
    assert duty.hook.events[0]["data"]["priority"]["id"] == priority["id"]


def test_a_merged_incident_says_into_which(duty: Hooked) -> None:
    """A merge resolves each source with the target as the reason, and the target gets no event."""
    duty.subscribe("incident.resolved")
    duty.send(key="a")
    duty.send(key="b")
    source, target = duty.incidents
    body = {"source_incidents": [{"id": source.id, "type": "incident_reference"}]}
    duty.act("PUT", f"/incidents/{target.id}/merge", body)
    ((resolved),) = duty.hook.events
    assert resolved["data"]["id"] == source.id
    assert resolved["data"]["resolve_reason"]["type"] == "merge_resolve_reason"
    assert resolved["data"]["resolve_reason"]["incident"]["id"] == target.id


def test_a_reopened_incident_says_when(duty: Hooked) -> None:
    """``reopened_at`` appears after a reopen and not before."""
    duty.subscribe()
    duty.send()
    duty.update(status="resolved")
    duty.until(5)
    duty.update(status="triggered")
    assert ["reopened_at" in event["data"] for event in duty.hook.events] == [False, False, True]
    assert duty.hook.events[2]["data"]["reopened_at"] == "2026-03-02T10:05:00Z"


@pytest.mark.parametrize("webhook_hex_key", [True, False])
def test_webhook_hex_key(webhook_hex_key: bool) -> None:
    """An incident without a key of its own shows 32 hexadecimal digits that stay the same, or null."""
    duty = Hooked(webhook_hex_key=webhook_hex_key)
    duty.subscribe()
    duty.send()
    duty.send("resolve")
    keys = {event["data"]["incident_key"] for event in duty.hook.events}
    assert len(keys) == 1
    assert all(len(bytes.fromhex(key)) == 16 for key in keys) if webhook_hex_key else keys == {None}


def test_a_long_note_is_cut_to_what_is_guaranteed(duty: Hooked) -> None:
    """A body has at most 56,320 bytes; a note that does not fit says that it was trimmed."""
    duty.subscribe("incident.annotated")
    duty.send()
    for text in ("ü" * 20_000, "ü" * 32_000):
        duty.act("POST", f"/incidents/{duty.incident.id}/notes", {"note": {"content": text}})
    whole, cut = (event["data"] for event in duty.hook.events)
    assert (whole["trimmed"], len(whole["content"])) == (False, 20_000)
    assert cut["trimmed"]
    assert 56_318 <= len(duty.hook.got[1][2]) <= 56_320


def test_an_event_of_a_type_nobody_knows_is_sent_on_request(duty: Hooked) -> None:
    """Signed like any other, though nobody subscribed to it: new types come without notice."""
    made = duty.subscribe("incident.triggered")
    path = f"https://{API_HOST}/_sim/webhook-subscriptions/{made['id']}/events"
    sent = {"event_type": "incident.dreamt", "data": {"type": "dream", "depth": 3}}
    assert duty.world.client.post(path, json=sent).status_code == 202
    duty.world.advance(0)
    ((_, headers, body),) = duty.hook.got
    (event,) = duty.hook.events
    assert headers["x-pagerduty-signature"] == signed(made["delivery_method"]["secret"], body)
    assert {name: event[name] for name in sent} == sent
    assert event["resource_type"] == "incident"
    for wrong in ({}, {"event_type": ""}, {"event_type": 3}, {"event_type": "a.b", "data": []}):
        answer = duty.world.client.post(path, json=wrong)
        assert (answer.status_code, "event_type" in answer.json()["error"]) == (400, True)


@pytest.mark.sockets
@pytest.mark.parametrize(
    ("how", "verdict"), [("expired", Verdict.RETRIED), ("foreign", Verdict.DROPPED), ("misnamed", Verdict.DROPPED)]
)
def test_a_real_certificate_decides_what_becomes_of_a_webhook(
    duty: Hooked, tmp_path: Path, how: str, verdict: Verdict
) -> None:
    """An expired one is waited for; one of an unknown authority or for another name drops the webhook at once."""
    known, foreign = trustme.CA(), trustme.CA()
    known.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    past = datetime.datetime(2001, 1, 1, tzinfo=datetime.UTC) if how == "expired" else None
    authority = foreign if how == "foreign" else known
    issued = authority.issue_cert("elsewhere.example" if how == "misnamed" else "localhost", not_after=past)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issued.configure_cert(context)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=_shake, args=(listening, context))
        thread.start()
        duty.world.network = live.network(tmp_path / "ca.pem")
        duty.subscribe(url=f"https://localhost:{listening.getsockname()[1]}/pd")
        duty.send()
        thread.join()
    (entry,) = duty.record(f"webhook.{verdict}")
    assert "CERTIFICATE_VERIFY_FAILED" in entry["error"]


def _shake(listening: socket.socket, context: ssl.SSLContext) -> None:
    """Take one connection and offer the certificate."""
    connection, _ = listening.accept()
    with connection, contextlib.suppress(OSError):
        context.wrap_socket(connection, server_side=True).close()


# -- who gets what -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scope", "gets"),
    [
        (ACCOUNT, True),
        ({"type": "service_reference", "id": accounts.SERVICE}, True),
        ({"type": "service_reference", "id": "PSVC002"}, False),
        ({"type": "team_reference", "id": TEAM}, True),
        ({"type": "team_reference", "id": "PTEAM02"}, False),
    ],
)
def test_a_filter_lets_its_own_through(duty: Hooked, scope: dict[str, str], gets: bool) -> None:
    """The account's events are all, a service's its own, a team's those of incidents and services that carry it."""
    duty.act("POST", "/teams", {"team": {"type": "team", "name": "Elsewhere", "id": "PTEAM02"}})
    names = {row["name"]: row["id"] for row in duty.rest("GET", "/teams").json()["teams"]}
    if scope.get("id") == "PTEAM02":
        scope = {**scope, "id": names["Elsewhere"]}
    duty.subscribe(filter=scope)
    duty.send()
    duty.act("PUT", f"/services/{accounts.SERVICE}", {"service": {"type": "service", "description": "x"}})
    assert [event["event_type"] for event in duty.hook.events] == (
        ["incident.triggered", "service.updated"] if gets else []
    )


def test_only_what_was_subscribed_to_is_sent(duty: Hooked) -> None:
    """Other types of events, and everything while the subscription is not active, are not."""
    made = duty.subscribe("incident.resolved", active=False)
    duty.send()
    duty.send("resolve")
    change = {"webhook_subscription": {"active": True}}
    assert duty.rest("PUT", f"/webhook_subscriptions/{made['id']}", change).json()["webhook_subscription"]["active"]
    duty.send(key="other")
    assert duty.hook.got == []
    duty.send("resolve", key="other")
    assert [number for _, _, number in duty.hook.told] == [2]


def test_without_a_subscription_nothing_is_done(duty: Hooked) -> None:
    """No row, no id drawn, no timer and no entry, whatever happens."""
    duty.send()
    duty.update(status="acknowledged")
    assert not list(duty.world.view.all(WEBHOOKS))
    assert not [name for name in duty.world.counters.counts if "webhook" in name]
    assert not [entry for entry in duty.world.journal if "webhook" in json.dumps([entry.kind, dict(entry.data)])]


# -- delivery ----------------------------------------------------------------------------------------------------------


def test_webhooks_of_an_incident_keep_their_order_under_failures(duty: Hooked) -> None:
    """While one is repeated the later ones of the incident wait; another incident's pass. The id stays the same."""
    duty.subscribe()
    duty.hook.answers = [503, 429, 500]
    duty.send(key="a")
    duty.update(status="acknowledged")
    assert duty.hook.told == [(0, "triggered", 1)]
    duty.hook.answers.insert(0, 202)
    duty.send(key="b")
    duty.until(10)
    assert duty.hook.told == [
        (0, "triggered", 1),
        (0, "triggered", 2),
        (1, "triggered", 1),
        (6, "triggered", 1),
        (36, "triggered", 1),
        (36, "acknowledged", 1),
    ]
    first = [headers["x-webhook-id"] for (_, headers, _), told in zip(duty.hook.got, duty.hook.told, strict=True)
             if told[1:] == ("triggered", 1)]  # fmt: skip
    assert len(set(first)) == 1
    assert len({headers["x-webhook-id"] for _, headers, _ in duty.hook.got}) == 3


def test_a_webhook_is_repeated_ever_more_rarely_for_two_days(duty: Hooked) -> None:
    """After 1, 5, 30, 60 s, then twice as long each time up to an hour; within 48 hours, then it is dropped."""
    duty.subscribe("incident.triggered")
    duty.hook.answers = [500] * 100
    duty.send()
    duty.world.advance("3d")
    at = [second for second, _, _ in duty.hook.told]
    waits = [later - earlier for earlier, later in itertools.pairwise(at)]
    assert waits[:10] == [1, 5, 30, 60, 120, 240, 480, 960, 1920, 3600]
    assert set(waits[10:]) == {3600}
    assert 47 * 3600 < at[-1] <= 48 * 3600
    (dropped,) = duty.record("webhook.dropped")
    assert (dropped["event"], dropped["status"], dropped["attempt"]) == ("incident.triggered", 500, len(at))


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (200, Verdict.DELIVERED),
        (204, Verdict.DELIVERED),
        (299, Verdict.DELIVERED),
        (301, Verdict.DROPPED),
        (400, Verdict.DROPPED),
        (404, Verdict.DROPPED),
        (410, Verdict.DROPPED),
        (429, Verdict.RETRIED),
        (500, Verdict.RETRIED),
        (503, Verdict.RETRIED),
    ],
)
def test_what_an_answer_means(duty: Hooked, status: int, verdict: Verdict) -> None:
    """Any 2xx delivers; 429 and 5xx are repeated; redirects and other refusals drop the webhook at once."""
    duty.subscribe()
    duty.hook.answers = [status]
    duty.send()
    assert len(duty.record(f"webhook.{verdict}")) == 1
    duty.until(1)
    assert len(duty.hook.got) == (2 if verdict is Verdict.RETRIED else 1)


@pytest.mark.parametrize("kind", [FaultKind.REFUSE, FaultKind.TIMEOUT, FaultKind.LOSE_ANSWER])
def test_a_silent_receiver_is_asked_again(duty: Hooked, kind: FaultKind) -> None:
    """No connection and no answer in time are repeated; a lost answer makes a duplicate with the same id."""
    duty.subscribe()
    duty.do(faults.add, Fault("", kind, host=HOST))
    duty.send()
    duty.until(1)
    assert len(duty.hook.got) == (2 if kind is FaultKind.LOSE_ANSWER else 1)
    assert len({headers["x-webhook-id"] for _, headers, _ in duty.hook.got}) == 1
    assert len(duty.record("webhook.delivered")) == 1


@pytest.mark.parametrize(("delay", "delivered"), [(5, True), (6, False)])
def test_a_webhook_held_up_for_more_than_five_seconds_has_failed(duty: Hooked, delay: int, delivered: bool) -> None:
    """After 5 s the vendor gives up and sends it again, and the receiver gets it twice; 5 s are in time."""
    duty.subscribe("incident.triggered")
    duty.do(faults.add, Fault("", FaultKind.DELAY, host=HOST, delay=delay * SECOND))
    duty.send()
    duty.until(1)
    assert [at for at, _, _ in duty.hook.told] == ([5] if delivered else [6, 6])
    assert len({headers["x-webhook-id"] for _, headers, _ in duty.hook.got}) == 1
    assert [entry["error"] for entry in duty.record("webhook.retried")] == (
        [] if delivered else ["timeout: no answer in time"]
    )
    assert [entry["attempt"] for entry in duty.record("webhook.delivered")] == [1 if delivered else 2]


@pytest.mark.parametrize(
    ("why", "verdict"),
    [
        ("certificate verify failed: certificate has expired", Verdict.RETRIED),
        ("certificate verify failed: self-signed certificate", Verdict.DROPPED),
        ("certificate verify failed: Hostname mismatch", Verdict.DROPPED),
    ],
)
def test_of_certificates_only_an_expired_one_is_waited_for(why: str, verdict: Verdict) -> None:
    """Other faults of TLS drop the webhook at once."""
    outcome = Outcome(None, error=f"ConnectError: [SSL: CERTIFICATE_VERIFY_FAILED] {why} (_ssl.c:1006)")
    assert webhooks_delivery.judge(outcome) is verdict


def test_three_dropped_in_a_row_disable_the_endpoint_for_a_day(duty: Hooked) -> None:
    """Its queue is dropped, events of the day are never sent, and after 24 hours it is on again by itself."""
    made = duty.subscribe("incident.triggered", "incident.resolved")
    duty.hook.answers = [503, 404, 404, 404]
    for key in "abcd":
        duty.send(key=key)
    duty.send("resolve", key="a")
    assert duty.read(made["id"])["delivery_method"]["temporarily_disabled"]
    duty.send("resolve", key="b")
    duty.until(24 * 60 - 1)
    assert len(duty.hook.got) == 4
    duty.until(24 * 60)
    assert not duty.read(made["id"])["delivery_method"]["temporarily_disabled"]
    duty.send("resolve", key="c")
    assert duty.hook.told[4:] == [(24 * 3600, "resolved", 3)]


def test_what_a_receiver_causes_before_its_last_refusal_is_not_sent(duty: Hooked) -> None:
    """The answer disables the endpoint, so the event made meanwhile is never written for it."""
    duty.subscribe()
    duty.hook.answers = [404] * 9
    for key in "abc":
        if key == "c":
            duty.hook.before = lambda: duty.send("acknowledge", key="c")
        duty.send(key=key)
    assert [(what, number) for _, what, number in duty.hook.told] == [("triggered", n) for n in (1, 2, 3)]
    assert duty.incident.status is Status.ACKNOWLEDGED
    assert not list(duty.world.view.all(WEBHOOKS))


def test_a_webhook_that_arrives_twice_is_known_by_its_id(duty: Hooked) -> None:
    """At least once is what is promised: both copies carry the same id."""
    duty.subscribe("incident.triggered")
    duty.do(faults.add, Fault("", FaultKind.DUPLICATE, host=HOST))
    duty.send()
    first, second = (headers["x-webhook-id"] for _, headers, _ in duty.hook.got)
    assert first == second
    assert len(duty.record("webhook.delivered")) == 1


def test_a_delivery_in_between_starts_the_count_again(duty: Hooked) -> None:
    """Only three in a row disable."""
    made = duty.subscribe("incident.triggered")
    duty.hook.answers = [404, 404, 202, 404, 404]
    for key in "abcde":
        duty.send(key=key)
    assert not duty.read(made["id"])["delivery_method"]["temporarily_disabled"]
    duty.hook.answers = [404]
    duty.send(key="f")
    assert duty.read(made["id"])["delivery_method"]["temporarily_disabled"]


def test_a_disabled_endpoint_is_enabled_over_rest(duty: Hooked) -> None:
    """``enable`` answers with the subscription, switched on, and the next event arrives; the day is over."""
    made = duty.subscribe("incident.triggered")
    duty.hook.answers = [404] * 3
    for key in "abc":
        duty.send(key=key)
    answer = duty.rest("POST", f"/webhook_subscriptions/{made['id']}/enable")
    assert answer.status_code == 200
    assert answer.json()["webhook_subscription"] == duty.read(made["id"])
    assert not answer.json()["webhook_subscription"]["delivery_method"]["temporarily_disabled"]
    duty.send(key="d")
    assert len(duty.hook.got) == 4
    duty.until(25 * 60)
    assert len(duty.record("webhook.enabled")) == 1


def test_the_timeline_tells_what_became_of_a_webhook(duty: Hooked) -> None:
    """Failed, repeated, delivered, given up and disabled, each in a sentence, without the URL's password."""
    duty.subscribe("incident.triggered", url=f"https://me:hidden@{HOST}/pd")
    duty.hook.answers = [503, 202, 404, 404, 404]
    for key in "abcd":
        duty.send(key=key)
        duty.world.advance("2s")
    told = timeline.as_text(line for line in timeline.lines(duty.world) if "webhook" in line.text)
    assert (
        f"webhook incident.triggered of #1 to {HOST} not delivered, again at 10:00:01  [attempt 1: answered 503]"
        in told
    )
    assert f"webhook incident.triggered of #1 to {HOST} delivered  [attempt 2]" in told
    assert f"webhook incident.triggered of #2 to {HOST} given up  [attempt 1: answered 404]" in told
    assert f"webhooks to {HOST} disabled for a day  [3 dropped in a row]" in told
    assert "hidden" not in told


def test_a_restored_world_repeats_the_same_webhook(duty: Hooked) -> None:
    """What waits is state: after a restore the attempt is made again, with the same id, body and signature."""
    duty.subscribe()
    duty.hook.answers = [503]
    duty.send()
    point = duty.world.snapshot()
    duty.until(1)
    once = duty.hook.got[1:]
    duty.world.restore(point)
    duty.until(1)
    assert duty.hook.got[2:] == once
    assert len(once) == 1


def test_a_deleted_subscription_gets_nothing_more(duty: Hooked) -> None:
    """Deleting it drops what waits."""
    made = duty.subscribe()
    duty.hook.answers = [503]
    duty.send()
    assert duty.rest("DELETE", f"/webhook_subscriptions/{made['id']}").status_code == 204
    duty.until(1)
    assert len(duty.hook.got) == 1
    assert not list(duty.world.view.all(WEBHOOKS))


# -- over REST ---------------------------------------------------------------------------------------------------------


def test_a_secret_is_shown_once_and_header_values_never(duty: Hooked) -> None:
    """The create answers with the secret; reading, listing and updating do not, whatever is included."""
    headers = [{"name": "X-Env", "value": "prod"}]
    made = duty.subscribe(delivery_method={"custom_headers": headers}, description="bridge")
    secret = made["delivery_method"].pop("secret")
    assert len(secret) == 64
    assert made["delivery_method"]["custom_headers"] == [{"name": "X-Env", "value": "-- redacted --"}]
    for answer in (
        duty.rest("GET", f"/webhook_subscriptions/{made['id']}?include[]=secret"),
        duty.rest("GET", "/webhook_subscriptions"),
        duty.rest("PUT", f"/webhook_subscriptions/{made['id']}", {"webhook_subscription": {"description": "b"}}),
    ):
        assert secret not in answer.text
        assert "prod" not in answer.text
        assert '"secret":null' in answer.text
    assert {**duty.read(made["id"])["delivery_method"], "secret": 0} == {**made["delivery_method"], "secret": 0}


def test_an_update_changes_what_is_sent_and_not_where_to(duty: Hooked) -> None:
    """Events, filter and description follow; the way of delivery stays as it was created."""
    made = duty.subscribe("incident.triggered")
    wish = {
        "type": "webhook_subscription",
        "events": ["incident.resolved"],
        "filter": {"type": "team_reference", "id": TEAM},
        "description": "new",
        "delivery_method": {"type": "http_delivery_method", "url": "https://elsewhere.example.com/"},
    }
    answer = duty.rest("PUT", f"/webhook_subscriptions/{made['id']}", {"webhook_subscription": wish})
    shown = answer.json()["webhook_subscription"]
    assert answer.status_code == 200
    assert {name: shown[name] for name in ("events", "filter", "description")} == {
        name: wish[name] for name in ("events", "filter", "description")
    }
    assert shown["delivery_method"]["url"] == made["delivery_method"]["url"]


def test_the_list_is_filtered_by_scope(duty: Hooked) -> None:
    """``filter_type`` and ``filter_id`` choose; an unknown type is refused."""
    duty.subscribe()
    one = duty.subscribe(filter={"type": "service_reference", "id": "PSVC002"})

    def ids(query: str) -> list[str]:
        rows = duty.rest("GET", f"/webhook_subscriptions?{query}").json()["webhook_subscriptions"]
        return [row["id"] for row in rows]

    assert len(ids("")) == 2
    assert ids("filter_type=service") == ids("filter_type=service&filter_id=PSVC002") == [one["id"]]
    assert ids("filter_type=service&filter_id=PSVC001") == ids("filter_type=team") == []
    assert refused(duty.rest("GET", "/webhook_subscriptions?filter_type=x"))[:2] == (400, 2001)


def test_a_scope_has_ten_subscriptions(duty: Hooked) -> None:
    """The eleventh of the account is refused, one of a service is not; moving one into a full scope is refused too."""
    for _ in range(10):
        duty.subscribe()
    text = "Failed to create webhook. Webhook subscription limit exceeded for the selected scope."
    assert duty.subscribe(status=400) == (400, 2019, [text])
    made = duty.subscribe(filter={"type": "service_reference", "id": "PSVC002"})
    change = {"webhook_subscription": {"filter": ACCOUNT}}
    assert refused(duty.rest("PUT", f"/webhook_subscriptions/{made['id']}", change)) == (400, 2019, [text])


@pytest.mark.parametrize(
    ("changes", "status", "code", "words"),
    [
        ({"type": "subscription"}, 400, 2001, "Type must be in"),
        ({"events": []}, 400, 2001, "Events cannot be empty."),
        ({"events": ["incident.exploded"]}, 400, 2001, "Events must be in"),
        ({"events": [PING]}, 400, 2001, "Events must be in"),
        ({"events": ["incident.resolved", "incident.resolved"]}, 400, 2001, "Events must be unique"),
        ({"filter": {"type": "service_reference"}}, 400, 2001, "Id cannot be empty."),
        ({"filter": {"type": "service_reference", "id": "PNOBODY"}}, 404, 5002, ""),
        ({"filter": {"type": "team_reference", "id": "PNOBODY"}}, 404, 6001, ""),
        ({"filter": {"type": "user_reference", "id": "PALICE1"}}, 400, 2001, "Type must be in"),
        ({"oauth_client_id": "X"}, 400, 2001, "Oauth client is invalid"),
        ({"delivery_method": {"url": "ftp://x"}}, 400, 2001, "Url is invalid"),
        ({"delivery_method": {"url": "https://"}}, 400, 2001, "Url is invalid"),
        ({"delivery_method": {"url": "https://x:99999/"}}, 400, 2001, "Url is invalid"),
        ({"delivery_method": {"url": "https://[x/"}}, 400, 2001, "Url is invalid"),
        ({"delivery_method": {"url": "https://x/\n"}}, 400, 2001, "Url is invalid"),
        ({"delivery_method": {"type": "email"}}, 400, 2001, "Type must be in"),
        (
            {"delivery_method": {"custom_headers": [{"name": "A", "value": "1"}, {"name": "a", "value": "2"}]}},
            400, 2001, "Custom headers must have unique names",
        ),
        ({"delivery_method": {"custom_headers": [{"name": "A b", "value": "1"}]}}, 400, 2001, "Custom headers are"),
        ({"delivery_method": {"custom_headers": [{"name": "A", "value": "1\n"}]}}, 400, 2001, "Custom headers are"),
    ],
)  # fmt: skip
def test_a_wrong_subscription_is_refused(
    duty: Hooked, changes: dict[str, Any], status: int, code: int, words: str
) -> None:
    """What cannot be subscribed to, or delivered to, is answered in the API's own envelope."""
    wish = {"delivery_method": {}, **changes}
    events = wish.pop("events", ["incident.resolved"])
    found = duty.subscribe(*events, status=status, **(wish if events else {**wish, "events": []}))
    assert found[:2] == (status, code)
    assert words in " ".join(found[2])


def test_a_ping_arrives_at_once(duty: Hooked) -> None:
    """202 without a body, and the endpoint gets Pagey's greeting, signed."""
    made = duty.subscribe("incident.resolved")
    answer = duty.rest("POST", f"/webhook_subscriptions/{made['id']}/ping")
    assert (answer.status_code, answer.content) == (202, b"")
    duty.world.advance(0)
    ((_, headers, body),) = duty.hook.got
    assert headers["x-pagerduty-signature"] == signed(made["delivery_method"]["secret"], body)
    (event,) = duty.hook.events
    assert (event["resource_type"], event["agent"], event["client"]) == ("pagey", None, None)
    assert event["data"] == {"message": "Hello from your friend Pagey!", "type": "ping"}
    assert duty.rest("POST", "/webhook_subscriptions/PNOBODY/ping").status_code == 404


def test_clients_of_oauth_are_not_in_the_plan(duty: Hooked) -> None:
    """There are none, and none can be made."""
    assert duty.rest("GET", "/webhook_subscriptions/oauth_clients").json() == {"oauth_clients": []}
    assert duty.rest("POST", "/webhook_subscriptions/oauth_clients", {}).status_code == 402


def test_an_accounts_own_subscriptions_are_loaded(duty: Hooked) -> None:
    """A subscription of the account's JSON signs with its secret; what is wrong in one is said, not served."""
    good = {
        "id": "PWHK001",
        "type": "webhook_subscription",
        "active": True,
        "delivery_method": {"type": "http_delivery_method", "url": f"https://{HOST}/", "secret": "s3cr3t"},
        "events": ["incident.triggered", "unheard.of"],
        "filter": ACCOUNT,
    }
    path = f"https://{API_HOST}/_sim/account"
    for wrong in ({"delivery_method": None}, {"events": "x"}, {"filter": {"type": "team_reference"}}):
        answer = duty.world.client.post(path, json={"webhook_subscriptions": [{**good, **wrong}]})
        assert answer.status_code == 400, answer.text
        assert next(iter(wrong)) in answer.json()["error"]
    assert duty.world.client.post(path, json={"webhook_subscriptions": [good]}).status_code == 201
    duty.send()
    _, headers, body = duty.hook.got[0]
    assert headers["x-pagerduty-signature"] == "v1=" + hmac.new(b"s3cr3t", body, hashlib.sha256).hexdigest()


def test_the_vendors_client_subscribes(duty: Hooked) -> None:
    """Create, list, enable, ping and delete with the unmodified client."""
    app = sites()[API_HOST].bind(duty.world, lambda: None, lambda: None)
    wish: Mapping[str, Any] = {
        "type": "webhook_subscription",
        "delivery_method": {"type": "http_delivery_method", "url": f"https://{HOST}/pd"},
        "events": ["incident.triggered"],
        "filter": ACCOUNT,
    }
    with RestApiV2Client(accounts.API_KEY, transport=httpx2.WSGITransport(app=app)) as client:
        made = client.rpost("webhook_subscriptions", json=wish)
        assert made["delivery_method"]["secret"]
        assert [row["id"] for row in client.list_all("webhook_subscriptions")] == [made["id"]]
        assert client.rpost(f"webhook_subscriptions/{made['id']}/enable")["id"] == made["id"]
        assert client.post(f"webhook_subscriptions/{made['id']}/ping").status_code == 202
        duty.world.advance(0)
        assert [event["event_type"] for event in duty.hook.events] == [PING]
        client.rdelete(f"webhook_subscriptions/{made['id']}")
        assert client.list_all("webhook_subscriptions") == []


# -- on the stage ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ours", [True, False])
def test_the_bridge_hears_of_a_person_resolving_too_early(stage: Stage, ours: bool) -> None:
    """Signed with its secret the bridge believes it and pages again in half an hour; signed by another it refuses."""
    assert stage.bridge is not None
    wish = {
        "type": "webhook_subscription",
        "delivery_method": {"type": "http_delivery_method", "url": "https://bridge.example.com/pagerduty"},
        "events": ["incident.triggered", "incident.resolved"],
        "filter": ACCOUNT,
    }
    login = {"Authorization": f"Token token={accounts.API_KEY}"}
    url = f"https://{API_HOST}/webhook_subscriptions"
    made = stage.world.client.post(url, json={"webhook_subscription": wish}, headers=login).json()
    secret = made["webhook_subscription"]["delivery_method"]["secret"]
    stage.bridge.config = parse(
        {
            "keys": {"operations": {"value": accounts.ROUTING_KEY}},
            "pagerduty": {"events_url": EVENTS_URL},
            "incidents": {
                "webhook_secrets": [{"value": secret if ours else "another"}],
                "api_token": {"value": accounts.API_KEY},
                "resolved_by_person": "retrigger",
            },
        },
        environ={},
    )
    stage.bridge.bridge.configure(stage.bridge.config)
    shop = stage.thousandeyes.http_test("shop")
    stage.thousandeyes.alert_rule(shop, "((responseCode >= 500))")
    shop.fails(status=503, at="10:00", until="12:00")
    stage.run_until("10:10")
    stage.person("alice").phone.expect_sms(shop).resolve()
    if not ours:
        stage.tolerate("response")
        stage.tolerate("webhook.dropped")
    stage.run_until("10:45")
    assert len(list(stage.world.view.all(INCIDENTS))) == (2 if ours else 1)
    if ours:
        stage.person("alice").phone.expect_sms(shop).acknowledge()
