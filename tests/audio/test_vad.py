# SPDX-License-Identifier: Apache-2.0
"""Speech detection: how probabilities become spans, and that the real detector hears speech and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harken.audio.decode import Decoder
from harken.audio.vad import FRAME, SileroDetector, SpanFinder, SpeechParams, SpeechStream
from harken.errors import ModelCorrupt, ModelUnavailable

PARAMS = SpeechParams(onset=0.5, offset=0.3, min_silence=0.096, min_speech=0.064)  # 3 and 2 frames


def spans(*probabilities: float, params: SpeechParams = PARAMS) -> list[tuple[int, int]]:
    finder = SpanFinder(params)
    finder.feed(np.array(probabilities, np.float32))
    finder.finish()
    return finder.spans


def test_speech_begins_at_the_onset_and_goes_on_at_the_offset() -> None:
    assert spans(0.4, 0.6, 0.4, 0.4, 0.1, 0.1, 0.1) == [(1, 4)]


def test_short_dips_are_no_pauses() -> None:
    assert spans(0.9, 0.9, 0.0, 0.0, 0.9, 0.9) == [(0, 6)]
    assert spans(0.9, 0.9, 0.0, 0.0, 0.0, 0.9, 0.9) == [(0, 2), (5, 7)]


def test_bursts_are_no_speech() -> None:
    assert spans(0.0, 0.9, 0.0, 0.0, 0.0) == []


def test_speech_at_the_end_ends_there() -> None:
    assert spans(0.0, 0.9, 0.9) == [(1, 3)]
    assert spans(0.0, 0.9, 0.9, 0.0) == [(1, 3)]


@given(st.lists(st.floats(0, 1, width=32), max_size=80), st.integers(0, 80))
def test_spans_do_not_depend_on_how_they_are_fed(probabilities: list[float], cut: int) -> None:
    finder = SpanFinder(PARAMS)
    finder.feed(np.array(probabilities[:cut], np.float32))
    finder.feed(np.array(probabilities[cut:], np.float32))
    finder.finish()
    assert finder.spans == spans(*probabilities)
    edges = [edge for span in finder.spans for edge in span]
    assert edges == sorted(set(edges))


@pytest.fixture(scope="module")
def detector(vad_model: Path) -> SileroDetector:
    return SileroDetector(vad_model)


@pytest.fixture(scope="module")
def voice(beckett_wav: Path) -> npt.NDArray[np.float32]:
    with Decoder(beckett_wav) as decoder:
        parts = []
        while (block := decoder.read()) is not None:
            parts.append(block[0])
    return np.concatenate(parts)


def share(stream: SpeechStream, samples: npt.NDArray[np.float32]) -> float:
    """How much of the samples is speech."""
    finder = SpanFinder(SpeechParams())
    finder.feed(stream.feed(samples, last=True))
    finder.finish()
    return sum(end - start for start, end in finder.spans) * FRAME / len(samples)


def test_voice_is_speech(detector: SileroDetector, voice: npt.NDArray[np.float32]) -> None:
    assert share(detector.stream(), voice) > 0.4  # it is read with many pauses


@pytest.mark.parametrize("decibels", [-20, -40, -60])
def test_soft_voice_is_speech_too(detector: SileroDetector, voice: npt.NDArray[np.float32], decibels: int) -> None:
    soft = (voice * 10 ** (decibels / 20)).astype(np.float32)
    assert share(detector.stream(), soft) == pytest.approx(share(detector.stream(), voice), abs=0.1)


@pytest.mark.parametrize("level", [0.0, 1e-4, 0.1])
def test_noise_is_no_speech(detector: SileroDetector, level: float) -> None:
    noise = (level * np.random.default_rng(5).standard_normal(160_000)).astype(np.float32)
    assert share(detector.stream(), noise) == 0


def test_streams_do_not_depend_on_each_other_or_on_the_size_of_steps(
    detector: SileroDetector, voice: npt.NDArray[np.float32]
) -> None:
    whole = detector.stream().feed(voice, last=True)
    assert len(whole) == -(-len(voice) // FRAME)
    one, other = detector.stream(), detector.stream()
    # The first step holds the loudest sample, so that both are made equally loud.
    first = int(np.argmax(np.abs(voice))) + 1
    steps = [voice[:first], *np.array_split(voice[first:], 37)]
    found = []
    for step in steps:
        found.append(one.feed(step))
        other.feed(step[::-1].copy())
    found.append(one.feed(voice[:0], last=True))
    np.testing.assert_allclose(np.concatenate(found), whole, atol=1e-4)


def test_missing_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="the speech detector is not here"):
        SileroDetector(tmp_path / "silero_vad.onnx")


def test_a_file_that_is_no_model(tmp_path: Path) -> None:
    path = tmp_path / "silero_vad.onnx"
    path.write_bytes(b"not a model")
    with pytest.raises(ModelCorrupt, match="the speech detector cannot be loaded"):
        SileroDetector(path)
