"""What every account has from the start: agents all over the world, default alert rules, roles and permissions.

Cities, countries and coordinates are real, addresses are from the ranges reserved for documentation. The default rules
carry the names of current accounts; what they say follows the published table of older ones, because nobody publishes
the present definitions.
"""

from __future__ import annotations

from simulators.engine import ids

#: City, country, latitude, longitude. The first eight keep their places, and so their ids.
CITIES = (
    ("Singapore", "SG", 1.35, 103.82),
    ("London", "GB", 51.51, -0.13),
    ("Oslo", "NO", 59.91, 10.75),
    ("New York, NY", "US", 40.71, -74.01),
    ("Tokyo", "JP", 35.68, 139.69),
    ("Frankfurt", "DE", 50.11, 8.68),
    ("São Paulo", "BR", -23.55, -46.63),
    ("Sydney", "AU", -33.87, 151.21),
    ("Amsterdam", "NL", 52.37, 4.9),
    ("Ashburn, VA", "US", 39.04, -77.49),
    ("Atlanta, GA", "US", 33.75, -84.39),
    ("Auckland", "NZ", -36.85, 174.76),
    ("Bangkok", "TH", 13.76, 100.5),
    ("Bogotá", "CO", 4.71, -74.07),
    ("Buenos Aires", "AR", -34.6, -58.38),
    ("Cairo", "EG", 30.04, 31.24),
    ("Chicago, IL", "US", 41.88, -87.63),
    ("Copenhagen", "DK", 55.68, 12.57),
    ("Dallas, TX", "US", 32.78, -96.8),
    ("Dubai", "AE", 25.2, 55.27),
    ("Dublin", "IE", 53.35, -6.26),
    ("Helsinki", "FI", 60.17, 24.94),
    ("Hong Kong", "HK", 22.32, 114.17),
    ("Istanbul", "TR", 41.01, 28.98),
    ("Jakarta", "ID", -6.21, 106.85),
    ("Johannesburg", "ZA", -26.2, 28.05),
    ("Kuala Lumpur", "MY", 3.14, 101.69),
    ("Lagos", "NG", 6.52, 3.38),
    ("Lima", "PE", -12.05, -77.04),
    ("Los Angeles, CA", "US", 34.05, -118.24),
    ("Madrid", "ES", 40.42, -3.7),
    ("Manila", "PH", 14.6, 120.98),
    ("Melbourne", "AU", -37.81, 144.96),
    ("Mexico City", "MX", 19.43, -99.13),
    ("Miami, FL", "US", 25.76, -80.19),
    ("Milan", "IT", 45.46, 9.19),
    ("Mumbai", "IN", 19.08, 72.88),
    ("Nairobi", "KE", -1.29, 36.82),
    ("Paris", "FR", 48.86, 2.35),
    ("Prague", "CZ", 50.08, 14.44),
    ("San Francisco, CA", "US", 37.77, -122.42),
    ("Santiago", "CL", -33.45, -70.67),
    ("Seattle, WA", "US", 47.61, -122.33),
    ("Seoul", "KR", 37.57, 126.98),
    ("Stockholm", "SE", 59.33, 18.07),
    ("Taipei", "TW", 25.03, 121.57),
    ("Tel Aviv", "IL", 32.09, 34.78),
    ("Toronto", "CA", 43.65, -79.38),
    ("Vienna", "AT", 48.21, 16.37),
    ("Warsaw", "PL", 52.23, 21.01),
    ("Zürich", "CH", 47.37, 8.54),
)

#: Alert type, name, expression, sources, rounds. Percentages are written "10%".
DEFAULT_RULES = (
    ("http-server", "Default HTTP Alert Rule 2.0", '((errorType != "None"))', "2", 1),
    ("end-to-end-server", "Default Network Alert Rule 2.0", "((loss >= 20%))", "2", 1),
    ("end-to-end-agent", "Default Agent to Agent Network Alert Rule 2.0", "((loss >= 20%))", "2", 1),
    ("page-load", "Default Page Load Alert Rule 2.0", "((!pageLoaded))", "2", 1),
    ("web-transactions", "Default Web Transaction Alert Rule 2.0", '((probDetail != ""))', "2", 1),
    ("api", "Default API Alert Rule 2.0", "((apiCompletion < 100))", "2", 1),
    ("ftp", "Default FTP Alert Rule 2.0", '((ftpErrorType != "None"))', "2", 1),
    ("dns-server", "Default DNS Server Alert Rule 2.0", '((probDetail != ""))', "2", 1),
    ("dns-trace", "Default DNS Trace Alert Rule 2.0", '((probDetail != ""))', "2", 1),
    ("dnssec", "Default DNSSEC Alert Rule 2.0", '((probDetail != ""))', "2", 1),
    ("sip-server", "Default Call Setup Alert Rule 2.0", '((sipErrorType != "None"))', "2", 1),
    ("voice", "Default Voice Alert Rule 2.0", '((probDetail != ""))', "1", 1),
    ("bgp", "Default BGP Alert Rule", "((reachability < 100%))", "10%", 1),
)
DEFAULT_RULE_ID = ids.decimal(127001)

#: Name and expression of the agent notification rules every account has.
AGENT_RULES = (
    ("Default Agent Offline Notification", "((lastContact >= 30 min))"),
    ("Default Agent Clock Offset Notification", "((clockOffset >= 60 s))"),
)

#: Permission id, name, label, and whether it is one of management.
PERMISSIONS = (
    ("1", "view-tests", "View tests", False),
    ("2", "edit-tests", "Edit tests", True),
    ("3", "view-alert-rules", "View alert rules", False),
    ("4", "edit-alert-rules", "Edit alert rules", True),
    ("5", "view-alert-suppression-windows", "View alert suppression windows", False),
    ("6", "edit-alert-suppression-windows", "Edit alert suppression windows", True),
    ("7", "view-agents", "View agents in account group", False),
    ("8", "edit-agents", "Edit agents in account group", True),
    ("9", "view-integrations", "View integrations", False),
    ("10", "edit-integrations", "Edit integrations", True),
    ("11", "view-tags", "View tags", False),
    ("12", "edit-tags", "Edit tags", True),
    ("13", "view-users", "View all users", False),
    ("14", "edit-users", "Edit users in all account groups", True),
    ("15", "view-roles", "View roles", False),
    ("16", "edit-roles", "Edit roles", True),
    ("17", "edit-account-groups", "Edit all account groups", True),
    ("18", "api-access", "API access", False),
    ("19", "create-snapshot-shares", "Create snapshot shares", True),
)
_EVERYTHING = tuple(row[0] for row in PERMISSIONS)
ACCOUNT_ADMIN = "57"
#: Role id, name, permission ids.
ROLES = (
    ("56", "Organization Admin", _EVERYTHING),
    (ACCOUNT_ADMIN, "Account Admin", tuple(name for name in _EVERYTHING if name not in {"14", "16", "17"})),
    ("58", "Regular User", tuple(row[0] for row in PERMISSIONS if not row[3])),
)

#: BGP monitors: name, country, network.
MONITORS = (
    ("Amsterdam-1", "NL", "Example Transit (AS 64496)"),
    ("Ashburn-2", "US", "Example Carrier (AS 64497)"),
    ("Frankfurt-3", "DE", "Example Backbone (AS 64498)"),
    ("Hong Kong-1", "HK", "Example Pacific (AS 64499)"),
    ("London-4", "GB", "Example Transit (AS 64496)"),
    ("São Paulo-1", "BR", "Example Sul (AS 64500)"),
    ("Sydney-1", "AU", "Example Pacific (AS 64499)"),
    ("Tokyo-2", "JP", "Example Backbone (AS 64498)"),
)
FIRST_MONITOR = 62
#: The networks monitors and cloud agents sit in.
PROVIDERS = tuple(dict.fromkeys(network for _, _, network in MONITORS))
