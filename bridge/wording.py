"""The words of an event: small templates with named fields, checked completely when the configuration is read.

A template is text with fields in braces, ``{rule}``; ``{test|agent|"somewhere"}`` takes the first that is not empty. A
part in square brackets is left out when one of its fields is empty: ``{rule}[ on {test}]``. Doubled, the four signs
stand for themselves.

There are no conditions, loops, attributes or calls on purpose: a template that was accepted cannot fail while somebody
waits to be paged, and nothing in a payload is ever taken for a template.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from bridge.errors import ConfigError
from bridge.messages import InboundMessage, text

DEFAULT_SUMMARY = '{rule|"ThousandEyes alert"}[: {test|agent}][ ({place})]'
STATIC = "static."
#: Every field and what it holds; ``static.NAME`` is a static key of the rule's webhook settings besides.
FIELDS = {
    "rule": "name of the alert rule",
    "expression": "the rule's condition in words",
    "test": "name of the test",
    "agent": "name of the agent an agent alert is about",
    "agents": "names of the locations (agents or monitors) that raised the alert",
    "target": "what the test looks at",
    "place": "the target, empty when the test is called like it",
    "labels": "labels of the test",
    "severity": "ThousandEyes' severity",
    "type": "type of the alert",
    "account_group": "id of the account group",
    "rule_id": "id of the rule",
    "test_id": "id of the test",
    "alert_id": "id of the alert",
    "started": "start of the alert as ThousandEyes wrote it",
    "permalink": "the alert's page",
}
_PIECE = re.compile(r"\{\{|\}\}|\[\[|\]\]|\{[^{}]*\}|[\[\]{}]|[^\[\]{}]+")
_NAME = re.compile(r"[a-z_]+|static\.[^|\"{}\[\]]{1,100}")


@dataclass(frozen=True, slots=True)
class Choice:
    """A field: the first of ``names`` that is not empty; ``otherwise`` when all are."""

    names: tuple[str, ...]
    otherwise: str = ""


Part = str | Choice


@dataclass(frozen=True, slots=True)
class Template:
    """Parts to be joined; a tuple among them is an optional group."""

    parts: tuple[Part | tuple[Part, ...], ...]

    def fill(self, values: Mapping[str, str], *, quoted: bool = False) -> str:
        """Return the text; ``quoted`` escapes what fields hold for use in an address."""
        done: list[str] = []
        for part in self.parts:
            if isinstance(part, tuple):
                group = [_value(item, values, quoted) for item in part]
                if all(value or isinstance(item, str) for item, value in zip(part, group, strict=True)):
                    done += group
            else:
                done.append(_value(part, values, quoted))
        return "".join(done)


@dataclass(frozen=True, slots=True)
class Link:
    """A link of an event."""

    href: Template
    text: Template


@dataclass(frozen=True, slots=True)
class Wording:
    """What an event says besides its key, severity and source."""

    summary: Template
    links: tuple[Link, ...] = ()
    details: tuple[tuple[str, Template], ...] = ()
    all_details: bool = True


def template(source: str, where: str) -> Template:
    """Return the template ``source`` describes; raise :class:`ConfigError` naming ``where`` when it is none."""
    parts: list[Part | tuple[Part, ...]] = []
    group: list[Part] | None = None
    for piece in _PIECE.findall(source):
        part: Part
        if piece in ("[", "]"):
            if (piece == "[") == (group is not None):
                raise ConfigError(f"{where}: brackets must come in pairs and not inside one another")
            if group is None:
                group = []
            else:
                parts.append(tuple(group))
                group = None
            continue
        if piece in ("{", "}"):
            raise ConfigError(f"{where}: write {{name}}, or double the brace to have one in the text")
        if piece in ("{{", "}}", "[[", "]]"):
            part = piece[0]
        elif piece.startswith("{"):
            part = _choice(piece[1:-1], where)
        else:
            part = piece
        (parts if group is None else group).append(part)
    if group is not None:
        raise ConfigError(f"{where}: a bracket is not closed")
    return Template(tuple(parts))


def values(message: InboundMessage, targets: str) -> dict[str, str]:
    """Return what the fields hold for ``message``."""
    alert = message.alert
    places = [
        text(item.get(f"{kind}Name")) or text(item.get(f"{kind}Id"))
        for kind in ("agent", "monitor")
        for item in _objects(alert.get(f"{kind}s"))
    ]
    agent = text(alert.get("agentName"))
    found = {
        "rule": message.rule,
        "expression": text(alert.get("ruleExpression")),
        "test": message.test,
        "agent": agent,
        "agents": ", ".join(place for place in places if place),
        "target": targets,
        "place": "" if targets == (message.test or agent) else targets,
        "labels": ", ".join(message.labels),
        "severity": message.severity or "",
        "type": message.alert_type,
        "account_group": message.account_group,
        "rule_id": text(alert.get("ruleId")),
        "test_id": text(alert.get("testId")),
        "alert_id": message.alert_id,
        "started": text(alert.get("dateStartZoned")) or text(alert.get("dateStart")),
        "permalink": text(alert.get("permalink")) or text(alert.get("link")),
    }
    return {**{f"{STATIC}{name}": value for name, value in message.static.items()}, **found}


def _objects(value: object) -> list[Mapping[str, object]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _choice(inside: str, where: str) -> Choice:
    *names, last = inside.split("|")
    otherwise = ""
    if len(last) >= 2 and last[0] == last[-1] == '"':
        otherwise = last[1:-1]
    else:
        names.append(last)
    for name in names:
        if not _NAME.fullmatch(name) or not (name in FIELDS or name.startswith(STATIC)):
            raise ConfigError(f"{where}: no field {name!r}; there are {', '.join(FIELDS)} and static.NAME")
    return Choice(tuple(names), otherwise)


def _value(part: Part, values: Mapping[str, str], quoted: bool) -> str:
    if isinstance(part, str):
        return part
    value = next((values[name] for name in part.names if values.get(name)), part.otherwise)
    return quote(value, safe="") if quoted else value


DEFAULT = Wording(template(DEFAULT_SUMMARY, "event.summary"))
