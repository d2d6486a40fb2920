"""The served OpenAPI 3.1 description and the coverage table, both generated from the operations.

The description says what this host does: paths, parameters, bodies with their limits, statuses. It is written from the
rows, so it cannot promise what is not there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any

from simulators.engine.resources import Field, Kind
from simulators.pagerduty.api.call import Actor
from simulators.pagerduty.api.operations import Extent, Operation
from simulators.pagerduty.scopes import scope_of

_BOOLEANS = {"total", "earliest", "is_overview", "overflow", "editable"}


def schema(fields: Iterable[Field], *, partial: bool = False) -> dict[str, Any]:
    """Return the JSON Schema of a body made of ``fields``."""
    writable = [entry for entry in fields if not entry.read_only]
    shown: dict[str, Any] = {"type": "object", "properties": {entry.name: _field(entry) for entry in writable}}
    required = [entry.name for entry in writable if entry.required and not partial]
    return shown | ({"required": required} if required else {})


def _field(entry: Field) -> dict[str, Any]:
    if entry.kind is Kind.ANY:
        return {}
    nullable = entry.nullable and not entry.required
    shown: dict[str, Any] = {"type": [entry.kind.value, "null"] if nullable else entry.kind.value}
    if entry.choices:
        shown["enum"] = [*entry.choices, None] if nullable else list(entry.choices)
    bounds = {"string": ("minLength", "maxLength"), "array": ("minItems", "maxItems")}.get(entry.kind.value)
    least = entry.min_length or int(entry.required)
    if bounds and least:
        shown[bounds[0]] = least
    if bounds and entry.max_length is not None:
        shown[bounds[1]] = entry.max_length
    for name, value in (("minimum", entry.minimum), ("maximum", entry.maximum)):
        if value is not None:
            shown[name] = value
    if entry.kind is Kind.OBJECT and entry.fields:
        shown |= schema(entry.fields) | {"type": shown["type"]}
    if entry.kind is Kind.ARRAY and (entry.fields or entry.items):
        shown["items"] = _field(entry.items) if entry.items else schema(entry.fields)
    return shown


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    found = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)}", operation.path)
    ]
    if operation.actor is not Actor.NONE:
        required = operation.actor is Actor.REQUIRED
        found.append({"name": "From", "in": "header", "required": required, "schema": {"type": "string"}})
    texts = {"type": "array", "items": {"type": "string"}}
    for name in operation.query:
        kind = texts if name.endswith("[]") else {"type": "boolean" if name in _BOOLEANS else "string"}
        found.append({"name": name, "in": "query", "schema": kind})
    if operation.include:
        allowed = {"type": "array", "items": {"type": "string", "enum": list(operation.include)}}
        found.append({"name": "include[]", "in": "query", "schema": allowed})
    if operation.paging:
        limit = {"type": "integer", "minimum": 1, "maximum": operation.limits[1]}
        found.append({"name": "limit", "in": "query", "schema": limit})
    if operation.paging == "classic":
        found.append({"name": "offset", "in": "query", "schema": {"type": "integer", "minimum": 0}})
        found.append({"name": "total", "in": "query", "schema": {"type": "boolean"}})
    if operation.paging == "cursor":
        found.append({"name": "cursor", "in": "query", "schema": {"type": "string"}})
    return found


def _body(operation: Operation) -> dict[str, Any]:
    inner = schema(operation.fields, partial=operation.partial)
    if operation.request:
        inner = {"type": "object", "properties": {operation.request: inner}, "required": [operation.request]}
    return {"required": not operation.bodiless, "content": {"application/json": {"schema": inner}}}


def _responses(operation: Operation) -> dict[str, Any]:
    found = {str(status): {"description": HTTPStatus(status).phrase} for status in operation.statuses}
    found["429"] = {"description": HTTPStatus(429).phrase}
    if operation.wrapper and operation.status != HTTPStatus.NO_CONTENT:
        many = bool(operation.paging) or operation.wrapper.endswith("s")
        inner: dict[str, Any] = {"type": ["array", "object"] if many else "object"}
        content = {"type": "object", "properties": {operation.wrapper: inner}, "required": [operation.wrapper]}
        found[str(operation.status)]["content"] = {"application/json": {"schema": content}}  # type: ignore[assignment]
    return found


def describe(operations: Sequence[Operation]) -> dict[str, Any]:
    """Return the OpenAPI description of the host."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        shown: dict[str, Any] = {
            "operationId": identity(operation),
            "summary": operation.summary,
            "description": f"Scoped OAuth requires {scope_of(operation.method, operation.path)}.",
            "parameters": _parameters(operation),
            "responses": _responses(operation),
        }
        if operation.request is not None:
            shown["requestBody"] = _body(operation)
        paths.setdefault(operation.path, {})[operation.method.lower()] = shown
    return {
        "openapi": "3.1.0",
        "info": {"title": "PagerDuty REST API v2, simulated", "version": "2"},
        "servers": [{"url": "/"}],
        "security": [{"key": []}],
        "components": {"securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "Authorization"}}},
        "paths": paths,
    }


def identity(operation: Operation) -> str:
    """Return an operation's name: ``get_users_id_contact_methods``."""
    words = re.sub(r"[{}/]+", "_", operation.path).strip("_")
    return f"{operation.method.lower()}_{words}"


def coverage(operations: Sequence[Operation], outside: Sequence[str] = ()) -> str:
    """Return the coverage table as Markdown: one row per path, how far which methods are simulated, paging, includes,
    and the methods that need From.

    Paths below ``outside`` answer 402, as for a plan without them.
    """
    lines = ["| path | methods | extent | paging | include[] | From |", "|---|---|---|---|---|---|"]
    by_path: dict[str, list[Operation]] = {}
    for operation in operations:
        by_path.setdefault(operation.path, []).append(operation)
    for path in sorted(by_path):
        rows = by_path[path]
        by_extent = {extent: [row.method for row in rows if row.extent is extent] for extent in Extent}
        held = {extent: names for extent, names in by_extent.items() if names}
        methods = ", ".join(row.method for row in rows)
        parts = [f"{', '.join(names)} {extent}" for extent, names in held.items()]
        extents = next(iter(held)).value if len(held) == 1 else "; ".join(parts)
        paging = next((row.paging for row in rows if row.paging), "-")
        include = ", ".join(dict.fromkeys(name for row in rows for name in row.include)) or "-"
        sender = ", ".join(row.method for row in rows if row.actor is Actor.REQUIRED) or "-"
        lines.append(f"| {path} | {methods} | {extents} | {paging} | {include} | {sender} |")
    lines += [f"| {prefix}/... | any | {Extent.ABSENT} | - | - | - |" for prefix in outside]
    return "\n".join(lines) + "\n"
