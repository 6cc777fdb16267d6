# SPDX-License-Identifier: Apache-2.0
"""All that a dialect may call: submit, read, list, cancel, delete.

Synchronous and thread-safe; a server calls it from a thread. Knows the ports and the pipeline's rules for options,
not HTTP, SQL or the queue.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harken import pipeline
from harken.errors import JobEnded, JobFailed, JobNotFinished, revive
from harken.model import Job, JobState, Lane, MediaInfo, Options, Transcript, WindowResult, plain
from harken.models.catalog import Catalog
from harken.ports import BlobStore, JobEngine, Page, Readiness, Store, Submission


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: the id that owns jobs. Everyone is the same caller where no keys are set."""

    id: str


@dataclass(frozen=True, slots=True)
class Upload:
    """A recording that has arrived whole: where it is spooled, its name, bytes and SHA-256."""

    path: Path
    filename: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Limits:
    """The operator's limits that hold for every dialect. Seconds."""

    max_audio_seconds: float
    interactive_seconds: float
    job_deadline: float


class Service:
    """The use cases of harken, over its ports.

    ``probe`` reads a recording's headers. It runs native code on strangers' bytes, so wiring gives it a process of its
    own.
    """

    def __init__(
        self,
        store: Store,
        blobs: BlobStore,
        engine: JobEngine,
        catalog: Catalog,
        probe: Callable[[Path], MediaInfo],
        limits: Limits,
        checks: Callable[[], list[Readiness]],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._blobs = blobs
        self._engine = engine
        self.catalog = catalog
        self._probe = probe
        self._limits = limits
        self._checks = checks
        self._clock = clock

    def check(self, options: Options) -> Options:
        """``options`` with the model's canonical name and the language's code.

        Dialects call it before they read the recording, so that a bad field costs nobody an upload. Raises
        UnknownModel, UnknownLanguage or InvalidOption, which names the field.
        """
        return pipeline.validate(options, self.catalog)

    def submit(
        self,
        upload: Upload,
        options: Options,
        caller: Caller,
        *,
        waits: bool,
        idempotency_key: str | None = None,
        warnings: tuple[str, ...] = (),
        view: dict[str, Any] | None = None,
    ) -> Job:
        """Make a job of a spooled recording; on return the spooled file belongs to the job or is gone.

        ``waits`` says that the caller holds the line: such jobs, and short recordings, take the interactive lane.
        ``warnings`` and ``view`` are kept with the job for the dialect.

        Raises:
            InvalidRequest: an option is not valid.
            NotMedia, NoAudio: the bytes are not audio.
            AudioTooLong, QueueFull, IdempotencyConflict: nothing was made.
        """
        key: str | None = None
        try:
            options = self.check(options)
            info = self._probe(upload.path)
            pipeline.check_duration(info.duration, self._limits.max_audio_seconds)
            now = self._clock()
            short = info.duration is not None and info.duration <= self._limits.interactive_seconds
            job_id = str(uuid.uuid4())
            key = job_id
            self._blobs.adopt(upload.path, key)
            job, new = self._engine.submit(
                Submission(
                    job=Job(
                        id=job_id,
                        owner=caller.id,
                        state=JobState.QUEUED,
                        lane=Lane.INTERACTIVE if waits or short else Lane.BATCH,
                        options=options,
                        filename=upload.filename,
                        created=now,
                        updated=now,
                        audio=key,
                        size=upload.size,
                        duration=info.duration,
                        deadline=now + self._limits.job_deadline,
                        warnings=warnings,
                        view=view or {},
                    ),
                    idempotency_key=idempotency_key,
                    fingerprint=_fingerprint(upload, options),
                )
            )
            if not new:
                self._blobs.delete(key)
            return job
        except BaseException:
            if key is not None:
                self._blobs.delete(key)
            raise
        finally:
            upload.path.unlink(missing_ok=True)

    def job(self, job_id: str, caller: Caller) -> Job:
        """The caller's job. Raises JobNotFound, for the jobs of others too."""
        return self._store.job(job_id, caller.id)

    def jobs(self, caller: Caller, limit: int = 20, cursor: str | None = None) -> Page:
        """The caller's jobs, newest first."""
        return self._store.jobs(caller.id, limit, cursor)

    def cancel(self, job_id: str, caller: Caller) -> Job:
        """Cancel: a queued job at once, a running one within a window. Raises JobNotFound, JobEnded."""
        self._store.job(job_id, caller.id)
        job = self._store.request_cancel(job_id)
        if job.state is JobState.CANCELLED:
            self._engine.cancel(job_id)
        return job

    def delete(self, job_id: str, caller: Caller) -> None:
        """Remove the job, its recording and its text; a running one is cancelled first."""
        job = self._store.job(job_id, caller.id)
        with contextlib.suppress(JobEnded):
            self.cancel(job_id, caller)
        if job.audio is not None:
            self._blobs.delete(job.audio)
        self._store.delete(job_id)

    def transcript(self, job_id: str, caller: Caller) -> Transcript:
        """The result. Raises JobNotFound, JobNotFinished, or what the job failed with."""
        job = self._store.job(job_id, caller.id)
        if not job.state.ended:
            raise JobNotFinished(f"job {job_id} is {job.state.value}; its result is there once it has completed")
        transcript = self._store.transcript(job_id)
        if transcript is None:
            raise self.failure(job)
        return transcript

    def results(self, job_id: str, caller: Caller, after: int = -1) -> tuple[Job, list[tuple[int, WindowResult]]]:
        """The job as it is now and the windows done since ``after``, in order, each once.

        The job is read first: when it has ended, the windows that come with it are the last.
        """
        job = self._store.job(job_id, caller.id)
        return job, self._store.windows(job_id, after)

    def readiness(self) -> list[Readiness]:
        """Every part that must work, and whether it does."""
        return self._checks()

    @staticmethod
    def failure(job: Job) -> Exception:
        """The error of a job that ended without a transcript."""
        if job.state is JobState.CANCELLED:
            return revive("job_cancelled", f"job {job.id} was cancelled")
        if job.error_code is None:
            return JobFailed(f"job {job.id} has no result")
        return revive(job.error_code, job.error_message or "the job failed")


def _fingerprint(upload: Upload, options: Options) -> str:
    text = json.dumps([upload.sha256, plain(options)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
