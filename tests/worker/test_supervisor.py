# SPDX-License-Identifier: Apache-2.0
"""A real supervisor over real programs: what dies or falls silent comes back, and nothing outlives it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

SUPERVISOR = """
import ctypes, logging, sys
from harken.worker.supervisor import GaveUp, Program, Supervisor
logging.basicConfig(level=logging.INFO, format="%(message)s")
names = sys.argv[2:]
if "--inherit" in names:
    names.remove("--inherit")
    assert ctypes.CDLL(None).prctl(36, 1, 0, 0, 0) == 0  # PR_SET_CHILD_SUBREAPER: orphans come here, as to process 1
programs = [Program(name, [sys.executable, f"{sys.argv[1]}/{name}.py", sys.argv[1]]) for name in names]
try:
    Supervisor(programs, drain=3, dead_after=5).run()
except GaveUp as error:
    sys.exit(f"gave up: {error}")
"""

# Writes its process id, has a grandchild that would outlive it, and says when it was asked to stop.
PROGRAM = """
import os, pathlib, signal, subprocess, sys, time
from harken.worker.heartbeat import start_beating
folder, name = pathlib.Path(sys.argv[1]), pathlib.Path(__file__).stem

def stop(*_):
    with (folder / "stopped").open("a") as file:
        file.write(name + "\\n")
    sys.exit(0)

signal.signal(signal.SIGTERM, stop)
child = subprocess.Popen([sys.executable, "-c", '''
import os, sys, time
from harken.worker.lifeline import die_with_parent
die_with_parent(int(sys.argv[1]))
time.sleep(600)
''', str(os.getpid())])
start_beating()
with (folder / (name + ".pids")).open("a") as file:
    file.write(f"{os.getpid()} {child.pid}\\n")
while True:
    time.sleep(0.1)
"""


def _eventually(what: Callable[[], bool], seconds: float = 120) -> bool:
    end = time.monotonic() + seconds
    while not what():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


class House:
    """A supervisor and what it has started."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process: subprocess.Popen[str] | None = None

    def program(self, name: str, text: str = PROGRAM) -> None:
        (self.folder / f"{name}.py").write_text(textwrap.dedent(text))

    def start(self, *names: str) -> subprocess.Popen[str]:
        self.process = subprocess.Popen(
            [sys.executable, "-c", SUPERVISOR, str(self.folder), *names], stderr=subprocess.PIPE, text=True
        )
        return self.process

    def pids(self, name: str, start: int = 0) -> list[int]:
        """Process ids of the program's ``start``-th start and of its child, waiting for it."""
        file = self.folder / f"{name}.pids"

        def lines() -> list[str]:
            return file.read_text().splitlines() if file.exists() else []

        assert _eventually(lambda: len(lines()) > start), f"{name} was not started {start + 1} times"
        return [int(number) for number in lines()[start].split()]


def _gone(pids: list[int]) -> bool:
    def alive(pid: int) -> bool:
        with contextlib.suppress(psutil.NoSuchProcess):
            return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
        return False

    return not any(alive(pid) for pid in pids)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    if made.process is not None:
        made.process.kill()
        made.process.wait()
        assert made.process.stderr is not None
        made.process.stderr.close()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGSTOP])
def test_a_program_that_dies_or_falls_silent_is_started_again(house: House, number: signal.Signals) -> None:
    house.program("api")
    house.program("worker")
    house.start("api", "worker")
    other = house.pids("api")
    first = house.pids("worker")
    os.kill(first[0], number)
    second = house.pids("worker", 1)
    assert _eventually(lambda: _gone(first))
    assert not _gone(second)
    assert not _gone(other)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_stops_all_in_order_and_leaves_nothing(house: House, number: signal.Signals) -> None:
    house.program("api")
    house.program("worker")
    process = house.start("api", "worker")
    pids = house.pids("api") + house.pids("worker")
    process.send_signal(number)
    assert process.wait(120) == 0
    assert _eventually(lambda: _gone(pids))
    assert (house.folder / "stopped").read_text().split() == ["api", "worker"]


def test_a_program_that_does_not_stop_is_killed(house: House) -> None:
    house.program("stubborn", PROGRAM.replace("sys.exit(0)", "pass"))
    process = house.start("stubborn")
    pids = house.pids("stubborn")
    process.terminate()
    assert process.wait(120) == 0
    assert _eventually(lambda: _gone(pids))


def test_nothing_outlives_a_supervisor_that_is_killed(house: House) -> None:
    house.program("api")
    house.program("worker")
    process = house.start("api", "worker")
    pids = house.pids("api") + house.pids("worker")
    process.kill()
    assert _eventually(lambda: _gone(pids))


def test_orphans_that_end_are_let_go(house: House) -> None:
    house.program("api")
    house.program("worker")
    process = house.start("api", "worker", "--inherit")
    kept = house.pids("api")
    for again in range(2):
        _, orphan = house.pids("worker", again)
        os.kill(house.pids("worker", again)[0], signal.SIGKILL)
        assert _eventually(lambda pid=orphan: not psutil.pid_exists(pid))  # type: ignore[misc]
    house.pids("worker", 2)
    assert not _gone(kept)
    process.terminate()
    assert process.wait(120) == 0


def test_a_stopped_supervisor_that_wakes_blames_nobody(house: House) -> None:
    house.program("api")
    process = house.start("api")
    pids = house.pids("api")
    process.send_signal(signal.SIGSTOP)
    os.kill(pids[0], signal.SIGSTOP)
    time.sleep(6)  # longer than dead_after: both were asleep, say with the whole machine
    os.kill(pids[0], signal.SIGCONT)
    process.send_signal(signal.SIGCONT)
    os.kill(pids[0], signal.SIGKILL)
    house.pids("api", 1)
    process.terminate()
    assert "killed by signal 9" in process.communicate(timeout=120)[1]


def test_a_program_that_cannot_start_ends_the_whole_with_a_word_why(house: House) -> None:
    house.program("api")
    house.program("broken", "import sys, os; sys.exit(os.EX_CONFIG)")
    process = house.start("api", "broken")
    assert "gave up: broken cannot be started: it ended with exit code 78" in process.communicate(timeout=120)[1]
    assert process.returncode == 1


def test_a_program_that_dies_before_it_is_up_is_tried_some_times(house: House) -> None:
    house.program("broken", "import sys; sys.exit(3)")
    said = house.start("broken").communicate(timeout=120)[1]
    assert "gave up: broken cannot be started: it ended with exit code 3 5 times before it was up" in said
