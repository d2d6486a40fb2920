"""Every operation of the vendor's client packages against an account with one of everything, over sockets."""

import inspect
from collections.abc import Iterator
from typing import Any

import pytest
from thousandeyes_desk import Desk, served
from thousandeyes_operations import NOT_SIMULATED, Furnished, Operation, operations, unknown_path
from thousandeyes_sdk.core.exceptions import ApiException

from simulators.engine.world import Snapshot

__all__ = ["served"]
pytestmark = pytest.mark.sockets

OPERATIONS = tuple(operations())
#: Operations whose answer is emptier than the account was.
EMPTYING = ("unassign_tests",)
SIMULATED = tuple(entry for entry in OPERATIONS if entry.api not in NOT_SIMULATED)


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


@pytest.mark.parametrize("operation", SIMULATED, ids=str)
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


def test_what_is_not_simulated_says_so_in_the_vendors_words(here: Furnished) -> None:
    """Each operation of the classes named as not simulated is answered as an unknown path is."""
    left_out = [entry for entry in OPERATIONS if entry.api in NOT_SIMULATED]
    assert {entry.api for entry in left_out} == set(NOT_SIMULATED)
    for operation in left_out:
        if operation.name.startswith(("get", "delete")):
            method = operation.method(here.desk.client)
            needed = [
                name for name in inspect.signature(method).parameters if name in {"id", "confirm_disabled_objects"}
            ]
            values = {"id": "6e069ae9-8537-4120-b988-61bf8e0d8b87", "confirm_disabled_objects": True}
            with pytest.raises(ApiException) as refused:
                method(**{name: values[name] for name in needed})
            assert unknown_path(refused.value), operation
