"""Classification, pacing, pauses and order of delivery."""

import ssl

import httpx
import pytest
from bridge_rig import KEY, NOW, SECOND, TWO_KEYS, Rig, config, payload
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge import delivery, records
from bridge.delivery import KeyState, Verdict


def test_every_status_has_its_verdict() -> None:
    """Only 202 is an acceptance; refusals for good are the other 4xx; everything else is tried again."""
    special = {202: "sent", 401: "barred", 403: "barred", 408: "retry", 425: "retry", 429: "throttled"}
    for status in range(100, 600):
        expected = special.get(status, "rejected" if 400 <= status < 500 else "retry")
        assert delivery.classify(status) == expected, status


def every(kind: type[Exception]) -> list[type[Exception]]:
    return [kind, *(deeper for inner in kind.__subclasses__() for deeper in every(inner))]


TRANSPORT = [
    kind
    for root in (httpx.HTTPError, httpx.InvalidURL, httpx.CookieConflict, httpx.StreamError, OSError)
    for kind in every(root)
    if kind.__module__ in ("httpx", "builtins", "ssl") and kind is not ssl.SSLCertVerificationError
]


def broken(kind: type[Exception]) -> Exception:
    """Return an error of a kind, however it wants to be made."""
    request = httpx.Request("POST", "https://events.example.com")
    for arguments in (("broken",), (), ("broken", request), (5, "broken")):
        for named in ({}, {"request": request, "response": httpx.Response(500)}, {"request": request}):
            try:
                return kind(*arguments, **named)
            except TypeError:
                continue
    raise AssertionError(kind)


@pytest.mark.parametrize("kind", TRANSPORT)
def test_transport_errors_are_tried_again(kind: type[Exception]) -> None:
    """No answer never kills an event."""
    rig = Rig()
    rig.post(payload("TRIGGER"))

    def fail(event: object) -> httpx.Response:
        raise broken(kind)

    rig.pagerduty.answer = fail
    assert rig.bridge.run_due(NOW) == 2
    due = rig.bridge.next_due()
    assert due is not None
    assert NOW < due <= NOW + 2 * SECOND


def test_a_bad_certificate_bars_the_key() -> None:
    """A certificate that does not verify is found anywhere in the chain of causes."""
    error = httpx.ConnectError("failed")
    error.__cause__ = ssl.SSLCertVerificationError("no")
    assert delivery.classify_error(error) is Verdict.BARRED


@given(st.integers(1, 60), st.integers(0, 2**32), st.text())
@settings(max_examples=100)
def test_delays_stay_within_a_fifth_of_the_schedule(attempts: int, seed: int, key: str) -> None:
    """Jitter is at most 20 % either way and depends on nothing but its arguments."""
    base = delivery.BACKOFF[min(attempts, len(delivery.BACKOFF)) - 1] * SECOND
    delay = delivery.retry_delay(attempts, seed, key)
    assert abs(delay - base) * 5 <= base
    assert delay == delivery.retry_delay(attempts, seed, key)


@pytest.mark.parametrize(("pauses", "seconds"), [(0, 30), (1, 60), (2, 120), (3, 240), (4, 300), (99, 300)])
def test_throttling_pauses_grow_from_half_a_minute_to_five(pauses: int, seconds: int) -> None:
    """Each 429 in a row doubles the pause, up to five minutes."""
    assert delivery.pause(pauses) == seconds * SECOND


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 0),
        ("", 0),
        ("45", 45),
        (" 45 ", 45),
        ("x²", 0),
        ("-5", 0),
        ("1.5", 0),
        ("9" * 40, 999_999_999),
        ("Tue, 03 Feb 2026 04:06:30 GMT", 90),
        ("Tue, 03 Feb 2026 04:06:30", 90),
        ("Tue, 03 Feb 2026 05:06:30 +0100", 90),
        ("Tue, 03 Feb 2026 04:00:00 GMT", 0),
        ("Tue, 33 Feb 2026 04:00:00 GMT", 0),
        (f"Tue, 03 Feb {'9' * 20} 04:00:00 GMT", 0),
        (f"Tue, 03 Feb 2026 04:00:{'9' * 20} GMT", 0),
        (f"Tue, 03 Feb 2026 04:00:00 +{'9' * 20}", 0),
    ],
)
def test_retry_after_is_read_in_both_forms(header: str | None, seconds: int) -> None:
    """Seconds or a date; anything else asks for nothing."""
    assert delivery.wait_asked(header, NOW) == seconds * SECOND


@pytest.mark.parametrize(
    ("status", "header", "least", "most"),
    [
        (429, "45", 45, 45),
        (429, "9999", 300, 300),
        (429, "5", 30, 30),
        (503, "45", 45, 45),
        (503, "Tue, 03 Feb 2026 04:06:30 GMT", 90, 90),
        (503, "9999", 300, 300),
        (503, None, 0.8, 1.2),
    ],
)
def test_retry_after_lengthens_a_pause_up_to_five_minutes(
    status: int, header: str | None, least: float, most: float
) -> None:
    """What the header asks for counts for throttling and for errors alike."""
    rig = Rig()
    rig.post(payload("TRIGGER"))
    headers = {} if header is None else {"Retry-After": header}
    rig.pagerduty.answer = lambda event: httpx.Response(status, headers=headers)
    rig.bridge.run_due(NOW)
    due = rig.bridge.next_due()
    assert due is not None
    assert least <= (due - NOW) / SECOND <= most


@given(st.lists(st.integers(0, 90 * SECOND), max_size=60), st.integers(1, 20))
@settings(max_examples=100)
def test_no_minute_holds_more_than_its_share(moments: list[int], per_minute: int) -> None:
    """In any sixty seconds no more tries go than allowed."""
    state, tries = KeyState("k"), []
    for moment in sorted(moments):
        at = state.allowed_at(max(moment, tries[-1] if tries else 0), per_minute)
        state = state.tried(at)
        tries.append(at)
    for index, at in enumerate(tries[per_minute:]):
        assert at - tries[index] >= delivery.WINDOW


def test_a_throttled_key_leaves_the_other_alone() -> None:
    """429 pauses its key only, and the event goes when the pause is over."""
    rig = Rig(config(TWO_KEYS))
    rig.post(payload("TRIGGER", "a", ruleName="db down"))
    rig.post(payload("TRIGGER", "b"))
    rig.pagerduty.answer = lambda event: httpx.Response(429 if event["dedup_key"].endswith(":a") else 202)
    rig.bridge.run_due(NOW)
    assert rig.bridge.next_due() == NOW + 30 * SECOND
    assert rig.bridge.run_due(NOW + 29 * SECOND) == 0
    rig.pagerduty.answer = lambda event: httpx.Response(202)
    rig.bridge.run_due(NOW + 30 * SECOND)
    assert [action for action, _ in rig.pagerduty.actions] == ["trigger"] * 3
    assert rig.bridge.next_due() is None


def test_a_barred_key_keeps_its_events() -> None:
    """401 opens the circuit; one event probes after five minutes and, when taken, the rest follows."""
    rig = Rig()
    for name in "abc":
        rig.post(payload("TRIGGER", name))
    rig.pagerduty.answer = lambda event: httpx.Response(401)
    rig.bridge.run_due(NOW)
    assert len(rig.pagerduty.events) == 1
    assert rig.bridge.next_due() == NOW + 300 * SECOND
    rig.pagerduty.answer = lambda event: httpx.Response(202)
    rig.bridge.run_due(NOW + 300 * SECOND)
    assert len(rig.pagerduty.events) == 4


def test_an_event_dies_of_age_and_not_before() -> None:
    """Failures are repeated for a day; the last try is at the end of it."""
    rig = Rig()
    rig.post(payload("TRIGGER"))
    rig.pagerduty.answer = lambda event: httpx.Response(503)
    rig.bridge.run_due(NOW)
    last = NOW
    while (due := rig.bridge.next_due()) is not None:
        last = due
        assert rig.bridge.run_due(due) > 0
    assert last == NOW + 24 * 3600 * SECOND
    assert [(q.key, q.state, q.number) for q in records.figures(rig.store).queues] == [("ops", "dead", 1)]


def test_resolves_go_first_then_severity() -> None:
    """After a pause, open incidents are closed before new ones are opened, critical ones first."""
    rig = Rig()
    rig.post(payload("TRIGGER", "open"))
    rig.bridge.run_due(NOW)
    rig.post(payload("TRIGGER", "minor", severity="Minor"))
    rig.post(payload("TRIGGER", "critical", severity="Critical"))
    rig.post(payload("CLEAR", "open"))
    rig.bridge.run_due(NOW + 1)
    assert [key.split(":")[1] for _, key in rig.pagerduty.actions[1:]] == ["open", "critical", "minor"]


def test_a_refused_event_is_dead_with_the_reason() -> None:
    """400 is final, and PagerDuty's words are kept without the key."""
    rig = Rig()
    rig.post(payload("TRIGGER"))
    rig.pagerduty.answer = lambda event: httpx.Response(400, json={"errors": [f"bad {event['routing_key']}"]})
    rig.bridge.run_due(NOW)
    row = rig.store.connection.execute("SELECT state, last_error FROM outbox").fetchone()
    assert row == ("dead", "HTTP 400 bad ***")


def test_waiting_outweighs_severity_in_the_end() -> None:
    """A minor alert that has waited a quarter of an hour goes before a critical one that has just come."""
    rig = Rig(config(pagerduty={"events_per_minute": 1}))
    rig.post(payload("TRIGGER", "first"))
    rig.bridge.run_due(NOW)
    rig.post(payload("TRIGGER", "old-info", severity="Info"), NOW)
    rig.bridge.decide(NOW)
    late = NOW + 16 * 60 * SECOND
    rig.post(payload("TRIGGER", "new-critical", severity="Critical"), late)
    rig.drain(late)
    assert [key.split(":")[1] for _, key in rig.pagerduty.actions] == ["first", "old-info", "new-critical"]


def test_the_last_critical_of_a_storm_does_not_wait_for_the_rest() -> None:
    """Of 400 alerts at once, one in twenty critical, at two a second: the last critical is out after its share."""
    rig = Rig(config(pagerduty={"events_per_minute": 120}))
    for number in range(400):
        severity = "Critical" if number % 20 == 19 else "Minor"
        rig.post(payload("TRIGGER", f"{number:03}", severity=severity))
    sent: list[tuple[int, str]] = []
    now = NOW
    rig.pagerduty.answer = lambda event: sent.append((now, event["payload"]["severity"])) or httpx.Response(202)
    while (due := rig.bridge.next_due()) is not None:
        now = max(now, due)
        rig.bridge.run_due(now)
    last = {kind: max(at for at, severity in sent if severity == kind) - NOW for kind in ("critical", "warning")}
    assert last["critical"] == 0
    assert last["warning"] == 180 * SECOND


def test_one_key_never_waits_for_the_order_of_another() -> None:
    """Order holds within an integration key; a key that is paused with urgent events holds up no other."""
    rig = Rig(config(TWO_KEYS))
    rig.pagerduty.answer = lambda event: httpx.Response(429 if event["routing_key"].startswith("k2") else 202)
    rig.post(payload("TRIGGER", "urgent", ruleName="db down", severity="Critical"))
    rig.post(payload("TRIGGER", "other", severity="Info"), NOW + 1)
    rig.bridge.run_due(NOW + 1)
    assert rig.store.finished("thousandeyes:other", "trigger")
    assert not rig.store.finished("thousandeyes:urgent", "trigger")


def test_a_transport_error_that_quotes_the_request_keeps_no_key(caplog: pytest.LogCaptureFixture) -> None:
    """Neither the store nor the log holds the key when a library quotes what it could not send."""
    rig = Rig()
    rig.post(payload("TRIGGER"))

    def fail(event: dict[str, str]) -> httpx.Response:
        raise httpx.ConnectError(f"cannot send {event}")

    rig.pagerduty.answer = fail
    rig.bridge.run_due(NOW)
    kept = str(rig.store.rows("SELECT last_error FROM outbox")) + str(rig.store.rows("SELECT error FROM attempt"))
    said = " ".join(str(record.__dict__) for record in caplog.records)
    assert "cannot send" in kept
    assert KEY not in kept + said
    assert "***" in kept


@given(st.binary(max_size=60), st.binary(max_size=200), st.integers(100, 999))
@settings(max_examples=100)
def test_whatever_is_answered_has_a_consequence(header: bytes, body: bytes, status: int) -> None:
    """No header and no body make a try end in anything but a verdict that is kept."""
    rig = Rig()
    rig.post(payload("TRIGGER"))
    header = header.replace(b"\r", b"").replace(b"\n", b"").replace(b"\0", b"")
    rig.pagerduty.answer = lambda event: httpx.Response(status, headers=[(b"Retry-After", header)], content=body)
    rig.bridge.run_due(NOW)
    assert [row[0] for row in rig.store.rows("SELECT verdict FROM attempt")] == [delivery.classify(status)]


def test_an_error_nobody_foresaw_is_a_failed_try_and_holds_up_no_other_key() -> None:
    """A library that stumbles over an answer costs that event a pause, not its neighbours their turn."""
    rig = Rig(config(TWO_KEYS))

    def answer(event: dict[str, str]) -> httpx.Response:
        if event["routing_key"] == KEY:
            raise RuntimeError(f"odd: {event['routing_key']}")
        return httpx.Response(202)

    rig.pagerduty.answer = answer
    rig.post(payload("TRIGGER", "odd"))
    rig.post(payload("TRIGGER", "fine", ruleName="db down"))
    rig.bridge.run_due(NOW)
    assert rig.store.finished("thousandeyes:fine", "trigger")
    assert rig.store.row("SELECT verdict, error FROM attempt WHERE key_name = 'ops'") == (
        "retry",
        "RuntimeError: odd: ***",
    )
    due = rig.bridge.next_due()
    assert due is not None
    assert due > NOW


def test_a_redirect_is_not_followed() -> None:
    """The event stays with the configured host, and is tried there again."""
    rig = Rig()
    rig.post(payload("TRIGGER"))
    rig.pagerduty.answer = lambda event: httpx.Response(307, headers={"Location": "https://elsewhere.example/"})
    rig.bridge.run_due(NOW)
    assert len(rig.pagerduty.events) == 1
    assert rig.bridge.next_due() is not None
