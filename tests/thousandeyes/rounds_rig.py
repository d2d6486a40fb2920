"""A test told round by round: ``play("A AB .")`` lets agent A fail in round 1, A and B in round 2, nobody in round 3.

Agents are called A, B, C ...; a round lasts a minute and is decided at its end, so what happens *in round n* happens n
minutes after the start.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from simulators.engine import instants
from simulators.engine.instants import MINUTE
from simulators.engine.transport import Site
from simulators.engine.world import World
from simulators.thousandeyes import commands
from simulators.thousandeyes.component import ThousandEyes
from simulators.thousandeyes.model import ALERTS, Alert, AlertState, Trouble

START = instants.parse("2026-03-02T09:00:00Z")
LETTERS = "ABCDEFGHIJKLM"
DOWN = "((responseCode >= 500))"


class Rounds:
    """One http-server test every minute from ``agents`` agents, and rules made by :meth:`rule`."""

    def __init__(self, agents: int = 5, **settings: Any) -> None:
        self.world = World(seed=1, start=START, components=[ThousandEyes()])
        self.do(commands.open_account)
        self.agents = tuple(str(3 + place) for place in range(agents))
        self.test = self.new_test("shop", **settings)
        self.round = 1

    def do(self, verb: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Carry out a verb as one decision."""
        return self.world.transact(lambda draft: verb(draft, *args, **kwargs))

    def new_test(self, name: str, kind: str = "http-server", interval: int = 60, **body: Any) -> str:
        """Create a test on all agents and return its id."""
        settings = {"url": f"https://{name}.example", **body}
        return str(
            self.do(commands.create_test, name=name, kind=kind, interval=interval, agents=self.agents, body=settings).id
        )

    def rule(
        self, mode: str = "any", sources: int | None = 1, rounds: str = "1/1", text: str = DOWN, **how: Any
    ) -> str:
        """Create a rule with ``sources`` locations and ``required/out of`` rounds for the test and return its id."""
        required, _, out_of = rounds.partition("/")
        settings = {"name": "down", "tests": (self.test,), **how}
        return str(
            self.do(
                commands.create_rule,
                expression_text=text,
                mode=mode,
                minimum_sources=sources,
                required=int(required),
                out_of=int(out_of),
                **settings,
            ).id
        )

    def play(self, rounds: str) -> Rounds:
        """Let the named agents fail in the rounds to come, and let these pass."""
        for word in rounds.split():
            failing = tuple(agent for agent, letter in zip(self.agents, LETTERS, strict=False) if letter in word)
            if failing:
                self.wrong(Trouble.STATUS, 503, *failing)
            self.world.advance("1m")
            self.round += 1
        return self

    def wrong(self, kind: Trouble, value: int | None = None, *agents: str, rounds: int = 1, **how: Any) -> None:
        """Let something be wrong from now for so many rounds."""
        settings = {"test": self.test, "until": self.world.now + rounds * MINUTE, "agents": agents, **how}
        self.do(commands.add_condition, kind, value=value, **settings)

    @property
    def alerts(self) -> list[Alert]:
        """Every alert, oldest first."""
        return list(self.world.view.all(ALERTS))

    @property
    def triggered(self) -> list[int]:
        """In which rounds alerts began."""
        return [self._round(alert.start) for alert in self.alerts]

    @property
    def cleared(self) -> list[int]:
        """In which rounds alerts ended."""
        return [self._round(alert.end) for alert in self.alerts if alert.end is not None]

    def listed(self, *, active: bool = False) -> str:
        """The locations of the one alert, or only those that are active."""
        (alert,) = self.alerts
        found = [row.agent for row in alert.locations if not active or row.state is AlertState.TRIGGER]
        return "".join(letter for agent, letter in zip(self.agents, LETTERS, strict=False) if agent in found)

    def at_round(self, number: int) -> str:
        """The clock time at which a round begins, as the API writes it."""
        return instants.iso(START + (number - 1) * MINUTE)

    def _round(self, instant: int) -> int:
        return (instant - START) // MINUTE


class Receiver:
    """A webhook receiver that keeps what it got."""

    def __init__(self, here: Rounds) -> None:
        self.got: list[dict[str, Any]] = []
        here.world.serve("hooks.example.com", Site("hooks", self))
        hook = here.do(commands.add_integration, "webhook", name="ops", target="https://hooks.example.com/te")
        self.asked = {"notifications": {"webhook": [{"integrationId": hook.id, "integrationType": "webhook"}]}}
        self.status = "200 OK"

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        self.got.append(json.loads(environ["wsgi.input"].read()))
        start(self.status, [("Location", "https://elsewhere.example.com/")] if self.status[0] == "3" else [])
        return [b""]

    @property
    def events(self) -> list[str]:
        """The kinds of what arrived."""
        return [body["eventType"].removeprefix("ALERT_NOTIFICATION_") for body in self.got]
