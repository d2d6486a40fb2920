"""A browser's visit on behalf of another product: log in, look, decide, go back. One mechanism, three flows.

A :class:`Flow` reads what is asked from the URL, draws its page and says what confirming does; logging in, forms,
cancelling and refusals are the same for all. An unknown app or a place the app did not register is a page, never a
redirect: a browser is only ever sent where it was promised to come back to. Logging in takes no password, since this is
a simulator and says so: you choose who you are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flask import Blueprint, Flask, Response, request
from werkzeug.datastructures import MultiDict

from simulators.engine import control, instants
from simulators.engine.browsers import (
    TOKEN,
    PageDialect,
    browser,
    check_form,
    form_token,
    fresh_browser,
    go,
    remember,
    security,
    templates,
)
from simulators.engine.draft import Draft, View
from simulators.engine.errors import Refused
from simulators.engine.resources import Document
from simulators.engine.web import transact, vendor_app, world
from simulators.pagerduty import control as own_control
from simulators.pagerduty import oauth
from simulators.pagerduty.connect import SESSIONS, Session, may_install, with_query
from simulators.pagerduty.model import DOCUMENTS, Knobs

SESSION_LIFE = 12 * instants.HOUR
LOGIN, LOGOUT = "/login", "/logout"


@dataclass(frozen=True, slots=True)
class Visit:
    """What a browser came for: who asks (``name``), where it goes back to (``target``) and with what in any case
    (``state``), and what else was ``asked``."""

    name: str
    target: str
    state: Mapping[str, str] = field(default_factory=dict)
    asked: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Flow:
    """One flow. ``read`` raises :class:`~simulators.engine.errors.Refused` with a sentence for what cannot be served
    and returns a URL instead of a visit where the asking product is told at once; ``draw`` gives the page's own parts;
    ``confirm`` makes what was decided and returns where the browser goes; ``cancelled`` are the parameters it takes
    back otherwise. ``managers`` only may come in when changing services is what it is about."""

    path: str
    template: str
    read: Callable[[View, MultiDict[str, str]], Visit | str]
    draw: Callable[[View, Visit], Mapping[str, Any]]
    confirm: Callable[[Draft, Visit, Document, MultiDict[str, str]], str]
    cancelled: Mapping[str, str]
    managers: bool = False


def application(name: str, blueprints: Sequence[Blueprint], *flows: Flow) -> Flask:
    """Return an application that serves ``flows``, with the pages to log in and out, and what ``blueprints`` add."""
    app = vendor_app(name, PageDialect(), _refused)
    for routes in (control.blueprint(), own_control.blueprint(), *blueprints):
        app.register_blueprint(routes)
    paths = [flow.path for flow in flows]

    @app.get("/")
    def home() -> Response:
        return show("home.html", 200, user=somebody(), apps=oauth.apps(world().view), paths=paths)

    mount(app, *flows)
    return app


def _refused(text: str, status: int) -> Response:
    return show("visit.html", status, title="This does not work", text=text)


def mount(app: Flask, *flows: Flow) -> None:
    """Let an application serve ``flows``, with the addresses to log in and out."""
    app.add_url_rule(LOGIN, "login", _log_in, methods=["POST"])
    app.add_url_rule(LOGOUT, "logout", _log_out, methods=["POST"])
    for flow in flows:
        app.add_url_rule(flow.path, flow.path, _visiting(flow), methods=["GET", "POST"])


def _visiting(flow: Flow) -> Callable[[], Response]:
    def visit() -> Response:
        found = flow.read(world().view, request.args)
        if isinstance(found, str):
            return go(found)
        if request.method == "POST":
            check_form()
            if request.form.get("action") == "cancel":
                world().record("connect.cancelled", found.name)
                return go(with_query(found.target, {**flow.cancelled, **found.state}))
        user = somebody()
        if user is None:
            return _login_page(found)
        if flow.managers and not may_install(user):
            text = f"{user.body.get('name')} may look at services, not change them. Sign in as somebody else."
            return show("visit.html", 403, found, title="You may not do this", text=text, user=user)
        if request.method == "GET":
            return _page(flow, found, user)
        try:
            where = transact(flow.confirm, found, user, request.form)
        except Refused as refusal:
            return _page(flow, found, user, sentence(refusal), refusal.status)
        return go(where)

    return visit


def sentence(refusal: Refused) -> str:
    """Return a refusal, the REST API's included, as a sentence for a page."""
    body = refusal.body
    if not isinstance(body, dict):
        return str(body)
    error = body.get("error") or {}
    return " ".join(map(str, error.get("errors") or [error.get("message")]))


def _page(flow: Flow, visit: Visit, user: Document, note: str = "", status: int = 200) -> Response:
    parts = flow.draw(world().view, visit)
    return show(flow.template, status, visit, user=user, note=note, form=request.form, **parts)


def show(template: str, status: int, visit: Visit | None = None, **parts: Any) -> Response:
    """Return a page with what every page of these hosts needs."""
    name = browser()
    here = world()
    page = templates("simulators.pagerduty").get_template(template)
    text = page.render(
        subdomain=here.view.knobs(Knobs).subdomain,
        visit=visit,
        token_name=TOKEN,
        token=form_token(name),
        here=_here(),
        **parts,
    )
    headers = security([visit.target] if visit else ())
    return remember(Response(text, status, headers, content_type="text/html; charset=utf-8"), name)


def _here() -> str:
    query = request.query_string.decode("ascii", "replace")
    return f"{request.path}?{query}" if query else request.path


# -- who is there ------------------------------------------------------------------------------------------------------


def somebody() -> Document | None:
    """Return the user who is logged in with this browser."""
    view = world().view
    session = view.get(SESSIONS, browser())
    if session is None or view.now >= session.at + SESSION_LIFE:
        return None
    return view.get(DOCUMENTS["users"], session.user)


def user_called(view: View, text: str) -> Document | None:
    """Return the user with this id or e-mail address."""
    found = view.get(DOCUMENTS["users"], text)
    return found or next(iter(view.find(DOCUMENTS["users"], "email", text.strip().lower())), None) if text else None


def _login_page(visit: Visit | None, note: str = "", status: int = 200, back: str = "") -> Response:
    people = sorted(world().view.all(DOCUMENTS["users"]), key=lambda row: str(row.body.get("name")).casefold())
    return show("login.html", status, visit, people=people, note=note, back=back or _here(), login=LOGIN)


def _log_in() -> Response:
    check_form()
    back = request.form.get("next", "")
    if not back.startswith("/") or back.startswith(("//", "/\\")) or not back.isprintable():
        raise Refused(400, "There is nowhere to go from here.")
    user = user_called(world().view, request.form.get("user", ""))
    if user is None:
        return _login_page(None, "The account has no such user.", 401, back)
    session = Session(fresh_browser(), user.id, world().now)
    transact(_begin, session, browser())
    return remember(go(back), session.id)


def _begin(draft: Draft, session: Session, former: str) -> None:
    over = [row.id for row in draft.all(SESSIONS) if draft.now >= row.at + SESSION_LIFE]
    for name in (former, *over):
        draft.delete(SESSIONS, name)
    draft.put(SESSIONS, session)
    draft.record("session.began", session.user)


def _log_out() -> Response:
    check_form()
    name = browser()
    transact(lambda draft: draft.delete(SESSIONS, name))
    back = request.form.get("next", "")
    return go(back if back.startswith("/") and not back.startswith(("//", "/\\")) and back.isprintable() else "/")
