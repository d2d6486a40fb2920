"""Each thing that can be wrong, from the wish to the alert and the results: over ``/_sim``, as TOML, and in Python."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from rounds_rig import Rounds
from thousandeyes_account import Account

from simulators.engine import instants
from simulators.engine.instants import MINUTE
from simulators.thousandeyes import commands
from simulators.thousandeyes.model import AlertState, Trouble

Row = dict[str, Any]
SERVER, PAGE, PREFIX = {"server": "shop.example"}, {"url": "https://shop.example"}, {"prefix": "192.0.2.0/24"}


@dataclass(frozen=True)
class Case:
    """What goes wrong, on which test, the rule that looks for it, and how it shows in which results."""

    wrong: Row
    test: str
    body: Row
    alert_type: str
    rule: str
    metrics: str
    layer: str
    shows: Callable[[Row], bool]


def _longer(row: Row) -> bool:
    return row["pathTraces"][0]["numberOfHops"] in {14, 11}  # two more than before


CASES = {
    "loss": Case(
        {"kind": "loss", "value": 30}, "agent-to-server", SERVER, "end-to-end-server", "((loss >= 20%))",
        "Packet Loss: 30%", "network", lambda row: row["loss"] == 30.0,
    ),
    "latency": Case(
        {"kind": "latency", "value": 200}, "agent-to-server", SERVER, "end-to-end-server", "((avgLatency >= 200 ms))",
        "Latency: 2", "network", lambda row: row["avgLatency"] > 200,
    ),
    "jitter": Case(
        {"kind": "jitter", "value": 50}, "agent-to-server", SERVER, "end-to-end-server", "((jitter >= 40 ms))",
        "Jitter: 50 ms", "network", lambda row: row["jitter"] > 50,
    ),
    "DNS failure": Case(
        {"kind": "dns"}, "http-server", PAGE, "http-server", '((errorType == "DNS"))',
        'Error type: "DNS"', "http-server", lambda row: row["errorType"] == "DNS",
    ),
    "DNS failure of a DNS test": Case(
        {"kind": "dns"}, "dns-server", {"domain": "shop.example A", "dnsServers": ["ns1.example"]}, "dns-server",
        '((probDetail != ""))', 'Error: "Could not resolve', "dns-server", lambda row: row["errorDetails"] != "",
    ),
    "TLS expiry ahead": Case(
        {"kind": "tls", "value": 5}, "http-server", PAGE, "http-server", "((certificateValidity <= 7 day))",
        "Certificate Validity: 5 days", "http-server", lambda row: row["errorType"] == "None" and row["sslTime"] > 0,
    ),
    "TLS expired": Case(
        {"kind": "tls", "value": 0}, "http-server", PAGE, "http-server", '((errorType == "SSL"))',
        'Error type: "SSL"', "http-server", lambda row: "certificate" in row["errorDetails"].lower(),
    ),
    "HTTP status": Case(
        {"kind": "status", "value": 503}, "http-server", PAGE, "http-server", "((responseCode >= 500))",
        "Response Code: 503", "http-server", lambda row: row["responseCode"] == 503,
    ),
    "time-out": Case(
        {"kind": "timeout"}, "http-server", PAGE, "http-server", "((responseCode == 0))",
        "Response Code: 0", "http-server", lambda row: "timed out" in row["errorDetails"],
    ),
    "BGP withdrawal": Case(
        {"kind": "withdrawal"}, "bgp", PREFIX, "bgp", "((reachability < 100%))",
        "Reachability: 0%", "bgp", lambda row: row["reachability"] == 0.0,
    ),
    "path change of a route": Case(
        {"kind": "path-change", "value": 3}, "bgp", PREFIX, "bgp", "((changes >= 3))",
        "Path Changes: 3", "bgp", lambda row: row["pathChanges"] == 3.0,
    ),
    "path change of a trace": Case(
        {"kind": "path-change"}, "agent-to-server", SERVER, "path-trace", "((pathLength >= 13))",
        "Path Trace #1: (Path Length: ", "path-vis", _longer,
    ),
    "hop loss": Case(
        {"kind": "hop-loss", "value": 100, "hop": 3}, "agent-to-server", SERVER, "path-trace",
        "((isTerminal == true))", "Path Trace #1: (Trace ends before the target: Yes)", "path-vis",
        lambda row: row["pathTraces"][0]["numberOfHops"] == 3,
    ),
}  # fmt: skip


def tried(case: Case, begin: Callable[[Account], Any]) -> tuple[list[Row], Row, list[Row]]:
    """Return alerts before, the alert after, and the newest results, of a test that something happens to."""
    here = Account()
    agents = {} if case.test == "bgp" else {"interval": 300, "agents": [{"agentId": "4"}, {"agentId": "5"}]}
    body = {"testName": "t", "alertRules": [], **agents, **case.body}
    test = here.ask("POST", f"/tests/{case.test}", body, status=201)["testId"]
    here.rule(test, alertType=case.alert_type, expression=case.rule)
    here.world.run_until("10:00")
    before = here.ask("GET", "/alerts")["alerts"]
    begin(here)
    here.world.run_until("10:31")
    (alert,) = here.ask("GET", "/alerts")["alerts"]
    results = here.ask("GET", f"/test-results/{test}/{case.layer}")["results"]
    return before, here.ask("GET", f"/alerts/{alert['id']}"), results


def toml(wish: Row) -> str:
    lines = [f"{name} = {value!r}" for name, value in wish.items()]
    return "\n".join(["[[condition]]", 'test = "t"', *lines])


@pytest.mark.parametrize("name", CASES)
def test_what_goes_wrong_raises_an_alert_and_shows_in_the_results(name: str) -> None:
    """A rule that looks for it was silent before; the alert names what was measured, and so does every new result."""
    case = CASES[name]
    before, alert, results = tried(
        case, lambda here: here.sim("POST", "/conditions", case.wrong | {"test": "t"}, status=201)
    )
    assert before == []
    assert alert["details"][0]["start"]["metrics"].startswith(case.metrics)
    assert results
    assert all(case.shows(row) for row in results)


@pytest.mark.parametrize("name", ["loss", "TLS expired", "hop loss"])
def test_the_three_ways_to_say_it_come_to_the_same(name: str) -> None:
    """Over the control plane, as a TOML document, and in Python."""
    case = CASES[name]
    wish = dict(case.wrong)

    def plane(here: Account) -> None:
        here.sim("POST", "/conditions", wish | {"test": "t"}, status=201)

    def document(here: Account) -> None:
        headers = {"Content-Type": "application/toml"}
        url = "https://api.thousandeyes.com/_sim/conditions"
        assert here.world.client.post(url, content=toml(wish), headers=headers).status_code == 201

    def python(here: Account) -> None:
        how = {key: value for key, value in wish.items() if key != "kind"}
        here.do(commands.add_condition, Trouble(wish["kind"]), **how)

    found = [tried(case, way)[1:] for way in (plane, document, python)]
    assert found[0] == found[1] == found[2]


def test_an_agent_that_goes_offline_leaves_the_alert_it_is_in_and_the_results() -> None:
    """Silence counts as not violating, so the other agent keeps the alert going alone."""
    here = Account()
    test = here.test(alertRules=[])
    here.rule(test)
    here.fails("09:10")
    here.sim("POST", "/conditions", {"kind": "offline", "agents": ["London"], "since": "09:20"}, status=201)
    here.world.run_until("09:18")
    (alert,) = here.ask("GET", "/alerts")["alerts"]
    assert alert["violationCount"] == 2
    here.world.run_until("09:30")
    shown = {row["name"]: row["state"] for row in here.ask("GET", f"/alerts/{alert['id']}")["details"]}
    assert shown == {"Singapore": "trigger", "London": "clear"}
    rows = here.ask("GET", f"/test-results/{test}/http-server")["results"]
    assert {row["agent"]["agentName"] for row in rows} == {"Singapore"}


# -- who and how -------------------------------------------------------------------------------------------------------


def listed(here: Rounds) -> str:
    return here.listed() if here.alerts else ""


@pytest.mark.parametrize(
    ("scope", "seen"),
    [
        ({"agents": ("4",)}, "B"),
        ({"regions": ("GB",)}, "B"),
        ({"regions": ("Oslo",)}, "C"),
        ({"agents": ("3",), "regions": ("NO",)}, "AC"),
        ({"providers": ("AS64511",)}, "F"),
        ({"providers": ("example transit", "AS 64497")}, "AB"),
        ({}, "ABCDEF"),
    ],
)
def test_a_condition_concerns_agents_regions_or_providers(scope: dict[str, Any], seen: str) -> None:
    """Only those it concerns are locations of the alert; the sixth agent is an enterprise's own."""
    here = Rounds(5)
    branch = here.do(commands.add_agent, "branch").id
    here.agents = (*here.agents, branch)
    here.do(commands.update_test, here.test, agents=here.agents)
    how = {name: value for name, value in scope.items() if name != "agents"}
    here.rule()
    here.wrong(Trouble.STATUS, 503, *scope.get("agents", ()), rounds=2, **how)
    here.play(".")
    assert listed(here) == seen


def test_flapping_raises_one_alert_for_every_time_it_is_on() -> None:
    """Two minutes on and two off: with one round of one, an alert begins and ends each time."""
    here = Rounds(1)
    here.rule()
    here.wrong(Trouble.STATUS, 503, rounds=12, period=4 * MINUTE)
    here.play(". " * 14)
    assert (here.triggered, here.cleared) == ([1, 5, 9], [3, 7, 11])


def test_a_ramp_reaches_the_threshold_on_its_way() -> None:
    """Loss grows to 40 % within 20 minutes, so 20 % is reached after ten."""
    here = Rounds(1)
    here.rule(text="((loss >= 20%))", alert_type="end-to-end-server")
    here.wrong(Trouble.LOSS, 40, rounds=30, ramp=20 * MINUTE)
    here.play(". " * 32)
    assert (here.triggered, here.cleared) == ([11], [31])


def test_a_diurnal_condition_violates_in_the_middle_of_the_day() -> None:
    """With all of it at noon and nothing at midnight, more than half of it shows between 6:00 and 18:00 UTC."""
    here = Rounds(1)
    here.rule(text="((loss >= 20%))", alert_type="end-to-end-server")
    here.wrong(Trouble.LOSS, 40, rounds=48 * 60, diurnal=True)
    here.world.advance("34h")
    spans = [(alert.start, alert.end) for alert in here.alerts]
    clock = [(instants.iso(start)[11:16], "" if end is None else instants.iso(end)[11:16]) for start, end in spans]
    assert clock == [("09:01", "18:02"), ("06:01", "18:02")]


def test_conditions_compose() -> None:
    """Two losses of 30 % on the same way make 51 %, and the rule that wants half of the packets is violated."""
    here = Rounds(1)
    here.rule(text="((loss >= 50%))", alert_type="end-to-end-server")
    here.wrong(Trouble.LOSS, 30, rounds=6)
    here.play(". .")
    assert here.alerts == []
    here.wrong(Trouble.LOSS, 30, rounds=2)
    here.play(". . .")
    (alert,) = here.alerts
    assert (alert.locations[0].metrics_at_start, alert.state) == ("Packet Loss: 51%", AlertState.CLEAR)
