# SPDX-License-Identifier: Apache-2.0
"""Speaker embeddings: what a voice sounds like in a piece of speech, as a point on a sphere of 192 dimensions.

Runs CAM++ (arXiv 2303.00332), as :mod:`harken.models.campplus` builds it. What all voices have in common, the mean
embedding of many of them, is subtracted, so that voices of different people have a cosine about zero. Overlapping
windows of one stretch are embedded together: the network hears the stretch once and only its last step, the pooling,
is done for each window. That is half the work at a hop of half a window, and tells voices apart better than windows
heard alone, because each is heard with what is around it. Knows nothing of who speaks when.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harken.diarize.features import STEP, fbank
from harken.diarize.mean_voice import MEAN_VOICE
from harken.models import network

SHORTEST = 4_800
"""Samples (0.3 s) that the network is given at least; what is shorter is repeated."""
LONGEST = 160_000
"""Samples (10 s) of a stretch that are heard at once, unless a single window is longer."""
_BATCH = 4
"""Pieces that are embedded at once: more are not faster on a CPU, and take memory."""
_STRIDE = 2 * STEP
"""Samples from one frame of the network to the next: 20 ms."""

Floats = np.ndarray[Any, np.dtype[np.float32]]
Span = tuple[int, int]


class Embedder:
    """The speaker model, loaded. Safe to share between threads."""

    dimensions = len(MEAN_VOICE)

    def __init__(self, path: Path, threads: int = 1) -> None:
        """Load ``campplus.onnx``.

        Raises:
            ModelUnavailable: there is no such file.
            ModelCorrupt: it is not the model.
        """
        # Lengths differ much, and the arena, which would keep the most that any took, makes it no faster here.
        self._session = network.session(path, "the speaker model", threads=threads, arena=False)

    def embed(self, pieces: Sequence[Floats]) -> Floats:
        """The embeddings of pieces of speech, each heard alone: (pieces, 192).

        Args:
            pieces: mono samples at 16 kHz from -1 to 1, of any length but none, each of one voice. Half a second says
                little, two seconds much. Pieces of equal length are a little cheaper.

        Returns:
            Rows of length one: the product of two is their cosine.
        """
        out = np.empty((len(pieces), self.dimensions), np.float32)
        by_length: dict[int, list[int]] = defaultdict(list)
        for index, piece in enumerate(pieces):
            by_length[len(piece)].append(index)
        for indices in by_length.values():
            for start in range(0, len(indices), _BATCH):
                some = indices[start : start + _BATCH]
                features = np.stack([_features(pieces[index]) for index in some])
                out[some] = self._run(features, [(0, len(pieces[some[0]]))])[:, 0]
        return centred(out)

    def embed_windows(self, samples: Floats, windows: Sequence[Span]) -> Floats:
        """The embeddings of windows of a stretch of speech of one voice: (windows, 192), rows of length one.

        Args:
            samples: mono, 16 kHz, from -1 to 1.
            windows: first sample and the one after the last of each; they may overlap, and none may be empty.
        """
        out = np.empty((len(windows), self.dimensions), np.float32)
        for some, start, end in _together(windows, len(samples)):
            features = _features(samples[start:end])
            out[some] = self._run(features[None], [(windows[i][0] - start, windows[i][1] - start) for i in some])[0]
        return centred(out)

    def _run(self, features: Floats, windows: Sequence[Span]) -> Floats:
        """Raw embeddings, (batch, windows, 192), of features (batch, frames, 80)."""
        frames = -(-features.shape[1] // 2)
        weights = np.zeros((len(windows), frames), np.float32)
        for row, (start, end) in zip(weights, windows, strict=True):
            first = min(round(start / _STRIDE), frames - 1)
            last = max(round(end / _STRIDE), first + 1)
            row[first:last] = 1 / len(row[first:last])
        return np.asarray(self._session.run(None, {"features": features, "windows": weights})[0], np.float32)


def centred(raw: Floats) -> Floats:
    """Embeddings as the network gives them, made comparable: without what all voices share, and of length one."""
    moved = raw - MEAN_VOICE
    length = np.linalg.norm(moved, axis=-1, keepdims=True)
    return np.asarray(moved / np.maximum(length, np.finfo(np.float32).tiny), np.float32)


def _together(windows: Sequence[Span], samples: int) -> Iterator[tuple[list[int], int, int]]:
    """Which windows to hear at once, and from where to where; all of the stretch when it is not long."""
    if not windows:
        return
    if samples <= LONGEST:
        yield list(range(len(windows))), 0, samples
        return
    some: list[int] = []
    start = end = 0
    for index in sorted(range(len(windows)), key=windows.__getitem__):
        first, last = windows[index]
        if some and max(end, last) - start > LONGEST:
            yield some, start, end
            some = []
        if not some:
            start = end = first
        some.append(index)
        end = max(end, last)
    yield some, start, end


def _features(piece: Floats) -> Floats:
    """Features of a piece, each bin about its mean over the piece: what a microphone adds to all of it is gone."""
    if len(piece) == 0:
        raise ValueError("a piece of speech has no samples")
    if len(piece) < SHORTEST:
        piece = np.tile(piece, -(-SHORTEST // len(piece)))[:SHORTEST]
    features = fbank(piece)
    return np.asarray(features - features.mean(axis=0), np.float32)
