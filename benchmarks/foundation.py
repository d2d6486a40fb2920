"""The foundation's figures: how fast a stage stands, events flow, incidents open, and the past comes back.

Every figure is printed beside a yardstick measured just before and just after it (how often a second the machine can
decode and encode one webhook as JSON), because absolute numbers travel badly between machines and ratios travel well.
Run it with ``python -m benchmarks.foundation``; nothing else should be running. Where something else is, ``--cpu``
counts the time the processor spent on this process instead of the time that passed: waiting for a disk then costs
nothing, so the full path looks better than it is.
"""

from __future__ import annotations

import argparse
import functools
import gc
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from flask import Flask

from benchmarks.measuring import Figure, Stopwatch, report, watch
from bridge.core import Bridge, Inbound
from bridge.store import SqliteStore
from scenarios import accounts
from scenarios.bridging import HOST, WEBHOOK_URL
from scenarios.stage import EVENTS_HOST, Stage, bridge_config
from simulators.engine.draft import Outgoing
from simulators.engine.transport import Site, StartResponse
from simulators.engine.world import World
from simulators.pagerduty import account as pagerduty_account
from simulators.pagerduty import intake
from simulators.pagerduty.component import PagerDuty
from simulators.pagerduty.model import INCIDENTS
from simulators.thousandeyes.notifiers import EVENTS_URL


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


def yardstick(watch: Stopwatch) -> float:
    """Return how many webhooks a second this machine can decode and encode as JSON."""
    body = webhook(1)
    return watch.per_second(lambda _: json.dumps(json.loads(body)), 20_000)


def stage_construction(watch: Stopwatch) -> Figure:
    """A stage with both simulators, a bridge and an account."""
    account = accounts.fixed()

    def build() -> None:
        Stage(account=account).close()

    build()
    return Figure("stage construction", watch.milliseconds(build, 200), "ms", 5, "less")


def bridge_in_process(watch: Stopwatch) -> Figure:
    """Webhooks through the bridge's own web application to the simulated Events API, nothing over a socket."""
    stage, count = Stage(), 4_000 // watch.scale
    bodies = [webhook(number // 2, clear=number % 2 == 1) for number in range(count)]
    headers = (("Content-Type", "application/json"),)

    def one(number: int) -> None:
        outcome = stage.world.exchange(Outgoing("POST", WEBHOOK_URL, headers, bodies[number]))
        assert outcome.status == 200
        assert stage.bridge is not None
        stage.bridge.run_due(stage.world.now)
        if number % 100 == 99:
            stage.world.advance("60s")

    rate = watch.per_second(one, count)
    assert stage.world.view.count(INCIDENTS) == count // 2
    stage.close()
    return Figure("webhook to bridge to Events API, in process", rate, "messages/s", 1_500, "more")


def incidents_without_http(watch: Stopwatch) -> Figure:
    """Trigger events handed to PagerDuty's core: validated, deduplicated, assigned, notification rules scheduled."""
    world, count = World(seed=1, start=0, components=[PagerDuty()]), 20_000 // watch.scale
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
    rate = watch.per_second(
        lambda number: world.transact(lambda draft: intake.accept_event(draft, events[number])), count
    )
    assert world.view.count(INCIDENTS) == count
    return Figure("PagerDuty core without HTTP", rate, "incidents/s", 10_000, "more")


def full_path(watch: Stopwatch) -> Figure:
    """Raw webhooks appended to a durable store in batches of 16, decided, delivered, an incident opened for each."""
    with tempfile.TemporaryDirectory() as folder:
        stage, count = Stage(), 4_000 // watch.scale
        store = SqliteStore(Path(folder) / "bridge.db")
        bridge = Bridge(bridge_config(), store, stage.world.client)
        bodies = [webhook(number) for number in range(count)]
        gc.collect()
        begun = watch.clock()
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
        rate = count / (watch.clock() - begun)
        assert stage.world.view.count(INCIDENTS) == count
        store.close()
        stage.close()
    return Figure("full path with the store on disk", rate, "incidents/s", 1_000, "more")


def synced_commits() -> float:
    """Return how many commits of one row a second this disk makes durable: the bound under the full path."""
    with tempfile.TemporaryDirectory() as folder:
        connection = sqlite3.connect(Path(folder) / "bound.db", isolation_level=None)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("CREATE TABLE bound (number)")
        rate = Stopwatch(time.perf_counter, 1).per_second(
            lambda number: connection.execute("INSERT INTO bound VALUES (?)", (number,)), 300
        )
        connection.close()
    return rate


def bare_exchanges(watch: Stopwatch) -> float:
    """Return how often a second a message could go by if nothing were done about it: one request to a bare
    application, one to an empty Flask application, both through the world's client and journal."""
    flask = Flask("empty")
    flask.add_url_rule("/v2/enqueue", "empty", lambda: ("{}", 202), methods=["POST"])

    def bare(environ: dict[str, Any], start_response: StartResponse) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "0")])
        return [b""]

    world = World(seed=1, start=0, components=[])
    world.serve(HOST, Site("bare", bare))
    world.serve(EVENTS_HOST, Site("empty", flask))
    headers = (("Content-Type", "application/json"),)
    requests = [Outgoing("POST", url, headers, webhook(1)) for url in (WEBHOOK_URL, EVENTS_URL)]
    return watch.per_second(lambda _: [world.exchange(request) for request in requests], 4_000 // watch.scale)


def filled(count: int) -> Stage:
    """Return a stage that holds ``count`` open incidents, each of them come through the bridge."""
    stage = Stage()
    headers = (("Content-Type", "application/json"),)
    for number in range(count):
        stage.world.exchange(Outgoing("POST", WEBHOOK_URL, headers, webhook(number)))
        if number % 100 == 99:
            stage.world.advance("61s")
    stage.world.advance("61s")
    assert stage.world.view.count(INCIDENTS) == count
    return stage


def snapshot(watch: Stopwatch, size: int) -> Figure:
    """A snapshot of a stage with ``size`` open incidents."""
    stage = filled(size)
    spent = watch.milliseconds(stage.world.snapshot, 200)
    stage.close()
    return Figure(f"snapshot at {size:,} incidents", spent * 1000, "µs", 100, "less")


def restore(watch: Stopwatch) -> Figure:
    """A restore over a minute in which 100 of 1,000 incidents have escalated and 10 more opened, bridge included."""
    stage = filled(1_000)
    stage.run_until(lambda: stage.world.journal.since(stage.world.journal.last - 1)[0].kind == "incident.escalated")
    spans = []
    for _ in range(20):
        before = stage.world.snapshot()
        for number in range(10):
            stage.world.exchange(Outgoing("POST", WEBHOOK_URL, (), webhook(1_000 + number)))
        stage.world.advance("50s")
        gc.collect()
        begun = watch.clock()
        stage.world.restore(before)
        spans.append((watch.clock() - begun) * 1000)
    stage.close()
    return Figure("restore at 1,000 incidents", statistics.median(spans), "ms", 5, "less")


def server_ready(watch: Stopwatch) -> Figure:
    """From starting the process ``pagedrill serve`` to the line that says where it listens."""
    return Figure("server ready", started(watch, "serve", "--port", "0", "--json"), "s", 1, "less")


def rehearsal(watch: Stopwatch) -> Figure:
    """The whole command ``pagedrill rehearse``: two virtual hours, to the end of the process."""
    return Figure("rehearsal of two hours", started(watch, "rehearse", "--json", all_of_it=True), "s", 3, "less")


def started(watch: Stopwatch, *arguments: str, all_of_it: bool = False) -> float:
    """Return the median seconds from starting the command to its first line, or to the end of what it prints.

    An installed copy has its modules compiled; so have these processes, after a first one that is not counted.
    """
    spans = []
    with tempfile.TemporaryDirectory() as compiled:
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environment["PYTHONPYCACHEPREFIX"] = compiled
        for _ in range(6):
            begun = watch.clock()
            process = subprocess.Popen(
                [sys.executable, "-m", "scenarios", *arguments], stdout=subprocess.PIPE, text=True, env=environment
            )
            assert process.stdout is not None
            line = process.stdout.read() if all_of_it else process.stdout.readline()
            span = watch.clock() - begun
            process.terminate()
            process.communicate()
            # What the processor spent on a process is known when it has ended.
            spans.append(span if watch.clock is time.perf_counter else watch.clock() - begun)
            json.loads(line)
    return statistics.median(spans[1:])


def figures(watch: Stopwatch, quick: bool) -> Iterator[Figure]:
    """Measure everything, each rate beside the yardstick taken just before and just after it."""
    jobs: list[Callable[[Stopwatch], Figure]] = [
        stage_construction,
        bridge_in_process,
        incidents_without_http,
        full_path,
        *(functools.partial(snapshot, size=size) for size in (100, 1_000, 10_000)[: 2 if quick else 3]),
        restore,
        server_ready,
        rehearsal,
    ]
    for job in jobs:
        before = yardstick(watch)
        figure = job(watch)
        beside = (before + yardstick(watch)) / 2
        ratio = f", {figure.value / beside:.4f} of it" if figure.better == "more" else ""
        yield replace(figure, note=f"yardstick {beside:,.0f}/s{ratio}")
    yield Figure(
        "two requests in process, nothing done", bare_exchanges(watch), "messages/s", note="no target: a bound"
    )
    yield Figure("commits made durable by this disk", synced_commits(), "commits/s", note="an incident needs two")


def main() -> None:
    """Measure everything and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the work, for a look")
    parser.add_argument("--cpu", action="store_true", help="count processor time, for a machine that is busy")
    options = parser.parse_args()
    stopwatch = watch(cpu=options.cpu, scale=10 if options.quick else 1)
    report(figures(stopwatch, options.quick), clock="processor time" if options.cpu else "the clock on the wall")


if __name__ == "__main__":
    main()
