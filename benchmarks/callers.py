"""Many callers of one HTTP server, in one thread: closed loop, or at a rate that does not wait for the answers.

A closed loop sends the next request when the last one is answered, so a slow server is asked less. An open loop sends
by the clock and counts each request's time from the moment it was due, whether or not a connection was free: that is
what senders who know nothing of each other see. Only as much of HTTP is understood as servers under test speak.
"""

from __future__ import annotations

import selectors
import socket
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

PATIENCE = 30.0


@dataclass
class Answers:
    """What came back: how long each request took in seconds, what was accepted (by number), how long it all took."""

    spans: list[float] = field(default_factory=list)
    accepted: list[int] = field(default_factory=list)
    refused: int = 0
    elapsed: float = 0.0
    broken: bool = False

    @property
    def rate(self) -> float:
        """How many requests a second were accepted."""
        return len(self.accepted) / self.elapsed


@dataclass
class _Sent:
    """A request under way: its number, when it counts from, and what has come back of its answer."""

    number: int
    since: float
    received: bytes = b""


def post(path: str, body: bytes) -> bytes:
    """Return a request as it goes over the wire."""
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


def drive(
    port: int,
    request: Callable[[int], bytes],
    *,
    connections: int,
    count: int | None = None,
    seconds: float | None = None,
    rate: float = 0,
) -> Answers:
    """Send requests until ``count`` were sent or ``seconds`` have passed; ``rate`` a second makes it an open loop.

    When the server goes away what was answered until then is returned, marked ``broken``.
    """
    answers, number = Answers(), 0
    selector = selectors.DefaultSelector()
    free: deque[socket.socket] = deque()
    for _ in range(connections):
        connection = socket.create_connection(("127.0.0.1", port), PATIENCE)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        free.append(connection)
    under_way: dict[socket.socket, _Sent] = {}
    begun = time.perf_counter()
    try:
        while True:
            now = time.perf_counter() - begun
            more = (count is None or number < count) and (seconds is None or now < seconds)
            while free and more and number <= now * (rate or 1e9):
                connection = free.popleft()
                connection.sendall(request(number))
                selector.register(connection, selectors.EVENT_READ)
                under_way[connection] = _Sent(number, number / rate if rate else now)
                number += 1
                more = count is None or number < count
            if not under_way and not more:
                break
            wait = PATIENCE if not (rate and free and more) else max(0.0, number / rate - (time.perf_counter() - begun))
            for key, _ in selector.select(wait):
                connection = key.fileobj  # type: ignore[assignment]
                sent = under_way[connection]
                sent.received += (data := connection.recv(65_536))
                if not data:
                    raise ConnectionResetError
                status = _status(sent.received)
                if status is not None:
                    del under_way[connection]
                    selector.unregister(connection)
                    free.append(connection)
                    answers.spans.append(time.perf_counter() - begun - sent.since)
                    if status < 300:
                        answers.accepted.append(sent.number)
                    else:
                        answers.refused += 1
    except ConnectionError:
        answers.broken = True
    finally:
        answers.elapsed = time.perf_counter() - begun
        for connection in (*free, *under_way):
            connection.close()
        selector.close()
    return answers


def _status(received: bytes) -> int | None:
    """Return the status of a complete answer, ``None`` while more of it must come."""
    head, ended, body = received.partition(b"\r\n\r\n")
    if not ended:
        return None
    length = 0
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return int(head[9:12]) if len(body) >= length else None
