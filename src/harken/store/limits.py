# SPDX-License-Identifier: Apache-2.0
"""Limits that hold for every process on one database: requests in a time, and requests in progress.

A rate is kept as the one moment at which all of it will be free again, which the generic cell rate algorithm needs
(ITU-T I.371): a time's worth may come at once, then there is room evenly. One statement counts a request.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from harken.errors import TooManyRequests
from harken.store.account_tables import rates, slots
from harken.store.base import Sql
from harken.store.clock import database_clock
from harken.store.database import is_sqlite, writing

log = logging.getLogger(__name__)

LEASE = 60.0
"""Seconds after which the place of a process that does not hold on to it is free."""
_TIDY = 600.0
"""Seconds between two times that subjects are forgotten of whom nothing counts any more."""
_EXACT = 1e-3
"""Seconds that the database's clock may be wrong by."""


class SqlRateLimits(Sql):
    """The :class:`~harken.ports.RateLimits` of one database. Thread-safe."""

    def __init__(self, engine: sa.Engine) -> None:
        super().__init__(engine)
        self._now = database_clock(engine)
        self._tidied = time.monotonic()

    def take(self, subject: str, limit: int, per: float = 60.0) -> None:
        """See :class:`~harken.ports.RateLimits`."""
        step = per / limit
        after = sa.case((rates.c.full_at > self._now, rates.c.full_at), else_=self._now) + step
        with writing(self._engine) as connection:
            taken = connection.execute(
                self._insert(rates)
                .values(subject=subject, full_at=self._now + step)
                .on_conflict_do_update(
                    index_elements=["subject"], set_={"full_at": after}, where=after <= self._now + per + _EXACT
                )
                .returning(rates.c.full_at)
            )
            if taken.one_or_none() is not None:
                self._tidy(connection)
                return
            query = sa.select(rates.c.full_at + step - per - self._now).where(rates.c.subject == subject)
            wait = connection.execute(query).scalar_one()
        error = TooManyRequests(f"more than {limit} requests in {per:g} seconds; slow down")
        error.retry_after = max(0.0, wait)
        raise error

    def _tidy(self, connection: sa.Connection) -> None:
        if time.monotonic() - self._tidied > _TIDY:
            self._tidied = time.monotonic()
            connection.execute(rates.delete().where(rates.c.full_at < self._now))


class SqlSlots(Sql):
    """The :class:`~harken.ports.Slots` of one database. Thread-safe; a thread holds on to what is held."""

    def __init__(self, engine: sa.Engine, lease: float = LEASE) -> None:
        super().__init__(engine)
        self._now = database_clock(engine)
        self._lease = lease
        self._held: dict[str, str] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    @contextmanager
    def hold(self, subject: str, limit: int) -> Iterator[None]:
        """See :class:`~harken.ports.Slots`."""
        slot = uuid.uuid4().hex
        with writing(self._engine) as connection:
            if not is_sqlite(self._engine):
                # Whoever counts at the same time waits. In SQLite the write lock does this.
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(subject, 0))))
            connection.execute(slots.delete().where(slots.c.subject == subject, slots.c.until < self._now))
            count = sa.select(sa.func.count()).select_from(slots).where(slots.c.subject == subject)
            if connection.execute(count).scalar_one() >= limit:
                raise TooManyRequests(
                    f"{limit} requests of yours are in progress, as many as may be; "
                    "wait for one to end, or send long recordings as jobs"
                )
            connection.execute(slots.insert().values(id=slot, subject=subject, until=self._now + self._lease))
        self._keep(slot, subject)
        try:
            yield
        finally:
            with self._lock:
                del self._held[slot]
            # If the database is away the place frees itself; whoever had it has no part in that.
            with contextlib.suppress(Exception), writing(self._engine) as connection:
                connection.execute(slots.delete().where(slots.c.id == slot))

    def close(self) -> None:
        """See :class:`~harken.ports.Slots`."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(10.0)

    def _keep(self, slot: str, subject: str) -> None:
        with self._lock:
            self._held[slot] = subject
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="slots", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while not self._stopping.wait(self._lease / 4):
            with self._lock:
                held = list(self._held.items())
            if not held:
                continue
            values = [{"id": slot, "subject": subject} for slot, subject in held]
            until = self._now + self._lease
            try:
                with writing(self._engine) as connection:
                    connection.execute(
                        # Places that lapsed while the database was away are taken again.
                        self._insert(slots)
                        .values([{**value, "until": until} for value in values])
                        .on_conflict_do_update(index_elements=["id"], set_={"until": until})
                    )
                    with self._lock:
                        left = [slot for slot, _ in held if slot not in self._held]
                    # Whoever let go meanwhile may have done so before this.
                    connection.execute(slots.delete().where(slots.c.id.in_(left)))
            except Exception:
                log.exception("places of requests in progress could not be held on to")
