"""ThousandEyes and the bridge agree on notifications, in both directions.

``bridge-thousandeyes.json`` says which parts of a message the bridge reads; the simulator's notifier must produce them.
``thousandeyes-bridge.json`` says which answers ThousandEyes tells apart; the bridge's application must give them.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from good_messages import WEBHOOK
from pact import Pact, match
from pact_files import any_keys, check_kept, one_of, verify

from bridge import app as bridge_app
from bridge.config import parse
from bridge.core import Bridge, Inbound
from bridge.errors import StoreError
from bridge.store import SqliteStore
from scenarios import accounts
from scenarios.stage import Stage, Wiring
from simulators.engine import instants, live
from simulators.engine.serving import Listener, Servers, Still
from simulators.engine.transport import Application, Site
from simulators.engine.world import World
from simulators.thousandeyes import commands, notifiers
from simulators.thousandeyes.model import Integration

NOW = instants.parse("2026-03-02T10:04:30Z")
MESSAGES, ANSWERS = "bridge-thousandeyes.json", "thousandeyes-bridge.json"
EXPRESSION = "((responseCode >= 500))"
USER, PASSWORD = "thousandeyes", "the:secret"

UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
ALERT_ID = match.regex("5abda706-c065-40fa-aa8c-059c3ac1ea9d", regex=UUID)
EVENT_ID = match.regex("9437a575-4b00-44a2-899a-41d1134eef08--5abda706-c065-40fa-aa8c-059c3ac1ea9d", regex=".+")
ZONED = match.regex("2026-03-02 10:04:00 UTC", regex="[0-9-]{10} [0-9:]{8} [A-Z]{2,5}")


def _alert(active: int) -> dict[str, Any]:
    """Return the parts of an alert the bridge reads."""
    return {
        "alertId": ALERT_ID,
        "ruleName": match.str("shop is down"),
        "testName": match.str("shop"),
        "type": match.str("HTTP Server"),
        "severity": one_of("Critical", "Major", "Minor", "Info"),
        "ruleAid": match.int(1001),
        "active": active,
        "dateStartZoned": ZONED,
        "permalink": match.regex("https://app.thousandeyes.com/alerts/list/?__a=1", regex="https://.+"),
        "testTargetsDescription": match.each_like(match.str("https://shop.example"), min=1),
        "agents": match.each_like(
            {"agentName": match.str("Oslo"), "metricsAtStart": match.str("Response Code: 503")}, min=1
        ),
    }


TRIGGER, CLEAR = "ALERT_NOTIFICATION_TRIGGER", "ALERT_NOTIFICATION_CLEAR"
#: Description -> the message as the bridge wants it, and the event it then sends.
WANTED: dict[str, tuple[dict[str, Any], str | None]] = {
    "a trigger": ({"eventType": TRIGGER, "eventId": EVENT_ID, "alert": _alert(1)}, "trigger"),
    "a clear": ({"eventType": CLEAR, "eventId": EVENT_ID, "alert": _alert(0)}, "resolve"),
    "a clear by configuration": ({"eventType": CLEAR, "eventId": EVENT_ID, "alert": _alert(2)}, "resolve"),
    "the test button": ({"eventType": "WEBHOOK_TEST", "eventId": match.regex("1772445840000", regex="[0-9]+")}, None),
}


def _bridge(sent: list[Any] | None = None, **receiver: Any) -> Bridge:
    """Return a bridge whose events end in ``sent``."""

    def take(request: httpx.Request) -> httpx.Response:
        assert sent is not None
        sent.append(json.loads(request.content))
        return httpx.Response(202)

    settings = {"keys": {"operations": {"value": accounts.ROUTING_KEY}}, "receiver": receiver}
    client = httpx.Client(transport=httpx.MockTransport(take))
    return Bridge(parse(settings, environ={}), SqliteStore(":memory:"), client)


def _handled(contents: str | bytes | None) -> list[Any]:
    """Return the events a bridge sends after it received a message."""
    sent: list[Any] = []
    bridge = _bridge(sent)
    assert contents is not None
    body = contents.encode() if isinstance(contents, str) else contents
    assert bridge.receive(Inbound(body, {}), NOW).status == 200
    bridge.run_due(NOW)
    assert bridge.counters.get(("decided", "dead")) is None
    bridge.store.close()
    return sent


@pytest.fixture(scope="module")
def wanted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, list[Any]]]:
    """Every wanted message handled by a bridge of its own: the folder of the pact, what was sent (or went wrong)."""
    folder = tmp_path_factory.mktemp("pacts")
    handled: dict[str, list[Any]] = {}
    for description, (body, _) in WANTED.items():
        pact = Pact("bridge", "thousandeyes").with_specification("V4")
        pact.upon_receiving(description, "Async").with_body(body, content_type="application/json")
        sent = handled[description] = []
        errors = pact.verify(lambda contents, _, sent=sent: sent.extend(_handled(contents)), "Async", raises=False)
        sent += [str(error) for error in errors]
        pact.write_file(folder)
    return folder, handled


@pytest.mark.parametrize("description", WANTED)
def test_the_bridge_acts_upon_each_message(description: str, wanted: tuple[Path, dict[str, list[Any]]]) -> None:
    """A trigger opens, both kinds of clear close the same key, the test button wakes nobody."""
    action = WANTED[description][1]
    key = "thousandeyes:5abda706-c065-40fa-aa8c-059c3ac1ea9d"
    sent = wanted[1][description]
    assert [error for error in sent if isinstance(error, str)] == []
    said = [(event["event_action"], event["dedup_key"]) for event in sent]
    assert said == ([] if action is None else [(action, key)])


def test_what_the_bridge_reads_reaches_the_page(wanted: tuple[Path, dict[str, list[Any]]]) -> None:
    """Rule, test, target, severity and location of the message are in the event."""
    payload = wanted[1]["a trigger"][0]["payload"]
    assert payload["severity"] == "critical"
    assert payload["source"] == "https://shop.example"
    assert "shop is down" in payload["summary"]
    assert "Oslo: Response Code: 503" in json.dumps(payload["custom_details"])


def test_the_messages_are_the_ones_that_are_kept(wanted: tuple[Path, dict[str, list[Any]]]) -> None:
    """A change of what the bridge reads shows as a change of the file."""
    check_kept(wanted[0], MESSAGES)


def _integration(stage: Stage, url: str, password: str = PASSWORD) -> Integration:
    target = f"{url}/thousandeyes"
    return stage.do(
        commands.add_integration, "webhook", name="bridge", target=target, auth="basic", user=USER, token=password
    )


def _notifications() -> dict[str, Any]:
    """Return what the simulator's notifier posts in a short outage, by description, as it reaches a receiver."""
    got: list[dict[str, Any]] = []

    def receive(environ: dict[str, Any], start: Any) -> list[bytes]:
        got.append({"contents": environ["wsgi.input"].read(), "content_type": environ["CONTENT_TYPE"]})
        start("200 OK", [])
        return [b""]

    with Stage(wiring=Wiring.NATIVE) as stage:
        stage.world.serve("hooks.example.com", Site("hooks", receive))
        desk = stage.thousandeyes
        desk.integration = _integration(stage, "https://hooks.example.com")
        shop = desk.http_test("shop")
        rule = desk.alert_rule(shop, EXPRESSION)
        shop.fails(at="10:00", until="10:10")
        shop.fails(at="10:30")
        stage.run_until("10:40")
        stage.do(commands.delete_rule, rule.id)
        stage.do(notifiers.test_webhook, desk.integration.id)
        stage.run_until("10:41")
    names = {1: "a trigger", 0: "a clear", 2: "a clear by configuration", None: "the test button"}
    return {names[json.loads(message["contents"]).get("alert", {}).get("active")]: message for message in got}


def test_the_notifier_produces_every_message() -> None:
    """What the simulator sends in an outage has all the bridge reads, as the bridge expects it."""
    found = _notifications()
    results = verify("thousandeyes", MESSAGES, lambda verifier: verifier.message_handler(found))
    assert results["result"] is True


# -- the other direction: the answers ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """An answer of the bridge, and what ThousandEyes notes down about its notification."""

    description: str
    state: str
    body: dict[str, Any]
    password: str
    status: int
    noted: str


ALERTING = {
    "eventType": TRIGGER,
    "eventId": EVENT_ID,
    "alert": any_keys(WEBHOOK["alert"]),
}
STORES, BROKEN = "the bridge stores notifications", "the store of the bridge is broken"
CASES = (
    Case("a notification", STORES, ALERTING, PASSWORD, 200, "notification.delivered"),
    Case("the test button", STORES, WANTED["the test button"][0], PASSWORD, 200, "notification.delivered"),
    Case("a notification with the wrong password", STORES, ALERTING, "another", 401, "notification.retried"),
    Case("a notification that cannot be stored", BROKEN, ALERTING, PASSWORD, 503, "notification.retried"),
)


def _credentials(password: str) -> str:
    return "Basic " + base64.b64encode(f"{USER}:{password}".encode()).decode()


def _interaction(case: Case) -> Pact:
    pact = Pact("thousandeyes", "bridge").with_specification("V4")
    (
        pact.upon_receiving(case.description)
        .given(case.state)
        .with_request("POST", "/thousandeyes")
        .with_header("Authorization", _credentials(case.password))
        .with_body(case.body, content_type="application/json")
        .will_respond_with(case.status)
    )
    return pact


def _notify(url: str, case: Case) -> list[str]:
    """Let the simulator send the case's notification to ``url``; return what it noted down about it."""
    with Stage(wiring=Wiring.NATIVE) as stage:
        stage.world.network = live.network()
        desk = stage.thousandeyes
        desk.integration = _integration(stage, url, case.password)
        if case.body is ALERTING:
            shop = desk.http_test("shop")
            desk.alert_rule(shop, EXPRESSION)
            shop.fails(at="10:00")
        else:
            stage.do(notifiers.test_webhook, desk.integration.id)
        stage.run_until("10:03")
        stage.world.network.close()
        return [entry.kind for entry in stage.world.journal if entry.kind.startswith("notification.")]


@pytest.fixture(scope="module")
def notified(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, list[str]]]:
    """Every case played by the simulator's notifier against the mock server: what it noted, and how it differed."""
    folder, noted = tmp_path_factory.mktemp("pacts"), {}
    for case in CASES:
        pact = _interaction(case)
        with pact.serve(raises=False, verbose=False) as server:
            noted[case.description] = [*_notify(str(server.url), case), *map(str, server.mismatches)]
        pact.write_file(folder)
    return folder, noted


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.description)
def test_thousandeyes_understands_each_answer(case: Case, notified: tuple[Path, dict[str, list[str]]]) -> None:
    """Exactly 200 is delivered; anything else is sent again."""
    assert notified[1][case.description] == [case.noted]


def test_the_answers_are_the_ones_that_are_kept(notified: tuple[Path, dict[str, list[str]]]) -> None:
    """A change of what ThousandEyes sends or expects shows as a change of the file."""
    check_kept(notified[0], ANSWERS)


class _Broken(SqliteStore):
    """A store on a full disk."""

    def append(self, batch: Any) -> None:
        """Refuse."""
        raise StoreError("the disk is full")


@pytest.mark.sockets
def test_the_bridge_keeps_the_agreement() -> None:
    """Each notification is replayed through a socket against the bridge's own application."""
    settings = {
        "keys": {"operations": {"value": accounts.ROUTING_KEY}},
        "receiver": {"auth": "basic", "username": USER, "secrets": [{"value": PASSWORD}]},
    }
    config, client = parse(settings, environ={}), httpx.Client()
    bridges = {
        STORES: Bridge(config, SqliteStore(":memory:"), client),
        BROKEN: Bridge(config, _Broken(":memory:"), client),
    }
    gate = bridge_app.DirectGate(bridges[STORES], lambda: NOW)

    def prepare(state: str) -> None:
        gate.bridge = bridges[state]

    application = cast(Application, bridge_app.wsgi(bridge_app.create_app(), gate))
    servers = Servers(Still(World(seed=1, start=NOW, components=[])), (Listener(Site("bridge", application)),))
    servers.start()
    try:
        url = servers.urls["bridge"]
        found = verify("bridge", ANSWERS, lambda verifier: verifier.add_transport(url=url).state_handler(prepare))
        assert found["result"] is True
        assert len(bridges[STORES].store.undecided(10)) == 2
    finally:
        servers.stop()
        client.close()
        for bridge in bridges.values():
            bridge.store.close()
