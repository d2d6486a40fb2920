"""What tests measure: per alert type a table from metric to a function of the medium.

The same tables serve the alerts and the test results. ``None`` means that a metric was not measured, because the
request ended before. Every measure either only rises or only falls as the medium gets worse, so that over many rounds
it lies between its values for the best and the worst medium; where the *kind* of outcome may differ between the two,
:attr:`Layer.outcome` differs, and nothing is said.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from simulators.engine import ids
from simulators.thousandeyes import routes
from simulators.thousandeyes.expression import NO_ERROR, TRACES
from simulators.thousandeyes.medium import ALL, Medium
from simulators.thousandeyes.model import Trouble

Measure = Callable[[Medium], Any]

NONE = "None"
WIRE_SIZE = 48_200
PAGE_SIZE = 1_640_000
COMPONENTS = 12
PAGES = 3
#: Status texts as they appear in an alert's error detail.
REASONS = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 408: "Request Timeout",
           429: "Too Many Requests", 480: "Temporarily Unavailable", 486: "Busy Here", 500: "Internal Server Error",
           502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout", 530: "Not logged in"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Layer:
    """One alert type: its measures, and what decides of what kind an outcome is."""

    measures: Mapping[str, Measure]
    outcome: Callable[[Medium], tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Failure:
    """How an early end shows: error type, its text, and the last phase that took place (1 DNS ... 4 wait)."""

    error_type: str
    detail: str
    phases: int


#: What ends a request early, the earliest phase first; a status is an answer, not an early end.
FAILURES: Mapping[Trouble, Failure] = {
    Trouble.DNS: Failure("DNS", "Could not resolve the host name", 1),
    Trouble.CONNECT: Failure("Connect", "Failed to connect to the host", 2),
    Trouble.TLS: Failure("SSL", "The server certificate has expired", 3),
    Trouble.TIMEOUT: Failure("Receive", "Operation timed out", 4),
}


# -- requests in general -----------------------------------------------------------------------------------------------


def _spent(medium: Medium) -> int:
    return medium.dns + medium.connect + medium.ssl + medium.wait + medium.receive


def _failure(medium: Medium, total: int) -> Failure | None:
    """Return what ends a request of ``total`` microseconds early: the earliest phase wins."""
    found = medium.failing
    if medium.loss >= ALL:
        found = (*found, Trouble.CONNECT)
    failure: Failure | None = None
    for kind in found:
        if kind is Trouble.TLS and not medium.probe.secure:
            continue
        candidate = FAILURES[kind]
        if failure is None or candidate.phases < failure.phases:
            failure = candidate
    if failure is None and total > medium.probe.limit:
        return FAILURES[Trouble.TIMEOUT]
    return failure


def _right(medium: Medium, healthy: int = 200) -> bool:
    status = medium.status or healthy
    return status == medium.probe.desired if medium.probe.desired else status < 400


def _reason(status: int) -> str:
    return f"{status} {REASONS.get(status, 'Error')}"


@dataclass(frozen=True, slots=True)
class _Request:
    """How requests of one protocol go: the status of a healthy answer, what a wrong one is called, and its length."""

    healthy: int = 200
    wrong: str = "HTTP"
    none: str = NONE
    total: Measure = _spent

    def failure(self, medium: Medium) -> Failure | None:
        return _failure(medium, self.total(medium))

    def code(self, medium: Medium) -> int:
        return 0 if self.failure(medium) else medium.status or self.healthy

    def kind(self, medium: Medium) -> str:
        failure = self.failure(medium)
        if failure is not None:
            return failure.error_type
        if not _right(medium, self.healthy):
            return self.wrong
        return "Content" if medium.content else self.none

    def detail(self, medium: Medium) -> str:
        failure = self.failure(medium)
        if failure is not None:
            return failure.detail
        if not _right(medium, self.healthy):
            return _reason(medium.status or self.healthy)
        return "The content does not match" if medium.content else NO_ERROR

    def outcome(self, medium: Medium) -> tuple[Any, ...]:
        return self.failure(medium), medium.status, medium.content, medium.components

    def phase(self, number: int, of: Measure) -> Measure:
        """Return a measure of the ``number``-th phase: missing when the request ended before."""

        def measure(medium: Medium) -> int | None:
            failure = self.failure(medium)
            if failure is None or number < failure.phases:
                return int(of(medium))
            if number > failure.phases:
                return None
            if failure.error_type == "Receive":
                return max(medium.probe.limit - medium.dns - medium.connect - medium.ssl, 0)
            return int(of(medium))

        return measure

    def whole(self, medium: Medium) -> int:
        """The time of the whole request, up to its early end."""
        failure = self.failure(medium)
        if failure is None:
            return int(self.total(medium))
        if failure.error_type == "Receive":
            return medium.probe.limit
        return (medium.dns, medium.dns + medium.connect, medium.dns + medium.connect + medium.ssl)[failure.phases - 1]


def _layer(request: _Request, measures: Mapping[str, Measure]) -> Layer:
    return Layer(measures, request.outcome)


def _handshake(request: _Request) -> Measure:
    phase = request.phase(3, lambda m: m.ssl)
    return lambda m: phase(m) if m.probe.secure else None


# -- web ---------------------------------------------------------------------------------------------------------------

_HTTP = _Request()


def _first_byte(medium: Medium) -> int:
    return medium.dns + medium.connect + medium.ssl + medium.wait


def _http_headers(medium: Medium) -> str | None:
    if _HTTP.failure(medium):
        return None
    code = _HTTP.code(medium)
    return f"HTTP/1.1 {code} {'OK' if code == 200 else REASONS.get(code, '')}".rstrip()


def _alert_code(medium: Medium) -> int:
    failure = _HTTP.failure(medium)
    return 45 if failure is not None and failure.error_type == "SSL" else 0


def _throughput(size: int) -> Measure:
    def measure(medium: Medium) -> int:
        return size * 8 * 1000 // max(_spent(medium), 1)

    return measure


HTTP_SERVER = _layer(
    _HTTP,
    {
        "dnsTime": _HTTP.phase(1, lambda m: m.dns),
        "connectTime": _HTTP.phase(2, lambda m: m.connect),
        "sslTime": _handshake(_HTTP),
        "waitTime": _HTTP.phase(4, lambda m: m.wait),
        "receiveTime": _HTTP.phase(5, lambda m: m.receive),
        "responseTime": _HTTP.phase(5, _first_byte),
        "throughput": _HTTP.phase(5, _throughput(WIRE_SIZE)),
        "wireSize": _HTTP.phase(5, lambda m: WIRE_SIZE),
        "totalTime": _HTTP.whole,
        "responseCode": _HTTP.code,
        "errorType": _HTTP.kind,
        "probDetail": _HTTP.detail,
        "redirectCount": lambda m: 0,
        "responseHeaders": _http_headers,
        "clientSslAlertCode": _alert_code,
        "serverSslAlertCode": lambda m: 0,
        "certificateValidity": lambda m: m.days if m.probe.secure else None,
    },
)


def _dom(medium: Medium) -> int:
    return _first_byte(medium) + 2 * medium.connect + 2 * medium.wait + 4 * medium.receive


def _on_load(medium: Medium) -> int:
    return _dom(medium) + 2 * medium.connect + medium.wait + 6 * medium.receive


_PAGE = _Request(total=_on_load)


def _page_failed(medium: Medium) -> bool:
    return _PAGE.kind(medium) != NONE


def _timed_out(medium: Medium) -> int:
    failure = _PAGE.failure(medium)
    return int(failure is not None and failure.error_type == "Receive")


def _errors(medium: Medium) -> int:
    return 1 if _page_failed(medium) else medium.components


@functools.lru_cache(maxsize=4096)
def _domains(seed: int, test: str, target: str) -> tuple[str, ...]:
    """Return the domains a page's components come from: the target's own, and those of others."""
    own = target.partition("://")[2].partition("/")[0] or "www.example.com"
    others = ("cdn.example.net", "fonts.example.org", "metrics.example.net", "img.cdn.example")
    first = ids.number(seed, "te.components", test)
    return tuple(own if place % 3 == 0 else others[(first + place) % len(others)] for place in range(COMPONENTS))


def _components(medium: Medium) -> tuple[Mapping[str, Any], ...] | None:
    """Return a page's components; the last ones are those that fail to load."""
    if _PAGE.failure(medium):
        return None
    probe = medium.probe
    found = []
    for place, domain in enumerate(_domains(probe.seed, probe.test, probe.target)):
        wait, receive = medium.wait * (2 + place % 3) // 6, medium.receive * (1 + place % 4) // 2
        found.append(
            {
                "domain": domain,
                "blockedTime": 1_000 * (place % 5),
                "dnsTime": medium.dns,
                "connectTime": medium.connect,
                "sslTime": medium.ssl,
                "waitTime": wait,
                "receiveTime": receive,
                "totalTime": 1_000 * (place % 5) + medium.dns + medium.connect + medium.ssl + wait + receive,
                "componentLoaded": int(place < COMPONENTS - medium.components and not _page_failed(medium)),
            }
        )
    return tuple(found)


PAGE_LOAD = _layer(
    _PAGE,
    {
        "timeToFirstByte": _PAGE.phase(5, _first_byte),
        "onContentLoadTime": _PAGE.phase(5, _dom),
        "onLoadTime": _PAGE.phase(5, _on_load),
        "pageLoaded": lambda m: int(not _page_failed(m)),
        "pageLoadHasError": lambda m: int(_errors(m) > 0),
        "pageLoadTimedOut": _timed_out,
        "errorCount": _errors,
        "wireSize": _PAGE.phase(5, lambda m: PAGE_SIZE),
        "components": _components,
    },
)


def _duration(medium: Medium) -> int:
    return PAGES * _on_load(medium)


_TRANSACTION = _Request(total=_duration)


def _transaction_error(medium: Medium) -> str:
    return NO_ERROR if medium.content else _TRANSACTION.detail(medium)


def _assertion(medium: Medium) -> str:
    wrong = medium.content and not _TRANSACTION.failure(medium) and _right(medium)
    return "Assertion failed: the page is not the expected one" if wrong else NO_ERROR


def _pages(medium: Medium) -> tuple[Mapping[str, Any], ...]:
    if _TRANSACTION.failure(medium):
        return ({"webTxPageLoadError": _TRANSACTION.detail(medium)},)
    error = NO_ERROR if _right(medium) else _TRANSACTION.detail(medium)
    page = {
        "onContentLoadTime": _dom(medium),
        "webTxOnLoadTime": _on_load(medium),
        "webTxResponseTime": _first_byte(medium),
        "webTxPageLoadError": error,
    }
    return (page,) * PAGES


def _markers(medium: Medium) -> tuple[Mapping[str, Any], ...]:
    if _TRANSACTION.kind(medium) != NONE:
        return ()
    names = medium.probe.names or ("Page 1",)
    return tuple({"markerName": name, "markerDuration": _duration(medium) // len(names)} for name in names)


WEB_TRANSACTIONS = _layer(
    _TRANSACTION,
    {
        "duration": _TRANSACTION.whole,
        "assertError": _assertion,
        "probDetail": _transaction_error,
        "txCompletionFinished": lambda m: int(_TRANSACTION.kind(m) == NONE),
        "txCompletionHasError": lambda m: int(_TRANSACTION.kind(m) != NONE),
        "txCompletionHasInternalError": lambda m: 0,
        "txCompletionTimedOut": lambda m: int((f := _TRANSACTION.failure(m)) is not None and f.error_type == "Receive"),
        "webPages": _pages,
        "marker": _markers,
    },
)


def _steps(medium: Medium) -> int:
    return max(len(medium.probe.names), 1)


def _api_time(medium: Medium) -> int:
    return _steps(medium) * _spent(medium)


_API = _Request(total=_api_time)


def _completion(medium: Medium) -> int:
    """Return the percentage of steps that were done: a failing assertion is that of the last step."""
    if _API.kind(medium) == NONE:
        return 100
    return 100 * (_steps(medium) - 1) // _steps(medium) if _API.kind(medium) == "Content" else 0


API = _layer(
    _API,
    {
        "apiCompletion": _completion,
        "apiTransactionTime": _API.whole,
        "errorType": _API.kind,
        "probDetail": _API.detail,
    },
)


# -- other servers -----------------------------------------------------------------------------------------------------

_FTP = _Request(healthy=226, wrong="Reply")

FTP = _layer(
    _FTP,
    {
        "ftpReplyCode": _FTP.code,
        "dnsTime": _FTP.phase(1, lambda m: m.dns),
        "connectTime": _FTP.phase(2, lambda m: m.connect),
        "sslTime": _handshake(_FTP),
        "negotiationTime": _FTP.phase(4, lambda m: 2 * m.connect),
        "waitTime": _FTP.phase(4, lambda m: m.wait),
        "transferTime": _FTP.phase(5, lambda m: m.receive),
        "totalTime": _FTP.whole,
        "responseTime": _FTP.phase(5, _first_byte),
        "ftpErrorType": _FTP.kind,
        "throughput": _FTP.phase(5, _throughput(WIRE_SIZE)),
        "probDetail": _FTP.detail,
    },
)

_SIP = _Request(wrong="options")
_SIP_KINDS = {"DNS": "dns", "Connect": "connect", "SSL": "ssl", "Receive": "options", "Content": "options"}


def _sip_kind(medium: Medium) -> str:
    kind = _SIP.kind(medium)
    return _SIP_KINDS.get(kind, kind)


SIP_SERVER = _layer(
    _SIP,
    {
        "sipResponseCode": _SIP.code,
        "sipErrorType": _sip_kind,
        "dnsTime": _SIP.phase(1, lambda m: m.dns),
        "connectTime": _SIP.phase(2, lambda m: m.connect),
        "registerTime": _SIP.phase(5, lambda m: m.connect + m.wait // 3),
        "inviteTime": _SIP.phase(5, lambda m: m.connect + m.wait // 2),
        "optionsTime": _SIP.phase(5, lambda m: m.connect + m.wait // 4),
        "waitTime": _SIP.phase(4, lambda m: m.wait),
        "responseTime": _SIP.phase(5, _first_byte),
        "sipResponseTime": _SIP.phase(5, _first_byte),
        "totalTime": _SIP.whole,
        "probDetail": _SIP.detail,
    },
)


def _resolution(medium: Medium) -> int:
    return medium.dns + medium.trip


_RESOLVE = _Request(total=_resolution)


def _answered(medium: Medium) -> bool:
    return _RESOLVE.failure(medium) is None


def _resolve_error(medium: Medium) -> str:
    return NO_ERROR if _answered(medium) else _RESOLVE.detail(medium)


def _addresses(medium: Medium) -> tuple[str, ...] | None:
    if not _answered(medium):
        return None
    return (routes.address_of(medium.probe.seed, medium.probe.target, stray=medium.mapping),)


def _resolve_outcome(medium: Medium) -> tuple[Any, ...]:
    return _RESOLVE.failure(medium), medium.mapping


def _signature(medium: Medium) -> str:
    if _answered(medium) and medium.mapping:
        return f"No DNSSEC public key(s) for {medium.probe.target.partition(' ')[0]}"
    return _resolve_error(medium)


DNS_SERVER = Layer(
    {
        "delay": lambda m: _resolution(m) if _answered(m) else None,
        "probDetail": _resolve_error,
        "mapData": _addresses,
    },
    _resolve_outcome,
)
DNS_TRACE = Layer({"probDetail": _resolve_error, "mapData": _addresses}, _resolve_outcome)
DNSSEC = Layer({"probDetail": _signature}, _resolve_outcome)


# -- networks ----------------------------------------------------------------------------------------------------------


def _unresolved(medium: Medium) -> bool:
    return Trouble.DNS in medium.failing


def _lost(medium: Medium) -> int | None:
    if _unresolved(medium):
        return None
    return ALL if Trouble.CONNECT in medium.failing else medium.loss


def _reached(of: Measure) -> Measure:
    """Return a measure of packets that came back; none came back when all were lost."""

    def measure(medium: Medium) -> int | None:
        gone = _unresolved(medium) or Trouble.CONNECT in medium.failing or medium.loss >= ALL
        return None if gone else int(of(medium))

    return measure


def _network_error(medium: Medium) -> str:
    return FAILURES[Trouble.DNS].detail if _unresolved(medium) else NO_ERROR


def _network_outcome(medium: Medium) -> tuple[Any, ...]:
    return _unresolved(medium), Trouble.CONNECT in medium.failing, medium.loss >= ALL, medium.dscp


def _left(kbps: int) -> Measure:
    """Return how much of a bandwidth is left."""

    def measure(medium: Medium) -> int | None:
        return kbps * (ALL - min(medium.congestion, ALL)) // ALL if medium.probe.bandwidth else None

    return measure


END_TO_END_SERVER = Layer(
    {
        "loss": _lost,
        "avgLatency": _reached(lambda m: m.trip),
        "jitter": _reached(lambda m: m.jitter),
        "availBwCs": _left(80_000),
        "capCs": _left(100_000),
        "probDetail": _network_error,
    },
    _network_outcome,
)

END_TO_END_AGENT = Layer(
    {
        "loss": _lost,
        "latency": _reached(lambda m: m.trip // 2),
        "jitter": _reached(lambda m: m.jitter),
        "throughput": _left(40_000),
        "probDetail": _network_error,
        "dscp": lambda m: m.dscp,
        "bothWaysLoss": _lost,
        "bothWaysLatency": _reached(lambda m: m.trip),
        "bothWaysJitter": _reached(lambda m: m.jitter),
        "bothWaysThroughput": _left(40_000),
        "bothWaysProbDetail": _network_error,
    },
    _network_outcome,
)


def _discards(medium: Medium) -> int:
    """Return the share of packets that come too late for the jitter buffer."""
    return min(max(medium.jitter - 40_000, 0), 200_000) * ALL // 200_000


def _mos(medium: Medium) -> int:
    """Return the mean opinion score in thousandths, 4.41 at best, falling with loss, discards and latency."""
    harm = (medium.loss + _discards(medium)) * 12 // 100 + max(medium.trip // 2 - 150_000, 0) * 4 // 1_000
    return max(4_410 - harm, 1_000)


VOICE = Layer(
    {
        "mos": _reached(_mos),
        "loss": _lost,
        "discards": _reached(_discards),
        "latency": _reached(lambda m: m.trip // 2),
        "pdv": _reached(lambda m: m.jitter),
        "dscp": lambda m: m.dscp,
        "probDetail": lambda m: (
            "The call could not be established" if m.loss >= ALL or Trouble.CONNECT in m.failing else _network_error(m)
        ),
    },
    _network_outcome,
)


def _path_outcome(medium: Medium) -> tuple[Any, ...]:
    """Which traces a router drops is each round's own affair, so two rounds never have the same outcome then."""
    drawn = medium.instant if 0 < medium.hop_loss < ALL else 0
    return (*_network_outcome(medium), medium.hop_loss, medium.hop, drawn, medium.changes, medium.mtu, medium.mapping)


PATH_TRACE = Layer({TRACES: lambda m: None if _unresolved(m) else routes.traces(m)}, _path_outcome)


# -- routing and agents ------------------------------------------------------------------------------------------------


def _covered(medium: Medium) -> bool:
    return medium.probe.part != medium.probe.target


BGP = Layer(
    {
        "reachability": lambda m: ALL - min(m.withdrawn, ALL),
        "changes": lambda m: 1_000 * m.changes,
        "prefix": lambda m: None if _covered(m) else m.probe.part,
        "subprefix": lambda m: m.probe.part if _covered(m) else None,
        "bgpHops": lambda m: routes.as_path(m) if m.withdrawn < ALL else None,
    },
    lambda m: (m.changes, m.hijacker, m.withdrawn >= ALL),
)

AGENT = Layer(
    {"lastContact": lambda m: m.silent or 0, "clockOffset": lambda m: m.clock},
    lambda m: (),
)

LAYERS: Mapping[str, Layer] = {
    "http-server": HTTP_SERVER,
    "page-load": PAGE_LOAD,
    "web-transactions": WEB_TRANSACTIONS,
    "api": API,
    "ftp": FTP,
    "sip-server": SIP_SERVER,
    "dns-server": DNS_SERVER,
    "dns-trace": DNS_TRACE,
    "dnssec": DNSSEC,
    "end-to-end-server": END_TO_END_SERVER,
    "end-to-end-agent": END_TO_END_AGENT,
    "voice": VOICE,
    "path-trace": PATH_TRACE,
    "bgp": BGP,
    "agent": AGENT,
}
