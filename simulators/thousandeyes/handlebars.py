"""Handlebars, as far as ThousandEyes' custom webhooks use it: templates of payloads, headers and query parameters.

Paths (``alert.rule.name``, ``../id``, ``this``, ``@first``, ``list.size``), the blocks ``each``, ``if``, ``unless`` and
``with … as |x|``, sections on a value, ``else`` and ``else if``, helpers with parameters and sub-expressions, comments,
whitespace control and escaped braces. Nothing is escaped on output: the vendor sends what the template says, and a
quote in a name breaks the JSON around it. What is not there renders as nothing.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

#: Blocks and parentheses may be nested this deep; a rendered text may become this long and take so many steps.
DEEPEST, LONGEST, STEPS = 30, 1_000_000, 50_000


class TemplateError(ValueError):
    """A template that cannot be read or rendered: one line with the place."""


# -- the tree ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Path:
    """``../alert.rule.name``: ``up`` levels up, then ``names``; ``data`` paths begin with an at-sign."""

    names: tuple[str, ...]
    up: int = 0
    data: bool = False


@dataclass(frozen=True, slots=True)
class Literal:
    """A text, number, true, false or null."""

    value: Any


@dataclass(frozen=True, slots=True)
class Call:
    """A path, with the parameters and named values a helper gets."""

    path: Path
    parameters: tuple[Expression, ...] = ()
    named: tuple[tuple[str, Expression], ...] = ()


Expression = Path | Literal | Call


@dataclass(frozen=True, slots=True)
class Text:
    """What stands between the tags."""

    text: str


@dataclass(frozen=True, slots=True)
class Output:
    """``{{name}}``."""

    call: Call


@dataclass(frozen=True, slots=True)
class Block:
    """``{{#each list as |x|}}…{{else}}…{{/each}}``; an ``inverted`` one shows when there is nothing."""

    call: Call
    body: tuple[Node, ...]
    otherwise: tuple[Node, ...]
    variables: tuple[str, ...] = ()
    inverted: bool = False


Node = Text | Output | Block

# -- reading -----------------------------------------------------------------------------------------------------------

_TAG = re.compile(
    r"\\\{\{|\{\{(?P<left>~?)(?:!--(?P<comment>.*?)--|!(?P<remark>.*?)|\{(?P<raw>.*?)\}|(?P<tag>[^{}]*?))(?P<right>~?)\}\}",
    re.DOTALL,
)
_TOKEN = re.compile(
    r"""\s*(?:(?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<number>-?[0-9]{1,18}(?:\.[0-9]{1,18})?)(?![\w.])
    |(?P<key>[\w-]+)=|(?P<path>@?(?:\.\./|\./)*(?:\.\.|\.|[\w-]+|\[[^\]]+\])(?:[./](?:[\w-]+|\[[^\]]+\]))*)
    |(?P<mark>[()|]))""",
    re.VERBOSE | re.DOTALL,
)
_WORDS = {"true": True, "false": False, "null": None, "undefined": None}
_SEGMENT = re.compile(r"\[([^\]]+)\]|[\w-]+")


@functools.lru_cache(maxsize=512)
def parse(source: str) -> tuple[Node, ...]:
    """Return a template's nodes; raises :class:`TemplateError`."""
    reader = _Reader(source)
    nodes, closing = reader.nodes(0)
    if closing is not None:
        raise reader.fail(f"{{{{{closing}}}}} closes nothing")
    return nodes


class _Reader:
    """One pass over the tags of a template."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.at = 0
        self._strip = False

    def fail(self, why: str) -> TemplateError:
        line = self.source.count("\n", 0, self.at) + 1
        return TemplateError(f"line {line} of the template: {why}")

    def nodes(self, depth: int) -> tuple[tuple[Node, ...], str | None]:
        """Return the nodes up to the end or to a closing or else tag, and that tag's text."""
        if depth > DEEPEST:
            raise self.fail(f"more than {DEEPEST} blocks inside each other")
        found: list[Node] = []
        while True:
            match = self._next()
            text = self.source[self.at :] if match is None else self.source[self.at : match.start()]
            if self._strip:
                text = text.lstrip()
            self._strip = False
            if match is not None and match["left"]:
                text = text.rstrip()
            if text:
                found.append(Text(text))
            if match is None:
                return tuple(found), None
            self.at = match.end()
            if match[0] == "\\{{":
                end = self.source.find("}}", self.at)
                end = len(self.source) if end < 0 else end + 2
                found.append(Text("{{" + self.source[self.at : end]))
                self.at = end
                continue
            self._strip = bool(match["right"])
            if match["comment"] is not None or match["remark"] is not None:
                continue
            content = (match["raw"] or match["tag"] or "").strip()
            if content[:1] == "/" or content == "^" or content.split(" ")[0] == "else":
                return tuple(found), content
            found.append(self._tag(content, depth))

    def _next(self) -> re.Match[str] | None:
        """Return the next tag; the first one that is not closed ends the reading, so no text is looked at twice."""
        place = self.source.find("{{", self.at)
        if place < 0:
            return None
        match = _TAG.match(self.source, place - self.source.startswith("\\", max(place - 1, self.at)))
        if match is None:
            self.at = place
            raise self.fail("a tag is not closed")
        return match

    def _tag(self, content: str, depth: int) -> Node:
        if not content:
            raise self.fail("a tag is empty")
        if content[0] in "#^":
            call, variables = self._call(content[1:])
            return self._block(call, variables, depth, inverted=content[0] == "^")
        if content[0] == ">":
            raise self.fail("partials are not known here")
        call, variables = self._call(content.removeprefix("&"))
        if variables:
            raise self.fail("only a block has variables")
        return Output(call)

    def _block(
        self, call: Call, variables: tuple[str, ...], depth: int, *, inverted: bool = False, closed_by: str = ""
    ) -> Block:
        """Read a block's inside; one that is chained by ``else if`` is closed by the tag of the first."""
        name = closed_by or _spelled(call.path)
        body, closing = self.nodes(depth + 1)
        otherwise: tuple[Node, ...] = ()
        if closing is not None and closing[:1] != "/":
            chained = closing.removeprefix("else").strip() if closing != "^" else ""
            if chained:
                otherwise = (self._block(*self._call(chained), depth + 1, closed_by=name),)
                return Block(call, body, otherwise, variables, inverted)
            otherwise, closing = self.nodes(depth + 1)
        if closing is None or closing[1:].strip() != name:
            raise self.fail(f"{{{{#{name}}}}} is not closed by {{{{/{name}}}}}")
        return Block(call, body, otherwise, variables, inverted)

    # -- inside a tag --------------------------------------------------------------------------------------------------

    def _call(self, content: str) -> tuple[Call, tuple[str, ...]]:
        tokens = self._tokens(content)
        variables: tuple[str, ...] = ()
        marks = [place for place, (kind, text) in enumerate(tokens) if (kind, text) == ("mark", "|")]
        if marks:
            first, last = marks[0], marks[-1]
            if first == last or tokens[first - 1] != ("path", "as") or last != len(tokens) - 1:
                raise self.fail("variables are written as |name|, at the end of the tag")
            variables = tuple(text for _, text in tokens[first + 1 : last])
            tokens = tokens[: first - 1]
        call, rest = self._terms(tokens)
        if rest:
            raise self.fail(f"{rest[0][1]!r} is not expected here")
        return call, variables

    def _tokens(self, content: str) -> list[tuple[str, str]]:
        found, at = [], 0
        while content[at:].strip():
            match = _TOKEN.match(content, at)
            if match is None or match.lastgroup is None:
                raise self.fail(f"{content[at:].strip()[:12]!r} cannot be read")
            found.append((match.lastgroup, match[match.lastgroup]))
            at = match.end()
        return found

    def _terms(self, tokens: list[tuple[str, str]], depth: int = 0) -> tuple[Call, list[tuple[str, str]]]:
        """Read a path with its parameters, up to a closing parenthesis or the end."""
        if depth > DEEPEST:
            raise self.fail(f"more than {DEEPEST} parentheses inside each other")
        if not tokens or tokens[0][0] != "path":
            raise self.fail("a name is expected at the beginning of a tag")
        path = self._path(tokens[0][1])
        parameters: list[Expression] = []
        named: list[tuple[str, Expression]] = []
        rest = tokens[1:]
        while rest and rest[0] != ("mark", ")"):
            key = ""
            if rest[0][0] == "key":
                key, rest = rest[0][1], rest[1:]
            if not rest:
                raise self.fail(f"{key}= has no value")
            value, rest = self._value(rest, depth)
            if key:
                named.append((key, value))
            else:
                parameters.append(value)
        return Call(path, tuple(parameters), tuple(named)), rest

    def _value(self, tokens: list[tuple[str, str]], depth: int) -> tuple[Expression, list[tuple[str, str]]]:
        kind, text = tokens[0]
        if kind == "string":
            return Literal(re.sub(r"\\(.)", r"\1", text[1:-1])), tokens[1:]
        if kind == "number":
            return Literal(float(text) if "." in text else int(text)), tokens[1:]
        if kind == "path":
            return (Literal(_WORDS[text]) if text in _WORDS else self._path(text)), tokens[1:]
        if (kind, text) == ("mark", "("):
            call, rest = self._terms(tokens[1:], depth + 1)
            if not rest:
                raise self.fail("a parenthesis is not closed")
            return call, rest[1:]
        raise self.fail(f"{text!r} is not expected here")

    def _path(self, text: str) -> Path:
        data = text.startswith("@")
        rest, up = text.removeprefix("@"), 0
        while rest.startswith("../"):
            rest, up = rest[3:], up + 1
        if rest == "..":
            rest, up = "", up + 1
        names = [match[1] or match[0] for match in _SEGMENT.finditer(rest.removeprefix("./"))]
        if names and names[0] == "this":
            names = names[1:]
        return Path(tuple(names), up, data)


def _spelled(path: Path) -> str:
    return "@" * path.data + "../" * path.up + ".".join(path.names)


# -- rendering ---------------------------------------------------------------------------------------------------------

#: A helper gets its parameters and its named values.
Helper = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class _Scope:
    """Where a name is looked up: the thing at hand, the variables of blocks around, and what is above."""

    this: Any
    above: _Scope | None = None
    variables: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)


def render(source: str, context: Any, helpers: Mapping[str, Helper] | None = None) -> str:
    """Return the template filled in; raises :class:`TemplateError`."""
    root = _Scope(context, None, {}, {"root": context})
    known = {"eq": equal, **(helpers or {})}
    made, length = [], 0
    for text in _render(parse(source), root, known, count(1)):
        made.append(text)
        length += len(text)
        if length > LONGEST:
            raise TemplateError(f"the rendered text is longer than {LONGEST} characters")
    return "".join(made)


def equal(one: Any = None, other: Any = None, **_: Any) -> bool:
    """Return whether two values are equal; enumerations are known by their id, numbers by their digits."""
    return shown(_identity(one)) == shown(_identity(other))


def _identity(value: Any) -> Any:
    return value["id"] if isinstance(value, Mapping) and "id" in value else value


def shown(value: Any) -> str:
    """Return a value as it is written into the text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value) if isinstance(value, (Mapping, list, tuple)) else str(value)


def _render(nodes: Iterable[Node], scope: _Scope, helpers: Mapping[str, Helper], steps: Iterator[int]) -> Iterable[str]:
    for node in nodes:
        if next(steps) > STEPS:
            raise TemplateError(f"it takes more than {STEPS} steps")
        if isinstance(node, Text):
            yield node.text
        elif isinstance(node, Output):
            yield shown(_evaluate(node.call, scope, helpers))
        else:
            yield from _render_block(node, scope, helpers, steps)


def _render_block(block: Block, scope: _Scope, helpers: Mapping[str, Helper], steps: Iterator[int]) -> Iterable[str]:
    name = _spelled(block.call.path)
    built_in = _BLOCKS.get(name)
    if built_in is not None and not block.inverted:
        if len(block.call.parameters) != 1:
            raise TemplateError(f"{name} takes one value")
        value = _evaluate(block.call.parameters[0], scope, helpers)
        inner = built_in(block, scope, value)
    else:
        value = _evaluate(block.call, scope, helpers)
        if callable(helpers.get(name)) and not isinstance(value, bool):
            raise TemplateError(f"{name} is a helper, not a block: write it without #")
        inner = _section(block, scope, value)
    empty = True
    for one in inner:
        empty = False
        yield from _render(block.body, one, helpers, steps)
    if empty:
        yield from _render(block.otherwise, scope, helpers, steps)


def _if(block: Block, scope: _Scope, value: Any) -> Iterable[_Scope]:
    return [scope] if _truthy(value) else []


def _unless(block: Block, scope: _Scope, value: Any) -> Iterable[_Scope]:
    return [] if _truthy(value) else [scope]


def _with(block: Block, scope: _Scope, value: Any) -> Iterable[_Scope]:
    return [_Scope(value, scope, dict(zip(block.variables, [value], strict=False)))] if _truthy(value) else []


def _each(block: Block, scope: _Scope, value: Any) -> Iterable[_Scope]:
    pairs = list(value.items()) if isinstance(value, Mapping) else list(enumerate(_listed(value)))
    for place, (key, entry) in enumerate(pairs):
        data = {"index": place, "key": key, "first": place == 0, "last": place == len(pairs) - 1}
        yield _Scope(entry, scope, dict(zip(block.variables, [entry, key], strict=False)), data)


_BLOCKS: Mapping[str, Callable[[Block, _Scope, Any], Iterable[_Scope]]] = {
    "if": _if,
    "unless": _unless,
    "with": _with,
    "each": _each,
}


def _section(block: Block, scope: _Scope, value: Any) -> Iterable[_Scope]:
    """``{{#value}}``: for each of a list, once with a thing, once as it is where it is just true."""
    if block.inverted:
        return [] if _truthy(value) else [scope]
    if isinstance(value, (list, tuple)):
        return _each(block, scope, value)
    if not _truthy(value):
        return []
    return [scope] if value is True else [_Scope(value, scope)]


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, (list, tuple)) else ()


def _truthy(value: Any) -> bool:
    return value not in (None, False, 0, "") and not (isinstance(value, (list, tuple)) and not value)


def _evaluate(expression: Expression, scope: _Scope, helpers: Mapping[str, Helper]) -> Any:
    if isinstance(expression, Literal):
        return expression.value
    if isinstance(expression, Path):
        return _look_up(expression, scope)
    helper = helpers.get(_spelled(expression.path))
    if helper is None:
        if expression.parameters or expression.named:
            raise TemplateError(f"there is no helper {_spelled(expression.path)!r}")
        return _look_up(expression.path, scope)
    parameters = [_evaluate(entry, scope, helpers) for entry in expression.parameters]
    named = {name: _evaluate(entry, scope, helpers) for name, entry in expression.named}
    try:
        return helper(*parameters, **named)
    except TypeError:
        raise TemplateError(f"{_spelled(expression.path)} does not take these values") from None


def _look_up(path: Path, scope: _Scope) -> Any:
    where: _Scope | None = scope
    for _ in range(path.up):
        where = None if where is None else where.above
    if where is None:
        return None
    if path.data:
        return _data(path, where)
    if path.names and not path.up:
        named: _Scope | None = where
        while named is not None:
            if path.names[0] in named.variables:
                return _follow(named.variables[path.names[0]], path.names[1:])
            named = named.above
    return _follow(where.this, path.names)


def _data(path: Path, scope: _Scope) -> Any:
    where: _Scope | None = scope
    while where is not None:
        if path.names and path.names[0] in where.data:
            return _follow(where.data[path.names[0]], path.names[1:])
        where = where.above
    return None


def _follow(value: Any, names: Iterable[str]) -> Any:
    for name in names:
        if isinstance(value, Mapping):
            value = value.get(name)
        elif isinstance(value, (list, tuple)):
            if name in {"size", "length"}:
                value = len(value)
            else:
                known = len(name) < 10 and name.isdecimal() and int(name) < len(value)
                value = value[int(name)] if known else None
        else:
            return None
    return value
