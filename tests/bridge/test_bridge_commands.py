"""What operators type: verdict first, traces, dead letters, replays, and mistakes in one line."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from bridge_process import run, write_config
from bridge_rig import KEY, NOW, SECOND, Rig, config, payload

from bridge import custom, desk, live
from bridge.store import SqliteStore

HOUR = 3600 * SECOND


class Desk:
    """A stopped bridge's store and configuration, and the commands on it at :data:`NOW`."""

    def __init__(self, folder: Path) -> None:
        self.document = write_config(folder)
        self.rig = Rig(config(), SqliteStore(folder / "bridge.db"))

    def close(self) -> None:
        self.rig.store.close()

    def run(self, *arguments: str) -> tuple[int, str]:
        self.rig.store.close()
        try:
            ran = run(*arguments, "--config", str(self.document))
        finally:
            self.rig.store = SqliteStore(self.document.parent / "bridge.db")
            self.rig.start()
        return ran.code, ran.out + ran.err


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setattr(live, "now", lambda: NOW)
    made = Desk(tmp_path)
    yield made
    made.close()


def test_a_stopped_bridge_does_not_page(here: Desk) -> None:
    """The first line says that nobody serves, since when, and what to do; the exit code says it to programs."""
    here.rig.post(payload("TRIGGER"), NOW - HOUR)
    code, said = here.run("status")
    first = said.splitlines()[0]
    assert code == 1
    assert first.startswith("PAGING DOES NOT WORK since 2026-02-03T03:05:00.000Z: No bridge serves this store.")
    assert "systemctl start" in first


def test_status_works_beside_a_running_bridge(here: Desk) -> None:
    """With a bridge on the store and nothing wrong, the first line says so; JSON says it to programs."""
    ran = run("status", "--config", str(here.document))
    assert (ran.code, ran.out.splitlines()[0]) == (0, "paging works")
    document = json.loads(run("status", "--json", "--config", str(here.document)).out)
    assert (document["works"], document["troubles"], document["undecided"]) == (True, [], 0)


def test_a_trace_tells_the_whole_story(here: Desk) -> None:
    """Received, routed, tried, sent, cleared: one line each, in order, by either name of the alert."""
    here.rig.pagerduty.answer = lambda event: httpx.Response(503)
    here.rig.post(payload("TRIGGER"), NOW - HOUR)
    here.rig.bridge.run_due(NOW - HOUR)
    here.rig.pagerduty.answer = lambda event: httpx.Response(202)
    here.rig.bridge.run_due(NOW - HOUR + 2 * SECOND)
    here.rig.post(payload("CLEAR"), NOW)
    here.rig.bridge.run_due(NOW)
    code, said = here.run("trace", "a1")
    assert code == 0
    lines = [line.split("  ", 1)[1] for line in said.splitlines()]
    assert lines == [
        "notification i1 of thousandeyes, trigger a1-TRIGGER: triggered",
        "routed by default to key ops, dedup key thousandeyes:a1",
        "event o1 trigger for key ops",
        "event o1 tried: retry, HTTP 503",
        "event o1 tried: sent, 202",
        "event o1 trigger: sent",
        "notification i2 of thousandeyes, clear a1-CLEAR: resolved",
        "event o2 resolve for key ops",
        "event o2 tried: sent, 202",
        "event o2 resolve: sent",
    ]
    assert here.run("trace", "thousandeyes:a1") == (0, said)
    assert here.run("trace", "nobody") == (1, "bridge: nobody: the store knows no such alert\n")


def test_dead_letters_come_with_what_to_do(here: Desk) -> None:
    """Every dead letter is listed with its reason, its cause and the runbook's line, and can be looked at."""
    here.rig.pagerduty.answer = lambda event: httpx.Response(400, json={"errors": ["bad \x1b[2Jthing"]})
    here.rig.post(b"\x1b[31mnothing", NOW)
    here.rig.post(payload("TRIGGER"), NOW)
    here.rig.bridge.run_due(NOW)
    code, said = here.run("dead-letters", "list")
    assert code == 0
    lines = said.splitlines()
    assert "not JSON" in lines[0]
    assert lines[0].endswith("[unreadable]")
    assert "dead-letters show" in lines[1]
    assert lines[2].endswith("[rejected]")
    assert "\x1b" not in said
    assert here.run("dead-letters", "show", "i1") == (0, "\\x1b[31mnothing\n")
    assert '"event_action":"trigger"' in here.run("dead-letters", "show", "o1")[1]
    assert here.run("dead-letters", "show", "x1")[0] == 1
    assert here.run("dead-letters", "show", "o99")[0] == 1


def test_dead_letters_are_replayed_and_dropped(here: Desk) -> None:
    """A replayed event goes again; dropping all leaves none."""
    here.rig.pagerduty.answer = lambda event: httpx.Response(400)
    here.rig.post(payload("TRIGGER", "a"), NOW)
    here.rig.post(payload("TRIGGER", "b"), NOW)
    here.rig.post(b"x", NOW)
    here.rig.bridge.run_due(NOW)
    here.rig.pagerduty.answer = lambda event: httpx.Response(202)
    assert here.run("dead-letters", "replay", "o1", "i3") == (0, "o1: it is sent again\ni3: it is decided upon again\n")
    here.rig.bridge.run_due(NOW)
    assert here.rig.pagerduty.actions[-1] == ("trigger", "thousandeyes:a")
    assert here.run("dead-letters", "drop", "all") == (0, "i3: dropped\no2: dropped\n")
    assert here.run("dead-letters", "list") == (0, "")


def test_a_dead_trigger_of_a_cleared_alert_is_not_replayed(here: Desk) -> None:
    """It would open an incident that nobody resolves."""
    here.rig.pagerduty.answer = lambda event: httpx.Response(400)
    here.rig.post(payload("TRIGGER"), NOW)
    here.rig.bridge.run_due(NOW)
    here.rig.post(payload("CLEAR"), NOW)
    here.rig.bridge.run_due(NOW)
    code, said = here.run("dead-letters", "replay", "o1")
    assert code == 1
    assert "has cleared since" in said


def test_replay_sends_open_triggers_and_late_resolves_again(here: Desk) -> None:
    """What was sent in the span is sent again, under its dedup key; a dry run only says so."""
    for name, at in (("old", NOW - 9 * HOUR), ("open", NOW - HOUR), ("over", NOW - HOUR)):
        here.rig.post(payload("TRIGGER", name), at)
        here.rig.bridge.run_due(at)
    here.rig.post(payload("CLEAR", "over"), NOW - HOUR // 2)
    here.rig.bridge.run_due(NOW - HOUR // 2)
    code, said = here.run("replay", "--since", "2h", "--dry-run")
    assert code == 0
    assert said.splitlines()[-1] == "2 events would be sent again"
    assert here.run("replay", "--since", "2026-02-03T02:00:00Z")[1].splitlines() == [
        "trigger thousandeyes:open",
        "resolve thousandeyes:over",
        "2 events are sent again",
    ]
    before = len(here.rig.pagerduty.events)
    here.rig.bridge.run_due(NOW)
    assert sorted(here.rig.pagerduty.actions[before:]) == [
        ("resolve", "thousandeyes:over"),
        ("trigger", "thousandeyes:open"),
    ]
    assert here.run("replay", "--since", "soon")[0] == 1


def test_route_test_shows_route_and_event(here: Desk, tmp_path: Path) -> None:
    """The payload's route and its whole event, and nothing is sent; the test button is said to do nothing."""
    body = tmp_path / "payload.json"
    body.write_bytes(payload("TRIGGER"))
    code, said = here.run("route-test", str(body))
    assert code == 0
    assert said.startswith("route default, key ops\n{")
    assert KEY not in said
    body.write_text('{"eventType":"WEBHOOK_TEST","eventId":"1"}')
    assert here.run("route-test", str(body)) == (0, "WEBHOOK_TEST: stored, nothing is sent\n")
    body.write_text("{")
    assert here.run("route-test", str(body))[0] == 1


def test_mistakes_are_one_line_and_wrong_usage_exits_2(tmp_path: Path) -> None:
    """Problems exit 1 with one line on standard error, wrong usage exits 2."""
    for arguments in (["check", "--config", "/nonexistent"], ["status", "--config", str(write_config(tmp_path))]):
        ran = run(*arguments)
        assert (ran.code, ran.out, ran.err.count("\n")) == (1, "", 1)
    assert run("check").code == 2
    assert run("reconcile", "--config", str(tmp_path / "bridge.toml")).code == 1


def test_the_custom_webhook_template_is_printed(here: Desk) -> None:
    """What is printed is what is read back."""
    assert run("custom-webhook").out == custom.TEMPLATE


def test_a_span_is_read_in_all_its_units() -> None:
    """Seconds, minutes, hours and days, or an instant."""
    assert [desk._since(words, NOW) for words in ("5s", "1m", "2h", "1d", "2026-02-03T04:05:00+00:00")] == [
        NOW - 5 * SECOND,
        NOW - 60 * SECOND,
        NOW - 2 * HOUR,
        NOW - 24 * HOUR,
        NOW,
    ]
