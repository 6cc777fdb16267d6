# SPDX-License-Identifier: Apache-2.0
"""A transcript as timed units: the smallest pieces of text that may stand alone on a line.

Times come from the words where there are words, else by interpolating over the segment's characters. Knows no cues.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from harken.model import Segment
from harken.text import breaks
from harken.text.labels import Labels


@dataclass(frozen=True, slots=True)
class Unit:
    """Text between two places where a line may be broken, ``[start, end]`` in seconds."""

    text: str
    start: float
    end: float
    blank: bool
    """Whether a blank stands before it, when it does not begin a line."""
    opens_segment: bool = False
    label: str | None = None
    """Of whom it is said to be."""


@dataclass(frozen=True, slots=True)
class _Char:
    char: str
    start: float
    end: float


def units(
    segments: Iterable[Segment], columns: Callable[[str | None], int], limit: float, labels: Labels
) -> list[Unit]:
    """The units of segments of one channel, times within 0 to ``limit``, never backwards.

    The text of every segment comes whole and in the order of the segments' starts. ``columns`` tells how wide a unit
    with that label may be.
    """
    found: list[Unit] = []
    for segment in sorted(segments, key=lambda item: item.start):
        label = labels(segment)
        found.extend(_of_segment(segment, columns(label), found[-1].text if found else "", label))
    return list(_monotone(found, limit))


def _of_segment(segment: Segment, columns: int, before: str, label: str | None) -> list[Unit]:
    found: list[Unit] = []
    for run in _runs(_chars(segment)):
        offset = 0
        for number, text in enumerate(_pieces("".join(item.char for item in run), columns)):
            start, end = run[offset].start, run[offset + len(text) - 1].end
            offset += len(text)
            unit = Unit(text, start, end, blank=number == 0, label=label)
            if found and _holds_together(found[-1], unit, columns):
                found[-1] = _joined(found[-1], unit)
            else:
                found.append(unit)
    if found:
        head = found[0]
        blank = bool(before) and (segment.text[:1].isspace() or not breaks.may_part(before, head.text))
        found[0] = replace(head, blank=blank, opens_segment=True)
    return found


def _chars(segment: Segment) -> list[_Char]:
    """Every character with its time."""
    spoken = "".join(word.text for word in segment.words)
    if "".join(spoken.split()) == "".join(segment.text.split()):
        parts = [(word.text, word.start, word.end) for word in segment.words]
    else:
        parts = [(segment.text, segment.start, segment.end)]
    found: list[_Char] = []
    for text, start, end in parts:
        lead = len(text) - len(text.lstrip())
        found.extend(_Char(char, start, start) for char in text[:lead])
        share = max(0.0, end - start) / max(1, len(text.strip()))
        for index, char in enumerate(text[lead:]):
            found.append(_Char(char, min(start + index * share, end), min(start + (index + 1) * share, end)))
    return found


def _runs(chars: list[_Char]) -> Iterator[list[_Char]]:
    """The stretches between blanks, without control characters."""
    run: list[_Char] = []
    for item in chars:
        if item.char.isspace() and item.char not in breaks.HARD_BLANKS:
            if run:
                yield run
            run = []
        elif unicodedata.category(item.char) not in {"Cc", "Cs"}:
            run.append(item)
    if run:
        yield run


def _pieces(run: str, columns: int) -> Iterator[str]:
    """The run, cut where lines may end, and by force where even that is wider than a line."""
    for piece in breaks.pieces(run):
        if breaks.width(piece) <= columns:
            yield piece
            continue
        line = ""
        for cluster in breaks.clusters(piece):
            if line and breaks.width(line + cluster) > columns:
                yield line
                line = ""
            line += cluster
        yield line


def _holds_together(before: Unit, after: Unit, columns: int) -> bool:
    if not (breaks.clings(after.text) or breaks.opens(before.text)):
        return False
    return breaks.width(before.text) + after.blank + breaks.width(after.text) <= columns


def _joined(before: Unit, after: Unit) -> Unit:
    text = before.text + (" " if after.blank else "") + after.text
    return replace(before, text=text, end=after.end)


def _monotone(found: list[Unit], limit: float) -> Iterator[Unit]:
    earliest = 0.0
    for unit in found:
        start = min(max(unit.start, earliest), limit)
        end = min(max(unit.end, start), limit)
        earliest = start
        yield replace(unit, start=start, end=end)
