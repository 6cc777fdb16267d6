# SPDX-License-Identifier: Apache-2.0
"""Windows on their way through the children that hold models.

A window that was lost with its child is tried once more, alone; a second death is its own fault and fails its job.
Knows no chapters: each window carries where its end is to be told.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from harken.asr.engine import Context, batch_key, heard_seconds
from harken.errors import HarkenError, RecogniserCrashed, WorkerUnavailable
from harken.model import Lane, Options, WindowResult
from harken.worker.crew import Crew
from harken.worker.process import Child, ChildDied, ChildSettings
from harken.worker.protocol import Load, ModelRef, Recognise, StoredWindow, Unload
from harken.worker.scheduler import Scheduler, Task
from harken.worker.tracing import recognising

log = logging.getLogger(__name__)

BATCH_SECONDS = 80.0
"""Audio in a batch of several windows at most. It bounds a child's memory, since what the decoder attends to grows with
it, and how long a short recording waits for the batch in hand. Longer batches are hardly faster."""

LOAD_SECONDS = 600.0
"""How long a model may take to load."""

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
    """Seconds after which a batch counts as hung."""
    max_models: int = 2
    """Models that a child keeps; the one not used for longest goes first."""


class Recognisers:
    """The children that recognise, and the windows that wait for them."""

    def __init__(
        self, settings: RecogniserSettings, on_failure: Callable[[str], None], preload: ModelRef | None = None
    ) -> None:
        self._settings = settings
        self._preload = preload
        self._scheduler: Scheduler[Order] = Scheduler()
        self._loaded: dict[Child, OrderedDict[str, ModelRef]] = {}
        self.crew: Crew[list[Task[Order]]] = Crew(settings.children, settings.child, self, on_failure)

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

    def drop(self, job: str) -> int:
        """Forget the windows of a job that wait; nobody is told of them. Returns how many."""
        return len(self._scheduler.drop(job))

    def close(self) -> None:
        """Stop the children; windows that they have in hand are told to fail."""
        self._scheduler.close()
        self.crew.close()

    def begin(self, child: Child) -> None:
        """Load the model that most will ask for."""
        self._loaded[child] = OrderedDict()
        if self._preload is not None:
            try:
                self._load(child, self._preload)
            except HarkenError as error:
                log.warning("the default model is not loaded ahead: %s", error.message)

    def take(self, child: Child, timeout: float) -> list[Task[Order]] | None:
        """The next batch."""
        return self._scheduler.take(self._settings.batch_size, self._loaded[child].keys(), timeout) or None

    def do(self, child: Child, work: list[Task[Order]]) -> None:
        """Recognise a batch and tell its results."""
        first = work[0].item
        try:
            self._load(child, first.model)
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
        self._loaded.pop(child, None)
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

    def _load(self, child: Child, model: ModelRef) -> None:
        loaded = self._loaded[child]
        if model.key not in loaded:
            while len(loaded) >= self._settings.max_models:
                _, oldest = loaded.popitem(last=False)
                child.ask(Unload(oldest), LOAD_SECONDS)
            child.ask(Load(model), LOAD_SECONDS)
            loaded[model.key] = model
        loaded.move_to_end(model.key)
