"""app.thousandeyes.com: the pages on which integrations with PagerDuty are made, and what was told to whom is read.

Integrations, then *New integration*, then *PagerDuty*: the browser goes to PagerDuty's install page and comes back with
a key for each service, or a key copied from PagerDuty is pasted. No login is simulated. What the API can do is done
over the API; these pages offer what it cannot.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

from flask import Blueprint, Flask, Response, redirect, request
from werkzeug.wrappers import Response as Answer

from simulators.engine import browsers, control
from simulators.engine.browsers import PageDialect, browser, check_form, go
from simulators.engine.draft import View
from simulators.engine.errors import Refused
from simulators.engine.web import transact, vendor_app, world
from simulators.thousandeyes import connecting, sent
from simulators.thousandeyes.connecting import ATTEMPTS, PAGERDUTY_APP, PAGERDUTY_HOST, Attempt
from simulators.thousandeyes.model import INTEGRATIONS, RULES, Integration
from simulators.thousandeyes.native import KIND

HOST = "app.thousandeyes.com"
INTEGRATIONS_PAGE, CALLBACK = "/integrations", "/integrations/pagerduty"


def application() -> Flask:
    """Return the application of app.thousandeyes.com."""
    app = vendor_app("thousandeyes-web", PageDialect(), _refused)
    app.register_blueprint(control.blueprint())
    app.register_blueprint(pages())
    return app


def _refused(text: str, status: int) -> Response:
    return show("message.html", status, text=text)


def pages() -> Blueprint:
    """Return the pages."""
    routes = Blueprint("thousandeyes-pages", __name__)

    @routes.get("/")
    def home() -> Answer:
        return redirect(INTEGRATIONS_PAGE)

    @routes.get(INTEGRATIONS_PAGE)
    def list_integrations() -> Response:
        view = world().view
        rows = [(row, connecting.notified_by(view, row.id)) for row in view.all(INTEGRATIONS)]
        return show("integrations.html", rows=rows, kind=KIND)

    @routes.get("/notifications")
    def list_notifications() -> Response:
        return show("notifications.html", told=sent.newest(world().view, world().journal))

    @routes.get(f"{INTEGRATIONS_PAGE}/new")
    def new() -> Response:
        return show("new_integration.html", targets=(browsers.address(PAGERDUTY_HOST),))

    @routes.post(f"{INTEGRATIONS_PAGE}/new/pagerduty")
    def leave() -> Response:
        check_form()
        return go(_install_url(transact(connecting.begin, browser())))

    @routes.post(f"{INTEGRATIONS_PAGE}/new/pagerduty-key")
    def paste() -> Response:
        check_form()
        name, key = request.form.get("name", "").strip(), request.form.get("key", "").strip()
        return go(_result_page(transact(connecting.pasted, browser(), name, key)))

    @routes.get(CALLBACK)
    def come_back() -> Response:
        attempt = _attempt(request.args.get("state", ""))
        return go(_result_page(transact(connecting.finish, attempt, request.args)))

    @routes.get(f"{CALLBACK}/<id>")
    def result(id: str) -> Response:
        attempt = _attempt(id)
        if not attempt.done:
            raise Refused(409, "PagerDuty has not answered yet. Finish there, or begin again.")
        return show("result.html", attempt=attempt)

    @routes.get(f"{INTEGRATIONS_PAGE}/<id>")
    def integration(id: str) -> Response:
        view, row = world().view, _integration(world().view, id)
        chosen = [rule.id for rule in connecting.notified_by(view, id)]
        rules = sorted(view.all(RULES), key=lambda rule: (rule.is_default, rule.name.casefold()))
        return show("integration.html", row=row, rules=rules, chosen=chosen, kind=KIND)

    @routes.post(f"{INTEGRATIONS_PAGE}/<id>")
    def choose_rules(id: str) -> Response:
        check_form()
        row = _integration(world().view, id)
        transact(connecting.assign, row, request.form.getlist("rule"))
        return go(f"{INTEGRATIONS_PAGE}/{quote(id)}")

    return routes


def show(template: str, status: int = 200, *, targets: tuple[str, ...] = (), **parts: Any) -> Response:
    """Return a page; its forms may lead to ``targets``, too."""
    name = browser()
    page = browsers.templates("simulators.thousandeyes").get_template(template)
    text = page.render(token_name=browsers.TOKEN, token=browsers.form_token(name), **parts)
    made = Response(text, status, browsers.security(targets), content_type="text/html; charset=utf-8")
    return browsers.remember(made, name)


def _install_url(attempt: Attempt) -> str:
    back = f"{request.scheme}://{request.host}{CALLBACK}?state={attempt.id}"
    asked = urlencode({"app_id": PAGERDUTY_APP, "version": "2", "redirect_url": back})
    return f"{browsers.address(PAGERDUTY_HOST)}/install/integration?{asked}"


def _result_page(attempt: Attempt) -> str:
    return f"{CALLBACK}/{attempt.id}"


def _attempt(id: str) -> Attempt:
    """Return an attempt of this browser's; refuses what another one brings."""
    found = world().view.get(ATTEMPTS, id)
    if found is None or found.browser != browser():
        raise Refused(403, "This answer of PagerDuty's does not belong to anything begun in this browser.")
    return found


def _integration(view: View, id: str) -> Integration:
    found = view.get(INTEGRATIONS, id)
    if found is None or found.kind != KIND:
        raise PageDialect().not_found()
    return found
