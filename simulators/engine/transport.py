"""The seam through which every request leaves: a host served in this world, or the network, with faults in between.

A world's one ``httpx.Client`` stands on ``WorldTransport``. A host that a site serves is answered by calling its WSGI
application directly; any other host goes to the network transport when there is one. Faults are applied here, to
requests of both kinds. ``Site`` wraps an application so that it finds its world in the WSGI environ and so that every
request and answer, whether it came in process or through a socket, is written to the journal in one place.
"""

from __future__ import annotations

import errno
import io
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import httpx

from simulators.engine import faults
from simulators.engine.draft import Outgoing
from simulators.engine.faults import Fault, FaultKind

if TYPE_CHECKING:
    from simulators.engine.world import World

WORLD = "pagedrill.world"
SITE = "pagedrill.site"
#: Marks a request the agenda makes for a simulator: its delays were settled before.
AGENDA = "pagedrill.agenda"
StartResponse = Callable[..., Any]


class Application(Protocol):
    """A WSGI application."""

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""


@dataclass(frozen=True, slots=True)
class Site:
    """An application that serves a host; ``name`` is how the journal calls it.

    ``shared`` sites find their world in the environ and serve any world; others belong to one participant.
    """

    name: str
    application: Application
    shared: bool = True

    def bind(self, world: World, before: Callable[[], None], after: Callable[[], None]) -> Application:
        """Return a WSGI application that serves this site in ``world`` through a socket.

        ``before`` runs ahead of each request (a live runner catches up with the wall clock), ``after`` behind it.
        Faults for the vendor host of this site hit requests that come from outside, too: a status is answered, any
        other fault breaks the connection (:class:`ConnectionResetError`), before or after the request was taken.
        """

        def application(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
            before()
            try:
                return self._answer_or_fail(world, environ, start_response)
            finally:
                after()

        return application

    def _answer_or_fail(self, world: World, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        fault: Fault | None = None
        if world.has_faults() and not path.startswith("/_sim"):
            host = next((host for host, site in world.sites.items() if site is self), "")
            method = environ["REQUEST_METHOD"]
            fault = world.transact(lambda draft: faults.take(draft, method, host, path))
        if fault is None:
            return self.answer(world, environ, start_response)
        if fault.kind is FaultKind.STATUS:
            start_response(f"{fault.status} Fault", [*fault.headers, ("Content-Length", str(len(fault.body.encode())))])
            return [fault.body.encode()]
        if fault.kind in {FaultKind.DUPLICATE, FaultKind.LOSE_ANSWER}:
            body = _read(environ)
            self.answer(world, environ, lambda *_: None)
            if fault.kind is FaultKind.DUPLICATE:
                environ["wsgi.input"] = io.BytesIO(body)
                return self.answer(world, environ, start_response)
        raise ConnectionResetError(errno.ECONNRESET, "a fault breaks this connection")

    def answer(self, world: World, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request, writing it and its answer to the journal."""
        environ[WORLD] = world
        environ[SITE] = self.name
        path = environ.get("PATH_INFO", "")
        if path.startswith("/_sim"):
            return self.application(environ, start_response)
        body = _read(environ)
        data = {
            "method": environ["REQUEST_METHOD"],
            "host": environ.get("HTTP_HOST", ""),
            "path": path,
            "query": environ.get("QUERY_STRING", ""),
            "body": body.decode(errors="replace"),
        }
        with world.lock:
            seq = world.journal.append(world.now, "request", self.name, data, world.cause)
            world.arrived(self.name, seq)
        status: list[str] = []

        def start(line: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            status[:] = [line]
            return start_response(line, headers, exc_info)

        with world.caused_by(seq):
            answered = self.application(environ, start)
            try:
                content = b"".join(answered)
            finally:
                close = getattr(answered, "close", None)
                if close is not None:
                    close()
            world.record("response", self.name, status=int(status[0][:3]), body=content.decode(errors="replace"))
        return [content]


def _read(environ: dict[str, Any]) -> bytes:
    """Read the whole body once and put it back for the application (chunked bodies included)."""
    source = environ["wsgi.input"]
    length = environ.get("CONTENT_LENGTH")
    if length and length.isdigit():
        body = source.read(int(length))
    elif environ.get("HTTP_TRANSFER_ENCODING", "").lower() == "chunked":
        body = source.read()
        environ["CONTENT_LENGTH"] = str(len(body))
        environ.pop("HTTP_TRANSFER_ENCODING", None)
    else:
        body = b""
    environ["wsgi.input"] = io.BytesIO(body)
    return bytes(body)


class WorldTransport(httpx.BaseTransport):
    """Carries requests to sites of ``world`` in process, or to its network, applying faults."""

    def __init__(self, world: World) -> None:
        self.world = world

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer ``request``; raises httpx transport errors for faults and unknown hosts."""
        world = self.world
        url = request.url
        host = url.host
        fault: Fault | None = None
        if world.has_faults() and not url.path.startswith("/_sim"):  # the control plane is no part of the wire
            delays = False if AGENDA in request.extensions else None
            body = request.read()
            fault = world.transact(
                lambda draft: faults.take(draft, request.method, host, url.path, delays=delays, body=body)
            )
        if fault is None:
            return self._deliver(request)
        if fault.kind is FaultKind.REFUSE:
            raise httpx.ConnectError(f"connection to {host} refused", request=request)
        if fault.kind is FaultKind.DELAY:
            headers = tuple(request.headers.items())
            kind = str(request.extensions.get(AGENDA, ""))
            world.straggle(Outgoing(request.method, str(url), headers, request.content, kind=kind), fault.delay)
        if fault.kind in {FaultKind.TIMEOUT, FaultKind.DELAY}:
            raise httpx.ReadTimeout(f"no answer from {host}", request=request)
        if fault.kind is FaultKind.STATUS:
            return httpx.Response(
                fault.status, headers=list(fault.headers), content=fault.body.encode(), request=request
            )
        answer = self._deliver(request)
        if fault.kind is FaultKind.DUPLICATE:
            return self._deliver(request)
        answer.close()
        raise httpx.ReadTimeout(f"the answer of {host} was lost", request=request)

    def _deliver(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        site = self.world.sites.get(url.netloc.decode()) or self.world.sites.get(url.host)
        if site is not None:
            return call(site, self.world, request)
        if self.world.network is None:
            raise httpx.ConnectError(f"nobody serves {url.host} in this world", request=request)
        return self.world.network.handle_request(request)


class _NoCookies(httpx.Cookies):
    def extract_cookies(self, response: httpx.Response) -> None:
        """Keep none."""


class WorldClient(httpx.Client):
    """A world's one client, without a cookie jar: what is remembered is a row, or a restore would not forget it."""

    def __init__(self, world: World) -> None:
        super().__init__(transport=WorldTransport(world), trust_env=False)

    @property
    def cookies(self) -> httpx.Cookies:
        """None, ever."""
        return _NO_COOKIES

    @cookies.setter
    def cookies(self, cookies: Any) -> None:
        raise TypeError("a world's client keeps no cookies")


_NO_COOKIES = _NoCookies()


def call(site: Site, world: World, request: httpx.Request) -> httpx.Response:
    """Answer an httpx request by a site of ``world`` without a socket."""
    url = request.url
    body = request.read()
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": url.path.encode().decode("latin-1"),
        "QUERY_STRING": url.query.decode("latin-1"),
        "SERVER_NAME": url.host,
        "SERVER_PORT": str(url.port or (443 if url.scheme == "https" else 80)),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": url.scheme,
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in request.headers.raw:
        key = name.decode("ascii").replace("-", "_").upper()
        if key in {"CONTENT_TYPE", "CONTENT_LENGTH"}:
            environ[key] = value.decode("latin-1")
        else:
            environ["HTTP_" + key] = value.decode("latin-1")
    seen: list[Any] = []

    def start(line: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
        seen[:] = [int(line[:3]), headers]

    content = b"".join(site.answer(world, environ, start))
    return httpx.Response(seen[0], headers=seen[1], content=content, request=request)
