"""The filters of the list of incidents find what a walk over every incident finds, in the same order."""

import itertools
from typing import Any
from urllib.parse import urlencode

import pytest
from duty_rig import ALICE, BOB, Duty, two_levels
from rest_rig import make

from scenarios import accounts
from simulators.pagerduty.model import INCIDENTS

OTHER = "PSVC002"
STATUSES = ([], ["resolved"], ["triggered", "acknowledged"])
SERVICES = ([], [OTHER], [accounts.SERVICE, OTHER, OTHER])
URGENCIES = ([], ["low"], ["high", "low"])
USERS = ([], [BOB.id])


@pytest.fixture(scope="module")
def duty() -> Duty:
    """Thirty-six incidents of two services in every status and urgency, of Alice and of Bob, ten minutes apart."""
    account = two_levels()
    account["services"].append(account["services"][0] | {"id": OTHER, "name": "second"})
    here = Duty(account)
    ways = itertools.product(
        (accounts.SERVICE, OTHER), ("high", "low"), (ALICE, BOB), (None, "acknowledged", "resolved")
    )
    for number, (service, urgency, who, status) in enumerate(list(ways) + list(ways)):
        body = {"type": "incident", "title": f"n{number}", "service": {"id": service, "type": "service_reference"}}
        body |= {"urgency": urgency, "assignments": [{"assignee": {"id": who.id, "type": "user_reference"}}]}
        made = make(here, "/incidents", "incident", body)
        if status:
            change = {"incident": {"type": "incident_reference", "status": status}}
            assert here.rest("PUT", f"/incidents/{made['id']}", change, From=who.email).status_code == 200
        here.world.advance("10m")
    return here


def listed(duty: Duty, **filters: Any) -> tuple[list[int], int]:
    """Return the numbers of the incidents a query lists, and the total it names."""
    query = [(f"{name}[]", value) for name, values in filters.items() if isinstance(values, list) for value in values]
    query += [(name, value) for name, value in filters.items() if isinstance(value, str)]
    answer = duty.rest("GET", "/incidents?" + urlencode([*query, ("total", "true"), ("limit", "100")])).json()
    return [row["incident_number"] for row in answer["incidents"]], answer["total"]


@pytest.mark.parametrize("statuses", STATUSES, ids=str)
@pytest.mark.parametrize("services", SERVICES, ids=str)
def test_filters_find_what_a_walk_finds(duty: Duty, statuses: list[str], services: list[str]) -> None:
    """Each combination of status, service, urgency, user and dates lists the same incidents as looking at every one."""
    every = list(duty.world.view.all(INCIDENTS))
    since, until = "2026-03-02T11:05:00Z", "2026-03-02T13:00:00Z"
    within = [row.number for row in every[7:19]]
    for urgencies, users, dated in itertools.product(URGENCIES, USERS, (False, True)):
        wanted = [
            row.number
            for row in every
            if (not statuses or row.status.value in statuses)
            and (not services or row.service in services)
            and (not urgencies or row.urgency.value in urgencies)
            and (not users or any(given.user in users for given in row.assignments))
            and (not dated or row.number in within)
        ]
        filters = {"statuses": statuses, "service_ids": services, "urgencies": urgencies, "user_ids": users}
        dates = {"since": since, "until": until} if dated else {}
        assert listed(duty, **filters, **dates) == (wanted, len(wanted))
        assert listed(duty, **filters, **dates, sort_by="created_at:desc") == (wanted[::-1], len(wanted))
