# SPDX-License-Identifier: Apache-2.0
"""The worker as jobs see it: a chapter goes in, its windows come out as they are recognised.

While a chapter is recognised the next one is planned, so that the children that recognise have work at once, though not
far ahead of them where nobody waits for it. Knows no database and no durable queue: whoever runs a job says what is
saved already, and saves what comes.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass, replace
from pathlib import Path

from harken.audio.remote import Stored
from harken.errors import HarkenError, JobCancelled, WorkerUnavailable
from harken.model import Diarization, Job, KnownVoice, Lane, Options, WindowResult
from harken.pipeline import advance, chapter_limit, check_duration
from harken.pipeline.cursor import Cursor
from harken.ports import ChapterDone
from harken.telemetry.work import of_chapter
from harken.worker.holdings import Holdings
from harken.worker.pace import Coming, Pace
from harken.worker.process import ChildSettings
from harken.worker.protocol import Diarize, Plan, Planned
from harken.worker.readers import Readers
from harken.worker.recognisers import Order, Outcome, Recognisers, RecogniserSettings
from harken.worker.scratch import Scratch
from harken.worker.speakers import POLL, Speakers
from harken.worker.tracing import note_plan
from harken.worker.weights import Weights

READERS = 2
"""Children that decode: what they do is a seventh of the work, and one may be held up by a bad recording."""
NICE = 10
"""How much children that recognise and tell voices apart step back: whoever answers callers, or hears what somebody
waits for, has the core at once, and they have all that is left. Those that read recordings step back by half of it."""
BATCHES_AHEAD = 4
"""Batches for each child that recognises, with which nothing that nobody waits for need be planned."""
_FORGOTTEN = 300.0
"""Seconds after which a job that did not go on is taken for one that never will."""

OnResults = Callable[[Sequence[tuple[int, WindowResult]]], None]


@dataclass(frozen=True, slots=True)
class RuntimeSettings:
    """How the worker recognises. Seconds."""

    scratch: Path
    """Folder for the samples of chapters, on a disk; workers may share it."""
    children: int = 1
    threads: int = 1
    """Of each child."""
    batch_size: int = 8
    window_timeout: float = 300.0
    """For each step of a batch; see :class:`harken.worker.deadline.Deadline`."""
    max_audio_seconds: float = 12 * 3600.0
    diarize_timeout: float = 1.0
    """Seconds that telling speakers apart may take, beside ``window_timeout``, for each second of the recording."""
    natives: str = "harken.worker.natives"
    """Module with the native code of the children."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """A chapter that is planned or being planned."""

    made: float
    position: float
    limit: int
    file: Path
    future: Future[Planned]
    coming: Coming | None = None

    def begin(self) -> None:
        """Its windows are recognised from now on, or never."""
        if self.coming is not None:
            self.coming.come()

    def drop(self) -> None:
        """Remove its samples, now or when they are written."""
        self.begin()
        self.future.add_done_callback(lambda _: self.file.unlink(missing_ok=True))


class _Inbox:
    """What the children tell of a chapter, for the thread that waits for it."""

    def __init__(self) -> None:
        self.wanted = True
        self._queue: queue.SimpleQueue[tuple[int, Outcome]] = queue.SimpleQueue()

    def tell(self, index: int, outcome: Outcome) -> None:
        self._queue.put((index, outcome))

    def read(self, timeout: float) -> list[tuple[int, Outcome]]:
        """All that is there; waits for the first."""
        told: list[tuple[int, Outcome]] = []
        with contextlib.suppress(queue.Empty):
            told.append(self._queue.get(timeout=timeout))
            while True:
                told.append(self._queue.get_nowait())
        return told


class Runtime:
    """The children of a worker at work, from construction to :meth:`close`. Thread-safe."""

    def __init__(self, settings: RuntimeSettings, weights: Weights, on_failure: Callable[[str], None]) -> None:
        """Start the children.

        ``on_failure`` is called from some thread when children cannot be started any more: the worker is of no use
        then, and should stop so that others see it.
        """
        self._settings = settings
        self._weights = weights
        self._lock = threading.Lock()
        self._quiet = threading.Condition(self._lock)
        self._stopping = threading.Event()
        self._busy: set[str] = set()
        self._ahead: dict[str, _Plan] = {}
        self._files = 0
        self._scratch = Scratch(settings.scratch)
        models, detector = weights.here()
        self._recognisers = Recognisers(
            RecogniserSettings(
                children=settings.children,
                child=ChildSettings("harken-engine", settings.threads, settings.natives, NICE, kept=2**27),
                batch_size=settings.batch_size,
                window_timeout=settings.window_timeout,
            ),
            on_failure,
            preload=models,
        )
        self._pace = Pace(
            BATCHES_AHEAD * settings.batch_size * settings.children,
            self._recognisers.waiting,
            self._recognisers.waits,
        )
        self._readers = Readers(
            READERS,
            ChildSettings("harken-reader", 1, settings.natives, NICE // 2),
            on_failure,
            plan_timeout=settings.window_timeout,
            detector=detector,
        )

        # What they do costs about as much as recognition does, or less.
        speakers = ChildSettings("harken-speakers", 1, settings.natives, NICE)
        self._speakers = Speakers(max(1, settings.children // 2), speakers)

    def wait_ready(self, timeout: float = 120.0) -> None:
        """Wait until children are up and the default model is loaded. Raises WorkerUnavailable."""
        for crew in (self._recognisers.crew, self._readers.crew):
            if not crew.wait_ready(timeout):
                raise WorkerUnavailable(crew.failure or f"no child process was up after {timeout:.0f} s")

    @property
    def failure(self) -> str | None:
        """Why children cannot be started, while that is so."""
        return self._recognisers.crew.failure or self._readers.crew.failure

    @property
    def holdings(self) -> Holdings:
        """The models in the memory of the children that recognise."""
        return self._recognisers.holdings

    def pids(self) -> dict[str, list[int]]:
        """Process ids of the children: those that recognise, those that read, and those that tell voices apart."""
        return {
            "engines": self._recognisers.pids(),
            "readers": self._readers.crew.pids(),
            "speakers": self._speakers.crew.pids(),
        }

    def run_chapter(
        self,
        job: Job,
        source: Stored,
        cursor: Cursor,
        saved: Mapping[int, WindowResult],
        on_results: OnResults,
        cancelled: Callable[[], bool],
    ) -> ChapterDone:
        """Recognise the chapter that begins at ``cursor``; see :class:`harken.ports.ChapterRunner`."""
        self._check_stopping()
        self._sweep()
        with self._lock:
            self._busy.add(job.id)
        finished = False
        try:
            done = self._chapter(job, source, cursor, saved, on_results, cancelled)
            finished = done.cursor.done
            return done
        except BaseException:
            finished = True
            raise
        finally:
            with self._lock:
                self._busy.discard(job.id)
                self._quiet.notify_all()
            if finished:
                self.release(job.id)

    def diarize(
        self,
        job: Job,
        source: Stored,
        options: Options,
        voices: Sequence[KnownVoice],
        on_progress: Callable[[float], None],
        cancelled: Callable[[], bool],
    ) -> Diarization:
        """Find out who speaks; see :class:`harken.ports.SpeakerFinder`."""

        def gone() -> bool:
            self._check_stopping()
            return cancelled()

        models = self._weights.speakers(gone, POLL)
        seconds = job.duration or self._settings.max_audio_seconds
        timeout = self._settings.window_timeout + seconds * self._settings.diarize_timeout
        request = Diarize(models, source, options, tuple(voices))
        return self._speakers.diarize(request, timeout, job.lane, job.owner, on_progress, gone)

    def release(self, job_id: str) -> None:
        """Forget what is kept of a job between chapters."""
        with self._lock:
            ahead = self._ahead.pop(job_id, None)
        if ahead is not None:
            ahead.drop()
        self._readers.forget(job_id)

    def close(self, drain: float = 10.0) -> None:
        """Stop: no window is begun any more, those in hand are given ``drain`` seconds, then the children go.

        Chapters that are running raise WorkerUnavailable when their windows in hand are told.
        """
        self._stopping.set()
        with self._quiet:
            self._quiet.wait_for(lambda: not self._busy, drain)
        self._recognisers.close()
        self._readers.close()
        self._speakers.close()
        self._scratch.close()

    def _chapter(
        self,
        job: Job,
        source: Stored,
        cursor: Cursor,
        saved: Mapping[int, WindowResult],
        on_results: OnResults,
        cancelled: Callable[[], bool],
    ) -> ChapterDone:
        def gone() -> bool:
            self._check_stopping()
            return cancelled()

        model = self._weights.model(job.options, gone, POLL)
        detector = self._weights.detector(gone, POLL)
        plan = self._planned(job, source, detector, cursor, gone)
        try:
            chapter = _wait(plan.future, gone)
            check_duration(chapter.decoded, self._settings.max_audio_seconds)
            later = replace(cursor, position=chapter.position, index=cursor.index + len(chapter.windows))

            def look_ahead() -> bool:
                if chapter.done:
                    return True
                ahead = self._plan(job, source, detector, later)
                if ahead is None:
                    return False
                with self._lock:
                    self._ahead[job.id] = ahead
                return True

            inbox = _Inbox()
            orders = [
                Order(index, model, stored, job.options, cursor.context, inbox, trace=of_chapter(job, cursor.index))
                for index, stored in enumerate(chapter.windows, start=cursor.index)
                if index not in saved
            ]
            plan.begin()
            results = {index: saved[index] for index in saved if index >= cursor.index}
            results |= self._recognised(job, orders, inbox, on_results, cancelled, look_ahead)
            known = [results[cursor.index + offset] for offset in range(len(chapter.windows))]
            return ChapterDone(
                advance(cursor, chapter.position, chapter.done, known, job.options), chapter.duration, chapter.warnings
            )
        finally:
            plan.drop()

    def _recognised(
        self,
        job: Job,
        orders: Sequence[Order],
        inbox: _Inbox,
        on_results: OnResults,
        cancelled: Callable[[], bool],
        look_ahead: Callable[[], bool],
    ) -> dict[int, WindowResult]:
        """Have windows recognised, hand on their results as they come, and return them all.

        ``look_ahead`` has the next chapter planned as soon as that may be; whether it has.
        """
        results: dict[int, WindowResult] = {}
        waiting = len(orders)
        stopping = False
        ahead = False
        self._recognisers.submit(job.lane, job.owner, job.id, orders)
        try:
            while waiting > 0:
                if cancelled():
                    raise JobCancelled(f"job {job.id} was cancelled")
                ahead = ahead or look_ahead()
                if self._stopping.is_set() and not stopping:
                    stopping = True
                    waiting -= self._recognisers.drop(job.id)
                told = inbox.read(POLL)
                waiting -= len(told)
                fresh = [(index, outcome) for index, outcome in told if isinstance(outcome, WindowResult)]
                if fresh:
                    results.update(fresh)
                    on_results(sorted(fresh, key=lambda item: item[0]))
                for _, outcome in told:
                    if isinstance(outcome, HarkenError):
                        raise outcome
        finally:
            inbox.wanted = False
            self._recognisers.drop(job.id)
        self._check_stopping()
        return results

    def _planned(self, job: Job, source: Stored, detector: Path, cursor: Cursor, gone: Callable[[], bool]) -> _Plan:
        """The plan that was made ahead, when it is the one for ``cursor``; else a new one, as soon as that may be."""
        with self._lock:
            ahead = self._ahead.pop(job.id, None)
        if ahead is not None:
            if (ahead.position, ahead.limit) == (cursor.position, chapter_limit(cursor, job.options)):
                return ahead
            ahead.drop()
        while (plan := self._plan(job, source, detector, cursor)) is None:
            if gone():
                raise JobCancelled(f"job {job.id} was cancelled")
            time.sleep(POLL)
        return plan

    def _plan(self, job: Job, source: Stored, detector: Path, cursor: Cursor) -> _Plan | None:
        """Have a chapter planned, unless there is no hurry; the first words of a recording come soon in any case."""
        limit = chapter_limit(cursor, job.options)
        coming: Coming | None = None
        if job.lane is Lane.BATCH and cursor.index > 0:
            coming = self._pace.begin(job.owner, limit)
            if coming is None:
                return None
        with self._lock:
            self._files += 1
            file = self._scratch.path / f"{self._files}.f32"
        request = Plan(job.id, source, job.options, detector, cursor.position, limit, file)
        future = self._readers.plan(request, job.lane)
        note_plan(future, of_chapter(job, cursor.index))
        return _Plan(time.monotonic(), cursor.position, limit, file, future, coming)

    def _check_stopping(self) -> None:
        if self._stopping.is_set():
            raise WorkerUnavailable("the worker is stopping; the job goes on when one runs again")

    def _sweep(self) -> None:
        """Release jobs that did not go on."""
        before = time.monotonic() - _FORGOTTEN
        with self._lock:
            stale = [job for job, ahead in self._ahead.items() if ahead.made < before and job not in self._busy]
        for job in stale:
            self.release(job)


def _wait(future: Future[Planned], gone: Callable[[], bool]) -> Planned:
    while True:
        try:
            return future.result(POLL)
        except CancelledError:
            # Somebody else here had the job before, lost it while this worker was taken for dead, and now let go of it.
            raise WorkerUnavailable("the recording was let go of while it was planned; it is planned again") from None
        except NotYet:
            if future.done():
                raise
            if gone():
                raise JobCancelled("the job was cancelled") from None
