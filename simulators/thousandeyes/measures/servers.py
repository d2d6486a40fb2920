"""What tests of other servers measure: FTP, SIP, and the DNS with its servers, traces and signatures."""

from __future__ import annotations

from typing import Any

from simulators.thousandeyes import routes
from simulators.thousandeyes.expression import NO_ERROR
from simulators.thousandeyes.measures.requests import Layer, Request, first_byte, handshake, layer_of, throughput
from simulators.thousandeyes.medium import Medium

#: Bytes fetched from an FTP server.
FILE_SIZE = 48_200

_FTP = Request(healthy=226, wrong="Reply")

FTP = layer_of(
    _FTP,
    {
        "ftpReplyCode": _FTP.code,
        "dnsTime": _FTP.phase(1, lambda m: m.dns),
        "connectTime": _FTP.phase(2, lambda m: m.connect),
        "sslTime": handshake(_FTP),
        "negotiationTime": _FTP.phase(4, lambda m: 2 * m.connect),
        "waitTime": _FTP.phase(4, lambda m: m.wait),
        "transferTime": _FTP.phase(5, lambda m: m.receive),
        "totalTime": _FTP.whole,
        "responseTime": _FTP.phase(5, first_byte),
        "ftpErrorType": _FTP.kind,
        "throughput": _FTP.phase(5, throughput(FILE_SIZE)),
        "probDetail": _FTP.detail,
    },
)

_SIP = Request(wrong="options")
_SIP_KINDS = {"DNS": "dns", "Connect": "connect", "SSL": "ssl", "Receive": "options", "Content": "options"}


def _sip_kind(medium: Medium) -> str:
    kind = _SIP.kind(medium)
    return _SIP_KINDS.get(kind, kind)


SIP_SERVER = layer_of(
    _SIP,
    {
        "sipResponseCode": _SIP.code,
        "sipErrorType": _sip_kind,
        "dnsTime": _SIP.phase(1, lambda m: m.dns),
        "connectTime": _SIP.phase(2, lambda m: m.connect),
        "registerTime": _SIP.phase(5, lambda m: m.connect + m.wait // 3),
        "inviteTime": _SIP.phase(5, lambda m: m.connect + m.wait // 2),
        "optionsTime": _SIP.phase(5, lambda m: m.connect + m.wait // 4),
        "waitTime": _SIP.phase(4, lambda m: m.wait),
        "responseTime": _SIP.phase(5, first_byte),
        "sipResponseTime": _SIP.phase(5, first_byte),
        "totalTime": _SIP.whole,
        "probDetail": _SIP.detail,
    },
)


def _resolution(medium: Medium) -> int:
    return medium.dns + medium.trip


_RESOLVE = Request(total=_resolution)


def _answered(medium: Medium) -> bool:
    return _RESOLVE.failure(medium) is None


def _resolve_error(medium: Medium) -> str:
    return NO_ERROR if _answered(medium) else _RESOLVE.detail(medium)


def _addresses(medium: Medium) -> tuple[str, ...] | None:
    if not _answered(medium):
        return None
    target = medium.probe.target
    return (routes.address_of(target.seed, target.address, stray=medium.mapping),)


def _resolve_outcome(medium: Medium) -> tuple[Any, ...]:
    return _RESOLVE.failure(medium), medium.mapping


def _signature(medium: Medium) -> str:
    if _answered(medium) and medium.mapping:
        return f"No DNSSEC public key(s) for {medium.probe.target.address.partition(' ')[0]}"
    return _resolve_error(medium)


DNS_SERVER = Layer(
    {
        "delay": lambda m: _resolution(m) if _answered(m) else None,
        "probDetail": _resolve_error,
        "mapData": _addresses,
    },
    _resolve_outcome,
)
DNS_TRACE = Layer({"probDetail": _resolve_error, "mapData": _addresses}, _resolve_outcome)
DNSSEC = Layer({"probDetail": _signature}, _resolve_outcome)
