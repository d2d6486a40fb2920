"""The stage: both simulators and a bridge in one world on virtual time, with a pytest plugin and a command line.

This package is the only one that knows both the simulators and the bridge.
"""
