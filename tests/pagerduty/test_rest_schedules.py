"""Schedules over REST: rendered entries, coverage, layers kept, overrides, preview, on-calls."""

from typing import Any

import pytest
from duty_rig import ALICE, BOB, CAROL, Duty, user
from rest_rig import layer, make, refused, schedule

from scenarios import accounts

DAY = 86_400


def people(*humans: Any) -> list[dict[str, Any]]:
    return [{"user": {"id": human.id, "type": "user_reference"}} for human in humans]


def entries(part: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return rendered entries as (start, end, user)."""
    return [(entry["start"], entry["end"], entry["user"]["summary"]) for entry in part["rendered_schedule_entries"]]


def window(since: str, until: str, **more: str) -> str:
    query = {"since": f"2026-03-{since}:00Z", "until": f"2026-03-{until}:00Z", **more}
    return "&".join(f"{name}={value}" for name, value in query.items())


def daily(duty: Duty) -> str:
    """Create a schedule of daily turns, Alice then Bob, from Monday 10:00 UTC; return its path."""
    body = schedule(rotation_turn_length_seconds=DAY, users=people(ALICE, BOB))
    return f"/schedules/{make(duty, '/schedules', 'schedule', body)['id']}"


def test_entries_are_clipped_or_whole() -> None:
    """Entries are clipped to the window, or whole with overflow; coverage is the share of the window."""
    duty = Duty()
    path = daily(duty)
    shown = duty.rest("GET", f"{path}?{window('02T12:00', '03T12:00')}").json()["schedule"]
    assert entries(shown["final_schedule"]) == [
        ("2026-03-02T13:00:00+01:00", "2026-03-03T11:00:00+01:00", "alice"),
        ("2026-03-03T11:00:00+01:00", "2026-03-03T13:00:00+01:00", "bob"),
    ]
    assert shown["final_schedule"]["rendered_coverage_percentage"] == 100.0
    whole = duty.rest("GET", f"{path}?{window('02T12:00', '03T12:00', overflow='true')}").json()["schedule"]
    assert entries(whole["final_schedule"]) == [
        ("2026-03-02T11:00:00+01:00", "2026-03-03T11:00:00+01:00", "alice"),
        ("2026-03-03T11:00:00+01:00", "2026-03-04T11:00:00+01:00", "bob"),
    ]


def test_without_a_window_nothing_is_rendered() -> None:
    """Without since and until the entries are empty and the coverage is null."""
    duty = Duty()
    shown = duty.rest("GET", daily(duty)).json()["schedule"]
    assert entries(shown["schedule_layers"][0]) == []
    assert shown["final_schedule"]["rendered_coverage_percentage"] is None
    listed = duty.rest("GET", "/schedules").json()["schedules"][0]
    assert "schedule_layers" not in listed
    assert "schedule_layers" in duty.rest("GET", "/schedules?include[]=schedule_layers").json()["schedules"][0]


def test_another_time_zone() -> None:
    """Entries are rendered in the zone the request names."""
    duty = Duty()
    path = daily(duty)
    shown = duty.rest("GET", f"{path}?{window('02T12:00', '02T13:00', time_zone='Asia/Kolkata')}").json()["schedule"]
    assert entries(shown["final_schedule"])[0][0] == "2026-03-02T17:30:00+05:30"


def test_a_layer_that_began_in_the_past_begins_now() -> None:
    """On create a past start is moved to now; the rotation keeps its anchor."""
    duty = Duty()
    body = schedule(start="2026-01-01T00:00:00Z", rotation_virtual_start="2026-01-01T00:00:00Z")
    (made,) = make(duty, "/schedules", "schedule", body)["schedule_layers"]
    assert made["start"] == "2026-03-02T11:00:00+01:00"
    assert made["rotation_virtual_start"] == "2026-01-01T01:00:00+01:00"


def test_layers_are_kept_by_id_and_never_removed() -> None:
    """An update that leaves a layer out keeps it; a known id keeps its layer, a new one gets an id."""
    duty = Duty()
    made = make(duty, "/schedules", "schedule", schedule())
    path, (first,) = f"/schedules/{made['id']}", made["schedule_layers"]
    changed = duty.rest("PUT", path, {"schedule": {"schedule_layers": [layer(users=people(BOB))]}}).json()["schedule"]
    assert [row["id"] == first["id"] for row in changed["schedule_layers"]] == [True, False]
    ended = [{**first, "end": "2026-03-03T10:00:00Z"}, changed["schedule_layers"][1]]
    again = duty.rest("PUT", path, {"schedule": {"schedule_layers": ended}}).json()["schedule"]
    assert [row["id"] for row in again["schedule_layers"]] == [row["id"] for row in changed["schedule_layers"]]
    assert again["schedule_layers"][0]["end"] == "2026-03-03T11:00:00+01:00"


def test_a_preview_creates_nothing() -> None:
    """A preview renders what would be, and no schedule comes of it."""
    duty = Duty()
    path = f"/schedules/preview?{window('02T10:00', '03T10:00')}"
    shown = duty.rest("POST", path, {"schedule": schedule()}).json()["schedule"]
    assert [who for _, _, who in entries(shown["final_schedule"])] == ["alice"]
    assert duty.rest("GET", "/schedules").json()["schedules"] == []


def test_overrides_answer_item_by_item() -> None:
    """Each override of a request has its own status; the good ones are in force."""
    duty = Duty()
    path = daily(duty)
    good = {"start": "2026-03-02T12:00:00Z", "end": "2026-03-02T14:00:00Z", "user": user(CAROL)}
    items = [good, good | {"end": good["start"]}, good | {"user": {"id": "PNOBODY"}}]
    answer = duty.rest("POST", f"{path}/overrides", {"overrides": items})
    assert answer.status_code == 201
    assert [item["status"] for item in answer.json()] == [201, 400, 400]
    assert answer.json()[1]["errors"] == ["Override must end after its start"]
    shown = duty.rest("GET", f"{path}?{window('02T11:00', '02T15:00')}").json()["schedule"]
    assert [who for _, _, who in entries(shown["final_schedule"])] == ["alice", "carol", "alice"]
    assert shown["overrides_subschedule"]["rendered_coverage_percentage"] == 50.0
    listed = duty.rest("GET", f"{path}/overrides?{window('02T00:00', '03T00:00')}").json()["overrides"]
    assert [row["user"]["id"] for row in listed] == [CAROL.id]
    ids = duty.rest("GET", f"{path}/overrides?{window('02T00:00', '03T00:00', editable='true')}").json()["overrides"]
    assert ids == [{"id": listed[0]["id"]}]
    assert refused(duty.rest("GET", f"{path}/overrides"))[:2] == (400, 2003)


def test_one_override_in_the_old_form() -> None:
    """The old form takes one override and answers with it."""
    duty = Duty()
    path = daily(duty)
    body = {"start": "2026-03-02T12:00:00Z", "end": "2026-03-02T14:00:00Z", "user": user(CAROL)}
    answer = duty.rest("POST", f"{path}/overrides", {"override": body})
    assert (answer.status_code, answer.json()["override"]["user"]["id"]) == (201, CAROL.id)


def test_deleting_overrides() -> None:
    """A future override goes, a running one ends now, a past one stays."""
    duty = Duty()
    path = daily(duty)
    spans = [("02T10:05", "02T10:10"), ("02T10:15", "02T12:00"), ("03T12:00", "03T14:00")]
    ids = []
    for start, end in spans:
        body = {"start": f"2026-03-{start}:00Z", "end": f"2026-03-{end}:00Z", "user": user(CAROL)}
        ids.append(duty.rest("POST", f"{path}/overrides", {"overrides": [body]}).json()[0]["override"]["id"])
    duty.until(30)
    answers = [duty.rest("DELETE", f"{path}/overrides/{id}") for id in ids]
    assert [answer.status_code for answer in answers] == [400, 200, 204]
    assert answers[1].json()["override"]["end"] == "2026-03-02T11:30:00+01:00"
    on_call = duty.rest("GET", f"{path}/users?{window('02T10:31', '02T10:32')}").json()["users"]
    assert [row["id"] for row in on_call] == [ALICE.id]


def test_on_calls() -> None:
    """A user on a policy has no schedule and no bounds; a schedule's person has the bounds of the shift."""
    duty = Duty()
    path = daily(duty)
    target = {"id": path.rsplit("/", 1)[-1], "type": "schedule_reference"}
    rules = [
        {"escalation_delay_in_minutes": 5, "targets": [target]},
        {"escalation_delay_in_minutes": 5, "targets": [user(CAROL)]},
    ]
    policy = make(duty, "/escalation_policies", "escalation_policy", {"name": "Night", "escalation_rules": rules})
    duty.until(60)
    rows = duty.rest("GET", f"/oncalls?escalation_policy_ids[]={policy['id']}").json()["oncalls"]
    assert [(row["escalation_level"], row["user"]["summary"], row["start"], row["end"]) for row in rows] == [
        (1, "alice", "2026-03-02T10:00:00Z", "2026-03-03T10:00:00Z"),
        (2, "carol", None, None),
    ]
    direct = duty.rest("GET", "/oncalls?schedule_ids[]=null").json()["oncalls"]
    assert {row["user"]["summary"] for row in direct} == {"alice", "bob", "carol"}
    days = duty.rest("GET", f"/oncalls?schedule_ids[]={target['id']}&{window('02T12:00', '06T12:00')}").json()
    assert [row["user"]["summary"] for row in days["oncalls"]] == ["alice", "bob", "alice", "bob", "alice"]
    first = duty.rest("GET", f"/oncalls?earliest=true&schedule_ids[]={target['id']}&{window('02T12:00', '06T12:00')}")
    assert [row["user"]["summary"] for row in first.json()["oncalls"]] == ["alice", "bob"]


@pytest.mark.parametrize("query", ["since=x", "since=2026-03-03&until=2026-03-02", window("01T00:00", "02T00:00")])
def test_ranges(query: str) -> None:
    """A range that cannot be read or runs backwards is refused; a good one is served."""
    answer = Duty().rest("GET", f"/oncalls?{query}")
    assert answer.status_code == (400 if query.startswith("since=x") or "03-03&" in query else 200)


def test_who_uses_a_schedule() -> None:
    """A schedule names its people and the policies that target it."""
    target = accounts.layer([ALICE.id], start="2026-01-05T09:00:00Z")
    duty = Duty(accounts.fixed(schedules=(target,)))
    shown = duty.rest("GET", f"/schedules/{accounts.SCHEDULE}").json()["schedule"]
    assert [row["id"] for row in shown["users"]] == [ALICE.id]
    assert [row["id"] for row in shown["escalation_policies"]] == [accounts.POLICY]


def test_an_edit_leaves_what_was_as_it_was() -> None:
    """Past days show who was on call then, layer by layer and in the final schedule; what follows is the edit's."""
    duty = Duty()
    path = daily(duty)
    asked = f"{path}?{window('02T10:00', '05T10:00')}"
    duty.until(36 * 60)
    kept = duty.rest("GET", path).json()["schedule"]["schedule_layers"][0]
    before = duty.rest("GET", asked).json()["schedule"]
    edited = {**schedule(), "schedule_layers": [{**kept, "users": people(CAROL)}]}
    assert duty.rest("PUT", path, {"schedule": edited}).status_code == 200
    after = duty.rest("GET", asked).json()["schedule"]
    for part in (after["final_schedule"], after["schedule_layers"][0]):
        assert entries(part) == [
            ("2026-03-02T11:00:00+01:00", "2026-03-03T11:00:00+01:00", "alice"),
            ("2026-03-03T11:00:00+01:00", "2026-03-03T23:00:00+01:00", "bob"),
            ("2026-03-03T23:00:00+01:00", "2026-03-05T11:00:00+01:00", "carol"),
        ]
    duty.rest("PUT", path, {"schedule": edited})
    assert duty.rest("GET", asked).json() == {"schedule": after}
    assert entries(before["final_schedule"])[1][1] == "2026-03-04T11:00:00+01:00"
