"""The whole alert-rule language: every metric, whatever can be written, and what nobody can know."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rule_strategies import expressions, measurements

from simulators.thousandeyes import expression as ex
from simulators.thousandeyes.expression import ExpressionError, Maybe, Unknown, holds, judge, parse, possible, unparse
from simulators.thousandeyes.expression.metrics import METRICS, PARTS, Form, Metric
from simulators.thousandeyes.expression.reading import pattern

#: Examples of the vendor's reference and of rules found in the field, by alert type.
DOCUMENTED = [
    ("http-server", "((responseCode >= 400))"),
    ("http-server", "((responseTime >= 500 ms))"),
    ("http-server", '((errorType != "None"))'),
    ("http-server", "((clientSslAlertCode != 40))"),
    ("http-server", "((throughput >= 100 kbps))"),
    ("http-server", "((responseHeaders =~ /X-Cache/))"),
    ("http-server", "((redirectCount >= 2))"),
    ("http-server", "((wireSize > 1024.0 kB))"),
    ("http-server", "((certificateValidity <= 30 day))"),
    ("http-server", "((Auto(connectTime >= High sensitivity)) && (Auto(responseTime >= High sensitivity)))"),
    ("ftp", "((ftpReplyCode >= 400))"),
    ("ftp", '((ftpErrorType != "None"))'),
    ("end-to-end-server", "((loss >= 10%))"),
    ("end-to-end-server", "((availBwCs >= 10 Mbps))"),
    ("end-to-end-server", '((loss >= 50%) || (probDetail != "") || (avgLatency >= 200 ms))'),
    ("end-to-end-server", "((loss >= 20%) || (avgLatency >= 300 ms) || (jitter >= 50 ms))"),
    ("page-load", "((!pageLoaded))"),
    ("page-load", "((pageLoadTimedOut == true))"),
    ("page-load", '((components((domain !in {"*.cdn.example"}))))'),
    ("page-load", "((components((totalTime >= 100 ms))))"),
    ("page-load", "((components((componentLoaded == 0))))"),
    (
        "page-load",
        "((errorCount >= 50) && (pageLoadHasError == true) && (Auto(timeToFirstByte >= Medium sensitivity)) && "
        "(Auto(onContentLoadTime >= Medium sensitivity)))",
    ),
    ("web-transactions", "((duration >= 100 ms))"),
    ("web-transactions", '((marker[((markerName == "Marker1"))]((markerDuration >= 100 ms))))'),
    ("web-transactions", "((webPages((webTxResponseTime >= 100 ms))))"),
    (
        "web-transactions",
        '((webPages((webTxResponseTime >= 100 ms) && (webTxPageLoadError != "") && (webTxOnLoadTime >= 200 ms))))',
    ),
    ("transactions", "((txCompletionTimedOut == true))"),
    ("api", "((apiCompletion <= 100))"),
    ("dns-server", "((delay >= 100 ms))"),
    ("dns-server", '((mapData !in {"10.0.0.0/8"}))'),
    ("dns-server", '((probDetail != "") && (Auto(delay >= Medium sensitivity)))'),
    ("dnssec", '((probDetail != ""))'),
    ("voice", "((mos <= 2.75))"),
    ("voice", '((probDetail != "") && (discards >= 1%) && (Auto(latency >= Medium sensitivity)))'),
    ("sip-server", '((sipErrorType != "None"))'),
    (
        "sip-server",
        '((sipErrorType != "None") && (Auto(connectTime >= Medium sensitivity)) && '
        "(Auto(sipResponseTime >= Medium sensitivity)))",
    ),
    ("end-to-end-agent", '((bothWaysLoss >= 10%) && (bothWaysProbDetail != ""))'),
    ("end-to-end-agent", "((bothWaysLoss >= 5%) || (bothWaysJitter >= 5 ms) || (bothWaysLatency >= 100 ms))"),
    ("path-trace", '((serverIp !in {"192.0.2.1", "10.0.0.0/8"}))'),
    ("path-trace", "((pathMtu >= 1500 B))"),
    ("path-trace", "((isTerminal == true))"),
    ("path-trace", '((hops[-1]((ip !in {"192.0.2.1"}))))'),
    ("path-trace", "((hops((hopDelay >= 100 ms))))"),
    ("path-trace", "((noHops((mpls != null))))"),
    ("bgp", "((reachability < 100%) && (changes > 0))"),
    ("bgp", '((subprefix !in {"198.51.100.0/25"}))'),
    ("bgp", "((bgpHops[1]((asn in {64500}))))"),
    (
        "bgp",
        "[(((prefixLengthIPv4 >= 16) && (prefixLengthIPv4 <= 32)) || ((prefixLengthIPv6 >= 32) && "
        "(prefixLengthIPv6 <= 128)))]((reachability < 100%) && (changes > 1))",
    ),
    ("agent", "((lastContact >= 30 min))"),
    ("agent", "((clockOffset >= 60 s))"),
    ("endpoint-http-server", "((anythingAtAll >= 3))"),
]


@pytest.mark.parametrize(("alert_type", "text"), DOCUMENTED)
def test_a_documented_expression_is_read_and_printed_as_written(alert_type: str, text: str) -> None:
    """Reading and printing gives the text that was read."""
    assert unparse(parse(text, alert_type)) == text


@given(expressions())
@settings(max_examples=settings.default.max_examples)
def test_whatever_is_printed_reads_back_the_same(written: tuple[str, str]) -> None:
    """Reading, printing and reading again gives an equal expression and the same text."""
    alert_type, text = written
    found = parse(text, alert_type)
    assert unparse(found) == text
    assert parse(unparse(found), alert_type) == found


@given(st.data(), expressions())
@settings(max_examples=settings.default.max_examples)
def test_what_is_said_of_a_span_is_true_of_each_of_its_rounds(data: st.DataObject, written: tuple[str, str]) -> None:
    """Yes over bounds means the round violates, no means it does not; maybe says nothing."""
    alert_type, text = written
    expression = parse(text, alert_type)
    bounds, values = data.draw(measurements(alert_type, text))
    baselines = {name: {"High": 5_000, "Low": 20_000} for name in METRICS[alert_type]}
    for standing_in in (None, baselines):
        over, at = judge(expression, bounds, standing_in), judge(expression, values, standing_in)
        assert at is not Maybe.MAYBE
        if over is not Maybe.MAYBE:
            assert over == at
        verdict = possible(expression, bounds, standing_in)
        if verdict is not Maybe.MAYBE:
            assert holds(expression, values, standing_in) is (verdict is Maybe.YES)


def sides(metric: Metric) -> tuple[str, Any, Any]:
    """A comparison with the metric, a value that meets it and one that does not."""
    if metric.form is Form.NUMBER:
        sign = ">=" if ">=" in metric.signs else "=="
        gap = " " if metric.unit and metric.unit != "%" else ""
        return f"{sign} 10{gap}{metric.unit}", 10 * metric.scale, 10 * metric.scale - 1
    if metric.form is Form.LIST:
        return ("in {64500}", 64500, 64501) if metric.bare else ('in {"192.0.2.0/24"}', "192.0.2.9", "198.51.100.1")
    return {
        Form.TEXT: ('== "DNS"', "DNS", "None"),
        Form.PATTERN: ("=~ /50[23]/", "503 Service Unavailable", "200 OK"),
        Form.TRUTH: ("== true", 1, 0),
        Form.NULL: ("!= null", "16001", None),
        Form.FLAG: ("", 0, 1),
    }[metric.form]


EVERY_METRIC = [(alert_type, name) for alert_type, metrics in METRICS.items() for name in metrics]
EVERY_PART = [
    (alert_type, group, name)
    for alert_type, groups in PARTS.items()
    for group, metrics in groups.items()
    for name in metrics
    if group != "marker"
]


@pytest.mark.parametrize(("alert_type", "name"), EVERY_METRIC)
def test_every_metric_decides_at_its_threshold(alert_type: str, name: str) -> None:
    """Each metric of each alert type is violated at its threshold and not beside it, and never without data."""
    metric = METRICS[alert_type][name]
    right, met, missed = sides(metric)
    expression = parse(f"((!{name}))" if metric.form is Form.FLAG else f"(({name} {right}))", alert_type)
    assert [holds(expression, {name: value}) for value in (met, missed)] == [True, False]
    assert not holds(expression, {})


@pytest.mark.parametrize(("alert_type", "group", "name"), EVERY_PART)
def test_every_metric_of_a_part_decides_at_its_threshold(alert_type: str, group: str, name: str) -> None:
    """One part that meets the condition is enough; for the negated groups it is one too many."""
    right, met, missed = sides(PARTS[alert_type][group][name])
    expression = parse(f"(({group}(({name} {right}))))", alert_type)
    whole = {"noHops": "hops", "noBgpHops": "bgpHops"}.get(group, group)
    found = []
    for last in (met, missed):
        parts = tuple({} if value is None else {name: value} for value in (missed, last))
        found.append(holds(expression, {whole: parts}))
    assert found == ([False, True] if group != whole else [True, False])


@pytest.mark.parametrize(("alert_type", "name"), EVERY_METRIC)
def test_a_sign_a_metric_does_not_have_is_refused_where_it_stands(alert_type: str, name: str) -> None:
    """The complaint lists the signs the metric has, at the place of the wrong one."""
    metric = METRICS[alert_type][name]
    if metric.form is Form.FLAG:
        return
    wrong = next(sign for sign in ("=~", "in", "<") if sign not in metric.signs)
    with pytest.raises(ExpressionError) as caught:
        parse(f"(({name} {wrong} 1))", alert_type)
    assert caught.value.position == len(name) + 2
    assert caught.value.expected == f"one of {' '.join(metric.signs)} after {name}"


@pytest.mark.parametrize(
    ("alert_type", "text", "position", "expected"),
    [
        ("http-server", "((loss >= 10%) && (responseCode == 1))", 2, "a metric of http-server rules"),
        ("http-server", "((responseCode == 1) && (loss >= 10%))", 25, "a metric of http-server rules"),
        ("http-server", "((dnsTime >= 1 ms) || (dnsTime >= 1 kB))", 36, "the unit 'ms'"),
        ("http-server", "((responseCode >= 5 ms))", 20, "no unit"),
        ("http-server", '((responseCode == "x"))', 18, "a number"),
        ("http-server", "((errorType == /x/))", 15, "a text"),
        ("http-server", '((probDetail =~ "x"))', 16, "a regular expression"),
        ("http-server", "((components((totalTime >= 1 ms))))", 2, "a metric of http-server rules"),
        ("http-server", "((Auto(responseCode >= High sensitivity)))", 7, "a dynamic baseline"),
        ("http-server", "((Auto(dnsTime == High sensitivity)))", 14, "one of < <= >= >"),
        ("http-server", "((Auto(dnsTime >= Huge sensitivity)))", 18, "High, Medium or Low"),
        ("http-server", "((responseCode >= 400)", 22, "'&&', '||' or ')'"),
        ("http-server", "[(agentId in {3})]((responseCode >= 400))", 2, "a metric of http-server rules"),
        ("http-server", "[(locationId in {3})]((responseCode >= 400))", 16, "texts in quotes"),
        ("page-load", "((pageLoaded == true))", 2, "'!pageLoaded' (a flag)"),
        ("page-load", "((!errorCount))", 3, "a flag"),
        ("page-load", "((pageLoadHasError == 1))", 22, "true, false"),
        ("page-load", "((pageLoadHasError == null))", 22, "true or false"),
        ("page-load", "((hops((ip in {})))", 2, "a metric of page-load rules"),
        ("path-trace", "((hops((ip in {}))))", 15, "a text or a number"),
        ("path-trace", '((hops((asn in {64500, "x"}))))', 23, "only texts or only numbers"),
        ("bgp", '((bgpHops[1]((asn in {"64500"}))))', 21, "numbers without quotes"),
        ("web-transactions", '((marker[((markerName != "a"))]((markerDuration > 1 ms))))', 21, "one of =="),
        ("voice", "((mos <= ٣))", 9, "a value"),
        ("http-server", "(" * 60, 41, "levels of parentheses"),
    ],
)
def test_a_mistake_is_named_where_it_is(alert_type: str, text: str, position: int, expected: str) -> None:
    """The position is that of the thing that is wrong, even where the same word is right elsewhere."""
    with pytest.raises(ExpressionError) as caught:
        parse(text, alert_type)
    assert (caught.value.position, expected in caught.value.expected) == (position, True), caught.value


@given(
    st.text(alphabet='()[]{}&|!=<>~"/\\ -.,0159msk%{}hopsAutn[:alpha:]', max_size=40), st.sampled_from(sorted(METRICS))
)
@settings(max_examples=3 * settings.default.max_examples)
def test_nothing_but_the_documented_error_is_raised(text: str, alert_type: str) -> None:
    """Whatever is sent either reads or is refused in the one way a client is told of."""
    for tried in (text, f"(({text}))", f"((probDetail =~ /{text}/))"):
        with suppress(ExpressionError):
            parse(tried, alert_type)


@pytest.mark.parametrize(
    ("text", "value", "found"),
    [
        ("[[:digit:]]+", "code 7", True),
        ("^[^[:space:]]+$", "two words", False),
        ("[]x]", "a]b", True),
        ("(502|503)", "503", True),
        ("[[a]", "[", True),
        ("a{2,3}", "aa", True),
    ],
)
def test_patterns_are_posix_and_match_anywhere(text: str, value: str, found: bool) -> None:
    """Character classes and brackets mean what they mean in POSIX extended expressions."""
    assert (pattern(text).search(value) is not None) is found


@pytest.mark.parametrize("text", ["a{99999999999999999999}", "(", "[[:alpha:]", "*"])
def test_a_pattern_that_means_nothing_is_refused(text: str) -> None:
    """The complaint is a value error, never anything else."""
    with pytest.raises(ValueError, match=r"."):
        pattern(text)


def test_a_dynamic_baseline_is_unknown_and_says_why() -> None:
    """Nobody outside the vendor can evaluate it, and the answer says so instead of guessing."""
    verdict = judge(parse("((Auto(responseTime >= High sensitivity)))"), {"responseTime": 9_000_000})
    assert verdict == Unknown("the dynamic baseline of responseTime (High sensitivity) is the vendor's own")


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("((Auto(dnsTime >= Low sensitivity)) && (responseCode >= 500))", Maybe.NO),
        ("((Auto(dnsTime >= Low sensitivity)) || (responseCode >= 200))", Maybe.YES),
        ("((Auto(dnsTime >= Low sensitivity)) && (responseCode >= 200))", None),
        ("((Auto(waitTime >= Low sensitivity)))", Maybe.NO),
    ],
)
def test_what_is_known_decides_over_what_is_not(text: str, verdict: Maybe | None) -> None:
    """An unknown part matters only where the known parts leave the question open."""
    found = judge(parse(text), {"responseCode": 200, "dnsTime": 5})
    assert isinstance(found, Unknown) if verdict is None else found is verdict


def test_a_baseline_can_stand_in() -> None:
    """With a stand-in the comparison is an ordinary one."""
    expression = parse("((Auto(dnsTime >= Low sensitivity)))")
    assert [holds(expression, {"dnsTime": t}, {"dnsTime": {"Low": 70}}) for t in (69, 70)] == [False, True]


@pytest.mark.parametrize(
    ("text", "hops", "verdict"),
    [
        ('((hops[-1]((ip in {"192.0.2.1"}))))', ("198.51.100.1", "192.0.2.1"), True),
        ('((hops[1]((ip in {"192.0.2.1"}))))', ("198.51.100.1", "192.0.2.1"), False),
        ('((hops[9]((ip !in {"192.0.2.1"}))))', ("198.51.100.1",), False),
        ('((noHops((ip in {"192.0.2.0/24"}))))', ("198.51.100.1", "203.0.113.1"), True),
        ('((noHops((ip in {"192.0.2.0/24"}))))', (), False),
    ],
)
def test_hops_are_counted_from_either_end(text: str, hops: tuple[str, ...], verdict: bool) -> None:
    """A positive number counts from the agent, a negative one from the target; what is not there violates nothing."""
    assert holds(parse(text, "path-trace"), {"hops": tuple({"ip": ip} for ip in hops)}) is verdict


def test_one_of_several_traces_is_enough() -> None:
    """A path rule is violated when one of the round's traces violates it."""
    expression = parse("((isTerminal == true))", "path-trace")
    assert holds(expression, {ex.TRACES: ({"isTerminal": 0}, {"isTerminal": 1})})
    assert not holds(expression, {ex.TRACES: ({"isTerminal": 0},)})


def test_a_mapping_outside_the_list_is_found_among_several() -> None:
    """``!in`` asks whether any answer is not listed, ``in`` whether any is."""
    outside = parse('((mapData !in {"192.0.2.0/24"}))', "dns-server")
    assert [holds(outside, {"mapData": found}) for found in (("192.0.2.1",), ("192.0.2.1", "203.0.113.5"))] == [
        False,
        True,
    ]


def test_a_scope_of_prefix_lengths_is_about_the_route_not_the_monitor() -> None:
    """Both families can be named; a location scope leaves every prefix in."""
    text = (
        "[(((prefixLengthIPv4 >= 20) && (prefixLengthIPv4 <= 24)) || (prefixLengthIPv6 >= 48))]((reachability < 100%))"
    )
    scope = parse(text, "bgp")
    assert [scope.covers(p) for p in ("192.0.2.0/24", "192.0.0.0/16", "2001:db8::/48")] == [True, False, True]
    assert scope.agents(("3",)) == ("3",)
    assert parse('[(locationId in {"3"})]((reachability < 100%))', "bgp").covers("192.0.0.0/16")


@pytest.mark.parametrize(
    ("alert_type", "text", "words"),
    [
        ("page-load", "((!pageLoaded))", "Page Load is incomplete"),
        (
            "http-server",
            '((errorType == "Connect") || (responseCode >= 400))',
            'Error Type is "Connect" or Response Code ≥ 400',
        ),
        ("agent", "((lastContact >= 6 min))", "Last Contact ≥ 6 minutes ago"),
        ("agent", "((clockOffset >= 60 s))", "Clock Offset ≥ 60 seconds"),
        ("end-to-end-server", "((loss >= 10%) && (jitter > 3 ms))", "Packet Loss ≥ 10% and Jitter > 3 ms"),
        ("path-trace", '((hops[-1]((ip !in {"192.0.2.1"}))))', "Any Hop #-1: IP Address not in 192.0.2.1"),
        (
            "http-server",
            "((Auto(dnsTime >= High sensitivity)))",
            "DNS Time ≥ dynamic baseline (High sensitivity)",
        ),
    ],
)
def test_people_read_every_kind_of_rule_in_words(alert_type: str, text: str, words: str) -> None:
    """Titles, symbols, units and joiners are the vendor's."""
    assert ex.human(parse(text, alert_type)) == words


@pytest.mark.parametrize(
    ("alert_type", "text", "values", "told"),
    [
        ("http-server", "((responseTime >= 1 ms))", {"responseTime": 1_643_400}, "Response Time: 1,643 ms"),
        ("http-server", '((probDetail != ""))', {"probDetail": "502 Bad Gateway"}, 'Error: "502 Bad Gateway"'),
        ("http-server", '((errorType != "None"))', {"errorType": "DNS"}, 'Error type: "DNS"'),
        ("page-load", "((!pageLoaded))", {"pageLoaded": 0}, "Page Load: Incomplete"),
        ("bgp", "((reachability < 100%))", {"reachability": 99_800}, "Reachability: 99.8%"),
        ("bgp", "((reachability < 100%))", {"reachability": 0}, "Reachability: 0%"),
        ("agent", "((clockOffset >= 60 s))", {"clockOffset": 20}, "Clock Offset: 20 seconds"),
        ("dnssec", '((probDetail != ""))', {"probDetail": "No DNSSEC keys"}, 'Error details: "No DNSSEC keys"'),
        (
            "path-trace",
            "((hops((dscp == 0))))",
            {ex.TRACES: ({"hops": ({"dscp": 46}, {"dscp": 0})},)},
            "Path Trace #1: (Hop #2: (DSCP: Best Effort (DSCP 0)))",
        ),
        (
            "path-trace",
            "((noHops((dscp == 0))))",
            {ex.TRACES: ({"hops": ({"dscp": 46},)},)},
            "Path Trace #1: (No Hops: Path Violates Alerting Condition)",
        ),
    ],
)
def test_a_measurement_is_told_as_in_the_vendors_notifications(
    alert_type: str, text: str, values: dict[str, Any], told: str
) -> None:
    """Only what the rule asks about is told, with the vendor's titles and number formats."""
    assert ex.measured(parse(text, alert_type), values) == told
