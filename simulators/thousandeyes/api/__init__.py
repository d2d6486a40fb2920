"""ThousandEyes over HTTP: the application of the API host, made once per process and serving any world.

:data:`COLLECTIONS` is the resource table with everything that answers for it; the routes, the served description and
the coverage of the vendor's operations follow from it and from the few operations that are no plain CRUD.
"""

from __future__ import annotations

import functools
from typing import Any

from flask import Blueprint, Flask, Response

from simulators.engine import control as engine_control
from simulators.engine.transport import Site
from simulators.engine.web import answer, vendor_app, world
from simulators.thousandeyes import control
from simulators.thousandeyes.api import (
    administration,
    agentrules,
    agents,
    alerts,
    audit,
    integrations,
    oauth,
    rest,
    results,
    runs,
    tags,
    tests,
    vaults,
)
from simulators.thousandeyes.api.collection import Collection, mount
from simulators.thousandeyes.api.interfacegroups import INTERFACE_GROUPS
from simulators.thousandeyes.api.labels import LABELS
from simulators.thousandeyes.api.rules import ALERT_RULES
from simulators.thousandeyes.api.web import HOST
from simulators.thousandeyes.api.web import application as web_application
from simulators.thousandeyes.api.windows import WINDOWS

API_HOST = "api.thousandeyes.com"
APP_HOST = HOST
COLLECTIONS: tuple[Collection[Any], ...] = (
    tests.ALL_TESTS,
    *tests.TEST_COLLECTIONS,
    *tests.INSTANT_COLLECTIONS,
    ALERT_RULES,
    WINDOWS,
    agents.AGENT_ROWS,
    agentrules.NOTIFICATION_RULES,
    agentrules.PROXIES,
    INTERFACE_GROUPS,
    *administration.COLLECTIONS,
    integrations.CONNECTORS,
    integrations.OPERATIONS,
    *vaults.COLLECTIONS,
    tags.TAGS,
    *LABELS,
)
ROOMS = (tests, runs, alerts, results, agentrules, agents, administration, audit, integrations, vaults, tags, oauth)


def application() -> Flask:
    """Return the application of api.thousandeyes.com."""
    app = vendor_app("thousandeyes-api", rest.ApiDialect())
    app.before_request(rest.admit)
    app.register_blueprint(engine_control.blueprint())
    app.register_blueprint(control.blueprint(COLLECTIONS))
    app.register_blueprint(oauth.control())
    app.register_blueprint(agentrules.control())
    plain = Blueprint("plain", __name__)
    plain_ones: tuple[Collection[Any], ...] = (ALERT_RULES, WINDOWS, INTERFACE_GROUPS, *LABELS)
    for collection in plain_ones:
        mount(plain, collection)
    app.register_blueprint(plain)
    for room in ROOMS:
        app.register_blueprint(room.blueprint())

    @app.get(f"{rest.BASE}/status")
    def status() -> Response:
        return answer({"timestamp": world().now // 1000})

    return app


@functools.cache
def sites() -> dict[str, Site]:
    """Return the sites by the vendor's host name."""
    return {API_HOST: Site("thousandeyes-api", application()), APP_HOST: Site("thousandeyes-web", web_application())}
