"""The bridge itself: receive, decide, deliver. It never sleeps, never reads a clock and starts no thread.

Whoever drives it (the live loop, a stage on virtual time) tells it the time, asks :meth:`Bridge.next_due` when it wants
to run again and calls :meth:`Bridge.run_due` then. Named points say how far it has come; whoever watches them may
raise there, which is a crash: a new bridge on the same store must carry on as if nothing had happened.

Delivery is at least once. What remains possible: PagerDuty accepts an event, the answer is lost, a person resolves the
incident by hand, and the second try opens another one.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

import httpx

from bridge import delivery, messages, routing, translate
from bridge.config import Config, Receiver
from bridge.decision import Decision, Outcome, decide
from bridge.delivery import KeyState, Verdict, Volatile
from bridge.errors import StoreError, Unreadable
from bridge.messages import InboundMessage, Kind
from bridge.store import Outgoing, Raw, Store

log = logging.getLogger("bridge")
BATCH = 500


class Point(StrEnum):
    """The places where a crash must not lose or double anything."""

    BEFORE_APPEND = "before-append"
    AFTER_APPEND = "after-append"
    BEFORE_DECIDE = "before-decide"
    AFTER_DECIDE = "after-decide"
    BEFORE_SEND = "before-send"
    AFTER_SEND = "after-send"
    AFTER_RECORD = "after-record"


@dataclass(frozen=True, slots=True)
class Inbound:
    """A request to the webhook path: header names in lower case, ``body`` None when it was larger than allowed."""

    body: bytes | None = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the sender is told."""

    status: int
    body: str


ACCEPTED = Answer(200, "stored\n")
UNAUTHORIZED = Answer(401, "the credentials are missing or wrong\n")
TOO_LARGE = Answer(413, "the body is too large\n")
UNAVAILABLE = Answer(503, "the notification could not be stored, send it again\n")


class Bridge:
    """One bridge on one store; ``run_due`` is called by one thread at a time, ``admit`` by any."""

    def __init__(
        self,
        config: Config,
        store: Store,
        client: httpx.Client,
        *,
        reached: Callable[[Point], None] = lambda point: None,
        volatile: Volatile | None = None,
    ) -> None:
        self.config = config
        self.store = store
        self.client = client
        self.counters: dict[tuple[str, str], int] = {}
        self._reached = reached
        self._keys: dict[str, KeyState] = {}
        self._counting = threading.Lock()
        self.load(volatile or Volatile())

    # -- receiving -------------------------------------------------------------------------------------------------

    def receive(self, request: Inbound, now: int) -> Answer:
        """Authenticate, bound and store one notification; it is durable when the answer is 200."""
        admitted = self.admit(request, now)
        if isinstance(admitted, Answer):
            return admitted
        self._reached(Point.BEFORE_APPEND)
        try:
            self.store.append([admitted])
        except StoreError as error:
            self.count("refused", "store")
            log.error("a notification could not be stored", extra={"reason": str(error)})
            return UNAVAILABLE
        self._reached(Point.AFTER_APPEND)
        return ACCEPTED

    def admit(self, request: Inbound, now: int) -> Answer | Raw:
        """Return what to store, or the answer that refuses it."""
        receiver = self.config.receiver
        if not authentic(receiver, request.headers):
            self.count("refused", "credentials")
            return UNAUTHORIZED
        if request.body is None or len(request.body) > receiver.max_body:
            self.count("refused", "size")
            return TOO_LARGE
        self.count("received", "")
        return Raw(receiver.source, request.body, now)

    # -- running ---------------------------------------------------------------------------------------------------

    def next_due(self) -> int | None:
        """Return when there is something to do, in microseconds: 0 for at once, None for nothing planned."""
        if self.store.has_undecided():
            return 0
        earliest: int | None = None
        for name in self.config.keys:
            due = self.store.next_pending(name)
            if due is not None:
                allowed = self._key(name).allowed_at(due, self.config.pagerduty.events_per_minute)
                earliest = allowed if earliest is None else min(earliest, allowed)
        return earliest

    def run_due(
        self,
        now: int,
        *,
        should_stop: Callable[[], bool] = lambda: False,
        clock: Callable[[], int] | None = None,
    ) -> int:
        """Decide upon everything received, then send everything due and allowed; return how much was done.

        A live caller passes a ``clock``, since a long queue takes real time, and ``should_stop``, asked between tries.
        """
        done = 0
        while decided := self._decide(now):
            done += decided
        # One event per key and turn, so that a slow or failing key costs the others one try, not its whole queue.
        names = list(self.config.keys)
        while names and not should_stop():
            if clock is not None:
                now = clock()
                self._decide(now)
            names = [name for name in names if self._deliver(name, now)]
            done += len(names)
        return done

    def export(self) -> Volatile:
        """Return what is remembered outside the store."""
        return Volatile(tuple(self._keys.values()))

    def load(self, volatile: Volatile) -> None:
        """Remember ``volatile`` instead of what is remembered now."""
        self._keys = {state.name: state for state in volatile.keys}

    def configure(self, config: Config) -> None:
        """Use another configuration from now on; alerts keep the route they have taken."""
        self.config = config

    def key_states(self) -> tuple[KeyState, ...]:
        """Return the state of every configured key."""
        return tuple(self._key(name) for name in self.config.keys)

    def count(self, what: str, label: str, number: int = 1) -> None:
        """Add to a counter that the metrics show."""
        with self._counting:
            self.counters[what, label] = self.counters.get((what, label), 0) + number

    # -- inside ----------------------------------------------------------------------------------------------------

    def _key(self, name: str) -> KeyState:
        return self._keys.get(name) or KeyState(name)

    def _decide(self, now: int) -> int:
        if not self.store.has_undecided():
            return 0
        self._reached(Point.BEFORE_DECIDE)
        outcomes: list[Outcome] = []
        with self.store.transaction():
            rows = self.store.undecided(BATCH)
            for row, raw in rows:
                outcomes.append(self._decide_one(row, raw, now))
        self._reached(Point.AFTER_DECIDE)
        for outcome in outcomes:
            self.count("decided", outcome.value)
        return len(outcomes)

    def _decide_one(self, row: int, raw: Raw, now: int) -> Outcome:
        try:
            message = messages.read(raw.source, raw.body)
        except Unreadable as error:
            log.error("a notification is unreadable", extra={"letter": f"i{row}", "reason": str(error)})
            self.store.apply(row, None, Decision(Outcome.DEAD), now, str(error))
            return Outcome.DEAD
        decision = self._judge(row, message, now)
        unknown = message.event_type[:100] if decision.outcome is Outcome.UNKNOWN else None
        self.store.apply(row, message, decision, now, unknown)
        return decision.outcome

    def _judge(self, row: int, message: InboundMessage, now: int) -> Decision:
        if message.event_id is not None and self.store.seen(message.source, message.event_id, row):
            return Decision(Outcome.DUPLICATE)
        alert = None
        if message.kind in (Kind.TRIGGER, Kind.CLEAR):
            alert = self.store.alert(translate.dedup_key(message.source, message.alert_id))
        return decide(alert, message, routing.choose(self.config.routes, message), now, self.config)

    def _deliver(self, name: str, now: int) -> bool:
        """Try the most urgent event of a key; say whether there was one that might go."""
        state = self._key(name)
        if state.allowed_at(now, self.config.pagerduty.events_per_minute) > now:
            return False
        event = self.store.take(name, now)
        if event is None:
            return False
        self.store.begin(event.id)
        self._reached(Point.BEFORE_SEND)
        status, words, verdict, retry_after = self._send(event, name)
        self._reached(Point.AFTER_SEND)
        self._record(event, state.tried(now), verdict, status, words, retry_after, now)
        self.count("tries", verdict.value)
        self._reached(Point.AFTER_RECORD)
        return True

    def _send(self, event: Outgoing, name: str) -> tuple[int | None, str | None, Verdict, str | None]:
        secret = self.config.keys[name].value
        settings = self.config.pagerduty
        try:
            response = self.client.post(
                settings.events_url,
                content=translate.with_key(event.body, secret),
                headers={"Content-Type": "application/json", "User-Agent": "pagedrill-bridge"},
                timeout=settings.timeout,
                follow_redirects=False,
            )
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError) as error:
            words = f"{type(error).__name__}: {error}"[: delivery.MAX_REASON].replace(secret, "***")
            return None, words, delivery.classify_error(error), None
        verdict = delivery.classify(response.status_code)
        said = None if verdict is Verdict.SENT else delivery.reason(response).replace(secret, "***")
        return response.status_code, said, verdict, response.headers.get("Retry-After")

    def _record(
        self,
        event: Outgoing,
        state: KeyState,
        verdict: Verdict,
        status: int | None,
        words: str | None,
        retry_after: str | None,
        now: int,
    ) -> None:
        settings = self.config.pagerduty
        about = {"key": state.name, "alert": event.dedup_key, "action": event.action, "reason": words}
        healthy = replace(state, pauses=0, paused_until=0, barred=None, failures=0)
        if verdict is Verdict.SENT:
            self._keys[state.name] = healthy
            self.store.finish(event, "sent", status, None, now)
            return
        if verdict is Verdict.REJECTED:
            self._keys[state.name] = healthy
            self._die(event, status, words, now, about)
            return
        if verdict is Verdict.THROTTLED:
            until = now + delivery.pause(state.pauses, retry_after)
            self._keys[state.name] = replace(state, pauses=state.pauses + 1, paused_until=until, barred=None)
            self.store.postpone(event.id, until, status, words)
            log.warning("PagerDuty throttles a key", extra=about)
            return
        if verdict is Verdict.BARRED:
            until = now + delivery.PROBE
            self._keys[state.name] = replace(state, paused_until=until, barred=words or "barred")
            self.store.postpone(event.id, until, status, words)
            log.error("a key is barred, its events are kept and probed every 300 s", extra=about)
            return
        if now - event.created_at >= settings.max_age:
            self._keys[state.name] = state
            self._die(event, status, f"too old after {event.attempts + 1} tries; {words}", now, about)
            return
        delay = delivery.retry_delay(event.attempts + 1, settings.jitter_seed, event.dedup_key, event.action)
        due = min(now + delay, event.created_at + settings.max_age)
        if status is None:
            # No answer at all says nothing about this event and much about the connection: the whole key rests.
            rest = delivery.retry_delay(state.failures + 1, settings.jitter_seed, state.name)
            state = replace(state, failures=state.failures + 1, paused_until=now + rest)
        self._keys[state.name] = state
        self.store.postpone(event.id, due, status, words)
        log.warning("an event is tried again later", extra=about)

    def _die(
        self, event: Outgoing, status: int | None, words: str | None, now: int, about: Mapping[str, object]
    ) -> None:
        self.store.finish(event, "dead", status, words, now)
        self.count("dead", event.action)
        log.error("an event is dead, see bridge dead-letters", extra={**about, "letter": f"o{event.id}"})


def authentic(receiver: Receiver, headers: Mapping[str, str]) -> bool:
    """Say whether a request carries one of the valid secrets; every secret is compared, in constant time."""
    if receiver.auth == "none":
        return True
    name = receiver.header if receiver.auth == "header" else "authorization"
    given = headers.get(name, "").encode("latin-1", "replace")
    user_fits = True
    if receiver.auth != "header":
        scheme, _, rest = given.partition(b" ")
        given = rest.strip()
        if scheme.lower() != receiver.auth.encode():
            return False
    if receiver.auth == "basic":
        try:
            user, _, given = base64.b64decode(given, validate=True).partition(b":")
        except binascii.Error:
            return False
        user_fits = hmac.compare_digest(user, receiver.username.encode())
    fits = [hmac.compare_digest(given, secret.value.encode()) for secret in receiver.secrets]
    return user_fits and any(fits)
