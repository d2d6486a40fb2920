"""The README says what is true: its picture, its example, its commands."""

import re
import subprocess
import sys
from pathlib import Path

HOME = Path(__file__).resolve().parents[2]
TEXT = (HOME / "README.md").read_text(encoding="utf-8")


def test_the_timeline_shown_is_what_the_program_prints() -> None:
    """The first picture is the output of ``pagedrill rehearse``, to the last character."""
    shown = re.findall(r"^```\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)[0]
    printed = subprocess.run(
        [sys.executable, "-m", "scenarios", "rehearse"], capture_output=True, text=True, check=True, cwd=HOME
    ).stdout
    assert shown == printed


def test_the_example_runs_as_printed(tmp_path: Path) -> None:
    """Copied into a file of its own, the example passes with nothing around it."""
    example = re.findall(r"^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)[0]
    (tmp_path / "test_example.py").write_text(example)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_example.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_continuous_integration_runs_the_second_command() -> None:
    """``.ci/run`` takes the command from the README instead of repeating it."""
    lines = re.findall(r"^    (python -m pip install .*)$", TEXT, re.MULTILINE)
    assert [line.split(" && ")[-1] for line in lines] == ["pagedrill rehearse", "python -m pytest"]
    script = (HOME / ".ci" / "run").read_text()
    assert "README.md" in script
    assert "pip install -c" not in script
