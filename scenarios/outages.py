"""The outages ``pagedrill rehearse`` can play: each a short story told with the words of the stage."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from scenarios.stage import Stage, TestDesk
from simulators.engine.faults import FaultKind
from simulators.pagerduty.model import MESSAGES, Channel

EXPRESSION = "((responseCode >= 500))"


@dataclass(frozen=True, slots=True)
class Outage:
    """A story: ``play`` sets it in motion on a stage and runs it to its end."""

    name: str
    summary: str
    play: Callable[[Stage], TestDesk]


def _shop(stage: Stage) -> TestDesk:
    shop = stage.thousandeyes.http_test("shop front", interval="2m")
    stage.thousandeyes.alert_rule(shop, EXPRESSION, rounds="2 of 2", agents=2, name="Shop front is down")
    return shop


def _first(stage: Stage, channel: Channel) -> bool:
    return any(message.channel is channel for message in stage.world.view.all(MESSAGES))


def _answer(stage: Stage, channel: Channel, about: TestDesk) -> None:
    """Run until the first message on ``channel`` arrives, wait a little, then acknowledge by it."""
    stage.run_until(lambda: _first(stage, channel), within="3h")
    message = next(row for row in stage.world.view.all(MESSAGES) if row.channel is channel)
    stage.world.advance("50s")
    person = stage.person(message.user)
    expected = {
        Channel.SMS: person.expect_sms,
        Channel.PHONE: person.expect_call,
        Channel.PUSH: person.expect_push,
        Channel.EMAIL: person.expect_email,
    }[channel](about)
    expected.acknowledge()


def acknowledged(stage: Stage) -> TestDesk:
    """The on-call person answers an SMS; the target recovers."""
    shop = _shop(stage)
    shop.fails(status=503, at="10:00", until="10:40")
    _answer(stage, Channel.SMS, shop)
    stage.run_until("11:00")
    return shop


def unanswered(stage: Stage) -> TestDesk:
    """Nobody answers: every level is called, the policy repeats once and stops."""
    shop = _shop(stage)
    shop.fails(status=503, at="10:00", until="11:30")
    stage.run_until("12:00")
    return shop


def called(stage: Stage) -> TestDesk:
    """Only the phone call wakes somebody."""
    shop = _shop(stage)
    shop.fails(status=503, at="10:00", until="10:40")
    _answer(stage, Channel.PHONE, shop)
    stage.run_until("11:00")
    return shop


def throttled(stage: Stage) -> TestDesk:
    """PagerDuty answers 429, then 500; the sender tries again and somebody is notified all the same."""
    shop = _shop(stage)
    stage.fault(FaultKind.STATUS, "events.pagerduty.com", status=429, times=1)
    stage.fault(FaultKind.STATUS, "events.pagerduty.com", status=500, times=1)
    shop.fails(status=503, at="10:00", until="10:40")
    _answer(stage, Channel.SMS, shop)
    stage.run_until("11:00")
    return shop


OUTAGES: Mapping[str, Outage] = {
    outage.name: outage
    for outage in (
        Outage("acknowledged", "The shop front fails; the on-call person acknowledges by SMS", acknowledged),
        Outage("unanswered", "The shop front fails and nobody answers", unanswered),
        Outage("called", "The shop front fails; only the phone call wakes somebody", called),
        Outage("throttled", "The shop front fails while PagerDuty refuses the first two events", throttled),
    )
}
