"""What an answer, or no answer, of PagerDuty means; and when to try again. Tables and arithmetic only.

The one classification table:

* 202 is the only acceptance PagerDuty documents. Other 2xx, 1xx and 3xx come from something in between, so the event is
  tried again: with its dedup key a second arrival changes nothing.
* 429 pauses the whole key: half a minute at first, growing to five minutes, and no event dies of it.
* 5xx, 408, 425 and transport errors are tried again with growing pauses until the event is too old.
* 401, 403 and certificate errors are about the key or the connection, not the event: the key's circuit opens, its
  events are kept, and one of them probes every five minutes.
* Every other 4xx means that this event will never be taken: it is dead at once, with the reason.
"""

from __future__ import annotations

import hashlib
import json
import ssl
from dataclasses import dataclass, replace
from enum import StrEnum

import httpx

from bridge.config import SECOND

WINDOW = 60 * SECOND
BACKOFF = (1, 2, 5, 15, 30, 60, 120, 240, 300)
JITTER_PERCENT = 20
PAUSE_FIRST = 30
PAUSE_MOST = 300
PROBE = 300 * SECOND
MAX_REASON = 500


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


@dataclass(frozen=True, slots=True)
class Volatile:
    """Everything the bridge remembers outside its store; losing it costs politeness, never an event."""

    keys: tuple[KeyState, ...] = ()


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


def retry_delay(attempts: int, seed: int, *parts: str) -> int:
    """Return the pause in microseconds after the ``attempts``-th failed try: up to 300 s, 20 % either way."""
    base = BACKOFF[min(max(attempts, 1), len(BACKOFF)) - 1] * SECOND
    text = "\x1f".join([str(seed), str(attempts), *parts])
    draw = int.from_bytes(hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest(), "big")
    spread = 2 * base * JITTER_PERCENT // 100
    return base - spread // 2 + draw % (spread + 1)


def pause(pauses: int, retry_after: str | None) -> int:
    """Return the pause in microseconds after the ``pauses``-th 429 in a row (from 0); ``retry_after`` is the header."""
    grown = min(PAUSE_FIRST << min(pauses, 8), PAUSE_MOST)
    asked = 0
    if retry_after is not None and retry_after.strip().isascii() and retry_after.strip().isdigit():
        asked = min(int(retry_after.strip()[:9]), PAUSE_MOST)
    return max(grown, asked) * SECOND


def reason(response: httpx.Response) -> str:
    """Return PagerDuty's own words for a refusal, bounded, for the dead letter."""
    try:
        body = json.loads(response.content)
    except (ValueError, RecursionError):
        body = None
    if isinstance(body, dict):
        errors = body.get("errors")
        parts = [str(body.get("message") or body.get("status") or "")]
        if isinstance(errors, list):
            parts.extend(str(item) for item in errors)
        words = "; ".join(part for part in parts if part)
    else:
        words = response.content[:MAX_REASON].decode("utf-8", "replace")
    return f"HTTP {response.status_code} {words}".strip()[:MAX_REASON]
