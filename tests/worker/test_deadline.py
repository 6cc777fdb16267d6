# SPDX-License-Identifier: Apache-2.0
"""Time that a child may take: what it had counts, not what others had."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.worker.conftest import eventually, seam
from tests.worker.test_speakers import MakeDesk, make_desk

from harken.asr.engine import Context
from harken.model import Options
from harken.worker import deadline
from harken.worker.deadline import SLOWEST, Deadline, held_up
from harken.worker.process import Child, ChildDied, ChildSettings
from harken.worker.protocol import ModelRef, Recognise

__all__ = ["make_desk"]


def seconds_until_late(allowed: float, *held: float) -> float:
    """When a child is late, each of whose threads is ``held`` up for that part of every second."""
    own = Deadline(allowed, 0.0, dict.fromkeys(range(len(held)), 7.0))
    now = 0.0
    while True:
        now += 0.1
        if own.due(now) and own.late(now, {thread: 7.0 + now * part for thread, part in enumerate(held)}):
            return now
        assert now < allowed * SLOWEST * 2, "it is never late"


@pytest.mark.parametrize(
    ("held", "late"),
    [((), 12), ((0.0,), 12), ((0.5,), 24), ((0.75,), 48), ((0.99,), 120), ((2.0,), 120), ((0.0, 0.75, 0.5), 48)],
    ids=["untold", "not", "half", "three quarters", "nearly all", "more than all", "one of three"],
)
def test_time_goes_by_while_no_thread_waits_for_a_core(held: tuple[float, ...], late: float) -> None:
    assert seconds_until_late(12.0, *held) == pytest.approx(late, abs=1.1)


def test_less_than_a_second_is_less_than_a_second() -> None:
    assert seconds_until_late(0.3) == pytest.approx(0.3, abs=0.11)


def test_a_child_that_is_spared_is_later() -> None:
    own = Deadline(1.0, 0.0, {})
    own.spare(3.0)
    assert not own.late(2.0, {})
    assert own.late(4.0, {})


def test_a_machine_that_was_paused_makes_nobody_late() -> None:
    own = Deadline(10.0, 0.0, {})
    assert not own.late(3600.0, {})
    assert own.late(3602.0, {1: 0.5}) is False
    assert [own.late(3604.0 + 2 * n, {1: 0.5}) for n in range(4)] == [False, False, False, True]


def a_core() -> int:
    return min(os.sched_getaffinity(0))


@pytest.fixture
def crowd() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Four processes that want :func:`a_core` all the time."""
    command = [sys.executable, "-c", f"import os; os.sched_setaffinity(0, {{{a_core()}}})\nwhile True: pass"]
    crowd = [subprocess.Popen(command) for _ in range(4)]
    try:
        yield crowd
    finally:
        for process in crowd:
            process.kill()
            process.wait()


def test_a_process_that_shares_a_core_is_held_up(
    crowd: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = crowd[0]
    assert eventually(lambda: held_up(one.pid).get(one.pid, 0.0) > 1.0)
    one.kill()
    one.wait()
    assert held_up(one.pid) == {}
    monkeypatch.setattr(deadline, "_PROC", deadline._PROC / "nowhere")
    assert held_up(os.getpid()) == {}, "as on a system without it"


@pytest.mark.usefixtures("crowd")
def test_a_child_that_others_keep_from_its_core_is_not_hung(make_desk: MakeDesk) -> None:
    desk = make_desk()
    asked = desk.ask("slow", timeout=4.0)  # half of what it takes by the clock
    assert eventually(lambda: len(desk.asked("slow")) == 1)
    os.sched_setaffinity(desk.asked("slow")[0], {a_core()})
    assert asked.result(60).speakers
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


def test_an_answer_that_comes_while_the_child_is_killed_is_too_late(monkeypatch: pytest.MonkeyPatch) -> None:
    seam(monkeypatch)
    child = Child(ChildSettings("harken-engine", natives="tests.worker.scripted_natives"))
    child.greet()
    kills: list[int] = []
    real = child.kill

    def slowly() -> None:
        kills.append(child.pid)
        if len(kills) > 1:
            real()

    monkeypatch.setattr(child, "kill", slowly)
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(child.ask, Recognise(ModelRef(Path("3 steps")), (), Options(), Context()), 0.2)

        def late() -> bool:
            child.kill_if_late()
            return bool(kills)

        assert eventually(late)
        with pytest.raises(ChildDied, match="did not answer in time") as caught:
            asked.result(60)
    child.leave()
    assert caught.value.hung
    assert len(kills) == 2
