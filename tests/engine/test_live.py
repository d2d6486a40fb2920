"""The runner that drives a world in wall time, held still where threads could get in each other's way."""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import httpx
import pytest

from simulators.engine import instants
from simulators.engine.agenda import Timer
from simulators.engine.draft import Draft, Outcome, Outgoing
from simulators.engine.errors import ClockError
from simulators.engine.fence import Fence, is_loopback
from simulators.engine.live import Mode, Runner
from simulators.engine.transport import Site
from simulators.engine.world import World

MINUTE = instants.MINUTE
SOON = 20.0


class Sender:
    """A component that sends a request per ``ask`` timer and fails on a ``fail`` timer; every answer is noted."""

    name = "sender"
    tables = ()

    def on_timer(self, draft: Draft, timer: Timer) -> None:
        draft.record("ran", timer.key)
        if timer.kind == "ask":
            draft.send("sender", timer.key, Outgoing("POST", f"https://receiver.example.com/{timer.key}"))
        elif timer.kind == "fail":
            raise RuntimeError("a defect")

    def on_outcome(self, draft: Draft, tag: str, outcome: Outcome) -> None:
        draft.record("answered", tag)
        if tag == "chain":
            draft.schedule(draft.now, "sender", "ask", "link")


class Receiver:
    """Answers at once, unless told to hold a path until it is let go."""

    def __init__(self) -> None:
        self.during: dict[str, Callable[[], None]] = {}

    def __call__(self, environ: dict[str, str], start: Callable[..., object]) -> Iterable[bytes]:
        self.during.get(environ["PATH_INFO"].strip("/"), lambda: None)()
        start("200 OK", [])
        return [b""]


class Clock:
    """Wall seconds that stand until somebody moves them."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


class Live:
    """A world with a runner, a clock to be moved by hand and a receiver to be held."""

    def __init__(self, mode: Mode, rate: float = 1.0) -> None:
        self.world = World(seed=1, start=0, components=[Sender()])
        self.receiver = Receiver()
        self.world.serve("receiver.example.com", Site("receiver", self.receiver))
        self.clock = Clock()
        self.runner = Runner(self.world, mode, rate, clock=self.clock)

    def plan(self, kind: str, key: str, due: int = 0) -> None:
        self.world.transact(lambda draft: draft.schedule(due, "sender", kind, key))
        self.runner.nudge()

    def times(self, kind: str, subject: str) -> list[int]:
        return [entry.at for entry in self.world.journal if (entry.kind, entry.subject) == (kind, subject)]

    def happens(self, kind: str, subject: str) -> int:
        """Wait until it is in the journal; return when, in virtual time, it happened."""
        self.runner.wait(lambda: bool(self.times(kind, subject)), int(SOON * instants.SECOND))
        (at,) = self.times(kind, subject)
        return at

    @contextmanager
    def running(self) -> Iterator[None]:
        self.runner.start()
        try:
            yield
        finally:
            self.runner.stop()


class Hold:
    """Something that stops where it is until it is let go."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.released = threading.Event()

    def __call__(self) -> None:
        self.reached.set()
        assert self.released.wait(SOON)


def test_manual_time_stands_but_what_is_due_now_runs_at_once() -> None:
    """A due entry is run, a later one waits for somebody to move the clock."""
    live = Live(Mode.MANUAL)
    with live.running():
        live.plan("note", "later", MINUTE)
        live.plan("ask", "now")
        assert live.happens("answered", "now") == 0
        assert live.times("ran", "later") == []
        live.runner.run(lambda: live.world.advance("1m"))
        assert live.times("ran", "later") == [MINUTE]


def test_rate_follows_the_wall_clock_times_the_rate() -> None:
    """Two wall seconds at rate 30 are one minute, at which what is due runs at its own instant."""
    live = Live(Mode.RATE, rate=30)
    live.plan("note", "tick", MINUTE // 2)
    live.clock.seconds += 2
    live.runner.catch_up()
    assert live.world.now == MINUTE
    assert live.times("ran", "tick") == [MINUTE // 2]


def test_autojump_goes_from_entry_to_entry_and_waits_for_answers() -> None:
    """Time does not move while a request is under way, so its answer has the instant of the request."""
    live = Live(Mode.AUTOJUMP)
    hold = live.receiver.during["slow"] = Hold()
    live.plan("ask", "slow", MINUTE)
    live.plan("note", "later", 10 * MINUTE)
    with live.running():
        assert hold.reached.wait(SOON)
        assert live.world.now == MINUTE
        hold.released.set()
        assert live.happens("ran", "later") == 10 * MINUTE
        assert live.times("answered", "slow") == [MINUTE]


def test_an_answer_that_ends_just_before_a_jump_has_its_say_about_what_is_next() -> None:
    """The next entry is looked up after it is known that nothing is under way, not before."""
    live = Live(Mode.AUTOJUMP)
    live.receiver.during["chain"] = hold = Hold()
    live.plan("note", "far", 60 * MINUTE)
    live.plan("ask", "chain")
    look_up = live.world.next_due

    def meanwhile() -> int | None:
        due = look_up()
        if due == 60 * MINUTE and hold.reached.is_set() and not hold.released.is_set():
            hold.released.set()
            live.runner.wait(lambda: not live.runner._busy(), int(SOON * instants.SECOND))
        return due

    live.world.next_due = meanwhile  # type: ignore[method-assign]
    with live.running():
        assert live.happens("answered", "link") == 0


def test_a_restore_in_rate_mode_is_not_undone_by_the_time_that_had_passed() -> None:
    """A request that is answered while the restore settles must not catch up with the discarded time."""
    live = Live(Mode.RATE)
    live.plan("ask", "again")
    snapshot = live.world.snapshot()
    live.receiver.during["again"] = live.runner.catch_up
    with live.running():
        live.happens("answered", "again")
        live.clock.seconds += 3600
        live.runner.catch_up()
        assert live.world.now == 60 * MINUTE
        live.runner.run(lambda: live.world.restore(snapshot))
        assert live.world.now == 0
        assert live.times("answered", "again") == [0]


def test_moving_time_waits_for_requests_under_way() -> None:
    """An answer does not slip into the hour to which somebody advances meanwhile."""
    live = Live(Mode.MANUAL)
    hold = live.receiver.during["slow"] = Hold()
    with live.running():
        live.plan("ask", "slow")
        assert hold.reached.wait(SOON)
        mover = threading.Thread(target=live.runner.run, args=(lambda: live.world.advance("1h"),))
        mover.start()
        hold.released.set()
        mover.join(SOON)
        assert live.times("answered", "slow") == [0]
        assert live.world.now == 60 * MINUTE


def test_requests_on_the_way_keep_their_instants() -> None:
    """Advancing over several sends makes each at its own time, answer included."""
    live = Live(Mode.MANUAL)
    for minute in (1, 2, 3):
        live.plan("ask", str(minute), minute * MINUTE)
    with live.running():
        live.runner.run(lambda: live.world.advance("1h"))
    assert [live.times("answered", str(minute)) for minute in (1, 2, 3)] == [[MINUTE], [2 * MINUTE], [3 * MINUTE]]


def test_a_request_from_outside_never_waits_for_whoever_moves_time() -> None:
    """A receiver may call the simulators back before it answers, even while the clock is being advanced."""
    live = Live(Mode.RATE)
    seen: list[int] = []

    def call_back() -> None:
        caller = threading.Thread(target=lambda: (live.runner.catch_up(), seen.append(live.world.now)))
        caller.start()
        caller.join(SOON)

    live.receiver.during["back"] = call_back
    live.plan("ask", "back", MINUTE)
    with live.running():
        live.runner.run(lambda: live.world.advance("2m"))
    assert seen == [MINUTE]


def test_a_defect_is_written_down_and_the_world_goes_on() -> None:
    """An exception in a component ends neither the thread that moves time nor the one that asks."""
    live = Live(Mode.AUTOJUMP)
    live.plan("fail", "broken", MINUTE)
    live.plan("note", "later", 2 * MINUTE)
    with live.running():
        assert live.happens("ran", "later") == 2 * MINUTE
    (error,) = [entry for entry in live.world.journal if entry.kind == "error"]
    assert "a defect" in error.data["error"]


def test_a_defect_in_what_moves_time_reaches_whoever_asked() -> None:
    """The caller is told, and time can be moved again."""
    live = Live(Mode.MANUAL)
    with live.running():
        with pytest.raises(ClockError):
            live.runner.run(lambda: live.world.advance(-1))
        live.runner.run(lambda: live.world.advance("1m"))
    assert live.world.now == MINUTE


def test_stopping_leaves_a_receiver_that_never_answers_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests under way are given a moment, then the runner stops without them."""
    monkeypatch.setattr("simulators.engine.live.GRACE", 0.0)
    live = Live(Mode.MANUAL)
    hold = live.receiver.during["slow"] = Hold()
    with live.running():
        live.plan("ask", "slow")
        assert hold.reached.wait(SOON)
    assert live.times("answered", "slow") == []
    hold.released.set()


def test_stopping_does_not_wait_for_somebody_who_moves_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """What falls due after the stop is not sent any more."""
    monkeypatch.setattr("simulators.engine.live.GRACE", 0.0)
    live = Live(Mode.MANUAL)
    hold = live.receiver.during["first"] = Hold()
    live.plan("ask", "first", MINUTE)
    live.plan("ask", "second", 2 * MINUTE)
    mover = threading.Thread(target=live.runner.run, args=(lambda: live.world.advance("1h"),))
    with live.running():
        mover.start()
        assert hold.reached.wait(SOON)
    hold.released.set()
    mover.join(SOON)
    assert live.times("answered", "first") == [MINUTE]
    assert live.times("answered", "second") == []


def test_a_runner_that_was_never_started_can_be_stopped() -> None:
    """Stopping is safe after a start that failed half-way."""
    Live(Mode.MANUAL).runner.stop()


@pytest.mark.parametrize(
    ("mode", "rate"),
    [("sideways", None), ("rate", 0.5), ("rate", 3601), ("rate", "nan"), ("rate", "fast"), ("rate", [])],
)
def test_an_impossible_mode_or_rate_is_refused(mode: str, rate: object) -> None:
    """The clock stays as it was."""
    live = Live(Mode.MANUAL)
    with pytest.raises(ClockError):
        live.runner.set_mode(mode, rate)
    assert live.runner.state() == {"mode": "manual", "rate": 1.0}


def test_a_change_of_rate_counts_from_the_moment_of_the_change() -> None:
    """Time already passed is not counted again at the new rate."""
    live = Live(Mode.RATE, rate=1)
    live.clock.seconds += 60
    live.runner.set_mode("rate", 60)
    assert live.world.now == MINUTE
    live.clock.seconds += 1
    live.runner.catch_up()
    assert live.world.now == 2 * MINUTE


def test_what_another_thread_makes_due_at_the_last_moment_is_not_passed_over() -> None:
    """Advancing arrives only when nothing before its target is left, whoever put it there."""
    live = Live(Mode.MANUAL)
    look_up = live.world.next_due

    def meanwhile() -> int | None:
        due = look_up()
        if due is None and not live.times("ran", "late"):
            live.world.next_due = look_up  # type: ignore[method-assign]
            live.plan("note", "late", MINUTE)
        return due

    live.world.next_due = meanwhile  # type: ignore[method-assign]
    live.world.advance("1h")
    assert live.times("ran", "late") == [MINUTE]


def test_the_agenda_is_looked_at_by_one_thread_at_a_time() -> None:
    """Looking removes cancelled entries from the heap, so it must not meet somebody who adds one."""
    live = Live(Mode.MANUAL)
    looked = threading.Event()
    looker = threading.Thread(target=lambda: (live.world.next_due(), looked.set()))
    with live.world.lock:
        looker.start()
        assert not looked.wait(0.05)
    assert looked.wait(SOON)
    looker.join()


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "::1"])
def test_loopback_is_what_is_written_as_loopback(host: str) -> None:
    """These can only be this machine."""
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["", "example.com", "localhost.example.com", "127.0.0.1.example.com", "10.0.0.1", "0.0.0.0", "169.254.1.1"]
)
def test_anything_else_is_elsewhere(host: str) -> None:
    """No name is looked up to find out."""
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("url", "passes"),
    [
        ("https://hooks.example.com/x", False),
        ("https://user@hooks.example.com:8443/x", False),
        ("https://127.0.0.1@hooks.example.com/x", False),
        ("http://127.0.0.1:9/x", True),
        ("http://[::1]:9/x", True),
        ("https://HOOKS.example.org/x", True),
        ("https://sub.hooks.example.org/x", False),
    ],
)
def test_nothing_leaves_but_to_loopback_and_to_hosts_somebody_named(url: str, passes: bool) -> None:
    """Everything else fails as if it could not be reached, and the reason says how to allow it."""
    fence = Fence(lambda: httpx.MockTransport(lambda request: httpx.Response(204)), ["Hooks.example.org"])
    with httpx.Client(transport=fence) as client:
        if passes:
            assert client.post(url).status_code == 204
        else:
            with pytest.raises(httpx.ConnectError, match=r"nothing was sent to .*hooks\.example.*--allow-host"):
                client.post(url)
