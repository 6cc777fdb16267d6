# SPDX-License-Identifier: Apache-2.0
"""The durable workflow of a job: chapter after chapter, then one transcript.

A chapter is a step: what it did is recorded, so a job that another worker takes up goes on behind the last whole
chapter, and within a chapter behind the last saved window. Knows no process and no model, only a runner of chapters.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

import sqlalchemy.exc
from dbos import DBOS, StepOptions
from dbos import error as dbos_error

from harken.errors import (
    DeadlineExceeded,
    HarkenError,
    JobCancelled,
    JobFailed,
    JobNotFound,
    RecogniserCrashed,
    WorkerError,
    WorkerUnavailable,
    revive,
)
from harken.jobs.names import WORKFLOW
from harken.model import Job, Timing, WindowResult
from harken.pipeline import Cursor, assemble, cursor_from, cursor_to_dict
from harken.ports import BlobStore, ChapterDone, ChapterRunner, Store

log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

MAX_ATTEMPTS = 5
"""Times that a job is taken up without one more window getting saved; then something about it kills workers."""

_TRANSIENT = (WorkerUnavailable, OSError)
_STEP: StepOptions = {
    "name": "advance",
    "retries_allowed": True,
    "max_attempts": 4,
    "interval_seconds": 1.0,
    "backoff_rate": 2.0,
    "should_retry": lambda error: isinstance(error, _TRANSIENT),
}
_AWAY = (sqlalchemy.exc.OperationalError, sqlalchemy.exc.InterfaceError, sqlalchemy.exc.TimeoutError)
"""The database does not answer. Jobs wait for it; it is no fault of theirs."""
_PATIENCE = 1.0
"""Seconds between two tries to reach the database."""
_LOOK = 0.1
"""Seconds between two looks at whether a job was cancelled."""


class LeftOff(BaseException):
    """This execution stops here and leaves no outcome: another goes on.

    Not an Exception, because the queue records those as the workflow's end.
    """


class Transcriptions:
    """The jobs that one worker process has in hand.

    Args:
        store: where their windows go.
        blobs: where their recordings are.
        runner: recognises a chapter.
        clock: seconds since the epoch.
    """

    def __init__(
        self, store: Store, blobs: BlobStore, runner: ChapterRunner, clock: Callable[[], float] = time.time
    ) -> None:
        self._store = store
        self._blobs = blobs
        self._runner = runner
        self._clock = clock
        self._running: dict[str, int] = {}
        self._left: set[str] = set()
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._aborting = threading.Event()

    def register(self) -> None:
        """Make the workflow known to the queue, in this process."""

        @DBOS.workflow(name=WORKFLOW, max_recovery_attempts=None)
        def transcribe(job_id: str) -> str:
            with self._counted(job_id):
                return self.run(job_id)

    def running(self) -> set[str]:
        """Ids of the jobs in hand."""
        with self._changed:
            return set(self._running)

    def left(self) -> set[str]:
        """Ids of the jobs that were let go before their end."""
        with self._changed:
            return set(self._left)

    def stop(self, drain: float) -> bool:
        """Let go of every job at the end of its chapter, or in the middle after ``drain`` seconds; whether all did."""
        self._stopping.set()
        if self._idle(drain):
            return True
        self._aborting.set()
        return self._idle(max(drain, 5.0))

    def run(self, job_id: str) -> str:
        """Do a job, or what is left of it; the state it ended in. Raises LeftOff when it goes on elsewhere."""
        try:
            job = self._patiently(self._store.start, job_id)
            if job.state.ended:
                return job.state.value
            return self._do(job).state.value
        except JobNotFound:
            return "deleted"
        except (dbos_error.DBOSWorkflowConflictIDError, dbos_error.DBOSWorkflowCancelledError) as error:
            log.info("job %s was taken over or cancelled: %s", job_id, error)
            raise LeftOff from error
        finally:
            self._runner.release(job_id)

    def _do(self, job: Job) -> Job:
        try:
            _check_attempts(job)
            done = ChapterDone(Cursor(), job.duration)
            while not done.cursor.done:
                self._check_stopping()
                done = _checked(DBOS.run_step(_STEP, self._advance, job.id, cursor_to_dict(done.cursor)))
            return self._finish(job, done)
        except JobNotFound:
            raise
        except JobCancelled:
            return self._patiently(self._store.cancelled, job.id)
        except HarkenError as error:
            log.info("job %s failed: %s: %s", job.id, error.code, error.message)
            return self._patiently(self._store.fail, job.id, error.code, error.message)
        except dbos_error.DBOSMaxStepRetriesExceeded as error:
            log.warning("job %s failed: %s", job.id, error)
            text = f"the worker could not go on with the recording: {error.errors[-1]}"
            return self._patiently(self._store.fail, job.id, WorkerError.code, text)
        except Exception as error:
            log.exception("job %s failed", job.id)
            text = f"the worker failed in a way that it should not: {type(error).__name__}"
            return self._patiently(self._store.fail, job.id, HarkenError.code, text)

    def _advance(self, job_id: str, place: dict[str, Any]) -> dict[str, Any]:
        """One chapter. Gives how it ended, or the error that ends the job: plain values, which the queue records."""
        try:
            job = self._patiently(self._store.job, job_id)
            done = self._chapter(job, cursor_from(place))
            return {
                "cursor": cursor_to_dict(done.cursor),
                "duration": done.duration,
                "warnings": list(done.warnings),
            }
        except WorkerUnavailable as error:
            if self._stopping.is_set():
                raise LeftOff from error
            raise
        except HarkenError as error:
            return {"error": [error.code, error.message]}

    def _chapter(self, job: Job, cursor: Cursor) -> ChapterDone:
        def save(results: Sequence[tuple[int, WindowResult]]) -> None:
            reached = max(result.window.end for _, result in results)
            self._patiently(self._store.save_windows, job.id, results, position=reached, duration=None)

        if job.audio is None:
            raise JobFailed.of("recording_lost", "the recording was removed before the job was done")
        saved = self._patiently(self._store.saved, job.id, cursor.index)
        try:
            with self._blobs.local(job.audio) as path:
                done = self._runner.run_chapter(job, path, cursor, saved, save, self._cancelled(job))
        except FileNotFoundError as error:
            raise JobFailed.of("recording_lost", "the recording is not in the blob store any more") from error
        if done.cursor.index == cursor.index or done.duration != job.duration:
            position = done.cursor.position
            self._patiently(self._store.save_windows, job.id, [], position=position, duration=done.duration)
        return done

    def _cancelled(self, job: Job) -> Callable[[], bool]:
        """What tells the runner to stop; looks at the store ten times a second at most."""
        looked = 0.0

        def cancelled() -> bool:
            nonlocal looked
            if self._aborting.is_set():
                raise WorkerUnavailable("the worker stops")
            if job.deadline is not None and self._clock() > job.deadline:
                raise DeadlineExceeded("the job was not done in the time it was given")
            now = time.monotonic()
            if now - looked < _LOOK:
                return False
            looked = now
            try:
                seen = self._store.job(job.id)
            except _AWAY:
                return False
            return seen.cancel_requested or seen.state.ended

        return cancelled

    def _finish(self, job: Job, done: ChapterDone) -> Job:
        results = self._patiently(self._store.saved, job.id)
        if sorted(results) != list(range(done.cursor.index)):
            raise RuntimeError(f"job {job.id} has windows {sorted(results)} of {done.cursor.index}")
        started = job.started if job.started is not None else job.created
        transcript = assemble(
            [results[index] for index in sorted(results)],
            job.options,
            duration=done.cursor.position if done.duration is None else done.duration,
            model=job.options.model or "",
            timing=Timing(queued=max(0.0, started - job.created), processing=max(0.0, self._clock() - started)),
            warnings=done.warnings,
        )
        return self._patiently(self._store.complete, job.id, transcript)

    def _check_stopping(self) -> None:
        if self._stopping.is_set():
            raise LeftOff

    def _patiently(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Call, again and again while the database is away."""
        while True:
            try:
                return call(*args, **kwargs)
            except _AWAY as error:
                log.warning("the database does not answer: %s", error)
                if self._aborting.wait(_PATIENCE):
                    raise LeftOff from error

    @contextmanager
    def _counted(self, job_id: str) -> Iterator[None]:
        with self._changed:
            self._running[job_id] = self._running.get(job_id, 0) + 1
            self._left.discard(job_id)
        try:
            yield
        except LeftOff:
            with self._changed:
                self._left.add(job_id)
            raise
        finally:
            with self._changed:
                self._running[job_id] -= 1
                if not self._running[job_id]:
                    del self._running[job_id]
                self._changed.notify_all()

    def _idle(self, seconds: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: not self._running, seconds)


def _check_attempts(job: Job) -> None:
    if job.attempts > MAX_ATTEMPTS:
        raise RecogniserCrashed(
            f"{MAX_ATTEMPTS} workers took up this job, and none got one more window done before it died or stopped"
        )


def _checked(outcome: dict[str, Any]) -> ChapterDone:
    if "error" in outcome:
        raise revive(*outcome["error"])
    return ChapterDone(cursor_from(outcome["cursor"]), outcome["duration"], tuple(outcome["warnings"]))
