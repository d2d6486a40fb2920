"""What the four channels say: the texts of notifications, responder requests, status updates and on-call notices.

Pure functions of the account and of rows, so that whoever sends decides when and to whom, and nothing here does. A
text has a subject and HTML only where the channel is e-mail. Wordings follow the vendor's samples (PagerDuty: SMS,
phone, push and email notifications, notification content and behavior); what no sample shows is our own.
"""

from __future__ import annotations

import hashlib
import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from simulators.engine import instants
from simulators.pagerduty.account import AnyAccount, name
from simulators.pagerduty.model import Channel, Incident, Knobs, SmsWording

#: Characters of an SMS about incidents, and of one with a status update.
SMS_LENGTH = 160
SMS_UPDATE_LENGTH = 450
#: Characters of an incident's details that a mail shows.
DETAILS_LENGTH = 500


@dataclass(frozen=True, slots=True)
class Text:
    """The text of a message; ``subject`` and ``html`` are a mail's."""

    text: str
    subject: str = ""
    html: str = ""


@dataclass(frozen=True, slots=True)
class About:
    """What a message is about and who gets it. ``code`` is the digit before a reply (0 = none), ``id`` the message's,
    ``further`` whether there is a level to escalate to, ``details`` the alert's, for a mail."""

    account: AnyAccount
    knobs: Knobs
    incidents: Sequence[Incident]
    user: str
    id: str
    code: int = 0
    further: bool = False
    details: str = ""

    @property
    def first(self) -> Incident:
        """The incident, or the first of several."""
        return self.incidents[0]

    @property
    def lead(self) -> str:
        """What stands before the digit of a reply."""
        return str(self.code) if self.code else ""

    def web(self, path: str) -> str:
        """Return the address of one of the account's pages."""
        return f"https://{self.knobs.subdomain}.pagerduty.com{path}"

    def service(self, incident: Incident) -> str:
        """Return the name of an incident's service."""
        return name(self.account, "services", incident.service)

    @property
    def services(self) -> str:
        """The one service all incidents are about, or how many they are about."""
        found = list(dict.fromkeys(self.service(incident) for incident in self.incidents))
        return found[0] if len(found) == 1 else f"{len(found)} services"


def _fit(head: str, tail: str, length: int = SMS_LENGTH) -> str:
    return head[: length - len(tail)] + tail


def digest(incidents: Sequence[Incident]) -> str:
    """Return the five hexadecimal digits by which a mail program groups mails about the same incidents."""
    return hashlib.sha256(",".join(incident.id for incident in incidents).encode()).hexdigest()[:5]


# -- incidents ---------------------------------------------------------------------------------------------------------


def _sms(about: About) -> Text:
    count, lead, first = len(about.incidents), about.lead, about.first
    current = about.knobs.sms_wording is SmsWording.CURRENT
    if count > 1:
        numbers = ",".join(f"#{incident.number}" for incident in about.incidents)
        head, tail = f"ALRT: {numbers} on {about.services}", f". Reply {lead}4:Ack all, {lead}6:Resolv all"
        if current:
            head = f"ALRT {numbers}: You were assigned to {count} incidents. Go to PagerDuty to learn more."
            tail = f" Reply {lead}4: Ack all, {lead}6: Resolve all"
    elif current:
        head = f"ALRT {first.number}: You were assigned to an incident. Go to PagerDuty to learn more."
        tail = f" Reply {lead}4: Ack, {lead}6: Resolve"
    else:
        head = f"ALRT #{first.number} on {about.services}: {first.title}"
        tail = f" Reply {lead}4:Ack, {lead}6:Resolv, {lead}8:Escal8"
    return Text(_fit(head, tail))


def _call(about: About) -> Text:
    count = len(about.incidents)
    if count > 1:
        said = f"PagerDuty. {count} incidents on {about.services}."
        return Text(f"{said} Press 4 to acknowledge all, 6 to resolve all, 0 for help, star to repeat.")
    further = "8 to escalate, " if about.further else ""
    return Text(
        f"PagerDuty. 1 incident on {about.services}. The failure is: {about.first.title}. Press 4 to acknowledge, "
        f"6 to resolve, {further}0 for help, star to repeat."
    )


def _push(about: About) -> Text:
    if len(about.incidents) > 1:
        return Text(f"ALRT {','.join(f'#{incident.number}' for incident in about.incidents)} on {about.services}")
    return Text(f"ALRT {about.first.number} on {about.services} {about.first.title}")


def _mail(about: About) -> Text:
    count = len(about.incidents)
    head = f"You have {count} TRIGGERED Incidents"
    subject = f"[PagerDuty Alert] {head} ([{digest(about.incidents)}])"
    plain = [f"{head}:\n", *(_plain(about, incident) for incident in about.incidents)]
    plain.append(f"To stop these mails, edit your notification rules: {about.web(f'/users/{about.user}')}\n")
    person = html.escape(name(about.account, "users", about.user))
    plural = "s" if count > 1 else ""
    rich = [f"<p>{person}, you have {count} triggered incident{plural}.</p>"]
    rich += [_rich(about, incident, acts=place == 0) for place, incident in enumerate(about.incidents)]
    return Text("\n".join(plain), subject, "\n".join(rich))


def _fields(about: About, incident: Incident) -> dict[str, str]:
    """Return what a mail says of an incident below its title, in the vendor's order, without what is not there."""
    bridge = incident.bridge or {}
    people = ", ".join(name(about.account, "users", entry.user) for entry in incident.assignments)
    found = {
        "Details": about.details[:DETAILS_LENGTH] if incident is about.first else "",
        "Meeting URL": str(bridge.get("conference_url") or ""),
        "Dial-in": str(bridge.get("conference_number") or ""),
        "Status": incident.status.value.capitalize(),
        "Urgency": incident.urgency.value,
        "Assigned to": people,
        "Opened on": instants.iso(incident.created),
        "Service": about.service(incident),
        "Escalation policy": "" if incident.policy is None else str(incident.policy.body.get("name", "")),
    }
    return {label: value for label, value in found.items() if value}


def _plain(about: About, incident: Incident) -> str:
    fields = _fields(about, incident)
    lines = [
        f"#{incident.number}",
        f"Opened on: {fields['Opened on']}",
        f"Service: {fields['Service']}",
        f"Description: {incident.title}",
        f"Link: {about.web(f'/i/{incident.number}')}",
        *(f"{label}: {fields[label]}" for label in ("Escalation policy", "Details") if label in fields),
    ]
    return "\n".join(lines) + "\n"


def _rich(about: About, incident: Incident, *, acts: bool) -> str:
    """Return an incident as HTML. Links that act stand with the first one only: they act on all of them."""
    link = about.web(f"/incidents/{incident.id}")
    links = [("View incident", link)]
    if acts:
        every = " all" if len(about.incidents) > 1 else ""
        links += [(f"{act}{every}", f"{link}/{act.lower()}?message={about.id}") for act in ("Acknowledge", "Resolve")]
    rows = "<br>".join(f"{label}: {html.escape(value)}" for label, value in _fields(about, incident).items())
    return f"<h2>#{incident.number} {html.escape(incident.title)}</h2><p>{_links(links)}</p><p>{rows}</p>"


def _links(links: Sequence[tuple[str, str]]) -> str:
    return " ".join(f'<a href="{html.escape(address)}">{label}</a>' for label, address in links)


INCIDENT: Mapping[Channel, Callable[[About], Text]] = {
    Channel.SMS: _sms,
    Channel.PHONE: _call,
    Channel.PUSH: _push,
    Channel.EMAIL: _mail,
}

# -- responder requests ------------------------------------------------------------------------------------------------


def responder(about: About, channel: Channel, requester: str, message: str) -> Text:
    """Return how somebody is asked for help: ``requester`` is the id of who asks, ``message`` what they say.

    4 accepts and 6 declines; which keys the vendor takes is not published.
    """
    number, asks = about.first.number, name(about.account, "users", requester)
    lead, title, plea = about.lead, about.first.title, message.strip()
    if channel is Channel.SMS:
        head = f"PagerDuty {number}: Please help with incident {number}"
        return Text(_fit(head, f" Reply {lead}4: Accept, {lead}6: Decline"))
    if channel is Channel.PHONE:
        return Text(
            f"PagerDuty. {asks} asks for your help with incident {number} on {about.services}: {title}. {plea} "
            "Press 4 to accept, 6 to decline, 0 for help, star to repeat.".replace("  ", " ")
        )
    if channel is Channel.PUSH:
        return Text(f"PagerDuty {number} ({asks}): Please help with {title}")
    link = about.web(f"/incidents/{about.first.id}")
    links = [("View incident", link)]
    links += [(act, f"{link}/{act.lower()}?message={about.id}") for act in ("Accept", "Decline")]
    plain = [
        f"{asks} asks for your help with an incident.\n",
        *([plea + "\n"] if plea else []),
        _plain(about, about.first),
    ]
    rich = (
        f"<p>{html.escape(asks)} asks for your help.</p><p>{html.escape(plea)}</p>"
        f"<h2>#{number} {html.escape(title)}</h2><p>{_links(links)}</p>"
    )
    return Text("\n".join(plain), "PagerDuty response requested", rich)


# -- status updates ----------------------------------------------------------------------------------------------------


def status_update(
    about: About, channel: Channel, author: str, message: str, subject: str | None = None, rich: str | None = None
) -> Text:
    """Return how a subscriber learns of a status update; there are no calls about them.

    ``author`` is a user's id; ``subject`` and ``rich`` replace what a mail says by default.
    """
    incident = about.first
    said = f"{name(about.account, 'users', author)} has published an update to incident #{incident.number}: {message}"
    if channel is not Channel.EMAIL:
        return Text(said[:SMS_UPDATE_LENGTH] if channel is Channel.SMS else said)
    link = about.web(f"/incidents/{incident.id}")
    title = subject or f"[PagerDuty Status] {incident.status.value.capitalize()}: {incident.title}"
    body = rich or f"<p>{html.escape(said)}</p>"
    return Text(
        f"{said}\n\nLink: {link}\n", " ".join(title.split()), f"{body}<p>{_links([('View incident', link)])}</p>"
    )


# -- going on and off call ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Duty:
    """A person going on (``begins``) or off call at ``at``: on a level of a policy, by a schedule of a plural kind."""

    user: str
    policy: str
    level: int
    kind: str
    schedule: str
    at: int
    begins: bool


def handoff(account: AnyAccount, knobs: Knobs, duty: Duty, channel: Channel, now: int) -> Text:
    """Return how somebody learns that they go on or off call; ``now`` is when they are told."""
    person = name(account, "users", duty.user)
    policy = name(account, "escalation_policies", duty.policy)
    place = f"Level {duty.level} - {name(account, duty.kind, duty.schedule)}"
    way = "on" if duty.begins else "off"
    when = instants.iso(duty.at)
    if channel is Channel.PUSH:
        verb = "Went" if duty.at <= now else "Going"
        return Text(f"{verb} {way} call on {when}: {policy} ({place})")
    subject = f"[PagerDuty] {person} is going {way} call for {policy} ({place})"
    link = f"https://{knobs.subdomain}.pagerduty.com/schedules/{duty.schedule}"
    plain = f"{person} is going {way} call for {policy} ({place}) at {when}.\n\nSchedule: {link}\n"
    rich = f"<p>{html.escape(plain.partition(chr(10))[0])}</p><p>{_links([('View schedule', link)])}</p>"
    return Text(plain, subject, rich)


# -- what the vendor says to a reply -----------------------------------------------------------------------------------

HELP = (
    "PagerDuty: reply with the digits of a message to act on it. STOP ends messages to this number, START begins them."
)
STOPPED = "PagerDuty: this number gets no more messages. Reply START to begin again."
STARTING = "PagerDuty: reply YES to get messages on this number again."
STARTED = "PagerDuty: this number gets messages again."
UNKNOWN = "PagerDuty: that was not understood. Reply with the digits of a message, or HELP."


def menu(text: str) -> str:
    """Return what a call says when somebody asks for help: its keys, from the spoken text."""
    _, _, keys = text.rpartition(" Press ")
    return f"Press {keys}"


def done(action: str, incidents: Sequence[Incident]) -> str:
    """Return the confirmation of a reply that acted."""
    numbers = ", ".join(f"#{incident.number}" for incident in incidents)
    return f"PagerDuty: {numbers} {_DONE[action]}."


_DONE: Mapping[str, str] = {
    "acknowledge": "acknowledged",
    "resolve": "resolved",
    "escalate": "escalated",
    "accept": "accepted, you are a responder",
    "decline": "declined",
}


def details(event: Mapping[str, Any] | None) -> str:
    """Return the details of an alert's event as lines of text."""
    found = ((event or {}).get("payload") or {}).get("custom_details")
    if isinstance(found, Mapping):
        return "\n".join(f"{key}: {value}" for key, value in found.items())
    return found if isinstance(found, str) else ""
