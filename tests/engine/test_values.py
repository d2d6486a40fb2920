"""Instants, zones, ids, limits and resource fields: the small values everything stands on."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.engine import instants, limits, zones
from simulators.engine.agenda import Timer
from simulators.engine.draft import Draft, Outcome
from simulators.engine.errors import BadInstant, UnknownZone
from simulators.engine.resources import Field, Kind, Trouble, check, freeze, thaw, with_defaults
from simulators.engine.world import World


class Empty:
    name = "empty"
    tables = ()

    def on_timer(self, draft: Draft, timer: Timer) -> None: ...

    def on_outcome(self, draft: Draft, tag: object, outcome: Outcome) -> None: ...


@given(st.integers(0, 4_000_000_000).map(lambda seconds: seconds * instants.SECOND))
def test_an_instant_survives_being_written_and_read(instant: int) -> None:
    """ISO 8601 with Z, and with the offset of a zone, reads back as the same instant."""
    assert instants.parse(instants.iso(instant)) == instant
    assert instants.parse(instants.iso(instant, "America/New_York")) == instant


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("2026-01-02T03:04:05.000000+0000", "2026-01-02T03:04:05Z"),
        ("2026-01-02 03:04:05", "2026-01-02T03:04:05Z"),
        ("2026-01-02T05:04:05+02:00", "2026-01-02T03:04:05Z"),
        ("2026-01-02", "2026-01-02T00:00:00Z"),
    ],
)
def test_dates_are_read_in_every_accent(text: str, same: str) -> None:
    """Offsets with and without a colon, none at all, and dates alone."""
    assert instants.iso(instants.parse(text)) == same


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2026-13-01",
        "2026-01-02T25:00:00Z",
        "10",
        "2026-02-30",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-12:00",
        "\u0662026-01-02",
    ],
)
def test_what_is_no_date_is_refused(text: str) -> None:
    """One documented error for everything that cannot be read."""
    with pytest.raises(BadInstant):
        instants.parse(text)


@pytest.mark.parametrize(("text", "span"), [("90s", 90), ("1h30m", 5400), ("2d", 172_800), ("1.5h", 5400)])
def test_durations_are_written_as_people_write_them(text: str, span: int) -> None:
    """Units add up."""
    assert instants.duration(text) == span * instants.SECOND


@pytest.mark.parametrize("text", ["", "5", "h", "3 apples", "-5m"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """The message shows how to write one."""
    with pytest.raises(BadInstant, match="write for example 90s"):
        instants.duration(text)


def test_a_clock_time_is_on_the_present_day() -> None:
    """10:30 means half past ten UTC of the day of now."""
    now = instants.parse("2026-03-02T23:00:00Z")
    assert instants.iso(instants.at_clock("10:30", now)) == "2026-03-02T10:30:00Z"


@pytest.mark.parametrize("name", ["", "Nowhere/Town", "../etc/passwd", "Europe"])
def test_an_unknown_zone_is_refused(name: str) -> None:
    """Names that are no zone, or no name at all, raise the one documented error."""
    with pytest.raises(UnknownZone):
        zones.zone(name)


def test_ids_depend_on_nothing_but_their_arguments() -> None:
    """Another process with another hash seed and time zone draws the same ids."""
    code = (
        "from simulators.engine import ids, instants;"
        "print(ids.uuid(7, 'x', 1), ids.alphanumeric('P', 7)(7, 'y', 2), instants.iso(0, 'Europe/Berlin'))"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "TZ": zone, "PYTHONTZPATH": "", "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed, zone in (("1", "Asia/Tokyo"), ("2", "America/Lima"))
    }
    assert len(found) == 1


@given(st.lists(st.integers(0, 30), min_size=1, max_size=60), st.booleans())
def test_no_window_ever_passes_more_than_its_limit(gaps: list[int], sliding: bool) -> None:
    """Sliding: in any window at most the limit passes; fixed: at most the limit per batch."""
    here = World(seed=1, start=0, components=[Empty()])
    passed: list[int] = []
    for gap in gaps:
        here.advance(gap)
        verdict = here.transact(lambda draft: limits.spend(draft, "k", limit=3, window=60, sliding=sliding))
        assert verdict.remaining >= 0
        if verdict.allowed:
            passed.append(here.now)
    window = 60 if sliding else 1
    for start in passed:
        assert len([at for at in passed if start <= at < start + window]) <= (3 if sliding else 3 * window)


FIELDS = (
    Field("name", required=True, max_length=5),
    Field("size", Kind.INTEGER, minimum=1, maximum=9),
    Field("colour", choices=("red", "blue"), default="red"),
    Field("parts", Kind.ARRAY, fields=(Field("id", required=True),)),
    Field("made", read_only=True),
)


@pytest.mark.parametrize(
    ("body", "path", "trouble"),
    [
        ({}, "name", Trouble.MISSING),
        ({"name": None}, "name", Trouble.BLANK),
        ({"name": ""}, "name", Trouble.BLANK),
        ({"name": 3}, "name", Trouble.TYPE),
        ({"name": "toolong"}, "name", Trouble.TOO_LONG),
        ({"name": "a", "size": True}, "size", Trouble.TYPE),
        ({"name": "a", "size": 0}, "size", Trouble.TOO_SMALL),
        ({"name": "a", "size": 10}, "size", Trouble.TOO_LARGE),
        ({"name": "a", "colour": "green"}, "colour", Trouble.NOT_ALLOWED),
        ({"name": "a", "parts": [{}]}, "parts[0].id", Trouble.MISSING),
        ({"name": "a", "parts": [3]}, "parts[0]", Trouble.TYPE),
    ],
)
def test_a_wrong_field_is_named_with_what_is_wrong(body: dict[str, object], path: str, trouble: Trouble) -> None:
    """One problem per mistake, with the dotted path to it."""
    assert [(problem.path, problem.trouble) for problem in check(FIELDS, body)] == [(path, trouble)]


def test_read_only_fields_are_ignored_and_defaults_filled_in() -> None:
    """A create may carry what the server owns; what was left out gets its default."""
    assert check(FIELDS, {"name": "a", "made": 3}) == []
    assert check(FIELDS, {"size": 3}, partial=True) == []
    assert with_defaults(FIELDS, {"name": "a"}) == {"colour": "red", "name": "a"}


def test_frozen_json_cannot_be_changed_and_thaws_to_a_copy() -> None:
    """Frozen all the way down; a thawed copy is free."""
    frozen = freeze({"a": [{"b": 1}]})
    with pytest.raises(TypeError):
        frozen["a"][0]["b"] = 2
    copy = thaw(frozen)
    copy["a"][0]["b"] = 2
    assert frozen == {"a": ({"b": 1},)}
