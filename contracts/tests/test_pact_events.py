"""The bridge and PagerDuty's events host agree on events and on every answer the bridge tells apart."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from good_messages import CLEAR, WEBHOOK
from pact import Pact, match
from pact_files import any_keys, check_kept, one_of, verify

from bridge.config import parse
from bridge.core import Bridge, Inbound
from bridge.store import SqliteStore
from scenarios import accounts
from simulators.engine import faults, instants
from simulators.engine.faults import Fault, FaultKind
from simulators.engine.serving import Listener, Servers, Still
from simulators.engine.world import World
from simulators.pagerduty import account
from simulators.pagerduty.api import EVENTS_HOST, sites
from simulators.pagerduty.component import PagerDuty
from simulators.pagerduty.model import Knobs

CONSUMER, PROVIDER = "bridge", "pagerduty-events"
FILE = f"{CONSUMER}-{PROVIDER}.json"
NOW = instants.parse("2026-03-02T10:04:30Z")
SECOND = instants.SECOND

KEY = match.regex(accounts.ROUTING_KEY, regex="[A-Za-z0-9]{32}")
DEDUP = match.regex("thousandeyes:5abda706-c065-40fa-aa8c-059c3ac1ea9d", regex="thousandeyes:.{1,242}")
LINK = match.regex("https://app.thousandeyes.com/alerts/list/?__a=1001&alertId=5abda706", regex="https://.+")
TRIGGER = {
    "routing_key": KEY,
    "event_action": "trigger",
    "dedup_key": DEDUP,
    "payload": {
        "summary": match.regex("shop is down: shop front (https://shop.example)", regex=".{1,1024}"),
        "source": match.regex("https://shop.example", regex=".+"),
        "severity": one_of("error", "critical", "warning", "info"),
        "timestamp": match.regex("2026-03-02T10:04:00+00:00", regex="[0-9-]{10}T[0-9:]{8}([+]00:00|Z)"),
        "component": match.str("shop front"),
        "group": match.str("1001"),
        "class": match.str("HTTP Server"),
        "custom_details": any_keys({"Alert ID": "5abda706-c065-40fa-aa8c-059c3ac1ea9d"}),
    },
    "client": match.str("ThousandEyes"),
    "client_url": LINK,
    "links": match.each_like({"href": LINK, "text": match.str("Alert in ThousandEyes")}, min=1),
}
RESOLVE = {"routing_key": KEY, "event_action": "resolve", "dedup_key": DEDUP}
ACCEPTED = {"status": "success", "message": match.str("Event processed"), "dedup_key": match.str("thousandeyes:1")}
ERROR = match.str("Event object is invalid")


@dataclass(frozen=True)
class Case:
    """An interaction, and what the bridge makes of the answer: the verdict it counts and when it tries again."""

    description: str
    state: str
    webhook: dict[str, Any]
    event: dict[str, Any]
    status: int
    answer: dict[str, Any] | None
    verdict: str
    again: tuple[int, int] | None = None


OWNED = "a service owns the routing key"
CASES = (
    Case("a trigger", OWNED, WEBHOOK, TRIGGER, 202, ACCEPTED, "sent"),
    Case("a resolve", OWNED, CLEAR, RESOLVE, 202, ACCEPTED, "sent"),
    Case(
        "a trigger with a key nobody owns",
        "nobody owns the routing key",
        WEBHOOK,
        TRIGGER,
        400,
        {
            "status": match.str("invalid event"),
            "message": ERROR,
            "errors": match.each_like(match.str("Invalid routing key"), min=1),
        },
        "rejected",
    ),
    Case(
        "a trigger too many",
        "the routing key has spent its minute",
        WEBHOOK,
        TRIGGER,
        429,
        {"status": match.str("throttle exceeded"), "errors": match.each_like(match.str("Enhance Your Calm."), min=1)},
        "throttled",
        (30, 300),
    ),
    Case("a trigger in an outage", "PagerDuty is out of order", WEBHOOK, TRIGGER, 500, None, "retry", (0, 60)),
)


def _bridge(url: str) -> Bridge:
    settings = {
        "keys": {"operations": {"value": accounts.ROUTING_KEY}},
        "pagerduty": {"events_url": f"{url}/v2/enqueue"},
    }
    return Bridge(parse(settings, environ={}), SqliteStore(":memory:"), httpx.Client(trust_env=False))


def _interaction(case: Case) -> Pact:
    pact = Pact(CONSUMER, PROVIDER).with_specification("V4")
    answered = (
        pact.upon_receiving(case.description)
        .given(case.state)
        .with_request("POST", "/v2/enqueue")
        .with_body(case.event, content_type="application/json")
        .will_respond_with(case.status)
    )
    if case.answer is not None:
        answered.with_body(case.answer, content_type="application/json")
    return pact


@dataclass(frozen=True)
class Played:
    """What came of a case: the bridge, and how its request differed from the one agreed upon."""

    bridge: Bridge
    differences: list[str]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, Played]]]:
    """Every case played by a bridge of its own against the mock server: the folder of the pact, what came of each."""
    folder, found = tmp_path_factory.mktemp("pacts"), {}
    for case in CASES:
        pact = _interaction(case)
        with pact.serve(raises=False, verbose=False) as server:
            bridge = _bridge(str(server.url))
            bridge.receive(Inbound(json.dumps(case.webhook).encode(), {}), NOW)
            bridge.run_due(NOW)
            found[case.description] = Played(bridge, [str(difference) for difference in server.mismatches])
        pact.write_file(folder)
    yield folder, found
    for done in found.values():
        done.bridge.client.close()
        done.bridge.store.close()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.description)
def test_the_bridge_understands_each_answer(case: Case, played: tuple[Path, dict[str, Played]]) -> None:
    """It asks as agreed; the verdict follows from the status, and what may still be taken is tried again in time."""
    bridge = played[1][case.description].bridge
    assert played[1][case.description].differences == []
    assert {label: number for (what, label), number in bridge.counters.items() if what == "tries"} == {case.verdict: 1}
    due = bridge.next_due()
    if case.again is None:
        assert due is None
    else:
        assert due is not None
        assert case.again[0] * SECOND <= due - NOW <= case.again[1] * SECOND


def test_the_agreement_is_the_one_that_is_kept(played: tuple[Path, dict[str, Played]]) -> None:
    """A change of what the bridge expects shows as a change of the file."""
    check_kept(played[0], FILE)


def _world() -> World:
    world = World(seed=1, start=NOW, components=[PagerDuty()])
    for host, site in sites().items():
        world.serve(host, site)
    world.baseline = world.snapshot()
    return world


def _set_up(world: World) -> Callable[[str], None]:
    def handler(state: str) -> None:
        world.reset()
        if state != "nobody owns the routing key":
            world.transact(lambda draft: account.load(draft, accounts.fixed()))
        if state == "the routing key has spent its minute":
            world.set_knobs(Knobs(events_per_minute=1))
            event = {"routing_key": accounts.ROUTING_KEY, "event_action": "resolve", "dedup_key": "spent"}
            world.client.post(f"https://{EVENTS_HOST}/v2/enqueue", json=event)
        if state == "PagerDuty is out of order":
            world.transact(lambda draft: faults.add(draft, Fault("", FaultKind.STATUS, host=EVENTS_HOST, status=500)))

    return handler


@pytest.mark.sockets
def test_the_events_host_keeps_the_agreement() -> None:
    """Each interaction is replayed through a socket against the running simulator."""
    world = _world()
    servers = Servers(Still(world), (Listener(sites()[EVENTS_HOST]),))
    servers.start()
    try:
        url = servers.urls[PROVIDER]
        found = verify(PROVIDER, FILE, lambda verifier: verifier.add_transport(url=url).state_handler(_set_up(world)))
    finally:
        servers.stop()
        world.client.close()
    assert found["result"] is True
