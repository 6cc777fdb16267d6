# SPDX-License-Identifier: Apache-2.0
"""Speakers through the library: who says what in a real call, and voices that are known from another recording."""

from __future__ import annotations

import io
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.call import cut, paired

import harken
from harken.diarize.diarizer import Diarizer
from harken.errors import InvalidOption, UnusableVoice
from harken.library import LoadedModel

pytestmark = pytest.mark.usefixtures("vad_model", "segmentation_model", "campplus_model")


@pytest.fixture(scope="module")
def model(models_dir: Path, base_model: Path) -> Iterator[LoadedModel]:
    with harken.load("base", models_dir=models_dir) as loaded:
        yield loaded


@pytest.fixture(scope="module")
def transcript(model: LoadedModel, sample_wav: Path) -> harken.Transcript:
    return model.transcribe(sample_wav, diarize=True)


def test_who_says_what_in_a_call(transcript: harken.Transcript, sample_wav: Path) -> None:
    pairs = paired(sample_wav, [(word.text, word.speaker) for word in transcript.words])
    assert [speaker.id for speaker in transcript.speakers] == ["SPEAKER_00", "SPEAKER_01"]
    right = pairs["Diane", "SPEAKER_00"] + pairs["Sheila", "SPEAKER_01"]
    assert right >= 0.9 * pairs.total(), pairs


def test_a_labelled_transcript_holds_together(
    transcript: harken.Transcript, model: LoadedModel, sample_wav: Path
) -> None:
    assert transcript.text == model.transcribe(sample_wav).text
    assert transcript.warnings == ()
    ids = {speaker.id for speaker in transcript.speakers}
    assert {turn.speaker for turn in transcript.turns} == ids
    for segment in transcript.segments:
        assert {word.speaker for word in segment.words} == {segment.speaker}
        assert segment.speaker_confidence is not None
        assert 0 <= segment.speaker_confidence <= 1


def test_a_known_voice_gets_its_name_and_a_stranger_none(
    model: LoadedModel, sample_wav: Path, beckett_wav: Path, models_dir: Path
) -> None:
    sheila = harken.voice("Sheila", cut(sample_wav, 24.0, 28.4), models_dir=models_dir)
    stranger = model.speakers.voice("Sam", beckett_wav)
    found = harken.speakers(sample_wav, models_dir=models_dir, known_voices=(stranger, sheila))
    assert [speaker.label for speaker in found.speakers] == ["SPEAKER_00", "Sheila"]
    part = harken.speakers(sample_wav, models_dir=models_dir, offset=14.0, duration=10.0)
    assert 14.0 <= part.turns[0].start < part.turns[-1].end <= 24.0


def test_channels_are_speakers_without_comparing(model: LoadedModel, beckett_wav: Path) -> None:
    with wave.open(str(beckett_wav)) as one:
        rate = one.getframerate()
        left = np.frombuffer(one.readframes(8 * rate), np.int16)
    target = io.BytesIO()
    with wave.open(target, "wb") as two:
        two.setnchannels(2)
        two.setsampwidth(2)
        two.setframerate(rate)
        two.writeframes(np.stack([left, np.roll(left, 4 * rate)], axis=1).tobytes())
    got = model.transcribe(target.getvalue(), diarize=True, channels="split")
    assert {segment.speaker for segment in got.segments} == {"SPEAKER_00", "SPEAKER_01"}
    assert all(segment.speaker == f"SPEAKER_0{segment.channel}" for segment in got.segments)


def test_a_failure_costs_the_speakers_only(
    model: LoadedModel, beckett_wav: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(Diarizer, "diarize", fails)
    got = model.transcribe(beckett_wav, diarize=True)
    assert "fail better" in got.text.lower()
    assert got.speakers == ()
    assert got.warnings == ("speakers could not be told apart: RuntimeError",)


def test_what_cannot_be_done_is_refused(model: LoadedModel, sample_wav: Path, models_dir: Path) -> None:
    with pytest.raises(InvalidOption, match="use transcribe"):
        next(model.stream(sample_wav, diarize=True))
    with pytest.raises(InvalidOption, match="language"):
        harken.speakers(sample_wav, models_dir=models_dir, language="en")
    with pytest.raises(InvalidOption, match="min_speakers"):
        harken.speakers(sample_wav, models_dir=models_dir, min_speakers=3, max_speakers=2)
    with pytest.raises(UnusableVoice, match="2 people"):
        harken.voice("Both", sample_wav, models_dir=models_dir)
    with pytest.raises(UnusableVoice, match="no speech"):
        model.speakers.voice("Nobody", np.zeros(48_000, np.float32))
