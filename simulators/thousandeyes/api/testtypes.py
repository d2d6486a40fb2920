"""The thirteen types of test as rows of the resource table: fields, limits and defaults as the vendor states them.

Types share groups of fields (network, HTTP, browser); what only one type has stands in its own row. Targets and
intervals are required on create. ``bgp`` knows no agents and no interval. What an answer does not show unless it was
set has no default here, though the description names one: the vendor's Terraform provider would see it drift.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from simulators.engine.resources import Field, Kind, Resource
from simulators.thousandeyes.api.fields import flag, one_of, seconds, secret, shown, text, texts, thing, things, whole

INTERVALS = (60, 120, 300, 600, 900, 1800, 3600)
EXPANSIONS = ("agent", "alert-rule", "monitor", "label", "tag", "shared-with-account")
SSL_VERSIONS = {"0": "Auto", "3": "SSLv3", "4": "TLS v1.0", "5": "TLS v1.1", "6": "TLS v1.2", "7": "TLS v1.3"}
#: Differentiated services code points by id: class selectors, assured forwarding, expedited forwarding.
DSCP = {
    "0": "Best Effort (DSCP 0)", "8": "CS 1 (DSCP 8)", "16": "CS 2 (DSCP 16)", "24": "CS 3 (DSCP 24)",
    "32": "CS 4 (DSCP 32)", "40": "CS 5 (DSCP 40)", "48": "CS 6 (DSCP 48)", "56": "CS 7 (DSCP 56)",
    "10": "AF 11 (DSCP 10)", "12": "AF 12 (DSCP 12)", "14": "AF 13 (DSCP 14)", "18": "AF 21 (DSCP 18)",
    "20": "AF 22 (DSCP 20)", "22": "AF 23 (DSCP 22)", "26": "AF 31 (DSCP 26)", "28": "AF 32 (DSCP 28)",
    "30": "AF 33 (DSCP 30)", "34": "AF 41 (DSCP 34)", "36": "AF 42 (DSCP 36)", "38": "AF 43 (DSCP 38)",
    "46": "EF (DSCP 46)", "44": "Voice Admit (DSCP 44)",
}  # fmt: skip
#: The one codec whose id is published; the others have no text here.
CODECS = {"0": "G.711 @ 64 Kbps"}

#: What every type has.
_COMMON = (
    *shown("testId", "type", "createdBy", "createdDate", "modifiedBy", "modifiedDate", "savedEvent", "liveShare"),
    *shown("_links"),
    text("testName", most=255),
    text("description"),
    flag("alertsEnabled", True),
    flag("enabled", True),
    texts("alertRules", write_only=True),
    texts("labels", write_only=True),
    texts("tags", write_only=True),
    texts("sharedWithAccounts", write_only=True),
)
_AGENTS = (
    seconds("interval", *INTERVALS, required=True),
    things("agents", text("agentId", required=True), text("sourceIpAddress"), required=True, write_only=True),
    flag("randomizedStartTime", False),
)
_ROUTES = (texts("monitors", write_only=True), flag("bgpMeasurements", True), flag("usePublicBgp"))
_PROTOCOL = one_of("protocol", "tcp", "icmp", "udp", default="tcp")
_PATHS = (whole("numPathTraces", 1, 10, 3), one_of("pathTraceMode", "classic", "in-session", default="classic"))
_PROBE = one_of("probeMode", "auto", "sack", "syn", default="auto")
_RATE = whole("fixedPacketRate", 0, 100)
_IPV6 = one_of("ipv6Policy", "force-ipv4", "prefer-ipv6", "force-ipv6", "use-agent-policy", default="use-agent-policy")
_NETWORK = (flag("networkMeasurements", True), flag("mtuMeasurements"), *_PATHS, _PROBE)
_BANDWIDTH = flag("bandwidthMeasurements")
_DSCP = (one_of("dscpId", *DSCP, default="0"), *shown("dscp"))
_TLS = (one_of("sslVersionId", *SSL_VERSIONS, default="0"), *shown("sslVersion"))
_PROXY = (
    flag("overrideAgentProxy", False),
    text("overrideProxyId"),
    flag("collectProxyNetworkData", False),
)
_QUERY = (text("domain", required=True, most=1024), one_of("dnsQueryClass", "in", "ch"))
_TRANSPORT = one_of("dnsTransportProtocol", "udp", "tcp", default="udp")
_URL = text("url", required=True, most=8192)
_CREDENTIALS = texts("credentials")
#: Fields of newer versions of the API: secrets kept in a vault, and which Chromium a browser test uses.
_VAULT = things("vaultCredentials", text("secretId"), one_of("target", "username", "password", "script"))
_CHROMIUM = one_of("chromiumTrack", "stable", "latest")

_HTTP = (
    _URL,
    one_of("authType", "none", "basic", "ntlm", "kerberos", "oauth", default="none"),
    text("username"),
    secret("password"),
    flag("useNtlm"),
    thing(
        "oAuth",
        text("testUrl"),
        one_of("requestMethod", "get", "post"),
        text("postBody"),
        text("headers"),
        one_of("authType", "none", "basic", "ntlm"),
        text("username"),
        secret("password"),
    ),
    thing("agentInterfaces", text("ipAddress"), text("agentId")),
    text("clientCertificate"),
    text("contentRegex", most=5000),
    thing("customHeaders", thing("root"), thing("domains"), thing("all")),
    text("desiredStatusCode"),
    flag("distributedTracing"),
    whole("downloadLimit", 0),
    text("dnsOverride"),
    texts("headers"),
    text("postBody"),
    one_of("requestMethod", "get", "post"),
    whole("httpTargetTime", 100, 5000),
    whole("httpTimeLimit", 5, 60, 5),
    whole("httpVersion", 1, 2, 2),
    flag("includeHeaders", True),
    flag("followRedirects", True),
    flag("verifyCertificate", False),
    flag("allowUnsafeLegacyRenegotiation", True),
    *_TLS,
    text("userAgent"),
    _VAULT,
    *_PROXY,
    *_NETWORK,
    _BANDWIDTH,
    _PROTOCOL,
    _RATE,
)
_BROWSER = (
    seconds("subinterval", 60, 120, 300, 600, 900, 1200, 1800, 3600),
    one_of("pageLoadingStrategy", "normal", "eager", "none", default="normal"),
    text("blockDomains"),
    flag("disableScreenshot", False),
    flag("allowMicAndCamera", False),
    flag("allowGeolocation", False),
    text("browserLanguage"),
    text("chromeOptions"),
    text("chromePolicies"),
    text("emulatedDeviceId"),
    flag("identifyAgentTrafficWithUserAgent", False),
    _CHROMIUM,
)
_API_STEP = (
    text("name", required=True),
    text("url", required=True, most=8192),
    one_of("method", "get", "post", "put", "delete", "patch", default="get"),
    things("headers", text("key"), text("value")),
    text("body"),
    one_of("authType", "none", "basic", "bearer-token", "oauth2", default="none"),
    things(
        "assertions",
        one_of("name", "status-code", "response-body"),
        one_of("operator", "is", "is-not", "includes", "not-includes", "matches", "not-matches"),
        text("value"),
    ),
    things("variables", text("name"), text("value")),
    whole("waitTimeMs", 0),
    flag("collectApiResponse"),
    flag("verifyCertificate"),
    text("username"),
    secret("clientId"),
    text("tokenUrl"),
    text("scope"),
    one_of("clientAuthentication", "basic-auth-header", "in-body"),
    secret("password"),
    secret("bearerToken"),
    secret("clientSecret"),
)
_SIP = thing(
    "targetSipCredentials",
    text("authUser"),
    secret("password"),
    whole("port", 1, 65535, required=True),
    one_of("protocol", "tcp", "tls", "udp", default="tcp"),
    text("sipRegistrar"),
    text("user"),
    required=True,
    write_only=True,
)


def _test(kind: str, *fields: Field) -> Resource:
    expansions = EXPANSIONS if kind != "bgp" else tuple(name for name in EXPANSIONS if name != "agent")
    return Resource("test", "tests", f"/tests/{kind}", (*_COMMON, *fields), include=expansions)


_TYPES: Mapping[str, Resource] = {
    "agent-to-server": _test(
        "agent-to-server",
        *_AGENTS,
        *_ROUTES,
        text("server", required=True, most=1024),
        Field("port", Kind.INTEGER, minimum=1, maximum=65535, write_only=True),
        flag("continuousMode"),
        whole("pingPayloadSize", 0, 1400),
        flag("networkMeasurements", False),
        flag("mtuMeasurements"),
        *_PATHS,
        _PROBE,
        _BANDWIDTH,
        _PROTOCOL,
        _RATE,
        _IPV6,
        *_DSCP,
    ),
    "agent-to-agent": _test(
        "agent-to-agent",
        *_AGENTS,
        *_ROUTES,
        text("targetAgentId", required=True),
        one_of("direction", "to-target", "from-target", "bidirectional", default="to-target"),
        one_of("protocol", "tcp", "udp", default="tcp"),
        whole("port", 1, 65535, 49153),
        whole("mss", 20, 1400),
        flag("throughputMeasurements", False),
        whole("throughputDuration", 5000, 30000, 10000),
        whole("throughputRate", 8, 1000),
        *_PATHS,
        _RATE,
        *_DSCP,
    ),
    "bgp": _test(
        "bgp",
        text("prefix", required=True),
        flag("includeCoveredPrefixes"),
        flag("usePublicBgp", True),
        texts("monitors", write_only=True),
    ),
    "http-server": _test("http-server", *_AGENTS, *_ROUTES, *_HTTP, _IPV6),
    "page-load": _test(
        "page-load",
        *_AGENTS,
        *_ROUTES,
        *_HTTP,
        *_BROWSER,
        seconds("httpInterval", *INTERVALS),
        whole("pageLoadTimeLimit", 5, 60, 10),
        whole("pageLoadTargetTime", 1, 60),
    ),
    "web-transactions": _test(
        "web-transactions",
        *_AGENTS,
        *_ROUTES,
        *_HTTP,
        *_BROWSER,
        text("transactionScript", required=True),
        whole("targetTime", 1, 180, 10),
        whole("timeLimit", 5, 180, 30),
        flag("flagCollectConsoleLogs"),
        _CREDENTIALS,
    ),
    "api": _test(
        "api",
        *_AGENTS,
        *_ROUTES,
        _URL,
        things("requests", *_API_STEP, required=True),
        things("predefinedVariables", text("name"), text("value")),
        whole("targetTime", 0, 60),
        whole("timeLimit", 5, 180, 30),
        _CREDENTIALS,
        _VAULT,
        text("clientCertificate"),
        text("clientCertDomainsAllowList"),
        flag("distributedTracing"),
        flag("followRedirects", True),
        *_TLS[:1],
        *_PROXY,
        *_NETWORK,
        _PROTOCOL,
    ),
    "ftp-server": _test(
        "ftp-server",
        *_AGENTS,
        *_ROUTES,
        _URL,
        one_of("requestType", "download", "upload", "list", required=True),
        text("username", required=True),
        secret("password", required=True),
        whole("ftpTimeLimit", 10, 60, 10),
        whole("ftpTargetTime", 1000, 6000),
        whole("downloadLimit", 0),
        flag("useActiveFtp", False),
        flag("useExplicitFtps"),
        *_NETWORK,
        _BANDWIDTH,
        _PROTOCOL,
        _RATE,
        _IPV6,
    ),
    "dns-server": _test(
        "dns-server",
        *_AGENTS,
        *_ROUTES,
        *_QUERY,
        texts("dnsServers", required=True, write_only=True),
        _TRANSPORT,
        flag("recursiveQueries"),
        *_NETWORK,
        _BANDWIDTH,
        _PROTOCOL,
        _RATE,
        _IPV6,
    ),
    "dns-trace": _test("dns-trace", *_AGENTS, *_QUERY, _TRANSPORT),
    "dnssec": _test("dnssec", *_AGENTS, *_QUERY),
    "sip-server": _test(
        "sip-server",
        *_AGENTS,
        *_ROUTES,
        _SIP,
        flag("registerEnabled", False),
        text("optionsRegex"),
        whole("sipTimeLimit", 5, 10, 5),
        whole("sipTargetTime", 100, 5000),
        *_NETWORK,
        _RATE,
        _IPV6,
    ),
    "voice": _test(
        "voice",
        *_AGENTS,
        *_ROUTES,
        text("targetAgentId", required=True),
        text("codecId", default="0"),
        *shown("codec"),
        whole("duration", 5, 30, 5),
        whole("jitterBuffer", 0, 150, 40),
        whole("port", 1024, 65535),
        whole("numPathTraces", 1, 10, 3),
        *_DSCP,
    ),
}  # fmt: skip
_NAMES = tuple(dict.fromkeys(entry.name for resource in _TYPES.values() for entry in resource.fields))


def _knowing_others(own: Resource) -> Resource:
    """Return a type that leaves aside the settings only other types have: nobody checked what is in them."""
    foreign = tuple(name for name in _NAMES if own.field(name) is None)
    return replace(own, extra={"foreign": foreign})


TEST_TYPES: Mapping[str, Resource] = {kind: _knowing_others(own) for kind, own in _TYPES.items()}

#: Settings an instant test has no use for; they are accepted and left aside (ThousandEyes: instant tests).
LEFT_ASIDE = (
    "interval", "subinterval", "httpInterval", "enabled", "alertsEnabled", "alertRules", "bgpMeasurements",
    "usePublicBgp", "monitors",
)  # fmt: skip
INSTANT_EXPANSIONS = ("agent", "label", "tag", "shared-with-account")


def _instant(kind: str, regular: Resource) -> Resource:
    fields = tuple(
        Field(entry.name, Kind.ANY, read_only=True) if entry.name in LEFT_ASIDE else entry for entry in regular.fields
    )
    path, include = f"/tests/{kind}/instant", INSTANT_EXPANSIONS
    return replace(regular, path=path, fields=fields, verbs=("create",), include=include)


#: The types of instant tests: there is none for routes.
INSTANT_TYPES: Mapping[str, Resource] = {
    kind: _instant(kind, regular) for kind, regular in TEST_TYPES.items() if kind != "bgp"
}
