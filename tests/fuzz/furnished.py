"""Both vendors' worlds in which something of every kind exists, for whoever sends them requests of every kind.

A request drawn at random names ids; unless they exist, every answer is 404 and nothing is tried. Each world therefore
holds one or two of whatever has an id, something has happened in it, and :attr:`Furnished.ids` names them all.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from scenarios import accounts
from simulators.engine import instants
from simulators.engine.tables import TableKey
from simulators.engine.world import World
from simulators.pagerduty import account, intake
from simulators.pagerduty import model as pagerduty
from simulators.pagerduty.api import API_HOST as PAGERDUTY_HOST
from simulators.pagerduty.api import sites as pagerduty_sites
from simulators.pagerduty.component import PagerDuty
from simulators.thousandeyes import commands
from simulators.thousandeyes import model as thousandeyes
from simulators.thousandeyes.api import API_HOST as THOUSANDEYES_HOST
from simulators.thousandeyes.api import sites as thousandeyes_sites
from simulators.thousandeyes.component import ThousandEyes

START = instants.parse("2026-03-02T09:00:00Z")
SHIFT = {
    "name": "Days",
    "start_time": {"date_time": "2026-03-02T09:00:00Z", "time_zone": "Europe/Berlin"},
    "end_time": {"date_time": "2026-03-02T17:00:00Z", "time_zone": "Europe/Berlin"},
    "effective_since": "2026-03-03T00:00:00Z",
    "recurrence": ["RRULE:FREQ=DAILY"],
    "assignment_strategy": {
        "type": "every_member_assignment_strategy",
        "members": [{"type": "user_member", "user_id": accounts.BOB.id}],
    },
}


@dataclass(frozen=True)
class Furnished:
    """A world with one vendor's API ``host`` in it and the ``headers`` that are let in."""

    world: World
    host: str
    headers: Mapping[str, str]
    tables: tuple[TableKey[Any], ...]

    def send(self, method: str, path: str, content: str | None = None, params: Any = None) -> httpx.Response:
        """Send a request, its body as JSON text."""
        headers = dict(self.headers) | ({} if content is None else {"Content-Type": "application/json"})
        url = f"https://{self.host}{path}"
        return self.world.client.request(method, url, content=content, headers=headers, params=params)

    def make(self, path: str, body: Any) -> Any:
        """Create something that must be created."""
        answer = self.send("POST", path, json.dumps(body))
        assert answer.status_code in {200, 201}, (path, answer.text)
        return answer.json()

    @property
    def description(self) -> dict[str, Any]:
        """The OpenAPI description the host serves."""
        found: dict[str, Any] = self.send("GET", "/_sim/openapi.json").json()
        return found

    def ids(self, kind: str = "") -> list[str]:
        """Return the ids of the rows of the tables whose name has ``kind`` in it."""
        return [row.id for table in self.tables if kind in table.name for row in self.world.view.all(table)]

    @property
    def errors(self) -> list[Any]:
        """What went wrong inside the simulator."""
        return [entry.data for entry in self.world.journal if entry.kind == "error"]


def pagerduty_world() -> Furnished:
    """Return an account with incidents, a note, an override, and one document of each further kind."""
    world = World(seed=1, start=START, components=[PagerDuty()])
    sample = accounts.fixed(schedules=(accounts.layer([accounts.ALICE.id], start="2026-01-05T09:00:00Z"),))
    sample |= {
        "teams": [{"id": "PTEAM01", "name": "Network", "members": [{"user": {"id": accounts.ALICE.id}}]}],
        "tags": [{"id": "PTAG001", "label": "wan"}],
        "extensions": [{"id": "PEXT001", "name": "hook", "extension_objects": [{"id": accounts.SERVICE}],
                        "extension_schema": {"id": "PJFWPEP"}}],
        "addons": [{"id": "PADD001", "type": "full_page_addon", "name": "n", "src": "https://a.example"}],
        "business_services": [{"id": "PBUS001", "name": "Sales"}],
        "v3_schedules": [{"id": "PSV3001", "name": "Shifts", "time_zone": "UTC", "rotations": [
            {"id": "AROTATION1", "events": [{**SHIFT, "id": "AEVENT1"}]}]}],
        "maintenance_windows": [{"id": "PMW0001", "start_time": "2026-03-03T00:00:00Z",
                                 "end_time": "2026-03-04T00:00:00Z", "services": [{"id": accounts.SERVICE}]}],
    }  # fmt: skip
    world.transact(lambda draft: account.load(draft, sample))
    world.serve(PAGERDUTY_HOST, pagerduty_sites()[PAGERDUTY_HOST])
    rows = (pagerduty.INCIDENTS, pagerduty.ALERTS, pagerduty.NOTES, pagerduty.LOG_ENTRIES)
    headers = {"Authorization": f"Token token={accounts.API_KEY}", "From": accounts.ALICE.email}
    here = Furnished(world, PAGERDUTY_HOST, headers, (*pagerduty.DOCUMENTS.values(), *rows))
    for key in ("one", "two"):
        event = {"routing_key": accounts.ROUTING_KEY, "event_action": "trigger", "dedup_key": key}
        event["payload"] = {"summary": "down", "source": "web", "severity": "critical"}  # type: ignore[assignment]
        world.transact(lambda draft, event=event: intake.accept_event(draft, event))
    incident = next(iter(world.view.all(pagerduty.INCIDENTS)))
    here.make(f"/incidents/{incident.id}/notes", {"note": {"content": "hello"}})
    override = {"start": "2026-03-02T12:00:00Z", "end": "2026-03-02T14:00:00Z", "user": {"id": accounts.BOB.id}}
    here.make(f"/schedules/{accounts.SCHEDULE}/overrides", {"overrides": [override]})
    hook = {"type": "webhook_subscription", "events": ["incident.triggered"], "filter": {"type": "account_reference"}}
    hook["delivery_method"] = {"type": "http_delivery_method", "url": "https://hooks.example"}
    here.make("/webhook_subscriptions", {"webhook_subscription": hook})
    world.advance("1h")
    return here


def thousandeyes_world() -> Furnished:
    """Return an account with a failing test, an alert, agents, and one document of each further kind."""
    world = World(seed=1, start=START, components=[ThousandEyes()])

    def do(verb: Callable[..., Any], *args: Any, **settings: Any) -> None:
        world.transact(lambda draft: verb(draft, *args, **settings))

    do(commands.open_account)
    world.serve(THOUSANDEYES_HOST, thousandeyes_sites()[THOUSANDEYES_HOST])
    tables = (thousandeyes.TESTS, thousandeyes.RULES, thousandeyes.ALERTS, thousandeyes.DOCUMENTS, thousandeyes.USERS)
    here = Furnished(world, THOUSANDEYES_HOST, {"Authorization": f"Bearer {commands.DEFAULT_TOKEN}"}, tables)
    agents = [{"agentId": "3"}, {"agentId": "4"}]
    shop = {"testName": "shop", "interval": 120, "url": "https://shop.example", "agents": agents, "alertRules": []}
    test = here.make("/v7/tests/http-server", shop)["testId"]
    rule = {"ruleName": "down", "expression": "((responseCode >= 500))", "alertType": "http-server"}
    here.make("/v7/alerts/rules", rule | {"roundsViolatingOutOf": 1, "minimumSources": 1, "testIds": [test]})
    do(commands.add_agent, "branch-1")
    do(commands.add_agent, "branch-2")
    do(commands.add_integration, "webhook", name="h", target="https://hooks.example")
    do(commands.add_condition, thousandeyes.Trouble.STATUS, value=503)
    login = {"type": "basic", "username": "u", "password": "p"}
    connector = {"type": "generic", "name": "c", "target": "https://c.example", "authentication": login}
    for path, body in (
        ("/tags", {"key": "k", "value": "v"}),
        ("/labels/test", {"name": "l", "ids": [test]}),
        ("/credentials", {"name": "c", "value": "v"}),
        ("/connectors/generic", connector),
        ("/operations/webhooks", {"name": "o", "category": "alerts", "status": "pending"}),
        ("/roles", {"name": "r", "permissions": ["1"]}),
        ("/alert-suppression-windows", {"name": "w", "startDate": "2026-03-02T09:30:00Z", "duration": 600}),
        ("/tests/dns-server", {"domain": "d", "dnsServers": ["ns"], "interval": 60, "agents": [{"agentId": "3"}]}),
        ("/tests/bgp", {"prefix": "203.0.113.0/24"}),
    ):
        here.make("/v7" + path, body)
    world.advance("10m")
    return here
