# SPDX-License-Identifier: Apache-2.0
"""One engine in a process of its own, timed: ``python -m harken.bench.measure '{...}'``.

The process loads the model and hears a warm-up, writes ``ready``, waits for a line, works, and writes what it took as
JSON. So engines share no memory and no threads, loading is not counted, and several can start at one instant.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from harken.bench.engines import EngineName, build
from harken.errors import HarkenError
from harken.models.store import ModelStore

LEAVE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Work:
    """What one process is to do."""

    engine: EngineName
    models_dir: str
    """Folder of the installed models."""
    model: str
    warm_up: str
    recordings: tuple[str, ...]
    language: str | None = None
    threads: int = 1
    children: int = 0
    """Processes that recognise, of harken's worker; 0 is the library, in the measured process itself."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What it took, in seconds."""

    wall: float
    cpu: float
    first: float | None
    """Until the first text of the first recording; None for many at once."""
    texts: tuple[str, ...]


def run(works: Sequence[Work], watch: Callable[[Sequence[int]], None] = lambda _: None) -> list[Taken]:
    """Do all works at the same time, each in a fresh process.

    ``watch`` is given the processes' ids when they begin.

    Raises:
        HarkenError: a process failed; what it wrote to its standard error is on ours.
    """
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "harken.bench.measure", json.dumps(asdict(work))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for work in works
    ]
    try:
        for process, work in zip(processes, works, strict=True):
            _expect(process, work)
        watch([process.pid for process in processes])
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        taken = [json.loads(_expect(process, work)) for process, work in zip(processes, works, strict=True)]
        for process in processes:
            process.communicate(timeout=LEAVE_SECONDS)
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    return [Taken(**{**item, "texts": tuple(item["texts"])}) for item in taken]


def _expect(process: subprocess.Popen[str], work: Work) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise HarkenError(f"the process measuring {work.engine} ended with status {process.wait()}")
    return line


def _main(argument: str) -> None:
    data: dict[str, Any] = json.loads(argument)
    work = Work(**{**data, "recordings": tuple(data["recordings"])})
    store = ModelStore(Path(work.models_dir))
    engine = build(work.engine, store, work.model, threads=work.threads, children=work.children)
    # Enough for every recogniser of a worker to have some.
    engine.hear_all([Path(work.warm_up)] * max(1, 2 * work.children), work.language)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    wall, cpu = time.perf_counter(), _processor_seconds()
    pieces: list[float] = []
    paths = [Path(path) for path in work.recordings]
    if len(paths) == 1:
        heard = [engine.hear(paths[0], work.language, lambda _: pieces.append(time.perf_counter() - wall))]
    else:
        heard = engine.hear_all(paths, work.language)
    taken = Taken(
        wall=time.perf_counter() - wall,
        cpu=_processor_seconds() - cpu,
        first=pieces[0] if pieces else None,
        texts=tuple(item.text for item in heard),
    )
    sys.stdout.write(json.dumps(asdict(taken)) + "\n")
    sys.stdout.flush()


def _processor_seconds() -> float:
    """Of this process and of all it started."""
    own = psutil.Process()
    times = [process.cpu_times() for process in [own, *own.children(recursive=True)]]
    return sum(item.user + item.system for item in times)


if __name__ == "__main__":
    _main(sys.argv[1])
