"""Any request to any operation is answered as documented: never an error of the simulator, never another status."""

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scenarios import accounts
from simulators.engine import instants
from simulators.engine.resources import Field, Kind
from simulators.engine.world import World
from simulators.pagerduty import account, intake
from simulators.pagerduty.api import API_HOST, sites
from simulators.pagerduty.api.operations import Operation
from simulators.pagerduty.api.rest import operations
from simulators.pagerduty.component import PagerDuty
from simulators.pagerduty.model import ALERTS, DOCUMENTS, INCIDENTS, LOG_ENTRIES, NOTES

START = instants.parse("2026-03-02T09:00:00Z")
DATES = ("2026-03-02T09:00:00Z", "2026-03-05T09:00:00+01:00", "2026-02-30", "9999-12-31T23:59:59Z", "2026-04-01", "x")
JUNK = st.sampled_from([None, True, 0, -1, 10**30, 1.5, "", " ", "x", "\u0000", "é" * 300, [], [None], {}, {"id": 1}])


def build() -> World:
    """Return a world in which something has happened, so that ids of every kind exist."""
    world = World(seed=1, start=START, components=[PagerDuty()])
    sample = accounts.fixed(schedules=(accounts.layer([accounts.ALICE.id], start="2026-01-05T09:00:00Z"),))
    sample |= {
        "teams": [{"id": "PTEAM01", "name": "Network", "members": [{"user": {"id": accounts.ALICE.id}}]}],
        "tags": [{"id": "PTAG001", "label": "wan"}],
        "extensions": [{"id": "PEXT001", "name": "hook", "extension_objects": [{"id": accounts.SERVICE}],
                        "extension_schema": {"id": "PEXSC01"}}],
        "addons": [{"id": "PADD001", "type": "full_page_addon", "name": "n", "src": "https://a.example"}],
        "business_services": [{"id": "PBUS001", "name": "Sales"}],
        "maintenance_windows": [{"id": "PMW0001", "start_time": "2026-03-03T00:00:00Z",
                                 "end_time": "2026-03-04T00:00:00Z", "services": [{"id": accounts.SERVICE}]}],
    }  # fmt: skip
    world.transact(lambda draft: account.load(draft, sample))
    world.serve(API_HOST, sites()[API_HOST])
    for key in ("one", "two"):
        event = {"routing_key": accounts.ROUTING_KEY, "event_action": "trigger", "dedup_key": key}
        event["payload"] = {"summary": "down", "source": "web", "severity": "critical"}  # type: ignore[assignment]
        world.transact(lambda draft, event=event: intake.accept_event(draft, event))
    incident = next(iter(world.view.all(INCIDENTS)))
    send(world, "POST", f"/incidents/{incident.id}/notes", json.dumps({"note": {"content": "hello"}}))
    override = {"start": "2026-03-02T12:00:00Z", "end": "2026-03-02T14:00:00Z", "user": {"id": accounts.BOB.id}}
    send(world, "POST", f"/schedules/{accounts.SCHEDULE}/overrides", json.dumps({"overrides": [override]}))
    world.advance("1h")
    return world


def send(world: World, method: str, path: str, content: str | None = None, params: Any = None) -> Any:
    headers = {"Authorization": f"Token token={accounts.API_KEY}", "From": accounts.ALICE.email}
    if content is not None:
        headers["Content-Type"] = "application/json"
    url = f"https://{API_HOST}{path}"
    return world.client.request(method, url, content=content, headers=headers, params=params)


def _ids(world: World) -> list[str]:
    rows = [row.id for table in DOCUMENTS.values() for row in world.view.all(table)]
    return rows + [row.id for table in (INCIDENTS, ALERTS, NOTES, LOG_ENTRIES) for row in world.view.all(table)]


def _value(field: Field, ids: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    """Return values for a field: mostly such as it takes, sometimes anything."""
    if field.kind is Kind.OBJECT:
        good: st.SearchStrategy[Any] = _object(field.fields, ids) if field.fields else st.just({"a": 1})
    elif field.kind is Kind.ARRAY:
        item = _value(field.items, ids) if field.items else _object(field.fields, ids) if field.fields else JUNK
        good = st.lists(item, min_size=1, max_size=2)
    elif field.choices:
        good = st.sampled_from(field.choices)
    elif field.kind is Kind.INTEGER:
        good = st.integers(int(field.minimum or 0), int(field.maximum or 4000))
    elif field.kind is Kind.BOOLEAN:
        good = st.booleans()
    elif field.name == "id":
        good = ids
    elif field.name == "type":
        good = st.sampled_from(["user_reference", "schedule_reference", "x"])
    elif field.name in {"start", "end", "start_time", "end_time", "rotation_virtual_start"}:
        good = st.sampled_from(DATES)
    elif field.name == "time_zone":
        good = st.sampled_from(["Europe/Berlin", "UTC", "Nowhere/Land"])
    elif field.name == "start_time_of_day":
        good = st.sampled_from(["08:00:00", "25:00:00"])
    elif field.name == "email":
        good = st.sampled_from(["new@example.com", accounts.BOB.email, "not an address"])
    else:
        good = st.sampled_from(["text", "5550100", "https://a.example", "acknowledged", "resolved", "triggered", "P1"])
    return st.one_of(good, good, good, good, JUNK)


def _object(fields: tuple[Field, ...], ids: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, Any]]:
    open_fields = [field for field in fields if not field.read_only]
    required = {field.name: _value(field, ids) for field in open_fields if field.required}
    optional = {field.name: _value(field, ids) for field in open_fields if not field.required}
    return st.fixed_dictionaries(required, optional=optional)


QUERY = st.sampled_from(
    ["", "true", "null", "0", "-1", "1000", "99999999999999999999", "name:desc", "created_at:desc", "2026-03-01",
     "2026-03-02T09:00:00Z", "2026-03-03T09:00:00Z", "9999-12-31T23:59:59Z", "Europe/Berlin", "x", "all", "open",
     "triggered", "high", accounts.ALICE.id, accounts.SERVICE, "%00"]
)  # fmt: skip


@st.composite
def requests(draw: st.DrawFn, operation: Operation, known: list[str]) -> tuple[str, str, str | None, Any]:
    """Draw a request to an operation, with ids that exist more often than not."""
    ids = st.sampled_from([*known, "PNOBODY"])
    path = operation.path
    for name in ("id", *(part.strip("{}") for part in path.split("/") if part.startswith("{"))):
        wanted = "users" if name == "entity_type" else draw(ids)
        path = path.replace("{" + name + "}", wanted)
    content = None
    if operation.request is not None:
        if operation.path == "/incidents" and operation.method == "PUT":
            item = st.fixed_dictionaries(
                {"id": ids, "type": st.just("incident")},
                optional={"status": st.sampled_from(["resolved", "acknowledged", "triggered", "x"]), "title": JUNK},
            )
            body: Any = {"incidents": draw(st.lists(item, max_size=3))}
        else:
            body = draw(_object(operation.fields, ids))
        content = json.dumps({operation.request: body} if operation.request else body)
    names = ["limit", "offset", "total", "cursor", "include[]", *operation.query]
    params = draw(st.dictionaries(st.sampled_from(names), st.one_of(QUERY, ids), max_size=3))
    if operation.include and draw(st.booleans()):
        params["include[]"] = draw(st.sampled_from(operation.include))
    return operation.method, path, content, params


WORLD: list[World] = []


@settings(max_examples=5 * settings.default.max_examples, suppress_health_check=list(HealthCheck))
@given(operation=st.sampled_from(operations()), data=st.data())
def test_every_operation_answers_as_documented(operation: Operation, data: st.DataObject) -> None:
    """Whatever is sent, the status is one the served description names and the body is the vendor's."""
    if not WORLD:
        WORLD.append(build())
    world = WORLD[0]
    point = world.snapshot()
    try:
        owner = operation.path.split("/")[1]
        known = _ids(world)
        if owner in DOCUMENTS:
            known = [row.id for row in world.view.all(DOCUMENTS[owner])] * 3 + known
        elif owner == "incidents":
            known = [row.id for row in world.view.all(INCIDENTS)] * 3 + known
        method, path, content, params = data.draw(requests(operation, known))
        answer = send(world, method, path, content, params)
        trouble = [entry.data["trace"] for entry in world.journal if entry.kind == "error"]
        assert trouble == []
        assert answer.status_code in operation.statuses
        if answer.status_code >= 400:
            body = answer.json()
            error = body.get("error", body)
            assert isinstance(error, str) or "message" in error
    finally:
        world.restore(point)
