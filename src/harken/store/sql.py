# SPDX-License-Identifier: Apache-2.0
"""Jobs, windows and transcripts in SQLite or PostgreSQL, from one code.

Ends are final: every change names the states it may change in its WHERE. Knows no queue but a callback into the same
transaction, and no file.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from harken.errors import IdempotencyConflict, InvalidOption, JobEnded, JobNotFound, QueueFull
from harken.model import Job, JobState, Transcript, WindowResult
from harken.ports import Page, Submission, Transaction
from harken.store import rows
from harken.store.bell import ring
from harken.store.clock import database_clock
from harken.store.database import is_sqlite, writing
from harken.store.tables import executors, idempotency, jobs, transcripts, windows

_ACTIVE = (JobState.QUEUED.value, JobState.PROCESSING.value)
_ENTRY_LOCK = 0x717565756573
"""Key of the advisory lock that submissions take in PostgreSQL; in SQLite the write lock does."""


class SqlStore:
    """The :class:`~harken.ports.Store` and :class:`~harken.ports.Ledger` of one database. Thread-safe."""

    def __init__(self, engine: sa.Engine, clock: Callable[[], float] = time.time) -> None:
        self._engine = engine
        self._clock = clock
        # A read is one statement; in PostgreSQL a transaction around it would be two more round trips.
        self._reader = engine if is_sqlite(engine) else engine.execution_options(isolation_level="AUTOCOMMIT")
        self._insert = sqlite.insert if is_sqlite(engine) else postgresql.insert

    # Reading

    def job(self, job_id: str, owner: str | None = None) -> Job:
        """See :class:`~harken.ports.Store`."""
        query = sa.select(jobs).where(jobs.c.id == job_id)
        if owner is not None:
            query = query.where(jobs.c.owner == owner)
        found = self._read(query)
        if not found:
            raise _not_found(job_id)
        return rows.job_from(found[0])

    def jobs(self, owner: str | None, limit: int, cursor: str | None = None) -> Page:
        """See :class:`~harken.ports.Store`."""
        query = sa.select(jobs).order_by(jobs.c.created.desc(), jobs.c.id.desc()).limit(limit + 1)
        if owner is not None:
            query = query.where(jobs.c.owner == owner)
        if cursor is not None:
            query = query.where(sa.tuple_(jobs.c.created, jobs.c.id) < sa.tuple_(*map(sa.literal, _place(cursor))))
        found = [rows.job_from(row) for row in self._read(query)]
        more = len(found) > limit
        return Page(jobs=tuple(found[:limit]), next=_cursor(found[limit - 1]) if more else None)

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
        return self._some(jobs.c.ended < ended_before, jobs.c.audio.is_not(None), limit=limit)

    def expired_jobs(self, ended_before: float, limit: int = 100) -> list[Job]:
        """See :class:`~harken.ports.Store`."""
        return self._some(jobs.c.ended < ended_before, limit=limit)

    def overdue(self, now: float, limit: int = 100) -> list[Job]:
        """See :class:`~harken.ports.Store`."""
        return self._some(jobs.c.state.in_(_ACTIVE), jobs.c.deadline < now, limit=limit)

    def audio_keys(self) -> set[str]:
        """See :class:`~harken.ports.Store`."""
        return {row.audio for row in self._read(sa.select(jobs.c.audio).where(jobs.c.audio.is_not(None)))}

    def workers_alive(self, within: float) -> int:
        """See :class:`~harken.ports.Store`."""
        fresh = executors.c.beat > database_clock(self._engine) - within
        return int(self._read(sa.select(sa.func.count()).select_from(executors).where(fresh))[0][0])

    def ping(self) -> None:
        """See :class:`~harken.ports.Store`."""
        self._read(sa.select(jobs.c.id).limit(1))

    def close(self) -> None:
        """See :class:`~harken.ports.Store`."""
        self._engine.dispose()

    # Changing

    def enter(
        self, submission: Submission, max_queued: int, enqueue: Callable[[Transaction, int], None]
    ) -> tuple[Job, bool]:
        """See :class:`~harken.ports.Ledger`."""
        job = submission.job
        key = submission.idempotency_key
        digest = None if key is None else hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
        with writing(self._engine) as connection:
            if not is_sqlite(self._engine):
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_ENTRY_LOCK)))
            if digest is not None:
                earlier = self._earlier(connection, submission, digest)
                if earlier is not None:
                    return earlier, False
            queued, active = connection.execute(
                sa.select(
                    sa.func.count().filter(jobs.c.state == JobState.QUEUED.value),
                    sa.func.count().filter(jobs.c.owner == job.owner),
                ).where(jobs.c.state.in_(_ACTIVE))
            ).one()
            if queued >= max_queued:
                raise QueueFull(f"{queued} jobs are waiting, as many as may; try again when some are done")
            connection.execute(jobs.insert().values(rows.job_values(job)))
            if digest is not None:
                connection.execute(
                    idempotency.insert().values(
                        owner=job.owner, key=digest, fingerprint=submission.fingerprint, job_id=job.id
                    )
                )
            enqueue(connection, active)
            ring(connection)
        return job, True

    def start(self, job_id: str) -> Job:
        """See :class:`~harken.ports.Store`."""
        return self._change(
            job_id,
            state=JobState.PROCESSING.value,
            started=sa.func.coalesce(jobs.c.started, self._clock()),
            attempts=jobs.c.attempts + 1,
        )

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
            elif values:
                connection.execute(self._insert(windows).on_conflict_do_nothing(), values)

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
            connection.execute(transcripts.insert().values(job_id=job_id, transcript=rows.dump(transcript)))
            return job

    def fail(self, job_id: str, code: str, message: str) -> Job:
        """See :class:`~harken.ports.Store`."""
        with writing(self._engine) as connection:
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
            return job

    def delete(self, job_id: str) -> None:
        """See :class:`~harken.ports.Store`."""
        with writing(self._engine) as connection:
            connection.execute(jobs.delete().where(jobs.c.id == job_id))

    def audio_swept(self, job_id: str) -> None:
        """See :class:`~harken.ports.Store`."""
        with writing(self._engine) as connection:
            connection.execute(jobs.update().where(jobs.c.id == job_id).values(audio=None))

    # Pieces

    def _read(self, query: sa.Select[Any]) -> Sequence[sa.Row[Any]]:
        with self._reader.connect() as connection:
            return connection.execute(query).all()

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
            raise _not_found(job_id)
        return rows.job_from(row)

    def _change(self, job_id: str, **values: Any) -> Job:
        with writing(self._engine) as connection:
            return self._update(connection, job_id, **values) or self._one(connection, job_id)

    def _end(self, connection: sa.Connection, job_id: str, state: JobState, **values: Any) -> Job | None:
        return self._update(connection, job_id, state=state.value, ended=self._clock(), **values)

    def _update(self, connection: sa.Connection, job_id: str, **values: Any) -> Job | None:
        """Change a job that has not ended; None when it has, or is not there."""
        row = connection.execute(
            jobs.update()
            .where(jobs.c.id == job_id, jobs.c.state.in_(_ACTIVE))
            .values(updated=self._clock(), **values)
            .returning(*jobs.c)
        ).one_or_none()
        return None if row is None else rows.job_from(row)

    def _earlier(self, connection: sa.Connection, submission: Submission, digest: str) -> Job | None:
        query = (
            sa.select(jobs, idempotency.c.fingerprint)
            .join(idempotency, idempotency.c.job_id == jobs.c.id)
            .where(idempotency.c.owner == submission.job.owner, idempotency.c.key == digest)
        )
        row = connection.execute(query).one_or_none()
        if row is None:
            return None
        if row.fingerprint != submission.fingerprint:
            raise IdempotencyConflict("this idempotency key was used before with another recording or other options")
        return rows.job_from(row)


def _not_found(job_id: str) -> JobNotFound:
    return JobNotFound(f"there is no job {job_id!r}")


def _cursor(job: Job) -> str:
    return base64.urlsafe_b64encode(f"{job.created!r} {job.id}".encode()).decode().rstrip("=")


def _place(cursor: str) -> tuple[float, str]:
    wrong = InvalidOption("the cursor is not one that a list of jobs gave", param="cursor")
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        created, job_id = base64.urlsafe_b64decode(padded.encode("ascii")).decode("ascii").split(" ")
        place = float(created), job_id
    except (UnicodeError, binascii.Error, ValueError) as error:
        raise wrong from error
    if not math.isfinite(place[0]) or not job_id.isprintable():
        raise wrong
    return place
