"""Seeded bugs: text patches that a temporary copy of the packages gets, and what must notice them.

Production code has no switch for a bug. A patch names a small piece of text; when that is gone or no longer unique the
patch does not apply, and whoever wanted it fails, so that a rewrite cannot silently disarm the proof.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

HOME = Path(__file__).resolve().parents[2]
PACKAGES = ("bridge", "contracts", "scenarios", "simulators")


@dataclass(frozen=True, slots=True)
class Edit:
    """Replace ``old``, which must occur exactly once in ``file``, by ``new``."""

    file: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Bug:
    """A bug: what is wrong, how it is put in, and the invariants either of which may be the first to notice.

    What no history on the stage can show, such as the words of a library's error, is left to a ``test`` of the bridge.
    """

    name: str
    story: str
    edits: tuple[Edit, ...]
    noticed_by: tuple[str, ...] = ()
    test: str = ""


class PatchDoesNotApply(AssertionError):
    """The text a patch wants to replace is not there exactly once."""


def plant(bug: Bug, folder: Path) -> None:
    """Copy the packages into ``folder`` and put ``bug`` into the copy."""
    for package in PACKAGES:
        shutil.copytree(HOME / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    for edit in bug.edits:
        path = folder / edit.file
        text = path.read_text()
        if text.count(edit.old) != 1:
            raise PatchDoesNotApply(f"{bug.name}: {edit.file} has {text.count(edit.old)} times {edit.old!r}, not once")
        path.write_text(text.replace(edit.old, edit.new))


BUGS = (
    Bug(
        "arrival order",
        "A trigger that arrives after its clear is sent, as if the order of arrival were the order of things.",
        (
            Edit(
                "bridge/decision.py",
                "Decision(Outcome.DUPLICATE if alert.cleared_at is None else Outcome.SUPERSEDED, alert)",
                "_trigger(None, message, route, now, config) if alert.cleared_at else Decision(Outcome.DUPLICATE)",
            ),
        ),
        ("resolve-is-final",),
    ),
    Bug(
        "event id as key",
        "The key comes from the event id, so that a clear has another one than its trigger.",
        (Edit("bridge/messages.py", 'alert_id = _identity(alert.get("alertId"))', "alert_id = event_id"),),
        ("everything-ends", "same-state"),
    ),
    Bug(
        "no order per alert",
        "A resolve does not wait for its trigger.",
        (Edit("bridge/decision.py", "behind = alert.trigger is not Pending.NO", "behind = False"),),
        ("resolve-is-final",),
    ),
    Bug(
        "duplicates by event id only",
        "A repeated notification with a new event id is sent again.",
        (
            Edit(
                "bridge/decision.py",
                "Decision(Outcome.DUPLICATE if alert.cleared_at is None else Outcome.SUPERSEDED, alert)",
                "_trigger(None, message, route, now, config) if not alert.cleared_at else Decision(Outcome.SUPERSEDED)",
            ),
        ),
        ("confirmed-once", "one-incident"),
    ),
    Bug(
        "acknowledged before it is stored",
        "A notification that could not be stored is answered 200.",
        (Edit("bridge/core.py", "            return UNAVAILABLE\n", "            return ACCEPTED\n"),),
        ("nothing-lost", "same-state"),
    ),
    Bug(
        "a server error kills",
        "An event that meets a 5xx is given up.",
        (
            Edit(
                "bridge/delivery.py",
                "return Verdict.REJECTED if 400 <= status <= 499 else Verdict.RETRY",
                "return Verdict.REJECTED if 400 <= status <= 599 else Verdict.RETRY",
            ),
        ),
        ("nothing-lost", "everything-ends", "same-state"),
    ),
    Bug(
        "again after 202",
        "An accepted event is tried again.",
        (Edit("bridge/delivery.py", "202: Verdict.SENT", "202: Verdict.RETRY"),),
        ("confirmed-once",),
    ),
    Bug(
        "severity as status",
        "Whether an alert is over is read from its severity, and its event type ignored: no clear ever resolves.",
        (
            Edit("bridge/messages.py", "    kind = _kind(event_type)\n", "    kind = Kind.TRIGGER\n"),
            Edit("bridge/messages.py", 'alert.get("active") in ENDED', 'alert.get("severity") == "OK"'),
        ),
        ("everything-ends", "nothing-lost", "same-state"),
    ),
    Bug(
        "the first agent",
        "The source is the first agent, and some alerts have none.",
        (
            Edit(
                "bridge/translate.py",
                '_cut(target or message.test or text(alert.get("hostname")) or CLIENT, MAX_FIELD)',
                'text(alert["agents"][0]["agentName"])',
            ),
        ),
        ("nothing-lost", "same-state"),
    ),
    Bug(
        "a resolve is routed afresh",
        "A clear takes the route of the day, not the one its trigger took.",
        (
            Edit(
                "bridge/decision.py",
                "    cleared = replace(alert, cleared_at=now)",
                "    cleared = replace(alert, cleared_at=now, key_name=route.key)",
            ),
        ),
        ("one-key",),
    ),
    Bug(
        "first in, first out across keys",
        "The oldest event of all keys goes first, so a key that is paused holds up every other.",
        (
            Edit(
                "bridge/storage.py",
                "WHERE key_name = ? AND state = 'pending' ORDER BY due LIMIT 1\"",
                "WHERE key_name = ? AND id = (SELECT min(id) FROM outbox WHERE state = 'pending')\"",
            ),
            Edit(
                "bridge/storage.py",
                "\" WHERE key_name = ? AND state = 'pending' AND +due <= ? ORDER BY score, id LIMIT 1\"",
                "\" WHERE key_name = ? AND due <= ? AND id = (SELECT min(id) FROM outbox WHERE state = 'pending')\"",
            ),
        ),
        ("keys-alone",),
    ),
    Bug(
        "one pace for all keys",
        "The pace is the bridge's, not the integration key's.",
        (
            Edit(
                "bridge/core.py",
                "                return state\n",
                "                return replace(\n"
                "                    state, recent=tuple(sorted(at for k in self.volatile.keys for at in k.recent))\n"
                "                )\n",
            ),
        ),
        ("keys-alone",),
    ),
    Bug(
        "no pace",
        "Events go as fast as they come.",
        (Edit("bridge/delivery.py", "        if len(self.recent) >= per_minute:", "        if False:"),),
        ("pace",),
    ),
    Bug(
        "coalesced although tried",
        "A trigger that may have arrived is dropped together with its clear.",
        (
            Edit(
                "bridge/decision.py",
                "if config.pagerduty.coalesce and alert.trigger is Pending.UNTRIED:",
                "if config.pagerduty.coalesce and alert.trigger is not Pending.NO:",
            ),
        ),
        ("nothing-lost", "everything-ends", "same-state"),
    ),
    Bug(
        "sent is noted before it is sent",
        "An event counts as delivered when it is about to be tried, so a bridge that dies in between loses it.",
        (
            Edit(
                "bridge/storage.py",
                '"UPDATE outbox SET attempts = attempts + 1 WHERE id = ?"',
                "\"UPDATE outbox SET attempts = attempts + 1, state = 'sent' WHERE id = ?\"",
            ),
        ),
        ("nothing-lost", "same-state"),
    ),
    Bug(
        "a secret in an error",
        "What a library quotes of a request that failed is kept as it is, integration key and all.",
        (
            Edit(
                "bridge/sending.py",
                'words = text(str(error)).replace(secret, "***")',
                "words = text(str(error))",
            ),
        ),
        test="test_bridge_delivery.py::test_a_transport_error_that_quotes_the_request_keeps_no_key",
    ),
    Bug(
        "acknowledging does not silence",
        "Notifications still pending when somebody acknowledges go out all the same.",
        (
            Edit(
                "simulators/pagerduty/incidents.py",
                "    notify.cancel(draft, incident, _people(incident))\n    timeout = ",
                "    timeout = ",
            ),
            Edit(
                "simulators/pagerduty/notify.py",
                "if assigned and fits and incident.status is Status.TRIGGERED:",
                "if assigned and fits and incident.status is not Status.RESOLVED:",
            ),
        ),
        ("silence", "incidents-add-up"),
    ),
)
