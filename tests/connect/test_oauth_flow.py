"""OAuth at identity.pagerduty.com, and what tokens may do: by hand, and with the vendor's own client, unmodified."""

from __future__ import annotations

import base64
import hashlib
import json
import types
from typing import Any
from urllib.parse import urlencode

import httpx
import httpx2
import pytest
from pagerduty import HttpError, OAuthTokenClient, RestApiV2Client
from visitor import Town, Visitor, query

from scenarios import accounts
from simulators.engine import instants
from simulators.pagerduty import oauth, scopes
from simulators.pagerduty.api import API_HOST, IDENTITY_HOST, rest, sites
from simulators.pagerduty.connect import SESSIONS
from simulators.pagerduty.model import API_KEYS, Region
from simulators.pagerduty.oauth import App

BACK = "https://tool.example.com/back"
AUTHORIZE, TOKEN = f"https://{IDENTITY_HOST}/oauth/authorize", f"https://{IDENTITY_HOST}/oauth/token"
VERIFIER = "a-verifier-nobody-guesses-0123456789abcdefghij"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
SCOPES = ("incidents.read", "services.read", "services.write", "users.read")


def classic(town: Town) -> App:
    """Register an app with classic OAuth."""
    app: App = town.do(oauth.register, "Tool", [BACK])
    return app


def scoped(town: Town) -> App:
    """Register an app with scoped OAuth."""
    app: App = town.do(oauth.register, "Tool", [BACK], scopes=SCOPES)
    return app


def authorize_url(app: App, **changes: str) -> str:
    """Return where the flow begins; an empty change leaves a parameter out."""
    asked = {"client_id": app.client_id, "redirect_uri": BACK, "response_type": "code", "scope": "write"}
    if app.scoped:
        asked |= {"code_challenge": CHALLENGE, "code_challenge_method": "S256", "scope": "incidents.read"}
    return f"{AUTHORIZE}?{urlencode({name: value for name, value in (asked | changes).items() if value})}"


def consented(town: Town, url: str) -> dict[str, str]:
    """Sign in as Alice, allow what is asked, and return what the app is told."""
    visitor = town.visitor()
    visitor.open(url)
    visitor.sign_in(accounts.ALICE.id)
    visitor.fill(BACK, action="allow")
    return query(visitor.trail[-1])


def fetch(town: Town, app: App, **changes: str) -> httpx.Response:
    """Ask for a token; an empty change leaves a parameter out."""
    form = {"client_id": app.client_id, "client_secret": app.secret, "redirect_uri": BACK} | changes
    body = {name: value for name, value in form.items() if value}
    return town.world.client.post(TOKEN, data=body)


def exchange(town: Town, app: App, granted: str, **changes: str) -> httpx.Response:
    """Exchange a code; scoped apps prove themselves by the verifier, too."""
    proof = {"code_verifier": VERIFIER} if app.scoped else {}
    return fetch(town, app, **{"grant_type": "authorization_code", "code": granted, **proof, **changes})


def ask(town: Town, token: str, path: str = "/incidents", method: str = "GET", body: Any = None) -> httpx.Response:
    """Use a token."""
    return town.ask(method, f"https://{API_HOST}{path}", body, Authorization=f"Bearer {token}")


def test_a_user_consents_and_the_app_acts_as_that_user() -> None:
    """The page names the app and its scopes; the token works as Alice, without a From header."""
    town = Town()
    app = classic(town)
    visitor = town.visitor()
    visitor.open(authorize_url(app, state="s 1"))
    assert "Sign in to continue to Tool" in visitor.page.text
    visitor.sign_in(accounts.ALICE.id)
    assert "<code>write</code>" in visitor.page.text
    visitor.fill(BACK, action="allow")
    told = query(visitor.trail[-1])
    assert (sorted(told), told["state"]) == (["code", "state"], "s 1")
    answer = exchange(town, app, told["code"])
    found = answer.json()
    assert answer.headers["Cache-Control"] == "no-store"
    assert sorted(found) == [
        "access_token",
        "client_info",
        "expires_in",
        "id_token",
        "refresh_token",
        "scope",
        "token_type",
    ]
    assert (found["token_type"], found["scope"], found["expires_in"]) == ("bearer", "openid write", 2_592_000)
    assert found["access_token"].startswith("pdus+_0")
    assert found["refresh_token"].startswith("pdus+_1")
    assert ask(town, found["access_token"], "/users/me").json()["user"]["id"] == accounts.ALICE.id
    incident = {
        "type": "incident",
        "title": "by hand",
        "service": {"id": accounts.SERVICE, "type": "service_reference"},
    }
    assert ask(town, found["access_token"], method="POST", body={"incident": incident}).status_code == 201


def test_the_identity_token_says_who_consented() -> None:
    """It is signed, names the user, the app and the account, and is good for an hour."""
    town = Town()
    app = classic(town)
    found = exchange(town, app, consented(town, authorize_url(app))["code"]).json()
    claims = json.loads(base64.urlsafe_b64decode(found["id_token"].split(".")[1] + "=="))
    assert (claims["sub"], claims["azp"], claims["subdomain"]) == (accounts.ALICE.id, app.client_id, "example")
    assert claims["aud"] == ["https://api.pagerduty.com", app.client_id]
    assert claims["exp"] - claims["iat"] == 3600


def test_denying_is_told_to_the_app() -> None:
    """In the vendor's words, with the app's own state, whether somebody signed in or not."""
    town = Town()
    app = classic(town)
    visitor = town.visitor()
    visitor.open(authorize_url(app, state="s"))
    visitor.fill(BACK, form="/oauth", action="cancel")
    assert query(visitor.trail[-1]) == {
        "error": "access_denied",
        "error_description": "The resource owner or authorization server denied the request.",
        "state": "s",
    }


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"client_id": "nobody"}, "no client"),
        ({"redirect_uri": f"{BACK}/x"}, "not registered"),
        ({"redirect_uri": ""}, "not"),
    ],
)
def test_an_unknown_client_or_place_ends_on_a_page(changes: dict[str, str], said: str) -> None:
    """Nobody is redirected anywhere."""
    town = Town()
    page = town.visitor().open(authorize_url(classic(town), **changes))
    assert page.status_code == 400
    assert said in page.text


@pytest.mark.parametrize(
    ("scopes", "changes", "error"),
    [
        (oauth.CLASSIC, {"response_type": "token"}, "unsupported_response_type"),
        (oauth.CLASSIC, {"response_type": ""}, "unsupported_response_type"),
        (oauth.CLASSIC, {"code_challenge": CHALLENGE, "code_challenge_method": "plain"}, "invalid_request"),
        (oauth.CLASSIC, {"code_challenge": "short", "code_challenge_method": "S256"}, "invalid_request"),
        (SCOPES, {"code_challenge": "", "code_challenge_method": ""}, "invalid_request"),
    ],
)
def test_other_faults_of_a_request_are_told_to_the_app(
    scopes: tuple[str, ...], changes: dict[str, str], error: str
) -> None:
    """At once, by the redirect; scoped apps have to use PKCE."""
    town = Town()
    app = town.do(oauth.register, "Tool", [BACK], scopes=scopes)
    visitor = town.visitor()
    visitor.open(authorize_url(app, state="s", **changes), BACK)
    told = query(visitor.trail[-1])
    assert (told["error"], told["state"]) == (error, "s")


def test_scopes_that_do_not_exist_are_left_out_without_a_word() -> None:
    """Only openid is left, and with it nothing can be read."""
    town = Town()
    app = classic(town)
    found = exchange(town, app, consented(town, authorize_url(app, scope="Read everything"))["code"]).json()
    assert found["scope"] == "openid"
    assert ask(town, found["access_token"]).status_code == 403


def test_a_code_lives_thirty_seconds_and_once() -> None:
    """Afterwards it is an invalid grant; at the last moment it is good."""
    town = Town()
    app = classic(town)
    late = consented(town, authorize_url(app))["code"]
    town.world.advance("30s")
    assert exchange(town, app, late).json()["error"] == "invalid_grant"
    good = consented(town, authorize_url(app))["code"]
    town.world.advance(30 * instants.SECOND - 1)
    assert exchange(town, app, good).status_code == 200
    answer = exchange(town, app, good)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": ""}, 400, "invalid_request"),
        ({"code": ""}, 400, "invalid_request"),
        ({"code": "x"}, 400, "invalid_grant"),
        ({"redirect_uri": f"{BACK}/x"}, 400, "invalid_grant"),
        ({"redirect_uri": ""}, 400, "invalid_request"),
        ({"client_id": ""}, 400, "invalid_request"),
        ({"client_id": "nobody"}, 401, "invalid_client"),
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_secret": "wröng"}, 401, "invalid_client"),
        ({"code_verifier": VERIFIER}, 400, "invalid_grant"),
        ({"client_secret": ""}, 400, "invalid_grant"),
    ],
)
def test_a_bad_request_for_a_token_is_refused_in_the_words_of_oauth(
    changes: dict[str, str], status: int, error: str
) -> None:
    """And the code is still good afterwards."""
    town = Town()
    app = classic(town)
    code = consented(town, authorize_url(app))["code"]
    answer = exchange(town, app, code, **changes)
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert answer.headers["Content-Type"] == "application/json"
    assert exchange(town, app, code).status_code == 200


@pytest.mark.parametrize(("secret", "status"), [("", 200), ("x", 401)])
def test_credentials_may_come_by_http_basic(secret: str, status: int) -> None:
    """As libraries for OAuth send them when nobody says otherwise."""
    town = Town()
    app = scoped(town)
    form = {"grant_type": "client_credentials", "scope": "as_account-us.example users.read"}
    answer = town.world.client.post(TOKEN, data=form, auth=(app.client_id, secret or app.secret))
    assert answer.status_code == status


def test_what_cannot_keep_a_secret_proves_itself() -> None:
    """A classic app without its secret is given a token for the verifier that belongs to the challenge."""
    town = Town()
    app = classic(town)
    proof = {"code_challenge": CHALLENGE, "code_challenge_method": "S256"}
    code = consented(town, authorize_url(app, **proof))["code"]
    assert exchange(town, app, code, client_secret="").json()["error"] == "invalid_grant"
    assert exchange(town, app, code, client_secret="", code_verifier="x" * 43).json()["error"] == "invalid_grant"
    assert exchange(town, app, code, client_secret="", code_verifier=VERIFIER).status_code == 200


def test_scoped_apps_need_their_secret_and_the_proof() -> None:
    """One of them is not enough."""
    town = Town()
    app = scoped(town)
    code = consented(town, authorize_url(app, scope=" ".join(SCOPES)))["code"]
    assert exchange(town, app, code, client_secret="").json()["error"] == "invalid_client"
    assert exchange(town, app, code, code_verifier="").json()["error"] == "invalid_grant"
    found = exchange(town, app, code).json()
    assert (found["scope"], found["expires_in"]) == (" ".join(("openid", *SCOPES)), 86_400)


def test_a_token_ends_on_virtual_time_and_is_refreshed() -> None:
    """Thirty days for classic apps; a refresh brings both tokens anew, without an identity token."""
    town = Town()
    app = classic(town)
    found = exchange(town, app, consented(town, authorize_url(app))["code"]).json()
    town.world.advance("719h")
    assert ask(town, found["access_token"]).status_code == 200
    town.world.advance("1h")
    answer = ask(town, found["access_token"])
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, 2006)
    refreshed = fetch(town, app, grant_type="refresh_token", refresh_token=found["refresh_token"]).json()
    assert sorted(refreshed) == ["access_token", "expires_in", "refresh_token", "scope", "token_type"]
    assert refreshed["scope"] == found["scope"]
    assert ask(town, refreshed["access_token"], "/users/me").json()["user"]["id"] == accounts.ALICE.id


def test_a_refresh_token_ends_too() -> None:
    """After 210 days unused, or three years after the consent however often it was used."""
    town = Town()
    app = classic(town)
    code = consented(town, authorize_url(app))["code"]
    first = exchange(town, app, code).json()["refresh_token"]
    began = town.world.now
    for _ in range(5):
        town.world.advance("5000h")
        first = fetch(town, app, grant_type="refresh_token", refresh_token=first).json()["refresh_token"]
    town.world.advance_to(began + 3 * 365 * oauth.DAY)
    assert fetch(town, app, grant_type="refresh_token", refresh_token=first).json()["error"] == "invalid_grant"
    unused = exchange(town, app, consented(town, authorize_url(app))["code"]).json()["refresh_token"]
    town.world.advance("5040h")
    assert fetch(town, app, grant_type="refresh_token", refresh_token=unused).json()["error"] == "invalid_grant"


@pytest.mark.parametrize("refresh_once", [True, False])
def test_using_a_refresh_token_twice_is_a_knob(refresh_once: bool) -> None:
    """By default the first use spends it."""
    town = Town(refresh_once=refresh_once)
    app = classic(town)
    token = exchange(town, app, consented(town, authorize_url(app))["code"]).json()["refresh_token"]
    statuses = [fetch(town, app, grant_type="refresh_token", refresh_token=token).status_code for _ in range(2)]
    assert statuses == [200, 400 if refresh_once else 200]


def test_refreshing_takes_the_secret_and_the_apps_own_token() -> None:
    """Neither without credentials nor with another app's."""
    town = Town()
    app = classic(town)
    other = town.do(oauth.register, "Other", [BACK])
    token = exchange(town, app, consented(town, authorize_url(app))["code"]).json()["refresh_token"]
    wish = {"grant_type": "refresh_token", "refresh_token": token}
    assert fetch(town, app, **wish, client_secret="").json()["error"] == "invalid_client"
    assert fetch(town, other, **wish).json()["error"] == "invalid_grant"


def test_a_read_token_does_not_write() -> None:
    """403, with what would be needed and what the token has."""
    town = Town()
    app = classic(town)
    token = exchange(town, app, consented(town, authorize_url(app, scope="read"))["code"]).json()["access_token"]
    assert ask(town, token, "/services").status_code == 200
    answer = ask(town, token, f"/services/{accounts.SERVICE}", "PUT", {"service": {"name": "Renamed"}})
    assert answer.status_code == 403
    error = answer.json()["error"]
    assert (error["code"], error["required_scopes"], error["token_scopes"]) == (2010, "services.write", "openid read")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/incidents", 200),
        ("GET", "/log_entries", 200),
        ("GET", "/maintenance_windows", 200),
        ("GET", "/users", 200),
        ("GET", f"/users/{accounts.ALICE.id}/contact_methods", 403),
        ("GET", "/schedules", 403),
        ("GET", "/rulesets", 403),
        ("GET", f"/services/{accounts.SERVICE}/audit/records", 403),
        ("PUT", f"/services/{accounts.SERVICE}", 200),
        ("POST", "/incidents", 403),
    ],
)
def test_an_apps_own_token_reaches_what_its_scopes_say(method: str, path: str, status: int) -> None:
    """Reading and writing are scopes of their own, per kind of resource."""
    town = Town()
    app = scoped(town)
    asked = " ".join(("as_account-us.example", *SCOPES))
    found = fetch(town, app, grant_type="client_credentials", scope=asked).json()
    assert (found["scope"], found["expires_in"], "refresh_token" in found) == (asked, 86_400, False)
    body = None if method == "GET" else {"service": {"name": "Renamed"}}
    assert ask(town, found["access_token"], path, method, body).status_code == status


def test_an_apps_own_token_is_nobodys() -> None:
    """It has no user; after a day it ends."""
    town = Town()
    app = scoped(town)
    wish = {"grant_type": "client_credentials", "scope": "as_account-us.example users.read"}
    token = fetch(town, app, **wish).json()["access_token"]
    answer = ask(town, token, "/users/me")
    assert (answer.status_code, "account-level access token" in answer.json()["error"]) == (400, True)
    town.world.advance("24h")
    assert ask(town, token, "/users").status_code == 401


@pytest.mark.parametrize(
    ("scope", "error"),
    [
        ("incidents.read", "invalid_scope"),
        ("as_account-eu.example incidents.read", "invalid_scope"),
        ("as_account-us.elsewhere incidents.read", "invalid_scope"),
        ("as_account-us.example as_account-us.other", "invalid_scope"),
        ("", "invalid_request"),
    ],
)
def test_an_app_names_the_account_it_acts_on(scope: str, error: str) -> None:
    """By region and subdomain, and no other account than this one."""
    town = Town()
    answer = fetch(town, scoped(town), grant_type="client_credentials", scope=scope)
    assert (answer.status_code, answer.json()["error"]) == (400, error)


def test_an_app_with_classic_oauth_cannot_act_as_itself() -> None:
    """It is always somebody."""
    town = Town()
    answer = fetch(town, classic(town), grant_type="client_credentials", scope="as_account-us.example read")
    assert answer.json()["error"] == "unauthorized_client"


@pytest.mark.parametrize("region", list(Region))
def test_the_region_of_the_account_is_a_knob(region: Region) -> None:
    """Tokens begin with it and app tokens are asked for in it."""
    town = Town(region=region)
    wish = {"grant_type": "client_credentials", "scope": f"as_account-{region}.example users.read"}
    found = fetch(town, scoped(town), **wish).json()
    assert found["access_token"].startswith(f"pd{region}+_0")


def test_revoking_ends_every_token_of_an_app() -> None:
    """And of no other; what was not fetched yet is gone, too."""
    town = Town()
    app, other = classic(town), town.do(oauth.register, "Other", [BACK])
    mine = exchange(town, app, consented(town, authorize_url(app))["code"]).json()
    theirs = exchange(town, other, consented(town, authorize_url(other))["code"]).json()
    waiting = consented(town, authorize_url(app))["code"]
    answer = town.ask("DELETE", f"https://{IDENTITY_HOST}/_sim/apps/{app.id}/tokens")
    assert answer.json() == {"revoked": 1}
    assert ask(town, mine["access_token"]).status_code == 401
    assert ask(town, theirs["access_token"]).status_code == 200
    wish = {"grant_type": "refresh_token", "refresh_token": mine["refresh_token"]}
    assert fetch(town, app, **wish).json()["error"] == "invalid_grant"
    assert exchange(town, app, waiting).json()["error"] == "invalid_grant"


def test_what_has_ended_is_forgotten() -> None:
    """Codes nobody fetched, tokens and refresh tokens do not pile up; the account's own keys stay."""
    town = Town()
    app = classic(town)
    consented(town, authorize_url(app))
    exchange(town, app, consented(town, authorize_url(app))["code"])
    town.world.advance("5040h")
    consented(town, authorize_url(app))
    view = town.world.view
    assert [view.count(table) for table in (oauth.GRANTS, oauth.REFRESHES)] == [1, 0]
    assert [key.id for key in view.all(API_KEYS)] == [accounts.API_KEY]
    assert view.count(SESSIONS) == 1


def test_consent_in_one_step() -> None:
    """The control plane gives a code without a page, by the same rules."""
    town = Town()
    app = scoped(town)
    path = f"https://{API_HOST}/_sim/apps/{app.id}/authorize"
    assert town.ask("POST", path, {"scope": "users.read"}).status_code == 400
    wish = {"user": "bob", "scope": "users.read", "code_challenge": CHALLENGE}
    code = town.ask("POST", path, wish).json()["code"]
    token = exchange(town, app, code).json()["access_token"]
    assert ask(town, token, "/users/me").json()["user"]["id"] == accounts.BOB.id
    assert town.ask("POST", path, wish | {"redirect": "https://x.example"}).status_code == 400


def test_an_app_may_bring_its_own_id_and_secret() -> None:
    """So that a configuration that exists already needs no change; an id that is taken is refused."""
    town = Town()
    wish = {"name": "Tool", "redirects": [BACK], "scopes": ["users.read"], "client_id": "mine", "client_secret": "shh"}
    path = f"https://{API_HOST}/_sim/apps"
    assert town.ask("POST", path, wish).json()["app"]["client_secret"] == "shh"
    form = {"grant_type": "client_credentials", "scope": "as_account-us.example users.read"}
    form |= {"client_id": "mine", "client_secret": "shh"}
    assert town.world.client.post(TOKEN, data=form).json()["scope"] == "as_account-us.example users.read"
    again = town.ask("POST", path, wish | {"name": "Other"})
    assert (again.status_code, "Tool" in again.json()["error"]) == (400, True)


def test_every_operation_has_a_scope_of_its_kind() -> None:
    """Each is called like its resource, with reading and writing apart."""
    found = {scopes.scope_of(operation.method, operation.path) for operation in rest.operations()}
    assert all(scope.endswith((".read", ".write")) and "{" not in scope for scope in found)
    assert {"users:contact_methods.write", "audit_records.read", "tags.write", "incidents.write"} <= found


def test_the_served_description_names_the_scope_of_every_operation() -> None:
    """As the vendor's API reference does."""
    paths = Town().ask("GET", f"https://{API_HOST}/_sim/openapi.json").json()["paths"]
    assert paths["/maintenance_windows"]["get"]["description"] == "Scoped OAuth requires services.read."
    assert all("Scoped OAuth requires" in row["description"] for path in paths.values() for row in path.values())


# -- the vendor's own client -------------------------------------------------------------------------------------------


class Bench:
    """The world in process, for clients that take a transport."""

    def __init__(self) -> None:
        self.town = Town()
        nothing = types.SimpleNamespace(catch_up=lambda: None, nudge=lambda: None)
        bound = {h: s.bind(self.town.world, nothing.catch_up, nothing.nudge) for h, s in sites().items()}
        self.transports = {host: httpx2.WSGITransport(app=app) for host, app in bound.items()}

    def oauth(self, app: App) -> OAuthTokenClient:
        return OAuthTokenClient(app.secret, app.client_id, transport=self.transports[IDENTITY_HOST])

    def rest(self, token: str) -> RestApiV2Client:
        return RestApiV2Client(token, auth_type="bearer", transport=self.transports[API_HOST])


def test_the_vendors_client_gets_an_app_token_and_uses_it() -> None:
    """Scopes decide what it reads; what they do not say is an error it raises."""
    bench = Bench()
    with bench.oauth(scoped(bench.town)) as client:
        found = client.get_scoped_app_token("as_account-us.example services.read")
    with bench.rest(found["access_token"]) as client:
        assert [service["name"] for service in client.iter_all("services")] == ["Network", "Shop", "Mail"]
        with pytest.raises(HttpError) as failure:
            client.list_all("incidents")
        assert failure.value.response.status_code == 403


def test_the_vendors_client_goes_through_the_code_flow_with_pkce() -> None:
    """Its own URL begins the flow, its own verifier ends it; it refreshes before the token ends."""
    bench = Bench()
    app = scoped(bench.town)
    with bench.oauth(app) as client:
        verifier, challenge = client.generate_s256_pkce_params()
        url = client.authorize_url("users.read", BACK)
        proof = {"code_challenge": challenge, "code_challenge_method": "S256"}
        told = consented(bench.town, f"{url}&{urlencode(proof)}")
        found = client.get_new_token_from_code_with_pkce(told["code"], "users.read", BACK, verifier)
        again = client.get_refreshed_token(found["refresh_token"])
    assert "expiration_date" in found
    with bench.rest(again["access_token"]) as rest_client:
        assert rest_client.rget("users/me")["name"] == "alice"


def test_the_vendors_client_refreshes_by_itself() -> None:
    """A token with less than a day left is refreshed when a REST client is made from it."""
    bench = Bench()
    app = classic(bench.town)
    told = consented(bench.town, authorize_url(app))
    with bench.oauth(app) as client:
        found = client.get_new_token_from_code(told["code"], "write", BACK)
        made, refreshed = client.refresh_client(
            found["access_token"], found["refresh_token"], "2000-01-01T00:00:00+00:00",
            transport=bench.transports[API_HOST],
        )  # fmt: skip
    assert refreshed is not None
    assert refreshed["access_token"] != found["access_token"]
    with made:
        assert made.rget("users/me")["id"] == accounts.ALICE.id


def test_a_plain_key_has_no_scopes() -> None:
    """Keys of the account's own go on as before."""
    town = Town()
    key = town.world.view.need(API_KEYS, accounts.API_KEY)
    assert key.scopes is None
    assert scopes.missing_scope(key, "PUT", "/incidents") == ""


def test_a_visitor_sees_the_consent_of_a_scoped_app() -> None:
    """Every scope is listed; what the app does not have is not."""
    town = Town()
    visitor: Visitor = town.visitor()
    visitor.open(authorize_url(scoped(town), scope="incidents.read schedules.write"))
    visitor.sign_in(accounts.ALICE.id)
    assert "<code>incidents.read</code>" in visitor.page.text
    assert "schedules.write</code>" not in visitor.page.text
