"""What the sources leave open about ThousandEyes, as one frozen value: each knob has a row in the fidelity ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Knobs:
    """What the sources leave open, with the default chosen. Each name says what a true or other value means."""

    #: Clears go to webhooks and PagerDuty even when ``notifyOnClear`` is false.
    clear_always_sent: bool = True
    #: Any 2xx counts as delivered, instead of 200 alone.
    any_2xx_delivers: bool = False
    #: Seconds a webhook receiver has to answer.
    webhook_timeout: int = 10
    #: Attempts of one notification, five minutes apart, the first included.
    webhook_attempts: int = 13
    #: A retry carries a fresh ``eventId`` instead of the first one.
    new_event_id_on_retry: bool = False
    #: A rule stays assigned while ``alertsEnabled`` is false.
    rules_kept_without_alerts: bool = True
    #: An alert clears as soon as fewer than the required locations violate, instead of with the last one.
    clear_below_minimum: bool = False
    #: A fixed limit above the healthy range stands in for the vendor's dynamic baselines; otherwise they never violate.
    dynamic_baselines: bool = True
    #: An alert that outlasts its real-time suppression is announced again.
    second_notification: bool = True
    #: Custom webhooks are repeated as classic ones are.
    custom_webhooks_repeated: bool = True
    #: A location that joins an alert later is told of, too.
    joining_told: bool = False
    #: A rule that is edited goes on with the rounds before, judged by the new rule, instead of counting anew.
    history_kept_on_edit: bool = False
    #: Notifications take up to two minutes each, so that they arrive in any order.
    deliveries_shuffled: bool = False
    #: Status answered to a test name used twice in an account group; 0 allows it.
    duplicate_name_status: int = 400
    #: Status answered to an account group the user is not assigned to.
    foreign_aid_status: int = 403
    #: Requests per minute of an organization (the vendor's: 240), or of an OAuth client; 0 switches the limit off.
    rate_limit: int = 0
    #: Instant tests per minute of an organization (the vendor's: 24); 0 switches the limit off.
    instant_rate_limit: int = 0
    #: Windows of rate limits end on the whole minute, instead of a minute after their first request.
    whole_minutes: bool = False
    #: Answers 401 to one address within an hour after which it is answered 429 (the vendor's: 120); 0 = never.
    unauthorized_limit: int = 0
    #: Seconds until the results of a round that was run at once are there.
    instant_test_seconds: int = 30
    #: An alert or rule that does not exist is answered with an empty object, instead of 404.
    unknown_is_empty: bool = False
    #: An account group may have several default rules for one alert type; otherwise the newest takes the place.
    several_default_rules: bool = True
    #: An alert that is still active has a duration (the seconds so far).
    active_duration: bool = True
    #: What ``modifiedDate`` of a test is before its first change: "absent", "null" or "created".
    modified_before_change: str = "absent"
    #: An update of a test that says ``alertsEnabled: true`` and names no rules brings the default rules back.
    defaults_on_update: bool = True
    #: An update of a test keeps what it does not mention, instead of setting it back to its default.
    test_updates_merge: bool = True
    #: The values of a test's request headers come back as asterisks, as a connector's do.
    test_headers_masked: bool = True
    #: A test that asks for no status code of its own shows "default", as the description has it.
    status_code_shown: bool = True
    #: Cleared alerts listed when no time range is given: "day" (the last 24 hours), "all" or "none".
    clear_without_range: str = "day"
    #: A time range without a state lists cleared and active alerts, instead of those that started in it.
    range_lists_both: bool = True
    #: Alerts on a page when ``max`` is not given.
    alert_page: int = 100

    @staticmethod
    def problem(name: str, value: Any) -> str:
        """Return what is wrong with ``value`` for the knob ``name``, "" when nothing is."""
        if name in _KNOB_CHOICES:
            choices = _KNOB_CHOICES[name]
            return "" if value in choices else f"must be one of {', '.join(map(str, choices))}"
        if name in _KNOB_RANGES:
            least, most = _KNOB_RANGES[name]
            return "" if least <= value <= most else f"must be from {least} to {most}"
        return ""


_KNOB_CHOICES: Mapping[str, tuple[Any, ...]] = {
    "foreign_aid_status": (400, 403, 404),
    "clear_without_range": ("day", "all", "none"),
    "duplicate_name_status": (0, 400, 409),
    "modified_before_change": ("absent", "null", "created"),
}
_KNOB_RANGES = {
    "webhook_timeout": (1, 60),
    "webhook_attempts": (1, 13),
    "rate_limit": (0, 1_000_000),
    "instant_rate_limit": (0, 1_000_000),
    "unauthorized_limit": (0, 1_000_000),
    "instant_test_seconds": (0, 600),
    "alert_page": (1, 1000),
}
