# SPDX-License-Identifier: Apache-2.0
"""Word times from token times: punctuation kept with its word, no word stretched over silence.

Dynamic time warping gives every frame to some token, so the last word before a pause is drawn out over the pause and
the first one after it begins too early. Detected speech and the window's usual word length mend both. Pure functions;
knows no engine.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from harken.model import Word

SHORTEST_WORD = 0.06
"""Seconds."""

LONGEST_USUAL = 0.7
"""Seconds that a window's median word counts for at most, when long ones are judged."""

STRETCH = 2.0
"""A word longer than this many medians beside a pause or a sentence's end is drawn out."""

NEAR = 0.25
"""Seconds of pause in detected speech that words are not drawn over."""

_SENTENCE_ENDS = ".。!！?？"  # noqa: RUF001 - full-width signs are meant


@dataclass(frozen=True, slots=True)
class TimedToken:
    """A group of tokens that make a word, with its times in seconds and its tokens' probabilities."""

    text: str
    start: float
    end: float
    probability: float


def group(
    words: Iterable[tuple[str, list[int]]], starts: Sequence[float], probabilities: Sequence[float], offset: float
) -> list[TimedToken]:
    """Token times as word times; ``starts`` has one entry more than there are tokens."""
    timed = []
    position = 0
    for text, ids in words:
        stop = position + len(ids)
        share = probabilities[position:stop]
        timed.append(
            TimedToken(
                text, offset + starts[position], offset + starts[stop], sum(share) / len(share) if share else 0.0
            )
        )
        position = stop
    return timed


def settle(words: Sequence[TimedToken], speech: Sequence[tuple[float, float]], start: float, end: float) -> list[Word]:
    """Words with times as people would set them: in order, inside ``[start, end)``, not over silence.

    Args:
        words: of one input, in order.
        speech: detected speech, in seconds like the words; empty when unknown.
        start: where the input begins.
        end: where it ends.
    """
    lengths = [word.end - word.start for word in words if word.end > word.start]
    longest = STRETCH * min(LONGEST_USUAL, median(lengths)) if lengths else 0.0
    spans = _joined(speech)
    settled: list[Word] = []
    for index, word in enumerate(words):
        begin, stop = _within_speech(word.start, word.end, spans)
        if longest and stop - begin > longest:
            # The pause is behind a sentence's last word and before its first.
            if word.text.rstrip()[-1:] in _SENTENCE_ENDS or index == len(words) - 1:
                stop = begin + longest
            elif index == 0 or words[index - 1].text.rstrip()[-1:] in _SENTENCE_ENDS:
                begin = stop - longest
        floor = settled[-1].end if settled else start
        begin = min(max(begin, floor), end)
        stop = min(max(stop, begin), end)
        settled.append(Word(round(begin, 3), round(stop, 3), word.text, word.probability))
    return _spread(settled, end)


def _joined(speech: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    spans: list[tuple[float, float]] = []
    for begin, stop in speech:
        if spans and begin - spans[-1][1] < NEAR:
            spans[-1] = (spans[-1][0], stop)
        else:
            spans.append((begin, stop))
    return spans


def _within_speech(begin: float, stop: float, spans: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The part of a word in the speech span that holds most of it; the word as it is where none does."""
    best = max(spans, key=lambda span: min(stop, span[1]) - max(begin, span[0]), default=None)
    if best is None or min(stop, best[1]) - max(begin, best[0]) < SHORTEST_WORD:
        return begin, stop
    # Speech detection is late and early by some hundredths; a word's edge is cut only where the pause goes on.
    return (best[0] if begin < best[0] - 0.1 else begin), (best[1] if stop > best[1] + 0.1 else stop)


def _spread(words: list[Word], end: float) -> list[Word]:
    """Give words without length a little, taken from the neighbour that has it."""
    for index, word in enumerate(words):
        if word.end - word.start >= SHORTEST_WORD:
            continue
        after = words[index + 1].start if index + 1 < len(words) else end
        stop = min(max(word.end, word.start + SHORTEST_WORD), max(after, word.end))
        start = word.start
        if stop - start < SHORTEST_WORD:
            before = words[index - 1] if index else None
            lowest = before.start + SHORTEST_WORD if before else start
            start = max(min(start, stop - SHORTEST_WORD), min(lowest, start))
            if before and start < before.end:
                words[index - 1] = Word(before.start, round(start, 3), before.text, before.probability)
        words[index] = Word(round(start, 3), round(stop, 3), word.text, word.probability)
    return words
