"""Test results: which rounds and locations a request asks for; what a row holds is :mod:`~.resultrows`'s.

A round shows up when it has ended, under the settings the test had when it began; one that was run at once soon after.
Without a time range there is the most recent round only. A page holds whole rounds, newest first; its cursor stands for
the range and the last round shown. A private snapshot shows the rounds it keeps of its test, as that test shows them.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

from flask import Blueprint, Response, request

from simulators.engine import ids
from simulators.engine.draft import View
from simulators.engine.instants import SECOND
from simulators.engine.web import world
from simulators.thousandeyes import layers, monitors, saved_events, watching
from simulators.thousandeyes.api import shapes, webrows
from simulators.thousandeyes.api.look import Look, Row
from simulators.thousandeyes.api.paging import (
    Span,
    cursor_state,
    foreign_cursor,
    is_span,
    next_link,
    range_links,
    window_of,
)
from simulators.thousandeyes.api.rest import BASE, FieldError, expansions, hal, invalid, iso, not_found, reply, require
from simulators.thousandeyes.api.resultrows import ROWS, row_of
from simulators.thousandeyes.api.tests import VIEW
from simulators.thousandeyes.model import AGENTS, APP, TEST_VERSIONS, TESTS, Test

#: Rows on a page, about: a page ends with the round that reaches this number.
PAGE = 200
#: Layers whose single rounds can be read in detail.
DETAILED = ("path-vis", "page-load", "web-transactions", "api")
#: Layers that may be measured both ways -> the directions that can be asked for.
DIRECTIONS = {"network": ("to-target", "from-target", "bidirectional"), "path-vis": ("to-target", "from-target")}
#: What the details of a round have less than its row.
_NOT_IN_ROUTES = ("startTime", "endTime", "updates", "reachability", "pathChanges")


# -- which rounds ------------------------------------------------------------------------------------------------------


def _source(test: Test) -> str:
    """Return the id of the test whose rounds are shown."""
    return test.source or test.id


def _as_it_was(view: View, test: Test, instant: int) -> Test | None:
    """Return the test with the settings it had, ``None`` when it was not there or did not run."""
    versions = view.find(TEST_VERSIONS, "test", _source(test))
    row = next((version.row for version in reversed(versions) if version.at <= instant), None)
    return row if row is not None and row.enabled else None


def _starts(view: View, test: Test, layer: str, span: Span) -> Iterator[int]:
    """Yield when the rounds of a range began that have ended, the newest first."""
    interval = watching.interval_of(test, ROWS[layer].alert_type(test))
    versions = view.find(TEST_VERSIONS, "test", _source(test))
    since, until = span
    if test.kept is not None:
        since, until = max(since, test.kept[0]), min(until, test.kept[1] - 1)
    runs = [run for run in saved_events.finished_runs(view, test) if since <= run <= until and layer != "bgp"]
    regular: Iterator[int] = iter(())
    if interval and versions:
        last = min(until, view.now - interval) // interval
        first = max(since // interval, -(-versions[0].at // interval))
        regular = (number * interval for number in range(last, first - 1, -1))
    return heapq.merge(regular, sorted(runs, reverse=True), reverse=True)


def _range(now: int) -> tuple[Span | None, int]:
    """Return the time range asked for (``None`` = the latest round), and before when the rounds to show began."""
    state = cursor_state()
    match state:
        case {"before": int(before), "span": [int(since), int(until)]} if is_span(since, until):
            return (since, until), before
    if state:
        raise foreign_cursor()
    return window_of(now), now + 1


def _direction_of(test: Test, layer: str) -> tuple[str, ...]:
    """Return the directions a request asks for; raises the problem of one the test does not measure."""
    own = str(test.body.get("direction", "to-target"))
    asked, known = request.args.get("direction"), DIRECTIONS[layer]
    if asked is not None and asked not in known:
        raise invalid(FieldError("direction", f"must be one of {', '.join(known)}"))
    if own != "bidirectional":
        if asked not in {None, own}:
            raise invalid(FieldError("direction", f"the test measures {own} only"))
        return ("",)
    return (asked,) if asked else ("to-target",) if layer == "network" else known


def _looks(view: View, test: Test, layer: str, start: int, template: Look) -> Iterator[Look]:
    """Yield the looks of a round: every location at every part of the layer, in every direction asked for."""
    then = _as_it_was(view, test, start)
    if then is None or then.interval != test.interval:
        return
    alert_type = ROWS[layer].alert_type(then)
    parts: tuple[str, ...] = ("",)
    if layer == "dns-server":
        parts = tuple(dict.fromkeys(then.body.get("dnsServers", ())))
    elif layer == "bgp":
        parts = (watching.prefix_of(view, then),)
        if then.body.get("includeCoveredPrefixes"):
            parts = (*parts, watching.covered_prefix(parts[0]))
    directions = _direction_of(test, layer) if layer in DIRECTIONS else ("",)
    for part in parts:
        for location in watching.locations_of(then, alert_type):
            for direction in directions:
                yield replace(template, test=then, location=location, start=start, part=part, direction=direction)


# -- rows --------------------------------------------------------------------------------------------------------------


def _where(look: Look, alert_type: str, shown: Test) -> Row | None:
    """Return who looked and when; locations of one round look some seconds apart. ``None`` for who is gone."""
    view, test = look.view, look.test
    number, interval = look.start // SECOND, watching.interval_of(test, alert_type)
    apart = watching.offset_of(view, test, look.location, interval) // SECOND
    if not apart:
        drawn = ids.number(view.seed, "te.result.apart", test.id, look.location, look.start)
        apart = drawn % (min(interval // SECOND, 30) or 1)
    begun = number + apart
    row: Row = {"date": iso(begun * SECOND), "roundId": number, "startTime": begun, "endTime": begun + 1}
    link = f"{APP}/view/tests?__a={shown.aid}&testId={shown.id}&roundId={number}"
    if alert_type == "bgp":
        monitor = monitors.monitors()[look.location]
        row["monitor"] = {"monitorId": monitor.id, "monitorName": monitor.name, "countryId": monitor.country}
        return row | {"_links": {"appLink": {"href": f"{link}&monitorId={monitor.id}"}}}
    agent = view.get(AGENTS, look.location)
    if agent is None:
        return None
    row["agent"] = shapes.pick(shapes.simple_agent(agent), ("agentId", "agentName", "countryId", "location"))
    return row | {"_links": {"appLink": {"href": f"{link}&agentId={agent.id}"}}}


def _rows(looks: Iterator[Look], layer: str, shown: Test, *, detail: bool = False) -> Iterator[Row]:
    for look in looks:
        where = _where(look, ROWS[layer].alert_type(look.test), shown)
        row = row_of(layer, look, detail=detail)
        if where is not None and row is not None:
            links = where.pop("_links")
            yield {**where, **row, "_links": links}


def _need(view: View, test_id: str, layer: str) -> Test:
    """Return the test; raises the 404 of one that is not there or does not measure the layer."""
    test = view.get(TESTS, test_id)
    if test is None or not shapes.is_visible(test, require(VIEW)):
        raise not_found(f"There is no test {test_id}.")
    shown = (*layers.result_layers(test.type, test.body), *layers.alert_types(test.type, test.body))
    if layer not in ROWS or layer not in shown:
        raise not_found(f"Test {test_id} has no results of layer {layer}.")
    return test


def _results(test_id: str, layer: str, server_id: str = "") -> Response:
    view = world().view
    test = _need(view, test_id, layer)
    if server_id and all(shapes.server_id(name) != server_id for name in test.body.get("dnsServers", ())):
        raise not_found(f"Test {test_id} has no DNS server {server_id}.")
    expand = expansions(("header", "certificate")) if layer == "http-server" else ()
    span, before = _range(view.now)
    if layer in DIRECTIONS:
        _direction_of(test, layer)
    since, until = span or (0, view.now)
    starts = _starts(view, test, layer, (since, min(until, before - 1)))
    template = Look(view, test, "", 0, expand=expand)
    rows: list[Row] = []
    oldest = before
    for start in islice(starts, 1) if span is None else starts:
        found = _rows(_looks(view, test, layer, start, template), layer, test)
        rows.extend(row for row in found if not server_id or row["serverId"] == server_id)
        oldest = start
        if len(rows) >= PAGE:
            break
    document: dict[str, Any] = {"results": rows, "test": shapes.simple_test(test)}
    onward = None
    if span is not None:
        document |= {"startDate": iso(span[0]), "endDate": iso(span[1])}
        if next(starts, None) is not None:
            onward = next_link({"before": oldest, "span": span}, **range_links(span))
    return reply(hal(document, next=onward))


def _round(test_id: str, layer: str, round_id: str, page: int | None = None) -> tuple[Test, list[Look]]:
    """Return a test and the looks of one of its rounds; raises the 404 of a round there was not."""
    view = world().view
    test = _need(view, test_id, layer)
    start = int(round_id) * SECOND if round_id.isascii() and round_id.isdigit() and len(round_id) < 12 else -1
    if start not in _starts(view, test, layer, (start, start)):
        raise _no_round(test_id, round_id)
    return test, list(_looks(view, test, layer, start, Look(view, test, "", 0, page=page)))


def _no_round(test_id: str, round_id: str) -> Exception:
    return not_found(f"Test {test_id} has no such round {round_id}.")


def _one_round(
    test_id: str, layer: str, round_id: str, *, location: str = "", prefix_id: str = "", page: int | None = None
) -> Response:
    """Answer with the details of one round, of one agent or one prefix, perhaps of one page."""
    test, found = _round(test_id, layer, round_id, page)
    looks = (
        look for look in found if location in {"", look.location} and prefix_id in {"", shapes.prefix_id(look.part)}
    )
    rows = [row for row in _rows(looks, layer, test, detail=True) if page is None or "har" in row]
    if not rows:
        raise _no_round(test_id, round_id)
    for row in rows:
        for name in _NOT_IN_ROUTES if layer == "bgp" else ():
            row.pop(name)
    return reply(hal({"results": rows, "test": shapes.simple_test(test)}))


def _one_page(test_id: str, agent_id: str, round_id: str, page_id: str) -> Response:
    number = int(page_id) if page_id.isascii() and page_id.isdigit() and len(page_id) < 4 else 999
    return _one_round(test_id, "web-transactions", round_id, location=agent_id, page=number)


def _console_logs(test_id: str, agent_id: str, round_id: str) -> Response:
    layer = "web-transactions"
    test, looks = _round(test_id, layer, round_id)
    rows: list[Row] = []
    for look in looks:
        where = _where(look, layer, test) if look.location == agent_id else None
        values = look.measured(layer)
        if where is not None and values:
            kept = shapes.pick(where, ("date", "roundId", "agent"))
            rows.append({**kept, **webrows.console_logs(look, values), "_links": where["_links"]})
    if not rows:
        raise _no_round(test_id, round_id)
    return reply(hal({"results": rows, "test": shapes.simple_test(test)}))


def blueprint() -> Blueprint:
    """Return the routes of test results."""
    routes = Blueprint("results", __name__)
    path = f"{BASE}/test-results/<test_id>"
    for layer in ROWS:
        routes.add_url_rule(
            f"{path}/{layer}", layer, lambda test_id, layer=layer: _results(test_id, layer), methods=["GET"]
        )
    for layer in DETAILED:
        routes.add_url_rule(
            f"{path}/{layer}/agent/<agent_id>/round/<round_id>",
            f"{layer}-round",
            lambda test_id, agent_id, round_id, layer=layer: _one_round(test_id, layer, round_id, location=agent_id),
            methods=["GET"],
        )
    transaction = f"{path}/web-transactions/agent/<agent_id>/round/<round_id>"
    routes.add_url_rule(f"{transaction}/page/<page_id>", "page", _one_page, methods=["GET"])
    routes.add_url_rule(f"{transaction}/console-logs", "console-logs", _console_logs, methods=["GET"])

    @routes.get(f"{path}/dns-server/<server_id>")
    def dns_server(test_id: str, server_id: str) -> Response:
        return _results(test_id, "dns-server", server_id)

    @routes.get(f"{path}/bgp/routes/prefix/<prefix_id>/round/<round_id>")
    def bgp_routes(test_id: str, prefix_id: str, round_id: str) -> Response:
        return _one_round(test_id, "bgp", round_id, prefix_id=prefix_id)

    return routes
