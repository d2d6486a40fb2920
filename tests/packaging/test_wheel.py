"""What is shipped: the wheel's content, and that it works away from the checkout."""

import os
import shutil
import subprocess
import sys
import zipfile
from email import message_from_string
from pathlib import Path

import pytest

HOME = Path(__file__).resolve().parents[2]
ROOMS = {"simulators", "bridge", "contracts", "scenarios"}


def run(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=os.environ | environment, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of what the repository holds, so that nothing is left behind in the checkout."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    listed = subprocess.run(["git", "ls-files"], cwd=HOME, capture_output=True, text=True, check=True).stdout
    for name in listed.splitlines():
        if (HOME / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(HOME / name, source / name)
    built = run("-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(out), ".", cwd=source)
    assert built.returncode == 0, built.stdout + built.stderr
    return next(out.glob("pagedrill-*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel's content, as an installation has it."""
    folder = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def test_the_wheel_holds_the_four_packages_and_no_tests_or_benchmarks(wheel: Path) -> None:
    """Only the product is shipped; the scenario suite is part of it, the contracts' own tests are not."""
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == ROOMS
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/", "contracts/tests/"))]
    assert "scenarios/test_outages.py" in names
    assert all(f"{room}/py.typed" in names for room in ROOMS)


def test_every_data_file_of_a_package_is_in_the_wheel(wheel: Path) -> None:
    """A template, schema or example that is tracked beside the code is found beside the installed code."""
    names = set(zipfile.ZipFile(wheel).namelist())
    listed = subprocess.run(["git", "ls-files", *ROOMS], cwd=HOME, capture_output=True, text=True, check=True).stdout
    tracked = {name for name in listed.splitlines() if not name.startswith("contracts/tests/")}
    assert tracked - names == set()


def test_a_plain_install_needs_no_test_tool(wheel: Path) -> None:
    """Test tools are behind the extra, and the licence and the commands are declared."""
    with zipfile.ZipFile(wheel) as archive:
        info = next(name.split("/")[0] for name in archive.namelist() if ".dist-info/" in name)
        metadata = message_from_string(archive.read(f"{info}/METADATA").decode())
        commands = archive.read(f"{info}/entry_points.txt").decode()
    plain = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    tools = ("pytest", "hypothesis", "pact", "playwright", "mypy", "ruff", "pagerduty", "thousandeyes", "psycopg")
    assert [line for line in plain if line.lower().startswith(tools)] == []
    assert set(metadata.get_all("Provides-Extra", [])) == {"postgres", "test"}
    assert metadata["License-Expression"] == "Apache-2.0"
    assert "pagedrill = scenarios.cli:main" in commands
    assert "bridge = bridge.cli:main" in commands


def test_an_installed_copy_rehearses_away_from_the_checkout(installed: Path, tmp_path: Path) -> None:
    """The commands run from the wheel's own files, with their templates."""
    page = tmp_path / "page.html"
    path = {"PYTHONPATH": str(installed)}
    origin = run("-c", "import scenarios; print(scenarios.__file__)", cwd=tmp_path, **path).stdout
    assert origin.startswith(str(installed))
    done = run("-m", "scenarios", "rehearse", "--html", str(page), cwd=tmp_path, **path)
    assert done.returncode == 0, done.stderr
    assert "time to resolve" in done.stdout
    assert page.stat().st_size > 2_000
    assert run("-m", "bridge", "--help", cwd=tmp_path, **path).returncode == 0


def test_the_installed_scenario_suite_runs_by_its_package_name(installed: Path, tmp_path: Path) -> None:
    """``pytest --pyargs scenarios`` finds the suite and the plugin of the installation."""
    suite = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "--pyargs", "scenarios", "-k", "policy_repeats")
    done = run(*suite, cwd=tmp_path, PYTHONPATH=str(installed))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
