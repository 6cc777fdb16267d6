# SPDX-License-Identifier: Apache-2.0
"""Who spoke when in a recording: one pass over its sound, then one over what was learned of it.

While the sound streams by, the segmentation hears it in overlapping windows and every stretch of one voice is embedded
in pieces; only numbers are kept, so memory hardly grows with the length. At the end the pieces' embeddings tell how
many speak and what their voices are, and each frame is given to them. Knows no words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from harken.diarize.attribution import decode, local_scores, piece_scores
from harken.diarize.clustering import Vectors
from harken.diarize.embedding import Embedder
from harken.diarize.segmentation import FRAME, Samples, Segmenter
from harken.diarize.speakers import find_speakers
from harken.diarize.timeline import OVERLAP, RATE, SPEECH, Piece, Timeline, tiles
from harken.diarize.turns import speaking
from harken.model import SAMPLE_RATE, Diarization
from harken.models.parts import SpeakerFiles

STEP = 148
"""Frames between two windows of the segmentation: 2.5 s."""
_LONG = round(1.6 * RATE), round(0.8 * RATE)
"""Frames of a piece that voices are learnt from, and between two of them."""
_SHORT = round(0.9 * RATE), round(0.3 * RATE)
"""Frames of a piece that is given to a voice, and between two of them."""
_TRUSTED = 0.7
"""Seconds of speech that a piece to learn voices from has; where there is none so long, shorter ones are taken."""
_TRUSTED_OVERLAP = 0.2
"""Mean probability of overlap that such a piece has at most."""


def load(files: SpeakerFiles, threads: int = 1) -> Diarizer:
    """What tells speakers apart, with its models in memory. Raises ModelUnavailable, ModelCorrupt."""
    return Diarizer(Segmenter(files.segmentation, threads=threads), Embedder(files.embedding, threads=threads))


class VoiceEmbedder(Protocol):
    """Turns pieces of speech into voices."""

    def embed_windows(self, samples: Samples, windows: Sequence[tuple[int, int]]) -> Vectors:
        """A unit vector for each window of a stretch of mono audio at 16 kHz, ``(n, d)``."""


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
        heard = self._listen(blocks, on_progress or (lambda _: None))
        if not heard.long.pieces:
            return Diarization()
        timeline = heard.timeline
        learn, seconds = _trusted(heard.long.pieces, timeline)
        voices = find_speakers(
            heard.long.vectors[learn],
            seconds[learn],
            num_speakers=num_speakers,
            min_speakers=min_speakers,
            max_speakers=max_speakers,
        )
        speech = timeline.speech >= SPEECH
        scores, active = local_scores(
            timeline.windows, piece_scores(heard.short.pieces, heard.short.vectors @ voices.T, len(speech))
        )
        path = decode(scores, speech, timeline.change)
        return speaking(path, speech, timeline.overlap >= OVERLAP, active, scores, voices, heard.duration)

    def _listen(self, blocks: Iterable[Samples], on_progress: Callable[[float], None]) -> _Heard:
        timeline, stream, kept = Timeline(), self._segmenter.stream(STEP), _Tail()
        long, short = _Embedded(), _Embedded()

        def embed() -> None:
            for stretch in timeline.stretches():
                self._embed(kept.part(stretch), stretch, long, short)
            kept.forget(timeline.cut)

        def take(block: Samples, *, last: bool = False) -> None:
            kept.add(block)
            for window in stream.feed(block, last=last):
                timeline.add(window)
                embed()
                on_progress(timeline.cut / RATE)

        for block in blocks:
            take(np.asarray(block, np.float32))
        take(np.zeros(0, np.float32), last=True)
        timeline.finish()
        embed()
        on_progress(stream.samples / SAMPLE_RATE)
        return _Heard(timeline, long, short, stream.samples / SAMPLE_RATE)

    def _embed(self, samples: Samples, stretch: Piece, long: _Embedded, short: _Embedded) -> None:
        """Embed both kinds of pieces of a stretch together: the network hears it once."""
        first, second = tiles(stretch, *_LONG), tiles(stretch, *_SHORT)
        windows = [
            ((one.start - stretch.start) * FRAME, min((one.end - stretch.start) * FRAME, len(samples)))
            for one in (*first, *second)
        ]
        vectors = self._embedder.embed_windows(samples, windows)
        long.add(first, vectors[: len(first)])
        short.add(second, vectors[len(first) :])


class _Embedded:
    """Pieces and their embeddings."""

    def __init__(self) -> None:
        self.pieces: list[Piece] = []
        self._vectors: list[Vectors] = []

    def add(self, pieces: Sequence[Piece], vectors: Vectors) -> None:
        self.pieces.extend(pieces)
        self._vectors.append(vectors)

    @property
    def vectors(self) -> Vectors:
        return np.concatenate(self._vectors)


@dataclass(frozen=True, slots=True)
class _Heard:
    """What is kept of a recording."""

    timeline: Timeline
    long: _Embedded
    short: _Embedded
    duration: float
    """Seconds."""


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
