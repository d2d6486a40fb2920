"""The thirty worked vectors of the alert lifecycle, each played in a world of its own.

Rounds are written as words of the agents that fail in them, a dot for none; see :mod:`rounds_rig`.
"""

from typing import Any

import pytest
from rounds_rig import Receiver, Rounds

from simulators.engine import faults
from simulators.engine.faults import Fault, FaultKind
from simulators.thousandeyes import commands
from simulators.thousandeyes.model import AlertState, Trouble


@pytest.mark.parametrize(
    ("mode", "sources", "rounds", "played", "triggered"),
    [
        pytest.param("any", 1, "1/1", "A", [1], id="1 one agent in one round is enough"),
        pytest.param("any", 1, "3/3", "A B C", [3], id="2 any location may be another one in each round"),
        pytest.param("exact", 1, "3/3", "A B C", [], id="3 the same location has to violate three times"),
        pytest.param("exact", 1, "3/3", "AB BC B", [3], id="4 one of them did: B"),
        pytest.param("any", 2, "2/3", "AB . CD", [3], id="5 two of three rounds need not be in a row"),
        pytest.param("exact", 2, "2/3", "AB . CD", [], id="6 no two locations violated twice"),
        pytest.param("exact", 2, "2/3", "AB A B", [3], id="7 A and B each violated twice, never together again"),
        pytest.param("any", 2, "2/3", "AB A B", [], id="7 only one round had two locations"),
    ],
)
def test_rounds_and_locations_decide_when_an_alert_begins(
    mode: str, sources: int, rounds: str, played: str, triggered: list[int]
) -> None:
    """Vectors 1 to 7: X of Y rounds with N locations, any or the same."""
    here = Rounds()
    here.rule(mode, sources, rounds)
    assert here.play(played).triggered == triggered


@pytest.mark.parametrize(
    ("percent", "agents", "played", "triggered"),
    [
        pytest.param(25, 13, "ABC", [], id="8 three of thirteen are less than 25 %"),
        pytest.param(25, 13, "ABCD", [1], id="8 four of thirteen are 25 %, rounded up"),
        pytest.param(10, 8, "A", [1], id="9 10 % of eight agents is one"),
    ],
)
def test_a_share_of_the_locations_is_rounded_up(percent: int, agents: int, played: str, triggered: list[int]) -> None:
    """Vectors 8 and 9: 3.25 locations are four, 0.8 are one."""
    here = Rounds(agents)
    here.rule(sources=None, minimum_pct=percent)
    assert here.play(played).triggered == triggered


def test_10_an_agent_with_local_problems_does_not_count() -> None:
    """All of the four others are 100 %."""
    here = Rounds(5)
    here.rule(sources=None, minimum_pct=100)
    here.wrong(Trouble.LOCAL, None, here.agents[4])
    assert here.play("ABCD ABCD").triggered == [1]


def test_11_fewer_locations_than_it_took_keep_an_alert_going() -> None:
    """Three raise it, one keeps it, none ends it."""
    here = Rounds()
    here.rule(sources=3)
    here.play("ABC A A .")
    assert (here.triggered, here.cleared) == ([1], [4])


def test_12_a_location_joins_in_a_single_round_and_stays_listed() -> None:
    """D joins while A, B and C leave; all four are listed at the end."""
    here = Rounds()
    here.rule(sources=3)
    here.play("ABC D")
    assert here.listed(active=True) == "D"
    here.play(".")
    assert (here.listed(), here.cleared) == ("ABCD", [3])


def window(here: Rounds, first: int, rounds: int) -> None:
    """Suppress alerts on the test from the beginning of round ``first`` for so many rounds."""
    body = {"name": "w", "startDate": here.at_round(first), "duration": 60 * rounds, "testIds": [here.test]}
    here.do(commands.create_window, commands.DEFAULT_AID, body)


def test_13_a_round_inside_a_suppression_window_does_not_count() -> None:
    """Two in a row are needed, and the suppressed round is none of them."""
    here = Rounds()
    here.rule(rounds="2/2")
    window(here, 2, 1)
    assert here.play("A A A A").triggered == [4]


def test_14_an_active_alert_outlasts_a_suppression_window() -> None:
    """Good data inside end nothing; the first good round after the window does."""
    here = Rounds()
    here.rule()
    window(here, 2, 3)
    here.play("A A . . . .")
    assert (here.triggered, here.cleared) == ([1], [5])


def ended(here: Rounds) -> tuple[AlertState, set[str]]:
    """How the first alert ended: its state and the texts of its locations."""
    alert = here.alerts[0]
    return alert.state, {location.metrics_at_end for location in alert.locations}


def test_15_switching_alerts_off_ends_an_alert() -> None:
    """It is disabled, and says that alerts were."""
    here = Rounds()
    here.rule()
    here.play("A")
    here.do(commands.update_test, here.test, alerts_enabled=False)
    assert ended(here) == (AlertState.DISABLED, {"N/A (alerts disabled)"})
    assert AlertState.DISABLED.active == 2


def test_16_an_agent_taken_off_the_test_leaves_the_alert_to_the_others() -> None:
    """A's entry is disabled with its own text; B keeps the alert going."""
    here = Rounds()
    here.rule()
    here.play("AB")
    here.do(commands.update_test, here.test, agents=here.agents[1:])
    here.play("B")
    (alert,) = here.alerts
    assert alert.state is AlertState.TRIGGER
    assert [(row.state, row.metrics_at_end) for row in alert.locations] == [
        (AlertState.DISABLED, "N/A (agent removed from test)"),
        (AlertState.TRIGGER, ""),
    ]


def test_17_a_threshold_raised_above_the_values_ends_the_alert_for_good() -> None:
    """The rule was modified, says the alert, and there is no other one."""
    here = Rounds()
    rule = here.rule()
    here.play("A")
    here.do(commands.update_rule, rule, expression="((responseCode >= 600))")
    here.play("A A A")
    assert ended(here) == (AlertState.DISABLED, {"N/A (rule modified or removed from test)"})
    assert len(here.alerts) == 1


def test_18_any_edit_ends_the_alert_and_the_next_evaluation_raises_another() -> None:
    """A new name is enough; the new alert has a new id."""
    here = Rounds()
    rule = here.rule()
    here.play("A")
    here.do(commands.update_rule, rule, name="renamed")
    here.play("A")
    assert [alert.state for alert in here.alerts] == [AlertState.DISABLED, AlertState.TRIGGER]
    assert (here.triggered, len({alert.id for alert in here.alerts})) == ([1, 2], 2)


def test_19_a_new_severity_is_that_of_the_next_alert() -> None:
    """The one that is active stays minor."""
    here = Rounds()
    rule = here.rule(severity="minor")
    here.play("A")
    here.do(commands.update_rule, rule, severity="critical")
    here.play("A . A")
    assert [alert.severity for alert in here.alerts] == ["minor", "critical"]


def test_20_two_rules_on_one_test_are_two_alerts() -> None:
    """Two ids, two notifications."""
    here = Rounds()
    receiver = Receiver(here)
    here.rule(**receiver.asked)
    here.rule(**receiver.asked)
    here.play("A")
    assert len({alert.id for alert in here.alerts}) == len({body["alert"]["alertId"] for body in receiver.got}) == 2


def test_21_one_rule_on_two_tests_is_two_alerts() -> None:
    """Each test has its own."""
    here = Rounds()
    other = here.new_test("other")
    here.rule(tests=(here.test, other))
    here.wrong(Trouble.STATUS, 503, test="*")
    here.play(".")
    assert {alert.test for alert in here.alerts} == {here.test, other}


def test_22_locations_that_fail_against_different_servers_do_not_add_up() -> None:
    """Three against one server and one against the other are not four."""
    here = Rounds(kind="dns-server", url="", domain="shop.example", dnsServers=["s1.example", "s2.example"])
    here.rule(sources=4, text='((probDetail != ""))', alert_type="dns-server")
    here.wrong(Trouble.DNS, None, *here.agents[:3], parts=("s1.example",), rounds=9)
    here.wrong(Trouble.DNS, None, here.agents[3], parts=("s2.example",), rounds=9)
    here.play(". . .")
    assert here.alerts == []
    here.wrong(Trouble.DNS, None, here.agents[3], parts=("s1.example",), rounds=3)
    here.play(".")
    assert [alert.part for alert in here.alerts] == ["s1.example"]


def test_23_a_rule_is_evaluated_at_the_interval_of_its_own_layer() -> None:
    """A page is loaded every five minutes, its server asked every minute."""
    here = Rounds(kind="page-load", interval=300, httpInterval=60)
    here.rule()
    here.rule(text="((!pageLoaded))", alert_type="page-load")
    here.play("A A A A A")
    assert {alert.alert_type: round for alert, round in zip(here.alerts, here.triggered, strict=True)} == {
        "http-server": 1,
        "page-load": 5,
    }


def fault(here: Rounds, kind: FaultKind, **how: Any) -> None:
    """Let the next request to the receiver go wrong."""
    here.do(faults.add, Fault("", kind, host="hooks.example.com", times=1, **how))


def test_24_a_clear_can_overtake_its_trigger() -> None:
    """The trigger fails and is repeated after five minutes; the clear in between goes through."""
    here = Rounds()
    receiver = Receiver(here)
    here.rule(**receiver.asked)
    fault(here, FaultKind.STATUS, status=500)
    here.play("A A A A . . .")
    assert receiver.events == ["CLEAR", "TRIGGER"]


def test_25_a_receiver_that_answers_too_late_gets_the_trigger_again() -> None:
    """It has the alert twice, under the same id."""
    here = Rounds()
    receiver = Receiver(here)
    here.rule(**receiver.asked)
    fault(here, FaultKind.LOSE_ANSWER)
    here.play("A A A A A A A")
    assert receiver.events == ["TRIGGER", "TRIGGER"]
    assert len({body["alert"]["alertId"] for body in receiver.got}) == 1


def test_26_a_redirect_is_a_failure_and_never_followed() -> None:
    """The push is repeated to the same address until that answers 200."""
    here = Rounds()
    receiver = Receiver(here)
    here.rule(**receiver.asked)
    receiver.status = "302 Found"
    here.play("A A A A A A A")
    receiver.status = "200 OK"
    here.play("A A A A A A A A A")
    assert receiver.events == ["TRIGGER"] * 3


@pytest.mark.parametrize(
    ("loss", "triggered"),
    [pytest.param(9, [], id="27 less than the threshold"), pytest.param(10, [1], id="27 the threshold itself")],
)
def test_27_a_threshold_is_met_by_its_own_value(loss: int, triggered: list[int]) -> None:
    """``>=`` means at least."""
    here = Rounds()
    here.rule(text="((loss >= 10%))", alert_type="end-to-end-server")
    here.wrong(Trouble.LOSS, loss)
    assert here.play(".").triggered == triggered


@pytest.mark.parametrize(
    ("text", "triggered"),
    [
        pytest.param("((responseCode >= 400))", [], id="28 no answer is no status of 400"),
        pytest.param("(((responseCode >= 400) || (responseCode == 0)))", [1], id="28 no answer has status 0"),
    ],
)
def test_28_without_an_answer_the_status_is_0(text: str, triggered: list[int]) -> None:
    """A target nobody can connect to does not meet a threshold on the status."""
    here = Rounds()
    here.rule(text=text)
    here.wrong(Trouble.CONNECT)
    assert here.play(".").triggered == triggered


def test_29_a_pattern_that_must_not_match_needs_an_error_to_look_at() -> None:
    """No error at all does not violate it; another error than the one named does."""
    here = Rounds()
    here.rule(text="((probDetail !~ /401/))")
    here.play(". .")
    assert here.alerts == []
    assert here.play("A").triggered == [3]


def test_30_a_location_out_of_scope_does_not_count() -> None:
    """Only the agent named in the rule can violate it."""
    here = Rounds()
    here.rule(text='[(locationId in {"3"})]((errorType != "None"))')
    assert here.play("B BCDE").triggered == []
    assert here.play("A").triggered == [3]
