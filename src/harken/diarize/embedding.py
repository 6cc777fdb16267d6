# SPDX-License-Identifier: Apache-2.0
"""Speaker embeddings: what a voice sounds like in a piece of speech, as a point on a sphere of 192 dimensions.

Runs CAM++ (arXiv 2303.00332), as :mod:`harken.models.campplus` builds it. What all voices have in common, the mean
embedding of many of them, is subtracted: left in, voices of different people have a cosine well above zero, and the
threshold between "the same" and "another" hangs on the recording. Knows nothing of who speaks when.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from harken.diarize.features import fbank
from harken.diarize.mean_voice import MEAN_VOICE
from harken.errors import ModelCorrupt

SHORTEST = 16_000
"""Samples that the network is given at least; a shorter piece is repeated."""
_BATCH = 4
"""Pieces that are embedded at once: more are not faster on a CPU, and take memory."""

Floats = np.ndarray[Any, np.dtype[np.float32]]


class Embedder:
    """The speaker model, loaded."""

    dimensions = 192

    def __init__(self, path: Path, threads: int = 1) -> None:
        """Load ``campplus.onnx``.

        Raises:
            ModelCorrupt: the file cannot be loaded.
        """
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise ModelCorrupt(f"{path} cannot be loaded as a speaker model: {error}") from error

    def embed(self, pieces: Sequence[Floats]) -> Floats:
        """The embeddings of pieces of speech, each of one voice if they are to mean something: (pieces, 192).

        Args:
            pieces: mono samples at 16 kHz from -1 to 1, of any length but none; half a second says little, two
                seconds much. Pieces of equal length are cheaper than of many lengths.

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
                out[some] = self._run(np.stack([_features(pieces[index]) for index in some]))
        return centred(out)

    def _run(self, features: Floats) -> Floats:
        return np.asarray(self._session.run(None, {"features": features})[0], np.float32)


def centred(raw: Floats) -> Floats:
    """Embeddings as the network gives them, made comparable: without what all voices share, and of length one."""
    moved = raw - MEAN_VOICE
    length = np.linalg.norm(moved, axis=-1, keepdims=True)
    return np.asarray(moved / np.maximum(length, np.finfo(np.float32).tiny), np.float32)


def _features(piece: Floats) -> Floats:
    """Features of a piece, each bin about its mean over the piece: what a microphone adds to all of it is gone."""
    if len(piece) == 0:
        raise ValueError("a piece of speech has no samples")
    if len(piece) < SHORTEST:
        piece = np.tile(piece, -(-SHORTEST // len(piece)))[:SHORTEST]
    features = fbank(piece)
    return np.asarray(features - features.mean(axis=0), np.float32)
