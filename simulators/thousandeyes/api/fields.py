"""Words for writing down fields in few lines, shared by the rows of the resource table."""

from __future__ import annotations

from simulators.engine.resources import Field, Kind


def text(name: str, *, required: bool = False, most: int | None = None, default: str | None = None) -> Field:
    """Return a field for a text of at most ``most`` characters."""
    return Field(name, required=required, max_length=most, default=default)


def secret(name: str, *, required: bool = False) -> Field:
    """Return a field for a text that never comes back."""
    return Field(name, required=required, write_only=True)


def flag(name: str, default: bool | None = None) -> Field:
    """Return a field for true or false."""
    return Field(name, Kind.BOOLEAN, default=default)


def one_of(name: str, *choices: str, default: str | None = None, required: bool = False) -> Field:
    """Return a field for one of some words."""
    return Field(name, choices=choices, default=default, required=required)


def whole(
    name: str, least: int | None = None, most: int | None = None, default: int | None = None, *, required: bool = False
) -> Field:
    """Return a field for an integer from ``least`` to ``most``."""
    return Field(name, Kind.INTEGER, minimum=least, maximum=most, default=default, required=required)


def seconds(name: str, *choices: int, required: bool = False) -> Field:
    """Return a field for one of some integers."""
    return Field(name, Kind.INTEGER, choices=choices, required=required)


def texts(name: str, *choices: str, required: bool = False, write_only: bool = False) -> Field:
    """Return a field for an array of texts, each one of ``choices`` when there are any."""
    return Field(
        name, Kind.ARRAY, required=required, write_only=write_only, items=Field("", nullable=False, choices=choices)
    )


def thing(name: str, *fields: Field, required: bool = False, write_only: bool = False) -> Field:
    """Return a field for an object with ``fields`` of its own (anything goes when there are none)."""
    return Field(name, Kind.OBJECT, required=required, write_only=write_only, fields=fields)


def things(name: str, *fields: Field, required: bool = False, write_only: bool = False) -> Field:
    """Return a field for an array of objects with ``fields``."""
    return Field(name, Kind.ARRAY, required=required, write_only=write_only, fields=fields)


def shown(*names: str) -> tuple[Field, ...]:
    """Return fields that only answers have; whatever is sent under these names is left aside."""
    return tuple(Field(name, Kind.ANY, read_only=True) for name in names)
