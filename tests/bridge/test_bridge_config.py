"""The configuration: mistakes named in one line, secrets out of sight."""

import json
import logging
import re
from pathlib import Path

import pytest
from bridge_rig import KEY

from bridge.config import load, parse
from bridge.errors import ConfigError
from bridge.logs import LineFormatter
from bridge.settings import ROUTE, SECTIONS, Kind, Setting

GOOD = f"[keys]\na={{value='{KEY}'}}"
BAD: list[tuple[str, str]] = [
    ("x = [", "TOML"),
    ("", "keys"),
    ("unknown = 1", "unknown"),
    ("[keys]\nops = 'k'", "keys.ops"),
    ("[keys]\nops = {value='short'}", "keys.ops"),
    ("[keys]\nops = {env='NOT_SET'}", "NOT_SET"),
    ("[keys]\nops = {file='/nonexistent'}", "cannot be read"),
    ("receiver = 1", "receiver"),
    ("[receiver]\nlisten = 'x'", "receiver.listen"),
    ("[receiver]\nlisten = 'x:99999'", "receiver.listen"),
    ("[receiver]\nsource = 'a b'", "receiver.source"),
    ("[receiver]\nsource = 'pagerduty'", "receiver.source"),
    ("[receiver]\nauth = 'magic'", "receiver.auth: write one of none, basic, bearer, header"),
    ("[receiver]\nauth = 'basic'", "receiver.secrets"),
    ("[receiver]\nauth = 'basic'\nsecrets = [{value='x'}]", "receiver.username"),
    ("[receiver]\nauth = 'header'\nsecrets = [{value='x'}]\nheader='a b'", "receiver.header"),
    ("[receiver]\nauth = 'bearer'\nsecrets = [{value='x'},{value='y'},{value='z'}]", "receiver.secrets"),
    ("[receiver]\nauth = 'bearer'\nsecrets = [{value=\"x\\ny\"}]", "receiver.secrets[0]"),
    ("[receiver]\nauth = 'bearer'\nsecrets = [{value=''}]", "receiver.secrets[0]"),
    ("[receiver]\nauth = 'bearer'\nsecrets = {value='x'}", "receiver.secrets"),
    ("[receiver]\nsecrets = [{value='x'}]", "receiver.auth"),
    ("[receiver]\nmax_body_bytes = true", "receiver.max_body_bytes"),
    ("[receiver]\nmax_body_bytes = 1", "receiver.max_body_bytes: write a whole number from 1000"),
    ("[store]\nretention_days = '1'", "store.retention_days"),
    ("[pagerduty]\nevents_url = 'http://example.com'", "only https"),
    ("[pagerduty]\nevents_url = 'https://[x'", "not a URL"),
    ("[pagerduty]\nevents_url = 'https://u:p@example.com/'", "pagerduty.events_url"),
    ("[pagerduty]\nevents_url = 'ftp://example.com/'", "pagerduty.events_url"),
    ("[pagerduty]\ncoalesce = 1", "pagerduty.coalesce"),
    ("[pagerduty]\nwhat = 1", "pagerduty.what: unknown key; known here: events_url"),
    ("[event]\nsummary = '{nothing}'", "event.summary"),
    ("[event]\nlinks = ['x']", "event.links"),
    ("[event]\nlinks = [{href='http://x'}]", "event.links[0].href"),
    ("[event]\nlinks = [{href='https://x', more=1}]", "event.links[0].more"),
    ("[event]\ndetails = {a=1}", "event.details.a"),
    ("[incidents]\nresolved_by_person = 'retrigger'", "incidents.webhook_secrets"),
    ("[incidents]\nresolved_by_person = 'retrigger'\nwebhook_secrets=[{value='x'}]", "incidents.api_token"),
    ("[thousandeyes]\ntoken = {value='x'}", "thousandeyes.integrations"),
    (f"{GOOD}\nb={{value='{KEY}'}}", "routing.default"),
    (f"{GOOD}\n[routing]\ndefault='c'", "routing.default"),
    (f"{GOOD}\n[routing]\nroute='c'", "routing.route"),
    (f"{GOOD}\n[[routing.route]]\nrule='x'", "routing.route[0].key"),
    (f"{GOOD}\n[[routing.route]]\nkey='a'\nlabels=[1]", "routing.route[0].labels"),
    (f"{GOOD}\n[[routing.route]]\nkey='a'\nstatic={{x=1}}", "routing.route[0].static.x"),
    (f"{GOOD}\n[[routing.route]]\nkey='a'\nname='n'\n[[routing.route]]\nkey='a'\nname='n'", "two routes"),
    (f"{GOOD}\n[severity]\nInfo='loud'", "severity.Info"),
    (f"{GOOD}\n[self_alert]\nkey='c'", "self_alert.key"),
    (f"{GOOD}\n[canary]\nkey='c'", "canary.key"),
    (f"{GOOD}\n[more]", "more"),
]


@pytest.mark.parametrize(("text", "named"), BAD)
def test_a_bad_configuration_is_named_in_one_line(text: str, named: str) -> None:
    """The error says which key is wrong, in one line, without the secret."""
    if "[keys]" not in text and named not in ("keys", "TOML"):
        text = f"{text}\n{GOOD}"
    with pytest.raises(ConfigError) as caught:
        parse(text, environ={})
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)
    assert KEY not in str(caught.value)


def places() -> list[tuple[str, Setting]]:
    """Every setting there is, with the table that holds it; routes are the innermost."""
    found = [(f"[{name}]", one) for name, (_, settings) in SECTIONS.items() for one in settings]
    return found + [("[[routing.route]]", one) for one in ROUTE]


@pytest.mark.parametrize(("table", "setting"), [pytest.param(*one, id=f"{one[0]}{one[1].name}") for one in places()])
def test_every_setting_is_named_when_it_is_misspelt_or_of_another_kind(table: str, setting: Setting) -> None:
    """Each letter too many and each value of a wrong kind is told with the key it belongs to."""
    where = table.strip("[]")
    where = f"{where}[0]" if table.startswith("[[") else where
    with pytest.raises(ConfigError, match=re.escape(f"{where}.{setting.name}x: unknown key")):
        parse(f"{GOOD}\n{table}\n{setting.name}x = 1", environ={})
    wrong = ["1979-05-27", "[[1]]", "nan"] + ([] if setting.kind is Kind.FLAG else ["true"])
    for value in wrong:
        with pytest.raises(ConfigError, match=re.escape(f"{where}.{setting.name}")):
            parse(f"{GOOD}\n{table}\n{setting.name} = {value}", environ={})


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[routing]\ndefault = 'a'\nroute = [{key = 'a', severity = ['Critcal']}]", "'Critcal'"),
        ("[severity]\nMjor = 'error'", "severity.Mjor"),
    ],
)
def test_a_severity_nobody_knows_is_warned_about(text: str, named: str) -> None:
    """It may be new, so it is no mistake; a route that waits for it would be passed over in silence."""
    (warning,) = parse(f"{GOOD}\n{text}", environ={}).warnings
    assert named in warning
    assert "Info, Minor, Major, Critical" in warning


def test_a_minimal_configuration_stays_minimal() -> None:
    """One integration key is enough; everything optional is off."""
    settings = parse(GOOD, environ={})
    assert [route.key for route in settings.routes] == ["a"]
    assert settings.thousandeyes.token is settings.self_alert.key is settings.canary.key is None
    assert settings.incidents.webhook_secrets == ()
    assert settings.warnings == ()


def test_a_byte_order_mark_of_an_editor_is_no_obstacle(tmp_path: Path) -> None:
    """Some editors put one in front of the document."""
    document = tmp_path / "bridge.toml"
    document.write_text(f'\ufeff[keys]\nops = {{ value = "{KEY}" }}\n', encoding="utf-8")
    assert list(load(document).keys) == ["ops"]


def test_secrets_come_from_files_and_the_environment(tmp_path: Path) -> None:
    """Relative files start beside the document; secrets others can read are warned about."""
    held = tmp_path / "ops.key"
    held.touch(0o600)
    held.write_text(KEY + "\n")
    text = "[keys]\nops = {file='ops.key'}\nenv = {env='K'}\n[routing]\ndefault='ops'"
    settings = parse(text, environ={"K": KEY}, base=tmp_path)
    assert {secret.value for secret in settings.keys.values()} == {KEY}
    assert settings.warnings == ()
    held.chmod(0o640)
    assert "ops.key" in parse(text, environ={"K": KEY}, base=tmp_path).warnings[0]
    document = tmp_path / "bridge.toml"
    document.write_text(f"[keys]\nops = {{value='{KEY}'}}")
    document.chmod(0o644)
    assert len(load(document).warnings) == 1
    document.chmod(0o600)
    assert load(document).warnings == ()


def test_an_open_port_without_authentication_is_warned_about() -> None:
    """Beyond this machine, anybody could page."""
    assert "auth" in parse(f"[receiver]\nlisten='0.0.0.0:1'\n{GOOD}", environ={}).warnings[0]


def test_log_lines_hide_secrets_and_control_characters() -> None:
    """A log line is one line of JSON whatever it is about."""
    record = logging.LogRecord("bridge", logging.INFO, "", 0, "a\n\x1b[2J %s", (KEY,), None)
    line = LineFormatter([KEY]).format(record)
    assert "\n" not in line
    assert "\x1b" not in line
    assert KEY not in line
    assert json.loads(line)["message"] == "a\n\x1b[2J ***"
