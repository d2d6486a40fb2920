"""Notices of going on and off call: who asked for them hears ahead of each turn of a schedule, by push or e-mail.

A rule of a user says how long ahead, of what (going on call, off call, both) and by which contact method. It is about
every schedule on a level of a policy that an enabled service uses, or that always tells (PagerDuty: escalation
policies, on-call hand-off notifications). One timer waits for the next notice of all; whatever may change who is on
call plans it anew, so a turn that an edit makes closer than the notice asked for passes without one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from simulators.engine.agenda import Timer
from simulators.engine.draft import Draft
from simulators.engine.instants import DAY, MINUTE
from simulators.engine.resources import Document
from simulators.pagerduty import escalation, notify, oncall
from simulators.pagerduty.account import DUTIES_EDITED, HANDOFF_RULES, Account
from simulators.pagerduty.model import DOCUMENTS, OWNER, Channel
from simulators.pagerduty.wording import Duty

TIMER = "oncall-notice"
#: How far ahead turns are looked for; when there is none, they are looked for again then.
AHEAD = 14 * DAY
_WANTED: Mapping[bool, tuple[str, str]] = {True: ("both", "oncall"), False: ("both", "offcall")}
_CHANNELS = (Channel.PUSH, Channel.EMAIL)


@dataclass(frozen=True, slots=True)
class Notice:
    """A notice that is due at ``due`` (microseconds UTC)."""

    due: int
    duty: Duty
    method: Document


def on_timer(draft: Draft, timer: Timer) -> None:
    """Send the notices that are due now, and wait for the next one; after an edit only the latter."""
    pending = draft.timer(OWNER, TIMER, "")
    if timer.kind == DUTIES_EDITED and pending is not None and pending.due == draft.now:
        return  # that one has notices to send first, and plans anew itself
    following = draft.now + AHEAD
    for notice in _notices(draft, draft.now, following):
        if notice.due > draft.now:
            following = min(following, notice.due)
        elif timer.kind == TIMER:
            notify.tell_handoff(draft, notice.duty, notice.method)
    if draft.count(HANDOFF_RULES):
        draft.schedule(following, OWNER, TIMER, "")
    else:
        draft.cancel(OWNER, TIMER, "")


def _notices(draft: Draft, since: int, until: int) -> Iterator[Notice]:
    """Yield the notices due in [since, until]."""
    account, rules = Account(draft), list(draft.all(HANDOFF_RULES))
    longest = max((_advance(rule) for rule in rules), default=0)
    for policy, level, target in _places(draft):
        for at, person, begins in _turns(account, target, since, until + longest):
            for rule in rules:
                due, method = at - _advance(rule), _method(account, rule)
                wanted = rule.parent == person and (rule.body.get("handoff_type") or "both") in _WANTED[begins]
                if wanted and method is not None and since <= due <= until:
                    kind = oncall.target_kind(target)
                    yield Notice(due, Duty(person, policy.id, level, kind, str(target["id"]), at, begins), method)


def _places(draft: Draft) -> Iterator[tuple[Document, int, Mapping[str, Any]]]:
    """Yield every schedule that stands on a level (from 1) of a policy that tells of hand-offs."""
    for policy in draft.all(DOCUMENTS["escalation_policies"]):
        always = policy.body.get("on_call_handoff_notifications") == "always"
        services = draft.find(DOCUMENTS["services"], "policy", policy.id)
        if always or any(service.body.get("status") != "disabled" for service in services):
            for level, rule in enumerate(escalation.rules(policy), 1):
                for target in rule.get("targets") or ():
                    if oncall.target_kind(target) != "users":
                        yield policy, level, target


def _turns(account: Account, target: Mapping[str, Any], since: int, until: int) -> Iterator[tuple[int, str, bool]]:
    """Yield (instant, user, whether they come) for everybody who comes or goes in [since, until] by a schedule."""
    at: int | None = since - 1
    present = oncall.people(account, target, since - 1)
    while at is not None and (at := oncall.next_change(account, target, at)) is not None and at <= until:
        people = oncall.people(account, target, at)
        yield from ((at, user, True) for user in people if user not in present)
        yield from ((at, user, False) for user in present if user not in people)
        present = people


def _advance(rule: Document) -> int:
    return int(rule.body.get("notify_advance_in_minutes") or 0) * MINUTE


def _method(account: Account, rule: Document) -> Document | None:
    """Return the contact method of a rule if notices can be sent to it."""
    method = account.get("contact_methods", str((rule.body.get("contact_method") or {}).get("id")))
    channel = None if method is None else escalation.CHANNELS.get(str(method.body.get("type")))
    return method if channel in _CHANNELS else None
