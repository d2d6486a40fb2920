"""Worlds: time, agenda, drafts, undo, restore, fork, and requests outside the lock."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import httpx
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from simulators.engine import faults, ids, instants
from simulators.engine.agenda import Timer
from simulators.engine.draft import Draft, Outcome, Outgoing
from simulators.engine.errors import ClockError, NotReached, StaleSnapshot
from simulators.engine.faults import Fault, FaultKind
from simulators.engine.tables import MissingRow, TableKey
from simulators.engine.transport import WORLD, Site
from simulators.engine.world import Snapshot, World


@dataclass(frozen=True, slots=True)
class Thing:
    id: str
    colour: str
    size: int = 0


THINGS: TableKey[Thing] = TableKey(
    "things", {"colour": lambda row: row.colour, "big": lambda row: row.size if row.size > 5 else None}
)


class Shop:
    """A component that makes a thing per timer and notes what came of its requests."""

    name = "shop"
    tables = (THINGS,)

    def on_timer(self, draft: Draft, timer: Timer) -> None:
        draft.put(THINGS, Thing(draft.fresh(ids.alphanumeric("P", 7), "thing"), "red"))
        draft.record("made", timer.key)

    def on_outcome(self, draft: Draft, tag: object, outcome: Outcome) -> None:
        draft.record("answered", str(tag), status=outcome.status, error=outcome.error, body=outcome.body.decode())


def world(**settings: object) -> World:
    return World(seed=1, start=0, components=[Shop()], **settings)  # type: ignore[arg-type]


def image(here: World) -> str:
    """Return everything a restore must bring back."""
    rows = {name: [repr(row) for row in table] for name, table in here.tables().items()}
    timers = [repr(timer) for timer in here.agenda.timers()]
    return json.dumps([rows, here.counters.counts, timers, here.journal.lines(), here.now])


def kinds(here: World) -> list[str]:
    return [entry.kind for entry in here.journal]


def test_due_entries_run_in_order_and_time_stands_where_it_was_sent() -> None:
    """Advance runs everything due, the earlier first, the first made first among equals."""
    here = world()
    for key, due in (("b", 20), ("a", 10), ("c", 20)):
        here.transact(lambda draft, key=key, due=due: draft.schedule(due, "shop", "tick", key))
    here.advance(30)
    assert [entry.subject for entry in here.journal if entry.kind == "made"] == ["a", "b", "c"]
    assert here.now == 30


def test_time_never_goes_back() -> None:
    """Going back is refused, by span and by instant."""
    here = world()
    here.advance(10)
    with pytest.raises(ClockError):
        here.advance(-1)
    with pytest.raises(ClockError):
        here.run_until(5)


def test_time_has_an_end() -> None:
    """Nobody gets beyond the years a date can name, by span or by instant; the world stays as it was."""
    here = world()
    for move in (lambda: here.advance("99999999999d"), lambda: here.run_until(instants.LATEST + 1)):
        with pytest.raises(ClockError):
            move()
    assert here.now == 0


def test_a_predicate_that_stays_false_is_reported() -> None:
    """run_until gives up after the time allowed."""
    with pytest.raises(NotReached):
        world().run_until(lambda: False, within="1h")


def test_scheduling_the_same_key_again_replaces_the_entry() -> None:
    """(owner, kind, key) is unique on the agenda."""
    here = world()
    here.transact(lambda draft: draft.schedule(10, "shop", "tick", "a"))
    here.transact(lambda draft: draft.schedule(50, "shop", "tick", "a"))
    here.advance(20)
    assert "made" not in kinds(here)
    here.transact(lambda draft: draft.cancel("shop", "tick", "a"))
    here.advance(100)
    assert "made" not in kinds(here)


def test_a_verb_that_raises_changes_nothing() -> None:
    """Neither rows nor effects of a failed decision are applied."""
    here = world()
    before = image(here)

    def verb(draft: Draft) -> None:
        draft.put(THINGS, Thing("1", "red"))
        draft.record("made", "1")
        draft.need(THINGS, "2")

    with pytest.raises(MissingRow, match="things has no row '2'"):
        here.transact(verb)
    assert image(here) == before


def test_a_timer_is_caused_by_what_scheduled_it() -> None:
    """Causes lead from an effect through its timer to the entry under which it was scheduled."""
    here = world()
    seq = here.record("start", "x")
    with here.caused_by(seq):
        here.transact(lambda draft: draft.schedule(10, "shop", "tick", "a"))
    here.advance(10)
    made = next(entry for entry in here.journal if entry.kind == "made")
    assert [entry.kind for entry in here.journal.causes(made)] == ["timer", "start"]


def test_a_restored_snapshot_makes_later_ones_stale() -> None:
    """A snapshot of a discarded branch is refused; the journal opens a new branch."""
    here = world()
    first = here.snapshot()
    here.advance(10)
    second = here.snapshot()
    here.restore(first)
    assert here.journal.branch == 1
    with pytest.raises(StaleSnapshot):
        here.restore(second)


def test_a_bounded_journal_drops_the_oldest_and_keeps_counting() -> None:
    """Sequence numbers go on; a cursor before the oldest entry starts at the oldest."""
    here = world(journal_bound=10)
    for number in range(50):
        here.record("note", str(number))
    assert len(here.journal) <= 20
    assert here.journal.last == 50
    assert [entry.seq for entry in here.journal.since(48)] == [49, 50]
    assert here.journal.get(1) is None


class Echo:
    """Answers every request with its body, and calls back into the world before it does."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, environ: dict[str, object], start: Callable[..., object]) -> Iterable[bytes]:
        self.calls += 1
        here: World = environ[WORLD]  # type: ignore[assignment]
        here.transact(lambda draft: draft.put(THINGS, Thing(f"call-{self.calls}", "blue")))
        start("200 OK", [("Content-Type", "text/plain")])
        return [environ["wsgi.input"].read()]  # type: ignore[attr-defined]


def calling(*, times: int = 1, fault: Fault | None = None, patient: bool = True) -> tuple[World, Echo]:
    here = world()
    echo = Echo()
    here.serve("echo.example.com", Site("echo", echo))
    if fault is not None:
        here.transact(lambda draft: faults.add(draft, fault))
    for number in range(times):
        body = f"n{number}".encode()
        request = Outgoing("POST", "https://echo.example.com/a", (("X-A", "b"),), body, patient=patient)
        here.transact(lambda draft, number=number, request=request: draft.send("shop", number, request))
    return here, echo


def answers(here: World) -> list[tuple[object, object]]:
    return [(entry.data["status"], entry.data["body"]) for entry in here.journal if entry.kind == "answered"]


def test_a_receiver_may_call_back_before_it_answers() -> None:
    """Requests run outside any decision, so a receiver's own verb is applied before the outcome arrives."""
    here, _ = calling()
    here.advance(0)
    assert answers(here) == [(200, "n0")]
    assert here.view.get(THINGS, "call-1") is not None
    assert kinds(here) == ["send", "request", "response", "outcome", "answered"]


@pytest.mark.parametrize(
    ("kind", "calls", "outcome"),
    [
        (FaultKind.REFUSE, 0, "ConnectError"),
        (FaultKind.TIMEOUT, 0, "timeout"),
        (FaultKind.LOSE_ANSWER, 1, "timeout"),
        (FaultKind.STATUS, 0, 503),
        (FaultKind.DUPLICATE, 2, 200),
    ],
)
def test_a_fault_shows_as_what_it_is(kind: FaultKind, calls: int, outcome: int | str) -> None:
    """Each kind of fault decides whether the request arrives and what the caller sees."""
    here, echo = calling(fault=Fault("", kind, status=503))
    here.advance(0)
    (answered,) = [entry for entry in here.journal if entry.kind == "answered"]
    assert echo.calls == calls
    if isinstance(outcome, int):
        assert answered.data["status"] == outcome
    else:
        assert str(answered.data["error"]).startswith(outcome)


def test_a_delayed_request_arrives_later() -> None:
    """A delay moves the request to a later instant, once."""
    here, _ = calling(fault=Fault("", FaultKind.DELAY, delay=instants.MINUTE))
    here.advance("59s")
    assert answers(here) == []
    here.advance("1s")
    assert answers(here) == [(200, "n0")]


def test_a_sender_who_is_not_patient_gives_up_on_a_request_held_up() -> None:
    """It hears of a time-out when its time is over; the request arrives all the same, and nobody hears of that."""
    here, echo = calling(fault=Fault("", FaultKind.DELAY, delay=instants.MINUTE), patient=False)
    here.advance("10s")
    assert [(status, echo.calls) for status, _ in answers(here)] == [(None, 0)]
    here.advance("50s")
    assert (len(answers(here)), echo.calls) == (1, 1)


def test_skip_and_times_choose_which_requests_are_hit() -> None:
    """The first ``skip`` requests pass, then ``times`` are hit."""
    here, _ = calling(times=5, fault=Fault("", FaultKind.STATUS, status=500, skip=1, times=2))
    here.advance(0)
    assert [status for status, _ in answers(here)] == [200, 500, 500, 200, 200]


def test_an_unknown_host_is_an_outcome_not_an_accident() -> None:
    """Nobody serves the host: the caller is told in words."""
    here = world()
    here.transact(lambda draft: draft.send("shop", "t", Outgoing("GET", "https://nowhere.example/")))
    here.advance(0)
    (answered,) = [entry for entry in here.journal if entry.kind == "answered"]
    assert "nobody serves nowhere.example" in str(answered.data["error"])


@pytest.mark.parametrize("faulty", [False, True])
@pytest.mark.parametrize(
    ("url", "header"),
    [
        ("http://127.0.0.1:port/", "b"),
        ("http://[::1/", "b"),
        ("http://127.0.0.1:99999/", "b"),
        ("nonsense", "b"),
        ("https://echo.example.com/", "\N{SNOWMAN}"),
    ],
)
def test_a_request_that_cannot_be_made_is_an_outcome_too(url: str, header: str, faulty: bool) -> None:
    """An address or header that cannot be written ends as a failed request, and time goes on."""
    with httpx.HTTPTransport() as network:
        here = world(network=network)
        here.serve("echo.example.com", Site("echo", Echo()))
        if faulty:
            here.transact(lambda draft: faults.add(draft, Fault("", FaultKind.DELAY, host="other.example.com")))
        here.transact(lambda draft: draft.send("shop", "t", Outgoing("POST", url, (("X-A", header),))))
        here.advance("1m")
    (answered,) = [entry for entry in here.journal if entry.kind == "answered"]
    assert answered.data["status"] is None
    assert answered.data["error"]


class Undoing(RuleBasedStateMachine):
    """Whatever happens, a restore brings back the same bytes and a fork goes its own way."""

    def __init__(self) -> None:
        super().__init__()
        self.world = world()
        self.world.serve("echo.example.com", Site("echo", Echo()))
        self.model: dict[str, Thing] = {}
        self.kept: list[tuple[Snapshot, str, dict[str, Thing]]] = []

    @rule(key=st.sampled_from("abcdef"), colour=st.sampled_from(["red", "blue"]), size=st.integers(0, 9))
    def put(self, key: str, colour: str, size: int) -> None:
        self.model[key] = Thing(key, colour, size)
        self.world.transact(lambda draft: draft.put(THINGS, Thing(key, colour, size)))

    @rule(key=st.sampled_from("abcdef"))
    def delete(self, key: str) -> None:
        self.model.pop(key, None)
        self.world.transact(lambda draft: draft.delete(THINGS, key))

    @rule(span=st.integers(0, 50), key=st.sampled_from("xyz"))
    def schedule(self, span: int, key: str) -> None:
        self.world.transact(lambda draft: draft.schedule(draft.now + span, "shop", "tick", key))

    @rule()
    def send(self) -> None:
        request = Outgoing("POST", "https://echo.example.com/")
        self.world.transact(lambda draft: draft.send("shop", "s", request))

    @rule(span=st.integers(0, 60))
    def advance(self, span: int) -> None:
        self.world.advance(span)
        self.model |= {row.id: row for row in self.world.view.all(THINGS)}

    @rule()
    def snapshot(self) -> None:
        self.kept.append((self.world.snapshot(), image(self.world), dict(self.model)))

    @rule(data=st.data())
    def restore(self, data: st.DataObject) -> None:
        if self.kept:
            place = data.draw(st.integers(0, len(self.kept) - 1))
            del self.kept[place + 1 :]
            snapshot, before, model = self.kept[place]
            self.world.restore(snapshot)
            self.model = dict(model)
            assert image(self.world) == before

    @rule(span=st.integers(0, 60))
    def fork(self, span: int) -> None:
        before = image(self.world)
        twin = self.world.fork()
        assert image(twin) == before
        twin.advance(span)
        assert image(self.world) == before

    @invariant()
    def indexes_agree_with_the_rows(self) -> None:
        def check(draft: Draft) -> None:
            for view in (self.world.view, draft):
                rows = list(view.all(THINGS))
                assert {row.id: row for row in rows} == self.model
                assert view.count(THINGS) == len(rows)
                for colour in ("red", "blue"):
                    assert view.find(THINGS, "colour", colour) == [row for row in rows if row.colour == colour]
                for size in range(10):
                    wanted = [row for row in rows if row.size == size] if size > 5 else []
                    assert view.find(THINGS, "big", size) == wanted

        self.world.transact(check)

    @rule(changes=st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from(["red", "blue", None])), max_size=6))
    def read_a_draft(self, changes: list[tuple[str, str | None]]) -> None:
        """A draft reads its own writes and leaves the world alone when it fails."""
        rows = dict(self.model)

        def verb(draft: Draft) -> None:
            for key, colour in changes:
                if colour is None:
                    rows.pop(key, None)
                    draft.delete(THINGS, key)
                else:
                    rows[key] = Thing(key, colour)
                    draft.put(THINGS, Thing(key, colour))
            assert {row.id: row for row in draft.all(THINGS)} == rows
            assert draft.count(THINGS) == len(rows)
            for colour in ("red", "blue"):
                assert {row.id for row in draft.find(THINGS, "colour", colour)} == {
                    row.id for row in rows.values() if row.colour == colour
                }
            raise LookupError

        before = image(self.world)
        with pytest.raises(LookupError):
            self.world.transact(verb)
        assert image(self.world) == before


TestUndoing = Undoing.TestCase
