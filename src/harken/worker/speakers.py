# SPDX-License-Identifier: Apache-2.0
"""Recordings on their way through the children that tell voices apart.

They work for minutes at a time, so they have children of their own, which run only while there is something to do and
are killed when what they do is not wanted any more. What was lost with a child that died is done once more; what takes
too long is not. Knows no job, only whose turn it is.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from typing import cast

from harken.audio.remote import Stored
from harken.errors import CorruptMedia, HarkenError, JobCancelled, RecogniserCrashed, WorkerUnavailable
from harken.model import Diarization, Lane
from harken.models.parts import SpeakerFiles
from harken.worker.crew import Crew, OnCall
from harken.worker.process import Child, ChildDied, ChildSettings
from harken.worker.protocol import Diarize, Prepare, Voiceprint
from harken.worker.scheduler import Scheduler, Task

POLL = 0.1
"""Seconds between two looks at whether an errand is wanted still."""
IDLE_SECONDS = 60.0
"""How long a child without work keeps its memory."""
PREPARE_SECONDS = 60.0
"""How long loading the decoders may take; it is a second."""
VOICEPRINT_SECONDS = 60.0
"""How long learning a voice may take."""
ANSWER_SECONDS = 180.0
"""How long a caller waits for a voice at most, those of others that are learnt before counted in."""


class _Errand:
    """One recording, and who waits for what is found."""

    def __init__(self, request: Diarize | Voiceprint, timeout: float) -> None:
        self.id = uuid.uuid4().hex
        self.request = request
        self.timeout = timeout
        self.future: Future[object] = Future()
        self.wanted = True
        self.progress = 0.0
        self.child: Child | None = None
        self.deaths = 0

    def tell(self, progress: float) -> None:
        self.progress = progress


class Speakers:
    """The children that tell voices apart, and what waits for them. Thread-safe."""

    def __init__(self, size: int, child: ChildSettings, *, idle: float = IDLE_SECONDS) -> None:
        """Have up to ``size`` children, which leave after ``idle`` seconds without work."""
        self._changed = threading.Condition()
        self._scheduler: Scheduler[_Errand] = Scheduler()
        self._waiting: dict[str, _Errand] = {}
        self._busy = 0
        self.crew: Crew[list[Task[_Errand]]] = Crew(size, child, self, self._refuse, OnCall(self._needed, idle))

    def diarize(
        self,
        request: Diarize,
        timeout: float,
        lane: Lane,
        owner: str,
        on_progress: Callable[[float], None],
        cancelled: Callable[[], bool],
    ) -> Diarization:
        """Find out who speaks; waits for its turn, and then up to ``timeout`` seconds.

        Raises JobCancelled, RecogniserCrashed, WorkerUnavailable, MediaError, ModelError, what ``cancelled`` raises.
        """
        return cast("Diarization", self._ask(_Errand(request, timeout), lane, owner, on_progress, cancelled))

    def voiceprint(self, source: Stored, models: SpeakerFiles) -> tuple[float, tuple[float, ...]]:
        """Seconds of speech in a recording of one speaker, and the voice.

        Raises UnusableVoice, MediaError, ModelError, WorkerUnavailable.
        """
        errand = _Errand(Voiceprint(models, source), VOICEPRINT_SECONDS)
        end = time.monotonic() + ANSWER_SECONDS

        def late() -> bool:
            if time.monotonic() < end:
                return False
            raise WorkerUnavailable(f"the voice was not learnt within {ANSWER_SECONDS:.0f} s; try again later")

        try:
            value = self._ask(errand, Lane.INTERACTIVE, "", lambda _: None, late)
        except RecogniserCrashed as error:
            raise CorruptMedia(f"no voice can be learnt from the recording: {error.message}") from None
        return cast("tuple[float, tuple[float, ...]]", value)

    def close(self) -> None:
        """Stop the children; what waits or is being done fails with WorkerUnavailable."""
        self._scheduler.close()
        self._refuse("the worker is stopping")
        self.crew.close()

    def begin(self, child: Child) -> None:
        """Load the decoders; models are loaded with the first errand. Raises ChildDied where that cannot be done."""
        try:
            child.ask(Prepare(None), PREPARE_SECONDS)
        except HarkenError as error:
            raise ChildDied(error.message) from error

    def take(self, child: Child, timeout: float) -> list[Task[_Errand]] | None:  # noqa: ARG002
        """The next errand, callers taking turns."""
        batch = self._scheduler.take(1, timeout=timeout)
        if batch:
            with self._changed:
                self._busy += 1
                self._waiting.pop(batch[0].item.id, None)
        return batch or None

    def do(self, child: Child, work: list[Task[_Errand]]) -> None:
        """Have it done and tell how it ended."""
        errand = work[0].item
        with self._changed:
            errand.child = child if errand.wanted else None
        if errand.child is None:
            self._free(work)
            return
        # Free before it is told: whoever hears of the end lets go of the errand, and of the child that has it.
        try:
            value = child.ask(errand.request, errand.timeout, errand.tell)
        except HarkenError as error:
            self._free(work)
            errand.future.set_exception(error)
        else:
            self._free(work)
            errand.future.set_result(value)

    def lost(self, child: Child, work: list[Task[_Errand]] | None, death: ChildDied) -> None:  # noqa: ARG002
        """Do once more what was lost, unless it took too long or is not wanted any more."""
        if work is None:
            return
        self._free(work)
        errand = work[0].item
        errand.deaths += 1
        if self._scheduler.closed:
            errand.future.set_exception(WorkerUnavailable("the worker is stopping"))
        elif not errand.wanted:
            errand.future.cancel()
        elif death.hung:
            errand.future.set_exception(
                RecogniserCrashed(f"it was not done within {errand.timeout:.0f} s and was stopped")
            )
        elif errand.deaths > 1:
            errand.future.set_exception(RecogniserCrashed(f"it was tried twice, and each time {death.how}"))
        else:
            try:
                self._add(work[0], first=True)
            except WorkerUnavailable as error:
                errand.future.set_exception(error)

    def _ask(
        self,
        errand: _Errand,
        lane: Lane,
        owner: str,
        on_progress: Callable[[float], None],
        cancelled: Callable[[], bool],
    ) -> object:
        self._add(Task(lane=lane, caller=owner, job=errand.id, model="", key=errand.id, item=errand))
        told = 0.0
        try:
            while True:
                try:
                    return errand.future.result(POLL)
                except NotYet:
                    if errand.future.done():
                        raise
                if cancelled():
                    raise JobCancelled("it was cancelled")
                if errand.progress > told:
                    told = errand.progress
                    on_progress(told)
        finally:
            self._drop(errand)

    def _add(self, task: Task[_Errand], *, first: bool = False) -> None:
        with self._changed:
            if self._scheduler.closed:
                raise WorkerUnavailable("the worker is stopping")
            self._waiting[task.item.id] = task.item
            self._scheduler.add([task], first=first)
            self._changed.notify_all()

    def _drop(self, errand: _Errand) -> None:
        """Have nobody work on it any more."""
        with self._changed:
            errand.wanted = False
            self._waiting.pop(errand.id, None)
            self._scheduler.drop(errand.id)
            if errand.child is not None:
                errand.child.kill()

    def _free(self, work: list[Task[_Errand]]) -> None:
        self._scheduler.finished(work)
        with self._changed:
            self._busy -= 1
            work[0].item.child = None

    def _needed(self, timeout: float, children: int) -> bool:
        """Whether more waits than ``children`` that are not at work can take."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self._scheduler) > children - self._busy, timeout)

    def _refuse(self, why: str) -> None:
        with self._changed:
            refused = list(self._waiting.values())
            self._waiting.clear()
            for errand in refused:
                self._scheduler.drop(errand.id)
        for errand in refused:
            errand.future.set_exception(WorkerUnavailable(why))
