"""A ThousandEyes server on a socket, the vendor's own client on the other side, and a clock that is moved by hand."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

pytest.importorskip("thousandeyes_sdk.core", reason="the vendor's client is not installed")

from thousandeyes_sdk.core.api_client import ApiClient
from thousandeyes_sdk.core.configuration import Configuration

from simulators.engine import instants
from simulators.engine.serving import Listener, Servers, Still
from simulators.engine.world import Snapshot, World
from simulators.thousandeyes import commands
from simulators.thousandeyes.api import API_HOST, sites
from simulators.thousandeyes.component import ThousandEyes
from simulators.thousandeyes.model import Condition, Knobs, Trouble

START = "2026-03-02T09:00:00Z"


class Desk:
    """One served account; ``client`` is the vendor's, logged in with the account's token."""

    def __init__(self) -> None:
        self.world = World(seed=1, start=instants.parse(START), components=[ThousandEyes()])
        self.do(commands.open_account)
        self.servers = Servers(Still(self.world), (Listener(sites()[API_HOST]),))
        self.servers.start()
        self.base = self.servers.urls["thousandeyes-api"]
        self.fresh: Snapshot = self.world.snapshot()
        self.clients: list[ApiClient] = []
        self.client = self.login(commands.DEFAULT_TOKEN)

    def login(self, token: str) -> ApiClient:
        """Return a client with another token."""
        client = ApiClient(Configuration(host=f"{self.base}/v7", access_token=token))
        self.clients.append(client)
        return client

    def close(self) -> None:
        for client in self.clients:
            client.rest_client.close()
        self.servers.stop()

    def do(self, verb: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return self.world.transact(lambda draft: verb(draft, *args, **kwargs))

    def run_until(self, clock: str) -> None:
        self.world.run_until(clock)

    def fails(self, test_id: str, since: str, until: str | None = None, **how: Any) -> Condition:
        """Let the test's target answer 503 for a while."""
        end = None if until is None else instants.at_clock(until, self.world.now)
        settings = {"value": 503, "since": instants.at_clock(since, self.world.now), "until": end} | how
        return self.do(commands.add_condition, Trouble.STATUS, test=test_id, **settings)  # type: ignore[no-any-return]

    @contextmanager
    def knobs(self, **changes: Any) -> Iterator[None]:
        """Turn knobs for a while."""
        before = self.world.view.knobs(Knobs)
        self.do(commands.set_knobs, **changes)
        yield
        self.world.set_knobs(before)


@pytest.fixture(scope="module")
def served() -> Iterator[Desk]:
    """One server for all tests of a module."""
    desk = Desk()
    yield desk
    desk.close()


@pytest.fixture
def desk(served: Desk) -> Iterator[Desk]:
    """The server as it was in the beginning; whatever a test does is undone, and no test may leave an error behind."""
    yield served
    errors = [entry.data for entry in served.world.journal if entry.kind == "error"]
    served.world.restore(served.fresh)
    assert errors == []
