"""What a row of test results holds, layer by layer: fields of the API read off the measures of :mod:`~..measures`.

A field names the measure it comes from and how that is written (milliseconds, per cent, Mbps ...); a measure that did
not take place leaves its field out. What no table can say stands in a function of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from simulators.engine import ids
from simulators.engine.draft import View
from simulators.thousandeyes import routes, watching
from simulators.thousandeyes.api import shapes
from simulators.thousandeyes.api.testtypes import CODECS, DSCP
from simulators.thousandeyes.expression import TRACES, Value
from simulators.thousandeyes.measures import PAGE_SIZE, REASONS
from simulators.thousandeyes.model import AGENTS, Test

Row = dict[str, Any]
Values = Mapping[str, Value]
Fields = Mapping[str, tuple[str, Callable[[Any], Any]]]


@dataclass(frozen=True, slots=True)
class Look:
    """One location's look at a layer (and part) of a test in the round that starts at ``start`` microseconds."""

    view: View
    test: Test
    location: str
    start: int
    part: str = ""
    expand: tuple[str, ...] = ()

    def measured(self, alert_type: str) -> Values:
        """Return what was measured of the layer that rules of ``alert_type`` look at."""
        return watching.measured(self.view, self.test, self.location, self.start, alert_type, self.part)


@dataclass(frozen=True, slots=True)
class LayerRows:
    """How the rows of a layer are made: from the measures of which alert type, which fields, and what else."""

    alert_type: Callable[[Test], str]
    fields: Fields = field(default_factory=dict)
    more: Callable[[Look, Values], Row] = lambda look, values: {}
    detail: Callable[[Look, Values], Row] | None = None


# -- how measures are written ------------------------------------------------------------------------------------------


def _milliseconds(value: int) -> int:
    return round(value / 1000)


def _fraction(value: int) -> float:
    return round(value / 1000, 3)


def _bytes_per_second(kbps: int) -> float:
    return kbps * 1000 / 8


def _same(value: Any) -> Any:
    return value


def _joined(value: tuple[str, ...]) -> str:
    return ", ".join(value)


def _number(values: Values, name: str) -> int:
    value = values.get(name, 0)
    return value if isinstance(value, int) else 0


def _text(values: Values, name: str) -> str:
    value = values.get(name, "")
    return value if isinstance(value, str) else ""


def _times(*names: str) -> Fields:
    return {name: (name, _milliseconds) for name in names}


def _fractions(*names: str) -> Fields:
    return {name: (name, _fraction) for name in names}


# -- web ---------------------------------------------------------------------------------------------------------------


def _http(look: Look, values: Values) -> Row:
    row: Row = {"serverIp": _address(look), "redirectTime": 0}
    if "sslTime" in values:
        row |= {"sslVersion": "TLSv1.3", "sslCipher": "TLS_AES_256_GCM_SHA384"}
    if "header" in look.expand:
        row["headers"] = _headers(look.test, values)
    return row


def _address(look: Look) -> str:
    return routes.address_of(look.view.seed, look.test.target)


def _headers(test: Test, values: Values) -> Row:
    parts, code = urlsplit(test.target), _number(values, "responseCode")
    asked = f"GET {parts.path or '/'} HTTP/1.1\r\nHost: {parts.netloc}\r\nAccept: */*"
    answered = f"HTTP/1.1 {code} {'OK' if code == 200 else REASONS.get(code, '')}".rstrip()
    return {"requestHeaders": asked, "responseHeaders": answered if code else ""}


def _page(look: Look, values: Values) -> Row:
    components = values.get("components")
    return {
        "numObjects": len(components) if isinstance(components, tuple) else 0,
        "totalSize": PAGE_SIZE if "wireSize" in values else 0,
    }


def _transaction(look: Look, values: Values) -> Row:
    """Return what went wrong: an assertion of the script, or the request that failed underneath."""
    failed = bool(_number(values, "txCompletionHasError"))
    asserted = _text(values, "assertError")
    kind = _text(look.measured("http-server"), "errorType") if failed else "None"
    return {
        "componentErrors": _number(look.measured("page-load"), "errorCount"),
        "errorType": "Assert" if asserted else kind,
        "errorDetails": asserted or _text(values, "probDetail"),
    }


def _transaction_detail(look: Look, values: Values) -> Row:
    markers, pages = values.get("marker", ()), values.get("webPages", ())
    assert isinstance(markers, tuple)
    assert isinstance(pages, tuple)
    return {
        "markers": [
            {"name": marker["markerName"], "duration": _milliseconds(marker["markerDuration"])}
            for marker in markers
            if isinstance(marker, Mapping)
        ],
        "pages": [
            {
                "pageNum": number,
                "pageName": f"Page {number}",
                "errorCount": int(bool(page.get("webTxPageLoadError"))),
                "duration": _fraction(page.get("webTxOnLoadTime", 0)),
            }
            for number, page in enumerate(pages, 1)
            if isinstance(page, Mapping)
        ],
    }


# -- other servers -----------------------------------------------------------------------------------------------------

_SIP_KINDS = {"None": "none", "options": "option"}


def _sip(look: Look, values: Values) -> Row:
    kind = _text(values, "sipErrorType")
    return {
        "serverIp": _address(look),
        "availability": 100.0 if kind == "None" else 0.0,
        "numRedirects": 0,
        "errorType": _SIP_KINDS.get(kind, kind),
    }


def _dns_server(look: Look, values: Values) -> Row:
    return {"serverId": shapes.server_id(look.part), "server": look.part}


def _dns_trace(look: Look, values: Values) -> Row:
    """Return the queries of a trace: to a root server, to one of the top level, to the domain's own."""
    domain = str(look.test.body["domain"]).partition(" ")[0]
    final = f"ns1.{domain}"
    failed = bool(_text(values, "probDetail"))
    spent = _milliseconds(_number(look.measured("dns-server"), "delay"))
    answer = values.get("mapData", ())
    lines = [f"{domain.rpartition('.')[2]}.\t172800\tIN\tNS\ta.nic.example.", f"{domain}.\t172800\tIN\tNS\t{final}."]
    lines += [f"{domain}.\t300\tIN\tA\t{address}" for address in answer] if isinstance(answer, tuple) else []
    row: Row = {"output": "\n".join(lines), "queries": 3, "failedQueries": int(failed)}
    return row if failed else row | {"finalServerQueried": f"{final}.", "finalQueryTime": spent}


def _dnssec(look: Look, values: Values) -> Row:
    return {"isValid": not _text(values, "probDetail")}


# -- networks ----------------------------------------------------------------------------------------------------------


def _network(look: Look, values: Values) -> Row:
    row: Row = {"server": _server(look.test), "serverIp": _address(look), "direction": _direction(look.test)}
    if "avgLatency" in values or "latency" in values:
        trip = _number(values, "avgLatency") or _number(values, "bothWaysLatency")
        swing = _number(values, "jitter")
        row |= {"minLatency": _fraction(max(trip - 2 * swing, 0)), "maxLatency": _fraction(trip + 3 * swing)}
    return row


def _direction(test: Test) -> str:
    return str(test.body.get("direction", "to-target"))


def _server(test: Test) -> str:
    parts = urlsplit(test.target)
    if not parts.netloc:
        return f"{test.target}:{test.body.get('port', 80)}"
    return f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"


def _traces(values: Values) -> list[Mapping[str, Any]]:
    found = values.get(TRACES, ())
    return [trace for trace in found if isinstance(trace, Mapping)] if isinstance(found, tuple) else []


def _path(look: Look, values: Values) -> Row:
    """Return a round's paths, each with its end and length."""
    traces = [
        {
            "pathId": _path_id(trace),
            "ipAddress": trace["hops"][-1]["ip"] if trace["hops"] else "",
            "numberOfHops": trace["pathLength"],
            "responseTime": _milliseconds(trace["hops"][-1]["hopDelay"]) if trace["hops"] else 0,
            "mss": trace["mss"],
            "pathMtu": trace["pathMtu"],
        }
        for trace in _traces(values)
    ]
    return _ends(look) | {"pathTraces": traces}


def _path_detail(look: Look, values: Values) -> Row:
    """Return a round's paths hop by hop."""
    return {
        "pathTraces": [
            {
                "pathId": _path_id(trace),
                "hops": [
                    {
                        "hop": number,
                        "ipAddress": hop["ip"],
                        "rdns": hop["rdns"],
                        "network": f"AS {hop['asn']}",
                        "responseTime": _milliseconds(hop["hopDelay"]),
                        **({"mpls": hop["mpls"]} if "mpls" in hop else {}),
                    }
                    for number, hop in enumerate(trace["hops"], 1)
                ],
            }
            for trace in _traces(values)
        ]
    }


def _path_id(trace: Mapping[str, Any]) -> str:
    return str(ids.number(0, "te.path.id", *(hop["ip"] for hop in trace["hops"])) % 10**9)


def _ends(look: Look) -> Row:
    """Return both ends of a path."""
    agent = look.view.get(AGENTS, look.location)
    direction = _direction(look.test)
    row: Row = {
        "server": _server(look.test),
        "serverIp": _address(look),
        "direction": "to-target" if direction == "bidirectional" else direction,
        "targetIsProxy": False,
    }
    if agent is not None and agent.ips:
        source = agent.ips[0]
        row |= {"sourceIp": source, "sourcePrefix": source.rpartition(".")[0] + ".0/24"}
    return row


def _voice(look: Look, values: Values) -> Row:
    code = str(_number(values, "dscp"))
    row: Row = {"serverIp": _address(look), "dscp": code, "codecMaxMos": 4.41}
    if code in DSCP:
        row["dscpName"] = DSCP[code]
    codec = CODECS.get(str(look.test.body.get("codecId", "0")))
    return row if codec is None else row | {"codecName": codec}


def _bgp(look: Look, values: Values) -> Row:
    changes = _number(values, "changes") / 1000
    lost = _number(values, "reachability") < 100_000
    return {"prefix": look.part, "prefixId": shapes.prefix_id(look.part), "updates": changes + int(lost)}


def _bgp_detail(look: Look, values: Values) -> Row:
    """Return the networks a monitor's route leads through, the monitor's own first."""
    found = values.get("bgpHops", ())
    hops = [hop["asn"] for hop in found if isinstance(hop, Mapping)] if isinstance(found, tuple) else []
    return {
        "prefix": look.part,
        "prefixId": shapes.prefix_id(look.part),
        "isActive": bool(hops),
        "hops": [{"asn": asn, "asName": f"Example Network {asn}"} for asn in reversed(hops)],
    }


# -- the table ---------------------------------------------------------------------------------------------------------


def _always(alert_type: str) -> Callable[[Test], str]:
    return lambda test: alert_type


_ERROR: Fields = {"errorDetails": ("probDetail", _same)}
ROWS: Mapping[str, LayerRows] = {
    "http-server": LayerRows(
        _always("http-server"),
        {
            "responseCode": ("responseCode", _same),
            "numRedirects": ("redirectCount", _same),
            **_times("dnsTime", "connectTime", "sslTime", "waitTime", "receiveTime", "responseTime", "totalTime"),
            "wireSize": ("wireSize", _same),
            "throughput": ("throughput", _bytes_per_second),
            "errorType": ("errorType", _same),
            **_ERROR,
        },
        _http,
    ),
    "page-load": LayerRows(
        _always("page-load"),
        {
            "responseTime": ("timeToFirstByte", _fraction),
            "domLoadTime": ("onContentLoadTime", _milliseconds),
            "pageLoadTime": ("onLoadTime", _milliseconds),
            "numErrors": ("errorCount", _same),
        },
        _page,
    ),
    "web-transactions": LayerRows(
        _always("web-transactions"),
        {"transactionTime": ("duration", _milliseconds)},
        _transaction,
        _transaction_detail,
    ),
    "api": LayerRows(
        _always("api"),
        {
            "apiTransactionTime": ("apiTransactionTime", _fraction),
            "completion": ("apiCompletion", float),
            "errorType": ("errorType", _same),
            **_ERROR,
        },
    ),
    "ftp-server": LayerRows(
        _always("ftp"),
        {
            "responseCode": ("ftpReplyCode", _same),
            **_fractions("dnsTime", "connectTime", "negotiationTime", "waitTime"),
            **_fractions("responseTime", "transferTime", "totalTime"),
            "throughput": ("throughput", lambda kbps: kbps * 1000 // 8),
            "errorType": ("ftpErrorType", _same),
            **_ERROR,
        },
        lambda look, values: {"serverIp": _address(look)},
    ),
    "dns-server": LayerRows(
        _always("dns-server"),
        {"resolutionTime": ("delay", _milliseconds), "mappings": ("mapData", _joined), **_ERROR},
        _dns_server,
    ),
    "dns-trace": LayerRows(_always("dns-trace"), {"mappings": ("mapData", _joined), **_ERROR}, _dns_trace),
    "dnssec": LayerRows(_always("dnssec"), _ERROR, _dnssec),
    "sip-server": LayerRows(
        _always("sip-server"),
        {
            "responseCode": ("sipResponseCode", _same),
            **_times("dnsTime", "connectTime", "registerTime", "inviteTime", "optionsTime"),
            **_times("waitTime", "responseTime", "totalTime"),
            "problemDetail": ("probDetail", _same),
        },
        _sip,
    ),
    "rtp-server": LayerRows(
        _always("voice"),
        {
            "mos": ("mos", _fraction),
            "loss": ("loss", _fraction),
            "discards": ("discards", _fraction),
            "latency": ("latency", _milliseconds),
            "pdv": ("pdv", _milliseconds),
            "errorDetail": ("probDetail", _same),
        },
        _voice,
    ),
    "network": LayerRows(
        lambda test: "end-to-end-agent" if test.type == "agent-to-agent" else "end-to-end-server",
        {
            "loss": ("loss", _fraction),
            "avgLatency": ("avgLatency", _fraction),
            "jitter": ("jitter", _fraction),
            "availableBandwidth": ("availBwCs", _fraction),
            "capacity": ("capCs", _fraction),
            "bandwidth": ("throughput", _fraction),
            **_ERROR,
        },
        _network,
    ),
    "path-vis": LayerRows(_always("path-trace"), {}, _path, _path_detail),
    "bgp": LayerRows(
        _always("bgp"),
        {"reachability": ("reachability", _fraction), "pathChanges": ("changes", _fraction)},
        _bgp,
        _bgp_detail,
    ),
}  # fmt: skip


def row_of(layer: str, look: Look, *, detail: bool = False) -> Row | None:
    """Return what one location measured of a layer, ``None`` when it measured nothing at all."""
    rows = ROWS[layer]
    values = look.measured(rows.alert_type(look.test))
    if not values:
        return None
    row = {name: write(values[source]) for name, (source, write) in rows.fields.items() if source in values}
    if layer == "network" and "bothWaysLatency" in values:
        row["avgLatency"] = _fraction(_number(values, "bothWaysLatency"))
    row |= rows.more(look, values)
    return row | rows.detail(look, values) if detail and rows.detail is not None else row
