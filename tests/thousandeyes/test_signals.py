"""Signals: bounds that hold, the same answer whoever asks, and networks that look like what is wrong with them."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from weather import START, conditions

from simulators.engine.instants import DAY, HOUR, MINUTE
from simulators.thousandeyes import medium, signals
from simulators.thousandeyes.conditions import next_edge
from simulators.thousandeyes.expression import UNSURE
from simulators.thousandeyes.expression.metrics import METRICS, NEGATED, PARTS
from simulators.thousandeyes.measures import LAYERS
from simulators.thousandeyes.medium import Probe, Target
from simulators.thousandeyes.model import Condition, Trouble

NOON = START + 12 * HOUR


def probe(layer: str = "http-server", seed: int = 1, location: str = "3") -> Probe:
    part, address = {"bgp": ("192.0.2.0/24",) * 2}.get(layer, ("", "https://shop.example"))
    target = Target(seed, "1", layer, part, address, names=("one", "two", "three"), bandwidth=True)
    return medium.probe(target, location, "AS 64496")


def trouble(kind: Trouble, value: int = 0, **how: Any) -> Condition:
    return Condition("1", kind, "*", START, value=value, **how)


def within(bound: Any, value: Any) -> bool:
    """Whether a value lies within what is known of it (``None`` = not measured)."""
    if bound is UNSURE:
        return True
    if isinstance(bound, tuple) and isinstance(value, int):
        return bool(bound[0] <= value <= bound[1])
    if isinstance(bound, tuple) and bound and isinstance(bound[0], dict):
        return len(bound) == len(value) and all(
            within(limits.get(name), part.get(name))
            for limits, part in zip(bound, value, strict=True)
            for name in {**limits, **part}
        )
    return bool(bound == value)


@settings(max_examples=2 * settings.default.max_examples)
@given(
    st.sampled_from(sorted(LAYERS)),
    st.lists(conditions(), max_size=4),
    st.integers(0, 900),
    st.integers(0, 2 * 1440),
    st.integers(0, 3),
)
def test_bounds_hold_for_every_round_they_speak_of(
    layer: str, wrong: list[Condition], first: int, length: int, seed: int
) -> None:
    """Between two edges no sample lies outside its bounds, whatever is wrong and whatever is measured."""
    since = START + first * MINUTE
    until = min(since + length * MINUTE, next_edge(wrong, since) - 1)
    here = probe(layer, seed)
    limits = signals.bounds(here, since, until, wrong)
    step = max((until - since) // 8, 1)
    for instant in (*range(since, until, step), until):
        values = signals.sample(here, instant, wrong)
        for name in {**limits, **values}:
            assert within(limits.get(name), values.get(name)), (name, limits.get(name), values.get(name))


@settings(max_examples=settings.default.max_examples)
@given(st.lists(conditions(), max_size=4), st.integers(0, 900), st.integers(1, 600))
def test_between_two_edges_nothing_begins_or_ends(wrong: list[Condition], first: int, length: int) -> None:
    """The next edge is never later than the first change of what is in force."""
    since = START + first * MINUTE
    edge = next_edge(wrong, since)
    before = [signals.troubles.in_force(row, since) for row in wrong]
    for instant in range(since, min(since + length * MINUTE, edge), MINUTE):
        assert [signals.troubles.in_force(row, instant) for row in wrong] == before


@pytest.mark.parametrize("layer", sorted(LAYERS))
def test_every_metric_a_rule_can_ask_about_is_measured(layer: str) -> None:
    """No metric of any alert type, and no group of parts, is without a signal."""
    asked = {*METRICS[layer], *(NEGATED.get(name, name) for name in PARTS.get(layer, {}))}
    if layer == "path-trace":
        (trace, *_) = signals.sample(probe(layer), NOON, ())["traces"]
        assert {*METRICS[layer], "hops"} == set(trace)
        return
    assert asked <= set(LAYERS[layer].measures)


def test_asking_for_less_gives_the_same_values() -> None:
    """A rule that asks for one metric sees what the results show."""
    wrong = [trouble(Trouble.LATENCY, 200, noise=30, share=60)]
    for minute in range(50):
        everything = signals.sample(probe(), NOON + minute * MINUTE, wrong)
        assert signals.sample(probe(), NOON + minute * MINUTE, wrong, frozenset({"responseTime"})) == {
            "responseTime": everything["responseTime"]
        }


# -- healthy -----------------------------------------------------------------------------------------------------------


def mean(name: str, instant: int, wrong: tuple[Condition, ...] = (), layer: str = "end-to-end-server") -> float:
    found = [signals.sample(probe(layer), instant + minute * MINUTE, wrong)[name] for minute in range(60)]
    return sum(found) / len(found)


def test_a_healthy_network_has_noise_and_a_day() -> None:
    """Round trips vary from round to round, and are longer at noon than at midnight; nothing is lost."""
    rounds = [signals.sample(probe("end-to-end-server"), NOON + minute * MINUTE, ()) for minute in range(60)]
    assert len({row["avgLatency"] for row in rounds}) > 30
    assert {row["loss"] for row in rounds} == {0}
    assert 1.05 < mean("avgLatency", NOON) / mean("avgLatency", START) < 1.2


def test_locations_differ_and_seeds_differ() -> None:
    """Two agents are not equally far from the target, and another seed is another world."""
    here = probe("end-to-end-server")
    elsewhere, another = probe("end-to-end-server", location="4"), probe("end-to-end-server", seed=2)
    found = [signals.sample(one, NOON, ())["avgLatency"] for one in (here, elsewhere, another)]
    assert len(set(found)) == 3


@pytest.mark.parametrize(
    ("layer", "metric", "value"),
    [
        ("http-server", "responseCode", 200),
        ("http-server", "errorType", "None"),
        ("http-server", "probDetail", ""),
        ("page-load", "pageLoaded", 1),
        ("page-load", "errorCount", 0),
        ("web-transactions", "txCompletionFinished", 1),
        ("api", "apiCompletion", 100),
        ("ftp", "ftpReplyCode", 226),
        ("sip-server", "sipErrorType", "None"),
        ("dns-server", "probDetail", ""),
        ("dns-trace", "probDetail", ""),
        ("dnssec", "probDetail", ""),
        ("voice", "probDetail", ""),
        ("bgp", "reachability", 100_000),
        ("bgp", "changes", 0),
        ("agent", "lastContact", 0),
    ],
)
def test_a_healthy_target_violates_no_default_rule(layer: str, metric: str, value: object) -> None:
    """What the default rules ask about is fine when nothing is wrong."""
    assert signals.sample(probe(layer), NOON, ())[metric] == value


def test_certificates_are_renewed_in_time() -> None:
    """Nobody who watches for 30 days is alarmed by a healthy target in a year."""
    days = [signals.sample(probe(), START + day * DAY, ())["certificateValidity"] for day in range(365)]
    assert (min(days), max(days)) == (31, 90)


# -- degraded ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "value", "layer", "metric", "expected"),
    [
        (Trouble.STATUS, 503, "http-server", "responseCode", 503),
        (Trouble.STATUS, 503, "http-server", "probDetail", "503 Service Unavailable"),
        (Trouble.STATUS, 503, "page-load", "pageLoaded", 0),
        (Trouble.STATUS, 530, "ftp", "ftpReplyCode", 530),
        (Trouble.STATUS, 486, "sip-server", "sipErrorType", "options"),
        (Trouble.TIMEOUT, 0, "http-server", "errorType", "Receive"),
        (Trouble.TIMEOUT, 0, "page-load", "pageLoadTimedOut", 1),
        (Trouble.TIMEOUT, 0, "web-transactions", "txCompletionTimedOut", 1),
        (Trouble.TIMEOUT, 0, "http-server", "responseCode", 0),
        (Trouble.CONNECT, 0, "http-server", "errorType", "Connect"),
        (Trouble.CONNECT, 0, "end-to-end-server", "loss", 100_000),
        (Trouble.CONNECT, 0, "sip-server", "sipErrorType", "connect"),
        (Trouble.DNS, 0, "http-server", "errorType", "DNS"),
        (Trouble.DNS, 0, "dns-server", "probDetail", "Could not resolve the host name"),
        (Trouble.DNS, 0, "end-to-end-server", "probDetail", "Could not resolve the host name"),
        (Trouble.TLS, 0, "http-server", "errorType", "SSL"),
        (Trouble.TLS, 0, "http-server", "clientSslAlertCode", 45),
        (Trouble.TLS, 20, "http-server", "certificateValidity", 19),
        (Trouble.TLS, 20, "http-server", "errorType", "None"),
        (Trouble.SLOW, 9_000, "http-server", "errorType", "Receive"),
        (Trouble.LOSS, 30, "end-to-end-server", "loss", 30_000),
        (Trouble.LOSS, 100, "http-server", "errorType", "Connect"),
        (Trouble.LOSS, 30, "voice", "loss", 30_000),
        (Trouble.CONTENT, 0, "http-server", "errorType", "Content"),
        (Trouble.CONTENT, 0, "web-transactions", "assertError", "Assertion failed: the page is not the expected one"),
        (Trouble.CONTENT, 0, "api", "apiCompletion", 66),
        (Trouble.COMPONENT, 2, "page-load", "errorCount", 2),
        (Trouble.COMPONENT, 2, "page-load", "pageLoaded", 1),
        (Trouble.MAPPING, 0, "dns-server", "mapData", ("198.51.100.66",)),
        (Trouble.MAPPING, 0, "dnssec", "probDetail", "No DNSSEC public key(s) for https://shop.example"),
        (Trouble.WITHDRAWAL, 40, "bgp", "reachability", 60_000),
        (Trouble.PATH_CHANGE, 3, "bgp", "changes", 3_000),
        (Trouble.CLOCK, 70, "agent", "clockOffset", 70),
        (Trouble.OFFLINE, 0, "agent", "lastContact", 12 * 3600),
        (Trouble.HOP_LOSS, 10, "end-to-end-server", "loss", 10_000),
    ],
)
def test_trouble_shows_where_it_would(kind: Trouble, value: int, layer: str, metric: str, expected: object) -> None:
    """Each kind of trouble shows in the layers it would show in, with the vendor's words."""
    assert signals.sample(probe(layer), NOON, [trouble(kind, value)])[metric] == expected


@pytest.mark.parametrize(
    ("kind", "value", "layer", "metric", "factor"),
    [
        (Trouble.LATENCY, 300, "end-to-end-server", "avgLatency", 2.0),
        (Trouble.LATENCY, 300, "http-server", "connectTime", 2.0),
        (Trouble.LATENCY, 30, "web-transactions", "duration", 1.2),
        (Trouble.SLOW, 800, "http-server", "responseTime", 2.0),
        (Trouble.JITTER, 30, "end-to-end-server", "jitter", 5.0),
        (Trouble.JITTER, 90, "voice", "pdv", 5.0),
        (Trouble.LOSS, 40, "http-server", "receiveTime", 1.5),
        (Trouble.CONGESTION, 80, "end-to-end-server", "availBwCs", 0.25),
        (Trouble.CONGESTION, 80, "http-server", "throughput", 0.95),
        (Trouble.LOSS, 20, "voice", "mos", 0.6),
    ],
)
def test_a_degraded_network_looks_degraded(kind: Trouble, value: int, layer: str, metric: str, factor: float) -> None:
    """Times rise and rates fall by about as much as one would expect."""
    ratio = mean(metric, NOON, (trouble(kind, value),), layer) / mean(metric, NOON, (), layer)
    assert ratio >= factor if factor > 1 else ratio <= factor


def test_an_agent_that_is_offline_measures_nothing() -> None:
    """There is no row of results, and nothing to violate."""
    assert signals.sample(probe(), NOON, [trouble(Trouble.OFFLINE)]) == {}
    assert signals.bounds(probe(), NOON, NOON + HOUR, [trouble(Trouble.OFFLINE)]) == {}


def test_the_earliest_phase_that_fails_is_the_one_that_shows() -> None:
    """Without a name there is no connection to fail."""
    wrong = [trouble(Trouble.TIMEOUT), trouble(Trouble.DNS), trouble(Trouble.STATUS, 500)]
    assert signals.sample(probe(), NOON, wrong)["errorType"] == "DNS"


def test_troubles_compose() -> None:
    """Each loss takes its share of what the other left; a slow server behind a slow network is slower than either."""
    both = [
        trouble(Trouble.LOSS, 10),
        trouble(Trouble.LOSS, 20),
        trouble(Trouble.SLOW, 300),
        trouble(Trouble.LATENCY, 50),
    ]
    assert signals.sample(probe("end-to-end-server"), NOON, both)["loss"] == 28_000
    one = signals.sample(probe(), NOON, both[:3])["waitTime"]
    assert signals.sample(probe(), NOON, both)["waitTime"] == one + 50_000


def test_a_path_that_changes_goes_through_other_networks() -> None:
    """The ends stay, the middle does not, and the path is longer."""
    (before, *_) = signals.sample(probe("path-trace"), NOON, ())["traces"]
    (after, *_) = signals.sample(probe("path-trace"), NOON, [trouble(Trouble.PATH_CHANGE, 1)])["traces"]
    assert [before["hops"][place]["ip"] for place in (0, -1)] == [after["hops"][place]["ip"] for place in (0, -1)]
    assert before["hops"] != after["hops"]
    assert after["pathLength"] == before["pathLength"] + 2


def test_a_router_that_drops_everything_ends_every_trace_before_it() -> None:
    """Traces end at the router before the one that drops packets."""
    found = signals.sample(probe("path-trace"), NOON, [trouble(Trouble.HOP_LOSS, 100, hop=4)])["traces"]
    assert [(trace["isTerminal"], trace["pathLength"]) for trace in found] == [(1, 4)] * 3


def test_a_router_that_drops_some_packets_ends_some_traces() -> None:
    """Over many rounds about as many traces end early as packets are lost."""
    wrong = [trouble(Trouble.HOP_LOSS, 40, hop=4)]
    rounds = [signals.sample(probe("path-trace"), NOON + minute * MINUTE, wrong)["traces"] for minute in range(200)]
    ended = [trace["isTerminal"] for traces in rounds for trace in traces]
    assert 0.3 < sum(ended) / len(ended) < 0.5


def test_a_hijack_changes_the_origin_of_the_route() -> None:
    """The first AS of the path is the hijacker's."""
    before = signals.sample(probe("bgp"), NOON, ())["bgpHops"]
    after = signals.sample(probe("bgp"), NOON, [trouble(Trouble.HIJACK, 64_511)])["bgpHops"]
    assert (before[0]["asn"] != 64_511, after[0]["asn"], before[1:] == after[1:]) == (True, 64_511, True)


# -- in time -----------------------------------------------------------------------------------------------------------


def loss(instant: int, **how: Any) -> int:
    found = signals.sample(probe("end-to-end-server"), instant, [trouble(Trouble.LOSS, 40, **how)])["loss"]
    assert isinstance(found, int)
    return found


def test_flapping_is_on_and_off_within_each_period() -> None:
    """On for its duty, off for the rest, from its beginning on."""
    on = [loss(START + minute * MINUTE, period=10 * MINUTE, duty=30) > 0 for minute in range(20)]
    assert on == ([True] * 3 + [False] * 7) * 2


def test_a_ramp_grows_evenly_to_the_full_value() -> None:
    """Nothing at first, half at half time, all at the end and after."""
    assert [loss(START + minute * MINUTE, ramp=HOUR) for minute in (0, 30, 60, 90)] == [0, 20_000, 40_000, 40_000]


def test_a_diurnal_condition_follows_the_day() -> None:
    """Nothing at midnight, all at noon."""
    assert [loss(START + hour * HOUR, diurnal=True) for hour in (0, 6, 12, 18, 24)] == [0, 20_000, 40_000, 20_000, 0]


def test_a_share_of_the_rounds_is_hit() -> None:
    """Over many rounds about the share is hit, always the same ones."""
    hit = [loss(START + minute * MINUTE, share=25) > 0 for minute in range(400)]
    assert 0.18 < sum(hit) / len(hit) < 0.32
    assert hit == [loss(START + minute * MINUTE, share=25) > 0 for minute in range(400)]


def test_where_nothing_can_grow_a_ramp_makes_it_more_frequent() -> None:
    """An error that ramps up is rare at first and constant at the end."""
    wrong = [trouble(Trouble.STATUS, 500, ramp=400 * MINUTE)]
    codes = [signals.sample(probe(), START + minute * MINUTE, wrong)["responseCode"] for minute in range(500)]
    first, second, last = codes[:200].count(500), codes[200:400].count(500), codes[400:].count(500)
    assert 0 < first < second < 200
    assert last == 100


def test_noise_varies_the_value_and_stays_within_its_limits() -> None:
    """Up to so many per cent either way."""
    found = [loss(START + minute * MINUTE, noise=25) for minute in range(200)]
    assert 30_000 <= min(found) < 33_000
    assert 47_000 < max(found) <= 50_000
