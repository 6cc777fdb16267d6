# SPDX-License-Identifier: Apache-2.0
"""Entering jobs and stages, one at a time, so that limits hold whoever enters at the same moment.

Knows no queue but a callback into the same transaction.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from harken.errors import AudioGone, IdempotencyConflict, JobNotFinished, StageRunning, is_lasting
from harken.model import Job, JobState, Quote, Stage, StageKind
from harken.ports import Enqueue, Shares, Submission
from harken.store import rows, shares
from harken.store.base import ACTIVE, Sql, not_found
from harken.store.bell import ring
from harken.store.credits import reserve
from harken.store.database import writing
from harken.store.tables import idempotency, jobs, stages


class SqlLedger(Sql):
    """The :class:`~harken.ports.Ledger` of one database. Thread-safe."""

    def __init__(self, engine: sa.Engine, share: Shares = Shares(), **rest: Any) -> None:  # noqa: B008  it is frozen
        """Enter jobs into a database; ``share`` is what one account may have of what all share."""
        super().__init__(engine, **rest)
        self._share = share

    def enter(self, submission: Submission, max_queued: int, enqueue: Enqueue) -> tuple[Job, bool]:
        """See :class:`~harken.ports.Ledger`."""
        job = submission.job
        key = submission.idempotency_key
        digest = None if key is None else hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
        with self._entering() as connection:
            if digest is not None:
                earlier = self._earlier(connection, submission, digest)
                if earlier is not None:
                    return earlier, False
            active = shares.admit(connection, job.owner, max_queued, self._share)
            if job.audio is not None or job.source is not None:
                # How large one at a URL is, is seen when it has come.
                shares.keep(connection, job.owner, max(1, job.size), self._share.kept)
            job = replace(job, lane=shares.lane(connection, job, self._share))
            lane = job.lane
            connection.execute(jobs.insert().values(**rows.job_values(job), model=submission.model))
            if digest is not None:
                connection.execute(
                    idempotency.insert().values(
                        owner=job.owner, key=digest, fingerprint=submission.fingerprint, job_id=job.id
                    )
                )
            if submission.given is not None:
                transcript, stage = submission.given
                self._write_transcript(connection, job.id, transcript)
                lane = self._enter_stage(connection, job, stage).lane or lane
            if submission.quote is not None and job.rates:
                reserve(connection, job.owner, job.id, job.id, submission.quote, self._clock())
            enqueue(connection, lane, active)
        return job, True

    def enter_stage(self, stage: Stage, max_queued: int, enqueue: Enqueue) -> Stage:
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
            active = shares.admit(connection, job.owner, max_queued, self._share)
            stage = self._enter_stage(connection, job, stage)
            enqueue(connection, stage.lane or job.lane, active)
        return stage

    @contextmanager
    def _entering(self) -> Iterator[sa.Connection]:
        with writing(self._engine) as connection:
            shares.alone(connection)
            yield connection
            ring(connection)

    def _enter_stage(self, connection: sa.Connection, job: Job, stage: Stage) -> Stage:
        """Insert a stage, and have what it costs set aside; the stage, in the lane that has a place for it."""
        if stage.lane is not None:
            stage = replace(stage, lane=shares.lane_of_stage(connection, job.owner, stage.lane))
        connection.execute(stages.insert().values(rows.stage_values(stage)))
        if stage.price:
            reserve(connection, job.owner, job.id, stage.id, Quote(stage.price, stage.price), self._clock())
        return stage

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
        if job.state is JobState.FAILED and not is_lasting(job.error_code or ""):
            # What went wrong may be over: whoever asks again wants another try, not to be told again.
            connection.execute(idempotency.delete().where(idempotency.c.job_id == job.id))
            return None
        return job
