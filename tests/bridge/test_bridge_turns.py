"""Taking turns on one connection."""

import threading

from bridge.turns import Turns


def test_who_waits_goes_before_who_has_just_had_it() -> None:
    """A thread that takes the lock again at once finds the one that was waiting ahead of it, every time."""
    turns = Turns()
    for _ in range(50):
        order: list[str] = []

        def wait_for_it(order: list[str] = order) -> None:
            with turns:
                order.append("waiting")

        thread = threading.Thread(target=wait_for_it)
        with turns:
            thread.start()
            while not turns._next.locked():
                thread.join(0.0001)
        with turns:
            order.append("greedy")
        thread.join()
        assert order == ["waiting", "greedy"]


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
