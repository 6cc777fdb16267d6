# SPDX-License-Identifier: Apache-2.0
"""What is measured, as one shape: something that hears a file and says each piece of text when it has it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from harken import pipeline
from harken.asr import engine as asr
from harken.audio.vad import SileroDetector
from harken.model import Mode, Options, WindowResult

EngineName = Literal["harken", "harken fast", "faster-whisper", "faster-whisper batched"]

COMPUTE_TYPE = "int8"
"""Of every engine: same weights, same arithmetic."""

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
            if piece := _text([result]):
                on_piece(piece)
            results.append(result)
        return _heard(results)

    def hear_all(self, paths: Sequence[Path], language: str | None = None) -> list[Heard]:
        """What harken hears in each; windows of different recordings share batches, as in the worker."""
        options = Options(language=language, mode=self._mode)
        cursors = [pipeline.Cursor() for _ in paths]
        results: list[list[WindowResult]] = [[] for _ in paths]
        with contextlib.ExitStack() as stack:
            planners = [stack.enter_context(pipeline.Planner(path, options, self._vad)) for path in paths]
            while todo := [index for index, cursor in enumerate(cursors) if not cursor.done]:
                chapters = {
                    index: planners[index].next(pipeline.chapter_limit(cursors[index], options)) for index in todo
                }
                for index, found in self._recognise(chapters, cursors, options).items():
                    chapter = chapters[index]
                    cursors[index] = pipeline.advance(cursors[index], chapter.position, chapter.done, found, options)
                    results[index].extend(found)
        return [_heard(found) for found in results]

    def _recognise(
        self, chapters: dict[int, pipeline.Chapter], cursors: Sequence[pipeline.Cursor], options: Options
    ) -> dict[int, list[WindowResult]]:
        """Results of each chapter's windows, those with equal keys recognised together."""
        waiting: dict[str, list[tuple[int, int]]] = {}
        for index, chapter in chapters.items():
            for number, planned in enumerate(chapter.windows):
                key = asr.batch_key(planned.window, options, cursors[index].context)
                waiting.setdefault(key, []).append((index, number))
        found: dict[tuple[int, int], WindowResult] = {}
        for places in waiting.values():
            for start in range(0, len(places), BATCH_SIZE):
                batch = places[start : start + BATCH_SIZE]
                windows = [chapters[index].windows[number] for index, number in batch]
                context = cursors[batch[0][0]].context
                found.update(zip(batch, self._recognizer.recognise(windows, options, context), strict=True))
        return {index: [found[index, number] for number in range(len(chapters[index].windows))] for index in chapters}


def _heard(results: Sequence[WindowResult]) -> Heard:
    languages = [result.language for result in results if result.segments]
    return Heard(_text(results), max(set(languages), key=languages.count) if languages else None)


def _text(results: Iterable[WindowResult]) -> str:
    return "".join(segment.text for result in results for segment in result.segments).strip()


def build(name: EngineName, folder: Path, vad: Path, *, threads: int = 1) -> Engine:
    """The engine of that name, its model loaded."""
    if name in {"harken", "harken fast"}:
        return Harken(folder, vad, mode="fast" if name == "harken fast" else "default", threads=threads)
    # A large native library, which a fair measurement of harken does not load beside.
    from harken.bench.baseline import FasterWhisper  # noqa: PLC0415

    return FasterWhisper(folder, batched=name == "faster-whisper batched", threads=threads)
