"""Conditions as people write them: one table of keys for TOML documents and for the control plane.

    [[condition]]
    kind = "loss"
    test = "shop"                 # name or id; every test when left out
    agents = ["London"]           # names or ids of agents or BGP monitors
    regions = ["GB", "Oslo"]      # countries or places
    providers = ["AS 64496"]
    since = "10:00"               # or ISO 8601; now when left out
    until = "10:45"               # or for = "45m"; for good when left out
    value = 30
    ramp = "20m"

Further keys are ``parts``, ``period``, ``duty``, ``diurnal``, ``share``, ``noise`` and ``hop``, as in
:class:`~.model.Condition`. Whatever cannot be read raises :class:`ForecastError`, whose text is one line that names the
key and says what it must be.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from simulators.engine import instants
from simulators.engine.draft import View
from simulators.engine.errors import EngineError
from simulators.engine.tables import TableKey
from simulators.thousandeyes import monitors
from simulators.thousandeyes.conditions import MEANINGS
from simulators.thousandeyes.model import AGENTS, TESTS, Trouble

SHORTEST = 2 * instants.SECOND
Wish = Mapping[str, Any]


class ForecastError(EngineError, ValueError):
    """A condition that cannot be read, in one line."""


def read_document(view: View, text: str) -> list[dict[str, Any]]:
    """Return what :func:`~.commands.add_condition` takes for every ``[[condition]]`` of a TOML document, in order."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        raise ForecastError(f"not a TOML document: {problem}") from None
    for name in document:
        if name != "condition":
            raise ForecastError(f"{name!r} is not known here; conditions are written as [[condition]]")
    rows = document.get("condition", [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ForecastError("condition must be written as [[condition]], once for each")
    found = []
    for number, row in enumerate(rows, 1):
        try:
            found.append(read(view, row))
        except ForecastError as problem:
            raise ForecastError(f"condition {number}: {problem}") from None
    return found


def read(view: View, wish: Wish) -> dict[str, Any]:
    """Return what :func:`~.commands.add_condition` takes, from one wish."""
    unknown = next((name for name in wish if name not in KEYS), None)
    if unknown is not None:
        raise ForecastError(f"{unknown!r} is not known here; known are {', '.join(KEYS)}")
    kind = _kind(wish)
    found: dict[str, Any] = {"kind": kind, "value": _value(kind, wish)}
    found.update((name, reader(view, wish, name)) for name, reader in _READERS.items() if wish.get(name) is not None)
    begin = found.setdefault("since", view.now)
    if begin < view.now:
        raise ForecastError("since lies in the past, and what was measured cannot be changed any more")
    if wish.get("for") is not None:
        if "until" in found:
            raise ForecastError("until and for cannot both be given")
        found["until"] = begin + span(wish, "for")
    if found.get("until", begin) > instants.LATEST:
        raise ForecastError("it must end before virtual time does")
    if found.get("until", begin + 1) <= begin:
        raise ForecastError("until must come after since")
    return found


def _kind(wish: Wish) -> Trouble:
    kinds = ", ".join(Trouble)
    if wish.get("kind") not in tuple(Trouble):
        raise ForecastError(f"kind is one of {kinds}")
    return Trouble(wish["kind"])


def _value(kind: Trouble, wish: Wish) -> int:
    meaning, value = MEANINGS[kind], wish.get("value")
    if not meaning.unit:
        if value not in (None, 0) or isinstance(value, bool):
            raise ForecastError(f"a condition of kind {kind} has no value")
        return 0
    if value is None and meaning.default is not None:
        return meaning.default
    if not _is_whole(value, meaning.least, meaning.most):
        wanted = f"a whole number from {meaning.least} to {meaning.most}"
        raise ForecastError(f"a condition of kind {kind} needs {wanted} as its value ({meaning.unit})")
    return int(wish["value"])


def _is_whole(value: Any, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


# -- one key -----------------------------------------------------------------------------------------------------------


def _test(view: View, wish: Wish, name: str) -> str:
    return "*" if wish[name] == "*" else _named(view, TESTS, wish[name], "test")


def _named(view: View, table: TableKey[Any], wanted: Any, what: str) -> str:
    found = next((row.id for row in view.all(table) if wanted in (row.id, row.name)), None)
    if found is None:
        raise ForecastError(f"there is no {what} {wanted!r}")
    return str(found)


def _texts(view: View, wish: Wish, name: str) -> tuple[str, ...]:
    value = wish[name]
    if not isinstance(value, (list, tuple)) or not all(isinstance(entry, str) and entry for entry in value):
        raise ForecastError(f"{name} must be an array of texts")
    return tuple(value)


def _agents(view: View, wish: Wish, name: str) -> tuple[str, ...]:
    return tuple(_agent(view, wanted) for wanted in _texts(view, wish, name))


def _agent(view: View, wanted: str) -> str:
    monitor = next((row.id for row in monitors.monitors().values() if wanted in (row.id, row.name)), None)
    known = any(wanted in (row.id, row.name) for row in view.all(AGENTS))
    return monitor if monitor is not None and not known else _named(view, AGENTS, wanted, "agent")


def _instant(view: View, wish: Wish, name: str) -> int:
    value = wish[name]
    if not isinstance(value, str):
        raise ForecastError(f"{name} must be a clock time such as 10:30 or an ISO 8601 date-time, as a text")
    try:
        return instants.at_clock(value, view.now)
    except EngineError as problem:
        raise ForecastError(f"{name}: {problem}") from None


def span(wish: Wish, name: str) -> int:
    """Return a duration of a wish in microseconds."""
    value = wish.get(name)
    if not isinstance(value, str):
        raise ForecastError(f"{name} must be a duration such as 10m, as a text")
    try:
        found = instants.duration(value)
    except EngineError as problem:
        raise ForecastError(f"{name}: {problem}") from None
    if found < SHORTEST:
        raise ForecastError(f"{name} must be at least 2s")
    return found


def _duration(view: View, wish: Wish, name: str) -> int:
    return span(wish, name)


def _truth(view: View, wish: Wish, name: str) -> bool:
    if not isinstance(wish[name], bool):
        raise ForecastError(f"{name} must be true or false")
    return bool(wish[name])


def _number(least: int, most: int) -> Callable[[View, Wish, str], int]:
    def reader(view: View, wish: Wish, name: str) -> int:
        if not _is_whole(wish[name], least, most):
            raise ForecastError(f"{name} must be a whole number from {least} to {most}")
        return int(wish[name])

    return reader


_READERS: Mapping[str, Callable[[View, Wish, str], Any]] = {
    "test": _test,
    "agents": _agents,
    "regions": _texts,
    "providers": _texts,
    "parts": _texts,
    "since": _instant,
    "until": _instant,
    "period": _duration,
    "duty": _number(1, 99),
    "ramp": _duration,
    "diurnal": _truth,
    "share": _number(1, 100),
    "noise": _number(0, 100),
    "hop": _number(0, 30),
}
#: Keys that list texts, and keys that hold a number besides ``value``.
NAMES = ("regions", "providers", "parts")
NUMBERS = ("duty", "share", "noise", "hop")
KEYS: Iterable[str] = ("kind", "value", *_READERS, "for")
