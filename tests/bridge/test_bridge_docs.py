"""What is written about the bridge is what it does; what is given as an example works."""

import configparser
import getpass
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from bridge_rig import KEY, NOW, Rig, config
from test_bridge_server import ALLOWED

from bridge import commands, metrics, reference
from bridge.config import parse

HOME = Path(__file__).resolve().parents[2]
DOCS, EXAMPLES = HOME / "docs", HOME / "examples"


@pytest.mark.parametrize("name", reference.PAGES)
def test_pages_made_from_tables_are_up_to_date(name: str) -> None:
    """``python -m bridge.reference docs`` would change nothing."""
    assert (DOCS / name).read_text() == reference.PAGES[name]()


def test_every_command_is_described() -> None:
    """The how-to names all commands, and no others."""
    text = (DOCS / "bridge.md").read_text()
    described = {line.split("`")[1].split()[0] for line in text.splitlines() if line.startswith("| `")}
    assert described == set(commands.commands.commands) - {"serve"}


def test_the_list_of_modules_is_the_one_that_is_tested() -> None:
    """What the how-to promises about loaded packages is what the server's test holds."""
    text = (DOCS / "bridge.md").read_text()
    listed = re.search(r"```\n(bridge anyio.*?)```", text, re.DOTALL)
    assert listed is not None
    assert listed[1].split() == ALLOWED.split()


def test_examples_in_the_how_to_are_valid() -> None:
    """Every TOML block is a configuration that is accepted."""
    blocks = re.findall(r"```toml\n(.*?)```", (DOCS / "bridge.md").read_text(), re.DOTALL)
    assert blocks
    for block in blocks:
        parse(block, environ={"WEBHOOK_PASSWORD": "x", "OPERATIONS_KEY": KEY})


def test_the_example_configuration_is_accepted(tmp_path: Path) -> None:
    """With its secrets in place the complete example is valid, and it uses every section."""
    text = (EXAMPLES / "bridge.toml").read_text()
    for name in re.findall(r'file = "([^"]+)"', text):
        path = tmp_path / name
        path.touch(0o600)
        path.write_text(KEY)
    settings = parse(text, environ={}, base=tmp_path)
    assert settings.warnings == ()
    assert settings.store.path == Path("/var/lib/pagedrill-bridge/bridge.db")
    sections = set(tomllib.loads(text))
    assert sections >= {"receiver", "store", "keys", "routing", "event", "thousandeyes", "incidents", "self_alert"}


def unit() -> configparser.ConfigParser:
    class Cased(configparser.ConfigParser):
        def optionxform(self, optionstr: str) -> str:
            return optionstr

    read = Cased(interpolation=None, strict=True)
    read.read_string((EXAMPLES / "pagedrill-bridge.service").read_text())
    return read


def test_the_unit_runs_commands_that_exist() -> None:
    """What systemd starts and checks are commands and options of the bridge; it restarts always and is hardened."""
    service = unit()["Service"]
    for line in (service["ExecStart"], service["ExecStartPre"]):
        program, command, *options = shlex.split(line)
        assert program.endswith("/bin/bridge")
        known = [option for parameter in commands.commands.commands[command].params for option in parameter.opts]
        assert all(option in known for option in options if option.startswith("--"))
    assert (service["Restart"], service["UMask"], service["NoNewPrivileges"]) == ("always", "0077", "yes")
    assert "-HUP" in service["ExecReload"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    """systemd itself finds nothing wrong, with a program and a user this machine has."""
    text = (EXAMPLES / "pagedrill-bridge.service").read_text()
    text = text.replace("/opt/pagedrill/bin/bridge", sys.executable).replace(
        "User=pagedrill-bridge", f"User={getpass.getuser()}"
    )
    path = tmp_path / "pagedrill-bridge.service"
    path.write_text(text)
    done = subprocess.run(["systemd-analyze", "verify", str(path)], capture_output=True, text=True, check=False)
    complaints = [line for line in done.stderr.splitlines() if path.name in line]
    assert complaints == []


def test_the_containerfile_is_well_formed() -> None:
    """Known instructions only, no root at the end, the exec form, and paths the example configuration uses.

    No container runtime is needed, so the image itself is not built here.
    """
    text = (EXAMPLES / "Containerfile").read_text().replace("\\\n", " ")
    lines = [line.split(maxsplit=1) for line in text.splitlines() if line and not line.startswith("#")]
    known = ["FROM", "COPY", "RUN", "USER", "VOLUME", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT", "CMD"]
    assert [name for name, _ in lines if name not in known] == []
    assert [words for name, words in lines if name == "USER"] == ["pagedrill-bridge"]
    given = dict(lines)
    assert given["VOLUME"] == "/var/lib/pagedrill-bridge"
    assert given["CMD"] == '["serve", "--config", "/etc/pagedrill-bridge/bridge.toml"]'
    assert given["ENTRYPOINT"] == '["/opt/pagedrill/bin/bridge"]'


def test_alerting_rules_only_ask_for_figures_there_are() -> None:
    """Each metric and label in the example rules is one the bridge has; each rule is complete."""
    text = (EXAMPLES / "prometheus-rules.yml").read_text()
    rig = Rig(config())
    for what, (_, _, label) in metrics.COUNTERS.items():
        rig.bridge.tally.count(what, "x" if label else "")
    for what, (_, _, label) in metrics.HISTOGRAMS.items():
        rig.bridge.tally.observe(what, 1.0, "x" if label else "")
    shown = metrics.render(rig.bridge, NOW).decode()
    asked = set(re.findall(r"bridge_[a-z_]+", text))
    assert asked
    for name in asked:
        assert re.search(rf"^{name}[ {{]", shown, re.MULTILINE), name
    rules = re.split(r"\n      - alert: ", text)[1:]
    assert len(rules) == len(set(rules))
    for rule in rules:
        assert re.search(r"\n        expr: \S", rule)
        assert re.search(r"\n        labels: \{severity: (critical|warning)\}", rule)
        assert re.search(r'\n        annotations: \{summary: "[^"]+"\}', rule)


def test_every_figure_has_a_text() -> None:
    """Each metric says what it is."""
    shown = metrics.render(Rig(config()).bridge, NOW).decode()
    names = re.findall(r"^# TYPE (\S+)", shown, re.MULTILINE)
    assert len(names) > 20
    for name in names:
        assert re.search(rf"^# HELP {name} \S+", shown, re.MULTILINE), name
