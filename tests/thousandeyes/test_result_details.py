"""Single rounds of web tests in detail, certificates, directions: all of it as the layers' own rows and alerts say."""

from typing import Any

import pytest
from thousandeyes_account import AGENTS, Account

URL = "https://shop.example/cart"
BROWSER = {"interval": 300, "url": URL, "agents": AGENTS}
STEPS = [
    {"name": "log in", "url": "https://api.example/login", "authType": "oauth2"},
    {"name": "buy", "url": "https://api.example/buy", "waitTimeMs": 500,
     "assertions": [{"name": "status-code", "operator": "is", "value": "200"},
                    {"name": "response-body", "operator": "includes", "value": "ok"}]},
]  # fmt: skip


@pytest.fixture
def here() -> Account:
    return Account()


def _made(here: Account, kind: str, **settings: Any) -> str:
    return str(here.ask("POST", f"/tests/{kind}", {"testName": kind, **BROWSER, **settings}, status=201)["testId"])


def _round(here: Account, test: str, layer: str, more: str = "") -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the first agent's latest row, and its details."""
    row = here.results(test, layer)[0]
    path = f"/test-results/{test}/{layer}/agent/{row['agent']['agentId']}/round/{row['roundId']}{more}"
    (detail,) = here.ask("GET", path)["results"]
    return row, detail


def test_the_archive_of_a_page_adds_up_to_its_row(here: Account) -> None:
    """As many entries as objects, as many bytes as the page, the load times of the row, phases that sum up."""
    test = _made(here, "page-load")
    here.world.run_until("10:00")
    row, detail = _round(here, test, "page-load")
    assert {name: detail[name] for name in row if name != "_links"} == {n: row[n] for n in row if n != "_links"}
    log = detail["har"]["log"]
    assert log["version"] == "1.2"
    (page,) = log["pages"]
    assert round(page["pageTimings"]["onLoad"]) == row["pageLoadTime"]
    assert round(page["pageTimings"]["onContentLoad"]) == row["domLoadTime"]
    assert len(log["entries"]) == row["numObjects"] > 5
    assert sum(entry["response"]["bodySize"] for entry in log["entries"]) == row["totalSize"]
    assert log["entries"][0]["request"]["url"] == URL
    for entry in log["entries"]:
        phases = sum(value for value in entry["timings"].values() if value > 0)
        assert entry["time"] == pytest.approx(phases, abs=0.01)


def test_the_archive_shows_what_did_not_load(here: Account) -> None:
    """As many entries without an answer as the row has errors; a page that never came has one entry that says why."""
    test = _made(here, "page-load")
    here.fails("09:30", "09:40", kind="component", value=3)
    here.fails("09:50", "10:10", kind="dns", value=None)
    here.world.run_until("09:40")
    row, detail = _round(here, test, "page-load")
    statuses = [entry["response"]["status"] for entry in detail["har"]["log"]["entries"]]
    assert (row["numErrors"], statuses.count(0), statuses.count(200)) == (3, 3, row["numObjects"] - 3)
    here.world.run_until("10:00")
    row, detail = _round(here, test, "page-load")
    (entry,) = detail["har"]["log"]["entries"]
    assert (row["numObjects"], entry["response"]["status"]) == (0, 0)
    assert entry["_error"] == "Could not resolve the host name"


def test_a_transaction_is_read_page_by_page(here: Account) -> None:
    """Each page of the details has an archive of its own; a page there is not is not found."""
    test = _made(here, "web-transactions", transactionScript="markers.start('pay');")
    here.world.run_until("10:00")
    row, detail = _round(here, test, "web-transactions")
    assert [page["pageNum"] for page in detail["pages"]] == [0, 1, 2]
    assert [marker["name"] for marker in detail["markers"]] == ["pay"]
    assert round(sum(page["duration"] for page in detail["pages"])) == row["transactionTime"]
    for number, page in enumerate(detail["pages"]):
        _, single = _round(here, test, "web-transactions", f"/page/{number}")
        assert single["pages"] == [page]
        assert len(single["har"]["log"]["entries"]) == page["componentCount"]
    path = f"/test-results/{test}/web-transactions/agent/3/round/{row['roundId']}"
    for place in ("3", "-1", "x"):
        here.ask("GET", f"{path}/page/{place}", status=404)


@pytest.mark.parametrize(("collected", "count"), [(True, 2), (False, 0)])
def test_the_browsers_console_is_kept_where_the_test_says_so(here: Account, collected: bool, count: int) -> None:
    """One line per component that did not load."""
    test = _made(here, "web-transactions", transactionScript="go();", flagCollectConsoleLogs=collected)
    here.fails("09:30", kind="component", value=2)
    here.world.run_until("10:00")
    _, detail = _round(here, test, "web-transactions", "/console-logs")
    assert len(detail["consoleLogs"]) == count
    assert all(line["level"] == "SEVERE" and line["timestamp"] > 10**12 for line in detail["consoleLogs"])


def test_the_steps_of_an_api_test_add_up_to_its_row(here: Account) -> None:
    """Every step with its phases; what the agent waits in between is no part of the transaction's time."""
    test = _made(here, "api", url="https://api.example", requests=STEPS)
    here.world.run_until("10:00")
    row, detail = _round(here, test, "api")
    steps = detail["requests"]
    assert [(step["stepNumber"], step["name"], step["stepType"]) for step in steps] == [
        (1, "log in", "oauth2"),
        (2, "buy", "default"),
    ]
    assert sum(step["apiCallTime"] for step in steps) == pytest.approx(row["apiTransactionTime"], abs=0.01)
    assert steps[1]["stepTime"] - steps[1]["apiCallTime"] > 500
    assert [entry["hasFailed"] for entry in steps[1]["assertions"]] == [False, False]


@pytest.mark.parametrize(("kind", "done", "failed"), [("content", [100.0, 0.0], [False, True]), ("status", [0.0], [])])
def test_the_step_that_failed_is_the_last_one_shown(
    here: Account, kind: str, done: list[float], failed: list[bool]
) -> None:
    """An assertion fails in the last step, a server that is down in the first."""
    test = _made(here, "api", url="https://api.example", requests=STEPS)
    here.fails("09:30", kind=kind, value=503 if kind == "status" else None)
    here.world.run_until("10:00")
    row, detail = _round(here, test, "api")
    assert [step["completion"] for step in detail["requests"]] == done
    assert row["completion"] == 100 * done.count(100.0) / 2
    assert [entry["hasFailed"] for entry in detail["requests"][-1]["assertions"]] == failed
    assert detail["requests"][-1]["assertErrorCount"] == sum(failed)


def test_a_certificate_is_as_valid_as_rules_find_it(here: Account) -> None:
    """Asked for with expand; the days left are those a rule about certificates looks at, and fall with time."""
    test = here.test()
    here.rule(test, expression="((certificateValidity < 4 day))")
    here.fails("09:10", kind="tls", value=5)
    here.world.run_until("10:00")
    (certificate,) = here.results(test, query="expand=certificate")[0]["sslCertificates"]
    assert (certificate["daysUntilExpiry"], certificate["subjectName"]) == (4, "shop.example")
    assert here.ask("GET", "/alerts")["alerts"] == []
    here.world.advance("1d")
    (certificate,) = here.results(test, query="expand=certificate,header")[0]["sslCertificates"]
    assert (certificate["daysUntilExpiry"], certificate["isFetchDateInValidCertDateRange"]) == (3, True)
    assert len(here.ask("GET", "/alerts")["alerts"]) == 1
    assert "sslCertificates" not in here.results(test, query="window=10m")[0]
    plain = here.test(testName="plain", url="http://shop.example")
    here.world.advance("10m")
    assert "sslCertificates" not in here.results(plain, query="expand=certificate")[0]


def _agents(here: Account, direction: str) -> str:
    body = {"testName": direction, "interval": 120, "targetAgentId": "5", "agents": AGENTS, "direction": direction}
    return str(here.ask("POST", "/tests/agent-to-agent", body, status=201)["testId"])


def test_a_test_both_ways_is_read_in_each_direction(here: Account) -> None:
    """One way by default, both ways when asked for; paths are traced in both directions unless one is named."""
    test = _agents(here, "bidirectional")
    here.world.run_until("10:00")
    one = here.results(test, "network", "direction=to-target")[0]
    both = here.results(test, "network", "direction=bidirectional")[0]
    assert here.results(test, "network", "max=1")[0] == one
    assert (one["direction"], both["direction"]) == ("to-target", "bidirectional")
    assert both["avgLatency"] == pytest.approx(2 * one["avgLatency"], abs=0.01)
    paths = here.results(test, "path-vis", "max=1")
    assert [row["direction"] for row in paths] == ["to-target", "from-target"] * 2
    back = here.results(test, "path-vis", "direction=from-target")
    assert [row["direction"] for row in back] == ["from-target"] * 2
    row = paths[0]
    path = f"/test-results/{test}/path-vis/agent/3/round/{row['roundId']}"
    there, again = here.ask("GET", path)["results"]
    hops = [hop["ipAddress"] for hop in there["pathTraces"][0]["hops"]]
    assert [hop["ipAddress"] for hop in again["pathTraces"][0]["hops"]] == hops[::-1]


def test_a_test_one_way_has_one_direction(here: Account) -> None:
    """Another one is refused, and a word that is none as well."""
    test = _agents(here, "from-target")
    here.world.run_until("10:00")
    assert here.results(test, "network", "direction=from-target")[0]["direction"] == "from-target"
    for layer in ("network", "path-vis"):
        for word in ("to-target", "up"):
            assert here.wrong("GET", f"/test-results/{test}/{layer}?direction={word}", None) == ["direction"]


def test_health_falls_with_what_is_wrong(here: Account) -> None:
    """Between 0 and 1, nothing after an error; packets by second are those that were not lost."""
    test = here.test()
    here.fails("09:30", "09:40", kind="loss", value=40)
    here.fails("09:50", "10:00")
    seen = {}
    for clock in ("09:20", "09:36", "09:56"):
        here.world.run_until(clock)
        web, network = here.results(test)[0], here.results(test, "network")[0]
        seen[clock] = web["healthScore"], network["healthScore"], network["packetsBySecond"], network["loss"]
    assert 0.5 < seen["09:20"][0] <= 1
    assert 0.5 < seen["09:20"][1] <= 1
    assert seen["09:56"][0] == 0
    assert seen["09:36"][1] < seen["09:20"][1]
    sent, received = (sum(column) for column in zip(*seen["09:36"][2], strict=True))
    assert received == round(sent * (1 - seen["09:36"][3] / 100)) < sent


def test_a_day_has_a_shape_and_every_round_its_noise(here: Account) -> None:
    """Healthy rounds all differ, and noon is slower than midnight on the whole."""
    test = here.test(interval=3600)
    here.world.advance("3d")
    rows = [row for row in here.results(test, query="window=2d") if row["agent"]["agentId"] == "3"]
    assert len({row["totalTime"] for row in rows}) > len(rows) // 2
    by_hour = {hour: [row["totalTime"] for row in rows if row["roundId"] // 3600 % 24 == hour] for hour in range(24)}
    night = sum(sum(by_hour[hour]) for hour in (22, 23, 0, 1, 2))
    noon = sum(sum(by_hour[hour]) for hour in (10, 11, 12, 13, 14))
    assert noon > night
