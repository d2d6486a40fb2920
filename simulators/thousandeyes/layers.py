"""Which layers a type of test measures, which alert rules go with it, and which default rules it starts with.

One row per type of test, after the vendor's compatibility chart. Layers name the paths of the test results; alert
types are those of rules. Layers of the network come with ``networkMeasurements``, BGP rules with ``bgpMeasurements``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from simulators.thousandeyes.model import AlertRule

NETWORK_LAYERS = ("network", "path-vis")
#: Spellings of an alert type that mean another one.
SYNONYMS = {"transactions": "web-transactions", "web-transaction": "web-transactions", "ftp-server": "ftp"}


@dataclass(frozen=True, slots=True)
class Layers:
    """What one type of test has of its own: result layers, alert types, and how far the network is measured.

    ``network`` is "always", "asked" (``networkMeasurements``, true unless said otherwise) or "never"; ``over`` is the
    alert type of the network underneath; ``routed`` says whether ``bgpMeasurements`` means anything.
    """

    results: tuple[str, ...]
    alerts: tuple[str, ...]
    network: str = "asked"
    over: str = "end-to-end-server"
    routed: bool = True
    traced: bool = True


LAYERS: Mapping[str, Layers] = {
    "agent-to-server": Layers((), (), network="always"),
    "agent-to-agent": Layers((), (), network="always", over="end-to-end-agent"),
    "bgp": Layers(("bgp",), ("bgp",), network="never", routed=False, traced=False),
    "http-server": Layers(("http-server",), ("http-server",)),
    "page-load": Layers(("page-load", "http-server"), ("page-load", "http-server")),
    "web-transactions": Layers(("web-transactions", "http-server"), ("web-transactions", "http-server")),
    "api": Layers(("api",), ("api",)),
    "ftp-server": Layers(("ftp-server",), ("ftp",)),
    "dns-server": Layers(("dns-server",), ("dns-server",)),
    "dns-trace": Layers(("dns-trace",), ("dns-trace",), network="never", routed=False, traced=False),
    "dnssec": Layers(("dnssec",), ("dnssec",), network="never", routed=False, traced=False),
    "sip-server": Layers(("sip-server",), ("sip-server",)),
    "voice": Layers(("rtp-server", "path-vis"), ("voice",), network="never"),
}


def alert_types(kind: str, body: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the alert types whose rules a test of type ``kind`` with these settings may have."""
    row = LAYERS[kind]
    found = list(row.alerts)
    measured = _measures_network(row, body)
    if measured:
        found.append(row.over)
    if row.traced and (measured or row.network == "never"):
        found.append("path-trace")
    if row.routed and body.get("bgpMeasurements") is not False:
        found.append("bgp")
    return tuple(found)


def result_layers(kind: str, body: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the layers whose results a test of type ``kind`` has, the type's own first."""
    row = LAYERS[kind]
    return (*row.results, *NETWORK_LAYERS) if _measures_network(row, body) else row.results


def accepts(kind: str, body: Mapping[str, Any], rule: AlertRule) -> bool:
    """Return whether ``rule`` may be assigned to a test of type ``kind`` with these settings."""
    return SYNONYMS.get(rule.alert_type, rule.alert_type) in alert_types(kind, body)


def defaults(kind: str, body: Mapping[str, Any], rules: Iterable[AlertRule]) -> tuple[str, ...]:
    """Return the ids of those ``rules`` that a test gets when its creator names none.

    The default rule for routing goes to BGP tests only, although others may be given it.
    """
    return tuple(
        rule.id
        for rule in rules
        if rule.is_default and accepts(kind, body, rule) and (rule.alert_type != "bgp" or kind == "bgp")
    )


def _measures_network(row: Layers, body: Mapping[str, Any]) -> bool:
    return row.network == "always" or (row.network == "asked" and body.get("networkMeasurements") is not False)
