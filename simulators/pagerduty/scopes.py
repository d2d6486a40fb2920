"""What a token may be used for: the scope each operation of the REST API requires, and whether a credential has it.

A scope is a kind of resource with ``.read`` or ``.write``, named per operation in the vendor's API reference. Most are
called like the first part of the path; the table lists the others. Classic OAuth has ``read`` and ``write`` for
everything instead, and plain keys have no scopes at all.
"""

from __future__ import annotations

from simulators.pagerduty.model import ApiKey

#: Beginnings of paths whose scope is not simply called like their first part; ``*`` stands for any one part.
_SCOPES: tuple[tuple[str, str], ...] = (
    ("/*/*/audit", "audit_records"),
    ("/audit", "audit_records"),
    ("/*/*/change_tags", "tags"),
    ("/*/*/tags", "tags"),
    ("/users/*/contact_methods", "users:contact_methods"),
    ("/users/*/notification_rules", "users:contact_methods"),
    ("/users/*/sessions", "users:sessions"),
    ("/users/*/license", "licenses"),
    ("/license_allocations", "licenses"),
    ("/notifications", "users:notifications"),
    ("/log_entries", "incidents"),
    ("/maintenance_windows", "services"),
    ("/business_services", "services"),
    ("/service_dependencies", "services"),
    ("/incidents/custom_fields", "custom_fields"),
    ("/incidents/types", "incident_types"),
    ("/rulesets", "event_rules"),
    ("/v3/schedules", "schedules"),
)


def scope_of(method: str, path: str) -> str:
    """Return the scope an operation requires, such as ``incidents.read``; ``path`` may be a template."""
    parts = path.strip("/").split("/")
    name = next((name for beginning, name in _SCOPES if _begins(parts, beginning.strip("/").split("/"))), parts[0])
    return f"{name}.{'read' if method == 'GET' else 'write'}"


def _begins(parts: list[str], wanted: list[str]) -> bool:
    return len(parts) >= len(wanted) and all(a in ("*", b) for a, b in zip(wanted, parts, strict=False))


def missing_scope(key: ApiKey, method: str, path: str) -> str:
    """Return the scope a credential lacks for an operation, ``""`` when it may go on.

    ``write`` includes reading where it stands for everything; ``incidents.write`` does not include ``incidents.read``.
    """
    if key.scopes is None or "write" in key.scopes or (method == "GET" and "read" in key.scopes):
        return ""
    needed = scope_of(method, path)
    return "" if needed in key.scopes else needed
