"""How the PagerDuty simulator bears a large account: pages, filters and events at 1,000 and at 100,000 incidents.

Run ``python -m benchmarks.pagerduty_scale``. One account with two services is filled with incidents twenty virtual
seconds apart, one in ten of low urgency, one in fifty left open; every question is asked of it when it holds 1,000 and
again when it holds all of them, in process, through the same client, application and JSON as any caller. Then a year of
on-call is played, and requests a second are counted over sockets beside ``moto_server``, where there is one
(``pip install 'moto[server]'`` into an environment of its own, then ``--moto PATH/TO/moto_server``).

What is compared with moto: creating an incident (``POST /incidents``) with CloudWatch's ``PutMetricAlarm``, and a page
of 25 incidents with ``DescribeAlarms`` of 25 alarms. Both servers run as their own command starts them, each in a
process of its own, asked by one caller that waits for each answer. The simulated PagerDuty assigns the incident, plans
its escalation and its notifications meanwhile; moto stores the alarm.
"""

from __future__ import annotations

import argparse
import http.client
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from urllib.parse import urlencode

from benchmarks.measuring import Figure, Stopwatch, report, resident, watch
from scenarios import accounts
from scenarios.serving import JOURNAL
from simulators.engine import instants
from simulators.engine.draft import Draft
from simulators.engine.instants import DAY, MINUTE, SECOND
from simulators.engine.world import World
from simulators.pagerduty import account, intake
from simulators.pagerduty.account import Account
from simulators.pagerduty.api import API_HOST, sites
from simulators.pagerduty.component import PagerDuty
from simulators.pagerduty.model import INCIDENTS
from simulators.pagerduty.schedules import parse, who

START = instants.parse("2026-03-02T00:00:00Z")
FEW, MANY = 1_000, 100_000
OTHER, OTHER_KEY = "PSVC002", "f" * 32
APART = 20 * SECOND
LEFT_OPEN, LOW = 50, 10
BY_SERVICE = f"service_ids[]={OTHER}"
DATES = "since=2026-03-02T01:00:00Z&until=2026-03-02T02:00:00Z"
#: Questions whose cost must not grow, then those that are only reported.
BOUND = {
    "the default list": "/incidents",
    "by status": "/incidents?statuses[]=triggered&statuses[]=acknowledged",
    "by service": f"/incidents?{BY_SERVICE}",
    "by urgency": "/incidents?urgencies[]=low",
    "by dates": f"/incidents?{DATES}",
    "newest first": "/incidents?sort_by=created_at:desc",
}
REPORTED = {
    "with its total": "/incidents?total=true",
    "by service, with its total": f"/incidents?{BY_SERVICE}&total=true",
    "by user": f"/incidents?user_ids[]={accounts.ALICE.id}",
    "sorted by urgency": "/incidents?sort_by=urgency:desc",
    "sorted by end": "/incidents?sort_by=resolved_at:desc",
    "log entries": "/log_entries",
    "one incident": "/incidents/500",
}


def grown() -> dict[str, Any]:
    """Return an account with two services, each with a key; severity decides about urgency."""
    made = accounts.fixed()
    first = made["services"][0] | {"incident_urgency_rule": {"type": "constant", "urgency": "severity_based"}}
    key = first["integrations"][0] | {"id": "PINT002", "integration_key": OTHER_KEY}
    made["services"] = [first, first | {"id": OTHER, "name": "second", "integrations": [key]}]
    return made


def opened(made: dict[str, Any], *, bound: int | None = None) -> World:
    """Return a world that serves the account's REST host; ``bound`` is how much history it keeps."""
    world = World(seed=1, start=START, components=[PagerDuty()], journal_bound=bound)
    world.transact(lambda draft: account.load(draft, made))
    world.serve(API_HOST, sites()[API_HOST])
    return world


def event(world: World, action: str, number: int | str, key: str = accounts.ROUTING_KEY, severity: str = "") -> None:
    """Send an event to the Events API's core."""
    body: dict[str, Any] = {"routing_key": key, "event_action": action, "dedup_key": f"alert {number}"}
    if action == "trigger":
        body["payload"] = {"summary": f"shop {number} is down", "source": "probe", "severity": severity or "critical"}
    assert world.transact(lambda draft: intake.accept_event(draft, body))[0] == 202


def fill(world: World, size: int) -> None:
    """Let incidents happen until there are ``size``."""
    for number in range(world.view.count(INCIDENTS), size):
        key = OTHER_KEY if number % 5 == 1 else accounts.ROUTING_KEY
        event(world, "trigger", number, key, "warning" if number % LOW == 3 else "critical")
        if number % LEFT_OPEN:
            event(world, "resolve", number, key)
        world.advance(APART)
    assert world.view.count(INCIDENTS) == size


def ask(world: World, path: str) -> None:
    """Ask for a page."""
    answer = world.client.get(f"https://{API_HOST}{path}", headers={"Authorization": f"Token token={accounts.API_KEY}"})
    assert answer.status_code == 200, answer.text


def pages(stopwatch: Stopwatch, world: World, questions: dict[str, str], count: int) -> dict[str, float]:
    """Return the milliseconds each question takes."""
    return {name: stopwatch.milliseconds(partial(ask, world, path), count) for name, path in questions.items()}


def intake_rate(stopwatch: Stopwatch, world: World, lot: str) -> float:
    """Return how many events a second are taken: as many alerts opened as closed again."""

    def pair(number: int) -> None:
        event(world, "trigger", f"{lot} {number}")
        event(world, "resolve", f"{lot} {number}")

    return 2 * stopwatch.per_second(pair, 1_000)


def growth(stopwatch: Stopwatch) -> Iterator[Figure]:
    """Ask everything of a small account and of a large one."""
    many = MANY // stopwatch.scale
    before = resident()
    world = opened(grown(), bound=JOURNAL)
    fill(world, FEW)
    pages(stopwatch, world, BOUND, 5)  # what is compiled and cached once is nobody's cost
    few, rest = pages(stopwatch, world, BOUND, 31), pages(stopwatch, world, REPORTED, 7)
    taken = intake_rate(stopwatch, world, "few")
    fill(world, many)
    held = resident() - before
    for name, spent in pages(stopwatch, world, BOUND, 31).items():
        yield Figure(f"page {name}, {many:,} to {FEW:,}", spent / few[name], "times", 2, "less", f"{spent:.2f} ms")
    grew = taken / (rate := intake_rate(stopwatch, world, "many"))
    yield Figure(f"event intake, {many:,} to {FEW:,}", grew, "times", 2, "less", f"{rate:,.0f} events/s")
    for name, spent in pages(stopwatch, world, REPORTED, 7).items():
        yield Figure(f"page {name}, {many:,} to {FEW:,}", spent / rest[name], "times", note=f"{spent:.2f} ms")
    each = held * 1024 / many
    yield Figure(f"memory, {many:,} incidents", held, "MB", note=f"{each:.1f} kB each; history bounded as when served")


def year(stopwatch: Stopwatch) -> Figure:
    """A year of weekly hand-offs with 1,000 incidents: each pages by SMS, is acknowledged, resolved."""
    people = [accounts.ALICE.id, accounts.BOB.id]
    made = accounts.fixed(schedules=[accounts.layer(people, start="2026-03-02T09:00:00Z", zone="Europe/Berlin")])
    world, paged = opened(made), []

    def on_call(draft: Draft) -> str | None:
        schedule = Account(draft).get("schedules", accounts.SCHEDULE)
        assert schedule is not None
        return who(parse(schedule, []), draft.now)

    def play() -> None:
        for number in range(1_000):
            world.advance_to(START + (number + 1) * 365 * DAY // 1_000)
            event(world, "trigger", number)
            paged.append(world.transact(on_call))
            world.advance(5 * MINUTE)
            event(world, "acknowledge", number)
            world.advance(40 * MINUTE)
            event(world, "resolve", number)

    spent = stopwatch.seconds(play)
    assert all(row.resolved for row in world.view.all(INCIDENTS))
    assert 400 < paged.count(accounts.ALICE.id) < 600
    return Figure("a year of on-call, 1,000 incidents", spent, "s", 1, "less", "core, journal and all, without HTTP")


# -- beside moto_server ------------------------------------------------------------------------------------------------


@contextmanager
def running(command: list[str], *, ready: Callable[[subprocess.Popen[str]], int]) -> Iterator[int]:
    """Run a server and yield its port."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        yield ready(process)
    finally:
        process.terminate()
        process.communicate()


def _said(process: subprocess.Popen[str]) -> int:
    assert process.stdout is not None
    url = str(json.loads(process.stdout.readline())["urls"][API_HOST])
    return int(url.rpartition(":")[2])


def _free() -> int:
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        return int(chosen.getsockname()[1])


def _listening(port: int, process: subprocess.Popen[str]) -> int:
    for _ in range(300):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            assert process.poll() is None, "moto_server ended"
            time.sleep(0.1)
        else:
            return port
    raise TimeoutError("moto_server does not listen")


Request = tuple[str, str, bytes, dict[str, str]]


def sent(port: int, request: Callable[[int], Request], count: int) -> float:
    """Return requests a second of one caller that waits for each answer, on a connection kept where it is kept."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def one(number: int) -> None:
        method, path, body, headers = request(number)
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        text = answer.read()
        assert answer.status < 300, text

    one(count)
    return Stopwatch(time.perf_counter).per_second(one, count)


def _create(number: int) -> Request:
    incident = {"type": "incident", "title": f"link {number}", "service": {"id": accounts.SERVICE, "type": "service"}}
    return "POST", "/incidents", json.dumps({"incident": incident}).encode(), _ours()


def _list(_: int) -> Request:
    return "GET", "/incidents", b"", _ours()


def _ours() -> dict[str, str]:
    key = f"Token token={accounts.API_KEY}"
    return {"Authorization": key, "From": "alice@example.com", "Content-Type": "application/json"}


def _alarm(action: str, **fields: str) -> Request:
    scope = "Credential=A/20260302/us-east-1/monitoring/aws4_request, SignedHeaders=host, Signature=0"
    headers = {"Authorization": f"AWS4-HMAC-SHA256 {scope}", "Content-Type": "application/x-www-form-urlencoded"}
    return "POST", "/", urlencode({"Action": action, "Version": "2010-08-01"} | fields).encode(), headers


def _put_alarm(number: int) -> Request:
    return _alarm(
        "PutMetricAlarm", AlarmName=f"link {number}", Namespace="n", MetricName="m", Period="60", Statistic="Sum",
        EvaluationPeriods="1", Threshold="1", ComparisonOperator="GreaterThanThreshold",
    )  # fmt: skip


def _describe_alarms(_: int) -> Request:
    return _alarm("DescribeAlarms", MaxRecords="25")


def beside_moto(stopwatch: Stopwatch, moto: str | None) -> Iterator[Figure]:
    """Count creates and pages a second of ``pagedrill serve`` and of ``moto_server``, both over sockets."""
    count = 1_000 // stopwatch.scale
    command = [sys.executable, "-m", "scenarios", "serve", "--port", "0", "--json", "--no-sample", "--account"]
    with _account_file() as path, running([*command, path], ready=_said) as port:
        creates, lists = sent(port, _create, count), sent(port, _list, count)
    yield Figure("creates over a socket", creates, "requests/s", note="POST /incidents, one caller")
    yield Figure("pages over a socket", lists, "requests/s", note="GET /incidents, 25 of them, one caller")
    if moto is None:
        print("| beside moto_server | not measured | >= 5 | there is no moto_server; see --help |")
        return
    chosen = _free()
    with running([moto, "-p", str(chosen)], ready=partial(_listening, chosen)) as port:
        theirs = sent(port, _put_alarm, 25)
        listing = sent(port, _describe_alarms, count // 4)
        theirs = sent(port, _put_alarm, count)
    yield Figure("creates, to moto's", creates / theirs, "times", 5, "more", f"PutMetricAlarm {theirs:,.0f}/s")
    yield Figure("pages, to moto's", lists / listing, "times", note=f"DescribeAlarms of 25 {listing:,.0f}/s")


@contextmanager
def _account_file() -> Iterator[str]:
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(accounts.fixed(), file)
        file.flush()
        yield file.name


def main() -> None:
    """Measure everything and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the incidents, for a look")
    parser.add_argument("--cpu", action="store_true", help="count processor time in process, for a busy machine")
    parser.add_argument("--moto", default=shutil.which("moto_server"), help="the moto_server to compare with")
    options = parser.parse_args()
    stopwatch = watch(cpu=options.cpu, scale=10 if options.quick else 1)

    def figures() -> Iterator[Figure]:
        yield from growth(stopwatch)
        yield year(stopwatch)
        yield from beside_moto(stopwatch, options.moto)

    report(figures(), clock="processor time, sockets by the clock" if options.cpu else "the clock on the wall")


if __name__ == "__main__":
    main()
