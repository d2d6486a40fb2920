"""The fence around a served world: its requests reach this machine and the hosts somebody named, nothing else.

A rehearsal sends pages, and pages must never leave by accident: a rule copied from a real account still names the real
receiver. Whatever no simulator answers in process comes by here. An address counts as this machine only when it is
written as one (``localhost`` or a loopback address), so that no name is ever looked up to find out.
"""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Callable, Collection

import httpx


def is_loopback(host: str) -> bool:
    """Return whether ``host``, as written in a URL, can only be this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


class Fence(httpx.BaseTransport):
    """Passes requests on to the network if they go to this machine or to one of the ``allowed`` hosts.

    ``network`` makes the transport when it is first needed, since most worlds send nothing.
    """

    def __init__(self, network: Callable[[], httpx.BaseTransport], allowed: Collection[str] = ()) -> None:
        self._make = network
        self._made: httpx.BaseTransport | None = None
        self._making = threading.Lock()
        self._allowed = frozenset(host.lower() for host in allowed)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Make the request; raises :class:`httpx.ConnectError` that says why for any other host."""
        host = request.url.host
        if not is_loopback(host) and host.lower() not in self._allowed:
            raise httpx.ConnectError(
                f"nothing was sent to {host}: it is not this machine, and --allow-host does not name it",
                request=request,
            )
        with self._making:
            network = self._made = self._made or self._make()
        return network.handle_request(request)

    def close(self) -> None:
        """Close the network."""
        if self._made is not None:
            self._made.close()
