"""What every account has from the start: agents all over the world, default alert rules, roles and permissions.

Cities, countries and coordinates are real, addresses are from the ranges reserved for documentation. The default rules
carry the names of current accounts; what they say follows the published table of older ones, because nobody publishes
the present definitions.
"""

from __future__ import annotations

from simulators.engine import ids

#: Name, country, latitude, longitude. The vendor names cloud agents by city and country or state; London and Oslo, whom
#: scenarios call by the city alone, stay so. The first eight keep their places, and so their ids.
CITIES = (
    ("Singapore", "SG", 1.35, 103.82),
    ("London", "GB", 51.51, -0.13),
    ("Oslo", "NO", 59.91, 10.75),
    ("New York, NY", "US", 40.71, -74.01),
    ("Tokyo, Japan", "JP", 35.68, 139.69),
    ("Frankfurt, Germany", "DE", 50.11, 8.68),
    ("São Paulo, Brazil", "BR", -23.55, -46.63),
    ("Sydney, Australia", "AU", -33.87, 151.21),
    ("Amsterdam, Netherlands", "NL", 52.37, 4.9),
    ("Ashburn, VA", "US", 39.04, -77.49),
    ("Atlanta, GA", "US", 33.75, -84.39),
    ("Auckland, New Zealand", "NZ", -36.85, 174.76),
    ("Bangkok, Thailand", "TH", 13.76, 100.5),
    ("Bogotá, Colombia", "CO", 4.71, -74.07),
    ("Buenos Aires, Argentina", "AR", -34.6, -58.38),
    ("Cairo, Egypt", "EG", 30.04, 31.24),
    ("Chicago, IL", "US", 41.88, -87.63),
    ("Copenhagen, Denmark", "DK", 55.68, 12.57),
    ("Dallas, TX", "US", 32.78, -96.8),
    ("Dubai, United Arab Emirates", "AE", 25.2, 55.27),
    ("Dublin, Ireland", "IE", 53.35, -6.26),
    ("Helsinki, Finland", "FI", 60.17, 24.94),
    ("Hong Kong", "HK", 22.32, 114.17),
    ("Istanbul, Turkey", "TR", 41.01, 28.98),
    ("Jakarta, Indonesia", "ID", -6.21, 106.85),
    ("Johannesburg, South Africa", "ZA", -26.2, 28.05),
    ("Kuala Lumpur, Malaysia", "MY", 3.14, 101.69),
    ("Lagos, Nigeria", "NG", 6.52, 3.38),
    ("Lima, Peru", "PE", -12.05, -77.04),
    ("Los Angeles, CA", "US", 34.05, -118.24),
    ("Madrid, Spain", "ES", 40.42, -3.7),
    ("Manila, Philippines", "PH", 14.6, 120.98),
    ("Melbourne, Australia", "AU", -37.81, 144.96),
    ("Mexico City, Mexico", "MX", 19.43, -99.13),
    ("Miami, FL", "US", 25.76, -80.19),
    ("Milan, Italy", "IT", 45.46, 9.19),
    ("Mumbai, India", "IN", 19.08, 72.88),
    ("Nairobi, Kenya", "KE", -1.29, 36.82),
    ("Paris, France", "FR", 48.86, 2.35),
    ("Prague, Czech Republic", "CZ", 50.08, 14.44),
    ("San Francisco, CA", "US", 37.77, -122.42),
    ("Santiago, Chile", "CL", -33.45, -70.67),
    ("Seattle, WA", "US", 47.61, -122.33),
    ("Seoul, South Korea", "KR", 37.57, 126.98),
    ("Stockholm, Sweden", "SE", 59.33, 18.07),
    ("Taipei, Taiwan", "TW", 25.03, 121.57),
    ("Tel Aviv, Israel", "IL", 32.09, 34.78),
    ("Toronto, Canada", "CA", 43.65, -79.38),
    ("Vienna, Austria", "AT", 48.21, 16.37),
    ("Warsaw, Poland", "PL", 52.23, 21.01),
    ("Zürich, Switzerland", "CH", 47.37, 8.54),
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

#: Permission id, name, label, and whether it is one of management. Names are written as the vendor writes them; only
#: those about reports and e-mails are published.
PERMISSIONS = (
    ("1", "TESTS_READ", "View tests", False),
    ("2", "TESTS_UPDATE", "Edit tests", True),
    ("3", "ALERT_RULES_READ", "View alert rules", False),
    ("4", "ALERT_RULES_UPDATE", "Edit alert rules", True),
    ("5", "ALERT_SUPPRESSION_WINDOWS_READ", "View alert suppression windows", False),
    ("6", "ALERT_SUPPRESSION_WINDOWS_UPDATE", "Edit alert suppression windows", True),
    ("7", "AGENTS_READ", "View agents in account group", False),
    ("8", "AGENTS_UPDATE", "Edit agents in account group", True),
    ("9", "INTEGRATIONS_READ", "View integrations", False),
    ("10", "INTEGRATIONS_UPDATE", "Edit integrations", True),
    ("11", "TAGS_READ", "View tags", False),
    ("12", "TAGS_UPDATE", "Edit tags", True),
    ("13", "USERS_READ", "View all users", False),
    ("14", "USERS_UPDATE", "Edit users in all account groups", True),
    ("15", "ROLES_READ", "View roles", False),
    ("16", "ROLES_UPDATE", "Edit roles", True),
    ("17", "ACCOUNT_GROUPS_UPDATE", "Edit all account groups", True),
    ("18", "API_ACCESS", "API access", False),
    ("19", "REPORT_SNAPSHOTS_CREATE", "Create snapshot shares", True),
    ("20", "REPORTS_READ", "View reports", False),
    ("21", "REPORT_SNAPSHOTS_READ", "View snapshots", False),
    ("22", "EMAILS_UPDATE", "Edit e-mail addresses", True),
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
