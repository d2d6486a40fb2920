"""Suppression windows: when they are in force, and that the alerting holds still meanwhile."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from thousandeyes_account import Account

from simulators.engine import instants
from simulators.engine.instants import DAY
from simulators.thousandeyes import suppression
from simulators.thousandeyes.alerting import Config, State, step
from simulators.thousandeyes.model import ALERTS, AlertState

START = "2026-03-02T05:00:00Z"  # a Monday


def window(**settings: Any) -> dict[str, Any]:
    return {"name": "w", "startDate": START, "duration": 1800, **settings}


def starts(body: dict[str, Any], until: str) -> list[str]:
    found = suppression.spans(body, 0, instants.parse(until))
    assert all(end - start == body["duration"] * instants.SECOND for start, end in found)
    return [instants.iso(start)[5:16] for start, _ in found]


@pytest.mark.parametrize(
    ("settings", "until", "expected"),
    [
        ({}, "2026-04-01", ["03-02T05:00"]),
        ({"repeat": {"type": "day"}}, "2026-03-05", ["03-02T05:00", "03-03T05:00", "03-04T05:00"]),
        ({"repeat": {"type": "week"}}, "2026-03-17", ["03-02T05:00", "03-09T05:00", "03-16T05:00"]),
        ({"repeat": {"type": "week", "daysOfWeek": ["wed", "mon"]}}, "2026-03-10",
         ["03-02T05:00", "03-04T05:00", "03-09T05:00"]),
        ({"repeat": {"type": "custom", "intervalType": "week", "intervalLength": 2, "daysOfWeek": ["sun", "tue"]}},
         "2026-03-23", ["03-03T05:00", "03-08T05:00", "03-17T05:00", "03-22T05:00"]),
        ({"repeat": {"type": "custom", "intervalType": "day", "intervalLength": 3}}, "2026-03-09",
         ["03-02T05:00", "03-05T05:00", "03-08T05:00"]),
        ({"repeat": {"type": "month"}}, "2026-06-01", ["03-02T05:00", "04-02T05:00", "05-02T05:00"]),
        ({"startDate": "2026-01-31T05:00:00Z", "repeat": {"type": "month"}}, "2026-06-01",
         ["01-31T05:00", "03-31T05:00", "05-31T05:00"]),
        ({"repeat": {"type": "day"}, "endRepeat": {"type": "count", "count": 2}}, "2026-04-01",
         ["03-02T05:00", "03-03T05:00"]),
        ({"repeat": {"type": "day"}, "endRepeat": {"type": "date", "date": " 2026-03-03"}}, "2026-04-01",
         ["03-02T05:00", "03-03T05:00"]),
        ({"isEnabled": False}, "2026-04-01", []),
    ],
)  # fmt: skip
def test_windows_come_back_when_they_say(settings: dict[str, Any], until: str, expected: list[str]) -> None:
    """Days, weeks, months and every so many of them; short months are passed over; counts and dates end it."""
    assert starts(window(**settings), until) == expected


REPEATS = st.sampled_from(
    [
        {"type": "day"},
        {"type": "week"},
        {"type": "week", "daysOfWeek": ["tue", "fri"]},
        {"type": "month"},
        {"type": "custom", "intervalType": "day", "intervalLength": 5},
        {"type": "custom", "intervalType": "week", "intervalLength": 3, "daysOfWeek": ["sun", "mon"]},
        {"type": "custom", "intervalType": "month", "intervalLength": 2},
    ]
)


@given(REPEATS, st.integers(-10, 800), st.integers(1, 60), st.integers(60, 3 * 86_400))
def test_looking_at_a_part_of_time_finds_what_looking_at_all_of_it_finds(
    repeat: dict[str, Any], day: int, width: int, duration: int
) -> None:
    """Passing over what lies long before changes nothing."""
    body = window(repeat=repeat, duration=duration)
    begin = instants.parse(START) + day * DAY
    end = begin + width * DAY
    everything = suppression.spans(body | {"endRepeat": {"type": "count", "count": 10**6}}, 0, end)
    assert suppression.spans(body, begin, end) == [span for span in everything if span[1] > begin]
    assert all(first[0] < second[0] for first, second in pairwise(everything))


@pytest.mark.parametrize(("now", "expected"), [("04:59", "inactive"), ("05:00", "active"), ("05:30", "ended")])
def test_a_window_says_where_it_stands(now: str, expected: str) -> None:
    """Before, during and after its only occurrence."""
    assert suppression.status(window(), instants.parse(f"2026-03-02 {now}")) == expected


@given(st.integers(1, 5), st.sampled_from(["any", "exact"]), st.lists(st.booleans(), max_size=8), st.integers(1, 8))
def test_rounds_nobody_looks_at_are_rounds_without_violations(
    required: int, mode: str, past: list[bool], rounds: int
) -> None:
    """As long as there is no alert; an alert is left alone."""
    config, state = Config(mode, required, 5), State()
    for bad in past:
        state, _ = step(config, state, ("3",) if bad else (), ("3",))
    expected = held = state
    for _ in range(rounds):
        expected, _ = step(config, expected, (), ("3",))
        held, _ = step(config, held, (), ("3",), ("3",))
    assert held == (state if state.active is not None else expected)


def suppressed(here: Account, test: str, since: str, minutes: int) -> str:
    body = {"name": "w", "startDate": f"2026-03-02T{since}:00Z", "duration": minutes * 60, "testIds": [test]}
    return str(here.ask("POST", "/alert-suppression-windows", body, status=201)["alertSuppressionWindowId"])


def test_nothing_begins_inside_a_window(here: Account) -> None:
    """An outage that lies inside is never seen; one that outlasts it is seen from the first round after it."""
    test = here.test(alertRules=[])
    here.rule(test)
    suppressed(here, test, "10:00", 30)
    here.fails("10:05", "10:20")
    here.world.run_until("10:28")
    assert here.ask("GET", "/alerts?window=1d")["alerts"] == []
    here.fails("10:28")
    here.world.run_until("11:00")
    (alert,) = here.ask("GET", "/alerts")["alerts"]
    assert alert["startDate"] == "2026-03-02T10:32:00Z"


def test_rounds_inside_a_window_count_towards_nothing(here: Account) -> None:
    """One bad round before and one after are not two in a row: the third one after raises nothing sooner."""
    test = here.test(alertRules=[])
    here.rule(test, roundsViolatingOutOf=2, roundsViolatingRequired=2)
    suppressed(here, test, "10:02", 4)
    here.fails("10:00")
    here.world.run_until("11:00")
    (alert,) = here.ask("GET", "/alerts")["alerts"]
    assert alert["startDate"] == "2026-03-02T10:10:00Z"


def test_nothing_ends_inside_a_window(here: Account) -> None:
    """The target is well again inside; the alert is cleared by the first good round after the window."""
    test = here.test(alertRules=[])
    here.rule(test)
    suppressed(here, test, "10:10", 20)
    here.fails("10:00", "10:12")
    here.world.run_until("11:00")
    (alert,) = here.world.view.all(ALERTS)
    assert (alert.state, instants.clock(alert.start), instants.clock(alert.end or 0)) == (
        AlertState.CLEAR,
        "10:02:00",
        "10:32:00",
    )


def test_a_window_that_is_deleted_or_moved_holds_no_longer(here: Account) -> None:
    """What was going to be passed over is looked at again, from now on."""
    test = here.test(alertRules=[])
    here.rule(test)
    first = suppressed(here, test, "10:00", 600)
    here.fails("10:00")
    here.world.run_until("10:31")
    here.ask("DELETE", f"/alert-suppression-windows/{first}", status=204)
    here.world.run_until("10:40")
    (alert,) = here.ask("GET", "/alerts")["alerts"]
    assert alert["startDate"] == "2026-03-02T10:32:00Z"


def test_a_window_concerns_its_own_tests_and_its_own_account_group(here: Account) -> None:
    """Another test goes on alerting, and so does another group's rule on the same, shared test."""
    here.ask("POST", "/account-groups", {"accountGroupName": "Second"}, status=201)
    shared, other = here.test(alertRules=[], sharedWithAccounts=["1002"]), here.test(testName="other", alertRules=[])
    here.rule(shared, other)
    body = {"ruleName": "r", "expression": "((responseCode >= 500))", "alertType": "http-server"}
    theirs = body | {"roundsViolatingOutOf": 1, "testIds": [shared]}
    here.ask("POST", "/alerts/rules?aid=1002", theirs, status=201)
    suppressed(here, shared, "09:00", 600)
    here.fails("10:00")
    here.world.run_until("10:30")
    (own,) = here.ask("GET", "/alerts")["alerts"]
    assert own["_links"]["test"]["href"].endswith(other)
    assert len(here.ask("GET", "/alerts?aid=1002")["alerts"]) == 1


@pytest.fixture
def here() -> Account:
    return Account()


@pytest.mark.parametrize(
    ("settings", "fields"),
    [
        ({"name": ""}, ["name"]),
        ({"startDate": "tomorrow"}, ["startDate"]),
        ({"duration": 0}, ["duration"]),
        ({"testIds": ["1"]}, ["testIds[0]"]),
        ({"repeat": {"type": "year"}}, ["repeat.type"]),
        ({"repeat": {"type": "custom"}}, ["repeat.intervalLength"]),
        ({"repeat": {"type": "custom", "intervalType": "day", "intervalLength": None}}, ["repeat.intervalLength"]),
        ({"repeat": {"type": "day"}, "endRepeat": {"type": "count", "count": 10**30}}, ["endRepeat.count"]),
        ({"repeat": {"type": "day", "daysOfWeek": ["mon"]}}, ["repeat.daysOfWeek"]),
        ({"repeat": {"type": "week", "daysOfWeek": ["moon"]}}, ["repeat.daysOfWeek[0]"]),
        ({"endRepeat": {"type": "count"}}, ["endRepeat.count"]),
        ({"endRepeat": {"type": "date", "date": "soon"}}, ["endRepeat.date"]),
    ],
)
def test_a_window_that_makes_no_sense_is_refused(here: Account, settings: dict[str, Any], fields: list[str]) -> None:
    """Each fault names its field."""
    assert here.wrong("POST", "/alert-suppression-windows", window(**settings)) == fields
