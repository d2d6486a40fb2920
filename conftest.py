"""Settings every test shares: no telemetry, Hypothesis profiles, programs a machine may lack, and all processors.

It stands at the top so that ``bridge`` is the package and not the folder of its tests, however pytest is started.
"""

import os

os.environ["PACT_DO_NOT_TRACK"] = "true"

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

COMMON = {"deadline": None, "database": None, "print_blob": True, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("default", max_examples=60, **COMMON)
settings.register_profile("ci", max_examples=60, derandomize=True, **COMMON)
settings.register_profile("explore", max_examples=5000, **COMMON)
settings.load_profile(os.environ.get("PAGEDRILL_PROFILE", "ci" if os.environ.get("CI") else "default"))

PROGRAMS: dict[str, Callable[[], object]] = {
    "chromium": lambda: shutil.which("chromium"),
    "postgresql": lambda: list(Path("/usr/lib/postgresql").glob("*/bin/initdb")),
    "node": lambda: shutil.which("node"),
}


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Run the whole suite on every processor; what is named on the command line stays in one process."""
    whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS and "PYTEST_XDIST_WORKER" not in os.environ
    if whole and config.pluginmanager.hasplugin("xdist") and config.option.numprocesses is None:
        config.option.numprocesses = os.cpu_count()
        config.option.dist = "loadfile"


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose program is missing, or fail it where everything is required."""
    for name, present in PROGRAMS.items():
        if item.get_closest_marker(name) and not present():
            missing = f"{name} is not installed"
            if os.environ.get("PAGEDRILL_REQUIRE_ALL") == "1":
                pytest.fail(missing, pytrace=False)
            pytest.skip(missing)
