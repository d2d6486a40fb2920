"""What runs at once and what is kept: instant tests, extra rounds of any test, private snapshots."""

import pytest
from thousandeyes_account import AGENTS, SHOP, Account

from simulators.engine import instants
from simulators.thousandeyes import commands
from simulators.thousandeyes.api.testtypes import INSTANT_TYPES, LEFT_ASIDE

INSTANT = {"testName": "just once", "url": "https://shop.example", "agents": AGENTS}
#: Target of each type there are instant tests of.
TARGETS = {
    "agent-to-server": {"server": "shop.example"},
    "agent-to-agent": {"targetAgentId": "5"},
    "http-server": {"url": "https://shop.example"},
    "page-load": {"url": "https://shop.example"},
    "web-transactions": {"url": "https://shop.example", "transactionScript": "go();"},
    "api": {"url": "https://api.example", "requests": [{"name": "one", "url": "https://api.example/1"}]},
    "ftp-server": {"url": "ftp://files.example", "requestType": "list", "username": "u", "password": "p"},
    "dns-server": {"domain": "shop.example A", "dnsServers": ["ns1.example"]},
    "dns-trace": {"domain": "shop.example A"},
    "dnssec": {"domain": "shop.example A"},
    "sip-server": {"targetSipCredentials": {"port": 5060, "user": "u"}},
    "voice": {"targetAgentId": "5"},
}


@pytest.fixture
def here() -> Account:
    return Account()


@pytest.mark.parametrize("kind", INSTANT_TYPES)
def test_an_instant_test_of_every_type_runs_once(here: Account, kind: str) -> None:
    """Made without interval or rules (which are left aside), measured once by each agent, found among saved events."""
    aside = {"interval": 60, "alertsEnabled": True, "alertRules": ["1"], "randomizedStartTime": True}
    body = {"testName": "once", "agents": AGENTS, **TARGETS[kind], **aside}
    made = here.ask("POST", f"/tests/{kind}/instant?expand=agent", body, status=201)
    assert here.answer.headers["Location"].endswith(f"/v7/tests/{kind}/{made['testId']}")
    assert set(made).isdisjoint(LEFT_ASIDE)
    assert (made["savedEvent"], len(made["agents"])) == (True, 2)
    (layer, *_) = [link["href"].rpartition("/")[2] for link in made["_links"]["testResults"]]
    path = f"/test-results/{made['testId']}/{layer}"
    assert here.ask("GET", path)["results"] == []
    here.world.advance("1h")
    rows = here.ask("GET", f"{path}?window=2h")["results"]
    assert [row["agent"]["agentId"] for row in rows] == ["3", "4"]
    assert {row["roundId"] for row in rows} == {instants.parse("2026-03-02T09:00:00Z") // instants.SECOND}
    assert here.ask("GET", f"/tests/{kind}/{made['testId']}")["savedEvent"] is True
    assert [test["savedEvent"] for test in here.ask("GET", "/tests")["tests"]] == [True]


def test_there_is_no_instant_test_of_routes(here: Account) -> None:
    """The path is not there."""
    here.ask("POST", "/tests/bgp/instant", {"prefix": "203.0.113.0/24"}, status=405)


def test_an_instant_test_is_refused_like_any_other(here: Account) -> None:
    """Fields, agents and permissions are checked; what repetition needs is not even looked at."""
    assert here.wrong("POST", "/tests/http-server/instant", {"agents": [{"agentId": "1"}]}) == ["url"]
    assert here.wrong("POST", "/tests/http-server/instant", INSTANT | {"agents": [{"agentId": "1"}]}) == [
        "agents[0].agentId"
    ]
    here.ask("POST", "/tests/http-server/instant", INSTANT | {"interval": 61}, status=201)


@pytest.mark.parametrize("instant_test_seconds", [30, 0, 120])
def test_results_of_a_round_run_at_once_take_a_while(here: Account, instant_test_seconds: int) -> None:
    """Not there before as many seconds as the knob says."""
    here.do(commands.set_knobs, instant_test_seconds=instant_test_seconds)
    test = here.ask("POST", "/tests/http-server/instant", INSTANT, status=201)["testId"]
    path = f"/test-results/{test}/http-server"
    if instant_test_seconds:
        here.world.advance(f"{instant_test_seconds - 1}s")
        assert here.ask("GET", path)["results"] == []
        here.world.advance("1s")
    assert len(here.ask("GET", path)["results"]) == 2


def test_any_test_can_be_run_at_once(here: Account) -> None:
    """An instant test gets another round, a regular one a round beside its own, with what is wrong just then."""
    instant = here.ask("POST", "/tests/http-server/instant", INSTANT, status=201)["testId"]
    regular = here.test(interval=3600)
    here.world.run_until("09:10")
    here.fails("09:11", "09:20")
    here.world.run_until("09:12")
    for test in (instant, regular):
        here.ask("POST", f"/tests/{test}/run")
        assert here.answer.content == b""
    here.world.run_until("10:30")
    codes = [
        [
            (row["roundId"] % 3600 // 60, row["responseCode"])
            for row in here.results(test)
            if row["agent"]["agentId"] == "3"
        ]
        for test in (instant, regular)
    ]
    assert codes == [[(12, 503), (0, 200)], [(12, 503), (0, 200)]]
    latest = here.ask("GET", f"/test-results/{instant}/http-server/")["results"]
    assert {row["roundId"] % 3600 for row in latest} == {720}
    here.ask("POST", "/tests/1/run", status=404)
    bgp = here.ask("POST", "/tests/bgp", {"prefix": "203.0.113.0/24"}, status=201)["testId"]
    here.ask("POST", f"/tests/{bgp}/run", status=404)


def test_a_round_run_at_once_raises_no_alert(here: Account) -> None:
    """Rules look at regular rounds only, and cannot be given to saved events."""
    regular = here.test(interval=3600)
    here.rule(regular)
    instant = here.ask("POST", "/tests/http-server/instant", INSTANT, status=201)["testId"]
    here.fails("09:11", "09:20")
    here.world.run_until("09:12")
    here.ask("POST", f"/tests/{regular}/run")
    here.world.run_until("10:30")
    assert here.ask("GET", "/alerts?window=2h")["alerts"] == []
    rule = {"ruleName": "r", "expression": "((responseCode >= 500))", "alertType": "http-server",
            "roundsViolatingOutOf": 1, "testIds": [instant]}  # fmt: skip
    assert here.wrong("POST", "/alerts/rules", rule) == ["testIds[0]"]
    assert here.wrong("PUT", f"/tests/http-server/{instant}", {"description": "d"}) == ["testId"]
    here.ask("DELETE", f"/tests/http-server/{instant}", status=204)
    here.ask("GET", f"/tests/http-server/{instant}", status=404)


SNAPSHOT = {"displayName": "the outage", "startDate": "2026-03-02T10:00:00Z", "endDate": "2026-03-02T11:00:00Z"}


def test_a_snapshot_keeps_what_a_test_measured(here: Account) -> None:
    """The same rows as the test's own in that hour, also when the test is gone; after thirty days it is gone, too."""
    test = here.test()
    here.fails("10:00", "10:10")
    here.world.run_until("12:00")
    made = here.ask("POST", f"/tests/{test}/snapshot", SNAPSHOT, status=201)
    kept = made["testId"]
    assert (made["sourceTestId"], made["displayName"], made["test"]["savedEvent"]) == (test, "the outage", True)
    assert made["endRoundId"] - made["startRoundId"] == 3600
    hour = f"/test-results/{test}/http-server?startDate=2026-03-02T10:00:00Z&endDate=2026-03-02T10:59:59Z"
    mine = [_measured(row) for row in here.ask("GET", hour)["results"]]
    here.ask("DELETE", f"/tests/http-server/{test}", status=204)
    theirs = here.ask("GET", f"/test-results/{kept}/http-server?window=1d")["results"]
    assert [_measured(row) for row in theirs] == mine
    assert len(mine) == 60
    assert sum(row["responseCode"] == 503 for row in mine) == 10
    assert [row["testId"] for row in here.ask("GET", "/tests")["tests"]] == [kept]
    here.world.advance("30d")
    here.ask("GET", f"/test-results/{kept}/http-server", status=404)
    assert here.ask("GET", "/tests")["tests"] == []


def _measured(row: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in row.items() if name != "_links"}


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"displayName": None}, "displayName"),
        ({"endDate": "2026-03-02T10:30:00Z"}, "endDate"),
        ({"endDate": "2026-03-02T14:00:00Z"}, "endDate"),
        ({"startDate": "yesterday"}, "startDate"),
        ({"isPublic": "yes"}, "isPublic"),
    ],
)
def test_a_snapshot_has_a_name_and_one_of_some_lengths(here: Account, settings: dict[str, object], field: str) -> None:
    """1, 2, 4, 6, 12, 24 or 48 hours that are over."""
    test = here.test()
    here.world.run_until("12:00")
    assert here.wrong("POST", f"/tests/{test}/snapshot", SNAPSHOT | settings) == [field]


def test_an_organization_takes_five_snapshots_in_five_minutes(here: Account) -> None:
    """The sixth has to wait."""
    test = here.test()
    here.world.run_until("12:00")
    for _ in range(5):
        here.ask("POST", f"/tests/{test}/snapshot", SNAPSHOT, status=201)
    here.ask("POST", f"/tests/{test}/snapshot", SNAPSHOT, status=429)
    here.world.advance("5m")
    here.ask("POST", f"/tests/{test}/snapshot", SNAPSHOT, status=201)
    here.ask("POST", "/tests/1/snapshot", SNAPSHOT, status=404)


def test_saved_events_do_not_run_on_agents(here: Account) -> None:
    """An agent's tests are those it will measure again."""
    test = here.test()
    here.ask("POST", "/tests/http-server/instant", INSTANT, status=201)
    here.world.run_until("12:00")
    here.ask("POST", f"/tests/{test}/snapshot", SNAPSHOT, status=201)
    shown = here.ask("GET", "/agents/3?expand=test,test-ids")
    assert ([entry["testId"] for entry in shown["tests"]], shown["testIds"]) == ([test], [int(test)])
    assert (
        here.ask("POST", "/tests/http-server", SHOP | {"testName": "just once"}, status=201)["testName"] == "just once"
    )
