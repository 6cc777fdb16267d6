# SPDX-License-Identifier: Apache-2.0
"""Enrolled voices in SQLite or PostgreSQL."""

from __future__ import annotations

import sqlalchemy as sa

from harken.errors import VoiceExists, VoiceNotFound
from harken.model import Voice
from harken.store import rows
from harken.store.base import Sql
from harken.store.database import writing
from harken.store.tables import voices


class SqlVoices(Sql):
    """The :class:`~harken.ports.Voices` of one database. Thread-safe."""

    def voices(self, owner: str) -> list[Voice]:
        """See :class:`~harken.ports.Voices`."""
        query = sa.select(voices).where(voices.c.owner == owner)
        # Sorted here: databases do not agree on the order of names.
        return sorted(map(rows.voice_from, self._read(query)), key=lambda voice: voice.name)

    def enrol(self, voice: Voice) -> None:
        """See :class:`~harken.ports.Voices`."""
        values = {
            "owner": voice.owner,
            "name": voice.name,
            "centroid": rows.dump(voice.centroid),
            "seconds": voice.seconds,
            "created": voice.created,
        }
        with writing(self._engine) as connection:
            done = connection.execute(
                self._insert(voices).values(values).on_conflict_do_nothing().returning(voices.c.name)
            )
            if done.one_or_none() is None:
                raise VoiceExists(f"a voice named {voice.name!r} is enrolled already; forget it first", param="name")

    def forget(self, owner: str, name: str) -> None:
        """See :class:`~harken.ports.Voices`."""
        with writing(self._engine) as connection:
            done = connection.execute(voices.delete().where(voices.c.owner == owner, voices.c.name == name))
            if not done.rowcount:
                raise VoiceNotFound(f"no voice named {name!r} is enrolled", param="name")
