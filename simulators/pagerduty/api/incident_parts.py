"""What hangs on an incident: its alerts, notes and what the API relates to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simulators.engine.instants import DAY
from simulators.engine.resources import Field, Kind, check
from simulators.pagerduty import amendments, incidents, intake
from simulators.pagerduty.api.call import Actor, Call
from simulators.pagerduty.api.changes import change
from simulators.pagerduty.api.errors import Code, invalid, not_found, refuse, wording
from simulators.pagerduty.api.incident_shapes import alert as show_alert
from simulators.pagerduty.api.incident_shapes import note as show_note
from simulators.pagerduty.api.incidents import BULK, too_many
from simulators.pagerduty.api.lens import lens
from simulators.pagerduty.api.operations import Extent, Listing, Operation
from simulators.pagerduty.api.resources import REFERENCE
from simulators.pagerduty.model import ALERTS, CHANGES, INCIDENTS, NOTES, Alert, Note, Status

LONGEST_NOTE = 65_535
MOST_NOTES = 2000
#: How far back change events count as related to an incident.
RELATED = DAY

ALERT = (
    Field("type", choices=("alert", "alert_reference")),
    Field("status", choices=("triggered", "resolved")),
    Field("incident", Kind.OBJECT, fields=REFERENCE),
)


# -- alerts ------------------------------------------------------------------------------------------------------------


def _alerts(call: Call) -> Listing:
    row, look = call.incident(call.ids["id"]), lens(call)
    statuses, key = call.many("statuses"), call.text("alert_key")
    wrong = next((value for value in statuses if value not in {"triggered", "resolved"}), None)
    if wrong is not None:
        raise invalid("Statuses must be in triggered, resolved")
    found = [
        alert
        for alert in call.state.find(ALERTS, "incident", row.id)
        if (not statuses or alert.status in statuses) and (key is None or alert.key == key)
    ]
    name, _, way = (call.text("sort_by") or "created_at").partition(":")
    if name not in {"created_at", "resolved_at"} or way not in {"", "asc", "desc"}:
        raise invalid("Sort by must be in created_at, resolved_at")
    if name == "resolved_at":
        found.sort(key=lambda alert: (alert.resolved is None, alert.resolved or 0))
    return Listing(found[::-1] if way == "desc" else found, lambda alert: show_alert(look, alert))


def _alert_of(call: Call, id: str) -> Alert:
    found = call.state.get(ALERTS, id)
    if found is None or found.incident != call.incident(call.ids["id"]).id:
        raise not_found()
    return found


def _alert(call: Call) -> Any:
    return show_alert(lens(call), _alert_of(call, call.ids["alert_id"]))


def _update_alert(call: Call) -> Any:
    return show_alert(lens(call), _apply(call, _alert_of(call, call.ids["alert_id"]), call.body))


def _update_alerts(call: Call) -> Any:
    items = call.body["alerts"]
    if len(items) > BULK:
        raise too_many()
    found = []
    for item in items:
        if not isinstance(item, dict):
            raise invalid("Alerts must be an array")
        problems = check((Field("id", required=True), *ALERT), item)
        if problems:
            raise invalid(*(wording(problem) for problem in problems))
        found.append(_apply(call, _alert_of(call, item["id"]), item).id)
    look = lens(call)
    return [show_alert(look, call.state.need(ALERTS, id)) for id in found]


def _apply(call: Call, alert: Alert, body: Mapping[str, Any]) -> Alert:
    draft, agent = call.draft, call.agent
    if body.get("incident"):
        target = call.incident(body["incident"]["id"])
        if target.status is Status.RESOLVED and target.id != alert.incident:
            raise refuse(Code.ALREADY_RESOLVED)
        alert = amendments.move_alert(draft, alert, target, agent)
    if body.get("status") == "resolved":
        intake.resolve_alert(draft, alert, agent)
    elif body.get("status") == "triggered":
        amendments.retrigger_alert(draft, alert)
    return draft.need(ALERTS, alert.id)


# -- notes -------------------------------------------------------------------------------------------------------------


def _content(body: Mapping[str, Any]) -> str:
    text = body.get("content")
    if not isinstance(text, str) or not text.strip():
        raise invalid("Content cannot be empty.")
    if len(text.encode()) > LONGEST_NOTE:
        raise invalid(f"Content is too long (maximum is {LONGEST_NOTE} characters)")
    return text


def _notes(call: Call) -> Listing:
    look = lens(call)
    return Listing(
        call.state.find(NOTES, "incident", call.incident(call.ids["id"]).id), lambda row: show_note(look, row)
    )


def _add_note(call: Call) -> Any:
    row, text = call.incident(call.ids["id"]), _content(call.body)
    if len(call.state.find(NOTES, "incident", row.id)) >= MOST_NOTES:
        raise invalid(f"An incident may have at most {MOST_NOTES} notes")
    return show_note(lens(call), incidents.note(call.draft, row, call.agent.id, text))


def _note_of(call: Call) -> Note:
    found = call.state.get(NOTES, call.ids["note_id"])
    if found is None or found.incident != call.incident(call.ids["id"]).id:
        raise not_found()
    return found


def _edit_note(call: Call) -> Any:
    return show_note(lens(call), amendments.edit_note(call.draft, _note_of(call), _content(call.body)))


def _delete_note(call: Call) -> None:
    call.draft.delete(NOTES, _note_of(call).id)


# -- related -----------------------------------------------------------------------------------------------------------


def _related_changes(call: Call) -> Listing:
    row, look = call.incident(call.ids["id"]), lens(call)
    found = [
        event
        for event in call.state.find(CHANGES, "service", row.service)
        if row.created - RELATED <= event.at <= row.created
    ]
    reason = {"correlation_reason": {"reason": "most_recent"}}
    return Listing(found[::-1][:5], lambda event: change(look, event) | reason)


def _outlier(call: Call) -> Any:
    row = call.state.need(INCIDENTS, call.incident(call.ids["id"]).id)
    return {"incident": lens(call).incident_ref(row.id, row), "incident_template": None}


def _none(call: Call) -> Listing:
    return Listing((), lambda row: row)


_INCIDENT = (("incidents", "id"),)
_NOTE = (Field("content", Kind.ANY),)
OPERATIONS: tuple[Operation, ...] = (
    Operation("GET", "/incidents/{id}/alerts", _alerts, wrapper="alerts", paging="classic", needs=_INCIDENT,
              include=("services", "first_trigger_log_entries", "incidents"),
              query=("alert_key", "statuses[]", "sort_by"), summary="List the alerts of an incident"),
    Operation("PUT", "/incidents/{id}/alerts", _update_alerts, wrapper="alerts", actor=Actor.REQUIRED, request="",
              fields=(Field("alerts", Kind.ARRAY, required=True),), needs=_INCIDENT, summary="Update alerts"),
    Operation("GET", "/incidents/{id}/alerts/{alert_id}", _alert, wrapper="alert", needs=_INCIDENT,
              summary="Get an alert"),
    Operation("PUT", "/incidents/{id}/alerts/{alert_id}", _update_alert, wrapper="alert", actor=Actor.REQUIRED,
              request="alert", fields=ALERT, needs=_INCIDENT, summary="Update an alert"),
    Operation("GET", "/incidents/{id}/notes", _notes, wrapper="notes", needs=_INCIDENT, summary="List notes"),
    Operation("POST", "/incidents/{id}/notes", _add_note, wrapper="note", actor=Actor.REQUIRED, request="note",
              fields=_NOTE, needs=_INCIDENT, summary="Add a note"),
    Operation("PUT", "/incidents/{id}/notes/{note_id}", _edit_note, wrapper="note", actor=Actor.REQUIRED,
              request="note", fields=_NOTE, needs=_INCIDENT, summary="Edit a note"),
    Operation("DELETE", "/incidents/{id}/notes/{note_id}", _delete_note, status=204, needs=_INCIDENT,
              summary="Delete a note"),
    Operation("GET", "/incidents/{id}/related_change_events", _related_changes, wrapper="change_events",
              needs=_INCIDENT, summary="List related change events"),
    Operation("GET", "/incidents/{id}/past_incidents", _none, wrapper="past_incidents", needs=_INCIDENT,
              extent=Extent.EMPTY,
              summary="List past incidents"),
    Operation("GET", "/incidents/{id}/related_incidents", _none, wrapper="related_incidents", needs=_INCIDENT,
              extent=Extent.EMPTY,
              query=("additional_details[]",), summary="List related incidents"),
    Operation("GET", "/incidents/{id}/outlier_incident", _outlier, wrapper="outlier_incident", needs=_INCIDENT,
              query=("since", "additional_details[]"),
              summary="Get the outlier incident"),
    Operation("GET", "/incidents/{id}/custom_fields/values", _none, wrapper="custom_fields", needs=_INCIDENT,
              extent=Extent.EMPTY,
              summary="List custom field values"),
)  # fmt: skip
