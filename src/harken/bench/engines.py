# SPDX-License-Identifier: Apache-2.0
"""What is measured, as one shape: something that hears a file and says each piece of text when it has it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from harken import pipeline
from harken.asr import engine as asr
from harken.audio.vad import SileroDetector
from harken.model import Mode, Options, WindowResult
from harken.models.parts import detector
from harken.models.store import ModelStore

EngineName = Literal["harken", "harken fast", "faster-whisper", "faster-whisper batched"]

COMPUTE_TYPE = "int8"
"""Of every engine: same weights, same arithmetic."""

"""Harken's speech detector in the models store; faster-whisper has its own."""

BATCH_SIZE = 8
"""Windows, or clips of the batched baseline, that are recognised together."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What an engine made of one recording."""

    text: str
    language: str | None = None
    error: str | None = None
    """Why there is no text, when the engine refused a recording; it is scored as having heard nothing."""


def ignore(_: str) -> None:
    """For whoever needs the whole text only."""


class Engine(Protocol):
    """Something that hears a file."""

    def hear(self, path: Path, language: str | None = None, on_piece: Callable[[str], None] = ignore) -> Heard:
        """What is said in it; ``language`` None has it detected. Raises HarkenError for what it cannot read."""

    def hear_all(self, paths: Sequence[Path], language: str | None = None) -> list[Heard]:
        """What is said in each of many, however the engine does many best."""


class Harken:
    """The library's own path, the model loaded once: decode, detect speech, plan windows, recognise."""

    def __init__(self, folder: Path, vad: Path, *, mode: Mode = "default", threads: int = 1) -> None:
        """Load the model in ``folder`` and the speech detector in ``vad``."""
        self._recognizer = asr.load(folder, device="cpu", compute_type=COMPUTE_TYPE, threads=threads)
        self._vad = SileroDetector(vad)
        self._mode = mode

    def hear(self, path: Path, language: str | None = None, on_piece: Callable[[str], None] = ignore) -> Heard:
        """What harken hears."""
        options = Options(language=language, mode=self._mode)
        results = []
        for result in pipeline.transcribe(path, options, self._recognizer, self._vad):
            if piece := text_of([result]):
                on_piece(piece)
            results.append(result)
        return heard(results)

    def hear_all(self, paths: Sequence[Path], language: str | None = None) -> list[Heard]:
        """One after the other; batching across recordings is the worker's."""
        return [self.hear(path, language) for path in paths]


def heard(results: Sequence[WindowResult]) -> Heard:
    """Windows in order, as one text in the language of most of them."""
    languages = [result.language for result in results if result.segments]
    return Heard(text_of(results), max(set(languages), key=languages.count) if languages else None)


def text_of(results: Iterable[WindowResult]) -> str:
    """The text of windows in order."""
    return "".join(segment.text for result in results for segment in result.segments).strip()


def build(name: EngineName, store: ModelStore, model: str, *, threads: int = 1, children: int = 0) -> Engine:
    """The engine of that name, its model loaded.

    Args:
        name: which.
        store: where models are installed.
        model: any name of the catalog.
        threads: threads of one recogniser.
        children: harken's worker with so many recognisers, each a process; 0 is the library in this process.
    """
    mode: Mode = "fast" if name == "harken fast" else "default"
    if name in {"harken", "harken fast"}:
        if children:
            # A worker's machinery, which a fair measurement of anything else does not load.
            from harken.bench.workers import Workers  # noqa: PLC0415

            return Workers(store, model, mode=mode, children=children, threads=threads)
        return Harken(store.path(model), detector(store.path), mode=mode, threads=threads)
    from harken.bench.baseline import FasterWhisper  # noqa: PLC0415

    return FasterWhisper(store.path(model), batched=name == "faster-whisper batched", threads=threads)
