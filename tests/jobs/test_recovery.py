# SPDX-License-Identifier: Apache-2.0
"""Who counts as dead, and the private parts of the queue that taking over depends on."""

from __future__ import annotations

import importlib.metadata
import inspect
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from dbos import DBOS
from dbos._queue import Queue, queue_worker_thread
from dbos._sys_db import SystemDatabase
from tests.jobs.house import until

from harken.jobs import recovery
from harken.jobs.recovery import Pulse, process_gone, this_process
from harken.ports import Executor


def test_the_private_parts_of_the_queue_are_as_they_were() -> None:
    """If this fails after an upgrade: read jobs/recovery.py and jobs/queues.py beside the new dbos."""
    assert importlib.metadata.version("dbos") == "3.4.0"
    assert list(inspect.signature(DBOS._recover_pending_workflows).parameters) == ["executor_ids"]
    assert list(inspect.signature(queue_worker_thread).parameters) == ["stop_event", "dbos", "queue"]
    source = inspect.getsource(queue_worker_thread)
    assert "stop_event.wait(timeout=" in source
    assert "if queue.database_backed_queue:" in source
    # How many it takes is read anew at every look, and may be another number each time.
    assert "q._worker_concurrency - running" in source
    assert "queue._worker_concurrency - local_running_count" in inspect.getsource(SystemDatabase.start_queued_workflows)
    assert "dbos._active_workflows_set.count_for_queue(queue.name)" in source
    # Workers that serve some models only: the thread goes by the partitions that it is shown.
    assert "dbos._sys_db.get_queue_partitions(queue.name)" in source
    assert list(inspect.signature(SystemDatabase.get_queue_partitions).parameters) == ["self", "queue_name"]
    assert "_partition_worker_concurrency" in inspect.getsource(Queue._has_partition_limits)


def test_a_running_process_is_not_gone() -> None:
    me = this_process()
    assert me.host
    assert not process_gone(me, me.host)
    assert this_process().id != me.id


def test_a_process_is_gone_when_it_died_or_its_number_was_given_away() -> None:
    me = this_process()
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    born = recovery._born(child.pid)
    assert born is not None
    executor = replace(me, pid=child.pid, born=born)
    assert not process_gone(executor, me.host)
    assert process_gone(replace(executor, born=born - 1), me.host)
    child.kill()
    # A zombie first: nobody has asked for its status yet.
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert process_gone(executor, me.host)
    child.communicate()
    assert process_gone(executor, me.host)


def test_of_another_host_nothing_is_known() -> None:
    me = this_process()
    gone = replace(me, pid=2**22 + 1, born=1)
    assert process_gone(gone, me.host)
    assert not process_gone(gone, "another")
    assert not process_gone(replace(gone, host=""), "")


class _Roster:
    def __init__(self, *others: Executor) -> None:
        self.others = list(others)
        self.beats = 0
        self.failing = False

    def beat(self, executor: Executor) -> None:
        if self.failing:
            raise OSError("no database")
        self.beats += 1

    def leave(self, executor_id: str) -> None:
        self.others = [other for other in self.others if other.id != executor_id]

    def executors(self) -> list[Executor]:
        return self.others

    def take_duty(self, name: str, every: float) -> bool:
        return False


class _Sweep:
    """A pulse with the clock and the queue in the test's hands."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *others: Executor) -> None:
        self.now = 100.0
        self.running: dict[str, str | None] = {}
        self.back: list[str] = []
        self.resumed: list[str] = []
        self.in_hand: set[str] = set()
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        monkeypatch.setattr(recovery, "running_workflows", lambda: dict(self.running))
        monkeypatch.setattr(recovery, "put_back", lambda executors: self.back.extend(sorted(executors)))
        monkeypatch.setattr(recovery, "send_back", self.resumed.append)
        self.roster = _Roster(*others)
        self.me = this_process()
        self.pulse = Pulse(self.roster, self.me, 5.0, lambda: self.in_hand, lambda: None)

    def beat_for(self, seconds: int) -> None:
        for _ in range(seconds):
            self.now += 1.0
            self.pulse.beat()


FAR = Executor(id="far", host="another", pid=1, born=1)


def test_the_silent_are_swept_only_by_one_who_was_healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = _Sweep(monkeypatch, replace(FAR, silence=60.0))
    sweep.running = {"job": "far"}
    sweep.beat_for(5)
    sweep.pulse.sweep()
    assert sweep.back == []
    sweep.beat_for(2)
    sweep.pulse.sweep()
    assert sweep.back == ["far"]
    assert sweep.roster.others == []


def test_after_a_pause_everybody_gets_time_to_beat(monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = _Sweep(monkeypatch, replace(FAR, silence=60.0))
    sweep.running = {"job": "far"}
    sweep.beat_for(20)
    sweep.now += 60.0
    sweep.pulse.beat()
    sweep.pulse.sweep()
    assert sweep.back == []


def test_who_is_not_silent_for_long_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = _Sweep(monkeypatch, replace(FAR, silence=4.0))
    sweep.running = {"job": "far"}
    sweep.beat_for(20)
    sweep.pulse.sweep()
    assert sweep.back == []


def test_who_left_is_swept_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = _Sweep(monkeypatch)
    sweep.running = {"job": "somebody"}
    sweep.pulse.beat()
    sweep.pulse.sweep()
    assert sweep.back == ["somebody"]


def test_a_claimed_job_that_never_began_is_put_back_at_the_second_look(monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = _Sweep(monkeypatch)
    sweep.running = {"lost": sweep.me.id, "fine": sweep.me.id}
    sweep.in_hand = {"fine"}
    sweep.pulse.sweep()
    assert sweep.resumed == []
    sweep.pulse.sweep()
    assert sweep.resumed == ["lost"]
    assert sweep.back == []


def test_a_failed_heartbeat_is_tried_again(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    roster = _Roster()
    roster.failing = True
    monkeypatch.setattr(recovery, "running_workflows", dict)
    pulse = Pulse(roster, this_process(), 0.05, set, lambda: None)
    pulse.start()
    failed: Callable[[], bool] = lambda: "a heartbeat failed" in caplog.text  # noqa: E731
    until(failed)
    roster.failing = False
    until(lambda: roster.beats > 2)
    pulse.stop()
