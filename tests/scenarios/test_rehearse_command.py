"""The command, run as a process."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from scenarios.outages import OUTAGES


def pagedrill(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "scenarios", *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("name", OUTAGES)
def test_every_outage_plays_to_its_end(name: str) -> None:
    """Somebody is notified, the incident is told from trigger to resolve, and a next step is suggested."""
    done = pagedrill("rehearse", "--scenario", name, "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["pages"]
    assert report["figures"]["time to notify"] > 0
    assert report["next_step"]


def test_the_timeline_tells_who_was_notified_how_and_why(tmp_path: Path) -> None:
    """The text names people and channels; the page is self-contained."""
    page = tmp_path / "rehearsal.html"
    done = pagedrill("rehearse", "--html", str(page))
    assert done.returncode == 0, done.stderr
    assert "time to acknowledge" in done.stdout
    assert "Next: " in done.stdout
    html = page.read_text()
    assert "Who was notified" in html
    assert "src=" not in html
    assert "<link" not in html


def test_the_same_seed_gives_the_same_journal_to_the_last_byte(tmp_path: Path) -> None:
    """Two processes with different hash seeds and time zones write identical journals; another seed does not."""
    settings = ({"PYTHONHASHSEED": "1", "TZ": "Asia/Tokyo"}, {"PYTHONHASHSEED": "2", "TZ": "America/Lima"})
    journals = []
    for place, environment in enumerate(settings):
        file = tmp_path / f"{place}.jsonl"
        assert pagedrill("rehearse", "--seed", "7", "--journal", str(file), **environment).returncode == 0
        journals.append(file.read_bytes())
    other = tmp_path / "other.jsonl"
    pagedrill("rehearse", "--seed", "8", "--journal", str(other))
    assert journals[0] == journals[1]
    assert journals[0] != other.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["rehearse", "--scenario", "nonsense"], 2, "there is no outage 'nonsense'"),
        (["rehearse", "--html", "/nowhere/at/all.html"], 1, "cannot write"),
        (["--version"], 0, "pagedrill 0.1.0"),
        (["rehearse", "--list"], 0, "acknowledged"),
    ],
)
def test_the_command_answers_in_one_line_and_with_an_exit_code(arguments: list[str], code: int, said: str) -> None:
    """Usage errors, files that cannot be written, version and list."""
    done = pagedrill(*arguments)
    assert done.returncode == code
    assert said in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
