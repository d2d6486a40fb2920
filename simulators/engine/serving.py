"""Listeners: each vendor host class served on a port of its own, plain or TLS, in one process.

cheroot serves the sites of a world; TLS uses a certificate of an authority made for the occasion. Servers bind to
loopback unless told otherwise. A connection is shaken hands with by the thread that serves it, never by the one that
accepts, so that a caller who connects and says nothing holds up nobody else.
"""

from __future__ import annotations

import functools
import logging
import os
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from cheroot.makefile import MakeFile
from cheroot.server import HTTPConnection
from cheroot.wsgi import Server

from simulators.engine.errors import EngineError
from simulators.engine.transport import Site
from simulators.engine.world import World

#: Requests answered at a time per listener; a page that waits for news holds one of them.
THREADS = 16
#: Connections the system holds while every thread is busy.
BACKLOG = 128
#: Wall seconds a connection is kept for its next request: longer than clients wait between two attempts, which lose
#: the request when the connection goes as they send it.
KEPT = 75
#: Wall seconds a caller has for the next bytes of a request.
PATIENCE = 10
#: How often, fifty times a second, a listener is asked whether it has stopped before it is left to itself.
LOOKS = 75
PLAIN_HTTP = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 41\r\nConnection: close\r\n\r\n"
    b"this port speaks TLS only: use https://\r\n"
)


class CannotListen(EngineError):
    """An address cannot be listened on; the message says which and why."""


class Driver(Protocol):
    """Whoever moves time in a served world: a live runner, or nobody (:class:`Still`)."""

    @property
    def world(self) -> World:
        """The world that is served."""

    def start(self) -> None:
        """Begin to drive it."""

    def stop(self) -> None:
        """Stop driving it."""

    def catch_up(self) -> None:
        """Do what is overdue; called before each request."""

    def nudge(self) -> None:
        """Look at the agenda again; called after each request."""


@dataclass(frozen=True, slots=True)
class Still:
    """Drives nothing: time moves when the owner of the world says so, in the owner's own thread."""

    world: World

    def start(self) -> None:
        """Nothing to begin."""

    def stop(self) -> None:
        """Nothing to stop."""

    def catch_up(self) -> None:
        """Nothing is overdue."""

    def nudge(self) -> None:
        """Nobody is waiting."""


@dataclass(frozen=True, slots=True)
class Listener:
    """A site on an address; port 0 takes any free one, ``certificate`` is a PEM file (key and chain) or ``None``.

    ``name`` is what it is called in :attr:`Servers.urls`, by default like its site.
    """

    site: Site
    host: str = "127.0.0.1"
    port: int = 0
    certificate: Path | None = None
    name: str = ""


class Servers:
    """Running listeners; ``urls`` maps a listener's name to its base URL.

    Raises :class:`CannotListen` when one of the addresses cannot be had; none is held then.
    """

    def __init__(self, driver: Driver, listeners: tuple[Listener, ...]) -> None:
        self.urls: dict[str, str] = {}
        self._driver = driver
        self._servers: list[_Server] = []
        for listener in listeners:
            try:
                server = _bind(driver, listener)
            except OSError as problem:
                for bound in self._servers:
                    bound.release()
                raise CannotListen(f"{_authority(listener.host, listener.port)}: {_reason(problem)}") from None
            scheme = "http" if listener.certificate is None else "https"
            url = f"{scheme}://{_authority(listener.host, server.bind_addr[1])}"
            self.urls[listener.name or listener.site.name] = url
            self._servers.append(server)
        # Each waits a while for its threads; all together they wait no longer.
        for thread in _start([server.prepare for server in self._servers]):
            thread.join()

    def start(self) -> None:
        """Begin to answer requests and to drive the world."""
        _start([server.serve for server in self._servers])
        self._driver.start()

    def stop(self) -> None:
        """Stop the world, then stop answering: whoever waits for news is told that there is none."""
        self._driver.stop()
        stopping = _start([server.stop for server in self._servers])
        for server, thread in zip(self._servers, stopping, strict=True):
            # A listener looks up from its sockets twice a second; a caller makes it look up at once.
            for _ in range(LOOKS):
                if not thread.is_alive():
                    break
                _touch(server.bind_addr)
                thread.join(0.02)


def _start(jobs: list[Callable[[], None]]) -> list[threading.Thread]:
    """Begin jobs at once, in threads that, like those they start themselves, do not keep the process alive."""
    threads = [threading.Thread(target=job, name="listener", daemon=True) for job in jobs]
    for thread in threads:
        thread.start()
    return threads


class _Server(Server):
    """A server on a socket that is bound already, writing what goes wrong to the journal of ``world``."""

    def __init__(self, bound: socket.socket, site: Site, driver: Driver) -> None:
        super().__init__(
            bound.getsockname()[:2],
            site.bind(driver.world, driver.catch_up, driver.nudge),
            numthreads=THREADS,
            request_queue_size=BACKLOG,
            timeout=KEPT,
            shutdown_timeout=1,
        )
        self.ConnectionClass = _Connection
        self._bound = bound
        self._site = site
        self._world = driver.world

    def bind(self, family: int, type: int, proto: int = 0) -> socket.socket:
        """Take the socket."""
        self.socket = self._bound
        return self._bound

    def release(self) -> None:
        """Give the socket back without ever having served."""
        self._bound.close()

    def error_log(self, msg: str = "", level: int = logging.INFO, traceback: bool = False) -> None:
        """Take note of errors; that a caller has gone away is none."""
        if level >= logging.ERROR:
            self._world.record("error", self._site.name, error=msg)


def _bind(driver: Driver, listener: Listener) -> _Server:
    family = socket.AF_INET6 if ":" in listener.host else socket.AF_INET
    bound = socket.create_server((listener.host, listener.port), family=family)
    bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # or every TLS answer waits for an acknowledgement
    server = _Server(bound, listener.site, driver)
    if listener.certificate is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(str(listener.certificate))
        server.ConnectionClass = functools.partial(_TlsConnection, context)
    return server


class _Connection(HTTPConnection):
    """A connection that may rest for longer than a request may take to arrive."""

    def __init__(self, server: Any, sock: socket.socket, makefile: Any = MakeFile) -> None:
        sock.settimeout(PATIENCE)
        super().__init__(server, sock, makefile)


class _TlsConnection(_Connection):
    """A connection that shakes hands when it is first served."""

    def __init__(self, context: ssl.SSLContext, server: Any, sock: socket.socket, makefile: Any = MakeFile) -> None:
        super().__init__(server, sock, makefile)
        self._context: ssl.SSLContext | None = context

    def communicate(self) -> bool:
        """Answer what was asked; return whether the connection is kept."""
        if self._context is not None and not self._shake(self._context):
            return False
        return bool(super().communicate())  # type: ignore[no-untyped-call]

    def close(self) -> None:
        """Close the connection; one that failed to shake hands is closed already."""
        with suppress(OSError):
            super().close()

    def _shake(self, context: ssl.SSLContext) -> bool:
        plain = self.socket
        self._context = None
        try:
            # The first byte of TLS is 22; a letter is the beginning of an HTTP method.
            if plain.recv(1, socket.MSG_PEEK).isalpha():
                plain.sendall(PLAIN_HTTP)
                return False
            self.socket = context.wrap_socket(plain, server_side=True)
        except OSError:
            return False
        self.rfile = MakeFile(self.socket, "rb", self.rbufsize)
        self.wfile = MakeFile(self.socket, "wb", self.wbufsize)
        self.ssl_env = {"wsgi.url_scheme": "https", "HTTPS": "on"}
        return True


def _authority(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _reason(problem: OSError) -> str:
    if problem.errno and problem.errno > 0:
        return os.strerror(problem.errno).lower()
    return str(problem.strerror or problem).partition(" (while ")[0].lower()


def _touch(address: tuple[str, int]) -> None:
    try:
        socket.create_connection(address[:2], timeout=0.1).close()
    except OSError:
        return
