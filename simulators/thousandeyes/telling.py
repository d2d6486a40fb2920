"""What notifications say of an alert, whoever is told: names, dates, the rule in words, and what was tested.

Classic and custom webhooks, PagerDuty, mails and chats all tell the same story in shapes of their own. Dates are the
organization's local time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from simulators.engine.draft import View
from simulators.engine.zones import local
from simulators.thousandeyes import documents, monitors
from simulators.thousandeyes import expression as expressions
from simulators.thousandeyes.model import (
    ACCOUNT_GROUPS,
    AGENTS,
    APP,
    TESTS,
    AccountGroup,
    Alert,
    AlertState,
    Location,
    Test,
)

#: Alert types as people read them.
TYPE_NAMES: Mapping[str, str] = {
    "http-server": "HTTP Server",
    "page-load": "Page Load",
    "web-transactions": "Web Transactions",
    "api": "API",
    "ftp": "FTP",
    "end-to-end-server": "End-to-End (Server)",
    "end-to-end-agent": "End-to-End (Agent)",
    "path-trace": "Path Trace",
    "bgp": "BGP",
    "dns-server": "DNS Server",
    "dns-trace": "DNS Trace",
    "dnssec": "DNSSEC",
    "sip-server": "SIP Server",
    "voice": "Voice",
    "agent": "Agent",
}


@dataclass(frozen=True, slots=True)
class Story:
    """An alert as it is told: ``target`` is what was tested, ``rule`` the rule in words, ``labels`` (id, name)."""

    alert: Alert
    type_name: str
    target: str
    rule: str
    group: AccountGroup | None
    labels: tuple[tuple[str, str], ...]
    locations: tuple[tuple[str, Location], ...]

    @property
    def triggered(self) -> bool:
        """Whether the alert has begun, rather than ended."""
        return self.alert.state is AlertState.TRIGGER

    @property
    def zone(self) -> str:
        """The organization's time zone."""
        return "UTC" if self.group is None else self.group.time_zone

    def plain(self, instant: int) -> str:
        """Return a date in local time, without a zone."""
        return local(instant, self.zone).strftime("%Y-%m-%d %H:%M:%S")

    def zoned(self, instant: int) -> str:
        """Return a date in local time, with the zone's abbreviation."""
        return local(instant, self.zone).strftime("%Y-%m-%d %H:%M:%S %Z")

    def fields(self) -> dict[str, str]:
        """Return the story as the fields of mails, chats and PagerDuty's details, by the vendor's names."""
        alert, where = self.alert, "Monitors" if self.alert.alert_type == "bgp" else "Agents"
        return {
            "Alert ID": alert.id,
            "Alert Rule": f"{alert.rule_name}: {self.rule}",
            "Test Name": alert.test_name,
            _kind_of_target(alert.alert_type): self.target,
            "Rule ID": alert.rule,
            f"Number of {where}": str(alert.violations),
            where: "; ".join(f"{name}: {entry.metrics_at_start}" for name, entry in self.locations),
            "Severity": alert.severity.title(),
            "Start Date": self.zoned(alert.start),
            "Permalink": permalink(alert),
        }


def story(view: View, alert: Alert) -> Story:
    """Return an alert's story, with what is known of its test and account group now, or of a test that is gone."""
    test, kind = view.get(TESTS, alert.test), alert.alert_type
    target = alert.target if test is None else target_of(view, test)
    labels = alert.labels if test is None else labels_of(view, test, alert.aid)
    return Story(
        alert,
        TYPE_NAMES.get(expressions.SYNONYMS.get(kind, kind), kind),
        alert.part or target,
        expressions.human(expressions.parse(alert.expression, kind)),
        view.get(ACCOUNT_GROUPS, alert.aid),
        labels,
        tuple((location_name(view, kind, entry.agent), entry) for entry in alert.locations),
    )


def target_of(view: View, test: Test) -> str:
    """Return what a test tests, as people are told."""
    agent = test.body.get("targetAgentId")
    return agent_name(view, str(agent)) if agent else test.target


def labels_of(view: View, test: Test, aid: str) -> tuple[tuple[str, str], ...]:
    """Return the labels (id, name) a test wears in an account group."""
    return tuple((label.id, str(label.body["name"])) for label in documents.labels_of(view, "test", aid, test.id))


def _kind_of_target(alert_type: str) -> str:
    if alert_type in {"http-server", "page-load", "web-transactions", "api", "ftp"}:
        return "URL"
    return "Prefix" if alert_type == "bgp" else "Server"


def agent_name(view: View, agent_id: str) -> str:
    """Return an agent's name, or its id when it is unknown."""
    agent = view.get(AGENTS, agent_id)
    return agent_id if agent is None else agent.name


def location_name(view: View, alert_type: str, location: str) -> str:
    """Return the name of a location of an alert: of a monitor in alerts about routes, else of an agent."""
    monitor = monitors.monitors().get(location) if alert_type == "bgp" else None
    return agent_name(view, location) if monitor is None else monitor.name


def permalink(alert: Alert, location: str = "") -> str:
    """Return the alert's page, or that of one of its locations."""
    where = f"&{'monitorId' if alert.alert_type == 'bgp' else 'agentId'}={location}" if location else ""
    return f"{APP}/alerts/list/?__a={alert.aid}&alertId={alert.id}{where}"
