# SPDX-License-Identifier: Apache-2.0
"""Waking workers at once when a job is entered, without asking the queue all the time.

PostgreSQL notifies. SQLite cannot; yet it counts the changes that other connections commit, and asking for that counter
takes three microseconds, so it is asked fifty times a second.
"""

from __future__ import annotations

import time
from typing import Any

import sqlalchemy as sa

from harken.model import Lane
from harken.store.database import is_sqlite
from harken.store.tables import PREFIX
from harken.store.waiting import waiting

_CHANNEL = f"{PREFIX}jobs"
_PAUSE = 0.02
"""Seconds between two looks at SQLite's counter."""


def waited_for(connection: sa.Connection) -> set[tuple[Lane, str | None]]:
    """Each lane that something waits in, with the model that it waits for; None needs none, or says none."""
    query = sa.select(waiting.c.lane, waiting.c.model).distinct()
    return {(Lane(row.lane), row.model) for row in connection.execute(query)}


def ring(connection: sa.Connection) -> None:
    """Wake whoever waits, once the transaction has committed."""
    if not is_sqlite(connection):
        connection.execute(sa.select(sa.func.pg_notify(_CHANNEL, "")))


class SqlBell:
    """The :class:`~harken.ports.Bell` of one database, on a connection of its own. Used by one thread."""

    def __init__(self, engine: sa.Engine) -> None:
        self._sqlite = is_sqlite(engine)
        self._seen = -1
        self._connection = engine.connect()
        try:
            if not self._sqlite:
                self._connection.execution_options(isolation_level="AUTOCOMMIT")
                self._connection.exec_driver_sql(f"LISTEN {_CHANNEL}")
            # Asked for before the connection is detached: afterwards it is not known any more.
            self._driver: Any = self._connection.connection.driver_connection
            self._connection.detach()
        except BaseException:
            self._connection.close()
            raise

    def wait(self, seconds: float) -> bool:
        """See :class:`~harken.ports.Bell`."""
        if not self._sqlite:
            return bool(list(self._driver.notifies(timeout=seconds, stop_after=1)))
        deadline = time.monotonic() + seconds
        while True:
            (counter,) = self._driver.execute("PRAGMA data_version").fetchone()
            if counter != self._seen:
                self._seen = counter
                return True
            if time.monotonic() >= deadline:
                return False
            time.sleep(_PAUSE)

    def waiting(self) -> set[tuple[Lane, str | None]]:
        """See :class:`~harken.ports.Bell`."""
        found = waited_for(self._connection)
        self._connection.rollback()
        return found

    def close(self) -> None:
        """See :class:`~harken.ports.Bell`."""
        self._connection.close()
