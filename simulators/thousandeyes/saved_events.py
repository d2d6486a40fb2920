"""Verbs for what runs at once and for what is kept: instant tests, extra rounds, private snapshots.

All of it stands among the tests and has results, none of it is looked at by alert rules. An instant test has no
interval, only the rounds somebody asked for; any test can be given such a round besides its own. A snapshot keeps a
range of another test's rounds, outlives that test, and goes away by itself after thirty days.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from simulators.engine import ids, limits
from simulators.engine.agenda import Timer
from simulators.engine.draft import Draft, View
from simulators.engine.instants import DAY, HOUR, MINUTE, SECOND
from simulators.engine.resources import freeze
from simulators.thousandeyes import commands
from simulators.thousandeyes.model import OWNER, TEST_ID, TEST_VERSIONS, TESTS, Knobs, Test, TestVersion

SNAPSHOT_EXPIRES = "snapshot-expires"
SNAPSHOT_LIFE = 30 * DAY
#: Lengths a snapshot may have, and how many an organization may take in how long.
SNAPSHOT_SPANS = tuple(hours * HOUR for hours in (1, 2, 4, 6, 12, 24, 48))
SNAPSHOTS, SNAPSHOT_WINDOW = 5, 5 * MINUTE


def create_instant(
    draft: Draft, kind: str, *, name: str, agents: tuple[str, ...], body: Mapping[str, Any], aid: str, created_by: str
) -> Test:
    """Make an instant test and run it once, from this second on."""
    test = Test(
        id=draft.fresh(TEST_ID, "te.test"),
        aid=aid,
        type=kind,
        name=name,
        interval=0,
        agents=agents,
        rules=(),
        created=draft.now,
        created_by=created_by,
        alerts_enabled=False,
        body=freeze({**body, "bgpMeasurements": False}),
        runs=(_this_second(draft),),
    )
    draft.put(TESTS, test)
    draft.put(TEST_VERSIONS, TestVersion(draft.fresh(ids.UUID4, "te.test.version"), test.id, test.runs[0], created_by,
                                         test))  # fmt: skip
    draft.record("test.created", test.id, test=test.name, instant=True)
    return test


def run(draft: Draft, test: Test) -> Test:
    """Let a test run once more, at once."""
    runs = tuple(dict.fromkeys((*test.runs, _this_second(draft))))
    changed = replace(test, runs=runs)
    draft.put(TESTS, changed)
    draft.record("test.run", test.id, test=test.name)
    return changed


def finished_runs(view: View, test: Test) -> tuple[int, ...]:
    """Return the starts of the extra rounds whose results are there."""
    ready = view.now - view.knobs(Knobs).instant_test_seconds * SECOND
    return tuple(run for run in test.runs if run <= ready)


def take_snapshot(draft: Draft, test: Test, *, name: str, since: int, until: int, created_by: str) -> Test:
    """Keep the rounds of a test that start in [``since``, ``until``) as a private snapshot."""
    snapshot = replace(
        test,
        id=draft.fresh(TEST_ID, "te.test"),
        name=name,
        rules=(),
        alerts_enabled=False,
        created=draft.now,
        created_by=created_by,
        modified=None,
        modified_by="",
        source=test.source or test.id,
        kept=(since, until),
    )
    draft.put(TESTS, snapshot)
    draft.schedule(draft.now + SNAPSHOT_LIFE, OWNER, SNAPSHOT_EXPIRES, snapshot.id)
    draft.record("snapshot.taken", snapshot.id, test=test.name, name=name)
    return snapshot


def count_snapshot(draft: Draft, org_id: str) -> limits.Verdict:
    """Count one snapshot of an organization; the verdict says whether it may still take it."""
    return limits.spend(draft, f"thousandeyes.snapshots.{org_id}", limit=SNAPSHOTS, window=SNAPSHOT_WINDOW)


def share_id(view: View, snapshot: Test) -> str:
    """Return the id a snapshot is shared under."""
    return ids.digest(view.seed, "te.snapshot", snapshot.id, size=4).hex()[:5]


def on_expiry(draft: Draft, timer: Timer) -> None:
    """Handle the end of a snapshot's life."""
    if draft.get(TESTS, timer.key) is not None:
        commands.delete_test(draft, timer.key)


def _this_second(draft: Draft) -> int:
    return draft.now // SECOND * SECOND
