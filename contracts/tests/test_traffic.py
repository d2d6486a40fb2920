"""The traffic of whole outages keeps its contracts, and a message that does not is named."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest
from good_messages import KEY, RESOLVE, WEBHOOK
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts import traffic
from contracts.traffic import Direction
from scenarios import accounts
from scenarios.outages import OUTAGES
from scenarios.rehearsal import rehearse
from scenarios.stage import Stage, Wiring
from simulators.engine.journal import Entry
from simulators.pagerduty.api import sites as pagerduty_sites
from simulators.thousandeyes.api import sites as thousandeyes_sites
from simulators.thousandeyes.commands import DEFAULT_TOKEN

ENQUEUE = "https://events.pagerduty.com/v2/enqueue"


@dataclass(frozen=True)
class Told:
    """An entry of a history."""

    kind: str
    subject: str
    data: Mapping[str, Any]
    seq: int = 7
    cause: int = 0


def lines(*history: Told | Entry) -> list[str]:
    return [str(violation) for violation in traffic.violations(history)]


@pytest.mark.parametrize("wiring", list(Wiring))
@pytest.mark.parametrize("name", list(OUTAGES))
def test_every_rehearsal_keeps_the_contracts(name: str, wiring: Wiring) -> None:
    """All that is sent and answered in a rehearsal validates, and something was sent."""
    _, world = rehearse(OUTAGES[name], wiring=wiring)
    assert lines(*world.journal) == []
    assert [entry for entry in world.journal if entry.kind == "send"]


@pytest.mark.parametrize("wiring", list(Wiring))
def test_no_message_of_an_outage_escapes(wiring: Wiring) -> None:
    """Any message of the path, emptied, is reported by its number."""
    _, world = rehearse(OUTAGES["unanswered"], wiring=wiring)
    history = list(world.journal)
    silent = []
    for place, entry in enumerate(history):
        if entry.kind in set(Direction) and (entry.kind, entry.subject) != ("response", "bridge"):
            emptied = replace(entry, data={**entry.data, "body": "{}"})
            if not any(line.startswith(f"#{entry.seq} ") for line in lines(*history[:place], emptied)):
                silent.append(entry)
    assert silent == []


def test_a_stage_reports_a_message_that_breaks_its_contract() -> None:
    """A sender of one's own that writes the severity in capitals is told where and why."""
    with Stage(wiring=Wiring.NATIVE) as stage:
        event = {
            "routing_key": accounts.ROUTING_KEY,
            "event_action": "trigger",
            "payload": {"summary": "down", "source": "shop", "severity": "CRITICAL"},
        }
        stage.world.client.post(ENQUEUE, json=event)
        said = [line for line in stage.leftovers() if "breaks" in line]
        assert len(said) == 1
        assert said[0].endswith(
            "request pagerduty-events POST /v2/enqueue breaks pagerduty-event at /payload/severity: "
            "'CRITICAL' is not one of ['critical', 'error', 'warning', 'info']"
        )


def test_a_scenario_can_tolerate_broken_contracts() -> None:
    """What a scenario sends wrongly on purpose need not fail it."""
    with Stage(wiring=Wiring.NATIVE) as stage:
        stage.tolerate("contract")
        stage.tolerate("response")
        stage.tolerate("event.refused")
        stage.world.client.post(ENQUEUE, json={"routing_key": "short"})
        stage.verify()


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (
            Told("request", "pagerduty-events", {"method": "PUT", "path": "/v2/enqueue", "body": "{}"}),
            "#7 request pagerduty-events PUT /v2/enqueue breaks the table at the top: no row covers this message",
        ),
        (
            Told("request", "pagerduty-door", {"method": "POST", "path": "/knock", "body": "{}"}),
            "#7 request pagerduty-door POST /knock breaks the table at the top: no row covers this message",
        ),
        (
            Told("request", "pagerduty-events", {"method": "POST", "path": "/v2/enqueue", "body": '{"event'}),
            "#7 request pagerduty-events POST /v2/enqueue breaks pagerduty-event at the top: "
            "'{\"event' is not of type 'object'",
        ),
        (
            Told("send", "thousandeyes", {"method": "POST", "url": "https://hooks.example/x", "body": "NaN"}),
            "#7 send thousandeyes POST /x breaks thousandeyes-webhook-current at the top: "
            "'NaN' is not of type 'object'",
        ),
    ],
)
def test_what_no_contract_allows_is_one_line(entry: Told, words: str) -> None:
    """Unknown paths and hosts of ours, and bodies that are no JSON, are violations too."""
    assert lines(entry) == [words]


SENT = {"method": "POST", "url": "https://bridge.example.com/thousandeyes", "body": '{"any": "template"}'}


def test_a_custom_webhook_says_what_its_template_says_wherever_it_goes() -> None:
    """Sent, and received by the bridge because of it; the same words are no classic webhook. Events stay events."""
    sent = Told("send", "thousandeyes", {**SENT, "what": "custom-webhook"}, seq=3)
    heard = Told("request", "bridge", {"method": "POST", "path": "/thousandeyes", "body": SENT["body"]}, seq=4, cause=3)
    assert lines(sent, heard) == []
    plain = replace(sent, data=SENT)
    assert [line.split(" ")[0] for line in lines(plain, heard)] == ["#3"] * 2 + ["#4"] * 2
    event = Told("request", "pagerduty-events", {"method": "POST", "path": "/v2/enqueue", "body": "{}"}, seq=5, cause=3)
    assert lines(sent, event)


def test_an_address_that_is_none_is_nobodys_traffic() -> None:
    """It is judged like any other message and breaks nothing here."""
    told = Told("send", "thousandeyes", {**SENT, "url": "https://[half", "what": "custom-webhook"})
    assert lines(told) == []


def test_other_peoples_hosts_are_their_own() -> None:
    """A user's receiver may be asked and answer as it likes."""
    asked = Told("request", "hooks", {"method": "POST", "path": "/", "body": "?"})
    assert lines(asked, Told("response", "hooks", {"status": 500, "body": "?"}, cause=7)) == []


def test_an_answer_is_judged_by_what_was_asked() -> None:
    """The same words are right after one request and wrong after another; without the request nothing is said."""
    body = json.dumps({"status": "success", "message": "Event processed", "dedup_key": "k"})
    answer = Told("response", "pagerduty-events", {"status": 202, "body": body}, seq=8, cause=7)
    event = Told("request", "pagerduty-events", {"method": "POST", "path": "/v2/enqueue", "body": json.dumps(RESOLVE)})
    change = replace(event, data={**event.data, "path": "/v2/change/enqueue"})
    assert lines(event, answer) == lines(answer) == []
    assert [line for line in lines(change, answer) if line.startswith("#8 ")]


def test_every_row_without_a_contract_says_why() -> None:
    """A message is held to a contract or there is a reason, never both and never neither."""
    assert [row for row in traffic.TABLE if bool(row.contract) is bool(row.why)] == []


def test_verifying_an_ordinary_scenario_is_cheap() -> None:
    """The traffic of an outage is checked in well under 50 ms once the schemas are compiled."""
    _, world = rehearse(OUTAGES["acknowledged"])
    traffic.violations(world.journal)
    began = time.process_time()
    traffic.violations(world.journal)
    assert time.process_time() - began < 0.05


_GONE = object()
_VALUES: dict[str, list[Any]] = {
    "routing_key": ["", KEY[:31], KEY + "\n", "-" * 32, 7, None],
    "event_action": ["trigger", "acknowledge", "resolve", "Trigger", "", 7, None],
    "dedup_key": ["", " ", "k" * 255, "k" * 256, 7],
    "summary": ["", " \t", 7, None, [], "s" * 1024, "s" * 1025],
    "source": ["", " ", 7, None, "x" * 2000],
    "severity": ["error", "warning", "info", "Info", "", 7, None, []],
    "payload": [{}],
}
_CHANGES = st.lists(
    st.sampled_from([(name, value) for name, values in _VALUES.items() for value in [*values, _GONE]]), max_size=2
)


def _event(changes: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a good trigger with some fields changed or left out."""
    fields: dict[str, Any] = {
        "routing_key": accounts.ROUTING_KEY,
        "event_action": "trigger",
        "dedup_key": "k",
        "summary": "down",
        "source": "shop",
        "severity": "critical",
        **dict(changes),
    }
    kept = {name: value for name, value in fields.items() if value is not _GONE}
    payload = {name: kept.pop(name) for name in ("summary", "source", "severity") if name in kept}
    return {"payload": payload, **kept} if fields.get("payload") is not _GONE else kept


@pytest.fixture(scope="module")
def native() -> Iterator[Stage]:
    """A stage whose events host is asked directly."""
    with Stage(wiring=Wiring.NATIVE) as stage:
        yield stage


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(event=_CHANGES.map(_event) | st.just(WEBHOOK))
def test_the_simulator_takes_exactly_what_the_contract_allows(native: Stage, event: dict[str, Any]) -> None:
    """202 for what keeps the contract, 400 for what breaks it, and both answers keep theirs."""
    last = native.world.journal.last
    status = native.world.client.post(ENQUEUE, json=event).status_code
    broken = traffic.violations(native.world.journal.since(last))
    assert {violation.what.split()[0] for violation in broken} <= {"request"}
    assert status == (400 if broken else 202), broken


@pytest.mark.parametrize(
    ("host", "method", "path", "body", "status"),
    [
        ("api.pagerduty.com", "GET", "/users", None, 401),
        ("api.pagerduty.com", "GET", "/users/PNOBODY", None, 404),
        ("api.pagerduty.com", "GET", "/nothing", None, 404),
        ("api.pagerduty.com", "DELETE", "/abilities", None, 405),
        ("api.pagerduty.com", "POST", "/services", "{", 400),
        ("api.pagerduty.com", "POST", "/services", '{"service": {"type": "service"}}', 400),
        ("api.thousandeyes.com", "GET", "/v7/tests", None, 401),
        ("api.thousandeyes.com", "GET", "/v7/tests/http-server/1", None, 404),
        ("api.thousandeyes.com", "GET", "/v7/nothing", None, 404),
        ("api.thousandeyes.com", "PATCH", "/v7/tests", None, 405),
        ("api.thousandeyes.com", "POST", "/v7/tests/http-server", "{", 400),
        ("api.thousandeyes.com", "POST", "/v7/tests/http-server", '{"url": 7}', 400),
    ],
)
def test_errors_of_the_rest_apis_keep_their_envelope(
    native: Stage, host: str, method: str, path: str, body: str | None, status: int
) -> None:
    """Whatever is wrong with a request, the answer is an error as the vendor writes it."""
    native.world.serve(host, (pagerduty_sites() | thousandeyes_sites())[host])
    keys = {"api.pagerduty.com": f"Token token={accounts.API_KEY}", "api.thousandeyes.com": f"Bearer {DEFAULT_TOKEN}"}
    headers = {} if status == 401 else {"Authorization": keys[host], "Content-Type": "application/json"}
    last = native.world.journal.last
    answer = native.world.client.request(method, f"https://{host}{path}", content=body, headers=headers)
    assert answer.status_code == status
    assert lines(*native.world.journal.since(last)) == []
