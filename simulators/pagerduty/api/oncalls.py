"""``GET /oncalls``: who is on call for which level of which policy, now or over a range.

A user targeted directly is on call for ever, without schedule, start and end; a schedule's people come with the true
bounds of their shift. Only schedules that a policy names appear (PagerDuty: on-calls).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from simulators.engine import instants
from simulators.engine.instants import DAY
from simulators.engine.resources import Document
from simulators.pagerduty import escalation, oncall
from simulators.pagerduty.account import Account
from simulators.pagerduty.api.call import Call
from simulators.pagerduty.api.errors import Code, refuse
from simulators.pagerduty.api.lens import Lens, lens
from simulators.pagerduty.api.operations import Listing, Operation
from simulators.pagerduty.model import DOCUMENTS
from simulators.pagerduty.schedules import Segment

#: Shifts are computed this far ahead, and over no longer a range than this.
AHEAD, LONGEST = 90 * DAY, 366 * DAY


@dataclass(frozen=True, slots=True)
class OnCall:
    """One entry: a user on ``level`` of a policy, by a shift of a schedule of ``kind`` or directly (both empty)."""

    policy: str
    level: int
    user: str
    schedule: str = ""
    kind: str = ""
    start: int | None = None
    end: int | None = None


def _entries(call: Call, since: int, until: int) -> Iterator[OnCall]:
    shifts: dict[str, tuple[Segment, ...]] = {}
    for policy in call.state.all(DOCUMENTS["escalation_policies"]):
        for level, rule in enumerate(escalation.rules(policy), 1):
            for target in rule.get("targets") or ():
                kind = oncall.target_kind(target)
                if kind == "users":
                    if call.state.get(DOCUMENTS["users"], target["id"]) is not None:
                        yield OnCall(policy.id, level, target["id"])
                    continue
                document = call.state.get(DOCUMENTS[kind], target["id"])
                if document is None:
                    continue
                if document.id not in shifts:
                    shifts[document.id] = _shifts(call, kind, document, since, until)
                for segment in shifts[document.id]:
                    yield OnCall(policy.id, level, segment.people[0], document.id, kind, segment.start, segment.end)


def _shifts(call: Call, kind: str, document: Document, since: int, until: int) -> tuple[Segment, ...]:
    if since > call.now + AHEAD:
        return ()
    last = max(until, since + instants.SECOND)
    return oncall.turns(Account(call.state), kind, document, since, last)


def _list(call: Call) -> Listing:
    since, until = call.window(call.now, call.now)
    if call.instant("since") is not None and call.instant("until") is None:
        until = max(since, call.now)
    if until - since > LONGEST or since < 0:
        raise refuse(Code.DATE_RANGE)
    until = max(min(until, call.now + AHEAD), since)
    users, policies, asked = call.many("user_ids"), call.many("escalation_policy_ids"), call.many("schedule_ids")
    rows: Iterator[OnCall] = (
        row
        for row in _entries(call, since, until)
        if (not users or row.user in users)
        and (not policies or row.policy in policies)
        and (not asked or (row.schedule or "null") in asked)
    )
    if call.flag("earliest"):
        first: dict[tuple[str, int, str], OnCall] = {}
        for row in rows:
            key = (row.policy, row.level, row.user)
            held = first.get(key)
            if held is None or (row.start or 0) < (held.start or 0):
                first[key] = row
        rows = iter(first.values())
    look = lens(call)
    return Listing(rows, lambda row: _show(look, row))


def _show(look: Lens, row: OnCall) -> dict[str, Any]:
    return {
        "escalation_policy": look.ref("escalation_policies", row.policy, "escalation_policies"),
        "escalation_level": row.level,
        "schedule": look.ref(row.kind, row.schedule, "schedules") if row.schedule else None,
        "user": look.ref("users", row.user, "users"),
        "start": look.at(row.start),
        "end": look.at(row.end),
    }


OPERATIONS: tuple[Operation, ...] = (
    Operation("GET", "/oncalls", _list, wrapper="oncalls", paging="classic", summary="List on-calls",
              include=("escalation_policies", "users", "schedules"),
              query=("time_zone", "user_ids[]", "escalation_policy_ids[]", "schedule_ids[]", "since", "until",
                     "earliest")),
)  # fmt: skip
