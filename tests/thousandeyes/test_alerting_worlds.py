"""Whole small worlds: looking ahead and skipping raises exactly the alerts that asking every round would raise."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from weather import START, conditions

from simulators.engine.instants import MINUTE
from simulators.engine.world import World
from simulators.thousandeyes import commands, watching
from simulators.thousandeyes.alerting import Cleared, State, Triggered, naive
from simulators.thousandeyes.component import ThousandEyes
from simulators.thousandeyes.model import (
    ALERTS,
    CONDITIONS,
    RULES,
    TESTS,
    AlertState,
    Condition,
    Knobs,
    Trouble,
    unit_id,
)
from simulators.thousandeyes.model import Unit as Row
from simulators.thousandeyes.units import config_of

HOURS = 3
AGENTS = ("3", "4", "5")


@dataclass(frozen=True)
class Layer:
    """A kind of test, its settings, an alert type, expressions with thresholds above, below and inside the noise, and
    the troubles that matter to them."""

    kind: str
    body: dict[str, Any]
    alert_type: str
    expressions: tuple[str, ...]
    troubles: tuple[Trouble, ...]


LAYERS = (
    Layer(
        "http-server",
        {"url": "https://shop.example"},
        "http-server",
        (
            "((responseCode >= 400))",
            '((errorType != "None"))',
            "((responseTime >= 230 ms))",
            "((waitTime >= 140 ms) && (connectTime < 60 ms))",
            "((Auto(totalTime >= High sensitivity)))",
            "((probDetail =~ /50[0-9]/) || (certificateValidity <= 10 day))",
        ),
        (Trouble.STATUS, Trouble.TIMEOUT, Trouble.SLOW, Trouble.LATENCY, Trouble.TLS),
    ),
    Layer(
        "agent-to-server",
        {"server": "shop.example"},
        "end-to-end-server",
        ("((loss >= 20%))", "((avgLatency >= 45 ms) || (jitter >= 10 ms))"),
        (Trouble.LOSS, Trouble.JITTER, Trouble.LATENCY, Trouble.CONNECT, Trouble.DNS),
    ),
    Layer(
        "agent-to-server",
        {"server": "shop.example"},
        "path-trace",
        ("((isTerminal == true))", "((hops((hopDelay >= 30 ms))))", "((pathLength >= 11))"),
        (Trouble.HOP_LOSS, Trouble.PATH_CHANGE, Trouble.LATENCY, Trouble.CONNECT),
    ),
    Layer(
        "page-load",
        {"url": "https://shop.example", "httpInterval": 60},
        "page-load",
        ("((!pageLoaded))", "((components((totalTime >= 160 ms))))", "((errorCount >= 2))"),
        (Trouble.STATUS, Trouble.COMPONENT, Trouble.SLOW, Trouble.TIMEOUT),
    ),
    Layer(
        "dns-server",
        {"domain": "shop.example", "dnsServers": ["a.example", "b.example"]},
        "dns-server",
        ('((probDetail != ""))', '((mapData in {"198.51.100.0/24"}))', "((delay >= 50 ms))"),
        (Trouble.DNS, Trouble.MAPPING, Trouble.LATENCY, Trouble.LOSS),
    ),
    Layer(
        "bgp",
        {"prefix": "192.0.2.0/24"},
        "bgp",
        ("((reachability < 80%))", "((changes >= 1) || (reachability < 100%))"),
        (Trouble.WITHDRAWAL, Trouble.PATH_CHANGE, Trouble.HIJACK),
    ),
)
OF_AGENTS = (Trouble.OFFLINE, Trouble.LOCAL)


@dataclass(frozen=True)
class Plan:
    """A small world: one test, one rule, and what goes wrong when (minute, and whether it is ended early)."""

    seed: int
    interval: int
    layer: int
    expression: int
    rule: dict[str, Any]
    below: bool
    random_start: bool
    window: tuple[int, int] | None
    wrong: tuple[tuple[int, Condition], ...]
    ended: tuple[int, ...]


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    layer = draw(st.integers(0, len(LAYERS) - 1))
    out_of = draw(st.integers(1, 4))
    sources = draw(st.one_of(st.integers(1, 3), st.none()))
    rule = {
        "mode": draw(st.sampled_from(["any", "exact", "auto"])),
        "required": draw(st.integers(1, out_of)),
        "out_of": out_of,
        "minimum_sources": sources,
        "minimum_pct": draw(st.sampled_from([1, 34, 67, 100])) if sources is None else None,
    }
    minutes = st.one_of(st.just(0), st.integers(0, 170))
    row = conditions((*LAYERS[layer].troubles, *OF_AGENTS), agents=AGENTS)
    wrong = draw(st.lists(st.tuples(minutes, row), max_size=5))
    return Plan(
        seed=draw(st.integers(0, 50)),
        interval=draw(st.sampled_from([60, 120, 300])),
        layer=layer,
        expression=draw(st.integers(0, len(LAYERS[layer].expressions) - 1)),
        rule=rule,
        below=draw(st.booleans()),
        random_start=draw(st.booleans()),
        window=draw(st.one_of(st.none(), st.tuples(st.integers(0, 200), st.integers(1, 60)))),
        wrong=tuple(sorted(wrong, key=lambda pair: pair[0])),
        ended=tuple(draw(st.lists(st.integers(0, 170), max_size=len(wrong)))),
    )


class Small:
    """A plan, carried out."""

    def __init__(self, plan: Plan) -> None:
        layer = LAYERS[plan.layer]
        knobs = Knobs(clear_below_minimum=plan.below)
        self.world = World(seed=plan.seed, start=START, components=[ThousandEyes()], knobs=[knobs])
        self.do(commands.open_account)
        settings = {**layer.body, "randomizedStartTime": plan.random_start, "alertRules": []}
        interval = {"bgp": 0}.get(layer.kind, plan.interval)
        self.test = self.do(
            commands.create_test, name="t", kind=layer.kind, interval=interval, agents=AGENTS, body=settings
        ).id
        self.rule = self.do(
            commands.create_rule,
            name="r",
            expression_text=layer.expressions[plan.expression],
            alert_type=layer.alert_type,
            tests=(self.test,),
            **plan.rule,
        ).id
        if plan.window is not None:
            start, length = plan.window
            when = {"startDate": f"2026-03-02T{start // 60:02}:{start % 60:02}:00Z", "duration": 60 * length}
            self.do(commands.create_window, commands.DEFAULT_AID, {"name": "w", "testIds": [self.test], **when})
        self._run(plan)

    def do(self, verb: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return self.world.transact(lambda draft: verb(draft, *args, **kwargs))

    def _run(self, plan: Plan) -> None:
        """Let conditions be added at their minute (never in the past), and some be ended while they last."""
        adds = [(minute, None, row) for minute, row in plan.wrong]
        ends = [(minute, place, None) for place, minute in enumerate(plan.ended)]
        for minute, place, row in sorted(adds + ends, key=lambda act: act[0]):
            self.world.advance_to(max(START + minute * MINUTE, self.world.now))
            if row is not None:
                self._add(row)
                continue
            known = list(self.world.view.all(CONDITIONS))
            if place is not None and place < len(known) and known[place].since < self.world.now:
                self.do(commands.end_condition, known[place].id)
        self.world.advance_to(START + HOURS * 60 * MINUTE)

    def _add(self, row: Condition) -> None:
        how = {name: getattr(row, name) for name in ("period", "duty", "ramp", "diurnal", "share", "noise", "hop")}
        since = max(row.since, self.world.now)
        until = row.until if row.until is None or row.until > since else since + MINUTE
        self.do(commands.add_condition, row.kind, test=self.test, since=since, until=until, agents=row.agents,
                value=row.value, **how)  # fmt: skip

    def alerts(self) -> list[Any]:
        """What the world raised, by part: begin, end, and who was in it when the alert ended or now."""
        return sorted(
            (
                alert.part,
                alert.start,
                alert.end,
                tuple(sorted((place.agent, place.until, place.state) for place in alert.locations)),
            )
            for alert in self.world.view.all(ALERTS)
        )

    def oracle(self) -> list[Any]:
        """The same, found by asking every round."""
        view = self.world.view
        test, rule = view.need(TESTS, self.test), view.need(RULES, self.rule)
        return sorted(
            found for part in watching.parts_of(view, test, rule) for found in self._asked(view, test, rule, part)
        )

    def _asked(self, view: Any, test: Any, rule: Any, part: str) -> list[Any]:
        interval = watching.interval_of(test, watching.alert_type_of(rule))
        first, last = -(-START // interval), view.now // interval - 1
        unit = Row(unit_id(test.id, rule.id, part), test.id, rule.id, first, first - 1, part=part)
        # Looked at from the first round on, so that conditions long over are seen, too.
        watch = watching.watch(view, replace(unit, done=first - 1), test, rule)
        state, number, found = State(), first - 1, []
        while number < last:
            state, number, event = naive(config_of(view, rule), state, watch.signals, number + 1, last)
            if event is None:
                break
            instant = (number + 1) * interval
            if isinstance(event, Triggered):
                found.append([part, instant, None, dict.fromkeys(event.locations, (None, AlertState.TRIGGER))])
                continue
            places = found[-1][3]
            places.update(dict.fromkeys(event.left, (instant, AlertState.CLEAR)))
            if isinstance(event, Cleared):
                found[-1][2] = instant
            else:
                places.update(dict.fromkeys(event.joined, (None, AlertState.TRIGGER)))
        return [
            (part, start, end, tuple(sorted((name, *rest) for name, rest in places.items())))
            for part, start, end, places in found
        ]


@settings(max_examples=2 * settings.default.max_examples)
@given(plans())
def test_a_world_raises_the_alerts_that_asking_every_round_would_raise(plan: Plan) -> None:
    """Begin, end and locations are the same, whatever goes wrong, is ended early or is suppressed meanwhile."""
    small = Small(plan)
    assert small.alerts() == small.oracle()
