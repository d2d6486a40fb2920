"""Telling people: one timer per incident, user and notification rule, and the texts of the four channels.

Rules run from the moment of assignment; acknowledging, resolving or moving the incident away cancels what is pending.
Somebody who is assigned again without a break keeps a rule that is still running.
"""

from __future__ import annotations

import html
from dataclasses import dataclass

from simulators.engine import instants
from simulators.engine.agenda import Timer
from simulators.engine.draft import Draft
from simulators.engine.tables import TableKey
from simulators.pagerduty import carriers, escalation
from simulators.pagerduty.account import Account, name
from simulators.pagerduty.model import (
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


CODES: TableKey[Codes] = TableKey("pagerduty.codes")


def live(draft: Draft, message: Message) -> bool:
    """Return whether a reply to the message can still act: the incident is open and has not moved since."""
    incident = draft.get(INCIDENTS, message.incident)
    return incident is not None and incident.status is not Status.RESOLVED and incident.turn == message.turn


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
    incident = draft.get(INCIDENTS, incident_id)
    if incident is None or incident.status is not Status.TRIGGERED:
        return
    if all(assignment.user != user for assignment in incident.assignments):
        return
    account = Account(draft)
    rule = account.get("notification_rules", rule_id)
    method = None if rule is None else account.get("contact_methods", rule.body["contact_method"]["id"])
    if rule is None or method is None:
        return
    channel = Channel(escalation.CHANNELS[method.body["type"]])
    country = method.body.get("country_code")
    address = str(method.body.get("address", ""))
    if channel in {Channel.SMS, Channel.PHONE}:
        address = f"+{country or 1} {address}"
    id = draft.fresh(MESSAGE_ID, "pagerduty.message")
    message = compose(draft, incident, user, channel, address, id)
    message = carriers.deliver(draft, message)
    agent = Agent("service_reference", incident.service, "auto")
    data = {"channel": channel.value, "address": address, "status": message.status, "message": id}
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
        rule=rule_id,
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
        if message is None or message.incident == incident.id or not live(draft, message):
            chosen = digit
            break
    draft.put(CODES, Codes(user, (*row.held[:chosen], id, *row.held[chosen + 1 :])))
    return chosen
