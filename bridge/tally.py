"""What the bridge counts and times while it works, in plain numbers; :mod:`bridge.metrics` shows them."""

from __future__ import annotations

import threading
from bisect import bisect_left
from dataclasses import dataclass, field

#: Upper bounds of the histograms, in seconds: from a commit on a fast disk to an event that waited a day.
BOUNDS = (
    0.001,
    0.002,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1,
    2.5,
    5,
    10,
    30,
    60,
    300,
    900,
    3_600,
    21_600,
    86_400,
)


@dataclass(slots=True)
class Histogram:
    """How many observations fell below each bound (the last count is beyond all of them), and their sum."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    total: float = 0.0


class Tally:
    """Counters and histograms by (what, label); any thread may add."""

    def __init__(self) -> None:
        self.counters: dict[tuple[str, str], int] = {}
        self.histograms: dict[tuple[str, str], Histogram] = {}
        self._lock = threading.Lock()

    def count(self, what: str, label: str = "", number: int = 1) -> None:
        """Add to a counter."""
        with self._lock:
            self.counters[what, label] = self.counters.get((what, label), 0) + number

    def observe(self, what: str, seconds: float, label: str = "") -> None:
        """Add an observation; what a clock that went back makes negative counts as nothing."""
        seconds = max(seconds, 0.0)
        with self._lock:
            histogram = self.histograms.setdefault((what, label), Histogram())
            histogram.counts[bisect_left(BOUNDS, seconds)] += 1
            histogram.total += seconds

    def snapshot(self) -> tuple[dict[tuple[str, str], int], dict[tuple[str, str], Histogram]]:
        """Return a copy of everything, sorted by name."""
        with self._lock:
            histograms = {key: Histogram(list(one.counts), one.total) for key, one in sorted(self.histograms.items())}
            return dict(sorted(self.counters.items())), histograms
