"""The account and the knobs over the control plane, and the pages of the account's own host."""

import html
import re
from typing import Any

import pytest
from duty_rig import ALICE, Duty

from scenarios import accounts
from scenarios.accounts import Human, Reach
from simulators.pagerduty.api import API_HOST, EVENTS_HOST, WEB_HOST
from simulators.pagerduty.model import Channel, Knobs, Status, UnknownKey

CAROL = Human("PCAROL1", "carol", "carol@example.com", (Reach("email_contact_method", "carol@example.com"),))


def mailed() -> Duty:
    """Return an account whose one person has just got an e-mail about an incident."""
    duty = Duty(accounts.account((CAROL,), levels=([{"id": CAROL.id, "type": "user_reference"}],)))
    duty.send()
    return duty


def _get(duty: Duty, host: str, path: str) -> Any:
    return duty.world.client.get(f"https://{host}{path}")


@pytest.mark.parametrize("host", [API_HOST, EVENTS_HOST, WEB_HOST])
def test_an_account_is_loaded_on_every_host(host: str) -> None:
    """What is loaded is there at once, with its own ids, keys and people."""
    duty = Duty({})
    url = f"https://{host}/_sim/account"
    answer = duty.world.client.post(url, json=accounts.fixed())
    assert answer.status_code == 201
    shown = duty.world.client.get(url).json()
    assert [entry["key"] for entry in shown["api_keys"]] == [accounts.API_KEY]
    assert shown["services"][0]["keys"] == [accounts.ROUTING_KEY]
    assert duty.rest("GET", f"/users/{ALICE.id}").json()["user"]["email"] == ALICE.email


@pytest.mark.parametrize(
    ("account", "complaint"),
    [
        ({"people": []}, "people: unknown"),
        ({"users": {}}, "users must be an array"),
        ({"users": [7]}, "users[0] must be an object"),
        ({"users": [{"id": 7}]}, "users[0]: id must be a text"),
        ({"users": [{"id": "P1", "time_zone": "Mars/Base"}]}, "'Mars/Base' is not known"),
        ({"users": [{"id": "P1", "contact_methods": [{"type": "fax"}]}]}, "type must be one of"),
        ({"users": [{"id": "P1", "notification_rules": [{}]}]}, "contact_method must be an object with an id"),
        ({"services": [{"id": "P1"}]}, "escalation_policy must be an object with an id"),
        ({"escalation_policies": [{"id": "P1", "escalation_rules": [{"targets": [{}]}]}]}, "must have an id"),
        ({"schedules": [{"id": "P1", "schedule_layers": [{"start": "soon"}]}]}, "'soon' is not an ISO 8601"),
        ({"schedules": [{"id": "P1", "schedule_layers": [{}]}]}, "cannot be read"),
        ({"maintenance_windows": [{"id": "P1", "start_time": "x"}]}, "start_time"),
        ({"api_keys": [{"key": ""}]}, "key must be a text"),
    ],
)
def test_a_bad_account_is_one_line_that_says_where(account: dict[str, Any], complaint: str) -> None:
    """An account that cannot be loaded is refused with the place and the reason, and changes nothing."""
    duty = Duty()
    before = _get(duty, API_HOST, "/_sim/account").json()
    answer = duty.world.client.post(f"https://{API_HOST}/_sim/account", json=account)
    assert answer.status_code == 400
    assert complaint in answer.json()["error"]
    assert _get(duty, API_HOST, "/_sim/account").json() == before


def test_knobs_are_set_by_name() -> None:
    """A knob set over the control plane is in force and shown; others keep their values."""
    duty = Duty(trigger_cap=7)
    url = f"https://{EVENTS_HOST}/_sim/knobs"
    wish = {"unknown_key": "accept_202", "missing_abilities": ["teams"]}
    shown = duty.world.client.put(url, json=wish).json()["knobs"]
    assert (shown["unknown_key"], shown["missing_abilities"], shown["trigger_cap"]) == ("accept_202", ["teams"], 7)
    assert duty.world.client.get(url).json()["knobs"] == shown
    assert duty.world.view.knobs(Knobs).unknown_key is UnknownKey.ACCEPT_202


@pytest.mark.parametrize(
    "wish",
    [{"colour": 1}, {"unknown_key": "maybe"}, {"trigger_cap": -1}, {"trigger_cap": True}, {"time_zone": "Mars/Base"}],
)
def test_a_bad_knob_is_refused(wish: dict[str, Any]) -> None:
    """An unknown knob or a value it does not take is refused in one line."""
    answer = Duty().world.client.put(f"https://{API_HOST}/_sim/knobs", json=wish)
    assert answer.status_code == 400
    assert "\n" not in answer.json()["error"]


def test_the_api_describes_itself() -> None:
    """The description and the coverage table name every path that is served, and how far it is simulated."""
    duty = Duty()
    paths = _get(duty, API_HOST, "/_sim/openapi.json").json()["paths"]
    table = _get(duty, API_HOST, "/_sim/coverage.md").text
    assert "/incidents/{id}/snooze" in paths
    assert [path for path in paths if f"| {path} |" not in table] == []
    rows = {row.split(" | ")[0].removeprefix("| "): row.split(" | ")[1:3] for row in table.splitlines()[2:]}
    assert rows["/incidents/{id}/snooze"] == ["POST", "simulated"]
    assert rows["/incidents/{id}/past_incidents"] == ["GET", "an empty list"]
    assert rows["/incidents/{id}/custom_fields/values"] == ["GET, PUT", "GET an empty list; PUT 402"]
    assert rows["/users/{id}/sessions"] == ["GET, DELETE", "402"]
    assert rows["/analytics/..."] == ["any", "402"]


@pytest.mark.parametrize(("act", "status"), [("acknowledge", Status.ACKNOWLEDGED), ("resolve", Status.RESOLVED)])
def test_the_links_of_an_e_mail_act(act: str, status: Status) -> None:
    """Following a link of the mail acts as its reader; the page says so, and a second visit changes nothing."""
    duty = mailed()
    (mail,) = [message for message in duty.messages if message.channel is Channel.EMAIL]
    links = [html.unescape(link) for link in re.findall(r'href="([^"]+)"', mail.html)]
    (link,) = [link for link in links if f"/{act}" in link]
    answer = duty.world.client.get(link)
    assert (answer.status_code, duty.incident.status) == (200, status)
    assert "You " in answer.text
    assert duty.log()[-1][1] == act
    if act == "resolve":
        assert duty.world.client.get(link).status_code == 409


def test_a_link_of_another_mail_does_nothing() -> None:
    """A link that names no message of this incident is no page."""
    duty = mailed()
    answer = _get(duty, WEB_HOST, f"/incidents/{duty.incident.id}/resolve?message=M0")
    assert (answer.status_code, duty.incident.status) == (404, Status.TRIGGERED)


def test_every_page_that_is_linked_opens() -> None:
    """Whatever an answer names as ``html_url`` is a page of the account's host."""
    duty = mailed()
    duty.rest("POST", "/teams", {"team": {"type": "team", "name": "Network"}})
    pages: dict[str, None] = {}
    for path in ("users", "teams", "services", "escalation_policies", "incidents", "log_entries", "priorities"):
        pages |= dict.fromkeys(re.findall(r'"html_url":"([^"]+)"', duty.rest("GET", f"/{path}").text))
    alerts = duty.rest("GET", f"/incidents/{duty.incident.id}/alerts").text
    pages |= dict.fromkeys(re.findall(r'"html_url":"([^"]+)"', alerts))
    assert len(pages) > 8
    assert {page: duty.world.client.get(page).status_code for page in pages} == dict.fromkeys(pages, 200)


def test_pages_escape_what_they_show() -> None:
    """A title with markup in it is shown as text, and no page runs scripts."""
    duty = Duty()
    duty.send(summary="<script>alert(1)</script>")
    answer = _get(duty, WEB_HOST, f"/incidents/{duty.incident.id}")
    assert "<script>" not in answer.text
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
