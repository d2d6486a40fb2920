"""PagerDuty over HTTP: one application per host class, made once per process and serving any world."""

from __future__ import annotations

import functools

from simulators.engine.transport import Site
from simulators.pagerduty.api import apps, connecting, events, identity, rest, visits, web
from simulators.pagerduty.api.apps import APP_HOST, CONNECT_HOST, IDENTITY_HOST
from simulators.pagerduty.model import Knobs

__all__ = ["API_HOST", "APP_HOST", "CONNECT_HOST", "EVENTS_HOST", "IDENTITY_HOST", "WEB_HOST", "sites"]

EVENTS_HOST = "events.pagerduty.com"
API_HOST = "api.pagerduty.com"
#: The account's own host, with the subdomain that is the default of the knobs.
WEB_HOST = f"{Knobs().subdomain}.pagerduty.com"


@functools.cache
def sites() -> dict[str, Site]:
    """Return the sites by the vendor's host name."""
    tokens = (apps.blueprint(), identity.blueprint())
    account = web.application()
    visits.mount(account, connecting.INSTALLING)
    return {
        EVENTS_HOST: Site("pagerduty-events", events.application()),
        API_HOST: Site("pagerduty-api", rest.application()),
        WEB_HOST: Site("pagerduty-web", account),
        APP_HOST: Site("pagerduty-app", visits.application("pagerduty-app", tokens[:1], connecting.INSTALLING)),
        IDENTITY_HOST: Site("pagerduty-identity", visits.application("pagerduty-identity", tokens, identity.FLOW)),
        CONNECT_HOST: Site(
            "pagerduty-connect", visits.application("pagerduty-connect", tokens[:1], connecting.CONNECTING)
        ),
    }
