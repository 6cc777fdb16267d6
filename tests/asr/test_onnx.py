# SPDX-License-Identifier: Apache-2.0
"""The second engine, on a CTC model that the tests make: it writes down which of three chords sounds."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx_asr.preprocessors.numpy_preprocessor import NemoPreprocessorNumpy

from harken.asr.engine import Context, Recognizer, Samples, heard_seconds, load
from harken.errors import InvalidOption, MissingExtra, ModelCorrupt, ModelUnavailable
from harken.model import SAMPLE_RATE, Options, Window

Chord = tuple[int, ...]
LOW, MIDDLE, HIGH = tuple(range(300, 901, 50)), tuple(range(1300, 2201, 75)), tuple(range(3000, 5001, 150))
VOCABULARY = ("<unk>", "\u2581lo", "w", "\u2581high.", "<blk>")
WRITES = {1: LOW, 2: MIDDLE, 3: HIGH}
"""The chord, in Hz, that each token is written for."""
STEP = 8
"""Feature frames of 10 ms for each output frame."""


@dataclass(frozen=True)
class Piece:
    """A window and its samples."""

    window: Window
    samples: Samples


def tone(chord: Chord, seconds: float) -> Samples:
    """A chord with soft ends, so that it sounds in its own bands only."""
    time = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    waves = np.sin(2 * np.pi * np.outer(chord, time) + np.arange(len(chord))[:, None] ** 2).sum(axis=0)
    samples: Samples = (0.05 * waves * np.hanning(len(time))).astype(np.float32)
    return samples


def piece(*parts: Samples, start: float = 0.0, channel: int | None = None) -> Piece:
    # A floor of noise, as in any recording: without one, what leaks out of a tone stands out as much as the tone.
    samples = np.concatenate(parts)
    samples = samples + np.random.default_rng(1).normal(0, 0.003, len(samples)).astype(np.float32)
    return Piece(Window(start, start + len(samples) / SAMPLE_RATE, channel=channel), samples)


def silence(seconds: float) -> Samples:
    return np.zeros(int(seconds * SAMPLE_RATE), dtype=np.float32)


def bands(chord: Chord) -> list[int]:
    """The mel bands that a chord stands out in."""
    audio = piece(silence(1.0), tone(chord, 1.0)).samples[None, :]
    features, _ = NemoPreprocessorNumpy("nemo80")(audio, np.array([audio.shape[1]], dtype=np.int64))
    return [int(index) for index in np.flatnonzero(features[0, :, 130:170].mean(axis=1) > 0.9)]


def make_model(folder: Path, **config: object) -> Path:
    """A NeMo-shaped CTC model: a token's score in a frame is the mean of its chord's mel bands."""
    folder.mkdir(parents=True)
    weights = np.zeros((80, len(VOCABULARY)), dtype=np.float32)
    for token, chord in WRITES.items():
        heard = bands(chord)
        assert len(heard) >= 8
        weights[heard, token] = 20.0 / len(heard)
    bias = np.full(len(VOCABULARY), -9.0, dtype=np.float32)
    bias[4] = 9.0
    graph = helper.make_graph(
        [
            helper.make_node("Slice", ["audio_signal", "starts", "ends", "axes", "steps"], ["frames"]),
            helper.make_node("Transpose", ["frames"], ["turned"], perm=[0, 2, 1]),
            helper.make_node("MatMul", ["turned", "weights"], ["scores"]),
            helper.make_node("Add", ["scores", "bias"], ["logits"]),
            helper.make_node("LogSoftmax", ["logits"], ["logprobs"], axis=-1),
        ],
        "bands",
        [
            helper.make_tensor_value_info("audio_signal", TensorProto.FLOAT, ["batch", 80, "time"]),
            helper.make_tensor_value_info("length", TensorProto.INT64, ["batch"]),
        ],
        [helper.make_tensor_value_info("logprobs", TensorProto.FLOAT, ["batch", "steps", len(VOCABULARY)])],
        [
            numpy_helper.from_array(weights, "weights"),
            numpy_helper.from_array(bias, "bias"),
            *(
                numpy_helper.from_array(np.array([value], dtype=np.int64), name)
                for name, value in (("starts", 0), ("ends", 2**31), ("axes", 2), ("steps", STEP))
            ),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, folder / "model.onnx")
    (folder / "vocab.txt").write_text(
        "".join(f"{token} {index}\n" for index, token in enumerate(VOCABULARY)), encoding="utf-8"
    )
    settings = {"model_type": "nemo-conformer-ctc", "subsampling_factor": STEP, **config}
    (folder / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("models") / "bands", languages=["de"])


@pytest.fixture(scope="module")
def recognizer(folder: Path) -> Recognizer:
    return load(folder, engine="onnx")


TIMED = Options(word_timestamps=True)


def test_words_stand_where_they_sound(recognizer: Recognizer) -> None:
    audio = piece(silence(1), tone(LOW, 0.5), silence(1.5), tone(HIGH, 0.5), silence(0.5), start=100.0, channel=1)
    [result] = recognizer.recognise([audio], TIMED, Context())
    assert result.window == audio.window
    assert [segment.text for segment in result.segments] == [" lo", " high."]
    first, second = (segment.words[0] for segment in result.segments)
    assert 101.0 <= first.start < first.end <= 101.75
    assert 103.0 <= second.start < second.end <= 103.75
    assert 0.5 < first.probability <= 1.0
    assert {segment.channel for segment in result.segments} == {1}
    assert {segment.language for segment in result.segments} == {result.language} == {"de"}


def test_tokens_are_joined_into_a_word(recognizer: Recognizer) -> None:
    audio = piece(silence(0.5), tone(LOW, 0.4), tone(MIDDLE, 0.4), tone(LOW, 0.4), silence(1))
    [result] = recognizer.recognise([audio], TIMED, Context())
    [segment] = result.segments
    assert segment.text == " low lo"
    assert [word.text for word in segment.words] == [" low", " lo"]
    assert "".join(word.text for word in segment.words) == segment.text
    assert segment.words[0].end <= segment.words[1].start


def test_a_sentence_ends_a_segment(recognizer: Recognizer) -> None:
    audio = piece(silence(0.5), tone(HIGH, 0.3), tone(LOW, 0.3), tone(HIGH, 0.3), silence(0.5))
    [result] = recognizer.recognise([audio], Options(), Context())
    assert [segment.text for segment in result.segments] == [" high.", " lo high."]
    assert all(not segment.words for segment in result.segments)


def test_without_timestamps_gives_one_segment_a_window(recognizer: Recognizer) -> None:
    audio = piece(silence(0.5), tone(HIGH, 0.3), silence(1), tone(LOW, 0.3), silence(0.5), start=7.0)
    [result] = recognizer.recognise([audio], Options(without_timestamps=True), Context())
    [segment] = result.segments
    assert (segment.text, segment.start, segment.end) == (" high. lo", 7.0, audio.window.end)


def test_a_text_does_not_depend_on_its_batch(recognizer: Recognizer) -> None:
    audios = [
        piece(silence(0.5), tone(HIGH, 0.4), silence(0.6)),
        piece(silence(0.2), tone(LOW, 0.4), silence(2.2)),
        piece(*[tone(LOW, 0.3), silence(0.4), tone(HIGH, 0.4), silence(0.9)] * 4),
    ]
    assert len({heard_seconds(audio.window) for audio in audios}) > 1
    alone = [recognizer.recognise([audio], TIMED, Context())[0] for audio in audios]
    assert recognizer.recognise(audios, TIMED, Context()) == alone
    assert [result.segments[0].text for result in alone] == [" high.", " lo", " lo high."]


def test_silence_and_slivers_give_no_text(recognizer: Recognizer) -> None:
    sliver = Piece(Window(5.0, 5.01), silence(0.01))
    results = recognizer.recognise([piece(silence(2)), sliver], Options(), Context())
    assert [result.segments for result in results] == [(), ()]
    assert recognizer.recognise([], Options(), Context()) == []


@pytest.mark.parametrize(
    ("options", "param"),
    [
        (Options(task="translate"), "task"),
        (Options(prompt="Names: Ada"), "prompt"),
        (Options(vocabulary=("Ada",)), "vocabulary"),
        (Options(condition_on_previous_text=True), "condition_on_previous_text"),
        (Options(beam_size=5), "beam_size"),
        (Options(best_of=5), "best_of"),
        (Options(temperature=0.4), "temperature"),
        (Options(language="en"), "language"),
    ],
)
def test_what_the_family_cannot_do_is_refused_by_name(recognizer: Recognizer, options: Options, param: str) -> None:
    with pytest.raises(InvalidOption) as refused:
        recognizer.recognise([piece(silence(1))], options, Context())
    assert refused.value.param == param


def test_what_the_family_can_do_is_taken(recognizer: Recognizer) -> None:
    options = Options(language="de", beam_size=1, best_of=1, temperature=0.0, prompt="")
    [result] = recognizer.recognise([piece(silence(0.5), tone(LOW, 0.5), silence(0.5))], options, Context())
    assert [segment.text for segment in result.segments] == [" lo"]


def test_a_model_that_lists_no_language_says_none_and_takes_none(tmp_path: Path) -> None:
    recognizer = load(make_model(tmp_path / "quiet"), engine="onnx")
    assert recognizer.recognise([piece(silence(1))], Options(), Context())[0].language is None
    with pytest.raises(InvalidOption, match="cannot be told a language"):
        recognizer.recognise([piece(silence(1))], Options(language="de"), Context())
    recognizer.close()


def test_broken_folders_say_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelUnavailable, match=r"no config\.json"):
        load(tmp_path / "empty", engine="onnx")
    with pytest.raises(ModelUnavailable, match="whisper"):
        load(make_model(tmp_path / "other", model_type="whisper"), engine="onnx")
    cut = make_model(tmp_path / "cut")
    (cut / "model.onnx").write_bytes((cut / "model.onnx").read_bytes()[:300])
    with pytest.raises(ModelCorrupt, match="cut"):
        load(cut, engine="onnx")
    (cut / "model.onnx").unlink()
    with pytest.raises(ModelUnavailable, match=r"model\.onnx"):
        load(cut, engine="onnx")
    (cut / "config.json").write_text("{", encoding="utf-8")
    with pytest.raises(ModelCorrupt, match="not JSON"):
        load(cut, engine="onnx")


def test_the_extra_is_named_when_it_is_missing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx_asr", None)
    with pytest.raises(MissingExtra, match=r"harken\[onnx\]"):
        load(folder, engine="onnx")
