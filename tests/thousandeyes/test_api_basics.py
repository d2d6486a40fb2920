"""What holds for every path of the API: versions, tokens, OAuth, limits, error bodies, dates, and the open points."""

import base64
import hashlib
from typing import Any
from urllib.parse import quote

import pytest
from thousandeyes_account import SHOP, Account

from simulators.engine import instants
from simulators.engine.web import encode_cursor
from simulators.thousandeyes import administration, commands, documents
from simulators.thousandeyes.api import API_HOST
from simulators.thousandeyes.model import USERS

HOST = f"https://{API_HOST}"
#: A cursor of the right shape whose time range has no dates.
NEVER_GIVEN = encode_cursor({"key": [1, "x"], "before": 1, "span": [1, 10**20]})


@pytest.fixture
def here() -> Account:
    return Account()


def _send(here: Account, method: str, path: str, **how: Any) -> Any:
    """Send a request without a token."""
    return here.world.client.request(method, HOST + path, **how)


# -- versions and media ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["v4", "v6", "v8", "v70"])
def test_a_version_there_is_not_is_moved_to_the_one_there_is(here: Account, version: str) -> None:
    """301 to the same path and query of this version, whoever asks."""
    answer = _send(here, "GET", f"/{version}/tests?aid=1001")
    assert (answer.status_code, answer.headers["Location"]) == (301, f"{HOST}/v7/tests?aid=1001")
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    "path", ["/tests", "/v7/tests.json", "/v7/tests.xml", "/v7/nothing", "/v7x/tests", "/", "/v7", "/v7/integrations"]
)
def test_paths_there_are_not_are_not_found(here: Account, path: str) -> None:
    """Paths without a version and the suffixes of older versions among them."""
    answer = _send(here, "GET", path, headers={"Authorization": f"Bearer {here.token}"})
    assert (answer.status_code, answer.json()["title"]) == (404, "URI Resource Not Found")


@pytest.mark.parametrize("accept", ["*/*", "application/xml", "text/html", "application/json", ""])
def test_answers_are_json_whatever_is_accepted(here: Account, accept: str) -> None:
    """The answer's type depends on the operation alone."""
    here.ask("GET", "/tests", headers={"Accept": accept})
    assert here.answer.headers["Content-Type"] == "application/hal+json"
    here.ask("GET", "/tags", headers={"Accept": accept})
    assert here.answer.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(("kind", "status"), [("text/plain", 415), ("application/xml", 415), ("application/json", 201)])
def test_bodies_are_json(here: Account, kind: str, status: int) -> None:
    """Anything else is an unsupported media type, as a problem document."""
    here.ask("POST", "/tests/http-server", SHOP, status=status, headers={"Content-Type": kind})
    assert here.answer.json().get("status") == (status if status == 415 else None)


def test_a_create_can_be_replayed_and_makes_a_second_thing(here: Account) -> None:
    """Nothing recognizes a repeated request."""
    first, second = here.rule(), here.rule()
    assert first != second


def test_the_status_needs_no_token(here: Account) -> None:
    """A timestamp in milliseconds."""
    answer = _send(here, "GET", "/v7/status")
    assert answer.json() == {"timestamp": here.world.now // 1000}


def test_a_failure_of_its_own_is_worded_as_the_area_does(here: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """A problem document, but for tags, which answer in the words of older versions."""

    def fail(*_: object) -> object:
        raise ZeroDivisionError

    monkeypatch.setattr(documents, "all_of", fail)
    problem = here.ask("GET", "/credentials", status=500)
    assert (problem["title"], problem["status"]) == ("Internal server error", 500)
    older = here.ask("GET", "/tags", status=500)
    assert (older["status"], older["errors"], older["path"]) == (500, "Internal Server Error", "/v7/tags")
    assert here.answer.headers["Content-Type"] == "application/json"


# -- dates -------------------------------------------------------------------------------------------------------------

NINE = "2026-03-02T09:00:00Z"


@pytest.mark.parametrize(
    "form",
    ["2026-03-02T09:00:00Z", "2026-03-02T09:00:00", "2026-03-02T09:00:00.000000+0000", "2026-03-02T11:00:00+02:00",
     "2026-03-02T09:00:00.000Z", "2026-03-02 09:00:00", "2026-03-02T09:00Z", "2026-03-02T04:00:00-0500"],
)  # fmt: skip
def test_a_date_is_read_in_every_form_there_is(here: Account, form: str) -> None:
    """With and without offset, colon, fraction and T, all of it UTC where nothing else is said."""
    test = here.test()
    here.world.run_until("10:00")
    shown = here.ask("GET", f"/test-results/{test}/http-server?startDate={quote(form)}")
    assert (shown["startDate"], shown["endDate"]) == (NINE, "2026-03-02T10:00:00Z")
    here.ask("GET", f"/test-results/{test}/http-server?startDate={form}")


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("window=1x", ["window"]),
        ("window=-1d", ["window"]),
        ("window=\u0661m", ["window"]),
        ("startDate=\u0662026-03-02T09:00:00Z", ["startDate"]),
        ("window=", ["window"]),
        ("window=1d&startDate=2026-03-02T09:00:00Z", ["window"]),
        ("window=1d&endDate=2026-03-02T09:00:00Z", ["window"]),
        ("endDate=2026-03-02T09:00:00Z", ["startDate"]),
        ("startDate=today", ["startDate"]),
        ("startDate=2026-03-02T09:00:00Z&endDate=2026-03-02T08:00:00Z", ["startDate"]),
        ("startDate=0001-01-01T00:00:00%2B14:00", ["startDate"]),
        ("startDate=2026-03-02T09:00:00Z&endDate=9999-12-31T23:59:59-12:00", ["endDate"]),
        ("cursor=abc", ["cursor"]),
        (f"cursor={NEVER_GIVEN}", ["cursor"]),
    ],
)
@pytest.mark.parametrize("path", ["/alerts", "/test-results/{test}/network", "/audit-user-events"])
def test_ranges_that_make_no_sense_are_refused_everywhere(
    here: Account, path: str, query: str, fields: list[str]
) -> None:
    """A window excludes dates, an end needs a start, a cursor is one the list gave."""
    assert here.wrong("GET", f"{path.format(test=here.test())}?{query}", None) == fields


@pytest.mark.parametrize(("window", "seconds"), [("90", 90), ("90s", 90), ("2m", 120), ("1h", 3600), ("1w", 604800)])
def test_a_window_reaches_up_to_now(here: Account, window: str, seconds: int) -> None:
    """In seconds, minutes, hours, days or weeks; a range is echoed."""
    test = here.test()
    here.world.run_until("10:00")
    shown = here.ask("GET", f"/test-results/{test}/network?window={window}")
    assert instants.parse(shown["endDate"]) - instants.parse(shown["startDate"]) == seconds * instants.SECOND
    assert instants.parse(shown["endDate"]) == here.world.now


def test_pages_lead_on_and_back(here: Account) -> None:
    """Following the links on and back again gives the same pages; the first has none before it, the last none after."""
    for number in range(6):
        here.rule(here.test(testName=f"t{number}", alertRules=[]), ruleName=f"r{number}")
    here.fails("10:00")
    here.world.run_until("10:10")
    there, back = [], []
    path = "/alerts?max=2"
    while path:
        shown = here.ask("GET", path)
        there.append([alert["id"] for alert in shown["alerts"]])
        path = shown["_links"].get("next", {}).get("href", "").removeprefix(f"{HOST}/v7")
    path = shown["_links"]["previous"]["href"].removeprefix(f"{HOST}/v7")
    while path:
        shown = here.ask("GET", path)
        back.append([alert["id"] for alert in shown["alerts"]])
        path = shown["_links"].get("previous", {}).get("href", "").removeprefix(f"{HOST}/v7")
    assert [len(page) for page in there] == [2, 2, 2]
    assert back == there[-2::-1]


# -- limits ------------------------------------------------------------------------------------------------------------


def _limit(here: Account, name: str = "Organization") -> dict[str, int]:
    found = here.answer.headers
    return {word: int(found[f"X-{name}-Rate-Limit-{word}"]) for word in ("Limit", "Remaining", "Reset")}


@pytest.mark.parametrize(("whole_minutes", "reset"), [(False, 90), (True, 60)])
def test_a_window_begins_with_its_first_request_or_on_the_minute(
    here: Account, whole_minutes: bool, reset: int
) -> None:
    """The reset says when it rolls over; every answer has the headers, refusals too; there is no Retry-After."""
    here.do(commands.set_knobs, rate_limit=3, whole_minutes=whole_minutes)
    here.world.advance("30s")
    start = instants.parse(NINE) // instants.SECOND
    here.ask("GET", "/tests")
    assert _limit(here) == {"Limit": 3, "Remaining": 2, "Reset": start + reset}
    here.ask("POST", "/tests/http-server", {}, status=400)
    assert _limit(here)["Remaining"] == 1
    test = here.ask("POST", "/tests/http-server", SHOP, status=201)["testId"]
    assert _limit(here)["Remaining"] == 0
    refused = here.ask("DELETE", f"/tests/http-server/{test}", status=429)
    assert (refused["title"], _limit(here)["Remaining"]) == ("Exhausted rate limit for the organization", 0)
    assert "Retry-After" not in here.answer.headers
    here.world.advance("29s")
    here.ask("GET", "/tests", status=429)
    here.world.advance("1s")
    here.ask("GET", "/tests", status=200 if whole_minutes else 429)


@pytest.mark.parametrize("instant_rate_limit", [0, 1])
def test_instant_tests_have_a_limit_of_their_own(here: Account, instant_rate_limit: int) -> None:
    """Counted apart, in headers of their own, also for tests that are run again; off unless the knob says so."""
    here.do(commands.set_knobs, rate_limit=100, instant_rate_limit=instant_rate_limit)
    body = {"url": "https://shop.example", "agents": SHOP["agents"]}
    test = here.ask("POST", "/tests/http-server/instant", body, status=201)["testId"]
    here.ask("POST", f"/tests/{test}/run", status=429 if instant_rate_limit else 200)
    if instant_rate_limit:
        assert _limit(here, "Instant-Test")["Limit"] == 1
    else:
        assert "X-Instant-Test-Rate-Limit-Limit" not in here.answer.headers
    here.ask("GET", "/tests")
    assert _limit(here)["Remaining"] == 97
    assert "X-Instant-Test-Rate-Limit-Limit" not in here.answer.headers


@pytest.mark.parametrize("unauthorized_limit", [0, 3])
def test_an_address_that_guesses_is_shut_out_for_an_hour(here: Account, unauthorized_limit: int) -> None:
    """After so many answers 401 within an hour even a good token gets 429; off unless the knob says so."""
    here.do(commands.set_knobs, unauthorized_limit=unauthorized_limit)
    for _ in range(3):
        here.ask("GET", "/tests", status=401, token="guess")
    here.ask("GET", "/tests", status=429 if unauthorized_limit else 401, token="guess")
    here.ask("GET", "/tests", status=429 if unauthorized_limit else 200)
    here.world.advance("1h")
    here.ask("GET", "/tests")


# -- tokens ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header", [None, "", "Basic dTpw", "Bearer", "Bearer  ", "Token te-rehearsal-token", "te-rehearsal-token"]
)
def test_only_a_bearer_token_is_a_login(here: Account, header: str | None) -> None:
    """401 in the words of OAuth; a token in the query is none."""
    headers = {} if header is None else {"Authorization": header}
    answer = _send(here, "GET", f"/v7/tests?access_token={here.token}", headers=headers)
    assert answer.status_code == 401
    assert answer.json() == {"error": "invalid_token", "error_description": "Invalid access token"}


def test_a_token_is_regenerated_while_the_old_one_lives_on(here: Account) -> None:
    """The new one is good for two years, the old one for 14 days, and meanwhile there is no third."""
    made = here.ask("POST", "/api-tokens", status=201)
    assert made["validUntil"] == "2028-03-01T09:00:00Z"
    assert "Location" not in here.answer.headers
    for token in (here.token, made["bearerToken"]):
        here.ask("GET", "/tests", token=token)
        here.ask("POST", "/api-tokens", status=409, token=token)
    here.world.advance("14d")
    here.ask("GET", "/tests", status=401)
    again = here.ask("POST", "/api-tokens", status=201, token=made["bearerToken"])
    here.world.advance("730d")
    here.ask("GET", "/tests", status=401, token=again["bearerToken"])


# -- OAuth -------------------------------------------------------------------------------------------------------------

DEVICE = "urn:ietf:params:oauth:grant-type:device_code"


def _form(here: Account, path: str, status: int = 200, **fields: str) -> dict[str, Any]:
    answer = _send(here, "POST", f"/v7/oauth2/{path}", data=fields)
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


def _client(here: Account, *grants: str) -> str:
    body = {"client_name": "app", "grant_types": list(grants), "redirect_uris": ["https://app.example/back"]}
    return str(_send(here, "POST", "/v7/oauth2/clients", json=body).json()["client_id"])


def _device(here: Account, scope: str) -> tuple[str, dict[str, Any]]:
    client = _client(here, DEVICE, "refresh_token")
    return client, _form(here, "device/authorization", client_id=client, scope=scope)


def _logged_in(here: Account, scope: str) -> tuple[str, dict[str, Any]]:
    client, shown = _device(here, scope)
    here.sim("POST", "/oauth/approve", {"userCode": shown["user_code"]})
    return client, _form(here, "token", grant_type=DEVICE, client_id=client, device_code=shown["device_code"])


def test_the_metadata_names_endpoints_that_answer(here: Account) -> None:
    """Where to register, log in, get tokens, keys and who one is; the authorization page is the vendor's."""
    shown = _send(here, "GET", "/.well-known/oauth-authorization-server").json()
    assert (shown["issuer"], shown["code_challenge_methods_supported"]) == (HOST, ["S256"])
    assert shown["authorization_endpoint"] == "https://app.thousandeyes.com/oauth2/authorize"
    assert {DEVICE, "refresh_token", "authorization_code"} == set(shown["grant_types_supported"])
    assert _send(here, "GET", shown["jwks_uri"].removeprefix(HOST)).json() == {"keys": []}
    for name in ("token_endpoint", "device_authorization_endpoint", "registration_endpoint"):
        assert _send(here, "POST", shown[name].removeprefix(HOST)).status_code in {400, 401}
    assert _send(here, "GET", shown["userinfo_endpoint"].removeprefix(HOST)).status_code == 401
    assert here.ask("GET", "/oauth2/userinfo") == {"sub": "1", "name": "Rehearsal Admin", "email": "admin@example.com"}


def test_a_device_waits_for_a_person_and_then_has_a_token(here: Account) -> None:
    """Pending, too hasty, approved once; refresh tokens change with every use, and access tokens last an hour."""
    client, shown = _device(here, "tests:read offline_access")
    asked = {"grant_type": DEVICE, "client_id": client, "device_code": shown["device_code"]}
    assert _form(here, "token", 400, **asked)["error"] == "authorization_pending"
    here.world.advance("1s")
    assert _form(here, "token", 400, **asked)["error"] == "slow_down"
    here.sim("POST", "/oauth/approve", {"userCode": shown["user_code"], "user": "1"})
    tokens = _form(here, "token", **asked)
    assert (tokens["token_type"], tokens["expires_in"]) == ("Bearer", 3600)
    here.ask("GET", "/tests", token=tokens["access_token"])
    assert _form(here, "token", 400, **asked)["error"] == "invalid_grant"
    renewal = {"grant_type": "refresh_token", "client_id": client, "refresh_token": tokens["refresh_token"]}
    here.world.advance("1h")
    here.ask("GET", "/tests", status=401, token=tokens["access_token"])
    renewed = _form(here, "token", **renewal)
    here.ask("GET", "/tests", token=renewed["access_token"])
    assert _form(here, "token", 400, **renewal)["error"] == "invalid_grant"


def test_a_grant_is_denied_or_grows_old(here: Account) -> None:
    """Ten minutes to decide; what nobody waits for cannot be decided."""
    client, shown = _device(here, "tests:read")
    here.sim("POST", "/oauth/approve", {"userCode": shown["user_code"], "approve": False})
    asked = {"grant_type": DEVICE, "client_id": client, "device_code": shown["device_code"]}
    assert _form(here, "token", 400, **asked)["error"] == "access_denied"
    client, shown = _device(here, "tests:read")
    here.world.advance("10m")
    asked = {"grant_type": DEVICE, "client_id": client, "device_code": shown["device_code"]}
    assert _form(here, "token", 400, **asked)["error"] == "expired_token"
    here.sim("POST", "/oauth/approve", {"userCode": shown["user_code"]}, status=404)


def test_a_browser_proves_that_it_asked(here: Account) -> None:
    """The code is worth something only with the verifier its challenge was made of, and once."""
    client = _client(here, "authorization_code")
    verifier = "a-verifier-that-is-long-enough-to-be-one-0123456789"
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    back = {"client_id": client, "redirect_uri": "https://app.example/back"}
    wish = {**back, "scope": "tags:read", "code_challenge": challenge, "code_challenge_method": "S256"}
    here.sim("POST", "/oauth/authorize", {**wish, "code_challenge_method": "plain"}, status=400)
    code = here.sim("POST", "/oauth/authorize", wish, status=201)["code"]
    asked = {"grant_type": "authorization_code", "code": code, **back}
    assert _form(here, "token", 400, **asked, code_verifier="another")["error"] == "invalid_grant"
    tokens = _form(here, "token", **asked, code_verifier=verifier)
    assert "refresh_token" not in tokens
    here.ask("GET", "/tags", token=tokens["access_token"])


@pytest.mark.parametrize(
    ("fields", "status", "error"),
    [
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": DEVICE, "client_id": "nobody"}, 401, "invalid_client"),
        ({"grant_type": "authorization_code"}, 400, "unauthorized_client"),
        ({"grant_type": "refresh_token", "refresh_token": "x"}, 400, "invalid_grant"),
    ],
)
def test_token_requests_are_refused_in_the_words_of_the_standard(
    here: Account, fields: dict[str, str], status: int, error: str
) -> None:
    """What is unknown, not registered, or no longer good."""
    client = _client(here, DEVICE, "refresh_token")
    assert _form(here, "token", status, **{"client_id": client, **fields})["error"] == error


def test_registration_and_scopes_are_checked(here: Account) -> None:
    """A browser's client needs somewhere to go back to, and scopes are those there are."""
    answer = _send(here, "POST", "/v7/oauth2/clients", json={"grant_types": ["authorization_code"]})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_redirect_uri")
    answer = _send(here, "POST", "/v7/oauth2/clients", json={"grant_types": ["implicit"]})
    assert answer.json()["error"] == "invalid_client_metadata"
    wrong = {"client_id": _client(here, DEVICE), "scope": "everything"}
    assert _form(here, "device/authorization", 400, **wrong)["error"] == "invalid_scope"


def test_a_scope_reaches_as_far_as_it_says(here: Account) -> None:
    """Reading does not include changing, one area not another; API tokens are regenerated by themselves only."""
    _, tokens = _logged_in(here, "tests:read alerts:manage")
    token = tokens["access_token"]
    here.ask("GET", "/tests", token=token)
    here.ask("POST", "/tests/http-server", SHOP, status=403, token=token)
    here.ask("GET", "/alerts/rules", token=token)
    here.ask("GET", "/tags", status=403, token=token)
    here.ask("GET", "/users", status=403, token=token)
    _, all_of_it = _logged_in(here, "organization:manage")
    here.ask("POST", "/api-tokens", status=403, token=all_of_it["access_token"])


def test_an_oauth_client_has_a_bucket_of_its_own(here: Account) -> None:
    """Its requests are not the organization's."""
    _, tokens = _logged_in(here, "tests:read")
    here.do(commands.set_knobs, rate_limit=1)
    here.ask("GET", "/tests", token=tokens["access_token"])
    here.ask("GET", "/tests")
    here.ask("GET", "/tests", status=429)
    here.ask("GET", "/tests", status=429, token=tokens["access_token"])


# -- open points -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("duplicate_name_status", "status"), [(400, 400), (409, 409), (0, 201)])
def test_a_name_used_twice_is_invalid_a_conflict_or_fine(
    here: Account, duplicate_name_status: int, status: int
) -> None:
    """Nobody documents which."""
    here.do(commands.set_knobs, duplicate_name_status=duplicate_name_status)
    here.test()
    here.ask("POST", "/tests/http-server", SHOP, status=status)


@pytest.mark.parametrize(("unknown_is_empty", "status"), [(False, 404), (True, 200)])
def test_what_there_is_not_is_not_found_or_empty(here: Account, unknown_is_empty: bool, status: int) -> None:
    """Alerts and rules; tests are always not found."""
    here.do(commands.set_knobs, unknown_is_empty=unknown_is_empty)
    for path in ("/alerts/e9c3bf02-a48c-4aa8-9e5f-898800d6f569", "/alerts/rules/1"):
        shown = here.ask("GET", path, status=status)
        assert shown == {} or not unknown_is_empty
    here.ask("GET", "/tests/http-server/1", status=404)


@pytest.mark.parametrize(("several_default_rules", "count"), [(True, 2), (False, 1)])
def test_there_are_several_default_rules_or_the_newest(here: Account, several_default_rules: bool, count: int) -> None:
    """New tests get all of them, or the one that took the place."""
    here.do(commands.set_knobs, several_default_rules=several_default_rules)
    own = here.rule(isDefault=True)
    rules = [rule for rule in here.ask("GET", "/alerts/rules")["alertRules"] if rule["alertType"] == "http-server"]
    assert sum(rule["isDefault"] for rule in rules) == count
    given = here.rules_of(here.test())
    assert own in given
    assert len(set(given) & {rule["ruleId"] for rule in rules}) == count
    here.ask("PUT", f"/alerts/rules/{own}", {"ruleName": "again", "expression": "((responseCode >= 500))",
             "alertType": "http-server", "roundsViolatingOutOf": 1, "isDefault": True})  # fmt: skip


@pytest.mark.parametrize("active_duration", [True, False])
def test_an_active_alert_has_a_duration_or_none(here: Account, active_duration: bool) -> None:
    """The seconds so far; an alert that has ended has one in any case."""
    here.do(commands.set_knobs, active_duration=active_duration)
    here.rule(here.test(alertRules=[]))
    here.fails("10:00", "10:10")
    here.world.run_until("10:06")
    (alert,) = here.ask("GET", "/alerts")["alerts"]
    assert alert.get("duration") == (240 if active_duration else None)
    assert here.ask("GET", f"/alerts/{alert['id']}").get("duration") == alert.get("duration")
    here.world.run_until("11:00")
    assert here.ask("GET", f"/alerts/{alert['id']}")["duration"] == 600


@pytest.mark.parametrize("modified_before_change", ["absent", "null", "created"])
def test_before_its_first_change_a_test_was_modified_never_or_when_it_was_made(
    here: Account, modified_before_change: str
) -> None:
    """Afterwards it says when and by whom in any case."""
    here.do(commands.set_knobs, modified_before_change=modified_before_change)
    test = here.test()
    here.world.advance("1m")
    shown = here.ask("GET", f"/tests/http-server/{test}")
    expected = {"absent": "nothing", "null": None, "created": NINE}
    assert shown.get("modifiedDate", "nothing") == expected[modified_before_change]
    changed = here.ask("PUT", f"/tests/http-server/{test}", {"description": "d"})
    assert (changed["modifiedDate"], changed["modifiedBy"]) == ("2026-03-02T09:01:00Z", shown["createdBy"])


def test_a_user_is_told_apart_by_the_token(here: Account) -> None:
    """The second user's token is another login with another home."""
    group = here.ask("POST", "/account-groups", {"accountGroupName": "Second"}, status=201)["aid"]
    here.do(
        administration.create_user,
        name="Bo",
        email="bo@example.com",
        aid=group,
        roles=(),
        all_roles=("58",),
        token="bo",
    )
    assert here.ask("GET", "/users/current", token="bo")["name"] == "Bo"
    assert len(list(here.world.view.all(USERS))) == 2
    assert here.ask("GET", "/tests", token="bo")["tests"] == []
    assert {row["aid"] for row in here.ask("GET", "/account-groups", token="bo")["accountGroups"]} == {"1001", group}
