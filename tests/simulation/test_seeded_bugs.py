"""The state machine finds bugs: each is put into a copy of the packages and must break the right invariant.

By default those bugs are hunted that this whole project warns of; ``PAGEDRILL_PROFILE=explore`` hunts them all.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings
from seeded import BUGS, HOME, Bug, Edit, PatchDoesNotApply, plant

HUNT = Path(__file__).with_name("hunt.py")
EXAMPLES, STEPS = 500, 25
ALWAYS_HUNTED = ("arrival order", "event id as key", "severity as status", "a secret in an error")
EXPLORING = settings.get_current_profile_name() == "explore"


HUNTED = [bug for bug in BUGS if EXPLORING or bug.name in ALWAYS_HUNTED]


@pytest.mark.parametrize("bug", [pytest.param(bug, id=bug.name.replace(" ", "-")) for bug in HUNTED])
def test_a_seeded_bug_is_found(bug: Bug, tmp_path: Path) -> None:
    """Within 500 histories the invariant that the bug offends is broken, in the patched copy and nowhere else."""
    plant(bug, tmp_path)
    if bug.test:
        assert fails(bug.test, tmp_path)
        return
    done = subprocess.run(
        [sys.executable, str(HUNT), str(EXAMPLES), str(STEPS)],
        env=os.environ | {"PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["homes"] == [str(tmp_path)] * 2, "the hunt judged other packages than the patched ones"
    assert found["broken"] in bug.noticed_by, found["said"] or f"{found['histories']} histories and nothing broke"


def fails(test: str, packages: Path) -> bool:
    """Say whether a test of the bridge, copied beside the patched packages, fails as tests do."""
    shutil.copytree(HOME / "tests/bridge", packages / "tests/bridge", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(HOME / "conftest.py", packages)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"tests/bridge/{test}"],
        env=os.environ | {"PYTHONPATH": str(packages), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=packages,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "1 failed" in done.stdout or "1 passed" in done.stdout, done.stdout + done.stderr
    return "1 failed" in done.stdout


@pytest.mark.parametrize("bug", [pytest.param(bug, id=bug.name.replace(" ", "-")) for bug in BUGS])
def test_every_patch_applies(bug: Bug, tmp_path: Path) -> None:
    """Also the bugs that are only hunted by hand still fit the code."""
    plant(bug, tmp_path)


def test_a_patch_that_no_longer_applies_fails(tmp_path: Path) -> None:
    """Text that is gone is an error, so that no rewrite disarms a seeded bug in silence."""
    gone = Bug("gone", "", (Edit("bridge/decision.py", "this text was never there", ""),), ())
    with pytest.raises(PatchDoesNotApply, match=r"gone: bridge/decision\.py"):
        plant(gone, tmp_path)
