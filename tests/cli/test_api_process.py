# SPDX-License-Identifier: Apache-2.0
"""An API process on its own: how it ends."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from harken.bench.server import Client, free_port, launched, wait_until

PATIENCE = 120.0


def test_a_stopped_api_closes_what_it_has_open_and_ends_well(tmp_path: Path) -> None:
    port = free_port()
    log = tmp_path / "log"
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("HARKEN_")},
        "HARKEN_DATA_DIR": str(tmp_path / "data"),
        "HARKEN_MODELS_DIR": str(tmp_path / "models"),
    }
    arguments = ["serve", "--no-worker", "--host", "127.0.0.1", "--port", str(port)]
    with launched(arguments, environment, log) as process:
        wait_until(Client(f"http://127.0.0.1:{port}").answers, [process], log)
        process.send_signal(signal.SIGTERM)
        # Killed by the signal it would have closed nothing.
        assert process.wait(PATIENCE) == 0, log.read_text()
    assert not list((tmp_path / "data").glob("*-wal")), "the database was left open"
