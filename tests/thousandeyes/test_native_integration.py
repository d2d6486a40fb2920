"""The native PagerDuty integration: several services at once, one line for each, and what they are told."""

import pytest
from rounds_rig import Receiver, Rounds

from simulators.engine import timeline
from simulators.thousandeyes import commands, native
from simulators.thousandeyes.model import INTEGRATIONS, Trouble
from simulators.thousandeyes.native import Line, Outcome, Service

KEYS = ("0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210")
TARGET = "https://hooks.example.com/v2/enqueue"


@pytest.fixture
def here() -> Rounds:
    return Rounds()


def install(here: Rounds, *services: Service) -> list[Line]:
    lines: list[Line] = here.do(native.install, services, target=TARGET)
    return lines


def test_each_service_that_was_picked_has_one_line(here: Rounds) -> None:
    """Created, refused as a duplicate, rejected for want of alerts, or failed; in the order they were picked."""
    shop = Service("PSHOP01", "Shop", key=KEYS[0])
    lines = install(
        here,
        shop,
        Service("PMAIL01", "Mail only", alerts_and_incidents=False),
        shop,
        Service("PGONE01", "Gone", error="PagerDuty answered 500"),
        Service("PNOKEY1", "No key"),
    )
    assert [(line.service, line.outcome, line.integration) for line in lines] == [
        ("Shop", Outcome.CREATED, "pgd-21"),
        ("Mail only", Outcome.REJECTED, ""),
        ("Shop", Outcome.DUPLICATE, "pgd-21"),
        ("Gone", Outcome.FAILED, ""),
        ("No key", Outcome.FAILED, ""),
    ]
    assert lines[3].text == "PagerDuty answered 500"
    assert [row.id for row in here.world.view.all(INTEGRATIONS)] == ["pgd-21"]


def test_the_lines_are_part_of_the_story(here: Rounds) -> None:
    """Journal and timeline say what came of each service."""
    install(here, Service("P1", "Shop", key=KEYS[0]), Service("P2", "Mail", alerts_and_incidents=False))
    told = timeline.as_text(timeline.lines(here.world))
    assert "PagerDuty service 'Shop': created" in told
    assert "PagerDuty service 'Mail': rejected" in told


def test_a_service_picked_again_later_is_a_duplicate(here: Rounds) -> None:
    """There is never a second integration with the same service."""
    install(here, Service("P1", "Shop", key=KEYS[0]))
    (line,) = install(here, Service("P1", "Shop, renamed", key=KEYS[1]))
    assert (line.outcome, line.integration) == (Outcome.DUPLICATE, "pgd-21")


def test_an_alert_is_told_to_every_service_of_its_rule(here: Rounds) -> None:
    """Each under its own key, with the same alert; the clear resolves it in both."""
    receiver = Receiver(here)
    lines = install(here, *(Service(f"P{key}", key, key=key) for key in KEYS))
    items = [{"integrationId": line.integration, "integrationType": "pager-duty"} for line in lines]
    here.rule(notifications={"thirdParty": items})
    here.play("A .")
    assert [(body["event_action"], body["routing_key"]) for body in receiver.got] == [
        ("trigger", KEYS[0]),
        ("trigger", KEYS[1]),
        ("resolve", KEYS[0]),
        ("resolve", KEYS[1]),
    ]
    assert {body["dedup_key"] for body in receiver.got} == {f"thousandeyes-{here.alerts[0].id}"}


def test_an_event_tells_the_alert_in_plain_english(here: Rounds) -> None:
    """Fields have the vendor's names; the rule stands with its expression, the locations with what they measured."""
    receiver = Receiver(here)
    (line,) = install(here, Service("P1", "Shop", key=KEYS[0]))
    here.rule(severity="major", notifications={"thirdParty": [{"integrationId": line.integration}]})
    here.play("AB")
    payload = receiver.got[0]["payload"]
    details = payload["custom_details"]
    assert (payload["severity"], payload["class"], payload["component"]) == ("error", "HTTP Server", "shop")
    assert details["Alert Rule"] == "down: Response Code ≥ 500"
    assert (details["URL"], details["Number of Agents"]) == ("https://shop.example", 2)
    assert details["Agents"] == "Singapore: Response Code: 503; London: Response Code: 503"
    assert details["Start Date"] == "2026-03-02 09:01:00 UTC"


def test_a_clear_carries_nothing_but_the_key(here: Rounds) -> None:
    """PagerDuty resolves by the key alone."""
    receiver = Receiver(here)
    (line,) = install(here, Service("P1", "Shop", key=KEYS[0]))
    here.rule(notifications={"thirdParty": [{"integrationId": line.integration}]})
    here.play("A .")
    assert set(receiver.got[1]) == {"routing_key", "dedup_key", "event_action"}


@pytest.mark.parametrize("kind", ["slack", "service-now", "app-dynamics"])
def test_other_third_parties_are_told_in_the_journal(here: Rounds, kind: str) -> None:
    """Trigger and clear, with the fields of a message; nothing is sent."""
    chat = here.do(commands.add_integration, kind, name="ops", target="https://chat.example.com/x")
    here.rule(notifications={"thirdParty": [{"integrationId": chat.id, "integrationType": kind}]})
    here.play("A .")
    posted = [entry.data for entry in here.world.journal if entry.kind == "notification.posted"]
    assert [row["event"].removeprefix("ALERT_NOTIFICATION_") for row in posted] == ["TRIGGER", "CLEAR"]
    assert (posted[0]["channel"], posted[0]["fields"]["Test Name"]) == (kind, "shop")
    assert "sent" not in {entry.kind for entry in here.world.journal}


@pytest.mark.parametrize(("kind", "told"), [("slack", 1), ("service-now", 2)])
def test_a_chat_hears_of_the_end_only_if_the_rule_says_so(here: Rounds, kind: str, told: int) -> None:
    """A ticket does in any case, or it would stay open."""
    chat = here.do(commands.add_integration, kind, name="ops", target="https://chat.example.com/x")
    items = [{"integrationId": chat.id, "integrationType": kind}]
    here.rule(notify_on_clear=False, notifications={"thirdParty": items})
    here.wrong(Trouble.STATUS, 503)
    here.play(". .")
    assert len([entry for entry in here.world.journal if entry.kind == "notification.posted"]) == told
