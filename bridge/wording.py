"""The words of an event: small templates with named fields, checked completely when the configuration is read.

A template is text with fields in braces, ``{rule}``; ``{test|agent|"somewhere"}`` takes the first that is not empty. A
part in square brackets is left out when one of its fields is empty: ``{rule}[ on {test}]``. Doubled, the four signs
stand for themselves.

There are no conditions, loops, attributes or calls on purpose: a template that was accepted cannot fail while somebody
waits to be paged, and nothing in a payload is ever taken for a template.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
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


class Values(Mapping[str, str]):
    """What the fields hold for a message, worked out when they are asked for."""

    def __init__(self, message: InboundMessage, target: str) -> None:
        self.message = message
        self.target = target

    def __getitem__(self, name: str) -> str:
        if name.startswith(STATIC):
            return self.message.static.get(name[len(STATIC) :], "")
        return _FIELDS[name](self.message, self.target)

    def __iter__(self) -> Iterator[str]:
        return iter(_FIELDS)

    def __len__(self) -> int:
        return len(_FIELDS)


def _of_alert(*names: str) -> Callable[[InboundMessage, str], str]:
    return lambda message, target: next((found for name in names if (found := text(message.alert.get(name)))), "")


def _places(message: InboundMessage, target: str) -> str:
    places = [
        text(item.get(f"{kind}Name")) or text(item.get(f"{kind}Id"))
        for kind in ("agent", "monitor")
        for item in _objects(message.alert.get(f"{kind}s"))
    ]
    return ", ".join(place for place in places if place)


def _place(message: InboundMessage, target: str) -> str:
    return "" if target == (message.test or text(message.alert.get("agentName"))) else target


_FIELDS: dict[str, Callable[[InboundMessage, str], str]] = {
    "rule": lambda message, target: message.rule,
    "expression": _of_alert("ruleExpression"),
    "test": lambda message, target: message.test,
    "agent": _of_alert("agentName"),
    "agents": _places,
    "target": lambda message, target: target,
    "place": _place,
    "labels": lambda message, target: ", ".join(message.labels),
    "severity": lambda message, target: message.severity or "",
    "type": lambda message, target: message.alert_type,
    "account_group": lambda message, target: message.account_group,
    "rule_id": _of_alert("ruleId"),
    "test_id": _of_alert("testId"),
    "alert_id": lambda message, target: message.alert_id,
    "started": _of_alert("dateStartZoned", "dateStart"),
    "permalink": _of_alert("permalink", "link"),
}


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
