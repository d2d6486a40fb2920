"""PagerDuty's core: events in, incidents, escalation, messages and replies out."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.engine import instants, zones
from simulators.engine.instants import HOUR, MINUTE
from simulators.engine.world import World
from simulators.pagerduty import account, devices, incidents, intake, ladder, schedules, validity
from simulators.pagerduty.component import PagerDuty
from simulators.pagerduty.model import INCIDENTS, LOG_ENTRIES, MESSAGES, Agent, Channel, Incident, Status

KEY = "0123456789abcdef0123456789abcdef"
START = instants.parse("2026-03-02T10:00:00Z")
METHODS = ("email", "sms", "phone", "push_notification")


def _user(id: str) -> dict[str, Any]:
    methods = [{"id": f"{id}{m}", "type": f"{m}_contact_method", "address": "5550100"} for m in METHODS]
    rules = [
        {
            "id": f"{id}R{method['id']}",
            "urgency": "high",
            "start_delay_in_minutes": 0,
            "contact_method": {"id": method["id"]},
        }
        for method in methods
    ]
    return {"id": id, "name": id, "contact_methods": methods, "notification_rules": rules}


def _rule(user: str, minutes: int) -> dict[str, Any]:
    return {"escalation_delay_in_minutes": minutes, "targets": [{"id": user, "type": "user_reference"}]}


ACCOUNT: dict[str, Any] = {
    "users": [_user("PA"), _user("PB")],
    "escalation_policies": [
        {"id": "PEP", "name": "Net", "num_loops": 1, "escalation_rules": [_rule("PA", 30), _rule("PB", 15)]}
    ],
    "services": [
        {
            "id": "PS",
            "name": "Shop",
            "escalation_policy": {"id": "PEP"},
            "integrations": [{"id": "PI", "integration_key": KEY}],
        }
    ],
}


@pytest.fixture
def world() -> World:
    """Return a world with a small account."""
    made = World(seed=1, start=START, components=[PagerDuty()])
    made.transact(lambda draft: account.load(draft, ACCOUNT))
    return made


def _send(world: World, action: str = "trigger", key: str = "k", **payload: Any) -> Any:
    event = {"routing_key": KEY, "event_action": action, "dedup_key": key}
    event["payload"] = {"summary": "down", "source": "web", "severity": "critical", **payload}  # type: ignore[assignment]
    return world.transact(lambda draft: intake.accept(draft, json.dumps(event).encode()))


def _incident(world: World) -> Incident:
    return list(world.view.all(INCIDENTS))[-1]


def _log(world: World) -> list[tuple[int, str]]:
    return [((e.at - START) // MINUTE, e.type.value.removesuffix("_log_entry")) for e in world.view.all(LOG_ENTRIES)]


@pytest.mark.parametrize(
    ("event", "errors"),
    [
        ({}, ["'routing_key' cannot be blank", "'event_action' is missing or blank"]),
        (
            {"routing_key": "a-b", "event_action": "resolve", "dedup_key": "k"},
            [
                "Length of 'routing_key' is incorrect (should be 32 characters)",
                "'routing_key' cannot contain non-alphanumeric characters.",
            ],
        ),
        (
            {
                "routing_key": KEY,
                "event_action": "trigger",
                "payload": {"summary": "s", "source": "x", "severity": "Info"},
            },
            ["'payload.severity' is invalid (must be one of the following: 'critical', 'warning', 'error' or 'info')"],
        ),
        ({"routing_key": "f" * 32, "event_action": "resolve", "dedup_key": "k"}, ["Invalid routing key"]),
    ],
)
def test_event_errors(world: World, event: dict[str, Any], errors: list[str]) -> None:
    """A bad event is refused in the vendor's own words, all problems at once."""
    status, body = world.transact(lambda draft: intake.accept(draft, json.dumps(event).encode()))
    assert (status, body["status"], body["errors"]) == (400, "invalid event", errors)


def test_unparsable(world: World) -> None:
    """A body that is not JSON is an unrecognized object."""
    assert world.transact(lambda draft: intake.accept(draft, b"{"))[1]["errors"] == ["JSON parse error"]


def test_dedup(world: World) -> None:
    """Triggers with one key share an incident until it is resolved."""
    _send(world)
    _send(world)
    assert world.view.count(INCIDENTS) == 1
    _send(world, "resolve")
    assert _incident(world).status is Status.RESOLVED
    _send(world)
    assert world.view.count(INCIDENTS) == 2


def test_worked_timeline(world: World) -> None:
    """Nobody reacts: two levels, one repeat, then the path is exhausted and the last person stays assigned."""
    _send(world)
    world.advance("5h")
    told = [entry for entry in _log(world) if entry[1] != "notify"]
    assert told == [
        (0, "trigger"),
        (0, "assign"),
        (30, "escalate"),
        (45, "repeat_escalation_path"),
        (45, "escalate"),
        (75, "escalate"),
        (90, "exhaust_escalation_path"),
    ]
    assert [a.user for a in _incident(world).assignments] == ["PB"]
    steps = ladder.ladder(account.Account.from_json(ACCOUNT), "PS", START)
    assert [(s.at - START) // MINUTE for s in steps if s.kind == "assign"] == [0, 30, 45, 75]


def test_channels(world: World) -> None:
    """An assigned person is told on all four channels at once."""
    _send(world)
    world.advance("1s")
    assert {message.channel for message in world.view.all(MESSAGES)} == set(Channel)


def test_sms_acknowledge_stops_everything(world: World) -> None:
    """Answering 4 acknowledges; nobody hears of the incident again."""
    _send(world)
    world.advance("1m")
    sent = world.view.count(MESSAGES)
    assert world.transact(lambda draft: devices.reply_sms(draft, "PA", "4")).outcome == devices.DONE
    world.advance("5h")
    assert _incident(world).status is Status.ACKNOWLEDGED
    assert world.view.count(MESSAGES) == sent


def test_outdated_reply(world: World) -> None:
    """A reply after the incident went to somebody else changes nothing."""
    _send(world)
    world.advance("31m")
    before = _incident(world)
    assert world.transact(lambda draft: devices.reply_sms(draft, "PA", "6")).outcome.startswith("outdated")
    assert _incident(world) == before


def test_call(world: World) -> None:
    """Pressing 6 on an answered call resolves the incident."""
    _send(world)
    world.advance("1s")
    call = next(m for m in world.view.all(MESSAGES) if m.channel is Channel.PHONE)
    assert world.transact(lambda draft: devices.press(draft, call.id, "6")).outcome == "nobody is on the line"
    world.transact(lambda draft: devices.answer(draft, call.id))
    world.transact(lambda draft: devices.press(draft, call.id, "6"))
    assert _incident(world).status is Status.RESOLVED


CASES = [
    ("Europe/Berlin", "2026-03-29"),
    ("Europe/Berlin", "2026-10-25"),
    ("America/New_York", "2026-11-01"),
    ("Australia/Lord_Howe", "2026-04-05"),
    ("Pacific/Apia", "2011-12-30"),
    ("America/Santiago", "2026-09-06"),
    ("Africa/Casablanca", "2026-02-15"),
    ("Europe/Dublin", "2026-03-29"),
]


@settings(max_examples=25, deadline=None)
@given(case=st.sampled_from(CASES), days=st.integers(1, 3), minute=st.integers(0, 287))
def test_turns_follow_the_clock_that_never_goes_back(case: tuple[str, str], days: int, minute: int) -> None:
    """Daily turns agree with a scan over the running maximum of local time."""
    zone, date = case
    day = instants.parse(date + "T00:00:00Z")
    anchor = day - 3 * 24 * HOUR + minute * 5 * MINUTE
    layer = schedules.Layer("L", anchor, None, anchor, days * 24 * HOUR, ("A", "B", "C"), ())
    schedule = schedules.Schedule(zone, (layer,))

    def local(at: int) -> int:
        return zones.microseconds(zones.local(at, zone).replace(tzinfo=zones.EPOCH.tzinfo))

    origin, reading = local(anchor), 0
    for at in range(anchor, day + 2 * 24 * HOUR, 5 * MINUTE):
        reading = max(reading, local(at))
        assert schedules.who(schedule, at) == "ABC"[(reading - origin) // layer.turn % 3]
    segments = schedules.on_call(schedule, anchor, day + 2 * 24 * HOUR)
    assert all(a.end == b.start for a, b in itertools.pairwise(segments))


_JSON = st.none() | st.integers() | st.text(max_size=5) | st.lists(st.integers(), max_size=2) | st.just({"a": 1})


@settings(max_examples=40, deadline=None)
@given(action=_JSON | st.sampled_from(validity.ACTIONS), key=_JSON, payload=_JSON, severity=_JSON)
def test_any_event_is_answered(action: Any, key: Any, payload: Any, severity: Any) -> None:
    """Whatever the fields hold, the answer is one of the documented statuses."""
    made = World(seed=1, start=START, components=[PagerDuty()])
    made.transact(lambda draft: account.load(draft, ACCOUNT))
    for body in (payload, {"summary": "s", "source": "x", "severity": severity}):
        event = {"routing_key": KEY, "event_action": action, "dedup_key": key, "payload": body}
        status, _ = made.transact(lambda draft, event=event: intake.accept(draft, json.dumps(event).encode()))
        assert status in (202, 400)


def test_snooze_ends(world: World) -> None:
    """At the end of a snooze the incident is triggered again, people are told anew and escalation resumes."""
    _send(world)
    world.advance("1m")
    agent = Agent("user_reference", "PA", "website")
    world.transact(lambda draft: incidents.snooze(draft, _incident(world), agent, 3600))
    assert incidents.pending_actions(world.view, _incident(world)) == [("unacknowledge", world.now + HOUR)]
    sent = world.view.count(MESSAGES)
    world.advance("61m")
    assert _incident(world).status is Status.TRIGGERED
    assert world.view.count(MESSAGES) == sent + len(Channel)
    assert [kind for kind, _ in incidents.pending_actions(world.view, _incident(world))] == ["escalate"]
