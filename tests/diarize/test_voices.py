# SPDX-License-Identifier: Apache-2.0
"""Voices learnt from one recording and found in another; strangers stay strangers."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from harken.audio.decode import Decoder
from harken.diarize.diarizer import Diarizer
from harken.diarize.embedding import Embedder
from harken.diarize.lines import LINES
from harken.diarize.segmentation import Samples, Segmenter
from harken.diarize.voices import LEAST, match, similarity, single, threshold
from harken.errors import UnusableVoice
from harken.model import SAMPLE_RATE, Diarization, KnownVoice, Speaker


def read(path: Path) -> Samples:
    blocks = []
    with Decoder(path) as decoder:
        while (block := decoder.read()) is not None:
            blocks.append(block[0])
    return np.concatenate(blocks)


def at(degrees: float) -> tuple[float, ...]:
    """A voice whose cosine to that at 0 is the angle's."""
    return (math.cos(math.radians(degrees)), math.sin(math.radians(degrees)))


def speaker(number: int, degrees: float, seconds: float = 30.0) -> Speaker:
    return Speaker(f"SPEAKER_{number:02d}", seconds, at(degrees))


@pytest.fixture(scope="module")
def diarizer(segmentation_model: Path, campplus_model: Path) -> Diarizer:
    return Diarizer(Segmenter(segmentation_model), Embedder(campplus_model))


def test_a_voice_is_found_again_in_another_part_and_not_in_strangers(
    diarizer: Diarizer, two_cities_wav: Path, sample_wav: Path
) -> None:
    reading = read(two_cities_wav)
    silence = np.zeros(3 * SAMPLE_RATE, np.float32)
    known = single(diarizer.diarize([silence, reading[: 12 * SAMPLE_RATE], silence]))
    assert 6 < known.seconds < 12.5
    assert math.hypot(*known.centroid) == pytest.approx(1, abs=1e-3)
    voices = [KnownVoice("Reader", known.centroid)]
    [again] = match(diarizer.diarize([reading[20 * SAMPLE_RATE :]]).speakers, voices)
    assert again.name == "Reader"
    assert again.similarity is not None
    assert again.similarity > 0.6
    callers = match(diarizer.diarize([read(sample_wav)]).speakers, voices)
    assert callers
    assert {(caller.name, caller.similarity) for caller in callers} == {(None, None)}


def test_a_recording_of_several_is_refused(diarizer: Diarizer, two_cities_wav: Path, sample_wav: Path) -> None:
    with pytest.raises(UnusableVoice, match=r"\d people speak.*only that person"):
        single(diarizer.diarize([read(two_cities_wav)[: 10 * SAMPLE_RATE], read(sample_wav)]))


@pytest.mark.parametrize("kind", ["nothing", "silence", "hiss"])
def test_a_recording_without_speech_is_refused(diarizer: Diarizer, kind: str) -> None:
    samples = {
        "nothing": np.zeros(0, np.float32),
        "silence": np.zeros(5 * SAMPLE_RATE, np.float32),
        "hiss": np.random.default_rng(0).normal(0, 0.01, 5 * SAMPLE_RATE).astype(np.float32),
    }[kind]
    with pytest.raises(UnusableVoice, match="no speech"):
        single(diarizer.diarize([samples]))


def test_too_little_speech_is_refused(diarizer: Diarizer, beckett_wav: Path) -> None:
    with pytest.raises(UnusableVoice, match=r"\d\.\d s of speech.*needs 1\.5 s at least"):
        single(diarizer.diarize([read(beckett_wav)[SAMPLE_RATE : 2 * SAMPLE_RATE]]))


def test_a_cough_is_no_second_speaker() -> None:
    main = speaker(0, 0, 20.0)
    assert single(Diarization(speakers=(speaker(1, 90, 1.0), main))).centroid == main.centroid
    assert single(Diarization(speakers=(main, speaker(1, 90, 1.9)))).seconds == 20.0
    with pytest.raises(UnusableVoice, match="2 people"):
        single(Diarization(speakers=(main, speaker(1, 90, 3.0))))
    with pytest.raises(UnusableVoice, match="3 people"):
        single(Diarization(speakers=(main, speaker(1, 90, 8.0), speaker(2, 45, 8.0))))


def test_more_speech_must_be_more_like_the_known_voice() -> None:
    assert threshold(LEAST) < threshold(3.0) < threshold(10.0) == threshold(1000.0)
    between = math.degrees(math.acos((threshold(LEAST) + threshold(30.0)) / 2))
    voices = [KnownVoice("Ann", at(0))]
    little, much = match([speaker(0, between, LEAST)], voices), match([speaker(0, between, 30.0)], voices)
    assert little[0].name == "Ann"
    assert little[0].similarity == pytest.approx(math.cos(math.radians(between)), abs=1e-3)
    assert much[0].name is None


def test_who_hardly_speaks_is_nobody() -> None:
    assert match([speaker(0, 0, LEAST - 0.1)], [KnownVoice("Ann", at(0))])[0].name is None


def test_each_voice_is_one_speakers_and_each_speaker_one_voices() -> None:
    ann, bob = KnownVoice("Ann", at(0)), KnownVoice("Bob", at(30))
    found = match([speaker(0, 10), speaker(1, 5), speaker(2, 200)], [ann, bob])
    assert [item.name for item in found] == ["Bob", "Ann", None]
    assert [item.id for item in found] == ["SPEAKER_00", "SPEAKER_01", "SPEAKER_02"]
    assert [item.name for item in match([speaker(0, 10), speaker(1, 5)], [ann])] == [None, "Ann"]
    assert [item.name for item in match([speaker(0, 14)], [ann, bob])] == ["Ann"]
    assert match([speaker(0, 0)], []) == (speaker(0, 0),)


def test_what_a_line_does_to_all_voices_is_left_out() -> None:
    rng = np.random.default_rng(0)
    ann, bob = (rng.normal(0, 1, LINES.shape[1]) for _ in range(2))
    far, away = (list(voice + 20 * LINES[0] - 10 * LINES[1]) for voice in (ann, bob))
    assert abs(similarity(list(ann), list(bob))) < 0.2
    assert similarity(far, away) == pytest.approx(similarity(list(ann), list(bob)), abs=0.01)
    assert similarity(list(ann), far) == pytest.approx(1.0, abs=0.01)


def test_voices_of_another_model_are_like_nobody() -> None:
    assert similarity((1.0, 0.0), (1.0, 0.0, 0.0)) == 0.0
    assert similarity((), ()) == 0.0
    assert similarity((0.0, 0.0), (1.0, 0.0)) == 0.0
    assert similarity((2.0, 0.0), (0.5, 0.0)) == pytest.approx(1.0)
    assert match([Speaker("SPEAKER_00", 30.0)], [KnownVoice("Ann", at(0))])[0].name is None
