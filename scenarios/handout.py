"""What ``pagedrill serve`` prints: addresses, keys, environment, and a snippet per client that works when pasted.

The text for people and the one line for scripts are made from the same :class:`~scenarios.serving.Facts`.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from string import Template
from urllib.parse import urlsplit

from scenarios.serving import BRIDGE, Facts
from simulators.pagerduty.api import API_HOST as REST_HOST
from simulators.pagerduty.api import APP_HOST, CONNECT_HOST, EVENTS_HOST, IDENTITY_HOST, WEB_HOST
from simulators.thousandeyes.api import API_HOST as THOUSANDEYES_HOST
from simulators.thousandeyes.api import APP_HOST as THOUSANDEYES_APP

RULER = 100
WEBHOOK_LISTEN = "127.0.0.1:8085"


@dataclass(frozen=True, slots=True)
class Snippet:
    """Something to paste: ``language`` is python, sh or toml, ``code`` ends with a line end."""

    name: str
    language: str
    code: str


_THOUSANDEYES = """\
from thousandeyes_sdk.alerts.api import AlertsApi
from thousandeyes_sdk.core import ApiClient, Configuration
from thousandeyes_sdk.tests.api import TestsApi

with ApiClient(Configuration(host="$te/v7", access_token=$q_token$te_ca)) as client:
    for test in TestsApi(client).get_tests(aid=$q_aid).tests:
        print(test.test_id, test.type.value, test.test_name)
    for alert in AlertsApi(client).get_alerts(aid=$q_aid).alerts:
        print(alert.id, alert.alert_severity.value, alert.start_date)
"""

_PAGERDUTY = """\
import ssl

from pagerduty import EventsApiV2Client, RestApiV2Client

tls = ssl.create_default_context(cafile=$q_ca)
with EventsApiV2Client($q_routing_key, base_url="$events", verify=tls) as events:
    dedup_key = events.trigger("The shop front is down", "shop-front.example.com")
    with RestApiV2Client($q_api_key, default_from=$q_person, base_url="$rest", verify=tls) as rest:
        for incident in rest.list_all("incidents"):
            print(incident["incident_number"], incident["status"], incident["title"])
    events.resolve(dedup_key)
"""

_PAGERDUTY_PLAIN = """\
# The official client accepts only https. Start again with: pagedrill serve --tls
"""

_HTTPX = """\
${ssl_import}import httpx

thousandeyes = {"Authorization": $q_bearer}
pagerduty = {"Authorization": $q_token_header, "From": $q_person}
with httpx.Client($verify) as client:
    tests = client.get("$te/v7/tests", headers=thousandeyes).json()["tests"]
    print([test["testName"] for test in tests])
    found = client.get("$rest/incidents", params={"statuses[]": "triggered"}, headers=pagerduty).json()
    for incident in found["incidents"]:
        change = {"incident": {"type": "incident_reference", "status": "acknowledged"}}
        answer = client.put(f"$rest/incidents/{incident['id']}", json=change, headers=pagerduty)
        print(answer.status_code, incident["title"])
"""

_CURL = """\
curl -sS$cacert -H $sh_bearer $te/v7/tests
curl -sS$cacert -H $sh_token $rest/incidents
curl -sS$cacert -H 'Content-Type: application/json' $events/v2/enqueue -d \\
  $sh_event
"""

_BRIDGE = """\
# bridge.toml, for a bridge of your own: bridge serve --config bridge.toml
# The sample's rule notifies it after: pagedrill serve --webhook http://$listen/thousandeyes
[receiver]
listen = "$listen"

[store]
path = "bridge.db"

[pagerduty]
events_url = "$events/v2/enqueue"
$bridge_ca
[keys]
operations = { value = $q_routing_key }
"""

_DRILL = """\
# Start an outage, let time pass, and read what happened:
curl -sS$cacert -X POST $te/_sim/conditions -d $sh_condition
curl -sS$cacert -X POST $te/_sim/clock -d '{"advance":"10m"}'
curl -sS$cacert $te/_sim/timeline.txt
# The phones and mailboxes, and how to answer one (by the id of a message; also resolve, escalate):
curl -sS$cacert $rest/_sim/devices
#   curl -sS$cacert -X POST $rest/_sim/devices/messages/ID/acknowledge
# Other clocks: {"mode":"manual"}, {"mode":"rate","rate":60}, {"mode":"autojump"}. End the outage:
#   curl -sS$cacert $te/_sim/conditions
#   curl -sS$cacert -X DELETE $te/_sim/conditions/ID
"""


def environment(facts: Facts) -> dict[str, str]:
    """Return everything a client needs as environment variables."""
    variables = {
        "THOUSANDEYES_URL": f"{facts.urls[THOUSANDEYES_HOST]}/v7",
        "THOUSANDEYES_TOKEN": facts.token,
        "THOUSANDEYES_AID": facts.aid,
        "PAGERDUTY_URL": facts.urls[REST_HOST],
        "PAGERDUTY_API_KEY": facts.api_key,
        "PAGERDUTY_FROM": facts.person,
        "PAGERDUTY_EVENTS_URL": f"{facts.urls[EVENTS_HOST]}/v2/enqueue",
        "PAGERDUTY_ROUTING_KEY": facts.routing_key,
        # Where Terraform's providers look; PagerDuty's never sends a From.
        "TE_API_ENDPOINT": f"{facts.urls[THOUSANDEYES_HOST]}/v7",
        "TE_TOKEN": facts.token,
        "TE_AID": facts.aid,
    }
    if facts.user_key:
        variables["PAGERDUTY_TOKEN"] = facts.user_key
    return variables | ({"SSL_CERT_FILE": facts.ca} if facts.ca else {})


def snippets(facts: Facts) -> tuple[Snippet, ...]:
    """Return a snippet per client; the last one is the drill: an outage from its start to the answered phone."""
    ca, te, rest, events = facts.ca, *(facts.urls[host] for host in (THOUSANDEYES_HOST, REST_HOST, EVENTS_HOST))
    bearer, token_header = f"Bearer {facts.token}", f"Token token={facts.api_key}"
    texts = {
        "bearer": bearer,
        "token_header": token_header,
        "token": facts.token,
        "aid": facts.aid,
        "api_key": facts.api_key,
        "routing_key": facts.routing_key,
        "person": facts.person,
        "ca": ca,
    }
    event = {"routing_key": facts.routing_key, "event_action": "resolve", "dedup_key": "nothing"}
    condition = {"kind": "status", "value": 503} | ({"test": facts.test} if facts.test else {})
    values = {f"q_{name}": _quoted(text) for name, text in texts.items()} | {
        "te": te,
        "rest": rest,
        "events": events,
        "te_ca": f", ssl_ca_cert={_quoted(ca)}" if ca else "",
        "ssl_import": "import ssl\n\n" if ca else "",
        "verify": f"verify=ssl.create_default_context(cafile={_quoted(ca)})" if ca else "",
        "cacert": f" --cacert {shlex.quote(ca)}" if ca else "",
        "sh_bearer": shlex.quote(f"Authorization: {bearer}"),
        "sh_token": shlex.quote(f"Authorization: {token_header}"),
        "sh_event": shlex.quote(_compact(event)),
        "sh_condition": shlex.quote(_compact(condition)),
        "listen": urlsplit(facts.webhook).netloc or WEBHOOK_LISTEN,
        "bridge_ca": f"ca_file = {_quoted(ca)}\n" if ca else "",
    }
    templates = (
        ("thousandeyes-sdk", "python", _THOUSANDEYES),
        ("pagerduty", "python", _PAGERDUTY if ca else _PAGERDUTY_PLAIN),
        ("httpx", "python", _HTTPX),
        ("curl", "sh", _CURL),
        ("bridge", "toml", _BRIDGE),
        ("drill", "sh", _DRILL),
    )
    return tuple(Snippet(name, language, Template(text).substitute(values)) for name, language, text in templates)


def as_json(facts: Facts) -> str:
    """Return everything as one line of JSON."""
    document = {
        "urls": dict(facts.urls),
        "keys": {
            "thousandeyes_token": facts.token,
            "aid": facts.aid,
            "pagerduty_api_key": facts.api_key,
            "pagerduty_user_key": facts.user_key or None,
            "routing_key": facts.routing_key,
            "from": facts.person,
        },
        "ca": facts.ca or None,
        "bridge": facts.bridge or None,
        "test": facts.test or None,
        "clock": {"now": facts.now, "mode": facts.mode, "rate": facts.rate},
        "seed": facts.seed,
        "environment": environment(facts),
        "snippets": {snippet.name: snippet.code for snippet in snippets(facts)},
    }
    return json.dumps(document, ensure_ascii=False) + "\n"


def as_text(facts: Facts) -> str:
    """Return everything for a terminal, the addresses and keys last, where they stay in sight."""
    parts = [
        _section("environment", "sh", "".join(f"export {k}={shlex.quote(v)}\n" for k, v in environment(facts).items()))
    ]
    parts += [_section(snippet.name, snippet.language, snippet.code) for snippet in snippets(facts)]
    return "".join(parts) + _section("serving", "", _table(_addresses(facts))) + _clock(facts)


def _quoted(text: str) -> str:
    """Return a text as Python and TOML write it."""
    return json.dumps(text, ensure_ascii=False)


def _compact(document: Mapping[str, object]) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def _section(name: str, language: str, body: str) -> str:
    title = f"-- {name} ({language}) " if language else f"-- {name} "
    return f"{title}{'-' * (RULER - len(title))}\n{body}\n"


def _addresses(facts: Facts) -> Mapping[str, tuple[str, str]]:
    own = f"; without From: {facts.user_key}" if facts.user_key else ""
    known = {
        THOUSANDEYES_HOST: ("/v7", f"token {facts.token}, account group (aid) {facts.aid}"),
        REST_HOST: ("", f"API key {facts.api_key}, From {facts.person}" + own),
        EVENTS_HOST: ("/v2/enqueue", f"integration key {facts.routing_key}"),
        WEB_HOST: ("", "the pages that html_url and the links of e-mails lead to"),
        THOUSANDEYES_APP: ("/integrations", "connect PagerDuty in a browser, from here"),
        APP_HOST: ("", "the install flow, /install/integration"),
        IDENTITY_HOST: ("", "OAuth, /oauth/authorize and /oauth/token"),
        CONNECT_HOST: ("", "classic connect, /connect"),
    }
    rows = {
        host: (url + known.get(host, ("", ""))[0], known.get(host, ("", ""))[1]) for host, url in facts.urls.items()
    }
    if facts.bridge:
        rows[BRIDGE] = (facts.bridge, "takes the notifications of the sample's rule")
    if facts.ca:
        rows["certificates"] = (facts.ca, "the authority to trust, made for this run")
    return rows


def _table(rows: Mapping[str, tuple[str, str]]) -> str:
    first = max(map(len, rows))
    second = max(len(address) for address, _ in rows.values())
    return "".join(
        f"{name:<{first}}  {address:<{second}}  {note}".rstrip() + "\n" for name, (address, note) in rows.items()
    )


def _clock(facts: Facts) -> str:
    speed = f"at rate {facts.rate:g}" if facts.mode == "rate" else f"in mode {facts.mode}"
    return f"Virtual time began at {facts.now} {speed}; seed {facts.seed}. Stop with Ctrl-C.\n"
