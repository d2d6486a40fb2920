"""Users, how they are reached, and teams: what these kinds add to the resource table.

A user gets the login address as e-mail contact method with one rule of each urgency. Contact methods and notification
rules are unique per user; somebody who is needed (assigned, on a policy, on a schedule) is not deleted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from simulators.engine import instants, limits
from simulators.engine.errors import Refused
from simulators.engine.resources import Document, Field
from simulators.pagerduty import account, catalogue
from simulators.pagerduty.api.call import Call, zone_name
from simulators.pagerduty.api.crud import Behaviour
from simulators.pagerduty.api.errors import Code, invalid, refuse
from simulators.pagerduty.api.lens import SHAPES, lens
from simulators.pagerduty.api.operations import Listing, Operation
from simulators.pagerduty.model import (
    API_KEYS,
    DOCUMENTS,
    INCIDENTS,
    MEMBERSHIPS,
    Incident,
    Status,
    Urgency,
)
from simulators.pagerduty.oncall import scheduled, target_kind

#: Contact methods a user may have, and how many of one type (PagerDuty: contact information).
MOST_METHODS = 10
MOST_OF_TYPE = {"phone_contact_method": 3, "sms_contact_method": 3}
TEAM_ROLES = ("observer", "responder", "manager")
STAKEHOLDERS = ("read_only_user", "read_only_limited_user")
#: Base roles that need advanced permissions.
_ADVANCED = ("observer", "restricted_access")
#: Kinds of schedules a policy can point at: of layers, of shifts.
SCHEDULES = ("schedules", "v3_schedules")
#: Country codes whose numbers are written without the trunk prefix 0 (PagerDuty knowledge base: user profile).
_WITHOUT_TRUNK = frozenset({1, 33, 40, 44, 45, 49, 61, 66, 91})
_PHONES = ("phone_contact_method", "sms_contact_method", "whatsapp_contact_method")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+", re.ASCII)
_NUMBER = re.compile(r"[0-9,*#]{1,40}", re.ASCII)


# -- users -------------------------------------------------------------------------------------------------------------


def _prepare_user(call: Call, body: dict[str, Any], old: Document | None) -> dict[str, Any]:
    if not _EMAIL.fullmatch(body["email"]):
        raise invalid("Email is invalid")
    zone_name(body.get("time_zone"))
    if body.get("role") in STAKEHOLDERS and "read_only_users" in call.knobs.missing_abilities:
        raise refuse(Code.MISSING_ABILITY)
    if body.get("role") in _ADVANCED and "permissions_service" in call.knobs.missing_abilities:
        raise refuse(Code.MISSING_ABILITY)
    if body.get("time_zone") is None:
        body["time_zone"] = "Etc/UTC" if call.knobs.time_zone == "UTC" else call.knobs.time_zone
    return body


def _welcome(call: Call, document: Document) -> None:
    method = account.put(
        call.draft,
        "contact_methods",
        {"type": "email_contact_method", "label": "Default", "address": document.body["email"]},
        document.id,
    )
    for urgency in ("high", "low"):
        rule = {
            "type": "assignment_notification_rule",
            "start_delay_in_minutes": 0,
            "urgency": urgency,
            "contact_method": {"id": method.id, "type": "email_contact_method_reference"},
        }
        account.put(call.draft, "notification_rules", rule, document.id)


def open_incidents(call: Call) -> Iterator[Incident]:
    """Yield the incidents that are not resolved."""
    for status in (Status.TRIGGERED, Status.ACKNOWLEDGED):
        for urgency in Urgency:
            yield from call.state.find(INCIDENTS, "status", (status, urgency))


def _keep_needed_user(call: Call, document: Document) -> None:
    user = document.id
    if call.key.user == user:
        raise invalid("You cannot delete yourself")
    if document.body.get("role") == "owner":
        raise invalid("The account owner cannot be deleted")
    if any(assignment.user == user for row in open_incidents(call) for assignment in row.assignments):
        raise invalid("User can't be deleted if they are assigned to open incidents")
    followed = [row.policy for row in open_incidents(call) if row.policy is not None]
    for policy in (*call.state.all(DOCUMENTS["escalation_policies"]), *followed):
        if (user, "users") in targets(policy):
            raise invalid("User can't be deleted if they are being used by escalation policies")
    held = account.Account(call.state)
    for kind in SCHEDULES:
        if any(user in scheduled(held, kind, schedule, call.now) for schedule in call.state.all(DOCUMENTS[kind])):
            raise invalid("User can't be deleted if they are being used by schedules")


def targets(policy: Document) -> list[tuple[str, str]]:
    """Return the targets of a policy as (id, plural kind)."""
    return [
        (target["id"], target_kind(target))
        for rule in policy.body.get("escalation_rules") or ()
        for target in rule.get("targets") or ()
    ]


def _leave(call: Call, document: Document) -> None:
    """Take a deleted user out of all teams, and the user's keys out of use."""
    for membership in list(call.state.find(MEMBERSHIPS, "user", document.id)):
        call.draft.delete(MEMBERSHIPS, membership.id)
    for key in list(call.state.all(API_KEYS)):
        if key.user == document.id:
            call.draft.delete(API_KEYS, key.id)


def in_teams(call: Call, row: Document, teams: Sequence[str]) -> bool:
    """Whether a document lists one of the teams."""
    return any(entry["id"] in teams for entry in row.body.get("teams") or ())


def _member_of(call: Call, row: Document, teams: Sequence[str]) -> bool:
    return any(membership.team in teams for membership in call.state.find(MEMBERSHIPS, "user", row.id))


# -- contact methods and rules -----------------------------------------------------------------------------------------


def _prepare_method(call: Call, body: dict[str, Any], old: Document | None) -> dict[str, Any]:
    _spend_edit(call)
    kind, address = body["type"], body["address"]
    if old is not None and kind != old.body.get("type"):
        raise invalid("Type cannot be changed")
    if kind == "email_contact_method" and not _EMAIL.fullmatch(address):
        raise invalid("Address is invalid")
    if kind in _PHONES:
        body["address"] = address = re.sub(r"[\s().-]", "", address)
        body["country_code"] = body.get("country_code") or 1
        if not _NUMBER.fullmatch(address):
            raise invalid("Address is invalid")
        if address.startswith("0") and body["country_code"] in _WITHOUT_TRUNK:
            raise invalid("Phone number can't start with a zero")
    others = [row for row in call.state.find(DOCUMENTS["contact_methods"], "parent", call.ids["id"]) if row != old]
    same = [row for row in others if row.body.get("type") == kind]
    identity = (address.casefold(), body.get("country_code") if kind in _PHONES else None)
    for row in same:
        country = (row.body.get("country_code") or 1) if kind in _PHONES else None
        if (str(row.body.get("address")).casefold(), country) == identity:
            raise invalid("User Contact method must be unique")
    if old is None and (len(others) >= MOST_METHODS or len(same) >= MOST_OF_TYPE.get(kind, MOST_METHODS)):
        raise invalid("Contact methods are limited to 10 per user, 3 of them phone and 3 SMS")
    if kind == "sms_contact_method" and call.knobs.sms_verification and (old is None or old.body["address"] != address):
        body["enabled"] = False
    return body


def _spend_edit(call: Call) -> None:
    """Refuse more changes of a user's contact methods in a day than the limit in force allows."""
    most = call.knobs.contact_edits_per_day
    if most:
        key = f"pagerduty.contact_edits.{call.ids['id']}"
        if not limits.spend(call.draft, key, limit=most, window=instants.DAY, sliding=True).allowed:
            raise refuse(Code.CONTACT_EDITS, ["Contact methods cannot be modified at this time"])


def _forbid_method(call: Call, document: Document) -> None:
    _spend_edit(call)


def _drop_rules(call: Call, document: Document) -> None:
    for kind in RULE_KINDS:
        for rule in list(call.state.find(DOCUMENTS[kind], "parent", document.parent)):
            if rule.body["contact_method"]["id"] == document.id:
                call.draft.delete(DOCUMENTS[kind], rule.id)


RULE_KINDS = ("notification_rules", "oncall_handoff_notification_rules", "status_update_notification_rules")


def _own_method(call: Call, body: Mapping[str, Any]) -> Document:
    method = call.state.get(DOCUMENTS["contact_methods"], body["contact_method"]["id"])
    if method is None or method.parent != call.ids["id"]:
        raise invalid("Contact method is invalid")
    return method


def _with_method(call: Call, body: dict[str, Any], old: Document | None) -> dict[str, Any]:
    method = _own_method(call, body)
    kind = method.body["type"]
    named = body["contact_method"].get("type") == kind
    body["contact_method"] = {"id": method.id, "type": kind if named else f"{kind}_reference"}
    return body


def _prepare_rule(call: Call, body: dict[str, Any], old: Document | None) -> dict[str, Any]:
    body = _with_method(call, body, old)
    if body["urgency"] == "low" and "urgencies" in call.knobs.missing_abilities:
        raise refuse(Code.MISSING_ABILITY)
    identity = (body["contact_method"]["id"], body["start_delay_in_minutes"], body["urgency"])
    for row in call.state.find(DOCUMENTS["notification_rules"], "parent", call.ids["id"]):
        held = (row.body["contact_method"]["id"], row.body.get("start_delay_in_minutes", 0), row.body.get("urgency"))
        if held == identity and (old is None or row.id != old.id):
            raise invalid("Channel Start delay must be unique for a given contact method")
    return body


def _rules(call: Call) -> Listing:
    urgency = call.text("urgency") or "high"
    if urgency not in {"high", "low", "all"}:
        raise invalid("Urgency must be in high, low, all")
    found = [
        row
        for row in call.state.find(DOCUMENTS["notification_rules"], "parent", call.ids["id"])
        if urgency in {"all", row.body.get("urgency", "high")}
    ]
    look = lens(call)
    return Listing(found, lambda row: SHAPES["notification_rules"](look, row))


def _me(call: Call) -> Any:
    if call.actor is None:
        text = "The authentication used is an account-level access token; there is no user it belongs to."
        raise Refused(400, {"error": text})
    return SHAPES["users"](lens(call), call.actor)


def _license(call: Call) -> Any:
    role = call.document("users", call.ids["id"]).body.get("role") or "user"
    found = next(entry for entry in catalogue.LICENSES if role in entry["valid_roles"])
    return license_shape(found)


def license_shape(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return a license of the catalogue as the API shows it."""
    return {**entry, "summary": entry["name"], "self": None, "html_url": None}


# -- teams -------------------------------------------------------------------------------------------------------------


def _keep_team_in_use(call: Call, team: Document) -> None:
    wanted = call.text("reassignment_team")
    if wanted is not None and call.state.get(DOCUMENTS["teams"], wanted) is None:
        raise refuse(Code.TEAM_NOT_FOUND, message="Team has Incidents but Reassignment Team is not found")
    for kind in ("escalation_policies", *SCHEDULES):
        if any(in_teams(call, row, (team.id,)) for row in call.state.all(DOCUMENTS[kind])):
            raise refuse(Code.TEAM_ASSOCIATIONS)
    if any((row.body.get("parent") or {}).get("id") == team.id for row in call.state.all(DOCUMENTS["teams"])):
        raise refuse(Code.TEAM_ASSOCIATIONS)


def _forget_members(call: Call, team: Document) -> None:
    for membership in list(call.state.find(MEMBERSHIPS, "team", team.id)):
        call.draft.delete(MEMBERSHIPS, membership.id)


def _members(call: Call) -> Listing:
    look = lens(call)
    rows = call.state.find(MEMBERSHIPS, "team", call.ids["id"])
    return Listing(rows, lambda row: {"user": look.ref("users", row.user, "users"), "role": row.role})


def _add_member(call: Call) -> None:
    user = call.document("users", call.ids["user_id"])
    if user.body.get("role") == "read_only_user":
        raise invalid("Full stakeholders cannot be members of a team")
    held = call.state.get(MEMBERSHIPS, f"{call.ids['id']}:{user.id}")
    account.join(call.draft, call.ids["id"], user.id, call.body.get("role") or (held.role if held else "manager"))


def _remove_member(call: Call) -> None:
    team, user = call.ids["id"], call.ids["user_id"]
    membership = call.state.get(MEMBERSHIPS, f"{team}:{user}")
    if membership is None:
        raise refuse(Code.NOT_FOUND)
    for policy in call.state.all(DOCUMENTS["escalation_policies"]):
        if in_teams(call, policy, (team,)) and (user, "users") in targets(policy):
            raise invalid("User cannot be removed as they belong to an escalation policy on this team")
    call.draft.delete(MEMBERSHIPS, membership.id)


def _add_policy(call: Call) -> None:
    policy = call.document("escalation_policies", call.ids["escalation_policy_id"])
    if in_teams(call, policy, (call.ids["id"],)):
        raise refuse(Code.INVALID_INPUT, message="Escalation Policy has already been taken")
    team = {"id": call.ids["id"], "type": "team_reference"}
    account.put(call.draft, "escalation_policies", {**policy.body, "teams": [team]})


def _remove_policy(call: Call) -> None:
    policy = call.document("escalation_policies", call.ids["escalation_policy_id"])
    kept = [entry for entry in policy.body.get("teams") or () if entry["id"] != call.ids["id"]]
    account.put(call.draft, "escalation_policies", {**policy.body, "teams": kept})


BEHAVIOURS: Mapping[str, Behaviour] = {
    "users": Behaviour(
        prepare=_prepare_user,
        created=_welcome,
        forbid=_keep_needed_user,
        removed=_leave,
        children=("contact_methods", *RULE_KINDS),
        filters={"team_ids[]": _member_of},
        search=("name", "email"),
    ),
    "contact_methods": Behaviour(prepare=_prepare_method, forbid=_forbid_method, removed=_drop_rules),
    "notification_rules": Behaviour(prepare=_prepare_rule),
    "oncall_handoff_notification_rules": Behaviour(prepare=_with_method),
    "status_update_notification_rules": Behaviour(prepare=_with_method),
    "teams": Behaviour(forbid=_keep_team_in_use, removed=_forget_members),
}

_TEAM = (("teams", "id"),)
OPERATIONS: tuple[Operation, ...] = (
    Operation("GET", "/users/me", _me, wrapper="user", also=(400,), summary="Get the user of the key",
              include=("contact_methods", "notification_rules", "teams", "subdomains", "calendar_urls")),
    Operation("GET", "/users/{id}/license", _license, wrapper="license", needs=(("users", "id"),),
              summary="Get the license of a user"),
    Operation("GET", "/users/{id}/notification_rules", _rules, wrapper="notification_rules", query=("urgency",),
              include=("contact_methods",), needs=(("users", "id"),), summary="List notification rules"),
    Operation("GET", "/teams/{id}/members", _members, wrapper="members", paging="classic", include=("users",),
              needs=_TEAM, summary="List the members of a team"),
    Operation("PUT", "/teams/{id}/users/{user_id}", _add_member, status=204, request="", needs=_TEAM, bodiless=True,
              fields=(Field("role", choices=TEAM_ROLES),), summary="Add a user to a team"),
    Operation("DELETE", "/teams/{id}/users/{user_id}", _remove_member, status=204, needs=_TEAM,
              summary="Remove a user from a team"),
    Operation("PUT", "/teams/{id}/escalation_policies/{escalation_policy_id}", _add_policy, status=204, needs=_TEAM,
              summary="Give a team an escalation policy"),
    Operation("DELETE", "/teams/{id}/escalation_policies/{escalation_policy_id}", _remove_policy, status=204,
              needs=_TEAM, summary="Take an escalation policy from a team"),
)  # fmt: skip
