"""What the sources leave open about PagerDuty, as one frozen value: each knob has a row in the fidelity ledger."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Region(StrEnum):
    """The service region of an account."""

    US = "us"
    EU = "eu"


class UnknownKey(StrEnum):
    """What the Events API answers to a well-formed routing key nobody owns."""

    JSON_400 = "json_400"
    PLAIN_TEXT_400 = "plain_text_400"
    ACCEPT_202 = "accept_202"


class OverLong(StrEnum):
    """What happens to a summary above 1,024 characters."""

    REJECT = "reject"
    TRUNCATE = "truncate"


class SmsWording(StrEnum):
    """Which of the two texts the vendor has used an SMS about an incident carries."""

    US = "us"  # names the service and the title, offers to escalate
    CURRENT = "current"  # names the number only


@dataclass(frozen=True, slots=True)
class Knobs:
    """What the vendor's documents leave open, with the default chosen."""

    #: Answer to a well-formed but unknown routing key.
    unknown_key: UnknownKey = UnknownKey.JSON_400
    #: Summary above its length limit.
    over_long: OverLong = OverLong.REJECT
    #: At the end of an acknowledgement the person now on call at the level is assigned too.
    handoff_moves: bool = True
    #: When a schedule turns, open incidents that nobody has acknowledged move to whoever comes on call, at once.
    handoff_at_turn: bool = False
    #: Whoever acknowledges stays alone with the incident; without it the assigned stay, too.
    acknowledger_alone: bool = False
    #: Snoozing a triggered incident acknowledges it; without it that is refused.
    snooze_acknowledges: bool = True
    #: An acknowledgement can be taken back over REST; without it that is refused.
    unacknowledge_over_rest: bool = True
    #: A reopened incident's log says unacknowledge; without it trigger.
    reopen_unacknowledges: bool = False
    #: Incidents are created by hand on a service that is disabled or in maintenance; without it that is refused.
    incident_on_disabled: bool = False
    #: An account's key needs a From to create users and maintenance windows, as documented; without it, as Terraform
    #: has it, these are created in nobody's name.
    setup_needs_from: bool = True
    #: A schedule answers with its layers the other way round than they were sent: the last, which prevails, first.
    layers_reversed: bool = False
    #: A page larger than the largest is cut to that; without it that is refused.
    limit_clamped: bool = True
    #: Acknowledge events are dropped during a maintenance window, as resolve events are.
    ack_dropped_in_maintenance: bool = True
    #: Milliseconds between accepting an event and its taking effect, the same for all of them.
    intake_delay_ms: int = 0
    #: Events accepted per integration key and sliding minute; 0 switches the limit off.
    events_per_minute: int = 0
    #: Trigger events listed per alert; further ones are accepted and not listed.
    trigger_cap: int = 100
    #: The subdomain shown in links.
    subdomain: str = "example"
    #: The region the account lives in: its OAuth tokens begin with it, app tokens are asked for in it.
    region: Region = Region.US
    #: A refresh token is spent when it was used.
    refresh_once: bool = True
    #: The install page lets services be picked that make incidents without alerts.
    install_offers_all: bool = False
    #: The account's name comes back from the install flow as ``Name``, as the vendor's sample has it, not as ``name``.
    install_capital_name: bool = False
    #: The account's time zone: timestamps of answers are rendered in it unless the request names another.
    time_zone: str = "UTC"
    #: Times a day the contact methods of one user may be changed over REST; 0 switches the limit off.
    contact_edits_per_day: int = 0
    #: REST requests allowed per key and minute; 0 switches the limit off.
    requests_per_minute: int = 0
    #: Of these, incidents created per key and minute; 0 sets no limit of their own.
    incidents_per_minute: int = 300
    #: Abilities of the plan that the account lacks.
    missing_abilities: tuple[str, ...] = ()
    #: Targets an escalation rule may have (10 by the API description, 5 or 50 on some plans).
    targets_per_rule: int = 10
    #: The shortest delay of an escalation rule in minutes (1 over REST, 3 or 5 on pages of other years and plans).
    least_delay_minutes: int = 1
    #: Milliseconds for which what was just created cannot be found yet over REST.
    replica_lag_ms: int = 0
    #: Every incident's log gets an entry of a type that no client knows, as types are added without notice.
    unknown_enum: bool = False
    #: Seconds for which notifications of one person and contact method are gathered into one; 0 sends each by itself.
    bundle_seconds: int = 0
    #: Notifications without a delay go out even when the incident is acknowledged or resolved at the same instant.
    minute_zero: bool = False
    #: The text of an SMS about an incident.
    sms_wording: SmsWording = SmsWording.US
    #: A number for SMS that is added over REST gets none until it was verified.
    sms_verification: bool = False
    #: Seconds a call rings before the vendor gives up; 0 lets it ring until somebody does something.
    ring_seconds: int = 0
    #: Webhooks give an incident without a key of its own 32 hexadecimal digits; without it they say null, as REST does.
    webhook_hex_key: bool = True
