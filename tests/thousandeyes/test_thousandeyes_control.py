"""The control plane: conditions, integrations, knobs and the account, and one line for whatever cannot be read."""

import io
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from thousandeyes_account import SHOP, Account

from simulators.engine.transport import Site
from simulators.thousandeyes.api import COLLECTIONS
from simulators.thousandeyes.api.description import OTHERS
from simulators.thousandeyes.conditions import MEANINGS
from simulators.thousandeyes.model import Knobs, Trouble


@pytest.fixture
def here() -> Account:
    return Account()


def test_a_condition_is_added_in_the_fields_terms_listed_and_ended(here: Account) -> None:
    """Test and agents by name or id, instants as clock times; the list says what shows right now."""
    test = here.test(alertRules=[])
    wish = {
        "kind": "status",
        "test": "shop",
        "agents": ["London", "5"],
        "since": "10:00",
        "until": "10:30",
        "value": 503,
    }
    made = here.sim("POST", "/conditions", wish | {"period": "10m"}, status=201)["condition"]
    assert made == {
        "id": "1",
        "kind": "status",
        "test": test,
        "test_name": "shop",
        "agents": ["London", "Oslo"],
        "regions": [],
        "providers": [],
        "parts": [],
        "since": "2026-03-02T10:00:00.000Z",
        "until": "2026-03-02T10:30:00.000Z",
        "value": 503,
        "unit": "the HTTP (or SIP, FTP) status",
        "period": "10 min",
        "ramp": None,
        "diurnal": False,
        "duty": 50,
        "share": 100,
        "noise": 0,
        "hop": 0,
        "in_force": False,
    }
    here.world.run_until("10:04")
    assert here.sim("GET", "/conditions")["conditions"][0]["in_force"] is True
    ended = here.sim("DELETE", "/conditions/1")["condition"]
    assert (ended["until"], ended["in_force"]) == ("2026-03-02T10:04:00.000Z", False)


def test_a_condition_for_every_test_raises_alerts_on_each(here: Account) -> None:
    """Without a test it is the world that is broken."""
    tests = [here.test(testName=name, alertRules=[]) for name in ("a", "b")]
    here.rule(*tests)
    here.sim("POST", "/conditions", {"kind": "status", "value": 500}, status=201)
    here.world.advance("10m")
    assert len(here.ask("GET", "/alerts")["alerts"]) == 2


def test_a_rule_or_an_alert_is_silenced_from_this_moment_on(here: Account) -> None:
    """What the vendor's pages alone can do: the silent rule raises nothing, the silent alert says that it is."""
    rule = here.rule(here.test(alertRules=[]))
    here.sim("POST", f"/rules/{rule}/suppress", {"for": "10m"}, status=202)
    here.fails("09:01")
    here.world.run_until("09:09")
    assert here.ask("GET", "/alerts")["alerts"] == []
    here.world.run_until("09:15")
    (alert,) = here.ask("GET", "/alerts")["alerts"]
    here.sim("POST", f"/alerts/{alert['id']}/suppress", {"for": "5m"}, status=202)
    assert here.ask("GET", f"/alerts/{alert['id']}")["suppressed"] is True
    here.sim("POST", "/rules/1/suppress", {"for": "5m"}, status=404)
    assert "for" in here.sim("POST", f"/rules/{rule}/suppress", {}, status=400)["error"]


def test_every_kind_of_trouble_can_be_made_over_the_control_plane(here: Account) -> None:
    """With its value where it has one, and with shapes: by region, in ramps, with the day, now and then."""
    shapes = {
        "regions": ["NO", "London"],
        "ramp": "10m",
        "diurnal": True,
        "share": 50,
        "noise": 5,
        "period": "1h",
        "duty": 20,
    }
    for kind in Trouble:
        value = 500 if kind is Trouble.STATUS else 1400 if kind is Trouble.MTU else 40
        wish = {"kind": kind.value, **shapes} | ({"value": value} if MEANINGS[kind].unit else {})
        made = here.sim("POST", "/conditions", wish, status=201)["condition"]
        assert (made["kind"], made["regions"], made["duty"], made["ramp"]) == (kind, ["NO", "London"], 20, "10 min")
    monitors = here.sim("POST", "/conditions", {"kind": "withdrawal", "agents": ["Tokyo-2"]}, status=201)["condition"]
    assert (monitors["agents"], monitors["value"]) == (["Tokyo-2"], 100)
    here.world.advance("3h")


@pytest.mark.parametrize(
    ("path", "wish", "word"),
    [
        ("/conditions", {}, "kind"),
        ("/conditions", {"kind": "gremlins"}, "status, timeout"),
        ("/conditions", {"kind": "dns", "colour": "red"}, "'colour'"),
        ("/conditions", {"kind": "dns", "test": "nobody's"}, "nobody's"),
        ("/conditions", {"kind": "dns", "agents": "London"}, "array"),
        ("/conditions", {"kind": "dns", "regions": [1]}, "array"),
        ("/conditions", {"kind": "loss", "value": 10, "diurnal": "yes"}, "true or false"),
        ("/conditions", {"kind": "loss", "value": 10, "share": 0}, "1 to 100"),
        ("/conditions", {"kind": "loss", "value": 10, "duty": True}, "1 to 99"),
        ("/conditions", {"kind": "loss"}, "1 to 100"),
        ("/conditions", {"kind": "dns", "agents": ["Atlantis"]}, "Atlantis"),
        ("/conditions", {"kind": "dns", "since": "08:00"}, "past"),
        ("/conditions", {"kind": "dns", "since": "soon"}, "soon"),
        ("/conditions", {"kind": "dns", "since": 5}, "since"),
        ("/conditions", {"kind": "dns", "until": "08:00"}, "until"),
        ("/conditions", {"kind": "dns", "value": 7}, "no value"),
        ("/conditions", {"kind": "status"}, "100 to 699"),
        ("/conditions", {"kind": "status", "value": True}, "100 to 699"),
        ("/conditions", {"kind": "latency", "value": -1}, "1 to"),
        ("/conditions", {"kind": "dns", "period": "1s"}, "2s"),
        ("/conditions", {"kind": "dns", "period": "often"}, "often"),
        ("/conditions", {"kind": "dns", "for": "99999999999d"}, "virtual time"),
        ("/clock", {"advance": "99999999999d"}, "virtual time ends"),
        ("/verify", {"data": "mine"}, "object"),
        ("/verify", {"data": None}, "object"),
        ("/integrations", {"kind": "fax"}, "webhook, pager-duty"),
        ("/integrations", {"kind": "webhook", "name": "n"}, "URL"),
        ("/integrations", {"kind": "webhook", "target": "https://x"}, "name"),
        ("/integrations", {"kind": "webhook", "name": 1, "target": "https://x"}, "name"),
        ("/integrations", {"kind": "webhook", "name": "n", "target": "https://x", "auth": "magic"}, "none, basic"),
        ("/integrations", {"kind": "webhook", "name": "n", "target": "https://x", "static": {"a": 1}}, "static"),
        ("/integrations", {"kind": "pager-duty", "name": "n"}, "integration key"),
        ("/agents", {}, "name"),
        ("/tokens", {"user": "1"}, "token"),
    ],
)  # fmt: skip
def test_a_wish_that_cannot_be_read_is_answered_with_one_line(here: Account, path: str, wish: Any, word: str) -> None:
    """Status 400, one error, and it names what is wrong."""
    body = here.sim("POST", path, wish, status=400)
    assert list(body) == ["error"]
    assert word in body["error"]
    assert "\n" not in body["error"]


def test_what_is_not_there_is_a_404_and_strangers_are_not_served(here: Account) -> None:
    """Unknown ids, and a page from elsewhere."""
    here.sim("DELETE", "/conditions/7", status=404)
    here.sim("POST", "/integrations/wb-7/test", status=404)
    here.sim("POST", "/tokens", {"user": "9", "token": "t"}, status=404)
    here.sim("GET", "/account", status=403, headers={"Origin": "https://elsewhere.example"})


class Hook:
    """Keeps what it is sent."""

    def __init__(self) -> None:
        self.got: list[tuple[str, Any]] = []

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        body: io.BytesIO = environ["wsgi.input"]
        self.got.append((environ.get("HTTP_AUTHORIZATION", ""), json.loads(body.read())))
        start("200 OK", [])
        return [b""]


def test_an_integration_is_added_tested_and_hidden(here: Account) -> None:
    """The test button calls the webhook with its login; the secret is never listed."""
    hook = Hook()
    here.world.serve("hooks.example", Site("hooks", hook))
    wish = {"kind": "webhook", "name": "ops", "target": "https://hooks.example/te", "auth": "token", "token": "t0p"}
    made = here.sim("POST", "/integrations", wish | {"static": {"team": "web"}}, status=201)["integration"]
    assert made["id"] == "wb-201"
    here.sim("POST", "/integrations/wb-201/test", status=202)
    here.world.advance("1s")
    assert [(login, body["eventType"]) for login, body in hook.got] == [("Bearer t0p", "WEBHOOK_TEST")]
    duty = {"kind": "pager-duty", "name": "Network", "token": "k" * 32}
    assert here.sim("POST", "/integrations", duty, status=201)["integration"]["id"] == "pgd-21"
    here.sim("POST", "/integrations/pgd-21/test", status=400)
    listed = here.sim("GET", "/integrations")
    assert [row["id"] for row in listed["integrations"]] == ["wb-201", "pgd-21"]
    assert "t0p" not in json.dumps(listed)


def test_knobs_are_read_and_turned(here: Account) -> None:
    """What is not named stays; names, types and ranges are checked."""
    assert here.sim("GET", "/knobs")["knobs"] == asdict(Knobs())
    turned = here.sim("PUT", "/knobs", {"rate_limit": 5, "clear_without_range": "all"})["knobs"]
    assert turned == asdict(Knobs(rate_limit=5, clear_without_range="all"))
    assert here.world.view.knobs(Knobs) == Knobs(rate_limit=5, clear_without_range="all")
    for wish, word in (
        ({"volume": 11}, "volume"),
        ({"rate_limit": True}, "rate_limit"),
        ({"rate_limit": -1}, "0 to"),
        ({"webhook_attempts": 14}, "1 to 13"),
        ({"foreign_aid_status": 200}, "400, 403, 404"),
        ({"clear_without_range": "week"}, "day, all, none"),
        ({"active_duration": 1}, "True"),
    ):
        assert word in here.sim("PUT", "/knobs", wish, status=400)["error"]


def test_turning_a_knob_of_the_alerting_takes_effect_at_once(here: Account) -> None:
    """An alert that stays until its last location is well ends when fewer than needed violate, once so decided."""
    test = here.test(alertRules=[])
    here.rule(test, minimumSources=2)
    here.fails("10:00", "10:10")
    here.fails("10:00", agents=["London"])
    here.world.run_until("10:30")
    assert len(here.ask("GET", "/alerts")["alerts"]) == 1
    here.sim("PUT", "/knobs", {"clear_below_minimum": True})
    here.world.run_until("10:34")
    assert here.ask("GET", "/alerts")["alerts"] == []


def test_the_account_tells_what_a_client_needs(here: Account) -> None:
    """Token, account group and agents, ready to be used."""
    account = here.sim("GET", "/account")
    (token,) = account["tokens"]
    (group,) = account["account_groups"]
    assert here.ask("GET", f"/tests?aid={group['aid']}", token=token["token"])["tests"] == []
    assert {"id": "4", "name": "London", "type": "cloud"} in account["agents"]


def test_the_description_is_of_exactly_what_is_served(here: Account) -> None:
    """Every described operation has a route, every route is described, and bodies are real schemas."""
    described = here.sim("GET", "/openapi.json")
    operations = {(method.upper(), path) for path, methods in described["paths"].items() for method in methods}
    application = here.world.sites["api.thousandeyes.com"].application
    served = set()
    for rule in application.url_map.iter_rules():  # type: ignore[attr-defined]
        if rule.rule.startswith("/v7"):
            path = rule.rule
            for name in rule.arguments:
                path = path.replace(f"<{name}>", "{}")
            served |= {(method, path) for method in rule.methods - {"HEAD", "OPTIONS"}}
    assert {(method, _blank(path)) for method, path in operations} == served
    assert len(operations) == sum(len(row.verbs) for row in COLLECTIONS) + sum(map(len, OTHERS.values()))
    schema = described["paths"]["/v7/tests/http-server"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    validator = Draft202012Validator(schema)
    assert validator.is_valid(SHOP)
    assert not validator.is_valid(SHOP | {"interval": 61})


def _blank(path: str) -> str:
    return "/".join("{}" if part.startswith("{") else part for part in path.split("/"))
