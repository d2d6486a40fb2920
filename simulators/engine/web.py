"""Flask plumbing both vendors share: finding the world, JSON in and out, credentials, paging, errors, request ids.

An application is made once per process and serves any world: the world arrives in the WSGI environ (see
:class:`simulators.engine.transport.Site`). How a vendor words its refusals is its :class:`Dialect`; everything that
goes wrong in a route ends up as one of the dialect's answers, never as a traceback.
"""

from __future__ import annotations

import base64
import json
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Rule

from simulators.engine import ids
from simulators.engine.draft import Draft
from simulators.engine.errors import Refused
from simulators.engine.transport import SITE, WORLD
from simulators.engine.wire import read_json
from simulators.engine.world import World

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


class Dialect(Protocol):
    """How a vendor words what every web API has to say."""

    def not_found(self) -> Refused:
        """No such path."""

    def method_not_allowed(self) -> Refused:
        """The path exists, the method does not."""

    def bad_request(self, reason: str) -> Refused:
        """The request cannot be read; ``reason`` is a few words."""

    def too_large(self) -> Refused:
        """The body is too large."""

    def failed(self) -> Refused:
        """The simulator itself failed."""

    def headers(self) -> Mapping[str, str]:
        """Headers of every answer."""


class Route(Rule):
    """A rule that learns to build URLs when it first has to: nobody here does, and it is nine tenths of its cost."""

    def _compile_builder(self, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        eager = super()._compile_builder

        def build(rule: Rule, **values: Any) -> tuple[str, str]:
            return eager(append_unknown)(rule, **values)

        return build


def vendor_app(name: str, dialect: Dialect, show: Callable[[str, int], Response] | None = None) -> Flask:
    """Return an application without routes whose every refusal speaks ``dialect``.

    ``show`` makes a page of a refusal that is a sentence, given with its status; all others are JSON.
    """
    app = Flask(name, static_folder=None)
    app.url_rule_class = Route
    app.url_map.strict_slashes = False
    http_errors: dict[int, Callable[[], Refused]] = {
        404: dialect.not_found,
        405: dialect.method_not_allowed,
        413: dialect.too_large,
    }

    @app.errorhandler(Refused)
    def refused(error: Refused) -> Response:
        if show is not None and isinstance(error.body, str):
            return show(error.body, error.status)
        return answer(error.body, error.status, error.headers)

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> Response:
        wording = http_errors.get(error.code or 500)
        refusal = wording() if wording else dialect.bad_request(error.description or "bad request")
        return refused(refusal)

    @app.errorhandler(Exception)
    def failed(error: Exception) -> Response:
        lines = traceback.format_exception(error)
        world().record("error", request.environ[SITE], error=repr(error), trace="".join(lines))
        return refused(dialect.failed())

    @app.after_request
    def finish(response: Response) -> Response:
        for header, value in dialect.headers().items():
            response.headers.setdefault(header, value)
        return response

    return app


def world() -> World:
    """Return the world this request is addressed to."""
    found: World = request.environ[WORLD]
    return found


def transact(verb: Callable[..., ResultT], *args: Any, **kwargs: Any) -> ResultT:
    """Run ``verb(draft, *args, **kwargs)`` as one decision of this request's world."""

    def decide(draft: Draft) -> ResultT:
        return verb(draft, *args, **kwargs)

    return world().transact(decide)


def request_id() -> str:
    """Return this request's id, derived from its place in the journal."""
    here = world()
    return ids.uuid(here.seed, "request.id", here.cause)


def answer(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return JSON ``body`` (``None`` = empty) as a response; ``Content-Type`` may be overridden in ``headers``."""
    content = b"" if body is None else json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    response = Response(content, status, content_type=None if body is None else "application/json")
    if headers:
        response.headers.update(headers)
    return response


def json_body() -> Any:
    """Return the request's JSON body; raises :class:`ValueError` when it is not JSON by the book or not UTF-8."""
    return read_json(request.get_data(cache=True))


def credentials() -> tuple[str, str] | None:
    """Return the scheme (lower case) and the rest of the ``Authorization`` header, or ``None``."""
    header = request.headers.get("Authorization", "")
    scheme, _, rest = header.partition(" ")
    return (scheme.lower(), rest.strip()) if rest.strip() else None


@dataclass(frozen=True, slots=True)
class Page(Generic[ItemT]):
    """Part of a list: ``items`` from ``offset``, at most ``limit``; ``more`` says whether the list goes on."""

    items: list[ItemT]
    limit: int
    offset: int
    more: bool
    total: int


def page(items: Sequence[ItemT], limit: int, offset: int) -> Page[ItemT]:
    """Return the part of ``items`` that starts at ``offset``."""
    part = list(items[offset : offset + limit])
    return Page(part, limit, offset, offset + len(part) < len(items), len(items))


def encode_cursor(state: Mapping[str, Any]) -> str:
    """Return an opaque cursor that stands for ``state``."""
    return base64.urlsafe_b64encode(json.dumps(state, sort_keys=True).encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> dict[str, Any]:
    """Return the state behind a cursor; raises :class:`ValueError` for anything not made by :func:`encode_cursor`."""
    state = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    if not isinstance(state, dict):
        raise ValueError("not a cursor")
    return state
