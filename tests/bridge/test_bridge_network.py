"""How requests leave: verified, to configured hosts only, never redirected, never through the environment's proxies."""

import gzip
import http.server
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
from bridge_process import EventsHost
from bridge_rig import KEY, NOW, payload

from bridge import live
from bridge.config import Config, parse
from bridge.core import Bridge, Inbound
from bridge.delivery import Verdict
from bridge.errors import ConfigError
from bridge.sending import MAX_ANSWER, send
from bridge.storage import Outgoing
from bridge.store import SqliteStore

pytestmark = pytest.mark.sockets
EVENT = Outgoing(1, "thousandeyes:a1", "ops", "trigger", '{"event_action":"trigger"}', NOW, 0, NOW)


def settings(url: str, **more: Any) -> Config:
    return parse(
        {"keys": {"ops": {"value": KEY}}, "pagerduty": {"events_url": url, "timeout_seconds": 5}, **more}, environ={}
    )


def verdict(config: Config) -> tuple[Verdict, str]:
    with live.client(config, live.carrier(config)) as client:
        exchange = send(client, config.pagerduty, EVENT, KEY)
    return exchange.verdict, exchange.words or ""


@pytest.fixture
def host() -> Iterator[EventsHost]:
    made = EventsHost()
    yield made
    made.close()


class Raw:
    """A host that answers every request with given bytes, over TLS when given a certificate."""

    def __init__(self, answer: bytes, certificate: trustme.LeafCert | None = None, drip: bytes = b"") -> None:
        ended = self.ended = threading.Event()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self.wfile.write(answer)
                # After that, when there is a drip, a little at a time until the other side has had enough.
                with suppress(OSError):
                    while drip and not ended.wait(0.02):
                        self.wfile.write(drip)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            certificate.configure_cert(context)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        self.port = self.server.server_address[1]

    def __enter__(self) -> "Raw":
        return self

    def __exit__(self, *reason: object) -> None:
        self.ended.set()
        self.server.shutdown()
        self.server.server_close()


ACCEPTED = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def test_certificates_are_verified_against_the_configured_authority(tmp_path: Path, authority: trustme.CA) -> None:
    """Signed by the configured authority for this host: taken. Unknown authority or another name: the key is barred."""
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    trusted = {"ca_file": str(tmp_path / "ca.pem")}
    with Raw(ACCEPTED, authority.issue_cert("127.0.0.1")) as server:
        url = f"https://127.0.0.1:{server.port}/v2/enqueue"
        known = parse({"keys": {"ops": {"value": KEY}}, "pagerduty": {"events_url": url, **trusted}}, environ={})
        assert verdict(known)[0] is Verdict.SENT
        said, words = verdict(settings(url))
        assert (said, "CERTIFICATE_VERIFY_FAILED" in words) == (Verdict.BARRED, True)
    with Raw(ACCEPTED, authority.issue_cert("elsewhere.example")) as server:
        url = f"https://127.0.0.1:{server.port}/v2/enqueue"
        known = parse({"keys": {"ops": {"value": KEY}}, "pagerduty": {"events_url": url, **trusted}}, environ={})
        assert verdict(known)[0] is Verdict.BARRED


def test_a_ca_file_that_is_none_is_a_mistake_of_the_configuration(tmp_path: Path) -> None:
    """One line names the key; it may be missing, or hold no certificate."""
    (tmp_path / "empty.pem").write_text("nothing")
    for name in ("missing.pem", "empty.pem"):
        config = parse({"keys": {"ops": {"value": KEY}}, "pagerduty": {"ca_file": str(tmp_path / name)}}, environ={})
        with pytest.raises(ConfigError, match=r"pagerduty\.ca_file"):
            live.carrier(config)


def test_redirects_are_not_followed(host: EventsHost) -> None:
    """An answer that points elsewhere is a failure to be tried again, and elsewhere hears nothing."""
    answer = f"HTTP/1.1 307 Elsewhere\r\nLocation: {host.url}\r\nContent-Length: 0\r\n\r\n".encode()
    with Raw(answer) as server:
        assert verdict(settings(f"http://127.0.0.1:{server.port}/"))[0] is Verdict.RETRY
    assert host.events == []


def test_only_configured_hosts_are_talked_to(host: EventsHost) -> None:
    """A request to any other host is refused before a connection is made."""
    config = settings("https://events.pagerduty.com/v2/enqueue")
    with live.client(config, live.carrier(config)) as client, pytest.raises(httpx.UnsupportedProtocol, match="127"):
        client.post(host.url, json={})
    assert host.events == []


def test_proxies_come_from_the_configuration_alone(host: EventsHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment's proxies are ignored; a configured one carries the request."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert verdict(settings(host.url))[0] is Verdict.SENT
    base = host.url.removesuffix("/v2/enqueue")
    proxied = settings("http://localhost:9/v2/enqueue", network={"proxy": base})
    assert verdict(proxied)[0] is Verdict.SENT
    assert len(host.events) == 2


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"", Verdict.RETRY),
        (b"nonsense\r\n\r\n", Verdict.RETRY),
        (b"HTTP/1.1 400 Bad\r\nContent-Length: 9\r\n\r\nshort", Verdict.REJECTED),
        (b"HTTP/1.1 202 Accepted\r\nContent-Length: 9\r\n\r\nshort", Verdict.SENT),
        (b"HTTP/1.1 400 Bad\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\nnot gzip", Verdict.REJECTED),
        (b"HTTP/1.1 400 Bad\r\nConnection: close\r\n\r\n" + b"x" * 5_000_000, Verdict.REJECTED),
    ],
)
def test_broken_answers_are_judged_by_their_status(answer: bytes, expected: Verdict) -> None:
    """What breaks after the status says nothing new; what is endless is not read to its end."""
    with Raw(answer) as server:
        said, words = verdict(settings(f"http://127.0.0.1:{server.port}/"))
    assert said is expected
    assert len(words) <= 500
    assert MAX_ANSWER < 5_000_000


@pytest.mark.parametrize(
    ("answer", "drip", "expected"),
    [
        (b"HTTP/1.1 202 Accep", b"t", Verdict.RETRY),
        (b"HTTP/1.1 202 Accepted\r\n", b"X-More: and more\r\n", Verdict.RETRY),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n", Verdict.RETRY),
        (b"HTTP/1.1 202 Accepted\r\nContent-Length: 1000000\r\n\r\n", b"x", Verdict.SENT),
        (b"HTTP/1.1 400 Bad\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n", Verdict.REJECTED),
    ],
)
def test_an_answer_that_trickles_in_has_an_end(answer: bytes, drip: bytes, expected: Verdict) -> None:
    """However lively the bytes drip, an exchange as a whole lasts three time-outs at most, so no lane is held up."""
    with Raw(answer, drip=drip) as server:
        config = settings(f"http://127.0.0.1:{server.port}/")
        config = replace(config, pagerduty=replace(config.pagerduty, timeout=0.1))
        began = time.monotonic()
        said, words = verdict(config)
        took = time.monotonic() - began
    assert said is expected
    assert took < 3, words


def test_a_compressed_answer_nobody_asked_for_is_not_unpacked() -> None:
    """Three hundred kilobytes may become three hundred megabytes; the status says enough."""
    bomb = gzip.compress(bytes(50_000_000))
    head = f"HTTP/1.1 400 Bad\r\nContent-Encoding: gzip\r\nContent-Length: {len(bomb)}\r\n\r\n".encode()
    with Raw(head + bomb) as server:
        assert verdict(settings(f"http://127.0.0.1:{server.port}/")) == (Verdict.REJECTED, "HTTP 400")


def test_tls_is_of_this_decade() -> None:
    """Nothing below TLS 1.2 is spoken, and certificates and names are always checked."""
    carrier = live.carrier(settings("https://events.pagerduty.com/v2/enqueue"))
    context = carrier._inner._pool._ssl_context
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    carrier.close()


def test_an_answer_about_a_replaced_secret_does_not_bar_the_new_one() -> None:
    """The secret is changed while PagerDuty refuses the old one: the new one is tried at once."""
    store = SqliteStore(":memory:")
    old = parse({"keys": {"ops": {"value": KEY}}}, environ={})
    new = parse({"keys": {"ops": {"value": "n" * 32}}}, environ={})
    used: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        used.append("new" if b"nnnn" in request.content else "old")
        if used == ["old"]:
            bridge.configure(new)
        return httpx.Response(202 if used[-1] == "new" else 401)

    bridge = Bridge(old, store, httpx.Client(transport=httpx.MockTransport(answer)))
    bridge.receive(Inbound(payload("TRIGGER")), NOW)
    bridge.run_due(NOW)
    assert bridge.next_due() == 0
    bridge.run_due(NOW + 1)
    assert used == ["old", "new"]
    assert bridge.key_states()[0].barred is None
