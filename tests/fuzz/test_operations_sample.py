"""A sample of what ``python tests/fuzz/operations.py`` does with every operation: a few requests to some of them."""

import pytest
from furnished import pagerduty_world
from operations import VENDORS, Vendor

#: Every so-manieth operation is asked; the command asks all of them.
STRIDE = 20


@pytest.mark.parametrize("name", VENDORS)
def test_schemathesis_finds_nothing_in_a_sample(name: str) -> None:
    """No answer is a 5xx, or has a status, content type or shape that the served description does not name."""
    vendor = Vendor(name)
    assert len(vendor.operations) > 100
    found = [finding for one in vendor.operations[::STRIDE] for finding in vendor.judge(one, 3, None)]
    assert found == []
    assert sum(vendor.answers.values()) >= 2 * len(vendor.operations[::STRIDE])
    assert {200, 404} <= set(vendor.answers)


def test_what_is_not_described_is_found() -> None:
    """An answer with a status the description does not name is a finding."""
    described = pagerduty_world().description
    del described["paths"]["/users"]["get"]["responses"]["200"]
    vendor = Vendor("pagerduty", described)
    (operation,) = [one for one in vendor.operations if (one.method, one.path) == ("get", "/users")]
    (finding,) = vendor.judge(operation, 10, 1)
    assert finding.operation == "GET /users"
    assert "200" in finding.trouble
