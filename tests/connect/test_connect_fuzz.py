"""Whatever is sent to the pages and the token endpoint is answered, and never by a failure of the simulator's own."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from visitor import THOUSANDEYES, Town

from scenarios import accounts
from simulators.engine import ids
from simulators.pagerduty.connect import SESSIONS, Session

TOWN = Town()
BACK = THOUSANDEYES.redirects[0]
PLACES = (
    "https://app.pagerduty.com/install/integration",
    "https://connect.pagerduty.com/connect",
    "https://identity.pagerduty.com/oauth/authorize",
    "https://identity.pagerduty.com/oauth/token",
    "https://app.pagerduty.com/login",
    "https://app.pagerduty.com/logout",
    "https://app.thousandeyes.com/integrations/pagerduty",
    "https://app.thousandeyes.com/integrations/new/pagerduty-key",
    "https://app.thousandeyes.com/integrations/pgd-21",
)
NAMES = (
    *("app_id", "redirect_url", "version", "vendor", "callback", "client_id", "redirect_uri", "response_type", "scope"),
    *("state", "code_challenge", "code_challenge_method", "config", "error", "grant_type", "code", "client_secret"),
    *("code_verifier", "refresh_token", "service", "new_service", "policy", "action", "user", "next", "key", "name"),
)
KNOWN = (
    *("", "2", "code", "S256", "cancel", "read write", "authorization_code", "refresh_token", "client_credentials"),
    *("/x", "{}", "P1", "\u0000", "[" * 3000, "a" * 43, BACK, f"{BACK}?a=1#b", accounts.SERVICE, accounts.ALICE.id),
    *(THOUSANDEYES.id, THOUSANDEYES.client_id, THOUSANDEYES.secret, THOUSANDEYES.connect_key, accounts.POLICY),
)
FIELDS = st.dictionaries(st.sampled_from(NAMES), st.one_of(st.sampled_from(KNOWN), st.text(max_size=20)), max_size=8)
BODIES = st.one_of(FIELDS, st.binary(max_size=40))


#: A browser of this name is signed in all the time, and its forms carry the token that belongs to it.
BROWSER = "a-browser"
TOKEN = ids.digest(TOWN.world.seed, "browser.form", BROWSER).hex()


@settings(max_examples=100)
@given(method=st.sampled_from(("GET", "POST")), url=st.sampled_from(PLACES), query=FIELDS, body=BODIES)
def test_nothing_breaks_the_pages(method: str, url: str, query: dict[str, str], body: Any) -> None:
    """Signed in, with a good form token: every answer is a page, a redirect or an error of OAuth's."""
    TOWN.do(lambda draft: draft.put(SESSIONS, Session(BROWSER, accounts.ALICE.id, draft.now)))
    sent = {"content": body} if isinstance(body, bytes) else {"data": {"form_token": TOKEN, **body}}
    browser = TOWN.visitor()
    browser.http.cookies.update({"pagedrill_pagerduty": BROWSER, "pagedrill_thousandeyes": BROWSER})
    if isinstance(body, bytes):
        browser.http.headers["Content-Type"] = "application/x-www-form-urlencoded"
    answer = browser.http.request(method, url, params=query, **(sent if method == "POST" else {}))
    assert answer.status_code < 500, TOWN.told("error")[-1]["trace"]
    assert answer.status_code != 403 or isinstance(body, bytes) or method == "GET"
    assert TOWN.told("error") == []


def test_the_forms_above_lead_through() -> None:
    """A browser of that name, with that token, installs: what is tried above gets as far as that."""
    TOWN.do(lambda draft: draft.put(SESSIONS, Session(BROWSER, accounts.ALICE.id, draft.now)))
    browser = TOWN.visitor()
    browser.http.cookies.update({"pagedrill_pagerduty": BROWSER})
    form = {"form_token": TOKEN, "service": accounts.SERVICE}
    answer = browser.http.post(f"{PLACES[0]}?app_id={THOUSANDEYES.id}", data=form)
    assert answer.headers["Location"].startswith(f"{BACK}?config=")
