"""PagerDuty over HTTP: one application per host class, made once per process and serving any world."""

from __future__ import annotations

import functools

from simulators.engine.transport import Site
from simulators.pagerduty.api import events, rest, web
from simulators.pagerduty.model import Knobs

EVENTS_HOST = "events.pagerduty.com"
API_HOST = "api.pagerduty.com"
#: The account's own host, with the subdomain that is the default of the knobs.
WEB_HOST = f"{Knobs().subdomain}.pagerduty.com"


@functools.cache
def sites() -> dict[str, Site]:
    """Return the sites by the vendor's host name."""
    return {
        EVENTS_HOST: Site("pagerduty-events", events.application()),
        API_HOST: Site("pagerduty-api", rest.application()),
        WEB_HOST: Site("pagerduty-web", web.application()),
    }
