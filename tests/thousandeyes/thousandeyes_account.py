"""An account in a world, asked over its API without sockets."""

from collections.abc import Callable
from typing import Any

from simulators.engine import instants
from simulators.engine.world import World
from simulators.thousandeyes import commands
from simulators.thousandeyes.api import API_HOST, sites
from simulators.thousandeyes.component import ThousandEyes

AGENTS = [{"agentId": "3"}, {"agentId": "4"}]
SHOP = {"testName": "shop", "interval": 120, "url": "https://shop.example", "agents": AGENTS}
DOWN = {
    "ruleName": "down",
    "expression": "((responseCode >= 500))",
    "alertType": "http-server",
    "roundsViolatingOutOf": 1,
    "minimumSources": 1,
}


class Account:
    """``ask`` sends a request with the account's token and insists on a status."""

    def __init__(self, seed: int = 1) -> None:
        start = instants.parse("2026-03-02T09:00:00Z")
        self.world = World(seed=seed, start=start, components=[ThousandEyes()])
        self.do(commands.open_account)
        self.world.serve(API_HOST, sites()[API_HOST])
        self.token = commands.DEFAULT_TOKEN

    def do(self, verb: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return self.world.transact(lambda draft: verb(draft, *args, **kwargs))

    def ask(self, method: str, path: str, body: Any = None, *, status: int = 200, **how: Any) -> Any:
        headers = {"Authorization": f"Bearer {how.pop('token', self.token)}", **how.pop("headers", {})}
        url = f"https://{API_HOST}/v7{path}"
        answer = self.world.client.request(method, url, json=body, headers=headers, **how)
        assert answer.status_code == status, (method, path, answer.status_code, answer.text)
        self.answer = answer
        return answer.json() if answer.content else None

    def sim(self, method: str, path: str, body: Any = None, *, status: int = 200, **how: Any) -> Any:
        answer = self.world.client.request(method, f"https://{API_HOST}/_sim{path}", json=body, **how)
        assert answer.status_code == status, (method, path, answer.status_code, answer.text)
        return answer.json() if answer.content else None

    def test(self, **settings: Any) -> str:
        return str(self.ask("POST", "/tests/http-server", SHOP | settings, status=201)["testId"])

    def rule(self, *tests: str, **settings: Any) -> str:
        body = {**DOWN, "testIds": list(tests), **settings}
        return str(self.ask("POST", "/alerts/rules", body, status=201)["ruleId"])

    def rules_of(self, test_id: str) -> list[str]:
        shown = self.ask("GET", f"/tests/http-server/{test_id}?expand=alert-rule")
        return [rule["ruleId"] for rule in shown["alertRules"]]

    def results(self, test_id: str, layer: str = "http-server", query: str = "window=1d") -> list[dict[str, Any]]:
        """Return rows of test results."""
        rows: list[dict[str, Any]] = self.ask("GET", f"/test-results/{test_id}/{layer}?{query}")["results"]
        return rows

    def wrong(self, method: str, path: str, body: Any) -> list[str]:
        """Return the fields a request is refused for."""
        return [error["field"] for error in self.ask(method, path, body, status=400)["errors"]]

    def fails(self, since: str, until: str | None = None, **how: Any) -> None:
        self.sim(
            "POST", "/conditions", {"kind": "status", "value": 503, "since": since, "until": until, **how}, status=201
        )
