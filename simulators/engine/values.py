"""Frozen dataclasses that are quick to make.

The standard library's frozen dataclass writes each field through ``object.__setattr__``: of opening an incident, which
makes some twenty values, that was a sixth. Here a value is filled while it is an ordinary dataclass and then becomes
what it stays: of a class with the same slots that refuses to be written to. To readers and type checkers
:func:`dataclass` is the standard library's, for classes that are frozen, have slots and inherit from no other.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, NoReturn

__all__ = ["dataclass"]


def _refuse(value: Any, name: str, *_: Any) -> NoReturn:
    raise dataclasses.FrozenInstanceError(f"cannot change field {name!r} of {type(value).__name__}")


def _reduced(value: Any) -> tuple[type, tuple[Any, ...]]:
    """Return how to make an equal value, for copies and pickles."""
    return type(value), tuple(getattr(value, field.name) for field in dataclasses.fields(value))


if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(*, frozen, slots, eq=True):
        """Return the decorator; ``frozen`` and ``slots`` stand where it is used, to be read, and are always true."""
        if not frozen or not slots:
            raise TypeError("use the standard library's dataclass for what is not frozen or has no slots")

        def decorate(described):
            filled = dataclasses.dataclass(slots=True, eq=eq, unsafe_hash=eq)(described)

            def make(sealed, *args, **kwargs):
                value = filled(*args, **kwargs)
                value.__class__ = sealed
                return value

            names = {name: getattr(described, name) for name in ("__module__", "__qualname__", "__doc__")}
            names |= {"__slots__": (), "__new__": make, "__init__": object.__init__, "__reduce__": _reduced}
            names |= {"__setattr__": _refuse, "__delattr__": _refuse}
            return type(described.__name__, (filled,), names)

        return decorate
