"""What can go wrong, in words an operator can act on; every message is one line and free of secrets."""

from __future__ import annotations


class BridgeProblem(Exception):
    """Base of everything the bridge raises on purpose."""


class ConfigError(BridgeProblem):
    """The configuration cannot be used; the message names the key and the remedy."""


class StoreError(BridgeProblem):
    """The store refused: disk full, damaged, locked by another process, or of a newer version."""


class NoStore(StoreError):
    """There is no store yet, which is no trouble before the first start."""


class Unreadable(BridgeProblem):
    """A payload cannot be used; the message becomes the dead letter's reason, ``cause`` its line in the runbook."""

    def __init__(self, words: str, cause: str = "no-identity") -> None:
        super().__init__(words)
        self.cause = cause
