"""The web application: a door for each sender, health, readiness and figures.

One application serves any bridge: it finds its :class:`Gate` in the WSGI environ. ThousandEyes counts exactly 200 as
delivered and repeats everything else, so the webhook answers 200 for whatever has been stored, readable or not.

What a gate raises is not turned into an answer here: the server in front breaks the connection or answers 500, and the
sender tries again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from bridge.admission import Answer, Door, Inbound

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication

    from bridge.core import Bridge

GATE = "bridge.gate"
WEBHOOK_PATH = Door.THOUSANDEYES.value
PLAIN = "text/plain; charset=utf-8"
_DOORS = {door.value: door for door in Door}


class Gate(Protocol):
    """What the application needs of whoever drives the bridge."""

    def max_body(self) -> int:
        """Return the largest body taken, in bytes."""

    def post(self, request: Inbound) -> Answer:
        """Take a notification in; when the answer is 200 it is durable."""

    def health(self) -> Answer:
        """Say whether the process works."""

    def ready(self) -> Answer:
        """Say whether notifications can be taken in."""

    def metrics(self) -> bytes:
        """Return the figures in Prometheus' text format."""


class DirectGate:
    """Calls the bridge at once, in the caller's thread; ``now`` returns microseconds UTC."""

    def __init__(self, bridge: Bridge | Any, now: Callable[[], int]) -> None:
        self.bridge = bridge
        self.now = now

    def max_body(self) -> int:
        """Return the largest body taken, in bytes."""
        return int(self.bridge.config.receiver.max_body)

    def post(self, request: Inbound) -> Answer:
        """Receive a notification at the present instant."""
        answer: Answer = self.bridge.receive(request, self.now())
        return answer

    def health(self) -> Answer:
        """Answer 200: whoever can ask is served."""
        return Answer(200, "ok\n")

    def ready(self) -> Answer:
        """Answer 200 while the store answers."""
        self.bridge.store.has_undecided()
        return Answer(200, "ready\n")

    def metrics(self) -> bytes:
        """Return the figures in Prometheus' text format."""
        from bridge import metrics

        return metrics.render(self.bridge, self.now())


def create_app() -> Flask:
    """Return the application; one per process is enough."""
    app = Flask("bridge", static_folder=None)
    app.config["PROPAGATE_EXCEPTIONS"] = True

    def webhook() -> Response:
        return _response(_take(request.environ, request.environ[GATE]))

    for door in Door:
        app.add_url_rule(door.value, door.name, webhook, methods=["POST"])

    @app.get("/healthz")
    def health() -> Response:
        gate: Gate = request.environ[GATE]
        return _response(gate.health())

    @app.get("/readyz")
    def ready() -> Response:
        gate: Gate = request.environ[GATE]
        return _response(gate.ready())

    @app.get("/metrics")
    def figures() -> Response:
        gate: Gate = request.environ[GATE]
        return Response(gate.metrics(), content_type="text/plain; version=0.0.4; charset=utf-8")

    @app.errorhandler(HTTPException)
    def refused(error: HTTPException) -> Response:
        answer = _response(Answer(error.code or 500, f"{error.name.lower()}\n"))
        allowed = getattr(error, "valid_methods", None)
        if allowed:
            answer.headers["Allow"] = ", ".join(sorted(allowed))
        return answer

    return app


def wsgi(app: Flask, gate: Gate) -> WSGIApplication:
    """Return a WSGI application that serves ``gate`` through ``app``.

    What comes to a door does not need the framework, which would cost more than storing it does; everything else does.
    """

    def application(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] == "POST" and environ.get("PATH_INFO") in _DOORS:
            answer = _take(environ, gate)
            content = answer.body.encode()
            headers = [("Content-Type", PLAIN), ("Content-Length", str(len(content))), *_challenge(answer)]
            start_response(f"{answer.status} {HTTPStatus(answer.status).phrase}", headers)
            return [content]
        environ[GATE] = gate
        return app.wsgi_app(environ, start_response)

    return application


def _take(environ: dict[str, Any], gate: Gate) -> Answer:
    """Read a request to a door, not more of it than is allowed, and hand it to the gate."""
    limit, length, source = gate.max_body(), environ.get("CONTENT_LENGTH") or "", environ["wsgi.input"]
    body: bytes | None = b""
    if length.isascii() and length.isdigit():
        body = source.read(int(length)) if int(length) <= limit else None
    elif environ.get("wsgi.input_terminated"):
        # A body in chunks: one byte more than is allowed tells that it is too long.
        body = source.read(limit + 1)
        body = body if body is not None and len(body) <= limit else None
    headers = {name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name[:5] == "HTTP_"}
    return gate.post(Inbound(body, headers, _DOORS[environ["PATH_INFO"]]))


def _challenge(answer: Answer) -> list[tuple[str, str]]:
    return [("WWW-Authenticate", 'Basic realm="bridge"')] if answer.status == 401 else []


def _response(answer: Answer) -> Response:
    return Response(answer.body, answer.status, _challenge(answer), content_type=PLAIN)
