# SPDX-License-Identifier: Apache-2.0
"""Windows on their way through the children that hold models.

A window that was lost with its child is tried once more, alone; a second death is its own fault and fails its job.
Knows no chapters: each window carries where its end is to be told.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from harken.asr.engine import Context, batch_key, heard_seconds
from harken.errors import HarkenError, RecogniserCrashed, WorkerUnavailable
from harken.model import Lane, Options, WindowResult
from harken.worker.crew import Crew, OnCall
from harken.worker.holdings import Holdings
from harken.worker.process import Child, ChildDied, ChildSettings
from harken.worker.protocol import ModelRef, Recognise, StoredWindow
from harken.worker.scheduler import Scheduler, Task
from harken.worker.tracing import recognising

log = logging.getLogger(__name__)

BATCH_SECONDS = 80.0
"""Audio in a batch of several windows at most. It bounds a child's memory, since what the decoder attends to grows with
it. Longer batches are hardly faster."""

HELD_UP = 0.2
"""Seconds that somebody's window waits behind batches that nobody waits for, until a child is started beside them."""

EXPRESS_IDLE = 600.0
"""Seconds without such a window after which that child leaves, and gives its memory back."""

EXPRESS_SHARE = 4
"""Children for each of these: the others go on with what nobody waits for, on the same cores but with less right."""

Outcome = WindowResult | HarkenError
"""What became of a window."""


class Listener(Protocol):
    """Who ordered windows. Called from threads of the children."""

    @property
    def wanted(self) -> bool:
        """Whether anybody waits for the windows still."""

    def tell(self, index: int, outcome: Outcome) -> None:
        """What became of the window; once for each."""


@dataclass(frozen=True, slots=True)
class Order:
    """A window to recognise, how, and for whom."""

    index: int
    model: ModelRef
    stored: StoredWindow
    options: Options
    context: Context
    listener: Listener
    deaths: int = 0
    """Children that died with it."""
    trace: str | None = None
    """What names the span that it is part of."""


@dataclass(frozen=True, slots=True)
class RecogniserSettings:
    """How windows are recognised."""

    children: int
    child: ChildSettings
    batch_size: int
    window_timeout: float
    """Seconds after which a step of a batch counts as hung."""
    max_models: int = 2
    """Models that a child keeps; the one not used for longest goes first."""


class Recognisers:
    """The children that recognise, and the windows that wait for them."""

    def __init__(
        self, settings: RecogniserSettings, on_failure: Callable[[str], None], preload: Sequence[ModelRef] = ()
    ) -> None:
        self._settings = settings
        self._scheduler: Scheduler[Order] = Scheduler()
        self.holdings = Holdings(settings.max_models, preload)
        self.crew: Crew[list[Task[Order]]] = Crew(settings.children, settings.child, self, on_failure)
        self._express: Crew[list[Task[Order]]] = Crew(
            max(1, settings.children // EXPRESS_SHARE),
            replace(settings.child, name=f"{settings.child.name}-express", nice=0),
            _Express(self),
            log.warning,
            OnCall(lambda timeout, _: self._scheduler.held_up(HELD_UP, timeout), EXPRESS_IDLE),
        )

    def submit(self, lane: Lane, caller: str, job: str, orders: Sequence[Order]) -> None:
        """Have windows recognised in their turn."""
        self._scheduler.add(
            Task(
                lane=lane,
                caller=caller,
                job=job,
                model=order.model.key,
                key=batch_key(order.stored.window, order.options, order.context),
                item=order,
                parallel=order.options.num_workers,
                together=max(1, int(BATCH_SECONDS // heard_seconds(order.stored.window))),
            )
            for order in orders
        )

    def waiting(self) -> int:
        """How many windows wait."""
        return len(self._scheduler)

    def waits(self, caller: str) -> bool:
        """Whether windows of a caller wait."""
        return self._scheduler.waits(caller)

    def drop(self, job: str) -> int:
        """Forget the windows of a job that wait; nobody is told of them. Returns how many."""
        return len(self._scheduler.drop(job))

    def close(self) -> None:
        """Stop the children; windows that they have in hand are told to fail."""
        self._scheduler.close()
        self.crew.close()
        self._express.close()

    def pids(self) -> list[int]:
        """Process ids of the children."""
        return [*self.crew.pids(), *self._express.pids()]

    def begin(self, child: Child) -> None:
        """Load what most will ask for. Raises ChildDied."""
        self.holdings.begin(child)

    def take(self, child: Child, timeout: float, only: Lane | None = None) -> list[Task[Order]] | None:
        """The next batch, after what an administrator ordered. Raises ChildDied."""
        self.holdings.obey(child)
        return self._scheduler.take(self._settings.batch_size, self.holdings.keys(child), timeout, only=only) or None

    def do(self, child: Child, work: list[Task[Order]]) -> None:
        """Recognise a batch and tell its results."""
        first = work[0].item
        try:
            self.holdings.need(child, first.model)
            for task in work:
                log.debug("recognising window %d", task.item.index, extra={"job_id": task.job})
            request = Recognise(first.model, tuple(task.item.stored for task in work), first.options, first.context)
            windows = [(task.item.index, task.item.stored, task.item.trace) for task in work]
            with recognising(windows, first.model.folder.name, child.pid):
                results = child.ask(request, self._settings.window_timeout)
        except HarkenError as error:
            self._refused(work, error)
        else:
            assert isinstance(results, list)
            for task, result in zip(work, results, strict=True):
                task.item.listener.tell(task.item.index, result)
        self._scheduler.finished(work)

    def lost(self, child: Child, work: list[Task[Order]] | None, death: ChildDied) -> None:
        """Try the windows of a lost batch once more, each alone."""
        self.holdings.forget(child)
        if work is None:
            return
        self._scheduler.finished(work)
        for task in work:
            order = replace(task.item, deaths=task.item.deaths + 1)
            if self._scheduler.closed:
                order.listener.tell(order.index, WorkerUnavailable("the worker is stopping"))
            elif order.deaths > 1:
                window = order.stored.window
                order.listener.tell(
                    order.index,
                    RecogniserCrashed(
                        f"{window.start:.1f} s to {window.end:.1f} s of the recording cannot be recognised: "
                        f"the recogniser tried twice, and each time {death.how}"
                    ),
                )
            else:
                self._again(replace(task, item=order))

    def _refused(self, work: list[Task[Order]], error: HarkenError) -> None:
        """One job's windows share its error; windows of several are tried alone, to see whose error it is."""
        if len({task.job for task in work}) == 1:
            for task in work:
                task.item.listener.tell(task.item.index, error)
        else:
            for task in work:
                self._again(task)

    def _again(self, task: Task[Order]) -> None:
        if task.item.listener.wanted:
            self._scheduler.add([replace(task, key=f"{task.job} {task.item.index} alone")], first=True)


class _Express:
    """The work of a child that hears nothing but what somebody waits for."""

    def __init__(self, recognisers: Recognisers) -> None:
        self._recognisers = recognisers

    def begin(self, child: Child) -> None:
        self._recognisers.begin(child)

    def take(self, child: Child, timeout: float) -> list[Task[Order]] | None:
        return self._recognisers.take(child, timeout, Lane.INTERACTIVE)

    def do(self, child: Child, work: list[Task[Order]]) -> None:
        self._recognisers.do(child, work)

    def lost(self, child: Child, work: list[Task[Order]] | None, death: ChildDied) -> None:
        self._recognisers.lost(child, work, death)
