"""The template language of custom webhooks: what it can say, and what it says when something is wrong."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.thousandeyes.handlebars import DEEPEST, TemplateError, parse, render

CONTEXT: dict[str, Any] = {
    "id": "n1",
    "type": {"id": 2},
    "alert": {
        "id": "a1",
        "rule": {"name": 'say "no"', "notes": None},
        "timeCleared": None,
        "targets": [{"description": "one"}, {"description": "two"}],
        "details": [],
        "count": 0,
    },
    "odd name": "x",
}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("plain", "plain"),
        ("{{id}}-{{alert.id}}", "n1-a1"),
        ("{{ alert.rule.name }}", 'say "no"'),
        ("{{{alert.rule.name}}}", 'say "no"'),
        ("{{& id}}", "n1"),
        ("{{type.id}}", "2"),
        ("[{{alert.rule.notes}}{{nobody.knows.it}}]", "[]"),
        ("{{alert.targets.size}} {{alert.details.length}}", "2 0"),
        ("{{alert.targets.1.description}}", "two"),
        ("{{[odd name]}}", "x"),
        ("{{this.id}} {{./id}}", "n1 n1"),
        ("a{{! not seen }}b{{!-- nor {{this}} --}}c", "abc"),
        (r"\{{id}}", "{{id}}"),
        ("a  {{~id~}}  b", "an1b"),
        ("{{#if alert.targets.size}}yes{{/if}}", "yes"),
        ("{{#if alert.count}}yes{{else}}no{{/if}}", "no"),
        ("{{#if alert.details}}yes{{^}}no{{/if}}", "no"),
        ("{{#if alert.timeCleared}}a{{else if alert.count}}b{{else if id}}c{{else}}d{{/if}}", "c"),
        ("{{#unless alert.timeCleared}}open{{/unless}}", "open"),
        ("{{#each alert.targets}}{{description}}{{#unless @last}}, {{/unless}}{{/each}}", "one, two"),
        ("{{#each alert.targets}}{{@index}}{{@first}}{{/each}}", "0true1false"),
        ("{{#each alert.targets}}{{../id}}{{../../id}}{{@root.id}};{{/each}}", "n1n1;n1n1;"),
        ("{{#each alert.targets as |t i|}}{{i}}={{t.description}} {{/each}}", "0=one 1=two "),
        ("{{#each alert.details}}x{{else}}none{{/each}}", "none"),
        ("{{#each type}}{{@key}}:{{this}}{{/each}}", "id:2"),
        ("{{#with alert.rule as | rule |}}{{rule.name}}{{name}}{{/with}}", 'say "no"say "no"'),
        ("{{#with alert.timeCleared}}x{{else}}y{{/with}}", "y"),
        ("{{#with alert}}{{#with rule}}{{../../id}}{{/with}}{{/with}}", "n1"),
        ("{{#alert.targets}}{{description}}{{/alert.targets}}", "onetwo"),
        ("{{#alert}}{{id}}{{/alert}}", "a1"),
        ("{{^alert.details}}none{{/alert.details}}", "none"),
        ("{{#eq type 2}}trigger{{/eq}}{{#eq type.id '1'}}clear{{else}}!{{/eq}}", "trigger!"),
        ("{{#if (eq type.id 2)}}t{{/if}}{{eq id 'n1'}}", "ttrue"),
        ("{{#if (eq (eq 1 1) true)}}ok{{/if}}", "ok"),
        ("{{shout id mark='?'}}", "N1?"),
        ('{{shout (shout "a b")}}', "A B!!"),
        ("{{alert.details}}", "[]"),
    ],
)
def test_a_template_says_what_it_says(template: str, text: str) -> None:
    """Paths, blocks, helpers and white space mean what they mean in Handlebars; nothing is escaped."""
    helpers = {"shout": lambda value, mark="!": f"{value.upper()}{mark}"}
    context = CONTEXT | {"alert": CONTEXT["alert"] | {"id": "a1"}}
    assert render(template, context, helpers) == text


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{id", "a tag is not closed"),
        ("x\n{{#if id}}", "line 2 of the template: {{#if}} is not closed by {{/if}}"),
        ("{{#if id}}{{/each}}", "is not closed by {{/if}}"),
        ("{{#if id}}{{else}}{{/each}}", "is not closed by {{/if}}"),
        ("{{#if id}}{{else if id}}{{/unless}}", "is not closed by {{/if}}"),
        ("{{/if}}", "{{/if}} closes nothing"),
        ("{{}}", "a tag is empty"),
        ("{{> header}}", "partials are not known here"),
        ("{{a b c=}}", "c= has no value"),
        ("{{a (b}}", "a parenthesis is not closed"),
        ("{{a b)}}", "')' is not expected here"),
        ("{{a %}}", "'%' cannot be read"),
        ("{{'text'}}", "a name is expected"),
        ("{{a as |x|}}", "only a block has variables"),
        ("{{#each a |x|}}{{/each}}", "variables are written as |name|"),
        ("{{#if a b}}{{/if}}", "if takes one value"),
        ("{{unknown 1}}", "there is no helper 'unknown'"),
        ("{{#stamp id}}x{{/stamp}}", "stamp is a helper, not a block"),
        ("{{stamp}}", "stamp does not take these values"),
        ("{{#if id}}" * (DEEPEST + 2) + "{{/if}}" * (DEEPEST + 2), "blocks inside each other"),
    ],
)
def test_a_mistake_is_one_line(template: str, said: str) -> None:
    """Reading says the line; rendering says which helper."""
    with pytest.raises(TemplateError) as caught:
        render(template, CONTEXT, {"stamp": lambda value: f"<{value}>"})
    assert said in str(caught.value)


@given(st.text(alphabet="{}#/^~!&@.|()'\"= \nifeachswtlasxid12", max_size=60))
def test_any_text_is_a_template_or_is_refused(source: str) -> None:
    """Nothing but the one error comes of reading and rendering it."""
    with suppress(TemplateError):
        render(source, CONTEXT)


@given(st.text().filter(lambda text: "{{" not in text))
def test_a_text_without_tags_is_rendered_as_it_is(source: str) -> None:
    """Not a character is changed."""
    assert render(source, {}) == source


def test_a_template_is_read_once() -> None:
    """Reading the same text again costs nothing."""
    assert parse("{{id}}") is parse("{{id}}")
