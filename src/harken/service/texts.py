# SPDX-License-Identifier: Apache-2.0
"""Text work: on a transcript that a client gives, or on a job's. Knows who can be asked for it, and asks nobody."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from harken.model import (
    Chat,
    Format,
    Job,
    JobState,
    Lane,
    Options,
    Scope,
    Stage,
    StageKind,
    Summarise,
    TextTask,
    Transcript,
    plain,
)
from harken.ports import JobEngine, Stages, Submission
from harken.service import fingerprints, policy
from harken.service.nouns import Caller
from harken.telemetry import traces
from harken.text.providers import Providers

_KINDS = {Summarise: StageKind.SUMMARISE, Format: StageKind.FORMAT, Chat: StageKind.CHAT}


class Texts:
    """Enters text work into the queue; it is done by workers."""

    def __init__(
        self,
        job: Callable[[str, Caller], Job],
        stages: Stages,
        engine: JobEngine,
        providers: Providers,
        new_stage: Callable[[Job, StageKind, dict[str, Any], Lane | None], Stage],
        clock: Callable[[], float],
    ) -> None:
        self._job = job
        self._stages = stages
        self._engine = engine
        self._providers = providers
        self._new_stage = new_stage
        self._clock = clock

    @property
    def names(self) -> tuple[str, ...]:
        """The providers that a request can name, the default first."""
        return self._providers.names

    def check(self, task: TextTask) -> TextTask:
        """The task with its provider's name. Raises UnknownModel, InvalidOption."""
        return self._providers.check(task)

    def write(
        self,
        transcript: Transcript,
        task: TextTask,
        caller: Caller,
        *,
        idempotency_key: str | None = None,
        warnings: tuple[str, ...] = (),
        keep: float | None = None,
    ) -> tuple[Job, Stage]:
        """Make a job of a transcript that a client gave: it has completed, and its one stage waits to be done.

        A request that is sent again gets its job, and the latest stage of this kind. ``keep`` as for recordings.

        Raises UnknownModel, InvalidOption, Forbidden, QueueFull, NotEnoughCredits, IdempotencyConflict; then nothing
        was made.
        """
        task = self._admitted(task, caller)
        now = self._clock()
        job = Job(
            id=str(uuid.uuid4()),
            owner=caller.id,
            state=JobState.COMPLETED,
            lane=Lane.TEXT,
            options=Options(),
            filename="",
            created=now,
            updated=now,
            duration=transcript.duration,
            position=transcript.duration,
            started=now,
            ended=now,
            warnings=warnings,
            keep=keep,
            traceparent=traces.current(),
        )
        stage = self._stage(job, task)
        entered, new = self._engine.submit(
            Submission(
                job=job,
                idempotency_key=idempotency_key,
                fingerprint=fingerprints.of_transcript(transcript, task),
                given=(transcript, stage),
            )
        )
        if new:
            return entered, stage
        # It may have been done again since.
        return entered, [one for one in self._stages.stages(entered.id) if one.kind is stage.kind][-1]

    def again(self, job_id: str, task: TextTask, caller: Caller) -> Stage:
        """Have text work done on the transcript of a completed job.

        Raises:
            JobNotFound, JobNotFinished: there is no transcript.
            StageRunning: work of this kind is being done already.
            UnknownModel, InvalidOption, Forbidden, QueueFull, NotEnoughCredits: nothing was made.
        """
        policy.require(caller, Scope.TEXT)
        job = self._job(job_id, caller)
        return self._engine.submit_stage(self._stage(job, self._admitted(task, caller)))

    def _admitted(self, task: TextTask, caller: Caller) -> TextTask:
        policy.require(caller, Scope.TEXT)
        task = self.check(task)
        policy.admit_text(caller, task.model)
        return task

    def _stage(self, job: Job, task: TextTask) -> Stage:
        # Whoever asks a question waits for the answer.
        lane = Lane.INTERACTIVE if isinstance(task, Chat) else Lane.TEXT
        return self._new_stage(job, _KINDS[type(task)], plain(task), lane)
