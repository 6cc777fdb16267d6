# SPDX-License-Identifier: Apache-2.0
"""Log-mel spectrograms as Whisper was trained on, of any length up to 30 s. Knows nothing of models or text."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from harken.model import SAMPLE_RATE

HOP = 160
"""Samples between frames: 10 ms."""

FRAMES_PER_SECOND = SAMPLE_RATE // HOP

_FFT = 400
_FLOOR_DECADES = 8.0
"""Dynamic range that is kept below the loudest bin, in powers of ten."""

Features = npt.NDArray[np.float32]


@cache
def mel_filters(n_mels: int) -> Features:
    """The Slaney mel filter bank, ``[n_mels, 201]``: linear to 1 kHz, then logarithmic, each of unit area.

    Source: Slaney, Auditory Toolbox (1998), as librosa has it, with which Whisper was trained.
    """
    highest = 15 + 27 * np.log(SAMPLE_RATE / 2 / 1000) / np.log(6.4)
    mels = np.linspace(0.0, highest, n_mels + 2)
    hertz = np.where(mels < 15, mels * 200 / 3, 1000 * np.exp((mels - 15) * np.log(6.4) / 27))
    bins = np.fft.rfftfreq(_FFT, 1 / SAMPLE_RATE)
    rising = (bins - hertz[:-2, None]) / (hertz[1:-1] - hertz[:-2])[:, None]
    falling = (hertz[2:, None] - bins) / (hertz[2:] - hertz[1:-1])[:, None]
    filters = np.maximum(0, np.minimum(rising, falling)) * (2 / (hertz[2:] - hertz[:-2]))[:, None]
    result: Features = filters.astype(np.float32)
    return result


@cache
def _window() -> Features:
    return np.hanning(_FFT + 1)[:-1].astype(np.float32)


def log_mel(samples: npt.NDArray[np.float32], n_mels: int, frames: int) -> Features:
    """The log-mel spectrogram of ``samples``, ``[n_mels, frames]``, silence after the samples' end.

    Args:
        samples: mono float32 at 16 kHz.
        n_mels: 80, or 128 for large-v3.
        frames: length of the result in 10 ms frames. Samples beyond it are cut off, a shorter input is filled with the
            spectrogram's floor, which is what digital silence gives (zeros would be louder than quiet speech).
    """
    samples = samples[: frames * HOP]
    if len(samples) == 0:
        return np.full((n_mels, frames), -1.5, dtype=np.float32)
    padded = np.pad(samples, _FFT // 2, mode="reflect" if len(samples) > _FFT // 2 else "constant")
    views = np.lib.stride_tricks.sliding_window_view(padded, _FFT)[::HOP][: len(samples) // HOP or 1]
    power = np.abs(np.fft.rfft(views * _window(), axis=1)).astype(np.float32) ** 2
    decades = np.log10(np.maximum(mel_filters(n_mels) @ power.T, 1e-10))
    floor = decades.max() - _FLOOR_DECADES
    result = np.full((n_mels, frames), floor, dtype=np.float32)
    np.maximum(decades, floor, out=result[:, : decades.shape[1]])
    return (result + 4.0) / 4.0
