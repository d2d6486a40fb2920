"""Templates to begin a custom webhook with, as the vendor's pages offer them; the texts are our own.

Generic carries everything a template can see; the others are shaped for the service they are named after.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Preset:
    """What a preset fills in: a payload or query parameters."""

    name: str
    payload: str = ""
    query: str = ""


_DETAILS = """[{{#each alert.details}}
      {"metricsAtStart": "{{metricsAtStart}}",{{#if metricsAtEnd}} "metricsAtEnd": "{{metricsAtEnd}}",{{/if}}
       "source": {"id": "{{source.id}}", "name": "{{source.name}}"
       {{#if source.asn}}, "asn": "{{source.asn.name}}"{{/if}}}}
      {{#unless @last}},{{/unless}}{{/each}}]"""

GENERIC = (
    """{
  "id": "{{id}}",
  "type": "{{type.id}}",
  "alert": {
    "id": "{{alert.id}}",
    "type": "{{alert.rule.alertType.id}}",
    "severity": "{{alert.severity.id}}",
    {{#if alert.test}}
    "test": {
      "name": "{{alert.test.name}}",
      "labels": [{{#each alert.test.labels}}"{{name}}"{{#unless @last}}, {{/unless}}{{/each}}]
    },
    "targets": [{{#each alert.targets}}"{{description}}"{{#unless @last}}, {{/unless}}{{/each}}],
    {{/if}}
    {{#with alert.rule as |rule|}}
    "rule": {
      "id": "{{rule.id}}",
      "name": "{{rule.name}}",
      "expression": "{{formatExpression rule.expression}}",
      "notes": "{{rule.notes}}"
    },
    {{/with}}
    "triggered": {{alert.firstSeen.epochMilli}},
    {{#if alert.timeCleared}}"cleared": {{alert.timeCleared.epochMilli}},{{/if}}
    "details": """
    + _DETAILS
    + """
  }
}"""
)

_HEADLINE = "{{#eq type.id 2}}Triggered{{else}}Cleared{{/eq}}: {{alert.rule.name}}"
_ABOUT = "{{#if alert.test}} on {{alert.test.name}}{{/if}} ({{alert.severity.id}}, {{alert.details.size}} locations)"

PRESETS: Mapping[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset("Generic", GENERIC),
        Preset(
            "AppDynamics",
            query=(
                '{"severity": "{{#eq alert.severity.id "CRITICAL"}}ERROR{{else}}WARN{{/eq}}", "eventtype": "CUSTOM", '
                f'"customeventtype": "ThousandEyes", "summary": "{_HEADLINE}{_ABOUT}"}}'
            ),
        ),
        Preset("Cisco Webex", f'{{"markdown": "**{_HEADLINE}**{_ABOUT}"}}'),
        Preset(
            "Microsoft Teams",
            '{"@type": "MessageCard", "@context": "https://schema.org/extensions", '
            f'"summary": "{_HEADLINE}", "title": "{_HEADLINE}", "text": "{_HEADLINE}{_ABOUT}"}}',
        ),
        Preset("Slack", f'{{"text": "{_HEADLINE}{_ABOUT}"}}'),
        Preset(
            "Splunk",
            '{"sourcetype": "thousandeyes", "event": {"eventId": "{{id}}-{{alert.id}}", "type": "{{type.id}}", '
            '"severity": "{{alert.severity.id}}", {{#if alert.test}}"test": {"name": "{{alert.test.name}}"}, {{/if}}'
            '"triggered": {{alert.firstSeen.epochMilli}}, '
            '{{#if alert.timeCleared}}"cleared": {{alert.timeCleared.epochMilli}}, {{/if}}'
            f'"details": {_DETAILS}}}}}',
        ),
    )
}
