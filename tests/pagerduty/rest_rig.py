"""Bodies and answers of the REST API, for tests."""

from __future__ import annotations

from typing import Any

from duty_rig import ALICE, Duty

WEEK = 604_800


def layer(**changes: Any) -> dict[str, Any]:
    return {
        "start": "2026-03-02T10:00:00Z",
        "rotation_virtual_start": "2026-03-02T10:00:00Z",
        "rotation_turn_length_seconds": WEEK,
        "users": [{"user": {"id": ALICE.id, "type": "user_reference"}}],
        **changes,
    }


def schedule(**changes: Any) -> dict[str, Any]:
    return {"name": "Primary", "time_zone": "Europe/Berlin", "schedule_layers": [layer(**changes)]}


def restricted(**rule: Any) -> dict[str, Any]:
    return schedule(restrictions=[{"start_time_of_day": "08:00:00", **rule}])


def make(duty: Duty, path: str, wrapper: str, body: dict[str, Any]) -> dict[str, Any]:
    """Create something and return it."""
    answer = duty.rest("POST", path, {wrapper: body}, From=ALICE.email)
    assert answer.is_success, answer.text
    made: dict[str, Any] = answer.json()[wrapper]
    return made


def refused(answer: Any) -> tuple[int, int, Any]:
    error = answer.json()["error"]
    return answer.status_code, error["code"], error["errors"]
