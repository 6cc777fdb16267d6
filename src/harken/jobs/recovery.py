# SPDX-License-Identifier: Apache-2.0
"""Heartbeats, and taking over the jobs of workers that died.

A worker beats before it takes jobs. Every worker looks for jobs that are in the hands of somebody who left, whose
process is gone, or who is silent for too long, and puts them back on the queue. One who was only asleep finds out when
it next records something: the queue's owner token is no longer its own. Knows no recogniser.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path

from dbos import DBOS, WorkflowStatusString

from harken.jobs.names import APPLICATION, VERSION
from harken.ports import Executor, Roster

log = logging.getLogger(__name__)

_PROC = Path("/proc")


def this_process() -> Executor:
    """This process as an executor, under a new id."""
    pid = os.getpid()
    return Executor(id=f"{APPLICATION}-{uuid.uuid4().hex}", host=_host(), pid=pid, born=_born(pid) or 0)


def _host() -> str:
    try:
        kernel = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{kernel}/{(_PROC / 'self/ns/pid').stat().st_ino}"
    except OSError:
        return ""


def _born(pid: int) -> int | None:
    """When a process started, in the kernel's ticks; None when it is gone or a zombie."""
    try:
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def process_gone(executor: Executor, host: str) -> bool:
    """Whether the executor's process has ended, which can be seen from the same host only."""
    return bool(host) and executor.host == host and _born(executor.pid) != executor.born


def put_back(executor_ids: Iterable[str]) -> None:
    """Return the running workflows of executors to their queues. The one use of this private part of DBOS."""
    DBOS._recover_pending_workflows(list(executor_ids))  # noqa: SLF001


def send_back(workflow_id: str) -> None:
    """Return a workflow of this process to its queue: by itself DBOS would put it where every worker takes it."""
    (status,) = DBOS.list_workflows(workflow_ids=[workflow_id], load_input=False, load_output=False)
    DBOS.resume_workflow(workflow_id, queue_name=status.queue_name)


def running_workflows(executor_id: str | None = None) -> dict[str, str | None]:
    """The workflows that one executor has in hand, or every one, and which executor that is, by workflow id."""
    pending = DBOS.list_workflows(
        status=WorkflowStatusString.PENDING.value,
        app_version=VERSION,
        executor_id=executor_id,
        load_input=False,
        load_output=False,
    )
    return {status.workflow_id: status.executor_id for status in pending}


class Pulse:
    """The thread that beats, and sweeps up after others.

    Args:
        roster: who is alive.
        executor: this process.
        dead_after: seconds of silence after which an executor counts as dead.
        in_hand: the workflows that really run in this process.
        on_return: called when workflows went back to the queue.
    """

    def __init__(
        self,
        roster: Roster,
        executor: Executor,
        dead_after: float,
        in_hand: Callable[[], set[str]],
        on_return: Callable[[], None],
    ) -> None:
        self._roster = roster
        self._executor = executor
        self._dead_after = dead_after
        self._interval = min(1.0, dead_after / 5)
        self._in_hand = in_hand
        self._on_return = on_return
        self._lost: set[str] = set()
        self.others: list[Executor] = []
        """Who else was alive a moment ago."""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pulse", daemon=True)
        self._healthy_since: float | None = None
        self._last = 0.0

    def start(self) -> None:
        """Beat from now on, and sweep. The first beat was :meth:`beat`."""
        self._thread.start()

    def stop(self) -> None:
        """Beat no more."""
        self._stopping.set()
        self._thread.join(2.0)

    def beat(self) -> None:
        """Say that this process is alive, and keep count of how long it has been saying so without a break."""
        self._roster.beat(self._executor)
        now = time.monotonic()
        if self._healthy_since is None or now - self._last > self._dead_after / 2:
            self._healthy_since = now
        self._last = now

    def sweep(self) -> None:
        """Put back the workflows of executors that are gone, and those of our own that were lost on the way here."""
        me = self._executor.id
        running = running_workflows()
        known = {executor.id: executor for executor in self._roster.executors()}
        gone = {
            executor_id
            for executor_id in {*running.values(), *known} - {me, None}
            if executor_id is not None and self._is_gone(known.get(executor_id))
        }
        self.others = [executor for executor in known.values() if executor.id not in {me, *gone}]
        if gone:
            back = sorted(workflow for workflow, executor in running.items() if executor in gone)
            log.warning("taking over from %s: %s", sorted(gone), back or "nothing")
            put_back(gone)
            for executor_id in gone:
                self._roster.leave(executor_id)
            self._on_return()
        self._return_lost({workflow for workflow, executor in running.items() if executor == me})

    def _is_gone(self, executor: Executor | None) -> bool:
        if executor is None or process_gone(executor, self._executor.host):
            return True
        # After a pause of this process or of the database everybody looks dead: wait until they can have beaten.
        return self._healthy_for() > self._dead_after and executor.silence > self._dead_after

    def _healthy_for(self) -> float:
        return 0.0 if self._healthy_since is None else time.monotonic() - self._healthy_since

    def _return_lost(self, ours: set[str]) -> None:
        """Workflows that were claimed here and never began, because the database went away between the two."""
        lost = ours - self._in_hand()
        for workflow_id in lost & self._lost:
            log.warning("job %s was claimed here and did not begin; putting it back", workflow_id)
            send_back(workflow_id)
        self._lost = lost - self._lost

    def _run(self) -> None:
        while not self._stopping.wait(self._interval):
            try:
                self.beat()
                self.sweep()
            except Exception:
                self._healthy_since = None
                log.exception("a heartbeat failed")
