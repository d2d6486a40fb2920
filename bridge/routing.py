"""Which integration key an alert goes to: the first route whose conditions all hold.

The choice is made once per alert and stored with it, because PagerDuty drops a resolve that comes through another key
than its trigger did.
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from bridge.config import Route
from bridge.messages import InboundMessage


def choose(routes: Sequence[Route], message: InboundMessage) -> Route:
    """Return the first matching route; a checked configuration always ends with one that matches everything."""
    return next(route for route in routes if matches(route, message))


def matches(route: Route, message: InboundMessage) -> bool:
    """Say whether every condition of ``route`` holds; ``labels`` asks for one of the labels, globs are case-exact."""
    return (
        (route.rule is None or fnmatchcase(message.rule, route.rule))
        and (route.test is None or fnmatchcase(message.test, route.test))
        and (route.alert_type is None or fnmatchcase(message.alert_type, route.alert_type))
        and (not route.severity or message.severity in route.severity)
        and (not route.account_group or message.account_group in route.account_group)
        and all(fnmatchcase(message.static.get(name, ""), glob) for name, glob in route.static)
        and (not route.labels or any(fnmatchcase(name, glob) for glob in route.labels for name in message.labels))
    )
