"""The pytest plugin in somebody else's repository, run as a process."""

import subprocess
import sys
from pathlib import Path

TEST = """
def test_somebody_is_woken(stage):
    shop = stage.thousandeyes.http_test("shop")
    stage.thousandeyes.alert_rule(shop, "((responseCode >= 500))")
    shop.fails(status=503, at="10:00", until="10:20")
    stage.run_until("11:00")
    stage.person("alice").phone.expect_sms(shop).at("10:02")
    stage.incident(shop).expect_resolved(at="{resolved}")
"""


def pytest_in(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_a_test_elsewhere_gets_the_stage_from_the_installed_plugin(tmp_path: Path) -> None:
    """No import, no conftest: the fixture is there, and a true expectation passes."""
    (tmp_path / "test_shop.py").write_text(TEST.format(resolved="10:22"))
    done = pytest_in(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_wrong_expectation_fails_and_says_what_happened_instead(tmp_path: Path) -> None:
    """The message names what came and what was expected."""
    (tmp_path / "test_shop.py").write_text(TEST.format(resolved="10:30"))
    done = pytest_in(tmp_path)
    assert done.returncode == 1
    assert "resolved at 10:22:00, expected at 10:30" in done.stdout


def test_a_page_nobody_expected_fails_the_test(tmp_path: Path) -> None:
    """The stage is strict after the test body, too."""
    lines = [line for line in TEST.splitlines() if "expect" not in line]
    (tmp_path / "test_shop.py").write_text("\n".join(lines))
    done = pytest_in(tmp_path)
    assert done.returncode == 1
    assert "got a sms nobody expected" in done.stdout


def test_a_package_that_shadows_ours_stops_the_run_with_one_line_that_names_it(tmp_path: Path) -> None:
    """Somebody's own package ``bridge`` comes first on the path: nothing is tested, and the line says where it is."""
    (tmp_path / "bridge").mkdir()
    (tmp_path / "bridge" / "__init__.py").touch()
    (tmp_path / "test_shop.py").write_text("def test_nothing():\n    pass\n")
    done = pytest_in(tmp_path)
    assert done.returncode == 4
    said = [line for line in done.stderr.splitlines() if line.strip()]
    assert len(said) == 1
    assert str(tmp_path / "bridge") in said[0]
