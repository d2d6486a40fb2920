"""The server in front of the web application: waitress, with limits that hold and patience that ends.

Waitress alone of the servers measured stays responsive beside slow clients. What it leaves open is closed here: a
request that gives two lengths, a body that is endless in small chunks, and a request that trickles in for ever.
"""

from __future__ import annotations

import socket
from typing import Any

from waitress.channel import HTTPChannel  # type: ignore[import-untyped]
from waitress.parser import HTTPRequestParser, ParsingError  # type: ignore[import-untyped]
from waitress.server import create_server  # type: ignore[import-untyped]

from bridge.config import Receiver
from bridge.errors import ConfigError

MAX_HEADERS = 32_768


class _Parser(HTTPRequestParser):  # type: ignore[misc]
    """Refuses a request that gives two lengths: what is in front of us might believe the other one."""

    def parse_header(self, header_plus: bytes) -> None:
        """Read the head of a request; raise :class:`ParsingError` when it is none."""
        super().parse_header(header_plus)
        if self.chunked and "CONTENT_LENGTH" in self.headers:
            raise ParsingError("a length and chunks")


class _Channel(HTTPChannel):  # type: ignore[misc]
    """A connection on which a request may not take for ever to arrive, however lively it trickles."""

    parser_class = _Parser
    began = 0.0
    last_activity: float

    def received(self, data: bytes) -> bool:
        """Take bytes in; a request that is older than the idle time counts as idle, so that it is closed."""
        if self.request is None:
            self.began = self.last_activity
        done: bool = super().received(data)
        if self.request is not None and self.last_activity - self.began > self.adj.channel_timeout:
            self.last_activity = 0
        return done

    def writable(self) -> bool:
        """Say whether there is something to send that the thread that answers does not send itself.

        It does, unless the receiver is slow. Waitress's loop would ask again and again until that thread has done so,
        and would keep it from running by that: eight senders at once were served slower than one.
        """
        if self.requests and not self.will_close and self.total_outbufs_len < self.adj.outbuf_high_watermark:
            return False
        return bool(super().writable())


def listen(receiver: Receiver) -> socket.socket:
    """Return the socket to listen on; raise :class:`ConfigError` when the address cannot be had."""
    host, port = receiver.host, receiver.port
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=1024)
    except (OSError, OverflowError, UnicodeError) as error:
        raise ConfigError(f"receiver.listen: {host}:{port} cannot be listened on ({error})") from None


def framed(max_body: int) -> int:
    """Return what the server may take in for a body: the framing of chunks counts here, the application is exact."""
    return 2 * max_body + 65_536


def server_on(bound: socket.socket, application: Any, receiver: Receiver) -> Any:
    """Return waitress's server for ``application`` on a bound socket; its ``run`` serves until a signal raises."""
    server = create_server(
        application,
        map={},
        sockets=[bound],
        threads=receiver.threads,
        ident="bridge",
        max_request_body_size=framed(receiver.max_body),
        max_request_header_size=MAX_HEADERS,
        channel_timeout=receiver.idle,
        cleanup_interval=max(1, min(10, receiver.idle // 2)),
        connection_limit=receiver.connections,
        asyncore_use_poll=True,
        log_socket_errors=False,
        clear_untrusted_proxy_headers=True,
    )
    server.channel_class = _Channel
    return server
