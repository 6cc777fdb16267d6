# SPDX-License-Identifier: Apache-2.0
"""harken in one process: a loaded model that is given recordings. What ``import harken`` offers is made of this.

Reads the few settings that say where models are (``HARKEN_MODELS_DIR``, ``HARKEN_MODEL_SOURCE``, ``HARKEN_HUB_URL``,
``HARKEN_OFFLINE``), so that the library and the command line share them. Knows no server and no job.
"""

from __future__ import annotations

import io
import os
import shutil
import struct
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from platformdirs import user_cache_path

from harken import pipeline
from harken.asr import engine
from harken.audio.vad import SileroDetector
from harken.errors import InvalidOption
from harken.model import SAMPLE_RATE, Options, Segment, Timing, Transcript, WindowResult
from harken.models.catalog import Catalog
from harken.models.sources import standard_sources
from harken.models.store import ModelStore

AudioSource = str | os.PathLike[str] | BinaryIO | bytes | npt.NDArray[np.floating[Any]]
"""A path, a binary file, the bytes of one, or mono samples at 16 kHz."""

_HUB = "https://huggingface.co"
_MOST_THREADS = 4
"""Threads of one recogniser that still make it faster."""


class LoadedModel:
    """A model in memory. A context manager; used by one thread at a time.

    Args:
        model: any name of the catalog; None is its default.
        models_dir: folder of the installed models.
        device: ``cpu``, ``cuda`` or ``auto``.
        compute_type: CTranslate2's; None leaves it to the preset, or takes int8 on a CPU.
        threads: threads to recognise with; None is a thread for each core, up to four.
        store: where models are kept and what they are called, in place of ``models_dir``.
    """

    def __init__(
        self,
        model: str | None = None,
        *,
        models_dir: Path | str | None = None,
        device: str = "auto",
        compute_type: str | None = None,
        threads: int | None = None,
        store: ModelStore | None = None,
    ) -> None:
        store = store or _store(models_dir, Catalog())
        self._catalog = store.catalog
        resolved = self._catalog.resolve(model)
        preset = resolved.preset
        self._asked = resolved.name
        self.name = resolved.spec.name
        """Canonical name of the model."""
        self._vad = SileroDetector(store.fetch("silero-vad") / "silero_vad.onnx")
        self._recognizer = engine.load(
            store.fetch(self.name),
            engine=resolved.spec.engine,
            device=device,
            compute_type=compute_type or (preset.compute_type if preset is not None else None) or "default",
            threads=threads
            or (preset.cpu_threads if preset is not None else None)
            or min(_MOST_THREADS, os.cpu_count() or 1),
        )

    def __enter__(self) -> LoadedModel:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Give the model's memory back."""
        self._recognizer.close()

    def transcribe(
        self,
        source: AudioSource,
        *,
        on_window: Callable[[WindowResult, float | None], None] | None = None,
        **options: Any,
    ) -> Transcript:
        """What was said in a recording. Arguments and errors as in :func:`harken.transcribe`.

        ``on_window`` gets the result of each window as soon as it is there, and how many seconds the recording has,
        as far as known.
        """
        began = time.monotonic()
        checked = self._options(options)
        chapters: list[pipeline.Chapter] = []
        with _readable(source) as file:
            results = []
            for result in pipeline.transcribe(
                file, checked, self._recognizer, self._vad, on_chapter=lambda chapter: _keep(chapters, chapter)
            ):
                results.append(result)
                if on_window is not None:
                    on_window(result, chapters[-1].duration)
        last = chapters[-1]
        return pipeline.assemble(
            results,
            checked,
            duration=last.decoded,
            model=self.name,
            timing=Timing(processing=time.monotonic() - began),
            warnings=last.warnings,
        )

    def windows(self, source: AudioSource, **options: Any) -> Generator[WindowResult]:
        """The result of each window, in order, as soon as it is there: segments, and text that was dropped."""
        checked = self._options(options)
        with _readable(source) as file:
            yield from pipeline.transcribe(file, checked, self._recognizer, self._vad)

    def stream(self, source: AudioSource, **options: Any) -> Generator[Segment]:
        """The segments of a recording, each as soon as it is recognised. Leaving the loop stops the work."""
        for result in self.windows(source, **options):
            yield from result.segments

    def _options(self, given: dict[str, Any]) -> Options:
        known = {item.name for item in fields(Options)} - {"model", "cpu_threads", "num_workers"}
        for name in given:
            if name not in known:
                raise InvalidOption(f"there is no option {name}; there are {', '.join(sorted(known))}", param=name)
        return pipeline.validate(Options(model=self._asked, **given), self._catalog)


def _keep(chapters: list[pipeline.Chapter], chapter: pipeline.Chapter) -> None:
    """Only the last: a chapter holds its windows' samples."""
    chapters[:] = [chapter]


def _store(models_dir: Path | str | None, catalog: Catalog) -> ModelStore:
    root = models_dir or os.environ.get("HARKEN_MODELS_DIR") or user_cache_path("harken") / "models"
    folder = os.environ.get("HARKEN_MODEL_SOURCE")
    offline = os.environ.get("HARKEN_OFFLINE", "").strip().lower() in {"1", "true", "yes", "on"}
    sources = standard_sources(
        folder=Path(folder) if folder else None,
        hub_url=os.environ.get("HARKEN_HUB_URL") or _HUB,
        offline=offline,
    )
    return ModelStore(Path(root), sources, catalog)


@contextmanager
def _readable(source: AudioSource) -> Iterator[pipeline.Source]:
    """The source as a path, or as a binary file that can seek."""
    if isinstance(source, (str, os.PathLike)):
        yield Path(source)
    elif isinstance(source, (bytes, bytearray, memoryview)):
        yield io.BytesIO(source)
    elif isinstance(source, np.ndarray):
        yield io.BytesIO(_wav(source))
    elif not hasattr(source, "read"):
        raise InvalidOption(f"a source is a path, a file, bytes or an array, not {type(source).__name__}")
    elif not isinstance(source.read(0), bytes):
        raise InvalidOption("the file was opened as text; open it with mode 'rb'")
    elif source.seekable():
        yield source
    else:
        with tempfile.TemporaryFile() as spool:
            shutil.copyfileobj(source, spool)
            yield spool


def _wav(samples: npt.NDArray[np.floating[Any]]) -> bytes:
    """Samples as the bytes of a WAV file of 32-bit floats."""
    if samples.ndim != 1 or not np.issubdtype(samples.dtype, np.floating):
        raise InvalidOption(
            f"samples must be a one-dimensional array of floats, mono at {SAMPLE_RATE} Hz, "
            f"not {samples.dtype} of shape {samples.shape}"
        )
    data = samples.astype("<f4").tobytes()
    layout = struct.pack("<HHIIHH", 3, 1, SAMPLE_RATE, SAMPLE_RATE * 4, 4, 32)
    body = b"WAVE" + b"fmt " + struct.pack("<I", len(layout)) + layout + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body
