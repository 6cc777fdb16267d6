# SPDX-License-Identifier: Apache-2.0
"""The demonstration: a real server, a real recording, and nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("base_model", "vad_model", "sample_wav")]


def start(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "harken.cli.demo"],
        env={**os.environ, "TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def below(demo: subprocess.Popen[str]) -> list[psutil.Process]:
    return psutil.Process(demo.pid).children(recursive=True)


def gone(processes: list[psutil.Process]) -> bool:
    _, alive = psutil.wait_procs(processes, timeout=30)
    return not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]


def test_it_prints_the_call_with_times_and_leaves_nothing(tmp_path: Path) -> None:
    demo = start(tmp_path)
    output, errors = demo.communicate(timeout=280)
    assert demo.returncode == 0, errors
    assert "New Jersey" in output
    assert "0:06 - 0:" in output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_stops_its_server(tmp_path: Path, number: signal.Signals) -> None:
    demo = start(tmp_path)
    limit = time.monotonic() + 120
    while not (processes := below(demo)) and time.monotonic() < limit:
        time.sleep(0.02)
    assert processes
    demo.send_signal(number)
    _, errors = demo.communicate(timeout=120)
    assert demo.returncode == 130, errors
    assert "Traceback" not in errors
    assert gone(processes)
    assert list(tmp_path.iterdir()) == []
