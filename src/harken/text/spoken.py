# SPDX-License-Identifier: Apache-2.0
"""A transcript as text work reads it: lines, sentences and paragraphs, each with speaker, time and segments.

Knows no provider; what is made of it is the providers' matter.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby, islice

from harken.model import Segment, Source, Transcript
from harken.text import sentences, words
from harken.text.labels import Labels, labels

_LONG_SENTENCE = 60
"""Words after which a sentence ends with its segment, for recognisers that write no punctuation."""
_PARAGRAPH = 90
"""Words after which a paragraph ends with its sentence."""
_PAUSE = 2.5
"""Seconds of silence that begin a new paragraph."""
_DIFFERENT = 1.2
"""A full text with so many times the words of the segments is not theirs."""


@dataclass(frozen=True, slots=True)
class Line:
    """A segment that says something, ``[start, end]`` in seconds."""

    index: int
    """Its place among the transcript's segments, from 0."""
    start: float
    end: float
    text: str
    speaker: str | None
    """The label of who speaks; None where nobody knows."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A sentence or a paragraph: text of one speaker, and the lines that it is made of."""

    text: str
    lines: tuple[Line, ...]
    start: float
    """Seconds; inside the first line by the share of its letters before it."""

    @property
    def speaker(self) -> str | None:
        """As :attr:`Line.speaker`."""
        return self.lines[0].speaker


class Spoken:
    """What was said, in its order."""

    def __init__(self, transcript: Transcript) -> None:
        named = _named(transcript)
        self.lines = tuple(
            Line(index, segment.start, segment.end, _tidy(segment.text), named(segment))
            for index, segment in enumerate(transcript.segments)
            if segment.text.strip()
        )
        self.language = transcript.language
        self.timed = any(line.end > 0 for line in self.lines)
        """Whether anybody knows when it was said."""
        self.speakers = tuple(dict.fromkeys(line.speaker for line in self.lines if line.speaker is not None))
        """In the order in which they first speak."""

    @cached_property
    def text(self) -> str:
        """All of it, without speakers and times."""
        return _joined(self.lines)

    @cached_property
    def count(self) -> int:
        """Words of all of it."""
        return sum(words.count(line.text) for line in self.lines)

    @cached_property
    def turns(self) -> tuple[tuple[Line, ...], ...]:
        """The lines, grouped where one speaker follows another."""
        return tuple(tuple(lines) for _, lines in groupby(self.lines, key=lambda line: line.speaker))

    @cached_property
    def sentences(self) -> tuple[Passage, ...]:
        """Every sentence."""
        return tuple(passage for turn in self.turns for passage in _sentences(turn))

    @cached_property
    def paragraphs(self) -> tuple[Passage, ...]:
        """Every sentence, those that belong together as one text."""
        return tuple(paragraph for turn in self.turns for paragraph in _paragraphs(_sentences(turn)))

    def head(self, passage: Passage) -> str:
        """``[00:12] Anna``: when it was said and by whom, as far as anybody knows; else empty."""
        time = f"[{clock(passage.start)}]" if self.timed else ""
        return " ".join(part for part in (time, passage.speaker) if part)


def clock(seconds: float) -> str:
    """``01:05``, or ``1:01:05`` from an hour on."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes:02}:{rest:02}"


def sources(lines: Iterable[Line]) -> tuple[Source, ...]:
    """The lines as sources, each once, in the transcript's order."""
    return tuple(Source(line.index, line.start, line.end) for line in sorted(set(lines), key=lambda line: line.index))


def transcript_of(segments: Sequence[Segment] = (), full_text: str = "", *, most: int | None = None) -> Transcript:
    """A transcript of what a client sends in place of a job: segments, a full text, or both.

    Of both the segments count, which have times, unless the full text says clearly more than they do. Of a full text
    the first ``most`` sentences are taken.
    """
    said = sum(words.count(segment.text) for segment in segments)
    if words.count(full_text) > said * _DIFFERENT:
        split = (f" {line[start:end]}" for line in full_text.splitlines() for start, end in sentences.spans(line))
        segments = [Segment(0.0, 0.0, sentence) for sentence in islice(split, most)]
    duration = max((segment.end for segment in segments), default=0.0)
    return Transcript(segments=tuple(segments), language="", duration=duration, model="")


def _tidy(text: str) -> str:
    """One line, without control characters."""
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())


def _named(transcript: Transcript) -> Labels:
    """The labels of the segments; of those that a client sends without a list of speakers, what it sends."""
    listed = labels(transcript)

    def named(segment: Segment) -> str | None:
        name = listed(segment) if transcript.speakers or segment.speaker is None else segment.speaker
        return None if name is None else _tidy(name) or None

    return named


def _joined(lines: Sequence[Line]) -> str:
    return "".join(text for text, _ in _pieces(lines))


def _pieces(lines: Sequence[Line]) -> Iterator[tuple[str, Line]]:
    """The lines' texts with the blanks between them."""
    last = ""
    for line in lines:
        blank = last and not (words.unspaced(last[-1]) or words.unspaced(line.text[0]))
        yield (" " if blank else "") + line.text, line
        last = line.text


def _sentences(turn: Sequence[Line]) -> Iterator[Passage]:
    text, ends = "", []
    for piece, _ in _pieces(turn):
        text += piece
        ends.append(len(text))
    for start, end in sentences.spans(text):
        first = bisect.bisect_right(ends, start)
        last = bisect.bisect_left(ends, end)
        for begin, stop in _short(text, start, end, ends[first:last]):
            place = bisect.bisect_right(ends, begin)
            lines = turn[place : bisect.bisect_left(ends, stop) + 1]
            share = 1 - (ends[place] - begin) / len(lines[0].text)
            moment = lines[0].start + max(0.0, share) * (lines[0].end - lines[0].start)
            yield Passage(text[begin:stop].strip(), tuple(lines), moment)


def _short(text: str, start: int, end: int, breaks: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The sentence ``[start, end)``, cut at ``breaks`` where it is too long to be one."""
    begin = start
    for place in breaks:
        if words.count(text[begin:place]) >= _LONG_SENTENCE:
            yield begin, place
            begin = place
    yield begin, end


def _paragraphs(passages: Iterable[Passage]) -> Iterator[Passage]:
    gathered: list[Passage] = []
    length = 0
    for passage in passages:
        pause = passage.start - gathered[-1].lines[-1].end if gathered else 0.0
        if gathered and (length >= _PARAGRAPH or pause >= _PAUSE):
            yield _merged(gathered)
            gathered, length = [], 0
        gathered.append(passage)
        length += words.count(passage.text)
    if gathered:
        yield _merged(gathered)


def _merged(passages: Sequence[Passage]) -> Passage:
    text = passages[0].text
    for passage in passages[1:]:
        text += ("" if words.unspaced(text[-1]) or words.unspaced(passage.text[0]) else " ") + passage.text
    return Passage(text, tuple(dict.fromkeys(line for one in passages for line in one.lines)), passages[0].start)
