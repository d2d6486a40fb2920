"""What an evaluation unit looks at: the parts of a test, who takes part, and their signals round by round.

A unit is a (test, rule) pair; rules on DNS servers have one per server and rules on routes one per prefix. A rule sees
the layer of its alert type at that layer's own interval. Rounds are counted in intervals since 1970 and sampled at
their start, or at an offset of the agent's own where the test starts at random.
"""

from __future__ import annotations

import functools
import re
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, replace

from simulators.engine import ids
from simulators.engine.draft import View
from simulators.engine.instants import DAY, SECOND
from simulators.thousandeyes import conditions as troubles
from simulators.thousandeyes import expression as expressions
from simulators.thousandeyes import monitors, signals, suppression
from simulators.thousandeyes.alerting import NEVER, Standing
from simulators.thousandeyes.conditions import Place
from simulators.thousandeyes.expression import Baselines, Expression, Maybe, Value
from simulators.thousandeyes.medium import LIFE, Probe, Target, probe
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
    return _probe(target_of(view, test, alert_type, part), location)


def target_of(view: View, test: Test, alert_type: str, part: str = "") -> Target:
    """Return what is measured in a test's layer (and part)."""
    body, target = test.body, test.target
    limit, seconds = _LIMITS.get(alert_type, ("", 5))
    desired = str(body.get("desiredStatusCode") or "")
    names: tuple[str, ...] = ()
    if alert_type == "web-transactions":
        names = tuple(dict.fromkeys(_MARKER.findall(str(body.get("transactionScript") or ""))))
    elif alert_type == "api":
        names = tuple(str(step.get("name", "")) for step in body.get("requests") or ())
    return Target(
        seed=view.seed,
        test=test.id,
        layer=alert_type,
        part=part,
        address=prefix_of(view, test) if alert_type == "bgp" else target,
        limit=int(body.get(limit) or seconds) * SECOND,
        secure=alert_type in _LIMITS and not target.startswith(("http://", "ftp://")),
        desired=int(desired) if desired.isdigit() else 0,
        names=names,
        traces=int(body.get("numPathTraces") or 3),
        bandwidth=bool(body.get("bandwidthMeasurements") or body.get("throughputMeasurements")),
    )


def _probe(target: Target, location: str) -> Probe:
    monitor = monitors.monitors().get(location) if target.layer == "bgp" else None
    return probe(target, location, "" if monitor is None else monitor.network)


def seen_by_whom(view: View, condition: Condition) -> frozenset[str]:
    """Return the ids of the agents and monitors that see a condition."""
    places: tuple[Place, ...] = (*view.all(AGENTS), *monitors.monitors().values())
    return frozenset(place.id for place in places if troubles.concerns(condition, place.id, place))


def conditions_of(view: View, test: Test, alert_type: str, location: str, part: str = "") -> tuple[Condition, ...]:
    """Return the conditions one location of a test's layer sees, in the order they were made."""
    place = place_of(view, alert_type, location)
    return tuple(row for row in _conditions(view, test) if troubles.concerns(row, location, place, part))


def _conditions(view: View, test: Test) -> list[Condition]:
    return [*view.find(CONDITIONS, "test", test.id), *view.find(CONDITIONS, "test", "*")]


def offset_of(view: View, test: Test, location: str, interval: int) -> int:
    """Return how long after the start of a round a location samples: nothing, unless the test starts at random."""
    if not interval or not test.body.get("randomizedStartTime"):
        return 0
    return ids.number(view.seed, "te.start", test.id, location) % interval


def measured(
    view: View,
    test: Test,
    location: str,
    start: int,
    alert_type: str = "http-server",
    part: str = "",
) -> dict[str, Value]:
    """Return everything a location measures of a layer in the round that starts at ``start`` (microseconds)."""
    here = probe_of(view, test, location, alert_type, part)
    seen = conditions_of(view, test, alert_type, location, part)
    instant = start + offset_of(view, test, location, interval_of(test, alert_type))
    return signals.sample(here, instant, seen)


# -- one unit ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Watch:
    """What a unit looks at, under the present settings: its interval (microseconds), rule and signals.

    ``unknown`` says why nobody outside the vendor can tell whether the rule is violated ("" when everybody can).
    """

    interval: int
    expression: Expression
    signals: tuple[Sight, ...]
    unknown: str = ""

    def sight(self, location: str) -> Sight:
        """Return the signal of one location."""
        return next(signal for signal in self.signals if signal.name == location)


def watch(view: View, unit: Unit, test: Test, rule: AlertRule, *, silenced: bool = True) -> Watch:
    """Return what ``unit`` looks at; with ``silenced`` false it looks through silences and suppression windows."""
    alert_type = alert_type_of(rule)
    interval = interval_of(test, alert_type)
    parsed, names, unknowable = _read(rule.expression, rule.alert_type)
    scene = _Scene(
        view,
        test,
        target_of(view, test, alert_type, unit.part),
        interval,
        rule.expression,
        parsed,
        names,
        unknowable if unknowable and view.knobs(Knobs).dynamic_baselines else (),
        _lately(_conditions(view, test), (unit.done - rule.out_of) * interval),
        _quiet(view, unit, test, rule, (unit.done - rule.out_of) * interval) if silenced else (),
    )
    locations = parsed.agents(locations_of(test, alert_type))
    return Watch(interval, parsed, tuple(Sight(scene, name) for name in locations), _unknown(view, rule, unknowable))


@functools.lru_cache(maxsize=4096)
def _read(text: str, alert_type: str) -> tuple[Expression, frozenset[str], tuple[str, ...]]:
    """Return a rule's expression, what it asks about, and what of that only the vendor knows."""
    parsed = expressions.parse(text, alert_type)
    return parsed, expressions.asked(parsed), expressions.unknowable(parsed)


def _lately(rows: list[Condition], since: int) -> tuple[Condition, ...]:
    """Return the conditions that were not over long ago."""
    return tuple(row for row in rows if row.until is None or row.until > since)


def _unknown(view: View, rule: AlertRule, metrics: tuple[str, ...]) -> str:
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
def _for_ever(here: Probe, rule: str, standing_in: tuple[str, ...], wrong: tuple[Condition, ...]) -> Maybe:
    """Return whether a rule is violated in every round there may ever be while ``wrong`` lasts, in none, or in some.

    Most rounds are healthy, or as wrong as those of an hour ago, and what is true of all is true of each span of them.
    """
    parsed = expressions.parse(rule, here.target.layer)
    known = signals.bounds(here, 0, LIFE * DAY, wrong, expressions.asked(parsed))
    return expressions.possible(parsed, known, _baselines(here, standing_in) if standing_in else None)


@functools.lru_cache(maxsize=16384)
def _steady(row: Condition) -> Condition | None:
    """Return a condition as if it had always been and would always be, ``None`` when it is not the same throughout."""
    if row.ramp or row.diurnal or row.kind is Trouble.TLS:
        return None
    return replace(row, id="", test="*", since=0, until=None, period=0, agents=(), regions=(), providers=(), parts=())


@functools.lru_cache(maxsize=65536)
def _baselines(here: Probe, metrics: tuple[str, ...]) -> Baselines:
    """Return limits that stand in for dynamic baselines: so far above the worst value of a healthy day."""
    healthy = signals.bounds(here, 0, LIFE * DAY, (), frozenset(metrics))
    found: dict[str, Mapping[str, int]] = {}
    for metric in metrics:
        bound = healthy.get(metric)
        if isinstance(bound, tuple) and isinstance(bound[1], int):
            worst = bound[1]
            found[metric] = {level: worst * share // 100 for level, share in SENSITIVITY.items()}
    return found


@dataclass(frozen=True, slots=True)
class _Scene:
    """What all locations of a unit have in common."""

    view: View
    test: Test
    target: Target
    interval: int
    rule: str
    parsed: Expression
    names: frozenset[str]
    standing_in: tuple[str, ...]
    wrong: tuple[Condition, ...]
    quiet: tuple[tuple[int, int], ...]


class Sight:
    """One location's view of a unit's rounds; what it needs is worked out when it is first asked."""

    __slots__ = ("_baselines", "_interval", "_local", "_names", "_offset", "_parsed", "_probe", "_quiet", "_scene",
                 "_seen", "_starts", "name")  # fmt: skip

    def __init__(self, scene: _Scene, name: str) -> None:
        self.name = name
        self._scene = scene
        self._probe: Probe | None = None

    def _ready(self) -> Probe:
        """Find out who it is and what it sees, and return the probe."""
        scene, name = self._scene, self.name
        view, layer, part = scene.view, scene.target.layer, scene.target.part
        self._probe = here = _probe(scene.target, name)
        self._interval, self._parsed, self._names, self._quiet = scene.interval, scene.parsed, scene.names, scene.quiet
        self._baselines = _baselines(here, scene.standing_in) if scene.standing_in else None
        self._offset = offset_of(view, scene.test, name, scene.interval)
        place = place_of(view, layer, name) if scene.wrong else None
        self._seen = tuple(row for row in scene.wrong if troubles.concerns(row, name, place, part))
        self._local = tuple(row for row in self._seen if row.kind is Trouble.LOCAL)
        self._starts = [start for start, _ in self._quiet]
        return here

    def values(self, number: int) -> dict[str, Value]:
        """Return what the rule asks about, as measured in a round."""
        here = self._probe or self._ready()
        return signals.sample(here, number * self._interval + self._offset, self._seen, self._names)

    def at(self, number: int) -> bool:
        """Return whether the rule is violated in a round."""
        values = self.values(number)
        return expressions.holds(self._parsed, values, self._baselines)

    def over(self, first: int, last: int) -> Maybe:
        """Return whether the rule is violated in every round of a span, in none, or in some."""
        here = self._probe or self._ready()
        since, until = first * self._interval + self._offset, last * self._interval + self._offset
        live = [row for row in self._seen if troubles.in_force(row, since)]
        steady = tuple(row for row in map(_steady, live) if row is not None)
        if len(steady) == len(live):
            verdict = _for_ever(here, self._scene.rule, self._scene.standing_in, steady)
            if verdict is not Maybe.MAYBE:
                return verdict
        known = signals.bounds(here, since, until, live, self._names)
        return expressions.possible(self._parsed, known, self._baselines)

    def until(self, number: int) -> int:
        """Return the last round before anything begins or ends."""
        if self._probe is None:
            self._ready()
        if not self._seen and not self._quiet:
            return NEVER
        instant = number * self._interval + self._offset
        edge = min(troubles.next_edge(self._seen, instant), self._quiet_edge(instant))
        return NEVER if edge >= troubles.NEVER else (edge - 1 - self._offset) // self._interval

    def standing(self, number: int) -> Standing:
        """Return what a round counts for."""
        if self._probe is None:
            self._ready()
        if not self._local and not self._quiet:
            return Standing.COUNTED
        instant = number * self._interval + self._offset
        if any(troubles.in_force(row, instant) for row in self._local):
            return Standing.ABSENT
        place = bisect_right(self._starts, instant)
        quiet = place and instant < self._quiet[place - 1][1]
        return Standing.WITHHELD if quiet else Standing.COUNTED

    def _quiet_edge(self, instant: int) -> int:
        place = bisect_right(self._starts, instant)
        if place and instant < self._quiet[place - 1][1]:
            return self._quiet[place - 1][1]
        return self._quiet[place][0] if place < len(self._quiet) else troubles.NEVER
