"""Telling people: one timer per incident, user and notification rule, and what is sent when it is due.

Rules run from the moment of assignment; acknowledging, resolving or moving the incident away cancels what is pending.
Somebody who is assigned again without a break keeps a rule that is still running. Who is asked to help with an incident
(:func:`ask`) is told by their high-urgency rules until they answer or the incident is resolved; subscribers
(:func:`tell_subscribers`) hear of a status update at once, by their status-update rules. The texts are
:mod:`~simulators.pagerduty.wording`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from simulators.engine.agenda import Timer
from simulators.engine.draft import Draft
from simulators.engine.instants import SECOND
from simulators.engine.resources import Document
from simulators.engine.tables import TableKey
from simulators.pagerduty import calls, carriers, escalation, wording
from simulators.pagerduty.account import Account
from simulators.pagerduty.model import (
    ALERTS,
    DOCUMENTS,
    INCIDENTS,
    LOG_ENTRIES,
    LOG_ID,
    MESSAGE_ID,
    MESSAGES,
    OWNER,
    Agent,
    CallState,
    Channel,
    Incident,
    Knobs,
    LogEntry,
    LogType,
    Message,
    Purpose,
    Status,
    StatusUpdate,
    Urgency,
)


@dataclass(frozen=True, slots=True)
class Codes:
    """The message that holds each leading digit of a user's SMS replies; ``id`` is the user."""

    id: str
    held: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """Somebody who was asked to help and has not answered yet; ``request`` names the responder request."""

    id: str
    request: str
    incident: str
    user: str
    requester: str
    message: str


#: Kinds of timers: a rule of an assigned person, a bundle, a rule of somebody who is asked to help.
RULE, BUNDLE, ASK = "notify", "bundle", "notify-responder"
CODES: TableKey[Codes] = TableKey("pagerduty.codes")
ASKED: TableKey[Asked] = TableKey("pagerduty.asked", {"incident": lambda row: row.incident})
TABLES = (CODES, ASKED)


def subjects(draft: Draft, message: Message) -> list[Incident]:
    """Return the incidents of a message that a reply can still act on: open, and not moved since it was sent.

    A responder request can be answered once, however the incident has moved since.
    """
    if message.purpose is Purpose.RESPONDER:
        asked = draft.get(ASKED, f"{message.ref}:{message.user}")
        found = None if asked is None else draft.get(INCIDENTS, asked.incident)
        return [] if found is None or found.status is Status.RESOLVED else [found]
    rows = ((draft.get(INCIDENTS, id), turn) for id, turn in ((message.incident, message.turn), *message.others))
    return [row for row, turn in rows if row is not None and row.status is not Status.RESOLVED and row.turn == turn]


def schedule(draft: Draft, incident: Incident, users: tuple[str, ...]) -> None:
    """Start the users' rules for the incident's urgency now; rules still running go on."""
    account = Account(draft)
    for user in users:
        for delay, rule, _, _ in escalation.user_rules(account, user, incident.urgency):
            key = f"{incident.id}:{user}:{rule}"
            if draft.timer(OWNER, RULE, key) is None:
                draft.schedule(draft.now + delay, OWNER, RULE, key, (incident.id, user, rule))


def cancel(draft: Draft, incident: Incident, users: tuple[str, ...]) -> None:
    """Stop every rule of the users that is still running for the incident."""
    account = Account(draft)
    for user in users:
        for urgency in Urgency:
            for delay, rule, _, _ in escalation.user_rules(account, user, urgency):
                key = f"{incident.id}:{user}:{rule}"
                if draft.timer(OWNER, RULE, key) and (delay or not draft.knobs(Knobs).minute_zero):
                    draft.cancel(OWNER, RULE, key)


def on_timer(draft: Draft, timer: Timer) -> None:
    """Send what a rule asks for, if the incident still waits for this user."""
    incident_id, user, rule_id = timer.data
    account = Account(draft)
    rule = account.get("notification_rules", rule_id)
    method = None if rule is None else account.get("contact_methods", rule.body["contact_method"]["id"])
    if rule is None or method is None or not _wanted(draft, incident_id, user, rule):
        return
    window = draft.knobs(Knobs).bundle_seconds * SECOND
    if window:
        held = draft.timer(OWNER, BUNDLE, method.id)
        due, gathered = (draft.now + window, ()) if held is None else (held.due, held.data)
        draft.schedule(due, OWNER, BUNDLE, method.id, (*gathered, timer.data))
    else:
        _send(draft, user, method, [(incident_id, rule)])


def on_bundle(draft: Draft, timer: Timer) -> None:
    """Send what was gathered for one contact method, as far as it is still wanted, each incident once.

    The message covers every triggered incident of its person, those whose rules fell due first.
    """
    account, method = Account(draft), draft.get(DOCUMENTS["contact_methods"], timer.key)
    found: dict[str, tuple[str, Document]] = {}
    for incident, user, rule_id in timer.data:
        rule = account.get("notification_rules", rule_id)
        if rule is not None and _wanted(draft, incident, user, rule):
            found.setdefault(incident, (incident, rule))
    if method is not None and found:
        user = timer.data[0][1]
        further = [row for row in _triggered(draft, user) if row.id not in found]
        _send(draft, user, method, list(found.values()), further)


def _triggered(draft: Draft, user: str) -> list[Incident]:
    """Return the triggered incidents that are assigned to a user, by number."""
    rows = [row for urgency in Urgency for row in draft.find(INCIDENTS, "status", (Status.TRIGGERED, urgency))]
    found = [row for row in rows if any(assignment.user == user for assignment in row.assignments)]
    return sorted(found, key=lambda row: row.number)


def _wanted(draft: Draft, incident_id: str, user: str, rule: Document) -> bool:
    """Return whether a rule that is due is to be carried out: its incident is triggered and assigned to the user.

    A rule without a delay goes ahead in any case where the knob ``minute_zero`` says so.
    """
    incident = draft.get(INCIDENTS, incident_id)
    if incident is None:
        return False
    assigned = any(assignment.user == user for assignment in incident.assignments)
    fits = rule.body.get("urgency", "high") == incident.urgency  # it may have changed while a bundle gathered
    if assigned and fits and incident.status is Status.TRIGGERED:
        return True
    return draft.knobs(Knobs).minute_zero and not rule.body.get("start_delay_in_minutes")


def _send(
    draft: Draft,
    user: str,
    method: Document,
    wanted: Sequence[tuple[str, Document]],
    further: Sequence[Incident] = (),
) -> None:
    """Send one message about the incidents of ``wanted`` and ``further``, and write an entry for each wanted one."""
    rows = [draft.need(INCIDENTS, incident) for incident, _ in wanted]
    channel, about = _about(draft, user, method, [*rows, *further])
    message = _deliver(draft, about, channel, method, wording.INCIDENT[channel](about))
    for incident, (_, rule) in zip(rows, wanted, strict=True):
        _note(draft, incident, user, rule, message)


def _about(
    draft: Draft, user: str, method: Document, rows: Sequence[Incident], purpose: Purpose = Purpose.INCIDENT
) -> tuple[Channel, wording.About]:
    """Return the channel of a contact method and what there is to write a message for it from."""
    account, first, id = Account(draft), rows[0], draft.fresh(MESSAGE_ID, "pagerduty.message")
    channel = Channel(escalation.CHANNELS[method.body["type"]])
    answered = channel is Channel.SMS and purpose is not Purpose.UPDATE
    code = _code(draft, user, first, id, purpose) if answered else 0
    alert = next(iter(draft.find(ALERTS, "incident", first.id)), None) if channel is Channel.EMAIL else None
    details = "" if alert is None else wording.details(alert.event)
    further = channel is Channel.PHONE and _goes_on(account, first, draft.now)
    return channel, wording.About(account, draft.knobs(Knobs), rows, user, id, code, further, details)


def _deliver(
    draft: Draft,
    about: wording.About,
    channel: Channel,
    method: Document,
    text: wording.Text,
    purpose: Purpose = Purpose.INCIDENT,
    ref: str = "",
) -> Message:
    """Hand a message to what lies between the vendor and the person, and return it with its status."""
    first, address = about.first, carriers.address(method)
    others = tuple((row.id, row.turn) for row in about.incidents[1:])
    call = CallState.RINGING if channel is Channel.PHONE else CallState.NONE
    message = Message(
        about.id, about.user, first.id, channel, address, draft.now, first.turn, text.text, text.subject, text.html,
        about.code, call, calls.STATUS.get(call, "success"), others, purpose, ref,
    )  # fmt: skip
    return carriers.deliver(draft, message, method)


# -- responders and subscribers ----------------------------------------------------------------------------------------


def ask(draft: Draft, incident: Incident, user: str, *, request: str, requester: str, message: str = "") -> None:
    """Ask a user to help with an incident: their high-urgency rules start now, whatever the incident's urgency.

    ``request`` is the id of the responder request, ``requester`` who asks. A user asked twice by one request is told
    once. :func:`settle` ends it; until then replies to what was sent can accept or decline.
    """
    asked = Asked(f"{request}:{user}", request, incident.id, user, requester, message)
    if draft.get(ASKED, asked.id) is not None:
        return
    draft.put(ASKED, asked)
    for delay, rule, _, _ in escalation.user_rules(Account(draft), user, Urgency.HIGH):
        draft.schedule(draft.now + delay, OWNER, ASK, f"{asked.id}:{rule}", (asked.id, rule))


def settle(draft: Draft, request: str, user: str) -> None:
    """Take note that a user has answered a responder request, or need not any more: what is pending is cancelled."""
    asked = f"{request}:{user}"
    for _, rule, _, _ in escalation.user_rules(Account(draft), user, Urgency.HIGH):
        draft.cancel(OWNER, ASK, f"{asked}:{rule}")
    draft.delete(ASKED, asked)


def on_ask(draft: Draft, timer: Timer) -> None:
    """Send what a rule asks for to somebody who is asked to help, if they have not answered and it is not over."""
    asked_id, rule_id = timer.data
    asked, account = draft.get(ASKED, asked_id), Account(draft)
    incident = None if asked is None else draft.get(INCIDENTS, asked.incident)
    rule = account.get("notification_rules", rule_id)
    method = None if rule is None else account.get("contact_methods", rule.body["contact_method"]["id"])
    if asked is None or incident is None or incident.status is Status.RESOLVED or rule is None or method is None:
        return
    channel, about = _about(draft, asked.user, method, [incident], Purpose.RESPONDER)
    text = wording.responder(about, channel, asked.requester, asked.message)
    message = _deliver(draft, about, channel, method, text, Purpose.RESPONDER, asked.request)
    _note(draft, incident, asked.user, rule, message)


def tell_subscribers(draft: Draft, incident: Incident, update: StatusUpdate, users: Sequence[str]) -> None:
    """Tell users about a status update at once, by their status-update rules; it cannot be delayed, and nobody calls.

    Whoever wrote the update is not told of it.
    """
    account = Account(draft)
    for user in dict.fromkeys(users):
        for rule in account.children("status_update_notification_rules", user) if user != update.user else ():
            method = account.get("contact_methods", rule.body["contact_method"]["id"])
            channel = None if method is None else escalation.CHANNELS.get(str(method.body.get("type")))
            if method is None or channel is None or channel == Channel.PHONE:
                continue
            kind = Channel(channel)
            _, about = _about(draft, user, method, [incident], Purpose.UPDATE)
            text = wording.status_update(about, kind, update.user, update.message, update.subject, update.html)
            notice(draft, _deliver(draft, about, kind, method, text, Purpose.UPDATE, update.id))


def notice(draft: Draft, message: Message) -> None:
    """Write to the journal that something was sent that wakes nobody: a status update, a notice of going on call."""
    draft.record(
        "notice.sent",
        message.id,
        user=message.user,
        channel=message.channel.value,
        address=message.address,
        status=message.status,
        purpose=message.purpose.value,
        message=message.id,
    )


def tell_handoff(draft: Draft, duty: wording.Duty, method: Document) -> None:
    """Tell somebody by push or e-mail that they go on or off call."""
    account, id = Account(draft), draft.fresh(MESSAGE_ID, "pagerduty.message")
    channel = Channel(escalation.CHANNELS[method.body["type"]])
    text = wording.handoff(account, draft.knobs(Knobs), duty, channel, draft.now)
    message = Message(
        id, duty.user, "", channel, carriers.address(method), draft.now, 0, text.text, text.subject, text.html,
        purpose=Purpose.HANDOFF,
    )  # fmt: skip
    notice(draft, carriers.deliver(draft, message, method))


# -- inside ------------------------------------------------------------------------------------------------------------


def _note(draft: Draft, incident: Incident, user: str, rule: Document, message: Message) -> None:
    agent = Agent("service_reference", incident.service, "auto")
    data = {
        "channel": message.channel.value,
        "address": message.address,
        "status": message.status,
        "message": message.id,
        "purpose": message.purpose.value,
    }
    entry = draft.fresh(LOG_ID, "pagerduty.log")
    draft.put(
        LOG_ENTRIES,
        LogEntry(entry, LogType.NOTIFY, incident.id, incident.service, draft.now, agent, (user,), None, data),
    )
    draft.record(
        "notification.sent",
        incident.id,
        user=user,
        number=incident.number,
        rule=rule.id,
        delay=int(rule.body.get("start_delay_in_minutes", 0)),
        level=incident.level,
        policy="" if incident.policy is None else incident.policy.id,
        **data,
    )


def _goes_on(account: Account, incident: Incident, at: int) -> bool:
    """Return whether there is a level to escalate to, so that a call may offer it."""
    if incident.policy is None or not incident.level or incident.urgency is Urgency.LOW:
        return False
    return escalation.next_level(account, incident.policy, incident.level, incident.loop, at) is not None


def _code(draft: Draft, user: str, incident: Incident, id: str, purpose: Purpose) -> int:
    """Return the digit before replies to a new SMS, taking it from the first message that is dead or says the same."""
    row = draft.get(CODES, user) or Codes(user, ("",) * 10)
    chosen = 9
    for digit, held in enumerate(row.held):
        if held and draft.timer(OWNER, carriers.TIMER, held) is not None:
            continue  # still on its way
        message = draft.get(MESSAGES, held) if held else None
        same = message is not None and (message.incident, message.purpose) == (incident.id, purpose)
        if message is None or same or not subjects(draft, message):
            chosen = digit
            break
    draft.put(CODES, Codes(user, (*row.held[:chosen], id, *row.held[chosen + 1 :])))
    return chosen
