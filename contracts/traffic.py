"""Which contract governs which message on the wire, as one table, and what a history breaks.

The table is asked with where a message was seen, its direction, method, path and, for answers, status; where the sender
says what it is (a custom webhook), with that, too, and so for the request it becomes. The first row that fits decides.
Patterns are shell globs. A row without a contract says why. Whatever a vendor or the bridge says or hears and no row
covers is reported too, so that nothing escapes in silence. Hosts that belong to somebody else (a user's own receiver)
are theirs; what the simulators send to them is checked all the same.

A history is any iterable of entries shaped like those of a simulator's journal. What is sent to a host served in the
same history appears twice in it, once as sent and once as received, and both are looked at.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any, Protocol
from urllib.parse import urlsplit

from contracts import catalogue
from contracts.catalogue import Flaw

#: First words of the names of sites and senders that are held to a contract.
OURS = ("bridge", "pagerduty", "thousandeyes")


class Direction(StrEnum):
    """How a message shows in a history; the values are the kinds of entries."""

    SENT = "send"  # leaves a vendor for somebody
    REQUEST = "request"  # reaches a site
    ANSWER = "response"  # what the site said


class Entry(Protocol):
    """What is read of an entry of a history: its number, kind, subject (a site or sender), data and cause."""

    @property
    def seq(self) -> int:
        """The entry's number."""

    @property
    def kind(self) -> str:
        """What kind of entry it is; all but those of :class:`Direction` are passed over."""

    @property
    def subject(self) -> str:
        """The site, or for what is sent the sender."""

    @property
    def data(self) -> Mapping[str, Any]:
        """Method, path or URL, status and body, as the kind has them."""

    @property
    def cause(self) -> int:
        """For an answer, the number of its request."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row: ``contract`` names the schema, or ``why`` says why the message is held to none."""

    where: str
    direction: Direction
    method: str = "*"
    path: str = "*"
    status: str = "*"
    #: What the sender says it is; "" fits whatever it says.
    what: str = ""
    contract: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken rule of one message; ``str()`` is one line."""

    seq: int
    what: str
    contract: str
    flaw: Flaw

    def __str__(self) -> str:
        words = self.flaw.words.replace("\n", " ")
        return f"#{self.seq} {self.what} breaks {self.contract} at {self.flaw.pointer or 'the top'}: {words}"


_KINDS = frozenset(Direction)
_SENT, _REQUEST, _ANSWER = Direction.SENT, Direction.REQUEST, Direction.ANSWER
_ENQUEUE, _CHANGE, _V1 = "/v2/enqueue", "/v2/change/enqueue", "/generic/2010-04-15/create_event.json"
_EVENTS = "pagerduty-events"
_DESCRIBED = "the vendor publishes a description of this API; the conformance tests hold every answer to it"
_PEOPLE = "pages for people"
_TEMPLATE = "whoever wrote the template of a custom webhook decides what it says"

TABLE: tuple[Row, ...] = (
    # What ThousandEyes sends: its native integration to the events host, webhooks and requests for tokens to any URL.
    Row("thousandeyes", _SENT, "POST", what="custom-webhook", why=_TEMPLATE),
    Row("thousandeyes", _SENT, "POST", what="oauth-token", why="RFC 6749 governs it, not the vendor"),
    Row("thousandeyes", _SENT, "POST", "*" + _ENQUEUE, contract="pagerduty-event"),
    Row("thousandeyes", _SENT, "POST", contract="thousandeyes-webhook-current"),
    Row("pagerduty", _SENT, "POST", contract="pagerduty-webhook"),
    # The bridge.
    Row("bridge", _REQUEST, "POST", "/thousandeyes", what="custom-webhook", why=_TEMPLATE),
    Row("bridge", _REQUEST, "POST", "/thousandeyes", contract="thousandeyes-webhook"),
    Row("bridge", _REQUEST, "POST", "/pagerduty", contract="pagerduty-webhook"),
    Row("bridge", _REQUEST, "GET", why="health, readiness and figures carry no message"),
    Row("bridge", _ANSWER, why="senders of webhooks read the status and nothing else"),
    # PagerDuty's events host.
    Row(_EVENTS, _REQUEST, "POST", _ENQUEUE, contract="pagerduty-event"),
    Row(_EVENTS, _ANSWER, "POST", _ENQUEUE, "202", contract="pagerduty-event-accepted"),
    Row(_EVENTS, _REQUEST, "POST", _CHANGE, contract="pagerduty-change-event"),
    Row(_EVENTS, _ANSWER, "POST", _CHANGE, "202", contract="pagerduty-change-event-accepted"),
    Row(_EVENTS, _REQUEST, "POST", _V1, contract="pagerduty-event-v1"),
    Row(_EVENTS, _ANSWER, "POST", _V1, "200", contract="pagerduty-event-v1-accepted"),
    Row(_EVENTS, _ANSWER, "POST", "*", "400", contract="pagerduty-event-refused"),
    Row(_EVENTS, _ANSWER, "POST", "*", "413", contract="pagerduty-event-refused"),
    Row(_EVENTS, _ANSWER, "POST", "*", "429", contract="pagerduty-event-throttled"),
    Row(_EVENTS, _ANSWER, "*", "*", "[45]??", contract="pagerduty-event-failed"),
    # The REST APIs: errors are held to their envelope.
    Row("pagerduty-api", _ANSWER, "*", "*", "[45]??", contract="pagerduty-rest-error"),
    Row("pagerduty-api", _ANSWER, why=_DESCRIBED),
    Row("pagerduty-api", _REQUEST, why=_DESCRIBED),
    Row("thousandeyes-api", _ANSWER, "*", "*", "[45]??", contract="thousandeyes-problem"),
    Row("thousandeyes-api", _ANSWER, why=_DESCRIBED),
    Row("thousandeyes-api", _REQUEST, why=_DESCRIBED),
    # Pages.
    Row("pagerduty-web", _REQUEST, why=_PEOPLE),
    Row("pagerduty-web", _ANSWER, why=_PEOPLE),
    Row("thousandeyes-web", _REQUEST, why=_PEOPLE),
    Row("thousandeyes-web", _ANSWER, why=_PEOPLE),
)


@functools.lru_cache(maxsize=4096)
def row_for(where: str, direction: Direction, method: str, path: str, status: str, what: str = "") -> Row | None:
    """Return the row that decides about a message, or ``None`` when no row does."""
    for row in TABLE:
        if (
            row.where == where
            and row.direction is direction
            and row.what in {"", what}
            and fnmatchcase(method, row.method)
            and fnmatchcase(path, row.path)
            and fnmatchcase(status, row.status)
        ):
            return row
    return None


def ours(where: str) -> bool:
    """Return whether a site or sender of this name is held to a contract."""
    return where.split("-")[0] in OURS


def _path(url: str) -> str:
    """Return the path of an address, "" when it is none: such a request never arrived anywhere."""
    try:
        return urlsplit(url).path
    except ValueError:
        return ""


def violations(history: Iterable[Entry]) -> list[Violation]:
    """Return everything the messages of a history break, in order.

    An answer whose request is no longer in the history (a bounded journal drops its oldest entries) is passed over,
    because nothing says what it was an answer to.
    """
    found: list[Violation] = []
    asked: dict[int, tuple[str, str]] = {}
    known: dict[tuple[str, str], list[Flaw]] = {}
    said: dict[int, str] = {}
    for entry in history:
        if entry.kind == _SENT and "what" in entry.data:
            said[entry.seq] = str(entry.data["what"])
        if entry.kind not in _KINDS or not ours(entry.subject):
            continue
        direction, data, status = Direction(entry.kind), entry.data, ""
        if direction is _ANSWER:
            if entry.cause not in asked:
                continue
            method, path = asked[entry.cause]
            status = str(data["status"])
        elif direction is _REQUEST:
            method, path = asked[entry.seq] = (str(data["method"]), str(data["path"]))
        else:
            method, path = str(data["method"]), _path(str(data["url"]))
        what = " ".join(part for part in (direction.value, entry.subject, method, path, status) if part)
        special = said.get(entry.seq if direction is _SENT else entry.cause, "")
        row = row_for(entry.subject, direction, method, path, status, special)
        if row is None:
            found.append(Violation(entry.seq, what, "the table", Flaw("", "no row covers this message")))
        elif row.contract:
            body = str(data["body"])
            if (row.contract, body) not in known:
                known[row.contract, body] = catalogue.flaws(row.contract, body)
            found.extend(Violation(entry.seq, what, row.contract, flaw) for flaw in known[row.contract, body])
    return found
