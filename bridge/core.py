"""The bridge itself: receive, decide, deliver. It never sleeps, never reads a clock and starts no thread.

Whoever drives it (the live loop, a stage on virtual time) tells it the time, asks :meth:`Bridge.next_due` when it wants
to run again and calls :meth:`Bridge.run_due` then. Named points say how far it has come; whoever watches them may
raise there, which is a crash: a new bridge on the same store must carry on as if nothing had happened.

Delivery is at least once. What remains possible: PagerDuty accepts an event, the answer is lost, a person resolves the
incident by hand, and the second try opens another one.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum

import httpx

from bridge import admission, delivery, messages, people, routing, sending, translate, verdict, watch
from bridge.admission import ACCEPTED, TOO_LARGE, UNAUTHORIZED, UNAVAILABLE, Answer, Door, Inbound
from bridge.chores import CHORES, STANDING, Volatile
from bridge.config import SECOND, Config
from bridge.decision import Decision, Outcome, decide
from bridge.delivery import Consequence, Exchange, KeyState, Verdict
from bridge.errors import StoreError, Unreadable
from bridge.messages import InboundMessage, Kind
from bridge.people import IncidentEvent
from bridge.storage import Outgoing, Raw, Store, Try
from bridge.tally import Tally
from bridge.watch import Canary

__all__ = ["ACCEPTED", "UNAVAILABLE", "Answer", "Bridge", "Inbound", "Point"]

log = logging.getLogger("bridge")
Readable = InboundMessage | IncidentEvent | Canary
#: Notifications decided in one transaction; senders wait while it lasts, so it is short.
BATCH = 50


class Point(StrEnum):
    """The places where a crash must not lose or double anything."""

    BEFORE_APPEND = "before-append"
    AFTER_APPEND = "after-append"
    BEFORE_DECIDE = "before-decide"
    AFTER_DECIDE = "after-decide"
    BEFORE_SEND = "before-send"
    AFTER_SEND = "after-send"
    AFTER_RECORD = "after-record"


class Bridge:
    """One bridge on one store.

    :meth:`admit` and :meth:`receive` may be called by any thread. Of the rest, :meth:`decide`, :meth:`run_chores` and
    :meth:`deliver` for each key are called by one thread at a time; :meth:`run_due` is all of them in turn.
    """

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
        self.tally = Tally()
        self._reached = reached
        self._latest: int | None = None
        self._afresh: list[str] = []
        self._remembering = threading.Lock()
        self.load(volatile or Volatile())

    @property
    def counters(self) -> dict[tuple[str, str], int]:
        """What has been counted, by (what, label)."""
        return self.tally.counters

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
            self.note_append(1, now, error)
            return UNAVAILABLE
        self.note_append(1, now)
        self._reached(Point.AFTER_APPEND)
        return ACCEPTED

    def admit(self, request: Inbound, now: int) -> Answer | Raw:
        """Return what to store, or the answer that refuses it."""
        receiver = self.config.receiver
        outside = request.door is Door.THOUSANDEYES
        if outside and not admission.authentic(receiver, request.headers):
            self.tally.count("refused", "credentials")
            if admission.looks_meant(receiver, request):
                self._note_refusal(request.door, now)
            return UNAUTHORIZED
        if request.body is None or len(request.body) > receiver.max_body:
            self.tally.count("refused", "size")
            return TOO_LARGE
        secrets = self.config.incidents.webhook_secrets
        if not outside and not admission.signed(secrets, request.headers, request.body):
            self.tally.count("refused", "signature")
            if admission.SIGNATURE in request.headers:
                self._note_refusal(request.door, now)
            return UNAUTHORIZED
        self.tally.count("received", request.door.value[1:])
        return Raw(receiver.source if outside else "pagerduty", request.body, now)

    def _note_refusal(self, door: Door, now: int) -> None:
        """Take note, at most once a minute, that a sender has the wrong secret: what it sends will be lost."""
        if 0 <= now - self.volatile.refused_at < verdict.REFUSALS_NOTED_EVERY:
            return
        self.remember(lambda volatile: replace(volatile, refused_at=now))
        log.warning("a sender is refused, its secret is wrong or missing", extra={"reason": door.value})
        try:
            verdict.note_refusal(self.store, door.value, now)
        except StoreError as error:
            log.error("a refusal could not be noted", extra={"reason": str(error)})

    def note_append(self, number: int, now: int, error: Exception | None = None) -> None:
        """Take note of whether notifications could be stored; how long they could not is what the self-alert asks."""
        if error is not None:
            self.tally.count("refused", "store", number)
            log.error("notifications could not be stored", extra={"reason": f"{type(error).__name__}: {error}"})
            self.remember(lambda volatile: replace(volatile, store_failed_at=now))
        failing = self.volatile.store_failing_since
        if (failing is None) != (error is None):
            since = None if error is None else now
            self.remember(lambda volatile: replace(volatile, store_failing_since=since))

    def refusing(self, now: int) -> tuple[int, str] | None:
        """Return since when notifications cannot be stored and why, ``None`` when they can; a write proves it.

        A full disk may still have room for that write and none for a notification, so a refusal counts until one has
        been stored, or until the sender, who repeats it, would have been heard of again.
        """
        since, failed_at = self.volatile.store_failing_since, self.volatile.store_failed_at
        try:
            self.store.prove(now)
        except StoreError as error:
            return (now if since is None else since), str(error)
        if since is None or now - failed_at > verdict.REPEATED_WITHIN:
            return None
        return since, "the last one was refused"

    # -- running ---------------------------------------------------------------------------------------------------

    def next_due(self) -> int | None:
        """Return when there is something to do, in microseconds: 0 for at once, None for nothing planned."""
        if self._afresh or self.store.has_undecided():
            return 0
        dues = [self.next_send(name) for name in self.config.keys]
        dues += [chore.next_due(self) for chore in (*STANDING, *CHORES)]
        return min((due for due in dues if due is not None), default=None)

    def next_send(self, name: str) -> int | None:
        """Return when the next event of a key may go."""
        due = self.store.next_pending(name)
        return None if due is None else self._key(name).allowed_at(due, self.config.pagerduty.events_per_minute)

    def run_due(self, now: int) -> int:
        """Decide upon everything received, send everything due and allowed, do the chores; return how much was done."""
        done = self.decide(now)
        # One event per key and turn, so that a failing key costs the others one try, not its whole queue.
        names = list(self.config.keys)
        while names:
            names = [name for name in names if self.deliver(name, now)]
            done += len(names)
        return done + self.run_chores(now)

    def run_chores(self, now: int) -> int:
        """Do the regular work that is due; return how much was done.

        A chore that fails keeps no other from being done; its error is raised at the end.
        """
        done, failure = self.stand(now), None
        for chore in CHORES:
            try:
                done += chore.run(self, now)
            except Exception as error:
                log.error("a chore failed", extra={"action": chore.name, "reason": f"{type(error).__name__}: {error}"})
                failure = failure or error
        if failure is not None:
            raise failure
        return done

    def stand(self, now: int) -> int:
        """Do the work that is every bridge's, whoever decides and delivers; return how much was done."""
        return sum(chore.run(self, now) for chore in STANDING)

    def export(self) -> Volatile:
        """Return what is remembered outside the store."""
        return self.volatile

    def load(self, volatile: Volatile) -> None:
        """Remember ``volatile`` instead of what is remembered now."""
        self.volatile = volatile

    def configure(self, config: Config) -> None:
        """Use another configuration from now on; alerts keep the route they have taken.

        A key whose secret has changed starts afresh, and what it had put off is due at once: whatever PagerDuty said
        was about the old one.
        """
        changed = [name for name, secret in config.keys.items() if self.config.keys.get(name) != secret]
        self.config = config
        for state in self.volatile.keys:
            if state.name in changed:
                self._remember(KeyState(state.name, state.recent))
        self._afresh += changed

    def remember(self, change: Callable[[Volatile], Volatile]) -> None:
        """Change what is remembered outside the store; any thread may."""
        with self._remembering:
            self.volatile = change(self.volatile)

    def key_states(self) -> tuple[KeyState, ...]:
        """Return the state of every configured key."""
        return tuple(self._key(name) for name in self.config.keys)

    # -- deciding --------------------------------------------------------------------------------------------------

    def decide(self, now: int, batches: int | None = None) -> int:
        """Decide upon everything received, or so many batches of it; return how much was done.

        Whoever decides on real time takes one batch at a time: a stream that never ends must not keep the events of the
        first batch from being sent.
        """
        self._notice(now)
        done = 0
        while self._afresh:
            done += self.store.hurry(self._afresh[-1], now)
            self._afresh.pop()
        while (batches is None or batches > 0) and self.store.has_undecided():
            batches = None if batches is None else batches - 1
            self._reached(Point.BEFORE_DECIDE)
            outcomes = self._decide_batch(now)
            self._reached(Point.AFTER_DECIDE)
            for outcome in outcomes:
                self.tally.count("decided", outcome.value)
            done += len(outcomes)
        return done

    def _decide_batch(self, now: int) -> list[Outcome]:
        rows = self.store.undecided(BATCH)
        try:
            # Reading takes time and needs no store, so it is done before the transaction that senders wait for.
            read = [(row, raw, _read(raw)) for row, raw in rows]
            # A decision that is lost with the power is made again; sending waits for a commit that flushes both.
            with self.store.transaction(durable=False):
                return [self._decide_one(row, raw, what, now) for row, raw, what in read]
        except StoreError:
            raise
        except Exception as error:
            # A fault of ours. One message must not stop all the others, so they go one by one, and this one is kept.
            log.exception("a decision failed", extra={"reason": f"{type(error).__name__}: {error}"})
            return [self._decide_alone(row, raw, now) for row, raw in rows]

    def _decide_alone(self, row: int, raw: Raw, now: int) -> Outcome:
        try:
            what = _read(raw)
            with self.store.transaction():
                return self._decide_one(row, raw, what, now)
        except StoreError:
            raise
        except Exception as error:
            self.store.apply(row, None, Decision(Outcome.DEAD), now, f"{type(error).__name__}: {error}", "fault")
            self.tally.count("dead", "fault")
            return Outcome.DEAD

    def _decide_one(self, row: int, raw: Raw, what: Readable | Unreadable, now: int) -> Outcome:
        if isinstance(what, Unreadable):
            log.error("a notification is unreadable", extra={"letter": f"i{row}", "reason": str(what)})
            self.store.apply(row, None, Decision(Outcome.DEAD), now, str(what), what.cause)
            self.tally.count("dead", what.cause)
            return Outcome.DEAD
        if isinstance(what, IncidentEvent):
            return self._decide_incident(row, what, now)
        if isinstance(what, Canary):
            return self._decide_canary(row, raw, what, now)
        self.tally.observe("decision", (now - raw.received_at) / SECOND)
        decision = self._judge(row, what, now)
        unknown = what.event_type[:100] if decision.outcome is Outcome.UNKNOWN else None
        self.store.apply(row, what, decision, now, unknown, received_at=raw.received_at)
        return decision.outcome

    def _decide_incident(self, row: int, event: IncidentEvent, now: int) -> Outcome:
        outcome, reason = people.decide(event, self.config)
        if event.event_id and self.store.seen(people.SOURCE, event.event_type, event.event_id, row):
            outcome = Outcome.DUPLICATE
        self.store.settle(row, event.event_type, outcome.value, now, event_id=event.event_id or None, reason=reason)
        return outcome

    def _decide_canary(self, row: int, raw: Raw, canary: Canary, now: int) -> Outcome:
        hatched = watch.hatch(canary, self.config, now)
        if hatched is not None:
            self.store.put_alert(hatched[0])
            self.store.enqueue(hatched[0], hatched[1], now, received_at=raw.received_at)
        self.store.settle(row, Outcome.CANARY.value, Outcome.CANARY.value, now)
        return Outcome.CANARY

    def _judge(self, row: int, message: InboundMessage, now: int) -> Decision:
        alert = None
        if message.kind in (Kind.TRIGGER, Kind.CLEAR):
            alert = self.store.alert(translate.dedup_key(message.source, message.alert_id))
            # The alert decides what is a repeat. An event id that two alerts share must not cost the second its page.
        elif message.event_id is not None and self.store.seen(message.source, message.kind, message.event_id, row):
            return Decision(Outcome.DUPLICATE)
        return decide(alert, message, routing.choose(self.config.routes, message), now, self.config)

    # -- delivering ------------------------------------------------------------------------------------------------

    def deliver(self, name: str, now: int) -> bool:
        """Try the most urgent event of a key; say whether there was one that might go."""
        secret = self.config.keys.get(name)
        state = self._key(name)
        if secret is None or state.allowed_at(now, self.config.pagerduty.events_per_minute) > now:
            return False
        with self.store.transaction():
            event = self.store.take(name, now)
            if event is None:
                return False
            self.store.begin(event.id)
        self._reached(Point.BEFORE_SEND)
        exchange = sending.send(self.client, self.config.pagerduty, event, secret.value)
        self._reached(Point.AFTER_SEND)
        consequence = delivery.follow(
            state.tried(now),
            exchange,
            now,
            self.config.pagerduty,
            made=event.created_at,
            attempts=event.attempts + 1,
            name=f"{event.dedup_key} {event.action}",
        )
        self._record(event, exchange, consequence, now)
        # What was said about a secret that has been replaced meanwhile says nothing about the new one.
        if self.config.keys.get(name) == secret:
            self._remember(consequence.state)
        self._reached(Point.AFTER_RECORD)
        return True

    def _record(self, event: Outgoing, exchange: Exchange, consequence: Consequence, now: int) -> None:
        words = consequence.words or exchange.words
        tried = Try(now, exchange.verdict.value, exchange.status, words)
        self.tally.count("tries", exchange.verdict.value)
        if exchange.verdict is not Verdict.SENT:
            refused = exchange.verdict is Verdict.REJECTED
            self.tally.count("failed", "rejected" if refused else verdict.named(exchange.verdict, words or ""))
        about = {"key": event.key_name, "alert": event.dedup_key, "action": event.action, "reason": words}
        if consequence.end is None:
            self.store.postpone(event, consequence.due, tried)
            log.log(*_LOUD[exchange.verdict], extra=about)
            return
        self.store.finish(event, consequence.end, tried, consequence.cause)
        if consequence.end == "sent":
            self.tally.observe("delivery", (now - event.received_at) / SECOND, event.action)
            return
        self.tally.count("dead", consequence.cause or "")
        log.error("an event is dead, see bridge dead-letters", extra={**about, "letter": f"o{event.id}"})

    # -- inside ----------------------------------------------------------------------------------------------------

    def _key(self, name: str) -> KeyState:
        for state in self.volatile.keys:
            if state.name == name:
                return state
        # After a start the pace of the last minute is taken from the store, so that a restart is no way around it.
        return KeyState(name, self.store.recent_tries(name, self.config.pagerduty.events_per_minute))

    def _remember(self, state: KeyState) -> None:
        def changed(volatile: Volatile) -> Volatile:
            others = tuple(known for known in volatile.keys if known.name != state.name)
            return replace(volatile, keys=(*others, state))

        self.remember(changed)

    def _notice(self, now: int) -> None:
        """Notice that the clock went back since anything was last written, and forgive what it had put off too far."""
        latest = self.store.last_moment() if self._latest is None else self._latest
        if now < latest - SECOND:
            moved = self.store.clock_went_back(now)
            for state in self.key_states():
                self._remember(state.rewound(now))
            log.warning(
                "the clock went back", extra={"reason": f"{(latest - now) / SECOND:.0f} s, {moved} events moved"}
            )
        self._latest = now


def _read(raw: Raw) -> Readable | Unreadable:
    try:
        if raw.source == watch.SOURCE:
            return watch.read(raw.body)
        if raw.source == people.SOURCE:
            return people.read(raw.body)
        return messages.read(raw.source, raw.body)
    except Unreadable as error:
        return error


_LOUD = {
    Verdict.RETRY: (logging.WARNING, "an event is tried again later"),
    Verdict.THROTTLED: (logging.WARNING, "PagerDuty throttles a key"),
    Verdict.BARRED: (logging.ERROR, "a key is barred, its events are kept and probed every 300 s"),
}
