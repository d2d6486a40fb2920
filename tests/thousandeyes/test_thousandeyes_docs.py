"""What the page about ThousandEyes says is so."""

import re
from pathlib import Path

from thousandeyes_account import Account

from simulators.thousandeyes import commands
from simulators.thousandeyes.api import sites
from simulators.thousandeyes.conditions import MEANINGS

PAGE = (Path(__file__).parents[2] / "docs" / "thousandeyes.md").read_text(encoding="utf-8")


def test_every_condition_is_listed_with_what_its_value_means() -> None:
    """In the order of the table they are read with."""
    rows = re.findall(r"^\| `([a-z-]+)` \| (.*)\|$", PAGE, re.MULTILINE)
    assert [(kind, unit.strip()) for kind, unit in rows] == [(kind.value, row.unit) for kind, row in MEANINGS.items()]


def test_the_forecast_on_the_page_can_be_played() -> None:
    """It is a TOML document the simulator takes."""
    here = Account()
    here.test()
    (text,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    (made,) = here.do(commands.load_conditions, text)
    assert (made.kind.value, made.value, made.regions) == ("loss", 30, ("NO",))


def test_every_address_on_the_page_is_served() -> None:
    """Each is a route of the control plane, or a page."""
    rules = [str(rule) for rule in sites()["api.thousandeyes.com"].application.url_map.iter_rules()]  # type: ignore[attr-defined]
    known = {re.sub(r"<[^>]*>", "ID", rule) for rule in rules}
    named = {re.sub(r"wb-201", "ID", path) for path in re.findall(r"/_sim/[a-zA-Z0-9/.-]+", PAGE)}
    assert len(named) >= 9
    assert named <= known, named - known
