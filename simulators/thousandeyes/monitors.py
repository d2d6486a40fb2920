"""BGP monitors: the routers whose view of a prefix a BGP rule looks at.

Public monitors are everybody's; a test that uses public BGP data has all of them, and the private ones it names.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

from simulators.thousandeyes import catalogue
from simulators.thousandeyes.model import Test


@dataclass(frozen=True, slots=True)
class Monitor:
    """A monitor; ``network`` is the one it sits in, with its AS number in brackets."""

    id: str
    name: str
    country: str
    network: str
    ip: str
    private: bool

    @property
    def location(self) -> str:
        """The city."""
        return self.name.rpartition("-")[0]


@functools.cache
def monitors() -> dict[str, Monitor]:
    """Return the monitors by id; the last one is private to the organization."""
    last = len(catalogue.MONITORS) - 1
    rows = (
        Monitor(str(catalogue.FIRST_MONITOR + place), name, country, network, f"198.51.100.{10 + place}", place == last)
        for place, (name, country, network) in enumerate(catalogue.MONITORS)
    )
    return {row.id: row for row in rows}


def of_test(test: Test) -> tuple[str, ...]:
    """Return the ids of a test's monitors: those it names, and all public ones when it uses public data or names one.

    Unless it is said, public data are used where routes are measured at all.
    """
    named = test.body.get("monitors") or ()
    public = test.body.get("usePublicBgp", test.body.get("bgpMeasurements", True)) is not False
    public = public or any(not row.private for row in monitors().values() if row.id in named)
    return tuple(row.id for row in monitors().values() if (public and not row.private) or row.id in named)
