"""What is changed about the server in front of the web application."""

from types import SimpleNamespace

import pytest

from bridge.listening import _Channel


@pytest.mark.parametrize(
    ("answering", "waiting", "closing", "asked"),
    [
        (True, 100, False, False),
        (False, 100, False, True),
        (True, 20_000_000, False, True),
        (True, 0, True, True),
        (False, 0, False, False),
    ],
)
def test_the_loop_leaves_sending_to_the_thread_that_answers(
    answering: bool, waiting: int, closing: bool, asked: bool
) -> None:
    """It sends what is left when that thread has gone, what is too much for it, and the end of a connection."""
    channel = _Channel.__new__(_Channel)
    channel.requests = [object()] if answering else []
    channel.total_outbufs_len = waiting
    channel.will_close, channel.close_when_flushed = closing, False
    channel.adj = SimpleNamespace(outbuf_high_watermark=16_777_216)
    assert channel.writable() is asked
