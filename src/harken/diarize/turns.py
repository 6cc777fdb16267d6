# SPDX-License-Identifier: Apache-2.0
"""Frames with speakers to turns with names: short gaps closed, crumbs left out, a probability of being right."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from harken.diarize.clustering import Vectors
from harken.diarize.timeline import RATE, joined, runs
from harken.model import Diarization, Speaker, Turn

Mask = npt.NDArray[np.bool_]
Frames = npt.NDArray[np.float32]

_GAP = round(0.2 * RATE)
"""Frames of silence of a speaker that do not end a turn."""
_SHORTEST = round(0.15 * RATE)
"""Frames that a turn must have."""
_ACTIVE = 0.5
"""A speaker speaks too where it is as likely as this that some local speaker who speaks is that one."""
_MARGIN = (-0.3, -0.1, 0.1, 0.2, 0.3, 0.45)
_RIGHT = (0.45, 0.7, 0.82, 0.9, 0.96, 0.995)
"""How often a turn is right whose voice is nearer to its speaker than to any other by such a margin of cosine."""


def speaking(
    path: npt.NDArray[np.intp],
    speech: Mask,
    overlap: Mask,
    active: Frames,
    scores: Frames,
    voices: Vectors,
    duration: float,
) -> Diarization:
    """The turns and speakers.

    Args:
        path: The speaker of each frame who speaks most.
        speech: In which frames somebody speaks.
        overlap: In which frames a second one does.
        active: How likely each speaker is active in each frame ``(frames, speakers)``.
        scores: How near each frame's voice is to each speaker's.
        voices: The speakers' voices, unit vectors.
        duration: Seconds of the recording: no turn ends later.
    """
    frames, count = scores.shape
    talks = np.zeros((frames, count), bool)
    at = np.flatnonzero(speech)
    talks[at, path[at]] = True
    if count > 1:
        both = np.flatnonzero(speech & overlap)
        others = active[both].copy()
        others[np.arange(len(both)), path[both]] = -1
        talks[both, np.argmax(others, axis=1)] = True
        talks |= (active >= _ACTIVE) & speech[:, None]
    spans: list[tuple[int, int, int]] = []
    for one in range(count):
        spans.extend((start, end, one) for start, end in joined(runs(talks[:, one]), _GAP) if end - start >= _SHORTEST)
    spans.sort()
    order = list(dict.fromkeys(one for _, _, one in spans))
    names = {one: f"SPEAKER_{place:02d}" for place, one in enumerate(order)}
    turns = tuple(
        Turn(start / RATE, min(end / RATE, duration), names[one], _confidence(scores[start:end], one))
        for start, end, one in spans
    )
    spoken = dict.fromkeys(order, 0)
    for start, end, one in spans:
        spoken[one] += end - start
    speakers = tuple(
        Speaker(names[one], spoken[one] / RATE, tuple(float(value) for value in voices[one])) for one in order
    )
    return Diarization(turns, speakers)


def _confidence(scores: Frames, one: int) -> float | None:
    if scores.shape[1] < 2:
        return None
    mean = scores.mean(axis=0)
    other = np.delete(mean, one).max()
    return round(float(np.interp(mean[one] - other, _MARGIN, _RIGHT)), 3)
