"""Alerts: the list with its filters and pages, and one alert with its locations.

The list shows each alert twice over, in today's fields and in the deprecated ones (upper case words, an integer rule
id, dates with a space); the detail has today's words in both.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, request

from simulators.engine import instants
from simulators.engine.draft import View
from simulators.engine.web import world
from simulators.thousandeyes import layers, telling
from simulators.thousandeyes.api.paging import Place, newest_first, page_size, window_of
from simulators.thousandeyes.api.rest import (
    BASE,
    FieldError,
    hal,
    invalid,
    iso,
    legacy,
    link,
    not_found,
    reply,
    require,
)
from simulators.thousandeyes.api.rules import VIEW
from simulators.thousandeyes.model import ALERTS, Alert, AlertState, Knobs

LARGEST_PAGE = 1000
STATES = ("trigger", "clear")


def _path(alert: Alert) -> str:
    return f"/alerts/{alert.id}"


def _active(alert: Alert) -> bool:
    return alert.state is AlertState.TRIGGER


def _base(alert: Alert, view: View) -> dict[str, Any]:
    """Return what the list and the detail have in common."""
    end = view.now if alert.end is None else alert.end
    shown: dict[str, Any] = {"id": alert.id, "alertType": alert.alert_type, "startDate": iso(alert.start)}
    if alert.end is not None:
        shown["endDate"] = iso(alert.end)
    shown["violationCount"] = alert.violations
    if alert.end is not None or view.knobs(Knobs).active_duration:
        shown["duration"] = (end - alert.start) // instants.SECOND
    return shown | {
        "suppressed": alert.suppressed,
        "meta": {"version": alert.version},
        "alertState": "trigger" if _active(alert) else "clear",
        "alertSeverity": alert.severity,
    }


def _linked(document: dict[str, Any], alert: Alert) -> dict[str, Any]:
    if not alert.test:
        rule = link(f"/agents/notification-rules/{alert.rule}")
        return hal(document, _path(alert), rule=rule, appLink=telling.permalink(alert))
    return hal(
        document,
        _path(alert),
        test=link(f"/tests/{alert.test_type}/{alert.test}"),
        rule=link(f"/alerts/rules/{alert.rule}"),
        appLink=telling.permalink(alert),
    )


def _data_links(alert: Alert) -> list[dict[str, str]]:
    """Return the deprecated links: to the test and its data, or to the agent."""
    if not alert.test:
        return [{"rel": "related", "href": link(f"/agents/{alert.locations[0].agent}")}]
    layer = layers.LAYERS[alert.test_type].results or layers.NETWORK_LAYERS
    return [
        {"rel": "related", "href": link(f"/tests/{alert.test}")},
        {"rel": "data", "href": link(f"/test-results/{alert.test}/{layer[0]}")},
    ]


def list_item(alert: Alert, view: View) -> dict[str, Any]:
    """Return an alert as the list shows it, deprecated fields included."""
    old: dict[str, Any] = {
        "alertId": alert.id,
        "ruleId": int(alert.rule),
        "state": "ACTIVE" if _active(alert) else "CLEARED",
        "severity": alert.severity.upper(),
        "dateStart": legacy(alert.start),
        "permalink": telling.permalink(alert),
        "apiLinks": _data_links(alert),
    }
    if alert.end is not None:
        old["dateEnd"] = legacy(alert.end)
    return _linked(_base(alert, view) | {"alertRuleId": alert.rule} | old, alert)


def detail(view: View, alert: Alert) -> dict[str, Any]:
    """Return an alert as reading shows it: with what each location measured at its start and end."""
    document = _base(alert, view)
    document |= {"state": document["alertState"], "severity": alert.severity, "details": []}
    kind = "bgp_monitor" if alert.alert_type == "bgp" else "cea_agent"  # the word for monitors is not published
    for location in alert.locations:
        document["details"].append(
            {
                "id": location.agent,
                "name": telling.location_name(view, alert.alert_type, location.agent),
                "type": kind,
                "state": "trigger" if location.state is AlertState.TRIGGER else "clear",
                "start": {"metrics": location.metrics_at_start},
                "end": {"metrics": location.metrics_at_end},
            }
        )
    return _linked(document, alert)


# -- which alerts ------------------------------------------------------------------------------------------------------


def _wanted(state: str | None, span: tuple[int, int] | None, now: int, knobs: Knobs) -> Callable[[Alert], bool]:
    """Return the filter a request asks for (ThousandEyes: list alerts)."""
    if span is None:
        if state != "clear":
            return _active
        since = {"day": now - instants.DAY, "all": -1, "none": now + 1}[knobs.clear_without_range]
        return lambda alert: alert.end is not None and alert.end >= since
    start, end = span

    def began(alert: Alert) -> bool:
        return start <= alert.start <= end

    def ended(alert: Alert) -> bool:
        return alert.end is not None and start <= alert.end <= end

    if state == "clear":
        return ended
    if state == "trigger" or not knobs.range_lists_both:
        return lambda alert: _active(alert) and began(alert)
    return lambda alert: ended(alert) or (_active(alert) and alert.start <= end)


def _key(alert: Alert) -> tuple[int, str]:
    """Newest start first; the id decides between alerts of one instant."""
    return -alert.start, alert.id


def _list() -> Response:
    asking, view = require(VIEW), world().view
    knobs = view.knobs(Knobs)
    state = request.args.get("state")
    if state is not None and state not in STATES:
        raise invalid(FieldError("state", f"must be one of {', '.join(STATES)}"))
    place = Place.read()
    span = window_of(view.now) if place is None else place.span
    wanted = _wanted(state, span, view.now, knobs)
    rows = [alert for alert in view.find(ALERTS, "aid", asking.aid) if wanted(alert)]
    page, links = newest_first(rows, _key, place, span, page_size(knobs.alert_page, LARGEST_PAGE))
    return reply(hal({"alerts": [list_item(alert, view) for alert in page]}, **links))


def _read(alert_id: str) -> Response:
    asking, view = require(VIEW), world().view
    alert = view.get(ALERTS, alert_id)
    if alert is not None and alert.aid == asking.aid:
        return reply(detail(view, alert))
    if view.knobs(Knobs).unknown_is_empty:
        return reply({})
    raise not_found(f"There is no alert {alert_id}.")


def blueprint() -> Blueprint:
    """Return the routes of alerts."""
    routes = Blueprint("alerts", __name__)
    routes.add_url_rule(f"{BASE}/alerts", "list", _list, methods=["GET"])
    routes.add_url_rule(f"{BASE}/alerts/<alert_id>", "read", _read, methods=["GET"])
    return routes
