"""Finding what webhooks lost: what is repaired, what is left alone, and how politely ThousandEyes is asked."""

import json
from typing import Any

import httpx
import pytest
from bridge_process import run, write_config
from bridge_rig import KEY, NOW, SECOND, TWO_KEYS, Rig, config, payload

from bridge import live, reconcile, verdict
from bridge.messages import Kind, read
from bridge.reconcile import Plan
from bridge.store import SqliteStore
from bridge.thousandeyes import Api, ApiProblem

HOUR = 3600 * SECOND
LOST = "e9c3bf02-a48c-4aa8-9e5f-898800d6f569"
PAGE = f"https://app.thousandeyes.com/alerts/list/?__a=1001&alertId={LOST}"


def alert(name: str = LOST, began: str = "2026-02-03T01:00:00Z", **more: Any) -> dict[str, Any]:
    base = "https://api.thousandeyes.com/v7"
    return {
        "id": name,
        "alertType": "http-server",
        "alertRuleId": "127094",
        "alertState": "trigger",
        "alertSeverity": "major",
        "startDate": began,
        "violationCount": 2,
        "suppressed": False,
        "_links": {
            "test": {"href": f"{base}/tests/http-server/281474976710999"},
            "rule": {"href": f"{base}/alerts/rules/127094"},
            "appLink": {"href": PAGE},
        },
        **more,
    }


def rule(**more: Any) -> dict[str, Any]:
    hooks = [{"integrationId": "wb-201", "integrationType": "webhook"}]
    return {
        "ruleId": "127094",
        "ruleName": "web down",
        "expression": "((responseCode >= 500))",
        "notifications": {"webhook": hooks},
        **more,
    }


class Vendor:
    """ThousandEyes' API: alerts by state, rules, tests, and headers to send along."""

    def __init__(self) -> None:
        self.active: list[dict[str, Any]] = []
        self.cleared: list[dict[str, Any]] = []
        self.rules: dict[str, dict[str, Any]] = {"127094": rule()}
        self.test: dict[str, Any] = {
            "testId": "281474976710999",
            "testName": "shop front",
            "url": "https://shop.example",
            "labels": [{"labelId": "961", "name": "web"}],
        }
        self.headers: dict[str, str] = {}
        self.status = 200
        self.page = 2
        self.asked: list[str] = []
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        self.asked.append(request.url.path.removeprefix("/v7"))
        if self.status != 200:
            return httpx.Response(self.status, headers=self.headers)
        found = self._find(request)
        return httpx.Response(404 if found is None else 200, json=found or {}, headers=self.headers)

    def _find(self, request: httpx.Request) -> dict[str, Any] | None:
        path, query = request.url.path.removeprefix("/v7"), request.url.params
        if path == "/alerts":
            items = self.active if query.get("state") == "trigger" else self.cleared
            at = int(query.get("cursor", "0"))
            links: dict[str, Any] = {"self": {"href": "x"}}
            if at + self.page < len(items):
                following = f"https://elsewhere.example/v7/alerts?cursor={at + self.page}&state={query['state']}"
                links["next"] = {"href": following}
            return {"alerts": items[at : at + self.page], "_links": links}
        if path == "/alerts/rules":
            return {"alertRules": [{"ruleId": name} for name in self.rules]}
        if path.startswith("/alerts/rules/"):
            return self.rules.get(path.rpartition("/")[2])
        if path.startswith("/alerts/"):
            one = next((item for item in self.active + self.cleared if path.endswith(item["id"])), None)
            place = {"id": "3", "name": "Singapore", "state": "trigger", "start": {"metrics": "Response Code: 502"}}
            return None if one is None else {**one, "details": [place, {**place, "state": "clear"}, 5]}
        return self.test if path == "/tests/http-server/281474976710999" else None


SETTINGS: dict[str, Any] = {"token": {"value": "te-token"}, "integrations": ["wb-201"]}


def rig_with(vendor: Vendor, document: dict[str, Any] | None = None, **settings: Any) -> Rig:
    rig = Rig(config(document, thousandeyes={**SETTINGS, **settings}))
    rig.hosts["api.thousandeyes.com"] = vendor
    return rig


def looked(rig: Rig, now: int = NOW) -> Plan:
    return reconcile.look(rig.store, Api(rig.client, rig.config.thousandeyes, now), rig.config, now, keep=False)


def settle(rig: Rig, now: int) -> None:
    """Run until nothing but the next look is planned."""
    for _ in range(20):
        rig.bridge.run_due(now)
        due = rig.bridge.next_due()
        assert due is not None
        if due > now:
            return


def test_a_lost_trigger_pages_as_if_it_had_come() -> None:
    """Rule, test, labels, locations and route are those of the alert; a second look repairs nothing."""
    vendor = Vendor()
    vendor.active = [alert()]
    rig = rig_with(vendor, {**TWO_KEYS, "routing": {"default": "ops", "route": [{"key": "db", "labels": "web"}]}})
    settle(rig, NOW)
    (event,) = rig.pagerduty.events
    assert event["routing_key"] == "k2" * 16
    assert event["dedup_key"] == f"thousandeyes:{LOST}"
    assert event["payload"]["summary"] == "web down: shop front (https://shop.example)"
    assert event["payload"]["severity"] == "error"
    assert event["payload"]["class"] == "HTTP Server"
    assert event["payload"]["timestamp"] == "2026-02-03T01:00:00+00:00"
    assert event["payload"]["group"] == "1001"
    assert event["payload"]["custom_details"]["Agents"] == "Singapore: Response Code: 502"
    assert event["client_url"] == PAGE
    settle(rig, NOW + HOUR)
    assert len(rig.pagerduty.events) == 1
    assert rig.bridge.tally.counters["repaired", "trigger"] == 1


def test_the_webhook_that_comes_after_all_is_a_duplicate() -> None:
    """What was repaired is not paged twice when ThousandEyes tries once more."""
    vendor = Vendor()
    vendor.active = [alert()]
    rig = rig_with(vendor)
    settle(rig, NOW)
    rig.post(payload("TRIGGER", LOST))
    settle(rig, NOW + SECOND)
    assert len(rig.pagerduty.events) == 1


def test_a_lost_clear_resolves() -> None:
    """An alert ThousandEyes has ended is resolved, whether the list of ended alerts has it or only its own page."""
    vendor = Vendor()
    vendor.cleared = [alert("listed", alertState="clear", endDate="2026-02-03T02:00:00Z")]
    rig = rig_with(vendor)
    for name in ("listed", "alone", "gone"):
        rig.post(payload("TRIGGER", name), NOW - 4 * HOUR)
    rig.bridge.decide(NOW - 4 * HOUR)
    settle(rig, NOW - HOUR)
    vendor.cleared = [
        *vendor.cleared,
        alert("alone", alertState="clear", endDate="2026-02-03T02:10:00Z"),
    ]
    settle(rig, NOW + HOUR)
    assert [key for action, key in rig.pagerduty.actions if action == "resolve"] == [
        "thousandeyes:listed",
        "thousandeyes:alone",
    ]


PASSED: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"suppressed": True}, {}, "suppressed"),
    ({"startDate": "2026-02-03T03:30:00Z"}, {}, "young"),
    ({"startDate": "soon"}, {}, "young"),
    ({"startDate": None}, {}, "young"),
    ({"alertType": "agent"}, {}, "with another id"),
    ({}, {"notifications": {"webhook": [{"integrationId": "wb-999"}]}}, "not ours"),
    ({}, {"notifications": {}}, "not ours"),
    ({}, {"notifications": None}, "not ours"),
    ({"alertRuleId": None}, {}, "not ours"),
]


@pytest.mark.parametrize(("changed", "of_rule", "why"), PASSED)
def test_what_is_not_certainly_lost_and_ours_is_left_alone(
    changed: dict[str, Any], of_rule: dict[str, Any], why: str
) -> None:
    """Suppressed, young, foreign and oddly identified alerts are counted and passed over."""
    vendor = Vendor()
    vendor.active = [alert(**changed)]
    vendor.rules = {"127094": rule(**of_rule)}
    plan = looked(rig_with(vendor))
    assert (plan.repairs, plan.problem, dict(plan.passed)) == ([], None, {why: 1})


@pytest.mark.parametrize(
    ("settings", "notifications"),
    [
        ({"rules": ["web *"], "integrations": []}, {}),
        ({"rules": ["127094"], "integrations": []}, {}),
        ({}, {"customWebhook": [{"integrationId": "wb-201"}]}),
    ],
)
def test_a_rule_is_ours_by_integration_or_by_list(settings: dict[str, Any], notifications: dict[str, Any]) -> None:
    """Custom webhooks count, and rules on the list count whatever they notify."""
    vendor = Vendor()
    vendor.active = [alert()]
    vendor.rules = {"127094": rule(notifications=notifications)}
    assert [repair.kind for repair in looked(rig_with(vendor, **settings)).repairs] == ["trigger"]


def test_agent_alerts_with_numbers_are_repaired() -> None:
    """An agent alert's number is the number its webhook carries."""
    vendor = Vendor()
    vendor.active = [alert("562949955000593", alertType="agent")]
    (repair,) = looked(rig_with(vendor)).repairs
    message = read("thousandeyes", repair.body)
    assert (message.kind, message.alert_id, message.alert_type) == (Kind.TRIGGER, "562949955000593", "Agent")


def test_pages_are_followed_by_their_cursor_and_never_to_another_host() -> None:
    """The link's parameters are used, its host is not; every alert is seen once."""
    vendor = Vendor()
    vendor.active = [alert(f"{LOST[:-1]}{number}") for number in range(5)]
    plan = looked(rig_with(vendor))
    assert len(plan.repairs) == 5
    assert {request.url.host for request in vendor.requests} == {"api.thousandeyes.com"}
    assert vendor.asked.count("/alerts") == 3


def test_account_groups_are_asked_one_by_one() -> None:
    """Each configured group has its own list."""
    vendor = Vendor()
    looked(rig_with(vendor, account_groups=["1001", "1002"]))
    assert [request.url.params["aid"] for request in vendor.requests] == ["1001", "1002"]


def test_a_rule_that_is_not_ours_is_not_asked_for_again_for_an_hour() -> None:
    """Foreign alerts that stay active for days cost one request an hour, not one each look."""
    vendor = Vendor()
    vendor.active = [alert()]
    vendor.rules = {}
    rig = rig_with(vendor)
    for minutes in range(0, 59, 5):
        settle(rig, NOW + minutes * 60 * SECOND)
    assert vendor.asked.count("/alerts/rules/127094") == 1
    settle(rig, NOW + 62 * 60 * SECOND)
    assert vendor.asked.count("/alerts/rules/127094") == 2


def test_a_run_ends_when_its_budget_is_spent_and_goes_on_in_a_minute() -> None:
    """What was found until then is repaired; the rest follows, and nothing twice."""
    vendor = Vendor()
    vendor.page = 100
    vendor.active = [alert(f"{LOST[:-2]}{number:02}") for number in range(12)]
    rig = rig_with(vendor, requests_per_minute=10)
    now = NOW
    for _ in range(10):
        settle(rig, now)
        due = rig.bridge.next_due()
        assert due is not None
        if due > now + 120 * SECOND:
            break
        assert due == now + 60 * SECOND
        now = due
    assert len(rig.pagerduty.events) == 12


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({}, 60),
        ({"X-Organization-Rate-Limit-Reset": "1770091530"}, 30),
        ({"X-Organization-Rate-Limit-Reset": "99999999999"}, 300),
        ({"X-Organization-Rate-Limit-Reset": "5"}, 1),
        ({"X-Organization-Rate-Limit-Reset": "soon"}, 60),
    ],
)
def test_a_used_up_limit_is_waited_for(headers: dict[str, str], wait: int) -> None:
    """429 is asked again at the reset the header names, within reason."""
    vendor = Vendor()
    vendor.status, vendor.headers = 429, headers
    rig = rig_with(vendor)
    settle(rig, NOW)
    assert rig.bridge.next_due() == NOW + wait * SECOND


def test_the_last_requests_are_left_to_others() -> None:
    """When little remains of the organisation's limit, the run stops before using it up."""
    vendor = Vendor()
    vendor.active = [alert()]
    vendor.headers = {
        "X-Organization-Rate-Limit-Remaining": "19",
        "X-Organization-Rate-Limit-Reset": "1770091540",
    }
    rig = rig_with(vendor)
    settle(rig, NOW)
    assert vendor.asked == ["/alerts"]
    assert rig.bridge.next_due() == NOW + 40 * SECOND


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 500, 502])
def test_a_failing_api_is_a_trouble_and_stops_nothing_else(status: int) -> None:
    """Webhooks are carried on; after three looks without success the verdict says so."""
    vendor = Vendor()
    vendor.status = status
    rig = rig_with(vendor)
    rig.post(payload("TRIGGER"))
    settle(rig, NOW)
    assert len(rig.pagerduty.events) == 1
    names = [one.name for one in verdict.judge(rig.store, rig.config, NOW + HOUR).troubles]
    assert names == ["reconciliation"]
    vendor.status = 200
    settle(rig, NOW + HOUR)
    assert verdict.judge(rig.store, rig.config, NOW + HOUR).troubles == ()


def test_an_api_out_of_reach_leaks_no_token() -> None:
    """A transport error that quotes the request does not bring the token into the store."""
    vendor = Vendor()
    rig = rig_with(vendor)

    def fail(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError(f"cannot send {request.headers['authorization']}")

    rig.hosts["api.thousandeyes.com"] = fail
    settle(rig, NOW)
    tried = rig.store.fact("reconcile-tried")
    assert tried is not None
    assert "te-token" not in tried[1]
    assert "***" in tried[1]


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"[" * 100_000, b"null"])
def test_an_answer_that_is_no_object_is_a_problem(content: bytes) -> None:
    """Whatever comes, there is one documented error."""
    rig = rig_with(Vendor())
    rig.hosts["api.thousandeyes.com"] = lambda request: httpx.Response(200, content=content)
    with pytest.raises(ApiProblem):
        Api(rig.client, rig.config.thousandeyes, NOW).rules(None)


@pytest.mark.parametrize(
    "page",
    [
        {},
        {"alerts": None},
        {"alerts": [None, 5, {}]},
        {"alerts": [{"id": 5, "_links": 5}], "_links": {"next": {"href": 5}}},
        {"alerts": [{"id": "../../x", "startDate": "2026-02-03T01:00:00Z", "alertRuleId": "1/2"}], "_links": 5},
    ],
)
def test_odd_items_do_not_stop_a_look(page: dict[str, Any]) -> None:
    """A list with nonsense in it repairs nothing, or ends with the one documented error."""
    rig = rig_with(Vendor())
    rig.hosts["api.thousandeyes.com"] = lambda request: httpx.Response(200, json=page)
    assert looked(rig).repairs == []


def test_a_dry_run_says_what_it_would_do_and_changes_nothing(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command lists the repairs; without --dry-run the notifications are in the inbox afterwards."""
    vendor = Vendor()
    vendor.active = [alert()]
    rig = rig_with(vendor)
    monkeypatch.setattr(live, "now", lambda: NOW)
    monkeypatch.setattr(live, "client", lambda config, carrier: httpx.Client(transport=rig.client._transport))
    more = '[thousandeyes]\ntoken = { value = "te-token" }\nintegrations = ["wb-201"]\n'
    document = str(write_config(tmp_path, more=more))
    SqliteStore(tmp_path / "bridge.db").close()
    ran = run("reconcile", "--dry-run", "--config", document)
    assert (ran.code, ran.out.splitlines()) == (
        0,
        [f"trigger of {LOST}", "1 repaired, 4 requests (nothing was changed)"],
    )
    assert run("reconcile", "--config", document).code == 0
    store = SqliteStore(tmp_path / "bridge.db")
    ((_, raw),) = store.undecided(9)
    assert json.loads(raw.body)["reconciled"] is True
    store.close()
    assert KEY not in ran.out
