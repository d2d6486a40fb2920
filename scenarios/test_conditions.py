"""What is wrong with the world in the field's terms, from the first lost packet to the person woken."""

import pytest

from scenarios.stage import Stage, Wiring

BOTH = pytest.mark.parametrize("stage", list(Wiring), indirect=True)


@BOTH
def test_loss_that_grows_wakes_somebody_when_it_is_too_much(stage: Stage) -> None:
    """Loss seen from Norway grows to 40 % in twenty minutes; at 20 % somebody is woken, and it clears with the loss."""
    shop = stage.thousandeyes.http_test("shop", interval="2m", agents=["London", "Oslo", "Singapore"])
    stage.thousandeyes.alert_rule(shop, "((loss >= 20%))", alert_type="end-to-end-server", severity="critical")
    shop.suffers("loss", value=40, at="10:00", until="11:00", regions=["NO"], ramp="20m")
    stage.run_until("12:00")
    stage.person("alice").phone.expect_sms(shop).at("10:12")
    stage.person("bob").phone.expect_call(shop).at("10:42")
    stage.incident(shop).expect_resolved(at="11:02")


@BOTH
def test_a_forecast_is_played_as_it_is_written(stage: Stage) -> None:
    """A certificate runs out; later the name does not resolve now and then, and each time it is another alert."""
    shop = stage.thousandeyes.http_test("shop", interval="1m", agents=["London", "Oslo"])
    stage.thousandeyes.alert_rule(shop, '((errorType != "None"))', agents=2)
    stage.thousandeyes.conditions(
        """
        [[condition]]
        kind = "tls"
        test = "shop"
        value = 0
        since = "10:00"
        until = "10:20"

        [[condition]]
        kind = "dns"
        test = "shop"
        since = "12:00"
        for = "40m"
        period = "20m"
        duty = 25
        """
    )
    stage.run_until("13:00")
    begun = [entry.data["metrics"] for entry in stage.world.journal if entry.kind == "alert.triggered"]
    assert begun == ['Error type: "SSL"', 'Error type: "DNS"', 'Error type: "DNS"']
    for time in ("10:01", "12:01", "12:21"):
        stage.person("alice").phone.expect_sms(shop).at(time)
