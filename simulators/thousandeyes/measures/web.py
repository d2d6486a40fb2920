"""What web tests measure: a server's answer, a page, a transaction of pages, a chain of API calls."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from simulators.engine import ids
from simulators.thousandeyes.expression import NO_ERROR
from simulators.thousandeyes.measures.requests import (
    NONE,
    REASONS,
    Request,
    first_byte,
    handshake,
    is_right,
    layer_of,
    spent,
    throughput,
)
from simulators.thousandeyes.medium import Medium, certificate_days

WIRE_SIZE = 48_200
PAGE_SIZE = 1_640_000
COMPONENTS = 12
PAGES = 3

_HTTP = Request()


def _http_headers(medium: Medium) -> str | None:
    if _HTTP.failure(medium):
        return None
    code = _HTTP.code(medium)
    return f"HTTP/1.1 {code} {'OK' if code == 200 else REASONS.get(code, '')}".rstrip()


def _alert_code(medium: Medium) -> int:
    failure = _HTTP.failure(medium)
    return 45 if failure is not None and failure.error_type == "SSL" else 0


HTTP_SERVER = layer_of(
    _HTTP,
    {
        "dnsTime": _HTTP.phase(1, lambda m: m.dns),
        "connectTime": _HTTP.phase(2, lambda m: m.connect),
        "sslTime": handshake(_HTTP),
        "waitTime": _HTTP.phase(4, lambda m: m.wait),
        "receiveTime": _HTTP.phase(5, lambda m: m.receive),
        "responseTime": _HTTP.phase(5, first_byte),
        "throughput": _HTTP.phase(5, throughput(WIRE_SIZE)),
        "wireSize": _HTTP.phase(5, lambda m: WIRE_SIZE),
        "totalTime": _HTTP.whole,
        "responseCode": _HTTP.code,
        "errorType": _HTTP.kind,
        "probDetail": _HTTP.detail,
        "redirectCount": lambda m: 0,
        "responseHeaders": _http_headers,
        "clientSslAlertCode": _alert_code,
        "serverSslAlertCode": lambda m: 0,
        "certificateValidity": lambda m: certificate_days(m) if m.probe.target.secure else None,
    },
)


def _dom(medium: Medium) -> int:
    return first_byte(medium) + 2 * medium.connect + 2 * medium.wait + 4 * medium.receive


def _on_load(medium: Medium) -> int:
    return _dom(medium) + 2 * medium.connect + medium.wait + 6 * medium.receive


_PAGE = Request(total=_on_load)


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
    target = medium.probe.target
    found = []
    for place, domain in enumerate(_domains(target.seed, target.test, target.address)):
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


PAGE_LOAD = layer_of(
    _PAGE,
    {
        "timeToFirstByte": _PAGE.phase(5, first_byte),
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


_TRANSACTION = Request(total=_duration)


def _transaction_error(medium: Medium) -> str:
    return NO_ERROR if medium.content else _TRANSACTION.detail(medium)


def _assertion(medium: Medium) -> str:
    wrong = medium.content and not _TRANSACTION.failure(medium) and is_right(medium)
    return "Assertion failed: the page is not the expected one" if wrong else NO_ERROR


def _pages(medium: Medium) -> tuple[Mapping[str, Any], ...]:
    if _TRANSACTION.failure(medium):
        return ({"webTxPageLoadError": _TRANSACTION.detail(medium)},)
    error = NO_ERROR if is_right(medium) else _TRANSACTION.detail(medium)
    page = {
        "onContentLoadTime": _dom(medium),
        "webTxOnLoadTime": _on_load(medium),
        "webTxResponseTime": first_byte(medium),
        "webTxPageLoadError": error,
    }
    return (page,) * PAGES


def _markers(medium: Medium) -> tuple[Mapping[str, Any], ...]:
    if _TRANSACTION.kind(medium) != NONE:
        return ()
    names = medium.probe.target.names or ("Page 1",)
    return tuple({"markerName": name, "markerDuration": _duration(medium) // len(names)} for name in names)


WEB_TRANSACTIONS = layer_of(
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
    return max(len(medium.probe.target.names), 1)


def _api_time(medium: Medium) -> int:
    return _steps(medium) * spent(medium)


_API = Request(total=_api_time)


def _completion(medium: Medium) -> int:
    """Return the percentage of steps that were done: a failing assertion is that of the last step."""
    if _API.kind(medium) == NONE:
        return 100
    return 100 * (_steps(medium) - 1) // _steps(medium) if _API.kind(medium) == "Content" else 0


API = layer_of(
    _API,
    {
        "apiCompletion": _completion,
        "apiTransactionTime": _API.whole,
        "errorType": _API.kind,
        "probDetail": _API.detail,
    },
)
