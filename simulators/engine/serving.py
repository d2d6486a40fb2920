"""Listeners: each vendor host class served on a port of its own, plain or TLS, in one process.

cheroot serves the sites of a world; TLS uses a certificate of an authority made for the occasion. Servers bind to
loopback unless told otherwise.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cheroot.ssl.builtin import BuiltinSSLAdapter
from cheroot.wsgi import Server

from simulators.engine.live import Runner
from simulators.engine.transport import Site

THREADS = 8


@dataclass(frozen=True, slots=True)
class Listener:
    """A site on an address; port 0 takes any free one, ``certificate`` is a PEM file (key and chain) or ``None``."""

    site: Site
    host: str = "127.0.0.1"
    port: int = 0
    certificate: Path | None = None


class Servers:
    """Running listeners; ``urls`` maps a site's name to its base URL."""

    def __init__(self, runner: Runner, listeners: tuple[Listener, ...]) -> None:
        self.urls: dict[str, str] = {}
        self._runner = runner
        self._servers: list[Any] = []
        self._threads: list[threading.Thread] = []
        for listener in listeners:
            application = listener.site.bind(runner.world, runner.catch_up, runner.nudge)
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
        self._runner.start()

    def stop(self) -> None:
        """Stop answering, then stop the world."""
        for server in self._servers:
            server.stop()
        for thread in self._threads:
            thread.join()
        self._runner.stop()
