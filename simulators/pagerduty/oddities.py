"""Oddities of the wire that users report, by name: each is a fault of the engine with the vendor's own words in it.

What the vendor does by default or by a knob stands where it belongs; this table holds what happens now and then to a
request that was right: a gateway in between, an error of another shape, a lock that somebody else holds, a webhook that
comes twice. The control plane puts one into force under its name (``POST /_sim/oddities``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from simulators.engine import faults
from simulators.engine.draft import Draft
from simulators.engine.errors import Refused
from simulators.engine.faults import Fault, FaultKind
from simulators.pagerduty.model import API

_HTML = "<html><head><title>{0}</title></head><body><center><h1>{0}</h1></center></body></html>"
_JSON = (("Content-Type", "application/json"),)
_HOST = API.removeprefix("https://")


def _answer(status: int, body: Any = "", method: str = "*", path: str = "*") -> Fault:
    """Return a fault of the REST host that answers a request in its place: HTML for a text, else JSON."""
    text = isinstance(body, str)
    headers = (("Content-Type", "text/html"),) if text else _JSON
    written = body if text else json.dumps(body)
    return Fault("", FaultKind.STATUS, _HOST, path, method, status=status, headers=headers, body=written)


def _error(error: Any) -> Fault:
    return _answer(400, {"error": error})


def _worded(errors: Any) -> Fault:
    return _error({"message": "Invalid Input Provided", "code": 2001, "errors": errors})


@dataclass(frozen=True, slots=True)
class Oddity:
    """What is reported, and the shapes it comes in."""

    about: str
    shapes: Mapping[str, Fault]


ODDITIES: Mapping[str, Oddity] = {
    "error_shape": Oddity(
        "a refusal whose errors, or the error itself, are not the documented list or object",
        {
            "errors_string": _worded("Name has already been taken"),
            "errors_object": _worded({"name": ["has already been taken"]}),
            "errors_null": _worded(None),
            "error_string": _error("Name has already been taken"),
            "error_array": _error(["Name has already been taken"]),
        },
    ),
    "gateway": Oddity(
        "something in front of the API answers or hangs up in its place",
        {
            "html_502": _answer(502, _HTML.format("502 Bad Gateway")),
            "html_503": _answer(503, _HTML.format("503 Service Temporarily Unavailable")),
            "html_504": _answer(504, _HTML.format("504 Gateway Time-out")),
            "bare_429": _answer(429),
            "going_away": Fault("", FaultKind.REFUSE, _HOST),
        },
    ),
    "lock": Oddity(
        "users that are created side by side hold each other up",
        {
            "users": _answer(
                400,
                {"error": {"message": "Invalid Input Provided", "code": 2001, "errors": ["User could not be locked"]}},
                "POST",
                "/users",
            ),
        },
    ),
    "dup_webhook": Oddity(
        "a webhook arrives twice with the same id",
        {"twice": Fault("", FaultKind.DUPLICATE, "*", "*", "POST")},
    ),
}


def listed() -> list[dict[str, Any]]:
    """Return the table as JSON."""
    return [{"name": name, "about": row.about, "shapes": [*row.shapes]} for name, row in ODDITIES.items()]


def put_into_force(draft: Draft, name: str, shape: str | None = None, host: str | None = None, times: int = 1) -> Fault:
    """Put an oddity into force for so many requests; ``shape`` defaults to its first, ``host`` to the REST host.

    Refuses (400) an unknown name or shape, and a duplicated webhook without the ``host`` it goes to.
    """
    oddity = ODDITIES.get(name)
    if oddity is None:
        raise Refused(400, {"error": f"{name!r} is no oddity; known are {', '.join(ODDITIES)}"})
    fault = oddity.shapes.get(shape or next(iter(oddity.shapes)))
    if fault is None:
        raise Refused(400, {"error": f"{name} comes as {', '.join(oddity.shapes)}"})
    if fault.host == "*" and not host:
        raise Refused(400, {"error": f"{name} needs the host of the receiver"})
    return faults.add(draft, replace(fault, host=host or fault.host, times=times))
