"""Does paging work? A judgement over what lies in the store, the same for the terminal, the metrics and the self-alert.

Nearly everything is read from the store, so the answer is the same whether the bridge runs, has just been restarted or
is dead, and whoever asks. Whether the store can be written only the process that writes it knows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bridge import records, runbook, translate
from bridge.config import MINUTE, SECOND, Config
from bridge.delivery import Verdict
from bridge.records import Figures, KeyHealth
from bridge.runbook import Level
from bridge.storage import Store

#: How long something may be wrong before it counts: tries are repeated, and most troubles pass by themselves.
PATIENCE = {"unreachable": 2 * MINUTE, "errors": 2 * MINUTE, "throttled": 10 * MINUTE}
UNDECIDED_AFTER = MINUTE
LATE_AFTER = 5 * MINUTE
CANARY_AFTER = 5 * MINUTE
#: A sender that was refused repeats itself for an hour; after that nothing more is known of it.
REFUSED_FOR = 65 * MINUTE
REFUSALS_NOTED_EVERY = MINUTE
#: ThousandEyes repeats what was refused every five minutes.
REPEATED_WITHIN = 10 * MINUTE


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that is wrong: its name in the runbook, since when, and the particulars."""

    name: str
    since: int
    words: str

    @property
    def level(self) -> Level:
        """How bad it is."""
        return runbook.TROUBLES[self.name].level

    @property
    def meaning(self) -> str:
        """What it means."""
        return runbook.TROUBLES[self.name].meaning

    @property
    def remedy(self) -> str:
        """What to do."""
        return runbook.TROUBLES[self.name].remedy


@dataclass(frozen=True, slots=True)
class Report:
    """The answer, with all troubles, the worst first."""

    troubles: tuple[Trouble, ...]
    figures: Figures

    @property
    def works(self) -> bool:
        """Whether paging works."""
        return not any(trouble.level is Level.DOWN for trouble in self.troubles)

    @property
    def wakes(self) -> bool:
        """Whether the bridge's own operators should be woken."""
        return any(trouble.level is not Level.NOTE for trouble in self.troubles)


def judge(
    store: Store,
    config: Config,
    now: int,
    *,
    served: bool | None = None,
    refusing: tuple[int, str] | None = None,
) -> Report:
    """Return whether paging works at ``now``; ``served`` says whether a bridge runs, ``None`` when it is us.

    ``refusing`` says since when and why notifications cannot be stored, which the store itself cannot tell.
    """
    figures = records.figures(store)
    found = list(_troubles(store, config, figures, now, served))
    if refusing is not None:
        found.append(Trouble("storage", *refusing))
    order = list(runbook.TROUBLES)
    found.sort(key=lambda one: (list(Level).index(one.level), order.index(one.name), one.since, one.words))
    return Report(tuple(found), figures)


def note_refusal(store: Store, door: str, now: int) -> None:
    """Remember that a sender was refused, and when that began."""
    last = store.fact("refused")
    with store.transaction():
        if last is None or now - last[0] > REFUSED_FOR:
            store.note_fact("refused-since", now)
        store.note_fact("refused", now, door)


def named(what: Verdict, words: str) -> str:
    """Return the runbook's name for what kept an event from being taken."""
    if what is Verdict.BARRED:
        return "certificate" if "CERTIFICATE" in words.upper() else "credentials"
    if what is Verdict.THROTTLED:
        return "throttled"
    return "errors" if words.startswith("HTTP ") else "unreachable"


def _troubles(store: Store, config: Config, figures: Figures, now: int, served: bool | None) -> Iterator[Trouble]:
    if served is False:
        name = "not-running" if config.store.postgresql is None else "no-leader"
        yield Trouble(name, store.last_moment() or now, "the store was last written then")
    waiting = {queue.key for queue in figures.queues if queue.state != "dead"}
    for key in config.keys:
        yield from _key(records.health(store, key), waiting, now)
    for queue in figures.queues:
        if queue.state != "dead" and queue.key not in config.keys:
            yield Trouble("unconfigured", queue.oldest, f"{queue.number} events for {queue.key}")
    if figures.undecided_since is not None and now - figures.undecided_since > UNDECIDED_AFTER:
        yield Trouble("undecided", figures.undecided_since, f"{figures.undecided} notifications")
    oldest = figures.oldest_pending
    if oldest is not None and now - oldest > LATE_AFTER:
        number = figures.count("pending") + figures.count("waiting")
        yield Trouble("late", oldest, f"{number} events wait, the oldest for {(now - oldest) // SECOND} s")
    dead = [queue.oldest for queue in figures.queues if queue.state == "dead"]
    dead += [] if figures.unreadable_since is None else [figures.unreadable_since]
    if dead:
        number = figures.count("dead") + figures.unreadable
        yield Trouble("dead-letters", min(dead), f"{number} of them")
    last, first = store.fact("refused"), store.fact("refused-since")
    if last is not None and first is not None and now - last[0] <= REFUSED_FOR:
        yield Trouble("refused", first[0], f"the last one {max(0, now - last[0]) // SECOND} s ago at {last[1]}")
    yield from _reconciliation(store, config, now)
    yield from _canary(store, config, now)


def _key(health: KeyHealth, waiting: set[str], now: int) -> Iterator[Trouble]:
    since = health.failing_since
    if since is None or health.name not in waiting:
        return
    name = named(Verdict(health.verdict), health.error)
    if now - since > PATIENCE.get(name, 0):
        yield Trouble(name, since, f"key {health.name}: {health.error or 'no words'}")


def _reconciliation(store: Store, config: Config, now: int) -> Iterator[Trouble]:
    if config.thousandeyes.token is None:
        return
    tried, done = store.fact("reconcile-tried"), store.fact("reconcile")
    last = 0 if done is None else done[0]
    if tried is not None and tried[1] and now - last > 3 * config.thousandeyes.every:
        yield Trouble("reconciliation", last or tried[0], tried[1])


def _canary(store: Store, config: Config, now: int) -> Iterator[Trouble]:
    flown = None if config.canary.key is None else store.fact("canary")
    if flown is None or now - flown[0] <= CANARY_AFTER:
        return
    if not store.finished(translate.dedup_key("bridge", flown[1]), "resolve"):
        yield Trouble("canary", flown[0], f"{flown[1]} was not taken to its end")
