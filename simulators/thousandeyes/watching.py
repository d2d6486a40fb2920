"""What an evaluation unit looks at: the parts of a test, who takes part, and their signals round by round.

A unit is a (test, rule) pair; rules on DNS servers have one per server and rules on routes one per prefix. A rule sees
the layer of its alert type at that layer's own interval. Rounds are counted in intervals since 1970 and sampled at
their start, or at an offset of the agent's own where the test starts at random.
"""

from __future__ import annotations

import functools
import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from simulators.engine import ids
from simulators.engine.draft import View
from simulators.engine.instants import DAY, SECOND
from simulators.thousandeyes import conditions as troubles
from simulators.thousandeyes import expression as expressions
from simulators.thousandeyes import monitors, signals, suppression
from simulators.thousandeyes.alerting import NEVER, Signal, Standing
from simulators.thousandeyes.conditions import Place
from simulators.thousandeyes.expression import Baselines, Expression, Maybe, Value
from simulators.thousandeyes.medium import Probe
from simulators.thousandeyes.model import AGENTS, CONDITIONS, SILENCES, AlertRule, Condition, Knobs, Test, Trouble, Unit

#: Seconds between two looks at routes; no vendor document says (assumed).
BGP_INTERVAL = 900
#: Stand-ins for dynamic baselines: this many hundredths of the healthiest day's worst value, by sensitivity (assumed).
SENSITIVITY = {"High": 125, "Medium": 150, "Low": 200}
#: Default time limit in seconds and the setting that holds it, by alert type.
_LIMITS = {
    "http-server": ("httpTimeLimit", 5),
    "page-load": ("pageLoadTimeLimit", 10),
    "web-transactions": ("timeLimit", 30),
    "api": ("timeLimit", 30),
    "ftp": ("ftpTimeLimit", 10),
    "sip-server": ("sipTimeLimit", 5),
}
_MARKER = re.compile(r"markers\s*\.\s*(?:start|set)\(\s*['\"]([^'\"]+)")
#: How far ahead suppression windows are spelled out.
AHEAD = 400 * DAY


def alert_type_of(rule: AlertRule) -> str:
    """Return a rule's alert type by its usual name."""
    return expressions.SYNONYMS.get(rule.alert_type, rule.alert_type)


def interval_of(test: Test, alert_type: str) -> int:
    """Return the microseconds between two rounds of the layer rules of this type look at."""
    if alert_type == "bgp":
        return BGP_INTERVAL * SECOND
    if alert_type == "http-server" and test.type == "page-load":
        return int(test.body.get("httpInterval") or test.interval) * SECOND
    return test.interval * SECOND


def prefix_of(view: View, test: Test) -> str:
    """Return the prefix whose routes a test's BGP layer shows: its own, or the one its target is in."""
    if test.type == "bgp":
        return str(test.body["prefix"])
    number = ids.number(view.seed, "te.prefix", test.target)
    return f"203.0.{number % 64 * 4}.0/22"


def covered_prefix(prefix: str) -> str:
    """Return the one more specific prefix that is announced inside ``prefix`` (its lower half)."""
    network, _, length = prefix.partition("/")
    return f"{network}/{int(length) + 1}"


def parts_of(view: View, test: Test, rule: AlertRule) -> tuple[str, ...]:
    """Return what of a test a rule is evaluated on separately: servers, prefixes, or ("",) for the test as a whole."""
    alert_type = alert_type_of(rule)
    if alert_type == "dns-server":
        return tuple(dict.fromkeys(str(name) for name in test.body.get("dnsServers") or ()))
    if alert_type != "bgp":
        return ("",)
    prefixes = [prefix_of(view, test)]
    if test.body.get("includeCoveredPrefixes") and rule.body.get("includeCoveredPrefixes"):
        prefixes.append(covered_prefix(prefixes[0]))
    scope = expressions.parse(rule.expression, rule.alert_type)
    return tuple(prefix for prefix in prefixes if scope.covers(prefix))


def locations_of(test: Test, alert_type: str) -> tuple[str, ...]:
    """Return who takes part in rounds of a layer: the test's agents, or its monitors."""
    return monitors.of_test(test) if alert_type == "bgp" else test.agents


def place_of(view: View, alert_type: str, location: str) -> Place | None:
    """Return the row of a location."""
    return monitors.monitors().get(location) if alert_type == "bgp" else view.get(AGENTS, location)


def probe_of(view: View, test: Test, location: str, alert_type: str, part: str = "") -> Probe:
    """Return the probe of one location of a test's layer (and part)."""
    body = test.body
    limit, seconds = _LIMITS.get(alert_type, ("", 5))
    desired = str(body.get("desiredStatusCode") or "")
    place = monitors.monitors().get(location) if alert_type == "bgp" else None
    script = str(body.get("transactionScript") or "")
    names = tuple(dict.fromkeys(_MARKER.findall(script))) if alert_type == "web-transactions" else ()
    if alert_type == "api":
        names = tuple(str(step.get("name", "")) for step in body.get("requests") or ())
    return Probe(
        seed=view.seed,
        test=test.id,
        location=location,
        layer=alert_type,
        part=part,
        limit=int(body.get(limit) or seconds) * SECOND,
        secure=alert_type in _LIMITS and not test.target.startswith(("http://", "ftp://")),
        desired=int(desired) if desired.isdigit() else 0,
        names=names,
        traces=int(body.get("numPathTraces") or 3),
        target=prefix_of(view, test) if alert_type == "bgp" else test.target,
        network="" if place is None else place.network,
        bandwidth=bool(body.get("bandwidthMeasurements") or body.get("throughputMeasurements")),
    )


def conditions_of(view: View, test: Test, alert_type: str, location: str, part: str = "") -> tuple[Condition, ...]:
    """Return the conditions one location of a test's layer sees, in the order they were made."""
    place = place_of(view, alert_type, location)
    return tuple(row for row in _conditions(view, test) if troubles.concerns(row, location, place, part))


def _conditions(view: View, test: Test) -> list[Condition]:
    return [*view.find(CONDITIONS, "test", test.id), *view.find(CONDITIONS, "test", "*")]


def offset_of(view: View, test: Test, location: str, interval: int) -> int:
    """Return how long after the start of a round a location samples: nothing, unless the test starts at random."""
    if not test.body.get("randomizedStartTime"):
        return 0
    return ids.number(view.seed, "te.start", test.id, location) % interval


def measured(
    view: View, test: Test, location: str, start: int, alert_type: str = "http-server", part: str = ""
) -> dict[str, Value]:
    """Return everything a location measures of a layer in the round that starts at ``start`` (microseconds)."""
    probe = probe_of(view, test, location, alert_type, part)
    seen = conditions_of(view, test, alert_type, location, part)
    return signals.sample(probe, start + offset_of(view, test, location, interval_of(test, alert_type)), seen)


# -- one unit ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Watch:
    """What a unit looks at, under the present settings: its interval (microseconds), rule and signals.

    ``unknown`` says why nobody outside the vendor can tell whether the rule is violated ("" when everybody can).
    """

    interval: int
    expression: Expression
    signals: tuple[Signal, ...]
    unknown: str = ""
    by_name: Mapping[str, Signal] = field(default_factory=dict)


def watch(view: View, unit: Unit, test: Test, rule: AlertRule) -> Watch:
    """Return what ``unit`` looks at."""
    alert_type = alert_type_of(rule)
    interval = interval_of(test, alert_type)
    parsed = expressions.parse(rule.expression, rule.alert_type)
    quiet = _quiet(view, unit, test, rule, (unit.done + 1) * interval)
    names, unknowable = expressions.asked(parsed), expressions.unknowable(parsed)
    standing_in = unknowable if view.knobs(Knobs).dynamic_baselines else ()
    found = tuple(
        _signal(view, unit, test, alert_type, location, interval, parsed, names, standing_in, quiet)
        for location in parsed.agents(locations_of(test, alert_type))
    )
    return Watch(interval, parsed, found, _unknown(view, rule, parsed), {signal.name: signal for signal in found})


def _unknown(view: View, rule: AlertRule, parsed: Expression) -> str:
    metrics = expressions.unknowable(parsed)
    reasons = []
    if metrics:
        instead = "a fixed limit above the healthy range" if view.knobs(Knobs).dynamic_baselines else "never violated"
        reasons.append(f"the dynamic baseline of {', '.join(metrics)} is the vendor's own (instead: {instead})")
    if rule.mode == "auto":
        rounds = f"{rule.required} of {rule.out_of} rounds, any location"
        reasons.append(f"adaptive detection is the vendor's own (instead: {rounds})")
    return "; ".join(reasons)


def _quiet(view: View, unit: Unit, test: Test, rule: AlertRule, since: int) -> tuple[tuple[int, int], ...]:
    """Return when the unit's data are not looked at, from ``since`` on, merged and in order."""
    spans = suppression.quiet_spans(view, test.id, rule.aid, since, view.now + AHEAD)
    silence = view.get(SILENCES, unit.id)
    if silence is not None:
        spans.append((silence.since, silence.until))
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return tuple(merged)


@functools.lru_cache(maxsize=65536)
def _baselines(probe: Probe, metrics: tuple[str, ...]) -> Baselines:
    """Return limits that stand in for dynamic baselines: so far above the worst value of a healthy day."""
    healthy = signals.bounds(probe, 0, DAY, (), metrics)
    found: dict[str, Mapping[str, int]] = {}
    for metric in metrics:
        bound = healthy.get(metric)
        if isinstance(bound, tuple) and isinstance(bound[1], int):
            worst = bound[1]
            found[metric] = {level: worst * share // 100 for level, share in SENSITIVITY.items()}
    return found


def _signal(
    view: View,
    unit: Unit,
    test: Test,
    alert_type: str,
    location: str,
    interval: int,
    parsed: Expression,
    names: frozenset[str],
    standing_in: tuple[str, ...],
    quiet: Sequence[tuple[int, int]],
) -> Signal:
    probe = probe_of(view, test, location, alert_type, unit.part)
    seen = conditions_of(view, test, alert_type, location, unit.part)
    baselines = _baselines(probe, standing_in) if standing_in else None
    offset = offset_of(view, test, location, interval)
    starts = [start for start, _ in quiet]
    local = tuple(row for row in seen if row.kind is Trouble.LOCAL)

    def at(number: int) -> bool:
        return expressions.holds(parsed, signals.sample(probe, number * interval + offset, seen, names), baselines)

    def over(first: int, last: int) -> Maybe:
        known = signals.bounds(probe, first * interval + offset, last * interval + offset, seen, names)
        return expressions.possible(parsed, known, baselines)

    def until(number: int) -> int:
        instant = number * interval + offset
        edge = troubles.next_edge(seen, instant)
        place = bisect_right(starts, instant)
        if place and instant < quiet[place - 1][1]:
            edge = min(edge, quiet[place - 1][1])
        elif place < len(quiet):
            edge = min(edge, quiet[place][0])
        return NEVER if edge >= troubles.NEVER else (edge - 1 - offset) // interval

    def standing(number: int) -> Standing:
        instant = number * interval + offset
        if any(troubles.in_force(row, instant) for row in local):
            return Standing.ABSENT
        place = bisect_right(starts, instant)
        return Standing.WITHHELD if place and instant < quiet[place - 1][1] else Standing.COUNTED

    if not seen and not quiet:
        return Signal(location, at, over)
    return Signal(location, at, over, until, standing)
