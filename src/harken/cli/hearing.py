# SPDX-License-Identifier: Apache-2.0
"""A loaded model that transcribes one recording after another, with word of how far it is.

The work is done in a thread of its own: native code does not hear Ctrl-C, and the main thread must.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from harken import pipeline
from harken.asr import engine
from harken.audio.vad import SileroDetector
from harken.config import Settings
from harken.model import Options, Timing, Transcript, WindowResult
from harken.models.catalog import Catalog
from harken.models.store import ModelStore


class Listener:
    """One model, loaded once, and how to use it."""

    def __init__(self, options: Options, catalog: Catalog, store: ModelStore, settings: Settings, threads: int) -> None:
        """Load what ``options`` name; it must be installed. Raises what :func:`harken.pipeline.validate` raises."""
        self._options = pipeline.validate(options, catalog)
        resolved = catalog.resolve(self._options.model)
        compute_type = (resolved.preset and resolved.preset.compute_type) or settings.compute_type
        self.model = resolved.spec.name
        self._vad = SileroDetector(store.path("silero-vad") / "silero_vad.onnx")
        self._recognizer = engine.load(
            store.path(self.model), device=settings.device, compute_type=compute_type, threads=threads
        )

    def hear(
        self,
        source: Path | BinaryIO,
        on_result: Callable[[WindowResult], None],
        on_progress: Callable[[float, float | None], None],
    ) -> Transcript:
        """Transcribe; ``on_result`` gets each window's result as it is there. Raises MediaError, InvalidOption."""
        begun = time.monotonic()
        chapters: list[pipeline.Chapter] = []
        results: list[WindowResult] = []

        def work() -> Iterator[WindowResult]:
            return pipeline.transcribe(source, self._options, self._recognizer, self._vad, on_chapter=chapters.append)

        for result in _in_background(work):
            results.append(result)
            on_result(result)
            on_progress(result.window.end, chapters[-1].duration)
        return pipeline.assemble(
            results,
            self._options,
            duration=chapters[-1].decoded,
            model=self.model,
            timing=Timing(processing=time.monotonic() - begun),
            warnings=chapters[-1].warnings,
        )


def _in_background(work: Callable[[], Iterator[WindowResult]]) -> Iterator[WindowResult]:
    """The same iteration, done in another thread."""
    items: queue.SimpleQueue[WindowResult | BaseException | None] = queue.SimpleQueue()

    def run() -> None:
        try:
            for item in work():
                items.put(item)
            items.put(None)
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that asked
            items.put(error)

    threading.Thread(target=run, name="recognition", daemon=True).start()
    while (item := items.get()) is not None:
        if isinstance(item, BaseException):
            raise item
        yield item
