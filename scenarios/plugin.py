"""The pytest plugin: the fixture ``stage``, and a check that nothing else has taken our package names.

``simulators``, ``bridge``, ``contracts`` and ``scenarios`` are plain words; when another package of the same name comes
first on the path, a run would test the wrong code. The plugin stops then with one line that names the path.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from scenarios.stage import Stage

PACKAGES = ("simulators", "bridge", "contracts", "scenarios")


def shadowed(home: Path) -> str | None:
    """Return one line about the first of our packages that is not found beside ``home``, or ``None``."""
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        found = None if spec is None or spec.origin is None else Path(spec.origin).resolve().parent
        if found is None and spec is not None and spec.submodule_search_locations:
            found = Path(next(iter(spec.submodule_search_locations))).resolve()
        if found != home / name:
            return f"pagedrill needs its own package {name!r} in {home}, but another one comes first: {found}"
    return None


def pytest_configure(config: pytest.Config) -> None:
    """Stop at once when a package of ours is shadowed; register the marker."""
    problem = shadowed(Path(__file__).resolve().parent.parent)
    if problem is not None:
        raise pytest.UsageError(problem)
    config.addinivalue_line("markers", "wiring(name): run the stage over this wiring only")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the stage."""
    group = parser.getgroup("pagedrill")
    group.addoption("--stage-seed", type=int, default=1, help="seed of every stage (ids, keys, noise); default 1")


@pytest.fixture
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    """Both simulators and the bridge in one world on virtual time, strict about everything nobody expected.

    A test may choose how ThousandEyes reaches PagerDuty with ``@pytest.mark.wiring("native")``; ``"bridge/sockets"``
    and ``"native/sockets"`` go through real sockets, and the bridge is then a process of its own.
    """
    from scenarios.stage import Stage, Wiring

    marker = request.node.get_closest_marker("wiring")
    wanted = marker.args[0] if marker else getattr(request, "param", Wiring.BRIDGE)
    wiring, _, way = str(wanted).partition("/")
    folder = request.getfixturevalue("tmp_path") if way == "sockets" else None
    with Stage(seed=request.config.getoption("--stage-seed"), wiring=Wiring(wiring), sockets=folder) as here:
        yield here
        here.verify()
