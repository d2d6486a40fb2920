"""The catalogue of contracts: one JSON Schema (2020-12) per kind of message, and what is wrong with a message.

A schema is named after its file: ``pagerduty-event`` is what a monitoring tool posts, ``pagerduty-event-accepted`` what
it is answered. Each says in ``source`` where its rules come from. Schemas refer to one another by their ``$id`` and are
compiled once per process. A body that is not JSON is checked as a text, which most contracts refuse.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator

PREFIX = "urn:pagedrill:contract:"
MAX_WORDS = 200


@dataclass(frozen=True, slots=True)
class Flaw:
    """One thing wrong with a message: ``pointer`` (RFC 6901) is where, ``words`` say what."""

    pointer: str
    words: str


@functools.cache
def schemas() -> Mapping[str, Mapping[str, Any]]:
    """Return every schema by name."""
    folder = resources.files("contracts").joinpath("schemas")
    files = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".json")), key=lambda entry: entry.name)
    return {entry.name.removesuffix(".json"): json.loads(entry.read_text(encoding="utf-8")) for entry in files}


@functools.cache
def validator(name: str) -> Draft202012Validator:
    """Return the compiled schema ``name``; raises :class:`KeyError` when there is none."""
    # Imported here: whoever only reads the ledger, or runs a stage without verifying it, does not pay for it.
    from jsonschema import Draft202012Validator
    from referencing import Registry, Resource

    known: list[tuple[str, Resource[Any]]] = [
        (schema["$id"], Resource.from_contents(schema)) for schema in schemas().values()
    ]
    return Draft202012Validator(schemas()[name], registry=Registry().with_resources(known))


def parse(body: str | bytes) -> Any:
    """Return what a body says: its JSON value, or the text itself when it is not JSON."""
    text = body if isinstance(body, str) else body.decode(errors="replace")
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return text


def flaws(name: str, body: str | bytes) -> list[Flaw]:
    """Return everything the contract ``name`` finds wrong with a message, in order of place."""
    return sorted(_flaws(name, parse(body)), key=lambda flaw: (flaw.pointer, flaw.words))


def _flaws(name: str, message: Any) -> Iterator[Flaw]:
    from jsonschema.exceptions import best_match

    for error in validator(name).iter_errors(message):
        # Of alternatives none of which fits, the one that came closest says more than that none did.
        deepest = best_match([error]) or error
        pointer = "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in deepest.absolute_path)
        words = deepest.message
        yield Flaw(pointer, words if len(words) <= MAX_WORDS else words[: MAX_WORDS - 1] + "…")


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
