"""Telling people: one timer per incident, user and notification rule, and the texts of the four channels.

Rules run from the moment of assignment; acknowledging, resolving or moving the incident away cancels what is pending.
Somebody who is assigned again without a break keeps a rule that is still running.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass, replace

from simulators.engine import instants
from simulators.engine.agenda import Timer
from simulators.engine.draft import Draft
from simulators.engine.instants import SECOND
from simulators.engine.resources import Document
from simulators.engine.tables import TableKey
from simulators.pagerduty import carriers, escalation
from simulators.pagerduty.account import Account, name
from simulators.pagerduty.model import (
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
    Status,
    Urgency,
)


@dataclass(frozen=True, slots=True)
class Codes:
    """The message that holds each leading digit of a user's SMS replies; ``id`` is the user."""

    id: str
    held: tuple[str, ...]


BUNDLE = "bundle"
CODES: TableKey[Codes] = TableKey("pagerduty.codes")


def subjects(draft: Draft, message: Message) -> list[Incident]:
    """Return the incidents of a message that a reply can still act on: open, and not moved since it was sent."""
    rows = ((draft.get(INCIDENTS, id), turn) for id, turn in ((message.incident, message.turn), *message.others))
    return [row for row, turn in rows if row is not None and row.status is not Status.RESOLVED and row.turn == turn]


def schedule(draft: Draft, incident: Incident, users: tuple[str, ...]) -> None:
    """Start the users' rules for the incident's urgency now; rules still running go on."""
    account = Account(draft)
    for user in users:
        for delay, rule, _, _ in escalation.user_rules(account, user, incident.urgency):
            key = f"{incident.id}:{user}:{rule}"
            if draft.timer(OWNER, "notify", key) is None:
                draft.schedule(draft.now + delay, OWNER, "notify", key, (incident.id, user, rule))


def cancel(draft: Draft, incident: Incident, users: tuple[str, ...]) -> None:
    """Stop every rule of the users that is still running for the incident."""
    account = Account(draft)
    for user in users:
        for urgency in Urgency:
            for _, rule, _, _ in escalation.user_rules(account, user, urgency):
                draft.cancel(OWNER, "notify", f"{incident.id}:{user}:{rule}")


def on_timer(draft: Draft, timer: Timer) -> None:
    """Send what a rule asks for, if the incident still waits for this user."""
    incident_id, user, rule_id = timer.data
    account = Account(draft)
    rule = account.get("notification_rules", rule_id)
    method = None if rule is None else account.get("contact_methods", rule.body["contact_method"]["id"])
    if _waiting(draft, incident_id, user) is None or rule is None or method is None:
        return
    window = draft.knobs(Knobs).bundle_seconds * SECOND
    if window:
        held = draft.timer(OWNER, BUNDLE, method.id)
        due, gathered = (draft.now + window, ()) if held is None else (held.due, held.data)
        draft.schedule(due, OWNER, BUNDLE, method.id, (*gathered, timer.data))
    else:
        _send(draft, user, method, [(incident_id, rule)])


def on_bundle(draft: Draft, timer: Timer) -> None:
    """Send what was gathered for one contact method, as far as it is still wanted, each incident once."""
    account, method = Account(draft), draft.get(DOCUMENTS["contact_methods"], timer.key)
    found: dict[str, tuple[str, Document]] = {}
    for incident, user, rule_id in timer.data:
        rule = account.get("notification_rules", rule_id)
        if rule is not None and _waiting(draft, incident, user) is not None:
            found.setdefault(incident, (incident, rule))
    if method is not None and found:
        _send(draft, timer.data[0][1], method, list(found.values()))


def _waiting(draft: Draft, incident_id: str, user: str) -> Incident | None:
    """Return the incident if it is triggered and assigned to the user."""
    incident = draft.get(INCIDENTS, incident_id)
    if incident is None or incident.status is not Status.TRIGGERED:
        return None
    return incident if any(assignment.user == user for assignment in incident.assignments) else None


def _send(draft: Draft, user: str, method: Document, wanted: Sequence[tuple[str, Document]]) -> None:
    """Send one message about the incidents of ``wanted``, and write an entry for each of them."""
    about = [draft.need(INCIDENTS, incident) for incident, _ in wanted]
    channel = Channel(escalation.CHANNELS[method.body["type"]])
    country = method.body.get("country_code")
    address = str(method.body.get("address", ""))
    if channel in {Channel.SMS, Channel.PHONE}:
        address = f"+{country or 1} {address}"
    id = draft.fresh(MESSAGE_ID, "pagerduty.message")
    message = compose(draft, about[0], user, channel, address, id)
    if len(about) > 1:
        message = _bundled(draft, message, about)
    message = carriers.deliver(draft, message)
    for incident, (_, rule) in zip(about, wanted, strict=True):
        _note(draft, incident, user, rule, message)


def _note(draft: Draft, incident: Incident, user: str, rule: Document, message: Message) -> None:
    agent = Agent("service_reference", incident.service, "auto")
    data = {
        "channel": message.channel.value,
        "address": message.address,
        "status": message.status,
        "message": message.id,
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


def compose(draft: Draft, incident: Incident, user: str, channel: Channel, address: str, id: str) -> Message:
    """Return the message a user gets about an incident on a channel."""
    knobs, account = draft.knobs(Knobs), Account(draft)
    service = name(account, "services", incident.service)
    link = f"https://{knobs.subdomain}.pagerduty.com/incidents/{incident.id}"
    subject = markup = ""
    code, call = 0, CallState.NONE
    if channel is Channel.EMAIL:
        subject = f"[PagerDuty Alert] You have 1 TRIGGERED Incidents ([{incident.id[-5:].lower()}])"
        policy = "" if incident.policy is None else str(incident.policy.body.get("name", ""))
        text = (
            f"You have 1 TRIGGERED Incidents:\n\n#{incident.number}\nOpened on: {instants.iso(incident.created)}\n"
            f"Service: {service}\nDescription: {incident.title}\nLink: "
            f"https://{knobs.subdomain}.pagerduty.com/i/{incident.number}\nEscalation policy: {policy}\n"
        )
        person = html.escape(name(account, "users", user))
        markup = (
            f"<p>{person}, you have 1 triggered incident.</p><h2>#{incident.number} {html.escape(incident.title)}</h2>"
            f'<p><a href="{link}">View incident</a> <a href="{link}/acknowledge?message={id}">Acknowledge</a> '
            f'<a href="{link}/resolve?message={id}">Resolve</a></p><p>Status: Triggered<br>Urgency: '
            f"{incident.urgency.value}<br>Service: {html.escape(service)}<br>"
            f"Opened on: {instants.iso(incident.created)}<br>Escalation policy: {html.escape(policy)}</p>"
        )
    elif channel is Channel.SMS:
        code = _code(draft, user, incident, id)
        lead = str(code) if code else ""
        tail = f" Reply {lead}4:Ack, {lead}6:Resolv, {lead}8:Escal8"
        text = f"ALRT #{incident.number} on {service}: {incident.title}"[: 160 - len(tail)] + tail
    elif channel is Channel.PHONE:
        call = CallState.RINGING
        further = "8 to escalate, " if _goes_on(account, incident, draft.now) else ""
        text = (
            f"PagerDuty. 1 incident on {service}. The failure is: {incident.title}. Press 4 to acknowledge, "
            f"6 to resolve, {further}0 for help, star to repeat."
        )
    else:
        text = f"ALRT {incident.number} on {service} {incident.title}"
    return Message(id, user, incident.id, channel, address, draft.now, incident.turn, text, subject, markup, code, call)


def _bundled(draft: Draft, message: Message, about: Sequence[Incident]) -> Message:
    """Return a message about several incidents: their numbers, and codes for all of them."""
    knobs, account, count = draft.knobs(Knobs), Account(draft), len(about)
    numbers = ",".join(f"#{incident.number}" for incident in about)
    services = dict.fromkeys(name(account, "services", incident.service) for incident in about)
    service, lead = next(iter(services)) if len(services) == 1 else f"{len(services)} services", message.code or ""
    others = tuple((incident.id, incident.turn) for incident in about[1:])
    subject, markup = message.subject.replace("have 1 TRIGGERED", f"have {count} TRIGGERED"), message.html
    if message.channel is Channel.SMS:
        tail = f". Reply {lead}4:Ack all, {lead}6:Resolv all"
        text = f"ALRT: {numbers} on {service}"[: 160 - len(tail)] + tail
    elif message.channel is Channel.PHONE:
        text = f"PagerDuty. {count} incidents on {service}. Press 4 to acknowledge all, 6 to resolve all, 0 for help, "
        text += "star to repeat."
    elif message.channel is Channel.EMAIL:
        lines = [
            f"#{row.number}\nOpened on: {instants.iso(row.created)}\n"
            f"Service: {name(account, 'services', row.service)}\nDescription: {row.title}\nLink: https://{knobs.subdomain}.pagerduty.com/i/{row.number}\n"
            for row in about
        ]
        text = f"You have {count} TRIGGERED Incidents:\n\n" + "\n".join(lines)
        items = "".join(f"<li>#{row.number} {html.escape(row.title)}</li>" for row in about)
        markup = markup.replace(
            "you have 1 triggered incident.</p>", f"you have {count} triggered incidents.</p><ul>{items}</ul>"
        )
    else:
        text = f"ALRT {numbers} on {service}"
    return replace(message, text=text, subject=subject, html=markup, others=others)


def _goes_on(account: Account, incident: Incident, at: int) -> bool:
    """Return whether there is a level to escalate to, so that a call may offer it."""
    if incident.policy is None or not incident.level or incident.urgency is Urgency.LOW:
        return False
    return escalation.next_level(account, incident.policy, incident.level, incident.loop, at) is not None


def _code(draft: Draft, user: str, incident: Incident, id: str) -> int:
    row = draft.get(CODES, user) or Codes(user, ("",) * 10)
    chosen = 9
    for digit, held in enumerate(row.held):
        message = draft.get(MESSAGES, held) if held else None
        if message is None or message.incident == incident.id or not subjects(draft, message):
            chosen = digit
            break
    draft.put(CODES, Codes(user, (*row.held[:chosen], id, *row.held[chosen + 1 :])))
    return chosen
