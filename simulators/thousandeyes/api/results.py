"""Test results: what every agent measured, from the very signals the alerts see.

A round shows up when it has ended, under the settings the test had when it began. Without a time range there is the
most recent round only. A page holds whole rounds, newest first; its cursor stands for the range and the next round.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Response

from simulators.engine import ids
from simulators.engine.draft import View
from simulators.engine.instants import SECOND
from simulators.engine.web import world
from simulators.thousandeyes import layers, units
from simulators.thousandeyes.api import shapes
from simulators.thousandeyes.api.paging import cursor_state, foreign_cursor, next_link, range_links, window_of
from simulators.thousandeyes.api.rest import BASE, expansions, hal, iso, not_found, reply, require
from simulators.thousandeyes.api.tests import VIEW
from simulators.thousandeyes.expression import Value
from simulators.thousandeyes.measures import REASONS
from simulators.thousandeyes.model import AGENTS, APP, TEST_VERSIONS, TESTS, Agent, Test

#: Rows on a page, about: a page ends with the round that reaches this number.
PAGE = 200
Values = Mapping[str, Value]
Row = dict[str, Any]


# -- one row -----------------------------------------------------------------------------------------------------------


def _common(view: View, test: Test, agent: Agent, start: int) -> Row:
    """Return what rows of every layer have; agents of one round measure some seconds apart."""
    apart = ids.number(view.seed, "te.result.apart", test.id, agent.id, start) % min(test.interval, 30)
    begun, number = start // SECOND + apart, start // SECOND
    where = f"__a={test.aid}&testId={test.id}&roundId={number}&agentId={agent.id}"
    return {
        "agent": shapes.pick(shapes.simple_agent(agent), ("agentId", "agentName", "countryId", "location")),
        "date": iso(begun * SECOND),
        "roundId": number,
        "startTime": begun,
        "endTime": begun + 1,
        "serverIp": _address(view, test),
        "_links": {"appLink": {"href": f"{APP}/view/tests?{where}"}},
    }


def _address(view: View, test: Test) -> str:
    return f"203.0.113.{ids.number(view.seed, 'te.server.address', test.target) % 254 + 1}"


def _number(values: Values, name: str) -> int:
    value = values[name]
    return value if isinstance(value, int) else 0


def _milliseconds(values: Values, name: str) -> int:
    return round(_number(values, name) / 1000)


def _http(view: View, test: Test, values: Values, expand: tuple[str, ...]) -> Row:
    """Return an HTTP server row: phases that did not take place are left out."""
    row: Row = {
        "responseCode": values["responseCode"],
        "numRedirects": values["redirectCount"],
        "redirectTime": 0,
        "errorType": values["errorType"],
        "errorDetails": values["probDetail"],
        "totalTime": _milliseconds(values, "totalTime"),
    }
    times = ("dnsTime", "connectTime", "sslTime", "waitTime", "receiveTime", "responseTime")
    row |= {name: _milliseconds(values, name) for name in times if name in values}
    if "wireSize" in values:
        row |= {"wireSize": values["wireSize"], "throughput": _number(values, "throughput") * 1000 / 8}
    if "sslTime" in values and test.target.startswith("https"):
        row |= {"sslVersion": "TLSv1.3", "sslCipher": "TLS_AES_256_GCM_SHA384"}
    if "header" in expand:
        row["headers"] = _headers(test, values)
    return row


def _headers(test: Test, values: Values) -> Row:
    parts, code = urlsplit(test.target), _number(values, "responseCode")
    asked = f"GET {parts.path or '/'} HTTP/1.1\r\nHost: {parts.netloc}\r\nAccept: */*"
    answered = f"HTTP/1.1 {code} {'OK' if code == 200 else REASONS.get(code, '')}".rstrip()
    return {"requestHeaders": asked, "responseHeaders": answered if code else ""}


def _network(view: View, test: Test, values: Values, expand: tuple[str, ...]) -> Row:
    """Return a network row: the time to connect is one round trip; who cannot connect loses every packet."""
    row: Row = {"server": _server(test), "direction": "to-target"}
    if values["errorType"] == "DNS":
        return row | {"errorDetails": values["probDetail"]}
    if values["errorType"] == "Connect":
        return row | {"loss": 100.0, "errorDetails": values["probDetail"]}
    trip = _number(values, "connectTime") / 1000
    return row | {
        "loss": 0.0,
        "avgLatency": round(trip, 3),
        "minLatency": round(trip * 0.97, 3),
        "maxLatency": round(trip * 1.06, 3),
        "jitter": round(trip * 0.02, 3),
    }


def _server(test: Test) -> str:
    parts = urlsplit(test.target)
    if not parts.netloc:
        return f"{test.target}:{test.body.get('port', 80)}"
    return f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"


#: The layers whose results are simulated, and how a row of each is made.
LAYERS: Mapping[str, Callable[[View, Test, Values, tuple[str, ...]], Row]] = {
    "http-server": _http,
    "network": _network,
}


# -- which rows --------------------------------------------------------------------------------------------------------


def _as_it_was(view: View, test: Test, instant: int) -> Test | None:
    """Return the test with the settings it had, ``None`` when it was not there or did not run."""
    versions = view.find(TEST_VERSIONS, "test", test.id)
    row = next((version.row for version in reversed(versions) if version.at <= instant), None)
    return row if row is not None and row.enabled else None


def _round(view: View, test: Test, layer: str, number: int, expand: tuple[str, ...]) -> Iterator[Row]:
    start = number * test.interval * SECOND
    then = _as_it_was(view, test, start)
    if then is None or then.interval != test.interval:
        return
    for agent in (view.get(AGENTS, name) for name in then.agents):
        if agent is not None:
            values = units.values_at(view, then, agent.id, start)
            yield _common(view, then, agent, start) | LAYERS[layer](view, then, values, expand)


def _results(test_id: str, layer: str) -> Response:
    asking, view = require(VIEW), world().view
    test = view.get(TESTS, test_id)
    if test is None or not shapes.is_visible(test, asking):
        raise not_found(f"There is no test {test_id}.")
    if layer not in layers.result_layers(test.type, test.body):
        raise not_found(f"Test {test_id} has no results of layer {layer}.")
    if layer not in LAYERS:
        raise not_found(f"Results of layer {layer} are not simulated.")
    expand = expansions(("header", "certificate")) if layer == "http-server" else ()
    interval, latest = test.interval * SECOND, view.now // (test.interval * SECOND) - 1
    first, number, span = _range(view.now, interval, latest)
    first = max(first, -(-test.created // interval))
    rows: list[Row] = []
    while number >= first and len(rows) < PAGE:
        rows.extend(_round(view, test, layer, number, expand))
        number -= 1
    document: Row = {"results": rows, "test": shapes.simple_test(test)}
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


def blueprint() -> Blueprint:
    """Return the routes of test results."""
    routes = Blueprint("results", __name__)
    routes.add_url_rule(f"{BASE}/test-results/<test_id>/<layer>", "layer", _results, methods=["GET"])
    return routes
