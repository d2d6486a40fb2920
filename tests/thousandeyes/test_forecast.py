"""Conditions as people write them: TOML documents in the field's terms, and one line for whatever cannot be read."""

from dataclasses import fields

import pytest
from thousandeyes_account import Account

from simulators.engine.instants import MINUTE, clock
from simulators.thousandeyes import commands
from simulators.thousandeyes.forecast import KEYS, ForecastError, read_document
from simulators.thousandeyes.model import ALERTS, CONDITIONS, Condition, Trouble

STORM = """
[[condition]]
kind = "loss"
test = "shop"
agents = ["London", "Frankfurt-3"]
regions = ["NO"]
providers = ["AS 64496"]
since = "10:00"
for = "45m"
value = 30
ramp = "20m"
period = "10m"
duty = 40
diurnal = true
share = 80
noise = 5

[[condition]]
kind = "withdrawal"
parts = ["192.0.2.0/24"]

[[condition]]
kind = "hop-loss"
hop = 4
value = 100
until = "2026-03-02T12:00:00Z"
"""


@pytest.fixture
def here() -> Account:
    account = Account()
    account.test()
    return account


def test_a_document_says_what_goes_wrong_where_and_when(here: Account) -> None:
    """Names become ids, clock times instants, durations spans; what is left out has its default."""
    storm, withdrawal, hop = here.do(commands.load_conditions, STORM)
    assert (storm.kind, storm.value, storm.agents, storm.regions) == (Trouble.LOSS, 30, ("4", "64"), ("NO",))
    assert (clock(storm.since), clock(storm.until)) == ("10:00:00", "10:45:00")
    assert (storm.ramp, storm.period, storm.duty) == (20 * MINUTE, 10 * MINUTE, 40)
    assert (storm.diurnal, storm.share, storm.noise, storm.providers) == (True, 80, 5, ("AS 64496",))
    assert (withdrawal.test, withdrawal.value, withdrawal.since, withdrawal.until) == ("*", 100, here.world.now, None)
    assert (hop.hop, clock(hop.until)) == (4, "12:00:00")


def test_a_document_is_added_as_a_whole_or_not_at_all(here: Account) -> None:
    """The second condition cannot be read, so the first is not there either."""
    with pytest.raises(ForecastError, match="condition 2: kind"):
        here.do(commands.load_conditions, '[[condition]]\nkind = "dns"\n[[condition]]\nkind = "rain"\n')
    assert list(here.world.view.all(CONDITIONS)) == []


def test_what_a_document_lets_go_wrong_raises_alerts(here: Account) -> None:
    """An outage told in a file is an outage."""
    here.do(commands.load_conditions, '[[condition]]\nkind = "connect"\ntest = "shop"\nsince = "10:00"\nfor = "10m"\n')
    here.world.run_until("11:00")
    assert {(alert.alert_type, clock(alert.start), clock(alert.end or 0)) for alert in here.world.view.all(ALERTS)} == {
        ("http-server", "10:02:00", "10:12:00"),
        ("end-to-end-server", "10:02:00", "10:12:00"),
    }


def test_a_document_can_be_sent_to_the_control_plane(here: Account) -> None:
    """As TOML it adds all its conditions; what is wrong with it is said in one line."""
    headers = {"Content-Type": "application/toml"}
    made = here.sim("POST", "/conditions", status=201, content=STORM, headers=headers)["conditions"]
    assert [row["kind"] for row in made] == ["loss", "withdrawal", "hop-loss"]
    wrong = here.sim("POST", "/conditions", status=400, content="[[condition]]\n", headers=headers)
    assert wrong["error"].startswith("condition 1: kind is one of")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('kind = "rain"', "kind is one of status, timeout"),
        ('colour = "red"', "'colour' is not known here; known are kind"),
        ("kind = 5", "kind is one of"),
        ('test = "nobody"', "there is no test 'nobody'"),
        ('agents = "London"', "agents must be an array of texts"),
        ('agents = ["Atlantis"]', "there is no agent 'Atlantis'"),
        ('regions = [""]', "regions must be an array of texts"),
        ("since = 10:00:00", "since must be a clock time"),
        ('since = "teatime"', "since: "),
        ('since = "08:00"', "since lies in the past"),
        ('until = "09:00"', "until must come after since"),
        ('for = "99999999d"', "it must end before virtual time does"),
        ('until = "10:00"\nfor = "5m"', "until and for cannot both be given"),
        ('for = "soon"', "for: "),
        ('ramp = "1s"', "ramp must be at least 2s"),
        ("period = 10", "period must be a duration such as 10m"),
        ("duty = 100", "duty must be a whole number from 1 to 99"),
        ("share = true", "share must be a whole number from 1 to 100"),
        ('diurnal = "yes"', "diurnal must be true or false"),
        ("value = 7", "a condition of kind dns has no value"),
        ("noise = 101", "noise must be a whole number from 0 to 100"),
        ('kind = "loss"\nvalue = 101', "a condition of kind loss needs a whole number from 1 to 100 as its value (%)"),
        ('kind = "loss"', "a condition of kind loss needs"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_key(here: Account, line: str, said: str) -> None:
    """The condition is numbered, the key named, and what it must be is said."""
    kind = "" if line.startswith("kind") else 'kind = "dns"\n'
    with pytest.raises(ForecastError) as caught:
        read_document(here.world.view, f"[[condition]]\n{kind}{line}\n")
    assert str(caught.value).startswith(f"condition 1: {said}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kind =", "not a TOML document"),
        ("[condition]\nkind = 'dns'", "[[condition]]"),
        ("[[weather]]\n", "'weather' is not known here"),
        ("condition = 5", "[[condition]]"),
    ],
)
def test_a_document_that_is_none_is_refused(here: Account, text: str, said: str) -> None:
    """Not TOML, or not conditions."""
    with pytest.raises(ForecastError) as caught:
        read_document(here.world.view, text)
    assert said in str(caught.value)


def test_every_field_of_a_condition_can_be_written() -> None:
    """Nothing Python can say is missing from the file."""
    assert {entry.name for entry in fields(Condition)} - {"id"} <= set(KEYS)


def test_an_alert_can_be_silenced_over_the_control_plane(here: Account) -> None:
    """For a while; the API shows it, and afterwards its next version."""
    here.do(commands.load_conditions, '[[condition]]\nkind = "status"\nvalue = 500\ntest = "shop"\n')
    here.world.advance("3m")
    (alert,) = here.ask("GET", "/alerts")["alerts"]
    here.sim("POST", f"/alerts/{alert['id']}/suppress", {"for": "10m"}, status=202)
    assert here.ask("GET", f"/alerts/{alert['id']}")["suppressed"] is True
    here.world.advance("11m")
    again = here.ask("GET", f"/alerts/{alert['id']}")
    assert (again["suppressed"], again["meta"], again["state"]) == (False, {"version": 2}, "trigger")
    assert "for" in here.sim("POST", f"/alerts/{alert['id']}/suppress", {}, status=400)["error"]
