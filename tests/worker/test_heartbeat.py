# SPDX-License-Identifier: Apache-2.0
"""A process that beats renews its file, and goes on when it cannot for a while."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.worker.conftest import eventually

from harken.worker.heartbeat import start_beating

BEATING = """
import sys
from pathlib import Path
from harken.worker.heartbeat import start_beating

print(start_beating(Path(sys.argv[1])), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "alive"


@pytest.fixture
def beating(file: Path) -> Iterator[int]:
    """The id of a process that beats."""
    with subprocess.Popen(
        [sys.executable, "-c", BEATING, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"True\n"
        yield process.pid
        process.kill()


def naps(process: int) -> int:
    """How often threads beside the first have gone to sleep."""
    others = [task for task in Path(f"/proc/{process}/task").iterdir() if task.name != str(process)]
    told = [line.split() for task in others for line in (task / "status").read_text().splitlines()]
    return sum(int(words[1]) for words in told if words[0] == "voluntary_ctxt_switches:")


@pytest.mark.usefixtures("beating")
def test_the_file_is_there_at_once_and_its_time_is_renewed(file: Path) -> None:
    for _ in range(2):
        os.utime(file, (0, 0))
        assert eventually(lambda: file.stat().st_mtime > 0)


def test_a_file_that_cannot_be_touched_for_a_while_ends_nothing(file: Path, beating: int, tmp_path: Path) -> None:
    away = tmp_path.with_name(f"{tmp_path.name}-away")
    tmp_path.rename(away)
    before = naps(beating)
    assert eventually(lambda: naps(beating) >= before + 2)
    tmp_path.mkdir()
    assert eventually(file.exists)
    shutil.rmtree(away)


def test_without_anybody_to_hear_it_nothing_beats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SUPERVISOR_BEAT_FD", raising=False)
    threads = threading.active_count()
    assert not start_beating()
    assert threading.active_count() == threads
