"""The ground both simulators stand on: virtual time, agenda, tables, journal, faults, transports and Flask plumbing.

Nothing in this package knows a vendor. Time is an integer of microseconds since 1970-01-01T00:00:00Z and is always an
argument; only :mod:`simulators.engine.live` reads a clock, takes entropy or sleeps.
"""
