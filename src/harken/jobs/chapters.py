# SPDX-License-Identifier: Apache-2.0
"""Recognition of a job: chapter after chapter, then one transcript.

A chapter is a step: what it did is recorded, so a job that another worker takes up goes on behind the last whole
chapter, and within a chapter behind the last saved window. Knows no process and no model, only a runner of chapters.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

from dbos import DBOS, StepOptions

from harken.errors import (
    AudioGone,
    DeadlineExceeded,
    DiskFull,
    HarkenError,
    JobCancelled,
    JobFailed,
    WorkerUnavailable,
    revive,
)
from harken.jobs.hands import AWAY, Hands, LeftOff
from harken.model import Job, Timing, Transcript, WindowResult
from harken.pipeline import Cursor, assemble, cursor_from, cursor_to_dict
from harken.ports import BlobStore, ChapterDone, ChapterRunner, Store
from harken.telemetry import work

log = logging.getLogger(__name__)

LOOK = 0.5
"""Seconds between two looks at whether something was cancelled."""

_TRANSIENT = (WorkerUnavailable, OSError)


def step(name: str) -> StepOptions:
    """A step that is tried again when the worker cannot do it now."""
    return {
        "name": name,
        "retries_allowed": True,
        "max_attempts": 4,
        "interval_seconds": 1.0,
        "backoff_rate": 2.0,
        "should_retry": lambda error: isinstance(error, _TRANSIENT),
    }


class Chapters:
    """Has recordings recognised, and keeps what was heard."""

    def __init__(
        self, hands: Hands, store: Store, blobs: BlobStore, runner: ChapterRunner, clock: Callable[[], float]
    ) -> None:
        self._hands = hands
        self._store = store
        self._blobs = blobs
        self._runner = runner
        self._clock = clock

    def recognise(self, job: Job) -> ChapterDone:
        """Recognise what of the job is left. Only inside a workflow.

        Raises LeftOff, and whatever ends the job; DBOSMaxStepRetriesExceeded when the worker cannot go on.
        """
        done = ChapterDone(Cursor(), job.duration)
        while not done.cursor.done:
            self._hands.check()
            done = _checked(DBOS.run_step(step("advance"), self._advance, job.id, cursor_to_dict(done.cursor)))
        return done

    def transcript(self, job: Job, done: ChapterDone) -> Transcript:
        """All that was heard."""
        results = self._hands.patiently(self._store.saved, job.id)
        if sorted(results) != list(range(done.cursor.index)):
            raise RuntimeError(f"job {job.id} has windows {sorted(results)} of {done.cursor.index}")
        return assemble(
            [results[index] for index in sorted(results)],
            job.options,
            duration=done.cursor.position if done.duration is None else done.duration,
            model=job.options.model or "",
            timing=timing(job, self._clock()),
            warnings=done.warnings,
        )

    def _advance(self, job_id: str, place: dict[str, Any]) -> dict[str, Any]:
        """One chapter. Gives how it ended, or the error that ends the job: plain values, which the queue records."""
        try:
            job = self._hands.patiently(self._store.job, job_id)
            cursor = cursor_from(place)
            with work.chapter(job, cursor.index, cursor.position) as told:
                done = self._chapter(job, cursor)
                told["harken.window.count"] = done.cursor.index - cursor.index
            return {
                "cursor": cursor_to_dict(done.cursor),
                "duration": done.duration,
                "warnings": list(done.warnings),
            }
        except WorkerUnavailable as error:
            if self._hands.stopping:
                raise LeftOff from error
            raise
        except DiskFull as error:
            # That is the worker's trouble, and not the job's: another has room, or this one in a while.
            log.warning("job %s is given back: %s", job_id, error)
            self._hands.rest()
            raise LeftOff from error
        except HarkenError as error:
            if error.detail is not None:
                log.warning("job %s: %s", job_id, error)
            return {"error": [error.code, error.message]}

    def _chapter(self, job: Job, cursor: Cursor) -> ChapterDone:
        def save(results: Sequence[tuple[int, WindowResult]]) -> None:
            reached = max(result.window.end for _, result in results)
            self._hands.patiently(self._store.save_windows, job.id, results, position=reached, duration=None)

        if job.audio is None:
            raise JobFailed.of("recording_lost", "the recording was removed before the job was done")
        cancelled, audio = self._cancelled(job), job.audio

        def run() -> ChapterDone:
            if cancelled():
                raise JobCancelled(f"job {job.id} was cancelled")
            saved = self._store.saved(job.id, cursor.index)
            return self._runner.run_chapter(job, self._blobs.source(audio), cursor, saved, save, cancelled)

        try:
            done = self._hands.patiently(run)
        except (FileNotFoundError, AudioGone) as error:
            raise JobFailed.of("recording_lost", "the recording is not in the blob store any more") from error
        if done.cursor.index == cursor.index or done.duration != job.duration:
            position = done.cursor.position
            self._hands.patiently(self._store.save_windows, job.id, [], position=position, duration=done.duration)
        return done

    def _cancelled(self, job: Job) -> Callable[[], bool]:
        def seen() -> bool:
            # In other hands is no reason: who was taken for dead because it is slow still saves what it has begun. Were
            # that dropped, machines that are too slow to show that they live would take over from each other for ever.
            found = self._store.job(job.id)
            return found.cancel_requested or found.state.ended

        return watch(self._hands, seen, job.deadline, self._clock)


def watch(
    hands: Hands, seen: Callable[[], bool], deadline: float | None, clock: Callable[[], float]
) -> Callable[[], bool]:
    """What tells a runner to stop; ``seen`` looks at the database, ten times a second at most."""
    looked = 0.0

    def cancelled() -> bool:
        nonlocal looked
        if hands.aborting:
            raise WorkerUnavailable("the worker stops")
        if deadline is not None and clock() > deadline:
            raise DeadlineExceeded("it was not done in the time it was given")
        now = time.monotonic()
        if now - looked < LOOK:
            return False
        looked = now
        try:
            return seen()
        except AWAY:
            return False

    return cancelled


def timing(job: Job, now: float) -> Timing:
    """How long the job waited and how long it has been worked on."""
    started = job.started if job.started is not None else job.created
    return Timing(queued=max(0.0, started - job.created), processing=max(0.0, now - started))


def _checked(outcome: dict[str, Any]) -> ChapterDone:
    if "error" in outcome:
        raise revive(*outcome["error"])
    return ChapterDone(cursor_from(outcome["cursor"]), outcome["duration"], tuple(outcome["warnings"]))
