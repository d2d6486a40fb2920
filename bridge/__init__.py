"""A bridge from ThousandEyes alert webhooks to PagerDuty events: durable, observable, boring.

A webhook is stored before it is acknowledged, decided upon purely, and delivered at least once in the right order. Time
is an argument everywhere except in :mod:`bridge.live`.
"""

import logging

logging.getLogger("bridge").addHandler(logging.NullHandler())
