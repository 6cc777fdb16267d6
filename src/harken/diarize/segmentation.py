# SPDX-License-Identifier: Apache-2.0
"""Who of at most three speaks at each moment of ten seconds, by a network that does not know who they are.

The network is pyannote's segmentation-3.0 as ONNX (Plaquet and Bredin, *Powerset multi-class cross entropy loss for
neural speaker diarization*, 2023). The speakers of one window have no names beyond it: the first of one window can be
the second of the next. Joining them over a whole recording is the diarizer's work.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from harken.models import network

Samples = npt.NDArray[np.float32]
"""Mono audio at 16 kHz."""

FRAME = 270
"""Samples between two frames of the network: 17 ms."""
WINDOW = 160_000
"""Samples that the network hears at once: 10 s."""
WINDOW_FRAMES = 589
"""Frames that it gives for them."""
LOCAL = 3
"""Speakers that it tells apart in one window; two of them can speak at once."""

_RECEPTIVE_FIELD = 991
_LEAD = (_RECEPTIVE_FIELD - FRAME) // 2
"""Silence put before a recording, so that frame ``n`` is about the samples ``[n * FRAME, (n + 1) * FRAME)``."""
_POWERSET = np.array([(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (1, 0, 1), (0, 1, 1)], np.float32)
"""Which speakers speak in each of the network's classes."""


@dataclass(frozen=True, slots=True)
class LocalSpeech:
    """What the network heard in one window."""

    start: int
    """Frame of the recording that the window begins with."""
    activity: Samples
    """``(frames, LOCAL)``: how likely each local speaker speaks, 0 to 1."""
    solo: Samples
    """``(frames, LOCAL)``: how likely each of them speaks alone."""


class Segmenter:
    """segmentation-3.0 on ONNX Runtime. Safe to share between threads; its streams are not.

    More than one thread makes it no faster: its recurrent layers go frame by frame.
    Raises ModelUnavailable when the file is not there, ModelCorrupt when it is not the model.
    """

    def __init__(self, path: Path, *, threads: int = 1) -> None:
        self._session = network.session(path, "the speaker segmentation", threads=threads)

    def stream(self, step: int) -> SegmentationStream:
        """A new recording, heard in windows that begin ``step`` frames apart (at most a window's frames)."""
        return SegmentationStream(self, step)

    def hear(self, samples: Samples) -> tuple[Samples, Samples]:
        """``activity`` and ``solo`` of one window of :data:`WINDOW` samples."""
        (found,) = self._session.run(None, {"input": samples[None, None, :]})
        classes: Samples = np.exp(np.asarray(found, np.float32)[0])
        return classes @ _POWERSET, classes[:, 1 : 1 + LOCAL]


class SegmentationStream:
    """The windows of one recording, as its samples come. Holds ten seconds of them."""

    def __init__(self, segmenter: Segmenter, step: int) -> None:
        if not 0 < step <= WINDOW_FRAMES:
            raise ValueError(f"step must be 1 to {WINDOW_FRAMES} frames, not {step}")
        self._segmenter = segmenter
        self._step = step
        self._start = 0
        self._next = 0
        self._buffer: Samples = np.zeros(_LEAD, np.float32)
        self.samples = 0
        """Samples fed so far."""

    def feed(self, samples: Samples, *, last: bool = False) -> list[LocalSpeech]:
        """The windows that these samples complete.

        With ``last`` the final one too, which ends with the recording and may have more than ``step`` in common with
        the one before. Frames after the recording's end are left out.
        """
        self.samples += len(samples)
        self._buffer = np.concatenate((self._buffer, samples))
        found = []
        while len(self._buffer) >= (self._next - self._start) * FRAME + WINDOW:
            self._advance(self._next)
            found.append(self._window(WINDOW_FRAMES))
            self._next += self._step
        total = -(-self.samples // FRAME)
        if last and total > (self._start + WINDOW_FRAMES if self._next else 0):
            self._advance(max(0, total - WINDOW_FRAMES))
            found.append(self._window(min(WINDOW_FRAMES, total)))
        return found

    def _advance(self, start: int) -> None:
        self._buffer = self._buffer[(start - self._start) * FRAME :]
        self._start = start

    def _window(self, frames: int) -> LocalSpeech:
        samples = self._buffer[:WINDOW]
        activity, solo = self._segmenter.hear(np.pad(samples, (0, WINDOW - len(samples))))
        return LocalSpeech(self._start, activity[:frames], solo[:frames])
