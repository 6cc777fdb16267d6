# SPDX-License-Identifier: Apache-2.0
"""What overlapping windows say together of each frame: speech, two voices at once, a change of voice.

Averages over windows need no names for the local speakers, so they can be made as the windows come. Stretches in which
nobody changes are cut into pieces for the embedder. Frames are those of :mod:`harken.diarize.segmentation`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harken.diarize.segmentation import FRAME, LocalSpeech, Samples
from harken.model import SAMPLE_RATE

RATE = SAMPLE_RATE / FRAME
"""Frames a second."""

HEARD = 0.4
"""From this probability of speech on a frame is listened to for voices: far microphones are heard badly."""
SPEECH = 0.55
"""Somebody speaks in a frame from this probability on."""
OVERLAP = 0.25
"""Two speak in a frame from this probability on; low, since the network misses more than it makes up."""
_RAMP = round(1.0 * RATE)
"""Frames at a window's edges that count less than those in its middle: there is less around them to tell by."""
_CHANGE = 0.5
"""A change of voice, 0 to 1: the share of speech that goes from one local speaker to another."""
_REACH = round(0.3 * RATE)
"""Frames on each side of a change that are compared."""
_AUDIBLE = 0.05 * RATE
"""Frames of speech that there must be on each side."""
_GAP = round(0.2 * RATE)
"""Frames of silence that do not end a stretch of speech."""
_SHORTEST = round(0.1 * RATE)
"""Frames that a stretch of speech must have."""
_LONGEST = round(30 * RATE)
"""Frames after which a stretch is cut though nothing ends it, so that it can be embedded."""
_GROW = round(600 * RATE)


@dataclass(frozen=True, slots=True)
class Piece:
    """Frames ``[start, end)`` in which one voice is expected."""

    start: int
    end: int


class Timeline:
    """The averages over all windows added so far."""

    def __init__(self) -> None:
        self._sums: Samples = np.zeros((_GROW, 4), np.float32)
        self._length = 0
        self._final = 0
        self._cut = 0
        self.windows: list[tuple[int, npt.NDArray[np.uint8]]] = []
        """First frame of each window, and the activity of its local speakers, 0 to 255."""

    def add(self, heard: LocalSpeech) -> None:
        """Take the next window."""
        end = heard.start + len(heard.activity)
        if end > len(self._sums):
            self._sums = np.concatenate((self._sums, np.zeros((_GROW, 4), np.float32)))
        frames = np.arange(len(heard.activity), dtype=np.float32)
        weight = np.minimum(1, (np.minimum(frames, frames[::-1]) + 1) / _RAMP)
        active = heard.activity.sum(axis=1)
        alone = heard.solo.sum(axis=1)
        both = (active - alone) / 2
        columns = (alone + both, both, _changes(heard.activity), np.ones(len(active)))
        self._sums[heard.start : end] += weight[:, None] * np.stack(columns, 1)
        self._length = end
        self._final = heard.start
        self.windows.append((heard.start, np.round(heard.activity * 255).astype(np.uint8)))

    def finish(self) -> None:
        """Nothing follows: all frames are final."""
        self._final = self._length

    @property
    def speech(self) -> Samples:
        """The probability of each frame that somebody speaks."""
        return self._mean(0, 0, self._length)

    @property
    def overlap(self) -> Samples:
        """The probability of each frame that two speak at once."""
        return self._mean(1, 0, self._length)

    @property
    def change(self) -> Samples:
        """How much of the speech goes from one local speaker to another at each frame's start, 0 to 1."""
        return self._mean(2, 0, self._length)

    @property
    def cut(self) -> int:
        """The frame before which all stretches were taken."""
        return self._cut

    def stretches(self) -> list[Piece]:
        """The stretches of one voice that have ended since this was last asked."""
        spoken = runs(self._mean(0, self._cut, self._final) >= HEARD)
        change = self._mean(2, self._cut, self._final)
        found: list[Piece] = []
        begin = self._cut
        ended = self._final == self._length
        for start, end in joined(spoken, _GAP):
            open_end = not ended and begin + end + _GAP > self._final
            if open_end and end - start < _LONGEST:
                self._cut = begin + start
                return found
            if end - start >= _SHORTEST:
                found.extend(Piece(begin + one, begin + other) for one, other in _split(change, start, end))
        self._cut = self._final
        return found

    def _mean(self, column: int, start: int, end: int) -> Samples:
        sums = self._sums[start:end]
        return np.asarray(sums[:, column] / np.maximum(sums[:, 3], 1e-6), np.float32)


def _changes(activity: Samples) -> Samples:
    """How much of the speech after each frame is not whose it is before, 0 to 1; pauses do not count."""
    frames = len(activity)
    total = np.concatenate((np.zeros((1, activity.shape[1])), np.cumsum(activity, axis=0, dtype=np.float64)))
    at = np.arange(frames)
    before = total[at] - total[np.maximum(at - _REACH, 0)]
    after = total[np.minimum(at + _REACH, frames)] - total[at]
    # The share of each local speaker; where hardly anybody speaks on one side there is nothing to compare.
    left, right = before.sum(axis=1, keepdims=True), after.sum(axis=1, keepdims=True)
    moved = np.abs(before / np.maximum(left, 1e-6) - after / np.maximum(right, 1e-6)).sum(axis=1) / 2
    heard = np.minimum(1, np.minimum(left, right)[:, 0] / _AUDIBLE)
    return np.asarray(moved * heard, np.float32)


def runs(mask: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Where the mask is true: ``[start, end)`` of each run, in order."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], mask, [False])))).tolist()
    return list(zip(edges[::2], edges[1::2], strict=True))


def joined(spans: list[tuple[int, int]], gap: int) -> list[tuple[int, int]]:
    """The spans with gaps of up to ``gap`` between them closed."""
    found: list[tuple[int, int]] = []
    for start, end in spans:
        if found and start - found[-1][1] <= gap:
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    return found


def _split(change: Samples, start: int, end: int) -> list[tuple[int, int]]:
    """The stretch, cut where the voice changes most."""
    borders = [start]
    for one, other in runs(change[start:end] >= _CHANGE):
        at = start + one + int(np.argmax(change[start + one : start + other]))
        if at - borders[-1] >= _SHORTEST and end - at >= _SHORTEST:
            borders.append(at)
    return list(zip(borders, [*borders[1:], end], strict=True))


def tiles(stretch: Piece, length: int, hop: int) -> list[Piece]:
    """Pieces of ``length`` frames that cover the stretch, ``hop`` frames apart at most; of a shorter one, itself."""
    length = min(length, stretch.end - stretch.start)
    count = 1 - (stretch.start + length - stretch.end) // hop
    starts = np.linspace(stretch.start, stretch.end - length, count).round().astype(int)
    return [Piece(at, at + length) for at in starts.tolist()]
