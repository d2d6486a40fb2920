"""PagerDuty: an account, its incidents, and the phones of the people on call.

Configuration is the vendor's own JSON kept as documents; what happens (alerts, incidents, log entries, messages) is
typed rows. Every verb is a function of a draft, so the same code serves REST, events, replies and timers.
"""
