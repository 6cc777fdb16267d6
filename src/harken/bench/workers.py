# SPDX-License-Identifier: Apache-2.0
"""Harken's worker without its queue and database: the same processes, scheduler and batches as a server's.

Many recordings are many jobs at once, each driven by a thread, as the durable workflow drives them.
"""

from __future__ import annotations

import tempfile
import time
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

from harken.bench.engines import BATCH_SIZE, COMPUTE_TYPE, Heard, heard, ignore, text_of
from harken.model import Job, JobState, Lane, Mode, Options, WindowResult
from harken.models.store import ModelStore
from harken.pipeline import Cursor
from harken.worker.runtime import Runtime, RuntimeSettings
from harken.worker.weights import Hardware, Weights


class Workers:
    """A worker's parent in this process, its children in theirs, until this object is gone."""

    def __init__(
        self, store: ModelStore, model: str, *, mode: Mode = "default", children: int = 1, threads: int = 1
    ) -> None:
        """Start the children and load the model in each."""
        self._options = Options(model=model, mode=mode)
        self._failures: list[str] = []
        scratch = tempfile.TemporaryDirectory(prefix="harken-bench-")
        self._runtime = Runtime(
            RuntimeSettings(Path(scratch.name), children=children, threads=threads, batch_size=BATCH_SIZE),
            Weights(store.catalog, store, Hardware(device="cpu", compute_type=COMPUTE_TYPE, threads=threads)),
            self._failures.append,
        )
        weakref.finalize(self, _close, self._runtime, scratch)
        self._runtime.wait_ready()

    def hear(self, path: Path, language: str | None = None, on_piece: Callable[[str], None] = ignore) -> Heard:
        """What the worker makes of one job."""
        now = time.time()
        options = self._options.but(language=language)
        job = Job(str(uuid4()), "bench", JobState.PROCESSING, Lane.BATCH, options, path.name, now, now)
        results: dict[int, WindowResult] = {}

        def keep(fresh: Sequence[tuple[int, WindowResult]]) -> None:
            results.update(fresh)
            if piece := text_of(result for _, result in fresh):
                on_piece(piece)

        cursor = Cursor()
        while not cursor.done:
            cursor = self._runtime.run_chapter(job, path, cursor, {}, keep, lambda: False).cursor
        return heard([results[index] for index in sorted(results)])

    def hear_all(self, paths: Sequence[Path], language: str | None = None) -> list[Heard]:
        """What the worker makes of many jobs at once; their windows share batches."""
        with ThreadPoolExecutor(len(paths)) as pool:
            return list(pool.map(lambda path: self.hear(path, language), paths))


def _close(runtime: Runtime, scratch: tempfile.TemporaryDirectory[str]) -> None:
    runtime.close(0.0)
    scratch.cleanup()
