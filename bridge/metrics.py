"""Figures for Prometheus, read from the bridge and its store at the moment they are asked for.

The bridge itself only counts in a dictionary, so a bridge is as cheap to make as its fields; the registry is its own.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from bridge import runbook, verdict
from bridge.config import SECOND
from bridge.core import Bridge
from bridge.errors import StoreError
from bridge.tally import BOUNDS

#: What is counted -> name, text, label.
COUNTERS = {
    "received": ("bridge_received", "Notifications admitted, by the door they came in by.", "door"),
    "refused": ("bridge_refused", "Requests refused, by reason.", "reason"),
    "decided": ("bridge_decided", "Notifications decided upon, by outcome.", "outcome"),
    "tries": ("bridge_tries", "Events tried, by verdict.", "verdict"),
    "failed": ("bridge_failed", "Tries that failed, by reason: names of the runbook.", "reason"),
    "dead": ("bridge_dead", "Notifications and events given up, by cause.", "cause"),
    "repaired": ("bridge_repaired", "Lost notifications found by reconciliation and put in, by kind.", "kind"),
    "reconciled": ("bridge_reconciliations", "Runs of reconciliation, by result.", "result"),
    "lookups": ("bridge_lookups", "Incidents looked up in PagerDuty's REST API, by status.", "status"),
    "forgotten": ("bridge_forgotten", "Rows deleted because their retention is over.", ""),
}
HISTOGRAMS = {
    "accept": ("bridge_accept_seconds", "From a request to its commit.", ""),
    "decision": ("bridge_decision_seconds", "From the commit of a notification to the decision about it.", ""),
    "delivery": ("bridge_delivery_seconds", "From a notification to PagerDuty's acceptance of its event.", "action"),
    "exchange": ("bridge_exchange_seconds", "Requests of the bridge, by host.", "host"),
}
#: Facts of the store that are shown as the moment they last happened, 0 for never.
FACTS = {
    "reconcile": "When reconciliation last succeeded.",
    "canary": "When the last canary was put in.",
}


class _Collector:
    def __init__(self, bridge: Bridge, now: int, refusing: tuple[int, str] | None) -> None:
        self._bridge = bridge
        self._now = now
        self._refusing = refusing

    def collect(self) -> Iterator[Metric]:
        counters, histograms = self._bridge.tally.snapshot()
        for what, (name, text, label) in COUNTERS.items():
            family = CounterMetricFamily(name, text, labels=[label] if label else [])
            for (kind, value), number in counters.items():
                if kind == what:
                    family.add_metric([value] if label else [], number)
            yield family
        for what, (name, text, label) in HISTOGRAMS.items():
            shown = HistogramMetricFamily(name, text, labels=[label] if label else [])
            for (kind, value), histogram in histograms.items():
                if kind == what:
                    below = list(itertools.accumulate(histogram.counts))
                    names = [*(str(float(bound)) for bound in BOUNDS), "+Inf"]
                    buckets = list(zip(names, below, strict=True))
                    shown.add_metric([value] if label else [], buckets, histogram.total)
            yield shown
        try:
            kept = [*self._store(), *self._keys()]
        except StoreError:
            # The store is out of reach, so all that can be told about it is just that.
            kept = list(_verdict(works=False, there=["storage"]))
        yield from kept

    def _store(self) -> Iterator[Metric]:
        report = verdict.judge(self._bridge.store, self._bridge.config, self._now, refusing=self._refusing)
        figures = report.figures
        yield from _verdict(works=report.works, there=[one.name for one in report.troubles])
        yield GaugeMetricFamily("bridge_undecided", "Notifications nobody decided upon yet.", figures.undecided)
        yield GaugeMetricFamily("bridge_unreadable", "Unreadable notifications kept.", figures.unreadable)
        yield GaugeMetricFamily("bridge_open_alerts", "Alerts triggered and not cleared.", figures.open_alerts)
        queue = GaugeMetricFamily("bridge_queue", "Events by key and state.", labels=["key", "state"])
        for events in figures.queues:
            queue.add_metric([events.key, events.state], events.number)
        yield queue
        age = self._age(figures.oldest_pending)
        yield GaugeMetricFamily("bridge_oldest_pending_seconds", "Age of the oldest event not delivered yet.", age)
        age = self._age(figures.undecided_since)
        yield GaugeMetricFamily("bridge_oldest_undecided_seconds", "Age of the oldest notification undecided.", age)

        for name, text in FACTS.items():
            fact = self._bridge.store.fact(name)
            yield GaugeMetricFamily(
                f"bridge_last_{name}_timestamp_seconds", text, 0 if fact is None else fact[0] / SECOND
            )

    def _keys(self) -> Iterator[Metric]:
        barred = GaugeMetricFamily("bridge_key_barred", "1 while a key is refused by PagerDuty.", labels=["key"])
        paused = GaugeMetricFamily("bridge_key_paused", "1 while a key is paused.", labels=["key"])
        for key_state in self._bridge.key_states():
            barred.add_metric([key_state.name], int(key_state.barred is not None))
            paused.add_metric([key_state.name], int(key_state.paused_until > self._now))
        yield barred
        yield paused

    def _age(self, since: int | None) -> float:
        return 0.0 if since is None else max(0, self._now - since) / SECOND


def _verdict(*, works: bool, there: list[str]) -> Iterator[Metric]:
    yield GaugeMetricFamily("bridge_works", "1 while paging works, as bridge status says.", int(works))
    trouble = GaugeMetricFamily("bridge_trouble", "1 for each trouble there is.", labels=["name", "level"])
    for what, entry in runbook.TROUBLES.items():
        trouble.add_metric([what, entry.level.value], int(what in there))
    yield trouble


def render(bridge: Bridge, now: int, refusing: tuple[int, str] | None = None) -> bytes:
    """Return the figures in Prometheus' text format; ``now`` in microseconds UTC, ``refusing`` as the verdict has it.

    They are there when the store is not: whoever watches must see why.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(bridge, now, refusing))
    return bytes(generate_latest(registry))
