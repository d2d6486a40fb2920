"""Listeners: each vendor host class served on a port of its own, plain or TLS, in one process.

cheroot serves the sites of a world; TLS uses a certificate of an authority made for the occasion. Servers bind to
loopback unless told otherwise.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from cheroot.ssl.builtin import BuiltinSSLAdapter
from cheroot.wsgi import Server

from simulators.engine.transport import Site
from simulators.engine.world import World

THREADS = 8


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
    """A site on an address; port 0 takes any free one, ``certificate`` is a PEM file (key and chain) or ``None``."""

    site: Site
    host: str = "127.0.0.1"
    port: int = 0
    certificate: Path | None = None


class Servers:
    """Running listeners; ``urls`` maps a site's name to its base URL."""

    def __init__(self, driver: Driver, listeners: tuple[Listener, ...]) -> None:
        self.urls: dict[str, str] = {}
        self._driver = driver
        self._servers: list[Any] = []
        self._threads: list[threading.Thread] = []
        for listener in listeners:
            application = listener.site.bind(driver.world, driver.catch_up, driver.nudge)
            server = Server((listener.host, listener.port), application, numthreads=THREADS, shutdown_timeout=1)
            if listener.certificate is not None:
                certificate = str(listener.certificate)
                server.ssl_adapter = BuiltinSSLAdapter(certificate, certificate)
            server.prepare()
            port = server.bind_addr[1]
            scheme = "http" if listener.certificate is None else "https"
            self.urls[listener.site.name] = f"{scheme}://{listener.host}:{port}"
            self._servers.append(server)

    def start(self) -> None:
        """Begin to answer requests and to drive the world."""
        for server in self._servers:
            thread = threading.Thread(target=server.serve, name="listener", daemon=True)
            thread.start()
            self._threads.append(thread)
        self._driver.start()

    def stop(self) -> None:
        """Stop answering, then stop the world."""
        for server in self._servers:
            server.stop()
        for thread in self._threads:
            thread.join()
        self._driver.stop()
