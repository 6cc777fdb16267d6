# SPDX-License-Identifier: Apache-2.0
"""The audit log, and the values that every process shares, in SQLite or PostgreSQL."""

from __future__ import annotations

import json

import sqlalchemy as sa

from harken.model import AuditEntry
from harken.store.account_tables import audit, facts
from harken.store.base import Sql
from harken.store.database import writing


def write(connection: sa.Connection, entry: AuditEntry, now: float) -> None:
    """Add an entry in a transaction that changes something."""
    connection.execute(
        audit.insert().values(
            at=now, actor=entry.actor, action=entry.action, subject=entry.subject, detail=json.dumps(dict(entry.detail))
        )
    )


class SqlAuditLog(Sql):
    """The :class:`~harken.ports.AuditLog` of one database. Thread-safe."""

    def note(self, entry: AuditEntry) -> None:
        """See :class:`~harken.ports.AuditLog`."""
        with writing(self._engine) as connection:
            write(connection, entry, self._clock())

    def entries(self, limit: int, before: int | None = None) -> list[AuditEntry]:
        """See :class:`~harken.ports.AuditLog`."""
        query = sa.select(audit).order_by(audit.c.id.desc()).limit(limit)
        if before is not None:
            query = query.where(audit.c.id < before)
        return [
            AuditEntry(row.actor, row.action, row.subject, json.loads(row.detail), row.at, row.id)
            for row in self._read(query)
        ]


class SqlFacts(Sql):
    """The :class:`~harken.ports.Facts` of one database. Thread-safe."""

    def get(self, name: str) -> str | None:
        """See :class:`~harken.ports.Facts`."""
        found = self._read(sa.select(facts.c.value).where(facts.c.name == name))
        return str(found[0].value) if found else None

    def first(self, name: str, value: str) -> str:
        """See :class:`~harken.ports.Facts`."""
        there = self.get(name)
        if there is not None:
            return there
        with writing(self._engine) as connection:
            connection.execute(self._insert(facts).values(name=name, value=value).on_conflict_do_nothing())
            return str(connection.execute(sa.select(facts.c.value).where(facts.c.name == name)).scalar_one())

    def put(self, name: str, value: str, audit: AuditEntry) -> None:
        """See :class:`~harken.ports.Facts`."""
        with writing(self._engine) as connection:
            connection.execute(
                self._insert(facts)
                .values(name=name, value=value)
                .on_conflict_do_update(index_elements=["name"], set_={"value": value})
            )
            write(connection, audit, self._clock())
