"""Custom webhooks as somebody sets them up: over the API and the control plane, with tests, changes and deletion."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from thousandeyes_account import Account

from contracts import traffic
from simulators.engine.transport import Site

TARGET = "https://hooks.example.com"
OPERATION = {
    "name": "ops",
    "category": "alerts",
    "enabled": True,
    "status": "pending",
    "path": "/te",
    "payload": '{"alert": "{{alert.id}}", "type": {{type.id}}, "rule": "{{alert.rule.name}}"}',
}
OAUTH = {
    "type": "oauth-client-credentials",
    "oauthClientId": "pager",
    "oauthClientSecret": "hush",
    "oauthTokenUrl": "https://login.example.com/token",
}


class Hooks:
    """An account with a connector and an operation made over the API, and whoever receives at :data:`TARGET`."""

    def __init__(self, **connector: Any) -> None:
        self.here = Account()
        self.got: list[tuple[str, str]] = []
        self.status = "200 OK"
        self.token: tuple[str, bytes] = ("200 OK", b'{"access_token": "t-1", "token_type": "Bearer"}')
        self.here.world.serve("hooks.example.com", Site("hooks", self._receive))
        self.here.world.serve("login.example.com", Site("login", self._log_in))
        body = {"type": "generic", "name": "receiver", "target": TARGET, **connector}
        self.connector = self.here.ask("POST", "/connectors/generic", body, status=201)["id"]
        self.operation = self.here.ask("POST", "/operations/webhooks", OPERATION, status=201)["id"]
        self.here.ask("PUT", f"/operations/webhooks/{self.operation}/connectors", [self.connector])

    def _receive(self, environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        self.got.append((environ.get("HTTP_AUTHORIZATION", ""), environ["wsgi.input"].read().decode()))
        start(self.status, [])
        return [b""]

    def _log_in(self, environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        self.asked = (environ["HTTP_AUTHORIZATION"], environ["CONTENT_TYPE"], environ["wsgi.input"].read().decode())
        start(self.token[0], [])
        return [self.token[1]]

    def rule(self, **settings: Any) -> str:
        """Make a rule that tells the operation, on a test of its own."""
        item = {"integrationId": self.operation, "integrationType": "custom-webhook"}
        return self.here.rule(self.here.test(alertRules=[]), notifications={"customWebhook": [item]}, **settings)

    def press(self) -> str:
        """Press the test button and return the status the operation has then."""
        self.here.sim("POST", f"/operations/{self.operation}/test", status=202)
        self.here.world.advance("1m")
        return self.shown

    @property
    def shown(self) -> str:
        return str(self.here.ask("GET", f"/operations/webhooks/{self.operation}")["status"])

    def change(self, **settings: Any) -> str:
        """Update the operation and return the status it has then."""
        body = {**OPERATION, "status": self.shown, **settings}
        return str(self.here.ask("PUT", f"/operations/webhooks/{self.operation}", body)["status"])

    def lost(self) -> list[str]:
        return [entry.data["why"] for entry in self.here.world.journal if entry.kind == "notification.lost"]


def test_a_rule_made_over_the_api_tells_its_custom_webhook() -> None:
    """Trigger and clear arrive at target and path, rules show name and target, and the contracts are kept."""
    hooks = Hooks()
    rule = hooks.rule()
    hooks.here.fails("09:10", "09:20")
    hooks.here.world.advance("1h")
    assert [json.loads(body)["type"] for _, body in hooks.got] == [2, 1]
    (item,) = hooks.here.ask("GET", f"/alerts/rules/{rule}")["notifications"]["customWebhook"]
    assert (item["integrationName"], item["target"]) == ("ops", f"{TARGET}/te")
    assert traffic.violations(hooks.here.world.journal) == []
    shown = hooks.here.sim("GET", "/deliveries")["deliveries"]
    assert [(row["kind"], row["name"], row["target"], row["state"], row["attempts"]) for row in shown] == [
        ("custom-webhook", "ops", f"{TARGET}/te", "delivered", 1)
    ] * 2
    assert [json.loads(row["body"]) for row in shown] == [json.loads(body) for _, body in hooks.got]


def test_what_could_not_be_sent_is_told_beside_the_deliveries() -> None:
    """A name that breaks the payload's JSON: nothing was delivered, and the reason stands there."""
    hooks = Hooks()
    hooks.rule(ruleName='say "no"')
    hooks.here.fails("09:10")
    hooks.here.world.advance("30m")
    told = hooks.here.sim("GET", "/deliveries")
    assert (told["deliveries"], [row["target"] for row in told["unsent"]]) == ([], [hooks.operation])
    assert told["unsent"][0]["text"].startswith("payload: the rendered text is not JSON")


def test_the_status_is_what_the_last_test_came_to_until_something_changes() -> None:
    """A new name changes nothing; another payload, target or connector makes it untested; an update may say more."""
    hooks = Hooks()
    assert (hooks.shown, hooks.press()) == ("pending", "connected")
    assert hooks.change(name="operators") == "connected"
    assert hooks.change(payload="{}") == "pending"
    hooks.status = "500 no"
    assert hooks.press() == "failing"
    body = {"type": "generic", "name": "another name", "target": TARGET}
    hooks.here.ask("PUT", f"/connectors/generic/{hooks.connector}", body)
    assert hooks.shown == "failing"
    hooks.here.ask("PUT", f"/connectors/generic/{hooks.connector}", body | {"target": f"{TARGET}/v2"})
    assert hooks.shown == "pending"
    assert hooks.change(payload='{"v": 2}', status="connected") == "connected"
    hooks.here.ask("PUT", f"/operations/webhooks/{hooks.operation}/connectors", [])
    assert (hooks.shown, hooks.press()) == ("pending", "failing")


def test_the_test_button_sends_everything_an_alert_on_a_test_has() -> None:
    """A template that needs the test's id or target passes as it would for a real alert."""
    hooks = Hooks()
    wanted = '{"id": {{alert.test.id}}, "name": "{{alert.test.name}}", "target": "{{alert.targets.[0].description}}"}'
    hooks.change(payload=wanted)
    assert hooks.press() == "connected"
    assert json.loads(hooks.got[0][1]) == {"id": 0, "name": "Test", "target": "https://www.example.com"}


def test_secrets_come_back_as_asterisks_which_change_nothing_when_sent_back() -> None:
    """What a client read it may write, and the receiver still gets the password."""
    login = {"type": "basic", "username": "u", "password": "p"}
    hooks = Hooks(authentication=login, headers=[{"name": "X-Key", "value": "k"}])
    read = hooks.here.ask("GET", f"/connectors/generic/{hooks.connector}")
    assert (read["authentication"]["password"], read["headers"][0]["value"]) == ("*****", "*****")
    hooks.here.ask("PUT", f"/connectors/generic/{hooks.connector}", read)
    assert hooks.press() == "connected"
    assert hooks.got[0][0] == "Basic dTpw"
    assert "dTpw" not in json.dumps(hooks.here.sim("GET", "/deliveries"))


def test_a_deleted_webhook_is_gone_from_rules_and_their_alerts_go_on() -> None:
    """Deleting it is no edit of the rule; the end of an alert that began before has nobody to tell."""
    hooks = Hooks()
    rule = hooks.rule()
    hooks.here.fails("09:10", "09:20")
    hooks.here.world.run_until("09:15")
    hooks.here.ask("DELETE", f"/operations/webhooks/{hooks.operation}", status=204)
    assert hooks.here.ask("GET", f"/alerts/rules/{rule}")["notifications"] == {"email": {"recipients": []}}
    assert len(hooks.here.ask("GET", "/alerts")["alerts"]) == 1
    hooks.here.world.advance("1h")
    assert (len(hooks.got), hooks.lost()) == (1, ["no such integration"])


@pytest.mark.parametrize(
    ("what", "settings", "field"),
    [
        ("connectors/generic", {"target": "https://[half"}, "target"),
        ("connectors/generic", {"target": "https://host:99999/"}, "target"),
        ("connectors/generic", {"target": "ftp://host/"}, "target"),
        ("connectors/generic", {"headers": [{"name": "X Key", "value": "v"}]}, "headers[0].name"),
        ("operations/webhooks", {"headers": [{"name": "X\r\nKey", "value": "v"}]}, "headers[0].name"),
        ("connectors/generic", {"authentication": {"type": "bearer-token", "token": 5}}, "authentication.token"),
        ("connectors/generic", {"authentication": {"type": "basic", "username": "u"}}, "authentication.password"),
        (
            "connectors/generic",
            {"authentication": OAUTH | {"oauthTokenUrl": "nowhere"}},
            "authentication.oauthTokenUrl",
        ),
    ],
)
def test_what_cannot_be_asked_for_is_refused_when_it_is_set_up(what: str, settings: dict[str, Any], field: str) -> None:
    """Addresses and names of headers; what a template comes to is known later."""
    good = {"type": "generic", "name": "n", "target": TARGET} if what[0] == "c" else OPERATION
    assert Account().wrong("POST", f"/{what}", good | settings) == [field]


def test_a_token_is_asked_for_before_every_attempt() -> None:
    """The client logs in with id and secret; what it gets goes into the header, and is sent to nobody else."""
    hooks = Hooks(authentication=OAUTH)
    hooks.rule()
    hooks.here.fails("09:10", "09:20")
    hooks.here.world.run_until("09:15")
    assert hooks.asked == (
        "Basic cGFnZXI6aHVzaA==",
        "application/x-www-form-urlencoded",
        "grant_type=client_credentials",
    )
    hooks.token = ("200 OK", b'{"access_token": "t-2"}')
    hooks.here.world.advance("1h")
    assert [login for login, _ in hooks.got] == ["Bearer t-1", "Bearer t-2"]
    assert traffic.violations(hooks.here.world.journal) == []


@pytest.mark.parametrize(
    "answer",
    [
        ("401 no", b"{}"),
        ("200 OK", b"<html>"),
        ("200 OK", b'{"access_token": "a\\nb"}'),
        ("200 OK", b'["access_token"]'),
    ],
)
def test_without_a_token_an_attempt_has_failed_and_is_repeated(answer: tuple[str, bytes]) -> None:
    """Nothing is sent; five minutes later there is a token."""
    hooks = Hooks(authentication=OAUTH)
    hooks.token = answer
    hooks.rule()
    hooks.here.fails("09:10", "09:40")
    hooks.here.world.run_until("09:15")
    assert hooks.got == []
    hooks.token = ("200 OK", b'{"access_token": "t"}')
    hooks.here.world.run_until("09:20")
    assert [login for login, _ in hooks.got] == ["Bearer t"]
    assert hooks.here.sim("GET", "/deliveries")["deliveries"][0]["attempts"] == 2


def test_presets_are_offered_and_make_a_working_operation() -> None:
    """The first one carries everything; its trigger is accepted by the test."""
    hooks = Hooks()
    offered = hooks.here.sim("GET", "/presets")["presets"]
    assert [row["name"] for row in offered] == [
        "Generic", "AppDynamics", "Cisco Webex", "Microsoft Teams", "Slack", "Splunk"
    ]  # fmt: skip
    hooks.change(payload=offered[0]["payload"])
    assert hooks.press() == "connected"
    assert json.loads(hooks.got[0][1])["alert"]["severity"] == "MINOR"
