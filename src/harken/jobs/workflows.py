# SPDX-License-Identifier: Apache-2.0
"""The durable workflows: a job from its first chapter to its end, and a stage that is done again on its own.

Knows no process and no model, and how nothing is recognised.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable

from dbos import DBOS
from dbos import error as dbos_error

from harken import telemetry
from harken.errors import HarkenError, JobCancelled, JobNotFound, RecogniserCrashed, WorkerError
from harken.jobs.chapters import Chapters
from harken.jobs.fetching import Fetching
from harken.jobs.hands import AWAY, Hands, LeftOff, TakenOver
from harken.jobs.names import STAGE_WORKFLOW, WORKFLOW
from harken.jobs.speakers import SpeakerWork
from harken.jobs.stages import MAX_ATTEMPTS, StageRuns, StageWork, complete
from harken.jobs.texts import TextStage
from harken.model import Job, StageKind
from harken.ports import BlobStore, Recordings, Runner, Stages, Store, Voices, Writer
from harken.telemetry import traces, work

log = logging.getLogger(__name__)

_MOVED = (dbos_error.DBOSWorkflowConflictIDError, dbos_error.DBOSWorkflowCancelledError)
"""What the queue raises in whoever does not have the workflow any more."""


class Workflows:
    """The jobs and stages that one worker process does.

    Args:
        hands: what of it is in hand.
        store: jobs and their windows.
        stages: their stages.
        voices: enrolled voices.
        blobs: where the recordings are.
        runner: recognises chapters and finds speakers.
        writer: does text work.
        recordings: fetches the recordings of jobs that came with a URL.
        worker: id of this executor.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        hands: Hands,
        store: Store,
        stages: Stages,
        voices: Voices,
        blobs: BlobStore,
        runner: Runner,
        writer: Writer,
        recordings: Recordings,
        worker: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._hands = hands
        self._worker = worker
        self._store = store
        self._stages = stages
        self._runner = runner
        self._clock = clock
        self._fetching = Fetching(hands, store, blobs, recordings, clock)
        self._chapters = Chapters(hands, store, blobs, runner, clock)
        # In this order they are done.
        works: dict[StageKind, StageWork] = {
            StageKind.DIARIZE: SpeakerWork(hands, store, voices, blobs, runner),
            **{kind: TextStage(hands, store, writer, kind) for kind in StageKind if kind is not StageKind.DIARIZE},
        }
        self._runs = StageRuns(hands, store, stages, works, clock)

    def fetching(self) -> int:
        """How many of the jobs in hand wait for their recordings to be fetched."""
        return self._fetching.active()

    def register(self) -> None:
        """Make the workflows known to the queue, in this process."""

        @DBOS.workflow(name=WORKFLOW, max_recovery_attempts=None)
        def transcribe(job_id: str) -> str:
            with self._hands.holding(job_id), telemetry.about(job_id=job_id):
                return self.run(job_id)

        @DBOS.workflow(name=STAGE_WORKFLOW, max_recovery_attempts=None)
        def stage(stage_id: str) -> str:
            with self._hands.holding(stage_id), telemetry.about(stage_id=stage_id):
                return self.run_stage(stage_id)

    def run(self, job_id: str) -> str:
        """Do a job, or what is left of it; the state it ended in. Raises LeftOff when it goes on elsewhere."""
        try:
            job = self._hands.patiently(self._store.start, job_id, self._worker)
            if job.state.ended:
                return job.state.value
            with traces.under(work.of_job(job)):
                ended = self._do(job)
                log.info("job %s: %s", job_id, ended.state.value)
            return ended.state.value
        except JobNotFound:
            return "deleted"
        except _MOVED as error:
            log.info("job %s was taken over or cancelled: %s", job_id, error)
            self._put_down(job_id)
            raise LeftOff from error
        except LeftOff:
            self._put_down(job_id)
            raise
        finally:
            self._runner.release(job_id)

    def _put_down(self, job_id: str) -> None:
        """Whatever became of the job here, this worker has not died of it."""
        with contextlib.suppress(JobNotFound, *AWAY):
            self._store.put_down(job_id)

    def run_stage(self, stage_id: str) -> str:
        """The same for a stage that is done again on its own."""
        try:
            return self._runs.run(stage_id).state.value
        except JobNotFound:
            return "deleted"
        except _MOVED as error:
            log.info("stage %s was taken over or cancelled: %s", stage_id, error)
            raise LeftOff from error

    def _do(self, job: Job) -> Job:
        try:
            if job.stage is None:
                _check_attempts(job)
            job = self._fetching.fetch(job)
            done = self._chapters.recognise(job)
            asked = self._runs.of(job)
            if not asked:
                transcript = self._chapters.transcript(job, done)
                return self._hands.patiently(self._store.complete, job.id, transcript)
            if self._hands.patiently(self._store.transcript, job.id) is None:
                self._hands.patiently(self._store.save_transcript, job.id, self._chapters.transcript(job, done))
            for stage in asked:
                self._runs.run_own(stage)
            return self._hands.patiently(complete, self._store, self._stages, job, self._clock())
        except JobNotFound:
            raise
        except JobCancelled:
            return self._hands.patiently(self._store.cancelled, job.id)
        except HarkenError as error:
            log.info("job %s failed: %s: %s", job.id, error.code, error.message)
            return self._fail(job, error.code, error.message)
        except dbos_error.DBOSMaxStepRetriesExceeded as error:
            log.warning("job %s failed: %s", job.id, error)
            text = f"the worker could not go on with the recording: {error.errors[-1]}"
            return self._fail(job, WorkerError.code, text)
        except Exception as error:
            log.exception("job %s failed", job.id)
            text = f"the worker failed in a way that it should not: {type(error).__name__}"
            return self._fail(job, HarkenError.code, text)

    def _fail(self, job: Job, code: str, message: str) -> Job:
        """End a job with an error, unless another worker has it by now, and perhaps no such trouble."""
        failed = self._hands.patiently(self._store.fail, job.id, code, message, self._worker)
        if not failed.state.ended:
            raise TakenOver(f"job {job.id} is in other hands")
        return failed


def _check_attempts(job: Job) -> None:
    if job.attempts > MAX_ATTEMPTS:
        raise RecogniserCrashed(
            f"{MAX_ATTEMPTS} workers took up this job, and none got one more window done before it died"
        )
