"""What is wrong with an event, in the vendor's own words; everything wrong is told at once.

Strings seen from the live API are used where there are any; the others follow their pattern (PagerDuty: Events API v2
responses, Events API v1).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simulators.pagerduty.model import Knobs, OverLong

ACTIONS = ("trigger", "acknowledge", "resolve")
SEVERITIES = ("critical", "warning", "error", "info")
KEY_LENGTH = 32
LONGEST_SUMMARY = 1024
LONGEST_KEY = 255
SECURE = "https://"


def invalid(*errors: str) -> dict[str, Any]:
    """Return the body of a refusal."""
    return {"status": "invalid event", "message": "Event object is invalid", "errors": list(errors)}


def _missing(value: Any) -> bool:
    return not isinstance(value, str) or not value.strip()


def _choices(names: tuple[str, ...]) -> str:
    quoted = [f"'{name}'" for name in names]
    return f"(must be one of the following: {', '.join(quoted[:-1])} or {quoted[-1]})"


def key_problems(event: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the routing key."""
    key = event.get("routing_key")
    if not isinstance(key, str) or not key:
        return ["'routing_key' cannot be blank"]
    found = []
    if len(key) != KEY_LENGTH:
        found.append(f"Length of 'routing_key' is incorrect (should be {KEY_LENGTH} characters)")
    if not (key.isascii() and key.isalnum()):
        found.append("'routing_key' cannot contain non-alphanumeric characters.")
    return found


def problems(event: Mapping[str, Any], knobs: Knobs) -> list[str]:
    """Return everything wrong with an alert event."""
    found = key_problems(event)
    action = event.get("event_action")
    if _missing(action):
        found.append("'event_action' is missing or blank")
    elif action not in ACTIONS:
        found.append(f"'event_action' is invalid {_choices(ACTIONS)}")
    key = event.get("dedup_key")
    if action in ("acknowledge", "resolve") and _missing(key):
        found.append("'dedup_key' is missing or blank")
    if key is not None and not isinstance(key, str):
        found.append("'dedup_key' is invalid (must be a string)")
    elif key is not None and len(key) > LONGEST_KEY:
        found.append(f"'dedup_key' is too long (maximum is {LONGEST_KEY} characters)")
    if action == "trigger":
        payload = event.get("payload")
        payload = payload if isinstance(payload, dict) else {}
        found += [
            f"'payload.{name}' is missing or blank" for name in ("summary", "source") if _missing(payload.get(name))
        ]
        severity = payload.get("severity")
        if severity is None or severity == "":
            found.append("'payload.severity' is missing or blank")
        elif severity not in SEVERITIES:
            found.append(f"'payload.severity' is invalid {_choices(SEVERITIES)}")
        found += _summary_problems(payload, knobs) + _attachment_problems(event)
    return found


def _attachment_problems(event: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with links and images: each needs its address, and an image is served over https."""
    found = []
    for name, field in (("links", "href"), ("images", "src")):
        entries = event.get(name)
        if entries is not None and not isinstance(entries, list):
            found.append(f"'{name}' is invalid (must be an array)")
            continue
        for at, entry in enumerate(entries or ()):
            address = entry.get(field) if isinstance(entry, Mapping) else None
            found += _address_problems(f"'{name}[{at}].{field}'", address, image=name == "images")
    return found


def _address_problems(where: str, address: Any, *, image: bool) -> list[str]:
    """Return what is wrong with the address of a link or an image."""
    if _missing(address):
        return [f"{where} is missing or blank"]
    insecure = image and not str(address).startswith(SECURE)
    return [f"{where} is invalid (must be served over https)"] if insecure else []


def _summary_problems(payload: Mapping[str, Any], knobs: Knobs) -> list[str]:
    too_long = knobs.over_long is OverLong.REJECT and len(str(payload.get("summary") or "")) > LONGEST_SUMMARY
    return [f"'payload.summary' is too long (maximum is {LONGEST_SUMMARY} characters)"] if too_long else []


def change_problems(event: Mapping[str, Any], knobs: Knobs) -> list[str]:
    """Return everything wrong with a change event."""
    found = key_problems(event)
    payload = event.get("payload")
    payload = payload if isinstance(payload, dict) else {}
    if _missing(payload.get("summary")):
        found.append("'payload.summary' is missing or blank")
    return found + _summary_problems(payload, knobs) + _attachment_problems(event)


def v1_problems(event: Mapping[str, Any], knobs: Knobs) -> list[str]:
    """Return everything wrong with an event of the first version of the API."""
    found = []
    key, kind = event.get("service_key"), event.get("event_type")
    if not isinstance(key, str) or not key:
        found.append("Service key cannot be blank")
    elif len(key) != KEY_LENGTH:
        found.append(f"Service key is the wrong length (should be {KEY_LENGTH} characters)")
    if kind not in ACTIONS:
        found.append(f"event_type is invalid (must be one of: {' '.join(ACTIONS)})")
    incident_key = event.get("incident_key")
    if incident_key is not None and not isinstance(incident_key, str):
        found.append("Incident key is invalid (must be a string)")
    elif incident_key is not None and len(incident_key) > LONGEST_KEY:
        found.append(f"Incident key is too long (maximum is {LONGEST_KEY} characters)")
    elif kind in ("acknowledge", "resolve") and _missing(incident_key):
        found.append("Incident key is missing or blank")
    description = event.get("description")
    if kind == "trigger" and _missing(description):
        found.append("Description is missing or blank")
    elif kind == "trigger" and knobs.over_long is OverLong.REJECT and len(str(description)) > LONGEST_SUMMARY:
        found.append(f"Description is too long (maximum is {LONGEST_SUMMARY} characters)")
    return found + (_context_problems(event.get("contexts")) if kind == "trigger" else [])


def _context_problems(contexts: Any) -> list[str]:
    """Return what is wrong with the contexts of an event of the first version: links and images in one array."""
    if contexts is None:
        return []
    if not isinstance(contexts, list):
        return ["contexts is invalid (must be an array)"]
    found = []
    for at, entry in enumerate(contexts):
        kind = entry.get("type") if isinstance(entry, Mapping) else None
        if kind not in ("link", "image"):
            found.append(f"contexts[{at}].type is invalid (must be one of: link image)")
            continue
        field = "href" if kind == "link" else "src"
        found += _address_problems(f"contexts[{at}].{field}", entry.get(field), image=kind == "image")
    return found
