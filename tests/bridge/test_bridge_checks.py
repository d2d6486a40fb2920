"""``bridge check``: every finding, with what to do about it, and nobody woken."""

from email.utils import formatdate
from pathlib import Path
from typing import Any

import httpx
import pytest
from bridge_process import run, write_config
from bridge_rig import KEY, NOW, SECOND, SECOND_KEY, TWO_KEYS, Rig, config

from bridge import checks, live
from bridge.checks import Finding, Level
from bridge.config import Config
from bridge.store import SqliteStore


def told(findings: list[Finding], level: Level) -> list[str]:
    return [f"{one.what}: {one.words}" for one in findings if one.level is level]


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (
            {"keys": {"ops": {"value": KEY}, "db": {"value": SECOND_KEY}}, "routing": {"default": "ops"}},
            "no route leads",
        ),
        (
            {"keys": {"ops": {"value": KEY}}, "routing": {"default": "ops", "route": [{"key": "ops"}]}},
            "never reached",
        ),
        ({"keys": {"ops": {"value": KEY}}, "receiver": {"listen": "0.0.0.0:1"}}, "receiver.auth"),
        ({"keys": {"ops": {"value": KEY}}, "self_alert": {"key": "ops"}}, "self_alert.key is a key that alerts"),
        ({"keys": {"ops": {"value": KEY}}, "canary": {"key": "ops"}}, "canary.key is a key that alerts"),
        ({"keys": {"ops": {"value": KEY}}}, "nobody is paged when the bridge itself"),
    ],
)
def test_the_configuration_is_looked_through(document: dict[str, Any], words: str) -> None:
    """Keys no route leads to, routes behind a catch-all, an open port, and no self-alert are warned about."""
    found = list(checks.configuration(config(document)))
    assert any(words in one for one in told(found, Level.WARNING))
    assert told(found, Level.PROBLEM) == []


def test_keys_are_tried_without_waking_anybody() -> None:
    """Each key resolves an alert that never was; what PagerDuty refuses comes with a remedy and without the key."""
    rig = Rig(config(TWO_KEYS))
    rig.pagerduty.answer = lambda event: httpx.Response(
        202 if event["routing_key"] == KEY else 400, json={"errors": [f"Invalid routing key {event['routing_key']}"]}
    )
    found = list(checks.events(rig.config, rig.client, NOW))
    assert {action for action, _ in rig.pagerduty.actions} == {"resolve"}
    assert told(found, Level.OK) == ["key ops: PagerDuty has taken a resolve that changes nothing"]
    assert told(found, Level.PROBLEM) == ["key db: HTTP 400 Invalid routing key ***"]
    assert "[keys]" in found[1].remedy


@pytest.mark.parametrize(
    ("status", "remedy"), [(401, "Integrations tab"), (429, "events_per_minute"), (503, "status.pagerduty")]
)
def test_each_refusal_has_its_remedy(status: int, remedy: str) -> None:
    """The runbook's line for the trouble is the remedy."""
    rig = Rig()
    rig.pagerduty.answer = lambda event: httpx.Response(status)
    (finding,) = checks.events(rig.config, rig.client, NOW)
    assert finding.level is Level.PROBLEM
    assert remedy in finding.remedy


def test_a_test_event_pages_for_real_and_resolves_at_once() -> None:
    """Only the named key is used for it."""
    rig = Rig(config(TWO_KEYS))
    found = list(checks.events(rig.config, rig.client, NOW, "db"))
    assert [(event["routing_key"], event["event_action"]) for event in rig.pagerduty.events] == [
        (KEY, "resolve"),
        (SECOND_KEY, "trigger"),
        (SECOND_KEY, "resolve"),
    ]
    assert told(found, Level.PROBLEM) == []
    assert told(list(checks.events(rig.config, rig.client, NOW, "none")), Level.PROBLEM) == [
        "test event: there is no key none"
    ]


@pytest.mark.parametrize(
    ("ahead", "level"),
    [(0, Level.OK), (29, Level.OK), (-31, Level.WARNING), (299, Level.WARNING), (301, Level.PROBLEM)],
)
def test_the_clock_is_compared(ahead: int, level: Level) -> None:
    """Half a minute of difference is noted, five minutes are a problem."""
    rig = Rig()
    date = formatdate(NOW / SECOND - ahead, usegmt=True)
    rig.hosts["events.pagerduty.com"] = lambda request: httpx.Response(404, headers={"Date": date})
    (finding,) = checks.clock(rig.config, rig.client, NOW)
    assert finding.level is level


def test_a_host_that_does_not_say_its_time_is_only_a_warning() -> None:
    """No Date header, or no answer, says nothing about our clock."""
    rig = Rig()
    rig.hosts["events.pagerduty.com"] = lambda request: httpx.Response(404)
    (finding,) = checks.clock(rig.config, rig.client, NOW)
    assert finding.level is Level.WARNING


@pytest.mark.parametrize(("status", "level"), [(200, Level.OK), (401, Level.PROBLEM)])
def test_the_rest_token_is_tried(status: int, level: Level) -> None:
    """A token that is refused is a problem; without a token nobody is asked."""
    rig = Rig(config(incidents={"api_token": {"value": "t"}}))
    rig.hosts["api.pagerduty.com"] = lambda request: httpx.Response(status, json={"incidents": []})
    (finding,) = checks.incidents(rig.config, rig.client)
    assert finding.level is level
    assert list(checks.incidents(config(), rig.client)) == []


def wiring(rules: list[dict[str, Any]], status: int = 200) -> list[Finding]:
    rig = Rig(config(thousandeyes={"token": {"value": "t"}, "integrations": ["wb-201"]}))

    def api(request: httpx.Request) -> httpx.Response:
        if status != 200:
            return httpx.Response(status)
        if request.url.path == "/v7/alerts/rules":
            return httpx.Response(200, json={"alertRules": [{"ruleId": one["ruleId"]} for one in rules]})
        return httpx.Response(200, json=next(one for one in rules if request.url.path.endswith(one["ruleId"])))

    rig.hosts["api.thousandeyes.com"] = api
    return list(checks.wiring(rig.config, rig.client, NOW))


def a_rule(name: str, *integrations: tuple[str, str, str]) -> dict[str, Any]:
    notifications: dict[str, list[dict[str, str]]] = {}
    for group, identity, kind in integrations:
        notifications.setdefault(group, []).append({"integrationId": identity, "integrationType": kind})
    return {"ruleId": name, "ruleName": f"rule {name}", "notifications": notifications}


OURS, NATIVE = ("webhook", "wb-201", "webhook"), ("thirdParty", "pgd-21", "pager-duty")


def test_a_rule_wired_to_both_pages_twice_and_is_reported() -> None:
    """Native integration and bridge on one rule is a problem; one of them is fine."""
    found = wiring([a_rule("1", OURS), a_rule("2", NATIVE), a_rule("3", OURS, NATIVE)])
    assert told(found, Level.PROBLEM) == [
        "thousandeyes: rule 'rule 3' notifies PagerDuty twice: natively and through here"
    ]
    assert told(found, Level.OK) == ["thousandeyes: the token works; 2 rules lead here"]


def test_no_rule_that_leads_here_is_reported() -> None:
    """Ids that fit no rule are most likely mistyped; a refused token is a problem; no token at all is mentioned."""
    assert told(wiring([a_rule("2", NATIVE)]), Level.WARNING)
    assert told(wiring([], 401), Level.PROBLEM) == ["thousandeyes: HTTP 401 for GET /alerts/rules"]
    rig = Rig()
    assert told(list(checks.wiring(rig.config, rig.client, NOW)), Level.WARNING) == [
        "thousandeyes: lost webhooks stay lost"
    ]


def stored(folder: Path) -> Config:
    return config(store={"path": str(folder / "bridge.db")})


def test_the_store_is_looked_at(tmp_path: Path) -> None:
    """Missing folder, foreign eyes, damage and health of the store are told apart."""
    assert told(list(checks.storage(stored(tmp_path / "none"))), Level.PROBLEM)
    assert "will be made" in told(list(checks.storage(stored(tmp_path))), Level.OK)[0]
    store = SqliteStore(tmp_path / "bridge.db")
    assert "a bridge serves it" in told(list(checks.storage(stored(tmp_path))), Level.OK)[0]
    store.close()
    (tmp_path / "bridge.db").chmod(0o644)
    assert any("others can read" in one for one in told(list(checks.storage(stored(tmp_path))), Level.WARNING))
    (tmp_path / "bridge.db").write_bytes(b"nonsense" * 1000)
    assert told(list(checks.storage(stored(tmp_path))), Level.PROBLEM)


def test_the_command_prints_findings_and_exits_by_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything in place exits 0; a refused key exits 1; offline asks nobody."""
    rig = Rig()
    monkeypatch.setattr(
        live, "client", lambda config, carrier: httpx.Client(transport=httpx.MockTransport(rig.pagerduty))
    )
    document = str(write_config(tmp_path, "https://events.pagerduty.com/v2/enqueue"))
    monkeypatch.setattr(checks, "clock", lambda config, client, now: iter(()))
    ran = run("check", "--config", document)
    assert (ran.code, ran.out.splitlines()[-1]) == (0, "everything is in place")
    rig.pagerduty.answer = lambda event: httpx.Response(403)
    ran = run("check", "--config", document)
    assert (ran.code, ran.out.splitlines()[-1]) == (1, "1 problems")
    assert run("check", "--offline", "--config", document).code == 0


def test_certificates_that_cannot_be_used_are_found_offline(tmp_path: Path) -> None:
    """What keeps the bridge from starting keeps the check from passing, even when nobody is asked."""
    document = write_config(tmp_path, "https://events.pagerduty.com/v2/enqueue")
    document.write_text(document.read_text().replace("[pagerduty]", '[pagerduty]\nca_file = "none.pem"'))
    ran = run("check", "--offline", "--config", str(document))
    assert (ran.code, ran.err.count("\n")) == (1, 1)
    assert "pagerduty.ca_file" in ran.err
