"""Audit events: who changed what in an account group, newest first, in pages."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, request

from simulators.engine.web import world
from simulators.thousandeyes.api.paging import Place, newest_first, window_of
from simulators.thousandeyes.api.rest import BASE, FieldError, hal, invalid, iso, reply, require
from simulators.thousandeyes.model import ACCOUNT_GROUPS, AUDIT, AuditEvent

PAGE = 100
VIEW_USERS = "13"


def _key(event: AuditEvent) -> tuple[int, str]:
    """Newest first; ids count upwards, and the later of one instant comes first."""
    return -event.at, f"{10**9 - int(event.id):010d}"


def _events() -> Response:
    asking, view = require(VIEW_USERS), world().view
    place = Place.read()
    span = window_of(view.now) if place is None else place.span
    everywhere = request.args.get("useAllPermittedAids", "false")
    if everywhere not in {"true", "false"}:
        raise invalid(FieldError("useAllPermittedAids", "must be true or false"))
    groups = asking.user.aids if everywhere == "true" else (asking.aid,)
    rows = [
        event
        for aid in groups
        for event in view.find(AUDIT, "aid", aid)
        if span is None or span[0] <= event.at <= span[1]
    ]
    page, links = newest_first(rows, _key, place, span, PAGE)
    names = {aid: group.name for aid in groups if (group := view.get(ACCOUNT_GROUPS, aid)) is not None}
    document: dict[str, Any] = {"auditEvents": [_show(event, names.get(event.aid, "")) for event in page]}
    if span is not None:
        document |= {"startDate": iso(span[0]), "endDate": iso(span[1])}
    return reply(hal(document, **links))


def _show(event: AuditEvent, group: str) -> dict[str, Any]:
    return {
        "aid": event.aid,
        "accountGroupName": group,
        "date": iso(event.at),
        "event": event.event,
        "ipAddress": event.address,
        "uid": event.uid,
        "user": event.user,
        "resources": [{"type": kind, "name": name} for kind, name in event.resources],
    }


def blueprint() -> Blueprint:
    """Return the route of audit events."""
    routes = Blueprint("audit", __name__)
    routes.add_url_rule(f"{BASE}/audit-user-events", "list", _events, methods=["GET"])
    return routes
