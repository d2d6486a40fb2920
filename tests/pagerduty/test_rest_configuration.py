"""Configuration over REST: what is refused in which words, what may not be deleted, defaults, filters, pages."""

from typing import Any

import pytest
from duty_rig import ALICE, BOB, KEY, Duty, user
from rest_rig import WEEK, make, refused, restricted, schedule

from scenarios import accounts
from simulators.pagerduty.model import Knobs

POLICY = {
    "name": "Night",
    "escalation_rules": [{"escalation_delay_in_minutes": 30, "targets": [{"id": ALICE.id, "type": "user_reference"}]}],
}
SERVICE = {"name": "Shop", "escalation_policy": {"id": accounts.POLICY, "type": "escalation_policy_reference"}}


REFUSALS = [
    ("/users", "user", {"email": "x@example.com"}, ["Name cannot be empty."]),
    ("/users", "user", {"name": " ", "email": "x@example.com"}, ["Name cannot be empty."]),
    (
        "/users",
        "user",
        {"name": "n" * 101, "email": "x@example.com"},
        ["Name is too long (maximum is 100 characters)"],
    ),
    ("/users", "user", {"name": "X", "email": "nobody"}, ["Email is invalid"]),
    ("/users", "user", {"name": "X", "email": "ALICE@example.com"}, ["Email has already been taken"]),
    ("/services", "service", SERVICE | {"name": "network"}, ["Name has already been taken"]),
    ("/services", "service", {"name": "Shop"}, ["Escalation policy cannot be empty."]),
    (
        "/services",
        "service",
        SERVICE | {"auto_resolve_timeout": -1},
        ["Auto resolve timeout must be greater than or equal to 0"],
    ),
    (
        "/services",
        "service",
        SERVICE
        | {
            "incident_urgency_rule": {
                "type": "use_support_hours",
                "during_support_hours": {"type": "constant", "urgency": "high"},
                "outside_support_hours": {"type": "constant", "urgency": "low"},
            }
        },
        ["Support hours cannot be empty."],
    ),
    ("/escalation_policies", "escalation_policy", {"name": "Night"}, ["Escalation rules cannot be empty."]),
    (
        "/escalation_policies",
        "escalation_policy",
        POLICY | {"num_loops": 10},
        ["Num loops must be less than or equal to 9"],
    ),
    (
        "/escalation_policies",
        "escalation_policy",
        POLICY | {"escalation_rules": [{"escalation_delay_in_minutes": 5, "targets": [user(ALICE)] * 11}]},
        ["Escalation rules base May have at most 10 escalation targets"],
    ),
    (
        "/schedules",
        "schedule",
        restricted(type="weekly_restriction", duration_seconds=3600),
        ["Start day of week must be in 1, 2, 3, 4, 5, 6, 7"],
    ),
    (f"/services/{accounts.SERVICE}/integrations", "integration", {"name": "x"}, ["Type cannot be empty."]),
    ("/tags", "tag", {}, ["Label cannot be empty."]),
    (
        "/maintenance_windows",
        "maintenance_window",
        {"start_time": "2026-03-02T08:00:00Z", "end_time": "2026-03-02T09:00:00Z", "services": [{"id": "PSVC001"}]},
        ["End time must be in the future"],
    ),
]


@pytest.mark.parametrize(("path", "wrapper", "body", "errors"), REFUSALS)
def test_a_bad_body_is_refused_in_the_vendors_words(
    path: str, wrapper: str, body: dict[str, Any], errors: list[str]
) -> None:
    """What is wrong with a body is told field by field, with code 2001, and nothing is created."""
    duty = Duty()
    before = duty.world.tables()["pagerduty." + path.rsplit("/", 1)[-1]]
    count = len(before)
    answer = duty.rest("POST", path, {wrapper: body}, From=ALICE.email)
    assert refused(answer) == (400, 2001, errors)
    assert len(before) == count


def test_a_schedule_that_cannot_be_is_an_invalid_schedule() -> None:
    """Lengths out of range get code 3001 and an object of complaints."""
    duty = Duty()
    body = restricted(type="weekly_restriction", start_day_of_week=1, duration_seconds=WEEK)
    name = "rotation_layers.weekly_restrictions.duration_seconds"
    complaint = {name: ["Please use a shorter duration or just turn the recurrence off."]}
    assert refused(duty.rest("POST", "/schedules", {"schedule": body})) == (400, 3001, complaint)
    short = duty.rest("POST", "/schedules", {"schedule": schedule(rotation_turn_length_seconds=60)})
    assert refused(short)[:2] == (400, 3001)


@pytest.mark.parametrize("content", ["[]", "{", '{"incident": []}', "{}", '{"incident": {"title": NaN}}', ""])
def test_a_body_that_is_no_hash(content: str) -> None:
    """Anything but an object under the right key is "params must be a Hash"."""
    duty = Duty()
    headers = {"Authorization": f"Token token={accounts.API_KEY}", "From": ALICE.email}
    headers["Content-Type"] = "application/json"
    url = "https://api.pagerduty.com/incidents"
    answer = duty.world.client.post(url, content=content, headers=headers)
    assert refused(answer) == (400, 2001, ["params must be a Hash"])
    headers["Content-Type"] = "text/plain"
    plain = duty.world.client.post(url, content='{"incident": {"title": "t"}}', headers=headers)
    assert refused(plain) == (400, 2001, ["params must be a Hash"])


def test_a_reference_to_nothing_is_not_found() -> None:
    """A target of the wrong kind is 404 with 2100, an unknown policy of a service has its own code."""
    duty = Duty()
    targets = [{"id": "PSCH404", "type": "user_reference"}]
    policy = POLICY | {"escalation_rules": [{"escalation_delay_in_minutes": 5, "targets": targets}]}
    answer = duty.rest("POST", "/escalation_policies", {"escalation_policy": policy})
    assert refused(answer)[:2] == (404, 2100)
    answer = duty.rest("POST", "/services", {"service": SERVICE | {"escalation_policy": {"id": "P404"}}})
    assert refused(answer)[:2] == (404, 5001)


def test_what_is_needed_is_not_deleted() -> None:
    """People, schedules, policies and teams in use are refused, each in its words; unused they go."""
    duty = Duty()
    made = make(duty, "/schedules", "schedule", schedule())
    target = {"id": made["id"], "type": "schedule_reference"}
    rules = [{"escalation_delay_in_minutes": 5, "targets": [target]}]
    policy = make(duty, "/escalation_policies", "escalation_policy", {"name": "Night", "escalation_rules": rules})
    service = make(
        duty, "/services", "service", {"name": "Shop", "escalation_policy": {"id": policy["id"], "type": "x"}}
    )
    in_use = "Schedule can't be deleted if it's being used by escalation policies"
    assert refused(duty.rest("DELETE", f"/schedules/{made['id']}")) == (400, 2001, [in_use])
    assert refused(duty.rest("DELETE", f"/escalation_policies/{policy['id']}"))[:2] == (400, 2001)
    assert refused(duty.rest("DELETE", f"/users/{ALICE.id}"))[:2] == (400, 2001)

    integration = make(
        duty, f"/services/{service['id']}/integrations", "integration", {"type": "events_api_v2_inbound_integration"}
    )
    duty.send(routing_key=integration["integration_key"])
    rules = [{"escalation_delay_in_minutes": 5, "targets": [user(BOB)]}]
    duty.rest("PUT", f"/escalation_policies/{policy['id']}", {"escalation_policy": {"escalation_rules": rules}})
    snapshot = "Schedule can't be deleted if it's being used by an escalation policy snapshot with open incidents"
    assert refused(duty.rest("DELETE", f"/schedules/{made['id']}")) == (400, 2001, [snapshot])
    assert duty.rest("DELETE", f"/services/{service['id']}").status_code == 204
    assert duty.rest("DELETE", f"/schedules/{made['id']}").status_code == 204
    assert duty.rest("DELETE", f"/escalation_policies/{policy['id']}").status_code == 204


def test_team_members_and_policies() -> None:
    """A member on a policy of the team stays; a team with policies stays; both go afterwards."""
    duty = Duty()
    team = make(duty, "/teams", "team", {"name": "Network"})["id"]
    assert duty.rest("PUT", f"/teams/{team}/users/{ALICE.id}", {"role": "responder"}).status_code == 204
    assert duty.rest("PUT", f"/teams/{team}/escalation_policies/{accounts.POLICY}").status_code == 204
    (member,) = duty.rest("GET", f"/teams/{team}/members").json()["members"]
    assert (member["user"]["id"], member["role"]) == (ALICE.id, "responder")
    assert [u["id"] for u in duty.rest("GET", f"/users?team_ids[]={team}").json()["users"]] == [ALICE.id]
    assert [s["id"] for s in duty.rest("GET", f"/services?team_ids[]={team}").json()["services"]] == ["PSVC001"]
    belongs = ["User cannot be removed as they belong to an escalation policy on this team"]
    assert refused(duty.rest("DELETE", f"/teams/{team}/users/{ALICE.id}")) == (400, 2001, belongs)
    assert refused(duty.rest("DELETE", f"/teams/{team}"))[:2] == (400, 6006)
    assert duty.rest("DELETE", f"/teams/{team}/escalation_policies/{accounts.POLICY}").status_code == 204
    assert duty.rest("DELETE", f"/teams/{team}/users/{ALICE.id}").status_code == 204
    assert duty.rest("DELETE", f"/teams/{team}").status_code == 204


def test_updates_are_partial() -> None:
    """Only what was sent changes; read-only and unknown fields are ignored."""
    duty = Duty()
    before = duty.rest("GET", f"/users/{ALICE.id}").json()["user"]
    sent = {"job_title": "SRE", "avatar_url": "x", "teams": [], "shoe_size": 44}
    after = duty.rest("PUT", f"/users/{ALICE.id}", {"user": sent}).json()["user"]
    assert after == before | {"job_title": "SRE"}


def test_names_lose_repeated_spaces() -> None:
    """Repeated spaces in a name collapse."""
    made = make(Duty(), "/users", "user", {"name": "Ada   Byron ", "email": "ada@example.com"})
    assert made["name"] == "Ada Byron"


def test_a_service_shows_its_state() -> None:
    """Active, critical with a triggered incident, warning when acknowledged, maintenance, disabled and back."""
    duty = Duty()
    path = f"/services/{accounts.SERVICE}"

    def status() -> str:
        return str(duty.rest("GET", path).json()["service"]["status"])

    seen = [status()]
    duty.send()
    seen.append(status())
    duty.send("acknowledge")
    seen.append(status())
    span = {"start_time": "2026-03-02T10:00:00Z", "end_time": "2026-03-02T11:00:00Z"}
    window = make(duty, "/maintenance_windows", "maintenance_window", {**span, "services": [{"id": "PSVC001"}]})
    seen.append(status())
    assert duty.rest("DELETE", f"/maintenance_windows/{window['id']}").status_code == 204
    duty.rest("PUT", path, {"service": {"status": "disabled"}})
    seen.append(status())
    duty.rest("PUT", path, {"service": {"status": "active"}})
    seen.append(status())
    assert seen == ["active", "critical", "warning", "maintenance", "disabled", "warning"]


def test_maintenance_windows() -> None:
    """A running window ends early, a future one goes, a past one cannot be deleted; filters tell them apart."""
    duty = Duty()
    services = [{"id": accounts.SERVICE, "type": "service_reference"}]

    def window(start: str, end: str) -> str:
        body = {"start_time": f"2026-03-{start}:00Z", "end_time": f"2026-03-{end}:00Z", "services": services}
        made = make(duty, "/maintenance_windows", "maintenance_window", body)
        assert made["created_by"]["id"] == ALICE.id
        return str(made["id"])

    running, future = window("02T09:00", "02T11:00"), window("03T09:00", "03T11:00")
    assert duty.rest("GET", f"/maintenance_windows/{running}").json()["maintenance_window"]["start_time"] == (
        "2026-03-02T10:00:00Z"
    )
    duty.until(10)
    duty.send()
    assert duty.incidents == []
    assert [duty.rest("DELETE", f"/maintenance_windows/{id}").status_code for id in (running, future)] == [204, 204]
    ended = duty.rest("GET", "/maintenance_windows?filter=past").json()["maintenance_windows"]
    assert [(row["id"], row["end_time"]) for row in ended] == [(running, "2026-03-02T10:10:00Z")]
    assert duty.rest("GET", "/maintenance_windows?filter=open").json()["maintenance_windows"] == []
    assert refused(duty.rest("DELETE", f"/maintenance_windows/{running}"))[:2] == (405, 5003)
    duty.send()
    assert len(duty.incidents) == 1


def test_integrations() -> None:
    """An integration gets a key that works at once; a vendor decides the type; deleted, its key is nobody's."""
    duty = Duty()
    path = f"/services/{accounts.SERVICE}/integrations"
    vendor = duty.rest("GET", "/vendors?query=thousand").json()["vendors"][0]
    made = make(duty, path, "integration", {"name": "TE", "vendor": {"id": vendor["id"], "type": "vendor_reference"}})
    assert (made["type"], made["vendor"]["summary"]) == ("events_api_v2_inbound_integration", "ThousandEyes")
    assert duty.send(routing_key=made["integration_key"]) == 202
    renamed = duty.rest("PUT", f"{path}/{made['id']}", {"integration": {"name": "Eyes"}}).json()["integration"]
    assert (renamed["name"], renamed["integration_key"]) == ("Eyes", made["integration_key"])
    assert duty.rest("DELETE", f"{path}/{made['id']}").status_code == 204
    assert duty.send(routing_key=made["integration_key"]) == 400
    mail = make(duty, path, "integration", {"name": "Mail in", "type": "generic_email_inbound_integration"})
    assert mail["integration_email"] == "mail-in@example.pagerduty.com"


@pytest.mark.parametrize("query", ["limit=0", "limit=-1", "limit=ten", "offset=-1", "offset=9999&limit=2"])
def test_pages_that_cannot_be(query: str) -> None:
    """A limit or offset out of range is refused; offset and limit together reach 10,000."""
    assert refused(Duty().rest("GET", f"/users?{query}"))[:2] == (400, 2001)


def test_pages() -> None:
    """The limit is clamped to 100 and echoed, the total is null unless asked for."""
    duty = Duty()
    shown = duty.rest("GET", "/users?limit=1000").json()
    assert [shown[name] for name in ("limit", "offset", "more", "total")] == [100, 0, False, None]
    shown = duty.rest("GET", "/users?limit=1&offset=1&total=true").json()
    assert [shown[name] for name in ("limit", "offset", "more", "total")] == [1, 1, True, 3]
    assert duty.rest("GET", "/users?limit=1&offset=9999").json()["users"] == []


def test_includes_replace_references() -> None:
    """An included kind comes whole, its type without ``_reference``."""
    duty = Duty()
    path = f"/services/{accounts.SERVICE}"
    plain = duty.rest("GET", path).json()["service"]
    full = duty.rest("GET", f"{path}?include[]=escalation_policies&include%5B%5D=integrations").json()["service"]
    assert plain["escalation_policy"]["type"] == "escalation_policy_reference"
    assert full["escalation_policy"]["type"] == "escalation_policy"
    assert full["escalation_policy"]["escalation_rules"]
    assert full["integrations"][0]["integration_key"] == KEY


def test_sorting() -> None:
    """A list is sorted by the fields the API offers, in either direction."""
    duty = Duty()
    for name in ("Alpha", "zulu"):
        make(duty, "/services", "service", SERVICE | {"name": name})
    for order, expected in (
        ("name", ["Alpha", "Network", "zulu"]),
        ("name:asc", ["Alpha", "Network", "zulu"]),
        ("name:desc", ["zulu", "Network", "Alpha"]),
    ):
        rows = duty.rest("GET", f"/services?sort_by={order}").json()["services"]
        assert [row["name"] for row in rows] == expected
    assert refused(duty.rest("GET", "/services?sort_by=colour"))[:2] == (400, 2001)


def test_tags_on_things() -> None:
    """Tags are put on and taken off by label or id, and found from both sides."""
    duty = Duty()
    change = {"add": [{"type": "tag", "label": "night"}, {"type": "tag", "label": "wan"}]}
    assert duty.rest("POST", f"/users/{ALICE.id}/change_tags", change).status_code == 200
    tags = duty.rest("GET", f"/users/{ALICE.id}/tags").json()["tags"]
    assert [tag["label"] for tag in tags] == ["night", "wan"]
    gone = {"remove": [{"type": "tag_reference", "id": tags[0]["id"]}]}
    duty.rest("POST", f"/users/{ALICE.id}/change_tags", gone)
    assert duty.rest("GET", f"/tags/{tags[0]['id']}/users").json()["users"] == []
    assert [entry["id"] for entry in duty.rest("GET", f"/tags/{tags[1]['id']}/users").json()["users"]] == [ALICE.id]


def test_deleting_a_contact_method_takes_its_rules() -> None:
    """The rules of a contact method go with it."""
    duty = Duty()
    methods = duty.rest("GET", f"/users/{ALICE.id}/contact_methods").json()["contact_methods"]
    assert duty.rest("DELETE", f"/users/{ALICE.id}/contact_methods/{methods[0]['id']}").status_code == 204
    rules = duty.rest("GET", f"/users/{ALICE.id}/notification_rules?urgency=all").json()["notification_rules"]
    assert rules == []


def test_a_plan_without_low_urgency() -> None:
    """A low-urgency rule needs the ability; without it 402 and code 2014."""
    duty = Duty()
    duty.world.set_knobs(Knobs(missing_abilities=("urgencies",)))
    method = duty.rest("GET", f"/users/{ALICE.id}/contact_methods").json()["contact_methods"][0]
    rule = {"start_delay_in_minutes": 9, "urgency": "low", "contact_method": {"id": method["id"], "type": "x"}}
    answer = duty.rest("POST", f"/users/{ALICE.id}/notification_rules", {"notification_rule": rule})
    assert refused(answer)[:2] == (402, 2014)


def test_services_depend_on_services() -> None:
    """Relations are made once, listed from both ends, and dissolved."""
    duty = Duty()
    sales = make(duty, "/business_services", "business_service", {"name": "Sales"})["id"]
    relation = {
        "supporting_service": {"id": accounts.SERVICE, "type": "service"},
        "dependent_service": {"id": sales, "type": "business_service"},
    }
    for _ in range(2):
        answer = duty.rest("POST", "/service_dependencies/associate", {"relationships": [relation]})
        assert answer.status_code == 200
    (made,) = duty.rest("GET", f"/service_dependencies/business_services/{sales}").json()["relationships"]
    assert made["supporting_service"]["type"] == "technical_service_reference"
    seen = duty.rest("GET", f"/service_dependencies/technical_services/{accounts.SERVICE}").json()["relationships"]
    assert seen == [made]
    duty.rest("POST", "/service_dependencies/disassociate", {"relationships": [relation]})
    assert duty.rest("GET", f"/service_dependencies/business_services/{sales}").json() == {"relationships": []}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/event_orchestrations", 200),
        ("POST", "/event_orchestrations", 402),
        ("POST", "/analytics/raw/incidents", 402),
        ("GET", "/rulesets", 200),
        ("GET", "/rulesets/R1", 402),
    ],
)
def test_products_that_are_not_modelled(method: str, path: str, status: int) -> None:
    """Lists are empty; anything else answers as for a plan without the product."""
    answer = Duty().rest(method, path, None if method == "GET" else {})
    assert answer.status_code == status
    if status == 402:
        assert refused(answer)[:2] == (402, 2014)
