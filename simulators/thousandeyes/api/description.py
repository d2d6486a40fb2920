"""An OpenAPI description of what is simulated, made from the resource table.

Operations that are no plain list, create, read, update or delete stand in one small table of their own. Whoever wants
the vendor's full description asks the vendor; this one says exactly what this server answers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from simulators.engine.resources import Field, Kind
from simulators.thousandeyes.api.collection import Collection
from simulators.thousandeyes.api.rest import BASE
from simulators.thousandeyes.api.resultrows import ROWS
from simulators.thousandeyes.api.results import DETAILED, DIRECTIONS
from simulators.thousandeyes.api.runs import SNAPSHOT

Schema = dict[str, Any]
_METHODS = {"list": "get", "create": "post", "read": "get", "update": "put", "delete": "delete"}
_RANGE = ("window", "startDate", "endDate", "cursor")
#: Path -> method -> (summary, success status, query parameters, body schema or ``None``).
_IDS: Schema = {"type": "array", "items": {"type": "string"}}
_ASSIGNMENTS: Schema = {"type": "array", "items": {"type": "object", "required": ["id", "type"], "properties": {
    "id": {"type": "string"}, "type": {"type": "string"}}}}  # fmt: skip


def _object(name: str, schema: Schema) -> Schema:
    return {"type": "object", "required": [name], "properties": {name: schema}}


def object_schema(fields: Sequence[Field]) -> Schema:
    """Return the schema of a body with ``fields``; what only answers have is left out."""
    entries = [entry for entry in fields if not entry.read_only]
    schema: Schema = {"type": "object", "properties": {entry.name: _schema(entry) for entry in entries}}
    required = [entry.name for entry in entries if entry.required]
    return schema | ({"required": required} if required else {})


def _schema(entry: Field) -> Schema:
    schema: Schema = object_schema(entry.fields) if entry.kind is Kind.OBJECT and entry.fields else {}
    if entry.kind is not Kind.ANY:
        schema.setdefault("type", entry.kind.value)
    if entry.kind is Kind.ARRAY:
        schema["items"] = _schema(entry.items) if entry.items else object_schema(entry.fields)
        if entry.max_length is not None:
            schema["maxItems"] = entry.max_length
    limits = {"enum": list(entry.choices) or None, "minimum": entry.minimum, "maximum": entry.maximum,
              "maxLength": entry.max_length if entry.kind is Kind.STRING else None, "default": entry.default,
              "writeOnly": entry.write_only or None}  # fmt: skip
    return schema | {name: value for name, value in limits.items() if value is not None}


_TAGGED = _object("tags", {"type": "array", "items": {"type": "object", "properties": {
    "tagId": {"type": "string"}, "assignments": _ASSIGNMENTS}}})  # fmt: skip
OTHERS: Mapping[str, Mapping[str, tuple[str, int, tuple[str, ...], Schema | None]]] = {
    "/status": {"get": ("Whether the API answers", 200, (), None)},
    "/alerts": {"get": ("List alerts", 200, (*_RANGE, "max", "state"), None)},
    "/alerts/{alertId}": {"get": ("Read an alert with its locations", 200, (), None)},
    "/tests/{testId}/history": {"get": ("List the versions of a test", 200, ("limit",), None)},
    **{
        f"/test-results/{{testId}}/{layer}": {"get": (f"List results of layer {layer}", 200, (*_RANGE, *more), None)}
        for layer in ROWS
        for more in [("expand",) if layer == "http-server" else ("direction",) if layer in DIRECTIONS else ()]
    },
    "/test-results/{testId}/dns-server/{serverId}": {"get": ("List results of one DNS server", 200, _RANGE, None)},
    **{
        f"/test-results/{{testId}}/{layer}/agent/{{agentId}}/round/{{roundId}}": {
            "get": (f"Read a round of layer {layer}", 200, (), None)
        }
        for layer in DETAILED
    },
    "/test-results/{testId}/web-transactions/agent/{agentId}/round/{roundId}/page/{pageId}": {
        "get": ("Read a page of a transaction", 200, (), None)
    },
    "/test-results/{testId}/web-transactions/agent/{agentId}/round/{roundId}/console-logs": {
        "get": ("Read the console of a transaction", 200, (), None)
    },
    "/tests/{testId}/run": {"post": ("Run a test at once", 200, (), None)},
    "/tests/{testId}/snapshot": {"post": ("Keep a range of a test's rounds", 201, (), object_schema(SNAPSHOT.fields))},
    "/api-tokens": {"post": ("Regenerate the token", 201, (), None)},
    "/oauth2/clients": {"post": ("Register a client", 201, (), _object("redirect_uris", _IDS))},
    "/oauth2/device/authorization": {"post": ("Ask for a device's grant", 200, (), None)},
    "/oauth2/token": {"post": ("Exchange a grant for tokens", 200, (), None)},
    "/oauth2/provider/keys": {"get": ("List the keys tokens are signed with", 200, (), None)},
    "/oauth2/userinfo": {"get": ("Read who the token stands for", 200, (), None)},
    "/test-results/{testId}/bgp/routes/prefix/{prefixId}/round/{roundId}": {
        "get": ("Read the routes of a round", 200, (), None)
    },
    "/agents/{agentId}/tests/assign": {"post": ("Add tests to an agent", 200, (), _object("testIds", _IDS))},
    "/agents/{agentId}/tests/override": {"post": ("Set the tests of an agent", 200, (), _object("testIds", _IDS))},
    "/agents/{agentId}/tests/unassign": {"post": ("Take tests off an agent", 200, (), _object("testIds", _IDS))},
    "/agents/{agentId}/cluster/assign": {
        "post": ("Make or enlarge a cluster", 200, ("expand",), _object("agents", _IDS))
    },
    "/agents/{agentId}/cluster/unassign": {
        "post": ("Take members out of a cluster", 200, ("expand",), _object("members", _IDS))
    },
    "/agents/local-problems": {"get": ("List problems of agents' own", 200, _RANGE[:3], None)},
    "/audit-user-events": {"get": ("List what users changed", 200, (*_RANGE, "useAllPermittedAids"), None)},
    "/users/current": {"get": ("Read the user behind the token", 200, (), None)},
    "/connectors/generic/{id}/operations": {
        "get": ("List the operations of a connector", 200, (), None),
        "put": ("Set the operations of a connector", 200, (), _IDS),
    },
    **{
        f"/connectors/{kind}/{{id}}/operations": {
            "get": ("List the operations of a connector", 200, (), None),
            "put": ("Set the operations of a connector", 200, ("confirmDisabledObjects",), _IDS),
        }
        for kind in ("conjur", "panorama")
    },
    "/operations/{type}/{id}/connectors": {
        "get": ("List the connectors of an operation", 200, (), None),
        "put": ("Set the connectors of an operation", 200, (), _IDS),
    },
    "/tags/bulk": {"post": ("Create tags", 207, (), _object("tags", {"type": "array", "items": {"type": "object"}}))},
    "/tags/assign": {"post": ("Assign tags", 207, (), _TAGGED)},
    "/tags/unassign": {"post": ("Take tags off", 207, (), _TAGGED)},
    "/tags/{id}/assign": {"post": ("Assign a tag", 207, (), _object("assignments", _ASSIGNMENTS))},
    "/tags/{id}/unassign": {"post": ("Take a tag off", 204, (), _object("assignments", _ASSIGNMENTS))},
}


def openapi(collections: Sequence[Collection[Any]]) -> Schema:
    """Return the description as an OpenAPI 3.1 document; paths stand under the base path."""
    paths: dict[str, dict[str, Any]] = {}
    for collection in collections:
        for verb in collection.verbs:
            path = collection.resource.path + ("" if verb in {"list", "create"} else f"/{{{collection.key}}}")
            paths.setdefault(BASE + path, {})[_METHODS[verb]] = _plain(collection, verb, path)
    for path, methods in OTHERS.items():
        for method, (summary, status, query, body) in methods.items():
            paths.setdefault(BASE + path, {})[method] = _operation(path, summary, status, query, body)
    return {
        "openapi": "3.1.0",
        "info": {"title": "ThousandEyes API v7, as simulated", "version": "7.0.85"},
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "security": [{"token": []}],
        "paths": paths,
    }


def _plain(collection: Collection[Any], verb: str, path: str) -> Schema:
    resource = collection.resource
    query = collection.list_expand if verb == "list" else () if verb == "delete" else resource.include
    filters = resource.filters if verb == "list" else ()
    body = object_schema(resource.fields) if verb in {"create", "update"} else None
    status = {"create": 201, "delete": 204}.get(verb, 200)
    summary = f"{verb.capitalize()} {resource.plural if verb == 'list' else resource.singular}"
    return _operation(path, summary, status, (*filters, *(("expand",) if query else ())), body)


def _operation(path: str, summary: str, status: int, query: Sequence[str], body: Schema | None) -> Schema:
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)}", path)
    ]
    parameters += [{"name": name, "in": "query", "schema": {"type": "string"}} for name in ("aid", *query)]
    shown: Schema = {"summary": summary, "parameters": parameters, "responses": {str(status): {"description": "OK"}}}
    for refusal, words in (("400", "Invalid"), ("401", "No valid token"), ("403", "Not allowed"), ("404", "Unknown")):
        shown["responses"][refusal] = {"description": words}
    if body is not None:
        shown["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return shown
