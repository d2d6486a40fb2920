"""The events host: alert events, change events and the first version's events; the key in the body is the credential.

No headers are needed: no ``Authorization``, and the body is read whatever its content type.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from flask import Flask, Response, request

from simulators.engine import control
from simulators.engine.draft import Draft
from simulators.engine.errors import Refused
from simulators.engine.web import answer, transact, vendor_app
from simulators.pagerduty import control as own_control
from simulators.pagerduty import intake


class EventsDialect:
    """How the events host words its refusals (PagerDuty: Events API v2 responses)."""

    def _say(self, status: int, state: str, message: str, error: str) -> Refused:
        return Refused(status, {"status": state, "message": message, "errors": [error]})

    def not_found(self) -> Refused:
        """No such path."""
        return self._say(404, "not found", "Not Found", "there is nothing at this path")

    def method_not_allowed(self) -> Refused:
        """Only POST."""
        return self._say(405, "method not allowed", "Method Not Allowed", "send events with POST")

    def bad_request(self, reason: str) -> Refused:
        """A request that cannot be read."""
        return self._say(400, "invalid event", "Event object is invalid", reason)

    def too_large(self) -> Refused:
        """More than 512 KB."""
        return self._say(
            413, "invalid event", "Event object is invalid", "Event object exceeds the size limit of 512 KB"
        )

    def failed(self) -> Refused:
        """The simulator itself failed."""
        return self._say(500, "internal error", "Internal Server Error", "the event could not be processed")

    def headers(self) -> Mapping[str, str]:
        """Nothing on every answer."""
        return {}


def application() -> Flask:
    """Return the application of the events host."""
    app = vendor_app("pagerduty-events", EventsDialect())
    app.register_blueprint(control.blueprint())
    app.register_blueprint(own_control.blueprint())
    for path, accept in _ENDPOINTS.items():
        app.add_url_rule(path, path, _view(accept), methods=["POST"])
    return app


_ENDPOINTS: Mapping[str, Callable[[Draft, bytes], intake.Answer]] = {
    "/v2/enqueue": intake.accept,
    "/v2/change/enqueue": intake.accept_change,
    "/generic/2010-04-15/create_event.json": intake.accept_v1,
}


def _view(accept: Callable[[Draft, bytes], intake.Answer]) -> Callable[[], Response]:
    def view() -> Response:
        status, document = transact(accept, request.get_data(cache=False))
        if isinstance(document, str):
            return Response(document, status, content_type="text/plain; charset=utf-8")
        return answer(document, status)

    return view
