# SPDX-License-Identifier: Apache-2.0
"""Log mel filterbank features as Kaldi computes them, in numpy: what speaker models are trained on.

Povey et al., "The Kaldi Speech Recognition Toolkit" (ASRU 2011); its ``compute-fbank-feats`` with 80 bins, no dither
and ``snip-edges``: frames of 25 ms every 10 ms, mean removed, pre-emphasis of 0.97, Povey window, power spectrum,
triangular filters on the mel scale from 20 Hz to 8 kHz, logarithm. Knows nothing of what is done with them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

BINS = 80
"""Filters, which is numbers of a frame."""
FRAME = 400
"""Samples of a frame: 25 ms at 16 kHz."""
STEP = 160
"""Samples from one frame to the next."""

_RATE = 16_000
_FFT = 512
_LOWEST = 20.0
"""Hz, where the first filter begins."""
_EMPHASIS = 0.97
_BLOCK = 256
"""Frames that are worked on at once. With the groups of filters it keeps every matrix product under the size from which
OpenBLAS takes threads, whose waiting costs more than all the rest."""
_GROUP = 10
"""Filters of a group: neighbours, which share the bins that they look at."""
_FLOOR = float(np.finfo(np.float32).eps)
"""Least power that a logarithm is taken of, for samples from -1 to 1."""

Floats = np.ndarray[Any, np.dtype[np.float32]]


def frames(samples: int) -> int:
    """Whole frames in so many samples."""
    return max(0, 1 + (samples - FRAME) // STEP)


def fbank(samples: Floats) -> Floats:
    """Features of mono samples at 16 kHz, from -1 to 1: (frames, 80). What is left after the last frame is not used."""
    out = np.empty((frames(len(samples)), BINS), np.float32)
    samples = np.asarray(samples, np.float32)
    for start in range(0, len(out), _BLOCK):
        block = out[start : start + _BLOCK]
        first = start * STEP
        _fbank(samples[first : first + (len(block) - 1) * STEP + FRAME], block)
    return out


def _fbank(samples: Floats, out: Floats) -> None:
    framed = np.lib.stride_tricks.sliding_window_view(samples, FRAME)[::STEP]
    framed = framed - framed.mean(axis=1, keepdims=True)
    windowed = np.zeros((len(out), _FFT), np.float32)
    # Pre-emphasis within the frame; its first sample stands in for the one before.
    windowed[:, 1:FRAME] = framed[:, 1:] - _EMPHASIS * framed[:, :-1]
    windowed[:, 0] = (1 - _EMPHASIS) * framed[:, 0]
    windowed[:, :FRAME] *= _WINDOW
    spectrum = np.fft.rfft(windowed, axis=1)
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    for bins, bands, weights in _FILTERS:
        np.matmul(power[:, bins], weights, out=out[:, bands])
    np.log(np.maximum(out, _FLOOR, out=out), out=out)


def _window() -> Floats:
    """Povey's: a Hann window to the power of 0.85, which does not quite reach zero beside its ends."""
    return np.asarray(np.hanning(FRAME) ** 0.85, np.float32)


def _mel(hertz: Any) -> Any:
    return 1127.0 * np.log1p(np.asarray(hertz, np.float64) / 700.0)


def _filters() -> Floats:
    """Triangles of equal width on the mel scale, one a column: (256, 80)."""
    edges = np.linspace(_mel(_LOWEST), _mel(_RATE / 2), BINS + 2)
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    bins = _mel(np.arange(_FFT // 2) * _RATE / _FFT)[:, None]
    rising, falling = (bins - left) / (centre - left), (right - bins) / (right - centre)
    return np.asarray(np.maximum(0.0, np.minimum(rising, falling)), np.float32)


def _grouped(filters: Floats) -> Iterator[tuple[slice, slice, Floats]]:
    """The filters in groups: which bins of the spectrum each group needs, which features it gives, its weights."""
    for first in range(0, BINS, _GROUP):
        bands = slice(first, first + _GROUP)
        used = np.flatnonzero(filters[:, bands].any(axis=1))
        bins = slice(int(used[0]), int(used[-1]) + 1)
        yield bins, bands, np.ascontiguousarray(filters[bins, bands])


_WINDOW = _window()
_FILTERS = tuple(_grouped(_filters()))
