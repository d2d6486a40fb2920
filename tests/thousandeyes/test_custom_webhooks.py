"""Custom webhooks: templates over a notification, connectors with credentials, tests, presets and their traps."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from rounds_rig import Rounds

from simulators.engine.draft import Draft
from simulators.engine.resources import thaw
from simulators.engine.transport import Site
from simulators.thousandeyes import commands, custom_webhooks, documents, handlebars, notifiers
from simulators.thousandeyes.model import ACCOUNT_GROUPS, DOCUMENTS, Trouble
from simulators.thousandeyes.payloads import CLEAR, TRIGGER
from simulators.thousandeyes.presets import PRESETS

AID = commands.DEFAULT_AID
PLAIN = '{"id": "{{id}}", "type": {{type.id}}, "alert": "{{alert.id}}"}'


class Custom:
    """A world with one custom webhook and whoever receives it; ``body`` are settings of the operation."""

    def __init__(
        self, *, connector: dict[str, Any] | None = None, rule: dict[str, Any] | None = None, **body: Any
    ) -> None:
        self.here = Rounds(2)
        self.got: list[tuple[str, dict[str, str], str]] = []
        self.status = "200 OK"
        self.here.world.serve("hooks.example.com", Site("hooks", self))
        operation = {"name": "ops", "category": "alerts", "enabled": True, "payload": PLAIN, "path": "/te"}
        operation |= {"status": "pending", **body}
        self.operation = self.here.do(documents.create, "operation", AID, operation).id
        target = {"type": "generic", "name": "receiver", "target": "https://hooks.example.com"}
        settings = {**target, "operations": [self.operation], **(connector or {})}
        self.connector = self.here.do(documents.create, "connector", AID, settings).id
        asked = {"customWebhook": [{"integrationId": self.operation, "integrationType": "custom-webhook"}]}
        self.rule = self.here.rule(notifications=asked, **(rule or {}))

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        names = {"HTTP_AUTHORIZATION": "Authorization", "HTTP_X_TEAM": "X-Team", "CONTENT_TYPE": "Content-Type"}
        headers = {name: environ[key] for key, name in names.items() if key in environ}
        where = f"{environ['PATH_INFO']}?{environ.get('QUERY_STRING', '')}".rstrip("?")
        self.got.append((where, headers, environ["wsgi.input"].read().decode()))
        start(self.status, [])
        return [b""]

    @property
    def bodies(self) -> list[Any]:
        return [json.loads(body) for _, _, body in self.got]

    @property
    def lost(self) -> list[str]:
        return [entry.data["why"] for entry in self.here.world.journal if entry.kind == "notification.lost"]

    @property
    def shown(self) -> str:
        operation = self.here.world.view.get(DOCUMENTS, self.operation)
        return "" if operation is None else str(operation.body["status"])


def test_trigger_and_clear_are_rendered_and_sent() -> None:
    """Type 2 is a trigger and 1 a clear of the same alert; ids of notifications differ."""
    custom = Custom()
    custom.here.play("A .")
    trigger, clear = custom.bodies
    assert (trigger["type"], clear["type"], trigger["alert"]) == (2, 1, clear["alert"])
    assert trigger["id"] != clear["id"]
    assert [where for where, _, _ in custom.got] == ["/te", "/te"]


def test_templates_see_everything_the_vendor_names() -> None:
    """Every documented variable of an alert on a test, at its trigger and at its clear."""
    custom = Custom(rule={"severity": "major", "body": {"description": "runbook 7"}})
    here = custom.here
    here.do(documents.create, "label", AID, {"name": "web", "type": "test", "ids": [here.test]})
    here.do(commands.update_test, here.test, body={"url": "https://shop.example", "description": "the shop"})
    here.play("AB .")
    (alert,) = here.alerts
    seen = custom_webhooks.context_of(here.world.view, alert, CLEAR, "n1")
    begun = alert.start // 1_000_000
    ended = (alert.end or 0) // 1_000_000
    assert seen == {
        "id": "n1",
        "type": {"id": 1},
        "alert": {
            "id": alert.id,
            "severity": {"id": "MAJOR"},
            "firstSeen": {"epochSecond": begun, "epochMilli": begun * 1000},
            "timeCleared": {"epochSecond": ended, "epochMilli": ended * 1000},
            "rule": {
                "id": custom.rule,
                "name": "down",
                "expression": "((responseCode >= 500))",
                "notes": "runbook 7",
                "alertType": {"id": "HTTP_SERVER"},
                "account": {"id": AID, "organization": {"id": "901", "timezone": {"id": "UTC"}}},
            },
            "test": {
                "id": here.test,
                "name": "shop",
                "description": "the shop",
                "testType": "http-server",
                "labels": [{"name": "web"}],
            },
            "details": [
                {
                    "metricsAtStart": "Response Code: 503",
                    "metricsAtEnd": "Response Code: 200",
                    "source": {"id": agent, "name": name},
                }
                for agent, name in (("3", "Singapore"), ("4", "London"))
            ],
            "targets": [{"description": "https://shop.example"}],
        },
    }


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{formatExpression alert.rule.expression}}", "Response Code ≥ 500"),
        ("{{formatExpression 'nonsense'}}", "nonsense"),
        ("{{formatDate alert.firstSeen}}", "2026-03-02 03:01:00 CST"),
        ('{{formatDate alert.firstSeen.epochSecond "dd MMM yyyy, HH:mm"}}', "02 Mar 2026, 03:01"),
        (
            "{{formatDate alert.firstSeen.epochMilli 'yyyy-MM-dd HH:mm:ss XXX' 'Europe/Oslo'}}",
            "2026-03-02 10:01:00 +01:00",
        ),
        ("{{formatDate alert.firstSeen format='EEE hh:mm a' timezone='UTC'}}", "Mon 09:01 AM"),
        ("[{{formatDate alert.timeCleared}}]", "[]"),
        ("{{#eq type 2}}open{{else}}closed{{/eq}}", "open"),
        (
            "{{alert.details.size}}: {{#each alert.details}}{{source.name}}{{#unless @last}}, {{/unless}}{{/each}}",
            "1: Singapore",
        ),
    ],
)
def test_the_vendors_helpers_work(template: str, text: str) -> None:
    """Rules in words, dates in the organization's zone or another, comparisons and collections."""
    here = Rounds(1)
    here.world.transact(_in_chicago)
    here.rule()
    here.play("A")
    context = custom_webhooks.context_of(here.world.view, here.alerts[0], TRIGGER, "n")
    assert handlebars.render(template, context, custom_webhooks.helpers_of(context, "http-server")) == text


def _in_chicago(draft: Draft) -> None:
    draft.put(ACCOUNT_GROUPS, replace(draft.need(ACCOUNT_GROUPS, AID), time_zone="America/Chicago"))


def test_texts_that_rules_quote_do_not_end_a_text_of_json() -> None:
    """``Error Type is not "None"`` can stand inside quotes."""
    custom = Custom(
        payload='{"rule": "{{formatExpression alert.rule.expression}}"}', rule={"text": '((errorType != "None"))'}
    )
    custom.here.play("A")
    assert custom.bodies == [{"rule": 'Error Type is not "None"'}]


@pytest.mark.parametrize(
    ("login", "header"),
    [
        (None, None),
        ({"type": "basic", "username": "u", "password": "p:w"}, "Basic dTpwOnc="),
        ({"type": "bearer-token", "token": "t"}, "Bearer t"),
        ({"type": "other-token", "token": "Splunk t"}, "Splunk t"),
        ({"type": "oauth-client-credentials", "token": "t"}, "Bearer t"),
    ],
)
def test_a_connector_logs_in_as_it_says(login: dict[str, str] | None, header: str | None) -> None:
    """With nothing, a password, or a token sent as it is or as a bearer's."""
    custom = Custom(connector={} if login is None else {"authentication": login})
    custom.here.play("A")
    assert custom.got[0][1].get("Authorization") == header


def test_headers_and_query_parameters_are_templates_too() -> None:
    """Only the query parameters are escaped."""
    custom = Custom(
        rule={"name": "down & out"},
        headers=[{"name": "X-Team", "value": "{{alert.rule.name}}"}],
        queryParams='{"rule": "{{alert.rule.name}}", "kind": {{type.id}}}',
        connector={"headers": [{"name": "Content-Type", "value": "application/vnd.ops+json"}]},
    )
    custom.here.play("A")
    (where, headers, _), *_ = custom.got
    assert where == "/te?rule=down+%26+out&kind=2"
    assert headers == {"X-Team": "down & out", "Content-Type": "application/vnd.ops+json"}


def test_a_template_may_pass_its_test_and_fail_for_a_clear() -> None:
    """A key that is left without a value makes the clear invalid: it is not sent, and the journal says why."""
    trap = '{"alert": "{{alert.id}}", "timeTriggered": {{#eq type 2}}{{alert.firstSeen.epochSecond}}{{/eq}}}'
    custom = Custom(payload=trap)
    custom.here.do(notifiers.test_custom_webhook, AID, custom.operation)
    custom.here.play(".")
    assert custom.shown == "connected"
    custom.here.play("A .")
    assert len(custom.got) == 2
    (why,) = custom.lost
    assert why.startswith("payload: the rendered text is not JSON")


def test_a_quote_in_a_name_breaks_the_payload() -> None:
    """Nothing is escaped there."""
    custom = Custom(payload='{"rule": "{{alert.rule.name}}"}', rule={"name": 'say "no"'})
    custom.here.play("A")
    assert (custom.got, len(custom.lost)) == ([], 1)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"enabled": False}, "the operation is not enabled"),
        ({"connector": {"operations": []}}, "the operation has no connector"),
        ({"payload": "{{#if id}}"}, "payload: line 1 of the template"),
        ({"queryParams": "[1]"}, "queryParams: the rendered text is not a JSON object"),
        ({"queryParams": "{{id}}"}, "queryParams: the rendered text is not JSON"),
        ({"headers": [{"name": "A", "value": "{{> x}}"}]}, "header 'A': line 1"),
        ({"connector": {"authentication": {"type": "oauth-auth-code"}}}, "authentication oauth-auth-code has no token"),
    ],
)
def test_what_cannot_be_sent_is_told_in_the_journal(settings: dict[str, Any], why: str) -> None:
    """One line says what is wrong with the webhook."""
    custom = Custom(**settings)
    custom.here.play("A")
    assert custom.got == []
    assert custom.lost[0].startswith(why)


@pytest.mark.parametrize(
    ("status", "shown"), [("200 OK", "connected"), ("204 No Content", "connected"), ("401 no", "failing")]
)
def test_the_test_button_tells_whether_the_receiver_takes_it(status: str, shown: str) -> None:
    """A made-up HTTP trigger is sent once; a webhook that fails its test is dispatched all the same."""
    custom = Custom()
    custom.status = status
    assert custom.shown == "pending"
    custom.here.do(notifiers.test_custom_webhook, AID, custom.operation)
    custom.here.world.advance("2h")
    assert (custom.shown, len(custom.got), custom.bodies[0]["type"]) == (shown, 1, 2)
    custom.status = "200 OK"
    custom.here.play("A")
    assert len(custom.got) == 2


def test_a_template_that_cannot_be_rendered_fails_its_test() -> None:
    """Nothing is sent."""
    custom = Custom(payload="{{#each}}")
    custom.here.do(notifiers.test_custom_webhook, AID, custom.operation)
    custom.here.world.advance("1m")
    assert (custom.shown, custom.got) == ("failing", [])


@pytest.mark.parametrize(("repeated", "tries"), [(True, 13), (False, 1)])
def test_repeating_custom_webhooks_is_a_knob(repeated: bool, tries: int) -> None:
    """As often as classic ones, with the same body, or never."""
    custom = Custom()
    custom.here.do(commands.set_knobs, custom_webhooks_repeated=repeated)
    custom.status = "500 no"
    custom.here.wrong(Trouble.STATUS, 503, rounds=120)
    custom.here.play(". " * 100)
    assert len(custom.got) == tries
    assert len({body for _, _, body in custom.got}) == 1


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("kind", ["http-server", "bgp"])
def test_a_preset_makes_json_of_trigger_and_clear(name: str, kind: str) -> None:
    """For alerts with agents and for alerts with monitors."""
    settings = {"url": "", "prefix": "192.0.2.0/24"} if kind == "bgp" else {}
    here = Rounds(2, kind=kind, **settings)
    text = "((reachability < 100%))" if kind == "bgp" else '((errorType != "None"))'
    here.rule(text=text, alert_type=kind)
    trouble, value = (Trouble.WITHDRAWAL, 100) if kind == "bgp" else (Trouble.STATUS, 503)
    here.wrong(trouble, value, rounds=30)
    here.play(". " * 60)
    (alert,) = here.alerts
    preset = PRESETS[name]
    for event in (TRIGGER, CLEAR):
        context = custom_webhooks.context_of(here.world.view, alert, event, "n1")
        helpers = custom_webhooks.helpers_of(context, kind)
        texts = [
            handlebars.render(template, context, helpers) for template in (preset.payload, preset.query) if template
        ]
        assert [isinstance(json.loads(made), dict) for made in texts] == [True]


def test_monitors_name_their_network() -> None:
    """As ``source.asn.name``, which agents have not."""
    here = Rounds(1, kind="bgp", url="", prefix="192.0.2.0/24")
    here.rule(text="((reachability < 100%))", alert_type="bgp")
    here.wrong(Trouble.WITHDRAWAL, 100, rounds=30, regions=("NL",))
    here.play(". " * 16)
    seen = custom_webhooks.context_of(here.world.view, here.alerts[0], TRIGGER, "n")
    template = "{{#each alert.details}}{{source.name}}: {{source.asn.name}}{{/each}}"
    assert handlebars.render(template, seen) == "Amsterdam-1: Example Transit (AS 64496)"


def test_the_generic_preset_tells_every_location() -> None:
    """What it sends is what a template can see."""
    custom = Custom(payload=PRESETS["Generic"].payload)
    custom.here.play("AB .")
    trigger, clear = (body["alert"] for body in custom.bodies)
    assert [entry["source"]["name"] for entry in trigger["details"]] == ["Singapore", "London"]
    assert ("cleared" in trigger, "cleared" in clear) == (False, True)
    assert clear["details"][0]["metricsAtEnd"] == "Response Code: 200"
    assert trigger["test"] == {"name": "shop", "labels": []}


def test_deleting_a_webhook_while_it_is_repeated_ends_that() -> None:
    """There is nobody to send it to."""
    custom = Custom()
    custom.status = "500 no"
    custom.here.play("A")
    operation = custom.here.world.view.need(DOCUMENTS, custom.operation)
    custom.here.do(documents.delete, operation)
    custom.here.play("A " * 10)
    assert (len(custom.got), custom.lost) == (1, ["the integration was deleted"])
    assert thaw(operation.body)["name"] == "ops"
