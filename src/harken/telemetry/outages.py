# SPDX-License-Identifier: Apache-2.0
"""What is away is told in one line, once in a while.

A database or a store that does not answer is met by every thread that needs it, every second, and each would tell so
with a traceback: of an outage of a minute operators would read a thousand lines. What is told about a request is left
alone: there is a caller who asks for it. Knows errors by their names alone.
"""

from __future__ import annotations

import logging
import re
import time

_OURS = frozenset({"harken.StoreUnavailable", "harken.StorageUnavailable"})
_ALWAYS = frozenset({"sqlalchemy.InterfaceError", "sqlalchemy.TimeoutError", "psycopg.InterfaceError"})
_SOMETIMES = frozenset({"sqlalchemy.OperationalError", "sqlalchemy.InternalError", "psycopg.OperationalError"})
_AWAY = ("08", "57P", "53300", "25P03")
"""SQLSTATE of what is away then, by its beginning: connections, shutdown, too many clients, idle for too long. Without
one there was no connection."""
_DBOS = re.compile(
    r"\((psycopg(\.errors)?|sqlite3)\.(OperationalError|InterfaceError|AdminShutdown|CrashShutdown|CannotConnectNow"
    r"|DatabaseDropped|ConnectionException|ConnectionFailure|ConnectionTimeout|ConnectionDoesNotExist|TooManyConnections)\)"
)
"""DBOS writes what it met into its messages, behind what it tried."""
_TOLD = 30.0
"""Seconds after which a place in the code tells it again."""


class Outages(logging.Filter):
    """Shortens what says that something is away to a line, and drops what a place in the code has said just now."""

    def __init__(self) -> None:
        super().__init__()
        self._told: dict[tuple[str, int, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is to be told; it may be shorter afterwards. Raises nothing, as its caller expects."""
        try:
            return self._tell(record)
        except Exception:  # noqa: BLE001 - a message that cannot be written is told by whoever writes it
            return True

    def _tell(self, record: logging.LogRecord) -> bool:
        if "request_id" in vars(record) or (found := _met(record)) is None:
            return True
        kind, met = found
        now = time.monotonic()
        place = (record.pathname, record.lineno, kind)
        if now - self._told.get(place, -_TOLD) < _TOLD:
            return False
        self._told = {one: told for one, told in self._told.items() if now - told < _TOLD} | {place: now}
        said, reason = _first(record.getMessage()), _first(met)
        record.msg, record.args = said if reason in said else f"{said}: {reason}", ()
        record.exc_info = record.exc_text = None
        return True


def _met(record: logging.LogRecord) -> tuple[str, str] | None:
    """What the record says is away: which kind it is, and its text."""
    given = [record.exc_info[1]] if record.exc_info else list(record.args) if isinstance(record.args, tuple) else []
    for error in given:
        if isinstance(error, BaseException) and _away(error):
            return type(error).__name__, str(error)
    if record.name == "dbos":
        message = record.getMessage()
        if found := _DBOS.search(message):
            return _first(message[: found.start()]), message[found.start() :]
    return None


def _away(error: BaseException) -> bool:
    kinds = {f"{kind.__module__.partition('.')[0]}.{kind.__name__}" for kind in type(error).__mro__}
    if kinds & (_OURS | _ALWAYS):
        return True
    original = getattr(error, "orig", error)
    state = getattr(original, "sqlstate", None)
    said_so = state is None or state.startswith(_AWAY)
    return bool(kinds & _SOMETIMES) and said_so and getattr(original, "sqlite_errorname", None) != "SQLITE_ERROR"


def _first(text: str) -> str:
    return text.partition("\n")[0]
