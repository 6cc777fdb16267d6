# SPDX-License-Identifier: Apache-2.0
"""Who speaks in each frame: what the pieces say of the voice, what the windows say of who goes on, and some inertia.

A frame's score for a speaker is the nearness of the pieces around it, mixed with that of everything that the same
local speaker said alone in the same ten seconds. The first carries through where the segmentation took two voices for
one, the second through replies too short to be known by themselves. Viterbi decoding then chooses who speaks; a switch
costs least where the segmentation heard a change. A second speaker is chosen where two speak.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from harken.diarize.segmentation import LOCAL, Samples
from harken.diarize.timeline import RATE, Piece

Frames = npt.NDArray[np.float32]
"""``(frames, speakers)``."""

_LOCAL_SHARE = 0.2
"""How much of a frame's score comes from its local speaker, the rest from the pieces around it."""
_SWITCH = 0.08
"""What a switch of speakers costs, in seconds of one whole cosine."""
_SWITCH_AT_CHANGE = 0.02
"""The same where the segmentation is sure of a change, or after a pause."""
_SHARP = 20.0
"""How fast a speaker's likelihood falls with the score."""


def piece_scores(pieces: Sequence[Piece], near: Frames, frames: int) -> Frames:
    """Nearness for each frame: the mean over the pieces that hold it, those before all with it in their middle."""
    found = np.zeros((frames, near.shape[1]), np.float32)
    weight = np.zeros((frames, 1), np.float32)
    for piece, row in zip(pieces, near, strict=True):
        length = piece.end - piece.start
        hat = np.minimum(np.arange(1, length + 1), np.arange(length, 0, -1)).astype(np.float32)[:, None] / length
        found[piece.start : piece.end] += hat * row
        weight[piece.start : piece.end] += hat
    return np.asarray(found / np.maximum(weight, 1e-6), np.float32)


def local_scores(windows: Sequence[tuple[int, npt.NDArray[np.uint8]]], scores: Frames) -> tuple[Frames, Frames]:
    """The scores, mixed with what the local speakers of all windows say.

    Returns:
        The mixed scores of the frames, as if one spoke at a time; and how likely each speaker speaks, from all local
        speakers of each frame.
    """
    frames, speakers = scores.shape
    found = np.zeros((frames, speakers), np.float32)
    active = np.zeros((frames, speakers), np.float32)
    weight = np.zeros((frames, 1), np.float32)
    for start, quantised in windows:
        activity = quantised.astype(np.float32) / 255
        part = slice(start, start + len(activity))
        alone = np.maximum(2 * activity - activity.sum(axis=1, keepdims=True), 0)
        own = alone.T @ scores[part] / np.maximum(alone.sum(axis=0), 1)[:, None]
        share = activity / np.maximum(activity.sum(axis=1, keepdims=True), 1e-6)
        found[part] += share @ own
        weight[part] += 1
        for local in range(LOCAL):
            mixed = _LOCAL_SHARE * own[local] + (1 - _LOCAL_SHARE) * scores[part]
            likely = np.exp((mixed - mixed.max(axis=1, keepdims=True)) * _SHARP)
            active[part] += activity[:, local : local + 1] * likely / likely.sum(axis=1, keepdims=True)
    weight = np.maximum(weight, 1)
    found *= _LOCAL_SHARE / weight
    found += (1 - _LOCAL_SHARE) * scores
    active /= weight
    return found, active


def decode(scores: Frames, speech: npt.NDArray[np.bool_], change: Samples) -> npt.NDArray[np.intp]:
    """The speaker of each frame, by Viterbi; of frames without speech the one who goes on."""
    frames, speakers = scores.shape
    if speakers < 2 or not frames:
        return np.zeros(frames, np.intp)
    heard = speech.tolist()
    second = np.float32(1 / RATE)
    cost = (_SWITCH - (_SWITCH - _SWITCH_AT_CHANGE) * np.minimum(1, change)).tolist()
    best = scores[0] * second * heard[0]
    came = np.zeros(frames, np.intp)
    stays = np.ones((frames, speakers), bool)
    for at in range(1, frames):
        lead = int(best.argmax())
        switched = best[lead] - cost[at]
        came[at] = lead
        np.greater_equal(best, switched, out=stays[at])
        np.maximum(best, switched, out=best)
        if heard[at]:
            best += scores[at] * second
    path = np.empty(frames, np.intp)
    now = int(best.argmax())
    for at in range(frames - 1, -1, -1):
        path[at] = now
        if not stays[at, now]:
            now = int(came[at])
    return path
