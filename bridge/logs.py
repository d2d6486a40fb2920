"""One line of JSON per event on standard error, without secrets and without control characters."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable

_FIELDS = ("key", "alert", "action", "reason", "letter")


class LineFormatter(logging.Formatter):
    """Formats records as one JSON object per line; every one of ``secrets`` is replaced by ``***``."""

    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__()
        self._secrets = sorted((secret for secret in secrets if secret), key=len, reverse=True)

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; JSON escapes what could break a line or a terminal."""
        message = {"time": round(record.created, 3), "level": record.levelname.lower(), "message": record.getMessage()}
        for name in _FIELDS:
            value = getattr(record, name, None)
            if value is not None:
                message[name] = str(value)
        if record.exc_info and record.exc_info[1] is not None:
            message["reason"] = f"{type(record.exc_info[1]).__name__}: {record.exc_info[1]}"
            message["traceback"] = self.formatException(record.exc_info)
        for name, value in message.items():
            if isinstance(value, str):
                for secret in self._secrets:
                    value = value.replace(secret, "***")
                message[name] = value
        return json.dumps(message)
