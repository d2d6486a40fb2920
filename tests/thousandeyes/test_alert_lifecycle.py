"""The life of alerts beyond the worked vectors: parts, monitors, silent agents, silences, and what nobody can know."""

from dataclasses import replace
from typing import Any

import pytest
from rounds_rig import DOWN, LETTERS, Rounds

from simulators.engine import timeline
from simulators.engine.instants import MINUTE
from simulators.thousandeyes import commands, silences
from simulators.thousandeyes.model import AGENTS, ALERTS, UNITS, Agent, AlertState, Knobs, Trouble
from simulators.thousandeyes.monitors import monitors

# -- parts -------------------------------------------------------------------------------------------------------------


def dns(**settings: Any) -> Rounds:
    here = Rounds(kind="dns-server", url="", domain="shop.example", dnsServers=["s1.example", "s2.example"], **settings)
    here.rule(text='((probDetail != ""))', alert_type="dns-server")
    return here


def test_each_dns_server_has_its_own_alert() -> None:
    """Both fail, and two alerts name one server each."""
    here = dns()
    here.wrong(Trouble.DNS)
    here.play(".")
    assert [alert.part for alert in here.alerts] == ["s1.example", "s2.example"]


def test_a_dns_server_taken_off_the_test_ends_its_alert() -> None:
    """Its text says so; the other server's alert goes on."""
    here = dns()
    here.wrong(Trouble.DNS, rounds=9)
    here.play(".")
    body = {"domain": "shop.example", "dnsServers": ["s2.example"]}
    here.do(commands.update_test, here.test, body=body)
    gone, left = here.alerts
    assert (gone.state, left.state) == (AlertState.DISABLED, AlertState.TRIGGER)
    assert {location.metrics_at_end for location in gone.locations} == {"N/A (server removed from test)"}


def bgp(*, test: dict[str, Any] | None = None, text: str = "((reachability < 100%))", **how: Any) -> Rounds:
    here = Rounds(kind="bgp", url="", prefix="192.0.2.0/23", **(test or {}))
    here.rule(text=text, alert_type="bgp", **how)
    return here


def test_a_rule_about_routes_counts_monitors() -> None:
    """Those in one country lose their route; they are the alert's locations, by name, after one round of 15 minutes."""
    here = bgp(sources=2)
    here.wrong(Trouble.WITHDRAWAL, 100, rounds=40, regions=("DE", "NL"))
    here.play(". " * 16)
    (alert,) = here.alerts
    assert [monitors()[row.agent].name for row in alert.locations] == ["Amsterdam-1", "Frankfurt-3"]
    assert (here.triggered, alert.locations[0].metrics_at_start) == ([15], "Reachability: 0%")
    told = [entry.data for entry in here.world.journal if entry.kind == "alert.triggered"]
    assert (told[0]["agents"], told[0]["part"]) == (["Amsterdam-1", "Frankfurt-3"], "192.0.2.0/23")


@pytest.mark.parametrize(
    ("test", "rule", "parts"),
    [
        ({}, {}, {"192.0.2.0/23"}),
        ({"includeCoveredPrefixes": True}, {}, {"192.0.2.0/23"}),
        (
            {"includeCoveredPrefixes": True},
            {"body": {"includeCoveredPrefixes": True}},
            {"192.0.2.0/23", "192.0.2.0/24"},
        ),
    ],
)
def test_covered_prefixes_count_where_test_and_rule_say_so(
    test: dict[str, Any], rule: dict[str, Any], parts: set[str]
) -> None:
    """Each prefix has a unit, and so an alert, of its own."""
    here = bgp(test=test, **rule)
    here.wrong(Trouble.WITHDRAWAL, 50, rounds=40)
    here.play(". " * 16)
    assert {alert.part for alert in here.alerts} == parts


def test_a_prefix_out_of_scope_is_not_looked_at() -> None:
    """The rule asks for prefixes longer than the test's."""
    here = bgp(text="[(prefixLengthIPv4 >= 24)]((reachability < 100%))")
    assert list(here.world.view.all(UNITS)) == []


# -- who takes part ----------------------------------------------------------------------------------------------------


def test_a_silent_agent_counts_as_not_violating() -> None:
    """It neither raises an alert nor keeps one: the alert ends in the first round without data."""
    here = Rounds(1)
    here.rule()
    here.play("A")
    here.wrong(Trouble.STATUS, 503, rounds=5)
    here.wrong(Trouble.OFFLINE, rounds=5)
    here.play(". .")
    assert (here.triggered, here.cleared) == ([1], [2])


def test_a_silent_agent_still_counts_among_those_asked() -> None:
    """One of two is 50 %, whether the other one measures or not."""
    here = Rounds(2)
    here.rule(sources=None, minimum_pct=100)
    here.wrong(Trouble.OFFLINE, None, here.agents[1], rounds=5)
    assert here.play("AB AB").triggered == []


def test_an_agent_with_local_problems_leaves_its_alert() -> None:
    """It is as if the rule left it out; the others go on."""
    here = Rounds()
    here.rule()
    here.play("AB")
    here.wrong(Trouble.LOCAL, None, here.agents[0], rounds=3)
    here.play("AB")
    assert (here.listed(), here.listed(active=True)) == ("AB", "B")


def test_a_location_that_comes_back_is_listed_once() -> None:
    """It has left and joined again; its entry is active, with the measurement it started with."""
    here = Rounds()
    here.rule()
    here.play("AB A AB")
    (alert,) = here.alerts
    assert (here.listed(), here.listed(active=True), alert.violations) == ("AB", "AB", 2)
    assert [row.until for row in alert.locations] == [None, None]


def test_a_location_began_before_its_alert() -> None:
    """The third round raises the alert; its location has violated since the first."""
    here = Rounds()
    here.rule(rounds="3/3")
    here.play("A A AB")
    (alert,) = here.alerts
    assert [(row.since - alert.start) // MINUTE for row in alert.locations] == [-2, 0]


def test_a_location_that_is_fine_at_the_trigger_is_not_listed() -> None:
    """Two of three rounds had a violating location; only the newest round's is in the alert."""
    here = Rounds()
    here.rule(rounds="2/3")
    here.play("A . B")
    assert here.listed() == "B"


def test_an_agent_added_to_the_test_takes_part_from_its_next_round() -> None:
    """It joins the active alert."""
    here = Rounds(2)
    here.rule()
    here.play("A")
    here.agents = (*here.agents, "9")
    here.do(commands.update_test, here.test, agents=here.agents)
    here.play("AC")
    assert here.listed(active=True) == "AC"


def test_a_region_a_provider_and_an_agent_name_who_sees_a_condition() -> None:
    """Whoever is in one of the three; nobody else."""
    here = Rounds(5)
    here.rule()
    here.world.transact(lambda draft: draft.put(AGENTS, _with_network(draft.need(AGENTS, here.agents[3]))))
    here.wrong(Trouble.STATUS, 503, here.agents[0], regions=("GB", "Oslo"), providers=("AS 64507",))
    here.play(".")
    assert here.listed() == LETTERS[:4]


def _with_network(agent: Agent) -> Agent:
    return replace(agent, network="Example Sul (AS 64507)")


# -- knobs and windows -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("below", "cleared"), [(False, [4]), (True, [2])])
def test_clearing_below_the_minimum_is_a_knob(below: bool, cleared: list[int]) -> None:
    """By default the last location has to recover; the other reading ends the alert with too few."""
    here = Rounds()
    here.do(commands.set_knobs, clear_below_minimum=below)
    here.rule(sources=2)
    assert here.play("AB A A .").cleared == cleared


def test_at_the_edge_of_a_window_only_some_agents_are_held_back() -> None:
    """With staggered starts a window that begins inside a round takes only those that sample later."""
    here = Rounds(5, randomizedStartTime=True, interval=600)
    here.rule(sources=5)
    here.wrong(Trouble.STATUS, 503, rounds=60)
    body = {"name": "w", "startDate": "2026-03-02T09:05:00Z", "duration": 600, "testIds": [here.test]}
    here.do(commands.create_window, commands.DEFAULT_AID, body)
    here.play(". " * 31)
    assert here.triggered == [30]


# -- silences ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("again", "told"), [(True, 2), (False, 1)])
def test_an_alert_that_outlasts_its_silence_triggers_again(again: bool, told: int) -> None:
    """Same id, next version; whether it is announced again is a knob."""
    here = Rounds()
    here.do(commands.set_knobs, second_notification=again)
    here.rule(notifications={"email": {"recipients": ["noc@example.com"]}})
    here.play("A")
    here.do(silences.suppress_alert, here.alerts[0].id, 2 * MINUTE)
    assert here.alerts[0].suppressed
    here.play("A A A")
    (alert,) = here.alerts
    assert (alert.state, alert.suppressed, alert.version) == (AlertState.TRIGGER, False, 2)
    assert len([entry for entry in here.world.journal if entry.kind == "email.sent"]) == told


def test_a_silenced_alert_does_not_end_before_its_silence() -> None:
    """The target is well again inside; the first round after the silence clears, and nothing is announced twice."""
    here = Rounds()
    here.rule()
    here.play("A")
    here.do(silences.suppress_alert, here.alerts[0].id, 3 * MINUTE)
    here.play(". . . . .")
    (alert,) = here.alerts
    assert (here.cleared, alert.version, alert.suppressed) == ([5], 1, False)


def test_a_silenced_rule_raises_nothing() -> None:
    """Rounds inside the silence count for nothing."""
    here = Rounds()
    rule = here.rule(rounds="2/2")
    here.do(silences.suppress_rule, rule, 3 * MINUTE)
    assert here.play("A A A A A").triggered == [5]


def test_a_short_silence_does_not_end_a_long_one() -> None:
    """The rule is silenced for a minute while the alert is for five: the longer one holds."""
    here = Rounds()
    rule = here.rule()
    here.play("A")
    here.do(silences.suppress_alert, here.alerts[0].id, 5 * MINUTE)
    here.do(silences.suppress_rule, rule, MINUTE)
    here.play(". . . . . .")
    assert here.cleared == [7]


# -- what nobody can know ----------------------------------------------------------------------------------------------


def told(here: Rounds, kind: str) -> list[dict[str, Any]]:
    return [dict(entry.data) for entry in here.world.journal if entry.kind == kind]


def test_a_rule_with_a_dynamic_baseline_says_that_a_stand_in_decides() -> None:
    """When it is made, and in every alert it raises, in the journal and in the timeline."""
    here = Rounds()
    here.rule(text="((Auto(responseTime >= Medium sensitivity)))")
    here.wrong(Trouble.SLOW, 2_000)
    here.play(". .")
    why = "the dynamic baseline of responseTime is the vendor's own (instead: a fixed limit above the healthy range)"
    assert [row["why"] for row in told(here, "alerting.unknown")] == [why]
    assert [row["unknown"] for kind in ("alert.triggered", "alert.cleared") for row in told(here, kind)] == [why, why]
    assert timeline.as_text(timeline.lines(here.world)).count(why) == 2


def test_healthy_targets_do_not_violate_the_stand_in() -> None:
    """A whole day of noise and daily shape raises nothing, at any sensitivity."""
    here = Rounds()
    for level in ("High", "Medium", "Low"):
        here.rule(text=f"((Auto(totalTime >= {level} sensitivity)))")
    here.world.advance("26h")
    assert here.alerts == []


def test_without_a_stand_in_a_dynamic_baseline_is_never_violated() -> None:
    """The knob takes the stand-in away, and the journal says what is done instead."""
    here = Rounds()
    here.do(commands.set_knobs, dynamic_baselines=False)
    here.rule(text="((Auto(responseTime >= Medium sensitivity)))")
    here.wrong(Trouble.SLOW, 2_000)
    assert here.play(". .").triggered == []
    assert told(here, "alerting.unknown")[0]["why"].endswith("(instead: never violated)")


def test_adaptive_detection_takes_the_rounds_as_written_and_says_so() -> None:
    """The vendor's own algorithm is not published."""
    here = Rounds()
    here.rule("auto", 1, "2/3")
    assert here.play("A . B").triggered == [3]
    why = "adaptive detection is the vendor's own (instead: 2 of 3 rounds, any location)"
    assert told(here, "alert.triggered")[0]["unknown"] == why


def test_an_ordinary_rule_has_nothing_unknown() -> None:
    """Nothing is said where everybody can tell."""
    here = Rounds()
    here.rule(text=DOWN)
    here.play("A .")
    assert told(here, "alerting.unknown") == []
    assert "unknown" not in told(here, "alert.triggered")[0]


# -- inputs that change meanwhile --------------------------------------------------------------------------------------


def test_another_interval_counts_anew_and_keeps_the_alert() -> None:
    """The alert goes on and ends with the first good round of the new length."""
    here = Rounds()
    here.rule()
    here.play("A A")
    here.do(commands.update_test, here.test, interval=300)
    here.play("A . . . . . . . . .")
    assert (here.triggered, here.cleared) == ([1], [10])


def test_a_condition_yet_to_come_is_seen_by_alerts_that_others_began() -> None:
    """What was planned for one agent is not forgotten when another one's trouble is over."""
    here = Rounds()
    here.rule()
    start = here.world.now
    for agent, first, last in ((here.agents[0], 1, 8), (here.agents[1], 3, 5)):
        since, until = start + first * MINUTE, start + last * MINUTE
        here.do(
            commands.add_condition, Trouble.STATUS, test=here.test, since=since, until=until, agents=(agent,), value=503
        )
    here.play(". " * 10)
    assert (here.listed(), here.cleared) == ("AB", [9])


def test_the_knobs_of_the_alerting_are_read_when_a_round_is_decided() -> None:
    """Turning a knob directly in the world takes effect at the next round, whatever was planned."""
    here = Rounds()
    here.rule(sources=2)
    here.play("AB A")
    here.world.set_knobs(Knobs(clear_below_minimum=True))
    here.wrong(Trouble.STATUS, 503, here.agents[0], rounds=2)
    here.play(". .")
    assert here.cleared == [3]


def test_every_alert_has_its_unit_and_every_unit_its_entry() -> None:
    """Nothing is ever forgotten by the agenda."""
    here = dns()
    here.wrong(Trouble.DNS, rounds=3)
    here.play(". .")
    units = {unit.id for unit in here.world.view.all(UNITS)}
    assert {alert.unit for alert in here.world.view.all(ALERTS)} <= units
    assert all(here.world.view.timer("thousandeyes", "transition", unit) for unit in units)
