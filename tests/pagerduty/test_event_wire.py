"""What the events host reads: JSON by the book, and complaints in the words of each version."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from duty_rig import ALICE, KEY, Duty
from jsonschema import Draft202012Validator

HOME = Path(__file__).resolve().parents[2]
SPECS = Path(os.environ.get("PAGEDRILL_SPECS", HOME.parent / "shared" / "specs"))
NO_EVENTS = [
    b"", b"{", b"[]", b"null", b'"x"', b"\xff", b'{"a": NaN}', b'{"a": "\\ud800"}', b'{"a":' * 600 + b"1" + b"}" * 600,
]  # fmt: skip
V1 = "/generic/2010-04-15/create_event.json"
TRIGGER = {
    "routing_key": KEY,
    "event_action": "trigger",
    "dedup_key": "k",
    "payload": {"summary": "down", "source": "web", "severity": "critical"},
}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"x"',
        b"\xff",
        b'{"a": NaN}',
        b'{"a": "\\ud800"}',
        b'{"a": "\xed\xa0\x80"}',
        '{"a": "\\ud800"}'.encode("utf-16"),
        b'{"a": 1e999}',
        b'{"a":' * 600 + b"1" + b"}" * 600,
    ],
)
@pytest.mark.parametrize("path", ["/v2/enqueue", "/v2/change/enqueue", V1])
def test_what_is_no_event_object(path: str, body: bytes) -> None:
    """Anything but a JSON object is an unrecognized object."""
    answer = Duty().post(path, body)
    assert (answer.status_code, answer.json()["errors"]) == (400, ["JSON parse error"])


def test_deep_and_odd_details_come_back() -> None:
    """Details of any shape and depth are accepted, kept, and shown again."""
    duty = Duty()
    deep: Any = "end"
    for _ in range(90):
        deep = [deep]
    event = {**TRIGGER, "links": None, "images": [{"src": "https://img.example/x.png"}]}
    event["payload"] = {**TRIGGER["payload"], "custom_details": deep, "timestamp": 5}  # type: ignore[dict-item]
    assert duty.post("/v2/enqueue", event).status_code == 202
    (alert,) = duty.rest("GET", f"/incidents/{duty.incident.id}/alerts").json()["alerts"]
    assert alert["body"]["details"] == deep
    assert alert["body"]["contexts"] == [{"type": "image", "src": "https://img.example/x.png"}]
    assert duty.rest("GET", "/log_entries?include[]=channels").status_code == 200


@pytest.mark.parametrize("path", ["/v2/enqueue", "/v2/change/enqueue"])
def test_links_and_images_need_their_address(path: str) -> None:
    """A link without an href, an image without a src or not over https: the event is refused and all of it told."""
    links, images = (
        [{"href": "https://x.example"}, {"text": "View"}, 5],
        [{"src": ""}, {"src": "http://x.example/a.png"}],
    )
    answer = Duty().post(path, {**TRIGGER, "links": links, "images": images})
    assert answer.status_code == 400
    assert answer.json()["errors"] == [
        "'links[1].href' is missing or blank",
        "'links[2].href' is missing or blank",
        "'images[0].src' is missing or blank",
        "'images[1].src' is invalid (must be served over https)",
    ]
    assert Duty().post(path, {**TRIGGER, "links": "none"}).json()["errors"] == ["'links' is invalid (must be an array)"]


@pytest.mark.parametrize(
    ("event", "errors"),
    [
        (
            {},
            ["Service key cannot be blank", "event_type is invalid (must be one of: trigger acknowledge resolve)"],
        ),
        (
            {"service_key": "short", "event_type": "trigger", "description": "d"},
            ["Service key is the wrong length (should be 32 characters)"],
        ),
        ({"service_key": KEY, "event_type": "trigger"}, ["Description is missing or blank"]),
        ({"service_key": KEY, "event_type": "resolve"}, ["Incident key is missing or blank"]),
        ({"service_key": "f" * 32, "event_type": "trigger", "description": "d"}, ["Invalid service key"]),
        (
            {"service_key": KEY, "event_type": "trigger", "description": "d", "contexts": {}},
            ["contexts is invalid (must be an array)"],
        ),
        (
            {
                "service_key": KEY,
                "event_type": "trigger",
                "description": "d",
                "contexts": [{"type": "link"}, {"type": "image", "src": "http://x"}, {"type": "sound"}],
            },
            [
                "contexts[0].href is missing or blank",
                "contexts[1].src is invalid (must be served over https)",
                "contexts[2].type is invalid (must be one of: link image)",
            ],
        ),
    ],
)
def test_complaints_of_the_first_version(event: dict[str, Any], errors: list[str]) -> None:
    """The first version names its own fields."""
    answer = Duty().post(V1, event)
    assert (answer.status_code, answer.json()["status"], answer.json()["errors"]) == (400, "invalid event", errors)


def test_an_event_of_the_first_version_over_rest() -> None:
    """Its details, client and contexts show on the alert and in the log, with the names of the first version."""
    duty = Duty()
    event = {
        "service_key": KEY,
        "event_type": "trigger",
        "description": "down",
        "details": {"loss": 40},
        "client": "Monitor",
        "contexts": [{"type": "link", "href": "https://x.example", "text": "View"}],
    }
    key = duty.post(V1, event).json()["incident_key"]
    (alert,) = duty.rest("GET", f"/incidents/{duty.incident.id}/alerts").json()["alerts"]
    assert (alert["alert_key"], alert["severity"], alert["body"]["details"]) == (key, "critical", {"loss": 40})
    assert alert["body"]["contexts"] == [{"type": "link", "href": "https://x.example", "text": "View"}]
    log = duty.rest("GET", "/log_entries?include[]=channels").json()["log_entries"]
    channel = next(row["channel"] for row in log if row["type"] == "trigger_log_entry")
    assert (channel["service_key"], channel["client"]) == (KEY, "Monitor")
    assert "cef_details" not in channel


@pytest.mark.parametrize(
    ("path", "body", "name"),
    [
        ("/v2/enqueue", TRIGGER, "v2_alert_accepted"),
        ("/v2/enqueue", {}, "rejected"),
        ("/v2/change/enqueue", {"routing_key": KEY, "payload": {"summary": "Deploy"}}, "v2_change_accepted"),
        (V1, {"service_key": KEY, "event_type": "trigger", "description": "d"}, "v1_accepted"),
    ],
)
def test_answers_have_the_described_shape(path: str, body: dict[str, Any], name: str) -> None:
    """An answer of the events host validates against the schema written from the vendor's description."""
    file = SPECS / "pagerduty" / "events_responses.schema.json"
    if not file.exists():
        pytest.skip("the schemas of PagerDuty's events are not at hand (set PAGEDRILL_SPECS)")
    schemas = json.loads(file.read_text())
    answer = Duty().post(path, body)
    Draft202012Validator({"$defs": schemas["$defs"], "$ref": f"#/$defs/{name}"}).validate(answer.json())


def test_a_change_event_over_the_rest_host() -> None:
    """The REST host takes change events as well; what it refuses, it refuses in the events host's words."""
    duty = Duty()
    event = {"routing_key": KEY, "payload": {"summary": "Deploy", "source": "ci"}}
    assert duty.rest("POST", "/change_events", event, From=ALICE.email).status_code == 202
    (shown,) = duty.rest("GET", "/change_events").json()["change_events"]
    assert (shown["summary"], shown["services"][0]["summary"]) == ("Deploy", "Network")
    assert duty.rest("POST", "/change_events", {}).json()["status"] == "invalid event"
