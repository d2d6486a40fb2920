"""What the REST API answers: shapes as described, references that resolve, and no drift when an answer is sent back."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from duty_rig import ALICE, BOB, Duty, maintenance, two_levels
from jsonschema import Draft202012Validator

from scenarios import accounts
from simulators.pagerduty import account
from simulators.pagerduty.api import API_HOST

HOME = Path(__file__).resolve().parents[2]
SPECS = Path(os.environ.get("PAGEDRILL_SPECS", HOME.parent / "shared" / "specs"))
WIDE = {"since": "2026-03-01T00:00:00Z", "until": "2026-03-08T00:00:00Z"}


def busy() -> Duty:
    """Return an account in which every kind of thing exists and has been used."""
    weekly = accounts.layer([ALICE.id, BOB.id], start="2026-01-05T09:00:00Z", zone="Europe/Berlin")
    made = accounts.fixed(schedules=(weekly,))
    made["services"][0] |= {"acknowledgement_timeout": 1800, "auto_resolve_timeout": 14400}
    made |= {
        "teams": [{"id": "PTEAM01", "name": "Network", "members": [{"user": {"id": ALICE.id}, "role": "manager"}]}],
        "tags": [{"id": "PTAG001", "label": "wan"}],
        "maintenance_windows": [maintenance() | {"start_time": "2026-03-09T00:00:00Z", "end_time": "2026-03-10"}],
        "business_services": [{"id": "PBUS001", "name": "Sales", "team": {"id": "PTEAM01"}}],
        "extensions": [
            {
                "id": "PEXT001",
                "name": "hook",
                "extension_schema": {"id": "PJFWPEP"},
                "extension_objects": [{"id": accounts.SERVICE}],
            }
        ],
    }
    made["escalation_policies"][0]["teams"] = [{"id": "PTEAM01", "type": "team_reference"}]
    duty = Duty(made)
    for key in ("one", "two", "three"):
        duty.send(key=key, component="db", custom_details={"loss": 40})
    duty.until(5)
    first, second, third = (row.id for row in duty.incidents)
    write = [
        ("PUT", f"/incidents/{first}", {"incident": {"type": "incident", "status": "acknowledged"}}),
        ("POST", f"/incidents/{first}/notes", {"note": {"content": "looking"}}),
        ("POST", f"/incidents/{first}/snooze", {"duration": 600}),
        ("PUT", f"/incidents/{first}", {"incident": {"type": "incident", "priority": "P1", "title": "Down"}}),
        ("PUT", f"/incidents/{second}/merge", {"source_incidents": [{"id": third, "type": "incident_reference"}]}),
        ("POST", f"/incidents/{second}/status_updates", {"message": "on it"}),
        ("POST", "/tags", {"tag": {"type": "tag", "label": "lan"}}),
    ]
    for method, path, body in write:
        answer = duty.rest(method, path, body, From=ALICE.email)
        assert answer.is_success, answer.text
    duty.post("/v2/change/enqueue", {"routing_key": accounts.ROUTING_KEY, "payload": {"summary": "Deploy"}})
    duty.until(60)
    return duty


@pytest.fixture(scope="module")
def duty() -> Duty:
    return busy()


def _incident(duty: Duty) -> str:
    return duty.incidents[0].id


#: Path -> name of the schema, with ``{incident}`` filled in.
SCHEMAS = {
    "/users": "list_user",
    f"/users/{ALICE.id}": "one_user",
    f"/users/{ALICE.id}/contact_methods": "list_contact_method",
    f"/users/{ALICE.id}/notification_rules": "list_notification_rule",
    "/users?include[]=contact_methods&include[]=notification_rules&include[]=teams": "list_user",
    "/teams": "list_team",
    "/escalation_policies": "list_escalation_policy",
    "/schedules": "list_schedule",
    f"/schedules/{accounts.SCHEDULE}?since={WIDE['since']}&until={WIDE['until']}": "one_schedule",
    f"/schedules/{accounts.SCHEDULE}": "one_schedule",
    f"/schedules/{accounts.SCHEDULE}/overrides?since={WIDE['since']}&until={WIDE['until']}": "list_override",
    "/oncalls": "list_oncall",
    "/services": "list_service",
    f"/services/{accounts.SERVICE}/integrations/{accounts.INTEGRATION}": "one_integration",
    "/maintenance_windows": "list_maintenance_window",
    "/priorities": "list_priority",
    "/incidents": "list_incident",
    "/incidents/{incident}": "one_incident",
    "/incidents/{incident}/alerts": "list_alert",
    "/incidents/{incident}/notes": "list_note",
    "/incidents/{incident}/log_entries": "list_log_entry",
    "/log_entries?include[]=channels": "list_log_entry",
    f"/notifications?since={WIDE['since']}&until={WIDE['until']}": "list_notification",
}


def _schemas() -> dict[str, Any]:
    file = SPECS / "pagerduty" / "rest_resources.schema.json"
    if not file.exists():
        pytest.skip("the schemas of PagerDuty's resources are not at hand (set PAGEDRILL_SPECS)")
    found: dict[str, Any] = json.loads(file.read_text())
    return found


@pytest.mark.parametrize(("path", "name"), SCHEMAS.items())
def test_answers_have_the_described_shape(duty: Duty, path: str, name: str) -> None:
    """An answer validates against the schema written from the vendor's description."""
    schemas = _schemas()
    answer = duty.rest("GET", path.format(incident=_incident(duty)))
    assert answer.status_code == 200
    Draft202012Validator({"$defs": schemas["$defs"], "$ref": f"#/$defs/{name}"}).validate(answer.json())


@pytest.mark.parametrize("path", ["/nothing", "/users/PNOBODY"])
def test_refusals_have_the_described_shape(duty: Duty, path: str) -> None:
    """A refusal is the vendor's error envelope."""
    schemas = _schemas()
    strict = Draft202012Validator({"$defs": schemas["$defs"], "$ref": "#/$defs/error_strict"})
    strict.validate(duty.rest("GET", path).json())


LISTS = (
    "/users", "/teams", "/escalation_policies", "/schedules", "/oncalls", "/services", "/maintenance_windows",
    "/priorities", "/vendors", "/business_services", "/tags", "/extensions", "/extension_schemas", "/incidents",
    "/log_entries", "/change_events", "/license_allocations",
    f"/notifications?since={WIDE['since']}&until={WIDE['until']}", "/incidents/{incident}/alerts",
    "/incidents/{incident}/notes", "/teams/PTEAM01/members",
)  # fmt: skip


def _references(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if str(value.get("type", "")).endswith("_reference") or ("self" in value and "id" in value):
            yield value
        for inner in value.values():
            yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)


@pytest.mark.parametrize("path", LISTS)
def test_every_reference_resolves(duty: Duty, path: str) -> None:
    """Whatever an answer refers to can be fetched where ``self`` says, and is what was referred to."""
    answer = duty.rest("GET", path.format(incident=_incident(duty))).json()
    seen = {entry["self"]: entry for entry in _references(answer) if entry["self"]}
    for link, entry in seen.items():
        found = duty.rest("GET", link.removeprefix(f"https://{API_HOST}"))
        if found.status_code == 404 and entry["type"] in {"priority", "license"}:
            continue  # the vendor has no address for one of these
        assert found.status_code == 200, link
        (body,) = found.json().values()
        assert body["id"] == entry["id"]
        assert body["type"] == entry["type"].removesuffix("_reference") or entry["type"] == "integration_reference"


DRIFTING = (
    f"/users/{ALICE.id}", "/teams/PTEAM01", f"/escalation_policies/{accounts.POLICY}",
    f"/schedules/{accounts.SCHEDULE}", f"/services/{accounts.SERVICE}",
    f"/services/{accounts.SERVICE}/integrations/{accounts.INTEGRATION}", "/maintenance_windows/PMW0001",
    "/business_services/PBUS001", "/extensions/PEXT001", "/incidents/{incident}",
)  # fmt: skip


@pytest.mark.parametrize("path", DRIFTING)
def test_sending_back_what_was_read_changes_nothing(duty: Duty, path: str) -> None:
    """PUT with the body of a GET changes nothing but the time of the update."""
    path = path.format(incident=_incident(duty))
    before = duty.rest("GET", path).json()
    answer = duty.rest("PUT", path, before, From=ALICE.email)
    assert answer.status_code == 200, answer.text
    after = duty.rest("GET", path).json()
    for document in (before, after):
        (body,) = document.values()
        body.pop("updated_at", None)
    assert after == before


def test_a_deleted_thing_is_still_referred_to_by_name() -> None:
    """An incident still names the service that was deleted; the link answers 404."""
    duty = Duty(two_levels())
    duty.send()
    assert duty.rest("DELETE", f"/services/{accounts.SERVICE}").status_code == 204
    shown = duty.rest("GET", f"/incidents/{duty.incident.id}").json()["incident"]
    assert (shown["service"]["summary"], shown["status"]) == ("Network", "resolved")
    assert duty.rest("GET", f"/services/{accounts.SERVICE}").status_code == 404
    assert duty.send(key="other") == 400


def test_links_follow_the_host_that_was_asked() -> None:
    """A client of another address gets ``self`` links it can follow; pages stay on the account's own host."""
    duty = Duty()
    duty.do(account.put, "tags", {"id": "PTAG001", "label": "wan"})
    site = duty.world.sites[API_HOST]
    duty.world.serve("pagerduty.test:8443", site)
    headers = {"Authorization": f"Token token={accounts.API_KEY}"}
    (user, *_) = duty.world.client.get("https://pagerduty.test:8443/users", headers=headers).json()["users"]
    assert user["self"] == f"https://pagerduty.test:8443/users/{user['id']}"
    assert user["html_url"] == f"https://example.pagerduty.com/users/{user['id']}"


@pytest.mark.parametrize("path", ["/", "/incidents"])
def test_the_accounts_own_host_opens_with_its_incidents(path: str) -> None:
    """The newest first, each with a link; an account without any says so."""
    duty = Duty()
    client, address = duty.world.client, f"https://example.pagerduty.com{path}"
    assert "There are none yet." in client.get(address).text
    for key in ("one", "two"):
        duty.send(key=key)
    shown = client.get(address).text
    first, second = duty.rest("GET", "/incidents").json()["incidents"]
    assert shown.index(f'href="/incidents/{second["id"]}"') < shown.index(f'href="/incidents/{first["id"]}"')
