"""What a notification changes, as a pure function of what is known about its alert.

An alert id stands for one episode, so its life is short and the table small::

    known about the alert      TRIGGER                     CLEAR
    -------------------------  --------------------------  -----------------------------------------
    nothing                    open it, send the trigger   note it as cleared, send a resolve
    open                       duplicate                   clear it, send the resolve
    cleared                    superseded, nothing sent    duplicate

A clear is final: a trigger that arrives after it (its first post was lost, the sender tries again minutes later) would
open an incident that nobody ever resolves. It is also final for a trigger planned because a person had resolved the
incident too early: that one is withdrawn. A clear for an unknown alert is still sent as a resolve, because another
path may have opened the incident; PagerDuty drops it when there is none.

When the clear arrives before the trigger was ever tried, both are sent in order, so that the record is complete and
people see a short incident. With ``coalesce`` both are dropped instead: nobody is woken for what is over. A trigger
that was tried may have arrived whatever the answer was, so it is never coalesced.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from bridge import translate
from bridge.config import SECOND, Config, Route
from bridge.messages import InboundMessage, Kind

AGEING = 300 * SECOND
FIRST = 30 * 24 * 3600 * SECOND
LAST = len(translate.SEVERITIES)


class Outcome(StrEnum):
    """What became of a stored notification."""

    TRIGGERED = "triggered"
    RESOLVED = "resolved"
    TOMBSTONE = "tombstone"
    COALESCED = "coalesced"
    DUPLICATE = "duplicate"
    SUPERSEDED = "superseded"
    TEST = "test"
    UNKNOWN = "unknown"
    DEAD = "dead"
    LOOKUP = "lookup"
    NOTED = "noted"
    RETRIGGER = "retrigger"
    CANARY = "canary"


class Pending(StrEnum):
    """Where an alert's trigger is: not waiting, waiting untried, or waiting after at least one try."""

    NO = "no"
    UNTRIED = "untried"
    TRIED = "tried"


@dataclass(frozen=True, slots=True)
class AlertRow:
    """What is known about one alert; times in microseconds UTC."""

    dedup_key: str
    source: str
    alert_id: str
    route: str
    key_name: str
    opened_at: int | None = None
    cleared_at: int | None = None
    trigger: Pending = Pending.NO
    resolved_by_person_at: int | None = None


@dataclass(frozen=True, slots=True)
class Send:
    """An event to deliver, at once or at ``due``.

    ``score`` orders the events of one key, smallest first; ``behind`` waits for the events of its alert before it.
    """

    action: str
    body: str
    score: int
    behind: bool = False
    due: int | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """The rows to put: the outcome of the notification, the alert, an event, and whether to withdraw the trigger."""

    outcome: Outcome
    alert: AlertRow | None = None
    send: Send | None = None
    withdraw: bool = False


def decide(alert: AlertRow | None, message: InboundMessage, route: Route, now: int, config: Config) -> Decision:
    """Return what ``message`` changes; ``route`` only counts for an alert that is not known yet."""
    if message.kind is Kind.TEST:
        return Decision(Outcome.TEST)
    if message.kind is Kind.UNKNOWN:
        return Decision(Outcome.UNKNOWN)
    if message.kind is Kind.TRIGGER:
        return _trigger(alert, message, route, now, config)
    return _clear(alert, message, route, now, config)


def score(action: str, severity: str, now: int, *, known: bool = True) -> int:
    """Return the place in a key's queue: resolves of incidents first, then severity, each class five minutes apart.

    The score is fixed when the event is made, so an event only gains on those that come after it: nothing starves.
    """
    if action == "resolve":
        return now - FIRST if known else now + LAST * AGEING
    return now + translate.SEVERITIES.index(severity) * AGEING


def _new(message: InboundMessage, route: Route) -> AlertRow:
    key = translate.dedup_key(message.source, message.alert_id)
    return AlertRow(key, message.source, message.alert_id, route.name, route.key)


def _trigger(alert: AlertRow | None, message: InboundMessage, route: Route, now: int, config: Config) -> Decision:
    if alert is not None:
        return Decision(Outcome.DUPLICATE if alert.cleared_at is None else Outcome.SUPERSEDED, alert)
    severity = translate.severity(message, config.severity, config.missing_severity)
    body = translate.trigger(message, severity, config.wording)
    opened = replace(_new(message, route), opened_at=now, trigger=Pending.UNTRIED)
    return Decision(Outcome.TRIGGERED, opened, Send("trigger", body, score("trigger", severity, now)))


def _clear(alert: AlertRow | None, message: InboundMessage, route: Route, now: int, config: Config) -> Decision:
    if alert is not None and alert.cleared_at is not None:
        return Decision(Outcome.DUPLICATE, alert)
    body = translate.resolve(message.source, message.alert_id)
    if alert is None:
        cleared = replace(_new(message, route), cleared_at=now)
        return Decision(Outcome.TOMBSTONE, cleared, Send("resolve", body, score("resolve", "", now, known=False)))
    cleared = replace(alert, cleared_at=now)
    if config.pagerduty.coalesce and alert.trigger is Pending.UNTRIED:
        return Decision(Outcome.COALESCED, replace(cleared, trigger=Pending.NO), withdraw=True)
    send = Send("resolve", body, score("resolve", "", now))
    if alert.resolved_by_person_at is not None and alert.trigger is Pending.UNTRIED:
        return Decision(Outcome.RESOLVED, replace(cleared, trigger=Pending.NO), send, withdraw=True)
    behind = alert.trigger is not Pending.NO
    return Decision(Outcome.RESOLVED, cleared, replace(send, behind=behind))
