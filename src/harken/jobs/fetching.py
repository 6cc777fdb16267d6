# SPDX-License-Identifier: Apache-2.0
"""Getting the recording of a job that came with a URL, a durable step before all others. Knows no network."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

from dbos import DBOS

from harken.errors import (
    AccountFull,
    DiskFull,
    HarkenError,
    JobCancelled,
    JobFailed,
    JobNotFound,
    StorageUnavailable,
    WorkerUnavailable,
    revive,
)
from harken.jobs.chapters import LOOK, step, watch
from harken.jobs.hands import Hands, LeftOff
from harken.model import Job
from harken.ports import BlobStore, Recordings, Store
from harken.telemetry import traces, work

log = logging.getLogger(__name__)


class _Coming:
    """A recording on its way."""

    alone = True
    """Whether none has come beside it."""


class Fetching:
    """Has recordings fetched, and keeps them."""

    def __init__(
        self, hands: Hands, store: Store, blobs: BlobStore, recordings: Recordings, clock: Callable[[], float]
    ) -> None:
        self._hands = hands
        self._store = store
        self._blobs = blobs
        self._recordings = recordings
        self._clock = clock
        self._lock = threading.Lock()
        self._active = 0
        self._coming: set[_Coming] = set()
        """Those that take room now; who waits for room is not among them."""
        self._again = threading.Lock()
        """Of who tries again: one at a time, or else those who were in each other's way would be so again."""

    def active(self) -> int:
        """Recordings that are being fetched."""
        return self._active

    def fetch(self, job: Job) -> Job:
        """The job with its recording, which is fetched unless it is there. Only inside a workflow.

        Raises LeftOff, and whatever ends the job.
        """
        # The step is there also when the recording is: a workflow that is taken up again must take the same steps.
        if job.source is None:
            return job
        self._hands.check()
        outcome = DBOS.run_step(step("fetch"), self._fetch, job.id)
        if "error" in outcome:
            raise revive(*outcome["error"])
        return self._hands.patiently(self._store.job, job.id)

    def _fetch(self, job_id: str) -> dict[str, Any]:
        """The step. Gives the error that ends the job, if there is one: plain values, which the queue records."""
        try:
            job = self._hands.patiently(self._store.job, job_id)
            if job.audio is None:
                with self._counted(), traces.span("fetch", parent=work.of_job(job)):
                    self._get(job)
        except WorkerUnavailable as error:
            if self._hands.stopping:
                raise LeftOff from error
            raise
        except HarkenError as error:
            return {"error": [error.code, error.message]}
        return {}

    @contextlib.contextmanager
    def _under_way(self, this: _Coming) -> Iterator[None]:
        with self._lock:
            self._coming.add(this)
            if len(self._coming) > 1:
                for one in self._coming:
                    one.alone = False
        try:
            yield
        finally:
            with self._lock:
                self._coming.remove(this)

    @contextlib.contextmanager
    def _counted(self) -> Iterator[None]:
        with self._lock:
            self._active += 1
        try:
            yield
        finally:
            with self._lock:
                self._active -= 1

    def _get(self, job: Job) -> None:
        """Get it. Where the disk was full and others came at the same time, once more when these have come."""

        def seen() -> bool:
            found = self._store.job(job.id)
            return found.cancel_requested or found.state.ended

        cancelled = watch(self._hands, seen, job.deadline, self._clock)

        def wait() -> None:
            if cancelled():
                raise _unwanted(job)
            self._hands.pause(LOOK)

        this = _Coming()
        try:
            with self._under_way(this):
                return self._get_now(job, cancelled)
        except AccountFull:
            raise
        except DiskFull as error:
            if this.alone:
                raise
            with self._lock:
                others = set(self._coming)
            log.info("job %s is fetched again when others have come: %s", job.id, error)
        while not self._again.acquire(blocking=False):
            wait()
        try:
            while self._come_still(others):
                wait()
            with self._under_way(_Coming()):
                return self._get_now(job, cancelled)
        finally:
            self._again.release()

    def _come_still(self, some: set[_Coming]) -> bool:
        with self._lock:
            return not some.isdisjoint(self._coming)

    def _get_now(self, job: Job, cancelled: Callable[[], bool]) -> None:
        if job.source is None:
            raise JobFailed.of("recording_lost", "the job has neither a recording nor a URL of one")
        with self._recordings.obtained(job.source, cancelled) as recording:

            def keep() -> None:
                if cancelled():
                    raise _unwanted(job)
                self._blobs.adopt(recording.path, job.id)

            self._hands.patiently(keep)
            try:
                came = self._hands.patiently(
                    self._store.recording_came, job.id, job.id, recording.size, recording.filename
                )
            except (JobNotFound, AccountFull):
                # It was deleted just now, or cannot be kept; nobody knows of the recording.
                self._drop(job)
                raise
        if came.state.ended:
            self._drop(job)

    def _drop(self, job: Job) -> None:
        """Remove the recording; while the store is away it is left to the sweeper."""
        with contextlib.suppress(StorageUnavailable):
            self._blobs.delete(job.id)


def _unwanted(job: Job) -> JobCancelled:
    return JobCancelled(f"job {job.id} was cancelled")
