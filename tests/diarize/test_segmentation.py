# SPDX-License-Identifier: Apache-2.0
"""The real segmentation model on the telephone call."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harken.audio.decode import Decoder
from harken.diarize.segmentation import FRAME, LOCAL, WINDOW, WINDOW_FRAMES, LocalSpeech, Samples, Segmenter
from harken.errors import ModelCorrupt, ModelUnavailable
from harken.model import SAMPLE_RATE


@pytest.fixture(scope="module")
def segmenter(segmentation_model: Path) -> Segmenter:
    return Segmenter(segmentation_model)


@pytest.fixture(scope="module")
def call(sample_wav: Path) -> Samples:
    with Decoder(sample_wav) as decoder:
        parts = []
        while (part := decoder.read()) is not None:
            parts.append(part[0])
        return np.concatenate(parts)


def heard(segmenter: Segmenter, samples: Samples, step: int = 296, block: int | None = None) -> list[LocalSpeech]:
    stream = segmenter.stream(step)
    found = []
    for at in range(0, len(samples), block or max(1, len(samples))):
        found.extend(stream.feed(samples[at : at + (block or len(samples))]))
    return found + stream.feed(samples[:0], last=True)


def test_frames_lie_where_the_sound_is(segmenter: Segmenter, call: Samples) -> None:
    # A digital silence of three seconds, cut into the call where somebody speaks without a pause.
    samples = call.copy()
    begin, end = 11 * SAMPLE_RATE, 14 * SAMPLE_RATE
    samples[begin:end] = 0
    window = heard(segmenter, samples[8 * SAMPLE_RATE : 18 * SAMPLE_RATE])[0]
    loud = window.activity.max(axis=1) > 0.5
    silent = np.flatnonzero(~loud[150:400]) + 150
    assert silent[0] * FRAME / SAMPLE_RATE == pytest.approx(3, abs=0.1)
    assert (silent[-1] + 1) * FRAME / SAMPLE_RATE == pytest.approx(6, abs=0.1)


def test_shares_of_local_speakers_are_probabilities(segmenter: Segmenter, call: Samples) -> None:
    for window in heard(segmenter, call):
        assert window.activity.shape == window.solo.shape == (WINDOW_FRAMES, LOCAL)
        assert window.activity.min() >= 0
        assert window.activity.max() <= 1 + 1e-5
        assert np.all(window.solo <= window.activity + 1e-6)
        assert window.solo.sum(axis=1).max() <= 1 + 1e-5


@pytest.mark.parametrize("block", [999, 16_000, 333_333])
def test_blocks_do_not_matter(segmenter: Segmenter, call: Samples, block: int) -> None:
    whole, cut = heard(segmenter, call), heard(segmenter, call, block=block)
    assert [window.start for window in whole] == [window.start for window in cut]
    for one, other in zip(whole, cut, strict=True):
        assert np.array_equal(one.activity, other.activity)


@pytest.mark.parametrize("samples", [1, FRAME, 3200, WINDOW - 1, WINDOW, WINDOW + 1, WINDOW + 81 * 1000, 400_000])
def test_every_frame_is_heard_and_none_after_the_end(segmenter: Segmenter, call: Samples, samples: int) -> None:
    windows = heard(segmenter, call[:samples], step=296)
    total = -(-samples // FRAME)
    covered = np.zeros(total, bool)
    for window in windows:
        covered[window.start : window.start + len(window.activity)] = True
        assert window.start + len(window.activity) <= max(total, WINDOW_FRAMES)
    assert covered.all()
    assert windows[-1].start + len(windows[-1].activity) == total
    assert [window.start for window in windows] == sorted({window.start for window in windows})


def test_nothing_gives_no_window(segmenter: Segmenter) -> None:
    assert heard(segmenter, np.zeros(0, np.float32)) == []


def test_steps_that_leave_gaps_are_refused(segmenter: Segmenter) -> None:
    for step in (0, WINDOW_FRAMES + 1):
        with pytest.raises(ValueError, match="step"):
            segmenter.stream(step)


def test_a_file_that_is_no_model(tmp_path: Path) -> None:
    path = tmp_path / "segmentation.onnx"
    with pytest.raises(ModelUnavailable, match=r"segmentation\.onnx"):
        Segmenter(path)
    path.write_bytes(b"no model")
    with pytest.raises(ModelCorrupt, match=r"segmentation\.onnx"):
        Segmenter(path)
