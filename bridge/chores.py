"""What the bridge does besides carrying: its regular work, and everything it remembers outside its store.

A chore says when it next wants to run and runs; what it must not forget lies in the store. Chores that nobody
configured want nothing. Forgetting old rows never asks to be woken: it goes along with whatever else is done.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bridge import people, reconcile, records, watch
from bridge.config import SECOND
from bridge.delivery import KeyState

if TYPE_CHECKING:
    from bridge.core import Bridge

PRUNE_EVERY = 3_600 * SECOND
PRUNE_ROUNDS = 20


@dataclass(frozen=True, slots=True)
class Volatile:
    """Everything the bridge remembers outside its store; losing it costs politeness, never an event."""

    keys: tuple[KeyState, ...] = ()
    pruned_at: int = 0
    watched_at: int = 0
    refused_at: int = 0
    store_failing_since: int | None = None
    store_failed_at: int = 0
    store_paged_at: int | None = None
    store_tried_at: int = 0


@dataclass(frozen=True, slots=True)
class Chore:
    """A piece of regular work: when it is due (``None``: nothing planned, 0: at once), and doing it."""

    name: str
    next_due: Callable[[Bridge], int | None]
    run: Callable[[Bridge, int], int]


def _prune(bridge: Bridge, now: int) -> int:
    """Forget what is older than the retention; a large heap is carried off over several runs."""
    if now - bridge.volatile.pruned_at < PRUNE_EVERY:
        return 0
    before = now - bridge.config.store.retention
    gone = 0
    for _ in range(PRUNE_ROUNDS):
        forgotten = records.prune(bridge.store, before)
        gone += forgotten
        if not forgotten:
            bridge.remember(lambda volatile: replace(volatile, pruned_at=now))
            break
    if gone:
        bridge.tally.count("forgotten", "", gone)
    return 0


#: Work of every bridge on a store, leading or not.
STANDING: tuple[Chore, ...] = (Chore("store", watch.next_store_watch, watch.watch_store),)
#: Work of the one that decides and delivers.
CHORES: tuple[Chore, ...] = (
    Chore("look up", people.next_due, people.run),
    Chore("reconcile", reconcile.next_due, reconcile.run),
    Chore("canary", watch.next_canary, watch.fly),
    Chore("watch", watch.next_watch, watch.watch),
    Chore("forget", lambda bridge: None, _prune),
)
