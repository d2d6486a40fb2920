"""What an answer, or no answer, of PagerDuty means, and what follows from it. Tables and arithmetic only.

The one classification table:

* 202 is the only acceptance PagerDuty documents. Other 2xx, 1xx and 3xx come from something in between, so the event is
  tried again: with its dedup key a second arrival changes nothing.
* 429 pauses the whole key: half a minute at first, growing to five minutes, and no event dies of it.
* 5xx, 408, 425 and transport errors are tried again with growing pauses until the event is too old.
* 401, 403 and certificate errors are about the key or the connection, not the event: the key's circuit opens, its
  events are kept, and one of them probes every five minutes.
* Every other 4xx means that this event will never be taken: it is dead at once, with the reason.

``Retry-After``, in seconds or as a date, lengthens a pause, up to five minutes.
"""

from __future__ import annotations

import hashlib
import json
import ssl
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum

import httpx

from bridge.config import SECOND, PagerDuty
from bridge.messages import text

WINDOW = 60 * SECOND
BACKOFF = (1, 2, 5, 15, 30, 60, 120, 240, 300)
JITTER_PERCENT = 20
PAUSE_FIRST = 30
PAUSE_MOST = 300
PROBE = 300 * SECOND
MAX_REASON = 500
#: What an exchange may fail with before there is a status; none of it says anything about the event.
TRANSPORT_ERRORS = (httpx.HTTPError, httpx.InvalidURL, httpx.CookieConflict, httpx.StreamError, OSError)


class Verdict(StrEnum):
    """What follows from one try."""

    SENT = "sent"
    RETRY = "retry"
    THROTTLED = "throttled"
    REJECTED = "rejected"
    BARRED = "barred"


_STATUS = {
    202: Verdict.SENT,
    401: Verdict.BARRED,
    403: Verdict.BARRED,
    408: Verdict.RETRY,
    425: Verdict.RETRY,
    429: Verdict.THROTTLED,
}


@dataclass(frozen=True, slots=True)
class Exchange:
    """What came of one try: a status or none, PagerDuty's or the network's words, and the header if there was one."""

    verdict: Verdict
    status: int | None = None
    words: str | None = None
    retry_after: str | None = None


@dataclass(frozen=True, slots=True)
class KeyState:
    """What is remembered about one key between tries; microseconds UTC.

    ``recent`` are the tries of the last minute, ``paused_until`` and ``pauses`` belong to 429, ``barred`` is the reason
    of an open circuit, ``failures`` counts transport errors in a row.
    """

    name: str
    recent: tuple[int, ...] = ()
    paused_until: int = 0
    pauses: int = 0
    barred: str | None = None
    failures: int = 0

    def allowed_at(self, now: int, per_minute: int) -> int:
        """Return the earliest instant, at or after ``now``, at which the next try may go."""
        free = now
        if len(self.recent) >= per_minute:
            free = self.recent[-per_minute] + WINDOW
        return max(now, free, self.paused_until)

    def tried(self, now: int) -> KeyState:
        """Return the state after a try at ``now``."""
        kept = self.recent
        if kept and kept[0] <= now - WINDOW:
            kept = tuple(moment for moment in kept if moment > now - WINDOW)
        return replace(self, recent=(*kept, now))

    def rewound(self, now: int) -> KeyState:
        """Return the state after the clock went back to ``now``: no wait is longer than it would have been at most."""
        recent = tuple(min(moment, now) for moment in self.recent)
        return replace(self, recent=recent, paused_until=min(self.paused_until, now + PROBE))


@dataclass(frozen=True, slots=True)
class Consequence:
    """What follows from a try: the key's next state, and either the event's end or when it is due again."""

    state: KeyState
    end: str | None = None
    due: int = 0
    cause: str | None = None
    words: str | None = None


def classify(status: int) -> Verdict:
    """Return what an HTTP status means."""
    verdict = _STATUS.get(status)
    if verdict is not None:
        return verdict
    return Verdict.REJECTED if 400 <= status <= 499 else Verdict.RETRY


def classify_error(error: BaseException) -> Verdict:
    """Return what a failed exchange means; a certificate that does not verify bars the key."""
    seen: BaseException | None = error
    for _ in range(10):
        if seen is None:
            break
        if isinstance(seen, ssl.SSLCertVerificationError) or "CERTIFICATE_VERIFY_FAILED" in str(seen):
            return Verdict.BARRED
        seen = seen.__cause__ or seen.__context__
    return Verdict.RETRY


def follow(
    state: KeyState, exchange: Exchange, now: int, settings: PagerDuty, *, made: int, attempts: int, name: str
) -> Consequence:
    """Return what follows from an exchange.

    ``made`` is when the event was made, ``attempts`` counts this try too, ``name`` makes its jitter its own.
    """
    verdict, words = exchange.verdict, exchange.words
    healthy = replace(state, pauses=0, paused_until=0, barred=None, failures=0)
    if verdict is Verdict.SENT:
        return Consequence(healthy, "sent")
    if verdict is Verdict.REJECTED:
        return Consequence(healthy, "dead", cause="rejected", words=words)
    asked = min(wait_asked(exchange.retry_after, now), PAUSE_MOST * SECOND)
    if verdict is Verdict.THROTTLED:
        until = now + max(pause(state.pauses), asked)
        paused = replace(state, pauses=state.pauses + 1, paused_until=until, barred=None)
        return Consequence(paused, due=until, words=words)
    if verdict is Verdict.BARRED:
        until = now + PROBE
        return Consequence(replace(state, paused_until=until, barred=words or "barred"), due=until, words=words)
    if now - made >= settings.max_age:
        return Consequence(state, "dead", cause="too-old", words=f"too old after {attempts} tries; {words}")
    due = now + max(retry_delay(attempts, settings.jitter_seed, name), asked)
    if exchange.status is None:
        # No answer at all says nothing about this event and much about the connection: the whole key rests.
        rest = now + retry_delay(state.failures + 1, settings.jitter_seed, state.name)
        state = replace(state, failures=state.failures + 1, paused_until=rest)
    return Consequence(state, due=min(due, made + settings.max_age), words=words)


def retry_delay(attempts: int, seed: int, *parts: str) -> int:
    """Return the pause in microseconds after the ``attempts``-th failed try: up to 300 s, 20 % either way."""
    base = BACKOFF[min(max(attempts, 1), len(BACKOFF)) - 1] * SECOND
    text = "\x1f".join([str(seed), str(attempts), *parts])
    draw = int.from_bytes(hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest(), "big")
    spread = 2 * base * JITTER_PERCENT // 100
    return base - spread // 2 + draw % (spread + 1)


def pause(pauses: int) -> int:
    """Return the least pause in microseconds after the ``pauses``-th 429 in a row (from 0)."""
    return min(PAUSE_FIRST << min(pauses, 8), PAUSE_MOST) * SECOND


def wait_asked(header: str | None, now: int) -> int:
    """Return the wait ``Retry-After`` asks for, in microseconds; 0 when it asks for none or is not understood."""
    asked = (header or "").strip()
    if asked.isascii() and asked.isdigit():
        return int(asked[:9]) * SECOND
    try:
        moment = parsedate_to_datetime(asked)
    except (ValueError, TypeError, IndexError, OverflowError):
        return 0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return max(0, (since.days * 86_400 + since.seconds) * SECOND - now)


def reason(status: int, content: bytes) -> str:
    """Return PagerDuty's own words for a refusal, bounded, for the dead letter."""
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        body = None
    if isinstance(body, dict):
        errors = body.get("errors")
        parts = [str(body.get("message") or body.get("status") or "")]
        if isinstance(errors, list):
            parts.extend(str(item) for item in errors)
        words = "; ".join(part for part in parts if part)
    else:
        words = content[:MAX_REASON].decode("utf-8", "replace")
    return f"HTTP {status} {' '.join(text(words).split())}".strip()[:MAX_REASON]
