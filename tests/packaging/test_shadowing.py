"""The plugin names whatever stands in the way of our package names."""

from pathlib import Path

import scenarios
from scenarios.plugin import shadowed


def test_our_own_packages_are_found_where_they_are() -> None:
    """Nothing shadows the packages of this very checkout."""
    assert shadowed(Path(scenarios.__file__).resolve().parent.parent) is None


def test_another_package_of_the_same_name_is_named_with_its_path(tmp_path: Path) -> None:
    """Seen from anywhere else, the packages found are the wrong ones, and the line says where they are."""
    line = shadowed(tmp_path)
    assert line is not None
    assert "simulators" in line
    assert "\n" not in line
