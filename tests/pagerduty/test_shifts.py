"""Shift-based schedules: what recurs, who takes which shift, what can still be changed, whom a policy then wakes."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any

import httpx
import pytest
from duty_rig import ALICE, BOB, CAROL, Duty, two_levels
from hypothesis import given
from hypothesis import strategies as st

from scenarios import accounts
from simulators.engine import instants, zones
from simulators.engine.instants import DAY, HOUR, MINUTE
from simulators.engine.resources import Document, freeze
from simulators.pagerduty import loading, shifts
from simulators.pagerduty.account import Account
from simulators.pagerduty.ladder import ladder

PEOPLE = {ALICE.id: "alice", BOB.id: "bob", CAROL.id: "carol", None: "-"}
BERLIN = "Europe/Berlin"


def person(id: str | None) -> dict[str, Any]:
    """Return a member of a shift."""
    return {"type": "empty_member"} if id is None else {"type": "user_member", "user_id": id}


def zoned(text: str, zone: str = BERLIN) -> dict[str, str]:
    return {"date_time": text, "time_zone": zone}


def event(*members: str | None, each: int | None = 1, **changes: Any) -> dict[str, Any]:
    """Return an event of nine to five, Berlin time, every day from the start of the world's day."""
    kind = shifts.EVERY if each is None else shifts.ROTATING
    strategy: dict[str, Any] = {"type": kind, "members": [person(member) for member in members]}
    return {
        "name": "Days",
        "start_time": zoned("2026-03-02T09:00:00+01:00"),
        "end_time": zoned("2026-03-02T17:00:00+01:00"),
        "effective_since": "2026-03-02T00:00:00Z",
        "recurrence": ["RRULE:FREQ=DAILY"],
        "assignment_strategy": strategy if each is None else strategy | {"shifts_per_member": each},
        **changes,
    }


class Roster(Duty):
    """An account with one shift-based schedule and one rotation."""

    def __init__(self, **knobs: Any) -> None:
        super().__init__(**knobs)
        body = {"schedule": {"name": "Follow the sun", "time_zone": BERLIN}}
        self.schedule = self.rest("POST", "/v3/schedules", body).json()["schedule"]["id"]
        self.root = f"/v3/schedules/{self.schedule}"
        self.rotation = self.rotate()

    def rotate(self) -> str:
        """Add a rotation and return its id."""
        id: str = self.rest("POST", f"{self.root}/rotations", {}).json()["rotation"]["id"]
        return id

    def add(self, body: dict[str, Any], rotation: str = "") -> httpx.Response:
        """Add an event."""
        return self.rest("POST", f"{self.root}/rotations/{rotation or self.rotation}/events", {"event": body})

    def event(self, body: dict[str, Any], rotation: str = "") -> str:
        """Add an event that is taken, and return its path."""
        answer = self.add(body, rotation)
        assert answer.status_code == 201, answer.text
        return f"{self.root}/rotations/{rotation or self.rotation}/events/{answer.json()['event']['id']}"

    def final(self, since: str, until: str, **query: str) -> list[tuple[str, str, str, str]]:
        """Return the final schedule: start, end, person, kind of source."""
        params = {"include[]": "final_schedule", "since": since, "until": until, **query}
        path = f"{self.root}?{httpx.QueryParams(params)}"
        shown = self.rest("GET", path).json()["schedule"]["final_schedule"]
        return [
            (row["start_time"], row["end_time"], PEOPLE[row["member"].get("user_id")], row["source"]["type"])
            for row in shown["computed_shift_assignments"]
        ]

    def point(self, kind: str = "schedule_v3_reference") -> httpx.Response:
        """Let the first level of the policy point at the schedule, the second at Carol."""
        rules = [
            {"escalation_delay_in_minutes": 30, "targets": [{"id": self.schedule, "type": kind}]},
            {"escalation_delay_in_minutes": 30, "targets": [{"id": CAROL.id, "type": "user_reference"}]},
        ]
        path = f"/escalation_policies/{accounts.POLICY}"
        return self.rest("PUT", path, {"escalation_policy": {"escalation_rules": rules}})


def problem(answer: httpx.Response) -> tuple[int, str]:
    """Return the status of a refusal and the field it is about."""
    error = answer.json()["error"]
    assert error["message"] == "Invalid request"
    assert error["code"] == 2001
    return answer.status_code, next(iter(error["errors"]))


def test_members_take_turns_by_the_number_of_the_shift() -> None:
    """Each member has as many shifts in a row as the strategy says, counted from the event's start."""
    roster = Roster()
    roster.event(event(ALICE.id, BOB.id, each=2, recurrence=["RRULE:FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"]))
    found = roster.final("2026-03-03T00:00:00Z", "2026-03-10T00:00:00Z")
    assert [(start[5:16], name) for start, _, name, _ in found] == [
        ("03-03T09:00", "alice"), ("03-04T09:00", "bob"), ("03-05T09:00", "bob"), ("03-06T09:00", "alice"),
        ("03-09T09:00", "alice"),
    ]  # fmt: skip


def test_shifts_keep_their_local_hours_when_the_clock_changes() -> None:
    """Nine o'clock stays nine o'clock on the event's own clock."""
    roster = Roster()
    roster.event(event(ALICE.id))
    found = roster.final("2026-03-28T00:00:00Z", "2026-03-30T00:00:00Z")
    assert [start for start, *_ in found] == ["2026-03-28T09:00:00+01:00", "2026-03-29T09:00:00+02:00"]


def test_single_days_are_left_out_and_added() -> None:
    """EXDATE takes an occurrence out, RDATE puts one in; both read the clock they name."""
    roster = Roster()
    recurrence = [
        "RRULE:FREQ=DAILY;UNTIL=20260304T120000Z",
        "EXDATE;TZID=Europe/Berlin:20260303T090000",
        "RDATE:20260307T080000Z",
    ]
    roster.event(event(ALICE.id, recurrence=recurrence))
    found = roster.final("2026-03-02T12:00:00Z", "2026-03-12T00:00:00Z")
    assert [start[5:16] for start, *_ in found] == ["03-02T13:00", "03-04T09:00", "03-07T09:00"]


def test_sources_add_up_and_an_override_replaces_one_member_of_one_of_them() -> None:
    """Several people are on call at once; who is replaced on a rotation stays on call by a custom shift."""
    roster = Roster()
    roster.event(event(ALICE.id, BOB.id, each=None))
    shift = {"start_time": "2026-03-03T12:00:00+01:00", "end_time": "2026-03-03T20:00:00+01:00"}
    assignments = [{"type": "shift_assignment", "member": person(ALICE.id)}]
    custom = {"custom_shifts": [{"type": "custom_shift", "assignments": assignments, **shift}]}
    assert roster.rest("POST", f"{roster.root}/custom_shifts", custom).status_code == 201
    override = {
        "type": "override_shift",
        "rotation_id": roster.rotation,
        "start_time": "2026-03-03T10:00:00+01:00",
        "end_time": "2026-03-03T11:00:00+01:00",
        "overridden_member": person(ALICE.id),
        "overriding_member": person(CAROL.id),
    }
    assert roster.rest("POST", f"{roster.root}/overrides", {"overrides": [override]}).status_code == 201
    found = roster.final("2026-03-02T23:00:00Z", "2026-03-03T23:00:00Z")
    assert [(start[11:16], end[11:16], name, kind) for start, end, name, kind in found] == [
        ("09:00", "10:00", "alice", "schedule_rotation"),
        ("09:00", "17:00", "bob", "schedule_rotation"),
        ("10:00", "11:00", "carol", "schedule_rotation_override"),
        ("11:00", "17:00", "alice", "schedule_rotation"),
        ("12:00", "20:00", "alice", "custom_shift"),
    ]
    query = "include[]=final_schedule&since=2026-03-02T23:00:00Z&until=2026-03-03T23:00:00Z"
    shown = roster.rest("GET", f"{roster.root}?{query}").json()["schedule"]["final_schedule"]
    assert shown["rendered_coverage_percentage"] == 45.8  # eleven hours of twenty-four


def test_everybody_on_shift_is_assigned_and_an_empty_place_falls_through() -> None:
    """A policy points at shifts as it does at layers: all on call are called, and nobody means the next level."""
    roster = Roster()
    roster.event(event(ALICE.id, BOB.id, each=None, effective_until="2026-03-03T12:00:00Z"))
    following = event(None, effective_since="2026-03-03T12:00:00Z", recurrence=["RRULE:FREQ=DAILY"])
    roster.event(following)
    assert roster.point().status_code == 200
    roster.send(key="today")
    assert roster.assigned == ["alice", "bob"]
    roster.world.advance("27h")
    roster.send(key="tomorrow")
    assert roster.assigned == ["carol"]
    asked = roster.rest("GET", f"/oncalls?schedule_ids[]={roster.schedule}&since=2026-03-02T10:00:00Z")
    rows = asked.json()["oncalls"]
    assert {row["schedule"]["type"] for row in rows} == {"schedule_v3_reference"}
    assert next(row["start"] for row in rows if row["user"]["id"] == ALICE.id) == "2026-03-02T10:00:00Z"


def test_an_open_incident_can_follow_the_shifts() -> None:
    """With the knob for it an incident moves when a shift ends and when a shift is edited."""
    roster = Roster(handoff_at_turn=True)
    path = roster.event(event(ALICE.id, effective_until="2026-03-02T11:00:00Z"))
    roster.event(event(BOB.id, effective_since="2026-03-02T11:00:00Z"))
    roster.point()
    rule = {"escalation_delay_in_minutes": 300, "targets": [{"id": roster.schedule, "type": "schedule_v3_reference"}]}
    policy = {"escalation_policy": {"escalation_rules": [rule]}}
    roster.rest("PUT", f"/escalation_policies/{accounts.POLICY}", policy)
    roster.send()
    assert roster.assigned == ["alice"]
    roster.until(30)
    roster.rest("PUT", path, {"event": {"effective_until": "2026-03-02T10:30:00Z"}})
    shift = {"start_time": "2026-03-02T10:30:00Z", "end_time": "2026-03-02T11:00:00Z", "type": "custom_shift"}
    assignments = [{"type": "shift_assignment", "member": person(CAROL.id)}]
    roster.rest("POST", f"{roster.root}/custom_shifts", {"custom_shifts": [{**shift, "assignments": assignments}]})
    roster.world.advance("1m")
    assert roster.assigned == ["carol"]
    roster.until(61)
    assert roster.assigned == ["bob"]


def test_the_ladder_looks_ahead_along_the_shifts() -> None:
    """The preview assigns everybody of the shift that runs then, and says why a level is passed over."""
    roster = Roster()
    roster.event(event(ALICE.id, BOB.id, each=None))
    roster.point()
    account = Account(roster.world.view)
    day, night = (ladder(account, accounts.SERVICE, roster.world.now + hours * HOUR) for hours in (1, 10))
    assert [(step.kind, step.people) for step in day if step.kind in {"assign", "skip"}] == [
        ("assign", (ALICE.id, BOB.id)), ("assign", (CAROL.id,)),
    ]  # fmt: skip
    assert [(step.kind, step.reason) for step in night][:2] == [
        ("skip", "nobody is on call on level 1"), ("assign", "on call on level 2"),
    ]  # fmt: skip


def test_the_two_kinds_of_schedules_do_not_see_each_other() -> None:
    """The layer API neither lists nor shows a shift-based schedule; a target reads back under the name it was given."""
    roster = Roster()
    assert roster.rest("GET", f"/schedules/{roster.schedule}").status_code == 404
    assert roster.schedule not in roster.rest("GET", "/schedules").text
    for kind in ("schedule_v3_reference", "schedule_reference"):
        policy = roster.point(kind).json()["escalation_policy"]
        assert policy["escalation_rules"][0]["targets"][0]["type"] == kind
    roster.event(event(BOB.id))
    roster.world.advance("15m")
    assert BOB.id in {row["user"]["id"] for row in roster.rest("GET", "/oncalls").json()["oncalls"]}
    listed = roster.rest("GET", "/v3/schedules").json()
    assert listed["limit"] == 100
    assert [row["type"] for row in listed["schedules"]] == ["schedule_v3_reference"]
    assert roster.world.client.get(listed["schedules"][0]["html_url"]).status_code == 200


def test_an_event_that_is_over_is_told_of_on_its_own_path_only() -> None:
    """What was deleted while it ran is kept with its end, and the schedule shows what runs or is to come."""
    roster = Roster()
    path = roster.event(event(BOB.id))
    roster.world.advance("15m")
    assert roster.rest("DELETE", path).status_code == 204
    assert roster.rest("GET", roster.root).json()["schedule"]["rotations"][0]["events"] == []
    assert roster.rest("GET", path).json()["event"]["effective_until"] is not None


def test_an_event_reads_back_the_times_it_was_given() -> None:
    """An offset other than its zone's stays as it was written."""
    roster = Roster()
    sent = {"start_time": zoned("2026-03-10T08:00:00Z"), "end_time": zoned("2026-03-10T20:00:00Z")}
    made = roster.add(event(BOB.id, **sent)).json()["event"]
    assert {name: made[name] for name in sent} == sent


def test_a_schedule_in_use_stays() -> None:
    """A schedule a policy points at, or the copy of one in an open incident, is not deleted."""
    roster = Roster()
    roster.event(event(ALICE.id))
    roster.point()
    refusal = roster.rest("DELETE", roster.root)
    text = "Schedule can't be deleted if it's being used by escalation policies"
    assert (refusal.status_code, refusal.json()["error"]["errors"]) == (400, [text])
    roster.send()
    rule = {"escalation_delay_in_minutes": 30, "targets": [{"id": CAROL.id, "type": "user_reference"}]}
    policy = {"escalation_policy": {"escalation_rules": [rule]}}
    roster.rest("PUT", f"/escalation_policies/{accounts.POLICY}", policy)
    assert "snapshot" in roster.rest("DELETE", roster.root).json()["error"]["errors"][0]
    roster.send("resolve")
    assert roster.rest("DELETE", roster.root).status_code == 204
    assert roster.rest("GET", roster.root).status_code == 404


def test_what_has_started_can_only_be_ended() -> None:
    """A future event changes entirely, a running one only its end, one that is over not at all."""
    roster = Roster()
    path = roster.event(event(ALICE.id, effective_since="2026-03-03T00:00:00Z"))
    assert roster.rest("PUT", path, {"event": {"name": "Nights"}}).json()["event"]["name"] == "Nights"
    roster.world.advance("24h")
    same = roster.rest("GET", path).json()
    assert roster.rest("PUT", path, same).json() == same
    assert problem(roster.rest("PUT", path, {"event": {"name": "Days"}})) == (400, "event.name")
    ended = roster.rest("PUT", path, {"event": {"effective_until": "2026-03-04T00:00:00Z"}})
    assert ended.json()["event"]["effective_until"] == "2026-03-04T00:00:00Z"
    roster.world.advance("24h")
    assert problem(roster.rest("PUT", path, {"event": {"effective_until": None}})) == (400, "event")
    assert problem(roster.rest("DELETE", path)) == (400, "event")


def test_a_deleted_rotation_leaves_what_was_worked() -> None:
    """What ran is cut at that moment and stays in the history, what was to come is gone."""
    roster = Roster()
    roster.event(event(ALICE.id, effective_until="2026-03-10T00:00:00Z"))
    roster.event(event(BOB.id, effective_since="2026-03-10T00:00:00Z"))
    roster.world.advance("1h")
    assert roster.rest("DELETE", f"{roster.root}/rotations/{roster.rotation}").status_code == 204
    assert roster.rest("GET", f"{roster.root}/rotations/{roster.rotation}").status_code == 404
    assert roster.rest("GET", f"{roster.root}/rotations").json()["rotations"] == []
    found = roster.final("2026-03-01T00:00:00Z", "2026-03-20T00:00:00Z")
    assert [(start[11:16], end[11:16], name) for start, end, name, _ in found] == [("11:00", "12:00", "alice")]


def test_a_running_custom_shift_is_ended_and_a_past_one_refused() -> None:
    """Only the end of a shift that has started can be changed; deleting it ends it now, once over it stays."""
    roster = Roster()
    body = {
        "type": "custom_shift",
        "start_time": "2026-03-02T11:00:00Z",
        "end_time": "2026-03-02T15:00:00Z",
        "assignments": [{"type": "shift_assignment", "member": person(ALICE.id)}],
    }
    made = roster.rest("POST", f"{roster.root}/custom_shifts", {"custom_shifts": [body]}).json()["custom_shifts"][0]
    path = f"{roster.root}/custom_shifts/{made['id']}"
    bob = [{"type": "shift_assignment", "member": person(BOB.id)}]
    assert roster.rest("PUT", path, {"custom_shift": {"assignments": bob}}).status_code == 200
    roster.world.advance("2h")
    assert problem(roster.rest("PUT", path, {"custom_shift": {"assignments": body["assignments"]}}))[0] == 400
    later = {"custom_shift": {"end_time": "2026-03-02T16:00:00Z"}}
    assert roster.rest("PUT", path, later).json()["custom_shift"]["end_time"] == "2026-03-02T17:00:00+01:00"
    assert roster.rest("DELETE", path).status_code == 204
    assert roster.rest("GET", path).json()["custom_shift"]["end_time"] == "2026-03-02T13:00:00+01:00"
    assert problem(roster.rest("DELETE", path)) == (400, "custom_shift")
    asked = f"{roster.root}/custom_shifts?since=2026-03-02T11:30:00Z&until=2026-03-03T00:00:00Z"
    cut, whole = (roster.rest("GET", asked + more).json()["custom_shifts"] for more in ("", "&overflow=true"))
    assert [row["start_time"][11:16] for row in (*cut, *whole)] == ["12:30", "12:00"]
    assert problem(roster.rest("GET", f"{roster.root}/custom_shifts")) == (400, "since")


def test_an_override_names_one_source_and_can_be_taken_back() -> None:
    """Both sources, or none, or one of another schedule are refused; a future override is deleted."""
    roster = Roster()
    roster.event(event(ALICE.id))
    override = {
        "type": "override_shift",
        "start_time": "2026-03-03T09:00:00Z",
        "end_time": "2026-03-03T10:00:00Z",
        "overridden_member": person(ALICE.id),
        "overriding_member": person(BOB.id),
    }

    def post(**changes: Any) -> httpx.Response:
        return roster.rest("POST", f"{roster.root}/overrides", {"overrides": [{**override, **changes}]})

    assert problem(post()) == (400, "override")
    assert problem(post(rotation_id=roster.rotation, custom_shift_id="A")) == (400, "override")
    assert problem(post(rotation_id="ANOBODY")) == (400, "override.rotation_id")
    assert problem(post(rotation_id=roster.rotation, end_time="2026-03-03T08:00:00Z")) == (400, "override.end_time")
    made = post(rotation_id=roster.rotation).json()["overrides"][0]
    path = f"{roster.root}/overrides/{made['id']}"
    carol = {"override": {"overriding_member": person(CAROL.id)}}
    assert roster.rest("PUT", path, carol).json()["override"]["overriding_member"] == person(CAROL.id)
    assert "carol" in [name for *_, name, _ in roster.final("2026-03-03T00:00:00Z", "2026-03-04T00:00:00Z")]
    assert roster.rest("DELETE", path).status_code == 204
    assert roster.rest("GET", path).status_code == 404


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("event.name", {"name": ""}),
        ("event.name", {"name": "x" * 256}),
        ("event.start_time.time_zone", {"start_time": zoned("2026-03-02T09:00:00", "Nowhere/Land")}),
        ("event.end_time", {"end_time": zoned("2026-03-02T08:00:00+01:00")}),
        ("event.effective_since", {"effective_since": "2027-06-01T00:00:00Z"}),
        ("event.effective_until", {"effective_until": "2026-03-02T01:00:00Z"}),
        ("event.recurrence", {"recurrence": ["RRULE:FREQ=DAILY", "RRULE:FREQ=WEEKLY"]}),
        ("event.recurrence", {"recurrence": ["FREQ=DAILY"]}),
        ("event.recurrence[0]", {"recurrence": [None]}),
        ("event.recurrence", {"recurrence": ["RRULE:FREQ=DAILY", "EXDATE:yesterday"]}),
        ("event.recurrence", {"recurrence": ["RRULE:FREQ=DAILY", "EXDATE;TZID=Nowhere/Land:20260303T090000"]}),
        ("event.recurrence", {"recurrence": ["RRULE:FREQ=DAILY;INTERVAL=0"]}),
        ("event.recurrence", {"recurrence": ["RRULE:FREQ=DAILY;BYDAY=XX"]}),
        ("event.recurrence", {"recurrence": ["RRULE:FREQ=MONTHLY;BYDAY=99MO"]}),
        ("event.recurrence", {"recurrence": ["RRULE:FREQ=WEEKLY;BYMONTHDAY=30"]}),
        ("event.recurrence", {"recurrence": ["RRULE:FREQ=SECONDLY"]}),
        ("event.recurrence", {"recurrence": ["RRULE:FREQ=DAILY;COUNT=0"]}),
        ("event.recurrence", {"recurrence": ["RRULE:FREQ=DAILY;INTERVAL=7;BYDAY=TU"]}),
        ("event.assignment_strategy.shifts_per_member",
         {"assignment_strategy": {"type": shifts.ROTATING, "members": [person(ALICE.id)]}}),
        ("event.assignment_strategy.members",
         {"assignment_strategy": {"type": shifts.EVERY, "members": [person("PNOBODY")]}}),
        ("event.assignment_strategy.members",
         {"assignment_strategy": {"type": shifts.EVERY, "members": [person(ALICE.id)] * 21}}),
    ],
)  # fmt: skip
def test_an_event_that_cannot_be_is_refused_by_field(field: str, changes: dict[str, Any]) -> None:
    """Refusals of this API list their errors under the field they are about."""
    assert problem(Roster().add(event(ALICE.id, **changes))) == (400, field)


def test_events_of_a_rotation_do_not_overlap_and_are_five_at_most() -> None:
    """Their effective ranges are compared, whatever the hours; another rotation may hold another event."""
    roster = Roster()
    roster.event(event(ALICE.id, effective_until="2026-03-03T00:00:00Z"))
    assert problem(roster.add(event(BOB.id))) == (400, "event.effective_since")
    for day in range(3, 7):
        since, until = f"2026-03-0{day}T00:00:00Z", f"2026-03-0{day + 1}T00:00:00Z"
        roster.event(event(BOB.id, effective_since=since, effective_until=until))
    assert problem(roster.add(event(BOB.id, effective_since="2026-03-09T00:00:00Z"))) == (400, "rotation.events")
    roster.event(event(BOB.id), roster.rotate())


def test_schedules_take_no_rotations_and_rotations_take_nothing() -> None:
    """Rotations and policies in a schedule's body are refused, as is anything in a rotation's."""
    roster = Roster()
    for name in ("rotations", "escalation_policies"):
        assert problem(roster.rest("PUT", roster.root, {"schedule": {name: [{}]}})) == (400, f"schedule.{name}")
        assert roster.rest("PUT", roster.root, {"schedule": {name: []}}).status_code == 200  # as typed clients write
    assert problem(roster.rest("POST", "/v3/schedules", {"schedule": {"name": "x"}})) == (400, "schedule.time_zone")
    assert problem(roster.rest("POST", f"{roster.root}/rotations", {"name": "x"})) == (400, "rotation")
    renamed = roster.rest("PUT", roster.root, {"schedule": {"description": "All"}}).json()["schedule"]
    assert (renamed["type"], renamed["name"], renamed["description"]) == ("schedule_v3", "Follow the sun", "All")


def test_who_is_on_shift_is_not_deleted() -> None:
    """A user with shifts to come cannot be deleted."""
    roster = Roster()
    roster.event(event(CAROL.id))
    assert roster.rest("DELETE", f"/users/{CAROL.id}").status_code == 400


def test_an_account_brings_its_shift_based_schedules() -> None:
    """Rotations, events, custom shifts and overrides are loaded with their schedule, and checked before."""
    whole = {"id": "PSV3001", "name": "Shifts", "time_zone": BERLIN, "rotations": [{"events": [event(BOB.id)]}]}
    made = two_levels() | {"v3_schedules": [whole]}
    made["escalation_policies"][0]["escalation_rules"][0]["targets"] = [
        {"id": "PSV3001", "type": "schedule_v3_reference"}
    ]
    assert loading.problems(made) == []
    duty = Duty(made)
    duty.send()
    assert duty.assigned == ["bob"]
    broken = event(BOB.id, recurrence=["RRULE:FREQ=NEVER"])
    found = loading.problems({"v3_schedules": [{**whole, "rotations": [{"events": [broken]}]}]})
    assert found == [
        "v3_schedules[0]: rotations[0] events[0] FREQ must be one of HOURLY, DAILY, WEEKLY, MONTHLY, YEARLY"
    ]


DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")


@given(
    zone=st.sampled_from([BERLIN, "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "UTC"]),
    first=st.dates(date(2026, 3, 20), date(2026, 11, 10)),
    hour=st.integers(0, 23),
    hours=st.integers(1, 40),
    days=st.sets(st.sampled_from(DAYS), min_size=1),
    step=st.integers(1, 3),
    each=st.integers(1, 3),
    members=st.integers(1, 3),
)
def test_shifts_agree_with_a_walk_through_the_calendar(
    zone: str, first: date, hour: int, hours: int, days: set[str], step: int, each: int, members: int
) -> None:
    """Who is on call at every half hour of two weeks is what counting days on a calendar gives."""
    begin = datetime.combine(first, time(hour))
    people = [f"U{number}" for number in range(members)]
    listed = [day for day in DAYS if day in days]
    body = event(*people, each=each) | {
        "start_time": zoned(begin.isoformat(), zone),
        "end_time": zoned((begin + timedelta(hours=hours)).isoformat(), zone),
        "effective_since": "2026-01-01T00:00:00Z",
        "recurrence": [f"RRULE:FREQ=WEEKLY;INTERVAL={step};WKST=MO;BYDAY={','.join(listed)}"],
    }
    monday, number, spans = first - timedelta(days=first.weekday()), 0, []
    for day in range(first.weekday(), 21):
        if day // 7 % step == 0 and DAYS[day % 7] in days:
            start = datetime.combine(monday + timedelta(days=day), time(hour))
            spans.append((start, start + timedelta(hours=hours), people[number // each % members]))
            number += 1
    document = Document("PS", "schedule_v3", freeze({"time_zone": zone}), 0, 0)
    rows = {
        "v3_schedules": [{"id": "PS", "time_zone": zone, "rotations": [{"id": "A1", "events": [body]}]}],
    }
    account = Account.from_json(rows)
    at = instants.parse(f"{first}T00:00:00Z")
    duties = shifts.duties(account, document, at, at + 14 * DAY)
    assert shifts.who(account, document, at) == tuple(duty.member for duty in duties if duty.start <= at < duty.end)
    for _ in range(2 * 24 * 14):
        wall = zones.local(at, zone).replace(tzinfo=None)
        behind = zones.local(at - 60 * MINUTE, zone).replace(tzinfo=None)
        if wall - behind == timedelta(hours=1) and zones.local(at + 60 * MINUTE, zone).replace(tzinfo=None) > wall:
            wanted = {who for start, end, who in spans if start <= wall < end}
            assert {duty.member for duty in duties if duty.start <= at < duty.end} == wanted
        at += 30 * MINUTE


RULES = st.builds(
    lambda frequency, parts: ";".join([f"RRULE:FREQ={frequency}", *parts]),
    st.sampled_from(["HOURLY", "DAILY", "WEEKLY", "MONTHLY", "YEARLY", "MINUTELY", ""]),
    st.lists(
        st.builds(
            "{}={}".format,
            st.sampled_from(
                ["INTERVAL", "COUNT", "UNTIL", "WKST", "BYDAY", "BYMONTH", "BYMONTHDAY", "BYHOUR", "BYSETPOS"]
            ),
            st.sampled_from(
                ["1", "-1", "3", "31", "MO", "2TU", "-1FR,SA", "20260601T000000Z", "20260601", "", "x", "1,2,5"]
            ),
        ),
        max_size=3,
        unique_by=lambda part: part.partition("=")[0],
    ),
)
DATES = st.builds(
    "{}:{}".format,
    st.sampled_from(["EXDATE", "RDATE", "EXDATE;TZID=Asia/Kolkata", "RDATE;TZID=Nowhere/Land", "XDATE"]),
    st.sampled_from(
        ["20260303T080000Z", "20260303", "20260329T023000", "99991231T235959Z", "00010101", "20260230", "1"]
    ),
)


@given(main=RULES, dates=st.lists(DATES, max_size=2), zone=st.sampled_from([BERLIN, "Pacific/Apia", "UTC"]))
def test_whatever_recurs_is_taken_or_refused(main: str, dates: list[str], zone: str) -> None:
    """A recurrence that is taken can be asked for its shifts, any other is refused with the reason."""
    begin = {"start_time": zoned("2026-03-02T09:00:00", zone), "end_time": zoned("2026-03-02T12:00:00", zone)}
    body = event(ALICE.id) | begin | {"recurrence": [main, *dates]}
    rows = {"v3_schedules": [{"id": "PS", "time_zone": zone, "rotations": [{"id": "A1", "events": [body]}]}]}
    if loading.problems(rows):
        return
    account, document = Account.from_json(rows), Document("PS", "schedule_v3", freeze({"time_zone": zone}), 0, 0)
    since = instants.parse("2026-03-01T00:00:00Z")
    for duty in shifts.duties(account, document, since, since + 300 * DAY):
        assert (duty.start < duty.end, duty.member) == (True, ALICE.id)
