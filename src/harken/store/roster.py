# SPDX-License-Identifier: Apache-2.0
"""Which workers are alive, by the database's clock, and who does the duties that only one of them should do."""

from __future__ import annotations

import json

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from harken.model import Lane
from harken.ports import Executor
from harken.store.clock import database_clock
from harken.store.database import is_sqlite, writing
from harken.store.tables import duties, executors


class SqlRoster:
    """The :class:`~harken.ports.Roster` of one database. Thread-safe."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._insert = sqlite.insert if is_sqlite(engine) else postgresql.insert
        self._now = database_clock(engine)

    def beat(self, executor: Executor) -> None:
        """See :class:`~harken.ports.Roster`."""
        row = {
            "id": executor.id,
            "host": executor.host,
            "pid": executor.pid,
            "born": executor.born,
            "lanes": None if executor.lanes is None else json.dumps([lane.value for lane in executor.lanes]),
            "models": None if executor.models is None else json.dumps(executor.models),
        }
        with writing(self._engine) as connection:
            connection.execute(
                self._insert(executors)
                .values(**row, beat=self._now)
                .on_conflict_do_update(index_elements=["id"], set_={"beat": self._now})
            )

    def leave(self, executor_id: str) -> None:
        """See :class:`~harken.ports.Roster`."""
        with writing(self._engine) as connection:
            connection.execute(executors.delete().where(executors.c.id == executor_id))

    def executors(self) -> list[Executor]:
        """See :class:`~harken.ports.Roster`."""
        silence = (self._now - executors.c.beat).label("silence")
        with self._engine.connect() as connection:
            found = connection.execute(sa.select(executors, silence)).all()
        return [
            Executor(
                id=row.id,
                host=row.host,
                pid=row.pid,
                born=row.born,
                silence=row.silence,
                lanes=None if row.lanes is None else tuple(map(Lane, json.loads(row.lanes))),
                models=None if row.models is None else tuple(json.loads(row.models)),
            )
            for row in found
        ]

    def take_duty(self, name: str, every: float) -> bool:
        """See :class:`~harken.ports.Roster`."""
        with writing(self._engine) as connection:
            taken = connection.execute(
                self._insert(duties)
                .values(name=name, done=self._now)
                .on_conflict_do_update(
                    index_elements=["name"], set_={"done": self._now}, where=duties.c.done <= self._now - every
                )
                .returning(duties.c.name)
            )
            return taken.one_or_none() is not None
