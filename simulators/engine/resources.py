"""The resource table's vocabulary: what a field of a vendor's resource may hold, and one check for all of them.

Each vendor describes its resources as rows of :class:`Resource`; creating, reading, updating, the served OpenAPI
description and the coverage table are all driven by those rows. A configuration resource is stored as a
:class:`Document`: the vendor's own JSON, unknown fields kept, frozen all the way down.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NoReturn


class Kind(StrEnum):
    """JSON types a field may have."""

    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    OBJECT = "object"
    ARRAY = "array"
    ANY = "any"


class Trouble(StrEnum):
    """What is wrong with a field."""

    MISSING = "missing"
    BLANK = "blank"
    TYPE = "type"
    TOO_LONG = "too long"
    TOO_SHORT = "too short"
    NOT_ALLOWED = "not allowed"
    TOO_SMALL = "too small"
    TOO_LARGE = "too large"


@dataclass(frozen=True, slots=True)
class Field:
    """One field: its JSON kind and limits. ``choices`` lists the allowed values, ``fields`` describes an object's (or
    an array item's) own fields, ``items`` an array's items that are no objects, ``default`` is used on create when the
    field is left out (``None`` = leave out)."""

    name: str
    kind: Kind = Kind.STRING
    required: bool = False
    read_only: bool = False
    write_only: bool = False
    nullable: bool = True
    choices: tuple[Any, ...] = ()
    min_length: int = 0
    max_length: int | None = None
    minimum: float | None = None
    maximum: float | None = None
    default: Any = None
    fields: tuple[Field, ...] = ()
    items: Field | None = None
    unique: bool = False
    description: str = ""


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind of resource: how it is called and addressed, its fields, and how its list behaves.

    ``singular`` and ``plural`` are the wrapper keys, ``path`` the collection's path with ``{parent}`` placeholders,
    ``verbs`` which of create/read/update/delete/list exist, ``extra`` vendor-specific settings.
    """

    singular: str
    plural: str
    path: str
    fields: tuple[Field, ...]
    verbs: tuple[str, ...] = ("list", "create", "read", "update", "delete")
    paging: str = "classic"
    include: tuple[str, ...] = ()
    filters: tuple[str, ...] = ()
    sort: tuple[str, ...] = ()
    from_header: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)

    def field(self, name: str) -> Field | None:
        """Return the field of this name, or ``None``."""
        return next((entry for entry in self.fields if entry.name == name), None)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a body: dotted ``path``, what, and the value found."""

    path: str
    trouble: Trouble
    field: Field
    value: Any = None


@dataclass(frozen=True, slots=True)
class Document:
    """A configuration resource: the vendor's JSON ``body`` (frozen), when it was made and changed, and its owner.

    ``id`` is unique within the table, ``kind`` is the resource's singular name, ``parent`` the id of the resource it
    belongs to or ``""``; times are microseconds UTC.
    """

    id: str
    kind: str
    body: Mapping[str, Any]
    created: int
    updated: int
    parent: str = ""


class Frozen(dict[str, Any]):
    """A JSON object that cannot be changed; ``json.dumps`` writes it like any dict."""

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError("this JSON object is frozen; make a changed copy instead")

    __setitem__ = __delitem__ = clear = pop = popitem = setdefault = update = _refuse


def freeze(value: Any) -> Any:
    """Return JSON ``value`` with every object and array frozen (objects stay dicts, arrays become tuples)."""
    kind = type(value)
    if kind is str or kind is int or kind is Frozen:  # the common cases first: every event passes here
        return value
    if kind is dict or isinstance(value, Mapping):
        return Frozen({key: freeze(entry) for key, entry in value.items()})
    if isinstance(value, (list, tuple)):
        return tuple(freeze(entry) for entry in value)
    return value


def thaw(value: Any) -> Any:
    """Return a changeable copy of frozen JSON."""
    if isinstance(value, Mapping):
        return {key: thaw(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [thaw(entry) for entry in value]
    return value


_TYPES: dict[Kind, tuple[type, ...]] = {
    Kind.STRING: (str,),
    Kind.INTEGER: (int,),
    Kind.NUMBER: (int, float),
    Kind.BOOLEAN: (bool,),
    Kind.OBJECT: (dict,),
    Kind.ARRAY: (list, tuple),
}


def check(fields: Sequence[Field], body: Mapping[str, Any], *, partial: bool = False) -> list[Problem]:
    """Return what is wrong with ``body``; ``partial`` does not ask for required fields (an update that merges)."""
    return list(_check(fields, body, "", partial))


def _check(fields: Sequence[Field], body: Mapping[str, Any], prefix: str, partial: bool) -> list[Problem]:
    problems: list[Problem] = []
    for entry in fields:
        path = prefix + entry.name
        if entry.read_only:
            continue
        if entry.name not in body:
            if entry.required and not partial:
                problems.append(Problem(path, Trouble.MISSING, entry))
            continue
        problems.extend(_check_value(entry, body[entry.name], path))
    return problems


def _check_value(entry: Field, value: Any, path: str) -> list[Problem]:
    if value is None:
        blank = entry.required or not entry.nullable
        return [Problem(path, Trouble.BLANK, entry)] if blank else []
    if entry.kind is not Kind.ANY:
        wrong_bool = isinstance(value, bool) and entry.kind is not Kind.BOOLEAN
        if wrong_bool or not isinstance(value, _TYPES[entry.kind]):
            return [Problem(path, Trouble.TYPE, entry, value)]
    if entry.choices and value not in entry.choices:
        return [Problem(path, Trouble.NOT_ALLOWED, entry, value)]
    if isinstance(value, (str, list, tuple)):
        if entry.required and not value:
            return [Problem(path, Trouble.BLANK, entry, value)]
        if len(value) < entry.min_length:
            return [Problem(path, Trouble.TOO_SHORT, entry, value)]
        if entry.max_length is not None and len(value) > entry.max_length:
            return [Problem(path, Trouble.TOO_LONG, entry, value)]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if entry.minimum is not None and value < entry.minimum:
            return [Problem(path, Trouble.TOO_SMALL, entry, value)]
        if entry.maximum is not None and value > entry.maximum:
            return [Problem(path, Trouble.TOO_LARGE, entry, value)]
    if entry.items is not None and isinstance(value, (list, tuple)):
        return [
            problem
            for place, item in enumerate(value)
            for problem in _check_value(entry.items, item, f"{path}[{place}]")
        ]
    if entry.fields and isinstance(value, Mapping):
        return _check(entry.fields, value, path + ".", False)
    if entry.fields and isinstance(value, (list, tuple)):
        problems = []
        for place, item in enumerate(value):
            where = f"{path}[{place}]"
            if isinstance(item, Mapping):
                problems.extend(_check(entry.fields, item, where + ".", False))
            else:
                problems.append(Problem(where, Trouble.TYPE, entry, item))
        return problems
    return []


def with_defaults(fields: Sequence[Field], body: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``body`` completed by the defaults of fields that were left out."""
    completed = {entry.name: entry.default for entry in fields if entry.default is not None}
    completed.update(body)
    return completed
