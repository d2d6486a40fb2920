"""What each trouble means and what to do about it: the words of ``bridge status``, of dead letters and of self-alerts.

One table, so that an operator reads the same sentence in a terminal, in the log, in a page and in
``docs/bridge-runbook.md``, which is made from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad: paging does not work, something is lost or about to be, or something wants to be seen to."""

    DOWN = "down"
    LOSS = "loss"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Entry:
    """A trouble: how bad it is, what it means, and what to do."""

    level: Level
    meaning: str
    remedy: str


#: Why a notification or an event became a dead letter.
CAUSES: dict[str, Entry] = {
    "unreadable": Entry(
        Level.LOSS,
        "The notification is not JSON, so the bridge cannot know which alert it is about.",
        "Look at it with `dead-letters show`. A custom webhook whose template leaves out a value or puts quotes into it"
        " does this: use the template `bridge custom-webhook` prints. Page by hand if it was real, then drop it.",
    ),
    "no-identity": Entry(
        Level.LOSS,
        "The notification does not say which alert it is about, so nothing could ever resolve its incident.",
        "Look at it with `dead-letters show`; if ThousandEyes has a new format, upgrade the bridge and replay it.",
    ),
    "ambiguous": Entry(
        Level.LOSS,
        "The notification names its alert twice, so two readers could see two different alerts.",
        "Find out what rewrites requests between ThousandEyes and the bridge. Page by hand if it was real.",
    ),
    "rejected": Entry(
        Level.LOSS,
        "PagerDuty will never take this event; its own words are kept with it.",
        "If the words speak of the routing key, the integration was deleted or the key was mistyped: correct it in"
        " [keys], send SIGHUP, and replay. Otherwise report a fault of the bridge; page by hand meanwhile.",
    ),
    "too-old": Entry(
        Level.LOSS,
        "PagerDuty could not be reached, or answered errors, for longer than pagerduty.max_age_seconds.",
        "Restore the connection (`bridge check`), then replay: the alert may still be active.",
    ),
    "fault": Entry(
        Level.LOSS,
        "The bridge itself failed on this notification, and went on with the others.",
        "Report a fault of the bridge with the log line; upgrade, then replay. Page by hand meanwhile.",
    ),
}
#: What may keep the bridge from doing its job, the worst first.
TROUBLES: dict[str, Entry] = {
    "not-running": Entry(
        Level.DOWN,
        "No bridge serves this store.",
        "Start it (`systemctl start pagedrill-bridge`) and read its log if it stops again.",
    ),
    "no-leader": Entry(
        Level.DOWN,
        "No bridge holds the lock of this database, so nobody decides and delivers.",
        "Start a bridge; the lock is taken within seconds.",
    ),
    "storage": Entry(
        Level.DOWN,
        "Notifications cannot be stored, so they are refused.",
        "Make room on the store's disk, or bring the database back; ThousandEyes repeats for an hour, then"
        " `bridge reconcile` finds what was lost.",
    ),
    "credentials": Entry(
        Level.DOWN,
        "PagerDuty refuses an integration key (401 or 403).",
        "Copy the key again from the service's Integrations tab into [keys] and send SIGHUP; its events are kept.",
    ),
    "certificate": Entry(
        Level.DOWN,
        "The certificate of PagerDuty's host does not verify.",
        "Update the machine's certificates, or set pagerduty.ca_file when a proxy breaks TLS open on purpose.",
    ),
    "unreachable": Entry(
        Level.DOWN,
        "PagerDuty cannot be reached.",
        "Check DNS, firewall, proxy and https://status.pagerduty.com; events are kept and go when it can.",
    ),
    "errors": Entry(
        Level.DOWN,
        "PagerDuty answers server errors.",
        "Look at https://status.pagerduty.com; events are kept and tried again.",
    ),
    "unconfigured": Entry(
        Level.DOWN,
        "Events wait for an integration key that the configuration does not name any more.",
        "Put the key back under its name into [keys] and send SIGHUP.",
    ),
    "undecided": Entry(
        Level.DOWN,
        "Notifications have been stored and nobody decides upon them.",
        "Read the log for `a run failed`; a restart is safe at any time.",
    ),
    "throttled": Entry(
        Level.DOWN,
        "PagerDuty throttles an integration key.",
        "Find who else uses the key, or lower pagerduty.events_per_minute; events are kept.",
    ),
    "late": Entry(
        Level.NOTE,
        "Events wait longer than they should because more come in than PagerDuty takes.",
        "Spread the alerts over more integration keys with [[routing.route]]; critical ones already go first.",
    ),
    "dead-letters": Entry(
        Level.LOSS,
        "Events or notifications were given up.",
        "See `bridge dead-letters list`; replay or drop each.",
    ),
    "reconciliation": Entry(
        Level.LOSS,
        "Reconciliation with the ThousandEyes API has not succeeded for a while, so lost webhooks stay lost.",
        "Check the token and its rights with `bridge check`.",
    ),
    "refused": Entry(
        Level.NOTE,
        "A sender is refused because its secret is wrong or missing, so what it sends is lost after an hour.",
        "Compare the credentials in ThousandEyes (or the secret of PagerDuty's webhook) with [receiver] or [incidents];"
        " if it is a stranger, keep it out at the proxy.",
    ),
    "canary": Entry(
        Level.DOWN,
        "The last canary did not come through.",
        "Follow it with `bridge trace canary`.",
    ),
}


def remedy(cause: str) -> str:
    """Return what to do about a dead letter."""
    entry = CAUSES.get(cause)
    return "Look at it with `dead-letters show`." if entry is None else entry.remedy
