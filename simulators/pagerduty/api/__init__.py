"""PagerDuty over HTTP: one application per host class, made once per process and serving any world."""

from __future__ import annotations

import functools

from simulators.engine.transport import Site
from simulators.pagerduty.api import events, rest

EVENTS_HOST = "events.pagerduty.com"
API_HOST = "api.pagerduty.com"


@functools.cache
def sites() -> dict[str, Site]:
    """Return the sites by the vendor's host name."""
    return {
        EVENTS_HOST: Site("pagerduty-events", events.application()),
        API_HOST: Site("pagerduty-api", rest.application()),
    }
