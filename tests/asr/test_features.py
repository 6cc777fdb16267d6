# SPDX-License-Identifier: Apache-2.0
"""The spectrogram."""

from __future__ import annotations

import numpy as np
import pytest

from harken.asr.features import Features, log_mel


def tone(hertz: float, seconds: float) -> Features:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * 16_000)) / 16_000)).astype(np.float32)


@pytest.mark.parametrize("n_mels", [80, 128])
@pytest.mark.parametrize("seconds", [0.0, 0.005, 0.3, 5.0, 9.0])
def test_any_length_of_sound_fills_the_asked_length(n_mels: int, seconds: float) -> None:
    found = log_mel(tone(440, seconds), n_mels, 600)
    assert found.shape == (n_mels, 600)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()


def test_silence_follows_the_sound_at_the_floor() -> None:
    found = log_mel(tone(440, 2.0), 80, 400)
    assert (found[:, 205:] == found.min()).all()
    assert found.max() - found.min() == pytest.approx(2.0)
    assert (found[:, :200].max(axis=0) > found.min() + 1).all()


def test_a_higher_tone_is_higher_up() -> None:
    low, high = (int(log_mel(tone(hertz, 1.0), 80, 100).mean(axis=1).argmax()) for hertz in (300, 3000))
    assert low < 15
    assert high > 45


def test_loudness_shifts_and_keeps_the_shape() -> None:
    loud = log_mel(tone(440, 1.0), 80, 100)
    soft = log_mel(tone(440, 1.0) / np.float32(10), 80, 100)
    assert np.allclose(loud - soft, 0.5, atol=0.01)
