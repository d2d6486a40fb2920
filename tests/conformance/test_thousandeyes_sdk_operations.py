"""Every operation of the vendor's client packages against an account with one of everything, over sockets."""

import inspect
import pkgutil
from collections.abc import Iterator
from typing import Any

import pytest
import thousandeyes_sdk
from thousandeyes_desk import Desk, served
from thousandeyes_operations import PACKAGES, Furnished, Operation, kind_of, operations
from thousandeyes_sdk import tests
from thousandeyes_sdk.core.exceptions import NotFoundException

from simulators.engine.world import Snapshot

__all__ = ["served"]
pytestmark = pytest.mark.sockets

OPERATIONS = tuple(operations())
#: Operations whose answer is emptier than the account was.
EMPTYING = ("unassign_tests",)


@pytest.fixture(scope="module")
def account(served: Desk) -> tuple[Furnished, Snapshot]:
    """The account is furnished once; each test finds it as it was."""
    furnished = Furnished(served)
    return furnished, served.world.snapshot()


@pytest.fixture
def here(account: tuple[Furnished, Snapshot]) -> Iterator[Furnished]:
    """The furnished account; no operation may leave an error of the simulator's own behind."""
    furnished, fresh = account
    yield furnished
    errors = [entry.data for entry in furnished.desk.world.journal if entry.kind == "error"]
    furnished.desk.world.restore(fresh)
    assert errors == []


def _content(answer: Any) -> Any:
    """Return an answer as plain data, whatever it came as."""
    if hasattr(answer, "to_dict"):
        return answer.to_dict()
    return answer


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_an_operation_is_answered_and_its_answer_parsed(here: Furnished, operation: Operation) -> None:
    """Called with good arguments it answers the model it declares; lists and rows are not empty."""
    method = operation.method(here.desk.client)
    answer = method(**here.arguments(operation, method))
    if operation.name.endswith("_paginated"):
        assert len(list(answer)) > 0
        return
    declared = inspect.signature(method).return_annotation
    if declared is None:
        assert answer is None
        return
    assert isinstance(answer, declared)
    content = _content(answer)
    assert content
    lists = {name: value for name, value in content.items() if isinstance(value, list) and name in _FILLED}
    assert all(lists.values()) or operation.name in EMPTYING, sorted(lists)


#: What must not be empty in the account, where an answer has it.
_FILLED = ("results", "tests", "alerts", "alertRules", "agents", "users", "roles", "permissions", "accountGroups",
           "agentProxies", "agentAlertRules", "credentials", "monitors", "localProblems", "pathVisInterfaceGroups",
           "auditEvents", "testVersionHistory", "alertSuppressionWindows")  # fmt: skip


def test_no_operation_of_an_installed_package_is_left_out() -> None:
    """Every package of the vendor's but the core is one of those whose operations are called."""
    installed = {entry.name for entry in pkgutil.iter_modules(thousandeyes_sdk.__path__)}
    assert installed - set(PACKAGES) == {"core"}
    assert len(OPERATIONS) > 210


@pytest.mark.parametrize("path", ["/events", "/streams", "/dashboards", "/endpoint/agents", "/usage", "/templates"])
def test_areas_that_are_not_simulated_are_unknown_in_the_vendors_words(here: Furnished, path: str) -> None:
    """The vendor's client understands the answer."""
    client = here.desk.client
    response = client.call_api(*client.param_serialize("GET", path, auth_settings=["BearerAuth"]))
    response.read()
    with pytest.raises(NotFoundException) as refused:
        client.response_deserialize(response, {}, {})
    assert tests.models.Error.from_json(str(refused.value.body)).title == "URI Resource Not Found"


def test_instant_tests_are_read_listed_and_measured_like_any_other(here: Furnished) -> None:
    """The client's models of regular tests take them, and each layer has the one round of both agents."""
    made: dict[str, str] = {}
    for operation in OPERATIONS:
        if operation.package == "instant_tests" and operation.name.startswith("create"):
            method = operation.method(here.desk.client)
            made[kind_of(operation)] = method(**here.arguments(operation, method)).test_id
    assert len(made) == 12
    here.desk.world.advance("1m")
    for operation in OPERATIONS:
        kind, method = kind_of(operation), operation.method(here.desk.client)
        if operation.package == "tests" and operation.name.endswith("_tests") and kind in made:
            assert made[kind] in {test.test_id for test in method().tests}
        elif operation.package == "tests" and operation.name == f"get_{_word(kind)}_test" and kind in made:
            assert method(made[kind]).saved_event is True
        elif operation.name == f"get_test_{_word(kind)}_results" and kind in made:
            assert [row.agent.agent_id for row in method(made[kind]).results] == ["3", "4"]


def _word(kind: str) -> str:
    return kind.replace("-", "_").replace("dnssec", "dns_sec")
