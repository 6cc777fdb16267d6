# SPDX-License-Identifier: Apache-2.0
"""Plain faster-whisper on the same weights: what harken must not be worse than.

Sequential, beam 5, its own speech detection, everything else as its users get it. What it heard is kept on disk by the
recording's and the model's content, its version and the options, so that repeating a comparison costs nothing.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import ctranslate2
from faster_whisper import WhisperModel
from platformdirs import user_cache_path

from harken.bench.accuracy import Heard

OPTIONS: dict[str, Any] = {"beam_size": 5, "vad_filter": True}
COMPUTE_TYPE = "int8"


class Baseline:
    """faster-whisper's sequential pipeline; the model is loaded when the first recording is not in the cache."""

    def __init__(self, folder: Path, *, threads: int = 1, cache: Path | None = None) -> None:
        """Listen with the model in ``folder``; ``cache`` None keeps and reads nothing."""
        self._folder = folder
        self._threads = threads
        self._cache = cache
        self._model: WhisperModel | None = None
        self._identity = {
            "faster-whisper": importlib.metadata.version("faster-whisper"),
            "ctranslate2": importlib.metadata.version("ctranslate2"),
            "model": sha256(folder / "model.bin") if cache is not None else "",
            "compute_type": COMPUTE_TYPE,
            **OPTIONS,
        }

    def hear(self, path: Path, language: str | None = None) -> Heard:
        """What faster-whisper hears; ``language`` None lets it detect."""
        if self._cache is None:
            return self._listen(path, language)
        key = json.dumps({**self._identity, "audio": sha256(path), "language": language}, sort_keys=True)
        entry = self._cache / f"{hashlib.sha256(key.encode()).hexdigest()}.json"
        if entry.is_file():
            return Heard(**json.loads(entry.read_text(encoding="utf-8")))
        heard = self._listen(path, language)
        self._cache.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=self._cache, encoding="utf-8", delete=False) as file:
            json.dump(asdict(heard), file, ensure_ascii=False)
        Path(file.name).replace(entry)
        return heard

    def _listen(self, path: Path, language: str | None) -> Heard:
        if self._model is None:
            self._model = WhisperModel(
                str(self._folder), device="cpu", compute_type=COMPUTE_TYPE, cpu_threads=self._threads
            )
        # Its fallback samples at random; a seed for each recording makes a figure repeatable in any order of files.
        ctranslate2.set_random_seed(1)
        segments, info = self._model.transcribe(str(path), language=language, **OPTIONS)
        return Heard("".join(segment.text for segment in segments).strip(), info.language)


def cache_folder() -> Path:
    """Where heard texts are kept between runs, in the user's cache folder."""
    return user_cache_path("harken") / "bench"


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
