"""Builders the bridge's tests share."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx

from bridge.admission import Door
from bridge.config import Config, parse
from bridge.core import Bridge, Inbound, Point
from bridge.storage import Store
from bridge.store import SqliteStore

KEY = "k1" * 16
SECOND_KEY = "k2" * 16
NOW = 1_770_091_500_000_000
SECOND = 1_000_000
SEVERITY = {"Info": "warning", "Minor": "warning", "Major": "error", "Critical": "critical"}
ONE_KEY: dict[str, Any] = {"keys": {"ops": {"value": KEY}}}
TWO_KEYS: dict[str, Any] = {
    "keys": {"ops": {"value": KEY}, "db": {"value": SECOND_KEY}},
    "routing": {"default": "ops", "route": [{"key": "db", "rule": "db *"}]},
}


def config(document: dict[str, Any] | None = None, **sections: Any) -> Config:
    """Return a checked configuration; ``sections`` are added to ``document``."""
    return parse({**(document or ONE_KEY), **sections}, environ={})


def payload(kind: str, alert_id: Any = "a1", event_id: str | None = None, **fields: Any) -> bytes:
    """Return a webhook body."""
    alert = {"alertId": alert_id, "ruleName": "web down", "testName": "shop", "severity": "Major", **fields}
    name = f"ALERT_NOTIFICATION_{kind}"
    return json.dumps({"eventType": name, "eventId": event_id or f"{alert_id}-{kind}", "alert": alert}).encode()


class PagerDuty:
    """Answers events with whatever ``answer`` says and remembers them."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.answer: Callable[[dict[str, Any]], httpx.Response] = lambda event: httpx.Response(202)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        event = json.loads(request.content)
        self.events.append(event)
        return self.answer(event)

    @property
    def actions(self) -> list[tuple[str, str]]:
        """What came in, as (action, dedup key)."""
        return [(event["event_action"], event["dedup_key"]) for event in self.events]


class Rig:
    """A bridge in memory beside a PagerDuty that can be told what to answer, and whatever other hosts it is given."""

    def __init__(self, settings: Config | None = None, store: Store | None = None) -> None:
        self.pagerduty = PagerDuty()
        self.config = settings or config()
        self.store: Any = store or SqliteStore(":memory:")
        self.hosts: dict[str, Callable[[httpx.Request], httpx.Response]] = {"events.pagerduty.com": self.pagerduty}
        self.client = httpx.Client(transport=httpx.MockTransport(lambda request: self.hosts[request.url.host](request)))
        self.crash_at: Point | None = None
        self.bridge = self.start()

    def start(self) -> Bridge:
        """Return a new bridge on the same store."""
        self.bridge = Bridge(self.config, self.store, self.client, reached=self._reached)
        return self.bridge

    def post(self, body: bytes, now: int = NOW, *, door: Door = Door.THOUSANDEYES, **headers: str) -> int:
        """Return the status a webhook is answered with."""
        return self.bridge.receive(Inbound(body, headers, door), now).status

    def drain(self, now: int) -> int:
        """Run whenever something is due, from ``now`` on; return when nothing more was."""
        for _ in range(10_000):
            due = self.bridge.next_due()
            if due is None:
                return now
            now = max(now, due)
            self.bridge.run_due(now)
        raise AssertionError("it never ends")

    def _reached(self, point: Point) -> None:
        if point is self.crash_at:
            self.crash_at = None
            raise Crash(point)


class Crash(BaseException):
    """The end of the process, as a test sees it."""
