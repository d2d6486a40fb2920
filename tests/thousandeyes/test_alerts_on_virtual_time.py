"""Conditions, rules and time: when alerts begin and end, and who is told."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from simulators.engine import faults, instants
from simulators.engine.faults import Fault, FaultKind
from simulators.engine.transport import Site
from simulators.engine.world import World
from simulators.thousandeyes import commands, notifiers
from simulators.thousandeyes.component import ThousandEyes
from simulators.thousandeyes.model import ALERTS, TESTS, Alert, Condition, Knobs, Test, Trouble

HOOK = "https://hooks.example.com/te"


class Receiver:
    """A webhook receiver that keeps what it got and answers as told."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, object], str | None]] = []
        self.status = "200 OK"

    def __call__(self, environ: dict[str, object], start: Callable[..., object]) -> list[bytes]:
        body = environ["wsgi.input"].read()  # type: ignore[attr-defined]
        self.got.append((json.loads(body), environ.get("HTTP_AUTHORIZATION")))  # type: ignore[arg-type]
        start(self.status, [])
        return [b""]


class Setting:
    """A world with one test, one rule and one receiver."""

    def __init__(self, **rule: object) -> None:
        start = instants.parse("2026-03-02T09:00:00Z")
        self.world = World(seed=1, start=start, components=[ThousandEyes()])
        self.receiver = Receiver()
        self.world.serve("hooks.example.com", Site("hooks", self.receiver))
        self.do(commands.open_account)
        hook = self.do(
            commands.add_integration, "webhook", name="ops", target=HOOK, auth="basic", user="u", token="p:w"
        )
        agents = ("3", "4", "5")
        self.test: Test = self.do(
            commands.create_test, name="shop", interval=120, agents=agents, body={"url": "https://shop.example"}
        )
        settings: dict[str, object] = {
            "name": "down",
            "expression_text": "((responseCode >= 500))",
            "required": 2,
            "out_of": 2,
            "minimum_sources": 2,
            "severity": "critical",
            "tests": (self.test.id,),
            "notifications": {"webhook": [{"integrationId": hook.id, "integrationType": "webhook"}]},
        }
        self.rule = self.do(commands.create_rule, **(settings | rule))

    def do(self, verb: Callable[..., object], *args: object, **kwargs: object):  # type: ignore[no-untyped-def]
        return self.world.transact(lambda draft: verb(draft, *args, **kwargs))

    def at(self, clock: str) -> int:
        return instants.at_clock(clock, self.world.now)

    def fails(self, since: str, until: str | None = None, **how: object) -> Condition:
        settings = {"kind": Trouble.STATUS, "value": 503} | how
        end = None if until is None else self.at(until)
        return self.do(commands.add_condition, test=self.test.id, since=self.at(since), until=end, **settings)  # type: ignore[no-any-return]

    @property
    def alerts(self) -> list[Alert]:
        return list(self.world.view.all(ALERTS))

    @property
    def events(self) -> list[str]:
        return [str(body["eventType"]).removeprefix("ALERT_NOTIFICATION_") for body, _ in self.receiver.got]


def test_an_alert_starts_and_ends_with_the_round_that_decides() -> None:
    """Two bad rounds from 10:00 raise the alert at 10:04; the first clean round after 10:45 ends it at 10:48."""
    here = Setting()
    here.fails("10:00", "10:45")
    here.world.run_until("12:00")
    (alert,) = here.alerts
    assert (instants.clock(alert.start), instants.clock(alert.end or 0)) == ("10:04:00", "10:48:00")
    assert here.events == ["TRIGGER", "CLEAR"]


def test_the_webhook_carries_the_vendors_payload() -> None:
    """Identity, dates, agents and texts are where receivers look for them; the event id differs per event."""
    here = Setting()
    here.fails("10:00", "10:45")
    here.world.run_until("12:00")
    (trigger, credentials), (clear, _) = here.receiver.got
    alert, ended = trigger["alert"], clear["alert"]
    assert isinstance(alert, dict)
    assert isinstance(ended, dict)
    assert credentials == "Basic dTpwOnc="
    assert alert["alertId"] == ended["alertId"] == here.alerts[0].id
    assert trigger["eventId"] != clear["eventId"]
    assert (alert["active"], ended["active"]) == (1, 0)
    assert alert["testId"] == int(here.test.id)
    assert alert["severity"] == "Critical"
    assert alert["dateStartZoned"] == "2026-03-02 10:04:00 UTC"
    assert "dateEnd" not in alert
    assert ended["dateEnd"] == "2026-03-02 10:48:00"
    assert alert["agents"][0]["metricsAtStart"] == "Response Code: 503"
    assert alert["agents"][0]["metricsAtEnd"] == ""
    assert ended["agents"][0]["metricsAtEnd"] == "Response Code: 200"


@pytest.mark.parametrize("status", ["201 Created", "302 Found", "500 Internal Server Error"])
def test_anything_but_200_is_repeated_every_five_minutes_for_an_hour(status: str) -> None:
    """Thirteen attempts with the same event id, then the notification is given up."""
    here = Setting()
    here.receiver.status = status
    here.fails("10:00")
    here.world.run_until("14:00")
    assert here.events == ["TRIGGER"] * 13
    assert len({str(body["eventId"]) for body, _ in here.receiver.got}) == 1


def test_a_clear_overtakes_a_failed_trigger() -> None:
    """A retry does not hold up the clear, so a receiver can see the clear first."""
    here = Setting(required=1, out_of=1)
    here.do(faults.add, Fault("", FaultKind.STATUS, host="hooks.example.com", status=500, times=1))
    here.fails("10:00", "10:02")
    here.world.run_until("11:00")
    assert here.events == ["CLEAR", "TRIGGER"]


def test_editing_a_rule_ends_its_active_alert() -> None:
    """The alert ends at once with the vendor's text; above the new threshold nothing triggers again."""
    here = Setting()
    here.fails("10:00")
    here.world.run_until("10:30")
    here.do(commands.update_rule, here.rule.id, expression="((responseCode >= 600))")
    here.world.run_until("12:00")
    (alert,) = here.alerts
    assert (alert.state, instants.clock(alert.end or 0)) == ("disabled", "10:30:00")
    assert here.events == ["TRIGGER", "CLEAR"]
    ended = here.receiver.got[1][0]["alert"]
    assert isinstance(ended, dict)
    assert (ended["active"], ended["agents"][0]["metricsAtEnd"]) == (2, "N/A (rule modified or removed from test)")


def test_an_edit_that_still_matches_raises_a_new_alert() -> None:
    """The old alert is cleared and the next evaluation that fires makes another one with another id."""
    here = Setting()
    here.fails("10:00")
    here.world.run_until("10:30")
    here.do(commands.update_rule, here.rule.id, name="renamed")
    here.world.run_until("11:00")
    assert [alert.state for alert in here.alerts] == ["disabled", "trigger"]
    assert len({alert.id for alert in here.alerts}) == 2


@pytest.mark.parametrize(
    ("edit", "text"),
    [
        (lambda here: here.do(commands.update_test, here.test.id, alerts_enabled=False), "N/A (alerts disabled)"),
        (lambda here: here.do(commands.update_test, here.test.id, enabled=False), "N/A (test disabled)"),
        (lambda here: here.do(commands.delete_test, here.test.id), "N/A (test deleted)"),
        (lambda here: here.do(commands.delete_rule, here.rule.id), "N/A (rule deleted)"),
        (
            lambda here: here.do(commands.update_test, here.test.id, rules=()),
            "N/A (rule modified or removed from test)",
        ),
    ],
)
def test_configuration_ends_an_alert_with_its_own_text(edit: Callable[[Setting], object], text: str) -> None:
    """Every way of taking the rule away from the test ends the alert, and says which."""
    here = Setting()
    here.fails("10:00")
    here.world.run_until("10:30")
    edit(here)
    here.world.run_until("11:00")
    (alert,) = here.alerts
    assert alert.state == "disabled"
    assert {location.metrics_at_end for location in alert.locations} == {text}


def test_a_removed_agent_leaves_its_alert() -> None:
    """The alert goes on while another location violates."""
    here = Setting()
    here.fails("10:00")
    here.world.run_until("10:30")
    here.do(commands.update_test, here.test.id, agents=("4", "5"))
    (alert,) = here.alerts
    assert alert.state == "trigger"
    assert alert.violations == 2
    assert [location.metrics_at_end for location in alert.locations] == ["N/A (agent removed from test)", "", ""]


def test_severity_is_fixed_at_the_trigger() -> None:
    """An alert keeps the severity it started with."""
    here = Setting(severity="minor")
    here.fails("10:00", "10:30")
    here.world.run_until("10:10")
    (alert,) = here.alerts
    here.world.transact(lambda draft: draft.put(TESTS, replace(draft.need(TESTS, here.test.id), name="other")))
    assert alert.severity == "minor"


def test_one_location_is_not_enough_when_two_are_asked_for() -> None:
    """A condition seen by a single agent raises nothing."""
    here = Setting()
    here.fails("10:00", agents=("3",))
    here.world.run_until("12:00")
    assert here.alerts == []


def test_withheld_clears_are_a_knob() -> None:
    """With the knob off, a rule that does not notify on clear sends none."""
    here = Setting(notify_on_clear=False)
    here.world.set_knobs(Knobs(clear_always_sent=False))
    here.fails("10:00", "10:30")
    here.world.run_until("12:00")
    assert here.events == ["TRIGGER"]


def test_the_test_button_sends_an_event_without_an_alert() -> None:
    """WEBHOOK_TEST carries two keys and is never repeated."""
    here = Setting()
    here.receiver.status = "500 no"
    here.do(notifiers.test_webhook, "wb-201")
    here.world.advance("2h")
    assert [sorted(body) for body, _ in here.receiver.got] == [["eventId", "eventType"]]
