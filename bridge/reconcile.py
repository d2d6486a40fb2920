"""Finding what webhooks lost: the alerts ThousandEyes knows beside the alerts the bridge knows.

A webhook that met an outage of more than an hour is gone for good, and with it a page, or the end of one. So the bridge
asks the API which alerts are active and repairs the difference by writing the missing notification into its own inbox:
from there on it is a notification like any other, decided once, delivered in order, and seen in traces.

Repaired is only what certainly was meant for this bridge and is certainly lost:

* the alert's rule notifies one of the configured integrations, or is on the configured list of rules;
* it is not suppressed;
* it began (or ended) longer ago than webhooks are repeated;
* its id in the API is the id webhooks carry: agent and browser session alerts keep numbers there, so one with another
  kind of id is left alone.

Rule and test are read before routing, because a list item names neither. Decisions are a plan first, so that a dry run
is the same code without the writing.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from bridge import translate
from bridge.config import MINUTE, SECOND, Config, Reconciliation
from bridge.custom import permalink
from bridge.messages import text
from bridge.storage import Raw, Store
from bridge.thousandeyes import Api, ApiProblem

if TYPE_CHECKING:
    from bridge.core import Bridge

#: How long a rule that is not ours is not asked for again.
RULE_KEPT = 60 * MINUTE
#: Lost ends are looked for in one list of this span at most; older ones one by one.
LOOK_BACK = 24 * 60 * MINUTE
NUMBERED = ("agent", "browser-session", "endpoint-browser-sessions-agent", "endpoint-browser-sessions-application")
#: API v7's name of an alert type -> the name webhooks have for it.
TYPES = {
    "page-load": "Page Load",
    "http-server": "HTTP Server",
    "end-to-end-server": "End-to-End (Server)",
    "end-to-end-agent": "End-to-End (Agent)",
    "voice": "Voice",
    "dns-server": "DNS Server",
    "dns-trace": "DNS Trace",
    "dnssec": "DNSSEC",
    "bgp": "BGP",
    "path-trace": "Path Trace",
    "ftp": "FTP",
    "sip-server": "SIP Server",
    "web-transactions": "Web Transactions",
    "api": "API",
    "agent": "Agent",
}
TARGETS = ("url", "server", "domain", "prefix")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,6})?Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Repair:
    """A notification that was lost: ``kind`` (trigger or clear), the alert, and the notification to put in."""

    kind: str
    alert_id: str
    body: bytes = field(repr=False)


@dataclass(slots=True)
class Plan:
    """What a run found: repairs, how many alerts were passed over and why, and what stopped it early, if anything."""

    repairs: list[Repair] = field(default_factory=list)
    passed: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    problem: ApiProblem | None = None

    def __str__(self) -> str:
        passed = "".join(f", {number} {why}" for why, number in sorted(self.passed.items()))
        return f"{len(self.repairs)} repaired{passed}, {self.requests} requests"


def next_due(bridge: Bridge) -> int | None:
    """Return when to look next, ``None`` when reconciliation is off."""
    settings = bridge.config.thousandeyes
    if settings.token is None:
        return None
    tried = bridge.store.fact("reconcile-tried")
    return 0 if tried is None else tried[0] + settings.every


def run(bridge: Bridge, now: int) -> int:
    """Look, and repair what was found, when it is time; return how many notifications were put in."""
    due = next_due(bridge)
    if due is None or due > now:
        return 0
    store, settings = bridge.store, bridge.config.thousandeyes
    plan = look(store, Api(bridge.client, settings, now), bridge.config, now, keep=True)
    if plan.repairs:
        store.append([Raw(bridge.config.receiver.source, repair.body, now) for repair in plan.repairs])
    for repair in plan.repairs:
        bridge.tally.count("repaired", repair.kind)
    problem = plan.problem
    bridge.tally.count("reconciled", "ok" if problem is None else "problem")
    if problem is None:
        store.note_fact("reconcile", now, str(plan))
        store.note_fact("reconcile-tried", now)
    else:
        again = now + settings.every if problem.again_at is None else max(problem.again_at, now + SECOND)
        store.note_fact("reconcile-tried", again - settings.every, str(problem))
    return len(plan.repairs)


def look(store: Store, api: Api, config: Config, now: int, *, keep: bool) -> Plan:
    """Compare and return the plan; ``keep`` remembers rules that are not ours, which a read-only store cannot."""
    plan = Plan()
    settings = config.thousandeyes
    groups: tuple[str | None, ...] = settings.account_groups or (None,)
    try:
        active: set[str] = set()
        for group in groups:
            for item in api.alerts(group, state="trigger"):
                active.add(text(item.get("id")))
                _lost_trigger(store, api, config, now, group, item, plan, keep)
        _lost_clears(store, api, config, now, groups, active, plan)
    except ApiProblem as problem:
        plan.problem = problem
    plan.requests = api.requests
    return plan


def is_ours(rule: Mapping[str, Any], settings: Reconciliation) -> bool:
    """Say whether a rule (with its notifications) leads to this bridge, or is on the list."""
    names = (text(rule.get("ruleId")), text(rule.get("ruleName")))
    if any(fnmatchcase(name, pattern) for pattern in settings.rules for name in names):
        return True
    return any(text(item.get("integrationId")) in settings.integrations for item in notified(rule))


def notified(rule: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the integrations a rule notifies."""
    notifications = rule.get("notifications")
    for group in ("webhook", "customWebhook", "thirdParty"):
        items = notifications.get(group) if isinstance(notifications, dict) else None
        yield from (item for item in items if isinstance(item, dict)) if isinstance(items, list) else ()


def _lost_trigger(
    store: Store,
    api: Api,
    config: Config,
    now: int,
    group: str | None,
    item: Mapping[str, Any],
    plan: Plan,
    keep: bool,
) -> None:
    settings = config.thousandeyes
    alert_id = text(item.get("id"))
    known = store.alert(translate.dedup_key(config.receiver.source, alert_id)) if alert_id else None
    began = _instant(item.get("startDate"))
    if known is not None:
        plan.passed["known" if known.cleared_at is None else "cleared here"] += 1
    elif item.get("suppressed") is True:
        plan.passed["suppressed"] += 1
    elif began is None or began > now - settings.after:
        plan.passed["young"] += 1
    elif text(item.get("alertType")) in NUMBERED and not alert_id.isdigit():
        plan.passed["with another id"] += 1
    else:
        rule = _our_rule(store, api, settings, now, group, item, keep)
        if rule is None:
            plan.passed["not ours"] += 1
        else:
            detail = api.alert(group, alert_id) or item
            body = _trigger(item, detail, rule, api.test(group, item), group)
            plan.repairs.append(Repair("trigger", alert_id, body))


def _our_rule(
    store: Store, api: Api, settings: Reconciliation, now: int, group: str | None, item: Mapping[str, Any], keep: bool
) -> Mapping[str, Any] | None:
    rule_id = text(item.get("alertRuleId")) or text(item.get("ruleId"))
    name = f"not-ours:{group or ''}:{rule_id}"
    remembered = store.fact(name)
    if remembered is not None and 0 <= now - remembered[0] < RULE_KEPT:
        return None
    rule = api.rule(group, rule_id) if rule_id else None
    if rule is not None and is_ours(rule, settings):
        return rule
    if keep:
        store.note_fact(name, now)
    return None


def _lost_clears(
    store: Store, api: Api, config: Config, now: int, groups: tuple[str | None, ...], active: set[str], plan: Plan
) -> None:
    settings = config.thousandeyes
    known = store.open_alerts(config.receiver.source)
    missing = {alert_id: opened for alert_id, opened in known if alert_id not in active}
    if not missing:
        return
    ended: dict[str, Mapping[str, Any]] = {}
    since = max(min(missing.values()) - 2 * settings.after, now - LOOK_BACK)
    for group in groups:
        for item in api.alerts(group, state="clear", startDate=_iso(since), endDate=_iso(now)):
            ended[text(item.get("id"))] = item
    for alert_id in missing:
        found = ended.get(alert_id) or _asked(api, groups, alert_id)
        end = None if found is None else _instant(found.get("endDate"))
        if found is None:
            plan.passed["unknown to ThousandEyes"] += 1
        elif end is None or found.get("alertState") == "trigger":
            plan.passed["active after all"] += 1
        elif end > now - settings.after:
            plan.passed["young"] += 1
        else:
            plan.repairs.append(Repair("clear", alert_id, _clear(alert_id, end)))


def _asked(api: Api, groups: tuple[str | None, ...], alert_id: str) -> Mapping[str, Any] | None:
    # What the API would not take as an id it cannot know either.
    if not re.fullmatch(r"[A-Za-z0-9-]{1,100}", alert_id):
        return None
    return next((found for group in groups if (found := api.alert(group, alert_id)) is not None), None)


def _trigger(
    item: Mapping[str, Any],
    detail: Mapping[str, Any],
    rule: Mapping[str, Any],
    test: Mapping[str, Any] | None,
    group: str | None,
) -> bytes:
    """Return the notification as ThousandEyes would have sent it."""
    alert_id, alert_type = text(item.get("id")), text(item.get("alertType"))
    began = _instant(item.get("startDate"))
    links = item.get("_links")
    page = links.get("appLink") if isinstance(links, dict) else None
    where = "monitor" if alert_type == "bgp" else "agent"
    details = detail.get("details")
    labels = None if test is None else test.get("labels")
    account = re.search(r"[?&]__a=([0-9]+)", text(page.get("href")) if isinstance(page, dict) else "")
    alert = {
        "alertId": alert_id,
        "ruleId": text(rule.get("ruleId")),
        "ruleName": text(rule.get("ruleName")),
        "ruleExpression": text(rule.get("expression")),
        "ruleAid": group or (account[1] if account else ""),
        "testId": "" if test is None else text(test.get("testId")),
        "testName": "" if test is None else text(test.get("testName")),
        "testLabels": [{"name": text(label.get("name"))} for label in _objects(labels)],
        "testTargetsDescription": [
            text(test.get(name)) for name in TARGETS if test is not None and text(test.get(name))
        ],
        "type": TYPES.get(alert_type, alert_type),
        "severity": text(item.get("alertSeverity")),
        "active": 1,
        "violationCount": item.get("violationCount"),
        "dateStartZoned": "" if began is None else _zoned(began),
        "permalink": text(page.get("href")) if isinstance(page, dict) else permalink(group or "", alert_id),
        f"{where}s": [
            {
                f"{where}Id": text(place.get("id")),
                f"{where}Name": text(place.get("name")),
                "metricsAtStart": text(_object(place.get("start")).get("metrics")),
            }
            for place in _objects(details)
            if place.get("state") == "trigger"
        ],
        "Note": "The webhook was lost; this alert was found by asking ThousandEyes.",
    }
    present = {name: value for name, value in alert.items() if value not in ("", [], None)}
    return _notification("TRIGGER", alert_id, present)


def _clear(alert_id: str, end: int) -> bytes:
    return _notification("CLEAR", alert_id, {"alertId": alert_id, "active": 0, "dateEndZoned": _zoned(end)})


def _notification(kind: str, alert_id: str, alert: Mapping[str, Any]) -> bytes:
    event = {"eventType": f"ALERT_NOTIFICATION_{kind}", "eventId": f"reconciled-{alert_id}-{kind.lower()}"}
    return json.dumps({**event, "reconciled": True, "alert": alert}, separators=(",", ":")).encode()


def _instant(value: object) -> int | None:
    if not isinstance(value, str) or not _INSTANT.fullmatch(value):
        return None
    try:
        return (datetime.fromisoformat(value) - _EPOCH) // timedelta(microseconds=1)
    except ValueError:
        return None


def _iso(at: int) -> str:
    return (_EPOCH + timedelta(seconds=at // SECOND)).strftime("%Y-%m-%dT%H:%M:%SZ")


def _zoned(at: int) -> str:
    return (_EPOCH + timedelta(seconds=at // SECOND)).strftime("%Y-%m-%d %H:%M:%S UTC")


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _objects(value: object) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
