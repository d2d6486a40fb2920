"""How api.pagerduty.com refuses: the envelope, the code table, and the words for what is wrong with a body.

``{"error": {"message", "code", "errors"}}`` with the numbers of the vendor's code table (PagerDuty: REST API errors).
Messages of single fields follow the strings seen from the live API: "Title cannot be empty.", "Name has already been
taken", "Start day of week must be in 1, 2, 3".
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import Any

from simulators.engine.errors import Refused
from simulators.engine.resources import Field, Kind, Problem, Trouble


class Code(IntEnum):
    """Numbers of the vendor's error table that this host uses."""

    ALREADY_RESOLVED = 1001
    INVALID_STATUS = 1003
    CANNOT_ESCALATE = 1006
    ASSIGNEE_NOT_FOUND = 1007
    REQUESTER_NOT_FOUND = 1008
    SNOOZE_INVALID = 1013
    POLICY_MISSING = 1014
    NOBODY_ON_CALL = 1015
    ALREADY_MERGED = 1019
    INVALID_PRIORITY = 1020
    INTERNAL = 2000
    INVALID_INPUT = 2001
    ARGUMENTS = 2002
    MISSING_ARGUMENTS = 2003
    TIME_VALUES = 2004
    DATE_RANGE = 2005
    AUTHENTICATION = 2006
    ACCESS_DENIED = 2010
    USER_NOT_FOUND = 2013
    MISSING_ABILITY = 2014
    FROM_MISSING = 2016
    CONTACT_EDITS = 2017
    PRODUCT_LIMIT = 2019
    RATE_LIMIT = 2020
    NOT_FOUND = 2100
    INVALID_SCHEDULE = 3001
    SCHEDULE_NOT_FOUND = 3004
    INVALID_OVERRIDE = 4004
    VARIOUS_NOT_FOUND = 5001
    SERVICE_NOT_FOUND = 5002
    PAST_MAINTENANCE = 5003
    TEAM_NOT_FOUND = 6001
    TEAM_ASSOCIATIONS = 6006


#: Code -> (status, message).
TABLE: Mapping[Code, tuple[int, str]] = {
    Code.ALREADY_RESOLVED: (400, "Incident Already Resolved"),
    Code.INVALID_STATUS: (400, "Invalid Status Provided"),
    Code.CANNOT_ESCALATE: (400, "Cannot Escalate"),
    Code.ASSIGNEE_NOT_FOUND: (400, "Assigned To User Not Found"),
    Code.REQUESTER_NOT_FOUND: (400, "Requester User Not Found"),
    Code.SNOOZE_INVALID: (400, "Snooze Duration is Invalid"),
    Code.POLICY_MISSING: (400, "Escalation Policy Not Found"),
    Code.NOBODY_ON_CALL: (400, "Escalation Policy Has No User On Call"),
    Code.ALREADY_MERGED: (400, "Incident Already Merged"),
    Code.INVALID_PRIORITY: (400, "Invalid Priority"),
    Code.INTERNAL: (500, "Internal Server Error"),
    Code.INVALID_INPUT: (400, "Invalid Input Provided"),
    Code.ARGUMENTS: (400, "Arguments Caused Error"),
    Code.MISSING_ARGUMENTS: (400, "Missing Arguments"),
    Code.TIME_VALUES: (400, "Invalid time values in 'since' and/or 'until' parameters"),
    Code.DATE_RANGE: (400, "Invalid Query Date Range"),
    Code.AUTHENTICATION: (401, "Authentication failed"),
    Code.ACCESS_DENIED: (403, "Access Denied"),
    Code.USER_NOT_FOUND: (404, "User not found"),
    Code.MISSING_ABILITY: (402, "Missing Account Ability"),
    Code.FROM_MISSING: (400, 'You must specify a user\'s email address in the "From" header to perform this action'),
    Code.CONTACT_EDITS: (400, "Too Many Contact Method Actions"),
    Code.PRODUCT_LIMIT: (400, "Product Limit Reached"),
    Code.RATE_LIMIT: (429, "Rate Limit Exceeded"),
    Code.NOT_FOUND: (404, "Not Found"),
    Code.INVALID_SCHEDULE: (400, "Invalid Schedule"),
    Code.SCHEDULE_NOT_FOUND: (404, "Schedule Not Found"),
    Code.INVALID_OVERRIDE: (400, "Invalid Override"),
    Code.VARIOUS_NOT_FOUND: (404, "Not Found"),
    Code.SERVICE_NOT_FOUND: (404, "Service Not Found"),
    Code.PAST_MAINTENANCE: (405, "Cannot cancel a maintenance window from the past"),
    Code.TEAM_NOT_FOUND: (404, "Team Not Found"),
    Code.TEAM_ASSOCIATIONS: (400, "Team has existing associations"),
}

#: What a body that names something unknown is answered, by plural kind.
UNKNOWN: Mapping[str, tuple[Code, str]] = {
    "users": (Code.USER_NOT_FOUND, "User not found"),
    "schedules": (Code.SCHEDULE_NOT_FOUND, "Schedule Not Found"),
    "services": (Code.SERVICE_NOT_FOUND, "Service Not Found"),
    "teams": (Code.TEAM_NOT_FOUND, "Team Not Found"),
    "escalation_policies": (Code.VARIOUS_NOT_FOUND, "Escalation Policy Not Found"),
    "vendors": (Code.VARIOUS_NOT_FOUND, "Vendor Not Found"),
}


def refuse(code: Code, errors: Iterable[str] | Mapping[str, Any] = (), message: str = "") -> Refused:
    """Return the refusal of a code, to be raised; ``errors`` are a list of strings or an object (code 3001)."""
    status, text = TABLE[code]
    listed = dict(errors) if isinstance(errors, Mapping) else list(errors)
    return Refused(status, {"error": {"message": message or text, "code": int(code), "errors": listed}})


def invalid(*errors: str) -> Refused:
    """Return "Invalid Input Provided" (400, 2001) with these strings."""
    return refuse(Code.INVALID_INPUT, errors)


def not_found() -> Refused:
    """Return the 404 of a path or an object that is not there."""
    return refuse(Code.NOT_FOUND)


def unknown(kind: str) -> Refused:
    """Return the refusal of a body that refers to something of ``kind`` (plural) that is not there."""
    code, message = UNKNOWN.get(kind, (Code.NOT_FOUND, "Not Found"))
    return refuse(code, message=message)


NOT_A_HASH = "params must be a Hash"


def label(path: str) -> str:
    """Return a field's path in words: the last name, humanised (``layers[0].start_time`` gives ``Start time``)."""
    name = path.rsplit(".", 1)[-1].partition("[")[0].replace("_", " ")
    return name[:1].upper() + name[1:]


_ARTICLES = {
    Kind.STRING: "a string",
    Kind.INTEGER: "an integer",
    Kind.NUMBER: "a number",
    Kind.BOOLEAN: "a boolean",
    Kind.OBJECT: "an object",
    Kind.ARRAY: "an array",
}


def wording(problem: Problem) -> str:
    """Return what the API says about one problem of a body."""
    field: Field = problem.field
    name = label(problem.path)
    choices = ", ".join(str(choice) for choice in field.choices)
    return {
        Trouble.MISSING: lambda: f"{name} cannot be empty.",
        Trouble.BLANK: lambda: f"{name} cannot be empty.",
        Trouble.TYPE: lambda: f"{name} must be {_ARTICLES.get(field.kind, 'a value')}",
        Trouble.NOT_ALLOWED: lambda: f"{name} must be in {choices}",
        Trouble.TOO_LONG: lambda: f"{name} is too long (maximum is {field.max_length} {_unit(field)})",
        Trouble.TOO_SHORT: lambda: f"{name} is too short (minimum is {field.min_length} {_unit(field)})",
        Trouble.TOO_SMALL: lambda: f"{name} must be greater than or equal to {math.floor(field.minimum or 0)}",
        Trouble.TOO_LARGE: lambda: f"{name} must be less than or equal to {math.floor(field.maximum or 0)}",
    }[problem.trouble]()


def _unit(field: Field) -> str:
    return "characters" if field.kind is Kind.STRING else "entries"
