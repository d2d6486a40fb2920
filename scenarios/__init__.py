"""The stage: both simulators and a bridge in one world on virtual time, with a pytest plugin and a command line.

``pagedrill rehearse`` plays a sample outage; the fixture ``stage`` lets a test tell its own. This package is the only one
that knows both the simulators and the bridge.
"""
