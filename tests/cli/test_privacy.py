# SPDX-License-Identifier: Apache-2.0
"""Nothing is sent anywhere: the libraries that report their use are told not to."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_onnx_runtime_keeps_no_identifier_and_reports_nothing(vad_model: Path, tmp_path: Path) -> None:
    for name in ("tmp", "home", "cache"):
        (tmp_path / name).mkdir()
    own = {"TMPDIR": tmp_path / "tmp", "HOME": tmp_path / "home", "XDG_CACHE_HOME": tmp_path / "cache"}
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    code = "import sys, pathlib; from harken.audio.vad import SileroDetector; SileroDetector(pathlib.Path(sys.argv[1]))"
    subprocess.run(
        [sys.executable, "-c", code, vad_model],
        env=environment | {name: str(path) for name, path in own.items()},
        check=True,
    )
    # Where it reports, it keeps the number of the session and a queue of events in these folders.
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
