# SPDX-License-Identifier: Apache-2.0
"""Jobs: read, list, cancel, delete; and the whole of the service."""

from __future__ import annotations

import contextlib

from harken.errors import HarkenError, JobCancelled, JobEnded, JobFailed, JobNotFinished, revive
from harken.model import Job, JobState, Lane, Scope, Stage, Transcript, WindowResult
from harken.ports import Page, Readiness
from harken.service import policy
from harken.service.nouns import Caller
from harken.service.stages import StageWork
from harken.service.submissions import Submissions
from harken.service.voices import VoiceBook


class Service(Submissions, StageWork, VoiceBook):
    """The use cases of harken, over its ports."""

    def jobs(self, caller: Caller, limit: int = 20, cursor: str | None = None) -> Page:
        """The caller's recordings, newest first; transcripts that they gave are known by id alone. Raises Forbidden."""
        policy.require(caller, Scope.READ)
        return self._store.jobs(caller.id, limit, cursor)

    def owner(self, job_id: str) -> Caller:
        """Whose job it is, who may do everything with it. Raises JobNotFound."""
        return Caller(self._store.job(job_id).owner)

    def cancel(self, job_id: str, caller: Caller) -> Job:
        """Cancel: a queued job at once, a running one within a window or a second.

        Raises JobNotFound, JobEnded, Forbidden.
        """
        self._own(job_id, caller)
        job = self._store.request_cancel(job_id)
        if job.state is JobState.CANCELLED:
            self._engine.cancel(job_id)
        return job

    def delete(self, job_id: str, caller: Caller) -> None:
        """Remove the job, its recording and its text; a running one is cancelled first."""
        job = self._own(job_id, caller)
        with contextlib.suppress(JobEnded):
            self.cancel(job_id, caller)
        for stage in self._stages.stages(job_id):
            with contextlib.suppress(JobEnded):
                self._cancel_stage(stage.id)
        if job.audio is not None:
            self._blobs.delete(job.audio)
        self._store.delete(job_id)
        if job.source is not None:
            # It may have come after we looked.
            self._blobs.delete(job.id)

    def _own(self, job_id: str, caller: Caller) -> Job:
        """A job that the caller may end."""
        policy.require(caller, Scope.TRANSCRIBE, Scope.TEXT)
        job = self._job(job_id, caller)
        policy.require_for_end(caller, recording=job.lane is not Lane.TEXT)
        return job

    def transcript(self, job_id: str, caller: Caller) -> Transcript:
        """The result. Raises JobNotFound, JobNotFinished, or what the job failed with."""
        job = self.job(job_id, caller)
        if not job.state.ended:
            raise JobNotFinished(f"job {job_id} is {job.state.value}; its result is there once it has completed")
        transcript = self._store.transcript(job_id) if job.state is JobState.COMPLETED else None
        if transcript is None:
            raise self.failure(job)
        return transcript

    def draft(self, job_id: str, caller: Caller) -> Transcript | None:
        """The transcript as it is now, which is there before the job's stages are done; None before that."""
        self.job(job_id, caller)
        return self._store.transcript(job_id)

    def results(self, job_id: str, caller: Caller, after: int = -1) -> tuple[Job, list[tuple[int, WindowResult]]]:
        """The job as it is now and the windows done since ``after``, in order, each once.

        The job is read first: when it has ended, the windows that come with it are the last.
        """
        job = self.job(job_id, caller)
        return job, self._store.windows(job_id, after)

    def readiness(self) -> list[Readiness]:
        """Every part that must work, and whether it does."""
        return self._checks()

    @staticmethod
    def failure(ended: Job | Stage) -> HarkenError:
        """The error of a job or a stage that ended without having been done."""
        if ended.state is JobState.CANCELLED:
            return JobCancelled("it was cancelled")
        if ended.error_code is None:
            return JobFailed("it has no result")
        return revive(ended.error_code, ended.error_message or "it failed")
