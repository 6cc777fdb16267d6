# SPDX-License-Identifier: Apache-2.0
"""Who spoke when in a recording: one pass over its sound, then one over what was learned of it.

While the sound streams by, the segmentation hears it in overlapping windows and every stretch of one voice is embedded
in pieces; only numbers are kept, so memory hardly grows with the length. At the end the pieces' embeddings tell how
many speak and what their voices are, and each frame is given to them. Knows no words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from harken.diarize.attribution import decode, local_scores, piece_scores
from harken.diarize.clustering import Vectors
from harken.diarize.segmentation import FRAME, Samples, Segmenter
from harken.diarize.speakers import find_speakers
from harken.diarize.timeline import OVERLAP, RATE, SPEECH, Piece, Timeline
from harken.diarize.turns import speaking
from harken.model import SAMPLE_RATE, Diarization

STEP = 148
"""Frames between two windows of the segmentation: 2.5 s."""
_TRUSTED = 1.0
"""Seconds of speech that a piece to learn voices from has; where there is none so long, shorter ones are taken."""
_TRUSTED_OVERLAP = 0.2
"""Mean probability of overlap that such a piece has at most."""


class VoiceEmbedder(Protocol):
    """Turns pieces of speech into voices."""

    def embed(self, pieces: Sequence[Samples]) -> Vectors:
        """A unit vector for each piece of mono audio at 16 kHz, ``(n, d)``."""


class Diarizer:
    """Tells speakers apart. Safe to share between threads if the embedder is."""

    def __init__(self, segmenter: Segmenter, embedder: VoiceEmbedder) -> None:
        self._segmenter = segmenter
        self._embedder = embedder

    def diarize(
        self,
        blocks: Iterable[Samples],
        *,
        num_speakers: int | None = None,
        min_speakers: int | None = None,
        max_speakers: int | None = None,
        on_progress: Callable[[float], None] | None = None,
    ) -> Diarization:
        """Who spoke when.

        Args:
            blocks: The recording, mono at 16 kHz, in blocks of any length.
            num_speakers: How many speak, where that is known.
            min_speakers: How many speak at least.
            max_speakers: How many speak at most.
            on_progress: Called with the seconds of audio that are done, now and then.

        Returns:
            Turns in the order in which they begin, times in seconds from the first sample, and the speakers in the
            order in which they first speak. No turns where nobody speaks. Never more speakers than there are pieces of
            speech, whatever was asked for.
        """
        timeline, pieces, vectors, duration = self._listen(blocks, on_progress or (lambda _: None))
        if not pieces:
            return Diarization()
        learn, seconds = _trusted(pieces, timeline)
        voices = find_speakers(
            vectors[learn],
            seconds[learn],
            num_speakers=num_speakers,
            min_speakers=min_speakers,
            max_speakers=max_speakers,
        )
        speech = timeline.speech >= SPEECH
        scores = piece_scores(pieces, vectors @ voices.T, len(speech))
        smooth, active = local_scores(timeline.windows, scores)
        path = decode(smooth, speech, timeline.change)
        return speaking(path, speech, timeline.overlap >= OVERLAP, active, smooth, voices, duration)

    def _listen(
        self, blocks: Iterable[Samples], on_progress: Callable[[float], None]
    ) -> tuple[Timeline, list[Piece], Vectors, float]:
        timeline = Timeline()
        stream = self._segmenter.stream(STEP)
        kept = _Tail()
        pieces: list[Piece] = []
        vectors: list[Vectors] = []

        def take(block: Samples, *, last: bool = False) -> None:
            kept.add(block)
            heard = stream.feed(block, last=last)
            for window in heard:
                timeline.add(window)
            if last:
                timeline.finish()
            if heard:
                found = timeline.pieces()
                if found:
                    pieces.extend(found)
                    vectors.append(self._embedder.embed([kept.part(piece) for piece in found]))
                kept.forget(timeline.cut)
                on_progress(timeline.cut / RATE)

        for block in blocks:
            take(np.asarray(block, np.float32))
        take(np.zeros(0, np.float32), last=True)
        found = np.concatenate(vectors) if vectors else np.zeros((0, 0), np.float32)
        return timeline, pieces, found, stream.samples / SAMPLE_RATE


class _Tail:
    """The end of the recording so far: what pieces are still to be cut from."""

    def __init__(self) -> None:
        self._start = 0
        self._samples: Samples = np.zeros(0, np.float32)

    def add(self, samples: Samples) -> None:
        self._samples = np.concatenate((self._samples, samples))

    def part(self, piece: Piece) -> Samples:
        return self._samples[piece.start * FRAME - self._start : piece.end * FRAME - self._start]

    def forget(self, frame: int) -> None:
        self._samples = self._samples[frame * FRAME - self._start :]
        self._start = frame * FRAME


def _trusted(pieces: Sequence[Piece], timeline: Timeline) -> tuple[npt.NDArray[np.intp], Vectors]:
    """Which pieces to learn voices from, and the seconds of speech of one voice in each piece."""
    single = np.concatenate(([0.0], np.cumsum(np.maximum(timeline.speech - timeline.overlap, 0), dtype=np.float64)))
    double = np.concatenate(([0.0], np.cumsum(timeline.overlap, dtype=np.float64)))
    start = np.array([piece.start for piece in pieces])
    end = np.array([piece.end for piece in pieces])
    seconds = np.asarray((single[end] - single[start]) / RATE, np.float32)
    mixed = (double[end] - double[start]) / (end - start)
    for least, most in ((_TRUSTED, _TRUSTED_OVERLAP), (_TRUSTED / 2, 2 * _TRUSTED_OVERLAP), (0.0, 1.0)):
        good = np.flatnonzero((seconds >= least) & (mixed <= most))
        if len(good):
            return good, seconds
    return np.arange(len(pieces)), np.maximum(seconds, 1 / SAMPLE_RATE)
