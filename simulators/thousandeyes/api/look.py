"""One location's look at a layer of a test, and how what was measured is written in test results.

A field names the measure it comes from and how that is written (milliseconds, per cent, Mbps ...); a measure that did
not take place leaves its field out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from simulators.engine.draft import View
from simulators.thousandeyes import routes, watching
from simulators.thousandeyes.expression import Value
from simulators.thousandeyes.model import Test

Row = dict[str, Any]
Values = Mapping[str, Value]
Fields = Mapping[str, tuple[str, Callable[[Any], Any]]]


@dataclass(frozen=True, slots=True)
class Look:
    """One location's look at a layer (and part) of a test in the round that starts at ``start`` microseconds.

    ``direction`` is the one asked for where agents measure both ways, ``page`` the number of a transaction's page.
    """

    view: View
    test: Test
    location: str
    start: int
    part: str = ""
    expand: tuple[str, ...] = ()
    direction: str = ""
    page: int | None = None

    @property
    def server_ip(self) -> str:
        """The address of what is tested."""
        return routes.address_of(self.view.seed, self.test.target)

    def measured(self, alert_type: str) -> Values:
        """Return what was measured of the layer that rules of ``alert_type`` look at."""
        return watching.measured(self.view, self.test, self.location, self.start, alert_type, self.part)


@dataclass(frozen=True, slots=True)
class LayerRows:
    """How the rows of a layer are made: from the measures of which alert type, which fields, and what else."""

    alert_type: Callable[[Test], str]
    fields: Fields = field(default_factory=dict)
    more: Callable[[Look, Values], Row] = lambda look, values: {}
    detail: Callable[[Look, Values], Row] | None = None


# -- how measures are written ------------------------------------------------------------------------------------------


def milliseconds(value: int) -> int:
    """Return microseconds in milliseconds."""
    return round(value / 1000)


def fraction(value: int) -> float:
    """Return thousandths as a number."""
    return round(value / 1000, 3)


def bytes_per_second(kbps: int) -> float:
    """Return kilobits per second in bytes per second."""
    return kbps * 1000 / 8


def same(value: Any) -> Any:
    """Return a measure as it is."""
    return value


def joined(value: tuple[str, ...]) -> str:
    """Return texts in one."""
    return ", ".join(value)


def whole(values: Values, name: str) -> int:
    """Return an integer measure, 0 where there is none."""
    value = values.get(name, 0)
    return value if isinstance(value, int) else 0


def words(values: Values, name: str) -> str:
    """Return a text measure, "" where there is none."""
    value = values.get(name, "")
    return value if isinstance(value, str) else ""


def times(*names: str) -> Fields:
    """Return fields for times in whole milliseconds, named like their measures."""
    return {name: (name, milliseconds) for name in names}


def fractions(*names: str) -> Fields:
    """Return fields for times in milliseconds and parts of them, named like their measures."""
    return {name: (name, fraction) for name in names}


def shares(values: Values, name: str) -> tuple[Mapping[str, Any], ...]:
    """Return a measure that is a list of objects, () where there is none."""
    found = values.get(name, ())
    return tuple(entry for entry in found if isinstance(entry, Mapping)) if isinstance(found, tuple) else ()
