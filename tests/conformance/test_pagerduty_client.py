"""The vendor's own Python client, unmodified, against the simulator: over TLS sockets and in process."""

import ssl
import types
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pagerduty import Error, EventsApiV2Client, HttpError, RestApiV2Client, UrlError

from scenarios import accounts
from simulators.engine import instants, live
from simulators.engine.serving import Listener, Servers, Still
from simulators.engine.world import World
from simulators.pagerduty import account
from simulators.pagerduty.api import API_HOST, EVENTS_HOST, sites
from simulators.pagerduty.component import PagerDuty
from simulators.pagerduty.model import Knobs

START = instants.parse("2026-03-02T09:00:00Z")
USER_KEY, READER_KEY, TOKEN = "u+aliceskey_0000001", "readonly_key_0000001", "pdus+_token_0000001"


def _world() -> World:
    world = World(seed=1, start=START, components=[PagerDuty()])
    keys = [
        {"key": USER_KEY, "user": accounts.ALICE.id},
        {"key": READER_KEY, "access": "read_only"},
        {"key": TOKEN, "scheme": "bearer", "user": accounts.BOB.id},
        {"key": "disabled_key_0000001", "enabled": False},
    ]
    sample = accounts.fixed()
    world.transact(lambda draft: account.load(draft, {**sample, "api_keys": [*sample["api_keys"], *keys]}))
    return world


class Bench:
    """A world and clients for it; ``rest`` and ``events`` make clients of the vendor's package."""

    def __init__(self, world: World, options: dict[str, dict[str, Any]]) -> None:
        self.world = world
        self._options = options
        self.made: list[httpx2.Client] = []

    def rest(self, key: str = accounts.API_KEY, **more: Any) -> RestApiV2Client:
        client = RestApiV2Client(key, **{"default_from": accounts.ALICE.email, **self._options[API_HOST], **more})
        self.made.append(client)
        return client

    def events(self, key: str = accounts.ROUTING_KEY) -> EventsApiV2Client:
        client = EventsApiV2Client(key, **self._options[EVENTS_HOST])
        self.made.append(client)
        return client


@pytest.fixture(scope="module", params=["sockets", "in process"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A served account; one world for the module, so tests use names of their own."""
    world = _world()
    if request.param == "in process":
        nothing = types.SimpleNamespace(catch_up=lambda: None, nudge=lambda: None)
        bound = {h: site.bind(world, nothing.catch_up, nothing.nudge) for h, site in sites().items()}
        yield Bench(world, {host: {"transport": httpx2.WSGITransport(app=app)} for host, app in bound.items()})
        return
    folder: Path = tmp_path_factory.mktemp("tls")
    ca_file, server_file = live.issue_certificates(folder, ("127.0.0.1",))
    listeners = {host: Listener(sites()[host], certificate=server_file) for host in (API_HOST, EVENTS_HOST)}
    servers = Servers(Still(world), tuple(listeners.values()))
    servers.start()
    verify = ssl.create_default_context(cafile=str(ca_file))
    yield Bench(
        world,
        {
            host: {"base_url": servers.urls[listener.site.name], "verify": verify}
            for host, listener in listeners.items()
        },
    )
    servers.stop()


@pytest.fixture
def bench(served: Bench) -> Iterator[Bench]:
    """The served account; clients a test makes are closed after it."""
    yield served
    while served.made:
        served.made.pop().close()


def _errors(failure: HttpError) -> dict[str, Any]:
    error: dict[str, Any] = failure.response.json()["error"]
    return error


def _service(client: RestApiV2Client, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Create a person, a policy and a service with an integration; return service and integration."""
    user = client.rpost("users", json={"type": "user", "name": name, "email": f"{name.lower()}@example.com"})
    policy = client.rpost(
        "escalation_policies",
        json={
            "type": "escalation_policy",
            "name": f"{name} policy",
            "escalation_rules": [
                {"escalation_delay_in_minutes": 30, "targets": [{"id": user["id"], "type": "user_reference"}]}
            ],
        },
    )
    service = client.rpost(
        "services",
        json={
            "type": "service",
            "name": name,
            "escalation_policy": {"id": policy["id"], "type": "escalation_policy_reference"},
        },
    )
    integration = client.rpost(
        f"services/{service['id']}/integrations",
        json={"type": "events_api_v2_inbound_integration", "name": "Monitor"},
    )
    return service, integration


def test_account_and_subdomain(bench: Bench) -> None:
    """The client finds out whose key it holds and which subdomain the account has."""
    assert bench.rest().api_key_access == "account"
    assert bench.rest(USER_KEY).api_key_access == "user"
    assert bench.rest(TOKEN, auth_type="bearer").rget("users/me")["id"] == accounts.BOB.id
    assert bench.rest().subdomain == "example"


def test_abilities(bench: Bench) -> None:
    """A known ability is there, an unknown one is an error."""
    assert bench.rest().account_has_ability("teams") is True
    with pytest.raises(HttpError):
        bench.rest().account_has_ability("levitation")


@pytest.mark.parametrize("key", ["wrong_key_0000000001", "disabled_key_0000001"])
def test_bad_credentials(bench: Bench, key: str) -> None:
    """An unknown or disabled key is refused with 401 and code 2006, and the client raises at once."""
    with pytest.raises(HttpError) as failure:
        bench.rest(key).get("users")
    assert failure.value.response.status_code == 401
    assert _errors(failure.value)["code"] == 2006


def test_read_only_key(bench: Bench) -> None:
    """A read-only key reads and may not write."""
    reader = bench.rest(READER_KEY)
    assert reader.rget("users")
    with pytest.raises(HttpError) as failure:
        reader.rpost("tags", json={"type": "tag", "label": "x"})
    assert (failure.value.response.status_code, _errors(failure.value)["code"]) == (403, 2010)


def test_from_header(bench: Bench) -> None:
    """An account key needs From for attributed writes, naming a user; a user key needs none."""
    service, _ = _service(bench.rest(), f"From{bench.world.journal.last}")
    incident = {"type": "incident", "title": "t", "service": {"id": service["id"], "type": "service_reference"}}
    answer = bench.rest(default_from=None).post("incidents", json={"incident": incident})
    assert answer.status_code == 400
    message = 'You must specify a user\'s email address in the "From" header to perform this action'
    assert answer.json()["error"] == {"message": message, "code": 2016}
    answer = bench.rest(default_from="nobody@example.com").post("incidents", json={"incident": incident})
    expected = {"message": "Requester User Not Found", "code": 1008, "errors": []}
    assert (answer.status_code, answer.json()["error"]) == (400, expected)
    made = bench.rest(USER_KEY, default_from=None).rpost("incidents", json=incident)
    assert made["last_status_change_by"]["id"] == accounts.ALICE.id


def test_user_with_contact_methods_and_rules(bench: Bench) -> None:
    """A user is created with a default address and rule; methods and rules are added, read back and unique."""
    client = bench.rest()
    name = f"Ada {bench.world.journal.last}"
    values = {"type": "user", "name": name, "email": f"{name.replace(' ', '.')}@example.com"}
    user = client.persist("users", "email", values)
    assert client.persist("users", "email", values)["id"] == user["id"]
    assert [method["type"] for method in user["contact_methods"]] == ["email_contact_method_reference"]
    sms = {"type": "sms_contact_method", "label": "Mobile", "address": "5550142", "country_code": 49}
    method = client.rpost(f"users/{user['id']}/contact_methods", json=sms)
    assert sms.items() <= method.items()
    rule = {
        "type": "assignment_notification_rule",
        "start_delay_in_minutes": 5,
        "urgency": "low",
        "contact_method": {"id": method["id"], "type": "sms_contact_method"},
    }
    made = client.rpost(f"users/{user['id']}/notification_rules", json=rule)
    assert client.rget(made) == made
    listed = client.rget(f"users/{user['id']}/notification_rules")
    assert {entry["urgency"] for entry in listed} == {"high"}
    every = client.rget(f"users/{user['id']}/notification_rules", params={"urgency": "all"})
    assert made["id"] in {entry["id"] for entry in every}
    for path, body, text in (
        ("users", values, "Email has already been taken"),
        (f"users/{user['id']}/contact_methods", sms, "User Contact method must be unique"),
        (
            f"users/{user['id']}/notification_rules",
            rule,
            "Channel Start delay must be unique for a given contact method",
        ),
    ):
        with pytest.raises(HttpError) as failure:
            client.rpost(path, json=body)
        expected = {"message": "Invalid Input Provided", "code": 2001, "errors": [text]}
        assert _errors(failure.value) == expected
    assert client.rdelete(user).status_code == 204
    assert client.get(f"users/{user['id']}").json()["error"]["code"] == 2100


def test_event_to_resolution(bench: Bench) -> None:
    """An event opens an incident that is acknowledged, noted, looked up by its key, resolved, and leaves its log."""
    client = bench.rest()
    service, integration = _service(client, f"Shop{bench.world.journal.last}")
    events = bench.events(integration["integration_key"])
    key = events.trigger("Checkout is down", "shop.example.com", custom_details={"loss": 40})
    (incident,) = client.list_all("incidents", params={"service_ids[]": [service["id"]]})
    assert (incident["title"], incident["status"]) == ("Checkout is down", "triggered")
    assert client.rget("incidents", params={"incident_key": key})[0]["id"] == incident["id"]
    (alert,) = client.rget(f"incidents/{incident['id']}/alerts")
    assert (alert["alert_key"], alert["body"]["details"]) == (key, {"loss": 40})
    assert client.rget(service)["status"] == "critical"

    update = {"type": "incident_reference", "status": "acknowledged"}
    acknowledged = client.rput(incident, json=update)
    assert [a["acknowledger"]["id"] for a in acknowledged["acknowledgements"]] == [accounts.ALICE.id]
    note = client.rpost(f"incidents/{incident['id']}/notes", json={"content": "looking"})
    assert client.rget(f"incidents/{incident['id']}/notes") == [note]
    assert events.resolve(key) == key
    assert client.rget(incident)["status"] == "resolved"
    log = client.list_all(f"incidents/{incident['id']}/log_entries")
    assert [entry["type"] for entry in log] == [
        "resolve_log_entry",
        "annotate_log_entry",
        "acknowledge_log_entry",
        "assign_log_entry",
        "trigger_log_entry",
    ]
    assert [entry["channel"]["summary"] for entry in client.iter_incident_notes(incident["id"])] == ["looking"]
    answer = client.put(f"incidents/{incident['id']}", json={"incident": {**update, "status": "resolved"}})
    assert (answer.status_code, answer.json()["error"]["message"]) == (400, "Incident Already Resolved")


def test_bulk_update_is_all_or_nothing(bench: Bench) -> None:
    """One bad item of a bulk update leaves every incident as it was; a good one changes all."""
    client = bench.rest()
    service, _ = _service(client, f"Bulk{bench.world.journal.last}")
    reference = {"id": service["id"], "type": "service_reference"}
    made = [
        client.rpost("incidents", json={"type": "incident", "title": f"t{n}", "service": reference}) for n in range(3)
    ]
    items = [{"id": row["id"], "type": "incident_reference", "status": "resolved"} for row in made]
    answer = client.put("incidents", json={"incidents": [*items, {**items[0], "id": "PNOBODY"}]})
    assert answer.status_code == 404
    assert {client.rget(row)["status"] for row in made} == {"triggered"}
    assert {row["status"] for row in client.rput("incidents", json=items)} == {"resolved"}
    assert client.put("incidents", json={"incidents": items * 100}).status_code == 413


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_iteration_yields_everything_once(bench: Bench, size: int) -> None:
    """Whatever the page size, iterating a list yields each entry once, and the total agrees."""
    client = bench.rest()
    for number in range(7):
        client.persist("tags", "label", {"type": "tag", "label": f"page {number}"})
    found = [tag["label"] for tag in client.iter_all("tags", page_size=size, params={"query": "page "}, total=True)]
    assert found == [f"page {number}" for number in range(7)]
    assert client.get_total("tags", params={"query": "PAGE"}) == 7


def test_find(bench: Bench) -> None:
    """Looking for a name finds exactly that one, whatever its case."""
    client = bench.rest()
    service, _ = _service(client, f"Findable{bench.world.journal.last}")
    client.persist("teams", "name", {"type": "team", "name": "Network east"})
    found = client.find("services", service["name"].upper())
    assert found is not None
    assert found["id"] == service["id"]
    assert client.find("users", accounts.BOB.email, attribute="email")["id"] == accounts.BOB.id  # type: ignore[index]
    assert client.find("teams", "network") is None


def test_cursor_pages_and_history(bench: Bench) -> None:
    """Lists paged by cursor end, and a history is walked by its dates."""
    client = bench.rest()
    assert list(client.iter_cursor("audit/records")) == []
    service, integration = _service(client, f"History{bench.world.journal.last}")
    bench.events(integration["integration_key"]).trigger("down", "web")
    now = datetime(2026, 3, 2, 9, tzinfo=UTC)
    seen = client.iter_history("incidents", now - timedelta(days=1), now + timedelta(days=1))
    assert service["id"] in {row["service"]["id"] for row in seen}


def test_unknown_things(bench: Bench) -> None:
    """Unknown objects, paths and methods get the vendor's envelope, with a request id on every answer."""
    client = bench.rest()
    for path in ("users/PNOBODY", "nothing/at/all"):
        answer = client.get(path)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, 2100)
        assert answer.headers["x-request-id"]
        assert answer.headers["content-type"].startswith("application/json")
    assert client.delete("abilities").status_code == 405
    with pytest.raises(UrlError):
        client.rget("nothing/at/all")


def test_rate_limit(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over the limit the client gets 429 with the headers, waits and gets its answer."""
    client = bench.rest(USER_KEY)
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        bench.world.advance(timedelta(seconds=seconds))

    bench.world.set_knobs(Knobs(requests_per_minute=2))
    seen: list[Any] = []
    try:
        monkeypatch.setattr("pagerduty.api_client.time", types.SimpleNamespace(sleep=sleep))
        client.event_hooks["response"] = [seen.append]
        for _ in range(3):
            assert client.get("abilities").status_code == 200
    finally:
        bench.world.set_knobs(Knobs())
    refused = next(answer for answer in seen if answer.status_code == 429)
    assert refused.json() == {"error": {"message": "Rate Limit Exceeded", "code": 2020}}
    shown = [refused.headers[f"ratelimit-{name}"] for name in ("limit", "remaining", "reset")]
    assert shown == ["2", "0", "60"]
    assert slept[0] == 3.0


def test_events_are_refused_as_the_vendor_refuses(bench: Bench) -> None:
    """A REST key used as routing key gets both complaints at once; the client raises with the body."""
    with pytest.raises(Error) as failure:
        bench.events("abc-def").trigger("down", "web")
    assert failure.value.response is not None
    assert failure.value.response.json()["errors"] == [
        "Length of 'routing_key' is incorrect (should be 32 characters)",
        "'routing_key' cannot contain non-alphanumeric characters.",
    ]


def test_change_events(bench: Bench) -> None:
    """A change event is accepted and read back on its service; it opens nothing."""
    client = bench.rest()
    service, integration = _service(client, f"Change{bench.world.journal.last}")
    events = bench.events(integration["integration_key"])
    events.submit("Deploy 42", source="ci", timestamp="2026-03-02T09:00:00Z", links=[{"href": "https://ci.example"}])
    (change,) = client.list_all(f"services/{service['id']}/change_events")
    assert (change["summary"], change["source"]) == ("Deploy 42", "ci")
    assert client.rget(change) == change
    assert client.rget("incidents", params={"service_ids[]": [service["id"]]}) == []


def test_schedules_of_shifts(bench: Bench) -> None:
    """A rotation with an event, a custom shift, an override of it, and a policy that points at them."""
    client = bench.rest(USER_KEY)
    root = client.rpost("/v3/schedules", json={"name": "Shifts of the client", "time_zone": "Europe/Berlin"})
    path = f"/v3/schedules/{root['id']}"
    rotation = client.rpost(f"{path}/rotations", json={})
    alice, bob = ({"type": "user_member", "user_id": human.id} for human in (accounts.ALICE, accounts.BOB))
    event = client.rpost(
        f"{path}/rotations/{rotation['id']}/events",
        json={
            "name": "Weeks",
            "start_time": {"date_time": "2026-03-02T09:00:00Z", "time_zone": "Europe/Berlin"},
            "end_time": {"date_time": "2026-03-09T09:00:00Z", "time_zone": "Europe/Berlin"},
            "effective_since": "2026-03-02T00:00:00Z",
            "recurrence": ["RRULE:FREQ=WEEKLY"],
            "assignment_strategy": {
                "type": "rotating_member_assignment_strategy",
                "shifts_per_member": 1,
                "members": [alice, bob],
            },
        },
    )
    assert client.rget(f"{path}/rotations/{rotation['id']}/events/{event['id']}") == event
    span = {"start_time": "2026-06-02T09:00:00Z", "end_time": "2026-06-03T09:00:00Z"}
    assignments = [{"type": "shift_assignment", "member": bob}]
    (shift,) = client.rpost(
        f"{path}/custom_shifts", json=[{"type": "custom_shift", "assignments": assignments, **span}]
    )
    override = {"type": "override_shift", "custom_shift_id": shift["id"], "overridden_member": bob, **span}
    (made,) = client.rpost(f"{path}/overrides", json=[{**override, "overriding_member": alice}])
    assert client.rput(f"{path}/overrides/{made['id']}", json={"overriding_member": alice}) == made
    listed = list(client.iter_all("/v3/schedules", params={"query": "of the client"}))
    assert [(row["id"], row["type"]) for row in listed] == [(root["id"], "schedule_v3_reference")]
    window = {"include[]": ["final_schedule"], "since": span["start_time"], "until": span["end_time"]}
    final = client.rget(path, params=window)["final_schedule"]
    kinds = [row["source"]["type"] for row in final["computed_shift_assignments"]]
    assert sorted(kinds) == ["custom_shift_override", "schedule_rotation"]
    target = {"id": root["id"], "type": "schedule_v3_reference"}
    rules = [{"escalation_delay_in_minutes": 30, "targets": [target]}]
    policy = client.rpost("escalation_policies", json={"name": "By shift", "escalation_rules": rules})
    (turn,) = client.list_all("oncalls", params={"escalation_policy_ids": [policy["id"]]})
    assert (turn["user"]["id"], turn["schedule"]["id"]) == (accounts.ALICE.id, root["id"])
    with pytest.raises(HttpError) as used:
        client.rdelete(path)
    assert used.value.response.status_code == 400
    client.rdelete(f"/escalation_policies/{policy['id']}")
    client.rdelete(path)


def test_responders_and_subscribers(bench: Bench) -> None:
    """Asking for help, taking it back, publishing to subscribers, wrapped as the client expects."""
    client = bench.rest()
    service, _ = _service(client, "Helpful")
    named = {"id": service["id"], "type": "service_reference"}
    incident = client.rpost("incidents", json={"type": "incident", "title": "Help", "service": named})
    path, bob = f"/incidents/{incident['id']}", {"id": accounts.BOB.id, "type": "user_reference"}
    body = {"requester_id": accounts.ALICE.id, "message": "Please", "responder_request_targets": [
        {"responder_request_target": bob}]}  # fmt: skip
    assert client.rpost(f"{path}/responder_requests", json=body)["message"] == "Please"
    taken = {"requester_id": accounts.ALICE.id, "responder_request_targets": [bob]}
    cancelled = client.jput(f"{path}/responder_requests/cancel", json=taken)
    assert cancelled == {"responder_request_targets": [{**bob, "result": "cancelled"}]}
    subscriber = {"subscriber_id": accounts.BOB.id, "subscriber_type": "user"}
    (made,) = client.rpost(f"{path}/status_updates/subscribers", json=[subscriber])
    assert made["result"] == "success"
    assert [row["subscriber_id"] for row in client.iter_all(f"{path}/status_updates/subscribers")] == [accounts.BOB.id]
    update = client.rpost(f"{path}/status_updates", json={"message": "On it"})
    assert update["sender"]["id"] == accounts.ALICE.id
    gone = client.jpost(f"{path}/status_updates/unsubscribe", json={"subscribers": [subscriber]})
    assert gone["deleted_count"] == 1
