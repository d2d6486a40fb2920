"""Who hears of status updates without being called: users and teams subscribed to an incident or a business service.

Subscribers hear of status updates at once and of nothing else; members of a subscribed team hear as the team
(PagerDuty: communicate with stakeholders). Nobody publishes on a business service here, so its subscriptions are kept
and shown.
"""

from __future__ import annotations

from dataclasses import dataclass

from simulators.engine.draft import Draft, View
from simulators.engine.tables import TableKey
from simulators.pagerduty.model import MEMBERSHIPS, Incident


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription: ``about`` is the type (incident or business_service) and id of what is subscribed to, ``who`` the
    type (user or team) and id of the subscriber."""

    id: str
    about: tuple[str, str]
    who: tuple[str, str]


SUBSCRIPTIONS: TableKey[Subscription] = TableKey(
    "pagerduty.subscriptions", {"about": lambda row: row.about, "who": lambda row: row.who}
)
TABLES = (SUBSCRIPTIONS,)


def _id(about: tuple[str, str], who: tuple[str, str]) -> str:
    return ":".join((*about, *who))


def subscribe(draft: Draft, about: tuple[str, str], who: tuple[str, str]) -> bool:
    """Subscribe somebody to something; ``False`` when they are subscribed already."""
    row = Subscription(_id(about, who), about, who)
    if draft.get(SUBSCRIPTIONS, row.id) is not None:
        return False
    draft.put(SUBSCRIPTIONS, row)
    return True


def unsubscribe(draft: Draft, about: tuple[str, str], who: tuple[str, str]) -> bool:
    """End a subscription; ``False`` when there is none."""
    held = draft.get(SUBSCRIPTIONS, _id(about, who))
    if held is not None:
        draft.delete(SUBSCRIPTIONS, held.id)
    return held is not None


def audience(view: View, incident: Incident) -> list[str]:
    """Return the users who hear of the incident's status updates, each once: subscribers and members of teams."""
    found: dict[str, None] = {}
    for row in view.find(SUBSCRIPTIONS, "about", ("incident", incident.id)):
        kind, id = row.who
        if kind == "user":
            found[id] = None
        else:
            found |= dict.fromkeys(member.user for member in view.find(MEMBERSHIPS, "team", id))
    return list(found)
