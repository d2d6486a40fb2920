"""The account's own host, ``<subdomain>.pagerduty.com``: the pages that ``html_url`` and the links of e-mails lead to.

Pages only read, but for the acknowledge and resolve links of an e-mail: following one acts as the person it was sent
to, by GET as well as by POST, and an outdated link changes nothing. No login is simulated.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from typing import Any

from flask import Flask, Response
from flask import request as flask_request

from simulators.engine import control, instants
from simulators.engine.browsers import PageDialect, templates
from simulators.engine.draft import View
from simulators.engine.resources import Document
from simulators.engine.web import transact, vendor_app, world
from simulators.pagerduty import control as own_control
from simulators.pagerduty import devices
from simulators.pagerduty.account import Account, name
from simulators.pagerduty.api.call import Links
from simulators.pagerduty.api.incident_shapes import log_summary
from simulators.pagerduty.api.lens import Lens, summary
from simulators.pagerduty.api.resources import RESOURCES
from simulators.pagerduty.model import (
    ALERTS,
    API,
    CHANGES,
    DOCUMENTS,
    INCIDENTS,
    LOG_ENTRIES,
    MESSAGES,
    Alert,
    Incident,
    Knobs,
)

Row = tuple[str, str, str]
#: So many incidents are listed, the newest.
LISTED = 50
#: Acts an e-mail offers, and what was done then.
_DONE = {
    "acknowledge": "acknowledged",
    "resolve": "resolved",
    "accept": "accepted to help with",
    "decline": "declined to help with",
}


def page(title: str, status: int = 200, **parts: Any) -> Response:
    """Return a page; ``rows`` are (name, value, link), ``lines`` a list under ``heading``, ``note`` comes first."""
    subdomain = world().view.knobs(Knobs).subdomain
    text = templates("simulators.pagerduty").get_template("page.html").render(title=title, subdomain=subdomain, **parts)
    return Response(text, status, content_type="text/html; charset=utf-8")


def application() -> Flask:
    """Return the application of the account's host."""
    dialect = PageDialect()
    app = vendor_app("pagerduty-web", dialect, page)
    app.register_blueprint(control.blueprint())
    app.register_blueprint(own_control.blueprint())
    kinds: dict[str, list[str]] = {}
    for resource in RESOURCES:
        if "html" in resource.extra:
            kinds.setdefault(resource.extra["html"], []).append(resource.extra["kind"])
    for template, shown in kinds.items():
        rule = template.replace("{id}", "<id>").replace("{parent}", "<parent>")
        app.add_url_rule(rule, rule, functools.partial(_document, shown))

    @app.get("/")
    @app.get("/incidents")
    def incidents() -> Response:
        return page("Incidents", rows=_newest(), note="" if world().view.count(INCIDENTS) else "There are none yet.")

    @app.get("/incidents/<id>")
    def incident(id: str) -> Response:
        return show_incident(_incident(id))

    @app.get("/i/<int:number>")
    def by_number(number: int) -> Response:
        found = world().view.find(INCIDENTS, "number", number)
        if not found:
            raise dialect.not_found()
        return show_incident(found[0])

    @app.route("/incidents/<id>/<act>", methods=["GET", "POST"])
    def act(id: str, act: str) -> Response:
        return follow(_incident(id), act)

    @app.get("/incidents/<id>/log_entries/<entry>")
    def log_entry(id: str, entry: str) -> Response:
        _incident(id)
        found = world().view.get(LOG_ENTRIES, entry)
        if found is None or found.incident != id:
            raise dialect.not_found()
        rows = [_time("At", found.at), ("Incident", id, f"/incidents/{id}"), ("Type", found.type.value, "")]
        return page(log_summary(_lens(), found), rows=rows)

    @app.get("/alerts/<id>")
    def alert(id: str) -> Response:
        found = world().view.get(ALERTS, id)
        if found is None:
            raise dialect.not_found()
        return page(found.summary, rows=_alert_rows(found))

    @app.get("/change_events/<id>")
    def change(id: str) -> Response:
        found = world().view.get(CHANGES, id)
        if found is None:
            raise dialect.not_found()
        return page(str(found.event["payload"]["summary"]), rows=[_time("At", found.at)])

    return app


def _lens() -> Lens:
    return Lens(world().view, Links(API, ""), "UTC")


def _newest() -> list[Row]:
    """Return the newest incidents, the latest first."""
    rows = itertools.islice(world().view.newest(INCIDENTS), LISTED)
    return [(row.status.value, f"#{row.number} {row.title}", f"/incidents/{row.id}") for row in rows]


def _incident(id: str) -> Incident:
    found = world().view.get(INCIDENTS, id)
    if found is None:
        raise PageDialect().not_found()
    return found


def _time(label: str, instant: int) -> Row:
    return label, instants.iso(instant), ""


def _document(kinds: Sequence[str], id: str, parent: str = "") -> Response:
    rows = (world().view.get(DOCUMENTS[kind], id) for kind in kinds)
    found = next((row for row in rows if row is not None), None)
    if found is None or (parent and found.parent != parent):
        raise PageDialect().not_found()
    return page(summary(found) or found.id, rows=_document_rows(found))


def _document_rows(document: Document) -> list[Row]:
    rows: list[Row] = [("Kind", document.kind.replace("_", " "), ""), ("Id", document.id, "")]
    for field in ("email", "role", "description", "time_zone", "status", "start_time", "end_time"):
        if document.body.get(field):
            rows.append((field.replace("_", " ").capitalize(), str(document.body[field]), ""))
    return rows


def _alert_rows(row: Alert) -> list[Row]:
    return [
        ("Status", row.status.value, ""),
        ("Severity", row.severity, ""),
        ("Key", row.key, ""),
        _time("Opened", row.created),
        ("Incident", row.incident or "none", f"/incidents/{row.incident}" if row.incident else ""),
    ]


def show_incident(row: Incident, note: str = "", status: int = 200) -> Response:
    """Return an incident's page."""
    view: View = world().view
    account = Account(view)
    people = ", ".join(name(account, "users", entry.user) for entry in row.assignments) or "nobody"
    rows = [
        ("Status", row.status.value, ""),
        ("Urgency", row.urgency.value, ""),
        ("Service", name(account, "services", row.service), f"/service-directory/{row.service}"),
        ("Assigned to", people, ""),
        _time("Opened", row.created),
    ]
    look = _lens()
    log = [
        f"{instants.iso(entry.at)} {log_summary(look, entry)}" for entry in view.find(LOG_ENTRIES, "incident", row.id)
    ]
    title = f"#{row.number} {row.title}"
    return page(title, status, rows=rows, note=note, heading="Timeline", lines=log)


def follow(row: Incident, act: str) -> Response:
    """Do what a link of an e-mail says, as the person the e-mail went to, and show the incident."""
    message = world().view.get(MESSAGES, flask_request.args.get("message", ""))
    if act not in _DONE or message is None or message.incident != row.id:
        raise PageDialect().not_found()
    reply = transact(devices.email_action, message.id, act)
    fresh = _incident(row.id)
    if reply.outcome == devices.DONE:
        return show_incident(fresh, f"You {_DONE[act]} this incident.")
    return show_incident(fresh, f"Nothing was changed: {reply.outcome}.", 409)
