"""Receiving, deciding and surviving, on the bridge as a whole."""

import base64
import json
from typing import Any

import httpx
import pytest
from bridge_rig import KEY, NOW, SECOND, TWO_KEYS, Crash, Rig, config, payload
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge import app, records
from bridge.core import Point
from bridge.store import SqliteStore


def test_trigger_and_clear_reach_pagerduty_in_order() -> None:
    """A trigger and its clear become trigger and resolve with one dedup key."""
    rig = Rig()
    assert rig.post(payload("TRIGGER")) == rig.post(payload("CLEAR")) == 200
    assert rig.bridge.next_due() == 0
    rig.bridge.run_due(NOW)
    assert rig.pagerduty.actions == [("trigger", "thousandeyes:a1"), ("resolve", "thousandeyes:a1")]
    assert rig.pagerduty.events[0]["routing_key"] == KEY
    assert rig.bridge.next_due() is None


def test_a_late_trigger_never_follows_its_clear() -> None:
    """A clear is final for its alert id: the trigger after it is recorded, not sent."""
    rig = Rig()
    rig.post(payload("CLEAR"))
    rig.bridge.run_due(NOW)
    rig.post(payload("TRIGGER"))
    rig.bridge.run_due(NOW + SECOND)
    assert [action for action, _ in rig.pagerduty.actions] == ["resolve"]
    outcomes = rig.store.connection.execute("SELECT outcome FROM inbox ORDER BY id").fetchall()
    assert outcomes == [("tombstone",), ("superseded",)]


def test_repeats_are_sent_once() -> None:
    """The same event id, or another notification of the same kind for the alert, changes nothing."""
    rig = Rig()
    for event_id in ("e1", "e1", "e2"):
        rig.post(payload("TRIGGER", event_id=event_id))
        rig.bridge.run_due(NOW)
    assert len(rig.pagerduty.events) == 1


def test_an_event_id_used_twice_costs_no_page() -> None:
    """Whose templates give two alerts, or a trigger and its clear, one event id is paged for both all the same."""
    rig = Rig()
    for kind, alert_id in (("TRIGGER", "a1"), ("TRIGGER", "a2"), ("CLEAR", "a1"), ("CLEAR", "a2")):
        rig.post(payload(kind, alert_id, event_id="e1"))
        rig.bridge.run_due(NOW)
    both = ["thousandeyes:a1", "thousandeyes:a2"]
    assert rig.pagerduty.actions == [(action, key) for action in ("trigger", "resolve") for key in both]


def test_a_repeated_test_event_is_a_repeat() -> None:
    """Where there is no alert the event id tells a repeat."""
    rig = Rig()
    for _ in range(2):
        rig.post(b'{"eventType": "WEBHOOK_TEST", "eventId": "1770000000000"}')
        rig.bridge.run_due(NOW)
    assert rig.store.rows("SELECT outcome FROM inbox ORDER BY id") == [("test",), ("duplicate",)]


@pytest.mark.parametrize(("coalesce", "sent"), [(False, 2), (True, 0)])
def test_an_untried_trigger_may_be_coalesced_with_its_clear(coalesce: bool, sent: int) -> None:
    """What is over before it was tried is sent in order by default, or not at all when so configured."""
    rig = Rig(config(pagerduty={"coalesce": coalesce}))
    rig.post(payload("TRIGGER"))
    rig.post(payload("CLEAR"))
    rig.bridge.run_due(NOW)
    assert len(rig.pagerduty.events) == sent


def test_a_tried_trigger_is_never_coalesced() -> None:
    """A try without answer may have opened the incident, so its resolve must follow."""
    rig = Rig(config(pagerduty={"coalesce": True}))
    rig.post(payload("TRIGGER"))
    rig.pagerduty.answer = lambda event: httpx.Response(500)
    rig.bridge.run_due(NOW)
    rig.post(payload("CLEAR"))
    rig.pagerduty.answer = lambda event: httpx.Response(202)
    rig.bridge.run_due(NOW + 10 * SECOND)
    assert [action for action, _ in rig.pagerduty.actions] == ["trigger", "trigger", "resolve"]


def test_an_alert_keeps_its_route() -> None:
    """A clear goes where its trigger went, whatever the routes say by then."""
    rig = Rig(config(TWO_KEYS))
    rig.post(payload("TRIGGER", ruleName="db down"))
    rig.bridge.run_due(NOW)
    rig.post(payload("CLEAR", ruleName="renamed"))
    rig.bridge.run_due(NOW)
    assert len({event["routing_key"] for event in rig.pagerduty.events}) == 1


@pytest.mark.parametrize(
    "body", [b"", b"\xff", b"[]", b"{}", b'{"eventType":"ALERT_NOTIFICATION_TRIGGER"}', b"[" * 99999]
)
def test_unreadable_notifications_are_kept(body: bytes) -> None:
    """Whatever cannot be read is answered 200 and kept as a dead letter."""
    rig = Rig()
    assert rig.post(body) == 200
    rig.bridge.run_due(NOW)
    assert records.figures(rig.store).unreadable == 1
    assert rig.pagerduty.events == []


@pytest.mark.parametrize("kind", ["WEBHOOK_TEST", "SOMETHING_NEW"])
def test_tests_and_unknown_events_never_page(kind: str) -> None:
    """The test button and event types yet to be invented are stored, nothing more."""
    rig = Rig()
    assert rig.post(json.dumps({"eventType": kind, "eventId": "1"}).encode()) == 200
    rig.bridge.run_due(NOW)
    assert rig.pagerduty.events == []
    assert rig.bridge.next_due() is None


def basic(text: bytes) -> str:
    return "Basic " + base64.b64encode(text).decode()


AUTH: list[tuple[dict[str, Any], dict[str, str], int]] = [
    ({"auth": "basic", "username": "te"}, {"authorization": basic(b"te:new:er")}, 200),
    ({"auth": "basic", "username": "te"}, {"authorization": basic(b"te:old")}, 200),
    ({"auth": "basic", "username": "te"}, {"authorization": basic(b"te:no")}, 401),
    ({"auth": "basic", "username": "te"}, {"authorization": basic(b"xx:old")}, 401),
    ({"auth": "basic", "username": "te"}, {"authorization": "Basic %%%"}, 401),
    ({"auth": "basic", "username": "te"}, {"authorization": "Basic é"}, 401),
    ({"auth": "basic", "username": "te"}, {}, 401),
    ({"auth": "bearer"}, {"authorization": "Bearer old"}, 200),
    ({"auth": "bearer"}, {"authorization": "bearer new:er"}, 200),
    ({"auth": "bearer"}, {"authorization": "Bearer"}, 401),
    ({"auth": "bearer"}, {"authorization": basic(b"te:old")}, 401),
    ({"auth": "header", "header": "X-Hook"}, {"x-hook": "old"}, 200),
    ({"auth": "header", "header": "X-Hook"}, {"x-hook": "older"}, 401),
    ({"auth": "header", "header": "X-Hook"}, {}, 401),
]


@pytest.mark.parametrize(("receiver", "headers", "status"), AUTH)
def test_credentials(receiver: dict[str, Any], headers: dict[str, str], status: int) -> None:
    """Either of two secrets opens; anything else is refused and not stored."""
    secrets = [{"value": "old"}, {"value": "new:er"}]
    rig = Rig(config(receiver={**receiver, "secrets": secrets}))
    assert rig.post(payload("TRIGGER"), NOW, **headers) == status
    assert rig.store.has_undecided() == (status == 200)


@pytest.mark.parametrize("point", list(Point))
@pytest.mark.parametrize("kind", ["TRIGGER", "CLEAR"])
def test_a_crash_anywhere_loses_nothing(point: Point, kind: str) -> None:
    """Whatever point the bridge dies at, a repeat of unacknowledged posts leads to one incident, closed."""
    rig = Rig()
    for name in ("TRIGGER", "CLEAR"):
        if name == kind:
            rig.crash_at = point
        for attempt in range(2):
            try:
                assert rig.post(payload(name), NOW + attempt) == 200
                break
            except Crash:
                rig.start()
        for _ in range(2):
            try:
                rig.bridge.run_due(NOW + 10)
            except Crash:
                rig.start()
    assert rig.crash_at is None
    actions = [action for action, _ in rig.pagerduty.actions]
    assert actions == sorted(actions, reverse=True)
    assert set(actions) == {"trigger", "resolve"}
    assert len(actions) <= 3


@given(st.lists(st.tuples(st.sampled_from(["TRIGGER", "CLEAR"]), st.integers(1, 3), st.booleans()), max_size=15))
@settings(max_examples=60)
def test_nothing_stays_open_after_its_clear(steps: list[tuple[str, int, bool]]) -> None:
    """Whatever order, repeats and failures: an alert that cleared ends with a resolve or was never triggered."""
    rig = Rig()
    now = NOW
    for kind, alert_id, works in steps:
        now += SECOND
        rig.pagerduty.answer = lambda event, works=works: httpx.Response(202 if works else 503)  # type: ignore[misc]
        rig.post(payload(kind, alert_id), now)
        rig.bridge.run_due(now)
    rig.pagerduty.answer = lambda event: httpx.Response(202)
    while (due := rig.bridge.next_due()) is not None:
        now = max(now, due)
        assert rig.bridge.run_due(now) > 0
    for alert_id in {number for _, number, _ in steps}:
        kinds = {kind for kind, number, _ in steps if number == alert_id}
        key = f"thousandeyes:{alert_id}"
        last = [action for action, name in rig.pagerduty.actions if name == key][-1]
        assert last == ("resolve" if "CLEAR" in kinds else "trigger")
    rig.store.close()


def test_volatile_state_survives_export_and_load() -> None:
    """A bridge loaded with another's volatile state keeps its pauses."""
    rig = Rig()
    rig.post(payload("TRIGGER"))
    rig.pagerduty.answer = lambda event: httpx.Response(429)
    rig.bridge.run_due(NOW)
    volatile, due = rig.bridge.export(), rig.bridge.next_due()
    rig.start().load(volatile)
    assert rig.bridge.export() == volatile
    assert rig.bridge.next_due() == due


def test_secrets_are_nowhere() -> None:
    """Neither the database nor any representation holds a key."""
    rig = Rig()
    rig.post(payload("TRIGGER"))
    rig.bridge.run_due(NOW)
    assert KEY.encode() not in rig.store.connection.serialize()
    assert KEY not in repr(rig.config) + repr(rig.bridge.export())
    assert KEY not in str(rig.config.keys["ops"])


def test_the_application_answers_what_the_bridge_says() -> None:
    """Paths, methods and sizes have their statuses; health and figures are served."""
    rig = Rig(config(receiver={"max_body_bytes": 1000}))
    application = app.wsgi(app.create_app(), app.DirectGate(rig.bridge, lambda: NOW))
    transport = httpx.WSGITransport(app=application)
    with httpx.Client(transport=transport, base_url="http://bridge.example.com") as client:
        assert client.post("/thousandeyes", content=payload("TRIGGER")).status_code == 200
        assert client.post("/thousandeyes", content=b"x" * 1000).status_code == 200
        assert client.post("/thousandeyes", content=b"x" * 1001).status_code == 413
        assert client.post("/thousandeyes", content=b"x" * 9001).status_code == 413
        assert client.get("/thousandeyes").status_code == 405
        assert client.get("/else").status_code == 404
        assert client.get("/healthz").status_code == client.get("/readyz").status_code == 200
        assert 'bridge_received_total{door="thousandeyes"} 2.0' in client.get("/metrics").text


def test_a_store_that_fails_answers_503() -> None:
    """A notification that could not be kept is refused, so that it is sent again."""
    store = SqliteStore(":memory:")
    rig = Rig(store=store)
    store.connection.close()
    assert rig.post(payload("TRIGGER")) == 503
