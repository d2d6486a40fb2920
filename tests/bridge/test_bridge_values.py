"""Messages, translation, routing and configuration: values in, values out."""

import json
from pathlib import Path
from typing import Any

import pytest
from bridge_rig import KEY, TWO_KEYS, config, payload
from hypothesis import given
from hypothesis import strategies as st

from bridge import messages, routing, translate
from bridge.config import load, parse
from bridge.errors import ConfigError, Unreadable
from bridge.logs import LineFormatter
from bridge.messages import Kind

SEVERITY = {"Info": "warning", "Minor": "warning", "Major": "error", "Critical": "critical"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    ["ruleName", "testName", "testLabels", "severity", "agents", "monitors", "active", "permalink", "type", "x"]
)


def read(body: bytes) -> messages.InboundMessage:
    return messages.read("thousandeyes", body)


@pytest.mark.parametrize(
    ("fields", "kind"),
    [({}, Kind.TRIGGER), ({"active": 1}, Kind.TRIGGER), ({"active": 0}, Kind.CLEAR), ({"active": 2}, Kind.CLEAR)],
)
def test_an_inactive_alert_is_a_clear(fields: dict[str, Any], kind: Kind) -> None:
    """A notification about an alert that is no longer active clears, whatever its event type."""
    assert read(payload("TRIGGER", **fields)).kind is kind


@pytest.mark.parametrize("name", messages.ALERT_KEYS)
def test_old_agent_and_device_payloads_are_read(name: str) -> None:
    """Older payloads carry the alert under their own key and event type."""
    body = {"eventType": "AGENT_ALERT_NOTIFICATION_CLEAR", "eventId": "1", name: {"alertId": 562949955000593}}
    message = read(json.dumps(body).encode())
    assert (message.kind, message.alert_id) == (Kind.CLEAR, "562949955000593")


@pytest.mark.parametrize("alert_id", [None, True, 1.5, "", "  ", [], {}, "x" * 2000])
def test_an_alert_without_identity_is_unreadable(alert_id: Any) -> None:
    """Identity is never guessed."""
    with pytest.raises(Unreadable):
        read(payload("TRIGGER", alert_id, event_id="e"))


@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_read_or_raise_unreadable(body: bytes) -> None:
    """There is one documented error."""
    try:
        read(body)
    except Unreadable as error:
        reason = str(error)
    else:
        reason = "readable"
    assert reason


@given(st.dictionaries(FIELDS, JSON, max_size=6))
def test_any_alert_becomes_an_event_within_the_limits(fields: dict[str, Any]) -> None:
    """Whatever the fields hold, the event keeps PagerDuty's limits and is valid JSON."""
    message = read(payload("TRIGGER", **fields))
    body = translate.with_key(translate.trigger(message, SEVERITY), KEY)
    event = json.loads(body)
    assert event["routing_key"] == KEY
    assert 0 < len(event["payload"]["summary"]) <= 1024
    assert event["payload"]["source"]
    assert event["payload"]["severity"] in translate.SEVERITIES
    assert len(body) <= 512_000


def test_what_is_cut_is_cut_visibly() -> None:
    """A long summary ends with an ellipsis, too many details give way to a note."""
    message = read(payload("TRIGGER", ruleName="r" * 2000, text="é" * 200_000))
    event = json.loads(translate.trigger(message, SEVERITY))
    assert event["payload"]["summary"] == "r" * 1023 + "…"
    assert "left out" in event["payload"]["custom_details"]["Note"]


@pytest.mark.parametrize(
    ("start", "timestamp"),
    [
        ("2026-02-03 04:05:00 UTC", "2026-02-03T04:05:00+00:00"),
        ("2026-02-03 04:05:00 CST", None),
        ("2026-02-30 04:05:00 UTC", None),
        (5, None),
    ],
)
def test_only_an_unambiguous_start_becomes_the_timestamp(start: Any, timestamp: str | None) -> None:
    """Zone abbreviations other than UTC name several zones."""
    event = json.loads(translate.trigger(read(payload("TRIGGER", dateStartZoned=start)), SEVERITY))
    assert event["payload"].get("timestamp") == timestamp


def test_long_dedup_keys_are_hashed() -> None:
    """A key is at most 255 characters, and different alerts keep different keys."""
    keys = [translate.dedup_key("thousandeyes", letter * 500) for letter in "ab"]
    assert keys[0] != keys[1]
    assert all(len(key) <= 255 for key in keys)
    assert translate.dedup_key("thousandeyes", "5") == "thousandeyes:5"


@pytest.mark.parametrize(
    ("severity", "expected"),
    [*SEVERITY.items(), (None, "critical"), ("Novel", "critical")],
)
def test_severities(severity: str | None, expected: str) -> None:
    """Missing or unknown severities page as critical."""
    event = json.loads(translate.trigger(read(payload("TRIGGER", severity=severity)), SEVERITY))
    assert event["payload"]["severity"] == expected


@pytest.mark.parametrize(
    "condition",
    [
        {"rule": "web *"},
        {"test": "sh?p"},
        {"labels": ["e*"]},
        {"severity": "Major"},
        {"account_group": ["7", "1001"]},
        {"type": "HTTP*"},
    ],
)
def test_each_condition_selects(condition: dict[str, Any]) -> None:
    """A route is taken when its condition holds and passed over when it does not."""
    routes = [{"key": "db", **condition}]
    settings = config(TWO_KEYS, routing={"default": "ops", "route": routes})
    fits = payload("TRIGGER", testLabels=[{"id": 1, "name": "edge"}], ruleAid=1001, type="HTTP Server")
    other = payload("TRIGGER", ruleName="x", testName="x", severity="Minor", ruleAid=2, type="BGP")
    assert routing.choose(settings.routes, read(fits)).key == "db"
    assert routing.choose(settings.routes, read(other)).key == "ops"


GOOD = f"[keys]\na={{value='{KEY}'}}"
BAD: list[tuple[str, str]] = [
    ("x = [", "TOML"),
    ("", "keys"),
    ("unknown = 1", "keys"),
    ("[keys]\nops = 'k'", "keys.ops"),
    ("[keys]\nops = {value='short'}", "keys.ops"),
    ("[keys]\nops = {env='NOT_SET'}", "NOT_SET"),
    ("[keys]\nops = {file='/nonexistent'}", "cannot be read"),
    ("[receiver]\nlisten = 'x'", "receiver.listen"),
    ("[receiver]\nauth = 'basic'", "receiver.secrets"),
    ("[receiver]\nsecrets = [{value='x'}]", "receiver.auth"),
    ("[receiver]\nmax_body_bytes = true", "receiver.max_body_bytes"),
    ("[pagerduty]\nevents_url = 'http://example.com'", "only https"),
    ("[pagerduty]\nevents_url = 'https://[x'", "not a URL"),
    ("[pagerduty]\ncoalesce = 1", "pagerduty.coalesce"),
    (f"{GOOD}\nb={{value='{KEY}'}}", "routing.default"),
    (f"{GOOD}\n[routing]\ndefault='c'", "routing.default"),
    (f"{GOOD}\n[severity]\nInfo='loud'", "severity.Info"),
    (f"{GOOD}\n[more]", "more"),
]


@pytest.mark.parametrize(("text", "named"), BAD)
def test_a_bad_configuration_is_named_in_one_line(text: str, named: str) -> None:
    """The error says which key is wrong, in one line, without the secret."""
    with pytest.raises(ConfigError) as caught:
        parse(text, environ={})
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)
    assert KEY not in str(caught.value)


def test_secrets_come_from_files_and_the_environment(tmp_path: Path) -> None:
    """Relative files start beside the document; an inline secret others can read is warned about."""
    (tmp_path / "ops.key").write_text(KEY + "\n")
    text = "[keys]\nops = {file='ops.key'}\nenv = {env='K'}\n[routing]\ndefault='ops'"
    settings = parse(text, environ={"K": KEY}, base=tmp_path)
    assert {secret.value for secret in settings.keys.values()} == {KEY}
    document = tmp_path / "bridge.toml"
    document.write_text(f"[keys]\nops = {{value='{KEY}'}}")
    document.chmod(0o644)
    assert len(load(document).warnings) == 1
    document.chmod(0o600)
    assert load(document).warnings == ()


def test_log_lines_hide_secrets_and_control_characters() -> None:
    """A log line is one line of JSON whatever it is about."""
    import logging

    record = logging.LogRecord("bridge", logging.INFO, "", 0, "a\n\x1b[2J %s", (KEY,), None)
    line = LineFormatter([KEY]).format(record)
    assert "\n" not in line
    assert "\x1b" not in line
    assert KEY not in line
    assert json.loads(line)["message"] == "a\n\x1b[2J ***"
