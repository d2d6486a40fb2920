"""A PagerDuty account in a world of its own, spoken to the way a monitoring tool and a REST client do."""

from __future__ import annotations

import json
from typing import Any

import httpx

from scenarios import accounts
from scenarios.accounts import Human, Reach
from simulators.engine import instants
from simulators.engine.draft import Draft
from simulators.engine.world import World
from simulators.pagerduty import account
from simulators.pagerduty.api import API_HOST, EVENTS_HOST, sites
from simulators.pagerduty.component import PagerDuty
from simulators.pagerduty.model import (
    ALERTS,
    DOCUMENTS,
    INCIDENTS,
    LOG_ENTRIES,
    MESSAGES,
    Agent,
    Alert,
    Incident,
    Knobs,
    Message,
)

START = instants.parse("2026-03-02T10:00:00Z")
KEY = accounts.ROUTING_KEY
ALICE, BOB = accounts.ALICE, accounts.BOB
CAROL = Human("PCAROL1", "carol", "carol@example.com", (Reach("sms_contact_method", "5550102"),))
ACTING = Agent("user_reference", CAROL.id, "website")


def user(human: Human) -> dict[str, str]:
    """Return a reference to a user, as a target of an escalation policy."""
    return {"id": human.id, "type": "user_reference"}


def two_levels(**settings: Any) -> dict[str, Any]:
    """Return Alice before Bob, 30 minutes each; Carol is there and on no level. ``settings`` are the service's."""
    made = accounts.account((ALICE, BOB, CAROL), levels=([user(ALICE)], [user(BOB)]))
    made["services"][0] |= settings
    return made


class Duty:
    """A world with one account; time starts at 10:00 UTC on a Monday."""

    def __init__(self, made: dict[str, Any] | None = None, **knobs: Any) -> None:
        self.world = World(seed=1, start=START, components=[PagerDuty()], knobs=[Knobs(**knobs)])
        for host, site in sites().items():
            self.world.serve(host, site)
        self.do(account.load, two_levels() if made is None else made)

    def do(self, verb: Any, *args: Any, **kwargs: Any) -> Any:
        """Carry out a verb as one decision."""

        def decide(draft: Draft) -> Any:
            return verb(draft, *args, **kwargs)

        return self.world.transact(decide)

    def post(self, path: str, body: Any) -> httpx.Response:
        """Post to the events host."""
        content = body if isinstance(body, bytes) else json.dumps(body)
        return self.world.client.post(f"https://{EVENTS_HOST}{path}", content=content)

    def send(self, action: str = "trigger", key: str | None = "k", routing_key: str = KEY, **payload: Any) -> Any:
        """Send an alert event and return the status it is answered with."""
        event: dict[str, Any] = {"routing_key": routing_key, "event_action": action}
        if key is not None:
            event["dedup_key"] = key
        if action == "trigger":
            event["payload"] = {"summary": "down", "source": "web", "severity": "critical", **payload}
        answer = self.post("/v2/enqueue", event)
        self.world.advance(0)
        return answer.status_code

    def rest(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """Ask the REST API with a full key."""
        sent = {"Authorization": f"Token token={accounts.API_KEY}", "Content-Type": "application/json", **headers}
        content = None if body is None else json.dumps(body)
        return self.world.client.request(method, f"https://{API_HOST}{path}", content=content, headers=sent)

    def until(self, minutes: int) -> None:
        """Let time pass until ``minutes`` after the start."""
        self.world.advance_to(START + minutes * instants.MINUTE)

    @property
    def incidents(self) -> list[Incident]:
        """Every incident, oldest first."""
        return list(self.world.view.all(INCIDENTS))

    @property
    def incident(self) -> Incident:
        """The newest incident."""
        return self.incidents[-1]

    @property
    def alerts(self) -> list[Alert]:
        """Every alert, oldest first."""
        return list(self.world.view.all(ALERTS))

    @property
    def told(self) -> list[tuple[int, str]]:
        """Who was told when: minutes after the start, and the person's name."""
        users = {row.id: row.body["name"] for row in self.world.view.all(DOCUMENTS["users"])}
        return [((row.at - START) // instants.MINUTE, users[row.user]) for row in self.messages]

    @property
    def messages(self) -> list[Message]:
        """Every message, oldest first."""
        return list(self.world.view.all(MESSAGES))

    @property
    def assigned(self) -> list[str]:
        """Who the newest incident is assigned to, by name."""
        users = {row.id: row.body["name"] for row in self.world.view.all(DOCUMENTS["users"])}
        return [users[assignment.user] for assignment in self.incident.assignments]

    def log(self) -> list[tuple[int, str]]:
        """Return the newest incident's log without notifications: minutes after the start, kind."""
        rows = self.world.view.find(LOG_ENTRIES, "incident", self.incident.id)
        told = [((row.at - START) // instants.MINUTE, row.type.value.removesuffix("_log_entry")) for row in rows]
        return [entry for entry in told if entry[1] != "notify"]

    def record(self, kind: str) -> list[Any]:
        """Return the journal's entries of a kind."""
        return [entry.data for entry in self.world.journal if entry.kind == kind]


def maintenance() -> dict[str, Any]:
    """Return a window of maintenance from the start of the world for an hour."""
    return {
        "id": "PMW0001",
        "type": "maintenance_window",
        "start_time": "2026-03-02T10:00:00Z",
        "end_time": "2026-03-02T11:00:00Z",
        "services": [{"id": accounts.SERVICE, "type": "service_reference"}],
    }
