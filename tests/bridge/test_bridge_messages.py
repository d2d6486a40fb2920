"""Every shape ThousandEyes has sent over the years, and every way a message can be no message."""

import json
from pathlib import Path
from typing import Any

import pytest
from bridge_rig import SEVERITY, payload
from hypothesis import given
from hypothesis import strategies as st

from bridge import custom, messages, translate
from bridge.errors import Unreadable
from bridge.messages import InboundMessage, Kind
from contracts import catalogue

PAYLOADS = Path(__file__).parent / "payloads"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def read(body: bytes) -> InboundMessage:
    return messages.read("thousandeyes", body)


def stored(name: str) -> InboundMessage:
    return read((PAYLOADS / name).read_bytes())


UUID_OF_2025 = "5abda706-c065-40fa-aa8c-059c3ac1ea9d"
UUID_ALERT = "7f000000-4444-4a2b-8c3d-4e5f60718296"
#: File -> kind, alert id, PagerDuty severity, and summary of the event a trigger becomes.
SHAPES: dict[str, tuple[Kind, str, str, str]] = {
    "2014-page-load-trigger.json": (Kind.TRIGGER, "35577", "critical", "slow shop: shop front"),
    "2014-page-load-clear.json": (Kind.CLEAR, "35577", "critical", "slow shop: shop front"),
    "2014-webhook-test.json": (Kind.TEST, "", "critical", ""),
    "2016-agent-trigger.json": (Kind.TRIGGER, "9071", "critical", "agent offline: branch-4"),
    "2016-agent-clear.json": (Kind.CLEAR, "9071", "critical", "agent offline: branch-4"),
    "2020-browser-session-trigger.json": (Kind.TRIGGER, "40117733", "critical", "slow office"),
    "2021-device-trigger.json": (
        Kind.TRIGGER,
        "2d6f7c1e-3333-4a2b-8c3d-4e5f60718295",
        "error",
        "uplink saturated",
    ),
    "2021-http-trigger.json": (
        Kind.TRIGGER,
        "76947411",
        "critical",
        "web down: shop front (https://shop.example)",
    ),
    "2021-http-disabled.json": (
        Kind.CLEAR,
        "76947411",
        "critical",
        "web down: shop front (https://shop.example)",
    ),
    "2021-outage-trigger.json": (Kind.TRIGGER, "51118822", "critical", "provider outage"),
    "2022-http-trigger-est.json": (
        Kind.TRIGGER,
        "119034777",
        "critical",
        "name does not resolve: intranet (https://intranet.example)",
    ),
    "2022-http-clear-est.json": (
        Kind.CLEAR,
        "119034777",
        "critical",
        "name does not resolve: intranet (https://intranet.example)",
    ),
    "2022-http-trigger-three-agents.json": (
        Kind.TRIGGER,
        "131200456",
        "critical",
        "slow answers: portal login (https://portal.example/login)",
    ),
    "2022-http-clear-four-agents.json": (
        Kind.CLEAR,
        "120001",
        "warning",
        "web down: portal (https://shop.example)",
    ),
    "2025-agent-trigger.json": (
        Kind.TRIGGER,
        "562949955000777",
        "warning",
        "Default Agent Offline Notification: branch-7",
    ),
    "2025-http-clear.json": (
        Kind.CLEAR,
        "5c0c6f0e-6f43-4f6e-9f5b-2f1d3f9f0b22",
        "critical",
        "web down: shop front (https://shop.example)",
    ),
    "2026-bgp-trigger.json": (
        Kind.TRIGGER,
        "0d6f7c1e-1111-4a2b-8c3d-4e5f60718293",
        "error",
        "prefix unreachable: our prefix (198.51.100.0/24)",
    ),
    "2026-dns-trigger.json": (
        Kind.TRIGGER,
        "1d6f7c1e-2222-4a2b-8c3d-4e5f60718294",
        "warning",
        "zone broken: zone (shop.example A)",
    ),
    "custom-trigger.json": (Kind.TRIGGER, UUID_ALERT, "error", "web down: shop front (https://shop.example)"),
    "custom-clear.json": (Kind.CLEAR, UUID_ALERT, "error", "web down: shop front (https://shop.example)"),
    "custom-broken-by-a-quote.txt": (Kind.TRIGGER, UUID_ALERT, "error", "ThousandEyes rule 127094"),
    "custom-splunk.json": (
        Kind.TRIGGER,
        "e9c3bf02-a48c-4aa8-9e5f-898800d6f569",
        "error",
        "ThousandEyes alert: shop front",
    ),
    "custom-splunk-flat.json": (Kind.TRIGGER, "e9c3bf02-a48c-4aa8-9e5f-898800d6f56b", "error", "web down: shop front"),
    "custom-nested.json": (
        Kind.TRIGGER,
        "8a000000-4444-4a2b-8c3d-4e5f60718297",
        "critical",
        "web down: shop front (https://shop.example)",
    ),
    "custom-terraform.json": (Kind.TRIGGER, UUID_ALERT, "critical", "ThousandEyes alert: shop front"),
}


@pytest.mark.parametrize("name", SHAPES)
def test_every_shape_is_read(name: str) -> None:
    """Kind, identity, severity and summary of each known payload are what a person would say."""
    kind, alert_id, severity, summary = SHAPES[name]
    message = stored(name)
    assert (message.kind, message.alert_id) == (kind, alert_id)
    said = translate.severity(message, SEVERITY, "critical")
    assert said == severity
    if kind is not Kind.TEST:
        assert json.loads(translate.trigger(message, said))["payload"]["summary"] == summary


def test_every_stored_payload_is_expected() -> None:
    """No payload lies in the folder unread."""
    assert sorted(SHAPES) == sorted(path.name for path in PAYLOADS.iterdir())


@pytest.mark.parametrize("name", [name for name in SHAPES if not name.startswith("custom")])
def test_every_classic_shape_keeps_the_contract_of_its_time(name: str) -> None:
    """What receivers have to live with is written down, and each payload of the catalogue is within it."""
    assert catalogue.flaws("thousandeyes-webhook", (PAYLOADS / name).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("pair", [("2014-page-load", "clear"), ("2016-agent", "clear"), ("2021-http", "disabled")])
def test_trigger_and_clear_share_their_key_whatever_their_event_ids(pair: tuple[str, str]) -> None:
    """The two notifications of one alert have one dedup key and two event ids."""
    trigger, clear = stored(f"{pair[0]}-trigger.json"), stored(f"{pair[0]}-{pair[1]}.json")
    assert trigger.event_id != clear.event_id
    assert translate.dedup_key("s", trigger.alert_id) == translate.dedup_key("s", clear.alert_id)


def test_locations_of_every_shape_reach_the_details() -> None:
    """Agents, monitors and custom details are listed with what they measured."""
    listed = {
        name: json.loads(translate.trigger(stored(name), "info"))["payload"]["custom_details"]
        for name in ("2021-http-trigger.json", "2026-bgp-trigger.json", "custom-trigger.json", "custom-nested.json")
    }
    assert listed["2021-http-trigger.json"]["Agents"] == "Singapore: Response Code: 502"
    assert listed["2026-bgp-trigger.json"]["Monitors"] == "Amsterdam-3: Reachability: 0%\nTokyo-1: Reachability: 40%"
    assert listed["custom-trigger.json"]["Agents"] == "Singapore: Response Code: 502"
    assert listed["custom-nested.json"]["Agents"] == "Singapore: Response Code: 502"


def test_static_keys_are_kept() -> None:
    """A key added in the rule's webhook settings can be routed upon and is shown."""
    message = stored("2022-http-trigger-est.json")
    assert message.static == {"text": "dns"}
    assert json.loads(translate.trigger(message, "info"))["payload"]["custom_details"]["text"] == "dns"


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({}, Kind.TRIGGER),
        ({"active": 1}, Kind.TRIGGER),
        ({"active": []}, Kind.TRIGGER),
        ({"active": 0}, Kind.CLEAR),
        ({"active": 2}, Kind.CLEAR),
        ({"active": "2"}, Kind.CLEAR),
        ({"active": False}, Kind.CLEAR),
    ],
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


@pytest.mark.parametrize(
    "alert_id",
    [None, True, 1.5, "", "  ", [], {}, "x" * 2000, "a\x00b", "a\nb", "\ud800", "x\N{REPLACEMENT CHARACTER}"],
)
def test_an_alert_without_identity_is_unreadable(alert_id: Any) -> None:
    """Identity is never guessed and never repaired."""
    with pytest.raises(Unreadable):
        read(payload("TRIGGER", alert_id, event_id="e"))


AMBIGUOUS = [
    b'{"eventType":"ALERT_NOTIFICATION_TRIGGER","alert":{"alertId":1,"alertId":2}}',
    b'{"eventType":"ALERT_NOTIFICATION_TRIGGER","eventType":"ALERT_NOTIFICATION_CLEAR","alert":{"alertId":1}}',
    b'{"eventType":"ALERT_NOTIFICATION_TRIGGER","alert":{"alertId":1},"alert":{"alertId":1}}',
]


@pytest.mark.parametrize("body", AMBIGUOUS)
def test_an_identity_given_twice_is_ambiguous(body: bytes) -> None:
    """Two readers could see two alerts in such a message, so it is none."""
    with pytest.raises(Unreadable, match="twice") as caught:
        read(body)
    assert caught.value.cause == "ambiguous"


@pytest.mark.parametrize(
    "detail",
    [b'"x":1,"x":2', b'"x":NaN', b'"x":-Infinity', b'"x":' + b"9" * 5000, b'"ruleName":"caf\xe9"', b'"x":"\\ud800"'],
)
def test_oddities_beside_the_identity_are_forgiven(detail: bytes) -> None:
    """Repeated keys, numbers JSON has not, and bytes that are not UTF-8 do not cost a page."""
    body = b'{"eventType":"ALERT_NOTIFICATION_TRIGGER","alert":{"alertId":7,' + detail + b"}}"
    assert read(body).alert_id == "7"


@pytest.mark.parametrize("depth", [100, 5_000, 200_000])
def test_nesting_nobody_writes_on_purpose_is_refused(depth: int) -> None:
    """Depth ends in the one documented error, not in a deep recursion."""
    body = b'{"eventType":"ALERT_NOTIFICATION_TRIGGER","alert":{"alertId":7,"x":' + b"[" * depth + b"]" * depth + b"}}"
    with pytest.raises(Unreadable, match=r"nested"):
        read(body)


def test_a_byte_order_mark_is_no_obstacle() -> None:
    """A body that starts with a byte order mark is read like any other."""
    assert read(b"\xef\xbb\xbf" + payload("TRIGGER")).kind is Kind.TRIGGER


def test_our_template_is_salvaged_only_when_it_is_ours() -> None:
    """What is broken JSON and does not start like our template stays unreadable."""
    body = (PAYLOADS / "custom-broken-by-a-quote.txt").read_bytes()
    assert read(body).alert["Note"].startswith("A name in this alert")
    with pytest.raises(Unreadable):
        read(body.replace(b'"bridge":1', b'"bridge":2'))


def test_the_template_starts_with_what_is_salvaged() -> None:
    """The head of the template, filled with ids, is what the salvage expects."""
    rendered = custom.TEMPLATE
    for name, value in {"type.id": "2", "alert.id": "a-1", "alert.severity.id": "MAJOR"}.items():
        rendered = rendered.replace("{{" + name + "}}", value)
    salvaged = custom.salvage(rendered.encode())
    assert salvaged is not None
    assert (salvaged["type"], salvaged["alertId"], salvaged["severity"]) == ("2", "a-1", "MAJOR")


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


NAMES = st.sampled_from(["bridge", "id", "type", "alertId", "alert", "severity", "details", "labels", "test", "rule"])
CUSTOM = st.dictionaries(NAMES, JSON | st.dictionaries(NAMES, JSON))


@pytest.mark.parametrize(
    ("joined", "alert_id"),
    [
        ("205646496-76947300", "76947300"),
        ("9437a575-4b00-44a2-899a-41d1134eef08--5abda706-c065-40fa-aa8c-059c3ac1ea9d", UUID_OF_2025),
        ("449-5abda706-c065-40fa-aa8c-059c3ac1ea9d", UUID_OF_2025),
        ("205646496-76947300-1", None),
        ("5abda706-c065-40fa-aa8c-059c3ac1ea9d", None),
        ("shop-76947300", None),
        ("205646496", None),
    ],
)
def test_a_notification_id_and_an_alert_id_in_one_are_taken_apart(joined: str, alert_id: str | None) -> None:
    """Where the text can be read in one way only; whatever else is there counts as before, and nothing is guessed."""
    body = {"eventId": joined, "type": "1", "severity": "MAJOR"}
    if alert_id is None:
        with pytest.raises(Unreadable):
            read(json.dumps(body).encode())
        return
    assert (read(json.dumps(body).encode()).alert_id, read(json.dumps(body).encode()).kind) == (alert_id, Kind.CLEAR)
    assert read(json.dumps({**body, "alertId": "own"}).encode()).alert_id == "own"


@given(CUSTOM)
def test_any_custom_document_reads_or_raises_unreadable(document: dict[str, Any]) -> None:
    """Whatever a template renders to, there is one documented error."""
    try:
        message = read(json.dumps(document).encode())
    except Unreadable:
        return
    assert message.alert_id
