"""A ThousandEyes account in a world of its own, with one test, one rule and whoever the rule tells."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from simulators.engine import instants
from simulators.engine.draft import Draft
from simulators.engine.transport import Site
from simulators.engine.world import World
from simulators.thousandeyes import commands
from simulators.thousandeyes.component import ThousandEyes
from simulators.thousandeyes.model import ALERTS, Alert, Integration, Knobs, Trouble

HOST = "hooks.example.com"
LONDON, OSLO, SINGAPORE = "4", "5", "3"


class Outage:
    """The test ``shop`` every two minutes from three agents; one failing agent in one round raises an alert.

    ``kind`` and ``integration`` say who is told, ``rule`` changes the rule, ``account`` the account; everything posted
    to ``https://hooks.example.com`` is kept and answered with :attr:`status`.
    """

    def __init__(
        self,
        *,
        kind: str = "webhook",
        integration: dict[str, Any] | None = None,
        rule: dict[str, Any] | None = None,
        account: dict[str, Any] | None = None,
        **knobs: Any,
    ) -> None:
        start = instants.parse("2026-03-02T09:00:00Z")
        self.world = World(seed=1, start=start, components=[ThousandEyes()], knobs=[Knobs(**knobs)])
        self.world.serve(HOST, Site("hooks", self._receive))
        self.bodies: list[dict[str, Any]] = []
        self.logins: list[str] = []
        self.status = "200 OK"
        self.do(commands.open_account, **(account or {}))
        made: Integration = self.do(
            commands.add_integration, kind, name="ops", target=f"https://{HOST}/te", **(integration or {})
        )
        self.integration = made.id
        self.test = self.do(
            commands.create_test,
            name="shop",
            interval=120,
            agents=(LONDON, OSLO, SINGAPORE),
            body={"url": "https://shop.example"},
        )
        group = "webhook" if kind == "webhook" else "thirdParty"
        settings: dict[str, Any] = {
            "name": "shop is down",
            "expression_text": "((responseCode >= 500))",
            "severity": "major",
            "tests": (self.test.id,),
            "notifications": {group: [{"integrationId": made.id, "integrationType": kind}]},
        }
        self.rule = self.do(commands.create_rule, **(settings | (rule or {})))

    def do(self, verb: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Carry out a verb as one decision."""

        def decide(draft: Draft) -> Any:
            return verb(draft, *args, **kwargs)

        return self.world.transact(decide)

    def fails(
        self, since: str, until: str | None = None, *agents: str, kind: Trouble = Trouble.STATUS, value: int = 503
    ) -> None:
        """Let something be wrong with the target between two clock times, as seen by all or some agents."""
        begin, end = self.at(since), None if until is None else self.at(until)
        self.do(commands.add_condition, kind, test=self.test.id, since=begin, until=end, agents=agents, value=value)

    def at(self, clock: str) -> int:
        """Return the instant of a clock time."""
        return instants.at_clock(clock, self.world.now)

    @property
    def alerts(self) -> list[Alert]:
        """Every alert, oldest first."""
        return list(self.world.view.all(ALERTS))

    @property
    def events(self) -> list[str]:
        """What the receiver got: the kinds of classic webhooks, the actions of events."""
        names = [str(body.get("eventType") or body["event_action"]) for body in self.bodies]
        return [name.removeprefix("ALERT_NOTIFICATION_").lower() for name in names]

    def record(self, kind: str) -> list[Any]:
        """Return the journal's entries of a kind."""
        return [entry.data for entry in self.world.journal if entry.kind == kind]

    def _receive(self, environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        self.bodies.append(json.loads(environ["wsgi.input"].read()))
        self.logins.append(environ.get("HTTP_AUTHORIZATION", ""))
        start(self.status, [])
        return [b""]
