"""Test results: which rounds and locations a request asks for; what a row holds is :mod:`~.resultrows`'s.

A round shows up when it has ended, under the settings the test had when it began. Without a time range there is the
most recent round only. A page holds whole rounds, newest first; its cursor stands for the range and the next round.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask import Blueprint, Response

from simulators.engine import ids
from simulators.engine.draft import View
from simulators.engine.instants import SECOND
from simulators.engine.web import world
from simulators.thousandeyes import layers, monitors, watching
from simulators.thousandeyes.api import shapes
from simulators.thousandeyes.api.paging import cursor_state, foreign_cursor, next_link, range_links, window_of
from simulators.thousandeyes.api.rest import BASE, expansions, hal, iso, not_found, reply, require
from simulators.thousandeyes.api.resultrows import ROWS, Look, Row, row_of
from simulators.thousandeyes.api.tests import VIEW
from simulators.thousandeyes.model import AGENTS, APP, TEST_VERSIONS, TESTS, Test

#: Rows on a page, about: a page ends with the round that reaches this number.
PAGE = 200
#: Layers whose single rounds can be read in detail.
DETAILED = ("path-vis", "web-transactions")


def _as_it_was(view: View, test: Test, instant: int) -> Test | None:
    """Return the test with the settings it had, ``None`` when it was not there or did not run."""
    versions = view.find(TEST_VERSIONS, "test", test.id)
    row = next((version.row for version in reversed(versions) if version.at <= instant), None)
    return row if row is not None and row.enabled else None


def _looks(view: View, test: Test, layer: str, start: int, expand: tuple[str, ...]) -> Iterator[Look]:
    """Yield the looks of a round: every location at every part of the layer."""
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
    for part in parts:
        for location in watching.locations_of(then, alert_type):
            yield Look(view, then, location, start, part, expand)


def _where(look: Look, alert_type: str) -> Row | None:
    """Return who looked and when; locations of one round look some seconds apart. ``None`` for who is gone."""
    view, test = look.view, look.test
    number, interval = look.start // SECOND, watching.interval_of(test, alert_type)
    apart = watching.offset_of(view, test, look.location, interval) // SECOND
    if not apart:
        apart = ids.number(view.seed, "te.result.apart", test.id, look.location, look.start) % min(
            interval // SECOND, 30
        )
    begun = number + apart
    row: Row = {"date": iso(begun * SECOND), "roundId": number, "startTime": begun, "endTime": begun + 1}
    link = f"{APP}/view/tests?__a={test.aid}&testId={test.id}&roundId={number}"
    if alert_type == "bgp":
        monitor = monitors.monitors()[look.location]
        row["monitor"] = {"monitorId": monitor.id, "monitorName": monitor.name, "countryId": monitor.country}
        return row | {"_links": {"appLink": {"href": f"{link}&monitorId={monitor.id}"}}}
    agent = view.get(AGENTS, look.location)
    if agent is None:
        return None
    row["agent"] = shapes.pick(shapes.simple_agent(agent), ("agentId", "agentName", "countryId", "location"))
    return row | {"_links": {"appLink": {"href": f"{link}&agentId={agent.id}"}}}


def _rows(looks: Iterator[Look], layer: str, *, detail: bool = False) -> Iterator[Row]:
    for look in looks:
        where = _where(look, ROWS[layer].alert_type(look.test))
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
    interval = watching.interval_of(test, ROWS[layer].alert_type(test))
    first, number, span = _range(view.now, interval, view.now // interval - 1)
    first = max(first, -(-test.created // interval))
    rows: list[Row] = []
    while number >= first and len(rows) < PAGE:
        found = _rows(_looks(view, test, layer, number * interval, expand), layer)
        rows.extend(row for row in found if not server_id or row["serverId"] == server_id)
        number -= 1
    document: dict[str, Any] = {"results": rows, "test": shapes.simple_test(test)}
    onward = None
    if span is not None:
        document |= {"startDate": iso(span[0]), "endDate": iso(span[1])}
        if number >= first:
            onward = next_link({"round": number, "span": span}, **range_links(span))
    return reply(hal(document, next=onward))


def _range(now: int, interval: int, latest: int) -> tuple[int, int, tuple[int, int] | None]:
    """Return the first and the newest round to show, and the time range asked for (``None`` = the latest round)."""
    state = cursor_state()
    match state:
        case {"round": int(number), "span": [int(since), int(until)]}:
            span: tuple[int, int] | None = (since, until)
        case _ if state:
            raise foreign_cursor()
        case _:
            span, number = window_of(now), latest
    if span is None:
        return latest, latest, None
    return span[0] // interval, min(span[1] // interval, latest, number), span


def _one_round(test_id: str, layer: str, round_id: str, *, location: str = "", prefix_id: str = "") -> Response:
    """Answer with the details of one round, of one agent or one prefix."""
    view = world().view
    test = _need(view, test_id, layer)
    interval = watching.interval_of(test, ROWS[layer].alert_type(test))
    start = int(round_id) * SECOND if round_id.isascii() and round_id.isdigit() and len(round_id) < 12 else 1
    rows: list[Row] = []
    if start % interval == 0 and test.created <= start and start + interval <= view.now:
        looks = (
            look
            for look in _looks(view, test, layer, start, ())
            if location in {"", look.location} and prefix_id in {"", shapes.prefix_id(look.part)}
        )
        rows = list(_rows(looks, layer, detail=True))
    if not rows:
        raise not_found(f"Test {test_id} has no such round {round_id}.")
    for row in rows:
        for name in ("startTime", "endTime", "updates", "reachability", "pathChanges") if layer == "bgp" else ():
            row.pop(name)
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

    @routes.get(f"{path}/dns-server/<server_id>")
    def dns_server(test_id: str, server_id: str) -> Response:
        return _results(test_id, "dns-server", server_id)

    @routes.get(f"{path}/bgp/routes/prefix/<prefix_id>/round/<round_id>")
    def bgp_routes(test_id: str, prefix_id: str, round_id: str) -> Response:
        return _one_round(test_id, "bgp", round_id, prefix_id=prefix_id)

    return routes
