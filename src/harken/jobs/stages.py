# SPDX-License-Identifier: Apache-2.0
"""What is done with a job's transcript once that is saved, each a durable step that may fail without harm to it.

A stage of a job that runs is done before the job ends; one that was asked for later is a workflow of its own. Either
way its row says how it ended. Knows no kind of work, only that it makes a new transcript of a job, or a text.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol

from dbos import DBOS
from dbos import error as dbos_error

from harken import telemetry
from harken.errors import (
    HarkenError,
    JobCancelled,
    RecogniserCrashed,
    StageNotFound,
    WorkerError,
    WorkerUnavailable,
)
from harken.jobs.chapters import step, timing, watch
from harken.jobs.hands import AWAY, Hands, LeftOff
from harken.model import Job, JobState, Stage, StageKind, TextResult, Transcript
from harken.model.jobs import own_stage
from harken.ports import Stages, Store
from harken.telemetry import work

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 5
"""Times that something is taken up without getting on; then something about it kills workers."""
_TELL = 0.5
"""Seconds between two notes of how far a stage is."""


class StageWork(Protocol):
    """One kind of work."""

    def options(self, job: Job) -> dict[str, Any] | None:
        """What a job asks of it, as JSON types; None when it does not ask."""

    def do(
        self, stage: Stage, job: Job, on_progress: Callable[[float], None], cancelled: Callable[[], bool]
    ) -> Transcript | TextResult:
        """The job's transcript with the work done, or the text that was made of it.

        Raises JobCancelled when ``cancelled`` said so, WorkerUnavailable when it can be done again elsewhere.
        """


class StageRuns:
    """The stages that one worker process has in hand."""

    def __init__(
        self,
        hands: Hands,
        store: Store,
        stages: Stages,
        works: Mapping[StageKind, StageWork],
        clock: Callable[[], float],
    ) -> None:
        self._hands = hands
        self._store = store
        self._stages = stages
        self._works = works
        self._clock = clock

    def of(self, job: Job) -> list[Stage]:
        """The stages that a job asks for, to be opened when its transcript is there; equal whoever asks."""
        now = self._clock()
        asked = [(kind, work.options(job)) for kind, work in self._works.items()]
        return [
            Stage(
                id=own_stage(job.id, kind),
                job_id=job.id,
                kind=kind,
                state=JobState.PROCESSING,
                created=now,
                updated=now,
                options=options,
                deadline=job.deadline,
                traceparent=work.of_job(job),
            )
            for kind, options in asked
            if options is not None
        ]

    def run_own(self, stage: Stage) -> None:
        """Do a stage of a running job. Only inside a workflow. Raises LeftOff, or JobCancelled for the job's sake."""
        self._hands.check()
        now = self._clock()
        stage = self._hands.patiently(self._stages.open, replace(stage, created=now, updated=now))
        # A cancel that came before this has not marked the stage.
        self._check_cancelled(stage.job_id)
        self.run(stage.id)
        self._check_cancelled(stage.job_id)

    def run(self, stage_id: str) -> Stage:
        """Do a stage, or what is left of it; how it ended. Only inside a workflow. Raises LeftOff, StageNotFound."""
        stage = self._hands.patiently(self._stages.start, stage_id)
        try:
            # Also of a stage that has ended: a workflow that is taken up again must come by the same steps.
            DBOS.run_step(step(stage.kind.value), self._do, stage_id)
        except dbos_error.DBOSMaxStepRetriesExceeded as error:
            log.warning("stage %s failed: %s", stage_id, error)
            text = f"the worker could not do it: {error.errors[-1]}"
            return self._hands.patiently(self._stages.fail, stage_id, WorkerError.code, text)
        except LeftOff:
            if self._hands.stopping:
                with contextlib.suppress(StageNotFound, *AWAY):
                    self._stages.put_down(stage_id)
            raise
        return self._hands.patiently(self._stages.stage, stage_id)

    def _do(self, stage_id: str) -> None:
        """The step. How it ends is in the stage's row."""
        stage = self._hands.patiently(self._stages.stage, stage_id)
        if stage.state.ended:
            return
        if stage.attempts > MAX_ATTEMPTS:
            text = f"{MAX_ATTEMPTS} workers took it up, and none got it done before it died or stopped"
            self._hands.patiently(self._stages.fail, stage_id, RecogniserCrashed.code, text)
            return
        job = self._hands.patiently(self._store.job, stage.job_id)
        try:
            with telemetry.about(job_id=job.id, stage_id=stage.id), work.attempt(stage, job):
                outcome = self._works[stage.kind].do(stage, job, self._tell(stage), self._cancelled(stage))
            self._hands.patiently(self._stages.complete, stage_id, outcome)
        except StageNotFound:
            raise
        except JobCancelled:
            self._hands.patiently(self._stages.cancelled, stage_id)
        except WorkerUnavailable as error:
            if self._hands.stopping:
                raise LeftOff from error
            raise
        except HarkenError as error:
            log.info("stage %s of job %s failed: %s: %s", stage.kind.value, job.id, error.code, error)
            self._hands.patiently(self._stages.fail, stage_id, error.code, error.message)
        except (OSError, *AWAY):
            raise
        except Exception as error:
            log.exception("stage %s of job %s failed", stage.kind.value, job.id)
            text = f"the worker failed in a way that it should not: {type(error).__name__}"
            self._hands.patiently(self._stages.fail, stage_id, HarkenError.code, text)

    def _check_cancelled(self, job_id: str) -> None:
        if self._hands.patiently(self._store.job, job_id).cancel_requested:
            raise JobCancelled(f"job {job_id} was cancelled")

    def _cancelled(self, stage: Stage) -> Callable[[], bool]:
        def seen() -> bool:
            found = self._stages.stage(stage.id)
            return found.cancel_requested or found.state.ended

        return watch(self._hands, seen, stage.deadline, self._clock)

    def _tell(self, stage: Stage) -> Callable[[float], None]:
        told = 0.0

        def tell(progress: float) -> None:
            nonlocal told
            now = time.monotonic()
            if now - told < _TELL:
                return
            told = now
            with contextlib.suppress(*AWAY):
                self._stages.progress(stage.id, progress)

        return tell


def complete(store: Store, stages: Stages, job: Job, now: float) -> Job:
    """Complete a job whose transcript is saved, with a warning for every stage that it has to do without."""
    transcript = store.transcript(job.id)
    if transcript is None:
        raise RuntimeError(f"job {job.id} has no transcript to complete it with")
    lost = [stage.excuse for stage in stages.stages(job.id) if stage.state is not JobState.COMPLETED]
    warnings = tuple(dict.fromkeys((*transcript.warnings, *lost)))
    return store.complete(job.id, replace(transcript, warnings=warnings, timing=timing(job, now)))
