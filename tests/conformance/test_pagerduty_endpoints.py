"""The operations this host serves beside the vendor's own: methods, paths, paging, parameters, From rule, statuses.

The vendor's are read from a table beside the repository; without it the comparison is skipped. Where the two differ on
purpose the reason stands here.
"""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from simulators.pagerduty.api import errors, sundries
from simulators.pagerduty.api.errors import Code
from simulators.pagerduty.api.operations import Operation
from simulators.pagerduty.api.rest import operations

HOME = Path(__file__).resolve().parents[2]
SPECS = Path(os.environ.get("PAGEDRILL_SPECS", HOME.parent / "shared" / "specs")) / "pagerduty"
TABLE, CODES = SPECS / "endpoints_core.tsv", SPECS / "error_codes.json"
PAGING = {"offset": "classic", "cursor": "cursor", "-": ""}
#: Differences that are meant, with their reason.
MEANT = {
    "GET /schedules/{}/overrides status": "the table repeats an oddity of the vendor's description, 201 for a list",
    "DELETE /schedules/{}/overrides/{} status": "200 is for an override that runs, 204 for one to come",
    "GET /incidents/{}/status_updates/subscribers paging": "the vendor's answer carries the keys of classic paging",
    "PUT /incidents/{}/custom_fields/values status": "answers 402, as without the feature",
    "POST /webhook_subscriptions status": "clients and samples of the vendor expect 201",
    "GET /tags/{}/{} path": "served as one path for each kind that can be tagged",
}


def _known() -> dict[str, Operation]:
    return {f"{row.method} {_plain(row.path)}": row for row in operations()}


def _plain(path: str) -> str:
    return re.sub(r"{[^}]*}", "{}", path)


def _values(text: str) -> set[str]:
    return {value.rstrip("*") for value in text.split(",")} - {"-"}


def differences(row: dict[str, str], held: Operation | None) -> Iterator[str]:
    """Yield what differs between a row of the table and the operation that is served."""
    if held is None:
        if not row["path"].startswith(sundries.OUTSIDE_THE_PLAN):
            yield "path"
        return
    if row["method"] == "GET" and PAGING[row["paging"]] != held.paging:
        yield "paging"
    if _values(row["query_params"]) - set(held.query):
        yield "query"
    if _values(row["include_values"]) - set(held.include):
        yield "include"
    if row["from_header"] != held.actor.value:
        yield "from"
    if int(row["documented_statuses"].partition(",")[0]) != held.status:
        yield "status"


def test_the_vendors_operations_are_served_as_described() -> None:
    """Every operation of the table is there with its paging, parameters, includes, From rule and first status."""
    if not TABLE.is_file():
        pytest.skip("the vendor's operations are not at hand (set PAGEDRILL_SPECS)")
    known, found = _known(), []
    with TABLE.open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t"))
    for row in rows:
        name = f"{row['method']} {_plain(row['path'])}"
        found += [f"{name} {what}" for what in differences(row, known.get(name))]
    assert len(rows) > 150
    assert sorted(found) == sorted(MEANT)


def test_a_difference_is_found() -> None:
    """The comparison is not blind: a changed row is reported for what was changed."""
    held = _known()["GET /users"]
    row = {"method": "GET", "path": "/users", "paging": "offset", "query_params": "query,team_ids[]"}
    row |= {"include_values": "teams", "from_header": "no", "documented_statuses": "200,400"}
    assert list(differences(row, held)) == []
    changed = {"paging": "cursor", "query_params": "colour", "include_values": "pets", "from_header": "required"}
    assert list(differences({**row, **changed, "documented_statuses": "201"}, held)) == [
        "paging", "query", "include", "from", "status",
    ]  # fmt: skip
    assert list(differences({**row, "path": "/dogs"}, None)) == ["path"]


#: Codes whose status or words differ from the vendor's table, with the reason.
DIFFERENT = {
    Code.INTERNAL: "the vendor's words are not published",
    Code.FROM_MISSING: "seen for a missing From header, besides what the table says of it",
    Code.INVALID_OVERRIDE: "400 for an override that cannot be, the table's 404 is for one that is not there",
    Code.VARIOUS_NOT_FOUND: "each kind has words of its own, see UNKNOWN",
}


def test_refusals_have_the_vendors_codes_and_words() -> None:
    """Status and message of every code are those of the vendor's table, where it has any."""
    if not CODES.is_file():
        pytest.skip("the vendor's codes are not at hand (set PAGEDRILL_SPECS)")
    listed = {entry["code"]: entry for entry in json.loads(CODES.read_text(encoding="utf-8"))["codes"]}
    found = [
        code
        for code, (status, message) in errors.TABLE.items()
        if status != listed[code]["http_default"] or message not in listed[code]["messages"]
    ]
    assert sorted(found) == sorted(DIFFERENT)
    assert all(message in listed[code]["messages"] for code, message in errors.UNKNOWN.values())
