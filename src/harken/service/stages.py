# SPDX-License-Identifier: Apache-2.0
"""What is done with a job's transcript, again or anew; and who its speakers are called."""

from __future__ import annotations

from collections.abc import Mapping

from harken.errors import InvalidOption, JobNotFinished, StageNotFound, StageRunning
from harken.model import Job, JobState, Lane, Scope, Stage, StageKind, Transcript
from harken.service import policy
from harken.service.base import Base
from harken.service.nouns import Caller
from harken.service.voices import voice_name


class StageWork(Base):
    """Enters stages, reads and cancels them, and names speakers."""

    def stages(self, job_id: str, caller: Caller) -> list[Stage]:
        """Every stage of the caller's job, oldest first. Raises JobNotFound."""
        self.job(job_id, caller)
        return self._stages.stages(job_id)

    def stage(self, job_id: str, stage_id: str, caller: Caller) -> Stage:
        """One stage of the caller's job. Raises JobNotFound, StageNotFound."""
        policy.require(caller, Scope.READ)
        return self._stage(self._job(job_id, caller), stage_id)

    def diarize_again(
        self,
        job_id: str,
        caller: Caller,
        *,
        num_speakers: int | None = None,
        min_speakers: int | None = None,
        max_speakers: int | None = None,
    ) -> Stage:
        """Find out anew who speaks in the recording of a completed job; its transcript is replaced when that is done.

        Raises:
            JobNotFound, JobNotFinished: there is no transcript to put speakers to.
            AudioGone: the recording is not kept any more.
            StageRunning: this is being done already.
            InvalidOption, Forbidden, QueueFull, NotEnoughCredits: nothing was made.
        """
        policy.require(caller, Scope.TRANSCRIBE)
        job = self._job(job_id, caller)
        options = self.check(
            job.options.but(
                diarize=True, num_speakers=num_speakers, min_speakers=min_speakers, max_speakers=max_speakers
            )
        )
        return self._engine.submit_stage(self._new_stage(job, StageKind.DIARIZE, options.speaker_counts))

    def cancel_stage(self, job_id: str, stage_id: str, caller: Caller) -> Stage:
        """Cancel a stage alone: its job keeps the transcript, or goes on to complete.

        Raises JobNotFound, StageNotFound, JobEnded.
        """
        policy.require(caller, Scope.TRANSCRIBE, Scope.TEXT)
        stage = self._stage(self._job(job_id, caller), stage_id)
        policy.require_for_end(caller, recording=stage.kind is StageKind.DIARIZE)
        return self._cancel_stage(stage.id)

    def retry_stage(self, job_id: str, stage_id: str, caller: Caller) -> Stage:
        """Do again what a stage of a completed job was to do, as a new stage.

        Raises JobNotFound, StageNotFound, JobNotFinished, StageRunning, AudioGone, Forbidden, QueueFull,
        NotEnoughCredits.
        """
        job = self._job(job_id, caller)
        stage = self._stage(job, stage_id)
        if stage.kind is StageKind.DIARIZE:
            policy.require(caller, Scope.TRANSCRIBE)
        else:
            policy.admit_text(caller, stage.options.get("model"))
        lane = stage.lane or (None if stage.kind is StageKind.DIARIZE else Lane.TEXT)
        return self._engine.submit_stage(self._new_stage(job, stage.kind, stage.options, lane))

    def name_speakers(self, job_id: str, names: Mapping[str, str | None], caller: Caller) -> Transcript:
        """Say who the speakers of a completed job are, by their ids; None takes a name away. Every dialect tells it.

        Raises:
            JobNotFound, JobNotFinished: there is nobody to name.
            StageRunning: it is being found out anew who speaks.
            InvalidOption, Forbidden: nothing was changed.
        """
        policy.require(caller, Scope.TRANSCRIBE, Scope.TEXT)
        job = self.job(job_id, caller)
        transcript = self._store.transcript(job_id) if job.state is JobState.COMPLETED else None
        if transcript is None:
            raise JobNotFinished(f"job {job_id} is {job.state.value}; speakers have names once it has completed")
        known = [speaker.id for speaker in transcript.speakers]
        for name in names:
            if name not in known:
                whom = f"only {', '.join(known)}" if known else "since nobody was told apart in it"
                raise InvalidOption(f"there is no speaker {name!r} in this recording, {whom}", param="speakers")
        checked = {one: None if name is None else voice_name(name, "speakers") for one, name in names.items()}
        if any(one.kind is StageKind.DIARIZE and not one.state.ended for one in self._stages.stages(job_id)):
            raise StageRunning("it is being found out anew who speaks; give names when that is done")
        return self._store.name_speakers(job_id, checked)

    def _stage(self, job: Job, stage_id: str) -> Stage:
        for stage in self._stages.stages(job.id):
            if stage.id == stage_id:
                return stage
        raise StageNotFound(f"job {job.id} has no stage {stage_id!r}")
