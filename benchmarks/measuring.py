"""What every benchmark here shares: a stopwatch, figures beside their targets, and the table they are printed as.

A figure says what was measured, in which unit, which way is better and how far it had to get; the table is Markdown, so
that a run can be pasted into the README as it stands. Above it stands what the machine was doing meanwhile: a figure
taken on a busy machine is a lower bound and should be read as one.
"""

from __future__ import annotations

import gc
import os
import platform
import resource
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class Figure:
    """One measurement: ``value`` and ``target`` in ``unit``; without a target it is reported and nothing more."""

    name: str
    value: float
    unit: str
    target: float | None = None
    better: Literal["less", "more"] = "more"
    note: str = ""

    @property
    def met(self) -> bool:
        """Whether the target, if there is one, is met."""
        if self.target is None:
            return True
        return self.value <= self.target if self.better == "less" else self.value >= self.target

    def row(self) -> str:
        """Return the figure as a row of the table."""
        goal = "" if self.target is None else f"{'<=' if self.better == 'less' else '>='} {_short(self.target)}"
        verdict = "" if self.met else " **missed**"
        return f"| {self.name} | {_short(self.value)} {self.unit} | {goal}{verdict} | {self.note} |"


def _short(value: float) -> str:
    """Return a number with three significant digits below a hundred, whole above."""
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.3g}"


def report(figures: Iterable[Figure], *, clock: str = "the clock on the wall") -> list[Figure]:
    """Print the figures as they come and return those that missed their target."""
    load = " ".join(f"{average:.1f}" for average in os.getloadavg())
    print(f"Python {platform.python_version()}, {os.cpu_count()} processors, load {load} at the start; by {clock}.\n")
    print("| figure | measured | target | note |\n|---|---|---|---|")
    missed = []
    for figure in figures:
        print(figure.row(), flush=True)
        if not figure.met:
            missed.append(figure)
    print(f"\nLoad at the end: {os.getloadavg()[0]:.1f}. {_summary(missed)}")
    return missed


def _summary(missed: list[Figure]) -> str:
    return f"Missed: {'; '.join(figure.name for figure in missed)}." if missed else "Every target is met."


@dataclass(frozen=True)
class Stopwatch:
    """Measures by ``clock``, which returns seconds; ``scale`` divides the work, for a quick look."""

    clock: Callable[[], float]
    scale: int = 1

    def per_second(self, job: Callable[[int], object], count: int) -> float:
        """Return how often a second ``job`` ran, called with 0 .. count - 1."""
        gc.collect()
        begun = self.clock()
        for number in range(count):
            job(number)
        return count / (self.clock() - begun)

    def milliseconds(self, job: Callable[[], object], count: int) -> float:
        """Return the median time of one call in milliseconds."""
        spans = []
        for _ in range(count):
            begun = self.clock()
            job()
            spans.append((self.clock() - begun) * 1000)
        return statistics.median(spans)

    def seconds(self, job: Callable[[], object]) -> float:
        """Return how long one call took."""
        gc.collect()
        begun = self.clock()
        job()
        return self.clock() - begun


def watch(*, cpu: bool, scale: int = 1) -> Stopwatch:
    """Return a stopwatch by the clock on the wall or by what the processor spent."""
    return Stopwatch(processor if cpu else time.perf_counter, scale)


def processor() -> float:
    """Return the seconds the processor has spent on this process and on those it has waited for."""
    waited = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + waited.ru_utime + waited.ru_stime


def percentile(values: Iterable[float], share: float) -> float:
    """Return the value that ``share`` (0..1) of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def resident() -> float:
    """Return how many megabytes of memory this process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20
