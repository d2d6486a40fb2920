"""What must hold of incidents whatever people, events and time do to them: twenty-five sentences, checked over HTTP.

A machine asks the REST and the events host as clients do, answers on the devices of the control plane, edits schedules,
policies and maintenance, breaks the wire, and lets time pass one agenda entry after the other. After each step it looks
again (:mod:`watching`). What a sentence excepts is proved from the journal (reopened, merged away, deleted, by hand).

| Sentence | Checked in |
|---|---|
| 1 one open alert per integration and key | ``Watch.look`` |
| 2 acknowledge and resolve events may arrive twice | ``test_acknowledge_and_resolve_events_may_arrive_twice`` |
| 3 what is accepted and dropped changes nothing | ``Incidents.event`` |
| 4 counts are those of the alerts | ``Watch.incident`` |
| 5 resolved exactly with the last alert | ``Watch.incident`` |
| 6 legal steps, times of resolution and change | ``Watch.incident``, ``Watch.follows_the_lifecycle`` |
| 7 acknowledgements and pending actions fit the status | ``Watch.incident``, ``Watch.pending`` |
| 8 one pending action of a kind, rightly, ahead | ``Watch.pending`` |
| 9 as many escalations as passes and levels allow | ``Watch.follows_the_lifecycle`` |
| 10 silence while acknowledged or resolved | ``Watch.follows_the_lifecycle`` |
| 11 told only when assigned before and still | ``Watch.was_due`` |
| 12 low urgency: no escalation, its own rules | ``Watch.follows_the_lifecycle`` |
| 13 one person per schedule, rightly layered | ``Watch.schedule``, ``test_schedule_oracle`` |
| 14 final schedules are sorted and disjoint, coverage | ``Watch.schedule``, ``test_schedule_oracle`` |
| 15 pages add up to the list | ``Client.all``, ``Incidents.pages`` |
| 16 references resolve | ``Watch.references_resolve`` |
| 17 what was read can be put back | ``Incidents.put_back`` |
| 18 signatures hold, and break with a byte | ``Watch.webhooks`` |
| 19 webhooks in the order of the log, repeats alike | ``Watch.webhooks`` |
| 20 three drops silence an endpoint | ``Watch.quiet_when_disabled`` |
| 21 numbers rise, ids are unique and shaped | ``Watch.look``, ``Watch.incident`` |
| 22 severity and urgency never fall by events | ``Watch.look``, ``Watch.follows_the_lifecycle`` |
| 23 a merge conserves alerts | ``Incidents.merge`` |
| 24 the limit holds in any minute | ``test_no_minute_sees_more_answers_than_the_limit`` |
| 25 an outdated reply changes nothing | ``Incidents.sms``, ``Incidents.tap`` |
"""

from __future__ import annotations

import copy
from typing import Any

from duty_rig import ALICE, BOB, CAROL, START, Duty, user
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from watching import HOOKS, ORDER, Client, Watch, timeless

from scenarios import accounts
from scenarios.accounts import Human, Reach
from simulators.engine import instants
from simulators.engine.instants import DAY, MINUTE, SECOND
from simulators.pagerduty import devices
from simulators.pagerduty.account import singular
from simulators.pagerduty.webhooks import EVENTS, PING

EXPLORING = settings.get_current_profile_name() == "explore"
DAVE = Human(
    "PDAVE01",
    "dave",
    "dave@example.com",
    (
        Reach("push_notification_contact_method", "Dave's phone"),
        Reach("email_contact_method", "dave@example.com", 7),
        Reach("sms_contact_method", "5550103", 25),
    ),
)
PEOPLE = (ALICE, BOB, CAROL, DAVE)
BY_NAME = {human.name: human for human in PEOPLE}
RATED, VACANT = "PSVC002", "PSVC003"
SERVICES = (accounts.SERVICE, RATED, VACANT)
KEYS = dict(zip(SERVICES, (accounts.ROUTING_KEY, "b" * 32, "c" * 32), strict=True))
NOBODY = "PEP0002"
WHO = st.sampled_from([*BY_NAME])
PLACE = st.integers(0, 6)
ACTION = st.sampled_from(["trigger", "trigger", "trigger", "acknowledge", "resolve", "resolve"])
EVENT = st.tuples(ACTION, st.sampled_from("abc"), st.sampled_from(list(ORDER)))
ANSWERS = st.sampled_from([[400] * 5, [410] * 3, [500, 429, 500]]) | st.lists(
    st.sampled_from([202, 400, 410, 429, 500]), min_size=1, max_size=4
)


def made() -> dict[str, Any]:
    """Return three services, one rated by severity, one with nobody on call, over a policy with a schedule."""
    rota = accounts.layer([ALICE.id, BOB.id], start="2026-03-02T00:00:00Z", hours=24)
    over = {"start_time_of_day": "10:30:00", "duration_seconds": 5400, "type": "daily_restriction"}
    second = accounts.layer([CAROL.id], start="2026-03-02T00:00:00Z", hours=24)["schedule_layers"][0]
    rota["schedule_layers"].append({**second, "id": "PLYR002", "name": "Layer 2", "restrictions": [over]})
    empty = accounts.layer([DAVE.id], start="2030-03-02T00:00:00Z") | {"id": "PSCH002", "name": "Some day"}
    first = [{"id": rota["id"], "type": "schedule_reference"}]
    levels = (first, [user(CAROL), user(DAVE)], [user(DAVE)])
    whole = accounts.account(PEOPLE, levels=levels, delay=20, loops=1, schedules=(rota, empty))
    policy = whole["escalation_policies"][0]
    gap = {"id": "PER0009", "escalation_delay_in_minutes": 30, "targets": [{"id": "PSCH002", "type": first[0]["type"]}]}
    whole["escalation_policies"].append({**policy, "id": NOBODY, "name": "Nobody", "escalation_rules": [gap]})
    plain = whole["services"][0]
    timed = {"acknowledgement_timeout": 1800, "auto_resolve_timeout": 6 * 3600}
    by_severity = {"incident_urgency_rule": {"type": "constant", "urgency": "severity_based"}}
    vacant = {"escalation_policy": {"id": NOBODY, "type": "escalation_policy_reference"}}
    whole["services"] = [
        {**plain, **more, "id": id, "name": f"Service {place}", "integrations": [_integration(plain, id, place)]}
        for place, (id, more) in enumerate(zip(SERVICES, (timed, by_severity, vacant), strict=True), 1)
    ]
    return whole


def _integration(service: dict[str, Any], id: str, place: int) -> dict[str, Any]:
    held = {"id": f"PINT00{place}", "integration_key": KEYS[id], "service": {"id": id, "type": "service_reference"}}
    return {**service["integrations"][0], **held}


class Incidents(RuleBasedStateMachine):
    """Events, requests, replies, edits, faults and the clock."""

    @initialize(turn=st.booleans(), bundle=st.sampled_from([0, 0, 60]), grouped=st.booleans())
    def begin(self, turn: bool, bundle: int, grouped: bool) -> None:
        """Load the account, whose rated service may group alerts, and subscribe one receiver to everything."""
        whole = made()
        if grouped:
            whole["services"][1]["alert_grouping_parameters"] = {"type": "time", "config": {"timeout": 0}}
        self.duty = Duty(whole, handoff_at_turn=turn, bundle_seconds=bundle)
        self.world = self.duty.world
        self.client = Client(self.duty)
        method = {"type": "http_delivery_method", "url": f"https://{HOOKS}/pd"}
        wish = {"type": "webhook_subscription", "delivery_method": method, "filter": {"type": "account_reference"}}
        wish["events"] = sorted({*EVENTS} - {PING})
        answer = self.client.ask("POST", "/webhook_subscriptions", {"webhook_subscription": wish})
        assert answer is not None
        hook = answer.json()["webhook_subscription"]
        self.hook = hook["id"]
        rules = {
            entry["id"]: entry["urgency"]
            for human in PEOPLE
            for urgency in ("high", "low")
            for entry in self.client.read(f"/users/{human.id}/notification_rules?urgency={urgency}")[
                "notification_rules"
            ]
        }
        self.watch = Watch(self.client, RATED, {hook["id"]: hook["delivery_method"]["secret"]}, rules)
        self.ids: list[str] = []
        self.windows: list[str] = []
        for key in (KEYS[accounts.SERVICE], KEYS[RATED]):
            self._send("trigger", "a", "error", key, first=False)

    def look(self) -> None:
        """Let what is due happen, and check everything."""
        self.world.advance(0)
        self.watch.look()

    @invariant()
    def agree(self) -> None:
        """Everything holds after every step."""
        if hasattr(self, "watch"):
            self.look()
            self.ids = [row["id"] for row in self.client.incidents()]

    def teardown(self) -> None:
        """At the end every reference any answer held resolves."""
        if hasattr(self, "watch"):
            self.watch.references_resolve()

    # -- events and time -----------------------------------------------------------------------------------------------

    @rule(
        events=st.lists(
            st.tuples(ACTION, st.sampled_from("abc"), st.sampled_from(list(ORDER))), min_size=1, max_size=4
        ),
        service=st.sampled_from([*SERVICES[:2], *SERVICES]),
        first=st.booleans(),
    )
    def event(self, events: list[tuple[str, str, str]], service: str, first: bool) -> None:
        """Alert events arrive; for a service that is off, in maintenance or has nobody they change nothing."""
        state = self.client.read(f"/services/{service}")["service"]["status"]
        dropped = state in {"disabled", "maintenance"} or service == VACANT
        before = self.client.state() if dropped else None
        for action, name, severity in events:
            self._send(action, name, severity, KEYS[service], first=first and severity == "critical")
        assert before is None or self.client.state() == before

    @rule(events=st.lists(EVENT, min_size=2, max_size=6))
    def storm(self, events: list[tuple[str, str, str]]) -> None:
        """Many events arrive for the service that may group them."""
        self.event(events, RATED, first=False)

    def _send(self, action: str, name: str, severity: str, key: str, *, first: bool) -> None:
        """Send one event by the second or the first version of the API."""
        if first:
            older = {"service_key": key, "event_type": action, "incident_key": name, "description": "down"}
            assert self.client.send(older, "/generic/2010-04-15/create_event.json") in {200, 503, None}
        else:
            sent: dict[str, Any] = {"routing_key": key, "event_action": action, "dedup_key": name}
            sent |= {"payload": {"summary": "down", "source": "web", "severity": severity}}
            assert self.client.send(sent) in {202, 503, None}
        self.world.advance(0)

    @rule(steps=st.sampled_from([1, 3, 5, 7, 20, 31, 70, 400, 1500]))
    def time(self, steps: int) -> None:
        """So many minutes pass, one entry of the agenda after the other; who was told is checked at each."""
        goal = self.world.now + steps * MINUTE
        while (due := self.world.next_due()) is not None and due <= goal:
            self.world.run_next()
        self.world.advance_to(goal)

    # -- people at the REST host ---------------------------------------------------------------------------------------

    def change(self, place: int, who: str, **body: Any) -> None:
        """Change one of the newest incidents; what cannot be done is refused and changes nothing."""
        if not self.ids:
            return
        id = self.ids[-1 - place % len(self.ids)]
        before = self.client.read(f"/incidents/{id}")
        answer = self.client.ask("PUT", f"/incidents/{id}", {"incident": {"type": "incident", **body}}, BY_NAME[who])
        if answer is not None and answer.is_client_error:
            assert self.client.read(f"/incidents/{id}") == before

    @rule(place=PLACE, who=WHO, status=st.sampled_from(["acknowledged", "acknowledged", "triggered", "resolved"]))
    def status(self, place: int, who: str, status: str) -> None:
        """Somebody acknowledges, takes it back, resolves or reopens."""
        self.change(place, who, status=status)

    @rule(place=PLACE, who=WHO, level=st.integers(1, 4))
    def escalate(self, place: int, who: str, level: int) -> None:
        """Somebody escalates to a level."""
        self.change(place, who, escalation_level=level)

    @rule(place=PLACE, who=WHO, to=st.lists(WHO, min_size=1, max_size=2, unique=True))
    def reassign(self, place: int, who: str, to: list[str]) -> None:
        """Somebody gives it to people."""
        self.change(place, who, assignments=[{"assignee": user(BY_NAME[name])} for name in to])

    @rule(place=PLACE, who=WHO, policy=st.sampled_from([accounts.POLICY, accounts.POLICY, NOBODY]))
    def delegate(self, place: int, who: str, policy: str) -> None:
        """Somebody gives it to a policy, again or to one that has nobody."""
        self.change(place, who, escalation_policy={"id": policy, "type": "escalation_policy_reference"})

    @rule(place=PLACE, who=WHO, urgency=st.sampled_from(["high", "low"]), title=st.sampled_from(["down", "still down"]))
    def urgency(self, place: int, who: str, urgency: str, title: str) -> None:
        """Somebody changes the urgency and the title."""
        self.change(place, who, urgency=urgency, title=title)

    @rule(place=PLACE, who=WHO, minutes=st.sampled_from([1, 15, 480]))
    def snooze(self, place: int, who: str, minutes: int) -> None:
        """Somebody snoozes."""
        if self.ids:
            id = self.ids[-1 - place % len(self.ids)]
            self.client.ask("POST", f"/incidents/{id}/snooze", {"duration": minutes * 60}, BY_NAME[who])

    @rule(who=WHO, service=st.sampled_from(SERVICES), to=st.none() | WHO)
    def by_hand(self, who: str, service: str, to: str | None) -> None:
        """Somebody opens an incident by hand, for whoever is on call or for a person."""
        wish = {"type": "incident", "title": "by hand", "service": {"id": service, "type": "service_reference"}}
        given = {} if to is None else {"assignments": [{"assignee": user(BY_NAME[to])}]}
        self.client.ask("POST", "/incidents", {"incident": wish | given}, BY_NAME[who])

    @rule(who=WHO, count=st.integers(1, 2))
    def merge(self, who: str, count: int) -> None:
        """The newest open incidents are merged: no alert is lost, and the sources say into which."""
        before = self.client.incidents()
        target, *sources = [row["id"] for row in before if row["status"] != "resolved"][-1 - count :] or [""]
        if not sources:
            return
        body = {"source_incidents": [{"id": id, "type": "incident_reference"} for id in sources]}
        answer = self.client.ask("PUT", f"/incidents/{target}/merge", body, BY_NAME[who])
        if answer is None or not answer.is_success:
            return
        after = {row["id"]: row for row in self.client.incidents()}
        assert sum(row["alert_counts"]["all"] for row in before) == sum(
            row["alert_counts"]["all"] for row in after.values()
        )
        for id in sources:
            reason = after[id]["resolve_reason"]
            assert (after[id]["status"], reason["type"]) == ("resolved", "merge_resolve_reason")
            assert reason["incident"]["id"] == target

    @rule(place=PLACE, who=WHO, to=PLACE, status=st.none() | st.sampled_from(["resolved", "triggered"]))
    def alert(self, place: int, who: str, to: int, status: str | None) -> None:
        """Somebody moves an alert to another incident, resolves it or sets it back."""
        if not self.ids:
            return
        id = self.ids[-1 - place % len(self.ids)]
        held = self.client.alerts(id)
        if held:
            target = {"incident": {"id": self.ids[-1 - to % len(self.ids)], "type": "incident_reference"}}
            wish = {"type": "alert", **(target if status is None else {"status": status})}
            self.client.ask("PUT", f"/incidents/{id}/alerts/{held[-1]['id']}", {"alert": wish}, BY_NAME[who])

    # -- the account ---------------------------------------------------------------------------------------------------

    @rule(service=st.sampled_from(SERVICES[:2]), minutes=st.integers(1, 60))
    def maintain(self, service: str, minutes: int) -> None:
        """A window of maintenance begins."""
        span = {"start_time": instants.iso(self.world.now), "end_time": instants.iso(self.world.now + minutes * MINUTE)}
        wish = {"type": "maintenance_window", **span, "services": [{"id": service, "type": "service_reference"}]}
        answer = self.client.ask("POST", "/maintenance_windows", {"maintenance_window": wish})
        if answer is not None and answer.is_success:
            self.windows.append(answer.json()["maintenance_window"]["id"])

    @rule()
    @precondition(lambda self: self.windows)
    def end_maintenance(self) -> None:
        """A window is ended early, or was over."""
        self.client.ask("DELETE", f"/maintenance_windows/{self.windows.pop()}")

    @rule(service=st.sampled_from(SERVICES[:2]), on=st.booleans())
    def switch(self, service: str, on: bool) -> None:
        """A service is disabled or enabled."""
        wish = {"type": "service", "status": "active" if on else "disabled"}
        self.client.ask("PUT", f"/services/{service}", {"service": wish})

    @rule(users=st.lists(WHO, min_size=1, max_size=3), hours=st.sampled_from([1, 12, 24, 168]), layer=st.integers(0, 1))
    def edit_schedule(self, users: list[str], hours: int, layer: int) -> None:
        """The people and the turns of a layer change from now on."""
        shown = self.client.read(f"/schedules/{accounts.SCHEDULE}")["schedule"]
        edited = copy.deepcopy(shown)
        members = [{"user": user(BY_NAME[name])} for name in users]
        edited["schedule_layers"][layer] |= {"users": members, "rotation_turn_length_seconds": hours * 3600}
        self.client.ask("PUT", f"/schedules/{accounts.SCHEDULE}", {"schedule": edited})

    @rule(who=WHO, wait=st.sampled_from([0, 5, 60]), length=st.sampled_from([5, 60, 600]))
    def override(self, who: str, wait: int, length: int) -> None:
        """Somebody takes a span."""
        start = self.world.now + wait * MINUTE
        wish = {"start": instants.iso(start), "end": instants.iso(start + length * MINUTE), "user": user(BY_NAME[who])}
        self.client.ask("POST", f"/schedules/{accounts.SCHEDULE}/overrides", {"overrides": [wish]})

    @rule(place=PLACE)
    def end_override(self, place: int) -> None:
        """An override is taken back, or ended when it runs."""
        path, now = f"/schedules/{accounts.SCHEDULE}/overrides", self.world.now
        span = f"since={instants.iso(now)}&until={instants.iso(now + DAY)}"
        held = self.client.read(f"{path}?{span}")["overrides"]
        if held:
            self.client.ask("DELETE", f"{path}/{held[place % len(held)]['id']}")

    @rule(delay=st.sampled_from([10, 20, 45]), swap=st.booleans())
    def edit_policy(self, delay: int, swap: bool) -> None:
        """The delays and the order of the policy's last levels change, for incidents yet to come."""
        edited = copy.deepcopy(self.client.read(f"/escalation_policies/{accounts.POLICY}")["escalation_policy"])
        rules = edited["escalation_rules"]
        for entry in rules:
            entry["escalation_delay_in_minutes"] = delay
        edited["escalation_rules"] = [rules[0], rules[2], rules[1]] if swap else rules
        self.client.ask("PUT", f"/escalation_policies/{accounts.POLICY}", {"escalation_policy": edited})

    # -- reading -------------------------------------------------------------------------------------------------------

    @rule(ahead=st.sampled_from([1, 26, 70]))
    def read_schedule(self, ahead: int) -> None:
        """What was and what comes is one person at a time, and the past stays."""
        until = self.world.now // SECOND * SECOND + ahead * 3600 * SECOND
        self.watch.schedule(accounts.SCHEDULE, START, until)

    @rule(
        limit=st.integers(1, 5) | st.integers(1, 100),
        path=st.sampled_from(["incidents", "log_entries", "notifications", "users"]),
    )
    def pages(self, limit: int, path: str) -> None:
        """Pages of any size add up to the list."""
        span = "?since=2026-03-01&until=2026-05-20" if path == "notifications" else "?date_range=all"
        whole = self.client.all(f"/{path}{span}", path)
        assert self.client.all(f"/{path}{span}", path, limit) == whole

    @rule(what=st.sampled_from(["users", "services", "escalation_policies", "schedules", "incidents"]), place=PLACE)
    def put_back(self, what: str, place: int) -> None:
        """Putting back what was read changes nothing but the time of the update.

        An acknowledged incident is put back by somebody who has acknowledged it: anybody else would join them.
        """
        rows = self.client.all(f"/{what}?date_range=all", what)
        rows = [row for row in rows if row.get("status") != "resolved"]
        row = rows[place % len(rows)] if rows else {}
        held = {entry["acknowledger"]["id"] for entry in row.get("acknowledgements") or ()}
        who = next((human for human in PEOPLE if not held or human.id in held), None)
        if not row or who is None:
            return
        path, wrapper = f"/{what}/{row['id']}", singular(what)
        before, said = self.client.read(path), self.client.state()
        answer = self.client.ask("PUT", path, before, who)
        if answer is None or "fault" in answer.headers:
            return
        assert answer.is_success, (path, answer.text)
        self.world.advance(0)
        assert timeless(self.client.read(path)[wrapper]) == timeless(before[wrapper])
        assert timeless(self.client.state()) == timeless(said)

    # -- devices -------------------------------------------------------------------------------------------------------

    @rule(who=WHO, lead=st.sampled_from(["", "", "1", "2"]), digit=st.sampled_from("46880"))
    def sms(self, who: str, lead: str, digit: str) -> None:
        """Somebody answers an SMS; what is outdated or nonsense changes nothing."""
        self._reply(f"{BY_NAME[who].id}/sms", {"text": lead + digit})

    @rule(place=PLACE, who=WHO, key=st.sampled_from("4680*5"))
    def tap(self, place: int, who: str, key: str) -> None:
        """Somebody acts on one of their newest messages: picks up and presses a key, taps, or follows a link."""
        shown = self.duty.rest("GET", f"/_sim/devices?user={who}").json()["devices"][0]["messages"]
        if not shown:
            return
        message = shown[-1 - place % len(shown)]
        path = f"messages/{message['id']}"
        if message["channel"] == "phone":
            self.duty.rest("POST", f"/_sim/devices/{path}/answer", {})
            self._reply(f"{path}/press", {"key": key})
        elif message["channel"] != "sms":
            self._reply(f"{path}/{'resolve' if key == '6' else 'acknowledge'}", {})

    def _reply(self, path: str, body: dict[str, str]) -> None:
        before = self.client.state()
        reply = self.duty.rest("POST", f"/_sim/devices/{path}", body).json()["reply"]
        if reply["outcome"] != devices.DONE:
            assert self.client.state() == before

    # -- the wire ------------------------------------------------------------------------------------------------------

    @rule(
        kind=st.sampled_from(["refuse", "timeout", "lose_answer", "status", "duplicate"]),
        where=st.sampled_from([(HOOKS, "POST"), ("events.pagerduty.com", "POST"), ("api.pagerduty.com", "PUT")]),
        times=st.integers(1, 3),
    )
    def fault(self, kind: str, where: tuple[str, str], times: int) -> None:
        """Requests get lost, answers get lost, something in between answers, or they come twice."""
        wish = {"kind": kind, "host": where[0], "method": where[1], "times": times, "status": 503}
        self.duty.rest("POST", "/_sim/faults", wish | {"headers": [["fault", "yes"]]})

    @rule(
        number=st.sampled_from(["+1 5550100", "+1 5550101", "+1 5550103"]),
        line=st.sampled_from([{"receipts": False}, {"delay": "3m"}, {"blocked": True}, {"mailbox": True}, {}]),
    )
    def line(self, number: str, line: dict[str, Any]) -> None:
        """A telephone line loses receipts, gets slow, is blocked, has a mailbox, or works again."""
        assert self.duty.rest("PUT", f"/_sim/carriers/{number}", line).status_code == 200

    @rule(place=PLACE, who=WHO)
    def note(self, place: int, who: str) -> None:
        """Somebody writes a note, which tells nobody."""
        if self.ids:
            path = f"/incidents/{self.ids[-1 - place % len(self.ids)]}/notes"
            self.client.ask("POST", path, {"note": {"content": "looking"}}, BY_NAME[who])

    @rule(answers=ANSWERS)
    def receiver(self, answers: list[int]) -> None:
        """The receiver of the webhooks answers something else for a while."""
        self.client.answers = [*answers]

    @rule()
    def enable(self) -> None:
        """Somebody enables the endpoint, disabled or not."""
        self.client.ask("POST", f"/webhook_subscriptions/{self.hook}/enable")
        self.watch.drops[self.hook] = self.watch.quiet[self.hook] = 0


Incidents.TestCase.settings = settings(
    max_examples=settings().max_examples // 10 if EXPLORING else 8,
    stateful_step_count=40 if EXPLORING else 22,
    deadline=None,
    database=None,
    derandomize=not EXPLORING,
)
TestIncidentsStaySound: Any = Incidents.TestCase

_EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["trigger", "acknowledge", "resolve"]), st.sampled_from("abc"), st.sampled_from([0, 1, 9])
    ),
    max_size=8,
)


def _outcome(events: list[tuple[str, str, int]]) -> list[Any]:
    """Return what every alert and incident came to after these events, each after so many minutes."""
    duty = Duty(made())
    for action, name, minutes in events:
        duty.world.advance_to(duty.world.now + minutes * MINUTE)
        duty.send(action, name)
    alerts = [(row.key, row.status, row.triggers, row.resolved) for row in duty.alerts]
    return [alerts, [(row.number, row.status, row.acknowledgements, row.resolved) for row in duty.incidents]]


@settings(max_examples=10, deadline=None, database=None, derandomize=True)
@given(events=_EVENTS)
def test_acknowledge_and_resolve_events_may_arrive_twice(events: list[tuple[str, str, int]]) -> None:
    """Whatever the sequence, doubling them changes nothing in the end."""
    doubled = [again for event in events for again in ((event,) if event[0] == "trigger" else (event, (*event[:2], 0)))]
    assert _outcome(doubled) == _outcome(events)


@settings(max_examples=200 if EXPLORING else 15, deadline=None, database=None, derandomize=not EXPLORING)
@given(limit=st.integers(1, 5), waits=st.lists(st.sampled_from([0, 1, 10, 29, 30, 59, 60, 61]), max_size=30))
def test_no_minute_sees_more_answers_than_the_limit(limit: int, waits: list[int]) -> None:
    """In any sixty seconds a key gets at most so many answers that are not 429, and what is left is never negative."""
    duty = Duty(requests_per_minute=limit)
    answered: list[int] = []
    for wait in waits:
        duty.world.advance_to(duty.world.now + wait * SECOND)
        answer = duty.rest("GET", "/users")
        assert 0 <= int(answer.headers["ratelimit-remaining"]) < limit
        if answer.status_code != 429:
            answered.append(duty.world.now)
        else:
            assert 0 < int(answer.headers["ratelimit-reset"]) <= 60
    assert all(later - at >= MINUTE for at, later in zip(answered, answered[limit:], strict=False))
