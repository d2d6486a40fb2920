"""Everything the bridge ever emits is searched for every secret it was given."""

import base64
import hashlib
import hmac
import json
import signal
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from bridge_process import EventsHost, run, serving, until, write_config
from bridge_rig import payload

from bridge.config import load

pytestmark = pytest.mark.sockets
KEYS = ("9f8e7d6c5b4a39281706f5e4d3c2b1a0", "0a1b2c3d4e5f60718293a4b5c6d7e8f9")
PASSWORDS = ("pass:word-one", "pass/word two")
SIGNING = "v3-signing-secret"
REST, API = "rest+token_01", "te-api-token-02"
SECRETS = (*KEYS, *PASSWORDS, SIGNING, REST, API)


def spellings(secret: str) -> set[bytes]:
    """Return how a secret may look after a carrier has had it in hand."""
    pair = base64.b64encode(f"te:{secret}".encode()).decode()
    forms = {secret, quote(secret, safe=""), json.dumps(secret)[1:-1], base64.b64encode(secret.encode()).decode(), pair}
    return {form.encode() for form in forms}


def shown_in(what: bytes) -> list[str]:
    return [secret for secret in SECRETS for form in spellings(secret) if form in what]


def test_no_secret_is_ever_shown(tmp_path: Path) -> None:
    """Logs, answers, figures, commands, representations and every file of the store: none holds a secret."""
    host = EventsHost()
    base = host.url.removesuffix("/v2/enqueue")
    for number, secret in enumerate(SECRETS):
        path = tmp_path / f"secret-{number}"
        path.touch(0o600)
        path.write_text(secret)
    file = [f'{{ file = "secret-{number}" }}' for number in range(len(SECRETS))]
    more = (
        f"[keys]\nops = {file[0]}\ndb = {file[1]}\n"
        '[routing]\ndefault = "ops"\nroute = [{ key = "db", rule = "db *" }]\n'
        f'[incidents]\nwebhook_secrets = [{file[4]}]\napi_token = {file[5]}\napi_url = "{base}"\n'
        f'[thousandeyes]\ntoken = {file[6]}\napi_url = "{base}/v7"\nintegrations = ["wb-1"]\nevery_seconds = 60\n'
        '[self_alert]\nkey = "db"\nafter_seconds = 0\n[canary]\nkey = "db"\n'
    )
    secrets = f"[{file[2]}, {file[3]}]"
    document = write_config(tmp_path, host.url, more, auth="basic", username="te", secrets=secrets)
    emitted: list[bytes] = []

    def refuse(event: dict[str, object]) -> int:
        return {"refused": 400, "barred": 401, "broken": 500}.get(str(event["dedup_key"]).rpartition(":")[2], 202)

    host.answer = refuse
    host.echo = True
    try:
        with serving(document) as running, httpx.Client(auth=("te", PASSWORDS[0])) as client:
            for name, rule in (("refused", "x"), ("broken", "x"), ("fine", "x"), ("barred", "db x")):
                answer = client.post(running.url, content=payload("TRIGGER", name, ruleName=rule))
                emitted.append(answer.content)
            emitted.append(client.post(running.url, content=b"{").content)
            for auth in (("te", "wrong"), (PASSWORDS[0], "x"), ("te", PASSWORDS[1] + "x")):
                answer = httpx.post(running.url, content=b"x", auth=auth)
                emitted.append(answer.content + str(answer.headers).encode())
            body = json.dumps(
                {
                    "event": {
                        "id": "1",
                        "event_type": "incident.resolved",
                        "agent": {"type": "user_reference", "summary": "Ada"},
                        "data": {"id": "Q1", "type": "incident"},
                    }
                }
            ).encode()
            signature = "v1=" + hmac.new(SIGNING.encode(), body, hashlib.sha256).hexdigest()
            headers = {"X-PagerDuty-Signature": signature}
            assert httpx.post(running.at("/pagerduty"), content=body, headers=headers).status_code == 200
            host.wait_for(lambda seen: len({event["dedup_key"] for event in seen}) >= 6)
            until(lambda: b"key is barred" in running.log.encode() and "event is dead" in running.log)
            until(lambda: b'bridge_lookups_total{status="401"}' in httpx.get(running.at("/metrics")).content)
            emitted += [httpx.get(running.at(path)).content for path in ("/metrics", "/healthz", "/readyz", "/none")]
            for arguments in (
                ("status",),
                ("status", "--json"),
                ("trace", "--incident", "refused"),
                ("dead-letters", "list"),
                ("dead-letters", "show", "o1"),
                ("dead-letters", "replay", "all"),
                ("replay", "--since", "1h", "--dry-run"),
                ("reconcile", "--dry-run"),
                ("check",),
                ("check", "--send-test-event", "db"),
            ):
                ran = run(*arguments, "--config", str(document))
                assert ran.out + ran.err
                emitted.append((ran.out + ran.err).encode())
            (tmp_path / "secret-0").write_text("too short")
            running.process.send_signal(signal.SIGHUP)
            until(lambda: "not reloaded" in running.log)
            emitted.append(running.log.encode())
            emitted += [path.read_bytes() for path in tmp_path.glob("bridge.db*") if path.is_file()]
            for path in tmp_path.glob("bridge.db*"):
                assert path.stat().st_mode & 0o077 == 0, path
            assert running.stop() == 0
            emitted.append(running.log.encode())
        emitted += [path.read_bytes() for path in tmp_path.glob("bridge.db*") if path.is_file()]
        (tmp_path / "secret-0").write_text(KEYS[0])
        config = load(document)
        emitted.append(repr(config).encode() + str(config.keys["ops"]).encode())
        assert sorted(config.secrets()) == sorted(SECRETS)
    finally:
        host.close()
    assert any(KEYS[0] in str(event) for event in host.events), "the keys were used"
    leaks = {secret: what[:300] for what in emitted for secret in shown_in(what)}
    assert leaks == {}
    assert shown_in(f"a {KEYS[0]} b".encode()), "the search is not blind"
