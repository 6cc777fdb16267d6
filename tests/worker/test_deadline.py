# SPDX-License-Identifier: Apache-2.0
"""Time that a child may take: what it had counts, not what others had."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from tests.worker.conftest import eventually, seam
from tests.worker.test_speakers import MakeDesk, make_desk

from harken.asr.engine import Context
from harken.model import Options
from harken.worker import deadline
from harken.worker.deadline import SLOWEST, Deadline, processor_seconds
from harken.worker.process import Child, ChildDied, ChildSettings
from harken.worker.protocol import ModelRef, Recognise

__all__ = ["make_desk"]


def seconds_until_late(allowed: float, speed: float | None) -> float:
    """When a child that has ``speed`` of a core is late; None is a system that does not tell."""
    used = None if speed is None else 0.0
    own = Deadline(allowed, 0.0, used)
    now = 0.0
    while True:
        now += 0.1
        used = None if speed is None else now * speed
        if own.due(now) and own.late(now, used):
            return now
        assert now < allowed * SLOWEST * 2, "it is never late"


@pytest.mark.parametrize(
    ("speed", "late"),
    [(0.0, 12), (1.0, 12), (4.0, 12), (None, 12), (0.5, 24), (0.25, 48), (0.01, 120)],
    ids=["blocked", "whole core", "four cores", "untold", "half a core", "a quarter", "hardly any"],
)
def test_time_goes_by_as_fast_as_a_child_can_work_or_when_it_does_nothing(speed: float | None, late: float) -> None:
    assert seconds_until_late(12.0, speed) == pytest.approx(late, abs=1.1)


def test_less_than_a_second_is_less_than_a_second() -> None:
    assert seconds_until_late(0.3, None) == pytest.approx(0.3, abs=0.11)


def test_a_child_that_is_spared_is_later() -> None:
    own = Deadline(1.0, 0.0, None)
    own.spare(5.0)
    assert not own.late(2.0, None)
    assert own.late(6.0, None)


def test_what_a_process_used_is_what_the_system_says(monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as busy:
        try:
            assert eventually(lambda: (processor_seconds(busy.pid) or 0.0) > 0.5)
            before = processor_seconds(busy.pid)
            times = psutil.Process(busy.pid).cpu_times()
            after = processor_seconds(busy.pid)
        finally:
            busy.kill()
    assert before is not None
    assert after is not None
    assert before <= times.user + times.system <= after
    assert processor_seconds(2**31 - 1) is None
    monkeypatch.setattr(deadline, "_PROC", deadline._PROC / "nowhere")
    assert processor_seconds(os.getpid()) is None


@pytest.fixture
def crowded_core() -> Iterator[int]:
    """A core that four processes want all the time."""
    core = min(os.sched_getaffinity(0))
    command = [sys.executable, "-c", f"import os; os.sched_setaffinity(0, {{{core}}})\nwhile True: pass"]
    crowd = [subprocess.Popen(command) for _ in range(4)]
    try:
        yield core
    finally:
        for process in crowd:
            process.kill()
            process.wait()


def test_a_child_that_others_keep_from_its_core_is_not_hung(make_desk: MakeDesk, crowded_core: int) -> None:
    desk = make_desk()
    asked = desk.ask("slow", timeout=4.0)
    assert eventually(lambda: len(desk.asked("slow")) == 1)
    os.sched_setaffinity(desk.asked("slow")[0], {crowded_core})
    began = time.monotonic()
    assert asked.result(60).speakers
    assert time.monotonic() - began > 4.0, "it was to take longer than it may when it has its core"
    assert len(desk.asked("slow")) == 1


def ask(model: str, timeout: float, monkeypatch: pytest.MonkeyPatch) -> object:
    """Ask a child of its own, which is watched meanwhile."""
    seam(monkeypatch)
    child = Child(ChildSettings("harken-engine", natives="tests.worker.scripted_natives"))
    asked = threading.Event()

    def watch() -> None:
        while not asked.wait(0.05):
            child.kill_if_late()

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        child.greet()
        return child.ask(Recognise(ModelRef(Path(model)), (), Options(), Context()), timeout)
    finally:
        asked.set()
        watcher.join()
        child.leave()


def test_time_is_given_for_each_step_and_not_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ask("9 steps", 6.0, monkeypatch) == []


def test_a_child_that_hangs_after_some_steps_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ChildDied, match="did not answer in time"):
        ask("2 steps and a hang", 3.0, monkeypatch)
