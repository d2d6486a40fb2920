"""``pagedrill serve`` as a process, asked through sockets, with the very snippets it prints."""

import contextlib
import io
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from scenarios import accounts, handout
from scenarios.cli import main
from scenarios.serving import FIRST_PORT, Served, Settings, ports
from simulators.engine import instants, live

pytestmark = pytest.mark.sockets

THOUSANDEYES, REST, EVENTS = "api.thousandeyes.com", "api.pagerduty.com", "events.pagerduty.com"
WEB = "example.pagerduty.com"
PAGES = (WEB, "app.thousandeyes.com", "app.pagerduty.com", "identity.pagerduty.com", "connect.pagerduty.com")
PATIENCE = 30


class Serving:
    """A running command; ``facts`` is the line it prints for scripts."""

    def __init__(self, process: subprocess.Popen[str], facts: Mapping[str, Any], text: str, temporary: Path) -> None:
        self.process = process
        self.temporary = temporary
        self.facts = facts
        self.text = text
        ca = facts["ca"]
        self.client = httpx.Client(verify=ssl.create_default_context(cafile=ca) if ca else True, timeout=PATIENCE)

    def sim(self, method: str, path: str, body: Any = None, host: str = THOUSANDEYES) -> Any:
        """Ask the control plane; anything but success fails."""
        answer = self.client.request(method, f"{self.facts['urls'][host]}/_sim/{path}", json=body)
        assert answer.is_success, answer.text
        return answer.json() if answer.headers.get("Content-Type") == "application/json" else answer.text

    def rest(self, path: str) -> Any:
        """Read from PagerDuty's REST API."""
        headers = {"Authorization": f"Token token={self.facts['keys']['pagerduty_api_key']}"}
        return self.client.get(self.facts["urls"][REST] + path, headers=headers).raise_for_status().json()

    def until(self, path: str, good: Callable[[Any], bool]) -> Any:
        """Read something again and again until it is good."""
        found: list[Any] = []

        def ready() -> bool:
            found[:] = [self.rest(path)]
            return good(found[0])

        live.Runner.wait(_Waiting(), ready, PATIENCE * 1_000_000)  # type: ignore[arg-type]
        assert good(found[0]), found[0]
        return found[0]

    def run(self, name: str) -> str:
        """Paste a snippet into Python or a shell; return what it says."""
        code = self.facts["snippets"][name]
        said = io.StringIO()
        if "import" in code:
            with contextlib.redirect_stdout(said):
                exec(compile(code, name, "exec"), {})
            return said.getvalue()
        done = subprocess.run(["sh", "-ec", code], capture_output=True, text=True, timeout=PATIENCE, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def children(self) -> list[int]:
        """Return the processes it has started, by whichever thread."""
        listed = [file.read_text() for file in Path(f"/proc/{self.process.pid}/task").glob("*/children")]
        return [int(each) for each in " ".join(listed).split()]

    def stop(self, number: int) -> str:
        """Send a signal; return what was said on standard error."""
        self.client.close()
        self.process.send_signal(number)
        _, said = self.process.communicate(timeout=PATIENCE)
        return said


class _Waiting:
    _stopping = False


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "scenarios", "serve", *arguments]


@contextlib.contextmanager
def serving(folder: Path, *arguments: str) -> Iterator[Serving]:
    ready, temporary = folder / "ready.json", folder / "temporary"
    temporary.mkdir()
    process = subprocess.Popen(
        command("--ready-file", str(ready), *arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"TMPDIR": str(temporary)},
    )
    try:
        assert process.stdout is not None
        text = ""
        while not (text.startswith("{") or "Stop with Ctrl-C" in text):
            line = process.stdout.readline()
            assert line, process.communicate()[1]
            text += line
        here = Serving(process, json.loads(ready.read_text()), text, temporary)
        yield here
        here.client.close()
    finally:
        if process.poll() is None:
            process.terminate()
            process.communicate(timeout=PATIENCE)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """Served over http, native integration, the clock standing."""
    with serving(tmp_path_factory.mktemp("plain"), "--port", "0", "--mode", "manual", "--seed", "7") as here:
        yield here


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """Served over https with a bridge of ours, time jumping from event to event."""
    folder = tmp_path_factory.mktemp("secure")
    arguments = ("--port", "0", "--tls-dir", str(folder / "tls"), "--bridge", "--mode", "autojump", "--json")
    with serving(folder, *arguments) as here:
        yield here


def test_the_text_holds_everything_the_line_for_scripts_holds(plain: Serving) -> None:
    """Addresses, keys, environment and every snippet, ready to be copied."""
    for url in plain.facts["urls"].values():
        assert url in plain.text
    for key in plain.facts["keys"].values():
        assert key in plain.text
    for name, value in plain.facts["environment"].items():
        assert f"export {name}={value}" in plain.text
    for name, code in plain.facts["snippets"].items():
        assert re.search(rf"^-- {name} \(\w+\) -+\n{re.escape(code)}\n", plain.text, re.MULTILINE)
    assert list(plain.facts["urls"]) == [THOUSANDEYES, REST, EVENTS, *PAGES]


def test_one_condition_pages_somebody_whose_phone_can_be_answered(plain: Serving) -> None:
    """The sample's test and rule are in place; ten minutes later the on-call person acknowledges by push."""
    plain.sim("POST", "conditions", {"kind": "status", "value": 503, "test": plain.facts["test"]})
    plain.sim("POST", "clock", {"advance": "10m"})
    (incident,) = plain.rest("/incidents")["incidents"]
    assert incident["status"] == "triggered"
    pages = [page for device in plain.sim("GET", "devices", host=REST)["devices"] for page in device["messages"]]
    assert sorted({page["channel"] for page in pages}) == ["email", "phone", "push", "sms"]
    push = next(page for page in pages if page["channel"] == "push")
    plain.sim("POST", f"devices/messages/{push['id']}/acknowledge", host=REST)
    assert plain.rest(f"/incidents/{incident['id']}")["incident"]["status"] == "acknowledged"
    assert "acknowledged by" in plain.sim("GET", "timeline.txt")


def test_the_snippet_for_the_thousandeyes_sdk_works(plain: Serving) -> None:
    """The vendor's own client lists the sample's test."""
    pytest.importorskip("thousandeyes_sdk.tests", reason="the vendor's client is not installed")
    assert "http-server shop front" in plain.run("thousandeyes-sdk")


def test_the_snippet_for_httpx_works(plain: Serving) -> None:
    """It acknowledges what is triggered and lists the tests."""
    event = {"event_action": "trigger", "routing_key": plain.facts["keys"]["routing_key"]}
    payload = {"summary": "by hand", "source": "test", "severity": "error"}
    plain.client.post(plain.facts["urls"][EVENTS] + "/v2/enqueue", json=event | {"payload": payload})
    said = plain.run("httpx")
    assert "200 by hand" in said
    assert "['shop front']" in said


@pytest.mark.parametrize("name", ["curl", "drill"])
def test_the_snippets_for_curl_work(plain: Serving, name: str) -> None:
    """They run in a shell as they are."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    said = plain.run(name)
    assert {"curl": "Event processed", "drill": "trouble ahead for 'shop front'"}[name] in said
    assert '"error"' not in said


def test_the_environment_is_enough_to_reach_everything(plain: Serving) -> None:
    """Each variable is what a client of one's own would be configured with."""
    found = plain.facts["environment"]
    tests = httpx.get(
        f"{found['THOUSANDEYES_URL']}/tests",
        params={"aid": found["THOUSANDEYES_AID"]},
        headers={"Authorization": f"Bearer {found['THOUSANDEYES_TOKEN']}"},
    )
    assert tests.json()["tests"][0]["testName"] == "shop front"
    for name, meant in (("TE_API_ENDPOINT", "URL"), ("TE_TOKEN", "TOKEN"), ("TE_AID", "AID")):
        assert found[name] == found[f"THOUSANDEYES_{meant}"], "Terraform's provider has names of its own"
    headers = {"Authorization": f"Token token={found['PAGERDUTY_API_KEY']}", "From": found["PAGERDUTY_FROM"]}
    assert httpx.get(f"{found['PAGERDUTY_URL']}/users", headers=headers).json()["users"]
    event = {"routing_key": found["PAGERDUTY_ROUTING_KEY"], "event_action": "resolve", "dedup_key": "none"}
    assert httpx.post(found["PAGERDUTY_EVENTS_URL"], json=event).status_code == 202


def test_pages_never_leave_this_machine_by_accident(plain: Serving) -> None:
    """A notification to anybody else fails at once, and the journal says why and what would allow it."""
    wish = {"kind": "webhook", "name": "real", "target": "https://hooks.example.com/te"}
    made = plain.sim("POST", "integrations", wish)["integration"]
    plain.sim("POST", f"integrations/{made['id']}/test")
    plain.sim("POST", "clock", {"advance": "0s"})
    entries = plain.sim("GET", "journal?kind=notification.failed")["entries"]
    (failed,) = [entry for entry in entries if entry["data"]["integration"] == made["id"]]
    assert "nothing was sent to hooks.example.com" in failed["data"]["error"]
    assert "--allow-host" in failed["data"]["error"]


def test_the_snippet_for_the_pagerduty_client_works(secure: Serving) -> None:
    """The vendor's own client, which takes https only, sends an event and reads the incident."""
    pytest.importorskip("pagerduty", reason="the vendor's client is not installed")
    assert "triggered The shop front is down" in secure.run("pagerduty")


def test_a_whole_outage_goes_over_the_bridge_even_when_it_is_killed(secure: Serving) -> None:
    """From the condition to the resolved incident; the bridge process dies before and is started again."""
    (bridge,) = secure.children()
    os.kill(bridge, signal.SIGKILL)
    secure.until("/incidents", lambda answer: bridge not in secure.children() and bool(secure.children()))
    now = secure.sim("GET", "clock")["microseconds"]
    until = instants.iso(now + 10 * instants.MINUTE)
    secure.sim("POST", "conditions", {"kind": "status", "value": 503, "test": "shop front", "until": until})

    def over(answer: Any) -> bool:
        return any("shop-front" in one["title"] and one["status"] == "resolved" for one in answer["incidents"])

    secure.until("/incidents?statuses[]=resolved&date_range=all", over)
    told = secure.sim("GET", "timeline.txt")
    assert "trigger notification to bridge delivered" in told
    assert "clear notification to bridge delivered" in told


def test_a_termination_stops_everything(secure: Serving) -> None:
    """Exit code 0, nothing on standard error, no child left, every port closed, the temporary files gone."""
    children = secure.children()
    addresses = [httpx.URL(url) for url in (*secure.facts["urls"].values(), secure.facts["bridge"])]
    assert secure.stop(signal.SIGTERM) == ""
    assert secure.process.returncode == 0
    assert list(secure.temporary.iterdir()) == []
    assert not (secure.temporary.parent / "ready.json").exists()
    for child in children:
        with pytest.raises(ProcessLookupError):
            os.kill(child, 0)
    for address in addresses:
        with pytest.raises(OSError, match="refused"):
            socket.create_connection((address.host, address.port or 0), timeout=1)


def test_an_interrupt_stops_and_a_taken_port_is_said_in_one_line(plain: Serving) -> None:
    """A second one on the same ports exits 1 with one line; the first stops with 0 on Ctrl-C and frees them."""
    port = httpx.URL(plain.facts["urls"][REST]).port
    second = subprocess.run(
        command("--port", "0", "--port", f"{REST}={port}"), capture_output=True, text=True, timeout=PATIENCE
    )
    assert (second.returncode, second.stdout) == (1, "")
    assert second.stderr == f"Error: 127.0.0.1:{port}: address already in use\n"
    assert plain.stop(signal.SIGINT) == ""
    assert plain.process.returncode == 0
    with socket.create_server(("127.0.0.1", port or 0)):
        pass


def test_a_bridge_of_ones_own_runs_on_the_printed_configuration(tmp_path: Path) -> None:
    """The sample's rule notifies it, and it opens the incident by its own wall clock."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    own = f"http://127.0.0.1:{port}/thousandeyes"
    with serving(tmp_path, "--port", "0", "--webhook", own, "--rate", "600", "--json") as here:
        document = tmp_path / "bridge.toml"
        document.touch(mode=0o600)
        document.write_text(here.facts["snippets"]["bridge"])
        assert tomllib.loads(document.read_text())["receiver"]["listen"] == f"127.0.0.1:{port}"
        bridge = subprocess.Popen(
            [sys.executable, "-m", "bridge", "serve", "--config", str(document)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            assert bridge.stdout is not None
            assert own in bridge.stdout.readline()
            here.sim("POST", "conditions", {"kind": "status", "value": 503})
            found = here.until("/incidents", lambda answer: bool(answer["incidents"]))
            assert "Shop front is down" in found["incidents"][0]["title"]
        finally:
            bridge.terminate()
            bridge.communicate()


@pytest.fixture
def invoke() -> Iterator[Callable[..., tuple[int, str]]]:
    """Run the command in this process, for what it refuses before it serves."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}

    def run(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(main, ["serve", *arguments])
        return result.exit_code, result.stderr

    yield run
    for number, handler in kept.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--rate", "0.5"], 2, "0.5 is not in the range"),
        (["--mode", "sideways"], 2, "'sideways' is not one of"),
        (["--start", "yesterday"], 2, "--start"),
        (["--start", "9999-12-31T23:59:59Z"], 2, "choose a year from 2000 to 2100"),
        (["--port", "many"], 2, "'many' is no port"),
        (["--port", "70000"], 2, "'70000' is no port"),
        (["--port", "www.example.com=80"], 2, "nothing is served as 'www.example.com'"),
        (["--smtp-relay", "localhost"], 2, "'localhost' is no server; write HOST:PORT"),
        (["--smtp-relay", "[::1]:mail"], 2, "is no server"),
        (["--port", "0", "--smtp-relay", "mail.example.com:25"], 1, "--allow-host does not name it"),
        (["--bridge", "--webhook", "http://127.0.0.1:1/"], 2, "exclude each other"),
        (["--bridge", "--no-sample"], 2, "--no-sample makes none"),
        (["--webhook", "127.0.0.1:8085"], 2, "write a URL"),
        (["--account", "missing.json"], 2, "missing.json"),
        (["--account", "{folder}/nonsense.json"], 1, "is not JSON"),
        (["--account", "{folder}/list.json"], 1, "must hold an object of lists"),
        (["--account", "{folder}/odd.json"], 1, "users[0]: contact_methods must be an array"),
        (["--account", "{folder}/empty.json"], 1, "no service of the account has an integration with a key"),
        (["--port", "0", "--tls-dir", "{folder}/list.json/tls"], 1, "Not a directory"),
        (["--port", "0", "--host", "192.0.2.1"], 1, "cannot assign requested address"),
        (["--port", "0", "--ready-file", "{folder}/no/ready"], 1, "cannot write"),
        (["--frobnicate"], 2, "No such option"),
    ],
)
def test_what_cannot_be_served_is_said_in_one_line(
    invoke: Callable[..., tuple[int, str]], tmp_path: Path, arguments: list[str], code: int, said: str
) -> None:
    """One line that names the trouble, and an exit code that is not 0."""
    (tmp_path / "nonsense.json").write_text("{")
    (tmp_path / "list.json").write_text("[]")
    (tmp_path / "odd.json").write_text('{"users": [{"id": "P1", "contact_methods": 3}]}')
    (tmp_path / "empty.json").write_text('{"users": []}')
    result, words = invoke(*(argument.format(folder=tmp_path) for argument in arguments))
    assert result == code
    errors = [line for line in words.splitlines() if not line.startswith("Warning")]
    assert len(errors) == 1
    assert said in errors[0]


def test_an_account_of_ones_own_is_served_with_the_limits_of_the_vendors() -> None:
    """People, keys and services come from the JSON, nothing is made up beside them, and the limits are in force."""
    settings = Settings(account=accounts.fixed(), sample=False, rate_limits=True, mode=live.Mode.MANUAL)
    with Served(settings) as here, httpx.Client() as client:
        facts = here.facts
        assert (facts.routing_key, facts.person, facts.test) == (accounts.ROUTING_KEY, "alice@example.com", "")
        headers = {"Authorization": f"Token token={facts.api_key}"}
        users = client.get(f"{facts.urls[REST]}/users", headers=headers).json()["users"]
        assert [user["name"] for user in users] == ["alice", "bob"]
        knobs = client.get(f"{facts.urls[THOUSANDEYES]}/_sim/knobs").json()["knobs"]
        assert knobs["rate_limit"] == 240
        knobs = client.get(f"{facts.urls[REST]}/_sim/knobs").json()["knobs"]
        assert (knobs["requests_per_minute"], knobs["events_per_minute"]) == (960, 120)


def test_a_reset_goes_back_to_how_it_was_served() -> None:
    """Incidents, conditions and the clock are as they were at the start."""
    with Served(Settings(start=0, mode=live.Mode.MANUAL)) as here, httpx.Client() as client:
        sim = f"{here.facts.urls[THOUSANDEYES]}/_sim"
        client.post(f"{sim}/conditions", json={"kind": "status", "value": 503})
        client.post(f"{sim}/clock", json={"advance": "1h"})
        assert "notified by" in client.get(f"{sim}/timeline.txt").text
        assert client.post(f"{sim}/reset").json()["microseconds"] == 0
        assert client.get(f"{sim}/conditions").json()["conditions"] == []
        assert "notified by" not in client.get(f"{sim}/timeline.txt").text


def test_ports_are_fixed_unless_asked_otherwise() -> None:
    """The documented ports, a base of one's own, a port of one's own, and any free ones."""
    hosts = (THOUSANDEYES, REST, EVENTS, *PAGES)
    assert ports(FIRST_PORT, {}) == dict(zip(hosts, range(8471, 8479), strict=True)) | {"bridge": 8480}
    moved = dict(zip(hosts, range(9000, 9008), strict=True))
    assert ports(9000, {"bridge": 8085, REST: 1}) == moved | {REST: 1, "bridge": 8085}
    assert set(ports(0, {}).values()) == {0}


def test_settings_serve_nothing_beyond_this_machine_by_default() -> None:
    """Loopback, no other hosts, no rate limits."""
    assert (Settings().host, Settings().allowed, Settings().rate_limits) == ("127.0.0.1", (), False)
    assert handout.WEBHOOK_LISTEN.startswith("127.0.0.1:")
