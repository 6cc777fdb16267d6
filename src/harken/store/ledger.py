# SPDX-License-Identifier: Apache-2.0
"""Entering jobs and stages, one at a time, so that limits hold whoever enters at the same moment.

Knows no queue but a callback into the same transaction.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from harken.errors import AudioGone, IdempotencyConflict, JobNotFinished, QueueFull, StageRunning
from harken.model import Job, JobState, Quote, Stage, StageKind
from harken.ports import Submission, Transaction
from harken.store import rows
from harken.store.base import ACTIVE, Sql, not_found
from harken.store.bell import ring
from harken.store.credits import reserve
from harken.store.database import is_sqlite, writing
from harken.store.tables import idempotency, jobs, stages

_ENTRY_LOCK = 0x717565756573
"""Key of the advisory lock that submissions take in PostgreSQL; in SQLite the write lock does."""


class SqlLedger(Sql):
    """The :class:`~harken.ports.Ledger` of one database. Thread-safe."""

    def enter(
        self, submission: Submission, max_queued: int, enqueue: Callable[[Transaction, int], None]
    ) -> tuple[Job, bool]:
        """See :class:`~harken.ports.Ledger`."""
        job = submission.job
        key = submission.idempotency_key
        digest = None if key is None else hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
        with self._entering() as connection:
            if digest is not None:
                earlier = self._earlier(connection, submission, digest)
                if earlier is not None:
                    return earlier, False
            active = _admit(connection, job.owner, max_queued)
            connection.execute(jobs.insert().values(rows.job_values(job)))
            if digest is not None:
                connection.execute(
                    idempotency.insert().values(
                        owner=job.owner, key=digest, fingerprint=submission.fingerprint, job_id=job.id
                    )
                )
            if submission.given is not None:
                transcript, stage = submission.given
                self._write_transcript(connection, job.id, transcript)
                connection.execute(stages.insert().values(rows.stage_values(stage)))
                self._reserve(connection, job, stage)
            if submission.quote is not None and job.rates:
                reserve(connection, job.owner, job.id, job.id, submission.quote, self._clock())
            enqueue(connection, active)
        return job, True

    def enter_stage(self, stage: Stage, max_queued: int, enqueue: Callable[[Transaction, Job, int], None]) -> Stage:
        """See :class:`~harken.ports.Ledger`."""
        with self._entering() as connection:
            row = connection.execute(sa.select(jobs).where(jobs.c.id == stage.job_id)).one_or_none()
            if row is None:
                raise not_found(stage.job_id)
            job = rows.job_from(row)
            if job.state is not JobState.COMPLETED:
                raise JobNotFinished(f"job {job.id} is {job.state.value}; this can be done again once it has completed")
            if job.audio is None and stage.kind is StageKind.DIARIZE:
                raise AudioGone(f"the recording of job {job.id} is not kept any more; send it again as a new job")
            same = (stages.c.job_id == job.id, stages.c.kind == stage.kind.value, stages.c.state.in_(ACTIVE))
            if connection.execute(sa.select(stages.c.id).where(*same)).first() is not None:
                raise StageRunning(
                    f"this is being done for job {job.id} already; wait until it has ended, or cancel it"
                )
            active = _admit(connection, job.owner, max_queued)
            connection.execute(stages.insert().values(rows.stage_values(stage)))
            self._reserve(connection, job, stage)
            enqueue(connection, job, active)
        return stage

    @contextmanager
    def _entering(self) -> Iterator[sa.Connection]:
        with writing(self._engine) as connection:
            if not is_sqlite(self._engine):
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_ENTRY_LOCK)))
            yield connection
            ring(connection)

    def _reserve(self, connection: sa.Connection, job: Job, stage: Stage) -> None:
        if stage.price:
            reserve(connection, job.owner, job.id, stage.id, Quote(stage.price, stage.price), self._clock())

    def _earlier(self, connection: sa.Connection, submission: Submission, digest: str) -> Job | None:
        query = (
            sa.select(jobs, idempotency.c.fingerprint)
            .join(idempotency, idempotency.c.job_id == jobs.c.id)
            .where(idempotency.c.owner == submission.job.owner, idempotency.c.key == digest)
        )
        row = connection.execute(query).one_or_none()
        if row is None:
            return None
        job = rows.job_from(row)
        if job.expired(self._clock()):
            # Nobody sees it any more, and yet it may not have been swept: its key is free again.
            connection.execute(idempotency.delete().where(idempotency.c.job_id == job.id))
            return None
        if row.fingerprint != submission.fingerprint:
            raise IdempotencyConflict("this idempotency key was used before with another recording or other options")
        return job


def _admit(connection: sa.Connection, owner: str, max_queued: int) -> int:
    """How much of the owner's waits or runs. Raises QueueFull when too much waits, over all owners."""
    of_jobs = _counts(owner, jobs.c.state).where(jobs.c.state.in_(ACTIVE))
    # A running job's own stage is the job.
    of_stages = (
        _counts(owner, stages.c.state)
        .join_from(stages, jobs, stages.c.job_id == jobs.c.id)
        .where(stages.c.state.in_(ACTIVE), jobs.c.state.not_in(ACTIVE))
    )
    found = [connection.execute(query).one() for query in (of_jobs, of_stages)]
    queued = sum(row.queued for row in found)
    if queued >= max_queued:
        raise QueueFull(f"{queued} jobs are waiting, as many as may; try again when some are done")
    return sum(row.active for row in found)


def _counts(owner: str, state: sa.ColumnElement[str]) -> sa.Select[int, int]:
    return sa.select(
        sa.func.count().filter(state == JobState.QUEUED.value).label("queued"),
        sa.func.count().filter(jobs.c.owner == owner).label("active"),
    )
