# SPDX-License-Identifier: Apache-2.0
"""Administrators' sessions in SQLite or PostgreSQL, by the hash of what the browser has; and hashes of passwords."""

from __future__ import annotations

import sqlalchemy as sa
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from harken.model import AuditEntry, Session
from harken.store import audit as log
from harken.store.account_tables import sessions
from harken.store.base import Sql
from harken.store.database import writing


class SqlSessions(Sql):
    """The :class:`~harken.ports.Sessions` of one database. Thread-safe."""

    def begin(self, session: Session, audit: AuditEntry) -> None:
        """See :class:`~harken.ports.Sessions`."""
        with writing(self._engine) as connection:
            connection.execute(sessions.delete().where(sessions.c.expires <= self._clock()))
            connection.execute(
                sessions.insert().values(
                    id=session.id, created=session.created, expires=session.expires, address=session.address
                )
            )
            log.write(connection, audit, self._clock())

    def find(self, session_id: str) -> Session | None:
        """See :class:`~harken.ports.Sessions`."""
        query = sa.select(sessions).where(sessions.c.id == session_id, sessions.c.expires > self._clock())
        found = self._read(query)
        return Session(found[0].id, found[0].created, found[0].expires, found[0].address) if found else None

    def end(self, session_id: str, audit: AuditEntry) -> None:
        """See :class:`~harken.ports.Sessions`."""
        with writing(self._engine) as connection:
            if connection.execute(sessions.delete().where(sessions.c.id == session_id)).rowcount:
                log.write(connection, audit, self._clock())

    def end_all(self, audit: AuditEntry) -> int:
        """See :class:`~harken.ports.Sessions`."""
        with writing(self._engine) as connection:
            count = connection.execute(sessions.delete()).rowcount
            log.write(connection, audit, self._clock())
            return count


class Argon2:
    """The :class:`~harken.ports.Passwords` by argon2id, with the costs of RFC 9106 for little memory. Thread-safe."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher()

    def hashed(self, password: str) -> str:
        """See :class:`~harken.ports.Passwords`."""
        return self._hasher.hash(password.encode("utf-8", "surrogatepass"))

    def matches(self, hashed: str, password: str) -> bool:
        """See :class:`~harken.ports.Passwords`."""
        try:
            return self._hasher.verify(hashed, password.encode("utf-8", "surrogatepass"))
        except (VerificationError, InvalidHashError):
            return False
