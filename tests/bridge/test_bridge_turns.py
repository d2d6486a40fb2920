"""Taking turns on one connection."""

import threading

from bridge.turns import Turns


def test_who_waits_goes_before_who_has_just_had_it() -> None:
    """However greedily one thread comes back, another that waits is next, every time."""
    turns = Turns()
    greedy = [0]
    stop = threading.Event()

    def come_back_at_once() -> None:
        while not stop.is_set():
            with turns:
                greedy[0] += 1
                stop.wait(0.001)

    thread = threading.Thread(target=come_back_at_once)
    thread.start()
    waited = []
    for _ in range(50):
        before = greedy[0]
        with turns:
            waited.append(greedy[0] - before)
    stop.set()
    thread.join()
    # One that was under way when we came, and at most one that had just begun.
    assert max(waited) <= 2


def test_a_holder_may_take_it_again() -> None:
    """Nested use by one thread neither blocks nor gives it away early."""
    turns = Turns()
    order: list[str] = []

    def other() -> None:
        with turns:
            order.append("other")

    with turns:
        thread = threading.Thread(target=other)
        thread.start()
        with turns:
            order.append("inner")
        thread.join(0.01)
        order.append("outer")
    thread.join()
    assert order == ["inner", "outer", "other"]
