"""What is counted when a rule is evaluated: the vendor's rules beyond rounds and locations."""

from __future__ import annotations

from outage_rig import LONDON, OSLO, SINGAPORE, Outage

from simulators.thousandeyes import commands
from simulators.thousandeyes.model import Trouble


def test_each_dns_server_is_counted_for_itself() -> None:
    """Two servers that fail are two alerts, not one with twice the locations."""
    outage = Outage()
    body = {"domain": "shop.example A", "dnsServers": ["ns1.shop.example", "ns2.shop.example"]}
    agents = (LONDON, OSLO)
    test = outage.do(commands.create_test, name="names", kind="dns-server", interval=120, agents=agents, body=body)
    rule = {"name": "no answer", "expression_text": '((probDetail != ""))', "alert_type": "dns-server"}
    outage.do(commands.create_rule, **rule, tests=(test.id,), minimum_sources=2)
    outage.do(commands.add_condition, Trouble.DNS, test=test.id, since=outage.at("10:00"), until=outage.at("10:10"))
    outage.world.run_until("11:00")
    assert sorted(alert.part for alert in outage.alerts) == body["dnsServers"]
    assert [alert.violations for alert in outage.alerts] == [2, 2]


def test_an_agent_with_problems_of_its_own_takes_no_part() -> None:
    """All locations are asked for: the two that can tell are all there are."""
    outage = Outage(rule={"minimum_sources": None, "minimum_pct": 100})
    outage.do(commands.add_condition, Trouble.LOCAL, since=outage.at("09:30"), agents=(SINGAPORE,))
    outage.fails("10:00", None, LONDON, OSLO)
    outage.world.run_until("10:10")
    assert outage.events == ["trigger"]


def test_adaptive_detection_has_a_stand_in_that_says_so() -> None:
    """Such a rule is judged by its rounds as written, and the journal tells that nobody outside can know better."""
    outage = Outage(rule={"mode": "auto", "required": 2, "out_of": 2})
    outage.fails("10:00")
    outage.world.run_until("10:10")
    assert outage.events == ["trigger"]
    (entry,) = outage.record("alerting.unknown")
    assert "adaptive detection is the vendor's own" in entry["why"]
