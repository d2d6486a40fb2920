"""What rules can ask about: every metric of every alert type, with its comparison signs, unit and title.

One table drives the reader (which names, signs and units are accepted where), the judge (how many smallest units the
written unit is) and the wording of notifications. Times are kept in microseconds, shares in thousandths of a per cent,
rates in kilobits per second, sizes in bytes, scores (MOS, route changes) in thousandths.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Form(StrEnum):
    """What a metric is compared with."""

    NUMBER = "number"
    TEXT = "string"  # a quoted text
    PATTERN = "pattern"  # a regular expression, or the empty text after == and !=
    LIST = "list"  # a list in braces
    TRUTH = "truth"  # true or false
    NULL = "null"  # null: whether there is any
    FLAG = "flag"  # only as !name


ORDER = ("<", "<=", "==", "!=", ">=", ">")
SAME = ("==", "!=")
MEMBER = ("in", "!in")
MATCH = ("=~", "!~", "==", "!=")


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric: allowed comparison ``signs``, ``unit`` as written, how many smallest units one unit is, and its names.

    ``title`` is used in rules, ``label`` in measurements where the vendor spells the two differently. ``bare`` lists
    hold numbers without quotes. ``baseline`` says whether dynamic baselines exist for it.
    """

    form: Form
    signs: tuple[str, ...]
    title: str
    unit: str = ""
    scale: int = 1
    label: str = ""
    bare: bool = False
    baseline: bool = False


def _time(title: str, *, baseline: bool = True) -> Metric:
    return Metric(Form.NUMBER, ORDER, title, "ms", 1_000, baseline=baseline)


def _share(title: str) -> Metric:
    return Metric(Form.NUMBER, ORDER, title, "%", 1_000)


def _count(title: str, signs: tuple[str, ...] = ORDER, scale: int = 1) -> Metric:
    return Metric(Form.NUMBER, signs, title, scale=scale)


def _truth(title: str) -> Metric:
    return Metric(Form.TRUTH, SAME, title)


def _list(title: str, *, bare: bool = False) -> Metric:
    return Metric(Form.LIST, MEMBER, title, bare=bare)


def _kind(title: str = "Error Type", label: str = "Error type") -> Metric:
    return Metric(Form.TEXT, SAME, title, label=label)


def _error(title: str = "Error", signs: tuple[str, ...] = MATCH) -> Metric:
    return Metric(Form.PATTERN, signs, title)


Metrics = Mapping[str, Metric]

_WIRE_SIZE = Metric(Form.NUMBER, ORDER, "Wire Size", "kB", 1_000)
_THROUGHPUT = Metric(Form.NUMBER, ORDER, "Throughput", "kbps")
_DSCP = _count("DSCP", SAME)
_HOP: Metrics = {
    "hopDelay": _time("Delay", baseline=False),
    "mpls": Metric(Form.NULL, SAME, "MPLS Label"),
    "dscp": _DSCP,
    "ip": _list("IP Address"),
    "asn": _list("ASN", bare=True),
    "rdns": _list("rDNS"),
}

METRICS: Mapping[str, Metrics] = {
    "http-server": {
        "responseCode": _count("Response Code"),
        "dnsTime": _time("DNS Time"),
        "connectTime": _time("Connect Time"),
        "sslTime": _time("SSL Time"),
        "waitTime": _time("Wait Time"),
        "receiveTime": _time("Receive Time"),
        "totalTime": _time("Total Time"),
        "responseTime": _time("Response Time"),
        "errorType": _kind(),
        "clientSslAlertCode": _count("Client SSL Alert Code", SAME),
        "serverSslAlertCode": _count("Server SSL Alert Code", SAME),
        "throughput": _THROUGHPUT,
        "responseHeaders": _error("Response Headers", ("=~", "!~")),
        "probDetail": _error(),
        "redirectCount": _count("Redirect Count"),
        "wireSize": _WIRE_SIZE,
        "certificateValidity": Metric(Form.NUMBER, ORDER, "Certificate Validity", "day"),
    },
    "ftp": {
        "ftpReplyCode": _count("Reply Code"),
        "dnsTime": _time("DNS Time"),
        "connectTime": _time("Connect Time"),
        "sslTime": _time("SSL Time"),
        "negotiationTime": _time("Negotiation Time"),
        "waitTime": _time("Wait Time"),
        "transferTime": _time("Transfer Time"),
        "totalTime": _time("Total Time"),
        "responseTime": _time("Response Time"),
        "ftpErrorType": _kind(),
        "throughput": _THROUGHPUT,
        "probDetail": _error(),
    },
    "end-to-end-server": {
        "loss": _share("Packet Loss"),
        "avgLatency": _time("Latency"),
        "jitter": _time("Jitter"),
        "availBwCs": Metric(Form.NUMBER, ORDER, "Available Bandwidth", "Mbps", 1_000),
        "capCs": Metric(Form.NUMBER, ORDER, "Capacity", "Mbps", 1_000),
        "probDetail": _error(),
    },
    "end-to-end-agent": {
        "loss": _share("Packet Loss"),
        "latency": _time("Latency"),
        "jitter": _time("Jitter"),
        "throughput": Metric(Form.NUMBER, ORDER, "Throughput", "Mbps", 1_000),
        "probDetail": _error(),
        "dscp": _DSCP,
        "bothWaysLoss": _share("Packet Loss (either direction)"),
        "bothWaysLatency": _time("Latency (either direction)"),
        "bothWaysJitter": _time("Jitter (either direction)"),
        "bothWaysThroughput": Metric(Form.NUMBER, ORDER, "Throughput (either direction)", "Mbps", 1_000),
        "bothWaysProbDetail": _error("Error (either direction)"),
    },
    "page-load": {
        "pageLoaded": Metric(Form.FLAG, ("!",), "Page Load"),
        "pageLoadHasError": _truth("Page Load has an error"),
        "pageLoadTimedOut": _truth("Page Load timed out"),
        "timeToFirstByte": _time("Response Time"),
        "onContentLoadTime": _time("DOM Load Time"),
        "onLoadTime": _time("Page Load Time"),
        "errorCount": _count("Error Count"),
        "wireSize": _WIRE_SIZE,
    },
    "web-transactions": {
        "duration": _time("Transaction Time"),
        "assertError": _error("Assertion Error"),
        "probDetail": _error(),
        "txCompletionFinished": _truth("Transaction finished"),
        "txCompletionHasError": _truth("Transaction has an error"),
        "txCompletionHasInternalError": _truth("Transaction has an internal error"),
        "txCompletionTimedOut": _truth("Transaction timed out"),
    },
    "api": {
        "apiCompletion": _count("Completion"),
        "apiTransactionTime": _time("Transaction Time"),
        "errorType": _kind(),
        "probDetail": _error(),
    },
    "dns-server": {
        "delay": _time("Resolution Time"),
        "probDetail": _error(),
        "mapData": _list("Mapping"),
    },
    "dns-trace": {
        "probDetail": _error(),
        "mapData": _list("Mapping"),
    },
    "dnssec": {"probDetail": Metric(Form.PATTERN, MATCH, "Error", label="Error details")},
    "voice": {
        "mos": _count("MOS", scale=1_000),
        "loss": _share("Packet Loss"),
        "discards": _share("Discards"),
        "latency": _time("Latency"),
        "pdv": _time("PDV"),
        "dscp": _DSCP,
        "probDetail": _error(),
    },
    "sip-server": {
        "sipResponseCode": _count("Response Code"),
        "sipErrorType": _kind(),
        "dnsTime": _time("DNS Time"),
        "connectTime": _time("Connect Time"),
        "registerTime": _time("Register Time"),
        "inviteTime": _time("Invite Time"),
        "optionsTime": _time("Options Time"),
        "waitTime": _time("Wait Time"),
        "responseTime": _time("Response Time"),
        "sipResponseTime": _time("Response Time"),
        "totalTime": _time("Total Time"),
        "probDetail": _error(),
    },
    "path-trace": {
        "serverIp": _list("Server IP"),
        "mss": Metric(Form.NUMBER, ORDER, "MSS", "B"),
        "pathMtu": Metric(Form.NUMBER, ORDER, "Path MTU", "B"),
        "pathLength": _count("Path Length"),
        "isTerminal": _truth("Trace ends before the target"),
    },
    "bgp": {
        "reachability": _share("Reachability"),
        "changes": _count("Path Changes", scale=1_000),
        "prefix": _list("Prefix"),
        "subprefix": _list("Covered Prefix"),
    },
    "agent": {
        "lastContact": Metric(Form.NUMBER, ORDER, "Last Contact", "min", 60),
        "clockOffset": Metric(Form.NUMBER, ORDER, "Clock Offset", "s"),
    },
}

#: Alert type -> name of a group of parts -> the metrics of one part.
PARTS: Mapping[str, Mapping[str, Metrics]] = {
    "page-load": {
        "components": {
            "domain": _list("Domain"),
            "totalTime": _time("Total Time", baseline=False),
            "blockedTime": _time("Blocked Time", baseline=False),
            "dnsTime": _time("DNS Time", baseline=False),
            "connectTime": _time("Connect Time", baseline=False),
            "waitTime": _time("Wait Time", baseline=False),
            "receiveTime": _time("Receive Time", baseline=False),
            "sslTime": _time("SSL Time", baseline=False),
            "componentLoaded": _count("Component Loaded", SAME),
        }
    },
    "web-transactions": {
        "webPages": {
            "onContentLoadTime": _time("DOM Load Time", baseline=False),
            "webTxOnLoadTime": _time("Page Load Time", baseline=False),
            "webTxResponseTime": _time("Response Time", baseline=False),
            "webTxPageLoadError": _error("Page Load Error"),
        },
        "marker": {
            "markerName": Metric(Form.TEXT, ("==",), "Marker"),
            "markerDuration": _time("Marker Duration", baseline=False),
        },
    },
    "path-trace": {"hops": _HOP, "noHops": _HOP},
    "bgp": {
        "bgpHops": {"asn": _list("ASN", bare=True)},
        "noBgpHops": {"asn": _list("ASN", bare=True)},
    },
}

#: What a scope in brackets can ask about: everywhere the location, for routes also the length of the prefix.
SCOPES: Mapping[str, Metrics] = {
    "": {"locationId": _list("Location")},
    "bgp": {
        "locationId": _list("Monitor"),
        "prefixLengthIPv4": _count("IPv4 Prefix Length"),
        "prefixLengthIPv6": _count("IPv6 Prefix Length"),
    },
}

#: Groups of parts that are violated when *no* part meets the condition.
NEGATED = {"noHops": "hops", "noBgpHops": "bgpHops"}
GROUPS = ("components", "webPages", "hops", "noHops", "bgpHops", "noBgpHops")
#: Spellings of an alert type that mean another one.
SYNONYMS = {"transactions": "web-transactions", "web-transaction": "web-transactions", "ftp-server": "ftp"}


def metrics_for(alert_type: str) -> Metrics | None:
    """Return the metrics of an alert type, or ``None`` when they are not known (the grammar alone is checked then)."""
    return METRICS.get(SYNONYMS.get(alert_type, alert_type))


def parts_for(alert_type: str) -> Mapping[str, Metrics]:
    """Return the groups of parts of an alert type, with the metrics of a part."""
    return PARTS.get(SYNONYMS.get(alert_type, alert_type), {})
