# SPDX-License-Identifier: Apache-2.0
"""What everything that reads and writes the tables has in common."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from harken.errors import JobNotFound
from harken.model import JobState, Transcript
from harken.store import rows
from harken.store.database import is_sqlite
from harken.store.tables import transcripts

ACTIVE = (JobState.QUEUED.value, JobState.PROCESSING.value)
"""The states of what has not ended."""


class Sql:
    """One database."""

    def __init__(self, engine: sa.Engine, clock: Callable[[], float] = time.time) -> None:
        self._engine = engine
        self._clock = clock
        # A read is one statement; in PostgreSQL a transaction around it would be two more round trips.
        self._reader = engine if is_sqlite(engine) else engine.execution_options(isolation_level="AUTOCOMMIT")
        self._insert = sqlite.insert if is_sqlite(engine) else postgresql.insert

    def _read(self, query: sa.Select[Any]) -> Sequence[sa.Row[Any]]:
        with self._reader.connect() as connection:
            return connection.execute(query).all()

    def _write_transcript(self, connection: sa.Connection, job_id: str, transcript: Transcript) -> None:
        """Save a job's transcript, in place of an earlier one."""
        text = rows.dump(transcript)
        connection.execute(
            self._insert(transcripts)
            .values(job_id=job_id, transcript=text)
            .on_conflict_do_update(index_elements=["job_id"], set_={"transcript": text})
        )


def fewer(attempts: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
    """One less, and never less than none."""
    return sa.case((attempts > 0, attempts - 1), else_=0)


def not_found(job_id: str) -> JobNotFound:
    """The error of a job that is not there."""
    return JobNotFound(f"there is no job {job_id!r}")
