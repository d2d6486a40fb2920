"""What a client sees of an account, looked at after every step, and the numbered sentences that must hold of it.

A :class:`Client` asks the REST and the events host as any client does and keeps what it was shown; a :class:`Watch`
checks. What no answer tells (who was assigned when, which deliveries were made) comes from the journal. Each sentence
is a method that carries its number; :mod:`test_invariants` lists them.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
from duty_rig import Duty

from scenarios import accounts
from scenarios.accounts import Human
from simulators.engine import instants
from simulators.engine.instants import DAY, MINUTE
from simulators.engine.transport import Site
from simulators.pagerduty.api import API_HOST, EVENTS_HOST

HOOKS = "hooks.example.com"
API = f"https://{API_HOST}"
ORDER = {"info": 0, "warning": 1, "error": 2, "critical": 3}
#: Log entry -> the status it leads to; triggers are told apart below.
LEADS = {
    "acknowledge": "acknowledged", "unacknowledge": "triggered", "escalate": "triggered", "assign": "triggered",
    "delegate": "triggered", "resolve": "resolved",
}  # fmt: skip
#: What each status may become (lifecycle table of the documentation).
LEGAL = {
    "triggered": {"triggered", "acknowledged", "resolved"},
    "acknowledged": {"triggered", "acknowledged", "resolved"},
    "resolved": {"triggered"},
}
#: Passes and levels of the machine's policy: escalations by time that one assignment may see.
PASSES, LEVELS = 2, 3


class Client:
    """Asks both hosts; ``links`` are the references of all answers: id -> where it was last said to be."""

    def __init__(self, duty: Duty) -> None:
        self.duty, self.world = duty, duty.world
        self.links: dict[str, str] = {}
        self.got: list[tuple[int, dict[str, str], bytes]] = []
        self.answers: list[int] = []
        self.world.serve(HOOKS, Site("hooks", self._receive))

    def _receive(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        """Take a webhook, answering as told (202 otherwise)."""
        headers = {name[5:].replace("_", "-").lower(): text for name, text in environ.items() if name[:5] == "HTTP_"}
        self.got.append((self.world.now, headers, environ["wsgi.input"].read()))
        start_response(f"{self.answers.pop(0) if self.answers else 202} Answer", [])
        return [b""]

    def ask(self, method: str, path: str, body: Any = None, who: Human = accounts.ALICE) -> httpx.Response | None:
        """Ask the REST host in somebody's name; ``None`` when a fault swallowed the answer, and never a 5xx."""
        try:
            answer = self.duty.rest(method, path, body, From=who.email)
        except httpx.TransportError:
            return None
        if "fault" not in answer.headers:
            assert answer.status_code < 500, answer.text
        return answer

    def read(self, path: str) -> Any:
        """Read something that is there, and keep the references in it."""
        answer = self.duty.rest("GET", path)
        assert answer.status_code == 200, (path, answer.text)
        found = answer.json()
        self._keep(found)
        return found

    def all(self, path: str, wrapper: str, limit: int = 100) -> list[dict[str, Any]]:
        """Read every page of a list; ``more`` is false on the last page only, and nothing comes twice (15)."""
        rows: list[dict[str, Any]] = []
        more = True
        while more:
            page = self.read(f"{path}{'&' if '?' in path else '?'}limit={limit}&offset={len(rows)}")
            assert page[wrapper] or not rows
            rows += page[wrapper]
            more = page["more"]
            assert not more or len(page[wrapper]) == limit
        assert len({row["id"] for row in rows}) == len(rows)
        return rows

    def send(self, body: dict[str, Any], path: str = "/v2/enqueue") -> int | None:
        """Send an event; ``None`` when a fault swallowed the answer."""
        try:
            return self.world.client.post(f"https://{EVENTS_HOST}{path}", content=json.dumps(body)).status_code
        except httpx.TransportError:
            return None

    def _keep(self, found: Any) -> None:
        if isinstance(found, list):
            for entry in found:
                self._keep(entry)
        elif isinstance(found, dict):
            if isinstance(found.get("self"), str) and "id" in found:
                self.links[found["id"]] = found["self"]
            for entry in found.values():
                self._keep(entry)

    def incidents(self) -> list[dict[str, Any]]:
        """Return every incident, oldest first."""
        return self.all("/incidents?date_range=all&sort_by=incident_number", "incidents")

    def log(self, incident: str) -> list[dict[str, Any]]:
        """Return an incident's log, oldest first."""
        return self.all(f"/incidents/{incident}/log_entries", "log_entries")[::-1]

    def alerts(self, incident: str) -> list[dict[str, Any]]:
        """Return an incident's alerts, oldest first."""
        return self.all(f"/incidents/{incident}/alerts", "alerts")

    def state(self) -> list[Any]:
        """Return what must not change when nothing may: incidents, their alerts and logs, notifications."""
        rows = self.incidents()
        logs = self.read("/log_entries?limit=1&total=true")["total"]
        told = self.read("/notifications?since=2026-03-01&until=2026-05-20&limit=1&total=true")["total"]
        return [rows, [self.alerts(row["id"]) for row in rows[-5:]], logs, told]


class Watch:
    """Checks what the client sees, and what the journal adds to it."""

    def __init__(self, client: Client, rated: str, secrets: dict[str, str], rules: dict[str, str]) -> None:
        self.client, self.world = client, client.world
        self.rated, self.secrets, self.rules = rated, secrets, rules
        self.looked = self.heard = 0
        #: (incident, user) -> spans of assignment, the last one open (its end is ``None``).
        self.spans: dict[tuple[str, str], list[tuple[int, int | None]]] = {}
        self.told: dict[str, list[str]] = {}
        self.rows: dict[str, dict[str, Any]] = {}
        self.alerts: dict[str, list[dict[str, Any]]] = {}
        self.changed: dict[str, int] = {}
        self.severities: dict[str, int] = {}
        self.reopened: set[str] = set()
        self.by_event: set[str] = set()
        self.gone: set[str] = set()
        self.published: dict[str, list[tuple[str, str]]] = {}
        self.arrived: dict[str, tuple[str, bytes]] = {}
        self.place: dict[tuple[str, str], int] = {}
        self.drops: dict[str, int] = {}
        self.quiet: dict[str, int] = {}
        self.past: dict[str, tuple[int, list[tuple[int, int, str]]]] = {}
        self.exhausted: set[str] = set()
        self.snoozed: set[str] = set()

    def look(self) -> None:
        """Check everything that can be seen now; what is due now has happened."""
        touched = self.journal()
        self.webhooks()
        rows = self.client.incidents()
        assert [row["incident_number"] for row in rows] == list(range(1, len(rows) + 1))  # 21
        assert len({row["id"] for row in rows}) == len(rows)
        for row in rows:
            if row["id"] in touched or row != self.rows.get(row["id"]):
                self.alerts[row["id"]] = self.client.alerts(row["id"])
                self.follows_the_lifecycle(row, self.client.log(row["id"]))
            self.rows[row["id"]] = row
            self.incident(row)
        held = [(a["integration"]["id"], a["alert_key"]) for a in self._all_alerts() if a["status"] == "triggered"]
        assert len(held) == len(set(held)), held  # 1
        for alert in self._all_alerts():
            assert self.severities.get(alert["id"], 0) <= ORDER[alert["severity"]]  # 22
            self.severities[alert["id"]] = ORDER[alert["severity"]]

    def _all_alerts(self) -> Iterator[dict[str, Any]]:
        return itertools.chain.from_iterable(self.alerts.values())

    # -- one incident as it is shown -----------------------------------------------------------------------------------

    def incident(self, row: dict[str, Any]) -> None:
        """Counts, times and pending actions fit the status (4, 5, 6, 7, 8, 21)."""
        status, alerts = row["status"], self.alerts.get(row["id"], [])
        assert re.fullmatch(r"[A-Z0-9]{7,26}", row["id"])
        still = sum(alert["status"] == "triggered" for alert in alerts)
        counts = row["alert_counts"]
        assert counts == {"all": len(alerts), "triggered": still, "resolved": len(alerts) - still}
        assert counts["all"] == counts["triggered"] + counts["resolved"]
        merged = (row["resolve_reason"] or {}).get("type") == "merge_resolve_reason"
        if alerts and row["id"] in self.by_event and row["id"] not in self.reopened and not merged:
            assert (status == "resolved") is (still == 0), row["id"]
        assert (row["resolved_at"] is not None) is (status == "resolved")
        at = instants.parse(row["last_status_change_at"])
        assert self.changed.get(row["id"], 0) <= at <= self.world.now
        self.changed[row["id"]] = at
        assert bool(row["acknowledgements"]) is (status == "acknowledged")
        assert bool(row["assignments"]) is (status != "resolved")
        self.pending(row)

    def pending(self, row: dict[str, Any]) -> None:
        """At most one action of each kind, each ahead, and the kinds fit the status (7, 8)."""
        found = [action["type"] for action in row["pending_actions"]]
        assert len(found) == len(set(found))
        assert all(instants.parse(action["at"]) > self.world.now - instants.SECOND for action in row["pending_actions"])
        if row["status"] == "resolved":
            assert not found
        waits = row["status"] == "triggered" and row["urgency"] == "high" and row["id"] not in self.exhausted
        follows = row["assigned_via"] == "escalation_policy"
        assert ("escalate" in found) is (waits and follows), (row["id"], found, row["assigned_via"])
        if "unacknowledge" in found:
            timeout = self.client.read(f"/services/{row['service']['id']}")["service"]["acknowledgement_timeout"]
            snoozed = row["id"] in self.snoozed
            assert row["status"] == "acknowledged"
            assert timeout or snoozed

    # -- one incident's log --------------------------------------------------------------------------------------------

    def follows_the_lifecycle(self, row: dict[str, Any], entries: list[dict[str, Any]]) -> None:
        """Legal steps, bounded escalations, silence while quiet, low urgency stays low-voiced (6, 9, 10, 12, 22)."""
        kinds = [entry["type"].removesuffix("_log_entry") for entry in entries]
        urgencies = [entry["changeset"]["urgency"] for entry in entries if entry["type"] == "urgency_change_log_entry"]
        urgency = row["urgency"] if not urgencies else {"high": "low", "low": "high"}[urgencies[0]]
        status, passes, told = "triggered", 0, iter(self.told.get(row["id"], []))
        assert kinds[0] == "trigger"
        at = ""
        for place, (kind, entry) in enumerate(zip(kinds, entries, strict=True)):
            assert at <= entry["created_at"]
            at = entry["created_at"]
            by_hand = entry["agent"]["type"] == "user_reference"
            following = LEADS.get(kind)
            if kind == "trigger" and place and by_hand:
                following = "triggered"
                assert status == "resolved"
            elif kind == "trigger" and place:
                assert status != "resolved"
            elif kind == "notify":
                assert status == "triggered"  # 10
                assert self.rules[next(told)] == urgency  # 12
            elif kind == "urgency_change":
                urgency = entry["changeset"]["urgency"]
                assert by_hand or urgency == "high"  # 22
            elif kind == "escalate" and place > 1:
                assert urgency == "high"  # 12
            if kind == "escalate" and entry["channel"]["type"] == "timeout":
                passes += kinds[place - 1] != "escalate"
                assert passes <= PASSES * LEVELS - 1  # 9
            elif kind in {"escalate", "delegate", "assign", "unacknowledge", "acknowledge"} or by_hand:
                passes = 0
            if following is not None:
                assert following in LEGAL[status], (status, kind)  # 6
                status = following
        assert status == row["status"]
        assert next(told, None) is None

    # -- the journal ---------------------------------------------------------------------------------------------------

    def journal(self) -> set[str]:
        """Take in what is new in the journal: who is assigned since when, who was told, what was published (11, 20)."""
        touched: set[str] = set()
        for entry in self.world.journal.since(self.looked):
            self.looked = entry.seq
            assert entry.kind not in {"error"}, entry.data
            data = entry.data
            if entry.kind == "notification.sent":
                self.told.setdefault(entry.subject, []).append(data["rule"])
                self.was_due(entry.subject, data["user"], entry.at, data["delay"] * MINUTE)
            elif entry.kind.startswith("incident."):
                self.moved(entry)
                self.published.setdefault(entry.subject, []).append((entry.kind, instants.iso(entry.at)))
            elif entry.kind in {"event.appended", "alert.grouped"}:
                pass
            elif entry.kind.startswith("webhook.") or entry.kind == "send":
                self.quiet_when_disabled(entry)
                continue
            elif entry.kind.endswith(".deleted"):
                self.gone.add(entry.subject)
            touched.add(entry.subject)
        return touched

    def moved(self, entry: Any) -> None:
        """Note who an incident is assigned to from now on."""
        kind, data, id = entry.kind.removeprefix("incident."), entry.data, entry.subject
        people: set[str] | None = set(data["people"]) if "people" in data else None
        if kind == "acknowledged" and data["agent"].startswith("P") and data["channel"] != "api":
            people = {*self.assigned(id), data["agent"]}
        elif kind == "resolved":
            people = set()
        if kind == "triggered" and data["channel"] == "api":
            self.by_event.add(id)
        elif kind == "reopened":
            self.reopened.add(id)
        if kind in {"triggered", "reopened", "escalated", "delegated"}:
            self.exhausted.discard(id)
        elif kind == "exhausted":
            self.exhausted.add(id)
        if kind == "snoozed":
            self.snoozed.add(id)
        elif people is not None:
            self.snoozed.discard(id)
        for user in () if people is None else sorted({*people, *self.assigned(id)}):
            spans = self.spans.setdefault((id, user), [])
            if user in people and not (spans and spans[-1][1] is None):
                spans.append((entry.at, None))
            elif user not in people:
                spans[-1] = (spans[-1][0], entry.at)

    def assigned(self, incident: str) -> set[str]:
        """Return who the journal says is assigned."""
        return {user for (id, user), spans in self.spans.items() if id == incident and spans[-1][1] is None}

    def was_due(self, incident: str, who: str, at: int, delay: int) -> None:
        """A person is told only when assigned at the beginning of the delay and still assigned at its end (11)."""
        spans = self.spans[incident, who]
        assert any(start <= at - delay and (end is None or at <= end) for start, end in spans), (who, at, delay, spans)

    # -- webhooks ------------------------------------------------------------------------------------------------------

    def quiet_when_disabled(self, entry: Any) -> None:
        """After three drops in a row nothing is sent until the endpoint is enabled or a day has passed (20)."""
        if entry.kind == "send":
            assert entry.at >= max(self.quiet.values(), default=0), entry.data
            return
        subscription = entry.data.get("subscription", entry.subject)
        if entry.kind == "webhook.delivered":
            self.drops[subscription] = 0
        elif entry.kind == "webhook.dropped":
            self.drops[subscription] = self.drops.get(subscription, 0) + 1
            if self.drops[subscription] == 3:
                self.quiet[subscription] = entry.at + DAY
        elif entry.kind == "webhook.enabled":
            self.quiet[subscription] = self.drops[subscription] = 0

    def webhooks(self) -> None:
        """Signatures hold and break, repeats are the same, an incident's come in the order of its log (18, 19)."""
        for _, headers, body in self.client.got[self.heard :]:
            subscription, id = headers["x-webhook-subscription"], headers["x-webhook-id"]
            secret = self.secrets[subscription].encode()
            assert headers["x-pagerduty-signature"] == "v1=" + hmac.new(secret, body, hashlib.sha256).hexdigest()
            broken = bytes([body[0] ^ 1]) + body[1:]
            assert headers["x-pagerduty-signature"] != "v1=" + hmac.new(secret, broken, hashlib.sha256).hexdigest()
            event = json.loads(body)["event"]
            if id in self.arrived:
                assert self.arrived[id] == (event["id"], body)
                continue
            assert all(known != event["id"] for known, _ in self.arrived.values())
            self.arrived[id] = (event["id"], body)
            if not event["event_type"].startswith("incident."):
                continue
            about = event["data"].get("incident") or event["data"]
            line = (subscription, about["id"])
            said = self.published.get(about["id"], [])
            wanted = (event["event_type"], event["occurred_at"][:19])
            rest = range(self.place.get(line, 0), len(said))
            self.place[line] = 1 + next(p for p in rest if (said[p][0], said[p][1][:19]) == wanted)
        self.heard = len(self.client.got)

    # -- schedules -----------------------------------------------------------------------------------------------------

    def schedule(self, id: str, since: int, until: int) -> None:
        """The final schedule is one person at a time, rightly layered, and its past stays as it was (13, 14)."""
        window = f"since={instants.iso(since)}&until={instants.iso(until)}&time_zone=UTC"
        shown = self.client.read(f"/schedules/{id}?{window}")["schedule"]
        parts = [shown["overrides_subschedule"], *reversed(shown["schedule_layers"])]
        layers = [_spans(part, since, until) for part in parts]
        final = _spans(shown["final_schedule"], since, until)
        edges = sorted({since, until, *(edge for spans in (final, *layers) for span in spans for edge in span[:2])})
        for start, end in itertools.pairwise(edges):
            people = [person for spans in layers for s, e, person in spans if s <= start and end <= e]
            assert [p for s, e, p in final if s <= start and end <= e] == people[:1], (start, people)
        ran, was = self.past.get(id, (since, []))
        assert _clip(final, since, ran) == _clip(was, since, ran)
        self.past[id] = (self.world.now, final)
        now = {person for _, _, person in _clip(final, self.world.now, self.world.now + 1)}
        listed = self.client.read(f"/oncalls?schedule_ids[]={id}&limit=100")["oncalls"]
        assert {entry["user"]["id"] for entry in listed} == now

    # -- at the end ----------------------------------------------------------------------------------------------------

    def references_resolve(self) -> None:
        """Whatever any answer named is there, except what the journal says was deleted (16)."""
        for id, link in self.client.links.items():
            answer = self.client.duty.rest("GET", link.removeprefix(API))
            assert answer.status_code == (404 if id in self.gone else 200), (link, answer.status_code)


def timeless(found: Any) -> Any:
    """Return JSON without the times of updates."""
    if isinstance(found, dict):
        return {name: timeless(value) for name, value in found.items() if name != "updated_at"}
    return [timeless(entry) for entry in found] if isinstance(found, list) else found


def _spans(part: dict[str, Any], since: int, until: int) -> list[tuple[int, int, str]]:
    """Return rendered entries: sorted, disjoint, not empty, within the window; the coverage is their share (14)."""
    spans = [
        (instants.parse(entry["start"]), instants.parse(entry["end"]), entry["user"]["id"])
        for entry in part["rendered_schedule_entries"]
    ]
    assert all(since <= start < end <= until for start, end, _ in spans)
    assert all(one[1] <= other[0] for one, other in itertools.pairwise(spans))
    share = 100 * sum(end - start for start, end, _ in spans) / (until - since)
    assert abs(part["rendered_coverage_percentage"] - share) <= 0.051
    return spans


def _clip(spans: list[tuple[int, int, str]], since: int, until: int) -> list[tuple[int, int, str]]:
    """Return the parts of the spans within [since, until), neighbours of one person joined."""
    found: list[tuple[int, int, str]] = []
    for start, end, person in spans:
        begin, over = max(start, since), min(end, until)
        if begin < over:
            joins = found and found[-1][1] == begin and found[-1][2] == person
            found[-1:] = [(found[-1][0], over, person)] if joins else [*found[-1:], (begin, over, person)]
    return found
