"""Who may ask: forms of credentials, keys that are off, what a key may do, whom an action is attributed to."""

from typing import Any

import pytest
from duty_rig import ALICE, BOB, CAROL, Duty
from rest_rig import refused

from scenarios import accounts
from simulators.pagerduty import account
from simulators.pagerduty.api import API_HOST

UNAUTHORIZED = {"error": {"message": "Authentication failed", "code": 2006, "errors": []}}


def ask(duty: Duty, authorization: str | None, method: str = "GET", path: str = "/users", **more: Any) -> Any:
    headers = {} if authorization is None else {"Authorization": authorization}
    return duty.world.client.request(method, f"https://{API_HOST}{path}", headers=headers, **more)


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Token", accounts.API_KEY, f"Token {accounts.API_KEY}", f"Bearer {accounts.API_KEY}", "Token token=x"],
)
def test_credentials_in_another_form(authorization: str | None) -> None:
    """Only ``Token token=`` with a known key is let in; everything else is 401 with code 2006."""
    answer = ask(Duty(), authorization)
    assert (answer.status_code, answer.json()) == (401, UNAUTHORIZED)


@pytest.mark.parametrize("form", ["Token token={}", 'Token token="{}"', "token token={}"])
def test_credentials_in_their_form(form: str) -> None:
    """The token form is let in, the word in any case."""
    assert ask(Duty(), form.format(accounts.API_KEY)).status_code == 200


def test_keys_that_are_off() -> None:
    """A disabled key and an expired token are refused; a live token is let in."""
    duty = Duty()
    soon = duty.world.now + 60_000_000
    for key in (
        {"key": "off", "enabled": False},
        {"key": "bearer", "scheme": "bearer", "user": ALICE.id, "expires": soon},
    ):
        duty.do(account.add_key, key)
    assert ask(duty, "Token token=off").status_code == 401
    assert ask(duty, "Bearer bearer").status_code == 200
    duty.until(1)
    assert ask(duty, "Bearer bearer").status_code == 401


def test_a_deleted_user_has_no_key() -> None:
    """With a user the user's keys go."""
    duty = Duty()
    duty.do(account.add_key, {"key": "carols", "user": CAROL.id})
    assert ask(duty, "Token token=carols", path="/users/me").json()["user"]["id"] == CAROL.id
    assert duty.rest("DELETE", f"/users/{CAROL.id}").status_code == 204
    assert ask(duty, "Token token=carols").status_code == 401


def test_nobody_deletes_oneself_or_the_owner() -> None:
    """A user's own key does not delete that user, no key the account's owner."""
    duty = Duty()
    duty.do(account.add_key, {"key": "carols", "user": CAROL.id})
    assert refused(ask(duty, "Token token=carols", "DELETE", f"/users/{CAROL.id}"))[:2] == (400, 2001)
    duty.rest("PUT", f"/users/{CAROL.id}", {"user": {"role": "owner"}})
    assert refused(duty.rest("DELETE", f"/users/{CAROL.id}"))[:2] == (400, 2001)


def test_from_is_compared_without_case_and_optional_where_documented() -> None:
    """The address is a login, so case does not matter; an escalation policy takes it or leaves it."""
    duty = Duty()
    title = {"incident": {"title": "t", "service": {"id": accounts.SERVICE}}}
    made = duty.rest("POST", "/incidents", title, From=BOB.email.upper())
    assert made.json()["incident"]["last_status_change_by"]["id"] == BOB.id
    rules = [{"escalation_delay_in_minutes": 5, "targets": [{"id": ALICE.id, "type": "user_reference"}]}]
    policy = {"escalation_policy": {"name": "Night", "escalation_rules": rules}}
    assert refused(duty.rest("POST", "/escalation_policies", policy, From="nobody@example.com"))[:2] == (400, 1008)
    assert duty.rest("POST", "/escalation_policies", policy).status_code == 201


def test_every_answer_carries_its_headers() -> None:
    """A request id of its own and the rate limit are on every answer, refusals included."""
    duty = Duty()
    answers = [duty.rest("GET", "/users"), duty.rest("GET", "/users"), duty.rest("GET", "/users/P0"), ask(duty, None)]
    assert len({answer.headers["X-Request-Id"] for answer in answers}) == 4
    for answer in answers:
        limits = [int(answer.headers[f"ratelimit-{name}"]) for name in ("limit", "remaining", "reset")]
        assert limits == [960, 960, 60]
