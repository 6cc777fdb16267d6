# SPDX-License-Identifier: Apache-2.0
"""Whisper base on real speech: a reading, a telephone call, silence."""

from __future__ import annotations

import re
import weakref
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import ctranslate2
import numpy as np
import pytest

from harken.asr.engine import Context, Recognizer, batch_key, load
from harken.asr.windows import PlannedWindow
from harken.audio.vad import SileroDetector
from harken.errors import InvalidOption, ModelUnavailable
from harken.model import SAMPLE_RATE, DropReason, Options, Segment, Window, WindowResult
from harken.pipeline import Planner

ENGLISH = Options(language="en")


@pytest.fixture(scope="module")
def recognizer(base_model: Path) -> Iterator[Recognizer]:
    loaded = load(base_model, device="cpu")
    yield loaded
    loaded.close()


@pytest.fixture(scope="module")
def vad(vad_model: Path) -> SileroDetector:
    return SileroDetector(vad_model)


def planned(path: Path, vad: SileroDetector) -> list[PlannedWindow]:
    with Planner(path, Options(), vad) as planner:
        return list(planner.next(100).windows)


@pytest.fixture(scope="module")
def reading(two_cities_wav: Path, vad: SileroDetector) -> list[PlannedWindow]:
    return planned(two_cities_wav, vad)


@pytest.fixture(scope="module")
def beckett(beckett_wav: Path, vad: SileroDetector) -> PlannedWindow:
    (window,) = planned(beckett_wav, vad)
    return window


def test_who_watches_hears_of_every_step(base_model: Path, reading: list[PlannedWindow]) -> None:
    steps: list[None] = []
    loaded = load(base_model, device="cpu", on_step=lambda: steps.append(None))
    loading = len(steps)
    assert loading == 1
    (first, *_), options = reading, ENGLISH.but(word_timestamps=True)
    assert loaded.recognise([first], options, Context())[0].segments
    one = len(steps) - loading
    assert one >= 3, "it encodes, searches and aligns"
    loaded.recognise([first, first], options, Context())
    assert len(steps) - loading - one >= one + 2, "clips are encoded and aligned alone"
    loaded.close()


def part(whole: PlannedWindow, start: float, end: float) -> PlannedWindow:
    """A stretch of a window; start and end in seconds of the recording."""
    first, last = (round((time - whole.window.start) * SAMPLE_RATE) for time in (start, end))
    speech = tuple((max(a, start), min(b, end)) for a, b in whole.window.speech if a < end and b > start)
    return PlannedWindow(Window(start, end, speech), whole.samples[first:last])


def text(results: list[WindowResult]) -> str:
    return "".join(segment.text for result in results for segment in result.segments)


def words(said: str) -> list[str]:
    return re.findall(r"[\w']+", said.lower())


def segments(results: list[WindowResult]) -> list[Segment]:
    return [segment for result in results for segment in result.segments]


def test_a_reading_is_written_down(recognizer: Recognizer, reading: list[PlannedWindow]) -> None:
    results = recognizer.recognise(reading, Options(), Context())
    assert {result.language for result in results} == {"en"}
    assert all(result.language_probability for result in results)
    said = " ".join(words(text(results)))
    for phrase in (
        "it was the best of times it was the worst of times it was the age of wisdom",
        "the epoch of belief it was the epoch of incredulity",
        "direct the other way",
        "insisted on its being received for good or for evil in the superlative degree of comparison only",
    ):
        assert phrase in said
    for item in segments(results):
        assert -1 < item.avg_logprob < 0
        assert item.no_speech_prob < 0.5
        assert item.temperature == 0


def test_a_telephone_call_is_written_down(recognizer: Recognizer, sample_wav: Path, vad: SileroDetector) -> None:
    said = words(text(recognizer.recognise(planned(sample_wav, vad), Options(), Context())))
    assert {"hello", "diane", "you", "know"} <= set(said)
    assert 70 <= len(said) <= 110


def test_times_are_in_order_and_inside_the_windows(recognizer: Recognizer, reading: list[PlannedWindow]) -> None:
    results = recognizer.recognise(reading, ENGLISH.but(word_timestamps=True), Context())
    for planned_window, result in zip(reading, results, strict=True):
        assert result.window == planned_window.window
        edges = [time for segment in result.segments for time in (segment.start, segment.end)]
        assert edges == sorted(edges)
        assert planned_window.window.start <= edges[0]
        assert edges[-1] <= planned_window.window.end
        assert result.language_probability is None
        for segment in result.segments:
            assert "".join(word.text for word in segment.words) == segment.text
            times = [time for word in segment.words for time in (word.start, word.end)]
            assert times == sorted(times)
            assert (times[0], times[-1]) == (segment.start, segment.end)
            assert all(0 < word.probability <= 1 for word in segment.words)
            assert all(word.end - word.start < 1.5 for word in segment.words)


def test_words_stand_where_they_are_said(recognizer: Recognizer, beckett: PlannedWindow) -> None:
    """The reader pauses after every phrase: no word is drawn over a pause, and each phrase begins where speech does."""
    (result,) = recognizer.recognise([beckett], ENGLISH.but(word_timestamps=True), Context())
    said = [word for segment in result.segments for word in segment.words]
    assert len(said) == 12
    firsts = [said[0], *(now for before, now in pairwise(said) if now.start - before.end > 0.3)]
    speech = beckett.window.speech
    assert [word.start for word in firsts] == pytest.approx([start for start, _ in speech], abs=0.3)
    for word in said:
        heard = sum(max(0.0, min(word.end, end + 0.15) - max(word.start, start - 0.15)) for start, end in speech)
        assert heard == pytest.approx(word.end - word.start, abs=0.01)


def test_text_does_not_depend_on_the_batch(recognizer: Recognizer, reading: list[PlannedWindow]) -> None:
    options = Options(word_timestamps=True)
    short = [part(reading[0], start, start + 6.5) for start in (1.0, 5.0, 12.0, 18.0)]
    assert len({batch_key(item.window, options) for item in short}) == 1
    together = recognizer.recognise(short, options, Context())
    backwards = recognizer.recognise(short[::-1], options, Context())[::-1]
    alone = [recognizer.recognise([item], options, Context())[0] for item in short]
    for one, other, third in zip(together, backwards, alone, strict=True):
        assert words(text([one]))
        assert [item.tokens for item in one.segments] == [item.tokens for item in third.segments]
        assert [item.tokens for item in one.segments] == [item.tokens for item in other.segments]
        assert [item.words for item in one.segments] == [item.words for item in third.segments]


def test_sampling_gives_the_same_each_time(recognizer: Recognizer, beckett: PlannedWindow) -> None:
    options = ENGLISH.but(temperature=1.0, best_of=1)
    first, second = (recognizer.recognise([beckett], options, Context()) for _ in range(2))
    assert first == second
    assert all(segment.temperature == 1.0 for segment in first[0].segments)


def test_sampling_never_holds_two_models(
    base_model: Path, beckett: PlannedWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = ctranslate2.models.Whisper
    made: list[weakref.ref[object]] = []

    def make(*args: object, **kwargs: object) -> object:
        assert all(earlier() is None for earlier in made), "the weights are in memory twice"
        model = real(*args, **kwargs)
        made.append(weakref.ref(model))
        return model

    monkeypatch.setattr(ctranslate2.models, "Whisper", make)
    recognizer = load(base_model, device="cpu")
    options = ENGLISH.but(temperature=1.0, best_of=1)
    first, second = (recognizer.recognise([beckett], options, Context()) for _ in range(2))
    assert first == second
    assert len(made) > 1, "nothing was loaded again"
    recognizer.close()


def test_noise_without_speech_gives_no_text(recognizer: Recognizer) -> None:
    noise = np.random.default_rng(1).normal(0, 0.05, 10 * SAMPLE_RATE).astype(np.float32)
    quiet = np.zeros(10 * SAMPLE_RATE, np.float32)
    for samples in (noise, quiet):
        (result,) = recognizer.recognise([PlannedWindow(Window(0, 10), samples)], ENGLISH, Context())
        assert result.segments == ()
        assert all(item.text for item in result.dropped)


def test_text_outside_the_speech_is_dropped(recognizer: Recognizer, reading: list[PlannedWindow]) -> None:
    heard = reading[0]
    first = (heard.window.start, heard.window.start + 4)
    silenced = PlannedWindow(Window(heard.window.start, heard.window.end, (first,)), heard.samples)
    (result,) = recognizer.recognise([silenced], ENGLISH, Context())
    assert words(text([result]))[:6] == ["it", "was", "the", "best", "of", "times"]
    assert all(segment.start < first[1] + 0.4 for segment in result.segments)
    assert result.dropped
    assert {item.reason for item in result.dropped} == {DropReason.NO_SPEECH}
    assert all(item.start > first[1] for item in result.dropped)


def test_hot_words_raise_odds(recognizer: Recognizer, sample_wav: Path, vad: SileroDetector) -> None:
    windows = planned(sample_wav, vad)
    plain = text(recognizer.recognise(windows, ENGLISH, Context()))
    hot = text(recognizer.recognise(windows, ENGLISH.but(vocabulary=("Dyane",)), Context()))
    assert "This is Diane" in plain
    assert "This is Dyane" in hot


def test_a_prompt_sets_the_style(recognizer: Recognizer, beckett: PlannedWindow) -> None:
    prompt = "EVERYTHING IS IN CAPITALS HERE. NOBODY EVER STOPS SHOUTING. THAT IS HOW IT IS."
    loud = text(recognizer.recognise([beckett], ENGLISH.but(prompt=prompt), Context()))
    earlier = text(recognizer.recognise([beckett], ENGLISH, Context(text=prompt)))
    plain = text(recognizer.recognise([beckett], ENGLISH, Context()))
    assert loud == loud.upper()
    assert earlier == loud
    assert plain != plain.upper()
    assert words(loud)[-6:] == words(plain)[-6:]


def test_evidence_holds_against_a_weak_window(recognizer: Recognizer, beckett: PlannedWindow) -> None:
    """Half a second says little of its language; what the recording was in decides, until a window is sure."""
    noise = np.random.default_rng(3).normal(0, 0.02, SAMPLE_RATE).astype(np.float32)
    weak = PlannedWindow(Window(0, 1), noise)
    (german,) = recognizer.recognise([weak], Options(), Context(languages=(("de", 300.0),)))
    assert german.language == "de"
    (sure,) = recognizer.recognise([beckett], Options(), Context(languages=(("de", 300.0),)))
    assert sure.language == "en"


def test_one_segment_a_window_without_timestamps(recognizer: Recognizer, reading: list[PlannedWindow]) -> None:
    results = recognizer.recognise(reading, ENGLISH.but(without_timestamps=True), Context())
    assert all(len(result.segments) == 1 for result in results)
    assert "it was the age of wisdom" in " ".join(words(text(results)))


def test_translation_of_english_is_english(recognizer: Recognizer, beckett: PlannedWindow) -> None:
    said = words(text(recognizer.recognise([beckett], Options(task="translate", beam_size=2), Context())))
    assert {"ever", "failed", "better"} <= set(said)


def test_a_language_of_nobody_is_refused(recognizer: Recognizer, beckett: PlannedWindow) -> None:
    with pytest.raises(InvalidOption) as caught:
        recognizer.recognise([beckett], Options(language="xx"), Context())
    assert caught.value.param == "language"


def test_a_folder_without_weights_is_told(tmp_path: Path, base_model: Path) -> None:
    (tmp_path / "tokenizer.json").write_bytes((base_model / "tokenizer.json").read_bytes())
    with pytest.raises(ModelUnavailable, match=r"no model\.bin"):
        load(tmp_path, device="cpu")
