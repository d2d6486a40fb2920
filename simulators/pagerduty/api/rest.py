"""The REST host, api.pagerduty.com: every operation of every module, served by one dispatcher."""

from __future__ import annotations

import functools
from collections.abc import Mapping

from flask import Blueprint, Flask, Response, request

from simulators.engine import control
from simulators.engine.errors import Refused
from simulators.engine.web import answer, request_id, vendor_app
from simulators.pagerduty import control as own_control
from simulators.pagerduty.api import (
    apps,
    changes,
    crud,
    custom_shifts,
    dependencies,
    incident_lists,
    incident_parts,
    incidents,
    oncalls,
    openapi,
    overrides,
    people,
    responders,
    rotas,
    setup,
    shift_schedules,
    subscribers,
    subscriptions,
    sundries,
)
from simulators.pagerduty.api.call import admit, credential, rate_headers
from simulators.pagerduty.api.errors import Code, invalid, not_found, refuse
from simulators.pagerduty.api.operations import Operation, serve
from simulators.pagerduty.api.resources import RESOURCES

BEHAVIOURS = {**people.BEHAVIOURS, **setup.BEHAVIOURS, **rotas.BEHAVIOURS, **subscriptions.BEHAVIOURS}
_MODULES = (
    people,
    rotas,
    overrides,
    shift_schedules,
    custom_shifts,
    oncalls,
    incidents,
    incident_lists,
    incident_parts,
    responders,
    subscribers,
    changes,
    dependencies,
    subscriptions,
    sundries,
)


@functools.cache
def operations() -> tuple[Operation, ...]:
    """Return every operation of the host, those of the resource table first."""
    return (*crud.operations(BEHAVIOURS, RESOURCES), *(row for module in _MODULES for row in module.OPERATIONS))


class RestDialect:
    """How this host words what every web API has to say."""

    def not_found(self) -> Refused:
        """No such path."""
        return not_found()

    def method_not_allowed(self) -> Refused:
        """The path exists, the method does not."""
        return Refused(405, {"error": {"message": "Method Not Allowed", "code": int(Code.INVALID_INPUT), "errors": []}})

    def bad_request(self, reason: str) -> Refused:
        """The request cannot be read."""
        return invalid(reason)

    def too_large(self) -> Refused:
        """The body is too large."""
        return Refused(413, {"error": {"message": "Payload Too Large", "code": int(Code.INVALID_INPUT), "errors": []}})

    def failed(self) -> Refused:
        """The simulator itself failed."""
        return refuse(Code.INTERNAL)

    def headers(self) -> Mapping[str, str]:
        """The request's id and what is left of the rate limit."""
        return {"X-Request-Id": request_id(), **rate_headers()}


def application() -> Flask:
    """Return the application of the REST host."""
    app = vendor_app("pagerduty-api", RestDialect())
    app.register_blueprint(control.blueprint())
    app.register_blueprint(own_control.blueprint())
    app.register_blueprint(apps.blueprint())
    serve(app, operations())
    for prefix in sundries.OUTSIDE_THE_PLAN:
        for rule in (prefix, f"{prefix}/<path:rest>"):
            app.add_url_rule(rule, f"plan {rule}", _outside_the_plan, methods=_METHODS)

    app.register_blueprint(_description())
    return app


_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def _outside_the_plan(**_: str) -> Response:
    """Answer for what the simulated account's plan does not include."""
    admit(credential(), request.method, request.path)
    raise refuse(Code.MISSING_ABILITY)


def _description() -> Blueprint:
    routes = control.plane("pagerduty-description")

    @routes.get("/openapi.json")
    def description() -> Response:
        return answer(openapi.describe(operations()))

    @routes.get("/coverage.md")
    def coverage() -> Response:
        table = openapi.coverage(operations(), sundries.OUTSIDE_THE_PLAN)
        return Response(table, content_type="text/markdown; charset=utf-8")

    return routes
