# SPDX-License-Identifier: Apache-2.0
"""What is kept: jobs with their windows, stages and transcripts, voices, recordings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from harken.audio.remote import Stored
from harken.model import Job, Lane, Stage, TextResult, Transcript, Voice, WindowResult


@dataclass(frozen=True, slots=True)
class Page:
    """Some jobs, newest first, and the cursor of the next page (None at the end)."""

    jobs: tuple[Job, ...]
    next: str | None


class Store(Protocol):
    """Jobs, windows and transcripts in a database. Every method is one transaction.

    Methods that change a job which has already ended leave it as it is: an end is final. With the end, what was set
    aside of its owner's credits is given back, and a job that has completed is paid for, in the same transaction.
    """

    def job(self, job_id: str, owner: str | None = None) -> Job:
        """The job. ``owner`` None is any. Raises :class:`~harken.errors.JobNotFound`."""

    def jobs(self, owner: str | None, limit: int, cursor: str | None = None) -> Page:
        """An owner's recordings, newest first; with None the jobs of everyone, given transcripts among them.

        Raises :class:`~harken.errors.InvalidOption` for a cursor that is none.
        """

    def start(self, job_id: str, worker: str) -> Job:
        """Mark as processing (again, after a crash) by a worker and count the attempt; the first start time stays."""

    def put_down(self, job_id: str) -> None:
        """Do not count the attempt: whoever took the job up has let go of it in good order."""

    def save_windows(
        self, job_id: str, results: Sequence[tuple[int, WindowResult]], *, position: float, duration: float | None
    ) -> None:
        """Save recognised windows by (job, index), and the job's ``position`` and ``duration`` in seconds.

        A window that was saved before stays as it is, so nobody hears two versions of it, and a position never goes
        back. What the job has come to cost beyond what was set aside for it is set aside too. Raises JobNotFound, and
        NotEnoughCredits; then nothing was saved.
        """

    def windows(self, job_id: str, after: int = -1) -> list[tuple[int, WindowResult]]:
        """The saved windows with an index over ``after``, in order, up to the first gap.

        A listener that asks again with the last index it got sees every window once, in order, without repeats.
        """

    def saved(self, job_id: str, first: int = 0) -> dict[int, WindowResult]:
        """Every saved window from index ``first`` on, gaps or not."""

    def save_transcript(self, job_id: str, transcript: Transcript) -> None:
        """Save the transcript of a job that goes on, in place of an earlier one. Raises JobNotFound."""

    def name_speakers(self, job_id: str, names: Mapping[str, str | None]) -> Transcript:
        """Save names of speakers, by id, in a transcript, as :meth:`~harken.model.Transcript.named`.

        Raises JobNotFound where there is no transcript.
        """

    def complete(self, job_id: str, transcript: Transcript) -> Job:
        """Save the transcript, in place of an earlier one, and end the job.

        Stages of a job that are not done when it ends, however it does, are cancelled with it.
        """

    def fail(self, job_id: str, code: str, message: str, worker: str | None = None) -> Job:
        """End the job with an error; only while it is in the hands of ``worker``, where that is given."""

    def request_cancel(self, job_id: str) -> Job:
        """A queued job is cancelled at once, a running one is marked, with its stage. Raises JobNotFound, JobEnded."""

    def cancelled(self, job_id: str) -> Job:
        """End the job as cancelled."""

    def transcript(self, job_id: str) -> Transcript | None:
        """The transcript, which a job has before its stages are done."""

    def delete(self, job_id: str) -> None:
        """Remove the job, its windows and its transcript."""

    def recording_came(self, job_id: str, key: str, size: int, filename: str) -> Job:
        """Note that the recording of a job is in the blob store now. Raises JobNotFound, AccountFull."""

    def audio_swept(self, job_id: str) -> None:
        """Note that the recording is gone from the blob store."""

    def expired_audio(self, ended_before: float, limit: int = 100) -> list[Job]:
        """Jobs that ended before that time and still have their recording, which no stage needs."""

    def expired_jobs(self, now: float, keep: float, limit: int = 100) -> list[Job]:
        """Jobs that ended more than ``keep`` seconds ago, or than they were to be kept, and that no stage needs."""

    def forget_records(self, audit_before: float, receivers_before: float) -> None:
        """Remove entries of the audit log from before a time, and receivers that were paused before another.

        Those stay to whom a delivery is kept.
        """

    def overdue(self, now: float, limit: int = 100) -> list[Job]:
        """Jobs past their deadline that have not ended."""

    def newcomers(self, lane: Lane, held: Set[str], *, here: bool = False) -> dict[str | None, int]:
        """How many owners wait in a lane who have nothing in hand in it, by the model that they wait for.

        In hand is what is being processed, by whatever worker, and the jobs of the ids ``held``; with ``here`` these
        alone.
        """

    def passed_by(self, lane: Lane, seconds: float) -> dict[str | None, int]:
        """How much has waited in a lane for so long, by the model that it waits for; stages wait for none."""

    def audio_keys(self) -> set[str]:
        """Keys of every recording that a job owns."""

    def ping(self) -> None:
        """Raise when the database cannot be read."""

    def close(self) -> None:
        """Give connections back."""


class Stages(Protocol):
    """The stages of jobs. Every method is one transaction; an end is final, and credits go with it as with a job's.

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


class Arrival(Protocol):
    """A recording on its way into a blob store, where it belongs to nobody yet."""

    @property
    def key(self) -> str:
        """What it is kept under, a new UUID: the id of the job that it will be of."""

    def write(self, data: bytes | memoryview) -> None:
        """Take the next bytes; waits where the store is slower than they come. Raises DiskFull, StorageUnavailable."""

    def finish(self) -> Stored:
        """All has come; where it can be read now. Raises as :meth:`write`."""

    def keep(self) -> None:
        """Have it stay under its key when the context ends."""


class BlobStore(Protocol):
    """Recordings by key. Every method raises StorageUnavailable where the store does not answer."""

    def arriving(self, declared: int = 0) -> AbstractContextManager[Arrival]:
        """A recording that arrives; it is gone after the context unless it was kept.

        ``declared`` are the bytes that it may have, as far as that is known. Raises DiskFull.
        """

    def adopt(self, path: Path, key: str) -> None:
        """Take over a finished local file under ``key``; the file is gone from ``path`` afterwards."""

    def copy(self, key: str, other: str) -> None:
        """Keep the recording under another key too; either can be deleted alone. Raises FileNotFoundError."""

    def source(self, key: str) -> Stored:
        """Where the recording can be read. Raises FileNotFoundError."""

    def delete(self, key: str) -> None:
        """Remove; a key that is not there is no error."""

    @property
    def orphaned(self) -> float:
        """Seconds after which a recording that no job owns never will be: its upload died before it became a job."""

    def keys(self, older_than: float = 0.0) -> set[str]:
        """Every key that was adopted more than ``older_than`` seconds ago, for the sweeper."""

    def sweep(self) -> None:
        """Remove what processes that died left behind of recordings that were arriving."""

    def check(self) -> None:
        """Raise StorageUnavailable when nothing can be kept here now."""
