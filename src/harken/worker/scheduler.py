# SPDX-License-Identifier: Apache-2.0
"""Which windows are recognised next, and which of them together.

Two lanes, interactive before batch but never only interactive; in each lane it is the turn of the caller who has had
least, and the jobs of a caller take turns. A batch holds windows of one model and one key, from as many jobs as it
takes to fill it. A thread-safe data structure: knows no process, no samples and no clock but the one to wait with.
"""

from __future__ import annotations

import math
import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from harken.model import Lane
from harken.worker.turns import Turns

T = TypeVar("T")

INTERACTIVE_TURNS = 4
"""Batches that the interactive lane may lead in a row while the batch lane waits."""

PATIENCE = 4
"""Batches that may pass a job by because its model is not the one at hand."""


@dataclass(frozen=True, slots=True)
class Task(Generic[T]):
    """One window to recognise."""

    lane: Lane
    caller: str
    job: str
    model: str
    """Which model it needs: windows of different models are never together."""
    key: str
    """Which windows it may share a batch with: those with the same key."""
    item: T
    parallel: int | None = None
    """Batches that may hold windows of this job at one time; None is any number."""
    together: int | None = None
    """Windows of its key that a batch may hold; None leaves it to the caller's limit."""


_Queue = deque[Task[T]]
_Jobs = OrderedDict[str, _Queue[T]]


LANES = (Lane.INTERACTIVE, Lane.BATCH)
"""Of recordings: other work has no windows."""


class Scheduler(Generic[T]):
    """Windows that wait, handed out fairly in batches."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._lanes: dict[Lane, OrderedDict[str, _Jobs[T]]] = {lane: OrderedDict() for lane in LANES}
        self._turns = {lane: Turns() for lane in LANES}
        self._running: Counter[str] = Counter()
        self._passed: Counter[str] = Counter()
        self._streak = 0
        self._long = 0
        """Batches that run and were led by the batch lane."""
        self._size = 0
        self._takers = 0
        self._closed = False

    def __len__(self) -> int:
        """Windows that wait."""
        with self._changed:
            return self._size

    def waits(self, caller: str) -> bool:
        """Whether windows of a caller wait."""
        with self._changed:
            return any(caller in callers for callers in self._lanes.values())

    @property
    def closed(self) -> bool:
        """Whether nothing more is handed out."""
        return self._closed

    def add(self, tasks: Iterable[Task[T]], *, first: bool = False) -> None:
        """Let windows wait, behind those of the same job, or before them."""
        with self._changed:
            added = list(tasks)
            for task in reversed(added) if first else added:
                callers = self._lanes[task.lane]
                if task.caller not in callers:
                    self._turns[task.lane].comes(task.caller, callers)
                queue = callers.setdefault(task.caller, OrderedDict()).setdefault(task.job, deque())
                queue.appendleft(task) if first else queue.append(task)
            self._size += len(added)
            self._changed.notify_all()

    def take(
        self, limit: int, loaded: Collection[str] = (), timeout: float = 0.0, *, only: Lane | None = None
    ) -> list[Task[T]]:
        """The next batch: 1 to ``limit`` windows of one model and key; none when nothing may run within ``timeout``.

        When several threads wait for batches and there is less than enough for all, they share it.
        A model in ``loaded`` is preferred, within the caller's turns and :data:`PATIENCE`. With ``only``, batches are
        led by that lane alone, and it is not counted among those who take turns. Each batch must be given to
        :meth:`finished` in the end.
        """
        with self._changed:
            lead: Task[T] | None = None

            def ready() -> bool:
                nonlocal lead
                lead = None if self._closed else self._lead(loaded, only)
                return self._closed or lead is not None

            self._takers += only is None
            try:
                if not self._changed.wait_for(ready, timeout) or lead is None:
                    return []
                share = math.ceil((self._size + 1) / max(1, self._takers))
            finally:
                self._takers -= only is None
            batch = [lead, *self._mates(lead, min(limit, share, lead.together or limit) - 1)]
            self._turns[lead.lane].taken([task.caller for task in batch if task.lane is lead.lane])
            self._running.update({task.job for task in batch})
            self._long += lead.lane is Lane.BATCH
            self._changed.notify_all()
            return batch

    def finished(self, batch: Sequence[Task[T]]) -> None:
        """The batch is not running any more, however it ended."""
        with self._changed:
            self._running.subtract({task.job for task in batch})
            self._running += Counter()
            self._long -= batch[0].lane is Lane.BATCH
            self._changed.notify_all()

    def held_up(self, patience: float, timeout: float) -> bool:
        """Whether an interactive window waits for ``patience`` seconds while a batch runs that nobody waits for.

        Waits up to ``timeout`` for there to be one.
        """
        with self._changed:
            if not self._changed.wait_for(self._behind, timeout):
                return False
            return not self._changed.wait_for(lambda: not self._behind(), patience)

    def drop(self, job: str) -> list[Task[T]]:
        """Forget the windows of a job that wait, and return them."""
        with self._changed:
            dropped: list[Task[T]] = []
            for callers in self._lanes.values():
                for caller in list(callers):
                    queue = callers[caller].pop(job, None)
                    dropped.extend(queue or ())
                    if not callers[caller]:
                        del callers[caller]
            self._passed.pop(job, None)
            self._size -= len(dropped)
            return dropped

    def close(self) -> None:
        """Hand out nothing more and wake everyone who waits."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _behind(self) -> bool:
        rows = self._lanes[Lane.INTERACTIVE].values()
        return self._long > 0 and any(self._free(queue[0]) for jobs in rows for queue in jobs.values())

    def _lead(self, loaded: Collection[str], only: Lane | None) -> Task[T] | None:
        """Take out the window whose turn it is, and move its caller and its job to the end of their rows."""
        first, second = Lane.INTERACTIVE, Lane.BATCH
        if self._streak >= INTERACTIVE_TURNS:
            first, second = second, first
        for lane in (first, second) if only is None else (only,):
            task = self._choose(lane, loaded)
            if task is not None:
                waiting = bool(self._lanes[Lane.BATCH])
                if only is None:
                    self._streak = self._streak + 1 if lane is Lane.INTERACTIVE and waiting else 0
                self._take_out(task)
                callers = self._lanes[lane]
                if task.caller in callers:
                    callers.move_to_end(task.caller)
                    if task.job in callers[task.caller]:
                        callers[task.caller].move_to_end(task.job)
                return task
        return None

    def _choose(self, lane: Lane, loaded: Collection[str]) -> Task[T] | None:
        callers = self._lanes[lane]
        heads = [
            queue[0]
            for caller in self._turns[lane].in_order(callers)
            for queue in callers[caller].values()
            if self._free(queue[0])
        ]
        if not heads:
            return None
        chosen = next((task for task in heads if task.model in loaded), heads[0])
        if chosen is not heads[0]:
            self._passed[heads[0].job] += 1
            if self._passed[heads[0].job] > PATIENCE:
                chosen = heads[0]
        self._passed.pop(chosen.job, None)
        return chosen

    def _mates(self, lead: Task[T], room: int) -> Iterator[Task[T]]:
        """Others for the batch of ``lead``, callers taking turns.

        A batch that someone waits for is not made longer by windows nobody waits for; the other way round is welcome.
        """
        lanes = (Lane.INTERACTIVE,) if lead.lane is Lane.INTERACTIVE else (Lane.BATCH, Lane.INTERACTIVE)
        for lane in lanes:
            callers = self._lanes[lane]
            rows = [self._matching(callers[caller], lead) for caller in self._turns[lane].in_order(callers)]
            rows = [row for row in rows if row]
            while rows and room > 0:
                for row in rows[:room]:
                    task = row.popleft()
                    self._take_out(task)
                    room -= 1
                    yield task
                rows = [row for row in rows if row]

    def _matching(self, jobs: _Jobs[T], lead: Task[T]) -> _Queue[T]:
        """A caller's windows that may be with ``lead``, its jobs taking turns."""
        rows = [
            deque(task for task in queue if task.model == lead.model and task.key == lead.key)
            for job, queue in jobs.items()
            if job == lead.job or self._free(queue[0])
        ]
        found: _Queue[T] = deque()
        while rows := [row for row in rows if row]:
            found.extend(row.popleft() for row in rows)
        return found

    def _free(self, task: Task[T]) -> bool:
        return task.parallel is None or self._running[task.job] < task.parallel

    def _take_out(self, task: Task[T]) -> None:
        jobs = self._lanes[task.lane][task.caller]
        queue = jobs[task.job]
        queue.remove(task)
        self._size -= 1
        if not queue:
            del jobs[task.job]
            self._passed.pop(task.job, None)
        if not jobs:
            del self._lanes[task.lane][task.caller]
