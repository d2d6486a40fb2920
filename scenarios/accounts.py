"""Sample PagerDuty accounts as the vendor's own JSON: a small fixed one for tests, a seeded one for rehearsals.

Both have one service behind a two-level escalation policy. In the fixed one Alice is reached by SMS and Bob by phone,
one notification rule each, so that expectations are short. In the seeded one Faker names the people and everybody has
e-mail, push, SMS and phone with growing delays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from simulators.engine import ids, instants

ROUTING_KEY = "0123456789abcdef0123456789abcdef"
SERVICE = "PSVC001"
POLICY = "PEP0001"
SCHEDULE = "PSCH001"
INTEGRATION = "PINT001"
API_KEY = "pd-rehearsal-key-001"
USER_KEY = "u+rehearsal-user-001"
SCHEDULED = "2026-01-05T09:00:00Z"

#: Contact method type -> the kind of address it takes.
PHONES = ("sms_contact_method", "phone_contact_method")


@dataclass(frozen=True, slots=True)
class Reach:
    """One way to reach a person: contact method type, address, minutes after assignment."""

    kind: str
    address: str
    delay: int = 0


@dataclass(frozen=True, slots=True)
class Human:
    """A person of an account."""

    id: str
    name: str
    email: str
    reaches: tuple[Reach, ...]
    time_zone: str = "UTC"


def user(human: Human) -> dict[str, Any]:
    """Return the user with contact methods and high-urgency notification rules, as PagerDuty's REST API shows it."""
    methods: list[dict[str, Any]] = []
    rules: list[dict[str, Any]] = []
    for place, reach in enumerate(human.reaches):
        suffix = human.id[-3:] + "ABCDEFGH"[place]
        method = {"id": f"PCM{suffix}", "type": reach.kind, "label": "Default", "address": reach.address}
        if reach.kind in PHONES:
            method["country_code"] = 1  # type: ignore[assignment]
        methods.append(method)
        for urgency in ("high", "low"):
            rules.append(
                {
                    "id": f"PN{urgency[0].upper()}{suffix}",
                    "type": "assignment_notification_rule",
                    "start_delay_in_minutes": reach.delay,
                    "urgency": urgency,
                    "contact_method": {"id": method["id"], "type": reach.kind + "_reference"},
                }
            )
    return {
        "id": human.id,
        "type": "user",
        "name": human.name,
        "email": human.email,
        "time_zone": human.time_zone,
        "role": "user",
        "contact_methods": methods,
        "notification_rules": rules,
    }


def _reference(kind: str, id: str) -> dict[str, str]:
    return {"id": id, "type": f"{kind}_reference"}


def account(
    humans: Sequence[Human],
    *,
    levels: Sequence[Sequence[dict[str, str]]],
    delay: int = 30,
    loops: int = 0,
    schedules: Sequence[dict[str, Any]] = (),
    service: str = "Network",
) -> dict[str, Any]:
    """Return an account: people, schedules, one policy of ``levels`` (target references), one service, one key."""
    rules = [
        {"id": f"PER000{place}", "escalation_delay_in_minutes": delay, "targets": list(targets)}
        for place, targets in enumerate(levels, 1)
    ]
    return {
        "api_keys": [{"key": API_KEY, "access": "full"}],
        "users": [user(human) for human in humans],
        "schedules": list(schedules),
        "escalation_policies": [
            {
                "id": POLICY,
                "type": "escalation_policy",
                "name": f"{service} escalation",
                "num_loops": loops,
                "escalation_rules": rules,
            }
        ],
        "services": [
            {
                "id": SERVICE,
                "type": "service",
                "name": service,
                "status": "active",
                "escalation_policy": _reference("escalation_policy", POLICY),
                "alert_creation": "create_alerts_and_incidents",
                "incident_urgency_rule": {"type": "constant", "urgency": "high"},
                "acknowledgement_timeout": None,
                "auto_resolve_timeout": None,
                "integrations": [
                    {
                        "id": INTEGRATION,
                        "type": "events_api_v2_inbound_integration",
                        "name": "ThousandEyes",
                        "integration_key": ROUTING_KEY,
                        "service": _reference("service", SERVICE),
                    }
                ],
            }
        ],
    }


ALICE = Human("PALICE1", "alice", "alice@example.com", (Reach("sms_contact_method", "5550100"),))
BOB = Human("PBOB001", "bob", "bob@example.com", (Reach("phone_contact_method", "5550101"),))


def fixed(*, loops: int = 0, schedules: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    """Return the account of tests: level 1 is Alice (or the given schedules), level 2 is Bob, 30 minutes each."""
    first = [_reference("schedule", schedule["id"]) for schedule in schedules] or [_reference("user", ALICE.id)]
    return account((ALICE, BOB), levels=(first, [_reference("user", BOB.id)]), loops=loops, schedules=schedules)


def layer(users: Sequence[str], *, start: str, hours: int = 168, zone: str = "UTC") -> dict[str, Any]:
    """Return a schedule with one layer that hands over every ``hours``."""
    return {
        "id": SCHEDULE,
        "type": "schedule",
        "name": "Primary on-call",
        "time_zone": zone,
        "schedule_layers": [
            {
                "id": "PLYR001",
                "name": "Layer 1",
                "start": start,
                "end": None,
                "rotation_virtual_start": start,
                "rotation_turn_length_seconds": hours * 3600,
                "users": [{"user": _reference("user", one)} for one in users],
                "restrictions": [],
            }
        ],
    }


def seeded(seed: int, *, now: int | None = None) -> dict[str, Any]:
    """Return an account of three people named by Faker: two share a weekly schedule, the third is level 2. The first
    has a REST key of their own, which acts in their name without a From.

    The schedule begins early in 2026, or at ``now`` (microseconds UTC) if that is earlier.
    """
    from faker import Faker  # slow to load, and nothing else here needs it

    fake = Faker("en_US", providers=["faker.providers.person"])
    fake.seed_instance(seed)
    humans = []
    for place in range(3):
        name = fake.unique.name()
        handle = name.lower().replace(" ", ".").replace("..", ".")
        number = f"5550{ids.number(seed, 'account.phone', place) % 100:02d}{place}"
        reaches = (
            Reach("email_contact_method", f"{handle}@example.com"),
            Reach("push_notification_contact_method", f"{name.split()[0]}'s phone"),
            Reach("sms_contact_method", number, 2),
            Reach("phone_contact_method", number, 5),
        )
        humans.append(Human(f"PUSR00{place + 1}", name, f"{handle}@example.com", reaches))
    begin = min(SCHEDULED, SCHEDULED if now is None else instants.iso(now))
    primary = layer([humans[0].id, humans[1].id], start=begin)
    levels = ([_reference("schedule", SCHEDULE)], [_reference("user", humans[2].id)])
    made = account(humans, levels=levels, delay=15, loops=1, schedules=(primary,), service="Shop frontend")
    made["api_keys"].append({"key": USER_KEY, "user": humans[0].id})
    return made
