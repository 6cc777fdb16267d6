# SPDX-License-Identifier: Apache-2.0
"""The sockets of the house: what the service and the workflow need, and adapters provide.

Protocols and the small values that pass through them. Times are seconds since the epoch. Knows no database, no queue
and no file system layout; ``wiring`` names the adapters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from harken.model import (
    Diarization,
    Job,
    KnownVoice,
    Lane,
    Options,
    Stage,
    TextResult,
    TextTask,
    Transcript,
    Voice,
    WindowResult,
)
from harken.pipeline.cursor import Cursor
from harken.text.provider import Watch


@dataclass(frozen=True, slots=True)
class Submission:
    """A job to be made, with what must hold in the same transaction."""

    job: Job
    idempotency_key: str | None = None
    fingerprint: str = ""
    """SHA-256 of the recording and the options: the same key with another fingerprint is a conflict."""
    given: tuple[Transcript, Stage] | None = None
    """The transcript of a job without a recording, and what is to be done with it."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some jobs, newest first, and the cursor of the next page (None at the end)."""

    jobs: tuple[Job, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class Readiness:
    """One part that must work before the server can: its name, whether it does, and what to do if not."""

    part: str
    ok: bool
    detail: str


class Store(Protocol):
    """Jobs, windows and transcripts in a database. Every method is one transaction.

    Methods that change a job which has already ended leave it as it is: an end is final.
    """

    def job(self, job_id: str, owner: str | None = None) -> Job:
        """The job. ``owner`` None is any. Raises :class:`~harken.errors.JobNotFound`."""

    def jobs(self, owner: str | None, limit: int, cursor: str | None = None) -> Page:
        """Jobs newest first. Raises :class:`~harken.errors.InvalidOption` for a cursor that is none."""

    def start(self, job_id: str, worker: str) -> Job:
        """Mark as processing (again, after a crash) by a worker and count the attempt; the first start time stays."""

    def put_down(self, job_id: str) -> None:
        """Do not count the attempt: whoever took the job up has let go of it in good order."""

    def save_windows(
        self, job_id: str, results: Sequence[tuple[int, WindowResult]], *, position: float, duration: float | None
    ) -> None:
        """Save recognised windows by (job, index), and the job's ``position`` and ``duration`` in seconds.

        A window that was saved before stays as it is, so nobody hears two versions of it, and a position never goes
        back. Raises JobNotFound.
        """

    def windows(self, job_id: str, after: int = -1) -> list[tuple[int, WindowResult]]:
        """The saved windows with an index over ``after``, in order, up to the first gap.

        A listener that asks again with the last index it got sees every window once, in order, without repeats.
        """

    def saved(self, job_id: str, first: int = 0) -> dict[int, WindowResult]:
        """Every saved window from index ``first`` on, gaps or not."""

    def save_transcript(self, job_id: str, transcript: Transcript) -> None:
        """Save the transcript of a job that goes on, in place of an earlier one. Raises JobNotFound."""

    def complete(self, job_id: str, transcript: Transcript) -> Job:
        """Save the transcript, in place of an earlier one, and end the job.

        Stages of a job that are not done when it ends, however it does, are cancelled with it.
        """

    def fail(self, job_id: str, code: str, message: str) -> Job:
        """End the job with an error."""

    def request_cancel(self, job_id: str) -> Job:
        """A queued job is cancelled at once, a running one is marked, with its stage. Raises JobNotFound, JobEnded."""

    def cancelled(self, job_id: str) -> Job:
        """End the job as cancelled."""

    def transcript(self, job_id: str) -> Transcript | None:
        """The transcript, which a job has before its stages are done."""

    def delete(self, job_id: str) -> None:
        """Remove the job, its windows and its transcript."""

    def audio_swept(self, job_id: str) -> None:
        """Note that the recording is gone from the blob store."""

    def expired_audio(self, ended_before: float, limit: int = 100) -> list[Job]:
        """Jobs that ended before that time and still have their recording, which no stage needs."""

    def expired_jobs(self, now: float, keep: float, limit: int = 100) -> list[Job]:
        """Jobs that ended more than ``keep`` seconds ago, or than they were to be kept, and that no stage needs."""

    def overdue(self, now: float, limit: int = 100) -> list[Job]:
        """Jobs past their deadline that have not ended."""

    def audio_keys(self) -> set[str]:
        """Keys of every recording that a job owns."""

    def workers_alive(self, within: float) -> int:
        """Executors whose heart beat in the last ``within`` seconds, by the database's clock."""

    def ping(self) -> None:
        """Raise when the database cannot be read."""

    def close(self) -> None:
        """Give connections back."""


class Stages(Protocol):
    """The stages of jobs. Every method is one transaction; an end is final.

    Methods that name a stage raise :class:`~harken.errors.StageNotFound`, also after its job was deleted.
    """

    def stage(self, stage_id: str) -> Stage:
        """The stage."""

    def stages(self, job_id: str) -> list[Stage]:
        """Every stage of a job, in the order in which they were made."""

    def open(self, stage: Stage) -> Stage:
        """Have a stage of a running job, made now unless it is there already, and note in the job which it is.

        Raises JobNotFound, or JobEnded when the job does not run any more.
        """

    def start(self, stage_id: str) -> Stage:
        """Mark as processing and count the attempt; the first start time stays."""

    def put_down(self, stage_id: str) -> None:
        """Do not count the attempt, as :meth:`Store.put_down`."""

    def progress(self, stage_id: str, progress: float) -> None:
        """Note how far it is, 0 to 1; it never goes back."""

    def complete(self, stage_id: str, outcome: Transcript | TextResult) -> Stage:
        """Save what the job's transcript has become, or the text that was made of it, and end the stage."""

    def fail(self, stage_id: str, code: str, message: str) -> Stage:
        """End it with an error; the transcript stays as it was."""

    def cancelled(self, stage_id: str) -> Stage:
        """End it as cancelled."""

    def request_cancel(self, stage_id: str) -> Stage:
        """One that is queued is cancelled at once, one that runs is marked. Raises JobEnded when it has ended."""

    def overdue(self, now: float, limit: int = 100) -> list[Stage]:
        """Stages past their deadline that have not ended."""


class Voices(Protocol):
    """Enrolled voices, each its owner's."""

    def voices(self, owner: str) -> list[Voice]:
        """All of an owner's, by name."""

    def enrol(self, voice: Voice) -> None:
        """Keep a voice. Raises VoiceExists."""

    def forget(self, owner: str, name: str) -> None:
        """Remove a voice. Raises VoiceNotFound."""


class BlobStore(Protocol):
    """Recordings by key."""

    def adopt(self, path: Path, key: str) -> None:
        """Take over a finished local file under ``key``; the file is gone from ``path`` afterwards."""

    def copy(self, key: str, other: str) -> None:
        """Keep the recording under another key too; either can be deleted alone. Raises FileNotFoundError."""

    def local(self, key: str) -> AbstractContextManager[Path]:
        """The recording as a local file for the length of the context. Raises FileNotFoundError."""

    def delete(self, key: str) -> None:
        """Remove; a key that is not there is no error."""

    def keys(self, older_than: float = 0.0) -> set[str]:
        """Every key that was adopted more than ``older_than`` seconds ago, for the sweeper."""


class JobEngine(Protocol):
    """Durable jobs: what was submitted is done once, whatever dies."""

    def submit(self, submission: Submission) -> tuple[Job, bool]:
        """Insert the job and enqueue its workflow, or that of the stage that comes with it, in one transaction.

        Returns the job and whether it is new (False: the idempotency key gave an earlier one). Raises QueueFull or
        IdempotencyConflict; then nothing was inserted.
        """

    def submit_stage(self, stage: Stage) -> Stage:
        """Insert a stage of a completed job and enqueue its workflow in one transaction.

        Raises JobNotFound, JobNotFinished, AudioGone (for a stage that needs the recording), StageRunning or
        QueueFull; then nothing was inserted.
        """

    def cancel(self, workflow_id: str) -> None:
        """Take a job or a stage that has been cancelled off the queue, if it is still on it."""

    def close(self) -> None:
        """Give connections back."""


@dataclass(frozen=True, slots=True)
class ChapterDone:
    """What there is to keep of a chapter beside its windows."""

    cursor: Cursor
    """Where the next chapter begins; ``cursor.done`` when this was the last, then ``cursor.position`` is the end."""
    duration: float | None
    """Seconds of the whole recording: what its header says, or what was decoded when done."""
    warnings: tuple[str, ...] = ()
    """What was wrong with the recording, as far as it was read: the latest chapter's are complete."""


Transaction = Any
"""An open transaction of the store's database, which the queue shares."""


class Ledger(Protocol):
    """Where jobs are entered, as the queue needs it."""

    def enter(
        self, submission: Submission, max_queued: int, enqueue: Callable[[Transaction, int], None]
    ) -> tuple[Job, bool]:
        """Insert a job and call ``enqueue(transaction, active)`` in the same transaction, one submission at a time.

        ``active`` is the number of the caller's jobs that wait or run. What is returned and raised is as in
        :meth:`JobEngine.submit`.
        """

    def enter_stage(self, stage: Stage, max_queued: int, enqueue: Callable[[Transaction, Job, int], None]) -> Stage:
        """The same for a stage of a completed job, as in :meth:`JobEngine.submit_stage`; its job is handed on."""


@dataclass(frozen=True, slots=True)
class Executor:
    """A worker process as it is known to the others."""

    id: str
    """New at every start."""
    host: str
    """Names one kernel and the processes it shows; empty where that is not known."""
    pid: int
    born: int
    """When the kernel started the process, in its own ticks, which tells it from a later one with the same ``pid``."""
    silence: float = 0.0
    """Seconds since its last heartbeat, by the database's clock."""


class Roster(Protocol):
    """Which workers are alive, and who does what only one of them should do."""

    def beat(self, executor: Executor) -> None:
        """Say that the executor is alive, now."""

    def leave(self, executor_id: str) -> None:
        """Forget an executor."""

    def executors(self) -> list[Executor]:
        """Everyone who has not left."""

    def take_duty(self, name: str, every: float) -> bool:
        """Whether the caller shall do ``name`` now: true for one caller in ``every`` seconds, whoever asks."""


class Bell(Protocol):
    """Wakes a worker when there may be something in the queue. Used by one thread."""

    def wait(self, seconds: float) -> bool:
        """Wait at most so long for the database to change; whether it did."""

    def waiting(self) -> set[Lane]:
        """The lanes that jobs or stages wait in."""

    def close(self) -> None:
        """Give the connection back."""


class ChapterRunner(Protocol):
    """Recognises a recording chapter by chapter, in processes of its own. Called from a thread of each job's own."""

    def run_chapter(
        self,
        job: Job,
        path: Path,
        cursor: Cursor,
        saved: Mapping[int, WindowResult],
        on_results: Callable[[Sequence[tuple[int, WindowResult]]], None],
        cancelled: Callable[[], bool],
    ) -> ChapterDone:
        """Recognise the chapter that begins at ``cursor``, and say where the next one begins.

        ``saved`` holds the windows of this chapter that an earlier, interrupted run saved, by index; they are not
        recognised again. ``on_results`` is called in this thread with the others as they are done, in any order;
        ``cancelled`` is asked several times a second, and what it raises ends the chapter too.

        Raises:
            JobCancelled: ``cancelled`` said so; nothing of the job runs any more.
            RecogniserCrashed: native code died or hung more than once on a stretch of this recording.
            WorkerUnavailable: the worker stops; the chapter can be run again elsewhere.
            MediaError, AudioTooLong, ModelError, InvalidOption: the job cannot be done.
        """

    def release(self, job_id: str) -> None:
        """Forget what is kept of a job between chapters: open decoders and planned windows. For every end of a job."""


class SpeakerFinder(Protocol):
    """Finds out who speaks when, in processes of its own. Called from a thread of each job's own."""

    def diarize(
        self,
        job: Job,
        path: Path,
        options: Options,
        voices: Sequence[KnownVoice],
        on_progress: Callable[[float], None],
        cancelled: Callable[[], bool],
    ) -> Diarization:
        """Who speaks when in the part of a recording that ``options`` name, and how many there can be.

        ``on_progress`` is told 0 to 1 in this thread, ``cancelled`` is asked several times a second, and what either
        raises ends the work.

        Raises:
            JobCancelled: ``cancelled`` said so; nothing of it runs any more.
            RecogniserCrashed: native code died more than once, or took longer than it may.
            WorkerUnavailable: the worker stops, or starts no processes; it can be done again elsewhere.
            MediaError, ModelError: it cannot be done.
        """


class Writer(Protocol):
    """Does text work, in the caller's thread."""

    def write(self, transcript: Transcript, task: TextTask, watch: Watch) -> TextResult:
        """What ``task`` asks for. Raises UnknownModel, InvalidOption, TextError, and JobCancelled as ``watch`` says."""


class Runner(ChapterRunner, SpeakerFinder, Protocol):
    """All that a worker has done in processes of its own."""
