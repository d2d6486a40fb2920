"""Reading from the ThousandEyes API v7, politely.

The organisation's 240 requests a minute belong to everybody, so a run has a budget, stops early when the headers say
that little is left, and says when to go on. Links in answers are read for the ids in them and never followed: every
request goes to the configured host.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from bridge.config import SECOND, Reconciliation
from bridge.delivery import TRANSPORT_ERRORS
from bridge.messages import text

MAX_ANSWER = 20_000_000
MAX_PAGES = 200
#: Requests left for others when a run stops early.
RESERVE = 20
REMAINING = "X-Organization-Rate-Limit-Remaining"
RESET = "X-Organization-Rate-Limit-Reset"
_ID = re.compile(r"[A-Za-z0-9-]{1,100}")
_TEST = re.compile(r"/v7/tests/([a-z-]{1,40})/([A-Za-z0-9-]{1,100})")


class ApiProblem(Exception):
    """The API did not answer as it should; ``again_at`` says when to go on, if it was said."""

    def __init__(self, words: str, *, status: int | None = None, again_at: int | None = None) -> None:
        super().__init__(words)
        self.status = status
        self.again_at = again_at


class Api:
    """The API as one run sees it; ``budget`` requests at most, ``now`` in microseconds UTC."""

    def __init__(self, client: httpx.Client, settings: Reconciliation, now: int, budget: int | None = None) -> None:
        self.requests = 0
        self._client = client
        self._settings = settings
        self._now = now
        self._budget = settings.requests_per_minute if budget is None else budget
        self._left: int | None = None
        self._reset_at: int | None = None

    def alerts(self, group: str | None, **filters: str) -> Iterator[Mapping[str, Any]]:
        """Yield alerts page by page; ``filters`` are the parameters of the list (state, startDate, endDate)."""
        parameters = dict(filters)
        for _ in range(MAX_PAGES):
            page = self.get("/alerts", group, **parameters)
            items = page.get("alerts")
            yield from (item for item in items if isinstance(item, dict)) if isinstance(items, list) else ()
            following = _next(page)
            if following is None:
                return
            parameters = following
        raise ApiProblem(f"the list of alerts does not end after {MAX_PAGES} pages")

    def alert(self, group: str | None, alert_id: str) -> Mapping[str, Any] | None:
        """Return one alert with its locations, ``None`` when the API does not know it."""
        return self._one(f"/alerts/{_safe(alert_id)}", group)

    def rule(self, group: str | None, rule_id: str) -> Mapping[str, Any] | None:
        """Return a rule with its notifications and tests, ``None`` when there is none."""
        return self._one(f"/alerts/rules/{_safe(rule_id)}", group)

    def rules(self, group: str | None) -> list[Mapping[str, Any]]:
        """Return all rules, without their notifications."""
        items = self.get("/alerts/rules", group).get("alertRules")
        return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []

    def test(self, group: str | None, alert: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Return the test an alert is about, with its labels, ``None`` when there is none."""
        links = alert.get("_links")
        link = links.get("test") if isinstance(links, dict) else None
        href = link.get("href") if isinstance(link, dict) else None
        found = _TEST.fullmatch(urlsplit(href).path) if isinstance(href, str) else None
        return None if found is None else self._one(f"/tests/{found[1]}/{found[2]}", group, expand="label")

    def get(self, path: str, group: str | None = None, **parameters: str) -> dict[str, Any]:
        """Return the JSON object at ``path``; raise :class:`ApiProblem` for everything else."""
        self._spend()
        if group is not None:
            parameters["aid"] = group
        token = self._settings.token
        secret = "" if token is None else token.value
        try:
            with self._client.stream(
                "GET",
                self._settings.api_url + path,
                params=parameters,
                headers={"Authorization": f"Bearer {secret}", "Accept": "application/hal+json, application/json"},
                follow_redirects=False,
            ) as response:
                status, headers, body = response.status_code, response.headers, _read(response)
        except TRANSPORT_ERRORS as error:
            words = text(str(error))
            raise ApiProblem(f"{type(error).__name__}: {words.replace(secret, '***') if secret else words}") from None
        self._note_limits(headers)
        if status == 429:
            again = self._reset_at or self._now + 60 * SECOND
            raise ApiProblem("HTTP 429, the organisation's rate limit is used up", status=status, again_at=again)
        if status != 200:
            raise ApiProblem(f"HTTP {status} for GET {path}", status=status)
        try:
            document = json.loads(body)
        except (ValueError, RecursionError):
            raise ApiProblem(f"GET {path} did not answer JSON", status=status) from None
        if not isinstance(document, dict):
            raise ApiProblem(f"GET {path} did not answer a JSON object", status=status)
        return document

    # -- inside ----------------------------------------------------------------------------------------------------

    def _one(self, path: str, group: str | None, **parameters: str) -> Mapping[str, Any] | None:
        try:
            found = self.get(path, group, **parameters)
        except ApiProblem as problem:
            if problem.status == 404:
                return None
            raise
        # Some operations answer an empty object for what they do not know.
        return found or None

    def _spend(self) -> None:
        if self.requests >= self._budget:
            raise ApiProblem("the budget of this run is spent, going on in a minute", again_at=self._now + 60 * SECOND)
        if self._left is not None and self._left < RESERVE:
            again = self._reset_at or self._now + 60 * SECOND
            raise ApiProblem("little is left of the organisation's rate limit, going on later", again_at=again)
        self.requests += 1

    def _note_limits(self, headers: httpx.Headers) -> None:
        left, reset = headers.get(REMAINING, ""), headers.get(RESET, "")
        self._left = int(left) if re.fullmatch(r"[0-9]{1,9}", left) else None
        if re.fullmatch(r"[0-9]{1,12}", reset):
            # A reset that is long past or far ahead says more about a clock than about the limit.
            self._reset_at = min(max(int(reset) * SECOND, self._now + SECOND), self._now + 300 * SECOND)


def _next(page: Mapping[str, Any]) -> dict[str, str] | None:
    """Return the parameters of the next page: those of the link, whatever host it names."""
    links = page.get("_links")
    link = links.get("next") if isinstance(links, dict) else None
    href = link.get("href") if isinstance(link, dict) else None
    if not isinstance(href, str):
        return None
    return {name: values[-1] for name, values in parse_qs(urlsplit(href).query).items() if name != "aid"}


def _safe(identity: str) -> str:
    if not _ID.fullmatch(identity):
        raise ApiProblem(f"an id with unexpected characters: {identity[:40]!r}")
    return identity


def _read(response: httpx.Response) -> bytes:
    content = b""
    for part in response.iter_bytes():
        content += part
        if len(content) > MAX_ANSWER:
            raise ApiProblem("the answer is larger than anything sensible")
    return content
