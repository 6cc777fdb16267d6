# SPDX-License-Identifier: Apache-2.0
"""Filterbank features, beside a slow reading of Kaldi's own description and numbers that Kaldi gave."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harken.diarize.features import BINS, Floats, fbank, frames


def signal(samples: int) -> Floats:
    """Tones that come and go, and a little noise, the same on every machine."""
    time = np.arange(samples) / 16_000
    tones = sum(np.sin(2 * np.pi * hertz * time) * np.sin(0.7 * time * hertz / 90) for hertz in (130, 410, 1900, 5200))
    noise = (np.arange(samples) * 7919 % 1009) / 1009 - 0.5
    return np.asarray(0.05 * tones + 0.01 * noise + 0.02, np.float32)


KALDI = {
    (0, 0): -15.8388,
    (0, 3): -11.3582,
    (0, 17): -11.7613,
    (0, 41): -0.4677,
    (0, 79): -4.6717,
    (40, 0): -11.7744,
    (40, 3): -4.6557,
    (40, 17): -10.3701,
    (40, 41): -0.3839,
    (40, 79): -4.6886,
    (97, 0): -9.7158,
    (97, 3): -3.1827,
    (97, 17): -11.9678,
    (97, 41): 2.7365,
    (97, 79): -4.6566,
}
"""By frame and band: what ``compute-fbank-feats`` of kaldi-native-fbank says of one second of the signal."""


def slowly(samples: Floats) -> list[list[float]]:
    """One frame, one filter, one bin after the other."""

    def mel(hertz: float) -> float:
        return 1127 * math.log(1 + hertz / 700)

    width = (mel(8000) - mel(20)) / (BINS + 1)
    out = []
    for start in range(0, len(samples) - 399, 160):
        frame = [float(value) for value in samples[start : start + 400]]
        mean = math.fsum(frame) / 400
        frame = [value - mean for value in frame]
        before = [frame[0], *frame[:-1]]
        frame = [value - 0.97 * last for value, last in zip(frame, before, strict=True)]
        frame = [value * (0.5 - 0.5 * math.cos(2 * math.pi * i / 399)) ** 0.85 for i, value in enumerate(frame)]
        power = np.abs(np.fft.fft(frame, 512)) ** 2
        row = []
        for band in range(BINS):
            left = mel(20) + band * width
            energy = 0.0
            for k in range(256):
                place = (mel(k * 16_000 / 512) - left) / width
                energy += float(power[k]) * max(0.0, min(place, 2 - place))
            row.append(math.log(max(energy, 1.1920928955078125e-07)))
        out.append(row)
    return out


def test_features_are_kaldis() -> None:
    samples = signal(2000)
    expected = np.array(slowly(samples))
    found = fbank(samples)
    assert found.dtype == np.float32
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=2e-3)


def test_numbers_that_kaldi_gave() -> None:
    found = fbank(signal(16_000))
    assert found.shape == (98, BINS)
    for (frame, band), expected in KALDI.items():
        assert found[frame, band] == pytest.approx(expected, abs=1e-3), (frame, band)


@pytest.mark.parametrize(
    ("samples", "count"), [(0, 0), (399, 0), (400, 1), (559, 1), (560, 2), (16_000, 98), (25_600, 158)]
)
def test_only_whole_frames_count(samples: int, count: int) -> None:
    assert frames(samples) == count
    assert fbank(signal(samples)).shape == (count, BINS)


def test_a_long_sound_has_the_features_of_its_parts() -> None:
    samples = signal(160 * 700 + 240)
    whole = fbank(samples)
    assert len(whole) == 700
    for first in (0, 255, 256, 511, 699):
        np.testing.assert_allclose(whole[first], fbank(samples[first * 160 : first * 160 + 400])[0], atol=1e-5)


def test_silence_is_the_floor() -> None:
    for level in (0.0, 0.5):
        np.testing.assert_allclose(
            fbank(np.full(800, level, np.float32)), math.log(np.finfo(np.float32).eps), atol=1e-6
        )
