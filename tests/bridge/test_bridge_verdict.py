"""Does paging work? Every trouble, the self-alert and the canary."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from bridge_rig import KEY, NOW, SECOND, SECOND_KEY, Rig, config, payload

from bridge import chores, core, desk, metrics, runbook, verdict
from bridge.chores import Chore
from bridge.errors import StoreError
from bridge.runbook import Level
from bridge.store import Raw, SqliteStore

MINUTE = 60 * SECOND
HOME = Path(__file__).resolve().parents[2]
BOTH: dict[str, Any] = {
    "keys": {"ops": {"value": KEY}, "own": {"value": SECOND_KEY}},
    "routing": {"default": "ops"},
}


def troubles(rig: Rig, now: int, **more: Any) -> list[str]:
    return [trouble.name for trouble in verdict.judge(rig.store, rig.config, now, **more).troubles]


def answering(rig: Rig, status: int) -> None:
    rig.pagerduty.answer = lambda event: httpx.Response(status)


def test_a_store_that_cannot_be_written_is_a_trouble_while_it_cannot() -> None:
    """It is found out by writing, whether notifications come in or not, and over as soon as that works."""
    rig = Rig()
    assert rig.bridge.refusing(NOW) is None
    rig.store.connection.execute("PRAGMA query_only = 1")
    refusing = rig.bridge.refusing(NOW)
    assert refusing is not None
    assert refusing[0] == NOW
    assert "readonly" in refusing[1]
    assert troubles(rig, NOW, refusing=refusing) == ["storage"]
    assert "bridge_works 0.0" in metrics.render(rig.bridge, NOW, refusing).decode()
    rig.store.connection.execute("PRAGMA query_only = 0")
    assert rig.bridge.refusing(NOW) is None


def test_a_refused_notification_counts_until_one_is_stored() -> None:
    """A disk with room for little proves nothing; without word from the sender the trouble ends by itself."""
    rig = Rig()
    for at in (NOW, NOW + MINUTE):
        rig.bridge.note_append(1, at, StoreError("full"))
    assert rig.bridge.refusing(NOW + 11 * MINUTE) == (NOW, "the last one was refused")
    assert rig.bridge.refusing(NOW + 11 * MINUTE + 1) is None
    rig.bridge.note_append(1, NOW + 2 * MINUTE)
    assert rig.bridge.refusing(NOW + 2 * MINUTE) is None


def test_figures_are_there_when_the_store_is_not() -> None:
    """Whoever watches the figures sees that paging does not work, and why."""
    rig = Rig()
    rig.post(payload("TRIGGER"))
    rig.store.close()
    shown = metrics.render(rig.bridge, NOW).decode()
    assert 'bridge_received_total{door="thousandeyes"} 1.0' in shown
    assert "bridge_works 0.0" in shown
    assert 'bridge_trouble{level="down",name="storage"} 1.0' in shown


@pytest.mark.parametrize(
    ("status", "after", "name"),
    [
        (401, 1, "credentials"),
        (403, 1, "credentials"),
        (503, 121, "errors"),
        (429, 601, "throttled"),
    ],
)
def test_a_failing_key_is_named_with_its_trouble(status: int, after: int, name: str) -> None:
    """What PagerDuty answers tells credentials, errors and throttling apart; a success ends the trouble."""
    rig = Rig()
    answering(rig, status)
    rig.post(payload("TRIGGER"))
    now = NOW
    while now <= NOW + after * SECOND:
        rig.bridge.run_due(now)
        now = max(now + SECOND, rig.bridge.next_due() or 0)
    report = verdict.judge(rig.store, rig.config, now)
    assert not report.works
    assert name in [trouble.name for trouble in report.troubles]
    assert report.troubles[0].since == NOW
    assert str(status) in report.troubles[0].words
    answering(rig, 202)
    now = rig.drain(now)
    assert troubles(rig, now) == []


@pytest.mark.parametrize(
    ("error", "name"),
    [("no route to host", "unreachable"), ("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed", "certificate")],
)
def test_no_answer_at_all_is_told_apart(error: str, name: str) -> None:
    """A host out of reach and a certificate that does not verify have remedies of their own."""
    rig = Rig()

    def fail(event: object) -> httpx.Response:
        raise httpx.ConnectError(error)

    rig.pagerduty.answer = fail
    rig.post(payload("TRIGGER"))
    now = NOW
    while now < NOW + 3 * MINUTE:
        rig.bridge.run_due(now)
        now = max(now + SECOND, rig.bridge.next_due() or 0)
    assert name in troubles(rig, now)


def test_a_short_failure_is_no_trouble_yet() -> None:
    """One 503 is what retries are for."""
    rig = Rig()
    answering(rig, 503)
    rig.post(payload("TRIGGER"))
    rig.bridge.run_due(NOW)
    assert troubles(rig, NOW + 5 * SECOND) == []


def test_events_for_a_key_that_is_gone_are_noticed() -> None:
    """A key removed from the configuration while its events wait would hold them for ever."""
    rig = Rig(config(BOTH, routing={"default": "own"}))
    answering(rig, 503)
    rig.post(payload("TRIGGER"))
    rig.bridge.run_due(NOW)
    rig.bridge.configure(config())
    report = verdict.judge(rig.store, rig.bridge.config, NOW)
    assert [(one.name, one.words) for one in report.troubles] == [("unconfigured", "1 events for own")]


def test_undecided_late_and_dead_are_noticed() -> None:
    """Whatever lies where it should not lie is named; only the undecided means that paging does not work."""
    rig = Rig(config(pagerduty={"events_per_minute": 1}))
    rig.post(payload("TRIGGER", "a"))
    rig.post(payload("TRIGGER", "b"))
    rig.bridge.run_due(NOW)
    assert troubles(rig, NOW + 6 * MINUTE) == ["late"]
    rig.post(payload("TRIGGER", "c"), NOW + 6 * MINUTE)
    assert troubles(rig, NOW + 8 * MINUTE) == ["undecided", "late"]
    rig = Rig()
    rig.post(b"x")
    answering(rig, 400)
    rig.post(payload("TRIGGER"))
    rig.bridge.run_due(NOW)
    report = verdict.judge(rig.store, rig.config, NOW)
    assert (report.works, report.wakes, [(one.name, one.words) for one in report.troubles]) == (
        True,
        True,
        [("dead-letters", "2 of them")],
    )
    assert desk.status_lines(report)[0] == "paging works, with something to see to"


def test_a_sender_with_a_wrong_secret_is_noticed() -> None:
    """Nothing else would tell that every page is refused; strangers who send nothing of ours are no trouble."""
    rig = Rig(config(receiver={"auth": "bearer", "secrets": [{"value": "right"}]}))
    assert rig.post(b"", NOW) == 401
    assert troubles(rig, NOW) == []
    assert rig.post(payload("TRIGGER"), NOW) == 401
    assert rig.post(payload("TRIGGER"), NOW + 5 * MINUTE, authorization="Bearer wrong") == 401
    report = verdict.judge(rig.store, rig.config, NOW + 6 * MINUTE)
    assert [(one.name, one.since, one.words) for one in report.troubles] == [
        ("refused", NOW, "the last one 60 s ago at /thousandeyes")
    ]
    assert (report.works, report.wakes) == (True, False)
    assert troubles(rig, NOW + 71 * MINUTE) == []


def test_refusals_are_noted_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    """A flood of wrong secrets costs one line and one write a minute, and a store that fails changes no answer."""
    rig = Rig(config(receiver={"auth": "bearer", "secrets": [{"value": "right"}]}))
    for second in range(90):
        assert rig.post(b"x", NOW + second * SECOND, authorization="Bearer wrong") == 401
    assert len(caplog.records) == 2
    assert rig.store.fact("refused") == (NOW + 60 * SECOND, "/thousandeyes")
    rig.store.close()
    rig.store.transaction = broken
    assert rig.post(b"x", NOW + 200 * SECOND, authorization="Bearer wrong") == 401


def broken() -> None:
    raise StoreError("disk I/O error")


def test_a_chore_that_fails_keeps_no_other_from_being_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bridge still pages about itself when asking ThousandEyes runs into a fault of ours."""

    def fail(bridge: Any, now: int) -> int:
        raise ValueError("a fault")

    broken_chore = Chore("reconcile", lambda bridge: 0, fail)
    monkeypatch.setattr(core, "CHORES", (broken_chore, *(one for one in chores.CHORES if one.name != "reconcile")))
    rig = watched()
    answering(rig, 401)
    rig.post(payload("TRIGGER"))
    for minute in range(8):
        with pytest.raises(ValueError, match="a fault"):
            rig.bridge.run_due(NOW + minute * MINUTE)
    assert ("trigger", "own") in {(row[0], row[1]) for row in rig.store.rows("SELECT action, key_name FROM outbox")}


def test_nobody_serving_comes_first() -> None:
    """The worst trouble leads."""
    rig = Rig()
    rig.post(b"x")
    rig.bridge.run_due(NOW)
    assert troubles(rig, NOW, served=False) == ["not-running", "dead-letters"]
    assert desk.status_lines(verdict.judge(rig.store, rig.config, NOW, served=False))[0].startswith("PAGING DOES NOT")


def watched(**more: Any) -> Rig:
    return Rig(config(BOTH, self_alert={"key": "own", "after_seconds": 300}, **more))


def test_the_bridge_pages_its_own_people_and_takes_it_back() -> None:
    """A key refused for five minutes pages through the other key, once; when it works again the page is resolved."""
    rig = watched()
    rig.pagerduty.answer = lambda event: httpx.Response(401 if event["routing_key"] == KEY else 202)
    rig.post(payload("TRIGGER"))
    now = NOW
    while now < NOW + 30 * MINUTE:
        rig.bridge.run_due(now)
        due = rig.bridge.next_due()
        now = max(now + SECOND, now if due is None else due)
    own = [event for event in rig.pagerduty.events if event["routing_key"] == SECOND_KEY]
    assert [event["event_action"] for event in own] == ["trigger"]
    assert "PagerDuty refuses an integration key" in own[0]["payload"]["summary"]
    assert KEY not in str(own)
    answering(rig, 202)
    rig.drain(now)
    own = [event for event in rig.pagerduty.events if event["routing_key"] == SECOND_KEY]
    assert [event["event_action"] for event in own] == ["trigger", "resolve"]
    assert own[0]["dedup_key"] == own[1]["dedup_key"]


def test_a_trouble_that_passes_wakes_nobody() -> None:
    """What is over before the configured time is not worth a night."""
    rig = watched()
    answering(rig, 401)
    rig.post(payload("TRIGGER"))
    rig.bridge.run_due(NOW)
    answering(rig, 202)
    rig.drain(NOW + 10 * SECOND)
    assert {event["routing_key"] for event in rig.pagerduty.events} == {KEY}


def test_a_dead_letter_pages_until_somebody_sees_to_it() -> None:
    """A lost page is itself worth a page."""
    rig = watched()
    rig.post(b"x")
    now = NOW
    for _ in range(200):
        rig.bridge.run_due(now)
        now += 10 * SECOND
    assert [event["event_action"] for event in rig.pagerduty.events] == ["trigger"]
    rig.store.change("UPDATE inbox SET outcome = 'dropped'")
    rig.drain(now)
    assert [event["event_action"] for event in rig.pagerduty.events] == ["trigger", "resolve"]


class BrokenStore(SqliteStore):
    """A store whose disk is full until :attr:`room` is made."""

    room = False

    def append(self, batch: Sequence[Raw]) -> None:
        if not self.room:
            raise StoreError("database or disk is full")
        super().append(batch)


def test_a_store_that_cannot_be_written_pages_past_itself() -> None:
    """Five minutes of refusing senders page through the other key although nothing can be stored; room resolves it."""
    store = BrokenStore(":memory:")
    rig = Rig(config(BOTH, self_alert={"key": "own", "after_seconds": 300}), store)
    now = NOW
    for _ in range(7):
        assert rig.post(payload("TRIGGER"), now) == 503
        rig.bridge.run_due(now)
        now += MINUTE
    assert [event["event_action"] for event in rig.pagerduty.events] == ["trigger"]
    assert rig.pagerduty.events[0]["routing_key"] == SECOND_KEY
    store.room = True
    assert rig.post(payload("TRIGGER"), now) == 200
    rig.drain(now)
    own = [event for event in rig.pagerduty.events if event["routing_key"] == SECOND_KEY]
    assert [event["event_action"] for event in own] == ["trigger", "resolve"]
    assert own[0]["dedup_key"] == own[1]["dedup_key"]


def test_a_page_past_the_store_is_tried_again() -> None:
    """Should PagerDuty be out of reach at the same time, it is asked every half minute, under one dedup key."""
    rig = Rig(config(BOTH, self_alert={"key": "own", "after_seconds": 0}), BrokenStore(":memory:"))
    answering(rig, 503)
    rig.post(payload("TRIGGER"))
    for second in range(0, 90, 10):
        rig.bridge.run_due(NOW + second * SECOND)
    assert len(rig.pagerduty.events) == 3
    assert len({event["dedup_key"] for event in rig.pagerduty.events}) == 1


def test_a_canary_is_opened_acknowledged_and_resolved_on_schedule() -> None:
    """Three events in order under one key of its own, every hour; nothing in between."""
    rig = Rig(config(BOTH, canary={"key": "own", "every_minutes": 60}))
    now = NOW
    for _ in range(40):
        rig.bridge.run_due(now)
        due = rig.bridge.next_due()
        assert due is not None
        now = max(now, due)
        if now > NOW + 61 * MINUTE:
            break
    first = [(action, key) for action, key in rig.pagerduty.actions if key == f"bridge:canary-{NOW}"]
    assert [action for action, _ in first] == ["trigger", "acknowledge", "resolve"]
    assert len(rig.pagerduty.events) == 6
    assert rig.pagerduty.events[0]["payload"]["severity"] == "info"
    assert {event["routing_key"] for event in rig.pagerduty.events} == {SECOND_KEY}
    assert troubles(rig, now) == []


def test_a_canary_that_does_not_come_through_is_a_trouble() -> None:
    """Five minutes are enough for three events."""
    rig = Rig(config(BOTH, canary={"key": "own"}))
    answering(rig, 503)
    rig.bridge.run_due(NOW)
    assert "canary" in troubles(rig, NOW + 6 * MINUTE)


def test_every_trouble_and_cause_has_its_line() -> None:
    """Names used in the code are in the runbook, and every entry says what to do."""
    code = "".join(path.read_text() for path in sorted((HOME / "bridge").glob("*.py")))
    for name in re.findall(r'Trouble\(\s*"([a-z-]+)"', code):
        assert name in runbook.TROUBLES
    for name in re.findall(r'cause="([a-z-]+)"', code) + re.findall(r'Unreadable\([^)]*, "([a-z-]+)"\)', code):
        assert name in runbook.CAUSES
    for entry in (*runbook.TROUBLES.values(), *runbook.CAUSES.values()):
        assert entry.meaning.endswith(".")
        assert entry.remedy.endswith((".", "held up."))
    assert {entry.level for entry in runbook.CAUSES.values()} == {Level.LOSS}
