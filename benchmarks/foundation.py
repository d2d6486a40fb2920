"""The foundation's figures: how fast a stage stands, events flow, incidents open, and the past comes back.

Every figure is printed beside a yardstick measured in the same run (how often the machine can encode and decode one
webhook as JSON), because absolute numbers travel badly between machines and ratios travel well. Run it with
``python -m benchmarks.foundation``; nothing else should be running.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bridge.core import Bridge, Inbound
from bridge.store import SqliteStore
from scenarios import accounts
from scenarios.bridging import WEBHOOK_URL
from scenarios.stage import Stage, bridge_config
from simulators.engine.draft import Outgoing
from simulators.engine.world import World
from simulators.pagerduty import account as pagerduty_account
from simulators.pagerduty import intake
from simulators.pagerduty.component import PagerDuty
from simulators.pagerduty.model import INCIDENTS


@dataclass(frozen=True)
class Figure:
    """One measurement: ``better`` is "less" or "more", ``value`` and ``target`` in ``unit``."""

    name: str
    value: float
    unit: str
    target: float
    better: str
    note: str = ""

    @property
    def met(self) -> bool:
        """Whether the target is met."""
        return self.value <= self.target if self.better == "less" else self.value >= self.target


def webhook(number: int, *, clear: bool = False) -> bytes:
    """Return a webhook about alert ``number``, as ThousandEyes posts it."""
    alert = {
        "alertId": f"00000000-0000-4000-8000-{number:012d}",
        "severity": "Critical",
        "active": 0 if clear else 1,
        "ruleName": "Shop front is down",
        "testName": "shop front",
        "testTargetsDescription": ["https://shop-front.example.com"],
        "dateStartZoned": "2026-03-02 10:04:00 UTC",
        "agents": [{"agentId": 3, "agentName": "Singapore", "metricsAtStart": "Response Code: 503"}],
        "permalink": "https://app.thousandeyes.com/alerts/list/?__a=1001&alertId=1",
    }
    event = "ALERT_NOTIFICATION_CLEAR" if clear else "ALERT_NOTIFICATION_TRIGGER"
    return json.dumps({"eventId": f"{number}-{event}", "eventType": event, "alert": alert}).encode()


def per_second(job: Callable[[int], object], count: int) -> float:
    """Return how often a second ``job`` ran, called with 0 .. count - 1."""
    gc.collect()
    begun = time.perf_counter()
    for number in range(count):
        job(number)
    return count / (time.perf_counter() - begun)


def milliseconds(job: Callable[[], object], count: int) -> float:
    """Return the median time of one call in milliseconds."""
    spans = []
    for _ in range(count):
        begun = time.perf_counter()
        job()
        spans.append((time.perf_counter() - begun) * 1000)
    return statistics.median(spans)


def yardstick() -> float:
    """Return how many webhooks a second this machine can decode and encode as JSON."""
    body = webhook(1)
    return per_second(lambda _: json.dumps(json.loads(body)), 50_000)


def stage_construction() -> Figure:
    """A stage with both simulators, a bridge and an account."""
    account = accounts.fixed()

    def build() -> None:
        Stage(account=account).close()

    build()
    return Figure("stage construction", milliseconds(build, 200), "ms", 5, "less")


def bridge_in_process(count: int) -> Figure:
    """Webhooks through the bridge's own web application to the simulated Events API, nothing over a socket."""
    stage = Stage()
    bodies = [webhook(number // 2, clear=number % 2 == 1) for number in range(count)]
    headers = (("Content-Type", "application/json"),)

    def one(number: int) -> None:
        outcome = stage.world.exchange(Outgoing("POST", WEBHOOK_URL, headers, bodies[number]))
        assert outcome.status == 200
        assert stage.bridge is not None
        stage.bridge.run_due(stage.world.now)
        if number % 100 == 99:
            stage.world.advance("60s")

    rate = per_second(one, count)
    assert len(list(stage.world.view.all(INCIDENTS))) == count // 2
    stage.close()
    return Figure("webhook to bridge to Events API, in process", rate, "messages/s", 1_500, "more")


def incidents_without_http(count: int) -> Figure:
    """Trigger events handed to PagerDuty's core: validated, deduplicated, assigned, notification rules scheduled."""
    world = World(seed=1, start=0, components=[PagerDuty()])
    world.transact(lambda draft: pagerduty_account.load(draft, accounts.fixed()))
    events = [
        {
            "routing_key": accounts.ROUTING_KEY,
            "event_action": "trigger",
            "dedup_key": f"thousandeyes:{number}",
            "payload": {"summary": "shop front is down", "source": "shop-front.example.com", "severity": "critical"},
        }
        for number in range(count)
    ]
    rate = per_second(lambda number: world.transact(lambda draft: intake.accept_event(draft, events[number])), count)
    assert len(list(world.view.all(INCIDENTS))) == count
    return Figure("PagerDuty core without HTTP", rate, "incidents/s", 10_000, "more")


def full_path(count: int) -> Figure:
    """Raw webhooks appended to a durable store in batches of 16, decided, delivered, an incident opened for each."""
    with tempfile.TemporaryDirectory() as folder:
        stage = Stage()
        store = SqliteStore(Path(folder) / "bridge.db")
        config = bridge_config()
        bridge = Bridge(config, store, stage.world.client)
        bodies = [webhook(number) for number in range(count)]
        gc.collect()
        begun = time.perf_counter()
        now = stage.world.now
        for start in range(0, count, 16):
            batch = [bridge.admit(Inbound(body, {}), now) for body in bodies[start : start + 16]]
            store.append([raw for raw in batch if not hasattr(raw, "status")])
            while (due := bridge.next_due()) is not None and due <= now:
                bridge.run_due(now)
            if due is not None:
                now = due
                bridge.run_due(now)
        while (due := bridge.next_due()) is not None:
            now = max(now, due)
            bridge.run_due(now)
        rate = count / (time.perf_counter() - begun)
        assert len(list(stage.world.view.all(INCIDENTS))) == count
        store.close()
        stage.close()
    return Figure("full path with the store on disk", rate, "incidents/s", 1_000, "more")


def filled(count: int) -> Stage:
    """Return a stage that holds ``count`` open incidents, each of them come through the bridge."""
    stage = Stage()
    headers = (("Content-Type", "application/json"),)
    for number in range(count):
        stage.world.exchange(Outgoing("POST", WEBHOOK_URL, headers, webhook(number)))
        if number % 100 == 99:
            stage.world.advance("61s")
    stage.world.advance("61s")
    assert len(list(stage.world.view.all(INCIDENTS))) == count
    return stage


def snapshots(sizes: tuple[int, ...]) -> list[Figure]:
    """A snapshot at several sizes, and a restore over ten minutes' worth of change at 1,000 incidents."""
    figures = []
    for size in sizes:
        stage = filled(size)
        spent = milliseconds(stage.world.snapshot, 200)
        figures.append(Figure(f"snapshot at {size:,} incidents", spent * 1000, "µs", 100, "less"))
        if size == 1_000:
            spans = []
            for _ in range(20):
                before = stage.world.snapshot()
                stage.world.advance("10m")
                gc.collect()
                begun = time.perf_counter()
                stage.world.restore(before)
                spans.append((time.perf_counter() - begun) * 1000)
            note = "ten virtual minutes undone, bridge included"
            figures.append(Figure("restore at 1,000 incidents", statistics.median(spans), "ms", 5, "less", note))
        stage.close()
    return figures


def server_ready() -> Figure:
    """From starting the process ``pagedrill serve`` to its first line on standard output."""
    spans = []
    for _ in range(5):
        begun = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "scenarios", "serve", "--port", "0", "--json"], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        process.stdout.readline()
        spans.append(time.perf_counter() - begun)
        process.terminate()
        process.communicate()
    return Figure("server ready", statistics.median(spans), "s", 1, "less")


def main() -> None:
    """Measure everything and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the work, for a look")
    scale = 10 if parser.parse_args().quick else 1
    measure = yardstick()
    figures = [
        stage_construction(),
        bridge_in_process(4_000 // scale),
        incidents_without_http(20_000 // scale),
        full_path(4_000 // scale),
        *snapshots((100, 1_000, 10_000) if scale == 1 else (100, 1_000)),
        server_ready(),
    ]
    print(f"yardstick: {measure:,.0f} webhooks/s decoded and encoded as JSON\n")
    print(f"{'figure':<46} {'measured':>22} {'target':>14}  {'per yardstick':>13}")
    for figure in figures:
        target = f"{'<' if figure.better == 'less' else '>='} {figure.target:,.0f}"
        ratio = f"{figure.value / measure:.4f}" if figure.better == "more" else ""
        verdict = "" if figure.met else "  MISSED"
        shown = f"{figure.value:,.2f} {figure.unit}" if figure.value < 100 else f"{figure.value:,.0f} {figure.unit}"
        print(f"{figure.name:<46} {shown:>22} {target:>14}  {ratio:>13}{verdict}")


if __name__ == "__main__":
    main()
