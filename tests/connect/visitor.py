"""A person in front of the vendors' pages without a browser: keeps cookies, follows redirects, fills forms in."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx

from scenarios import accounts
from simulators.engine import instants
from simulators.engine.draft import Draft
from simulators.engine.transport import WorldTransport
from simulators.engine.world import World
from simulators.pagerduty import account, oauth
from simulators.pagerduty.api import sites as pagerduty_sites
from simulators.pagerduty.component import PagerDuty
from simulators.pagerduty.model import Knobs
from simulators.thousandeyes import commands
from simulators.thousandeyes.api import sites as thousandeyes_sites
from simulators.thousandeyes.component import ThousandEyes

START = instants.parse("2026-03-02T09:00:00Z")
THOUSANDEYES = oauth.PRESETS[0]
MAIL_ONLY, SHOP = "PMAIL01", "PSHOP01"


def services() -> dict[str, Any]:
    """Return the fixed account with two more services, one of which creates no alerts."""
    made = accounts.fixed()
    first = made["services"][0]
    for id, name, creates in ((SHOP, "Shop", "create_alerts_and_incidents"), (MAIL_ONLY, "Mail", "create_incidents")):
        made["services"].append({**first, "id": id, "name": name, "alert_creation": creates, "integrations": []})
    return made


class Form(HTMLParser):
    """The forms of a page: for each its action and what its fields hold."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.forms: list[tuple[str, dict[str, str], list[tuple[str, str, bool]]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append((given.get("action", ""), {}, []))
        elif tag == "input" and self.forms:
            _, held, offered = self.forms[-1]
            if given.get("type") == "hidden":
                held[given["name"]] = given.get("value", "")
            else:
                offered.append((given.get("name", ""), given.get("value", ""), "disabled" in given))


class Visitor:
    """One person's browser, as far as forms need one; ``page`` is what it shows, ``trail`` where it has been."""

    def __init__(self, transport: httpx.BaseTransport | None = None, **options: Any) -> None:
        self.http = httpx.Client(transport=transport, trust_env=False, **options)
        self.page = httpx.Response(204)
        self.trail: list[str] = []

    def open(self, url: str, stop: str = "") -> httpx.Response:
        """Ask for a page, following redirects, but none to a URL that begins with ``stop``."""
        return self._follow(self.http.get(url), stop)

    def fill(self, stop: str = "", form: str = "", **fields: Any) -> httpx.Response:
        """Fill in the form that has a field or action called ``form`` (the first otherwise) and send it."""
        return self._follow(self.send(form, fields), stop)

    def send(self, form: str, fields: Mapping[str, Any]) -> httpx.Response:
        """Send a form of the page as it is filled in here."""
        found = [entry for entry in Form(self.page.text).forms if "/logout" not in entry[0]]
        chosen = [entry for entry in found if not form or form in entry[0] or form in [row[0] for row in entry[2]]]
        action, held, _ = chosen[0]
        return self.http.post(urljoin(str(self.page.url), action), data={**held, **fields})

    def offered(self, name: str) -> dict[str, bool]:
        """Return the values of a field's choices on the page, and whether each can be picked."""
        return {value: not off for _, _, rows in Form(self.page.text).forms for n, value, off in rows if n == name}

    def sign_in(self, user: str, stop: str = "") -> httpx.Response:
        """Choose who to be."""
        return self.fill(stop, form="/login", user=user)

    def _follow(self, answer: httpx.Response, stop: str) -> httpx.Response:
        while answer.is_redirect:
            where = urljoin(str(answer.url), answer.headers["Location"])
            self.trail.append(where)
            if stop and where.startswith(stop):
                return answer
            answer = self.http.get(where)
        self.page = answer
        return answer

    def close(self) -> None:
        """Let go of connections."""
        self.http.close()


def query(url: str) -> dict[str, str]:
    """Return the query parameters of a URL, each given once."""
    return {name: value for name, (value,) in parse_qs(urlsplit(url).query, keep_blank_values=True).items()}


class Town:
    """Both vendors in one world, spoken to by the vendors' own host names."""

    def __init__(self, made: dict[str, Any] | None = None, **knobs: Any) -> None:
        self.world = World(
            seed=1, start=START, components=[ThousandEyes(), PagerDuty()], knobs=[Knobs(**knobs)] if knobs else ()
        )
        for host, site in (thousandeyes_sites() | pagerduty_sites()).items():
            self.world.serve(host, site)
        self.do(commands.open_account)
        self.do(account.load, services() if made is None else made)

    def do(self, verb: Any, *args: Any, **kwargs: Any) -> Any:
        """Carry out a verb as one decision."""

        def decide(draft: Draft) -> Any:
            return verb(draft, *args, **kwargs)

        return self.world.transact(decide)

    def visitor(self) -> Visitor:
        """Return somebody with a browser of their own."""
        return Visitor(WorldTransport(self.world))

    def ask(self, method: str, url: str, body: Any = None, **headers: str) -> httpx.Response:
        """Make one request with a JSON body and no cookies."""
        content = None if body is None else json.dumps(body)
        return self.world.client.request(
            method, url, content=content, headers={"Content-Type": "application/json", **headers}
        )

    def told(self, kind: str) -> list[Any]:
        """Return the journal's entries of a kind."""
        return [entry.data for entry in self.world.journal if entry.kind == kind]
