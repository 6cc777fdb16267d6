# SPDX-License-Identifier: Apache-2.0
"""Where somebody speaks: a probability for every 32 ms, and spans made of them.

The detector is Silero VAD v6 as ONNX (the file comes from the models store; its path is given here). Detectors share
one model and keep their state in streams, so that many recordings can be worked off at once. Knows no windows.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import onnxruntime

from harken.model import SAMPLE_RATE
from harken.models import network

Samples = npt.NDArray[np.float32]
"""Mono audio at 16 kHz."""

FRAME = 512
"""Samples that one probability is about: 32 ms."""

_CONTEXT = 64
"""Samples before a frame that Silero VAD hears with it."""
_STATE = (1, 1, 128)
_BATCH = 256
"""Frames given to the model at once: it convolves them together and only its recurrent layer goes one by one."""


_QUIET = 0.02
"""Peak (-34 dB) up to which a recording is made louder for the detector, which hears nothing under about -45 dB."""
_MAX_GAIN = 100.0


class SpeechStream(Protocol):
    """The detection in one recording, from wherever it was started."""

    def feed(self, samples: Samples, *, last: bool = False) -> Samples:
        """The probabilities, 0 to 1, of every frame that these samples complete; ``last`` completes the final one."""


class SpeechDetector(Protocol):
    """Finds speech."""

    def stream(self) -> SpeechStream:
        """A new detection that has heard nothing yet."""


class SileroDetector:
    """Silero VAD v6 on ONNX Runtime, one thread. Safe to share between threads; its streams are not.

    Raises ModelUnavailable when the file is not there, ModelCorrupt when it is not the model.
    """

    def __init__(self, path: Path) -> None:
        self._session = network.session(path, "the speech detector")

    def stream(self) -> SpeechStream:
        """A new detection that has heard nothing yet."""
        return _SileroStream(self._session)


class _SileroStream:
    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        self._session = session
        self._h = np.zeros(_STATE, np.float32)
        self._c = np.zeros(_STATE, np.float32)
        self._peak = 0.0
        self._pending: Samples = np.zeros(_CONTEXT, np.float32)

    def feed(self, samples: Samples, *, last: bool = False) -> Samples:
        if len(samples):
            self._peak = max(self._peak, float(np.abs(samples).max()))
        gain = np.float32(min(max(1.0, _QUIET / max(self._peak, 1e-9)), _MAX_GAIN))
        heard = np.concatenate((self._pending, samples * gain))
        rest = (len(heard) - _CONTEXT) % FRAME
        if last and rest:
            heard = np.concatenate((heard, np.zeros(FRAME - rest, np.float32)))
        count = (len(heard) - _CONTEXT) // FRAME
        self._pending = heard[count * FRAME :]
        if not count:
            return np.zeros(0, np.float32)
        frames = np.lib.stride_tricks.sliding_window_view(heard, _CONTEXT + FRAME)[: count * FRAME : FRAME]
        return np.concatenate([self._run(frames[at : at + _BATCH]) for at in range(0, count, _BATCH)])

    def _run(self, frames: Samples) -> Samples:
        inputs = {"input": np.ascontiguousarray(frames), "h": self._h, "c": self._c}
        found, self._h, self._c = self._session.run(["speech_probs", "hn", "cn"], inputs)
        return np.asarray(found, np.float32).reshape(-1)


@dataclass(frozen=True, slots=True)
class SpeechParams:
    """When probabilities become speech. Seconds, and probabilities 0 to 1."""

    onset: float = 0.4
    """Speech begins at a frame of at least this."""
    offset: float = 0.25
    """Speech goes on while frames are at least this; below the onset, so that soft endings are kept."""
    min_silence: float = 0.1
    """A shorter dip is no pause."""
    min_speech: float = 0.1
    """A shorter burst is no speech: a click, a plucked string."""


class SpanFinder:
    """Turns probabilities into spans of speech as they come. Positions count frames from the first one fed."""

    def __init__(self, params: SpeechParams) -> None:
        self._params = params
        self._patience = max(1, round(params.min_silence * SAMPLE_RATE / FRAME))
        self._burst = round(params.min_speech * SAMPLE_RATE / FRAME)
        self._silence: int | None = None
        self.known = 0
        """Frames fed so far."""
        self.spans: list[tuple[int, int]] = []
        """Finished spans, ``[start, end)``, in order, apart by the minimum silence at least."""
        self.open: int | None = None
        """Where the span began that goes on at the end of what is known."""

    def feed(self, probabilities: Samples) -> None:
        """Take the next frames."""
        onset, offset = self._params.onset, self._params.offset
        for at, probability in enumerate(probabilities.tolist(), self.known):
            if self.open is None:
                if probability >= onset:
                    self.open, self._silence = at, None
            elif probability >= offset:
                self._silence = None
            else:
                if self._silence is None:
                    self._silence = at
                if at + 1 - self._silence >= self._patience:
                    self._close(self.open, self._silence)
        self.known += len(probabilities)

    def finish(self) -> None:
        """Nothing follows: an open span ends."""
        if self.open is not None:
            self._close(self.open, self.known if self._silence is None else self._silence)

    def _close(self, start: int, end: int) -> None:
        if end - start >= self._burst:
            self.spans.append((start, end))
        self.open = self._silence = None
