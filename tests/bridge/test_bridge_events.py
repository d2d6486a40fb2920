"""Events within PagerDuty's limits, templates and routes: values in, values out."""

import json
from typing import Any

import pytest
from bridge_rig import KEY, SEVERITY, TWO_KEYS, config, payload
from hypothesis import given
from hypothesis import strategies as st

from bridge import messages, routing, translate, wording
from bridge.errors import ConfigError
from bridge.messages import InboundMessage
from bridge.wording import Wording, template

FIELDS = st.sampled_from(
    ["ruleName", "testName", "testLabels", "severity", "agents", "monitors", "active", "permalink", "type", "x"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def read(body: bytes) -> InboundMessage:
    return messages.read("thousandeyes", body)


def event_of(message: InboundMessage, words: Wording = wording.DEFAULT) -> dict[str, Any]:
    said = translate.severity(message, SEVERITY, "critical")
    event: dict[str, Any] = json.loads(translate.with_key(translate.trigger(message, said, words), KEY))
    return event


@given(st.dictionaries(FIELDS, JSON, max_size=6))
def test_any_alert_becomes_an_event_within_the_limits(fields: dict[str, Any]) -> None:
    """Whatever the fields hold, the event keeps PagerDuty's limits and is valid JSON."""
    event = event_of(read(payload("TRIGGER", **fields)))
    assert event["routing_key"] == KEY
    assert 0 < len(event["payload"]["summary"]) <= 1024
    assert event["payload"]["source"]
    assert event["payload"]["severity"] in translate.SEVERITIES
    assert len(json.dumps(event)) <= 512_000


def test_what_is_cut_is_cut_visibly() -> None:
    """A long summary ends with an ellipsis, a long detail says how much is missing."""
    event = event_of(read(payload("TRIGGER", ruleName="r" * 2000, text="é" * 20_007)))
    assert event["payload"]["summary"] == "r" * 1023 + "…"
    assert event["payload"]["custom_details"]["text"].endswith("é… (7 more characters)")


def test_details_that_stay_too_large_give_way_to_a_note() -> None:
    """512 KB hold whatever the details are, and the note says what happened."""
    many = {f"text{number}": "é" * 20_000 for number in range(9)}
    details = event_of(read(payload("TRIGGER", **many)))["payload"]["custom_details"]
    assert "left out" in details["Note"]
    assert details["Alert ID"] == "a1"


@pytest.mark.parametrize(
    ("fields", "timestamp"),
    [
        ({"dateStartZoned": "2026-02-03 04:05:00 UTC"}, "2026-02-03T04:05:00+00:00"),
        ({"dateStart": 1466000700}, "2016-06-15T14:25:00+00:00"),
        ({"dateStartZoned": "2026-02-03 04:05:00 CST", "dateStart": "2026-02-03 04:05:00"}, None),
        ({"dateStartZoned": "2026-02-30 04:05:00 UTC"}, None),
        ({"dateStart": 10**30}, None),
        ({"dateStart": True, "dateStartZoned": 5}, None),
    ],
)
def test_only_an_unambiguous_start_becomes_the_timestamp(fields: dict[str, Any], timestamp: str | None) -> None:
    """Zone abbreviations other than UTC name several zones, and plain dates are in the organisation's."""
    assert event_of(read(payload("TRIGGER", **fields)))["payload"].get("timestamp") == timestamp


def test_long_dedup_keys_are_hashed() -> None:
    """A key is at most 255 characters, and different alerts keep different keys."""
    keys = [translate.dedup_key("thousandeyes", letter * 500) for letter in "ab"]
    assert keys[0] != keys[1]
    assert all(len(key) <= 255 for key in keys)
    assert translate.dedup_key("thousandeyes", "5") == "thousandeyes:5"


@pytest.mark.parametrize(
    ("severity", "expected"),
    [*SEVERITY.items(), ("MAJOR", "error"), ("info", "warning"), (None, "critical"), ("Novel", "critical")],
)
def test_severities(severity: str | None, expected: str) -> None:
    """Spelling is forgiven; missing or unknown severities page as critical."""
    assert event_of(read(payload("TRIGGER", severity=severity)))["payload"]["severity"] == expected


def test_severities_are_configurable() -> None:
    """The table and the severity for missing ones come from the configuration."""
    chosen = config(severity={"info": "info", "missing": "warning"})
    assert chosen.severity["Info"] == "info"
    assert translate.severity(read(payload("TRIGGER", severity="Novel")), chosen.severity, "warning") == "warning"


def filled(text: str, **fields: Any) -> str:
    message = read(payload("TRIGGER", **fields))
    return template(text, "t").fill(wording.Values(message, "https://x.example"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{rule}", "web down"),
        ("{agent|test}", "shop"),
        ('{agent|labels|"nobody"}', "nobody"),
        ("{rule}[ by {agent}] now", "web down now"),
        ("{rule}[ on {test}]", "web down on shop"),
        ("[[{severity}]] {{x}}", "[Major] {x}"),
        ("{static.team}/{static.none}", "net/"),
        ("{place}", "https://x.example"),
        ("[[[]", "["),
    ],
)
def test_templates_fill_named_fields(text: str, expected: str) -> None:
    """Fields, alternatives, defaults, optional groups and doubled signs."""
    assert filled(text, team="net") == expected


@pytest.mark.parametrize(
    "text", ["{nothing}", "{rule.__class__}", "{rule!r}", "{0}", "{", "}", "[", "]", "{rule|}", "[{a]}", "[[["]
)
def test_a_template_is_refused_before_anybody_is_paged(text: str) -> None:
    """Unknown fields, attributes and open brackets are mistakes of the configuration."""
    with pytest.raises(ConfigError, match=r"^t: "):
        template(text, "t")


@given(st.text(max_size=30), st.text(max_size=30))
def test_what_a_payload_holds_is_never_a_template(rule: str, test: str) -> None:
    """Any text is refused as a template or renders, and values come out as they are."""
    values = {"rule": rule}
    assert template("{rule}", "t").fill(values) == rule
    try:
        compiled = template(test, "t")
    except ConfigError:
        return
    compiled.fill(values)


def test_summary_links_and_details_come_from_the_configuration() -> None:
    """Templates shape the event; what goes into an address is escaped, and a link that is none is left out."""
    words = config(
        event={
            "summary": "[{severity}] {rule}".replace("[", "[[").replace("]", "]]"),
            "links": [{"href": "https://wiki.example/{rule}?q={test}", "text": "Runbook of {rule}"}],
            "details": {"Runbook": "see {rule}", "Agent": "{agent}"},
            "all_details": False,
        }
    ).wording
    event = event_of(read(payload("TRIGGER", ruleName="a/b &?", permalink="javascript:alert(1)")), words)
    assert event["payload"]["summary"] == "[Major] a/b &?"
    assert event["links"] == [{"href": "https://wiki.example/a%2Fb%20%26%3F?q=shop", "text": "Runbook of a/b &?"}]
    assert event["payload"]["custom_details"] == {"Alert ID": "a1", "Runbook": "see a/b &?"}
    assert "client_url" not in event


def test_a_summary_that_came_out_empty_still_says_something() -> None:
    """PagerDuty refuses an empty summary, so there never is one."""
    words = config(event={"summary": "{agent}"}).wording
    assert event_of(read(payload("TRIGGER")), words)["payload"]["summary"] == "ThousandEyes alert a1"


@pytest.mark.parametrize(
    "condition",
    [
        {"rule": "web *"},
        {"test": "sh?p"},
        {"labels": ["e*"]},
        {"severity": "MAJOR"},
        {"account_group": ["7", "1001"]},
        {"type": "HTTP*"},
        {"static": {"team": "net*"}},
    ],
)
def test_each_condition_selects(condition: dict[str, Any]) -> None:
    """A route is taken when its condition holds and passed over when it does not."""
    routes = [{"key": "db", **condition}]
    settings = config(TWO_KEYS, routing={"default": "ops", "route": routes})
    fits = payload("TRIGGER", testLabels=[{"id": 1, "name": "edge"}], ruleAid=1001, type="HTTP Server", team="network")
    other = payload("TRIGGER", ruleName="x", testName="x", severity="Minor", ruleAid=2, type="BGP")
    assert routing.choose(settings.routes, read(fits)).key == "db"
    assert routing.choose(settings.routes, read(other)).key == "ops"


def test_the_first_matching_route_wins_and_all_its_conditions_must_hold() -> None:
    """Order decides between routes, and a route that matches in part does not match."""
    routes = [{"key": "db", "rule": "web *", "test": "nothing"}, {"key": "db", "rule": "web *"}, {"key": "ops"}]
    settings = config(TWO_KEYS, routing={"route": routes})
    assert routing.choose(settings.routes, read(payload("TRIGGER"))).name == "route-2"
