# SPDX-License-Identifier: Apache-2.0
"""A whole recording in this process, window by window."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from harken.asr.engine import Context, Recognizer, batch_key
from harken.asr.windows import PlannedWindow
from harken.audio.probe import Source
from harken.audio.vad import SpeechDetector
from harken.model import Options, WindowResult
from harken.pipeline.cursor import Cursor, advance, chapter_limit
from harken.pipeline.planner import Chapter, Planner

BATCH = 8
"""Windows that are recognised together at most."""


def transcribe(
    source: Source,
    options: Options,
    recognizer: Recognizer,
    vad: SpeechDetector,
    *,
    on_chapter: Callable[[Chapter], None] | None = None,
) -> Iterator[WindowResult]:
    """Recognise a recording; yields each window's result in order, as soon as it is there.

    Stopping the iteration stops the work. ``on_chapter`` is told of every chapter before its windows are recognised:
    how long the recording is, and what was wrong with it; the last chapter has ``done`` set.

    Raises:
        NotMedia, NoAudio, CorruptMedia: nothing can be heard.
        InvalidOption: the recording or the model cannot do what the options ask.
    """
    cursor = Cursor()
    with Planner(source, options, vad) as planner:
        while not cursor.done:
            chapter = planner.next(chapter_limit(cursor, options))
            if on_chapter is not None:
                on_chapter(chapter)
            results: list[WindowResult] = []
            for result in _recognised(chapter.windows, options, recognizer, cursor.context):
                results.append(result)
                yield result
            cursor = advance(cursor, chapter.position, chapter.done, results, options)


def _recognised(
    windows: Sequence[PlannedWindow], options: Options, recognizer: Recognizer, context: Context
) -> Iterator[WindowResult]:
    """The results of a chapter, in order; windows that may share a batch do."""
    groups: dict[str, list[int]] = {}
    for at, planned in enumerate(windows):
        groups.setdefault(batch_key(planned.window, options, context), []).append(at)
    batches = [group[at : at + BATCH] for group in groups.values() for at in range(0, len(group), BATCH)]
    found: dict[int, WindowResult] = {}
    told = 0
    for batch in sorted(batches):
        results = recognizer.recognise([windows[at] for at in batch], options, context)
        found.update(zip(batch, results, strict=True))
        while told in found:
            yield found.pop(told)
            told += 1
