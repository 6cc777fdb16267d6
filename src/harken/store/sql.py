# SPDX-License-Identifier: Apache-2.0
"""Jobs, windows and transcripts in SQLite or PostgreSQL, from one code.

Ends are final: every change names the states it may change in its WHERE. Knows no queue and no file.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence, Set
from typing import Any

import sqlalchemy as sa

from harken.errors import JobEnded
from harken.model import Job, JobState, Lane, Transcript, WindowResult
from harken.ports import Page
from harken.store import rows, shares
from harken.store.account_tables import audit
from harken.store.base import ACTIVE, Sql, fewer, not_found
from harken.store.bell import waited_for
from harken.store.credits import drop_job, end_job, extend
from harken.store.database import writing
from harken.store.paging import cursor_of, place_of
from harken.store.tables import deliveries, jobs, receivers, stages, transcripts, windows
from harken.store.usage import count
from harken.telemetry import work


class SqlStore(Sql):
    """The :class:`~harken.ports.Store` of one database. Thread-safe.

    ``max_kept`` bounds the bytes of one account's recordings, for those that are fetched; None does not.
    """

    def __init__(self, engine: sa.Engine, *, max_kept: int | None = None, **rest: Any) -> None:
        super().__init__(engine, **rest)
        self._max_kept = max_kept

    # Reading

    def job(self, job_id: str, owner: str | None = None) -> Job:
        """See :class:`~harken.ports.Store`."""
        query = sa.select(jobs).where(jobs.c.id == job_id)
        if owner is not None:
            query = query.where(jobs.c.owner == owner)
        found = self._read(query)
        if not found:
            raise not_found(job_id)
        return rows.job_from(found[0])

    def jobs(self, owner: str | None, limit: int, cursor: str | None = None) -> Page:
        """See :class:`~harken.ports.Store`."""
        query = sa.select(jobs).order_by(jobs.c.created.desc(), jobs.c.id.desc()).limit(limit + 1)
        if owner is not None:
            query = query.where(jobs.c.owner == owner, jobs.c.lane != Lane.TEXT.value)
        if cursor is not None:
            query = query.where(sa.tuple_(jobs.c.created, jobs.c.id) < sa.tuple_(*map(sa.literal, place_of(cursor))))
        found = [rows.job_from(row) for row in self._read(query)]
        last = found[limit - 1] if len(found) > limit else None
        return Page(tuple(found[:limit]), None if last is None else cursor_of(last.created, last.id))

    def windows(self, job_id: str, after: int = -1) -> list[tuple[int, WindowResult]]:
        """See :class:`~harken.ports.Store`. A range of the primary key."""
        run: list[tuple[int, WindowResult]] = []
        for row in self._read(self._windows_from(job_id, after + 1)):
            if row.idx != after + 1 + len(run):
                break
            run.append((row.idx, rows.load_result(row.result)))
        return run

    def saved(self, job_id: str, first: int = 0) -> dict[int, WindowResult]:
        """See :class:`~harken.ports.Store`."""
        return {row.idx: rows.load_result(row.result) for row in self._read(self._windows_from(job_id, first))}

    def transcript(self, job_id: str) -> Transcript | None:
        """See :class:`~harken.ports.Store`."""
        found = self._read(sa.select(transcripts.c.transcript).where(transcripts.c.job_id == job_id))
        return rows.load_transcript(found[0].transcript) if found else None

    def expired_audio(self, ended_before: float, limit: int = 100) -> list[Job]:
        """See :class:`~harken.ports.Store`."""
        return self._some(jobs.c.ended < ended_before, jobs.c.audio.is_not(None), ~_NEEDED, limit=limit)

    def expired_jobs(self, now: float, keep: float, limit: int = 100) -> list[Job]:
        """See :class:`~harken.ports.Store`."""
        # Two questions, since each has an index and both together have none.
        old = self._some(jobs.c.ended < now - keep, ~_NEEDED, limit=limit)
        return old or self._some(jobs.c.keep.is_not(None), jobs.c.ended + jobs.c.keep <= now, ~_NEEDED, limit=limit)

    def overdue(self, now: float, limit: int = 100) -> list[Job]:
        """See :class:`~harken.ports.Store`."""
        return self._some(jobs.c.state.in_(ACTIVE), jobs.c.deadline < now, limit=limit)

    def newcomers(self, lane: Lane, held: Set[str], *, here: bool = False) -> dict[str | None, int]:
        """See :class:`~harken.ports.Store`."""
        return {row.model: row.owners for row in self._read(shares.newcomers(lane, held, here))}

    def waited_for(self) -> set[tuple[Lane, str | None]]:
        """Each lane that something waits in, with the model that it waits for; None needs none, or says none."""
        with self._reader.connect() as connection:
            return waited_for(connection)

    def passed_by(self, lane: Lane, seconds: float) -> dict[str | None, int]:
        """See :class:`~harken.ports.Store`."""
        return {row.model: row.waiting for row in self._read(shares.passed_by(lane, self._clock() - seconds))}

    def audio_keys(self) -> set[str]:
        """See :class:`~harken.ports.Store`."""
        return {row.audio for row in self._read(sa.select(jobs.c.audio).where(jobs.c.audio.is_not(None)))}

    def ping(self) -> None:
        """See :class:`~harken.ports.Store`."""
        self._read(sa.select(jobs.c.id).limit(1))

    def close(self) -> None:
        """See :class:`~harken.ports.Store`."""
        self._engine.dispose()

    # Changing

    def start(self, job_id: str, worker: str) -> Job:
        """See :class:`~harken.ports.Store`."""
        return self._change(
            job_id,
            worker=worker,
            state=JobState.PROCESSING.value,
            started=sa.func.coalesce(jobs.c.started, self._clock()),
            attempts=jobs.c.attempts + 1,
        )

    def put_down(self, job_id: str) -> None:
        """See :class:`~harken.ports.Store`."""
        self._change(job_id, attempts=fewer(jobs.c.attempts))

    def save_windows(
        self, job_id: str, results: Sequence[tuple[int, WindowResult]], *, position: float, duration: float | None
    ) -> None:
        """See :class:`~harken.ports.Store`."""
        values = [{"job_id": job_id, "idx": index, "result": rows.dump(result)} for index, result in results]
        with writing(self._engine) as connection:
            job = self._update(
                connection,
                job_id,
                position=sa.case((jobs.c.position < position, position), else_=jobs.c.position),
                duration=jobs.c.duration if duration is None else duration,
                attempts=0,
            )
            if job is None:
                self._one(connection, job_id)
                return
            extend(connection, job, self._clock())
            if values:
                connection.execute(self._insert(windows).on_conflict_do_nothing(), values)

    def save_transcript(self, job_id: str, transcript: Transcript) -> None:
        """See :class:`~harken.ports.Store`."""
        with writing(self._engine) as connection:
            if self._update(connection, job_id, attempts=0) is None:
                self._one(connection, job_id)
            else:
                self._write_transcript(connection, job_id, transcript)

    def name_speakers(self, job_id: str, names: Mapping[str, str | None]) -> Transcript:
        """See :class:`~harken.ports.Store`."""
        query = sa.select(transcripts.c.transcript).where(transcripts.c.job_id == job_id).with_for_update()
        with writing(self._engine) as connection:
            # The job first, as whoever deletes it: else each could wait for the other.
            connection.execute(jobs.update().where(jobs.c.id == job_id).values(updated=self._clock()))
            saved = connection.execute(query).scalar_one_or_none()
            if saved is None:
                raise not_found(job_id)
            transcript = rows.load_transcript(saved).named(names)
            self._write_transcript(connection, job_id, transcript)
            return transcript

    def complete(self, job_id: str, transcript: Transcript) -> Job:
        """See :class:`~harken.ports.Store`."""
        with writing(self._engine) as connection:
            job = self._end(
                connection,
                job_id,
                JobState.COMPLETED,
                duration=transcript.duration,
                position=transcript.duration,
            )
            if job is None:
                return self._one(connection, job_id)
            self._write_transcript(connection, job_id, transcript)
            return job

    def fail(self, job_id: str, code: str, message: str, worker: str | None = None) -> Job:
        """See :class:`~harken.ports.Store`."""
        with writing(self._engine) as connection:
            if worker is not None:
                holder = sa.select(jobs.c.worker).where(jobs.c.id == job_id).with_for_update()
                if connection.execute(holder).scalar() != worker:
                    return self._one(connection, job_id)
            job = self._end(connection, job_id, JobState.FAILED, error_code=code, error_message=message)
            return job or self._one(connection, job_id)

    def cancelled(self, job_id: str) -> Job:
        """See :class:`~harken.ports.Store`."""
        with writing(self._engine) as connection:
            return self._end(connection, job_id, JobState.CANCELLED) or self._one(connection, job_id)

    def request_cancel(self, job_id: str) -> Job:
        """See :class:`~harken.ports.Store`."""
        queued = jobs.c.state == JobState.QUEUED.value
        with writing(self._engine) as connection:
            job = self._update(
                connection,
                job_id,
                cancel_requested=True,
                state=sa.case((queued, JobState.CANCELLED.value), else_=jobs.c.state),
                ended=sa.case((queued, self._clock()), else_=jobs.c.ended),
            )
            if job is None:
                job = self._one(connection, job_id)
                raise JobEnded(f"job {job_id} is {job.state.value} and cannot be cancelled any more")
            connection.execute(stages.update().where(*_active_of(job_id)).values(cancel_requested=True))
            if job.state.ended:
                self._ended(connection, job)
            return job

    def delete(self, job_id: str) -> None:
        """See :class:`~harken.ports.Store`."""
        with writing(self._engine) as connection:
            # The job first: whoever ends it now waits, and then finds it gone.
            row = connection.execute(jobs.delete().where(jobs.c.id == job_id).returning(*jobs.c)).one_or_none()
            drop_job(connection, job_id, self._clock())
            if row is not None and not (job := rows.job_from(row)).state.ended:
                work.job_ended(job, self._clock())

    def recording_came(self, job_id: str, key: str, size: int, filename: str) -> Job:
        """See :class:`~harken.ports.Store`."""
        with writing(self._engine) as connection:
            if self._max_kept is not None:
                shares.alone(connection)
                shares.keep(connection, self._one(connection, job_id).owner, size, self._max_kept)
            return self._update(connection, job_id, audio=key, size=size, filename=filename) or self._one(
                connection, job_id
            )

    def audio_swept(self, job_id: str) -> None:
        """See :class:`~harken.ports.Store`."""
        with writing(self._engine) as connection:
            connection.execute(jobs.update().where(jobs.c.id == job_id).values(audio=None))

    def forget_records(self, audit_before: float, receivers_before: float) -> None:
        """See :class:`~harken.ports.Store`."""
        addressed = sa.exists().where(deliveries.c.owner == receivers.c.owner, deliveries.c.url == receivers.c.url)
        # One that lives again is no more than its name.
        since = sa.func.coalesce(receivers.c.paused, 0.0)
        with writing(self._engine) as connection:
            connection.execute(audit.delete().where(audit.c.at < audit_before))
            connection.execute(receivers.delete().where(since < receivers_before, ~addressed))

    # Pieces

    def _some(self, *conditions: sa.ColumnElement[bool], limit: int) -> list[Job]:
        return [rows.job_from(row) for row in self._read(sa.select(jobs).where(*conditions).limit(limit))]

    @staticmethod
    def _windows_from(job_id: str, first: int) -> sa.Select[Any]:
        return (
            sa.select(windows.c.idx, windows.c.result)
            .where(windows.c.job_id == job_id, windows.c.idx >= first)
            .order_by(windows.c.idx)
        )

    @staticmethod
    def _one(connection: sa.Connection, job_id: str) -> Job:
        row = connection.execute(sa.select(jobs).where(jobs.c.id == job_id)).one_or_none()
        if row is None:
            raise not_found(job_id)
        return rows.job_from(row)

    def _change(self, job_id: str, **values: Any) -> Job:
        with writing(self._engine) as connection:
            return self._update(connection, job_id, **values) or self._one(connection, job_id)

    def _end(self, connection: sa.Connection, job_id: str, state: JobState, **values: Any) -> Job | None:
        now = self._clock()
        job = self._update(connection, job_id, state=state.value, ended=now, stage=None, **values)
        if job is not None:
            cancelled = {"state": JobState.CANCELLED.value, "ended": now, "updated": now}
            dropped = stages.update().where(*_active_of(job_id)).values(cancelled).returning(*stages.c)
            for row in connection.execute(dropped):
                work.stage_ended(rows.stage_from(row), now)
            self._ended(connection, job)
        return job

    def _ended(self, connection: sa.Connection, job: Job) -> None:
        """What has to be in the same transaction as a job's end, whichever it is."""
        work.job_ended(job, self._clock())
        end_job(connection, job, self._clock())
        count(connection, job, self._clock())
        if job.webhook is not None:
            connection.execute(deliveries.insert().values(rows.delivery_values(job, str(uuid.uuid4()), self._clock())))

    def _update(self, connection: sa.Connection, job_id: str, **values: Any) -> Job | None:
        """Change a job that has not ended; None when it has, or is not there."""
        row = connection.execute(
            jobs.update()
            .where(jobs.c.id == job_id, jobs.c.state.in_(ACTIVE))
            .values(updated=self._clock(), **values)
            .returning(*jobs.c)
        ).one_or_none()
        return None if row is None else rows.job_from(row)


_NEEDED = sa.exists().where(stages.c.job_id == jobs.c.id, stages.c.state.in_(ACTIVE))
"""A stage of the job has not ended."""


def _active_of(job_id: str) -> tuple[sa.ColumnElement[bool], ...]:
    return stages.c.job_id == job_id, stages.c.state.in_(ACTIVE)
