# SPDX-License-Identifier: Apache-2.0
"""Taking jobs off the lanes' queues as soon as they are entered, without asking all the time.

The queue's own threads sleep between two looks. Ours run the same code and sleep on a doorbell, which rings when the
database says that a job waits; what is left of the polling is a safety net. A worker that serves some models only reads
their partitions of a queue, one after the other; any other reads it whole, in one order. Private parts of DBOS are used
in :func:`_serve` and :func:`put_under` alone, and a contract test fails when they change. Knows not how many jobs a
worker shall have in hand: see :mod:`harken.jobs.places`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

import sqlalchemy as sa
from dbos import DBOS, WorkflowStatusString
from dbos._dbos import _get_dbos_instance
from dbos._queue import queue_worker_thread

from harken.jobs.names import ANYBODY, VERSION, queue_name
from harken.jobs.places import Places
from harken.model import Lane
from harken.ports import Bell

log = logging.getLogger(__name__)

_FALLBACK = 1.0
"""Seconds after which the queue is looked at, bell or no bell."""
_QUIET = 0.25
"""Seconds that one wait for the bell lasts at most, so that stopping is quick."""
_AGAIN = 0.2
"""The same while jobs wait for a free place, which nothing announces."""
_STOPPING = 2.0
"""Seconds that the threads get to notice that they shall stop."""
_REOPEN = 1.0
_BEGINNING = 0.002
"""Seconds between two looks at whether claimed jobs have begun."""


class Doorbell(threading.Event):
    """The stop event of a queue's thread, whose wait also ends when it rings.

    The queue counts a job that it claimed only once the job has begun, which matters when it is asked again within a
    millisecond. So the wait goes on until ``begun`` says that nothing claimed is left to begin: else the thread would
    claim more than its limit.
    """

    def __init__(self, begun: Callable[[], bool]) -> None:
        super().__init__()
        self.before: Callable[[], None] = lambda: None
        """Called before every look at the queue."""
        self._rung = threading.Event()
        self._begun = begun

    def ring(self) -> None:
        """End the wait now, without stopping."""
        self._rung.set()

    def set(self) -> None:
        """Stop."""
        super().set()
        self._rung.set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the bell; whether it is time to stop."""
        self._rung.wait(timeout)
        self._rung.clear()
        deadline = time.monotonic() + _FALLBACK
        while not self.is_set() and time.monotonic() < deadline and not self._begun():
            time.sleep(_BEGINNING)
        self.before()
        return self.is_set()


def _serve(dbos: DBOS, doorbell: Doorbell, lane: Lane, places: Places) -> None:
    """Take jobs off one lane until the doorbell is set, as many as there are places."""
    limit, models = places.limits[lane], places.models
    queue = DBOS.register_queue(
        queue_name(lane), polling_interval_sec=_FALLBACK, worker_concurrency=limit, on_conflict="always_update"
    )
    # Limits belong to this process; those in the database are of whoever started last.
    queue.database_backed_queue = False
    if models is not None:
        # With a limit of partitions the thread goes by partition, through those that it is shown.
        queue._partition_worker_concurrency = limit  # noqa: SLF001
        partitions = {ANYBODY, *models}
        database = dbos._sys_db  # noqa: SLF001
        every = type(database).get_queue_partitions

        def suiting(queue_name: str) -> list[str]:
            return [key for key in every(database, queue_name) if key in partitions]

        database.get_queue_partitions = suiting  # type: ignore[method-assign]

    def bound() -> None:
        running = dbos._active_workflows_set.count_for_queue(queue.name)  # noqa: SLF001
        queue._worker_concurrency = places.now(lane, running)  # noqa: SLF001
        if models is not None:
            queue._partition_worker_concurrency = queue._worker_concurrency  # noqa: SLF001

    doorbell.before = bound
    queue_worker_thread(doorbell, dbos, queue)


def without_partition() -> dict[str, str]:
    """What versions before there were partitions entered and is not done: workflow ids and names of workflows."""
    found = DBOS.list_workflows(
        status=[WorkflowStatusString.ENQUEUED.value, WorkflowStatusString.PENDING.value],
        queue_name=[queue_name(lane) for lane in Lane],
        app_version=VERSION,
        load_input=False,
        load_output=False,
    )
    return {one.workflow_id: one.name for one in found if one.queue_partition_key is None}


def put_under(workflow_id: str, partition: str) -> None:
    """Put a workflow that is in no partition of its queue into one."""
    database = _get_dbos_instance()._sys_db  # noqa: SLF001
    table = database.tables.workflow_status
    with database.engine.begin() as connection:
        connection.execute(
            sa.update(table)
            .where(table.c.workflow_uuid == workflow_id, table.c.queue_partition_key.is_(None))
            .values(queue_partition_key=partition)
        )


class Intake:
    """The threads that take jobs off the queues of every lane that this process serves.

    Args:
        dbos: launched, and listening to no queue itself.
        places: how many jobs of a lane may be in hand, and which.
        open_bell: connects to what announces new jobs.
        begun: whether every job that was claimed has begun.
    """

    def __init__(self, dbos: DBOS, places: Places, open_bell: Callable[[], Bell], begun: Callable[[], bool]) -> None:
        self._open_bell = open_bell
        self._places = places
        self._stopping = threading.Event()
        self._doorbells = {lane: Doorbell(begun) for lane in places.limits}
        self._threads = [
            threading.Thread(target=_serve, args=(dbos, self._doorbells[lane], lane, places), name=f"lane-{lane.value}")
            for lane in places.limits
        ]
        self._threads.append(threading.Thread(target=self._listen, name="bell"))

    def start(self) -> None:
        """Begin to take jobs."""
        for thread in self._threads:
            thread.daemon = True
            thread.start()

    def ring(self) -> None:
        """Look at every queue now."""
        for doorbell in self._doorbells.values():
            doorbell.ring()

    def stop(self) -> None:
        """Take no more jobs; those that were taken go on."""
        self._stopping.set()
        for doorbell in self._doorbells.values():
            doorbell.set()
        deadline = time.monotonic() + _STOPPING
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _listen(self) -> None:
        while not self._stopping.is_set():
            try:
                bell = self._open_bell()
            except Exception:
                log.exception("cannot listen for new jobs; looking at the queues every %s s meanwhile", _FALLBACK)
                self._stopping.wait(_REOPEN)
                continue
            try:
                self._follow(bell)
            except Exception:
                log.exception("lost the connection that announces new jobs")
                self._stopping.wait(_REOPEN)
            finally:
                bell.close()

    def _follow(self, bell: Bell) -> None:
        # What was entered before anybody listened was not announced to us.
        waiting = self._suiting(bell)
        while not self._stopping.is_set():
            for lane in waiting:
                self._doorbells[lane].ring()
            if bell.wait(_AGAIN if waiting else _QUIET) or waiting:
                waiting = self._suiting(bell)

    def _suiting(self, bell: Bell) -> set[Lane]:
        """The lanes in which something waits that this process takes."""
        return {lane for lane, model in bell.waiting() if self._places.suits(lane, model)}
