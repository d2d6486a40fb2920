"""The command as a process: serving through sockets, stopping, lockstep, exit codes and loaded modules."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from bridge_rig import KEY, NOW, payload

import bridge

ROOT = Path(bridge.__file__).parent.parent
FORBIDDEN = ("faker", "rich", "hypothesis", "pact", "pytest", "jsonschema", "simulators", "scenarios")
ALLOWED = """
    bridge anyio blinker brotli certifi click dotenv exceptiongroup flask h11 h2 httpcore httpx idna itsdangerous
    jinja2 markupsafe prometheus_client sniffio socksio typing_extensions waitress werkzeug zstandard dateutil six
"""


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


@pytest.fixture
def document(tmp_path: Path) -> Path:
    """A configuration on a free port whose PagerDuty is out of reach."""
    path = tmp_path / "bridge.toml"
    path.write_text(
        f'[receiver]\nlisten = "127.0.0.1:0"\nmax_body_bytes = 100000\n[keys]\nops = {{ value = "{KEY}" }}\n'
        '[pagerduty]\nevents_url = "http://127.0.0.1:9/v2/enqueue"\n'
    )
    path.chmod(0o600)
    return path


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bridge", *arguments], capture_output=True, text=True, timeout=30, env=environment()
    )


@contextmanager
def serving(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "bridge", "serve", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    assert process.stdout is not None
    try:
        yield process, process.stdout.readline().split()[-1]
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.mark.sockets
def test_serve_stores_refuses_and_stops(document: Path) -> None:
    """Posts are stored, large bodies refused even when chunked, SIGTERM exits 0, and the log has no key."""
    with serving("--config", str(document)) as (process, url):
        assert httpx.post(url, content=payload("TRIGGER")).status_code == 200
        assert httpx.post(url, content=iter([payload("TRIGGER", "chunked")])).status_code == 200
        assert httpx.post(url, content=b"x" * 100_001).status_code == 413
        assert httpx.post(url, content=iter([b"x" * 50_000] * 3)).status_code == 413
        assert httpx.post(url, content=iter([b"x" * 50_001] * 2)).status_code == 413
        assert httpx.get(url.replace("thousandeyes", "readyz")).status_code == 200
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=30)
        assert process.returncode == 0
        assert KEY not in log
        assert "Traceback" not in log
    assert "triggered" in run("trace", "--config", str(document), "a1").stdout


@pytest.mark.sockets
def test_lockstep_runs_on_told_time(document: Path) -> None:
    """A bridge in lockstep stamps and runs with the time it was told."""
    with serving("--config", str(document), "--lockstep") as (process, url):
        assert process.stdout is not None
        admin = process.stdout.readline().split()[-1]
        assert httpx.post(admin, json={"now": NOW}).json() == {"next_due": None, "done": 0}
        assert httpx.post(url, content=payload("TRIGGER")).status_code == 200
        answer = httpx.post(admin, json={"now": NOW}).json()
        assert NOW < answer["next_due"] < NOW + 2_000_000
        assert httpx.post(admin, json={"now": "x"}).status_code == 400


def test_commands_say_what_is_wrong_in_one_line(document: Path) -> None:
    """Problems exit 1 with one line, wrong usage exits 2."""
    for arguments in (["check", "--config", "/nonexistent"], ["status", "--config", str(document)]):
        result = run(*arguments)
        assert (result.returncode, result.stdout, result.stderr.count("\n")) == (1, "", 1)
    assert run("check").returncode == 2
    assert run("check", "--offline", "--config", str(document)).returncode == 0
    assert "ConnectError" in run("check", "--config", str(document)).stdout


def test_the_running_bridge_loads_a_listed_set_of_modules() -> None:
    """Nothing of the simulators and no test tool is loaded by what serves."""
    code = (
        "import sys, bridge.cli; bridge.cli.lean(); import bridge.live;"
        "print(*{name.split('.')[0] for name in sys.modules})"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, env=environment(), check=True
    )
    loaded = {name for name in result.stdout.split() if name not in sys.stdlib_module_names}
    assert not loaded & set(FORBIDDEN)
    foreign = sorted(name for name in loaded if not name.startswith("_") and name not in ALLOWED.split())
    assert foreign == []
