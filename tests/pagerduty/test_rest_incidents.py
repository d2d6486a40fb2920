"""Incidents over REST: creating, updating, listing; what is refused, and what an update that says nothing new does."""

from typing import Any

import pytest
from duty_rig import ALICE, BOB, CAROL, Duty, maintenance, two_levels, user
from rest_rig import make, refused

from scenarios import accounts
from simulators.pagerduty import account
from simulators.pagerduty.model import Status

SERVICE = {"id": accounts.SERVICE, "type": "service_reference"}
POLICY = {"id": accounts.POLICY, "type": "escalation_policy_reference"}


def new(**more: Any) -> dict[str, Any]:
    return {"type": "incident", "title": "Link down", "service": SERVICE, **more}


def assign(human: Any) -> list[dict[str, Any]]:
    return [{"assignee": user(human)}]


def create(duty: Duty, **more: Any) -> dict[str, Any]:
    return make(duty, "/incidents", "incident", new(**more))


def change(duty: Duty, id: str, who: Any = ALICE, **fields: Any) -> Any:
    body = {"incident": {"type": "incident_reference", **fields}}
    return duty.rest("PUT", f"/incidents/{id}", body, From=who.email)


def changed(duty: Duty, id: str, who: Any = ALICE, **fields: Any) -> dict[str, Any]:
    answer = change(duty, id, who, **fields)
    assert answer.status_code == 200, answer.text
    shown: dict[str, Any] = answer.json()["incident"]
    return shown


def people(shown: dict[str, Any]) -> list[str]:
    return [entry["assignee"]["summary"] for entry in shown["assignments"]]


def pending(shown: dict[str, Any]) -> list[str]:
    return [action["type"] for action in shown["pending_actions"]]


def test_a_created_incident() -> None:
    """An incident without an alert: the service's policy assigns it, its number goes into the summary."""
    duty = Duty()
    shown = create(duty, priority={"id": "PPRIO02", "type": "priority_reference"}, incident_key="k1")
    assert (shown["summary"], shown["status"], people(shown)) == ("[#1] Link down", "triggered", ["alice"])
    assert shown["alert_counts"] == {"all": 0, "triggered": 0, "resolved": 0}
    assert (shown["priority"]["name"], shown["incident_key"], shown["urgency"]) == ("P2", "k1", "high")
    assert shown["first_trigger_log_entry"]["summary"] == "Triggered through the website"
    assert shown["last_status_change_by"]["id"] == ALICE.id
    assert duty.rest("GET", "/incidents/1").json()["incident"]["id"] == shown["id"]


def test_a_creator_who_takes_it_has_acknowledged() -> None:
    """Assigning a new incident to oneself starts it acknowledged, and nobody is told."""
    duty = Duty()
    shown = create(duty, assignments=assign(ALICE))
    assert (shown["status"], shown["assigned_via"]) == ("acknowledged", "direct_assignment")
    duty.until(60)
    assert duty.told == []
    assert [kind for _, kind in duty.log()] == ["trigger", "assign", "acknowledge"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"title": ""}, (400, 2001, ["Title cannot be empty."])),
        ({"title": None}, (400, 2001, ["Title cannot be empty."])),
        ({"body": {}}, (400, 2001, ["Body is invalid."])),
        ({"body": {"details": {"a": 1}}}, (400, 2001, ["Body is invalid."])),
        ({"service": {"id": "PNOBODY"}}, (400, 2002, ["Service not found"])),
        ({"urgency": "mild"}, (400, 2001, ["Urgency must be in high, low"])),
        ({"priority": {"id": "P0"}}, (400, 1020, [])),
        ({"assignments": [*assign(CAROL), {"assignee": {"id": "P0"}}]}, (400, 1007, [])),
        ({"escalation_policy": {"id": "P0"}}, (400, 1014, [])),
    ],
)
def test_an_incident_that_cannot_be_created(body: dict[str, Any], expected: tuple[int, int, list[str]]) -> None:
    """What is wrong is said in the vendor's words, and no incident comes of it."""
    duty = Duty()
    assert refused(duty.rest("POST", "/incidents", {"incident": new(**body)}, From=ALICE.email)) == expected
    assert duty.incidents == []


def test_one_open_incident_per_key() -> None:
    """A second incident with the key of an open one is refused, whether that has an alert or not."""
    duty = Duty()
    text = ["Open incident with matching dedup key already exists on this service"]
    create(duty, incident_key="mine")
    duty.send(key="theirs")
    for key in ("mine", "theirs"):
        answer = duty.rest("POST", "/incidents", {"incident": new(incident_key=key)}, From=ALICE.email)
        assert refused(answer) == (400, 2002, text)
    duty.send("resolve", key="theirs")
    assert create(duty, incident_key="theirs")


def test_nobody_can_be_assigned() -> None:
    """A policy without anybody on call, a disabled service, maintenance: refused."""
    duty = Duty(two_levels(status="disabled"))
    assert refused(duty.rest("POST", "/incidents", {"incident": new()}, From=ALICE.email))[:2] == (400, 2001)
    duty = Duty()
    duty.do(account.put, "maintenance_windows", maintenance())
    assert refused(duty.rest("POST", "/incidents", {"incident": new()}, From=ALICE.email))[:2] == (400, 2001)
    made = accounts.fixed(schedules=(accounts.layer([ALICE.id], start="2027-01-01T00:00:00Z"),))
    made["escalation_policies"][0]["escalation_rules"].pop()
    answer = Duty(made).rest("POST", "/incidents", {"incident": new()}, From=ALICE.email)
    assert refused(answer)[:2] == (400, 1015)


def test_acknowledging_and_taking_it_back() -> None:
    """Acknowledged over REST by the person named; triggered again over REST it escalates anew."""
    duty = Duty()
    id = create(duty)["id"]
    shown = changed(duty, id, BOB, status="acknowledged")
    assert [entry["acknowledger"]["summary"] for entry in shown["acknowledgements"]] == ["bob"]
    assert (people(shown), pending(shown)) == (["alice", "bob"], [])
    shown = changed(duty, id, status="triggered")
    assert (shown["acknowledgements"], pending(shown)) == ([], ["escalate"])


def test_resolving_with_a_resolution() -> None:
    """The text of a resolution is the note of the resolve entry; assignments are gone."""
    duty = Duty()
    id = create(duty)["id"]
    shown = changed(duty, id, status="resolved", resolution="Cable replaced")
    assert (people(shown), shown["resolved_at"]) == ([], "2026-03-02T10:00:00Z")
    entry = duty.rest("GET", f"/incidents/{id}/log_entries").json()["log_entries"][0]
    assert (entry["type"], entry["note"]) == ("resolve_log_entry", "Cable replaced")


@pytest.mark.parametrize("fields", [{"status": "resolved"}, {"title": "x"}, {"urgency": "low"}])
def test_a_resolved_incident_takes_no_update(fields: dict[str, str]) -> None:
    """Anything but reopening is refused with 1001."""
    duty = Duty()
    id = create(duty)["id"]
    changed(duty, id, status="resolved")
    answer = change(duty, id, **fields)
    assert refused(answer) == (400, 1001, [])
    assert answer.json()["error"]["message"] == "Incident Already Resolved"


def test_reopening() -> None:
    """Set to triggered a resolved incident is assigned by its policy; to acknowledged, to the caller."""
    duty = Duty()
    duty.send()
    id = duty.incident.id
    changed(duty, id, status="resolved")
    shown = changed(duty, id, status="triggered")
    assert (people(shown), pending(shown), shown["resolved_at"]) == (["alice"], ["escalate"], None)
    assert shown["alert_counts"] == {"all": 1, "triggered": 0, "resolved": 1}
    changed(duty, id, status="resolved")
    shown = changed(duty, id, BOB, status="acknowledged")
    assert (shown["status"], people(shown)) == ("acknowledged", ["bob"])


def test_reassigning() -> None:
    """To a user: directly, and no policy is followed; to a policy: from its first level."""
    duty = Duty()
    id = create(duty)["id"]
    shown = changed(duty, id, assignments=assign(CAROL))
    assert (people(shown), shown["assigned_via"], pending(shown)) == (["carol"], "direct_assignment", [])
    assert refused(change(duty, id, escalation_level=2))[:2] == (400, 1006)
    shown = changed(duty, id, escalation_policy=POLICY)
    assert (people(shown), shown["assigned_via"], pending(shown)) == (["alice"], "escalation_policy", ["escalate"])


def test_escalating_to_a_level() -> None:
    """A level is reached by its number; a low-urgency incident cannot be escalated."""
    duty = Duty()
    id = create(duty)["id"]
    assert people(changed(duty, id, escalation_level=2)) == ["bob"]
    assert refused(change(duty, id, escalation_level=3))[:2] == (400, 2001)
    changed(duty, id, urgency="low")
    assert refused(change(duty, id, escalation_level=1))[:2] == (400, 1006)


def test_urgency_raised_on_an_acknowledged_incident() -> None:
    """Raising the urgency un-acknowledges and starts escalating."""
    duty = Duty()
    id = create(duty, urgency="low")["id"]
    assert pending(changed(duty, id, status="acknowledged")) == []
    shown = changed(duty, id, urgency="high")
    assert (shown["status"], pending(shown)) == ("triggered", ["escalate"])


def test_title_and_priority() -> None:
    """A title is set and leaves an entry with what changed; a priority goes by name and is cleared by null."""
    duty = Duty()
    id = create(duty)["id"]
    shown = changed(duty, id, title="Link flaps", priority="P3")
    assert (shown["title"], shown["summary"], shown["priority"]["name"]) == ("Link flaps", "[#1] Link flaps", "P3")
    assert changed(duty, id, priority=None)["priority"] is None
    assert refused(change(duty, id, priority="P9"))[:2] == (400, 1020)
    assert refused(change(duty, id, title=" ")) == (400, 2001, ["Title cannot be empty."])


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"status": "acknowledged"}, (400, 2001, ["Type cannot be empty."])),
        ({"type": "incident", "status": "done"}, (400, 1003, [])),
        ({"type": "incident", "assignments": [{"assignee": {"id": "P0"}}]}, (400, 1007, [])),
    ],
)
def test_updates_that_cannot_be(body: dict[str, Any], expected: tuple[int, int, list[str]]) -> None:
    """An update needs a type and values that exist."""
    duty = Duty()
    id = create(duty)["id"]
    assert refused(duty.rest("PUT", f"/incidents/{id}", {"incident": body}, From=ALICE.email)) == expected


def test_snoozing() -> None:
    """A snooze acknowledges and comes back after its duration; durations have bounds."""
    duty = Duty()
    id = create(duty)["id"]

    def snooze(**body: Any) -> Any:
        return duty.rest("POST", f"/incidents/{id}/snooze", body, From=ALICE.email)

    for bad in ({}, {"duration": 0}, {"duration": 604_801}, {"duration": "10"}, {"duration": True}):
        assert refused(snooze(**bad))[:2] == (400, 1013)
    answer = snooze(duration=3600)
    assert (answer.status_code, answer.json()["incident"]["status"]) == (201, "acknowledged")
    actions = answer.json()["incident"]["pending_actions"]
    assert actions == [{"type": "unacknowledge", "at": "2026-03-02T11:00:00Z"}]
    duty.until(61)
    assert duty.incident.status is Status.TRIGGERED


def test_merging() -> None:
    """Alerts move with their keys, sources are resolved naming the target, and events follow the alerts."""
    duty = Duty()
    for key in ("a", "b"):
        duty.send(key=key)
    first, second = (row.id for row in duty.incidents)
    sources = {"source_incidents": [{"id": second, "type": "incident_reference"}]}
    answer = duty.rest("PUT", f"/incidents/{first}/merge", sources, From=ALICE.email)
    assert (answer.status_code, answer.json()["incident"]["id"]) == (200, first)
    target, source = (duty.rest("GET", f"/incidents/{id}").json()["incident"] for id in (first, second))
    assert target["alert_counts"] == {"all": 2, "triggered": 2, "resolved": 0}
    assert source["status"] == "resolved"
    assert source["resolve_reason"]["incident"]["id"] == first
    again = duty.rest("PUT", f"/incidents/{first}/merge", sources, From=ALICE.email)
    assert refused(again)[:2] == (400, 1019)
    duty.send("resolve", key="b")
    assert duty.rest("GET", f"/incidents/{first}").json()["incident"]["alert_counts"]["triggered"] == 1
    duty.send("resolve", key="a")
    assert duty.rest("GET", f"/incidents/{first}").json()["incident"]["status"] == "resolved"


def test_alerts_are_resolved_and_moved() -> None:
    """Resolving an alert over REST counts; moving the last open one resolves what it leaves."""
    duty = Duty()
    for key in ("a", "b"):
        duty.send(key=key)
    first, second = (row.id for row in duty.incidents)
    one, two = (row.id for row in duty.alerts)
    move = {"alert": {"type": "alert", "incident": {"id": first, "type": "incident_reference"}}}
    moved = duty.rest("PUT", f"/incidents/{second}/alerts/{two}", move, From=ALICE.email).json()["alert"]
    assert moved["incident"]["id"] == first
    assert duty.rest("GET", f"/incidents/{second}").json()["incident"]["status"] == "resolved"
    assert duty.rest("GET", f"/incidents/{second}/alerts/{two}").status_code == 404
    alerts = [{"id": id, "type": "alert", "status": "resolved"} for id in (one, two)]
    answer = duty.rest("PUT", f"/incidents/{first}/alerts", {"alerts": alerts}, From=ALICE.email)
    assert {row["status"] for row in answer.json()["alerts"]} == {"resolved"}
    shown = duty.rest("GET", f"/incidents/{first}").json()["incident"]
    assert (shown["status"], shown["alert_counts"]) == ("resolved", {"all": 2, "triggered": 0, "resolved": 2})


def test_notes() -> None:
    """A note needs a content; it is edited and deleted."""
    duty = Duty()
    id = create(duty)["id"]
    path = f"/incidents/{id}/notes"
    assert refused(duty.rest("POST", path, {"note": {"content": ""}}, From=ALICE.email)) == (
        400,
        2001,
        ["Content cannot be empty."],
    )
    note = duty.rest("POST", path, {"note": {"content": "one"}}, From=BOB.email).json()["note"]
    assert (note["user"]["id"], note["content"]) == (BOB.id, "one")
    edited = duty.rest("PUT", f"{path}/{note['id']}", {"note": {"content": "two"}}, From=BOB.email).json()["note"]
    assert edited["content"] == "two"
    assert duty.rest("DELETE", f"{path}/{note['id']}").status_code == 204
    assert duty.rest("GET", path).json() == {"notes": []}


def listed(duty: Duty, query: str = "") -> list[int]:
    answer = duty.rest("GET", f"/incidents?{query}")
    assert answer.status_code == 200, answer.text
    return [row["incident_number"] for row in answer.json()["incidents"]]


def test_filters() -> None:
    """Sets are OR within and AND between; keys, people, urgency, dates and order select and sort."""
    duty = Duty()
    other = {"name": "Shop", "escalation_policy": {"id": accounts.POLICY}}
    shop = make(duty, "/services", "service", other)["id"]
    create(duty)
    duty.send(key="k2")
    create(duty, service={"id": shop}, urgency="low")
    duty.until(10)
    create(duty, assignments=assign(CAROL), incident_key="k4")
    changed(duty, duty.incidents[0].id, status="acknowledged")
    changed(duty, duty.incidents[1].id, status="resolved")
    for query, expected in {
        "": [1, 2, 3, 4],
        "statuses[]=triggered": [3, 4],
        "statuses[]=acknowledged&statuses[]=resolved": [1, 2],
        f"service_ids[]={shop}": [3],
        f"service_ids[]={shop}&statuses[]=resolved": [],
        f"service_ids[]={shop}&service_ids[]={accounts.SERVICE}": [1, 2, 3, 4],
        "urgencies[]=low": [3],
        f"user_ids[]={CAROL.id}": [4],
        "incident_key=k2": [2],
        "incident_key=k4": [4],
        "incident_key=": [1, 2, 3, 4],
        "since=2026-03-02T10:05:00Z": [4],
        "until=2026-03-02T10:05:00Z": [1, 2, 3],
        "sort_by=incident_number:desc": [4, 3, 2, 1],
        "sort_by=urgency,incident_number:desc": [3, 4, 2, 1],
        "sort_by=resolved_at": [2, 1, 3, 4],
        "limit=2&offset=1": [2, 3],
    }.items():
        assert listed(duty, query) == expected, query
    assert duty.rest("GET", "/incidents?total=true&limit=1&statuses[]=triggered").json()["total"] == 2


def test_the_window_of_a_list() -> None:
    """Without dates a month back is listed; half a year is the longest; all dates on request."""
    duty = Duty()
    create(duty)
    duty.world.advance("40d")
    create(duty)
    assert listed(duty) == [2]
    assert listed(duty, "date_range=all") == [1, 2]
    assert listed(duty, "since=2026-03-01T00:00:00Z") == [1, 2]
    assert refused(duty.rest("GET", "/incidents?since=2025-01-01"))[:2] == (400, 2005)
    assert refused(duty.rest("GET", "/incidents?since=soon"))[:2] == (400, 2004)
    assert refused(duty.rest("GET", "/incidents?statuses[]=open"))[:2] == (400, 2001)


def test_log_entries_and_notifications() -> None:
    """Entries come newest first, with the event on request; notifications need their dates."""
    duty = Duty()
    duty.send(custom_details={"loss": 40})
    duty.until(1)
    rows = duty.rest("GET", "/log_entries").json()["log_entries"]
    assert [row["type"] for row in rows] == ["notify_log_entry", "assign_log_entry", "trigger_log_entry"]
    assert "details" not in rows[2]["channel"]
    full = duty.rest("GET", "/log_entries?include[]=channels&is_overview=true").json()["log_entries"]
    assert [row["type"] for row in full] == ["assign_log_entry", "trigger_log_entry"]
    assert (full[1]["channel"]["details"], full[1]["channel"]["incident_key"]) == ({"loss": 40}, "k")
    assert refused(duty.rest("GET", "/notifications"))[:2] == (400, 2003)
    dates = "since=2026-03-02T00:00:00Z&until=2026-03-03T00:00:00Z"
    (sent,) = duty.rest("GET", f"/notifications?{dates}").json()["notifications"]
    assert (sent["type"], sent["address"], sent["user"]["id"]) == ("sms_notification", "+15550100", ALICE.id)
    assert duty.rest("GET", f"/notifications?{dates}&filter=email_notification").json()["notifications"] == []


def test_a_page_of_many_renders_only_its_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page of 25 renders 25 incidents, however many there are."""
    duty = Duty()
    for number in range(60):
        duty.send(key=f"k{number}")
    rendered = []
    from simulators.pagerduty.api import incident_lists

    show = incident_lists.incident
    monkeypatch.setattr(incident_lists, "incident", lambda look, row: rendered.append(row.id) or show(look, row))
    answer = duty.rest("GET", "/incidents?offset=10").json()
    assert (len(answer["incidents"]), answer["more"], len(rendered)) == (25, True, 25)


def test_the_details_of_a_trigger_are_amended() -> None:
    """What a person wrote when opening an incident can be changed on its first entry; an event's cannot."""
    duty = Duty()
    shown = create(duty, body={"type": "incident_body", "details": "old"})
    entry = shown["first_trigger_log_entry"]["id"]
    body = {"channel": {"type": "web_trigger", "details": "new"}}
    assert duty.rest("PUT", f"/log_entries/{entry}/channel", body, From=ALICE.email).status_code == 202
    found = duty.rest("GET", f"/log_entries/{entry}?include[]=channels").json()["log_entry"]
    assert found["channel"]["details"] == "new"
    duty.send()
    (event,) = duty.rest("GET", f"/incidents/{duty.incident.id}/log_entries?is_overview=true&limit=1").json()[
        "log_entries"
    ]
    assert refused(duty.rest("PUT", f"/log_entries/{event['id']}/channel", body, From=ALICE.email))[:2] == (400, 2001)
