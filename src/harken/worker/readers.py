# SPDX-License-Identifier: Apache-2.0
"""Recordings on their way through the children that decode: chapters are planned, headers are read.

A recording stays open in the child that planned its first chapter, and later chapters are planned there; when that
child is busy with another recording for long, or died, any other opens it anew and decodes forward. What was lost with
a child is tried once more; a second death is the recording's own fault. Headers that a child
hung on are not read again. One child is prepared; the others take no memory for decoders until it is held up. Knows no
recogniser.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from harken.audio.remote import Stored
from harken.errors import CorruptMedia, HarkenError, RecogniserCrashed, WorkerUnavailable
from harken.model import Lane
from harken.worker.crew import Crew
from harken.worker.process import Child, ChildDied, ChildSettings
from harken.worker.protocol import Close, Plan, Planned, Prepare, Probe

if TYPE_CHECKING:
    from harken.model import MediaInfo

log = logging.getLogger(__name__)

PLAN_SECONDS = 120.0
"""How long planning a chapter may take; it is a second or two."""
PROBE_SECONDS = 20.0
"""How long reading headers may take."""
ANSWER_SECONDS = 60.0
"""How long a caller waits for headers at most, those of others that are read before counted in."""
_LOYALTY = 2.0
"""Seconds that a recording waits for the child that has it open, while that one is busy with another."""
_SPARE = 1.0
"""Seconds that anything waits for a child that is prepared, before one that is not has to do it."""
_SPARE_WAITED = 0.1
"""The same for what somebody waits for."""
_RESERVED = 5.0
"""Seconds that a chapter nobody waits for leaves the last child that is free to what somebody waits for."""


@dataclass(frozen=True, slots=True)
class _Errand:
    request: Plan | Probe | Close
    lane: Lane
    future: Future[object]
    since: float
    deaths: int = 0

    @property
    def job(self) -> str | None:
        return None if isinstance(self.request, Probe) else self.request.job


class Readers:
    """The children that read recordings, and what waits for them."""

    def __init__(
        self,
        size: int,
        child: ChildSettings,
        on_failure: Callable[[str], None],
        *,
        plan_timeout: float = PLAN_SECONDS,
        detector: Path | None = None,
    ) -> None:
        """Start ``size`` children, and have them load ``detector``, where it is known already.

        A chapter that takes over ``plan_timeout`` seconds to plan counts as hung.
        """
        self._on_failure = on_failure
        self._detector = detector
        self._plan_timeout = plan_timeout
        self._changed = threading.Condition()
        self._waiting: list[_Errand] = []
        self._open: dict[str, Child] = {}
        self._prepared: set[Child] = set()
        self._size = size
        self._long = 0
        """Children that plan a chapter nobody waits for."""
        self._closed = False
        self.crew: Crew[_Errand] = Crew(size, child, self, self._not_started)

    def plan(self, request: Plan, lane: Lane) -> Future[Planned]:
        """Plan a chapter. The future raises MediaError, RecogniserCrashed, DiskFull or WorkerUnavailable."""
        return cast("Future[Planned]", self._add(request, lane).future)

    def probe(self, source: Stored) -> MediaInfo:
        """Read a recording's headers; waits, though not for children that cannot be started.

        Raises MediaError, StorageUnavailable, WorkerUnavailable.
        """
        errand = self._add(Probe(source), Lane.INTERACTIVE)
        if self.crew.failure is not None:
            self._refuse_probes(self.crew.failure)
        try:
            return cast("MediaInfo", errand.future.result(ANSWER_SECONDS))
        except TimeoutError:
            with self._changed:
                if errand in self._waiting:
                    self._waiting.remove(errand)
            raise WorkerUnavailable(
                f"the recording's headers were not read within {ANSWER_SECONDS:.0f} s; try again later"
            ) from None

    def forget(self, job: str) -> None:
        """Drop what waits of a job, and close its recording."""
        with self._changed:
            for errand in [errand for errand in self._waiting if errand.job == job]:
                self._waiting.remove(errand)
                errand.future.cancel()
            if job in self._open and not self._closed:
                self._waiting.append(_Errand(Close(job), Lane.INTERACTIVE, Future(), time.monotonic()))
                self._changed.notify_all()

    def close(self) -> None:
        """Stop the children; what waits or is being done fails with WorkerUnavailable."""
        with self._changed:
            self._closed = True
            waiting, self._waiting = self._waiting, []
            self._changed.notify_all()
        for errand in waiting:
            _fail(errand, WorkerUnavailable("the worker is stopping"))
        self.crew.close()

    def begin(self, child: Child) -> None:
        """Load what the first recording needs, in one child."""
        with self._changed:
            if self._prepared:
                return
            self._prepared.add(child)
        try:
            child.ask(Prepare(self._detector), self._plan_timeout)
        except HarkenError as error:
            log.warning("the speech detector is not loaded ahead: %s", error.message)
        except ChildDied:
            self._prepared.discard(child)
            raise

    def take(self, child: Child, timeout: float) -> _Errand | None:
        """The next errand for this child, interactive ones first."""
        with self._changed:
            end = time.monotonic() + timeout
            while not self._closed:
                mine = [errand for errand in self._waiting if self._suits(errand, child)]
                if mine:
                    errand = min(mine, key=lambda item: (item.lane is Lane.BATCH, item.since))
                    self._waiting.remove(errand)
                    self._prepared.add(child)
                    self._long += errand.lane is Lane.BATCH
                    if isinstance(errand.request, Plan):
                        self._open[errand.request.job] = child
                    elif isinstance(errand.request, Close):
                        self._open.pop(errand.request.job, None)
                    return errand
                left = end - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(min(left, _SPARE_WAITED) if self._waiting else left)
            return None

    def do(self, child: Child, work: _Errand) -> None:
        """Have it done and tell how it ended."""
        timeout = PROBE_SECONDS if isinstance(work.request, Probe) else self._plan_timeout
        try:
            value = child.ask(work.request, timeout)
        except HarkenError as error:
            self._ended(work, done=True)
            _fail(work, error)
            return
        self._ended(work, done=isinstance(value, Planned) and value.done)
        if not work.future.cancelled():
            work.future.set_result(value)

    def lost(self, child: Child, work: _Errand | None, death: ChildDied) -> None:
        """Do what was lost once more; the other recordings are opened anew when their turn comes."""
        with self._changed:
            self._prepared.discard(child)
            for job in [job for job, owner in self._open.items() if owner is child]:
                del self._open[job]
            if work is None:
                return
            self._left(work)
            if isinstance(work.request, Close):
                return
            again = replace(work, deaths=work.deaths + 1)
            once = death.hung and isinstance(work.request, Probe)
            if again.deaths < 2 and not once and not self._closed:
                self._waiting.append(again)
                self._changed.notify_all()
                return
            closed = self._closed
        if closed:
            _fail(work, WorkerUnavailable("the worker is stopping"))
        elif isinstance(work.request, Plan):
            _fail(
                work,
                RecogniserCrashed(
                    f"the recording cannot be read from {work.request.position:.1f} s on: the decoder tried twice, "
                    f"and each time {death.how}"
                ),
            )
        elif once:
            _fail(work, CorruptMedia(f"the recording's headers cannot be read: the decoder hung on them, {death.how}"))
        else:
            _fail(work, CorruptMedia(f"the recording's headers cannot be read: the decoder tried twice, {death.how}"))

    def _not_started(self, why: str) -> None:
        self._refuse_probes(why)
        self._on_failure(why)

    def _refuse_probes(self, why: str) -> None:
        with self._changed:
            refused = [errand for errand in self._waiting if isinstance(errand.request, Probe)]
            self._waiting = [errand for errand in self._waiting if errand not in refused]
        for errand in refused:
            _fail(errand, WorkerUnavailable(why))

    def _add(self, request: Plan | Probe, lane: Lane) -> _Errand:
        errand = _Errand(request, lane, Future(), time.monotonic())
        with self._changed:
            if self._closed:
                raise WorkerUnavailable("the worker is stopping")
            self._waiting.append(errand)
            self._changed.notify_all()
        return errand

    def _suits(self, errand: _Errand, child: Child) -> bool:
        owner = None if errand.job is None else self._open.get(errand.job)
        waited = time.monotonic() - errand.since
        if errand.lane is Lane.BATCH and 0 < self._size - 1 <= self._long and waited <= _RESERVED:
            return False
        if owner is None and self._prepared and child not in self._prepared:
            return waited > (_SPARE if errand.lane is Lane.BATCH else _SPARE_WAITED)
        if owner is None or owner is child:
            return True
        return isinstance(errand.request, Plan) and waited > _LOYALTY

    def _ended(self, errand: _Errand, *, done: bool) -> None:
        with self._changed:
            self._left(errand)
            if done and isinstance(errand.request, Plan):
                self._open.pop(errand.request.job, None)

    def _left(self, errand: _Errand) -> None:
        if errand.lane is Lane.BATCH:
            self._long -= 1
            self._changed.notify_all()


def _fail(errand: _Errand, error: HarkenError) -> None:
    if not errand.future.cancelled():
        errand.future.set_exception(error)
