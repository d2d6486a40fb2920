"""What a row of test results holds, layer by layer: fields of the API read off the measures of :mod:`~..measures`.

A field names the measure it comes from and how that is written (milliseconds, per cent, Mbps ...); a measure that did
not take place leaves its field out. What no table can say stands in a function of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from simulators.engine import ids
from simulators.thousandeyes.api import shapes, webrows
from simulators.thousandeyes.api.look import (
    Fields,
    LayerRows,
    Look,
    Row,
    Values,
    bytes_per_second,
    fraction,
    fractions,
    joined,
    milliseconds,
    same,
    shares,
    times,
    whole,
    words,
)
from simulators.thousandeyes.api.testtypes import CODECS, DSCP
from simulators.thousandeyes.expression import TRACES
from simulators.thousandeyes.measures import FILE_SIZE, REASONS
from simulators.thousandeyes.model import AGENTS, Test

# -- other servers -----------------------------------------------------------------------------------------------------

_SIP_KINDS = {"None": "none", "options": "option"}


def _sip(look: Look, values: Values) -> Row:
    kind = words(values, "sipErrorType")
    return {
        "serverIp": look.server_ip,
        "availability": 100.0 if kind == "None" else 0.0,
        "numRedirects": 0,
        "errorType": _SIP_KINDS.get(kind, kind),
        **_options(look, values),
    }


def _options(look: Look, values: Values) -> Row:
    """Return the OPTIONS request and what was answered."""
    sent = look.test.body["targetSipCredentials"]
    registrar = sent.get("sipRegistrar") or look.server_ip
    asked = f"OPTIONS sip:{sent.get('user', '')}@{registrar}:{sent.get('port', 5060)} SIP/2.0"
    code = whole(values, "sipResponseCode")
    answered = f"SIP/2.0 {code} {'OK' if code == 200 else REASONS.get(code, '')}".rstrip()
    return {"optionsRequest": asked} | ({"optionsResponse": answered} if code else {})


def _dns_server(look: Look, values: Values) -> Row:
    return {"serverId": shapes.server_id(look.part), "server": look.part}


def _dns_trace(look: Look, values: Values) -> Row:
    """Return the queries of a trace: to a root server, to one of the top level, to the domain's own."""
    domain = str(look.test.body["domain"]).partition(" ")[0]
    final = f"ns1.{domain}"
    failed = bool(words(values, "probDetail"))
    spent = milliseconds(whole(look.measured("dns-server"), "delay"))
    answer = values.get("mapData", ())
    lines = [f"{domain.rpartition('.')[2]}.\t172800\tIN\tNS\ta.nic.example.", f"{domain}.\t172800\tIN\tNS\t{final}."]
    lines += [f"{domain}.\t300\tIN\tA\t{address}" for address in answer] if isinstance(answer, tuple) else []
    row: Row = {"output": "\n".join(lines), "queries": 3, "failedQueries": int(failed)}
    return row if failed else row | {"finalServerQueried": f"{final}.", "finalQueryTime": spent}


def _dnssec(look: Look, values: Values) -> Row:
    return {"isValid": not words(values, "probDetail")}


# -- networks ----------------------------------------------------------------------------------------------------------


#: Packets sent in a round: so many seconds long, so many a second.
_BURSTS, _BURST = 5, 10


def _network(look: Look, values: Values) -> Row:
    row: Row = {"server": _server(look.test), "serverIp": look.server_ip, "direction": _shown_direction(look)}
    one_way = "bothWaysLatency" if row["direction"] == "bidirectional" else "latency"
    trip = whole(values, "avgLatency") or whole(values, one_way)
    if trip:
        swing = whole(values, "jitter")
        row |= {"avgLatency": fraction(trip), "minLatency": fraction(max(trip - 2 * swing, 0))}
        row["maxLatency"] = fraction(trip + 3 * swing)
    if "loss" not in values:
        return row | {"healthScore": -1}
    lost = whole(values, "loss")
    received = (_BURSTS * _BURST * (100_000 - lost) + 50_000) // 100_000
    bursts = [received * (place + 1) // _BURSTS - received * place // _BURSTS for place in range(_BURSTS)]
    health = (100_000 - lost) * (1 - 0.5 * min(trip / 1_000_000, 1)) / 100_000
    return row | {"packetsBySecond": [[_BURST, count] for count in bursts], "healthScore": round(health, 3)}


def _shown_direction(look: Look) -> str:
    """Return the direction a row is about: the test's own, or the one that was asked for where it has both."""
    own = _direction(look.test)
    return look.direction or "to-target" if own == "bidirectional" else own


def _direction(test: Test) -> str:
    return str(test.body.get("direction", "to-target"))


def _server(test: Test) -> str:
    parts = urlsplit(test.target)
    if not parts.netloc:
        return f"{test.target}:{test.body.get('port', 80)}"
    return f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"


def _traces(look: Look, values: Values) -> list[Mapping[str, Any]]:
    """Return the traces of a round; the way back is the way there, from the other end."""
    found = list(shares(values, TRACES))
    if _shown_direction(look) != "from-target":
        return found
    return [{**trace, "hops": tuple(reversed(trace["hops"]))} for trace in found]


def _path(look: Look, values: Values) -> Row:
    """Return a round's paths, each with its end and length."""
    traces = [
        {
            "pathId": _path_id(trace),
            "ipAddress": trace["hops"][-1]["ip"] if trace["hops"] else "",
            "numberOfHops": trace["pathLength"],
            "responseTime": milliseconds(trace["hops"][-1]["hopDelay"]) if trace["hops"] else 0,
            "mss": trace["mss"],
            "pathMtu": trace["pathMtu"],
        }
        for trace in _traces(look, values)
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
                        "responseTime": milliseconds(hop["hopDelay"]),
                        **({"mpls": hop["mpls"]} if "mpls" in hop else {}),
                    }
                    for number, hop in enumerate(trace["hops"], 1)
                ],
            }
            for trace in _traces(look, values)
        ]
    }


def _path_id(trace: Mapping[str, Any]) -> str:
    return str(ids.number(0, "te.path.id", *(hop["ip"] for hop in trace["hops"])) % 10**9)


def _ends(look: Look) -> Row:
    """Return both ends of a path."""
    agent = look.view.get(AGENTS, look.location)
    row: Row = {
        "server": _server(look.test),
        "serverIp": look.server_ip,
        "direction": _shown_direction(look),
        "targetIsProxy": False,
    }
    if agent is not None and agent.ips:
        source = agent.ips[0]
        row |= {"sourceIp": source, "sourcePrefix": source.rpartition(".")[0] + ".0/24"}
    return row


def _voice(look: Look, values: Values) -> Row:
    code = str(whole(values, "dscp"))
    row: Row = {"serverIp": look.server_ip, "dscp": code, "codecMaxMos": 4.41}
    if code in DSCP:
        row["dscpName"] = DSCP[code]
    codec = CODECS.get(str(look.test.body.get("codecId", "0")))
    return row if codec is None else row | {"codecName": codec}


def _bgp(look: Look, values: Values) -> Row:
    changes = whole(values, "changes") / 1000
    lost = whole(values, "reachability") < 100_000
    return {"prefix": look.part, "prefixId": shapes.prefix_id(look.part), "updates": changes + int(lost)}


def _bgp_detail(look: Look, values: Values) -> Row:
    """Return the networks a monitor's route leads through, the monitor's own first."""
    hops = [hop["asn"] for hop in shares(values, "bgpHops")]
    return {
        "prefix": look.part,
        "prefixId": shapes.prefix_id(look.part),
        "isActive": bool(hops),
        "hops": [{"asn": asn, "asName": f"Example Network {asn}"} for asn in reversed(hops)],
    }


# -- the table ---------------------------------------------------------------------------------------------------------


def _always(alert_type: str) -> Callable[[Test], str]:
    return lambda test: alert_type


_ERROR: Fields = {"errorDetails": ("probDetail", same)}
ROWS: Mapping[str, LayerRows] = {
    "http-server": LayerRows(
        _always("http-server"),
        {
            "responseCode": ("responseCode", same),
            "numRedirects": ("redirectCount", same),
            **times("dnsTime", "connectTime", "sslTime", "waitTime", "receiveTime", "responseTime", "totalTime"),
            "wireSize": ("wireSize", same),
            "throughput": ("throughput", bytes_per_second),
            "errorType": ("errorType", same),
            **_ERROR,
        },
        webrows.http,
    ),
    "page-load": LayerRows(
        _always("page-load"),
        {
            "responseTime": ("timeToFirstByte", fraction),
            "domLoadTime": ("onContentLoadTime", milliseconds),
            "pageLoadTime": ("onLoadTime", milliseconds),
            "numErrors": ("errorCount", same),
        },
        webrows.page,
        webrows.page_detail,
    ),
    "web-transactions": LayerRows(
        _always("web-transactions"),
        {"transactionTime": ("duration", milliseconds)},
        webrows.transaction,
        webrows.transaction_detail,
    ),
    "api": LayerRows(
        _always("api"),
        {
            "apiTransactionTime": ("apiTransactionTime", fraction),
            "completion": ("apiCompletion", float),
            "errorType": ("errorType", same),
            **_ERROR,
        },
        detail=webrows.api_detail,
    ),
    "ftp-server": LayerRows(
        _always("ftp"),
        {
            "responseCode": ("ftpReplyCode", same),
            **fractions("dnsTime", "connectTime", "negotiationTime", "waitTime"),
            **fractions("responseTime", "transferTime", "totalTime"),
            "throughput": ("throughput", lambda kbps: kbps * 1000 // 8),
            "errorType": ("ftpErrorType", same),
            **_ERROR,
        },
        lambda look, values: {"serverIp": look.server_ip, "wireSize": FILE_SIZE if "throughput" in values else 0},
    ),
    "dns-server": LayerRows(
        _always("dns-server"),
        {"resolutionTime": ("delay", milliseconds), "mappings": ("mapData", joined), **_ERROR},
        _dns_server,
    ),
    "dns-trace": LayerRows(_always("dns-trace"), {"mappings": ("mapData", joined), **_ERROR}, _dns_trace),
    "dnssec": LayerRows(_always("dnssec"), _ERROR, _dnssec),
    "sip-server": LayerRows(
        _always("sip-server"),
        {
            "responseCode": ("sipResponseCode", same),
            **times("dnsTime", "connectTime", "registerTime", "inviteTime", "optionsTime"),
            **times("waitTime", "responseTime", "totalTime"),
            "problemDetail": ("probDetail", same),
        },
        _sip,
    ),
    "rtp-server": LayerRows(
        _always("voice"),
        {
            "mos": ("mos", fraction),
            "loss": ("loss", fraction),
            "discards": ("discards", fraction),
            "latency": ("latency", milliseconds),
            "pdv": ("pdv", milliseconds),
            "errorDetail": ("probDetail", same),
        },
        _voice,
    ),
    "network": LayerRows(
        lambda test: "end-to-end-agent" if test.type == "agent-to-agent" else "end-to-end-server",
        {
            "loss": ("loss", fraction),
            "jitter": ("jitter", fraction),
            "availableBandwidth": ("availBwCs", fraction),
            "capacity": ("capCs", fraction),
            "bandwidth": ("throughput", fraction),
            **_ERROR,
        },
        _network,
    ),
    "path-vis": LayerRows(_always("path-trace"), {}, _path, _path_detail),
    "bgp": LayerRows(
        _always("bgp"),
        {"reachability": ("reachability", fraction), "pathChanges": ("changes", fraction)},
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
    row |= rows.more(look, values)
    return row | rows.detail(look, values) if detail and rows.detail is not None else row
