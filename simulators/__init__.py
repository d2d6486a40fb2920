"""Stateful simulators of ThousandEyes and PagerDuty that run on virtual time."""
