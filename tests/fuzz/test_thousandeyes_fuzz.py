"""Any request to any operation is an answer: never an error of the simulator, and the world goes on afterwards.

Bodies are made from the served description: mostly what a field takes, sometimes anything at all. After some requests
time passes, so that whatever was stored is also evaluated, notified and read.
"""

import functools
import json
from typing import Any

from furnished import Furnished, thousandeyes_world
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulators.engine.world import Snapshot
from simulators.thousandeyes.api import COLLECTIONS
from simulators.thousandeyes.api.description import openapi
from simulators.thousandeyes.model import AGENTS

DESCRIBED = openapi(COLLECTIONS)["paths"]
OPERATIONS = [(method, path) for path, methods in DESCRIBED.items() for method in methods]
LISTS = [path for path, methods in DESCRIBED.items() if "get" in methods and "{" not in path]
#: Texts that mean something to some field; the last ones mean nothing to any.
TEXTS = (
    "https://shop.example", "shop.example A", "203.0.113.0/24", "2026-03-02T09:05:00Z", "a@example.com", "#aabbcc",
    "((responseCode >= 500))", '((errorType != "None"))', "((loss >= 10%))", '((probDetail != ""))', "http-server",
    "1h", "clear", "test", "agent,alert-rule", "x", "", " ", "\u0000", "é" * 300, "9999-12-31T23:59:59Z", "1" * 30,
)  # fmt: skip
JUNK = st.sampled_from([None, True, 0, -1, 10**30, 1.5, *TEXTS[-8:], [], [None], [[]], {}, {"id": 1}, [{"type": 7}]])


def _ids(here: Furnished) -> list[str]:
    agents = [agent.id for agent in here.world.view.all(AGENTS)]
    return [*here.ids(), *agents[-2:], "3", "5", "1001", "wb-201"]


def _value(schema: dict[str, Any], ids: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    """Return values for a schema: mostly such as it takes."""
    kind = schema.get("type")
    if "enum" in schema:
        good: st.SearchStrategy[Any] = st.sampled_from(schema["enum"])
    elif kind == "object":
        good = _object(schema, ids)
    elif kind == "array":
        good = st.lists(_value(schema["items"], ids), max_size=2)
    elif kind == "integer":
        good = st.sampled_from(sorted({int(schema.get(name, 60)) for name in ("minimum", "maximum", "default")}))
    elif kind == "boolean":
        good = st.booleans()
    else:
        good = st.sampled_from(TEXTS) | ids
    return st.one_of(good, good, good, good, good, JUNK)


def _object(schema: dict[str, Any], ids: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, Any]]:
    values = {name: _value(inner, ids) for name, inner in schema.get("properties", {}).items()}
    needed = schema.get("required", [])
    optional = {name: value for name, value in values.items() if name not in needed}
    return st.fixed_dictionaries({name: values[name] for name in needed}, optional={**optional, "more": JUNK})


def _request(data: st.DataObject, here: Furnished) -> tuple[str, str, dict[str, str], str | None]:
    """Draw a request to any operation: method, path, query, body."""
    method, path = data.draw(st.sampled_from(OPERATIONS))
    operation, ids = DESCRIBED[path][method], st.sampled_from(_ids(here))
    places: dict[str, list[str]] = {"path": [], "query": []}
    for entry in operation["parameters"]:
        places[entry["in"]].append(entry["name"])
    for name in places["path"]:
        path = path.replace(f"{{{name}}}", data.draw(ids | ids | st.sampled_from(["webhooks", "x y", "0"])))
    names = st.sampled_from(places["query"][1:] or ["aid"])
    query = data.draw(st.dictionaries(names, st.sampled_from(TEXTS), max_size=2))
    if "requestBody" not in operation:
        return method, path, query, None
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    good = _value(schema, ids)
    return method, path, query, json.dumps(data.draw(good | good | good | JUNK))


@functools.cache
def _start() -> tuple[Furnished, Snapshot]:
    here = thousandeyes_world()
    return here, here.world.snapshot()


@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_no_request_breaks_the_simulator(data: st.DataObject) -> None:
    """Eight requests to any operations, then half an hour, then some lists are read."""
    here, fresh = _start()
    here.world.restore(fresh)
    for _ in range(8):
        method, path, query, content = _request(data, here)
        answer = here.send(method, path, content, query)
        assert answer.status_code < 500, (method, path, query, content, answer.text)
        words = "application/json" if "/oauth2/" in path else "application/problem+json"
        assert answer.status_code < 400 or answer.headers["Content-Type"] in {words, "application/problem+json"}
        if answer.content:
            answer.json()
    here.world.advance("30m")
    for path in data.draw(st.lists(st.sampled_from(LISTS), max_size=8)):
        assert here.send("GET", path).status_code == 200
    assert here.errors == []
