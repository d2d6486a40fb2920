"""The schemas are sound, say where they come from, let good messages through, and each of their rules bites."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from bad_messages import BAD, broken
from good_messages import GOOD
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from contracts import catalogue, traffic

NAMES = tuple(catalogue.schemas())
WORDS = {"$schema", "$id", "$ref", "$defs", "title", "description", "source"}
RULES = {"type", "enum", "const", "pattern", "minLength", "maxLength", "minimum", "maximum", "minItems", "anyOf", "not"}
ONE, MANY = {"items", "additionalProperties", "then", "else"}, {"properties", "$defs"}
Rule = tuple[int, str, str]


def rules(name: str, schema: Mapping[str, Any], place: str = "#") -> Iterator[tuple[Rule, str]]:
    """Yield every rule of a schema (one per required name), with where it stands; ``if`` only asks."""
    for word, value in schema.items():
        here = f"{place}/{word}"
        if word in RULES:
            yield (id(schema), word, ""), f"{name}{here}"
        elif word == "required":
            yield from (((id(schema), word, field), f"{name}{here} {field}") for field in value)
        elif word in ONE:
            yield from rules(name, value, here)
        elif word in MANY:
            for key, inner in value.items():
                yield from rules(name, inner, f"{here}/{key}")
        elif word == "allOf":
            for index, inner in enumerate(value):
                yield from rules(name, inner, f"{here}/{index}")
        else:
            assert word in WORDS | {"if"}, f"{name}{here} is no word these schemas use"


def hit(error: ValidationError) -> Rule:
    """Return the rule an error is about."""
    field = re.match(r"'(.*)' is a required property", error.message)
    return id(error.schema), str(error.validator), field[1] if field and error.validator == "required" else ""


def test_every_contract_has_examples() -> None:
    """Good and bad messages are there for each schema and for nothing else."""
    assert set(GOOD) == set(BAD) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_is_sound_and_says_what_it_is(name: str) -> None:
    """It keeps the metaschema, is named after its file, and tells its title, meaning and source."""
    schema = catalogue.schemas()[name]
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"] == catalogue.PREFIX + name
    assert all(len(schema[word]) > 10 for word in ("title", "description", "source"))


@pytest.mark.parametrize("name", NAMES)
def test_good_messages_keep_their_contract(name: str) -> None:
    """Values at the edge of what is allowed pass."""
    for message in GOOD[name]:
        body = message if isinstance(message, str) else json.dumps(message)
        assert catalogue.flaws(name, body) == []


@pytest.mark.parametrize("name", NAMES)
def test_bad_messages_break_it_where_they_are_bad(name: str) -> None:
    """The pointer leads to the changed place, or to what contains the place that is gone."""
    for example, pointer, value in BAD[name]:
        found = catalogue.flaws(name, json.dumps(broken(name, example, pointer, value)))
        assert found, (name, pointer, value)
        assert any(pointer.startswith(flaw.pointer) or flaw.pointer.startswith(pointer) for flaw in found)


def test_no_rule_is_without_a_message_that_breaks_it() -> None:
    """A rule nobody can break, or that was taken out of the schemas by mistake, is found out."""
    known = dict(rule for name in NAMES for rule in rules(name, catalogue.schemas()[name]))
    broke = {
        hit(error)
        for name in NAMES
        for bad in BAD[name]
        for error in catalogue.validator(name).iter_errors(broken(name, *bad))
    }
    assert [place for rule, place in known.items() if rule not in broke] == []


def test_every_schema_governs_something() -> None:
    """A schema no row of the table names would check nothing."""
    assert {row.contract for row in traffic.TABLE if row.contract} == set(NAMES)
