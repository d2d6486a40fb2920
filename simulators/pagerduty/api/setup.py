"""Escalation policies, services, integrations and maintenance windows: what these kinds add to the resource table."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from simulators.engine import ids, instants
from simulators.engine.errors import BadInstant
from simulators.engine.resources import Document
from simulators.pagerduty import account, incidents
from simulators.pagerduty.api.call import Call, zone_name
from simulators.pagerduty.api.crud import Behaviour
from simulators.pagerduty.api.errors import Code, invalid, label, not_found, refuse
from simulators.pagerduty.api.lens import Lens
from simulators.pagerduty.api.people import STAKEHOLDERS, in_teams, targets
from simulators.pagerduty.api.resources import ANY_INTEGRATION
from simulators.pagerduty.api.shapes import service_status
from simulators.pagerduty.model import DOCUMENTS, INCIDENTS, KEY, RESOURCE_ID, Agent, Status
from simulators.pagerduty.oncall import target_kind

_ZONE_NAMED = re.compile(r"(.+ [+-]\d{4}) [A-Z]{3,5}")
#: Dates outside these years are refused: nobody means them and calendars end.
EARLIEST, LATEST = instants.parse("1970-01-02"), instants.parse("2999-12-31")
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?", re.ASCII)
_SEQUENCE = ids.decimal(1)


def read_instant(name: str, text: str, zone: str) -> int:
    """Return a date of a body in microseconds UTC; refuses what cannot be read.

    A zone's name after the offset is passed over: Terraform's provider writes ``2026-03-01 08:00:00 +0000 UTC``.
    """
    named = _ZONE_NAMED.fullmatch(text) if isinstance(text, str) else None
    try:
        found = instants.parse(named[1] if named else text, zone)
    except BadInstant:
        raise invalid(f"{label(name)} is invalid") from None
    if not EARLIEST <= found <= LATEST:
        raise invalid(f"{label(name)} is invalid")
    return found


# -- escalation policies -----------------------------------------------------------------------------------------------


def _prepare_policy(call: Call, body: dict[str, Any], old: Document | None) -> dict[str, Any]:
    if body.get("teams") and "teams" in call.knobs.missing_abilities:
        raise refuse(Code.MISSING_ABILITY)
    known = {entry.get("id"): entry for entry in (old.body.get("escalation_rules") or () if old else ())}
    most, least, rules = call.knobs.targets_per_rule, call.knobs.least_delay_minutes, []
    for entry in body["escalation_rules"]:
        strategy = (entry.get("escalation_rule_assignment_strategy") or {}).get("type")
        if strategy == "round_robin" and "round_robin" in call.knobs.missing_abilities:
            raise refuse(Code.ACCESS_DENIED)
        if len(entry["targets"]) > most:
            raise invalid(f"Escalation rules base May have at most {most} escalation targets")
        if entry["escalation_delay_in_minutes"] < least:
            raise invalid(f"Escalation delay in minutes must be greater than or equal to {least}")
        rules.append(
            {
                **_strategy(known.get(entry.get("id"))),
                **entry,
                "id": entry["id"] if entry.get("id") in known and entry.get("id") else _rule_id(call),
                "targets": [_target(call, target) for target in entry["targets"]],
            }
        )
    body["escalation_rules"] = rules
    body.pop("repeat_enabled", None)
    return body


def _strategy(held: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the strategy of a rule that is sent back without it, as it is shown."""
    name = "escalation_rule_assignment_strategy"
    return {name: held[name]} if held and held.get(name) else {}


def _rule_id(call: Call) -> str:
    return call.draft.fresh(RESOURCE_ID, "pagerduty.escalation_rule")


def _target(call: Call, target: Mapping[str, Any]) -> dict[str, Any]:
    """Return an escalation target to store. A schedule of shifts may be called by the name of one of layers, as
    Terraform's provider does; it is then shown under that name."""
    kind = target_kind(target)
    found = call.state.get(DOCUMENTS[kind], target["id"])
    shifts = call.state.get(DOCUMENTS["v3_schedules"], target["id"]) if found is None and kind == "schedules" else None
    if shifts is not None:
        return {"id": shifts.id, "type": f"{shifts.kind}_reference", "shown_as": "schedule_reference"}
    if found is None:
        raise not_found()
    if kind == "users" and found.body.get("role") in STAKEHOLDERS:
        raise invalid("Stakeholders cannot be on call")
    return {"id": found.id, "type": f"{found.kind}_reference"}


def _keep_used_policy(call: Call, policy: Document) -> None:
    if call.state.find(DOCUMENTS["services"], "policy", policy.id):
        raise invalid("Escalation policy can't be deleted if it's being used by services")


def _targets_user(call: Call, row: Document, users: Sequence[str]) -> bool:
    return any(kind == "users" and id in users for id, kind in targets(row))


# -- services ----------------------------------------------------------------------------------------------------------


#: What a service has only while its urgency depends on support hours, and what it shows otherwise.
_WITH_HOURS: Mapping[str, Any] = {"support_hours": None, "scheduled_actions": []}


def _prepare_service(call: Call, body: dict[str, Any], old: Document | None) -> dict[str, Any]:
    sent = call.body or {}
    _check_urgency(call, body)
    if (body.get("incident_urgency_rule") or {}).get("type", "constant") == "constant":
        body |= {name: none for name, none in _WITH_HOURS.items() if name not in sent}
    wanted = sent.get("status")
    if old is None and wanted not in {None, "active"}:
        raise invalid("Status must be in active")
    stored = "active" if old is None else str(old.body.get("status") or "active")
    body["status"] = wanted if wanted == "disabled" else _enabled(wanted, stored)
    if sent.get("alert_grouping") and "alert_grouping_parameters" not in sent:
        body["alert_grouping_parameters"] = _older_grouping(sent)
    _check_grouping(body.get("alert_grouping_parameters"))
    pause = body.get("auto_pause_notifications_parameters")
    if pause and pause.get("enabled") and pause.get("timeout") is None:
        raise invalid("timeout cannot be null")
    return body


def _enabled(wanted: str | None, stored: str) -> str:
    """Return the switch a status stands for: only ``active`` switches a disabled service on again."""
    return stored if stored == "disabled" and wanted != "active" else "active"


def _check_urgency(call: Call, body: Mapping[str, Any]) -> None:
    rule, hours = body.get("incident_urgency_rule") or {}, body.get("support_hours")
    if rule.get("type") == "constant" and not rule.get("urgency"):
        raise invalid("Urgency cannot be empty.")
    if rule.get("type") == "use_support_hours":
        for side in ("during_support_hours", "outside_support_hours"):
            if not rule.get(side):
                raise invalid(f"{label(side)} cannot be empty.")
        if not hours:
            raise invalid("Support hours cannot be empty.")
    if hours:
        zone_name(hours["time_zone"])
        for side in ("start_time", "end_time"):
            if not _TIME.fullmatch(hours[side]):
                raise invalid(f"{label(side)} is invalid")


#: Grouping type -> (setting of its config, seconds or minutes it may hold).
_GROUPING = {"time": ("timeout", range(1441)), "intelligent": ("time_window", (0, *range(300, 3601)))}


def _older_grouping(sent: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what the older pair of fields, ``alert_grouping`` and its timeout, say in today's parameters."""
    kind = sent["alert_grouping"]
    if kind == "rules":
        return None
    config = {"timeout": sent.get("alert_grouping_timeout") or 0} if kind == "time" else None
    return {"type": kind, "config": config}


def _check_grouping(parameters: Mapping[str, Any] | None) -> None:
    kind = (parameters or {}).get("type")
    config = (parameters or {}).get("config") or {}
    if kind in _GROUPING:
        name, allowed = _GROUPING[kind]
        if config.get(name) is not None and config[name] not in allowed:
            raise invalid(f"{label(name)} is invalid")
    if kind == "content_based":
        if config.get("aggregate") not in ("all", "any") or not config.get("fields"):
            raise invalid("Config is invalid")
        if config.get("time_window") not in (None, 0, 86_400, *range(300, 3601)):
            raise invalid("Time window is invalid")


def _close_service(call: Call, service: Document) -> None:
    agent = Agent("service_reference", service.id, "api")
    for status in (Status.TRIGGERED, Status.ACKNOWLEDGED):
        for row in list(call.state.find(INCIDENTS, "state", (service.id, status))):
            incidents.resolve(call.draft, row, agent)


def _named(call: Call, row: Document, names: Sequence[str]) -> bool:
    return row.body.get("name") in names


def _service_teams(call: Call, row: Document, teams: Sequence[str]) -> bool:
    policy = call.state.get(DOCUMENTS["escalation_policies"], (row.body.get("escalation_policy") or {}).get("id", ""))
    return policy is not None and in_teams(call, policy, teams)


def _status_order(look: Lens, row: Document) -> int:
    return ("active", "warning", "critical", "maintenance", "disabled").index(service_status(look, row))


def _created_order(look: Lens, row: Document) -> int:
    return row.created


# -- integrations ------------------------------------------------------------------------------------------------------


def _prepare_integration(call: Call, body: dict[str, Any], old: Document | None) -> dict[str, Any]:
    vendor = body.get("vendor")
    if vendor and not (old and body.get("type")):
        row = call.state.need(DOCUMENTS["vendors"], vendor["id"])
        body["type"] = row.body.get("generic_service_type") or "events_api_v2_inbound_integration"
        body["name"] = body.get("name") or row.body.get("name")
    if old is not None and body.get("type") == ANY_INTEGRATION:
        body["type"] = old.body["type"]
    if body.get("type") in {None, "", ANY_INTEGRATION}:
        raise invalid("Type cannot be empty.")
    body["type"] = str(body["type"]).removesuffix("_reference")
    body["name"] = body.get("name") or "Events API v2"
    if old is not None and body.get("integration_key") != old.body.get("integration_key"):
        body["integration_key"] = old.body.get("integration_key")
    if old is None:
        _give_address(call, body)
    body["service"] = {"id": call.ids["id"], "type": "service_reference"}
    return body


def _give_address(call: Call, body: dict[str, Any]) -> None:
    key = body.get("integration_key")
    if "email" in body["type"]:
        local = re.sub(r"[^a-z0-9]+", "-", str(body["name"]).lower()).strip("-") or "service"
        body["integration_email"] = body.get("integration_email") or f"{local}@{call.knobs.subdomain}.pagerduty.com"
        body.setdefault("email_incident_creation", "on_new_email")
        body.setdefault("email_filter_mode", "all-email")
        body.setdefault("email_parsing_fallback", "open_new_incident")
        body.pop("integration_key", None)
        return
    if key and not re.fullmatch(r"[A-Za-z0-9]{32}", key, re.ASCII):
        raise invalid("Integration key is invalid")
    if key and call.state.find(DOCUMENTS["integrations"], "routing_key", key):
        raise invalid("Integration key has already been taken")
    body["integration_key"] = key or call.draft.fresh(KEY, "pagerduty.integration_key")


# -- maintenance windows -----------------------------------------------------------------------------------------------


def _prepare_window(call: Call, body: dict[str, Any], old: Document | None) -> dict[str, Any]:
    start = read_instant("start_time", body["start_time"], call.zone)
    end = read_instant("end_time", body["end_time"], call.zone)
    if old is None or body["start_time"] != old.body.get("start_time"):
        start = max(start, call.now)
    if end <= call.now:
        raise invalid("End time must be in the future")
    if end <= start:
        raise invalid("End time must be after start time")
    body |= {"start_time": instants.iso(start), "end_time": instants.iso(end)}
    if old is None:
        body["sequence_number"] = int(call.draft.fresh(_SEQUENCE, "pagerduty.maintenance_window.sequence"))
        if call.actor is not None:
            body["created_by"] = {"id": call.actor.id, "type": "user_reference"}
    return body


def window_state(row: Document, now: int) -> str:
    """Return whether a maintenance window is past, ongoing or future."""
    if instants.parse(row.body["end_time"]) <= now:
        return "past"
    return "ongoing" if instants.parse(row.body["start_time"]) <= now else "future"


_FILTERS = {
    "past": ("past",),
    "future": ("future",),
    "ongoing": ("ongoing",),
    "open": ("ongoing", "future"),
    "all": ("past", "ongoing", "future"),
}


def _window_filter(call: Call, row: Document, values: Sequence[str]) -> bool:
    if values[0] not in _FILTERS:
        raise invalid(f"Filter must be in {', '.join(_FILTERS)}")
    return window_state(row, call.now) in _FILTERS[values[0]]


def _window_services(call: Call, row: Document, services: Sequence[str]) -> bool:
    return any(entry["id"] in services for entry in row.body.get("services") or ())


def _window_teams(call: Call, row: Document, teams: Sequence[str]) -> bool:
    services = [call.state.get(DOCUMENTS["services"], entry["id"]) for entry in row.body.get("services") or ()]
    return any(service is not None and _service_teams(call, service, teams) for service in services)


def _end_window(call: Call, row: Document) -> None:
    if window_state(row, call.now) == "past":
        raise refuse(Code.PAST_MAINTENANCE)


def _truncate_window(call: Call, row: Document) -> None:
    if window_state(row, call.now) == "ongoing":
        account.put(call.draft, "maintenance_windows", {**row.body, "end_time": instants.iso(call.now)})


def _on_service(call: Call, row: Document, services: Sequence[str]) -> bool:
    return any(entry["id"] in services for entry in row.body.get("services") or ())


def _extends(call: Call, row: Document, values: Sequence[str]) -> bool:
    return any(entry["id"] == values[0] for entry in row.body.get("extension_objects") or ())


def _of_schema(call: Call, row: Document, values: Sequence[str]) -> bool:
    return bool((row.body.get("extension_schema") or {}).get("id") == values[0])


def _addon_filter(call: Call, row: Document, values: Sequence[str]) -> bool:
    return row.body.get("type") == values[0]


def _prepare_addon(call: Call, body: dict[str, Any], old: Document | None) -> dict[str, Any]:
    if not body["src"].startswith("https://"):
        raise invalid("Src must be an HTTPS URL")
    return body


BEHAVIOURS: Mapping[str, Behaviour] = {
    "escalation_policies": Behaviour(
        prepare=_prepare_policy,
        forbid=_keep_used_policy,
        filters={"user_ids[]": _targets_user, "team_ids[]": in_teams},
    ),
    "services": Behaviour(
        prepare=_prepare_service,
        forbid=_close_service,
        children=("integrations",),
        filters={"name": _named, "team_ids[]": _service_teams},
        sort={"status": _status_order, "created_at": _created_order},
    ),
    "integrations": Behaviour(prepare=_prepare_integration),
    "maintenance_windows": Behaviour(
        prepare=_prepare_window,
        forbid=_end_window,
        removed=_truncate_window,
        filters={"filter": _window_filter, "service_ids[]": _window_services, "team_ids[]": _window_teams},
        search=("description",),
    ),
    "extensions": Behaviour(filters={"extension_object_id": _extends, "extension_schema_id": _of_schema}),
    "addons": Behaviour(prepare=_prepare_addon, filters={"service_ids[]": _on_service, "filter": _addon_filter}),
    "tags": Behaviour(search=("label",)),
}
