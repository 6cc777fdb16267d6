# SPDX-License-Identifier: Apache-2.0
"""Subtitles cut for reading.

The cuts are the cheapest path over all places where a cue may end: ends of sentences and clauses and pauses are cheap,
ends in the middle of a phrase, cues too short and text too fast are dear. The figures follow the style guides of the
BBC and Netflix: two lines of 42 columns, 1 to 7 seconds, about 17 columns a second. Knows no file format.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate, pairwise

from harken.model import Segment, Transcript
from harken.text import breaks
from harken.text.labels import Labels, labels
from harken.text.units import Unit, units

COLUMNS = 42
"""Widest line."""
SPEED = 17.0
"""Columns a second that are read at ease."""
SHORTEST = 1.0
"""Seconds a cue is shown at least, where the next one leaves the time."""
LONGEST = 7.0
"""Seconds a cue is shown at most."""
GAP = 0.08
"""Seconds between two cues, so that the eye sees the change; two frames of film."""
LEAD = 0.3
"""Seconds a cue that is too short may come before its first word."""
BREATH = 0.35
"""Seconds of silence that make a good place to cut."""
LONG_PAUSE = 0.8
"""Seconds of silence that a cue reaches over only when both sides are very short."""
SILENCE = 1.5
"""Seconds of silence that no cue reaches over."""
SLIVER = 0.2
"""Seconds that every cue gets even where the times given leave it none."""

# What the parts of a cut cost, against 1 for every cue.
_AT_SENTENCE, _AT_PAUSE, _AT_CLAUSE, _AT_SEGMENT, _IN_PHRASE = 0.0, 0.3, 0.6, 0.8, 2.0
_OVER_BREATH, _OVER_LONG_PAUSE = 0.8, 2.0
_PER_MISSING_SECOND = 8.0
_PER_TIMES_TOO_FAST = 4.0


@dataclass(frozen=True, slots=True)
class Cue:
    """One subtitle: ``[start, end)`` in seconds, to the millisecond, and one or two lines."""

    start: float
    end: float
    lines: tuple[str, ...]
    label: str | None = None
    """Who speaks, where that is told."""


def cut(transcript: Transcript, beside: Callable[[str | None], int] = lambda _: 0) -> tuple[Cue, ...]:
    """The transcript as subtitles, by start.

    A cue has the words of one speaker. Within a channel no cue overlaps another; none ends after the recording. Lines
    are at most 42 columns wide, less on the first line what ``beside`` says that a label takes there; a label never
    takes more than half of it.
    """
    limit = transcript.duration or max((segment.end for segment in transcript.segments), default=0.0)
    channels: dict[int | None, list[Segment]] = {}
    for segment in transcript.segments:
        channels.setdefault(segment.channel, []).append(segment)
    named = labels(transcript)

    def first_line(label: str | None) -> int:
        return max(COLUMNS // 2, COLUMNS - beside(label))

    cues = [cue for segments in channels.values() for cue in _Cutter(segments, named, first_line, limit).cues()]
    return tuple(sorted(cues, key=lambda cue: (cue.start, cue.end)))


class _Cutter:
    """Cuts the segments of one channel."""

    def __init__(
        self, segments: list[Segment], named: Labels, first_line: Callable[[str | None], int], limit: float
    ) -> None:
        self._units: list[Unit] = units(segments, first_line, limit, named)
        self._first_line = first_line
        self._limit = limit
        self._ends = list(accumulate((item.blank + breaks.width(item.text) for item in self._units), initial=0))
        self._cuts = [0.0, *(_price(before, after) for before, after in pairwise(self._units)), 0.0]
        self._over = list(accumulate((_price_over(*pair) for pair in pairwise(self._units)), initial=0.0))

    def cues(self) -> list[Cue]:
        spans = self._spans()
        times = self._times(spans)
        return [
            Cue(start, end, self._lines(*span), self._units[span[0]].label)
            for span, (start, end) in zip(spans, times, strict=True)
        ]

    def _width(self, first: int, last: int) -> int:
        """Columns of units ``[first, last)`` on one line."""
        return self._ends[last] - self._ends[first] - self._units[first].blank

    def _line_ends(self, columns: Callable[[str | None], int]) -> list[int]:
        """For every unit the furthest end of a line that begins with it."""
        found: list[int] = []
        last = 0
        for first, unit in enumerate(self._units):
            while (
                last < len(self._units)
                and self._units[last].label == unit.label
                and self._width(first, last + 1) <= columns(unit.label)
            ):
                last += 1
            found.append(last)
        return found

    def _cue_ends(self) -> list[int]:
        """For every unit the furthest end of two lines that begin with it."""
        lower = self._line_ends(lambda _: COLUMNS)
        return [
            lower[end] if end < len(lower) and self._units[end].label == self._units[first].label else end
            for first, end in enumerate(self._line_ends(self._first_line))
        ]

    def _spans(self) -> list[tuple[int, int]]:
        """The cheapest cuts, as ranges of units."""
        count = len(self._units)
        cue_ends = self._cue_ends()
        best = [0.0] + [float("inf")] * count
        came_from = [0] * (count + 1)
        for first in range(count):
            for last in range(first + 1, cue_ends[first] + 1):
                if last > first + 1 and self._too_far(first, last):
                    break
                cost = best[first] + self._cost(first, last)
                if cost < best[last]:
                    best[last], came_from[last] = cost, first
        spans: list[tuple[int, int]] = []
        while count:
            spans.append((came_from[count], count))
            count = came_from[count]
        return spans[::-1]

    def _too_far(self, first: int, last: int) -> bool:
        before, unit = self._units[last - 2], self._units[last - 1]
        return unit.end - self._units[first].start > LONGEST or _pause(before, unit) >= SILENCE

    def _cost(self, first: int, last: int) -> float:
        start = self._units[first].start
        room = max(SLIVER, (self._units[last].start if last < len(self._units) else self._limit) - start)
        wanted = self._wanted(first, last)
        shown = min(room, max(wanted, self._units[last - 1].end - start))
        cost = 1.0 + self._cuts[last] + self._over[last - 1] - self._over[first]
        cost += _PER_MISSING_SECOND * max(0.0, SHORTEST - shown)
        return cost + _PER_TIMES_TOO_FAST * max(0.0, self._width(first, last) / (SPEED * shown) - 1.0)

    def _wanted(self, first: int, last: int) -> float:
        """Seconds that it takes to read the units."""
        return min(LONGEST, max(SHORTEST, self._width(first, last) / SPEED))

    def _times(self, spans: list[tuple[int, int]]) -> list[tuple[float, float]]:
        """When each cue is shown: with its words, longer where they are too fast to read and there is time."""
        times: list[tuple[float, float]] = []
        for index, (first, last) in enumerate(spans):
            start = self._units[first].start
            follows = self._units[spans[index + 1][0]].start if index + 1 < len(spans) else self._limit + GAP
            wanted = self._wanted(first, last)
            end = min(max(self._units[last - 1].end, start + wanted), start + LONGEST)
            if end > follows - GAP:
                end = min(end, max(follows - GAP, min(follows, start + SHORTEST)))
            earliest = max(times[-1][1] + GAP if times else 0.0, start - LEAD)
            if end - start < SHORTEST and earliest < start:
                start = max(earliest, end - SHORTEST)
            times.append((start, end))
        return _apart(times, self._limit)

    def _lines(self, first: int, last: int) -> tuple[str, ...]:
        """One line when it fits, else two about as long as each other, the label included."""
        columns = self._first_line(self._units[first].label)
        if self._width(first, last) <= columns:
            return (self._text(first, last),)
        middles = [
            middle
            for middle in range(first + 1, last)
            if self._width(first, middle) <= columns and self._width(middle, last) <= COLUMNS
        ]
        middle = min(middles, key=lambda at: self._line_price(first, at, last))
        return (self._text(first, middle), self._text(middle, last))

    def _line_price(self, first: int, middle: int, last: int) -> float:
        label = COLUMNS - self._first_line(self._units[first].label)
        upper, lower = label + self._width(first, middle), self._width(middle, last)
        return abs(upper - lower) / COLUMNS + 0.3 * self._cuts[middle] + 0.05 * (upper > lower)

    def _text(self, first: int, last: int) -> str:
        chosen = self._units[first:last]
        return "".join((" " if item.blank and number else "") + item.text for number, item in enumerate(chosen))


def _pause(before: Unit, after: Unit) -> float:
    return after.start - before.end


def _price(before: Unit, after: Unit) -> float:
    """What it costs to end a cue between two units."""
    if breaks.ends_sentence(before.text, after.text):
        return _AT_SENTENCE
    if _pause(before, after) >= BREATH:
        return _AT_PAUSE
    if breaks.ends_clause(before.text):
        return _AT_CLAUSE
    return _AT_SEGMENT if after.opens_segment else _IN_PHRASE


def _price_over(before: Unit, after: Unit) -> float:
    """What it costs to have both units in one cue."""
    pause = _pause(before, after)
    return _OVER_LONG_PAUSE if pause >= LONG_PAUSE else _OVER_BREATH if pause >= BREATH else 0.0


def _apart(times: list[tuple[float, float]], limit: float) -> list[tuple[float, float]]:
    """The same times, to the millisecond, moved as little as it takes that none overlaps and each lasts a moment."""
    sliver = min(SLIVER, limit / max(1, len(times)))
    free = 0.0
    forward: list[tuple[float, float]] = []
    for start, end in times:
        begun = max(start, free)
        free = max(end, begun + sliver)
        forward.append((begun, free))
    bound = limit
    found: list[tuple[float, float]] = []
    for start, end in reversed(forward):
        stopped = min(end, bound)
        bound = min(start, stopped - sliver)
        found.append((_whole_ms(bound), _whole_ms(stopped)))
    return found[::-1]


def _whole_ms(seconds: float) -> float:
    return int(max(0.0, seconds) * 1000 + 1e-6) / 1000
