"""The alert-rule language: reading, printing back, complaining, evaluating."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.thousandeyes import expression as ex
from simulators.thousandeyes.expression import ExpressionError, Maybe, holds, human, parse, possible, unparse

HTTP = [
    "((responseCode >= 400))",
    '((errorType != "None"))',
    "(((responseCode >= 400) || (responseCode == 0)))",
    '[(locationId in {"58", "25"})]((probDetail != ""))',
    "((responseTime >= 500 ms) && (wireSize > 1024.0 kB))",
    "((responseHeaders =~ /X-Cache/))",
    "((certificateValidity <= 30 day))",
    "((Auto(connectTime >= High sensitivity)) && (Auto(responseTime >= High sensitivity)))",
]
OTHERS = [
    '((loss >= 50%) || (probDetail != "") || (avgLatency >= 200 ms))',
    '((components((domain !in {"*.cdn.example"}))))',
    '((marker[((markerName == "Marker1"))]((markerDuration >= 100 ms))))',
    "[(((prefixLengthIPv4 >= 16) && (prefixLengthIPv4 <= 32)) || ((prefixLengthIPv6 >= 32) && "
    "(prefixLengthIPv6 <= 128)))]((reachability < 100%) && (changes > 1))",
    "((bgpHops[1]((asn in {64500}))))",
    "((errorCount >= 50) && (pageLoadHasError == true) && (Auto(timeToFirstByte >= Medium sensitivity)))",
    '((hops[-1]((ip !in {"192.0.2.1"}))))',
    "((!pageLoaded))",
    "((pathMtu >= 1500 B))",
]


@pytest.mark.parametrize("text", HTTP)
def test_an_http_expression_prints_back_as_written(text: str) -> None:
    """Parsing and printing gives the text that was read."""
    assert unparse(parse(text)) == text


@pytest.mark.parametrize("text", OTHERS)
def test_expressions_of_other_alert_types_parse_and_print_back(text: str) -> None:
    """The grammar is the whole language, whatever the alert type measures."""
    assert unparse(parse(text, "other")) == text


@pytest.mark.parametrize(
    ("text", "position", "expected"),
    [
        ("", 0, "'('"),
        ("(responseCode >= 400)", 1, "double parentheses"),
        ("((responseCode >= ))", 18, "a value"),
        ("((responseTime >= 500))", 21, "unit 'ms'"),
        ("((loss >= 10%))", 2, "a metric of http-server"),
        ("((errorType >= 3))", 11, "one of == !="),
        ("((responseCode >= 400)) x", 24, "the end"),
        ("((waitTime > 1 ms) && (dnsTime > 1 ms) || (sslTime > 1 ms))", 39, "'&&'"),
        ("((probDetail =~ /[/))", 16, "a valid regular expression"),
    ],
)
def test_a_bad_expression_says_where_and_what_was_expected(text: str, position: int, expected: str) -> None:
    """The error carries the position of the first mistake and what should stand there."""
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    assert caught.value.position == position
    assert expected in str(caught.value)


@given(st.text(alphabet='()[]{}&|!=<>~"/ abcresponsCodeT0159ms%.,-', max_size=60))
def test_any_text_parses_or_raises_the_one_documented_error(text: str) -> None:
    """No text brings the reader down in any other way, and what parses prints back to an equal expression."""
    try:
        found = parse(text, "other")
    except ExpressionError:
        return
    assert parse(unparse(found), "other") == found


@pytest.mark.parametrize(
    ("text", "values", "verdict"),
    [
        ("((responseCode >= 400))", {"responseCode": 0}, False),
        ("(((responseCode >= 400) || (responseCode == 0)))", {"responseCode": 0}, True),
        ("((probDetail !~ /401/))", {"probDetail": ""}, False),
        ("((probDetail !~ /401/))", {"probDetail": "500 oops"}, True),
        ('((probDetail != ""))', {"probDetail": "x"}, True),
        ("((responseTime >= 500 ms))", {"responseTime": 499_999}, False),
        ("((responseTime >= 500 ms))", {"responseTime": 500_000}, True),
        ("((responseTime >= 500 ms))", {}, False),
        ("((wireSize > 1.5 kB))", {"wireSize": 1501}, True),
    ],
)
def test_one_round_is_judged_by_its_values(text: str, values: dict[str, ex.Value], verdict: bool) -> None:
    """Thresholds are exact, a missing metric violates nothing, an error pattern needs an error."""
    assert holds(parse(text), values) is verdict


def test_the_location_scope_limits_who_takes_part() -> None:
    """Only agents in the scope can violate the rule."""
    assert parse('[(locationId in {"3"})]((errorType != "None"))').agents(("3", "4")) == ("3",)
    assert parse('[(locationId !in {"3"})]((errorType != "None"))').agents(("3", "4")) == ("4",)


def test_people_read_the_rule_in_words() -> None:
    """The human form uses titles, symbols and joiners."""
    assert human(parse('((probDetail != ""))')) == "Error is present"
    assert (
        human(parse("((responseTime >= 500 ms) || (responseCode == 0))"))
        == "Response Time ≥ 500 ms or Response Code = 0"
    )


@given(
    st.sampled_from(["<", "<=", "==", "!=", ">=", ">"]),
    st.integers(0, 20),
    st.tuples(st.integers(0, 20), st.integers(0, 20)).map(sorted),
)
def test_bounds_never_contradict_values(sign: str, limit: int, span: list[int]) -> None:
    """Yes over a span means every value violates, no means none does."""
    parsed = parse(f"((responseCode {sign} {limit}))")
    verdict = possible(parsed, {"responseCode": (span[0], span[1])})
    each = {holds(parsed, {"responseCode": value}) for value in range(span[0], span[1] + 1)}
    assert each == {True: True, False: False}.keys() or verdict is (Maybe.YES if each == {True} else Maybe.NO)
    if verdict is not Maybe.MAYBE:
        assert each == {verdict is Maybe.YES}
