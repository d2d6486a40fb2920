"""What users report of the vendor, one test each: reproduced by default, by a knob, or by a fault that has a name."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from duty_rig import ALICE, BOB, KEY, Duty, maintenance, two_levels, user
from rest_rig import make, refused, schedule
from watching import HOOKS, Client

from scenarios import accounts
from simulators.pagerduty import account, carriers, oddities
from simulators.pagerduty.api import API_HOST
from simulators.pagerduty.carriers import Carrier
from simulators.pagerduty.model import UnknownKey

POLICY = {"type": "escalation_policy", "name": "Both"}
RULE = {"escalation_delay_in_minutes": 30, "targets": [user(ALICE)]}


def _oddity(duty: Duty, name: str, **wish: Any) -> httpx.Response:
    return duty.rest("POST", "/_sim/oddities", {"name": name, **wish})


def _subscribe(duty: Duty) -> dict[str, Any]:
    method = {"type": "http_delivery_method", "url": f"https://{HOOKS}/pd"}
    wish = {"type": "webhook_subscription", "delivery_method": method, "filter": {"type": "account_reference"}}
    return make(duty, "/webhook_subscriptions", "webhook_subscription", wish | {"events": ["incident.triggered"]})


# -- events ------------------------------------------------------------------------------------------------------------


def test_accepted_and_nothing_happens() -> None:
    """202 without an incident: nobody on call, maintenance, a key of nobody's; only the journal says why."""
    duty = Duty(unknown_key=UnknownKey.ACCEPT_202)
    duty.do(account.put, "maintenance_windows", maintenance())
    assert duty.send() == duty.send(routing_key="f" * 32) == 202
    empty = Duty(accounts.account((), levels=([user(ALICE)],)))
    assert empty.send() == 202
    assert duty.incidents == empty.incidents == []
    said = [entry["why"] for world in (duty, empty) for entry in world.record("event.dropped")]
    assert said == [
        "the service is in maintenance",
        "the routing key belongs to nobody",
        "nobody is on call on any level",
    ]


def test_the_deduplication_key_shows_in_the_alert_only() -> None:
    """The incident says null; its alerts carry the key, and the list can be filtered by it."""
    duty = Duty()
    duty.send(key="k")
    (row,) = duty.rest("GET", "/incidents?incident_key=k").json()["incidents"]
    alerts = duty.rest("GET", f"/incidents/{row['id']}/alerts").json()["alerts"]
    assert (row["incident_key"], [alert["alert_key"] for alert in alerts]) == (None, ["k"])


def test_an_empty_filter_lists_everything() -> None:
    """``incident_key=`` filters nothing."""
    duty = Duty()
    duty.send(key="a")
    duty.send(key="b")
    assert len(duty.rest("GET", "/incidents?incident_key=").json()["incidents"]) == 2


def test_a_repeated_trigger_overwrites() -> None:
    """One alert with the last summary."""
    duty = Duty()
    duty.send(summary="first")
    duty.send(summary="last")
    assert [alert.summary for alert in duty.alerts] == ["last"]


def test_a_routing_key_of_the_wrong_kind_earns_two_complaints() -> None:
    """A REST key as routing key is wrong in length and characters; a routing key as REST token is 401."""
    duty = Duty()
    event = {"routing_key": "pd-rehearsal-key-001", "event_action": "resolve", "dedup_key": "k"}
    answer = duty.post("/v2/enqueue", event)
    assert (answer.status_code, len(answer.json()["errors"])) == (400, 2)
    assert duty.rest("GET", "/users", Authorization=f"Token token={KEY}").status_code == 401


def test_a_severity_is_read_by_its_letters() -> None:
    """``Info`` is refused."""
    duty = Duty()
    assert duty.send(severity="Info") == 400
    assert duty.send(severity="info") == 202


def test_an_alert_lists_a_hundred_triggers() -> None:
    """The hundred and first is taken and no longer listed."""
    duty = Duty()
    for _ in range(103):
        duty.send()
    kinds = [kind for _, kind in duty.log()]
    assert (kinds.count("trigger"), kinds.count("reach_trigger_limit")) == (100, 1)


# -- REST --------------------------------------------------------------------------------------------------------------


def test_a_body_of_another_shape_is_no_hash() -> None:
    """Content type or shape: the same misleading sentence."""
    duty = Duty()
    said = {"users": []}
    for body, kind in ((said, "application/json"), ({"user": said}, "text/plain"), ([], "application/json")):
        answer = duty.rest("POST", "/users", body, **{"Content-Type": kind}, From=ALICE.email)
        assert "params must be a Hash" in answer.text


def test_from_is_asked_for_and_has_to_be_a_user() -> None:
    """400 without it, 1008 with a stranger's address."""
    duty = Duty()
    body = {"incident": {"type": "incident", "title": "t", "service": {"id": accounts.SERVICE, "type": "service"}}}
    missing, stranger = duty.rest("POST", "/incidents", body), duty.rest("POST", "/incidents", body, From="x@y.org")
    assert (missing.status_code, '"From" header' in missing.json()["error"]["message"]) == (400, True)
    assert refused(stranger)[:2] == (400, 1008)


@pytest.mark.parametrize(
    ("shape", "found"),
    [
        ("errors_string", str),
        ("errors_object", dict),
        ("errors_null", type(None)),
        ("error_string", str),
        ("error_array", list),
    ],
)
def test_error_shape(shape: str, found: type) -> None:
    """A refusal of another shape than the documented one, once."""
    duty = Duty()
    assert _oddity(duty, "error_shape", shape=shape).status_code == 201
    error = duty.rest("GET", "/users").json()["error"]
    assert isinstance(error if shape.startswith("error_") else error["errors"], found)
    assert duty.rest("GET", "/users").status_code == 200


@pytest.mark.parametrize("shape", ["html_502", "html_503", "html_504", "bare_429"])
def test_gateway(shape: str) -> None:
    """Something in between answers in HTML, or with a 429 that has neither headers nor a body."""
    duty = Duty()
    _oddity(duty, "gateway", shape=shape, times=2)
    for _ in range(2):
        answer = duty.rest("GET", "/users")
        assert answer.status_code == int(shape[-3:])
        assert answer.text.startswith("<html>") is shape.startswith("html")
        assert "ratelimit-limit" not in answer.headers
    assert duty.rest("GET", "/users").status_code == 200


def test_gateway_hangs_up() -> None:
    """The connection ends, as with a stream that is going away."""
    duty = Duty()
    _oddity(duty, "gateway", shape="going_away")
    with pytest.raises(httpx.TransportError):
        duty.rest("GET", "/users")
    assert duty.rest("GET", "/users").status_code == 200


def test_the_control_plane_is_never_hit() -> None:
    """Whoever put a fault into force can still look and take it back."""
    duty = Duty()
    _oddity(duty, "gateway", shape="html_502", times=5)
    (fault,) = duty.rest("GET", "/_sim/faults").json()["faults"]
    assert duty.rest("DELETE", f"/_sim/faults/{fault['id']}").status_code == 204
    assert duty.rest("GET", "/users").status_code == 200


@pytest.mark.parametrize("replica_lag_ms", [0, 2000])
def test_replica_lag_ms(replica_lag_ms: int) -> None:
    """What was just created is found at once, or after a while: alone, in its list and by whoever refers to it."""
    duty = Duty(replica_lag_ms=replica_lag_ms)
    duty.world.advance("1h")
    made = make(duty, "/escalation_policies", "escalation_policy", {**POLICY, "escalation_rules": [RULE]})
    path, wish = f"/escalation_policies/{made['id']}", {"id": made["id"], "type": "escalation_policy_reference"}
    service = {"service": {"type": "service", "name": "New", "escalation_policy": wish}}
    found = []
    for wait in ("1s", "1s"):
        duty.world.advance(wait)
        listed = [row["id"] for row in duty.rest("GET", "/escalation_policies").json()["escalation_policies"]]
        used = duty.rest("POST", "/services", service).status_code
        service["service"]["name"] = "Newer"
        found.append((duty.rest("GET", path).status_code, made["id"] in listed, used))
    here = (200, True, 201)
    assert found == [(404, False, 404) if replica_lag_ms else here, here]


def test_lock() -> None:
    """Users created side by side hold each other up; a second try works, and nothing else is held up."""
    duty = Duty()
    _oddity(duty, "lock")
    wish = {"user": {"type": "user", "name": "Eve", "email": "eve@example.com"}}
    assert duty.rest("GET", "/users").status_code == 200
    held = duty.rest("POST", "/users", wish, From=ALICE.email)
    assert (held.status_code, "could not be locked" in held.text) == (400, True)
    assert duty.rest("POST", "/users", wish, From=ALICE.email).status_code == 201


def test_a_schedule_in_an_open_incidents_policy_cannot_be_deleted() -> None:
    """Although no policy names it any more, and no list tells which incident it is."""
    rota = accounts.layer([ALICE.id], start="2026-03-01T00:00:00Z")
    duty = Duty(accounts.fixed(schedules=[rota]))
    duty.send()
    policy = {"escalation_policy": {**POLICY, "escalation_rules": [RULE]}}
    duty.rest("PUT", f"/escalation_policies/{accounts.POLICY}", policy)
    code, _, said = refused(duty.rest("DELETE", f"/schedules/{rota['id']}"))
    assert (code, "policy snapshot with open incidents" in said[0]) == (400, True)
    duty.send("resolve")
    assert duty.rest("DELETE", f"/schedules/{rota['id']}").status_code == 204


def test_a_target_of_the_wrong_type_is_not_found() -> None:
    """A schedule's id said to be a user's is 404."""
    duty = Duty()
    made = make(duty, "/schedules", "schedule", schedule())
    rule = {**RULE, "targets": [{"id": made["id"], "type": "user_reference"}]}
    assert duty.rest("POST", "/escalation_policies", {"escalation_policy": {**POLICY, "escalation_rules": [rule]}}
                     ).status_code == 404  # fmt: skip


@pytest.mark.parametrize(("missing_abilities", "statuses"), [((), [201, 201]), (("round_robin", "teams"), [403, 402])])
def test_features_outside_the_plan(missing_abilities: tuple[str, ...], statuses: list[int]) -> None:
    """An assignment strategy is 403, a team 402, where the plan has neither."""
    duty = Duty(missing_abilities=missing_abilities)
    rule = {**RULE, "escalation_rule_assignment_strategy": {"type": "round_robin"}}
    policy = {"escalation_policy": {**POLICY, "escalation_rules": [rule]}}
    answers = [duty.rest("POST", "/escalation_policies", policy), duty.rest("POST", "/teams", {"team": {"name": "T"}})]
    assert [answer.status_code for answer in answers] == statuses


@pytest.mark.parametrize("least_delay_minutes", [1, 3])
def test_least_delay_minutes(least_delay_minutes: int) -> None:
    """The shortest delay of a rule differs by plan and year, as the number of targets does."""
    duty = Duty(least_delay_minutes=least_delay_minutes, targets_per_rule=least_delay_minutes)
    for delay, targets in ((1, [ALICE]), (3, [ALICE, BOB])):
        rule = {"escalation_delay_in_minutes": delay, "targets": [user(human) for human in targets]}
        policy = {"escalation_policy": {"type": "escalation_policy", "name": f"P{delay}", "escalation_rules": [rule]}}
        refuses = delay < least_delay_minutes or len(targets) > least_delay_minutes
        assert duty.rest("POST", "/escalation_policies", policy).status_code == (400 if refuses else 201)


def test_values_come_back_normalised() -> None:
    """Spaces in names are collapsed, a layer and a window that would begin in the past begin now, in their zone."""
    duty = Duty()
    duty.until(60)
    past = {"start": "2026-03-01T00:00:00Z", "rotation_virtual_start": "2026-03-01T00:00:00Z"}
    made = make(duty, "/schedules", "schedule", {**schedule(**past), "name": "  On   call "})
    shown = duty.rest("GET", f"/schedules/{made['id']}").json()["schedule"]
    kept = shown["schedule_layers"][0]
    assert (shown["name"], kept["start"]) == ("On call", "2026-03-02T12:00:00+01:00")
    assert kept["rotation_virtual_start"] == "2026-03-01T01:00:00+01:00"
    span = {"start_time": "2026-03-01T00:00:00Z", "end_time": "2026-03-03T00:00:00Z"}
    services = [{"id": accounts.SERVICE, "type": "service_reference"}]
    window = make(duty, "/maintenance_windows", "maintenance_window", {**span, "services": services})
    assert window["start_time"] == "2026-03-02T11:00:00Z"


def test_listing_runs_into_the_limit() -> None:
    """Whoever walks through long lists is answered 429."""
    duty = Duty(requests_per_minute=3)
    duty.send()
    statuses = [duty.rest("GET", f"/log_entries?limit=1&offset={place}").status_code for place in range(5)]
    assert statuses == [200, 200, 200, 429, 429]


def test_editable_overrides_are_bare_ids() -> None:
    """``editable=true`` lists ids and nothing else."""
    duty = Duty()
    path = f"/schedules/{make(duty, '/schedules', 'schedule', schedule())['id']}/overrides"
    span = {"start": "2026-03-02T12:00:00Z", "end": "2026-03-02T13:00:00Z", "user": user(BOB)}
    duty.rest("POST", path, {"overrides": [span]})
    window = "since=2026-03-02&until=2026-03-03"
    (bare,) = duty.rest("GET", f"{path}?{window}&editable=true").json()["overrides"]
    (whole,) = duty.rest("GET", f"{path}?{window}").json()["overrides"]
    assert (list(bare), set(whole) > {"id", "start", "end"}) == (["id"], True)


@pytest.mark.parametrize("unknown_enum", [False, True])
def test_unknown_enum(unknown_enum: bool) -> None:
    """A log may hold an entry of a type no client knows."""
    duty = Duty(unknown_enum=unknown_enum)
    duty.send()
    types = [row["type"] for row in duty.rest("GET", "/log_entries").json()["log_entries"]]
    assert ("novel_log_entry" in types) is unknown_enum


# -- webhooks, phones, clients -----------------------------------------------------------------------------------------


def test_a_receiver_that_refuses_three_times_hears_nothing_for_a_day() -> None:
    """4xx to three events in a row disables the endpoint; a day later events flow again."""
    duty = Duty()
    client = Client(duty)
    _subscribe(duty)
    client.answers = [400] * 3
    for key in "abcd":
        duty.send(key=key)
    assert len(client.got) == 3
    duty.world.advance("23h")
    duty.send(key="e")
    assert len(client.got) == 3
    duty.world.advance("2h")
    duty.send(key="f")
    assert len(client.got) == 4


def test_what_waits_beside_the_third_refusal_is_not_sent() -> None:
    """Of five webhooks of one instant the last two are not sent when three are refused."""
    duty = Duty(two_levels())
    client = Client(duty)
    for key in "abcde":
        duty.send(key=key)
    method = {"type": "http_delivery_method", "url": f"https://{HOOKS}/pd"}
    wish = {"type": "webhook_subscription", "delivery_method": method, "filter": {"type": "account_reference"}}
    make(duty, "/webhook_subscriptions", "webhook_subscription", wish | {"events": ["incident.escalated"]})
    client.answers = [400] * 5
    duty.until(30)
    assert len(client.got) == 3


def test_a_secret_is_shown_once() -> None:
    """In the answer to the create, and never again."""
    duty = Duty()
    made = _subscribe(duty)
    read = duty.rest("GET", f"/webhook_subscriptions/{made['id']}").json()["webhook_subscription"]
    assert made["delivery_method"]["secret"]
    assert not read["delivery_method"].get("secret")


def test_dup_webhook() -> None:
    """A webhook arrives twice under one id; webhooks of different incidents keep no order among each other."""
    duty = Duty()
    client = Client(duty)
    _subscribe(duty)
    _oddity(duty, "dup_webhook", host=HOOKS)
    duty.send(key="a")
    ids = [headers["x-webhook-id"] for _, headers, _ in client.got]
    assert (len(ids), len(set(ids))) == (2, 1)
    _oddity(duty, "gateway", shape="html_503", host=HOOKS)
    duty.send(key="b")
    duty.send(key="c")
    duty.world.advance("1m")
    assert [json.loads(body)["event"]["data"]["number"] for _, _, body in client.got] == [1, 1, 3, 2]


def test_an_sms_without_a_receipt_comes_twice() -> None:
    """So does a call."""
    duty = Duty(two_levels())
    duty.do(carriers.change, Carrier("+1 5550100", receipts=False))
    duty.send()
    duty.until(5)
    assert [at for at, who in duty.told if who == "alice"] == [0, 1]


def test_the_api_answers_the_client_in_process() -> None:
    """The vendor's Python client only speaks https: hosts are served to an httpx client without a socket."""
    duty = Duty()
    answer = duty.world.client.get(
        f"https://{API_HOST}/users/{ALICE.id}", headers={"Authorization": f"Token token={accounts.API_KEY}"}
    )
    assert (answer.status_code, answer.json()["user"]["self"]) == (200, f"https://{API_HOST}/users/{ALICE.id}")


# -- the table ---------------------------------------------------------------------------------------------------------


def test_oddities_are_listed_and_wrong_names_are_refused_in_a_line() -> None:
    """With their shapes; a name, a shape, a number or a host that does not fit is refused and changes nothing."""
    duty = Duty()
    listed = {row["name"]: row["shapes"] for row in duty.rest("GET", "/_sim/oddities").json()["oddities"]}
    assert listed == {name: [*row.shapes] for name, row in oddities.ODDITIES.items()}
    wishes = [
        ("rain", {}),
        ("gateway", {"shape": "x"}),
        ("gateway", {"times": 0}),
        ("dup_webhook", {}),
        ("lock", {"host": 1}),
    ]
    for name, wish in wishes:
        answer = _oddity(duty, name, **wish)
        assert (answer.status_code, "\n" in answer.json()["error"]) == (400, False)
    assert not duty.world.has_faults()
