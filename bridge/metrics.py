"""Figures for Prometheus, read from the bridge and its store at the moment they are asked for.

The bridge itself only counts in a dictionary, so a bridge is as cheap to make as its fields; the registry is its own.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from bridge.config import SECOND
from bridge.core import Bridge

_COUNTERS = {
    "received": ("bridge_received", "Notifications admitted.", ""),
    "refused": ("bridge_refused", "Requests refused, by reason.", "reason"),
    "decided": ("bridge_decided", "Notifications decided upon, by outcome.", "outcome"),
    "tries": ("bridge_tries", "Events tried, by verdict.", "verdict"),
    "dead": ("bridge_dead", "Events given up, by action.", "action"),
}


class _Collector:
    def __init__(self, bridge: Bridge, now: int) -> None:
        self._bridge = bridge
        self._now = now

    def collect(self) -> Iterator[Metric]:
        counted = sorted(self._bridge.counters.copy().items())
        for what, (name, text, label) in _COUNTERS.items():
            family = CounterMetricFamily(name, text, labels=[label] if label else [])
            for (kind, value), number in counted:
                if kind == what:
                    family.add_metric([value] if label else [], number)
            yield family
        figures = self._bridge.store.counts()
        yield GaugeMetricFamily("bridge_undecided", "Notifications nobody decided upon yet.", figures["undecided"])
        yield GaugeMetricFamily("bridge_unreadable", "Unreadable notifications kept.", figures["unreadable"])
        queue = GaugeMetricFamily("bridge_queue", "Events by key and state.", labels=["key", "state"])
        for key, state, number in figures["queue"]:
            queue.add_metric([key, state], number)
        yield queue
        oldest = figures["oldest"]
        age = 0 if oldest is None else max(0, self._now - oldest) // SECOND
        yield GaugeMetricFamily("bridge_oldest_pending_seconds", "Age of the oldest event not delivered yet.", age)
        barred = GaugeMetricFamily("bridge_key_barred", "1 while a key is refused by PagerDuty.", labels=["key"])
        paused = GaugeMetricFamily("bridge_key_paused", "1 while a key is paused.", labels=["key"])
        for key_state in self._bridge.key_states():
            barred.add_metric([key_state.name], int(key_state.barred is not None))
            paused.add_metric([key_state.name], int(key_state.paused_until > self._now))
        yield barred
        yield paused


def render(bridge: Bridge, now: int) -> bytes:
    """Return the figures in Prometheus' text format; ``now`` in microseconds UTC."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(bridge, now))
    return bytes(generate_latest(registry))
