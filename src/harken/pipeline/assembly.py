# SPDX-License-Identifier: Apache-2.0
"""From the windows' results to one transcript. Pure functions of plain values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

from harken.model import Coverage, Options, Segment, Timing, Transcript, Window, WindowResult, Word
from harken.pipeline.cursor import speech_seconds

TOLERANCE = 0.5
"""Seconds: speech this close to a word counts as covered, and shorter leftovers are the detector's edges."""


def assemble(
    results: Sequence[WindowResult],
    options: Options,
    *,
    duration: float,
    model: str,
    timing: Timing,
    warnings: Sequence[str] = (),
) -> Transcript:
    """One transcript of all windows' results, in whatever order they come.

    Times never run backwards within a channel and never pass ``duration`` (seconds of the whole recording). Segments
    of several channels stand in the order in which they begin.
    """
    ordered = sorted(results, key=lambda result: _place(result.window))
    segments = [segment for channel in _channels(ordered) for segment in _monotone(channel, duration)]
    segments.sort(key=lambda segment: (segment.start, segment.channel or 0))
    seconds = _languages(ordered)
    language = options.language or (seconds[0][0] if seconds else "en")
    return Transcript(
        segments=tuple(segments),
        language=language,
        duration=duration,
        model=model,
        language_probability=_probability(ordered, language),
        languages=seconds,
        task=options.task,
        dropped=tuple(
            replace(item, start=min(item.start, duration), end=min(item.end, duration))
            for result in ordered
            for item in result.dropped
        ),
        coverage=_coverage(ordered, segments),
        warnings=tuple(dict.fromkeys(warnings)),
        timing=timing,
    )


def _place(window: Window) -> tuple[float, int]:
    return (window.start, window.channel or 0)


def _channels(results: Sequence[WindowResult]) -> Iterator[list[Segment]]:
    for channel in sorted({result.window.channel for result in results}, key=lambda channel: channel or 0):
        yield [
            replace(segment, channel=channel)
            for result in results
            if result.window.channel == channel
            for segment in result.segments
        ]


def _monotone(segments: Iterable[Segment], duration: float) -> Iterator[Segment]:
    last = 0.0
    for segment in segments:
        start = min(max(segment.start, last), duration)
        end = min(max(segment.end, start), duration)
        yield replace(segment, start=start, end=end, words=tuple(_words(segment.words, start, end)))
        last = end


def _words(words: Iterable[Word], low: float, high: float) -> Iterator[Word]:
    for word in words:
        start = min(max(word.start, low), high)
        end = min(max(word.end, start), high)
        yield replace(word, start=start, end=end)
        low = end


def _languages(results: Iterable[WindowResult]) -> tuple[tuple[str, float], ...]:
    seconds: dict[str, float] = {}
    for result in results:
        if result.language is not None and result.segments:
            seconds[result.language] = seconds.get(result.language, 0.0) + speech_seconds(result)
    return tuple(sorted(((code, round(value, 3)) for code, value in seconds.items()), key=lambda item: -item[1]))


def _probability(results: Iterable[WindowResult], language: str) -> float | None:
    """The mean probability of the windows that were detected to be in ``language``, weighted by their speech."""
    total = weight = 0.0
    for result in results:
        if result.language == language and result.language_probability is not None and result.segments:
            seconds = speech_seconds(result)
            total += result.language_probability * seconds
            weight += seconds
    return total / weight if weight else None


def _coverage(results: Sequence[WindowResult], segments: Sequence[Segment]) -> Coverage:
    speech = missed = 0.0
    for channel in {result.window.channel for result in results}:
        said = _merged(span for segment in segments if segment.channel == channel for span in _said(segment))
        spans = sorted(span for result in results if result.window.channel == channel for span in result.window.speech)
        speech += sum(end - start for start, end in spans)
        missed += sum(end - start for start, end in spans) - _overlap(spans, said)
    return Coverage(speech=round(speech, 3), missed=round(missed, 3))


def _said(segment: Segment) -> Iterator[tuple[float, float]]:
    if not segment.text.strip():
        return
    places = [(word.start, word.end) for word in segment.words] or [(segment.start, segment.end)]
    for start, end in places:
        yield start - TOLERANCE, end + TOLERANCE


def _merged(spans: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    merged: list[tuple[float, float]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def _overlap(spans: Sequence[tuple[float, float]], said: Sequence[tuple[float, float]]) -> float:
    """Seconds that both hold; each is in order, and nothing in one overlaps."""
    seconds, at = 0.0, 0
    for start, end in spans:
        while at < len(said) and said[at][1] <= start:
            at += 1
        for begin, stop in islice(said, at, None):
            if begin >= end:
                break
            seconds += min(end, stop) - max(start, begin)
    return seconds
