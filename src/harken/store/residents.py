# SPDX-License-Identifier: Apache-2.0
"""Which models workers hold in memory, and orders to load them and to let them go, in SQLite or PostgreSQL.

There is one order a model, with a serial of its own: a log of all orders, read from a place in it, would lose one whose
transaction commits after that of a later one.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

import sqlalchemy as sa

from harken.ports.residents import ModelOrder, Resident, ResidentState
from harken.store.base import Sql
from harken.store.database import writing
from harken.store.resident_tables import model_orders, residents
from harken.store.tables import executors


class SqlResidents(Sql):
    """The :class:`~harken.ports.Residents` of one database. Thread-safe."""

    def order(self, model: str, *, load: bool) -> int:
        """See :class:`~harken.ports.Residents`."""
        with writing(self._engine) as connection:
            given = connection.execute(
                self._insert(model_orders)
                .values(model=model, load=load, serial=1)
                .on_conflict_do_update(
                    index_elements=["model"], set_={"load": load, "serial": model_orders.c.serial + 1}
                )
                .returning(model_orders.c.serial)
            )
            return int(given.scalar_one())

    def orders(self) -> list[ModelOrder]:
        """See :class:`~harken.ports.Residents`."""
        return [ModelOrder(row.model, row.load, row.serial) for row in self._read(sa.select(model_orders))]

    def report(self, executor_id: str, held: Sequence[Resident]) -> bool:
        """See :class:`~harken.ports.Residents`."""
        text = json.dumps([asdict(one) for one in held])
        known = sa.select(executors.c.id, sa.literal(text)).where(executors.c.id == executor_id)
        with writing(self._engine) as connection:
            written = connection.execute(
                self._insert(residents)
                .from_select(["executor_id", "models"], known)
                .on_conflict_do_update(index_elements=["executor_id"], set_={"models": text})
                .returning(residents.c.executor_id)
            )
            return written.one_or_none() is not None

    def reported(self) -> dict[str, list[Resident]]:
        """See :class:`~harken.ports.Residents`."""
        return {
            row.executor_id: [
                Resident(one["model"], ResidentState(one["state"]), one["processes"], one["detail"])
                for one in json.loads(row.models)
            ]
            for row in self._read(sa.select(residents))
        }
