# SPDX-License-Identifier: Apache-2.0
"""Plain faster-whisper on the same weights: what harken must not be worse than.

Beam 5, its own speech detection, everything else as its users get it. What it heard can be kept on disk, so that
repeating a comparison costs nothing.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import ctranslate2
from faster_whisper import BatchedInferencePipeline, WhisperModel
from platformdirs import user_cache_path

from harken.bench.engines import BATCH_SIZE, COMPUTE_TYPE, Heard, ignore

OPTIONS: dict[str, Any] = {"beam_size": 5, "vad_filter": True}


class FasterWhisper:
    """Its sequential pipeline, or its batched one."""

    def __init__(self, folder: Path, *, batched: bool = False, threads: int = 1) -> None:
        """Load the model in ``folder``."""
        model = WhisperModel(str(folder), device="cpu", compute_type=COMPUTE_TYPE, cpu_threads=threads)
        self._options = {**OPTIONS, "batch_size": BATCH_SIZE} if batched else OPTIONS
        self._model = BatchedInferencePipeline(model) if batched else model

    def hear(self, path: Path, language: str | None = None, on_piece: Callable[[str], None] = ignore) -> Heard:
        """What faster-whisper hears."""
        # Its fallback samples at random; a seed for each recording makes a figure repeatable in any order of files.
        ctranslate2.set_random_seed(1)
        segments, info = self._model.transcribe(str(path), language=language, **self._options)
        pieces = []
        for segment in segments:
            on_piece(segment.text)
            pieces.append(segment.text)
        return Heard("".join(pieces).strip(), info.language)

    def hear_all(self, paths: Sequence[Path], language: str | None = None) -> list[Heard]:
        """One after the other: neither pipeline batches across recordings."""
        return [self.hear(path, language) for path in paths]


class Remembered:
    """The sequential pipeline's texts, kept by the content of recording and model, the versions and the options.

    The model is loaded when the first recording is not among them.
    """

    def __init__(self, folder: Path, cache: Path, *, threads: int = 1) -> None:
        """Keep one small file for each recording in ``cache``."""
        self._folder = folder
        self._threads = threads
        self._cache = cache
        self._engine: FasterWhisper | None = None
        self._identity = {
            "faster-whisper": importlib.metadata.version("faster-whisper"),
            "ctranslate2": importlib.metadata.version("ctranslate2"),
            "model": sha256(folder / "model.bin"),
            "compute_type": COMPUTE_TYPE,
            **OPTIONS,
        }

    def hear(self, path: Path, language: str | None = None, on_piece: Callable[[str], None] = ignore) -> Heard:
        """What faster-whisper hears, or heard before."""
        key = json.dumps({**self._identity, "audio": sha256(path), "language": language}, sort_keys=True)
        entry = self._cache / f"{hashlib.sha256(key.encode()).hexdigest()}.json"
        if entry.is_file():
            return Heard(**json.loads(entry.read_text(encoding="utf-8")))
        self._engine = self._engine or FasterWhisper(self._folder, threads=self._threads)
        heard = self._engine.hear(path, language, on_piece)
        self._cache.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=self._cache, encoding="utf-8", delete=False) as file:
            json.dump(asdict(heard), file, ensure_ascii=False)
        Path(file.name).replace(entry)
        return heard

    def hear_all(self, paths: Sequence[Path], language: str | None = None) -> list[Heard]:
        """One after the other."""
        return [self.hear(path, language) for path in paths]


def cache_folder() -> Path:
    """Where heard texts are kept between runs, in the user's cache folder."""
    return user_cache_path("harken") / "bench"


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
