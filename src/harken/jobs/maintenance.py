# SPDX-License-Identifier: Apache-2.0
"""What has to be tidied up as time passes: deadlines, recordings, results, and the queue's own history.

Each duty is done by one worker at a time, whatever their number. Every part can be repeated, and one that fails does
not keep the others from their turn.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from dbos import DBOS, WorkflowStatusString

from harken.errors import DeadlineExceeded, JobNotFound, UnknownModel
from harken.jobs.names import ANYBODY, WORKFLOW
from harken.jobs.queues import put_under, without_partition
from harken.jobs.stages import complete
from harken.model import Job, Stage
from harken.ports import BlobStore, Roster, Stages, Store

log = logging.getLogger(__name__)

T = TypeVar("T", Job, Stage)

ORPHANS = 3600.0
"""Seconds between two looks for recordings that no job owns."""
HISTORY = 3600.0
"""Seconds that the queue's record of an ended workflow is kept, for people who look into what happened."""

DEADLINES = 5.0
"""Seconds between two looks for jobs whose deadline has passed. A worker looks at its own jobs' all the time."""

_BATCH = 100
_ENDED = [
    WorkflowStatusString.SUCCESS.value,
    WorkflowStatusString.ERROR.value,
    WorkflowStatusString.CANCELLED.value,
    WorkflowStatusString.MAX_RECOVERY_ATTEMPTS_EXCEEDED.value,
]


@dataclass(frozen=True, slots=True)
class Retention:
    """How long things are kept, and how often that is looked at. Seconds."""

    keep_audio: float
    """A recording, after its job ended."""
    keep_results: float
    """A job with its text, after it ended."""
    keep_audit: float = 365 * 24 * 3600.0
    """An entry of the audit log."""
    every: float = 30.0


class Maintenance:
    """The thread that tidies up."""

    def __init__(
        self,
        store: Store,
        stages: Stages,
        roster: Roster,
        blobs: BlobStore,
        retention: Retention,
        canonical: Callable[[str | None], str],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._stages = stages
        self._roster = roster
        self._blobs = blobs
        self._retention = retention
        self._canonical = canonical
        self._clock = clock
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="maintenance", daemon=True)
        every = retention.every
        self._duties: dict[str, tuple[float, Callable[[], None]]] = {
            "deadlines": (min(DEADLINES, every), self.end_overdue),
            "audio": (every, self.sweep_audio),
            "results": (every, self.sweep_results),
            "history": (every, self.sweep_history),
            "records": (max(every, ORPHANS), self.sweep_records),
            "orphans": (max(every, ORPHANS), self.sweep_orphans),
            "partitions": (every, self.sort_in),
        }

    def start(self) -> None:
        """Tidy up from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Leave the rest for later."""
        self._stopping.set()
        self._thread.join(2.0)

    def end_overdue(self) -> None:
        """End what has passed its deadline; a worker that has it in hand notices.

        A job that only waits for its stages completes without them.
        """
        late = "it was not done in the time it was given"
        for stage in self._each(lambda: self._stages.overdue(self._clock(), _BATCH)):
            self._stages.fail(stage.id, DeadlineExceeded.code, late)
            DBOS.cancel_workflow(stage.id)
        for job in self._each(lambda: self._store.overdue(self._clock(), _BATCH)):
            if self._store.transcript(job.id) is None:
                self._store.fail(job.id, DeadlineExceeded.code, late)
            else:
                complete(self._store, self._stages, job, self._clock())
            DBOS.cancel_workflow(job.id)

    def sweep_audio(self) -> None:
        """Remove recordings of jobs that ended long enough ago."""
        before = self._clock() - self._retention.keep_audio
        for job in self._each(lambda: self._store.expired_audio(before, _BATCH)):
            if job.audio is not None:
                self._blobs.delete(job.audio)
            self._store.audio_swept(job.id)

    def sweep_results(self) -> None:
        """Remove jobs that ended long enough ago."""
        keep = self._retention.keep_results
        for job in self._each(lambda: self._store.expired_jobs(self._clock(), keep, _BATCH)):
            if job.audio is not None:
                self._blobs.delete(job.audio)
            self._store.delete(job.id)

    def sweep_records(self) -> None:
        """Remove old entries of the audit log, and dead receivers of webhooks to whom nothing is addressed any more."""
        now = self._clock()
        self._store.forget_records(now - self._retention.keep_audit, now - self._retention.keep_results)

    def sweep_history(self) -> None:
        """Remove the queue's records of workflows that ended long enough ago, so that the database does not grow."""
        before = datetime.fromtimestamp(self._clock() - HISTORY, UTC).isoformat()
        while not self._stopping.is_set():
            ended = DBOS.list_workflows(
                status=_ENDED, completed_before=before, limit=_BATCH, load_input=False, load_output=False
            )
            if not ended:
                return
            DBOS.delete_workflows([status.workflow_id for status in ended])

    def sweep_orphans(self) -> None:
        """Remove recordings that no job owns."""
        # The recordings first: what comes after this look is not among them.
        keys = self._blobs.keys(older_than=self._blobs.orphaned)
        for key in keys - self._store.audio_keys():
            log.info("removing the recording %s, which no job owns", key)
            self._blobs.delete(key)

    def sort_in(self) -> None:
        """Put what an older version of the API entered where workers that serve some models only look for it."""
        for workflow_id, workflow in without_partition().items():
            partition = ANYBODY
            if workflow == WORKFLOW:
                try:
                    partition = self._canonical(self._store.job(workflow_id).options.model)
                except JobNotFound:
                    pass
                except UnknownModel:
                    # Another worker may know the preset; one that serves any model takes it as it is.
                    continue
            put_under(workflow_id, partition)

    def _each(self, batch: Callable[[], list[T]]) -> Iterator[T]:
        """Every one of one batch after the other; what is done with one takes it out of the next."""
        while not self._stopping.is_set() and (some := batch()):
            yield from some

    def _run(self) -> None:
        due = dict.fromkeys(self._duties, 0.0)
        while not self._stopping.wait(min(1.0, self._retention.every)):
            for name, (every, duty) in self._duties.items():
                now = time.monotonic()
                if now < due[name]:
                    continue
                if self._stopping.is_set():
                    return
                due[name] = now + every
                try:
                    if self._roster.take_duty(name, every):
                        duty()
                except Exception:
                    log.exception("maintenance failed: %s", name)
