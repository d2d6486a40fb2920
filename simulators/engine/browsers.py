"""Pages with forms: which browser is asking, whether a form is its own, and where a browser finds the other hosts.

A browser is told apart by a cookie, one for all hosts of a vendor: on one machine they differ by port only, and cookies
know no ports. A form carries a token that follows from that cookie, so that a page from elsewhere
can neither guess it nor send the cookie along (``SameSite=Lax``): what it makes a browser post is refused. Nothing here
is a secret of anybody's; the point is that flows behave towards browsers as the vendors' do. No page needs a script.
"""

from __future__ import annotations

import functools
import re
import secrets
from collections.abc import Iterable, Mapping
from urllib.parse import SplitResult, urlsplit

from flask import Response, request
from jinja2 import ChoiceLoader, Environment, PackageLoader, select_autoescape

from simulators.engine import ids
from simulators.engine.errors import Refused
from simulators.engine.transport import SITE
from simulators.engine.web import world

#: The hidden field of every form.
TOKEN = "form_token"  # noqa: S105 - a field's name
#: Names for this machine, which mean the same place.
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_SCRIPTS = ("javascript", "data", "vbscript", "blob", "file", "about")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*", re.ASCII)
_PLACE = re.compile(r"[a-z0-9.\-_\[\]:]+", re.ASCII | re.IGNORECASE)


class PageDialect:
    """How a host that serves pages words its refusals (see :class:`~simulators.engine.web.Dialect`): as sentences."""

    def not_found(self) -> Refused:
        """No such page."""
        return Refused(404, "There is no such page.")

    def method_not_allowed(self) -> Refused:
        """The page exists, the method does not."""
        return Refused(405, "This address does not take that method.")

    def bad_request(self, reason: str) -> Refused:
        """The request cannot be read."""
        return Refused(400, reason)

    def too_large(self) -> Refused:
        """The body is too large."""
        return Refused(413, "The request is too large.")

    def failed(self) -> Refused:
        """The simulator itself failed."""
        return Refused(500, "Something went wrong.")

    def headers(self) -> Mapping[str, str]:
        """No scripts, no frames, forms that lead home."""
        return security()


@functools.cache
def templates(package: str) -> Environment:
    """Return the templates of a package's ``pages``, with ``form.html`` for pages with forms to build on."""
    loaders = [PackageLoader(package, "pages"), PackageLoader("simulators.engine", "pages")]
    return Environment(loader=ChoiceLoader(loaders), autoescape=select_autoescape(), trim_blocks=True)


def _cookie() -> str:
    vendor, _, _ = str(request.environ[SITE]).partition("-")
    return f"pagedrill_{vendor}"


def browser() -> str:
    """Return the name of the browser that is asking, a fresh one when it has none yet."""
    return request.cookies.get(_cookie()) or fresh_browser()


def fresh_browser() -> str:
    """Return a name no browser had before; it follows from this request's place in the journal."""
    here = world()
    return ids.uuid(here.seed, "browser", here.cause)


def form_token(name: str) -> str:
    """Return what a form sent by the browser called ``name`` has to carry."""
    return ids.digest(world().seed, "browser.form", name).hex()


def check_form() -> None:
    """Refuse a form that this browser was not given by this world (403)."""
    known = request.cookies.get(_cookie(), "")
    sent = request.form.get(TOKEN, "")
    if not known or not secrets.compare_digest(sent.encode(), form_token(known).encode()):
        raise Refused(403, "This form has expired. Go back, reload the page and try again.")


def remember(response: Response, name: str) -> Response:
    """Let the browser keep its name; returns ``response``."""
    response.set_cookie(_cookie(), name, httponly=True, samesite="Lax", secure=request.is_secure)
    return response


def go(url: str) -> Response:
    """Send the browser somewhere else, to be asked for by GET."""
    return Response("", 303, {"Location": url}, content_type="text/plain")


def address(host: str) -> str:
    """Return the base URL at which this request's browser finds ``host``: another port of the machine it asks, or the
    vendor's own name when the world is not served through sockets."""
    base = world().addresses.get(host)
    if base is None:
        return f"https://{host}"
    parts, here = urlsplit(base), urlsplit("//" + request.host)
    if here.hostname is None or request.host in world().addresses:
        return base
    name = f"[{here.hostname}]" if ":" in here.hostname else here.hostname
    return f"{parts.scheme}://{name}:{parts.port}" if parts.port else base


def absolute(url: str) -> SplitResult | None:
    """Return the parts of a URL a browser may be sent to, ``None`` when it is not absolute or would run a script."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    if not url.isprintable() or not _SCHEME.fullmatch(parts.scheme) or parts.scheme in _SCRIPTS:
        return None
    if parts.scheme in ("http", "https") and not parts.hostname:
        return None
    return parts


def place(parts: SplitResult) -> tuple[str, str, int | None, str]:
    """Return what has to agree for two URLs to be the same page: scheme, host, port, path. Loopback has one name."""
    host = parts.hostname or ""
    return parts.scheme, "localhost" if host in _LOOPBACK else host, parts.port, parts.path or "/"


def security(targets: Iterable[str] = ()) -> dict[str, str]:
    """Return the headers of a page: no scripts, no frames, and forms that lead nowhere but home or to ``targets``."""
    allowed = ["'self'", *dict.fromkeys(origin for origin in map(_origin, targets) if origin)]
    policy = (
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'; "
        f"form-action {' '.join(allowed)}"
    )
    return {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
    }


def _origin(url: str) -> str:
    parts = absolute(url)
    if parts is None:
        return ""
    if parts.scheme not in ("http", "https"):
        return f"{parts.scheme}:"
    return f"{parts.scheme}://{parts.netloc}" if _PLACE.fullmatch(parts.netloc) else ""
