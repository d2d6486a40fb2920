"""How fast ThousandEyes' alerting is: 1,000 tests x 20 agents at 60 s for 30 days with noise and 500 changes.

Run ``python -m benchmarks.thousandeyes_alerting``; it prints a table and fails when the month takes longer than the
bound, in processor time, so that whatever else runs matters little. The month is played by a whole world:
agenda, journal and all. Every evaluation the rules ask for is counted; *undecided* are the rounds that could only be
told one by one, because their values graze the threshold. Their share is what the cost depends on: a rule whose
threshold lies inside the noise is evaluated in every round, as ``--grazing N`` shows with N such tests.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.measuring import Figure, report
from simulators.engine import ids, instants
from simulators.engine.instants import DAY, HOUR, MINUTE
from simulators.engine.world import World
from simulators.thousandeyes import commands, units
from simulators.thousandeyes.alerting import Effort, advance
from simulators.thousandeyes.component import ThousandEyes
from simulators.thousandeyes.model import ALERTS, Trouble

TESTS, AGENTS, DAYS = 1_000, 20, 30
#: Each begins and ends, which makes 500 changes.
CONDITIONS = 250
BOUND = 5.0
START = instants.parse("2026-03-02T00:00:00Z")
#: Rules of the field: a status, an error, slow answers well above the healthy range. Every test gets one of them.
RULES = (
    ("((responseCode >= 500))", 2, 2, 2),
    ('((errorType != "None"))', 2, 3, 3),
    ("((responseTime >= 1500 ms))", 3, 5, 1),
    ("((responseTime >= 900 ms) || (responseCode == 0))", 2, 2, 2),
)
#: What goes wrong in turn: kind, value, how long in minutes, and how it behaves.
TROUBLES: tuple[tuple[Trouble, int, int, dict[str, Any]], ...] = (
    (Trouble.STATUS, 503, 45, {}),
    (Trouble.SLOW, 2_500, 120, {"ramp": HOUR}),
    (Trouble.STATUS, 500, 240, {"period": 20 * MINUTE}),
    (Trouble.LATENCY, 700, 360, {"diurnal": True}),
    (Trouble.TIMEOUT, 0, 30, {"share": 60}),
    (Trouble.DNS, 0, 15, {}),
    (Trouble.LOSS, 60, 600, {"noise": 20, "ramp": 2 * HOUR}),
    (Trouble.CONNECT, 0, 20, {}),
)


def draw(what: str, number: int, limit: int) -> int:
    """Return the ``number``-th draw below ``limit``."""
    return ids.number(1, f"benchmark.{what}", number) % limit


def account(grazing: int) -> tuple[World, list[str]]:
    """Return a world at the start of the month with all its tests, and their ids."""
    world = World(seed=1, start=START, components=[ThousandEyes()])
    world.transact(commands.open_account)
    agents = tuple(str(number) for number in range(3, 3 + AGENTS))
    tests: list[str] = []
    for number in range(TESTS):
        body = {"url": f"https://shop-{number}.example"}

        def create(draft: Any, number: int = number, body: dict[str, str] = body) -> Any:
            return commands.create_test(draft, name=f"shop {number}", interval=60, agents=agents, body=body)

        tests.append(world.transact(create).id)
    for place, (text, required, out_of, sources) in enumerate(RULES):
        own = tuple(test for number, test in enumerate(tests) if number % len(RULES) == place)
        rule(world, text, required, out_of, sources, own)
    if grazing:
        rule(world, "((connectTime >= 40 ms))", 5, 5, 10, tuple(tests[:grazing]), "exact")
    return world, tests


def rule(
    world: World, text: str, required: int, out_of: int, sources: int, tests: tuple[str, ...], mode: str = "any"
) -> None:
    """Create a rule for ``tests``."""
    world.transact(
        lambda draft: commands.create_rule(
            draft,
            name=text,
            expression_text=text,
            required=required,
            out_of=out_of,
            minimum_sources=sources,
            mode=mode,
            tests=tests,
        )
    )


def changes(tests: list[str]) -> list[tuple[int, Callable[[Any], Any]]]:
    """Return the month's conditions in order of their beginning: most of one test, some of a whole country."""
    found: list[tuple[int, Callable[[Any], Any]]] = []
    for number in range(CONDITIONS):
        kind, value, minutes, how = TROUBLES[number % len(TROUBLES)]
        at = START + draw("at", number, (DAYS * DAY - 12 * HOUR) // MINUTE) * MINUTE
        test = tests[draw("test", number, len(tests))]
        wide: dict[str, Any] = {"test": "*", "regions": ("NO",)} if number % 100 == 7 else {"test": test}
        settings = {**how, **wide, "until": at + minutes * MINUTE, "value": value}
        found.append((at, lambda draft, kind=kind, settings=settings: commands.add_condition(draft, kind, **settings)))
    return sorted(found, key=lambda change: change[0])


def figures(grazing: int) -> Iterator[Figure]:
    """Play the month."""
    efforts: list[Effort] = []

    def counting(*given: Any) -> Any:
        efforts.append(given[5] or Effort())
        return advance(*given[:5], efforts[-1], *given[6:])

    units.advance = counting  # type: ignore[attr-defined]
    begun, clock = time.process_time(), time.perf_counter()
    world, tests = account(grazing)
    made = time.process_time()
    for at, verb in changes(tests):
        world.advance_to(at)
        world.transact(verb)
    world.advance_to(START + DAYS * DAY)
    ended, wall = time.process_time(), time.perf_counter() - clock
    rounds, single = TESTS * AGENTS * DAYS * DAY // MINUTE, sum(effort.rounds for effort in efforts)
    spans, alerts = sum(effort.spans for effort in efforts), world.view.count(ALERTS)
    target = None if grazing else BOUND
    shown = f"{2 * CONDITIONS} condition changes, {alerts:,} alerts; with setting up {wall:.1f} s by the clock"
    yield Figure("a month of 1,000 tests on 20 agents", ended - made, "s", target, "less", shown)
    yield Figure("setting it up", made - begun, "s")
    yield Figure("evaluations asked for", rounds, "", note=f"spans decided at once: {spans:,}")
    yield Figure("undecided, told one by one", single, "rounds", note=f"{100 * single / rounds:.4f} % of them")


def main() -> int:
    """Print the figures; return 1 when the month took too long."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--grazing", type=int, default=0, help="tests whose threshold lies inside the noise")
    return 1 if report(figures(parser.parse_args().grazing), clock="processor time") else 0


if __name__ == "__main__":
    sys.exit(main())
