"""A stateful ThousandEyes: tests, agents, alert rules, alerts that trigger and clear on condition, notifications.

Start at :mod:`~simulators.thousandeyes.model` (the rows), then :mod:`~simulators.thousandeyes.alerting` (the one step
function) and :mod:`~simulators.thousandeyes.units` (when it is asked).
"""
