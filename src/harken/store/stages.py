# SPDX-License-Identifier: Apache-2.0
"""The stages of jobs in SQLite or PostgreSQL. Ends are final, as those of jobs are. Knows no queue."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from harken.errors import JobEnded, StageNotFound
from harken.model import JobState, Stage, TextResult, Transcript, without_excuse
from harken.store import rows
from harken.store.base import ACTIVE, Sql, fewer, not_found
from harken.store.credits import end_work
from harken.store.database import writing
from harken.store.tables import jobs, stages, transcripts
from harken.telemetry import work


class SqlStages(Sql):
    """The :class:`~harken.ports.Stages` of one database. Thread-safe."""

    def stage(self, stage_id: str) -> Stage:
        """See :class:`~harken.ports.Stages`."""
        found = self._read(sa.select(stages).where(stages.c.id == stage_id))
        if not found:
            raise _not_found(stage_id)
        return rows.stage_from(found[0])

    def stages(self, job_id: str) -> list[Stage]:
        """See :class:`~harken.ports.Stages`."""
        query = sa.select(stages).where(stages.c.job_id == job_id).order_by(stages.c.created, stages.c.id)
        return [rows.stage_from(row) for row in self._read(query)]

    def overdue(self, now: float, limit: int = 100) -> list[Stage]:
        """See :class:`~harken.ports.Stages`."""
        query = sa.select(stages).where(stages.c.state.in_(ACTIVE), stages.c.deadline < now).limit(limit)
        return [rows.stage_from(row) for row in self._read(query)]

    def open(self, stage: Stage) -> Stage:
        """See :class:`~harken.ports.Stages`."""
        with writing(self._engine) as connection:
            noted = connection.execute(
                jobs.update()
                .where(jobs.c.id == stage.job_id, jobs.c.state.in_(ACTIVE))
                .values(stage=stage.kind.value, updated=self._clock())
            )
            if not noted.rowcount:
                state = connection.execute(sa.select(jobs.c.state).where(jobs.c.id == stage.job_id)).scalar()
                if state is None:
                    raise not_found(stage.job_id)
                raise JobEnded(f"job {stage.job_id} is {state}")
            connection.execute(self._insert(stages).values(rows.stage_values(stage)).on_conflict_do_nothing())
            return self._one(connection, stage.id)

    def start(self, stage_id: str) -> Stage:
        """See :class:`~harken.ports.Stages`."""
        return self._change(
            stage_id,
            state=JobState.PROCESSING.value,
            started=sa.func.coalesce(stages.c.started, self._clock()),
            attempts=stages.c.attempts + 1,
        )

    def put_down(self, stage_id: str) -> None:
        """See :class:`~harken.ports.Stages`."""
        self._change(stage_id, attempts=fewer(stages.c.attempts))

    def progress(self, stage_id: str, progress: float) -> None:
        """See :class:`~harken.ports.Stages`."""
        self._change(
            stage_id, progress=sa.case((stages.c.progress < progress, min(progress, 0.99)), else_=stages.c.progress)
        )

    def complete(self, stage_id: str, outcome: Transcript | TextResult) -> Stage:
        """See :class:`~harken.ports.Stages`."""
        result = rows.dump(outcome) if isinstance(outcome, TextResult) else None
        with writing(self._engine) as connection:
            # The job first, as whoever deletes it: else each could wait for the other.
            of_stage = sa.select(jobs.c.id).join_from(jobs, stages).where(stages.c.id == stage_id)
            connection.execute(of_stage.with_for_update(of=jobs, read=True, key_share=True))
            stage = self._end(connection, stage_id, JobState.COMPLETED, progress=1.0, result=result)
            if stage is None:
                return self._one(connection, stage_id)
            if isinstance(outcome, Transcript):
                self._write_transcript(connection, stage.job_id, outcome)
            else:
                self._forgive(connection, stage)
            return stage

    def _forgive(self, connection: sa.Connection, stage: Stage) -> None:
        """What an earlier stage of the kind could not do is done now: the transcript need not warn of it."""
        of_job = stages.c.job_id == stage.job_id
        before = (of_job, stages.c.kind == stage.kind.value, stages.c.id != stage.id)
        if connection.execute(sa.select(stages.c.id).where(*before).limit(1)).first() is None:
            return
        query = sa.select(transcripts.c.transcript).where(transcripts.c.job_id == stage.job_id).with_for_update()
        transcript = rows.load_transcript(connection.execute(query).scalar_one())
        warnings = without_excuse(transcript.warnings, stage.kind)
        if warnings != transcript.warnings:
            self._write_transcript(connection, stage.job_id, replace(transcript, warnings=warnings))

    def fail(self, stage_id: str, code: str, message: str) -> Stage:
        """See :class:`~harken.ports.Stages`."""
        with writing(self._engine) as connection:
            stage = self._end(connection, stage_id, JobState.FAILED, error_code=code, error_message=message)
            return stage or self._one(connection, stage_id)

    def cancelled(self, stage_id: str) -> Stage:
        """See :class:`~harken.ports.Stages`."""
        with writing(self._engine) as connection:
            return self._end(connection, stage_id, JobState.CANCELLED) or self._one(connection, stage_id)

    def request_cancel(self, stage_id: str) -> Stage:
        """See :class:`~harken.ports.Stages`."""
        queued = stages.c.state == JobState.QUEUED.value
        with writing(self._engine) as connection:
            stage = self._update(
                connection,
                stage_id,
                cancel_requested=True,
                state=sa.case((queued, JobState.CANCELLED.value), else_=stages.c.state),
                ended=sa.case((queued, self._clock()), else_=stages.c.ended),
            )
            if stage is None:
                stage = self._one(connection, stage_id)
                raise JobEnded(f"this is {stage.state.value} and cannot be cancelled any more")
            if stage.state.ended:
                self._ended(connection, stage)
            return stage

    @staticmethod
    def _one(connection: sa.Connection, stage_id: str) -> Stage:
        row = connection.execute(sa.select(stages).where(stages.c.id == stage_id)).one_or_none()
        if row is None:
            raise _not_found(stage_id)
        return rows.stage_from(row)

    def _change(self, stage_id: str, **values: Any) -> Stage:
        with writing(self._engine) as connection:
            return self._update(connection, stage_id, **values) or self._one(connection, stage_id)

    def _end(self, connection: sa.Connection, stage_id: str, state: JobState, **values: Any) -> Stage | None:
        stage = self._update(connection, stage_id, state=state.value, ended=self._clock(), **values)
        if stage is not None:
            self._ended(connection, stage)
        return stage

    def _ended(self, connection: sa.Connection, stage: Stage) -> None:
        """What has to be in the same transaction as a stage's end, whichever it is."""
        work.stage_ended(stage, self._clock())
        if stage.price:
            paid = stage.price if stage.state is JobState.COMPLETED else 0
            end_work(connection, stage.id, paid, self._clock())

    def _update(self, connection: sa.Connection, stage_id: str, **values: Any) -> Stage | None:
        """Change a stage that has not ended; None when it has, or is not there."""
        row = connection.execute(
            stages.update()
            .where(stages.c.id == stage_id, stages.c.state.in_(ACTIVE))
            .values(updated=self._clock(), **values)
            .returning(*stages.c)
        ).one_or_none()
        return None if row is None else rows.stage_from(row)


def _not_found(stage_id: str) -> StageNotFound:
    return StageNotFound(f"there is no stage {stage_id!r}")
