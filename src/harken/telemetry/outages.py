# SPDX-License-Identifier: Apache-2.0
"""What is away is told in one line, once in a while.

A database or a store that does not answer is met by every thread that needs it, every second, and each would tell so
with a traceback: of an outage of a minute operators would read a thousand lines. Knows errors by their names alone.
"""

from __future__ import annotations

import logging
import time

_AWAY = frozenset({"OperationalError", "InterfaceError", "StoreUnavailable", "StorageUnavailable"})
"""Names of the errors that say so: of database drivers, SQLAlchemy's, and harken's own."""
_TOLD = 30.0
"""Seconds after which a place in the code tells it again."""


class Outages(logging.Filter):
    """Shortens what says that something is away to a line, and drops what a place has said a moment ago."""

    def __init__(self) -> None:
        super().__init__()
        self._told: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is to be told; it may be shorter afterwards."""
        reason = _reason(record)
        if reason is None:
            return True
        # Up to the first colon a message says what was tried, and after it what was met.
        tried = record.getMessage().partition(":")[0]
        now = time.monotonic()
        place = (record.name, tried)
        if now - self._told.get(place, -_TOLD) < _TOLD:
            return False
        self._told[place] = now
        first = reason.partition("\n")[0]
        record.msg, record.args = f"{tried}: {first}", ()
        record.exc_info = record.exc_text = None
        return True


def _reason(record: logging.LogRecord) -> str | None:
    """What is away, where the record says that something is."""
    met = [record.exc_info[1]] if record.exc_info else list(record.args) if isinstance(record.args, tuple) else []
    for error in met:
        if isinstance(error, BaseException) and any(kind.__name__ in _AWAY for kind in type(error).__mro__):
            return str(error)
    # DBOS writes errors into its messages.
    message = record.getMessage()
    if record.name == "dbos" and any(f".{name})" in message for name in _AWAY):
        return message.partition(": ")[2]
    return None
