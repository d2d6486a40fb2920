"""One try to deliver an event: the request, the answer within bounds, and not a word of the key in what is kept."""

from __future__ import annotations

import functools
from contextlib import closing

import httpx

from bridge import delivery, translate
from bridge.config import PagerDuty
from bridge.delivery import TRANSPORT_ERRORS, Exchange, Verdict
from bridge.messages import text
from bridge.storage import Outgoing

#: More of an answer is never read.
MAX_ANSWER = 64_000
HEADERS = httpx.Headers(
    {"Content-Type": "application/json", "User-Agent": "pagedrill-bridge", "Accept-Encoding": "identity"}
)


def send(client: httpx.Client, settings: PagerDuty, event: Outgoing, secret: str) -> Exchange:
    """Send an event with its key and return what came of it; never raises for anything the network does."""
    content = translate.with_key(event.body, secret)
    try:
        request = httpx.Request(
            "POST",
            _parsed(settings.events_url),
            headers=HEADERS,
            content=content,
            extensions={"timeout": httpx.Timeout(settings.timeout).as_dict()},
        )
        with closing(client.send(request, stream=True, follow_redirects=False)) as response:
            status, asked = response.status_code, response.headers.get("Retry-After")
            # Read to the end even when it says nothing new: only then is the connection kept for the next event.
            answer = _bounded(response).replace(secret.encode(), b"***")
    except Exception as error:
        # Whatever a library makes of an answer, too: an event that raises would hold up its key and its neighbours.
        words = text(str(error)).replace(secret, "***")
        return Exchange(delivery.classify_error(error), None, f"{type(error).__name__}: {words}"[: delivery.MAX_REASON])
    verdict = delivery.classify(status)
    if verdict is Verdict.SENT:
        return Exchange(verdict, status)
    return Exchange(verdict, status, delivery.reason(status, answer), asked)


@functools.lru_cache(maxsize=8)
def _parsed(url: str) -> httpx.URL:
    """Return the destination ready for use; it is the same for every event."""
    return httpx.URL(url)


def _bounded(response: httpx.Response) -> bytes:
    """Return the beginning of the body; what breaks while it is read is of no interest any more."""
    content = b""
    if response.headers.get("Content-Encoding", "identity") != "identity":
        # Nobody asked for it, and a small compressed answer may be a large one.
        return content
    try:
        for part in response.iter_bytes():
            content += part
            if len(content) >= MAX_ANSWER:
                break
    except TRANSPORT_ERRORS:
        return content[:MAX_ANSWER]
    return content[:MAX_ANSWER]
