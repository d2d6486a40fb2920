"""The bridge about itself: paging its own operators when it cannot do its job, and a canary that proves that it can.

The self-alert goes through a key of its own, best one of another service, and resolves when all is well again. It
cannot help when PagerDuty is out of reach altogether: for that, let something else watch ``bridge_works`` in the
figures. A canary is stored, decided upon and delivered like any notification, and then acknowledged and resolved.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bridge import sending, translate, verdict
from bridge.config import SECOND, Config
from bridge.decision import AlertRow, Send, score
from bridge.delivery import Verdict
from bridge.storage import Outgoing, Raw, Store
from bridge.verdict import Report

if TYPE_CHECKING:
    from bridge.core import Bridge

SOURCE = "bridge"
WATCH_EVERY = 10 * SECOND
STORE_AGAIN = 30 * SECOND
TROUBLE, PAGED, CANARY = "trouble", "self-alert", "canary"


@dataclass(frozen=True, slots=True)
class Canary:
    """A canary taken from the inbox."""

    alert_id: str


# -- self-alert --------------------------------------------------------------------------------------------------------


def next_watch(bridge: Bridge) -> int | None:
    """Return when a trouble will have lasted long enough to page, ``None`` when there is none."""
    settings = bridge.config.self_alert
    if settings.key is None:
        return None
    trouble, paged = bridge.store.fact(TROUBLE), bridge.store.fact(PAGED)
    if paged is not None:
        return bridge.volatile.watched_at + WATCH_EVERY
    return None if trouble is None else max(trouble[0] + settings.span, bridge.volatile.watched_at + WATCH_EVERY)


def watch(bridge: Bridge, now: int) -> int:
    """Page when something has been wrong for long enough, and resolve when it is over; return how many events."""
    settings = bridge.config.self_alert
    if settings.key is None or 0 <= now - bridge.volatile.watched_at < WATCH_EVERY:
        return 0
    bridge.remember(lambda volatile: replace(volatile, watched_at=now))
    store = bridge.store
    report = verdict.judge(store, bridge.config, now)
    trouble, paged = store.fact(TROUBLE), store.fact(PAGED)
    with store.transaction():
        if report.wakes and trouble is None:
            store.note_fact(TROUBLE, now)
            trouble = (now, "")
        if report.wakes and trouble is not None and paged is None and now - trouble[0] >= settings.span:
            _page(store, bridge.config, report, settings.key, now)
            return 1
        if not report.wakes:
            store.forget_fact(TROUBLE)
            if paged is not None:
                _unpage(store, paged, settings.key, now)
                return 1
    return 0


def _page(store: Store, config: Config, report: Report, key: str, now: int) -> None:
    alert_id = f"self-{now}"
    first = report.troubles[0]
    body = translate.plain(
        "trigger",
        translate.dedup_key(SOURCE, alert_id),
        f"The bridge from ThousandEyes to PagerDuty: {first.meaning} {first.words}",
        "critical",
        {one.name: f"{one.meaning} {one.words}. {one.remedy}" for one in report.troubles},
    )
    alert = _alert(alert_id, "self-alert", key, now)
    store.put_alert(alert)
    store.enqueue(alert, [Send("trigger", body, score("trigger", "critical", now))], now, received_at=now)
    store.note_fact(PAGED, now, alert_id)


def _unpage(store: Store, paged: tuple[int, str], key: str, now: int) -> None:
    alert_id = paged[1]
    known = store.alert(translate.dedup_key(SOURCE, alert_id))
    alert = _alert(alert_id, "self-alert", key, now) if known is None else known
    body = translate.plain("resolve", alert.dedup_key, "", "", {})
    store.put_alert(replace(alert, cleared_at=now))
    behind = store.has_unfinished(alert.dedup_key)
    store.enqueue(alert, [Send("resolve", body, score("resolve", "", now), behind)], now, received_at=now)
    store.forget_fact(PAGED)


# -- a store that cannot be written ------------------------------------------------------------------------------------


def next_store_watch(bridge: Bridge) -> int | None:
    """Return when a store that fails will have failed for long enough, or 0 when it works again after a page."""
    settings, volatile = bridge.config.self_alert, bridge.volatile
    if settings.key is None:
        return None
    if volatile.store_failing_since is None:
        return None if volatile.store_paged_at is None else volatile.store_tried_at + STORE_AGAIN
    if volatile.store_paged_at is not None:
        return None
    return max(volatile.store_failing_since + settings.span, volatile.store_tried_at + STORE_AGAIN)


def watch_store(bridge: Bridge, now: int) -> int:
    """Page past the store, which cannot hold an event, and resolve when notifications are stored again."""
    due = next_store_watch(bridge)
    key, volatile = bridge.config.self_alert.key, bridge.volatile
    if due is None or due > now or key is None:
        return 0
    bridge.remember(lambda volatile: replace(volatile, store_tried_at=now))
    since = volatile.store_failing_since
    failing = since is not None
    began = volatile.store_paged_at if since is None else since
    dedup_key = translate.dedup_key(SOURCE, f"store-{began}")
    action = "trigger" if failing else "resolve"
    words = "The bridge from ThousandEyes to PagerDuty cannot store notifications, so it refuses them; nobody is paged"
    details = {"What to do": "Make room on its disk, or bring its database back; ThousandEyes repeats for an hour."}
    body = translate.plain(action, dedup_key, words, "critical", details)
    event = Outgoing(0, dedup_key, key, action, body, now, 0, now)
    exchange = sending.send(bridge.client, bridge.config.pagerduty, event, bridge.config.keys[key].value)
    if exchange.verdict is Verdict.SENT:
        paged_at = began if failing else None
        bridge.remember(lambda volatile: replace(volatile, store_paged_at=paged_at))
    return 1


# -- canary ------------------------------------------------------------------------------------------------------------


def next_canary(bridge: Bridge) -> int | None:
    """Return when the next canary flies, ``None`` when canaries are off."""
    settings = bridge.config.canary
    if settings.key is None:
        return None
    last = bridge.store.fact(CANARY)
    return 0 if last is None else last[0] + settings.span


def fly(bridge: Bridge, now: int) -> int:
    """Put a canary into the inbox when it is time."""
    due = next_canary(bridge)
    if due is None or due > now:
        return 0
    with bridge.store.transaction():
        bridge.store.note_fact(CANARY, now, f"canary-{now}")
    bridge.store.append([Raw(SOURCE, json.dumps({"canary": f"canary-{now}"}).encode(), now)])
    return 1


def read(raw: bytes) -> Canary:
    """Return the canary in a notification we put in ourselves."""
    return Canary(str(json.loads(raw)["canary"]))


def hatch(canary: Canary, config: Config, now: int) -> tuple[AlertRow, list[Send]] | None:
    """Return the alert and the events of a canary taken from the inbox, ``None`` when canaries are off by now."""
    key = config.canary.key
    if key is None:
        return None
    alert = _alert(canary.alert_id, "canary", key, now)
    words = "Canary of the bridge from ThousandEyes to PagerDuty; nothing is wrong"
    sends = [
        Send(
            action,
            translate.plain(action, alert.dedup_key, words, "info", {"Canary": "resolved by the bridge at once"}),
            score("trigger", "info", now),
            behind=action != "trigger",
        )
        for action in ("trigger", "acknowledge", "resolve")
    ]
    return replace(alert, cleared_at=now), sends


def _alert(alert_id: str, route: str, key: str, now: int) -> AlertRow:
    return AlertRow(translate.dedup_key(SOURCE, alert_id), SOURCE, alert_id, route, key, opened_at=now)
