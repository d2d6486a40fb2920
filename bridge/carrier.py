"""The way out: verified TLS, configured hosts only, and no exchange that lasts for ever.

A time-out of the usual kind starts again with every byte, so a host that answers one byte at a time would hold up a
lane, and with it all its keys, for as long as it likes. Here the exchange as a whole has an end: what is left of it
bounds every single read and write. The clock is handed in.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterable
from typing import Any

import httpcore
import httpx

from bridge.config import Config
from bridge.errors import ConfigError

#: Connecting, asking and being answered may each take the configured time-out.
STAGES = 3
SLICE = 16_384


class _Deadline(threading.local):
    """When the exchange of this thread has to be over, by the clock that was handed in."""

    at = float("inf")


class _Stream(httpcore.NetworkStream):
    """A connection on which every wait ends with the exchange."""

    def __init__(self, inner: httpcore.NetworkStream, left: Callable[[float | None, type[Exception]], float]) -> None:
        self._inner = inner
        self._left = left

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), SLICE):
            self._inner.write(buffer[start : start + SLICE], self._left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = self._left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, left), self._left)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _Backend(httpcore.NetworkBackend):
    """Connects, with streams that know the end of their exchange."""

    def __init__(self, inner: httpcore.NetworkBackend, left: Callable[[float | None, type[Exception]], float]) -> None:
        self._inner = inner
        self._left = left

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        left = self._left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._inner.connect_tcp(host, port, left, local_address, socket_options), self._left)


class Carrier(httpx.BaseTransport):
    """Carries requests to configured hosts and to no other, times them, and ends those that take too long."""

    def __init__(
        self, verify: ssl.SSLContext, proxy: httpx.Proxy | None, config: Config, clock: Callable[[], float]
    ) -> None:
        self.hosts: Callable[[], frozenset[str]] = config.hosts
        self.timeout: Callable[[], float] = lambda: config.pagerduty.timeout
        self.observe: Callable[[str, float], None] = lambda host, seconds: None
        self._clock = clock
        self._deadline = _Deadline()
        self._inner = httpx.HTTPTransport(verify=verify, trust_env=False, proxy=proxy)
        # httpx has no setting for it; httpcore's own parameter of that name ends up in the same place.
        pool = self._inner._pool
        pool._network_backend = _Backend(pool._network_backend, self._left)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Carry ``request``; raise :class:`httpx.UnsupportedProtocol` when its host is not a configured one.

        The body of the answer has to be read by the same thread, before its next request.
        """
        host = request.url.host
        if host not in self.hosts():
            raise httpx.UnsupportedProtocol(f"{host} is not a configured host")
        began = self._clock()
        self._deadline.at = began + STAGES * self.timeout()
        try:
            return self._inner.handle_request(request)
        finally:
            self.observe(host, self._clock() - began)

    def close(self) -> None:
        """Close all connections."""
        self._inner.close()

    def _left(self, timeout: float | None, late: type[Exception]) -> float:
        """Return how long a wait may last; raise ``late`` when the exchange should be over."""
        left = self._deadline.at - self._clock()
        if left <= 0:
            raise late("the exchange as a whole takes too long")
        return left if timeout is None else min(timeout, left)


def carrier(config: Config, clock: Callable[[], float]) -> Carrier:
    """Return the transport; ``clock`` gives seconds that never go back."""
    try:
        verify = ssl.create_default_context(
            cafile=None if config.pagerduty.ca_file is None else config.pagerduty.ca_file
        )
    except OSError as error:
        raise ConfigError(
            f"pagerduty.ca_file: {config.pagerduty.ca_file} cannot be used ({error.strerror or error})"
        ) from None
    verify.minimum_version = ssl.TLSVersion.TLSv1_2
    proxy = None if config.proxy is None else httpx.Proxy(config.proxy)
    return Carrier(verify, proxy, config, clock)
