"""PagerDuty's v3 webhooks: signatures over the bytes, and what follows when a person resolves too early."""

import hashlib
import hmac
import json
from typing import Any

import httpx
import pytest
from bridge_rig import NOW, SECOND, Rig, config, payload
from hypothesis import given
from hypothesis import strategies as st

from bridge import people, records
from bridge.admission import Door
from bridge.errors import Unreadable

MINUTE = 60 * SECOND
ADA = {"type": "user_reference", "id": "PUSR001", "summary": "Ada Byron"}


def resolved(incident: str = "Q0INC1", agent: Any = None, event_id: str = "01E", kind: str = "resolved") -> bytes:
    data = {"id": incident, "type": "incident", "status": "resolved", "incident_key": "0f0e"}
    event = {"id": event_id, "event_type": f"incident.{kind}", "agent": agent or ADA, "data": data}
    return json.dumps({"event": event}).encode()


def sign(body: bytes, *secrets: str) -> str:
    return ",".join("v1=" + hmac.new(one.encode(), body, hashlib.sha256).hexdigest() for one in secrets)


class Desk(Rig):
    """A bridge that hears of incidents; ``alerts`` are the dedup keys of an incident."""

    def __init__(self, policy: str = "retrigger", **more: Any) -> None:
        super().__init__(
            config(
                incidents={
                    "webhook_secrets": [{"value": "one"}, {"value": "two"}],
                    "api_token": {"value": "rest-token"},
                    "resolved_by_person": policy,
                    **more,
                }
            )
        )
        self.alerts: dict[str, list[str]] = {"Q0INC1": ["thousandeyes:a1", "else"]}
        self.asked: list[httpx.Request] = []
        self.status = 200
        self.hosts["api.pagerduty.com"] = self._rest

    def _rest(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        if self.status != 200:
            return httpx.Response(self.status)
        keys = self.alerts.get(request.url.path.split("/")[2])
        if keys is None:
            return httpx.Response(404)
        return httpx.Response(200, json={"alerts": [{"alert_key": key} for key in keys], "more": False})

    def tell(self, body: bytes, now: int, *secrets: str) -> int:
        headers = {"x-pagerduty-signature": sign(body, *(secrets or ("one",)))}
        return self.post(body, now, door=Door.PAGERDUTY, **headers)

    def outcomes(self) -> list[tuple[str, str]]:
        return [(row[0], row[1] or "") for row in self.store.rows("SELECT outcome, reason FROM inbox ORDER BY id")]


def test_a_signature_of_either_secret_opens() -> None:
    """One good v1 part is enough, in whatever place; other versions, other bytes and none do not open."""
    rig = Desk()
    body = resolved(kind="acknowledged")
    good = sign(body, "two")
    for header, status in [
        (good, 200),
        (f"v1={'0' * 64}, {good}", 200),
        (sign(body, "three"), 401),
        (good.replace("v1=", "v2="), 401),
        (good.upper().replace("V1=", "v1="), 401),
        ("", 401),
        ("v1=", 401),
        ("v1=é", 401),
    ]:
        assert rig.post(body, NOW, door=Door.PAGERDUTY, **{"x-pagerduty-signature": header}) == status, header
    header = {"x-pagerduty-signature": good}
    assert rig.post(body + b" ", NOW, door=Door.PAGERDUTY, **header) == 401
    assert rig.post(b"x" * 1_000_001, NOW, door=Door.PAGERDUTY, **header) == 413


def test_without_a_secret_the_door_is_shut() -> None:
    """A bridge that was told no secret believes nobody."""
    body = resolved()
    assert Rig().post(body, NOW, door=Door.PAGERDUTY, **{"x-pagerduty-signature": sign(body, "")}) == 401


def test_a_person_resolving_too_early_is_paged_again_later() -> None:
    """Thirty minutes after a person resolved an active alert's incident, it triggers again under the same key."""
    rig = Desk()
    rig.post(payload("TRIGGER"), NOW)
    rig.drain(NOW)
    assert rig.tell(resolved(), NOW + MINUTE) == 200
    end = rig.drain(NOW + MINUTE)
    assert end == NOW + 31 * MINUTE
    assert rig.pagerduty.actions == [("trigger", "thousandeyes:a1")] * 2
    assert rig.pagerduty.events[0]["payload"] == rig.pagerduty.events[1]["payload"]
    assert rig.asked[0].headers["authorization"] == "Token token=rest-token"
    assert rig.outcomes()[1][0] == "retrigger"
    assert "by Ada Byron" in rig.outcomes()[1][1]
    assert records.figures(rig.store).oldest_pending is None


def test_a_clear_in_between_withdraws_the_second_page() -> None:
    """The alert ended before the minutes were over: nobody is paged again, the resolve is sent for the record."""
    rig = Desk()
    rig.post(payload("TRIGGER"), NOW)
    rig.drain(NOW)
    rig.tell(resolved(), NOW + MINUTE)
    rig.bridge.run_due(NOW + MINUTE)
    rig.post(payload("CLEAR"), NOW + 5 * MINUTE)
    rig.drain(NOW + 5 * MINUTE)
    assert rig.pagerduty.actions == [("trigger", "thousandeyes:a1"), ("resolve", "thousandeyes:a1")]


def test_leave_takes_note_and_pages_nobody() -> None:
    """With the policy `leave` the trace says who ended the page, and that is all."""
    rig = Desk("leave")
    rig.post(payload("TRIGGER"), NOW)
    rig.drain(NOW)
    rig.tell(resolved(), NOW + MINUTE)
    assert rig.drain(NOW + MINUTE) == NOW + MINUTE
    assert len(rig.pagerduty.events) == 1
    assert rig.outcomes()[1][0] == "noted"
    alert = rig.store.alert("thousandeyes:a1")
    assert alert is not None
    assert alert.resolved_by_person_at == NOW + MINUTE


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (resolved(agent={"type": "service_reference", "id": "P1"}), "incident.resolved of Q0INC1"),
        (resolved(kind="acknowledged"), "incident.acknowledged of Q0INC1"),
        (json.dumps({"event": {"id": "1", "event_type": "pagey.ping", "data": {"type": "ping"}}}).encode(), "pagey"),
        (resolved(incident="../x"), "not looked up"),
    ],
)
def test_everything_else_is_noted(body: bytes, words: str) -> None:
    """Resolutions by our own events, other events and pings ask nobody anything."""
    rig = Desk()
    rig.tell(body, NOW)
    rig.drain(NOW)
    assert rig.asked == []
    outcome, reason = rig.outcomes()[0]
    assert outcome == "noted"
    assert words in reason


def test_an_incident_without_active_alerts_of_ours_changes_nothing() -> None:
    """Cleared alerts, foreign ones and incidents PagerDuty no longer has are noted."""
    rig = Desk()
    rig.post(payload("TRIGGER"), NOW)
    rig.post(payload("CLEAR"), NOW)
    rig.drain(NOW)
    rig.tell(resolved(), NOW + MINUTE)
    rig.tell(resolved("Q0GONE", event_id="02E"), NOW + MINUTE)
    rig.drain(NOW + MINUTE)
    assert [outcome for outcome, _ in rig.outcomes()[2:]] == ["noted", "noted"]
    assert len(rig.pagerduty.events) == 2


def test_a_webhook_told_twice_counts_once() -> None:
    """PagerDuty repeats webhooks; the event's id tells."""
    rig = Desk()
    rig.post(payload("TRIGGER"), NOW)
    rig.drain(NOW)
    for _ in range(2):
        rig.tell(resolved(), NOW + MINUTE)
    rig.drain(NOW + MINUTE)
    assert [outcome for outcome, _ in rig.outcomes()] == ["triggered", "retrigger", "duplicate"]
    assert len(rig.pagerduty.events) == 2


def test_a_rest_api_that_fails_is_asked_again_with_growing_pauses() -> None:
    """Neither an error nor a rejected token loses the question."""
    rig = Desk()
    rig.post(payload("TRIGGER"), NOW)
    rig.drain(NOW)
    rig.status = 503
    rig.tell(resolved(), NOW + MINUTE)
    now = NOW + MINUTE
    dues = []
    for _ in range(4):
        rig.bridge.run_due(now)
        due = rig.bridge.next_due()
        assert due is not None
        dues.append(due - now)
        now = due
    assert dues == sorted(dues)
    assert dues[0] > 0
    rig.status = 200
    rig.drain(now)
    assert [outcome for outcome, _ in rig.outcomes()] == ["triggered", "retrigger"]


def test_a_webhook_that_is_none_becomes_a_dead_letter() -> None:
    """A signed body that is no event is kept like any other unreadable notification."""
    rig = Desk()
    rig.tell(b"{}", NOW)
    rig.drain(NOW)
    assert records.figures(rig.store).unreadable == 1


@given(st.binary(max_size=100) | st.dictionaries(st.sampled_from(["event", "x"]), st.none() | st.text()).map(
    lambda value: json.dumps(value).encode()
))  # fmt: skip
def test_any_signed_bytes_read_or_raise_unreadable(body: bytes) -> None:
    """There is one documented error."""
    try:
        read = repr(people.read(body))
    except Unreadable as error:
        read = str(error)
    assert read
