"""What tests measure: per alert type a table from metric to a function of the medium.

The same tables serve the alerts and the test results. ``None`` means that a metric was not measured, because the
request ended before. Every measure either only rises or only falls as the medium gets worse, so that over many rounds
it lies between its values for the best and the worst medium; where the *kind* of outcome may differ between the two,
:attr:`Layer.outcome` differs, and nothing is said.
"""

from collections.abc import Mapping

from simulators.thousandeyes.measures.networks import AGENT, BGP, END_TO_END_AGENT, END_TO_END_SERVER, PATH_TRACE, VOICE
from simulators.thousandeyes.measures.requests import REASONS, Layer, Measure
from simulators.thousandeyes.measures.servers import DNS_SERVER, DNS_TRACE, DNSSEC, FILE_SIZE, FTP, SIP_SERVER
from simulators.thousandeyes.measures.web import API, HTTP_SERVER, PAGE_LOAD, PAGE_SIZE, WEB_TRANSACTIONS

LAYERS: Mapping[str, Layer] = {
    "http-server": HTTP_SERVER,
    "page-load": PAGE_LOAD,
    "web-transactions": WEB_TRANSACTIONS,
    "api": API,
    "ftp": FTP,
    "sip-server": SIP_SERVER,
    "dns-server": DNS_SERVER,
    "dns-trace": DNS_TRACE,
    "dnssec": DNSSEC,
    "end-to-end-server": END_TO_END_SERVER,
    "end-to-end-agent": END_TO_END_AGENT,
    "voice": VOICE,
    "path-trace": PATH_TRACE,
    "bgp": BGP,
    "agent": AGENT,
}

__all__ = ["FILE_SIZE", "LAYERS", "PAGE_SIZE", "REASONS", "Layer", "Measure"]
