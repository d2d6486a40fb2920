"""Any request to any operation is answered as documented: never an error of the simulator, never another status."""

import functools
import json
from typing import Any

from furnished import Furnished, pagerduty_world
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scenarios import accounts
from simulators.engine.resources import Field, Kind
from simulators.engine.world import Snapshot
from simulators.pagerduty.api.operations import Operation
from simulators.pagerduty.api.rest import operations
from simulators.pagerduty.model import DOCUMENTS

DATES = ("2026-03-02T09:00:00Z", "2026-03-05T09:00:00+01:00", "2026-02-30", "9999-12-31T23:59:59Z", "2026-04-01", "x")
JUNK = st.sampled_from([None, True, 0, -1, 10**30, 1.5, "", " ", "x", "\u0000", "é" * 300, [], [None], {}, {"id": 1}])


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


@functools.cache
def _start() -> tuple[Furnished, Snapshot]:
    here = pagerduty_world()
    return here, here.world.snapshot()


@settings(max_examples=5 * settings.default.max_examples, suppress_health_check=list(HealthCheck))
@given(operation=st.sampled_from(operations()), data=st.data())
def test_every_operation_answers_as_documented(operation: Operation, data: st.DataObject) -> None:
    """Whatever is sent, the status is one the served description names and the body is the vendor's."""
    here, fresh = _start()
    here.world.restore(fresh)
    owner = operation.path.split("/")[1]
    known = here.ids()
    if owner in {*DOCUMENTS, "incidents"}:
        known = here.ids(f"pagerduty.{owner}") * 3 + known
    answer = here.send(*data.draw(requests(operation, known)))
    assert here.errors == []
    assert answer.status_code in operation.statuses
    if answer.status_code >= 400:
        body = answer.json()
        error = body.get("error", body)
        assert isinstance(error, str) or "message" in error
