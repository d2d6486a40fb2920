"""Results of web tests: a server's answer with its certificates, pages and their archives, transactions, API steps.

Archives are in the HTTP archive format 1.2: one page, and one entry for each component the layer's measures tell of, so
what an archive shows is what rules about components look at.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from simulators.engine import instants
from simulators.engine.instants import DAY
from simulators.thousandeyes.api.look import Look, Row, Values, fraction, milliseconds, shares, whole, words
from simulators.thousandeyes.api.rest import iso
from simulators.thousandeyes.measures import PAGE_SIZE, REASONS
from simulators.thousandeyes.medium import LIFE
from simulators.thousandeyes.model import Test

_MIME = ("text/html", "application/javascript", "image/png", "text/css")
#: Milliseconds an API step takes beside its call.
_PROCESSING = 2


# -- a server's answer -------------------------------------------------------------------------------------------------


def http(look: Look, values: Values) -> Row:
    """Return what an answer has beside its times: health, and the headers and certificates that were asked for."""
    row: Row = {"serverIp": look.server_ip, "redirectTime": 0, "healthScore": _health(look, values)}
    if "sslTime" in values:
        row |= {"sslVersion": "TLSv1.3", "sslCipher": "TLS_AES_256_GCM_SHA384"}
        if "certificate" in look.expand and "certificateValidity" in values:
            row["sslCertificates"] = [_certificate(look, whole(values, "certificateValidity"))]
    if "header" in look.expand:
        row["headers"] = _headers(look.test, values)
    return row


def _health(look: Look, values: Values) -> float:
    """Return how healthy an answer is: nothing after an error, else the less the longer it took (assumed)."""
    if words(values, "errorType") != "None":
        return 0.0
    limit = int(look.test.body.get("httpTimeLimit") or 5) * instants.SECOND
    return round(1 - 0.5 * min(whole(values, "totalTime") / limit, 1), 3)


def _headers(test: Test, values: Values) -> Row:
    parts, code = urlsplit(test.target), whole(values, "responseCode")
    asked = f"GET {parts.path or '/'} HTTP/1.1\r\nHost: {parts.netloc}\r\nAccept: */*"
    answered = f"HTTP/1.1 {code} {'OK' if code == 200 else REASONS.get(code, '')}".rstrip()
    return {"requestHeaders": asked, "responseHeaders": answered if code else ""}


def _certificate(look: Look, days: int) -> Row:
    """Return the server's certificate, as valid as rules about its validity find it."""
    name = urlsplit(look.test.target).hostname or look.test.target
    until = look.start // DAY * DAY + days * DAY
    return {
        "daysUntilExpiry": days,
        "isFetchDateInValidCertDateRange": until > look.start,
        "hasValidSigningCert": True,
        "issuerName": "Example Issuing CA",
        "validAfter": iso(until - max(LIFE, days + 1) * DAY),
        "validBefore": iso(until),
        "subjectAlternativeNames": [name],
        "subjectName": name,
    }


# -- pages -------------------------------------------------------------------------------------------------------------


def page(look: Look, values: Values) -> Row:
    """Return the size of a page."""
    found = shares(values, "components")
    return {"numObjects": len(found), "totalSize": PAGE_SIZE if "wireSize" in values else 0}


def page_detail(look: Look, values: Values) -> Row:
    """Return a page load's archive."""
    return {"har": _archive(look, values, "Page 1")}


def _archive(look: Look, values: Values, title: str) -> Row:
    begun = instants.iso_milliseconds(look.start)
    timings = {"onContentLoad": _passed(values, "onContentLoadTime"), "onLoad": _passed(values, "onLoadTime")}
    found = shares(values, "components")
    entries = [_entry(look, place, entry, len(found)) for place, entry in enumerate(found)] or [_failed(look)]
    return {
        "log": {
            "version": "1.2",
            "creator": {"name": "ThousandEyes DB Exporter", "version": "1.0"},
            "pages": [{"id": "page_0", "startedDateTime": begun, "title": title, "pageTimings": timings}],
            "entries": entries,
        }
    }


def _passed(values: Values, name: str) -> float:
    """Return a time of a page, -1 when it never came to that."""
    return fraction(whole(values, name)) if name in values else -1


def _entry(look: Look, place: int, component: Mapping[str, Any], count: int) -> Row:
    """Return one component; the first one is the page itself."""
    loaded = bool(component["componentLoaded"])
    url = look.test.target if place == 0 else f"https://{component['domain']}/assets/{place}"
    code = whole(look.measured("http-server"), "responseCode") if place == 0 else 200 if loaded else 0
    size = PAGE_SIZE // count + (PAGE_SIZE % count if place == 0 else 0)
    phases = {"blocked": "blockedTime", "dns": "dnsTime", "connect": "connectTime", "ssl": "sslTime",
              "wait": "waitTime", "receive": "receiveTime"}  # fmt: skip
    timings = {name: fraction(component[source]) for name, source in phases.items()} | {"send": 0.0}
    mime = _MIME[place % len(_MIME)] if loaded else "x-unknown"
    return _exchange(look, url, code, fraction(component["totalTime"]), timings, size if loaded else 0, mime)


def _failed(look: Look) -> Row:
    """Return the request that failed before there was a page."""
    values = look.measured("http-server")
    phases = ("dnsTime", "connectTime", "sslTime", "waitTime", "receiveTime")
    timings = {name.removesuffix("Time"): fraction(whole(values, name)) for name in phases} | {"blocked": -1, "send": 0}
    url = look.test.target
    shown = _exchange(look, url, 0, fraction(whole(values, "totalTime")), timings, 0, "x-unknown")
    return shown | {"_error": words(values, "probDetail")}


def _exchange(look: Look, url: str, code: int, time: float, timings: Row, size: int, mime: str) -> Row:
    version = "h2" if look.test.body.get("httpVersion", 2) == 2 else "http/1.1"
    headers = [{"name": ":authority", "value": urlsplit(url).netloc}, {"name": ":method", "value": "GET"}]
    return {
        "pageref": "page_0",
        "startedDateTime": instants.iso_milliseconds(look.start),
        "time": time,
        "request": {"method": "GET", "url": url, "httpVersion": version, "headers": headers, "queryString": [],
                    "cookies": [], "headersSize": -1, "bodySize": 0},
        "response": {"status": code, "statusText": "OK" if code == 200 else REASONS.get(code, ""),
                     "httpVersion": version, "headers": [{"name": "content-type", "value": mime}], "cookies": [],
                     "content": {"size": size, "mimeType": mime}, "redirectURL": "", "headersSize": -1,
                     "bodySize": size},
        "cache": {},
        "timings": timings,
        "serverIPAddress": look.server_ip,
    }  # fmt: skip


# -- transactions ------------------------------------------------------------------------------------------------------


def transaction(look: Look, values: Values) -> Row:
    """Return what went wrong: an assertion of the script, or the request that failed underneath."""
    failed = bool(whole(values, "txCompletionHasError"))
    asserted = words(values, "assertError")
    kind = words(look.measured("http-server"), "errorType") if failed else "None"
    return {
        "componentErrors": whole(look.measured("page-load"), "errorCount"),
        "errorType": "Assert" if asserted else kind,
        "errorDetails": asserted or words(values, "probDetail"),
    }


def transaction_detail(look: Look, values: Values) -> Row:
    """Return the markers and pages of a transaction; where one page is asked for, that page with its archive."""
    loaded = look.measured("page-load")
    pages = [
        {
            "pageNum": number,
            "pageName": f"Page {number + 1}",
            "componentCount": len(shares(loaded, "components")),
            "errorCount": max(whole(loaded, "errorCount"), int(bool(entry.get("webTxPageLoadError")))),
            "duration": fraction(entry.get("webTxOnLoadTime", 0)),
        }
        for number, entry in enumerate(shares(values, "webPages"))
    ]
    row: Row = {
        "markers": [
            {"name": marker["markerName"], "duration": milliseconds(marker["markerDuration"])}
            for marker in shares(values, "marker")
        ],
        "pages": pages,
    }
    if look.page is None:
        return row
    chosen = pages[look.page : look.page + 1]
    return row | {"pages": chosen, "har": _archive(look, loaded, f"Page {look.page + 1}")} if chosen else {}


def console_logs(look: Look, values: Values) -> Row:
    """Return what the browser's console said, where the test collects that: a line per component that failed."""
    if not look.test.body.get("flagCollectConsoleLogs"):
        return {"consoleLogs": []}
    loaded = look.measured("page-load")
    lines = [
        f"https://{entry['domain']}/assets/{place} - Failed to load resource: net::ERR_FAILED"
        for place, entry in enumerate(shares(loaded, "components"))
        if not entry["componentLoaded"]
    ]
    if words(values, "assertError"):
        lines.append(words(values, "assertError"))
    return {"consoleLogs": [{"level": "SEVERE", "timestamp": look.start // 1_000, "value": line} for line in lines]}


# -- chains of API calls -----------------------------------------------------------------------------------------------


def api_detail(look: Look, values: Values) -> Row:
    """Return the steps of an API test: those that were done, and the one that failed."""
    steps = look.test.body.get("requests", ())
    called = look.measured("http-server")
    done = round(whole(values, "apiCompletion") * len(steps) / 100)
    return {
        "requests": [
            _step(number, step, called, failed=number > done) for number, step in enumerate(steps[: done + 1], 1)
        ]
    }


def _step(number: int, step: Mapping[str, Any], called: Values, *, failed: bool) -> Row:
    spent = fraction(whole(called, "totalTime"))
    processing = float(_PROCESSING + int(step.get("waitTimeMs") or 0))
    times = {name: fraction(whole(called, name)) for name in ("dnsTime", "connectTime", "waitTime", "receiveTime")}
    wrong = failed and words(called, "errorType") in {"None", "Content"}
    assertions = [
        {"step": place, "hasFailed": failed and (not wrong or place == len(step.get("assertions", ())))}
        for place, _ in enumerate(step.get("assertions") or (), 1)
    ]
    return {
        "stepNumber": number,
        "stepType": "oauth2" if step.get("authType") == "oauth2" else "default",
        "name": step["name"],
        "url": step["url"],
        "apiCallTime": spent,
        "processingTime": processing,
        "stepTime": round(spent + processing, 3),
        "blockedTime": 0.0,
        "sendTime": 0.0,
        **times,
        "responseTime": fraction(whole(called, "responseTime")),
        "completion": 0.0 if failed else 100.0,
        "assertErrorCount": sum(entry["hasFailed"] for entry in assertions),
        "assertions": assertions,
    }
