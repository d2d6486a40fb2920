"""ThousandEyes' pages: to PagerDuty and back, a line for each service, and rules that notify them."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
from visitor import MAIL_ONLY, SHOP, THOUSANDEYES, Town, Visitor, query

from scenarios import accounts
from simulators.engine import timeline
from simulators.pagerduty.model import DOCUMENTS
from simulators.thousandeyes import commands, native
from simulators.thousandeyes.model import INTEGRATIONS, RULES
from simulators.thousandeyes.native import Outcome, Service

APP = "https://app.thousandeyes.com"
API = "https://api.thousandeyes.com"
KEYS = ("0123456789abcdef0123456789abcde1", "R123456789abcdef0123456789abcde2")


def at_pagerduty(town: Town) -> Visitor:
    """Return somebody who went from ThousandEyes to PagerDuty and signed in there."""
    visitor = town.visitor()
    visitor.open(f"{APP}/integrations/new")
    visitor.fill(form="/integrations/new/pagerduty")
    visitor.sign_in(accounts.ALICE.id)
    return visitor


def answered(town: Town, document: Any) -> Visitor:
    """Return somebody who comes back with an answer PagerDuty did not give."""
    visitor = town.visitor()
    visitor.open(f"{APP}/integrations/new")
    visitor.fill("https://app.pagerduty.com", form="/integrations/new/pagerduty")
    back = query(visitor.trail[-1])["redirect_url"]
    text = document if isinstance(document, str) else json.dumps(document)
    visitor.open(f"{back}&config={quote(text)}")
    return visitor


def outcomes(town: Town) -> list[tuple[str, str]]:
    """Return what the journal says came of each service."""
    return [(row["service"], row["outcome"]) for row in town.told("integration.installed")]


def test_each_service_that_was_picked_has_a_line_on_the_page() -> None:
    """Two are created; the same one again later is a duplicate, with a link to the integration there is."""
    town = Town()
    visitor = at_pagerduty(town)
    page = visitor.fill(form="service", service=[SHOP, accounts.SERVICE], action="connect")
    assert str(page.url).startswith(f"{APP}/integrations/pagerduty/")
    assert [row.id for row in town.world.view.all(INTEGRATIONS)] == ["pgd-21", "pgd-22"]
    assert page.text.count(">created<") == 2
    again = at_pagerduty(town).fill(form="service", service=[SHOP], action="connect")
    assert "duplicate" in again.text
    assert "pgd-21" in again.text
    assert outcomes(town) == [("Shop", "created"), ("Network", "created"), ("Shop", "duplicate")]
    assert "PagerDuty service 'Shop': duplicate" in timeline.as_text(timeline.lines(town.world))


def test_an_integration_knows_its_key_and_account() -> None:
    """What alerts are sent with is the key PagerDuty made."""
    town = Town()
    at_pagerduty(town).fill(form="service", service=[SHOP], action="connect")
    (row,) = town.world.view.all(INTEGRATIONS)
    (made,) = town.world.view.find(DOCUMENTS["integrations"], "routing_key", row.token)
    assert (made.parent, row.service, row.user, row.auth) == (SHOP, SHOP, "example", "token")


def test_a_service_without_alerts_is_rejected_when_it_can_be_picked_at_all() -> None:
    """PagerDuty's page offers it by a knob; ThousandEyes says why it does not take it."""
    town = Town(install_offers_all=True)
    page = at_pagerduty(town).fill(form="service", service=[SHOP, MAIL_ONLY], action="connect")
    assert "does not create both alerts and incidents" in page.text
    assert outcomes(town) == [("Shop", "created"), ("Mail", "rejected")]


def test_services_without_a_good_key_fail() -> None:
    """No key, one that is none, and what is no service; the others are integrated all the same."""
    town = Town()
    rows = [
        {"integration_key": KEYS[0], "name": "Good", "id": "P1", "type": "service"},
        {"integration_key": None, "name": "Keyless", "id": "P2", "type": "service"},
        {"integration_key": "short", "name": "Broken", "id": "P3", "type": "service"},
        {"integration_key": KEYS[1], "name": "Default Global", "id": "P4", "type": "global_rule_set"},
        {"integration_key": KEYS[1], "name": 7, "id": None, "type": "service", "more": {}},
    ]
    document = {"integration_keys": rows, "account": {"subdomain": "acme", "Name": "Acme"}}
    page = answered(town, document).page
    assert "not a global_rule_set" in page.text
    assert outcomes(town) == [
        ("Good", "created"),
        ("Keyless", "failed"),
        ("Broken", "failed"),
        ("Default Global", "failed"),
        ("unnamed", "created"),
    ]
    assert next(town.world.view.all(INTEGRATIONS)).user == "acme"


@pytest.mark.parametrize(
    "document",
    [
        *("", "{", "[]", '"x"', "null", "7", "[" * 9999, "9" * 5000),
        *({"integration_keys": {}}, {"integration_keys": [7]}),
        {"integration_keys": [{"integration_key": KEYS[0], "name": "\ud800", "id": "P1", "type": "service"}]},
    ],
)
def test_an_answer_that_cannot_be_read_makes_nothing(document: Any) -> None:
    """The page says that, and why."""
    town = Town()
    page = answered(town, document).page
    assert page.status_code == 200
    assert "cannot be read" in page.text
    assert outcomes(town) == []


def test_cancelling_at_pagerduty_makes_nothing() -> None:
    """The page says that somebody cancelled."""
    town = Town()
    page = at_pagerduty(town).fill(form="service", action="cancel")
    assert "You cancelled at PagerDuty." in page.text
    assert outcomes(town) == []


def test_an_answer_counts_once_and_for_the_browser_that_asked() -> None:
    """Loading it again shows the same lines; somebody else's browser is refused."""
    town = Town()
    visitor = at_pagerduty(town)
    visitor.fill(form="service", service=[SHOP], action="connect")
    back = next(url for url in visitor.trail if "config=" in url)
    assert "created" in visitor.open(back).text
    assert len(outcomes(town)) == 1
    stranger = town.visitor()
    assert stranger.open(back).status_code == 403
    assert stranger.open(str(visitor.page.url)).status_code == 403
    assert stranger.open(f"{APP}/integrations/pagerduty?config=%7B%7D").status_code == 403


def test_nothing_is_shown_before_pagerduty_has_answered() -> None:
    """The attempt's page says so."""
    town = Town()
    visitor = town.visitor()
    visitor.open(f"{APP}/integrations/new")
    visitor.fill("https://app.pagerduty.com", form="/integrations/new/pagerduty")
    state = query(query(visitor.trail[-1])["redirect_url"])["state"]
    assert visitor.open(f"{APP}/integrations/pagerduty/{state}").status_code == 409


def test_the_forms_are_taken_from_their_own_browser_only() -> None:
    """Going to PagerDuty, pasting a key and choosing rules need the page's token."""
    town = Town()
    town.do(native.install, [Service("P1", "Shop", key=KEYS[0])])
    for path in ("new/pagerduty", "new/pagerduty-key", "pgd-21"):
        assert town.visitor().http.post(f"{APP}/integrations/{path}", data={"key": KEYS[1]}).status_code == 403
    assert len(outcomes(town)) == 1


def test_alert_rules_are_chosen_on_the_page() -> None:
    """Exactly the checked ones notify the integration; what else they notify stays."""
    town = Town()
    town.do(native.install, [Service("P1", "Shop", key=KEYS[0])])
    hook = {"integrationId": "wb-1", "integrationType": "webhook"}
    made = [
        town.do(commands.create_rule, name=name, expression_text="((responseCode >= 500))",
                notifications={"webhook": [hook]})
        for name in ("one", "two")
    ]  # fmt: skip
    visitor = town.visitor()
    page = visitor.open(f"{APP}/integrations/pgd-21")
    assert page.text.count(" checked") == 0
    visitor.fill(form="rule", rule=[rule.id for rule in made])
    assert visitor.page.text.count(" checked") == 2
    assert "one, two" in visitor.open(f"{APP}/integrations").text
    visitor.open(f"{APP}/integrations/pgd-21")
    visitor.fill(form="rule", rule=[made[1].id])
    told = [town.world.view.need(RULES, rule.id).notifications for rule in made]
    assert [len(entry["thirdParty"]) for entry in told] == [0, 1]
    assert [entry["webhook"][0]["integrationId"] for entry in told] == ["wb-1", "wb-1"]


@pytest.mark.parametrize(
    ("integration", "wish", "status"),
    [
        ("pgd-21", {"rules": ["one"]}, 200),
        ("pgd-21", {"rules": []}, 200),
        ("pgd-21", {"rules": ["nobody's"]}, 400),
        ("pgd-21", {"rules": "one"}, 400),
        ("pgd-21", {}, 400),
        ("pgd-99", {"rules": ["one"]}, 404),
        ("wb-201", {"rules": ["one"]}, 400),
    ],
)
def test_alert_rules_are_chosen_in_one_call(integration: str, wish: dict[str, Any], status: int) -> None:
    """By id or name; what cannot be read is one line."""
    town = Town()
    town.do(native.install, [Service("P1", "Shop", key=KEYS[0])])
    town.do(commands.add_integration, "webhook", name="bridge", target="https://bridge.example.com")
    rule = town.do(commands.create_rule, name="one", expression_text="((responseCode >= 500))")
    answer = town.ask("PUT", f"{API}/_sim/integrations/{integration}/rules", wish)
    assert answer.status_code == status
    told = town.world.view.need(RULES, rule.id).notifications.get("thirdParty") or ()
    assert len(told) == (status == 200 and wish["rules"] == ["one"])


def test_a_key_of_a_vendor_integration_is_pasted() -> None:
    """The other way round: the integration is added over PagerDuty's API, its key pasted into the page."""
    town = Town()
    vendor = {"id": "PVEND01", "type": "vendor_reference"}
    added = town.ask(
        "POST",
        f"https://api.pagerduty.com/services/{SHOP}/integrations",
        {"integration": {"type": "events_api_v2_inbound_integration", "vendor": vendor}},
        Authorization=f"Token token={accounts.API_KEY}",
    ).json()["integration"]
    assert (added["name"], added["vendor"]["id"]) == ("ThousandEyes", "PVEND01")
    visitor = town.visitor()
    visitor.open(f"{APP}/integrations/new")
    page = visitor.fill(form="key", name="Shop", key=f" {added['integration_key']} ")
    assert "created" in page.text
    (row,) = town.world.view.all(INTEGRATIONS)
    assert (row.name, row.token, row.target) == ("Shop", added["integration_key"], native.EVENTS_URL)


def test_a_key_is_checked_as_far_as_it_can_be() -> None:
    """One that cannot be a key is rejected, one that is known is a duplicate, over the control plane as on the page."""
    town = Town()
    pasted = [
        town.ask("POST", f"{API}/_sim/pagerduty/key", {"name": "Shop", "key": key}) for key in (KEYS[0], KEYS[0], "x")
    ]
    assert [answer.status_code for answer in pasted] == [201, 201, 201]
    assert [answer.json()["line"]["outcome"] for answer in pasted] == [
        Outcome.CREATED,
        Outcome.DUPLICATE,
        Outcome.REJECTED,
    ]
    visitor = town.visitor()
    visitor.open(f"{APP}/integrations/new")
    assert "32 letters and digits" in visitor.fill(form="key", name="Shop", key="\u00e4" * 32).text
    assert town.ask("POST", f"{API}/_sim/pagerduty/key", {"key": KEYS[1]}).status_code == 400


def test_pagerdutys_answer_goes_through_the_control_plane() -> None:
    """Both flows in two calls: PagerDuty's answer, given to ThousandEyes as it came or read."""
    town = Town()
    path = f"https://api.pagerduty.com/_sim/apps/{THOUSANDEYES.id}/install"
    config = town.ask("POST", path, {"services": ["Shop"]}).json()["config"]
    lines = town.ask("POST", f"{API}/_sim/pagerduty", {"config": config}).json()["lines"]
    assert [(line["service"], line["outcome"]) for line in lines] == [("Shop", "created")]
    again = town.ask("POST", f"{API}/_sim/pagerduty", {"config": json.loads(config)}).json()["lines"]
    assert [line["outcome"] for line in again] == ["duplicate"]
    assert town.ask("POST", f"{API}/_sim/pagerduty", {"config": "{"}).status_code == 400


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/integrations/wb-1", 404),
        ("POST", "/integrations", 405),
        ("GET", "/nowhere", 404),
        ("GET", "/integrations/pagerduty/none", 403),
        ("GET", "/integrations/pagerduty", 403),
    ],
)
def test_other_addresses_are_answered_by_pages(method: str, path: str, status: int) -> None:
    """Never by a traceback."""
    page = Town().visitor().http.request(method, f"{APP}{path}")
    assert page.status_code == status
    assert page.headers["Content-Type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]


def test_the_first_page_leads_to_the_integrations() -> None:
    """Where webhooks are listed, too, without a page of their own."""
    town = Town()
    town.do(commands.add_integration, "webhook", name="<i>bridge</i>", target="https://bridge.example.com")
    page = town.visitor().open(f"{APP}/")
    assert "&lt;i&gt;bridge" in page.text
    assert "New integration" in page.text
