# SPDX-License-Identifier: Apache-2.0
"""Opening the database: SQLite tuned for several processes, or PostgreSQL.

Knows no table. The durable queue works on the same engine: a job and its place in the queue are one transaction.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from filelock import FileLock
from sqlalchemy import event

from harken.errors import DiskFull, HarkenError, StoreUnavailable

BUSY = 30.0
"""Seconds that a SQLite connection waits for another's write to end."""

_POOL = 10
_OVERFLOW = 30
_FREE_SECONDS = 10.0
"""How long a caller waits for a connection while all of them are in use."""
_SILENCE = 10
"""Seconds of silence after which each side asks whether the other is there still."""
_ASK = 5
"""Seconds between two such questions; three of them without an answer, and the connection is given up."""
_GIVE_UP = _SILENCE + 3 * _ASK
# A machine that vanished says no farewell. Left to the system's settings, we would wait two hours for an answer that
# was lost with it, and what was locked by a machine that vanished would be locked as long, for everybody.
_WATCHED = {
    "connect_timeout": 10,
    "keepalives_idle": _SILENCE,
    "keepalives_interval": _ASK,
    "keepalives_count": 3,
    "tcp_user_timeout": 1000 * _GIVE_UP,
}
_GIVEN_UP = (
    f"SELECT set_config('tcp_keepalives_idle', '{_SILENCE}', false),"
    f" set_config('tcp_keepalives_interval', '{_ASK}', false),"
    " set_config('tcp_keepalives_count', '3', false),"
    f" set_config('tcp_user_timeout', '{1000 * _GIVE_UP}', false),"
    " set_config('idle_in_transaction_session_timeout', '60000', false)"
)
"""The same for the server's side. A machine that stands still answers these questions, but its transactions are given
up too: nothing here thinks for a minute in the middle of one."""
_START_LOCK = 0x6861726B656E
"""Key of the advisory lock under which a PostgreSQL database is prepared."""


def connect(database: Path | str) -> sa.Engine:
    """An engine for a SQLite file, or for a ``postgresql://`` address.

    Its errors, which are logged, do not say what a statement was given: that can be what somebody said, or a secret.
    """
    if isinstance(database, Path):
        return _sqlite(database)
    url = sa.make_url(database).set(drivername="postgresql+psycopg")
    engine = sa.create_engine(
        url,
        poolclass=_Pool,
        pool_size=_POOL,
        max_overflow=_OVERFLOW,
        pool_timeout=_FREE_SECONDS,
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args={"application_name": "harken", **_WATCHED},
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        connection.execute(_GIVEN_UP)
        connection.commit()

    return engine


# SQLAlchemy names its own log after the class, so that of this one would count as ours: lines for every query, and at
# every end.
logging.getLogger(f"{__name__}._Pool").setLevel(logging.WARNING)


class _Pool(sa.QueuePool):
    """A pool that can be told to :func:`speak_plainly`: engines have no event for one that has run dry."""

    plainly = False

    def connect(self) -> sa.PoolProxiedConnection:
        """A connection. Raises StoreUnavailable, or SQLAlchemy's own TimeoutError."""
        try:
            return super().connect()
        except sa.exc.TimeoutError as error:
            if not self.plainly:
                raise
            raise StoreUnavailable("every connection to the database is in use; try again in a moment") from error

    def recreate(self) -> sa.QueuePool:
        """A new one, which speaks alike."""
        pool = super().recreate()
        assert isinstance(pool, _Pool)
        pool.plainly = self.plainly
        return pool


def is_sqlite(engine: sa.Engine | sa.Connection) -> bool:
    """Whether the database is a SQLite file."""
    return engine.dialect.name == "sqlite"


def speak_plainly(engine: sa.Engine) -> None:
    """From now on, have a database that is away raise StoreUnavailable, and one without room DiskFull.

    For processes whose callers are told. A worker needs no such thing: it waits until the database is back.
    """
    if isinstance(engine.pool, _Pool):
        engine.pool.plainly = True

    @event.listens_for(engine, "handle_error", retval=True)
    def _tell(context: sa.ExceptionContext) -> HarkenError | None:
        # A ping is no caller's business: the pool connects again.
        if context.is_pre_ping:
            return None
        return _plain(context.original_exception, context.sqlalchemy_exception)


def _plain(original: BaseException, wrapped: BaseException | None) -> HarkenError | None:
    if not isinstance(wrapped, sa.exc.OperationalError | sa.exc.InterfaceError | sa.exc.InternalError):
        return None
    if isinstance(original, sqlite3.Error):
        kind = getattr(original, "sqlite_errorname", "")
        full, ours = kind == "SQLITE_FULL", kind == "SQLITE_ERROR"
    else:
        # Class 40 is a conflict between transactions, which whoever runs them may try again.
        state = getattr(original, "sqlstate", None) or ""
        full, ours = state == "53100", state.startswith("40")
    if full:
        return DiskFull("the database has no room on its disk")
    return None if ours else StoreUnavailable("the database does not answer; try again in a moment")


def _sqlite(path: Path) -> sa.Engine:
    path.parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(
        sa.URL.create("sqlite", database=str(path)),
        poolclass=_Pool,
        pool_size=_POOL,
        max_overflow=_OVERFLOW,
        pool_timeout=_FREE_SECONDS,
        hide_parameters=True,
        connect_args={"timeout": BUSY},
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        # Writers queue up at their first statement; a read that turns into a write would fail at once instead.
        connection.isolation_level = "IMMEDIATE"
        connection.execute("PRAGMA foreign_keys = ON")
        # In WAL mode NORMAL survives any death of a process; a power cut may cost the last moments, never the file.
        connection.execute("PRAGMA synchronous = NORMAL")

    return engine


_LOCK_PAUSE = 0.05
"""Seconds between two tries to have the start's lock."""


@contextmanager
def preparing(engine: sa.Engine) -> Iterator[None]:
    """Hold the lock under which one process at a time brings the database up to date."""
    if not is_sqlite(engine):
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            # Asked for again and again: a statement that waits for the lock holds a snapshot, and the queue's
            # migrations, which build indexes concurrently under the lock, would wait for that snapshot for ever.
            while not connection.scalar(sa.select(sa.func.pg_try_advisory_lock(_START_LOCK))):
                time.sleep(_LOCK_PAUSE)
            try:
                yield
            finally:
                connection.execute(sa.select(sa.func.pg_advisory_unlock(_START_LOCK)))
        return
    with FileLock(f"{engine.url.database}.lock"):
        with engine.connect() as connection:
            # It stays in the file. Changing it does not wait for others, so it happens under the lock.
            connection.exec_driver_sql("PRAGMA journal_mode = WAL")
        yield


@contextmanager
def writing(engine: sa.Engine) -> Iterator[sa.Connection]:
    """One transaction that writes; on SQLite it holds the write lock from its start."""
    with engine.begin() as connection:
        if is_sqlite(engine):
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        yield connection
