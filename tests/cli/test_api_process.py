# SPDX-License-Identifier: Apache-2.0
"""An API process on its own: how it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx

from harken.bench.server import free_port

PATIENCE = 120.0


def test_a_stopped_api_closes_what_it_has_open_and_ends_well(tmp_path: Path) -> None:
    port = free_port()
    log = tmp_path / "log"
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("HARKEN_")},
        "HARKEN_DATA_DIR": str(tmp_path / "data"),
        "HARKEN_MODELS_DIR": str(tmp_path / "models"),
    }
    command = [sys.executable, "-m", "harken", "serve", "--no-worker", "--host", "127.0.0.1", "--port", str(port)]
    with log.open("w") as output, subprocess.Popen(command, env=environment, stdout=output, stderr=output) as process:
        try:
            _until_up(f"http://127.0.0.1:{port}/healthz", process, log)
            process.send_signal(signal.SIGTERM)
            # Killed by the signal it would have closed nothing.
            assert process.wait(PATIENCE) == 0, log.read_text()
        finally:
            process.kill()
    assert not list((tmp_path / "data").glob("*-wal")), "the database was left open"


def _until_up(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            if httpx.get(url).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError(log.read_text())
