"""PagerDuty's install flow and classic connect: who may come, what may be picked, what goes back."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from visitor import MAIL_ONLY, SHOP, THOUSANDEYES, Town, Visitor, query, services

from scenarios import accounts
from simulators.engine import timeline
from simulators.engine.browsers import absolute
from simulators.pagerduty import oauth
from simulators.pagerduty.model import DOCUMENTS

BACK = THOUSANDEYES.redirects[0]
INSTALL = f"https://app.pagerduty.com/install/integration?app_id={THOUSANDEYES.id}&version=2&redirect_url="
CONNECT = f"https://connect.pagerduty.com/connect?vendor={THOUSANDEYES.connect_key}&callback="
FOREIGN = "https://tool.example.com/back"


def at_the_page(town: Town, url: str = INSTALL + quote(BACK, safe=""), user: str = accounts.ALICE.id) -> Visitor:
    """Return somebody who has signed in and sees the services."""
    visitor = town.visitor()
    visitor.open(url)
    visitor.sign_in(user)
    return visitor


def config(visitor: Visitor) -> Any:
    """Return the document the browser was sent back with."""
    return json.loads(query(visitor.trail[-1])["config"])


def test_several_services_go_back_with_a_key_each() -> None:
    """The keys are the integrations' own, made for the app's vendor; the account is named beside them."""
    town = Town()
    visitor = at_the_page(town)
    visitor.fill(BACK, form="service", service=[SHOP, accounts.SERVICE], action="connect")
    document = config(visitor)
    keys = [entry.pop("integration_key") for entry in document["integration_keys"]]
    assert document == {
        "integration_keys": [
            {"name": "Shop", "id": SHOP, "type": "service"},
            {"name": "Network", "id": accounts.SERVICE, "type": "service"},
        ],
        "account": {"subdomain": "example", "name": "Example"},
    }
    assert all(re.fullmatch(r"[0-9a-f]{32}", key) for key in keys)
    for key, service in zip(keys, (SHOP, accounts.SERVICE), strict=True):
        (made,) = town.world.view.find(DOCUMENTS["integrations"], "routing_key", key)
        assert (made.parent, made.body["name"], made.body["vendor"]["id"]) == (service, "ThousandEyes", "PVEND01")
    assert "ThousandEyes is connected with Shop, Network" in timeline.as_text(timeline.lines(town.world))


def test_every_key_takes_events() -> None:
    """What comes back is used as a routing key, and the incident is the service's."""
    town = Town()
    visitor = at_the_page(town)
    visitor.fill(BACK, form="service", service=[SHOP], action="connect")
    (entry,) = config(visitor)["integration_keys"]
    event = {
        "routing_key": entry["integration_key"],
        "event_action": "trigger",
        "payload": {"summary": "down", "source": "shop", "severity": "critical"},
    }
    assert town.ask("POST", "https://events.pagerduty.com/v2/enqueue", event).status_code == 202
    town.world.advance("1s")
    headers = {"Authorization": f"Token token={accounts.API_KEY}"}
    (incident,) = town.ask("GET", "https://api.pagerduty.com/incidents", None, **headers).json()["incidents"]
    assert incident["service"]["id"] == SHOP


def test_parameters_and_fragment_of_the_redirect_url_are_kept() -> None:
    """The vendor's own state comes back in front of the configuration."""
    visitor = at_the_page(Town(), INSTALL + quote(f"{BACK}?state=a%26b&aid=7#here", safe=""))
    visitor.fill(BACK, form="service", service=[SHOP], action="connect")
    parts = urlsplit(visitor.trail[-1])
    assert parts.query.startswith("state=a%26b&aid=7&config=%7B")
    assert parts.fragment == "here"


def test_a_service_without_alerts_is_shown_and_cannot_be_picked() -> None:
    """The page gives the reason; a form sent all the same is answered with it and makes nothing."""
    town = Town()
    before = town.world.view.count(DOCUMENTS["integrations"])
    visitor = at_the_page(town)
    assert visitor.offered("service") == {MAIL_ONLY: False, accounts.SERVICE: True, SHOP: True}
    assert "creates incidents without alerts" in visitor.page.text
    page = visitor.fill(form="service", service=[SHOP, MAIL_ONLY], action="connect")
    assert page.status_code == 400
    assert "Mail cannot be picked" in page.text
    assert town.world.view.count(DOCUMENTS["integrations"]) == before


@pytest.mark.parametrize("install_offers_all", [False, True])
def test_offering_every_service_is_a_knob(install_offers_all: bool) -> None:
    """Then a service without alerts goes back without a key, saying what it creates."""
    visitor = at_the_page(Town(install_offers_all=install_offers_all))
    assert visitor.offered("service")[MAIL_ONLY] is install_offers_all
    visitor.fill(BACK, form="service", service=[MAIL_ONLY], action="connect")
    if install_offers_all:
        (entry,) = config(visitor)["integration_keys"]
        assert (entry["integration_key"], entry["alert_creation"]) == (None, "create_incidents")


@pytest.mark.parametrize("install_capital_name", [False, True])
def test_how_the_account_is_named_is_a_knob(install_capital_name: bool) -> None:
    """The vendor's sample writes the name with a capital, unlike everything else."""
    visitor = at_the_page(Town(install_capital_name=install_capital_name))
    visitor.fill(BACK, form="service", service=[SHOP], action="connect")
    assert ("Name" in config(visitor)["account"]) is install_capital_name


def test_a_new_service_can_be_made_on_the_way() -> None:
    """It has the policy that was chosen, creates alerts, and goes back like the others."""
    town = Town()
    visitor = at_the_page(town)
    fields = {"service": [SHOP], "new_service": "  Edge   routers ", "policy": accounts.POLICY}
    visitor.fill(BACK, form="service", action="connect", **fields)
    assert [entry["name"] for entry in config(visitor)["integration_keys"]] == ["Shop", "Edge routers"]
    (made,) = town.world.view.find(DOCUMENTS["services"], "name", "Edge routers")
    assert made.body["escalation_policy"]["id"] == accounts.POLICY
    assert made.body["alert_creation"] == "create_alerts_and_incidents"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "Pick a service, or name a new one."),
        ({"service": ["PNOBODY"]}, "The account has no service PNOBODY."),
        ({"new_service": "shop", "policy": accounts.POLICY}, "Name has already been taken"),
        ({"new_service": "Edge", "policy": "PNOBODY"}, "Escalation Policy Not Found"),
        ({"new_service": "x" * 256, "policy": accounts.POLICY}, "Name is too long"),
    ],
)
def test_what_cannot_be_made_is_said_on_the_page(fields: dict[str, Any], said: str) -> None:
    """The page comes back with the reason, and nothing was made."""
    town = Town()
    count = {kind: town.world.view.count(table) for kind, table in DOCUMENTS.items()}
    page = at_the_page(town).fill(form="service", action="connect", **fields)
    assert page.status_code in (400, 404)
    assert said in page.text
    assert {kind: town.world.view.count(table) for kind, table in DOCUMENTS.items()} == count


@pytest.mark.parametrize("signed_in", [False, True])
def test_cancelling_goes_back_without_a_key(signed_in: bool) -> None:
    """Before signing in or after, the browser returns with an error and nothing was made."""
    town = Town()
    before = town.world.view.count(DOCUMENTS["integrations"])
    visitor = town.visitor()
    visitor.open(INSTALL + quote(f"{BACK}?state=s", safe=""))
    if signed_in:
        visitor.sign_in(accounts.ALICE.email)
    visitor.fill(BACK, form="/install", action="cancel")
    assert visitor.trail[-1] == f"{BACK}?state=s&error=cancelled"
    assert town.world.view.count(DOCUMENTS["integrations"]) == before


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (f"https://app.pagerduty.com/install/integration?app_id=PNONE&redirect_url={BACK}", "No app is registered"),
        ("https://app.pagerduty.com/install/integration", "No app is registered"),
        (INSTALL + quote(FOREIGN, safe=""), "not registered"),
        (INSTALL + quote(f"{BACK}/elsewhere", safe=""), "not registered"),
        (INSTALL + "javascript:alert(1)", "not registered"),
        (CONNECT.replace("7e5a", "0000") + FOREIGN, "no vendor with this key"),
        (CONNECT + "ftp://tool.example.com", "must be a web address"),
        (CONNECT + "data:text/html,hello", "must be a web address"),
    ],
)
def test_a_browser_is_never_sent_where_nobody_registered(url: str, said: str) -> None:
    """An unknown app or place is a page of its own, asked for as well as sent."""
    town = Town()
    visitor = town.visitor()
    for page in (visitor.open(url), visitor.http.post(url, data={"action": "cancel"})):
        assert page.status_code == 400
        assert said in page.text
    assert visitor.trail == []


def test_an_app_is_registered_and_changed_over_the_control_plane() -> None:
    """Its redirect URLs are the ones that count; the answer names its keys and where its flows begin."""
    town = Town()
    wish = {"name": "Tool", "redirects": [FOREIGN], "scopes": ["incidents.read"]}
    app = town.ask("POST", "https://app.pagerduty.com/_sim/apps", wish).json()["app"]
    assert (app["scoped"], app["name"], len(app["connect_key"])) == (True, "Tool", 20)
    visitor = at_the_page(town, f"{app['install_url']}&redirect_uri={FOREIGN}")
    visitor.fill(FOREIGN, form="service", service=[SHOP], action="connect")
    assert [entry["id"] for entry in config(visitor)["integration_keys"]] == [SHOP]
    moved = wish | {"id": app["id"], "redirects": ["https://tool.example.com/moved"]}
    changed = town.ask("POST", "https://api.pagerduty.com/_sim/apps", moved).json()["app"]
    assert changed | {"redirects": [FOREIGN]} == app
    assert town.visitor().open(f"{app['install_url']}&redirect_uri={FOREIGN}").status_code == 400
    listed = town.ask("GET", "https://api.pagerduty.com/_sim/apps").json()["apps"]
    assert [row["id"] for row in listed] == [THOUSANDEYES.id, app["id"]]


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("http://tool.example.com:9000/back", 200),
        ("http://tool.example.com:9000/back?x=1#y", 200),
        ("https://tool.example.com/back", 400),
        ("http://tool.example.com/back", 400),
        ("http://tool.example.com:9000/back/", 400),
        ("http://tool.example.com:9000@evil.example/back", 400),
        ("http://tool.example.com.evil.example:9000/back", 400),
    ],
)
def test_scheme_host_port_and_path_are_the_registered_ones(url: str, status: int) -> None:
    """Only the query and the fragment are free."""
    town = Town()
    app = town.do(oauth.register, "Tool", ["http://tool.example.com:9000/back"])
    asked = f"https://app.pagerduty.com/install/integration?app_id={app.id}&redirect_url={quote(url, safe='')}"
    assert town.visitor().open(asked).status_code == status


@pytest.mark.parametrize(
    ("path", "wish", "status"),
    [
        ("apps", {"name": "Tool"}, 400),
        ("apps", {"name": "Tool", "redirects": ["nowhere"]}, 400),
        ("apps", {"redirects": [FOREIGN]}, 400),
        ("apps", {"name": "Tool", "redirects": [FOREIGN], "colour": "red"}, 400),
        ("apps", [], 400),
        ("apps/PNONE/install", {}, 404),
        (f"apps/{THOUSANDEYES.id}/install", {"services": [MAIL_ONLY]}, 400),
        (f"apps/{THOUSANDEYES.id}/install", {"services": "Shop"}, 400),
        (f"apps/{THOUSANDEYES.id}/install", {"services": ["Shop"], "redirect": FOREIGN}, 400),
        (f"apps/{THOUSANDEYES.id}/install", {"services": ["Shop"], "user": "nobody"}, 404),
    ],
)
def test_a_wish_that_cannot_be_read_is_answered_in_one_line(path: str, wish: Any, status: int) -> None:
    """With the control plane's own statuses."""
    answer = Town().ask("POST", f"https://api.pagerduty.com/_sim/{path}", wish)
    assert answer.status_code == status
    assert "error" in answer.text


def test_the_flow_in_one_step() -> None:
    """The control plane does what somebody would do on the page, by the services' names."""
    town = Town()
    wish = {"services": ["Shop", "Network"], "user": "alice"}
    path = f"https://api.pagerduty.com/_sim/apps/{THOUSANDEYES.id}/install"
    answer = town.ask("POST", path, wish)
    assert answer.status_code == 201
    document = json.loads(answer.json()["config"])
    assert [entry["name"] for entry in document["integration_keys"]] == ["Shop", "Network"]
    assert answer.json()["location"].startswith(f"{BACK}?config=")


@pytest.mark.parametrize("role", ["observer", "limited_user", "read_only_user"])
def test_who_may_not_change_services_may_not_install(role: str) -> None:
    """The page says so, and so does the answer to a form sent all the same."""
    made = services()
    made["users"][0]["role"] = role
    town = Town(made)
    visitor = at_the_page(town)
    assert visitor.page.status_code == 403
    assert "not change them" in visitor.page.text
    assert visitor.fill(form="/install", service=[SHOP], action="connect").status_code == 403
    assert town.told("connect.installed") == []


def test_a_form_of_another_browser_is_refused() -> None:
    """A page from elsewhere can post neither with a token of its own nor without a cookie."""
    town = Town()
    alice, stranger = at_the_page(town), at_the_page(town)
    url = INSTALL + quote(BACK, safe="")
    token = re.search(r'name="form_token" value="([0-9a-f]+)"', stranger.page.text)
    assert token is not None
    wish = {"service": SHOP, "action": "connect", "form_token": token[1]}
    assert alice.http.post(url, data=wish).status_code == 403
    assert alice.http.post(url, data={"service": SHOP, "action": "connect"}).status_code == 403
    assert town.visitor().http.post(url, data=wish).status_code == 403
    assert town.told("connect.installed") == []
    assert stranger.http.post(url, data=wish).status_code == 303


def test_a_session_ends_by_signing_out_or_after_twelve_hours() -> None:
    """Then the page asks who is there again; signing in gives the browser another name."""
    town = Town()
    visitor = town.visitor()
    visitor.open(INSTALL + quote(BACK, safe=""))
    before = visitor.http.cookies["pagedrill_pagerduty"]
    visitor.sign_in(accounts.BOB.id)
    assert visitor.http.cookies["pagedrill_pagerduty"] != before
    assert "bob" in visitor.page.text
    town.world.advance("12h")
    assert "Sign in" in visitor.open(INSTALL + quote(BACK, safe="")).text
    visitor.sign_in(accounts.BOB.id)
    token = re.search(r'name="form_token" value="([0-9a-f]+)"', visitor.page.text)
    assert token is not None
    visitor.http.post("https://app.pagerduty.com/logout", data={"form_token": token[1], "next": "/x"})
    assert "Sign in" in visitor.open(INSTALL + quote(BACK, safe="")).text


@pytest.mark.parametrize("back", ["//evil.example", "https://evil.example", "/\\evil.example", "", "/a\nb"])
def test_signing_in_leads_nowhere_else(back: str) -> None:
    """The way back is a path of the same host."""
    visitor = Town().visitor()
    visitor.open(INSTALL + quote(BACK, safe=""))
    assert visitor.send("/login", {"user": accounts.ALICE.id, "next": back}).status_code == 400


def test_an_unknown_user_is_not_signed_in() -> None:
    """The page comes back and says so."""
    visitor = Town().visitor()
    visitor.open(INSTALL + quote(BACK, safe=""))
    page = visitor.sign_in("mallory@example.com")
    assert page.status_code == 401
    assert "no such user" in page.text


def test_pages_run_no_scripts_and_lead_where_they_say() -> None:
    """No frames, no scripts; forms lead home and to the place the browser goes back to."""
    visitor = at_the_page(Town())
    policy = visitor.page.headers["Content-Security-Policy"]
    assert "form-action 'self' https://app.thousandeyes.com" in policy
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "<script" not in visitor.page.text


def test_names_are_shown_as_text() -> None:
    """A service cannot put markup on the page."""
    made = services()
    made["services"][1]["name"] = "<b onclick=alert(1)>Shop</b>"
    page = at_the_page(Town(made)).page.text
    assert "<b onclick" not in page
    assert "&lt;b onclick" in page


@pytest.mark.parametrize(
    ("host", "path"),
    [("app", "/install/integration"), ("identity", "/oauth/authorize"), ("connect", "/connect")],
)
def test_the_first_page_of_a_host_names_its_flow_and_the_apps(host: str, path: str) -> None:
    """Ids and redirect URLs to begin with, no secrets."""
    page = Town().visitor().open(f"https://{host}.pagerduty.com/")
    assert page.status_code == 200
    assert f"to {path}." in page.text
    assert THOUSANDEYES.client_id in page.text
    assert THOUSANDEYES.secret not in page.text


def test_the_accounts_own_host_has_the_install_page_too() -> None:
    """Beside the pages that links lead to, with a login of its own."""
    visitor = at_the_page(Town(), (INSTALL + quote(BACK, safe="")).replace("//app.", "//example."))
    visitor.fill(BACK, form="service", service=[SHOP], action="connect")
    assert [entry["id"] for entry in config(visitor)["integration_keys"]] == [SHOP]


# -- classic connect ---------------------------------------------------------------------------------------------------


def test_classic_connect_goes_back_with_one_key() -> None:
    """Account, key and name of the service, after whatever the callback had of its own."""
    town = Town()
    visitor = at_the_page(town, CONNECT + quote(f"{FOREIGN}?state=s", safe=""))
    visitor.fill(FOREIGN, form="service", service=SHOP, action="connect")
    told = query(visitor.trail[-1])
    key = told.pop("service_key")
    assert told == {"state": "s", "account": "example", "service_name": "Shop"}
    (made,) = town.world.view.find(DOCUMENTS["integrations"], "routing_key", key)
    assert made.parent == SHOP


def test_classic_connect_is_about_one_service() -> None:
    """Two are refused, one and a new one too; cancelling goes back with an error."""
    town = Town()
    visitor = at_the_page(town, CONNECT + quote(FOREIGN, safe=""))
    page = visitor.fill(form="service", service=[SHOP, accounts.SERVICE], action="connect")
    assert "Pick one service only." in page.text
    page = visitor.fill(form="service", service=SHOP, new_service="Edge", policy=accounts.POLICY, action="connect")
    assert "Pick one service only." in page.text
    assert town.told("connect.installed") == []
    visitor.fill(FOREIGN, form="service", action="cancel")
    assert visitor.trail[-1] == f"{FOREIGN}?error=cancelled"


def test_hostile_urls_are_no_places() -> None:
    """Neither scripts nor lines nor broken addresses."""
    hostile = [
        "",
        "x",
        "//x",
        "http://",
        "javascript:alert(1)",
        "data:,x",
        "http://[x",
        "http://a:b",
        "http://a\r\nb: c",
    ]
    assert [url for url in hostile if absolute(url) is not None] == []


def test_presets_give_way_to_apps_of_their_id() -> None:
    """Registering under a preset's id changes it and keeps its keys."""
    town = Town()
    app = town.do(oauth.register, "ThousandEyes", [FOREIGN], id=THOUSANDEYES.id)
    assert app.client_id == THOUSANDEYES.client_id
    assert oauth.find(town.world.view, connect_key=THOUSANDEYES.connect_key) == app
