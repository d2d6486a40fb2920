"""Asking others to help: who is told, for how long, what answers do; and who hears of status updates."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest
from duty_rig import ALICE, BOB, CAROL, Duty, two_levels, user
from rest_rig import make, refused

from simulators.engine.draft import Draft
from simulators.engine.transport import Site
from simulators.pagerduty import devices, incidents, responders
from simulators.pagerduty.model import Agent, Channel, Purpose, Status
from simulators.pagerduty.responders import State

HELPERS = "PEPHELP"
ALICE_ACTS = Agent("user_reference", ALICE.id, "website")


def account() -> dict[str, Any]:
    """Return Alice and Bob on duty, and a policy of helpers: Carol, ten minutes later Bob."""
    made = two_levels()
    levels = [{"escalation_delay_in_minutes": 10, "targets": [user(who)]} for who in (CAROL, BOB)]
    helpers = {"id": HELPERS, "name": "Helpers", "num_loops": 0, "escalation_rules": levels}
    return made | {"escalation_policies": [*made["escalation_policies"], helpers]}


class Scene(Duty):
    """An open incident that Alice has."""

    def __init__(self, **knobs: Any) -> None:
        super().__init__(account(), **knobs)
        self.send()
        self.path = f"/incidents/{self.incident.id}"

    def ask(self, *targets: tuple[str, str], **changes: Any) -> httpx.Response:
        """Ask targets (type and id) to help, in Alice's name."""
        asked = [{"responder_request_target": {"type": kind, "id": id}} for kind, id in targets]
        body = {"requester_id": ALICE.id, "message": "Please help", "responder_request_targets": asked, **changes}
        return self.rest("POST", f"{self.path}/responder_requests", body)

    def cancel(self, *targets: tuple[str, str]) -> list[str]:
        """Take requests back and return the results."""
        named = [{"type": kind, "id": id} for kind, id in targets]
        body = {"requester_id": ALICE.id, "responder_request_targets": named}
        answer = self.rest("PUT", f"{self.path}/responder_requests/cancel", body)
        return [row["result"] for row in answer.json()["responder_request_targets"]]

    @property
    def responders(self) -> dict[str, str]:
        """Who was asked, and where that stands, as the incident shows it."""
        shown = self.rest("GET", self.path).json()["incident"]["incidents_responders"]
        return {row["user"]["summary"]: row["state"] for row in shown}

    @property
    def asked(self) -> list[tuple[int, str]]:
        """Who was told of a request when."""
        told = zip(self.told, self.messages, strict=True)
        return [when for when, message in told if message.purpose is Purpose.RESPONDER]


BOB_TOO = ("user_reference", BOB.id)
HELPERS_TOO = ("escalation_policy_reference", HELPERS)


def test_who_is_asked_is_told_by_their_high_urgency_rules() -> None:
    """Also for an incident of low urgency; nobody is assigned by it."""
    scene = Scene()
    scene.rest("PUT", scene.path, {"incident": {"type": "incident", "urgency": "low"}}, From=ALICE.email)
    answer = scene.ask(BOB_TOO)
    scene.world.advance(0)
    assert answer.status_code == 200
    shown = answer.json()["responder_request"]
    assert (shown["message"], shown["requester"]["id"]) == ("Please help", ALICE.id)
    (target,) = shown["responder_request_targets"]
    assert target["responder_request_target"]["type"] == "user"
    assert target["responder_request_target"]["incidents_responders"][0]["state"] == "pending"
    assert scene.asked == [(0, "bob")]
    assert scene.assigned == ["alice"]
    assert scene.responders == {"bob": "pending"}


@pytest.mark.parametrize(("key", "state"), [("4", "joined"), ("6", "declined")])
def test_an_answer_joins_or_declines(key: str, state: str) -> None:
    """The answer is written to the log, told to webhooks, and given once."""
    scene = Scene()
    scene.ask(BOB_TOO)
    scene.world.advance(0)
    call = next(row for row in scene.messages if row.user == BOB.id and row.channel is Channel.PHONE)
    scene.do(devices.answer, call.id)
    assert scene.do(devices.press, call.id, key).outcome == devices.DONE
    assert scene.responders == {"bob": state}
    entries = scene.rest("GET", f"{scene.path}/log_entries").json()["log_entries"]
    told = [row for row in entries if row["type"].startswith("responder_")]
    assert [row["type"] for row in told] == ["responder_reply_log_entry", "responder_request_log_entry"]
    assert told[0]["responders"][0]["user"]["id"] == BOB.id
    assert [data["state"] for data in scene.record("incident.responder.replied")] == [state]
    assert "outdated" in scene.do(devices.press, call.id, key).outcome


def test_acknowledging_joins() -> None:
    """A requested user who acknowledges has joined; notifications of the request stop."""
    scene = Scene()
    scene.ask(BOB_TOO)
    scene.do(incidents.acknowledge, scene.incident, Agent("user_reference", BOB.id, "website"))
    assert scene.responders == {"bob": "joined"}


def test_a_policy_is_walked_until_somebody_joins() -> None:
    """It goes on although the incident is acknowledged, and stops with the first who joins."""
    scene = Scene()
    scene.ask(HELPERS_TOO)
    scene.do(incidents.acknowledge, scene.incident, ALICE_ACTS)
    scene.until(9)
    assert scene.asked == [(0, "carol")]
    scene.until(11)
    assert scene.asked == [(0, "carol"), (10, "bob")]
    assert scene.responders == {"carol": "pending", "bob": "pending"}
    assert [entry for entry in scene.log() if entry[1] == "responder_request"] == [
        (0, "responder_request"), (10, "responder_request"),
    ]  # fmt: skip
    bob = Agent("user_reference", BOB.id, "phone")
    scene.do(responders.answer, scene.incident, BOB.id, State.JOINED, bob)
    assert list(scene.world.view.all(responders.WALKS)) == []
    assert scene.responders == {"carol": "pending", "bob": "joined"}


def test_a_policy_stops_when_the_incident_is_resolved() -> None:
    """Nobody is asked to help with what is over, and nobody can be any more."""
    scene = Scene()
    scene.ask(HELPERS_TOO)
    scene.world.advance(0)
    scene.send("resolve")
    assert scene.incident.status is Status.RESOLVED
    scene.until(60)
    assert scene.asked == [(0, "carol")]
    assert refused(scene.ask(BOB_TOO))[:2] == (400, 1001)


def test_requests_are_cancelled_as_far_as_they_are_open() -> None:
    """Who has answered stays as they are; a cancelled policy goes no further and its people are asked no more."""
    scene = Scene()
    scene.ask(BOB_TOO)
    scene.do(responders.answer, scene.incident, BOB.id, State.DECLINED, ALICE_ACTS)
    scene.ask(HELPERS_TOO)
    results = scene.cancel(BOB_TOO, HELPERS_TOO, ("user_reference", ALICE.id), ("user_reference", CAROL.id))
    assert results == ["declined", "cancelled", "not_found", "not_found"]
    assert scene.responders == {"bob": "declined", "carol": "user_cancelled"}
    scene.until(60)
    assert [when for when in scene.asked if when[0]] == []


def test_who_declined_can_be_asked_again() -> None:
    """A new request makes them pending once more; who has joined is not asked twice."""
    scene = Scene()
    scene.ask(BOB_TOO)
    scene.do(responders.answer, scene.incident, BOB.id, State.DECLINED, ALICE_ACTS)
    scene.ask(BOB_TOO)
    assert scene.responders == {"bob": "pending"}
    scene.do(responders.answer, scene.incident, BOB.id, State.JOINED, ALICE_ACTS)
    scene.ask(BOB_TOO)
    assert scene.responders == {"bob": "joined"}
    assert len(scene.rest("GET", scene.path).json()["incident"]["responder_requests"]) == 3


def test_requests_that_cannot_be_are_refused() -> None:
    """Unknown requester and targets, an empty message, no targets, and a plan without the ability."""
    scene = Scene()
    assert refused(scene.ask(BOB_TOO, requester_id="PNOBODY"))[:2] == (400, 1008)
    assert scene.ask(("user_reference", "PNOBODY")).status_code == 404
    assert refused(scene.ask(BOB_TOO, message=""))[2] == ["Message cannot be empty."]
    assert refused(scene.ask())[2] == ["Responder request targets cannot be empty."]
    poor = Scene(missing_abilities=("coordinated_responding",))
    assert refused(poor.ask(BOB_TOO))[:2] == (402, 2014)


def test_an_incident_asks_only_so_many_and_so_often() -> None:
    """500 different people, 1,000 requests; who was asked before does not count again."""
    scene = Scene()
    scene.ask(BOB_TOO)
    (asked,) = scene.world.view.all(responders.RESPONDERS)
    (made,) = scene.world.view.all(responders.REQUESTS)

    def fill(draft: Draft) -> None:
        for place in range(499):
            draft.put(responders.RESPONDERS, replace(asked, id=f"x{place}", user=f"PX{place}"))

    scene.world.transact(fill)
    assert scene.ask(BOB_TOO).status_code == 200
    words = refused(scene.ask(("user_reference", CAROL.id)))
    assert words == (400, 2001, ["An incident may have at most 500 responders"])

    def repeat(draft: Draft) -> None:
        for place in range(998):
            draft.put(responders.REQUESTS, replace(made, id=f"x{place}"))

    scene.world.transact(repeat)
    assert refused(scene.ask(BOB_TOO)) == (400, 2001, ["An incident may have at most 1000 responder requests"])


def test_responders_are_told_to_webhooks() -> None:
    """Added and replied are events of their own, about the user and the policy they were asked through."""
    heard: list[dict[str, Any]] = []

    def receive(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        heard.append(json.loads(environ["wsgi.input"].read())["event"])
        start_response("200 OK", [])
        return [b""]

    scene = Scene()
    scene.world.serve("hooks.example.com", Site("hooks", receive))
    hook = {
        "type": "webhook_subscription",
        "delivery_method": {"type": "http_delivery_method", "url": "https://hooks.example.com/in"},
        "events": ["incident.responder.added", "incident.responder.replied"],
        "filter": {"type": "account_reference"},
    }
    make(scene, "/webhook_subscriptions", "webhook_subscription", hook)
    scene.ask(HELPERS_TOO)
    scene.do(responders.answer, scene.incident, CAROL.id, State.JOINED, ALICE_ACTS)
    scene.world.advance("1m")
    told = [(event["event_type"], event["data"]["state"], event["data"]["user"]["id"]) for event in heard]
    assert told == [
        ("incident.responder.added", "pending", CAROL.id),
        ("incident.responder.replied", "joined", CAROL.id),
    ]
    assert {event["data"]["escalation_policy"]["id"] for event in heard} == {HELPERS}
    assert {event["data"]["message"] for event in heard} == {"Please help"}


# -- status updates ----------------------------------------------------------------------------------------------------


def subscribers(*entries: tuple[str, str]) -> dict[str, Any]:
    return {"subscribers": [{"subscriber_type": kind, "subscriber_id": id} for kind, id in entries]}


def test_subscribers_hear_of_status_updates_at_once() -> None:
    """Users and members of teams, by their status-update rules, each once; not who wrote the update."""
    scene = Scene()
    team = make(scene, "/teams", "team", {"name": "Comms"})
    for human in (CAROL, ALICE):
        scene.rest("PUT", f"/teams/{team['id']}/users/{human.id}", {})
        method = make(scene, f"/users/{human.id}/contact_methods", "contact_method", {
            "type": "email_contact_method", "label": "News", "address": f"news-{human.email}"})  # fmt: skip
        rule = {"contact_method": {"id": method["id"], "type": "email_contact_method"}}
        path = f"/users/{human.id}/status_update_notification_rules"
        make(scene, path, "status_update_notification_rule", rule)
    path = f"{scene.path}/status_updates"
    scene.rest("POST", f"{path}/subscribers", subscribers(("team", team["id"]), ("user", CAROL.id)))
    answer = scene.rest("POST", path, {"message": "On it"}, From=ALICE.email)
    scene.world.advance(0)
    assert answer.status_code == 200
    news = [row for row in scene.messages if row.purpose is Purpose.UPDATE]
    assert [(row.user, row.address) for row in news] == [(CAROL.id, f"news-{CAROL.email}")]
    assert scene.log()[-1] == (0, "status_update")
    scene.rest("POST", f"{path}/unsubscribe", subscribers(("team", team["id"]), ("user", CAROL.id)))
    scene.rest("POST", path, {"message": "Done"}, From=ALICE.email)
    assert len([row for row in scene.messages if row.purpose is Purpose.UPDATE]) == 1


def test_each_subscriber_is_answered_by_itself() -> None:
    """New, known already, or nobody of the account; taking back counts the same three."""
    scene = Scene()
    path = f"{scene.path}/status_updates"
    three = subscribers(("user", BOB.id), ("user", BOB.id), ("team", "PNOBODY"))
    answer = scene.rest("POST", f"{path}/subscribers", three)
    assert answer.status_code == 200
    shown = answer.json()["subscriptions"]
    assert [row["result"] for row in shown] == ["success", "duplicate", "unauthorized"]
    assert {row["subscribable_id"] for row in shown} == {scene.incident.id}
    listed = scene.rest("GET", f"{path}/subscribers").json()
    assert [row["subscriber_id"] for row in listed["subscribers"]] == [BOB.id]
    assert (listed["account_id"], listed["more"]) == (shown[0]["account_id"], False)
    counts = scene.rest("POST", f"{path}/unsubscribe", three).json()
    assert counts == {"deleted_count": 1, "unauthorized_count": 1, "non_existent_count": 1}
    assert scene.rest("GET", f"{path}/subscribers").json()["subscribers"] == []


def test_a_subscription_is_read_and_ended_from_both_ends() -> None:
    """What a user or team subscribes to is a subscriber there; business services have subscribers, too."""
    scene = Scene()
    sales = make(scene, "/business_services", "business_service", {"name": "Sales"})["id"]
    team = make(scene, "/teams", "team", {"name": "Comms"})["id"]
    about = [{"subscribable_type": "incident", "subscribable_id": scene.incident.id}]
    about.append({"subscribable_type": "business_service", "subscribable_id": sales})
    about.append({"subscribable_type": "business_service", "subscribable_id": "PNOBODY"})
    for owner in (f"/users/{CAROL.id}", f"/teams/{team}"):
        path = f"{owner}/notification_subscriptions"
        shown = scene.rest("POST", path, {"subscribables": about}).json()["subscriptions"]
        assert [row["result"] for row in shown] == ["success", "success", "unauthorized"]
        listed = [row["subscription"] for row in scene.rest("GET", path).json()["subscriptions"]]
        assert [row["subscribable_name"] for row in listed] == [None, "Sales"]
        assert {row["subscriber_id"] for row in listed} == {owner.rpartition("/")[2]}
    for path in (f"{scene.path}/status_updates/subscribers", f"/business_services/{sales}/subscribers"):
        rows = scene.rest("GET", path).json()["subscribers"]
        assert [(row["subscriber_type"], row["subscriber_id"]) for row in rows] == [("user", CAROL.id), ("team", team)]
    ended = scene.rest("POST", f"/business_services/{sales}/unsubscribe", subscribers(("user", CAROL.id)))
    assert ended.json()["deleted_count"] == 1
    assert len(scene.rest("GET", f"/users/{CAROL.id}/notification_subscriptions").json()["subscriptions"]) == 1
    path = f"/teams/{team}/notification_subscriptions/unsubscribe"
    counts = scene.rest("POST", path, {"subscribables": about}).json()
    assert counts == {"deleted_count": 2, "unauthorized_count": 1, "non_existent_count": 0}


def test_subscribers_that_cannot_be_are_unprocessable() -> None:
    """An empty list and an unknown kind of subscriber are answered 422; a body that is no object stays 400."""
    scene = Scene()
    path = f"{scene.path}/status_updates"
    for ending in ("subscribers", "unsubscribe"):
        assert scene.rest("POST", f"{path}/{ending}", {"subscribers": []}).status_code == 422
        assert scene.rest("POST", f"{path}/{ending}", subscribers(("robot", BOB.id))).status_code == 422
        assert scene.rest("POST", f"{path}/{ending}", []).status_code == 400


def test_a_mail_of_ones_own_needs_subject_and_text() -> None:
    """Both come back when they were given, and neither may come alone."""
    scene = Scene()
    path, mail = f"{scene.path}/status_updates", {"subject": "News", "html_message": "<p>News</p>"}
    shown = scene.rest("POST", path, {"message": "On it", **mail}, From=ALICE.email).json()["status_update"]
    assert {name: shown[name] for name in mail} == mail
    answer = scene.rest("POST", path, {"message": "On it", "html_message": "<p>News</p>"}, From=ALICE.email)
    assert refused(answer) == (400, 2001, ["Subject cannot be empty."])
    assert "subject" not in scene.rest("POST", path, {"message": "x"}, From=ALICE.email).json()["status_update"]
