"""Playing one outage and reading from the world what came of it."""

from __future__ import annotations

from collections.abc import Sequence

from scenarios import accounts
from scenarios.outages import Outage
from scenarios.report import Figure, Page, Report
from scenarios.stage import Stage, TestDesk, Wiring
from simulators.engine import timeline
from simulators.engine.world import World
from simulators.pagerduty.model import DOCUMENTS, INCIDENTS, LOG_ENTRIES, MESSAGES, Incident, LogType
from simulators.thousandeyes.model import CONDITIONS

ADVICE: dict[str, str] = {
    "nobody": "Nobody was notified. Check that the rule notifies an integration and that somebody is on call.",
    "unacknowledged": "Nobody acknowledged. Add a phone rule at 0 minutes, or another level to the escalation policy.",
    "late": "The first acknowledgement took more than 15 minutes. Shorten the escalation delay and rehearse again.",
    "open": "The incident is still open after the target recovered. Rehearse the clear: pagedrill rehearse --json.",
    "fine": "This path works. Rehearse the night nobody answers: pagedrill rehearse --scenario unanswered.",
    "done": "Now rehearse it against your own policy, and keep the page: pagedrill rehearse --html rehearsal.html.",
}
LATE = 15 * 60 * 1_000_000


def rehearse(outage: Outage, *, seed: int = 1, wiring: Wiring = Wiring.BRIDGE) -> tuple[Report, World]:
    """Play ``outage`` on a seeded account and return the report and the world it was played in."""
    with Stage(seed=seed, wiring=wiring, account=accounts.seeded(seed)) as stage:
        about = outage.play(stage)
        return _report(stage, outage, about, seed), stage.world


def _report(stage: Stage, outage: Outage, about: TestDesk, seed: int) -> Report:
    view = stage.world.view
    began = min(row.since for row in view.find(CONDITIONS, "test", about.id))
    incidents = list(view.all(INCIDENTS))
    pages = tuple(
        Page(
            message.at,
            str(view.need(DOCUMENTS["users"], message.user).body["name"]),
            message.channel.value,
            message.address,
            message.incident,
            "",
        )
        for message in view.all(MESSAGES)
    )
    acknowledged = [entry.at for entry in view.all(LOG_ENTRIES) if entry.type is LogType.ACKNOWLEDGE]
    resolved = [row.resolved for row in incidents if row.resolved is not None]
    told = timeline.lines(stage.world)
    reasons = {(line.at, line.person, line.channel): line.why for line in told if line.person}
    explained = tuple(
        Page(p.at, p.person, p.channel, p.address, p.incident, reasons.get((p.at, p.person, p.channel), ""))
        for p in pages
    )

    def since(instants: Sequence[int]) -> int | None:
        return min(instants) - began if instants else None

    figures = (
        Figure("time to incident", since([row.created for row in incidents]), "first failing round to open incident"),
        Figure("time to notify", since([page.at for page in pages]), "first failing round to first notification"),
        Figure("time to acknowledge", since(acknowledged), "first failing round to first acknowledgement"),
        Figure("time to resolve", since(resolved), "first failing round to resolved incident"),
    )
    advice = ADVICE[_advice(outage, incidents, figures, bool(pages))]
    return Report(
        outage.name, outage.summary, seed, stage.wiring.value, began, stage.now, figures, explained, advice, tuple(told)
    )


def _advice(outage: Outage, incidents: list[Incident], figures: tuple[Figure, ...], paged: bool) -> str:
    if not paged:
        return "nobody"
    if any(row.resolved is None for row in incidents):
        return "open"
    if figures[2].span is None:
        return "unacknowledged"
    if figures[2].span > LATE:
        return "late"
    return "fine" if outage.name == "acknowledged" else "done"
